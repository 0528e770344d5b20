//! Outside jobs: what they say is kept, and that they are missed is on the evidence log.

use std::time::Duration;

use levqor_model::Timestamp;
use levqor_store::{
    audit::Filter,
    heartbeats::{BeatState, Heartbeat, PINGS_KEPT, Ping},
};

use crate::support::{NOW, World};

const HASH: [u8; 32] = [7; 32];

fn after(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

fn beat(name: &str) -> Heartbeat {
    let spans = (Duration::from_secs(60), Duration::from_secs(10));
    Heartbeat::new(name.to_owned(), "abcdef".to_owned(), spans, "user usr_1".to_owned(), NOW)
}

#[tokio::test]
async fn a_job_is_heard_missed_and_heard_again() {
    let world = World::new();
    let store = &world.store;
    assert!(store.create_heartbeat(beat("backup"), HASH).await.unwrap());
    assert!(!store.create_heartbeat(beat("backup"), [8; 32]).await.unwrap(), "the name is taken");
    assert_eq!(store.ping_heartbeat([9; 32], Ping::Success, NOW).await.unwrap(), None);
    assert!(store.miss_heartbeats(after(99_999)).await.unwrap().is_empty(), "it was never heard of");
    store.ping_heartbeat(HASH, Ping::Start, after(1)).await.unwrap().unwrap();
    let heard = store.ping_heartbeat(HASH, Ping::Success, after(4)).await.unwrap().unwrap();
    assert_eq!(store.heartbeat("backup".to_owned()).await.unwrap(), Some(heard.clone()));
    assert_eq!((heard.state, heard.duration), (BeatState::Up, Some(Duration::from_secs(3))));
    assert!(store.miss_heartbeats(after(73)).await.unwrap().is_empty());
    assert_eq!(store.miss_heartbeats(after(74)).await.unwrap(), ["backup"]);
    assert!(store.miss_heartbeats(after(75)).await.unwrap().is_empty(), "once");
    store.ping_heartbeat(HASH, Ping::Fail { exit_code: Some(3) }, after(80)).await.unwrap().unwrap();
    store.ping_heartbeat(HASH, Ping::Success, after(90)).await.unwrap().unwrap();
    let pings = store.heartbeat_pings("backup".to_owned()).await.unwrap();
    let kinds: Vec<_> = pings.iter().map(|ping| (ping.kind.as_str(), ping.exit_code)).collect();
    assert_eq!(kinds, [("success", Some(0)), ("fail", Some(3)), ("success", Some(0)), ("start", None)]);

    let longer = (Duration::from_secs(600), Duration::from_secs(60));
    let changed = store.change_heartbeat("backup".to_owned(), longer, after(91)).await.unwrap().unwrap();
    assert_eq!(changed.deadline, Some(after(90 + 660)));
    assert_eq!(store.change_heartbeat("other".to_owned(), longer, NOW).await.unwrap(), None);
    assert!(store.delete_heartbeat("backup".to_owned(), after(92)).await.unwrap());
    assert!(!store.delete_heartbeat("backup".to_owned(), after(93)).await.unwrap());
    assert!(store.heartbeats().await.unwrap().is_empty());
    assert!(store.heartbeat_pings("backup".to_owned()).await.unwrap().is_empty());

    let filter = Filter { kind: Some("heartbeat".to_owned()), ..Filter::default() };
    let mut kinds: Vec<_> =
        store.audit_records(filter, None, 20).await.unwrap().into_iter().map(|record| record.kind).collect();
    kinds.reverse();
    let expected = ["created", "up", "down", "up", "changed", "deleted"];
    assert_eq!(kinds, expected.map(|verb| format!("heartbeat.{verb}")));
}

#[tokio::test]
async fn only_the_last_pings_are_kept_and_a_storm_of_them_is_not() {
    let world = World::new();
    let store = &world.store;
    assert!(store.create_heartbeat(beat("storm"), HASH).await.unwrap());
    for millis in 0..20 {
        let at = NOW + Duration::from_millis(millis);
        store.ping_heartbeat(HASH, Ping::Success, at).await.unwrap().unwrap();
    }
    assert_eq!(store.heartbeat_pings("storm".to_owned()).await.unwrap().len(), 1);
    for minute in 1..=(PINGS_KEPT as u64 + 20) {
        store.ping_heartbeat(HASH, Ping::Success, after(minute * 60)).await.unwrap().unwrap();
    }
    let pings = store.heartbeat_pings("storm".to_owned()).await.unwrap();
    assert_eq!((pings.len(), pings[0].at), (PINGS_KEPT, after((PINGS_KEPT as u64 + 20) * 60)));
}
