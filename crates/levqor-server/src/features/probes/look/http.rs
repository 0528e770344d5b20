//! A request, its redirects, and whether the answer is as it must be.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use levqor_flow::expression::{Bounds, Expression, is_true};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use url::Url;

use super::{Found, Target, address_of, allowed, reach, reach::Reach, tls};
use crate::{
    App,
    features::probes::definition::{At, Definition, Expect, Http},
};

/// What an expression may use: it looks at a small body.
const BOUNDS: Bounds = Bounds { steps: 200_000, bytes: 16 * 1024 * 1024, time: Duration::from_millis(250) };
/// What of a header's value expressions see.
const HEADER_CHARS_MAX: usize = 1_000;

/// An answer, and as much of its body as is wanted.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    /// There was more.
    cut: bool,
}

pub(super) async fn look(
    app: &App,
    definition: &Definition,
    request: &Http,
    target: &Target,
    attempt: usize,
    found: &mut Found,
) -> Result<(), String> {
    let allow = allowed(app, definition);
    let (mut url, reach) = match &request.at {
        At::Url(url) => {
            (url.clone(), Reach::written(url.host_str().unwrap_or_default(), port_of(url), &allow))
        }
        At::Regions { path } => {
            let base = address_of(target, attempt)?;
            let url = Url::parse(&format!("{base}{path}"))
                .map_err(|error| format!("the node says that it is reached at {base:?}: {error}"))?;
            let reach = Reach::node(url.host_str().unwrap_or_default(), port_of(&url), &allow);
            (url, reach)
        }
    };
    let began = Instant::now();
    let mut method = request.method.clone();
    let (mut headers, mut body) = (request.headers.clone(), request.body.clone());
    let mut hops = 0;
    let answer = loop {
        let sent =
            Sent { app, url: &url, reach: &reach, method: &method, headers: &headers, body: body.clone() };
        let answer = sent.answer(request, found).await?;
        let next = (answer.status.is_redirection() && request.redirects > 0)
            .then(|| location(&url, &answer.headers))
            .flatten();
        let Some(next) = next else { break answer };
        hops += 1;
        if hops > request.redirects {
            return Err(format!("it was redirected more than {} times", request.redirects));
        }
        if !matches!(next.scheme(), "http" | "https") {
            return Err(format!("it was redirected to the scheme {}", next.scheme()));
        }
        // What is posted is sent again only where the answer says so (RFC 9110, section 15.4).
        if !matches!(answer.status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT)
            && method != Method::HEAD
        {
            (method, body) = (Method::GET, None);
            headers.remove(header::CONTENT_TYPE);
        }
        // Any header may be a credential, and a body may hold one: both are for whom they were written.
        if next.origin() != url.origin() {
            if body.is_some() {
                let host = next.host_str().unwrap_or_default();
                return Err(format!(
                    "it was redirected to {host}, which is not told what is posted; write that address"
                ));
            }
            headers = without_secrets(&headers);
        }
        url = next;
    };
    judge(&definition.expect, answer, &target.name, began.elapsed()).await
}

/// Addresses of http and https always have one.
fn port_of(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or_default()
}

fn location(url: &Url, headers: &HeaderMap) -> Option<Url> {
    let location = std::str::from_utf8(headers.get(header::LOCATION)?.as_bytes()).ok()?;
    url.join(location).ok()
}

/// What of written headers strangers may be told.
fn without_secrets(headers: &HeaderMap) -> HeaderMap {
    const PLAIN: [HeaderName; 4] =
        [header::ACCEPT, header::ACCEPT_LANGUAGE, header::CONTENT_TYPE, header::USER_AGENT];
    let plain = headers.iter().filter(|(name, _)| PLAIN.contains(name));
    plain.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A request on its way.
struct Sent<'a> {
    app: &'a App,
    url: &'a Url,
    reach: &'a Reach,
    method: &'a Method,
    headers: &'a HeaderMap,
    body: Option<Bytes>,
}

impl Sent<'_> {
    async fn answer(self, request: &Http, found: &mut Found) -> Result<Answer, String> {
        let host = self.url.host_str().ok_or("the address has no host")?;
        let port = self.url.port_or_known_default().ok_or("the address has no port")?;
        // A connection of its own each time: whether one can be had is part of the question.
        let stream = reach::connect(self.reach, host, port).await?;
        if self.url.scheme() == "https" {
            let judge = crate::features::probes::memory(self.app).verifiers.of(&request.authorities).await?;
            let stream = tls::shake_hands(stream, host, judge, &mut found.certificate).await?;
            self.over(stream, request).await
        } else {
            self.over(stream, request).await
        }
    }

    async fn over<S>(self, stream: S, request: &Http) -> Result<Answer, String>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let broken = |error: hyper::Error| format!("no usable answer: {error}");
        let (mut sender, connection) =
            http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Ends with the look: whoever lets go of the sender closes the connection.
        let connection = tokio::spawn(connection);
        let _closed = Closed(connection.abort_handle());
        let response = sender.send_request(self.request()?).await.map_err(broken)?;
        let (parts, body) = response.into_parts();
        let (body, cut) = read(body, request.bytes_max).await?;
        Ok(Answer { status: parts.status, headers: parts.headers, body, cut })
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, String> {
        let unfit = |error: &dyn std::fmt::Display| format!("the request cannot be made: {error}");
        let mut target = self.url.path().to_owned();
        if let Some(query) = self.url.query() {
            target = format!("{target}?{query}");
        }
        let target: Uri = target.parse().map_err(|error| unfit(&error))?;
        let host = match (self.url.host_str().unwrap_or_default(), self.url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let body = Full::new(self.body.clone().unwrap_or_default());
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(target)
            .header(header::HOST, host)
            .body(body)
            .map_err(|error| unfit(&error))?;
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        let agent = concat!("levqor-probe/", env!("CARGO_PKG_VERSION"));
        headers.entry(header::USER_AGENT).or_insert(header::HeaderValue::from_static(agent));
        headers.entry(header::ACCEPT).or_insert(header::HeaderValue::from_static("*/*"));
        Ok(request)
    }
}

/// Ends a connection's task.
struct Closed(tokio::task::AbortHandle);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// As much of the body as is wanted, and whether there was more. What streams for ever is read no further.
async fn read(mut body: Incoming, bytes_max: usize) -> Result<(Vec<u8>, bool), String> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the answer broke off: {error}"))?;
        let Ok(data) = frame.into_data() else { continue };
        let room = bytes_max.saturating_sub(read.len());
        read.extend(data.iter().take(room));
        if data.len() > room {
            return Ok((read, true));
        }
    }
    Ok((read, false))
}

async fn judge(expect: &Expect, answer: Answer, target: &str, took: Duration) -> Result<(), String> {
    let status = answer.status.as_u16();
    let good = match expect.status.as_slice() {
        [] => answer.status.is_success(),
        ranges => ranges.iter().any(|(from, until)| (*from..=*until).contains(&status)),
    };
    if !good {
        return Err(format!("it answered {status}"));
    }
    let Some(expression) = &expect.body else { return Ok(()) };
    if answer.cut {
        return Err(format!(
            "its answer has more than {} bytes, so its body cannot be judged; raise answer_bytes_max",
            answer.body.len()
        ));
    }
    let (expression, target) = (expression.clone(), target.to_owned());
    // An expression may take its time, which nobody else should spend.
    let judged = tokio::task::spawn_blocking(move || holds(&expression, &answer, &target, took));
    judged.await.map_err(|error| error.to_string())?
}

fn holds(expression: &Expression, answer: &Answer, target: &str, took: Duration) -> Result<(), String> {
    let text = || Value::String(String::from_utf8_lossy(&answer.body).into_owned());
    let body = serde_json::from_slice(&answer.body).unwrap_or_else(|_| text());
    let variable = |name: &str| match name {
        "status" => json!(answer.status.as_u16()),
        "headers" => Value::Object(shown(&answer.headers)),
        "latency_ms" => json!(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        "target" => json!(target),
        _ => Value::Null,
    };
    match expression.evaluate(&body, &variable, &BOUNDS) {
        Ok(value) if is_true(&value) => Ok(()),
        Ok(_) => Err(format!("its answer is not as it must be: {}", expression.text())),
        Err(error) => Err(format!("its answer cannot be judged by {}: {error}", expression.text())),
    }
}

/// Names in lower case; of several of one name, the first.
fn shown(headers: &HeaderMap) -> Map<String, Value> {
    let mut shown = Map::new();
    for name in headers.keys() {
        let value =
            headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default();
        let text: String = value.chars().take(HEADER_CHARS_MAX).collect();
        shown.insert(name.as_str().to_owned(), Value::String(text));
    }
    shown
}
