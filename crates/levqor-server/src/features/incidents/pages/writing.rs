//! The postmortem: as it is read, as it is written, and as a file.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderValue, header};
use levqor_model::{IncidentId, ProblemCode};
use levqor_store::incidents::{Incident, Postmortem};
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;

use super::{
    super::{
        postmortem::{self, Part},
        service, writings,
    },
    fields, told,
};
use crate::{
    App, Problem,
    gateway::{Id, PageActor, Query},
    pages::{
        FormData, Page, Section, View,
        components::{
            badge::Tone,
            form,
            icon::icon,
            note::{crumbs, note, page_head},
            time::ago,
        },
        markdown,
    },
};

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    done: Option<String>,
}

pub(super) async fn page(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<IncidentId>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    let incident = service::find(&app, id).await?;
    let postmortem = writings::find(&app, &page.actor.by.words(), id).await?;
    let shown = Shown {
        page: &page,
        incident: &incident,
        kept: &postmortem,
        typed: None,
        words: None,
        problem: None,
    };
    Ok(shown.render(&view, asked.done.as_deref()))
}

struct Shown<'a> {
    page: &'a PageActor,
    incident: &'a Incident,
    kept: &'a Postmortem,
    /// What somebody has typed and what was not kept: all of it, or words that were to be added.
    typed: Option<&'a str>,
    words: Option<&'a AppendForm>,
    problem: Option<&'a Problem>,
}

impl Shown<'_> {
    fn render(&self, view: &View, done: Option<&str>) -> Markup {
        let Self { page, incident, kept, typed, words, problem } = self;
        let way = format!("/admin/incidents/{}", incident.id);
        // The page has a first heading of its own.
        let text = kept
            .text
            .strip_prefix("# ")
            .and_then(|rest| rest.split_once('\n'))
            .map_or(kept.text.as_str(), |(_, rest)| rest);
        let rendered = markdown::render(text, "/docs/");
        let unwritten = postmortem::unwritten(&kept.text);
        let part = words.map_or_else(|| unwritten_first(&unwritten), |form| Some(form.part.as_str()));
        let body = html! {
            (told(done))
            (crumbs(&[("/admin/incidents", "Incidents"), (way.as_str(), incident.title.as_str())], "Postmortem"))
            (page_head(&incident.title, &html! {
                "Postmortem, written last " (ago(kept.written_at, view.now)) " by " (kept.written_by) "."
            }, &html! {
                a.button href={ (way) "/postmortem/file" } download { (icon("download")) (kept.name) ".md" }
            }))
            div.stack {
                @if let Some(problem) = problem {
                    (note(Tone::Bad, &html! { p { (problem.detail) } p { "What you have written is in the form below, and was not kept." } }))
                }
                @if !unwritten.is_empty() {
                    (note(Tone::Warn, &html! { p { "To be written by people: " (unwritten.join(", ")) "." } }))
                }
                section.card aria-label="Postmortem" { div.body { article.prose { (PreEscaped(&rendered.html)) } } }
                section.card aria-labelledby="pm-add" {
                    header { h2 id="pm-add" { "Add to it" } }
                    form.body.stack method="post" action={ (way) "/postmortem/append" } {
                        (form::csrf(&page.csrf))
                        (fields::choice("pm-part", "part", "Where", Some("at the end"), &Part::ALL.map(|part| (part.word(), part.heading())), part))
                        (fields::area("pm-words", "text", "Words", 6, words.map_or("", |form| form.text.as_str()), Some("Markdown.")))
                        button.button type="submit" { (icon("plus")) "Add" }
                    }
                }
                section.card aria-labelledby="pm-all" {
                    header { h2 id="pm-all" { "Write all of it" } }
                    form.body.stack method="post" action={ (way) "/postmortem" } {
                        (form::csrf(&page.csrf)) (fields::seen(kept.version))
                        (fields::area("pm-text", "text", "Markdown", 30, typed.unwrap_or(&kept.text),
                            Some("Between the marks <!-- measured: … --> and <!-- /measured --> it is measured anew when more is known: write elsewhere.")))
                        button.button type="submit" { (icon("edit")) "Keep" }
                    }
                }
            }
        };
        Page::new(format!("Postmortem: {}", incident.title), Section::Incidents, body).render(view)
    }
}

/// The part that is asked for first.
fn unwritten_first(unwritten: &[&str]) -> Option<&'static str> {
    let first = unwritten.first()?;
    Part::ALL.into_iter().find(|part| part.heading() == *first).map(Part::word)
}

#[derive(Debug, Deserialize)]
pub(super) struct WriteForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    version: i64,
    #[serde(default)]
    text: String,
}

pub(super) async fn write(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<IncidentId>,
    FormData(form): FormData<WriteForm>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    match writings::write(&app, &page.actor.by.words(), id, form.version, &form.text).await {
        Ok(_) => Ok(back(id)),
        Err(problem) => again(&app, &page, &view, id, problem, (Some(form.text.as_str()), None)).await,
    }
}

/// Nobody's words are lost because somebody else wrote meanwhile, or since they are too many.
async fn again(
    app: &App,
    page: &PageActor,
    view: &View,
    id: IncidentId,
    problem: Problem,
    (typed, words): (Option<&str>, Option<&AppendForm>),
) -> Result<Response, Problem> {
    if !matches!(problem.code, ProblemCode::IncidentMoved | ProblemCode::InvalidFields) {
        return Err(problem);
    }
    // Nothing can be read at the address that one of the forms sends to.
    let view = View { path: format!("/admin/incidents/{id}/postmortem"), ..view.clone() };
    let incident = service::find(app, id).await?;
    let kept = writings::find(app, &page.actor.by.words(), id).await?;
    let shown = Shown { page, incident: &incident, kept: &kept, typed, words, problem: Some(&problem) };
    Ok((problem.status(), shown.render(&view, None)).into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct AppendForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    part: String,
    #[serde(default)]
    text: String,
}

pub(super) async fn append(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<IncidentId>,
    FormData(form): FormData<AppendForm>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let part = writings::part_of(Some(form.part.as_str()).filter(|part| !part.is_empty()))?;
    match writings::append(&app, &page.actor.by.words(), id, part, &form.text).await {
        Ok(_) => Ok(back(id)),
        Err(problem) => again(&app, &page, &view, id, problem, (None, Some(&form))).await,
    }
}

fn back(id: IncidentId) -> Response {
    Redirect::to(&format!("/admin/incidents/{id}/postmortem?done=written")).into_response()
}

/// The Markdown, to be kept elsewhere.
pub(super) async fn file(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<IncidentId>,
) -> Result<Response, Problem> {
    let postmortem = writings::find(&app, &page.actor.by.words(), id).await?;
    // The name has nothing but letters, digits and dashes.
    let disposition = format!("attachment; filename=\"{}.md\"", postmortem.name);
    let disposition = HeaderValue::from_str(&disposition).map_err(Problem::internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/markdown; charset=utf-8")),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, postmortem.text).into_response())
}
