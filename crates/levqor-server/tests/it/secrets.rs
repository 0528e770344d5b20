//! Secrets through the API and the console: set, used, deleted, never shown.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    pages::{Browser, csrf},
    support::{Answer, TestApp},
};

async fn put(test: &TestApp, by: &str, name: &str, body: Value) -> Answer {
    test.call(Method::PUT, &format!("/api/secrets/{name}")).key(by).json(&body).send().await
}

async fn delete(test: &TestApp, by: &str, name: &str) -> Answer {
    test.call(Method::DELETE, &format!("/api/secrets/{name}")).key(by).send().await
}

const USE: &str =
    "use: { secrets: [ key ] }\ndo: [{ a: { set: { key: '${ $secrets.key }', given: '${ .given }' } } }]";

#[tokio::test]
async fn a_secret_is_set_used_and_deleted() {
    let test = TestApp::new().await;
    let set = put(&test, &test.keys.editor, "key", json!({ "value": "s3cr3t-value" })).await;
    assert_eq!((set.status, set.text().as_str()), (StatusCode::NO_CONTENT, ""));
    let first = test.read("/api/secrets").await;
    assert_eq!(first["secrets"][0]["name"], "key");
    assert!(
        first["secrets"][0]
            .as_object()
            .unwrap()
            .keys()
            .all(|name| ["name", "created_at", "updated_at"].contains(&name.as_str()))
    );

    let workflow = test.save("uses", USE).await;
    let run = test.start(&workflow, 10, &json!({ "given": "a s3cr3t-value b" })).await;
    assert_eq!(run["output"], json!({ "key": "***", "given": "a *** b" }), "{run}");
    assert_eq!(run["input"], json!({ "given": "a *** b" }));
    let id = run["run_id"].as_str().unwrap();
    for path in [
        format!("/api/runs/{id}"),
        format!("/api/runs/{id}/tasks"),
        "/api/runs".to_owned(),
        "/api/secrets".to_owned(),
        format!("/api/workflows/{workflow}"),
    ] {
        assert!(!test.read(&path).await.to_string().contains("s3cr3t"), "{path}");
    }
    for path in [
        format!("/dashboard/runs/{id}"),
        "/dashboard/secrets".to_owned(),
        "/dashboard".to_owned(),
        format!("/dashboard/runs/{id}/data/output"),
        format!("/dashboard/runs/{id}/data/input"),
    ] {
        let page = test.page(&path).header("cookie", &test.cookie).send().await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(!page.text().contains("s3cr3t"), "{path}");
    }

    test.advance(60);
    put(&test, &test.keys.editor, "key", json!({ "value": { "any": ["json"] } })).await;
    let second = test.read("/api/secrets").await;
    assert_eq!(second["secrets"][0]["created_at"], first["secrets"][0]["created_at"]);
    assert_ne!(second["secrets"][0]["updated_at"], first["secrets"][0]["updated_at"]);

    assert_eq!(delete(&test, &test.keys.editor, "key").await.status, StatusCode::NO_CONTENT);
    assert_eq!(delete(&test, &test.keys.editor, "key").await.problem(), "not-found");
    assert_eq!(test.read("/api/secrets").await, json!({ "secrets": [] }));
    let run = test.start(&workflow, 10, &json!({})).await;
    assert_eq!(run["error"]["status"], 403);
}

#[tokio::test]
async fn who_may_not_and_what_is_not_allowed() {
    let test = TestApp::new().await;
    assert_eq!(put(&test, &test.keys.viewer, "key", json!({ "value": 1 })).await.problem(), "forbidden");
    assert_eq!(delete(&test, &test.keys.viewer, "key").await.problem(), "forbidden");
    let rows = [
        ("1key", json!({ "value": 1 }), "invalid-fields", "/name"),
        ("a%20b", json!({ "value": 1 }), "invalid-fields", "/name"),
        ("key", json!({}), "bad-request", ""),
        ("key", json!({ "value": 1, "more": 1 }), "bad-request", "/more"),
        ("key", json!({ "value": "x".repeat(65_536) }), "invalid-fields", "/value"),
    ];
    for (name, body, slug, pointer) in rows {
        let answer = put(&test, &test.keys.editor, name, body).await;
        assert_eq!(answer.problem(), slug, "{name}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{name}");
    }
    // Another account has secrets of its own.
    put(&test, &test.keys.editor, "key", json!({ "value": null })).await;
    assert_eq!(delete(&test, &test.keys.other, "key").await.problem(), "not-found");
    let list = test.get("/api/secrets").key(&test.keys.other).send().await;
    assert_eq!(list.json(), json!({ "secrets": [] }));
}

#[tokio::test]
async fn names_are_paged() {
    let test = TestApp::new().await;
    for name in ["b", "a", "c"] {
        put(&test, &test.keys.editor, name, json!({ "value": 1 })).await;
    }
    let first = test.read("/api/secrets?limit=2").await;
    let names = |page: &Value| -> Vec<String> {
        page["secrets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&first), ["a", "b"]);
    let next = test.read(&format!("/api/secrets?cursor={}", first["next_cursor"].as_str().unwrap())).await;
    assert_eq!(names(&next), ["c"]);
    assert!(next.get("next_cursor").is_none());
}

#[tokio::test]
async fn the_console_takes_values_and_shows_none() {
    let test = TestApp::new().await;
    let path = "/dashboard/secrets";
    let page = test.page(path).header("cookie", &test.cookie).send().await;
    let token = csrf(&page);
    let send = async |fields: &[(&str, &str)]| {
        let fields: Vec<_> = [("csrf", token.as_str())].into_iter().chain(fields.iter().copied()).collect();
        test.form(path, &fields).header("cookie", &test.cookie).send().await
    };
    let set = send(&[("name", "login"), ("value", "{\"user\": \"ada\"}"), ("json", "yes")]).await;
    assert_eq!(set.header("location"), Some("/dashboard/secrets?done=secret-set"));
    let shown =
        test.page("/dashboard/secrets?done=secret-set").header("cookie", &test.cookie).send().await.text();
    assert!(shown.contains("login") && shown.contains("The secret is set") && !shown.contains("ada\""));
    for (fields, error) in [
        (vec![("name", "a b"), ("value", "hush-hush")], "name-error"),
        (vec![("name", "a"), ("value", "{hush-hush"), ("json", "yes")], "value-error"),
        (vec![("name", "a"), ("value", "")], "value-error"),
    ] {
        let answer = send(&fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields:?}");
        let text = answer.text();
        assert!(text.contains(error) && !text.contains("hush"), "{text}");
    }
    let delete = format!("{path}/login/delete");
    let deleted = test.form(&delete, &[("csrf", &token)]).header("cookie", &test.cookie).send().await;
    assert_eq!(deleted.header("location"), Some("/dashboard/secrets?done=secret-deleted"));
    assert_eq!(test.read("/api/secrets").await, json!({ "secrets": [] }));
}
