//! Days on the status page: how they are counted, and what may be called green of them.

use std::time::Duration;

use levqor_model::{Timestamp, uptime::UptimeRecord};
use levqor_server::features::status_page::seal_uptime;
use levqor_store::health::Sample;

use crate::{pages::Browser, support::TestApp};

/// A sample of the API each five seconds, so many of them, from then on.
async fn observed(test: &TestApp, from: Timestamp, samples: u64) {
    let all: Vec<Sample> = (0..samples)
        .map(|step| Sample {
            region: "eu-west".parse().unwrap(),
            node: test.app.node,
            component: "api".to_owned(),
            at: from + Duration::from_secs(step * 5),
            good: true,
            latency_us: Some(1_500),
            reason: None,
        })
        .collect();
    for some in all.chunks(2_500) {
        test.store.add_samples(some.to_vec()).await.unwrap();
    }
}

/// More observations than are read at once.
#[tokio::test]
async fn a_day_of_several_pages_is_signed_as_it_was_seen() {
    let test = TestApp::new().await;
    let day = test.app.now().date().plus_days(-1);
    observed(&test, day.start(), 10_007).await;
    seal_uptime(&test.app).await.unwrap();
    let kept = test.store.uptime_record(day).await.unwrap().unwrap();
    let record = kept.signed.verified(None).unwrap();
    let all = test.store.observations(day, None, 20_000).await.unwrap();
    assert_eq!(record, UptimeRecord::of(day, &all, String::new()));
    let api = &record.components[0];
    // The last one speaks for 15 seconds.
    assert_eq!((api.total, api.good_us, api.bad_us), (10_007, (10_006 * 5 + 15) * 1_000_000, 0));
}

/// Nothing is green without evidence: neither a day of which little was seen, nor one of which only sums are left.
#[tokio::test]
async fn a_day_of_which_little_was_seen_is_partly_measured() {
    let test = TestApp::new().await;
    let today = test.app.now().date();
    let (first, second) = (today.plus_days(-2), today.plus_days(-1));
    observed(&test, first.start(), 17_280).await;
    observed(&test, second.start(), 2_400).await;
    // Twelve hours of today have passed, and an hour of them was seen.
    observed(&test, test.app.now() - Duration::from_secs(3_600), 720).await;
    // Before that day is signed, and after.
    for signed in [false, true] {
        if signed {
            seal_uptime(&test.app).await.unwrap();
        }
        test.advance(20);
        let page = test.page("/status").send().await.text();
        let title = |day: &str, words: &str| format!("<title>{day}: {words}</title>");
        let at_most = if signed { "" } else { "at most " };
        let whole = format!("100 % of 17,280 samples good, measured for {at_most}24 h of 24 h");
        assert!(page.contains(&title(&first.to_string(), &whole)), "{signed}: {page}");
        let part =
            format!("partly measured, 100 % of 2,400 samples good, measured for {at_most}3 h 20 min of 24 h");
        assert!(page.contains(&title(&second.to_string(), &part)), "{signed}: {page}");
        assert!(page.contains(&format!(
            "<title>{today}: partly measured, 100 % of 720 samples good, measured for 1 h"
        )));
        let green = page.matches("<rect class=\"good\" x=").count();
        let part = page.matches("<rect class=\"part\" x=").count();
        assert_eq!((green, part), if signed { (1, 2) } else { (0, 3) }, "{page}");
        let told = test.get("/api/status").send().await.json();
        let parts = told["regions"][0]["components"].as_array().unwrap().clone();
        let api = parts.into_iter().find(|part| part["name"] == "api").unwrap();
        assert_eq!(api["measured_exactly"], signed, "{api}");
        let seconds = api["measured_seconds"].as_u64().unwrap();
        assert!((86_400 + 12_000 + 3_600..86_400 + 12_000 + 3_700).contains(&seconds), "{seconds}");
        assert!(page.contains("of measured time"), "{page}");
    }
}
