//! What is under way when a server is killed: a workflow of every kind of durable step, and the callee's view of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{HttpStub, Received};

/// Two calls with a wait between them. Its input is `{ "n": … }`, which both calls send and the output repeats.
pub fn two_calls_and_a_wait(stub: &HttpStub, wait_seconds: u64) -> Value {
    let call = |path: &str| {
        json!({ "call": "http", "with": {
            "method": "post", "endpoint": stub.url(path), "body": "${ $workflow.input }",
        } })
    };
    json!({
        "document": { "dsl": "1.0.3", "namespace": "crash", "name": "two-calls", "version": "0.1.0" },
        "do": [
            { "first": call("/first") },
            { "pause": { "wait": { "seconds": wait_seconds } } },
            { "second": call("/second") },
            { "report": { "set": { "n": "${ $workflow.input.n }" } } },
        ],
    })
}

/// The type of the event that [`two_calls_and_an_event`] emits.
const EVENT: &str = "com.example.crash.called";

/// [`two_calls_and_a_wait`] that tells the world at its end, with an event that carries its input.
pub fn two_calls_and_an_event(stub: &HttpStub, wait_seconds: u64) -> Value {
    let mut definition = two_calls_and_a_wait(stub, wait_seconds);
    let emit = json!({ "told": { "emit": { "event": { "with": {
        "source": "https://example.com/crash", "type": EVENT, "data": "${ $workflow.input }",
    } } } } });
    if let Some(tasks) = definition["do"].as_array_mut() {
        tasks.insert(3, emit);
    }
    definition
}

/// Starts on each of those events and makes one call with what it carries.
pub fn call_on_event(stub: &HttpStub) -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "crash", "name": "told", "version": "0.1.0" },
        "schedule": { "on": { "one": { "with": { "type": EVENT } } } },
        "do": [{ "third": { "call": "http", "with": {
            "method": "post", "endpoint": stub.url("/third"), "body": "${ $workflow.input[0].data }",
        } } }],
    })
}

/// Calls once a second, by its schedule.
pub fn call_each_second(stub: &HttpStub) -> Value {
    json!({
        "document": {
            "dsl": "1.0.3", "namespace": "crash", "name": "tick", "version": "0.1.0",
            // However late they are noticed.
            "metadata": { "levqor": { "schedule": { "misfire": "fire-all" } } },
        },
        "schedule": { "every": { "seconds": 1 } },
        "do": [{ "tick": { "call": "http", "with": { "method": "post", "endpoint": stub.url("/tick"), "body": {} } } }],
    })
}

/// Makes one call with the message of a webhook that starts it.
pub fn call_on_message(stub: &HttpStub) -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "crash", "name": "hooked", "version": "0.1.0" },
        "do": [{ "hooked": { "call": "http", "with": {
            "method": "post", "endpoint": stub.url("/hooked"), "body": "${ $workflow.input.body }",
        } } }],
    })
}

/// Ends in its first step and reaches nobody.
pub fn only_says() -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "crash", "name": "says", "version": "0.1.0" },
        "do": [{ "say": { "set": { "said": true } } }],
    })
}

/// Starts this many runs of [`stays`], and waits for none.
pub fn start_many(count: u64) -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "crash", "name": "many", "version": "0.1.0" },
        "do": [{ "each": { "for": { "each": "n", "in": format!("${{ [range({count})] }}") }, "do": [
            { "start": { "run": { "await": false, "workflow": { "namespace": "crash", "name": "stays", "version": "0.1.0" } } } },
        ] } }],
    })
}

/// Waits for a day.
pub fn stays() -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "crash", "name": "stays", "version": "0.1.0" },
        "do": [{ "pause": { "wait": { "hours": 24 } } }],
    })
}

/// The idempotency key of the call of a run of [`call_each_second`].
pub fn key_of_tick(run: &str) -> String {
    format!("{run}/do/0/tick/0")
}

/// The idempotency key of the call of a run of [`call_on_message`].
pub fn key_of_hooked(run: &str) -> String {
    format!("{run}/do/0/hooked/0")
}

/// The idempotency key of the call of a run of [`call_on_event`].
pub fn key_of_told(run: &str) -> String {
    format!("{run}/do/0/third/0")
}

/// The idempotency keys of the calls of a run of [`two_calls_and_a_wait`].
pub fn keys_of(run: &str) -> [String; 2] {
    [format!("{run}/do/0/first/0"), format!("{run}/do/2/second/0")]
}

/// What came under one idempotency key.
#[derive(Debug, Clone)]
pub struct Effect {
    pub first: Received,
    pub deliveries: usize,
    /// Every delivery asked for the same.
    pub is_constant: bool,
}

/// All effects that reached a callee, by idempotency key; what came without one is under the empty key.
pub fn effects(stub: &HttpStub) -> BTreeMap<String, Effect> {
    let mut effects: BTreeMap<String, Effect> = BTreeMap::new();
    for received in stub.requests() {
        let key = received.idempotency_key().unwrap_or_default().to_owned();
        match effects.get_mut(&key) {
            None => drop(effects.insert(key, Effect { first: received, deliveries: 1, is_constant: true })),
            Some(effect) => {
                effect.deliveries += 1;
                let asked = |received: &Received| {
                    (
                        received.method.clone(),
                        received.path.clone(),
                        received.query.clone(),
                        received.body.clone(),
                    )
                };
                effect.is_constant &= asked(&effect.first) == asked(&received);
            }
        }
    }
    effects
}
