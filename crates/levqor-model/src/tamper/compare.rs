//! What was agreed against what is there.

use std::collections::BTreeMap;

use super::Entry;
use crate::Deviation;

/// What is not as agreed at a path; None: it is as agreed.
///
/// What can not be looked at is never as agreed, whatever was agreed: nobody knows what is there.
pub fn deviation(path: &str, agreed: Option<&Entry>, seen: Option<&Entry>) -> Option<Deviation> {
    let subject = agreed.or(seen)?.subject;
    let expected = agreed.and_then(Entry::something);
    let found = seen.and_then(Entry::something);
    if expected == found && found.is_none_or(super::Seen::is_readable) {
        return None;
    }
    Some(Deviation {
        severity: subject.severity(),
        place: path.to_owned(),
        expected: expected.map(ToString::to_string),
        found: found.map(ToString::to_string),
    })
}

/// All of them, by path.
pub fn deviations(
    agreed: &BTreeMap<String, Entry>,
    seen: &BTreeMap<String, Entry>,
) -> BTreeMap<String, Deviation> {
    let mut found = BTreeMap::new();
    for (path, entry) in agreed {
        if let Some(deviation) = deviation(path, Some(entry), seen.get(path)) {
            found.insert(path.clone(), deviation);
        }
    }
    for (path, entry) in seen.iter().filter(|(path, _)| !agreed.contains_key(*path)) {
        if let Some(deviation) = deviation(path, None, Some(entry)) {
            found.insert(path.clone(), deviation);
        }
    }
    found
}
