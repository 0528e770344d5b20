//! Pages that browsers and caches may keep: those that are the same for everybody, until something in them changes.
//!
//! A page bears a hash of itself. Who has it asks with that hash, and is told in a few bytes that it is still the one. Who is
//! signed in gets a page that only their browser may keep.

use std::fmt::Write as _;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use maud::Markup;
use sha2::{Digest, Sha256};

use super::View;

/// How long a cache may show a page without asking.
const FRESH: HeaderValue = HeaderValue::from_static("public, max-age=60");
const ASK_ALWAYS: HeaderValue = HeaderValue::from_static("private, no-cache");
/// What comes with the page also comes with the news that it is still the same; caches take it over.
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The page, or that the reader's is still the one.
pub(super) fn answer(page: Markup, view: &View) -> Response {
    let tag = tag(page.0.as_bytes());
    let known = view.known.as_deref().is_some_and(|known| holds(known, &tag));
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { page.into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HTML);
    headers.insert(header::CACHE_CONTROL, if view.reader.is_some() { ASK_ALWAYS } else { FRESH });
    // Colours and the name of the reader's button follow from cookies.
    headers.insert(header::VARY, HeaderValue::from_static("Cookie"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

pub(crate) fn tag(page: &[u8]) -> String {
    let mut tag = String::from("\"");
    for byte in Sha256::digest(page).iter().take(12) {
        // Writing to a String cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// Whether a list of `If-None-Match` has the tag, by the weak comparison (RFC 9110, section 13.1.2).
pub(crate) fn holds(list: &str, tag: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_tags_is_compared_weakly() {
        let rows = [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", W/\"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ];
        for (list, holding) in rows {
            assert_eq!(holds(list, "\"a\""), holding, "{list}");
        }
        assert_eq!(tag(b"x"), tag(b"x"));
        assert_ne!(tag(b"x"), tag(b"y"));
    }
}
