//! What is done to a list before it is used: picking, sorting, counting, adding up, each as one jq expression.

use super::{
    form::{Change, Path},
    jq,
    naming::capital,
    predicate,
    scope::Shape,
    words,
};

/// A change, compiled.
#[derive(Debug)]
pub struct Made {
    pub jq: String,
    pub shape: Shape,
    /// Words of the step's name.
    pub step: Vec<String>,
    /// The words of the new result; None: it replaces what it was made from.
    pub name: Option<Vec<String>>,
    /// For the summary.
    pub words: String,
}

/// Compiles the change of `list`, which people call `nouns`.
pub fn reshape(change: &Change, list: &str, nouns: &[String]) -> Made {
    let noun = nouns.join(" ");
    let numbers = |field: &Path| format!("[{list}[] | {} | tonumber?]", jq::access(".", field));
    let same = |verb: &str, jq: String, words: String| Made {
        jq,
        shape: Shape::List,
        step: [vec![verb.to_owned()], nouns.to_vec()].concat(),
        name: None,
        words,
    };
    let scalar = |name: &str, about: &[String], jq: String, words: String| Made {
        jq,
        shape: Shape::Scalar,
        step: [vec![name.to_owned()], about.to_vec()].concat(),
        name: Some(vec![name.to_owned()]),
        words,
    };
    let last = |field: &Path| field.last().cloned().unwrap_or_default();
    match change {
        Change::KeepFields(fields) => {
            let members: Vec<String> = fields
                .iter()
                .map(|field| format!("{}: {}", field_key(field), jq::access(".", field)))
                .collect();
            let names: Vec<String> = fields.iter().map(path_words).collect();
            same(
                "shorten",
                format!("[{list}[] | {{{}}}]", members.join(", ")),
                format!("Keep only {} of each of the {noun}", join(&names)),
            )
        }
        Change::Filter(tests, true) => same(
            "filter",
            format!("[{list}[] | select({})]", jq::tests(".", &Path::new(), tests)),
            format!("Keep only the {noun} where {}", tests_words(tests)),
        ),
        Change::Filter(tests, false) => same(
            "filter",
            format!("[{list}[] | select({} | not)]", jq::truth(&jq::tests(".", &Path::new(), tests))),
            format!("Remove the {noun} where {}", tests_words(tests)),
        ),
        Change::Count => scalar("count", nouns, format!("{list} | length"), format!("Count the {noun}")),
        Change::Sum(field) => scalar(
            "sum",
            &last(field),
            format!("{} | add // 0", numbers(field)),
            format!("Add up {} of the {noun}", path_words(field)),
        ),
        Change::Average(field) => scalar(
            "average",
            &last(field),
            format!("{} | if length == 0 then null else add / length end", numbers(field)),
            format!("Average {} of the {noun}", path_words(field)),
        ),
        Change::Extreme { field, most, whole } => {
            let (verb, word) = if *most { ("max", "highest") } else { ("min", "lowest") };
            let words = if *whole {
                format!("Find the {} with the {word} {}", words::singular(&noun), path_words(field))
            } else {
                format!("Find the {word} {} of the {noun}", path_words(field))
            };
            let jq = if *whole {
                format!("{list} | {verb}_by({} | tonumber? // null)", jq::access(".", field))
            } else {
                format!("{} | {verb}", numbers(field))
            };
            let name = if *whole {
                vec![word.to_owned(), words::singular(&noun)]
            } else {
                vec![word.to_owned(), path_words(field)]
            };
            Made {
                jq,
                shape: if *whole { Shape::Response } else { Shape::Scalar },
                step: [vec!["find".to_owned()], name.clone()].concat(),
                name: Some(name),
                words,
            }
        }
        Change::Sort { field, descending } => {
            let turned = if *descending { " | reverse" } else { "" };
            let order = if *descending { ", the greatest first" } else { "" };
            same(
                "sort",
                format!("{list} | sort_by({}){turned}", jq::access(".", field)),
                format!("Sort the {noun} by {}{order}", path_words(field)),
            )
        }
        Change::One { last } => {
            let (end, at) = if *last { ("last", "[-1]") } else { ("first", "[0]") };
            let name = vec![end.to_owned(), words::singular(&noun)];
            Made {
                jq: format!("{list}{at}"),
                shape: Shape::Response,
                step: [vec!["take".to_owned()], name.clone()].concat(),
                name: Some(name),
                words: format!("Take the {end} of the {noun}"),
            }
        }
        Change::First(count) => {
            same("take", format!("{list}[:{count}]"), format!("Take the first {count} {noun}"))
        }
        Change::Last(0) => same("take", "[]".into(), format!("Take the last 0 {noun}")),
        Change::Last(count) => {
            same("take", format!("{list}[-{count}:]"), format!("Take the last {count} {noun}"))
        }
        Change::Unique(None) => {
            same("unique", format!("{list} | unique"), format!("Remove duplicates from the {noun}"))
        }
        Change::Unique(Some(field)) => same(
            "unique",
            format!("{list} | unique_by({})", jq::access(".", field)),
            format!("Keep one of the {noun} for each {}", path_words(field)),
        ),
        Change::Reverse => same("reverse", format!("{list} | reverse"), format!("Reverse the {noun}")),
    }
}

/// The key under which a field stands in an object that is made of fields.
pub fn field_key(field: &Path) -> String {
    match field.last().map(Vec::as_slice) {
        Some([one]) => jq::key(one),
        Some(words) => jq::key(&jq::camel(words)),
        None => "value".into(),
    }
}

pub fn path_words(path: &Path) -> String {
    path.iter().map(|segment| segment.join(" ")).collect::<Vec<_>>().join("'s ")
}

/// "total is over 100 and status is open".
pub fn tests_words(tests: &super::form::Tests) -> String {
    use super::form::{Literal, Test, Tests};
    let value = |literal: &Literal| match literal {
        Literal::Number(number) => number.to_string(),
        Literal::Text(text) => format!("\"{text}\""),
        Literal::Boolean(boolean) => boolean.to_string(),
        Literal::Null => "null".into(),
    };
    match tests {
        Tests::One { field, test, negated } => {
            let name = path_words(field);
            let name = if name.is_empty() { "it".to_owned() } else { name };
            let not = if *negated { "not " } else { "" };
            let doing =
                |verb: &str, base: &str| if *negated { format!("does not {base}") } else { verb.to_owned() };
            match test {
                Test::Compare(comparison, literal) => {
                    let verb = if *negated {
                        comparison.words().replacen("is", "is not", 1)
                    } else {
                        comparison.words().to_owned()
                    };
                    format!("{name} {verb} {}", value(literal))
                }
                Test::Between(from, to) => format!("{name} is {not}between {from} and {to}"),
                Test::Contains(literal) => {
                    format!("{name} {} {}", doing("contains", "contain"), value(literal))
                }
                Test::StartsWith(text) => format!("{name} {} \"{text}\"", doing("starts with", "start with")),
                Test::EndsWith(text) => format!("{name} {} \"{text}\"", doing("ends with", "end with")),
                Test::Empty => format!("{name} is {not}empty"),
                Test::Missing if *negated => format!("{name} exists"),
                Test::Missing => format!("{name} is missing"),
            }
        }
        Tests::All(all) => all.iter().map(tests_words).collect::<Vec<_>>().join(" and "),
        Tests::Any(any) => any.iter().map(tests_words).collect::<Vec<_>>().join(" or "),
    }
}

fn join(names: &[String]) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    super::cron::and(&names)
}

/// Words of a step's name for a check: "check", then the first field.
pub fn check_name(tests: &super::form::Tests) -> Vec<String> {
    let field = predicate::fields(tests).into_iter().find(|field| !field.is_empty());
    let last = field.and_then(|field| field.last()).cloned().unwrap_or_default();
    [vec!["check".to_owned()], last.into_iter().map(|word| capital(&word)).collect()].concat()
}
