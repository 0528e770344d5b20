//! The checks themselves: a journal in which something is wrong is found out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use levqor_flow::{
    document,
    machine::{Event, Outcome, Surroundings},
};
use levqor_model::{AccountId, ApprovalId, RunId, SeededRandom, Timestamp};
use levqor_store::{
    approvals::{Approval, Decided, Decision},
    runs::JournalEntry,
};
use serde_json::{Value, json};

use crate::{
    allowed::{self, Spending, Taken},
    approvals::{self, Answer, Question},
    callee::Delivery,
    hooks,
    state::{self, Asked},
    walk::walk,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn started() -> Event {
    let run = "run_01KDV7N5C00000000000000000".parse().unwrap();
    Event::Started { at: at(0), run, input: json!({}), seed: 1, secrets: Default::default() }
}

fn answered(seconds: i64, effect: u64) -> Event {
    Event::ended(at(seconds), effect, Outcome::Output(json!({})))
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

/// A call of the store, what it left and what its run was told.
fn asked(key: &str, input: Value, left: Option<(u64, bool)>, told: Option<(u64, bool)>) -> Asked {
    let told = told.map(|(value, changed)| json!({ "found": true, "value": value, "changed": changed }));
    Asked { key: key.to_owned(), input, left: left.map(|(value, changed)| (json!(value), changed)), told }
}

fn add(key: &str, to: u64, left: (u64, bool), told: Option<(u64, bool)>) -> Asked {
    let input = json!({ "action": "compare-and-set", "key": "count-a", "expected": to - 1, "value": to });
    asked(key, input, Some(left), told)
}

#[test]
fn a_change_that_is_lost_doubled_or_told_wrong_is_found() {
    let judged = |last: u64, put: u64, calls: Vec<Asked>| {
        let mut kept: BTreeMap<String, Value> = [("count-a".to_owned(), json!(last))].into();
        kept.insert("count-b".to_owned(), json!(0));
        kept.insert("last-a".to_owned(), json!(put));
        let input = json!({ "action": "set", "key": "last-a", "value": 7 });
        let set = asked("put", input, Some((7, true)), Some((7, true)));
        state::judge(&kept, &calls.into_iter().chain([set]).collect::<Vec<_>>()).join("; ")
    };
    let one = || add("one", 1, (1, true), Some((1, true)));
    let two = || add("two", 2, (2, true), Some((2, true)));
    // One that came too late, and one whose run was cut off before it was told.
    let late = || add("late", 1, (1, false), Some((1, false)));
    let read =
        |value| asked("read", json!({ "action": "get", "key": "count-a" }), None, Some((value, false)));
    assert_eq!(judged(2, 7, vec![one(), add("cut", 2, (2, true), None), late(), read(2)]), "");
    let rows = [
        (judged(1, 7, vec![one(), two()]), "count-a is Some(1) after the changes [1, 2]"),
        (judged(3, 7, vec![one(), two()]), "count-a is Some(3) after the changes [1, 2]"),
        (judged(1, 7, vec![one(), one()]), "count-a is Some(1) after the changes [1, 1]"),
        (judged(1, 7, vec![one(), read(2)]), "read was told"),
        (
            judged(1, 7, vec![one(), add("two", 2, (1, false), Some((2, true)))]),
            "two left 1 (false), and its run was told",
        ),
        (judged(2, 7, vec![one(), add("two", 3, (2, true), None)]), "two was to write 3 and wrote 2"),
        (judged(1, 8, vec![one()]), "last-a is 8, and only {\"7\"} were written"),
    ];
    for (found, expected) in rows {
        assert!(found.contains(expected), "{expected:?} is not in {found:?}");
    }
}

#[test]
fn an_answer_that_is_lost_doubled_or_not_the_first_is_found() {
    let random = SeededRandom::new(1);
    let id = ApprovalId::new(at(0), &random);
    let run: RunId = "run_01KDV7N5C00000000000000000".parse().unwrap();
    let decision = |by: &str| Decision { approved: by == "ada", by: by.to_owned(), comment: None, at: at(9) };
    let whole = Approval {
        id,
        account_id: AccountId::new(at(0), &random),
        run_id: run,
        effect: 1,
        task: "ask".to_owned(),
        title: "Go on?".to_owned(),
        message: None,
        data: None,
        requested_at: at(1),
        decision: Some(decision("ada")),
        closed_at: Some(at(10)),
    };
    let answer = |by: &str, reported: Option<Decided>| Answer {
        approval: id,
        approved: by == "ada",
        by: by.to_owned(),
        reported,
    };
    let first = answer("ada", Some(Decided::Now(whole.clone())));
    let second = answer("bob", Some(Decided::Before(whole.clone())));
    let told = |by: &str| {
        let Decision { approved, by, comment, at } = decision(by);
        Some(Outcome::Output(json!({ "approved": approved, "by": by, "comment": comment, "at": at })))
    };
    let question = |told: Option<Outcome>, cut_off: bool| Question {
        run,
        effect: 1,
        title: "Go on?".to_owned(),
        cut_off,
        dropped: false,
        told,
    };
    let judged = |rows: &[Approval], answers: &[Answer], questions: &[Question]| {
        approvals::judge(rows, answers, questions).join("; ")
    };
    let (rows, answers) = ([whole.clone()], [first.clone(), second.clone()]);
    assert_eq!(judged(&rows, &answers, &[question(told("ada"), false)]), "");
    assert_eq!(judged(&rows, &answers, &[question(None, true)]), "");
    assert_eq!(judged(&[], &[], &[question(None, true)]), "");
    let dropped = |told| Question { dropped: true, ..question(told, false) };
    assert_eq!(judged(&[], &[], &[dropped(None)]), "");

    let changed = |change: fn(&mut Approval)| {
        let mut row = whole.clone();
        change(&mut row);
        [row]
    };
    let good = [question(told("ada"), false)];
    let unknown = [answer("bob", Some(Decided::NotFound)), first.clone()];
    let both = [first.clone(), answer("bob", Some(Decided::Now(whole.clone())))];
    let found = [
        (judged(&rows, &answers, &[question(told("bob"), false)]), "and its run got Output("),
        (judged(&rows, &answers, &[question(None, false)]), "and its run got nothing"),
        (judged(&rows, &both, &good), "was told so, and Some("),
        (judged(&rows, &unknown, &good), "was told so, and Some("),
        (judged(&rows, std::slice::from_ref(&second), &good), "has an answer that nobody gave"),
        (judged(&changed(|row| row.closed_at = None), &answers, &good), "is open, and its run has ended"),
        (judged(&changed(|row| row.decision = None), &[], &[question(None, false)]), "was never answered"),
        (judged(&changed(|row| row.decision = None), &answers, &good), "was answered None"),
        (judged(&changed(|row| row.effect = 2), &answers, &good), "is not there"),
        (judged(&[], &[], &[dropped(told("ada"))]), "is not there"),
        (judged(&rows, &answers, &[]), "nobody asked"),
        (judged(&[whole.clone(), whole.clone()], &answers, &good), "a question is there twice"),
    ];
    for (found, expected) in found {
        assert!(found.contains(expected), "{expected:?} is not in {found:?}");
    }
}

#[test]
fn a_message_that_is_not_signed_or_changes_its_id_is_found() {
    let message = |id: &str, signed: &str| {
        let call = levqor_flow::machine::ServiceCall {
            key: "run/do/0/hook/0".to_owned(),
            service: levqor_flow::services::Service::Webhook,
            input: json!({ "url": "http://callee.test/hook/x", "body": { "n": 1 } }),
        };
        let proof = [("webhook-id", id), ("webhook-timestamp", "5"), ("webhook-signature", signed)];
        Delivery {
            run: "run_01KDV7N5C00000000000000000".parse().unwrap(),
            place: "do/0/hook/0".to_owned(),
            call: hooks::request(&call),
            proof: proof.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            durable: 1,
            node: 0,
        }
    };
    let signed = |id: &str| message(id, &hooks::signature(&format!("{id}.5.{}", json!({ "n": 1 }))));
    let judged = |messages: &[Delivery]| hooks::judge(messages.iter()).join("; ");
    assert_eq!(judged(&[signed("msg_1"), signed("msg_1")]), "");
    assert!(judged(&[signed("msg_1"), signed("msg_2")]).contains("was sent as msg_1 and again as msg_2"));
    assert!(judged(&[message("msg_1", "v1,AAAA")]).contains("is not signed"));
    assert!(judged(&[message("", &hooks::signature(""))]).contains("is not signed"));
}

#[test]
fn what_was_done_without_leave_is_found() {
    let run = "run_01KDV7N5C00000000000000000";
    let taken =
        |entry: i64, task: &str, approved: bool| Taken { entry, key: format!("{run}/{task}/0"), approved };
    let all = [
        taken(1, "", true),
        taken(3, "do/0/gatedfor1", true),
        taken(5, "do/0/gatedfor1[0]/do/1/gatedcall2", true),
        taken(7, "do/0/gatedfor1[1]/do/1/gatedcall2", false),
    ];
    let first = "do/0/gatedfor1[0]/do/1/gatedcall2/0";
    let missing = |asks_first: bool, place: &str, durable: i64| {
        allowed::leave(asks_first, place, durable, &all).unwrap_or_default()
    };
    for (place, durable) in [(first, 6), ("do/0/gatedfor1[1]/do/0/call3/0", 4), ("do/1/call4/1", 2)] {
        assert_eq!(missing(true, place, durable), "");
    }
    assert_eq!(missing(false, "do/1/call4/1", 0), "");
    let rows = [
        (missing(true, "do/1/call4/0", 1), "\"\" has no leave"),
        (missing(false, first, 5), "\"do/0/gatedfor1[0]/do/1/gatedcall2\" has no leave"),
        (missing(false, "do/0/gatedfor1[1]/do/0/call3/0", 3), "\"do/0/gatedfor1\" has no leave"),
        // It was refused, and what the first round was allowed is not the second's.
        (missing(false, "do/0/gatedfor1[1]/do/1/gatedcall2/0", 99), "[1]/do/1/gatedcall2\" has no leave"),
        (missing(false, "do/2/gatedcall5@1/0", 99), "\"do/2/gatedcall5@1\" has no leave"),
    ];
    for (found, expected) in rows {
        assert!(found.contains(expected), "{expected:?} is not in {found:?}");
    }
}

#[test]
fn calls_that_no_budget_allows_are_found() {
    let judged = |asked: &[i64], stopped: &[(i64, usize)], resumed: &[i64], sent: &[(&str, i64)]| {
        let spending =
            Spending { asked: asked.to_vec(), stopped: stopped.to_vec(), resumed: resumed.to_vec() };
        allowed::spent(2, &spending, sent).join("; ")
    };
    let sent = [("a/0", 1), ("b/0", 2), ("a/0", 3), ("c/0", 5)];
    assert_eq!(judged(&[0, 1, 4], &[(3, 2)], &[4], &sent), "");
    let rows = [
        (judged(&[0, 1, 2], &[], &[], &[]), "entry 2 asks for call 3, and 2 are allowed"),
        (judged(&[0, 1, 3], &[(3, 2)], &[4], &[]), "entry 3 asks for call 3, and 2 are allowed"),
        (judged(&[0, 1, 4, 5, 5], &[(3, 2)], &[4], &[]), "entry 5 asks for call 5, and 4 are allowed"),
        (judged(&[0], &[(3, 1)], &[4], &[]), "entry 3 stops it after 1 calls of 2"),
        (judged(&[0, 1, 4], &[(3, 2), (6, 3)], &[4], &[]), "entry 6 stops it after 3 calls of 4"),
        // What allows it was not durable.
        (judged(&[0, 1, 4], &[(3, 2)], &[4], &[("a/0", 1), ("b/0", 2), ("c/0", 4)]), "c/0 is call 3 of 2"),
    ];
    for (found, expected) in rows {
        assert!(found.contains(expected), "{expected:?} is not in {found:?}");
    }
}

#[test]
fn calls_that_are_missing_are_found() {
    let expected = BTreeSet::from(["a/0", "b/0", "silent/0"]);
    let silent = BTreeSet::from(["silent/0".to_owned()]);
    let are_those = |made: &[&'static str], count: usize, budget: Option<u64>| {
        allowed::are_those((&made.iter().copied().collect(), count), &expected, &silent, budget)
    };
    assert!(are_those(&["a/0", "b/0", "silent/0"], 3, None));
    assert!(are_those(&["a/0", "b/0"], 2, Some(2)), "its time ran out while it waited for more");
    assert!(!are_those(&["a/0", "b/0"], 2, Some(3)), "it had no reason to wait");
    assert!(!are_those(&["a/0", "b/0"], 2, None));
    assert!(!are_those(&["a/0", "silent/0"], 2, Some(1)), "somebody would have answered");
    assert!(!are_those(&["a/0", "b/0", "silent/0", "c/0"], 4, Some(1)));
}
