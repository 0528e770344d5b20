//! The secrets that `levqor run` is given: by environment variables and files, never by its own words, which every user
//! of the machine can read.

use std::path::Path;

use levqor_flow::secrets::is_name;
use serde_json::Value;

use super::validate::read_beside;

/// `LEVQOR_SECRET_<name>`; what cannot stand in a variable's name is `_` there.
const PREFIX: &str = "LEVQOR_SECRET_";

/// Names with values: of each secret among `names` that a variable gives, then of `--secret`, which wins.
pub fn given<'w>(
    names: impl Iterator<Item = &'w str>,
    arguments: &[String],
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<(String, Value)>, String> {
    let mut found: Vec<(String, Value)> = Vec::new();
    for name in names.filter(|name| is_name(name)) {
        if found.iter().any(|(known, _)| known == name) {
            continue;
        }
        let spelled: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let text = variable(&format!("{PREFIX}{spelled}"))
            .or_else(|| variable(&format!("{PREFIX}{}", spelled.to_ascii_uppercase())));
        found.extend(text.map(|text| (name.to_owned(), value(text))));
    }
    for argument in arguments {
        let (name, file) = argument
            .split_once('=')
            .and_then(|(name, rest)| Some((name, rest.strip_prefix('@')?)))
            .filter(|(name, file)| is_name(name) && !file.is_empty())
            .ok_or("--secret: write it like name=@file; values are read from files or from LEVQOR_SECRET_<name>, \
                    since the words of a command can be read by others")?;
        found.push((name.to_owned(), value(read_beside(Path::new(file), "secret")?)));
    }
    Ok(found)
}

/// A JSON object or array is one; anything else is a text, without the line break that editors add.
fn value(text: String) -> Value {
    match serde_json::from_str(&text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
        _ => Value::String(
            text.strip_suffix('\n').map_or(text.clone(), |text| text.trim_end_matches('\r').to_owned()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_come_from_variables_and_files() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        std::fs::write(&file, "from file\n").unwrap();
        let names = ["plain", "with-dash", "upper", "absent", "no name"];
        let variable = |name: &str| {
            let value = match name {
                "LEVQOR_SECRET_plain" => "12",
                "LEVQOR_SECRET_with_dash" => "{\"a\": 1}",
                "LEVQOR_SECRET_UPPER" => "u",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let argument = format!("plain=@{}", file.display());
        let found = given(names.into_iter(), &[argument], variable).unwrap();
        let expected = [
            ("plain", json!("12")),
            ("with-dash", json!({ "a": 1 })),
            ("upper", json!("u")),
            ("plain", json!("from file")),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value)));
        for wrong in ["plain=hush", "plain", "=@x", "a b=@x", "plain=@"] {
            let said = given(names.into_iter(), &[wrong.to_owned()], |_| None).unwrap_err();
            assert!(said.contains("name=@file") && !said.contains("hush"), "{said}");
        }
    }
}
