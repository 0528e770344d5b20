//! The evidence log through the API: who did what, for operators only.

use http::{Method, StatusCode};
use levqor_model::{
    Clock, RunId, SigningKey,
    audit::{Checkpoint, Head, Heads, Record, SignedHeads},
};
use levqor_store::Options;
use levqor_testkit::temp_dir;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::TestApp;

/// Has another key sign what is new, as the one did that was given up with its keyring; its public half.
pub async fn signed_by_another(test: &TestApp) -> String {
    signed_by(test, 77).await
}

async fn signed_by(test: &TestApp, seed: u8) -> String {
    let key = SigningKey::from_seed(&[seed; 32]).unwrap();
    let public = key.public_key().to_string();
    let details = move |record: &Record, heads: Vec<Head>| {
        serde_json::to_string(&Checkpoint::sign(record, heads, &key)).unwrap()
    };
    assert!(test.store.add_checkpoint(test.clock.now(), details).await.unwrap());
    public
}

/// What `levqor keys abandon` leaves in the log. It works on a database that no server runs on, so this stands in for it.
pub async fn give_up(test: &TestApp) {
    let (now, run) = (test.clock.now(), RunId::new(test.clock.now(), &*test.random));
    test.store.note_wish(test.account, run, "keyring.abandoned", json!({}), now).await.unwrap();
}

/// What verifying finds.
pub async fn verified(test: &TestApp) -> Value {
    let answer = test.post("/api/ops/audit/verify").key(&test.keys.operator).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn operators_see_who_did_what() {
    let test = TestApp::new().await;
    let made =
        test.post("/api/keys").key(&test.keys.admin).json(&json!({ "name": "ci", "role": "editor" })).send();
    let made = made.await.json();
    let id = made["id"].as_str().unwrap();
    let removed = test.call(Method::DELETE, &format!("/api/keys/{id}")).key(&test.keys.admin).send().await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);

    let list = async |query: &str| {
        let answer = test.get(&format!("/api/ops/audit{query}")).key(&test.keys.operator).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.text());
        answer.json()
    };
    let found = list(&format!("?subject={id}")).await;
    let records = found["records"].as_array().unwrap();
    let kinds: Vec<_> = records.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["key.revoked", "key.created"], "{found}");
    for record in records {
        assert!(record["author"].as_str().unwrap().starts_with("API key key_"), "{record}");
        assert!(record["request_id"].as_str().unwrap().starts_with("req_"), "{record}");
        assert_eq!(record["details"]["network"], "127.0.0.0/24");
        assert_eq!(record["account"], test.account.to_string());
        assert!(!record.to_string().contains(made["key"].as_str().unwrap()));
    }
    let by = records[0]["author"].as_str().unwrap().replace(' ', "%20");
    assert_eq!(list(&format!("?author={by}&kind=key")).await["records"].as_array().unwrap().len(), 2);

    let first = list("?limit=1").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = list(&format!("?limit=1&cursor={cursor}")).await;
    assert_ne!(first["records"], second["records"]);
}

#[tokio::test]
async fn nobody_else_does_and_mistakes_are_told() {
    let test = TestApp::new().await;
    for (method, path) in [
        (Method::GET, "/api/ops/audit"),
        (Method::GET, "/api/ops/audit/export"),
        (Method::POST, "/api/ops/audit/verify"),
        (Method::POST, "/api/ops/audit/accept"),
    ] {
        let owner = test.call(method.clone(), path).key(&test.keys.owner).send().await;
        assert_eq!(owner.problem(), "forbidden", "{path}");
        let nobody = test.call(method, path).send().await;
        assert_eq!(nobody.problem(), "unauthenticated", "{path}");
    }
    for (query, problem) in [
        ("?limit=0", "bad-parameter"),
        ("?account=acme", "bad-parameter"),
        ("?from=yesterday", "bad-parameter"),
        ("?cursor=zzz", "bad-cursor"),
        ("?who=me", "bad-parameter"),
    ] {
        let answer = test.get(&format!("/api/ops/audit{query}")).key(&test.keys.operator).send().await;
        assert_eq!(answer.problem(), problem, "{query}");
    }
}

#[tokio::test]
async fn the_log_is_whole_and_is_given_away_line_by_line() {
    let test = TestApp::new().await;
    let verified = test.post("/api/ops/audit/verify").key(&test.keys.operator).send().await;
    assert_eq!(verified.status, StatusCode::OK, "{}", verified.text());
    let verified = verified.json();
    assert_eq!((&verified["whole"], &verified["findings_total"]), (&json!(true), &json!(0)), "{verified}");
    assert!(verified["records"].as_u64().unwrap() > 3, "{verified}");

    let export = test.get("/api/ops/audit/export").key(&test.keys.operator).send().await;
    assert_eq!(export.header("content-type"), Some("application/x-ndjson"));
    let text = export.text();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["format"], "levqor audit 1");
    assert_eq!(lines[0]["public_key"], verified["public_key"]);
    assert_eq!(lines.len() as u64 - 1, verified["records"].as_u64().unwrap());
}

#[tokio::test]
async fn what_was_put_in_or_cannot_be_read_is_named() {
    let directory = temp_dir();
    let file = directory.path().join("levqor.db");
    let test = TestApp::over(Options::file(file.clone()), |_| {}).await;
    let verify = async || {
        let answer = test.post("/api/ops/audit/verify").key(&test.keys.operator).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()
    };
    assert_eq!(verify().await["whole"], true);
    let database = Connection::open(&file).unwrap();
    let put_in = |chain: &str, seq: &str| {
        let columns = "at, region, kind, author, account_id, subject, details, request_id, previous, hash FROM audit_records";
        format!(
            "INSERT INTO audit_records (chain, seq, at, region, kind, author, account_id, subject, details, request_id, previous, hash)
             SELECT {chain}, {seq}, {columns} WHERE seq = 1 ORDER BY chain LIMIT 1"
        )
    };
    for (sql, told) in [
        (put_in("chain", "-1"), "has the number -1"),
        (put_in("chain", "0"), "has the number 0"),
        // Nobody has a chain without a name.
        (put_in("''", "1"), "was edited"),
    ] {
        database.execute_batch(&sql).unwrap();
        let found = verify().await;
        assert_eq!(found["whole"], false, "{told}: {found}");
        assert!(found["findings"].to_string().contains(told), "{told}: {found}");
        database.execute_batch("DELETE FROM audit_records WHERE seq < 1 OR chain = ''").unwrap();
        assert_eq!(verify().await["whole"], true);
    }
    // What is not of a record's form must not keep the rest from being looked at, nor the verdict from being told.
    database.execute_batch("UPDATE audit_records SET account_id = 'nobody' WHERE seq = 2").unwrap();
    let found = verify().await;
    assert_eq!(found["whole"], false, "{found}");
    let message = found["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains("after record 1 cannot be read"), "{found}");
}

#[tokio::test]
async fn what_an_abandoned_key_signed_is_agreed_to_once_and_as_it_was_seen() {
    let directory = temp_dir();
    let file = directory.path().join("levqor.db");
    let test = TestApp::over(Options::file(file.clone()), |_| {}).await;
    let key = signed_by_another(&test).await;
    let found = verified(&test).await;
    let other = &found["other_keys"][0];
    assert_eq!((&found["whole"], &found["findings_total"]), (&json!(false), &json!(1)), "{found}");
    assert_eq!((&other["key"], &other["checkpoints"]), (&json!(key), &json!(1)), "{found}");
    assert_eq!((&other["accepted"], &other["reason"]), (&json!(false), &Value::Null), "{found}");
    let (seen, own) = (other["digest"].as_str().unwrap(), found["public_key"].as_str().unwrap());

    let accept = async |key: &str, seen: &str, reason: &str| {
        let body = json!({ "key": key, "seen": seen, "reason": reason });
        test.post("/api/ops/audit/accept").key(&test.keys.operator).json(&body).send().await
    };
    // Nobody gave up a keyring, so this is somebody's forgery.
    let refused = accept(&key, seen, "lost").await;
    assert_eq!(refused.problem(), "invalid-fields");
    assert!(refused.text().contains("no keyring was given up here"), "{}", refused.text());
    give_up(&test).await;
    let stranger = SigningKey::from_seed(&[78; 32]).unwrap().public_key().to_string();
    let (zeros, long) = ("0".repeat(64), "x".repeat(501));
    for (key, digest, reason, told) in [
        ("x", seen, "lost", "/key: \\\"x\\\" is not a public key"),
        (own, seen, "lost", "/key: it is the key that signs now"),
        (stranger.as_str(), seen, "lost", "/key: nothing is signed by it"),
        (key.as_str(), "9f86", "lost", "/seen: it has 64 hexadecimal digits"),
        (key.as_str(), zeros.as_str(), "lost", "/seen: the key signed something else by now, 1 checkpoints"),
        (key.as_str(), seen, " ", "/reason: say why"),
        (key.as_str(), seen, long.as_str(), "/reason: is longer than 500 characters"),
    ] {
        let refused = accept(key, digest, reason).await;
        assert_eq!(refused.problem(), "invalid-fields", "{told}");
        assert!(refused.text().contains(told), "{told}: {}", refused.text());
    }
    // Nothing else hides behind it.
    let database = Connection::open(&file).unwrap();
    database.execute_batch("UPDATE audit_records SET author = author || 'x' WHERE seq = 1").unwrap();
    let refused = accept(&key, seen, "lost").await;
    assert!(refused.text().contains("was edited; see to that first"), "{}", refused.text());
    database
        .execute_batch(
            "UPDATE audit_records SET author = substr(author, 1, length(author) - 1) WHERE seq = 1",
        )
        .unwrap();

    let accepted = accept(&key, seen, " the secret was lost ").await;
    assert_eq!(accepted.status, StatusCode::OK, "{}", accepted.text());
    let found = verified(&test).await;
    assert_eq!(found["whole"], true, "{found}");
    let other = &found["other_keys"][0];
    assert_eq!(
        (&other["accepted"], &other["reason"]),
        (&json!(true), &json!("the secret was lost")),
        "{found}"
    );
    let query = format!("/api/ops/audit?kind=audit.key_accepted&subject={}", key.replace('+', "%2B"));
    let records = test.get(&query).key(&test.keys.operator).send().await.json();
    let record = &records["records"][0];
    assert!(record["author"].as_str().unwrap().starts_with("API key key_"), "{records}");
    assert_eq!((&record["details"]["checkpoints"], &record["details"]["chains"]), (&json!(1), &json!(1)));

    // Whoever has the old key adds nothing to it.
    signed_by_another(&test).await;
    let found = verified(&test).await;
    assert_eq!(
        (&found["whole"], &found["other_keys"][0]["accepted"]),
        (&json!(false), &json!(false)),
        "{found}"
    );
    assert!(found["findings"].to_string().contains("is not what was agreed to"), "{found}");
}

#[tokio::test]
async fn a_witness_by_the_key_that_was_given_up_is_none_of_now() {
    let data = temp_dir();
    let folder = data.path().to_owned();
    let test = TestApp::with(|settings| settings.data_dir = Some(folder)).await;
    let key = signed_by_another(&test).await;
    give_up(&test).await;
    let found = verified(&test).await;
    let body =
        json!({ "key": key, "seen": found["other_keys"][0]["digest"], "reason": "the secret was lost" });
    let agreed = test.post("/api/ops/audit/accept").key(&test.keys.operator).json(&body).send().await;
    assert_eq!(agreed.status, StatusCode::OK, "{}", agreed.text());
    // Whoever finds the lost secret puts one in the place of the node's own that has seen nothing.
    let heads = Heads { at: test.clock.now(), heads: Vec::new() };
    let forged = SignedHeads::sign(&heads, &SigningKey::from_seed(&[77; 32]).unwrap());
    std::fs::write(data.path().join("audit-witness.json"), serde_json::to_string(&forged).unwrap()).unwrap();
    let found = verified(&test).await;
    assert_eq!((&found["whole"], &found["witnessed"]), (&json!(true), &json!(false)), "{found}");
}

#[tokio::test]
async fn who_has_lost_two_secrets_agrees_to_one_key_after_the_other() {
    let directory = temp_dir();
    let file = directory.path().join("levqor.db");
    let test = TestApp::over(Options::file(file.clone()), |_| {}).await;
    let mut keys = Vec::new();
    for seed in [77, 78] {
        keys.push(signed_by(&test, seed).await);
        give_up(&test).await;
    }
    let agree = async |key: &str| {
        let found = verified(&test).await;
        let others = found["other_keys"].as_array().unwrap();
        let seen = &others.iter().find(|other| other["key"] == key).unwrap()["digest"];
        let body = json!({ "key": key, "seen": seen, "reason": "the secret was lost" });
        test.post("/api/ops/audit/accept").key(&test.keys.operator).json(&body).send().await
    };
    assert_eq!(verified(&test).await["findings_total"], 2);
    // What is wrong beside the other key is told, and not the other key.
    let database = Connection::open(&file).unwrap();
    database.execute_batch("UPDATE audit_records SET author = author || 'x' WHERE seq = 1").unwrap();
    let refused = agree(&keys[0]).await;
    assert!(refused.text().contains("was edited; see to that first"), "{}", refused.text());
    database
        .execute_batch(
            "UPDATE audit_records SET author = substr(author, 1, length(author) - 1) WHERE seq = 1",
        )
        .unwrap();
    for (key, left) in [(&keys[0], 1), (&keys[1], 0)] {
        let agreed = agree(key).await;
        assert_eq!(agreed.status, StatusCode::OK, "{}", agreed.text());
        let found = verified(&test).await;
        assert_eq!((&found["whole"], &found["findings_total"]), (&json!(left == 0), &json!(left)), "{found}");
    }
}
