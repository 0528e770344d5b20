//! A small client for the tests.

use levqor_lab::{Server, ServerSetup};
use levqor_testkit::wait_for;
use reqwest::Method;
use serde_json::{Value, json};

/// A started server and its owner's key.
pub struct Levqor {
    pub server: Server,
    pub key: String,
    client: reqwest::Client,
}

pub fn setup(directory: &std::path::Path) -> ServerSetup {
    ServerSetup::new(env!("CARGO_BIN_EXE_levqor").as_ref(), directory)
        .unwrap()
        .env("LEVQOR_EGRESS_ALLOW", "127.0.0.1/32")
        .env("LEVQOR_LOG", "warn")
        // Nobody asks these whether they are ready.
        .env("LEVQOR_LIMITS_DRAIN_NOTICE_MS", "0")
}

pub fn client() -> reqwest::Client {
    // Another test of this process may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(clippy::unwrap_used, reason = "a test helper")]
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Levqor {
    /// The first start in `directory`.
    pub async fn first(directory: &std::path::Path) -> Self {
        let server = Server::start(&setup(directory)).await.unwrap();
        let key = server.line("lvq_").await.unwrap().trim().to_owned();
        Self { server, key, client: client() }
    }

    /// A server that was started in a way of its own.
    pub fn of(server: Server, key: &str) -> Self {
        Self { server, key: key.to_owned(), client: client() }
    }

    /// Another start in the same directory.
    pub async fn again(directory: &std::path::Path, key: &str) -> Self {
        let server = Server::start(&setup(directory)).await.unwrap();
        Self { server, key: key.to_owned(), client: client() }
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.client.request(method, self.server.url(path)).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(Method::GET, path, None).await;
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    pub async fn create(&self, definition: &Value) -> String {
        let (status, body) =
            self.call(Method::POST, "/api/workflows", Some(&json!({ "definition": definition }))).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    /// Starts a run and gives its id; 202 and 200 are both acknowledgements.
    pub async fn start(&self, workflow: &str, body: &Value) -> Value {
        let (status, run) =
            self.call(Method::POST, &format!("/api/workflows/{workflow}/runs"), Some(body)).await;
        assert!(matches!(status, 200 | 202), "{status}: {run}");
        run
    }

    pub async fn ended(&self, run: &str) -> Value {
        let path = format!("/api/runs/{run}");
        wait_for(&format!("run {run} to end"), || async {
            let run = self.get(&path).await;
            matches!(run["status"].as_str(), Some("completed" | "faulted" | "cancelled")).then_some(run)
        })
        .await
    }
}
