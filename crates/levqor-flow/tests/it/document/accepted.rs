//! What a document becomes.

use std::time::Duration;

use levqor_flow::{
    definition::{Backoff, DurationSpec, Endpoint, HttpOutput, SchemaSource, TaskKind, Template, Then},
    policy::Budget,
};
use levqor_model::{Misfire, Overlap, Residency};
use serde_json::json;

use super::workflow;

#[test]
fn the_head_and_the_schedule() {
    let flow = workflow(
        "title: ignored\ndo: []\ntimeout: { after: { minutes: 5 } }\nschedule: { cron: '0 9 * * 1-5', every: PT5M, after: { seconds: 30 } }",
    );
    assert_eq!((&*flow.namespace, &*flow.name, &*flow.version), ("test", "sample", "1.0.0"));
    assert!(matches!(flow.timeout, Some(DurationSpec::Fixed(span)) if span == Duration::from_secs(300)));
    let schedule = flow.schedule.as_ref().unwrap();
    assert_eq!(schedule.every, Some(Duration::from_secs(300)));
    assert_eq!(schedule.after, Some(Duration::from_secs(30)));
    assert_eq!(schedule.cron.as_ref().unwrap().text, "0 9 * * 1-5");
    assert_eq!(schedule.zone.iana_name(), Some("UTC"));
    assert_eq!(flow.source["document"]["name"], "sample");
}

#[test]
fn the_zone_is_that_of_the_metadata() {
    let text = "document:\n  dsl: 1.0.0\n  namespace: a\n  name: b\n  version: 0.0.1\n  title: T\n  summary: S\n  \
                metadata: { levqor: { zone: Europe/London, retention: 30 }, other: [1] }\nschedule: { cron: 0 9 * * * }\ndo: []";
    let flow = levqor_flow::document::parse(text).workflow.unwrap();
    assert_eq!(flow.schedule.as_ref().unwrap().describe(), "every day at 09:00 Europe/London");
    assert_eq!((flow.title.as_deref(), flow.summary.as_deref()), (Some("T"), Some("S")));
}

#[test]
fn the_policy_is_that_of_the_metadata() {
    let text = "document:
  dsl: 1.0.0
  namespace: a
  name: b
  version: 0.0.1
  metadata:
    levqor:
      priority: 8
      concurrency: { key: '${ .customer }', limit: 2 }
      schedule: { overlap: buffer-one, misfire: fire-all, catchUp: PT6H }
      residency: { jurisdiction: EU }
      retention: 30
      approval: { title: '${ .customer }', message: Sure? }
      budget: { calls: 50, credits: 20 }
schedule: { every: PT5M }
do: []";
    let checked = levqor_flow::document::parse(text);
    assert!(checked.warnings.iter().all(|issue| issue.pointer == "/do"), "{:?}", checked.warnings);
    let policy = &checked.workflow.unwrap().policy;
    assert_eq!(policy.priority.get(), 8);
    assert_eq!(policy.retention_days, Some(30));
    assert_eq!(policy.residency, Some(Residency::Jurisdiction("EU".into())));
    let schedule = policy.schedule;
    assert_eq!((schedule.overlap, schedule.misfire), (Overlap::BufferOne, Misfire::FireAll));
    assert_eq!(schedule.catch_up, Duration::from_secs(6 * 3600));
    assert_eq!(policy.budget, Some(Budget { calls: Some(50), credits: Some(20) }));
    assert!(policy.approval.as_ref().is_some_and(|question| question.message.is_some()));
    let concurrency = policy.concurrency.as_ref().unwrap();
    assert_eq!(concurrency.limit, 2);
    let key = concurrency.key_of(&serde_json::json!({ "customer": "ada" }), &Default::default());
    assert_eq!(key.as_deref(), Ok("ada"));

    let plain = workflow("do: [{ a: { set: { x: 1 } } }]");
    assert_eq!(plain.policy.priority.get(), 5);
    assert_eq!((plain.policy.residency.clone(), plain.policy.retention_days), (None, None));
    assert!(plain.policy.concurrency.is_none());
    assert_eq!(plain.policy.schedule.catch_up, Duration::from_secs(3600));
}

#[test]
fn tasks_know_their_place_and_where_to_go() {
    let flow = workflow(
        "do:\n- a/b: { set: { x: 1 }, then: last }\n- mid: { do: [ { in: { wait: PT1S, then: exit } } ], then: end }\n- last: { set: '${ . }', if: .x, then: mid }",
    );
    let [first, mid, last] = &flow.tasks[..] else { panic!("three tasks") };
    assert_eq!((&*first.name, &*first.reference, first.then), ("a/b", "/do/0/a~1b", Then::Task(2)));
    assert_eq!((&*mid.reference, mid.then), ("/do/1/mid", Then::End));
    assert_eq!(last.then, Then::Task(1));
    assert_eq!(last.condition.as_ref().unwrap().text(), ".x");
    assert_eq!(*first.source, json!({ "set": { "x": 1 }, "then": "last" }));
    let TaskKind::Do(inner) = &mid.kind else { panic!("{mid:?}") };
    assert_eq!((&*inner[0].reference, inner[0].then), ("/do/1/mid/do/0/in", Then::Exit));
    assert_eq!(*inner[0].source, json!({ "wait": "PT1S", "then": "exit" }));
}

#[test]
fn data_is_literal_but_for_whole_expressions() {
    let flow =
        workflow("do:\n- a: { set: { x: '${ .a }', y: [1, { z: '  ${.b}  ' }], w: { v: text }, u: .c } }");
    let TaskKind::Set(Template::Object(members)) = &flow.tasks[0].kind else { panic!() };
    let shown: Vec<String> = members.iter().map(|(name, part)| format!("{name} {part:?}")).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    x Expression(Expression(".a"))
    y Array([Literal(Number(1)), Object([("z", Expression(Expression(".b")))])])
    w Literal(Object {"v": String("text")})
    u Literal(String(".c"))
    "#);
    let literal = workflow("do:\n- a: { set: { x: { y: [1] } } }");
    assert!(
        matches!(&literal.tasks[0].kind, TaskKind::Set(Template::Literal(value)) if *value == json!({ "x": { "y": [1] } }))
    );
}

#[test]
fn calls_have_their_defaults() {
    let flow = workflow(
        "do:\n- a: { call: http, with: { method: get, endpoint: 'https://a.b/{id}' } }\n- b: { call: http, with: { method: Post, endpoint: { uri: '${ .url }' }, \
         headers: { n: 5, t: x }, query: '${ .q }', body: '${ . }', output: response, redirect: true } }",
    );
    let TaskKind::CallHttp(call) = &flow.tasks[0].kind else { panic!() };
    assert_eq!((&*call.method, call.output, call.redirect), ("GET", HttpOutput::Content, false));
    assert!(matches!(&call.endpoint, Endpoint::UriTemplate(uri) if uri == "https://a.b/{id}"));
    let TaskKind::CallHttp(call) = &flow.tasks[1].kind else { panic!() };
    assert_eq!((&*call.method, call.output, call.redirect), ("POST", HttpOutput::Response, true));
    assert!(matches!(&call.endpoint, Endpoint::Computed(url) if url.text() == ".url"));
    assert!(
        matches!(&call.headers, Some(Template::Literal(headers)) if *headers == json!({ "n": 5, "t": "x" }))
    );
    assert!(matches!(&call.query, Some(Template::Expression(_))));
}

#[test]
fn loops_and_handlers_bring_their_variables() {
    workflow(
        "do:\n- outer:\n    for: { each: pet, at: i, in: .pets }\n    while: $pet != null and $i < 5\n    do:\n    - inner:\n        for: { in: '$pet.toys' }\n        \
         do:\n        - guard:\n            try: [ { x: { set: { a: '${ [$pet, $i, $item, $index, $context, $input, $task, $workflow, $runtime] }' } } } ]\n            \
         catch:\n              as: oops\n              when: $oops.status == 503 and $pet.ok\n              retry: { when: $oops.status > 500, delay: '${ $oops.detail }' }\n              \
         do: [ { y: { set: { e: '${ $oops }' }, if: $oops.status == 1, export: { as: '$context + { e: $oops, o: $output }' } } } ]",
    );
    let flow = workflow("do:\n- a: { for: { in: [1, { b: \"q\\\"\\\\(1)\" }] }, do: [] }");
    let TaskKind::For(each) = &flow.tasks[0].kind else { panic!() };
    assert_eq!((&*each.each, &*each.at), ("item", "index"));
    let Template::Literal(items) = &each.items else { panic!("{:?}", each.items) };
    assert_eq!(*items, json!([1, { "b": "q\"\\(1)" }]));
}

#[test]
fn policies_are_resolved() {
    let flow = workflow(
        "use:\n  errors: { e: { type: https://a.b/e, status: 409, title: '${ .t }' } }\n  timeouts: { t: { after: PT2S } }\n  retries:\n    r: { delay: { seconds: 3 }, backoff: { exponential: {} }, \
         jitter: { from: PT0S, to: PT1S }, limit: { attempt: { count: 5, duration: PT1M }, duration: PT1H }, when: $error.status == 503 }\n\
         do:\n- a: { raise: { error: e }, timeout: t, if: .x }\n- b: { try: [ { c: { raise: { error: e } } } ], catch: { retry: r, errors: { with: { details: x, status: 409 } } } }\n\
         - d: { try: [], catch: { retry: {} } }",
    );
    let TaskKind::Raise(error) = &flow.tasks[0].kind else { panic!() };
    assert!(matches!(&error.status, Template::Literal(status) if *status == json!(409)));
    assert!(matches!(&flow.tasks[0].timeout, Some(DurationSpec::Fixed(span)) if span.as_secs() == 2));
    let TaskKind::Try(attempt) = &flow.tasks[1].kind else { panic!() };
    let names: Vec<&str> = attempt.catch.filter.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names, &*attempt.catch.variable), (vec!["detail", "status"], "error"));
    assert!(attempt.catch.tasks.is_none());
    let retry = attempt.catch.retry.as_ref().unwrap();
    assert_eq!((retry.backoff, retry.attempts_max), (Backoff::Exponential, Some(5)));
    assert!(matches!(&retry.attempt_duration, Some(DurationSpec::Fixed(span)) if span.as_secs() == 60));
    assert!(matches!(&retry.duration, Some(DurationSpec::Fixed(span)) if span.as_secs() == 3_600));
    assert!(matches!(&retry.jitter, Some((DurationSpec::Fixed(from), _)) if from.is_zero()));
    let TaskKind::Try(attempt) = &flow.tasks[2].kind else { panic!() };
    let retry = attempt.catch.retry.as_ref().unwrap();
    assert_eq!((retry.backoff, retry.attempts_max, retry.delay.is_none()), (Backoff::Constant, None, true));
}

#[test]
fn sub_workflows_and_schemas() {
    let flow = workflow(
        "input: { schema: { format: json, document: { type: object, required: [id] } }, from: { id: '${ .id }' } }\n\
         do:\n- a: { run: { workflow: { namespace: shop, name: bill }, await: false } }\n- b: { run: { workflow: { namespace: shop, name: bill, version: 1.2.3, input: { x: '${ .id }' } } } }",
    );
    let Some(SchemaSource::Here(schema)) = &flow.input.schema else { panic!() };
    assert!(schema.0.is_valid(&json!({ "id": 1 })) && !schema.0.is_valid(&json!({})));
    assert!(matches!(&flow.input.from, Some(Template::Object(_))));
    let TaskKind::RunWorkflow(run) = &flow.tasks[0].kind else { panic!() };
    assert_eq!((&*run.version, run.wait, run.input.is_none()), ("latest", false, true));
    let TaskKind::RunWorkflow(run) = &flow.tasks[1].kind else { panic!() };
    assert_eq!((&*run.version, run.wait, run.input.is_some()), ("1.2.3", true, true));
}
