//! What the observers of one component say together, now.
//!
//! A single bad observation may be a hiccup of the observer; one that is repeated after two seconds is not. So what is bad is believed
//! when it has lasted, and what is good at once: a page that stays red for long after the end is as wrong as one that turns red early.
//!
//! Invariants: without fresh words there is no verdict; nothing good is said that no fresh observation has said.

use std::time::Duration;

use levqor_model::Timestamp;
use levqor_store::health::Sample;

use super::service::{FRESH, State};

/// For how long bad observations must follow each other to be believed.
pub(super) const LASTS: Duration = Duration::from_secs(2);
/// After so long a bad observation is believed without a second one: whoever looks less often has made sure of it.
const LONELY: Duration = Duration::from_secs(4);
/// Whoever has said nothing for so long since the others spoke is gone.
const BEHIND: Duration = Duration::from_secs(7);
/// How far back changes of a word are counted, and how many times it may turn bad in that time before it is called unsteady.
const UNSTEADY_WITHIN: Duration = Duration::from_secs(20);
const UNSTEADY_TURNS: usize = 3;

/// As far back as samples matter.
pub(super) const LOOKS_BACK: Duration = Duration::from_secs(40);

/// What one observer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Good,
    /// Now this, now that.
    Unsteady,
    Bad,
}

/// What is so by these samples of one component in one region: the newest first, none of the future.
pub(super) fn state(samples: &[&Sample], now: Timestamp) -> State {
    let Some(newest) = samples.first() else { return State::Unknown };
    let mut nodes = Vec::new();
    for sample in samples {
        if !nodes.contains(&sample.node) {
            nodes.push(sample.node);
        }
    }
    let words: Vec<Word> = nodes
        .into_iter()
        .filter_map(|node| {
            let own: Vec<&Sample> = samples.iter().filter(|sample| sample.node == node).copied().collect();
            let last = own.first()?.at;
            (newest.at.since(last) <= BEHIND).then(|| word(&own, now)).flatten()
        })
        .collect();
    if words.is_empty() {
        State::Unknown
    } else if words.iter().all(|word| *word == Word::Good) {
        State::Operational
    } else if words.iter().all(|word| *word == Word::Bad) {
        State::Down
    } else {
        State::Degraded
    }
}

/// The samples of one observer, the newest first.
fn word(own: &[&Sample], now: Timestamp) -> Option<Word> {
    let newest = own.first()?;
    if now.since(newest.at) > FRESH {
        return None;
    }
    let bad = own.iter().take_while(|sample| !sample.good).count();
    let steady = if turns(own, now) >= UNSTEADY_TURNS { Word::Unsteady } else { Word::Good };
    let Some(first_bad) = bad.checked_sub(1).map(|place| own[place].at) else { return Some(steady) };
    if newest.at.since(first_bad) >= LASTS || now.since(first_bad) >= LONELY {
        return Some(Word::Bad);
    }
    // Not yet: what was said before still stands, if anything good was said that is fresh.
    match own.get(bad) {
        Some(before) if now.since(before.at) <= FRESH => Some(steady),
        _ => Some(Word::Bad),
    }
}

/// How many times it turned from good to bad.
fn turns(own: &[&Sample], now: Timestamp) -> usize {
    let recent = own.iter().take_while(|sample| now.since(sample.at) <= UNSTEADY_WITHIN);
    let words: Vec<bool> = recent.map(|sample| sample.good).collect();
    // The newest is the first.
    words.windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

#[cfg(test)]
mod tests {
    use levqor_model::{NodeId, SeededRandom};

    use super::*;

    const NOW: i64 = 1_795_503_701;

    /// `a good 3.5`: observer, word, age in seconds. In whatever order.
    fn judged(text: &str) -> State {
        let now = Timestamp::from_seconds(NOW);
        let random = SeededRandom::new(1);
        let nodes = [NodeId::new(now, &random), NodeId::new(now, &random)];
        let mut samples: Vec<Sample> = text
            .split(',')
            .filter(|part| !part.trim().is_empty())
            .map(|part| {
                let words: Vec<_> = part.split_whitespace().collect();
                let age: f64 = words[2].parse().unwrap();
                Sample {
                    region: "eu-west".parse().unwrap(),
                    node: nodes[usize::from(words[0] == "b")],
                    component: "api".to_owned(),
                    at: now - Duration::from_secs_f64(age),
                    good: words[1] == "good",
                    latency_us: None,
                    reason: None,
                }
            })
            .collect();
        samples.sort_by_key(|sample| std::cmp::Reverse(sample.at));
        state(&samples.iter().collect::<Vec<_>>(), now)
    }

    #[test]
    fn what_is_bad_must_last_and_what_is_good_is_believed() {
        let rows = [
            ("", State::Unknown),
            ("a good 15", State::Operational),
            ("a good 15.1", State::Unknown),
            // Nothing else is known.
            ("a bad 0", State::Down),
            ("a bad 15.1", State::Unknown),
            // Not yet believed.
            ("a good 1, a bad 0", State::Operational),
            ("a good 3, a bad 1.9, a bad 1, a bad 0", State::Operational),
            ("a good 3, a bad 2, a bad 1, a bad 0", State::Down),
            // Nothing good that is fresh stands behind it.
            ("a good 16, a bad 1", State::Down),
            // Whoever looks less often is believed after a while.
            ("a good 10, a bad 3.9", State::Operational),
            ("a good 10, a bad 4", State::Down),
            ("a bad 3, a bad 2, a bad 1, a good 0", State::Operational),
            // It comes and goes: nothing that lasts, and nothing to rely on.
            ("a good 7, a bad 6, a good 5, a bad 4, a good 3, a good 2, a good 1", State::Operational),
            ("a good 7, a bad 6, a good 5, a bad 4, a good 3, a bad 2, a good 1", State::Degraded),
            // Several observers.
            ("a good 1, b good 2", State::Operational),
            ("a good 1, b bad 4, b bad 1", State::Degraded),
            ("a bad 4, a bad 1, b bad 4, b bad 1", State::Down),
            ("a good 1, b bad 14, b bad 9", State::Operational),
            ("a good 14, b good 16", State::Operational),
        ];
        for (text, expected) in rows {
            assert_eq!(judged(text), expected, "{text}");
        }
    }
}
