//! What programs ask every site for: `security.txt`, `robots.txt`, `sitemap.xml`.

use std::fmt::Write as _;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderName, header};
use levqor_model::ProblemCode;
use maud::{PreEscaped, html};

use super::service::{self, NOT_FOR_ROBOTS, PLACES};
use crate::{App, features::docs::service::GUIDES};

/// An hour: nothing here changes faster.
const KEPT: (HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=3600");

fn text(body: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), KEPT], body).into_response()
}

pub(super) async fn security_txt(State(app): State<App>) -> Response {
    let settings = &app.settings;
    text(service::security_txt(&settings.site, &settings.public_url, app.now()))
}

pub(super) async fn robots_txt(State(app): State<App>) -> Response {
    let mut body = String::from("User-agent: *\n");
    for path in NOT_FOR_ROBOTS {
        // Writing to a String cannot fail.
        let _ = writeln!(body, "Disallow: {path}");
    }
    let _ = writeln!(body, "\nSitemap: {}/sitemap.xml", app.settings.public_url);
    text(body)
}

pub(super) async fn sitemap_xml(State(app): State<App>) -> Response {
    let public_url = &app.settings.public_url;
    let pages = PLACES.iter().map(ToString::to_string);
    let guides = GUIDES.iter().map(|guide| format!("/docs/{}", guide.slug));
    let problems = ProblemCode::ALL.iter().map(|code| format!("/docs/problems/{}", code.slug()));
    let undated = pages.chain(guides).chain(problems).map(|path| (path, None));
    let policies =
        app.policies.all().iter().map(|policy| (format!("/{}", policy.slug), Some(policy.updated)));
    let body = html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"))
        urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" {
            @for (path, updated) in undated.chain(policies) {
                url {
                    loc { (public_url) (path) }
                    @if let Some(day) = updated { lastmod { (day) } }
                }
            }
        }
    };
    ([(header::CONTENT_TYPE, "application/xml; charset=utf-8"), KEPT], body.into_string()).into_response()
}
