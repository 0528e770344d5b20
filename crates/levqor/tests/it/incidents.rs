//! Incidents from the command line: one is opened, led and written up, and what cannot be done is said.

use std::{fs, process::Output};

use serde_json::{Value, json};

use crate::{api::Levqor, command_line::levqor};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A command with these arguments, as an operator.
fn run(server: &Levqor, command: &str, arguments: &[&str]) -> Output {
    let url = server.server.url("");
    levqor(&[&[command, "--url", &url, "--key", &server.key], arguments].concat())
}

/// What it says in JSON.
fn answer(server: &Levqor, command: &str, arguments: &[&str]) -> Value {
    let ran = run(server, command, &[arguments, &["--json"]].concat());
    assert_eq!(ran.status.code(), Some(0), "{arguments:?}: {}", text(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

#[tokio::test]
async fn an_incident_is_led_and_written_up_from_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let server = Levqor::first(directory.path()).await;
    let nothing = run(&server, "incidents", &[]);
    assert_eq!(text(&nothing.stdout), "no incident is open\n", "{}", text(&nothing.stderr));

    let opened = answer(
        &server,
        "incidents",
        &["open", "Hooks fail", "--level", "l3", "--component", "eu-west/hooks"],
    );
    let id = opened["id"].as_str().unwrap();
    assert_eq!((&opened["level"], &opened["components"]), (&json!("l3"), &json!(["eu-west/hooks"])));
    let list = text(&run(&server, "incidents", &[]).stdout);
    assert!(list.contains(id) && list.contains("Hooks fail"), "{list}");

    let said = run(&server, "incidents", &["acknowledge", id]);
    assert_eq!(
        text(&said.stdout),
        format!("{id} L3 investigating: Hooks fail (version 2)\n"),
        "{}",
        text(&said.stderr)
    );
    let updated = answer(&server, "incidents", &["update", id, "--state", "identified", "--text", "A disk."]);
    assert_eq!((&updated["state"], &updated["version"]), (&json!("identified"), &json!(3)));
    let stale = run(&server, "incidents", &["update", id, "--seen", "2", "--text", "x"]);
    assert_eq!(stale.status.code(), Some(1));
    assert!(text(&stale.stderr).contains("it has version 3 now"), "{}", text(&stale.stderr));
    answer(&server, "incidents", &["note", id, "it is sda"]);
    let early = run(&server, "postmortem", &["show", id]);
    assert_eq!(early.status.code(), Some(1));
    assert!(
        text(&early.stderr).contains("its postmortem begins when it is resolved"),
        "{}",
        text(&early.stderr)
    );
    answer(&server, "incidents", &["resolve", id, "--text", "It was emptied."]);

    let shown = text(&run(&server, "incidents", &["show", id]).stdout);
    for part in ["L3 resolved", "Updates", "It was emptied."] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let timeline = text(&run(&server, "incidents", &["timeline", id]).stdout);
    assert!(timeline.contains("node.") || timeline.contains("began in eu-west"), "{timeline}");
    assert!(timeline.contains("it is sda"), "{timeline}");

    let item = answer(&server, "incidents", &["action", "add", id, "Watch the disk", "--due", &tomorrow()]);
    let item = item["id"].as_str().unwrap();
    assert!(text(&run(&server, "incidents", &["action", "list"]).stdout).contains("Watch the disk"));
    let overdue = run(&server, "incidents", &["action", "list", "--overdue"]);
    assert_eq!((text(&overdue.stdout), overdue.status.code()), ("nothing is overdue\n".to_owned(), Some(0)));
    assert!(answer(&server, "incidents", &["action", "done", id, item])["done_at"].is_string());

    let added =
        answer(&server, "postmortem", &["add", id, "--part", "root_cause", "--text", "Nobody watched."]);
    assert!(added["text"].as_str().unwrap().contains("## Root cause\n\nNobody watched.\n"), "{added}");
    let shown = text(&run(&server, "postmortem", &["show", id]).stdout);
    assert!(shown.starts_with("# Hooks fail\n") && shown.contains("| Watch the disk |"), "{shown}");
    let file = directory.path().join("data").join("postmortems").join(added["file"].as_str().unwrap());
    assert_eq!(fs::read_to_string(&file).unwrap().trim_end(), shown.trim_end());
    let own = directory.path().join("own.md");
    fs::write(&own, "# Mine\n").unwrap();
    let written = answer(&server, "postmortem", &["write", id, own.to_str().unwrap()]);
    assert_eq!(written["text"], "# Mine\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), "# Mine\n");
    let list = text(&run(&server, "postmortem", &[]).stdout);
    assert!(list.contains(id), "{list}");

    for arguments in [&["show", "../x"][..], &["update", "inc/x", "--text", "y"]] {
        let wrong = run(&server, "incidents", arguments);
        assert_eq!(wrong.status.code(), Some(2), "{arguments:?}: {}", text(&wrong.stderr));
    }
}

fn tomorrow() -> String {
    use levqor_model::{Clock, SystemClock};
    SystemClock.now().date().plus_days(1).to_string()
}
