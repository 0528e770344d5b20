//! Errors as people read them: the same problems as the API's, on a page that depends on nothing.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use levqor_model::ProblemCode;
use maud::{Markup, html};

use super::{Theme, components::icon::icon, layout};
use crate::{App, Problem};

/// The page for an address that leads nowhere.
pub fn not_found(request_id: &str) -> Response {
    let problem = Problem::new(
        ProblemCode::NotFound,
        "the address may be mistyped, or what was here has been deleted",
    );
    page(&problem, request_id)
}

/// A problem as a page, with its status.
pub fn problem_page(_app: &App, problem: &Problem, request_id: &str) -> Response {
    if problem.code == ProblemCode::NotFound { not_found(request_id) } else { page(problem, request_id) }
}

fn page(problem: &Problem, request_id: &str) -> Response {
    let mut response = (problem.status(), document(problem, request_id)).into_response();
    let answer = response.headers_mut();
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = problem.retry_after {
        answer.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn document(problem: &Problem, request_id: &str) -> Markup {
    let code = problem.code;
    let internal = code == ProblemCode::Internal;
    let detail = sentence(if internal {
        "Something broke on our side. It has been recorded with the number below; nothing that was acknowledged is lost."
    } else {
        &problem.detail
    });
    let body = html! {
        header.site-header { div.wide.bar { (layout::brand()) } }
        main id="main" tabindex="-1" {
            div.narrow {
                p.eyebrow { (code.status()) }
                div.stack {
                    h1 { (code.title()) }
                    p.quiet { (detail) }
                    @if problem.errors.len() > 1 {
                        ul.stack {
                            @for error in problem.errors.iter().take(20) {
                                li { code { (error.pointer) } " " (error.message) }
                            }
                        }
                    }
                    p.row {
                        a.button href="/" { "Front page" }
                        a.button href="/dashboard" { "Dashboard" }
                    }
                    p.small.faint {
                        (icon("info")) " "
                        a href={ "/docs/problems/" (code.slug()) } { "About this problem" }
                        " · request " code { (request_id) }
                    }
                }
            }
        }
    };
    layout::document(code.title(), None, Theme::System, None, body)
}

/// API texts begin small and have no final stop.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let mut sentence: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    sentence.push_str(chars.as_str());
    if !sentence.ends_with(['.', '!', '?', '…']) {
        sentence.push('.');
    }
    sentence
}
