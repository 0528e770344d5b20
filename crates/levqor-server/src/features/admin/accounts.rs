//! `/admin/accounts`.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use levqor_model::{AccountId, Timestamp};
use levqor_store::accounts::AccountSummary;
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    App, Problem,
    features::sessions::service as sessions,
    gateway::{PageActor, Query},
    pages::{
        Done, FormData, Page, Section, View, chosen,
        components::{
            form::{self, Field},
            icon::icon,
            note::{empty, page_head},
            table::{pager, table},
            time::ago,
        },
        count,
    },
};

/// Accounts on one page.
const ACCOUNTS: usize = 50;

/// What just happened, by the word for it in the address.
const DONE: &[(&str, &str)] = &[
    ("signed-out", "They are signed out: on this node at once, on others within seconds."),
    ("nobody", "Nobody was signed in there."),
];

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    before: Option<String>,
    done: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SignOut {
    #[serde(default)]
    csrf: String,
    /// Empty: everybody.
    #[serde(default)]
    email: String,
    #[serde(default)]
    everybody: String,
}

pub(super) async fn sign_out(
    State(app): State<App>,
    page: PageActor,
    FormData(form): FormData<SignOut>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let email = Some(form.email.as_str()).filter(|email| !email.is_empty());
    let ended = sessions::sign_out(&app, &page.actor, email, form.everybody == "yes").await?;
    let done = if ended == 0 { "nobody" } else { "signed-out" };
    // Whoever has signed themselves out is sent on to sign in.
    Ok(Redirect::to(&format!("/admin/accounts?done={done}")).into_response())
}

pub(super) async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    let before: Option<AccountId> = chosen("before", asked.before.as_deref())?;
    let mut accounts = app.store.views().accounts(before, ACCOUNTS + 1).await?;
    let more = accounts.len() > ACCOUNTS;
    accounts.truncate(ACCOUNTS);
    let next =
        accounts.last().filter(|_| more).map(|last| format!("/admin/accounts?before={}", last.account.id));
    let total = app.store.accounts_count().await?;
    let said = Done { done: asked.done }.note(DONE);
    let body = html! {
        (said)
        (page_head("Accounts", &html! { (count(total)) " in all, newest first." }, &html! {}))
        section.card aria-label="Accounts" {
            @if accounts.is_empty() {
                (empty("layers", "No accounts here", "Older ones may be on the page before.", &html! {}))
            } @else {
                (table("Accounts", &[("Account", false), ("Plan", false), ("Members", true), ("Workflows", true), ("API keys", true), ("Made", false)], &html! {
                    @for account in &accounts { (row(account, view.now)) }
                }))
            }
            (pager(before.map(|_| "/admin/accounts"), next.as_deref()))
        }
        (sign_out_card(&page))
    };
    Ok(Page::new("Accounts", Section::Accounts, body).render(&view))
}

fn sign_out_card(page: &PageActor) -> Markup {
    let mut field =
        Field::text("email", "E-mail", "").required().hint("Whose sessions end, in all accounts.");
    field.kind = "email";
    html! {
        section.card aria-labelledby="sign-out" {
            header {
                div {
                    h2 id="sign-out" { "Sign somebody out" }
                    p.small.quiet { "When a browser or a mailbox was stolen. API keys stay; an admin of their account revokes them." }
                }
            }
            form.body.stack method="post" action="/admin/accounts/sign-out" {
                (form::csrf(&page.csrf))
                (field.render())
                div { button.button type="submit" { (icon("out")) "Sign out everywhere" } }
            }
            div.body {
                details.disclose {
                    summary { "Everybody" }
                    form.stack method="post" action="/admin/accounts/sign-out" {
                        (form::csrf(&page.csrf))
                        input type="hidden" name="everybody" value="yes";
                        p { "All people in all accounts sign in once more, but for you in this browser." }
                        div { button.button.danger type="submit" { "Sign everybody out now" } }
                    }
                }
            }
        }
    }
}

fn row(summary: &AccountSummary, now: Timestamp) -> Markup {
    let AccountSummary { account, members, workflows, keys } = summary;
    html! {
        tr {
            th scope="row" {
                div {
                    (account.name)
                    div.small.faint {
                        code { (account.id) } " · "
                        a href={ "/admin/audit?account=" (account.id) } { "what was done" }
                    }
                }
            }
            td data-label="Plan" { (account.plan) }
            td.num data-label="Members" { (count(*members)) }
            td.num data-label="Workflows" { (count(*workflows)) }
            td.num data-label="API keys" { (count(*keys)) }
            td data-label="Made" { (ago(account.created_at, now)) }
        }
    }
}
