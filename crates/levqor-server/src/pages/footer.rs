//! The foot of public pages: every page for everyone is one step away.

use maud::{Markup, html};

use super::View;

type Link = (&'static str, &'static str);

const PRODUCT: &[Link] = &[
    ("/how-it-works", "How it works"),
    ("/pricing", "Pricing"),
    ("/trial", "Free trial"),
    ("/integrations", "Integrations"),
    ("/stay-in-touch", "Stay in touch"),
    ("/docs", "Documentation"),
    ("/docs/api", "API"),
];

const TRUST: &[Link] = &[
    ("/status", "Status"),
    ("/security", "Security"),
    ("/support", "Support"),
    ("/guarantee", "Guarantee"),
    ("/about", "About"),
    ("/careers", "Careers"),
];

const POLICIES: &[Link] = &[
    ("/terms", "Terms"),
    ("/privacy", "Privacy"),
    ("/acceptable-use", "Acceptable use"),
    ("/fair-use", "Fair use"),
    ("/sla", "Service levels"),
    ("/support-policy", "Support policy"),
    ("/refunds", "Refunds"),
    ("/cancellation", "Cancellation"),
    ("/disputes", "Disputes"),
    ("/dfy-contract", "Done-for-you contract"),
    ("/revisions", "Revisions"),
];

const MACHINES: &[Link] = &[("/openapi.json", "OpenAPI"), ("/metrics", "Metrics")];

pub(super) fn footer(view: &View) -> Markup {
    html! {
        footer.site-footer {
            div.wide {
                nav.columns aria-label="All pages" {
                    (group("Product", PRODUCT, ""))
                    (group("Trust", TRUST, ""))
                    (group("Policies", POLICIES, "policies"))
                }
                div.bar {
                    p {
                        @if let Some(operator) = &view.operator { "Operated by " (operator) ". " }
                        "Levqor " (view.version) ", answered by " code { (view.region) }
                    }
                    (links("For programs", MACHINES))
                }
            }
        }
    }
}

fn group(title: &str, of: &[Link], class: &str) -> Markup {
    html! {
        div class=(class) {
            p.title aria-hidden="true" { (title) }
            (links(title, of))
        }
    }
}

fn links(title: &str, links: &[Link]) -> Markup {
    html! { ul aria-label=(title) { @for (path, name) in links { li { a href=(path) { (name) } } } } }
}
