//! One connection to the file, with its statements.

use std::{cell::RefCell, collections::HashMap};

use rusqlite::{
    CachedStatement, Connection, MAIN_DB, ToSql,
    types::{ToSqlOutput, ValueRef},
};

use crate::{
    Error,
    session::{Take, Text},
    value::{Cell, Column, Value, decode},
};

#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    /// Our texts in SQLite's spelling, by the address of the text: each is rewritten once.
    spelled: RefCell<HashMap<(usize, usize), Box<str>>>,
}

#[derive(Debug)]
pub(crate) struct Row<'a> {
    row: &'a rusqlite::Row<'a>,
    next: usize,
}

impl<'a> Row<'a> {
    pub(crate) fn take<T: Column>(&mut self) -> Result<T, Error> {
        let index = self.next;
        let cell = self.cell()?;
        decode(self.row.as_ref().column_name(index).unwrap_or("?"), cell)
    }

    pub(crate) fn cell(&mut self) -> Result<Cell<'a>, Error> {
        let index = self.next;
        self.next += 1;
        Ok(match self.row.get_ref(index)? {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(number) => Cell::Bigint(number),
            ValueRef::Text(text) => {
                std::str::from_utf8(text).map_or(Cell::Foreign("text that is not UTF-8"), Cell::Text)
            }
            ValueRef::Blob(bytes) => Cell::Bytes(bytes),
            ValueRef::Real(_) => Cell::Foreign("a fraction"),
        })
    }

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

    pub(crate) fn execute(&self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, Error> {
        let mut statement = self.prepare(Text::Ours(sql))?;
        bind(&mut statement, params)?;
        Ok(statement.raw_execute()? as u64)
    }

    pub(crate) fn query(&self, text: Text<'_>, params: &[Value<'_>], take: Take<'_>) -> Result<(), Error> {
        let mut statement = self.prepare(text)?;
        bind(&mut statement, params)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            if !take(&mut crate::Row::Sqlite(Row { row, next: 0 }))? {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn batch(&self, sql: &str) -> Result<(), Error> {
        Ok(self.connection.execute_batch(sql)?)
    }

    /// After a change of the schema all statements would be compiled again when they are used next.
    pub(super) fn forget_statements(&self) {
        self.connection.flush_prepared_statement_cache();
        self.spelled.borrow_mut().clear();
    }

    pub(crate) fn in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// Within a transaction all statements see the same state anyway.
    pub(crate) fn snapshot<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        if self.in_transaction() {
            return work();
        }
        self.execute("BEGIN DEFERRED", &[])?;
        let open = Open(&self.connection);
        let result = work();
        drop(open);
        result
    }

    pub(crate) fn release_pages(&self, pages: u32) -> Result<(), Error> {
        let mut statement = self.connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut rows = statement.raw_query();
        // Each step frees one page.
        while rows.next()?.is_some() {}
        Ok(())
    }

    /// Moves the log into the database file, so that the file alone is the whole database.
    pub(crate) fn close(self) {
        let connection = self.connection;
        // What only reads has nothing to move, and is not the last to leave.
        if connection.is_readonly(MAIN_DB).unwrap_or(true) {
            return;
        }
        let checkpoint =
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        match checkpoint {
            Ok(0) => tracing::debug!("the database is closed"),
            // Another process uses the file; the last one to leave does it.
            Ok(_) => tracing::debug!("the database is closed; another process still uses it"),
            Err(error) => {
                tracing::warn!(%error, "the log could not be moved into the database file; the next start does it")
            }
        }
        if let Err((_, error)) = connection.close() {
            tracing::warn!(%error, "the database was not closed cleanly; the next start recovers it");
        }
    }

    /// The texts that this connection has run, as SQLite gets them.
    #[cfg(test)]
    pub(super) fn spelled_texts(&self) -> Vec<String> {
        self.spelled.borrow().values().map(|text| text.to_string()).collect()
    }

    fn prepare(&self, text: Text<'_>) -> Result<CachedStatement<'_>, Error> {
        let sql = match text {
            Text::Ours(sql) => sql,
            Text::Made(sql) => return Ok(self.connection.prepare_cached(&spell(sql))?),
        };
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
