//! The embedded backend: one file, one writer thread, a few readers.

mod committer;
mod connection;
mod errors;
mod migrate;
#[cfg(test)]
mod plans;
mod readers;
mod session;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use self::{committer::Committer, connection::Durability, readers::Readers};
pub(crate) use self::{
    migrate::expected,
    session::{Row, Session},
};
use crate::{Error, Options};

/// An open SQLite database.
#[derive(Debug)]
pub(crate) struct Sqlite {
    readers: Readers,
    committer: Committer,
    path: PathBuf,
    /// The place of a database without a path; it goes with the last handle, whatever the threads still do.
    _scratch: Option<TempDir>,
}

impl Sqlite {
    pub(crate) fn open(options: &Options) -> Result<Self, Error> {
        Self::open_with(options, migrate::MIGRATIONS)
    }

    fn open_with(options: &Options, migrations: &[migrate::Migration]) -> Result<Self, Error> {
        let (path, scratch, durability) = match &options.path {
            Some(path) => (path.clone(), None, Durability::Full),
            // SQLite's own in-memory databases have no write-ahead log: readers would wait for the writer, and tests
            // would see another locking than production.
            None => {
                let scratch = scratch()?;
                (scratch.path().join("levqor.db"), Some(scratch), Durability::None)
            }
        };
        let (writer, readers) =
            connect(&path, durability, options.readers, migrations).map_err(|error| match error {
                Error::Corrupt(reason) => Error::Corrupt(format!("{}, {reason}", path.display())),
                other => other,
            })?;
        let threads = |error: std::io::Error| Error::Open {
            path: path.display().to_string(),
            reason: format!("no thread can be started: {error}"),
        };
        let readers = Readers::start(readers).map_err(threads)?;
        let committer = Committer::start(writer, options.queue).map_err(threads)?;
        Ok(Self { readers, committer, path, _scratch: scratch })
    }

    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Session) -> Result<T, Error> + Send + 'static,
    {
        self.committer.write(work).await
    }

    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Session) -> Result<T, Error> + Send + 'static,
    {
        self.readers.read(work).await
    }

    /// Readers first: the last connection to leave must be one that may write.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.committer.close().await;
    }

    pub(crate) fn queue_depth(&self) -> (usize, usize) {
        self.committer.depth()
    }

    pub(crate) fn disk_free_bytes(&self) -> Option<u64> {
        let figures = rustix::fs::statvfs(directory(&self.path)).ok()?;
        Some(figures.f_bavail.saturating_mul(figures.f_frsize))
    }

    /// The newest migration in the file.
    pub(crate) async fn migration(&self) -> Result<u32, Error> {
        self.read(|session| migrate::version(session.connection())).await
    }
}

/// Opens all connections, the schema being up to date.
fn connect(
    path: &Path,
    durability: Durability,
    readers: usize,
    migrations: &[migrate::Migration],
) -> Result<(Session, Vec<Session>), Error> {
    connection::create(path)?;
    let writer = connection::writer(path, durability)?;
    migrate::migrate(writer.connection(), migrations)?;
    let readers = (0..readers.max(1)).map(|_| connection::reader(path)).collect::<Result<_, _>>()?;
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
