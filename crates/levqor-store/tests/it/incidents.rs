//! Incidents: written whole, one after the other, with their records and messages.

use std::{sync::Arc, time::Duration};

use levqor_model::{
    ActionItemId, AlertId, IncidentId, NotificationId, Random, SeededRandom, Severity, Timestamp,
    audit::Record,
};
use levqor_store::{
    audit::Filter,
    health::Sample,
    incidents::{
        Act, ActionItem, ActionItemChange, ActionItems, EntryKind, Escalation, Incident, IncidentAlert,
        IncidentLevel, IncidentState, NewEntry, NewPostmortem, Postmortem, Wait, Written,
    },
    notifications::{NewNotification, Target},
};
use serde_json::json;

use crate::support::{NOW, World, region};

fn after(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

fn random() -> Arc<dyn Random> {
    Arc::new(SeededRandom::new(5))
}

fn incident(number: u64) -> Incident {
    Incident {
        id: IncidentId::new(after(number), &SeededRandom::new(number)),
        title: format!("number {number}"),
        level: IncidentLevel::L3,
        state: IncidentState::Investigating,
        components: vec!["eu-west/api".to_owned()],
        public: true,
        opened_by: "levqor".to_owned(),
        opened_at: after(number),
        began_at: Some(NOW),
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
        resolved_by: None,
        commander: None,
        communications: None,
        operations: None,
        reopened: 0,
        updated_at: after(number),
        version: 0,
        escalation: Escalation {
            waits_for: Some(Wait::Acknowledgement),
            step: 0,
            next_at: Some(after(number + 600)),
        },
        settles_after: Some(Duration::from_secs(900)),
        settles_at: None,
        heard_by: vec![Target::Destination("team".to_owned()), Target::Route("minor".to_owned())],
    }
}

fn entry(kind: EntryKind, text: &str, at: Timestamp) -> NewEntry {
    NewEntry { at, kind, author: "user a".to_owned(), text: text.to_owned(), public: kind.is_update() }
}

fn act(incident: Incident, kind: &'static str, at: Timestamp) -> Act {
    Act {
        incident,
        entries: Vec::new(),
        alerts: Vec::new(),
        notifications: Vec::new(),
        announcement: None,
        random: random(),
        at,
        kind,
        details: json!({}),
    }
}

fn alert(number: u64) -> IncidentAlert {
    IncidentAlert {
        alert: AlertId::new(after(number), &SeededRandom::new(number)),
        rule: "slo.availability".to_owned(),
        subject: "eu-west".to_owned(),
        severity: Severity::Critical,
        summary: "too many fail".to_owned(),
        began_at: NOW,
        firing_at: after(number),
        ended_at: None,
        joined_at: after(number),
    }
}

fn message(dedup: &str) -> NewNotification {
    NewNotification {
        id: NotificationId::new(NOW, &SeededRandom::new(dedup.len() as u64)),
        dedup: dedup.to_owned(),
        target: Target::Route("critical".to_owned()),
        severity: Severity::Critical,
        subject: "s".to_owned(),
        body: "b".to_owned(),
        data: json!({}),
        at: NOW,
    }
}

async fn kinds(world: &World) -> Vec<String> {
    let filter = Filter { kind: None, ..Filter::default() };
    let records = world.store.audit_records(filter, None, 200).await.unwrap();
    let mut kinds: Vec<_> = records.into_iter().map(|record: Record| record.kind).collect();
    kinds.reverse();
    kinds
}

#[tokio::test]
async fn what_becomes_of_an_incident_is_written_whole() {
    let world = World::new();
    let store = &world.store;
    let opening = Act {
        entries: vec![entry(EntryKind::Opened, "it began", NOW)],
        alerts: vec![alert(1)],
        notifications: vec![message("opened")],
        ..act(incident(1), "incident.opened", after(1))
    };
    let opened = store.open_incident(opening).await.unwrap();
    assert_eq!(opened, Incident { version: 1, ..incident(1) });
    assert_eq!(store.incident(opened.id).await.unwrap().as_ref(), Some(&opened));
    assert_eq!(store.incident_alerts(opened.id).await.unwrap(), [alert(1)]);

    let user = world.user("ada@example.com").await;
    let changed = store
        .change_incident(opened.id, move |mut incident, alerts| {
            assert_eq!(alerts.len(), 1);
            incident.commander = Some(user);
            incident.state = IncidentState::Identified;
            incident.escalation = Escalation { waits_for: Some(Wait::Update), step: 2, next_at: None };
            incident.settles_at = Some(after(5));
            incident.heard_by.push(Target::Destination("pager".to_owned()));
            Ok::<_, ()>(Act {
                entries: vec![
                    entry(EntryKind::Update, "it is the disk", after(2)),
                    entry(EntryKind::Note, "x", after(2)),
                ],
                alerts: vec![IncidentAlert { ended_at: Some(after(2)), ..alert(1) }, alert(2)],
                ..act(incident, "incident.updated", after(2))
            })
        })
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!((changed.version, changed.commander), (2, Some(user)));
    assert_eq!(changed.heard_by.len(), 3);
    assert_eq!(store.incident(opened.id).await.unwrap(), Some(changed.clone()));
    let entries = store.incident_entries(opened.id).await.unwrap();
    let shown: Vec<_> = entries.iter().map(|entry| (entry.seq, entry.kind, entry.state)).collect();
    assert_eq!(
        shown,
        [
            (1, EntryKind::Opened, IncidentState::Investigating),
            (2, EntryKind::Update, IncidentState::Identified),
            (3, EntryKind::Note, IncidentState::Identified),
        ]
    );
    let updates = store.incident_updates(opened.id).await.unwrap();
    assert_eq!(
        updates.iter().map(|update| update.text.as_str()).collect::<Vec<_>>(),
        ["it began", "it is the disk"]
    );
    assert!(updates.iter().all(|update| update.public));
    assert_eq!(store.incident_alerts_going_on(10).await.unwrap(), [alert(2).alert]);

    // Refused: nothing of it is there.
    let refused = store.change_incident(opened.id, |_, _| Err::<Act, _>("no")).await.unwrap();
    assert_eq!(refused, Some(Err("no")));
    let unknown = IncidentId::new(NOW, &SeededRandom::new(99));
    assert_eq!(store.change_incident(unknown, |_, _| Err::<Act, _>("no")).await.unwrap(), None);
    assert_eq!(kinds(&world).await, ["user.created", "incident.opened", "incident.updated"]);
    let messages = store.notifications(None, None, 10).await.unwrap();
    assert_eq!(messages.iter().map(|one| one.dedup.as_str()).collect::<Vec<_>>(), ["opened"]);
    for chain in store.audit_chains().await.unwrap() {
        let records = store.audit_chain(chain, 0, 100).await.unwrap();
        assert!(records.iter().all(|record| record.computed_hash() == record.hash));
        assert!(records.windows(2).all(|two| two[1].previous == two[0].hash));
    }
}

#[tokio::test]
async fn acts_at_the_same_time_see_each_other() {
    let world = World::new();
    let opened = world.store.open_incident(act(incident(1), "incident.opened", NOW)).await.unwrap();
    let acts = (0..20).map(|_| {
        let store = world.store.clone();
        tokio::spawn(async move {
            store
                .change_incident(opened.id, |mut incident, _| {
                    incident.reopened += 1;
                    Ok::<_, ()>(Act {
                        entries: vec![entry(EntryKind::Note, "x", NOW)],
                        ..act(incident, "incident.noted", NOW)
                    })
                })
                .await
                .unwrap()
        })
    });
    for act in acts.collect::<Vec<_>>() {
        act.await.unwrap().unwrap().unwrap();
    }
    let incident = world.store.incident(opened.id).await.unwrap().unwrap();
    assert_eq!((incident.reopened, incident.version), (20, 21));
    let entries = world.store.incident_entries(opened.id).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_alert_sees_the_incidents_that_it_may_belong_to() {
    let world = World::new();
    let store = &world.store;
    let (alert_id, since) = (alert(1).alert, after(50));
    for number in 1..=4 {
        let mut one = incident(number);
        // Over before, over since, open, open.
        one.resolved_at = [Some(after(40)), Some(after(60)), None, None][number as usize - 1];
        store.open_incident(act(one, "incident.opened", after(number))).await.unwrap();
    }
    let situation = store.alert_situation(alert_id, since).await.unwrap();
    let titles = |incidents: &[(Incident, Vec<IncidentAlert>)]| {
        incidents.iter().map(|(incident, _)| incident.title.clone()).collect::<Vec<_>>()
    };
    assert_eq!(titles(&situation.open), ["number 4", "number 3"]);
    assert_eq!(titles(&situation.over), ["number 2"]);
    assert!(situation.has_it.is_none());
    let joined = store
        .alert_incident(alert_id, since, |situation| {
            let (incident, _) = situation.open.into_iter().next_back()?;
            Some(Act { alerts: vec![alert(1)], ..act(incident, "incident.alert_joined", after(70)) })
        })
        .await
        .unwrap()
        .unwrap();
    assert_eq!((joined.title.as_str(), joined.version), ("number 3", 2));
    let situation = store.alert_situation(alert_id, since).await.unwrap();
    assert_eq!(situation.has_it, Some((joined, alert(1))));
    let nothing = store.alert_incident(alert_id, since, |_| None).await.unwrap();
    assert_eq!(nothing, None);
    let new = store
        .alert_incident(alert(2).alert, since, |_| {
            Some(Act { alerts: vec![alert(2)], ..act(incident(9), "incident.opened", after(80)) })
        })
        .await
        .unwrap();
    assert_eq!(new.map(|incident| incident.version), Some(1));
}

#[tokio::test]
async fn an_alert_sees_its_own_incident_however_many_are_open() {
    let world = World::new();
    let store = &world.store;
    let first = Act { alerts: vec![alert(1)], ..act(incident(1), "incident.opened", after(1)) };
    store.open_incident(first).await.unwrap();
    for number in 2..=201 {
        store.open_incident(act(incident(number), "incident.opened", after(number))).await.unwrap();
    }
    let situation = store.alert_situation(alert(1).alert, after(0)).await.unwrap();
    let (own, alerts) = situation.open.last().unwrap();
    assert_eq!((situation.open.len(), own.title.as_str(), alerts.len()), (201, "number 1", 1));
    assert!(situation.has_it.is_some());
}

#[tokio::test]
async fn lists_are_in_order_and_say_what_is_due() {
    let world = World::new();
    let store = &world.store;
    for number in 1..=5 {
        let mut one = incident(number);
        one.resolved_at = (number <= 2).then(|| after(number + 100));
        if number <= 2 {
            one.escalation = Escalation::default();
        }
        one.settles_at = (number == 4).then(|| after(300));
        store.open_incident(act(one, "incident.opened", after(number))).await.unwrap();
    }
    let names = |incidents: Vec<Incident>| {
        incidents
            .into_iter()
            .map(|incident| incident.title.replace("number ", ""))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(names(store.open_incidents().await.unwrap()), "5 4 3");
    assert_eq!(names(store.incidents(false, None, 2).await.unwrap()), "5 4");
    assert_eq!(names(store.incidents(false, Some(incident(4).id), 10).await.unwrap()), "3 2 1");
    assert_eq!(names(store.incidents(true, Some(incident(5).id), 10).await.unwrap()), "4 3");
    assert_eq!(names(store.incidents_since(after(102), 10).await.unwrap()), "5 4 3 2");
    assert_eq!(names(store.incidents_since(after(102), 1).await.unwrap()), "5");
    assert_eq!(store.incidents_to_escalate(after(602), 10).await.unwrap(), []);
    let due = store.incidents_to_escalate(after(604), 10).await.unwrap();
    assert_eq!(due, [incident(3).id, incident(4).id]);
    assert_eq!(store.incidents_to_settle(after(299), 10).await.unwrap(), []);
    assert_eq!(store.incidents_to_settle(after(300), 10).await.unwrap(), [incident(4).id]);
    let unwritten = store.incidents_to_measure(after(102), after(102), COMPLETE, 10).await.unwrap();
    assert_eq!(unwritten, [incident(2).id]);
}

/// How long after the end of an incident nodes may still write what they counted.
const COMPLETE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn what_was_measured_too_early_is_measured_again_once() {
    let world = World::new();
    let store = &world.store;
    let mut over = incident(1);
    over.resolved_at = Some(after(100));
    over.escalation = Escalation::default();
    store.open_incident(act(over, "incident.opened", after(1))).await.unwrap();
    let id = incident(1).id;
    let due = async |now| store.incidents_to_measure(after(0), after(now), COMPLETE, 10).await.unwrap();
    assert_eq!(due(100).await, [id], "nothing is written yet");
    let new = NewPostmortem {
        incident: id,
        name: "2026-11-24-api".to_owned(),
        text: "10 requests".to_owned(),
        by: "levqor".to_owned(),
        at: after(101),
    };
    store.begin_postmortem(new).await.unwrap();
    assert_eq!(due(129).await, [], "nodes may still write");
    assert_eq!(due(130).await, [id], "it was measured before they had");
    // The words of people are no measuring.
    let said = |text: &'static str| move |_: &Postmortem| Some(text.to_owned());
    store
        .write_postmortem(id, None, "user a".to_owned(), after(131), said("10 requests, few"))
        .await
        .unwrap();
    assert_eq!(due(131).await, [id]);
    let measured =
        store.measure_postmortem(id, "levqor".to_owned(), after(132), said("12 requests, few")).await;
    let Written::Now(measured) = measured.unwrap() else { panic!("it is there") };
    assert_eq!((measured.version, measured.measured_at), (3, after(132)));
    assert_eq!(due(200).await, []);
    // One that has looked earlier and writes later changes nothing.
    let late =
        store.measure_postmortem(id, "levqor".to_owned(), after(120), said("11 requests")).await.unwrap();
    assert_eq!(late, Written::Now(measured));
    // Measured before it was over, as when the node that ended it died: that is due at once.
    let again = move |mut incident: Incident, _| {
        incident.resolved_at = Some(after(300));
        Ok::<_, ()>(act(incident, "incident.resolved", after(300)))
    };
    store.change_incident(id, again).await.unwrap().unwrap().unwrap();
    assert_eq!(due(300).await, [id]);
    // Nothing of it changes, and it is noted all the same.
    store.measure_postmortem(id, "levqor".to_owned(), after(331), |_| None).await.unwrap();
    assert_eq!(due(400).await, []);
}

#[tokio::test]
async fn what_is_public_and_open_is_listed_whatever_else_there_is() {
    let world = World::new();
    let store = &world.store;
    // The oldest one is open; many others are newer, over, or nobody's business.
    for number in 1..=9 {
        let mut one = incident(number);
        one.resolved_at = (number > 3).then(|| after(number + 100));
        one.public = number != 2 && number != 9;
        store.open_incident(act(one, "incident.opened", after(number))).await.unwrap();
    }
    let names = async |since, limit| {
        let found = store.public_incidents(after(since), limit).await.unwrap();
        found.iter().map(|one| one.title.replace("number ", "")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(0, 50).await, "3 1 8 7 6 5 4");
    assert_eq!(names(107, 50).await, "3 1 8 7");
    assert_eq!(names(0, 4).await, "3 1 8 7", "what is open goes before what is over");
    assert_eq!(names(0, 1).await, "3");
}

#[tokio::test]
async fn postmortems_have_names_of_their_own_and_versions() {
    let world = World::new();
    let store = &world.store;
    for number in 1..=3 {
        store.open_incident(act(incident(number), "incident.opened", NOW)).await.unwrap();
    }
    let new = |number, text: &str| NewPostmortem {
        incident: incident(number).id,
        name: "2026-11-24-api".to_owned(),
        text: text.to_owned(),
        by: "levqor".to_owned(),
        at: NOW,
    };
    let first = store.begin_postmortem(new(1, "one")).await.unwrap();
    assert_eq!((first.name.as_str(), first.version), ("2026-11-24-api", 1));
    assert_eq!(store.begin_postmortem(new(1, "again")).await.unwrap(), first, "it is begun once");
    assert_eq!(store.begin_postmortem(new(2, "two")).await.unwrap().name, "2026-11-24-api-2");
    assert_eq!(store.begin_postmortem(new(3, "three")).await.unwrap().name, "2026-11-24-api-3");
    let id = first.incident;
    let write = |seen, text: &'static str| {
        store.write_postmortem(id, seen, "user a".to_owned(), after(9), move |_| Some(text.to_owned()))
    };
    let Written::Now(second) = write(Some(1), "better").await.unwrap() else { panic!("written") };
    assert_eq!((second.version, second.text.as_str(), second.written_by.as_str()), (2, "better", "user a"));
    assert_eq!(write(Some(1), "lost").await.unwrap(), Written::Moved(second.clone()));
    assert_eq!(write(None, "better").await.unwrap(), Written::Now(second.clone()), "nothing changed");
    assert_eq!(store.postmortem(id).await.unwrap(), Some(second));
    let unknown = IncidentId::new(NOW, &SeededRandom::new(99));
    let missing = store.write_postmortem(unknown, None, String::new(), NOW, |_| None).await.unwrap();
    assert_eq!(missing, Written::Missing);
    let list = store.postmortems(None, 2).await.unwrap();
    assert_eq!(list.iter().map(|one| one.title.as_str()).collect::<Vec<_>>(), ["number 3", "number 2"]);
    assert_eq!(store.postmortems(Some(incident(2).id), 9).await.unwrap().len(), 1);
    let entries = store.incident_entries(id).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.kind).collect::<Vec<_>>(), [EntryKind::Postmortem; 2]);
}

#[tokio::test]
async fn action_items_are_tracked_and_told_once_a_day_that_they_were_due() {
    let world = World::new();
    let store = &world.store;
    let opened = store.open_incident(act(incident(1), "incident.opened", NOW)).await.unwrap();
    let owner = world.user("ada@example.com").await;
    let today = NOW.date();
    let item = |number: u64, days: i64| ActionItem {
        id: ActionItemId::new(after(number), &SeededRandom::new(number)),
        incident: opened.id,
        text: format!("item {number}"),
        owner: Some(owner),
        due: today.plus_days(days),
        created_at: NOW,
        created_by: "user a".to_owned(),
        done_at: None,
        done_by: None,
        version: 0,
    };
    for (number, days) in [(1, 5), (2, 1), (3, 0)] {
        let added = store.add_action_item(item(number, days)).await.unwrap();
        assert_eq!(added, ActionItemChange::Now(ActionItem { version: 1, ..item(number, days) }));
    }
    let unknown = IncidentId::new(NOW, &SeededRandom::new(99));
    let missing = store.add_action_item(ActionItem { incident: unknown, ..item(4, 1) }).await.unwrap();
    assert_eq!(missing, ActionItemChange::Missing);
    let texts = async |which| {
        let items = store.action_items(which, 10).await.unwrap();
        items.iter().map(|item| item.text.replace("item ", "")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(texts(ActionItems::Open).await, "3 2 1");
    assert_eq!(texts(ActionItems::Of(opened.id)).await, "1 2 3");
    assert_eq!(texts(ActionItems::Overdue(today)).await, "", "the day itself is not over");
    let later = today.plus_days(2);
    assert_eq!(texts(ActionItems::Overdue(later)).await, "3 2");

    // Told once for each day that it was due on.
    let untold = store.untold_action_items(later, 10).await.unwrap();
    assert_eq!(untold.len(), 2);
    for expected in [true, false] {
        let told = store.tell_action_item(untold[0].clone(), message("overdue"), NOW).await.unwrap();
        assert_eq!(told, expected);
    }
    assert_eq!(store.untold_action_items(later, 10).await.unwrap().len(), 1);
    let moved = store
        .change_action_item(untold[0].id, Some(1), "user a".to_owned(), NOW, move |item| {
            item.due = today.plus_days(1);
        })
        .await
        .unwrap();
    assert!(matches!(&moved, ActionItemChange::Now(item) if item.version == 2), "{moved:?}");
    assert_eq!(
        store.untold_action_items(later, 10).await.unwrap().len(),
        2,
        "it was due on another day then"
    );

    let done = |seen| {
        store.change_action_item(untold[0].id, seen, "user a".to_owned(), NOW, |item| {
            item.done_at = Some(NOW);
            item.done_by = Some("user a".to_owned());
        })
    };
    assert!(matches!(done(Some(1)).await.unwrap(), ActionItemChange::Moved(_)));
    assert!(matches!(done(None).await.unwrap(), ActionItemChange::Now(item) if item.done_at == Some(NOW)));
    assert_eq!(texts(ActionItems::Open).await, "2 1");
    let none = ActionItemId::new(NOW, &SeededRandom::new(77));
    let missing = store.change_action_item(none, None, String::new(), NOW, |_| {}).await.unwrap();
    assert_eq!(missing, ActionItemChange::Missing);
    let all = kinds(&world).await;
    let items: Vec<_> = all.iter().filter(|kind| kind.starts_with("incident.action_item")).collect();
    assert_eq!(
        items,
        [
            "incident.action_item_added",
            "incident.action_item_added",
            "incident.action_item_added",
            "incident.action_item_overdue",
            "incident.action_item_changed",
            "incident.action_item_done",
        ]
    );
}

#[tokio::test]
async fn evidence_of_a_time_is_summed_and_records_of_the_platform_are_in_order() {
    let world = World::new();
    let store = &world.store;
    let node = world.node_id();
    let sample = |component: &str, seconds: u64, good: bool| Sample {
        region: region("eu-west"),
        node,
        component: component.to_owned(),
        at: after(seconds),
        good,
        latency_us: Some(10),
        reason: None,
    };
    assert_eq!(store.oldest_sample_at().await.unwrap(), None);
    let samples =
        (0..10).flat_map(|n| [sample("api", n, !(3..6).contains(&n)), sample("engine", n, true)]).collect();
    store.add_samples(samples).await.unwrap();
    let sums = store.sample_sums(after(2), after(8)).await.unwrap();
    let shown: Vec<_> = sums
        .iter()
        .map(|sum| (sum.component.as_str(), sum.total, sum.bad, sum.first_bad, sum.last_bad))
        .collect();
    assert_eq!(shown, [("api", 6, 3, Some(after(3)), Some(after(5))), ("engine", 6, 0, None, None)]);
    assert_eq!(store.oldest_sample_at().await.unwrap(), Some(NOW));

    let account = world.account().await;
    world.saved(account, "flow", None).await;
    store.open_incident(act(incident(1), "incident.opened", after(2))).await.unwrap();
    store.open_incident(act(incident(2), "incident.opened", after(1))).await.unwrap();
    let records = store.platform_records(NOW, after(3), 10).await.unwrap();
    let shown: Vec<_> = records.iter().map(|record| (record.kind.as_str(), record.at)).collect();
    assert_eq!(shown, [("incident.opened", after(1)), ("incident.opened", after(2))], "nothing of accounts");
    assert_eq!(store.platform_records(NOW, after(2), 10).await.unwrap().len(), 1);
    assert_eq!(store.platform_records(NOW, after(3), 1).await.unwrap().len(), 1);
}
