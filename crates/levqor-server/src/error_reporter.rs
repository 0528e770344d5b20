//! Errors of this server, told to a system that collects them (the Sentry protocol), when the operator names one.
//!
//! ```text
//! error!(…) ─► layer of the log ─► ErrorReporter::report ─► bounded queue ─► sender ─► POST …/envelope/
//! ```
//!
//! Never in the way: a full queue, a flood, a collector that refuses or says nothing cost events, which are counted, and nothing else.
//! What is told is what stands in the log anyway, and less: no secrets, no bodies, and addresses of people are masked (`scrub`).
//!
//! Source: Sentry developer documentation, "Envelopes"; the types are its own (`sentry-types`).

mod limits;
mod scrub;

use std::{
    collections::BTreeMap,
    fmt,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::header;
use levqor_model::Timestamp;
use sentry_types::{
    Dsn,
    protocol::v7::{Envelope, Event, Level, Map},
    random_uuid,
};
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{outgoing, problem::chain};

/// Who tells it, in the protocol.
const AGENT: &str = concat!("levqor/", env!("CARGO_PKG_VERSION"));
/// Events that wait.
const QUEUE: usize = 100;
/// Events a minute; more are counted and dropped.
const PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).unwrap();
const MESSAGE_CHARS_MAX: usize = 4_000;
/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long what is left may take when the server stops.
const LAST: Duration = Duration::from_secs(2);

/// Something that went wrong, or that is told to see whether telling works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    pub at: Timestamp,
    pub message: String,
    /// The module that tells it.
    pub logger: String,
    pub is_error: bool,
    pub tags: BTreeMap<String, String>,
}

/// What is said of this server with each event.
#[derive(Debug, Clone)]
pub struct About {
    pub release: String,
    pub environment: String,
    pub region: String,
}

/// What became of events so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    pub delivered: u64,
    /// Not taken by the collector, or not reached.
    pub failed: u64,
    /// Too many, or in a time in which the collector wants none.
    pub dropped: u64,
}

/// Why an event was not delivered. Never holds the DSN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTold {
    #[error("the collector at {host} answered {status}")]
    Refused { host: String, status: u16 },
    #[error("the collector at {host} was not reached: {reason}")]
    NotReached { host: String, reason: String },
}

/// Tells a collector; cheap to clone.
#[derive(Clone)]
pub struct ErrorReporter(Arc<Inner>);

struct Inner {
    dsn: Dsn,
    about: About,
    limit: DefaultDirectRateLimiter,
    client: OnceCell<reqwest::Client>,
    queue: mpsc::Sender<Occurrence>,
    /// Taken by the one who sends.
    waiting: Mutex<Option<mpsc::Receiver<Occurrence>>>,
    delivered: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl fmt::Debug for ErrorReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorReporter").field("host", &self.0.dsn.host()).finish_non_exhaustive()
    }
}

impl ErrorReporter {
    /// # Errors
    /// Says how a DSN is written; never shows the one that was given.
    pub fn new(dsn: &str, about: About) -> Result<Self, &'static str> {
        let dsn: Dsn = dsn.parse().map_err(
            |_| "write it like https://key@sentry.example.com/42, as the system gives it for a project",
        )?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        Ok(Self(Arc::new(Inner {
            dsn,
            about,
            limit: RateLimiter::direct(Quota::per_minute(PER_MINUTE)),
            client: OnceCell::new(),
            queue,
            waiting: Mutex::new(Some(waiting)),
            delivered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        })))
    }

    /// Queues an event. Never waits.
    pub fn report(&self, occurrence: Occurrence) {
        let taken = self.0.limit.check().is_ok() && self.0.queue.try_send(occurrence).is_ok();
        if !taken {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn told(&self) -> Told {
        Told {
            delivered: self.0.delivered.load(Ordering::Relaxed),
            failed: self.0.failed.load(Ordering::Relaxed),
            dropped: self.0.dropped.load(Ordering::Relaxed),
        }
    }

    /// Events that wait.
    pub fn queued(&self) -> usize {
        QUEUE - self.0.queue.capacity()
    }

    /// Where events go.
    pub fn host(&self) -> &str {
        self.0.dsn.host()
    }

    /// Sends what is queued until `shutdown`, and then for 2 seconds what is left; the rest is dropped. The second one who calls it has
    /// nothing to do.
    pub async fn send(&self, shutdown: CancellationToken) {
        let taken = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut waiting) = taken else { return };
        let over = async {
            shutdown.cancelled().await;
            tokio::time::sleep(LAST).await;
        };
        tokio::pin!(over);
        let mut dropped = 0;
        loop {
            let occurrence = tokio::select! { biased;
                occurrence = waiting.recv() => occurrence,
                () = shutdown.cancelled() => break,
            };
            let Some(occurrence) = occurrence else { break };
            let sent = tokio::select! { biased;
                sent = self.deliver(&occurrence) => sent,
                () = &mut over => {
                    dropped += 1;
                    break;
                }
            };
            if let Some(pause) = sent.pause {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = shutdown.cancelled() => break,
                }
            }
        }
        dropped += waiting.len();
        self.0.dropped.fetch_add(u64::try_from(dropped).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Sends one event past the queue and waits for the collector's answer: what proves that telling works. Gives the event's id.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn confirm(&self, occurrence: &Occurrence) -> Result<String, NotTold> {
        self.deliver(occurrence).await.taken
    }

    async fn deliver(&self, occurrence: &Occurrence) -> Sent {
        let sent = match self.post(occurrence).await {
            Ok(sent) => sent,
            Err(reason) => {
                let host = self.0.dsn.host().to_owned();
                Sent { taken: Err(NotTold::NotReached { host, reason }), pause: Some(limits::PAUSE) }
            }
        };
        let count = if sent.taken.is_ok() { &self.0.delivered } else { &self.0.failed };
        count.fetch_add(1, Ordering::Relaxed);
        sent
    }

    /// # Errors
    /// Why there is no answer.
    async fn post(&self, occurrence: &Occurrence) -> Result<Sent, String> {
        let (id, body) = self.envelope(occurrence).map_err(|error| error.to_string())?;
        let client = self.0.client.get_or_try_init(|| async {
            let built = tokio::task::spawn_blocking(|| outgoing::client(PATIENCE)).await;
            built.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
        });
        let answer = client
            .await?
            .post(self.0.dsn.envelope_api_url())
            .header("x-sentry-auth", self.0.dsn.to_auth(Some(AGENT)).to_string())
            .header(header::CONTENT_TYPE, "application/x-sentry-envelope")
            .body(body)
            .send()
            .await
            // The address holds the public half of the DSN.
            .map_err(|error| chain(&error.without_url()))?;
        let status = answer.status();
        let taken = if status.is_success() {
            Ok(id)
        } else {
            Err(NotTold::Refused { host: self.0.dsn.host().to_owned(), status: status.as_u16() })
        };
        Ok(Sent { taken, pause: limits::pause(status, answer.headers()) })
    }

    /// The event's id, and the envelope around it.
    fn envelope(&self, occurrence: &Occurrence) -> std::io::Result<(String, Vec<u8>)> {
        let about = &self.0.about;
        let id = random_uuid();
        let micros = u64::try_from(occurrence.at.as_micros()).unwrap_or_default();
        let told = |(name, value): (&String, &String)| (name.clone(), scrub::scrubbed(value));
        let mut tags: Map<String, String> = occurrence.tags.iter().map(told).collect();
        let message: String = occurrence.message.chars().take(MESSAGE_CHARS_MAX).collect();
        tags.insert("region".to_owned(), about.region.clone());
        let event = Event {
            event_id: id,
            level: if occurrence.is_error { Level::Error } else { Level::Info },
            message: Some(scrub::scrubbed(&message)),
            logger: Some(occurrence.logger.clone()),
            platform: "native".into(),
            timestamp: std::time::UNIX_EPOCH + Duration::from_micros(micros),
            release: Some(about.release.clone().into()),
            environment: Some(about.environment.clone().into()),
            tags,
            ..Event::default()
        };
        let mut body = Vec::new();
        Envelope::from(event).to_writer(&mut body)?;
        Ok((id.simple().to_string(), body))
    }
}

/// What became of one event.
struct Sent {
    /// The event's id, or why the collector does not have it.
    taken: Result<String, NotTold>,
    /// How long nothing should be sent now.
    pause: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use levqor_testkit::{HttpStub, Reply, Route};

    use super::*;

    fn reporter(stub: &HttpStub) -> ErrorReporter {
        let dsn = stub.url("/42").replace("http://", "http://publickey@");
        let about = About {
            release: "levqor@1".to_owned(),
            environment: "production".to_owned(),
            region: "eu-west".to_owned(),
        };
        ErrorReporter::new(&dsn, about).unwrap()
    }

    fn occurrence(message: &str) -> Occurrence {
        Occurrence {
            at: Timestamp::from_seconds(1_795_503_701),
            message: message.to_owned(),
            logger: "levqor_server::background".to_owned(),
            is_error: true,
            tags: BTreeMap::from([("job".to_owned(), "prune".to_owned())]),
        }
    }

    #[tokio::test]
    async fn an_event_is_an_envelope_that_the_collector_takes() {
        let stub = HttpStub::start().await;
        stub.route(Route::new("/api/42/envelope/").reply(Reply::status(200)));
        let reporter = reporter(&stub);
        let id = reporter.confirm(&occurrence("it broke")).await.unwrap();
        let requests = stub.requests_to("/api/42/envelope/");
        assert_eq!(requests.len(), 1);
        let text = String::from_utf8(requests[0].body.to_vec()).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["event_id"].as_str().unwrap().replace('-', ""), id);
        assert_eq!(lines[1]["type"], "event");
        assert_eq!(
            (&lines[2]["message"], &lines[2]["tags"]["region"]),
            (&"it broke".into(), &"eu-west".into())
        );
        assert_eq!(lines[2]["timestamp"].as_f64(), Some(1_795_503_701.0));
        assert_eq!(reporter.told(), Told { delivered: 1, failed: 0, dropped: 0 });
    }

    #[tokio::test]
    async fn a_collector_that_refuses_or_is_gone_is_told_of_without_the_key() {
        let stub = HttpStub::start().await;
        stub.route(Route::new("/api/42/envelope/").reply(Reply::status(403)));
        let reporter = reporter(&stub);
        let refused = reporter.confirm(&occurrence("a")).await.unwrap_err();
        assert_eq!(refused, NotTold::Refused { host: "127.0.0.1".to_owned(), status: 403 });
        let nobody = ErrorReporter::new("http://publickey@127.0.0.1:9/42", reporter.0.about.clone()).unwrap();
        let gone = nobody.confirm(&occurrence("a")).await.unwrap_err().to_string();
        assert!(
            gone.starts_with("the collector at 127.0.0.1 was not reached") && !gone.contains("publickey")
        );
        assert!(!format!("{nobody:?}").contains("publickey"));
    }

    #[tokio::test]
    async fn addresses_of_people_and_secrets_do_not_leave() {
        let stub = HttpStub::start().await;
        stub.route(Route::new("/api/42/envelope/").reply(Reply::status(200)));
        let mut about = occurrence("no mailbox: ada.lovelace@example.com");
        about.tags.insert("error".to_owned(), "postgres://levqor:hunter2@db/x".to_owned());
        reporter(&stub).confirm(&about).await.unwrap();
        let told = stub.requests_to("/api/42/envelope/")[0].text();
        assert!(told.contains("a…@example.com") && told.contains("postgres://…@db/x"), "{told}");
        assert!(!told.contains("lovelace") && !told.contains("hunter2"), "{told}");
    }

    /// A collector that says nothing holds up the end of the server for some seconds, not for each event that waits.
    #[tokio::test]
    async fn the_end_waits_for_what_is_left_and_not_for_long() {
        let stub = HttpStub::start().await;
        stub.route(Route::new("/api/42/envelope/").reply(Reply::status(200)));
        let reporter = reporter(&stub);
        // Its client is made by the first one, which takes a while.
        reporter.confirm(&occurrence("first")).await.unwrap();
        for number in 0..5 {
            reporter.report(occurrence(&number.to_string()));
        }
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        reporter.send(shutdown.clone()).await;
        assert_eq!(reporter.told(), Told { delivered: 6, failed: 0, dropped: 0 });

        let silent = HttpStub::start().await;
        silent.route(Route::new("/api/42/envelope/").reply(Reply::hang()));
        let reporter = super::tests::reporter(&silent);
        for number in 0..5 {
            reporter.report(occurrence(&number.to_string()));
        }
        let began = tokio::time::Instant::now();
        reporter.send(shutdown).await;
        assert!(began.elapsed() < LAST + Duration::from_secs(4), "{:?}", began.elapsed());
        assert_eq!(reporter.told(), Told { delivered: 0, failed: 0, dropped: 5 });
    }

    #[tokio::test]
    async fn a_flood_is_counted_and_dropped() {
        let stub = HttpStub::start().await;
        let reporter = reporter(&stub);
        for number in 0..200 {
            reporter.report(occurrence(&number.to_string()));
        }
        assert_eq!(reporter.told().dropped, 140, "sixty a minute");
    }

    #[test]
    fn what_is_no_dsn_is_refused_without_showing_it() {
        for dsn in ["", "collector.example", "https://collector.example/7", "ftp://key@host/1"] {
            let about = About { release: String::new(), environment: String::new(), region: String::new() };
            let problem = ErrorReporter::new(dsn, about).unwrap_err();
            assert!(dsn.is_empty() || !problem.contains(dsn), "{problem}");
        }
    }
}
