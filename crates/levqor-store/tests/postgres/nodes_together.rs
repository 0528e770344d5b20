//! Two nodes, two stores, one database.

use levqor_lab::Postgres;
use levqor_model::Timestamp;
use levqor_store::{
    Options, Place, PostgresOptions, Store,
    rates::{Asked, Quota},
};

use crate::{backend::Beside, stress, support::World};

/// However the nodes' transactions mix, each place of a journal is written once, and counts come out right.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_write_each_place_once() {
    let (options, _beside) = Beside::new();
    let world = World::over(options.clone());
    let stores = vec![world.store.clone(), Store::open(options).unwrap()];
    stress::share_runs(world, stores).await;
}

/// By the server's clock, and whoever asks first: two nodes are never given more of a limit than there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_share_a_limit() {
    let url = Postgres::shared().database().unwrap();
    let open = || {
        let place = Place::Postgres(PostgresOptions::new(url.clone()));
        Store::open(Options { place, ..Options::default() }).unwrap()
    };
    // An hour for each use: time gives nothing while the test runs.
    let hour_us = 3_600_000_000;
    let quota = Quota { name: "anonymous", step_us: hour_us, window_us: 100 * hour_us };
    let mut asking = Vec::new();
    for node in 0..2 {
        let store = open();
        for task in 0..4 {
            let store = store.clone();
            asking.push(tokio::spawn(async move {
                let mut granted = [0; 2];
                for _ in 0..20 {
                    // Both callers, in an order of its own.
                    let mut asked = vec![Asked { caller: 0, owed_us: 0, wanted: 1 }];
                    let at = if (node + task) % 2 == 0 { 0 } else { 1 };
                    asked.insert(at, Asked { caller: 1, owed_us: 0, wanted: 2 });
                    let region = "eu-west".parse().unwrap();
                    // A time that is of no account.
                    for found in store.take_rates(region, quota, asked, Timestamp::default()).await.unwrap() {
                        granted[usize::try_from(found.caller).unwrap()] += found.granted;
                    }
                }
                granted
            }));
        }
    }
    let mut granted = [0; 2];
    for task in asking {
        let found = task.await.unwrap();
        granted = [granted[0] + found[0], granted[1] + found[1]];
    }
    assert_eq!(granted, [100, 100]);
    let (now, told) =
        open().rates_since("eu-west".parse().unwrap(), None, Timestamp::default(), 10).await.unwrap();
    assert!(now > Timestamp::default() && told.len() == 2, "{told:?}");
}
