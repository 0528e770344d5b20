//! Calls as callees and workflow authors see them: bodies, outputs, redirects, refused addresses, bad callees.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use levqor_engine::egress::{Client, Policy};
use levqor_flow::{
    definition::HttpOutput,
    machine::{FlowError, HttpRequest, Outcome},
};
use levqor_testkit::{HttpStub, Reply, Route};
use serde_json::{Value, json};

fn get(uri: &str) -> HttpRequest {
    HttpRequest {
        key: "run_1/do/0/x/0".to_owned(),
        method: "GET".to_owned(),
        uri: uri.to_owned(),
        credentials: None,
        headers: Vec::new(),
        query: Vec::new(),
        body: None,
        output: HttpOutput::Content,
        redirect: false,
    }
}

fn local() -> Policy {
    Policy { allow: vec!["127.0.0.1".parse().unwrap()], ..Policy::default() }
}

fn client(policy: Policy) -> Client {
    Client::new(policy, "1.2.3")
}

fn output(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Output(value) => value,
        Outcome::Failed { error, .. } => panic!("{error:?}"),
    }
}

fn failure(outcome: Outcome) -> (FlowError, bool) {
    match outcome {
        Outcome::Output(value) => panic!("{value}"),
        Outcome::Failed { error, answered } => (error, answered),
    }
}

/// Kind, title and detail of the error, and whether the callee answered.
async fn fails(policy: Policy, call: HttpRequest) -> (String, String, String, bool) {
    let (error, answered) = failure(client(policy).call(&call).await);
    let kind = error.kind.rsplit('/').next().unwrap().to_owned();
    (kind, error.title.unwrap(), error.detail.unwrap(), answered)
}

#[tokio::test]
async fn refused_addresses_are_refused_in_every_spelling() {
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "0",
        "0.0.0.0",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "１２７.０.０.１",
        "10.0.0.1",
        "10.1",
        "172.16.0.1",
        "192.168.1.1",
        "0xc0a80101",
        "100.64.0.1",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::169.254.169.254]",
        "[2002:7f00:1::]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[fc00::1]",
        "[ff02::1]",
        "[2001:db8::1]",
        "localhost",
        "LOCALHOST",
    ];
    let client = client(Policy::default());
    for host in hosts {
        for uri in [format!("http://{host}/"), format!("http://user:pass@{host}:8080/x?y=z")] {
            let (error, answered) = failure(client.call(&get(&uri)).await);
            assert!(error.kind.ends_with("/configuration"), "{uri}: {error:?}");
            assert_eq!(error.title.as_deref(), Some("Address not allowed"), "{uri}: {error:?}");
            let detail = error.detail.unwrap();
            let to_many = ["224.", "255.", "[ff02:"].iter().any(|start| host.starts_with(start));
            let remedy = detail.contains("[egress] allow") && detail.contains("LEVQOR_EGRESS_ALLOW");
            assert_eq!(remedy, !to_many, "{uri}: {detail}");
            assert!(!answered);
        }
    }
}

#[tokio::test]
async fn a_refusal_names_the_address_and_the_remedy() {
    assert_eq!(
        fails(Policy::default(), get("http://169.254.169.254/latest")).await,
        (
            "configuration".into(),
            "Address not allowed".into(),
            "169.254.169.254 is a link-local address; an operator may allow it with \
             [egress] allow = [\"169.254.169.254\"] or LEVQOR_EGRESS_ALLOW=169.254.169.254"
                .into(),
            false
        )
    );
}

#[tokio::test]
async fn only_http_and_https_are_called() {
    for uri in [
        "file:///etc/passwd",
        "ftp://example.com/",
        "gopher://example.com/",
        "data:text/plain,x",
        "//example.com",
        "",
        "example.com",
        "http://",
        "http://[::1",
        "http://a b/",
    ] {
        let (kind, _, detail, answered) = fails(Policy::default(), get(uri)).await;
        assert_eq!((kind.as_str(), answered), ("configuration", false), "{uri}: {detail}");
    }
}

#[tokio::test]
async fn every_hop_of_a_redirect_is_checked() {
    let stub = HttpStub::start().await;
    let targets = [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://0x0a000001/",
        "//192.168.0.1/",
        "http://127.0.0.2/",
    ];
    for (number, target) in targets.into_iter().enumerate() {
        let path = format!("/hop/{number}");
        stub.route(Route::new(&path).reply(Reply::redirect(302, target)));
        let call = HttpRequest { redirect: true, ..get(&stub.url(&path)) };
        let (kind, title, detail, _) = fails(local(), call).await;
        assert_eq!(
            (kind.as_str(), title.as_str()),
            ("configuration", "Address not allowed"),
            "{target}: {detail}"
        );
    }
    for target in ["file:///etc/passwd", "ftp://127.0.0.1/"] {
        stub.route(Route::new("/scheme").reply(Reply::redirect(302, target)));
        let call = HttpRequest { redirect: true, ..get(&stub.url("/scheme")) };
        assert_eq!(fails(local(), call).await.0, "configuration", "{target}");
    }
}

#[tokio::test]
async fn redirects_are_followed_by_the_rules() {
    let stub = HttpStub::start().await;
    stub.route(Route::new("/end").reply(Reply::json(&json!({ "end": true }))));
    // Status, and the method in which a POST arrives.
    for (status, method) in [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")] {
        stub.route(Route::new("/from").reply(Reply::redirect(status, "/end?seen=1")));
        let call = HttpRequest {
            method: "POST".to_owned(),
            redirect: true,
            body: Some(json!({ "a": 1 })),
            headers: vec![("Authorization".into(), "Bearer x".into())],
            ..get(&stub.url("/from"))
        };
        assert_eq!(output(client(local()).call(&call).await), json!({ "end": true }));
        let last = stub.requests().pop().unwrap();
        assert_eq!(
            (last.method.as_str(), last.path.as_str(), last.query.as_str()),
            (method, "/end", "seen=1")
        );
        assert_eq!(last.json(), if method == "POST" { json!({ "a": 1 }) } else { Value::Null }, "{status}");
        assert_eq!(last.header("authorization"), Some("Bearer x"), "the origin is the same");
        assert_eq!(last.idempotency_key(), Some("run_1/do/0/x/0"));
    }
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let (stub, other) = (HttpStub::start().await, HttpStub::start().await);
    stub.route(Route::new("/from").reply(Reply::redirect(307, &other.url("/to"))));
    let call = HttpRequest {
        redirect: true,
        headers: vec![
            ("Authorization".into(), "Bearer x".into()),
            ("Cookie".into(), "a=b".into()),
            ("X-Trace".into(), "t".into()),
        ],
        ..get(&stub.url("/from"))
    };
    output(client(local()).call(&call).await);
    let arrived = &other.requests()[0];
    assert_eq!((arrived.header("authorization"), arrived.header("cookie")), (None, None));
    assert_eq!(arrived.header("x-trace"), Some("t"));
}

#[tokio::test]
async fn redirects_end() {
    let stub = HttpStub::start().await;
    stub.route(Route::new("/loop").reply(Reply::redirect(302, "/loop")));
    let call = HttpRequest { redirect: true, ..get(&stub.url("/loop")) };
    let (kind, title, _, answered) = fails(local(), call).await;
    assert_eq!((kind.as_str(), title.as_str(), answered), ("communication", "Too many redirects", true));
    assert_eq!(stub.count(), 11);

    // Without a place to go to, a redirect is an answer.
    stub.route(Route::new("/nowhere").reply(Reply::status(304)));
    let call = HttpRequest { redirect: true, ..get(&stub.url("/nowhere")) };
    assert_eq!(output(client(local()).call(&call).await), Value::Null);
    // Not asked for, a redirect is an error with its status.
    stub.route(Route::new("/moved").reply(Reply::redirect(301, "/end")));
    let (error, answered) = failure(client(local()).call(&get(&stub.url("/moved"))).await);
    assert_eq!((error.status, answered), (301, true));
}

#[tokio::test]
async fn rewrites_come_before_the_guard_on_every_hop() {
    let stub = HttpStub::start().await;
    stub.route(Route::new("/api/a").reply(Reply::redirect(302, "https://api.example.com/b")));
    stub.route(Route::new("/api/b").reply(Reply::text("here")));
    let policy = Policy { rewrites: vec![("https://api.example.com".into(), stub.url("/api"))], ..local() };
    let call = HttpRequest { redirect: true, ..get("https://api.example.com/a") };
    assert_eq!(output(client(policy).call(&call).await), json!("here"));
}

#[tokio::test]
async fn bodies_and_queries_arrive_as_meant() {
    let stub = HttpStub::start().await;
    // Body, content type given, content type sent, text sent.
    let rows = [
        (json!({ "a": [1, "ü"] }), None, "application/json", "{\"a\":[1,\"ü\"]}"),
        (json!(null), None, "application/json", "null"),
        (json!("plain ü"), None, "text/plain; charset=utf-8", "plain ü"),
        (json!("<x/>"), Some("application/xml"), "application/xml", "<x/>"),
        (json!({ "a": 1 }), Some("application/vnd.x+json"), "application/vnd.x+json", "{\"a\":1}"),
        (
            json!({ "a": 1, "b": "x y&z", "c": [true, "q"], "d": null }),
            Some("application/x-www-form-urlencoded"),
            "application/x-www-form-urlencoded",
            "a=1&b=x+y%26z&c=true&c=q",
        ),
    ];
    let client = client(local());
    for (body, given, sent, text) in rows {
        let call = HttpRequest {
            method: "POST".to_owned(),
            body: Some(body),
            headers: given.map(|media| ("content-type".to_owned(), media.to_owned())).into_iter().collect(),
            ..get(&stub.url("/in"))
        };
        output(client.call(&call).await);
        let arrived = stub.requests().pop().unwrap();
        assert_eq!((arrived.header("content-type"), arrived.text().as_str()), (Some(sent), text));
    }
    let call = HttpRequest {
        query: vec![("q".into(), "a b&c".into()), ("n".into(), "1".into())],
        headers: vec![("Idempotency-Key".into(), "mine".into())],
        ..get(&stub.url("/in?x=1"))
    };
    output(client.call(&call).await);
    let arrived = stub.requests().pop().unwrap();
    assert_eq!(arrived.query, "x=1&q=a+b%26c&n=1");
    assert_eq!(arrived.idempotency_key(), Some("mine"));
    assert_eq!(arrived.header("user-agent"), Some("levqor/1.2.3"));
    assert_eq!(arrived.header("accept-encoding"), None);
}

#[tokio::test]
async fn what_cannot_be_sent_is_a_configuration_error() {
    let stub = HttpStub::start().await;
    let post = |headers: &[(&str, &str)], body: Value| HttpRequest {
        method: "POST".to_owned(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: Some(body),
        ..get(&stub.url("/in"))
    };
    let rows = [
        (post(&[("Content-Length", "1")], json!(1)), "belongs to the connection"),
        (post(&[("transfer-encoding", "chunked")], json!(1)), "belongs to the connection"),
        (post(&[("Upgrade", "h2c")], json!(1)), "belongs to the connection"),
        (post(&[("a b", "1")], json!(1)), "is not a header name"),
        (post(&[("a", "x\r\nb: c")], json!(1)), "control characters"),
        (post(&[("content-type", "multipart/form-data")], json!({})), "multipart/form-data"),
        (post(&[("content-type", "application/x-www-form-urlencoded")], json!({ "a": {} })), "is nested"),
        (HttpRequest { method: "GE T".into(), ..get(&stub.url("/in")) }, "not an HTTP method"),
    ];
    for (call, hint) in rows {
        let (kind, _, detail, answered) = fails(local(), call).await;
        assert_eq!((kind.as_str(), answered), ("configuration", false), "{detail}");
        assert!(detail.contains(hint), "{detail}");
    }
    assert_eq!(stub.count(), 0);
}

#[tokio::test]
async fn answers_become_data() {
    let stub = HttpStub::start().await;
    let answer = |media: &str, body: &[u8]| {
        let reply = Reply::status(200).body(body.to_vec());
        if media.is_empty() { reply } else { reply.header("content-type", media) }
    };
    let binary: &[u8] = &[0, 159, 146, 150];
    let rows = [
        (answer("application/json", b"{\"a\":1}"), json!({ "a": 1 })),
        (answer("application/problem+json; charset=utf-8", b"[1]"), json!([1])),
        (answer("application/json", b""), Value::Null),
        (answer("text/html", "<p>ü".as_bytes()), json!("<p>ü")),
        (answer("image/svg+xml", b"<svg/>"), json!("<svg/>")),
        (answer("", b"bare"), json!("bare")),
        (answer("image/png", binary), json!(STANDARD.encode(binary))),
        (answer("text/plain", binary), json!(STANDARD.encode(binary))),
        (
            answer("application/json", binary).header("content-encoding", "gzip"),
            json!(STANDARD.encode(binary)),
        ),
        (Reply::status(204), Value::Null),
    ];
    let client = client(local());
    for (number, (reply, value)) in rows.into_iter().enumerate() {
        let path = format!("/{number}");
        stub.route(Route::new(&path).reply(reply));
        assert_eq!(output(client.call(&get(&stub.url(&path))).await), value, "{number}");
    }
    stub.route(Route::new("/raw").reply(Reply::json(&json!(1))));
    let raw = HttpRequest { output: HttpOutput::Raw, ..get(&stub.url("/raw")) };
    assert_eq!(output(client.call(&raw).await), json!(STANDARD.encode("1")));

    let whole = HttpRequest {
        output: HttpOutput::Response,
        headers: vec![("Authorization".into(), "Bearer x".into())],
        ..get(&stub.url("/raw"))
    };
    let response = output(client.call(&whole).await);
    assert_eq!(response["statusCode"], json!(200));
    assert_eq!(response["content"], json!(1));
    assert_eq!(response["headers"]["content-type"], json!("application/json"));
    assert_eq!(response["request"]["method"], json!("GET"));
    assert_eq!(response["request"]["uri"], json!(stub.url("/raw")));
    assert_eq!(response["request"]["headers"]["authorization"], json!("***"));
    assert_eq!(response["request"]["headers"]["idempotency-key"], json!("run_1/do/0/x/0"));
}

#[tokio::test]
async fn bad_callees_are_communication_errors() {
    let stub = HttpStub::start().await;
    let deep = "[".repeat(100) + &"]".repeat(100);
    let json_of =
        |text: &str| Reply::status(200).header("content-type", "application/json").body(text.to_owned());
    stub.route(Route::new("/close").reply(Reply::close()));
    stub.route(Route::new("/hang").reply(Reply::hang()));
    stub.route(Route::new("/huge").reply(Reply::text(&"x".repeat(2_000))));
    stub.route(Route::new("/not-json").reply(json_of("{")));
    stub.route(Route::new("/deep").reply(json_of(&deep)));
    stub.route(Route::new("/500").reply(Reply::text(&"y".repeat(1_000)).with_status(500)));
    stub.route(Route::new("/418").reply(Reply::status(418)));
    let rows = [
        ("/close", "No answer", false, "GET 127.0.0.1 failed: "),
        ("/hang", "Timed out", false, "GET 127.0.0.1 did not answer in full within 200ms"),
        ("/huge", "Answer too large", true, "GET 127.0.0.1 answered with more than 1000 bytes"),
        (
            "/not-json",
            "Answer not usable",
            true,
            "the answer says that it is application/json, but is not JSON: ",
        ),
        ("/deep", "Answer not usable", true, "the answer is nested deeper than 64 levels"),
        ("/500", "Internal Server Error", true, "GET 127.0.0.1 answered 500: yyyy"),
        ("/418", "I'm a teapot", true, "GET 127.0.0.1 answered 418"),
    ];
    let policy = Policy { timeout: Duration::from_millis(200), response_bytes_max: 1_000, ..local() };
    for (path, title, answered, detail) in rows {
        let got = fails(policy.clone(), get(&stub.url(path))).await;
        assert_eq!(
            (got.0.as_str(), got.1.as_str(), got.3),
            ("communication", title, answered),
            "{path}: {}",
            got.2
        );
        assert!(got.2.starts_with(detail), "{path}: {}", got.2);
        assert!(got.2.chars().count() < 400, "{path}: {}", got.2);
    }
    // Nobody listens there.
    let gone = HttpStub::start().await.url("/");
    let (kind, title, _, answered) = fails(policy, get(&gone)).await;
    assert!(kind == "communication" && !answered, "{title}");
}

#[tokio::test]
async fn a_trickle_does_not_outrun_the_timeout() {
    // A callee that sends a little at a time, forever.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let callee = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100000\r\n\r\n")
            .await
            .unwrap();
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let policy = Policy { timeout: Duration::from_millis(150), ..local() };
    let (kind, title, ..) = fails(policy, get(&format!("http://{address}/"))).await;
    assert_eq!((kind.as_str(), title.as_str()), ("communication", "Timed out"));
    callee.abort();
}
