//! The line below a task's name.

use serde_json::Value;

use crate::{
    definition::{
        CallHttp, CallOpenApi, Catch, Code, DurationSpec, Endpoint, Fork, RaiseError, RunProcess,
        RunWorkflow, Task, TaskKind, Template,
    },
    event::written,
    schedule::span,
};

/// The task's kind and its detail.
pub(super) fn of(task: &Task) -> (&'static str, String) {
    let (kind, detail) = match &task.kind {
        TaskKind::CallFunction(call) => ("call", call.name.clone()),
        TaskKind::CallHttp(call) => ("call", call_http(call)),
        TaskKind::CallOpenApi(call) => ("call", call_openapi(call)),
        TaskKind::CallService(call) => ("call", call.service.name().to_owned()),
        TaskKind::Emit(members) => ("emit", emit(members)),
        TaskKind::Listen(listen) => ("listen", listen.spec.to.describe()),
        TaskKind::Do(tasks) => ("do", count(tasks.len(), "task")),
        TaskKind::For(each) => ("for", format!("each {} in {}", each.each, items(&each.items))),
        TaskKind::Fork(Fork { branches, compete: true }) => ("fork", format!("race of {}", branches.len())),
        TaskKind::Fork(fork) => ("fork", count_branches(fork.branches.len())),
        TaskKind::Raise(error) => ("raise", raise(error)),
        TaskKind::RunProcess(run) => ("run", run_process(run)),
        TaskKind::RunWorkflow(run) => ("run", run_workflow(run)),
        TaskKind::Set(data) => ("set", set(data)),
        TaskKind::Switch(cases) => ("switch", count(cases.len(), "case")),
        TaskKind::Try(attempt) => ("try", catch(&attempt.catch)),
        TaskKind::Wait(duration) => ("wait", wait(duration)),
    };
    let detail = match &task.condition {
        Some(condition) => format!("if {}: {detail}", condition.text()),
        None => detail,
    };
    (kind, clip(&detail))
}

/// One line of at most 60 characters.
pub(super) fn clip(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut line = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == CHARS_MAX {
            line.push('…');
            break;
        }
        line.push(if c.is_control() { ' ' } else { c });
    }
    line
}

fn items(items: &Template) -> String {
    match items {
        Template::Expression(expression) => expression.text().to_owned(),
        Template::Literal(value) => value.to_string(),
        Template::Array(items) => count(items.len(), "item"),
        Template::Attempt(_, text) => text.clone(),
        Template::Object(_) => String::new(),
    }
}

fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

fn count_branches(number: usize) -> String {
    if number == 1 { "1 branch".to_owned() } else { format!("{number} branches") }
}

fn call_openapi(call: &CallOpenApi) -> String {
    match &call.operation {
        Template::Literal(Value::String(operation)) => format!("operation {operation}"),
        _ => "an operation".to_owned(),
    }
}

fn call_http(call: &CallHttp) -> String {
    let host = match &call.endpoint {
        Endpoint::Computed(expression) => expression.text(),
        Endpoint::UriTemplate(uri) => {
            let rest = uri.split_once("://").map_or(uri.as_str(), |(_, rest)| rest);
            let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
            // What stands before an `@` is nobody's business.
            authority.rsplit('@').next().unwrap_or(authority)
        }
    };
    format!("{} {host}", call.method)
}

fn emit(members: &[(String, Template)]) -> String {
    members.iter().find(|(name, _)| name == "type").map(|(_, kind)| written(kind)).unwrap_or_default()
}

fn raise(error: &RaiseError) -> String {
    let kind = match &error.kind {
        Template::Literal(Value::String(uri)) => uri.rsplit('/').next().unwrap_or(uri),
        Template::Expression(expression) => expression.text(),
        _ => "error",
    };
    match &error.status {
        Template::Literal(status) => format!("{kind} {status}"),
        _ => kind.to_owned(),
    }
}

fn run_process(run: &RunProcess) -> String {
    let wait = if run.wait { "" } else { ", without waiting" };
    let text = match &run.code {
        Code::Here(Template::Literal(Value::String(text))) => {
            text.lines().find(|line| !line.trim().is_empty()).unwrap_or("")
        }
        Code::Here(Template::Expression(expression)) => expression.text(),
        Code::Here(_) => "",
        Code::Elsewhere(resource) => match &resource.endpoint {
            Endpoint::UriTemplate(uri) => uri,
            Endpoint::Computed(expression) => expression.text(),
        },
    };
    format!("{}: {}{wait}", run.program.word(), text.trim())
}

fn run_workflow(run: &RunWorkflow) -> String {
    let wait = if run.wait { "" } else { ", without waiting" };
    format!("{}/{} {}{wait}", run.namespace, run.name, run.version)
}

fn set(data: &Template) -> String {
    let listed = |names: &mut dyn Iterator<Item = &String>| names.cloned().collect::<Vec<_>>().join(", ");
    match data {
        Template::Expression(expression) => expression.text().to_owned(),
        Template::Object(members) => listed(&mut members.iter().map(|(name, _)| name).take(20)),
        Template::Literal(Value::Object(members)) => listed(&mut members.keys().take(20)),
        Template::Literal(value) => value.as_str().map_or_else(String::new, str::to_owned),
        Template::Attempt(_, text) => text.clone(),
        Template::Array(_) => String::new(),
    }
}

fn catch(catch: &Catch) -> String {
    let mut parts = Vec::new();
    let filter: Vec<String> = catch
        .filter
        .iter()
        .filter_map(|(_, value)| match value {
            Template::Literal(Value::String(text)) => {
                Some(text.rsplit('/').next().unwrap_or(text).to_owned())
            }
            Template::Literal(value) => Some(value.to_string()),
            Template::Expression(expression) => Some(expression.text().to_owned()),
            _ => None,
        })
        .collect();
    let what = if filter.is_empty() { "every error".to_owned() } else { filter.join(" ") };
    parts.push(format!("catch {what}"));
    if let Some(retry) = &catch.retry {
        parts.push(match retry.attempts_max {
            Some(1) => "retry once".to_owned(),
            Some(times) => format!("retry {times} times"),
            None => "retry".to_owned(),
        });
    }
    parts.join(", ")
}

fn wait(duration: &DurationSpec) -> String {
    match duration {
        DurationSpec::Fixed(duration) => span(*duration),
        DurationSpec::Computed(expression) => expression.text().to_owned(),
    }
}
