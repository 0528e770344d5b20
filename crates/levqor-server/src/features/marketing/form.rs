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
        FormData, Page, View, again, card_page,
        components::{
            form::{Field, error_of, trap, trap_error},
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
    html! {
        form.stack method="post" action=(FORM) novalidate {
            (trap_error(errors))
            (Field::email(&typed.email).error(error_of(errors, "/email")).render())
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

fn form_page(typed: &Typed, errors: &[FieldError]) -> Page {
    let content = html! {
        p.quiet { "Leave your address, and the people who run this site write to you about using Levqor." }
        (form(typed, errors))
    };
    card_page("Stay in touch", &content)
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
        Err(problem) => Ok(again(problem, |errors| form_page(&typed, errors).render(&view))),
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
    card_page("Thank you", &content).render(&view)
}
