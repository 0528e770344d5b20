//! `/admin/accounts`.

use axum::extract::State;
use levqor_model::{AccountId, Timestamp};
use levqor_store::accounts::AccountSummary;
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    App, Problem,
    gateway::{PageActor, Query},
    pages::{
        Page, Section, View, chosen,
        components::{
            note::{empty, page_head},
            table::{pager, table},
            time::ago,
        },
        count,
    },
};

/// Accounts on one page.
const ACCOUNTS: usize = 50;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    before: Option<String>,
}

pub(super) async fn page(
    State(app): State<App>,
    _page: PageActor,
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
    let body = html! {
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
    };
    Ok(Page::new("Accounts", Section::Accounts, body).render(&view))
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
