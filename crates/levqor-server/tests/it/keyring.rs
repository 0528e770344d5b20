//! The server's own keys: what operators see and do, and that rotating them turns nobody away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Method, StatusCode};
use levqor_engine::{
    Keyring, StartRun,
    keyring::{FRESH, LEARN, OVERLAP, Roots},
};
use levqor_model::{Clock, NodeId, Secret, TriggerKind, limits::IDEMPOTENCY_TTL};
use levqor_server::{
    App, Parts,
    features::{keyring, sessions::service::SESSION_LIFETIME, triggers::signature},
    router,
};
use levqor_store::idempotency::{Claim, KeyClaim};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    pages::{Browser, csrf},
    support::{Answer, Call, GREET, SECRET, TestApp},
    triggers::make,
};

const PURPOSES: [&str; 3] = ["signing", "sealing", "webhooks"];
const USES_A_SECRET: &str =
    "use: { secrets: [ key ] }\ndo: [{ tell: { set: { is: '${ $secrets.key == .expected }' } } }]";

/// The same server as another node of the same database, with a keyring of its own.
async fn beside(test: &TestApp) -> TestApp {
    let app = &test.app;
    let roots = Roots::parse(&Secret::new(SECRET)).unwrap();
    let keyring =
        Keyring::open(test.store.clone(), roots, test.clock.clone(), test.random.clone()).await.unwrap();
    let app = App::new(Parts {
        settings: app.settings.clone(),
        store: test.store.clone(),
        engine: app.engine.clone(),
        keyring,
        clock: test.clock.clone(),
        random: test.random.clone(),
        node: app.node,
        region: app.region.clone(),
        regions: app.regions.clone(),
        blueprint: app.blueprint.clone(),
        policies: app.policies.clone(),
        backends: Arc::clone(&app.backends),
        mailer: app.mailer.clone(),
        started_at: app.started_at,
    });
    TestApp { router: router(app.clone()), app, ..test.clone() }
}

async fn operate(test: &TestApp, path: &str, body: &Value) -> Answer {
    test.post(&format!("/api/ops/keyring/{path}")).key(&test.keys.operator).json(body).send().await
}

async fn list(test: &TestApp) -> Vec<Value> {
    let answer = test.get("/api/ops/keyring").key(&test.keys.operator).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()["keys"].as_array().unwrap().clone()
}

async fn of(test: &TestApp, purpose: &str, state: &str) -> Vec<Value> {
    let all = list(test).await.into_iter();
    all.filter(|key| key["purpose"] == purpose && key["state"] == state).collect()
}

/// Publishes keys of these purposes, and lets them become active.
pub async fn rotate(test: &TestApp, purposes: &[&str]) {
    for purpose in purposes {
        let answer = operate(test, "rotate", &json!({ "purpose": purpose })).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        assert_eq!(answer.json()["already"], false);
    }
    test.clock.advance(LEARN);
    keyring::turn(&test.app).await.unwrap();
}

async fn verified(test: &TestApp) -> Value {
    let answer = operate(test, "verify", &json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

async fn token(test: &TestApp) -> String {
    csrf(&test.page("/dashboard/secrets").header("cookie", &test.cookie).send().await)
}

fn set_secret(test: &TestApp, csrf: &str, name: &str) -> Call {
    let fields = [("csrf", csrf), ("name", name), ("value", "hush")];
    test.form("/dashboard/secrets", &fields).header("cookie", &test.cookie)
}

fn message(test: &TestApp, made: &Value, id: &str) -> Call {
    let secret = signature::key(made["secret"].as_str().unwrap()).unwrap();
    let at = test.clock.now().as_seconds();
    let body = r#"{"name":"Ada"}"#;
    let path = format!("/hooks/{}", made["token"].as_str().unwrap());
    test.post(&path)
        .header("webhook-id", id)
        .header("webhook-timestamp", &at.to_string())
        .header("webhook-signature", &signature::sign(&secret, id, at, body.as_bytes()).unwrap())
        .body("application/json", body)
}

#[test]
fn what_is_signed_holds_longer_than_anybody_keeps_it() {
    assert!(OVERLAP > SESSION_LIFETIME && OVERLAP > IDEMPOTENCY_TTL);
    assert!(LEARN > FRESH, "nodes know a key before it is used");
}

#[tokio::test]
async fn operators_see_rotate_and_verify_keys() {
    let test = TestApp::new().await;
    let keys = list(&test).await;
    assert_eq!(keys.len(), 3);
    for key in &keys {
        assert_eq!(key["state"], "active");
        let members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["id", "purpose", "state", "tag", "created_at", "activates_at", "uses"]);
    }
    let published = operate(&test, "rotate", &json!({ "purpose": "signing" })).await.json();
    assert_eq!((&published["already"], &published["key"]["state"]), (&json!(false), &json!("published")));
    assert_eq!(published["key"]["activates_at"], "2026-11-24T12:00:20.000000Z");
    let again = operate(&test, "rotate", &json!({ "purpose": "signing" })).await.json();
    assert_eq!(again, json!({ "key": published["key"], "already": true }));
    test.clock.advance(LEARN);
    keyring::turn(&test.app).await.unwrap();
    assert_eq!(of(&test, "signing", "active").await[0]["id"], published["key"]["id"]);
    assert_eq!(of(&test, "signing", "retiring").await[0]["retires_at"], "2026-12-09T12:00:20.000000Z");
    let noted = test.get("/api/ops/audit?kind=ring_key").key(&test.keys.operator).send().await.json();
    let noted: Vec<_> = noted["records"].as_array().unwrap().clone();
    let of = |member: &str| noted.iter().map(|record| record[member].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(of("kind"), ["ring_key.activated", "ring_key.published"], "{noted:?}");
    assert_eq!(of("subject"), [published["key"]["id"].as_str().unwrap(); 2]);
    assert!(of("author")[1].starts_with("API key key_") && of("author")[0] == "levqor", "{noted:?}");
    let check = verified(&test).await;
    assert_eq!(
        check,
        json!({ "ok": true, "keys": 4, "sealed": 0, "webhooks": 0, "faults_total": 0, "faults": [] })
    );
}

#[tokio::test]
async fn bad_wishes_are_told_what_is_wrong() {
    let test = TestApp::new().await;
    let unknown = operate(&test, "rotate", &json!({ "purpose": "cooking" })).await;
    assert_eq!(unknown.problem(), "bad-request");
    assert!(unknown.text().contains("signing"), "{}", unknown.text());
    assert_eq!(operate(&test, "rotate", &json!({})).await.problem(), "bad-request");
    let none = "rky_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    for id in [none, "key_01ARZ3NDEKTSV4RRFFQ69G5FAV", "x"] {
        assert_eq!(operate(&test, &format!("{id}/revoke"), &json!({})).await.problem(), "not-found", "{id}");
    }
    let sealing = of(&test, "sealing", "active").await[0]["id"].as_str().unwrap().to_owned();
    let refused = operate(&test, &format!("{sealing}/revoke"), &json!({})).await;
    assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::CONFLICT, "key-in-use"));
    assert!(refused.text().contains("rotate sealing first"), "{}", refused.text());
    for (method, path) in
        [(Method::GET, ""), (Method::POST, "/rotate"), (Method::POST, "/verify"), (Method::POST, "/x/revoke")]
    {
        let path = format!("/api/ops/keyring{path}");
        let owner = test.call(method.clone(), &path).key(&test.keys.owner).json(&json!({})).send().await;
        assert_eq!(owner.problem(), "forbidden", "{method} {path}");
    }
}

#[tokio::test]
async fn a_form_of_one_node_is_taken_by_the_other() {
    let test = TestApp::new().await;
    let there = beside(&test).await;
    let before = token(&there).await;
    rotate(&test, &["signing"]).await;
    let next = token(&test).await;
    assert_ne!(next, before);
    for (node, token) in [(&test, &before), (&test, &next), (&there, &before), (&there, &next)] {
        let answer = set_secret(node, token, "key").send().await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    }
    // Until its time is over; the session itself would have ended before.
    test.clock.advance(OVERLAP);
    keyring::turn(&test.app).await.unwrap();
    let cookie = crate::support::sign_in(&test.app, test.account).await;
    let late = TestApp { cookie, ..test.clone() };
    assert_eq!(of(&late, "signing", "retired").await.len(), 1);
    assert_eq!(set_secret(&late, &before, "key").send().await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_a_revoked_key_made_passes_nowhere() {
    let test = TestApp::new().await;
    let there = beside(&test).await;
    let workflow = test.save("greet", GREET).await;
    let made = make(&test, &workflow, true).await;
    let old = token(&there).await;
    for purpose in ["signing", "webhooks"] {
        let id = of(&test, purpose, "active").await[0]["id"].as_str().unwrap().to_owned();
        let answer = operate(&test, &format!("{id}/revoke"), &json!({})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let body = answer.json();
        assert_eq!(
            (&body["key"]["state"], &body["successor"]["state"]),
            (&json!("revoked"), &json!("active"))
        );
        let again = operate(&test, &format!("{id}/revoke"), &json!({})).await.json();
        assert_eq!(again, json!({ "key": body["key"] }), "it is gone, whoever asks again");
    }
    test.clock.advance(FRESH);
    for (n, node) in [&test, &there].into_iter().enumerate() {
        let refused = set_secret(node, &old, "key").send().await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
        let fresh = token(node).await;
        assert_eq!(set_secret(node, &fresh, "key").send().await.status, StatusCode::SEE_OTHER);
        let refused = message(node, &made, &format!("msg_{n}")).send().await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (StatusCode::UNAUTHORIZED, "webhook-signature")
        );
        assert!(refused.text().contains("revoked"), "{}", refused.text());
    }
    let check = verified(&test).await;
    assert_eq!((&check["ok"], &check["faults_total"]), (&json!(false), &json!(1)));
    assert_eq!(check["faults"][0]["what"], "the secrets of 1 webhooks");
    // A secret that is made anew is derived from the key that is there now.
    let path = format!("/api/workflows/{workflow}/triggers/{}/rotate", made["id"].as_str().unwrap());
    let anew = test.post(&path).key(&test.keys.editor).send().await.json();
    for node in [&test, &there] {
        assert_eq!(message(node, &anew, "msg_3").send().await.status, StatusCode::ACCEPTED);
    }
    assert_eq!(verified(&test).await["ok"], true);
}

#[tokio::test]
async fn a_repeat_is_known_by_whichever_key_there_was() {
    let test = TestApp::new().await;
    let workflow = test.save("greet", GREET).await;
    let start = |name: &str| {
        let body = json!({ "input": { "name": name } });
        let path = format!("/api/workflows/{workflow}/runs");
        test.post(&path).key(&test.keys.editor).header("idempotency-key", "k").json(&body)
    };
    let first = start("Ada").send().await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{}", first.text());
    for _ in 0..2 {
        rotate(&test, &["signing"]).await;
        let again = start("Ada").send().await;
        assert_eq!((again.status, again.json()), (StatusCode::ACCEPTED, first.json()));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(start("Eve").send().await.problem(), "idempotency-mismatch");
    }
}

/// Whoever takes over a request whose process has died knows it, though another key is active now.
#[tokio::test]
async fn a_request_that_led_to_a_run_before_a_rotation_finds_it() {
    let test = TestApp::new().await;
    let workflow = test.save("greet", GREET).await;
    let start = |key: &str| {
        let path = format!("/api/workflows/{workflow}/runs");
        let body = json!({ "input": { "name": "Ada" } });
        test.post(&path).key(&test.keys.editor).header("idempotency-key", key).json(&body)
    };
    // How the request is known, from another one that is alike.
    assert_eq!(start("alike").send().await.status, StatusCode::ACCEPTED);
    let (scope, now) = (test.account.to_string(), test.clock.now());
    let claim = async |node, key: &str, hash| {
        let (scope, key) = (scope.clone(), key.to_owned());
        test.store.claim_idempotency(node, scope, key, hash, now, now).await.unwrap()
    };
    let Claim::Answered(answer) = claim(test.app.node, "alike", [0; 32]).await else {
        panic!("it was answered")
    };
    // A node claims the key, starts the run, and is gone.
    let gone = NodeId::new(now, &*test.random);
    assert_eq!(claim(gone, "k", answer.request_hash).await, Claim::Yours);
    let request = StartRun {
        account_id: test.account,
        workflow_id: workflow.parse().unwrap(),
        version: None,
        input: json!({ "name": "Ada" }),
        trigger: TriggerKind::Manual,
        residency: None,
        home_region: None,
    };
    let led = KeyClaim { scope: scope.clone(), key: "k".to_owned() };
    let run = test.app.engine.start_run_once(request, Some(led)).await.unwrap().run.id;

    rotate(&test, &["signing"]).await;
    let again = start("k").send().await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "{}", again.text());
    assert_eq!(again.json()["run_id"], run.to_string());
}

/// What was sent, and what of it did not succeed.
#[derive(Default)]
struct Tally {
    sent: AtomicUsize,
    failed: AtomicUsize,
}

impl Tally {
    fn count(&self, what: &str, expected: StatusCode, answer: &Answer) {
        self.sent.fetch_add(1, Ordering::SeqCst);
        if answer.status != expected {
            self.failed.fetch_add(1, Ordering::SeqCst);
            eprintln!("{what}: {} {}", answer.status, answer.text());
        }
    }
}

/// Callers of several kinds, who send one request after the other, to one node and the other in turn.
struct Callers {
    nodes: [TestApp; 2],
    /// Rotations that have begun; None: it is over.
    begun: watch::Sender<Option<usize>>,
    /// Rounds that each kind has ended.
    rounds: [AtomicUsize; 5],
    tally: Tally,
}

impl Callers {
    /// Rounds of a kind during one rotation, at most.
    const ROUNDS: usize = 4;

    /// The next round of a kind, and the nodes for it, in turn.
    async fn next(&self, kind: usize, round: &mut usize) -> Option<(usize, &TestApp, &TestApp)> {
        self.rounds[kind].store(*round, Ordering::SeqCst);
        let may = |begun: &Option<usize>| begun.is_none_or(|begun| *round < begun * Self::ROUNDS);
        let begun = *self.begun.subscribe().wait_for(may).await.unwrap();
        begun?;
        let number = *round;
        *round += 1;
        Some((number, &self.nodes[number % 2], &self.nodes[(number + 1) % 2]))
    }

    /// A page of one node, its form to the other; and a form of a page that has been open since the beginning.
    async fn forms(self: Arc<Self>) {
        let open = token(&self.nodes[0]).await;
        let mut rounds = 0;
        while let Some((round, one, other)) = self.next(0, &mut rounds).await {
            let page = one.page("/dashboard/secrets").header("cookie", &one.cookie).send().await;
            self.tally.count("a page", StatusCode::OK, &page);
            let name = format!("form{}", round % 40);
            let sent = set_secret(other, &csrf(&page), &name).send().await;
            self.tally.count("its form", StatusCode::SEE_OTHER, &sent);
            if round % 4 == 0 {
                let name = format!("open{}", round % 40);
                let sent = set_secret(other, &open, &name).send().await;
                self.tally.count("an old form", StatusCode::SEE_OTHER, &sent);
            }
        }
    }

    /// Messages under a secret from the beginning, and under one that was just made.
    async fn webhooks(self: Arc<Self>, workflow: String, made: Value) {
        let mut rounds = 0;
        while let Some((round, one, other)) = self.next(1, &mut rounds).await {
            let id = format!("msg_{round}");
            let sent = message(one, &made, &id).send().await;
            self.tally.count("a message", StatusCode::ACCEPTED, &sent);
            let again = message(other, &made, &id).send().await;
            self.tally.count("the same message", StatusCode::ACCEPTED, &again);
            assert_eq!(again.json()["run_id"], sent.json()["run_id"]);
            if round % 10 == 0 {
                let new = make(one, &workflow, true).await;
                let sent = message(other, &new, "msg_0").send().await;
                self.tally.count("a message to a new webhook", StatusCode::ACCEPTED, &sent);
                let path = format!("/api/workflows/{workflow}/triggers/{}", new["id"].as_str().unwrap());
                let deleted = one.call(Method::DELETE, &path).key(&one.keys.editor).send().await;
                self.tally.count("a webhook deleted", StatusCode::NO_CONTENT, &deleted);
            }
        }
    }

    /// Runs that use a secret which was set at the beginning.
    async fn runs(self: Arc<Self>, workflow: String) {
        let path = format!("/api/workflows/{workflow}/runs");
        let mut rounds = 0;
        while let Some((_, one, _)) = self.next(2, &mut rounds).await {
            let body = json!({ "input": { "expected": "the value" }, "wait_seconds": 30 });
            let ended = one.post(&path).key(&one.keys.editor).json(&body).send().await;
            self.tally.count("a run", StatusCode::OK, &ended);
            assert_eq!(ended.json()["output"], json!({ "is": true }), "{}", ended.text());
        }
    }

    /// Requests that are sent again after some rotations.
    async fn repeats(self: Arc<Self>, workflow: String) {
        let path = format!("/api/workflows/{workflow}/runs");
        let mut sent: Vec<Value> = Vec::new();
        let call = |node: &TestApp, n: usize| {
            let body = json!({ "input": { "name": n } });
            node.post(&path).key(&node.keys.editor).header("idempotency-key", &format!("k{n}")).json(&body)
        };
        let mut rounds = 0;
        while let Some((round, one, other)) = self.next(3, &mut rounds).await {
            let first = call(one, round).send().await;
            self.tally.count("a request", StatusCode::ACCEPTED, &first);
            sent.push(first.json()["run_id"].clone());
            let earlier = round / 2;
            let again = call(other, earlier).send().await;
            self.tally.count("a repeat", StatusCode::ACCEPTED, &again);
            assert_eq!(again.json()["run_id"], sent[earlier]);
        }
    }

    /// Secrets by the API, and what edges ask for.
    async fn rest(self: Arc<Self>) {
        let mut rounds = 0;
        while let Some((round, one, other)) = self.next(4, &mut rounds).await {
            let path = format!("/api/secrets/api{}", round % 40);
            let call = one.call(Method::PUT, &path).key(&one.keys.editor);
            let set = call.json(&json!({ "value": { "round": round } })).send().await;
            self.tally.count("a secret", StatusCode::NO_CONTENT, &set);
            let snapshot = other.get("/api/regions/snapshot").send().await;
            self.tally.count("a snapshot", StatusCode::OK, &snapshot);
        }
    }
}

/// Every caller is served at least once in each of a hundred rotations of all purposes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_rotations_under_load_turn_nobody_away() {
    const ROTATIONS: usize = 100;
    let test = TestApp::new().await;
    let nodes = [test.clone(), beside(&test).await];
    let greet = test.save("greet", GREET).await;
    let uses = test.save("uses", USES_A_SECRET).await;
    let set = test.call(Method::PUT, "/api/secrets/key").key(&test.keys.editor);
    assert_eq!(set.json(&json!({ "value": "the value" })).send().await.status, StatusCode::NO_CONTENT);
    let made = make(&test, &greet, true).await;
    let callers = Arc::new(Callers {
        nodes,
        begun: watch::Sender::new(Some(0)),
        rounds: Default::default(),
        tally: Tally::default(),
    });
    let tasks = [
        tokio::spawn(Arc::clone(&callers).forms()),
        tokio::spawn(Arc::clone(&callers).webhooks(greet.clone(), made)),
        tokio::spawn(Arc::clone(&callers).runs(uses)),
        tokio::spawn(Arc::clone(&callers).repeats(greet)),
        tokio::spawn(Arc::clone(&callers).rest()),
    ];
    for rotation in 1..=ROTATIONS {
        callers.begun.send_replace(Some(rotation));
        let before: Vec<usize> = callers.rounds.iter().map(|rounds| rounds.load(Ordering::SeqCst)).collect();
        rotate(&test, &PURPOSES).await;
        levqor_testkit::wait_until("every caller to be served", || {
            let rounds = callers.rounds.iter().map(|rounds| rounds.load(Ordering::SeqCst));
            rounds.zip(&before).all(|(now, before)| now > *before)
                || tasks.iter().any(|task| task.is_finished())
        })
        .await;
    }
    callers.begun.send_replace(None);
    for task in tasks {
        task.await.unwrap();
    }
    let (sent, failed) = (&callers.tally.sent, &callers.tally.failed);
    println!("{ROTATIONS} rotations: {sent:?} requests sent, {failed:?} failed");
    assert!(sent.load(Ordering::SeqCst) > 8 * ROTATIONS, "{sent:?}");
    assert_eq!(failed.load(Ordering::SeqCst), 0);

    for _ in 0..10 {
        test.clock.advance(Duration::from_secs(61));
        keyring::turn(&test.app).await.unwrap();
    }
    assert_eq!(
        of(&test, "sealing", "retired").await.len(),
        ROTATIONS,
        "everything is sealed under the last key"
    );
    assert_eq!(of(&test, "signing", "retiring").await.len(), ROTATIONS, "no open page is refused yet");
    assert_eq!(of(&test, "webhooks", "retiring").await.len(), 1, "the first webhook needs its key");
    assert_eq!(verified(&test).await["ok"], true);
}
