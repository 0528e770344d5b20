//! How fast the interpreter is by itself: no journal, no network.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use levqor_flow::{
    definition::Workflow,
    document,
    machine::{Effect, Event, Machine, Outcome, Surroundings},
};
use levqor_model::Timestamp;
use serde_json::{Value, json};

const HEADER: &str = "document: { dsl: '1.0.3', namespace: bench, name: bench, version: 1.0.0 }\n";
const THREE_TASKS: &str = "do: [{ a: { set: { n: '${ .n + 1 }', who: '${ .who }' } } }, { b: { switch: [{ big: { when: .n > 1, then: c } }] } }, { c: { set: { done: true } } }]";
const LOOP: &str = "do: [{ l: { for: { in: '[range(1000)]' }, do: [{ a: { set: '${ . + $item }' } }] } }]";
const CALLS: &str = "do: [{ l: { for: { in: '[range(1000)]' }, do: [{ a: { call: http, with: { method: post, endpoint: http://h/, body: { n: '${ $item }' } } } }] } }]";
const FORK: &str = "do: [{ f: { fork: { branches: [{ a: { set: { x: 1 } } }, { b: { set: { x: 2 } } }, { c: { set: { x: 3 } } }, { d: { set: { x: 4 } } }] } } }]";
const PASS: &str = "do: [{ a: { do: [{ b: { do: [{ c: { set: '${ . }' } }, { d: { switch: [{ e: { then: continue } }] } }] } }] } }]";

fn workflow(text: &str) -> Arc<Workflow> {
    document::parse(&format!("{HEADER}{text}")).workflow.expect("the benchmark's workflows are valid")
}

fn started(input: Value) -> Event {
    let run = "run_01KDV7N5C00000000000000000".parse().expect("an id");
    Event::Started {
        at: Timestamp::from_seconds(1_767_225_600),
        run,
        input,
        seed: 7,
        secrets: Default::default(),
    }
}

/// Runs to the end; calls are answered at once. Gives the journal.
fn execute(workflow: &Arc<Workflow>, surroundings: &Arc<Surroundings>, started: &Event) -> Vec<Event> {
    let mut machine =
        Machine::start(Arc::clone(workflow), Arc::clone(surroundings), started).expect("started");
    let mut journal = vec![started.clone()];
    let mut effects = Vec::new();
    loop {
        let _ = machine.run(u64::MAX, &mut effects, &mut ());
        let Some(effect) = effects.pop() else { break };
        let event = match effect {
            Effect::Timer { id, at } => Event::TimerFired { at, effect: id },
            other => {
                let outcome = Outcome::Output(json!({ "ok": true }));
                Event::ended(started.at(), other.id(), outcome)
            }
        };
        machine.apply(&event, &mut ()).expect("pending");
        journal.push(event);
    }
    assert!(machine.status().is_ended());
    black_box(machine.output());
    journal
}

fn machine(criterion: &mut Criterion) {
    let surroundings = Arc::new(Surroundings::default());
    let large = json!({ "rows": (0..2000).map(|n| json!({ "id": n, "name": "row" })).collect::<Vec<_>>() });
    let rows = [
        ("three tasks", THREE_TASKS, json!({ "n": 1, "who": "ann" }), 1),
        ("loop of 1000", LOOP, json!(0), 1000),
        ("loop of 1000 calls", CALLS, json!(0), 1000),
        ("fork of 4", FORK, json!({}), 1),
        ("a large input passed on", PASS, large, 1),
    ];
    let mut group = criterion.benchmark_group("machine");
    for (name, text, input, elements) in rows {
        let workflow = workflow(text);
        let started = started(input);
        group.throughput(Throughput::Elements(elements));
        group.bench_function(name, |bencher| bencher.iter(|| execute(&workflow, &surroundings, &started)));
    }
    let workflow = workflow(CALLS);
    let journal = execute(&workflow, &surroundings, &started(json!(0)));
    group.throughput(Throughput::Elements(1000));
    group.bench_function("replay of 1000 calls", |bencher| {
        bencher.iter(|| Machine::replay(Arc::clone(&workflow), Arc::clone(&surroundings), &journal, &mut ()));
    });
    group.finish();
}

criterion_group!(benches, machine);
criterion_main!(benches);
