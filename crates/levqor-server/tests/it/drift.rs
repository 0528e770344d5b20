//! The drift monitor over the real pages and the real API: as agreed, and with every single thing that can be wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use levqor_drift::{
    Agreed, Answer, Caller, Circumstances, Look, Origin, Outcome, Part, Report, catalogue, check, html,
    severity,
};
use levqor_model::{Blueprint, BlueprintLock, Deviation, LockError, NodeId, Severity};
use levqor_store::nodes::NewNode;
use levqor_testkit::temp_dir;
use regex::Regex;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::TestApp;

/// A server as it is configured when nobody sets a limit.
async fn server() -> TestApp {
    TestApp::with(|settings| settings.account_requests_per_minute = None).await
}

fn shipped() -> Agreed {
    Origin::Shipped.read()
}

/// What a server answered, to be changed and looked at again and again.
#[derive(Clone)]
struct Recorded {
    answers: BTreeMap<(String, String), Answer>,
}

fn slot(path: &str, caller: Caller) -> (String, String) {
    (path.to_owned(), format!("{caller:?}"))
}

impl Look for Recorded {
    async fn get(&self, path: &str, caller: Caller) -> Result<Answer, String> {
        self.answers
            .get(&slot(path, caller))
            .cloned()
            .ok_or_else(|| format!("{path} was not asked for before"))
    }

    fn has_account(&self) -> bool {
        true
    }
}

/// Asks the real router, and writes down what it answers.
struct Recorder<'a> {
    test: &'a TestApp,
    answers: Mutex<BTreeMap<(String, String), Answer>>,
}

impl Look for Recorder<'_> {
    async fn get(&self, path: &str, caller: Caller) -> Result<Answer, String> {
        let accept = if caller == Caller::Browser { "text/html" } else { "application/json" };
        let mut request = Request::get(path).header(header::ACCEPT, accept);
        if caller == Caller::Account {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.test.keys.viewer));
        }
        let response = self.test.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        self.answers.lock().unwrap().insert(slot(path, caller), answer.clone());
        Ok(answer)
    }

    fn has_account(&self) -> bool {
        true
    }
}

async fn looked(site: &impl Look, agreed: &Agreed) -> Report {
    let given = Circumstances {
        agreed,
        stripe: None::<&Recorded>,
        now: "2026-11-24T12:00:00Z".parse().unwrap(),
        looked_at: "a server".to_owned(),
        acknowledgements: &[],
        before: &[],
    };
    check(site, given).await
}

impl Recorded {
    async fn of(test: &TestApp) -> Self {
        let recorder = Recorder { test, answers: Mutex::default() };
        let report = looked(&recorder, &shipped()).await;
        assert!(report.pass, "{:#?}", report.lines());
        let mut answers = recorder.answers.into_inner().unwrap();
        // Pages that are only led to are read for their places; the rest of them would only cost time.
        for ((path, _), answer) in &mut answers {
            let place = catalogue::PLACES.iter().any(|place| place.path == path);
            if !place && answer.media_type() == "text/html" {
                let ids = html::read(answer.html().unwrap()).ids;
                answer.body =
                    ids.iter().map(|id| format!("<p id=\"{id}\">")).collect::<String>().into_bytes();
            }
        }
        // What the description says of other operations is only long.
        let described = answers.get_mut(&slot("/openapi.json", Caller::Program)).unwrap();
        let mut document = described.json().unwrap();
        document["paths"].as_object_mut().unwrap().retain(|path, _| path == "/api/plans");
        described.body = document.to_string().into_bytes();
        Self { answers }
    }

    fn text(&self, path: &str) -> String {
        String::from_utf8(self.answers[&slot(path, Caller::Browser)].body.clone()).unwrap()
    }

    /// The same with another text of a page; None: nothing of it changes.
    fn with(&self, path: &str, caller: Caller, change: impl Fn(&str) -> String) -> Option<Self> {
        let mut changed = self.clone();
        let answer = changed.answers.get_mut(&slot(path, caller)).unwrap();
        let text = String::from_utf8(answer.body.clone()).unwrap();
        let new = change(&text);
        if new == text {
            return None;
        }
        answer.body = new.into_bytes();
        Some(changed)
    }

    fn answering(&self, path: &str, caller: Caller, answer: Answer) -> Self {
        let mut changed = self.clone();
        changed.answers.insert(slot(path, caller), answer);
        changed
    }
}

fn status(code: u16) -> Answer {
    Answer { status: StatusCode::from_u16(code).unwrap(), headers: HeaderMap::new(), body: Vec::new() }
}

/// The deviation at that place; there must be one, of that severity, and no pass.
#[track_caller]
fn found(report: &Report, place: &str, severity: Severity) -> Deviation {
    assert!(!report.pass, "{place}: it passes");
    let there: Vec<_> = report.findings.iter().map(|finding| &finding.deviation).collect();
    let one = there.iter().find(|deviation| deviation.place == place);
    let one = one.unwrap_or_else(|| panic!("{place} is not found, but {there:#?}"));
    assert_eq!(one.severity, severity, "{one}");
    (*one).clone()
}

/// Pages that show a promise, and each place of it in their texts.
fn element(name: &str) -> Regex {
    Regex::new(&format!("<data value=\"([^\"]*)\" data-promise=\"{}\">([^<]*)</data>", regex::escape(name)))
        .unwrap()
}

fn showing(recorded: &Recorded, name: &str) -> Vec<&'static str> {
    let element = element(name);
    catalogue::PLACES
        .iter()
        .map(|place| place.path)
        .filter(|path| element.is_match(&recorded.text(path)))
        .collect()
}

#[tokio::test]
async fn what_is_served_is_what_was_agreed() {
    let test = server().await;
    let asked = test.post("/api/ops/drift/check").key(&test.keys.operator).send().await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.text());
    let found = asked.json();
    assert_eq!((&found["pass"], &found["findings"]), (&json!(true), &json!([])), "{found:#}");
    assert_eq!(found["verdict"], "DRIFT STATUS: PASS");
    let states: BTreeMap<_, _> = found["sections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|section| (section["part"].as_str().unwrap(), section["state"].as_str().unwrap()))
        .collect();
    let compared = ["lock", "pages", "links", "api", "limits"].map(|part| (part, "compared"));
    assert_eq!(states, compared.into_iter().chain([("stripe", "not_configured")]).collect());
    for section in found["sections"].as_array().unwrap() {
        let least = match section["part"].as_str().unwrap() {
            "lock" | "api" => 50,
            "pages" => 100,
            "links" => 50,
            "limits" => 3,
            _ => 0,
        };
        assert!(section["compared"].as_u64().unwrap_or_default() >= least, "{section}");
    }
    assert_eq!(found["lock"]["digest"], BlueprintLock::parse(BlueprintLock::SHIPPED).unwrap().digest());
    // Looking at itself is no traffic of customers.
    let requests = test.get("/api/metrics/app").send().await.json();
    assert_eq!(requests["requests_total"], 1, "only the question itself");
}

/// The lock with another value of one promise, as somebody with a text editor and the digest would make it.
fn edited(change: impl Fn(&str) -> String) -> Option<BlueprintLock> {
    let text = change(BlueprintLock::SHIPPED);
    if text == BlueprintLock::SHIPPED {
        return None;
    }
    match BlueprintLock::parse(&text) {
        Err(LockError::Digest { expected, found }) => {
            Some(BlueprintLock::parse(&text.replace(&found, &expected)).unwrap())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_promise_that_was_not_agreed_is_found() {
    let recorded = Recorded::of(&server().await).await;
    let mut count = 0;
    for promise in Blueprint::parse(Blueprint::SHIPPED).unwrap().promises() {
        let name = &promise.path;
        let line = Regex::new(&format!("(?m)^{} = (.*)\n", regex::escape(name))).unwrap();
        let place = format!("{name} in blueprint.toml");
        let of = |lock| Agreed { lock: Ok(Some(lock)), ..shipped() };

        let other = match &line.captures(BlueprintLock::SHIPPED).unwrap()[1] {
            text if text.starts_with('"') => "\"something else\"".to_owned(),
            list if list.starts_with('[') => "[1, 2]".to_owned(),
            number => (number.parse::<i64>().unwrap() + 1).to_string(),
        };
        let lock = edited(|text| line.replace(text, format!("{name} = {other}\n")).into_owned()).unwrap();
        let deviation = found(&looked(&recorded, &of(lock)).await, &place, severity::of(name));
        assert_eq!(deviation.found, Some(promise.value.to_string()));
        assert_ne!(deviation.expected, deviation.found);

        let lock = edited(|text| line.replace(text, "").into_owned()).unwrap();
        let deviation = found(&looked(&recorded, &of(lock)).await, &place, Severity::Minor);
        assert_eq!((deviation.expected, deviation.found), (None, Some(promise.value.to_string())));
        count += 1;
    }
    let lock = edited(|text| format!("{text}\nplan.gold.month_price = 9\n")).unwrap();
    let report = looked(&recorded, &Agreed { lock: Ok(Some(lock)), ..shipped() }).await;
    found(&report, "plan.gold.month_price in blueprint.toml", Severity::Critical);
    assert!(count > 50, "{count}");
}

#[tokio::test]
async fn every_promise_that_a_page_shows_otherwise_is_found() {
    let recorded = Recorded::of(&server().await).await;
    let mut count = 0;
    for promise in Blueprint::parse(Blueprint::SHIPPED).unwrap().promises() {
        let name = &promise.path;
        let (element, pages) = (element(name), showing(&recorded, name));
        assert!(
            !pages.is_empty() || catalogue::meant_by(catalogue::ON_NO_PAGE, name),
            "{name} is on no page"
        );
        type Replacement<'a> = &'a dyn Fn(&regex::Captures<'_>) -> String;
        let changes: [(&str, Replacement<'_>); 4] = [
            ("value", &|found| {
                format!("<data value=\"{}0\" data-promise=\"{name}\">{}</data>", &found[1], &found[2])
            }),
            ("words", &|found| {
                format!("<data value=\"{}\" data-promise=\"{name}\">{} more</data>", &found[1], &found[2])
            }),
            ("no value", &|found| format!("<data data-promise=\"{name}\">{}</data>", &found[2])),
            ("hidden", &|found| {
                format!("<data hidden value=\"{}\" data-promise=\"{name}\">{}</data>", &found[1], &found[2])
            }),
        ];
        let required = |path: &str| {
            catalogue::PLACES.iter().any(|place| place.path == path && catalogue::meant_by(place.shows, name))
        };
        // On all pages at once, and each must be found on its own.
        for (kind, change) in changes {
            let mut changed = recorded.clone();
            let hidden = kind == "hidden";
            let on: Vec<_> = pages.iter().filter(|path| !hidden || required(path)).collect();
            for path in &on {
                // Once is enough, wherever else on the page it stands rightly; hidden is it only when all are.
                let replaced = |text: &str| element.replacen(text, usize::from(!hidden), change).into_owned();
                changed = changed.with(path, Caller::Browser, replaced).unwrap();
            }
            if on.is_empty() {
                continue;
            }
            let report = looked(&changed, &shipped()).await;
            for path in on {
                found(&report, &format!("{name} on {path}"), severity::of(name));
                count += 1;
            }
        }
        let on: Vec<_> = pages.iter().filter(|path| required(path)).collect();
        let mut changed = recorded.clone();
        for path in &on {
            let gone = |text: &str| element.replace_all(text, "").into_owned();
            changed = changed.with(path, Caller::Browser, gone).unwrap();
        }
        if on.is_empty() {
            continue;
        }
        let report = looked(&changed, &shipped()).await;
        for path in on {
            let deviation = found(&report, &format!("{name} on {path}"), severity::of(name));
            assert_eq!(deviation.found, None);
            count += 1;
        }
    }
    assert!(count > 300, "{count} changes");
}

#[tokio::test]
async fn what_a_page_says_beside_its_promises_is_found() {
    let recorded = Recorded::of(&server().await).await;
    let rows = [
        ("Only £4 today", "\"£4\" on /pricing"),
        ("Only <b>$</b>4.50 today", "\"$ 4.50\" on /pricing"),
        ("Only 4 GBP today", "\"4 GBP\" on /pricing"),
        ("A 30-day free trial", "\"30-day free trial\" on /pricing"),
        ("Now with 99.99 % uptime", "\"99.99 % uptime\" on /pricing"),
        ("90 days money-back", "\"90 days money-back\" on /pricing"),
        (
            "<data value=\"1\" data-promise=\"plan.gold.month_price\">1p</data>",
            "plan.gold.month_price on /pricing",
        ),
    ];
    for (words, place) in rows {
        let changed = recorded.with("/pricing", Caller::Browser, |text| {
            text.replace("</main>", &format!("<p>{words}</p></main>"))
        });
        let report = looked(&changed.unwrap(), &shipped()).await;
        let deviation = found(&report, place, Severity::Critical);
        assert_eq!((deviation.expected, report.findings.len()), (None, 1), "{words}: {:#?}", report.lines());
    }
    // Examples and pictures are none.
    let example = "<pre>curl -d £4</pre><svg><text>99.9 % uptime</text></svg>";
    let changed = recorded
        .with("/pricing", Caller::Browser, |text| text.replace("</main>", &format!("{example}</main>")));
    assert!(looked(&changed.unwrap(), &shipped()).await.pass);
}

#[tokio::test]
async fn every_page_that_is_not_as_it_should_be_is_found() {
    let recorded = Recorded::of(&server().await).await;
    let heading = Regex::new("(?s)<h1>.*?</h1>").unwrap();
    for place in catalogue::PLACES {
        let path = place.path;
        for answer in [status(404), status(500), status(302)] {
            let report = looked(&recorded.answering(path, Caller::Browser, answer), &shipped()).await;
            found(&report, path, Severity::Major);
        }
        let mut gone = recorded.clone();
        gone.answers.remove(&slot(path, Caller::Browser));
        let report = looked(&gone, &shipped()).await;
        if path == "/" {
            found(&report, "a server", Severity::Critical);
        } else {
            found(&report, path, Severity::Major);
        }
        let without =
            recorded.with(path, Caller::Browser, |text| heading.replace(text, "").into_owned()).unwrap();
        let place_of = format!("the heading of {path}");
        found(&looked(&without, &shipped()).await, &place_of, Severity::Major);
        if place.heading != catalogue::Heading::Some {
            let other = recorded
                .with(path, Caller::Browser, |text| heading.replace(text, "<h1>Sale!</h1>").into_owned());
            let severity = match place.heading {
                catalogue::Heading::Promise(name) => severity::of(name),
                _ => Severity::Major,
            };
            found(&looked(&other.unwrap(), &shipped()).await, &place_of, severity);
        }
        // Another page under its address.
        let another = if path == "/privacy" { "/disputes" } else { "/privacy" };
        let answer = recorded.answers[&slot(another, Caller::Browser)].clone();
        let report = looked(&recorded.answering(path, Caller::Browser, answer), &shipped()).await;
        found(&report, &format!("the canonical address of {path}"), Severity::Major);
    }
    for path in catalogue::SIGNED_IN {
        let answer = recorded.answers[&slot("/about", Caller::Browser)].clone();
        let report = looked(&recorded.answering(path, Caller::Browser, answer), &shipped()).await;
        found(&report, path, Severity::Major);
    }
}

#[tokio::test]
async fn every_link_that_leads_nowhere_is_found() {
    let recorded = Recorded::of(&server().await).await;
    let targets: BTreeSet<_> = recorded
        .answers
        .keys()
        .filter(|(_, caller)| caller == "Browser")
        .map(|(path, _)| path.clone())
        .collect();
    let led_to: Vec<_> =
        targets.iter().filter(|path| !catalogue::PLACES.iter().any(|place| place.path == *path)).collect();
    assert!(led_to.len() > 20, "{led_to:?}");
    let is_signed_in = |target: &str| catalogue::SIGNED_IN.iter().any(|page| target.starts_with(page));
    for target in led_to.iter().filter(|target| !is_signed_in(target)) {
        let report = looked(&recorded.answering(target, Caller::Browser, status(404)), &shipped()).await;
        let ends = format!(" links to {target}");
        let found = report.findings.iter().find(|finding| finding.deviation.place.ends_with(&ends));
        assert_eq!(
            found.map(|finding| finding.deviation.severity),
            Some(Severity::Major),
            "{target}: {:?}",
            report.lines()
        );
    }
    let rows = [
        ("<a href=\"/gone\">", "/about links to /gone"),
        ("<a href=\"/pricing#no-such-place\">", "/about links to /pricing#no-such-place"),
        ("<a href=\"//evil.example\">", "/about links to //evil.example"),
        ("<a href=\"pricing\">", "/about links to pricing"),
        ("<img src=\"/assets/gone.png\">", "/about links to /assets/gone.png"),
        ("<a href=\"#nowhere\">", "/about links to /about#nowhere"),
    ];
    for (link, place) in rows {
        let changed = recorded
            .with("/about", Caller::Browser, |text| text.replace("</main>", &format!("{link}</main>")));
        found(&looked(&changed.unwrap(), &shipped()).await, place, Severity::Major);
    }
    let fine = "<a href=\"https://elsewhere.example/x\"><a href=\"mailto:a@b.example\"><a href=\"#why\">";
    let changed =
        recorded.with("/about", Caller::Browser, |text| text.replace("</main>", &format!("{fine}</main>")));
    assert!(looked(&changed.unwrap(), &shipped()).await.pass);
}

/// Every value of a JSON document, by pointer.
fn leaves(pointer: &str, value: &Value, all: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| leaves(&format!("{pointer}/{key}"), value, all));
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items
                .iter()
                .enumerate()
                .for_each(|(place, value)| leaves(&format!("{pointer}/{place}"), value, all));
        }
        _ => all.push(pointer.to_owned()),
    }
}

#[tokio::test]
async fn every_value_and_every_field_of_the_api_is_found() {
    let recorded = Recorded::of(&server().await).await;
    let plans = recorded.answers[&slot("/api/plans", Caller::Program)].json().unwrap();
    let mut pointers = Vec::new();
    leaves("", &plans, &mut pointers);
    assert!(pointers.len() > 60, "{pointers:?}");
    let serve = |value: &Value| recorded.with("/api/plans", Caller::Program, |_| value.to_string()).unwrap();
    let mut by_promise = BTreeSet::new();
    for pointer in &pointers {
        let mut changed = plans.clone();
        let value = changed.pointer_mut(pointer).unwrap();
        *value = match value.take() {
            Value::String(text) => json!(format!("{text}x")),
            Value::Number(number) => json!(number.as_i64().unwrap() + 1),
            Value::Array(mut list) => {
                list.push(json!("another"));
                Value::Array(list)
            }
            other => panic!("{pointer}: {other}"),
        };
        let report = looked(&serve(&changed), &shipped()).await;
        assert!(!report.pass, "{pointer} = {:?}", changed.pointer(pointer));
        for finding in &report.findings {
            let Deviation { severity, place, expected, found } = &finding.deviation;
            let name = place.strip_suffix(" in /api/plans").unwrap_or_else(|| panic!("{place}"));
            let name = name.strip_suffix("_text").unwrap_or(name);
            // A code that changes makes its whole member another one.
            let wanted = match (expected, found) {
                (Some(_), Some(_)) => severity::of(name),
                (Some(_), None) => Severity::Major,
                _ => Severity::Minor,
            };
            assert_eq!(*severity, wanted, "{pointer}: {}", finding.deviation);
            if expected.is_some() && found.is_some() {
                by_promise.insert(name.to_owned());
            }
        }

        let mut without = plans.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        without.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
        let report = looked(&serve(&without), &shipped()).await;
        assert!(
            report.findings.iter().any(|finding| finding.deviation.severity == Severity::Major),
            "{pointer} is gone"
        );
        let described = report
            .findings
            .iter()
            .any(|finding| finding.deviation.place.ends_with(&format!("{key} of GET /api/plans")));
        assert!(described, "{pointer}: the description has it as required: {:?}", report.lines());
    }
    for promise in Blueprint::parse(Blueprint::SHIPPED).unwrap().promises() {
        let told = !catalogue::meant_by(catalogue::NOT_IN_THE_API, &promise.path);
        let empty = promise.path.ends_with(".aliases") && promise.value.to_string().is_empty();
        assert_eq!(by_promise.contains(&promise.path), told && !empty, "{}", promise.path);
    }

    let mut more = plans.clone();
    more["plans"][0]["colour"] = json!("red");
    let report = looked(&serve(&more), &shipped()).await;
    found(&report, "plan.starter.colour in /api/plans", Severity::Minor);
    found(&report, "/plans/-/colour of GET /api/plans", Severity::Minor);
    let mut twice = plans.clone();
    twice["plans"].as_array_mut().unwrap().push(plans["plans"][0].clone());
    found(&looked(&serve(&twice), &shipped()).await, "/api/plans", Severity::Major);
    for broken in ["", "[]", "null", "{\"plans\": {}}"] {
        let report =
            looked(&recorded.with("/api/plans", Caller::Program, |_| broken.to_owned()).unwrap(), &shipped())
                .await;
        assert!(!report.pass, "{broken}");
    }
}

#[tokio::test]
async fn the_description_of_the_api_must_describe_it() {
    let recorded = Recorded::of(&server().await).await;
    let document = recorded.answers[&slot("/openapi.json", Caller::Program)].json().unwrap();
    let serve =
        |document: &Value| recorded.with("/openapi.json", Caller::Program, |_| document.to_string()).unwrap();
    let mut without = document.clone();
    without["paths"].as_object_mut().unwrap().remove("/api/plans");
    found(&looked(&serve(&without), &shipped()).await, "GET /api/plans in /openapi.json", Severity::Major);
    let mut fewer = document.clone();
    fewer["components"]["schemas"]["PlanView"]["properties"].as_object_mut().unwrap().remove("month_price");
    found(
        &looked(&serve(&fewer), &shipped()).await,
        "/plans/-/month_price of GET /api/plans",
        Severity::Minor,
    );
    let mut other = document.clone();
    other["components"]["schemas"]["PlanView"]["properties"]["month_price"]["type"] = json!("string");
    found(
        &looked(&serve(&other), &shipped()).await,
        "/plans/-/month_price of GET /api/plans",
        Severity::Major,
    );
    let gone = recorded.answering("/openapi.json", Caller::Program, status(404));
    found(&looked(&gone, &shipped()).await, "/openapi.json", Severity::Major);
}

#[tokio::test]
async fn limits_that_do_not_hold_are_found() {
    let summary = "/api/usage/summary";
    let rows = [
        (30, "fair_use.requests_per_minute in /api/usage/summary", Some("30")),
        (30, "fair_use.requests_per_minute in the header ratelimit-policy", Some("30")),
        (0, "fair_use.requests_per_minute in /api/usage/summary", None),
    ];
    for (limit, place, seen) in rows {
        let test = TestApp::with(|settings| settings.account_requests_per_minute = Some(limit)).await;
        let report = looked(&Recorder { test: &test, answers: Mutex::default() }, &shipped()).await;
        let severity =
            if seen.is_some() { severity::of("fair_use.requests_per_minute") } else { Severity::Major };
        let deviation = found(&report, place, severity);
        assert_eq!((deviation.expected.as_deref(), deviation.found.as_deref()), (Some("1000"), seen));
        // The node itself sees it, too.
        let own = test.post("/api/ops/drift/check").key(&test.keys.operator).send().await.json();
        assert!(own["findings"].to_string().contains(place), "{own:#}");
    }
    let recorded = Recorded::of(&server().await).await;
    let told = recorded.answers[&slot(summary, Caller::Account)].json().unwrap();
    for (pointer, place) in [
        ("/fair_use/concurrent_runs", "fair_use.concurrent_runs in /api/usage/summary"),
        ("/plan/limits/workflows", "plan.agency.workflows in /api/usage/summary"),
        ("/plan/limits/runs_per_month", "plan.agency.runs_per_month in /api/usage/summary"),
        ("/plan/limits/ai_credits", "plan.agency.ai_credits in /api/usage/summary"),
    ] {
        let mut changed = told.clone();
        *changed.pointer_mut(pointer).unwrap() = json!(7);
        let site = recorded.with(summary, Caller::Account, |_| changed.to_string()).unwrap();
        assert_eq!(
            found(&looked(&site, &shipped()).await, place, Severity::Major).found.as_deref(),
            Some("7")
        );
    }
    let closed = recorded.answering(summary, Caller::Account, status(401));
    found(&looked(&closed, &shipped()).await, summary, Severity::Major);
}

fn broken<T>() -> Result<T, String> {
    Err("line 3: something".to_owned())
}

#[tokio::test]
async fn files_that_cannot_be_read_are_no_pass() {
    let recorded = Recorded::of(&server().await).await;
    let rows = [
        (Agreed { lock: Ok(None), ..shipped() }, "blueprint.lock", Outcome::Compared(0)),
        (Agreed { lock: broken(), ..shipped() }, "blueprint.lock", Outcome::Compared(0)),
        // The lock says what must be on the pages then.
        (Agreed { blueprint: broken(), ..shipped() }, "blueprint.toml", Outcome::Compared(0)),
        (
            Agreed { blueprint: broken(), lock: Ok(None), ..shipped() },
            "blueprint.toml",
            Outcome::Unknown(String::new()),
        ),
    ];
    for (agreed, place, pages) in rows {
        let report = looked(&recorded, &agreed).await;
        found(&report, place, Severity::Critical);
        let outcome =
            |part| report.sections.iter().find(|section| section.part == part).unwrap().outcome.clone();
        assert!(matches!(outcome(Part::Lock), Outcome::Unknown(_)));
        let found = outcome(Part::Pages);
        assert_eq!(std::mem::discriminant(&found), std::mem::discriminant(&pages), "{place}: {found:?}");
    }
    let wrong =
        recorded.with("/trial", Caller::Browser, |text| text.replace("value=\"7\"", "value=\"8\"")).unwrap();
    let agreed = Agreed { blueprint: broken(), ..shipped() };
    found(&looked(&wrong, &agreed).await, "trial.days on /trial", Severity::Critical);
}

async fn kinds(test: &TestApp) -> Vec<String> {
    let found = test.get("/api/ops/audit?limit=200").key(&test.keys.operator).send().await.json();
    let records = found["records"].as_array().unwrap().iter();
    let mut kinds: Vec<_> = records
        .map(|record| record["kind"].as_str().unwrap().to_owned())
        .filter(|kind| kind.starts_with("drift.") || kind.starts_with("blueprint."))
        .collect();
    kinds.reverse();
    kinds
}

#[tokio::test]
async fn a_node_sees_files_that_change_and_keeps_what_it_found() {
    let folder = temp_dir();
    let file = folder.path().join("blueprint.toml");
    std::fs::write(&file, Blueprint::SHIPPED).unwrap();
    std::fs::write(folder.path().join("blueprint.lock"), BlueprintLock::SHIPPED).unwrap();
    let test = TestApp::with(|settings| {
        settings.account_requests_per_minute = None;
        settings.blueprint = Origin::File(file.clone());
    })
    .await;
    let show = async || test.get("/api/ops/drift").key(&test.keys.operator).send().await.json();
    let look = async || test.post("/api/ops/drift/check").key(&test.keys.operator).send().await.json();
    assert_eq!(show().await, json!({ "status": "unknown", "results": [], "acknowledgements": [] }));
    assert_eq!(look().await["pass"], true);
    assert_eq!(show().await["status"], "pass");
    assert_eq!(kinds(&test).await, ["blueprint.locked"]);
    // Another node lives, and nobody knows what it serves.
    let store = &test.app.store;
    let other = NodeId::new(test.app.now(), &*test.app.random);
    let node = NewNode {
        id: other,
        region: "eu-west".parse().unwrap(),
        version: "1.0.0".to_owned(),
        lease: Duration::from_secs(3_600),
        alone: false,
    };
    store.register_node(node, test.app.now()).await.unwrap();
    assert_eq!(show().await["status"], "pass", "it has just begun");
    test.advance(180);
    assert_eq!(show().await["status"], "unknown");
    store.stop_node(other, test.app.now()).await.unwrap();
    assert_eq!(show().await["status"], "pass");

    // Somebody writes another price, and does not start the server again: the file is not as agreed, and the pages are not as the file.
    std::fs::write(&file, Blueprint::SHIPPED.replacen("month_price = 900", "month_price = 1900", 1)).unwrap();
    test.advance(60);
    let result = look().await;
    let places: BTreeSet<_> = result["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["place"].as_str().unwrap().to_owned())
        .collect();
    for place in [
        "plan.starter.month_price in blueprint.toml",
        "plan.starter.month_price on /pricing",
        "plan.starter.month_price in /api/plans",
    ] {
        assert!(places.contains(place), "{place}: {places:?}");
    }
    let since = result["findings"][0]["since"].clone();
    let metrics = test.get("/metrics").send().await.text();
    let line = format!(
        "levqor_drift_deviations{{region=\"eu-west\",severity=\"critical\"}} {}",
        result["findings_total"]
    );
    assert!(metrics.contains(&line), "{line}\n{metrics}");

    // What stays is found since then, and noted once.
    test.advance(60);
    assert_eq!(look().await["findings"][0]["since"], since);
    let status = show().await;
    assert_eq!((&status["status"], &status["results"][0]["pass"]), (&json!("fail"), &json!(false)));
    assert_eq!(kinds(&test).await, ["blueprint.locked", "drift.found"]);

    std::fs::write(&file, Blueprint::SHIPPED).unwrap();
    assert_eq!(look().await["pass"], true);
    assert_eq!(kinds(&test).await, ["blueprint.locked", "drift.found", "drift.ended"]);
    // No fresh evidence is no pass.
    test.advance(3 * 60 * 60);
    assert_eq!(show().await["status"], "unknown");
}

/// Both files are put back to an earlier agreement: all is as agreed then, and it is on record that it is.
#[tokio::test]
async fn an_agreement_that_is_put_back_is_on_record() {
    let folder = temp_dir();
    let (file, lock) = (folder.path().join("blueprint.toml"), folder.path().join("blueprint.lock"));
    let write = |blueprint: &str, agreed: &str| {
        std::fs::write(&file, blueprint).unwrap();
        std::fs::write(&lock, agreed).unwrap();
    };
    write(Blueprint::SHIPPED, BlueprintLock::SHIPPED);
    let test = TestApp::with(|settings| settings.blueprint = Origin::File(file.clone())).await;
    let look = async || {
        test.advance(60);
        test.post("/api/ops/drift/check").key(&test.keys.operator).send().await.json()
    };
    look().await;
    let cheaper = Blueprint::SHIPPED.replacen("month_price = 900", "month_price = 800", 1);
    let shipped = BlueprintLock::parse(BlueprintLock::SHIPPED).unwrap();
    let blueprint = Blueprint::parse(&cheaper).unwrap();
    let next = BlueprintLock::agree(&blueprint, Some(&shipped), test.app.now(), "Ada", "cheaper").unwrap();
    write(&cheaper, &next.to_string());
    look().await;
    look().await;
    write(Blueprint::SHIPPED, BlueprintLock::SHIPPED);
    look().await;
    look().await;
    let locks: Vec<_> =
        kinds(&test).await.into_iter().filter(|kind| kind.starts_with("blueprint.")).collect();
    assert_eq!(locks, ["blueprint.locked", "blueprint.locked", "blueprint.put_back"]);
}

#[tokio::test]
async fn what_somebody_lives_with_is_shown_and_counts_again() {
    let test = TestApp::with(|settings| settings.account_requests_per_minute = Some(30)).await;
    let look = async || test.post("/api/ops/drift/check").key(&test.keys.operator).send().await.json();
    let first = look().await;
    let findings = first["findings"].as_array().unwrap().clone();
    assert_eq!(findings.len(), 2, "{first:#}");
    let acknowledge = async |body: Value| {
        test.post("/api/ops/drift/acknowledge").key(&test.keys.operator).json(&body).send().await
    };
    let body = |finding: &Value, until: &str| json!({ "place": finding["place"], "expected": finding["expected"], "found": finding["found"], "reason": "a small machine", "until": until });
    for finding in &findings {
        let noted = acknowledge(body(finding, "2026-12-24T12:00:00Z")).await;
        assert_eq!(noted.status, StatusCode::OK, "{}", noted.text());
        assert!(noted.json()["by"].as_str().unwrap().starts_with("API key key_"));
    }
    let second = look().await;
    assert_eq!((&second["pass"], &second["findings_total"]), (&json!(true), &json!(2)), "{second:#}");
    assert_eq!(second["verdict"], "DRIFT STATUS: PASS (2 acknowledged)");
    assert_eq!(second["findings"][0]["acknowledged"]["reason"], "a small machine");
    // What is found at the same place later is something else.
    let mut other = findings[0].clone();
    other["found"] = json!("29");
    assert_eq!(acknowledge(body(&other, "2026-12-24T12:00:00Z")).await.status, StatusCode::OK);
    test.advance(30 * 24 * 60 * 60);
    assert_eq!(look().await["pass"], false, "the time is over");

    let now = test.app.now();
    for (change, pointer) in [
        (json!({ "until": now }), "/until"),
        (json!({ "until": "2027-12-24T12:00:00Z" }), "/until"),
        (json!({ "reason": "  " }), "/reason"),
        (json!({ "reason": "one\ntwo" }), "/reason"),
        (json!({ "reason": "x".repeat(501) }), "/reason"),
        (json!({ "place": "" }), "/place"),
        (json!({ "found": "a\u{0}b" }), "/found"),
    ] {
        let mut wrong = body(&findings[0], "2027-01-01T00:00:00Z");
        wrong.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = acknowledge(wrong).await;
        assert_eq!(
            (refused.status, &refused.json()["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(pointer)),
            "{change}"
        );
    }
    assert_eq!(kinds(&test).await.iter().filter(|kind| *kind == "drift.acknowledged").count(), 3);
}
