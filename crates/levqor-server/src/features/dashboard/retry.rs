//! `/dashboard/runs/{id}/retry`: run again from the failed task, from the start or from a task, with changes. Works without
//! scripts: what to begin from is a choice, and the fields say what they are for.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use levqor_engine::{Changes, RetryFrom, RunDetail};
use levqor_model::{Role, RunId, RunStatus};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::{runs::short, service};
use crate::{
    App, Problem,
    features::runs,
    gateway::{Id, PageActor, Query},
    pages::{
        FormData, Page, Section, View,
        components::{
            form::{self, Area},
            icon::icon,
            note::crumbs,
        },
    },
};

/// Versions to choose from, newest first.
const VERSIONS: usize = 50;
/// Input beyond this is not put into a form.
const SHOWN_BYTES_MAX: usize = 256 * 1024;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    from: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Retry {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    from: String,
    /// None, or nothing: as it was.
    input: Option<String>,
    version: Option<String>,
}

const HINT: &str = "JSON, of the run or of the task to begin from; nothing keeps what it was. The failed task keeps its input.";
const HIDDEN: &str =
    "It holds values of secrets, so it is not shown. Leave this empty to keep it, or give another as JSON.";

/// What the form shows.
struct Shown {
    detail: RunDetail,
    from: String,
    points: Vec<String>,
    versions: Vec<String>,
    version: String,
    input: String,
    /// The input holds values of secrets.
    hidden: bool,
    error: Option<String>,
}

pub(super) async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<RunId>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    page.actor.require(Role::Editor)?;
    let mut shown = load(&app, &page, id, asked.from).await?;
    let from = runs::service::retry_from(Some(&shown.from))?;
    let input = app.engine.retry_input(page.actor.account_id, id, &from).await?;
    shown.hidden = input.is_none();
    shown.input = input.as_ref().map(pretty).unwrap_or_default();
    Ok(render(&page, &view, &shown))
}

pub(super) async fn retry(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<RunId>,
    FormData(form): FormData<Retry>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    page.actor.require(Role::Editor)?;
    let from = runs::service::retry_from(Some(&form.from))?;
    let failed = from == RetryFrom::Failed;
    let typed = form.input.as_deref().filter(|text| !failed && !text.trim().is_empty());
    let input = typed.map(service::input).transpose();
    let version = form.version.clone().filter(|version| !version.is_empty());
    let done = match input {
        Ok(input) => {
            let changes = Changes { input, version, claim: None };
            runs::service::retry(&app, page.actor.account_id, id, from, changes).await
        }
        Err(error) => Err(Problem::field("/input", error.to_string())),
    };
    let problem = match done {
        Ok(detail) => {
            let done = if failed { "retried" } else { "again" };
            return Ok(
                Redirect::to(&format!("/dashboard/runs/{}?done={done}", detail.run.id)).into_response()
            );
        }
        Err(problem) => problem,
    };
    // A button without fields has nothing to correct.
    if form.input.is_none() || !problem.status().is_client_error() {
        return Err(problem);
    }
    let mut shown = load(&app, &page, id, Some(form.from)).await?;
    shown.input = form.input.unwrap_or_default();
    shown.version = form.version.unwrap_or_default();
    shown.error = Some(problem.errors.first().map_or(problem.detail.clone(), |error| error.message.clone()));
    Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page, &view, &shown)).into_response())
}

async fn load(app: &App, page: &PageActor, id: RunId, from: Option<String>) -> Result<Shown, Problem> {
    let account = page.actor.account_id;
    let detail = runs::service::find(app, account, id).await?;
    let versions = app.store.views().versions_of(account, detail.run.workflow_id, None, VERSIONS).await?;
    Ok(Shown {
        points: app.engine.entry_points(&detail.run).await?,
        versions: versions.into_iter().map(|version| version.version).collect(),
        version: String::new(),
        from: from.filter(|from| !from.is_empty()).unwrap_or_else(|| "start".to_owned()),
        input: String::new(),
        hidden: false,
        error: None,
        detail,
    })
}

fn pretty(input: &Value) -> String {
    let text = serde_json::to_string_pretty(input).unwrap_or_default();
    if text.len() > SHOWN_BYTES_MAX { String::new() } else { text }
}

fn render(page: &PageActor, view: &View, shown: &Shown) -> Markup {
    let run = &shown.detail.run;
    let path = format!("/dashboard/runs/{}", run.id);
    let option = |value: &str, text: &str| {
        html! { option value=(value) selected[shown.from == value] { (text) } }
    };
    let body = html! {
        (crumbs(&[("/dashboard/runs", "Runs"), (&path, &short(run.id))], "Run again"))
        div.stack {
            div.page-head { div { h1 { "Run again: " (run.name) } p.quiet { "Run " code { (run.id) } " is " (run.status) "." } } }
            section.card aria-labelledby="again" {
                header { h2 id="again" { "What to begin from, and with what" } }
                form.body.stack method="post" action={ (path) "/retry" } {
                    (form::csrf(&page.csrf))
                    div.field {
                        label for="from" { "Begin from" }
                        p.hint id="from-hint" { "From the start or from a task it is a new run; from the failed task the same run goes on." }
                        select id="from" name="from" aria-describedby="from-hint" {
                            (option("start", "The start"))
                            @if run.status == RunStatus::Faulted { (option("failed", "The task that failed")) }
                            @for point in &shown.points { (option(point, &format!("Task {point}"))) }
                        }
                    }
                    div.field {
                        label for="version" { "Version" }
                        p.hint id="version-hint" { "From the failed task only a version that has done the same so far." }
                        select id="version" name="version" aria-describedby="version-hint" {
                            option value="" { "As it was: " (run.version) }
                            @for version in shown.versions.iter().filter(|version| **version != run.version) {
                                option value=(version) selected[shown.version == *version] { (version) }
                            }
                        }
                    }
                    (Area {
                        name: "input",
                        label: "Input",
                        value: &shown.input,
                        rows: 10,
                        code: true,
                        hint: Some(if shown.hidden { HIDDEN } else { HINT }),
                        error: shown.error.as_deref(),
                    }.render())
                    div.row {
                        button.button.primary type="submit" { (icon("play")) "Run again" }
                        a.button href=(path) { "Back" }
                    }
                }
            }
        }
    };
    Page::new(format!("Run again {}", short(run.id)), Section::Runs, body).render(view)
}
