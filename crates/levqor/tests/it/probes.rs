//! `levqor probes` and `levqor heartbeats` against a real server over its socket.

use std::{
    fs,
    process::{Command, Output},
};

use levqor_lab::Server;
use levqor_testkit::{temp_dir, wait_for};
use serde_json::Value;

use crate::api::{Levqor, setup};

fn levqor(arguments: &[&str]) -> Output {
    let folder = temp_dir();
    Command::new(env!("CARGO_BIN_EXE_levqor"))
        .args(arguments)
        .current_dir(folder.path())
        .env_remove("LEVQOR_REGION")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Asks the server, and gives the exit code and the answer.
fn ask(server: &Levqor, arguments: &[&str]) -> (Option<i32>, Value) {
    let url = server.server.url("");
    let all = [arguments, &["--url", &url, "--key", &server.key, "--json"]].concat();
    let ran = levqor(&all);
    let found = serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {ran:?}"));
    (ran.status.code(), found)
}

#[tokio::test]
async fn probes_and_heartbeats_of_a_server_are_told() {
    let folder = temp_dir();
    let file = folder.path().join("probes.toml");
    fs::write(&file, "[[probes]]\nname = \"rows\"\nkind = \"database\"\n").unwrap();
    let setup = setup(folder.path()).env("LEVQOR_PROBES_FILE", file.to_str().unwrap());
    let server = Server::start(&setup).await.unwrap();
    let key = server.line("lvq_").await.unwrap().trim().to_owned();
    let server = Levqor::of(server, &key);

    let (code, looked) = ask(&server, &["probes", "run", "rows"]);
    assert_eq!((code, &looked["good"]), (Some(0), &Value::Bool(true)), "{looked}");
    let found = wait_for("the region to be up", || async {
        let (_, found) = ask(&server, &["probes", "list"]);
        (found["probes"][0]["targets"][0]["state"] == "up").then_some(found)
    })
    .await;
    assert_eq!(found["probes"].as_array().unwrap().len(), 5, "{found}");
    let (code, gone) = ask(&server, &["probes", "run", "journey"]);
    assert_eq!(code, Some(0), "{gone}");
    let (code, _) = ask(&server, &["probes", "history", "reach", "--limit", "5"]);
    assert_eq!(code, Some(0));
    let url = server.server.url("");
    let missing = levqor(&["probes", "run", "shop", "--url", &url, "--key", &key]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("there is no probe \"shop\""), "{missing:?}");

    let (code, made) = ask(&server, &["heartbeats", "add", "backup", "--period", "60"]);
    assert_eq!((code, &made["state"]), (Some(0), &Value::from("new")), "{made}");
    assert!(made["url"].as_str().unwrap().contains("/ping/"), "{made}");
    let (code, found) = ask(&server, &["heartbeats", "list"]);
    assert_eq!((code, &found["heartbeats"][0]["name"]), (Some(0), &Value::from("backup")), "{found}");
    let (code, _) = ask(&server, &["heartbeats", "remove", "backup"]);
    assert_eq!(code, Some(0));
    let (_, found) = ask(&server, &["heartbeats", "list"]);
    assert_eq!(found["heartbeats"], Value::Array(Vec::new()));
}

#[test]
fn a_file_of_probes_is_checked_without_a_server() {
    let folder = temp_dir();
    let file = folder.path().join("probes.toml");
    let check = |content: &str| {
        fs::write(&file, content).unwrap();
        levqor(&["probes", "check", file.to_str().unwrap()])
    };
    let good = check("[[probes]]\nname = \"rows\"\nkind = \"database\"\n");
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert!(text(&good.stdout).contains("5 probes are looked at: reach, website"), "{good:?}");
    let wrong = check("[[probes]]\nname = \"rows\"\nkind = \"databse\"\n");
    assert_eq!(wrong.status.code(), Some(1));
    let told = text(&wrong.stdout);
    assert!(told.contains("probes.toml:3: ") && told.contains("did you mean `database`?"), "{told}");
}
