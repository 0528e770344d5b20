//! Nodes of a region share their limits, over one database.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use levqor_server::Settings;

use crate::support::TestApp;

/// Moves of the clock, and how often the nodes talk meanwhile.
const STEP: Duration = Duration::from_millis(50);
const STEPS_PER_TALK: u32 = 5;

/// How many requests each node gets at each step.
type Load = fn(step: u32, node: usize) -> u32;

/// Lets the load come for so many seconds, and counts what passes. `key`: by an account.
async fn passed(nodes: &[TestApp], seconds: u32, by_account: bool, load: Load) -> (u32, u32) {
    let (mut sent, mut passed) = (0, 0);
    for step in 0..seconds * 20 {
        // All nodes at once; what one node gets at once comes at once, too.
        let calls = nodes.iter().enumerate().flat_map(|(number, node)| {
            (0..load(step, number)).map(move |_| {
                let call = node.get("/api/plans").from("192.0.2.1");
                if by_account { call.key(&node.keys.viewer) } else { call }
            })
        });
        let answers = join_all(calls.map(|call| call.send())).await;
        sent += u32::try_from(answers.len()).unwrap();
        for answer in answers {
            assert!(
                matches!(answer.status, StatusCode::OK | StatusCode::TOO_MANY_REQUESTS),
                "{}",
                answer.text()
            );
            passed += u32::from(answer.status == StatusCode::OK);
        }
        nodes[0].clock.advance(STEP);
        if step % STEPS_PER_TALK == 0 {
            for node in nodes {
                node.app.share_callers().await.unwrap();
            }
        }
    }
    (sent, passed)
}

fn limits(settings: &mut Settings) {
    settings.anonymous_requests_per_minute = 100;
    settings.account_requests_per_minute = Some(1_000);
}

/// The same load on three nodes and on one: what passes must be the same within a hundredth.
async fn compare(name: &str, seconds: u32, by_account: bool, load: Load) {
    let three = TestApp::region(3, limits).await;
    let (sent, together) = passed(&three, seconds, by_account, load).await;
    let one = TestApp::with(limits).await;
    let mut alone = 0;
    for step in 0..seconds * 20 {
        for _ in 0..(0..3).map(|node| load(step, node)).sum() {
            let call = one.get("/api/plans").from("192.0.2.1");
            let call = if by_account { call.key(&one.keys.viewer) } else { call };
            alone += u32::from(call.send().await.status == StatusCode::OK);
        }
        one.clock.advance(STEP);
    }
    let off = f64::from(together.abs_diff(alone)) / f64::from(alone) * 100.0;
    println!("{name}: {sent} requests, {alone} pass one node, {together} pass three: {off:.2} % off");
    assert!(alone < sent, "{name}: the limit is reached");
    assert!(off <= 1.0, "{name}: {together} and not {alone}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_who_hammers_all_nodes_gets_one_quota() {
    compare("anonymous, evenly", 60, false, |step, _| if step % 2 == 0 { 1 } else { 0 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_who_hammers_one_node_gets_the_same_quota() {
    compare("anonymous, one node", 30, false, |step, node| if node == 1 && step % 2 == 0 { 3 } else { 0 })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_who_goes_from_node_to_node_gets_the_same_quota() {
    compare("anonymous, node by node", 60, false, |step, node| {
        if (step / 100) as usize % 3 == node && step % 2 == 0 { 1 } else { 0 }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_uses_all_nodes_unevenly_gets_one_quota() {
    compare("account, unevenly", 10, true, |step, node| [8, 3, 1][node] * (step % 2)).await;
}

#[tokio::test]
async fn a_burst_on_all_nodes_at_once_exceeds_the_quota_by_hardly_anything() {
    let nodes = TestApp::region(3, limits).await;
    let (_, passed) = passed(&nodes, 1, false, |step, _| if step == 0 { 100 } else { 0 }).await;
    // What each node lets pass untold, but for the first to ask.
    assert!((100..=102).contains(&passed), "{passed}");
}

#[tokio::test]
async fn rare_callers_cost_the_database_nothing_and_a_node_alone_never_asks_it() {
    let nodes = TestApp::region(2, limits).await;
    let region = nodes[0].app.region.code.clone();
    let told = async |node: &TestApp| {
        node.store.rates_since(region.clone(), None, node.app.now(), 100).await.unwrap().1.len()
    };
    for _ in 0..5 {
        for node in &nodes {
            assert_eq!(node.get("/api/plans").from("192.0.2.7").send().await.status, StatusCode::OK);
        }
        nodes[0].advance(2);
    }
    assert_eq!(told(&nodes[0]).await, 0, "a third of the rate passes untold");
    for _ in 0..3 {
        nodes[0].get("/api/plans").from("192.0.2.7").send().await;
    }
    assert_eq!(told(&nodes[0]).await, 1);
    let alone = TestApp::with(limits).await;
    for _ in 0..150 {
        alone.get("/api/plans").from("192.0.2.7").send().await;
    }
    alone.app.share_callers().await.unwrap();
    assert_eq!(told(&alone).await, 0);
}

#[tokio::test]
async fn without_the_database_each_node_lets_its_share_pass() {
    let nodes = TestApp::region(2, limits).await;
    for node in &nodes {
        node.store.close().await;
    }
    for node in &nodes {
        let mut passed = 0;
        for _ in 0..70 {
            // A page that asks the database nothing.
            let answer = node.get("/docs").from("192.0.2.1").send().await;
            passed += u32::from(answer.status == StatusCode::OK);
        }
        assert_eq!(passed, 50);
    }
}

#[tokio::test]
async fn a_rotation_of_keys_gives_nobody_a_fresh_quota() {
    let nodes = TestApp::region(2, |settings| settings.anonymous_requests_per_minute = 4).await;
    let ask = async |node: &TestApp| node.get("/api/plans").from("192.0.2.1").send().await.status;
    // Keys of one millisecond have no order.
    nodes[0].advance(1);
    let mut passed = 0;
    for _ in 0..10 {
        for node in &nodes {
            passed += u32::from(ask(node).await == StatusCode::OK);
        }
    }
    assert!((4..=5).contains(&passed), "{passed}");
    // It takes longer than one use takes to be free again, so all of them are used up once more.
    crate::keyring::rotate(&nodes[0], &["signing"]).await;
    let mut again = 0;
    for _ in 0..10 {
        for node in &nodes {
            again += u32::from(ask(node).await == StatusCode::OK);
        }
    }
    assert!(again <= 2, "{again} and not what 20 seconds free");
}

#[tokio::test]
async fn ai_requests_of_a_stranger_count_on_all_nodes() {
    let nodes = TestApp::region(2, |settings| settings.anonymous_ai_per_minute = 10).await;
    let mut passed = 0;
    for _ in 0..10 {
        for node in &nodes {
            let body = serde_json::json!({ "query": "What is a run?" });
            let answer = node.post("/api/ai/chat").from("192.0.2.1").json(&body).send().await;
            passed += u32::from(answer.status == StatusCode::OK);
        }
    }
    // One may pass untold on the second node.
    assert!((10..=11).contains(&passed), "{passed}");
}
