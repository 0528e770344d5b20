//! Connections of clients: accepting them, bounding them, letting them end.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use levqor_wire::{CROWDED, Guarded, HEAD_BYTES_MAX};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{
    config::Listen,
    crowd::{Crowd, Seat},
    edge::Edge,
    metrics::Count,
    proxy::{Peer, handle},
};

/// Headers of one request; more are answered with 431.
const HEADERS_MAX: usize = 100;
/// After a failed `accept` (out of file descriptors, mostly): time for connections to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// An HTTP/2 connection whose peer does not answer a ping for this long is gone.
const PING_PATIENCE: Duration = Duration::from_secs(10);
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// A place to accept connections at.
#[derive(Debug)]
pub struct Listener {
    pub socket: TcpListener,
    pub tls: bool,
}

/// Opens what the configuration names.
///
/// # Errors
/// The address and what the system says of it.
pub async fn listen(wanted: &[Listen]) -> Result<Vec<Listener>, (SocketAddr, io::Error)> {
    let mut listeners = Vec::new();
    for place in wanted {
        let socket = TcpListener::bind(place.address).await.map_err(|error| (place.address, error))?;
        listeners.push(Listener { socket, tls: place.tls });
    }
    Ok(listeners)
}

/// For how many connections there is room, of all listeners together.
struct Room {
    places: Arc<Semaphore>,
    crowd: Crowd,
}

/// Answers requests until `stop`; then lets those under way end within the drain time of the configuration.
pub async fn serve(edge: Arc<Edge>, listeners: Vec<Listener>, stop: CancellationToken) {
    let graceful = Arc::new(GracefulShutdown::new());
    let places = Arc::new(Semaphore::new(edge.live().config.limits.connections.min(Semaphore::MAX_PERMITS)));
    let room = Arc::new(Room { places, crowd: Crowd::default() });
    let mut accepting = JoinSet::new();
    for listener in listeners {
        let (edge, graceful, room, stop) =
            (Arc::clone(&edge), Arc::clone(&graceful), Arc::clone(&room), stop.clone());
        accepting.spawn(async move {
            stop.run_until_cancelled(accept_all(&edge, &listener, &graceful, &room)).await;
        });
    }
    stop.cancelled().await;
    accepting.join_all().await;
    let patience = Duration::from_secs(edge.live().config.limits.drain_seconds);
    if let Some(graceful) = Arc::into_inner(graceful)
        && timeout(patience, graceful.shutdown()).await.is_err()
    {
        warn!("requests were still in progress after {} s and are cut off", patience.as_secs());
    }
    edge.close(Duration::from_secs(1)).await;
}

async fn accept_all(edge: &Arc<Edge>, listener: &Listener, graceful: &GracefulShutdown, room: &Room) {
    loop {
        match accept(&listener.socket, &room.places).await {
            Ok((stream, address, place)) => {
                edge.stats.count(Count::Connections);
                let Some(one) = room.crowd.enter(edge, address.ip()) else {
                    turn_away(&stream, listener.tls);
                    continue;
                };
                let seat = Arc::new(Seat::new(place, one));
                tokio::spawn(connection(Arc::clone(edge), stream, address, listener.tls, seat, graceful));
            }
            Err(error) => {
                warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

type Accepted = (TcpStream, SocketAddr, OwnedSemaphorePermit);

/// Cancel safe: a connection that was not accepted stays in the system's queue.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<Accepted> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    // Only makes answers faster; a connection that is gone already shows when it is read.
    let _ = stream.set_nodelay(true);
    Ok((stream, address, place))
}

/// Says why, if there is room for it at once, and closes. Nobody makes a handshake only to be refused.
fn turn_away(stream: &TcpStream, tls: bool) {
    if !tls {
        // It may be gone already, which is as well.
        let _ = stream.try_write(CROWDED);
    }
}

fn connection(
    edge: Arc<Edge>,
    stream: TcpStream,
    address: SocketAddr,
    tls: bool,
    seat: Arc<Seat>,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + use<> {
    let watcher = graceful.watcher();
    let live = edge.live();
    async move {
        if !tls {
            return requests(edge, stream, address, false, seat, watcher).await;
        }
        let Some(config) = live.tls.clone() else {
            // Refused with the configuration; nothing else is safe.
            return;
        };
        let patience = Duration::from_secs(live.config.limits.head_seconds);
        match timeout(patience, TlsAcceptor::from(config).accept(stream)).await {
            Ok(Ok(stream)) => requests(edge, stream, address, true, seat, watcher).await,
            Ok(Err(error)) => {
                edge.stats.count(Count::TlsFailures);
                debug!("a TLS handshake failed: {error}");
            }
            Err(_) => edge.stats.count(Count::TlsFailures),
        }
    }
}

async fn requests<S>(
    edge: Arc<Edge>,
    stream: S,
    address: SocketAddr,
    tls: bool,
    seat: Arc<Seat>,
    watcher: hyper_util::server::graceful::Watcher,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = edge.live().config.limits.clone();
    let ambiguous = Arc::new(AtomicBool::new(false));
    let peer = Peer { address, tls, ambiguous: Arc::clone(&ambiguous), seat };
    let stream = Guarded::new(stream, ambiguous, Duration::from_secs(limits.stall_seconds)).with_tunnels();
    let service = service_fn(move |request| {
        let answer = handle(Arc::clone(&edge), peer.clone(), request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.head_seconds))
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_per_connection)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_PATIENCE);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        // Clients hang up; nobody needs to act on it.
        debug!("a connection ended early: {error}");
    }
}
