//! Writes jq. Whatever comes from the user goes through [`text`] or [`access`], so that it can only be data.

use serde_json::Value;

use super::form::{Comparison, Literal, Path, Test, Tests};

/// A jq string literal. JSON's escapes are jq's, and a backslash before "(" is doubled, so nothing is interpolated.
pub fn text(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// A value of the document that is this text, whatever it looks like.
pub fn literal(text: &str) -> Value {
    if text.contains("${") { expression(&self::text(text)) } else { Value::String(text.to_owned()) }
}

/// A value of the document that jq computes.
pub fn expression(jq: &str) -> Value {
    Value::String(format!("${{ {jq} }}"))
}

/// JSON as literals, down to its leaves.
pub fn literals(value: &Value) -> Value {
    match value {
        Value::String(text) => literal(text),
        Value::Array(items) => Value::Array(items.iter().map(literals).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(key, value)| (key.clone(), literals(value))).collect())
        }
        other => other.clone(),
    }
}

/// Words of jq that can't follow a dot everywhere.
const KEYWORDS: &[&str] = &[
    "and", "or", "not", "if", "then", "elif", "else", "end", "as", "def", "reduce", "foreach", "try",
    "catch", "label", "import", "include", "null", "true", "false", "__loc__",
];

fn is_plain(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !KEYWORDS.contains(&name)
}

/// A member's key in an object that jq makes.
pub fn key(name: &str) -> String {
    if is_plain(name) { name.to_owned() } else { text(name) }
}

/// Reads the path from `root` (`.`, `$order`, `$context.orders`); nothing when there is no such thing.
/// A name of several words is looked for as dueDate and as due_date.
pub fn access(root: &str, path: &Path) -> String {
    let mut jq = root.to_owned();
    for segment in path {
        let step =
            |name: &str| if is_plain(name) { format!(".{name}?") } else { format!(".[{}]?", text(name)) };
        jq = match segment.as_slice() {
            [] => jq,
            [name] if jq == "." => step(name),
            [name] if is_plain(name) => format!("{jq}.{name}?"),
            [name] => format!("({jq} | .[{}]?)", text(name)),
            words => format!("({jq} | {} // {})", step(&camel(words)), step(&words.join("_"))),
        };
    }
    jq
}

/// "due date" → dueDate, without what can't be in a name.
pub fn camel(words: &[String]) -> String {
    let mut name = String::new();
    for part in words.iter().flat_map(|word| word.split(|c: char| !c.is_ascii_alphanumeric())) {
        let mut chars = part.chars();
        match chars.next() {
            Some(first) if name.is_empty() => name.push(first.to_ascii_lowercase()),
            Some(first) => name.push(first.to_ascii_uppercase()),
            None => continue,
        }
        name.push_str(chars.as_str());
    }
    name
}

/// The list that a response holds: itself, its member of that name, or its only list; a lone object is a list of one.
pub fn list_of(noun: &str) -> String {
    let only = "[.[] | arrays] as $lists | if ($lists | length) == 1 then $lists[0] else [.] end";
    let named = if is_plain(noun) {
        format!(" elif (.{noun} | type) == \"array\" then .{noun}")
    } else {
        String::new()
    };
    format!("if type == \"array\" then . elif type != \"object\" then []{named} else {only} end")
}

fn literal_jq(literal: &Literal) -> String {
    match literal {
        Literal::Number(number) => number.to_string(),
        Literal::Text(text) => self::text(text),
        Literal::Boolean(boolean) => boolean.to_string(),
        Literal::Null => "null".into(),
    }
}

/// A condition that is true or false and never nothing.
pub fn truth(condition: &str) -> String {
    format!("(({condition}) // false)")
}

/// Tests of the item at `root`. `prefix` goes before every field.
pub fn tests(root: &str, prefix: &Path, tests: &Tests) -> String {
    match tests {
        Tests::One { field, test, negated } => {
            let path: Path = [prefix.clone(), field.clone()].concat();
            let jq = one(&access(root, &path), test);
            if *negated { format!("({} | not)", truth(&jq)) } else { jq }
        }
        Tests::All(all) => joined(all, "and", root, prefix),
        Tests::Any(any) => joined(any, "or", root, prefix),
    }
}

fn joined(parts: &[Tests], word: &str, root: &str, prefix: &Path) -> String {
    let parts: Vec<String> = parts.iter().map(|part| truth(&tests(root, prefix, part))).collect();
    parts.join(&format!(" {word} "))
}

/// Numbers that come as texts ("99.50") count as numbers; what is no number passes no comparison by size.
pub fn one(value: &str, test: &Test) -> String {
    let number = |comparison: Comparison, number: &serde_json::Number| {
        format!("({value} | tonumber?) {} {number}", comparison.jq())
    };
    match test {
        Test::Compare(Comparison::NotEqual, Literal::Number(n)) => {
            format!("({} | not)", truth(&number(Comparison::Equal, n)))
        }
        Test::Compare(comparison, Literal::Number(n)) => number(*comparison, n),
        Test::Compare(comparison @ (Comparison::Equal | Comparison::NotEqual), literal) => {
            format!("{value} {} {}", comparison.jq(), literal_jq(literal))
        }
        Test::Compare(comparison, literal) => {
            // Texts in the order of their characters, which for dates is the order of time.
            format!("({value} | strings) {} {}", comparison.jq(), literal_jq(literal))
        }
        Test::Between(from, to) => format!("({value} | tonumber? | . >= {from} and . <= {to})"),
        Test::Contains(literal) => {
            let member = literal_jq(literal);
            let inside = match literal {
                Literal::Text(text) => self::text(text),
                other => text(&literal_jq(other)),
            };
            format!(
                "({value} | if type == \"array\" then any(.[]; . == {member}) else . // \"\" | tostring | contains({inside}) end)"
            )
        }
        Test::StartsWith(start) => format!("({value} // \"\" | tostring | startswith({}))", text(start)),
        Test::EndsWith(end) => format!("({value} // \"\" | tostring | endswith({}))", text(end)),
        Test::Empty => format!("(({value} // \"\") | length) == 0"),
        Test::Missing => format!("({value} // null) == null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        for hostile in ["\\(env)", "\") | env | (\"", "a\nb", "${ . }", "\u{1}"] {
            let quoted = text(hostile);
            assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), hostile);
            assert!(!quoted.contains("\\(") || quoted.contains("\\\\("));
        }
    }

    #[test]
    fn names_with_other_characters_are_quoted() {
        assert_eq!(access(".", &vec![vec!["total".into()]]), ".total?");
        assert_eq!(access(".", &vec![vec!["a\"] | env".into()]]), ".[\"a\\\"] | env\"]?");
        assert_eq!(
            access("$order", &vec![vec!["customer".into()], vec!["email".into()]]),
            "$order.customer?.email?"
        );
        assert_eq!(access(".", &vec![vec!["due".into(), "date".into()]]), "(. | .dueDate? // .due_date?)");
        assert_eq!(access(".", &vec![vec!["end".into()]]), ".[\"end\"]?");
    }
}
