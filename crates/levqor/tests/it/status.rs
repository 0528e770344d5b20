//! `levqor status` and `levqor maintenance` against a real server, and signed days that somebody has changed; the page in a browser.

use std::{
    process::{Command, Output},
    time::Duration,
};

use levqor_lab::Signal;
use levqor_model::{
    Clock, Date, SigningKey, SystemClock, Timestamp,
    uptime::{Observation, SignedUptime, UptimeRecord},
};
use levqor_testkit::{HttpStub, Reply, Route, temp_dir, wait_for};
use serde_json::{Value, json};

use crate::{
    api::Levqor,
    browser::{Browser, LOOKS},
};

fn levqor(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_levqor")).args(arguments).env_remove("LEVQOR_REGION").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A day, its record, and what it was counted from.
type Shown = (Date, SignedUptime, Vec<Observation>);

/// The observations of a day: one each five seconds of an hour, one of them bad.
fn seen(day: Date) -> Vec<Observation> {
    (0..720)
        .map(|step| Observation {
            region: "eu-west".to_owned(),
            component: "api".to_owned(),
            at: day.start() + Duration::from_secs(step * 5),
            node: "node_1".to_owned(),
            good: step != 100,
        })
        .collect()
}

/// A server that shows these days.
async fn showing(days: &[Shown]) -> HttpStub {
    let stub = HttpStub::start().await;
    let list: Vec<Value> = days
        .iter()
        .rev()
        .map(|(day, signed, _)| json!({ "day": day, "sha256": signed.sha256, "sealed_at": day.start() }))
        .collect();
    let key = days[0].1.key.clone();
    stub.route(
        Route::new("/api/status/uptime").reply(Reply::json(&json!({ "days": list, "public_key": key }))),
    );
    for (day, signed, seen) in days {
        let record = json!({
            "day": day, "text": signed.text, "sha256": signed.sha256, "signature": signed.signature, "public_key": signed.key,
        });
        let seen: Vec<Value> = seen
            .iter()
            .map(|one| {
                json!({ "at": one.at, "region": one.region, "component": one.component, "node": one.node, "good": one.good })
            })
            .collect();
        stub.route(Route::new(&format!("/api/status/uptime/{day}")).reply(Reply::json(&record)));
        let evidence = Route::new(&format!("/api/status/uptime/{day}/evidence"));
        stub.route(evidence.reply(Reply::json(&json!({ "observations": seen }))));
    }
    stub
}

#[tokio::test]
async fn signed_days_hold_and_changed_ones_are_named() {
    let now: Timestamp = SystemClock.now();
    let key = SigningKey::from_seed(&[1; 32]).unwrap();
    let (first, second) = (now.date().plus_days(-2), now.date().plus_days(-1));
    let one = UptimeRecord::of(first, &seen(first), String::new()).sign(&key);
    let two = UptimeRecord::of(second, &seen(second), one.sha256.clone()).sign(&key);
    let days = vec![(first, one.clone(), seen(first)), (second, two.clone(), seen(second))];
    let run = async |days: &[Shown], more: &[&str]| {
        let stub = showing(days).await;
        let url = stub.url("");
        let mut arguments = vec!["status", "verify", "--url", url.as_str()];
        arguments.extend(more);
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        let ran = tokio::task::spawn_blocking(move || {
            levqor(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        });
        let ran = ran.await.unwrap();
        (ran.status.code(), text(&ran.stdout), text(&ran.stderr))
    };
    let (code, told, problem) = run(&days, &[]).await;
    assert_eq!(code, Some(0), "{told}{problem}");
    assert!(told.contains("holds, counted again") && told.contains("99.861 %"), "{told}");
    let (code, told, _) = run(&days, &["--json", "--public-key", &key.public_key().to_string()]).await;
    assert_eq!(
        (code, serde_json::from_str::<Value>(&told).unwrap()["holds"].clone()),
        (Some(0), json!(true))
    );
    let other = SigningKey::from_seed(&[2; 32]).unwrap().public_key().to_string();
    let (code, told, _) = run(&days, &["--public-key", &other]).await;
    assert!(code == Some(1) && told.contains("not by"), "{told}");

    let changed = |change: &dyn Fn(&mut Vec<Shown>)| {
        let mut days = days.clone();
        change(&mut days);
        days
    };
    let rows = [
        (
            "the hash is",
            changed(&|days| days[1].1.text = days[1].1.text.replace("\"good\":719", "\"good\":720")),
        ),
        ("good is 719, counted again it is 720", changed(&|days| days[1].2[100].good = true)),
        (
            "the observations are others",
            changed(&|days| {
                days[1].2[7].at = days[1].2[7].at + Duration::from_micros(1);
                days[1].2[6].at = days[1].2[6].at + Duration::from_micros(1);
            }),
        ),
        ("there is no evidence of it", changed(&|days| days[0].2.clear())),
        ("give them in the order of their times", changed(&|days| days[1].2.swap(7, 8))),
        (
            "it follows another record",
            changed(&|days| {
                let record = UptimeRecord::of(days[0].0, &seen(days[0].0), "other".to_owned());
                days[0].1 = record.sign(&SigningKey::from_seed(&[1; 32]).unwrap());
            }),
        ),
    ];
    for (words, days) in rows {
        let (code, told, problem) = run(&days, &[]).await;
        assert!(code == Some(1) && told.contains(words), "{words}: {code:?} {told}{problem}");
    }
    // What is left out at an end breaks no chain, and is noticed.
    let (third, fourth) = (now.date().plus_days(-4), now.date().plus_days(-3));
    let three = UptimeRecord::of(third, &seen(third), "ab".to_owned()).sign(&key);
    let four = UptimeRecord::of(fourth, &seen(fourth), three.sha256.clone()).sign(&key);
    let (code, told, _) = run(&[(third, three, seen(third)), (fourth, four, seen(fourth))], &[]).await;
    assert!(
        code == Some(1)
            && told.contains("it follows a record that is not shown")
            && told.contains("should be signed by now"),
        "{told}"
    );
    let (code, _, problem) = run(&days, &["--day", "yesterday"]).await;
    assert!(code == Some(2) && problem.contains("--day"), "{problem}");
}

#[tokio::test]
async fn operators_say_and_plan_from_a_terminal() {
    let directory = temp_dir();
    let server = Levqor::first(directory.path()).await;
    let (url, key) = (server.server.url(""), server.key.clone());
    let run = async |words: &[&str]| {
        let mut arguments: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        arguments.extend(["--url".to_owned(), url.clone(), "--key".to_owned(), key.clone()]);
        let ran = tokio::task::spawn_blocking(move || {
            levqor(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        });
        let ran = ran.await.unwrap();
        (ran.status.code(), format!("{}{}", text(&ran.stdout), text(&ran.stderr)))
    };
    let is = async |wanted: &str| {
        wait_for(&format!("the status {wanted}"), || async {
            (server.get("/api/status").await["status"] == wanted).then_some(())
        })
        .await;
    };
    is("operational").await;
    let (code, told) = run(&[
        "status",
        "declare",
        "*/engine",
        "--state",
        "degraded",
        "--words",
        "runs are slow",
        "--for",
        "1h",
    ])
    .await;
    assert_eq!(code, Some(0), "{told}");
    is("degraded").await;
    let (code, told) = run(&["status", "declare", "*/engine", "--state", "good", "--words", "x"]).await;
    assert!(code == Some(1) && told.contains("cannot be better than measured"), "{told}");
    let (code, told) = run(&["status", "declare", "*/engine", "--words", "x", "--for", "soon"]).await;
    assert!(code == Some(2) && told.contains("30m"), "{told}");
    let (_, told) = run(&["status", "declarations", "--json"]).await;
    let said: Value = serde_json::from_str(&told).unwrap();
    let id = said["declarations"][0]["id"].as_str().unwrap();
    let (code, told) = run(&["status", "withdraw", id]).await;
    assert_eq!(code, Some(0), "{told}");
    is("operational").await;

    let now = SystemClock.now();
    let times = [now + Duration::from_secs(3_600), now + Duration::from_secs(7_200)].map(|at| at.to_string());
    let (code, told) = run(&[
        "maintenance",
        "schedule",
        "A new disk",
        "--parts",
        "*/database,*/engine",
        "--from",
        &times[0],
        "--until",
        &times[1],
        "--json",
    ])
    .await;
    assert_eq!(code, Some(0), "{told}");
    let made: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&made["status"], &made["parts"]), (&json!("scheduled"), &json!(["*/database", "*/engine"])));
    let id = made["id"].as_str().unwrap();
    let (code, told) = run(&["maintenance", "end", id]).await;
    assert!(code == Some(1) && told.contains("is scheduled and cannot be ended; cancel it"), "{told}");
    let (code, told) = run(&["maintenance", "cancel", id, "--reason", "no disk"]).await;
    assert_eq!(code, Some(0), "{told}");
    let (_, told) = run(&["maintenance", "list"]).await;
    assert!(told.contains("cancelled") && told.contains("A new disk"), "{told}");
    let (code, told) = run(&["status", "verify"]).await;
    assert!(code == Some(1) && told.contains("no day is signed yet"), "{told}");
}

/// What the verdict on the page is, by its colour.
async fn verdict(browser: &Browser) -> String {
    let found = browser.script("return document.querySelector('.verdict')?.className ?? ''").await;
    found.as_str().unwrap().to_owned()
}

async fn turns(browser: &Browser, wanted: &str) {
    wait_for(&format!("the page to be {wanted}"), || async {
        (verdict(browser).await == wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_open_page_does_not_stay_green_when_nothing_is_heard() {
    for look in LOOKS {
        let directory = temp_dir();
        let levqor = Levqor::first(directory.path()).await;
        wait_for("samples of all parts", || async {
            (levqor.get("/api/status").await["status"] == "operational").then_some(())
        })
        .await;
        let browser = Browser::open(*look).await;
        browser.go(&levqor.server.url("/status")).await;
        turns(&browser, "verdict good").await;
        browser.script("document.querySelectorAll('details').forEach((one) => (one.open = true))").await;
        browser.picture(&format!("status-good-{}", look.name)).await;
        browser.check_manners("a good status").await;
        browser.check_axe("a good status").await;
        let until = (SystemClock.now() + Duration::from_secs(3_600)).to_string();
        let body = json!({ "part": "*/engine", "state": "degraded", "words": "Runs are slow; we look into it.", "until": until });
        let (status, said) =
            levqor.call(reqwest::Method::POST, "/api/ops/status/declarations", Some(&body)).await;
        assert_eq!(status, 201, "{said}");
        // Nothing is clicked or loaded again: the page hears of it.
        turns(&browser, "verdict warn").await;
        browser.picture(&format!("status-degraded-{}", look.name)).await;
        browser.check_manners("a degraded status").await;
        browser.check_axe("a degraded status").await;
        // The server stands still: it answers nothing, and closes nothing.
        levqor.server.signal(Signal::STOP).unwrap();
        turns(&browser, "verdict idle stale").await;
        let title = browser.script("return document.querySelector('.verdict h1').textContent").await;
        assert!(
            title.as_str().unwrap().starts_with("Unknown: this page has heard nothing new for"),
            "{title}"
        );
        let green = browser.script("return document.querySelectorAll('#status .badge.good').length").await;
        assert_eq!(green, json!(0));
        browser.picture(&format!("status-unknown-{}", look.name)).await;
        browser.check_axe("an unknown status").await;
        levqor.server.signal(Signal::CONT).unwrap();
        turns(&browser, "verdict warn").await;
        browser.close().await;
    }
}

#[tokio::test]
async fn people_subscribe_and_operators_write_in_a_browser() {
    let directory = temp_dir();
    let levqor = Levqor::first(directory.path()).await;
    for look in LOOKS {
        let browser = Browser::open(*look).await;
        browser.go(&levqor.server.url("/status/subscribe")).await;
        browser.check_manners("the form of subscribing").await;
        browser.check_axe("the form of subscribing").await;
        browser.picture(&format!("status-subscribe-{}", look.name)).await;
        browser.close().await;
    }
}
