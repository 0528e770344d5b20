//! `/trial`.

use axum::{extract::State, response::Response};
use maud::{Markup, html};

use super::{
    parts::{band, further, opening},
    service::SUBSCRIBING,
};
use crate::{
    App,
    pages::{Page, Section, View, components::promise::Promises},
};

pub(super) async fn trial(State(app): State<App>, view: View) -> Response {
    let promises = app.promises();
    let show = |path: &str| promises.show(path);
    let actions = html! {
        p.row {
            a.button.primary href="/pricing#plans" data-cta="compare-plans" { "Compare the plans" }
            a.button href="/draft" data-cta="draft" { "Draft a workflow without an account" }
        }
        p.small.faint { (SUBSCRIBING) }
    };
    let body = html! {
        (opening(&show("trial.headline"), &show("trial.card_note"), &actions))
        (band("how", "How it goes", &html! {}, &steps(&promises)))
        (band("facts", "In short", &html! {}, &facts(&promises)))
        (band(
            "more",
            "What else holds",
            &html! {},
            &further(&[
                ("/cancellation", "How to cancel"),
                ("/refunds", "Refunds after the trial"),
                ("/guarantee", "The money-back guarantee"),
                ("/terms", "The terms"),
            ]),
        ))
    };
    Page::new(promises.blueprint.trial.headline.clone(), Section::Other, body)
        .describe("How the free trial of Levqor works: what it includes, when it ends, and when nothing is charged.")
        .at("/trial")
        .answer(&view)
}

fn steps(promises: &Promises) -> Markup {
    let days = promises.show("trial.days");
    html! {
        ol.steps-list.large {
            li { div { h3 { "Choose a plan" } p.quiet { "The trial is there for all of them. What you try is the plan with all of its amounts, not a smaller one." } } }
            li { div { h3 { "Give a card" } p.quiet { "It is kept by the payment provider, not by Levqor. Nothing is charged on that day." } } }
            li { div { h3 { "Use it" } p.quiet { "Write a sentence, look at the workflow, run it, see what happened. Everything that you make stays yours." } } }
            li { div { h3 { "Decide before day " (days) } p.quiet { "Cancel before then and nothing is charged. If you stay, the plan begins, at the price that you saw when you chose it." } } }
        }
    }
}

fn facts(promises: &Promises) -> Markup {
    let show = |path: &str| promises.show(path);
    html! {
        dl.terms {
            div { dt { "Length" } dd { (show("trial.days")) " days from the moment that it begins." } }
            div {
                dt { "Plans" }
                dd {
                    @for (place, plan) in promises.blueprint.plans.iter().enumerate() {
                        @if place > 0 { ", " }
                        (show(&format!("plan.{}.name", plan.code)))
                    }
                    "."
                }
            }
            div { dt { "Trials for an account" } dd { (show("trial.active_per_account")) " active trial at a time." } }
            div { dt { "Charges" } dd { "None when you cancel before day " (show("trial.days")) "." } }
            div {
                dt { "After the first payment" }
                dd { "There are " (show("money_back_days")) " days in which you can have it back." }
            }
        }
    }
}
