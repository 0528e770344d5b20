//! One server for all tests of a process. It writes nothing to the disk in time: its databases are for suites that ask what is
//! written, not whether it stays. Nor does it take much of it: its log is short, and a database goes with the thread that
//! asked for it.

use std::{cell::RefCell, net::SocketAddr, sync::OnceLock};

use super::Postgres;

const SETTINGS: [&str; 7] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "min_wal_size=32MB",
    "max_wal_size=64MB",
];

/// The server, and who has which database.
#[derive(Debug)]
pub struct Shared(Postgres);

impl Postgres {
    /// The one server of this process, started when it is first asked for.
    ///
    /// # Panics
    /// When there is no PostgreSQL, or it does not start; the message says why.
    pub fn shared() -> &'static Shared {
        static SHARED: OnceLock<Shared> = OnceLock::new();
        SHARED.get_or_init(|| match Self::start(&SETTINGS, &[]) {
            Ok(server) => Shared(server),
            Err(error) => panic!("no PostgreSQL for the tests: {error:#}"),
        })
    }
}

impl Shared {
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// The URL of an empty database.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn database(&'static self) -> anyhow::Result<String> {
        self.database_with(&[])
    }

    /// The same, made with these options of `createdb`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn database_with(&'static self, options: &[&str]) -> anyhow::Result<String> {
        let name = self.0.create(options)?;
        let url = self.0.url(&name);
        BORROWED.with_borrow_mut(|all| all.push(Borrowed { server: &self.0, name }));
        Ok(url)
    }
}

/// A database that goes with the thread that asked for it.
struct Borrowed {
    server: &'static Postgres,
    name: String,
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // What stays goes with the server.
        let _ = self.server.client("dropdb", &["--force", "--if-exists", &self.name]);
    }
}

thread_local! {
    static BORROWED: RefCell<Vec<Borrowed>> = const { RefCell::new(Vec::new()) };
}
