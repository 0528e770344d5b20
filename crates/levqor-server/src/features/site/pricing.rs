//! `/pricing`.

use axum::{extract::State, response::Response};
use maud::{Markup, html};

use super::{
    parts::{band, opening},
    service::SUBSCRIBING,
};
use crate::{
    App,
    pages::{
        Page, Section, View,
        components::{icon::icon, promise::Promises, promise_tables},
    },
};

pub(super) async fn pricing(State(app): State<App>, view: View) -> Response {
    let promises = app.promises();
    let show = |path: &str| promises.show(path);
    let trial = html! {
        p.trial-line {
            strong { (show("trial.headline")) } " " span.quiet { (show("trial.card_note")) }
        }
        p.small.faint { (SUBSCRIBING) " " a href="/stay-in-touch" { "Leave your address" } ", and we write to you." }
    };
    let body = html! {
        (opening(
            &html! { "Pricing" },
            &html! { "Every plan has the whole product, in every region, at the same price. Plans differ in amounts." },
            &trial,
        ))
        (band("plans", "Plans", &html! {}, &cards(&promises)))
        (band("amounts", "What the amounts mean", &html! {}, &amounts(&promises)))
        (extras(&promises))
        (band("promises", "What comes with it", &html! {}, &with_it(&promises)))
    };
    Page::new("Pricing", Section::Pricing, body)
        .describe("What each plan of Levqor costs and includes, add-ons, packages, and what is promised with all of them.")
        .at("/pricing")
        .answer(&view)
}

fn cards(promises: &Promises) -> Markup {
    html! {
        ul.plan-cards {
            @for plan in &promises.blueprint.plans {
                @let of = |key: &str| promises.show(&format!("plan.{}.{key}", plan.code));
                li.card id={ "plan-" (plan.code) } {
                    div.body {
                        h3 { (of("name")) }
                        p.price-line { span.figure-number { (of("month_price")) } " a month" }
                        p.small.quiet { "or " (of("year_price")) " a year" }
                        ul.includes {
                            li { (icon("check")) span { (of("workflows")) " workflows" } }
                            li { (icon("check")) span { (of("runs_per_month")) " runs a month" } }
                            li { (icon("check")) span { (of("ai_credits")) " AI credits a month" } }
                            li { (icon("check")) span { "First response within " (of("first_response_hours")) " hours" } }
                        }
                        a.button href="/trial" data-cta="start-trial" {
                            "Try it free"
                            span.visually-hidden { " on the plan " (plan.name) }
                        }
                    }
                }
            }
        }
    }
}

fn amounts(promises: &Promises) -> Markup {
    html! {
        dl.terms {
            div {
                dt { "Workflows" }
                dd { "Documents that are kept, whatever runs of them. Versions of a workflow count once. When there are as many as the plan has, saving another one is refused with a reason; nothing is deleted." }
            }
            div {
                dt { "Runs" }
                dd { "A run is one execution from its start to its end, however many tasks it has or how long it waits. When the month's runs are used up, starting another one is refused with a reason until the next month." }
            }
            div {
                dt { "AI credits" }
                dd { "What AI steps and AI answers use up. Who gets no answer pays nothing. When the month's credits are used up, AI requests say so; everything else goes on. " a href="/docs/words#what-is-an-ai-credit" { "How they are counted" } "." }
            }
            div {
                dt { "First response" }
                dd { "How soon a person answers a request to support at the latest. " a href="/support-policy" { "The support policy" } " says what counts." }
            }
            div {
                dt { "Fair use" }
                dd {
                    "For every plan: " (promises.show("fair_use.requests_per_minute")) " requests a minute and "
                    (promises.show("fair_use.concurrent_runs")) " runs at the same time. More runs are queued, not lost. "
                    a href="/fair-use" { "The policy" } "."
                }
            }
        }
        p.small.quiet {
            "What an account has used stands on its dashboard and in "
            a href="/docs/plans" { "the usage API" } ". Programs read the plans at " a href="/api/plans" { code { "/api/plans" } } "."
        }
    }
}

/// What is bought besides a plan.
fn extras(promises: &Promises) -> Markup {
    html! {
        div.band {
            div.wide.halves {
                section id="add-ons" aria-labelledby="add-ons-title" {
                    h2 id="add-ons-title" { "Add-ons" }
                    p.quiet { "Each is added to a plan, and paid by the month." }
                    div.card { (promise_tables::addons(promises)) }
                }
                section id="done-for-you" aria-labelledby="done-for-you-title" {
                    h2 id="done-for-you-title" { "Done for you" }
                    p.quiet {
                        "We build the workflows and hand them over. A package has "
                        (promises.show("package_revision_rounds")) " rounds of revision. "
                        a href="/dfy-contract" { "The contract" } "."
                    }
                    div.card { (promise_tables::packages(promises)) }
                }
            }
        }
    }
}

fn with_it(promises: &Promises) -> Markup {
    let show = |path: &str| promises.show(path);
    html! {
        div.grid.three {
            section.card {
                div.body.stack {
                    h3 { (show("trial.headline")) }
                    p { (show("trial.card_note")) "." }
                    p { a href="/trial" { "How the trial works" } }
                }
            }
            section.card {
                div.body.stack {
                    h3 { (show("money_back_days")) " days money back" }
                    p { "If it is not for you, the first payment comes back." }
                    p { a href="/guarantee" { "The guarantee" } " and " a href="/refunds" { "how refunds work" } }
                }
            }
            section.card {
                div.body.stack {
                    h3 { (show("uptime.promise_ppm")) " uptime" }
                    p { "When a month falls short, a part of its price comes back." }
                    p { a href="/sla" { "Service levels" } " and " a href="/status" { "what is measured" } }
                }
            }
        }
    }
}
