//! All incidents, what is to be done after them, and the form that opens one.

use std::collections::BTreeMap;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use levqor_model::{IncidentId, ProblemCode, Timestamp, UserId};
use levqor_store::incidents::{ActionItem, ActionItems, Incident};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    super::{actions, service},
    OpenForm, fields, is_on, level_badge, state_badge, told,
};
use crate::{
    App, Problem,
    gateway::{Cursor, PageActor, PageQuery, Query},
    pages::{
        Page, Section, View, chosen,
        components::{
            badge::{Tone, badge},
            form,
            icon::icon,
            note::{LIVE_SECONDS, as_it_was, empty, note, page_head},
            table::{pager, table},
            time::ago,
        },
        duration_words,
    },
};

/// Incidents on one page.
const INCIDENTS: usize = 50;
/// Action items on one page.
const ITEMS: usize = 50;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// Also those that are over.
    all: Option<String>,
    before: Option<String>,
    /// Where the page of action items begins.
    items: Option<Cursor>,
    done: Option<String>,
}

pub(super) async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    render(&app, &page, &view, &asked, None).await
}

/// The page after a form that was refused, with what was typed.
pub(super) async fn again(
    app: &App,
    page: &PageActor,
    view: &View,
    problem: Problem,
    form: &OpenForm,
) -> Result<Response, Problem> {
    if !matches!(problem.code, ProblemCode::InvalidFields | ProblemCode::BadParameter) {
        return Err(problem);
    }
    let asked = Asked { all: None, before: None, items: None, done: None };
    let shown = render(app, page, view, &asked, Some((form, &problem))).await?;
    Ok((problem.status(), shown).into_response())
}

async fn render(
    app: &App,
    page: &PageActor,
    view: &View,
    asked: &Asked,
    typed: Option<(&OpenForm, &Problem)>,
) -> Result<Markup, Problem> {
    let all = asked.all.is_some();
    let before: Option<IncidentId> = chosen("before", asked.before.as_deref())?;
    let store = app.store.views();
    let mut incidents = store.incidents(!all, before, INCIDENTS + 1).await?;
    let more = incidents.len() > INCIDENTS;
    incidents.truncate(INCIDENTS);
    let list = if all { "/admin/incidents?all=yes" } else { "/admin/incidents" };
    let join = if all { '&' } else { '?' };
    let next = incidents.last().filter(|_| more).map(|last| format!("{list}{join}before={}", last.id));
    let is_first = asked.items.is_none();
    let on_page = PageQuery { limit: Some(ITEMS), cursor: asked.items.clone() };
    let (items, more_items) = actions::page(app, ActionItems::Open, on_page).await?;
    let here = before.map_or_else(|| list.to_owned(), |before| format!("{list}{join}before={before}"));
    let mark = if here.contains('?') { '&' } else { '?' };
    let more_items = more_items.map(|cursor| format!("{here}{mark}items={cursor}#to-do"));
    let pages = items_pager((!is_first).then(|| format!("{here}#to-do")).as_deref(), more_items.as_deref());
    let people = service::addresses(app, items.iter().filter_map(|item| item.owner).collect()).await?;
    let (other, words) = if all {
        ("/admin/incidents", "Only open ones")
    } else {
        ("/admin/incidents?all=yes", "Show those that are over, too")
    };
    let body = html! {
        (told(asked.done.as_deref()))
        @if let Some((_, problem)) = typed {
            (note(Tone::Bad, &html! { p { (problem.detail) } p { "What you have written is in the form below: no incident was opened." } }))
        }
        (page_head("Incidents", &html! {
            "Disturbances that people deal with. " a href="/docs/incidents" { "How it works" } ", and "
            a href="/docs/operating#when-you-are-paged" { "what to look at when you are paged" }
        }, &html! { a.button.plain href=(other) { (words) } }))
        (as_it_was(view.now))
        div.stack {
            section.card id="incidents" data-live="on" data-refresh=(LIVE_SECONDS) aria-label="Incidents" {
                h2.visually-hidden { "Incidents" }
                @if incidents.is_empty() {
                    (empty("shield", if all { "No incidents here" } else { "No incident is open" },
                        "Alerts that are critical open one, and so can you. That none is open says nothing of what nobody measures.", &html! {}))
                } @else {
                    (table("Incidents", &[("Incident", false), ("Level", false), ("State", false), ("Acknowledged", false), ("Lasts", false)], &html! {
                        @for incident in &incidents { (row(incident, view.now)) }
                    }))
                }
                (pager(before.map(|_| list), next.as_deref()))
            }
            div.grid.main-aside {
                (to_do(&items, &people, view.now, &pages))
                (opening(&page.csrf, typed.map(|(form, _)| form)))
            }
        }
    };
    Ok(Page::new("Incidents", Section::Incidents, body).render(view))
}

fn row(incident: &Incident, now: Timestamp) -> Markup {
    let lasted = incident.resolved_at.unwrap_or(now).since(incident.opened_at);
    html! {
        tr {
            th scope="row" {
                div {
                    a href={ "/admin/incidents/" (incident.id) } { (incident.title) }
                    div.small.faint {
                        "opened " (ago(incident.opened_at, now)) " by " (incident.opened_by)
                        @if incident.public { " · public" }
                    }
                }
            }
            td data-label="Level" { (level_badge(incident.level)) }
            td data-label="State" { (state_badge(incident.state)) }
            td data-label="Acknowledged" {
                @match incident.acknowledged_at {
                    Some(at) => (ago(at, now)),
                    None if incident.is_open() => (badge(Tone::Bad, "cross-ring", "by nobody")),
                    None => span.faint { "by nobody" },
                }
            }
            td data-label="Lasts" { (duration_words(std::time::Duration::from_secs(lasted.as_secs()))) }
        }
    }
}

/// Between pages of action items, what is due first at first.
fn items_pager(first: Option<&str>, next: Option<&str>) -> Markup {
    html! {
        @if first.is_some() || next.is_some() {
            nav.pager aria-label="Pages of action items" {
                @if let Some(path) = first { a.button.slim href=(path) { "Due first" } } @else { span {} }
                @if let Some(path) = next { a.button.slim href=(path) rel="next" { "Due later" } }
            }
        }
    }
}

fn to_do(items: &[ActionItem], people: &BTreeMap<UserId, String>, now: Timestamp, pages: &Markup) -> Markup {
    html! {
        section.card aria-labelledby="to-do" {
            header { h2 id="to-do" { "To be done after incidents" } }
            @if items.is_empty() {
                // Behind the first page there may have been some that are done by now.
                @let words = if pages.0.is_empty() { "Nothing is open" } else { "Nothing more is open" };
                (empty("check", words, "Each incident has its action items on its page.", &html! {}))
            } @else {
                ul.lines {
                    @for item in items {
                        li {
                            a.main href={ "/admin/incidents/" (item.incident) "#action-items" } { (item.text) }
                            span.small.faint {
                                (item.owner.and_then(|owner| people.get(&owner).map(String::as_str)).unwrap_or("nobody yet"))
                                ", until " (item.due)
                            }
                            @if item.is_overdue(now.date()) { (badge(Tone::Bad, "clock", "overdue")) }
                        }
                    }
                }
            }
            (pages)
        }
    }
}

fn opening(csrf: &str, typed: Option<&OpenForm>) -> Markup {
    let text = |member: fn(&OpenForm) -> &str| typed.map_or("", member);
    let level = Some(text(|form| &form.level)).filter(|level| !level.is_empty()).unwrap_or("l2");
    let is_public = typed.is_some_and(|form| is_on(form.public.as_ref()));
    html! {
        section.card aria-labelledby="open-one" {
            header { h2 id="open-one" { "Open an incident" } }
            form.body.stack method="post" action="/admin/incidents" {
                (form::csrf(csrf))
                (fields::line("open-title", "title", "What is wrong", text(|form| &form.title), Some("In a few words. Everybody may read it when it is public.")))
                (fields::choice("open-level", "level", "Level", None, &fields::levels(), Some(level)))
                (fields::line("open-components", "components", "Parts", text(|form| &form.components), Some("Such as eu-west/hooks, eu-west or hooks; commas between them.")))
                (fields::area("open-text", "text", "How it stands", 4, text(|form| &form.text), None))
                (fields::line("open-began", "began_at", "Since when", text(|form| form.began_at.as_deref().unwrap_or_default()), Some("Such as 2026-12-24T09:30:00Z; empty when nobody knows.")))
                (fields::check("open-public", "public", "Tell everybody: the status page shows it", is_public))
                button.button.primary type="submit" { (icon("alert")) "Open" }
            }
        }
    }
}
