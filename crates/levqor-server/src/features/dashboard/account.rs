//! `/dashboard/account`: the account, the reader's other accounts, and where they are signed in.

use axum::{
    extract::State,
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use http::header;
use levqor_model::{AccountId, Role, SessionId, Timestamp};
use levqor_store::accounts::Account;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Button, Done, may};
use crate::{
    App, Problem,
    features::{
        account::service,
        sessions::service::{self as sessions, Seen},
    },
    gateway::{Id, PageActor, Query, farewell, session_cookie},
    pages::{
        FormData, Page, Section, View,
        components::{
            badge::{Tone, badge},
            form::{self, Field},
            icon::icon,
            note::page_head,
            table::table,
            time::{ago, utc},
        },
    },
};

const HERE: &str = "/dashboard/account";

pub(super) async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Query(done): Query<Done>,
) -> Result<Markup, Problem> {
    draw(&app, &page, &view, &Shown { done, ..Shown::default() }).await
}

#[derive(Debug, Deserialize)]
pub(super) struct Rename {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    name: String,
}

pub(super) async fn rename(
    State(app): State<App>,
    page: PageActor,
    view: View,
    FormData(form): FormData<Rename>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let Err(problem) = service::rename(&app, &page.actor, &form.name).await else {
        return Ok(Redirect::to("/dashboard/account?done=renamed").into_response());
    };
    let Some(error) = problem.errors.iter().find(|error| error.pointer == "/name") else {
        return Err(problem);
    };
    let shown = Shown { name: Some(form.name), error: Some(error.message.clone()), ..Shown::default() };
    Ok((problem.status(), draw(&app, &page, &view, &shown).await?).into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct Switch {
    #[serde(default)]
    csrf: String,
    account: AccountId,
}

pub(super) async fn switch(
    State(app): State<App>,
    page: PageActor,
    FormData(form): FormData<Switch>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let entered = service::switch(&app, &page.actor, form.account).await?;
    let cookie = session_cookie(&app, entered.token.expose(), entered.lifetime(app.now()));
    let next = Redirect::to("/dashboard/account?done=switched");
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), next).into_response())
}

pub(super) async fn leave(
    State(app): State<App>,
    page: PageActor,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::leave(&app, &page.actor).await?;
    Ok((farewell(&app), Redirect::to("/signin")).into_response())
}

pub(super) async fn revoke_session(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<SessionId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    sessions::revoke(&app, &page.actor, id).await?;
    Ok(Redirect::to("/dashboard/account?done=session-ended").into_response())
}

pub(super) async fn revoke_others(
    State(app): State<App>,
    page: PageActor,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    sessions::revoke_others(&app, &page.actor).await?;
    Ok(Redirect::to("/dashboard/account?done=sessions-ended").into_response())
}

#[derive(Debug, Default)]
struct Shown {
    done: Done,
    name: Option<String>,
    error: Option<String>,
}

async fn draw(app: &App, page: &PageActor, view: &View, shown: &Shown) -> Result<Markup, Problem> {
    let account = service::account(app, &page.actor).await?;
    let memberships = service::memberships(app, &page.actor).await?;
    let open = sessions::list(app, &page.actor).await?;
    let body = html! {
        (shown.done.note(super::DONE))
        (page_head("Account", &html! { "You are signed in as " strong { (page.email) } "." }, &html! {}))
        div.stack {
            div.grid.main-aside {
                (account_card(page, &account, shown))
                (memberships_card(page, &memberships))
            }
            (sessions_card(page, view.now, &open))
        }
    };
    Ok(Page::new("Account", Section::Account, body).render(view))
}

fn account_card(page: &PageActor, account: &Account, shown: &Shown) -> Markup {
    let admin = may(page, Role::Admin);
    html! {
        section.card aria-labelledby="account" {
            header { h2 id="account" { (account.name) } }
            div.body.stack {
                p { "Plan " strong { (account.plan) } ", since " (utc(account.created_at)) ". Your role in it is " strong { (page.actor.role.as_str()) } "." }
                p.small.faint { "Id " code { (account.id) } }
                @if admin {
                    form.stack method="post" action=(HERE) {
                        (form::csrf(&page.csrf))
                        (Field::text("name", "Name", shown.name.as_deref().unwrap_or(&account.name)).required().error(shown.error.as_deref()).render())
                        button.button type="submit" { (icon("edit")) "Rename" }
                    }
                }
            }
        }
    }
}

fn memberships_card(page: &PageActor, memberships: &[(Account, Role)]) -> Markup {
    html! {
        section.card aria-labelledby="accounts" {
            header { h2 id="accounts" { "Your accounts" } }
            div.body.stack {
                @for (account, role) in memberships {
                    @let current = account.id == page.actor.account_id;
                    div {
                        p { strong { (account.name) } ", " (role.as_str()) @if current { " " (badge(Tone::Accent, "check", "this one")) } }
                        @if !current {
                            form method="post" action="/dashboard/account/switch" {
                                (form::csrf(&page.csrf))
                                input type="hidden" name="account" value=(account.id);
                                button.button.slim type="submit" { "Switch to “" (account.name) "”" }
                            }
                        }
                    }
                }
                details.disclose {
                    summary { "Leave this account" }
                    form method="post" action="/dashboard/account/leave" {
                        (form::csrf(&page.csrf))
                        button.button.danger.slim type="submit" { "Leave now, and be signed out" }
                    }
                }
            }
        }
    }
}

fn sessions_card(page: &PageActor, now: Timestamp, open: &[Seen]) -> Markup {
    let others = open.iter().any(|seen| !seen.current);
    let heads =
        [("Browser", false), ("Network", false), ("Account", false), ("Last used", false), ("", false)];
    html! {
        section.card aria-labelledby="sessions" {
            header { h2 id="sessions" { "Where you are signed in" } }
            (table("Sessions", &heads, &html! {
                @for seen in open {
                    @let session = &seen.session;
                    @let browser = session.browser.as_deref().unwrap_or("not known");
                    tr {
                        th scope="row" {
                            div {
                                (browser) @if seen.current { " " (badge(Tone::Accent, "check", "this one")) }
                                div.small.faint { "signed in " (ago(session.created_at, now)) ", ends " (ago(session.expires_at, now)) }
                            }
                        }
                        td data-label="Network" { (session.network.as_deref().unwrap_or("not known")) }
                        td data-label="Account" { @match &seen.account { Some(account) => (account.name), None => span.faint { "one that you left" } } }
                        td data-label="Last used" { (ago(session.last_seen_at, now)) }
                        td {
                            @if !seen.current {
                                form method="post" action={ "/dashboard/account/sessions/" (session.id) "/revoke" } {
                                    (form::csrf(&page.csrf))
                                    button.button.danger.slim type="submit" aria-label={ "End the session of " (browser) } { "End" }
                                }
                            }
                        }
                    }
                }
            }))
            div.body.stack {
                p.small.quiet { "A session ends 14 days after you signed in, and earlier when you do not use it for a day." }
                @if others {
                    form method="post" action="/dashboard/account/sessions/revoke-others" {
                        (form::csrf(&page.csrf))
                        button.button.danger.slim type="submit" { "End all others" }
                    }
                }
            }
        }
    }
}
