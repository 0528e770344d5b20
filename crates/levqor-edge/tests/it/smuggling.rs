use levqor_edge::metrics::Count;

use crate::{origin::Origin, world::World};

/// Each begins like an honest request and carries a second one that must never be seen.
const ATTACKS: &[(&str, &str)] = &[
    (
        "both framings",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nG",
    ),
    (
        "both, turned",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 40\r\n\r\n0\r\n\r\nGET /secret HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "two lengths",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ncontent-length: 38\r\n\r\nGET /secret HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "the same length twice",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx",
    ),
    ("a list of lengths", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 1\r\n\r\nx"),
    ("a folded line", "POST / HTTP/1.1\r\nhost: a\r\nx: y\r\n content-length: 5\r\n\r\nhello"),
    ("an unknown coding", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("a disguised coding", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (
        "a space before the colon",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    ),
    ("bare line feeds", "POST / HTTP/1.1\r\nhost: a\r\nx: 1\ncontent-length: 5\r\n\r\nhello"),
    ("a bad chunk", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
    (
        "a signed chunk",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n",
    ),
    ("coding in HTTP/1.0", "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("two hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"),
    ("no host", "GET / HTTP/1.1\r\n\r\n"),
    ("a host and another target", "GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n"),
];

#[tokio::test]
async fn requests_that_can_be_read_in_two_ways_are_refused_and_the_connection_ends() {
    let origin = Origin::start("eu").await;
    let world = World::before(&[&origin]).await;
    for (what, text) in ATTACKS {
        let answer = world.raw(text).await;
        assert!(answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.0 400"), "{what}: {answer}");
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{what}: one answer, then the end: {answer}");
    }
    let reached: Vec<_> = origin.seen().iter().map(|seen| seen.target.clone()).collect();
    assert!(reached.is_empty(), "{reached:?}");
    // The others are refused by the HTTP library before the edge sees them as requests.
    assert!(world.edge.stats().of(Count::AmbiguousRequests) >= 4);
}

#[tokio::test]
async fn honest_requests_one_after_the_other_are_not_taken_for_attacks() {
    let origin = Origin::start("eu").await;
    let world = World::before(&[&origin]).await;
    let answer = world
        .raw(
            "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 27\r\n\r\ntransfer-encoding: chunked\n\
             POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3;x=y\r\ntwo\r\n0\r\n\r\n\
             GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        )
        .await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3, "{answer}");
    assert!(answer.contains("onetwo"), "{answer}");
}

/// The edge grants no tunnel to these, so what follows them is looked at as before.
#[tokio::test]
async fn a_wish_for_another_protocol_hides_nothing() {
    let origin = Origin::start("eu").await;
    let world = World::before(&[&origin]).await;
    let (_, attack) = ATTACKS[1];
    for wish in [
        "GET / HTTP/1.1\r\nhost: a\r\nupgrade: x\r\n\r\n",
        "GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive, upgrade\r\nupgrade: x\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\ncontent-length: 2\r\n\r\nhi",
        // One that could be granted, refused by the edge itself: the connection ends.
        "GET /edge/none HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    ] {
        world.raw(&format!("{wish}{attack}")).await;
    }
    assert!(origin.seen().iter().all(|seen| seen.target != "/secret"));
    // As Java's client sends it without TLS.
    let java = "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n\
                http2-settings: AAEAAEAAAAIAAAAB\r\ncontent-length: 2\r\n\r\nhi\
                GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = world.raw(java).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    assert!(origin.seen().iter().all(|seen| !seen.headers.contains_key("upgrade")));
}

#[tokio::test]
async fn what_the_origin_gets_has_one_plain_framing() {
    let origin = Origin::start("eu").await;
    let world = World::before(&[&origin]).await;
    world
        .raw(
            "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close, content-length\r\ncontent-length: 2\r\n\
             te: trailers\r\nkeep-alive: 5\r\nexpect: 100-continue\r\n\r\nhi",
        )
        .await;
    let seen = &origin.seen()[0];
    assert_eq!((&seen.body[..], seen.headers["content-length"].to_str().unwrap()), (&b"hi"[..], "2"));
    for name in ["connection", "te", "keep-alive", "transfer-encoding", "expect"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
}
