//! `/about` and `/careers`: what there is to say of a small project, and no more.

use axum::{extract::State, response::Response};
use maud::{Markup, html};

use super::parts::{band, claims, opening};
use crate::{
    App,
    pages::{
        Page, Section, View,
        components::operator::{contact, postal_address},
    },
};

pub(super) async fn about(State(app): State<App>, view: View) -> Response {
    let body = html! {
        (opening(
            &html! { "About Levqor" },
            &html! { "Levqor is workflow automation that keeps running when a process, a machine or a region does not, and that shows the evidence for everything it says of itself." },
            &html! {},
        ))
        (band("why", "What it is built on", &html! {}, &principles()))
        (band("who", "Who runs this site", &html! {}, &operator(&app)))
        (band(
            "project",
            "The project",
            &html! { "Levqor is a small project. There are no customer stories, awards or certificates on these pages, because none were earned yet. What works is described in " a href="/docs" { "the documentation" } ", and what does not work is not." },
            &html! {},
        ))
    };
    Page::new("About", Section::Other, body)
        .describe("What Levqor is, what it is built on, and who runs this site.")
        .at("/about")
        .answer(&view)
}

fn principles() -> Markup {
    claims(&[
        (
            "check-ring",
            "Green is earned",
            html! { "Every claim that a page makes of the system is computed from evidence that the system has stored. No fresh evidence means “unknown”." },
        ),
        (
            "book",
            "Open formats",
            html! { "Workflows are written in an open language. What you build here, you can take away." },
        ),
        (
            "layers",
            "One program",
            html! { "API, console, engine, scheduler and edge are one binary. It needs no other service to begin with." },
        ),
        (
            "shield",
            "Promises in one place",
            html! { "Prices, limits and terms are written once, in the blueprint. Pages, API, limits and policies all read them from there." },
        ),
    ])
}

fn operator(app: &App) -> Markup {
    let site = &app.settings.site;
    html! {
        dl.terms {
            div {
                dt { "Operator" }
                dd {
                    @match &site.operator_name {
                        Some(name) => { (name) }
                        None => { "The operator of this site has not given a name. Anybody can run Levqor; this may be a private or a trial installation." }
                    }
                }
            }
            div { dt { "Address" } dd { (postal_address(site)) } }
            div { dt { "Contact" } dd { (contact(site)) } }
            div { dt { "Region that answered" } dd { (app.region.name) ", " code { (app.region.code) } } }
        }
    }
}

pub(super) async fn careers(State(app): State<App>, view: View) -> Response {
    let site = &app.settings.site;
    let body = html! {
        (opening(
            &html! { "Careers" },
            &html! { "There are no open positions." },
            &html! {},
        ))
        (band(
            "later",
            "When there are",
            &html! {},
            &html! {
                div.prose {
                    p { "Levqor is a small project. When it looks for people, the positions will stand on this page, with the work, the place and the pay." }
                    p { "Until then an advertisement for a position at Levqor is not from us. We never ask applicants for money, for bank details or for copies of identity papers." }
                    p { "If you would like to say what you could do here all the same, write to " (contact(site)) "." }
                }
            },
        ))
    };
    Page::new("Careers", Section::Other, body)
        .describe("There are no open positions at Levqor; when there are, they stand here.")
        .at("/careers")
        .answer(&view)
}
