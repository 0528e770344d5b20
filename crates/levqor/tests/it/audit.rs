//! The evidence log of a real server: shown, copied, verified, and what was done to it named.

use std::{fs, path::Path, process::Output};

use levqor_lab::Signal;
use levqor_testkit::wait_for;
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::{api::Levqor, command_line::levqor};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `levqor audit` with these arguments, as the operator.
fn audit(server: &Levqor, arguments: &[&str]) -> Output {
    let url = server.server.url("");
    levqor(&[&["audit"], arguments, &["--url", &url, "--key", &server.key]].concat())
}

/// Has a key made and revoked, and gives its id.
async fn make_a_key(server: &Levqor) -> String {
    let body = json!({ "name": "ci", "role": "viewer" });
    let (status, made) = server.call(Method::POST, "/api/keys", Some(&body)).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    let (status, _) = server.call(Method::DELETE, &format!("/api/keys/{id}"), None).await;
    assert_eq!(status, 204);
    id
}

/// Stops the server as a manager of processes does; what is new is signed then.
async fn stop(mut server: Levqor) -> String {
    server.server.signal(Signal::TERM).unwrap();
    let code = wait_for("the end", || {
        let code = server.server.exit_code().unwrap();
        async move { code }
    });
    assert_eq!(code.await, 0);
    server.key
}

fn database(directory: &Path) -> Connection {
    let data = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut places = data.flat_map(|path| [path.join("levqor.db"), path]);
    let found =
        places.find(|path| path.file_name().is_some_and(|name| name == "levqor.db") && path.is_file());
    Connection::open(found.unwrap()).unwrap()
}

#[tokio::test]
async fn what_was_done_is_shown_and_copied_and_a_changed_copy_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let server = Levqor::first(directory.path()).await;
    let id = make_a_key(&server).await;
    let list = text(&audit(&server, &["list", "--kind", "key", "--subject", &id]).stdout);
    assert!(list.contains("key.revoked") && list.contains("key.created") && list.contains(&id), "{list}");

    let whole = audit(&server, &["verify"]);
    assert_eq!(whole.status.code(), Some(0), "{}", text(&whole.stdout));
    assert!(text(&whole.stdout).starts_with("AUDIT: WHOLE, "), "{}", text(&whole.stdout));

    let copy = directory.path().join("audit.ndjson");
    let path = copy.to_str().unwrap();
    let copied = audit(&server, &["export", "--out", path]);
    assert_eq!(copied.status.code(), Some(0), "{}", text(&copied.stderr));
    let offline = |arguments: &[&str]| {
        let ran = levqor(&[&["audit", "verify", path, "--json"], arguments].concat());
        (
            ran.status.code(),
            serde_json::from_slice::<Value>(&ran.stdout).unwrap_or_else(|_| json!(text(&ran.stderr))),
        )
    };
    let (code, found) = offline(&[]);
    assert_eq!(
        (code, &found["whole"], &found["key_from_file"]),
        (Some(0), &json!(true), &json!(true)),
        "{found}"
    );
    let key = found["public_key"].as_str().unwrap().to_owned();
    assert_eq!(offline(&["--public-key", &key]).0, Some(0));
    let (code, refused) = offline(&["--public-key", "short"]);
    assert_eq!(code, Some(2), "{refused}");

    let original = fs::read_to_string(&copy).unwrap();
    // Not the last one: that would be an end that was cut off.
    let about = original.lines().position(|line| line.contains("key.created")).unwrap();
    let cut: Vec<&str> = original.lines().take(original.lines().count() - 1).collect();
    for (changed, word) in [
        (original.replacen("key.revoked", "key.renewed", 1), "was edited"),
        (cut.join("\n"), "was cut off"),
        (
            original
                .lines()
                .enumerate()
                .filter(|(n, _)| *n != about)
                .map(|(_, line)| format!("{line}\n"))
                .collect(),
            "was removed",
        ),
        (format!("{original}not a record\n"), "is no record"),
    ] {
        fs::write(&copy, changed).unwrap();
        let (code, found) = offline(&[]);
        assert_eq!((code, &found["whole"]), (Some(1), &json!(false)), "{word}: {found}");
        assert!(found["findings"].to_string().contains(word), "{word}: {found}");
    }
    fs::write(&copy, "{}\n").unwrap();
    assert_eq!(offline(&[]).0, Some(2));
}

#[tokio::test]
async fn a_database_that_was_changed_or_put_back_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let server = Levqor::first(directory.path()).await;
    let id = make_a_key(&server).await;
    let key = stop(server).await;
    let edit = |sql: &str| {
        let changed = database(directory.path()).execute_batch(sql);
        changed.unwrap();
    };
    let verify = async || {
        let server = Levqor::again(directory.path(), &key).await;
        let ran = audit(&server, &["verify", "--json"]);
        let found: Value = serde_json::from_slice(&ran.stdout).unwrap();
        stop(server).await;
        (ran.status.code(), found)
    };
    let (code, found) = verify().await;
    assert_eq!(code, Some(0), "{found}");

    let record = format!("subject = '{id}' AND kind = 'key.revoked'");
    edit(&format!("UPDATE audit_records SET author = 'nobody' WHERE {record}"));
    let (code, found) = verify().await;
    assert_eq!((code, &found["findings_total"]), (Some(1), &json!(1)), "{found}");
    assert!(found["findings"][0]["message"].as_str().unwrap().ends_with("was edited"), "{found}");

    // Everything of the first process goes, with what the database says of it: as if it had never been.
    let chain = found["findings"][0]["chain"].as_str().unwrap().to_owned();
    edit(&format!(
        "DELETE FROM audit_records WHERE chain = '{chain}'; DELETE FROM audit_chains WHERE chain = '{chain}'"
    ));
    let (code, found) = verify().await;
    assert_eq!(code, Some(1), "{found}");
    let told = format!("nothing of {chain} is there");
    assert!(found["findings"].to_string().contains(&told), "{found}");

    // All of it goes: only the witness knows.
    edit("DELETE FROM audit_records; DELETE FROM audit_chains");
    let (code, found) = verify().await;
    assert_eq!(code, Some(1), "{found}");
    assert!(found["findings"].to_string().contains("this node's witness"), "{found}");
}
