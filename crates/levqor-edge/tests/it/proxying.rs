use http::Request;
use levqor_edge::metrics::Count;

use crate::{
    origin::Origin,
    world::{PREFER, ROUTE, World},
};

#[tokio::test]
async fn a_request_passes_with_its_method_target_headers_and_body() {
    let origin = Origin::start("eu").await;
    let world = World::before(&[&origin]).await;
    let mut client = world.client().await;
    let request = Request::builder()
        .method("PATCH")
        .uri("/echo?a=%2F&b")
        .header("host", "API.test:80")
        .header("authorization", "Bearer k")
        .header("x-own", "1")
        .header("x-forwarded-for", "1.2.3.4")
        .header("x-levqor-region", "us-east");
    let answer = client.send_body(request, "hello".into()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
    assert_eq!((answer.header("x-levqor-region"), answer.header("via")), ("eu-west", "1.1 levqor-edge"));
    let seen = &origin.seen()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("PATCH", "/echo?a=%2F&b"));
    assert_eq!(&seen.body[..], b"hello");
    let header = |name: &str| seen.headers.get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!((header("authorization"), header("x-own")), ("Bearer k", "1"));
    assert_eq!((header("host"), header("x-forwarded-host")), ("API.test:80", "API.test:80"));
    assert_eq!((header("x-forwarded-for"), header("x-forwarded-proto")), ("127.0.0.1", "http"));
    assert_eq!((header("x-levqor-region"), header("via")), ("", "1.1 levqor-edge"));
    assert_eq!(world.edge.stats().of(Count::ForgedRegions), 1);
    // The connection goes on.
    assert_eq!(client.send(Request::get("/").header("host", "api.test")).await.body, "eu");
}

#[tokio::test]
async fn headers_of_a_hop_stay_there_and_the_origins_region_is_told() {
    let origin = Origin::start("eu").await;
    let world = World::before(&[&origin]).await;
    let answer = world.get("/headers").await;
    assert_eq!((answer.header("x-hop"), answer.header("x-end")), ("", "1"));
    assert_eq!(answer.header("x-levqor-region"), "us-east");
}

#[tokio::test]
async fn head_and_empty_answers_keep_their_form() {
    let origin = Origin::start("europe").await;
    let world = World::before(&[&origin]).await;
    let answer =
        world.raw("HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert!(answer.contains("content-length: 6\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    let answer = world.post("/echo", "").await;
    assert_eq!((answer.status, answer.header("content-length")), (200, "0"));
}

#[tokio::test]
async fn hosts_and_paths_choose_the_region() {
    let (europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let routes = "[[routes]]\nhosts = [\"api.test\", \"fallback.test\"]\n\
        [[routes]]\nhosts = [\"api.test\"]\npath = \"/us\"\nregions = [\"us-east\"]\n\
        [[routes]]\nhosts = [\"only.test\"]\npath = \"/x\"\n";
    let world = World::with(&[&europe, &america], "", &format!("{routes}{PREFER}")).await;
    for (host, path, status, body) in [
        ("api.test", "/", 200, "eu"),
        ("API.TEST.:8080", "/", 200, "eu"),
        ("fallback.test", "/us", 200, "eu"),
        ("api.test", "/us", 200, "us"),
        ("api.test", "/us/1?x", 200, "us"),
        ("api.test", "/usa", 200, "eu"),
        ("only.test", "/x", 200, "eu"),
    ] {
        let answer = world.client().await.send(Request::get(path).header("host", host)).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{host} {path}");
    }
    let answer = world.client().await.send(Request::get("/").header("host", "evil.test")).await;
    assert_eq!((answer.status, answer.problem().as_str()), (421, "unknown-host"));
    assert!(answer.body.contains("evil.test"), "{}", answer.body);
    let answer = world.client().await.send(Request::get("/y").header("host", "only.test")).await;
    assert_eq!((answer.status, answer.problem().as_str()), (404, "not-found"));
    assert_eq!(world.edge.stats().of(Count::UnknownHosts), 1);
}

#[tokio::test]
async fn countries_are_believed_from_trusted_proxies_only() {
    let (europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let steering = format!("{ROUTE}{PREFER}countries = {{ US = [\"us-east\"] }}\n");
    let trust = "[trust]\nproxies = [\"127.0.0.1\"]\ncountry_header = \"cf-ipcountry\"\n";
    for (trust, country, expected) in
        [(trust, "US", "us"), (trust, "DE", "eu"), (trust, "XX!", "eu"), ("", "US", "eu")]
    {
        let world = World::with(&[&europe, &america], "", &format!("{steering}{trust}")).await;
        let request = Request::get("/").header("host", "a").header("cf-ipcountry", country);
        assert_eq!(world.client().await.send(request).await.body, expected, "{trust} {country}");
    }
}

#[tokio::test]
async fn a_signed_cookie_keeps_a_caller_in_a_region_and_a_forged_one_does_not() {
    let (mut europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("secret"), "0123456789abcdef0123456789abcdef\n").unwrap();
    let rows = "[[routes]]\nhosts = [\"*\"]\naffinity = true\n[affinity]\nsecret_file = \"secret\"\n\
        [steering]\nprefer = [\"us-east\"]\n[hold]\nms = 1500\n";
    let text = crate::world::file(&crate::world::rows_of(&[&europe, &america]), "", rows);
    let world = World::within(folder, &text).await;
    world.settled().await;
    let ask = async |cookie: &str| {
        let request = Request::get("/").header("host", "a").header("cookie", cookie);
        world.client().await.send(request).await
    };
    let first = ask("own=1").await;
    assert_eq!(first.body, "us");
    let cookie = first.header("set-cookie");
    let flags = "; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax";
    let value = cookie.strip_prefix("levqor_edge=").unwrap().strip_suffix(flags).unwrap();
    // A good cookie is not given again, and the origin sees only the caller's own.
    let again = ask(&format!("own=1; levqor_edge={value}")).await;
    assert_eq!((again.body.as_str(), again.header("set-cookie")), ("us", ""));
    assert_eq!(america.seen().last().unwrap().headers["cookie"], "own=1");
    // Moved to another region by hand: not signed, so not followed.
    let forged = ask(&format!("levqor_edge={}", value.replace("us-east", "eu-west"))).await;
    assert_eq!(forged.body, "us");
    assert!(forged.header("set-cookie").starts_with("levqor_edge=v1.us-east."));
    assert_eq!(world.edge.stats().of(Count::ForgedCookies), 1);
    // Signed by the edge for Europe: beats the preference, while Europe is up.
    let secret = b"0123456789abcdef0123456789abcdef";
    let signer = levqor_edge::Affinity::new(secret, std::time::Duration::from_secs(86_400)).unwrap();
    let now = levqor_model::Clock::now(&levqor_model::SystemClock);
    let europes = format!("levqor_edge={}", signer.value(&"eu-west".parse().unwrap(), now));
    assert_eq!(ask(&europes).await.body, "eu");
    europe.kill().await;
    let moved = ask(&europes).await;
    assert_eq!(moved.body, "us");
    assert!(moved.header("set-cookie").starts_with("levqor_edge=v1.us-east."), "the new region is kept to");
}

#[tokio::test]
async fn the_edge_tells_of_itself_to_those_who_may_see_it() {
    let origin = Origin::start("eu").await;
    let world = World::before(&[&origin]).await;
    world.get("/").await;
    let health = world.get("/edge/health").await;
    let document: serde_json::Value = serde_json::from_str(&health.body).unwrap();
    assert_eq!(document["status"], "ok");
    assert_eq!(document["regions"], serde_json::json!([{ "code": "eu-west", "origins": 1, "up": 1 }]));
    let told = &document["origins"][0];
    assert_eq!((&told["name"], &told["verdict"]), (&"eu-1".into(), &"up".into()));
    assert!(told["latency_ms"].as_f64().unwrap() > 0.0 && told["since_seconds"].as_f64().is_some());
    assert_eq!(document["snapshot"]["state"], "not configured");
    assert!(document["config"]["age_seconds"].is_u64());
    let metrics = world.get("/edge/metrics").await.body;
    for line in [
        "levqor_edge_requests_total 1",
        "levqor_edge_origin_answers_total{origin=\"eu-1\",region=\"eu-west\",status=\"2xx\"} 1",
        "levqor_edge_origin_verdict{origin=\"eu-1\",region=\"eu-west\",verdict=\"up\"} 1",
        "levqor_edge_answer_seconds_count",
        "# EOF",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert_eq!(world.get("/edge/other").await.status, 404);
    assert_eq!(world.post("/edge/health", "").await.status, 405);
    let closed =
        World::with(&[&origin], "", &format!("{ROUTE}[admin]\nnetworks = [\"192.0.2.0/24\"]\n")).await;
    assert_eq!(closed.get("/edge/health").await.problem(), "not-found");
    assert!(
        origin.seen().iter().all(|seen| !seen.target.starts_with("/edge")),
        "no such request is passed on"
    );
}

#[tokio::test]
async fn a_stop_lets_requests_end_and_takes_no_new_ones() {
    let origin = Origin::start("eu").await;
    let world = World::before(&[&origin]).await;
    let (mut busy, idle) = (world.client().await, world.client().await);
    let answer = tokio::spawn(async move { busy.send(Request::get("/gate").header("host", "a")).await });
    crate::world::wait_for("the request", || origin.waiting() == 1).await;
    world.begin_stop();
    let address = world.address;
    crate::world::wait_for("a closed port", || std::net::TcpStream::connect(address).is_err()).await;
    origin.open_gate();
    let answer = answer.await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "eu"));
    drop(idle);
    world.stop().await;
}
