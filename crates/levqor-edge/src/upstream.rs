//! Connections to origins: HTTP/1.1, plain or TLS, kept for the next request.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

use crate::{body::RequestBody, origin_url::OriginUrl};

/// A connection that just gave an answer is ready again within this.
const READY_PATIENCE: Duration = Duration::from_millis(5);

/// A connection that can take a request.
#[derive(Debug)]
pub struct Sender {
    pub requests: SendRequest<RequestBody>,
    /// It has answered a request before; the origin may be closing it just now.
    pub used: bool,
}

/// Opens connections.
#[derive(Debug, Clone)]
pub struct Connector {
    pub tls: Arc<ClientConfig>,
    pub timeout: Duration,
}

impl Connector {
    /// A new connection, and the task that ends with it.
    ///
    /// Cancel safe: what was opened so far is closed.
    ///
    /// # Errors
    /// As the system says it; `TimedOut` after the connector's time.
    pub async fn connect(&self, url: &OriginUrl) -> io::Result<(Sender, JoinHandle<()>)> {
        timeout(self.timeout, self.open(url)).await.unwrap_or_else(|_| {
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no connection within {} ms", self.timeout.as_millis()),
            ))
        })
    }

    async fn open(&self, url: &OriginUrl) -> io::Result<(Sender, JoinHandle<()>)> {
        let stream = TcpStream::connect((url.host(), url.port())).await?;
        // Only makes requests faster.
        let _ = stream.set_nodelay(true);
        if !url.is_tls() {
            return handshake(stream).await;
        }
        let name = ServerName::try_from(url.host().to_owned()).map_err(io::Error::other)?;
        handshake(TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?).await
    }
}

async fn handshake<S>(stream: S) -> io::Result<(Sender, JoinHandle<()>)>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (requests, connection) = http1::Builder::new()
        .handshake::<_, RequestBody>(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let task = tokio::spawn(async move {
        // Whoever waits for an answer is told; an idle connection that ends concerns nobody.
        let _ = connection.with_upgrades().await;
    });
    Ok((Sender { requests, used: false }, task))
}

/// Idle connections of one origin, the longest idle one first, so that each is used before its origin closes it.
#[derive(Debug, Default)]
pub struct Pool(Mutex<VecDeque<(Sender, Instant)>>);

impl Pool {
    /// An open connection that is ready.
    pub async fn take(&self, idle_max: Duration) -> Option<Sender> {
        let mut almost = self.pop(idle_max)?;
        if almost.requests.is_ready() {
            return Some(almost);
        }
        let ready = timeout(READY_PATIENCE, almost.requests.ready()).await;
        matches!(ready, Ok(Ok(()))).then_some(almost)
    }

    /// The first that is ready; else one that has not ended.
    fn pop(&self, idle_max: Duration) -> Option<Sender> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let mut almost = None;
        for _ in 0..idle.len() {
            let (sender, since) = idle.pop_front()?;
            if sender.requests.is_closed() || now.duration_since(since) > idle_max {
                continue;
            }
            if sender.requests.is_ready() {
                idle.extend(almost.map(|sender| (sender, now)));
                return Some(sender);
            }
            if let Some(earlier) = almost.replace(sender) {
                idle.push_back((earlier, since));
            }
        }
        almost
    }

    /// Keeps a connection that has answered; drops it when there are enough.
    pub fn put(&self, mut sender: Sender, connections_max: usize) {
        if sender.requests.is_closed() {
            return;
        }
        sender.used = true;
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < connections_max {
            idle.push_back((sender, Instant::now()));
        }
    }

    /// Closes all; for an origin that is not what it was.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
