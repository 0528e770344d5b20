//! Pages as browsers meet them: what everybody may read, what forms refuse, and that nothing typed becomes markup.

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

const PUBLIC: [&str; 9] = [
    "/",
    "/draft",
    "/status",
    "/signin",
    "/docs",
    "/docs/getting-started",
    "/docs/api",
    "/docs/problems",
    "/docs/problems/not-found",
];

const CONSOLE: [&str; 5] =
    ["/dashboard", "/dashboard/workflows", "/dashboard/workflows/new", "/dashboard/runs", "/dashboard/keys"];

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
    for path in PUBLIC {
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
    let mut open: Vec<String> = PUBLIC.iter().chain(&CONSOLE).map(ToString::to_string).collect();
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

#[tokio::test]
async fn the_front_page_states_the_blueprint() {
    let app = TestApp::new().await;
    let text = app.page("/").send().await.text();
    for plan in &app.app.blueprint.plans {
        for amount in [plan.month_price, plan.year_price] {
            assert!(text.contains(&app.app.blueprint.money(amount).to_string()), "{} {amount}", plan.code);
        }
    }
    assert!(text.contains(&app.app.blueprint.trial.card_note));
}

mod sign_in {
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
        let signed_out =
            app.form("/signout", &[("csrf", &csrf(&page))]).header("cookie", &cookie).send().await;
        assert_eq!(signed_out.status, StatusCode::SEE_OTHER);
        let after = app.page("/dashboard").header("cookie", &cookie).send().await;
        assert_eq!(
            after.status,
            StatusCode::TEMPORARY_REDIRECT,
            "the session is over, whoever keeps the cookie"
        );
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
}

mod console {
    use super::*;

    async fn token(app: &TestApp) -> String {
        csrf(&app.page("/dashboard/workflows/new").header("cookie", &app.cookie).send().await)
    }

    #[tokio::test]
    async fn every_form_wants_its_token() {
        let app = TestApp::new().await;
        let workflow = app.save("guarded", WAIT).await;
        let run = app.start(&workflow, 0, &serde_json::json!({})).await;
        let run = run["run_id"].as_str().unwrap();
        let forms = [
            "/dashboard/workflows".to_owned(),
            format!("/dashboard/workflows/{workflow}/edit"),
            format!("/dashboard/workflows/{workflow}/runs"),
            format!("/dashboard/workflows/{workflow}/delete"),
            format!("/dashboard/runs/{run}/cancel"),
            format!("/dashboard/runs/{run}/retry"),
            "/dashboard/keys".to_owned(),
            "/dashboard/keys/key_01ARZ3NDEKTSV4RRFFQ69G5FAV/revoke".to_owned(),
            "/signout".to_owned(),
        ];
        for path in forms {
            for fields in [&[][..], &[("csrf", "wrong")][..]] {
                let answer = app.form(&path, fields).header("cookie", &app.cookie).send().await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {fields:?}: {}", answer.text());
            }
            let stranger = app.form(&path, &[]).send().await;
            assert_eq!(stranger.header("location"), Some("/signin"), "{path}");
        }
        assert_eq!(app.read(&format!("/api/runs/{run}")).await["status"], "waiting");
    }

    #[tokio::test]
    async fn a_workflow_is_made_run_changed_and_deleted() {
        let app = TestApp::new().await;
        let csrf = token(&app).await;
        let send = |path: String, fields: Vec<(&'static str, String)>| {
            let mut all = vec![("csrf", csrf.clone())];
            all.extend(fields);
            let pairs: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
            app.form(&path, &pairs).header("cookie", &app.cookie)
        };
        let text = crate::support::document("greeting", "0.1.0", GREET);
        let made =
            send("/dashboard/workflows".into(), vec![("action", "create".into()), ("definition", text)])
                .send()
                .await;
        assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text());
        let path = made.header("location").unwrap().strip_suffix("?done=created").unwrap().to_owned();

        let page = app.page(&path).header("cookie", &app.cookie).send().await;
        super::assert_sound(&path, &page);
        let bad = send(format!("{path}/runs"), vec![("input", "{\"name\": <b>".into())]).send().await;
        assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
        let shown = bad.text();
        assert!(
            shown.contains("id=\"input-error\"") && shown.contains("{&quot;name&quot;: &lt;b&gt;"),
            "{shown}"
        );
        let started =
            send(format!("{path}/runs"), vec![("input", "{\"name\": \"Ada\"}".into())]).send().await;
        let run = started.header("location").unwrap().to_owned();
        assert!(run.starts_with("/dashboard/runs/run_"));

        let edit = app.page(&format!("{path}/edit")).header("cookie", &app.cookie).send().await.text();
        assert!(edit.contains("version: '0.1.1'"), "the next version is suggested: {edit}");
        let text = crate::support::document("greeting", "0.1.1", GREET);
        let saved =
            send(format!("{path}/edit"), vec![("action", "save".into()), ("definition", text)]).send().await;
        assert_eq!(
            saved.header("location"),
            Some(format!("{path}?done=version").as_str()),
            "{}",
            saved.text()
        );
        let old =
            app.page(&format!("{path}?version=0.1.0")).header("cookie", &app.cookie).send().await.text();
        assert!(old.contains("Definition, version 0.1.0"));

        let unsure = send(format!("{path}/delete"), vec![]).send().await;
        assert_eq!(unsure.status, StatusCode::UNPROCESSABLE_ENTITY, "the box is not ticked");
        let deleted = send(format!("{path}/delete"), vec![("confirm", "yes".into())]).send().await;
        assert_eq!(deleted.header("location"), Some("/dashboard/workflows?done=deleted"));
        assert_eq!(app.page(&path).header("cookie", &app.cookie).send().await.status, StatusCode::NOT_FOUND);
        let run = app.page(&run).header("cookie", &app.cookie).send().await;
        assert_eq!(run.status, StatusCode::OK, "runs outlive their workflow");
    }

    #[tokio::test]
    async fn errors_of_a_document_are_shown_with_their_lines_and_keep_the_text() {
        let app = TestApp::new().await;
        let csrf = token(&app).await;
        let text = crate::support::document(
            "broken",
            "0.1.0",
            "do:\n  - a:\n      set: {}\n  - b:\n      fly: </textarea><script>\n",
        );
        for action in ["create", "check"] {
            let fields = [("csrf", csrf.as_str()), ("action", action), ("definition", text.as_str())];
            let page = app.form("/dashboard/workflows", &fields).header("cookie", &app.cookie).send().await;
            assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
            let shown = page.text();
            assert!(
                shown.contains("data-line=\"") && shown.contains("fly: &lt;/textarea&gt;&lt;script&gt;"),
                "{shown}"
            );
            assert!(!shown.contains("</textarea><script>"));
        }
        let fields = [("csrf", csrf.as_str()), ("action", "check"), ("definition", "a: [")];
        let shown =
            app.form("/dashboard/workflows", &fields).header("cookie", &app.cookie).send().await.text();
        assert!(shown.contains("line 1"), "{shown}");
    }

    #[tokio::test]
    async fn a_sentence_becomes_a_draft_to_edit() {
        let app = TestApp::new().await;
        let page = app
            .page("/dashboard/workflows/new?sentence=Every%20hour%2C%20fetch%20https%3A%2F%2Fa.example%2Fx")
            .header("cookie", &app.cookie)
            .send()
            .await;
        let text = page.text();
        assert!(text.contains("endpoint: https://a.example/x") && text.contains("What it will do"), "{text}");
        let short =
            app.page("/dashboard/workflows/new?sentence=x").header("cookie", &app.cookie).send().await;
        assert_eq!(short.status, StatusCode::UNPROCESSABLE_ENTITY);
    }

    #[tokio::test]
    async fn a_run_page_shows_tasks_errors_and_what_can_be_done() {
        let app = TestApp::new().await;
        let faulty = app.save("faulty", FAULT).await;
        let input = serde_json::json!({ "note": "<img src=x onerror=alert(1)>" });
        let run = app.start(&faulty, 10, &input).await;
        let path = format!("/dashboard/runs/{}", run["run_id"].as_str().unwrap());
        let page = app.page(&path).header("cookie", &app.cookie).send().await;
        super::assert_sound(&path, &page);
        let text = page.text();
        for part in [
            "faulted",
            "https://example.com/errors/no",
            "Retry from the failed task",
            "Run again",
            "id=\"task-1\"",
            "data-live=\"done\"",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("<img"), "input is text");
        let data = app.page(&format!("{path}/data/input")).header("cookie", &app.cookie).send().await;
        assert_eq!(data.header("content-type"), Some("application/json"));
        assert_eq!(data.json(), input);
        let task = app.page(&format!("{path}/tasks/1/error")).header("cookie", &app.cookie).send().await;
        assert_eq!(task.json()["status"], 418);
        for missing in ["data/output", "data/secret", "tasks/9/input", "tasks/1/output"] {
            let answer = app.page(&format!("{path}/{missing}")).header("cookie", &app.cookie).send().await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{missing}");
        }
        let csrf = csrf(&page);
        let again = app
            .form(&format!("{path}/retry"), &[("csrf", &csrf), ("from", "start")])
            .header("cookie", &app.cookie)
            .send()
            .await;
        let location = again.header("location").unwrap();
        assert!(location.ends_with("?done=again") && !location.starts_with(&path), "{location}");
    }

    #[tokio::test]
    async fn a_live_run_says_what_it_waits_for_and_is_cancelled() {
        let app = TestApp::new().await;
        let waiting = app.save("waiting", WAIT).await;
        let run = app.start(&waiting, 0, &serde_json::json!({})).await;
        let id = run["run_id"].as_str().unwrap();
        let path = format!("/dashboard/runs/{id}");
        let text = app.page(&path).header("cookie", &app.cookie).send().await.text();
        for part in [
            "data-live=\"on\"",
            &format!("data-events=\"/api/runs/{id}/events\""),
            "This run waits until 2026-11-24 13:00:00 UTC",
            "http-equiv=\"refresh\"",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let page = app.page(&path).header("cookie", &app.cookie).send().await;
        let csrf = csrf(&page);
        let cancelled = app
            .form(&format!("{path}/cancel"), &[("csrf", &csrf)])
            .header("cookie", &app.cookie)
            .send()
            .await;
        assert_eq!(cancelled.header("location"), Some(format!("{path}?done=cancelled").as_str()));
        let twice = app
            .form(&format!("{path}/cancel"), &[("csrf", &csrf)])
            .header("cookie", &app.cookie)
            .send()
            .await;
        assert_eq!(twice.status, StatusCode::CONFLICT);
    }

    #[tokio::test]
    async fn runs_are_filtered_and_paged() {
        let app = TestApp::new().await;
        let greet = app.save("greet", GREET).await;
        let faulty = app.save("faulty", FAULT).await;
        for _ in 0..51 {
            app.start(&greet, 0, &serde_json::json!({})).await;
        }
        app.start(&faulty, 10, &serde_json::json!({})).await;
        let rows = async |path: &str| {
            let text = app.page(path).header("cookie", &app.cookie).send().await.text();
            (text.matches("class=\"main\" href=\"/dashboard/runs/run_").count(), text)
        };
        let (shown, text) = rows("/dashboard/runs").await;
        assert_eq!(shown, 50);
        let next = text
            .split("rel=\"next\"")
            .next()
            .unwrap()
            .rsplit("href=\"")
            .next()
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        assert_eq!(rows(&next.replace("&amp;", "&")).await.0, 2);
        assert_eq!(rows("/dashboard/runs?status=faulted").await.0, 1);
        assert_eq!(rows(&format!("/dashboard/runs?workflow={faulty}&status=")).await.0, 1);
        assert!(rows("/dashboard/runs?status=cancelled").await.1.contains("No run matches"));
        let odd = app.page("/dashboard/runs?status=lost").header("cookie", &app.cookie).send().await;
        assert_eq!(odd.status, StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn a_key_is_shown_once_and_revoked() {
        let app = TestApp::new().await;
        let page = app.page("/dashboard/keys").header("cookie", &app.cookie).send().await;
        let csrf = csrf(&page);
        let fields = [("csrf", csrf.as_str()), ("name", "nightly <export>"), ("role", "viewer")];
        let made = app.form("/dashboard/keys", &fields).header("cookie", &app.cookie).send().await;
        assert_eq!((made.status, made.header("cache-control")), (StatusCode::CREATED, Some("no-store")));
        let text = made.text();
        let key = text.split("id=\"new-key\">").nth(1).unwrap().split('<').next().unwrap();
        assert_eq!(app.get("/api/workflows").key(key).send().await.status, StatusCode::OK);
        let again = app.page("/dashboard/keys").header("cookie", &app.cookie).send().await.text();
        assert!(!again.contains(key) && again.contains("nightly &lt;export&gt;"));
        let before = again.split("nightly &lt;export&gt;” now").next().unwrap();
        let revoke = before.rsplit("action=\"").next().unwrap().split('"').next().unwrap();
        let revoked = app.form(revoke, &[("csrf", &csrf)]).header("cookie", &app.cookie).send().await;
        assert_eq!(revoked.header("location"), Some("/dashboard/keys?done=revoked"));
        assert_eq!(app.get("/api/workflows").key(key).send().await.status, StatusCode::UNAUTHORIZED);
        let empty = app
            .form("/dashboard/keys", &[("csrf", &csrf), ("name", " "), ("role", "admin")])
            .header("cookie", &app.cookie)
            .send()
            .await;
        assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
        let text = empty.text();
        assert!(
            text.contains("id=\"name-error\"") && text.contains("<option value=\"admin\" selected"),
            "{text}"
        );
    }
}
