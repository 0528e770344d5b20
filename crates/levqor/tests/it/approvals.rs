//! Decisions from the command line: what runs ask is listed and answered, and what cannot be answered is said.

use std::process::Output;

use levqor_testkit::wait_for;
use serde_json::{Value, json};

use crate::{api::Levqor, command_line::levqor};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn definition() -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "test", "name": "pays", "version": "1.0.0" },
        "do": [{ "ask": {
            "call": "approval:1.0.0@default",
            "with": { "title": "${ \"Pay \\(.sum) to Acme?\" }" },
            "output": { "as": "${ { approved: .approved, comment: .comment } }" },
        } }],
    })
}

/// `levqor approvals` with these arguments, as somebody who has the key.
fn approvals(server: &Levqor, arguments: &[&str]) -> Output {
    let url = server.server.url("");
    levqor(&[&["approvals", "--url", &url, "--key", &server.key], arguments].concat())
}

/// What it says in JSON.
fn answer(server: &Levqor, arguments: &[&str]) -> Value {
    let ran = approvals(server, &[arguments, &["--json"]].concat());
    assert_eq!(ran.status.code(), Some(0), "{arguments:?}: {}", text(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// Starts a run, and gives its id and that of its question.
async fn asks(server: &Levqor, workflow: &str, sum: u32) -> (String, String) {
    let run = server.start(workflow, &json!({ "input": { "sum": sum } })).await;
    let run = run["run_id"].as_str().unwrap().to_owned();
    let id = wait_for("the question", || async {
        let list = answer(server, &[]);
        let list = list["approvals"].as_array().cloned().unwrap_or_default();
        let found = list.into_iter().find(|approval| approval["run_id"] == run.as_str())?;
        assert_eq!((&found["status"], &found["task"]), (&json!("open"), &json!("ask")), "{found}");
        Some(found["id"].as_str().unwrap().to_owned())
    })
    .await;
    (run, id)
}

#[tokio::test]
async fn what_runs_ask_is_listed_and_answered() {
    let directory = tempfile::tempdir().unwrap();
    let server = Levqor::first(directory.path()).await;
    let nothing = approvals(&server, &[]);
    assert_eq!(text(&nothing.stdout), "nothing waits for a decision\n", "{}", text(&nothing.stderr));
    assert_eq!(answer(&server, &[])["approvals"], json!([]));

    let workflow = server.create(&definition()).await;
    let (first_run, first) = asks(&server, &workflow, 900).await;
    let (second_run, second) = asks(&server, &workflow, 70).await;
    let list = text(&approvals(&server, &[]).stdout);
    for part in [&first, &second, &first_run, &second_run] {
        assert!(list.contains(part.as_str()), "{part} is not in\n{list}");
    }
    assert!(list.contains("Pay 900 to Acme?") && list.contains("Pay 70 to Acme?"), "{list}");

    let said = answer(&server, &["approve", &first, "--comment", "as agreed"]);
    assert_eq!(
        (&said["status"], &said["title"], &said["comment"]),
        (&json!("approved"), &json!("Pay 900 to Acme?"), &json!("as agreed")),
        "{said}"
    );
    let ended = server.ended(&first_run).await;
    assert_eq!(ended["output"], json!({ "approved": true, "comment": "as agreed" }), "{ended}");
    let said = approvals(&server, &["reject", &second]);
    assert_eq!(text(&said.stdout), "rejected: Pay 70 to Acme?\n", "{}", text(&said.stderr));
    let ended = server.ended(&second_run).await;
    assert_eq!(ended["output"], json!({ "approved": false, "comment": null }), "{ended}");

    // The first answer stays, whoever asks again.
    let again = approvals(&server, &["approve", &second]);
    assert_eq!((again.status.code(), text(&again.stdout)), (Some(1), String::new()));
    assert!(text(&again.stderr).contains("levqor: "), "{}", text(&again.stderr));
    assert_eq!(server.get(&format!("/api/approvals/{second}")).await["status"], "rejected");
    assert_eq!(answer(&server, &[])["approvals"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_answered_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let server = Levqor::first(directory.path()).await;
    let unknown = "apr_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let rows: [(&[&str], i32, &str); 5] = [
        (&["approve", unknown], 1, unknown),
        (&["reject", unknown, "--json"], 1, unknown),
        (&["approve", "run_01ARZ3NDEKTSV4RRFFQ69G5FAV"], 1, "levqor: "),
        (
            &["approve", "../keys"],
            2,
            "\"../keys\" is not the id of an approval; `levqor approvals` lists them",
        ),
        (&["approve"], 2, "<ID>"),
    ];
    for (arguments, code, expected) in rows {
        let ran = approvals(&server, arguments);
        let (said, told) = (text(&ran.stdout), text(&ran.stderr));
        assert_eq!((ran.status.code(), said.as_str()), (Some(code), ""), "{arguments:?}: {told}");
        assert!(told.contains(expected), "{arguments:?}: {expected:?} is not in {told:?}");
    }
    let url = server.server.url("");
    for (arguments, code, expected) in [
        (["--url", &url, "--key", "lvq_wrong"], 1, "levqor: "),
        (["--url", "ftp://127.0.0.1", "--key", &server.key], 2, "is not an http or https address"),
        (["--url", "http://127.0.0.1:1", "--key", &server.key], 1, "does not answer"),
    ] {
        let ran = levqor(&[&["approvals"], &arguments[..]].concat());
        let told = text(&ran.stderr);
        assert_eq!(ran.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains(expected), "{arguments:?}: {expected:?} is not in {told:?}");
    }
}
