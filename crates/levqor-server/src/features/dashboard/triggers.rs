//! What starts a workflow, on its page: schedule, events, and webhooks with the forms that make them and take them away.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use levqor_model::{Role, Timestamp, WebhookId, WorkflowId};
use levqor_store::webhooks::Webhook;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Button, may, workflow};
use crate::{
    App, Problem,
    features::triggers::service::{self, Made},
    gateway::{Id, PageActor},
    pages::{
        FormData, View,
        components::{
            badge::Tone,
            code::{Language, code_block},
            form::{self, Field},
            icon::icon,
            note::note,
            table::table,
            time::ago,
        },
    },
};

/// What the section shows besides the workflow.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) webhooks: Vec<Webhook>,
    /// The schedule in words.
    pub(super) schedule: Option<String>,
    /// Types of events that start it; None among them: any.
    pub(super) events: Option<Vec<Option<String>>>,
    /// What was just made, with its address.
    pub(super) made: Option<(Made, String)>,
    pub(super) name: String,
    pub(super) error: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Create {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    name: String,
    signed: Option<String>,
}

/// Answers with the page itself rather than 303: address and secret are in this one answer and stored nowhere.
pub(super) async fn create(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<WorkflowId>,
    FormData(form): FormData<Create>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let made = service::create(&app, &page.actor, id, &form.name, form.signed.is_some()).await;
    match made {
        Ok(made) => answer(&app, &page, &view, id, StatusCode::CREATED, made).await,
        Err(problem) => {
            let Some(error) = problem.errors.iter().find(|error| error.pointer == "/name") else {
                return Err(problem);
            };
            let shown = Shown { name: form.name, error: Some(error.message.clone()), ..Shown::default() };
            let markup = workflow::with_triggers(&app, &page, &view, id, shown).await?;
            Ok((problem.status(), markup).into_response())
        }
    }
}

pub(super) async fn rotate(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<WorkflowId>,
    path: Path<(String, String)>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let made = service::rotate(&app, &page.actor, id, webhook_id(&path.1)?).await?;
    answer(&app, &page, &view, id, StatusCode::OK, made).await
}

pub(super) async fn delete(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<WorkflowId>,
    path: Path<(String, String)>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::delete(&app, &page.actor, id, webhook_id(&path.1)?).await?;
    Ok(Redirect::to(&format!("/dashboard/workflows/{id}?done=webhook-deleted")).into_response())
}

fn webhook_id(text: &str) -> Result<WebhookId, Problem> {
    text.parse().map_err(|_| Problem::not_found("there is no such webhook"))
}

async fn answer(
    app: &App,
    page: &PageActor,
    view: &View,
    id: WorkflowId,
    status: StatusCode,
    made: Made,
) -> Result<Response, Problem> {
    let address = service::address(app, &made);
    let shown = Shown { made: Some((made, address)), ..Shown::default() };
    Ok((status, workflow::with_triggers(app, page, view, id, shown).await?).into_response())
}

/// What was just made, to be copied.
pub(super) fn made_note(shown: &Shown) -> Markup {
    let Some((made, address)) = &shown.made else { return html! {} };
    note(
        Tone::Good,
        &html! {
            p {
                strong { "The webhook “" (made.webhook.name) "” is ready." }
                " Copy what follows now: it cannot be shown again."
            }
            (code_block("webhook-address", "Send messages to", address, Language::Plain))
            @if let Some(secret) = &made.secret {
                (code_block("webhook-secret", "Sign them with this secret (Standard Webhooks)", secret.expose(), Language::Plain))
            } @else {
                p.small { "Whoever knows this address can start the workflow: it asks for no signature." }
            }
        },
    )
}

/// The section.
pub(super) fn card(page: &PageActor, path: &str, shown: &Shown, now: Timestamp) -> Markup {
    let editor = may(page, Role::Editor);
    html! {
        section.card aria-labelledby="triggers" {
            header { h2 id="triggers" { "Triggers" } }
            div.body {
                dl.facts.pairs {
                    dt { "Schedule" }
                    dd { @match &shown.schedule { Some(words) => (words), None => span.faint { "none" } } }
                    dt { "Events" }
                    dd { (events(shown)) }
                }
            }
            @if shown.webhooks.is_empty() {
                div.body { p.small.quiet { "No webhooks: no other system can start it by an address of its own." } }
            } @else {
                (table("Webhooks", &[("Webhook", false), ("Last used", false), ("Change", false)], &html! {
                    @for webhook in &shown.webhooks { (row(page, path, webhook, editor, now)) }
                }))
            }
            @if editor {
                form.body.stack method="post" action={ (path) "/triggers" } {
                    (form::csrf(&page.csrf))
                    (Field::text("name", "New webhook", &shown.name).required()
                        .hint("Who will send to it, such as “orders of the shop”.").error(shown.error.as_deref()).render())
                    label.check { input type="checkbox" name="signed" value="yes" checked; "Messages must be signed" }
                    button.button type="submit" { (icon("plus")) "Make a webhook" }
                }
            }
        }
    }
}

fn events(shown: &Shown) -> Markup {
    match &shown.events {
        None => html! { span.faint { "none" } },
        Some(kinds) if kinds.contains(&None) => html! { "any event" },
        Some(kinds) => html! {
            @for (place, kind) in kinds.iter().flatten().enumerate() {
                @if place > 0 { ", " }
                code { (kind) }
            }
        },
    }
}

fn row(page: &PageActor, path: &str, webhook: &Webhook, editor: bool, now: Timestamp) -> Markup {
    let action = format!("{path}/triggers/{}", webhook.id);
    html! {
        tr {
            th scope="row" {
                (webhook.name)
                div.small.faint {
                    @if webhook.signed { "signed" } @else { "not signed" } " · made " (ago(webhook.created_at, now))
                    @if let Some(at) = webhook.rotated_at { " · made anew " (ago(at, now)) }
                }
            }
            td data-label="Last used" {
                @match webhook.last_used_at { Some(at) => (ago(at, now)), None => span.faint { "never" } }
            }
            td data-label="Change" {
                @if editor {
                    details.disclose {
                        summary { "Change" span.visually-hidden { " “" (webhook.name) "”" } }
                        form method="post" action={ (action) "/rotate" } {
                            (form::csrf(&page.csrf))
                            button.button.slim type="submit" { "Make address and secret of “" (webhook.name) "” anew" }
                        }
                        form method="post" action={ (action) "/delete" } {
                            (form::csrf(&page.csrf))
                            button.button.danger.slim type="submit" { "Delete “" (webhook.name) "” now" }
                        }
                    }
                } @else { span.faint { "by editors" } }
            }
        }
    }
}
