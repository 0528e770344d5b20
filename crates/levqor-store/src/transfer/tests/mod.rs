//! A whole installation from one database to the other, and everything that can be wrong with it.

mod faults;
mod fill;
mod refusals;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use levqor_lab::Postgres;
use rusqlite::{Connection, types::ValueRef};

use super::*;
use crate::{Place, Store, params, sqlite};

/// A filled file, and an empty database.
struct Two {
    _directory: tempfile::TempDir,
    path: PathBuf,
    url: String,
}

impl Two {
    async fn new() -> Self {
        let two = Self::empty();
        std::fs::write(&two.path, fill::filled().await).unwrap();
        two
    }

    /// With a file that was opened once.
    async fn opened() -> Self {
        let two = Self::empty();
        std::fs::write(&two.path, fill::opened().await).unwrap();
        two
    }

    fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("levqor.db");
        Self { _directory: directory, path, url: Postgres::shared().database().unwrap() }
    }

    fn to(&self) -> PostgresOptions {
        PostgresOptions::new(&self.url)
    }

    fn copy(&self) -> Result<Report, Failure> {
        self.copy_with(Options::default())
    }

    fn copy_with(&self, options: Options) -> Result<Report, Failure> {
        copy(&self.path, &self.to(), options, &mut |_| {}, || Ok(()))
    }

    fn compare(&self) -> Result<Report, Failure> {
        compare(&self.path, &self.to(), Options::default(), &mut |_| {})
    }

    fn target(&self) -> Store {
        Store::open(crate::Options { place: Place::Postgres(self.to()), ..crate::Options::default() })
            .unwrap()
    }

    /// Past the store, on the old side.
    fn sqlite(&self, sql: &str) {
        Connection::open(&self.path).unwrap().execute_batch(sql).unwrap();
    }

    /// Past the store, on the new side.
    fn postgres(&self, sql: &str) {
        self.client(|client| client.batch_execute(sql).unwrap());
    }

    /// The client waits by a runtime of its own, which must not be begun where another one works.
    fn client<T: Send>(&self, work: impl FnOnce(&mut ::postgres::Client) -> T + Send) -> T {
        let open = || work(&mut ::postgres::Client::connect(&self.url, ::postgres::NoTls).unwrap());
        std::thread::scope(|scope| scope.spawn(open).join().unwrap())
    }

    fn tables(&self) -> Vec<Table> {
        tables::of_source(&sqlite::look(&self.path).unwrap()).unwrap()
    }

    /// Tables of the target with rows in them.
    fn filled(&self) -> Vec<String> {
        let tables = self.tables();
        self.client(|client| {
            let count = |table: &&Table, client: &mut ::postgres::Client| {
                let sql = format!("SELECT count(*) FROM {}", table.quoted());
                client.query_one(&sql, &[]).unwrap().get::<_, i64>(0) > 0
            };
            tables.iter().filter(|table| count(table, client)).map(|table| table.name.clone()).collect()
        })
    }
}

/// A value in a form that both sides have, made without anything of ours.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Plain {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Rows by table, sorted.
type Contents = BTreeMap<String, Vec<Vec<Plain>>>;

fn contents_of_sqlite(path: &Path, tables: &[Table]) -> Contents {
    let connection = Connection::open(path).unwrap();
    let read = |table: &Table| {
        let sql = format!("SELECT {} FROM {}", table.column_list(), table.quoted());
        let mut statement = connection.prepare(&sql).unwrap();
        let plain = |value: ValueRef<'_>| match value {
            ValueRef::Null => Plain::Null,
            ValueRef::Integer(number) => Plain::Number(number),
            ValueRef::Real(number) => panic!("{}: a fraction {number}", table.name),
            ValueRef::Text(text) => Plain::Text(String::from_utf8(text.to_vec()).unwrap()),
            ValueRef::Blob(bytes) => Plain::Bytes(bytes.to_vec()),
        };
        let rows = statement.query_map([], |row| {
            (0..table.columns.len()).map(|column| row.get_ref(column).map(plain)).collect()
        });
        let mut rows = rows.unwrap().collect::<Result<Vec<Vec<_>>, _>>().unwrap();
        rows.sort();
        (table.name.clone(), rows)
    };
    tables.iter().map(read).collect()
}

fn contents_of_postgres(two: &Two, tables: &[Table]) -> Contents {
    use ::postgres::types::Type;
    let plain = |row: &::postgres::Row, column: usize| match *row.columns()[column].type_() {
        Type::INT8 => row.get::<_, Option<i64>>(column).map(Plain::Number),
        Type::BOOL => row.get::<_, Option<bool>>(column).map(|flag| Plain::Number(i64::from(flag))),
        Type::TEXT => row.get::<_, Option<String>>(column).map(Plain::Text),
        Type::BYTEA => row.get::<_, Option<Vec<u8>>>(column).map(Plain::Bytes),
        ref other => panic!("a column of type {other}"),
    };
    two.client(|client| {
        let mut contents = Contents::new();
        for table in tables {
            let sql = format!("SELECT {} FROM {}", table.column_list(), table.quoted());
            let rows = client.query(&sql, &[]).unwrap();
            let mut rows: Vec<Vec<_>> = rows
                .iter()
                .map(|row| (0..row.len()).map(|column| plain(row, column).unwrap_or(Plain::Null)).collect())
                .collect();
            rows.sort();
            contents.insert(table.name.clone(), rows);
        }
        contents
    })
}

/// Read on both sides by their own clients. No table may be empty, so that a later one is not forgotten here.
#[tokio::test]
async fn every_value_of_every_table_arrives() {
    let two = Two::new().await;
    let mut told = Vec::new();
    let report = copy(
        &two.path,
        &two.to(),
        Options::default(),
        &mut |step| {
            if let Step::Compared { table, rows } = step {
                told.push((table.to_owned(), rows));
            }
        },
        || Ok(()),
    )
    .unwrap();
    let tables = two.tables();
    let (before, after) = (contents_of_sqlite(&two.path, &tables), contents_of_postgres(&two, &tables));
    for (table, rows) in &before {
        assert!(rows.len() >= 12, "{table} has {} rows", rows.len());
        assert!(*rows == after[table], "{table} differs");
    }
    let counted: Vec<_> = report.tables.iter().map(|table| (table.table.clone(), table.rows)).collect();
    assert_eq!(counted, told);
    assert!(counted.iter().all(|(table, rows)| before[table].len() as u64 == *rows), "{counted:?}");
    assert!(report.tables.iter().any(|table| table.bytes > 1024 * 1024));
    assert_eq!(report.replaced, 0);

    // The same again, now that both stand still.
    let again = two.compare().unwrap();
    let digests = |report: &Report| -> Vec<_> {
        report.tables.iter().map(|table| (table.table.clone(), table.sha256.clone())).collect()
    };
    assert_eq!(digests(&report), digests(&again));
    assert!(digests(&report).iter().all(|(_, digest)| digest.len() == 64));
}

/// What the database numbers goes on after what came.
#[tokio::test]
async fn numbers_that_the_database_gives_go_on() {
    let two = Two::new().await;
    two.copy().unwrap();
    let store = two.target();
    let (place, request) = store
        .write(|session| {
            let place = session.scalar::<i64>(
                "INSERT INTO queued_runs (run_id, account_id, workflow_id, rank, held, queued_at)
                 VALUES ('r', 'a', 'w', 0, false, 0) RETURNING place",
                &[],
            )?;
            let request = session.scalar::<i64>(
                "INSERT INTO ai_requests (at, region, kind, backend, language, success, credits, latency_us)
                 VALUES (0, 'r', 'k', 'b', 'l', true, 0, 0) RETURNING request_seq",
                &[],
            )?;
            Ok((place, request))
        })
        .await
        .unwrap();
    assert_eq!((place, request), (Some(1_012), Some(1_012)));
    store.close().await;
}

/// Counts that fit in the source raise no warning; those that do not are told, and do not hinder.
#[tokio::test]
async fn counts_that_do_not_fit_are_told() {
    let two = Two::empty();
    let store = Store::open(crate::Options::file(&two.path)).unwrap();
    crate::tests::touch_everything(&store).await;
    store.close().await;
    assert_eq!(two.copy().unwrap().warnings, Vec::<String>::new());
    let other = Two::empty();
    std::fs::copy(&two.path, &other.path).unwrap();
    other.sqlite(
        "UPDATE run_counts SET runs = runs + 7; INSERT INTO queue_accounts VALUES ('acc', 3, 0, 0, 1, 0);
         UPDATE sequences SET value = 0",
    );
    let warnings = other.copy().unwrap().warnings;
    for part in [
        "runs as ",
        "account acc counts 3 queued runs, and has 0",
        "sequence event_seq is at 0, and 2 is given already",
    ] {
        assert!(warnings.iter().any(|warning| warning.contains(part)), "{part}: {warnings:?}");
    }
}

#[tokio::test]
async fn a_file_of_an_earlier_build_is_brought_up_to_date_first() {
    let two = Two::empty();
    let options = crate::Options::file(&two.path);
    let earlier = crate::database::Database::open_with(&options, &migrations::MIGRATIONS[..3]).unwrap();
    earlier
        .write(|session| {
            session.execute("INSERT INTO totals (name, value) VALUES ($1, 7)", params!["requests"]).map(drop)
        })
        .await
        .unwrap();
    earlier.close().await;
    let seen = look(&two.path, &two.to()).unwrap();
    assert_eq!((seen.source_schema, seen.target_schema, seen.expected), (3, 0, migrations::expected()));
    assert!(seen.tables.contains(&("totals".to_owned(), 1)), "{seen:?}");
    // Looking changes nothing.
    assert_eq!(look(&two.path, &two.to()).unwrap(), seen);
    two.copy().unwrap();
    let store = two.target();
    assert_eq!(store.totals().await.unwrap(), [("requests".to_owned(), 7)]);
    store.close().await;
}

/// A sort would hold a whole table in memory.
#[tokio::test]
async fn rows_are_read_in_the_order_of_their_keys_without_sorting() {
    let two = Two::opened().await;
    let connection = Connection::open(&two.path).unwrap();
    for table in two.tables() {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", table.select())).unwrap();
        let steps: Vec<String> =
            statement.query_map([], |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap();
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{}: {steps:?}", table.name);
    }
}

#[tokio::test]
async fn tables_come_after_those_that_they_refer_to() {
    let two = Two::opened().await;
    let names: Vec<_> = two.tables().into_iter().map(|table| table.name).collect();
    let place = |name: &str| names.iter().position(|found| found == name).unwrap();
    for (first, then) in [
        ("accounts", "api_keys"),
        ("accounts", "memberships"),
        ("users", "memberships"),
        ("users", "links"),
        ("workflows", "webhooks"),
        ("workflows", "event_triggers"),
    ] {
        assert!(place(first) < place(then), "{names:?}");
    }
    for own in ["migrations", "commits"] {
        assert!(!names.contains(&own.to_owned()));
    }
}
