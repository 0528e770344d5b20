//! A key is worked on by one caller, and answered the same ever after.

use std::time::Duration;

use levqor_model::{NodeId, Timestamp};
use levqor_store::{
    idempotency::{Claim, KeyClaim, StoredAnswer},
    nodes::NewNode,
    runs::{Accepted, NewRun},
};

use crate::support::{NOW, World, region};

const MINUTE: Duration = Duration::from_secs(60);

async fn claim(world: &World, scope: &str, hash: u8, now: Timestamp) -> Claim {
    claim_by(world, "node_00000000000000000000000001".parse().unwrap(), scope, hash, now).await
}

async fn claim_by(world: &World, node: NodeId, scope: &str, hash: u8, now: Timestamp) -> Claim {
    world
        .store
        .claim_idempotency(node, scope.to_owned(), "key".to_owned(), [hash; 32], now, now - MINUTE)
        .await
        .unwrap()
}

fn answer(hash: u8, status: u16) -> StoredAnswer {
    StoredAnswer {
        request_hash: [hash; 32],
        status,
        content_type: "application/json".to_owned(),
        body: b"{}".to_vec(),
    }
}

#[tokio::test]
async fn the_first_answer_is_given_again() {
    let world = World::new();
    let (scope, key) = (|| "acc".to_owned(), || "key".to_owned());
    assert_eq!(claim(&world, "acc", 1, NOW).await, Claim::Yours);
    assert_eq!(claim(&world, "acc", 2, NOW).await, Claim::InProgress { request_hash: [1; 32] });
    assert_eq!(claim(&world, "other", 2, NOW).await, Claim::Yours, "scopes are apart");

    world.store.finish_idempotency(scope(), key(), answer(1, 201)).await.unwrap();
    world.store.finish_idempotency(scope(), key(), answer(1, 500)).await.unwrap();
    world.store.release_idempotency(scope(), key()).await.unwrap();
    let much_later = NOW + MINUTE * 60;
    assert_eq!(claim(&world, "acc", 2, much_later).await, Claim::Answered(answer(1, 201)));

    world.store.prune_idempotency(much_later).await.unwrap();
    assert_eq!(claim(&world, "acc", 2, much_later).await, Claim::Yours, "forgotten");
}

#[tokio::test]
async fn what_a_dead_process_claimed_is_given_anew() {
    let world = World::new();
    assert_eq!(claim(&world, "acc", 1, NOW).await, Claim::Yours);
    let edge = NOW + MINUTE;
    assert_eq!(claim(&world, "acc", 2, edge).await, Claim::InProgress { request_hash: [1; 32] });
    let after = edge + Duration::from_micros(1);
    assert_eq!(claim(&world, "acc", 2, after).await, Claim::Yours);
    assert_eq!(claim(&world, "acc", 3, after).await, Claim::InProgress { request_hash: [2; 32] });
    world.store.release_idempotency("acc".to_owned(), "key".to_owned()).await.unwrap();
    assert_eq!(claim(&world, "acc", 3, after).await, Claim::Yours, "released");
}

#[tokio::test]
async fn a_claim_that_has_led_to_a_run_leads_to_no_second() {
    let world = World::new();
    let key = || KeyClaim { scope: "acc".to_owned(), key: "key".to_owned() };
    assert_eq!(claim(&world, "acc", 1, NOW).await, Claim::Yours);
    let account = world.account().await;
    let workflow = world.saved(account, "hello", None).await;
    let (first, second) = (world.run(account, workflow, NOW), world.run(account, workflow, NOW));
    let id = first.run.id;
    let once = |new: &NewRun| NewRun { claim: Some(key()), ..new.clone() };
    assert_eq!(world.store.accept_run(once(&first)).await.unwrap(), Accepted::New);
    // The process died before it answered.
    let later = NOW + MINUTE * 2;
    assert_eq!(
        claim(&world, "acc", 2, later).await,
        Claim::InProgress { request_hash: [1; 32] },
        "another request"
    );
    assert_eq!(claim(&world, "acc", 1, later).await, Claim::Yours);
    assert_eq!(world.store.accept_run(once(&second)).await.unwrap(), Accepted::Already(id));
    assert_eq!(world.store.run(None, second.run.id).await.unwrap(), None);
    // Releasing it keeps the run, and lets the repeat in at once.
    world.store.release_idempotency("acc".to_owned(), "key".to_owned()).await.unwrap();
    assert_eq!(claim(&world, "acc", 1, later).await, Claim::Yours);
    assert_eq!(world.store.accept_run(once(&second)).await.unwrap(), Accepted::Already(id));
    world.store.finish_idempotency("acc".to_owned(), "key".to_owned(), answer(1, 202)).await.unwrap();
    assert_eq!(claim(&world, "acc", 1, later).await, Claim::Answered(answer(1, 202)));
}

#[tokio::test]
async fn what_a_stopped_node_claimed_is_given_anew_at_once() {
    let world = World::new();
    let (gone, lives) = (world.node_id(), world.node_id());
    for id in [gone, lives] {
        let version = "1".to_owned();
        let new = NewNode { id, region: region("eu-west"), version, lease: MINUTE, alone: false };
        world.store.register_node(new, NOW).await.unwrap();
    }
    assert_eq!(claim_by(&world, gone, "acc", 1, NOW).await, Claim::Yours);
    let in_progress = Claim::InProgress { request_hash: [1; 32] };
    assert_eq!(claim_by(&world, lives, "acc", 1, NOW).await, in_progress);
    world.store.stop_node(gone, NOW).await.unwrap();
    assert_eq!(claim_by(&world, lives, "acc", 1, NOW).await, Claim::Yours);
    assert_eq!(claim_by(&world, lives, "acc", 1, NOW).await, in_progress, "it is the living one's now");
}
