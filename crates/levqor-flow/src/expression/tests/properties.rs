//! Random texts, random data and random programs.

use std::time::{Duration, Instant};

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::needs::{Need, Needs};
use super::super::{Bounds, Expression, ExpressionError, compile, prelude};
use super::run;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-100..100_i64).prop_map(Value::from),
        any::<f64>().prop_map(|f| serde_json::Number::from_f64(f).map_or(Value::Null, Value::Number)),
        ".{0,8}".prop_map(Value::from),
        "[abc]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map("[abc]|.{0,3}", inner, 0..6).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

/// Programs that compile, mostly, and run for long or make much, often.
fn any_program() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("."),
        Just(".a"),
        Just(".b?"),
        Just(".[0]?"),
        Just(".[]?"),
        Just("1"),
        Just("2.5"),
        Just("-1"),
        Just("\"a\""),
        Just("null"),
        Just("[]"),
        Just("{}"),
        Just("$input"),
        Just("$input.a.b?"),
        Just("{a: 1, b: [2]}"),
        Just(".."),
        Just("empty"),
        Just("range(5)"),
        Just("range(1e9)"),
        Just("\"x\" * 1000"),
        Just("error"),
        Just("[1, [2, 3]]"),
        Just("length?"),
        Just("keys?"),
        Just("add?"),
        Just("tojson"),
        Just("sort?"),
        Just("to_entries?"),
        Just("tostring"),
        Just("flatten?"),
        Just("reverse?"),
        Just("paths"),
        Just("tostream"),
        Just("explode?"),
        Just("unique?"),
        Just("combinations?"),
        Just("transpose?"),
        Just("@base64"),
        Just("@csv?"),
        Just("ascii_upcase?"),
        Just("nan"),
    ]
    .prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 3, |inner| {
        let one = prop_oneof![
            Just("[T]"),
            Just("(T)"),
            Just("map(T)?"),
            Just("select(T)"),
            Just("first(T)"),
            Just("try (T) catch ."),
            Just("[limit(3; T)]"),
            Just("recurse(T)"),
            Just("[repeat(T)]"),
            Just("until(T; . + 1)?"),
            Just("path(T)"),
            Just("del(T)?"),
            Just("walk(T)?"),
            Just("sort_by(T)?"),
            Just("group_by(T)?"),
            Just("{a: T}"),
            Just("(T) |= 1"),
            Just(".a |= (T)"),
            Just("with_entries(T)?"),
            Just("\"<\\(T)>\""),
            Just("[range(T; 3)?]"),
            Just("def f: T; f"),
            Just("def f: if . == 0 then T else f end; f"),
            Just("def f(g): g | T; f(T)"),
            Just("def f: T | f; f"),
            Just("label $l | T | ., break $l"),
            Just("any(T)?"),
            Just("-(T)?"),
            Just("(T)?"),
            Just("to_entries? | T"),
            Just("gsub(\"a\"; T)?"),
            Just("getpath([T])?"),
            Just("@json \"\\(T)\""),
        ];
        let two = prop_oneof![
            Just("T | U"),
            Just("T, U"),
            Just("(T) + (U)"),
            Just("(T) - (U)"),
            Just("(T) * (U)"),
            Just("(T) // (U)"),
            Just("T as $x | U, $x"),
            Just("T as [$x, {a: $y}] | U | [$x, $y, .]"),
            Just("reduce (T) as $x (0; U)"),
            Just("[foreach (T) as $x (.; U; [., $x])]"),
            Just("if T then U else . end"),
            Just("(T) == (U)"),
            Just("(T) < (U)"),
            Just("(T) and (U)"),
            Just("{a: (T), b: (U)}"),
            Just("{(T | tostring): (U)}"),
            Just("(.[T])? // (U)"),
            Just(".[T:U]?"),
            Just("limit(2; T) | U"),
            Just("reduce range(100) as $i (T; U)"),
            Just("while(T; U)"),
            Just("(T) = (U)"),
            Just("(T) += (U)"),
            Just("def f(g): T | g; f(U)"),
            Just("def f($x): U, $x; f(T)"),
            Just("join(T)? | U"),
            Just("INDEX(T; U)?"),
            Just("setpath([T]; U)?"),
            Just("test(T; U)?"),
        ];
        prop_oneof![
            (one, inner.clone()).prop_map(|(shape, t)| shape.replace('T', &t)),
            (two, inner.clone(), inner).prop_map(|(shape, t, u)| {
                let parts: Vec<_> = shape.split('U').map(|part| part.replace('T', &t)).collect();
                parts.join(&u)
            }),
        ]
    })
}

fn small() -> Bounds {
    Bounds { steps: 20_000, bytes: 1024 * 1024, time: Duration::from_secs(10) }
}

proptest! {
    #[test]
    fn any_text_compiles_or_is_refused(text in ".{0,60}") {
        let _ = Expression::compile(&text, &["input"]);
    }

    #[test]
    fn any_tokens_compile_or_are_refused(tokens in vec(prop_oneof![
        Just("("), Just(")"), Just("["), Just("]"), Just("{"), Just("}"), Just("\""), Just("\\("), Just("."), Just(".."), Just(".a"),
        Just("$x"), Just("|"), Just(","), Just("as"), Just("def"), Just("f:"), Just(";"), Just("if"), Just("then"), Just("end"),
        Just("reduce"), Just("-"), Just("+"), Just("//"), Just("?"), Just("1"), Just("@json"), Just("try"), Just("catch"),
        Just("label"), Just("break"), Just(":"), Just("#"), Just("\n"), Just("é"), Just("="), Just("|="), Just("and"),
    ], 0..30)) {
        for glue in ["", " "] {
            let text = tokens.join(glue);
            let refused = Expression::compile(&text, &["x"]).map(|e| e.evaluate(&Value::Null, &|_| Value::Null, &small()));
            if let Err(error) = refused {
                prop_assert!(matches!(error, ExpressionError::Compile(_)));
            }
        }
    }

    #[test]
    fn data_comes_back_as_it_was(value in any_json()) {
        let same = run(".", &value).unwrap();
        prop_assert_eq!(&same, &value);
        // The order of members, too, which comparing does not see.
        prop_assert_eq!(same.to_string(), value.to_string());
    }

    #[test]
    fn functions_agree_with_a_simple_model(value in any_json(), other in any_json()) {
        let pair = json!([value, other]);
        let ask = |text: &str| run(text, &pair).unwrap();
        prop_assert_eq!(ask(".[0] == .[1]"), json!(equal(&value, &other)));
        prop_assert_eq!(ask(".[0] == .[0]"), json!(true));
        prop_assert_eq!(ask("(.[0] < .[1]) != (.[0] >= .[1])"), json!(true));
        prop_assert_eq!(ask("[.[] | tojson | fromjson] == ."), json!(true));
        prop_assert_eq!(ask("[.[0] | tostream] | fromstream(.[]) "), value.clone());
        prop_assert_eq!(ask("[.[0] | ..] | length"), json!(count(&value)));
        prop_assert_eq!(ask(". as $dot | reduce (tostream | select(length == 2)) as [$p, $v] (null; setpath($p; $v)) | . == $dot"), json!(true));
        prop_assert_eq!(ask("[paths as $p | getpath($p)] == [..][1:]"), json!(true));
        prop_assert_eq!(ask(".[0] | walk(.)"), value.clone());
        prop_assert_eq!(ask("sort == (sort | reverse | sort)"), json!(true));
        prop_assert_eq!(ask("delpaths([paths])"), json!([]));
        prop_assert_eq!(ask("[.[0] | if type == \"object\" then (to_entries | from_entries) == . else true end]"), json!([true]));
        prop_assert_eq!(ask("[.[] | tojson | @base64 | @base64d | fromjson] == ."), json!(true));
        prop_assert_eq!(ask("[.[] | tojson | @base32 | @base32d | fromjson] == ."), json!(true));
        prop_assert_eq!(ask("[.[] | tojson | @uri | @urid | fromjson] == ."), json!(true));
        prop_assert_eq!(ask("[.[] | tojson | explode | implode | fromjson] == ."), json!(true));
        prop_assert_eq!(ask("[.[] | tojson | split(\"\") | join(\"\") | fromjson] == ."), json!(true));
    }

    #[test]
    fn programs_stay_within_their_bounds(text in any_program(), value in any_json()) {
        if let Ok(expression) = Expression::compile(&text, &["input"]) {
            let start = Instant::now();
            let first = expression.evaluate(&value, &|_| value.clone(), &small());
            prop_assert!(start.elapsed() < Duration::from_secs(8), "{text}: {:?}", start.elapsed());
            prop_assert!(!matches!(first, Err(ExpressionError::Compile(_) | ExpressionError::TooSlow(_))), "{text}");
            let second = expression.evaluate(&value, &|_| value.clone(), &small());
            prop_assert_eq!(first, second, "{}", text);
        }
    }

    #[test]
    fn functions_take_any_values(which in any::<prop::sample::Index>(), input in any_json(), args in vec(any_json(), 4)) {
        let signatures = prelude::signatures();
        let (name, arity) = which.get(&signatures);
        let args: Vec<String> = args.iter().take(*arity).map(|arg| arg.to_string().replace("\\u", "u")).collect();
        let text = if args.is_empty() { (*name).to_owned() } else { format!("{name}({})", args.join("; ")) };
        // Texts in JSON may have escapes that jq's have not.
        if let Ok(expression) = Expression::compile(&text, &[]) {
            let result = expression.evaluate(&input, &|_| Value::Null, &small());
            prop_assert!(!matches!(result, Err(ExpressionError::TooSlow(_))), "{text}");
        }
    }

    /// Copying only what is needed of the data changes nothing.
    #[test]
    fn what_is_not_needed_is_not_missed(text in any_program(), value in any_json()) {
        let data = json!({"a": {"b": value, "a": [value]}, "b": [value], "c": value});
        if let Ok(program) = compile::compile(&text, &["input"]) {
            let whole = Needs { input: Need::Whole, variables: vec![Need::Whole; program.variables.len()] };
            let pruned = Expression { text: text.as_str().into(), program: program.into() };
            let mut program = compile::compile(&text, &["input"]).unwrap();
            program.needs = whole;
            let full = Expression { text: text.as_str().into(), program: program.into() };
            let evaluate = |expression: &Expression| expression.evaluate(&data, &|_| data.clone(), &small());
            match (evaluate(&pruned), evaluate(&full)) {
                // Less data may stay within bounds that all of it does not.
                (_, Err(ExpressionError::TooMuchData(_))) => {}
                (pruned, full) => prop_assert_eq!(pruned, full, "{}", text),
            }
        }
    }
}

/// jq's equality: numbers by value.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (integer(a), integer(b)) {
            (Some(a), Some(b)) => a == b,
            _ => a.as_f64() == b.as_f64(),
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, a)| b.get(k).is_some_and(|b| equal(a, b)))
        }
        (a, b) => a == b,
    }
}

fn integer(number: &serde_json::Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum::<usize>(),
        Value::Object(members) => members.values().map(count).sum::<usize>(),
        _ => 0,
    }
}
