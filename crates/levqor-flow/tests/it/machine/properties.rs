//! Random workflows and random lives: a run rebuilt from its journal is the run, whatever the slices; and nothing that
//! comes from outside makes the interpreter panic.

use std::sync::Arc;

use levqor_flow::{
    definition::Workflow,
    document,
    event::CloudEvent,
    machine::{Effect, ErrorKind, Event, Machine, Outcome, Surroundings},
};
use levqor_model::Timestamp;
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{self, Index},
};
use serde_json::{Value, json};

use super::play::{
    Answer, Cancel, Do, Lose, Paid, Pass, Player, PublishAll, Refuse, Resume, Retry, START, Suspend, started,
};

/// A random `do` list: tasks are named by their position, so that jumps have targets.
fn list(depth: u32) -> BoxedStrategy<Value> {
    vec((task(depth), flow()), 1..4)
        .prop_map(|tasks| {
            let count = tasks.len();
            let tasks = tasks.into_iter().enumerate().map(|(position, (mut task, then))| {
                if let (Some(then), Some(members)) = (then, task.as_object_mut()) {
                    let then = match then {
                        Flow::Word(word) => word.to_owned(),
                        Flow::Jump(target) => format!("t{}", target.index(count)),
                    };
                    members.insert("then".to_owned(), Value::from(then));
                }
                json!({ format!("t{position}"): task })
            });
            Value::Array(tasks.collect())
        })
        .boxed()
}

#[derive(Debug, Clone)]
enum Flow {
    Word(&'static str),
    Jump(Index),
}

fn flow() -> impl Strategy<Value = Option<Flow>> {
    prop_oneof![
        8 => Just(None),
        1 => Just(Some(Flow::Word("exit"))),
        1 => Just(Some(Flow::Word("end"))),
        1 => any::<Index>().prop_map(|target| Some(Flow::Jump(target))),
    ]
}

fn task(depth: u32) -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        3 => Just(json!({ "set": "${ [.] | length }" })),
        1 => Just(json!({ "set": { "x": "${ .x + 1 }", "i": "${ $context }" } })),
        1 => Just(json!({ "set": "${ . }", "export": { "as": "{ n: ($context.n + 1) }" } })),
        1 => Just(json!({ "set": "${ .a.b.c }" })),
        1 => Just(json!({ "set": { "x": 1 }, "output": { "as": ".x.y" } })),
        1 => Just(json!({ "raise": { "error": { "type": "urn:x", "status": 418 } } })),
        4 => Just(json!({ "call": "http", "with": { "method": "get", "endpoint": "http://h/" } })),
        2 => Just(json!({ "call": "ai-chat:1.0.0@default", "with": { "prompt": "x" } })),
        1 => Just(json!({ "run": { "workflow": { "namespace": "n", "name": "s", "version": "1.0.0" } } })),
        1 => Just(json!({ "run": { "await": false, "workflow": { "namespace": "n", "name": "s", "version": "1.0.0" } } })),
        2 => listener(),
        2 => Just(json!({ "emit": { "event": { "with": { "type": "a", "data": "${ . }" } } } })),
        1 => Just(json!({ "emit": { "event": { "with": { "type": "${ .x }" } } } })),
        2 => (0..3_u64).prop_map(|seconds| json!({ "wait": { "seconds": seconds } })),
        1 => Just(json!({ "switch": [{ "a": { "when": "type == \"number\"", "then": "exit" } }, { "b": { "then": "continue" } }] })),
    ];
    let body = if depth == 0 {
        leaf.boxed()
    } else {
        prop_oneof![
            4 => leaf,
            1 => list(depth - 1).prop_map(|list| json!({ "do": list })),
            1 => (list(depth - 1), 0..3_usize, any::<bool>()).prop_map(|(list, count, bounded)| {
                let mut task = json!({ "for": { "in": format!("[range({count})]") }, "do": list });
                if bounded {
                    task["while"] = json!("$index < 2");
                }
                task
            }),
            2 => (vec(task(depth - 1), 1..4), any::<bool>()).prop_map(|(branches, compete)| {
                let branches: Vec<Value> = branches
                    .into_iter()
                    .enumerate()
                    .map(|(position, task)| json!({ format!("b{position}"): task }))
                    .collect();
                json!({ "fork": { "compete": compete, "branches": branches } })
            }),
            2 => (listener(), list(depth - 1)).prop_map(|(mut task, list)| {
                task["foreach"] = json!({ "do": list, "export": { "as": "{ n: ($context.n + 1) }" } });
                task
            }),
            2 => (list(depth - 1), catch(depth - 1)).prop_map(|(list, catch)| json!({ "try": list, "catch": catch })),
        ]
        .boxed()
    };
    (body, option::weighted(0.1, any::<bool>()), option::weighted(0.15, 0..4_u64))
        .prop_map(|(mut body, condition, timeout)| {
            if let Some(condition) = condition {
                body["if"] = Value::from(condition.to_string());
            }
            if let Some(seconds) = timeout {
                body["timeout"] = json!({ "after": { "seconds": seconds } });
            }
            body
        })
        .boxed()
}

/// A `listen` for the events of [`Fate::Publish`].
fn listener() -> impl Strategy<Value = Value> {
    let filter = (0..3_usize, 0..4_u8).prop_map(|(kind, extra)| {
        let mut filter = json!({ "with": { "type": KINDS[kind] } });
        match extra {
            0 => filter["with"]["data"] = json!("${ .n > 1 }"),
            1 => filter["correlate"] = json!({ "n": { "from": ".data.n" } }),
            2 => filter["with"]["subject"] = json!("s.*"),
            _ => {}
        }
        filter
    });
    let until = prop_oneof![
        Just(json!("length > 1")),
        Just(json!("$context.n > 1")),
        Just(json!(". | error")),
        Just(json!({ "one": { "with": { "type": "c" } } })),
    ];
    prop_oneof![
        filter.clone().prop_map(|one| json!({ "one": one })),
        vec(filter.clone(), 1..3).prop_map(|all| json!({ "all": all })),
        (vec(filter, 0..3), option::of(until)).prop_map(|(any, until)| {
            let mut to = json!({ "any": any });
            if let Some(until) = until {
                to["until"] = until;
            }
            to
        }),
    ]
    .prop_map(|to| json!({ "listen": { "to": to } }))
}

const KINDS: [&str; 3] = ["a", "b", "c"];

fn catch(depth: u32) -> BoxedStrategy<Value> {
    let retry = (0..3_u64, option::of(0..3_u64), option::weighted(0.3, 1..4_u64), any::<bool>()).prop_map(
        |(count, delay, bound, jitter)| {
            let mut retry =
                json!({ "limit": { "attempt": { "count": count } }, "backoff": { "linear": {} } });
            if let Some(seconds) = delay {
                retry["delay"] = json!({ "seconds": seconds });
            }
            if let Some(seconds) = bound {
                retry["limit"]["attempt"]["duration"] = json!({ "seconds": seconds });
            }
            if jitter {
                retry["jitter"] = json!({ "from": { "milliseconds": 0 }, "to": { "milliseconds": 900 } });
            }
            retry
        },
    );
    (option::of(retry), option::of(list(depth)), option::weighted(0.3, Just(".status == 418")))
        .prop_map(|(retry, handler, when)| {
            let mut catch = json!({});
            if let Some(retry) = retry {
                catch["retry"] = retry;
            }
            if let Some(handler) = handler {
                catch["do"] = handler;
            }
            if let Some(when) = when {
                catch["when"] = json!(when);
            }
            catch
        })
        .boxed()
}

fn flow_document() -> impl Strategy<Value = Arc<Workflow>> {
    let extension =
        (sample::select(vec!["all", "composite", "call", "set", "try"]), list(1), list(1), any::<bool>());
    let parts = (
        list(3),
        option::weighted(0.2, 1..9_u64),
        option::weighted(0.3, list(2)),
        option::weighted(0.3, extension),
        option::weighted(0.4, (option::of(1..4_u64), option::of(1..4_u64))),
    );
    parts.prop_map(|(mut list, timeout, function, extension, budget)| {
        let mut declared = json!({});
        if let Some(function) = function {
            declared["functions"] = json!({ "f": { "do": function } });
            list.as_array_mut()
                .unwrap()
                .insert(0, json!({ "callsFunction": { "call": "f", "with": { "x": 1 } } }));
        }
        if let Some((extend, before, mut after, exits)) = extension {
            if exits && let Some(task) = after.get_mut(0).and_then(Value::as_object_mut) {
                task.values_mut().for_each(|task| task["then"] = json!("exit"));
            }
            // What stands after once stands before, so that `exit` is tried in both places.
            declared["extensions"] = json!([
                { "one": { "extend": extend, "before": before, "after": after } },
                { "two": { "extend": "call", "when": "$task.name != \"callsFunction\"", "before": after } },
            ]);
        }
        let mut document = json!({
            "document": { "dsl": "1.0.3", "namespace": "tests", "name": "flow", "version": "1.0.0" },
            "use": declared,
            "do": list,
        });
        if let Some(seconds) = timeout {
            document["timeout"] = json!({ "after": { "seconds": seconds } });
        }
        if let Some((calls @ Some(_), credits) | (calls, credits @ Some(_))) = budget {
            let mut budget = json!({});
            for (name, most) in [("calls", calls), ("credits", credits)] {
                if let Some(most) = most {
                    budget[name] = json!(most);
                }
            }
            document["document"]["metadata"] = json!({ "levqor": { "budget": budget } });
        }
        let checked = document::check_for(&document, &document::Host::permissive());
        checked.workflow.unwrap_or_else(|| panic!("{:#?} in {document:#}", checked.errors))
    })
}

/// Something that happens to whatever is pending then.
#[derive(Debug, Clone)]
enum Fate {
    Answer(Index),
    Pay(Index, u64),
    Refuse(Index),
    Lose(Index),
    Publish(usize, u64),
    Pass(u64),
    Cancel,
    Retry,
    Suspend,
    Resume,
    Nonsense(u64),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => any::<Index>().prop_map(Fate::Answer),
        4 => (any::<Index>(), 0..3_u64).prop_map(|(index, credits)| Fate::Pay(index, credits)),
        3 => any::<Index>().prop_map(Fate::Refuse),
        3 => any::<Index>().prop_map(Fate::Lose),
        6 => (0..3_usize, 0..4_u64).prop_map(|(kind, n)| Fate::Publish(kind, n)),
        5 => (0..4_u64).prop_map(Fate::Pass),
        1 => Just(Fate::Cancel),
        3 => Just(Fate::Retry),
        3 => Just(Fate::Suspend),
        4 => Just(Fate::Resume),
        1 => (0..20_u64).prop_map(Fate::Nonsense),
    ]
}

/// Results only: nothing that depends on what time it is.
fn fate_of_effects() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => any::<Index>().prop_map(Fate::Answer),
        2 => any::<Index>().prop_map(Fate::Refuse),
        1 => any::<Index>().prop_map(Fate::Lose),
        1 => Just(Fate::Retry),
    ]
}

/// Without timers, whose numbers a pause changes.
fn untimed_document() -> impl Strategy<Value = Arc<Workflow>> {
    list(3).prop_map(|list| {
        let mut document = json!({
            "document": { "dsl": "1.0.3", "namespace": "tests", "name": "flow", "version": "1.0.0" },
            "do": list,
        });
        strip_times(&mut document);
        let checked = document::check(&document);
        checked.workflow.unwrap_or_else(|| panic!("{:#?} in {document:#}", checked.errors))
    })
}

fn strip_times(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("timeout");
            members.remove("retry");
            if members.remove("wait").is_some() {
                members.insert("set".to_owned(), json!("${ . }"));
            }
            members.values_mut().for_each(strip_times);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_times),
        _ => {}
    }
}

fn step(fate: &Fate, machine: &Machine) -> Do {
    let calls: Vec<u64> = machine
        .pending()
        .iter()
        .filter_map(|effect| match effect {
            Effect::CallHttp { id, .. }
            | Effect::RunWorkflow { id, .. }
            | Effect::RunProcess { id, .. }
            | Effect::CallService { id, .. }
            | Effect::Emit { id, .. } => Some(*id),
            Effect::Timer { .. } | Effect::Listen { .. } | Effect::Abandon { .. } => None,
        })
        .collect();
    let pick = |index: &Index| if calls.is_empty() { 0 } else { calls[index.index(calls.len())] };
    match fate {
        Fate::Answer(index) => Answer(pick(index), json!({ "x": 5 })),
        Fate::Pay(index, credits) => Paid(pick(index), *credits),
        Fate::Refuse(index) => Refuse(pick(index), 418),
        Fate::Lose(index) => Lose(pick(index)),
        Fate::Publish(kind, n) => PublishAll(json!({
            "specversion": "1.0", "id": "1", "source": "/test", "type": KINDS[*kind], "subject": "s1", "data": { "n": n },
        })),
        Fate::Pass(seconds) => Pass(*seconds),
        Fate::Cancel => Cancel,
        Fate::Retry => Retry,
        Fate::Suspend => Suspend,
        Fate::Resume => Resume,
        Fate::Nonsense(effect) => Answer(*effect, Value::Null),
    }
}

/// Few tasks, so that endless loops end soon.
fn surroundings() -> Arc<Surroundings> {
    Arc::new(Surroundings { tasks_max: 80, ..Default::default() })
}

fn event() -> impl Strategy<Value = Event> {
    let at = (0..100_i64).prop_map(|seconds| Timestamp::from_micros(START.as_micros() + seconds * 1_000_000));
    let error = || ErrorKind::Runtime.error("t", "d");
    let message = || {
        let event = json!({ "specversion": "1.0", "id": "1", "source": "/test", "type": "a" });
        CloudEvent::parse(event).unwrap()
    };
    (at, 0..9_u64, 0..12_u8, any::<bool>()).prop_map(move |(at, number, kind, flag)| match kind {
        0 => Event::ended(at, number, Outcome::Output(json!(number))),
        1 => {
            let outcome = Outcome::Failed { error: error(), answered: flag };
            Event::EffectEnded { at, effect: number, outcome, credits: u64::from(kind) }
        }
        2 | 3 => Event::TimerFired { at, effect: number },
        4 => Event::Cancelled { at, tasks_begun: number },
        6 | 7 => Event::Received { at, effect: number, seq: u64::from(kind), event: message() },
        5 => Event::Aborted { at, tasks_begun: number, error: error() },
        8 => Event::Suspended { at, tasks_begun: number, by: None, budget: flag },
        9 => Event::Resumed { at },
        10 => Event::Moved { at, secrets: Default::default() },
        _ => Event::Retried { at, secrets: Default::default() },
    })
}

proptest! {
    /// Each step of [`Player`] compares the run with the one that its journal gives.
    #[test]
    fn a_run_is_the_fold_of_its_journal_whatever_the_slices(
        workflow in flow_document(),
        fates in vec(fate(), 0..12),
    ) {
        let surroundings = surroundings();
        let mut whole = Player::start(&workflow, &surroundings, json!({}), u64::MAX);
        let mut sliced = Player::start(&workflow, &surroundings, json!({}), 1);
        for fate in &fates {
            let step = step(fate, &whole.machine);
            whole.step(&step);
            sliced.step(&step);
        }
        prop_assert_eq!(&whole.journal, &sliced.journal);
        prop_assert_eq!(&whole.said, &sliced.said);
        prop_assert_eq!(&whole.seen.lines, &sliced.seen.lines);
    }

    #[test]
    fn a_run_is_interrupted_at_the_same_place_live_and_in_replay(
        workflow in flow_document(),
        slice in 1..6_u64,
        slices in 0..6_u32,
        how in 0..3_u8,
        fates in vec(fate(), 0..5),
    ) {
        let mut player = Player::start_only(&workflow, &surroundings(), json!({}), slice);
        for _ in 0..slices {
            if !player.run_slice().unwrap() {
                break;
            }
        }
        let tasks_begun = player.machine.tasks_begun();
        let error = ErrorKind::Runtime.error("gave up", "a test");
        player.apply(match how {
            0 => Event::Aborted { at: START, tasks_begun, error },
            1 => Event::Cancelled { at: START, tasks_begun },
            _ => Event::Suspended { at: START, tasks_begun, by: None, budget: false },
        });
        player.step(if how == 2 { &Resume } else { &Retry });
        for fate in &fates {
            let step = step(fate, &player.machine);
            player.step(&step);
        }
    }

    /// Standing still changes nothing but the time: with no timeouts about, what comes out is what would have.
    #[test]
    fn a_pause_loses_nothing(
        workflow in untimed_document(),
        fates in vec(fate_of_effects(), 0..12),
        pauses in vec(0..12_usize, 0..4),
    ) {
        let surroundings = surroundings();
        let mut steady = Player::start(&workflow, &surroundings, json!({}), u64::MAX);
        let mut paused = Player::start(&workflow, &surroundings, json!({}), u64::MAX);
        for (nth, fate) in fates.iter().enumerate() {
            let step = step(fate, &steady.machine);
            let pause = pauses.contains(&nth);
            if pause {
                paused.step(&Suspend);
            }
            steady.step(&step);
            paused.step(&step);
            if pause {
                paused.step(&Resume);
            }
        }
        prop_assert_eq!(steady.machine.status(), paused.machine.status());
        prop_assert_eq!(steady.machine.output(), paused.machine.output());
        prop_assert_eq!(steady.machine.error(), paused.machine.error());
        prop_assert_eq!(steady.machine.tasks_begun(), paused.machine.tasks_begun());
    }

    #[test]
    fn foreign_journals_do_not_panic(workflow in flow_document(), events in vec(event(), 0..12)) {
        let mut journal = vec![started(json!({}))];
        journal.extend(events);
        let _ = Machine::replay(workflow, surroundings(), &journal, &mut ());
    }
}
