//! Signing in and out.

use super::*;

/// The link of a person, as the operator is told it.
async fn link(app: &TestApp) -> String {
    let user = app.store.user_by_email("ada@example.com".to_owned()).await.unwrap().unwrap();
    let link = levqor_server::features::sign_in::service::issue_link(
        &app.store,
        &*app.app.random,
        "",
        user.id,
        app.app.now(),
    );
    link.await.unwrap().expose().to_owned()
}

#[tokio::test]
async fn known_and_unknown_addresses_get_the_same_answer() {
    let app = TestApp::new().await;
    let known = app.form("/signin", &[("email", "ada@example.com")]).send().await;
    let unknown = app.form("/signin", &[("email", "eve@example.com")]).send().await;
    assert_eq!((known.status, unknown.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(known.text().replace("ada@", "eve@"), unknown.text());
    assert!(!known.text().contains("/signin/link/"), "the link is never on the page");
    assert!(known.text().contains("the server's terminal"), "it says where to look");
    for email in ["", "ada", "ada@example.com, eve@example.com", "<script>@example.com"] {
        let refused = app.form("/signin", &[("email", email), ("next", "/docs")]).send().await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{email}");
        let text = refused.text();
        assert!(text.contains("id=\"email-error\"") && text.contains("value=\"/docs\""), "{text}");
        assert!(!text.contains("<script>@"));
    }
}

#[tokio::test]
async fn without_mail_production_says_so() {
    let app = TestApp::with(|settings| settings.environment = Environment::Production).await;
    let page = app.form("/signin", &[("email", "ada@example.com")]).send().await.text();
    assert!(page.contains("Mail is not set up"), "{page}");
}

#[tokio::test]
async fn a_link_is_looked_at_often_and_used_once() {
    let app = TestApp::new().await;
    let link = link(&app).await;
    for _ in 0..3 {
        let page = app.page(&link).send().await;
        assert_eq!(page.status, StatusCode::OK, "looking at it spends nothing");
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert!(page.headers.get("set-cookie").is_none());
    }
    let entered = app.form(&link, &[("next", "/dashboard/runs")]).send().await;
    assert_eq!(
        (entered.status, entered.header("location")),
        (StatusCode::SEE_OTHER, Some("/dashboard/runs"))
    );
    let cookie = entered.header("set-cookie").unwrap().to_owned();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(app.page("/dashboard").header("cookie", cookie).send().await.status, StatusCode::OK);
    assert_eq!(app.form(&link, &[]).send().await.status, StatusCode::GONE, "a second time");
}

#[tokio::test]
async fn links_and_sessions_end() {
    let app = TestApp::new().await;
    let late = link(&app).await;
    let link = link(&app).await;
    let entered = app.form(&link, &[]).send().await;
    let cookie = entered.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    app.advance(15 * 60 + 1);
    assert_eq!(app.form(&late, &[]).send().await.status, StatusCode::GONE);
    let page = app.page("/dashboard").header("cookie", &cookie).send().await;
    let signed_out = app.form("/signout", &[("csrf", &csrf(&page))]).header("cookie", &cookie).send().await;
    assert_eq!(signed_out.status, StatusCode::SEE_OTHER);
    assert!(signed_out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(signed_out.header("clear-site-data"), Some("\"cache\", \"storage\""), "what it has kept goes");
    let after = app.page("/dashboard").header("cookie", &cookie).send().await;
    assert_eq!(after.status, StatusCode::TEMPORARY_REDIRECT, "the session is over, whoever keeps the cookie");
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends_after_a_day() {
    let app = TestApp::new().await;
    let mut cookies = Vec::new();
    for _ in 0..2 {
        let link = link(&app).await;
        let entered = app.form(&link, &[]).send().await;
        cookies.push(entered.header("set-cookie").unwrap().split(';').next().unwrap().to_owned());
    }
    app.advance(23 * 60 * 60);
    let used = app.page("/dashboard").header("cookie", &cookies[0]).send().await;
    assert_eq!(used.status, StatusCode::OK);
    app.advance(60 * 60);
    let unused = app.page("/dashboard").header("cookie", &cookies[1]).send().await;
    assert_eq!(unused.status, StatusCode::TEMPORARY_REDIRECT);
    let used = app.page("/dashboard").header("cookie", &cookies[0]).send().await;
    assert_eq!(used.status, StatusCode::OK, "its use was noted");
}

#[tokio::test]
async fn other_sites_cannot_send_people_anywhere() {
    let app = TestApp::new().await;
    for next in ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", ""] {
        let link = link(&app).await;
        let entered = app.form(&link, &[("next", next)]).send().await;
        assert_eq!(entered.header("location"), Some("/dashboard"), "{next}");
    }
    let page = app.page("/signin?next=%2F%2Fevil.example").send().await.text();
    assert!(
        page.contains(
            "action=\"/signin\" novalidate><input type=\"hidden\" name=\"next\" value=\"/dashboard\">"
        ),
        "{page}"
    );
    let known =
        app.page("/signin?next=https%3A%2F%2Fevil.example").header("cookie", &app.cookie).send().await;
    assert_eq!(known.header("location"), Some("/dashboard"));
    let link = link(&app).await;
    let foreign = app.form(&link, &[]).header("sec-fetch-site", "cross-site").send().await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN, "nobody is signed in by another site's form");
}

#[tokio::test]
async fn links_are_not_given_without_end() {
    let app = TestApp::new().await;
    let mut refused = 0;
    for _ in 0..7 {
        let answer = app.form("/signin", &[("email", "ada@example.com")]).send().await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert!(answer.header("retry-after").is_some());
            refused += 1;
        }
    }
    assert_eq!(refused, 2, "five links at once for one mailbox");
}
