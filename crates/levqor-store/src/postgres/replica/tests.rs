//! A real standby: it stands still, hangs, is promoted, or is not what it should be, and nobody is shown less than was written.

use levqor_lab::Pair;
use levqor_testkit::{wait_for, wait_until};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{Error, Options, Place, PostgresOptions, ReplicaReport, Store, params};

fn pair() -> Pair {
    Pair::start(&["fsync=off"]).unwrap()
}

fn open(url: &str, read_url: String) -> Store {
    let place = PostgresOptions { read_url: Some(read_url), ..PostgresOptions::new(url) };
    Store::open(Options { place: Place::Postgres(place), ..Options::default() }).unwrap()
}

fn url(pair: &Pair, server: usize, database: &str) -> String {
    format!("postgres://levqor@{}/{database}", pair.addresses()[server])
}

fn standby(pair: &Pair) -> String {
    url(pair, 1, pair.database())
}

/// Asks as soon as the database is there, which comes late to a standby.
async fn ask(url: &str, sql: &str) {
    // The client waits by a runtime of its own, which must not be begun where another one works.
    let ask = || {
        postgres::Client::connect(url, postgres::NoTls).and_then(|mut client| client.batch_execute(sql)).ok()
    };
    wait_for(sql, || std::future::ready(std::thread::scope(|scope| scope.spawn(ask).join().unwrap()))).await;
}

fn report(store: &Store) -> ReplicaReport {
    store.replica().unwrap()
}

async fn fit(store: &Store) {
    wait_until("the replica to be read from", || report(store).verdict.is_ok()).await;
}

/// Until the replica is not read from, for this reason.
async fn refused(store: &Store, reason: &str) {
    wait_until(reason, || report(store).verdict.is_err_and(|said| said.contains(reason))).await;
}

/// Writes the next number, and looks at once whether it is shown.
async fn write_and_look(store: &Store, number: i64) {
    store
        .write(move |session| {
            session
                .execute(
                    "INSERT INTO totals (name, value) VALUES ('n', $1)
                ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    params![number],
                )
                .map(drop)
        })
        .await
        .unwrap();
    assert_eq!(shown(store).await, Some(number), "{:?}", report(store));
}

async fn shown(store: &Store) -> Option<i64> {
    store
        .views()
        .view(|session| session.scalar("SELECT value FROM totals WHERE name = 'n'", &[]))
        .await
        .unwrap()
}

/// Looks until the replica is what has shown it.
async fn shown_by_the_replica(store: &Store, expected: i64) {
    let before = report(store).near;
    wait_for("the replica to show it", || async {
        assert_eq!(shown(store).await, Some(expected));
        (report(store).near > before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_was_written_is_shown_whatever_the_replica_does() {
    let mut pair = pair();
    let store = open(&pair.url(), standby(&pair));
    fit(&store).await;
    for number in 0..100 {
        write_and_look(&store, number).await;
    }
    shown_by_the_replica(&store, 99).await;

    ask(&standby(&pair), "SELECT pg_wal_replay_pause()").await;
    // It stands still a little after it was told to.
    let (mut number, before) = (100, report(&store).behind);
    while report(&store).behind == before {
        write_and_look(&store, number).await;
        number += 1;
    }
    let before = report(&store);
    for more in 0..10 {
        write_and_look(&store, number + more).await;
    }
    let paused = report(&store);
    assert_eq!(paused.near, before.near, "{paused:?}");
    assert!(paused.behind > before.behind, "{paused:?}");
    refused(&store, "s behind").await;
    write_and_look(&store, 1_000).await;
    ask(&standby(&pair), "SELECT pg_wal_replay_resume()").await;
    fit(&store).await;
    shown_by_the_replica(&store, 1_000).await;

    // The replica becomes the primary: it may have more than it had as a replica, and less than another one.
    pair.kill_primary().unwrap();
    pair.fail_over().unwrap();
    refused(&store, "no replica").await;
    let near = report(&store).near;
    wait_for("the store to write again", || async { store.readiness().await.write.ok() }).await;
    for number in 1_001..1_010 {
        write_and_look(&store, number).await;
    }
    assert_eq!(report(&store).near, near);
    store.close().await;
}

#[tokio::test]
async fn another_process_is_seen_after_its_write_was_replayed() {
    let pair = pair();
    let (here, there) = (open(&pair.url(), standby(&pair)), open(&pair.url(), standby(&pair)));
    fit(&here).await;
    fit(&there).await;
    write_and_look(&there, 1).await;
    wait_for("the other's write to be shown", || async { shown(&here).await }).await;
    shown_by_the_replica(&here, 1).await;
}

#[tokio::test]
async fn what_is_no_replica_of_this_database_is_not_read_from() {
    let (pair, other) = (pair(), pair());
    ask(&url(&pair, 0, pair.database()), "CREATE DATABASE beside").await;
    // Nothing comes to it from here on, so it never has a table.
    ask(&url(&other, 1, other.database()), "SELECT pg_wal_replay_pause()").await;
    let rows = [
        (&pair, url(&pair, 0, pair.database()), "a server that is no replica"),
        (&pair, url(&other, 1, other.database()), "another cluster"),
        (&pair, url(&pair, 1, "beside"), "another database"),
        (&other, url(&other, 1, other.database()), "has schema 0"),
        (&pair, format!("postgres://levqor@127.0.0.1:1/{}", pair.database()), "does not answer"),
    ];
    for (number, (pair, read_url, reason)) in (0..).zip(rows) {
        let store = open(&pair.url(), read_url);
        refused(&store, reason).await;
        let before = report(&store);
        write_and_look(&store, number).await;
        assert_eq!(report(&store).unfit, before.unfit + 1);
        assert_eq!(report(&store).near, 0);
        store.close().await;
    }
}

/// Between a store and a server: passes everything on, until it stands still.
async fn gate(to: std::net::SocketAddr) -> (std::net::SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (still, stands) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let mut stands = stands.clone();
            tokio::spawn(async move {
                let mut to = TcpStream::connect(to).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut from, &mut to) => return,
                    _ = stands.wait_for(|stands| *stands) => {}
                }
                // Both ends stay open and hear nothing, until it goes on: then they are closed.
                let _ = stands.wait_for(|stands| !*stands).await;
            });
        }
    });
    (address, still)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_stands_still_keeps_nobody_waiting() {
    let pair = pair();
    let (address, still) = gate(pair.addresses()[1]).await;
    let store = open(&pair.url(), format!("postgres://levqor@{address}/{}", pair.database()));
    fit(&store).await;
    write_and_look(&store, 1).await;
    shown_by_the_replica(&store, 1).await;
    still.send_replace(true);
    let before = report(&store);
    for number in 2..50 {
        write_and_look(&store, number).await;
    }
    let stood = report(&store);
    assert!(stood.failed - before.failed <= 2, "the first to wait tells all others: {stood:?}");
    assert_eq!(stood.near, before.near);
    assert!(stood.verdict.is_err(), "{stood:?}");
    still.send_replace(false);
    fit(&store).await;
    shown_by_the_replica(&store, 49).await;
    store.close().await;
}

#[test]
fn an_address_that_can_be_no_replicas_is_refused() {
    for (read_url, expected) in [
        ("postgres://levqor@a,b/levqor", "database.read_url names several hosts"),
        ("postgres://levqor@a", "database.read_url names no database"),
        ("postgres://levqor@a/levqor?port=x", "database.read_url cannot be read"),
    ] {
        let place = PostgresOptions {
            read_url: Some(read_url.to_owned()),
            ..PostgresOptions::new("postgres://levqor@127.0.0.1:1/levqor")
        };
        let options = Options { place: Place::Postgres(place), ..Options::default() };
        let refused = Store::open(options).unwrap_err();
        assert!(
            matches!(&refused, Error::Open { .. }) && refused.to_string().contains(expected),
            "{refused}"
        );
    }
}
