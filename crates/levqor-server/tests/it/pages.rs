//! Pages as browsers meet them: what everybody may read, what forms refuse, and that nothing typed becomes markup.

mod admin;
mod console;
mod crawl;
mod identity;
mod literals;
mod markup;
mod promises;
mod sign_in;
mod site;

use http::StatusCode;
use levqor_server::Environment;

use crate::support::{Answer, Call, FAULT, GREET, TestApp, WAIT};

/// Asks as a browser does.
pub trait Browser {
    fn page(&self, path: &str) -> Call;
    fn form(&self, path: &str, fields: &[(&str, &str)]) -> Call;
}

impl Browser for TestApp {
    fn page(&self, path: &str) -> Call {
        self.get(path).header("accept", "text/html")
    }

    fn form(&self, path: &str, fields: &[(&str, &str)]) -> Call {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.post(path)
            .header("accept", "text/html")
            .header("sec-fetch-site", "same-origin")
            .body("application/x-www-form-urlencoded", body)
    }
}

/// The hidden token of the forms on a page.
pub fn csrf(page: &Answer) -> String {
    let text = page.text();
    let start = text.split("name=\"csrf\" value=\"").nth(1).unwrap_or_else(|| panic!("no form: {text}"));
    start.split('"').next().unwrap().to_owned()
}

/// The pages that tell everybody what Levqor is and promises.
pub const SITE: &[&str] = &[
    "/",
    "/pricing",
    "/trial",
    "/how-it-works",
    "/integrations",
    "/about",
    "/careers",
    "/guarantee",
    "/support",
    "/status",
    "/security",
    "/docs",
    "/terms",
    "/privacy",
    "/fair-use",
    "/acceptable-use",
    "/refunds",
    "/sla",
    "/support-policy",
    "/cancellation",
    "/disputes",
    "/revisions",
    "/dfy-contract",
];

/// What else everybody may read.
const PUBLIC: [&str; 9] = [
    "/draft",
    "/signin",
    "/stay-in-touch",
    "/stay-in-touch/thanks",
    "/status/subscribe",
    "/docs/getting-started",
    "/docs/api",
    "/docs/problems",
    "/docs/problems/not-found",
];

const CONSOLE: [&str; 7] = [
    "/dashboard",
    "/dashboard/workflows",
    "/dashboard/workflows/new",
    "/dashboard/runs",
    "/dashboard/keys",
    "/dashboard/members",
    "/dashboard/account",
];

/// What every page keeps: a title, landmarks, a way past the navigation, and no script or style inside.
fn assert_sound(path: &str, page: &Answer) {
    let text = page.text();
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
    for part in
        ["<html lang=\"en\"", "<title>", "name=\"viewport\"", "href=\"#main\"", "<main id=\"main\"", "<h1"]
    {
        assert!(text.contains(part), "{path} has no {part}");
    }
    for bad in [" style=\"", "<style", " onclick", "javascript:", "http://cdn", "https://cdn"] {
        assert!(!text.contains(bad), "{path} has {bad}");
    }
    for script in text.split("<script").skip(1) {
        assert!(script.starts_with(" src=\"/assets/"), "{path}: <script{}", &script[..script.len().min(80)]);
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(text.matches("<h1").count(), 1, "{path} has one first heading");
    assert_ids_are_unique(path, &text);
}

fn assert_ids_are_unique(path: &str, text: &str) {
    let mut seen = std::collections::HashSet::new();
    for part in text.split(" id=\"").skip(1) {
        let id = part.split('"').next().unwrap();
        assert!(seen.insert(id), "{path} has two elements with the id {id}");
    }
}

#[tokio::test]
async fn everybody_may_read_public_pages() {
    let app = TestApp::new().await;
    for path in PUBLIC.iter().chain(SITE).copied() {
        let page = app.page(path).send().await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text());
        assert_sound(path, &page);
        let signed_in = app.page(path).header("cookie", &app.cookie).send().await;
        let status = if path == "/signin" { StatusCode::SEE_OTHER } else { StatusCode::OK };
        assert_eq!(signed_in.status, status, "{path}");
    }
}

#[tokio::test]
async fn the_console_asks_strangers_to_sign_in() {
    let app = TestApp::new().await;
    for path in CONSOLE {
        let stranger = app.page(path).send().await;
        assert_eq!(stranger.status, StatusCode::TEMPORARY_REDIRECT, "{path}");
        assert_eq!(stranger.header("location"), Some(format!("/signin?next={path}").as_str()));
        let page = app.page(path).header("cookie", &app.cookie).send().await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text());
        assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
        assert_sound(path, &page);
    }
}

#[tokio::test]
async fn links_of_pages_lead_somewhere() {
    let app = TestApp::new().await;
    let workflow = app.save("linked", GREET).await;
    app.start(&workflow, 10, &serde_json::json!({ "name": "Ada" })).await;
    let mut open: Vec<String> = SITE.iter().chain(&PUBLIC).chain(&CONSOLE).map(ToString::to_string).collect();
    let mut seen = std::collections::BTreeSet::new();
    while let Some(path) = open.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let page = app.page(&path).header("cookie", &app.cookie).send().await;
        assert!(page.status.is_success() || page.status.is_redirection(), "{path}: {}", page.status);
        if page.header("content-type") != Some("text/html; charset=utf-8") {
            continue;
        }
        for part in page.text().split("href=\"").skip(1) {
            let link = part.split(['"', '#']).next().unwrap().replace("&amp;", "&");
            if link.starts_with('/') && !link.starts_with("//") {
                open.push(link);
            }
        }
    }
    for expected in
        ["/dashboard/runs?workflow=", "/assets/app-", "/docs/problems/draining", "/openapi.json", "/metrics"]
    {
        assert!(
            seen.iter().any(|path| path.starts_with(expected)),
            "{expected} is linked from nowhere: {seen:?}"
        );
    }
}

#[tokio::test]
async fn errors_of_pages_are_pages_and_errors_of_the_api_are_documents() {
    let app = TestApp::new().await;
    for (path, status) in
        [("/nothing", 404), ("/docs/nothing", 404), ("/docs/problems/nothing", 404), ("/assets/x.css", 404)]
    {
        let page = app.page(path).send().await;
        assert_eq!(page.status.as_u16(), status, "{path}");
    }
    let page = app.page("/nothing").send().await;
    assert_sound("/nothing", &page);
    assert!(page.text().contains("req_"), "the page names the request");
    assert_eq!(app.get("/nothing").send().await.problem(), "not-found");
    let run = app.page("/dashboard/runs/run_x").header("cookie", &app.cookie).send().await;
    assert_eq!((run.status.as_u16(), run.text().contains("The run does not exist")), (404, true));
}

#[tokio::test]
async fn the_theme_is_a_cookie_and_leads_back_to_this_site_only() {
    let app = TestApp::new().await;
    for (next, location) in
        [("/status?x=1", "/status?x=1"), ("//evil.example", "/"), ("https://evil.example", "/")]
    {
        let answer = app.form("/theme", &[("theme", "dark"), ("next", next)]).send().await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(answer.header("location"), Some(location), "{next}");
        assert!(answer.header("set-cookie").unwrap().starts_with("levqor_theme=dark; Path=/"));
    }
    let dark = app.page("/").header("cookie", "levqor_theme=dark").send().await.text();
    assert!(dark.contains("<html lang=\"en\" data-theme=\"dark\">"));
    let both = "levqor_theme=light; __Host-levqor_theme=dark";
    let both = app.page("/").header("cookie", both).send().await.text();
    assert!(both.contains("<html lang=\"en\" data-theme=\"dark\">"), "what this host has set is the choice");
    let odd = app.page("/").header("cookie", "levqor_theme=\"><script>").send().await.text();
    assert!(odd.contains("<html lang=\"en\">"));
}

#[tokio::test]
async fn a_sentence_becomes_a_preview_without_an_account() {
    let app = TestApp::new().await;
    let page = app
        .form("/draft", &[("query", "Every hour, fetch https://a.example/x and dance <b>wildly</b>")])
        .send()
        .await;
    let text = page.text();
    assert_eq!(page.status, StatusCode::OK, "{text}");
    assert_sound("/draft", &page);
    assert!(
        text.contains("endpoint")
            && text.contains("<svg class=\"graph\"")
            && text.contains("Sign in to run it")
    );
    assert!(text.contains("Not understood") && !text.contains("<b>wildly"));
    let example = app.form("/draft", &[("query", ""), ("example", "1")]).send().await;
    assert_eq!(example.status, StatusCode::OK);
    let long = "x".repeat(1_001);
    for (query, reason) in [("  hi ", "at least 5"), (long.as_str(), "at most 1,000")] {
        let refused = app.form("/draft", &[("query", query)]).send().await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        let text = refused.text();
        assert!(
            text.contains(reason) && text.contains("aria-invalid=\"true\"") && text.contains(query.trim()),
            "{text}"
        );
    }
    assert_eq!(app.store.workflows_count(None).await.unwrap(), 0, "nothing is stored");
}

#[tokio::test]
async fn the_status_page_says_unknown_without_fresh_evidence() {
    let app = TestApp::new().await;
    let sample = |component: &str| levqor_store::health::Sample {
        region: "eu-west".parse().unwrap(),
        node: app.app.node,
        component: component.to_owned(),
        at: app.app.now(),
        good: true,
        latency_us: Some(1_500),
        reason: None,
    };
    let verdict = async || {
        let text = app.page("/status").send().await.text();
        let start = text.split("class=\"verdict ").nth(1).unwrap();
        start.split('"').next().unwrap().to_owned()
    };
    assert_eq!(verdict().await, "idle", "no evidence at all");
    app.store.add_samples(["api", "database", "engine"].map(sample).to_vec()).await.unwrap();
    assert_eq!(verdict().await, "good");
    app.advance(16);
    assert_eq!(verdict().await, "idle", "evidence has grown old");
    let text = app.page("/status").send().await.text();
    for part in
        ["eu-west", "planned", "us-east", "/metrics", "/api/metrics/app", "consultations_booked", "no data"]
    {
        assert!(text.contains(part), "{part}");
    }
}
