//! What touches alerts, silences, objectives and messages.

use std::time::Duration;

use levqor_model::{
    AlertId, AlertState, NotificationId, NotificationState, SeededRandom, Severity, SilenceId,
};
use serde_json::json;

use super::NOW;
use crate::{
    Store,
    alerts::{Acknowledged, Alert, AlertFilter, AlertMove, AlertStep, Silence},
    notifications::{NewNotification, Target, Undelivered},
    slo::{SloMoment, SloState},
};

pub(super) async fn touch_alerts(store: &Store, random: &SeededRandom) {
    let text = || "a".to_owned();
    let alert = |subject: &str| Alert {
        id: AlertId::new(NOW, random),
        rule: text(),
        subject: subject.to_owned(),
        source: text(),
        severity: Severity::Major,
        state: AlertState::Firing,
        summary: text(),
        details: json!({}),
        began_at: NOW,
        firing_at: Some(NOW),
        ended_at: None,
        seen_at: NOW,
        held_us: 0,
        flaps: 0,
        told: true,
        heard: true,
        heard_by: vec![Target::Destination(text())],
        silence: None,
        ending: None,
        acknowledged: None,
        version: 1,
    };
    let (kept, dropped) = (alert("kept"), alert("dropped"));
    for one in [&kept, &dropped] {
        let begun = AlertMove { alert: one.clone(), was: None, step: AlertStep::Fired };
        store.move_alerts(vec![begun], Vec::new()).await.unwrap();
    }
    store.open_alerts().await.unwrap();
    let drop = AlertMove { alert: dropped, was: Some(1), step: AlertStep::Dropped };
    store.move_alerts(vec![drop], Vec::new()).await.unwrap();
    let given = Acknowledged { at: NOW, by: text(), note: None };
    store.acknowledge_alert(kept.id, given).await.unwrap();
    let over = Alert { state: AlertState::Resolved, ended_at: Some(NOW), version: 3, ..kept.clone() };
    let resolve = AlertMove { alert: over, was: Some(2), step: AlertStep::Resolved };
    store.move_alerts(vec![resolve], Vec::new()).await.unwrap();
    store.alert(kept.id).await.unwrap();
    store.last_alert(text(), "kept".to_owned()).await.unwrap();
    for state in [None, Some(AlertState::Resolved)] {
        store.alerts(AlertFilter { state, ..AlertFilter::default() }, None, 10).await.unwrap();
    }
    let silence = Silence {
        id: SilenceId::new(NOW, random),
        matchers: json!([]),
        reason: text(),
        created_by: text(),
        created_at: NOW,
        begins_at: NOW,
        ends_at: NOW + Duration::from_secs(60),
    };
    store.create_silence(silence.clone()).await.unwrap();
    store.silences(NOW).await.unwrap();
    let longer = Some(NOW + Duration::from_secs(30));
    store.change_silence(silence.id, longer, Some(text()), NOW).await.unwrap();
    store.end_silence(silence.id, NOW).await.unwrap();
    store.silence(silence.id).await.unwrap();
    store.prune_alerts(NOW).await.unwrap();
    let state = SloState { slo: text(), at: NOW, report: text() };
    let moment =
        SloMoment { slo: text(), at: NOW, good: 1, total: 1, left_ppm: Some(1), burn_milli: Some(1) };
    store.keep_slos(vec![state], vec![moment]).await.unwrap();
    store.slo_states().await.unwrap();
    let (later, step) = (NOW + Duration::from_secs(60), Duration::from_secs(600));
    store.slo_history(text(), NOW, later, step, 10).await.unwrap();
    store.evidence_steps(text(), None, (NOW, later), step, 10).await.unwrap();
    store.prune_slos(NOW).await.unwrap();
}

pub(super) async fn touch_notifications(store: &Store, random: &SeededRandom) {
    let message = |dedup: &str| NewNotification {
        id: NotificationId::new(NOW, random),
        dedup: dedup.to_owned(),
        target: Target::Route("critical".to_owned()),
        severity: Severity::Critical,
        subject: "s".to_owned(),
        body: "b".to_owned(),
        data: json!({}),
        at: NOW,
    };
    let lease = Duration::from_secs(60);
    store.notify(vec![message("a"), message("b"), message("c")]).await.unwrap();
    let claimed = store.claim_notifications(NOW, lease, 10, 10).await.unwrap();
    let [first, second, third] = claimed.as_slice() else { panic!("{claimed:?}") };
    store.notification_delivered(first.id, "a".to_owned(), NOW).await.unwrap();
    let failed = ("500".to_owned(), Undelivered::Dead);
    store.notification_failed((second.id, 1), None, failed.0, failed.1, NOW).await.unwrap();
    store.unsent_notifications(NOW, NOW).await.unwrap();
    store.dismiss_notification(second.id, "seen".to_owned(), NOW).await.unwrap();
    store.retry_notification(second.id, NOW).await.unwrap();
    let copies = vec![(NotificationId::new(NOW, random), "mail".to_owned())];
    store.split_notification((third.id, 1), copies, NOW).await.unwrap();
    for state in [None, Some(NotificationState::Waiting)] {
        store.notifications(state, None, 10).await.unwrap();
    }
    store.notification(first.id).await.unwrap();
    store.prune_notifications(NOW).await.unwrap();
}
