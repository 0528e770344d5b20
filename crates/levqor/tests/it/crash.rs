//! kill -9 under load: what was acknowledged completes, and effects carry stable keys.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt, stream};
use levqor_testkit::{
    HttpStub, Reply, Route,
    crash::{effects, two_calls_and_a_wait},
    temp_dir,
};
use serde_json::json;

use crate::api::Levqor;

/// Runs in flight when the process is killed. `LEVQOR_CRASH_RUNS=1000` repeats the long form by hand.
fn runs() -> usize {
    std::env::var("LEVQOR_CRASH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(200)
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_kill_9() {
    let stub = HttpStub::start().await;
    // Slow answers keep calls in flight at the moment of death.
    for path in ["/first", "/second"] {
        stub.route(
            Route::new(path).reply(Reply::json(&json!({ "ok": true })).after(Duration::from_millis(20))),
        );
    }
    let directory = temp_dir();
    let mut levqor = Levqor::first(directory.path()).await;
    let workflow = levqor.create(&two_calls_and_a_wait(&stub, 2)).await;
    let total = runs();
    let acknowledged: Vec<String> = stream::iter(0..total)
        .map(|n| {
            let (levqor, workflow) = (&levqor, &workflow);
            async move {
                let run = levqor.start(workflow, &json!({ "input": { "n": n } })).await;
                run["run_id"].as_str().unwrap().to_owned()
            }
        })
        .buffer_unordered(32)
        .collect()
        .await;
    levqor.server.kill().unwrap();
    let key = levqor.key.clone();
    drop(levqor);
    let levqor = Levqor::again(directory.path(), &key).await;
    let mut outputs = BTreeSet::new();
    for run in &acknowledged {
        let ended = levqor.ended(run).await;
        assert_eq!(ended["status"], "completed", "{ended}");
        outputs.insert(ended["output"]["n"].as_u64().unwrap());
    }
    assert_eq!(outputs.len(), total, "each run kept its own input");
    // Every run reached both callees, and each effect is one key however often it was sent.
    let effects = effects(&stub);
    assert_eq!(effects.len(), 2 * total, "{} runs, two effects each", total);
    assert!(effects.values().all(|effect| effect.is_constant), "{effects:?}");
    let repeated = effects.values().filter(|effect| effect.deliveries > 1).count();
    println!("{total} runs, {} effects, {repeated} of them sent more than once", effects.len());
}
