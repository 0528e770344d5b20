//! Lines are in order, whatever they come from.

use levqor_model::{
    ActionItemId, IncidentId, NodeId, SeededRandom, Severity,
    audit::{Record, RecordHash},
};
use levqor_store::incidents::{Escalation, IncidentLevel, IncidentState};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn at(seconds: u64) -> Timestamp {
    let begin: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
    begin + Duration::from_secs(seconds)
}

fn incident() -> Incident {
    Incident {
        id: IncidentId::new(at(0), &SeededRandom::new(1)),
        title: "t".to_owned(),
        level: IncidentLevel::L3,
        state: IncidentState::Resolved,
        components: Vec::new(),
        public: false,
        opened_by: "levqor".to_owned(),
        opened_at: at(3_600),
        began_at: Some(at(3_000)),
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: Some(at(7_200)),
        resolved_by: None,
        commander: None,
        communications: None,
        operations: None,
        reopened: 0,
        updated_at: at(3_600),
        version: 1,
        escalation: Escalation::default(),
        settles_after: None,
        settles_at: None,
        heard_by: Vec::new(),
    }
}

fn record(seq: u64, seconds: u64, kind: &str, subject: &str, details: &Value) -> Record {
    Record {
        chain: "node_a".to_owned(),
        seq,
        at: at(seconds),
        region: "eu-west".to_owned(),
        kind: kind.to_owned(),
        author: "user usr_a".to_owned(),
        account: None,
        subject: subject.to_owned(),
        details: details.to_string(),
        request_id: None,
        previous: RecordHash::NONE,
        hash: RecordHash::NONE,
    }
}

fn alert(number: u64, began: u64, fired: u64, ended: Option<u64>) -> IncidentAlert {
    IncidentAlert {
        alert: AlertId::new(at(0), &SeededRandom::new(number)),
        rule: "probe.failed".to_owned(),
        subject: String::new(),
        severity: Severity::Critical,
        summary: "no answer".to_owned(),
        began_at: at(began),
        firing_at: at(fired),
        ended_at: ended.map(at),
        joined_at: at(fired),
    }
}

fn entry(seq: i64, seconds: u64, kind: EntryKind, text: &str) -> IncidentEntry {
    IncidentEntry {
        seq,
        at: at(seconds),
        kind,
        author: "user usr_a".to_owned(),
        state: IncidentState::Identified,
        text: text.to_owned(),
        public: false,
    }
}

/// What people outside ask for is about them, and there may be much of it.
#[test]
fn what_people_outside_ask_for_is_no_part_of_it() {
    let kinds =
        ["lead.kept", "subscription.confirmed", "ticket.opened", "consultation.booked", "region.act_began"];
    let records = (1..).zip(kinds).map(|(seq, kind)| record(seq, 3_700, kind, "x", &json!({})));
    let material = Material { records: records.collect(), ..Material::default() };
    let shown: Vec<_> = of(&incident(), &material).into_iter().map(|line| line.kind).collect();
    assert_eq!(shown, ["region.act_began"]);
}

#[test]
fn it_writes_itself_from_what_was_seen_done_and_said() {
    let node = NodeId::new(at(0), &SeededRandom::new(8)).to_string();
    let before = Node {
        id: NodeId::new(at(0), &SeededRandom::new(9)),
        region: "eu-west".parse().unwrap(),
        version: "1.3".to_owned(),
        epoch: 4,
        started_at: at(10),
        expires_at: at(20),
        lease: None,
        stopped_at: None,
        stop_reason: None,
    };
    let own = incident().id.to_string();
    let item = ActionItemId::new(at(0), &SeededRandom::new(4)).to_string();
    let material = Material {
        entries: vec![
            entry(1, 3_600, EntryKind::Opened, ""),
            entry(2, 4_000, EntryKind::Update, "a bad release"),
            entry(3, 4_000, EntryKind::Acknowledged, ""),
            entry(4, 7_200, EntryKind::Resolved, "rolled back"),
        ],
        alerts: vec![alert(1, 3_000, 3_600, Some(7_000))],
        records: vec![
            record(1, 2_900, "node.joined", &node, &json!({ "region": "eu-west", "version": "1.4" })),
            record(
                2,
                3_700,
                "region.act_began",
                "eu-west",
                &json!({ "verb": "drain", "reason": "it is sick" }),
            ),
            record(3, 3_800, "tamper.found", "/etc/levqor.toml", &json!({})),
            record(4, 3_900, "ring_key.activated", "rky_a", &json!({ "purpose": "sealing" })),
            record(5, 3_950, "maintenance.planned", "mnt_a", &json!({})),
            record(
                11,
                3_955,
                "probe.verdict",
                "reach",
                &json!({ "target": "us-east", "state": "down", "reason": "no answer" }),
            ),
            record(12, 3_956, "keyring.founded", "keyring", &json!({})),
            // Said better elsewhere, or about single people.
            record(6, 3_960, "incident.updated", &own, &json!({})),
            record(7, 3_970, "alert.fired", &alert(1, 0, 0, None).alert.to_string(), &json!({})),
            record(8, 3_980, "sign_in_link.created", "lnk_a", &json!({})),
            record(9, 3_990, "incident.noted", &item, &json!({})),
            record(10, 3_995, "alert.fired", "alr_other", &json!({ "rule": "jobs.active" })),
        ],
        nodes: vec![before],
    };
    let shown: Vec<_> = of(&incident(), &material)
        .iter()
        .map(|line| {
            format!(
                "{} {}: {}",
                line.at.since(at(0)).as_secs(),
                line.source.as_str(),
                line.text.replace(&node, "NODE")
            )
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    2900 evidence: node NODE began in eu-west with version 1.4, 1.3 before: a deploy
    3000 alert: what alert probe.failed is about began
    3600 alert: alert probe.failed fired, critical: no answer
    3600 incident: opened
    3700 evidence: drain of region eu-west began: it is sick
    3800 evidence: the file /etc/levqor.toml is not as agreed
    3900 evidence: key rky_a for sealing was activated
    3950 evidence: maintenance mnt_a: planned
    3955 evidence: probe reach: us-east is down: no answer
    3956 evidence: keyring: founded
    3995 evidence: another alert fired: jobs.active
    4000 incident: identified: a bad release
    4000 incident: acknowledged
    7000 alert: alert probe.failed is over
    7200 incident: resolved: rolled back
    ");
}

#[test]
fn it_begins_before_the_beginning() {
    let (from, until) = span(&incident(), at(9_000));
    assert_eq!((from, until), (at(3_000 - 1_800), at(7_200) + Duration::from_micros(1)));
    let open = Incident { resolved_at: None, began_at: None, ..incident() };
    assert_eq!(span(&open, at(9_000)), (at(3_600 - 1_800), at(9_000) + Duration::from_micros(1)));
}

fn material() -> impl Strategy<Value = Material> {
    let entries = prop::collection::vec((0_u64..50, "[a-z]{0,4}"), 0..20);
    let alerts = prop::collection::vec((0_u64..50, 0_u64..50, prop::option::of(0_u64..50)), 0..10);
    let records = prop::collection::vec((0_u64..50, "[a-z]{1,5}\\.[a-z]{1,5}", "[a-z]{0,4}"), 0..20);
    (entries, alerts, records).prop_map(|(entries, alerts, records)| Material {
        entries: entries
            .iter()
            .enumerate()
            .map(|(place, (seconds, text))| entry(place as i64 + 1, *seconds, EntryKind::Note, text))
            .collect(),
        alerts: alerts
            .iter()
            .enumerate()
            .map(|(place, (began, fired, ended))| alert(place as u64, *began, *fired, *ended))
            .collect(),
        records: records
            .iter()
            .enumerate()
            .map(|(place, (seconds, kind, subject))| {
                record(place as u64 + 1, *seconds, kind, subject, &json!({}))
            })
            .collect(),
        nodes: Vec::new(),
    })
}

proptest! {
    #[test]
    fn lines_are_in_order_and_none_is_lost_or_doubled(material in material(), seed in any::<u64>()) {
        let lines = of(&incident(), &material);
        prop_assert!(lines.windows(2).all(|two| (two[0].at, two[0].source) <= (two[1].at, two[1].source)));
        // What was said is in the order in which it was said, where it is of the same moment.
        let said: Vec<_> = lines.iter().filter(|line| line.source == Source::Incident).map(|line| (line.at, line.place.1)).collect();
        prop_assert!(said.is_sorted());
        let of_alerts: usize = material
            .alerts
            .iter()
            .map(|alert| 1 + usize::from(alert.began_at < alert.firing_at) + usize::from(alert.ended_at.is_some()))
            .sum();
        prop_assert_eq!(lines.iter().filter(|line| line.source == Source::Alert).count(), of_alerts);
        prop_assert_eq!(said.len(), material.entries.len());
        let known: Vec<_> = material.records.iter().filter(|one| matters(one, &incident(), &[])).collect();
        prop_assert_eq!(lines.iter().filter(|line| line.source == Source::Evidence).count(), known.len());
        // In whatever order it is given.
        let mut turned = material.clone();
        let by = |len: usize| if len == 0 { 0 } else { usize::try_from(seed % len as u64).unwrap_or_default() };
        let len = turned.entries.len();
        turned.entries.rotate_left(by(len));
        let len = turned.alerts.len();
        turned.alerts.rotate_left(by(len));
        turned.records.reverse();
        prop_assert_eq!(of(&incident(), &turned), lines);
    }

    #[test]
    fn no_record_makes_it_panic(kind in "[a-z_.]{0,20}", subject in ".{0,300}", details in ".{0,60}") {
        let mut one = record(1, 1, &kind, &subject, &json!({}));
        one.details = details;
        let material = Material { records: vec![one], ..Material::default() };
        prop_assert!(of(&incident(), &material).len() <= 1);
    }
}
