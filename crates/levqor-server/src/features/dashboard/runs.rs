//! `/dashboard/runs`, and the rows of runs that other pages show.

use axum::extract::State;
use levqor_model::{RunId, RunStatus, Timestamp, WorkflowId};
use levqor_store::runs::{Run, RunFilter};
use maud::{Markup, html};
use serde::Deserialize;

use super::{chosen, run::readable};
use crate::{
    App, Problem,
    gateway::{PageActor, Query},
    pages::{
        Page, Section, View,
        components::{
            badge::{region_badge, run_badge},
            note::{empty, page_head},
            table::{pager, table},
            time::ago,
        },
        duration_words,
    },
};

const PAGE: usize = 50;
/// Workflows in the filter; the newest are the ones that are looked for.
const CHOICES: usize = 100;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    status: Option<String>,
    workflow: Option<String>,
    before: Option<String>,
}

pub(super) async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    let account = page.actor.account_id;
    let status: Option<RunStatus> = chosen("status", asked.status.as_deref())?;
    let workflow: Option<WorkflowId> = chosen("workflow", asked.workflow.as_deref())?;
    let before: Option<RunId> = chosen("before", asked.before.as_deref())?;
    let filter = RunFilter { status, workflow_id: workflow, ..RunFilter::default() };
    let mut runs = app.store.views().runs_of(Some(account), filter, before, PAGE + 1).await?;
    let more = runs.len() > PAGE;
    runs.truncate(PAGE);
    let workflows = app.store.views().workflows_of(account, None, CHOICES).await?;
    let base = address(status, workflow);
    let next = runs
        .last()
        .filter(|_| more)
        .map(|last| format!("{base}{}before={}", if base.contains('?') { "&" } else { "?" }, last.id));
    let filtered = status.is_some() || workflow.is_some();
    let live = runs.iter().any(|run| !run.status.is_ended());
    let body = html! {
        (page_head("Runs", &html! { "Every execution, newest first." }, &html! {}))
        section.card {
            header {
                form.filters method="get" action="/dashboard/runs" {
                    div.field {
                        label.small for="status" { "Status" }
                        select id="status" name="status" {
                            option value="" { "Any" }
                            @for one in RunStatus::ALL { option value=(one) selected[status == Some(*one)] { (one) } }
                        }
                    }
                    div.field {
                        label.small for="workflow" { "Workflow" }
                        select id="workflow" name="workflow" {
                            option value="" { "Any" }
                            @for one in &workflows { option value=(one.id) selected[workflow == Some(one.id)] { (one.name) } }
                        }
                    }
                    button.button type="submit" { "Show" }
                    @if filtered { a.button.plain href="/dashboard/runs" { "Clear" } }
                }
            }
            div id="runs" data-live=(if live { "on" } else { "done" }) data-refresh="5" {
                @if runs.is_empty() {
                    @if filtered {
                        (empty("runs", "No run matches", "Choose another status or workflow.", &html! { a.button href="/dashboard/runs" { "Show all" } }))
                    } @else {
                        (empty("runs", "No runs yet", "Start a workflow from its page.", &html! { a.button href="/dashboard/workflows" { "Workflows" } }))
                    }
                } @else { (run_rows(&runs, view.now, Rows::Full)) }
                (pager(before.map(|_| base.as_str()), next.as_deref()))
            }
        }
    };
    Ok(Page::new("Runs", Section::Runs, body).refresh_every(live.then_some(10)).render(&view))
}

/// The address of the list with these filters.
fn address(status: Option<RunStatus>, workflow: Option<WorkflowId>) -> String {
    let mut parts = Vec::new();
    if let Some(status) = status {
        parts.push(format!("status={status}"));
    }
    if let Some(workflow) = workflow {
        parts.push(format!("workflow={workflow}"));
    }
    if parts.is_empty() {
        "/dashboard/runs".to_owned()
    } else {
        format!("/dashboard/runs?{}", parts.join("&"))
    }
}

/// How long a run took, or has taken so far.
pub(super) fn run_time(run: &Run, now: Timestamp) -> Option<String> {
    let started = run.started_at?;
    Some(match run.ended_at {
        Some(ended) => duration_words(ended.since(started)),
        None => format!("{}…", duration_words(now.since(started))),
    })
}

/// How much a list of runs says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// With workflow, region and what a run waits for.
    Full,
    /// Beside other lists.
    Short,
    /// On the workflow's own page.
    OfWorkflow,
}

/// The table of runs.
pub(super) fn run_rows(runs: &[Run], now: Timestamp, rows: Rows) -> Markup {
    let (named, full) = (rows != Rows::OfWorkflow, rows == Rows::Full);
    let mut heads = vec![("Run", false), ("Status", false), ("Began", false), ("Took", true)];
    if full {
        heads.push(("Region", false));
    }
    table(
        "Runs",
        &heads,
        &html! {
            @for run in runs {
                tr.link {
                    th scope="row" {
                        a.main href={ "/dashboard/runs/" (run.id) } { @if named { (run.name) } @else { (short(run.id)) } }
                        div.small.faint { @if named { (short(run.id)) " · " } (run.trigger) " · v" (run.version) }
                    }
                    td data-label="Status" {
                        span {
                            (run_badge(run.status))
                            @if let Some(reason) = run.waiting_for.as_ref().filter(|_| full && !run.status.is_ended()) { div.small.faint { (readable(reason)) } }
                        }
                    }
                    td data-label="Began" { (ago(run.created_at, now)) }
                    td.num data-label="Took" { (run_time(run, now).unwrap_or_else(|| "–".to_owned())) }
                    @if full { td data-label="Region" { (region_badge(run.region.as_str())) } }
                }
            }
        },
    )
}

/// The end of an id, which is what differs.
pub(super) fn short(id: RunId) -> String {
    let text = id.to_string();
    format!("…{}", &text[text.len().saturating_sub(8)..])
}
