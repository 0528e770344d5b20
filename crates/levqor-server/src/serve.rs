//! Connections: accepting them, bounding them, and letting them end.
//!
//! HTTP/1.1 only: whatever stands in front of a node speaks it, and its one timeout (the head of a request) covers a
//! connection that says nothing, one that says a byte a second, and one that idles. Who does not read what is sent is let go
//! after a while, and a request whose end can be read in two ways is refused, with all that follows it.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use levqor_wire::{CROWDED, Guarded, HEAD_BYTES_MAX};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::{
    App, Settings,
    background::background,
    gateway::{Crowd, Doubt},
    router,
};

/// Headers of one request; more are answered with 431.
const HEADERS_MAX: usize = 100;
/// After a failed `accept` (out of file descriptors, mostly): time for connections to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What requests in progress get of a stop's time, at most; the rest is for the calls of runs.
const REQUESTS_SHARE_MAX: Duration = Duration::from_secs(5);

/// Answers requests and does the server's periodic jobs until `shutdown`, and for the settings' `drain_notice` after it; then ends long polls and event streams, lets the
/// other requests in progress end within half of the settings' `drain_timeout` (a few seconds at most), and writes what is
/// still only in memory.
///
/// # Errors
/// When the listener has no address, which means that it is no listener.
pub async fn serve(listener: TcpListener, app: App, shutdown: CancellationToken) -> io::Result<()> {
    app.health.listening_at(listener.local_addr()?);
    let (jobs, stop_jobs) = (TaskTracker::new(), CancellationToken::new());
    background(&app, &stop_jobs, &jobs);
    let router = router(app.clone());
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(app.settings.connections_max.min(Semaphore::MAX_PERMITS)));
    let crowd = Crowd::new(&app.settings.gateway);
    let mut left = std::pin::pin!(left(&app, &shutdown));
    loop {
        let accepted = tokio::select! { biased;
            () = &mut left => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, address, place)) => {
                let Some(one) = crowd.enter(address.ip()) else {
                    turn_away(&stream);
                    debug!("a connection is one too many of its address and was closed");
                    continue;
                };
                let connection = graceful.watch(connection(stream, address, router.clone(), &app.settings));
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        // Clients hang up; nobody needs to act on it.
                        debug!("a connection ended early: {error}");
                    }
                    drop((place, one));
                });
            }
            Err(error) => {
                warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    app.stopping.cancel();
    let share = (app.settings.drain_timeout / 2).min(REQUESTS_SHARE_MAX);
    if tokio::time::timeout(share, graceful.shutdown()).await.is_err() {
        warn!("requests were still in progress after {} s and are cut off", share.as_secs_f64());
    }
    stop_jobs.cancel();
    jobs.close();
    jobs.wait().await;
    app.flush().await;
    Ok(())
}

/// Until connections are not accepted any more: after the shutdown has been told for a while to those who ask whether this node is
/// ready. A node that lost its lease has been saying so already.
async fn left(app: &App, shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    app.leaving.cancel();
    if !app.engine.is_stopped() {
        tokio::time::sleep(app.settings.drain_notice.min(app.settings.drain_timeout / 2)).await;
    }
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// Cancel safe: a connection that was not accepted stays in the system's queue.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<Accepted> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    // Only makes answers faster; a connection that is gone already shows when it is read.
    let _ = stream.set_nodelay(true);
    Ok((stream, address, place))
}

/// Says why, if there is room for it at once, and closes.
fn turn_away(stream: &TcpStream) {
    // It may be gone already, which is as well.
    let _ = stream.try_write(CROWDED);
}

fn connection(
    stream: TcpStream,
    address: SocketAddr,
    router: Router,
    settings: &Settings,
) -> http1::Connection<
    TokioIo<Guarded<TcpStream>>,
    impl hyper::service::HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> + Send + use<>,
> {
    let ambiguous = Arc::new(AtomicBool::new(false));
    let stream = Guarded::new(stream, Arc::clone(&ambiguous), settings.gateway.stall_timeout);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(address));
        let framing = ambiguous.load(Ordering::Acquire).then_some(Doubt::Framing);
        if let Some(doubt) = framing.or_else(|| Doubt::about_host(&request)) {
            request.extensions_mut().insert(doubt);
        }
        router.clone().oneshot(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
}
