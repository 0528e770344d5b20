//! Where somebody is signed in, as they see it and end it.

use http::{Method, StatusCode};
use levqor_model::Role;
use levqor_server::features::sign_in::service::issue_link;
use serde_json::{Value, json};

use crate::{
    members::{own, user},
    pages::{Browser, csrf},
    support::{TestApp, sign_in_as, sign_in_operator},
};

async fn list(test: &TestApp, cookie: &str) -> Vec<Value> {
    let answer = own(test.get("/api/sessions"), cookie).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()["sessions"].as_array().unwrap().clone()
}

/// Signs in by a link, from somewhere, with what the browser has.
async fn enter(test: &TestApp, email: &str, had: Option<&str>) -> String {
    let person = user(test, email).await;
    let link = issue_link(&test.store, &*test.app.random, "", person, test.app.now()).await.unwrap();
    let agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/145.0";
    let mut form = test.form(link.expose(), &[]).from("192.0.2.77").header("user-agent", agent);
    if let Some(had) = had {
        form = form.header("cookie", had);
    }
    let entered = form.send().await;
    assert_eq!(entered.status, StatusCode::SEE_OTHER, "{}", entered.text());
    entered.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn people_see_their_sessions_and_end_them() {
    let test = TestApp::new().await;
    let second = enter(&test, "ada@example.com", None).await;
    let seen = list(&test, &test.cookie).await;
    assert_eq!(seen.len(), 2);
    let entered = seen.iter().find(|one| one["current"] == false).unwrap();
    assert_eq!(
        (&entered["browser"], &entered["network"]),
        (&json!("Firefox on Windows"), &json!("192.0.2.0/24"))
    );
    assert!(!json!(seen).to_string().contains("192.0.2.77"), "never the address");
    assert!(!json!(seen).to_string().contains(second.split('=').nth(1).unwrap()), "never the token");
    assert_eq!(entered["account_name"], "Test");
    let id = entered["id"].as_str().unwrap();
    let end = async |cookie: &str, id: &str| {
        own(test.call(Method::DELETE, &format!("/api/sessions/{id}")), cookie).send().await
    };
    let bob = sign_in_as(&test.app, test.account, "bob@example.com", Role::Owner).await;
    assert_eq!(end(&bob, id).await.problem(), "not-found", "somebody else's, though in the same account");
    assert_eq!(end(&test.cookie, id).await.status, StatusCode::NO_CONTENT);
    assert_eq!(end(&test.cookie, id).await.problem(), "not-found");
    assert_eq!(own(test.get("/api/account"), &second).send().await.status, StatusCode::UNAUTHORIZED);
    let (third, fourth) =
        (enter(&test, "ada@example.com", None).await, enter(&test, "ada@example.com", None).await);
    let others = own(test.post("/api/sessions/revoke-others"), &third).send().await;
    assert_eq!((others.status, &others.json()["ended"]), (StatusCode::OK, &json!(2)));
    for cookie in [&test.cookie, &fourth] {
        assert_eq!(own(test.get("/api/account"), cookie).send().await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(list(&test, &third).await.len(), 1);
    assert_eq!(list(&test, &bob).await.len(), 1, "nobody else's ended");
    assert_eq!(test.get("/api/sessions").key(&test.keys.owner).send().await.problem(), "forbidden");
    let kinds: Vec<_> = test.store.audit_records(Default::default(), None, 100).await.unwrap();
    assert_eq!(kinds.iter().filter(|record| record.kind == "session.revoked").count(), 3);
}

#[tokio::test]
async fn an_operator_signs_somebody_or_everybody_out() {
    let test = TestApp::new().await;
    let second = enter(&test, "ada@example.com", None).await;
    let bob = sign_in_as(&test.app, test.account, "bob@example.com", Role::Owner).await;
    let operator = sign_in_operator(&test.app, test.account).await;
    let lives =
        async |cookie: &str| own(test.get("/api/account"), cookie).send().await.status == StatusCode::OK;
    let path = "/api/ops/people/sign-out";
    let by_key = async |body: Value| test.post(path).key(&test.keys.operator).json(&body).send().await;
    for wrong in [
        json!({}),
        json!({ "everybody": false }),
        json!({ "email": "ada@example.com", "everybody": true }),
        json!({ "email": "nobody@example.org" }),
        json!({ "email": "ada" }),
    ] {
        let refused = by_key(wrong.clone()).await;
        assert_eq!(refused.problem(), "invalid-fields", "{wrong}: {}", refused.text());
    }
    let asked = json!({ "email": "Ada@Example.com" });
    let refused = test.post(path).key(&test.keys.owner).json(&asked).send().await;
    assert_eq!(refused.problem(), "forbidden", "an owner is no operator");
    assert!(lives(&test.cookie).await && lives(&second).await && lives(&bob).await);
    let ended = by_key(asked.clone()).await;
    assert_eq!((ended.status, &ended.json()["ended"]), (StatusCode::OK, &json!(2)), "{}", ended.text());
    assert!(!lives(&test.cookie).await && !lives(&second).await, "at once");
    assert!(lives(&bob).await, "nobody else's ended");
    assert_eq!(by_key(asked).await.json()["ended"], 0);
    assert_eq!(
        test.get("/api/account").key(&test.keys.viewer).send().await.status,
        StatusCode::OK,
        "keys stay"
    );
    let everybody = own(test.post(path), &operator).json(&json!({ "everybody": true })).send().await;
    assert_eq!(everybody.json()["ended"], 1, "Bob's; the operator's own goes on");
    assert!(!lives(&bob).await && lives(&operator).await);
    assert_eq!(by_key(json!({ "everybody": true })).await.json()["ended"], 1, "a key keeps no session");
    let records = test.store.audit_records(Default::default(), None, 100).await.unwrap();
    let ended: Vec<_> =
        records.iter().filter(|record| record.details.contains("ended by an operator")).collect();
    assert_eq!(ended.len(), 4, "{records:?}");
    assert!(ended.iter().all(|record| record.kind == "session.revoked" && record.account.is_some()));
}

#[tokio::test]
async fn signing_in_ends_what_the_browser_had() {
    let test = TestApp::new().await;
    let entered = enter(&test, "ada@example.com", Some(&test.cookie)).await;
    assert_ne!(entered, test.cookie);
    assert_eq!(own(test.get("/api/account"), &test.cookie).send().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(own(test.get("/api/account"), &entered).send().await.status, StatusCode::OK);
    // Also when it was somebody else's.
    sign_in_as(&test.app, test.account, "bob@example.com", Role::Viewer).await;
    let bob = enter(&test, "bob@example.com", Some(&entered)).await;
    assert_eq!(own(test.get("/api/account"), &entered).send().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(own(test.get("/api/account"), &bob).send().await.json()["role"], "viewer");
}

#[tokio::test]
async fn idle_and_old_sessions_are_not_listed_and_open_nothing() {
    let test = TestApp::new().await;
    let busy = enter(&test, "ada@example.com", None).await;
    for hour in 0..14 * 24 {
        if hour % 12 == 0 {
            let status = own(test.get("/api/account"), &busy).send().await.status;
            assert_eq!(status, StatusCode::OK, "after {hour} hours");
        }
        test.advance(60 * 60);
        test.app.forget_callers();
    }
    assert_eq!(own(test.get("/api/account"), &busy).send().await.status, StatusCode::UNAUTHORIZED, "14 days");
    let fresh = enter(&test, "ada@example.com", None).await;
    let seen = list(&test, &fresh).await;
    assert_eq!(seen.len(), 1, "the idle one of the beginning and the old one are gone: {seen:?}");
}

#[tokio::test]
async fn a_form_of_one_account_does_nothing_in_another() {
    let test = TestApp::new().await;
    let second = levqor_model::AccountId::new(test.app.now(), &*test.random);
    let account = levqor_store::accounts::Account {
        id: second,
        name: "Second".to_owned(),
        plan: "growth".to_owned(),
        created_at: test.app.now(),
    };
    test.store.create_account(account).await.unwrap();
    let ada = user(&test, "ada@example.com").await;
    let membership =
        levqor_store::accounts::Membership { account_id: second, user_id: ada, role: Role::Owner };
    test.store.add_member(membership, test.app.now()).await.unwrap();
    let drawn = test.page("/dashboard/secrets").header("cookie", &test.cookie).send().await;
    let token = csrf(&drawn);
    let page = test.page("/dashboard/account").header("cookie", &test.cookie).send().await;
    assert!(page.text().contains("Switch to “Second”"));
    let fields = [("csrf", csrf(&page)), ("account", second.to_string())];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let switched =
        test.form("/dashboard/account/switch", &fields).header("cookie", &test.cookie).send().await;
    assert_eq!(switched.status, StatusCode::SEE_OTHER, "{}", switched.text());
    let cookie = switched.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let late = test
        .form("/dashboard/secrets", &[("csrf", &token), ("name", "key"), ("value", "x")])
        .header("cookie", &cookie)
        .send()
        .await;
    assert_eq!(late.status, StatusCode::FORBIDDEN, "a tab that still shows the first account");
    assert_eq!(test.store.secrets_of(second, None, 10).await.unwrap().len(), 0);
}
