//! Delivers the life of runs to a sink outside: an address that the operator names.
//!
//! ```text
//! append (journal, and rows of the outbox) ─► bell ─► page of the outbox ─► POST, in order ─► 2xx: the rows go
//!                                              ▲                              │
//!                                              └───── back off, with jitter ──┘ anything else
//! ```
//!
//! A row is there until the sink has answered 2xx, so each event is delivered at least once: a process that dies between the
//! answer and the commit delivers what it had delivered again, under the same ids. One request is under way at a time, so the
//! order of the outbox is the order of the sink. Nothing but one page is in memory, however long the sink is away; what is
//! older than events are kept is skipped by whoever prunes the store, and counted.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use levqor_flow::{
    event::CloudEvent,
    machine::{HttpRequest, Outcome},
};
use levqor_model::{AccountId, Random, Secret, Timestamp, limits};
use levqor_store::sink::{SinkEvent, SinkLoad};
use serde_json::Value;
use tokio::sync::Notify;
use url::Url;

use crate::{
    Engine, Error,
    core::Core,
    egress::{self, Network, PRIVATE, host_of},
    fault::Point,
    signing,
};

/// Events read, and sent in one batch, at most.
const PAGE: usize = 100;
/// Bytes of one batch; an event of more goes alone.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Events that are kept for a sink that is away. Beyond, the oldest are skipped.
const WAITING_MAX: i64 = 1_000_000;
/// Longest time for one delivery.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const BACKOFF_LEAST: Duration = Duration::from_secs(1);
const BACKOFF_MOST: Duration = Duration::from_secs(300);
/// Without being told of anything.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// What a delivery may still take when the engine stops.
const GRACE: Duration = Duration::from_secs(2);

/// Where the life of runs is told, and how.
#[derive(Clone)]
pub struct Sink {
    url: Url,
    secret: Option<Secret>,
    batch: bool,
    backoff_least: Duration,
}

impl fmt::Debug for Sink {
    /// Paths and queries may hold what proves who sends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("host", &self.host()).field("batch", &self.batch).finish_non_exhaustive()
    }
}

impl Sink {
    /// A sink that takes one event a request, unsigned.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn new(url: &str) -> Result<Self, String> {
        let plain = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.fragment().is_none()
        };
        let url = Url::parse(url.trim())
            .ok()
            .filter(plain)
            .ok_or("the address is none of http or https without user and fragment")?;
        Ok(Self { url, secret: None, batch: false, backoff_least: BACKOFF_LEAST })
    }

    /// Signs what is sent as Standard Webhooks has it.
    ///
    /// # Errors
    /// When the secret is none of Standard Webhooks.
    pub fn signing(self, secret: Secret) -> Result<Self, String> {
        if !signing::is_secret(secret.expose()) {
            return Err("the secret is not whsec_ and 24 to 64 bytes in Base 64".to_owned());
        }
        Ok(Self { secret: Some(secret), ..self })
    }

    /// Sends up to a hundred events in one request.
    #[must_use]
    pub fn batching(self) -> Self {
        Self { batch: true, ..self }
    }

    /// With another pause after the first failure.
    #[must_use]
    pub fn pausing(self, backoff_least: Duration) -> Self {
        Self { backoff_least, ..self }
    }

    fn host(&self) -> String {
        host_of(self.url.as_str())
    }

    /// The operator has named the sink, so it may be near, unlike what workflows call.
    pub(crate) fn client(&self, policy: &egress::Policy, version: &str) -> egress::Client {
        let mut allow = policy.allow.clone();
        allow.extend(PRIVATE.iter().filter_map(|network| network.parse::<Network>().ok()));
        // An address that is written out is what is meant.
        let host = self.url.host_str().unwrap_or_default();
        allow.extend(host.trim_matches(['[', ']']).parse::<Network>().ok());
        let policy = egress::Policy {
            allow,
            timeout: TIMEOUT,
            response_bytes_max: ANSWER_BYTES_MAX,
            rewrites: Vec::new(),
            ..policy.clone()
        };
        egress::Client::new(policy, version)
    }

    /// What is sent, in order.
    fn messages(&self, events: Vec<SinkEvent>) -> Vec<Message> {
        let mut messages: Vec<Message> = Vec::new();
        for event in events {
            match messages.last_mut() {
                Some(last) if self.batch && last.bytes() + event.body.len() <= BATCH_BYTES_MAX => {
                    last.add(event);
                }
                _ => messages.push(Message::new(event)),
            }
        }
        messages
    }

    fn request(&self, message: &Message, now: Timestamp) -> Result<HttpRequest, String> {
        let (kind, body) = if self.batch {
            ("application/cloudevents-batch+json", format!("[{}]", message.bodies.join(",")))
        } else {
            ("application/cloudevents+json", message.bodies.concat())
        };
        // The same events, the same key.
        let key = format!("sink/{}-{}", message.first, message.last);
        let mut headers = vec![("content-type".to_owned(), kind.to_owned())];
        if let Some(secret) = &self.secret {
            let signature = signing::signed(secret.expose(), &key, now.as_seconds(), &body);
            headers.extend(signature.ok_or("the secret is none of Standard Webhooks")?);
        }
        Ok(egress::post(key, self.url.to_string(), headers, body))
    }

    /// Doubles with each failure in a row, and is never quite the same.
    fn pause(&self, failures: u32, random: &dyn Random) -> Duration {
        let doubled = self.backoff_least.saturating_mul(1_u32 << failures.saturating_sub(1).min(20));
        let most = doubled.min(BACKOFF_MOST.max(self.backoff_least));
        // Between a half and all of it.
        let half = most / 2;
        let span = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
        half + Duration::from_micros(random.u64() % span)
    }
}

/// An event as the sink gets it: with the account, since the sink hears of all.
pub(crate) fn row(event: &CloudEvent, account: AccountId) -> String {
    let mut members = event.as_value().clone();
    members.insert("levqoraccount".to_owned(), Value::from(account.to_string()));
    Value::Object(members).to_string()
}

/// Events that go in one request.
#[derive(Debug)]
struct Message {
    first: i64,
    last: i64,
    bodies: Vec<String>,
}

impl Message {
    fn new(event: SinkEvent) -> Self {
        Self { first: event.seq, last: event.seq, bodies: vec![event.body] }
    }

    fn add(&mut self, event: SinkEvent) {
        self.last = event.seq;
        self.bodies.push(event.body);
    }

    fn bytes(&self) -> usize {
        self.bodies.iter().map(|body| body.len() + 1).sum()
    }
}

/// How the sink does, since this process started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkState {
    /// Events that it took.
    pub delivered: u64,
    /// Events that it will never get, since it was away for too long.
    pub skipped: u64,
    /// Since when it takes nothing, and why; None: it took what it was sent last.
    pub failing: Option<(Timestamp, String)>,
}

/// What the parts of the engine tell each other about the sink.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// There is something to deliver.
    pub(crate) bell: Notify,
    state: Mutex<SinkState>,
}

impl Board {
    fn state(&self) -> MutexGuard<'_, SinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn took(&self, events: usize) {
        let mut state = self.state();
        state.delivered += events as u64;
        if state.failing.take().is_some() {
            tracing::info!("the event sink takes events again");
        }
    }

    fn failed(&self, host: &str, reason: String, now: Timestamp) {
        let mut state = self.state();
        let since = match &state.failing {
            Some((since, _)) => {
                tracing::debug!(%reason, "the event sink {host} still takes nothing");
                *since
            }
            None => {
                tracing::warn!(%reason, "the event sink {host} takes nothing; trying again, with pauses");
                now
            }
        };
        state.failing = Some((since, reason));
    }
}

impl Engine {
    /// How the sink does; None: there is none.
    pub fn sink(&self) -> Option<SinkState> {
        self.core.lifecycle.has_sink().then(|| self.core.sink.state().clone())
    }

    /// How much the sink is behind.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn sink_load(&self) -> Result<SinkLoad, Error> {
        Ok(self.core.store.sink_load().await?)
    }

    /// Skips what has waited for the sink for longer than events are kept.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn prune_sink(&self) -> Result<(), levqor_store::Error> {
        let before = self.core.clock.now() - limits::EVENTS_KEPT;
        let skipped = self.core.store.prune_sink_events(before, WAITING_MAX).await?;
        if skipped > 0 {
            tracing::warn!("{skipped} events have waited too long for the event sink and are skipped");
            self.core.sink.state().skipped += skipped;
        }
        Ok(())
    }
}

/// Delivers until the engine stops taking work.
pub(crate) async fn run(core: Arc<Core>, sink: Sink, client: egress::Client) {
    let mut failures = 0_u32;
    loop {
        let stop = async {
            core.soft.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        let delivered = tokio::select! { biased;
            delivered = round(&core, &sink, &client) => delivered,
            // What was under way is delivered again after the next start.
            () = stop => return,
        };
        let pause = match delivered {
            Ok(0) => {
                failures = 0;
                LOOK_EVERY
            }
            Ok(_) => {
                failures = 0;
                Duration::ZERO
            }
            Err(reason) => {
                failures = failures.saturating_add(1);
                core.sink.failed(&sink.host(), reason, core.clock.now());
                sink.pause(failures, &*core.random)
            }
        };
        tokio::select! { biased;
            () = core.soft.cancelled() => return,
            () = core.sink.bell.notified(), if failures == 0 => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Delivers a page; the number of events that the sink took. Why not, when it does not take one.
async fn round(core: &Core, sink: &Sink, client: &egress::Client) -> Result<usize, String> {
    // In order only when one node delivers at a time.
    if core.is_shared()
        && !core
            .store
            .take_duty("event_sink", core.node, core.clock.now())
            .await
            .map_err(|reason| reason.to_string())?
    {
        return Ok(0);
    }
    let page = core.faults.store(core.store.sink_events(PAGE)).await.map_err(|reason| reason.to_string())?;
    let mut taken = 0;
    let mut through = None;
    let mut refusal = None;
    for message in sink.messages(page) {
        if core.soft.is_cancelled() {
            break;
        }
        let request = sink.request(&message, core.clock.now())?;
        match client.call(&request).await {
            Outcome::Output(_) => {
                through = Some(message.last);
                taken += message.bodies.len();
                core.sink.took(message.bodies.len());
            }
            Outcome::Failed { error, .. } => {
                refusal = Some(error.detail.or(error.title).unwrap_or(error.kind));
                break;
            }
        }
    }
    if let Some(through) = through {
        core.reach(Point::AfterDelivery).await;
        core.faults.store(core.store.sink_has(through)).await.map_err(|reason| reason.to_string())?;
    }
    refusal.map_or(Ok(taken), Err)
}

#[cfg(test)]
mod tests {
    use levqor_model::SeededRandom;

    use super::*;

    fn event(seq: i64, bytes: usize) -> SinkEvent {
        let at = Timestamp::from_seconds(1);
        let account_id = AccountId::new(at, &SeededRandom::new(1));
        SinkEvent { seq, account_id, at, body: "x".repeat(bytes) }
    }

    #[test]
    fn an_address_is_one_of_http() {
        for (url, good) in [
            ("https://sink.example/events?token=a", true),
            ("http://127.0.0.1:9000", true),
            ("http://collector.internal/", true),
            ("ftp://sink.example/", false),
            ("https://ada:secret@sink.example/", false),
            ("sink.example", false),
            ("", false),
        ] {
            assert_eq!(Sink::new(url).is_ok(), good, "{url}");
        }
        let sink = Sink::new("https://sink.example/events?token=hunter2").unwrap();
        let shown = format!("{sink:?}");
        assert!(shown.contains("sink.example") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn batches_are_bounded_and_in_order() {
        let sink = Sink::new("http://h/").unwrap();
        let sizes = |sink: &Sink, bytes: &[usize]| -> Vec<(i64, i64)> {
            let events = (1..).zip(bytes).map(|(seq, bytes)| event(seq, *bytes)).collect();
            sink.messages(events).iter().map(|message| (message.first, message.last)).collect()
        };
        assert_eq!(sizes(&sink, &[1, 1, 1]), [(1, 1), (2, 2), (3, 3)]);
        let sink = sink.batching();
        assert_eq!(sizes(&sink, &[1, 1, 1]), [(1, 3)]);
        let most = BATCH_BYTES_MAX;
        assert_eq!(sizes(&sink, &[1, most, 1, most - 2, 1]), [(1, 1), (2, 2), (3, 4), (5, 5)]);
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_differ() {
        let sink = Sink::new("http://h/").unwrap();
        let random = SeededRandom::new(1);
        for (failures, most) in [(1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (u32::MAX, 300)] {
            let most = Duration::from_secs(most);
            let pauses: Vec<Duration> = (0..20).map(|_| sink.pause(failures, &random)).collect();
            assert!(pauses.iter().all(|pause| (most / 2..=most).contains(pause)), "{failures}: {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{failures}");
        }
    }
}
