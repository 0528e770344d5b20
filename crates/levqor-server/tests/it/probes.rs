//! Probes over real connections: every kind of target, well and ill; a node that looks at itself from outside; a customer's whole way.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::StatusCode;
use levqor_model::{Condition, Verdict, audit::Record};
use levqor_server::features::probes::{Definitions, conditions, synthetic};
use levqor_store::{audit::Filter, health::Sample};
use levqor_testkit::{HttpStub, Reply, Route, wait_for};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    serve::serve,
    support::{TestApp, sign_in_operator},
};

const AUTHORITY: &str = include_str!("certificates/ca.pem");
const CHAIN: &str = include_str!("certificates/leaf.pem");
const KEY: &str = include_str!("certificates/leaf.key");

/// A journey that is no way at all.
const SHORT: &str = "document: { dsl: '1.0.3', namespace: probes, name: short, version: '1.0.0' }\n\
    do: [{ look: { call: http, with: { method: get, endpoint: { uri: '${ $workflow.input.url + \"/nothing\" }' } } } }]";

fn definitions(text: &str) -> Definitions {
    let beside = |name: &str| match name {
        "ca.pem" => Ok(AUTHORITY.to_owned()),
        "short.yaml" => Ok(SHORT.to_owned()),
        _ => Err("there is no such file".to_owned()),
    };
    Definitions::read("probes.toml", text, &beside).unwrap()
}

async fn probing(text: &str) -> TestApp {
    let probes = definitions(&format!("shipped = false\n{text}"));
    TestApp::with(|settings| settings.probes.definitions = probes).await
}

/// Looks now: whether it was good, and why not.
async fn look(test: &TestApp, name: &str) -> (bool, String, Value) {
    let path = format!("/api/ops/probes/{name}/run");
    let answer = test.post(&path).key(&test.keys.operator).json(&json!({})).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{name}: {}", answer.text());
    let mut found = answer.json();
    let one = found["looks"][0].take();
    (found["good"] == true, one["reason"].as_str().unwrap_or_default().to_owned(), one)
}

/// Accepts, and does with each connection what is said.
async fn listener<F, T>(talk: F) -> SocketAddr
where
    F: Fn(tokio::net::TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream));
        }
    });
    address
}

#[tokio::test]
async fn answers_are_held_against_what_is_expected() {
    let stub = HttpStub::start().await;
    stub.route(Route::new("/ok").reply(Reply::json(&json!({ "status": "ok", "depth": 3 }))));
    stub.route(Route::new("/ill").reply(Reply::json(&json!({ "status": "ill" })).with_status(503)));
    stub.route(Route::new("/text").reply(Reply::text("all is well")));
    stub.route(Route::new("/large").reply(Reply::text(&"x".repeat(3_000))));
    stub.route(Route::new("/there").reply(Reply::redirect(302, "/ok")));
    stub.route(Route::new("/round").reply(Reply::redirect(302, "/round")));
    stub.route(Route::new("/inside").reply(Reply::redirect(307, "http://169.254.169.254/latest/meta-data")));
    let here = stub.address().port();
    stub.route(Route::new("/home").reply(Reply::redirect(307, &format!("http://localhost:{here}/ok"))));
    stub.route(Route::new("/file").reply(Reply::redirect(302, "file:///etc/passwd")));
    // Name, path, the rest of its row, what is wrong.
    let rows = [
        ("plain", "/ok", "", ""),
        ("jq", "/ok", "expect = { body = '.status == \"ok\" and .depth == 3 and $status == 200' }", ""),
        (
            "headers",
            "/ok",
            "expect = { body = '$headers[\"content-type\"] | startswith(\"application/json\")' }",
            "",
        ),
        ("words", "/text", "expect = { body = 'contains(\"well\")' }", ""),
        ("status", "/ill", "", "it answered 503"),
        ("wanted", "/ill", "expect = { status = [\"5xx\"] }", ""),
        (
            "body",
            "/ok",
            "expect = { body = '.status == \"ill\"' }",
            "its answer is not as it must be: .status == \"ill\"",
        ),
        ("deep", "/ok", "expect = { body = 'def f: f; f' }", "its answer cannot be judged"),
        (
            "large",
            "/large",
            "answer_bytes_max = 1000\nexpect = { body = 'true' }",
            "its answer has more than 1000 bytes",
        ),
        ("unread", "/large", "answer_bytes_max = 1000", ""),
        ("moved", "/there", "", "it answered 302"),
        ("followed", "/there", "redirects = 1\nexpect = { body = '.depth == 3' }", ""),
        ("round", "/round", "redirects = 3", "it was redirected more than 3 times"),
        (
            "inside",
            "/inside",
            "redirects = 3",
            "169.254.169.254 is a link-local address; add it to the probe's allow",
        ),
        ("home", "/home", "redirects = 3", "a loopback address; add it to the probe's allow"),
        ("allowed", "/home", "redirects = 3\nallow = [\"127.0.0.0/8\", \"::1\"]", ""),
        ("file", "/file", "redirects = 3", "it was redirected to the scheme file"),
        ("post", "/ok", "method = \"POST\"\nbody = \"{}\"\nheaders = { authorization = \"Bearer x\" }", ""),
    ];
    let text: String = rows
        .iter()
        .map(|(name, path, rest, _)| {
            format!("[[probes]]\nname = \"{name}\"\nkind = \"http\"\nurl = \"{}\"\n{rest}\n", stub.url(path))
        })
        .collect();
    let test = probing(&text).await;
    for (name, _, _, wrong) in rows {
        let (good, reason, look) = look(&test, name).await;
        assert_eq!(good, wrong.is_empty(), "{name}: {reason}");
        assert!(reason.contains(wrong), "{name}: {reason}");
        assert_eq!(look["target"], stub.address().to_string(), "{name}");
        assert!(look["latency_us"].as_i64().unwrap() > 0, "{name}");
    }
    let posted = stub.requests().into_iter().find(|request| request.method == "POST").unwrap();
    assert_eq!((posted.text().as_str(), posted.header("authorization")), ("{}", Some("Bearer x")));
    let agent = posted.header("user-agent").unwrap().to_owned();
    assert!(agent.starts_with("levqor-probe/"), "{agent}");
}

#[tokio::test]
async fn a_redirect_leads_to_no_other_port_and_takes_no_secrets_along() {
    let (stub, beside) = (HttpStub::start().await, HttpStub::start().await);
    let elsewhere = beside.url("/ok");
    stub.route(Route::new("/moved").reply(Reply::redirect(307, &elsewhere)));
    let row = |name: &str, rest: &str| {
        let url = stub.url("/moved");
        format!("[[probes]]\nname = \"{name}\"\nkind = \"http\"\nurl = \"{url}\"\nredirects = 1\n{rest}\n")
    };
    let test = probing(
        &[
            row("unwritten", ""),
            row(
                "told",
                "allow = [\"127.0.0.0/8\"]\nheaders = { x-api-key = \"secret\", authorization = \"Bearer secret\", accept = \"text/html\" }",
            ),
            row("posted", "allow = [\"127.0.0.0/8\"]\nmethod = \"POST\"\nbody = \"secret\""),
        ]
        .concat(),
    )
    .await;
    let (good, reason, _) = look(&test, "unwritten").await;
    assert!(!good && reason.contains("a loopback address; add it to the probe's allow"), "{reason}");
    assert!(look(&test, "told").await.0);
    let asked = beside.requests();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!((asked[0].header("x-api-key"), asked[0].header("authorization")), (None, None));
    assert_eq!(asked[0].header("accept"), Some("text/html"));
    let first = stub.requests().into_iter().find(|request| request.header("x-api-key").is_some());
    assert!(first.is_some(), "who is written is told");
    let (good, reason, _) = look(&test, "posted").await;
    assert!(!good && reason.contains("which is not told what is posted"), "{reason}");
    assert_eq!(beside.requests().len(), 1);
}

#[tokio::test]
async fn a_target_that_hangs_or_streams_is_cut_off() {
    let silent = listener(|mut stream| async move {
        let _ = stream.read(&mut [0; 1]).await;
        std::future::pending::<()>().await;
    })
    .await;
    let endless = listener(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        while stream.write_all(b"400\r\n").await.is_ok()
            && stream.write_all(&[b'x'; 1_024]).await.is_ok()
            && stream.write_all(b"\r\n").await.is_ok()
        {}
    })
    .await;
    let nonsense = listener(|mut stream| async move {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9\r\n").await;
    })
    .await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let row = |name: &str, address: SocketAddr, rest: &str| {
        format!(
            "[[probes]]\nname = \"{name}\"\nkind = \"http\"\nurl = \"http://{address}/\"\ntimeout = \"300ms\"\n{rest}\n"
        )
    };
    let text = [
        row("silent", silent, ""),
        row("endless", endless, ""),
        row("judged", endless, "expect = { body = 'true' }"),
        row("nonsense", nonsense, ""),
        row("gone", gone, ""),
        format!("[[probes]]\nname = \"open\"\nkind = \"tcp\"\naddress = \"{silent}\"\n"),
        format!("[[probes]]\nname = \"shut\"\nkind = \"tcp\"\naddress = \"{gone}\"\n"),
        "[[probes]]\nname = \"rows\"\nkind = \"database\"\n".to_owned(),
    ];
    let test = probing(&text.concat()).await;
    for (name, wrong) in [
        ("silent", "no answer within 300 ms"),
        // What it says of itself is good, and more of it is not read.
        ("endless", ""),
        ("judged", "more than 65536 bytes"),
        ("nonsense", "no usable answer"),
        ("gone", "no connection to"),
        ("open", ""),
        ("shut", "no connection to"),
        ("rows", ""),
    ] {
        let (good, reason, _) = look(&test, name).await;
        assert_eq!(good, wrong.is_empty(), "{name}: {reason}");
        assert!(reason.contains(wrong), "{name}: {reason}");
    }
}

#[tokio::test]
async fn a_certificate_is_seen_also_when_it_is_not_trusted() {
    let chain = CertificateDer::pem_slice_iter(CHAIN.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let address = listener(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.read(&mut [0; 2_048]).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
                .await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    let tls = |name: &str, rest: &str| {
        format!("[[probes]]\nname = \"{name}\"\nkind = \"tls\"\naddress = \"{address}\"\n{rest}\n")
    };
    let text = [
        tls("trusted", "ca_file = \"ca.pem\"\nexpect = { certificate_days = 30 }"),
        tls("strange", ""),
        tls("other", "ca_file = \"ca.pem\"\nserver_name = \"shop.example\""),
        format!(
            "[[probes]]\nname = \"page\"\nkind = \"https\"\nurl = \"https://{address}/\"\nca_file = \"ca.pem\"\nexpect = {{ certificate_days = 30 }}\n"
        ),
    ];
    let test = probing(&text.concat()).await;
    for (name, wrong) in [("trusted", ""), ("page", ""), ("strange", "no TLS"), ("other", "no TLS")] {
        let (good, reason, look) = look(&test, name).await;
        assert_eq!(good, wrong.is_empty(), "{name}: {reason}");
        assert!(reason.contains(wrong), "{name}: {reason}");
        assert_eq!(look["certificate_ends_at"], "2125-01-01T00:00:00.000000Z", "{name}");
    }
    // As seen in the last days before its end, and after it.
    test.clock.set("2124-12-22T00:00:00Z".parse().unwrap());
    for name in ["trusted", "page"] {
        let (good, reason, _) = look(&test, name).await;
        assert_eq!(
            (good, reason.as_str()),
            (false, "its certificate ends on 2125-01-01, in 10 days; 30 are wanted")
        );
    }
    test.clock.set("2125-01-02T00:00:00Z".parse().unwrap());
    assert_eq!(look(&test, "trusted").await.1, "its certificate ended on 2125-01-01");
}

#[tokio::test]
async fn a_name_server_is_asked_over_udp_and_over_tcp() {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = udp.local_addr().unwrap();
    let tcp = TcpListener::bind(address).await.unwrap();
    // One address for short names; long ones do not fit.
    let answer = |question: &[u8], flags: u8| {
        let mut message = question.to_vec();
        (message[2], message[3]) = (flags, 0x80);
        if flags & 0x02 == 0 {
            message[7] = 1;
            message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 10]);
        }
        message
    };
    tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((length, from)) = udp.recv_from(&mut question).await {
            let cut = question[12] == 4;
            let _ = udp.send_to(&answer(&question[..length], if cut { 0x83 } else { 0x81 }), from).await;
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let length = stream.read_u16().await.unwrap();
            let mut question = vec![0; usize::from(length)];
            stream.read_exact(&mut question).await.unwrap();
            let message = answer(&question, 0x81);
            stream.write_u16(u16::try_from(message.len()).unwrap()).await.unwrap();
            stream.write_all(&message).await.unwrap();
        }
    });
    let row = |name: &str, host: &str, rest: &str| {
        format!(
            "[[probes]]\nname = \"{name}\"\nkind = \"dns\"\nhost = \"{host}\"\nserver = \"{address}\"\n{rest}\n"
        )
    };
    let text = [
        row("found", "a.example", "expect = { answer = [\"192.0.2.10\"] }"),
        row("cut", "long.example", "expect = { answer = [\"192.0.2.10\"] }"),
        row("other", "a.example", "expect = { answer = [\"192.0.2.11\"] }"),
        row("kind", "a.example", "record = \"MX\""),
    ];
    let test = probing(&text.concat()).await;
    for (name, wrong) in [
        ("found", ""),
        ("cut", ""),
        ("other", "a.example has no record A 192.0.2.11; it has 192.0.2.10"),
        ("kind", "a.example has no record MX"),
    ] {
        let (good, reason, _) = look(&test, name).await;
        assert_eq!((good, reason.as_str()), (wrong.is_empty(), wrong), "{name}");
    }
}

async fn sample_of(test: &TestApp, component: &str) -> Option<Sample> {
    let samples = test.store.latest_samples().await.unwrap();
    samples.into_iter().find(|sample| sample.component == component)
}

#[tokio::test]
async fn a_node_is_seen_from_outside_and_the_evidence_is_kept() {
    let test = TestApp::new().await;
    let served = serve(&test).await;
    for component in ["network", "website"] {
        let sample = wait_for("evidence of a probe", || sample_of(&test, component)).await;
        assert!(sample.good, "{sample:?}");
        assert_eq!(sample.region.as_str(), "eu-west");
        assert!(sample.latency_us.is_some_and(|latency| latency > 0), "{sample:?}");
    }
    let operator = &test.keys.operator;
    let found = wait_for("all that looks by itself to be up", || async {
        let found = test.get("/api/ops/probes").key(operator).send().await.json();
        let probes = found["probes"].as_array().unwrap().clone();
        let up = |name: &str| {
            let probe = probes.iter().find(|probe| probe["name"] == name).unwrap();
            probe["targets"][0]["state"] == "up"
        };
        (up("reach") && up("website") && up("database")).then_some(found)
    })
    .await;
    assert_eq!(found["state"], "unknown", "nobody has gone the journey: {found}");
    let reach = &found["probes"][0];
    assert_eq!((&reach["name"], &reach["targets"][0]["target"]), (&json!("reach"), &json!("eu-west")));
    assert_eq!(reach["targets"][0]["regions"][0]["nodes"], 1);
    let all = conditions(&test.app).await.unwrap();
    let of = |subject: &str| all.iter().find(|condition| condition.subject == subject).unwrap();
    assert_eq!(
        (of("reach/eu-west").verdict, of("journey/eu-west").verdict),
        (Verdict::Holds, Verdict::Unknown)
    );
    let results = wait_for("results to be kept", || async {
        let found = test.get("/api/ops/probes/reach/results").key(operator).send().await.json();
        // They are read one after the other, and whoever asks so often may be told to wait.
        let has = |list: &str| found[list].as_array().is_some_and(|list| !list.is_empty());
        ["results", "days", "changes"].into_iter().all(has).then_some(found)
    })
    .await;
    assert!(results["days"][0]["total"].as_i64().unwrap() > 0, "{results}");
    assert_eq!(results["results"][0]["good"], true, "{results}");
    assert_eq!(results["changes"][0]["state"], "up", "{results}");
    let page = sign_in_operator(&test.app, test.account).await;
    let page = test.get("/admin/probes").header("cookie", &page).send().await.text();
    assert!(page.contains("<svg class=\"spark\"") && page.contains("on the status page"), "{page}");
    served.stopped().await;
}

#[tokio::test]
async fn a_customers_whole_way_is_gone() {
    let test = TestApp::new().await;
    let served = serve(&test).await;
    wait_for("the node to know where it is", || async {
        let found = test.get("/api/ops/probes").key(&test.keys.operator).send().await.json();
        (found["probes"][0]["targets"][0]["target"] == "eu-west").then_some(())
    })
    .await;
    let gone = synthetic(&test.app).await.unwrap();
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert_eq!(gone[0].fault, None, "{gone:#?}");
    assert_eq!((gone[0].probe.as_str(), gone[0].region.as_str()), ("journey", "eu-west"));
    let steps: Vec<_> = gone[0].steps.iter().map(|(name, ..)| name.as_str()).collect();
    for step in ["signInPage", "draft", "create", "run", "read", "trigger", "hook", "forgetWorkflow"] {
        assert!(steps.contains(&step), "{step}: {steps:?}");
    }
    // An account of its own, in which nothing is left.
    let account = "acc_0000000000PR0BES0000000000".parse().unwrap();
    assert!(test.store.account(account).await.unwrap().is_some());
    assert_eq!(test.store.workflows_count(Some(account)).await.unwrap(), 0);
    let keys = test.store.keys_of(account, None, 10).await.unwrap();
    assert_eq!(keys.len(), 1);
    assert!(!keys[0].operator && keys[0].expires_at.is_some() && keys[0].scopes.is_some(), "{keys:?}");
    assert!(synthetic(&test.app).await.unwrap()[0].fault.is_none(), "the key is good for another one");
    assert_eq!(test.store.keys_of(account, None, 10).await.unwrap().len(), 1);
    // One that somebody revoked is not tried again.
    test.store.revoke_key(account, keys[0].id, test.app.now()).await.unwrap();
    assert!(synthetic(&test.app).await.unwrap()[0].fault.is_none());
    assert_eq!(test.store.keys_of(account, None, 10).await.unwrap().len(), 2);
    served.stopped().await;
}

#[tokio::test]
async fn a_journey_that_fails_says_where() {
    let test = probing("[[probes]]\nname = \"short\"\nkind = \"journey\"\ndocument = \"short.yaml\"\n").await;
    assert!(synthetic(&test.app).await.unwrap().is_empty(), "no region is known, which is no good result");
    let served = serve(&test).await;
    let gone = wait_for("the node to know where it is", || async {
        synthetic(&test.app).await.unwrap().into_iter().next()
    })
    .await;
    let fault = gone.fault.unwrap();
    assert!(fault.starts_with("at look: ") && fault.contains("404"), "{fault}");
    // It was gone twice, so that it is known by now that this was no blip.
    wait_for("the verdict", || async {
        let all = conditions(&test.app).await.unwrap();
        let fails =
            |condition: &Condition| condition.rule == "probes.asked" && condition.verdict == Verdict::Fails;
        all.iter().any(fails).then_some(())
    })
    .await;
    // However often it fails, it needs no other key.
    let account = "acc_0000000000PR0BES0000000000".parse().unwrap();
    assert_eq!(test.store.keys_of(account, None, 10).await.unwrap().len(), 1);
    served.stopped().await;
}

async fn verdicts(test: &TestApp) -> Vec<Record> {
    let filter = Filter { kind: Some("probe.verdict".to_owned()), ..Filter::default() };
    test.store.audit_records(filter, None, 10).await.unwrap()
}

#[tokio::test]
async fn an_outage_is_a_verdict_evidence_and_a_condition_and_ends() {
    let stub = HttpStub::start().await;
    let address = stub.address();
    let test = probing(&format!(
        "[[probes]]\nname = \"shop\"\nkind = \"http\"\nurl = \"{}\"\nevery = \"500ms\"\ntimeout = \"1s\"\ncomponent = \"shop\"\nseverity = \"critical\"\n",
        stub.url("/")
    ))
    .await;
    let served = serve(&test).await;
    assert!(wait_for("the shop to be up", || sample_of(&test, "shop")).await.good);
    // One that failed is a blip.
    stub.route(Route::new("/").replies(1, Reply::status(500)));
    wait_for("the blip to be seen", || async {
        let found = test.get("/api/ops/probes").key(&test.keys.operator).send().await.json();
        let looks = found["probes"][0]["targets"][0]["looks"].as_array().unwrap().clone();
        looks.iter().any(|look| look["good"] == false).then_some(())
    })
    .await;
    assert_eq!(verdicts(&test).await.len(), 1, "it was up, and is");

    // Samples of one moment would be one.
    test.advance(1);
    drop(stub);
    let began = std::time::Instant::now();
    let bad = wait_for("the outage to be seen", || async {
        sample_of(&test, "shop").await.filter(|sample| !sample.good)
    })
    .await;
    println!("an outage is evidence after {:?}", began.elapsed());
    assert!(bad.reason.as_ref().is_some_and(|reason| reason.contains(&address.to_string())), "{bad:?}");
    // It is told with when it began: what is bad is believed once it has lasted, and this has.
    let told = test.store.recent_samples(bad.at - Duration::from_secs(10), bad.at).await.unwrap();
    let lasts = |sample: &Sample| !sample.good && bad.at.since(sample.at) >= Duration::from_secs(2);
    assert!(told.iter().any(|sample| sample.component == "shop" && lasts(sample)), "{told:?}");
    let all = conditions(&test.app).await.unwrap();
    let down = all.iter().find(|condition| condition.rule == "probes.verdict").unwrap();
    assert_eq!((down.verdict, down.subject.as_str()), (Verdict::Fails, format!("shop/{address}").as_str()));
    let records = wait_for("its record", || async {
        let records = verdicts(&test).await;
        (records.len() == 2).then_some(records)
    })
    .await;
    assert!(records[0].details.contains("\"down\""), "{:?}", records[0]);
    let page = test.get("/status").send().await.text();
    assert!(page.contains("shop"), "{page}");

    // Somebody is there again.
    test.advance(1);
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 1_024]).await;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = stream.write_all(answer).await;
            });
        }
    });
    wait_for("its end to be seen", || async {
        // The last look at the outage may have had the moment of the first one after it.
        test.clock.advance(Duration::from_millis(1));
        sample_of(&test, "shop").await.filter(|sample| sample.good)
    })
    .await;
    served.stopped().await;
}

#[tokio::test]
async fn nodes_of_a_region_have_one_voice() {
    let nodes = TestApp::region(2, |_| {}).await;
    let (first, second) = (serve(&nodes[0]).await, serve(&nodes[1]).await);
    let reach = wait_for("both nodes to be heard", || async {
        let found = nodes[0].get("/api/ops/probes").key(&nodes[0].keys.operator).send().await.json();
        let target = found["probes"][0]["targets"][0].clone();
        (target["regions"][0]["nodes"] == 2 && target["state"] == "up").then_some(target)
    })
    .await;
    assert_eq!((&reach["target"], &reach["disputed"]), (&json!("eu-west"), &json!(false)));
    // One of them is told once, whoever tells it.
    let records = verdicts(&nodes[0]).await;
    let up = records.iter().filter(|record| record.subject == "reach").count();
    assert_eq!(up, 1, "{records:?}");
    first.stopped().await;
    second.stopped().await;
}

#[tokio::test]
async fn what_there_is_not_is_said_with_what_there_is() {
    let test = TestApp::new().await;
    let operator = &test.keys.operator;
    let missing = test.get("/api/ops/probes/shop/results").key(operator).send().await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert!(missing.text().contains("there are reach, website, database, journey"), "{}", missing.text());
    let body = json!({ "target": "us-east" });
    let target = test.post("/api/ops/probes/database/run").key(operator).json(&body).send().await;
    assert_eq!(target.status, StatusCode::NOT_FOUND);
    let cursor = test.get("/api/ops/probes/reach/results?cursor=xx").key(operator).send().await;
    assert_eq!(cursor.status, StatusCode::BAD_REQUEST);
    let nothing = test.post("/api/ops/probes/reach/run").key(operator).json(&json!({})).send().await.json();
    assert_eq!(nothing, json!({ "good": false, "looks": [] }), "without targets nothing is good");
    assert_eq!(test.get("/api/ops/probes").key(operator).send().await.json()["state"], "unknown");
    assert_eq!(test.get("/api/ops/probes").key(&test.keys.owner).send().await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn results_are_paged_through() {
    let test = probing("[[probes]]\nname = \"rows\"\nkind = \"database\"\n").await;
    let own = levqor_store::probes::ProbeResult {
        probe: "rows".to_owned(),
        target: "database".to_owned(),
        region: test.app.region.code.clone(),
        node: test.app.node,
        at: test.app.now(),
        good: true,
        latency_us: Some(700),
        reason: None,
    };
    let results = (0..5)
        .map(|second| levqor_store::probes::ProbeResult {
            at: test.app.now() + Duration::from_secs(second),
            ..own.clone()
        })
        .collect();
    test.store.add_probe_results(results, Vec::new()).await.unwrap();
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let path = format!("/api/ops/probes/rows/results?{query}");
        let page = test.get(&path).key(&test.keys.operator).send().await.json();
        seen.extend(page["results"].as_array().unwrap().iter().map(|result| result["at"].to_string()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        query = format!("limit=2&cursor={next}");
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    sorted.reverse();
    assert_eq!((seen.len(), seen), (5, sorted));
}

#[tokio::test]
async fn a_history_is_about_what_was_asked_for() {
    let test = probing("[[probes]]\nname = \"rows\"\nkind = \"database\"\n").await;
    let day = |target: &str, region: &str| levqor_store::probes::ProbeDay {
        probe: "rows".to_owned(),
        target: target.to_owned(),
        region: region.parse().unwrap(),
        day: test.app.now().date(),
        good: 3,
        total: 4,
        latency_sum_us: 900,
        latency_max_us: 400,
    };
    let days = vec![day("a", "eu-west"), day("a", "us-east"), day("b", "eu-west")];
    test.store.add_probe_results(Vec::new(), days).await.unwrap();
    for target in ["a", "b"] {
        let verdict = levqor_store::probes::ProbeVerdict {
            probe: "rows".to_owned(),
            target: target.to_owned(),
            state: "down".to_owned(),
            since: test.app.now(),
            reason: None,
        };
        assert!(test.store.note_probe_verdict(verdict).await.unwrap());
    }
    for (query, days, changes) in
        [("", 3, 2), ("?target=a", 2, 1), ("?target=a&region=us-east", 1, 1), ("?target=c", 0, 0)]
    {
        let path = format!("/api/ops/probes/rows/results{query}");
        let found = test.get(&path).key(&test.keys.operator).send().await.json();
        let counted = |list: &str| found[list].as_array().unwrap().len();
        assert_eq!((counted("days"), counted("changes")), (days, changes), "{query}: {found}");
    }
}
