use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use levqor_edge::metrics::Count;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    origin::Origin,
    world::{PREFER, ROUTE, World, file, fixture, read},
};

fn rows() -> String {
    let (certificate, key, ca) = (fixture("cert.pem"), fixture("key.pem"), fixture("ca.pem"));
    format!(
        "{ROUTE}{PREFER}[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n[upstream]\nca_file = \"{ca}\"\n"
    )
}

async fn edge_with_tls(origin: (&'static str, String)) -> World {
    edge_with(origin, "").await
}

/// With more sections in its file.
async fn edge_with(origin: (&'static str, String), more: &str) -> World {
    let text = file(&[("eu-1", origin.0, origin.1)], "", &format!("{}{more}", rows()))
        .replace("address = \"127.0.0.1:0\"", "address = \"127.0.0.1:0\"\ntls = true");
    let world = World::of(&text).await;
    world.settled().await;
    world
}

async fn handshake(world: &World, protocols: &[&str]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(world.address).await.unwrap();
    let name = ServerName::try_from("api.test").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[tokio::test]
async fn http_2_is_chosen_by_tls_and_many_requests_share_a_connection() {
    let origin = Origin::start("eu").await;
    let world = edge_with_tls(("eu-west", origin.url())).await;
    let stream = handshake(&world, &["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let requests: Vec<_> = (0..50)
        .map(|number| {
            let request = Request::put(format!("https://api.test/echo?{number}"))
                .body(Full::new(Bytes::from(number.to_string())))
                .unwrap();
            (number, sender.send_request(request))
        })
        .collect();
    for (number, response) in requests {
        let response = response.await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        let answer = read(response).await.unwrap();
        assert_eq!((answer.status, &answer.body), (200, &number.to_string()));
        assert_eq!(answer.header("x-levqor-region"), "eu-west");
    }
    let seen = &origin.seen()[0];
    assert_eq!(
        (seen.headers["host"].to_str().unwrap(), &seen.headers["x-forwarded-proto"]),
        ("api.test", &"https".parse::<http::HeaderValue>().unwrap())
    );
    assert_eq!(seen.headers["via"], "2 levqor-edge");
    // A Host that differs from the authority is refused.
    let request = Request::get("https://api.test/").header("host", "other").body(Full::default()).unwrap();
    assert_eq!(read(sender.send_request(request).await.unwrap()).await.unwrap().problem(), "bad-request");
}

#[tokio::test]
async fn http_1_1_over_tls_works_and_plain_text_there_does_not() {
    let origin = Origin::start("eu").await;
    let world = edge_with_tls(("eu-west", origin.url())).await;
    let stream = handshake(&world, &["http/1.1"]).await;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/").header("host", "api.test").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(read(sender.send_request(request).await.unwrap()).await.unwrap().body, "eu");
    let answer = world.raw("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(!answer.contains("HTTP"), "{answer}");
}

#[tokio::test]
async fn the_affinity_cookie_over_tls_is_this_hosts_alone() {
    let origin = Origin::start("eu").await;
    let folder = Arc::new(tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("secret"), "0123456789abcdef0123456789abcdef\n").unwrap();
    let rows = rows().replace(ROUTE, "[[routes]]\nhosts = [\"*\"]\naffinity = true\n");
    let rows = format!("{rows}[affinity]\nsecret_file = \"secret\"\n");
    let text = file(&[("eu-1", "eu-west", origin.url())], "", &rows)
        .replace("address = \"127.0.0.1:0\"", "address = \"127.0.0.1:0\"\ntls = true");
    let world = World::within(folder, &text).await;
    world.settled().await;
    let ask = async |cookie: &str| {
        let stream = handshake(&world, &["http/1.1"]).await;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("/").header("host", "api.test").header("cookie", cookie);
        let request = request.body(Full::<Bytes>::default()).unwrap();
        read(sender.send_request(request).await.unwrap()).await.unwrap()
    };
    let first = ask("own=1").await;
    let cookie = first.header("set-cookie");
    assert!(cookie.starts_with("__Host-levqor_edge=v1.eu-west.") && cookie.ends_with("; Secure"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(ask(&format!("own=1; {pair}")).await.header("set-cookie"), "", "it is known again");
    assert_eq!(origin.seen().last().unwrap().headers["cookie"], "own=1", "no origin sees it");
    // A neighbour under the same domain could have set this one.
    let plain = pair.trim_start_matches("__Host-");
    let replaced = ask(&format!("own=1; {plain}")).await;
    assert!(replaced.header("set-cookie").starts_with("__Host-levqor_edge="), "it counts as none");
    assert_eq!(origin.seen().last().unwrap().headers["cookie"], "own=1");
}

#[tokio::test]
async fn a_connection_too_many_is_closed_before_any_handshake() {
    let origin = Origin::start("eu").await;
    let world = edge_with(("eu-west", origin.url()), "[limits]\nconnections_per_address = 1\n").await;
    let held = handshake(&world, &["http/1.1"]).await;
    assert_eq!(world.raw("").await, "", "no word without TLS");
    assert_eq!(world.edge.stats().of(Count::ConnectionsRefused), 1);
    assert_eq!(world.edge.stats().of(Count::TlsFailures), 0);
    drop(held);
}

#[tokio::test]
async fn origins_may_speak_tls_too() {
    let origin = Origin::start("eu").await;
    let inner = edge_with_tls(("eu-west", origin.url())).await;
    // The inner edge is the outer one's origin: its checks pass through to the node.
    let url = format!("https://localhost:{}", inner.address.port());
    let outer = World::of(&file(&[("eu-1", "eu-west", url.clone())], "name = \"outer\"\n", &rows())).await;
    outer.settled().await;
    let answer = outer.get("/").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "eu"));
    let via: Vec<_> = answer.headers.get_all("via").iter().map(|via| via.to_str().unwrap()).collect();
    assert_eq!(via, ["1.1 levqor-edge", "1.1 outer"]);
    // Without the authority its certificate is not believed.
    let blind = rows().split("[upstream]").next().unwrap().to_owned();
    let blind = World::of(&file(&[("eu-1", "eu-west", url)], "", &blind)).await;
    blind.settled().await;
    assert_eq!(blind.verdict(0), levqor_edge::Verdict::Suspect);
}
