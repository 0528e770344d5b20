//! Bytes that were made once and are given to all who ask, with a tag, and small for those who take them so.

use std::sync::OnceLock;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::pages::{GZIP, Theme, gzipped, holds, tag, takes_gzip};

/// A second is what a snapshot lasts.
const BRIEFLY: HeaderValue = HeaderValue::from_static("public, max-age=1, must-revalidate");
const VARY: HeaderValue = HeaderValue::from_static("accept-encoding");
const VARY_WITH_COLOURS: HeaderValue = HeaderValue::from_static("accept-encoding, cookie");

/// What is told of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Page(Theme),
    Api,
    Summary,
    Status,
    Components,
    Incidents,
    Unresolved,
    Maintenances,
    Upcoming,
    Active,
    Atom,
    Calendar,
}

impl View {
    const COUNT: usize = 14;

    const fn place(self) -> usize {
        match self {
            View::Page(Theme::System) => 0,
            View::Page(Theme::Light) => 1,
            View::Page(Theme::Dark) => 2,
            View::Api => 3,
            View::Summary => 4,
            View::Status => 5,
            View::Components => 6,
            View::Incidents => 7,
            View::Unresolved => 8,
            View::Maintenances => 9,
            View::Upcoming => 10,
            View::Active => 11,
            View::Atom => 12,
            View::Calendar => 13,
        }
    }

    const fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            View::Page(_) => "text/html; charset=utf-8",
            View::Atom => "application/atom+xml; charset=utf-8",
            View::Calendar => "text/calendar; charset=utf-8",
            _ => "application/json",
        })
    }
}

/// What was made of a snapshot so far.
#[derive(Debug, Default)]
pub(super) struct Rendered([OnceLock<Kept>; View::COUNT]);

#[derive(Debug)]
struct Kept {
    plain: Bytes,
    small: OnceLock<Option<Bytes>>,
    tag: HeaderValue,
}

impl Rendered {
    /// The answer to one who asks. `make` is called for the first one.
    pub(super) fn answer(&self, view: View, asked: &HeaderMap, make: impl FnOnce() -> Vec<u8>) -> Response {
        let kept = self.0[view.place()].get_or_init(|| Kept::new(make()));
        let known = asked.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
        let mut response = if known.is_some_and(|known| holds(known, kept.bare_tag())) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            match kept.small().filter(|_| takes_gzip(asked)) {
                Some(small) => ([(header::CONTENT_ENCODING, GZIP)], small).into_response(),
                None => kept.plain.clone().into_response(),
            }
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, view.content_type());
        headers.insert(header::CACHE_CONTROL, BRIEFLY);
        headers.insert(header::ETAG, kept.tag.clone());
        headers.insert(header::VARY, if matches!(view, View::Page(_)) { VARY_WITH_COLOURS } else { VARY });
        if !matches!(view, View::Page(_)) {
            share(headers);
        }
        response
    }
}

/// What is for everybody may be shown by the pages of every site.
pub(super) fn share(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
}

impl Kept {
    fn new(plain: Vec<u8>) -> Self {
        // Weak: compressed or not, it is the same.
        let tag = HeaderValue::from_str(&format!("W/{}", tag(&plain)));
        Self {
            plain: plain.into(),
            small: OnceLock::new(),
            tag: tag.unwrap_or(HeaderValue::from_static("W/\"\"")),
        }
    }

    fn bare_tag(&self) -> &str {
        self.tag.to_str().unwrap_or_default().trim_start_matches("W/")
    }

    fn small(&self) -> Option<Bytes> {
        // Each is kept for a second only.
        self.small.get_or_init(|| gzipped(&self.plain, Compression::new(5))).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn it_is_made_once_and_known_again_by_its_tag() {
        let rendered = Rendered::default();
        let mut made = 0;
        let text = "x".repeat(5_000);
        let none = HeaderMap::new();
        let first = rendered.answer(View::Api, &none, || {
            made += 1;
            text.clone().into_bytes()
        });
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        let again = rendered.answer(View::Api, &asked(header::IF_NONE_MATCH, &tag), || unreachable!());
        assert_eq!((again.status(), made), (StatusCode::NOT_MODIFIED, 1));
        let small = rendered.answer(View::Api, &asked(header::ACCEPT_ENCODING, "gzip"), || unreachable!());
        assert_eq!(small.headers()[header::CONTENT_ENCODING], "gzip");
        assert_eq!(small.headers()[header::ETAG].to_str().unwrap(), tag);
        assert_eq!(
            rendered.answer(View::Page(Theme::Dark), &none, Vec::new).headers()["content-type"],
            "text/html; charset=utf-8"
        );
    }
}
