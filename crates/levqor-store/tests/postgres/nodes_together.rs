//! Two nodes, two stores, one database.

use levqor_store::Store;

use crate::{backend::Beside, stress, support::World};

/// However the nodes' transactions mix, each place of a journal is written once, and counts come out right.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_write_each_place_once() {
    let (options, _beside) = Beside::new();
    let world = World::over(options.clone());
    let stores = vec![world.store.clone(), Store::open(options).unwrap()];
    stress::share_runs(world, stores).await;
}
