//! The pages of members, the account, sessions, and keys with limits and new secrets.

use levqor_model::Role;
use serde_json::json;

use super::*;
use crate::{
    members::{own, user},
    support::sign_in_as,
};

/// Sends a form of the console with its token.
async fn send(app: &TestApp, cookie: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let page = app.page("/dashboard/account").header("cookie", cookie).send().await;
    let token = csrf(&page);
    let mut all = vec![("csrf", token.as_str())];
    all.extend(fields);
    app.form(path, &all).header("cookie", cookie).send().await
}

#[tokio::test]
async fn an_owner_invites_changes_and_removes() {
    let app = TestApp::new().await;
    let made = send(
        &app,
        &app.cookie,
        "/dashboard/members/invitations",
        &[("email", "grace@b.example"), ("role", "admin")],
    )
    .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_sound("/dashboard/members", &made);
    let text = made.text();
    assert!(text.contains("hand it over") && text.contains("/invitations/"), "{text}");
    let again = app.page("/dashboard/members").header("cookie", &app.cookie).send().await.text();
    assert!(again.contains("grace@b.example") && again.contains("Take back"), "it waits to be accepted");
    assert!(!again.contains("http://127.0.0.1:8000/invitations/"), "the link is shown once");
    for (email, part) in [("nobody", "name@example.org"), ("ada@example.com", "belongs to a member already")]
    {
        let refused = send(
            &app,
            &app.cookie,
            "/dashboard/members/invitations",
            &[("email", email), ("role", "viewer")],
        )
        .await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        let text = refused.text();
        assert!(text.contains("id=\"email-error\"") && text.contains(part), "{text}");
        assert!(text.contains(&format!("value=\"{email}\"")), "what was typed is kept");
    }
    let bob = sign_in_as(&app.app, app.account, "bob@example.com", Role::Editor).await;
    let id = user(&app, "bob@example.com").await;
    let changed =
        send(&app, &app.cookie, &format!("/dashboard/members/{id}/role"), &[("role", "viewer")]).await;
    assert_eq!(
        changed.header("location"),
        Some("/dashboard/members?done=role-changed"),
        "{}",
        changed.text()
    );
    assert_eq!(own(app.get("/api/account"), &bob).send().await.status, StatusCode::UNAUTHORIZED);
    let removed = send(&app, &app.cookie, &format!("/dashboard/members/{id}/remove"), &[]).await;
    assert_eq!(removed.header("location"), Some("/dashboard/members?done=member-removed"));
    let ada = user(&app, "ada@example.com").await;
    let last =
        send(&app, &app.cookie, &format!("/dashboard/members/{ada}/role"), &[("role", "viewer")]).await;
    assert_eq!(last.status, StatusCode::CONFLICT);
    assert!(last.text().contains("The last owner"), "{}", last.text());
}

#[tokio::test]
async fn what_a_member_may_not_do_is_not_offered() {
    let app = TestApp::new().await;
    let viewer = sign_in_as(&app.app, app.account, "vic@example.com", Role::Viewer).await;
    let page = app.page("/dashboard/members").header("cookie", &viewer).send().await;
    assert_sound("/dashboard/members", &page);
    let text = page.text();
    assert!(text.contains("ada@example.com") && text.contains("you"), "members see each other");
    for missing in ["Invite", "Change the role", "Remove", "Take back", "Sign out everywhere"] {
        assert!(!text.contains(missing), "{missing}");
    }
    let account = app.page("/dashboard/account").header("cookie", &viewer).send().await;
    assert_sound("/dashboard/account", &account);
    assert!(!account.text().contains("Rename"));
    let admin = sign_in_as(&app.app, app.account, "amy@example.com", Role::Admin).await;
    let text = app.page("/dashboard/members").header("cookie", &admin).send().await.text();
    let ada = user(&app, "ada@example.com").await;
    assert!(!text.contains(&format!("/dashboard/members/{ada}/role")), "an owner is above an admin");
    assert!(!text.contains("<option value=\"owner\""), "nobody gives more than they have");
    for (path, fields) in [
        (format!("/dashboard/members/{ada}/role"), vec![("role", "viewer")]),
        (format!("/dashboard/members/{ada}/remove"), vec![]),
        ("/dashboard/members/invitations".to_owned(), vec![("email", "x@b.example"), ("role", "owner")]),
    ] {
        let refused = send(&app, &admin, &path, &fields).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}: {}", refused.text());
    }
}

#[tokio::test]
async fn the_account_page_renames_and_ends_sessions() {
    let app = TestApp::new().await;
    let other = sign_in_as(&app.app, app.account, "ada@example.com", Role::Owner).await;
    let page = app.page("/dashboard/account").header("cookie", &app.cookie).send().await;
    assert_sound("/dashboard/account", &page);
    let text = page.text();
    for part in ["Firefox on Linux", "192.0.2.0/24", "this one", "End all others", "Leave this account"] {
        assert!(text.contains(part), "{part}");
    }
    let bad = send(&app, &app.cookie, "/dashboard/account", &[("name", "https://evil.example <b>")]).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    let text = bad.text();
    assert!(
        text.contains("id=\"name-error\"") && text.contains("&lt;b&gt;") && !text.contains("<b>"),
        "{text}"
    );
    let renamed = send(&app, &app.cookie, "/dashboard/account", &[("name", "Engines")]).await;
    assert_eq!(renamed.header("location"), Some("/dashboard/account?done=renamed"));
    let sessions = own(app.get("/api/sessions"), &other).send().await.json();
    let id =
        sessions["sessions"].as_array().unwrap().iter().find(|one| one["current"] == json!(true)).unwrap();
    let path = format!("/dashboard/account/sessions/{}/revoke", id["id"].as_str().unwrap());
    let ended = send(&app, &app.cookie, &path, &[]).await;
    assert_eq!(ended.header("location"), Some("/dashboard/account?done=session-ended"), "{}", ended.text());
    assert_eq!(own(app.get("/api/account"), &other).send().await.status, StatusCode::UNAUTHORIZED);
    let left = send(&app, &app.cookie, "/dashboard/account/leave", &[]).await;
    assert_eq!(left.status, StatusCode::CONFLICT, "the last owner");
}

#[tokio::test]
async fn a_key_is_limited_and_gets_a_new_secret_on_its_page() {
    let app = TestApp::new().await;
    let fields = [("name", "nightly"), ("role", "editor"), ("days", "30"), ("scope-runs-read", "yes")];
    let made = send(&app, &app.cookie, "/dashboard/keys", &fields).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_sound("/dashboard/keys", &made);
    let secret = |page: &Answer| {
        let text = page.text();
        let is_secret =
            |part: &&str| part.bytes().take(47).all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let mut parts = text.match_indices("lvq_").map(|(start, _)| &text[start..]);
        parts.find(is_secret).unwrap()[..47].to_owned()
    };
    let first = secret(&made);
    let listed = app.get("/api/keys").key(&app.keys.admin).send().await.json();
    let key = listed["keys"].as_array().unwrap().iter().find(|key| key["name"] == "nightly").unwrap().clone();
    assert_eq!(
        (&key["scopes"], &key["expires_at"]),
        (&json!(["runs:read"]), &json!("2026-12-24T12:00:00.000000Z"))
    );
    let id = key["id"].as_str().unwrap();
    let rotated = send(&app, &app.cookie, &format!("/dashboard/keys/{id}/rotate"), &[("hours", "1")]).await;
    assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.text());
    assert_sound("/dashboard/keys", &rotated);
    assert!(rotated.text().contains("The old one works until 2026-11-24 13:00:00 UTC"), "{}", rotated.text());
    let second = secret(&rotated);
    assert_ne!(first, second);
    for secret in [&first, &second] {
        assert_eq!(app.get("/api/runs").key(secret).send().await.status, StatusCode::OK);
        assert_eq!(app.get("/api/workflows").key(secret).send().await.status, StatusCode::FORBIDDEN);
    }
    let bad = send(&app, &app.cookie, &format!("/dashboard/keys/{id}/rotate"), &[("hours", "721")]).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = app.page("/dashboard/keys").header("cookie", &app.cookie).send().await.text();
    assert!(!page.contains(&second[..20]), "shown once");
    let ope = page.split("<tr>").find(|row| row.contains("operator")).unwrap();
    assert!(!ope.contains("New secret"), "an operator's key is for operators");
}
