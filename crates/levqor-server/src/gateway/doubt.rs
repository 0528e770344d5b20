//! Requests that can be read in two ways: refused, with the end of their connection.
//!
//! Who stands in front may have read them the other way, and what is left of one would be taken for the next.

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Version, header, uri::Authority};
use levqor_model::ProblemCode;

use crate::Problem;

/// In a request's extensions: why it is in doubt.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Doubt {
    /// Where it ends.
    Framing,
    /// Which host it is for.
    Host,
}

impl Doubt {
    /// Whether a request names its host once, and the same one in its target (RFC 9112, section 3.2).
    pub(crate) fn about_host<B>(request: &http::Request<B>) -> Option<Self> {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let (first, second) = (hosts.next(), hosts.next());
        let Some(host) = first else {
            return (request.version() >= Version::HTTP_11).then_some(Doubt::Host);
        };
        let named = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        let is_host = named.as_ref().is_some_and(|named| !named.as_str().contains('@'));
        let in_target = request.uri().authority();
        let agrees = in_target
            .is_none_or(|target| named.as_ref().is_some_and(|named| named.as_str() == target.as_str()));
        (second.is_some() || !is_host || !agrees).then_some(Doubt::Host)
    }

    fn words(self) -> &'static str {
        match self {
            Doubt::Framing => {
                "the request's end can be read in two ways; send one Content-Length or one Transfer-Encoding: chunked, \
                 lines that end in CR LF, and no folded header lines"
            }
            Doubt::Host => {
                "the request must name its host in one Host header, and the same one in its target if there is one"
            }
        }
    }
}

pub(super) async fn refuse(request: Request, next: Next) -> Response {
    let Some(doubt) = request.extensions().get::<Doubt>().copied() else { return next.run(request).await };
    let mut response = Problem::new(ProblemCode::BadRequest, doubt.words()).into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_once() {
        let rows: &[(&str, &[&str], bool)] = &[
            ("/", &["a.example"], true),
            ("/", &["a.example:8000"], true),
            ("/", &["[::1]:8000"], true),
            ("/", &[], false),
            ("/", &["a", "a"], false),
            ("/", &["a", "b"], false),
            ("/", &[""], false),
            ("/", &["a b"], false),
            ("/", &["user@a"], false),
            ("/", &["a/b"], false),
            ("http://a.example/", &["a.example"], true),
            ("http://b.example/", &["a.example"], false),
        ];
        for (target, hosts, good) in rows {
            let mut request = http::Request::builder().uri(*target);
            for host in *hosts {
                request = request.header(header::HOST, *host);
            }
            let doubt = Doubt::about_host(&request.body(()).unwrap());
            assert_eq!(doubt.is_none(), *good, "{target} {hosts:?}");
        }
        let old = http::Request::builder().version(Version::HTTP_10).uri("/").body(()).unwrap();
        assert!(Doubt::about_host(&old).is_none(), "HTTP/1.0 knew no Host");
    }
}
