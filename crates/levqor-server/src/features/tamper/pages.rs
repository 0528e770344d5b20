//! `/admin/tamper`.

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use levqor_model::Timestamp;
use levqor_store::tamper::Finding;
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    board::EVIDENCE,
    service::{self, Place, Verdict, Wish},
};
use crate::{
    App, Problem,
    gateway::{PageActor, Query},
    pages::{
        Button, Done, FormData, Page, Section, View,
        components::{
            badge::{Tone, badge, large_badge},
            deviation::{severity_badge, values},
            form::{self, Field},
            icon::icon,
            note::{empty, live_head},
            time::ago,
        },
        count, plural,
    },
};

/// Findings of one place that are shown.
const FINDINGS: usize = 100;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/admin/tamper", get(page))
        .route("/admin/tamper/accept", post(accept))
        .route("/admin/tamper/verify", post(verify))
}

/// What just happened, by the word for it in the address.
const DONE: &[(&str, &str)] = &[
    ("accepted", "It is agreed to. The nodes concerned sign it within a second."),
    ("verify", "All nodes hash their files anew, and verify what the database says of them."),
];

#[derive(Debug, Deserialize)]
struct Accept {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    place: String,
    /// What the page has shown; empty: nothing.
    #[serde(default)]
    found: String,
    #[serde(default)]
    reason: String,
}

async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Query(done): Query<Done>,
) -> Result<Markup, Problem> {
    let places = service::places(&app).await?;
    let verdict = service::overall(&places);
    let actions = html! {
        form.inline-form method="post" action="/admin/tamper/verify" {
            (form::csrf(&page.csrf))
            button.button type="submit" { (icon("turn")) "Hash all of it anew" }
        }
    };
    let body = html! {
        (done.note(DONE))
        (live_head("Tamper detection", &html! {
            (verdict_badge(verdict, large_badge)) " "
            "The files that each node is made of, held against what was agreed. " a href="/docs/tamper" { "How it works" }
        }, &actions))
        div.stack {
            @if places.is_empty() {
                section.card {
                    (empty("shield", "Nothing is known yet", "No node has said that it guards its files. Without a data directory it guards none.", &html! {}))
                }
            }
            @for (number, place) in places.iter().enumerate() { (of_place(&page, view.now, number, place)) }
        }
    };
    // Where there are findings somebody may be writing a reason, which a page that loads again would lose.
    let refresh = (verdict == Verdict::Unknown).then_some(10);
    Ok(Page::new("Tamper detection", Section::Tamper, body).refresh_every(refresh).render(&view))
}

async fn accept(
    State(app): State<App>,
    page: PageActor,
    FormData(form): FormData<Accept>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let Accept { csrf: _, path, place, found, reason } = form;
    service::accept(&app, Wish { path, reason, place: Some(place), found: Some(found) }).await?;
    Ok(Redirect::to("/admin/tamper?done=accepted").into_response())
}

async fn verify(
    State(app): State<App>,
    page: PageActor,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::verify(&app).await?;
    Ok(Redirect::to("/admin/tamper?done=verify").into_response())
}

fn verdict_badge(verdict: Verdict, draw: fn(Tone, &str, &str) -> Markup) -> Markup {
    let (tone, picture) = match verdict {
        Verdict::Untouched => (Tone::Good, "check-ring"),
        Verdict::Changed => (Tone::Bad, "cross-ring"),
        Verdict::Unknown => (Tone::Warn, "question"),
    };
    draw(tone, picture, verdict.as_str())
}

fn of_place(page: &PageActor, now: Timestamp, number: usize, place: &Place) -> Markup {
    let (kept, report) = (&place.kept, &place.report);
    let heading = format!("place-{number}");
    html! {
        section.card aria-labelledby=(heading) {
            header {
                div {
                    h2 id=(heading) { (kept.state.place) }
                    p.small.quiet {
                        (kept.state.region) ", " (plural(report.files.cast_signed(), "file", "files")) ", "
                        @match report.sequence {
                            Some(sequence) => { "baseline " (count(sequence.cast_signed())) },
                            None => "no baseline",
                        }
                        @if let Some(at) = report.agreed_at { " agreed to " (ago(at, now)) }
                        "; said " (ago(kept.at, now))
                        @if !report.heard.events { "; changes are found by looking only" }
                    }
                }
                (verdict_badge(place.verdict, badge))
            }
            @if place.findings.is_empty() {
                div.body { p.quiet { @match place.verdict {
                    Verdict::Unknown => "There is no fresh word of its node.",
                    Verdict::Untouched | Verdict::Changed => "Everything is as agreed.",
                } } }
                @if let Some(remark) = &report.evidence_remark {
                    div.body { p.small.quiet { "Of the evidence log, " (remark) "." } }
                }
            } @else {
                ul.lines {
                    @for finding in place.findings.iter().take(FINDINGS) { (line(page, now, finding)) }
                }
                @if place.findings.len() > FINDINGS {
                    div.body { p.small { code { "levqor tamper status --json" } " shows more." } }
                }
            }
        }
    }
}

fn line(page: &PageActor, now: Timestamp, finding: &Finding) -> Markup {
    let deviation = &finding.deviation;
    html! {
        li.finding {
            div.row { (severity_badge(deviation.severity)) code { (deviation.place) } span.small.faint { "since " (ago(finding.since, now)) } }
            (values(deviation))
            @if deviation.place == EVIDENCE {
                p.small { "Nobody agrees to this one: " a href="/admin/audit" { "the evidence log" } " names what is wrong with it." }
            } @else {
                details.disclose {
                    summary { "This change is right" }
                    form.stack method="post" action="/admin/tamper/accept" {
                        (form::csrf(&page.csrf))
                        input type="hidden" name="path" value=(deviation.place);
                        input type="hidden" name="place" value=(finding.place);
                        input type="hidden" name="found" value=(deviation.found.as_deref().unwrap_or_default());
                        (Field::text("reason", "Why", "").required().hint("It is kept in the evidence log, with your name.").render())
                        button.button type="submit" { "Agree to what was found" }
                    }
                }
            }
        }
    }
}
