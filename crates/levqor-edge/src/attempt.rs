//! One attempt: a request to one origin, until its answer begins.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    answer::AnswerBody,
    body::{Replay, RequestBody},
    edge::Edge,
    forward::DRAINING,
    live::{Live, LiveRoute},
    origin::{InFlight, Origin},
    upstream::Sender,
    verdict::{Observation, Verdict},
};

/// An answer within this needs no doubt.
const CALM: Duration = Duration::from_millis(20);

/// What is sent, but for its body.
#[derive(Debug)]
pub struct Head {
    pub method: Method,
    pub target: Uri,
    pub headers: HeaderMap,
    /// It may be done twice, so it does not have to wait for an origin that is lost.
    pub repeatable: bool,
}

/// An attempt without an answer.
#[derive(Debug)]
pub struct Failure {
    /// Bytes of the request may have arrived.
    pub sent: bool,
    pub kind: FailureKind,
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    Connect,
    /// The origin said that it drains and did not begin.
    Draining,
    /// A connection that had been idle ended in the same moment.
    Stale,
    Broken,
    /// The origin was suspected while it had the request, and another one is up.
    Lost,
    Timeout,
}

/// The connection and the place among the origin's requests stay with the answer.
#[derive(Debug)]
pub struct Answered {
    pub response: Response<Incoming>,
    sender: Sender,
    in_flight: InFlight,
}

/// Sends a request to `origin`.
///
/// `fresh` asks for a new connection. Cancel safe: when dropped, the request ends at the origin too.
///
/// # Errors
/// The [`Failure`], which says whether bytes may have arrived.
pub async fn attempt(
    edge: &Edge,
    live: &Live,
    route: &LiveRoute,
    origin: &Arc<Origin>,
    head: &Head,
    body: Option<&Replay>,
    fresh: bool,
) -> Result<Answered, Failure> {
    let in_flight = origin.begin();
    let idle_max = Duration::from_millis(live.config.upstream.idle_ms);
    let mut pooled = !fresh;
    loop {
        let kept = if pooled { origin.pool.take(idle_max).await } else { None };
        let mut sender = match kept {
            Some(sender) => sender,
            None => connect(live, origin).await?,
        };
        let mut request = Request::new(body.map_or_else(RequestBody::empty, Replay::attempt));
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.target.clone();
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = head.headers.clone();
        let doubt = doubt(edge, live, route, origin, head.repeatable, body);
        let answer = tokio::select! { biased;
            answer = sender.requests.try_send_request(request) => answer,
            failure = doubt => {
                origin.counters.timeouts.fetch_add(1, Ordering::Relaxed);
                if failure.kind == FailureKind::Timeout {
                    origin.failed(failure.detail.clone());
                }
                return Err(failure);
            }
        };
        match answer {
            Ok(response) => {
                origin.answered(response.status());
                if response.headers().contains_key(DRAINING) {
                    origin.observe(Observation::Draining);
                    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
                        let detail = "the origin drains".to_owned();
                        return Err(Failure { sent: false, kind: FailureKind::Draining, detail });
                    }
                }
                return Ok(Answered { response, sender, in_flight });
            }
            Err(mut error) => {
                let unsent = error.take_message().is_some();
                if unsent && pooled {
                    // The connection had ended before; nothing is learnt from that.
                    pooled = false;
                    continue;
                }
                let detail = error.into_error().to_string();
                if sender.used && !unsent {
                    origin.check_now.notify_one();
                    return Err(Failure { sent: true, kind: FailureKind::Stale, detail });
                }
                origin.counters.broken.fetch_add(1, Ordering::Relaxed);
                origin.failed(detail.clone());
                return Err(Failure { sent: !unsent, kind: FailureKind::Broken, detail });
            }
        }
    }
}

async fn connect(live: &Live, origin: &Arc<Origin>) -> Result<Sender, Failure> {
    match live.connector.connect(&origin.spec.url).await {
        Ok((sender, _)) => Ok(sender),
        Err(error) => {
            origin.counters.connect_failures.fetch_add(1, Ordering::Relaxed);
            let detail = error.to_string();
            if error.kind() == io::ErrorKind::ConnectionRefused {
                origin.observe(Observation::Refused { detail: detail.clone() });
                origin.check_now.notify_one();
            } else {
                origin.failed(detail.clone());
            }
            Err(Failure { sent: false, kind: FailureKind::Connect, detail })
        }
    }
}

/// Ends when it makes no sense to wait any longer.
async fn doubt(
    edge: &Edge,
    live: &Live,
    route: &LiveRoute,
    origin: &Origin,
    repeatable: bool,
    body: Option<&Replay>,
) -> Failure {
    let wait = Duration::from_millis(live.config.upstream.answer_ms);
    let mut deadline = Instant::now() + wait;
    sleep(CALM.min(wait)).await;
    let mut changes = edge.changes.subscribe();
    loop {
        let other_is_up = || route.origins.iter().any(|other| other.verdict() == Verdict::Up);
        if repeatable && origin.is_lost() && other_is_up() {
            let detail = "the origin is suspect and did not answer".to_owned();
            return Failure { sent: true, kind: FailureKind::Lost, detail };
        }
        match timeout_at(deadline, changes.changed()).await {
            Ok(Ok(())) => {}
            // The sender lives as long as the edge.
            Ok(Err(_)) => tokio::time::sleep_until(deadline).await,
            Err(_) if body.is_some_and(|body| body.progress() + wait > deadline) => {
                deadline = body.map_or(deadline, Replay::progress) + wait;
            }
            Err(_) => {
                let detail = format!("no answer within {} ms", wait.as_millis());
                return Failure { sent: true, kind: FailureKind::Timeout, detail };
            }
        }
    }
}

impl Answered {
    pub fn response_status(&self) -> StatusCode {
        self.response.status()
    }

    /// Takes a small answer whole, so that an origin that dies in the middle of it can be replaced; others become a stream.
    ///
    /// # Errors
    /// When the answer broke off and the request may be repeated; nothing of it has reached the client.
    pub async fn into_answer(
        self,
        edge: &Edge,
        live: &Live,
        route: &LiveRoute,
        origin: &Arc<Origin>,
        head: &Head,
    ) -> Result<Response<AnswerBody>, Failure> {
        let connections_max = live.config.upstream.idle_connections;
        let (parts, body) = self.response.into_parts();
        if !head.repeatable || !is_small(&parts.headers, &head.method, live.config.retries.answer_bytes) {
            let body =
                AnswerBody::stream(body, self.sender, connections_max, Arc::clone(origin), self.in_flight);
            return Ok(Response::from_parts(parts, body));
        }
        let doubt = doubt(edge, live, route, origin, true, None);
        let collected = tokio::select! { biased;
            collected = body.collect() => collected,
            failure = doubt => return Err(failure),
        };
        let bytes: Bytes = match collected {
            Ok(collected) => collected.to_bytes(),
            Err(error) => {
                origin.counters.broken.fetch_add(1, Ordering::Relaxed);
                let detail = format!("the answer broke off: {error}");
                origin.failed(detail.clone());
                return Err(Failure { sent: true, kind: FailureKind::Broken, detail });
            }
        };
        origin.pool.put(self.sender, connections_max);
        Ok(Response::from_parts(parts, AnswerBody::full(bytes)))
    }

    /// For an upgrade: the answer, while the connection becomes a tunnel.
    pub fn into_upgrade(self) -> (Response<Incoming>, InFlight) {
        (self.response, self.in_flight)
    }
}

fn is_small(headers: &HeaderMap, method: &Method, bytes_max: usize) -> bool {
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    *method != Method::HEAD && length.is_some_and(|length| length > 0 && length <= bytes_max)
}
