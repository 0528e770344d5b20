//! Where a page of a list begins, as values that statements compare with: one statement serves the first page and all others.

use std::fmt::Display;

use levqor_model::Timestamp;

/// For a list whose greatest key comes first: a text that is greater than all keys of its page.
pub(crate) fn below(before: Option<impl Display>) -> String {
    // Ids and days are letters, digits, underscores and dashes, in the order of their bytes on both databases: all of them are less.
    before.map_or_else(|| "~".to_owned(), |key| key.to_string())
}

/// For a list by time and id, the earliest first: a place that comes before all of its page.
pub(crate) fn behind(after: Option<(Timestamp, impl Display)>) -> (i64, String) {
    after.map_or((i64::MIN, String::new()), |(at, id)| (at.as_micros(), id.to_string()))
}
