//! Headers that tell browsers what an answer may do.

use http::{Method, StatusCode};

use crate::{
    pages::Browser,
    support::{Answer, TestApp},
};

/// What all answers have, whatever they are.
fn assert_guarded(answer: &Answer, what: &str) {
    let rows = [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in rows {
        assert_eq!(answer.header(name), Some(value), "{what}: {name}");
    }
    let policy = answer.header("content-security-policy").unwrap();
    for part in ["default-src '", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{what}: {policy}");
    }
    for evil in ["unsafe-inline", "unsafe-eval", "*", "http:", "https:"] {
        assert!(!policy.contains(evil), "{what}: {policy}");
    }
    let permissions = answer.header("permissions-policy").unwrap();
    for feature in ["camera=()", "geolocation=()", "microphone=()", "payment=()"] {
        assert!(permissions.contains(feature), "{what}: {permissions}");
    }
    assert_eq!(answer.header("server"), None, "{what}");
    assert_eq!(answer.header("x-powered-by"), None, "{what}");
}

#[tokio::test]
async fn every_answer_tells_browsers_what_it_may_do() {
    let test = TestApp::with(|settings| settings.public_url = "https://levqor.example".to_owned()).await;
    let rows = [
        (Method::GET, "/", true),
        (Method::GET, "/signin", true),
        (Method::GET, "/nowhere", true),
        (Method::GET, "/dashboard", false),
        (Method::GET, "/health", false),
        (Method::GET, "/metrics", false),
        (Method::GET, "/openapi.json", false),
        (Method::GET, "/api/plans", false),
        (Method::GET, "/api/runs", false),
        (Method::GET, "/api/nowhere", false),
        (Method::POST, "/api/ai/chat", false),
        (Method::OPTIONS, "/api/runs", false),
        (Method::DELETE, "/health", false),
        (Method::GET, "/favicon.ico", false),
    ];
    for (method, path, is_page) in rows {
        let answer = test.call(method.clone(), path).header("accept", "text/html").send().await;
        let what = format!("{method} {path}");
        assert_guarded(&answer, &what);
        assert_eq!(
            answer.header("strict-transport-security"),
            Some("max-age=31536000; includeSubDomains"),
            "{what}"
        );
        let policy = answer.header("content-security-policy").unwrap();
        let expected = if is_page { "form-action 'self'" } else { "default-src 'none'" };
        assert!(policy.contains(expected), "{what}: {policy}");
        if is_page {
            assert!(policy.contains("object-src 'none'") && policy.contains("base-uri 'none'"), "{policy}");
        }
    }
    let plain = TestApp::new().await;
    assert_eq!(
        plain.get("/health").send().await.header("strict-transport-security"),
        None,
        "not on plain HTTP"
    );
}

#[tokio::test]
async fn what_was_made_for_somebody_is_kept_by_nobody() {
    let test = TestApp::new().await;
    let stored = |answer: &Answer| answer.header("cache-control") != Some("no-store");
    assert!(!stored(&test.get("/api/runs").key(&test.keys.viewer).send().await));
    assert!(!stored(&test.get("/api/runs").send().await), "also a refusal");
    assert!(!stored(&test.get("/openapi.json").key(&test.keys.viewer).send().await));
    for path in ["/dashboard", "/dashboard/runs", "/dashboard/secrets", "/nowhere"] {
        let answer = test.page(path).header("cookie", &test.cookie).send().await;
        assert!(!stored(&answer), "{path}: {:?}", answer.headers);
    }
    // Of a page for everybody, only the name of a button tells who reads it; their own browser may keep that, and asks each time.
    for path in ["/", "/docs", "/pricing"] {
        let answer = test.page(path).header("cookie", &test.cookie).send().await;
        let kept = answer.header("cache-control").unwrap();
        assert!(["private, no-cache", "no-store"].contains(&kept), "{path}: {kept}");
        assert!(!answer.text().contains("ada@example.com"), "{path} names its reader");
    }
    let anybody = test.page("/docs").send().await;
    assert_eq!((anybody.status, stored(&anybody)), (StatusCode::OK, true));
    // The status page is made for nobody in particular: it is the same for all, and whoever stands between may keep it for a moment.
    let known = test.page("/status").header("cookie", &test.cookie).send().await;
    let unknown = test.page("/status").send().await;
    assert_eq!(known.bytes, unknown.bytes);
    assert_eq!(known.header("cache-control"), Some("public, max-age=1, must-revalidate"));
}

#[tokio::test]
async fn cookies_are_for_this_site_and_no_script() {
    let test = TestApp::with(|settings| settings.public_url = "https://levqor.example".to_owned()).await;
    let user = test.store.user_by_email("ada@example.com".to_owned()).await.unwrap().unwrap();
    let random = &*test.app.random;
    let issued = levqor_server::features::sign_in::service::issue_link(
        &test.store,
        random,
        "",
        user.id,
        test.app.now(),
    );
    let link = issued.await.unwrap().expose().to_owned();
    let entered = test.form(&link, &[]).send().await;
    let cookie = entered.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Secure", "Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(cookie.starts_with("__Host-levqor_session=") && !cookie.contains("Domain="), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(test.page("/dashboard").header("cookie", pair).send().await.status, StatusCode::OK);
    // One that another host under the same domain could have set is none.
    let plain = pair.trim_start_matches("__Host-");
    let answer = test.page("/dashboard").header("cookie", plain).send().await;
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    // The one for colours, too; it has no secret, and a script writes it.
    let themed = test.form("/theme", &[("theme", "dark"), ("next", "/")]).send().await;
    let theme = themed.header("set-cookie").unwrap();
    assert!(theme.starts_with("__Host-levqor_theme=dark; Path=/; "), "{theme}");
    assert!(
        theme.ends_with("; Secure") && theme.contains("SameSite=Lax") && !theme.contains("Domain="),
        "{theme}"
    );
}
