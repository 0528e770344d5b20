//! `/dashboard/members`: who belongs to the account, and who is invited.

use axum::{
    extract::State,
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use http::{StatusCode, header};
use levqor_model::{InvitationId, Role, Secret, Timestamp, UserId};
use levqor_store::{invitations::Invitation, members::Member};
use maud::{Markup, html};
use serde::Deserialize;

use super::{Button, Done, chosen, keys::role_words, may};
use crate::{
    App, Problem,
    features::{
        invitations::service::{self as invitations, Made},
        members::service,
    },
    gateway::{ActedBy, Id, PageActor, Query, session_cookie},
    pages::{
        FormData, Page, Section, View,
        components::{
            badge::{Tone, badge},
            code::{Language, code_block},
            form::{self, Field},
            icon::icon,
            note::{note, page_head},
            table::table,
            time::ago,
        },
    },
};

/// Members on one page.
const MEMBERS: usize = 200;
/// All that may be open.
const INVITATIONS: usize = levqor_model::limits::INVITATIONS_OPEN_MAX * 2;

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
    let after: Option<UserId> = chosen("after", asked.after.as_deref())?;
    let shown = Shown { done: Done { done: asked.done }, ..Shown::default() };
    draw(&app, &page, &view, after, &shown).await
}

#[derive(Debug, Deserialize)]
pub(super) struct Invite {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    role: String,
}

fn role(text: &str) -> Result<Role, Problem> {
    Role::parse(text).ok_or_else(|| Problem::field("/role", "must be viewer, editor, admin or owner"))
}

/// Answers with the page itself rather than 303 where there is no mail: the link is in this one answer and stored nowhere.
pub(super) async fn invite(
    State(app): State<App>,
    page: PageActor,
    view: View,
    FormData(form): FormData<Invite>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let role = role(&form.role)?;
    let (status, shown) = match invitations::invite(&app, &page.actor, &form.email, role).await {
        Ok(Made { link: None, .. }) => {
            return Ok(Redirect::to("/dashboard/members?done=invited").into_response());
        }
        Ok(Made { invitation, link: Some(link) }) => {
            let shown = Shown { made: Some((invitation.email, link)), ..Shown::default() };
            (StatusCode::CREATED, shown)
        }
        Err(problem) => match problem.errors.iter().find(|error| error.pointer == "/email") {
            Some(error) => {
                let error = Some(error.message.clone());
                let shown = Shown { email: form.email, role: Some(role), error, ..Shown::default() };
                (problem.status(), shown)
            }
            None => return Err(problem),
        },
    };
    Ok((status, draw(&app, &page, &view, None, &shown).await?).into_response())
}

pub(super) async fn revoke_invitation(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<InvitationId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    invitations::revoke(&app, &page.actor, id).await?;
    Ok(Redirect::to("/dashboard/members?done=invitation-revoked").into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct ChangeRole {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    role: String,
}

pub(super) async fn change_role(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<UserId>,
    FormData(form): FormData<ChangeRole>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let (_, renewed) = service::change_role(&app, &page.actor, id, role(&form.role)?).await?;
    let next = Redirect::to("/dashboard/members?done=role-changed");
    Ok(match renewed {
        Some(entered) => {
            let cookie = session_cookie(&app, entered.token.expose(), entered.lifetime(app.now()));
            (AppendHeaders([(header::SET_COOKIE, cookie)]), next).into_response()
        }
        None => next.into_response(),
    })
}

pub(super) async fn remove(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<UserId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::remove(&app, &page.actor, id).await?;
    Ok(Redirect::to("/dashboard/members?done=member-removed").into_response())
}

pub(super) async fn sign_out(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<UserId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::sign_out(&app, &page.actor, id).await?;
    Ok(Redirect::to("/dashboard/members?done=signed-out").into_response())
}

#[derive(Debug, Default)]
struct Shown {
    done: Done,
    /// The invitation that was just made, and its link.
    made: Option<(String, Secret)>,
    email: String,
    role: Option<Role>,
    error: Option<String>,
}

async fn draw(
    app: &App,
    page: &PageActor,
    view: &View,
    after: Option<UserId>,
    shown: &Shown,
) -> Result<Markup, Problem> {
    let account = page.actor.account_id;
    let members = app.store.members_of(account, after, MEMBERS).await?;
    let open = if may(page, Role::Admin) {
        app.store.invitations_of(account, None, INVITATIONS).await?
    } else {
        Vec::new()
    };
    Ok(render(page, view, &members, &open, shown))
}

fn render(page: &PageActor, view: &View, members: &[Member], open: &[Invitation], shown: &Shown) -> Markup {
    let next = members
        .last()
        .filter(|_| members.len() == MEMBERS)
        .map(|last| format!("/dashboard/members?after={}", last.user_id));
    let admin = may(page, Role::Admin);
    let list = html! {
        section.card aria-labelledby="members" {
            header { h2 id="members" { "Members" } }
            (table("Members", &[("Person", false), ("Role", false), ("Last seen", false), ("", false)], &html! {
                @for member in members { (row(page, view.now, member)) }
            }))
            @if let Some(next) = &next { nav.pager aria-label="Pages" { span {} a.button.slim href=(next) rel="next" { "More" } } }
        }
    };
    let body = html! {
        (shown.done.note(super::DONE))
        (page_head("Members", &html! { "People who may do something in this account." }, &html! {}))
        div.stack {
            @if let Some((email, link)) = &shown.made {
                (note(Tone::Good, &html! {
                    p { strong { (email) " is invited." } " This server sends no mail: copy the link now and hand it over. It works once, for 7 days, and cannot be shown again." }
                    (code_block("new-invitation", "The link", link.expose(), Language::Plain))
                }))
            }
            @if admin {
                div.grid.main-aside { (list) (invite_card(page, shown)) }
                @if !open.is_empty() { (open_card(page, view.now, open)) }
            } @else {
                (list)
            }
        }
    };
    Page::new("Members", Section::Members, body).render(view)
}

fn roles_up_to(own: Role, selected: Role) -> Markup {
    html! {
        @for role in Role::ALL.into_iter().filter(|role| *role <= own) {
            option value=(role.as_str()) selected[role == selected] { (role_words(role)) }
        }
    }
}

fn invite_card(page: &PageActor, shown: &Shown) -> Markup {
    let mut field = Field::text("email", "E-mail", &shown.email).required().error(shown.error.as_deref());
    field.kind = "email";
    field.autocomplete = Some("off");
    html! {
        section.card aria-labelledby="invite" {
            header { h2 id="invite" { "Invite somebody" } }
            form.body.stack method="post" action="/dashboard/members/invitations" novalidate {
                (form::csrf(&page.csrf))
                (field.render())
                div.field {
                    label for="role" { "Role" }
                    select id="role" name="role" { (roles_up_to(page.actor.role, shown.role.unwrap_or(Role::Editor))) }
                }
                button.button.primary type="submit" { (icon("mail")) "Invite" }
            }
        }
    }
}

fn open_card(page: &PageActor, now: Timestamp, open: &[Invitation]) -> Markup {
    html! {
        section.card aria-labelledby="invited" {
            header { h2 id="invited" { "Invited" } }
            (table("Open invitations", &[("E-mail", false), ("Role", false), ("Ends", false), ("", false)], &html! {
                @for invitation in open {
                    tr {
                        th scope="row" { div { (invitation.email) div.small.faint { "invited " (ago(invitation.created_at, now)) } } }
                        td data-label="Role" { (invitation.role.as_str()) }
                        td data-label="Ends" {
                            @if invitation.expires_at <= now { (badge(Tone::Idle, "clock", "expired")) } @else { (ago(invitation.expires_at, now)) }
                        }
                        td {
                            form method="post" action={ "/dashboard/members/invitations/" (invitation.id) "/revoke" } {
                                (form::csrf(&page.csrf))
                                button.button.danger.slim type="submit" aria-label={ "Take back the invitation of " (invitation.email) } { "Take back" }
                            }
                        }
                    }
                }
            }))
        }
    }
}

fn row(page: &PageActor, now: Timestamp, member: &Member) -> Markup {
    let own = matches!(page.actor.by, ActedBy::Session { user, .. } if user == member.user_id);
    let touchable = may(page, Role::Admin) && member.role <= page.actor.role;
    let (id, email) = (member.user_id, &member.email);
    let select = format!("role-{id}");
    html! {
        tr {
            th scope="row" {
                div {
                    (email) @if own { " " (badge(Tone::Accent, "check", "you")) }
                    @if let Some(at) = member.added_at { div.small.faint { "since " (ago(at, now)) } }
                }
            }
            td data-label="Role" { (member.role.as_str()) }
            td data-label="Last seen" {
                @match member.last_seen_at { Some(at) => (ago(at, now)), None => span.faint { "not lately" } }
            }
            td {
                @if touchable {
                    details.disclose {
                        summary { "Change" span.visually-hidden { " " (email) } }
                        div.stack {
                            form.filters method="post" action={ "/dashboard/members/" (id) "/role" } {
                                (form::csrf(&page.csrf))
                                div.field {
                                    label for=(select) { "Role" }
                                    select id=(select) name="role" { (roles_up_to(page.actor.role, member.role)) }
                                }
                                button.button.slim type="submit" { "Change the role" }
                            }
                            @if !own {
                                form method="post" action={ "/dashboard/members/" (id) "/sign-out" } {
                                    (form::csrf(&page.csrf))
                                    button.button.slim type="submit" { "Sign out everywhere" }
                                }
                                form method="post" action={ "/dashboard/members/" (id) "/remove" } {
                                    (form::csrf(&page.csrf))
                                    button.button.danger.slim type="submit" { "Remove “" (email) "” now" }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
