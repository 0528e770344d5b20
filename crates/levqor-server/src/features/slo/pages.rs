//! `/admin/slos`.

use std::time::Duration;

use axum::{Router, extract::State, routing::get};
use levqor_model::Timestamp;
use levqor_store::slo::SloMoment;
use maud::{Markup, html};

use super::{
    charts::budget_line,
    report::{Report, Standing, WindowReport, severity_of},
    service,
};
use crate::{
    App, Problem,
    gateway::PageActor,
    pages::{
        Page, Section, View,
        components::{
            badge::{Tone, badge},
            deviation::severity_badge,
            note::{LIVE_SECONDS, empty, page_head},
            table::table,
            time::ago,
        },
        count,
    },
};

/// What the pictures show.
const SHOWN: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const STEP: Duration = Duration::from_secs(6 * 60 * 60);
/// Of a new installation, whose pictures would be empty for days.
const STEP_NEW: Duration = Duration::from_secs(600);
const SHOWN_NEW: Duration = Duration::from_secs(24 * 60 * 60);
const POINTS: usize = 200;

pub fn routes() -> Router<App> {
    Router::new().route("/admin/slos", get(page))
}

/// A history with the time that it is about.
struct Went {
    moments: Vec<SloMoment>,
    from: Timestamp,
    step: Duration,
}

async fn page(State(app): State<App>, _page: PageActor, view: View) -> Result<Markup, Problem> {
    let reports = service::reports(&app).await?;
    let mut cards = Vec::new();
    for report in &reports {
        let went = went(&app, &report.name, view.now).await?;
        cards.push(card(report, &went, view.now));
    }
    let body = html! {
        (page_head("Objectives", &html! {
            "What is promised of the service, and what is left of the budget for when it is not so. "
            a href="/docs/slos" { "How it works" }
        }, &html! {}))
        div.stack id="objectives" data-live="on" data-refresh=(LIVE_SECONDS) {
            @if reports.is_empty() {
                section.card { (empty("pulse", "No objectives", "Documents in the folder of slo.dir add some.", &html! {})) }
            }
            @for card in &cards { (card) }
        }
    };
    Ok(Page::new("Objectives", Section::Slos, body).refresh_every(Some(30)).render(&view))
}

async fn went(app: &App, name: &str, now: Timestamp) -> Result<Went, Problem> {
    let of = |span: Duration, step: Duration| service::history(app, name, (now - span, now), step, POINTS);
    let moments = of(SHOWN, STEP).await?.unwrap_or_default();
    if moments.len() > 8 {
        return Ok(Went { moments, from: now - SHOWN, step: STEP });
    }
    let moments = of(SHOWN_NEW, STEP_NEW).await?.unwrap_or_default();
    Ok(Went { moments, from: now - SHOWN_NEW, step: STEP_NEW })
}

const fn look(standing: Standing) -> (Tone, &'static str) {
    match standing {
        Standing::Met => (Tone::Good, "check-ring"),
        Standing::Quiet => (Tone::Idle, "dots"),
        Standing::Slow => (Tone::Warn, "alert"),
        Standing::Burning | Standing::Exhausted => (Tone::Bad, "cross-ring"),
        Standing::Unknown => (Tone::Warn, "question"),
    }
}

fn card(report: &Report, went: &Went, now: Timestamp) -> Markup {
    let (tone, picture) = look(report.status);
    let heading = format!("slo-{}", report.name.replace('.', "-"));
    html! {
        section.card aria-labelledby=(heading) {
            header {
                div {
                    h2 id=(heading) { (report.title) }
                    p.small.quiet { code { (report.name) } ", " (report.target_percent) " % in " (days(report.window_seconds)) }
                }
                (badge(tone, picture, report.status.as_str()))
            }
            div.body {
                @if let Some(description) = &report.description { p { (description) } }
                @if let Some(why) = &report.unknown { p { (badge(Tone::Warn, "question", "unknown")) " " (why) "." } }
                p { (left(report)) }
                (budget_line(&left(report), &went.moments, (went.from, now), micros(went.step)))
                p.small.faint { "What was left of the budget, from " (ago(went.from, now)) " until now. Under the line it was spent." }
            }
            (table("How fast it is spent", &[("Last", false), ("Events", true), ("Bad", true), ("Times too fast", true)], &html! {
                @for window in &report.windows { (row(window)) }
            }))
            @if let Some(trouble) = report.trouble.as_ref().or(report.slow.as_ref()) {
                div.body {
                    p {
                        (severity_badge(severity_of(&trouble.severity))) " "
                        (count_of(trouble.long.bad)) " of " (count_of(trouble.long.total)) " events in " (days(trouble.long.seconds)) " were bad ("
                        (trouble.tier) ")."
                    }
                }
            }
            @if !report.policies.is_empty() {
                (table("Alert policies of the document", &[("Policy", false), ("Says", false), ("Now", true), ("At most", true)], &html! {
                    @for policy in &report.policies {
                        tr {
                            th scope="row" { (policy.name) " " (severity_badge(severity_of(&policy.severity))) }
                            td data-label="Says" { (policy.verdict) " in " (days(policy.window.seconds)) }
                            td.num data-label="Now" { (burn(policy.window.burn)) }
                            td.num data-label="At most" { (format!("{:.1}", policy.threshold)) }
                        }
                    }
                }))
            }
            div.body { p.small.faint { "Measured by " (report.measured_by) "; from " code { (report.file) } "; judged " (ago(report.at, now)) "." } }
        }
    }
}

fn row(window: &WindowReport) -> Markup {
    html! {
        tr {
            th scope="row" { (days(window.seconds)) }
            td.num data-label="Events" { (count_of(window.total)) }
            td.num data-label="Bad" { (count_of(window.bad)) }
            td.num data-label="Times too fast" { (burn(window.burn)) }
        }
    }
}

/// What is left, in words.
fn left(report: &Report) -> String {
    let budget = &report.budget;
    match budget.left_percent {
        _ if report.status == Standing::Unknown => "It is not known what is left of the budget.".to_owned(),
        None => "There were no events yet, so nothing of the budget is spent.".to_owned(),
        Some(left) => {
            let reached = budget.reached_percent.unwrap_or_default();
            format!(
                "{left:.1} % of the budget is left: {} of {} events were bad, {} may be ({reached:.3} % were good).",
                budget.bad, budget.total, budget.allowed
            )
        }
    }
}

fn burn(burn: Option<f64>) -> String {
    burn.map_or_else(|| "–".to_owned(), |burn| format!("{burn:.1}"))
}

fn days(seconds: u64) -> String {
    match seconds {
        seconds if seconds >= 86_400 && seconds % 86_400 == 0 => format!("{} d", seconds / 86_400),
        seconds if seconds >= 3_600 && seconds % 3_600 == 0 => format!("{} h", seconds / 3_600),
        seconds if seconds >= 60 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

fn count_of(number: u64) -> String {
    count(i64::try_from(number).unwrap_or(i64::MAX))
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
