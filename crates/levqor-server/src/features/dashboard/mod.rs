//! The console of people who are signed in.
//!
//! Every form carries the session's CSRF token and answers with 303, except those that make an API key, a webhook or an invitation
//! to hand over: their answer is the only page that ever shows what was made. What may be done is decided by the services of workflows, runs and keys; the
//! console adds words and pictures.

mod account;
mod approvals;
mod edit;
mod editor;
mod explain;
mod keys;
mod members;
mod new;
mod overview;
mod place;
mod retry;
mod run;
mod run_data;
mod runs;
mod secrets;
mod service;
mod triggers;
mod workflow;
mod workflows;

use axum::{
    Router,
    routing::{get, post},
};

use crate::{
    App,
    gateway::PageActor,
    pages::{Button, Done, chosen, uncached},
};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/dashboard", get(overview::page))
        .route("/dashboard/workflows", get(workflows::page).post(new::create))
        .route("/dashboard/workflows/new", get(new::page))
        .route("/dashboard/workflows/{id}", get(workflow::page))
        .route("/dashboard/workflows/{id}/edit", get(edit::page).post(edit::save))
        .route("/dashboard/workflows/{id}/runs", post(workflow::start))
        .route("/dashboard/workflows/{id}/delete", post(workflow::delete))
        .route("/dashboard/workflows/{id}/triggers", post(triggers::create))
        .route("/dashboard/workflows/{id}/triggers/{webhook}/rotate", post(triggers::rotate))
        .route("/dashboard/workflows/{id}/triggers/{webhook}/delete", post(triggers::delete))
        .route("/dashboard/runs", get(runs::page))
        .route("/dashboard/runs/{id}", get(run::page))
        .route("/dashboard/runs/{id}/cancel", post(run::cancel))
        .route("/dashboard/runs/{id}/suspend", post(run::suspend))
        .route("/dashboard/runs/{id}/resume", post(run::resume))
        .route("/dashboard/runs/{id}/retry", get(retry::page).post(retry::retry))
        .route("/dashboard/runs/{id}/data/{what}", get(run_data::of_run))
        .route("/dashboard/runs/{id}/tasks/{task}/{what}", get(run_data::of_task))
        .route("/dashboard/keys", get(keys::page).post(keys::create))
        .route("/dashboard/keys/{id}/revoke", post(keys::revoke))
        .route("/dashboard/keys/{id}/rotate", post(keys::rotate))
        .route("/dashboard/members", get(members::page))
        .route("/dashboard/members/invitations", post(members::invite))
        .route("/dashboard/members/invitations/{id}/revoke", post(members::revoke_invitation))
        .route("/dashboard/members/{id}/role", post(members::change_role))
        .route("/dashboard/members/{id}/remove", post(members::remove))
        .route("/dashboard/members/{id}/sign-out", post(members::sign_out))
        .route("/dashboard/account", get(account::page).post(account::rename))
        .route("/dashboard/account/switch", post(account::switch))
        .route("/dashboard/account/leave", post(account::leave))
        .route("/dashboard/account/sessions/{id}/revoke", post(account::revoke_session))
        .route("/dashboard/account/sessions/revoke-others", post(account::revoke_others))
        .route("/dashboard/approvals", get(approvals::page))
        .route("/dashboard/approvals/{id}", post(approvals::decide))
        .route("/dashboard/secrets", get(secrets::page).post(secrets::set))
        .route("/dashboard/secrets/{name}/delete", post(secrets::delete))
        .layer(axum::middleware::map_response(uncached))
}

/// What just happened, by the word for it in the address of the page that follows.
const DONE: &[(&str, &str)] = &[
    ("created", "The workflow is created."),
    ("version", "The new version is saved. Runs in flight keep the version that they began with."),
    ("unchanged", "Nothing changed: this is the content of the current version."),
    ("deleted", "The workflow and its schedule are deleted. Its runs stay."),
    ("cancelled", "The run is cancelled."),
    ("retried", "The run goes on from the task that failed."),
    ("again", "This is a new run."),
    ("suspended", "The run is suspended: nothing of it begins until you resume it."),
    ("resumed", "The run goes on."),
    ("webhook-deleted", "The webhook is deleted: its address starts nothing any more."),
    ("revoked", "The key is revoked: it opens nothing any more."),
    ("invited", "The invitation is on its way by mail."),
    ("invitation-revoked", "The invitation is taken back: its link opens nothing any more."),
    ("role-changed", "The role is changed; where they were signed in here, they sign in anew."),
    (
        "member-removed",
        "The member is removed and signed out. Keys that they made stay: look whether they should.",
    ),
    ("signed-out", "The member is signed out of this account everywhere."),
    ("renamed", "The account has another name."),
    ("joined", "You belong to this account now."),
    ("switched", "You are in this account now."),
    ("session-ended", "The session is over."),
    ("sessions-ended", "All your other sessions are over."),
    ("approved", "You have approved; the run goes on."),
    ("rejected", "You have rejected; the run goes on with that."),
    ("secret-set", "The secret is set. Runs that begin or are retried from now on use it."),
    ("secret-deleted", "The secret is deleted. Runs that began before keep what they began with."),
];

/// Whether the reader may change things; pages leave the forms out otherwise.
fn may(page: &PageActor, role: levqor_model::Role) -> bool {
    page.actor.role >= role
}
