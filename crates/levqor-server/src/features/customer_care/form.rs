//! The forms on the page about support, and the pages that answer them. They work without scripts.

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, StatusCode};
use levqor_model::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use super::service::{self, Asker, Booking, Outcome, Request};
use crate::{
    App, Problem,
    features::{marketing::service::refuse_programs, sign_in::require_own_form},
    gateway::ClientAddress,
    pages::{
        FormData, Page, Section, View,
        components::{
            form::{Area, Field, error_of, trap},
            icon::icon,
            time::moment,
        },
        uncached,
    },
    problem::FieldError,
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/support/request", post(support))
        .route("/support/consultation", post(consultation))
        .layer(axum::middleware::map_response(uncached))
}

/// What was typed into either form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::features) struct Typed {
    email: String,
    name: String,
    subject: String,
    message: String,
    topic: String,
    /// As a browser sends a date with a time: of the day in UTC, without a zone.
    begins_at: String,
    want_person: Option<String>,
    website: String,
}

fn email(id: &str, typed: &Typed, errors: &[FieldError], hint: &str) -> Markup {
    let error = error_of(errors, "/email");
    html! {
        div.field {
            label for=(id) { "E-mail" }
            p.hint id={ (id) "-hint" } { (hint) }
            input id=(id) name="email" type="email" autocomplete="email" value=(typed.email)
                aria-invalid=[error.map(|_| "true")] aria-describedby={ (id) "-hint" };
            @if let Some(error) = error { p.field-error { (icon("alert")) span { (error) } } }
        }
    }
}

/// The form that asks for help.
pub(in crate::features) fn support_form(typed: &Typed, errors: &[FieldError]) -> Markup {
    let message = Area {
        name: "message",
        label: "What is it about?",
        value: &typed.message,
        rows: 6,
        code: false,
        hint: None,
        error: error_of(errors, "/message"),
    };
    html! {
        form.stack method="post" action="/support/request" novalidate {
            (Field::text("subject", "Subject", &typed.subject).error(error_of(errors, "/subject")).render())
            (message.render())
            (email("support-email", typed, errors, "Where a person answers."))
            label.check { input type="checkbox" name="want_person" value="yes" checked[typed.want_person.is_some()]; " A person is to answer, not the documentation" }
            (trap())
            button.button.primary type="submit" data-cta="ask-support" { (icon("mail")) "Ask" }
        }
    }
}

/// The form that books a consultation.
pub(in crate::features) fn consultation_form(typed: &Typed, errors: &[FieldError]) -> Markup {
    let topic = Area {
        name: "topic",
        label: "What do you want to talk about?",
        value: &typed.topic,
        rows: 3,
        code: false,
        hint: None,
        error: error_of(errors, "/topic"),
    };
    let mut when = Field::text("begins_at", "When, in UTC", &typed.begins_at)
        .hint("Not sooner than in an hour.")
        .error(error_of(errors, "/begins_at"));
    when.kind = "datetime-local";
    html! {
        form.stack method="post" action="/support/consultation" novalidate {
            (Field::text("name", "Your name", &typed.name).error(error_of(errors, "/name")).render())
            (email("consultation-email", typed, errors, "Where a person writes to you."))
            (topic.render())
            (when.render())
            (trap())
            button.button type="submit" data-cta="book-consultation" { "Book" }
        }
    }
}

fn page(view: &View, title: &str, content: &Markup) -> Markup {
    let body = html! { div.narrow { section.card { div.body.stack { h1 { (title) } (content) } } } };
    Page::new(title, Section::Other, body).render(view)
}

/// The form once more, with what is wrong; other problems are answered as they are.
fn again(view: &View, title: &str, problem: Problem, form: impl Fn(&[FieldError]) -> Markup) -> Response {
    if problem.status() != StatusCode::UNPROCESSABLE_ENTITY || problem.errors.is_empty() {
        return problem.into_response();
    }
    (StatusCode::UNPROCESSABLE_ENTITY, page(view, title, &form(&problem.errors))).into_response()
}

async fn support(
    State(app): State<App>,
    client: ClientAddress,
    headers: HeaderMap,
    view: View,
    FormData(typed): FormData<Typed>,
) -> Result<Response, Problem> {
    require_own_form(&headers)?;
    refuse_programs(Some(&typed.website))?;
    let request = Request {
        email: Some(&typed.email),
        subject: Some(&typed.subject),
        message: &typed.message,
        language: None,
        wants_person: typed.want_person.is_some(),
    };
    let asker = Asker { client, actor: view.reader.as_ref().map(|reader| &reader.actor) };
    let content = match service::ask(&app, asker, request).await {
        Ok(Outcome::Answered(answer)) => html! {
            p { "The documentation says:" }
            p.preserve { (answer.answer) }
            ul { @for source in &answer.sources { li { a href=(source.url) { (source.title) } } } }
            p.quiet { "That was not it? Send it again, to a person:" }
            (support_form(&Typed { want_person: Some("yes".to_owned()), ..typed }, &[]))
        },
        Ok(Outcome::Escalated(ticket)) => html! {
            p { "Your request is with us as " code { (ticket.id) } ". A person answers by " (moment(ticket.respond_by)) " at the latest, to " strong { (ticket.email) } "." }
            a.button href="/support" { "Back" }
        },
        Err(problem) => {
            return Ok(again(&view, "Ask for help", problem, |errors| support_form(&typed, errors)));
        }
    };
    Ok(page(&view, "Support", &content).into_response())
}

async fn consultation(
    State(app): State<App>,
    client: ClientAddress,
    headers: HeaderMap,
    view: View,
    FormData(typed): FormData<Typed>,
) -> Result<Response, Problem> {
    require_own_form(&headers)?;
    refuse_programs(Some(&typed.website))?;
    const TITLE: &str = "Book a consultation";
    let Some(begins_at) = in_utc(&typed.begins_at) else {
        let problem = Problem::field("/begins_at", "must be a date with a time, such as 2030-05-17T14:00");
        return Ok(again(&view, TITLE, problem, |errors| consultation_form(&typed, errors)));
    };
    let booking = Booking { email: &typed.email, name: &typed.name, topic: &typed.topic, begins_at };
    let asker = Asker { client, actor: view.reader.as_ref().map(|reader| &reader.actor) };
    match service::book(&app, asker, booking).await {
        Ok(booked) => {
            let content = html! {
                p { "It is booked for " (moment(booked.begins_at)) ". Before that, a person writes to " strong { (booked.email) } "." }
                a.button href="/support" { "Back" }
            };
            Ok(page(&view, "Consultation", &content).into_response())
        }
        Err(problem) => Ok(again(&view, TITLE, problem, |errors| consultation_form(&typed, errors))),
    }
}

/// What a browser sends of a date with a time, with or without seconds, read as UTC.
fn in_utc(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let seconds = if text.len() == "2030-05-17T14:00".len() { ":00" } else { "" };
    format!("{text}{seconds}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_send_is_read_as_utc() {
        let rows = [
            ("2030-05-17T14:00", Some("2030-05-17T14:00:00Z")),
            ("2030-05-17T14:00:30", Some("2030-05-17T14:00:30Z")),
            ("2030-05-17T14:00+01:00", None),
            ("tomorrow", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(in_utc(text), expected.map(|text| text.parse().unwrap()), "{text}");
        }
    }
}
