//! Functions of catalogs: what is wanted, and what those that were fetched may do.

use levqor_flow::document::{Checked, Fetched, Host, check_for, check_with, read};
use serde_json::json;

use super::shown;

const HEAD: &str = "document: { dsl: '1.0.3', namespace: tests, name: flow, version: '1.0.0' }
use:
  secrets: [ key ]
  timeouts: { short: { after: PT5S } }
  functions: { local: { set: { x: 1 } } }
  catalogs: { team: { endpoint: 'https://team.example/c/' }, acme: { endpoint: 'https://github.com/acme/tools' } }
";

fn address(function: &str) -> String {
    format!("https://team.example/c/functions/{function}/1.0.0/function.yaml")
}

/// Checks a document with these functions of the catalog `team`, each in version 1.0.0.
fn checked(rest: &str, functions: &[(&str, &str)]) -> Checked {
    let mut fetched = Fetched::default();
    for (name, text) in functions {
        fetched.insert(address(name), read(text).unwrap());
    }
    check_with(&read(&format!("{HEAD}{rest}")).unwrap(), &Host::default(), &fetched)
}

fn wanted(checked: &Checked) -> Vec<(&str, &str, &str)> {
    let wanted = checked.wanted.iter();
    wanted.map(|wanted| (wanted.pointer.as_str(), wanted.call.as_str(), wanted.uri.as_str())).collect()
}

#[test]
fn what_is_not_there_is_wanted_once_and_nothing_else_is_asked_of_it() {
    let rest = "do:\n- a: { call: 'log:1.0.0@team' }\n- b: { call: 'log:1.0.0@team', with: { x: 1 } }\n- c: { call: 'x:2.0.0@acme' }";
    let first = checked(rest, &[]);
    assert!(first.workflow.is_none() && first.errors.is_empty(), "{first:?}");
    assert_eq!(
        wanted(&first),
        [
            ("/do/0/a/call", "log:1.0.0@team", &*address("log")),
            (
                "/do/2/c/call",
                "x:2.0.0@acme",
                "https://raw.githubusercontent.com/acme/tools/HEAD/functions/x/2.0.0/function.yaml"
            ),
        ]
    );
    // Where nothing is fetched, it is an error.
    let offline = check_for(&read(&format!("{HEAD}{rest}")).unwrap(), &Host::default());
    let errors = shown(&offline.errors);
    assert!(
        errors.contains("/do/0/a/call: `log:1.0.0@team` is not here: it has to be fetched from"),
        "{errors}"
    );
    assert!(offline.wanted.is_empty());
}

#[test]
fn functions_that_functions_call_are_wanted_where_the_document_calls_them() {
    let rest = "do: [{ a: { call: 'outer:1.0.0@team' } }]";
    let outer = "do: [{ x: { call: 'inner:1.0.0@team', with: { y: 1 } } }]";
    let second = checked(rest, &[("outer", outer)]);
    assert_eq!(wanted(&second), [("/do/0/a/call", "inner:1.0.0@team", &*address("inner"))]);
    let third = checked(rest, &[("outer", outer), ("inner", "set: { z: '${ .y }' }")]);
    let workflow = third.workflow.unwrap();
    assert_eq!(workflow.functions.len(), 3, "the document's own, and two of the catalog");
    let task = &workflow.functions[2][0];
    assert_eq!(
        (&*task.name, &*task.reference),
        ("inner:1.0.0@team", "/use/catalogs/team/functions/inner/1.0.0")
    );
    assert_eq!(*task.source, json!({ "set": { "z": "${ .y }" } }));
}

#[test]
fn a_function_of_a_catalog_that_cannot_be_used_is_refused_where_it_is_called() {
    let rows = [
        ("set: { x: '${ $secrets.key }' }", "/set/x: a function of a catalog sees no secrets"),
        (
            "{ call: http, with: { method: get, endpoint: { uri: 'https://a.b', authentication: { basic: { use: key } } } } }",
            "/with/endpoint/authentication/basic/use: a function of a catalog sees no secrets",
        ),
        ("call: local", "/call: there is no function \"local\""),
        ("{ wait: PT1M, timeout: short }", "/timeout: `use.timeouts` has no \"short\""),
        ("{ sett: { x: 1 } }", "/sett: `sett` is not a member of a task"),
        ("call: 'f:1.0.0@team'", "a function cannot call itself, and here f:1.0.0@team calls f:1.0.0@team"),
        ("call: 'f:1.0.0@nowhere'", "/call: there is no catalog \"nowhere\""),
        ("{ run: { shell: { command: ls } } }", "/run/shell: `run: shell` is off on this server"),
        ("{ set: { x: '${ .[ }', y: '${ .] }', z: '${ .( }', a: '${ .) }' } }", "and 1 more"),
    ];
    for (function, reason) in rows {
        let found = checked("do: [{ a: { call: 'f:1.0.0@team' } }]", &[("f", function)]);
        assert!(found.workflow.is_none(), "{function}");
        let [issue] = &found.errors[..] else { panic!("{function}: {:?}", found.errors) };
        assert_eq!(issue.pointer, "/do/0/a/call", "{function}");
        assert!(issue.message.contains(reason), "{function}: {}", issue.message);
    }
}

#[test]
fn circles_over_several_functions_and_long_chains_are_refused() {
    let two = [("a", "call: 'b:1.0.0@team'"), ("b", "call: 'a:1.0.0@team'")];
    let found = checked("do: [{ x: { call: 'a:1.0.0@team' } }]", &two);
    let errors = shown(&found.errors);
    assert!(errors.contains("/do/0/x/call: a function cannot call itself"), "{errors}");
    // The document is loose, and its functions are not.
    let found = checked(
        "evaluate: { mode: loose }\ndo: [{ x: { call: 'a:1.0.0@team' } }]",
        &[("a", "set: { x: length }")],
    );
    let workflow = found.workflow.unwrap();
    let levqor_flow::definition::TaskKind::Set(template) = &workflow.functions[1][0].kind else { panic!() };
    assert!(matches!(template, levqor_flow::definition::Template::Literal(_)), "{template:?}");
}

#[test]
fn a_document_calls_a_bounded_number_of_functions_of_catalogs() {
    let tasks: Vec<_> = (0..40).map(|n| format!("{{ t{n}: {{ call: 'f{n}:1.0.0@team' }} }}")).collect();
    let found = checked(&format!("do: [ {} ]", tasks.join(", ")), &[]);
    assert_eq!(found.wanted.len(), 32);
    assert!(
        shown(&found.errors).contains("more than 32 functions of catalogs are called"),
        "{:?}",
        found.errors
    );
}

#[test]
fn what_was_fetched_has_a_stored_form() {
    let mut fetched = Fetched::default();
    fetched.insert("https://a.b/functions/f/1.0.0/function.yaml", json!({ "set": { "x": 1 } }));
    let text = serde_json::to_string(&fetched).unwrap();
    assert_eq!(text, r#"{"https://a.b/functions/f/1.0.0/function.yaml":{"set":{"x":1}}}"#);
    assert_eq!(serde_json::from_str::<Fetched>(&text).unwrap(), fetched);
}
