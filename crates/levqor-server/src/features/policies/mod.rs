//! The policies: legal texts whose numbers come from the blueprint, and that an operator can replace.
//!
//! ```text
//! policies/terms.md, or a file of that name in site.policies_dir
//!    │ template: head, placeholders (strict: an unknown name refuses the start, with file and line)
//!    ▼
//! Markdown ─► clean HTML ─► values of the blueprint and of the operator, as `names` has them ─► a page
//! ```
//!
//! It happens once, at the start: a page that is served was whole then.
//!
//! Invariant: a value never passes through Markdown, and nothing that a template holds becomes the mark of a promise.

mod names;
mod pages;
pub mod service;
mod template;

use axum::{Router, extract::State, routing::get};

use crate::{App, pages::View};

pub fn routes() -> Router<App> {
    service::SHIPPED.iter().fold(Router::new(), |router, (slug, _)| {
        let page = move |app: State<App>, view: View| async move { pages::policy(app, &view, slug).await };
        router.route(&format!("/{slug}"), get(page))
    })
}
