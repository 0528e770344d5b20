//! Expressions and the data that holds them: which text is an expression, and what it may mention.
//!
//! | place | `.` | variables |
//! | --- | --- | --- |
//! | `metadata.levqor` | raw workflow input | none |
//! | workflow `input.from`, `timeout` | raw workflow input | `$secrets` `$workflow` `$runtime` |
//! | task `if`, `input.from` | raw task input | and `$context` `$task` |
//! | task definition, `timeout`, `output.as` | transformed input, raw output | and `$input` `$authorization` |
//! | `export.as` | transformed output | and `$output` |
//! | workflow `output.as` | last transformed output | `$context` `$secrets` `$workflow` `$runtime` |
//! | `schedule.on` | the event, or its data | none |
//! | `use` | as where it is used | `$secrets` `$workflow` `$runtime`; errors, retries and authentications as a task definition |
//!
//! Inside a loop and a handler there are their own variables as well (`$item`, `$index`, `$error`, or the names given).

use serde_json::{Map, Value};

use super::{
    checker::{Checker, kind},
    issue::{Place, clip},
    near::did_you_mean,
    support,
};
use crate::{
    definition::{Export, Input, Output, Template},
    expression::Expression,
};

/// The variables that the DSL gives.
pub(super) const VARIABLES: [&str; 8] =
    ["context", "input", "output", "secrets", "task", "workflow", "runtime", "authorization"];

/// When an expression is evaluated, which decides what it may mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before there is a run.
    Start,
    /// Before the first task.
    Workflow,
    /// After the last task.
    WorkflowOutput,
    /// Before a task's input is transformed.
    TaskInput,
    /// With the task's transformed input at hand.
    Task,
    /// After a task's output is transformed.
    Export,
    /// In `use`, for places that have little in common.
    Reusable,
    /// Before there is a run, when an event may start one.
    Trigger,
}

impl Moment {
    fn has(self, variable: &str) -> bool {
        match variable {
            "workflow" | "runtime" | "secrets" => !matches!(self, Moment::Start | Moment::Trigger),
            "context" => {
                !matches!(self, Moment::Start | Moment::Workflow | Moment::Reusable | Moment::Trigger)
            }
            "task" => matches!(self, Moment::TaskInput | Moment::Task | Moment::Export),
            "input" | "authorization" => matches!(self, Moment::Task | Moment::Export),
            "output" => self == Moment::Export,
            _ => false,
        }
    }
}

/// A moment, and the variables of the enclosing loops and handlers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    moment: Moment,
    locals: Option<&'a Local<'a>>,
}

/// One variable of a loop or handler, and those outside of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Local<'a> {
    name: &'a str,
    outer: Option<&'a Local<'a>>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(moment: Moment) -> Self {
        Self { moment, locals: None }
    }

    /// The same place at another moment.
    pub(super) fn at(self, moment: Moment) -> Self {
        Self { moment, ..self }
    }

    /// A variable to hand to [`Scope::within`].
    pub(super) fn local(self, name: &'a str) -> Local<'a> {
        Local { name, outer: self.locals }
    }

    pub(super) fn within(self, local: &'a Local<'a>) -> Self {
        Self { locals: Some(local), ..self }
    }

    /// All that the compiler is told of.
    fn names(self) -> Vec<&'a str> {
        let mut names = VARIABLES.to_vec();
        for local in self.locals() {
            if !names.contains(&local) {
                names.push(local);
            }
        }
        names
    }

    fn locals(self) -> impl Iterator<Item = &'a str> {
        std::iter::successors(self.locals, |local| local.outer).map(|local| local.name)
    }

    /// What to say about the first variable in `text` that nobody gives.
    fn hint(self, text: &str) -> String {
        /// A hint must not cost.
        const NAMES_MAX: usize = 20;
        let here: Vec<&str> =
            VARIABLES.into_iter().filter(|name| self.has(name)).chain(self.locals()).collect();
        let named = text.match_indices('$').map(|(start, _)| {
            let rest = &text[start + 1..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            &rest[..end]
        });
        let unknown = named.filter(|name| !name.is_empty() && !here.contains(name));
        for name in unknown.take(NAMES_MAX) {
            // The expression's own variables are found by their binding.
            let bound = text.contains(&format!("as ${name}"));
            match name {
                _ if bound || VARIABLES.contains(&name) => {}
                "item" | "index" => return format!("; `${name}` exists inside a `for` only"),
                "error" => {
                    return "; `$error` exists inside `catch` only, under the name that `as` gives it"
                        .to_owned();
                }
                _ => {
                    let near = did_you_mean(name, here.iter().copied());
                    if !near.is_empty() {
                        return near;
                    }
                }
            }
        }
        if here.is_empty() {
            return "; there are no variables here".to_owned();
        }
        format!("; there are ${}", here.join(", $"))
    }

    fn has(self, variable: &str) -> bool {
        self.locals().any(|local| local == variable) || self.moment.has(variable)
    }
}

/// What compiling may still take: reusable parts are compiled where they are used, which could be often.
#[derive(Debug)]
pub(super) struct Work {
    bytes_left: usize,
    schemas_left: usize,
    /// Regular expressions, which take up to a millisecond each.
    patterns_left: usize,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            bytes_left: 4 * levqor_model::limits::DOCUMENT_BYTES_MAX,
            schemas_left: 2_000,
            patterns_left: 1_000,
        }
    }
}

impl Work {
    /// Takes an expression's length; false when there is not enough left.
    fn expression(&mut self, bytes: usize) -> bool {
        take(&mut self.bytes_left, bytes)
    }

    /// Takes a regular expression that events are compared with; it may be several times as large as one of a schema.
    pub(super) fn pattern(&mut self) -> bool {
        take(&mut self.patterns_left, 5)
    }

    pub(super) fn schema(&mut self, patterns: usize) -> bool {
        take(&mut self.schemas_left, 1) && take(&mut self.patterns_left, patterns)
    }
}

fn take(left: &mut usize, amount: usize) -> bool {
    let rest = left.checked_sub(amount);
    *left = rest.unwrap_or(*left);
    rest.is_some()
}

/// The expression in `${ … }`, when that is all the text there is: `^\s*\$\{.+\}\s*$`, up to the last brace.
pub(super) fn enclosed(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("${")?.strip_suffix('}')?;
    if inner.is_empty() { None } else { Some(inner.trim()) }
}

impl<'d> Checker<'d> {
    /// A member that can only be an expression, so `${ }` around it is optional.
    pub(super) fn expression(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Option<Expression> {
        let Some(text) = value.as_str() else {
            let message = format!(
                "{} must be an expression, written as text, and is {}; put it in quotes",
                place.name(),
                kind(value)
            );
            self.error(place, message);
            return None;
        };
        self.compile(enclosed(text).unwrap_or(text), place, scope)
    }

    pub(super) fn optional_expression(
        &mut self,
        object: &'d Map<String, Value>,
        place: &Place<'_>,
        member: &str,
        scope: Scope<'_>,
    ) -> Option<Expression> {
        object.get(member).and_then(|value| self.expression(value, &place.key(member), scope))
    }

    /// Compiles an expression without `${ }`.
    pub(super) fn compile(&mut self, text: &str, place: &Place<'_>, scope: Scope<'_>) -> Option<Expression> {
        if text.trim().is_empty() {
            self.error(place, "the expression is empty; write for example `.` or `.name`");
            return None;
        }
        if !self.work.expression(text.len()) {
            self.error(place, "the document's expressions are too many or too long to compile; split it");
            return None;
        }
        // All of the DSL's variables are known to the compiler, so that one which is not there yet gets a better
        // answer than "unknown".
        let expression = match Expression::compile(text, &scope.names()) {
            Ok(expression) => expression,
            Err(error) => {
                let message = error.to_string();
                // The compiler was told of variables that are not there, so its list of them does not help.
                let message = match message.split_once(" (known here: ") {
                    Some((reason, _)) => format!("{reason}{}", scope.hint(text)),
                    None => message,
                };
                self.error(place, format!("the expression does not compile: {message}"));
                return None;
            }
        };
        let missing = expression.variables().iter().find(|name| !scope.has(name));
        if let Some(name) = missing {
            let message = absent(name, scope.moment);
            self.error(place, message);
            return None;
        }
        self.check_secrets(&expression, place);
        Some(expression)
    }

    /// Secrets that an expression names must be declared.
    fn check_secrets(&mut self, expression: &Expression, place: &Place<'_>) {
        let Some(named) = expression.members_of("secrets") else { return };
        let message = match named {
            _ if self.catalogs.inside.is_some() => support::NO_SECRETS_IN_CATALOGS.to_owned(),
            Some(names) => {
                let Some(name) = names.iter().find(|name| !self.access.secrets.contains(name)) else {
                    return;
                };
                let hint = did_you_mean(name, self.access.secrets.iter().copied());
                format!("the secret {:?} is not declared; add it to `use.secrets`{hint}", clip(name))
            }
            None if self.access.secrets.is_empty() => {
                "no secrets are declared; add their names to `use.secrets`".to_owned()
            }
            None => return,
        };
        self.error(place, message);
    }

    /// Data, in which text that is wholly `${ … }` is an expression.
    pub(super) fn data(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> Template {
        self.computed(value, place, scope).unwrap_or_else(|| Template::Literal(value.clone()))
    }

    /// None for data that holds no expression, which its owner then copies once as a whole.
    fn computed(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> Option<Template> {
        match value {
            Value::String(text) => match enclosed(text) {
                Some(inner) => self.compile(inner, place, scope).map(Template::Expression),
                None if self.loose => self.attempt(text, place, scope),
                None => {
                    self.doubt(text, place, scope);
                    None
                }
            },
            Value::Array(items) => {
                let parts: Vec<_> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.computed(item, &place.index(index), scope))
                    .collect();
                if parts.iter().all(Option::is_none) {
                    return None;
                }
                let whole = parts.into_iter().zip(items);
                Some(Template::Array(whole.map(|(part, item)| literal_unless(part, item)).collect()))
            }
            Value::Object(members) => {
                let parts: Vec<_> = members
                    .iter()
                    .map(|(key, member)| self.computed(member, &place.key(key), scope))
                    .collect();
                if parts.iter().all(Option::is_none) {
                    return None;
                }
                let whole = parts.into_iter().zip(members);
                Some(Template::Object(
                    whole.map(|(part, (key, member))| (key.clone(), literal_unless(part, member))).collect(),
                ))
            }
            _ => None,
        }
    }

    /// Loose evaluation: text that compiles where it stands is an expression, and stays text where that gives nothing.
    fn attempt(&mut self, text: &str, place: &Place<'_>, scope: Scope<'_>) -> Option<Template> {
        if text.trim().is_empty() {
            return None;
        }
        if !self.work.expression(text.len()) {
            self.error(
                place,
                "the document's texts are too many or too long to try as expressions; split it",
            );
            return None;
        }
        let expression = Expression::compile(text, &scope.names()).ok()?;
        if !expression.variables().iter().all(|name| scope.has(name)) {
            return None;
        }
        if text.trim().chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            self.warn(
                place,
                format!(
                    "{text:?} is computed, since evaluation is loose and jq knows it; to keep the text, write {}",
                    format_args!("${{ {text:?} }}")
                ),
            );
        }
        Some(Template::Attempt(expression, text.to_owned()))
    }

    /// Warns about a literal that looks as if it were meant to be computed.
    fn doubt(&mut self, text: &str, place: &Place<'_>, scope: Scope<'_>) {
        let trimmed = text.trim();
        if text.contains("${") {
            self.warn(
                place,
                format!(
                    "`${{ }}` inside longer text is taken literally; to compute it, make the whole text one expression, \
                     such as {}",
                    r#"${ "Hello \(.name)" }"#
                ),
            );
        } else if looks_like_a_path(trimmed, scope) {
            self.warn(
                place,
                format!(
                    "{:?} is taken literally; to compute it, write ${{ {} }}",
                    clip(trimmed),
                    clip(trimmed)
                ),
            );
        }
    }

    /// `input` of the workflow or of a task. `scope` is the moment before it.
    pub(super) fn input(
        &mut self,
        owner: &'d Map<String, Value>,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Input {
        let Some(value) = owner.get("input") else { return Input::default() };
        let place = place.key("input");
        let Some(input) = self.object(value, &place, "{ from: .order }") else { return Input::default() };
        self.closed(input, &place, &["schema", "from"]);
        Input { schema: self.schema(input, &place), from: self.shape(input, &place, "from", scope) }
    }

    pub(super) fn output(
        &mut self,
        owner: &'d Map<String, Value>,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Output {
        let Some(value) = owner.get("output") else { return Output::default() };
        let place = place.key("output");
        let Some(output) = self.object(value, &place, "{ as: .id }") else { return Output::default() };
        self.closed(output, &place, &["schema", "as"]);
        Output { shape: self.shape(output, &place, "as", scope), schema: self.schema(output, &place) }
    }

    pub(super) fn export(
        &mut self,
        owner: &'d Map<String, Value>,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Export {
        let Some(value) = owner.get("export") else { return Export::default() };
        let place = place.key("export");
        let Some(export) = self.object(value, &place, "{ as: '$context + { id: .id }' }") else {
            return Export::default();
        };
        self.closed(export, &place, &["schema", "as"]);
        Export { shape: self.shape(export, &place, "as", scope), schema: self.schema(export, &place) }
    }

    /// `from` or `as`: an expression, or an object that holds expressions.
    fn shape(
        &mut self,
        owner: &'d Map<String, Value>,
        place: &Place<'_>,
        member: &str,
        scope: Scope<'_>,
    ) -> Option<Template> {
        let value = owner.get(member)?;
        let place = place.key(member);
        match value {
            Value::String(_) => self.expression(value, &place, scope).map(Template::Expression),
            Value::Object(_) => Some(self.data(value, &place, scope)),
            other => {
                let message = format!(
                    "`{member}` must be an expression or an object, and is {}; write for example '.name'",
                    kind(other)
                );
                self.error(&place, message);
                None
            }
        }
    }
}

fn literal_unless(part: Option<Template>, value: &Value) -> Template {
    part.unwrap_or_else(|| Template::Literal(value.clone()))
}

/// `$error`, `$context.x`, `.customer`, `.order.id`: what people write when they forget `${ }`.
fn looks_like_a_path(text: &str, scope: Scope<'_>) -> bool {
    let path = |rest: &str| {
        rest.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '[' | ']'))
            && !rest.ends_with('.')
    };
    if let Some(rest) = text.strip_prefix('$') {
        let name = rest.split(['.', '[']).next().unwrap_or_default();
        return path(rest) && (scope.has(name) || VARIABLES.contains(&name));
    }
    text.strip_prefix('.')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && path(rest))
}

/// Why a variable of the DSL is not there.
fn absent(name: &str, moment: Moment) -> String {
    let remedy = match name {
        _ if moment == Moment::Trigger => "there is no run yet; look at the event only",
        "output" => "it exists in `export.as` only; in `output.as`, `.` is the task's output",
        "input" if moment == Moment::TaskInput => {
            "it exists once `input.from` is done; here, `.` is the task's input"
        }
        "input" if moment == Moment::Workflow => "here, `.` is the workflow's input",
        "input" => "it exists inside tasks only; the workflow's input is `$workflow.input`",
        "context" => "it exists from the first task on",
        "task" => "it exists inside tasks only",
        "authorization" => "it exists inside a task's definition only",
        _ => "it does not exist here",
    };
    format!("`${name}` is not available here: {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_text_is_an_expression() {
        let table = [
            ("${ .a }", Some(".a")),
            ("${.a}", Some(".a")),
            ("  ${ .a }\n", Some(".a")),
            ("${ {a: {b: 1}} }", Some("{a: {b: 1}}")),
            ("${ \"a}b\" }", Some("\"a}b\"")),
            ("${ .a }\n${ .b }", Some(".a }\n${ .b")),
            ("${ }", Some("")),
            ("${}", None),
            ("$ { .a }", None),
            ("Hello ${ .a }", None),
            ("${ .a }!", None),
            (".a", None),
            ("", None),
        ];
        for (text, inner) in table {
            assert_eq!(enclosed(text), inner, "{text:?}");
        }
    }

    #[test]
    fn paths_are_recognised() {
        let local = Scope::new(Moment::Task).local("err");
        let scope = Scope::new(Moment::Task).within(&local);
        for path in ["$err", "$err.type", "$context", "$output", ".bet", ".order.items[0].id"] {
            assert!(looks_like_a_path(path, scope), "{path}");
        }
        for text in ["$5", "$unknown", "$", ".", "...", ".5", "a.b", "Hello.", "$err and more", ". ", ""] {
            assert!(!looks_like_a_path(text, scope), "{text}");
        }
    }
}
