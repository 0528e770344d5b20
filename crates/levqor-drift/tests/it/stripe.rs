//! Prices at a stand-in for Stripe: each one as the blueprint has it, or found.

use levqor_drift::{Outcome, Part, Report, Site};
use levqor_model::{PromiseValue, Secret, Severity};
use levqor_testkit::{HttpStub, Reply, Route};
use serde_json::{Value, json};

use crate::{Nobody, checked, shipped, start_tls};

/// Every price of the blueprint as Stripe tells it.
fn prices() -> Vec<Value> {
    let blueprint = shipped().blueprint.unwrap();
    let price = |name: String, minor: i64| {
        let interval = if name.ends_with(".year_price") { "year" } else { "month" };
        let recurring = if name.starts_with("package.") {
            Value::Null
        } else {
            json!({ "interval": interval, "interval_count": 1 })
        };
        json!({
            "id": format!("price_{minor}"), "object": "price", "active": true, "lookup_key": name, "currency": "gbp",
            "unit_amount": minor, "recurring": recurring,
        })
    };
    let promises = blueprint.promises().into_iter();
    promises
        .filter_map(|promise| match promise.value {
            PromiseValue::Money(money) => Some(price(promise.path, money.minor())),
            _ => None,
        })
        .collect()
}

fn list(prices: &[Value]) -> Reply {
    Reply::json(&json!({ "object": "list", "data": prices, "has_more": false }))
}

async fn asked(stub: &HttpStub, reply: Reply) -> Report {
    start_tls();
    stub.route(Route::new("/v1/prices").method("GET").reply(reply));
    let stripe = Site::new(&stub.url(""), Some(Secret::new("sk_test_1"))).unwrap();
    checked(&Nobody, &shipped(), Some(&stripe)).await
}

/// What was found at Stripe: severity, place, expected, found.
fn at_stripe(report: &Report) -> Vec<(Severity, String, Option<String>, Option<String>)> {
    let findings = report.findings.iter().map(|finding| finding.deviation.clone());
    findings
        .filter(|deviation| deviation.place.ends_with("at Stripe"))
        .map(|deviation| (deviation.severity, deviation.place, deviation.expected, deviation.found))
        .collect()
}

#[tokio::test]
async fn prices_are_read_by_their_names_and_nothing_is_written() {
    let stub = HttpStub::start().await;
    let report = asked(&stub, list(&prices())).await;
    assert_eq!(at_stripe(&report), []);
    let outcome = report.sections.iter().find(|section| section.part == Part::Stripe).unwrap();
    assert_eq!(outcome.outcome, Outcome::Compared(15));
    let requests = stub.requests();
    assert_eq!(requests.len(), 2, "ten lookup keys at once are the most");
    for request in &requests {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/v1/prices"));
        assert_eq!(request.header("authorization"), Some("Bearer sk_test_1"));
        assert!(request.query.starts_with("active=true&limit=100&lookup_keys%5B%5D="), "{}", request.query);
    }
}

#[tokio::test]
async fn every_price_that_differs_is_found_every_time() {
    let stub = HttpStub::start().await;
    let all = prices();
    for (place, price) in all.iter().enumerate() {
        let name = price["lookup_key"].as_str().unwrap();
        let mut changes = vec![
            ("unit_amount", json!(price["unit_amount"].as_i64().unwrap() + 1)),
            ("unit_amount", Value::Null),
            ("currency", json!("usd")),
            ("active", json!(false)),
            ("recurring", json!({ "interval": "week", "interval_count": 1 })),
            ("lookup_key", json!("another")),
        ];
        if !name.starts_with("package.") {
            changes.push(("recurring", json!({ "interval": "month", "interval_count": 3 })));
            changes.push(("recurring", Value::Null));
        }
        for (key, value) in changes {
            let mut changed = all.clone();
            changed[place][key] = value.clone();
            let found = at_stripe(&asked(&stub, list(&changed)).await);
            assert_eq!(found.len(), 1, "{name} {key} {value}: {found:?}");
            let (severity, place, expected, seen) = &found[0];
            assert_eq!(
                (*severity, place.as_str()),
                (Severity::Critical, format!("{name} at Stripe").as_str())
            );
            assert!(expected.as_ref().unwrap().contains(" gbp, "), "{expected:?}");
            assert_eq!(seen.is_none(), key == "lookup_key", "{name} {key}: {seen:?}");
        }
        let mut doubled = all.clone();
        doubled.push(price.clone());
        assert_eq!(at_stripe(&asked(&stub, list(&doubled)).await).len(), 1, "two prices of the name {name}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_unknown_and_no_pass() {
    let stub = HttpStub::start().await;
    let rows = [
        Reply::status(401),
        Reply::status(500),
        Reply::close(),
        Reply::text("fine"),
        Reply::json(&json!({ "data": {} })),
        Reply::json(&json!([1, 2])),
        Reply::json(&json!({ "data": [], "has_more": true })),
    ];
    for reply in rows {
        let shown = format!("{reply:?}");
        let report = asked(&stub, reply).await;
        assert_eq!(at_stripe(&report)[0].1, "prices at Stripe", "{shown}");
        let outcome = &report.sections.iter().find(|section| section.part == Part::Stripe).unwrap().outcome;
        assert!(matches!(outcome, Outcome::Unknown(_)), "{shown}: {outcome:?}");
    }
}
