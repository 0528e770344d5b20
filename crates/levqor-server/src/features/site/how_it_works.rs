//! `/how-it-works`: the longer story, with the product's own pictures.

use axum::response::Response;
use maud::{Markup, html};

use super::parts::{band, claims, further, opening};
use crate::{
    features::home::service::{EXAMPLES, shown},
    pages::{
        Page, Section, View,
        components::{
            code::{Language, code_block},
            graph::graph,
            journal,
        },
    },
};

pub(super) async fn how_it_works(view: View) -> Response {
    let body = html! {
        (opening(
            &html! { "How it works" },
            &html! { "A sentence becomes a document, the document is checked, and a run of it is a journal on disk. At each step you can look at what there is." },
            &html! {},
        ))
        section.band id="steps" aria-label="The steps" {
            div.wide {
                ol.steps {
                    (step("1", "A sentence", &sentence(), &said()))
                    (step("2", "A document that is yours", &document(), &yaml()))
                    (step("3", "A picture of it", &picture(), &drawn()))
                    (step("4", "A run is a journal", &run(), &drawing()))
                }
            }
        }
        (band("details", "What is behind it", &html! {}, &details()))
        (band(
            "further",
            "Read on",
            &html! {},
            &further(&[
                ("/docs/getting-started", "Getting started"),
                ("/docs/workflows", "Workflows"),
                ("/docs/runs", "Runs"),
                ("/docs/regions", "Regions"),
                ("/integrations", "What it connects to"),
                ("/security", "Security"),
            ]),
        ))
    };
    Page::new("How it works", Section::HowItWorks, body)
        .describe("From a sentence to a checked workflow to a run that survives its process: how Levqor works, step by step.")
        .at("/how-it-works")
        .answer(&view)
}

fn step(number: &str, title: &str, text: &Markup, figure: &Markup) -> Markup {
    html! {
        li.step {
            div.stack {
                p.number { (number) }
                h2 { (title) }
                (text)
            }
            (figure)
        }
    }
}

fn sentence() -> Markup {
    html! {
        p { "Describe what should happen, and when. A grammar reads it, without a model or a network: schedules with time zones, calls, conditions, loops, notifications." }
        p { "Every word is used, or quoted back to you as not understood. No step is invented. An AI provider can be asked as well, where the operator has named one; what it answers passes the same checks." }
    }
}

fn said() -> Markup {
    html! {
        figure {
            p.said { (EXAMPLES[0].1) }
            ol.steps-list { @for line in &shown().summary { li { span { (line) } } } }
            figcaption { "The sentence, and how it was understood." }
        }
    }
}

fn document() -> Markup {
    html! {
        p { "The draft is a document in the CNCF Serverless Workflow language, with jq expressions. You can edit it, write it by hand, keep it in version control, and take it to another engine." }
        p { "It is checked when it is saved, not when it runs: what is unknown or not supported is refused with its place and a reason. Versions are kept, and a run keeps the version that it began with." }
    }
}

fn yaml() -> Markup {
    html! {
        figure.flush {
            @if let Some(document) = &shown().document {
                (code_block("how-yaml", "late-orders.yaml", &document.yaml, Language::Yaml))
            }
        }
    }
}

fn picture() -> Markup {
    html! {
        p { "The console draws every workflow from the document itself, so that what you see is what runs. Tasks that wait for a person are marked." }
    }
}

fn drawn() -> Markup {
    html! {
        figure {
            @if let Some(document) = &shown().document {
                div.scroll-x tabindex="0" role="group" aria-label="The drawing of the workflow" {
                    (graph(&document.graph, "how", "The workflow that was drafted from the sentence"))
                }
            }
            figcaption { "Drawn from the document on this page." }
        }
    }
}

fn run() -> Markup {
    html! {
        p { "A run is on disk before you get its number. What a call, a timer or a person gave is written down before the run goes on." }
        p { "When the process dies, the next one reads the journal and continues from the last entry: what was done is not done again, and timers fire late rather than never." }
    }
}

fn drawing() -> Markup {
    html! {
        figure {
            div.scroll-x tabindex="0" role="group" aria-label="A drawing of a run" { (journal::journal()) }
            figcaption { "A drawing of a run that outlives its process." }
        }
    }
}

fn details() -> Markup {
    claims(&[
        (
            "retry",
            "Calls may come twice",
            html! { "Results are committed once. A call whose answer was lost is sent again with the same idempotency key, so that the other side can drop the repeat. " a href="/docs/calls" { "Calls" } "." },
        ),
        (
            "hourglass",
            "Waiting costs nothing",
            html! { "A run that waits for a time, an event or a person leaves memory. It may wait for minutes or for months. " a href="/docs/listening" { "Waiting for events" } "." },
        ),
        (
            "clock",
            "Schedules know time zones",
            html! { "Cron in the zone that you name, also when clocks change. Each due time fires once, however many nodes there are. " a href="/docs/schedules" { "Schedules" } "." },
        ),
        (
            "globe",
            "Nodes and regions",
            html! { "Several nodes share one database. When one dies or stands still, the others take its runs over, where the runs' residency allows it; the old one can no longer write. " a href="/docs/regions" { "Regions" } "." },
        ),
        (
            "check-ring",
            "People decide",
            html! { "A workflow can ask a person before it goes on, and a run can be suspended, resumed, cancelled, or retried from the task that failed. " a href="/docs/own-functions#ask-a-person" { "Approvals" } "." },
        ),
        (
            "pulse",
            "Green is computed",
            html! { "A state is shown as good only when stored, fresh evidence says so; without it, the answer is “unknown”. " a href="/status" { "The status page" } "." },
        ),
    ])
}
