//! `run: shell` and `run: script`: what runs on the server itself, and therefore only when its operator allows it.

use serde_json::{Map, Value};

use super::{
    checker::{Checker, kind},
    data::{Scope, enclosed},
    issue::Place,
    support,
};
use crate::definition::{Code, Program, Returns, RunProcess, TaskKind, Template};

pub(super) const RETURNS: [(&str, Returns); 5] = [
    ("stdout", Returns::Stdout),
    ("stderr", Returns::Stderr),
    ("code", Returns::Code),
    ("all", Returns::All),
    ("none", Returns::None),
];

/// What `await` and `return` say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) wait: bool,
    pub(super) returns: Returns,
}

impl<'d> Checker<'d> {
    pub(super) fn shell(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        scope: Scope<'_>,
        manner: Manner,
    ) -> Option<TaskKind> {
        let shell = self.object(value, place, "{ command: 'echo hello' }")?;
        self.closed(shell, place, &["command", "stdin", "arguments", "environment"]);
        let code = self.program_text(shell, place, "command", scope).map(Code::Here);
        self.process(Program::Shell, shell, place, scope, code, manner)
    }

    pub(super) fn script(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        scope: Scope<'_>,
        manner: Manner,
    ) -> Option<TaskKind> {
        let script = self.object(value, place, "{ language: js, code: 'console.log(1)' }")?;
        self.closed(script, place, &["language", "code", "source", "stdin", "arguments", "environment"]);
        let program = self.required_text(script, place, "language").and_then(|language| match language {
            "js" | "javascript" => Some(Program::JavaScript),
            "python" => Some(Program::Python),
            _ => {
                self.refuse(&place.key("language"), &support::OTHER_SCRIPTS);
                None
            }
        });
        let code = match script.get("source") {
            Some(source) => {
                let at = place.key("source");
                if script.contains_key("code") {
                    self.error(&at, "there are both `source` and `code`; keep one");
                }
                self.resource(source, &at, scope).map(Code::Elsewhere)
            }
            None => self.program_text(script, place, "code", scope).map(Code::Here),
        };
        self.process(program?, script, place, scope, code, manner)
    }

    /// `place` is that of `shell` or `script`.
    fn process(
        &mut self,
        program: Program,
        members: &'d Map<String, Value>,
        place: &Place<'_>,
        scope: Scope<'_>,
        code: Option<Code>,
        Manner { wait, returns }: Manner,
    ) -> Option<TaskKind> {
        let allowed = self.host.processes;
        let (allowed, construct) = match program {
            Program::Shell => (allowed.shell, &support::SHELL),
            Program::JavaScript => (allowed.javascript, &support::JAVASCRIPT),
            Program::Python => (allowed.python, &support::PYTHON),
        };
        if !allowed {
            self.refuse(place, construct);
        }
        let stdin = members.get("stdin").and_then(|value| {
            let place = place.key("stdin");
            self.text(value, &place)?;
            Some(self.data(value, &place, scope))
        });
        let arguments = members.get("arguments").and_then(|value| {
            let place = place.key("arguments");
            match value {
                Value::Array(items) => {
                    for (index, item) in items.iter().enumerate() {
                        self.scalar(item, &place.index(index));
                    }
                }
                Value::String(text) if enclosed(text).is_some() => {}
                other => {
                    let message = format!(
                        "`arguments` must be a list or an expression in ${{ }}, and is {}; write for example [a, b]",
                        kind(other)
                    );
                    self.error(&place, message);
                    return None;
                }
            }
            Some(self.data(value, &place, scope))
        });
        let environment = members.get("environment").and_then(|value| {
            let place = place.key("environment");
            match value {
                Value::Object(variables) => {
                    for (name, value) in variables {
                        let at = place.key(name);
                        if !is_variable(name) {
                            self.error(
                                &at,
                                "the name of a variable has letters, digits and `_`, and does not begin with a digit; \
                                 rename it",
                            );
                        }
                        self.scalar(value, &at);
                    }
                }
                Value::String(text) if enclosed(text).is_some() => {}
                other => {
                    let message = format!(
                        "`environment` must be an object or an expression in ${{ }}, and is {}; write for example \
                         {{ NAME: value }}",
                        kind(other)
                    );
                    self.error(&place, message);
                    return None;
                }
            }
            Some(self.data(value, &place, scope))
        });
        Some(TaskKind::RunProcess(RunProcess {
            program,
            code: code?,
            stdin,
            arguments,
            environment,
            wait,
            returns,
        }))
    }

    /// A command or code: its own language has `${ }` too, so only a text that is wholly an expression is one.
    fn program_text(
        &mut self,
        members: &'d Map<String, Value>,
        place: &Place<'_>,
        member: &str,
        scope: Scope<'_>,
    ) -> Option<Template> {
        let text = self.required_text(members, place, member)?;
        let place = place.key(member);
        if let Some(inner) = enclosed(text) {
            return self.compile(inner, &place, scope).map(Template::Expression);
        }
        if text.trim().is_empty() {
            self.error(&place, format!("{} is empty; write what to run", place.name()));
        }
        if ["${ .", "${.", "${ $"].iter().any(|start| text.contains(start)) {
            self.warn(
                &place,
                "`${ }` inside longer text is not an expression of the workflow; hand the value over in `arguments` or \
                 `environment`, which is safer too",
            );
        }
        Some(Template::Literal(Value::from(text)))
    }

    fn scalar(&mut self, value: &Value, place: &Place<'_>) {
        if !matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_)) {
            let message =
                format!("{} must be text, a number or a boolean, and is {}", place.name(), kind(value));
            self.error(place, message);
        }
    }
}

/// `^[A-Za-z_][A-Za-z0-9_]*$`
pub(crate) fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
