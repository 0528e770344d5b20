//! `/dashboard/workflows/new`: from a sentence, or from a document.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use levqor_model::Role;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::editor::{self, Findings};
use crate::{
    App, Problem,
    features::{home, workflows},
    gateway::{PageActor, Query},
    pages::{
        FormData, Page, Section, View,
        components::{
            draft::{self, Preview},
            form::{self, field_error},
            graph::graph,
            icon::icon,
            note::{crumbs, page_head},
        },
    },
};

/// A document to begin with.
const BLANK: &str = "document:
  dsl: '1.0.1'
  namespace: default
  name: my-workflow
  version: '0.1.0'
do:
  - greet:
      set:
        message: ${ \"Hello, \\(.name // \"world\")\" }
";

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    sentence: Option<String>,
}

pub(super) async fn page(
    page: PageActor,
    view: View,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    page.actor.require(Role::Editor)?;
    let sentence = asked.sentence.unwrap_or_default();
    if sentence.is_empty() {
        return Ok(render(&page, &view, &Shown::blank()).into_response());
    }
    let shown = match home::service::preview(&sentence).await {
        Ok(preview) => {
            let text = preview.document.as_ref().map_or(BLANK, |document| document.yaml.as_str()).to_owned();
            Shown { sentence: preview.sentence.clone(), text, preview: Some(preview), ..Shown::blank() }
        }
        Err(error @ home::service::Error::Broken(_)) => return Err(Problem::internal(error)),
        Err(error) => Shown { sentence, sentence_error: Some(error.to_string()), ..Shown::blank() },
    };
    let status = if shown.sentence_error.is_some() { 422 } else { 200 };
    Ok((http::StatusCode::from_u16(status).unwrap_or_default(), render(&page, &view, &shown)).into_response())
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

/// Checks the document or creates the workflow, as the pressed button says.
pub(super) async fn create(
    State(app): State<App>,
    page: PageActor,
    view: View,
    FormData(form): FormData<Form>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    page.actor.require(Role::Editor)?;
    let text = form.definition.replace("\r\n", "\n");
    if form.action == "check" {
        let findings = editor::check(&app, &text).await?;
        let status = if findings.errors.is_empty() { 200 } else { 422 };
        let shown = Shown { text, checked: findings.errors.is_empty(), findings, ..Shown::blank() };
        return Ok((http::StatusCode::from_u16(status).unwrap_or_default(), render(&page, &view, &shown))
            .into_response());
    }
    match workflows::service::create(&app, page.actor.account_id, Value::String(text.clone())).await {
        Ok(saved) => {
            Ok(Redirect::to(&format!("/dashboard/workflows/{}?done=created", saved.workflow.id))
                .into_response())
        }
        Err(problem) if problem.status().is_client_error() => {
            let findings = editor::from_problem(&text, &problem);
            let shown = Shown { text, findings, ..Shown::blank() };
            Ok((problem.status(), render(&page, &view, &shown)).into_response())
        }
        Err(problem) => Err(problem),
    }
}

/// What the page shows.
struct Shown {
    sentence: String,
    sentence_error: Option<String>,
    preview: Option<Preview>,
    text: String,
    findings: Findings,
    /// The document was checked and is valid.
    checked: bool,
}

impl Shown {
    fn blank() -> Self {
        Self {
            sentence: String::new(),
            sentence_error: None,
            preview: None,
            text: BLANK.to_owned(),
            findings: Findings::default(),
            checked: false,
        }
    }
}

fn render(page: &PageActor, view: &View, shown: &Shown) -> Markup {
    let body = html! {
        (crumbs(&[("/dashboard/workflows", "Workflows")], "New"))
        (page_head("New workflow", &html! { "Describe it, or write it. Both end as the same document." }, &html! {}))
        div.stack-l {
            (sentence_form(shown))
            div.grid.main-aside {
                section.card aria-labelledby="document" {
                    header { h2 id="document" { @if shown.preview.is_some() { "The drafted document" } @else { "Write the document" } } }
                    form.body.stack method="post" action="/dashboard/workflows" {
                        (form::csrf(&page.csrf))
                        @if shown.checked { p.quiet { (icon("check")) " The document is valid." } }
                        (editor::render(&shown.text, &shown.findings))
                        div.row {
                            button.button.primary type="submit" name="action" value="create" { "Create workflow" }
                            button.button type="submit" name="action" value="check" { "Check only" }
                            a.small href="/docs/workflows" { "The language" }
                        }
                    }
                }
                div.stack {
                    @if let Some(preview) = &shown.preview {
                        (draft::findings(preview))
                        @if let Some(document) = &preview.document { (draft::picture(document)) }
                    }
                    @if let Some(picture) = &shown.findings.graph {
                        section.card { header { h2 { "The picture" } } div.body { (graph(picture, "checked", "The steps of the checked workflow")) } }
                    }
                    @if shown.preview.is_none() && shown.findings.graph.is_none() {
                        section.card {
                            div.body.stack {
                                h2 { "What belongs in a document" }
                                p.quiet { "Its name and version under " code { "document" } ", its tasks in order under " code { "do" } ", and, when it starts by itself, a " code { "schedule" } "." }
                                p.quiet { "It is checked before it is saved; every error names its line." }
                                p { a href="/docs/workflows" { "Read about workflows" } }
                            }
                        }
                    }
                }
            }
        }
    };
    Page::new("New workflow", Section::Workflows, body).render(view)
}

fn sentence_form(shown: &Shown) -> Markup {
    let error = shown.sentence_error.as_deref();
    html! {
        section.card aria-labelledby="describe" {
            header { h2 id="describe" { "Describe it" } }
            form.body.stack method="get" action="/dashboard/workflows/new" {
                div.field {
                    label for="sentence" { "In a sentence or two" }
                    textarea id="sentence" name="sentence" rows="2" maxlength="1000" required
                        placeholder="Every hour, fetch https://… and post the answer to https://…"
                        aria-invalid=[error.map(|_| "true")]
                        aria-describedby=[form::described_by("sentence", false, error.is_some())] { (form::text(&shown.sentence)) }
                    (field_error("sentence", error))
                }
                div { button.button type="submit" { "Draft" (icon("arrow")) } }
            }
        }
    }
}
