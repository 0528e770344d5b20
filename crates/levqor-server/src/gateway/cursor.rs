//! Page cursors: where the next page begins, as a text that clients need not understand.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use levqor_model::ProblemCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::page_limit;
use crate::Problem;

/// The last thing on a page, encoded. Opaque on purpose: its content may change with any version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub(crate) struct Cursor(String);

impl Cursor {
    /// `list` names the list, so that a cursor of one is no cursor of another.
    pub(crate) fn new(list: &str, last: impl ToString) -> Self {
        Self(URL_SAFE_NO_PAD.encode(format!("{list} {}", last.to_string())))
    }

    /// # Errors
    /// 400 for a text that this server did not give for this list.
    pub(crate) fn last<T: FromStr>(&self, list: &str) -> Result<T, Problem> {
        let decoded = URL_SAFE_NO_PAD.decode(&self.0).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        decoded
            .as_deref()
            .and_then(|text| text.strip_prefix(list)?.strip_prefix(' ')?.parse().ok())
            .ok_or_else(|| {
                Problem::new(
                    ProblemCode::BadCursor,
                    "cursor: not one that this list gave; use next_cursor of the page before, or leave it out",
                )
            })
    }

    /// Where the page is that begins behind it, of a list that has its first page at this address.
    pub(crate) fn address(&self, first: &str) -> String {
        let join = if first.contains('?') { '&' } else { '?' };
        format!("{first}{join}cursor={self}")
    }
}

/// As it stands in an address: it needs no escapes.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What lists that can only be paged through take.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Items on a page, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    pub(crate) cursor: Option<Cursor>,
}

impl PageQuery {
    /// A page of a list, and where the next one begins. `read` is asked for one item more than the page has; `key` is an item's place.
    ///
    /// # Errors
    /// 400 for a limit that no page has and a cursor of another list; and what `read` says.
    pub(crate) async fn read<T, K, F>(
        self,
        list: &str,
        read: impl FnOnce(Option<K>, usize) -> F,
        key: impl Fn(&T) -> K,
    ) -> Result<(Vec<T>, Option<Cursor>), Problem>
    where
        K: FromStr + ToString,
        F: Future<Output = Result<Vec<T>, levqor_store::Error>>,
    {
        let limit = page_limit(self.limit)?;
        let behind = self.cursor.map(|cursor| cursor.last(list)).transpose()?;
        Ok(cut(read(behind, limit + 1).await?, limit, list, key))
    }
}

/// Cuts a page off a list that was read with one item more than the page has; the cursor of the last item, when there
/// are more.
pub(crate) fn cut<T, L: ToString>(
    mut items: Vec<T>,
    limit: usize,
    list: &str,
    key: impl Fn(&T) -> L,
) -> (Vec<T>, Option<Cursor>) {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| Cursor::new(list, key(last)));
    (items, next)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let cursor = Cursor::new("runs", 41);
        assert_eq!(cursor.last::<u64>("runs").unwrap(), 41);
        assert_eq!(cursor.last::<u64>("run").unwrap_err().code, ProblemCode::BadCursor);
        assert_eq!(cursor.last::<u64>("keys").unwrap_err().code, ProblemCode::BadCursor);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = Cursor(text).last::<u64>("runs");
        }
    }

    #[test]
    fn a_page_is_cut_where_it_ends() {
        let (items, next) = cut(vec![1, 2, 3], 2, "n", |n| *n);
        assert_eq!((items, next), (vec![1, 2], Some(Cursor::new("n", 2))));
        let (items, next) = cut(vec![1, 2], 2, "n", |n| *n);
        assert_eq!((items, next), (vec![1, 2], None));
    }
}
