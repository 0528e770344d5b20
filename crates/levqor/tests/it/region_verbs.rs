//! Regions that are operated, as real processes on one PostgreSQL: drained under load, failed over, activated, and followed by an
//! edge.

use std::process::Output;

use levqor_lab::{Postgres, Server, ServerSetup};
use levqor_testkit::{HttpStub, Reply, Route, crash, temp_dir, wait_for};
use serde_json::{Value, json};

use crate::{
    api::{Levqor, setup},
    command_line,
    nodes::node,
};

const RUNS: usize = 20;

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

/// The act that a command with `--json` ended with.
async fn act(of: &Levqor, arguments: &[&str]) -> Value {
    let ran = levqor(of, &[&["region", "--json"], arguments].concat()).await;
    assert_eq!(ran.status.code(), Some(0), "{arguments:?}: {}", words(&ran));
    serde_json::from_slice(&ran.stdout).unwrap()
}

async fn start_runs(levqor: &Levqor, workflow: &str, from: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for n in from..from + RUNS {
        let run = levqor.start(workflow, &json!({ "input": { "n": n } })).await;
        acknowledged.push(run["run_id"].as_str().unwrap().to_owned());
    }
    acknowledged
}

async fn status(levqor: &Levqor, code: &str) -> String {
    levqor.get(&format!("/api/regions/{code}")).await["status"].as_str().unwrap().to_owned()
}

async fn until(levqor: &Levqor, code: &str, expected: &str) {
    wait_for(&format!("{code} to be {expected}"), || async {
        (status(levqor, code).await == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn three_regions_are_drained_failed_over_and_activated_without_losing_a_run() {
    let stub = HttpStub::start().await;
    for path in ["/first", "/second"] {
        let answer = Reply::json(&json!({ "ok": true })).after(std::time::Duration::from_millis(20));
        stub.route(Route::new(path).reply(answer));
    }
    let directory = temp_dir();
    let database = Postgres::shared().database().unwrap();
    let server = Server::start(&node(directory.path(), &database, "eu-west")).await.unwrap();
    let key = server.line("lvq_").await.unwrap().trim().to_owned();
    let eu = Levqor::of(server, &key);
    let us = Server::start(&node(directory.path(), &database, "us-east")).await.unwrap();
    let us = Levqor::of(us, &key);
    let ap = Server::start(&node(directory.path(), &database, "ap-south")).await.unwrap();
    let ap = Levqor::of(ap, &key);
    for code in ["eu-west", "us-east", "ap-south"] {
        until(&eu, code, "active").await;
    }
    let workflow = eu.create(&crash::two_calls_and_a_wait(&stub, 4)).await;
    let mut acknowledged = start_runs(&us, &workflow, 0).await;

    // Nobody has rehearsed anything yet.
    let refused = levqor(&eu, &["region", "failover", "us-east"]).await;
    assert_eq!(refused.status.code(), Some(1), "{}", words(&refused));
    for part in ["--unrehearsed", "eu-west/drill: it has never taken runs over"] {
        assert!(words(&refused).contains(part), "{part} is missing in {}", words(&refused));
    }
    let drained = act(&eu, &["drain", "us-east", "--reason", "a new disk"]).await;
    assert_eq!(
        (&drained["outcome"], &drained["report"]["pinned_runs"]),
        (&"done".into(), &0.into()),
        "{drained}"
    );
    assert!(drained["report"]["moved_runs"].as_i64().unwrap() > 0, "{drained}");
    until(&eu, "us-east", "draining").await;
    let (code, ready) = us.call(reqwest::Method::GET, "/ready", None).await;
    assert_eq!((code, &ready["status"]), (503, &"draining".into()), "{ready}");
    // It answers, and what is asked of it begins elsewhere.
    acknowledged.extend(start_runs(&us, &workflow, RUNS).await);
    assert_eq!(us.get("/api/ops/regions/us-east").await["reports"][0]["id"], drained["id"]);

    let opened = act(&ap, &["activate", "us-east"]).await;
    assert_eq!(opened["outcome"], "done", "{opened}");
    until(&eu, "us-east", "active").await;

    // What the drain rehearsed is ready to take over now: eu-west, which is first in the order.
    acknowledged.extend(start_runs(&us, &workflow, 2 * RUNS).await);
    let over = act(&eu, &["failover", "us-east", "--to", "eu-west"]).await;
    assert_eq!((&over["outcome"], &over["target"]), (&"done".into(), &"eu-west".into()), "{over}");
    assert!(over["report"]["moved"]["eu-west"].as_i64().unwrap() > 0, "{over}");
    assert!(over["report"]["longest_gap_seconds"].as_f64().unwrap() < 60.0, "{over}");
    let nodes = eu.get("/api/ops/nodes").await;
    let stopped = nodes["nodes"].as_array().unwrap().iter().find(|node| node["stop_reason"] == "failed over");
    assert_eq!(stopped.unwrap()["region"], "us-east");

    for run in &acknowledged {
        let ended = eu.ended(run).await;
        assert_eq!(ended["status"], "completed", "{ended}");
    }
    let effects = crash::effects(&stub);
    assert_eq!(effects.len(), 2 * 3 * RUNS, "two effects each");
    assert!(effects.values().all(|effect| effect.is_constant), "{effects:?}");
    // The process of the region that was given up is back as another node, drained until somebody activates it.
    until(&eu, "us-east", "draining").await;
    act(&eu, &["activate", "us-east"]).await;
    until(&eu, "us-east", "active").await;
    let run = wait_for("the region to begin runs again", || async {
        let (status, run) = us
            .call(
                reqwest::Method::POST,
                &format!("/api/workflows/{workflow}/runs"),
                Some(&json!({ "input": { "n": 3 * RUNS } })),
            )
            .await;
        (matches!(status, 200 | 202) && run["region"] == "us-east").then_some(run)
    })
    .await;
    assert_eq!(eu.ended(run["run_id"].as_str().unwrap()).await["region"], "us-east");
    // Round trips between regions are measured by real requests.
    wait_for("the round trips", || async {
        let region = eu.get("/api/regions/eu-west").await;
        region["latency_ms"]["ap-south"].as_f64().filter(|ms| *ms > 0.0)
    })
    .await;
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

#[tokio::test]
async fn one_server_tells_its_regions_and_why_it_cannot_move() {
    let directory = temp_dir();
    let levqor_server = Levqor::first(directory.path()).await;
    let shown = levqor(&levqor_server, &["regions"]).await;
    assert_eq!(shown.status.code(), Some(0), "{}", words(&shown));
    for part in ["eu-west (asked)", "active", "us-east", "planned"] {
        assert!(words(&shown).contains(part), "{part} is missing in {}", words(&shown));
    }
    for verb in ["drain", "failover"] {
        let refused = levqor(&levqor_server, &["region", verb, "eu-west"]).await;
        assert_eq!(refused.status.code(), Some(1), "{}", words(&refused));
        assert!(words(&refused).contains("embedded database"), "{}", words(&refused));
        assert!(words(&refused).contains("\n  us-east/nodes: no node lives there"), "{}", words(&refused));
    }
    for (code, part) in
        [("mars", "supported: eu-west, us-east, ap-south"), ("../keys", "not the code of a region")]
    {
        let refused = levqor(&levqor_server, &["region", "drain", code]).await;
        assert_eq!(refused.status.code(), Some(2), "{}", words(&refused));
        assert!(words(&refused).contains(part), "{}", words(&refused));
    }
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
