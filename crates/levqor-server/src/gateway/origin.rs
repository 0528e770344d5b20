//! Writes through a browser's session must come from our own pages.
//!
//! A cookie travels with every request to us, whoever wrote the page that sends it; a key in `Authorization` does not.
//! Browsers say where a request comes from: `Sec-Fetch-Site`, or `Origin` in older ones.
//!
//! Source: OWASP, "Cross-Site Request Forgery Prevention Cheat Sheet" (Fetch Metadata; verifying origin).

use http::{HeaderMap, Method, Uri, header, request::Parts};
use levqor_model::ProblemCode;

use super::{ActedBy, Actor};
use crate::{App, Problem};

/// # Errors
/// 403 for a write by session that another site, or nobody knows who, has sent.
pub(super) fn check(app: &App, parts: &Parts, actor: &Actor) -> Result<(), Problem> {
    let safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if safe || matches!(actor.by, ActedBy::Key(_)) || is_ours(&parts.headers, &app.settings.public_url) {
        return Ok(());
    }
    Err(Problem::new(
        ProblemCode::Forbidden,
        "a session may write only from pages of this site; programs send an API key as `Authorization: Bearer lvq_…`",
    ))
}

fn is_ours(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin";
    }
    let Some(origin) = text(header::ORIGIN) else { return false };
    if origin == public_url {
        return true;
    }
    let authority = origin.parse::<Uri>().ok().and_then(|uri| uri.authority().map(ToString::to_string));
    authority.is_some() && authority.as_deref() == text(header::HOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_write() {
        let rows: &[(&[(&'static str, &str)], bool)] = &[
            (&[], false),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://levqor.example")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("origin", "https://levqor.example")], true),
            (&[("origin", "https://evil.example"), ("host", "levqor.example")], false),
            (&[("origin", "http://10.0.0.7:8000"), ("host", "10.0.0.7:8000")], true),
            (&[("origin", "null"), ("host", "levqor.example")], false),
        ];
        for (headers, ours) in rows {
            let map: HeaderMap = headers
                .iter()
                .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            assert_eq!(is_ours(&map, "https://levqor.example"), *ours, "{headers:?}");
        }
    }
}
