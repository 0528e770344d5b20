//! Databases for the suite: SQLite's.

use std::path::PathBuf;

use levqor_store::Options;

/// Whether the database lies on this machine's disk.
pub(crate) const IS_HERE: bool = true;

/// An empty database.
pub(crate) fn fresh() -> Options {
    Options::default()
}

/// The way into a store's database past the store.
pub(crate) struct Beside {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Beside {
    pub(crate) fn new() -> (Options, Self) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("levqor.db");
        (Options::file(&path), Self { path, _directory: directory })
    }

    /// Rows of a table.
    pub(crate) fn count(&self, table: &str) -> i64 {
        let connection = rusqlite::Connection::open(&self.path).unwrap();
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    /// Changes one row; `$1` is the text.
    pub(crate) fn change(&self, sql: &str, text: &str) {
        let connection = rusqlite::Connection::open(&self.path).unwrap();
        assert_eq!(connection.execute(&sql.replace('$', "?"), [text]).unwrap(), 1, "{sql}");
    }

    /// Puts these bytes in place of what is kept of a run.
    pub(crate) fn damage(&self, table: &str, run: &str, bytes: &[u8]) {
        let connection = rusqlite::Connection::open(&self.path).unwrap();
        let sql = format!("UPDATE {table} SET body = ?2 WHERE run_id = ?1");
        assert!(connection.execute(&sql, (run, bytes)).unwrap() > 0, "{table}");
    }
}
