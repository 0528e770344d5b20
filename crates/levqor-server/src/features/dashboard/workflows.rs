//! `/dashboard/workflows`.

use axum::extract::State;
use levqor_model::{Role, WorkflowId};
use maud::{Markup, html};
use serde::Deserialize;

use super::{Done, chosen, may};
use crate::{
    App, Problem,
    gateway::{PageActor, Query},
    pages::{
        Page, Section, View,
        components::{
            icon::icon,
            note::{empty, page_head},
            table::{pager, table},
            time::ago,
        },
    },
};

const PAGE: usize = 50;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    before: Option<String>,
    done: Option<String>,
}

pub(super) async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    let before: Option<WorkflowId> = chosen("before", asked.before.as_deref())?;
    let mut workflows = app.store.views().workflows_of(page.actor.account_id, before, PAGE + 1).await?;
    let more = workflows.len() > PAGE;
    workflows.truncate(PAGE);
    let mut rows = Vec::with_capacity(workflows.len());
    for workflow in &workflows {
        rows.push((workflow, app.store.schedule_next(workflow.id).await?));
    }
    let editor = may(&page, Role::Editor);
    let create = html! {
        @if editor { a.button.primary href="/dashboard/workflows/new" { (icon("plus")) "New workflow" } }
    };
    let next =
        workflows.last().filter(|_| more).map(|last| format!("/dashboard/workflows?before={}", last.id));
    let body = html! {
        (Done { done: asked.done }.note(super::DONE))
        (page_head("Workflows", &html! { "What can run, and when it does by itself." }, &create))
        section.card {
            @if rows.is_empty() {
                (empty("flow", "No workflows yet", "Describe one in a sentence, or paste a document in the Serverless Workflow language.", &create))
            } @else {
                (table("Workflows", &[("Workflow", false), ("Version", false), ("Next start", false), ("Changed", false)], &html! {
                    @for (workflow, due) in &rows {
                        tr.link {
                            th scope="row" {
                                a.main href={ "/dashboard/workflows/" (workflow.id) } { (workflow.title.as_deref().unwrap_or(&workflow.name)) }
                                div.small.faint { (workflow.namespace) "/" (workflow.name) }
                            }
                            td data-label="Version" { code { (workflow.version) } }
                            td data-label="Next start" { @match due { Some(at) => (ago(*at, view.now)), None => span.faint { "by hand" } } }
                            td data-label="Changed" { (ago(workflow.updated_at, view.now)) }
                        }
                    }
                }))
                (pager(before.map(|_| "/dashboard/workflows"), next.as_deref()))
            }
        }
    };
    Ok(Page::new("Workflows", Section::Workflows, body).render(&view))
}
