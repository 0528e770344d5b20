//! The label whose words the text says: its name, its description, its examples.

use std::collections::{HashMap, HashSet};

use super::{super::backend::Classify, words::stems};

/// What a shared word is worth, by where the label has it.
const NAME: f64 = 3.0;
const EXAMPLE: f64 = 2.0;
const DESCRIPTION: f64 = 1.0;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict<'a> {
    /// None when no word is shared, and when two labels fit alike.
    pub(super) label: Option<&'a str>,
    /// The label's share of what all labels score; 0 without a label.
    pub(super) confidence: f64,
}

pub(super) fn classify(task: &Classify) -> Verdict<'_> {
    let text: HashSet<String> = stems(&task.text).into_iter().collect();
    let labels: Vec<HashMap<String, f64>> = task
        .labels
        .iter()
        .map(|label| {
            let mut worth: HashMap<String, f64> = HashMap::new();
            let mut add = |words: &str, value: f64| {
                for stem in stems(words) {
                    let so_far = worth.entry(stem).or_default();
                    *so_far = so_far.max(value);
                }
            };
            add(&label.label, NAME);
            label.examples.iter().for_each(|example| add(example, EXAMPLE));
            add(&label.description, DESCRIPTION);
            worth
        })
        .collect();
    let mut sharing: HashMap<&str, f64> = HashMap::new();
    for stem in labels.iter().flat_map(HashMap::keys) {
        *sharing.entry(stem).or_default() += 1.0;
    }
    let scores: Vec<f64> = labels
        .iter()
        .map(|worth| {
            // In a fixed order, so that the same task gives the same number to the last digit.
            let mut shared: Vec<(&String, f64)> = worth
                .iter()
                .filter(|(stem, _)| text.contains(*stem))
                // A word that several labels have tells them apart badly.
                .map(|(stem, value)| (stem, value / sharing[stem.as_str()]))
                .collect();
            shared.sort_by(|left, right| left.0.cmp(right.0));
            shared.into_iter().map(|(_, value)| value).sum()
        })
        .collect();
    let best = scores.iter().copied().fold(0.0, f64::max);
    let mut leaders = scores.iter().zip(&task.labels).filter(|(score, _)| best - **score < 1e-9);
    match (leaders.next(), leaders.next()) {
        (Some((_, label)), None) if best > 0.0 => {
            let share = best / scores.iter().sum::<f64>();
            Verdict { label: Some(&label.label), confidence: (share * 1_000.0).round() / 1_000.0 }
        }
        _ => Verdict { label: None, confidence: 0.0 },
    }
}
