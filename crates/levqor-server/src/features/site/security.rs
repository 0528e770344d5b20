//! `/security`: what is done, and how to report a weakness.

use axum::{extract::State, response::Response};
use maud::{Markup, html};

use super::parts::{band, claims, opening};
use crate::{
    App, Site,
    pages::{Page, Section, View, components::operator::security_contact},
};

pub(super) async fn security(State(app): State<App>, view: View) -> Response {
    let body = html! {
        (opening(
            &html! { "Security" },
            &html! { "What Levqor does to keep others out, to keep secrets secret, and to keep a workflow from doing harm. Only what this version does is listed." },
            &html! { p.row { a.button href="#report" { "Report a weakness" } } },
        ))
        (band("who", "Who gets in", &html! {}, &who()))
        (band("data", "Your data and secrets", &html! {}, &data()))
        (band("workflows", "What workflows can reach", &html! {}, &workflows()))
        (band("service", "The service itself", &html! {}, &service()))
        (band("report", "Report a weakness", &html! {}, &report(&app.settings.site)))
        (band(
            "not",
            "What we do not claim",
            &html! { "No certificate and no audit by others. How the product behaves under faults is measured and written down with the product; that is no substitute for an audit, and is not called one." },
            &html! {},
        ))
    };
    Page::new("Security", Section::Other, body)
        .describe("How Levqor protects accounts, secrets and networks, and how to report a weakness.")
        .at("/security")
        .answer(&view)
}

fn who() -> Markup {
    claims(&[
        (
            "mail",
            "No passwords",
            html! { "People sign in by a link that works once and for a short time, or by a system that the operator has connected. There is no password to be stolen or guessed." },
        ),
        (
            "key",
            "Keys are kept as hashes",
            html! { "API keys, session tokens and links are stored as hashes only. A key is shown once. Keys have roles, may expire, and can be revoked at once." },
        ),
        (
            "lock",
            "Accounts are apart",
            html! { "Who may do what is one table, and an address that is not in it is closed. An id of another account leads to the same answer as one that does not exist." },
        ),
        (
            "shield",
            "Forms and frames",
            html! { "Pages load nothing from elsewhere, hold no inline scripts, stand in nobody's frame, and take forms from this site only." },
        ),
    ])
}

fn data() -> Markup {
    claims(&[
        (
            "lock",
            "Secrets are encrypted",
            html! { "They are stored encrypted, are never readable again, and are masked wherever a run is shown. " a href="/docs/secrets" { "Secrets" } "." },
        ),
        (
            "runs",
            "Nothing is lost or done in silence",
            html! { "A run is durable before it is acknowledged, and its journal says what happened. " a href="/docs/runs" { "Runs" } "." },
        ),
        (
            "trash",
            "Runs are deleted in time",
            html! { "After as many days as the workflow or the operator says. " a href="/docs/operating#how-long-runs-are-kept" { "How long runs are kept" } "." },
        ),
        (
            "question",
            "AI",
            html! { "AI requests are counted and logged without what was asked. Which provider answers is said with every answer. " a href="/docs/ai" { "AI" } "." },
        ),
    ])
}

fn workflows() -> Markup {
    claims(&[
        (
            "globe",
            "No way into private networks",
            html! { "Calls cannot reach private, loopback, link-local or metadata addresses unless the operator allows it. Names are looked at when they are resolved, and redirects anew. " a href="/docs/calls#addresses-that-are-refused" { "Refused addresses" } "." },
        ),
        (
            "hourglass",
            "Everything has a bound",
            html! { "Time and size of calls, steps and memory of expressions, size of documents and inputs, tasks of a run." },
        ),
        (
            "stop",
            "Programs are off",
            html! { "Workflows run no programs on the server unless the operator allows it, and then with bounds and without the network. " a href="/docs/processes" { "Processes" } "." },
        ),
        (
            "flow",
            "Who sent that",
            html! { "Webhooks can be signed in both directions: a forged one is refused, and one that comes again starts nothing more. " a href="/docs/events#sign-webhook-messages" { "Signatures" } "." },
        ),
    ])
}

fn service() -> Markup {
    claims(&[
        (
            "book",
            "What is done is on record",
            html! { "Each change by a person, a key or the platform leaves a record, in chains of hashes with signed checkpoints: what is altered afterwards is found. " a href="/docs/audit" { "Evidence log" } "." },
        ),
        (
            "check",
            "Files and promises are watched",
            html! { "Servers notice when their own files change, and hold what is promised against what they serve. " a href="/docs/tamper" { "Tamper detection" } ", " a href="/docs/drift" { "promises and drift" } "." },
        ),
        (
            "pulse",
            "Limits against floods",
            html! { "Requests are limited by address, by account and in number at once, and slow clients are cut off. " a href="/fair-use" { "Fair use" } "." },
        ),
        (
            "layers",
            "One owner of a run",
            html! { "A node that has lost its lease can no longer write, even if it only stood still. " a href="/docs/regions" { "Regions" } "." },
        ),
        (
            "check-ring",
            "Strict about secrets",
            html! { "In production the server refuses to start without a real signing secret. " a href="/docs/operating#configuration" { "Configuration" } "." },
        ),
    ])
}

fn report(site: &Site) -> Markup {
    html! {
        div.prose {
            p { "Write to " (security_contact(site)) ". Say what you found, how it can be repeated, and what it lets somebody do." }
            ul {
                li { "Use accounts and data of your own, and stop when you have shown that it works." }
                li { "No floods, no mass mail, no attempts on people." }
                li { "Give us time to mend it before you publish it. We tell you what we found and when it is mended, and name you if you like." }
            }
            p { "Who keeps to this acts with our consent, and we take no steps against them for it. There is no bounty." }
            p { "The same for programs: " a href="/.well-known/security.txt" { code { "/.well-known/security.txt" } } "." }
        }
    }
}
