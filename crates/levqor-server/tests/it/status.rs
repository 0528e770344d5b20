//! The status page and what belongs to it, through the whole gateway.

use std::{future::poll_fn, path::Path, pin::pin, task::Poll, time::Duration};

use http::{Method, StatusCode};
use levqor_model::{
    PublicKey, Timestamp,
    uptime::{Observation, SignedUptime, UptimeRecord},
};
use levqor_server::features::status_page::{keep, seal_uptime, tell_maintenance};
use levqor_store::{Options, Place, audit::Filter, health::Sample};
use serde_json::{Value, json};

use crate::{
    pages::{Browser, csrf},
    support::{Answer, TestApp, sign_in_operator},
};

/// Samples of the parts that every region has, taken now.
async fn observe(test: &TestApp, words: &[(&str, bool)]) {
    let sample = |(component, good): &(&str, bool)| Sample {
        region: "eu-west".parse().unwrap(),
        node: test.app.node,
        component: (*component).to_owned(),
        at: test.app.now(),
        good: *good,
        latency_us: good.then_some(1_500),
        reason: (!good).then(|| "no answer".to_owned()),
    };
    test.store.add_samples(words.iter().map(sample).collect()).await.unwrap();
}

const WELL: [(&str, bool); 3] = [("api", true), ("database", true), ("engine", true)];

async fn state(test: &TestApp) -> String {
    let answer = test.get("/api/status").send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()["status"].as_str().unwrap().to_owned()
}

async fn operate(test: &TestApp, method: Method, path: &str, body: &Value) -> Answer {
    test.call(method, path).key(&test.keys.operator).json(body).send().await
}

/// Messages that wait to go out: where to, subject, body and data.
fn outbox(database: &Path) -> Vec<(String, String, String, Value)> {
    let connection = rusqlite::Connection::open(database).unwrap();
    let mut statement = connection
        .prepare("SELECT target, subject, body, data FROM notifications ORDER BY created_at, id")
        .unwrap();
    let rows = statement.query_map([], |row| {
        let data: String = row.get(3)?;
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, serde_json::from_str(&data).unwrap()))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

async fn on_file() -> (tempfile::TempDir, std::path::PathBuf, TestApp) {
    let directory = levqor_testkit::temp_dir();
    let path = directory.path().join("levqor.db");
    let options = Options { place: Place::File(path.clone()), ..Options::default() };
    let test = TestApp::over(options, |_| {}).await.mailing("smtp://127.0.0.1:9").await;
    (directory, path, test)
}

#[tokio::test]
async fn it_is_served_from_memory_when_the_database_is_away_and_turns_unknown() {
    let test = TestApp::new().await;
    observe(&test, &WELL).await;
    keep(&test.app).await;
    assert_eq!(state(&test).await, "operational");
    test.store.close().await;
    test.advance(5);
    keep(&test.app).await;
    let page = test.page("/status").header("cookie", &test.cookie).send().await;
    assert_eq!(page.status, StatusCode::OK);
    let text = page.text();
    assert!(text.contains("class=\"verdict good\"") && text.contains("data-evidence-age=\"5.0\""), "{text}");
    assert!(
        text.contains("cannot be read from the database now") && text.contains("2026-11-24 12:00:00 UTC")
    );
    let told = test.get("/api/status").send().await.json();
    assert_eq!((&told["database_readable"], &told["status"]), (&json!(false), &json!("operational")));
    // Nobody makes it anew: whoever asks finds out by themselves.
    test.advance(10);
    assert_eq!(state(&test).await, "operational", "15 s");
    test.advance(1);
    assert_eq!(state(&test).await, "unknown");
    let text = test.page("/status").send().await.text();
    assert!(text.contains("class=\"verdict idle\"") && text.contains("Unknown: there is no fresh evidence"));
    for path in
        ["/api/v2/summary.json", "/status/badge.svg", "/status/history.atom", "/status/maintenance.ics"]
    {
        assert_eq!(test.get(path).send().await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn nobody_waits_for_the_first_look_at_the_database() {
    // Now and then the store has answered before anybody can ask.
    for _ in 0..50 {
        let test = TestApp::new().await;
        observe(&test, &WELL).await;
        // The job has begun, and the database takes its time.
        let mut first = pin!(keep(&test.app));
        let waits = poll_fn(|context| Poll::Ready(first.as_mut().poll(context).is_pending())).await;
        let asked = test.get("/api/status").send();
        let told = tokio::time::timeout(Duration::from_secs(10), asked).await.unwrap().json();
        if !waits || told["database_readable"] == true {
            continue;
        }
        assert_eq!(told["status"], "unknown", "what nobody has seen is not good: {told}");
        first.await;
        assert_eq!(state(&test).await, "operational");
        return;
    }
    panic!("the store never took its time");
}

#[tokio::test]
async fn what_was_made_is_known_again_and_shared() {
    let test = TestApp::new().await;
    observe(&test, &WELL).await;
    keep(&test.app).await;
    for path in ["/status", "/api/status", "/api/v2/summary.json"] {
        let first = test.get(path).send().await;
        let tag = first.header("etag").unwrap().to_owned();
        assert_eq!(first.header("cache-control"), Some("public, max-age=1, must-revalidate"), "{path}");
        let again = test.get(path).header("if-none-match", &tag).open().await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
        let small = test.get(path).header("accept-encoding", "gzip").open().await;
        assert_eq!(small.headers()["content-encoding"], "gzip", "{path}");
        let shared = first.header("access-control-allow-origin");
        assert_eq!(shared, (path != "/status").then_some("*"), "{path}");
    }
}

#[tokio::test]
async fn operators_make_it_worse_with_words_for_a_while() {
    let test = TestApp::new().await;
    observe(&test, &WELL).await;
    let path = "/api/ops/status/declarations";
    let body = |state: Value, until: &str| json!({ "part": "eu-west/engine", "state": state, "words": "runs are <slow>", "until": until });
    let rows = [
        (body(json!("operational"), "2026-11-24T13:00:00Z"), "/state", "cannot be better than measured"),
        (body(json!("odd"), "2026-11-24T13:00:00Z"), "/state", "degraded or down"),
        (body(json!(null), "2026-11-24T12:00:00Z"), "/until", "is over"),
        (body(json!(null), "2026-12-24T12:00:00Z"), "/until", "more than 7 days"),
        (
            json!({ "part": "eu-west/motor", "words": "x", "until": "2026-11-24T13:00:00Z" }),
            "/part",
            "names nothing that is observed; there are eu-west/api",
        ),
        (json!({ "part": "*/*", "words": " ", "until": "2026-11-24T13:00:00Z" }), "/words", "is empty"),
    ];
    for (body, pointer, words) in rows {
        let answer = operate(&test, Method::POST, path, &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let error = answer.json()["errors"][0].clone();
        assert_eq!(error["pointer"], pointer, "{body}");
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
    }
    let said = operate(&test, Method::POST, path, &body(json!("degraded"), "2026-11-24T12:00:14Z")).await;
    assert_eq!(said.status, StatusCode::CREATED, "{}", said.text());
    let found = test.get("/api/status").send().await.json();
    let engine = &found["regions"][0]["components"][2];
    assert_eq!((&engine["status"], &engine["measured"]), (&json!("degraded"), &json!("operational")));
    assert_eq!(found["status"], "degraded");
    assert_eq!(found["declarations"][0]["words"], "runs are <slow>");
    assert_eq!(found["declarations"][0]["by"], Value::Null, "who said it is for operators");
    let text = test.page("/status").send().await.text();
    assert!(text.contains("runs are &lt;slow&gt;") && text.contains("Measured as operational"), "{text}");
    test.advance(14);
    observe(&test, &WELL).await;
    assert_eq!(state(&test).await, "operational", "it has ended");
    let down = operate(&test, Method::POST, path, &body(json!("down"), "2026-11-24T13:00:00Z")).await.json();
    assert_eq!(state(&test).await, "degraded");
    let path = format!("{path}/{}/withdraw", down["id"].as_str().unwrap());
    let gone = operate(&test, Method::POST, &path, &json!({})).await;
    assert_eq!(gone.status, StatusCode::OK);
    assert_eq!(state(&test).await, "operational");
    // What is measured as down stays so, whatever is said.
    // A node has one word for each moment.
    test.advance(1);
    observe(&test, &[("database", false)]).await;
    operate(
        &test,
        Method::POST,
        "/api/ops/status/declarations",
        &json!({ "part": "*/*", "words": "all is well", "until": "2026-11-24T13:00:00Z" }),
    )
    .await;
    test.advance(4);
    assert_eq!(state(&test).await, "down");
    let records =
        test.store.audit_records(Filter { kind: Some("status".to_owned()), ..Filter::default() }, None, 10);
    let kinds: Vec<String> = records.await.unwrap().into_iter().map(|record| record.kind).collect();
    assert_eq!(kinds, ["status.declared", "status.withdrawn", "status.declared", "status.declared"]);
}

#[tokio::test]
async fn maintenance_is_planned_told_and_hides_nothing() {
    let (_directory, database, test) = on_file().await;
    observe(&test, &WELL).await;
    subscribe_and_confirm(&test, &database, "ada@example.com").await;
    let plan = json!({
        "title": "A new disk", "words": "Runs wait.", "parts": ["eu-west/database"],
        "starts_at": "2026-11-24T12:10:00Z", "ends_at": "2026-11-24T12:20:00Z",
    });
    let made = operate(&test, Method::POST, "/api/ops/maintenance", &plan).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let phase = async || {
        let found = test.get("/api/v2/scheduled-maintenances.json").send().await.json();
        found["scheduled_maintenances"][0]["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(phase().await, "scheduled");
    let early = operate(&test, Method::POST, &format!("/api/ops/maintenance/{id}/end"), &json!({})).await;
    assert_eq!((early.status, early.problem().as_str()), (StatusCode::CONFLICT, "maintenance-phase"));
    test.advance(600);
    observe(&test, &WELL).await;
    for _ in 0..2 {
        tell_maintenance(&test.app).await.unwrap();
    }
    assert_eq!(phase().await, "in_progress");
    let summary = test.get("/api/v2/summary.json").send().await.json();
    let database_there = |summary: &Value| {
        let all = summary["components"].as_array().unwrap();
        all.iter().find(|one| one["name"] == "Database").unwrap()["status"].clone()
    };
    assert_eq!(database_there(&summary), "under_maintenance");
    let group = summary["components"].as_array().unwrap().iter().find(|one| one["group"] == json!(true));
    assert_eq!(group.unwrap()["status"], "under_maintenance", "as what is in it");
    assert_eq!(summary["status"]["indicator"], "maintenance");
    // An outage is one, also now.
    test.advance(1);
    observe(&test, &[("database", false)]).await;
    test.advance(4);
    let summary = test.get("/api/v2/summary.json").send().await.json();
    assert_eq!(database_there(&summary), "major_outage");
    assert_eq!((state(&test).await.as_str(), &summary["status"]["indicator"]), ("down", &json!("critical")));
    test.advance(700);
    tell_maintenance(&test.app).await.unwrap();
    assert_eq!(phase().await, "completed");
    let told: Vec<String> = outbox(&database).into_iter().skip(1).map(|(_, subject, ..)| subject).collect();
    assert_eq!(
        told,
        [
            "Maintenance is scheduled: A new disk",
            "Maintenance has begun: A new disk",
            "Maintenance is over: A new disk"
        ]
    );
    let (target, _, body, data) = outbox(&database).pop().unwrap();
    assert!(target.starts_with("subscription:sub_"), "{target}");
    assert!(body.contains("/status/unsubscribe/") && data["unsubscribe_url"].is_string(), "{body}");
    let calendar = test.get("/status/maintenance.ics").send().await;
    assert_eq!(calendar.header("content-type"), Some("text/calendar; charset=utf-8"));
    assert!(calendar.text().contains("SUMMARY:Levqor maintenance: A new disk\r\n"), "{}", calendar.text());
    let feed = test.get("/status/history.atom").send().await;
    assert_eq!(feed.header("content-type"), Some("application/atom+xml; charset=utf-8"));
    assert!(feed.text().contains("<title>Maintenance: A new disk</title>"), "{}", feed.text());
    // One that has not begun is called off.
    let later = json!({
        "title": "Another", "parts": ["*/*"], "starts_at": "2026-11-25T12:00:00Z", "ends_at": "2026-11-25T13:00:00Z",
    });
    let later = operate(&test, Method::POST, "/api/ops/maintenance", &later).await.json();
    let path = format!("/api/ops/maintenance/{}/cancel", later["id"].as_str().unwrap());
    let cancelled = operate(&test, Method::POST, &path, &json!({ "reason": "no disk" })).await.json();
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(outbox(&database).pop().unwrap().1, "Maintenance does not take place: Another");
    assert!(!test.get("/status/maintenance.ics").send().await.text().contains("Another"));
}

#[tokio::test]
async fn maintenance_is_listed_page_by_page() {
    let (_directory, _database, test) = on_file().await;
    observe(&test, &WELL).await;
    for (title, day) in [("second", 26), ("first", 25), ("third", 27)] {
        let plan = json!({
            "title": title, "parts": ["*/*"], "starts_at": format!("2026-11-{day}T12:00:00Z"),
            "ends_at": format!("2026-11-{day}T13:00:00Z"),
        });
        let made = operate(&test, Method::POST, "/api/ops/maintenance", &plan).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    }
    let page = async |query: &str| {
        let path = format!("/api/ops/maintenance?{query}");
        let answer = test.get(&path).key(&test.keys.operator).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let list = answer.json();
        let windows = list["maintenance"].as_array().unwrap().iter();
        let titles: Vec<_> = windows.map(|one| one["title"].as_str().unwrap().to_owned()).collect();
        (titles.join(" "), list["next_cursor"].as_str().map(str::to_owned))
    };
    let (titles, next) = page("limit=2").await;
    assert_eq!(titles, "first second");
    assert_eq!(page(&format!("limit=2&cursor={}", next.unwrap())).await, ("third".to_owned(), None));
    assert_eq!(page("").await, ("first second third".to_owned(), None));
}

/// The last message's link of that kind, as a path.
fn link(database: &Path, member: &str) -> String {
    let (.., data) = outbox(database).pop().unwrap();
    let url = data[member].as_str().unwrap_or_else(|| panic!("{member} in {data}")).to_owned();
    url.strip_prefix("http://127.0.0.1:8000").unwrap().to_owned()
}

async fn subscribe_and_confirm(test: &TestApp, database: &Path, email: &str) {
    let asked = test.post("/api/status/subscriptions").json(&json!({ "email": email })).send().await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.text());
    let confirmed = test.form(&link(database, "confirm_url"), &[]).send().await;
    assert_eq!(confirmed.status, StatusCode::OK, "{}", confirmed.text());
}

#[tokio::test]
async fn people_subscribe_confirm_and_leave_with_one_click() {
    let (_directory, database, test) = on_file().await;
    let ask = async |body: Value, from: &str| {
        test.post("/api/status/subscriptions").from(from).json(&body).send().await
    };
    let first = ask(json!({ "email": "Ada@Example.com", "parts": ["eu-west/*"] }), "192.0.2.1").await;
    assert_eq!(first.status, StatusCode::ACCEPTED);
    let confirm = link(&database, "confirm_url");
    // Programs that follow links confirm nothing.
    let page = test.page(&confirm).send().await;
    assert!(
        page.text().contains("ada@example.com") && page.text().contains("Yes, tell me"),
        "{}",
        page.text()
    );
    assert_eq!(test.store.subscriptions(None, 9).await.unwrap()[0].confirmed_at, None);
    assert_eq!(test.form(&confirm, &[]).send().await.status, StatusCode::OK);
    assert!(test.store.subscriptions(None, 9).await.unwrap()[0].confirmed_at.is_some());
    assert_eq!(test.form(&confirm, &[]).send().await.status, StatusCode::GONE, "once");
    // Whether an address is known shows in nothing that a stranger gets.
    let known = ask(json!({ "email": "ada@example.com" }), "192.0.2.2").await;
    let unknown = ask(json!({ "email": "grace@example.com" }), "192.0.2.2").await;
    assert_eq!((known.status, known.text()), (unknown.status, unknown.text()));
    let operator = test.get("/api/ops/status/subscriptions").key(&test.keys.operator).send().await;
    assert!(!operator.text().contains("ada@example.com"), "{}", operator.text());
    // An address is written to rarely, and its asker is told nothing of that; a network is told.
    let before = outbox(&database).len();
    for number in 0..4 {
        let again = ask(json!({ "email": "grace@example.com" }), &format!("198.51.100.{number}")).await;
        assert_eq!(again.text(), known.text());
    }
    assert_eq!(outbox(&database).len(), before + 1, "two in all");
    let refused = async || {
        for number in 0..20 {
            let email = format!("n{number}@example.com");
            let answer = ask(json!({ "email": email }), "203.0.113.9").await;
            if answer.status == StatusCode::TOO_MANY_REQUESTS {
                return Some((number, answer.header("retry-after").map(str::to_owned)));
            }
        }
        None
    };
    assert_eq!(refused().await, Some((5, Some("120".to_owned()))));
    // One click, from anywhere, without a cookie.
    let all = test.store.subscriptions(None, 9).await.unwrap();
    let ada = all.into_iter().find(|one| one.address == "ada@example.com").unwrap();
    let farewell = format!("/status/unsubscribe/{}", ada.farewell);
    assert!(test.page(&farewell).send().await.text().contains("Tell me no more"));
    for _ in 0..2 {
        let click = test
            .post(&farewell)
            .header("sec-fetch-site", "cross-site")
            .body("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click")
            .send()
            .await;
        assert_eq!(click.status, StatusCode::OK);
    }
    assert_eq!(test.store.subscription(ada.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_webhook_gets_its_secret_when_it_is_confirmed() {
    let (_directory, database, test) = on_file().await;
    let rows = [
        (json!({}), "/email"),
        (json!({ "email": "a@b.example", "url": "https://a.example" }), "/email"),
        (json!({ "email": "nobody" }), "/email"),
        (json!({ "url": "ftp://a.example" }), "/url"),
        (json!({ "url": "https://me:pw@a.example" }), "/url"),
        (json!({ "url": "https://a.example/x", "parts": ["a b"] }), "/parts/0"),
    ];
    for (body, pointer) in rows {
        let answer = test.post("/api/status/subscriptions").json(&body).send().await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let page = test.form("/status/subscribe", &[("url", "https://a.example/hook?token=1")]).send().await;
    assert!(page.text().contains("Look at what was posted"), "{}", page.text());
    let page = test.form(&link(&database, "confirm_url"), &[]).send().await;
    assert!(page.text().contains("whsec_"), "{}", page.text());
    let records = test.store.audit_records(Filter::default(), None, 50).await.unwrap();
    assert!(records.iter().all(|record| !record.details.contains("token=1")), "{records:?}");
    let wrong = test.form("/status/subscribe", &[("email", "nobody")]).send().await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text().contains("aria-invalid=\"true\""));
    let foreign =
        test.form("/status/subscribe", &[("email", "a@b.example")]).header("sec-fetch-site", "cross-site");
    assert_eq!(foreign.send().await.status, StatusCode::FORBIDDEN);
    let mute = TestApp::new().await;
    let refused =
        mute.post("/api/status/subscriptions").json(&json!({ "email": "a@b.example" })).send().await;
    assert_eq!(refused.problem(), "invalid-fields");
    assert_eq!(refused.json()["errors"][0]["pointer"], "/email");
}

#[tokio::test]
async fn days_are_signed_chained_and_can_be_counted_again() {
    let test = TestApp::new().await;
    for step in 0..3 {
        observe(&test, &[("api", step != 1), ("engine", true)]).await;
        test.advance(5);
    }
    seal_uptime(&test.app).await.unwrap();
    assert_eq!(test.get("/api/status/uptime").send().await.json()["days"], json!([]), "the day is not over");
    test.advance(2 * 86_400);
    seal_uptime(&test.app).await.unwrap();
    seal_uptime(&test.app).await.unwrap();
    let list = test.get("/api/status/uptime").send().await.json();
    let days: Vec<&str> =
        list["days"].as_array().unwrap().iter().map(|day| day["day"].as_str().unwrap()).collect();
    assert_eq!(days, ["2026-11-25", "2026-11-24"]);
    let key = PublicKey::parse(list["public_key"].as_str().unwrap()).unwrap();
    let day = async |day: &str| {
        let found = test.get(&format!("/api/status/uptime/{day}")).send().await.json();
        let text = |name: &str| found[name].as_str().unwrap().to_owned();
        let signed = SignedUptime {
            text: text("text"),
            sha256: text("sha256"),
            signature: text("signature"),
            key: text("public_key"),
        };
        (signed.verified(Some(&key)).unwrap(), signed.sha256)
    };
    let (first, hash) = day("2026-11-24").await;
    let (second, _) = day("2026-11-25").await;
    assert_eq!((first.previous.as_str(), second.previous), ("", hash));
    assert_eq!(second.components, [], "a day without evidence");
    let api = &first.components[0];
    assert_eq!((api.good, api.total, api.good_us, api.bad_us), (2, 3, 20_000_000, 5_000_000));
    // Whoever fetches the samples comes to the same, page by page.
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/status/uptime/2026-11-24/evidence?limit=4{cursor}");
        let page = test.get(&path).send().await.json();
        for one in page["observations"].as_array().unwrap() {
            let text = |name: &str| one[name].as_str().unwrap().to_owned();
            seen.push(Observation {
                region: text("region"),
                component: text("component"),
                at: text("at").parse::<Timestamp>().unwrap(),
                node: text("node"),
                good: one["good"].as_bool().unwrap(),
            });
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 6);
    assert_eq!(UptimeRecord::of(first.day, &seen, String::new()), first);
    for (path, status) in [
        ("/api/status/uptime/2026-11-26", 404),
        ("/api/status/uptime/yesterday", 404),
        ("/api/status/uptime/2026-11-24/evidence?limit=0", 400),
        ("/api/status/uptime/2026-11-24/evidence?cursor=a", 400),
    ] {
        assert_eq!(test.get(path).send().await.status.as_u16(), status, "{path}");
    }
}

/// Members of each object, as public clients of Statuspage read them.
#[tokio::test]
async fn statuspage_documents_have_exactly_its_members() {
    let test = TestApp::new().await;
    observe(&test, &WELL).await;
    let plan = json!({
        "title": "A new disk", "parts": ["eu-west/*"],
        "starts_at": "2026-11-24T12:00:00Z", "ends_at": "2026-11-24T12:20:00Z",
    });
    operate(&test, Method::POST, "/api/ops/maintenance", &plan).await;
    let members = |value: &Value| -> Vec<String> {
        let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    let page = ["id", "name", "time_zone", "updated_at", "url"];
    let component = [
        "created_at",
        "description",
        "group",
        "group_id",
        "id",
        "name",
        "only_show_if_degraded",
        "page_id",
        "position",
        "showcase",
        "start_date",
        "status",
        "updated_at",
    ];
    let maintenance = [
        "components",
        "created_at",
        "id",
        "impact",
        "incident_updates",
        "monitoring_at",
        "name",
        "page_id",
        "reminder_intervals",
        "resolved_at",
        "scheduled_for",
        "scheduled_until",
        "shortlink",
        "started_at",
        "status",
        "updated_at",
    ];
    let update = [
        "affected_components",
        "body",
        "created_at",
        "custom_tweet",
        "deliver_notifications",
        "display_at",
        "id",
        "incident_id",
        "status",
        "tweet_id",
        "updated_at",
    ];
    let documents = [
        ("summary.json", vec!["components", "incidents", "page", "scheduled_maintenances", "status"]),
        ("status.json", vec!["page", "status"]),
        ("components.json", vec!["components", "page"]),
        ("incidents.json", vec!["incidents", "page"]),
        ("incidents/unresolved.json", vec!["incidents", "page"]),
        ("scheduled-maintenances.json", vec!["page", "scheduled_maintenances"]),
        ("scheduled-maintenances/upcoming.json", vec!["page", "scheduled_maintenances"]),
        ("scheduled-maintenances/active.json", vec!["page", "scheduled_maintenances"]),
    ];
    for (name, expected) in documents {
        let answer = test.get(&format!("/api/v2/{name}")).send().await;
        assert_eq!(answer.header("content-type"), Some("application/json"), "{name}");
        let found = answer.json();
        assert_eq!(members(&found), expected, "{name}");
        assert_eq!(members(&found["page"]), page, "{name}");
        for one in found["components"].as_array().into_iter().flatten() {
            if one["group"] == json!(true) {
                assert_eq!(one["components"].as_array().unwrap().len(), 3);
                continue;
            }
            assert_eq!(members(one), component, "{name}");
            assert_eq!(one["id"].as_str().unwrap().len(), 12);
        }
        for one in found["scheduled_maintenances"].as_array().into_iter().flatten() {
            assert_eq!(members(one), maintenance, "{name}");
            assert_eq!(members(&one["incident_updates"][0]), update, "{name}");
            assert_eq!(one["components"].as_array().unwrap().len(), 3, "{name}");
        }
        let count = found["scheduled_maintenances"].as_array().map(Vec::len);
        let expected = match name {
            "scheduled-maintenances/upcoming.json" => Some(0),
            name if name.starts_with("scheduled") || name == "summary.json" => Some(1),
            _ => None,
        };
        assert_eq!(count, expected, "{name}");
    }
    test.advance(60);
    let unknown = test.get("/api/v2/summary.json").send().await.json();
    assert_eq!(unknown["status"]["indicator"], "minor");
    let words =
        ["operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance"];
    for one in unknown["components"].as_array().unwrap() {
        assert!(words.contains(&one["status"].as_str().unwrap()) && one["status"] != "operational", "{one}");
    }
}

#[tokio::test]
async fn badges_say_what_and_when() {
    let test = TestApp::new().await;
    observe(&test, &WELL).await;
    let badge = async |query: &str| test.get(&format!("/status/badge.svg{query}")).send().await;
    let whole = badge("").await;
    assert_eq!(whole.header("content-type"), Some("image/svg+xml"));
    assert_eq!(whole.header("cross-origin-resource-policy"), Some("cross-origin"));
    assert!(whole.text().contains("operational, 12:00 UTC"), "{}", whole.text());
    assert!(badge("?region=eu-west&component=api").await.text().contains("eu-west api"));
    assert!(badge("?component=database").await.text().contains("Database"));
    for (query, status) in [("?region=nowhere", 404), ("?component=motor", 404), ("?odd=1", 400)] {
        assert_eq!(badge(query).await.status.as_u16(), status, "{query}");
    }
    test.advance(60);
    assert!(badge("").await.text().contains("unknown, 12:00 UTC"));
}

#[tokio::test]
async fn operators_say_and_plan_by_forms() {
    let test = TestApp::new().await;
    observe(&test, &WELL).await;
    let cookie = sign_in_operator(&test.app, test.account).await;
    let page = test.page("/admin/status").header("cookie", &cookie).send().await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let token = csrf(&page);
    let send = async |path: &str, fields: &[(&str, &str)]| {
        let mut all = vec![("csrf", token.as_str())];
        all.extend(fields);
        test.form(path, &all).header("cookie", &cookie).send().await
    };
    let said = send(
        "/admin/status/declarations",
        &[("part", "*/api"), ("state", "down"), ("words", "it is <out>"), ("hours", "2")],
    )
    .await;
    assert_eq!(said.header("location"), Some("/admin/status?done=declared"), "{}", said.text());
    assert_eq!(state(&test).await, "down");
    let wrong = send("/admin/status/declarations", &[("part", "*/api"), ("words", ""), ("hours", "2")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text().contains("is empty; say it"), "{}", wrong.text());
    let planned = send(
        "/admin/status/maintenance",
        &[
            ("title", "Disk"),
            ("words-of-window", "It is slow."),
            ("parts", "eu-west/database, */engine"),
            ("starts_at", "2026-11-24T12:00"),
            ("ends_at", "2026-11-24 13:00"),
        ],
    )
    .await;
    assert_eq!(planned.header("location"), Some("/admin/status?done=scheduled"), "{}", planned.text());
    let page = test.page("/admin/status?done=scheduled").header("cookie", &cookie).send().await.text();
    for part in ["it is &lt;out&gt;", "Take it back", "It is over", "subscribers are told"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let id =
        page.split("/admin/status/declarations/dcl_").nth(1).unwrap().split('/').next().unwrap().to_owned();
    send(&format!("/admin/status/declarations/dcl_{id}/withdraw"), &[]).await;
    assert_eq!(state(&test).await, "operational");
    let id =
        page.split("/admin/status/maintenance/mnt_").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let ended = send(&format!("/admin/status/maintenance/mnt_{id}/end"), &[]).await;
    assert_eq!(ended.header("location"), Some("/admin/status?done=ended"));
    let bare =
        test.form("/admin/status/declarations", &[("part", "*/*")]).header("cookie", &cookie).send().await;
    assert_eq!(bare.status, StatusCode::FORBIDDEN, "without the token");
}

#[tokio::test]
async fn several_observers_and_other_parts_are_shown() {
    let test = TestApp::new().await;
    observe(&test, &WELL).await;
    observe(&test, &[("website", true), ("zeta", false)]).await;
    test.advance(1);
    let found = test.get("/api/status").send().await.json();
    let names: Vec<&str> = found["regions"][0]["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["api", "database", "engine", "website", "zeta"]);
    assert_eq!(found["status"], "degraded");
    // A hiccup after a good word is none.
    let test = TestApp::new().await;
    observe(&test, &WELL).await;
    test.advance(1);
    observe(&test, &[("api", false)]).await;
    assert_eq!(state(&test).await, "operational");
    test.clock.advance(Duration::from_secs(2));
    observe(&test, &[("api", false)]).await;
    assert_eq!(state(&test).await, "down");
    test.advance(1);
    observe(&test, &[("api", true)]).await;
    assert_eq!(state(&test).await, "operational");
}
