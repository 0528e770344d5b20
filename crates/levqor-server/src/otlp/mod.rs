//! Traces and metrics for an OpenTelemetry collector: OTLP over HTTP, as protocol buffers.
//!
//! ```text
//! spans that end ─► queue (bounded; what does not fit is counted) ─► batches ─► POST …/v1/traces
//! steps of series ─► what they add up to since the start ─────────► every 10 s ─► POST …/v1/metrics
//! ```
//!
//! Nobody waits for the collector: one that refuses, hangs or is not there costs spans, which are counted, and no metrics, since those
//! are sums since the start, and the next ones say it all.
//!
//! The messages are few and their form is agreed for good, so they are written here (decision 0037), and read with the official types
//! by the tests.
//!
//! Source: OpenTelemetry Protocol 1.x, "OTLP/HTTP", and `opentelemetry-proto` 1.x.

mod encode;
mod protobuf;
mod send;
mod sums;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use levqor_model::{Point, Timestamp};
use levqor_store::metrics::Series;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use sums::Sums;

/// Spans that wait to be sent: a few megabytes. More are counted as dropped.
const SPANS_MAX: usize = 4_096;

/// Where it goes, and who says it.
#[derive(Debug, Clone)]
pub struct TelemetrySettings {
    /// The collector's address, without `/v1/traces`.
    pub endpoint: Url,
    /// Levqor's version.
    pub version: String,
    pub region: String,
    /// This process, as no other is called.
    pub instance: String,
    /// How long a batch of spans waits for others, and how often metrics go.
    pub every: Duration,
    /// For one request to the collector, to the end of its answer.
    pub timeout: Duration,
    /// Before a batch that could not be taken is sent again; then twice that.
    pub pause: Duration,
}

impl TelemetrySettings {
    pub const EVERY: Duration = Duration::from_secs(10);
    pub const TIMEOUT: Duration = Duration::from_secs(10);
    pub const PAUSE: Duration = Duration::from_secs(1);
}

/// A piece of work that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub trace: [u8; 16],
    pub id: [u8; 8],
    pub parent: Option<[u8; 8]>,
    pub name: String,
    pub kind: SpanKind,
    pub began_at: Timestamp,
    pub ended_at: Timestamp,
    pub attributes: Vec<(String, Attribute)>,
    /// Why it failed, when it did.
    pub error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    Internal,
    /// The answer to a request.
    Server,
}

/// What is known of a piece of work.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    Text(String),
    Whole(i64),
    Fraction(f64),
    Flag(bool),
}

/// Takes what is to be sent; cheap to clone.
#[derive(Debug, Clone)]
pub struct Exporter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    spans: mpsc::Sender<Span>,
    sums: Mutex<Sums>,
    /// What the collector did not get, or would not take.
    dropped_spans: AtomicU64,
    dropped_points: AtomicU64,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Exporter {
    /// Begins to send in the background. Call it within the runtime.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn start(settings: TelemetrySettings, now: Timestamp) -> Result<Self, String> {
        let (spans, waiting) = mpsc::channel(SPANS_MAX);
        let exporter = Self(Arc::new(Inner {
            spans,
            sums: Mutex::new(Sums::new(now)),
            dropped_spans: AtomicU64::new(0),
            dropped_points: AtomicU64::new(0),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }));
        send::start(&exporter, settings, waiting)?;
        Ok(exporter)
    }

    /// Never waits.
    pub fn tell_span(&self, span: Span) {
        if self.0.spans.try_send(span).is_err() {
            self.0.dropped_spans.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What series have seen until now, since they were told last. Never waits for the collector.
    pub fn tell_points(&self, now: Timestamp, points: Vec<(Series, Point)>) {
        let mut sums = self.0.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let crowded = sums.add(now, points);
        self.0.dropped_points.fetch_add(crowded, Ordering::Relaxed);
    }

    /// What the collector did not get or take, by signal.
    pub fn dropped(&self) -> [(&'static str, u64); 2] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [("spans", read(&self.0.dropped_spans)), ("points", read(&self.0.dropped_points))]
    }

    /// Sends what is there, for at most so long, and ends.
    pub async fn close(&self, patience: Duration) {
        self.0.stop.cancel();
        self.0.tasks.close();
        if tokio::time::timeout(patience, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("the OpenTelemetry collector did not take everything before the end");
        }
    }
}
