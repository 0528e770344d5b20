//! From text to data.

use levqor_flow::document::read;

#[test]
fn yaml_is_read_by_the_core_schema_of_version_1_2() {
    let table = [
        ("on: on", r#"{"on":"on"}"#),
        ("a: yes", r#"{"a":"yes"}"#),
        ("a: [true, True, FALSE]", r#"{"a":[true,true,false]}"#),
        ("a: [null, Null, ~, ]", r#"{"a":[null,null,null]}"#),
        ("a:", r#"{"a":null}"#),
        ("a: 2024-01-01", r#"{"a":"2024-01-01"}"#),
        ("a: 12:30:45", r#"{"a":"12:30:45"}"#),
        ("a: 1_000", r#"{"a":"1_000"}"#),
        ("a: [0x1F, 0o17, +5, -5]", r#"{"a":[31,15,5,-5]}"#),
        ("a: [1.0, 1e3, .5, -.5]", r#"{"a":[1.0,1000.0,0.5,-0.5]}"#),
        ("a: 18446744073709551615", r#"{"a":18446744073709551615}"#),
        ("a: -9223372036854775808", r#"{"a":-9223372036854775808}"#),
        ("a: '1'\nb: \"1\"", r#"{"a":"1","b":"1"}"#),
        ("a: ${ .x }", r#"{"a":"${ .x }"}"#),
        ("a: |\n  one\n  two\n", r#"{"a":"one\ntwo\n"}"#),
        ("a: >-\n  one\n  two\n", r#"{"a":"one two"}"#),
        ("a: &x {b: 1}\nc: *x", r#"{"a":{"b":1},"c":{"b":1}}"#),
        ("%YAML 1.2\n---\na: 1\n...\n", r#"{"a":1}"#),
        ("\u{feff}a: 1", r#"{"a":1}"#),
        ("{a: 1, b: [x, 'y']}", r#"{"a":1,"b":["x","y"]}"#),
        ("  {\"z\": 1, \"a\": [1.0, 2]}\n", r#"{"z":1,"a":[1.0,2]}"#),
        ("\u{feff}{\"a\": 1}", r#"{"a":1}"#),
        ("- 1\n- 2", "[1,2]"),
        ("a: !!str 1", r#"{"a":"1"}"#),
    ];
    for (text, json) in table {
        assert_eq!(
            read(text).unwrap_or_else(|issue| panic!("{text:?}: {issue:?}")).to_string(),
            json,
            "{text:?}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_a_place_and_a_remedy() {
    let table = [
        ("", "the document is empty; a workflow has at least `document` and `do`"),
        ("# nothing\n", "the document is empty"),
        ("~", "the document is empty"),
        ("a: 1\n---\nb: 2", "line 3, column 1: there are several documents in this text"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: the key \"a\" is there twice; remove or rename one"),
        ("{\"a\": 1,\n \"a\": 2}", "line 2, column 4: the key \"a\" is there twice"),
        ("{\"a\": {\"b\": 1, \"\\u0062\": 2}}", "the key \"b\" is there twice"),
        ("a: {b: 1, 'b': 2}", "the key \"b\" is there twice"),
        ("1: x", "line 1, column 1: the key 1 is not text; put it in quotes"),
        ("true: x", "the key true is not text"),
        ("~: x", "the key null is not text"),
        ("1.5: x", "the key 1.5 is not text"),
        ("[a]: x", "the key […] is not text"),
        ("? {a: 1}\n: x", "the key {…} is not text"),
        ("a: .nan", "line 1, column 4: \".nan\" is not a finite number"),
        ("a: -.inf", "is not a finite number"),
        ("a: 1e999", "is not a finite number"),
        ("{\"a\": 1e999}", "is not a finite number"),
        ("<<: {a: 1}", "`<<` is not part of YAML 1.2"),
        ("a: !thing 1", "the tag \"!thing\" has no meaning here"),
        ("a: *b", "this alias (`*name`) has no anchor"),
        ("a: &b [*b]", "stands inside its own anchor"),
        ("a: [1, 2", "this is not YAML or JSON: unclosed bracket '['"),
        ("a: 'x", "this is not YAML or JSON: unclosed quote"),
        ("a: b: c", "line 1, column 5: this is not YAML or JSON: mapping values are not allowed"),
        ("{\"a\": 1} x", "this is not YAML or JSON"),
        ("a: \u{0}", "this is not YAML or JSON"),
    ];
    for (text, message) in table {
        let issue = read(text).unwrap_err();
        assert_eq!(issue.pointer, "", "{text:?}");
        assert!(issue.message.contains(message), "{text:?}: {}", issue.message);
    }
}
