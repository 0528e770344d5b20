//! Starting and stopping: what a newcomer sees, and every refusal to start.

use std::{fs, net::TcpListener, path::Path, process::Command};

use levqor_lab::Server;
use levqor_testkit::{temp_dir, wait_for};

use crate::{
    api::{Levqor, setup},
    command_line,
};

#[tokio::test]
async fn the_first_start_tells_what_to_do_and_ctrl_c_ends_it_cleanly() {
    let directory = temp_dir();
    let mut levqor = Levqor::first(directory.path()).await;
    let log = levqor.server.log();
    for part in ["Console", "/dashboard", "/signin/link/", "lvq_", "SECURITY_HMAC_SECRET is not set"] {
        assert!(log.contains(part), "{part} is missing in:\n{log}");
    }
    assert_eq!(log.matches("SECURITY_HMAC_SECRET").count(), 1, "one warning");
    let workflows = levqor.get("/api/workflows").await;
    let sample = &workflows["workflows"][0];
    assert_eq!(sample["name"], "welcome");
    let run = levqor.start(sample["id"].as_str().unwrap(), &serde_json::json!({ "wait_seconds": 30 })).await;
    assert_eq!(run["output"]["verdict"], "a party of 3", "{run}");
    let address = levqor.server.url("");
    let status = |key: &str| {
        let shown = command_line::levqor(&["status", "--url", &address, "--key", key]);
        let words = [shown.stdout, shown.stderr].concat();
        (shown.status.code(), String::from_utf8_lossy(&words).into_owned())
    };
    let (code, shown) = status(&levqor.key);
    let verdict = shown.lines().find(|line| line.contains("database_write")).unwrap_or_default();
    // A server that has just begun has not looked at everything, and what nobody has looked at is not all right.
    let is_right = shown.contains("Everything is all right");
    assert_eq!(code, Some(i32::from(!is_right)), "{shown}");
    assert!(shown.contains("eu-west") && shown.contains("tamper"), "the parts are told: {shown}");
    assert!(verdict.split_whitespace().eq(["database_write", "ok", "-"]), "{shown}");
    let (code, shown) = status("lvq_unknown");
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("refused with 401"), "{shown}");
    interrupt(&levqor.server);
    let code =
        wait_for("the server to stop", || std::future::ready(levqor.server.exit_code().unwrap())).await;
    assert_eq!(code, 0, "{}", levqor.server.log());
    let again = Levqor::again(directory.path(), &levqor.key).await;
    assert!(!again.server.log().contains("lvq_"), "the key is told once");
    assert_eq!(again.get("/api/runs").await["runs"].as_array().unwrap().len(), 1);
}

fn interrupt(server: &Server) {
    assert!(Command::new("kill").args(["-INT", &server.id().to_string()]).status().unwrap().success());
}

/// Names and values of variables.
type Variables<'a> = &'a [(&'a str, &'a str)];

/// Starts a server that must refuse, and gives what it said.
async fn refused(directory: &Path, environment: &[(&str, &str)]) -> String {
    let mut setup = setup(directory);
    for (name, value) in environment {
        setup = setup.env(name, value);
    }
    let mut server = Server::spawn(&setup).unwrap();
    let code = wait_for("the server to refuse", || std::future::ready(server.exit_code().unwrap())).await;
    assert_eq!(code, 2, "{}", server.log());
    server.log()
}

#[tokio::test]
async fn each_reason_not_to_start_is_told_with_its_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let file = tempfile::NamedTempFile::new().unwrap();
    let below_a_file = file.path().join("data").display().to_string();
    let rows: &[(Variables, &[&str])] = &[
        (&[("LEVQOR_REGION", "mars")], &["mars", "supported: eu-west, us-east, ap-south"]),
        (&[("LEVQOR_LISTEN", &address)], &["taken by another program", "LEVQOR_LISTEN"]),
        (&[("LEVQOR_REGOIN", "eu-west")], &["unknown variable LEVQOR_REGOIN", "did you mean LEVQOR_REGION?"]),
        (&[("LEVQOR_ENV", "production")], &["production needs a secret", "openssl rand"]),
        (
            &[("LEVQOR_ENV", "production"), ("SECURITY_HMAC_SECRET", "hunter2")],
            &["too weak: it has 7 bytes", "openssl rand"],
        ),
        (
            &[("LEVQOR_ENV", "production"), ("SECURITY_HMAC_SECRET", "hunter2hunter2hunter2hunter2hunter2")],
            &["too weak: it is made of 7 different characters"],
        ),
        (
            &[
                ("LEVQOR_ENV", "production"),
                ("SECURITY_HMAC_SECRET", "hunter2-is-a-password-of-an-example-!"),
            ],
            &["too weak: it has words in it that examples show"],
        ),
        (&[("LEVQOR_DATA_DIR", &below_a_file)], &["data directory", "LEVQOR_DATA_DIR"]),
        (&[("LEVQOR_DATABASE_URL", "mysql://u:hunter2@h/db")], &["database.url", "leave the key empty"]),
        (
            &[("LEVQOR_DATABASE_URL", "postgres://u:hunter2@h/db")],
            &["database.url", "set SECURITY_HMAC_SECRET"],
        ),
        (
            &[("LEVQOR_DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/db"), ("SECURITY_HMAC_SECRET", "x")],
            &["database.url", "see that the server runs"],
        ),
    ];
    for (environment, parts) in rows {
        let directory = temp_dir();
        let told = refused(directory.path(), environment).await;
        for part in *parts {
            assert!(told.contains(part), "{environment:?}: {part:?} is missing in:\n{told}");
        }
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[tokio::test]
async fn a_damaged_or_foreign_database_is_left_alone() {
    let directory = temp_dir();
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    let rubbish = b"this is not a database, but somebody's notes".repeat(100);
    fs::write(data.join("levqor.db"), &rubbish).unwrap();
    let told = refused(directory.path(), &[]).await;
    assert!(told.contains("not a Levqor database") && told.contains("backup"), "{told}");
    assert_eq!(fs::read(data.join("levqor.db")).unwrap(), rubbish);
}

#[tokio::test]
async fn a_data_directory_has_one_owner() {
    let directory = temp_dir();
    let levqor = Levqor::first(directory.path()).await;
    let told = refused(directory.path(), &[]).await;
    assert!(told.contains(&format!("in use by another levqor (process {})", levqor.server.id())), "{told}");
}
