//! Regions as real processes on one PostgreSQL: followed by an edge, and what a start refuses.

use std::process::Output;

use levqor_lab::{Postgres, Server, ServerSetup};
use levqor_testkit::{temp_dir, wait_for};
use serde_json::Value;

use crate::{
    api::{Levqor, setup},
    command_line,
    nodes::node,
};

/// `levqor …` against this server, off this thread: it waits for the end of what it begins.
async fn levqor(of: &Levqor, arguments: &[&str]) -> Output {
    let (url, key) = (of.server.url(""), of.key.clone());
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let run = move || {
        let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
        all.extend(["--url", url.as_str(), "--key", key.as_str()]);
        command_line::levqor(&all)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

#[tokio::test]
async fn an_edge_follows_the_regions_of_a_server() {
    let directory = temp_dir();
    let database = Postgres::shared().database().unwrap();
    let server = Server::start(&node(directory.path(), &database, "eu-west")).await.unwrap();
    let key = server.line("lvq_").await.unwrap().trim().to_owned();
    let eu = Levqor::of(server, &key);
    let told = levqor(&eu, &["regions", "--for-edge"]).await;
    let section = String::from_utf8(told.stdout.clone()).unwrap();
    assert!(told.status.success() && section.starts_with("[snapshot]\npublic_key = \""), "{}", words(&told));
    let path = directory.path().join("edge.toml");
    let kept = directory.path().join("regions.json");
    let file = format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\n[[regions]]\ncode = \"eu-west\"\n[[regions]]\ncode = \"us-east\"\n\
         [[origins]]\nname = \"first\"\nregion = \"eu-west\"\nurl = \"{}\"\n[[routes]]\nhosts = [\"*\"]\n{}poll_seconds = 1\n",
        eu.server.url("").trim_end_matches('/'),
        section.replace("regions.json", kept.to_str().unwrap())
    );
    std::fs::write(&path, file).unwrap();
    let us = Server::start(&node(directory.path(), &database, "us-east")).await.unwrap();
    let mut edge = tokio::process::Command::new(env!("CARGO_BIN_EXE_levqor"))
        .args(["edge", "--config", path.to_str().unwrap()])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let document = wait_for("the edge to know both regions", || async {
        let signed: Value = serde_json::from_slice(&std::fs::read(&kept).ok()?).ok()?;
        let document: Value = serde_json::from_str(signed["document"].as_str()?).ok()?;
        let has_origin = |place: usize| document["regions"][place]["origins"][0]["url"].is_string();
        (has_origin(0) && has_origin(1)).then_some(document)
    })
    .await;
    let url = us.url("");
    assert_eq!(document["regions"][1]["origins"][0]["url"], url.trim_end_matches('/'));
    edge.kill().await.unwrap();
}

/// Starts a server that must refuse, and gives what it said.
async fn refused(setup: &ServerSetup) -> String {
    let mut server = Server::spawn(setup).unwrap();
    let code = wait_for("the server to refuse", || std::future::ready(server.exit_code().unwrap())).await;
    assert_eq!(code, 2, "{}", server.log());
    server.log()
}

#[tokio::test]
async fn doubled_regions_and_newer_schemas_are_refused_at_the_start() {
    let directory = temp_dir();
    let file = directory.path().join("levqor.toml");
    let region =
        "[[regions]]\ncode = \"eu-west\"\nname = \"E\"\ndescription = \"E\"\njurisdiction = \"EU\"\n";
    std::fs::write(&file, region.repeat(2)).unwrap();
    let log = refused(&setup(directory.path()).env("LEVQOR_CONFIG", file.to_str().unwrap())).await;
    assert!(log.contains("region eu-west is listed twice"), "{log}");

    let database = Postgres::shared().database().unwrap();
    let first = node(directory.path(), &database, "eu-west");
    let server = Server::start(&first).await.unwrap();
    let url = database.clone();
    let later = move || {
        let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        let row = "INSERT INTO migrations (version, name, sha256) VALUES (9999, '9999_later', 'x')";
        client.execute(row, &[]).unwrap();
    };
    tokio::task::spawn_blocking(later).await.unwrap();
    // One that runs goes on, and says that it is not ready; an older one does not start beside it.
    drop(server);
    let log = refused(&node(directory.path(), &database, "us-east")).await;
    assert!(log.contains("9999"), "{log}");
}
