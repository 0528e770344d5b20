//! Commands that need no server.

use std::process::{Command, Output};

use levqor_testkit::temp_dir;
use serde_json::Value;

pub fn levqor(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_levqor")).args(arguments).env_remove("LEVQOR_REGION").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const HELLO: &str = "document: {dsl: '1.0.3', namespace: t, name: hello, version: 0.1.0}\n\
                     do: [{greet: {set: {words: '${ \"Hello, \\(.name)!\" }'}}}]\n";

#[test]
fn run_prints_progress_aside_and_the_output_alone() {
    let directory = temp_dir();
    let file = directory.path().join("hello.yaml");
    std::fs::write(&file, HELLO).unwrap();
    let ran = levqor(&["run", file.to_str().unwrap(), "--input", "{\"name\":\"Ada\"}"]);
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    assert_eq!(serde_json::from_slice::<Value>(&ran.stdout).unwrap()["words"], "Hello, Ada!");
    assert!(text(&ran.stderr).contains("✓ greet completed"), "{}", text(&ran.stderr));
    assert!(!text(&ran.stderr).contains('\u{1b}'), "no colour when piped");
}

#[test]
fn run_tells_tasks_in_the_order_of_the_run() {
    let directory = temp_dir();
    let file = directory.path().join("three.yaml");
    std::fs::write(
        &file,
        "document: {dsl: '1.0.3', namespace: t, name: three, version: 0.1.0}\n\
         do: [{first: {set: {n: 1}}}, {rest: {wait: {milliseconds: 300}}}, {last: {set: {n: 2}}}]\n",
    )
    .unwrap();
    let ran = levqor(&["run", file.to_str().unwrap()]);
    let told = text(&ran.stderr);
    let names: Vec<_> = told.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(names, ["first", "rest", "last"], "{told}");
}

#[test]
fn a_reader_that_leaves_early_makes_no_noise() {
    for command in ["completions bash", "check", "ask 'what does the growth plan cost?'"] {
        let script = format!("{} {command} | true", env!("CARGO_BIN_EXE_levqor"));
        let ran = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(!text(&ran.stderr).contains("panicked"), "{command}: {}", text(&ran.stderr));
    }
}

#[test]
fn mistakes_of_use_exit_with_2_and_failures_with_1() {
    let directory = temp_dir();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let hello = file("hello.yaml", HELLO);
    let broken = file(
        "broken.yaml",
        "document: {dsl: '1.0.3', namespace: t, name: b, version: 0.1.0}\ndo: [{x: {sit: 1}}]\n",
    );
    let raises = file(
        "raises.yaml",
        "document: {dsl: '1.0.3', namespace: t, name: r, version: 0.1.0}\n\
         do: [{fail: {raise: {error: {type: https://example.com/no, status: 418, title: No}}}}]\n",
    );
    let rows: &[(&[&str], i32, &str)] = &[
        (&["run", "/nowhere.yaml"], 2, "/nowhere.yaml"),
        (&["run", &hello, "--input", "{"], 2, "--input is not JSON"),
        (&["run", &hello, "--input", "@nowhere.json"], 2, "name a readable input file"),
        (&["run", &hello, "--rewrite", "x"], 2, "--rewrite"),
        (&["run", &broken], 2, "/do/0/x"),
        (&["run", &raises], 1, "faulted"),
        (&["validate", &broken], 1, "/do/0/x"),
        (&["validate", &hello], 0, ""),
        (&["frobnicate"], 2, "frobnicate"),
        (&["validate", "/nowhere.yaml", &broken], 2, "/do/0/x"),
        (&["check", "--region", "mars"], 2, "mars"),
        (&["check", "--log", "levqor=loud"], 2, "is not a log filter"),
        (&["ask", "x"], 2, "between 5 and 1000"),
        (&["ask", "what is the price of the growth plan?"], 0, ""),
        (&["ask", "who won the world cup in 1998?"], 1, ""),
        (&["status", "--url", "ftp://x"], 2, "http"),
        (&["status", "--url", "http://127.0.0.1:1"], 1, "does not answer"),
        // What a noun shows without a command, and the server before and behind one: never another server than the one that is named.
        (&["jobs", "--url", "http://127.0.0.1:1", "--key", "x"], 1, "http://127.0.0.1:1 does not answer"),
        (&["slo", "--url", "http://127.0.0.1:1", "--key", "x"], 1, "http://127.0.0.1:1 does not answer"),
        (&["probes", "--url", "http://127.0.0.1:1", "--key", "x"], 1, "http://127.0.0.1:1 does not answer"),
        (
            &["heartbeats", "--url", "http://127.0.0.1:1", "--key", "x"],
            1,
            "http://127.0.0.1:1 does not answer",
        ),
        (
            &["maintenance", "--url", "http://127.0.0.1:1", "--key", "x"],
            1,
            "http://127.0.0.1:1 does not answer",
        ),
        (
            &["alerts", "--url", "http://127.0.0.1:1", "silences", "--key", "x"],
            1,
            "http://127.0.0.1:1 does not",
        ),
        (
            &["incidents", "show", "inc_1", "--key", "x", "--url", "http://127.0.0.1:1"],
            1,
            "127.0.0.1:1 does not",
        ),
        (
            &["incidents", "--url", "http://127.0.0.1:1", "--key", "x", "action", "list"],
            1,
            "127.0.0.1:1 does not",
        ),
        (&["alerts", "--url", "http://127.0.0.1:1"], 2, "LEVQOR_API_KEY"),
    ];
    for (arguments, code, part) in rows {
        let ran = levqor(arguments);
        let told = text(&ran.stderr);
        assert_eq!(ran.status.code(), Some(*code), "{arguments:?}: {told}");
        assert!(told.contains(part), "{arguments:?}: {part:?} is missing in {told}");
    }
}

#[test]
fn every_command_speaks_json() {
    let directory = temp_dir();
    let file = directory.path().join("hello.yaml");
    std::fs::write(&file, HELLO).unwrap();
    let file = file.to_str().unwrap();
    for arguments in [
        vec!["run", file, "--json"],
        vec!["validate", file, "--json"],
        vec!["check", "--json"],
        vec!["ask", "every hour fetch https://example.com/a", "--json"],
        vec!["ask", "what does the growth plan cost?", "--json"],
        vec!["status", "--url", "http://127.0.0.1:1", "--json"],
    ] {
        let ran = levqor(&arguments);
        let parsed = serde_json::from_slice::<Value>(&ran.stdout);
        assert!(parsed.is_ok_and(|value| value.is_object()), "{arguments:?}: {}", text(&ran.stdout));
    }
}

#[test]
fn check_names_the_origin_of_a_value_and_hides_secrets() {
    let ran = Command::new(env!("CARGO_BIN_EXE_levqor"))
        .args(["check", "--json"])
        .env("LEVQOR_REGION", "us-east")
        .env("SECURITY_HMAC_SECRET", "hunter2-hunter2-hunter2-hunter2-x")
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let settings = report["settings"].as_array().unwrap();
    let find = |key: &str| settings.iter().find(|setting| setting["key"] == key).unwrap();
    assert_eq!(find("region")["origin"], "environment LEVQOR_REGION");
    assert_eq!(find("region")["value"], "us-east");
    assert_eq!(find("security.hmac_secret")["value"], "(set, hidden)");
    assert!(!text(&ran.stdout).contains("hunter2"));
}
