//! `/integrations`: what Levqor talks to, by open standards.

use axum::response::Response;
use maud::{Markup, html};

use super::parts::{band, claims, opening};
use crate::pages::{Page, Section, View};

pub(super) async fn integrations(view: View) -> Response {
    let body = html! {
        (opening(
            &html! { "Integrations" },
            &html! { "Levqor speaks open standards. What has an HTTP API can be called, and what can send a request can start a workflow. There is no shop of connectors to wait for." },
            &html! {},
        ))
        (band("out", "What workflows can reach", &html! {}, &out()))
        (band("in", "What can start or continue a run", &html! {}, &inward()))
        (band("ai", "AI", &html! {}, &ai()))
        (band("operate", "For programs and operators", &html! {}, &operate()))
        (band(
            "not",
            "What is not there",
            &html! { "No ready-made connectors with the logos of other companies: a service is called by its own API or its OpenAPI document. Services that cannot be reached by HTTP or mail need a small program of yours in between." },
            &html! {},
        ))
    };
    Page::new("Integrations", Section::Other, body)
        .describe("What Levqor workflows can call, what can start them, and which open standards are spoken.")
        .at("/integrations")
        .answer(&view)
}

fn out() -> Markup {
    claims(&[
        (
            "arrow",
            "HTTP APIs",
            html! { "Any method, headers, query and body, with time and size limits and retries. " a href="/docs/calls" { "Calls" } "." },
        ),
        (
            "book",
            "OpenAPI",
            html! { "Operations of an OpenAPI document by their name; what it requires and does not know is told. " a href="/docs/calls#call-an-operation-of-an-openapi-document" { "OpenAPI" } "." },
        ),
        (
            "key",
            "Authentication",
            html! { "Basic, bearer, digest, OAuth and OpenID Connect. Tokens are fetched once and kept; secrets are never shown again. " a href="/docs/calls#prove-who-calls" { "Prove who calls" } "." },
        ),
        (
            "mail",
            "E-mail",
            html! { "By the mail server that the operator names. " a href="/docs/own-functions#send-an-e-mail" { "Send an e-mail" } "." },
        ),
        (
            "out",
            "Webhooks",
            html! { "Signed as the Standard Webhooks specification has it, so that the receiver can tell who sent them. " a href="/docs/own-functions#send-a-signed-message" { "Signed messages" } "." },
        ),
        (
            "layers",
            "Catalogs of functions",
            html! { "Functions that others share by address. They are fetched when the workflow is saved and kept with its version. " a href="/docs/catalogs" { "Catalogs" } "." },
        ),
        (
            "runs",
            "Scripts",
            html! { "Shell commands, JavaScript and Python on the operator's machine, off until the operator allows them. " a href="/docs/processes" { "Processes" } "." },
        ),
    ])
}

fn inward() -> Markup {
    claims(&[
        (
            "clock",
            "Schedules",
            html! { "Cron in a time zone, intervals, delays. " a href="/docs/schedules" { "Schedules" } "." },
        ),
        (
            "flow",
            "Webhooks",
            html! { "An address of its own for each trigger, with a signature when a secret is set. " a href="/docs/events#start-a-workflow-by-a-webhook" { "Webhooks" } "." },
        ),
        (
            "pulse",
            "CloudEvents",
            html! { "Published by HTTP, one at a time or in batches; workflows start on them or wait for them. " a href="/docs/events#publish-an-event" { "Events" } "." },
        ),
        (
            "check-ring",
            "People",
            html! { "Approvals in the console, by API and in the terminal. " a href="/docs/own-functions#ask-a-person" { "Approvals" } "." },
        ),
    ])
}

fn ai() -> Markup {
    claims(&[
        (
            "question",
            "Any provider that speaks OpenAI's API",
            html! { "A hosted one or a server of your own, several in order of preference, by region. The next one is asked when one fails. " a href="/docs/ai" { "AI" } "." },
        ),
        (
            "shield",
            "A built-in backend",
            html! { "The last in the list. It needs no key and no network, and never claims to be a model: every answer says who gave it." },
        ),
    ])
}

fn operate() -> Markup {
    claims(&[
        (
            "book",
            "One JSON API",
            html! { "What the console does, the API does; described by an OpenAPI document. " a href="/docs/api" { "API reference" } "." },
        ),
        (
            "pulse",
            "Prometheus",
            html! { "Metrics in the exposition format, and health and readiness for probes. " a href="/docs/operating" { "Operating" } "." },
        ),
        (
            "out",
            "The life of all runs",
            html! { "Sent to another system as signed CloudEvents, at least once and in order. " a href="/docs/events#tell-another-system-the-life-of-runs" { "The sink" } "." },
        ),
        (
            "layers",
            "SQLite or PostgreSQL",
            html! { "Embedded by default; one PostgreSQL for nodes in several regions. " a href="/docs/migrate" { "Moving" } "." },
        ),
    ])
}
