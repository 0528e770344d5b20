//! "The average total", "the highest price": one number that is computed from a list, and no field of that name.

use super::{
    compile::Pass,
    form::{Base, Change, Path, Phrase},
    reshape,
    scope::{Lost, Scope},
    words,
};

/// A computed number.
#[derive(Debug)]
pub(super) struct Aggregate {
    pub jq: String,
    /// "the average total of orders".
    pub words: String,
    /// A word of a step's name.
    pub name: String,
}

impl Pass<'_> {
    /// The number that the phrase asks for, when it asks for one of a list.
    pub(super) fn aggregate(&mut self, phrase: &Phrase, scope: &Scope) -> Result<Option<Aggregate>, Lost> {
        let Some((word, field, items)) = parts(phrase) else { return Ok(None) };
        // A result that was given this name is meant itself.
        let is_named = matches!(&phrase.base, Base::Named(words) if phrase.fields.is_empty() && scope.known_noun(words).is_some());
        if is_named || phrase.count || !scope.find(&items).is_ok_and(|found| scope.is_list(&found)) {
            return Ok(None);
        }
        let Some(change) = change(&word, field.clone()) else { return Ok(None) };
        let (list, noun) = self.items(&items, scope)?;
        let nouns = words::plural(&noun);
        let made = reshape::reshape(&change, &list, std::slice::from_ref(&nouns));
        let about = reshape::path_words(&field);
        Ok(Some(Aggregate { jq: made.jq, words: format!("the {word} {about} of the {nouns}"), name: word }))
    }
}

/// The kind of number, the field, and the items: of "average total", "average of the totals", "average total of the orders".
fn parts(phrase: &Phrase) -> Option<(String, Path, Phrase)> {
    let pronoun = || Phrase { base: Base::Pronoun, fields: vec![], each: false, count: false, places: 0..0 };
    let split = |words: &[String]| {
        let (first, rest) = words.split_first()?;
        change(first, Path::new()).filter(|_| !rest.is_empty())?;
        Some((first.clone(), one_of(rest)))
    };
    match (&phrase.base, phrase.fields.as_slice()) {
        (Base::Named(words), []) => split(words).map(|(word, field)| (word, field, pronoun())),
        (Base::Named(words), [field]) => match field.as_slice() {
            [segment] if segment.len() == 1 && change(&segment[0], Path::new()).is_some() => {
                Some((segment[0].clone(), one_of(words), pronoun()))
            }
            [segment] => {
                split(segment).map(|(word, field)| (word, field, Phrase { fields: vec![], ..phrase.clone() }))
            }
            _ => None,
        },
        (_, [field]) => match field.as_slice() {
            [segment] => {
                split(segment).map(|(word, field)| (word, field, Phrase { fields: vec![], ..phrase.clone() }))
            }
            _ => None,
        },
        _ => None,
    }
}

fn one_of(words: &[String]) -> Path {
    let mut words = words.to_vec();
    if let Some(last) = words.last_mut() {
        *last = words::singular(last);
    }
    vec![words]
}

fn change(word: &str, field: Path) -> Option<Change> {
    Some(match word {
        "average" | "mean" | "avg" => Change::Average(field),
        "sum" | "combined" => Change::Sum(field),
        "highest" | "largest" | "biggest" | "greatest" | "maximum" | "max" => {
            Change::Extreme { field, most: true, whole: false }
        }
        "lowest" | "smallest" | "minimum" | "min" => Change::Extreme { field, most: false, whole: false },
        _ => return None,
    })
}
