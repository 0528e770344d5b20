//! The operation, and the parameters that it takes.

use serde_json::{Map, Value};

use super::{resolve, wrong};
use crate::{document::nearest, machine::FlowError};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

pub(super) struct Operation<'d> {
    pub(super) method: &'static str,
    pub(super) path: &'d str,
    pub(super) item: &'d Value,
    pub(super) operation: &'d Value,
    /// Those of the path and of the operation, which win.
    pub(super) parameters: Vec<&'d Map<String, Value>>,
}

pub(super) fn operation<'d>(document: &'d Value, id: &str) -> Result<Operation<'d>, FlowError> {
    let paths = document
        .get("paths")
        .and_then(Value::as_object)
        .ok_or_else(|| wrong("it has no `paths`".to_owned()))?;
    let mut known = Vec::new();
    for (path, item) in paths {
        let Some(item) = resolve(document, item) else { continue };
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            match operation.get("operationId").and_then(Value::as_str) {
                Some(found) if found == id => {
                    let parameters = parameters(document, item, operation)?;
                    return Ok(Operation { method, path, item, operation, parameters });
                }
                Some(other) => known.push(other),
                None => {}
            }
        }
    }
    let shown: String = id.chars().take(100).collect();
    let hint = match nearest(id, known.iter().copied()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if known.is_empty() => "; its operations have no names".to_owned(),
        None => {
            let listed = known.iter().take(10).copied().collect::<Vec<_>>().join(", ");
            format!("; it has {listed}{}", if known.len() > 10 { " and more" } else { "" })
        }
    };
    Err(wrong(format!("it has no operation {shown:?}{hint}")))
}

fn parameters<'d>(
    document: &'d Value,
    item: &'d Value,
    operation: &'d Value,
) -> Result<Vec<&'d Map<String, Value>>, FlowError> {
    let mut merged: Vec<&Map<String, Value>> = Vec::new();
    let key = |parameter: &'d Map<String, Value>| (parameter.get("name"), parameter.get("in"));
    for owner in [item, operation] {
        for parameter in owner.get("parameters").and_then(Value::as_array).into_iter().flatten() {
            let parameter = resolve(document, parameter)
                .and_then(Value::as_object)
                .ok_or_else(|| wrong("a reference of its parameters leads nowhere".to_owned()))?;
            merged.retain(|other| key(other) != key(parameter));
            merged.push(parameter);
        }
    }
    Ok(merged)
}
