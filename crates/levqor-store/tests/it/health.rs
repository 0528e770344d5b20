//! Evidence: samples, counters, the log of AI calls.

use std::time::Duration;

use levqor_model::{AccountId, Timestamp};
use levqor_store::{
    ai_requests::AiRequest,
    audit::Filter,
    counters::Increment,
    health::{Sample, SampleDay},
};

use crate::support::{NOW, World, region};

fn at(second: u64) -> Timestamp {
    NOW + Duration::from_secs(second)
}

#[tokio::test]
async fn samples_are_summed_by_day_and_the_newest_shown() {
    let world = World::new();
    let node = world.node_id();
    let sample = |component: &str, second, good| Sample {
        region: region("eu-west"),
        node,
        component: component.to_owned(),
        at: at(second),
        good,
        latency_us: good.then_some(250),
        reason: (!good).then(|| "no answer".to_owned()),
    };
    let store = &world.store;
    let samples = [sample("api", 0, true), sample("api", 9, false), sample("engine", 5, true)];
    store.add_samples(samples.to_vec()).await.unwrap();
    // Late and repeated ones change neither the newest nor the sums of what is there.
    store.add_samples(vec![sample("api", 1, true), sample("api", 9, false)]).await.unwrap();
    store.add_samples(vec![sample("api", 100_000, true)]).await.unwrap();
    assert_eq!(
        store.latest_samples().await.unwrap(),
        [sample("api", 100_000, true), sample("engine", 5, true)]
    );

    let day = |component: &str, offset, good, total| SampleDay {
        region: "eu-west".to_owned(),
        component: component.to_owned(),
        day: NOW.date().plus_days(offset),
        good,
        total,
    };
    let days = [day("api", 0, 2, 3), day("engine", 0, 1, 1), day("api", 1, 1, 1)];
    assert_eq!(store.sample_days(NOW.date()).await.unwrap(), days);
    assert_eq!(store.sample_days(NOW.date().plus_days(1)).await.unwrap(), days[2..]);

    store.prune_samples(at(1_000_000)).await.unwrap();
    assert_eq!(store.sample_days(NOW.date()).await.unwrap(), days, "sums stay");
    assert_eq!(store.latest_samples().await.unwrap().len(), 2, "the newest stay");
    assert_eq!(store.first_sample_at(region("eu-west")).await, Ok(Some(NOW)));
    assert_eq!(store.first_sample_at(region("us-east")).await, Ok(None));
}

#[tokio::test]
async fn what_a_clock_put_ahead_is_dropped_when_it_is_right_again() {
    let world = World::new();
    let (store, node) = (&world.store, world.node_id());
    let sample = |component: &str, second, good| Sample {
        region: region("eu-west"),
        node,
        component: component.to_owned(),
        at: at(second),
        good,
        latency_us: None,
        reason: None,
    };
    let samples = [
        sample("api", 0, true),
        sample("api", 15, true),
        // An hour, and a day, ahead.
        sample("api", 3_600, true),
        sample("api", 3_605, false),
        sample("engine", 100_000, true),
    ];
    store.add_samples(samples.to_vec()).await.unwrap();
    assert_eq!(store.drop_samples_ahead(NOW).await, Ok(3), "clocks may differ by 15 s");
    assert_eq!(store.drop_samples_ahead(NOW).await, Ok(0));
    let day = SampleDay {
        region: "eu-west".to_owned(),
        component: "api".to_owned(),
        day: NOW.date(),
        good: 2,
        total: 2,
    };
    assert_eq!(store.sample_days(NOW.date()).await.unwrap(), [day], "no sum counts them");
    assert_eq!(store.recent_samples(NOW, at(1_000_000)).await.unwrap().len(), 2);
    // What is said from now on is the newest, though it is earlier than what was said.
    store.add_samples(vec![sample("api", 20, false), sample("engine", 20, true)]).await.unwrap();
    assert_eq!(store.latest_samples().await.unwrap(), [sample("api", 20, false), sample("engine", 20, true)]);
    let filter = Filter { kind: Some("status".to_owned()), ..Filter::default() };
    let records = store.audit_records(filter, None, 10).await.unwrap();
    assert_eq!(records.len(), 1, "evidence does not go in silence: {records:?}");
    assert!(records[0].details.contains("\"samples\":3"), "{records:?}");
}

#[tokio::test]
async fn counts_have_totals_and_buckets() {
    let world = World::new();
    let store = &world.store;
    let count = |name, micros, by| Increment { name, at: NOW + Duration::from_micros(micros), by };
    store.add_counts(vec![count("requests", 0, 2), count("errors", 1, 1)]).await.unwrap();
    store.add_counts(vec![count("requests", 999_999, 3), count("requests", 1_000_000, 1)]).await.unwrap();
    let totals = vec![("errors".to_owned(), 1), ("requests".to_owned(), 6)];
    assert_eq!(store.totals().await, Ok(totals.clone()));
    let bucket = |name: &str, second, value| (name.to_owned(), at(second), value);
    let buckets = vec![bucket("errors", 0, 1), bucket("requests", 0, 5), bucket("requests", 1, 1)];
    assert_eq!(store.buckets_since(NOW).await.unwrap(), buckets);
    assert_eq!(store.buckets_since(at(1)).await.unwrap(), buckets[2..]);
    store.prune_buckets(at(1)).await.unwrap();
    assert_eq!(store.buckets_since(NOW).await.unwrap(), buckets[2..]);
    assert_eq!(store.totals().await, Ok(totals), "totals stay");
}

#[tokio::test]
async fn ai_calls_are_listed_newest_first() {
    let world = World::new();
    let account = world.account_id();
    let call = |account_id: Option<AccountId>, second| AiRequest {
        at: at(second),
        account_id,
        region: region("eu-west"),
        kind: "chat".to_owned(),
        backend: "built-in".to_owned(),
        language: "en".to_owned(),
        success: second != 2,
        credits: 1,
        latency_us: 1_000,
    };
    let calls = [call(Some(account), 3), call(None, 2), call(Some(account), 1)];
    let store = &world.store;
    for call in calls.iter().rev() {
        store.meter_ai(call.clone(), None).await.unwrap();
    }
    assert_eq!(store.ai_requests(None, None, 10).await.unwrap(), calls);
    assert_eq!(store.ai_requests(None, Some(at(3)), 1).await.unwrap(), calls[1..2]);
    let own = [calls[0].clone(), calls[2].clone()];
    assert_eq!(store.ai_requests(Some(account), None, 10).await.unwrap(), own);
    assert_eq!(store.ai_requests(Some(account), Some(at(3)), 10).await.unwrap(), own[1..]);
    store.prune_ai_requests(at(3)).await.unwrap();
    assert_eq!(store.ai_requests(None, None, 10).await.unwrap(), calls[..1]);
}

#[tokio::test]
async fn a_call_that_is_made_again_is_metered_once() {
    let world = World::new();
    let account = world.account_id();
    let call = AiRequest {
        at: at(1),
        account_id: Some(account),
        region: region("eu-west"),
        kind: "extract".to_owned(),
        backend: "builtin".to_owned(),
        language: "en".to_owned(),
        success: true,
        credits: 2,
        latency_us: 1_000,
    };
    let store = &world.store;
    let key = |key: &str| Some(key.to_owned());
    assert_eq!(store.ai_call_credits("run_1/do/0".to_owned()).await.unwrap(), None);
    let again = AiRequest { at: at(2), ..call.clone() };
    let free = AiRequest { credits: 0, success: false, ..again.clone() };
    for (call, call_key, new) in [
        (call.clone(), key("run_1/do/0"), true),
        (free, key("run_1/do/0"), false),
        (again.clone(), key("run_1/do/1"), true),
        (again.clone(), None, true),
        (again, None, true),
    ] {
        assert_eq!(store.meter_ai(call, call_key.clone()).await.unwrap(), new, "{call_key:?}");
    }
    assert_eq!(store.ai_call_credits("run_1/do/0".to_owned()).await.unwrap(), Some(2), "what it cost first");
    assert_eq!(store.ai_requests(Some(account), None, 10).await.unwrap().len(), 4);
    let day = at(1).date();
    assert_eq!(store.usage(Some(account), day, day).await.unwrap().ai_credits, 8);
}

#[tokio::test]
async fn readiness_writes_and_reads() {
    let world = World::new();
    for _ in 0..2 {
        let readiness = world.store.readiness().await;
        assert!(readiness.write.is_ok() && readiness.read.is_ok(), "{readiness:?}");
        assert_eq!(readiness.migration, readiness.migration_expected);
        // Only of a database on this machine.
        assert_eq!(readiness.disk_free_bytes.is_some_and(|bytes| bytes > 0), crate::backend::IS_HERE);
    }
    let (queued, capacity) = world.store.queue_depth();
    assert!(queued == 0 && capacity > 0);
}
