//! What a request asks for, checked before anything is done: its host, its path, its form.

use http::{Method, Request, Uri, header};
use levqor_model::ProblemCode;

use crate::problem::Problem;

/// The host of a request, once as written and once as routes know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// With its port, for the origin.
    pub written: String,
    /// In lower case, without port and final dot.
    pub name: String,
}

/// Finds the one host that a request is for.
///
/// # Errors
/// When it names none, several, or something that is no host.
pub fn host<B>(request: &Request<B>) -> Result<Host, Problem> {
    let bad = |detail: &str| Problem::new(ProblemCode::BadRequest, detail).and_close();
    if request.method() == Method::CONNECT {
        return Err(Problem::new(ProblemCode::MethodNotAllowed, "CONNECT is not served here").and_close());
    }
    if request.uri().path_and_query().is_none_or(|target| !target.as_str().starts_with('/')) {
        return Err(bad("the request's target must be a path"));
    }
    let mut lines = request.headers().get_all(header::HOST).iter();
    let line = lines.next().map(|value| value.to_str().unwrap_or("\u{fffd}"));
    if lines.next().is_some() {
        return Err(bad("the Host header must occur once"));
    }
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let written = match (authority, line) {
        (Some(authority), Some(line)) if !authority.eq_ignore_ascii_case(line) => {
            return Err(bad("the Host header and the request's target name different hosts"));
        }
        (Some(written), _) | (None, Some(written)) => written,
        (None, None) => return Err(bad("the request names no host; send a Host header")),
    };
    let name = name(written)
        .ok_or_else(|| bad("the host is not one; send a name or an address, with a port if need be"))?;
    Ok(Host { written: written.to_owned(), name })
}

fn name(written: &str) -> Option<String> {
    let (bare, port) = match written.rsplit_once(':') {
        Some((bare, port)) if !port.contains(']') => (bare, port),
        _ => (written, ""),
    };
    let good_port = port.is_empty() || (port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()));
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    let inner = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let good = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            (1..=253).contains(&bare.len())
                && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        }
    };
    (good && good_port).then(|| bare.to_ascii_lowercase())
}

/// The target that the origin sees: the path and query as the client wrote them.
pub fn target(uri: &Uri) -> Uri {
    uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, uri: &str, hosts: &[&str]) -> Result<(String, String), String> {
        let mut request = Request::builder().method(method).uri(uri);
        for line in hosts {
            request = request.header("host", *line);
        }
        host(&request.body(()).unwrap())
            .map(|host| (host.written, host.name))
            .map_err(|problem| problem.detail)
    }

    #[test]
    fn a_request_is_for_one_host() {
        let ok = |written: &str, name: &str| Ok((written.to_owned(), name.to_owned()));
        for (uri, hosts, expected) in [
            ("/", &["API.example.com"][..], ok("API.example.com", "api.example.com")),
            ("/", &["api.example.com.:8080"], ok("api.example.com.:8080", "api.example.com")),
            ("/", &["[::1]:80"], ok("[::1]:80", "[::1]")),
            ("/", &["127.0.0.1:1"], ok("127.0.0.1:1", "127.0.0.1")),
            ("http://a.example/x", &["a.example"], ok("a.example", "a.example")),
            ("http://a.example/x", &[], ok("a.example", "a.example")),
        ] {
            assert_eq!(found("GET", uri, hosts), expected, "{uri} {hosts:?}");
        }
        for (method, uri, hosts, words) in [
            ("GET", "/", &[][..], "names no host"),
            ("GET", "/", &["a", "a"], "must occur once"),
            ("GET", "http://a/x", &["b"], "different hosts"),
            ("GET", "/", &[""], "not one"),
            ("GET", "/", &["a/b"], "not one"),
            ("GET", "/", &["u@a"], "not one"),
            ("GET", "/", &["a:b"], "not one"),
            ("GET", "/", &["a b"], "not one"),
            ("GET", "http://u@a/", &[], "not one"),
            ("OPTIONS", "*", &["a"], "must be a path"),
            ("CONNECT", "a:443", &["a:443"], "CONNECT"),
        ] {
            let problem = found(method, uri, hosts).unwrap_err();
            assert!(problem.contains(words), "{method} {uri} {hosts:?}: {problem}");
        }
    }
}
