//! The database behind the nouns: which one it is, who writes, who reads.

use std::path::PathBuf;

use crate::{
    Error, Options, Session,
    committer::Committer,
    migrations::{self, MIGRATIONS, Migration},
    postgres::{Postgres, PostgresOptions},
    readers::Readers,
    sqlite::Sqlite,
};

/// Where the data is.
#[derive(Debug, Clone, Default)]
pub enum Place {
    /// A file that goes with the store, without any durability: for tests.
    #[default]
    Scratch,
    /// SQLite.
    File(PathBuf),
    Postgres(PostgresOptions),
}

#[derive(Debug)]
pub(crate) struct Database {
    readers: Readers,
    committer: Committer,
    /// None: the database's machine is not ours.
    file: Option<Sqlite>,
}

impl Database {
    pub(crate) fn open(options: &Options) -> Result<Self, Error> {
        Self::open_with(options, MIGRATIONS)
    }

    pub(crate) fn open_with(options: &Options, migrations: &[Migration]) -> Result<Self, Error> {
        let (file, writers, readers) = match &options.place {
            Place::Scratch => {
                let (file, writer, readers) = Sqlite::open(None, options.readers, migrations)?;
                (Some(file), vec![writer], readers)
            }
            Place::File(path) => {
                let (file, writer, readers) = Sqlite::open(Some(path), options.readers, migrations)?;
                (Some(file), vec![writer], readers)
            }
            Place::Postgres(place) => {
                let Postgres { writers, readers } = Postgres::open(place, options.readers, migrations)?;
                (None, writers, readers)
            }
        };
        let threads =
            |error: std::io::Error| Error::Unavailable(format!("no thread can be started: {error}"));
        let readers = Readers::start(readers).map_err(threads)?;
        let committer = Committer::start(writers, options.queue).map_err(threads)?;
        Ok(Self { readers, committer, file })
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
        self.file.as_ref().and_then(Sqlite::disk_free_bytes)
    }

    /// The newest migration that was applied.
    pub(crate) async fn migration(&self) -> Result<u32, Error> {
        self.read(migrations::version).await
    }
}
