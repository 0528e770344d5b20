//! `levqor keys`, and a secret that is replaced or lost, as real processes.

use std::{
    path::Path,
    process::{Command, Output},
};

use levqor_lab::Server;
use levqor_testkit::{temp_dir, wait_for};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    api::{Levqor, setup},
    command_line,
};

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

/// `levqor keys …` against this server; its exit code and what it said.
async fn keys(of: &Levqor, arguments: &[&str]) -> (Option<i32>, String) {
    ran(of, "keys", arguments).await
}

async fn ran(of: &Levqor, command: &'static str, arguments: &[&str]) -> (Option<i32>, String) {
    let (url, key) = (of.server.url(""), of.key.clone());
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let run = move || {
        let mut all = vec![command];
        all.extend(arguments.iter().map(String::as_str));
        all.extend(["--url", url.as_str(), "--key", key.as_str()]);
        command_line::levqor(&all)
    };
    let ran = tokio::task::spawn_blocking(run).await.unwrap();
    (ran.status.code(), words(&ran))
}

/// A server on this directory with that secret.
async fn with_secret(directory: &Path, secret: &str, key: &str) -> Levqor {
    let server = Server::start(&setup(directory).env("SECURITY_HMAC_SECRET", secret)).await.unwrap();
    Levqor::of(server, key)
}

/// What a server says that refuses to start.
async fn refused(directory: &Path, secret: &str) -> String {
    let mut server = Server::spawn(&setup(directory).env("SECURITY_HMAC_SECRET", secret)).unwrap();
    let code = wait_for("the refusal", || std::future::ready(server.exit_code().unwrap())).await;
    assert_eq!(code, 2, "{}", server.log());
    server.log()
}

async fn set(of: &Levqor, value: &str) {
    let (status, body) = of.call(Method::PUT, "/api/secrets/key", Some(&json!({ "value": value }))).await;
    assert_eq!(status, 204, "{body}");
}

/// What a run makes of the secret.
async fn used(of: &Levqor, version: &str) -> Value {
    let definition = json!({
        "document": { "dsl": "1.0.1", "namespace": "t", "name": format!("uses-{version}"), "version": "1.0.0" },
        "use": { "secrets": ["key"] },
        "do": [{ "look": { "set": { "length": "${ $secrets.key | length }" } } }]
    });
    let workflow = of.create(&definition).await;
    of.start(&workflow, &json!({ "wait_seconds": 30 })).await
}

async fn stopped(mut of: Levqor) -> String {
    let key = of.key.clone();
    assert!(Command::new("kill").args(["-INT", &of.server.id().to_string()]).status().unwrap().success());
    wait_for("the server to stop", || std::future::ready(of.server.exit_code().unwrap())).await;
    key
}

#[tokio::test]
async fn operators_sign_people_out() {
    let directory = temp_dir();
    let levqor = Levqor::first(directory.path()).await;
    let rows: [(&[&str], i32, &str); 4] = [
        (&["--everybody"], 0, "nobody was signed in there"),
        (&["nobody@example.org"], 1, "belongs to nobody here"),
        (&[], 2, "E-MAIL"),
        (&["ada@example.com", "--everybody"], 2, "cannot be used with"),
    ];
    for (arguments, expected, part) in rows {
        let (code, shown) = ran(&levqor, "sign-out", arguments).await;
        assert_eq!(code, Some(expected), "{arguments:?}: {shown}");
        assert!(shown.contains(part), "{arguments:?}: {shown}");
    }
    let (_, shown) = ran(&levqor, "sign-out", &["--everybody", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), json!({ "ended": 0 }));
}

#[tokio::test]
async fn operators_rotate_verify_and_revoke_keys() {
    let directory = temp_dir();
    let levqor = Levqor::first(directory.path()).await;
    set(&levqor, "hush").await;
    let (code, shown) = keys(&levqor, &["list"]).await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.trim_start().starts_with("KEY") && shown.matches(" active ").count() == 3, "{shown}");
    assert!(shown.contains(" sealed value"), "{shown}");

    let (code, shown) = keys(&levqor, &["rotate"]).await;
    assert_eq!((code, shown.matches("is published, and becomes active at").count()), (Some(0), 3), "{shown}");
    let (code, shown) = keys(&levqor, &["rotate", "signing", "--json"]).await;
    assert_eq!(code, Some(0), "{shown}");
    let again: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(again["rotations"][0]["already"], true, "{again}");
    let published = again["rotations"][0]["key"]["id"].as_str().unwrap();
    let (code, shown) = keys(&levqor, &["verify"]).await;
    assert_eq!(code, Some(0), "{shown}");
    // The server seals keys of its own as well, each when it is asked for first.
    assert!(shown.contains("6 keys, "), "{shown}");
    assert!(shown.contains(" sealed values and 0 signed webhooks were looked at: all"), "{shown}");
    let (code, shown) = keys(&levqor, &["revoke", published]).await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.starts_with(&format!("signing: {published} is revoked since 20")), "{shown}");

    let (_, shown) = keys(&levqor, &["list", "--json"]).await;
    let listed: Value = serde_json::from_str(&shown).unwrap();
    let sealing =
        listed["keys"].as_array().unwrap().iter().find(|key| {
            (key["purpose"].as_str(), key["state"].as_str()) == (Some("sealing"), Some("active"))
        });
    let sealing = sealing.unwrap()["id"].as_str().unwrap();
    let (code, shown) = keys(&levqor, &["revoke", sealing]).await;
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("rotate sealing first"), "{shown}");
    let rows: [(&[&str], i32, &str); 4] = [
        (&["revoke", "x"], 2, "`levqor keys list` shows them"),
        (&["revoke", "key_01ARZ3NDEKTSV4RRFFQ69G5FAV"], 2, "it is an API key"),
        (&["revoke", "rky_01ARZ3NDEKTSV4RRFFQ69G5FAV"], 1, "the keyring has no key"),
        (&["rotate", "cooking"], 2, "signing, sealing, webhooks"),
    ];
    for (arguments, expected, part) in rows {
        let (code, shown) = keys(&levqor, arguments).await;
        assert_eq!(code, Some(expected), "{arguments:?}: {shown}");
        assert!(shown.contains(part), "{arguments:?}: {shown}");
    }
    let log = levqor.server.log();
    let secret = std::fs::read_to_string(directory.path().join("data/development.secret")).unwrap();
    assert!(!log.contains(secret.trim()), "{log}");
}

#[tokio::test]
async fn a_secret_is_replaced_and_a_lost_one_given_up() {
    const NEW: &str = "k3J9sPq0Zr7LmX2vBn8TfW4cYd6HgQ1u";
    const LOST: &str = "a third one, which nothing was sealed under";
    let directory = temp_dir();
    let first = Levqor::first(directory.path()).await;
    set(&first, "hush").await;
    let key = stopped(first).await;
    let data = directory.path().join("data");
    let old = std::fs::read_to_string(data.join("development.secret")).unwrap().trim().to_owned();

    let told = refused(directory.path(), NEW).await;
    assert!(told.contains("is not the one that the keyring of this database is sealed under"), "{told}");
    assert!(!told.contains(NEW) && told.lines().count() == 1, "one clear line: {told}");
    for (version, secret) in [("both", &format!("{NEW},{old}")), ("new", &NEW.to_owned())] {
        let server = with_secret(directory.path(), secret, &key).await;
        let run = used(&server, version).await;
        assert_eq!(run["output"]["length"], 4, "{run}");
        let (code, shown) = keys(&server, &["verify"]).await;
        assert_eq!(code, Some(0), "{shown}");
        stopped(server).await;
    }
    refused(directory.path(), &old).await;

    // It is lost.
    refused(directory.path(), LOST).await;
    let abandon = |secret: &str, arguments: &[&str]| {
        let ran = Command::new(env!("CARGO_BIN_EXE_levqor"))
            .args(["keys", "abandon", "--data-dir", data.to_str().unwrap()])
            .args(arguments)
            .env("SECURITY_HMAC_SECRET", secret)
            .output()
            .unwrap();
        (ran.status.code(), words(&ran))
    };
    let (code, shown) = abandon(LOST, &[]);
    assert!(code == Some(2) && shown.contains("say --yes"), "{shown}");
    let (code, shown) = abandon(NEW, &["--yes"]);
    assert!(code == Some(2) && shown.contains("there is no need to give it up"), "{shown}");
    let (code, shown) = abandon(LOST, &["--yes"]);
    assert!(code == Some(0) && shown.contains("3 keys were given up"), "{shown}");
    let server = with_secret(directory.path(), LOST, &key).await;
    let (code, shown) = keys(&server, &["verify"]).await;
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("of secret key of acc_") && shown.contains("1 do not hold"), "{shown}");
    set(&server, "again").await;
    assert_eq!(used(&server, "lost").await["output"]["length"], 5);
    old_signatures_are_agreed_to(&server).await;
}

/// What the key of before signed in the evidence log, and what the witness of before knows.
async fn old_signatures_are_agreed_to(server: &Levqor) {
    let (code, shown) = ran(server, "audit", &["verify", "--json"]).await;
    assert_eq!(code, Some(1), "{shown}");
    let found: Value = serde_json::from_str(&shown).unwrap();
    let [other] = &found["other_keys"].as_array().unwrap()[..] else { panic!("{found}") };
    assert_eq!(other["accepted"], false, "{found}");
    // Each signature is named, and so is the witness.
    let findings = other["checkpoints"].as_u64().unwrap() + 1;
    assert_eq!(found["findings_total"], findings, "{found}");
    let (old, seen) = (other["key"].as_str().unwrap(), other["digest"].as_str().unwrap());
    let (code, shown) = ran(server, "audit", &["verify"]).await;
    assert!(
        code == Some(1) && shown.contains(&format!("levqor audit accept '{old}' --seen {seen}")),
        "{shown}"
    );

    let wish = ["accept", old, "--seen", seen, "--reason", "the secret was lost"];
    let (code, shown) = ran(server, "audit", &["accept", old, "--seen", "00", "--reason", "x"]).await;
    assert!(code == Some(1) && shown.contains("/seen: it has 64 hexadecimal digits"), "{shown}");
    let (code, shown) = ran(server, "audit", &wish).await;
    assert!(code == Some(0) && shown.contains(" are agreed to, and signed"), "{shown}");
    let (code, shown) = ran(server, "audit", &["verify"]).await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("AUDIT: WHOLE") && shown.contains("which was agreed to: the secret was lost"),
        "{shown}"
    );
    assert!(!shown.contains("no witness was there"), "{shown}");
}
