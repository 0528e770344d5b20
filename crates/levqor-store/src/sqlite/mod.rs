//! The embedded backend: one file, one connection that writes, a few that read.

mod connection;
mod errors;
#[cfg(test)]
mod plans;
mod session;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use self::connection::Durability;
pub(crate) use self::session::{Row, Session};
use crate::{Error, migrations};

/// An open file.
#[derive(Debug)]
pub(crate) struct Sqlite {
    path: PathBuf,
    /// The place of a database without a path; it goes with the last handle, whatever the threads still do.
    _scratch: Option<TempDir>,
}

/// The file, the connection that writes and those that read, the schema being up to date.
type Opened = (Sqlite, crate::Session, Vec<crate::Session>);

impl Sqlite {
    /// None: a file that is thrown away with the value.
    pub(crate) fn open(
        path: Option<&Path>,
        readers: usize,
        migrations: &[migrations::Migration],
    ) -> Result<Opened, Error> {
        let (path, scratch, durability) = match path {
            Some(path) => (path.to_owned(), None, Durability::Full),
            // SQLite's own in-memory databases have no write-ahead log: readers would wait for the writer, and tests
            // would see another locking than production.
            None => {
                let scratch = scratch()?;
                (scratch.path().join("levqor.db"), Some(scratch), Durability::None)
            }
        };
        let (writer, readers) =
            connect(&path, durability, readers, migrations).map_err(|error| match error {
                Error::Corrupt(reason) => Error::Corrupt(format!("{}, {reason}", path.display())),
                other => other,
            })?;
        Ok((Self { path, _scratch: scratch }, writer, readers))
    }

    pub(crate) fn disk_free_bytes(&self) -> Option<u64> {
        let figures = rustix::fs::statvfs(directory(&self.path)).ok()?;
        Some(figures.f_bavail.saturating_mul(figures.f_frsize))
    }
}

/// A connection that only reads a file that is ours, whatever its schema. Nothing is changed in it.
pub(crate) fn look(path: &Path) -> Result<crate::Session, Error> {
    connection::reader_of_ours(path).map(crate::Session::Sqlite)
}

/// Opens all connections, the schema being up to date.
fn connect(
    path: &Path,
    durability: Durability,
    readers: usize,
    migrations: &[migrations::Migration],
) -> Result<(crate::Session, Vec<crate::Session>), Error> {
    connection::create(path)?;
    let writer = crate::Session::Sqlite(connection::writer(path, durability)?);
    migrations::migrate(&writer, migrations)?;
    if let crate::Session::Sqlite(writer) = &writer {
        writer.forget_statements();
    }
    let readers = (0..readers.max(1))
        .map(|_| connection::reader(path).map(crate::Session::Sqlite))
        .collect::<Result<_, _>>()?;
    Ok((writer, readers))
}

/// Where the file lives.
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn scratch() -> Result<TempDir, Error> {
    tempfile::Builder::new().prefix("levqor-").tempdir().map_err(|error| Error::Open {
        path: std::env::temp_dir().display().to_string(),
        reason: format!("no temporary directory can be made: {error}"),
    })
}
