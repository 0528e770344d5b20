//! What comes next: lists, jumps, switches, loops and forks.

use serde_json::json;

use super::play::{Answer, Lose, Pass, Refuse, check};

#[test]
fn lists_jump_leave_and_end() {
    check(vec![
        (
            "a jump goes on from its target",
            "do: [{ a: { set: '${ . + [\"a\"] }', then: c } }, { b: { set: '${ . + [\"b\"] }' } }, { c: { set: '${ . + [\"c\"] }' } }]",
            json!([]),
            vec![],
            r#"= ["a","c"]"#,
        ),
        (
            "a jump back",
            "do: [{ a: { set: '${ . + 1 }' } }, { b: { switch: [{ again: { when: '. < 4', then: a } }] } }, { c: { set: '${ [.] }' } }]",
            json!(0),
            vec![],
            "= [4]",
        ),
        (
            "exit leaves the list",
            "do: [{ o: { do: [{ a: { set: '${ 1 }', then: exit } }, { b: { set: '${ 2 }' } }] } }, { c: { set: '${ [.] }' } }]",
            json!(0),
            vec![],
            "= [1]",
        ),
        (
            "exit from the workflow's list ends it",
            "do: [{ a: { set: '${ 1 }', then: exit } }, { b: { set: '${ 2 }' } }]",
            json!(0),
            vec![],
            "= 1",
        ),
        (
            "end leaves all lists, and outputs apply on the way",
            "do: [{ o: { do: [{ p: { do: [{ a: { set: '${ 1 }', then: end } }, { b: { set: '${ 2 }' } }], output: { as: '[., \"p\"]' } } }, { c: { set: '${ 3 }' } }], output: { as: '[., \"o\"]' }, export: { as: . } } }, { d: { set: '${ 4 }' } }]",
            json!(0),
            vec![],
            r#"= [[1,"p"],"o"]"#,
        ),
        (
            "end inside a loop",
            "do: [{ l: { for: { in: '[1, 2]' }, do: [{ a: { set: '${ $item }', then: end } }] } }, { b: { set: '${ 9 }' } }]",
            json!(0),
            vec![],
            "= 1",
        ),
        (
            "a composite's own then",
            "do: [{ o: { do: [{ a: { set: '${ 1 }' } }], then: c } }, { b: { set: '${ 2 }' } }, { c: { set: '${ [.] }' } }]",
            json!(0),
            vec![],
            "= [1]",
        ),
        (
            "continue after a jump is the next in the document",
            "do: [{ a: { set: '${ . + [\"a\"] }', then: c } }, { b: { set: '${ . + [\"b\"] }', then: exit } }, { c: { set: '${ . + [\"c\"] }', then: b } }]",
            json!([]),
            vec![],
            r#"= ["a","c","b"]"#,
        ),
    ]);
}

#[test]
fn switches_choose() {
    let text = "do: [{ s: { switch: [{ other: { then: d } }, { one: { when: '. == 1', then: b } }, { two: { when: '. <= 2', then: c } }] } }, { a: { set: '${ \"a\" }', then: end } }, { b: { set: '${ \"b\" }', then: end } }, { c: { set: '${ \"c\" }', then: end } }, { d: { set: '${ \"d\" }', then: end } }]";
    check(vec![
        ("the first case that holds", text, json!(1), vec![], r#"= "b""#),
        ("a later case", text, json!(2), vec![], r#"= "c""#),
        ("the default, wherever it stands", text, json!(3), vec![], r#"= "d""#),
        (
            "no case: the task's own then",
            "do: [{ s: { switch: [{ one: { when: '. == 1', then: b } }], then: c } }, { b: { set: '${ \"b\" }', then: end } }, { c: { set: '${ [.] }' } }]",
            json!(0),
            vec![],
            "= [0]",
        ),
        (
            "a case beats the task's then",
            "do: [{ s: { switch: [{ one: { when: 'true', then: continue } }], then: end } }, { b: { set: '${ \"b\" }' } }]",
            json!(0),
            vec![],
            r#"= "b""#,
        ),
        (
            "a case may end",
            "do: [{ s: { switch: [{ one: { when: 'true', then: end } }] } }, { b: { set: '${ \"b\" }' } }]",
            json!(0),
            vec![],
            "= 0",
        ),
        (
            "a case may leave the list",
            "do: [{ o: { do: [{ s: { switch: [{ one: { when: 'true', then: exit } }] } }, { x: { set: '${ 1 }' } }] } }, { b: { set: '${ [.] }' } }]",
            json!(0),
            vec![],
            "= [0]",
        ),
        (
            "a condition that fails",
            "do: [{ s: { switch: [{ one: { when: '.a.b', then: end } }] } }]",
            json!({ "a": 1 }),
            vec![],
            "! expression 400 /do/0/s",
        ),
    ]);
}

#[test]
fn loops_count() {
    check(vec![
        (
            "an iteration starts from the last one's output",
            "do: [{ l: { for: { in: .list }, do: [{ a: { set: '${ { sum: (.sum + $item), at: $index } }' } }] } }]",
            json!({ "list": [1, 2, 3] }),
            vec![],
            r#"= {"sum":6,"at":2}"#,
        ),
        (
            "named variables",
            "do: [{ l: { for: { in: '[5]', each: n, at: i }, do: [{ a: { set: '${ [$n, $i] }' } }] } }]",
            json!({}),
            vec![],
            "= [5,0]",
        ),
        (
            "items as a list, with expressions among them and in them",
            "do: [{ l: { for: { in: [1, '${ .x }', { y: '${ .x + 1 }' }, '.x'] }, do: [{ a: { set: { all: '${ (.all // []) + [$item] }' } } }] } }]",
            json!({ "x": 5 }),
            vec![],
            r#"= {"all":[1,5,{"y":6},".x"]}"#,
        ),
        (
            "no items: the input",
            "do: [{ l: { for: { in: '[]' }, do: [{ a: { set: '${ 1 }' } }] } }]",
            json!("in"),
            vec![],
            r#"= "in""#,
        ),
        (
            "while comes before each, with item and index",
            "do: [{ l: { for: { in: '[1, 2, 3, 4]' }, while: '$item < 3 and $index < 9 and . != 7', do: [{ a: { set: '${ . + $item }' } }] } }]",
            json!(0),
            vec![],
            "= 3",
        ),
        (
            "while sees the data of the iteration",
            "do: [{ l: { for: { in: '[1, 2, 3, 4]' }, while: '. < 2', do: [{ a: { set: '${ . + 1 }' } }] } }]",
            json!(0),
            vec![],
            "= 2",
        ),
        (
            "while may be false at once",
            "do: [{ l: { for: { in: '[1]' }, while: 'false', do: [{ a: { set: '${ 9 }' } }] } }]",
            json!(0),
            vec![],
            "= 0",
        ),
        (
            "in is evaluated once",
            "do: [{ l: { for: { in: . }, do: [{ a: { set: '${ . + [$item] }' } }] } }]",
            json!([1, 2]),
            vec![],
            "= [1,2,1,2]",
        ),
        (
            "an object is no list",
            "do: [{ l: { for: { in: . }, do: [{ a: { set: '${ 1 }' } }] } }]",
            json!({ "a": 1 }),
            vec![],
            "! expression 400 /do/0/l",
        ),
        (
            "null is no list",
            "do: [{ l: { for: { in: .absent }, do: [{ a: { set: '${ 1 }' } }] } }]",
            json!({}),
            vec![],
            "! expression 400 /do/0/l",
        ),
        (
            "exit ends the iteration",
            "do: [{ l: { for: { in: '[1, 2]' }, do: [{ a: { set: '${ . + [$item] }', then: exit } }, { b: { set: '${ \"never\" }' } }] } }]",
            json!([]),
            vec![],
            "= [1,2]",
        ),
        (
            "loops nest, variables are lexical",
            "do: [{ l: { for: { in: '[1, 2]', each: x }, do: [{ m: { for: { in: '[10, 20]' }, do: [{ a: { set: '${ . + [$x * $item + $index] }' } }] } }] } }]",
            json!([]),
            vec![],
            "= [10,21,20,41]",
        ),
        (
            "the inner variable hides the outer",
            "do: [{ l: { for: { in: '[1]' }, do: [{ m: { for: { in: '[10]' }, do: [{ a: { set: '${ $item }' } }] } }] } }]",
            json!([]),
            vec![],
            "= 10",
        ),
        (
            "calls in a loop, one after the other",
            "do: [{ l: { for: { in: '[1, 2]' }, do: [{ a: { call: http, with: { method: get, endpoint: '${ \"http://h/\\($item)\" }' } } }] } }]",
            json!({}),
            vec![Answer(1, json!("one")), Answer(2, json!("two"))],
            r#"#1 GET http://h/1; #2 GET http://h/2; = "two""#,
        ),
    ]);
}

const RACE: &str = "do: [{ f: { fork: { compete: true, branches: [{ a: { call: http, with: { method: get, endpoint: http://h/a } } }, { b: { call: http, with: { method: get, endpoint: http://h/b } } }] } } }, { z: { set: '${ [.] }' } }]";
const BOTH: &str = "do: [{ f: { fork: { branches: [{ a: { call: http, with: { method: get, endpoint: http://h/a } } }, { b: { call: http, with: { method: get, endpoint: http://h/b } } }] } } }, { z: { set: '${ [.] }' } }]";

#[test]
fn forks_join_and_race() {
    check(vec![
        (
            "outputs are in the document's order",
            BOTH,
            json!({}),
            vec![Answer(2, json!("b")), Answer(1, json!("a"))],
            r#"#1 GET http://h/a; #2 GET http://h/b; = [["a","b"]]"#,
        ),
        (
            "branches start from the fork's shaped input",
            "do: [{ f: { input: { from: .n }, fork: { branches: [{ a: { set: '${ . + 1 }' } }, { b: { set: '${ . + 2 }' } }] } } }]",
            json!({ "n": 1 }),
            vec![],
            "= [2,3]",
        ),
        (
            "branches take turns",
            "do: [{ f: { fork: { branches: [{ a: { do: [{ a1: { set: '${ 1 }', export: { as: '$context + {a1: ($context | length)}' } } }, { a2: { set: '${ 1 }', export: { as: '$context + {a2: ($context | length)}' } } }] } }, { b: { do: [{ b1: { set: '${ 1 }', export: { as: '$context + {b1: ($context | length)}' } } }] } }] } } }, { z: { set: '${ $context }' } }]",
            json!({}),
            vec![],
            r#"= {"a1":0,"b1":1,"a2":2}"#,
        ),
        (
            "the first of a race wins, the others are let go",
            RACE,
            json!({}),
            vec![Answer(2, json!("b"))],
            r#"#1 GET http://h/a; #2 GET http://h/b; drop #1; = ["b"]"#,
        ),
        (
            "a race of pure branches is won by the shortest",
            "do: [{ f: { fork: { compete: true, branches: [{ a: { do: [{ a1: { set: '${ 1 }' } }, { a2: { set: '${ \"a\" }' } }] } }, { b: { set: '${ \"b\" }' } }] } } }]",
            json!({}),
            vec![],
            r#"= "b""#,
        ),
        (
            "one of a race may fault",
            RACE,
            json!({}),
            vec![Refuse(1, 500), Answer(2, json!("b"))],
            r#"#1 GET http://h/a; #2 GET http://h/b; = ["b"]"#,
        ),
        (
            "a race is lost when all fault",
            RACE,
            json!({}),
            vec![Refuse(1, 500), Lose(2)],
            "#1 GET http://h/a; #2 GET http://h/b; ! communication 500 /do/0/f/fork/branches/1/b",
        ),
        (
            "a fork faults with its first branch",
            BOTH,
            json!({}),
            vec![Refuse(2, 404)],
            "#1 GET http://h/a; #2 GET http://h/b; drop #1; ! communication 404 /do/0/f/fork/branches/1/b",
        ),
        (
            "end in a branch ends the workflow",
            "do: [{ f: { fork: { branches: [{ a: { call: http, with: { method: get, endpoint: http://h/a } } }, { b: { do: [{ x: { set: '${ 1 }', then: end } }] } }] }, output: { as: '[.]' } } }, { z: { set: '${ 9 }' } }]",
            json!({}),
            vec![],
            "#1 GET http://h/a; drop #1; = [1]",
        ),
        (
            "exit in a branch ends the branch",
            "do: [{ f: { fork: { branches: [{ a: { do: [{ x: { set: '${ 1 }', then: exit } }, { y: { set: '${ 2 }' } }] } }, { b: { set: '${ 3 }' } }] } } }]",
            json!({}),
            vec![],
            "= [1,3]",
        ),
        (
            "a race with a timer",
            "do: [{ f: { fork: { compete: true, branches: [{ a: { call: http, with: { method: get, endpoint: http://h/a } } }, { late: { do: [{ w: { wait: { seconds: 5 } } }, { x: { set: '${ \"late\" }' } }] } }] } } }]",
            json!({}),
            vec![Pass(5)],
            r#"#1 GET http://h/a; #2 +5s; drop #1; = "late""#,
        ),
        (
            "a skipped branch gives its input",
            "do: [{ f: { fork: { branches: [{ a: { if: 'false', set: '${ 1 }' } }, { b: { set: '${ 2 }' } }] } } }]",
            json!(0),
            vec![],
            "= [0,2]",
        ),
        (
            "a fork in a loop sees the loop's variables",
            "do: [{ l: { for: { in: '[1, 2]' }, do: [{ f: { fork: { branches: [{ a: { set: '${ $item }' } }, { b: { set: '${ $index }' } }] } } }] } }]",
            json!(0),
            vec![],
            "= [2,1]",
        ),
        (
            "what comes for a lost call is dropped",
            RACE,
            json!({}),
            vec![Answer(1, json!("a")), Answer(2, json!("b"))],
            r##"#1 GET http://h/a; #2 GET http://h/b; drop #2; = ["a"]; #2 is not pending"##,
        ),
    ]);
}
