//! Days on the status page: how they are counted, and what may be called green of them.

use std::time::Duration;

use levqor_model::{Timestamp, uptime::UptimeRecord};
use levqor_server::features::status_page::seal_uptime;
use levqor_store::health::Sample;

use crate::support::TestApp;

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
