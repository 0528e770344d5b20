//! Pages of records, newest first.

use std::{fmt, str::FromStr};

use levqor_model::{Timestamp, audit::Record};
use levqor_store::audit::{Filter, Place};

use crate::{
    App, Problem,
    gateway::{Cursor, PageQuery},
};

/// A page of them, and where the next one begins.
///
/// # Errors
/// 400 for a limit that no page has and a cursor of another list.
pub(super) async fn page(
    app: &App,
    filter: Filter,
    page: PageQuery,
) -> Result<(Vec<Record>, Option<Cursor>), Problem> {
    let store = app.store.views();
    let read = |before: Option<PlaceText>, limit| {
        store.audit_records(filter, before.map(|PlaceText(place)| place), limit)
    };
    let place =
        |record: &Record| PlaceText(Place { at: record.at, chain: record.chain.clone(), seq: record.seq });
    page.read("audit", read, place).await
}

/// A [`Place`] as the text of a cursor.
struct PlaceText(Place);

impl fmt::Display for PlaceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { at, chain, seq } = &self.0;
        write!(f, "{} {seq} {chain}", at.as_micros())
    }
}

impl FromStr for PlaceText {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = text.splitn(3, ' ');
        let mut number = || words.next()?.parse::<i64>().ok();
        let (at, seq) = (number().ok_or(())?, number().ok_or(())?);
        let chain = words.next().ok_or(())?.to_owned();
        let seq = u64::try_from(seq).map_err(drop)?;
        Ok(Self(Place { at: Timestamp::from_micros(at), chain, seq }))
    }
}
