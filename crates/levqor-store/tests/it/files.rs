//! What is on the disk: whole after a crash, private, and fast to open.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use levqor_model::RunStatus;
use levqor_store::{
    Options, Store,
    runs::{Append, RunFilter},
};

use crate::support::{NOW, World, step};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn options(path: &Path) -> Options {
    Options::file(path)
}

/// What a crash leaves is what is in the files while the store is open: a copy of them, opened elsewhere, must have
/// everything that was acknowledged, though nothing was closed or moved from the log into the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_loses_nothing_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("levqor.db");
    let world = Arc::new(World::over(options(&path)));
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for _ in 0..20 {
                    let new = world.run(account, workflow, NOW);
                    let id = new.run.id;
                    world.store.accept_run(new).await.unwrap();
                    world.store.append(step(id, 1, RunStatus::Running)).await.unwrap();
                    ids.push(id);
                }
                ids
            })
        })
        .collect();
    let mut acknowledged = Vec::new();
    for task in tasks {
        acknowledged.extend(task.await.unwrap());
    }

    let copy = directory.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for name in ["levqor.db", "levqor.db-wal"] {
        fs::copy(directory.path().join(name), copy.join(name)).unwrap();
    }
    assert!(fs::metadata(copy.join("levqor.db-wal")).unwrap().len() > 0, "nothing is in the log");
    let after = Store::open(options(&copy.join("levqor.db"))).unwrap();
    for id in acknowledged {
        let run = after.run(None, id).await.unwrap().unwrap();
        assert_eq!((run.status, run.next_seq), (RunStatus::Running, 2));
        assert_eq!(after.journal(id, None, 10).await.unwrap().len(), 2);
    }
    assert_eq!(after.run_counts(None).await.unwrap().running, 320);
}

#[tokio::test]
async fn a_store_that_is_dropped_without_close_is_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("levqor.db");
    let world = World::over(options(&path));
    let new = world.run(world.account_id(), world.workflow_id(NOW), NOW);
    let id = new.run.id;
    world.store.accept_run(new).await.unwrap();
    drop(world);
    let store = Store::open(options(&path)).unwrap();
    assert!(store.run(None, id).await.unwrap().is_some());
    store.close().await;
    let store = Store::open(options(&path)).unwrap();
    assert!(store.run(None, id).await.unwrap().is_some());
}

#[tokio::test]
async fn two_stores_on_one_file_see_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("levqor.db");
    let (first, second) = (World::over(options(&path)), Store::open(options(&path)).unwrap());
    let new = first.run(first.account_id(), first.workflow_id(NOW), NOW);
    let id = new.run.id;
    first.store.accept_run(new).await.unwrap();
    second.append(step(id, 1, RunStatus::Running)).await.unwrap();
    assert_eq!(first.store.run(None, id).await.unwrap().unwrap().status, RunStatus::Running);
}

#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("a/b");
    let path = place.join("levqor.db");
    let world = World::over(options(&path));
    world.account().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place), 0o700);
    for name in ["levqor.db", "levqor.db-wal", "levqor.db-shm"] {
        assert_eq!(mode(&place.join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn stores_in_memory_are_apart_and_leave_nothing_behind() {
    let (first, second) = (World::new(), World::new());
    first.account().await;
    assert_eq!(first.store.accounts_count().await, Ok(1));
    assert_eq!(second.store.accounts_count().await, Ok(0));
    let clone = first.store.clone();
    drop(first);
    assert_eq!(clone.accounts_count().await, Ok(1), "a clone keeps it");
    clone.close().await;
}

#[tokio::test]
async fn the_file_shrinks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("levqor.db");
    let world = World::over(options(&path));
    let (store, account, workflow) = (&world.store, world.account_id(), world.workflow_id(NOW));
    let ended = async |at, input: &str| {
        let mut new = world.run(account, workflow, at);
        new.input = format!("\"{input}\"");
        let id = new.run.id;
        store.accept_run(new).await.unwrap();
        store.append(Append { at, ..step(id, 1, RunStatus::Completed) }).await.unwrap();
        id
    };
    let mut number = 1_u64;
    for _ in 0..120 {
        // Text that packs badly.
        let input: String = std::iter::repeat_with(|| {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{:016x}", number ^ (number >> 29))
        })
        .take(8_000)
        .collect();
        ended(NOW, &input).await;
    }
    let kept = ended(NOW + DAY * 3, "").await;
    let size = || std::fs::metadata(&path).unwrap().len();
    assert_eq!(store.prune_runs(workflow, NOW + DAY * 2).await, Ok(120));
    store.release_disk().await.unwrap();
    let free = {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        connection.query_row("PRAGMA freelist_count", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert!(free <= 1_024, "{free} pages are free");
    assert!(size() < 6_000_000, "{} bytes", size());
    assert!(store.run(None, kept).await.unwrap().is_some());
    assert_eq!(store.runs_of(None, RunFilter::default(), None, 10).await.unwrap().len(), 1);
    let check: String = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}

#[tokio::test]
async fn a_shared_file_has_no_standbys() {
    let directory = tempfile::tempdir().unwrap();
    let place = levqor_store::Place::SharedFile(directory.path().join("shared.db"));
    let store = Store::open(Options { place, ..Options::default() }).unwrap();
    assert!(store.is_shared());
    assert_eq!(store.standbys().await, Ok(Vec::new()));
    store.close().await;
}
