//! Bytes that hide one request in another, over real sockets.

use http::StatusCode;

use crate::{
    serve::{serve, talk},
    support::TestApp,
};

/// Each begins like an honest request and carries something that must not be served. `{}` is a second request.
const ATTACKS: &[(&str, &str)] = &[
    (
        "both framings",
        "POST /api/events HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{}",
    ),
    (
        "both, turned",
        "POST /api/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 40\r\n\r\n0\r\n\r\n{}",
    ),
    (
        "two lengths",
        "POST /api/events HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\n{}",
    ),
    (
        "the same length twice",
        "POST /api/events HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx{}",
    ),
    ("a list of lengths", "POST /api/events HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx{}"),
    ("a signed length", "POST /api/events HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx{}"),
    ("a negative length", "POST /api/events HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n{}"),
    ("a length in hexadecimal", "POST /api/events HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx{}"),
    ("a length without digits", "POST /api/events HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n{}"),
    (
        "a length beyond counting",
        "POST /api/events HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    ),
    ("a folded line", "POST /api/events HTTP/1.1\r\nHost: a\r\nX: y\r\n Content-Length: 5\r\n\r\nhello{}"),
    (
        "a folded coding",
        "POST /api/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\tchunked\r\n\r\n0\r\n\r\n{}",
    ),
    (
        "an unknown coding",
        "POST /api/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{}",
    ),
    (
        "a disguised coding",
        "POST /api/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{}",
    ),
    (
        "two codings",
        "POST /api/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{}",
    ),
    (
        "a space before the colon",
        "POST /api/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n{}",
    ),
    ("a space before the name", "POST /api/events HTTP/1.1\r\n Host: a\r\n\r\n{}"),
    ("bare line feeds", "POST /api/events HTTP/1.1\r\nHost: a\r\nX: 1\nContent-Length: 5\r\n\r\nhello{}"),
    ("only line feeds", "GET /api/plans HTTP/1.1\nHost: a\n\n{}"),
    ("a bare carriage return", "GET /api/plans HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n\r\n{}"),
    ("a zero byte", "GET /api/plans HTTP/1.1\r\nHost: a\r\nX: 1\x002\r\n\r\n{}"),
    ("a bad chunk", "POST /api/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"),
    (
        "a signed chunk",
        "POST /api/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n{}",
    ),
    (
        "a chunk of 2^64",
        "POST /api/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n{}",
    ),
    (
        "a line feed in a chunk's line",
        "POST /api/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n{}",
    ),
    (
        "chunks in HTTP/1.0",
        "POST /api/events HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{}",
    ),
    ("two hosts", "GET /api/plans HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{}"),
    ("no host", "GET /api/plans HTTP/1.1\r\n\r\n{}"),
    ("an empty host", "GET /api/plans HTTP/1.1\r\nHost:\r\n\r\n{}"),
    ("a host that is none", "GET /api/plans HTTP/1.1\r\nHost: a/b\r\n\r\n{}"),
    ("a host and another target", "GET http://b/api/plans HTTP/1.1\r\nHost: a\r\n\r\n{}"),
    ("a line break in the target", "GET /api/plans\r\n/x HTTP/1.1\r\nHost: a\r\n\r\n{}"),
    ("a space in the target", "GET /api/pl ans HTTP/1.1\r\nHost: a\r\n\r\n{}"),
    ("a name that is none", "GET /api/plans HTTP/1.1\r\nHost: a\r\nX(y): 1\r\n\r\n{}"),
    ("a header without a colon", "GET /api/plans HTTP/1.1\r\nHost: a\r\nX\r\n\r\n{}"),
    ("another protocol", "GET /api/plans HTTP/3.7\r\nHost: a\r\n\r\n{}"),
    ("an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{}"),
];

const SECOND: &str = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn requests_that_can_be_read_in_two_ways_are_refused_and_nothing_behind_them_is_served() {
    let test = TestApp::new().await;
    let served = serve(&test).await;
    for (what, text) in ATTACKS {
        let answer = talk(served.address, &text.replace("{}", SECOND)).await;
        // Some are so odd that the connection ends without a word.
        let refused =
            answer.is_empty() || answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.0 400");
        assert!(refused, "{what}: {answer}");
        assert!(answer.matches("HTTP/1.").count() <= 1, "{what}: one answer, then the end: {answer}");
        assert!(!answer.contains("uptime_seconds"), "{what}: the second request was served: {answer}");
    }
    served.stopped().await;
}

#[tokio::test]
async fn a_refusal_says_what_was_wrong() {
    let test = TestApp::new().await;
    let served = serve(&test).await;
    for (text, part) in [
        (
            "POST /api/events HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "read in two ways",
        ),
        ("GET /api/plans HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "one Host header"),
    ] {
        let answer = talk(served.address, text).await;
        assert!(answer.contains("application/problem+json") && answer.contains(part), "{answer}");
        assert!(answer.contains("connection: close") && answer.contains("x-request-id: req_"), "{answer}");
    }
    served.stopped().await;
}

/// A node grants no other protocol: a request that asks for one is an ordinary one, and what follows it is looked at as before.
#[tokio::test]
async fn a_wish_for_another_protocol_hides_nothing() {
    let test = TestApp::new().await;
    let served = serve(&test).await;
    let key = &test.keys.editor;
    // As Java's client sends it without TLS.
    let java = format!(
        "POST /api/workflows/validate HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
         Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n\
         Content-Length: 37\r\n\r\n{{\"definition\":\"transfer-encoding: 1\"}}"
    );
    let last = "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = talk(served.address, &format!("{java}{last}")).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    let attack = "POST /api/events HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    for wish in [
        java.as_str(),
        "GET /api/plans HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n",
        "GET /api/plans HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
    ] {
        let answer = talk(served.address, &format!("{wish}{attack}{last}")).await;
        assert!(answer.contains("HTTP/1.1 400"), "{wish}: {answer}");
        assert!(!answer.contains("uptime_seconds"), "{wish}: {answer}");
    }
    served.stopped().await;
}

#[tokio::test]
async fn honest_requests_one_after_the_other_are_not_taken_for_attacks() {
    let test = TestApp::new().await;
    let served = serve(&test).await;
    let key = &test.keys.editor;
    let text = format!(
        "POST /api/workflows/validate HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
         Content-Length: 37\r\n\r\n{{\"definition\":\"transfer-encoding: 1\"}}\
         POST /api/workflows/validate HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n8\r\n{{\"defini\r\na;x=y\r\ntion\":\"1\"}}\r\n0\r\nTrailer: 1\r\n\r\n\
         GET http://a/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    );
    let answer = talk(served.address, &text).await;
    let ok = format!("HTTP/1.1 {}", StatusCode::OK);
    assert_eq!(answer.matches(&ok).count(), 3, "{answer}");
    assert!(answer.contains("uptime_seconds"), "{answer}");
    served.stopped().await;
}
