//! An installation moves from its data directory to PostgreSQL.

use std::{
    path::Path,
    process::{Command, Output},
};

use levqor_lab::{Postgres, Server, ServerSetup};
use levqor_model::RunStatus;
use levqor_store::{Options, Place, PostgresOptions, Store};
use levqor_testkit::{temp_dir, wait_for};
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Levqor, setup};

fn waits() -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "t", "name": "waits", "version": "0.1.0" },
        "do": [{ "pause": { "wait": { "hours": 1 } } }, { "done": { "set": { "ok": true } } }],
    })
}

fn levqor(directory: &Path, arguments: &[&str], url: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_levqor"));
    command.args(arguments).current_dir(directory).env_remove("LEVQOR_REGION");
    command.env("LEVQOR_DATA_DIR", directory.join("data"));
    if url.is_empty() {
        command.env_remove("LEVQOR_DATABASE_URL");
    } else {
        command.env("LEVQOR_DATABASE_URL", url);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

/// Ends with this exit code, and says all of this.
fn check(output: &Output, code: i32, parts: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is missing in:\n{said}");
    }
}

async fn stop(mut levqor: Levqor) {
    let id = levqor.server.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let code =
        wait_for("the server to stop", || std::future::ready(levqor.server.exit_code().unwrap())).await;
    assert_eq!(code, 0, "{}", levqor.server.log());
}

fn open(url: &str) -> Store {
    let place = Place::Postgres(PostgresOptions::new(url));
    Store::open(Options { place, ..Options::default() }).unwrap()
}

fn run_id(run: &Value) -> levqor_model::RunId {
    run["run_id"].as_str().or(run["id"].as_str()).unwrap().parse().unwrap()
}

/// The password is no part of the way in here, and must not be shown all the same.
fn with_password(url: &str) -> String {
    url.replacen("levqor@", "levqor:hunter2@", 1)
}

#[tokio::test]
async fn an_installation_moves_with_all_that_it_has() {
    let directory = temp_dir();
    let url = with_password(&Postgres::shared().database().unwrap());
    let levqor_server = Levqor::first(directory.path()).await;
    let key = levqor_server.key.clone();
    let waits = levqor_server.create(&waits()).await;
    let workflows = levqor_server.get("/api/workflows").await;
    let welcome = workflows["workflows"]
        .as_array()
        .unwrap()
        .iter()
        .find(|workflow| workflow["name"] == "welcome")
        .unwrap();
    let welcome = welcome["id"].as_str().unwrap();
    let mut ended = Vec::new();
    for _ in 0..3 {
        let run = levqor_server.start(welcome, &json!({ "wait_seconds": 30 })).await;
        assert_eq!(run["status"], "completed", "{run}");
        ended.push(run_id(&run));
    }
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let run = levqor_server.start(&waits, &json!({})).await;
        let id = run_id(&run);
        wait_for("the run to wait", || async {
            let run = levqor_server.get(&format!("/api/runs/{id}")).await;
            (run["status"] == "waiting").then_some(())
        })
        .await;
        waiting.push(id);
    }

    // As long as the server runs, one can look, and no more.
    let looked = levqor(directory.path(), &["migrate", "--dry-run"], &url);
    check(
        &looked,
        0,
        &["archived_runs", "would be copied from", "first:", "in use by another levqor (process "],
    );
    let refused = levqor(directory.path(), &["migrate"], &url);
    let process = format!("in use by another levqor (process {})", levqor_server.server.id());
    check(&refused, 2, &[&process, "stop it"]);
    stop(levqor_server).await;

    let moved = levqor(directory.path(), &["migrate", "--json"], &url);
    check(&moved, 0, &["copied journal: ", "compared journal: "]);
    assert!(!said(&moved).contains("hunter2"), "{}", said(&moved));
    let report: Value = serde_json::from_slice(&moved.stdout).unwrap();
    assert_eq!((&report["moved"], &report["marked"]), (&json!(true), &json!(true)), "{report}");
    assert_eq!(report["warnings"], json!([]));
    let rows = |table: &str| {
        let tables = report["tables"].as_array().unwrap();
        tables.iter().find(|found| found["table"] == table).unwrap()["rows"].clone()
    };
    assert_eq!((rows("archived_runs"), rows("runs"), rows("timers")), (json!(3), json!(2), json!(2)));

    let store = open(&url);
    for id in &ended {
        let run = store.run(None, *id).await.unwrap().unwrap();
        assert_eq!(run.status, RunStatus::Completed);
        assert!(!store.journal(*id, None, 100).await.unwrap().is_empty());
        assert!(store.payloads(*id).await.unwrap().is_some());
    }
    for id in &waiting {
        let run = store.run(None, *id).await.unwrap().unwrap();
        assert_eq!(run.status, RunStatus::Waiting);
        assert_eq!(store.timers_of(*id).await.unwrap().len(), 1);
        let keys = store.keys_of(run.account_id, None, 10).await.unwrap();
        assert!(keys.iter().any(|found| key.starts_with(&found.prefix)), "{keys:?}");
    }
    let counts = store.run_counts(None).await.unwrap();
    assert_eq!((counts.completed, counts.waiting), (3, 2));
    store.close().await;

    // The old one says where everything is now.
    let mut old = Server::spawn(&setup(directory.path())).unwrap();
    let code = wait_for("the refusal", || std::future::ready(old.exit_code().unwrap())).await;
    let log = old.log();
    assert_eq!(code, 2, "{log}");
    for part in
        ["this installation was moved to postgres://levqor@127.0.0.1:", "LEVQOR_DATABASE_URL", "MOVED"]
    {
        assert!(log.contains(part), "{log}");
    }
    assert!(!log.contains("hunter2"), "{log}");
    check(&levqor(directory.path(), &["migrate"], &url), 2, &["this installation was moved to"]);
    let other = Postgres::shared().database().unwrap();
    check(
        &levqor(directory.path(), &["migrate", "--dry-run"], &other),
        0,
        &["first: this installation was moved"],
    );

    // From there it goes on, with the same keys.
    let secret = std::fs::read_to_string(directory.path().join("data/development.secret")).unwrap();
    let setup =
        setup(directory.path()).env("LEVQOR_DATABASE_URL", &url).env("SECURITY_HMAC_SECRET", secret.trim());
    let new = Levqor::of(Server::start(&setup).await.unwrap(), &key);
    assert_eq!(new.get("/api/runs").await["runs"].as_array().unwrap().len(), 5);
    let run = new.start(welcome, &json!({ "wait_seconds": 30 })).await;
    assert_eq!(run["status"], "completed", "{run}");
    for id in &waiting {
        let (status, body) = new.call(Method::POST, &format!("/api/runs/{id}/cancel"), None).await;
        assert!(status < 300, "{status}: {body}");
        assert_eq!(new.ended(&id.to_string()).await["status"], "cancelled");
    }
    stop(new).await;

    // And the old one can be had back.
    std::fs::remove_file(directory.path().join("data/MOVED")).unwrap();
    let again = Levqor::again(directory.path(), &key).await;
    assert_eq!(again.get("/api/runs").await["runs"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_move_that_is_killed_leaves_nothing_and_is_made_again() {
    let directory = temp_dir();
    let url = Postgres::shared().database().unwrap();
    stop(Levqor::first(directory.path()).await).await;
    open(&url).close().await;
    // Nobody can write to one of the last tables, so that the move waits with most of the others filled.
    let (holder, held) = std::sync::mpsc::sync_channel::<()>(1);
    let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
    let lock = {
        let url = url.clone();
        std::thread::spawn(move || {
            let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
            client.batch_execute("BEGIN; LOCK TABLE workflow_versions IN SHARE MODE").unwrap();
            ready.send(()).unwrap();
            let _ = held.recv();
        })
    };
    is_ready.recv().unwrap();
    let mut setup = ServerSetup::new(env!("CARGO_BIN_EXE_levqor").as_ref(), directory.path())
        .unwrap()
        .env("LEVQOR_DATABASE_URL", &url);
    setup.arguments = vec!["migrate".to_owned()];
    let mut moving = Server::spawn(&setup).unwrap();
    moving.line("copied accounts: 1 rows").await.unwrap();
    moving.line("copied workflows: 1 rows").await.unwrap();
    moving.kill().unwrap();
    drop(holder);
    lock.join().unwrap();
    assert!(!directory.path().join("data/MOVED").exists());
    let looked = levqor(directory.path(), &["migrate", "--dry-run", "--json"], &url);
    check(&looked, 0, &["\"target_schema\""]);
    check(&levqor(directory.path(), &["migrate", "--verify"], &url), 1, &["is missing in the target"]);

    let moved = levqor(directory.path(), &["migrate", "--keep"], &url);
    check(
        &moved,
        0,
        &["Moved to postgres://levqor@127.0.0.1:", "compared value by value", "SECURITY_HMAC_SECRET"],
    );
    assert!(!directory.path().join("data/MOVED").exists());
    check(&levqor(directory.path(), &["migrate", "--verify"], &url), 0, &["The two are the same"]);
    check(
        &levqor(directory.path(), &["migrate"], &url),
        2,
        &["is not empty: accounts (rows: 1)", "--verify"],
    );
}

/// What a killed process leaves when everything was there but its last word.
#[tokio::test]
async fn a_move_that_was_cut_off_at_its_end_is_ended_by_looking() {
    let directory = temp_dir();
    let url = Postgres::shared().database().unwrap();
    stop(Levqor::first(directory.path()).await).await;
    check(&levqor(directory.path(), &["migrate"], &url), 0, &[]);
    let mark = directory.path().join("data/MOVED");
    let done = std::fs::read_to_string(&mark).unwrap();
    std::fs::write(&mark, done.replace("\"is_done\":true", "\"is_done\":false")).unwrap();
    let mut old = Server::spawn(&setup(directory.path())).unwrap();
    let code = wait_for("the refusal", || std::future::ready(old.exit_code().unwrap())).await;
    assert_eq!(code, 2, "{}", old.log());
    assert!(old.log().contains("`levqor migrate --verify` tells"), "{}", old.log());
    check(&levqor(directory.path(), &["migrate", "--verify"], &url), 0, &["The two are the same"]);
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), done);
}

#[tokio::test]
async fn wrong_places_are_refused_with_the_remedy() {
    let directory = temp_dir();
    stop(Levqor::first(directory.path()).await).await;
    let address = Postgres::shared().address();
    let shared = Postgres::shared().database().unwrap();
    let ascii = Postgres::shared().database_with(&["--encoding=SQL_ASCII", "--template=template0"]).unwrap();
    let words = directory.path().join("words.db");
    std::fs::write(&words, "these are some words").unwrap();
    let words = words.display().to_string();
    let rows: [(&[&str], &str, &str); 12] = [
        (&["migrate"], "", "LEVQOR_DATABASE_URL"),
        (&["migrate", "--to", "mysql://u:hunter2@h/d"], "", "it is postgres://"),
        (&["migrate", "--to", "postgres://u:hunter2@127.0.0.1:1/d"], "", "refused"),
        (&["migrate"], &format!("postgres://levqor:hunter2@{address}/nothing_there"), "does not exist"),
        (&["migrate"], &format!("postgres://levqor:hunter2@{address}"), "names no database"),
        (&["migrate"], &ascii, "SQL_ASCII"),
        (&["migrate", "--from", "sqlite://nowhere"], &shared, "is not there; name the data directory"),
        (&["migrate", "--from", &words], &shared, "is not a database of Levqor: "),
        (&["migrate", "--from", "postgres://h/d"], &shared, "only SQLite databases are moved"),
        (&["migrate", "--dry-run", "--from", "nowhere"], &shared, "name the data directory"),
        (&["migrate", "--dry-run", "--verify"], &shared, "cannot be used with"),
        (&["migrate", "--ca-file", "/nowhere.pem"], &shared, "/nowhere.pem"),
    ];
    for (arguments, url, part) in rows {
        let refused = levqor(directory.path(), arguments, url);
        check(&refused, 2, &[part]);
        assert!(!said(&refused).contains("hunter2"), "{arguments:?}: {}", said(&refused));
    }
    assert!(!directory.path().join("nowhere").exists(), "a place that is not there is not made");
    let help = levqor(directory.path(), &["migrate", "--help"], &with_password(&shared));
    check(&help, 0, &["--replace-zeros", "LEVQOR_DATABASE_URL"]);
    assert!(!said(&help).contains("hunter2"));
}
