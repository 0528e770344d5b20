//! For `cargo xtask bench` only: a large history made quickly, and what plain SQLite can do at best.
//!
//! It writes past the committer and without synchronisation, so that a million runs take a minute; no product code may use it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use levqor_model::{RunId, SeededRandom, Timestamp};
use rusqlite::{Connection, types::Value};

/// Rows of a table that a run has, as they are copied for each new run.
struct Part {
    insert: String,
    rows: Vec<Vec<Value>>,
}

/// The version of SQLite in this build.
pub fn sqlite_version() -> &'static str {
    rusqlite::version()
}

/// Adds `copies` of a run, with all its rows and ids of their own, made in the milliseconds before it. The file must not be open elsewhere.
///
/// # Errors
/// SQLite's; a run without rows is not copied at all.
pub fn copy_run(path: &Path, run: RunId, copies: usize) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; BEGIN")?;
    let run = run.to_string();
    let parts = parts(&connection, &run)?;
    // Live, or in the archive when it has ended.
    let (created_at, account, status): (i64, String, String) = connection.query_row(
        "SELECT created_at, account_id, status FROM runs WHERE run_id = ?1
         UNION ALL SELECT created_at, account_id, status FROM archived_runs WHERE run_id = ?1",
        [&run],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let random = SeededRandom::new(copies as u64);
    {
        let mut inserts =
            parts.iter().map(|part| connection.prepare(&part.insert)).collect::<Result<Vec<_>, _>>()?;
        for copy in 0..copies {
            let before = Duration::from_millis((copies - copy) as u64);
            let copied = RunId::new(Timestamp::from_micros(created_at) - before, &random).to_string();
            for (part, insert) in parts.iter().zip(&mut inserts) {
                for row in &part.rows {
                    let row = row.iter().map(|value| match value {
                        Value::Text(text) => Value::Text(text.replace(&run, &copied)),
                        other => other.clone(),
                    });
                    insert.execute(rusqlite::params_from_iter(row))?;
                }
            }
        }
    }
    connection.execute(
        "UPDATE run_counts SET runs = runs + ?3 WHERE account_id = ?1 AND status = ?2",
        (account, status, copies as i64),
    )?;
    connection.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")
}

/// Bytes of a run in all tables, without what SQLite adds.
///
/// # Errors
/// SQLite's.
pub fn bytes_of_run(path: &Path, run: RunId) -> rusqlite::Result<usize> {
    let parts = parts(&Connection::open(path)?, &run.to_string())?;
    let bytes = |value: &Value| match value {
        Value::Null => 0,
        Value::Integer(_) | Value::Real(_) => 8,
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
    };
    Ok(parts.iter().flat_map(|part| part.rows.iter().flatten()).map(bytes).sum())
}

/// Rows of `bytes` that plain SQLite makes durable in a second, `batch` of them a commit, in a file of its own.
///
/// # Errors
/// SQLite's.
pub fn raw_rows_per_second(path: &Path, bytes: usize, batch: usize, span: Duration) -> rusqlite::Result<f64> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE raw (run integer NOT NULL, seq integer NOT NULL, body text NOT NULL, PRIMARY KEY (run, seq)) WITHOUT ROWID;",
    )?;
    let body = "x".repeat(bytes);
    let begun = Instant::now();
    let mut rows: i64 = 0;
    while begun.elapsed() < span {
        let transaction = connection.transaction()?;
        let mut insert =
            transaction.prepare_cached("INSERT INTO raw (run, seq, body) VALUES (?1, ?2, ?3)")?;
        for _ in 0..batch {
            insert.execute((rows / 2, rows % 2, &body))?;
            rows += 1;
        }
        drop(insert);
        transaction.commit()?;
    }
    Ok(rows as f64 / begun.elapsed().as_secs_f64())
}

/// Every table that names runs is copied, so that a later one is not forgotten.
fn parts(connection: &Connection, run: &str) -> rusqlite::Result<Vec<Part>> {
    let tables: Vec<String> = connection
        .prepare(
            "SELECT t.name FROM sqlite_schema AS t
             WHERE t.type = 'table' AND t.sql NOT LIKE 'CREATE VIRTUAL%'
                 AND EXISTS (SELECT 1 FROM pragma_table_info(t.name) AS c WHERE c.name = 'run_id')
             ORDER BY t.rowid",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut parts = Vec::new();
    for table in tables {
        let mut select = connection.prepare(&format!("SELECT * FROM {table} WHERE run_id = ?1"))?;
        let columns = select.column_count();
        let rows: Vec<Vec<Value>> = select
            .query_map([run], |row| (0..columns).map(|column| row.get(column)).collect())?
            .collect::<Result<_, _>>()?;
        let places = vec!["?"; columns].join(", ");
        parts.push(Part { insert: format!("INSERT INTO {table} VALUES ({places})"), rows });
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A database of this schema, and the id of its only run.
    fn database(status: &str, ended: &str) -> (tempfile::TempDir, PathBuf, RunId) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(include_str!("../migrations/0001_core.sql")).unwrap();
        connection.execute_batch(include_str!("../migrations/0004_archive.sql")).unwrap();
        let run = RunId::new(Timestamp::from_seconds(100), &SeededRandom::new(1));
        let table = if ended == "NULL" { "runs" } else { "archived_runs" };
        connection
            .execute(
                &format!(
                    "INSERT INTO {table} (run_id, account_id, workflow_id, namespace, name, version, status, started_by, region,
                         home_region, residency, depth, created_at, ended_at, epoch, next_seq)
                     VALUES (?1, 'acc', 'wf', 'd', 'n', '1', ?2, 'manual', 'r', 'r', 'x', 0, 100000000, {ended}, 1, 1)"
                ),
                [&run.to_string(), status],
            )
            .unwrap();
        connection
            .execute(
                "INSERT INTO journal VALUES (?1, 0, 1, 'r', ?2)",
                [run.to_string(), format!("[\"{run}\"]")],
            )
            .unwrap();
        connection.execute("INSERT INTO run_counts VALUES ('acc', ?1, 1)", [status]).unwrap();
        (directory, path, run)
    }

    #[test]
    fn a_copied_run_has_all_its_rows_under_an_id_of_its_own() {
        for (status, ended, table) in
            [("waiting", "NULL", "runs"), ("completed", "200000000", "archived_runs")]
        {
            let (_directory, path, run) = database(status, ended);
            copy_run(&path, run, 3).unwrap();
            let connection = Connection::open(&path).unwrap();
            let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!(number(&format!("SELECT count(*) FROM {table}")), 4);
            assert_eq!(number("SELECT runs FROM run_counts"), 4);
            let own = format!(
                "SELECT count(*) FROM journal JOIN {table} USING (run_id) WHERE events = '[\"' || run_id || '\"]'"
            );
            assert_eq!(number(&own), 4);
            assert!(bytes_of_run(&path, run).unwrap() > 60);
        }
    }
}
