//! The pages of subscribing, of the link that confirms it, and of the one that ends it.
//!
//! Looking at a page changes nothing: programs that scan mail follow links, but press no buttons. A POST to the link that ends it needs
//! nothing else, so that mail programs can offer one click (RFC 8058).

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use levqor_model::Timestamp;
use levqor_store::subscriptions::{Subscription, SubscriptionKind};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    pages::view,
    subscriptions::{self, LINK_TTL, Wish},
};
use crate::{
    App, Problem,
    features::sign_in::require_own_form,
    gateway::{ClientAddress, token_hash},
    pages::{
        FormData, Page, Section, Theme,
        components::{
            badge::Tone,
            code::{Language, code_block},
            form::Field,
            icon::icon,
            note::note,
        },
    },
};

/// The form as it was sent.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Form {
    #[serde(default)]
    email: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    parts: String,
}

pub(super) async fn form(State(app): State<App>, headers: HeaderMap) -> Response {
    uncached(&app, &headers, "/status/subscribe", &card(&app, &Form::default(), None))
}

pub(super) async fn subscribe(
    State(app): State<App>,
    client: ClientAddress,
    headers: HeaderMap,
    FormData(form): FormData<Form>,
) -> Result<Response, Problem> {
    require_own_form(&headers)?;
    let parts = form.parts.split([',', ' ']).filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let (kind, address) = if form.url.trim().is_empty() {
        (SubscriptionKind::Email, form.email.clone())
    } else {
        (SubscriptionKind::Webhook, form.url.clone())
    };
    match subscriptions::subscribe(&app, client.network(), Wish { kind, address, parts }).await {
        Ok(()) => Ok(uncached(&app, &headers, "/status/subscribe", &asked(kind))),
        Err(problem) if !problem.errors.is_empty() => {
            let page = uncached(&app, &headers, "/status/subscribe", &card(&app, &form, Some(&problem)));
            Ok((problem.status(), page).into_response())
        }
        Err(problem) => Err(problem),
    }
}

fn card(app: &App, form: &Form, problem: Option<&Problem>) -> Markup {
    let error = |pointer: &str| {
        let errors = problem.into_iter().flat_map(|problem| &problem.errors);
        errors
            .into_iter()
            .find(|error| error.pointer.starts_with(pointer))
            .map(|error| error.message.as_str())
    };
    let mut email = Field::text("email", "E-mail", &form.email).error(error("/email"));
    email.kind = "email";
    email.autocomplete = Some("email");
    let url = Field::text("url", "Or the address of a webhook", &form.url)
        .hint("Messages are signed as Standard Webhooks are. The first one has a link that confirms it.")
        .error(error("/url"));
    let parts = Field::text("parts", "Only of these parts", &form.parts)
        .hint("Such as eu-west/api or */database, with commas between them. Leave it empty for all.")
        .error(error("/parts"));
    html! {
        div.body.stack {
            h1 { "Hear of Levqor's state" }
            p.quiet { "Incidents, and maintenance before it begins. You confirm it once, and each message has a link that ends it." }
            @if app.mailer.is_none() {
                (note(Tone::Warn, &html! { p { "This server sends no mail. Use a webhook, or follow the " a href="/status/history.atom" { "feed" } "." } }))
            }
            form.stack method="post" action="/status/subscribe" novalidate {
                (email.render())
                (url.render())
                (parts.render())
                button.button.primary type="submit" { (icon("mail")) "Subscribe" }
            }
            p.small { a href="/status" { "Back to the status" } }
        }
    }
}

fn asked(kind: SubscriptionKind) -> Markup {
    html! {
        div.body.stack {
            @match kind {
                SubscriptionKind::Email => {
                    h1 { "Look at your mail" }
                    p { "A message is on its way. When you have opened its link within " (hours(LINK_TTL)) " hours, you are told." }
                }
                SubscriptionKind::Webhook => {
                    h1 { "Look at what was posted" }
                    p { "A message is on its way to the webhook. When you have opened its " code { "confirm_url" } " within " (hours(LINK_TTL)) " hours, it is told." }
                }
            }
            a.button href="/status" { "Back to the status" }
        }
    }
}

fn hours(span: std::time::Duration) -> u64 {
    span.as_secs() / 3_600
}

/// Since when a link must have been asked for.
fn since(app: &App) -> Timestamp {
    app.now() - LINK_TTL
}

pub(super) async fn look_at_link(
    State(app): State<App>,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let Some(found) = app.store.open_subscription(token_hash(&token), since(&app)).await? else {
        return Ok(spent(&app, &headers));
    };
    let card = html! {
        div.body.stack {
            h1 { "Hear of Levqor's state" }
            p { "Messages go to " strong { (found.address) } "." }
            (about(&found))
            form method="post" action={ "/status/confirm/" (encoded(&token)) } {
                button.button.primary type="submit" { "Yes, tell me" (icon("arrow")) }
            }
        }
    };
    Ok(uncached(&app, &headers, "/status/subscribe", &card))
}

pub(super) async fn confirm(
    State(app): State<App>,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let Some(confirmed) = subscriptions::confirm(&app, &token).await? else {
        return Ok(spent(&app, &headers));
    };
    let secret = match confirmed.kind {
        SubscriptionKind::Email => None,
        SubscriptionKind::Webhook => Some(subscriptions::secret(&app, confirmed.id).await?),
    };
    let card = html! {
        div.body.stack {
            h1 { "You hear of it from now on" }
            p { "Messages go to " strong { (confirmed.address) } ". Each has a link that ends it." }
            (about(&confirmed))
            @if let Some(secret) = &secret {
                p { "They are signed as Standard Webhooks are. This is the secret to check them with; it is shown once." }
                (code_block("webhook-secret", "Secret", secret.expose(), Language::Plain))
            }
            a.button href="/status" { "Back to the status" }
        }
    };
    Ok(uncached(&app, &headers, "/status/subscribe", &card))
}

fn about(subscription: &Subscription) -> Markup {
    html! {
        p.small.quiet {
            @if subscription.parts.is_empty() { "Of all parts." } @else { "Of " (subscription.parts.join(", ")) "." }
        }
    }
}

pub(super) async fn look_at_farewell(
    State(app): State<App>,
    headers: HeaderMap,
    Path(farewell): Path<String>,
) -> Result<Response, Problem> {
    let found = app.store.subscription_by_farewell(farewell.clone()).await?;
    let card = match found {
        Some(found) => html! {
            div.body.stack {
                h1 { "Hear no more of Levqor's state?" }
                p { "Messages go to " strong { (found.masked()) } "." }
                form method="post" action={ "/status/unsubscribe/" (encoded(&farewell)) } {
                    button.button.primary type="submit" { "Tell me no more" }
                }
                a href="/status" { "Leave it as it is" }
            }
        },
        None => gone(),
    };
    Ok(uncached(&app, &headers, "/status/subscribe", &card))
}

/// Whoever has the link may end it; once or many times makes no difference.
pub(super) async fn unsubscribe(
    State(app): State<App>,
    headers: HeaderMap,
    Path(farewell): Path<String>,
) -> Result<Response, Problem> {
    app.store.unsubscribe(farewell, app.now()).await?;
    Ok(uncached(&app, &headers, "/status/subscribe", &gone()))
}

fn gone() -> Markup {
    html! {
        div.body.stack {
            h1 { "You hear no more of it" }
            p { "The address is forgotten, too." }
            a.button href="/status" { "Back to the status" }
        }
    }
}

fn spent(app: &App, headers: &HeaderMap) -> Response {
    let card = html! {
        div.body.stack {
            h1 { "That did not work" }
            (note(Tone::Bad, &html! { p { "This link was used already or is older than 24 hours." } }))
            a.button.primary href="/status/subscribe" { "Subscribe again" }
        }
    };
    (StatusCode::GONE, uncached(app, headers, "/status/subscribe", &card)).into_response()
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn uncached(app: &App, headers: &HeaderMap, path: &str, card: &Markup) -> Response {
    let view = view(app, Theme::of(headers), path, app.now());
    let body = html! { div.narrow { section.card { (card) } } };
    let page = Page::new("Hear of Levqor's state", Section::Status, body).render(&view);
    ([(header::CACHE_CONTROL, "no-store")], page).into_response()
}
