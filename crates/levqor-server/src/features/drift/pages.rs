//! `/admin/drift`.

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use levqor_drift::{Finding, Outcome, Report, Section as Part};
use levqor_model::Timestamp;
use levqor_store::drift::DriftResult;
use maud::{Markup, html};

use super::{routes::look, service};
use crate::{
    App, Problem,
    gateway::PageActor,
    pages::{
        Button, FormData, Page, Section, View,
        components::{
            badge::{Tone, badge, large_badge},
            deviation::{severity_badge, values},
            form,
            icon::icon,
            note::{empty, page_head},
            table::table,
            time::{ago, moment},
        },
        count,
    },
};

/// Findings of one node that are shown.
const FINDINGS: usize = 100;

pub fn routes() -> Router<App> {
    Router::new().route("/admin/drift", get(page)).route("/admin/drift/check", post(check))
}

async fn page(State(app): State<App>, page: PageActor, view: View) -> Result<Markup, Problem> {
    let results = service::results(&app).await?;
    let (tone, picture, word) = match service::overall(&app, &results).await? {
        "pass" => (Tone::Good, "check-ring", "pass"),
        "fail" => (Tone::Bad, "cross-ring", "fail"),
        _ => (Tone::Warn, "question", "unknown"),
    };
    let actions = html! {
        form.inline-form method="post" action="/admin/drift/check" {
            (form::csrf(&page.csrf))
            button.button type="submit" { (icon("turn")) "Look now" }
        }
    };
    let body = html! {
        (page_head("Drift", &html! {
            (large_badge(tone, picture, word)) " "
            "What is promised, held against what is served. " a href="/docs/drift" { "How it works" }
        }, &actions))
        div.stack {
            @if results.is_empty() {
                section.card { (empty("pulse", "No node has looked yet", "Each does soon after its start, and every hour.", &html! {})) }
            }
            @for (number, result) in results.iter().enumerate() { (of_node(view.now, number, result)) }
        }
    };
    Ok(Page::new("Drift", Section::Drift, body).render(&view))
}

async fn check(
    State(app): State<App>,
    page: PageActor,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    look(&app).await?;
    Ok(Redirect::to("/admin/drift").into_response())
}

fn of_node(now: Timestamp, number: usize, result: &DriftResult) -> Markup {
    let heading = format!("node-{number}");
    let (tone, picture, word) = match (service::is_fresh(result, now), result.pass) {
        // What was well hours ago may be otherwise by now.
        (false, _) => (Tone::Warn, "question", "unknown"),
        (true, true) => (Tone::Good, "check-ring", "pass"),
        (true, false) => (Tone::Bad, "cross-ring", "fail"),
    };
    html! {
        section.card aria-labelledby=(heading) {
            header {
                div {
                    h2 id=(heading) { (result.region) }
                    p.small.quiet { code { (result.node) } ", looked " (ago(result.at, now)) }
                }
                (badge(tone, picture, word))
            }
            @match service::report_of(result) {
                Some(report) => (shown(&report, now)),
                None => div.body { p.quiet { "Another version of Levqor has written what it found." } },
            }
        }
    }
}

fn shown(report: &Report, now: Timestamp) -> Markup {
    html! {
        (table("What was compared", &[("Part", false), ("Compared", false)], &html! {
            @for part in &report.sections { (row(part)) }
        }))
        @if !report.findings.is_empty() {
            ul.lines { @for finding in report.findings.iter().take(FINDINGS) { (line(finding, now)) } }
            @if report.findings_total > FINDINGS as u64 {
                div.body { p.small { code { "levqor drift --json" } " shows more." } }
            }
        }
        @if let Some(lock) = &report.lock {
            div.body { p.small.faint { "Held against lock " (count(lock.version.into())) ", " code { (lock.digest) } } }
        }
    }
}

fn row(part: &Part) -> Markup {
    html! {
        tr {
            th scope="row" { (part.part.title()) }
            td data-label="Compared" {
                @match &part.outcome {
                    Outcome::Compared(number) => (count(number.cast_signed())),
                    Outcome::Unknown(why) => span { (badge(Tone::Bad, "question", "unknown")) " " (why) },
                    Outcome::NotConfigured => span.faint { "not configured" },
                    Outcome::NotCompared(why) => span.faint { (why) },
                }
            }
        }
    }
}

fn line(finding: &Finding, now: Timestamp) -> Markup {
    html! {
        li.finding {
            div.row {
                (severity_badge(finding.deviation.severity))
                code { (finding.deviation.place) }
                span.small.faint { "since " (ago(finding.since, now)) }
            }
            (values(&finding.deviation))
            @if let Some(acknowledged) = &finding.acknowledged {
                p.small { "Does not count until " (moment(acknowledged.until)) ": " (acknowledged.reason) " (" (acknowledged.by) ")" }
            }
        }
    }
}
