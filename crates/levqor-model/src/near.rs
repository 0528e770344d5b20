//! "Did you mean …": the nearest of the names that would have been right.

/// A question to append to a message, or nothing when no candidate is near.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(name, candidates) {
        Some(candidate) => format!("; did you mean `{candidate}`?"),
        None => String::new(),
    }
}

/// The candidate with the fewest edits from `name`, when that is few for its length; the first of several.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Longer names are not compared, and of more candidates only the first: a hint must not cost.
    const CHARS_MAX: usize = 40;
    const CANDIDATES_MAX: usize = 1_000;
    let wanted: Vec<char> = name.chars().take(CHARS_MAX + 1).collect();
    if wanted.len() > CHARS_MAX || wanted.is_empty() {
        return None;
    }
    let allowed = match wanted.len() {
        0..=2 => 0,
        3..=5 => 1,
        6..=9 => 2,
        _ => EDITS_MAX,
    };
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates.into_iter().take(CANDIDATES_MAX) {
        if candidate.len() > CHARS_MAX * 4 {
            continue;
        }
        let other: Vec<char> = candidate.chars().collect();
        if other.len().abs_diff(wanted.len()) > allowed && !candidate.eq_ignore_ascii_case(name) {
            continue;
        }
        let edits = if candidate.eq_ignore_ascii_case(name) { 0 } else { edits(&wanted, &other) };
        if edits <= allowed && best.is_none_or(|(least, _)| edits < least) {
            best = Some((edits, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// More edits are never allowed, so nobody needs their number.
const EDITS_MAX: usize = 3;

/// Insertions, deletions, replacements and swaps of neighbours that turn one into the other (optimal string alignment).
fn edits(one: &[char], other: &[char]) -> usize {
    let width = other.len() + 1;
    let mut before_last = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (row, &a) in one.iter().enumerate() {
        let mut current = vec![row + 1; width];
        for (column, &b) in other.iter().enumerate() {
            let replaced = last[column] + usize::from(a != b);
            let mut least = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && a == other[column - 1] && one[row - 1] == b {
                least = least.min(before_last[column - 1] + 1);
            }
            current[column + 1] = least;
        }
        if current.iter().min() > Some(&EDITS_MAX) {
            return usize::MAX;
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[width - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["switch", "set", "wait", "exceptWhen", "continue"];
        let table = [
            ("swich", Some("switch")),
            ("SWITCH", Some("switch")),
            ("sett", Some("set")),
            ("wiat", Some("wait")),
            ("exceptwhen", Some("exceptWhen")),
            ("expectWhen", Some("exceptWhen")),
            ("contineu", Some("continue")),
            ("emit", None),
            ("s", None),
            ("", None),
        ];
        for (name, nearest_name) in table {
            assert_eq!(nearest(name, names), nearest_name, "{name}");
        }
    }
}
