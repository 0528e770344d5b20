//! The API: whether it tells the promises as they are, and whether what it tells is what its own description says.

use std::collections::{BTreeMap, BTreeSet};

use levqor_model::{Deviation, Severity};
use serde_json::Value;

use crate::{
    agreed::Expected,
    catalogue::{NOT_IN_THE_API, meant_by},
    found::Found,
    look::{Caller, Look},
    report::{Outcome, Part},
    schema, severity,
};

pub(crate) const PLANS: &str = "/api/plans";
pub(crate) const DESCRIPTION: &str = "/openapi.json";
/// Values that are read.
const VALUES_MAX: usize = 5_000;

/// Lists of `/api/plans`, and how the names of their members' promises begin.
const LISTS: [(&str, &str); 3] = [("plans", "plan"), ("packages", "package"), ("addons", "addon")];
/// What the names of promises leave out.
const NOT_IN_NAMES: [&str; 1] = ["limits"];
/// After a name: the same as people read it.
const WORDS: &str = "_text";

pub(crate) async fn look(site: &impl Look, expected: Option<&BTreeMap<String, Expected>>, found: &mut Found) {
    let answer = match json(site, PLANS).await {
        Ok(answer) => answer,
        Err(problem) => {
            found.add(broken(PLANS, "the promises as JSON", problem.clone()));
            return found.part(Part::Api, Outcome::Unknown(format!("{PLANS}: {problem}")));
        }
    };
    let mut told = BTreeMap::new();
    if let Err(problem) = by_name(&answer, &mut told) {
        found.add(broken(PLANS, "each promise once", problem));
    }
    let outcome = match expected {
        Some(expected) => Outcome::Compared(compare(&told, expected, found)),
        None => Outcome::Unknown("there is nothing to compare it with".to_owned()),
    };
    match json(site, DESCRIPTION).await {
        Ok(document) => describe(&document, &answer, found),
        Err(problem) => found.add(broken(DESCRIPTION, "the description of the API", problem)),
    }
    found.part(Part::Api, outcome);
}

pub(crate) async fn json(site: &impl Look, path: &str) -> Result<Value, String> {
    site.get(path, Caller::Program).await?.json()
}

fn broken(place: &str, expected: &str, problem: impl Into<Option<String>>) -> Deviation {
    Deviation {
        severity: Severity::Major,
        place: place.to_owned(),
        expected: Some(expected.to_owned()),
        found: problem.into(),
    }
}

fn compare(told: &BTreeMap<String, String>, expected: &BTreeMap<String, Expected>, found: &mut Found) -> u64 {
    let mut compared = 0;
    let place = |name: &str| format!("{name} in {PLANS}");
    for (name, wanted) in expected.iter().filter(|(name, _)| !meant_by(NOT_IN_THE_API, name)) {
        compared += 1;
        match told.get(name) {
            // A field that is gone deceives nobody; it breaks programs.
            None => found.add(broken(&place(name), &wanted.value, None)),
            Some(value) if *value != wanted.value => found.add(Deviation {
                severity: severity::of(name),
                place: place(name),
                expected: Some(wanted.value.clone()),
                found: Some(value.clone()),
            }),
            Some(_) => {}
        }
        let spoken = format!("{name}{WORDS}");
        if let (Some(text), Some(said)) = (&wanted.text, told.get(&spoken))
            && text != said
        {
            found.add(Deviation {
                severity: severity::of(name),
                place: place(&spoken),
                expected: Some(text.clone()),
                found: Some(said.clone()),
            });
        }
    }
    for (name, value) in told {
        let known = expected.contains_key(name.strip_suffix(WORDS).unwrap_or(name));
        if !known && !is_empty_list(name, value) {
            found.add(Deviation {
                severity: Severity::Minor,
                place: place(name),
                expected: None,
                found: Some(value.clone()),
            });
        }
    }
    compared
}

/// A list without members promises nothing, and has no name in the blueprint.
fn is_empty_list(name: &str, value: &str) -> bool {
    value.is_empty() && name.ends_with(".aliases")
}

/// The answer by the names of promises.
///
/// # Errors
/// A promise that is told twice, and more than can be promises. What was read until then is kept.
fn by_name(answer: &Value, told: &mut BTreeMap<String, String>) -> Result<(), String> {
    let Value::Object(members) = answer else { return Err("no object".to_owned()) };
    for (key, value) in members {
        match LISTS.iter().find(|(list, _)| list == key) {
            Some((_, prefix)) => {
                for member in value.as_array().into_iter().flatten() {
                    let code = member["code"].as_str().unwrap_or("without a code");
                    add(&format!("{prefix}.{code}"), member, told)?;
                }
            }
            None => add(key, value, told)?,
        }
    }
    Ok(())
}

fn add(name: &str, value: &Value, told: &mut BTreeMap<String, String>) -> Result<(), String> {
    match value {
        Value::Object(members) => {
            for (key, value) in members.iter().filter(|(key, _)| *key != "code") {
                let below = if NOT_IN_NAMES.contains(&key.as_str()) {
                    name.to_owned()
                } else {
                    format!("{name}.{key}")
                };
                add(&below, value, told)?;
            }
            Ok(())
        }
        // Credits of uptime have no codes: they go by their place.
        Value::Array(list) if list.iter().any(Value::is_object) => {
            let name = name.strip_suffix('s').unwrap_or(name);
            (1..).zip(list).try_for_each(|(place, member)| add(&format!("{name}.{place}"), member, told))
        }
        Value::Array(list) => keep(name, list.iter().map(plain).collect::<Vec<_>>().join(","), told),
        value => keep(name, plain(value), told),
    }
}

fn keep(name: &str, value: String, told: &mut BTreeMap<String, String>) -> Result<(), String> {
    if told.len() >= VALUES_MAX {
        return Err(format!("more than {VALUES_MAX} values"));
    }
    match told.insert(name.to_owned(), value) {
        Some(_) => Err(format!("{name} twice")),
        None => Ok(()),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What the API's own description says of the answer.
fn describe(document: &Value, answer: &Value, found: &mut Found) {
    let place = format!("GET {PLANS} in {DESCRIPTION}");
    let operation = &document["paths"][PLANS]["get"];
    let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
    if !schema.is_object() {
        return found.add(broken(&place, "the form of its answer", None));
    }
    let mut told = BTreeSet::new();
    for difference in schema::differences(document, schema, answer) {
        // A list has as many of the same as it has members.
        if !told.insert(difference.to_string()) {
            continue;
        }
        let schema::Difference { pointer, kind } = difference;
        let place = format!("{pointer} of GET {PLANS}");
        let deviation = match kind {
            schema::Kind::Missing => broken(&place, "a field, as the description says", None),
            schema::Kind::Other { expected, found } => broken(&place, &expected, found),
            schema::Kind::Undescribed => Deviation {
                severity: Severity::Minor,
                place,
                expected: None,
                found: Some("a field that the description does not have".to_owned()),
            },
            schema::Kind::TooMuch => broken(&place, "a description that can be followed", None),
        };
        found.add(deviation);
    }
}
