//! The database behind the nouns: which one it is, who writes, who reads.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use crate::{
    Error, Options, Session,
    committer::Committer,
    hints::Hints,
    migrations::{self, MIGRATIONS, Migration},
    postgres::{Listener, Postgres, PostgresOptions, Replica, ReplicaReport, Way},
    readers::Readers,
    sqlite::Sqlite,
};

/// Where the data is.
#[derive(Debug, Clone, Default)]
pub enum Place {
    /// A file that goes with the store, without any durability: for tests.
    #[default]
    Scratch,
    /// SQLite, of one process at a time.
    File(PathBuf),
    /// SQLite, of several processes on the file's machine.
    SharedFile(PathBuf),
    Postgres(PostgresOptions),
}

#[derive(Debug)]
pub(crate) struct Database {
    readers: Readers,
    committer: Committer,
    /// Writes that must not wait for others; None: there is one writer only.
    beside: Option<Readers>,
    /// None: the database's machine is not ours.
    file: Option<Sqlite>,
    hints: Arc<Hints>,
    /// Started when somebody wants to hear; None: nobody will say anything.
    listener: OnceLock<Option<Listener>>,
    way: Option<Way>,
    is_shared: bool,
    replica: Option<Replica>,
}

impl Database {
    pub(crate) fn open(options: &Options) -> Result<Self, Error> {
        Self::open_with(options, MIGRATIONS)
    }

    pub(crate) fn open_with(options: &Options, migrations: &[Migration]) -> Result<Self, Error> {
        let (file, writers, beside, readers, (way, replica)) = match &options.place {
            Place::Scratch => {
                let (file, writer, readers) = Sqlite::open(None, options.readers, migrations)?;
                (Some(file), vec![writer], None, readers, (None, None))
            }
            Place::File(path) | Place::SharedFile(path) => {
                let (file, writer, readers) = Sqlite::open(Some(path), options.readers, migrations)?;
                (Some(file), vec![writer], None, readers, (None, None))
            }
            Place::Postgres(place) => {
                let Postgres { writers, beside, readers, replica, way } =
                    Postgres::open(place, options.readers, migrations)?;
                (None, writers, Some(vec![beside]), readers, (Some(way), replica))
            }
        };
        let threads =
            |error: std::io::Error| Error::Unavailable(format!("no thread can be started: {error}"));
        let readers = Readers::start(readers).map_err(threads)?;
        let committer = Committer::start(writers, options.queue).map_err(threads)?;
        let beside = beside.map(Readers::start).transpose().map_err(threads)?;
        Ok(Self {
            readers,
            committer,
            beside,
            file,
            hints: Arc::new(Hints::new()),
            listener: OnceLock::new(),
            way,
            is_shared: matches!(options.place, Place::SharedFile(_) | Place::Postgres(_)),
            replica,
        })
    }

    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Session) -> Result<T, Error> + Send + 'static,
    {
        self.committer.write(work).await
    }

    /// Runs one statement that is a transaction of its own, and does not wait for what others write. Only for rows that no
    /// other transaction decides by.
    pub(crate) async fn write_beside<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Session) -> Result<T, Error> + Send + 'static,
    {
        match &self.beside {
            Some(beside) => beside.read(work).await,
            None => self.committer.write(work).await,
        }
    }

    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Session) -> Result<T, Error> + Send + 'static,
    {
        self.readers.read(work).await
    }

    /// A read by which nothing is decided: from the replica when there is one that knows what this process has written, else
    /// from the primary.
    pub(crate) async fn view<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&Session) -> Result<T, Error> + Send + Sync + 'static,
    {
        let Some(replica) = &self.replica else { return self.read(work).await };
        let work = Arc::new(work);
        match replica.read(&work).await {
            Some(found) => Ok(found),
            None => self.read(move |session| work(session)).await,
        }
    }

    pub(crate) fn has_replica(&self) -> bool {
        self.replica.is_some()
    }

    pub(crate) fn replica(&self) -> Option<ReplicaReport> {
        self.replica.as_ref().map(Replica::report)
    }

    /// The bells; the first call begins to listen.
    pub(crate) fn hints(&self) -> &Hints {
        self.listener.get_or_init(|| {
            let way = self.way.clone()?;
            Listener::start(way, Arc::clone(&self.hints))
                .inspect_err(|error| tracing::warn!(%error, "hints of other nodes are not heard"))
                .ok()
        });
        &self.hints
    }

    /// Readers first: the last connection to leave must be one that may write.
    pub(crate) async fn close(&self) {
        if let Some(listener) = self.listener.get_or_init(|| None) {
            listener.stop();
        }
        if let Some(replica) = &self.replica {
            replica.close();
        }
        self.readers.close().await;
        if let Some(beside) = &self.beside {
            beside.close().await;
        }
        self.committer.close().await;
    }

    pub(crate) fn queue_depth(&self) -> (usize, usize) {
        self.committer.depth()
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Whether the database is a file here, shared or not, and not a server.
    pub(crate) fn is_file(&self) -> bool {
        self.file.is_some()
    }

    pub(crate) fn disk_free_bytes(&self) -> Option<u64> {
        self.file.as_ref().and_then(Sqlite::disk_free_bytes)
    }

    /// The newest migration that was applied.
    pub(crate) async fn migration(&self) -> Result<u32, Error> {
        self.read(migrations::version).await
    }
}
