//! `/admin/keys`.

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use levqor_engine::keyring::Check;
use levqor_model::{KeyPurpose, KeyState, RingKeyId, Timestamp};
use levqor_store::keyring::KeptKey;
use maud::{Markup, html};
use serde::Deserialize;

use super::service;
use crate::{
    App, Problem,
    gateway::{Id, PageActor, Query},
    pages::{
        Button, Done, FormData, Page, Section, View,
        components::{
            badge::{Tone, badge},
            form,
            icon::icon,
            note::{page_head, said},
            table::table,
            time::ago,
        },
        count, plural,
    },
};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/admin/keys", get(page))
        .route("/admin/keys/rotate", post(rotate))
        .route("/admin/keys/verify", post(verify))
        .route("/admin/keys/{id}/revoke", post(revoke))
}

/// What just happened, by the word for it in the address.
const DONE: &[(&str, &str)] = &[
    ("published", "A new key is published. It becomes active when every node knows it."),
    ("already", "A new key was published already. It becomes active when every node knows it."),
    ("revoked", "The key is destroyed: nothing that was made with it holds any more."),
];

#[derive(Debug, Deserialize)]
struct Rotate {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    purpose: String,
}

async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Query(done): Query<Done>,
) -> Result<Markup, Problem> {
    show(&app, &page, &view, &done.note(DONE)).await
}

async fn rotate(
    State(app): State<App>,
    page: PageActor,
    FormData(form): FormData<Rotate>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let purpose: KeyPurpose =
        form.purpose.parse().map_err(|error| Problem::field("/purpose", format!("{error}")))?;
    let rotation = service::rotate(&app, purpose).await?;
    let done = if rotation.already { "already" } else { "published" };
    Ok(Redirect::to(&format!("/admin/keys?done={done}")).into_response())
}

async fn revoke(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<RingKeyId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::revoke(&app, id).await?;
    Ok(Redirect::to("/admin/keys?done=revoked").into_response())
}

async fn verify(
    State(app): State<App>,
    page: PageActor,
    view: View,
    FormData(form): FormData<Button>,
) -> Result<Markup, Problem> {
    page.check_csrf(&form.csrf).await?;
    let check = service::verify(&app).await?;
    show(&app, &page, &view, &told(&check)).await
}

async fn show(app: &App, page: &PageActor, view: &View, said: &Markup) -> Result<Markup, Problem> {
    let keys = service::list(app).await?;
    let actions = html! {
        form.inline-form method="post" action="/admin/keys/verify" {
            (form::csrf(&page.csrf))
            button.button type="submit" { (icon("check-ring")) "Verify" }
        }
    };
    let body = html! {
        (said)
        (page_head("Server keys", &html! {
            "What signs forms, seals secrets and makes the secrets of webhooks. " a href="/docs/rotating-keys" { "Rotating keys" }
        }, &actions))
        div.stack {
            @for purpose in KeyPurpose::ALL { (of_purpose(page, view.now, *purpose, &keys)) }
        }
    };
    Ok(Page::new("Server keys", Section::ServerKeys, body).render(view))
}

fn of_purpose(page: &PageActor, now: Timestamp, purpose: KeyPurpose, keys: &[(KeptKey, u64)]) -> Markup {
    let heading = format!("of-{purpose}");
    let keys = keys.iter().filter(|(key, _)| key.purpose == purpose);
    html! {
        section.card aria-labelledby=(heading) {
            header {
                div { h2 id=(heading) { (title(purpose)) } p.small.quiet { (what_for(purpose)) } }
                form.inline-form method="post" action="/admin/keys/rotate" {
                    (form::csrf(&page.csrf))
                    input type="hidden" name="purpose" value=(purpose);
                    button.button.slim type="submit" { (icon("turn")) "Rotate" }
                }
            }
            (table(title(purpose), &[("Key", false), ("State", false), ("Since", false), ("Needed by", false), ("", false)], &html! {
                @for (key, uses) in keys { (row(page, now, key, *uses)) }
            }))
        }
    }
}

fn title(purpose: KeyPurpose) -> &'static str {
    match purpose {
        KeyPurpose::Signing => "Signing",
        KeyPurpose::Sealing => "Sealing",
        KeyPurpose::Webhooks => "Webhooks",
    }
}

fn what_for(purpose: KeyPurpose) -> &'static str {
    match purpose {
        KeyPurpose::Signing => "Tokens of forms, and what repeated requests are known by.",
        KeyPurpose::Sealing => "Secrets of accounts, and the server's own.",
        KeyPurpose::Webhooks => "What the secrets of webhooks are derived from.",
    }
}

fn state_badge(state: KeyState) -> Markup {
    let (tone, picture) = match state {
        KeyState::Published => (Tone::Run, "hourglass"),
        KeyState::Active => (Tone::Good, "check-ring"),
        KeyState::Retiring => (Tone::Warn, "clock"),
        KeyState::Retired => (Tone::Idle, "stop"),
        KeyState::Revoked => (Tone::Bad, "cross-ring"),
    };
    badge(tone, picture, state.as_str())
}

fn row(page: &PageActor, now: Timestamp, key: &KeptKey, uses: u64) -> Markup {
    let holds = key.state.holds();
    let since = match key.state {
        KeyState::Published => key.created_at,
        KeyState::Active | KeyState::Retiring => key.activates_at,
        KeyState::Retired | KeyState::Revoked => key.ended_at.unwrap_or(key.activates_at),
    };
    html! {
        tr {
            th scope="row" { code { (key.id) } }
            td data-label="State" {
                span {
                    (state_badge(key.state))
                    @if key.state == KeyState::Published { div.small.faint { "active " (ago(key.activates_at, now)) } }
                    @if let Some(at) = key.retires_at.filter(|_| holds) { div.small.faint { "ends " (ago(at, now)) } }
                }
            }
            td data-label="Since" { (ago(since, now)) }
            td data-label="Needed by" { (needed(key, uses)) }
            td {
                @if holds {
                    details.disclose {
                        summary { "Revoke" }
                        form method="post" action={ "/admin/keys/" (key.id) "/revoke" } {
                            (form::csrf(&page.csrf))
                            p.small { (price(key.purpose)) }
                            button.button.danger.slim type="submit" { "Destroy it now" }
                        }
                    }
                }
            }
        }
    }
}

fn needed(key: &KeptKey, uses: u64) -> Markup {
    let uses = uses.cast_signed();
    html! {
        @match key.purpose {
            _ if !key.state.holds() || uses == 0 => span.faint { "–" },
            KeyPurpose::Sealing => (plural(uses, "value", "values")),
            KeyPurpose::Webhooks => (plural(uses, "webhook", "webhooks")),
            KeyPurpose::Signing => (count(uses)),
        }
    }
}

/// What revoking a key costs.
fn price(purpose: KeyPurpose) -> &'static str {
    match purpose {
        KeyPurpose::Signing => "Forms that are open in a browser must be loaded again.",
        KeyPurpose::Sealing => "Refused as long as something is sealed under it: rotate first.",
        KeyPurpose::Webhooks => "Signed messages fail until the secrets of their webhooks are made anew.",
    }
}

fn told(check: &Check) -> Markup {
    let number = |value: u64| count(value.cast_signed());
    let tone = if check.is_good() { Tone::Good } else { Tone::Bad };
    let words = html! {
        p {
            strong { @if check.is_good() { "Everything opens and holds." } @else { (number(check.faults_total)) " things do not open or hold." } }
            " " (number(check.keys)) " keys, " (number(check.sealed)) " sealed values and " (number(check.webhooks)) " signed webhooks were looked at."
        }
        @if !check.faults.is_empty() { ul { @for fault in &check.faults { li { (fault.what) ": " (fault.problem) } } } }
    };
    said(tone, &words)
}
