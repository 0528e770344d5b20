//! One server as it is reached: its name is looked up, its addresses are tried, and later it is asked whether a session is still there.

use std::{
    io::{self, ErrorKind},
    net::IpAddr,
    time::Duration,
};

use tokio::{task::JoinSet, time::timeout};
use tokio_postgres::{
    Client, Config, Connection, SimpleQueryMessage, Socket,
    config::{Host, TargetSessionAttrs},
    tls::MakeTlsConnect,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connect::hosts_of;
use crate::Error;

/// Until the next is asked as well, while the last has not answered.
const NEXT_AFTER: Duration = Duration::from_millis(250);
/// A server that works lets somebody in within this, also when it has a lot to do.
const ANSWERS_WITHIN: Duration = Duration::from_secs(4);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
const PORT: u16 = 5432;

/// Settings for a single host; with its address, once that is known.
#[derive(Clone)]
pub(super) struct Server {
    config: Config,
    tls: MakeRustlsConnect,
}

/// A way to a server that took us.
pub(super) struct Reached {
    /// With the address that answered.
    pub(super) server: Server,
    pub(super) client: Client,
    pub(super) connection: Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>,
}

/// A session by what its server calls it; no other has both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionName {
    pid: i32,
    /// Microseconds since 1970, by the server's clock.
    began: i64,
}

impl SessionName {
    /// Two columns, of the session that asks.
    pub(super) const SQL: &str = "SELECT pid, CAST(extract(epoch FROM backend_start) * 1000000 AS bigint) \
        FROM pg_stat_activity WHERE pid = pg_backend_pid()";

    /// From what `SQL` was answered with.
    pub(super) fn read(answers: &[SimpleQueryMessage]) -> Option<Self> {
        answers.iter().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => {
                Some(Self { pid: row.get(0)?.parse().ok()?, began: row.get(1)?.parse().ok()? })
            }
            _ => None,
        })
    }

    /// One row while it lives.
    fn look(&self) -> String {
        let Self { pid, began } = self;
        format!(
            "SELECT 1 FROM pg_stat_activity WHERE pid = {pid}
             AND CAST(extract(epoch FROM backend_start) * 1000000 AS bigint) = {began}"
        )
    }
}

impl Server {
    pub(super) fn new(config: Config, tls: MakeRustlsConnect) -> Self {
        Self { config, tls }
    }

    /// `host:port`.
    pub(super) fn shown(&self) -> String {
        hosts_of(&self.config)
    }

    /// The first of these that takes us, in this order; one that does not answer soon holds up nobody.
    ///
    /// # Errors
    /// When none does; what each of them said.
    pub(super) async fn first(servers: &[Self]) -> Result<Reached, Error> {
        let tries = servers.iter().cloned().map(|server| async move {
            let shown = server.shown();
            server.reach().await.map_err(|error| (shown, error))
        });
        race(tries.collect()).await
    }

    async fn reach(self) -> Result<Reached, Error> {
        let addresses = self.resolve().await?;
        let tries = addresses.into_iter().map(|server| async move {
            let shown = format!("{:?}", server.config.get_hostaddrs());
            server.reach_address().await.map_err(|error| (shown, error))
        });
        race(tries.collect()).await
    }

    /// The same server by each address that its name leads to. TLS still wants the name.
    async fn resolve(self) -> Result<Vec<Self>, Error> {
        let name = match self.config.get_hosts() {
            [Host::Tcp(name)]
                if self.config.get_hostaddrs().is_empty() && name.parse::<IpAddr>().is_err() =>
            {
                name.clone()
            }
            _ => return Ok(vec![self]),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(PORT);
        let found = timeout(ANSWERS_WITHIN, tokio::net::lookup_host((name.as_str(), port))).await;
        let unknown = |reason: &dyn std::fmt::Display| {
            Error::Unavailable(format!("the address of {name} is not known: {reason}"))
        };
        let found = found.map_err(|_| unknown(&"nobody answers"))?.map_err(|error| unknown(&error))?;
        let at = |address: IpAddr| {
            let mut server = self.clone();
            server.config.hostaddr(address);
            server
        };
        let mut addresses: Vec<_> = found.map(|address| address.ip()).take(ADDRESSES_MAX).collect();
        addresses.dedup();
        if addresses.is_empty() {
            Err(unknown(&"it has none"))
        } else {
            Ok(addresses.into_iter().map(at).collect())
        }
    }

    async fn reach_address(self) -> Result<Reached, Error> {
        match timeout(ANSWERS_WITHIN, self.config.connect(self.tls.clone())).await {
            Ok(Ok((client, connection))) => Ok(Reached { server: self, client, connection }),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Error::Unavailable(format!("{} says nothing", self.shown()))),
        }
    }

    /// Whether the session is there, as far as the server says anything at all; without one, whether it answers.
    pub(super) async fn has(&self, session: Option<&SessionName>) -> bool {
        // What keeps us from asking says nothing about the server.
        timeout(ANSWERS_WITHIN, self.look_for(session)).await.is_ok_and(|found| match found {
            Ok(found) => found,
            Err(error) => !says_that_it_is_gone(&error),
        })
    }

    async fn look_for(&self, session: Option<&SessionName>) -> Result<bool, tokio_postgres::Error> {
        let mut config = self.config.clone();
        config.target_session_attrs(TargetSessionAttrs::Any);
        let (client, connection) = config.connect(self.tls.clone()).await?;
        let sql = session.map_or_else(|| "SELECT 1".to_owned(), SessionName::look);
        let answers = tokio::select! {
            answers = client.simple_query(&sql) => answers?,
            // It does not end without an error while somebody asks.
            ended = connection => return ended.map(|()| false),
        };
        Ok(answers.iter().any(|answer| matches!(answer, SimpleQueryMessage::Row(_))))
    }
}

/// Not what a server says ("too many connections"), and not what this machine lacks.
fn says_that_it_is_gone(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|error| {
        matches!(
            error.kind(),
            ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
                | ErrorKind::TimedOut
                | ErrorKind::UnexpectedEof
        )
    })
}

/// The first that succeeds: one is begun when the one before has failed, or not ended for a while.
///
/// # Errors
/// When all fail: the error of the only one, or all of them with their names.
async fn race<T, F>(tries: Vec<F>) -> Result<T, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, (String, Error)>> + Send + 'static,
{
    let mut waiting = tries.into_iter();
    let mut begun = JoinSet::new();
    let mut failed = Vec::new();
    loop {
        if let Some(next) = waiting.next() {
            begun.spawn(next);
        } else if begun.is_empty() {
            return Err(all_of(failed));
        }
        let ended = if waiting.len() == 0 {
            begun.join_next().await
        } else {
            timeout(NEXT_AFTER, begun.join_next()).await.ok().flatten()
        };
        match ended {
            Some(Ok(Ok(done))) => return Ok(done),
            Some(Ok(Err(error))) => failed.push(error),
            Some(Err(error)) => {
                failed.push(("?".to_owned(), Error::Unavailable(format!("it failed inside: {error}"))));
            }
            None => {}
        }
    }
}

fn all_of(mut failed: Vec<(String, Error)>) -> Error {
    match failed.len() {
        0 => Error::Unavailable("there is nobody to ask".to_owned()),
        1 => failed.remove(0).1,
        _ => {
            let words = failed.into_iter().map(|(name, error)| match error {
                Error::Unavailable(reason) => format!("{name}: {reason}"),
                other => format!("{name}: {other}"),
            });
            Error::Unavailable(words.collect::<Vec<_>>().join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    /// After so many milliseconds, with that outcome.
    async fn after(ms: u64, outcome: Result<u64, &str>) -> Result<u64, (String, Error)> {
        sleep(Duration::from_millis(ms)).await;
        outcome.map_err(|name| (name.to_owned(), Error::Unavailable(format!("{name} is away"))))
    }

    fn server(url: &str) -> Server {
        let config = rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(
            rustls::crypto::ring::default_provider(),
        ));
        let tls = config.with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        Server::new(url.parse().unwrap(), MakeRustlsConnect::new(tls))
    }

    #[tokio::test]
    async fn a_session_is_there_while_its_server_knows_it() {
        let url = levqor_lab::Postgres::shared().database().unwrap();
        let Reached { server: reached, client, connection } =
            Server::first(&[server(&url)]).await.map_err(|error| error.to_string()).unwrap();
        let connection = tokio::spawn(connection);
        let session = SessionName::read(&client.simple_query(SessionName::SQL).await.unwrap()).unwrap();
        assert!(reached.has(Some(&session)).await && reached.has(None).await);
        // Behind the same address another server may answer, with a session of that number.
        let other = SessionName { began: session.began + 1, ..session.clone() };
        assert!(!reached.has(Some(&other)).await);
        drop(client);
        connection.await.unwrap().unwrap();
        while reached.has(Some(&session)).await {
            tokio::task::yield_now().await;
        }
        let nobody = levqor_lab::Relay::start("127.0.0.1:9".parse().unwrap()).unwrap();
        nobody.cut();
        assert!(!server(&format!("postgres://levqor@{}/x", nobody.address())).has(None).await);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_that_succeeds_is_taken_and_the_slow_hold_up_nobody() {
        type Row = (&'static [(u64, Result<u64, &'static str>)], Result<u64, &'static str>, u64);
        let rows: [Row; 6] = [
            (&[(10, Ok(1)), (0, Ok(2))], Ok(1), 10),
            (&[(10, Err("a")), (5, Ok(2))], Ok(2), 15),
            // Not heard of for 250 ms, then the next is asked as well.
            (&[(9_000, Ok(1)), (5, Ok(2))], Ok(2), 255),
            (&[(9_000, Ok(1)), (9_000, Ok(2)), (5, Ok(3))], Ok(3), 505),
            (&[(300, Ok(1)), (9_000, Ok(2))], Ok(1), 300),
            (&[(10, Err("a")), (10, Err("b"))], Err("a: a is away; b: b is away"), 20),
        ];
        for (tries, expected, ms) in rows {
            let begun = Instant::now();
            let found = race(tries.iter().map(|(ms, outcome)| after(*ms, *outcome)).collect()).await;
            let found = found.map_err(|error| error.to_string());
            let as_expected = match (&found, expected) {
                (Ok(found), Ok(expected)) => *found == expected,
                (Err(found), Err(expected)) => found.contains(expected),
                _ => false,
            };
            assert!(as_expected, "{found:?} instead of {expected:?}");
            assert_eq!(begun.elapsed(), Duration::from_millis(ms), "{tries:?}");
        }
    }
}
