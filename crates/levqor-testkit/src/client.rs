//! A client for a local server: plain HTTP, JSON in and out.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use axum::{
    body::{Body, to_bytes},
    http::{Method, Request, header},
};
use hyper_util::{
    client::legacy::{Client as Connections, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

/// Longer than any request takes that is answered at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps connections open; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    connections: Connections<HttpConnector, Body>,
    address: SocketAddr,
    key: String,
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Null when it is not JSON.
    pub body: Value,
}

impl Client {
    /// Authorised by an API key.
    pub fn new(address: SocketAddr, key: &str) -> Self {
        Self {
            connections: Connections::builder(TokioExecutor::new()).build_http(),
            address,
            key: key.to_owned(),
        }
    }

    /// # Errors
    /// When there is no answer, or not all of it.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, None, &[]).await
    }

    /// # Errors
    /// As [`Client::get`]; what was asked for may have been done.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, Some(body), &[]).await
    }

    /// The same, under an `Idempotency-Key`: sent again, here or to another server of the same database, it is done once.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn post_once(&self, path: &str, body: &Value, key: &str) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, Some(body), &[("idempotency-key", key)]).await
    }

    /// A message to a webhook, under an id by which it is known when it comes again.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn message(&self, path: &str, body: &Value, id: &str) -> anyhow::Result<Answer> {
        let headers = [("webhook-id", id), ("idempotency-key", id)];
        self.send(Method::POST, path, Some(body), &headers).await
    }

    /// # Errors
    /// As [`Client::post`].
    pub async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::DELETE, path, None, &[]).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let what = format!("{method} {path}");
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key))
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))?;
        let exchange = async {
            let response = self.connections.request(request).await?;
            let status = response.status().as_u16();
            let body = to_bytes(Body::new(response.into_body()), usize::MAX).await?;
            anyhow::Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .with_context(|| format!("{what} was not answered"))?
            .with_context(|| format!("{what} failed"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{HttpStub, Reply, Route};

    #[tokio::test]
    async fn json_goes_out_and_comes_back_with_the_key() {
        let stub = HttpStub::start().await;
        stub.route(Route::new("/echo").reply(Reply::echo().with_status(202)));
        stub.route(Route::new("/close").reply(Reply::close()));
        let client = Client::new(stub.address(), "lvq_1");
        let answer = client.post("/echo", &json!({ "n": 1 })).await.unwrap();
        assert_eq!((answer.status, answer.body), (202, json!({ "n": 1 })));
        assert_eq!(stub.requests()[0].header("authorization"), Some("Bearer lvq_1"));
        let error = client.get("/close").await.unwrap_err();
        assert_eq!(error.to_string(), "GET /close failed");
    }
}
