//! One connection to the server, with its statements.
//!
//! A connection that is lost is made again before the next transaction, or the next read. Within a transaction its loss is
//! an error, and nothing of the transaction is written; when the commit itself got no answer, a writer asks whether it was
//! written ([`Doubt`]).

use std::{
    cell::{Cell as Flag, RefCell},
    collections::HashMap,
    error::Error as StdError,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tokio_postgres::{
    SimpleQueryMessage, Statement,
    types::{FromSql, IsNull, ToSql, Type, to_sql_checked},
};

use super::{
    client::Client,
    connect::Way,
    doubt::Doubt,
    errors::{self, Failure},
    listen,
    replica::{MARK_SQL, Mark, Marks},
};
use crate::{
    Error,
    hints::Hint,
    session::{Take, Text},
    value::{Cell, Column, Value, decode},
};

/// Writers of all nodes take it, one at a time: "LVQR".
const WRITER_LOCK: i64 = 0x4C56_5152;
const MUTE_FOR: Duration = Duration::from_secs(60);
/// Texts that were put together, with their statements.
const MADE_MAX: usize = 256;

pub(crate) struct Session {
    way: Way,
    /// The server says what time it is.
    pub(crate) has_clock: bool,
    connection: RefCell<Option<Connection>>,
    in_transaction: Flag<bool>,
    /// What the transaction's commit tells others.
    hints: Flag<[bool; Hint::ALL.len()]>,
    mute_since: Flag<Option<Instant>>,
    /// None: what is lost in a commit stays in doubt.
    doubt: Option<Doubt>,
    /// Is told how far the server has written, after each commit.
    marks: Option<Arc<Marks>>,
}

pub(super) struct Connection {
    pub(super) client: Client,
    /// By the address of the text.
    ours: HashMap<(usize, usize), Statement>,
    made: HashMap<String, Statement>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("in_transaction", &self.in_transaction).finish_non_exhaustive()
    }
}

pub(crate) struct Row<'a> {
    row: &'a tokio_postgres::Row,
    next: usize,
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row").field("next", &self.next).finish_non_exhaustive()
    }
}

impl<'a> Row<'a> {
    pub(crate) fn take<T: Column>(&mut self) -> Result<T, Error> {
        let index = self.next;
        let cell = self.cell()?;
        decode(self.row.columns().get(index).map_or("?", |column| column.name()), cell)
    }

    pub(crate) fn cell(&mut self) -> Result<Cell<'a>, Error> {
        let index = self.next;
        self.next += 1;
        Ok(self.row.try_get::<_, Raw<'_>>(index)?.0)
    }

    pub(crate) fn first_text(&self) -> Option<String> {
        match self.row.try_get::<_, Raw<'_>>(0) {
            Ok(Raw(Cell::Text(text))) => Some(text.to_owned()),
            _ => None,
        }
    }
}

impl Session {
    pub(super) fn connect(way: Way, has_clock: bool) -> Result<Self, Error> {
        let connection = Connection::new(&way)?;
        Ok(Self { has_clock, connection: RefCell::new(Some(connection)), ..Self::later(way) })
    }

    /// A session that connects when something is asked of it.
    pub(super) fn later(way: Way) -> Self {
        Self {
            way,
            has_clock: true,
            connection: RefCell::new(None),
            in_transaction: Flag::new(false),
            hints: Flag::default(),
            mute_since: Flag::default(),
            doubt: None,
            marks: None,
        }
    }

    /// The same session, whose commits tell how far the server has written by then.
    pub(super) fn marking(self, marks: Option<Arc<Marks>>) -> Self {
        Self { marks, ..self }
    }

    /// From now on a commit without an answer is asked for. The schema must be there.
    pub(super) fn dispel_doubt(&mut self) -> Result<(), Error> {
        let doubt = match self.connection.get_mut() {
            Some(connection) => Doubt::new(&connection.client)?,
            None => return Err(Error::Unavailable("the connection was lost at once".to_owned())),
        };
        self.doubt = Some(doubt);
        Ok(())
    }

    pub(crate) fn execute(&self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, Error> {
        self.with(|connection| {
            let statement = connection.prepare(Text::Ours(sql))?;
            connection.client.execute(&statement, &as_params(params))
        })
    }

    /// All rows come before the first is read, so that reading one may ask for others.
    pub(crate) fn query(&self, text: Text<'_>, params: &[Value<'_>], take: Take<'_>) -> Result<(), Error> {
        let rows = self.with(|connection| {
            let statement = connection.prepare(text)?;
            connection.client.query(&statement, &as_params(params))
        })?;
        for row in &rows {
            if !take(&mut crate::Row::Postgres(Row { row, next: 0 }))? {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn batch(&self, sql: &str) -> Result<(), Error> {
        self.with(|connection| connection.client.batch_execute(sql))
    }

    pub(crate) fn begin(&self) -> Result<(), Error> {
        let mark = self.doubt.as_ref().map(Doubt::mark).unwrap_or_default();
        self.batch(&format!("BEGIN; SELECT pg_advisory_xact_lock({WRITER_LOCK}); {mark}")).inspect_err(
            |_| {
                // It may have got as far as the lock; a connection that is gone has none.
                if self.connection.borrow().is_some() {
                    let _ = self.batch("ROLLBACK");
                }
            },
        )?;
        self.in_transaction.set(true);
        Ok(())
    }

    /// Others are told in the same transaction, and in the same message to the server.
    pub(crate) fn commit(&self) -> Result<(), Error> {
        let said = self.hints.take();
        let notify = if self.is_mute() { None } else { listen::notify(&said) };
        let with_hints = notify.is_some();
        let notify = notify.map(|notify| format!("{notify}; ")).unwrap_or_default();
        // A commit that waits for a standby must not give up by its time and go through without one.
        let committed = self.marked(&format!("SET LOCAL statement_timeout = 0; {notify}COMMIT"));
        // It may have got no further than the hints.
        if committed.is_err() && self.in_transaction() {
            if with_hints {
                self.mute_since.set(Some(Instant::now()));
            }
            let _ = self.batch("ROLLBACK");
        }
        self.in_transaction.set(false);
        let (Err(error), Some(doubt)) = (&committed, &self.doubt) else { return committed };
        if self.connection.borrow().is_none() {
            doubt.resolve(&self.way, error)?;
        } else if !matches!(doubt.is_written(&self.way), Ok(true)) {
            return committed;
        }
        // How far it is written was not said.
        if let Some(marks) = &self.marks {
            marks.lose();
        }
        Ok(())
    }

    /// Does it, and notes how far the server has written by then.
    fn marked(&self, sql: &str) -> Result<(), Error> {
        let Some(marks) = &self.marks else { return self.batch(sql) };
        let sql = format!("{sql}; {MARK_SQL}");
        let answers = self.with(|connection| connection.client.simple_query(&sql))?;
        match answers.iter().find_map(mark) {
            Some(mark) => marks.advance(mark),
            None => marks.lose(),
        }
        Ok(())
    }

    /// Hints go out by a queue of the server's that others can fill (a listener that stands still), and then no commit with one goes
    /// through. So whoever failed with one says nothing for a while.
    fn is_mute(&self) -> bool {
        self.mute_since.get().is_some_and(|since| since.elapsed() < MUTE_FOR)
    }

    /// Has the commit tell it. When what it is about is taken back, it is told for nothing.
    pub(crate) fn hint(&self, hint: Hint) {
        let mut hints = self.hints.get();
        if let Some(said) = hints.get_mut(hint as usize) {
            *said = true;
        }
        self.hints.set(hints);
    }

    pub(crate) fn roll_back(&self) -> Result<(), Error> {
        self.hints.take();
        let rolled_back = self.batch("ROLLBACK");
        self.in_transaction.set(false);
        rolled_back
    }

    pub(crate) fn in_transaction(&self) -> bool {
        self.in_transaction.get()
    }

    pub(crate) fn snapshot<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        if self.in_transaction() {
            return work();
        }
        self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        self.in_transaction.set(true);
        let open = Open(self);
        let result = work();
        drop(open);
        result
    }

    /// Says goodbye to the server.
    pub(crate) fn close(self) {
        if let Some(connection) = self.connection.into_inner() {
            connection.client.close();
        }
    }

    /// Does something with the connection, which is made when there is none. Outside of a transaction a connection that turns
    /// out to be lost is made again, once: what is done there changes nothing.
    pub(super) fn with<T>(
        &self,
        mut work: impl FnMut(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let mut held = self.connection.borrow_mut();
        let mut fresh = false;
        loop {
            let connection = match &mut *held {
                Some(connection) => connection,
                None if self.in_transaction() => {
                    self.in_transaction.set(false);
                    return Err(Error::Unavailable(
                        "the connection was lost within a transaction".to_owned(),
                    ));
                }
                none => {
                    fresh = true;
                    none.insert(Connection::new(&self.way)?)
                }
            };
            let error = match work(connection) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if !connection.client.is_closed() && !errors::is_lost(&error) {
                return Err(error.into());
            }
            *held = None;
            if self.in_transaction() || fresh {
                self.in_transaction.set(false);
                return Err(error.into());
            }
            tracing::warn!(%error, "the connection to the database was lost; connecting again");
        }
    }
}

impl Connection {
    fn new(way: &Way) -> Result<Self, Error> {
        Ok(Self { client: way.connect()?, ours: HashMap::new(), made: HashMap::new() })
    }

    fn prepare(&mut self, text: Text<'_>) -> Result<Statement, Failure> {
        match text {
            Text::Ours(sql) => {
                let key = (sql.as_ptr().addr(), sql.len());
                if let Some(statement) = self.ours.get(&key) {
                    return Ok(statement.clone());
                }
                let statement = self.client.prepare(sql)?;
                self.ours.insert(key, statement.clone());
                Ok(statement)
            }
            Text::Made(sql) => {
                if let Some(statement) = self.made.get(sql) {
                    return Ok(statement.clone());
                }
                if self.made.len() >= MADE_MAX {
                    self.made.clear();
                }
                let statement = self.client.prepare(sql)?;
                self.made.insert(sql.to_owned(), statement.clone());
                Ok(statement)
            }
        }
    }
}

/// A reading transaction, which ends with this, also when its work panics.
struct Open<'a>(&'a Session);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if self.0.in_transaction()
            && let Err(error) = self.0.roll_back()
        {
            tracing::warn!(%error, "a reading transaction could not be ended");
        }
    }
}

/// What [`MARK_SQL`] says.
fn mark(answer: &SimpleQueryMessage) -> Option<Mark> {
    let SimpleQueryMessage::Row(row) = answer else { return None };
    let number = |column| row.try_get(column).ok()??.parse().ok();
    Some(Mark { timeline: number(0)?, place: number(1)? })
}

fn as_params<'a>(params: &'a [Value<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|param| param as &(dyn ToSql + Sync)).collect()
}

/// The type is the one that the server found for the parameter.
impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Bigint(number) => match *ty {
                Type::INT4 => i32::try_from(*number)?.to_sql(ty, out),
                Type::INT2 => i16::try_from(*number)?.to_sql(ty, out),
                Type::BOOL => (*number != 0).to_sql(ty, out),
                Type::INT8 => number.to_sql(ty, out),
                _ => Err(format!("a number for a parameter of type {ty}").into()),
            },
            Value::Boolean(flag) => match *ty {
                Type::BOOL => flag.to_sql(ty, out),
                Type::INT8 => i64::from(*flag).to_sql(ty, out),
                _ => Err(format!("a boolean for a parameter of type {ty}").into()),
            },
            Value::Text(text) => match *ty {
                Type::TEXT | Type::VARCHAR | Type::UNKNOWN | Type::NAME => text.as_ref().to_sql(ty, out),
                _ => Err(format!("a text for a parameter of type {ty}").into()),
            },
            Value::Bytes(bytes) => match *ty {
                Type::BYTEA => bytes.to_sql(ty, out),
                _ => Err(format!("bytes for a parameter of type {ty}").into()),
            },
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A cell as it came, whatever its type.
struct Raw<'a>(Cell<'a>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(match *ty {
            Type::INT8 => Cell::Bigint(i64::from_sql(ty, raw)?),
            Type::INT4 => Cell::Bigint(i64::from(i32::from_sql(ty, raw)?)),
            Type::INT2 => Cell::Bigint(i64::from(i16::from_sql(ty, raw)?)),
            Type::BOOL => Cell::Bigint(i64::from(bool::from_sql(ty, raw)?)),
            Type::TEXT | Type::VARCHAR | Type::UNKNOWN | Type::NAME => Cell::Text(<&str>::from_sql(ty, raw)?),
            Type::BYTEA => Cell::Bytes(raw),
            _ => Cell::Foreign("a type that no column of ours has"),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(Cell::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
