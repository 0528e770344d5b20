//! What a job sees of the database: statements in our common SQL, values in, checked values out.
//!
//! Both backends give the same two things, a number of changed rows or rows one by one; everything else is built on them here.

use levqor_model::Timestamp;

use crate::{
    Error,
    hints::Hint,
    postgres, sqlite,
    value::{Cell, Column, Value},
};

/// A connection with its statements. A job borrows it for its own duration only.
#[derive(Debug)]
pub(crate) enum Session {
    Sqlite(sqlite::Session),
    Postgres(Box<postgres::Session>),
}

/// A row, read column by column in the order in which the statement names them.
#[derive(Debug)]
pub(crate) enum Row<'a> {
    Sqlite(sqlite::Row<'a>),
    Postgres(postgres::Row<'a>),
}

/// A statement's text, by where it comes from: one of ours is prepared once a connection and found again by its address.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Text<'a> {
    Ours(&'static str),
    /// Put together for this call.
    Made(&'a str),
}

/// Takes a row; false: no more of them.
pub(crate) type Take<'a> = &'a mut dyn FnMut(&mut Row<'_>) -> Result<bool, Error>;

impl Row<'_> {
    /// The next column.
    pub(crate) fn take<T: Column>(&mut self) -> Result<T, Error> {
        match self {
            Row::Sqlite(row) => row.take(),
            Row::Postgres(row) => row.take(),
        }
    }

    /// The next column as it is kept.
    pub(crate) fn cell(&mut self) -> Result<Cell<'_>, Error> {
        match self {
            Row::Sqlite(row) => row.cell(),
            Row::Postgres(row) => row.cell(),
        }
    }

    /// The first column, which tells which row it is when the row itself cannot be read. None: not a text.
    pub(crate) fn first_text(&self) -> Option<String> {
        match self {
            Row::Sqlite(row) => row.first_text(),
            Row::Postgres(row) => row.first_text(),
        }
    }
}

impl Session {
    /// Runs a statement that gives no rows; the number of rows it changed.
    pub(crate) fn execute(&self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, Error> {
        match self {
            Session::Sqlite(session) => session.execute(sql, params),
            Session::Postgres(session) => session.execute(sql, params),
        }
    }

    /// All rows of a statement, which must bound their number itself.
    pub(crate) fn rows<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        mut read: impl FnMut(&mut Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.some_rows(sql, params, usize::MAX, |row| read(row).map(Some))
    }

    /// Gives rows to `read` until it says false. The statement bounds how many there are.
    pub(crate) fn each_row(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        mut read: impl FnMut(&mut Row<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        self.query(Text::Ours(sql), params, &mut read)
    }

    /// The first `wanted` rows of which `read` makes something. The statement bounds how many are looked at.
    pub(crate) fn some_rows<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        wanted: usize,
        read: impl FnMut(&mut Row<'_>) -> Result<Option<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        self.collect(Text::Ours(sql), params, wanted, read)
    }

    /// Like [`Session::some_rows`], for a text that was put together for this call.
    pub(crate) fn some_rows_of_text<T>(
        &self,
        sql: &str,
        params: &[Value<'_>],
        wanted: usize,
        read: impl FnMut(&mut Row<'_>) -> Result<Option<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        self.collect(Text::Made(sql), params, wanted, read)
    }

    /// Like [`Session::each_row`], for a text that was put together for this call.
    pub(crate) fn each_row_of_text(
        &self,
        sql: &str,
        mut read: impl FnMut(&mut Row<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        self.query(Text::Made(sql), &[], &mut read)
    }

    /// The first row, if there is one.
    pub(crate) fn row<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        read: impl FnOnce(&mut Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let (mut read, mut found) = (Some(read), None);
        self.query(Text::Ours(sql), params, &mut |row| {
            if let Some(read) = read.take() {
                found = Some(read(row)?);
            }
            Ok(false)
        })?;
        Ok(found)
    }

    /// The first column of the first row, if there is one.
    pub(crate) fn scalar<T: Column>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
    ) -> Result<Option<T>, Error> {
        self.row(sql, params, |row| row.take())
    }

    /// What time it is for all nodes: by the server's clock, or the caller's where there is only one process.
    pub(crate) fn now(&self, callers: Timestamp) -> Result<Timestamp, Error> {
        Ok(self.own_clock()?.unwrap_or(callers))
    }

    /// What time it is by the server's clock; None where there is only one process.
    pub(crate) fn own_clock(&self) -> Result<Option<Timestamp>, Error> {
        match self {
            Session::Sqlite(_) => Ok(None),
            Session::Postgres(session) if !session.has_clock => Ok(None),
            Session::Postgres(_) => {
                self.scalar("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)", &[])
            }
        }
    }

    /// Whether it is the server's clock that says what time it is for all nodes.
    pub(crate) fn has_own_clock(&self) -> bool {
        matches!(self, Session::Postgres(session) if session.has_clock)
    }

    /// What time it is for all nodes, for a text that is put together: by the server's clock, or else the parameter `$1`, the
    /// caller's. The same throughout a statement.
    pub(crate) fn now_text(&self) -> &'static str {
        match self {
            Session::Postgres(session) if session.has_clock => {
                "(CAST(extract(epoch FROM statement_timestamp()) * 1000000 AS bigint) + 0 * CAST($1 AS bigint))"
            }
            _ => "CAST($1 AS bigint)",
        }
    }

    /// A column to return that has the statement's transaction not wait for the disk, nor for a standby: for rows that may be lost.
    pub(crate) fn loose_text(&self) -> &'static str {
        match self {
            Session::Sqlite(_) => "1",
            Session::Postgres(_) => "set_config('synchronous_commit', 'off', true)",
        }
    }

    /// All statements of `work` see the same state of the database. Within a transaction that writes they do anyway: no other
    /// one writes meanwhile.
    pub(crate) fn snapshot<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        match self {
            Session::Sqlite(session) => session.snapshot(work),
            Session::Postgres(session) => session.snapshot(work),
        }
    }

    /// Gives free pages at the end of the file back to the disk, at most so many. PostgreSQL's own vacuum does it there.
    pub(crate) fn release_pages(&self, pages: u32) -> Result<(), Error> {
        match self {
            Session::Sqlite(session) => session.release_pages(pages),
            Session::Postgres(_) => Ok(()),
        }
    }

    /// Pages of the file that hold nothing; none where the file is not ours.
    pub(crate) fn free_pages(&self) -> Result<i64, Error> {
        match self {
            Session::Sqlite(_) => Ok(self.scalar::<i64>("PRAGMA freelist_count", &[])?.unwrap_or_default()),
            Session::Postgres(_) => Ok(0),
        }
    }

    /// Begins a transaction that writes. On PostgreSQL it waits until no other one does.
    pub(crate) fn begin(&self) -> Result<(), Error> {
        match self {
            Session::Sqlite(session) => session.execute("BEGIN IMMEDIATE", &[]).map(drop),
            Session::Postgres(session) => session.begin(),
        }
    }

    /// Has the commit tell other nodes, where there may be some.
    pub(crate) fn hint(&self, hint: Hint) {
        match self {
            Session::Sqlite(_) => {}
            Session::Postgres(session) => session.hint(hint),
        }
    }

    /// Durable when this returns.
    pub(crate) fn commit(&self) -> Result<(), Error> {
        match self {
            Session::Sqlite(session) => session.execute("COMMIT", &[]).map(drop),
            Session::Postgres(session) => session.commit(),
        }
    }

    pub(crate) fn roll_back(&self) -> Result<(), Error> {
        match self {
            Session::Sqlite(session) => session.execute("ROLLBACK", &[]).map(drop),
            Session::Postgres(session) => session.roll_back(),
        }
    }

    /// False when the database has given the transaction up.
    pub(crate) fn in_transaction(&self) -> bool {
        match self {
            Session::Sqlite(session) => session.in_transaction(),
            Session::Postgres(session) => session.in_transaction(),
        }
    }

    /// Marks a place in the transaction.
    pub(crate) fn mark(&self) -> Result<(), Error> {
        match self {
            Session::Sqlite(session) => session.execute("SAVEPOINT job", &[]).map(drop),
            Session::Postgres(session) => session.batch("SAVEPOINT job"),
        }
    }

    /// Keeps what came after the mark.
    pub(crate) fn keep(&self) -> Result<(), Error> {
        match self {
            Session::Sqlite(session) => session.execute("RELEASE job", &[]).map(drop),
            Session::Postgres(session) => session.batch("RELEASE SAVEPOINT job"),
        }
    }

    /// Takes back what came after the mark.
    pub(crate) fn take_back(&self) -> Result<(), Error> {
        match self {
            Session::Sqlite(session) => {
                session.execute("ROLLBACK TO job", &[])?;
                session.execute("RELEASE job", &[]).map(drop)
            }
            Session::Postgres(session) => session.batch("ROLLBACK TO SAVEPOINT job; RELEASE SAVEPOINT job"),
        }
    }

    /// Fills a table of PostgreSQL by a `COPY … FROM STDIN`; the number of rows. When `fill` fails, nothing of it is there.
    pub(crate) fn copy_in(
        &self,
        sql: &str,
        fill: impl FnMut(&mut postgres::CopyIn<'_>) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        self.postgres()?.copy_in(sql, fill)
    }

    /// Gives the rows of a `COPY … TO STDOUT` of PostgreSQL to `drain`, which need not read to the end.
    pub(crate) fn copy_out<T>(
        &self,
        sql: &str,
        drain: impl FnMut(&mut postgres::CopyOut<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.postgres()?.copy_out(sql, drain)
    }

    /// Statements that only PostgreSQL has, without rows.
    pub(crate) fn settle(&self, sql: &str) -> Result<(), Error> {
        self.postgres()?.batch(sql)
    }

    fn postgres(&self) -> Result<&postgres::Session, Error> {
        match self {
            Session::Postgres(session) => Ok(session),
            Session::Sqlite(_) => Err(Error::Unavailable("SQLite cannot do this".to_owned())),
        }
    }

    /// The statements of a migration.
    pub(crate) fn change_schema(&self, sql: &str) -> Result<(), Error> {
        match self {
            Session::Sqlite(session) => session.batch(sql),
            Session::Postgres(session) => session.batch(&postgres::spell_schema(sql)),
        }
    }

    /// False for an empty database.
    pub(crate) fn has_migrations(&self) -> Result<bool, Error> {
        let sql = match self {
            Session::Sqlite(_) => {
                "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'"
            }
            Session::Postgres(_) => {
                "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'migrations'"
            }
        };
        Ok(self.scalar::<i64>(sql, &[])?.unwrap_or_default() > 0)
    }

    /// The last use of the connection.
    pub(crate) fn close(self) {
        match self {
            Session::Sqlite(session) => session.close(),
            Session::Postgres(session) => (*session).close(),
        }
    }

    /// For tests that ask what only SQLite tells.
    #[cfg(test)]
    pub(crate) fn sqlite(&self) -> &sqlite::Session {
        match self {
            Session::Sqlite(session) => session,
            Session::Postgres(_) => panic!("a session of SQLite"),
        }
    }

    fn collect<T>(
        &self,
        text: Text<'_>,
        params: &[Value<'_>],
        wanted: usize,
        mut read: impl FnMut(&mut Row<'_>) -> Result<Option<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        if wanted == 0 {
            return Ok(found);
        }
        self.query(text, params, &mut |row| {
            found.extend(read(row)?);
            Ok(found.len() < wanted)
        })?;
        Ok(found)
    }

    fn query(&self, text: Text<'_>, params: &[Value<'_>], take: Take<'_>) -> Result<(), Error> {
        match self {
            Session::Sqlite(session) => session.query(text, params, take),
            Session::Postgres(session) => session.query(text, params, take),
        }
    }
}
