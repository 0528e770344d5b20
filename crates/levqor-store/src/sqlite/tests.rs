//! Faults, from inside: what only SQLite and its threads can do wrong.

use std::{fs, path::Path, sync::mpsc, time::Duration};

use levqor_model::{AccountId, SeededRandom, Timestamp, WorkflowId};
use rusqlite::Connection;

use super::connection;
use crate::{
    Error, Options, Session, Store,
    database::Database,
    migrations::{MIGRATIONS, Migration},
    params,
};

fn options(path: &Path) -> Options {
    Options::file(path)
}

fn put(session: &Session, name: &str) -> Result<(), Error> {
    session.execute("INSERT INTO totals (name, value) VALUES ($1, 1)", params![name]).map(drop)
}

async fn names(store: &Store) -> Vec<String> {
    store.totals().await.unwrap().into_iter().map(|(name, _)| name).collect()
}

/// Holds the committer up until the sender is used, so that what is queued meanwhile becomes one batch.
async fn hold(store: &Store) -> mpsc::SyncSender<()> {
    let (release, held) = mpsc::sync_channel::<()>(1);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let holder = store.clone();
    tokio::spawn(async move {
        holder
            .write(move |_| {
                let _: Result<(), ()> = begun.send(());
                let _ = held.recv();
                Ok(())
            })
            .await
    });
    has_begun.await.unwrap();
    release
}

async fn queued(store: &Store, jobs: usize) {
    while store.queue_depth().0 < jobs {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_job_fails_alone_in_its_batch() {
    let store = Store::open(Options::default()).unwrap();
    let release = hold(&store).await;
    let mut tasks = Vec::new();
    for number in 0..9 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            store
                .write(move |session| {
                    put(session, &format!("job {number}"))?;
                    match number % 3 {
                        0 => Ok(number),
                        1 => Err(Error::Decode("on purpose".to_owned())),
                        _ => panic!("on purpose"),
                    }
                })
                .await
        }));
    }
    queued(&store, 9).await;
    release.send(()).unwrap();
    for (number, task) in tasks.into_iter().enumerate() {
        match (number % 3, task.await.unwrap()) {
            (0, Ok(answer)) => assert_eq!(answer, number),
            (1, Err(Error::Decode(_))) | (2, Err(Error::Unavailable(_))) => {}
            (_, other) => panic!("job {number}: {other:?}"),
        }
    }
    assert_eq!(names(&store).await, ["job 0", "job 3", "job 6"]);
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_acknowledged_and_heals() {
    let store = Store::open(Options::default()).unwrap();
    store.write(|session| put(session, "before")).await.unwrap();
    let limit = |pages: &'static str| {
        store.write(move |session| Ok(session.sqlite().connection().query_row(pages, [], |_| Ok(()))?))
    };
    let pages: i64 = store
        .read(|session| {
            Ok(session.sqlite().connection().query_row("PRAGMA page_count", [], |row| row.get(0))?)
        })
        .await
        .unwrap();
    let bounded: &'static str = format!("PRAGMA max_page_count = {}", pages + 30).leak();
    limit(bounded).await.unwrap();

    let release = hold(&store).await;
    let mut tasks = Vec::new();
    for number in 0..60 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let name = format!("{number:03}{}", "x".repeat(3_000));
            store.write(move |session| put(session, &name)).await.map(|()| number)
        }));
    }
    queued(&store, 60).await;
    release.send(()).unwrap();
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(number) => acknowledged.push(number),
            Err(error) => {
                assert_eq!(error, Error::DiskFull);
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "the disk was never full");
    let found: Vec<i32> = names(&store).await.iter().filter_map(|name| name.get(..3)?.parse().ok()).collect();
    assert_eq!(found, acknowledged, "exactly the acknowledged rows are there");

    limit("PRAGMA max_page_count = 1000000").await.unwrap();
    store.write(|session| put(session, "after")).await.unwrap();
    assert!(names(&store).await.contains(&"before".to_owned()));
}

#[tokio::test]
async fn callers_wait_when_the_queue_is_full() {
    let store = Store::open(Options { queue: 2, ..Options::default() }).unwrap();
    let release = hold(&store).await;
    let mut tasks = Vec::new();
    for number in 0..8 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            store.write(move |session| put(session, &format!("{number}"))).await
        }));
    }
    queued(&store, 2).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.queue_depth(), (2, 2));
    assert!(tasks.iter().all(|task| !task.is_finished()));
    release.send(()).unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(names(&store).await.len(), 8);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_no_harm() {
    let store = Store::open(Options { queue: 1, ..Options::default() }).unwrap();
    let release = hold(&store).await;
    let gone = |name: &'static str| {
        let store = store.clone();
        tokio::spawn(async move { store.write(move |session| put(session, name)).await })
    };
    let in_queue = gone("in the queue");
    queued(&store, 1).await;
    let waiting = gone("waiting for the queue");
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    in_queue.abort();
    waiting.abort();
    assert!(in_queue.await.unwrap_err().is_cancelled() && waiting.await.unwrap_err().is_cancelled());
    release.send(()).unwrap();
    store.write(|session| put(session, "later")).await.unwrap();
    assert_eq!(names(&store).await, ["in the queue", "later"]);
}

#[tokio::test]
async fn close_answers_what_is_queued_and_refuses_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("levqor.db");
    let store = Store::open(options(&path)).unwrap();
    let release = hold(&store).await;
    let mut tasks = Vec::new();
    for number in 0..20 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            store.write(move |session| put(session, &format!("{number}"))).await
        }));
    }
    queued(&store, 20).await;
    let closers = [0, 1].map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.close().await })
    });
    queued(&store, 22).await;
    release.send(()).unwrap();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(()));
    }
    for closer in closers {
        closer.await.unwrap();
    }
    store.close().await;
    assert_eq!(store.write(|session| put(session, "late")).await, Err(Error::Closed));
    assert_eq!(store.totals().await, Err(Error::Closed));
    let readiness = store.readiness().await;
    assert_eq!(readiness.write, Err("the database is closed".to_owned()));
    assert_eq!(readiness.read, Err("the database is closed".to_owned()));

    assert!(!path.with_extension("db-wal").exists(), "the file alone is the whole database");
    assert_eq!(names(&Store::open(options(&path)).unwrap()).await.len(), 20);
}

#[tokio::test]
async fn a_panicking_read_gives_its_connection_back() {
    let store = Store::open(Options { readers: 1, ..Options::default() }).unwrap();
    for _ in 0..3 {
        let answer = store.read(|_| -> Result<(), Error> { panic!("on purpose") }).await;
        assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    }
    assert_eq!(store.accounts_count().await, Ok(0));
}

#[tokio::test]
async fn a_database_that_became_read_only_says_so_and_is_still_read() {
    let store = Store::open(Options::default()).unwrap();
    store.write(|session| put(session, "before")).await.unwrap();
    store
        .write(|session| Ok(session.sqlite().connection().execute_batch("PRAGMA query_only = ON")?))
        .await
        .unwrap();
    let refused = store.write(|session| put(session, "refused")).await;
    assert!(matches!(refused, Err(Error::ReadOnly(_))), "{refused:?}");
    let readiness = store.readiness().await;
    assert!(readiness.write.unwrap_err().contains("read-only"));
    assert!(readiness.read.is_ok());
    assert_eq!(names(&store).await, ["before"]);
}

#[tokio::test]
async fn readers_cannot_write() {
    let store = Store::open(Options::default()).unwrap();
    let refused = store.read(|session| put(session, "refused")).await;
    assert!(matches!(refused, Err(Error::ReadOnly(_))), "{refused:?}");
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_an_error_not_a_panic() {
    let store = Store::open(Options::default()).unwrap();
    let random = SeededRandom::new(3);
    let (account, workflow) =
        (AccountId::new(Timestamp::default(), &random), WorkflowId::new(Timestamp::default(), &random));
    let damage = [
        ("INSERT INTO accounts VALUES ($1, x'ff', 'starter', 1)", "column name: text expected, found bytes"),
        (
            "INSERT INTO accounts VALUES ($1, CAST(x'ff' AS text), 'starter', 1)",
            "column name: text expected, found text that is not UTF-8",
        ),
        (
            "INSERT INTO accounts VALUES ($1, 'n', 'starter', 1.5)",
            "column created_at: a number expected, found a fraction",
        ),
        (
            "INSERT INTO accounts VALUES ($1, 'n', 'starter', 'soon')",
            "column created_at: a number expected, found text",
        ),
    ];
    for (sql, reason) in damage {
        store
            .write(move |session| {
                session.execute("DELETE FROM accounts WHERE account_id = $1", params![account])?;
                session.execute(sql, params![account]).map(drop)
            })
            .await
            .unwrap();
        assert_eq!(store.account(account).await, Err(Error::Decode(reason.to_owned())));
    }
    store
        .write(move |session| {
            session.execute(
                "INSERT INTO workflows VALUES ($1, 'somebody', 'default', 'hello', '1', NULL, 1, 1, NULL)",
                params![workflow],
            )
        })
        .await
        .unwrap();
    store
        .write(|session| {
            session.execute("UPDATE workflows SET account_id = workflow_id WHERE name = $1", params!["hello"])
        })
        .await
        .unwrap();
    assert_eq!(store.workflows_count(None).await, Ok(1));
}

#[test]
fn every_step_of_the_schema_is_checked_and_applied_once() {
    const FIRST: Migration = MIGRATIONS[0];
    const SECOND: Migration =
        Migration { version: 2, name: "0002_more", sql: "CREATE TABLE more (x bigint);" };
    const BROKEN: Migration =
        Migration { version: 2, name: "0002_more", sql: "CREATE TABLE half (x bigint); CREATE nonsense;" };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("levqor.db");
    let open = |migrations: &[Migration]| Database::open_with(&options(&path), migrations).map(drop);
    let tables = || -> Vec<String> {
        let connection = Connection::open(&path).unwrap();
        let mut statement = connection
            .prepare("SELECT name FROM sqlite_schema WHERE name IN ('half', 'more') ORDER BY name")
            .unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.collect::<Result<_, _>>().unwrap()
    };

    assert_eq!(open(&[FIRST]), Ok(()));
    assert!(open(&[FIRST, BROKEN]).is_err());
    assert_eq!(tables(), Vec::<String>::new(), "a step is applied whole or not at all");
    assert_eq!(open(&[FIRST, SECOND]), Ok(()));
    assert_eq!(open(&[FIRST, SECOND]), Ok(()), "again changes nothing");
    assert_eq!(tables(), ["more"]);
    let changed = Migration { sql: "CREATE TABLE more (y bigint);", ..SECOND };
    assert_eq!(open(&[FIRST, changed]), Err(Error::MigrationChanged { name: "0002_more".to_owned() }));
    assert_eq!(open(&[FIRST]), Err(Error::Newer { found: 2, known: 1 }));
    let connection = Connection::open(&path).unwrap();
    let applied: i64 = connection.query_row("SELECT count(*) FROM migrations", [], |row| row.get(0)).unwrap();
    assert_eq!(applied, 2);
}

#[test]
fn a_file_that_is_not_ours_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("levqor.db");

    fs::write(&path, "This is a letter, not a database.".repeat(100)).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(Store::open(options(&path)), Err(Error::Corrupt(_))));
    assert_eq!(fs::read(&path).unwrap(), before);

    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = fs::read(&path).unwrap();
    match Store::open(options(&path)) {
        Err(Error::Corrupt(reason)) => assert!(reason.contains("another application"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read(&path).unwrap(), before);

    assert!(matches!(Store::open(options(directory.path())), Err(Error::Open { .. })), "a directory");
    assert!(matches!(Store::open(options(&path.join("below"))), Err(Error::Open { .. })), "below a file");
}

#[tokio::test]
async fn a_damaged_file_is_named_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("levqor.db");
    let store = Store::open(options(&path)).unwrap();
    store.close().await;
    let mut bytes = fs::read(&path).unwrap();
    // The header stays, so that the file still looks like one of ours.
    bytes[4_096..].fill(0xA5);
    fs::write(&path, &bytes).unwrap();
    match Store::open(options(&path)) {
        Err(Error::Corrupt(_)) => {}
        Err(other) => panic!("{other:?}"),
        Ok(store) => assert!(matches!(store.totals().await, Err(Error::Corrupt(_)))),
    }
}

#[test]
fn an_empty_file_or_an_interrupted_creation_becomes_a_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("levqor.db");
    fs::write(&path, "").unwrap();
    assert!(Store::open(options(&path)).is_ok());
    fs::remove_file(&path).unwrap();
    drop(
        connection::create(&path)
            .and_then(|()| connection::writer(&path, connection::Durability::Full))
            .unwrap(),
    );
    assert!(Store::open(options(&path)).is_ok());
    let connection = Connection::open(&path).unwrap();
    let vacuum: i64 = connection.query_row("PRAGMA auto_vacuum", [], |row| row.get(0)).unwrap();
    assert_eq!(vacuum, 2, "pruning must be able to give space back");
}

#[test]
fn a_commit_is_as_hard_as_promised() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("levqor.db");
    let session = connection::create(&path)
        .and_then(|()| connection::writer(&path, connection::Durability::Full))
        .unwrap();
    let pragmas = [
        ("PRAGMA synchronous", 2),
        ("PRAGMA foreign_keys", 1),
        ("PRAGMA auto_vacuum", 2),
        ("PRAGMA temp_store", 2),
        ("PRAGMA application_id", connection::APPLICATION_ID),
    ];
    for (pragma, expected) in pragmas {
        let value: i64 = session.connection().query_row(pragma, [], |row| row.get(0)).unwrap();
        assert_eq!(value, expected, "{pragma}");
    }
    let mode: String = session.connection().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn a_lock_that_another_process_holds_ends_in_an_answer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("levqor.db");
    let store = Store::open(options(&path)).unwrap();
    store
        .write(|session| Ok(session.sqlite().connection().busy_timeout(Duration::from_millis(1))?))
        .await
        .unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.write(|session| put(session, "refused")).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert_eq!(store.accounts_count().await, Ok(0), "reads go on");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store.write(|session| put(session, "accepted")).await, Ok(()));
}

#[tokio::test]
async fn pruning_gives_disk_space_back() {
    let store = Store::open(Options::default()).unwrap();
    let pages = async |what: &'static str| -> i64 {
        store
            .read(move |session| Ok(session.sqlite().connection().query_row(what, [], |row| row.get(0))?))
            .await
            .unwrap()
    };
    let before = pages("PRAGMA page_count").await;
    store
        .write(|session| {
            for at in 0..3_000_i64 {
                let name = format!("{at}{}", "x".repeat(1_000));
                session
                    .execute("INSERT INTO buckets (at, name, value) VALUES ($1, $2, 1)", params![at, name])?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let full = pages("PRAGMA page_count").await;
    assert!(full > before + 500, "{before} to {full} pages");
    store.prune_buckets(Timestamp::from_micros(3_000)).await.unwrap();
    assert_eq!(store.buckets_since(Timestamp::default()).await, Ok(vec![]));
    assert!(pages("PRAGMA page_count").await < before + 20, "pages are left over");
    assert_eq!(pages("PRAGMA freelist_count").await, 0);
}
