//! A callee on a free local port: answers as told, writes down everything that it was asked.
//!
//! ```text
//! request ─► ledger (before any fault) ─► route's next reply ─► delay ─► answer | closed connection | silence
//! ```

mod connection;
mod reply;

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    response::Response,
};
use bytes::Bytes;
use serde_json::Value;

use connection::{CuttableListener, Cutter};
pub use reply::{Reply, Route};

/// A request that came in.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    pub path: String,
    /// Without the question mark; empty when there is none.
    pub query: String,
    /// Names in lower case, in order of arrival.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn idempotency_key(&self) -> Option<&str> {
        self.header("idempotency-key")
    }

    /// The body as JSON; null when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

type Hook = Arc<dyn Fn(&Received) + Send + Sync>;

#[derive(Default)]
struct Desk {
    ledger: Vec<Received>,
    routes: Vec<Route>,
    hook: Option<Hook>,
}

/// The stub; stops when dropped.
pub struct HttpStub {
    address: SocketAddr,
    desk: Arc<Mutex<Desk>>,
    server: tokio::task::JoinHandle<()>,
}

impl fmt::Debug for HttpStub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpStub({})", self.address)
    }
}

impl HttpStub {
    /// Begins to listen. What no route fits is answered with 200 and `{}`.
    ///
    /// # Panics
    /// When no local port can be had.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a local port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let desk = Arc::new(Mutex::new(Desk::default()));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&desk));
        let service = router.into_make_service_with_connect_info::<Cutter>();
        let server = tokio::spawn(async move {
            // Ends only when the task is aborted.
            let _ = axum::serve(CuttableListener(listener), service).await;
        });
        Self { address, desk, server }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The absolute URL of a path such as `/charge`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Adds a route; of several that fit, the one added last answers.
    pub fn route(&self, route: Route) {
        self.desk().routes.push(route);
    }

    /// Calls `hook` for each request, after it stands in the ledger and before it is answered.
    pub fn on_request(&self, hook: impl Fn(&Received) + Send + Sync + 'static) {
        self.desk().hook = Some(Arc::new(hook));
    }

    /// All requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<Received> {
        self.desk().ledger.clone()
    }

    pub fn requests_to(&self, path: &str) -> Vec<Received> {
        self.desk().ledger.iter().filter(|received| received.path == path).cloned().collect()
    }

    pub fn count(&self) -> usize {
        self.desk().ledger.len()
    }

    /// How many requests came with each `Idempotency-Key`.
    pub fn keys(&self) -> BTreeMap<String, usize> {
        let mut keys = BTreeMap::new();
        for received in &self.desk().ledger {
            *keys.entry(received.idempotency_key().unwrap_or_default().to_owned()).or_default() += 1;
        }
        keys
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HttpStub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    State(desk): State<Arc<Mutex<Desk>>>,
    ConnectInfo(cutter): ConnectInfo<Cutter>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let received = Received {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body,
    };
    let (reply, hook) = {
        let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
        desk.ledger.push(received.clone());
        let reply = desk.routes.iter_mut().rev().find(|route| route.fits(&received)).map(Route::next);
        (reply.unwrap_or_default(), desk.hook.clone())
    };
    if let Some(hook) = hook {
        hook(&received);
    }
    reply.give(&received, &cutter).await.unwrap_or_else(|| {
        // The connection is cut: this goes nowhere.
        Response::new(Body::empty())
    })
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    /// Everything that the stub sends back for a GET on a connection of its own.
    async fn get(stub: &HttpStub, path: &str) -> String {
        let mut stream = TcpStream::connect(stub.address()).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: stub\r\nidempotency-key: k{path}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A cut connection may show as an error or as an end.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn replies_come_in_turn_and_the_last_one_stays() {
        let stub = HttpStub::start().await;
        stub.route(Route::new("/x").replies(2, Reply::status(503)).reply(Reply::text("fine")));
        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(get(&stub, "/x").await[9..12].to_owned());
        }
        assert_eq!(statuses, ["503", "503", "200", "200"]);
        assert!(get(&stub, "/elsewhere").await.ends_with("{}"));
        assert_eq!(stub.keys(), BTreeMap::from([("k/x".to_owned(), 4), ("k/elsewhere".to_owned(), 1)]));
    }

    #[tokio::test]
    async fn a_closed_connection_gives_no_byte_and_stands_in_the_ledger() {
        let stub = HttpStub::start().await;
        stub.route(Route::new("/close").reply(Reply::close()));
        assert_eq!(get(&stub, "/close").await, "");
        assert_eq!(stub.requests_to("/close").len(), 1);
    }
}
