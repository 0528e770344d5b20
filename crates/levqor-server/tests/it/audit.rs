//! The evidence log through the API: who did what, for operators only.

use http::{Method, StatusCode};
use levqor_store::Options;
use levqor_testkit::temp_dir;
use rusqlite::Connection;
use serde_json::json;

use crate::support::TestApp;

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
