//! What a form sends, and whether this site sent it.

use axum::{
    Form,
    extract::{FromRequest, Request, rejection::FormRejection},
};
use http::{HeaderMap, header};
use levqor_model::ProblemCode;
use serde::de::DeserializeOwned;

use crate::{App, Problem};

/// A form's fields. What does not fit is a problem, so that a browser gets a page about it.
#[derive(Debug, Clone, Copy)]
pub struct FormData<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for FormData<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        match Form::<T>::from_request(request, app).await {
            Ok(Form(fields)) => Ok(FormData(fields)),
            Err(FormRejection::InvalidFormContentType(_)) => Err(Problem::new(
                ProblemCode::UnsupportedMediaType,
                "this address takes what its form sends; programs use the API, see /docs/api",
            )),
            Err(rejection) => Err(Problem::new(ProblemCode::BadRequest, rejection.body_text())),
        }
    }
}

/// Whether a form without a session was sent from a page of this site, as far as the browser says.
///
/// Forms with a session carry a CSRF token instead.
pub fn from_this_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    match (text(header::ORIGIN.as_str()), text(header::HOST.as_str())) {
        // A program that is no browser has no cookies to abuse.
        (None, _) => true,
        (Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, authority)| authority == host)
        }
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_sites_are_known_by_what_browsers_say() {
        let rows: &[(&[(&'static str, &str)], bool)] = &[
            (&[], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (
                &[("sec-fetch-site", "same-site"), ("origin", "https://a.example"), ("host", "a.example")],
                false,
            ),
            (&[("origin", "https://a.example"), ("host", "a.example")], true),
            (&[("origin", "https://b.example"), ("host", "a.example")], false),
            (&[("origin", "null"), ("host", "a.example")], false),
            (&[("origin", "https://a.example")], false),
        ];
        for (headers, own) in rows {
            let map = headers
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            assert_eq!(from_this_site(&map), *own, "{headers:?}");
        }
    }
}
