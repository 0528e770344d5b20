//! The page of a policy.

use axum::{extract::State, response::Response};
use maud::{Markup, html};

use super::service::{Policies, Policy};
use crate::{
    App, Problem,
    pages::{Page, Section, View},
};

pub(super) async fn policy(
    State(app): State<App>,
    view: &View,
    slug: &'static str,
) -> Result<Response, Problem> {
    let policy = app.policies.find(slug).ok_or_else(|| Problem::not_found("there is no such policy"))?;
    let body = html! {
        div.wide {
            div.docs {
                (index(&app.policies, policy))
                article.prose {
                    h1 { (policy.title) }
                    p.small.faint { "Last updated " time datetime=(policy.updated) { (policy.updated) } }
                    (policy.html)
                }
            }
        }
    };
    Ok(Page::new(policy.title.clone(), Section::Other, body)
        .describe(policy.description.clone())
        .at(format!("/{}", policy.slug))
        .answer(view))
}

/// All policies, and the parts of this one.
fn index(policies: &Policies, here: &Policy) -> Markup {
    html! {
        nav aria-label="Policies" {
            div {
                h2 { "Policies" }
                ul {
                    @for policy in policies.all() {
                        @let current = policy.slug == here.slug;
                        li {
                            a href={ "/" (policy.slug) } aria-current=[current.then_some("page")] { (policy.title) }
                            @if current && !policy.headings.is_empty() {
                                ul.inner {
                                    @for (anchor, text) in &policy.headings { li { a href={ "#" (anchor) } { (text) } } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
