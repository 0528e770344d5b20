//! Documents that emit and listen: what they become, what is wrong with them, and that checking them is bounded.

use std::time::{Duration, Instant};

use levqor_flow::{
    definition::{Matcher, Mode, Read, TaskKind, Until},
    document::{Checked, Host, check_for, read},
    event,
    graph::graph,
};
use serde_json::{Value, json};

use super::{HEAD, shown};

fn checked(rest: &str) -> Checked {
    let text = format!("{HEAD}{rest}");
    check_for(&read(&text).unwrap_or_else(|issue| panic!("{}: {text}", issue.message)), &Host::permissive())
}

#[test]
fn events_are_parts_of_a_workflow() {
    let checked = checked(
        r#"do:
- tell: { emit: { event: { with: { type: a.b, data: { x: '${ .x }' } } } } }
- hear:
    listen:
      to:
        any:
        - with: { type: a.b, source: 'https://example\.com/.*', data: '${ .x > 1 }' }
          correlate: { order: { from: .data.id, expect: '${ .id }' } }
        until: { one: { with: { type: end } } }
      read: raw
    foreach: { item: event, at: i, do: [{ s: { set: { e: '${ $event }', i: '${ $i }' } } }], output: { as: '[$event, .]' }, export: { as: '$output' } }
schedule: { on: { all: [{ with: { type: x } }] }, read: data, after: PT5M }
"#,
    );
    let flow = checked.workflow.unwrap_or_else(|| panic!("{}", shown(&checked.errors)));
    let TaskKind::Emit(members) = &flow.tasks[0].kind else { panic!() };
    assert_eq!(members.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["type", "data"]);
    let TaskKind::Listen(listen) = &flow.tasks[1].kind else { panic!() };
    assert_eq!((listen.spec.to.mode, listen.spec.read), (Mode::Any, Read::Raw));
    let filter = &listen.spec.to.filters[0];
    let [(_, Matcher::Value(_)), (_, Matcher::Pattern { regex, .. }), (_, Matcher::Condition(_))] =
        &filter.with[..]
    else {
        panic!("{filter:?}")
    };
    assert!(regex.is_match("https://example.com/a") && !regex.is_match("see https://example.com/a"));
    assert_eq!(filter.correlate[0].from.text(), ".data.id");
    assert!(matches!(listen.spec.to.until.as_deref(), Some(Until::Consumed(stop)) if stop.mode == Mode::One));
    let each = listen.each.as_ref().unwrap();
    assert_eq!((&*each.item, &*each.at), ("event", "i"));
    assert_eq!(&*each.tasks.as_ref().unwrap()[0].reference, "/do/1/hear/foreach/do/0/s");
    let schedule = flow.schedule.as_ref().unwrap();
    assert_eq!(schedule.after, Some(Duration::from_secs(300)));
    assert_eq!(schedule.on.as_ref().unwrap().read, Read::Data);
    assert_eq!(schedule.describe(), "5 minutes after each run ends, and on x");
}

#[test]
fn pictures_show_what_is_told_and_heard() {
    let checked = checked(
        r#"do:
- tell: { emit: { event: { with: { type: order.paid } } } }
- hear: { listen: { to: { any: [], until: 'length > 3' } }, foreach: { do: [{ s: { set: { x: 1 } } }, { t: { wait: PT1S } }] } }
- both: { listen: { to: { all: [{ with: { type: a } }, { with: { source: /s } }] } } }
"#,
    );
    let graph = graph(&checked.workflow.unwrap());
    let nodes: Vec<String> = graph
        .nodes
        .iter()
        .map(|node| format!("{},{} {:?} {} {}", node.column, node.row, node.span, node.kind, node.detail))
        .collect();
    insta::assert_snapshot!(nodes.join("\n"), @r"
    0,0 (1, 1) start 
    0,1 (1, 1) emit order.paid
    0,2 (1, 3) listen any event until length > 3
    0,3 (1, 1) set x
    0,4 (1, 1) wait 1 second
    0,5 (1, 1) listen a and source /s
    0,6 (1, 1) end 
    ");
}

#[test]
fn what_is_wrong_with_events_is_said() {
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("- a: {emit: 5}", &[("/do/0/a/emit", "must be an object")]),
        ("- a: {emit: {}}", &[("/do/0/a/emit", "`event` is missing")]),
        (
            "- a: {emit: {event: {type: x}}}",
            &[("/do/0/a/emit/event/type", "not a member"), ("/do/0/a/emit/event", "`with` is missing")],
        ),
        ("- a: {emit: {event: {with: {}}}}", &[("/do/0/a/emit/event/with", "`type` is missing")]),
        ("- a: {emit: {event: {with: {type: ''}}}}", &[("/do/0/a/emit/event/with/type", "is empty")]),
        (
            "- a: {emit: {event: {with: {type: x, time: now}}}}",
            &[("/do/0/a/emit/event/with/time", "is not a moment")],
        ),
        (
            "- a: {emit: {event: {with: {type: x, roomId: 5}}}}",
            &[("/do/0/a/emit/event/with/roomId", "lower-case letters and digits")],
        ),
        (
            "- a: {emit: {event: {with: {type: x, dataContentType: y}}}}",
            &[("/do/0/a/emit/event/with/dataContentType", "did you mean `datacontenttype`?")],
        ),
        (
            "- a: {emit: {event: {with: {type: x, specversion: '0.3'}}}}",
            &[("/do/0/a/emit/event/with/specversion", "not supported; write")],
        ),
        (
            "- a: {emit: {event: {with: {type: x, data: 1, data_base64: ''}}}}",
            &[("/do/0/a/emit/event/with/data_base64", "keep one of them")],
        ),
        (
            "- a: {emit: {event: {with: {type: x, extra: [1]}}}}",
            &[("/do/0/a/emit/event/with/extra", "is not text, a boolean")],
        ),
        (
            "- a: {emit: {event: {with: {type: '${ .x | }'}}}}",
            &[("/do/0/a/emit/event/with/type", "does not compile")],
        ),
        ("- a: {listen: {}}", &[("/do/0/a/listen", "`to` is missing")]),
        (
            "- a: {listen: {to: {}}}",
            &[("/do/0/a/listen/to", "does not say which events; give it one, any or all")],
        ),
        (
            "- a: {listen: {to: {one: {with: {type: x}}, all: []}}}",
            &[("/do/0/a/listen/to", "`one` and `all` exclude each other")],
        ),
        ("- a: {listen: {to: {all: []}}}", &[("/do/0/a/listen/to/all", "nothing to wait for")]),
        ("- a: {listen: {to: {one: {with: {}}}}}", &[("/do/0/a/listen/to/one/with", "`with` is empty")]),
        (
            "- a: {listen: {to: {one: {type: x}}}}",
            &[
                ("/do/0/a/listen/to/one/type", "not a member of `one`"),
                ("/do/0/a/listen/to/one", "`with` is missing"),
            ],
        ),
        (
            "- a: {listen: {to: {one: {with: {type: x}}, until: .x}}}",
            &[("/do/0/a/listen/to/until", "`until` goes with `any`")],
        ),
        (
            "- a: {listen: {to: {any: [], until: {any: [], until: .x}}}}",
            &[("/do/0/a/listen/to/until/until", "no `until` of their own")],
        ),
        (
            "- a: {listen: {to: {any: [], until: false}}}",
            &[("/do/0/a/listen/to/until", "must be an expression on the events")],
        ),
        ("- a: {listen: {to: {any: {with: {type: x}}}}}", &[("/do/0/a/listen/to/any", "must be a list")]),
        (
            "- a: {listen: {to: {one: {with: {type: [x]}}}}}",
            &[("/do/0/a/listen/to/one/with/type", "must be text, a number or a boolean")],
        ),
        (
            "- a: {listen: {to: {one: {with: {Type: x}}}}}",
            &[("/do/0/a/listen/to/one/with/Type", "did you mean `type`?")],
        ),
        (
            "- a: {listen: {to: {one: {with: {data_base64: x}}}}}",
            &[("/do/0/a/listen/to/one/with/data_base64", "write `data`")],
        ),
        (
            "- a: {listen: {to: {one: {with: {type: 'a(b'}}}}}",
            &[(
                "/do/0/a/listen/to/one/with/type",
                "\"a(b\" is not a regular expression: unclosed group; write",
            )],
        ),
        (
            "- a: {listen: {to: {one: {with: {type: 'a)|(b'}}}}}",
            &[("/do/0/a/listen/to/one/with/type", "unopened group")],
        ),
        (
            "- a: {listen: {to: {one: {with: {type: '(?=x)'}}}}}",
            &[("/do/0/a/listen/to/one/with/type", "look-around")],
        ),
        (
            "- a: {listen: {to: {one: {with: {type: '(x{1000}){1000}'}}}}}",
            &[("/do/0/a/listen/to/one/with/type", "it becomes too large")],
        ),
        (
            "- a: {listen: {to: {one: {with: {type: x}, correlate: {k: {}}}}}}",
            &[("/do/0/a/listen/to/one/correlate/k", "`from` is missing")],
        ),
        (
            "- a: {listen: {to: {one: {with: {type: x}, correlate: {k: {from: .a, expect: null}}}}}}",
            &[("/do/0/a/listen/to/one/correlate/k/expect", "nothing correlates with that")],
        ),
        (
            "- a: {listen: {to: {any: []}, read: text}}",
            &[("/do/0/a/listen/read", "must be one of data, envelope, raw")],
        ),
        (
            "- a: {listen: {to: {any: []}}, foreach: {each: x}}",
            &[("/do/0/a/foreach/each", "not a member of `foreach`")],
        ),
        (
            "- a: {listen: {to: {any: []}}, foreach: {item: x, at: x}}",
            &[("/do/0/a/foreach/at", "are both `x`")],
        ),
        (
            "- a: {listen: {to: {any: []}}, foreach: {output: {as: $output}}}",
            &[("/do/0/a/foreach/output/as", "`$output` is not available here")],
        ),
        ("- a: {set: {x: 1}, foreach: {}}", &[("/do/0/a/foreach", "is not a member of a `set` task")]),
    ];
    for (tasks, expected) in rows {
        said(&format!("do:\n{tasks}"), expected);
    }
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("{on: {one: {with: {type: '${ .x }'}}}}", &[("/schedule/on/one/with/type", "there is no run yet")]),
        (
            "{on: {one: {with: {data: '${ $input.x }'}}}}",
            &[("/schedule/on/one/with/data", "there is no run yet; look at the event only")],
        ),
        (
            "{on: {one: {with: {type: x}, correlate: {k: {from: .a, expect: '${ .x }'}}}}}",
            &[("/schedule/on/one/correlate/k/expect", "there is no run yet")],
        ),
        (
            "{on: {any: [], until: '$workflow.id'}}",
            &[("/schedule/on/until", "`$workflow` is not available here")],
        ),
        ("{on: {any: []}, read: text}", &[("/schedule/read", "must be one of")]),
    ];
    for (schedule, expected) in rows {
        said(&format!("do: []\nschedule: {schedule}"), expected);
    }
}

#[test]
fn loose_evaluation_leaves_triggers_and_checks_emitted_events_later() {
    let checked = checked(
        "evaluate: { mode: loose }\ndo: [{ a: { emit: { event: { with: { type: t, time: .at } } } } }]\n\
         schedule: { on: { one: { with: { type: length } } } }",
    );
    let flow = checked.workflow.unwrap_or_else(|| panic!("{}", shown(&checked.errors)));
    let interests = event::interests(flow.schedule.as_ref().unwrap().on.as_ref().unwrap());
    assert_eq!(interests[0].kind.as_deref(), Some("length"));
}

fn said(rest: &str, expected: &[(&str, &str)]) {
    let checked = checked(rest);
    let errors = shown(&checked.errors);
    assert_eq!(checked.errors.len(), expected.len(), "{rest}\n{errors}");
    for (issue, (pointer, words)) in checked.errors.iter().zip(expected) {
        assert_eq!(issue.pointer, *pointer, "{rest}\n{errors}");
        assert!(issue.message.contains(words), "{rest}\n{errors}");
    }
}

#[test]
fn ordinary_patterns_are_taken() {
    for pattern in [
        r"com\.example\..*",
        r"[\w.-]+\.v\d+",
        "https://(www|api).example.com/.*",
        "(?i)order.*",
        "order-[0-9]{8}",
        r"\p{L}+",
    ] {
        let text =
            format!("do:\n- a: {{ listen: {{ to: {{ one: {{ with: {{ type: {pattern:?} }} }} }} }} }}");
        let checked = checked(&text);
        assert!(checked.workflow.is_some(), "{pattern}: {}", shown(&checked.errors));
    }
}

#[test]
fn hostile_listeners_are_checked_soon() {
    /// Generous for a debug build on a busy machine; what is guarded against takes minutes or all memory.
    const SOON: Duration = Duration::from_secs(60);
    let filter = |value: &str| json!({ "with": { "type": value } });
    let listen = |to: Value| json!({ "l": { "listen": { "to": to } } });
    let mut deep = json!("${ .x }");
    for _ in 0..40 {
        deep = json!({ "a": [deep] });
    }
    let keys: serde_json::Map<String, Value> =
        (0..17).map(|key| (format!("k{key}"), json!({ "from": ".x" }))).collect();
    let table = [
        ("filters", vec![listen(json!({ "any": vec![filter("a"); 101] }))], "has 101 filters and 100 are allowed"),
        (
            "filters of until",
            vec![listen(json!({ "any": vec![filter("a"); 51], "until": { "all": vec![filter("b"); 50] } }))],
            "has 101 filters",
        ),
        ("long patterns", vec![listen(json!({ "one": filter(&"a*".repeat(600)) }))], "the pattern has 1200 bytes"),
        ("keys", vec![listen(json!({ "one": { "with": { "type": "a" }, "correlate": keys } }))], "there are 17 keys"),
        (
            "many patterns",
            (0..1_100).map(|task| json!({ format!("l{task}"): { "listen": { "to": { "one": filter(r"[\w\s]{3}.*(a|b)*") } } } })).collect(),
            "too many patterns",
        ),
        ("large patterns", vec![listen(json!({ "any": vec![filter(r"\w{1,100}x*"); 100] }))], "too large"),
        ("deep data", vec![listen(json!({ "one": { "with": { "type": "a", "data": deep } } }))], "nested deeper"),
    ];
    for (name, tasks, message) in table {
        let document = json!({
            "document": { "dsl": "1.0.3", "namespace": "a", "name": "b", "version": "1.0.0" }, "do": tasks,
        });
        let start = Instant::now();
        let checked = check_for(&document, &Host::permissive());
        assert!(start.elapsed() < SOON, "{name}: {:?}", start.elapsed());
        let errors = shown(&checked.errors);
        assert!(errors.contains(message), "{name}: {errors}");
    }
}

/// The examples that the specification publishes use events in all ways that there are.
#[test]
fn no_published_example_is_refused_for_its_events() {
    let folder: std::path::PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "tests/data/serverless-workflow/examples"].iter().collect();
    let mut taken = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let document = read(&text).unwrap();
        let checked = check_for(&document, &Host::permissive());
        for issue in &checked.errors {
            let at = document.pointer(&issue.pointer).cloned().unwrap_or_default();
            let events =
                ["/emit", "/listen", "/foreach", "/on"].iter().any(|part| issue.pointer.contains(part));
            assert!(!events, "{}: {}: {} at {at}", path.display(), issue.pointer, issue.message);
        }
        let uses = ["emit:", "listen:", "  on:"].iter().any(|word| text.contains(word));
        taken += usize::from(uses && checked.workflow.is_some());
    }
    // The other one that uses events is refused for its call.
    assert_eq!(taken, 15);
}
