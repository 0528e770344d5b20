//! `/dashboard/secrets`. The page takes values in and has none to show.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use levqor_model::{Role, Timestamp};
use levqor_store::secrets::SecretName;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::{Button, Done, may};
use crate::{
    App, Problem,
    features::secrets::service,
    gateway::{PageActor, Query},
    pages::{
        FormData, Page, Section, View,
        components::{
            form::{self, Field},
            icon::icon,
            note::{empty, page_head},
            table::table,
            time::ago,
        },
    },
};

/// Secrets on one page; accounts have few.
const SECRETS: usize = 200;

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
    let secrets = app.store.secrets_of(page.actor.account_id, asked.after, SECRETS).await?;
    Ok(render(&page, &view, &secrets, &Shown { done: Done { done: asked.done }, ..Shown::default() }))
}

#[derive(Deserialize)]
pub(super) struct Set {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    value: String,
    /// Whether the value is JSON; a text otherwise.
    json: Option<String>,
}

pub(super) async fn set(
    State(app): State<App>,
    page: PageActor,
    view: View,
    FormData(form): FormData<Set>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let name = form.name.trim();
    let value = if form.json.is_some() {
        // The reader's own message may quote what it read.
        serde_json::from_str::<Value>(&form.value).map_err(|error| {
            let place = format!("is not JSON (line {}, column {})", error.line(), error.column());
            Problem::field("/value", place)
        })
    } else if form.value.is_empty() {
        Err(Problem::field("/value", "is empty"))
    } else {
        Ok(Value::String(form.value))
    };
    let outcome = match value {
        Ok(value) => service::set(&app, &page.actor, name, &value).await,
        Err(problem) => Err(problem),
    };
    let Err(problem) = outcome else {
        return Ok(Redirect::to("/dashboard/secrets?done=secret-set").into_response());
    };
    let error = |pointer: &str| {
        problem.errors.iter().find(|error| error.pointer == pointer).map(|error| error.message.clone())
    };
    let shown = Shown {
        name: name.to_owned(),
        name_error: error("/name"),
        value_error: error("/value"),
        ..Shown::default()
    };
    if shown.name_error.is_none() && shown.value_error.is_none() {
        return Err(problem);
    }
    let status = problem.status();
    let secrets = app.store.secrets_of(page.actor.account_id, None, SECRETS).await?;
    Ok((status, render(&page, &view, &secrets, &shown)).into_response())
}

pub(super) async fn delete(
    State(app): State<App>,
    page: PageActor,
    Path(name): Path<String>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::delete(&app, &page.actor, &name).await?;
    Ok(Redirect::to("/dashboard/secrets?done=secret-deleted").into_response())
}

#[derive(Debug, Default)]
struct Shown {
    done: Done,
    name: String,
    name_error: Option<String>,
    value_error: Option<String>,
}

fn render(page: &PageActor, view: &View, secrets: &[SecretName], shown: &Shown) -> Markup {
    let next = secrets
        .last()
        .filter(|_| secrets.len() == SECRETS)
        .map(|last| format!("/dashboard/secrets?after={}", last.name));
    let editor = may(page, Role::Editor);
    let body = html! {
        (shown.done.note(super::DONE))
        (page_head("Secrets", &html! { "Workflows use them as " code { "$secrets.name" } ". Nobody can read them again." }, &html! {}))
        div.grid.main-aside {
            section.card aria-labelledby="secrets" {
                header { h2 id="secrets" { "Secrets" } }
                @if secrets.is_empty() {
                    (empty("key", "No secrets yet", "Set one for each password or token that workflows need.", &html! {}))
                } @else {
                    (table("Secrets", &[("Name", false), ("Last set", false), ("", false)], &html! {
                        @for secret in secrets { (row(page, view.now, secret, editor)) }
                    }))
                    @if let Some(next) = next { p { a href=(next) { "More" } } }
                }
            }
            @if editor {
                section.card aria-labelledby="set" {
                    header { h2 id="set" { "Set a secret" } }
                    form.stack method="post" action="/dashboard/secrets" autocomplete="off" {
                        (form::csrf(&page.csrf))
                        (Field::text("name", "Name", &shown.name).required().hint("As use.secrets declares it. A name that is there gets the new value.").error(shown.name_error.as_deref()).render())
                        div.field {
                            label for="value" { "Value" }
                            textarea id="value" name="value" rows="4" required spellcheck="false" autocomplete="off"
                                aria-describedby=[form::described_by("value", false, shown.value_error.is_some())] {}
                            (form::field_error("value", shown.value_error.as_deref()))
                        }
                        div.field {
                            label { input type="checkbox" name="json" value="yes"; " The value is JSON" }
                        }
                        button.button.primary type="submit" { (icon("plus")) "Set the secret" }
                    }
                }
            }
        }
    };
    Page::new("Secrets", Section::Secrets, body).render(view)
}

fn row(page: &PageActor, now: Timestamp, secret: &SecretName, editor: bool) -> Markup {
    html! {
        tr {
            th scope="row" { code { (secret.name) } div.small.faint { "made " (ago(secret.created_at, now)) } }
            td data-label="Last set" { (ago(secret.updated_at, now)) }
            td {
                @if editor {
                    details.disclose {
                        summary { "Delete" }
                        form method="post" action={ "/dashboard/secrets/" (secret.name) "/delete" } {
                            (form::csrf(&page.csrf))
                            button.button.danger.slim type="submit" { "Delete “" (secret.name) "” now" }
                        }
                    }
                }
            }
        }
    }
}
