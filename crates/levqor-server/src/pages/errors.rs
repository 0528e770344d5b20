//! Errors as people read them: the same problems as the API's, on a page that depends on nothing.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use levqor_model::ProblemCode;
use maud::{Markup, html};

use super::{
    Theme,
    components::{code::with_code, icon::icon},
    head::{self, Head},
    layout,
};
use crate::Problem;

/// The page for an address that leads nowhere.
pub fn not_found(headers: &HeaderMap, request_id: Option<&str>) -> Response {
    let problem =
        Problem::new(ProblemCode::NotFound, "the address may be mistyped, or what was here has been deleted");
    page(&problem, headers, request_id)
}

/// A problem as a page, with its status. `headers` are the request's: the reader's colours are in a cookie there.
pub fn problem_page(problem: &Problem, headers: &HeaderMap, request_id: Option<&str>) -> Response {
    match problem.code {
        ProblemCode::NotFound => not_found(headers, request_id),
        _ => page(problem, headers, request_id),
    }
}

fn page(problem: &Problem, headers: &HeaderMap, request_id: Option<&str>) -> Response {
    let mut response = (problem.status(), shown(problem, Theme::of(headers), request_id)).into_response();
    let answer = response.headers_mut();
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = problem.retry_after {
        answer.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn shown(problem: &Problem, theme: Theme, request_id: Option<&str>) -> Markup {
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
                    p.quiet { (with_code(&detail)) }
                    @if problem.errors.len() > 1 {
                        ul.stack {
                            @for error in problem.errors.iter().take(20) {
                                li { code { (error.pointer) } " " (with_code(&error.message)) }
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
                        @if let Some(id) = request_id { " · request " code { (id) } }
                    }
                }
            }
        }
    };
    let head = Head { title: code.title(), description: None, address: None, refresh: None };
    head::document(head, theme, &body)
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
