//! Databases for the suite: PostgreSQL's, of a server that the suite starts.

use levqor_lab::Postgres;
use levqor_store::{Options, Place, PostgresOptions};

/// Whether the database lies on this machine's disk.
pub(crate) const IS_HERE: bool = false;

/// An empty database.
pub(crate) fn fresh() -> Options {
    Options { place: place(), ..Options::default() }
}

/// The suite's clock is moved by hand.
fn at(url: String) -> Place {
    Place::Postgres(PostgresOptions { callers_clock: true, ..PostgresOptions::new(url) })
}

fn place() -> Place {
    at(Postgres::shared().database().unwrap())
}

/// The way into a store's database past the store.
pub(crate) struct Beside {
    url: String,
}

impl Beside {
    pub(crate) fn new() -> (Options, Self) {
        let url = Postgres::shared().database().unwrap();
        let place = at(url.clone());
        (Options { place, ..Options::default() }, Self { url })
    }

    /// Rows of a table.
    pub(crate) fn count(&self, table: &str) -> i64 {
        self.with(|client| client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).unwrap().get(0))
    }

    /// Changes one row; `$1` is the text.
    pub(crate) fn change(&self, sql: &str, text: &str) {
        assert_eq!(self.with(|client| client.execute(sql, &[&text]).unwrap()), 1, "{sql}");
    }

    /// Puts these bytes in place of what is kept of a run.
    pub(crate) fn damage(&self, table: &str, run: &str, bytes: &[u8]) {
        let sql = format!("UPDATE {table} SET body = $2 WHERE run_id = $1");
        assert!(self.with(|client| client.execute(&sql, &[&run, &bytes]).unwrap()) > 0, "{table}");
    }

    /// The client waits by a runtime of its own, which must not be begun where another one works.
    fn with<T: Send>(&self, work: impl FnOnce(&mut postgres::Client) -> T + Send) -> T {
        let open = || work(&mut postgres::Client::connect(&self.url, postgres::NoTls).unwrap());
        std::thread::scope(|scope| scope.spawn(open).join().unwrap())
    }
}
