//! What the edge costs: the same requests directly and through it, in turns, in one process tree on one machine.
//!
//! Origin, edge and load have a runtime each. `light` is an origin that only answers; `working` spends 100 µs of CPU on
//! each request, about what a node needs for a run. Ratios are what counts: the machine is shared.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to say")]

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use levqor_edge::{Edge, Verdict, listen, load, serve};
use levqor_model::{SystemClock, SystemRandom};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 5;
const WORK: Duration = Duration::from_micros(100);

fn runtime(threads: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
}

fn work(span: Duration) {
    let until = Instant::now() + span;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

async fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let service = service_fn(async |request: Request<Incoming>| {
                if request.uri().path() == "/working" {
                    work(WORK);
                }
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(
                    b"{\"status\":\"ok\",\"region\":\"eu-west\",\"run_id\":\"run_01J0000000000000000000000\"}",
                ))))
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    address
}

async fn edge(origin: SocketAddr) -> SocketAddr {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.toml");
    let text = format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\n[[regions]]\ncode = \"eu-west\"\n[[origins]]\nname = \"eu-1\"\n\
         region = \"eu-west\"\nurl = \"http://{origin}\"\n[[routes]]\nhosts = [\"*\"]\n"
    );
    std::fs::write(&path, text).unwrap();
    let loaded = load(&path).unwrap();
    let edge = Edge::start(
        loaded.config,
        loaded.material,
        folder.path(),
        Arc::new(SystemClock),
        Arc::new(SystemRandom),
    );
    let listeners = listen(&edge.live().config.listen).await.unwrap();
    let address = listeners[0].socket.local_addr().unwrap();
    tokio::spawn(serve(Arc::clone(&edge), listeners, CancellationToken::new()));
    while edge.live().origins[0].verdict() != Verdict::Up {
        tokio::task::yield_now().await;
    }
    address
}

/// Latencies of all requests, and requests a second.
async fn measure(
    address: SocketAddr,
    path: &'static str,
    clients: usize,
    span: Duration,
) -> (Vec<Duration>, f64) {
    let began = Instant::now();
    let until = began + span;
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            tokio::spawn(async move {
                let stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
                tokio::spawn(connection);
                let mut latencies = Vec::new();
                while Instant::now() < until {
                    let sent = Instant::now();
                    let request =
                        Request::get(path).header("host", "a").body(Full::<Bytes>::default()).unwrap();
                    let response = sender.send_request(request).await.unwrap();
                    assert_eq!(response.status(), 200);
                    response.into_body().collect().await.unwrap();
                    latencies.push(sent.elapsed());
                    sender.ready().await.unwrap();
                }
                latencies
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    let rate = all.len() as f64 / began.elapsed().as_secs_f64();
    all.sort_unstable();
    (all, rate)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let span = Duration::from_millis(if std::env::args().any(|arg| arg == "--bench") { 1_000 } else { 20 });
    let (far, middle, near) = (runtime(2), runtime(2), runtime(2));
    let direct = far.block_on(origin());
    let through = middle.block_on(edge(direct));
    println!("origin   clients   direct p50   edge p50   added p50   direct req/s   edge req/s   kept");
    for (name, path) in [("light", "/"), ("working", "/working")] {
        for clients in [1, 16] {
            let mut rows: [Vec<f64>; 6] = Default::default();
            for _ in 0..ROUNDS {
                let (straight, straight_rate) = near.block_on(measure(direct, path, clients, span));
                let (edged, edged_rate) = near.block_on(measure(through, path, clients, span));
                let micros = |sorted: &[Duration]| sorted[sorted.len() / 2].as_secs_f64() * 1e6;
                let (a, b) = (micros(&straight), micros(&edged));
                let row = [a, b, b - a, straight_rate, edged_rate, edged_rate / straight_rate * 100.0];
                for (column, value) in rows.iter_mut().zip(row) {
                    column.push(value);
                }
            }
            let [a, b, added, straight, edged, kept] = rows.each_mut().map(|column| median(column));
            println!(
                "{name:<8} {clients:>7} {a:>9.0} µs {b:>7.0} µs {added:>8.0} µs {straight:>14.0} {edged:>12.0} {kept:>5.0} %"
            );
        }
    }
}
