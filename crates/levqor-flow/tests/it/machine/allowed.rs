//! What a run may do only when somebody allows it: `metadata.levqor.approval` and `metadata.levqor.budget`.

use std::sync::Arc;

use levqor_flow::{
    machine::{Event, Machine, REFUSED, entry_at},
    policy::Budget,
};
use levqor_model::RunStatus;
use serde_json::{Value, json};

use super::play::{
    Answer, Cancel, Do, Lose, Paid, Pass, Player, Refuse, Resume, Retry, START, Suspend, check, play,
    play_in, workflow,
};

const HEAD: &str = "dsl: '1.0.3', namespace: tests, name: flow, version: '1.0.0'";

fn with(policy: &str, rest: &str) -> String {
    format!("document: {{ {HEAD}, metadata: {{ levqor: {{ {policy} }} }} }}\n{rest}")
}

fn yes() -> Value {
    json!({ "approved": true, "by": "ada", "comment": null, "at": "2026-01-01T00:00:00Z" })
}

fn no() -> Value {
    json!({ "approved": false, "by": "ada", "comment": "too much", "at": "2026-01-01T00:00:00Z" })
}

const GATED: &str = "{ call: http, with: { method: post, endpoint: http://pay/ }, metadata: { levqor: { approval: { title: '${ \"Pay \\(.sum)?\" }' } } } }";

#[test]
fn a_run_asks_before_its_first_task() {
    let ask = |rest: &str| with("approval: { title: '${ \"Pay \\(.sum)?\" }', message: Please. }", rest);
    let pay = ask("do: [{ pay: { call: http, with: { method: post, endpoint: http://pay/ } } }]");
    let timed = ask(
        "timeout: { after: PT60S }\ndo: [{ pay: { call: http, with: { method: post, endpoint: http://pay/ } } }]",
    );
    let schema = ask(
        "input: { schema: { document: { required: [sum] } } }\ndo: [{ pay: { call: http, with: { method: post, endpoint: http://pay/ } } }]",
    );
    let title = with("approval: { title: '${ .title }' }", "do: [{ s: { set: { x: 1 } } }]");
    let asked = r#"#1 approval {"title":"Pay 9?","message":"Please."}; waiting"#;
    check(vec![
        (
            "agreed",
            &pay,
            json!({ "sum": 9 }),
            vec![Pass(1_000_000), Answer(1, yes()), Answer(2, json!("ok"))],
            &format!("{asked}; #2 POST http://pay/; = \"ok\""),
        ),
        (
            "refused, the run faults; retried, it asks again",
            &pay,
            json!({ "sum": 9 }),
            vec![Answer(1, no()), Retry, Answer(2, yes()), Answer(3, json!(1))],
            &format!(
                "{asked}; ! authorization 403 /document/metadata/levqor/approval; #2 approval {{\"title\":\"Pay 9?\",\"message\":\"Please.\"}}; waiting; #3 POST http://pay/; = 1"
            ),
        ),
        (
            "what comes after the leave is retried without asking again",
            &pay,
            json!({ "sum": 9 }),
            vec![Answer(1, yes()), Lose(2), Retry, Answer(3, json!(1))],
            &format!("{asked}; #2 POST http://pay/; ! communication 500 /do/0/pay; #3 POST http://pay/; = 1"),
        ),
        (
            "the workflow's time begins with the leave",
            &timed,
            json!({ "sum": 9 }),
            vec![Pass(1_000), Answer(1, yes()), Pass(59), Answer(3, json!(1))],
            &format!("{asked}; #2 +60s; #3 POST http://pay/; drop #2; = 1"),
        ),
        (
            "it can be cancelled, and suspended",
            &pay,
            json!({ "sum": 9 }),
            vec![Suspend, Answer(1, yes()), Resume, Cancel],
            &format!("{asked}; suspended; suspended; #2 POST http://pay/; drop #2; cancelled"),
        ),
        (
            "nobody is asked about an input that is refused anyway",
            &schema,
            json!({}),
            vec![],
            "! validation 400 /input",
        ),
        (
            "a number is a title too",
            &title,
            json!({ "title": 5 }),
            vec![Answer(1, yes())],
            "#1 approval {\"title\":\"5\"}; waiting; = {\"x\":1}",
        ),
        ("nothing is none", &title, json!({}), vec![], "! validation 400 /input"),
        ("nor is what fails", &title, json!(3), vec![], "! expression 400 /input"),
    ]);
}

#[test]
fn a_task_asks_before_it_begins() {
    let one = format!("do: [{{ pay: {GATED} }}]");
    let caught = format!(
        "do: [{{ t: {{ try: [{{ pay: {GATED} }}], catch: {{ errors: {{ with: {{ type: https://serverlessworkflow.io/spec/1.0.0/errors/authorization }} }}, do: [{{ said: {{ set: {{ error: '${{ $error.detail }}' }} }} }}] }} }} }}]"
    );
    let again = format!(
        "do: [{{ t: {{ try: [{{ pay: {GATED} }}], catch: {{ retry: {{ limit: {{ attempt: {{ count: 1 }} }} }} }} }} }}]"
    );
    let each = format!("do: [{{ all: {{ for: {{ in: .items }}, do: [{{ pay: {GATED} }}] }} }}]");
    let each = each.replace(".sum", "$item");
    let skipped = one.replace("call: http", "if: .go, call: http");
    let timed = one.replace("call: http", "timeout: { after: PT10S }, call: http");
    let inside = format!("do: [{{ d: {{ do: [{{ pay: {GATED} }}], timeout: {{ after: PT10S }} }} }}]");
    let shaped = one.replace("call: http", "input: { from: '{ sum: (.sum * 2) }' }, call: http");
    let pure = "do: [{ s: { set: { x: 1 }, metadata: { levqor: { approval: { title: Go? } } } } }, { e: { set: { y: '${ .x }' } } }]";
    let extended = format!(
        "use: {{ extensions: [{{ log: {{ extend: call, before: [{{ b: {{ set: {{ x: 1 }} }} }}] }} }}] }}\n{one}"
    );
    let asked = r#"#1 approval {"title":"Pay 9?"}; waiting"#;
    let sum = || json!({ "sum": 9 });
    check(vec![
        (
            "agreed",
            &one,
            sum(),
            vec![Answer(1, yes()), Answer(2, json!("ok"))],
            &format!("{asked}; #2 POST http://pay/; = \"ok\""),
        ),
        ("refused", &one, sum(), vec![Answer(1, no())], &format!("{asked}; ! authorization 403 /do/0/pay")),
        (
            "a refusal can be caught",
            &caught,
            sum(),
            vec![Answer(1, no())],
            &format!("{asked}; = {{\"error\":\"ada was asked and said no: too much\"}}"),
        ),
        (
            "each attempt asks",
            &again,
            sum(),
            vec![Answer(1, yes()), Refuse(2, 500), Answer(3, yes()), Answer(4, json!(1))],
            &format!(
                "{asked}; #2 POST http://pay/; #3 approval {{\"title\":\"Pay 9?\"}}; waiting; #4 POST http://pay/; = 1"
            ),
        ),
        (
            "so does each iteration",
            &each,
            json!({ "items": [1, 2] }),
            vec![Answer(1, yes()), Answer(2, json!(1)), Answer(3, no())],
            "#1 approval {\"title\":\"Pay 1?\"}; waiting; #2 POST http://pay/; #3 approval {\"title\":\"Pay 2?\"}; waiting; ! authorization 403 /do/0/all/do/0/pay",
        ),
        ("what is skipped does not ask", &skipped, sum(), vec![], "= {\"sum\":9}"),
        (
            "the task's time begins with the leave",
            &timed,
            sum(),
            vec![Pass(100), Answer(1, yes()), Pass(10)],
            &format!("{asked}; #2 +10s; #3 POST http://pay/; drop #3; ! timeout 408 /do/0/pay"),
        ),
        (
            "the time of what is around it goes on",
            &inside,
            sum(),
            vec![Pass(10)],
            "#1 +10s; #2 approval {\"title\":\"Pay 9?\"}; waiting; drop #2; ! timeout 408 /do/0/d",
        ),
        (
            "the title is computed on the task's input",
            &shaped,
            sum(),
            vec![],
            "#1 approval {\"title\":\"Pay 18?\"}; waiting",
        ),
        (
            "a task without effects asks, too",
            pure,
            sum(),
            vec![Answer(1, yes())],
            "#1 approval {\"title\":\"Go?\"}; waiting; = {\"y\":1}",
        ),
        (
            "extensions come after the leave",
            &extended,
            sum(),
            vec![Answer(1, yes()), Answer(2, json!(1))],
            &format!("{asked}; #2 POST http://pay/; = 1"),
        ),
    ]);
    let refused = play_in(&Arc::default(), &one, sum(), &[Answer(1, no())]);
    assert_eq!(refused.machine.error().unwrap().title.as_deref(), Some(REFUSED));
    let keys =
        play_in(&Arc::default(), &one, sum(), &[Answer(1, yes()), Lose(2), Retry, Answer(3, yes())]).keys;
    assert!(keys.iter().all(|key| key.ends_with("do/0/pay/0")), "{keys:?}");
}

#[test]
fn a_run_that_begins_in_the_middle_asks_as_well() {
    let text =
        with("approval: { title: Go? }", "do: [{ a: { set: { x: 1 } } }, { b: { set: { y: '${ .x }' } } }]");
    let source = play_in(&Arc::default(), &text, json!({}), &[Answer(1, yes())]);
    let flow = workflow(&text);
    let entry = entry_at(Arc::clone(&flow), Arc::default(), &source.journal, "/do/1/b").unwrap().unwrap();
    let first = Event::Forked {
        at: START,
        run: "run_01KDV7N5C00000000000000001".parse().unwrap(),
        input: json!({}),
        seed: 1,
        entry: Box::new(entry),
        secrets: Default::default(),
    };
    let machine = Machine::start(Arc::clone(&flow), Arc::default(), &first).unwrap();
    let mut player = Player::from(&flow, &Arc::default(), machine, first);
    player.step(&Answer(1, yes()));
    assert_eq!(player.said.join("; "), r#"#1 approval {"title":"Go?"}; waiting; = {"y":1}"#);
}

#[test]
fn a_budget_holds_calls_back_until_more_is_allowed() {
    let budget = |calls: u32, rest: &str| with(&format!("budget: {{ calls: {calls} }}"), rest);
    let call = |to: &str| format!("{{ call: http, with: {{ method: get, endpoint: http://{to}/ }} }}");
    let loops = budget(
        2,
        "do: [{ all: { for: { in: '[range(5)]' }, do: [{ c: { call: http, with: { method: get, endpoint: http://h/ } } }] } }]",
    );
    let fork = budget(
        1,
        &format!(
            "do: [{{ f: {{ fork: {{ branches: [{{ a: {} }}, {{ b: {} }}, {{ c: {} }}] }} }} }}]",
            call("a"),
            call("b"),
            call("c")
        ),
    );
    let race = budget(
        1,
        &format!(
            "do: [{{ f: {{ fork: {{ compete: true, branches: [{{ a: {} }}, {{ b: {} }}] }} }} }}]",
            call("a"),
            call("b")
        ),
    );
    let retries = budget(
        2,
        &format!(
            "do: [{{ t: {{ try: [{{ a: {} }}], catch: {{ retry: {{ limit: {{ attempt: {{ count: 3 }} }} }} }} }} }}]",
            call("a")
        ),
    );
    let timed = budget(
        1,
        &format!(
            "do: [{{ a: {} }}, {{ b: {{ timeout: {{ after: PT10S }}, call: http, with: {{ method: get, endpoint: http://b/ }} }} }}]",
            call("a")
        ),
    );
    let others = budget(
        1,
        "do: [{ s: { call: 'store:1.0.0@default', with: { action: get, key: k } } }, { w: { wait: PT1S } }, { a: { call: http, with: { method: get, endpoint: http://a/ } } }]",
    );
    let x = || json!(1);
    check(vec![
        (
            "in a loop",
            &loops,
            json!({}),
            vec![
                Answer(1, x()),
                Answer(2, x()),
                Suspend,
                Resume,
                Answer(3, x()),
                Answer(4, x()),
                Suspend,
                Resume,
                Answer(5, x()),
            ],
            "#1 GET http://h/; #2 GET http://h/; no budget; suspended; #3 GET http://h/; #4 GET http://h/; no budget; suspended; #5 GET http://h/; = 1",
        ),
        (
            "side by side, those that fit go on",
            &fork,
            json!({}),
            vec![
                Answer(2, x()),
                Answer(1, x()),
                Suspend,
                Resume,
                Answer(2, x()),
                Suspend,
                Resume,
                Answer(3, x()),
            ],
            "#1 GET http://a/; #2 is not pending; no budget; suspended; #2 GET http://b/; no budget; suspended; #3 GET http://c/; = [1,1,1]",
        ),
        (
            "who wins without it needs no more",
            &race,
            json!({}),
            vec![Answer(1, x())],
            "#1 GET http://a/; = 1",
        ),
        (
            "retries count",
            &retries,
            json!({}),
            vec![Refuse(1, 500), Refuse(2, 500), Suspend, Resume, Answer(3, x())],
            "#1 GET http://a/; #2 GET http://a/; no budget; suspended; #3 GET http://a/; = 1",
        ),
        (
            "a suspension that somebody asked for allows nothing",
            &loops,
            json!({}),
            vec![Answer(1, x()), Suspend, Resume, Answer(2, x()), Suspend, Resume, Answer(3, x())],
            "#1 GET http://h/; #2 GET http://h/; suspended; no budget; suspended; #3 GET http://h/; #4 GET http://h/",
        ),
        (
            "a timeout does not run meanwhile",
            &timed,
            json!({}),
            vec![Answer(1, x()), Suspend, Pass(1_000), Resume, Pass(9), Answer(3, x())],
            "#1 GET http://a/; #2 +10s; no budget; drop #2; suspended; #3 GET http://b/; #4 +10s; drop #4; = 1",
        ),
        (
            "what stays on the server does not count",
            &others,
            json!({}),
            vec![Answer(1, x()), Pass(1), Answer(3, x())],
            "#1 store {\"action\":\"get\",\"key\":\"k\"}; #2 +1s; waiting; #3 GET http://a/; = 1",
        ),
        (
            "a run without it can be cancelled, and is not asked for what it held back",
            &fork,
            json!({}),
            vec![Cancel],
            "#1 GET http://a/; drop #1; cancelled",
        ),
        (
            "a retried run goes on with what is left",
            &fork,
            json!({}),
            vec![Lose(1), Retry, Suspend, Resume, Answer(4, x())],
            "#1 GET http://a/; ! communication 500 /do/0/f/fork/branches/0/a; no budget; suspended; #4 GET http://a/; no budget",
        ),
    ]);
}

#[test]
fn a_run_says_what_going_on_allows() {
    let text = with(
        "budget: { calls: 1 }",
        "do: [{ a: { call: http, with: { method: get, endpoint: http://a/ } } }, { b: { call: http, with: { method: get, endpoint: http://b/ } } }]",
    );
    let at = |script: &[Do]| play_in(&Arc::default(), &text, json!({}), script).machine;
    let more = Budget { calls: Some(1), credits: None };
    let machine = at(&[Answer(1, json!(1))]);
    assert_eq!((machine.has_no_budget(), machine.budget_to_allow()), (Some(more), None));
    assert!(machine.pending().is_empty(), "what is held back is not asked for");
    let machine = at(&[Answer(1, json!(1)), Suspend]);
    assert_eq!((machine.status(), machine.budget_to_allow()), (RunStatus::Suspended, Some(more)));
    let machine = at(&[Suspend]);
    assert_eq!(machine.budget_to_allow(), None, "that was somebody");
    assert!(
        play(&text, json!({}), &[Answer(1, json!(1)), Suspend, Resume, Answer(2, json!(2))]).ends_with("= 2")
    );
}

#[test]
fn a_budget_of_credits_counts_what_ai_costs() {
    let ask = |prompt: &str| format!("{{ call: 'ai-chat:1.0.0@default', with: {{ prompt: {prompt} }} }}");
    let budget = |budget: &str, rest: &str| with(&format!("budget: {{ {budget} }}"), rest);
    let list = |asks: &[&str]| {
        let asks: Vec<String> = asks.iter().map(|name| format!("{{ {name}: {} }}", ask(name))).collect();
        asks.join(", ")
    };
    let chain = |much: &str| budget(much, &format!("do: [{}]", list(&["a", "b", "c", "d"])));
    let fork = |much: &str, names: &[&str]| {
        budget(much, &format!("do: [{{ f: {{ fork: {{ branches: [{}] }} }} }}]", list(names)))
    };
    let two = chain("credits: 2");
    let both = chain("calls: 1, credits: 2");
    let wide = fork("credits: 2", &["a", "b", "c", "d"]);
    let mixed = budget(
        "credits: 1",
        &format!(
            "do: [{{ f: {{ fork: {{ branches: [{}, {{ h: {{ do: [{{ h1: {{ call: http, with: {{ method: get, endpoint: http://h/ }} }} }}, {{ h2: {{ call: http, with: {{ method: get, endpoint: http://i/ }} }} }}] }} }}] }} }} }}]",
            list(&["a", "b"]),
        ),
    );
    let late = "{ t: { try: [{ a: { call: 'ai-chat:1.0.0@default', with: { prompt: a }, timeout: { after: PT5S } } }], catch: { do: [{ s: { set: { late: true } } }] } } }";
    let timed = budget(
        "credits: 1",
        &format!(
            "do: [{{ f: {{ fork: {{ branches: [{late}, {{ d: {{ do: [{}] }} }}] }} }} }}]",
            list(&["b"])
        ),
    );
    let caught = budget(
        "credits: 1",
        &format!("do: [{{ t: {{ try: [{}], catch: {{ do: [{}] }} }} }}]", list(&["a"]), list(&["b"])),
    );
    let chat = |number: u64, prompt: &str| format!("#{number} ai-chat {{\"prompt\":\"{prompt}\"}}");
    let (a, b, c, d) = (|n| chat(n, "a"), |n| chat(n, "b"), |n| chat(n, "c"), |n| chat(n, "d"));
    let yes = r#"{"answer":"Yes."}"#;
    check(vec![
        (
            "in a row",
            &two,
            json!({}),
            vec![Paid(1, 1), Paid(2, 1), Suspend, Resume, Paid(3, 1), Paid(4, 1)],
            &format!("{}; {}; no budget; suspended; {}; {}; = {yes}", a(1), b(2), c(3), d(4)),
        ),
        (
            "what costs nothing uses nothing up",
            &two,
            json!({}),
            vec![Paid(1, 0), Paid(2, 0), Paid(3, 0), Paid(4, 1)],
            &format!("{}; {}; {}; {}; = {yes}", a(1), b(2), c(3), d(4)),
        ),
        (
            "what costs more than was left is paid, and then as much again is allowed",
            &two,
            json!({}),
            vec![Paid(1, 5), Suspend, Resume, Paid(2, 1), Paid(3, 1), Suspend],
            &format!("{}; no budget; suspended; {}; {}; no budget; suspended", a(1), b(2), c(3)),
        ),
        (
            "side by side, each call under way is as good as paid",
            &wide,
            json!({}),
            vec![Paid(2, 1), Answer(3, json!(0)), Paid(1, 1), Suspend, Resume, Paid(4, 1), Paid(3, 1)],
            &format!(
                "{}; {}; #3 is not pending; no budget; suspended; {}; {}; = [{yes},{yes},{yes},{yes}]",
                a(1),
                b(2),
                c(3),
                d(4)
            ),
        ),
        (
            "one that costs nothing makes room for another",
            &wide,
            json!({}),
            vec![Paid(2, 0), Paid(1, 1), Paid(3, 1), Suspend, Resume, Paid(4, 1)],
            &format!(
                "{}; {}; {}; no budget; suspended; {}; = [{yes},{yes},{yes},{yes}]",
                a(1),
                b(2),
                c(3),
                d(4)
            ),
        ),
        (
            "so does one that is let go",
            &timed,
            json!({}),
            vec![Pass(5), Paid(3, 1)],
            &format!("#1 +5s; {}; drop #2; {}; = [{{\"late\":true}},{yes}]", a(2), b(3)),
        ),
        (
            "a failure costs nothing",
            &caught,
            json!({}),
            vec![Refuse(1, 400), Paid(2, 1)],
            &format!("{}; {}; = {yes}", a(1), b(2)),
        ),
        (
            "other calls go on",
            &mixed,
            json!({}),
            vec![Paid(1, 1), Answer(3, json!(1)), Answer(4, json!(2)), Suspend, Resume, Paid(2, 0)],
            &format!(
                "{}; #3 GET http://h/; #4 GET http://i/; no budget; suspended; {}; = [{yes},{yes},2]",
                a(1),
                b(2)
            ),
        ),
        (
            "both budgets hold, and only what is used up is allowed again",
            &both,
            json!({}),
            vec![
                Paid(1, 1),
                Suspend,
                Resume,
                Paid(2, 1),
                Suspend,
                Resume,
                Paid(3, 1),
                Suspend,
                Resume,
                Paid(4, 1),
            ],
            &format!(
                "{}; no budget; suspended; {}; no budget; suspended; {}; no budget; suspended; {}; = {yes}",
                a(1),
                b(2),
                c(3),
                d(4)
            ),
        ),
        (
            "what comes while somebody has suspended the run counts",
            &two,
            json!({}),
            vec![Suspend, Paid(1, 2), Resume, Suspend, Resume, Paid(2, 1)],
            &format!("{}; suspended; suspended; no budget; suspended; {}; {}", a(1), b(2), c(3)),
        ),
    ]);
    let at = |text: &str, script: &[Do]| play_in(&Arc::default(), text, json!({}), script).machine;
    let used_up = |calls, credits| Some(Budget { calls, credits });
    assert_eq!(at(&two, &[Paid(1, 2)]).has_no_budget(), used_up(None, Some(2)));
    assert_eq!(at(&both, &[Paid(1, 1)]).has_no_budget(), used_up(Some(1), None));
    assert_eq!(at(&both, &[Paid(1, 2), Suspend]).budget_to_allow(), used_up(Some(1), Some(2)));
}

#[test]
fn a_journal_from_before_credits_is_read() {
    let text =
        r#"{"event":"effect_ended","at":"2026-01-01T00:00:00.000000Z","effect":3,"outcome":{"output":1}}"#;
    let event: Event = serde_json::from_str(text).unwrap();
    assert_eq!(event, Event::ended(START, 3, levqor_flow::machine::Outcome::Output(json!(1))));
    assert_eq!(serde_json::to_string(&event).unwrap(), text, "what costs nothing is written as before");
}
