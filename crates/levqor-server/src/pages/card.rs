//! Pages of one card: a form that everybody may send, and what came of it.

use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::{Page, Section};
use crate::{Problem, problem::FieldError};

/// A page of one card under its title.
pub fn card_page(title: &str, content: &Markup) -> Page {
    let card = html! { div.narrow { section.card { div.body.stack { h1 { (title) } (content) } } } };
    Page::new(title, Section::Other, card)
}

/// The page with the form once more, which says what is wrong with its fields. A problem of none of them is answered as it is.
pub fn again(problem: Problem, page: impl FnOnce(&[FieldError]) -> Markup) -> Response {
    if problem.errors.is_empty() {
        return problem.into_response();
    }
    (problem.status(), page(&problem.errors)).into_response()
}
