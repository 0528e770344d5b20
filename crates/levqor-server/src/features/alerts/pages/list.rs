//! `/admin/alerts`: what fires, what did, and what is silenced.

use std::time::Duration;

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use levqor_model::{AlertId, AlertState, ProblemCode, SilenceId, Timestamp};
use levqor_slo::{Matcher, MatcherField};
use levqor_store::alerts::{Alert, AlertFilter, Silence};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::service::{self, Wanted};
use crate::{
    App, Problem,
    gateway::{Cursor, Id, PageActor, PageQuery, Query},
    pages::{
        Button, FormData, Page, Section, View,
        components::{
            badge::{Tone, badge, large_badge},
            deviation::severity_badge,
            form::{self, Field},
            icon::icon,
            note::{LIVE_SECONDS, as_it_was, empty, live_head, said},
            table::{pager, table},
            time::{ago, moment},
        },
        count, plural,
    },
};

/// Alerts that are over, on one page.
const PAST: usize = 30;

#[derive(Debug, Default, Deserialize)]
pub(in super::super) struct Asked {
    cursor: Option<Cursor>,
}

pub(in super::super) async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    render(&app, &page, &view, asked, None).await
}

/// The page after a silence that was refused, with what was typed and what is wrong with it.
async fn again(
    app: &App,
    page: &PageActor,
    view: View,
    problem: Problem,
    form: &SilenceForm,
) -> Result<Response, Problem> {
    if !matches!(problem.code, ProblemCode::InvalidFields | ProblemCode::BadParameter) {
        return Err(problem);
    }
    // Nothing can be read at the address that the form sends to.
    let view = View { path: "/admin/alerts".to_owned(), ..view };
    let shown = render(app, page, &view, Asked::default(), Some((form, &problem))).await?;
    Ok((problem.status(), shown).into_response())
}

async fn render(
    app: &App,
    page: &PageActor,
    view: &View,
    asked: Asked,
    typed: Option<(&SilenceForm, &Problem)>,
) -> Result<Markup, Problem> {
    let open = service::open(app).await?;
    let silences = service::silences(app).await?;
    let is_first = asked.cursor.is_none();
    let filter = AlertFilter { state: Some(AlertState::Resolved), ..AlertFilter::default() };
    let on_page = PageQuery { limit: Some(PAST), cursor: asked.cursor };
    let (past, next) = service::alerts(app, filter, on_page).await?;
    let next = next.map(|cursor| cursor.address("/admin/alerts"));
    let firing = open.iter().filter(|alert| alert.state == AlertState::Firing).count();
    let (tone, picture, word) = match (firing, open.len()) {
        // Whether anybody has looked is told by the objectives and the status; here is only what was found.
        (0, 0) => (Tone::Idle, "check", "nothing fires".to_owned()),
        (0, _) => (Tone::Warn, "hourglass", "nothing fires yet".to_owned()),
        (firing, _) => (Tone::Bad, "alert", plural(firing as i64, "alert fires", "alerts fire")),
    };
    let body = html! {
        @if let Some((_, problem)) = typed {
            (said(Tone::Bad, &html! { p { (problem.detail) } p { "What you have written is in the form below: nothing is silenced." } }))
        }
        (live_head("Alerts", &html! {
            (large_badge(tone, picture, &word)) " "
            "What is not as it should be, and who knows. " a href="/docs/alerts" { "How it works" }
        }, &html! { a.button href="/admin/notifications" { (icon("mail")) "Messages" } }))
        (as_it_was(view.now))
        div.stack {
            section.card id="alerts-now" data-live="on" data-refresh=(LIVE_SECONDS) aria-labelledby="open" {
                header { h2 id="open" { "Now" } span.small.faint { (count(open.len() as i64)) } }
                @if open.is_empty() {
                    (empty("check", "Nothing is open", "What does not hold for long enough appears here.", &html! {}))
                } @else {
                    ul.lines { @for alert in &open { (line(alert, page, view.now)) } }
                }
            }
            (silenced(&silences, page, view.now, typed))
            section.card id="alerts-over" data-live="on" data-refresh=(LIVE_SECONDS) aria-labelledby="past" {
                header { h2 id="past" { "Over" } }
                @if past.is_empty() {
                    (empty("clock", "Nothing here", "Alerts that were over stay here.", &html! {}))
                } @else {
                    (table("Alerts that are over", &[("What", false), ("Severity", false), ("Fired", false), ("For", true), ("Why it is over", false)], &html! {
                        @for alert in &past { (past_row(alert, view.now)) }
                    }))
                }
                (pager((!is_first).then_some("/admin/alerts"), next.as_deref()))
            }
        }
    };
    Ok(Page::new("Alerts", Section::Alerts, body).render(view))
}

fn line(alert: &Alert, page: &PageActor, now: Timestamp) -> Markup {
    let firing = alert.state == AlertState::Firing;
    html! {
        li.finding id=(alert.id) {
            div.row {
                @if firing { (severity_badge(alert.severity)) } @else { (badge(Tone::Idle, "hourglass", "pending")) }
                code { (alert.rule) } @if !alert.subject.is_empty() { " " code { (alert.subject) } }
                span.small.faint { "since " (ago(alert.began_at, now)) }
            }
            p { (alert.summary) }
            p.small.quiet {
                @match (&alert.acknowledged, alert.silence, alert.told) {
                    (Some(given), ..) => {
                        (given.by) " has it, " (ago(given.at, now))
                        @if let Some(note) = &given.note { ": " (note) }
                    }
                    (None, Some(_), _) => "Nobody is told: it is silenced.",
                    (None, None, true) => "A message was made.",
                    (None, None, false) if firing && alert.heard => "A message was made before it got worse.",
                    (None, None, false) if firing => "Nobody is told: a worse alert says it.",
                    (None, None, false) => "It has not been so for long enough to tell anybody.",
                }
                @if alert.flaps > 0 { " It came back " (plural(alert.flaps.into(), "time", "times")) " soon after it was over." }
            }
            @if firing && alert.acknowledged.is_none() {
                form.inline-form method="post" action={ "/admin/alerts/" (alert.id) "/acknowledge" } {
                    (form::csrf(&page.csrf))
                    button.button.slim type="submit" { (icon("check")) "I have it" }
                }
            }
        }
    }
}

fn past_row(alert: &Alert, now: Timestamp) -> Markup {
    let lasted = alert.ended_at.zip(alert.firing_at).map(|(end, begin)| end.since(begin));
    html! {
        tr {
            th scope="row" { div { (alert.summary) div.small.faint { code { (alert.rule) } " " (alert.subject) } } }
            td data-label="Severity" { (severity_badge(alert.severity)) }
            td data-label="Fired" { (ago(alert.firing_at.unwrap_or(alert.began_at), now)) }
            td.num data-label="For" { (lasted.map(span).unwrap_or_default()) }
            td data-label="Why it is over" { (alert.ending.as_deref().unwrap_or_default()) }
        }
    }
}

fn span(lasted: Duration) -> String {
    match lasted.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

fn silenced(
    silences: &[Silence],
    page: &PageActor,
    now: Timestamp,
    typed: Option<(&SilenceForm, &Problem)>,
) -> Markup {
    let form = typed.map(|(form, _)| form);
    let value = |member: fn(&SilenceForm) -> &str, none: &'static str| form.map_or(none, member);
    let error = |pointers: &[&str]| {
        let errors = typed.map(|(_, problem)| problem.errors.as_slice()).unwrap_or_default();
        let is_of = |pointer: &str| pointers.iter().any(|begin| pointer.starts_with(begin));
        errors.iter().find(|error| is_of(&error.pointer)).map(|error| error.message.as_str())
    };
    html! {
        section.card aria-labelledby="silences" {
            header { h2 id="silences" { "Silences" } }
            @if !silences.is_empty() {
                ul.lines { @for silence in silences { (silence_line(silence, page, now)) } }
            }
            div.body {
                details.disclose open[silences.is_empty() || typed.is_some()] {
                    summary { "Silence alerts for a while" }
                    form.stack method="post" action="/admin/alerts/silences" {
                        (form::csrf(&page.csrf))
                        (Field::text("rule", "Rule", value(|form| &form.rule, "")).hint("As alerts name it; * stands for any letters, such as slo.*")
                            .error(error(&["/matchers/0"])).required().render())
                        (Field::text("subject", "Subject", value(|form| &form.subject, "*")).hint("Which one of them; * is all")
                            .error(error(&["/matchers/1"])).required().render())
                        (Field::text("hours", "Hours", value(|form| &form.hours, "1")).hint("At most 720")
                            .error(error(&["/hours", "/ends_at"])).required().render())
                        (Field::text("reason", "Reason", value(|form| &form.reason, "")).error(error(&["/reason"])).required().render())
                        div.actions { button.button type="submit" { (icon("pause")) "Silence" } }
                    }
                }
            }
        }
    }
}

fn silence_line(silence: &Silence, page: &PageActor, now: Timestamp) -> Markup {
    let matchers: Vec<Matcher> = serde_json::from_value(silence.matchers.clone()).unwrap_or_default();
    html! {
        li.finding {
            div.row {
                (badge(Tone::Idle, "pause", if silence.begins_at > now { "later" } else { "on" }))
                @for matcher in &matchers { code { (word(matcher.field)) "=" (matcher.pattern) } " " }
            }
            p.small.quiet { (silence.reason) " (" (silence.created_by) "), until " (moment(silence.ends_at)) }
            form.inline-form method="post" action={ "/admin/alerts/silences/" (silence.id) "/end" } {
                (form::csrf(&page.csrf))
                button.button.slim type="submit" { (icon("stop")) "End it" }
            }
        }
    }
}

const fn word(field: MatcherField) -> &'static str {
    match field {
        MatcherField::Rule => "rule",
        MatcherField::Subject => "subject",
        MatcherField::Severity => "severity",
    }
}

pub(in super::super) async fn acknowledge(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<AlertId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::acknowledge(&app, &page.actor, id, None).await?;
    Ok(Redirect::to("/admin/alerts").into_response())
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct SilenceForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    rule: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    hours: String,
    #[serde(default)]
    reason: String,
}

pub(in super::super) async fn create_silence(
    State(app): State<App>,
    page: PageActor,
    view: View,
    FormData(form): FormData<SilenceForm>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    match silence(&app, &page, &form).await {
        Ok(()) => Ok(Redirect::to("/admin/alerts").into_response()),
        Err(problem) => again(&app, &page, view, problem, &form).await,
    }
}

async fn silence(app: &App, page: &PageActor, form: &SilenceForm) -> Result<(), Problem> {
    let hours: u64 =
        form.hours.trim().parse().ok().filter(|hours| (1..=720).contains(hours)).ok_or_else(|| {
            Problem::field("/hours", format!("{:?} is no whole number from 1 to 720", form.hours.trim()))
        })?;
    let matcher = |field, pattern: &str| Matcher { field, pattern: pattern.trim().to_owned() };
    let wanted = Wanted {
        matchers: vec![
            matcher(MatcherField::Rule, &form.rule),
            matcher(MatcherField::Subject, &form.subject),
        ],
        reason: form.reason.clone(),
        begins_at: None,
        ends_at: app.now() + Duration::from_secs(hours * 3_600),
    };
    service::create_silence(app, &page.actor, wanted).await.map(drop)
}

pub(in super::super) async fn end_silence(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<SilenceId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::end_silence(&app, id).await?;
    Ok(Redirect::to("/admin/alerts").into_response())
}
