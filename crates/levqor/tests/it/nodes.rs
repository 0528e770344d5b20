//! Several nodes on one PostgreSQL, as real processes: one dies or stands still, and what was acknowledged goes on elsewhere.

use std::path::Path;

use levqor_lab::{Direction, Passage, Postgres, Relay, Server, ServerSetup, Signal};
use levqor_testkit::{
    HttpStub, Reply, Route,
    crash::{effects, two_calls_and_a_wait},
    temp_dir, wait_for,
};
use serde_json::{Value, json};

use crate::api::{Levqor, setup};

const SECRET: &str = "a secret that all nodes of this test have";
const RUNS: usize = 40;

/// A node of that region, on its own directory and the same database.
pub fn node(directory: &Path, database: &str, region: &str) -> ServerSetup {
    let own = directory.join(region);
    std::fs::create_dir_all(&own).unwrap();
    setup(&own)
        .env("LEVQOR_DATABASE_URL", database)
        .env("SECURITY_HMAC_SECRET", SECRET)
        .env("LEVQOR_REGION", region)
}

fn busy_stub(stub: &HttpStub) {
    for path in ["/first", "/second"] {
        let answer = Reply::json(&json!({ "ok": true })).after(std::time::Duration::from_millis(20));
        stub.route(Route::new(path).reply(answer));
    }
}

/// Live nodes as the API tells them, by region.
async fn regions(levqor: &Levqor) -> Value {
    levqor.get("/api/regions").await["regions"].clone()
}

async fn live(levqor: &Levqor, code: &str) -> u64 {
    let regions = regions(levqor).await;
    let region = regions.as_array().unwrap().iter().find(|region| region["code"] == code).unwrap();
    region["nodes_live"].as_u64().unwrap()
}

#[tokio::test]
async fn runs_of_a_killed_node_end_on_another() {
    let directory = temp_dir();
    let database = Postgres::shared().database().unwrap();
    runs_go_on(directory.path(), &database).await;
}

#[tokio::test]
async fn nodes_of_one_machine_may_share_a_file() {
    let directory = temp_dir();
    let database = format!("sqlite://{}", directory.path().join("shared.db").display());
    runs_go_on(directory.path(), &database).await;
}

async fn runs_go_on(directory: &Path, database: &str) {
    let stub = HttpStub::start().await;
    busy_stub(&stub);
    let server = Server::start(&node(directory, database, "us-east")).await.unwrap();
    let key = server.line("lvq_").await.unwrap().trim().to_owned();
    let mut us = Levqor::of(server, &key);
    let eu = Server::start(&node(directory, database, "eu-west")).await.unwrap();
    let eu = Levqor::of(eu, &key);
    let workflow = us.create(&two_calls_and_a_wait(&stub, 2)).await;
    let mut acknowledged = Vec::new();
    for n in 0..RUNS {
        let run = us.start(&workflow, &json!({ "input": { "n": n } })).await;
        acknowledged.push(run["run_id"].as_str().unwrap().to_owned());
    }
    assert_eq!((live(&eu, "us-east").await, live(&eu, "eu-west").await), (1, 1));
    us.server.kill().unwrap();

    for run in &acknowledged {
        let ended = eu.ended(run).await;
        assert_eq!(ended["status"], "completed", "{ended}");
        assert_eq!(ended["home_region"], "us-east");
    }
    assert_eq!(live(&eu, "us-east").await, 0);
    let effects = effects(&stub);
    assert_eq!(effects.len(), 2 * RUNS, "{RUNS} runs, two effects each");
    assert!(effects.values().all(|effect| effect.is_constant), "{effects:?}");
    let nodes = eu.get("/api/ops/nodes").await;
    let gone = nodes["nodes"].as_array().unwrap().iter().find(|node| node["region"] == "us-east").unwrap();
    assert_eq!((gone["state"].as_str(), gone["stop_reason"].as_str()), (Some("stopped"), Some("expired")));
    let taken: i64 = nodes["takeovers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|takeover| takeover["runs"].as_i64().unwrap())
        .sum();
    assert!(taken > 0, "{nodes}");
}

#[tokio::test]
async fn a_node_that_stood_still_comes_back_as_a_new_one() {
    let stub = HttpStub::start().await;
    busy_stub(&stub);
    let directory = temp_dir();
    let database = Postgres::shared().database().unwrap();
    let server = Server::start(&node(directory.path(), &database, "us-east")).await.unwrap();
    let key = server.line("lvq_").await.unwrap().trim().to_owned();
    let us = Levqor::of(server, &key);
    let eu = Server::start(&node(directory.path(), &database, "eu-west")).await.unwrap();
    let eu = Levqor::of(eu, &key);
    let workflow = us.create(&two_calls_and_a_wait(&stub, 1)).await;
    let mut acknowledged = Vec::new();
    for n in 0..RUNS {
        let run = us.start(&workflow, &json!({ "input": { "n": n } })).await;
        acknowledged.push(run["run_id"].as_str().unwrap().to_owned());
    }
    us.server.signal(Signal::STOP).unwrap();
    wait_for("the node to be condemned", || async { (live(&eu, "us-east").await == 0).then_some(()) }).await;
    for run in &acknowledged {
        assert_eq!(eu.ended(run).await["status"], "completed");
    }
    us.server.signal(Signal::CONT).unwrap();
    wait_for("the node to be back", || async { (live(&eu, "us-east").await == 1).then_some(()) }).await;
    // The same process, on the same address.
    let again = wait_for("a run of the node that is back", || async {
        let path = format!("/api/workflows/{workflow}/runs");
        let body = json!({ "input": { "n": RUNS } });
        let (status, run) = us.call(reqwest::Method::POST, &path, Some(&body)).await;
        matches!(status, 200 | 202).then_some(run)
    })
    .await;
    let run = again["run_id"].as_str().unwrap();
    assert_eq!(eu.ended(run).await["region"], "us-east");
    let effects = effects(&stub);
    assert_eq!(effects.len(), 2 * (RUNS + 1));
    assert!(effects.values().all(|effect| effect.is_constant), "{effects:?}");
}

/// Answers of the database do not arrive any more, so whether the last commits were made is not known where they were asked for.
#[tokio::test]
async fn a_node_that_does_not_hear_its_database_loses_its_runs_and_comes_back() {
    let stub = HttpStub::start().await;
    busy_stub(&stub);
    let directory = temp_dir();
    let database = Postgres::shared().database().unwrap();
    let place = Postgres::shared().address();
    let wire = Relay::start(place).unwrap();
    let through = database.replace(&place.to_string(), &wire.address().to_string());
    assert_ne!(through, database);
    let server = Server::start(&node(directory.path(), &through, "us-east")).await.unwrap();
    let key = server.line("lvq_").await.unwrap().trim().to_owned();
    let us = Levqor::of(server, &key);
    let eu = Server::start(&node(directory.path(), &database, "eu-west")).await.unwrap();
    let eu = Levqor::of(eu, &key);
    let workflow = us.create(&two_calls_and_a_wait(&stub, 1)).await;
    let mut acknowledged = Vec::new();
    for n in 0..RUNS {
        let run = us.start(&workflow, &json!({ "input": { "n": n } })).await;
        acknowledged.push(run["run_id"].as_str().unwrap().to_owned());
    }
    wire.set(Direction::Back, Passage::Silent);
    wait_for("the node to be condemned", || async { (live(&eu, "us-east").await == 0).then_some(()) }).await;
    for run in &acknowledged {
        assert_eq!(eu.ended(run).await["status"], "completed");
    }
    wire.mend();
    wait_for("the node to be back", || async { (live(&eu, "us-east").await == 1).then_some(()) }).await;
    let effects = effects(&stub);
    assert_eq!(effects.len(), 2 * RUNS);
    assert!(effects.values().all(|effect| effect.is_constant), "{effects:?}");
}

#[tokio::test]
async fn nodes_with_different_secrets_do_not_meet() {
    let directory = temp_dir();
    let database = Postgres::shared().database().unwrap();
    let _first = Server::start(&node(directory.path(), &database, "us-east")).await.unwrap();
    let other = node(directory.path(), &database, "eu-west")
        .env("SECURITY_HMAC_SECRET", "another secret of many words");
    let mut other = Server::spawn(&other).unwrap();
    let code = wait_for("the refusal", || {
        let code = other.exit_code().unwrap();
        std::future::ready(code)
    })
    .await;
    assert_eq!(code, 2);
    assert!(other.log().contains("SECURITY_HMAC_SECRET is not the one"), "{}", other.log());
}

/// What is wanted of another node's run is told to it, and its answer comes back, without anybody's waiting for the next look.
#[tokio::test]
async fn a_cancel_crosses_nodes() {
    const CANCELLED: usize = 20;
    let directory = temp_dir();
    let database = Postgres::shared().database().unwrap();
    let server = Server::start(&node(directory.path(), &database, "us-east")).await.unwrap();
    let key = server.line("lvq_").await.unwrap().trim().to_owned();
    let us = Levqor::of(server, &key);
    let eu = Server::start(&node(directory.path(), &database, "eu-west")).await.unwrap();
    let eu = Levqor::of(eu, &key);
    let workflow = us
        .create(&json!({
            "document": { "dsl": "1.0.1", "namespace": "test", "name": "pause", "version": "1.0.0" },
            "do": [{ "a": { "wait": { "hours": 1 } } }],
        }))
        .await;
    let mut took = Vec::new();
    for _ in 0..CANCELLED {
        let run = us.start(&workflow, &json!({})).await["run_id"].as_str().unwrap().to_owned();
        wait_for("the run to wait", || async {
            (us.get(&format!("/api/runs/{run}")).await["status"] == "waiting").then_some(())
        })
        .await;
        let begun = std::time::Instant::now();
        let (status, run) = eu.call(reqwest::Method::POST, &format!("/api/runs/{run}/cancel"), None).await;
        took.push(begun.elapsed());
        assert_eq!((status, run["status"].as_str()), (200, Some("cancelled")), "{run}");
    }
    took.sort_unstable();
    println!("a cancel across nodes: {:?} at best, half within {:?}", took[0], took[CANCELLED / 2]);
}
