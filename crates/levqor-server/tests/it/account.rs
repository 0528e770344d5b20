//! The account, and people who belong to several.

use http::{Method, StatusCode};
use levqor_model::{AccountId, Role};
use levqor_store::accounts::{Account, Membership};
use serde_json::json;

use crate::{
    members::{own, user},
    support::{TestApp, sign_in_as},
};

async fn another(test: &TestApp, name: &str) -> AccountId {
    let id = AccountId::new(test.app.now(), &*test.random);
    let account =
        Account { id, name: name.to_owned(), plan: "growth".to_owned(), created_at: test.app.now() };
    test.store.create_account(account).await.unwrap();
    id
}

#[tokio::test]
async fn an_account_is_read_by_all_and_renamed_by_admins() {
    let test = TestApp::new().await;
    let seen = test.read("/api/account").await;
    assert_eq!(seen["id"], test.account.to_string());
    assert_eq!(
        (&seen["plan"], &seen["role"], &seen["name"]),
        (&json!("agency"), &json!("viewer"), &json!("Test"))
    );
    assert_eq!(seen["created_at"], "2026-11-24T12:00:00.000000Z");
    let patch =
        async |key: &str, body| test.call(Method::PATCH, "/api/account").key(key).json(&body).send().await;
    assert_eq!(patch(&test.keys.editor, json!({ "name": "x" })).await.problem(), "forbidden");
    let rows = [
        (json!({ "name": " " }), "invalid-fields", "/name"),
        (json!({ "name": "a\nb" }), "invalid-fields", "/name"),
        (json!({ "name": "x".repeat(101) }), "invalid-fields", "/name"),
        (json!({ "name": "see https://evil.example" }), "invalid-fields", "/name"),
        (json!({ "plan": "agency" }), "bad-request", "/plan"),
        (json!({ "id": "acc_x" }), "bad-request", "/id"),
    ];
    for (body, slug, pointer) in rows {
        let answer = patch(&test.keys.admin, body.clone()).await;
        assert_eq!(answer.problem(), slug, "{body}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let renamed = patch(&test.keys.admin, json!({ "name": " Analytical Engines " })).await;
    assert_eq!((renamed.status, &renamed.json()["name"]), (StatusCode::OK, &json!("Analytical Engines")));
    assert_eq!(patch(&test.keys.admin, json!({})).await.json()["name"], "Analytical Engines");
    let other = test.get("/api/account").key(&test.keys.other).send().await.json();
    assert_eq!(other["name"], "Test");
}

#[tokio::test]
async fn a_person_goes_on_in_another_account_with_another_token() {
    let test = TestApp::new().await;
    let second = another(&test, "Second").await;
    let ada = user(&test, "ada@example.com").await;
    let membership = Membership { account_id: second, user_id: ada, role: Role::Viewer };
    test.store.add_member(membership, test.app.now()).await.unwrap();
    let listed = own(test.get("/api/account/memberships"), &test.cookie).send().await.json();
    let names = |listed: &serde_json::Value| {
        let all = listed["memberships"].as_array().unwrap().iter();
        all.map(|one| (one["name"].as_str().unwrap().to_owned(), one["current"].as_bool().unwrap()))
            .collect::<Vec<_>>()
    };
    assert!(names(&listed).contains(&("Second".to_owned(), false)), "{listed}");
    let switch = async |cookie: &str, to: &str| {
        own(test.post("/api/account/switch").json(&json!({ "account_id": to })), cookie).send().await
    };
    let nowhere = another(&test, "Third").await.to_string();
    assert_eq!(switch(&test.cookie, &nowhere).await.problem(), "not-found", "no member there");
    let switched = switch(&test.cookie, &second.to_string()).await;
    assert_eq!(switched.status, StatusCode::OK, "{}", switched.text());
    let cookie = switched.header("set-cookie").unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("Max-Age=604800"),
        "not longer than before: {cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(
        own(test.get("/api/account"), &test.cookie).send().await.status,
        StatusCode::UNAUTHORIZED,
        "the old token opens nothing"
    );
    let here = own(test.get("/api/account"), cookie).send().await.json();
    assert_eq!((&here["name"], &here["role"]), (&json!("Second"), &json!("viewer")));
    let key = test.post("/api/account/switch").key(&test.keys.owner).json(&json!({ "account_id": second }));
    assert_eq!(key.send().await.problem(), "forbidden", "a key is no person");
}

#[tokio::test]
async fn a_person_leaves_unless_they_are_the_last_owner() {
    let test = TestApp::new().await;
    let leave = async |cookie: &str| own(test.post("/api/account/leave"), cookie).send().await;
    assert_eq!(leave(&test.cookie).await.problem(), "last-owner");
    let bob = sign_in_as(&test.app, test.account, "bob@example.com", Role::Viewer).await;
    let left = leave(&bob).await;
    assert_eq!(left.status, StatusCode::NO_CONTENT, "{}", left.text());
    assert!(left.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(left.header("clear-site-data"), Some("\"cache\", \"storage\""));
    assert_eq!(own(test.get("/api/account"), &bob).send().await.status, StatusCode::UNAUTHORIZED);
    let id = user(&test, "bob@example.com").await;
    assert_eq!(test.store.member(test.account, id).await, Ok(None));
    assert_eq!(test.post("/api/account/leave").key(&test.keys.owner).send().await.problem(), "forbidden");
}
