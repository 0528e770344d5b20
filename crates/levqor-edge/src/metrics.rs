//! `/edge/metrics`: what the edge counted, for Prometheus. Labels are names of the configuration and words of this file.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use crate::{edge::Edge, snapshot::Refusal, verdict::Verdict};

/// What is counted for the edge as a whole.
#[derive(Debug)]
pub struct Stats {
    counts: [AtomicU64; Count::NAMES.len()],
    snapshot_refusals: [AtomicU64; Refusal::KINDS.len()],
    /// Seconds until an answer began.
    pub(crate) answer_seconds: Histogram,
}

/// Events without further labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    Requests,
    Connections,
    ConnectionsRefused,
    TlsFailures,
    AmbiguousRequests,
    BadRequests,
    UnknownHosts,
    Retries,
    RetriesDenied,
    Held,
    HeldRefused,
    HeldInVain,
    NoOrigin,
    OriginFailed,
    OriginTimeout,
    ClientFailures,
    ForgedCookies,
    ExpiredCookies,
    ForgedRegions,
    Tunnels,
    SnapshotsTaken,
    ReloadsFailed,
}

impl Count {
    const NAMES: [(&'static str, &'static str); 22] = [
        ("requests", "Requests that were routed"),
        ("connections", "Connections that were accepted"),
        ("connections_refused", "Connections closed because their address had too many"),
        ("tls_failures", "Connections whose TLS handshake failed"),
        ("ambiguous_requests", "Requests refused because their end could be read in two ways"),
        ("bad_requests", "Requests refused for their host or form"),
        ("unknown_hosts", "Requests for hosts that no route takes"),
        ("retries", "Requests that were sent once more"),
        ("retries_denied", "Requests that the retry budget did not allow to be sent once more"),
        ("held", "Requests that waited for a region"),
        ("held_refused", "Requests that could not wait because too many did"),
        ("held_in_vain", "Requests that waited for a region until their time was over"),
        ("no_origin", "Answers 503 because no region could answer"),
        ("origin_failed", "Answers 502 because an origin failed"),
        ("origin_timeouts", "Answers 504 because an origin took too long"),
        ("client_failures", "Requests whose client broke off or stalled in the middle"),
        ("forged_cookies", "Affinity cookies that the edge did not sign"),
        ("expired_cookies", "Affinity cookies whose time was over"),
        ("forged_regions", "Requests that claimed a region themselves"),
        ("tunnels", "Connections that were upgraded"),
        ("snapshots_taken", "Region snapshots that were good"),
        ("reloads_failed", "Configuration files that were not used"),
    ];
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            counts: Default::default(),
            snapshot_refusals: Default::default(),
            answer_seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 16)),
        }
    }
}

impl Stats {
    pub fn count(&self, event: Count) {
        self.counts[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn of(&self, event: Count) -> u64 {
        self.counts[event as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn snapshot_taken(&self) {
        self.count(Count::SnapshotsTaken);
    }

    pub(crate) fn snapshot_refused(&self, kind: &str) {
        if let Some(place) = Refusal::KINDS.iter().position(|known| *known == kind) {
            self.snapshot_refusals[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many snapshots were refused for that reason.
    pub fn snapshots_refused(&self, kind: &str) -> u64 {
        let place = Refusal::KINDS.iter().position(|known| *known == kind);
        place.map_or(0, |place| self.snapshot_refusals[place].load(Ordering::Relaxed))
    }

    pub(crate) fn reload_failed(&self) {
        self.count(Count::ReloadsFailed);
    }
}

type Labels = Vec<(&'static str, String)>;

/// The text of the exposition.
pub fn exposition(edge: &Edge) -> String {
    let mut registry = Registry::with_prefix("levqor_edge");
    for ((name, help), value) in Count::NAMES.iter().zip(&edge.stats.counts) {
        let counter: Counter = Counter::default();
        counter.inc_by(value.load(Ordering::Relaxed));
        registry.register(*name, *help, counter);
    }
    registry.register("answer_seconds", "Time until an answer began", edge.stats.answer_seconds.clone());
    let waiting: Gauge = Gauge::default();
    waiting.set(i64::try_from(edge.waiting.requests()).unwrap_or(i64::MAX));
    registry.register("waiting", "Requests that wait for a region now", waiting);
    let refused = Family::<Labels, Counter>::default();
    for (kind, value) in Refusal::KINDS.iter().zip(&edge.stats.snapshot_refusals) {
        let counter = refused.get_or_create(&vec![("reason", (*kind).to_owned())]);
        counter.inc_by(value.load(Ordering::Relaxed));
    }
    registry.register("snapshots_refused", "Region snapshots that were not taken", refused);
    origins(edge, &mut registry);
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = encode(&mut text, &registry);
    text
}

fn origins(edge: &Edge, registry: &mut Registry) {
    let answers = Family::<Labels, Counter>::default();
    let failures = Family::<Labels, Counter>::default();
    let checks = Family::<Labels, Counter>::default();
    let changes = Family::<Labels, Counter>::default();
    let up = Family::<Labels, Gauge>::default();
    let in_flight = Family::<Labels, Gauge>::default();
    let idle = Family::<Labels, Gauge>::default();
    let latency = Family::<Labels, Gauge>::default();
    let live = edge.live();
    for origin in &live.origins {
        let with = |more: &[(&'static str, &str)]| -> Labels {
            let own = [("origin", origin.spec.name.clone()), ("region", origin.spec.region.to_string())];
            own.into_iter().chain(more.iter().map(|(name, value)| (*name, (*value).to_owned()))).collect()
        };
        let add = |family: &Family<Labels, Counter>, label: (&'static str, &str), value: &AtomicU64| {
            family.get_or_create(&with(&[label])).inc_by(value.load(Ordering::Relaxed));
        };
        let counters = &origin.counters;
        for (class, value) in ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(&counters.answers).skip(1)
        {
            add(&answers, ("status", class), value);
        }
        add(&failures, ("kind", "connect"), &counters.connect_failures);
        add(&failures, ("kind", "broken"), &counters.broken);
        add(&failures, ("kind", "timeout"), &counters.timeouts);
        add(&checks, ("result", "passed"), &counters.checks_passed);
        add(&checks, ("result", "failed"), &counters.checks_failed);
        for verdict in Verdict::ALL {
            add(&changes, ("verdict", verdict.as_str()), &counters.verdicts[verdict as usize]);
            let is = i64::from(origin.verdict() == verdict);
            up.get_or_create(&with(&[("verdict", verdict.as_str())])).set(is);
        }
        in_flight.get_or_create(&with(&[])).set(i64::from(origin.in_flight()));
        idle.get_or_create(&with(&[])).set(i64::try_from(origin.pool.len()).unwrap_or(i64::MAX));
        let micros = origin.candidate().latency_us.map_or(-1, i64::from);
        latency.get_or_create(&with(&[])).set(micros);
    }
    registry.register("origin_answers", "Answers of origins by status class", answers);
    registry.register("origin_failures", "Requests that an origin did not answer", failures);
    registry.register("origin_checks", "Checks of origins", checks);
    registry.register("origin_verdict_changes", "Changes of an origin's verdict, by the new one", changes);
    registry.register("origin_verdict", "1 for the verdict that holds", up);
    registry.register("origin_in_flight", "Requests that an origin works on", in_flight);
    registry.register("origin_idle_connections", "Connections that wait for a request", idle);
    registry.register("origin_check_latency_us", "Moving average of passed checks; -1: none yet", latency);
}

/// Media type of [`exposition`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Counts the time until an answer began.
pub(crate) fn began(edge: &Arc<Edge>, since: tokio::time::Instant) {
    edge.stats.answer_seconds.observe(since.elapsed().as_secs_f64());
}
