//! `/dashboard/workflows/{id}`: picture, schedule, versions, and the form that starts a run.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use levqor_flow::{definition, policy::SchedulePolicy, schedule::Schedule};
use levqor_model::{Misfire, Overlap, Role, Timestamp, WorkflowId};
use levqor_store::{
    runs::{Run, RunFilter},
    schedules::ScheduleState,
    workflows::{Version, Workflow},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    Button, Done, edit, may,
    runs::{Rows, run_rows},
    service, triggers,
};
use crate::{
    App, Problem,
    features::{runs, workflows},
    gateway::{Id, PageActor, Query},
    pages::{
        FormData, Page, Section, View,
        components::{
            code::{Language, code_block},
            form::{self, Area},
            graph::graph,
            icon::icon,
            note::{crumbs, empty, page_head},
            table::table,
            time::{ago, moment},
        },
    },
};

/// Versions and runs that the page lists.
const VERSIONS: usize = 20;
const RUNS: usize = 8;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    version: Option<String>,
    done: Option<String>,
}

/// All that the page shows.
struct Shown {
    workflow: Workflow,
    /// The version whose document is shown.
    version: Version,
    checked: Option<std::sync::Arc<definition::Workflow>>,
    versions: Vec<Version>,
    runs: Vec<Run>,
    schedule: Option<ScheduleState>,
    input: String,
    input_error: Option<String>,
    triggers: triggers::Shown,
    done: Done,
}

async fn load(app: &App, page: &PageActor, id: WorkflowId, version: Option<&str>) -> Result<Shown, Problem> {
    let account = page.actor.account_id;
    let workflow = workflows::service::find(app, account, id).await?;
    let named = version.unwrap_or(&workflow.version).to_owned();
    let version = workflows::service::find_version(app, account, id, &named).await?;
    let checked = workflows::service::compiled(app, &version).await?;
    // Those of the version in force, whichever is shown.
    let found = crate::features::triggers::service::list(app, &page.actor, id).await?;
    let triggers = triggers::Shown {
        schedule: found.schedule.map(|(schedule, _)| schedule.describe()).filter(|words| !words.is_empty()),
        events: found.events,
        webhooks: found.webhooks,
        ..triggers::Shown::default()
    };
    let filter = RunFilter { workflow_id: Some(id), ..RunFilter::default() };
    Ok(Shown {
        versions: app.store.views().versions_of(account, id, None, VERSIONS).await?,
        runs: app.store.views().runs_of(Some(account), filter, None, RUNS).await?,
        schedule: app.store.schedule_state(id).await?,
        workflow,
        version,
        checked,
        input: String::new(),
        input_error: None,
        triggers,
        done: Done::default(),
    })
}

pub(super) async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<WorkflowId>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    let mut shown = load(&app, &page, id, asked.version.as_deref()).await?;
    shown.done = Done { done: asked.done };
    Ok(render(&page, &view, &shown))
}

/// The page, with what was done about its triggers.
pub(super) async fn with_triggers(
    app: &App,
    page: &PageActor,
    view: &View,
    id: WorkflowId,
    said: triggers::Shown,
) -> Result<Markup, Problem> {
    let mut shown = load(app, page, id, None).await?;
    let triggers::Shown { webhooks, schedule, events, .. } = shown.triggers;
    shown.triggers = triggers::Shown { webhooks, schedule, events, ..said };
    Ok(render(page, view, &shown))
}

#[derive(Debug, Deserialize)]
pub(super) struct Start {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    input: String,
}

pub(super) async fn start(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<WorkflowId>,
    FormData(form): FormData<Start>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    page.actor.require(Role::Editor)?;
    let started = match service::input(&form.input) {
        Ok(input) => {
            let wish = runs::service::Wish { input: Some(input), ..runs::service::Wish::default() };
            runs::service::start(&app, page.actor.account_id, id, wish).await
        }
        Err(error) => Err(Problem::field("/input", error.to_string())),
    };
    let problem = match started {
        Ok(detail) => return Ok(Redirect::to(&format!("/dashboard/runs/{}", detail.run.id)).into_response()),
        Err(problem) => problem,
    };
    // What is wrong with the input is said at its field; everything else is a page of its own.
    let Some(error) = problem.errors.iter().find(|error| error.pointer.starts_with("/input")) else {
        return Err(problem);
    };
    let mut shown = load(&app, &page, id, None).await?;
    shown.input_error = Some(error.message.clone());
    shown.input = form.input;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page, &view, &shown)).into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct Delete {
    #[serde(flatten)]
    button: Button,
    confirm: Option<String>,
}

pub(super) async fn delete(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<WorkflowId>,
    FormData(form): FormData<Delete>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.button.csrf).await?;
    page.actor.require(Role::Editor)?;
    if form.confirm.is_none() {
        return Err(Problem::field("confirm", "tick the box: deleting cannot be undone"));
    }
    workflows::service::delete(&app, page.actor.account_id, id).await?;
    Ok(Redirect::to("/dashboard/workflows?done=deleted").into_response())
}

fn render(page: &PageActor, view: &View, shown: &Shown) -> Markup {
    let workflow = &shown.workflow;
    let path = format!("/dashboard/workflows/{}", workflow.id);
    let editor = may(page, Role::Editor);
    let current = shown.version.version == workflow.version;
    let title = workflow.title.as_deref().unwrap_or(&workflow.name);
    let under = html! {
        span.mono.small { (workflow.namespace) "/" (workflow.name) } " · version " code { (workflow.version) }
        " · changed " (ago(workflow.updated_at, view.now))
    };
    let actions = html! { @if editor { a.button href={ (path) "/edit" } { (icon("edit")) "New version" } } };
    let body = html! {
        (shown.done.note(super::DONE))
        (crumbs(&[("/dashboard/workflows", "Workflows")], &workflow.name))
        (page_head(title, &under, &actions))
        (triggers::made_note(&shown.triggers))
        div.grid.main-aside {
            div.stack {
                section.card aria-labelledby="picture" {
                    header {
                        h2 id="picture" { "The picture" }
                        @if !current { span.small { "Version " code { (shown.version.version) } ", " a href=(path) { "show the current one" } } }
                    }
                    div.body {
                        @if let Some(checked) = &shown.checked {
                            @if let Some(summary) = &checked.summary { p.quiet { (summary) } }
                            (graph(&levqor_flow::graph::graph(checked), "workflow", &format!("The steps of {}", workflow.name)))
                        } @else { p.quiet { "This build cannot read that version, so there is no picture of it." } }
                    }
                }
                section.card aria-labelledby="runs" {
                    header { h2 id="runs" { "Recent runs" } a.small href={ "/dashboard/runs?workflow=" (workflow.id) } { "All runs" } }
                    @if shown.runs.is_empty() {
                        (empty("runs", "It has not run yet", "Start it with the form on this page, or by the API.", &html! {}))
                    } @else { (run_rows(&shown.runs, view.now, Rows::OfWorkflow)) }
                }
                (code_block("definition-text", &format!("Definition, version {}", shown.version.version), &edit::source(&shown.version), Language::Yaml))
            }
            div.stack {
                @if editor { (start_card(page, &path, shown)) }
                @if let Some(checked) = &shown.checked {
                    @if let Some(schedule) = &checked.schedule {
                        (schedule_card(schedule, &checked.policy.schedule, shown.schedule.as_ref().filter(|_| current), view.now))
                    }
                }
                (triggers::card(page, &path, &shown.triggers, view.now))
                (versions_card(&path, shown, view.now))
                @if editor { (delete_card(page, &path)) }
            }
        }
    };
    Page::new(title, Section::Workflows, body).render(view)
}

fn start_card(page: &PageActor, path: &str, shown: &Shown) -> Markup {
    html! {
        section.card aria-labelledby="start" {
            header { h2 id="start" { "Start a run" } }
            form.body.stack method="post" action={ (path) "/runs" } {
                (form::csrf(&page.csrf))
                (Area {
                    name: "input",
                    label: "Input",
                    value: &shown.input,
                    rows: 5,
                    code: true,
                    hint: Some("JSON; nothing is an empty object."),
                    error: shown.input_error.as_deref(),
                }.render())
                button.button.primary type="submit" { (icon("play")) "Start" }
            }
        }
    }
}

/// `state` is that of the version in force only.
fn schedule_card(
    schedule: &Schedule,
    policy: &SchedulePolicy,
    state: Option<&ScheduleState>,
    now: Timestamp,
) -> Markup {
    // The stored due time is what the engine goes by; the later ones follow from it.
    let times = state.and_then(|state| state.next_due_at).map_or_else(Vec::new, |due| {
        let mut times = vec![due];
        times.extend(workflows::service::due_times(schedule, due, due).into_iter().take(4));
        times
    });
    html! {
        section.card aria-labelledby="schedule" {
            header { h2 id="schedule" { "Schedule" } }
            div.body.stack {
                p { (icon("clock")) " " (schedule.describe()) }
                @if times.is_empty() {
                    p.small.quiet { @if state.is_some() { "No due time ahead." } @else { "Only the current version starts by itself." } }
                } @else {
                    ol.due {
                        @for at in times {
                            li {
                                time.nums datetime=(at) { (at.to_jiff().to_zoned(schedule.zone.clone()).strftime("%a %d %b %Y, %H:%M %Z")) }
                                " " span.small.faint { (ago(at, now)) }
                            }
                        }
                    }
                }
                @if let Some(state) = state { (schedule_facts(policy, state, now)) }
            }
        }
    }
}

fn schedule_facts(policy: &SchedulePolicy, state: &ScheduleState, now: Timestamp) -> Markup {
    html! {
        dl.facts.pairs {
            @if let (Some(at), Some(run)) = (state.last_due_at, state.last_run) {
                dt { "Last" } dd { a href={ "/dashboard/runs/" (run) } { (ago(at, now)) } }
            }
            dt { "Fired" } dd.nums { (state.fired) }
            @if state.missed > 0 { dt { "Missed" } dd.nums { (state.missed) } }
            @if state.skipped > 0 { dt { "Skipped" } dd.nums { (state.skipped) } }
            @if state.buffered > 0 { dt { "Waiting" } dd.nums { (state.buffered) " for the end of the run before" } }
            @if policy.overlap != Overlap::default() { dt { "Overlap" } dd { code { (policy.overlap) } } }
            @if policy.misfire != Misfire::default() { dt { "Misfire" } dd { code { (policy.misfire) } } }
        }
    }
}

fn versions_card(path: &str, shown: &Shown, now: Timestamp) -> Markup {
    html! {
        section.card aria-labelledby="versions" {
            header { h2 id="versions" { "Versions" } }
            (table("Versions", &[("Version", false), ("Saved", false)], &html! {
                @for version in &shown.versions {
                    tr {
                        th scope="row" {
                            a href={ (path) "?version=" (percent_encoding::utf8_percent_encode(&version.version, percent_encoding::NON_ALPHANUMERIC)) }
                                aria-current=[(version.version == shown.version.version).then_some("true")] { code { (version.version) } }
                            @if version.version == shown.workflow.version { " " span.small.faint { "current" } }
                        }
                        td data-label="Saved" { (ago(version.created_at, now)) }
                    }
                }
            }))
            @if shown.versions.len() == VERSIONS { footer { "The newest " (VERSIONS) "; the API lists all." } }
            footer { "Created " (moment(shown.workflow.created_at)) }
        }
    }
}

fn delete_card(page: &PageActor, path: &str) -> Markup {
    html! {
        section.card {
            div.body {
                details.disclose {
                    summary { "Delete this workflow" }
                    form.stack method="post" action={ (path) "/delete" } {
                        (form::csrf(&page.csrf))
                        p.small.quiet { "Its schedule and its webhooks end now. Its runs go on and stay readable." }
                        label.check { input type="checkbox" name="confirm" value="yes" required; "Yes, delete it. This cannot be undone." }
                        button.button.danger type="submit" { (icon("trash")) "Delete" }
                    }
                }
            }
        }
    }
}
