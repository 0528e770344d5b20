//! What the stub answers, good and bad.

use std::{collections::VecDeque, time::Duration};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::Response,
};
use bytes::Bytes;
use serde_json::Value;

use super::{Received, connection::Cutter};

#[derive(Debug, Clone)]
enum Kind {
    Answer,
    /// The request's body with its content type.
    Echo,
    /// The connection is closed without a byte.
    Close,
    /// No answer, ever.
    Hang,
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Reply {
    kind: Kind,
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    delay: Duration,
}

impl Default for Reply {
    /// 200 and `{}`.
    fn default() -> Self {
        Self::json(&Value::Object(serde_json::Map::new()))
    }
}

impl Reply {
    /// An empty answer with this status.
    pub fn status(status: u16) -> Self {
        Self { kind: Kind::Answer, status, headers: Vec::new(), body: Bytes::new(), delay: Duration::ZERO }
    }

    pub fn json(value: &Value) -> Self {
        Self::status(200).header("content-type", "application/json").body(value.to_string())
    }

    pub fn text(text: &str) -> Self {
        Self::status(200).header("content-type", "text/plain; charset=utf-8").body(text.to_owned())
    }

    /// Answers with what was sent.
    pub fn echo() -> Self {
        Self { kind: Kind::Echo, ..Self::status(200) }
    }

    /// Reads the request, then closes the connection without a byte.
    pub fn close() -> Self {
        Self { kind: Kind::Close, ..Self::status(200) }
    }

    /// Reads the request, then says nothing.
    pub fn hang() -> Self {
        Self { kind: Kind::Hang, ..Self::status(200) }
    }

    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).header("location", location)
    }

    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Waits before it answers.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// None when the caller gets nothing.
    pub(super) async fn give(self, received: &Received, cutter: &Cutter) -> Option<Response> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let body = match self.kind {
            Kind::Answer => self.body,
            Kind::Echo => received.body.clone(),
            Kind::Close => {
                cutter.cut();
                return None;
            }
            Kind::Hang => std::future::pending().await,
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        if let (Kind::Echo, Some(media)) = (&self.kind, received.header("content-type"))
            && let Ok(media) = HeaderValue::from_str(media)
        {
            response.headers_mut().insert(CONTENT_TYPE, media);
        }
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
            {
                response.headers_mut().append(name, value);
            }
        }
        Some(response)
    }
}

/// Answers for one path, in turn; the last one stays.
#[derive(Debug)]
pub struct Route {
    path: String,
    method: Option<String>,
    replies: VecDeque<Reply>,
}

impl Route {
    /// Any method of this path. A path that ends in `*` fits everything that begins with the rest.
    pub fn new(path: &str) -> Self {
        Self { path: path.to_owned(), method: None, replies: VecDeque::new() }
    }

    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_ascii_uppercase());
        self
    }

    /// The next answer.
    #[must_use]
    pub fn reply(self, reply: Reply) -> Self {
        self.replies(1, reply)
    }

    /// The same answer several times.
    #[must_use]
    pub fn replies(mut self, times: usize, reply: Reply) -> Self {
        self.replies.extend(std::iter::repeat_n(reply, times));
        self
    }

    pub(super) fn fits(&self, received: &Received) -> bool {
        let path = match self.path.strip_suffix('*') {
            Some(start) => received.path.starts_with(start),
            None => received.path == self.path,
        };
        path && self.method.as_ref().is_none_or(|method| *method == received.method)
    }

    pub(super) fn next(&mut self) -> Reply {
        if self.replies.len() > 1 {
            self.replies.pop_front().unwrap_or_default()
        } else {
            self.replies.front().cloned().unwrap_or_default()
        }
    }
}
