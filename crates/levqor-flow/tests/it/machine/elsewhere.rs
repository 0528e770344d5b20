//! Runs that begin in the middle of another, and runs that go on with another version.

use std::sync::Arc;

use levqor_flow::{
    definition::Workflow,
    document,
    machine::{
        Around, Effect, Entry, ErrorKind, Event, Machine, Outcome, Surroundings, entry_at, entry_points,
        replays_on,
    },
};
use levqor_model::RunStatus;
use serde_json::json;

use super::play::{Answer, Player, START, started, workflow};

const NESTED: &str = "do:
  - first: { call: http, with: { method: get, endpoint: http://h/first }, export: { as: '{ seen: . }' } }
  - outer:
      input: { from: '{ n: .n, wide: true }' }
      timeout: { after: PT1M }
      do:
        - inner: { set: { n: '${ .n + 1 }', seen: '${ $context.seen }' } }
        - call: { call: http, with: { method: post, endpoint: http://h/call, body: '${ . }' } }
      output: { as: '{ got: ., wide: $input.wide }' }
  - each: { for: { in: '[1]' }, do: [{ x: { set: '${ . }' } }] }
  - safe: { try: [{ y: { set: '${ . }' } }], catch: { do: [{ z: { set: { x: 1 } } }] } }
  - both: { fork: { branches: [{ l: { set: '${ . }' } }] } }";

#[test]
fn a_run_may_begin_where_a_task_stands_in_nothing_but_lists() {
    let points = entry_points(&workflow(NESTED));
    let points: Vec<&str> = points.iter().map(|point| &**point).collect();
    assert_eq!(
        points,
        [
            "/do/0/first",
            "/do/1/outer",
            "/do/1/outer/do/0/inner",
            "/do/1/outer/do/1/call",
            "/do/2/each",
            "/do/3/safe",
            "/do/4/both"
        ]
    );
}

fn forked(entry: Entry) -> Event {
    let Event::Started { at, run, input, seed, secrets } = started(json!({ "whole": true })) else {
        unreachable!()
    };
    Event::Forked { at, run, input, seed, entry: Box::new(entry), secrets }
}

#[test]
fn a_fork_has_the_data_of_the_moment_and_goes_on_as_the_run_did() {
    let workflow = workflow(NESTED);
    let surroundings = Arc::new(Surroundings::default());
    let mut player = Player::start(&workflow, &surroundings, json!({}), u64::MAX);
    player.step(&Answer(1, json!({ "n": 5 })));
    player.step(&Answer(3, json!("posted")));
    let output = player.machine.output().cloned();
    assert_eq!(output, Some(json!([{ "got": "posted", "wide": true }])));

    let at = |reference: &str| {
        entry_at(Arc::clone(&workflow), Arc::clone(&surroundings), &player.journal, reference).unwrap()
    };
    assert_eq!(at("/do/7/nowhere"), None);
    let entry = at("/do/1/outer/do/1/call").unwrap();
    let context = json!({ "seen": { "n": 5 } });
    let expected = Entry {
        reference: "/do/1/outer/do/1/call".to_owned(),
        input: json!({ "n": 6, "seen": { "n": 5 } }),
        context,
        around: vec![Around {
            reference: "/do/1/outer".to_owned(),
            raw: json!({ "n": 5 }),
            input: json!({ "n": 5, "wide": true }),
        }],
    };
    assert_eq!(entry, expected);
    let stored = serde_json::to_value(forked(entry.clone())).unwrap();
    assert_eq!(serde_json::from_value::<Event>(stored).unwrap(), forked(entry.clone()));

    let first = forked(entry);
    let machine = Machine::start(Arc::clone(&workflow), Arc::clone(&surroundings), &first).unwrap();
    let mut fork = Player::from(&workflow, &surroundings, machine, first);
    assert_eq!(fork.said, ["#1 +60s", "#2 POST http://h/call {\"n\":6,\"seen\":{\"n\":5}}"]);
    assert_eq!(
        fork.seen.lines[..2],
        ["1 outer began {\"n\":5}", "2 call began {\"n\":6,\"seen\":{\"n\":5}}"]
    );
    fork.step(&Answer(2, json!("posted")));
    assert_eq!(fork.machine.output().cloned(), output);
}

#[test]
fn a_task_that_the_version_does_not_have_is_an_error_of_the_run() {
    let workflow = workflow("do: [{ a: { set: { x: 1 } } }]");
    let entry =
        Entry { reference: "/do/3/b".to_owned(), input: json!(1), context: json!({}), around: Vec::new() };
    let first = forked(entry);
    let surroundings = Arc::new(Surroundings::default());
    let machine = Machine::start(Arc::clone(&workflow), Arc::clone(&surroundings), &first).unwrap();
    let fork = Player::from(&workflow, &surroundings, machine, first);
    assert_eq!(fork.said, ["! configuration 400 /input"]);
}

fn ended(effect: u64, outcome: Outcome) -> Event {
    Event::ended(START, effect, outcome)
}

fn moves(old: &str, new: &str, journal: &[Event]) -> Result<(), String> {
    let surroundings = Arc::new(Surroundings::default());
    replays_on(workflow(old), workflow(new), &surroundings, journal).map_err(|reason| reason.to_string())
}

#[test]
fn a_run_goes_on_with_a_version_on_which_its_journal_replays() {
    let two = |first: &str, second: &str| {
        format!(
            "do: [{{ a: {{ call: http, with: {{ method: get, endpoint: '{first}' }} }} }}, {{ b: {{ call: http, with: {{ method: get, endpoint: '{second}' }} }} }}]"
        )
    };
    let (old, good) = (two("http://h/1", "http://h/wrong"), two("http://h/1", "http://h/right"));
    let failed = Outcome::Failed { error: ErrorKind::Communication.error("no", "no"), answered: true };
    let journal = [started(json!({})), ended(1, Outcome::Output(json!(1))), ended(2, failed)];
    assert_eq!(moves(&old, &good, &journal), Ok(()), "what failed may differ");
    assert_eq!(
        moves(&old, &two("http://h/other", "http://h/right"), &journal).unwrap_err(),
        "the other version does not do what the run has done: its effect 1 was GET http://h/1, and would be GET http://h/other"
    );
    let none = "do: [{ a: { set: { x: 1 } } }]";
    assert_eq!(
        moves(&old, none, &journal).unwrap_err(),
        "the other version does not do what the run has done: its effect 1 was GET http://h/1, and would be nothing"
    );

    // The journal is then that of the new version: replay gives a run that calls the right address.
    let mut moved = journal.to_vec();
    moved.push(Event::Moved { at: START, secrets: Default::default() });
    let again = Machine::replay(workflow(&good), Arc::default(), &moved, &mut ()).unwrap();
    assert_eq!(again.status(), RunStatus::Running);
    assert!(format!("{:?}", again.pending()).contains("http://h/right"));
}

#[test]
fn where_the_other_version_has_not_failed_it_has_nothing_to_repeat() {
    let old = "do: [{ a: { call: http, with: { method: get, endpoint: http://h/ } } }, { b: { set: '${ .x.y }' } }]";
    let new =
        "do: [{ a: { call: http, with: { method: get, endpoint: http://h/ } } }, { b: { set: '${ .x }' } }]";
    let journal = [started(json!({})), ended(1, Outcome::Output(json!({ "x": 1 })))];
    let machine = |workflow: Arc<Workflow>, journal: &[Event]| {
        Machine::replay(workflow, Arc::default(), journal, &mut ()).unwrap()
    };
    assert_eq!(machine(workflow(old), &journal).status(), RunStatus::Faulted);
    assert_eq!(moves(old, new, &journal), Ok(()));
    assert_eq!(machine(workflow(new), &journal).output(), Some(&json!(1)));
    let moved =
        [journal[0].clone(), journal[1].clone(), Event::Moved { at: START, secrets: Default::default() }];
    assert_eq!(machine(workflow(new), &moved).output(), Some(&json!(1)));
}

#[test]
fn an_event_may_name_the_version_that_it_was_sent_by() {
    let text = |version: &str, kind: &str, after: &str| {
        let document = json!({
            "document": { "dsl": "1.0.3", "namespace": "tests", "name": "flow", "version": version },
            "do": [
                { "send": { "emit": { "event": { "with": { "type": kind } } } } },
                { "after": { "set": after } },
            ],
        });
        document::check(&document).workflow.unwrap()
    };
    let surroundings = Arc::new(Surroundings::default());
    let old = text("1.0.0", "a", "${ .x.y.z | error }");
    let machine = Machine::replay(Arc::clone(&old), Arc::default(), &[started(json!({}))], &mut ()).unwrap();
    let Effect::Emit { id, event, .. } = machine.pending().remove(0) else { panic!("no event") };
    assert!(event.source().ends_with("1.0.0"));
    let journal = [started(json!({})), ended(id, Outcome::Output(event.into()))];
    let moves = |new: Arc<Workflow>| replays_on(Arc::clone(&old), new, &surroundings, &journal);
    assert_eq!(moves(text("1.0.1", "a", "${ .type }")), Ok(()));
    let different = moves(text("1.0.1", "b", "${ .type }")).unwrap_err().to_string();
    assert!(different.contains("its effect 1 was the event a, and would be the event b"), "{different}");
}
