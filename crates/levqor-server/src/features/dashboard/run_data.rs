//! Whole values of a run, as JSON to look at or to save.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::header;
use levqor_model::RunId;
use serde_json::Value;

use crate::{
    App, Problem,
    gateway::{Id, PageActor},
};

pub(super) async fn of_run(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<RunId>,
    Path((_, what)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let detail = app.engine.run(page.actor.account_id, id).await?;
    let value = match what.as_str() {
        "input" => Some(detail.input),
        "output" => detail.output,
        "error" => detail.error.and_then(|error| serde_json::to_value(error).ok()),
        _ => None,
    };
    file(&format!("{id}-{what}"), value)
}

pub(super) async fn of_task(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<RunId>,
    Path((_, number, what)): Path<(String, u64, String)>,
) -> Result<Response, Problem> {
    let after = number.checked_sub(1).filter(|before| *before > 0);
    let found = app.engine.tasks(page.actor.account_id, id, after, 1).await?;
    let task = found
        .into_iter()
        .find(|task| task.task == number)
        .ok_or_else(|| Problem::not_found(format!("run {id} has no task {number}")))?;
    let value = match what.as_str() {
        "input" => Some(task.input),
        "output" => task.output,
        "error" => task.error.and_then(|error| serde_json::to_value(error).ok()),
        _ => None,
    };
    file(&format!("{id}-{number}-{what}"), value)
}

/// `name` is made of ids, numbers and the three known words, so it needs no quoting rules.
fn file(name: &str, value: Option<Value>) -> Result<Response, Problem> {
    let value = value.ok_or_else(|| {
        Problem::not_found("there is no such value; a run has an input, an output or an error")
    })?;
    let text = serde_json::to_string_pretty(&value).map_err(Problem::internal)?;
    let disposition = format!("inline; filename=\"{name}.json\"");
    Ok((
        [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_DISPOSITION, disposition)],
        text,
    )
        .into_response())
}
