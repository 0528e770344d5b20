//! What the next hop of a redirect is.
//!
//! Source: RFC 9110 §15.4 and the Fetch standard, "HTTP-redirect fetch".

use reqwest::{
    Method, StatusCode,
    header::{
        AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, COOKIE, HeaderMap,
        PROXY_AUTHORIZATION,
    },
};
use url::Url;

/// Changes the request to what `status` asks for; true when the body goes too.
pub(super) fn follow(
    status: StatusCode,
    source: &Url,
    target: &Url,
    method: &mut Method,
    headers: &mut HeaderMap,
) -> bool {
    let becomes_get = match status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => *method == Method::POST,
        StatusCode::SEE_OTHER => *method != Method::GET && *method != Method::HEAD,
        _ => false,
    };
    if becomes_get {
        *method = Method::GET;
        for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE] {
            headers.remove(name);
        }
    }
    if source.origin() != target.origin() {
        // What was meant for one origin must not reach another.
        for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
            headers.remove(name);
        }
    }
    !becomes_get
}

/// Whether `status` is a redirect that has a next hop.
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_headers_follow_the_rules() {
        // Status, method, does the origin change → method, body kept, authorization kept.
        let rows = [
            (301, "POST", false, "GET", false, true),
            (302, "POST", true, "GET", false, false),
            (301, "PUT", false, "PUT", true, true),
            (302, "DELETE", false, "DELETE", true, true),
            (303, "PUT", false, "GET", false, true),
            (303, "HEAD", false, "HEAD", true, true),
            (307, "POST", false, "POST", true, true),
            (308, "POST", true, "POST", true, false),
        ];
        for (status, method, elsewhere, next, body, authorization) in rows {
            let source = Url::parse("https://a.example/x").unwrap();
            let target =
                Url::parse(if elsewhere { "https://a.example:444/y" } else { "https://a.example/y" })
                    .unwrap();
            let mut method: Method = method.parse().unwrap();
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, "Bearer x".parse().unwrap());
            headers.insert(CONTENT_TYPE, "application/json".parse().unwrap());
            let status = StatusCode::from_u16(status).unwrap();
            let kept = follow(status, &source, &target, &mut method, &mut headers);
            assert_eq!((method.as_str(), kept), (next, body), "{status}");
            assert_eq!(headers.contains_key(AUTHORIZATION), authorization, "{status}");
            assert_eq!(headers.contains_key(CONTENT_TYPE), body, "{status}");
        }
    }
}
