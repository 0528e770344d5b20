//! Headers that every answer has.
//!
//! Sources: OWASP, "HTTP Headers Cheat Sheet"; ASVS 5, chapter V3.4.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{HOST_SESSION_COOKIE, SESSION_COOKIE};
use crate::App;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REGION: HeaderName = HeaderName::from_static("x-levqor-region");

/// Pages load scripts, styles and pictures from here only, send forms here only, and stand in nobody's frame.
const CSP_PAGE: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);
/// Data is not a page: shown as one, it may do nothing.
const CSP_DATA: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// No page of ours asks the browser for any of these.
const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), \
     microphone=(), midi=(), payment=(), publickey-credentials-get=(), usb=()",
);
/// A year, for the host and what is below it.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What is known of a request when its answer leaves.
pub(super) struct Answered<'a> {
    pub(super) id: &'a str,
    pub(super) is_api: bool,
    pub(super) with_credentials: bool,
}

/// Whether a request says who it is, truly or not.
pub(super) fn has_credentials(headers: &HeaderMap) -> bool {
    let is_ours = |pair: &str| {
        pair.split_once('=')
            .is_some_and(|(name, _)| [SESSION_COOKIE, HOST_SESSION_COOKIE].contains(&name.trim()))
    };
    let is_session = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.split(';').any(is_ours));
    headers.contains_key(header::AUTHORIZATION) || headers.get_all(header::COOKIE).iter().any(is_session)
}

/// A handler's own word stays, except on who answered.
pub(super) fn add(app: &App, answered: &Answered<'_>, headers: &mut HeaderMap) {
    for (name, text) in [(REQUEST_ID, answered.id), (REGION, app.region.code.as_str())] {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    }
    let is_page =
        headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    let mut default = |name, value| {
        headers.entry(name).or_insert(value);
    };
    default(header::CONTENT_SECURITY_POLICY, if is_page { CSP_PAGE } else { CSP_DATA });
    default(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Other sites learn nothing of our addresses, some of which hold tokens.
    default(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    // For browsers that know no `frame-ancestors`.
    default(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    default(HeaderName::from_static("permissions-policy"), PERMISSIONS);
    default(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    // No other site shows what is ours. Pages that may read the API are let in by CORS, which this does not touch.
    default(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    if app.settings.public_url.starts_with("https:") {
        default(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    // What was made for somebody is kept by nobody.
    if answered.is_api || answered.with_credentials {
        default(header::CACHE_CONTROL, NO_STORE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_a_key_or_a_session() {
        let rows = [
            ("authorization", "Bearer x", true),
            ("cookie", "theme=dark; levqor_session=abc", true),
            ("cookie", "__Host-levqor_session=abc", true),
            ("cookie", "theme=dark", false),
            ("x-api-key", "1", false),
        ];
        for (name, value, expected) in rows {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(has_credentials(&headers), expected, "{name}: {value}");
        }
    }
}
