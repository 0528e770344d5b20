//! What the edge costs: the same requests directly and through it, in turns, in one process tree on one machine.
//!
//! Origin, edge and load have a runtime each. `light` is an origin that only answers; `working` spends 100 µs of CPU on
//! each request, about what a node needs for a run. Ratios are what counts: the machine is shared, so the two ways take
//! turns, request by request for latency and in short slices for throughput.

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

const SLICES: usize = 15;
const CLIENTS: usize = 16;
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

struct Client(hyper::client::conn::http1::SendRequest<Full<Bytes>>);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    async fn ask(&mut self, path: &str) -> Duration {
        self.0.ready().await.unwrap();
        let sent = Instant::now();
        let request = Request::get(path).header("host", "a").body(Full::<Bytes>::default()).unwrap();
        let response = self.0.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.unwrap();
        sent.elapsed()
    }
}

/// Microseconds of one request at a time, directly and through the edge, in turns.
async fn latencies(
    direct: SocketAddr,
    through: SocketAddr,
    path: &str,
    pairs: usize,
) -> (Vec<f64>, Vec<f64>) {
    let (mut straight, mut edged) = (Client::connect(direct).await, Client::connect(through).await);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for _ in 0..pairs {
        left.push(straight.ask(path).await.as_secs_f64() * 1e6);
        right.push(edged.ask(path).await.as_secs_f64() * 1e6);
    }
    (left, right)
}

/// Requests a second of many clients.
async fn rate(address: SocketAddr, path: &'static str, span: Duration) -> f64 {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Client::connect(address).await);
    }
    let began = Instant::now();
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            tokio::spawn(async move {
                let mut requests = 0_u32;
                while began.elapsed() < span {
                    client.ask(path).await;
                    requests += 1;
                }
                requests
            })
        })
        .collect();
    let mut all = 0;
    for task in tasks {
        all += task.await.unwrap();
    }
    f64::from(all) / began.elapsed().as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let real = std::env::args().any(|arg| arg == "--bench");
    let (pairs, slices, span) =
        if real { (5_000, SLICES, Duration::from_millis(200)) } else { (10, 1, Duration::from_millis(10)) };
    let (far, middle, near) = (runtime(2), runtime(2), runtime(2));
    let direct = far.block_on(origin());
    let through = middle.block_on(edge(direct));
    println!("origin    direct p50   edge p50   added p50   direct req/s   edge req/s   kept");
    for (name, path) in [("light", "/"), ("working", "/working")] {
        let (mut straight, mut edged) = near.block_on(latencies(direct, through, path, pairs));
        let (a, b) = (median(&mut straight), median(&mut edged));
        let (mut straight, mut edged, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..slices {
            let left = near.block_on(rate(direct, path, span));
            let right = near.block_on(rate(through, path, span));
            straight.push(left);
            edged.push(right);
            kept.push(right / left * 100.0);
        }
        let (left, right, kept) = (median(&mut straight), median(&mut edged), median(&mut kept));
        println!(
            "{name:<8} {a:>9.0} µs {b:>7.0} µs {:>8.0} µs {left:>14.0} {right:>12.0} {kept:>5.0} %",
            b - a
        );
    }
}
