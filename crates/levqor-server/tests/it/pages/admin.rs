//! The pages of operators.

use super::*;
use crate::support::sign_in_operator;

const PAGES: [&str; 7] = [
    "/admin",
    "/admin/accounts",
    "/admin/audit",
    "/admin/drift",
    "/admin/keys",
    "/admin/status",
    "/admin/tamper",
];

/// A browser of an operator who is signed in.
struct Operator {
    app: TestApp,
    cookie: String,
}

impl Operator {
    async fn new() -> Self {
        // As the blueprint says.
        let app = TestApp::with(|settings| settings.account_requests_per_minute = None).await;
        let cookie = sign_in_operator(&app.app, app.account).await;
        Self { app, cookie }
    }

    async fn see(&self, path: &str) -> String {
        let page = self.app.page(path).header("cookie", &self.cookie).send().await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text());
        assert_sound(path, &page);
        page.text()
    }

    async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.app.page("/admin/keys").header("cookie", &self.cookie).send().await;
        let token = csrf(&page);
        let all: Vec<_> = [("csrf", token.as_str())].into_iter().chain(fields.iter().copied()).collect();
        self.app.form(path, &all).header("cookie", &self.cookie).send().await
    }
}

#[tokio::test]
async fn operators_see_them_and_others_are_not_shown_the_way() {
    let operator = Operator::new().await;
    for path in PAGES {
        let text = operator.see(path).await;
        for other in PAGES {
            assert!(text.contains(&format!("href=\"{other}\"")), "{path} does not lead to {other}");
        }
    }
    let app = &operator.app;
    let owner = app.page("/dashboard").header("cookie", &app.cookie).send().await;
    assert!(!owner.text().contains("/admin"), "{}", owner.text());
    for path in PAGES {
        let refused = app.page(path).header("cookie", &app.cookie).send().await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert!(refused.text().contains("nly operators of the platform"), "{}", refused.text());
        let stranger = app.page(path).send().await;
        assert_eq!(stranger.status, StatusCode::TEMPORARY_REDIRECT, "{path}");
    }
}

#[tokio::test]
async fn their_forms_want_a_token() {
    let operator = Operator::new().await;
    let before = operator.app.store.keyring_history().await.unwrap();
    let active = before[0].id;
    for path in [
        "/admin/audit/verify".to_owned(),
        "/admin/drift/check".to_owned(),
        "/admin/status/declarations".to_owned(),
        "/admin/status/maintenance".to_owned(),
        "/admin/tamper/accept".to_owned(),
        "/admin/tamper/verify".to_owned(),
        "/admin/keys/rotate".to_owned(),
        "/admin/keys/verify".to_owned(),
        format!("/admin/keys/{active}/revoke"),
    ] {
        for fields in [&[("purpose", "signing")][..], &[("csrf", "wrong"), ("purpose", "signing")][..]] {
            let answer = operator.app.form(&path, fields).header("cookie", &operator.cookie).send().await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}: {}", answer.text());
        }
    }
    assert_eq!(operator.app.store.keyring_history().await.unwrap(), before);
}

#[tokio::test]
async fn the_evidence_log_is_looked_through_and_verified() {
    let operator = Operator::new().await;
    for n in 0..60 {
        operator.app.save(&format!("flow-{n}"), GREET).await;
    }
    let first = operator.see("/admin/audit?kind=workflow").await;
    assert_eq!(first.matches("<code>workflow.created</code>").count(), 50, "{first}");
    let next = first
        .split("href=\"/admin/audit?")
        .find(|part| part.starts_with("kind=workflow&amp;cursor="))
        .unwrap();
    let next = next.split('"').next().unwrap().replace("&amp;", "&");
    let second = operator.see(&format!("/admin/audit?{next}")).await;
    assert!(second.matches("<code>workflow.created</code>").count() >= 10, "{second}");
    let nothing = operator.see("/admin/audit?author=nobody").await;
    assert!(nothing.contains("No record matches"), "{nothing}");
    let wrong =
        operator.app.page("/admin/audit?from=yesterday").header("cookie", &operator.cookie).send().await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text().contains("RFC 3339"), "{}", wrong.text());

    let verified = operator.send("/admin/audit/verify", &[]).await;
    assert_eq!(verified.status, StatusCode::OK);
    let text = verified.text();
    assert!(text.contains("<strong>Whole.</strong>") && text.contains("This node has no witness"), "{text}");
}

#[tokio::test]
async fn server_keys_are_rotated_verified_and_revoked() {
    let operator = Operator::new().await;
    let text = operator.see("/admin/keys").await;
    for part in ["Signing", "Sealing", "Webhooks", ">active<"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let wrong = operator.send("/admin/keys/rotate", &[("purpose", "cooking")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", wrong.text());
    let rotated = operator.send("/admin/keys/rotate", &[("purpose", "webhooks")]).await;
    assert_eq!(rotated.header("location"), Some("/admin/keys?done=published"), "{}", rotated.text());
    let again = operator.send("/admin/keys/rotate", &[("purpose", "webhooks")]).await;
    assert_eq!(again.header("location"), Some("/admin/keys?done=already"));
    let text = operator.see("/admin/keys?done=published").await;
    assert!(text.contains(">published<") && text.contains("A new key is published."), "{text}");

    let verified = operator.send("/admin/keys/verify", &[]).await.text();
    assert!(verified.contains("Everything opens and holds."), "{verified}");

    let published = operator.app.store.keyring_history().await.unwrap();
    let published = published.iter().find(|key| key.state == levqor_model::KeyState::Published).unwrap();
    let revoked = operator.send(&format!("/admin/keys/{}/revoke", published.id), &[]).await;
    assert_eq!(revoked.header("location"), Some("/admin/keys?done=revoked"), "{}", revoked.text());
    assert!(operator.see("/admin/keys").await.contains(">revoked<"));
}

#[tokio::test]
async fn accounts_are_listed_with_what_they_have() {
    let operator = Operator::new().await;
    operator.app.save("one", GREET).await;
    let text = operator.see("/admin/accounts").await;
    let row = text.split("<tr>").find(|row| row.contains(&operator.app.account.to_string())).unwrap();
    assert!(row.contains("data-label=\"Workflows\">1<"), "{row}");
    assert!(row.contains(&format!("/admin/audit?account={}", operator.app.account)), "{row}");
    let wrong = operator.app.page("/admin/accounts?before=x").header("cookie", &operator.cookie).send().await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn drift_is_looked_for_and_shown() {
    let operator = Operator::new().await;
    assert!(operator.see("/admin/drift").await.contains("No node has looked yet"));
    let looked = operator.send("/admin/drift/check", &[]).await;
    assert_eq!(looked.header("location"), Some("/admin/drift"), "{}", looked.text());
    let text = operator.see("/admin/drift").await;
    for part in [">pass<", "Promises on pages", "Prices at Stripe", "not configured", "Held against lock"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_server_that_guards_nothing_says_so() {
    let operator = Operator::new().await;
    let text = operator.see("/admin/tamper").await;
    assert!(text.contains(">unknown<") && text.contains("Nothing is known yet"), "{text}");
    let refused = operator.send("/admin/tamper/verify", &[]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", refused.text());
    let refused = operator.send("/admin/tamper/accept", &[("path", "/etc/x"), ("reason", "because")]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", refused.text());
}
