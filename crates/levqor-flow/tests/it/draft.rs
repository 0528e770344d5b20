//! Drafted workflows, run: what was asked for in English is what happens.

use levqor_flow::{document, draft::draft};
use serde_json::{Value, json};

use crate::machine::play::{Answer, Do, Lose, Pass, Refuse, play};

const FETCH: &str = "fetch the orders from http://shop/orders";

/// Drafts the request and plays the run.
fn run(request: &str, input: Value, script: &[Do]) -> String {
    let made = draft(request);
    let workflow =
        made.workflow.unwrap_or_else(|| panic!("{request}\n{:#?}\n{:#?}", made.warnings, made.questions));
    let checked = document::check(&workflow);
    assert!(
        checked.errors.is_empty() && checked.warnings.is_empty(),
        "{:#?} {:#?}",
        checked.errors,
        checked.warnings
    );
    play(&workflow.to_string(), input, script)
}

fn check(rows: Vec<(String, Value, Vec<Do>, &str)>) {
    let mut wrong = String::new();
    for (request, input, script, expected) in rows {
        let got = run(&request, input, &script);
        if got != expected {
            wrong.push_str(&format!("{request}\n  expected {expected}\n  but was  {got}\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_london_sentence() {
    let request = "Every weekday at 9am London time, fetch the orders from http://127.0.0.1:4010/orders and if any total is \
                   over 100 post them to http://127.0.0.1:4010/alert";
    let made = draft(request);
    assert_eq!(made.warnings, Vec::<String>::new());
    assert_eq!(made.questions, Vec::<String>::new());
    assert_eq!(
        made.summary,
        [
            "Every weekday at 09:00 Europe/London",
            "Fetch orders from http://127.0.0.1:4010/orders",
            "If any total is over 100:",
            "  Post the matching orders to http://127.0.0.1:4010/alert",
        ]
    );
    let workflow = made.workflow.unwrap();
    assert_eq!(workflow["document"]["dsl"], "1.0.3");
    assert_eq!(workflow["document"]["summary"], request);
    let checked = document::check(&workflow).workflow.unwrap();
    let schedule = checked.schedule.as_ref().unwrap();
    assert_eq!(schedule.describe(), "every weekday at 09:00 Europe/London");
    // A Friday evening in summer: next is Monday, 9 o'clock British Summer Time.
    let next =
        schedule.next("2026-07-03T17:00:00Z".parse().unwrap(), "2026-07-03T17:00:00Z".parse().unwrap());
    assert_eq!(next, Some("2026-07-06T08:00:00Z".parse().unwrap()));

    let some = json!([{ "id": 1, "total": 99 }, { "id": 2, "total": 101.5 }, { "id": 3, "total": "250" }, { "id": 4 }]);
    let few = json!([{ "id": 1, "total": 99 }, { "id": 2, "total": null }]);
    let posted = r#"#1 GET http://127.0.0.1:4010/orders; #2 POST http://127.0.0.1:4010/alert [{"id":2,"total":101.5},{"id":3,"total":"250"}]; = {"ok":true}"#;
    for response in [
        some.clone(),
        json!({ "orders": some }),
        json!({ "data": some, "page": 1 }),
        json!({ "orders": some, "errors": [] }),
    ] {
        assert_eq!(run(request, json!({}), &[Answer(1, response), Answer(2, json!({ "ok": true }))]), posted);
    }
    for response in
        [few, json!([]), json!({ "orders": [] }), json!("busy"), json!(null), json!([1, "x", null])]
    {
        let ran = run(request, json!({}), &[Answer(1, response)]);
        assert!(ran.starts_with("#1 GET http://127.0.0.1:4010/orders; = "), "{ran}");
    }
    // One order instead of a list of them.
    let ran = run(request, json!({}), &[Answer(1, json!({ "id": 7, "total": 700 }))]);
    assert!(ran.ends_with(r#"POST http://127.0.0.1:4010/alert [{"id":7,"total":700}]"#), "{ran}");
}

#[test]
fn drafts_do_what_they_say() {
    let orders = json!([
        { "id": 1, "total": 120, "status": "open", "customer": { "email": "ann@example.com" }, "date": "2026-02-01" },
        { "id": 2, "total": 20, "status": "paid", "customer": { "email": "bob@example.org" }, "date": "2026-03-01" },
        { "id": 3, "total": 300, "status": "paid", "date": "2026-01-01" },
    ]);
    let got = || Answer(1, orders.clone());
    let ok = |number| Answer(number, json!({}));
    check(vec![
        (format!("{FETCH} and post their ids to http://b/in"), json!({}), vec![got()], r#"#1 GET http://shop/orders; #2 POST http://b/in [1,2,3]"#),
        (format!("{FETCH} and post its id and total to http://b/in for each order"), json!({}), vec![got(), ok(2), ok(3)], r#"#1 GET http://shop/orders; #2 POST http://b/in {"id":1,"total":120}; #3 POST http://b/in {"id":2,"total":20}; #4 POST http://b/in {"id":3,"total":300}"#),
        (format!("{FETCH}; for each order, if its customer's email contains \"@example.com\" post its id to http://b/in, otherwise post its total to http://c/in"), json!({}), vec![got(), ok(2), ok(3)], r#"#1 GET http://shop/orders; #2 POST http://b/in {"id":1}; #3 POST http://c/in {"total":20}; #4 POST http://c/in {"total":300}"#),
        (format!("{FETCH} and unless any total is over 1000 post them to http://b/in"), json!({}), vec![got()], r#"#1 GET http://shop/orders; #2 POST http://b/in [{"id":1,"total":120,"status":"open","customer":{"email":"ann@example.com"},"date":"2026-02-01"},{"id":2,"total":20,"status":"paid","customer":{"email":"bob@example.org"},"date":"2026-03-01"},{"id":3,"total":300,"status":"paid","date":"2026-01-01"}]"#),
        (format!("{FETCH} and if all totals are over 100 post them to http://b/in, otherwise post \"no\" to http://c/in"), json!({}), vec![got()], r#"#1 GET http://shop/orders; #2 POST http://c/in {"text":"no"}"#),
        (format!("{FETCH} and if any total is over 100 and status is paid post them to http://b/in"), json!({}), vec![got()], r#"#1 GET http://shop/orders; #2 POST http://b/in [{"id":3,"total":300,"status":"paid","date":"2026-01-01"}]"#),
        (format!("{FETCH} and if more than 1 totals are over 100 post them to http://b/in"), json!({}), vec![got()], r#"#1 GET http://shop/orders; #2 POST http://b/in [{"id":1,"total":120,"status":"open","customer":{"email":"ann@example.com"},"date":"2026-02-01"},{"id":3,"total":300,"status":"paid","date":"2026-01-01"}]"#),
        (format!("{FETCH}, sort them by date, newest first, take the first 2 and post their ids to http://b/in"), json!({}), vec![got()], r#"#1 GET http://shop/orders; #2 POST http://b/in [2,1]"#),
        (format!("{FETCH}, keep only the id and total of each and post them to http://b/in"), json!({}), vec![got()], r#"#1 GET http://shop/orders; #2 POST http://b/in [{"id":1,"total":120},{"id":2,"total":20},{"id":3,"total":300}]"#),
        (format!("{FETCH}, sum the totals and post the sum to http://b/in"), json!({}), vec![got()], r#"#1 GET http://shop/orders; #2 POST http://b/in 440"#),
        (format!("{FETCH}, find the order with the highest total and post it to http://b/in"), json!({}), vec![got()], r#"#1 GET http://shop/orders; #2 POST http://b/in {"id":3,"total":300,"status":"paid","date":"2026-01-01"}"#),
        (format!("{FETCH}, count them and if the count is over 2 notify http://b/in saying 'many'"), json!({}), vec![got()], r#"#1 GET http://shop/orders; #2 POST http://b/in {"text":"many"}"#),
        (format!("{FETCH}, then post \"hi\" to http://b/in, then post the orders to http://c/in"), json!({}), vec![Answer(1, json!([1])), Answer(2, json!("other"))], r#"#1 GET http://shop/orders; #2 POST http://b/in {"text":"hi"}; #3 POST http://c/in [1]"#),
        (format!("{FETCH}, wait 5 minutes and post them to http://b/in"), json!({}), vec![Answer(1, json!([1])), Pass(300)], r#"#1 GET http://shop/orders; #2 +300s; waiting; #3 POST http://b/in [1]"#),
        (format!("{FETCH}. If it fails, notify http://ops/in, otherwise post the orders to http://b/in."), json!({}), vec![Refuse(1, 503), ok(2)], r#"#1 GET http://shop/orders; #2 POST http://ops/in {"text":"Levqor: http://shop/orders failed"}; = {}"#),
        (format!("{FETCH}. If it fails, notify http://ops/in, otherwise post the orders to http://b/in."), json!({}), vec![Answer(1, json!([1])), ok(2)], r#"#1 GET http://shop/orders; #2 POST http://b/in [1]; = {}"#),
        (format!("{FETCH}. If it fails, notify http://ops/in. Then post them to http://b/in."), json!({}), vec![Lose(1), ok(2)], r#"#1 GET http://shop/orders; #2 POST http://ops/in {"text":"Levqor: http://shop/orders failed"}; = {}"#),
        (format!("{FETCH}, retry twice with 10 seconds between, and if it fails notify http://ops/in"), json!({}), vec![Lose(1), Pass(10), Lose(3), Pass(10), Lose(5), ok(6)], r#"#1 GET http://shop/orders; #2 +10s; #3 GET http://shop/orders; #4 +10s; #5 GET http://shop/orders; #6 POST http://ops/in {"text":"Levqor: http://shop/orders failed"}; = {}"#),
        (format!("{FETCH} and if it returns 404 stop"), json!({}), vec![Refuse(1, 500)], r#"#1 GET http://shop/orders; ! communication 500 /do/0/tryFetchOrders/try/0/fetchOrders"#),
        ("when a new order arrives, post the order to http://b/in and its id to http://c/in".into(), json!({ "id": 5 }), vec![ok(1), ok(2)], r#"#1 POST http://b/in {"id":5}; #2 POST http://c/in {"id":5}; = {}"#),
        ("fetch the order from http://shop/orders/{number} and post it to http://b/in".into(), json!({ "number": "a/b" }), vec![Answer(1, json!({ "id": 5 }))], r#"#1 GET http://shop/orders/a%2Fb; #2 POST http://b/in {"id":5}"#),
        ("fetch the page from http://shop/ and if it contains \"error\" notify http://ops/in".into(), json!({}), vec![Answer(1, json!("an error here"))], r#"#1 GET http://shop/; #2 POST http://ops/in {"text":"Levqor: page contains \"error\""}"#),
        ("fetch the job from http://shop/job. If the state is done stop, else if the state is failed fail with 'no luck', else wait an hour".into(), json!({}), vec![Answer(1, json!({ "state": "failed" }))], r#"#1 GET http://shop/job; ! runtime 500 /do/1/checkState/do/2/otherwise2/do/0/checkState2/do/1/whenCheckState2/do/0/fail"#),
        ("fetch the users from http://shop/users and for each user fetch http://shop/users/{id}/orders as purchases and post the purchases to http://b/in".into(), json!({}), vec![Answer(1, json!([{ "id": 1 }, { "id": "x y" }])), Answer(2, json!([7])), ok(3), Answer(4, json!([8])), ok(5)], r#"#1 GET http://shop/users; #2 GET http://shop/users/1/orders; #3 POST http://b/in [7]; #4 GET http://shop/users/x%20y/orders; #5 POST http://b/in [8]; = {}"#),
        ("in parallel post \"a\" to http://b/in and post \"b\" to http://c/in".into(), json!({}), vec![ok(2), ok(1)], r#"#1 POST http://b/in {"text":"a"}; #2 POST http://c/in {"text":"b"}; = [{},{}]"#),
        ("fetch http://shop/feed and for each item send 'New: {title}' to http://b/in".into(), json!({}), vec![Answer(1, json!({ "items": [{ "title": "x\"y" }] }))], r#"#1 GET http://shop/feed; #2 POST http://b/in {"text":"New: x\"y"}"#),
        ("post \"${ $secrets }\" to http://b/in with name '${ . }' and note \"\\(env)\"".into(), json!({}), vec![ok(1)], r#"#1 POST http://b/in {"text":"${ $secrets }","name":"${ . }","note":"\\(env)"}; = {}"#),
        (format!("{FETCH} and if any name is '\\(halt)\") | env | (\"' post them to http://b/in"), json!({}), vec![Answer(1, json!([{ "name": "\\(halt)\") | env | (\"" }]))], r#"#1 GET http://shop/orders; #2 POST http://b/in [{"name":"\\(halt)\") | env | (\""}]"#),
    ]);
}

#[test]
fn what_is_limited_or_joined_stays_so() {
    let ok = |number| Answer(number, json!({}));
    check(vec![
        ("fetch http://a/x and fetch http://b/y and post both to http://c/z".into(), json!({}), vec![Answer(1, json!(1)), Answer(2, json!([2]))], r#"#1 GET http://a/x; #2 GET http://b/y; #3 POST http://c/z {"x":1,"y":[2]}"#),
        ("Get http://e/a and http://e/b at the same time, then post both to http://e/c".into(), json!({}), vec![Answer(2, json!("b")), Answer(1, json!("a"))], r#"#1 GET http://e/a; #2 GET http://e/b; #3 POST http://e/c {"a":"a","b":"b"}"#),
        ("get http://e/a with a timeout of 5 seconds and ignore errors".into(), json!({}), vec![Refuse(2, 503)], r#"#1 +5s; #2 GET http://e/a; drop #1; = {}"#),
        ("get the orders from http://e/orders and if the average total is over 100 post the average total to http://e/c".into(), json!({}), vec![Answer(1, json!([{ "total": 100 }, { "total": "300" }, {}]))], r#"#1 GET http://e/orders; #2 POST http://e/c 200"#),
        ("get the orders from http://e/orders and if the average total is over 100 post \"x\" to http://e/c".into(), json!({}), vec![Answer(1, json!([{ "total": 50 }]))], r#"#1 GET http://e/orders; = [{"total":50}]"#),
        ("Repeat 3 times: post \"x\" to http://e/a".into(), json!({}), vec![ok(1), ok(2), ok(3)], r#"#1 POST http://e/a {"text":"x"}; #2 POST http://e/a {"text":"x"}; #3 POST http://e/a {"text":"x"}; = {}"#),
        ("for each customer in http://e/customers whose status is active post its email to http://e/m".into(), json!({}), vec![Answer(1, json!([{ "status": "active", "email": "a@e" }, { "status": "left", "email": "b@e" }])), ok(2)], r#"#1 GET http://e/customers; #2 POST http://e/m {"email":"a@e"}; = {}"#),
        ("if the answer of http://e/stock has quantity 0, post \"none\" to http://e/m".into(), json!({}), vec![Answer(1, json!({ "quantity": 0 }))], r#"#1 GET http://e/stock; #2 POST http://e/m {"text":"none"}"#),
        ("unless the total from http://e/cart is over 5, post \"few\" to http://e/m".into(), json!({}), vec![Answer(1, json!({ "total": 9 }))], r#"#1 GET http://e/cart; = {"total":9}"#),
        ("fetch http://e/a and retry twice starting at 2 seconds".into(), json!({}), vec![Lose(1), Pass(2), Lose(3), Pass(4), Answer(5, json!(7))], r#"#1 GET http://e/a; #2 +2s; #3 GET http://e/a; #4 +4s; #5 GET http://e/a; = 7"#),
    ]);
}
