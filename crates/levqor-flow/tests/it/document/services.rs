//! The server's own functions: which there are, and what is said of their arguments before they are computed.

use levqor_flow::document::parse;

use super::{HEAD, shown, workflow};

fn errors(task: &str) -> String {
    let text = format!("{HEAD}use: {{ secrets: [hook] }}\ndo: [{{ a: {task} }}]");
    shown(&parse(&text).errors)
}

#[test]
fn what_is_constant_is_checked_when_saved() {
    let rows = [
        (
            "{ call: 'store:1.0.0@default', with: { action: gett, key: k } }",
            "/do/0/a/with/action: the argument is not",
        ),
        (
            "{ call: 'store:1.0.0@default', with: { action: set, key: k } }",
            "\"value\" is a required property",
        ),
        ("{ call: 'store:1.0.0@default', with: { key: k } }", "/do/0/a/with: `action` is missing in `with`"),
        ("{ call: 'store:1.0.0@default', with: { action: get, kee: k } }", "did you mean `key`?"),
        (
            "{ call: 'store:1.0.0@default', with: { action: get, key: '${ .k }', value: 1, expected: 2, x: 3 } }",
            "/do/0/a/with/x: `x` is not a member",
        ),
        (
            "{ call: 'approval:1.0.0@default', with: { message: '${ .m }', title: '' } }",
            "/do/0/a/with/title: the argument",
        ),
        (
            "{ call: 'webhook:1.0.0@default', with: { url: 'mailto:x', secret: '${ $secrets.hook }', body: 1 } }",
            "/do/0/a/with/url: the argument",
        ),
        (
            "{ call: 'store:2.0.0@default' }",
            "has no \"store:2.0.0\"; there are ai-chat:1.0.0@default, ai-classify:1.0.0@default, ai-extract:1.0.0@default, ai-summarise:1.0.0@default, approval:1.0.0@default, email:1.0.0@default, store:1.0.0@default, webhook:1.0.0@default",
        ),
        (
            "{ call: 'store:1.0.0@default', with: { action: gett, key: a } }",
            "/do/0/a/with/action: the argument is not what the function takes: \"gett\" is not one of \"get\", \"set\", \"delete\", \"compare-and-set\"",
        ),
        ("{ call: 'stor:1.0.0@default' }", "has no \"stor:1.0.0\""),
        ("{ call: 'store@default' }", "has no \"store:\""),
        (
            "{ call: 'email:1.0.0@default', with: { to: a@b.c, subject: s, text: t } }",
            "is off on this server; its operator can allow it by `mail.smtp_url`",
        ),
        (
            "{ call: 'email:1.0.0@default', with: { to: nobody, subject: '${ .s }', text: t } }",
            "/do/0/a/with/to: the argument",
        ),
        (
            "{ call: 'ai-classify:1.0.0@default', with: { text: x } }",
            "/do/0/a/with: `labels` is missing in `with`",
        ),
        (
            "{ call: 'ai-extract:1.0.0@default', with: { text: '${ .t }', schema: { properties: { n: { type: nimber } } } } }",
            "/do/0/a/with/schema",
        ),
        (
            "{ call: 'ai-summarise:1.0.0@default', with: { text: '${ .t }', maxSentences: 0 } }",
            "/do/0/a/with/maxSentences: the argument is not what the function takes",
        ),
        ("{ call: 'store:1.0.0@default', with: 5 }", "`with` must be an object"),
    ];
    for (task, reason) in rows {
        let found = errors(task);
        assert!(found.contains(reason), "{task}: {found}");
    }
}

#[test]
fn what_is_computed_is_left_to_the_run() {
    for task in [
        "{ call: 'store:1.0.0@default' }",
        "{ call: 'store:1.0.0@default', with: '${ .call }' }",
        "{ call: 'store:1.0.0@default', with: { action: '${ .action }', key: '${ .key }' } }",
        "{ call: 'approval:1.0.0@default', with: { title: '${ \"Pay \\(.sum)?\" }', data: { a: '${ . }' } } }",
        "{ call: 'webhook:1.0.0@default', with: { url: '${ .url }', secret: '${ $secrets.hook }', body: '${ . }' } }",
    ] {
        assert_eq!(errors(task), "", "{task}");
    }
}

#[test]
fn a_secret_that_all_can_read_is_no_secret() {
    let with = "{ url: 'https://a.b', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, body: {} }";
    let checked = parse(&format!("{HEAD}do: [{{ a: {{ call: 'webhook:1.0.0@default', with: {with} }} }}]"));
    assert!(checked.workflow.is_some(), "{:?}", checked.errors);
    assert!(shown(&checked.warnings).contains("/do/0/a/with/secret: a secret in a workflow is seen by all"));
}

#[test]
fn they_are_seen_in_pictures_by_their_names() {
    let workflow = workflow("do: [{ a: { call: 'approval:1.0.0@default', with: { title: Go? } } }]");
    let graph = levqor_flow::graph::graph(&workflow);
    assert!(format!("{graph:?}").contains("approval"), "{graph:?}");
}
