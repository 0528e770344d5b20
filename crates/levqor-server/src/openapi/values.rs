//! What the values of parameters look like, so that clients and fuzzers need not guess: ids by their prefix, cursors by their
//! letters.

use utoipa::openapi::{
    RefOr, Schema,
    path::{Operation, Parameter, ParameterIn},
};

/// What stands before `{id}` in a path, and how ids of that begin.
const PREFIXES: &[(&str, &str)] = &[
    ("action-items", "act"),
    ("alerts", "alr"),
    ("approvals", "apr"),
    ("consultations", "csl"),
    ("declarations", "dcl"),
    ("incidents", "inc"),
    ("invitations", "inv"),
    ("keyring", "rky"),
    ("keys", "key"),
    ("leads", "led"),
    ("maintenance", "mnt"),
    ("members", "usr"),
    ("notifications", "ntf"),
    ("runs", "run"),
    ("sessions", "ses"),
    ("silences", "sil"),
    ("subscriptions", "sub"),
    ("tickets", "tkt"),
    ("triggers", "whk"),
    ("workflows", "wf"),
];

/// Adds patterns to the parameters of an operation.
pub(super) fn describe(path: &str, operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        let Some(pattern) = pattern(path, parameter) else { continue };
        if let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema
            && schema.pattern.is_none()
        {
            schema.pattern = Some(pattern);
        }
    }
}

fn pattern(path: &str, parameter: &Parameter) -> Option<String> {
    match parameter.parameter_in {
        ParameterIn::Path => {
            let place = format!("/{{{}}}", parameter.name);
            let before = path.split(&place).next()?.rsplit('/').next()?;
            let (_, prefix) = PREFIXES.iter().find(|(segment, _)| *segment == before)?;
            // The secrets of accounts are named, not numbered; versions have numbers of their own.
            matches!(parameter.name.as_str(), "id" | "item" | "webhook").then(|| of_id(prefix))
        }
        ParameterIn::Query => match parameter.name.as_str() {
            "cursor" => Some("^[A-Za-z0-9_-]+$".to_owned()),
            "account" => Some(of_id("acc")),
            "workflow" => Some(of_id("wf")),
            _ => None,
        },
        ParameterIn::Header | ParameterIn::Cookie | ParameterIn::QueryString => None,
    }
}

/// ULIDs in Crockford's Base 32, of which the first digit holds three bits.
fn of_id(prefix: &str) -> String {
    format!("^{prefix}_[0-7][0-9A-HJKMNP-TV-Z]{{25}}$")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::{document, operations};

    #[test]
    fn every_id_in_a_path_has_a_pattern() {
        let mut document = document();
        let mut seen = 0;
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                for parameter in operation.parameters.iter().flatten() {
                    let RefOr::T(parameter) = parameter else { continue };
                    if parameter.name != "id" {
                        continue;
                    }
                    let Some(RefOr::T(Schema::Object(schema))) = &parameter.schema else {
                        panic!("{method} {path}: no schema")
                    };
                    assert!(schema.pattern.is_some(), "{method} {path}: add its prefix to PREFIXES");
                    seen += 1;
                }
            }
        }
        assert!(seen > 20, "{seen}");
    }
}
