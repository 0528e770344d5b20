//! The pages as a person uses them: signing in, a workflow from a sentence, a run that is watched and retried.

use fantoccini::Locator;
use levqor_model::{Clock, SystemClock};
use levqor_testkit::{HttpStub, Reply, Route, temp_dir, wait_for};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    api::Levqor,
    browser::{Browser, LOOKS, Look},
};

const LIGHT: Look = LOOKS[0];

/// Opens the link that the server told at its start, and confirms.
async fn sign_in(browser: &Browser, levqor: &Levqor) {
    let link = levqor.server.line("/signin/link/").await.unwrap();
    browser.go(link.trim()).await;
    browser.click("main form button").await;
    wait_for("the dashboard", || async {
        let url = browser.client.current_url().await.ok()?;
        url.path().starts_with("/dashboard").then_some(())
    })
    .await;
}

/// Waits until the page says `text`.
async fn says(browser: &Browser, text: &str) {
    wait_for(&format!("the page to say {text:?}"), || async {
        let source = browser.client.find(Locator::Css("body")).await.ok()?.text().await.ok()?;
        source.contains(text).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_person_makes_a_workflow_from_a_sentence_watches_it_fail_and_retries_it() {
    let stub = HttpStub::start().await;
    stub.route(Route::new("/orders").reply(Reply::json(&json!([{ "id": 1, "total": 250 }]))));
    stub.route(
        Route::new("/alert").replies(1, Reply::status(503)).reply(Reply::json(&json!({ "ok": true }))),
    );
    let directory = temp_dir();
    let levqor = Levqor::first(directory.path()).await;
    let browser = Browser::open(LIGHT).await;
    // Without a session the console sends people to sign in.
    browser.go(&levqor.server.url("/dashboard")).await;
    assert_eq!(browser.client.current_url().await.unwrap().path(), "/signin");
    sign_in(&browser, &levqor).await;
    browser.go(&levqor.server.url("/dashboard/workflows/new")).await;
    let sentence = format!(
        "Every weekday at 9am London time, fetch the orders from {} and if any total is over 100 post them to {}",
        stub.url("/orders"),
        stub.url("/alert")
    );
    browser.type_into("#sentence", &sentence).await;
    browser.click("form[action='/dashboard/workflows/new'] button").await;
    says(&browser, "Every weekday at 09:00 Europe/London").await;
    browser.picture("draft").await;
    browser.click("button[value='create']").await;
    says(&browser, "Start").await;
    browser.click("form[action$='/runs'] button").await;
    says(&browser, "Retry from the failed task").await;
    browser.picture("run-faulted").await;
    browser.check_manners("a faulted run").await;
    browser.click("form[action$='/retry'] button").await;
    says(&browser, "completed").await;
    assert_eq!(stub.requests_to("/orders").len(), 1, "what had succeeded was kept");
    assert_eq!(stub.requests_to("/alert").len(), 2);
    browser.picture("run-completed").await;
    browser.close().await;
}

#[tokio::test]
async fn a_running_run_is_drawn_live() {
    let stub = HttpStub::start().await;
    let directory = temp_dir();
    let levqor = Levqor::first(directory.path()).await;
    let call = json!({ "call": "http", "with": { "method": "get", "endpoint": stub.url("/gate") } });
    let definition = json!({
        "document": { "dsl": "1.0.3", "namespace": "t", "name": "gated", "version": "0.1.0" },
        "do": [
            { "call": { "try": [{ "knock": call }], "catch": { "retry": { "delay": { "milliseconds": 300 }, "limit": { "attempt": { "count": 500 } } } } } },
            { "lastWord": { "set": { "through": true } } },
        ],
    });
    stub.route(Route::new("/gate").reply(Reply::status(503)));
    let workflow = levqor.create(&definition).await;
    let run = levqor.start(&workflow, &json!({})).await;
    let browser = Browser::open(LIGHT).await;
    sign_in(&browser, &levqor).await;
    browser.go(&levqor.server.url(&format!("/dashboard/runs/{}", run["run_id"].as_str().unwrap()))).await;
    says(&browser, "running").await;
    // Nothing is clicked or loaded again: the page hears of it.
    stub.route(Route::new("/gate").reply(Reply::json(&json!({ "open": true }))));
    says(&browser, "lastWord").await;
    says(&browser, "completed").await;
    browser.close().await;
}

#[tokio::test]
async fn a_person_suspends_a_run_lets_it_go_on_and_runs_it_again_with_changes() {
    let stub = HttpStub::start().await;
    stub.route(Route::new("/gate").reply(Reply::status(503)));
    let directory = temp_dir();
    let levqor = Levqor::first(directory.path()).await;
    let call = json!({ "call": "http", "with": { "method": "get", "endpoint": stub.url("/gate") } });
    let definition = json!({
        "document": { "dsl": "1.0.3", "namespace": "t", "name": "held", "version": "0.1.0" },
        "do": [
            { "call": { "try": [{ "knock": call }], "catch": { "retry": { "delay": { "seconds": 3 }, "limit": { "attempt": { "count": 5000 } } } } } },
            { "check": { "if": "${ $workflow.input.fail == true }", "raise": { "error": { "type": "https://example.com/errors/no", "status": 418, "title": "No" } } } },
        ],
    });
    let workflow = levqor.create(&definition).await;
    let run = levqor.start(&workflow, &json!({ "input": { "fail": true } })).await;
    let path = format!("/dashboard/runs/{}", run["run_id"].as_str().unwrap());
    let browser = Browser::open(LIGHT).await;
    sign_in(&browser, &levqor).await;
    browser.go(&levqor.server.url(&path)).await;
    browser.click("form[action$='/suspend'] button").await;
    says(&browser, "This run is suspended by").await;
    browser.picture("run-suspended").await;
    browser.check_manners("a suspended run").await;
    stub.route(Route::new("/gate").reply(Reply::json(&json!({ "open": true }))));
    browser.click("form[action$='/resume'] button").await;
    says(&browser, "Retry from the failed task").await;
    browser.click("a[href$='/retry']").await;
    says(&browser, "What to begin from, and with what").await;
    browser.picture("run-again").await;
    browser.check_manners("the form to run again").await;
    browser.type_into("#input", "{\"fail\": false}").await;
    browser.click("form[action$='/retry'] button").await;
    says(&browser, "This is a new run.").await;
    says(&browser, "completed").await;
    browser.close().await;
}

/// Incidents as the API has them: one that people deal with, and one that is over and written up. Their ids.
async fn incidents(levqor: &Levqor) -> (String, String) {
    let post = async |path: &str, body: &Value| {
        let (status, answer) = levqor.call(Method::POST, path, Some(body)).await;
        assert!(matches!(status, 200 | 201), "{path}: {status} {answer}");
        answer
    };
    let open = async |title: &str, level: &str, part: &str| {
        let body = json!({
            "title": title, "level": level, "components": [part], "public": true,
            "text": "Since a few minutes some messages are refused. We look into it.",
        });
        let opened = post("/api/ops/incidents", &body).await;
        let id = opened["id"].as_str().unwrap().to_owned();
        let path = format!("/api/ops/incidents/{id}");
        post(&format!("{path}/acknowledge"), &json!({})).await;
        let noted =
            post(&format!("{path}/notes"), &json!({ "text": "The disk of the second node is full." })).await;
        let update = json!({
            "version": noted["version"], "state": "identified", "public": true,
            "text": "A disk is full; we make room.",
        });
        post(&format!("{path}/updates"), &update).await;
        let item =
            json!({ "text": "Alert before a disk is full", "due": SystemClock.now().date().plus_days(7) });
        post(&format!("{path}/action-items"), &item).await;
        id
    };
    let over = open("Runs are late", "l3", "eu-west/engine").await;
    let path = format!("/api/ops/incidents/{over}");
    let seen = levqor.get(&path).await;
    let end = json!({ "version": seen["version"], "text": "There is room again.", "public": true });
    assert_eq!(post(&format!("{path}/resolve"), &end).await["state"], "resolved");
    let words = json!({ "part": "root_cause", "text": "Logs of **one** workflow filled the disk." });
    let written = post(&format!("{path}/postmortem/append"), &words).await;
    assert!(written["text"].as_str().unwrap().contains("filled the disk"), "{written}");
    (open("Hooks fail", "l2", "eu-west/hooks").await, over)
}

/// Every page that a signed-in operator can open, with a name for its picture.
async fn pages(levqor: &Levqor) -> Vec<(&'static str, String)> {
    let workflows = levqor.get("/api/workflows").await;
    let sample = workflows["workflows"][0]["id"].as_str().unwrap().to_owned();
    let run = levqor.start(&sample, &json!({ "wait_seconds": 30 })).await;
    let run = run["run_id"].as_str().unwrap().to_owned();
    let held = json!({
        "document": { "dsl": "1.0.3", "namespace": "t", "name": "held", "version": "0.1.0" },
        "do": [{ "pause": { "wait": { "hours": 1 } } }],
    });
    let held =
        levqor.start(&levqor.create(&held).await, &json!({})).await["run_id"].as_str().unwrap().to_owned();
    let (status, body) = levqor.call(Method::POST, &format!("/api/runs/{held}/suspend"), None).await;
    assert_eq!(status, 200, "{body}");
    let (going_on, over) = incidents(levqor).await;
    vec![
        ("home", "/".to_owned()),
        ("status", "/status".to_owned()),
        ("docs", "/docs".to_owned()),
        ("guide", "/docs/workflows".to_owned()),
        ("problem", "/docs/problems/invalid-workflow".to_owned()),
        ("api", "/docs/api".to_owned()),
        ("dashboard", "/dashboard".to_owned()),
        ("workflows", "/dashboard/workflows".to_owned()),
        ("new", "/dashboard/workflows/new".to_owned()),
        ("workflow", format!("/dashboard/workflows/{sample}")),
        ("edit", format!("/dashboard/workflows/{sample}/edit")),
        ("runs", "/dashboard/runs".to_owned()),
        ("run", format!("/dashboard/runs/{run}")),
        ("run-held", format!("/dashboard/runs/{held}")),
        ("run-retry", format!("/dashboard/runs/{run}/retry")),
        ("keys", "/dashboard/keys".to_owned()),
        ("members", "/dashboard/members".to_owned()),
        ("account", "/dashboard/account".to_owned()),
        ("admin", "/admin".to_owned()),
        ("admin-customers", "/admin/customers".to_owned()),
        ("admin-audit", "/admin/audit".to_owned()),
        ("admin-keys", "/admin/keys".to_owned()),
        ("admin-tamper", "/admin/tamper".to_owned()),
        ("admin-drift", "/admin/drift".to_owned()),
        ("admin-status", "/admin/status".to_owned()),
        ("admin-accounts", "/admin/accounts".to_owned()),
        ("admin-alerts", "/admin/alerts".to_owned()),
        ("admin-notifications", "/admin/notifications".to_owned()),
        ("admin-slos", "/admin/slos".to_owned()),
        ("admin-jobs", "/admin/jobs".to_owned()),
        ("admin-probes", "/admin/probes".to_owned()),
        ("admin-incidents", "/admin/incidents".to_owned()),
        ("admin-incident", format!("/admin/incidents/{going_on}")),
        ("admin-incident-over", format!("/admin/incidents/{over}")),
        ("admin-postmortem", format!("/admin/incidents/{over}/postmortem")),
        ("admin-job", "/admin/jobs/daily_ops_summary".to_owned()),
        ("nowhere", "/no/such/page".to_owned()),
    ]
}

#[tokio::test]
async fn every_page_has_manners_in_light_and_dark_and_on_a_phone() {
    for look in LOOKS {
        let directory = temp_dir();
        let levqor = Levqor::first(directory.path()).await;
        let pages = pages(&levqor).await;
        let browser = Browser::open(*look).await;
        browser.go(&levqor.server.url("/signin")).await;
        browser.check_manners("/signin").await;
        browser.picture(&format!("signin-{}", look.name)).await;
        sign_in(&browser, &levqor).await;
        let mut found = Vec::new();
        for (name, path) in &pages {
            browser.go(&levqor.server.url(path)).await;
            browser.picture(&format!("{name}-{}", look.name)).await;
            browser.check_manners(&format!("{path} ({})", look.name)).await;
            found.extend(
                browser.axe().await.into_iter().map(|fault| format!("{path} ({}): {fault}", look.name)),
            );
            let dark = browser.script("return matchMedia('(prefers-color-scheme: dark)').matches").await;
            assert_eq!(dark, look.dark, "the browser asks for the look");
        }
        assert_eq!(found, Vec::<String>::new());
        browser.close().await;
    }
}

#[tokio::test]
async fn an_incident_is_watched_while_somebody_writes() {
    let directory = temp_dir();
    let levqor = Levqor::first(directory.path()).await;
    let (going_on, _) = incidents(&levqor).await;
    let browser = Browser::open(LIGHT).await;
    sign_in(&browser, &levqor).await;
    browser.go(&levqor.server.url(&format!("/admin/incidents/{going_on}"))).await;
    says(&browser, "The disk of the second node is full.").await;
    browser.type_into("#say-text", "There is room").await;
    let path = format!("/api/ops/incidents/{going_on}/notes");
    let body = json!({ "text": "It was a log of yesterday." });
    let (status, noted) = levqor.call(Method::POST, &path, Some(&body)).await;
    assert_eq!(status, 200, "{noted}");
    // Nothing is clicked or loaded again, and what was typed stays.
    says(&browser, "It was a log of yesterday.").await;
    let typed = browser.script("return document.querySelector('#say-text').value").await;
    assert_eq!(typed, "There is room");
    browser.close().await;
}

#[tokio::test]
async fn the_keyboard_reaches_the_content() {
    let directory = temp_dir();
    let levqor = Levqor::first(directory.path()).await;
    let browser = Browser::open(LIGHT).await;
    browser.go(&levqor.server.url("/")).await;
    let body = browser.client.find(Locator::Css("body")).await.unwrap();
    body.send_keys("\u{e004}").await.unwrap();
    let first = browser.script("return document.activeElement.getAttribute('href')").await;
    assert_eq!(first, "#main", "the first stop skips to the content");
    let outline = browser.script("return getComputedStyle(document.activeElement).outlineStyle").await;
    assert_ne!(outline, "none", "the focus is visible");
    browser.close().await;
}
