//! `/guarantee`: everything that comes back when something falls short, on one page.

use axum::{extract::State, response::Response};
use maud::html;

use super::parts::{band, opening};
use crate::{
    App,
    pages::{Page, Section, View, components::promise_tables},
};

pub(super) async fn guarantee(State(app): State<App>, view: View) -> Response {
    let promises = app.promises();
    let show = |path: &str| promises.show(path);
    let body = html! {
        (opening(
            &html! { (show("money_back_days")) "-day money-back guarantee" },
            &html! { "If Levqor is not for you, say so within " (show("money_back_days")) " days of your first payment for a plan, and that payment comes back. You need no reason." },
            &html! { p.row { a.button href="/refunds" { "How to ask for it" } } },
        ))
        (band(
            "before",
            "Before you pay",
            &html! {
                (show("trial.headline")) ". " (show("trial.card_note")) ". "
                a href="/trial" { "How the trial works" } "."
            },
            &html! {},
        ))
        (band(
            "uptime",
            "When we are not there",
            &html! {
                "The promise is " (show("uptime.promise_ppm"))
                " uptime in every month. When a month falls short of it, a part of its price comes back. "
                a href="/sla" { "What counts, and how to claim it" } "."
            },
            &html! { div.card.half { (promise_tables::service_credits(&promises)) } },
        ))
        (band(
            "work",
            "When work that we did is not right",
            &html! {
                "Done-for-you packages have " (show("package_revision_rounds")) " rounds of revision. "
                a href="/revisions" { "What a round is" } "."
            },
            &html! {},
        ))
        (band(
            "limits",
            "What is not guaranteed",
            &html! { "That a service which your workflow calls works, that a draft made from a sentence is what you meant (look at it before you run it), or that an effect happens only once at a service that ignores idempotency keys." },
            &html! {},
        ))
    };
    Page::new("Guarantee", Section::Other, body)
        .describe("The money-back guarantee of Levqor, service credits when uptime falls short, and revisions of work that was done for you.")
        .at("/guarantee")
        .answer(&view)
}
