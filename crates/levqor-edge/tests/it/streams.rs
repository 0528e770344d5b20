use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::Request;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    origin::{Mood, Origin},
    world::{PATIENCE, ROUTE, World, read, wait_for},
};

#[tokio::test]
async fn events_pass_one_by_one_as_they_come() {
    let origin = Origin::start("eu").await;
    let world = World::before(&[&origin]).await;
    let response = world.client().await.begin(Request::get("/events")).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        origin.event(event).await;
        let frame = timeout(PATIENCE, body.frame()).await.expect("at once").unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), event);
    }
    origin.end_events();
    assert!(timeout(PATIENCE, body.frame()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_ends_at_the_origin_when_the_client_hangs_up() {
    let origin = Origin::start("eu").await;
    let world = World::before(&[&origin]).await;
    let mut client = world.client().await;
    let request = tokio::spawn(async move { client.send(Request::get("/gate").header("host", "a")).await });
    wait_for("the request", || origin.waiting() == 1).await;
    request.abort();
    wait_for("the abort", || origin.aborted() == 1).await;
    assert_eq!(world.edge.live().origins[0].in_flight(), 0);
}

#[tokio::test]
async fn a_large_answer_waits_for_its_reader() {
    let origin = Origin::start("eu").await;
    let world = World::before(&[&origin]).await;
    let response = world.client().await.begin(Request::get("/endless")).await;
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    // Nobody reads: what is under way fills the buffers of the system and stops.
    let mut before = 0;
    loop {
        let _ = timeout(Duration::from_millis(100), std::future::pending::<()>()).await;
        let now = origin.sent();
        if now == before {
            break;
        }
        before = now;
    }
    assert!(before < 64 * 1024 * 1024, "{before} bytes are under way");
    // Reading makes room again.
    let mut read = 0;
    while read < before + 1024 * 1024 {
        read += body.frame().await.unwrap().unwrap().data_ref().map_or(0, Bytes::len);
    }
}

#[tokio::test]
async fn a_large_upload_waits_for_the_origin_and_arrives_whole() {
    const BYTES: usize = 64 * 1024 * 1024;
    let origin = Origin::start("eu").await;
    let world = World::before(&[&origin]).await;
    origin.read_uploads(false);
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let taken = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = taken.clone();
    let pieces = stream::iter((0..BYTES / 65_536).map(move |_| {
        counted.fetch_add(65_536, std::sync::atomic::Ordering::SeqCst);
        Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(&[b'x'; 65_536])))
    }));
    let request = Request::post("/upload").header("host", "a").body(StreamBody::new(pieces)).unwrap();
    let answer = tokio::spawn(async move { read(sender.send_request(request).await.unwrap()).await });
    let mut before = usize::MAX;
    loop {
        let _ = timeout(Duration::from_millis(100), std::future::pending::<()>()).await;
        let now = taken.load(std::sync::atomic::Ordering::SeqCst);
        if now == before {
            break;
        }
        before = now;
    }
    assert!(before < BYTES / 2, "{before} bytes were taken while the origin did not read");
    origin.read_uploads(true);
    let answer = timeout(PATIENCE, answer).await.unwrap().unwrap().unwrap();
    assert_eq!((answer.status, answer.body), (200, BYTES.to_string()));
    assert_eq!(origin.uploaded(), BYTES);
}

#[tokio::test]
async fn a_client_that_breaks_off_its_body_breaks_off_the_upload() {
    let origin = Origin::start("eu").await;
    let world = World::before(&[&origin]).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(b"POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nhalf").await.unwrap();
    wait_for("the first bytes", || origin.uploaded() == 4).await;
    drop(stream);
    wait_for("the end", || world.edge.live().origins[0].in_flight() == 0).await;
}

#[tokio::test]
async fn a_client_that_stalls_in_its_body_is_told_so() {
    let origin = Origin::start("eu").await;
    let world = World::with(&[&origin], "", &format!("{ROUTE}[limits]\nstall_seconds = 1\n")).await;
    let answer = world.raw("POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nhalf").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_cut_off() {
    let origin = Origin::start("eu").await;
    let world = World::with(&[&origin], "", &format!("{ROUTE}[limits]\nhead_seconds = 1\n")).await;
    let answer = world.raw("GET / HTTP/1.1\r\nhost: a\r\nx-slow: ").await;
    assert!(!answer.contains("200"), "{answer}");
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn an_origin_that_takes_too_long_is_a_problem_and_not_repeated() {
    let origin = Origin::start("eu").await;
    let world = World::with(&[&origin], "", &format!("{ROUTE}[upstream]\nanswer_ms = 150\n")).await;
    let answer = world.get("/gate").await;
    assert_eq!((answer.status, answer.problem().as_str()), (504, "origin-timeout"));
    assert_eq!(origin.seen().len(), 1);
    wait_for("the abort", || origin.aborted() == 1).await;
}

#[tokio::test]
async fn a_long_upload_is_not_taken_for_a_late_answer() {
    let origin = Origin::start("eu").await;
    let world = World::with(&[&origin], "", &format!("{ROUTE}[upstream]\nanswer_ms = 200\n")).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = b"POST /upload HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 8\r\n\r\n";
    stream.write_all(head).await.unwrap();
    for bytes in 1..=8 {
        // Eight pauses, together twice what an answer may take.
        let _ = timeout(Duration::from_millis(50), std::future::pending::<()>()).await;
        stream.write_all(b"x").await.unwrap();
        wait_for("the byte", || origin.uploaded() == bytes).await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_tunnel_passes_bytes_both_ways() {
    let origin = Origin::start("eu").await;
    let world = World::before(&[&origin]).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream
        .write_all(b"GET /tunnel HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\nearly")
        .await
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101") && head.contains("upgrade: echo"), "{head}");
    let mut echo = async |sent: &[u8], expected: &[u8]| {
        stream.write_all(sent).await.unwrap();
        let mut back = vec![0; expected.len()];
        timeout(PATIENCE, stream.read_exact(&mut back)).await.unwrap().unwrap();
        assert_eq!(back, expected);
    };
    echo(b"", b"EARLY").await;
    // What looks like an ambiguous request is only bytes here.
    echo(b"content-length: 1\n content-length: 2\r\n\r\n", b"CONTENT-LENGTH: 1\n CONTENT-LENGTH: 2\r\n\r\n")
        .await;
    assert_eq!(world.edge.live().origins[0].in_flight(), 1);
    drop(stream);
    wait_for("the end", || world.edge.live().origins[0].in_flight() == 0).await;
}

#[tokio::test]
async fn a_refused_upgrade_is_the_last_answer_of_its_connection() {
    let origin = Origin::start("eu").await;
    let world = World::before(&[&origin]).await;
    let answer = world
        .raw(
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n\
             GET /second HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
        )
        .await;
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    assert!(origin.seen().iter().all(|seen| seen.target == "/"));
}

#[tokio::test]
async fn a_short_silence_changes_nothing() {
    let origin = Origin::start("eu").await;
    let world = World::before(&[&origin]).await;
    for _ in 0..20 {
        origin.mood(Mood::Mute);
        let _ = timeout(Duration::from_millis(30), std::future::pending::<()>()).await;
        origin.mood(Mood::Well);
        assert_eq!(world.get("/").await.status, 200);
        assert_eq!(world.verdict(0), levqor_edge::Verdict::Up);
    }
}
