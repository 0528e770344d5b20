//! `levqor edge` as its users meet it: a process of its own before a stand-in for a node.

use std::{process::Stdio, time::Duration};

use levqor_lab::{Edge, EdgeSetup, Origin, Server};
use levqor_testkit::{Client, HttpStub, Reply, Route, temp_dir, wait_for};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::Command,
};

use crate::command_line::levqor;

fn file(origin: &str) -> String {
    format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\n[[regions]]\ncode = \"eu-west\"\n[[origins]]\nname = \"eu-1\"\n\
         region = \"eu-west\"\nurl = \"{origin}\"\n[[routes]]\nhosts = [\"*\"]\n"
    )
}

#[test]
fn a_file_is_checked_and_shown_as_a_table_or_as_json() {
    let directory = temp_dir();
    let path = directory.path().join("edge.toml");
    let name = path.to_str().unwrap();
    std::fs::write(&path, file("http://127.0.0.1:8001")).unwrap();
    let ran = levqor(&["edge", "--config", name, "--check"]);
    let shown = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{shown}");
    for words in ["ORIGIN", "eu-1", "http://127.0.0.1:8001", "*/", "configuration ok"] {
        assert!(shown.contains(words), "{words} is not in {shown}");
    }
    assert!(!shown.contains('\u{1b}'), "no colour when piped");
    let ran = levqor(&["edge", "--config", name, "--check", "--json"]);
    let shown: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((&shown["ok"], &shown["origins"][0]["region"]), (&true.into(), &"eu-west".into()));
}

#[test]
fn a_bad_file_is_refused_with_place_and_remedy() {
    let directory = temp_dir();
    let path = directory.path().join("edge.toml");
    let name = path.to_str().unwrap();
    std::fs::write(&path, file("http://127.0.0.1:8001").replace("region = \"eu-west\"", "region = \"mars\""))
        .unwrap();
    let ran = levqor(&["edge", "--config", name]);
    let told = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(2), "{told}");
    assert!(
        told.contains("edge.toml: origins[0].region: region \"mars\" is not known; use one of"),
        "{told}"
    );
    let ran = levqor(&["edge", "--config", name, "--check", "--json"]);
    let told: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((ran.status.code(), &told["ok"]), (Some(2), &false.into()));
    let ran = levqor(&["edge", "--config", "/no/such/edge.toml"]);
    assert_eq!(ran.status.code(), Some(2));
    let told = String::from_utf8(ran.stderr).unwrap();
    assert!(told.contains("/no/such/edge.toml: cannot be read"), "{told}");
    let ran = levqor(&["edge", "--config", name, "--listen", "127.0.0.1:1"]);
    assert!(String::from_utf8(ran.stderr).unwrap().contains("--listen is for nodes"));
}

#[tokio::test]
async fn the_process_routes_and_stops_cleanly_when_it_is_asked_to() {
    let stub = HttpStub::start().await;
    stub.route(Route::new("/ready"));
    stub.route(Route::new("/echo").reply(Reply::echo()));
    let directory = temp_dir();
    let path = directory.path().join("edge.toml");
    std::fs::write(&path, file(&format!("http://{}", stub.address()))).unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_levqor"))
        .args(["edge", "--json", "--log-format", "json", "--config"])
        .arg(&path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    let address = told["urls"][0].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
    let client = Client::new(address, "lvq_1");
    let answer = client.post("/echo", &serde_json::json!({ "n": 1 })).await.unwrap();
    assert_eq!((answer.status, &answer.body["n"]), (200, &1.into()));
    // Requests pass from the first moment on; the verdict needs a check.
    let health = wait_for("the first verdict", || async {
        client.get("/edge/health").await.ok().filter(|health| health.body["status"] == "ok")
    })
    .await;
    assert_eq!((&health.body["status"], &health.body["origins"][0]["verdict"]), (&"ok".into(), &"up".into()));
    let id = process.id().unwrap().to_string();
    Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(30), process.wait_with_output());
    let stopped = stopped.await.expect("it stops").unwrap();
    let log = String::from_utf8(stopped.stderr).unwrap();
    assert!(stopped.status.success(), "{log}");
    assert!(log.contains("origin eu-1 is up (was unknown)") && log.contains("stopped"), "{log}");
}

/// Asks for the plans by way of `address`, with these header lines; the status.
async fn ask(address: std::net::SocketAddr, lines: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text =
        format!("GET /api/plans HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n{lines}\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// As the guides on the edge and on operating say it is set up.
#[tokio::test]
async fn a_node_behind_an_edge_knows_who_asks_and_believes_nobody_else() {
    let directory = temp_dir();
    let setup = crate::api::setup(directory.path())
        .env("LEVQOR_GATEWAY_TRUSTED_PROXIES", "127.0.0.1")
        .env("LEVQOR_LIMITS_ANONYMOUS_PER_MINUTE", "2")
        .env("LEVQOR_LOG", "info");
    let node = Server::start(&setup).await.unwrap();
    let edge = Edge::start(&EdgeSetup {
        binary: env!("CARGO_BIN_EXE_levqor").into(),
        directory: directory.path().to_owned(),
        name: "edge-1".to_owned(),
        origins: vec![Origin { region: "eu-west".to_owned(), address: node.address() }],
        more: "[trust]\nproxies = [\"127.0.0.1\"]\ncountry_header = \"cf-ipcountry\"\n".to_owned(),
    })
    .await
    .unwrap();
    // Somebody before the edge names two callers, each of whom has a quota, whatever a caller wrote before that.
    for (line, expected) in [
        ("X-Forwarded-For: 203.0.113.1\r\ncf-ipcountry: DE\r\n", "200"),
        ("X-Forwarded-For: 203.0.113.2\r\nX-Levqor-Country: XX\r\n", "200"),
        ("X-Forwarded-For: 8.8.8.8, 203.0.113.1\r\n", "200"),
        ("X-Forwarded-For: 9.9.9.9, 203.0.113.1\r\n", "429"),
        ("X-Forwarded-For: 203.0.113.2\r\nForwarded: for=7.7.7.7\r\n", "200"),
        ("X-Forwarded-For: 203.0.113.2\r\n", "429"),
    ] {
        assert_eq!(ask(edge.address(), line).await, expected, "{line:?}");
    }
    let log = node.log();
    let told =
        |part: &str| log.lines().filter(|line| line.contains("/api/plans") && line.contains(part)).count();
    let countries = (told("client.country=\"DE\""), told("client.country=\"XX\""));
    assert_eq!((told("client.network=203.0.113.0/24"), countries), (6, (1, 0)), "{log}");
}
