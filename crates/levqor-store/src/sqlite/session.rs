//! What a job sees of the database: statements in our common SQL, values in, checked values out.

use std::{cell::RefCell, collections::HashMap};

use rusqlite::{
    CachedStatement, Connection, ToSql,
    types::{ToSqlOutput, ValueRef},
};

use crate::{
    Error,
    value::{Cell, Column, Value, decode},
};

/// A connection with its statements. A job borrows it for its own duration only.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    /// Our texts in SQLite's spelling, by the address of the text: each is rewritten once.
    spelled: RefCell<HashMap<(usize, usize), Box<str>>>,
}

/// A row, read column by column in the order in which the statement names them.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    row: &'a rusqlite::Row<'a>,
    next: usize,
}

impl Row<'_> {
    /// The next column.
    pub(crate) fn take<T: Column>(&mut self) -> Result<T, Error> {
        let index = self.next;
        self.next += 1;
        let cell = match self.row.get_ref(index)? {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(number) => Cell::Bigint(number),
            ValueRef::Text(text) => {
                std::str::from_utf8(text).map_or(Cell::Foreign("text that is not UTF-8"), Cell::Text)
            }
            ValueRef::Blob(bytes) => Cell::Bytes(bytes),
            ValueRef::Real(_) => Cell::Foreign("a fraction"),
        };
        decode(self.row.as_ref().column_name(index).unwrap_or("?"), cell)
    }

    /// The first column, which tells which row it is when the row itself cannot be read. None: not a text.
    pub(crate) fn first_text(&self) -> Option<String> {
        match self.row.get_ref(0) {
            Ok(ValueRef::Text(text)) => std::str::from_utf8(text).ok().map(str::to_owned),
            _ => None,
        }
    }
}

impl Session {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, spelled: RefCell::default() }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn into_connection(self) -> Connection {
        self.connection
    }

    /// Runs a statement that gives no rows; the number of rows it changed.
    pub(crate) fn execute(&self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, Error> {
        let mut statement = self.prepare(sql)?;
        bind(&mut statement, params)?;
        Ok(statement.raw_execute()? as u64)
    }

    /// All rows of a statement, which must bound their number itself.
    pub(crate) fn rows<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        mut read: impl FnMut(&mut Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        collect(&mut self.prepare(sql)?, params, usize::MAX, |row| read(row).map(Some))
    }

    /// Gives rows to `read` until it says false. The statement bounds how many there are.
    pub(crate) fn each_row(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        mut read: impl FnMut(&mut Row<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let mut statement = self.prepare(sql)?;
        bind(&mut statement, params)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            if !read(&mut Row { row, next: 0 })? {
                break;
            }
        }
        Ok(())
    }

    /// All statements of `work` see the same state of the database. Within a transaction they do anyway.
    pub(crate) fn snapshot<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        if !self.connection.is_autocommit() {
            return work();
        }
        self.execute("BEGIN DEFERRED", &[])?;
        let open = Open(&self.connection);
        let result = work();
        drop(open);
        result
    }

    /// The first `wanted` rows of which `read` makes something. The statement bounds how many are looked at.
    pub(crate) fn some_rows<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        wanted: usize,
        read: impl FnMut(&mut Row<'_>) -> Result<Option<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        collect(&mut self.prepare(sql)?, params, wanted, read)
    }

    /// Like [`Session::some_rows`], for a text that was put together for this call.
    pub(crate) fn some_rows_of_text<T>(
        &self,
        sql: &str,
        params: &[Value<'_>],
        wanted: usize,
        read: impl FnMut(&mut Row<'_>) -> Result<Option<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        collect(&mut self.connection.prepare_cached(&spell(sql))?, params, wanted, read)
    }

    /// The first row, if there is one.
    pub(crate) fn row<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        read: impl FnOnce(&mut Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut statement = self.prepare(sql)?;
        bind(&mut statement, params)?;
        let mut rows = statement.raw_query();
        match rows.next()? {
            Some(row) => read(&mut Row { row, next: 0 }).map(Some),
            None => Ok(None),
        }
    }

    /// The first column of the first row, if there is one.
    pub(crate) fn scalar<T: Column>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
    ) -> Result<Option<T>, Error> {
        self.row(sql, params, |row| row.take())
    }

    /// Gives free pages at the end of the file back to the disk, at most so many.
    pub(crate) fn release_pages(&self, pages: u32) -> Result<(), Error> {
        let mut statement = self.connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut rows = statement.raw_query();
        // Each step frees one page.
        while rows.next()?.is_some() {}
        Ok(())
    }

    /// The texts that this connection has run, as SQLite gets them.
    #[cfg(test)]
    pub(super) fn spelled_texts(&self) -> Vec<String> {
        self.spelled.borrow().values().map(|text| text.to_string()).collect()
    }

    fn prepare(&self, sql: &'static str) -> Result<CachedStatement<'_>, Error> {
        let mut spelled = self.spelled.borrow_mut();
        let text =
            spelled.entry((sql.as_ptr().addr(), sql.len())).or_insert_with(|| spell(sql).into_boxed_str());
        Ok(self.connection.prepare_cached(text)?)
    }
}

/// A reading transaction, which ends with this, also when its work panics.
struct Open<'a>(&'a Connection);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.prepare_cached("COMMIT").and_then(|mut commit| commit.raw_execute()) {
            tracing::warn!(%error, "a reading transaction could not be ended");
        }
    }
}

/// `$1` is a named parameter to SQLite and `?1` a numbered one. Our texts have no other dollar signs.
fn spell(sql: &str) -> String {
    sql.replace('$', "?")
}

fn bind(statement: &mut CachedStatement<'_>, params: &[Value<'_>]) -> Result<(), Error> {
    debug_assert_eq!(statement.parameter_count(), params.len(), "parameters of a statement");
    for (index, param) in params.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, param)?;
    }
    Ok(())
}

fn collect<T>(
    statement: &mut CachedStatement<'_>,
    params: &[Value<'_>],
    wanted: usize,
    mut read: impl FnMut(&mut Row<'_>) -> Result<Option<T>, Error>,
) -> Result<Vec<T>, Error> {
    bind(statement, params)?;
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while found.len() < wanted {
        let Some(row) = rows.next()? else { break };
        found.extend(read(&mut Row { row, next: 0 })?);
    }
    Ok(found)
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Bigint(number) => ValueRef::Integer(*number),
            Value::Boolean(flag) => ValueRef::Integer(i64::from(*flag)),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
