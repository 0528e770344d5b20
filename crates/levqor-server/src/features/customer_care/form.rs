//! The forms on the page about support, and the pages that answer them. They work without scripts.

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use http::HeaderMap;
use levqor_model::Timestamp;
use levqor_store::consultations::Consultation;
use maud::{Markup, html};
use serde::Deserialize;

use super::service::{self, Asker, Booking, Outcome, Request};
use crate::{
    App, Problem,
    features::{marketing::service::refuse_programs, sign_in::require_own_form},
    gateway::ClientAddress,
    pages::{
        FormData, View, again, card_page,
        components::{
            form::{Area, Field, error_of, trap, trap_error},
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
    let email = Field::email(&typed.email).error(error_of(errors, "/email"));
    html! {
        form.stack method="post" action="/support/request" novalidate {
            (trap_error(errors))
            (Field::text("subject", "Subject", &typed.subject).error(error_of(errors, "/subject")).render())
            (message.render())
            (email.id("support-email").hint("Where a person answers.").render())
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
    let email = Field::email(&typed.email).error(error_of(errors, "/email"));
    html! {
        form.stack method="post" action="/support/consultation" novalidate {
            (trap_error(errors))
            (Field::text("name", "Your name", &typed.name).error(error_of(errors, "/name")).render())
            (email.id("consultation-email").hint("Where a person writes to you.").render())
            (topic.render())
            (when.render())
            (trap())
            button.button type="submit" data-cta="book-consultation" { "Book" }
        }
    }
}

async fn support(
    State(app): State<App>,
    client: ClientAddress,
    headers: HeaderMap,
    view: View,
    FormData(typed): FormData<Typed>,
) -> Result<Response, Problem> {
    require_own_form(&headers)?;
    let content = match ask(&app, client, &view, &typed).await {
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
            return Ok(again(problem, |errors| {
                card_page("Ask for help", &support_form(&typed, errors)).render(&view)
            }));
        }
    };
    Ok(card_page("Support", &content).render(&view).into_response())
}

async fn ask(app: &App, client: ClientAddress, view: &View, typed: &Typed) -> Result<Outcome, Problem> {
    refuse_programs(Some(&typed.website))?;
    let request = Request {
        email: Some(&typed.email),
        subject: Some(&typed.subject),
        message: &typed.message,
        language: None,
        wants_person: typed.want_person.is_some(),
    };
    service::ask(app, asker(client, view), request).await
}

async fn consultation(
    State(app): State<App>,
    client: ClientAddress,
    headers: HeaderMap,
    view: View,
    FormData(typed): FormData<Typed>,
) -> Result<Response, Problem> {
    require_own_form(&headers)?;
    match book(&app, client, &view, &typed).await {
        Ok(booked) => {
            let content = html! {
                p { "It is booked for " (moment(booked.begins_at)) ". Before that, a person writes to " strong { (booked.email) } "." }
                a.button href="/support" { "Back" }
            };
            Ok(card_page("Consultation", &content).render(&view).into_response())
        }
        Err(problem) => Ok(again(problem, |errors| {
            card_page("Book a consultation", &consultation_form(&typed, errors)).render(&view)
        })),
    }
}

async fn book(app: &App, client: ClientAddress, view: &View, typed: &Typed) -> Result<Consultation, Problem> {
    refuse_programs(Some(&typed.website))?;
    let begins_at = in_utc(&typed.begins_at).ok_or_else(|| {
        Problem::field("/begins_at", "must be a date with a time, such as 2030-05-17T14:00")
    })?;
    let booking = Booking { email: &typed.email, name: &typed.name, topic: &typed.topic, begins_at };
    service::book(app, asker(client, view), booking).await
}

fn asker(client: ClientAddress, view: &View) -> Asker<'_> {
    Asker { client, actor: view.reader.as_ref().map(|reader| &reader.actor) }
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
