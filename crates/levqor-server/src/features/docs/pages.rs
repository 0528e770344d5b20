//! `/docs` and what is below.

use std::{collections::HashMap, sync::LazyLock};

use axum::{
    extract::{Path, State},
    response::Response,
};
use levqor_model::ProblemCode;
use maud::{Markup, PreEscaped, html};

use super::{
    reference,
    service::{GUIDES, Guide, problem_page},
};
use crate::{
    App, Problem,
    pages::{
        Page, Section, View,
        components::icon::icon,
        markdown::{self, Rendered},
    },
};

/// The guides, rendered once.
static RENDERED: LazyLock<HashMap<&'static str, Rendered>> = LazyLock::new(|| {
    GUIDES.iter().map(|guide| (guide.slug, markdown::render(guide.markdown, "/docs/"))).collect()
});

/// Which entry of the side bar is the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Here<'a> {
    Index,
    Guide(&'a str),
    Api,
    Problems,
    Problem(ProblemCode),
}

impl Here<'_> {
    fn path(self) -> String {
        match self {
            Here::Index => "/docs".to_owned(),
            Here::Guide(slug) => format!("/docs/{slug}"),
            Here::Api => "/docs/api".to_owned(),
            Here::Problems => "/docs/problems".to_owned(),
            Here::Problem(code) => format!("/docs/problems/{}", code.slug()),
        }
    }

    fn description(self) -> String {
        match self {
            Here::Index => {
                "Guides and reference for everything that is in this version of Levqor.".to_owned()
            }
            Here::Guide(slug) => GUIDES.iter().find(|guide| guide.slug == slug).map(lead).unwrap_or_default(),
            Here::Api => {
                "Every operation of Levqor's API with its parameters, bodies and answers.".to_owned()
            }
            Here::Problems => "Every way in which Levqor's API says no, and what to do then.".to_owned(),
            Here::Problem(code) => format!("{}: what happened, and what to do.", code.title()),
        }
    }
}

pub(super) async fn index(view: View) -> Response {
    let body = html! {
        div.prose {
            h1 { "Documentation" }
            p { "Everything that is in this version of Levqor, and nothing that is not." }
        }
        br;
        div.grid.two {
            @for guide in GUIDES {
                section.card {
                    div.body {
                        h2 { a href={ "/docs/" (guide.slug) } { (guide.title()) } }
                        p.quiet { (lead(guide)) }
                    }
                }
            }
            section.card { div.body { h2 { a href="/docs/api" { "API reference" } } p.quiet { "Every operation with its parameters, bodies and answers, made from the server's own OpenAPI document." } } }
            section.card { div.body { h2 { a href="/docs/problems" { "Problems" } } p.quiet { "Every way in which the API says no, and what to do then." } } }
        }
    };
    page("Documentation", Here::Index, body, &view)
}

pub(super) async fn guide(view: View, Path(slug): Path<String>) -> Result<Response, Problem> {
    let guide = GUIDES
        .iter()
        .find(|guide| guide.slug == slug)
        .ok_or_else(|| Problem::not_found("there is no such guide; /docs lists all of them"))?;
    let html = RENDERED.get(guide.slug).map(|rendered| rendered.html.as_str()).unwrap_or_default();
    let place = GUIDES.iter().position(|other| other.slug == guide.slug);
    let next = place.and_then(|place| GUIDES.get(place + 1));
    let body = html! {
        // Cleaned by `markdown::render`.
        article.prose { (PreEscaped(html)) }
        @if let Some(next) = next {
            p.next { a.button href={ "/docs/" (next.slug) } { "Next: " (next.title()) (icon("arrow")) } }
        }
    };
    Ok(page(guide.title(), Here::Guide(guide.slug), body, &view))
}

pub(super) async fn problems(view: View) -> Response {
    let body = html! {
        div.prose {
            h1 { "Problems" }
            p { "Errors are problem documents (RFC 9457). Their " code { "type" } " leads to one of these pages." }
            table {
                thead { tr { th scope="col" { "Status" } th scope="col" { "Problem" } } }
                tbody {
                    @for code in ProblemCode::ALL {
                        tr {
                            td.nums { (code.status()) }
                            td { a href={ "/docs/problems/" (code.slug()) } { (code.title()) } br; code { (code.slug()) } }
                        }
                    }
                }
            }
        }
    };
    page("Problems", Here::Problems, body, &view)
}

pub(super) async fn problem(view: View, Path(slug): Path<String>) -> Result<Response, Problem> {
    let code = ProblemCode::ALL.iter().find(|code| code.slug() == slug).ok_or_else(|| {
        Problem::not_found("there is no problem of that name; /docs/problems lists all of them")
    })?;
    let rendered = markdown::render(problem_page(*code), "/docs/problems/");
    let body = html! {
        // Cleaned by `markdown::render`.
        article.prose { (PreEscaped(&rendered.html)) }
        p.next { a.button href="/docs/problems" { "All problems" } }
    };
    Ok(page(code.title(), Here::Problem(*code), body, &view))
}

pub(super) async fn api(State(app): State<App>, view: View) -> Result<Response, Problem> {
    let reference = reference::body(&app).await?;
    let body = html! {
        div.prose {
            h1 { "API reference" }
            p {
                "Made from " a href="/openapi.json" { "/openapi.json" } " of this server. Send your key as "
                code { "Authorization: Bearer lvq_…" } "; make one under " a href="/dashboard/keys" { "API keys" } "."
            }
        }
        // Markup of ours, which was escaped when it was made.
        (PreEscaped(&reference))
    };
    Ok(page("API reference", Here::Api, body, &view))
}

/// The first sentence or two of a guide.
fn lead(guide: &Guide) -> String {
    let paragraph = guide
        .markdown
        .split("\n\n")
        .map(str::trim)
        .find(|part| !part.is_empty() && !part.starts_with(['#', '`', '-', '|', '<']))
        .unwrap_or_default();
    let text = paragraph.split_whitespace().collect::<Vec<_>>().join(" ").replace(['`', '*'], "");
    match text.char_indices().nth(180) {
        Some((end, _)) => format!("{}…", text[..end].rsplit_once(' ').map_or(&text[..end], |(kept, _)| kept)),
        None => text,
    }
}

fn page(title: &str, here: Here<'_>, content: Markup, view: &View) -> Response {
    // A problem has no entry of its own.
    let marked = if matches!(here, Here::Problem(_)) { Here::Problems } else { here };
    let current = |entry: Here<'_>| (entry == marked).then_some("page");
    let headings = match here {
        Here::Guide(slug) => {
            RENDERED.get(slug).map(|rendered| rendered.headings.as_slice()).unwrap_or_default()
        }
        Here::Index | Here::Api | Here::Problems | Here::Problem(_) => &[],
    };
    let body = html! {
        div.wide {
            div.docs {
                nav aria-label="Documentation" {
                    div {
                        h2 { "Guides" }
                        ul {
                            @for guide in GUIDES {
                                li {
                                    a href={ "/docs/" (guide.slug) } aria-current=[current(Here::Guide(guide.slug))] { (guide.title()) }
                                    @if here == Here::Guide(guide.slug) {
                                        ul.inner { @for (anchor, text) in headings { li { a href={ "#" (anchor) } { (text) } } } }
                                    }
                                }
                            }
                        }
                        h2 { "Reference" }
                        ul {
                            li { a href="/docs/api" aria-current=[current(Here::Api)] { "API" } }
                            li { a href="/docs/problems" aria-current=[current(Here::Problems)] { "Problems" } }
                        }
                    }
                }
                div { (content) }
            }
        }
    };
    Page::new(title, Section::Docs, body).describe(here.description()).at(here.path()).answer(view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guide_has_a_lead_and_a_page() {
        for guide in GUIDES {
            assert!(!lead(guide).is_empty(), "{}", guide.slug);
            assert!(RENDERED[guide.slug].html.contains("<h1"), "{}", guide.slug);
        }
    }
}
