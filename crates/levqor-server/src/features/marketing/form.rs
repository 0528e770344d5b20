//! The form by which somebody leaves an address, and the page that thanks for it. They work without scripts.

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use http::HeaderMap;
use maud::{Markup, html};
use serde::Deserialize;

use super::service;
use crate::{
    App, Problem,
    features::sign_in::require_own_form,
    gateway::ClientAddress,
    pages::{
        FormData, Page, Section, View,
        components::{
            form::{Field, error_of, trap},
            icon::icon,
        },
        uncached,
    },
    problem::FieldError,
};

const FORM: &str = "/stay-in-touch";
const THANKS: &str = "/stay-in-touch/thanks";

/// Where the form stands, as the lead's source says it. The page of its own is meant when a browser sends anything else.
const OWN_PAGE: &str = "stay-in-touch";
const FRONT_PAGE: &str = "front-page";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(FORM, get(show).post(leave))
        .route(THANKS, get(thanks))
        .layer(axum::middleware::map_response(uncached))
}

/// What was typed. Nobody has agreed to anything before they tick the box.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Typed {
    email: String,
    consent: Option<String>,
    source: String,
    website: String,
}

impl Typed {
    fn source(&self) -> &'static str {
        if self.source == FRONT_PAGE { FRONT_PAGE } else { OWN_PAGE }
    }
}

/// The form as it stands on the front page.
pub(in crate::features) fn lead_form() -> Markup {
    form(&Typed { source: FRONT_PAGE.to_owned(), ..Typed::default() }, &[])
}

fn form(typed: &Typed, errors: &[FieldError]) -> Markup {
    let mut email = Field::text("email", "E-mail", &typed.email).error(error_of(errors, "/email"));
    email.kind = "email";
    email.autocomplete = Some("email");
    html! {
        form.stack method="post" action=(FORM) novalidate {
            // The field itself is not seen, so what is said of it stands first, and it is empty again.
            @if error_of(errors, "/website").is_some() {
                p.field-error role="alert" {
                    (icon("alert"))
                    span { "A field that people do not see was filled in, perhaps by your browser. It is empty now: send the form once more." }
                }
            }
            (email.render())
            label.check {
                input type="checkbox" name="consent" value="yes" checked[typed.consent.is_some()];
                " You may also write to me about news of Levqor"
            }
            input type="hidden" name="source" value=(typed.source());
            (trap())
            button.button.primary type="submit" data-cta="leave-address" { (icon("mail")) "Leave my address" }
            p.small.quiet {
                "It is kept until you ask to have it forgotten. "
                a href="/privacy" { "What is kept, and why" } "."
            }
        }
    }
}

fn card(title: &str, content: &Markup) -> Markup {
    html! { div.narrow { section.card { div.body.stack { h1 { (title) } (content) } } } }
}

fn form_page(typed: &Typed, errors: &[FieldError]) -> Page {
    let content = html! {
        p.quiet { "Leave your address, and the people who run this site write to you about using Levqor." }
        (form(typed, errors))
    };
    Page::new("Stay in touch", Section::Other, card("Stay in touch", &content))
}

async fn show(view: View) -> Markup {
    form_page(&Typed::default(), &[])
        .describe(
            "Leave an e-mail address, and the people who run this site write to you about using Levqor.",
        )
        .at(FORM)
        .render(&view)
}

async fn leave(
    State(app): State<App>,
    client: ClientAddress,
    headers: HeaderMap,
    view: View,
    FormData(typed): FormData<Typed>,
) -> Result<Response, Problem> {
    require_own_form(&headers)?;
    match keep(&app, client, &typed).await {
        // Somewhere else, so that loading the page again sends nothing again.
        Ok(()) => Ok(Redirect::to(THANKS).into_response()),
        Err(problem) if !problem.errors.is_empty() => {
            let page = form_page(&typed, &problem.errors).render(&view);
            Ok((problem.status(), page).into_response())
        }
        Err(problem) => Err(problem),
    }
}

async fn keep(app: &App, client: ClientAddress, typed: &Typed) -> Result<(), Problem> {
    service::refuse_programs(Some(&typed.website))?;
    service::keep_lead(app, client, &typed.email, typed.source(), typed.consent.is_some()).await
}

/// It says the same whether the address was known or not.
async fn thanks(view: View) -> Markup {
    let content = html! {
        p { "Your address was kept. The people who run this site write to you." }
        p { "Until then, you can try it without an account, or read how it works." }
        div.row {
            a.button.primary href="/draft" { "Draft a workflow" }
            a.button href="/docs" { "Read the guides" }
        }
    };
    Page::new("Thank you", Section::Other, card("Thank you", &content)).render(&view)
}
