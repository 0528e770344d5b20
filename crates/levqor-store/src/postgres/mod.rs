//! The shared backend: a PostgreSQL that several nodes write to.
//!
//! The nouns' statements are the same as for SQLite, and so is what they may rely on: **one transaction writes at a time**,
//! in the whole cluster, by an advisory lock that each takes first and the commit gives back. So no noun needs to know what
//! another node may do between two of its statements. (`docs/decisions/0022-postgresql.md`.)

mod client;
mod connect;
mod copy;
mod doubt;
mod errors;
mod listen;
mod replica;
mod schema;
mod server;
mod session;
mod stop;
#[cfg(test)]
mod tests;

use std::{fmt, path::PathBuf, sync::Arc, thread};

pub use self::replica::ReplicaReport;
pub(crate) use self::{
    connect::Way,
    copy::{CopyIn, CopyOut},
    listen::Listener,
    replica::{Marks, Replica},
    schema::spell as spell_schema,
    session::{Row, Session},
};
use crate::{Error, migrations};

/// Where the server is, and how it is used.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host1,host2/database`: of several hosts the one is taken that writes.
    ///
    /// `sslmode=require` has the server show a certificate that holds, which is the rule for servers on other machines;
    /// `sslmode=disable` goes without TLS, which is the rule on this one.
    pub url: String,
    /// A replica to read lists and history from, written like `url`; None: everything is read from the primary.
    pub read_url: Option<String>,
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Leases count by the callers' clock instead of the server's: for tests that move the clock.
    pub callers_clock: bool,
}

impl PostgresOptions {
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), read_url: None, ca_file: None, callers_clock: false }
    }

    /// The place without the password: `postgres://user@host:5432/database`.
    pub fn shown(&self) -> String {
        connect::shown(&self.url)
    }
}

/// The URLs may hold passwords.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions").field("ca_file", &self.ca_file).finish_non_exhaustive()
    }
}

/// Connections, the schema being up to date.
#[derive(Debug)]
pub(crate) struct Postgres {
    pub(crate) writers: Vec<crate::Session>,
    /// For leases, whose renewal must not wait for the writers' turn.
    pub(crate) beside: crate::Session,
    pub(crate) readers: Vec<crate::Session>,
    pub(crate) replica: Option<Replica>,
    pub(crate) way: Way,
}

/// A connection to a server and a database that we can use, whatever is in it: the schema is left alone.
pub(crate) fn look(options: &PostgresOptions) -> Result<crate::Session, Error> {
    let way = connect::Way::new(options)?;
    let session = crate::Session::Postgres(Box::new(Session::connect(way, !options.callers_clock)?));
    connect::check(&session)?;
    Ok(session)
}

impl Postgres {
    /// Connections that write. More would only wait for each other.
    const WRITERS: usize = 1;

    pub(crate) fn open(
        options: &PostgresOptions,
        readers: usize,
        migrations: &[migrations::Migration],
    ) -> Result<Self, Error> {
        let way = connect::Way::new(options)?;
        let near = connect::Way::near(options)?;
        let marks = near.as_ref().map(|_| Arc::<Marks>::default());
        let open = || {
            let session = || {
                Session::connect(way.clone(), !options.callers_clock)
                    .map(|session| crate::Session::Postgres(Box::new(session)))
            };
            let writer = || {
                let session = Session::connect(way.clone(), !options.callers_clock)?;
                Ok(crate::Session::Postgres(Box::new(session.marking(marks.clone()))))
            };
            let mut writers = (0..Self::WRITERS).map(|_| writer()).collect::<Result<Vec<_>, Error>>()?;
            if let Some(writer) = writers.first() {
                connect::check(writer)?;
                migrations::migrate(writer, migrations)?;
                if let Some(marks) = &marks {
                    marks.begin(writer)?;
                }
            }
            for writer in &mut writers {
                if let crate::Session::Postgres(writer) = writer {
                    writer.dispel_doubt()?;
                }
            }
            let replica = near
                .zip(marks)
                .map(|(near, marks)| Replica::start(&way, &near, marks, readers))
                .transpose()?;
            let readers = (0..readers.max(1)).map(|_| session()).collect::<Result<_, _>>()?;
            Ok(Self { writers, beside: session()?, readers, replica, way: way.clone() })
        };
        // The client waits by a runtime of its own, which must not be begun where another one works.
        thread::scope(|scope| scope.spawn(open).join()).unwrap_or_else(|_| {
            Err(Error::Unavailable("the connection failed inside; this is a defect of levqor".to_owned()))
        })
    }
}
