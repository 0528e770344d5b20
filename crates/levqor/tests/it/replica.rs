//! Lists and history from a replica, as a real process serves them.

use std::path::Path;

use levqor_lab::{Pair, Server, ServerSetup};
use levqor_testkit::{temp_dir, wait_for};
use serde_json::{Value, json};

use crate::api::{Levqor, setup};

fn node(directory: &Path, pair: &Pair, read_url: &str) -> ServerSetup {
    setup(directory)
        .env("LEVQOR_DATABASE_URL", &pair.url())
        .env("LEVQOR_DATABASE_READ_URL", read_url)
        .env("SECURITY_HMAC_SECRET", "a secret of many words")
}

async fn start(setup: &ServerSetup) -> Levqor {
    let server = Server::start(setup).await.unwrap();
    let key = server.line("lvq_").await.unwrap().trim().to_owned();
    Levqor::of(server, &key)
}

/// The verdict about the replica of a node that is ready.
async fn verdict(levqor: &Levqor) -> Value {
    let ready = levqor.get("/ready").await;
    assert_eq!(ready["status"], "ready", "{ready}");
    ready["checks"]["database_replica"].clone()
}

/// Reads for people that were answered in this way.
async fn reads(levqor: &Levqor, answer: &str) -> u64 {
    let metrics = levqor.get("/metrics").await;
    let line = metrics.as_str().unwrap().lines().find(|line| {
        line.starts_with("levqor_database_replica_reads_total") && line.contains(&format!("\"{answer}\""))
    });
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{metrics}"))
}

/// Runs a workflow, and looks at all that is told of it, again and again.
async fn run_and_look(levqor: &Levqor) {
    let workflow = levqor
        .create(&json!({
            "document": { "dsl": "1.0.1", "namespace": "test", "name": "two", "version": "1.0.0" },
            "do": [{ "a": { "set": { "x": 1 } } }, { "b": { "set": { "x": 2 } } }],
        }))
        .await;
    for number in 1..=20 {
        let run = levqor.start(&workflow, &json!({ "wait_seconds": 30 })).await;
        let id = run["run_id"].as_str().unwrap();
        let runs = levqor.get("/api/runs?limit=100").await;
        assert_eq!(runs["runs"].as_array().unwrap().len(), number, "{runs}");
        assert_eq!(
            (&runs["runs"][0]["run_id"], &runs["runs"][0]["status"]),
            (&run["run_id"], &json!("completed"))
        );
        let tasks = levqor.get(&format!("/api/runs/{id}/tasks")).await;
        assert_eq!(tasks["tasks"].as_array().unwrap().len(), 2, "{tasks}");
    }
}

#[tokio::test]
async fn what_a_node_has_written_is_shown_from_the_replica() {
    let directory = temp_dir();
    let pair = Pair::start(&["fsync=off"]).unwrap();
    let read_url = format!("postgres://levqor@{}/{}", pair.addresses()[1], pair.database());
    let levqor = start(&node(directory.path(), &pair, &read_url)).await;
    wait_for("the replica to be read from", || async {
        (verdict(&levqor).await["ok"] == true).then_some(())
    })
    .await;
    run_and_look(&levqor).await;
    wait_for("the replica to answer", || async {
        levqor.get("/api/runs").await;
        (reads(&levqor, "replica").await > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_replica_that_is_away_is_told_and_costs_nothing() {
    let directory = temp_dir();
    let pair = Pair::start(&["fsync=off"]).unwrap();
    let levqor = start(&node(directory.path(), &pair, "postgres://levqor@127.0.0.1:1/levqor")).await;
    run_and_look(&levqor).await;
    let verdict = wait_for("the verdict", || async {
        let verdict = verdict(&levqor).await;
        verdict["detail"].as_str()?.contains("does not answer").then_some(verdict)
    })
    .await;
    assert_eq!(verdict["ok"], false);
    assert!(verdict["detail"].as_str().unwrap().ends_with("; reads go to the primary"), "{verdict}");
    assert!(reads(&levqor, "unfit").await >= 40);
    assert_eq!(reads(&levqor, "replica").await, 0);
}
