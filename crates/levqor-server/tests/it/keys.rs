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

async fn rotate(test: &TestApp, by: &str, id: &str, body: Value) -> Answer {
    test.post(&format!("/api/keys/{id}/rotate")).key(by).json(&body).send().await
}

async fn works(test: &TestApp, key: &str) -> bool {
    test.get("/api/runs").key(key).send().await.status == StatusCode::OK
}

#[tokio::test]
async fn a_rotated_key_has_two_secrets_for_as_long_as_was_asked() {
    let test = TestApp::new().await;
    let made = make(&test, &test.keys.admin, json!({ "name": "ci", "role": "viewer" })).await.json();
    let (id, first) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(works(&test, first).await);
    let answer = rotate(&test, &test.keys.admin, id, json!({ "overlap_seconds": 60 })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let rotated = answer.json();
    let second = rotated["key"].as_str().unwrap();
    assert_eq!(
        (&rotated["id"], &rotated["previous_ends_at"]),
        (&made["id"], &json!("2026-11-24T12:01:00.000000Z"))
    );
    assert_ne!(rotated["prefix"], made["prefix"]);
    assert!(works(&test, first).await && works(&test, second).await);
    test.advance(60);
    let refused = test.get("/api/runs").key(first).send().await;
    assert_eq!(refused.problem(), "unauthenticated");
    assert!(refused.text().contains("was given a new secret"), "{}", refused.text());
    assert!(works(&test, second).await);
    // A day when nothing is said; what was replaced before that is over at once.
    let third = rotate(&test, &test.keys.admin, id, json!({})).await.json();
    assert_eq!(third["previous_ends_at"], "2026-11-25T12:01:00.000000Z");
    let fourth = rotate(&test, &test.keys.admin, id, json!({ "overlap_seconds": 0 })).await.json();
    for (secret, good) in
        [(second, false), (third["key"].as_str().unwrap(), false), (fourth["key"].as_str().unwrap(), true)]
    {
        assert_eq!(works(&test, secret).await, good);
    }
    let revoked = test.call(Method::DELETE, &format!("/api/keys/{id}")).key(&test.keys.admin).send().await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    assert!(!works(&test, fourth["key"].as_str().unwrap()).await);
    assert_eq!(rotate(&test, &test.keys.admin, id, json!({})).await.problem(), "not-found");
    let records = test.store.audit_records(Default::default(), None, 100).await.unwrap();
    assert_eq!(records.iter().filter(|record| record.kind == "key.rotated").count(), 3);
}

#[tokio::test]
async fn rotations_that_are_not_granted() {
    let test = TestApp::new().await;
    let keys = test.get("/api/keys").key(&test.keys.admin).send().await.json();
    let id = |role: &str, operator: bool| {
        let all = keys["keys"].as_array().unwrap().iter();
        let mut found = all.filter(|key| key["role"] == role && key["operator"] == operator);
        found.next().unwrap()["id"].as_str().unwrap().to_owned()
    };
    let viewer = id("viewer", false);
    let long = rotate(&test, &test.keys.admin, &viewer, json!({ "overlap_seconds": 2_592_001 })).await;
    assert_eq!(
        (long.problem(), &long.json()["errors"][0]["pointer"]),
        ("invalid-fields".to_owned(), &json!("/overlap_seconds"))
    );
    let rows = [
        (&test.keys.editor, &viewer, "forbidden"),
        (&test.keys.admin, &id("owner", false), "forbidden"),
        (&test.keys.owner, &id("owner", true), "forbidden"),
        (&test.keys.other, &viewer, "not-found"),
    ];
    for (by, id, slug) in rows {
        assert_eq!(rotate(&test, by, id, json!({})).await.problem(), slug, "{id}");
    }
    let body = json!({ "name": "short", "role": "viewer", "expires_at": "2026-11-24T12:01:00Z" });
    let short = make(&test, &test.keys.admin, body).await.json();
    let id = short["id"].as_str().unwrap();
    let rotated = rotate(&test, &test.keys.admin, id, json!({})).await.json();
    assert_eq!(rotated["previous_ends_at"], "2026-11-24T12:01:00.000000Z", "never longer than the key");
    test.advance(60);
    assert_eq!(rotate(&test, &test.keys.admin, id, json!({})).await.problem(), "not-found", "expired");
}

#[tokio::test]
async fn a_repeat_of_a_rotation_does_not_show_the_secret() {
    let test = TestApp::new().await;
    let made = make(&test, &test.keys.admin, json!({ "name": "ci", "role": "viewer" })).await.json();
    let path = format!("/api/keys/{}/rotate", made["id"].as_str().unwrap());
    let send = async || {
        test.post(&path).key(&test.keys.admin).header("idempotency-key", "once").json(&json!({})).send().await
    };
    let (first, again) = (send().await, send().await);
    assert!(first.json()["key"].is_string());
    assert_eq!((again.status, again.json().get("key")), (StatusCode::OK, None));
    assert!(works(&test, first.json()["key"].as_str().unwrap()).await, "it was rotated once");
}

#[tokio::test]
async fn a_limited_key_opens_what_its_scopes_say() {
    use levqor_model::{Scope, Scopes};
    use levqor_server::gateway::{Access, RULES};

    let test = TestApp::new().await;
    let mut keys = Vec::new();
    for scope in Scope::ALL {
        let body = json!({ "name": scope.as_str(), "role": "owner", "scopes": [scope.as_str()] });
        let made = make(&test, &test.keys.operator, body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        keys.push((Scopes::of([scope]).unwrap(), made.json()["key"].as_str().unwrap().to_owned()));
    }
    let mut asked = 0;
    for (method, path, access, needs) in RULES {
        if matches!(access, Access::Open | Access::Secret | Access::Metrics) {
            continue;
        }
        let path = path.replace("{id}", "x").replace("{webhook}", "x").replace("{version}", "1");
        let path = path.replace("{name}", "x").replace("{code}", "eu-west").replace("{address}", "192.0.2.9");
        for (scopes, key) in &keys {
            let mut call = test.call(method.clone(), &path).key(key);
            if *method != Method::GET {
                call = call.json(&json!({}));
            }
            let text = call.send().await.text();
            // Of operators' routes that is judged first: none of these keys is an operator's.
            let words = match needs {
                _ if *access == Access::Operator => "only operators of the platform",
                _ => "this API key is limited to",
            };
            let is_shut = *access == Access::Operator || needs.is_some_and(|scope| !scopes.contains(scope));
            assert_eq!(text.contains(words), is_shut, "{method} {path} with {scopes}: {text}");
            asked += 1;
        }
    }
    assert!(asked > 500, "{asked}");
}

#[tokio::test]
async fn a_limited_key_gives_no_more_than_it_has() {
    let test = TestApp::new().await;
    let scoped = |scopes: Value| json!({ "name": "a", "role": "admin", "scopes": scopes });
    let made = make(&test, &test.keys.admin, scoped(json!(["admin", "runs:read"]))).await.json();
    assert_eq!(made["scopes"], json!(["runs:read", "account:read", "admin"]), "who administers may look");
    let limited = made["key"].as_str().unwrap();
    for body in [
        json!({ "name": "whole", "role": "viewer" }),
        scoped(json!(["runs:write"])),
        scoped(json!(["runs:read", "secrets:write"])),
    ] {
        assert_eq!(make(&test, limited, body.clone()).await.problem(), "forbidden", "{body}");
    }
    let less = make(&test, limited, scoped(json!(["runs:read"]))).await;
    assert_eq!(less.status, StatusCode::CREATED, "{}", less.text());
    let whole = make(&test, &test.keys.admin, json!({ "name": "whole", "role": "viewer" })).await.json();
    let stolen = rotate(&test, limited, whole["id"].as_str().unwrap(), json!({})).await;
    assert_eq!(stolen.problem(), "forbidden", "the new secret of a whole key is a whole key");
    let rows = [(json!([]), "names no scope"), (json!(["king"]), "there are workflows:read")];
    for (scopes, words) in rows {
        let refused = make(&test, &test.keys.admin, scoped(scopes)).await;
        assert_eq!(refused.problem(), "invalid-fields");
        assert_eq!(refused.json()["errors"][0]["pointer"], "/scopes");
        assert!(refused.text().contains(words), "{}", refused.text());
    }
}

#[tokio::test]
async fn a_limited_owner_key_is_not_the_owner_that_is_left() {
    let test = TestApp::new().await;
    let keys = test.get("/api/keys").key(&test.keys.other).send().await.json();
    let path = format!("/api/keys/{}", keys["keys"][0]["id"].as_str().unwrap());
    let body = json!({ "name": "spare", "role": "owner", "scopes": ["runs:read"] });
    assert_eq!(make(&test, &test.keys.other, body).await.status, StatusCode::CREATED);
    let refused = test.call(Method::DELETE, &path).key(&test.keys.other).send().await;
    assert_eq!(refused.problem(), "last-owner-key");
}
