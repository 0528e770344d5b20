//! `/dashboard/approvals`: questions that runs ask people.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use levqor_model::{ApprovalId, Role, Timestamp};
use levqor_store::approvals::Approval;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Done, may};
use crate::{
    App, Problem,
    features::approvals::service::{self, Answer, COMMENT_CHARS_MAX},
    gateway::{PageActor, Query},
    pages::{
        FormData, Page, Section, View,
        components::{
            form,
            icon::icon,
            note::{empty, page_head},
            time::ago,
        },
    },
};

/// Shown at once.
const SHOWN: usize = 50;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// Also those that are over.
    all: Option<String>,
    before: Option<ApprovalId>,
    done: Option<String>,
}

pub(super) async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    let all = asked.all.is_some();
    let found = app.store.views().approvals_of(page.actor.account_id, !all, asked.before, SHOWN).await?;
    let done = Done { done: asked.done };
    Ok(render(&page, &view, &found, all, &done))
}

#[derive(Debug, Deserialize)]
pub(super) struct Form {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    answer: String,
    comment: Option<String>,
}

pub(super) async fn decide(
    State(app): State<App>,
    page: PageActor,
    Path(id): Path<ApprovalId>,
    FormData(form): FormData<Form>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let approved = match form.answer.as_str() {
        "approve" => true,
        "reject" => false,
        _ => return Err(Problem::field("/answer", "must be approve or reject")),
    };
    service::decide(&app, &page.actor, id, Answer { approved, comment: form.comment }).await?;
    let done = if approved { "approved" } else { "rejected" };
    Ok(Redirect::to(&format!("/dashboard/approvals?done={done}")).into_response())
}

fn render(page: &PageActor, view: &View, found: &[Approval], all: bool, done: &Done) -> Markup {
    let editor = may(page, Role::Editor);
    let next = found.last().filter(|_| found.len() == SHOWN).map(|last| {
        let all = if all { "&all=yes" } else { "" };
        format!("/dashboard/approvals?before={}{all}", last.id)
    });
    let (other, words) = if all {
        ("/dashboard/approvals", "Only those that wait")
    } else {
        ("/dashboard/approvals?all=yes", "Show decided ones too")
    };
    let body = html! {
        (done.note(super::DONE))
        (page_head("Approvals", &html! { "Runs wait here for the decision of a person." }, &html! { a.button.plain href=(other) { (words) } }))
        @if found.is_empty() {
            section.card { (empty("check-ring", "Nothing waits for you", "A workflow asks with the function approval.", &html! {})) }
        }
        @for approval in found { (card(page, view.now, approval, editor)) }
        @if let Some(next) = next { p { a href=(next) { "More" } } }
    };
    Page::new("Approvals", Section::Approvals, body).render(view)
}

fn card(page: &PageActor, now: Timestamp, approval: &Approval, editor: bool) -> Markup {
    let id = approval.id.to_string();
    html! {
        section.card aria-labelledby=(id) {
            header { h2 id=(id) { (approval.title) } }
            div.body.stack {
                p.small.faint {
                    @if approval.task.is_empty() { "Asked before the first task of " }
                    @else { "Asked by task " code { (approval.task) } " of " }
                    a href={ "/dashboard/runs/" (approval.run_id) } { "a run" } ", " (ago(approval.requested_at, now))
                }
                @if let Some(message) = &approval.message { p { (message) } }
                @if let Some(data) = &approval.data {
                    details.disclose { summary { "Data" } pre { code { (data) } } }
                }
                @if let Some(decision) = &approval.decision {
                    p {
                        strong { @if decision.approved { "Approved" } @else { "Rejected" } }
                        " by " (decision.by) ", " (ago(decision.at, now))
                        @if let Some(comment) = &decision.comment { ": " (comment) }
                    }
                } @else if approval.closed_at.is_some() {
                    p { strong { "Closed" } ": the run does not wait for it any more." }
                } @else if editor {
                    form.stack method="post" action={ "/dashboard/approvals/" (id) } {
                        (form::csrf(&page.csrf))
                        div.field {
                            label for={ "comment-" (id) } { "Comment (the run gets it)" }
                            input id={ "comment-" (id) } name="comment" type="text" maxlength=(COMMENT_CHARS_MAX) autocomplete="off";
                        }
                        div {
                            button.button.primary type="submit" name="answer" value="approve" { (icon("check")) "Approve" }
                            " "
                            button.button.danger type="submit" name="answer" value="reject" { (icon("cross")) "Reject" }
                        }
                    }
                }
            }
        }
    }
}
