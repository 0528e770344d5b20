//! Two nodes, two stores, one database.

use std::time::Duration;

use levqor_lab::Postgres;
use levqor_model::{NodeId, SeededRandom, Timestamp};
use levqor_store::{
    Options, Place, PostgresOptions, Store,
    jobs::{Fire, Fired, JobPlan, Taker},
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

/// Asked for by hand on one node while it is due on another, a job runs once, and neither of the two runs into the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_is_asked_for_while_it_is_due() {
    let url = Postgres::shared().database().unwrap();
    let open = || {
        let place = Place::Postgres(PostgresOptions::new(url.clone()));
        Store::open(Options { place, ..Options::default() }).unwrap()
    };
    let (one, other) = (open(), open());
    let due_at = Timestamp::from_seconds(1_795_502_900);
    let now = due_at + Duration::from_secs(1);
    let taker = Taker {
        node: NodeId::new(now, &SeededRandom::new(3)),
        region: "eu-west".parse().unwrap(),
        lease: Duration::from_secs(60),
    };
    for number in 0..50 {
        let job = format!("job-{number}");
        let plan = JobPlan { id: job.clone(), schedule: "0 * * * * UTC".to_owned(), next_due_at: due_at };
        one.register_jobs(vec![plan]).await.unwrap();
        let fire = Fire {
            job: job.clone(),
            due_at,
            fires_at: Some(due_at),
            next_due_at: due_at + Duration::from_secs(3_600),
            missed: 0,
        };
        let (fired, asked) = tokio::join!(
            one.fire_job(fire, taker.clone(), now),
            other.ask_for_job(job.clone(), "me".to_owned(), None, now)
        );
        let asked = asked.unwrap().unwrap();
        match fired.unwrap() {
            Fired::Began(firing) => assert!(asked.already && asked.firing.due_at == firing.due_at),
            Fired::Skipped => assert!(!asked.already && asked.firing.due_at == now),
            odd @ (Fired::Passed | Fired::NotDue) => panic!("{odd:?}"),
        }
    }
}
