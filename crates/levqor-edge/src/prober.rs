//! Active checks of one origin: `GET /ready` every quarter of a second on a connection that stays open.
//!
//! The open connection is a sensor of its own: a process that dies closes it, and the check that follows at once finds
//! out within milliseconds. A check that is slow gets a second one on a new connection beside it, so that a black hole is
//! seen by two independent attempts in little more time than one takes. When the edge itself was not scheduled, a missed
//! deadline says nothing about the origin: late timers get a grace.

use std::{
    future::Future,
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    body::RequestBody,
    forward::DRAINING,
    origin::Origin,
    settings::Checks,
    upstream::{Connector, Sender},
    verdict::{Observation, Verdict},
};

/// A body longer than this is no answer to a check.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Between a refusal and the check that confirms it.
const CONFIRM_AFTER: Duration = Duration::from_millis(20);
/// Between the checks of an origin that is lost, so that its return is seen soon.
const LOST_INTERVAL: Duration = Duration::from_millis(100);
/// An origin that is far away gets this many times its usual latency, up to a bound.
const PATIENCE_FACTOR: u32 = 4;
const PATIENCE_MAX: Duration = Duration::from_secs(2);
/// How far behind a timer may be before it is the edge that was slow.
const LATE: Duration = Duration::from_millis(40);
/// Checks that traffic asks for come no closer than this.
const KICK_PAUSE: Duration = Duration::from_millis(10);

/// Checks `origin` until it is dropped.
pub async fn probe(origin: Arc<Origin>, connector: Arc<Connector>, checks: Checks, user_agent: String) {
    Prober { origin, connector, checks, user_agent, open: None, closed: false }.run().await;
}

struct Prober {
    origin: Arc<Origin>,
    connector: Arc<Connector>,
    checks: Checks,
    user_agent: String,
    open: Option<Open>,
    /// The last rest ended because the connection did.
    closed: bool,
}

struct Open {
    sender: Sender,
    ended: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.ended.abort();
    }
}

enum Outcome {
    Seen(Observation),
    /// The connection had ended before the check was sent; that is the past, not the present.
    Stale,
}

impl Prober {
    async fn run(&mut self) {
        loop {
            let seen = self.check().await;
            let passed = matches!(seen, Observation::Passed { .. });
            let counters = &self.origin.counters;
            let counter = if passed { &counters.checks_passed } else { &counters.checks_failed };
            counter.fetch_add(1, Ordering::Relaxed);
            let before = self.origin.verdict();
            let pause = self.pause(&seen, before);
            self.origin.observe(seen);
            self.rest(pause).await;
        }
    }

    fn pause(&self, seen: &Observation, before: Verdict) -> Duration {
        let interval = Duration::from_millis(self.checks.interval_ms);
        match (seen, before) {
            (_, Verdict::Suspect) => interval.min(LOST_INTERVAL),
            (Observation::Refused { .. } | Observation::Broken { .. } | Observation::TimedOut { .. }, _) => {
                CONFIRM_AFTER.min(interval)
            }
            _ => interval,
        }
    }

    /// Until the next check: a time, a closed connection, or somebody's doubt.
    async fn rest(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        let origin = Arc::clone(&self.origin);
        let closed = std::mem::take(&mut self.closed);
        match &mut self.open {
            Some(open) => tokio::select! {
                () = sleep_until(until) => {}
                _ = &mut open.ended => {
                    (self.open, self.closed) = (None, true);
                    if closed {
                        // An origin that closes after each answer is not dying each time.
                        sleep_until(until).await;
                    }
                }
                () = origin.check_now.notified() => sleep(KICK_PAUSE.min(pause)).await,
            },
            None => tokio::select! {
                () = sleep_until(until) => {}
                () = origin.check_now.notified() => sleep(KICK_PAUSE.min(pause)).await,
            },
        }
    }

    async fn check(&mut self) -> Observation {
        let usual = self.origin.told().latency;
        let least = Duration::from_millis(self.checks.timeout_ms);
        // Nothing is known of the distance before the first answer.
        let patience = match usual {
            None => PATIENCE_MAX.min(least * PATIENCE_FACTOR),
            Some(usual) => least.max((usual * PATIENCE_FACTOR).min(PATIENCE_MAX)),
        };
        let ask = Ask {
            origin: Arc::clone(&self.origin),
            connector: Arc::clone(&self.connector),
            path: self.checks.path.clone(),
            user_agent: self.user_agent.clone(),
        };
        let mut open = self.open.take();
        if open.is_some() {
            let first = ask.clone().check(open.take());
            match self.with_second(first, &ask, patience).await {
                Outcome::Seen(seen) => return seen,
                Outcome::Stale => {}
            }
        }
        let first = ask.clone().check(None);
        match self.with_second(first, &ask, patience).await {
            Outcome::Seen(seen) => seen,
            Outcome::Stale => Observation::Broken { detail: "the connection ended at once".into() },
        }
    }

    /// Runs `first`; after a third of the patience also another one on a new connection. Whichever answers counts.
    async fn with_second(
        &mut self,
        first: impl Future<Output = (Outcome, Option<Open>)>,
        ask: &Ask,
        patience: Duration,
    ) -> Outcome {
        let began = Instant::now();
        let mut first = std::pin::pin!(first);
        let head_start = patience / 3;
        let mut told = tokio::select! { biased;
            told = &mut first => Some(told),
            () = sleep_until(began + head_start) => None,
        };
        if told.is_none() {
            let second = ask.clone().check(None);
            let mut second = std::pin::pin!(second);
            // The second one gets the whole patience; the first one longer still.
            let mut deadline = began + head_start + patience;
            let mut grace = true;
            told = loop {
                tokio::select! { biased;
                    told = &mut first => break Some(told),
                    told = &mut second => break Some(told),
                    () = sleep_until(deadline) => {
                        let now = Instant::now();
                        if grace && now.duration_since(deadline) > LATE {
                            (grace, deadline) = (false, now + patience);
                            continue;
                        }
                        break None;
                    }
                }
            };
        }
        match told {
            Some((outcome, open)) => {
                self.open = open;
                outcome
            }
            // Two connections, none answered: as good as two misses in a row.
            None => {
                self.origin.observe(Observation::TimedOut { after: patience });
                Outcome::Seen(Observation::TimedOut { after: patience })
            }
        }
    }
}

#[derive(Clone)]
struct Ask {
    origin: Arc<Origin>,
    connector: Arc<Connector>,
    path: String,
    user_agent: String,
}

impl Ask {
    async fn check(self, open: Option<Open>) -> (Outcome, Option<Open>) {
        let reused = open.is_some();
        let mut open = match open {
            Some(open) => open,
            None => match self.connector.connect(&self.origin.spec.url).await {
                Ok((sender, ended)) => Open { sender, ended },
                Err(error) => return (Outcome::Seen(failure(&error)), None),
            },
        };
        let request = Request::get(&self.path)
            .header(header::HOST, self.origin.spec.url.authority())
            .header(header::USER_AGENT, &self.user_agent)
            .header(header::ACCEPT, "application/json")
            .body(RequestBody::empty());
        let Ok(request) = request else {
            return (
                Outcome::Seen(Observation::Broken { detail: "the check's path is no path".into() }),
                None,
            );
        };
        let sent = Instant::now();
        let answered = match open.sender.requests.try_send_request(request).await {
            Ok(answer) => answer,
            Err(error) => {
                let outcome = if reused {
                    Outcome::Stale
                } else {
                    Outcome::Seen(Observation::Broken { detail: error.into_error().to_string() })
                };
                return (outcome, None);
            }
        };
        let latency = sent.elapsed();
        let (parts, body) = answered.into_parts();
        let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return (Outcome::Seen(Observation::Broken { detail: error.to_string() }), None),
        };
        (Outcome::Seen(judge(parts.status, &parts.headers, &body, latency)), Some(open))
    }
}

fn failure(error: &io::Error) -> Observation {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Observation::Refused { detail: error.to_string() },
        _ => Observation::Broken { detail: error.to_string() },
    }
}

#[derive(Deserialize)]
struct Ready {
    status: Option<serde_json::Value>,
    r#type: Option<String>,
}

/// What an answer to a check means.
fn judge(status: StatusCode, headers: &HeaderMap, body: &Bytes, latency: Duration) -> Observation {
    if headers.contains_key(DRAINING) {
        return Observation::Draining;
    }
    if status.is_success() {
        return Observation::Passed { latency };
    }
    let draining = serde_json::from_slice::<Ready>(body).is_ok_and(|ready| {
        ready.status.as_ref().and_then(serde_json::Value::as_str) == Some("draining")
            || ready.r#type.is_some_and(|kind| kind.ends_with("/draining"))
    });
    if draining { Observation::Draining } else { Observation::NotReady { status: status.as_u16() } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_checks_are_read() {
        let latency = Duration::from_millis(1);
        let judged = |status: u16, header: bool, body: &'static str| {
            let mut headers = HeaderMap::new();
            if header {
                headers.insert(DRAINING, http::HeaderValue::from_static("1"));
            }
            judge(
                StatusCode::from_u16(status).unwrap(),
                &headers,
                &Bytes::from_static(body.as_bytes()),
                latency,
            )
        };
        assert_eq!(judged(200, false, "{\"status\":\"ready\"}"), Observation::Passed { latency });
        assert_eq!(judged(204, false, ""), Observation::Passed { latency });
        assert_eq!(judged(200, true, ""), Observation::Draining);
        assert_eq!(judged(503, false, "{\"status\":\"draining\"}"), Observation::Draining);
        assert_eq!(
            judged(503, false, "{\"type\":\"https://x/docs/problems/draining\",\"status\":503}"),
            Observation::Draining
        );
        for body in ["", "draining", "{\"status\":503}", "[]", "{\"status\":\"unready\"}"] {
            assert_eq!(judged(503, false, body), Observation::NotReady { status: 503 }, "{body}");
        }
    }
}
