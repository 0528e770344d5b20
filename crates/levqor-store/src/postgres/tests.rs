//! Faults, from inside: what only a server that is far away can do wrong.

use std::{path::Path, sync::mpsc};

use levqor_lab::{Direction, Passage, Postgres, Relay};
use tokio::sync::oneshot;

use crate::{Error, Options, Place, PostgresOptions, Session, Store, params};

fn options(url: &str) -> Options {
    Options { place: Place::Postgres(PostgresOptions::new(url)), ..Options::default() }
}

/// What only one of the two would take is found here.
#[tokio::test]
async fn the_server_takes_every_statement() {
    let place = PostgresOptions {
        callers_clock: true,
        ..PostgresOptions::new(Postgres::shared().database().unwrap())
    };
    let store = Store::open(Options { place: Place::Postgres(place), ..Options::default() }).unwrap();
    crate::tests::touch_everything(&store).await;
    store.close().await;
}

fn put(session: &Session, name: &str) -> Result<(), Error> {
    session.execute("INSERT INTO totals (name, value) VALUES ($1, 1)", params![name]).map(drop)
}

async fn names(store: &Store) -> Vec<String> {
    store.totals().await.unwrap().into_iter().map(|(name, _)| name).collect()
}

/// Cuts all connections to the database but one's own; how many there were.
fn cut(url: &str) -> i64 {
    let cut = || {
        let mut client = postgres::Client::connect(url, postgres::NoTls).unwrap();
        let sql = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        client.query_one(sql, &[]).unwrap().get(0)
    };
    std::thread::scope(|scope| scope.spawn(cut).join().unwrap())
}

/// A write that puts `first`, then waits until the sender is used or dropped, then puts `second`.
async fn half_way(store: &Store) -> (mpsc::SyncSender<()>, tokio::task::JoinHandle<Result<(), Error>>) {
    let (release, held) = mpsc::sync_channel::<()>(1);
    let (begun, has_begun) = oneshot::channel();
    let store = store.clone();
    let task = tokio::spawn(async move {
        store
            .write(move |session| {
                put(session, "first")?;
                let _: Result<(), ()> = begun.send(());
                let _ = held.recv();
                put(session, "second")
            })
            .await
    });
    has_begun.await.unwrap();
    (release, task)
}

#[tokio::test]
async fn connections_that_are_lost_are_made_again() {
    let url = Postgres::shared().database().unwrap();
    let store = Store::open(options(&url)).unwrap();
    for name in ["a", "b", "c"] {
        assert!(cut(&url) >= 2, "one that writes and some that read");
        store.write(move |session| put(session, name)).await.unwrap();
        assert!(names(&store).await.contains(&name.to_owned()));
    }
    assert_eq!(names(&store).await, ["a", "b", "c"]);
    store.close().await;
}

#[tokio::test]
async fn what_loses_its_connection_half_way_is_not_written_and_says_so() {
    let url = Postgres::shared().database().unwrap();
    let store = Store::open(options(&url)).unwrap();
    let (release, task) = half_way(&store).await;
    cut(&url);
    release.send(()).unwrap();
    let lost = task.await.unwrap();
    assert!(matches!(&lost, Err(error @ Error::Unavailable(_)) if error.is_retryable()), "{lost:?}");
    assert_eq!(names(&store).await, Vec::<String>::new());
    store.write(|session| put(session, "third")).await.unwrap();
    assert_eq!(names(&store).await, ["third"]);
}

/// A process that stands still, or a machine that is cut off, must not keep all others from writing.
#[tokio::test]
async fn whoever_stands_still_while_others_wait_loses_its_turn() {
    let url = Postgres::shared().database().unwrap();
    let (still, other) = (Store::open(options(&url)).unwrap(), Store::open(options(&url)).unwrap());
    let (release, task) = half_way(&still).await;
    other.write(|session| put(session, "other")).await.unwrap();
    release.send(()).unwrap();
    let lost = task.await.unwrap();
    assert!(matches!(lost, Err(Error::Unavailable(_))), "{lost:?}");
    still.write(|session| put(session, "again")).await.unwrap();
    assert_eq!(names(&other).await, ["again", "other"]);
}

/// From a thread of its own: has commits wait for a standby that is not there, and cuts the connection of the first that does.
fn cut_a_commit(url: String) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        client.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").unwrap();
        client.batch_execute("SELECT pg_reload_conf()").unwrap();
        let sql = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event = 'SyncRep'";
        while client.query(sql, &[]).unwrap().is_empty() {
            std::thread::yield_now();
        }
        client.batch_execute("ALTER SYSTEM RESET synchronous_standby_names").unwrap();
        client.batch_execute("SELECT pg_reload_conf()").unwrap();
    })
}

#[tokio::test]
async fn a_commit_without_an_answer_is_asked_for() {
    let server = Postgres::start(&[], &[]).unwrap();
    let url = server.database().unwrap();
    ask_for_commits(&url, None).await;
    // What a replica would need to know is asked for in the same message. This one is none, which makes no difference here.
    let url = server.database().unwrap();
    ask_for_commits(&url, Some(url.clone())).await;
}

async fn ask_for_commits(url: &str, read_url: Option<String>) {
    let place = PostgresOptions { read_url, ..PostgresOptions::new(url) };
    let store = Store::open(Options { place: Place::Postgres(place), ..Options::default() }).unwrap();
    let cutter = cut_a_commit(url.to_owned());
    // It is in the log of the server when the connection is cut: it was written, and its caller learns that.
    while !cutter.is_finished() {
        let sql = "INSERT INTO totals (name, value) VALUES ('written', 1) ON CONFLICT DO NOTHING";
        store.write(|session| session.execute(sql, &[]).map(drop)).await.unwrap();
    }
    cutter.join().unwrap();
    assert_eq!(names(&store).await, ["written"]);

    // Cut before its commit: nothing of it is there, and its caller learns that.
    let (release, task) = half_way(&store).await;
    cut(url);
    drop(release);
    let lost = task.await.unwrap();
    assert!(matches!(lost, Err(Error::Unavailable(_))), "{lost:?}");
    assert_eq!(names(&store).await, ["written"]);
    store.close().await;
}

/// Also when the transaction is the first of its writer, which makes the row.
#[test]
fn whether_it_was_written_is_said_once_it_has_ended() {
    let url = Postgres::shared().database().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { Store::open(options(&url)).unwrap().close().await });
    let way = super::connect::Way::new(&PostgresOptions::new(&url)).unwrap();
    for (end, expected) in [("COMMIT", 7), ("ROLLBACK", 0)] {
        let mut writer = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        let row = format!("INSERT INTO commits (writer_id, number, at) VALUES ('{end}', 7, 0)");
        writer.batch_execute(&format!("BEGIN; {row}")).unwrap();
        let way = way.clone();
        let asked = std::thread::spawn(move || super::doubt::last(&way, end));
        let mut beside = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        let waits =
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while beside.query(waits, &[]).unwrap().is_empty() {
            assert!(!asked.is_finished(), "{end}: it did not wait");
            std::thread::yield_now();
        }
        writer.batch_execute(end).unwrap();
        assert_eq!(asked.join().unwrap(), Ok(expected), "{end}");
    }
}

/// Its machine takes connections and answers for it; nothing is closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_left_for_the_next() {
    let url = Postgres::shared().database().unwrap();
    let server = Postgres::shared().address();
    let wire = Relay::start(server).unwrap();
    let both = url.replace(&server.to_string(), &format!("{},{server}", wire.address()));
    assert_ne!(both, url);
    let store = Store::open(options(&both)).unwrap();
    store.write(|session| put(session, "by the first")).await.unwrap();
    let (release, task) = half_way(&store).await;
    wire.set(Direction::Both, Passage::Silent);
    drop(release);
    let lost = task.await.unwrap();
    assert!(matches!(&lost, Err(error @ Error::Unavailable(_)) if error.is_retryable()), "{lost:?}");
    // Reads go on as well, and new connections don't wait for the one that is silent.
    store.write(|session| put(session, "by the second")).await.unwrap();
    assert_eq!(names(&store).await, ["by the first", "by the second"]);
}

/// Whoever waits for somebody else is not taken for lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_its_time_is_waited_for() {
    let url = Postgres::shared().database().unwrap();
    let store = Store::open(options(&url)).unwrap();
    let late = "INSERT INTO totals (name, value) SELECT 'late', 1 FROM pg_sleep(2.5)";
    store.write(|session| session.execute(late, &[]).map(drop)).await.unwrap();
    assert_eq!(names(&store).await, ["late"]);
}

#[tokio::test]
async fn a_job_fails_alone_in_its_batch() {
    let url = Postgres::shared().database().unwrap();
    let store = Store::open(options(&url)).unwrap();
    let (release, task) = half_way(&store).await;
    let jobs: Vec<_> = (0..6)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .write(move |session| {
                        put(session, &format!("job {number}"))?;
                        // Twice, which the key of the table does not allow.
                        if number % 2 == 0 { put(session, &format!("job {number}")) } else { Ok(()) }
                    })
                    .await
            })
        })
        .collect();
    release.send(()).unwrap();
    task.await.unwrap().unwrap();
    for (number, job) in jobs.into_iter().enumerate() {
        let done = job.await.unwrap();
        assert_eq!(done.is_ok(), number % 2 == 1, "job {number}: {done:?}");
    }
    assert_eq!(names(&store).await, ["first", "job 1", "job 3", "job 5", "second"]);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_fails_and_the_next_does_not() {
    let store = Store::open(options(&Postgres::shared().database().unwrap())).unwrap();
    let limit =
        |session: &Session| session.scalar::<String>("SELECT current_setting('statement_timeout')", &[]);
    assert_eq!(store.read(limit).await, Ok(Some("30s".to_owned())));
    assert_eq!(store.write(limit).await, Ok(Some("30s".to_owned())));
    let slow = store
        .write(|session| {
            put(session, "slow")?;
            session.settle("SET LOCAL statement_timeout = '20ms'")?;
            session.scalar::<i64>("SELECT CAST(1 AS bigint) FROM pg_sleep(600)", &[])
        })
        .await;
    assert!(matches!(&slow, Err(error @ Error::Unavailable(_)) if error.is_retryable()), "{slow:?}");
    store.write(|session| put(session, "next")).await.unwrap();
    assert_eq!(names(&store).await, ["next"]);
}

/// By the lock that each migration takes, whoever comes second finds it done.
#[test]
fn processes_that_start_at_once_bring_the_schema_up_to_date_once() {
    let url = Postgres::shared().database().unwrap();
    std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| Store::open(options(&url)).map(drop))).collect();
        for start in starts {
            start.join().unwrap().unwrap();
        }
    });
}

#[test]
fn what_is_wrong_with_the_place_is_said_and_how_to_mend_it() {
    let shared = Postgres::shared();
    let address = shared.address();
    let ascii = shared.database_with(&["--encoding=SQL_ASCII", "--template=template0"]).unwrap();
    let rows = [
        ("mysql://host/levqor".to_owned(), "it is postgres://"),
        (format!("postgres://levqor@{address}"), "names no database"),
        (format!("postgres://levqor@{address}/levqor?colour=blue"), "colour"),
        (format!("postgres://levqor@{address}/nothing_there"), "does not exist"),
        ("postgres://levqor@127.0.0.1:1/levqor".to_owned(), "refused"),
        (ascii, "SQL_ASCII"),
    ];
    for (url, expected) in rows {
        let error = Store::open(options(&url)).unwrap_err().to_string();
        assert!(error.contains(expected), "{url}: {error}");
    }
}

#[test]
fn the_password_is_never_shown() {
    let options = options("postgres://levqor:secret@host/levqor");
    assert!(!format!("{options:?}").contains("secret"));
    let unread = Store::open(self::options("postgres://levqor:secret@host/levqor?port=x")).unwrap_err();
    assert!(!unread.to_string().contains("secret"), "{unread}");
}

#[tokio::test]
async fn a_server_elsewhere_must_show_a_certificate_that_holds() {
    let certificate = include_bytes!("test_tls/server.pem");
    let key = include_bytes!("test_tls/server.key");
    let server = Postgres::start(&["ssl=on"], &[("server.crt", certificate), ("server.key", key)]).unwrap();
    let url = server.database().unwrap();
    let ca_file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/postgres/test_tls/ca.pem");
    let open = |mode: &str, ca_file: Option<&Path>| {
        let place = PostgresOptions {
            url: format!("{url}?sslmode={mode}"),
            ca_file: ca_file.map(Path::to_owned),
            ..PostgresOptions::new("")
        };
        Store::open(Options { place: Place::Postgres(place), ..Options::default() })
    };
    let store = open("require", Some(&ca_file)).unwrap();
    let secured = store
        .read(|session| {
            session.scalar::<bool>("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[])
        })
        .await;
    assert_eq!(secured, Ok(Some(true)));
    store.close().await;
    let refused = open("require", None).unwrap_err().to_string();
    assert!(refused.contains("certificate"), "{refused}");
    let missing = open("require", Some(Path::new("/nowhere/ca.pem"))).unwrap_err().to_string();
    assert!(missing.contains("database.ca_file /nowhere/ca.pem"), "{missing}");
    open("disable", None).unwrap().close().await;
}

/// Until it has changed.
async fn changes(bell: &mut tokio::sync::watch::Receiver<()>) {
    tokio::time::timeout(std::time::Duration::from_secs(60), bell.changed()).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_one_process_writes_another_hears_of_also_after_its_connection_was_lost() {
    let url = Postgres::shared().database().unwrap();
    let (here, there) = (Store::open(options(&url)).unwrap(), Store::open(options(&url)).unwrap());
    let (mut nudges, events) = (there.hints().nudges(), there.hints().events());
    let run = levqor_model::RunId::new(
        levqor_model::Timestamp::from_seconds(1),
        &levqor_model::SeededRandom::new(1),
    );
    for round in 0..3 {
        levqor_testkit::wait_until("hints to be heard", || there.hints().are_heard()).await;
        let mut runs = there.hints().runs();
        nudges.mark_unchanged();
        let (mut heard, at) = (events.clone(), levqor_model::Timestamp::from_seconds(round));
        heard.mark_unchanged();
        here.nudge(run, "\"look\"".to_owned(), at).await.unwrap();
        changes(&mut nudges).await;
        // In the order in which they were told: what came before is there by now.
        here.tell_of_run(run).await.unwrap();
        let told = tokio::time::timeout(std::time::Duration::from_secs(60), runs.recv()).await.unwrap();
        assert_eq!(told, Ok(run));
        assert!(!heard.has_changed().unwrap(), "no event was published");
        cut(&url);
        changes(&mut nudges).await;
    }
    here.close().await;
    there.close().await;
    levqor_testkit::wait_until("the listener to end", || !there.hints().are_heard()).await;
}

/// What was taken back is told of at most, and a server that takes no hints keeps nobody from writing for long.
#[tokio::test]
async fn a_commit_that_fails_with_a_hint_is_not_the_end_of_writing() {
    let url = Postgres::shared().database().unwrap();
    let store = Store::open(options(&url)).unwrap();
    let hint = |session: &Session| {
        session.hint(crate::hints::Hint::Nudges);
        put(session, "hinted")
    };
    // What fails at the commit, as the server's full queue of hints does.
    store
        .write(|session| {
            session.settle(
                "CREATE TABLE broken (id bigint PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);
                 INSERT INTO broken VALUES (1)",
            )
        })
        .await
        .unwrap();
    let failed = store
        .write(move |session| {
            session.settle("INSERT INTO broken VALUES (1)")?;
            hint(session)
        })
        .await;
    assert!(matches!(failed, Err(Error::Conflict(_))), "{failed:?}");
    assert_eq!(names(&store).await, Vec::<String>::new());
    store.write(hint).await.unwrap();
    assert_eq!(names(&store).await, ["hinted"]);
}
