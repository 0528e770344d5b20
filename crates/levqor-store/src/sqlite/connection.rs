//! Opens the file: is it ours, is it whole, how it is to be used.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::session::Session;
use crate::Error;

/// "LVQR": marks a file as ours.
pub(super) const APPLICATION_ID: i64 = 0x4C56_5152;

/// How long another process may hold the write lock before we say that the database does not answer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// More than the number of our statements, so that each is prepared once per connection.
const STATEMENTS_CACHED: usize = 256;

/// Pages in the log before a commit moves them into the file (16 MiB): rare enough to cost little, small enough to
/// keep the log short.
const CHECKPOINT_PAGES: u32 = 4_096;

/// What is left of the log after a checkpoint.
const LOG_BYTES_KEPT: u32 = 64 * 1024 * 1024;

/// How hard a commit must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// Survives the loss of power.
    Full,
    /// For databases that are thrown away.
    None,
}

/// Makes the directory and the file if they are missing, readable by their owner only.
pub(super) fn create(path: &Path) -> Result<(), Error> {
    let failed = |error: &std::io::Error, what: &str| match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::DiskFull,
        ErrorKind::ReadOnlyFilesystem => Error::ReadOnly(format!(
            "{} is on a read-only file system; choose another data directory",
            path.display()
        )),
        _ => Error::Open { path: path.display().to_string(), reason: format!("{what}: {error}") },
    };
    let parent = super::directory(path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)
        .map_err(|error| failed(&error, "its directory cannot be made"))?;
    let is_new = !path.exists();
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| failed(&error, "the file cannot be opened for writing"))?;
    if is_new {
        // The name of the file must survive the loss of power as well as what is in it.
        File::open(parent)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| failed(&error, "its directory cannot be written"))?;
    }
    Ok(())
}

/// The connection that writes. Refuses a file that is not ours before it changes anything in it.
pub(super) fn writer(path: &Path, durability: Durability) -> Result<Session, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags)?;
    let application_id: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application_id != APPLICATION_ID && (application_id != 0 || objects > 0) {
        return Err(Error::Corrupt("it belongs to another application".to_owned()));
    }
    if objects == 0 {
        // Only before the first table; without it pruning could never give disk space back.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL")?;
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(Error::Open {
            path: path.display().to_string(),
            reason: format!("its file system does not allow the write-ahead log (journal mode stays {mode})"),
        });
    }
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::None => "OFF",
    };
    connection.execute_batch(&format!(
        "PRAGMA synchronous = {synchronous};
         PRAGMA foreign_keys = ON;
         PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
         PRAGMA journal_size_limit = {LOG_BYTES_KEPT};
         PRAGMA cache_size = -8192;"
    ))?;
    if application_id != APPLICATION_ID {
        connection.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}"))?;
    }
    Ok(Session::new(connection))
}

/// A connection that reads. The writer must be open: it keeps the shared memory of the log.
pub(super) fn reader(path: &Path) -> Result<Session, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2048")?;
    Ok(Session::new(connection))
}

/// The same without a writer, for a file that may be anybody's.
pub(super) fn reader_of_ours(path: &Path) -> Result<Session, Error> {
    let session = reader(path)?;
    let application_id: i64 =
        session.connection().query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if application_id == APPLICATION_ID {
        Ok(session)
    } else {
        Err(Error::Corrupt("it belongs to another application".to_owned()))
    }
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| Error::Open { path: path.display().to_string(), reason: error.to_string() })?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // Plans do not look at values. Otherwise a statement with `LIMIT $1` is compiled anew for each execution.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF")?;
    Ok(connection)
}
