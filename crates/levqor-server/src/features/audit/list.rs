//! Pages of records, newest first.

use std::{fmt, str::FromStr};

use levqor_model::{Timestamp, audit::Record};
use levqor_store::audit::{Filter, Place};

use crate::{
    App, Problem,
    gateway::{Cursor, cut},
};

/// The list's name in cursors.
const LIST: &str = "audit";

/// At most `limit` records, and where the next page begins.
///
/// # Errors
/// 400 for a cursor of another list.
pub(super) async fn page(
    app: &App,
    filter: Filter,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<(Vec<Record>, Option<Cursor>), Problem> {
    let before = cursor.map(|cursor| cursor.last::<PlaceText>(LIST)).transpose()?;
    let before = before.map(|PlaceText(place)| place);
    let records = app.store.views().audit_records(filter, before, limit + 1).await?;
    Ok(cut(records, limit, LIST, |record| {
        PlaceText(Place { at: record.at, chain: record.chain.clone(), seq: record.seq })
    }))
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
