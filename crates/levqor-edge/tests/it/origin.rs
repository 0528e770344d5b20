//! A stand-in for a node: answers for its name, can be slow, draining, mute or dead, and comes back on the same port.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Body, Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
    sync::{Notify, mpsc, watch},
    task::JoinSet,
};

type Reply = Response<BoxBody<Bytes, Infallible>>;

#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    NotReady,
    Draining,
    /// Takes everything and says nothing.
    Mute,
}

struct Inner {
    name: String,
    mood: watch::Sender<Mood>,
    seen: Mutex<Vec<Seen>>,
    /// Requests to `/gate` wait for this.
    gate: Notify,
    waiting: AtomicUsize,
    /// Requests that ended without having been answered.
    aborted: AtomicUsize,
    upload_bytes: AtomicUsize,
    /// `/upload` does not read while false.
    reads: watch::Sender<bool>,
    events: Mutex<Option<mpsc::Sender<Bytes>>>,
    sent: AtomicUsize,
    flaky: AtomicBool,
    /// `/pausing` answers that it will be able to in so many seconds; 0: it is.
    pause: AtomicUsize,
}

pub struct Origin {
    pub address: SocketAddr,
    inner: Arc<Inner>,
    running: Option<JoinSet<()>>,
}

impl Origin {
    pub async fn start(name: &str) -> Self {
        let inner = Arc::new(Inner {
            name: name.to_owned(),
            mood: watch::Sender::new(Mood::Well),
            seen: Mutex::default(),
            gate: Notify::new(),
            waiting: AtomicUsize::new(0),
            aborted: AtomicUsize::new(0),
            upload_bytes: AtomicUsize::new(0),
            reads: watch::Sender::new(true),
            events: Mutex::default(),
            sent: AtomicUsize::new(0),
            flaky: AtomicBool::new(false),
            pause: AtomicUsize::new(0),
        });
        let mut origin = Self { address: "127.0.0.1:0".parse().unwrap(), inner, running: None };
        origin.revive().await;
        origin
    }

    /// Listens again, on the port of before.
    pub async fn revive(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(1_024).unwrap();
        self.address = listener.local_addr().unwrap();
        let mut running = JoinSet::new();
        let inner = Arc::clone(&self.inner);
        running.spawn(accept(listener, inner));
        self.running = Some(running);
    }

    /// As when the process is killed: the port is closed and all connections end.
    pub async fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.shutdown().await;
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn mood(&self, mood: Mood) {
        self.inner.mood.send_replace(mood);
    }

    /// The next request to `/flaky` ends in a broken connection.
    pub fn break_next(&self) {
        self.inner.flaky.store(true, Ordering::SeqCst);
    }

    /// From now on `/pausing` answers that it will be able to in so many seconds; 0: it is.
    pub fn pause(&self, seconds: usize) {
        self.inner.pause.store(seconds, Ordering::SeqCst);
    }

    /// What came, but for checks.
    pub fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().unwrap().clone()
    }

    pub fn open_gate(&self) {
        self.inner.gate.notify_waiters();
    }

    pub fn waiting(&self) -> usize {
        self.inner.waiting.load(Ordering::SeqCst)
    }

    pub fn aborted(&self) -> usize {
        self.inner.aborted.load(Ordering::SeqCst)
    }

    pub fn uploaded(&self) -> usize {
        self.inner.upload_bytes.load(Ordering::SeqCst)
    }

    pub fn read_uploads(&self, reads: bool) {
        self.inner.reads.send_replace(reads);
    }

    /// Bytes of `/endless` that were handed to the connection.
    pub fn sent(&self) -> usize {
        self.inner.sent.load(Ordering::SeqCst)
    }

    /// Sends an event to the open `/events`.
    pub async fn event(&self, text: &'static str) {
        let sender = self.inner.events.lock().unwrap().clone().expect("somebody listens");
        sender.send(Bytes::from_static(text.as_bytes())).await.unwrap();
    }

    pub fn end_events(&self) {
        self.inner.events.lock().unwrap().take();
    }
}

async fn accept(listener: TcpListener, inner: Arc<Inner>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let inner = Arc::clone(&inner);
        connections.spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&inner), request));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
        });
    }
}

fn text(status: u16, body: impl Into<Bytes>) -> Reply {
    Response::builder().status(status).body(Full::new(body.into()).boxed()).unwrap()
}

struct Waits<'a>(&'a Inner, bool);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
        if !self.1 {
            self.0.aborted.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("broken on purpose")]
struct Broken;

async fn answer(inner: Arc<Inner>, mut request: Request<Incoming>) -> Result<Reply, Broken> {
    let mood = *inner.mood.borrow();
    if mood == Mood::Mute {
        inner.waiting.fetch_add(1, Ordering::SeqCst);
        let mut waits = Waits(&inner, false);
        let mut moods = inner.mood.subscribe();
        let _ = moods.wait_for(|mood| *mood != Mood::Mute).await;
        waits.1 = true;
    }
    let path = request.uri().path().to_owned();
    if path == "/ready" {
        return Ok(match mood {
            Mood::Well | Mood::Mute => text(200, "{\"status\":\"ready\"}"),
            Mood::NotReady => text(503, "{\"status\":\"unready\"}"),
            Mood::Draining => text(503, "{\"status\":\"draining\"}"),
        });
    }
    if path == "/upload" {
        let mut body = request.into_body();
        let mut reads = inner.reads.subscribe();
        let mut bytes = 0;
        loop {
            reads.wait_for(|reads| *reads).await.unwrap();
            let Some(frame) = body.frame().await else { break };
            let length = frame.map_err(|_| Broken)?.data_ref().map_or(0, Bytes::len);
            bytes += length;
            inner.upload_bytes.fetch_add(length, Ordering::SeqCst);
        }
        return Ok(text(200, bytes.to_string()));
    }
    if path == "/tunnel" {
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(upgraded.await.unwrap());
            let mut buffer = [0; 1_024];
            while let Ok(length) = stream.read(&mut buffer).await {
                if length == 0 || stream.write_all(&buffer[..length].to_ascii_uppercase()).await.is_err() {
                    break;
                }
            }
        });
        let mut reply = text(101, "");
        reply.headers_mut().insert("connection", "upgrade".parse().unwrap());
        reply.headers_mut().insert("upgrade", "echo".parse().unwrap());
        return Ok(reply);
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    let target = parts.uri.to_string();
    inner.seen.lock().unwrap().push(Seen {
        method: parts.method.clone(),
        target,
        headers: parts.headers.clone(),
        body: body.clone(),
    });
    Ok(match path.as_str() {
        "/echo" => text(200, body),
        "/gate" => {
            inner.waiting.fetch_add(1, Ordering::SeqCst);
            let mut waits = Waits(&inner, false);
            inner.gate.notified().await;
            waits.1 = true;
            text(200, inner.name.clone())
        }
        "/flaky" if inner.flaky.swap(false, Ordering::SeqCst) => return Err(Broken),
        "/busy" => text(503, format!("{} is busy", inner.name)),
        "/pausing" => match inner.pause.load(Ordering::SeqCst) {
            0 => text(200, inner.name.clone()),
            seconds => {
                let mut reply = text(503, "not now");
                reply.headers_mut().insert("retry-after", seconds.to_string().parse().unwrap());
                reply
            }
        },
        "/draining" => {
            let mut reply = text(503, "drains");
            reply.headers_mut().insert("x-levqor-draining", "1".parse().unwrap());
            reply
        }
        "/headers" => {
            let mut reply = text(200, inner.name.clone());
            for (name, value) in
                [("connection", "x-hop"), ("x-hop", "1"), ("x-end", "1"), ("x-levqor-region", "us-east")]
            {
                reply.headers_mut().append(name, value.parse().unwrap());
            }
            reply
        }
        "/events" => {
            let (sender, receiver) = mpsc::channel(4);
            *inner.events.lock().unwrap() = Some(sender);
            streamed(stream::unfold(receiver, |mut receiver| async move {
                receiver.recv().await.map(|bytes| (bytes, receiver))
            }))
        }
        "/endless" => streamed(stream::repeat_with(move || {
            inner.sent.fetch_add(16_384, Ordering::SeqCst);
            Bytes::from_static(&[b'x'; 16_384])
        })),
        _ => text(200, inner.name.clone()),
    })
}

fn streamed(bytes: impl futures_util::Stream<Item = Bytes> + Send + Sync + 'static) -> Reply {
    let body = StreamBody::new(bytes.map(|bytes| Ok(Frame::data(bytes))));
    let mut reply = Response::new(BodyExt::boxed(body));
    reply.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    assert!(!reply.body().is_end_stream());
    reply
}
