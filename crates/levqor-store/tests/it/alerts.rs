//! Alerts, silences, messages and the state of objectives, as rows: what changes does so once, with its record and its message.

use std::time::Duration;

use levqor_model::{
    AlertId, AlertState, NotificationId, NotificationState, SeededRandom, Severity, SilenceId, Timestamp,
};
use levqor_store::{
    alerts::{Acknowledged, Alert, AlertFilter, AlertMove, AlertStep, Silence},
    audit::Filter,
    jobs::OutboxState,
    notifications::{NewNotification, Target, Undelivered, Unsent},
    slo::{SloMoment, SloState},
};
use serde_json::json;

use crate::support::{NOW, World};

fn after(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

fn alert(random: &SeededRandom, subject: &str) -> Alert {
    Alert {
        id: AlertId::new(NOW, random),
        rule: "nodes.lost".to_owned(),
        subject: subject.to_owned(),
        source: "nodes".to_owned(),
        severity: Severity::Major,
        state: AlertState::Pending,
        summary: "a node is lost".to_owned(),
        details: json!({ "node": subject }),
        began_at: NOW,
        firing_at: None,
        ended_at: None,
        seen_at: NOW,
        held_us: 0,
        flaps: 0,
        told: false,
        heard: false,
        heard_by: Vec::new(),
        silence: None,
        ending: None,
        acknowledged: None,
        version: 1,
    }
}

fn message(random: &SeededRandom, dedup: &str, severity: Severity) -> NewNotification {
    NewNotification {
        id: NotificationId::new(NOW, random),
        dedup: dedup.to_owned(),
        target: Target::Route(severity.to_string()),
        severity,
        subject: "s".to_owned(),
        body: "b".to_owned(),
        data: json!({}),
        at: NOW,
    }
}

async fn kinds(world: &World) -> Vec<String> {
    let records = world.store.audit_records(Filter::default(), None, 100).await.unwrap();
    let mut kinds: Vec<_> = records.into_iter().map(|record| record.kind).collect();
    kinds.reverse();
    kinds
}

#[tokio::test]
async fn a_change_is_made_once_whoever_makes_it() {
    let (world, random) = (World::new(), SeededRandom::new(5));
    let store = &world.store;
    let begun = alert(&random, "a");
    let begin = |alert: Alert| vec![AlertMove { alert, was: None, step: AlertStep::Kept }];
    assert!(store.move_alerts(begin(begun.clone()), vec![]).await.unwrap());
    // Another node has seen the same.
    assert!(!store.move_alerts(begin(alert(&random, "a")), vec![]).await.unwrap());
    assert_eq!(store.open_alerts().await.unwrap(), std::slice::from_ref(&begun));

    let fired = Alert {
        state: AlertState::Firing,
        firing_at: Some(after(30)),
        seen_at: after(30),
        told: true,
        heard: true,
        heard_by: vec![Target::Destination("team".to_owned()), Target::Route("major".to_owned())],
        version: 2,
        ..begun.clone()
    };
    let fire = || vec![AlertMove { alert: fired.clone(), was: Some(1), step: AlertStep::Fired }];
    let told = |number: u32| vec![message(&random, &format!("alert:{}:{number}", fired.id), Severity::Major)];
    assert!(store.move_alerts(fire(), told(1)).await.unwrap());
    // The one that comes second changes nothing, and tells nobody.
    assert!(!store.move_alerts(fire(), told(2)).await.unwrap());
    assert_eq!(store.notifications(None, None, 10).await.unwrap().len(), 1);
    assert_eq!(kinds(&world).await, ["alert.fired"]);

    let given = |by: &str| Acknowledged { at: after(40), by: by.to_owned(), note: Some("mine".to_owned()) };
    let (taken, first) = store.acknowledge_alert(fired.id, given("ada")).await.unwrap().unwrap();
    assert!(first && taken.version == 3 && taken.acknowledged == Some(given("ada")));
    let (taken, first) = store.acknowledge_alert(fired.id, given("bob")).await.unwrap().unwrap();
    assert!(!first && taken.acknowledged == Some(given("ada")));
    // The evaluator has not seen that yet: it looks again.
    let ended = Alert {
        state: AlertState::Resolved,
        ended_at: Some(after(90)),
        seen_at: after(90),
        ending: Some("holds".to_owned()),
        // It got worse in a silence, and that was not told any more.
        told: false,
        version: 4,
        ..taken
    };
    let resolve = |was| vec![AlertMove { alert: ended.clone(), was: Some(was), step: AlertStep::Resolved }];
    assert!(!store.move_alerts(resolve(2), vec![]).await.unwrap());
    assert!(store.move_alerts(resolve(3), vec![]).await.unwrap());
    assert_eq!(store.open_alerts().await.unwrap(), []);
    assert_eq!(store.last_alert("nodes.lost".to_owned(), "a".to_owned()).await.unwrap(), Some(ended.clone()));
    assert_eq!(kinds(&world).await, ["alert.fired", "alert.acknowledged", "alert.resolved"]);
    // It may come back.
    assert!(store.move_alerts(begin(alert(&random, "a")), vec![]).await.unwrap());
    let all = |filter| async { store.alerts(filter, None, 10).await.unwrap().len() };
    assert_eq!(all(AlertFilter::default()).await, 2);
    assert_eq!(all(AlertFilter { state: Some(AlertState::Resolved), ..AlertFilter::default() }).await, 1);
    assert_eq!(all(AlertFilter { rule: Some("nodes".to_owned()), ..AlertFilter::default() }).await, 2);
    assert_eq!(all(AlertFilter { rule: Some("node".to_owned()), ..AlertFilter::default() }).await, 0);
    assert_eq!(all(AlertFilter { severity: Some(Severity::Minor), ..AlertFilter::default() }).await, 0);
    store.prune_alerts(after(91)).await.unwrap();
    assert_eq!(all(AlertFilter::default()).await, 1);
}

#[tokio::test]
async fn one_change_of_several_that_cannot_be_made_takes_all_back() {
    let (world, random) = (World::new(), SeededRandom::new(6));
    let store = &world.store;
    let (a, b) = (alert(&random, "a"), alert(&random, "b"));
    let moves = vec![
        AlertMove { alert: a.clone(), was: None, step: AlertStep::Kept },
        AlertMove { alert: Alert { version: 9, ..b }, was: Some(8), step: AlertStep::Fired },
    ];
    assert!(!store.move_alerts(moves, vec![message(&random, "m", Severity::Minor)]).await.unwrap());
    assert_eq!(store.open_alerts().await.unwrap(), []);
    assert_eq!(store.notifications(None, None, 10).await.unwrap(), []);
    // What was over before it fired leaves nothing.
    let keep = vec![AlertMove { alert: a.clone(), was: None, step: AlertStep::Kept }];
    assert!(store.move_alerts(keep, vec![]).await.unwrap());
    let drop = vec![AlertMove { alert: a, was: Some(1), step: AlertStep::Dropped }];
    assert!(store.move_alerts(drop, vec![]).await.unwrap());
    assert_eq!(store.alerts(AlertFilter::default(), None, 10).await.unwrap(), []);
    assert_eq!(kinds(&world).await, Vec::<String>::new());
}

#[tokio::test]
async fn silences_begin_change_and_end() {
    let (world, random) = (World::new(), SeededRandom::new(7));
    let store = &world.store;
    let silence = Silence {
        id: SilenceId::new(NOW, &random),
        matchers: json!([{ "field": "rule", "pattern": "nodes.*" }]),
        reason: "work on the rack".to_owned(),
        created_by: "user usr_1".to_owned(),
        created_at: NOW,
        begins_at: NOW,
        ends_at: after(60),
    };
    assert!(store.create_silence(silence.clone()).await.unwrap());
    assert_eq!(store.silences(NOW).await.unwrap(), std::slice::from_ref(&silence));
    // Two who saw the same silence change it, each another part of it: both are kept.
    let longer = store.change_silence(silence.id, Some(after(90)), None, after(1)).await.unwrap().unwrap();
    assert_eq!((longer.ends_at, longer.reason.as_str()), (after(90), "work on the rack"));
    let named =
        store.change_silence(silence.id, None, Some("longer".to_owned()), after(1)).await.unwrap().unwrap();
    assert_eq!((named.ends_at, named.reason.as_str()), (after(90), "longer"));
    let (ended, now) = store.end_silence(silence.id, after(10)).await.unwrap().unwrap();
    assert!(now && ended.ends_at == after(10));
    assert!(!store.end_silence(silence.id, after(11)).await.unwrap().unwrap().1);
    assert_eq!(store.change_silence(silence.id, Some(after(99)), None, after(12)).await.unwrap(), None);
    assert_eq!(store.silences(after(10)).await.unwrap(), []);
    assert!(store.silence(silence.id).await.unwrap().is_some());
    assert_eq!(
        kinds(&world).await,
        ["silence.created", "silence.changed", "silence.changed", "silence.ended"]
    );
    store.prune_alerts(after(100)).await.unwrap();
    assert_eq!(store.silence(silence.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_message_is_claimed_by_one_and_comes_back_when_that_one_dies() {
    let (world, random) = (World::new(), SeededRandom::new(8));
    let store = &world.store;
    let lease = Duration::from_secs(30);
    store.notify(vec![message(&random, "a", Severity::Critical)]).await.unwrap();
    // The same thing is told once.
    store.notify(vec![message(&random, "a", Severity::Critical)]).await.unwrap();
    let claim = |at: Timestamp| async move { store.claim_notifications(at, lease, 10, 10).await.unwrap() };
    let [first] = claim(NOW).await.try_into().unwrap();
    assert_eq!((first.attempts, first.next_at), (1, Some(after(30))));
    assert_eq!(claim(after(29)).await, []);
    let [second] = claim(after(30)).await.try_into().unwrap();
    assert_eq!((second.id, second.attempts), (first.id, 2));
    // The first was only slow: what it says of its failure does not count, that it has delivered does.
    let later = || Undelivered::Later(Duration::from_secs(99));
    let failed = store.notification_failed((first.id, 1), None, "slow".to_owned(), later(), after(31));
    assert!(!failed.await.unwrap());
    store.notification_delivered(first.id, "pager".to_owned(), after(32)).await.unwrap();
    let failed = store.notification_failed((first.id, 2), None, "late".to_owned(), later(), after(33));
    assert!(!failed.await.unwrap());
    let kept = store.notification(first.id).await.unwrap().unwrap();
    assert_eq!(kept.state, NotificationState::Delivered);
    assert_eq!((kept.destination.as_deref(), kept.problem, kept.next_at), (Some("pager"), None, None));
    assert_eq!(claim(after(500)).await, []);
}

#[tokio::test]
async fn what_is_not_sent_is_counted_until_somebody_sees_to_it() {
    let (world, random) = (World::new(), SeededRandom::new(9));
    let store = &world.store;
    let lease = Duration::from_secs(30);
    let names = ["a", "b", "unsent:c"];
    let new = names.map(|name| message(&random, name, Severity::Critical));
    store.notify(new.to_vec()).await.unwrap();
    store.notify(vec![message(&random, "d", Severity::Minor)]).await.unwrap();
    let unsent = |at: Timestamp| async move { store.unsent_notifications(at, NOW).await.unwrap() };
    assert_eq!(unsent(NOW).await, Unsent::default());
    assert_eq!(unsent(after(1)).await, Unsent { late: 2, ..Unsent::default() });
    let claimed = store.claim_notifications(NOW, lease, 10, 10).await.unwrap();
    assert_eq!(claimed.len(), 4);
    for message in &claimed {
        let then = if message.dedup == "b" { Undelivered::Undeliverable } else { Undelivered::Dead };
        let claim = (message.id, message.attempts);
        let failed = store.notification_failed(claim, Some("pager".to_owned()), "500".to_owned(), then, NOW);
        assert!(failed.await.unwrap());
    }
    assert_eq!(unsent(after(1)).await, Unsent { dead: 1, undeliverable: 1, late: 0 });
    let id = |dedup: &str| claimed.iter().find(|message| message.dedup == dedup).unwrap().id;
    let (seen, done) = store.dismiss_notification(id("b"), "seen".to_owned(), NOW).await.unwrap().unwrap();
    assert!(done && seen.state == NotificationState::Dismissed);
    let (again, done) = store.retry_notification(id("a"), NOW).await.unwrap().unwrap();
    assert!(done && again.state == NotificationState::Waiting && again.attempts == 0);
    assert!(!store.retry_notification(id("a"), NOW).await.unwrap().unwrap().1);
    assert_eq!(unsent(NOW).await, Unsent::default());
    let dead = store.notifications(Some(NotificationState::Dead), None, 10).await.unwrap();
    assert_eq!(dead.len(), 2);
    store.prune_notifications(after(1)).await.unwrap();
    assert_eq!(store.notifications(None, None, 10).await.unwrap().len(), 1);
}

/// Subscribers are strangers, and many: what they are told waits for what calls an operator, and what they do not get calls nobody.
#[tokio::test]
async fn what_calls_an_operator_goes_before_what_subscribers_are_told() {
    let (world, random) = (World::new(), SeededRandom::new(11));
    let store = &world.store;
    let lease = Duration::from_secs(30);
    let strangers = (0..5).map(|number| NewNotification {
        target: Target::Subscription(format!("sub_{number}")),
        ..message(&random, &format!("s{number}"), Severity::Critical)
    });
    store.notify(strangers.collect()).await.unwrap();
    store
        .notify(vec![NewNotification { at: after(5), ..message(&random, "page", Severity::Minor) }])
        .await
        .unwrap();
    let claimed = store.claim_notifications(after(5), lease, 1, 1).await.unwrap();
    assert_eq!(claimed[0].dedup, "page", "it came last, and goes first");
    // Of the rest only as many as there is room for.
    assert_eq!(store.claim_notifications(after(5), lease, 10, 0).await.unwrap(), []);
    let others = store.claim_notifications(after(5), lease, 10, 2).await.unwrap();
    assert_eq!(others.len(), 2);
    assert_eq!(store.claim_notifications(after(5), lease, 10, 10).await.unwrap().len(), 3);
    for (stranger, then) in others.iter().zip([Undelivered::Dead, Undelivered::Undeliverable]) {
        let claim = (stranger.id, stranger.attempts);
        let failed = store.notification_failed(claim, None, "500".to_owned(), then, after(6));
        assert!(failed.await.unwrap());
    }
    assert_eq!(store.unsent_notifications(after(600), NOW).await.unwrap(), Unsent::default());
    let outbox = store.outbox_state(after(5)).await.unwrap();
    assert_eq!(outbox.operators, OutboxState { waiting: 1, late: 0, dead: 0 });
    assert_eq!(outbox.subscribers, OutboxState { waiting: 3, late: 3, dead: 1 });
    assert!(!outbox.cut);
}

#[tokio::test]
async fn a_message_for_several_has_a_copy_for_each() {
    let (world, random) = (World::new(), SeededRandom::new(10));
    let store = &world.store;
    store.notify(vec![message(&random, "a", Severity::Critical)]).await.unwrap();
    let [claimed] =
        store.claim_notifications(NOW, Duration::from_secs(30), 10, 10).await.unwrap().try_into().unwrap();
    let copies =
        || ["mail", "pager"].map(|name| (NotificationId::new(NOW, &random), name.to_owned())).to_vec();
    assert!(store.split_notification((claimed.id, 1), copies(), NOW).await.unwrap());
    assert!(!store.split_notification((claimed.id, 1), copies(), NOW).await.unwrap());
    let mut due = store.claim_notifications(NOW, Duration::from_secs(30), 10, 10).await.unwrap();
    due.sort_by_key(|copy| copy.target.text());
    let targets: Vec<_> = due.iter().map(|copy| (copy.target.text(), copy.copy_of)).collect();
    assert_eq!(
        targets,
        [("route:mail".to_owned(), Some(claimed.id)), ("route:pager".to_owned(), Some(claimed.id))]
    );
    let parent = store.notification(claimed.id).await.unwrap().unwrap();
    assert_eq!(parent.state, NotificationState::Split);
}

#[tokio::test]
async fn objectives_have_a_last_look_and_a_history() {
    let world = World::new();
    let store = &world.store;
    let state = |at, report: &str| SloState { slo: "api".to_owned(), at, report: report.to_owned() };
    let begin = Timestamp::from_seconds(NOW.as_seconds().div_euclid(3_600) * 3_600);
    let moment = |ten_minutes: u64, left_ppm| SloMoment {
        slo: "api".to_owned(),
        at: begin + Duration::from_secs(600 * ten_minutes),
        good: 9,
        total: 10,
        left_ppm,
        burn_milli: Some(2),
    };
    store.keep_slos(vec![state(NOW, "{}")], vec![moment(0, None), moment(1, Some(1))]).await.unwrap();
    store
        .keep_slos(vec![state(after(5), "[]")], vec![moment(1, Some(-5)), moment(6, Some(7))])
        .await
        .unwrap();
    assert_eq!(store.slo_states().await.unwrap(), [state(after(5), "[]")]);
    let history = |step: u64| async move {
        let span = (begin, begin + Duration::from_secs(86_400));
        store.slo_history("api".to_owned(), span.0, span.1, Duration::from_secs(step), 100).await.unwrap()
    };
    assert_eq!(history(600).await, [moment(0, None), moment(1, Some(-5)), moment(6, Some(7))]);
    assert_eq!(history(3_600).await, [moment(0, None), moment(6, Some(7))]);
    store.prune_slos(begin + Duration::from_secs(601)).await.unwrap();
    assert_eq!(history(600).await, [moment(6, Some(7))]);
}
