//! Finding the sections that answer a question: BM25 over stemmed words, with "I don't know" when too little fits.
//!
//! Source: Robertson, Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.

use std::collections::{HashMap, HashSet};

use super::{language::GLOSSARY, library::Section};

/// The usual constants of BM25.
const K1: f64 = 1.2;
const B: f64 = 0.75;

/// A word of the title counts like this many of the text.
const TITLE_WEIGHT: usize = 3;

/// What it is worth that a question says a section's whole heading.
const NAMED: f64 = 2.0;

/// The share of the question's meaning (by inverse frequency) that a section must cover to count as an answer.
const COVERAGE_MIN: f64 = 0.5;

/// Words that carry no meaning of their own (`comment` is how the French ask).
pub(super) const FUNCTION_WORDS: &str = "comment a about after all also am an and any are as at be because been before being but by can \
    could d did do does doing don for from get give had has have he help her here him his how i if in into is it its \
    ll levqor like many may me might much must my need no not now of off on one only or our out please re s say she \
    should so some such t tell than that the their them then there these they this those to too up us use ve very \
    want was way we well were what when where which while who why will with work working works would you your explain happen happens mean means";

/// An index over sections.
#[derive(Debug)]
pub struct Index {
    sections: Vec<Indexed>,
    /// In how many sections a stem stands.
    frequency: HashMap<String, usize>,
    words_mean: f64,
    ignored: HashSet<&'static str>,
}

#[derive(Debug)]
struct Indexed {
    section: Section,
    counts: HashMap<String, usize>,
    /// Stems of the heading alone, without its page's name.
    heading: Vec<String>,
    words: usize,
}

/// A section that answers, with the sentences that do.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit<'a> {
    pub section: &'a Section,
    pub quotes: Vec<&'a str>,
    score: f64,
}

impl Index {
    pub fn new(sections: Vec<Section>) -> Self {
        let ignored: HashSet<_> = FUNCTION_WORDS.split_whitespace().collect();
        let mut frequency = HashMap::new();
        let sections: Vec<_> = sections
            .into_iter()
            .map(|section| {
                let mut counts: HashMap<String, usize> = HashMap::new();
                let title = stems(&section.title, &ignored);
                for stem in &title {
                    *counts.entry(stem.clone()).or_default() += TITLE_WEIGHT;
                }
                for stem in section.sentences.iter().flat_map(|sentence| stems(sentence, &ignored)) {
                    *counts.entry(stem).or_default() += 1;
                }
                for stem in counts.keys() {
                    *frequency.entry(stem.clone()).or_default() += 1;
                }
                let words = counts.values().sum();
                let heading =
                    section.title.split_once(": ").map_or(section.title.as_str(), |(_, heading)| heading);
                let heading = stems(heading, &ignored);
                Indexed { section, counts, heading, words }
            })
            .collect();
        let words: usize = sections.iter().map(|indexed| indexed.words).sum();
        let words_mean = words as f64 / sections.len().max(1) as f64;
        Self { sections, frequency, words_mean, ignored }
    }

    /// At most `limit` sections that answer `question`, best first; none when nothing covers enough of it.
    pub fn search(&self, question: &str, limit: usize) -> Vec<Hit<'_>> {
        let wanted = self.wanted(question);
        let meaning: f64 = wanted.iter().map(|stem| self.weight(stem)).sum();
        if wanted.is_empty() {
            return Vec::new();
        }
        let mut hits: Vec<_> = self
            .sections
            .iter()
            .filter(|indexed| {
                let covered: f64 = wanted
                    .iter()
                    .filter(|stem| indexed.counts.contains_key(*stem))
                    .map(|stem| self.weight(stem))
                    .sum();
                covered / meaning >= COVERAGE_MIN
            })
            .map(|indexed| Hit {
                section: &indexed.section,
                quotes: self.quotes(&indexed.section, &wanted),
                score: self.score(indexed, &wanted),
            })
            .collect();
        hits.sort_by(|left, right| right.score.total_cmp(&left.score));
        // Sections far behind the best one only add noise.
        let best = hits.first().map_or(0.0, |hit| hit.score);
        hits.retain(|hit| hit.score >= best * 0.6);
        hits.truncate(limit);
        hits
    }

    /// The stems of the question, without repeats, and the English words that its glossary words stand for.
    fn wanted(&self, question: &str) -> Vec<String> {
        let lower = question.to_lowercase();
        let own = stems(question, &self.ignored);
        let foreign =
            GLOSSARY.iter().filter(|(stem, _)| stands_in(&lower, stem)).map(|(_, english)| stem_of(english));
        let foreign: Vec<_> = foreign.collect();
        let mut seen = HashSet::new();
        let mut wanted: Vec<String> =
            foreign.iter().filter(|stem| seen.insert((*stem).clone())).cloned().collect();
        for stem in own {
            // Once the glossary has understood a question, words that no section has are its other, foreign words.
            let known = self.frequency.contains_key(&stem);
            if (known || foreign.is_empty()) && seen.insert(stem.clone()) {
                wanted.push(stem);
            }
        }
        wanted
    }

    /// Inverse document frequency; a word that stands nowhere weighs most.
    fn weight(&self, stem: &str) -> f64 {
        let all = self.sections.len() as f64;
        let with = self.frequency.get(stem).copied().unwrap_or(0) as f64;
        ((all - with + 0.5) / (with + 0.5) + 1.0).ln()
    }

    fn score(&self, indexed: &Indexed, wanted: &[String]) -> f64 {
        let length = 1.0 - B + B * indexed.words as f64 / self.words_mean.max(1.0);
        let score: f64 = wanted
            .iter()
            .filter_map(|stem| indexed.counts.get(stem).map(|count| (stem, *count as f64)))
            .map(|(stem, count)| self.weight(stem) * count * (K1 + 1.0) / (count + K1 * length))
            .sum();
        // "What is a run?" asks for the section of that name, not for the one that says "run" most often.
        let named =
            wanted.len() == indexed.heading.len() && indexed.heading.iter().all(|stem| wanted.contains(stem));
        if named { score * NAMED } else { score }
    }

    /// The sentences with most of what is wanted, in reading order; the first ones when only the title fits.
    fn quotes<'a>(&self, section: &'a Section, wanted: &[String]) -> Vec<&'a str> {
        const QUOTES: usize = 4;
        let mut ranked: Vec<(usize, f64)> = section
            .sentences
            .iter()
            .enumerate()
            .map(|(place, sentence)| {
                let stems: HashSet<_> = stems(sentence, &self.ignored).into_iter().collect();
                let value =
                    wanted.iter().filter(|stem| stems.contains(*stem)).map(|stem| self.weight(stem)).sum();
                (place, value)
            })
            .collect();
        ranked.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        let mut places: Vec<_> = ranked.into_iter().take(QUOTES).map(|(place, _)| place).collect();
        places.sort_unstable();
        places.into_iter().map(|place| section.sentences[place].as_str()).collect()
    }
}

/// Whether a glossary stem begins a word of the text, or stands anywhere in it when it is Chinese.
fn stands_in(text: &str, stem: &str) -> bool {
    let anywhere = stem.chars().all(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
    if anywhere {
        return text.contains(stem);
    }
    text.split(|letter: char| letter.is_whitespace() || ",.;:!?¿¡()\"'’؟".contains(letter))
        .any(|word| word.starts_with(stem))
}

fn stems(text: &str, ignored: &HashSet<&'static str>) -> Vec<String> {
    text.to_lowercase()
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty() && !ignored.contains(word))
        .map(stem_of)
        .collect()
}

/// Words that mean the same here.
const SAME: &[(&str, &str)] = &[
    ("cost", "price"),
    ("pricing", "price"),
    ("expensive", "price"),
    ("fee", "price"),
    ("subscription", "plan"),
    ("automation", "workflow"),
    ("cron", "schedule"),
    ("timezone", "zone"),
    ("restart", "retry"),
    ("rerun", "retry"),
    ("repeat", "retry"),
    ("abort", "cancel"),
    ("token", "key"),
    ("password", "key"),
    ("failure", "fail"),
    ("failed", "fail"),
    ("faulted", "fail"),
    ("begin", "start"),
    ("launch", "start"),
    ("availability", "uptime"),
    ("sla", "uptime"),
    ("guarantee", "promise"),
    ("refunds", "refund"),
];

/// A light stemmer: plural and verb endings go, since both sides lose them alike nothing more is needed.
pub(super) fn stem_of(word: &str) -> String {
    let same = |word: &str| SAME.iter().find(|(from, _)| *from == word).map(|(_, to)| (*to).to_owned());
    if let Some(word) = same(word) {
        return word;
    }
    let stem = ["ations", "ation", "ings", "ing", "ies", "ied", "ers", "ed", "es", "s"]
        .iter()
        .filter_map(|ending| word.strip_suffix(ending).map(|stem| (stem, *ending)))
        .find(|(stem, _)| stem.chars().count() >= 3)
        .map(|(stem, ending)| {
            if ending.starts_with('i') && ending != "ing" && ending != "ings" {
                format!("{stem}y")
            } else {
                stem.to_owned()
            }
        })
        .unwrap_or_else(|| word.to_owned());
    let stem =
        stem.strip_suffix('e').filter(|rest| rest.chars().count() >= 3).map_or(stem.clone(), str::to_owned);
    same(&stem).unwrap_or(stem)
}

#[cfg(test)]
mod tests {
    use levqor_model::Blueprint;

    use super::{super::library::sections, *};

    fn found(question: &str) -> Vec<String> {
        let index = Index::new(sections(&Blueprint::parse(Blueprint::SHIPPED).unwrap()));
        index.search(question, 2).into_iter().map(|hit| hit.section.title.clone()).collect()
    }

    #[test]
    fn questions_find_the_section_that_answers_them() {
        let rows = [
            ("How much does the Growth plan cost?", "Plans and prices"),
            ("how do I retry a failed run?", "Runs: Retry"),
            ("Which time zone does cron use", "Schedules: Time zones"),
            ("is there a free trial?", "Free trial and refunds"),
            ("can workflows call private addresses", "HTTP calls: Addresses that are refused"),
            ("what are the limits of a document", "Workflows: Limits"),
            ("Was kostet der Plan Business? Preis?", "Plans and prices"),
            ("价格是多少？套餐", "Plans"),
            ("comment réessayer une exécution", "Runs: "),
            ("What is the uptime SLA and which service credits are there?", "Uptime promise"),
            ("how do retries work?", "Runs: Errors and retries in a workflow"),
            ("What is a run?", "Words: What is a run?"),
            ("what does region mean", "Words: What is a region?"),
            ("how do I stop levqor", "Getting started: Stop Levqor"),
        ];
        for (question, title) in rows {
            let found = found(question);
            assert!(found.iter().any(|found| found.starts_with(title)), "{question}: {found:?}");
        }
    }

    #[test]
    fn what_the_documentation_does_not_answer_finds_nothing() {
        for question in [
            "who won the world cup in 1998",
            "bake a chocolate cake",
            "",
            "???",
            "the of and",
            "дай рецепт борща",
        ] {
            assert_eq!(found(question), [""; 0], "{question}");
        }
    }
}
