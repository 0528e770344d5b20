//! The server's own files: what is changed is found and recorded once, and only an operator makes it right.

use std::{
    fs,
    path::{Path, PathBuf},
};

use http::{Method, StatusCode};
use levqor_model::tamper::Subject;
use levqor_server::{
    Settings,
    features::tamper::{GuardedValue, TamperSettings, scan::Root},
};
use levqor_store::Options;
use levqor_testkit::{temp_dir, wait_for};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    audit::{give_up, signed_by_another, verified},
    support::TestApp,
};

const PLACE: &str = "here:/data";
const BASELINE: &str = "security_checksums.json";

/// A server whose files are guarded, and what is served of it.
struct World {
    directory: TempDir,
    test: TestApp,
    served: Option<(CancellationToken, JoinHandle<std::io::Result<()>>)>,
}

fn settings(directory: &Path) -> TamperSettings {
    let root = |subject, path: &str| Root { subject, path: directory.join(path) };
    TamperSettings {
        place: PLACE.to_owned(),
        data_dir: directory.join("data"),
        roots: vec![
            root(Subject::Binary, "levqor"),
            root(Subject::Configuration, "levqor.toml"),
            root(Subject::Runbooks, "runbooks"),
            root(Subject::Blueprint, "blueprint.lock"),
        ],
        values: vec![GuardedValue {
            subject: Subject::Regions,
            name: "(in force) regions".to_owned(),
            content: "eu-west".to_owned(),
        }],
    }
}

impl World {
    async fn new() -> Self {
        let directory = temp_dir();
        let at = |path: &str| directory.path().join(path);
        for folder in ["data", "runbooks"] {
            fs::create_dir(at(folder)).unwrap();
        }
        for (path, content) in
            [("levqor", "program"), ("levqor.toml", "a = 1"), ("runbooks/a.yaml", "do: []")]
        {
            fs::write(at(path), content).unwrap();
        }
        let guarded = settings(directory.path());
        let test = TestApp::over(Options::file(at("levqor.db")), |settings: &mut Settings| {
            settings.tamper = Some(guarded);
        })
        .await;
        let mut world = Self { directory, test, served: None };
        world.serve().await;
        world.until("the first baseline", |place| place["sequence"] == 1).await;
        world
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn text(&self, path: &str) -> String {
        self.path(path).display().to_string()
    }

    async fn serve(&mut self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(levqor_server::serve(listener, self.test.app.clone(), stop.clone()));
        self.served = Some((stop, task));
    }

    async fn stop(&mut self) {
        let (stop, task) = self.served.take().unwrap();
        stop.cancel();
        task.await.unwrap().unwrap();
    }

    /// What happens while nobody looks, and the next process.
    async fn meanwhile(&mut self, work: impl FnOnce(&Self)) {
        self.stop().await;
        work(self);
        self.test = self.test.restarted().await;
        self.serve().await;
    }

    async fn status(&self) -> Value {
        let answer = self.test.get("/api/ops/tamper").key(&self.test.keys.operator).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()
    }

    /// The place, once it is as wanted and its node is the one that runs now.
    async fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let node = self.test.app.node.to_string();
        wait_for(what, || async {
            let status = self.status().await;
            let place = status["places"].as_array().unwrap().iter().find(|it| it["node"] == node.as_str());
            place.filter(|place| wanted(place)).cloned()
        })
        .await
    }

    async fn found(&self, path: &str) -> Value {
        let is_it = |finding: &&Value| finding["path"] == path;
        let place = self
            .until(&format!("{path} to be found"), |place| {
                place["findings"].as_array().unwrap().iter().any(|finding| is_it(&finding))
            })
            .await;
        place["findings"].as_array().unwrap().iter().find(is_it).unwrap().clone()
    }

    async fn untouched(&self, sequence: u64) {
        self.until("all to be as agreed", |place| {
            place["verdict"] == "untouched" && place["sequence"] == sequence
        })
        .await;
    }

    async fn accept(&self, path: &str) -> Value {
        let body = json!({ "path": path, "reason": "release 2" });
        let call = self.test.post("/api/ops/tamper/accept").key(&self.test.keys.operator).json(&body);
        let answer = call.send().await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        answer.json()
    }

    /// Records of tampering, oldest first: what, and about what.
    async fn records(&self) -> Vec<(String, String, String)> {
        let answer = self.test.get("/api/ops/audit?kind=tamper").key(&self.test.keys.operator).send().await;
        let mut records = answer.json()["records"].as_array().unwrap().clone();
        records.reverse();
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        records
            .iter()
            .map(|record| (word(&record["kind"]), word(&record["subject"]), word(&record["author"])))
            .collect()
    }

    async fn kinds(&self) -> Vec<String> {
        self.records().await.into_iter().map(|(kind, ..)| kind).collect()
    }
}

#[tokio::test]
async fn a_change_is_found_recorded_once_and_agreed_to_by_an_operator() {
    let mut world = World::new().await;
    world.untouched(1).await;
    assert_eq!(world.kinds().await, ["tamper.signed"]);
    fs::write(world.path("levqor.toml"), "a = 2").unwrap();
    let path = world.text("levqor.toml");
    let finding = world.found(&path).await;
    assert_eq!(finding["severity"], "major", "{finding}");
    assert_ne!(finding["expected"], finding["found"]);
    assert_eq!(world.status().await["verdict"], "changed");
    // The next process finds the same, which is no news.
    world.meanwhile(|_| {}).await;
    world.found(&path).await;
    assert_eq!(world.kinds().await, ["tamper.signed", "tamper.found"]);

    let accepted = world.accept(&path).await;
    assert_eq!(accepted["accepted"][0]["found"], finding["found"], "{accepted}");
    world.untouched(2).await;
    let records = world.records().await;
    let (kinds, authors): (Vec<_>, Vec<_>) =
        records.iter().map(|(kind, _, author)| (kind.as_str(), author.as_str())).unzip();
    assert_eq!(kinds, ["tamper.signed", "tamper.found", "tamper.accepted", "tamper.signed"]);
    assert_eq!(records[2].1, path);
    assert!(authors[2].starts_with("API key key_"), "{authors:?}");
    assert_eq!((authors[1], authors[3]), ("levqor", "levqor"));
    world.meanwhile(|_| {}).await;
    world.untouched(2).await;
    assert_eq!(world.kinds().await.len(), 4);
    world.stop().await;
}

#[tokio::test]
async fn what_is_put_back_is_as_agreed_again() {
    let mut world = World::new().await;
    let (new, program) = (world.text("runbooks/new.yaml"), world.text("levqor"));
    world
        .meanwhile(|world| {
            fs::write(world.path("runbooks/new.yaml"), "do: [x]").unwrap();
            fs::remove_file(world.path("levqor")).unwrap();
        })
        .await;
    let (added, removed) = (world.found(&new).await, world.found(&program).await);
    assert_eq!((&added["expected"], &removed["found"]), (&Value::Null, &Value::Null));
    assert_eq!(removed["severity"], "critical");
    fs::remove_file(world.path("runbooks/new.yaml")).unwrap();
    fs::write(world.path("levqor"), "program").unwrap();
    world.untouched(1).await;
    let mut kinds = world.kinds().await;
    kinds.sort();
    assert_eq!(
        kinds,
        ["tamper.found", "tamper.found", "tamper.restored", "tamper.restored", "tamper.signed"]
    );
    world.stop().await;
}

#[tokio::test]
async fn agreeing_to_a_folder_is_agreeing_to_what_is_in_it() {
    let mut world = World::new().await;
    fs::create_dir(world.path("runbooks/more")).unwrap();
    fs::write(world.path("runbooks/more/b.yaml"), "do: []").unwrap();
    world.found(&world.text("runbooks/more/b.yaml")).await;
    fs::write(world.path("blueprint.lock"), "locked").unwrap();
    let lock = world.found(&world.text("blueprint.lock")).await;
    assert_eq!(lock["severity"], "critical");
    let accepted = world.accept(&world.text("runbooks")).await;
    assert_eq!(accepted["accepted"].as_array().unwrap().len(), 2, "{accepted}");
    let place = world.until("the second baseline", |place| place["sequence"] == 2).await;
    assert_eq!(place["findings"].as_array().unwrap().len(), 1, "{place}");
    world.stop().await;
}

#[tokio::test]
async fn a_baseline_that_is_edited_replaced_or_put_back_is_found_and_signed_anew() {
    let mut world = World::new().await;
    let own = format!("{}/data/{BASELINE}", world.directory.path().display());
    let first = fs::read(&own).unwrap();
    fs::write(world.path("levqor.toml"), "a = 2").unwrap();
    let path = world.text("levqor.toml");
    world.found(&path).await;
    world.accept(&path).await;
    world.untouched(2).await;
    type Work = fn(&Path, &[u8]);
    let works: [(&str, Work); 4] = [
        ("edited", |own, _| {
            let text = fs::read_to_string(own).unwrap();
            fs::write(own, text.replacen("644", "666", 1)).unwrap();
        }),
        ("put back", |own, first| fs::write(own, first).unwrap()),
        ("removed", |own, _| fs::remove_file(own).unwrap()),
        ("replaced", |own, _| {
            fs::remove_file(own).unwrap();
            std::os::unix::fs::symlink("/dev/null", own).unwrap();
        }),
    ];
    let mut sequence = 2;
    for (what, work) in works {
        for running in [true, false] {
            if running {
                work(own.as_ref(), &first);
            } else {
                world.meanwhile(|_| work(own.as_ref(), &first)).await;
            }
            let finding = world.found(&own).await;
            assert_eq!(finding["severity"], "critical", "{what}: {finding}");
            // Files are held against what was signed, whatever lies there.
            let findings = world.status().await["places"][0]["findings"].clone();
            assert_eq!(findings.as_array().unwrap().len(), 1, "{what}: {findings}");
            world.accept(&own).await;
            sequence += 1;
            world.untouched(sequence).await;
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn a_database_that_says_something_else_is_found() {
    let mut world = World::new().await;
    world
        .meanwhile(|world| {
            let database = Connection::open(world.path("levqor.db")).unwrap();
            database
                .execute_batch("UPDATE tamper_baselines SET content = replace(content, '644', '666')")
                .unwrap();
        })
        .await;
    let finding = world.found("(database) baseline").await;
    assert_eq!(finding["severity"], "critical");
    assert!(finding["found"].as_str().unwrap().contains("it was edited"), "{finding}");
    world.accept("(database) baseline").await;
    world.untouched(2).await;
    // And the evidence log, when somebody asks for it.
    let database = Connection::open(world.path("levqor.db")).unwrap();
    database
        .execute_batch(
            "UPDATE audit_records SET author = 'nobody' WHERE kind = 'tamper.signed' AND seq < 100",
        )
        .unwrap();
    verify(&world).await;
    let finding = world.found("(database) evidence log").await;
    assert!(finding["found"].as_str().unwrap().contains("was edited"), "{finding}");
    let body = json!({ "path": "(database) evidence log", "reason": "no" });
    let refused =
        world.test.post("/api/ops/tamper/accept").key(&world.test.keys.operator).json(&body).send().await;
    assert_eq!(refused.problem(), "invalid-fields");
    world.stop().await;
}

/// Has everything hashed anew, and waits for it.
async fn verify(world: &World) -> Value {
    let asked = world.test.post("/api/ops/tamper/verify").key(&world.test.keys.operator).send().await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.text());
    let asked = asked.json();
    assert_eq!(asked["places"], json!([PLACE]));
    world.until("everything to be hashed anew", |place| place["verified"] == asked["request"]).await
}

#[tokio::test]
async fn everything_is_hashed_anew_when_an_operator_asks() {
    let mut world = World::new().await;
    let place = verify(&world).await;
    assert_eq!(
        (&place["verdict"], &place["evidence"]["whole"]),
        (&json!("untouched"), &json!(true)),
        "{place}"
    );
    assert_eq!(place["watch"]["events"], true, "{place}");
    // The program, the configuration, a runbook, and the baseline.
    assert_eq!(place["files"], 4, "{place}");
    let again = verify(&world).await;
    assert!(again["rehashes"].as_u64() > place["rehashes"].as_u64(), "{again}");
    let metrics = world.test.get("/metrics").send().await.text();
    for line in [
        "levqor_tamper_findings{severity=\"critical\",region=\"eu-west\"} 0",
        "levqor_tamper_files{region=\"eu-west\"} 4",
        "levqor_tamper_hears{region=\"eu-west\"} 1",
    ] {
        let parts: Vec<&str> = line.split(['{', '}', ',']).filter(|part| !part.is_empty()).collect();
        let has = |found: &&str| parts.iter().all(|part| found.contains(part.trim()));
        assert!(metrics.lines().any(|found| has(&found)), "{line} is not in\n{metrics}");
    }
    world.stop().await;
}

#[tokio::test]
async fn mistakes_are_told_and_nobody_else_may() {
    let mut world = World::new().await;
    fs::write(world.path("levqor.toml"), "a = 2").unwrap();
    let path = world.text("levqor.toml");
    world.found(&path).await;
    let long = "x".repeat(501);
    for (body, problem, pointer) in [
        (json!({ "path": path, "reason": " " }), "invalid-fields", "/reason"),
        (json!({ "path": path, "reason": long }), "invalid-fields", "/reason"),
        (json!({ "path": "", "reason": "r" }), "invalid-fields", "/path"),
        (json!({ "path": path }), "invalid-fields", "/reason"),
        (json!({ "path": "/nowhere", "reason": "r" }), "not-found", ""),
        (json!({ "path": path, "reason": "r", "place": "elsewhere" }), "not-found", ""),
        (json!({ "path": path, "reason": "r", "found": "what was seen before" }), "invalid-fields", "/found"),
        (json!({ "path": path, "reason": "r", "found": "" }), "invalid-fields", "/found"),
        // What was seen is of one path, not of what is below it.
        (json!({ "path": world.directory.path(), "reason": "r", "found": "" }), "not-found", ""),
    ] {
        let call = world.test.post("/api/ops/tamper/accept").key(&world.test.keys.operator).json(&body);
        let answer = call.send().await;
        let found = answer.problem();
        assert!(found == problem || (pointer == "/reason" && found == "bad-request"), "{body}: {found}");
        if found == "invalid-fields" {
            assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
        }
    }
    for (method, path) in [
        (Method::GET, "/api/ops/tamper"),
        (Method::POST, "/api/ops/tamper/accept"),
        (Method::POST, "/api/ops/tamper/verify"),
    ] {
        let owner = world.test.call(method.clone(), path).key(&world.test.keys.owner).send().await;
        assert_eq!(owner.problem(), "forbidden", "{path}");
        let nobody = world.test.call(method, path).send().await;
        assert_eq!(nobody.problem(), "unauthenticated", "{path}");
    }
    assert_eq!(world.kinds().await, ["tamper.signed", "tamper.found"]);
    world.stop().await;
}

/// What was agreed to is signed, and nothing that somebody slips in after the operator has looked.
#[tokio::test]
async fn nothing_is_signed_but_what_the_operator_saw() {
    let mut world = World::new().await;
    fs::write(world.path("levqor.toml"), "a = 2").unwrap();
    let path = world.text("levqor.toml");
    let seen = world.found(&path).await;
    // Nobody guards; the operator agrees to what was told before.
    world.stop().await;
    world.test = world.test.restarted().await;
    world.accept(&path).await;
    fs::write(world.path("levqor.toml"), "a = 3").unwrap();
    world.serve().await;
    let place = world
        .until("the other change", |place| {
            place["findings"].as_array().unwrap().iter().any(|it| it["found"] != seen["found"])
        })
        .await;
    assert_eq!(place["sequence"], 1, "{place}");
    world.stop().await;
}

/// Rows of wishes that wait for a node.
fn wishes(world: &World) -> i64 {
    let database = Connection::open(world.path("levqor.db")).unwrap();
    database.query_row("SELECT count(*) FROM tamper_wishes", [], |row| row.get(0)).unwrap()
}

/// Writes a wish into the database, as somebody does who is no operator, and waits until the node has seen it.
async fn forge(world: &World, path: &str, found: &Value, at: i64) {
    let database = Connection::open(world.path("levqor.db")).unwrap();
    database
        .execute(
            "INSERT INTO tamper_wishes (place, path, found, at) VALUES (?1, ?2, ?3, ?4)",
            (PLACE, path, found.as_str().unwrap(), at),
        )
        .unwrap();
    wait_for("the wish to be looked at", || async { (wishes(world) == 0).then_some(()) }).await;
}

#[tokio::test]
async fn a_wish_that_no_operator_had_is_refused_on_record() {
    let mut world = World::new().await;
    let path = world.text("levqor.toml");
    fs::write(world.path("levqor.toml"), "a = 2").unwrap();
    let second = world.found(&path).await;
    forge(&world, &path, &second["found"], 1).await;
    assert_eq!(world.kinds().await, ["tamper.signed", "tamper.found", "tamper.forged"]);
    let place = world.until("the verdict", |place| place["verdict"] == "changed").await;
    assert_eq!(place["sequence"], 1, "{place}");

    // What an operator has agreed to once does not serve again: that was another change.
    let body = json!({ "path": path, "reason": "release 2", "found": second["found"] });
    let agreed = world.test.post("/api/ops/tamper/accept").key(&world.test.keys.operator).json(&body);
    assert_eq!(agreed.send().await.status, StatusCode::ACCEPTED);
    world.untouched(2).await;
    fs::write(world.path("levqor.toml"), "a = 3").unwrap();
    world.found(&path).await;
    world.accept(&path).await;
    world.untouched(3).await;
    fs::write(world.path("levqor.toml"), "a = 2").unwrap();
    let again = world.found(&path).await;
    assert_eq!(again["found"], second["found"]);
    let at: i64 = Connection::open(world.path("levqor.db"))
        .unwrap()
        .query_row("SELECT min(at) FROM audit_records WHERE kind = 'tamper.accepted'", [], |row| row.get(0))
        .unwrap();
    forge(&world, &path, &again["found"], at).await;
    let place = world.until("the verdict", |place| place["verdict"] == "changed").await;
    assert_eq!(place["sequence"], 3, "{place}");
    world.stop().await;
}

#[tokio::test]
async fn what_an_abandoned_key_signed_is_no_change_any_more_once_it_is_agreed_to() {
    let mut world = World::new().await;
    let key = signed_by_another(&world.test).await;
    give_up(&world.test).await;
    let place = verify(&world).await;
    assert_eq!(place["evidence"]["whole"], false, "{place}");
    world.found("(database) evidence log").await;
    let found = verified(&world.test).await;
    let body =
        json!({ "key": key, "seen": found["other_keys"][0]["digest"], "reason": "the secret was lost" });
    let agreed =
        world.test.post("/api/ops/audit/accept").key(&world.test.keys.operator).json(&body).send().await;
    assert_eq!(agreed.status, StatusCode::OK, "{}", agreed.text());
    // Nobody has to ask for it: every node verifies anew.
    let place = world.until("all to be as agreed", |place| place["verdict"] == "untouched").await;
    assert_eq!(place["evidence"]["whole"], true, "{place}");
    let remark = place["evidence"]["remark"].as_str().unwrap();
    assert!(remark.contains("an abandoned key, which was agreed to") && remark.contains(&key), "{place}");
    world.stop().await;
}

/// An evidence log that cannot be verified is not verified: the request is open until it was.
#[tokio::test]
async fn a_log_that_cannot_be_read_is_a_finding() {
    let mut world = World::new().await;
    let database = Connection::open(world.path("levqor.db")).unwrap();
    database.execute_batch("UPDATE audit_records SET account_id = 'nobody' WHERE seq = 2").unwrap();
    let place = verify(&world).await;
    assert_eq!(place["evidence"]["whole"], false, "{place}");
    let finding = world.found("(database) evidence log").await;
    assert!(finding["found"].as_str().unwrap().contains("cannot be read"), "{finding}");
    world.stop().await;
}

#[tokio::test]
async fn who_guards_nothing_says_so() {
    let test = TestApp::new().await;
    let status = test.get("/api/ops/tamper").key(&test.keys.operator).send().await.json();
    assert_eq!(status, json!({ "verdict": "unknown", "places": [] }));
    let asked = test.post("/api/ops/tamper/verify").key(&test.keys.operator).send().await;
    assert_eq!(asked.problem(), "not-found");
    let metrics = test.get("/metrics").send().await.text();
    assert!(!metrics.contains("levqor_tamper_findings{"), "{metrics}");
}
