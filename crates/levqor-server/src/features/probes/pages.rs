//! `/admin/probes`.

use std::time::Duration;

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::StatusCode;
use levqor_model::Timestamp;
use levqor_store::heartbeats::Heartbeat;
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    board::Seen,
    heartbeats::{
        routes::{GRACE_SECONDS, word},
        service as beats,
    },
    judge::Verdict,
    service::{self, Known},
    verdict::State as ProbeState,
};
use crate::{
    App, Problem,
    gateway::{PageActor, Query},
    pages::{
        Button, FormData, Page, Section, View,
        components::{
            badge::{Tone, badge, large_badge},
            charts::sparkline,
            code::{Language, code_block},
            form::{self, Field},
            icon::icon,
            note::{LIVE_SECONDS, as_it_was, empty, live_head, note},
            table::table,
            time::ago,
        },
        duration_words, plural,
    },
};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/admin/probes", get(page))
        .route("/admin/probes/{name}/run", post(run))
        .route("/admin/heartbeats", post(create))
        .route("/admin/heartbeats/{name}/delete", post(delete))
}

/// What just happened, as the address says it.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    done: Option<String>,
}

impl Asked {
    fn note(&self) -> Markup {
        let (tone, text) = match self.done.as_deref() {
            Some("good") => (Tone::Good, "This node has looked: all of it is well."),
            Some("bad") => (Tone::Bad, "This node has looked, and something is not well: see below."),
            Some("deleted") => (Tone::Idle, "The heartbeat is deleted."),
            Some(_) | None => return html! {},
        };
        html! { div.said-so { (note(tone, &html! { p { (text) } })) } }
    }
}

#[derive(Debug, Default, Deserialize)]
struct Create {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    period: String,
    #[serde(default)]
    grace: String,
}

/// A heartbeat that was just made, or that could not be.
#[derive(Debug, Default)]
struct Shown {
    /// Name and address.
    made: Option<(String, String)>,
    form: Create,
    /// Field and what is wrong with it.
    error: Option<(String, String)>,
}

async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    render(&app, &page, &view, &asked, &Shown::default()).await
}

async fn run(
    State(app): State<App>,
    page: PageActor,
    Path(name): Path<String>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let definition = service::find(&app, &name)?;
    let asked = service::run_now(&app, &definition, None).await?;
    let good = |one: &service::Asked| one.look.as_ref().is_some_and(super::look::Look::is_good);
    let done = if !asked.is_empty() && asked.iter().all(good) { "good" } else { "bad" };
    Ok(Redirect::to(&format!("/admin/probes?done={done}")).into_response())
}

/// Answers with the page itself rather than 303: the address is in this one answer and stored nowhere.
async fn create(
    State(app): State<App>,
    page: PageActor,
    view: View,
    FormData(form): FormData<Create>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let made = match wish(&form) {
        Ok(wish) => beats::create(&app, &page.actor, wish).await,
        Err(problem) => Err(problem),
    };
    let (status, shown) = match made {
        Ok((heartbeat, token)) => {
            let made = Some((heartbeat.name, beats::address(&app, &token)));
            (StatusCode::CREATED, Shown { made, ..Shown::default() })
        }
        Err(problem) => {
            let first = problem.errors.first();
            let error = first.map(|error| (error.pointer.clone(), error.message.clone()));
            let error = error.unwrap_or_else(|| ("/name".to_owned(), problem.detail.clone()));
            (problem.status(), Shown { form, error: Some(error), ..Shown::default() })
        }
    };
    Ok((status, render(&app, &page, &view, &Asked::default(), &shown).await?).into_response())
}

fn wish(form: &Create) -> Result<beats::Wish, Problem> {
    Ok(beats::Wish {
        name: form.name.clone(),
        period_seconds: beats::typed_period(&form.period)?,
        grace_seconds: match form.grace.trim() {
            "" => GRACE_SECONDS,
            typed => beats::typed_grace(typed)?,
        },
    })
}

async fn delete(
    State(app): State<App>,
    page: PageActor,
    Path(name): Path<String>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    beats::delete(&app, &name).await?;
    Ok(Redirect::to("/admin/probes?done=deleted").into_response())
}

async fn render(
    app: &App,
    page: &PageActor,
    view: &View,
    asked: &Asked,
    shown: &Shown,
) -> Result<Markup, Problem> {
    let probes = service::all(app);
    let heartbeats = beats::all(app).await?;
    let (tone, picture, words) = overall(&probes);
    let body = html! {
        (asked.note())
        (live_head("Probes", &html! {
            (large_badge(tone, picture, words)) " "
            "What regions and other targets are like from outside, and jobs that tell of themselves. "
            a href="/docs/probes" { "How it works" }
        }, &html! {}))
        (as_it_was(view.now))
        div.stack {
            div.stack id="targets" data-live="on" data-refresh=(LIVE_SECONDS) {
                @for known in &probes { (of_probe(page, view.now, known)) }
                (of_heartbeats(page, view.now, &heartbeats))
            }
            (make_card(page, shown))
        }
    };
    Ok(Page::new("Probes", Section::Probes, body).render(view))
}

fn overall(probes: &[Known]) -> (Tone, &'static str, &'static str) {
    let state =
        |verdict: &Option<Verdict>| verdict.as_ref().map_or(ProbeState::Unknown, |verdict| verdict.state);
    let states: Vec<_> =
        probes.iter().flat_map(|known| &known.targets).map(|(_, verdict, _)| state(verdict)).collect();
    if states.contains(&ProbeState::Down) {
        (Tone::Bad, "cross-ring", "down")
    } else if states.is_empty() || states.contains(&ProbeState::Unknown) {
        (Tone::Warn, "question", "unknown")
    } else {
        (Tone::Good, "check-ring", "up")
    }
}

fn state_badge(state: ProbeState, disputed: bool) -> Markup {
    match state {
        ProbeState::Up if disputed => badge(Tone::Warn, "alert", "disputed"),
        ProbeState::Up => badge(Tone::Good, "check-ring", "up"),
        ProbeState::Down => badge(Tone::Bad, "cross-ring", "down"),
        ProbeState::Unknown => badge(Tone::Warn, "question", "unknown"),
    }
}

fn of_probe(page: &PageActor, now: Timestamp, known: &Known) -> Markup {
    let definition = &known.definition;
    let heading = format!("probe-{}", definition.name);
    html! {
        section.card aria-labelledby=(heading) {
            header {
                div {
                    h2 id=(heading) { (definition.name) }
                    p.small.quiet {
                        (definition.kind.as_str()) ", "
                        @match definition.every {
                            Some(every) => { "every " (interval(every)) },
                            None => "when somebody asks",
                        }
                        @if let Some(component) = &definition.component { ", " code { (component) } " on the status page" }
                    }
                }
                form.inline-form method="post" action={ "/admin/probes/" (definition.name) "/run" } {
                    (form::csrf(&page.csrf))
                    button.button.slim type="submit" { (icon("play")) "Look now" span.visually-hidden { ": " (definition.name) } }
                }
            }
            @if known.targets.is_empty() {
                div.body { p.quiet { "No region has said where it is reached." } }
            } @else {
                (table("Targets", &[("Target", false), ("State", false), ("Latency", false), ("Seen from", false)], &html! {
                    @for (target, verdict, looks) in &known.targets { (of_target(now, target, verdict.as_ref(), looks)) }
                }))
            }
        }
    }
}

fn of_target(now: Timestamp, target: &str, verdict: Option<&Verdict>, looks: &[Seen]) -> Markup {
    html! {
        tr {
            th scope="row" { code { (target) } }
            td data-label="State" {
                @match verdict {
                    None => (state_badge(ProbeState::Unknown, false)),
                    Some(verdict) => {
                        (state_badge(verdict.state, verdict.is_disputed()))
                        @if let Some(since) = verdict.since { " " span.small.faint { (ago(since, now)) } }
                        @if let Some(reason) = &verdict.reason { p.small { (reason) } }
                        @if let Some(until) = verdict.certificate() { p.small.faint { "certificate until " (until.date()) } }
                    },
                }
            }
            td data-label="Latency" { (latency(looks)) }
            td data-label="Seen from" {
                @match verdict {
                    None => span.faint { "nobody yet" },
                    Some(verdict) => @for view in &verdict.regions {
                        p.small {
                            (view.region) ": " (view.state.as_str())
                            @if let Some(latency) = view.latency_us { ", " (shown_ms(latency)) }
                            @if view.nodes > 1 { " (" (view.nodes) " nodes)" }
                        }
                    },
                }
            }
        }
    }
}

/// The last looks of this node as a line, with the newest in words.
fn latency(looks: &[Seen]) -> Markup {
    let good: Vec<i64> =
        looks.iter().rev().filter(|look| look.fault.is_none()).map(|look| look.latency_us).collect();
    let failed = looks.len() - good.len();
    let Some(last) = good.last() else { return html! { span.faint { "no good look" } } };
    let (least, most) = (good.iter().min().unwrap_or(last), good.iter().max().unwrap_or(last));
    let looks = plural(i64::try_from(looks.len()).unwrap_or(i64::MAX), "look", "looks");
    let label = format!(
        "Latency of the last {looks} of this node: {} now, {} to {}, {failed} failed",
        shown_ms(*last),
        shown_ms(*least),
        shown_ms(*most)
    );
    html! {
        span.nums { (shown_ms(*last)) }
        @if failed > 0 { " " span.small.faint { (failed) " of " (looks) " failed" } }
        (sparkline(&label, &good))
    }
}

/// A span that somebody wrote, with no more digits than that took.
fn interval(span: Duration) -> String {
    match (span.as_secs(), span.subsec_millis()) {
        (seconds @ 0..60, 0) => format!("{seconds} s"),
        (_, 0) => duration_words(span),
        _ => format!("{} ms", span.as_millis()),
    }
}

fn shown_ms(micros: i64) -> String {
    let tenths = micros.max(0) / 100;
    if tenths >= 1_000 {
        format!("{} ms", tenths / 10)
    } else {
        format!("{}.{} ms", tenths / 10, tenths % 10)
    }
}

fn of_heartbeats(page: &PageActor, now: Timestamp, heartbeats: &[Heartbeat]) -> Markup {
    html! {
        section.card aria-labelledby="heartbeats" {
            header { h2 id="heartbeats" { "Heartbeats" } }
            @if heartbeats.is_empty() {
                (empty("pulse", "No heartbeats yet", "Make one for a job elsewhere that should be missed when it does not run.", &html! {}))
            } @else {
                (table("Heartbeats", &[("Job", false), ("State", false), ("Expected", false), ("Last heard", false), ("", false)], &html! {
                    @for heartbeat in heartbeats { (of_heartbeat(page, now, heartbeat)) }
                }))
            }
        }
    }
}

fn of_heartbeat(page: &PageActor, now: Timestamp, heartbeat: &Heartbeat) -> Markup {
    let (tone, picture, state) = match word(heartbeat, now) {
        "up" => (Tone::Good, "check-ring", "up"),
        "late" => (Tone::Warn, "hourglass", "late"),
        "down" => (Tone::Bad, "cross-ring", "down"),
        _ => (Tone::Idle, "question", "new"),
    };
    html! {
        tr {
            th scope="row" { (heartbeat.name) " " code.small.faint { (heartbeat.prefix) "…" } }
            td data-label="State" {
                (badge(tone, picture, state)) " "
                @if heartbeat.started_at.is_some() { span.small { "runs " } }
                span.small.faint { (ago(heartbeat.since, now)) }
                @if let Some(reason) = &heartbeat.reason { p.small { (reason) } }
            }
            td data-label="Expected" { "every " (interval(heartbeat.period)) ", grace " (interval(heartbeat.grace)) }
            td data-label="Last heard" {
                @match heartbeat.pinged_at { Some(at) => (ago(at, now)), None => span.faint { "never" } }
                @if let Some(duration) = heartbeat.duration { " " span.small.faint { "took " (duration.as_millis()) " ms" } }
            }
            td {
                form.inline-form method="post" action={ "/admin/heartbeats/" (heartbeat.name) "/delete" } {
                    (form::csrf(&page.csrf))
                    button.button.slim.plain type="submit" { (icon("trash")) "Delete" span.visually-hidden { " " (heartbeat.name) } }
                }
            }
        }
    }
}

fn make_card(page: &PageActor, shown: &Shown) -> Markup {
    let error = |pointer: &str| {
        shown.error.as_ref().filter(|(of, _)| of == pointer).map(|(_, message)| message.as_str())
    };
    html! {
        section.card aria-labelledby="make" {
            header { h2 id="make" { "Make a heartbeat" } }
            @if let Some((name, address)) = &shown.made {
                div.body {
                    (note(Tone::Good, &html! {
                        p {
                            strong { "The heartbeat “" (name) "” is made." }
                            " Copy its address now: the token in it is stored only as a hash and cannot be shown again."
                        }
                        (code_block("new-heartbeat", "Its address", address, Language::Plain))
                    }))
                }
            }
            form.body.stack method="post" action="/admin/heartbeats" {
                (form::csrf(&page.csrf))
                (Field::text("name", "Name", &shown.form.name).required().hint("Such as nightly-backup.").error(error("/name")).render())
                (Field::text("period", "Period in seconds", &shown.form.period).required().hint("How often the job ends: 86400 is once a day.").error(error("/period_seconds")).render())
                (Field::text("grace", "Grace in seconds", &shown.form.grace).hint("How late it may be, and how long it may take; 60 when left empty.").error(error("/grace_seconds")).render())
                div { button.button type="submit" { (icon("plus")) "Make it" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_shown_as_they_were_written() {
        for (millis, shown) in [
            (500, "500 ms"),
            (1_500, "1500 ms"),
            (10_000, "10 s"),
            (59_000, "59 s"),
            (90_000, "1 min 30 s"),
            (86_400_000, "1 d"),
        ] {
            assert_eq!(interval(Duration::from_millis(millis)), shown);
        }
    }

    #[test]
    fn milliseconds_have_a_tenth_while_they_are_few() {
        for (micros, shown) in
            [(0, "0.0 ms"), (1_540, "1.5 ms"), (99_999, "99.9 ms"), (100_000, "100 ms"), (-5, "0.0 ms")]
        {
            assert_eq!(shown_ms(micros), shown);
        }
    }
}
