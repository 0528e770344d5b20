//! `/dashboard/runs/{id}`: what happened, what is happening, and what can be done.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use levqor_engine::{RunDetail, TaskRecord};
use levqor_model::{Priority, Role, RunId, RunStatus, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    Button, Done, chosen,
    explain::{explain, short_kind},
    may,
    runs::{run_time, short},
};
use crate::{
    App, Problem,
    features::runs,
    gateway::{Id, PageActor, Query},
    pages::{
        FormData, Page, Section, View,
        components::{
            badge::{Tone, large_badge, region_badge, run_look},
            code::{json_block, with_code},
            form,
            icon::icon,
            note::{crumbs, note},
            time::{ago, moment, utc},
            waterfall::waterfall,
        },
        duration_words, plural,
    },
};

/// Tasks on one page.
pub(super) const TASKS: usize = 200;
/// Seconds after which a live page is asked for again, beside the events.
const REFRESH_SECONDS: u32 = 5;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    after: Option<String>,
    done: Option<String>,
}

pub(super) async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<RunId>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    let account = page.actor.account_id;
    let after: Option<u64> = chosen("after", asked.after.as_deref())?;
    let detail = runs::service::find(&app, account, id).await?;
    let mut tasks = app.engine.tasks(account, id, after, TASKS + 1).await?;
    let more = tasks.len() > TASKS;
    tasks.truncate(TASKS);
    let run = &detail.run;
    let ended = run.status.is_ended();
    let path = format!("/dashboard/runs/{id}");
    // Where a new run may begin; without an answer the page has no such links.
    let points = match may(&page, Role::Editor) && ended {
        true => app.engine.entry_points(run).await.unwrap_or_default(),
        false => Vec::new(),
    };
    let next = tasks.last().filter(|_| more).map(|last| format!("{path}?after={}", last.task));
    let body = html! {
        (crumbs(&[("/dashboard/runs", "Runs"), (&format!("/dashboard/workflows/{}", run.workflow_id), &run.name)], &short(id)))
        (Done { done: asked.done }.note(super::DONE))
        div.stack id="run" data-live=(if ended { "done" } else { "on" }) data-refresh=(REFRESH_SECONDS)
            data-events=[(!ended).then(|| format!("/api/runs/{id}/events"))] {
            (head(&page, &detail, &path))
            (condition(&detail, &tasks, &path))
            (figures(&detail, &tasks, more || after.is_some(), &view))
            section.card aria-labelledby="tasks" {
                header {
                    h2 id="tasks" { "Tasks" }
                    span.small.faint { @if !ended { "Live: new tasks appear by themselves." } }
                }
                @if tasks.is_empty() {
                    div.body { p.quiet { @if ended { "No task ran." } @else { "No task has begun yet." } } }
                } @else { (waterfall(&tasks, view.now, &path, &points)) }
                @if let Some(next) = &next { nav.pager aria-label="Pages" { span {} a.button.slim href=(next) rel="next" { "Later tasks" } } }
            }
            div.grid.two {
                div { (json_block("run-input", "Input of the run", &detail.input, Some(&format!("{path}/data/input")))) }
                @if let Some(output) = &detail.output {
                    div { (json_block("run-output", "Output of the run", output, Some(&format!("{path}/data/output")))) }
                }
            }
        }
    };
    let title = format!("{} {}", run.name, short(id));
    Ok(Page::new(title, Section::Runs, body).refresh_every((!ended).then_some(REFRESH_SECONDS)).render(&view))
}

fn head(page: &PageActor, detail: &RunDetail, path: &str) -> Markup {
    let run = &detail.run;
    let (tone, picture) = run_look(run.status);
    html! {
        div.page-head {
            div {
                h1 { (run.name) }
                div.row.quiet {
                    (large_badge(tone, picture, run.status.as_str()))
                    code.small { (run.id) }
                }
            }
            @if may(page, Role::Editor) {
                div.actions {
                    @if run.status == RunStatus::Faulted { (button(page, path, "retry", Some("failed"), "primary", "retry", "Retry from the failed task")) }
                    @if run.status.is_ended() {
                        (button(page, path, "retry", Some("start"), "", "play", "Run again"))
                        a.button href={ (path) "/retry" } { (icon("edit")) "Run again with changes" }
                    } @else {
                        @if run.status == RunStatus::Suspended { (button(page, path, "resume", None, "primary", "play", "Resume")) }
                        @else { (button(page, path, "suspend", None, "", "clock", "Suspend")) }
                        (button(page, path, "cancel", None, "danger", "stop", "Cancel"))
                    }
                }
            }
        }
    }
}

fn button(
    page: &PageActor,
    path: &str,
    action: &str,
    from: Option<&str>,
    class: &str,
    picture: &str,
    word: &str,
) -> Markup {
    html! {
        form.inline-form method="post" action={ (path) "/" (action) } {
            (form::csrf(&page.csrf))
            @if let Some(from) = from { input type="hidden" name="from" value=(from); }
            button class={ "button " (class) } type="submit" { (icon(picture)) (word) }
        }
    }
}

/// A reason of the engine with its moments as people read them.
pub(super) fn readable(reason: &str) -> String {
    reason
        .split(' ')
        .map(|word| word.parse::<Timestamp>().map_or_else(|_| word.to_owned(), utc))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Why the run stands where it stands.
fn condition(detail: &RunDetail, tasks: &[TaskRecord], path: &str) -> Markup {
    let run = &detail.run;
    if let Some(error) = &detail.error {
        let failed = tasks.iter().rev().find(|task| task.reference == error.instance && task.error.is_some());
        return note(
            Tone::Bad,
            &html! {
                p {
                    strong { (error.title.as_deref().unwrap_or_else(|| short_kind(error))) }
                    @if let Some(text) = &error.detail { ": " (with_code(text)) }
                }
                p { (with_code(explain(error))) }
                p.small.quiet {
                    "Type " code { (error.kind) } ", status " (error.status)
                    @if !error.instance.is_empty() {
                        ", at " @match failed {
                            Some(task) => a href={ "#task-" (task.task) } { code { (error.instance) } },
                            None => code { (error.instance) },
                        }
                    }
                    " · " a href={ (path) "/data/error" } { "as JSON" }
                }
            },
        );
    }
    html! {
        @if let Some(reason) = run.waiting_for.as_ref().filter(|_| !run.status.is_ended()) {
            (note(Tone::Run, &html! { p { "This run " @if reason.starts_with("queued") { "is " } (readable(reason)) "." } }))
        }
    }
}

fn figures(detail: &RunDetail, tasks: &[TaskRecord], partly: bool, view: &View) -> Markup {
    let run = &detail.run;
    let slowest = tasks
        .iter()
        .filter(|task| {
            !tasks.iter().any(|other| other.reference.starts_with(&format!("{}/", task.reference)))
        })
        .filter_map(|task| Some((task, task.ended_at?.since(task.started_at))))
        .filter(|(_, took)| !took.is_zero())
        .max_by_key(|(_, took)| *took);
    html! {
        section.card {
            div.body {
                dl.facts.pairs {
                    dt { "Workflow" } dd { a href={ "/dashboard/workflows/" (run.workflow_id) } { (run.namespace) "/" (run.name) } ", version " code { (run.version) } }
                    dt { "Started by" } dd {
                        (run.trigger)
                        @if let Some(other) = run.retry_of { ", again after " a href={ "/dashboard/runs/" (other) } { (short(other)) } }
                        @if let Some((parent, _)) = run.parent { ", from " a href={ "/dashboard/runs/" (parent) } { (short(parent)) } }
                    }
                    dt { "Accepted" } dd { (moment(run.created_at)) " (" (ago(run.created_at, view.now)) ")" }
                    @if let Some(queued) = run.started_at.map(|at| at.since(run.created_at)).filter(|queued| !queued.is_zero()) {
                        dt { "Queued" } dd.nums { (duration_words(queued)) " before the first task" }
                    }
                    @if run.priority != Priority::default() { dt { "Priority" } dd.nums { (run.priority) } }
                    @if let Some(key) = &run.concurrency_key { dt { "Concurrency key" } dd { code { (key) } } }
                    @if let Some(took) = run_time(run, view.now) { dt { "Took" } dd.nums { (took) } }
                    dt { "Tasks" } dd {
                        @if partly { (plural(tasks.len() as i64, "task", "tasks")) " on this page" } @else { (plural(tasks.len() as i64, "execution", "executions")) }
                        @if let Some((task, took)) = slowest { ", slowest " a href={ "#task-" (task.task) } { (task.name) } " with " (duration_words(took)) }
                    }
                    dt { "Region" } dd {
                        (region_badge(run.region.as_str()))
                        @if run.home_region != run.region { " home " (region_badge(run.home_region.as_str())) }
                    }
                }
            }
        }
    }
}

pub(super) async fn cancel(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<RunId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    page.actor.require(Role::Editor)?;
    app.engine.cancel(page.actor.account_id, id).await?;
    Ok(Redirect::to(&format!("/dashboard/runs/{id}?done=cancelled")).into_response())
}

pub(super) async fn suspend(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<RunId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    page.actor.require(Role::Editor)?;
    app.engine.suspend(page.actor.account_id, id, &page.email).await?;
    Ok(Redirect::to(&format!("/dashboard/runs/{id}?done=suspended")).into_response())
}

pub(super) async fn resume(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<RunId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    page.actor.require(Role::Editor)?;
    app.engine.resume(page.actor.account_id, id).await?;
    Ok(Redirect::to(&format!("/dashboard/runs/{id}?done=resumed")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_in_reasons_are_shown_to_the_second() {
        assert_eq!(
            readable("waits until 2026-11-24T09:42:27.754101Z (task hold)"),
            "waits until 2026-11-24 09:42:27 UTC (task hold)"
        );
        assert_eq!(readable("waits for  two"), "waits for  two");
    }
}
