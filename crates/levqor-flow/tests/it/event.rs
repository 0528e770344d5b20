//! Triggers: events that start runs.

use levqor_flow::{
    definition::{ListenSpec, Workflow},
    document,
    event::{CloudEvent, Offer, TriggerState, input, interests, offer},
};
use levqor_model::limits::PAYLOAD_BYTES_MAX;
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

fn workflow(schedule: &Value) -> std::sync::Arc<Workflow> {
    let checked = document::check(&json!({
        "document": { "dsl": "1.0.3", "namespace": "tests", "name": "trigger", "version": "1.0.0" },
        "schedule": schedule,
        "do": [{ "s": { "set": "${ . }" } }],
    }));
    checked.workflow.unwrap_or_else(|| panic!("{:#?} in {schedule}", checked.errors))
}

fn spec(workflow: &Workflow) -> &ListenSpec {
    workflow.schedule.as_ref().and_then(|schedule| schedule.on.as_ref()).unwrap()
}

fn event(kind: &str, subject: &str, data: Value) -> CloudEvent {
    let event = json!({
        "specversion": "1.0", "id": "1", "source": "/test", "type": kind, "subject": subject, "data": data,
    });
    CloudEvent::parse(event).unwrap()
}

/// Offers events; says `-` for ignored, `+` for kept, and the input of the run for satisfied. The state is stored between events.
fn play(spec: &ListenSpec, events: &[CloudEvent]) -> String {
    let mut stored = "{}".to_owned();
    let mut said = Vec::new();
    for event in events {
        let mut state: TriggerState = serde_json::from_str(&stored).unwrap();
        let before = state.clone();
        let outcome = offer(spec, &mut state, event);
        let wanted = !matches!(outcome, Ok(Offer::Ignored));
        let may = interests(spec).iter().any(|interest| interest.may_match(event));
        assert!(may || !wanted, "the interests rule out what is wanted: {event:?}");
        said.push(match outcome {
            Ok(Offer::Ignored) => {
                assert_eq!(state, before);
                "-".to_owned()
            }
            Ok(Offer::Kept) => "+".to_owned(),
            Ok(Offer::Satisfied(events)) => {
                assert_eq!(state, TriggerState::default());
                input(spec, &events).to_string()
            }
            Err(error) => {
                assert_eq!(state, TriggerState::default());
                error.title.unwrap()
            }
        });
        stored = serde_json::to_string(&state).unwrap();
    }
    said.join(" ")
}

#[test]
fn a_run_starts_whenever_the_strategy_is_satisfied() {
    let a = |n: u64| event("a", "s1", json!({ "n": n }));
    let rows = [
        (
            "one event, one run",
            json!({ "on": { "one": { "with": { "type": "a" } } }, "read": "data" }),
            vec![a(1), event("b", "s1", json!(0)), a(2)],
            r#"[{"n":1}] - [{"n":2}]"#,
        ),
        (
            "all of them, again and again",
            json!({ "on": { "all": [{ "with": { "type": "a" } }, { "with": { "type": "b" } }] }, "read": "data" }),
            vec![a(1), a(2), event("b", "s1", json!(3)), event("b", "s1", json!(4)), a(5)],
            r#"+ - [{"n":1},3] + [4,{"n":5}]"#,
        ),
        (
            "correlated",
            json!({ "on": { "all": [
                { "with": { "type": "a" }, "correlate": { "s": { "from": ".subject" } } },
                { "with": { "type": "b" }, "correlate": { "s": { "from": ".subject" } } },
            ] }, "read": "data" }),
            vec![a(1), event("b", "s2", json!(2)), event("b", "s1", json!(3)), event("b", "s2", json!(4))],
            r#"+ - [{"n":1},3] +"#,
        ),
        (
            "gathered until a condition holds",
            json!({ "on": { "any": [{ "with": { "type": "a" } }], "until": "length == 2" }, "read": "raw" }),
            vec![a(1), a(2), a(3)],
            r#"+ ["{\"n\":1}","{\"n\":2}"] +"#,
        ),
        (
            "gathered until another event",
            json!({ "on": { "any": [{ "with": { "type": "a", "data": "${ .n > 1 }" } }], "until": { "one": { "with": { "type": "end" } } } }, "read": "data" }),
            vec![a(1), a(2), a(3), event("end", "s1", json!(0)), event("end", "s1", json!(0))],
            r#"- + + [{"n":2},{"n":3}] []"#,
        ),
        (
            "a condition that fails",
            json!({ "on": { "any": [], "until": ".[0].data.n | error" } }),
            vec![a(1), a(2)],
            "the expression could not be evaluated the expression could not be evaluated",
        ),
        (
            "envelopes by default",
            json!({ "on": { "any": [] } }),
            vec![event("a", "s", json!(1))],
            r#"[{"specversion":"1.0","id":"1","source":"/test","type":"a","subject":"s","data":1}]"#,
        ),
    ];
    for (title, schedule, events, expected) in rows {
        assert_eq!(play(spec(&workflow(&schedule)), &events), expected, "{title}");
    }
}

#[test]
fn a_trigger_gathers_no_more_than_a_run_takes() {
    let workflow = workflow(&json!({ "on": { "any": [], "until": "false" } }));
    let large = event("a", "s", json!("x".repeat(PAYLOAD_BYTES_MAX / 5)));
    let said = play(spec(&workflow), &vec![large; 6]);
    assert_eq!(said, "+ + + + too many events +");
}

#[test]
fn a_trigger_stands_beside_other_schedules() {
    let workflow = workflow(
        &json!({ "every": "PT5M", "on": { "any": [{ "with": { "type": "a" } }, { "with": { "subject": "s" } }] } }),
    );
    let schedule = workflow.schedule.as_ref().unwrap();
    assert_eq!(schedule.describe(), "every 5 minutes, and on a or subject s");
    let interests = serde_json::to_value(interests(spec(&workflow))).unwrap();
    assert_eq!(interests, json!([{ "kind": "a" }, { "equal": [["/subject", "s"]] }]));
}

proptest! {
    /// What [`play`] asserts, for any order of events.
    #[test]
    fn interests_never_rule_out_what_is_wanted(
        kinds in vec((0..3_usize, 0..3_usize, 0..4_u64), 0..12),
        which in 0..4_usize,
    ) {
        let kind = |index: usize| ["a", "b", "end"][index];
        let filters = json!([
            { "with": { "type": "a", "data": "${ .n > 1 }" }, "correlate": { "s": { "from": ".subject" } } },
            { "with": { "type": "b|end" }, "correlate": { "n": { "from": ".data.n", "expect": 2 } } },
        ]);
        let on = match which {
            0 => json!({ "one": filters[0] }),
            1 => json!({ "all": filters }),
            2 => json!({ "any": filters, "until": { "one": { "with": { "type": "end" } } } }),
            _ => json!({ "any": filters, "until": "length > 2" }),
        };
        let events: Vec<_> = kinds
            .into_iter()
            .map(|(index, subject, n)| event(kind(index), ["x", "y", "z"][subject], json!({ "n": n })))
            .collect();
        play(spec(&workflow(&json!({ "on": on }))), &events);
    }
}
