//! `/support`: where help is, and how soon.

use axum::{extract::State, response::Response};
use maud::{Markup, html};

use super::parts::{band, claims, opening};
use crate::{
    App, Site,
    features::customer_care::{Typed, consultation_form, support_form},
    pages::{
        Page, Section, View,
        components::{operator::contact, promise_tables},
    },
};

pub(super) async fn support(State(app): State<App>, view: View) -> Response {
    let promises = app.promises();
    let body = html! {
        (opening(
            &html! { "Support" },
            &html! { "Most questions are answered faster by what is already there. For the others, a person answers." },
            &html! {},
        ))
        (band("self", "Look here first", &html! {}, &first()))
        (band("ask", "Ask", &html! { "The documentation answers at once when it can; else a person does." }, &html! { div.card.half { div.body { (support_form(&Typed::default(), &[])) } } }))
        (band("write", "Write to a person", &html! {}, &write(&app.settings.site)))
        (band("consultation", "Talk to a person", &html! { "About what you want to automate." }, &html! { div.card.half { div.body { (consultation_form(&Typed::default(), &[])) } } }))
        (band(
            "times",
            "How soon a person answers",
            &html! {
                "At the latest, by plan. The time counts from when the request arrives. "
                a href="/support-policy" { "The support policy" } " says what is covered."
            },
            &html! { div.card.half { (promise_tables::first_responses(&promises)) } },
        ))
        (band(
            "weakness",
            "You found a weakness",
            &html! { "Please do not send it to support: " a href="/security#report" { "the security page" } " says where it should go." },
            &html! {},
        ))
    };
    Page::new("Support", Section::Other, body)
        .describe("Where to find help with Levqor, how to write to a person, and how soon they answer.")
        .at("/support")
        .answer(&view)
}

fn first() -> Markup {
    claims(&[
        (
            "pulse",
            "Is it us?",
            html! { a href="/status" { "The status page" } " is computed from measurements and shows every region." },
        ),
        (
            "book",
            "The documentation",
            html! { a href="/docs" { "Guides" } " for everything that this version does, and " a href="/docs/api" { "the API" } "." },
        ),
        (
            "alert",
            "An error message",
            html! { "Every error of the API has a name, and " a href="/docs/problems" { "a page" } " that says what to do." },
        ),
        (
            "runs",
            "A run that failed",
            html! { "Its page in " a href="/dashboard/runs" { "the console" } " shows each task with input, output and error, and lets you go on from the task that failed." },
        ),
    ])
}

fn write(site: &Site) -> Markup {
    html! {
        div.prose {
            @match &site.contact_email {
                Some(_) => { p { "Write to " (contact(site)) "." } }
                None => { p { "The operator of this site has not published an address for support. Ask " (contact(site)) "." } }
            }
            p { "It helps to have:" }
            ul {
                li { "what you did, what you expected, and what happened;" }
                li { "the number of the request (" code { "req_…" } ", on every error) or of the run (" code { "run_…" } ");" }
                li { "the time, and the region in which it happened." }
            }
            p { "Please send no passwords, keys or secrets. Nobody at support needs them." }
        }
    }
}
