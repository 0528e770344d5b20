//! A connection that a thread waits for, though not for ever.
//!
//! A server can stand still without a word: its machine answers for it, and nothing is closed. So whoever waits for longer than usual asks for a sign
//! of life by a second connection. A server that gives one may take its time (a lock, a standby); one that gives none is lost, like one
//! that is gone, and whoever has taken its place is looked for.
//!
//! ```text
//! asked ─► answered                             answered ◄─┐
//!   └─ OVERDUE ─► connect again to the same server ─► a sign: wait on
//!                                                └──► none:   Failure::Silent
//! ```

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use tokio::{
    runtime::Runtime,
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_postgres::{
    AsyncMessage, Connection, CopyInSink, CopyOutStream, Row, SimpleQueryMessage, Socket, Statement,
    tls::TlsStream, types::ToSql,
};

use super::{connect::Server, errors::Failure};

/// Answers take less than this, but for those that wait for somebody.
const OVERDUE: Duration = Duration::from_millis(1_500);
/// Goodbyes need not be heard.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);
/// What is heard and not taken; more is lost, which those who listen must be able to bear.
const HEARD_MAX: usize = 1_024;

type Params<'a> = [&'a (dyn ToSql + Sync)];

pub(super) struct Client {
    asked: tokio_postgres::Client,
    /// Works while somebody waits.
    connection: JoinHandle<()>,
    heard: mpsc::Receiver<String>,
    server: Server,
    /// Last: what runs on it goes first.
    runtime: Runtime,
}

impl Client {
    pub(super) fn new<S>(
        runtime: Runtime,
        server: Server,
        asked: tokio_postgres::Client,
        connection: Connection<Socket, S>,
    ) -> Self
    where
        S: TlsStream + Unpin + Send + 'static,
    {
        let (tell, heard) = mpsc::channel(HEARD_MAX);
        let connection = runtime.spawn(drive(connection, tell));
        Self { asked, connection, heard, server, runtime }
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
        self.asked.is_closed()
    }

    /// What others say by `NOTIFY`, if they do so in time. None at once when the connection has ended.
    pub(super) fn hear(&mut self, within: Duration) -> Option<String> {
        self.runtime.block_on(async { timeout(within, self.heard.recv()).await }).ok().flatten()
    }

    /// Says goodbye to the server.
    pub(super) fn close(self) {
        let Self { asked, connection, runtime, .. } = self;
        drop(asked);
        if runtime.block_on(async { timeout(GOODBYE_WITHIN, connection).await }).is_err() {
            tracing::debug!("a connection to the database was not closed cleanly");
        }
    }

    /// Waits for something that was asked of the server by this connection.
    pub(super) fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        self.runtime.block_on(async {
            let mut work = pin!(work);
            loop {
                if let Ok(done) = timeout_at(Instant::now() + OVERDUE, &mut work).await {
                    return Ok(done?);
                }
                tokio::select! {
                    biased;
                    done = &mut work => return Ok(done?),
                    is_there = self.server.gives_sign() => if !is_there {
                        return Err(Failure::Silent(self.server.shown()));
                    },
                }
            }
        })
    }
}

/// Until it ends; the one who asks last is told why.
async fn drive<S>(mut connection: Connection<Socket, S>, tell: mpsc::Sender<String>)
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
                tracing::debug!(%error, "a connection to the database ended");
                return;
            }
            None => return,
        }
    }
}
