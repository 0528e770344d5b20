//! A process to run, evaluated.

use serde_json::Value;

use super::{
    ErrorKind, FlowError, ProcessCall,
    scope::{Scope, Trouble, kind},
};
use crate::{
    definition::{RunProcess, Template},
    document::is_variable,
};

/// The code of a process that stands in the document.
pub(super) fn code(scope: &Scope<'_>, template: &Template, input: &Value) -> Result<String, Trouble> {
    match scope.build(template, input)? {
        Value::String(text) => Ok(text),
        other => Err(wrong("what to run must be text", &other)),
    }
}

/// What the engine is to run. `key` names this execution, as for calls.
pub(super) fn call(
    scope: &Scope<'_>,
    definition: &RunProcess,
    text: String,
    input: &Value,
    key: String,
) -> Result<ProcessCall, Trouble> {
    let stdin = match definition.stdin.as_ref().map(|stdin| scope.build(stdin, input)).transpose()? {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
    };
    let arguments = match definition.arguments.as_ref().map(|list| scope.build(list, input)).transpose()? {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => {
            items.into_iter().map(|item| text_of("an argument", item)).collect::<Result<_, _>>()?
        }
        Some(other) => return Err(wrong("`arguments` must give an array", &other)),
    };
    let environment = match definition.environment.as_ref().map(|map| scope.build(map, input)).transpose()? {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(members)) => members
            .into_iter()
            .map(|(name, value)| {
                if !is_variable(&name) {
                    let detail =
                        format!("{name:?} cannot be the name of a variable; use letters, digits and `_`");
                    return Err(Trouble::Error(fault(detail)));
                }
                Ok((name, text_of("a variable", value)?))
            })
            .collect::<Result<_, _>>()?,
        Some(other) => return Err(wrong("`environment` must give an object", &other)),
    };
    for text in std::iter::once(&text).chain(&arguments).chain(environment.iter().map(|(_, value)| value)) {
        if text.contains('\0') {
            return Err(fault("a process takes no text with a zero character; remove it".to_owned()).into());
        }
    }
    let bytes_max = scope.machine.surroundings.payload_bytes_max;
    let bytes = arguments.iter().map(String::len).sum::<usize>()
        + environment.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
        + text.len()
        + stdin.len();
    if bytes > bytes_max {
        let detail = format!(
            "what the process is given has {bytes} bytes and the limit is {bytes_max}; hand over less"
        );
        return Err(ErrorKind::Runtime.error("too much data", detail).into());
    }
    Ok(ProcessCall {
        key,
        program: definition.program,
        text,
        stdin,
        arguments,
        environment,
        returns: definition.returns,
        wait: definition.wait,
    })
}

fn text_of(what: &str, value: Value) -> Result<String, Trouble> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        other => Err(wrong(&format!("{what} must be text, a number or a boolean"), &other)),
    }
}

fn wrong(what: &str, value: &Value) -> Trouble {
    fault(format!("{what}, and is {}", kind(value))).into()
}

fn fault(detail: String) -> FlowError {
    ErrorKind::Expression.error("the process could not be described", detail)
}
