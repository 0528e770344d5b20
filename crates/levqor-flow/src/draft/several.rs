//! What "both", "the results" and "them" mean when several results were read one after another: all of them, by name.
//!
//! Nothing here picks one of several in silence: it is all of them, or a question, or one with a warning that says which.

use super::{
    compile::Pass,
    form::{Base, Phrase},
    jq,
    scope::{Lost, Scope, Shape, Spoken},
    words,
};

/// Results that are meant together.
#[derive(Debug)]
pub(super) struct Several {
    /// Names with their keys in the context.
    members: Vec<(String, String)>,
    /// For the summary: "users and orders".
    pub words: String,
}

impl Pass<'_> {
    /// The results that the phrase means together; None when it means one thing, or too many.
    pub(super) fn several(&self, phrase: &Phrase, scope: &Scope) -> Option<Several> {
        if !phrase.fields.is_empty() || phrase.count || scope.doubt.is_some() || !scope.missing.is_empty() {
            return None;
        }
        let keys = match phrase.base {
            Base::Both => {
                let all: Vec<String> = scope
                    .known
                    .iter()
                    .filter(|known| known.shape == Shape::Response)
                    .map(|known| known.key.clone())
                    .collect();
                let near = if scope.reads.len() > 1 { scope.reads.clone() } else { all };
                Some(near).filter(|near| near.len() == 2)
            }
            Base::Results => Some(scope.reads.clone()),
            Base::Pronoun if self.is_them(phrase, scope) && !self.is_last_alone(scope) => {
                Some(scope.reads.clone())
            }
            _ => None,
        }?;
        let is_known = |key: &String| scope.known.iter().any(|known| known.key == *key);
        if keys.len() < 2 || !keys.iter().all(is_known) {
            return None;
        }
        let mut names: Vec<String> =
            keys.iter().map(|key| scope.labels.get(key).unwrap_or(key).clone()).collect();
        let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
        if distinct.len() < names.len() {
            names.clone_from(&keys);
        }
        let words: Vec<&str> = names.iter().map(String::as_str).collect();
        let words = super::cron::and(&words);
        Some(Several { members: names.into_iter().zip(keys).collect(), words })
    }

    /// jq for an object of the results under their names.
    pub(super) fn all_of(&mut self, several: &Several, scope: &Scope) -> Result<(String, Shape), Lost> {
        let mut members = Vec::new();
        for (name, key) in &several.members {
            if !scope.known.iter().any(|known| known.key == *key) {
                return Err(Lost::Unknown);
            }
            self.seen.entry(key.clone()).or_default().any = true;
            members.push(format!("{}: $context.{key}", jq::key(name)));
        }
        Ok((format!("{{{}}}", members.join(", ")), Shape::Response))
    }

    /// "Them" after several results whose last is a list of its own can mean either; it is the last, and that is said.
    pub(super) fn warn_alone(&mut self, phrase: &Phrase, scope: &Scope) {
        if !matches!(phrase.base, Base::Pronoun) || !self.is_them(phrase, scope) {
            return;
        }
        let said = (self.quote)(&phrase.places);
        let Some((last, others)) = scope.reads.split_last() else { return };
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        self.notes.warn(format!(
            "\"{said}\" is taken as {last} alone, without {}; say \"both\" or \"the results\" for all",
            super::cron::and(&others)
        ));
    }

    /// Whether the phrase is a plural pronoun that stands behind several results.
    fn is_them(&self, phrase: &Phrase, scope: &Scope) -> bool {
        let said = (self.quote)(&phrase.places).to_lowercase();
        let plural = matches!(said.as_str(), "them" | "they" | "these" | "those" | "all");
        let last = match scope.spoken {
            Spoken::Known(at) => scope.known.get(at).map(|known| &known.key),
            _ => None,
        };
        plural && scope.reads.len() > 1 && last.is_some() && last == scope.reads.last()
    }

    fn is_last_alone(&self, scope: &Scope) -> bool {
        let key = scope.reads.last();
        scope.known.iter().any(|known| {
            Some(&known.key) == key
                && !known.unnamed
                && known.nouns.last().is_some_and(|noun| words::is_plural(noun))
        })
    }
}
