//! Nodes and their epochs.

use std::time::Duration;

use levqor_model::{NodeId, Timestamp};

use crate::support::{NOW, World, region};

const MINUTE: Duration = Duration::from_secs(60);

async fn register(world: &World, id: NodeId, now: Timestamp) -> i64 {
    world.store.register_node(id, region("eu-west"), "1.0.0".to_owned(), now, now + MINUTE).await.unwrap()
}

#[tokio::test]
async fn every_registration_gets_a_newer_epoch() {
    let world = World::new();
    let (first, second) = (world.node_id(), world.node_id());
    let store = &world.store;
    let old = register(&world, first, NOW).await;
    let other = register(&world, second, NOW).await;
    let new = register(&world, first, NOW + MINUTE / 2).await;
    assert!(0 < old && old < other && other < new);
    assert_eq!(store.renew_node(first, old, NOW + MINUTE * 2).await, Ok(false), "it was replaced");
    assert_eq!(store.renew_node(first, new, NOW + MINUTE * 3).await, Ok(true));

    let ids = async |live_at| -> Vec<NodeId> {
        store.nodes(live_at).await.unwrap().iter().map(|node| node.id).collect()
    };
    assert_eq!(ids(None).await, [first, second]);
    assert_eq!(ids(Some(NOW)).await, [first, second]);
    assert_eq!(ids(Some(NOW + MINUTE)).await, [first], "the second has expired");
    store.stop_node(first, NOW).await.unwrap();
    assert_eq!(ids(Some(NOW)).await, [second]);
    assert_eq!(store.renew_node(first, new, NOW + MINUTE * 9).await, Ok(false), "it was stopped");
    let stopped = store.nodes(None).await.unwrap();
    assert_eq!((stopped[0].epoch, stopped[0].stopped_at), (new, Some(NOW)));
}

#[tokio::test]
async fn an_epoch_never_comes_back() {
    let world = World::new();
    let epoch = register(&world, world.node_id(), NOW).await;
    let much_later = NOW + Duration::from_secs(90 * 24 * 3_600);
    let id = world.node_id();
    assert!(register(&world, id, much_later).await > epoch);
    let nodes = world.store.nodes(None).await.unwrap();
    assert_eq!(nodes.len(), 1, "those that are long gone are forgotten");
    assert_eq!(nodes[0].id, id);
}
