//! `/dashboard/keys`.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use levqor_model::{KeyId, Role, Secret, Timestamp};
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
            time::ago,
        },
    },
};

/// Keys on one page; accounts have few.
const KEYS: usize = 200;

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
        .ok_or_else(|| Problem::field("role", "must be viewer, editor, admin or owner"))?;
    let wish = Wish { name: form.name.clone(), role, expires_at: None };
    let (status, shown) = match service::create(&app, &page.actor, wish).await {
        Ok((key, secret)) => {
            (http::StatusCode::CREATED, Shown { made: Some((key.name, secret)), ..Shown::default() })
        }
        Err(problem) => match problem.errors.iter().find(|error| error.pointer == "/name") {
            Some(error) => {
                let error = Some(error.message.clone());
                (problem.status(), Shown { name: form.name, role: Some(role), error, ..Shown::default() })
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

#[derive(Debug, Default)]
struct Shown {
    done: Done,
    /// The key that was just made.
    made: Option<(String, Secret)>,
    name: String,
    role: Option<Role>,
    error: Option<String>,
}

fn render(page: &PageActor, view: &View, keys: &[ApiKey], shown: &Shown) -> Markup {
    let next =
        keys.last().filter(|_| keys.len() == KEYS).map(|last| format!("/dashboard/keys?after={}", last.id));
    let body = html! {
        (shown.done.note())
        (page_head("API keys", &html! { "Programs send one as " code { "Authorization: Bearer lvq_…" } "." }, &html! {}))
        div.stack {
            @if let Some((name, secret)) = &shown.made {
                (note(Tone::Good, &html! {
                    p { strong { "The key “" (name) "” is made." } " Copy it now: it is stored only as a hash and cannot be shown again." }
                    (code_block("new-key", "Your key", secret.expose(), Language::Plain))
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
                        button.button.primary type="submit" { (icon("plus")) "Make the key" }
                    }
                }
            }
        }
    };
    Page::new("API keys", Section::Keys, body).render(view)
}

fn role_words(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer: reads",
        Role::Editor => "editor: changes workflows and runs",
        Role::Admin => "admin: also keys",
        Role::Owner => "owner: everything",
    }
}

fn row(page: &PageActor, now: Timestamp, key: &ApiKey) -> Markup {
    let expired = key.expires_at.is_some_and(|at| at <= now);
    let live = key.revoked_at.is_none() && !expired;
    html! {
        tr {
            th scope="row" { (key.name) div.small.faint { code { (key.prefix) "…" } " · made " (ago(key.created_at, now)) } }
            td data-label="Role" { (key.role.as_str()) @if key.operator { ", operator" } }
            td data-label="Last used" {
                @match key.last_used_at { Some(at) => (ago(at, now)), None => span.faint { "never" } }
            }
            td data-label="State" {
                @if live && key.role > page.actor.role { "live" }
                @else if key.revoked_at.is_some() { (badge(Tone::Idle, "stop", "revoked")) }
                @else if expired { (badge(Tone::Idle, "clock", "expired")) }
                @else if live && key.role <= page.actor.role {
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
