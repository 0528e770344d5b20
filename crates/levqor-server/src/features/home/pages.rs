//! `/` and `/draft`.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    plans,
    service::{self, EXAMPLES, Error},
};
use crate::{
    App, Problem,
    features::{
        marketing::lead_form,
        status_page::{self, service::RegionReport},
    },
    pages::{
        FormData, Page, Section, View,
        components::{
            badge::{Tone, badge, region_badge},
            code::{Language, code_block},
            draft::{self, Preview},
            form::{self, field_error},
            graph::graph,
            icon::icon,
            journal,
        },
    },
};

pub(super) async fn home(State(app): State<App>, view: View) -> Markup {
    let report = status_page::service::present(&app).await;
    let body = html! {
        (hero())
        (how())
        (claims())
        (plans::plans(&app.promises()))
        (regions(&report.regions))
        (stay_in_touch())
    };
    Page::new("Levqor", Section::Home, body)
        .describe(
            "Levqor turns a sentence into a durable workflow, runs it, and keeps the evidence of every step.",
        )
        .at("/")
        .render(&view)
}

/// The form that a sentence is typed into.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Request {
    #[serde(default)]
    query: String,
    /// The number of an example, when its button was pressed.
    example: Option<usize>,
}

impl Request {
    fn sentence(&self) -> &str {
        self.example.and_then(|number| EXAMPLES.get(number)).map_or(&self.query, |(_, sentence)| sentence)
    }
}

pub(super) async fn draft_form(view: View) -> Markup {
    draft_page(&ask("", None), &view)
}

pub(super) async fn draft(view: View, FormData(request): FormData<Request>) -> Result<Response, Problem> {
    match service::preview(request.sentence()).await {
        Ok(preview) => Ok(draft_page(&drafted(&preview, &view), &view).into_response()),
        Err(error @ Error::Broken(_)) => Err(Problem::internal(error)),
        Err(error @ (Error::TooShort | Error::TooLong)) => {
            let form = ask(&request.query, Some(&error.to_string()));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, draft_page(&form, &view)).into_response())
        }
    }
}

fn draft_page(content: &Markup, view: &View) -> Markup {
    let body = html! {
        div.wide.band.tight.stack-l {
            div.band-head {
                h1 { "A first draft" }
                p { "Made by Levqor's built-in grammar, without a model. Nothing is stored, and no step is invented: what it does not understand, it says." }
            }
            (content)
        }
    };
    Page::new("Draft", Section::Other, body).render(view)
}

fn drafted(preview: &Preview, view: &View) -> Markup {
    let signed_in = view.reader.is_some();
    html! {
        (ask(&preview.sentence, None))
        div.grid.main-aside {
            div.stack {
                (draft::findings(preview))
                @if let Some(document) = &preview.document { (draft::definition(document)) }
            }
            div.stack {
                @if let Some(document) = &preview.document {
                    (draft::picture(document))
                    section.card {
                        div.body.stack {
                            h2 { "Run it" }
                            @if signed_in {
                                p.quiet { "Take this sentence to the console, edit the workflow and create it." }
                                a.button.primary href={ "/dashboard/workflows/new?sentence=" (encoded(&preview.sentence)) } { "Continue in the console" (icon("arrow")) }
                            } @else {
                                p.quiet { "Sign in to run it: your workflow gets a page, a history and an API address." }
                                a.button.primary href={ "/signin?next=" (encoded(&format!("/dashboard/workflows/new?sentence={}", encoded(&preview.sentence)))) } { "Sign in to run it" (icon("arrow")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The sentence box.
fn ask(sentence: &str, error: Option<&str>) -> Markup {
    html! {
        form method="post" action="/draft" {
            div.ask {
                label for="query" { "Describe an automation" }
                textarea id="query" name="query" rows="3" maxlength="1000" required
                    placeholder="Every weekday at 9am London time, fetch …"
                    aria-invalid=[error.map(|_| "true")]
                    aria-describedby=[form::described_by("query", false, error.is_some())] { (form::text(sentence)) }
                (field_error("query", error))
                div.foot {
                    span.small.faint { "No account needed. Nothing is stored." }
                    button.button.primary type="submit" data-cta="draft-workflow" { "Draft the workflow" (icon("arrow")) }
                }
            }
            div.examples {
                span.faint { "Try" }
                @for (number, (name, sentence)) in EXAMPLES.iter().enumerate() {
                    button.chip type="submit" name="example" value=(number) formnovalidate title=(sentence) { (name) }
                }
            }
        }
    }
}

fn hero() -> Markup {
    html! {
        section.hero {
            div.wide {
                div {
                    h1 { "Say what should happen. See that it did." }
                    p.lead {
                        "Levqor turns a sentence into a workflow in the open CNCF Serverless Workflow language, runs it on a "
                        "durable engine, and keeps the evidence of every step. It is one program: it needs no other service, "
                        "and drafting works without an AI key."
                    }
                    (ask("", None))
                }
                @if let Some(document) = &service::shown().document {
                    figure {
                        (graph(&document.graph, "hero", "The workflow that was drafted from the first example"))
                        figcaption { "Drafted from “" (EXAMPLES[0].0) "”, drawn from the document itself." }
                    }
                }
            }
        }
    }
}

fn how() -> Markup {
    let shown = service::shown();
    html! {
        section.band id="how" aria-labelledby="how-title" {
            div.wide {
                div.band-head {
                    h2 id="how-title" { "How it works" }
                    p {
                        "Three steps, and you can look at what lies between them. "
                        a href="/how-it-works" { "The longer story" } "."
                    }
                }
                ol.steps {
                    li.step {
                        div {
                            p.number { "1" }
                            h3 { "Write a sentence" }
                            p { "A grammar reads it: schedules with time zones, calls, conditions. Every word is used, or quoted back to you as not understood. You can also write the workflow yourself; it is the same language." }
                        }
                        figure {
                            p.said { (EXAMPLES[0].1) }
                            ol.steps-list { @for line in &shown.summary { li { span { (line) } } } }
                            figcaption { "The sentence, and how it was understood." }
                        }
                    }
                    li.step {
                        div {
                            p.number { "2" }
                            h3 { "Check the document" }
                            p { "The draft is a plain YAML document that you own. It passes the same validation as a hand-written one before you see it, and every error names its place. Versions are kept; a run keeps the version it began with." }
                        }
                        figure.flush {
                            @if let Some(document) = &shown.document {
                                (code_block("how-yaml", "late-orders.yaml", &document.yaml, Language::Yaml))
                            }
                        }
                    }
                    li.step {
                        div {
                            p.number { "3" }
                            h3 { "Let it run" }
                            p { "A run is a journal: what a call or a timer gave is on disk before the run goes on. When the process dies, the next one continues from the last entry; timers fire late rather than never. Its page shows every task with input, output and time, live." }
                        }
                        figure {
                            div.scroll-x tabindex="0" role="group" aria-label="A drawing of a run" { (journal::journal()) }
                            figcaption { "A drawing of a run that outlives its process: finished tasks are not repeated." }
                        }
                    }
                }
            }
        }
    }
}

fn claims() -> Markup {
    let claims = [
        (
            "check",
            "Green is earned",
            "A state is shown as good only when stored, fresh evidence says so. Without evidence the answer is “unknown”.",
        ),
        (
            "layers",
            "Durable by default",
            "A run is on disk before you get its number. Results are committed once, and calls carry a stable idempotency key.",
        ),
        (
            "book",
            "An open language",
            "Workflows are CNCF Serverless Workflow 1.0 documents with jq expressions. There is no private format to leave behind.",
        ),
        (
            "shield",
            "Careful with the network",
            "Calls from workflows cannot reach private addresses unless the operator allows it, and every call has a time and size limit.",
        ),
        (
            "pulse",
            "One API for everything",
            "What the console does, the API does: workflows, runs, live events, usage, with problem documents that say what to do.",
        ),
        (
            "globe",
            "Regions in plain sight",
            "Every answer, run and task names its region. Planned regions are called planned.",
        ),
    ];
    html! {
        section.band aria-labelledby="claims-title" {
            div.wide {
                div.band-head { h2 id="claims-title" { "What you can hold it to" } }
                div.claims {
                    @for (picture, title, text) in claims { div { h3 { (icon(picture)) (title) } p { (text) } } }
                }
            }
        }
    }
}

fn regions(regions: &[RegionReport]) -> Markup {
    html! {
        section.band id="regions" aria-labelledby="regions-title" {
            div.wide {
                div.band-head {
                    h2 id="regions-title" { "Regions" }
                    p { "A region is called active when its API, database and engine showed life within the last 15 seconds. " a href="/status" { "See the evidence" } "." }
                }
                ul.region-list {
                    @for region in regions {
                        li.planned[region.planned] {
                            div.row.between { strong { (region.name) } (region_state(region)) }
                            p.small.quiet { (region.description) }
                            p.small { (region_badge(&region.code)) }
                        }
                    }
                }
            }
        }
    }
}

fn stay_in_touch() -> Markup {
    html! {
        section.band id="stay-in-touch" aria-labelledby="stay-in-touch-title" {
            div.wide {
                div.band-head {
                    h2 id="stay-in-touch-title" { "Stay in touch" }
                    p { "Leave your address, and the people who run this site write to you about using Levqor." }
                }
                div.card.half { div.body { (lead_form()) } }
            }
        }
    }
}

fn region_state(region: &RegionReport) -> Markup {
    use status_page::service::State;
    match region.state {
        _ if region.planned => badge(Tone::Idle, "dots", "planned"),
        State::Operational if region.draining => badge(Tone::Warn, "hourglass", "draining"),
        State::Operational => badge(Tone::Good, "check-ring", "active"),
        State::Degraded => badge(Tone::Warn, "alert", "degraded"),
        State::Down => badge(Tone::Bad, "cross-ring", "down"),
        State::Unknown => badge(Tone::Idle, "question", "no fresh evidence"),
    }
}
