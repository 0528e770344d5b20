//! Whatever comes in, the answer comes fast and is an answer.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use levqor_flow::document::{bounded, check, parse, read};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{HEAD, shown};

/// Generous for a debug build on a busy machine; what is guarded against takes minutes or all memory.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn texts_beyond_the_bounds_are_refused_soon() {
    let bomb = (1..30).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |mut text, level| {
        let alias = format!("*a{}", level - 1);
        let _ = writeln!(text, "a{level}: &a{level} [{}]", [alias.as_str(); 9].join(", "));
        text
    });
    let long_bomb = format!("a: &a {:?}\nb: [{}]", "x".repeat(1_000), vec!["*a"; 5_000].join(", "));
    let deep_block: String = (0..1_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    let deep = "nested deeper than 64 levels";
    let table = [
        ("bomb", bomb, "alias"),
        ("long bomb", long_bomb, "expands to more than 1 MiB"),
        ("flow", "[".repeat(1_000) + &"]".repeat(1_000), deep),
        ("unclosed flow", "[".repeat(500_000), deep),
        ("flow mappings", "{a: ".repeat(1_000) + &"}".repeat(1_000), deep),
        ("block", deep_block, deep),
        ("block list", "- ".repeat(1_000), deep),
        ("json", "{\"a\":".repeat(1_000) + "1" + &"}".repeat(1_000), deep),
        ("json lists", "{\"a\":".to_owned() + &"[".repeat(1_000) + &"]".repeat(1_000) + "}", deep),
        ("65", "[".repeat(65) + &"]".repeat(65), deep),
        ("10 MB", "a: ".to_owned() + &"x".repeat(10_000_000), "1048576 are allowed"),
    ];
    for (name, text, message) in table {
        let start = Instant::now();
        let issue = read(&text).unwrap_err();
        assert!(start.elapsed() < SOON, "{name}: {:?}", start.elapsed());
        assert!(issue.message.contains(message), "{name}: {}", issue.message);
    }
}

#[test]
fn the_bounds_themselves_are_allowed() {
    let lists = "[".repeat(64) + &"]".repeat(64);
    let objects = "{\"a\":".repeat(64) + "1" + &"}".repeat(64);
    for text in [lists, objects] {
        let value = read(&text).unwrap();
        assert_eq!(bounded(&value), Ok(()));
        assert!(bounded(&json!([value])).unwrap_err().message.contains("nested deeper"));
    }
    let full = format!("a: {}", "x".repeat(1024 * 1024 - 4));
    assert!(read(&full).is_ok());
    assert!(read(&format!("{full}xx")).is_err());
    assert!(bounded(&json!({ "a": "x".repeat(1024 * 1024) })).is_err());
    assert!(
        check(&json!([json!("x".repeat(2 * 1024 * 1024))])).errors[0].message.contains("larger than 1 MiB")
    );
}

/// A task inside `levels` blocks, and as many tasks as fit.
fn nested(levels: usize, inner: &str) -> String {
    let open: String = (0..levels).map(|_| "[{\"t\":{\"do\":".to_owned()).collect();
    format!("{open}{inner}{}", "}}]".repeat(levels))
}

#[test]
fn large_documents_are_checked_soon() {
    let room = 500_000;
    let many = |task: &dyn Fn(usize) -> String| {
        let mut tasks = String::new();
        let mut number = 0;
        while tasks.len() < room {
            let _ = write!(tasks, "{}{}", if number == 0 { "" } else { "," }, task(number));
            number += 1;
        }
        format!("[{tasks}]")
    };
    let head = r#"{"document":{"dsl":"1.0.3","namespace":"test","name":"large","version":"1.0.0"},"do":"#;
    let name = "n".repeat(500_000);
    let table = [
        ("tasks", many(&|n| format!(r#"{{"t{n}":{{"set":{{"a":1}}}}}}"#)), true),
        ("jumps", many(&|n| format!(r#"{{"t{n}":{{"set":{{"a":1}},"then":"t{}"}}}}"#, n / 2)), true),
        ("expressions", many(&|n| format!(r#"{{"t{n}":{{"set":{{"a":"${{ .a + {n} }}"}}}}}}"#)), true),
        ("wrong targets", many(&|n| format!(r#"{{"t{n}":{{"set":{{"a":1}},"then":"x{n}"}}}}"#)), false),
        ("wrong members", many(&|n| format!(r#"{{"t{n}":{{"set":{{"a":1}},"thne":1,"iff":2}}}}"#)), false),
        ("wrong expressions", many(&|n| format!(r#"{{"t{n}":{{"set":{{"a":"${{ ( }}"}}}}}}"#)), false),
        ("no tasks", many(&|_| "1".to_owned()), false),
        ("nested tasks", nested(19, &many(&|n| format!(r#"{{"t{n}":{{"set":{{"a":1}}}}}}"#))), true),
        (
            "nested data",
            nested(19, &format!(r#"[{{"t":{{"set":{{"a":{}}}}}}}]"#, many(&|_| "1".to_owned()))),
            true,
        ),
        (
            "large list",
            format!(r#"[{{"t":{{"for":{{"in":{}}},"do":[]}}}}]"#, many(&|_| "1".to_owned())),
            true,
        ),
        ("long name", format!(r#"[{{"{name}":{{"sett":1}}}}]"#), false),
        (
            "wrong under a long name",
            format!(
                r#"[{{"t":{{"call":"http","with":{{"method":"get","endpoint":"https://a.b","headers":{{"{name}":{}}}}}}}}}]"#,
                1
            ),
            true,
        ),
        (
            "schemas",
            many(&|n| {
                format!(
                    r#"{{"t{n}":{{"set":{{"a":1}},"input":{{"schema":{{"document":{{"type":"object"}}}}}}}}}}"#
                )
            }),
            false,
        ),
        (
            "patterns",
            many(&|n| {
                let pattern = format!(r"^(\\w{{1,20}}){{{{9}}}}{n}");
                format!(
                    r#"{{"t{n}":{{"set":{{"a":1}},"input":{{"schema":{{"document":{{"pattern":"{pattern}"}}}}}}}}}}"#
                )
            }),
            false,
        ),
        (
            "large schema",
            format!(
                r#"[{{"t":{{"set":{{"a":1}},"input":{{"schema":{{"document":{{"properties":{{{}}}}}}}}}}}}}]"#,
                (0..15_000)
                    .map(|n| format!(r##""p{n}":{{"$ref":"#/properties/p{}"}}"##, n / 2 + 1))
                    .collect::<Vec<_>>()
                    .join(",")
            ),
            false,
        ),
        ("one error raised often", many(&|n| format!(r#"{{"t{n}":{{"raise":{{"error":"e"}}}}}}"#)), false),
    ];
    for (name, tasks, accepted) in table {
        let text = format!("{head}{tasks}}}");
        assert!(text.len() <= 1024 * 1024 + 600, "{name}: {}", text.len());
        let start = Instant::now();
        let checked = parse(&text);
        let elapsed = start.elapsed();
        println!("{name}: {elapsed:?}, {} errors", checked.errors.len());
        assert!(elapsed < SOON, "{name}: {elapsed:?}");
        assert_eq!(checked.workflow.is_some(), accepted, "{name}: {:.2000}", shown(&checked.errors));
        assert!(checked.errors.len() <= 501, "{name}");
        assert!(shown(&checked.errors).len() < 3 * 1024 * 1024, "{name}");
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    const WORDS: &[&str] = &[
        "do",
        "call",
        "http",
        "with",
        "set",
        "for",
        "each",
        "in",
        "at",
        "while",
        "try",
        "catch",
        "retry",
        "switch",
        "when",
        "then",
        "end",
        "exit",
        "fork",
        "branches",
        "wait",
        "raise",
        "error",
        "type",
        "status",
        "run",
        "workflow",
        "input",
        "from",
        "schema",
        "document",
        "output",
        "as",
        "export",
        "timeout",
        "after",
        "use",
        "errors",
        "retries",
        "timeouts",
        "schedule",
        "cron",
        "every",
        "if",
        "${ .a }",
        "${ $item }",
        ".a",
        "PT1S",
        "* * * * *",
        "limit",
        "delay",
        "backoff",
        "jitter",
        "metadata",
        "levqor",
        "zone",
        "priority",
        "concurrency",
        "key",
        "overlap",
        "residency",
        "evaluate",
        "$ref",
        "#",
        "allOf",
        "properties",
        "items",
    ];
    let word = prop::sample::select(WORDS).prop_map(str::to_owned);
    let text = prop_oneof![4 => word, 1 => "\\PC{0,12}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 80, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A value in every place where the checks have something to do with it.
fn around(value: &Value) -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "test", "name": "any", "version": "1.0.0", "metadata": { "levqor": {
            "zone": value, "concurrency": value, "schedule": value, "residency": value, "priority": value, "key": value,
            "approval": value, "budget": value,
        } } },
        "input": value, "output": value, "timeout": value, "schedule": value, "evaluate": value,
        "use": { "errors": { "e": value }, "retries": { "r": value }, "timeouts": { "t": value }, "functions": value },
        "do": [
            { "a": { "call": "http", "with": value } },
            { "b": { "do": value, "input": value, "output": value, "export": value, "if": value, "then": value } },
            { "c": { "for": value, "do": value, "while": value } },
            { "d": { "fork": value } }, { "e": { "raise": value } }, { "f": { "run": value } }, { "g": { "set": value } },
            { "h": { "switch": value } }, { "i": { "try": value, "catch": value } },
            { "j": { "try": [], "catch": { "retry": value, "errors": value, "as": value } } },
            { "k": { "wait": value } }, { "l": value }, value,
        ],
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_value_is_checked(value in any_value()) {
        for document in [value.clone(), around(&value)] {
            let checked = check(&document);
            prop_assert_eq!(checked.workflow.is_some(), checked.errors.is_empty());
            for issue in checked.errors.iter().chain(&checked.warnings) {
                prop_assert!(!issue.message.is_empty());
            }
            // What is refused is refused at a place that is there, or for something that is not.
            for issue in &checked.errors {
                prop_assert!(document.pointer(&issue.pointer).is_some(), "{:?}", issue);
            }
        }
    }

    #[test]
    fn any_text_is_read(text in "\\PC{0,200}|([a-z]{0,3}[:{}\\[\\]\"'&*#|>!%@,\\- \n?~0-9]{0,6}){0,40}") {
        let _ = parse(&text);
        let _ = parse(&format!("{HEAD}do:\n{text}"));
    }

    #[test]
    fn json_and_yaml_agree(value in any_value()) {
        let text = value.to_string();
        if value.is_object() {
            // A leading comment sends the text to the YAML reader.
            let yaml = read(&format!("# yaml\n{text}"));
            let json = read(&text);
            prop_assert_eq!(json.as_ref().ok(), Some(&value));
            prop_assert_eq!(yaml.as_ref().ok(), Some(&value), "{:?}", yaml);
        }
    }
}
