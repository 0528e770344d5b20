//! `/admin/jobs`, and a page for each job.

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use levqor_model::Timestamp;
use levqor_store::jobs::{FiringState, JobFiring};
use maud::{Markup, html};

use super::service::{self, Standing};
use crate::{
    App, Problem,
    gateway::{PageActor, PageQuery, Query},
    pages::{
        Button, FormData, Page, Section, View,
        components::{
            badge::{Tone, badge, large_badge},
            form,
            icon::icon,
            note::{LIVE_SECONDS, crumbs, empty, live_head},
            table::{pager, table},
            time::{age, ago, moment},
        },
        count, duration_words,
    },
};

/// Firings on one page.
const FIRINGS: usize = 50;
/// Letters of a result that is shown as it is.
const DATA_CHARS: usize = 8_000;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/admin/jobs", get(page))
        .route("/admin/jobs/{id}", get(one))
        .route("/admin/jobs/{id}/run", post(run))
        .route("/admin/jobs/{id}/pause", post(pause))
        .route("/admin/jobs/{id}/resume", post(resume))
}

async fn page(State(app): State<App>, _page: PageActor, view: View) -> Result<Markup, Problem> {
    let all = service::all(&app).await?;
    let active = all.iter().filter(|one| one.state() == "active").count();
    let failing = all.iter().filter(|one| one.now.as_ref().is_some_and(|now| now.failures > 0)).count();
    let late = all.iter().filter(|one| one.late.is_some()).count();
    let (tone, picture, word) = if late > 0 {
        (Tone::Bad, "alert", format!("{late} late"))
    } else if active < all.len() {
        (Tone::Warn, "alert", format!("{active} of {} active", all.len()))
    } else if failing > 0 {
        (Tone::Bad, "cross-ring", format!("{failing} failed the last time"))
    } else {
        (Tone::Good, "check-ring", format!("all {active} active"))
    };
    let body = html! {
        (live_head("Jobs", &html! {
            (large_badge(tone, picture, &word)) " "
            "What the platform does by itself, once in the whole cluster. " a href="/docs/jobs" { "How it works" }
        }, &html! {}))
        section.card id="jobs" data-live="on" data-refresh=(LIVE_SECONDS) aria-label="Jobs" {
            (table("Jobs", &[("Job", false), ("State", false), ("Last result", false), ("Next", false)], &html! {
                @for one in &all { (row(one, view.now)) }
            }))
        }
    };
    Ok(Page::new("Jobs", Section::Jobs, body).refresh_every(Some(30)).render(&view))
}

fn row(one: &Standing, now: Timestamp) -> Markup {
    let last = one.now.as_ref().and_then(|now| now.last.as_ref());
    html! {
        tr {
            th scope="row" {
                div {
                    a href={ "/admin/jobs/" (one.job.id) } { code { (one.job.id) } }
                    div.small.faint { (one.spec.describe()) }
                }
            }
            td data-label="State" {
                div {
                    (state(one))
                    @if let Some(why) = &one.late { " " (badge(Tone::Bad, "alert", "late")) div.small { "It " (why) "." } }
                }
            }
            td data-label="Last result" {
                @match last {
                    Some(last) => div {
                        (firing_badge(last.state)) " "
                        span.small.faint { (ago(last.ended_at.unwrap_or(last.due_at), now)) }
                        div.small { (words(last)) }
                    },
                    None => span.faint { "none yet" },
                }
            }
            td data-label="Next" {
                @match one.ahead.first() {
                    Some(at) => div { (ago(*at, now)) div.small.faint { (one.spec.local(*at)) } },
                    None => span.faint { "–" },
                }
            }
        }
    }
}

/// What it gave, or why it gave nothing.
fn words(firing: &JobFiring) -> &str {
    firing.summary.as_deref().or(firing.problem.as_deref()).unwrap_or("–")
}

fn state(one: &Standing) -> Markup {
    let open = one.now.as_ref().and_then(|now| now.open.as_ref());
    match (one.state(), open.map(|open| open.state)) {
        ("paused", _) => badge(Tone::Warn, "pause", "paused"),
        (_, Some(FiringState::Running)) => badge(Tone::Run, "turn", "running"),
        (_, Some(_)) => badge(Tone::Run, "hourglass", "waiting"),
        ("active", None) => badge(Tone::Idle, "clock", "active"),
        _ => badge(Tone::Idle, "question", "unknown"),
    }
}

fn firing_badge(state: FiringState) -> Markup {
    let (tone, picture) = match state {
        FiringState::Waiting => (Tone::Run, "hourglass"),
        FiringState::Running => (Tone::Run, "turn"),
        FiringState::Done => (Tone::Good, "check-ring"),
        FiringState::Failed | FiringState::TimedOut | FiringState::Crashed => (Tone::Bad, "cross-ring"),
        FiringState::Skipped => (Tone::Idle, "skip"),
    };
    badge(tone, picture, &state.as_str().replace('_', " "))
}

async fn one(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Path(id): Path<String>,
    Query(asked): Query<PageQuery>,
) -> Result<Markup, Problem> {
    let one = service::one(&app, &id).await?;
    let is_first = asked.cursor.is_none();
    let on_page = PageQuery { limit: Some(FIRINGS), cursor: asked.cursor };
    let (firings, next) = service::history(&app, &id, on_page).await?;
    let address = format!("/admin/jobs/{id}");
    let next = next.map(|cursor| cursor.address(&address));
    let is_paused = one.state() == "paused";
    let actions = html! {
        form.inline-form method="post" action={ (address) "/run" } {
            (form::csrf(&page.csrf))
            button.button type="submit" { (icon("play")) "Run now" }
        }
        form.inline-form method="post" action={ (address) (if is_paused { "/resume" } else { "/pause" }) } {
            (form::csrf(&page.csrf))
            button.button type="submit" {
                @if is_paused { (icon("turn")) "Resume" } @else { (icon("pause")) "Pause" }
            }
        }
    };
    let about = one.job.about;
    let body = html! {
        (crumbs(&[("/admin/jobs", "Jobs")], &id))
        (live_head(&id, &html! { (state(&one)) " It does this: " (about) "." }, &actions))
        div.stack id="job" data-live="on" data-refresh=(LIVE_SECONDS) {
            (facts(&one, view.now))
            section.card aria-labelledby="history" {
                header { h2 id="history" { "What came of it" } }
                @if firings.is_empty() {
                    (empty("clock", "Nothing yet", "It was not due since this installation began.", &html! {}))
                } @else {
                    (table("What came of it", &[("Due", false), ("State", false), ("Result", false), ("Took", true)], &html! {
                        @for firing in &firings { (firing_row(firing, view.now)) }
                    }))
                }
                (pager((!is_first).then_some(address.as_str()), next.as_deref()))
            }
        }
    };
    Ok(Page::new(format!("Job {id}"), Section::Jobs, body).refresh_every(Some(30)).render(&view))
}

fn facts(one: &Standing, now: Timestamp) -> Markup {
    let row = one.now.as_ref().map(|now| &now.job);
    html! {
        section.card aria-labelledby="times" {
            header { h2 id="times" { "When" } }
            div.body {
                @if let Some(why) = &one.late { p { (badge(Tone::Bad, "alert", "late")) " It " (why) "." } }
                p { (one.spec.describe()) ". It may take " (duration_words(one.spec.timeout)) "." }
                @if one.ahead.is_empty() {
                    p.quiet {
                        "It is paused"
                        @if let Some(at) = row.and_then(|row| row.paused_at) { " since " (moment(at)) }
                        @if let Some(by) = row.and_then(|row| row.paused_by.as_ref()) { " by " code { (by) } }
                        ": no due time fires, and none is made up for later."
                    }
                } @else {
                    p {
                        "Next: "
                        @for (place, at) in one.ahead.iter().enumerate() {
                            @if place > 0 { ", " }
                            span.nowrap { (one.spec.local(*at)) }
                        }
                        " (" (age(one.ahead[0], now)) ")"
                    }
                }
                @if let Some(row) = row.filter(|row| row.missed > 0 || row.skipped > 0) {
                    p.small.quiet {
                        (count(row.missed)) " due times came while nobody was there; "
                        (count(row.skipped)) " were skipped, since the one before went on."
                    }
                }
            }
        }
    }
}

fn firing_row(firing: &JobFiring, now: Timestamp) -> Markup {
    let took = firing.began_at.zip(firing.ended_at).map(|(began, ended)| ended.since(began));
    html! {
        tr {
            th scope="row" {
                div {
                    (ago(firing.due_at, now))
                    div.small.faint {
                        @match &firing.asked_by { Some(by) => { "by " code { (by) } }, None => "by its schedule" }
                    }
                }
            }
            td data-label="State" {
                div {
                    (firing_badge(firing.state))
                    @if firing.attempt > 1 { div.small.faint { "attempt " (count(firing.attempt)) } }
                }
            }
            td data-label="Result" {
                div {
                    (words(firing))
                    @if let Some(data) = firing.data.as_ref().filter(|data| data.chars().count() <= DATA_CHARS) {
                        details.disclose id={ "data-" (firing.due_at.as_micros()) } { summary { "Data" } pre { code { (pretty(data)) } } }
                    }
                }
            }
            td.num data-label="Took" { @match took { Some(took) => (duration_words(took)), None => "–" } }
        }
    }
}

fn pretty(data: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(data);
    value.map_or_else(|_| data.to_owned(), |value| format!("{value:#}"))
}

async fn run(
    State(app): State<App>,
    page: PageActor,
    Path(id): Path<String>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::run(&app, &page.actor, &id, None).await?;
    Ok(back(&id))
}

async fn pause(
    State(app): State<App>,
    page: PageActor,
    Path(id): Path<String>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::pause(&app, &page.actor, &id, None).await?;
    Ok(back(&id))
}

async fn resume(
    State(app): State<App>,
    page: PageActor,
    Path(id): Path<String>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::resume(&app, &id).await?;
    Ok(back(&id))
}

/// Only for ids of jobs: the service has refused others.
fn back(id: &str) -> Response {
    Redirect::to(&format!("/admin/jobs/{id}")).into_response()
}
