//! `/dashboard/keys`.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use levqor_model::{KeyId, Role, Scope, Scopes, Secret, Timestamp};
use levqor_store::keys::ApiKey;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Button, Done, chosen};
use crate::{
    App, Problem,
    features::keys::service::{self, Wish},
    gateway::{Id, PageActor, Query},
    pages::{
        FormData, Page, Section, View,
        components::{
            badge::{Tone, badge},
            code::{Language, code_block},
            form::{self, Field},
            icon::icon,
            note::{empty, note, page_head},
            table::table,
            time::{ago, utc},
        },
        plural,
    },
};

/// Keys on one page; accounts have few.
const KEYS: usize = 200;
/// The longest life that the form gives.
const DAYS_MAX: u64 = 3_650;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    after: Option<String>,
    done: Option<String>,
}

pub(super) async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    page.actor.require(Role::Admin)?;
    let after: Option<KeyId> = chosen("after", asked.after.as_deref())?;
    let keys = app.store.keys_of(page.actor.account_id, after, KEYS).await?;
    Ok(render(&page, &view, &keys, &Shown { done: Done { done: asked.done }, ..Shown::default() }))
}

#[derive(Debug, Deserialize)]
pub(super) struct Create {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    role: String,
    /// Days that the key lives; empty: until it is revoked.
    #[serde(default)]
    days: String,
    /// A box of each scope; none ticked: no limit.
    #[serde(flatten)]
    boxes: BTreeMap<String, String>,
}

impl Create {
    fn scopes(&self) -> Option<Scopes> {
        let ticked = |scope: &Scope| self.boxes.contains_key(&box_name(*scope));
        Scopes::of(Scope::ALL.into_iter().filter(ticked)).ok()
    }
}

/// Of the box of a scope; also its id.
fn box_name(scope: Scope) -> String {
    format!("scope-{}", scope.as_str().replace(':', "-"))
}

/// Answers with the page itself rather than 303: the key is in this one answer and stored nowhere.
pub(super) async fn create(
    State(app): State<App>,
    page: PageActor,
    view: View,
    FormData(form): FormData<Create>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let role = Role::parse(&form.role)
        .ok_or_else(|| Problem::field("/role", "must be viewer, editor, admin or owner"))?;
    let days: Option<u64> = chosen("days", Some(&form.days))?;
    let expires_at = days.map(|days| app.now() + Duration::from_secs(days.min(DAYS_MAX) * 24 * 60 * 60));
    let scopes = form.scopes();
    let wish = Wish { name: form.name.clone(), role, expires_at, scopes };
    let (status, shown) = match service::create(&app, &page.actor, wish).await {
        Ok((key, secret)) => {
            let made = Made { name: key.name, secret, old_until: None };
            (http::StatusCode::CREATED, Shown { made: Some(made), ..Shown::default() })
        }
        Err(problem) => match problem.errors.iter().find(|error| error.pointer == "/name") {
            Some(error) => {
                let error = Some(error.message.clone());
                let shown = Shown { name: form.name, role: Some(role), scopes, error, ..Shown::default() };
                (problem.status(), shown)
            }
            None => return Err(problem),
        },
    };
    let keys = app.store.keys_of(page.actor.account_id, None, KEYS).await?;
    Ok((status, render(&page, &view, &keys, &shown)).into_response())
}

pub(super) async fn revoke(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<KeyId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::revoke(&app, &page.actor, id).await?;
    Ok(Redirect::to("/dashboard/keys?done=revoked").into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct Rotate {
    #[serde(default)]
    csrf: String,
    /// Hours that the old secret goes on working; empty: a day.
    #[serde(default)]
    hours: String,
}

/// Answers with the page itself rather than 303: the new secret is in this one answer and stored nowhere.
pub(super) async fn rotate(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<KeyId>,
    FormData(form): FormData<Rotate>,
) -> Result<Markup, Problem> {
    page.check_csrf(&form.csrf).await?;
    let hours: Option<u64> = chosen("hours", Some(&form.hours))?;
    let overlap = hours.map(|hours| Duration::from_secs(hours.saturating_mul(60 * 60)));
    let (key, secret) = service::rotate(&app, &page.actor, id, overlap).await?;
    let old_until = key.previous.map(|previous| previous.ends_at);
    let shown = Shown { made: Some(Made { name: key.name, secret, old_until }), ..Shown::default() };
    let keys = app.store.keys_of(page.actor.account_id, None, KEYS).await?;
    Ok(render(&page, &view, &keys, &shown))
}

/// A secret that was just made, and is shown this once.
#[derive(Debug)]
struct Made {
    name: String,
    secret: Secret,
    /// Until when the one before it works, too.
    old_until: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Shown {
    done: Done,
    made: Option<Made>,
    name: String,
    role: Option<Role>,
    scopes: Option<Scopes>,
    error: Option<String>,
}

fn render(page: &PageActor, view: &View, keys: &[ApiKey], shown: &Shown) -> Markup {
    let next =
        keys.last().filter(|_| keys.len() == KEYS).map(|last| format!("/dashboard/keys?after={}", last.id));
    let body = html! {
        (shown.done.note(super::DONE))
        (page_head("API keys", &html! { "Programs send one as " code { "Authorization: Bearer lvq_…" } "." }, &html! {}))
        div.stack {
            @if let Some(made) = &shown.made {
                (note(Tone::Good, &html! {
                    p {
                        strong { "The key “" (made.name) "” " @if made.old_until.is_some() { "has a new secret." } @else { "is made." } }
                        " Copy it now: it is stored only as a hash and cannot be shown again."
                        @if let Some(until) = made.old_until { " The old one works until " (utc(until)) "." }
                    }
                    (code_block("new-key", "Your key", made.secret.expose(), Language::Plain))
                }))
            }
            div.grid.main-aside {
                section.card aria-labelledby="keys" {
                    header { h2 id="keys" { "Keys" } }
                    @if keys.is_empty() {
                        (empty("key", "No keys yet", "Make one for each program that uses the API.", &html! {}))
                    } @else {
                        (table("API keys", &[("Key", false), ("Role", false), ("Last used", false), ("State", false)], &html! {
                            @for key in keys { (row(page, view.now, key)) }
                        }))
                        @if let Some(next) = &next { nav.pager aria-label="Pages" { span {} a.button.slim href=(next) rel="next" { "More" } } }
                    }
                }
                (make_card(page, shown))
            }
        }
    };
    Page::new("API keys", Section::Keys, body).render(view)
}

fn make_card(page: &PageActor, shown: &Shown) -> Markup {
    html! {
        section.card aria-labelledby="make" {
            header { h2 id="make" { "Make a key" } }
            form.body.stack method="post" action="/dashboard/keys" {
                (form::csrf(&page.csrf))
                (Field::text("name", "Name", &shown.name).required().hint("What will use it, such as “nightly export”.").error(shown.error.as_deref()).render())
                div.field {
                    label for="role" { "Role" }
                    select id="role" name="role" {
                        @for role in Role::ALL.into_iter().filter(|role| *role <= page.actor.role) {
                            option value=(role.as_str()) selected[shown.role.unwrap_or(Role::Editor) == role] { (role_words(role)) }
                        }
                    }
                }
                div.field {
                    label for="days" { "Lives for" }
                    select id="days" name="days" {
                        option value="" { "until it is revoked" }
                        @for days in [1, 7, 30, 90, 365] { option value=(days) { (plural(days, "day", "days")) } }
                    }
                }
                details.disclose open[shown.scopes.is_some()] {
                    summary { "Limit it to parts of the API" }
                    fieldset.stack {
                        legend.hint { "With none of these the key may all that its role may. Whoever may write may read." }
                        @for scope in Scope::ALL.into_iter().filter(|scope| page.actor.operator || *scope != Scope::Operate) {
                            @let name = box_name(scope);
                            label.check for=(name) {
                                input type="checkbox" id=(name) name=(name) value="yes" checked[shown.scopes.is_some_and(|scopes| scopes.contains(scope))];
                                code { (scope.as_str()) }
                            }
                        }
                    }
                }
                button.button.primary type="submit" { (icon("plus")) "Make the key" }
            }
        }
    }
}

pub(super) fn role_words(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer: reads",
        Role::Editor => "editor: changes workflows and runs",
        Role::Admin => "admin: also keys and members",
        Role::Owner => "owner: everything",
    }
}

fn row(page: &PageActor, now: Timestamp, key: &ApiKey) -> Markup {
    let expired = key.expires_at.is_some_and(|at| at <= now);
    let live = key.revoked_at.is_none() && !expired;
    html! {
        tr {
            th scope="row" {
                (key.name)
                div.small.faint {
                    code { (key.prefix) "…" } " · made " (ago(key.created_at, now))
                    @if let Some(at) = key.rotated_at { " · new secret " (ago(at, now)) }
                    @if live { @if let Some(at) = key.expires_at { " · ends " (ago(at, now)) } }
                }
            }
            td data-label="Role" {
                (key.role.as_str()) @if key.operator { ", operator" }
                @if let Some(scopes) = key.scopes { div.small.faint { "only " code { (scopes) } } }
            }
            td data-label="Last used" {
                @match key.last_used_at { Some(at) => (ago(at, now)), None => span.faint { "never" } }
            }
            td data-label="State" {
                @if live && key.role > page.actor.role { "live" }
                @else if key.revoked_at.is_some() { (badge(Tone::Idle, "stop", "revoked")) }
                @else if expired { (badge(Tone::Idle, "clock", "expired")) }
                @else if live && key.role <= page.actor.role {
                    @if let Some(previous) = key.previous.filter(|previous| previous.ends_at > now) {
                        p.small { "The old secret works until " (ago(previous.ends_at, now)) "." }
                    }
                    @if !key.operator || page.actor.operator { (rotate_form(page, key)) }
                    details.disclose {
                        summary { "Revoke" }
                        form method="post" action={ "/dashboard/keys/" (key.id) "/revoke" } {
                            (form::csrf(&page.csrf))
                            button.button.danger.slim type="submit" { "Revoke “" (key.name) "” now" }
                        }
                    }
                }
            }
        }
    }
}

fn rotate_form(page: &PageActor, key: &ApiKey) -> Markup {
    let select = format!("hours-{}", key.id);
    html! {
        details.disclose {
            summary { "New secret" }
            form.stack method="post" action={ "/dashboard/keys/" (key.id) "/rotate" } {
                (form::csrf(&page.csrf))
                div.field {
                    label for=(select) { "The old one works for" }
                    select id=(select) name="hours" {
                        @for (hours, words) in [("0", "no moment longer"), ("1", "an hour"), ("24", "a day"), ("168", "7 days"), ("720", "30 days")] {
                            option value=(hours) selected[hours == "24"] { (words) }
                        }
                    }
                }
                button.button.slim type="submit" { "Give “" (key.name) "” a new secret" }
            }
        }
    }
}
