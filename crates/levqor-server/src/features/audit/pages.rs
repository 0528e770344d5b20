//! `/admin/audit`.

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use levqor_model::{
    AccountId, Timestamp,
    audit::{KEY_ACCEPTED, OtherKey, Record},
};
use levqor_store::audit::Filter;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::{
    accept::{self, Wish},
    list,
    service::{self, Verdict},
};
use crate::{
    App, Problem,
    features::admin::query_of,
    gateway::{Cursor, PageActor, PageQuery, Query},
    pages::{
        Button, FormData, Page, Section, View, chosen,
        components::{
            badge::Tone,
            form::{self, Field},
            icon::icon,
            note::{empty, note, page_head},
            table::{pager, table},
            time::ago,
        },
        count, plural,
    },
};

/// Records on one page.
const RECORDS: usize = 50;
/// Letters of a value in a record's details.
const FACT_CHARS: usize = 48;
/// Findings that are shown.
const FINDINGS: usize = 50;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/admin/audit", get(page))
        .route("/admin/audit/verify", post(verify))
        .route("/admin/audit/accept", post(accept))
}

/// What to look for; an empty field is none.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    kind: Option<String>,
    author: Option<String>,
    subject: Option<String>,
    account: Option<String>,
    from: Option<String>,
    until: Option<String>,
    cursor: Option<Cursor>,
}

impl Asked {
    fn fields(&self) -> [(&'static str, &'static str, &Option<String>); 6] {
        [
            ("kind", "What", &self.kind),
            ("author", "Who", &self.author),
            ("subject", "To what", &self.subject),
            ("account", "Account", &self.account),
            ("from", "From", &self.from),
            ("until", "Before", &self.until),
        ]
    }

    fn address(&self) -> String {
        query_of("/admin/audit", self.fields().map(|(name, _, value)| (name, value.as_deref())))
    }

    fn filter(&self) -> Result<Filter, Problem> {
        let text = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
        Ok(Filter {
            account: chosen::<AccountId>("account", self.account.as_deref())?,
            kind: text(&self.kind),
            author: text(&self.author),
            subject: text(&self.subject),
            from: chosen::<Timestamp>("from", self.from.as_deref())?,
            until: chosen::<Timestamp>("until", self.until.as_deref())?,
        })
    }
}

async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    show(&app, &page, &view, asked, None).await
}

async fn verify(
    State(app): State<App>,
    page: PageActor,
    view: View,
    FormData(form): FormData<Button>,
) -> Result<Markup, Problem> {
    page.check_csrf(&form.csrf).await?;
    let verdict = service::verify(&app).await?;
    show(&app, &page, &view, Asked::default(), Some(&verdict)).await
}

/// A key that was given up, and what was seen of it.
#[derive(Debug, Deserialize)]
struct AcceptKey {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    seen: String,
    #[serde(default)]
    reason: String,
}

async fn accept(
    State(app): State<App>,
    page: PageActor,
    FormData(form): FormData<AcceptKey>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let AcceptKey { csrf: _, key, seen, reason } = form;
    accept::accept(&app, Wish { key, seen, reason }).await?;
    // The record that says so.
    Ok(Redirect::to(&format!("/admin/audit?kind={KEY_ACCEPTED}")).into_response())
}

async fn show(
    app: &App,
    page: &PageActor,
    view: &View,
    asked: Asked,
    verdict: Option<&Verdict>,
) -> Result<Markup, Problem> {
    let base = asked.address();
    let is_filtered =
        asked.fields().iter().any(|(.., value)| value.as_deref().is_some_and(|text| !text.is_empty()));
    let on_page = PageQuery { limit: Some(RECORDS), cursor: asked.cursor.clone() };
    let (records, next) = list::page(app, asked.filter()?, on_page).await?;
    let next = next.map(|cursor| cursor.address(&base));
    let actions = html! {
        form.inline-form method="post" action="/admin/audit/verify" {
            (form::csrf(&page.csrf))
            button.button type="submit" { (icon("check-ring")) "Verify all of it" }
        }
        a.button href="/api/ops/audit/export" download { (icon("download")) "Copy to keep" }
    };
    let body = html! {
        (page_head("Evidence log", &html! {
            "What was done here, by whom, in chains that show what was changed afterwards. " a href="/docs/audit" { "How it works" }
        }, &actions))
        div.stack {
            @if let Some(verdict) = verdict { (told(page, verdict)) }
            section.card.evidence aria-label="Records" {
                header {
                    details.disclose open[is_filtered] {
                        summary { "Look for" }
                        form.filters method="get" action="/admin/audit" {
                            @for (name, label, value) in asked.fields() {
                                (Field::text(name, label, value.as_deref().unwrap_or_default()).render())
                            }
                            button.button type="submit" { "Show" }
                            @if is_filtered { a.button.plain href="/admin/audit" { "Clear" } }
                        }
                    }
                }
                @if records.is_empty() {
                    (empty("book", "No record matches", "What begins with a word is found by it: key finds key.created and key.revoked.", &html! {}))
                } @else {
                    (table("Records", &[("What", false), ("Who", false), ("To what", false), ("When", false)], &html! {
                        @for record in &records { (row(record, view.now)) }
                    }))
                }
                (pager(asked.cursor.as_ref().map(|_| base.as_str()), next.as_deref()))
            }
        }
    };
    Ok(Page::new("Evidence log", Section::Audit, body).render(view))
}

fn row(record: &Record, now: Timestamp) -> Markup {
    let details = serde_json::from_str::<Value>(&record.details).ok();
    let facts = details.as_ref().and_then(Value::as_object);
    html! {
        tr {
            th scope="row" {
                div {
                    code { (record.kind) }
                    div.small.faint {
                        @match facts {
                            Some(facts) => @for (place, (name, value)) in facts.iter().enumerate() {
                                @if place > 0 { ", " }
                                (name) " " (fact(value))
                            },
                            None => (record.details),
                        }
                    }
                }
            }
            td.small data-label="Who" { code { (record.author) } }
            td.small data-label="To what" {
                div {
                    code { (record.subject) }
                    @if let Some(account) = record.account { div.faint { code { (account) } } }
                }
            }
            td data-label="When" {
                div {
                    (ago(record.at, now))
                    div.small.faint title=(record.chain) { (record.region) ", no. " (count(record.seq.cast_signed())) }
                }
            }
        }
    }
}

/// A value of the details; of long ones, such as signatures, the beginning.
fn fact(value: &Value) -> Markup {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(FACT_CHARS) {
        Some((end, _)) => html! { code title=(text) { (text[..end]) "…" } },
        None => html! { code { (text) } },
    }
}

fn told(page: &PageActor, verdict: &Verdict) -> Markup {
    let Verdict { report, key, witnessed } = verdict;
    let tone = match (report.is_whole(), witnessed) {
        (true, true) => Tone::Good,
        (true, false) => Tone::Warn,
        (false, _) => Tone::Bad,
    };
    let number = |value: u64| count(value.cast_signed());
    note(
        tone,
        &html! {
            p {
                strong { @if report.is_whole() { "Whole." } @else { (number(report.findings_total)) " findings." } }
                " " (number(report.records)) " records in " (number(report.chains)) " chains were read"
                @if report.not_signed_yet > 0 { "; " (number(report.not_signed_yet)) " of them no checkpoint has signed yet" } "."
            }
            @if !witnessed { p { "This node has no witness: a database that was put back as a whole would not be noticed." } }
            @if !report.findings.is_empty() {
                ul { @for finding in report.findings.iter().take(FINDINGS) { li { (finding) } } }
                @if report.findings_total > FINDINGS as u64 { p { code { "levqor audit verify --json" } " shows more." } }
            }
            p.small { "Signed by " code { (key) } }
            @for other in &report.other_keys { (of_other(page, other)) }
        },
    )
}

/// A key that signed before, and how to agree to that.
fn of_other(page: &PageActor, other: &OtherKey) -> Markup {
    let checkpoints = plural(other.checkpoints.cast_signed(), "checkpoint", "checkpoints");
    html! {
        @if let Some(reason) = &other.accepted {
            p.small {
                (checkpoints) " by the abandoned key " code { (other.key) } ", which was agreed to: " (reason)
            }
        } @else {
            p { (checkpoints) " by another key, " code { (other.key) } }
            details.disclose {
                summary { "This key was given up with its keyring" }
                form.stack method="post" action="/admin/audit/accept" {
                    (form::csrf(&page.csrf))
                    input type="hidden" name="key" value=(other.key);
                    input type="hidden" name="seen" value=(other.digest);
                    p.small {
                        "Compare it with the key that you have noted, or with the one in " code { "audit-witness.refused.json" }
                        " of a node. Nobody who had the old secret can add to it afterwards, and nothing of it can be taken away. "
                        a href="/docs/rotating-keys" { "How it works" }
                    }
                    (Field::text("reason", "Why it was given up", "").required().hint("It is kept in the evidence log, with your name.").render())
                    button.button type="submit" { "Agree to what it signed" }
                }
            }
        }
    }
}
