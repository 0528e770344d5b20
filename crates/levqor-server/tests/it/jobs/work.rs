//! What each job gives, from what is stored.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{
    AccountId, Date, LeadId, NodeId, NotificationId, Point, RegionCode, SeriesKind, Severity, Timestamp,
};
use levqor_server::features::{
    jobs::{JobSettings, Prices},
    metrics::Counter,
};
use levqor_store::{
    accounts::Account,
    ai_requests::AiRequest,
    countries::CountryCount,
    health::Sample,
    metrics::{Series, SeriesBatch},
    notifications::{NewNotification, Target},
    page_events::PageEvents,
};
use serde_json::{Value, json};

use super::{done, firing, see};
use crate::support::{GREET, TestApp};

/// The last whole day when tests begin.
const DAY: &str = "2026-11-23";

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// An account that was opened on a day, and was active on others.
async fn account(test: &TestApp, opened: &str, active: &[&str]) -> AccountId {
    let at = day(opened).start();
    let id = AccountId::new(at, &*test.random);
    let row = Account { id, name: "a".to_owned(), plan: "growth".to_owned(), created_at: at };
    test.store.create_account(row).await.unwrap();
    for on in active {
        test.store.add_ai_credits(Some(id), day(on), 1).await.unwrap();
    }
    id
}

/// Ten accounts of one week: six of them are active four weeks later, three on the last day, two others in between.
async fn ten_accounts(test: &TestApp) {
    for number in 0..10 {
        let active: &[&str] = match number {
            0..3 => &["2026-11-20", DAY],
            3..6 => &["2026-11-20"],
            6..8 => &["2026-11-05"],
            _ => &[],
        };
        account(test, "2026-10-20", active).await;
    }
}

async fn ai(test: &TestApp, account: AccountId, at: Timestamp, backend: &str, credits: i64) {
    let request = AiRequest {
        at,
        account_id: Some(account),
        region: "eu-west".parse().unwrap(),
        kind: "chat".to_owned(),
        backend: backend.to_owned(),
        language: "en".to_owned(),
        success: true,
        credits,
        latency_us: 1,
    };
    test.store.meter_ai(request, None).await.unwrap();
}

fn priced(ai: Option<&str>, runs: Option<&str>) -> JobSettings {
    let price = |text: Option<&str>| text.map(|text| text.parse().unwrap());
    let prices = Prices {
        currency: Some("GBP".to_owned()),
        ai_credits_1000: price(ai),
        runs_1000: price(runs),
        storage_gib_month: None,
    };
    JobSettings { prices, ..JobSettings::default() }
}

/// Has a counter grow at a moment.
async fn grows(test: &TestApp, name: &'static str, labels: &[(&str, &str)], at: Timestamp, by: f64) {
    stored(test, SeriesKind::Counter, name, labels, at, by).await;
}

/// Stores a point of a series.
async fn stored(
    test: &TestApp,
    kind: SeriesKind,
    name: &'static str,
    labels: &[(&str, &str)],
    at: Timestamp,
    value: f64,
) {
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let series = Series { name: name.to_owned(), labels, kind };
    let now = test.app.now();
    let number = test.store.series_numbers(vec![series], now).await.unwrap()[0].unwrap();
    let point = Point::of(at, value);
    let batch = SeriesBatch::new(levqor_model::Random::u64(&*test.random), at, [(name, number, &point)]);
    test.store.add_series_points(batch, now).await.unwrap();
}

fn minutes_before(test: &TestApp, minutes: u64) -> Timestamp {
    test.app.now() - Duration::from_secs(60 * minutes)
}

/// On an installation in which nothing has happened yet, every job says so, and fails not.
#[tokio::test]
async fn every_job_gives_something_where_there_is_nothing() {
    let test = TestApp::new().await;
    let list = see(&test, "").await;
    let jobs = list["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 20);
    for job in jobs {
        let id = job["id"].as_str().unwrap();
        let (summary, data) = done(&test, id).await;
        assert!(summary.len() > 10 && summary.ends_with('.'), "{id}: {summary}");
        assert!(data.as_object().is_some_and(|data| !data.is_empty()), "{id}: {data}");
        assert!(!summary.contains("NaN") && !data.to_string().contains("NaN"), "{id}: {summary}");
    }
}

#[tokio::test]
async fn retention_counts_who_is_active_and_who_stays() {
    let test = TestApp::new().await;
    ten_accounts(&test).await;
    let (summary, data) = done(&test, "retention_aggregation").await;
    assert_eq!(
        summary,
        "Of 10 accounts on 2026-11-23, 3 were active that day, 6 in 7 days and 8 in 30; 0 were opened in 7 days. \
         Of 10 opened in the week from 2026-10-20, 6 were active 4 weeks later (60 %)."
    );
    assert_eq!(data["active"], json!({ "day": 3, "days_7": 6, "days_30": 8 }));
    let cohort = &data["cohorts"][4];
    assert_eq!(cohort["from"], "2026-10-20");
    // Nobody in the first week after, two in the second.
    assert_eq!(cohort["active_after_weeks"], json!([0, 2, 0, 6]));
    // Accounts of today are not part of yesterday.
    assert_eq!(data["accounts"], 10);
}

#[tokio::test]
async fn growth_says_that_sources_are_not_known_without_leads() {
    let test = TestApp::new().await;
    ten_accounts(&test).await;
    account(&test, "2026-11-20", &["2026-11-21"]).await;
    let (summary, data) = done(&test, "growth_retention").await;
    assert_eq!(
        summary,
        "Where 11 accounts came from is not known: no lead has an owner's address. 9 active in 30 days (82 %)."
    );
    let sources = data["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 1);
    assert_eq!(
        sources[0],
        json!({
            "source": "unknown", "accounts": 11, "opened_in_30_days": 1, "active_7_days": 7, "active_30_days": 9,
            "older_than_30_days": 10, "of_them_active_30_days": 8,
        })
    );
}

#[tokio::test]
async fn costs_are_collected_for_what_has_a_price() {
    let test = TestApp::with(|settings| settings.jobs = priced(Some("2"), Some("0.10"))).await;
    let workflow = test.save("greet", GREET).await;
    for _ in 0..2 {
        test.start(&workflow, 5, &json!({ "name": "Ada" })).await;
    }
    ai(&test, test.account, test.app.now(), "openai", 1_500).await;
    ai(&test, test.account, test.app.now(), "builtin", 10).await;
    test.app.run_due_jobs().await.unwrap();
    // The next day at its time.
    test.advance(13 * 60 * 60);
    test.app.run_due_jobs().await.unwrap();
    let firing = see(&test, "/cost_collector/history").await["firings"][0].clone();
    assert_eq!(
        (&firing["due_at"], &firing["state"]),
        (&json!("2026-11-25T01:00:00.000000Z"), &json!("done")),
        "{firing:#}"
    );
    assert_eq!(
        firing["summary"],
        "2026-11-24: 1,500 AI credits of providers, 2 runs, about 0 MiB kept: 3.00 GBP, without storage, which has no price."
    );
    let data = &firing["data"];
    let totals = &data["totals"];
    assert_eq!(
        totals["ai"],
        json!({ "requests": 2, "credits": 1_500, "built_in_credits": 10, "cost": "3.00 GBP" })
    );
    assert_eq!(totals["runs"], json!({ "runs": 2, "cost": "0.00 GBP" }));
    assert_eq!(
        (&totals["storage"]["cost"], &totals["not_priced"]),
        (&json!("not priced"), &json!(["storage"]))
    );
    let bytes = totals["storage"]["bytes"].as_i64().unwrap();
    assert!((500..100_000).contains(&bytes), "{bytes}");
    assert_eq!(data["accounts"][0]["account"], test.account.to_string());
    assert_eq!(data["accounts"][0]["storage"]["bytes"], bytes, "the other account keeps nothing");
    assert_eq!(data["accounts_using"], 1);
}

#[tokio::test]
async fn without_prices_quantities_are_told_and_no_costs() {
    let test = TestApp::new().await;
    ai(&test, test.account, day(DAY).start(), "openai", 1_500).await;
    let (summary, data) = done(&test, "cost_collector").await;
    assert_eq!(
        summary,
        "2026-11-23: 1,500 AI credits of providers, 0 runs, about 0 MiB kept; nothing has a price, so what it cost is not known."
    );
    assert_eq!(
        (&data["totals"]["cost"], &data["totals"]["ai"]["credits"]),
        (&json!("not priced"), &json!(1_500))
    );
}

#[tokio::test]
async fn the_next_month_is_forecast_from_enough_days() {
    let test = TestApp::with(|settings| settings.jobs = priced(Some("2"), None)).await;
    let (summary, data) = done(&test, "cost_prediction").await;
    assert_eq!(
        summary,
        "There are 0 days of history, and 14 are needed: what the next 30 days bring is not known."
    );
    assert_eq!(data["forecast"], Value::Null);
    for back in 0..20 {
        ai(&test, test.account, day(DAY).plus_days(-back).start(), "openai", 100).await;
        ai(&test, test.account, day(DAY).plus_days(-back).start(), "builtin", 7).await;
    }
    let (summary, data) = done(&test, "cost_prediction").await;
    assert_eq!(
        summary,
        "The next 30 days, by the last 20 days and at 95 %: 3000 AI credits (3000 to 3000), 0 runs (0 to 0); \
         cost: 6.00 GBP (6.00 GBP to 6.00 GBP)."
    );
    assert_eq!(data["quantities"]["ai_credits"]["days_used"], 20);
    assert!((data["cost_micros"]["mean"].as_f64().unwrap() - 6_000_000.0).abs() < 1.0, "{data}");
}

#[tokio::test]
async fn marketing_counts_clicks_since_the_last_time_and_how_far_accounts_come() {
    let test = TestApp::new().await;
    test.app.count(Counter::PricingCtaClicks);
    test.app.count(Counter::PricingCtaClicks);
    test.app.flush().await;
    account(&test, "2026-11-20", &[]).await;
    let yesterday = test.app.now() - Duration::from_secs(24 * 60 * 60);
    let lead = LeadId::new(yesterday, &*test.random);
    test.store
        .keep_lead(lead, "ada@example.com".to_owned(), "newsletter".to_owned(), true, yesterday)
        .await
        .unwrap();
    let looks = PageEvents {
        day: yesterday.date(),
        kind: "page_view".to_owned(),
        page: "/pricing".to_owned(),
        target: String::new(),
        source: "may".to_owned(),
        events: 3,
    };
    test.store.add_page_events(vec![looks]).await.unwrap();
    let (summary, _) = done(&test, "marketing_rollup").await;
    assert_eq!(
        summary,
        "In 30 days: 1 lead, 3 page views, 1 account was opened, 0 (0 %) with a workflow, 0 (0 %) with a run. \
         Clicks on prices: 2 in all."
    );
    test.advance(60);
    test.app.count(Counter::PricingCtaClicks);
    test.app.flush().await;
    let (summary, data) = done(&test, "marketing_rollup").await;
    assert!(summary.ends_with("Clicks on prices: 3 in all, 1 since the last rollup."), "{summary}");
    assert_eq!((&data["since_last"]["pricing_cta_clicks"], &data["leads"]), (&json!(1), &json!(1)));
    assert_eq!(data["lead_sources"], json!([{ "name": "newsletter", "count": 1 }]));
    assert_eq!(data["page_views"], json!([{ "name": "/pricing", "count": 3 }]));
    assert_eq!(data["campaigns"], json!([{ "name": "may", "page_views": 3, "cta_clicks": 0 }]));
}

async fn observe(test: &TestApp, component: &str, good: bool, at: Timestamp) {
    let sample = Sample {
        region: "eu-west".parse().unwrap(),
        node: test.app.node,
        component: component.to_owned(),
        at,
        good,
        latency_us: None,
        reason: (!good).then(|| "a test".to_owned()),
    };
    test.store.add_samples(vec![sample]).await.unwrap();
}

#[tokio::test]
async fn the_digest_tells_the_day_and_is_sent_once() {
    let test = TestApp::new().await;
    for seconds in 0..4 {
        observe(&test, "api", seconds > 0, day(DAY).start() + Duration::from_secs(seconds)).await;
    }
    let at = minutes_before(&test, 30);
    grows(&test, "http_requests", &[("status", "2xx"), ("region", "eu-west")], at, 995.0).await;
    grows(&test, "http_requests", &[("status", "5xx"), ("region", "eu-west")], at, 5.0).await;
    let (summary, data) = done(&test, "daily_ops_summary").await;
    for part in [
        "Uptime: 75 % of 4 observations were good; not all: eu-west/api 75 %",
        "Requests: 1,000, 5 failed by the server's fault (0.500 %)",
        "Incidents: 0, 0 open",
        "Budgets: unknown, no objective was evaluated",
        "Drift: unknown",
        "Files: unknown, no node guards its files",
    ] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
    assert_eq!((&data["day"], &data["told"]), (&json!(DAY), &json!("digest")));
    let outbox = test.store.outbox_state(test.app.now()).await.unwrap();
    assert_eq!((outbox.operators.waiting, outbox.subscribers.waiting), (1, 0));
}

#[tokio::test]
async fn governance_tells_the_week_in_the_log_access_and_keys() {
    let test = TestApp::new().await;
    test.save("greet", GREET).await;
    test.advance(60);
    let (summary, data) = done(&test, "governance_report").await;
    assert!(
        summary.contains("1 person, 0 operators; 6 API keys, of which 0 have a secret older than 90 days"),
        "{summary}"
    );
    assert!(summary.contains("Server keys: signing 0 d, sealing 0 d, webhooks 0 d"), "{summary}");
    let kinds = data["evidence_log"]["kinds"].as_array().unwrap();
    let of = |kind: &str| kinds.iter().find(|row| row["kind"] == kind).map(|row| row["records"].clone());
    assert_eq!((of("workflow.created"), of("key.created")), (Some(json!(1)), Some(json!(6))));
    test.advance(91 * 24 * 60 * 60);
    test.app.run_due_jobs().await.unwrap();
    let (summary, _) = done(&test, "governance_report").await;
    assert!(summary.contains("of which 6 have a secret older than 90 days"), "{summary}");
}

#[tokio::test]
async fn errors_are_reported_to_nobody_without_a_dsn() {
    let (summary, data) = done(&TestApp::new().await, "sentry_test").await;
    assert!(summary.starts_with("No DSN is configured"), "{summary}");
    assert_eq!(data, json!({ "configured": false, "delivered": null }));
}

#[tokio::test]
async fn regions_are_ready_only_by_evidence() {
    let test = TestApp::new().await;
    let (summary, data) = done(&test, "expansion_verifier").await;
    assert!(summary.contains("us-east is planned; ap-south is planned"), "{summary}");
    assert!(summary.contains("eu-west is not ready"), "nobody has told anything: {summary}");
    let checks = data["regions"][0]["checks"].as_array().unwrap();
    let of = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap();
    assert_eq!((&of("probes")["good"], &of("blueprint")["good"]), (&Value::Null, &Value::Null), "not known");
    observe(&test, "api", false, test.app.now()).await;
    let (_, data) = done(&test, "expansion_verifier").await;
    let checks = data["regions"][0]["checks"].as_array().unwrap();
    let probes = checks.iter().find(|check| check["name"] == "probes").unwrap();
    assert_eq!((&probes["good"], &probes["found"]), (&json!(false), &json!("api: a test")));
}

#[tokio::test]
async fn the_week_is_told_in_words() {
    let test = TestApp::new().await;
    for back in 0..35 {
        let credits = if back < 7 { 200 } else { 100 };
        test.store.add_ai_credits(Some(test.account), day(DAY).plus_days(-back), credits).await.unwrap();
    }
    let (summary, data) = done(&test, "weekly_intelligence").await;
    assert!(summary.contains("AI credits rose by 100 % to 1,400"), "{summary}");
    assert!(summary.contains("days of active accounts are as usual with 7"), "{summary}");
    assert!(summary.contains("2026-11-17 had unusually many AI credits: 200, usual are 100"), "{summary}");
    assert_eq!(data["unusual"].as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn the_pulse_compares_two_weeks() {
    let test = TestApp::new().await;
    ten_accounts(&test).await;
    account(&test, "2026-11-18", &[DAY]).await;
    let (summary, data) = done(&test, "weekly_pulse").await;
    assert!(summary.starts_with("11 accounts, 1 opened in 7 days (1 more than before). 7 active (7 more than before, 64 % of all)."), "{summary}");
    assert!(summary.contains("Revenue is not known"), "{summary}");
    assert_eq!(
        data["plans"],
        json!([{ "plan": "growth", "accounts": 11 }, { "plan": "agency", "accounts": 2 }])
    );
    assert_eq!(data["revenue"], Value::Null);
}

#[tokio::test]
async fn demand_is_told_by_country() {
    let test = TestApp::new().await;
    let region: RegionCode = "eu-west".parse().unwrap();
    let of = |country: &str, requests| CountryCount {
        day: day(DAY),
        region: region.clone(),
        country: country.to_owned(),
        requests,
    };
    test.store.add_country_counts(vec![of("DE", 20), of("FR", 10), of("DE", 10)]).await.unwrap();
    let (summary, data) = done(&test, "expansion_monitor").await;
    assert!(
        summary.starts_with("40 requests in 28 days from 2 countries, most from DE 75 %, FR 25 %;"),
        "{summary}"
    );
    assert!(summary.contains("us-east planned"), "{summary}");
    assert_eq!(data["countries"][0], json!({ "country": "DE", "requests": 30, "share": "75 %" }));
}

/// Where the country comes from: the header of a proxy that is trusted, counted in memory and written once a minute.
#[tokio::test]
async fn requests_are_counted_by_the_country_that_a_proxy_names() {
    let test = TestApp::with(|settings| {
        settings.gateway.trusted_proxies = "192.0.2.0/24".parse().unwrap();
    })
    .await;
    for from in ["192.0.2.1", "192.0.2.1", "198.51.100.1"] {
        test.get("/api/plans").header("x-levqor-country", "SE").from(from).send().await;
    }
    test.app.flush().await;
    let today = test.app.now().date();
    assert_eq!(test.store.country_counts(today, today).await.unwrap(), [("SE".to_owned(), 2)]);
}

#[tokio::test]
async fn the_watchdog_reckons_objectives_from_the_series() {
    let test = TestApp::new().await;
    let (summary, _) = done(&test, "slo_watchdog").await;
    assert!(summary.contains("availability: unknown, too few events"), "{summary}");
    assert!(summary.contains("The evaluator has not begun."), "{summary}");
    let at = minutes_before(&test, 10);
    grows(&test, "http_requests", &[("status", "2xx")], at, 90.0).await;
    grows(&test, "http_requests", &[("status", "5xx")], at, 10.0).await;
    let (summary, data) = done(&test, "slo_watchdog").await;
    assert!(summary.contains("availability: burns its budget"), "{summary}");
    let objectives = data["objectives"].as_array().unwrap();
    // A tenth of the answers failed: a hundred times what 99.9 % allows, twice what 95 % allow.
    let burn = |number: usize| objectives[number]["windows"]["1h"]["burn"].as_f64().unwrap();
    assert!((burn(0) - 100.0).abs() < 0.01 && (burn(1) - 2.0).abs() < 0.01, "{data}");
    assert_eq!(
        (&objectives[1]["verdict"], &objectives[2]["verdict"]),
        (&json!("holds"), &json!("unknown, too few events"))
    );
}

/// Who should evaluate objectives and never has is no better than who has fallen silent.
#[tokio::test]
async fn an_evaluator_that_never_begins_is_a_failure() {
    let test = TestApp::new().await;
    test.app.run_due_jobs().await.unwrap();
    test.advance(11 * 60);
    test.app.run_due_jobs().await.unwrap();
    let failed = see(&test, "/slo_watchdog/history").await["firings"][0].clone();
    assert_eq!(failed["state"], "failed", "{failed}");
    assert!(
        failed["problem"].as_str().unwrap().contains("the evaluator of objectives is silent"),
        "{failed}"
    );
}

#[tokio::test]
async fn alerts_conditions_and_messages_are_looked_at() {
    let test = TestApp::new().await;
    test.app.run_due_jobs().await.unwrap();
    let (summary, data) = done(&test, "alert_checks").await;
    let number = data["conditions"].as_u64().unwrap();
    assert!(number > 41, "those of jobs, and of other features: {number}");
    assert!(summary.starts_with("Alerts: 0 firing. ") && summary.contains("no message is late"), "{summary}");
    assert!(!data["listed"].to_string().contains("jobs."), "{data}");
    test.store.pause_job("kv_costs".to_owned(), "me".to_owned(), None, test.app.now()).await.unwrap();
    done(&test, "daily_ops_summary").await;
    test.advance(6 * 60);
    test.app.run_due_jobs().await.unwrap();
    let (summary, _) = done(&test, "alert_checks").await;
    assert!(summary.contains("19 of 20 jobs are active"), "{summary}");
    assert!(summary.contains("to operators 1 message waits for more than 5 minutes"), "{summary}");
}

/// Subscribers' addresses are theirs, and some never answer: that says nothing of whether operators are told.
#[tokio::test]
async fn messages_to_subscribers_are_counted_apart() {
    let test = TestApp::new().await;
    test.app.run_due_jobs().await.unwrap();
    let now = test.app.now();
    let stranger = |number: u64| NewNotification {
        id: NotificationId::new(now, &*test.random),
        dedup: format!("told:{number}"),
        target: Target::Subscription(format!("sub_{number}")),
        severity: Severity::Critical,
        subject: "api is disturbed".to_owned(),
        body: "text".to_owned(),
        data: json!({}),
        at: now,
    };
    test.store.notify((0..3).map(stranger).collect()).await.unwrap();
    test.advance(6 * 60);
    test.app.run_due_jobs().await.unwrap();
    let (summary, data) = done(&test, "alert_checks").await;
    let words = "no message to operators is late; to subscribers 3 messages wait for more than 5 minutes";
    assert!(summary.contains(words), "{summary}");
    assert_eq!(data["messages"], json!({ "waiting": 0, "late": 0, "dead": 0 }), "{data}");
    assert_eq!(data["messages_to_subscribers"], json!({ "waiting": 3, "late": 3, "dead": 0 }), "{data}");
}

#[tokio::test]
async fn what_is_unusual_is_found() {
    let test = TestApp::new().await;
    let (summary, _) = done(&test, "intelligence_monitor").await;
    assert_eq!(summary, "There is too little history to say what is usual.");
    // Five hours of quarters, the last one of which is another.
    for quarter in 1..=20 {
        let by = if quarter == 1 { 400.0 } else { 100.0 };
        grows(&test, "http_requests", &[("status", "2xx")], minutes_before(&test, 15 * quarter), by).await;
    }
    test.app.keep_series().await.unwrap();
    let (summary, data) = done(&test, "intelligence_monitor").await;
    assert!(
        summary.starts_with("requests are unusually high: 400, usual are 100; too little history of"),
        "{summary}: {data}"
    );
    assert_eq!((&data["unusual"], &data["series"][1]["verdict"]), (&json!(1), &json!("usual")), "{data}");
}

#[tokio::test]
async fn journeys_are_not_known_before_anything_is_probed() {
    let (summary, data) = done(&TestApp::new().await, "synthetic_checks").await;
    assert_eq!(
        summary,
        "No journey was gone: no region has said where it is reached. Nothing is probed yet, so nothing is known to work."
    );
    assert_eq!(data["known"], false);
}

#[tokio::test]
async fn journeys_are_told_by_region() {
    use levqor_store::probes::{ProbeResult, ProbeVerdict};
    let test = TestApp::new().await;
    let result = |region: &str, good: bool| ProbeResult {
        probe: "sign-in".to_owned(),
        target: "eu-west".to_owned(),
        region: region.parse().unwrap(),
        node: NodeId::new(test.app.now(), &*test.random),
        at: test.app.now(),
        good,
        latency_us: Some(1_000),
        reason: (!good).then(|| "no answer".to_owned()),
    };
    let results = vec![result("eu-west", true), result("us-east", false)];
    test.store.add_probe_results(results, Vec::new()).await.unwrap();
    let verdict = ProbeVerdict {
        probe: "sign-in".to_owned(),
        target: "eu-west".to_owned(),
        state: "down".to_owned(),
        since: test.app.now(),
        reason: None,
    };
    test.store.note_probe_verdict(verdict).await.unwrap();
    let (summary, data) = done(&test, "synthetic_checks").await;
    assert_eq!(
        summary,
        "No journey was gone: no region has said where it is reached. \
         0 of 1 work from every region that looked; sign-in of eu-west fails from us-east."
    );
    assert_eq!(data["probes"][0]["regions"][1]["reason"], "no answer");
}

#[tokio::test]
async fn costs_of_the_month_are_in_the_key_value_store() {
    let test = TestApp::with(|settings| settings.jobs = priced(Some("2"), None)).await;
    ai(&test, test.account, test.app.now() - Duration::from_secs(60), "openai", 500).await;
    let (summary, _) = done(&test, "kv_costs").await;
    assert!(summary.contains("from 2026-11-01 on of 1 account are under levqor.costs"), "{summary}");
    let state = test.store.state(test.account, "levqor.costs".to_owned()).await.unwrap().unwrap();
    let state: Value = serde_json::from_str(&state).unwrap();
    assert_eq!((&state["ai"]["cost"], &state["ai"]["credits"]), (&json!("1.00 GBP"), &json!(500)));
    assert_eq!((&state["from"], &state["currency"]), (&json!("2026-11-01"), &json!("GBP")));
}

#[tokio::test]
async fn load_is_held_against_capacity() {
    let test = TestApp::new().await;
    let (summary, data) = done(&test, "scaling_check").await;
    assert!(summary.starts_with("runs in memory 0 %, calls in flight 0 %, writes that wait"), "{summary}");
    assert!(summary.ends_with("Nothing to do."), "{summary}");
    assert_eq!(data["live_nodes"], 1);
    assert_eq!(data["run_start_p95_us"], Value::Null, "nobody has measured it");
    // Another node had its hands full.
    let (labels, at) = ([("node", "other"), ("region", "eu-west")], minutes_before(&test, 10));
    stored(&test, SeriesKind::Gauge, "engine_active_runs", &labels, at, 1e9).await;
    let (summary, _) = done(&test, "scaling_check").await;
    assert!(
        summary.contains("runs in memory: ")
            && summary.contains("% used; start another node, or raise limits.active_runs"),
        "whichever node looks: {summary}"
    );
}

#[tokio::test]
async fn health_is_told_and_what_is_not_known_is_said() {
    let test = TestApp::new().await;
    observe(&test, "api", true, day(DAY).start()).await;
    observe(&test, "database", true, day(DAY).start()).await;
    let (summary, data) = done(&test, "health_monitor").await;
    for part in [
        "Uptime: 100 % of 2 observations were good in 30 days",
        "Certificates: unknown, no probe has seen one",
        "Clock: unknown, the database has no clock of its own",
        "Backups: unknown, no heartbeat has backup in its name",
    ] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
    assert_eq!((&data["certificates"], &data["last_backup_at"]), (&Value::Null, &Value::Null));
}

/// Whoever makes backups tells of itself by a heartbeat.
#[tokio::test]
async fn backups_are_as_old_as_their_heartbeats_say() {
    use levqor_store::heartbeats::{Heartbeat, Ping};
    let test = TestApp::new().await;
    let spans = (Duration::from_secs(24 * 60 * 60), Duration::from_secs(60 * 60));
    for (number, name) in (1_u8..).zip(["nightly-backup", "other", "weekly-backup"]) {
        let beat = Heartbeat::new(name.to_owned(), "p".to_owned(), spans, "me".to_owned(), test.app.now());
        assert!(test.store.create_heartbeat(beat, [number; 32]).await.unwrap());
    }
    let (summary, _) = done(&test, "health_monitor").await;
    assert!(
        summary.contains(
            "Backups: unknown whether nightly-backup ever ended well, unknown whether weekly-backup ever ended well."
        ),
        "{summary}"
    );
    let ended = test.app.now();
    test.store.ping_heartbeat([1; 32], Ping::Success, ended).await.unwrap().unwrap();
    test.advance(2 * 60 * 60);
    test.app.run_due_jobs().await.unwrap();
    let failed = Ping::Fail { exit_code: Some(3) };
    test.store.ping_heartbeat([1; 32], failed, test.app.now()).await.unwrap().unwrap();
    let (summary, data) = done(&test, "health_monitor").await;
    assert!(
        summary.contains("nightly-backup ended well 2 h ago and is down (it ended with exit code 3)"),
        "one that failed is no backup: {summary}"
    );
    assert_eq!(data["last_backup_at"], json!(ended));
    assert_eq!(
        data["backups"][1],
        json!({ "heartbeat": "weekly-backup", "ended_well_at": null, "down": null })
    );
}

#[tokio::test]
async fn files_that_nobody_guards_are_not_known() {
    let firing = firing(&TestApp::new().await, "security_tamper_check").await;
    assert_eq!(firing["summary"], "No node guards its files, so whether they were changed is not known.");
    assert_eq!(firing["data"]["verdict"], "unknown");
}
