//! The status page's nouns: what operators say and plan, who is told of it, and days that are signed.

use std::{sync::Arc, time::Duration};

use levqor_model::{
    DeclarationId, MaintenanceId, NotificationId, Random, SeededRandom, Severity, SigningKey, SubscriptionId,
    Timestamp,
    uptime::{Observation, UptimeRecord},
};
use levqor_store::{
    Store,
    audit::Filter,
    declarations::{Declaration, Declared},
    health::{Sample, SampleBucket},
    maintenance::{Changed, Phase, WINDOWS_MAX, Window},
    notifications::{NewNotification, Target},
    subscriptions::{
        Announcement, Confirmed, NewSubscription, Subscribed, Subscription, SubscriptionBounds,
        SubscriptionKind,
    },
    uptime::KeptUptime,
};
use serde_json::json;

use crate::support::{NOW, World, region};

fn after(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

async fn kinds(world: &World) -> Vec<String> {
    let records = world.store.audit_records(Filter::default(), None, 100).await.unwrap();
    let mut kinds: Vec<_> = records.into_iter().map(|record| record.kind).collect();
    kinds.reverse();
    kinds
}

fn random() -> Arc<dyn Random> {
    Arc::new(SeededRandom::new(5))
}

fn sample(world_node: levqor_model::NodeId, component: &str, at: Timestamp, good: bool) -> Sample {
    Sample {
        region: region("eu-west"),
        node: world_node,
        component: component.to_owned(),
        at,
        good,
        latency_us: good.then_some(2_000),
        reason: None,
    }
}

#[tokio::test]
async fn what_is_said_ends_by_itself_or_is_taken_back() {
    let world = World::new();
    let store = &world.store;
    let said = |words: &str, state, ends_at| Declaration {
        id: DeclarationId::new(NOW, &SeededRandom::new(words.len() as u64)),
        part: "eu-west/api".to_owned(),
        state,
        words: words.to_owned(),
        actor: "user usr_1".to_owned(),
        at: NOW,
        ends_at,
    };
    let (first, second) =
        (said("slow", Some(Declared::Degraded), after(10)), said("watch out", None, after(20)));
    for one in [&first, &second] {
        assert!(store.declare(one.clone()).await.unwrap());
    }
    assert_eq!(store.declarations(NOW).await.unwrap().len(), 2);
    assert_eq!(store.declarations(after(10)).await.unwrap(), std::slice::from_ref(&second));
    assert_eq!(store.withdraw_declaration(first.id, after(11)).await.unwrap(), None, "it has ended");
    assert_eq!(store.withdraw_declaration(second.id, after(11)).await.unwrap(), Some(second));
    assert_eq!(store.declarations(NOW).await.unwrap(), [first]);
    store.prune_declarations(after(100)).await.unwrap();
    assert_eq!(store.declarations(NOW).await.unwrap(), []);
    assert_eq!(kinds(&world).await, ["status.declared", "status.declared", "status.withdrawn"]);
}

async fn wish(store: &Store, address: &str, hash: u8, at: Timestamp, open: usize) -> Subscribed {
    let new = NewSubscription {
        id: SubscriptionId::new(at, &SeededRandom::new(u64::from(hash))),
        kind: SubscriptionKind::Email,
        address: address.to_owned(),
        parts: vec!["eu-west/*".to_owned()],
        confirm_hash: [hash; 32],
        farewell: format!("farewell-{hash}"),
        at,
    };
    let bounds = SubscriptionBounds {
        open,
        since: at - Duration::from_secs(3_600),
        expired: at - Duration::from_secs(86_400),
        confirmed: 2,
    };
    let message = move |subscription: &Subscription, known: bool| NewNotification {
        id: NotificationId::new(at, &SeededRandom::new(u64::from(hash) + 100)),
        dedup: format!("{}-{hash}-{known}", subscription.id),
        target: Target::Subscription(subscription.id.to_string()),
        severity: Severity::Minor,
        subject: if known { "known" } else { "confirm" }.to_owned(),
        body: String::new(),
        data: json!({}),
        at,
    };
    store.subscribe(new, bounds, message).await.unwrap()
}

/// The one that is told from then on.
async fn confirm(store: &Store, hash: u8, at: Timestamp) -> Option<Subscription> {
    let since = at - Duration::from_secs(86_400);
    match store.confirm_subscription([hash; 32], since, at, 2).await.unwrap() {
        Confirmed::Done(confirmed) => Some(confirmed),
        Confirmed::Full | Confirmed::Unknown => None,
    }
}

/// A stranger can ask for as many as there may be, in the name of anybody, and confirms none of them.
#[tokio::test]
async fn wishes_that_nobody_confirms_take_no_place_of_those_who_are_told() {
    let world = World::new();
    let store = &world.store;
    for hash in 1..=6_u8 {
        let address = format!("stranger-{hash}@example.com");
        assert_eq!(wish(store, &address, hash, after(u64::from(hash)), 9).await, Subscribed::Done);
    }
    assert_eq!(wish(store, "ada@example.com", 7, after(7), 9).await, Subscribed::Done);
    confirm(store, 7, after(8)).await.unwrap();
    assert_eq!(wish(store, "b@example.com", 8, after(9), 9).await, Subscribed::Done);
    confirm(store, 8, after(10)).await.unwrap();
    // Two are told, and no more may be: neither by a new wish nor by a link that was sent before.
    assert_eq!(wish(store, "c@example.com", 9, after(11), 9).await, Subscribed::Full);
    let since = NOW - Duration::from_secs(86_400);
    let full = store.confirm_subscription([1; 32], since, after(12), 2).await.unwrap();
    assert_eq!(full, Confirmed::Full);
    assert!(store.open_subscription([1; 32], since).await.unwrap().is_some(), "the link goes on working");
    // Once their links work no more, wishes are forgotten with the next one.
    store.unsubscribe("farewell-8".to_owned(), after(13)).await.unwrap().unwrap();
    assert_eq!(store.subscriptions(None, 20).await.unwrap().len(), 7);
    assert_eq!(wish(store, "d@example.com", 10, after(86_407), 9).await, Subscribed::Done);
    let left: Vec<_> =
        store.subscriptions(None, 20).await.unwrap().into_iter().map(|one| one.address).collect();
    assert_eq!(left, ["ada@example.com", "d@example.com"]);
}

#[tokio::test]
async fn nobody_is_told_before_they_have_confirmed_it_and_nothing_is_kept_afterwards() {
    let world = World::new();
    let store = &world.store;
    let since = NOW - Duration::from_secs(86_400);
    assert_eq!(wish(store, "ada@example.com", 1, NOW, 2).await, Subscribed::Done);
    // Who asks again gets another link, and the first one is none any more.
    assert_eq!(wish(store, "ada@example.com", 2, after(1), 2).await, Subscribed::Done);
    assert_eq!(store.open_subscription([1; 32], since).await.unwrap(), None);
    let open = store.open_subscription([2; 32], since).await.unwrap().unwrap();
    assert_eq!((open.farewell.as_str(), open.confirmed_at), ("farewell-1", None));
    assert_eq!(wish(store, "b@example.com", 3, after(2), 2).await, Subscribed::Done);
    assert_eq!(wish(store, "c@example.com", 4, after(3), 2).await, Subscribed::Full, "two are open");
    // The link works once, and not for ever.
    let late = store.confirm_subscription([2; 32], after(5), after(5), 2).await.unwrap();
    assert_eq!(late, Confirmed::Unknown);
    let confirmed = confirm(store, 2, after(5)).await.unwrap();
    assert_eq!(confirmed.confirmed_at, Some(after(5)));
    assert_eq!(confirm(store, 2, after(6)).await, None);
    // A wish for what is there changes nothing.
    assert_eq!(wish(store, "ada@example.com", 5, after(7), 2).await, Subscribed::Done);
    assert_eq!(store.subscription(confirmed.id).await.unwrap(), Some(confirmed.clone()));
    assert_eq!(store.subscriptions(None, 10).await.unwrap().len(), 2);
    store.prune_subscriptions(after(10)).await.unwrap();
    assert_eq!(store.subscriptions(None, 10).await.unwrap(), std::slice::from_ref(&confirmed));
    assert_eq!(store.unsubscribe("farewell-9".to_owned(), after(8)).await.unwrap(), None);
    assert_eq!(store.unsubscribe("farewell-1".to_owned(), after(8)).await.unwrap(), Some(confirmed.clone()));
    assert_eq!(store.subscription(confirmed.id).await.unwrap(), None);
    let records = store.audit_records(Filter::default(), None, 100).await.unwrap();
    assert!(records.iter().all(|record| !record.details.contains("ada@example.com")), "{records:?}");
    assert_eq!(
        kinds(&world).await,
        [
            "subscription.requested",
            "subscription.requested",
            "subscription.requested",
            "subscription.confirmed",
            "subscription.ended",
        ]
    );
}

#[tokio::test]
async fn a_mailbox_gets_few_links_whoever_asks() {
    let world = World::new();
    let store = &world.store;
    let sent = async || store.notifications(None, None, 50).await.unwrap().len();
    for number in 1..=6_u8 {
        let found = wish(store, "ada@example.com", number, after(u64::from(number)), 9).await;
        assert_eq!(found, Subscribed::Done, "who asks is not told");
    }
    assert_eq!(sent().await, 3, "in a day, of all nodes together");
    let since = NOW - Duration::from_secs(86_400);
    assert!(store.open_subscription([3; 32], since).await.unwrap().is_some(), "the last one sent works");
    assert_eq!(store.open_subscription([6; 32], since).await.unwrap(), None);
    assert_eq!(wish(store, "b@example.com", 7, after(8), 9).await, Subscribed::Done);
    assert_eq!(wish(store, "ada@example.com", 8, after(86_400), 9).await, Subscribed::Done);
    assert_eq!(sent().await, 5, "another address, another day");
}

#[tokio::test]
async fn that_there_are_as_many_as_may_be_tells_nothing_of_who_is_known() {
    let world = World::new();
    let store = &world.store;
    wish(store, "ada@example.com", 1, NOW, 9).await;
    confirm(store, 1, NOW).await.unwrap();
    wish(store, "b@example.com", 2, after(1), 9).await;
    let known = wish(store, "ada@example.com", 3, after(2), 1).await;
    let unknown = wish(store, "c@example.com", 4, after(2), 1).await;
    assert_eq!((known, unknown), (Subscribed::Full, Subscribed::Full));
}

fn window(seed: u64, parts: &str) -> Window {
    Window {
        id: MaintenanceId::new(NOW, &SeededRandom::new(seed)),
        title: "A new disk".to_owned(),
        words: "Runs wait.".to_owned(),
        parts: vec![parts.to_owned()],
        starts_at: after(100),
        ends_at: after(200),
        actor: "user usr_1".to_owned(),
        created_at: NOW,
        updated_at: NOW,
        cancelled_at: None,
        told: Phase::Scheduled,
    }
}

fn told(window: &Window, word: &str, at: Timestamp) -> Announcement {
    Announcement {
        dedup: format!("maintenance/{}/{word}", window.id),
        severity: Severity::Minor,
        subject: word.to_owned(),
        body: "Words.".to_owned(),
        data: json!({ "type": word }),
        parts: window.parts.clone(),
        site: "https://levqor.example".to_owned(),
        at,
    }
}

#[tokio::test]
async fn maintenance_is_told_once_at_each_step() {
    let world = World::new();
    let store = &world.store;
    for (hash, address) in [(1, "ada@example.com"), (2, "b@example.com")] {
        wish(store, address, hash, NOW, 10).await;
    }
    confirm(store, 1, NOW).await.unwrap();
    let (eu, us) = (window(1, "eu-west/database"), window(2, "us-east/*"));
    for one in [&eu, &us] {
        assert!(
            store.schedule_maintenance(one.clone(), told(one, "scheduled", NOW), random()).await.unwrap()
        );
    }
    assert_eq!(store.maintenance(NOW).await.unwrap().len(), 2);
    assert_eq!(store.due_maintenance(after(99)).await.unwrap(), []);
    let due = store.due_maintenance(after(100)).await.unwrap();
    assert_eq!(due.len(), 2);
    let phase = |id, at| async move { store.maintenance_window(id).await.unwrap().unwrap().phase(at) };
    assert_eq!(phase(eu.id, after(150)).await, Phase::InProgress);
    assert_eq!(phase(eu.id, after(200)).await, Phase::Completed);
    // Two who tell at the same time tell once.
    for expected in [true, false] {
        let news = told(&eu, "in_progress", after(100));
        let first = due.iter().find(|one| one.id == eu.id).unwrap().clone();
        assert_eq!(store.tell_maintenance(first, Phase::InProgress, news, random()).await.unwrap(), expected);
    }
    assert_eq!(store.due_maintenance(after(199)).await.unwrap().len(), 1, "the other one is not told yet");
    // What goes on is ended and not cancelled; what has not begun is cancelled and not ended.
    let news = |word: &str, at| told(&eu, word, at);
    let not = store.cancel_maintenance(eu.id, "r".to_owned(), news("cancelled", after(150)), random()).await;
    assert_eq!(not.unwrap(), Changed::Not(Phase::InProgress));
    let ended = store.end_maintenance(eu.id, news("completed", after(150)), random()).await.unwrap();
    assert!(matches!(ended, Changed::Done(one) if one.ends_at == after(150) && one.told == Phase::Completed));
    let again = store.end_maintenance(eu.id, news("completed", after(151)), random()).await.unwrap();
    assert_eq!(again, Changed::Not(Phase::Completed));
    let early = told(&us, "cancelled", after(50));
    let gone = store.cancel_maintenance(us.id, "no disk".to_owned(), early, random()).await.unwrap();
    assert!(matches!(gone, Changed::Done(one) if one.cancelled_at == Some(after(50))));
    assert_eq!(store.due_maintenance(after(1_000)).await.unwrap(), [], "nothing is told of what is over");
    let unknown = MaintenanceId::new(NOW, &SeededRandom::new(9));
    let missing = store.end_maintenance(unknown, news("x", NOW), random()).await.unwrap();
    assert_eq!(missing, Changed::Missing);

    // Only who has confirmed, and only what they want to hear.
    let records =
        store.audit_records(Filter { kind: Some("maintenance".to_owned()), ..Filter::default() }, None, 100);
    let mut found: Vec<(String, i64)> = records
        .await
        .unwrap()
        .into_iter()
        .map(|record| {
            let details: serde_json::Value = serde_json::from_str(&record.details).unwrap();
            (record.kind, details["told"].as_i64().unwrap())
        })
        .collect();
    found.reverse();
    let expected = [
        ("maintenance.scheduled", 1),
        ("maintenance.scheduled", 0),
        ("maintenance.cancelled", 0),
        ("maintenance.began", 1),
        ("maintenance.ended", 1),
    ];
    assert_eq!(found, expected.map(|(kind, told)| (kind.to_owned(), told)));
    store.prune_maintenance(after(151)).await.unwrap();
    assert_eq!(store.maintenance(NOW).await.unwrap().len(), 1);
}

/// However much there was, what is still to come is always listed, and everything is, page by page.
#[tokio::test]
async fn no_maintenance_is_left_out_silently() {
    let world = World::new();
    let store = &world.store;
    let plan = async |seed: usize, ends: u64, created: u64| {
        let seed = u64::try_from(seed).unwrap();
        let one = Window { ends_at: after(ends), created_at: after(created), ..window(seed, "*/*") };
        let news = told(&one, &format!("scheduled {seed}"), NOW);
        assert!(store.schedule_maintenance(one.clone(), news, random()).await.unwrap());
        one.id
    };
    // They were over when they were written down, so that none of them is in the way of the next.
    for seed in 0..WINDOWS_MAX {
        plan(seed, 150 + u64::try_from(seed % 50).unwrap(), 300).await;
    }
    let to_come = plan(WINDOWS_MAX, 1_000, 300).await;
    let listed = store.maintenance(NOW).await.unwrap();
    assert_eq!((listed.len(), listed.last().map(|one| one.id)), (WINDOWS_MAX, Some(to_come)));
    assert!(listed.is_sorted_by_key(|one| (one.ends_at, one.id.to_string())));
    let (mut all, mut place) = (Vec::new(), None);
    for _ in 0..10 {
        let page = store.maintenance_behind(NOW, place, 200).await.unwrap();
        place = page.last().map(|last| (last.ends_at, last.id));
        all.extend(page);
        if place.is_none() {
            break;
        }
    }
    assert_eq!(all.len(), WINDOWS_MAX + 1);
    assert_eq!(all[1..], listed);
    // Only those that end later, whatever place is given.
    let place = Some((after(120), all[0].id));
    let late = store.maintenance_behind(after(199), place, 10).await.unwrap();
    assert_eq!(late.iter().map(|one| one.id).collect::<Vec<_>>(), [to_come]);
}

#[tokio::test]
async fn a_signed_day_takes_nothing_more_and_can_be_counted_again() {
    let world = World::new();
    let store = &world.store;
    let (node, other) = (world.node_id(), world.node_id());
    let day = NOW.date();
    let noon = day.start() + Duration::from_secs(43_200);
    let at = |second: u64| noon + Duration::from_secs(second);
    let samples = vec![
        sample(node, "api", at(0), true),
        sample(other, "api", at(0), true),
        sample(node, "api", at(5), false),
        sample(node, "engine", at(5), true),
        sample(node, "api", at(100_000), true),
    ];
    store.add_samples(samples).await.unwrap();
    assert_eq!(store.first_sample_day().await.unwrap(), Some(day));
    let all = store.observations(day, None, 100).await.unwrap();
    assert_eq!(all.len(), 4, "those of the day");
    // Page by page it is the same.
    let mut paged: Vec<Observation> = Vec::new();
    loop {
        let page = store.observations(day, paged.last().cloned(), 1).await.unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let record = UptimeRecord::of(day, &all, String::new());
    let key = SigningKey::from_seed(&[3; 32]).unwrap();
    let kept = KeptUptime { day, signed: record.sign(&key), sealed_at: at(60_000) };
    // Not while something may come, nor when something has come that was not counted.
    let early = KeptUptime { sealed_at: at(46_799), ..kept.clone() };
    assert!(!store.keep_uptime(early, 4).await.unwrap(), "the day is not settled");
    assert!(!store.keep_uptime(kept.clone(), 3).await.unwrap(), "one came that was not counted");
    assert_eq!(store.uptime_record(day).await.unwrap(), None);
    assert!(store.keep_uptime(kept.clone(), 4).await.unwrap());
    assert!(!store.keep_uptime(kept.clone(), 4).await.unwrap(), "a day has one record");
    // What comes too late is left out, and the next day goes on.
    let next = day.plus_days(1).start();
    let late = vec![sample(node, "api", at(50), true), sample(node, "engine", next, true)];
    store.add_samples(late).await.unwrap();
    let again = store.observations(day, None, 100).await.unwrap();
    assert_eq!(UptimeRecord::of(day, &again, String::new()), record);
    assert_eq!(store.observations(day.plus_days(1), None, 100).await.unwrap().len(), 2);
    let second = KeptUptime {
        day: day.plus_days(1),
        signed: UptimeRecord::of(day.plus_days(1), &[], kept.signed.sha256.clone()).sign(&key),
        sealed_at: at(200_000),
    };
    assert!(store.keep_uptime(second.clone(), 2).await.unwrap());
    assert_eq!(store.last_uptime_record().await.unwrap(), Some(second.clone()));
    assert_eq!(store.uptime_record(day).await.unwrap(), Some(kept.clone()));
    assert_eq!(store.uptime_records(None, 10).await.unwrap(), [second, kept.clone()]);
    assert_eq!(store.uptime_records(Some(day.plus_days(1)), 10).await.unwrap(), [kept]);
    assert_eq!(kinds(&world).await, ["status.uptime_sealed", "status.uptime_sealed"]);
}

#[tokio::test]
async fn a_clock_that_is_set_back_takes_nothing_out_of_a_signed_day() {
    let world = World::new();
    let (store, node) = (&world.store, world.node_id());
    let day = NOW.date();
    let (start, next) = (day.start(), day.plus_days(1).start());
    let at = |second: u64| start + Duration::from_secs(second);
    let samples = vec![
        sample(node, "api", at(50_000), true),
        sample(node, "api", next, true),
        sample(node, "engine", at(9), true),
    ];
    store.add_samples(samples).await.unwrap();
    let seen = store.observations(day, None, 10).await.unwrap();
    let key = SigningKey::from_seed(&[3; 32]).unwrap();
    let signed = UptimeRecord::of(day, &seen, String::new()).sign(&key);
    assert!(store.keep_uptime(KeptUptime { day, signed, sealed_at: at(2 * 86_400) }, 2).await.unwrap());
    // To the morning of that day.
    assert_eq!(store.drop_samples_ahead(at(30_000)).await, Ok(1), "the one of the day that is not signed");
    assert_eq!(store.drop_samples_ahead(at(30_000)).await, Ok(0));
    assert_eq!(store.observations(day, None, 10).await.unwrap(), seen, "it can be counted again");
    let newest: Vec<_> =
        store.latest_samples().await.unwrap().into_iter().map(|sample| sample.component).collect();
    assert_eq!(newest, ["engine"], "none that lies ahead speaks for now");
}

#[tokio::test]
async fn samples_stay_until_their_day_is_signed() {
    let world = World::new();
    let (store, node) = (&world.store, world.node_id());
    let start = NOW.date().start();
    let at = |day: u64| start + Duration::from_secs(day * 86_400 + 1);
    let samples: Vec<_> = (0..30).map(|day| sample(node, "api", at(day), true)).collect();
    store.add_samples(samples).await.unwrap();
    let key = SigningKey::from_seed(&[3; 32]).unwrap();
    let seal = async |number: u64| {
        let day = at(number).date();
        let seen = store.observations(day, None, 10).await.unwrap();
        let signed = UptimeRecord::of(day, &seen, String::new()).sign(&key);
        store.keep_uptime(KeptUptime { day, signed, sealed_at: at(40) }, seen.len() as u64).await.unwrap()
    };
    let kept = async |day: u64| !store.observations(at(day).date(), None, 1).await.unwrap().is_empty();
    assert!(seal(2).await);
    store.prune_samples(at(10)).await.unwrap();
    assert!(!kept(2).await && kept(3).await, "the third day is not signed");
    assert!(seal(3).await);
    store.prune_samples(at(10)).await.unwrap();
    assert!(!kept(3).await && kept(4).await);
    // Not for ever.
    store.prune_samples(at(29)).await.unwrap();
    assert!(!kept(4).await && kept(8).await, "three weeks");
}

#[tokio::test]
async fn samples_of_the_last_time_and_sums_of_half_hours() {
    let world = World::new();
    let (store, node) = (&world.store, world.node_id());
    let from = Timestamp::from_seconds(NOW.as_seconds() / 1_800 * 1_800);
    let at = |second: u64| from + Duration::from_secs(second);
    let samples = [
        sample(node, "api", at(0), true),
        sample(node, "api", at(10), false),
        sample(node, "api", at(1_800), true),
        sample(node, "engine", at(20), true),
    ];
    store.add_samples(samples.to_vec()).await.unwrap();
    let times = async |from, until| {
        let recent = store.recent_samples(at(from), at(until)).await.unwrap();
        recent.iter().map(|sample| sample.at).collect::<Vec<_>>()
    };
    assert_eq!(times(10, 1_800).await, [at(1_800), at(20), at(10)], "newest first");
    assert_eq!(times(10, 1_799).await, [at(20), at(10)], "none of later");
    let bucket = |component: &str, second, good, total, timed, measured| SampleBucket {
        region: "eu-west".to_owned(),
        component: component.to_owned(),
        at: at(second),
        good,
        total,
        timed,
        latency_us: timed * 2_000,
        latency_us_max: 2_000,
        measured_us: i64::from(measured) * 1_000_000,
    };
    // A word stands until the next one of the same part, and for 15 seconds at most.
    let buckets = [
        bucket("api", 0, 1, 2, 1, 10 + 15),
        bucket("api", 1_800, 1, 1, 1, 15),
        bucket("engine", 0, 1, 1, 1, 15),
    ];
    assert_eq!(store.sample_buckets(from).await.unwrap(), buckets);
    assert_eq!(store.sample_buckets(at(1_800)).await.unwrap(), buckets[1..2]);
}
