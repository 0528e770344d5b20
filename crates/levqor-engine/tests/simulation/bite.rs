//! The checks themselves: a journal in which something is wrong is found out.

use std::{sync::Arc, time::Duration};

use levqor_flow::{
    document,
    machine::{Event, Outcome, Surroundings},
};
use levqor_model::Timestamp;
use levqor_store::runs::JournalEntry;
use serde_json::json;

use crate::walk::walk;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn started() -> Event {
    let run = "run_01KDV7N5C00000000000000000".parse().unwrap();
    Event::Started { at: at(0), run, input: json!({}), seed: 1, secrets: Default::default() }
}

fn answered(seconds: i64, effect: u64) -> Event {
    Event::EffectEnded { at: at(seconds), effect, outcome: Outcome::Output(json!({})) }
}

fn fired(seconds: i64, effect: u64) -> Event {
    Event::TimerFired { at: at(seconds), effect }
}

/// What is wrong with the journal of a run that calls, waits ten seconds, and calls again.
fn violations(entries: &[&[Event]]) -> String {
    let call = json!({ "call": "http", "with": { "method": "get", "endpoint": "http://callee.test/ok/x" } });
    let source = json!({
        "document": { "dsl": "1.0.3", "namespace": "sim", "name": "bite", "version": "1.0.0" },
        "do": [{ "first": call }, { "pause": { "wait": { "seconds": 10 } } }, { "second": call }],
    });
    let workflow = document::check(&source).workflow.unwrap();
    let mut surroundings = Surroundings::default();
    surroundings.bounds.time = Duration::from_secs(600);
    let entries: Vec<JournalEntry> = (0..)
        .zip(entries)
        .map(|(seq, events)| JournalEntry {
            seq,
            at: events[0].at(),
            region: "node-0".parse().unwrap(),
            events: serde_json::to_string(events).unwrap(),
        })
        .collect();
    match walk(&workflow, &Arc::new(surroundings), &entries) {
        Ok((walk, _)) => walk.violations.join("; "),
        Err(reason) => reason,
    }
}

#[test]
fn what_no_journal_may_have_is_found() {
    let whole: &[&[Event]] = &[&[started()], &[answered(1, 1)], &[fired(11, 2)], &[answered(12, 3)]];
    assert_eq!(violations(whole), "");
    let rows: [(&[&[Event]], &str); 5] = [
        (
            &[&[started()], &[answered(1, 1)], &[answered(2, 1)]],
            "effect 1 ends in entry 1 and again in entry 2",
        ),
        (
            &[&[started()], &[answered(1, 1)], &[fired(10, 2)]],
            "is due at 1970-01-01T00:00:11.000000Z and fires at",
        ),
        (&[&[started()], &[answered(5, 1)], &[fired(4, 2)]], "time goes back in entry 2"),
        (&[&[started(), answered(1, 1)]], "effect 1 ends in entry 0, before it was allowed to begin"),
        (&[&[started()], &[answered(1, 7)]], "effect 7 ends in entry 1 and was never asked for"),
    ];
    for (entries, expected) in rows {
        let found = violations(entries);
        assert!(found.contains(expected), "{expected:?} is not in {found:?}");
    }
}
