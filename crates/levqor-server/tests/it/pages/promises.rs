//! Promises on pages are the blueprint's: all of them, wherever they stand, also when the blueprint changes.

use std::collections::{BTreeMap, BTreeSet};

use levqor_model::Blueprint;
use regex::Regex;
use serde_json::Value;

use super::{
    Browser, SITE,
    markup::{main_text, promises},
};
use crate::support::TestApp;

/// What is no promise to customers in words: names for programs, weights, times of our own mail, and where a band begins (its
/// name says it).
const NOT_SHOWN: [&str; 5] = ["currency", ".aliases", ".queue_weight", "lifecycle.", ".from_ppm"];

/// Every number and text of the shipped blueprint is another one here.
fn changed() -> Blueprint {
    let mut blueprint = Blueprint::parse(Blueprint::SHIPPED).unwrap();
    blueprint.money_back_days = 41;
    blueprint.package_revision_rounds = 3;
    for (place, plan) in (1_i64..).zip(&mut blueprint.plans) {
        plan.name = format!("{} & more", plan.name);
        plan.month_price += 150 + place;
        plan.year_price += 1_700 + place;
        plan.workflows += 10 + place;
        plan.runs_per_month += 1_200 + place;
        plan.ai_credits += 1_300 + place;
        plan.first_response_hours += 11;
    }
    for package in &mut blueprint.packages {
        package.name = format!("{} Plus", package.name);
        package.price += 1_951;
    }
    for addon in &mut blueprint.addons {
        addon.name = format!("{} Plus", addon.name);
        addon.month_price += 1_151;
    }
    blueprint.trial.days = 17;
    blueprint.trial.active_per_account = 5;
    blueprint.trial.headline = "17 days for <nothing>".to_owned();
    blueprint.trial.card_note = "A *card*, until Day 17".to_owned();
    blueprint.uptime.promise_ppm = 998_700;
    for credit in &mut blueprint.uptime.credits {
        credit.band = format!("about {}", credit.band);
        credit.percent += 3;
    }
    blueprint.fair_use.requests_per_minute = 1_234;
    blueprint.fair_use.concurrent_runs = 67;
    blueprint
}

fn values(blueprint: &Blueprint) -> BTreeMap<String, (String, String)> {
    blueprint
        .promises()
        .into_iter()
        .map(|promise| (promise.path, (promise.value.to_string(), promise.value.text())))
        .collect()
}

async fn page(app: &TestApp, path: &str) -> String {
    let answer = app.page(path).send().await;
    assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text());
    answer.text()
}

#[tokio::test]
async fn every_promise_on_a_page_is_the_blueprints_also_when_it_changes() {
    let (shipped, changed) = (Blueprint::parse(Blueprint::SHIPPED).unwrap(), changed());
    let (before, after) = (values(&shipped), values(&changed));
    for (path, value) in &before {
        let kept = NOT_SHOWN.iter().any(|part| path.contains(part));
        assert_eq!(after[path] == *value, kept, "the test changes {path}");
    }
    for blueprint in [shipped, changed] {
        let expected = values(&blueprint);
        let app = TestApp::promising(blueprint).await;
        let mut shown = BTreeSet::new();
        for path in SITE {
            for (name, value, text) in promises(&page(&app, path).await) {
                assert_eq!(expected.get(&name), Some(&(value, text)), "{name} on {path}");
                shown.insert(name);
            }
        }
        let hidden: Vec<_> = expected
            .keys()
            .filter(|name| !shown.contains(*name) && !NOT_SHOWN.iter().any(|part| name.contains(part)))
            .collect();
        assert!(hidden.is_empty(), "no page shows {hidden:?}");
    }
}

#[tokio::test]
async fn pages_show_what_they_are_about() {
    let app = TestApp::new().await;
    let plans: Vec<_> = app.app.blueprint.plans.iter().map(|plan| plan.code.clone()).collect();
    let of_plans = |keys: &[&str]| -> Vec<String> {
        plans.iter().flat_map(|plan| keys.iter().map(move |key| format!("plan.{plan}.{key}"))).collect()
    };
    let amounts = of_plans(&[
        "name",
        "month_price",
        "year_price",
        "workflows",
        "runs_per_month",
        "ai_credits",
        "first_response_hours",
    ]);
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let addons =
        app.app.blueprint.addons.iter().map(|addon| format!("addon.{}.month_price", addon.code)).collect();
    let packages: Vec<_> =
        app.app.blueprint.packages.iter().map(|package| format!("package.{}.price", package.code)).collect();
    let credits: Vec<_> = (1..=3).map(|place| format!("uptime.credit.{place}.percent")).collect();
    let trial = names(&["trial.headline", "trial.card_note", "trial.days"]);
    let rows = [
        ("/", amounts.clone()),
        ("/pricing", amounts),
        ("/pricing", addons),
        ("/pricing", packages.clone()),
        (
            "/pricing",
            names(&[
                "trial.headline",
                "trial.card_note",
                "money_back_days",
                "uptime.promise_ppm",
                "fair_use.requests_per_minute",
                "fair_use.concurrent_runs",
                "package_revision_rounds",
            ]),
        ),
        ("/trial", trial.clone()),
        ("/trial", names(&["trial.active_per_account", "money_back_days"])),
        ("/guarantee", credits.clone()),
        ("/guarantee", names(&["money_back_days", "uptime.promise_ppm", "trial.card_note"])),
        ("/support", of_plans(&["first_response_hours"])),
        ("/sla", credits),
        ("/sla", names(&["uptime.promise_ppm"])),
        ("/support-policy", of_plans(&["first_response_hours"])),
        ("/refunds", names(&["money_back_days", "trial.days"])),
        ("/cancellation", trial),
        ("/fair-use", names(&["fair_use.requests_per_minute", "fair_use.concurrent_runs"])),
        ("/dfy-contract", packages),
        ("/revisions", names(&["package_revision_rounds"])),
        ("/terms", of_plans(&["month_price"])),
    ];
    for (path, wanted) in rows {
        let shown: BTreeSet<_> =
            promises(&page(&app, path).await).into_iter().map(|(name, ..)| name).collect();
        for name in wanted {
            assert!(shown.contains(&name), "{path} does not show {name}");
        }
    }
}

/// Numbers that are no promises: names of standards and what an example says.
const OTHER_NUMBERS: &[(&str, &[&str])] = &[
    // The freshness of evidence, the length of journals in pictures, and examples of sentences are the product's own.
    ("/", &["1", "2", "3", "1.0", "15"]),
    ("/how-it-works", &["1", "2", "3", "4"]),
];

#[tokio::test]
async fn no_number_on_a_page_is_written_by_hand() {
    // A number by itself: not in a name such as SHA-256.
    let number = Regex::new(r"(?:^|[^\w.-])(\d[\d,.]*)").unwrap();
    let by_itself = ["A 7-day trial", "within 30 days", "(2,000 runs)", "99.9 %"];
    assert!(by_itself.iter().all(|text| number.is_match(text)) && !number.is_match("SHA-256, Ed25519"));
    for blueprint in [Blueprint::parse(Blueprint::SHIPPED).unwrap(), changed()] {
        let app = TestApp::promising(blueprint).await;
        for path in SITE.iter().filter(|path| !path.starts_with("/docs") && **path != "/status") {
            let text = main_text(
                &page(&app, path).await,
                &["data", "code", "pre", "svg", "figure", "time", "textarea", "button"],
            );
            let allowed =
                OTHER_NUMBERS.iter().find(|(page, _)| page == path).map_or(&[][..], |(_, numbers)| numbers);
            for found in number.captures_iter(&text) {
                let digits = found[1].trim_end_matches(['.', ',']);
                assert!(allowed.contains(&digits), "{path} says {digits} by itself: {text}");
            }
            assert!(!text.contains('£') && !text.contains(" %"), "{path}: {text}");
        }
    }
}

/// The answer of `/api/plans` by the names of promises.
fn by_name(answer: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (list, prefix) in [("plans", "plan"), ("packages", "package"), ("addons", "addon")] {
        for member in answer[list].as_array().unwrap() {
            let prefix = format!("{prefix}.{}", member["code"].as_str().unwrap());
            members(&prefix, member, &mut found);
        }
    }
    for (place, credit) in (1..).zip(answer["uptime"]["credits"].as_array().unwrap()) {
        members(&format!("uptime.credit.{place}"), credit, &mut found);
    }
    for part in ["trial", "uptime", "fair_use"] {
        members(part, &answer[part], &mut found);
    }
    for name in ["currency", "money_back_days", "package_revision_rounds"] {
        found.insert(name.to_owned(), plain(&answer[name]));
    }
    found
}

fn members(prefix: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    for (key, value) in value.as_object().unwrap() {
        match value {
            Value::Object(_) => members(prefix, value, found),
            Value::Array(list) if list.iter().all(Value::is_string) => {
                let words: Vec<_> = list.iter().map(plain).collect();
                found.insert(format!("{prefix}.{key}"), words.join(","));
            }
            Value::Array(_) => {}
            value => {
                found.insert(format!("{prefix}.{key}"), plain(value));
            }
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[tokio::test]
async fn the_api_says_the_same_as_the_pages() {
    for blueprint in [Blueprint::parse(Blueprint::SHIPPED).unwrap(), changed()] {
        let expected = values(&blueprint);
        let app = TestApp::promising(blueprint).await;
        let told = by_name(&app.get("/api/plans").send().await.json());
        let mut compared = 0;
        for path in SITE {
            for (name, value, text) in promises(&page(&app, path).await) {
                assert_eq!(told.get(&name), Some(&value), "{name} on {path}");
                // Prices are told in words, too.
                if let Some(words) = told.get(&format!("{name}_text")) {
                    assert_eq!(words, &text, "{name} on {path}");
                }
                compared += 1;
            }
        }
        assert!(compared > 100, "{compared}");
        let untold: Vec<_> = expected
            .keys()
            .filter(|name| !told.contains_key(*name))
            .filter(|name| !name.ends_with(".queue_weight") && !name.starts_with("lifecycle."))
            .collect();
        assert!(untold.iter().all(|name| name.ends_with(".aliases")), "{untold:?}");
    }
}
