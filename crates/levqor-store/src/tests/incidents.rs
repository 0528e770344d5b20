//! What touches the nouns of incidents.

use std::{sync::Arc, time::Duration};

use levqor_model::{ActionItemId, AlertId, IncidentId, NotificationId, SeededRandom, Severity};
use serde_json::json;

use super::NOW;
use crate::{
    Store,
    incidents::{
        Act, ActionItem, ActionItems, EntryKind, Escalation, Incident, IncidentAlert, IncidentLevel,
        IncidentState, NewEntry, NewPostmortem,
    },
    notifications::{NewNotification, Target},
    subscriptions::Announcement,
};

fn act(incident: Incident, random: &SeededRandom) -> Act {
    let entry = NewEntry {
        at: NOW,
        kind: EntryKind::Opened,
        author: "a".to_owned(),
        text: "t".to_owned(),
        public: true,
    };
    let alert = IncidentAlert {
        alert: AlertId::new(NOW, random),
        rule: "r".to_owned(),
        subject: String::new(),
        severity: Severity::Critical,
        summary: "s".to_owned(),
        began_at: NOW,
        firing_at: NOW,
        ended_at: None,
        joined_at: NOW,
    };
    let announcement = Announcement {
        dedup: "d".to_owned(),
        severity: Severity::Critical,
        subject: "s".to_owned(),
        body: "b".to_owned(),
        data: json!({}),
        parts: Vec::new(),
        site: "http://a.example".to_owned(),
        at: NOW,
    };
    Act {
        incident,
        entries: vec![entry],
        alerts: vec![alert],
        notifications: vec![message(random, "act")],
        announcement: Some(announcement),
        random: Arc::new(SeededRandom::new(3)),
        at: NOW,
        kind: "incident.opened",
        details: json!({}),
    }
}

fn message(random: &SeededRandom, dedup: &str) -> NewNotification {
    NewNotification {
        id: NotificationId::new(NOW, random),
        dedup: dedup.to_owned(),
        target: Target::Route("minor".to_owned()),
        severity: Severity::Minor,
        subject: "s".to_owned(),
        body: "b".to_owned(),
        data: json!({}),
        at: NOW,
    }
}

pub(super) async fn touch_incidents(store: &Store, random: &SeededRandom) {
    let id = IncidentId::new(NOW, random);
    let incident = Incident {
        id,
        title: "t".to_owned(),
        level: IncidentLevel::L1,
        state: IncidentState::Resolved,
        components: Vec::new(),
        public: true,
        opened_by: "a".to_owned(),
        opened_at: NOW,
        began_at: None,
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: Some(NOW),
        resolved_by: None,
        commander: None,
        communications: None,
        operations: None,
        reopened: 0,
        updated_at: NOW,
        version: 0,
        escalation: Escalation { waits_for: None, step: 0, next_at: Some(NOW) },
        settles_after: None,
        settles_at: Some(NOW),
        heard_by: vec![Target::Destination("t".to_owned())],
    };
    let opened = act(incident, random);
    let alert = opened.alerts[0].alert;
    store.open_incident(opened.clone()).await.unwrap();
    let again = opened.clone();
    store.change_incident(id, move |incident, _| Ok::<_, ()>(Act { incident, ..again })).await.unwrap();
    store.alert_situation(alert, NOW).await.unwrap();
    store.incident_situation(NOW).await.unwrap();
    store.alert_incident(alert, NOW, |_| None).await.unwrap();
    store.open_incidents().await.unwrap();
    store.incidents(true, None, 10).await.unwrap();
    store.incidents_since(NOW, 10).await.unwrap();
    store.public_incidents(NOW, 10).await.unwrap();
    store.incidents(false, None, 10).await.unwrap();
    store.incident(id).await.unwrap();
    store.incident_updates(id).await.unwrap();
    store.incident_alerts(id).await.unwrap();
    store.incident_alerts_going_on(10).await.unwrap();
    store.incidents_to_escalate(NOW, 10).await.unwrap();
    store.incidents_to_settle(NOW, 10).await.unwrap();
    store.incidents_to_measure(NOW, NOW, Duration::from_secs(30), 10).await.unwrap();
    store.platform_records(NOW, NOW, 10).await.unwrap();
    store.sample_sums(NOW, NOW).await.unwrap();
    store.oldest_sample_at().await.unwrap();
    touch_what_comes_after(store, id, random).await;
}

async fn touch_what_comes_after(store: &Store, id: IncidentId, random: &SeededRandom) {
    let new = NewPostmortem {
        incident: id,
        name: "n".to_owned(),
        text: "t".to_owned(),
        by: "a".to_owned(),
        at: NOW,
    };
    store.begin_postmortem(new).await.unwrap();
    let change = |_: &_| Some("v".to_owned());
    store.measure_postmortem(id, "a".to_owned(), NOW, change).await.unwrap();
    let change = |_: &_| Some("u".to_owned());
    store.write_postmortem(id, None, "a".to_owned(), NOW, change).await.unwrap();
    store.postmortem(id).await.unwrap();
    store.postmortems(None, 10).await.unwrap();
    let item = ActionItem {
        id: ActionItemId::new(NOW, random),
        incident: id,
        text: "t".to_owned(),
        owner: None,
        due: NOW.date(),
        created_at: NOW,
        created_by: "a".to_owned(),
        done_at: None,
        done_by: None,
        version: 0,
    };
    store.add_action_item(item.clone()).await.unwrap();
    let today = NOW.date().plus_days(1);
    for which in [ActionItems::Open, ActionItems::Overdue(today), ActionItems::Of(id)] {
        store.action_items(which, 10).await.unwrap();
        store.action_items_behind(which, Some((today, item.id)), 10).await.unwrap();
    }
    store.untold_action_items(today, 10).await.unwrap();
    store.tell_action_item(item.clone(), message(random, "overdue"), NOW).await.unwrap();
    let done = |item: &mut ActionItem| item.done_at = Some(NOW);
    store.change_action_item(item.id, None, "a".to_owned(), NOW, done).await.unwrap();
}
