//! Clients that take their time, or too much of everything.

use std::time::{Duration, Instant};

use levqor_testkit::wait_for;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    serve::{serve, talk},
    support::TestApp,
};

#[tokio::test]
async fn a_head_that_does_not_end_and_a_connection_that_idles_are_closed() {
    let test = TestApp::with(|settings| settings.header_timeout = Duration::from_millis(200)).await;
    let served = serve(&test).await;
    for beginning in
        ["", "G", "GET /health HTTP/1.1\r\nHost: x\r\nX: ", "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"]
    {
        let began = Instant::now();
        let answer = talk(served.address, beginning).await;
        assert!(began.elapsed() < Duration::from_secs(20), "{beginning:?} is closed");
        assert_eq!(answer.contains("200 OK"), beginning.ends_with("\r\n\r\n"), "{answer}");
    }
    served.stopped().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let test = TestApp::new().await;
    let served = serve(&test).await;
    let many: String = (0..150).map(|number| format!("x-{number}: 1\r\n")).collect();
    let long = "a".repeat(300_000);
    for (what, text) in [
        ("many headers", format!("GET /health HTTP/1.1\r\nHost: x\r\n{many}\r\n")),
        ("a long header", format!("GET /health HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n")),
        ("a long target", format!("GET /health?{long} HTTP/1.1\r\nHost: x\r\n\r\n")),
        ("a long method", format!("{long} /health HTTP/1.1\r\nHost: x\r\n\r\n")),
    ] {
        let answer = talk(served.address, &text).await;
        let refused = ["", "HTTP/1.1 431", "HTTP/1.1 414", "HTTP/1.1 400"];
        assert!(
            refused.iter().any(|start| !start.is_empty() && answer.starts_with(start)) || answer.is_empty(),
            "{what}: {answer:.300}"
        );
    }
    let good = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(talk(served.address, good).await.starts_with("HTTP/1.1 200"), "others are served as before");
    served.stopped().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let test = TestApp::with(|settings| settings.gateway.body_timeout = Duration::from_millis(300)).await;
    let served = serve(&test).await;
    let key = &test.keys.editor;
    let head = format!(
        "POST /api/workflows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    );
    for text in [
        format!("{head}Content-Length: 100\r\n\r\n{{\"defi"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\n{{\"def\r\n"),
    ] {
        let answer = talk(served.address, &text).await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request-timeout"), "{answer}");
    }
    served.stopped().await;
}

#[tokio::test]
async fn who_reads_nothing_of_an_answer_is_let_go() {
    let test = TestApp::with(|settings| settings.gateway.stall_timeout = Duration::from_millis(300)).await;
    let served = serve(&test).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    // More answers than the system's buffers hold, and nobody reads them.
    let ask = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200);
    let sent = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            if stream.write_all(ask.as_bytes()).await.is_err() {
                break;
            }
        }
    });
    sent.await.expect("the server closes the connection");
    served.stopped().await;
}

#[tokio::test]
async fn one_address_has_only_so_many_connections() {
    let test = TestApp::with(|settings| settings.gateway.connections_per_address = 5).await;
    let served = serve(&test).await;
    let mut open = Vec::new();
    // The node looks at itself by way of its own port, so it may have a connection, too.
    while open.len() < 6 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        if &first != b"HTTP/1.1 200" {
            break;
        }
        open.push(stream);
    }
    assert!((4..=5).contains(&open.len()), "{}", open.len());
    let answer = wait_for("a connection to be one too many", || async {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(Duration::from_millis(300), stream.read_to_string(&mut answer)).await;
        (read.is_ok() && !answer.is_empty()).then_some(answer)
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("use those that you have"), "{answer}");
    let length: usize =
        answer.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
    assert_eq!(answer.split("\r\n\r\n").nth(1).unwrap().len(), length, "{answer:?}");
    open.truncate(1);
    let good = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    wait_for("a place to be free", || async {
        talk(served.address, good).await.contains("200 OK").then_some(())
    })
    .await;
    served.stopped().await;
    // A proxy that is trusted brings many people.
    let test = TestApp::with(|settings| {
        settings.gateway.connections_per_address = 1;
        settings.gateway.trusted_proxies = "127.0.0.1".parse().unwrap();
    })
    .await;
    let served = serve(&test).await;
    let _held = TcpStream::connect(served.address).await.unwrap();
    for _ in 0..3 {
        assert!(talk(served.address, good).await.contains("200 OK"));
    }
    served.stopped().await;
}
