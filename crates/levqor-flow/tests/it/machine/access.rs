//! Credentials and secrets: what calls are sent with, what a run sees, and that replay sees the same.

use std::sync::Arc;

use levqor_flow::{
    access::Credentials,
    machine::{Effect, Event, HttpRequest, Machine, Outcome, Surroundings},
    secrets::{SecretBook, SecretVersions},
};
use levqor_model::{RunStatus, Secret};
use serde_json::{Value, json};

use super::play::{START, workflow};

/// Three versions of `key`, one of `login`.
fn surroundings() -> Arc<Surroundings> {
    let mut secrets = SecretBook::default();
    secrets.insert("key", 1, json!("first"));
    secrets.insert("key", 2, json!("second"));
    secrets.insert("login", 1, json!({ "username": "ada", "password": "hush" }));
    Arc::new(Surroundings { secrets: Arc::new(secrets), ..Surroundings::default() })
}

fn versions(pairs: &[(&str, u64)]) -> SecretVersions {
    pairs.iter().map(|(name, version)| ((*name).to_owned(), *version)).collect()
}

struct Play {
    text: String,
    machine: Machine,
    journal: Vec<Event>,
}

impl Play {
    fn start(text: &str, input: Value, secrets: SecretVersions) -> Self {
        let run = "run_01KDV7N5C00000000000000000".parse().unwrap();
        let event = Event::Started { at: START, run, input, seed: 7, secrets };
        let machine = Machine::start(workflow(text), surroundings(), &event).unwrap();
        let mut play = Self { text: text.to_owned(), machine, journal: vec![event] };
        play.run();
        play
    }

    fn run(&mut self) {
        self.machine.run(u64::MAX, &mut Vec::new(), &mut ()).unwrap();
    }

    fn apply(&mut self, event: Event) {
        self.machine.apply(&event, &mut ()).unwrap();
        self.journal.push(event);
        self.run();
        // Through JSON, as a store keeps it.
        let stored = serde_json::to_string(&self.journal).unwrap();
        let journal: Vec<Event> = serde_json::from_str(&stored).unwrap();
        let replayed = Machine::replay(workflow(&self.text), surroundings(), &journal, &mut ()).unwrap();
        assert_eq!(format!("{replayed:?}"), format!("{:?}", self.machine));
    }

    fn answer(&mut self, output: Value) {
        let effect = self.machine.pending()[0].id();
        self.apply(Event::ended(START, effect, Outcome::Output(output)));
    }

    fn call(&self) -> HttpRequest {
        match self.machine.pending().into_iter().next() {
            Some(Effect::CallHttp { call, .. }) => call,
            other => panic!("{other:?}; {:?}", self.machine.error()),
        }
    }

    fn fault(&self) -> (i64, String) {
        let error = self.machine.error().unwrap_or_else(|| panic!("{:?}", self.machine));
        (error.status, error.detail.clone().unwrap_or_default())
    }
}

fn call(with: &str, rest: &str) -> String {
    format!(
        "use: {{ secrets: [key, login] }}\ndo: [{{ a: {{ call: http, with: {{ method: get, {with} }}{rest} }} }}]"
    )
}

#[test]
fn policies_become_credentials() {
    let basic = Credentials::Basic { username: "ada".into(), password: Secret::new("hush") };
    let digest = Credentials::Digest { username: "ada".into(), password: Secret::new("hush") };
    let bearer = |token: &str| Credentials::Bearer { token: Secret::new(token) };
    let rows = [
        ("basic: { username: '${ .user }', password: '${ $secrets.login.password }' }", basic.clone()),
        ("basic: { use: login }", basic),
        ("digest: { use: login }", digest),
        ("bearer: { token: '${ $secrets.key }' }", bearer("first")),
        ("bearer: { use: key }", bearer("first")),
        ("bearer: { token: literal }", bearer("literal")),
    ];
    for (policy, expected) in rows {
        let text = call(&format!("endpoint: {{ uri: 'http://h/', authentication: {{ {policy} }} }}"), "");
        let play = Play::start(&text, json!({ "user": "ada" }), versions(&[("key", 1), ("login", 1)]));
        assert_eq!(play.call().credentials, Some(expected), "{policy}");
    }
}

#[test]
fn a_reusable_policy_is_evaluated_where_it_is_used() {
    let text = "
        use:
          secrets: [key]
          authentications:
            shop:
              oauth2:
                authority: 'http://auth/{realm}'
                grant: client_credentials
                client: { id: levqor, secret: '${ $secrets.key }' }
                scopes: [ '${ .scope }' ]
        do: [{ a: { call: http, with: { method: get, endpoint: { uri: http://h/, authentication: { use: shop } } } } }]";
    let play = Play::start(text, json!({ "realm": "r 1", "scope": "read" }), versions(&[("key", 2)]));
    let Some(Credentials::Token(request)) = play.call().credentials else { panic!() };
    assert_eq!(request.client_secret, Some(Secret::new("second")));
    assert_eq!(request.scopes, ["read"]);
    let known = levqor_flow::access::TokenEndpoint::Known("http://auth/r%201/oauth2/token".into());
    assert_eq!(request.endpoint, known);
}

#[test]
fn the_authorization_is_seen_by_the_definition_the_output_and_the_export() {
    let text = call(
        "endpoint: { uri: 'http://h/', authentication: { basic: { use: login } } }, headers: { x: '${ $authorization.parameter }' }",
        ", output: { as: '{ seen: $authorization.scheme }' }, export: { as: '{ exported: $authorization.parameter }' }",
    );
    let text = format!("{text}\noutput: {{ as: '. + $context' }}");
    let mut play = Play::start(&text, json!({}), versions(&[("login", 1)]));
    assert_eq!(play.call().headers, [("x".to_owned(), "YWRhOmh1c2g=".to_owned())]);
    play.answer(json!(1));
    assert_eq!(play.machine.output(), Some(&json!({ "seen": "Basic", "exported": "YWRhOmh1c2g=" })));
}

#[test]
fn a_secret_that_is_not_there_is_an_error_that_can_be_caught() {
    let text = "
        use: { secrets: [key, other] }
        do:
          - guarded:
              try: [{ a: { set: { x: '${ $secrets.other }' } } }]
              catch: { errors: { with: { status: 403 } }, do: [{ b: { set: { y: '${ $secrets.key }' } } }] }";
    let play = Play::start(text, json!({}), versions(&[("key", 1)]));
    assert_eq!(play.machine.output(), Some(&json!({ "y": "first" })));

    let whole = "
        use: { secrets: [key, other] }
        do: [{ a: { set: { x: '${ $secrets | keys }' } } }]";
    let (status, detail) = Play::start(whole, json!({}), versions(&[("key", 1)])).fault();
    assert_eq!(status, 403);
    assert!(detail.contains("`other` was not set"), "{detail}");
    // A version that nobody kept is as absent as one that never was.
    let (status, _) = Play::start(&whole.replace(", other", ""), json!({}), versions(&[("key", 9)])).fault();
    assert_eq!(status, 403);
}

#[test]
fn a_run_keeps_its_versions_until_it_is_retried() {
    let text = "
        use: { secrets: [key] }
        do:
          - first: { call: http, with: { method: get, endpoint: http://h/, headers: { k: '${ $secrets.key }' } } }
          - second: { set: { k: '${ $secrets.key }' }, if: $secrets.key == \"second\" }
          - third: { raise: { error: { type: urn:x, status: 418 } }, if: $secrets.key == \"first\" }";
    let mut play = Play::start(text, json!({}), versions(&[("key", 1)]));
    assert_eq!(play.call().headers, [("k".to_owned(), "first".to_owned())]);
    play.answer(json!({}));
    assert_eq!(play.fault().0, 418);
    play.apply(Event::Retried { at: START, secrets: versions(&[("key", 2)]) });
    assert_eq!(play.machine.status(), RunStatus::Completed);
}

#[test]
fn settings_that_cannot_be_used_are_a_configuration_error_without_the_value() {
    let text = call("endpoint: { uri: 'http://h/', authentication: { basic: { use: key } } }", "");
    let (status, detail) = Play::start(&text, json!({}), versions(&[("key", 1)])).fault();
    assert_eq!(status, 400);
    assert!(detail.contains("must be an object") && !detail.contains("first"), "{detail}");
}
