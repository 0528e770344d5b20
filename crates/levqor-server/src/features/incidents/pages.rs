//! `/admin/incidents`: the list, one incident, its postmortem.

mod fields;
mod list;
mod one;
mod writing;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use levqor_model::{IncidentId, IncidentLevel, IncidentRole, IncidentState};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    actions::{self, ItemChange, NewItem},
    hand::Update,
    service::{self, Opening, Words},
};
use crate::{
    App, Problem,
    gateway::{Id, PageActor},
    pages::{
        Button, FormData, View, chosen,
        components::{
            badge::{Tone, badge},
            note::note,
        },
    },
};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/admin/incidents", get(list::page).post(open))
        .route("/admin/incidents/{id}", get(one::page))
        .route("/admin/incidents/{id}/update", post(update))
        .route("/admin/incidents/{id}/note", post(add_note))
        .route("/admin/incidents/{id}/acknowledge", post(acknowledge))
        .route("/admin/incidents/{id}/assign", post(assign))
        .route("/admin/incidents/{id}/resolve", post(resolve))
        .route("/admin/incidents/{id}/reopen", post(reopen))
        .route("/admin/incidents/{id}/action-items", post(add_item))
        .route("/admin/incidents/{id}/action-items/{item}", post(change_item))
        .route("/admin/incidents/{id}/postmortem", get(writing::page).post(writing::write))
        .route("/admin/incidents/{id}/postmortem/append", post(writing::append))
        .route("/admin/incidents/{id}/postmortem/file", get(writing::file))
}

/// What just happened, as the address says it.
fn told(done: Option<&str>) -> Markup {
    let text = match done {
        Some("opened") => "It is open. The people of its severity are told.",
        Some("updated") => "It is noted, and those are told whom it is for.",
        Some("noted") => "It is in the timeline.",
        Some("acknowledged") => "You deal with it. It waits for words on how it stands now.",
        Some("assigned") => "It is noted who has which part.",
        Some("resolved") => "It is over. The postmortem has what was measured; the words are yours.",
        Some("reopened") => "It is open again.",
        Some("item") => "The action item is noted.",
        Some("written") => "The postmortem is kept.",
        Some(_) | None => return html! {},
    };
    html! { div.said-so { (note(Tone::Idle, &html! { p { (text) } })) } }
}

fn level_badge(level: IncidentLevel) -> Markup {
    let tone = match level {
        IncidentLevel::L1 => Tone::Idle,
        IncidentLevel::L2 => Tone::Warn,
        IncidentLevel::L3 | IncidentLevel::L4 => Tone::Bad,
    };
    badge(tone, "alert", level.title())
}

fn state_badge(state: IncidentState) -> Markup {
    let (tone, picture) = match state {
        IncidentState::Investigating => (Tone::Bad, "question"),
        IncidentState::Identified => (Tone::Warn, "alert"),
        IncidentState::Monitoring => (Tone::Run, "pulse"),
        IncidentState::Resolved => (Tone::Good, "check-ring"),
    };
    badge(tone, picture, state.as_str())
}

fn back(id: IncidentId, done: &str) -> Response {
    Redirect::to(&format!("/admin/incidents/{id}?done={done}")).into_response()
}

fn is_on(field: Option<&String>) -> bool {
    field.is_some_and(|value| !value.is_empty())
}

/// Names with commas between them.
fn components(text: &str) -> Vec<String> {
    text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// A word that a form's choice sends.
fn word<T: std::str::FromStr>(pointer: &str, text: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| Problem::field(pointer, error.to_string()))
}

#[derive(Debug, Deserialize)]
struct OpenForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    level: String,
    #[serde(default)]
    components: String,
    #[serde(default)]
    text: String,
    public: Option<String>,
    began_at: Option<String>,
}

async fn open(
    State(app): State<App>,
    page: PageActor,
    view: View,
    FormData(form): FormData<OpenForm>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    match opened(&app, &page, &form).await {
        Ok(id) => Ok(back(id, "opened")),
        Err(problem) => list::again(&app, &page, &view, problem, &form).await,
    }
}

async fn opened(app: &App, page: &PageActor, form: &OpenForm) -> Result<IncidentId, Problem> {
    let opening = Opening {
        title: form.title.clone(),
        level: word("/level", &form.level)?,
        components: components(&form.components),
        text: form.text.clone(),
        public: is_on(form.public.as_ref()),
        began_at: chosen("began_at", form.began_at.as_deref().map(str::trim))?,
    };
    Ok(service::open(app, &page.actor.by.words(), opening).await?.id)
}

#[derive(Debug, Deserialize)]
struct UpdateForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    version: i64,
    #[serde(default)]
    text: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    level: String,
    title: Option<String>,
    components: Option<String>,
    public: Option<String>,
}

async fn update(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<IncidentId>,
    FormData(form): FormData<UpdateForm>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let Err(problem) = said(&app, &page, id, &form).await else { return Ok(back(id, "updated")) };
    let typed = Typed {
        form: Said::Update,
        text: &form.text,
        public: is_on(form.public.as_ref()),
        update: Some(&form),
    };
    one::again(&app, &page, view, id, problem, typed).await
}

async fn said(app: &App, page: &PageActor, id: IncidentId, form: &UpdateForm) -> Result<(), Problem> {
    let update = Update {
        state: chosen("state", Some(form.state.as_str()))?,
        level: chosen("level", Some(form.level.as_str()))?,
        text: form.text.clone(),
        title: form.title.clone().filter(|title| !title.trim().is_empty()),
        components: form.components.as_deref().map(components),
        public: is_on(form.public.as_ref()),
    };
    service::update(app, &page.actor.by.words(), id, form.version, update).await.map(drop)
}

#[derive(Debug, Deserialize)]
struct WordsForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    version: i64,
    #[serde(default)]
    text: String,
    public: Option<String>,
}

impl WordsForm {
    fn words(&self) -> Words {
        Words { version: self.version, public: is_on(self.public.as_ref()), text: self.text.clone() }
    }

    fn typed(&self, form: Said) -> Typed<'_> {
        Typed { form, text: &self.text, public: is_on(self.public.as_ref()), update: None }
    }
}

/// A form of an incident's page that takes words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Update,
    Note,
    Resolve,
    Reopen,
}

/// What somebody has typed, and what was not done: nobody's words are lost because somebody else was first.
#[derive(Debug, Clone, Copy)]
struct Typed<'a> {
    form: Said,
    text: &'a str,
    public: bool,
    update: Option<&'a UpdateForm>,
}

async fn add_note(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<IncidentId>,
    FormData(form): FormData<WordsForm>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    match service::note(&app, &page.actor.by.words(), id, &form.text).await {
        Ok(_) => Ok(back(id, "noted")),
        Err(problem) => one::again(&app, &page, view, id, problem, form.typed(Said::Note)).await,
    }
}

async fn acknowledge(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<IncidentId>,
    FormData(form): FormData<Button>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    service::acknowledge(&app, &page.actor.by.words(), id).await?;
    Ok(back(id, "acknowledged"))
}

#[derive(Debug, Deserialize)]
struct AssignForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    version: i64,
    #[serde(default)]
    role: String,
    #[serde(default)]
    user: String,
}

async fn assign(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<IncidentId>,
    FormData(form): FormData<AssignForm>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let role: IncidentRole = word("/role", &form.role)?;
    let user = Some(form.user.trim()).filter(|user| !user.is_empty());
    service::assign(&app, &page.actor.by.words(), id, form.version, role, user).await?;
    Ok(back(id, "assigned"))
}

async fn resolve(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<IncidentId>,
    FormData(form): FormData<WordsForm>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    match service::resolve(&app, &page.actor.by.words(), id, form.words()).await {
        Ok(_) => Ok(back(id, "resolved")),
        Err(problem) => one::again(&app, &page, view, id, problem, form.typed(Said::Resolve)).await,
    }
}

async fn reopen(
    State(app): State<App>,
    page: PageActor,
    view: View,
    Id(id): Id<IncidentId>,
    FormData(form): FormData<WordsForm>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    match service::reopen(&app, &page.actor.by.words(), id, form.words()).await {
        Ok(_) => Ok(back(id, "reopened")),
        Err(problem) => one::again(&app, &page, view, id, problem, form.typed(Said::Reopen)).await,
    }
}

#[derive(Debug, Deserialize)]
struct ItemForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    text: String,
    owner: Option<String>,
    #[serde(default)]
    due: String,
}

async fn add_item(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<IncidentId>,
    FormData(form): FormData<ItemForm>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let new = NewItem { text: form.text, owner: form.owner, due: form.due };
    actions::add(&app, &page.actor.by.words(), id, new).await?;
    Ok(back(id, "item"))
}

#[derive(Debug, Deserialize)]
struct ItemChangeForm {
    #[serde(default)]
    csrf: String,
    version: Option<i64>,
    owner: Option<String>,
    due: Option<String>,
    /// `yes`, `no`, or as it is.
    done: Option<String>,
}

async fn change_item(
    State(app): State<App>,
    page: PageActor,
    Id(id): Id<IncidentId>,
    axum::extract::Path((_, item)): axum::extract::Path<(String, String)>,
    FormData(form): FormData<ItemChangeForm>,
) -> Result<Response, Problem> {
    page.check_csrf(&form.csrf).await?;
    let change = ItemChange {
        version: form.version,
        text: None,
        owner: form.owner,
        due: form.due.filter(|due| !due.is_empty()),
        done: match form.done.as_deref() {
            Some("yes") => Some(true),
            Some("no") => Some(false),
            _ => None,
        },
    };
    actions::change(&app, &page.actor.by.words(), id, actions::item_of(&item)?, change).await?;
    Ok(back(id, "item"))
}
