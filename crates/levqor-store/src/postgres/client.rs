//! A connection that a thread waits for, though not for ever.
//!
//! A server can stand still without a word: its machine answers for it, and nothing is closed. So whoever waits for longer than usual asks the same
//! server by a second connection whether the session is still there. When it is, the server may take its time (a lock, a standby). When nobody
//! answers, or the session is not known, it is lost, like a connection that was closed, and whoever takes writes now is looked for.
//!
//! ```text
//! asked ─► answered                                    answered ◄─┐
//!   └─ OVERDUE ─► is the session there? ─► yes, or nobody can say: wait on
//!                                     └──► no, or silence: Failure::Silent
//! ```

use std::{
    cell::Cell,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_postgres::{
    AsyncMessage, Connection, CopyInSink, CopyOutStream, Row, SimpleQueryMessage, Socket, Statement,
    tls::TlsStream, types::ToSql,
};

use super::{
    errors::Failure,
    server::{Reached, Server, SessionName},
};
use crate::Error;

/// Answers take less than this, but for those that wait for somebody. Each time that there was a sign, twice as long is waited for the next.
const OVERDUE: Duration = Duration::from_millis(1_500);
const OVERDUE_MOST: Duration = Duration::from_secs(6);
/// What arrived while this process stood still is read before its server is taken for silent.
const LAST_LOOK: Duration = Duration::from_millis(100);
/// Goodbyes need not be heard.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);
/// What is heard and not taken; more is lost, which those who listen must be able to bear.
const HEARD_MAX: usize = 1_024;

/// No statement of ours takes long, and no transaction stands still: whoever stops in the midst of one, with the lock that
/// all others wait for, loses it. That is soon enough for the others to stay ready meanwhile, though a node that is cut off
/// may hold the lock twice in a row: for a batch of writes, and for the renewal of its lease that comes next.
const SETTINGS: &str = "SET statement_timeout = '30s'; SET lock_timeout = '10s'; \
    SET idle_in_transaction_session_timeout = '1s'; SET client_min_messages = warning; SET timezone = 'UTC'";

type Params<'a> = [&'a (dyn ToSql + Sync)];
/// Why a connection ended, until somebody is told.
type End = Arc<Mutex<Option<tokio_postgres::Error>>>;

pub(super) struct Client {
    asked: tokio_postgres::Client,
    /// Works while somebody waits.
    connection: Option<JoinHandle<()>>,
    end: End,
    heard: mpsc::Receiver<String>,
    server: Server,
    /// None until it is known.
    session: Option<SessionName>,
    /// Nothing is asked any more of a server that was silent.
    is_lost: Cell<bool>,
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

/// A name that is being looked up must not hold up whoever gives up.
impl Drop for Client {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Client {
    /// To the first of the servers that takes us.
    ///
    /// # Errors
    /// When none does.
    pub(super) fn new(servers: &[Server]) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::Unavailable(format!("no connection can be waited for: {error}")))?;
        let reached = match runtime.block_on(Server::first(servers)) {
            Ok(reached) => reached,
            Err(error) => {
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let Reached { server, client: asked, connection } = reached;
        let (tell, heard) = mpsc::channel(HEARD_MAX);
        let end = End::default();
        let connection = Some(runtime.spawn(drive(connection, tell, Arc::clone(&end))));
        let is_lost = Cell::new(false);
        let mut client =
            Self { asked, connection, end, heard, server, session: None, is_lost, runtime: Some(runtime) };
        let answers = client.simple_query(&format!("{SETTINGS}; {}", SessionName::SQL))?;
        client.session = SessionName::read(&answers);
        Ok(client)
    }

    pub(super) fn execute(&self, statement: &Statement, params: &Params<'_>) -> Result<u64, Failure> {
        self.wait(self.asked.execute(statement, params))
    }

    pub(super) fn query(&self, statement: &Statement, params: &Params<'_>) -> Result<Vec<Row>, Failure> {
        self.wait(self.asked.query(statement, params))
    }

    pub(super) fn query_one(&self, sql: &str, params: &Params<'_>) -> Result<Row, Failure> {
        self.wait(self.asked.query_one(sql, params))
    }

    pub(super) fn prepare(&self, sql: &str) -> Result<Statement, Failure> {
        self.wait(self.asked.prepare(sql))
    }

    pub(super) fn batch_execute(&self, sql: &str) -> Result<(), Failure> {
        self.wait(self.asked.batch_execute(sql))
    }

    pub(super) fn simple_query(&self, sql: &str) -> Result<Vec<SimpleQueryMessage>, Failure> {
        self.wait(self.asked.simple_query(sql))
    }

    pub(super) fn copy_in(&self, sql: &str) -> Result<CopyInSink<Bytes>, Failure> {
        self.wait(self.asked.copy_in(sql))
    }

    pub(super) fn copy_out(&self, sql: &str) -> Result<CopyOutStream, Failure> {
        self.wait(self.asked.copy_out(sql))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_lost.get() || self.asked.is_closed()
    }

    /// What others say by `NOTIFY`, if they do so in time. None at once when the connection has ended.
    pub(super) fn hear(&mut self, within: Duration) -> Option<String> {
        let Self { runtime: Some(runtime), heard, .. } = self else { return None };
        runtime.block_on(async { timeout(within, heard.recv()).await }).ok().flatten()
    }

    /// Says goodbye to the server.
    pub(super) fn close(mut self) {
        let (Some(runtime), Some(connection)) = (self.runtime.take(), self.connection.take()) else { return };
        // Nobody asks any more, which ends it.
        drop(self);
        if runtime.block_on(async { timeout(GOODBYE_WITHIN, connection).await }).is_err() {
            tracing::debug!("a connection to the database was not closed cleanly");
        }
        runtime.shutdown_background();
    }

    /// Waits for something that was asked of the server by this connection.
    pub(super) fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        let silent = || Failure::Silent(self.server.shown());
        let Some(runtime) = self.runtime.as_ref().filter(|_| !self.is_lost.get()) else {
            return Err(silent());
        };
        let done = runtime.block_on(async {
            let mut work = pin!(work);
            let mut patience = OVERDUE;
            loop {
                if let Ok(done) = timeout(patience, &mut work).await {
                    return Some(done);
                }
                tokio::select! {
                    biased;
                    done = &mut work => return Some(done),
                    is_there = self.server.has(self.session.as_ref()) => if !is_there {
                        return timeout(LAST_LOOK, &mut work).await.ok();
                    },
                }
                patience = (patience * 2).min(OVERDUE_MOST);
            }
        });
        match done {
            Some(done) => Ok(done.map_err(|error| self.reason(error))?),
            None => {
                self.is_lost.set(true);
                Err(silent())
            }
        }
    }

    /// Why the connection was closed, when it was and that is known.
    fn reason(&self, error: tokio_postgres::Error) -> tokio_postgres::Error {
        if !error.is_closed() {
            return error;
        }
        self.end.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(error)
    }
}

/// Until it ends.
async fn drive<S>(mut connection: Connection<Socket, S>, tell: mpsc::Sender<String>, end: End)
where
    S: TlsStream + Unpin,
{
    loop {
        match std::future::poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(said))) => {
                // Whoever does not listen need not hear.
                let _ = tell.try_send(said.payload().to_owned());
            }
            Some(Ok(AsyncMessage::Notice(notice))) => {
                tracing::debug!(severity = notice.severity(), "the database says: {}", notice.message());
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                *end.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                return;
            }
            None => return,
        }
    }
}
