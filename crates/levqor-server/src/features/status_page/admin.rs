//! `/admin/status`: what operators say on the status page, and when they work on the platform.

use std::time::Duration;

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use levqor_model::{DeclarationId, MaintenanceId, Timestamp};
use levqor_store::{
    declarations::{Declaration, Declared},
    maintenance::{Phase, Window},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    declarations::{self, Wish},
    maintenance::{self, Plan},
    ops::declared,
    pages::state_badge,
    reasons::Reader,
    service::{Report, State as Health},
    snapshot::{self, SHOWN},
};
use crate::{
    App, Problem,
    gateway::{Id, PageActor, Query},
    pages::{
        Button, FormData, Page, Section, View, chosen,
        components::{
            badge::{Tone, badge},
            form::{self, Area, Field},
            icon::icon,
            note::{empty, note, page_head},
            time::{ago, moment},
        },
    },
};

/// Windows that are shown.
const WINDOWS: usize = 50;

/// What just happened, as the address says it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    done: Option<String>,
}

impl Asked {
    fn note(&self) -> Markup {
        let text = match self.done.as_deref() {
            Some("declared") => "It is said. Everybody who looks at the status page reads it.",
            Some("withdrawn") => "It is taken back.",
            Some("scheduled") => "It is scheduled, and subscribers are told.",
            Some("cancelled") => "It does not take place, and subscribers are told.",
            Some("ended") => "It is over, and subscribers are told.",
            Some(_) | None => return html! {},
        };
        html! { div.said-so { (note(Tone::Idle, &html! { p { (text) } })) } }
    }
}

/// The form of a declaration.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Declare {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    part: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    words: String,
    /// Hours until it ends.
    #[serde(default)]
    hours: String,
}

/// The form of a window.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Schedule {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    title: String,
    /// Two fields of one page have two ids.
    #[serde(default, rename = "words-of-window")]
    words: String,
    #[serde(default)]
    parts: String,
    #[serde(default)]
    starts_at: String,
    #[serde(default)]
    ends_at: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Cancel {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    reason: String,
}

/// What was typed, and what is wrong with it.
#[derive(Debug, Default)]
struct Typed {
    declare: Declare,
    schedule: Schedule,
    problem: Option<Problem>,
}

impl Typed {
    fn error(&self, pointer: &str) -> Option<&str> {
        let errors = self.problem.iter().flat_map(|problem| &problem.errors);
        errors
            .into_iter()
            .find(|error| error.pointer.starts_with(pointer))
            .map(|error| error.message.as_str())
    }
}

pub(super) async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    show(&app, &page, &view, &asked.note(), &Typed::default()).await
}

pub(super) async fn declare(
    State(app): State<App>,
    page: PageActor,
    view: View,
    FormData(form): FormData<Declare>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let said = async {
        let hours: u64 = chosen("hours", Some(&form.hours))?.unwrap_or(24);
        let until = app.now() + Duration::from_secs(hours.min(24 * 365) * 3_600);
        let state = declared("/state", Some(&form.state))?;
        let wish = Wish { part: form.part.trim().to_owned(), state, words: form.words.clone(), until };
        declarations::declare(&app, &page.actor, wish).await
    }
    .await;
    match said {
        Ok(_) => Ok(Redirect::to("/admin/status?done=declared").into_response()),
        Err(problem) => {
            let typed = Typed { declare: form, ..Typed::default() };
            again(&app, &page, &view, typed, problem).await
        }
    }
}

/// The page with what was typed and what is wrong with it; other problems are told as they are.
async fn again(
    app: &App,
    page: &PageActor,
    view: &View,
    typed: Typed,
    problem: Problem,
) -> Result<Response, Problem> {
    if problem.errors.is_empty() {
        return Err(problem);
    }
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let typed = Typed { problem: Some(problem), ..typed };
    Ok((status, show(app, page, view, &html! {}, &typed).await?).into_response())
}

pub(super) async fn withdraw(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<DeclarationId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    declarations::withdraw(&app, id).await?;
    Ok(Redirect::to("/admin/status?done=withdrawn").into_response())
}

pub(super) async fn schedule(
    State(app): State<App>,
    page: PageActor,
    view: View,
    FormData(form): FormData<Schedule>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let planned = async {
        let plan = Plan {
            title: form.title.clone(),
            words: form.words.clone(),
            parts: form.parts.split([',', ' ']).filter(|part| !part.is_empty()).map(str::to_owned).collect(),
            starts_at: typed_moment("/starts_at", &form.starts_at)?,
            ends_at: typed_moment("/ends_at", &form.ends_at)?,
        };
        maintenance::schedule(&app, &page.actor, plan).await
    }
    .await;
    match planned {
        Ok(_) => Ok(Redirect::to("/admin/status?done=scheduled").into_response()),
        Err(problem) => {
            let typed = Typed { schedule: form, ..Typed::default() };
            again(&app, &page, &view, typed, problem).await
        }
    }
}

/// A moment in UTC: as a browser's field has it, or as it is written elsewhere.
fn typed_moment(pointer: &str, text: &str) -> Result<Timestamp, Problem> {
    let text = text.trim();
    let spelled =
        [text.to_owned(), format!("{text}Z"), format!("{text}:00Z"), text.replacen(' ', "T", 1) + ":00Z"];
    spelled.iter().find_map(|text| text.parse().ok()).ok_or_else(|| {
        Problem::field(pointer, "is no time; write it in UTC, like 2026-12-31T22:00".to_owned())
    })
}

pub(super) async fn cancel(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<MaintenanceId>,
    FormData(form): FormData<Cancel>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    maintenance::cancel(&app, id, &form.reason).await?;
    Ok(Redirect::to("/admin/status?done=cancelled").into_response())
}

pub(super) async fn end(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<MaintenanceId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    maintenance::end(&app, id).await?;
    Ok(Redirect::to("/admin/status?done=ended").into_response())
}

async fn show(
    app: &App,
    page: &PageActor,
    view: &View,
    said: &Markup,
    typed: &Typed,
) -> Result<Markup, Problem> {
    let snapshot = snapshot::current(app).await;
    let declarations = app.store.declarations(app.now()).await?;
    let mut windows = app.store.maintenance(app.now() - SHOWN).await?;
    windows.reverse();
    let more = windows.len() > WINDOWS;
    windows.truncate(WINDOWS);
    let body = html! {
        (said)
        (page_head("Status page", &html! {
            (state_badge(snapshot.report.state)) " "
            "What the status page says besides what is measured. " a href="/status" { "Look at it" } ", " a href="/docs/status" { "how it works" }
        }, &html! {}))
        div.grid.main-aside {
            div.stack {
                (not_well(&snapshot.report, view.now))
                (said_now(page, view.now, &declarations))
                (planned(page, view.now, &windows, more))
            }
            div.stack {
                (declare_form(page, typed))
                (schedule_form(page, typed))
            }
        }
    };
    Ok(Page::new("Status page", Section::StatusPage, body).render(view))
}

/// What was found of parts that are not well; everybody else is told of what kind it is.
fn not_well(report: &Report, now: Timestamp) -> Markup {
    let parts: Vec<_> = report
        .regions
        .iter()
        .filter(|region| !region.planned)
        .flat_map(|region| region.components.iter().map(move |one| (&region.code, one)))
        .filter(|(_, one)| one.measured != Health::Operational || one.reason.is_some())
        .collect();
    html! {
        @if !parts.is_empty() {
            section.card aria-labelledby="not-well" {
                header { h2 id="not-well" { "Not well as measured" } }
                ul.told {
                    @for (code, one) in parts {
                        li {
                            div.row.between { code { (code) "/" (one.name) } (state_badge(one.measured)) }
                            @if let Some(reason) = &one.reason {
                                p { (reason) }
                                p.small.quiet { "Everybody reads: " (Reader::Everybody.reason(reason)) "." }
                            }
                            p.small.quiet {
                                @if let Some(at) = one.at { "Newest sample " (ago(at, now)) "." } @else { "No sample yet." }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn said_now(page: &PageActor, now: Timestamp, declarations: &[Declaration]) -> Markup {
    html! {
        section.card aria-labelledby="said" {
            header { h2 id="said" { "Said now" } }
            @if declarations.is_empty() {
                (empty("info", "Nothing is said", "The status page shows what is measured, and nothing else.", &html! {}))
            } @else {
                ul.told {
                    @for said in declarations {
                        li {
                            div.row.between {
                                code { (said.part) }
                                @match said.state {
                                    Some(Declared::Down) => (badge(Tone::Bad, "cross-ring", "down")),
                                    Some(Declared::Degraded) => (badge(Tone::Warn, "alert", "degraded")),
                                    None => (badge(Tone::Idle, "info", "words")),
                                }
                            }
                            p { (said.words) }
                            p.small.quiet { "By " (said.actor) ", " (ago(said.at, now)) ", until " (moment(said.ends_at)) }
                            form.inline-form method="post" action={ "/admin/status/declarations/" (said.id) "/withdraw" } {
                                (form::csrf(&page.csrf))
                                button.button.slim type="submit" { "Take it back" }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `more`: there are others, which end earlier.
fn planned(page: &PageActor, now: Timestamp, windows: &[Window], more: bool) -> Markup {
    html! {
        section.card aria-labelledby="windows" {
            header { h2 id="windows" { "Maintenance" } }
            @if windows.is_empty() {
                (empty("clock", "No maintenance", "Nothing is planned, and nothing was in the last 90 days.", &html! {}))
            } @else {
                ul.told { @for window in windows { (planned_one(page, now, window)) } }
                @if more {
                    p.small.quiet {
                        "These are the " (windows.len()) " that end last. All of the last 90 days: "
                        code { "levqor maintenance list" } "."
                    }
                }
            }
        }
    }
}

fn planned_one(page: &PageActor, now: Timestamp, window: &Window) -> Markup {
    let phase = window.phase(now);
    let (tone, picture) = match phase {
        Phase::Scheduled => (Tone::Accent, "clock"),
        Phase::InProgress => (Tone::Run, "turn"),
        Phase::Completed => (Tone::Idle, "check"),
        Phase::Cancelled => (Tone::Idle, "skip"),
    };
    let reason = format!("reason-{}", window.id);
    html! {
        li {
            div.row.between { h3 { (window.title) } (badge(tone, picture, &phase.as_str().replace('_', " "))) }
            p.small.quiet { (moment(window.starts_at)) " to " (moment(window.ends_at)) ": " (window.parts.join(", ")) }
            @if !window.words.is_empty() { p.small { (window.words) } }
            @match phase {
                Phase::Scheduled => form.stack method="post" action={ "/admin/status/maintenance/" (window.id) "/cancel" } {
                    (form::csrf(&page.csrf))
                    div.field {
                        label for=(reason) { "Why it does not take place" }
                        input id=(reason) name="reason" type="text" required maxlength="500";
                    }
                    button.button.slim type="submit" { "Cancel it" }
                },
                Phase::InProgress => form.inline-form method="post" action={ "/admin/status/maintenance/" (window.id) "/end" } {
                    (form::csrf(&page.csrf))
                    button.button.slim type="submit" { "It is over" }
                },
                Phase::Completed | Phase::Cancelled => {},
            }
        }
    }
}

fn declare_form(page: &PageActor, typed: &Typed) -> Markup {
    let form = &typed.declare;
    let (part, hours) = (
        if form.part.is_empty() { "*/*" } else { &form.part },
        if form.hours.is_empty() { "24" } else { &form.hours },
    );
    let part = Field::text("part", "Part", part)
        .hint("region/component, with * for all of them.")
        .required()
        .error(typed.error("/part"));
    let words =
        Field::text("words", "Words for everybody", &form.words).required().error(typed.error("/words"));
    let mut hours = Field::text("hours", "Hours until it ends", hours)
        .hint("At most 168.")
        .error(typed.error("/until").or_else(|| typed.error("hours")));
    hours.kind = "number";
    html! {
        section.card aria-labelledby="declare" {
            header { h2 id="declare" { "Say something" } }
            div.body {
                form.stack method="post" action="/admin/status/declarations" {
                    (form::csrf(&page.csrf))
                    (part.render())
                    div.field {
                        label for="state" { "Call it" }
                        select id="state" name="state" {
                            option value="" selected[form.state.is_empty()] { "as it is measured" }
                            option value="degraded" selected[form.state == "degraded"] { "degraded" }
                            option value="down" selected[form.state == "down"] { "down" }
                        }
                    }
                    (words.render())
                    (hours.render())
                    button.button.primary type="submit" { (icon("edit")) "Say it" }
                }
            }
        }
    }
}

fn schedule_form(page: &PageActor, typed: &Typed) -> Markup {
    let form = &typed.schedule;
    let title = Field::text("title", "Title", &form.title).required().error(typed.error("/title"));
    let words = Area {
        name: "words-of-window",
        label: "What it means for people",
        value: &form.words,
        rows: 3,
        code: false,
        hint: None,
        error: None,
    };
    let parts = Field::text("parts", "Parts", &form.parts)
        .hint("Such as eu-west/database or eu-west/*, with commas between them.")
        .required()
        .error(typed.error("/parts"));
    let hint = "In UTC, like 2026-12-31T22:00.";
    let starts = Field::text("starts_at", "From", &form.starts_at)
        .hint(hint)
        .required()
        .error(typed.error("/starts_at"));
    let ends =
        Field::text("ends_at", "Until", &form.ends_at).hint(hint).required().error(typed.error("/ends_at"));
    html! {
        section.card aria-labelledby="schedule" {
            header { h2 id="schedule" { "Plan maintenance" } }
            div.body {
                form.stack method="post" action="/admin/status/maintenance" {
                    (form::csrf(&page.csrf))
                    (title.render())
                    (words.render())
                    (parts.render())
                    (starts.render())
                    (ends.render())
                    button.button.primary type="submit" { (icon("clock")) "Schedule" }
                }
            }
        }
    }
}
