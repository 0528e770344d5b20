//! Members through the API: who may make whom what, and what ends with a role.

use http::{Method, StatusCode};
use levqor_model::{Role, UserId};
use serde_json::{Value, json};

use crate::support::{Answer, Call, TestApp, sign_in_as};

pub async fn user(test: &TestApp, email: &str) -> UserId {
    test.store.user_by_email(email.to_owned()).await.unwrap().unwrap().id
}

/// Somebody with a role in the account under test: their id, and the cookie of their session.
async fn member(test: &TestApp, role: Role) -> (UserId, String) {
    let email = format!("{}@example.com", role.as_str());
    let cookie = sign_in_as(&test.app, test.account, &email, role).await;
    (user(test, &email).await, cookie)
}

pub fn own(call: Call, cookie: &str) -> Call {
    call.header("cookie", cookie).header("sec-fetch-site", "same-origin")
}

async fn change(test: &TestApp, by: &str, user: UserId, role: &str) -> Answer {
    let call = test.call(Method::PATCH, &format!("/api/members/{user}")).json(&json!({ "role": role }));
    if by.starts_with("lvq_") { call.key(by).send().await } else { own(call, by).send().await }
}

async fn list(test: &TestApp) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let members = test.read("/api/members").await["members"].clone();
    members.as_array().unwrap().iter().map(|one| (text(&one["email"]), text(&one["role"]))).collect()
}

#[tokio::test]
async fn roles_are_given_by_those_who_have_them() {
    let test = TestApp::new().await;
    let (viewer, _) = member(&test, Role::Viewer).await;
    let (editor, editors) = member(&test, Role::Editor).await;
    let (admin, admins) = member(&test, Role::Admin).await;
    let ada = user(&test, "ada@example.com").await;
    // Who, by whom, to what, and what comes of it.
    let rows = [
        (&editors, viewer, "editor", "forbidden"),
        (&editors, editor, "admin", "forbidden"),
        (&admins, admin, "owner", "forbidden"),
        (&admins, viewer, "owner", "forbidden"),
        (&admins, ada, "viewer", "forbidden"),
        (&test.keys.admin, viewer, "owner", "forbidden"),
        (&test.keys.admin, ada, "viewer", "forbidden"),
        (&test.keys.other, viewer, "editor", "not-found"),
        (&test.cookie, ada, "viewer", "last-owner"),
        (&test.cookie, viewer, "king", "bad-request"),
    ];
    for (by, who, role, slug) in rows {
        let answer = change(&test, by, who, role).await;
        assert_eq!(answer.problem(), slug, "{role} to {who}: {}", answer.text());
    }
    let raised = change(&test, &admins, viewer, "admin").await;
    assert_eq!(
        (raised.status, &raised.json()["role"]),
        (StatusCode::OK, &json!("admin")),
        "{}",
        raised.text()
    );
    assert_eq!(change(&test, &test.keys.owner, admin, "owner").await.status, StatusCode::OK);
    assert_eq!(
        list(&test).await.into_iter().map(|(_, role)| role).collect::<Vec<_>>().len(),
        4,
        "nobody came or went"
    );
    // Now there are two owners, and one of them may go.
    let lowered = change(&test, &test.cookie, ada, "editor").await;
    assert_eq!(lowered.status, StatusCode::OK, "{}", lowered.text());
}

#[tokio::test]
async fn who_is_lowered_or_removed_may_no_more_at_once() {
    let test = TestApp::new().await;
    let (admin, admins) = member(&test, Role::Admin).await;
    let (editor, editors) = member(&test, Role::Editor).await;
    let keys = async |cookie: &str| own(test.get("/api/keys"), cookie).send().await.status;
    assert_eq!(keys(&admins).await, StatusCode::OK);
    change(&test, &test.cookie, admin, "viewer").await;
    assert_eq!(
        keys(&admins).await,
        StatusCode::UNAUTHORIZED,
        "signed out: the next session has the new role"
    );
    assert_eq!(own(test.get("/api/runs"), &editors).send().await.status, StatusCode::OK);
    let path = format!("/api/members/{editor}");
    let removed = own(test.call(Method::DELETE, &path), &test.cookie).send().await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT, "{}", removed.text());
    assert_eq!(own(test.get("/api/runs"), &editors).send().await.status, StatusCode::UNAUTHORIZED);
    let again = own(test.call(Method::DELETE, &path), &test.cookie).send().await;
    assert_eq!(again.problem(), "not-found");
    let ada = user(&test, "ada@example.com").await;
    let last = test.call(Method::DELETE, &format!("/api/members/{ada}")).key(&test.keys.owner).send().await;
    assert_eq!(last.problem(), "last-owner");
}

#[tokio::test]
async fn nodes_that_remember_somebody_forget_them_within_seconds() {
    let nodes = TestApp::region(2, |_| {}).await;
    let (admin, admins) = member(&nodes[0], Role::Admin).await;
    let keys = async |node: &TestApp| own(node.get("/api/keys"), &admins).send().await.status;
    assert_eq!((keys(&nodes[0]).await, keys(&nodes[1]).await), (StatusCode::OK, StatusCode::OK));
    change(&nodes[0], &nodes[0].cookie, admin, "viewer").await;
    assert_eq!(keys(&nodes[0]).await, StatusCode::UNAUTHORIZED);
    // What the other one remembers is for five seconds of real time.
    levqor_testkit::wait_for("the other node to look again", || async {
        (keys(&nodes[1]).await == StatusCode::UNAUTHORIZED).then_some(())
    })
    .await;
}

/// What is done in the seconds until then would last: a key, an invitation, another's role.
#[tokio::test]
async fn who_has_just_lost_a_role_gives_no_power_by_a_node_that_remembers_them() {
    let nodes = TestApp::region(2, |_| {}).await;
    let (admin, admins) = member(&nodes[0], Role::Admin).await;
    let (viewer, _) = member(&nodes[0], Role::Viewer).await;
    let body = json!({ "name": "mine", "role": "admin" });
    let made = nodes[0].post("/api/keys").key(&nodes[0].keys.owner).json(&body).send().await.json();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    // The other node remembers both of them.
    assert_eq!(own(nodes[1].get("/api/keys"), &admins).send().await.status, StatusCode::OK);
    assert_eq!(nodes[1].get("/api/keys").key(key).send().await.status, StatusCode::OK);
    let removed = nodes[0].call(Method::DELETE, &format!("/api/members/{admin}"));
    assert_eq!(own(removed, &nodes[0].cookie).send().await.status, StatusCode::NO_CONTENT);
    let revoked = nodes[0].call(Method::DELETE, &format!("/api/keys/{id}")).key(&nodes[0].keys.owner);
    assert_eq!(revoked.send().await.status, StatusCode::NO_CONTENT);
    let acts = [
        (Method::POST, "/api/keys".to_owned(), body),
        (
            Method::POST,
            "/api/members/invitations".to_owned(),
            json!({ "email": "a@b.example", "role": "admin" }),
        ),
        (Method::PATCH, format!("/api/members/{viewer}"), json!({ "role": "admin" })),
    ];
    for (method, path, body) in acts {
        let call = || nodes[1].call(method.clone(), &path).json(&body);
        assert_eq!(own(call(), &admins).send().await.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        assert_eq!(call().key(key).send().await.status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
}

#[tokio::test]
async fn who_changes_themselves_goes_on_with_another_token() {
    let test = TestApp::new().await;
    let (admin, admins) = member(&test, Role::Admin).await;
    let other = sign_in_as(&test.app, test.account, "admin@example.com", Role::Admin).await;
    let lowered = change(&test, &admins, admin, "editor").await;
    assert_eq!(lowered.status, StatusCode::OK, "{}", lowered.text());
    let renewed = lowered.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_ne!(renewed, admins);
    let runs = async |cookie: &str| own(test.get("/api/runs"), cookie).send().await.status;
    assert_eq!(runs(&admins).await, StatusCode::UNAUTHORIZED);
    assert_eq!(runs(&other).await, StatusCode::UNAUTHORIZED);
    assert_eq!(runs(&renewed).await, StatusCode::OK);
    assert_eq!(own(test.get("/api/keys"), &renewed).send().await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_admin_signs_a_member_out_and_no_owner() {
    let test = TestApp::new().await;
    let (_, admins) = member(&test, Role::Admin).await;
    let (editor, editors) = member(&test, Role::Editor).await;
    let sign_out =
        async |user: UserId| own(test.post(&format!("/api/members/{user}/sign-out")), &admins).send().await;
    let done = sign_out(editor).await;
    assert_eq!((done.status, &done.json()["ended"]), (StatusCode::OK, &json!(1)), "{}", done.text());
    assert_eq!(own(test.get("/api/runs"), &editors).send().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(sign_out(user(&test, "ada@example.com").await).await.problem(), "forbidden");
}

#[tokio::test]
async fn members_are_listed_page_by_page() {
    let test = TestApp::new().await;
    member(&test, Role::Viewer).await;
    member(&test, Role::Editor).await;
    let all = list(&test).await;
    let mut emails: Vec<_> = all.iter().map(|(email, _)| email.as_str()).collect();
    emails.sort_unstable();
    assert_eq!(emails, ["ada@example.com", "editor@example.com", "viewer@example.com"]);
    let first = test.read("/api/members?limit=2").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = test.read(&format!("/api/members?limit=2&cursor={cursor}")).await;
    assert_eq!(first["members"].as_array().unwrap().len() + rest["members"].as_array().unwrap().len(), 3);
    assert!(rest.get("next_cursor").is_none());
    let theirs = test.get("/api/members").key(&test.keys.other).send().await.json();
    assert_eq!(theirs, json!({ "members": [] }));
}
