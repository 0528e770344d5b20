//! Errors as people read them, and the interface around an evaluation.

use serde_json::{Value, json};

use super::super::{Bounds, Expression, ExpressionError, is_true};
use super::run;

#[test]
fn compile_errors_say_what_and_where() {
    let rows = [
        ("1 + $foo", "unknown variable $foo at character 5 (known here: $input, $context)"),
        ("\"é\" + $foo", "unknown variable $foo at character 7 (known here: $input, $context)"),
        ("$input.a | frobnicate", "unknown function frobnicate at character 12"),
        ("map()", "expected a value, found \")\" at character 5"),
        ("map", "function map at character 1 takes 1 arguments, not 0"),
        ("range(1;2;3;4)", "function range at character 1 takes 1 or 2 or 3 arguments, not 4"),
        (
            "now",
            "function now at character 1 does not exist here: the same input must always give the same result",
        ),
        (
            "env.PATH",
            "function env at character 1 does not exist here: the same input must always give the same result",
        ),
        ("$ENV.PATH", "unknown variable $ENV at character 1 (known here: $input, $context)"),
        ("(1 + 2", "expected \")\" to close \"(\", found the end at character 7"),
        ("[1, 2", "expected \"]\" to close \"[\", found the end at character 6"),
        ("{a: 1", "expected \"}\" to close \"{\", found the end at character 6"),
        ("{a: 1]", "expected \"}\" to close \"{\", found \"]\" at character 6"),
        ("\"abc", "a text is not closed by a quote, but by the end at character 5"),
        ("\"a\\q\"", "unknown escape at character 4: after \\ comes one of \" \\ / b f n r t u ("),
        (
            "\"\\u12\"",
            "expected four hexadecimal digits of a character at character 6 (write what takes two such escapes as it is)",
        ),
        (".a +", "expected a value, found the end at character 5"),
        (".a .b .c d", "expected an operator or the end, found \"d\" at character 10"),
        (".a & .b", "unexpected \"& .b\" at character 4"),
        ("if . then 1", "expected elif, else or end, found the end at character 12"),
        ("1 as x | 2", "expected a pattern, found \"x\" at character 6"),
        ("break $x", "unknown label $x at character 7"),
        ("a::b", "unknown module a at character 1; there are no modules here"),
        ("", "the expression is empty; write . for the input itself"),
        ("1 }", "unexpected \"}\" at character 3"),
        ("reduce . as $x (0)", "function reduce at character 1 takes 2 arguments, not 1"),
    ];
    let mut wrong = Vec::new();
    for (text, expected) in rows {
        match Expression::compile(text, &["input", "context"]) {
            Err(ExpressionError::Compile(message)) if message == expected => {}
            other => wrong.push(format!("{text}\n   expected {expected}\n   got      {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn evaluation_errors_say_what() {
    let rows = [
        (".a.b", json!({"a": 5}), "cannot index number with \"b\""),
        (".[0]", json!({"a": 5}), "cannot index object with number"),
        (".[]", json!(5), "cannot iterate over number (5)"),
        ("1 / .", json!(0), "number (1) and number (0) cannot be divided because the divisor is zero"),
        (". + 1", json!("x"), "string (\"x\") and number (1) cannot be added"),
        ("{} - 1", json!(null), "object ({}) and number (1) cannot be subtracted"),
        ("error(\"out of tea\")", json!(null), "out of tea"),
        ("error({code: 7})", json!(null), "the expression raised {\"code\":7}"),
        ("error", json!(null), "the expression raised null"),
        ("tonumber", json!("1x"), "string (\"1x\") cannot be parsed as a number"),
        ("{(.): 1}", json!(1), "object names must be strings, not number (1)"),
        ("length", json!(true), "boolean (true) has no length"),
        ("test(\"(\")", json!("x"), "\"(\" is not a regular expression here: unclosed group"),
        (
            "test(\"(?=x)\")",
            json!("x"),
            "\"(?=x)\" is not a regular expression here: look-around, including look-ahead and look-behind, is not supported",
        ),
        ("strptime(\"%Y\")", json!("x"), "date \"x\" does not match format \"%Y\""),
        ("fromdate", json!("x"), "date \"x\" does not match format \"%Y-%m-%dT%H:%M:%SZ\""),
        ("[., nan]", json!(1), "the result contains a number that is infinite or not a number"),
        ("implode", json!([-1]), "-1 is not a code point"),
        (".[\"a\"] = 1", json!([1]), "cannot index array with \"a\""),
        ("break_out", json!(null), ""),
    ];
    let mut wrong = Vec::new();
    for (text, input, expected) in rows {
        match run(text, &input) {
            Err(ExpressionError::Evaluate(message)) if message == expected => {}
            Err(ExpressionError::Compile(_)) if expected.is_empty() => {}
            other => wrong.push(format!("{text}\n   expected {expected}\n   got      {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn messages_stay_short() {
    let long = json!({"text": "é".repeat(100_000)});
    for text in
        ["error(.text)", ". + 1", "error(.)", ".text | tonumber", ".text | test(.)", "error(\"\\(.)\")"]
    {
        match run(text, &long) {
            Err(ExpressionError::Evaluate(message)) => {
                assert!(message.len() < 4_000, "{text}: {}", message.len())
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn only_the_variables_mentioned_are_asked_for() {
    let rows: [(&str, &[&str]); 8] = [
        ("1", &[]),
        ("$input", &["input"]),
        ("$context.a + $input.b + $context.c", &["context", "input"]),
        (". as $input | $input", &[]),
        ("(. as $input | $input), $input", &["input"]),
        ("def f($input): $input; f($context)", &["context"]),
        ("reduce $input[] as $context (0; $context)", &["input"]),
        ("{$input}", &["input"]),
    ];
    for (text, expected) in rows {
        let expression = Expression::compile(text, &["input", "context", "task"]).unwrap();
        assert_eq!(expression.variables(), expected, "{text}");
        let asked = std::cell::RefCell::new(Vec::new());
        let value = |name: &str| {
            asked.borrow_mut().push(name.to_owned());
            json!([{"a": 1, "b": 2}])
        };
        let _ = expression.evaluate(&Value::Null, &value, &Bounds::default());
        assert_eq!(*asked.borrow(), expected, "{text}");
    }
}

#[test]
fn variables_have_their_values() {
    let expression = Expression::compile("[$b, $a, (. as $b | $b), $a]", &["a", "b", "c"]).unwrap();
    let value = |name: &str| json!(name.to_uppercase());
    let result = expression.evaluate(&json!(0), &value, &Bounds::default());
    assert_eq!(result, Ok(json!(["B", "A", 0, "A"])));
}

#[test]
fn expressions_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + std::fmt::Debug>(_: &T) {}
    let expression = Expression::compile(".a", &[]).unwrap();
    shared(&expression);
    assert_eq!(expression.text(), ".a");
    assert_eq!(format!("{expression:?}"), "Expression(\".a\")");
    let threads: Vec<_> = (0..4)
        .map(|i| {
            let expression = expression.clone();
            std::thread::spawn(move || {
                expression.evaluate(&json!({"a": i}), &|_| Value::Null, &Bounds::default())
            })
        })
        .collect();
    for (i, thread) in threads.into_iter().enumerate() {
        assert_eq!(thread.join().unwrap(), Ok(json!(i)));
    }
}

#[test]
fn deep_recursion_gets_a_stack_of_its_own() {
    let text = "def sum: if . == 0 then 0 else . + (. - 1 | sum) end; sum";
    assert_eq!(run(text, &json!(1_000)), Ok(json!(500_500)));
    // Which is not for recursion without end.
    assert_eq!(run(text, &json!(-1)), Err(ExpressionError::TooDeep));
}

#[test]
fn bounds_are_what_the_caller_says() {
    let expression = Expression::compile("[range(1000)] | add", &[]).unwrap();
    let with = |bounds: Bounds| expression.evaluate(&Value::Null, &|_| Value::Null, &bounds);
    assert_eq!(with(Bounds::default()), Ok(json!(499_500)));
    assert_eq!(with(Bounds { steps: 100, ..Bounds::default() }), Err(ExpressionError::TooManySteps(100)));
    assert_eq!(with(Bounds { bytes: 1000, ..Bounds::default() }), Err(ExpressionError::TooMuchData(1000)));
    // Input that is not looked at costs nothing; input that is counts.
    let large = json!({"a": 1, "b": "x".repeat(10_000)});
    let small = Bounds { bytes: 2_000, ..Bounds::default() };
    let run = |text: &str| Expression::compile(text, &[]).unwrap().evaluate(&large, &|_| Value::Null, &small);
    assert_eq!(run(".a"), Ok(json!(1)));
    assert_eq!(run(".b | length"), Err(ExpressionError::TooMuchData(2_000)));
}

#[test]
fn truth() {
    let rows =
        [(json!(null), false), (json!(false), false), (json!(0), true), (json!(""), true), (json!([]), true)];
    for (value, expected) in rows {
        assert_eq!(is_true(&value), expected, "{value}");
    }
}
