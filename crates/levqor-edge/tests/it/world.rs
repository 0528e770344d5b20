//! An edge before stand-ins, and clients for it.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use levqor_edge::{Edge, Verdict, listen, load, serve};
use levqor_model::{SystemClock, SystemRandom};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::origin::Origin;

/// Longer than anything takes that happens at all.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct World {
    pub edge: Arc<Edge>,
    pub address: SocketAddr,
    pub folder: Arc<TempDir>,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The usual file: these origins, in order, each in its region; `more` before the lists, `rows` after them.
pub fn file(origins: &[(&str, &str, String)], top: &str, rows: &str) -> String {
    let mut text = format!("{top}\n[[listen]]\naddress = \"127.0.0.1:0\"\n");
    let mut codes: Vec<_> = origins.iter().map(|origin| origin.1).collect();
    codes.sort_unstable();
    codes.dedup();
    for code in codes {
        text += &format!("[[regions]]\ncode = \"{code}\"\n");
    }
    for (name, region, url) in origins {
        text += &format!("[[origins]]\nname = \"{name}\"\nregion = \"{region}\"\nurl = \"{url}\"\n");
    }
    text + rows
}

/// Any host, any path, little patience.
pub const ROUTE: &str = "[[routes]]\nhosts = [\"*\"]\n[hold]\nms = 1500\n";
/// The first region is preferred.
pub const PREFER: &str = "[steering]\nprefer = [\"eu-west\"]\n";

impl World {
    /// An edge before these, in the regions eu-west, us-east, ap-south.
    pub async fn before(origins: &[&Origin]) -> Self {
        Self::with(origins, "", &format!("{ROUTE}{PREFER}")).await
    }

    pub async fn with(origins: &[&Origin], top: &str, rows: &str) -> Self {
        let world = Self::of(&Self::text(origins, top, rows)).await;
        world.settled().await;
        world
    }

    /// The file of [`World::with`].
    pub fn text(origins: &[&Origin], top: &str, rows: &str) -> String {
        file(&rows_of(origins), top, rows)
    }

    /// By the text of a file.
    pub async fn of(text: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::within(folder, text).await
    }

    pub async fn within(folder: Arc<TempDir>, text: &str) -> Self {
        let path = folder.path().join("edge.toml");
        std::fs::write(&path, text).unwrap();
        let loaded = load(&path).unwrap();
        let edge = Edge::start(
            loaded.config,
            loaded.material,
            &loaded.folder,
            Arc::new(SystemClock),
            Arc::new(SystemRandom),
        );
        let listeners = listen(&edge.live().config.listen).await.unwrap();
        let address = listeners[0].socket.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(Arc::clone(&edge), listeners, stop.clone()));
        Self { edge, address, folder, stop, task: Some(task) }
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("edge.toml")
    }

    /// Until each origin has a verdict.
    pub async fn settled(&self) {
        wait_for("verdicts", || {
            self.edge.live().origins.iter().all(|origin| origin.verdict() != Verdict::Unknown)
        })
        .await;
    }

    pub fn verdict(&self, number: usize) -> Verdict {
        self.edge.live().origins[number].verdict()
    }

    /// Until an origin has this verdict; how long that took.
    pub async fn until(&self, number: usize, verdict: Verdict) -> Duration {
        let began = Instant::now();
        wait_for(verdict.as_str(), || self.verdict(number) == verdict).await;
        began.elapsed()
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.client().await.send(Request::get(target).header("host", "api.test")).await
    }

    pub async fn post(&self, target: &str, body: impl Into<Bytes>) -> Answer {
        self.client().await.send_body(Request::post(target).header("host", "api.test"), body.into()).await
    }

    /// Sends text as it is, and reads until the edge closes.
    pub async fn raw(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the edge closes");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A clean stop; how long it took.
    pub async fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.stop.cancel();
        timeout(PATIENCE, self.task.take().unwrap()).await.expect("the edge stops").unwrap();
        began.elapsed()
    }

    pub fn begin_stop(&self) {
        self.stop.cancel();
    }
}

pub fn rows_of(origins: &[&Origin]) -> Vec<(&'static str, &'static str, String)> {
    [("eu-1", "eu-west"), ("us-1", "us-east"), ("ap-1", "ap-south")]
        .into_iter()
        .zip(origins)
        .map(|((name, region), origin)| (name, region, origin.url()))
        .collect()
}

pub struct Client(SendRequest<Full<Bytes>>);

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The last part of a problem's type.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert!(!self.header("x-request-id").is_empty() && !self.header("via").is_empty(), "{self:?}");
        let document: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(document["status"], self.status);
        assert_eq!(document["request_id"], self.header("x-request-id"));
        document["type"].as_str().unwrap().strip_prefix("/docs/problems/").unwrap().to_owned()
    }
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub async fn send(&mut self, request: http::request::Builder) -> Answer {
        self.send_body(request, Bytes::new()).await
    }

    pub async fn send_body(&mut self, request: http::request::Builder, body: Bytes) -> Answer {
        self.try_send(request, body).await.expect("an answer")
    }

    pub async fn try_send(
        &mut self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Answer, hyper::Error> {
        let request: Request<Full<Bytes>> = request.body(Full::new(body)).unwrap();
        let exchange = async {
            self.0.ready().await?;
            read(self.0.send_request(request).await?).await
        };
        timeout(PATIENCE, exchange).await.expect("an answer in time")
    }

    /// The answer, its body unread.
    pub async fn begin(&mut self, request: http::request::Builder) -> Response<hyper::body::Incoming> {
        let request = request.header("host", "api.test").body(Full::default()).unwrap();
        timeout(PATIENCE, self.0.send_request(request)).await.expect("in time").expect("an answer")
    }
}

pub async fn read(response: Response<hyper::body::Incoming>) -> Result<Answer, hyper::Error> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// Looks again and again; the ceiling is far above what it takes.
pub async fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls").join(name).display().to_string()
}
