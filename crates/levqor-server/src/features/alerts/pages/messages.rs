//! `/admin/notifications`: messages, where they are, and what became of those that did not arrive.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use levqor_model::{NotificationId, NotificationState, Timestamp};
use levqor_store::notifications::Notification;
use maud::{Markup, html};
use serde::Deserialize;

use super::super::{service, settings::AlertSettings};
use crate::{
    App, Problem,
    features::admin::query_of,
    gateway::{Cursor, Id, PageActor, PageQuery, Query},
    pages::{
        Button, FormData, Page, Section, View, chosen,
        components::{
            badge::{Tone, badge},
            deviation::severity_badge,
            form,
            icon::icon,
            note::{LIVE_SECONDS, empty, note, page_head},
            table::pager,
            time::ago,
        },
        plural,
    },
};

/// Messages on one page.
const MESSAGES: usize = 50;

#[derive(Debug, Default, Deserialize)]
pub(in super::super) struct Asked {
    state: Option<String>,
    cursor: Option<Cursor>,
}

pub(in super::super) async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    let state: Option<NotificationState> = chosen("state", asked.state.as_deref())?;
    let is_first = asked.cursor.is_none();
    let on_page = PageQuery { limit: Some(MESSAGES), cursor: asked.cursor };
    let (messages, next) = service::notifications(&app, state, on_page).await?;
    let word = state.map(NotificationState::as_str);
    let base = query_of("/admin/notifications", [("state", word)]);
    let next = next.map(|cursor| cursor.address(&base));
    let body = html! {
        (page_head("Messages", &html! {
            "What people and other systems were told, and what they were not. " a href="/docs/alerts" { "How it works" }
        }, &html! { a.button href="/admin/alerts" { (icon("alert")) "Alerts" } }))
        div.stack {
            (told(&app.settings.alerts))
            section.card id="messages" data-live="on" data-refresh=(LIVE_SECONDS) aria-label="Messages" {
                header {
                    h2.visually-hidden { "Messages" }
                    nav.row aria-label="By state" {
                        a.button.slim href="/admin/notifications" aria-current=[word.is_none().then_some("page")] { "all" }
                        @for one in NotificationState::ALL {
                            a.button.slim href={ "/admin/notifications?state=" (one) } aria-current=[(state == Some(*one)).then_some("page")] { (one) }
                        }
                    }
                }
                @if messages.is_empty() {
                    (empty("mail", "No messages", "When an alert fires, somebody is told, and it is seen here.", &html! {}))
                } @else {
                    ul.lines { @for message in &messages { (line(message, &page, view.now)) } }
                }
                (pager((!is_first).then_some(base.as_str()), next.as_deref()))
            }
        }
    };
    Ok(Page::new("Messages", Section::Notifications, body).refresh_every(Some(30)).render(&view))
}

/// Who is told.
fn told(settings: &AlertSettings) -> Markup {
    if settings.destinations.is_empty() {
        return note(
            Tone::Warn,
            &html! {
                p {
                    "Nobody is named who is to be told: messages are undeliverable. Set " code { "LEVQOR_ALERTS_MAIL_TO" } ", "
                    code { "LEVQOR_ALERTS_WEBHOOK_URL" } " or " code { "LEVQOR_ALERTS_SLACK_URL" } "."
                }
            },
        );
    }
    html! {
        section.card aria-labelledby="destinations" {
            header { h2 id="destinations" { "Destinations" } }
            ul.lines {
                @for destination in &settings.destinations {
                    li { (icon("out")) span.main { (destination.name) } span.small.faint { (destination.kind.word()) } }
                }
            }
        }
    }
}

const fn look(state: NotificationState) -> (Tone, &'static str) {
    match state {
        NotificationState::Waiting => (Tone::Run, "hourglass"),
        NotificationState::Delivered => (Tone::Good, "check-ring"),
        NotificationState::Split => (Tone::Idle, "copy"),
        NotificationState::Undeliverable => (Tone::Warn, "question"),
        NotificationState::Dead => (Tone::Bad, "cross-ring"),
        NotificationState::Dismissed => (Tone::Idle, "check"),
    }
}

fn line(message: &Notification, page: &PageActor, now: Timestamp) -> Markup {
    let (tone, picture) = look(message.state);
    let given_up = matches!(
        message.state,
        NotificationState::Dead | NotificationState::Undeliverable | NotificationState::Dismissed
    );
    html! {
        li.finding id=(message.id) {
            div.row {
                (badge(tone, picture, message.state.as_str()))
                (severity_badge(message.severity))
                span.small.faint { (ago(message.created_at, now)) }
            }
            p { (message.subject) }
            p.small.quiet {
                code { (message.target.words()) }
                @if let Some(destination) = &message.destination { " to " code { (destination) } }
                @if message.attempts > 0 { ", " (plural(message.attempts.into(), "attempt", "attempts")) }
                @if let (NotificationState::Waiting, Some(next)) = (message.state, message.next_at) { ", next " (ago(next, now)) }
            }
            @if let Some(problem) = &message.problem { p.small { (problem) } }
            @if given_up {
                form.inline-form method="post" action={ "/admin/notifications/" (message.id) "/retry" } {
                    (form::csrf(&page.csrf))
                    button.button.slim type="submit" { (icon("retry")) "Try again" }
                }
            }
            @if given_up && message.state != NotificationState::Dismissed {
                form.inline-form method="post" action={ "/admin/notifications/" (message.id) "/dismiss" } {
                    (form::csrf(&page.csrf))
                    button.button.slim type="submit" { (icon("check")) "Seen" }
                }
            }
        }
    }
}

pub(in super::super) async fn retry(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<NotificationId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::retry(&app, id).await?;
    Ok(Redirect::to("/admin/notifications").into_response())
}

pub(in super::super) async fn dismiss(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<NotificationId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::dismiss(&app, id, "seen on the page".to_owned()).await?;
    Ok(Redirect::to("/admin/notifications").into_response())
}
