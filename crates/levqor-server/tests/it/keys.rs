//! API keys through the API.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

async fn make(test: &TestApp, by: &str, body: Value) -> Answer {
    test.post("/api/keys").key(by).json(&body).send().await
}

#[tokio::test]
async fn a_key_is_shown_once_and_works_until_it_is_revoked() {
    let test = TestApp::new().await;
    let made = make(&test, &test.keys.admin, json!({ "name": " deploy ", "role": "editor" })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let made = made.json();
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("lvq_") && key.len() == 47);
    assert!(key.starts_with(made["prefix"].as_str().unwrap()));
    assert_eq!(
        (made["name"].as_str(), made["role"].as_str(), made["operator"].as_bool()),
        (Some("deploy"), Some("editor"), Some(false))
    );
    assert_eq!(test.get("/api/workflows").key(key).send().await.status, StatusCode::OK);

    let list = test.get("/api/keys").key(&test.keys.admin).send().await;
    assert!(!list.text().contains(key), "the list has no secrets");
    let id = made["id"].as_str().unwrap();
    let listed =
        list.json()["keys"].as_array().unwrap().iter().any(|row| row["id"] == id && row.get("key").is_none());
    assert!(listed);

    let path = format!("/api/keys/{id}");
    let revoked = test.call(Method::DELETE, &path).key(&test.keys.admin).send().await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT, "{}", revoked.text());
    let refused = test.get("/api/workflows").key(key).send().await;
    assert_eq!(refused.problem(), "unauthenticated");
    assert!(refused.text().contains("revoked"));
    let again = test.call(Method::DELETE, &path).key(&test.keys.admin).send().await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn wishes_that_are_not_granted() {
    let test = TestApp::new().await;
    let rows = [
        (json!({ "name": "", "role": "viewer" }), "invalid-fields", "/name"),
        (json!({ "name": "a\nb", "role": "viewer" }), "invalid-fields", "/name"),
        (json!({ "name": "x".repeat(101), "role": "viewer" }), "invalid-fields", "/name"),
        (json!({ "name": "a", "role": "king" }), "bad-request", "/role"),
        (json!({ "name": "a" }), "bad-request", ""),
        (json!({ "name": "a", "role": "viewer", "operator": true }), "bad-request", "/operator"),
        (
            json!({ "name": "a", "role": "viewer", "expires_at": "2026-11-24T11:00:00Z" }),
            "invalid-fields",
            "/expires_at",
        ),
        (json!({ "name": "a", "role": "viewer", "expires_at": "tomorrow" }), "bad-request", "/expires_at"),
    ];
    for (body, slug, pointer) in rows {
        let answer = make(&test, &test.keys.admin, body.clone()).await;
        assert_eq!(answer.problem(), slug, "{body}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let above = make(&test, &test.keys.admin, json!({ "name": "a", "role": "owner" })).await;
    assert_eq!(above.problem(), "forbidden");
}

#[tokio::test]
async fn a_key_ends_when_it_said() {
    let test = TestApp::new().await;
    let body = json!({ "name": "short", "role": "viewer", "expires_at": "2026-11-24T12:01:00Z" });
    let made = make(&test, &test.keys.admin, body).await.json();
    let key = made["key"].as_str().unwrap();
    assert_eq!(test.get("/api/runs").key(key).send().await.status, StatusCode::OK);
    test.advance(60);
    let refused = test.get("/api/runs").key(key).send().await;
    assert_eq!(refused.problem(), "unauthenticated");
    assert!(refused.text().contains("expired at 2026-11-24T12:01:00.000000Z"));
}

#[tokio::test]
async fn the_last_owner_key_stays() {
    let test = TestApp::new().await;
    let keys = test.get("/api/keys").key(&test.keys.other).send().await.json();
    let only = keys["keys"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/keys/{only}");
    let refused = test.call(Method::DELETE, &path).key(&test.keys.other).send().await;
    assert_eq!(refused.problem(), "last-owner-key");
    // An owner key that has expired saves nobody.
    let body = json!({ "name": "spare", "role": "owner", "expires_at": "2026-11-24T12:01:00Z" });
    assert_eq!(make(&test, &test.keys.other, body).await.status, StatusCode::CREATED);
    test.advance(60);
    let refused = test.call(Method::DELETE, &path).key(&test.keys.other).send().await;
    assert_eq!(refused.problem(), "last-owner-key");
    let spare = make(&test, &test.keys.other, json!({ "name": "spare", "role": "owner" })).await;
    assert_eq!(spare.status, StatusCode::CREATED);
    let gone = test.call(Method::DELETE, &path).key(&test.keys.other).send().await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn two_who_revoke_at_once_leave_one_owner() {
    let test = TestApp::new().await;
    let spare = make(&test, &test.keys.other, json!({ "name": "spare", "role": "owner" })).await;
    assert_eq!(spare.status, StatusCode::CREATED);
    let keys = test.get("/api/keys").key(&test.keys.other).send().await.json();
    let revoke = |place: usize| {
        let path = format!("/api/keys/{}", keys["keys"][place]["id"].as_str().unwrap());
        test.call(Method::DELETE, &path).key(&test.keys.other).send()
    };
    let (first, second) = tokio::join!(revoke(0), revoke(1));
    let done =
        [first.status, second.status].iter().filter(|status| **status == StatusCode::NO_CONTENT).count();
    assert_eq!(done, 1, "{} {}", first.text(), second.text());
}

#[tokio::test]
async fn admins_do_not_revoke_owners_nor_other_accounts() {
    let test = TestApp::new().await;
    let keys = test.get("/api/keys").key(&test.keys.admin).send().await.json();
    let owner = keys["keys"].as_array().unwrap().iter().find(|key| key["role"] == "owner").unwrap();
    let path = format!("/api/keys/{}", owner["id"].as_str().unwrap());
    let by_admin = test.call(Method::DELETE, &path).key(&test.keys.admin).send().await;
    assert_eq!(by_admin.problem(), "forbidden");
    let by_other = test.call(Method::DELETE, &path).key(&test.keys.other).send().await;
    assert_eq!(by_other.problem(), "not-found");
}

#[tokio::test]
async fn the_last_use_is_noted() {
    let test = TestApp::new().await;
    test.get("/api/runs").key(&test.keys.viewer).send().await;
    test.app.flush().await;
    let keys = test.get("/api/keys").key(&test.keys.admin).send().await.json();
    let viewer = keys["keys"].as_array().unwrap().iter().find(|key| key["role"] == "viewer").unwrap();
    assert_eq!(viewer["last_used_at"], "2026-11-24T12:00:00.000000Z");
}
