//! `/dashboard/workflows/{id}/edit`: a new version.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use levqor_model::{Role, WorkflowId};
use levqor_store::workflows::{Version, Workflow};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::{
    editor::{self, Findings},
    service,
};
use crate::{
    App, Problem,
    features::workflows,
    gateway::{Id, PageActor},
    pages::{
        FormData, Page, Section, View,
        components::{
            form,
            graph::graph,
            note::{crumbs, page_head},
        },
        yaml,
    },
};

/// A version's document as text: as it was written, or written anew.
pub(super) fn source(version: &Version) -> String {
    match &version.source {
        Some(source) => source.clone(),
        None => serde_json::from_str(&version.definition)
            .map_or_else(|_| version.definition.clone(), |value: Value| yaml::to_yaml(&value)),
    }
}

pub(super) async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<WorkflowId>,
) -> Result<Markup, Problem> {
    page.actor.require(Role::Editor)?;
    let account = page.actor.account_id;
    let workflow = workflows::service::find(&app, account, id).await?;
    let version = workflows::service::find_version(&app, account, id, &workflow.version).await?;
    let text = source(&version);
    let text = match service::next_version(&workflow.version) {
        Some(next) => service::raise_version(&text, &workflow.version, &next),
        None => text,
    };
    Ok(render(&page, &view, &workflow, &text, &Findings::default()))
}

#[derive(Debug, Deserialize)]
pub(super) struct Form {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    definition: String,
    #[serde(default)]
    action: String,
}

pub(super) async fn save(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<WorkflowId>,
    FormData(form): FormData<Form>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    page.actor.require(Role::Editor)?;
    let account = page.actor.account_id;
    let workflow = workflows::service::find(&app, account, id).await?;
    let text = form.definition.replace("\r\n", "\n");
    if form.action == "check" {
        let findings = editor::check(&app, &text).await?;
        let status = if findings.errors.is_empty() { 200 } else { 422 };
        let shown = render(&page, &view, &workflow, &text, &findings);
        return Ok((http::StatusCode::from_u16(status).unwrap_or_default(), shown).into_response());
    }
    match workflows::service::update(&app, account, id, Value::String(text.clone())).await {
        Ok(saved) => {
            let done = if saved.changed { "version" } else { "unchanged" };
            Ok(Redirect::to(&format!("/dashboard/workflows/{id}?done={done}")).into_response())
        }
        Err(problem) if problem.status().is_client_error() => {
            let findings = editor::from_problem(&text, &problem);
            Ok((problem.status(), render(&page, &view, &workflow, &text, &findings)).into_response())
        }
        Err(problem) => Err(problem),
    }
}

fn render(page: &PageActor, view: &View, workflow: &Workflow, text: &str, findings: &Findings) -> Markup {
    let path = format!("/dashboard/workflows/{}", workflow.id);
    let under = html! { "The current version is " code { (workflow.version) } ". Runs in flight keep the version that they began with." };
    let body = html! {
        (crumbs(&[("/dashboard/workflows", "Workflows"), (&path, &workflow.name)], "New version"))
        (page_head(&format!("New version of {}", workflow.name), &under, &html! {}))
        div.grid.main-aside {
            section.card {
                form.body.stack method="post" action={ (path) "/edit" } {
                    (form::csrf(&page.csrf))
                    (editor::render(text, findings))
                    div.row {
                        button.button.primary type="submit" name="action" value="save" { "Save version" }
                        button.button type="submit" name="action" value="check" { "Check only" }
                        a.button.plain href=(path) { "Leave" }
                    }
                }
            }
            div.stack {
                @if let Some(picture) = &findings.graph {
                    section.card { header { h2 { "The picture" } } div.body { (graph(picture, "checked", "The steps of the checked workflow")) } }
                } @else {
                    section.card {
                        div.body.stack {
                            h2 { "Versions" }
                            p.quiet { "A saved version never changes. The next free patch version is filled in; raise the minor or major part when the meaning changes." }
                        }
                    }
                }
            }
        }
    };
    Page::new(format!("New version of {}", workflow.name), Section::Workflows, body).render(view)
}
