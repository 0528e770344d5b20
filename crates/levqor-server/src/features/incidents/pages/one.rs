//! One incident: how it stands, what can be done, what happened.

use std::collections::BTreeMap;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use levqor_model::{IncidentId, IncidentRole, ProblemCode, Timestamp, UserId};
use levqor_store::incidents::{ActionItem, ActionItems, Incident, IncidentAlert, Wait};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    super::{
        service,
        timeline::{Line, Source},
    },
    Said, Typed, components, fields, level_badge, state_badge, told,
};
use crate::{
    App, Problem,
    gateway::{Id, PageActor, Query},
    pages::{
        Page, Section, View,
        components::{
            badge::{Tone, badge},
            deviation::severity_badge,
            form,
            icon::icon,
            note::{LIVE_SECONDS, as_it_was, crumbs, empty, live_head, note},
            time::{ago, moment},
        },
        plural,
    },
};

const ITEMS_MAX: usize = 200;
/// Alerts that are shown.
const ALERTS_MAX: usize = 50;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    done: Option<String>,
}

/// What the page is made of.
struct Shown<'a> {
    csrf: &'a str,
    now: Timestamp,
    incident: &'a Incident,
    people: &'a BTreeMap<UserId, String>,
    /// Alerts of it that go on.
    going_on: usize,
    typed: Option<(Typed<'a>, &'a Problem)>,
}

impl Shown<'_> {
    /// What was typed into a form and not kept. A form that is not there any more leaves its words to that of the note.
    fn typed(&self, form: Said) -> Option<Typed<'_>> {
        let (typed, _) = self.typed?;
        let is_there = match typed.form {
            Said::Update => self.incident.is_open(),
            Said::Resolve => self.incident.is_open() && self.going_on == 0,
            Said::Reopen => !self.incident.is_open(),
            Said::Note => true,
        };
        let place = if is_there { typed.form } else { Said::Note };
        (place == form).then_some(typed)
    }

    fn text(&self, form: Said) -> &str {
        self.typed(form).map_or("", |typed| typed.text)
    }

    fn is_public(&self, form: Said) -> bool {
        self.typed(form).is_some_and(|typed| typed.public)
    }
}

pub(super) async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<IncidentId>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    render(&app, &page, &view, id, asked.done.as_deref(), None).await
}

/// The page after an act that was refused, as it stands by now, with what was typed.
pub(super) async fn again(
    app: &App,
    page: &PageActor,
    view: View,
    id: IncidentId,
    problem: Problem,
    typed: Typed<'_>,
) -> Result<Response, Problem> {
    let is_theirs = matches!(
        problem.code,
        ProblemCode::IncidentMoved
            | ProblemCode::IncidentResolved
            | ProblemCode::IncidentOpen
            | ProblemCode::InvalidFields
            | ProblemCode::BadParameter
    );
    if !is_theirs {
        return Err(problem);
    }
    // Nothing can be read at the address that the form sends to.
    let view = View { path: format!("/admin/incidents/{id}"), ..view };
    let shown = render(app, page, &view, id, None, Some((typed, &problem))).await?;
    Ok((problem.status(), shown).into_response())
}

async fn render(
    app: &App,
    page: &PageActor,
    view: &View,
    id: IncidentId,
    done: Option<&str>,
    typed: Option<(Typed<'_>, &Problem)>,
) -> Result<Markup, Problem> {
    let incident = service::find(app, id).await?;
    let alerts = app.store.incident_alerts(id).await?;
    let items = app.store.action_items(ActionItems::Of(id), ITEMS_MAX).await?;
    let (lines, cut) = service::timeline(app, &incident).await?;
    let roles = IncidentRole::ALL.iter().filter_map(|role| incident.role(*role));
    let ids: Vec<_> = roles.chain(items.iter().filter_map(|item| item.owner)).collect();
    let people = service::addresses(app, ids).await?;
    let going_on = alerts.iter().filter(|alert| alert.ended_at.is_none()).count();
    let (csrf, now) = (page.csrf.as_str(), view.now);
    let shown = Shown { csrf, now, incident: &incident, people: &people, going_on, typed };
    let body = html! {
        (told(done))
        (crumbs(&[("/admin/incidents", "Incidents")], &incident.title))
        (live_head(&incident.title, &html! {
            (level_badge(incident.level)) " " (state_badge(incident.state))
            @if incident.public { " " (badge(Tone::Accent, "globe", "public")) }
        }, &actions(&shown)))
        (as_it_was(view.now))
        div.stack {
            (not_kept(&shown))
            (waiting(&shown))
            div.grid.main-aside {
                div.stack {
                    @if incident.is_open() { (update_form(&shown)) }
                    (happened(&shown, &lines, cut))
                }
                div.stack {
                    (facts(&shown))
                    (of_alerts(&alerts, view.now))
                    @if incident.is_open() { (end_form(&shown)) } @else { (reopen_form(&shown)) }
                    (note_form(&shown))
                    (items_card(&shown, &items))
                }
            }
        }
    };
    Ok(Page::new(incident.title.clone(), Section::Incidents, body).render(view))
}

/// Why something was not done, and what of it is to be chosen again: the page shows how it stands by now.
fn not_kept(shown: &Shown<'_>) -> Markup {
    let Some((typed, problem)) = &shown.typed else { return html! {} };
    let chosen = typed.update.map_or_else(Vec::new, |form| {
        let incident = shown.incident;
        let title = form.title.as_deref().map(str::trim).filter(|title| !title.is_empty());
        let parts = form.components.as_deref().map(components);
        let mut chosen = Vec::new();
        if !form.state.is_empty() && form.state != incident.state.as_str() {
            chosen.push(format!("the state {}", form.state));
        }
        if !form.level.is_empty() && form.level != incident.level.as_str() {
            chosen.push(format!("the level {}", form.level));
        }
        chosen
            .extend(title.filter(|title| *title != incident.title).map(|title| format!("the title {title}")));
        let parts = parts.filter(|parts| *parts != incident.components);
        chosen.extend(parts.map(|parts| format!("the parts {}", parts.join(", "))));
        chosen
    });
    note(
        Tone::Bad,
        &html! {
            p { (problem.detail) }
            p {
                "What you have written is in the form below, and was not kept."
                @if !chosen.is_empty() { " The form had " (chosen.join(", ")) "; choose anew what is still right." }
            }
        },
    )
}

fn address(incident: &Incident, act: &str) -> String {
    format!("/admin/incidents/{}/{act}", incident.id)
}

fn actions(shown: &Shown<'_>) -> Markup {
    let incident = shown.incident;
    html! {
        @if incident.is_open() && incident.acknowledged_at.is_none() {
            form.inline-form method="post" action=(address(incident, "acknowledge")) {
                (form::csrf(shown.csrf))
                button.button.primary type="submit" { (icon("check")) "I deal with it" }
            }
        }
        @if !incident.is_open() || incident.reopened > 0 {
            a.button href=(address(incident, "postmortem")) { (icon("book")) "Postmortem" }
        }
    }
}

/// What it waits for, and who is told next.
fn waiting(shown: &Shown<'_>) -> Markup {
    let escalation = &shown.incident.escalation;
    let (Some(wait), Some(next_at)) = (escalation.waits_for, escalation.next_at) else { return html! {} };
    let (tone, words) = match wait {
        Wait::Acknowledgement => (Tone::Bad, "Nobody has said yet that they deal with it."),
        Wait::Update => (Tone::Idle, "It waits for words on how it stands."),
    };
    note(
        tone,
        &html! {
            p {
                (words) " The next ones are told " (ago(next_at, shown.now)) "."
                @if escalation.step > 0 { " Until now it was told " (plural(escalation.step.into(), "time", "times")) " that nothing came." }
            }
        },
    )
}

fn facts(shown: &Shown<'_>) -> Markup {
    let Shown { now, incident, .. } = *shown;
    html! {
        section.card aria-labelledby="facts" {
            header { h2 id="facts" { "What is known" } }
            div.body.stack {
                dl.facts {
                    dt { "About" } dd { @if incident.components.is_empty() { span.faint { "nothing named" } } @else { (incident.components.join(", ")) } }
                    dt { "Began" } dd { @match incident.began_at { Some(at) => (moment(at)), None => span.faint { "not known" } } }
                    dt { "Opened" } dd { (moment(incident.opened_at)) " by " (incident.opened_by) }
                    dt { "Acknowledged" } dd {
                        @match (incident.acknowledged_at, &incident.acknowledged_by) {
                            (Some(at), Some(by)) => { (moment(at)) " by " (by) },
                            _ => "by nobody",
                        }
                    }
                    @if let (Some(at), Some(by)) = (incident.resolved_at, &incident.resolved_by) {
                        dt { "Resolved" } dd { (moment(at)) " by " (by) }
                    }
                    @if let Some(at) = incident.settles_at { dt { "Resolved by itself" } dd { (ago(at, now)) } }
                    @for role in IncidentRole::ALL { dt { (title(*role)) } dd { (holder(shown, *role)) } }
                }
                @if incident.is_open() {
                    details.disclose {
                        summary { "Give somebody a part" }
                        form.stack method="post" action=(address(incident, "assign")) {
                            (form::csrf(shown.csrf)) (fields::seen(incident.version))
                            (fields::choice("assign-role", "role", "Part", None, &IncidentRole::ALL.iter().map(|role| (role.as_str(), title(*role))).collect::<Vec<_>>(), None))
                            (fields::line("assign-user", "user", "Operator", "", Some("The address of their e-mail; empty: nobody.")))
                            button.button type="submit" { (icon("people")) "Give" }
                        }
                    }
                }
            }
        }
    }
}

const fn title(role: IncidentRole) -> &'static str {
    match role {
        IncidentRole::Commander => "Commander",
        IncidentRole::Communications => "Communications",
        IncidentRole::Operations => "Operations",
    }
}

fn holder(shown: &Shown<'_>, role: IncidentRole) -> Markup {
    match shown.incident.role(role) {
        None => html! { span.faint { "nobody" } },
        Some(user) => match shown.people.get(&user) {
            Some(email) => html! { (email) },
            None => html! { code { (user) } },
        },
    }
}

fn of_alerts(alerts: &[IncidentAlert], now: Timestamp) -> Markup {
    html! {
        section.card id="alerts-of-it" data-live="on" data-refresh=(LIVE_SECONDS) aria-labelledby="alerts" {
            header { h2 id="alerts" { "Alerts" } }
            @if alerts.is_empty() {
                div.body { p.quiet { "No alert is about it." } }
            } @else {
                ul.lines {
                    @for alert in alerts.iter().take(ALERTS_MAX) {
                        li.finding {
                            div.row {
                                (severity_badge(alert.severity))
                                code { (alert.rule) @if !alert.subject.is_empty() { " " (alert.subject) } }
                                @match alert.ended_at {
                                    None => (badge(Tone::Bad, "pulse", "goes on")),
                                    Some(at) => span.small.faint { "over " (ago(at, now)) },
                                }
                            }
                            p.small { (alert.summary) }
                            p.small.faint { "fired " (ago(alert.firing_at, now)) }
                        }
                    }
                }
                @if alerts.len() > ALERTS_MAX { div.body { p.small { code { "levqor incidents show --json" } " shows more." } } }
            }
        }
    }
}

fn update_form(shown: &Shown<'_>) -> Markup {
    let incident = shown.incident;
    html! {
        section.card aria-labelledby="say" {
            header { h2 id="say" { "Say how it stands" } }
            form.body.stack method="post" action=(address(incident, "update")) {
                (form::csrf(shown.csrf)) (fields::seen(incident.version))
                (fields::area("say-text", "text", "Words", 4, shown.text(Said::Update), None))
                div.grid.two {
                    (fields::choice("say-state", "state", "State", None, &fields::states(), Some(incident.state.as_str())))
                    (fields::choice("say-level", "level", "Level", None, &fields::levels(), Some(incident.level.as_str())))
                }
                (fields::check("say-public", "public", "Tell everybody", shown.is_public(Said::Update)))
                details.disclose {
                    summary { "Another title or other parts" }
                    div.stack {
                        (fields::line("say-title", "title", "Title", &incident.title, None))
                        (fields::line("say-components", "components", "Parts", &incident.components.join(", "), Some("Commas between them.")))
                    }
                }
                button.button.primary type="submit" { (icon("edit")) "Say it" }
            }
        }
    }
}

fn note_form(shown: &Shown<'_>) -> Markup {
    html! {
        section.card aria-labelledby="note" {
            header { h2 id="note" { "Note" } }
            form.body.stack method="post" action=(address(shown.incident, "note")) {
                (form::csrf(shown.csrf))
                (fields::area("note-text", "text", "For those who work on it", 3, shown.text(Said::Note), None))
                button.button type="submit" { (icon("plus")) "Note it" }
            }
        }
    }
}

fn end_form(shown: &Shown<'_>) -> Markup {
    let (incident, going_on) = (shown.incident, shown.going_on);
    html! {
        section.card aria-labelledby="end" {
            header { h2 id="end" { "Resolve" } }
            @if going_on > 0 {
                div.body { p.quiet { "It is not over while an alert goes on: " (plural(i64::try_from(going_on).unwrap_or(i64::MAX), "alert does", "alerts do")) "." } }
            } @else {
                form.body.stack method="post" action=(address(incident, "resolve")) {
                    (form::csrf(shown.csrf)) (fields::seen(incident.version))
                    (fields::area("end-text", "text", "What ended it", 3, shown.text(Said::Resolve), None))
                    (fields::check("end-public", "public", "Tell everybody", shown.is_public(Said::Resolve)))
                    button.button.primary type="submit" { (icon("check-ring")) "It is over" }
                }
            }
        }
    }
}

fn reopen_form(shown: &Shown<'_>) -> Markup {
    let incident = shown.incident;
    html! {
        section.card aria-labelledby="reopen" {
            header { h2 id="reopen" { "Reopen" } }
            form.body.stack method="post" action=(address(incident, "reopen")) {
                (form::csrf(shown.csrf)) (fields::seen(incident.version))
                (fields::area("reopen-text", "text", "Why it is not over", 3, shown.text(Said::Reopen), None))
                (fields::check("reopen-public", "public", "Tell everybody", shown.is_public(Said::Reopen)))
                button.button type="submit" { (icon("retry")) "It is not over" }
            }
        }
    }
}

fn happened(shown: &Shown<'_>, lines: &[Line], cut: bool) -> Markup {
    html! {
        section.card id="what-happened" data-live="on" data-refresh=(LIVE_SECONDS) aria-labelledby="timeline" {
            header { h2 id="timeline" { "What happened" } }
            @if cut { div.body { p.small { "More was done by operators and nodes than fits here; " a href="/admin/audit" { "the evidence log" } " has all of it." } } }
            ol.lines {
                @for line in lines {
                    li {
                        (icon(match line.source { Source::Alert => "pulse", Source::Evidence => "book", Source::Incident => "people" }))
                        div.main {
                            @match &line.link { Some(link) => { a href=(link) { (line.text) } }, None => (line.text) }
                            div.small.faint {
                                (moment(line.at)) ", " (line.who) ", " (line.kind)
                                @if line.public { " · public" }
                            }
                        }
                        span.small.faint { (ago(line.at, shown.now)) }
                    }
                }
            }
        }
    }
}

fn items_card(shown: &Shown<'_>, items: &[ActionItem]) -> Markup {
    let incident = shown.incident;
    html! {
        section.card aria-labelledby="action-items" {
            header { h2 id="action-items" { "Action items" } }
            @if items.is_empty() {
                (empty("check", "Nothing yet", "What is to be done so that it does not happen again.", &html! {}))
            }
            ul.lines { @for item in items { (item_line(shown, item)) } }
            form.body.stack method="post" action=(address(incident, "action-items")) {
                (form::csrf(shown.csrf))
                (fields::line("item-text", "text", "What is to be done", "", None))
                (fields::line("item-owner", "owner", "By whom", "", Some("The address of somebody's e-mail; empty: nobody yet.")))
                (fields::day("item-due", "due", "Until", ""))
                button.button type="submit" { (icon("plus")) "Add" }
            }
        }
    }
}

fn item_line(shown: &Shown<'_>, item: &ActionItem) -> Markup {
    let owner = item.owner.and_then(|owner| shown.people.get(&owner).map(String::as_str));
    let (value, words) = if item.done_at.is_some() { ("no", "Not done after all") } else { ("yes", "Done") };
    html! {
        li.finding {
            div.row {
                @match item.done_at {
                    Some(_) => (badge(Tone::Good, "check", "done")),
                    None if item.is_overdue(shown.now.date()) => (badge(Tone::Bad, "clock", "overdue")),
                    None => (badge(Tone::Idle, "clock", "open")),
                }
                span { (item.text) }
            }
            p.small.faint { (owner.unwrap_or("nobody yet")) ", until " (item.due) }
            form.inline-form method="post" action={ (address(shown.incident, "action-items")) "/" (item.id) } {
                (form::csrf(shown.csrf)) (fields::seen(item.version))
                button.button.slim type="submit" name="done" value=(value) aria-label={ (words) ": " (item.text) } { (words) }
            }
        }
    }
}
