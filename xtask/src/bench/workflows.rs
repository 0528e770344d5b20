//! The definitions that are measured.

use serde_json::{Value, json};

use super::exchange::Echo;

fn document(name: &str, tasks: Value) -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "bench", "name": name, "version": "0.1.0" },
        "do": tasks,
    })
}

fn call(echo: &Echo, path: &str) -> Value {
    json!({ "call": "http", "with": { "method": "post", "endpoint": echo.url(path), "body": "${ . }" } })
}

/// Three tasks of pure work, each with expressions.
pub fn three_tasks() -> Value {
    document(
        "three",
        json!([
            { "double": { "set": { "n": "${ .n * 2 }" } } },
            { "name": { "set": { "n": "${ .n }", "name": "${ \"number \\(.n)\" }" } } },
            { "judge": { "set": { "n": "${ .n }", "even": "${ .n % 2 == 0 }" } } },
        ]),
    )
}

/// Calls one after the other.
pub fn calls_in_sequence(echo: &Echo, calls: usize) -> Value {
    let tasks: Vec<_> = (0..calls).map(|n| json!({ format!("call{n}"): call(echo, "/echo") })).collect();
    document("sequence", tasks.into())
}

/// A fork of branches that each call, and the join of what they gave.
pub fn fork(echo: &Echo, branches: usize) -> Value {
    let branches: Vec<_> =
        (0..branches).map(|n| json!({ format!("branch{n}"): call(echo, "/echo") })).collect();
    document(
        "fork",
        json!([
            { "all": { "fork": { "branches": branches } } },
            { "count": { "set": { "count": "${ length }" } } },
        ]),
    )
}

/// A run that waits for longer than anything here takes.
pub fn long_wait() -> Value {
    document(
        "patient",
        json!([{ "pause": { "wait": { "hours": 12 } } }, { "done": { "set": { "ok": true } } }]),
    )
}

/// A call that is never answered.
pub fn held_call(echo: &Echo) -> Value {
    document("held", json!([{ "held": call(echo, "/hold") }]))
}
