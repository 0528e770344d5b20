//! The counters as Prometheus reads them.
//!
//! Labels have few values: routes as they are written in the router, methods and statuses of HTTP.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{Method, StatusCode};
use levqor_store::runs::RunCounts;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{
        counter::{ConstCounter, Counter as RateCounter},
        family::Family,
        gauge::Gauge,
        histogram::Histogram,
        info::Info,
    },
    registry::Registry,
};

use super::{Counter, totals::Totals};
use crate::app::Parts;

/// What `/metrics` is sent as.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds in seconds.
const DURATION_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

type Labels<const N: usize> = [(&'static str, String); N];

#[derive(Debug)]
pub(super) struct Exposition {
    registry: Registry,
    answers: Family<Labels<3>, RateCounter>,
    durations: Family<Labels<1>, Histogram, fn() -> Histogram>,
    runs: Family<Labels<1>, Gauge>,
    gauges: Gauges,
}

/// Set when somebody scrapes.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    pub(super) uptime_seconds: Gauge,
    pub(super) engine_active_runs: Gauge,
    pub(super) engine_effects_in_flight: Gauge,
    pub(super) engine_timers_near: Gauge,
    pub(super) runs_stuck: Gauge,
    pub(super) store_queue_depth: Gauge,
    pub(super) store_queue_capacity: Gauge,
    pub(super) background_jobs: Gauge,
    pub(super) queued_runs: Gauge,
    pub(super) queue_age_seconds: Gauge,
    pub(super) sink_waiting_events: Gauge,
    pub(super) sink_age_seconds: Gauge,
    pub(super) sink_failing_seconds: Gauge,
    pub(super) sink_delivered_events: RateCounter,
    pub(super) sink_skipped_events: RateCounter,
    /// By severity; none before this process has looked.
    pub(super) drift_deviations: Family<Labels<1>, Gauge>,
    pub(super) drift_checked_seconds: Family<Labels<0>, Gauge>,
    /// By who answered, and why; none without a replica.
    pub(super) replica_reads: Family<Labels<1>, RateCounter>,
    /// By severity; none before there is a verdict.
    pub(super) tamper_findings: Family<Labels<1>, Gauge>,
    pub(super) tamper_files: Family<Labels<0>, Gauge>,
    pub(super) tamper_age_seconds: Family<Labels<0>, Gauge>,
    pub(super) tamper_hears: Family<Labels<0>, Gauge>,
}

/// The totals that survive restarts.
#[derive(Debug)]
struct Persistent(Arc<Mutex<Totals>>);

impl Collector for Persistent {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for counter in Counter::ALL {
            let total = self.0.lock().unwrap_or_else(PoisonError::into_inner).total(*counter);
            let metric = ConstCounter::new(u64::try_from(total).unwrap_or(0));
            let descriptor =
                encoder.encode_descriptor(counter.name(), counter.help(), None, metric.metric_type())?;
            metric.encode(descriptor)?;
        }
        Ok(())
    }
}

impl Exposition {
    pub(super) fn new(parts: &Parts, totals: Arc<Mutex<Totals>>) -> Self {
        let region = (Cow::Borrowed("region"), Cow::Owned(parts.region.code.to_string()));
        let mut registry = Registry::with_prefix_and_labels("levqor", [region].into_iter());
        let histogram: fn() -> Histogram = || Histogram::new(DURATION_BUCKETS);
        let answers = Family::default();
        let durations = Family::new_with_constructor(histogram);
        let runs = Family::default();
        let gauges = Gauges::default();
        let build =
            Info::new([("version", parts.settings.version.clone()), ("build", parts.settings.build.clone())]);
        registry.register("build", "What is running", build);
        registry.register("http_answers", "HTTP requests answered by this process", answers.clone());
        registry.register("http_duration_seconds", "Time to the head of the answer", durations.clone());
        registry.register("runs", "Runs by status, over all accounts", runs.clone());
        let mut gauge = |name, help, gauge: &Gauge| registry.register(name, help, gauge.clone());
        gauge("uptime_seconds", "Time since the process started", &gauges.uptime_seconds);
        gauge("engine_active_runs", "Runs held in memory", &gauges.engine_active_runs);
        gauge("engine_effects_in_flight", "Calls in flight", &gauges.engine_effects_in_flight);
        gauge("engine_timers_near", "Timers held in memory", &gauges.engine_timers_near);
        gauge("runs_stuck", "Live runs that nothing moves", &gauges.runs_stuck);
        gauge("store_queue_depth", "Writes waiting for the database", &gauges.store_queue_depth);
        gauge("store_queue_capacity", "Writes that may wait", &gauges.store_queue_capacity);
        gauge("background_jobs", "Periodic jobs alive", &gauges.background_jobs);
        gauge("queued_runs", "Runs that wait for their turn, over all accounts", &gauges.queued_runs);
        gauge("queue_age_seconds", "How long the oldest queued run waits", &gauges.queue_age_seconds);
        gauge(
            "sink_waiting_events",
            "Events that the event sink does not have yet",
            &gauges.sink_waiting_events,
        );
        gauge("sink_age_seconds", "How long the oldest of them waits", &gauges.sink_age_seconds);
        gauge(
            "sink_failing_seconds",
            "How long the event sink has taken nothing",
            &gauges.sink_failing_seconds,
        );
        registry.register(
            "drift_deviations",
            "What is not as agreed and counts, by severity, as this node found it last",
            gauges.drift_deviations.clone(),
        );
        registry.register(
            "drift_checked_seconds",
            "When this node looked last, in seconds since 1970",
            gauges.drift_checked_seconds.clone(),
        );
        let mut counter = |name, help, counter: &RateCounter| registry.register(name, help, counter.clone());
        counter("sink_delivered_events", "Events that the event sink took", &gauges.sink_delivered_events);
        counter(
            "sink_skipped_events",
            "Events that the event sink never gets, since it was away for too long",
            &gauges.sink_skipped_events,
        );
        registry.register(
            "database_replica_reads",
            "Reads for people: answered by the replica, or by the primary since the replica was behind, unfit, or failed",
            gauges.replica_reads.clone(),
        );
        registry.register(
            "tamper_findings",
            "Files of the server that are not as agreed, and what else tamper detection found; absent while nothing is known",
            gauges.tamper_findings.clone(),
        );
        let mut known =
            |name, help, gauge: &Family<Labels<0>, Gauge>| registry.register(name, help, gauge.clone());
        known("tamper_files", "Files of the server that are guarded", &gauges.tamper_files);
        known("tamper_age_seconds", "Time since they were looked at", &gauges.tamper_age_seconds);
        known("tamper_hears", "Whether the system tells of their changes", &gauges.tamper_hears);
        registry.register_collector(Box::new(Persistent(totals)));
        Self { registry, answers, durations, runs, gauges }
    }

    pub(super) fn answered(&self, method: &Method, route: &str, status: StatusCode, latency: Duration) {
        let method = match *method {
            Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE => {
                method.as_str()
            }
            // Anybody can invent a method; a label of each would be a series of each.
            _ => "other",
        };
        let labels = [
            ("method", method.to_owned()),
            ("route", route.to_owned()),
            ("status", status.as_str().to_owned()),
        ];
        self.answers.get_or_create(&labels).inc();
        self.durations.get_or_create(&[("route", route.to_owned())]).observe(latency.as_secs_f64());
    }

    /// Text for Prometheus. Without `runs` (the store did not answer) no run is reported, rather than old numbers.
    pub(super) fn text(&self, runs: Option<RunCounts>, set: impl FnOnce(&Gauges)) -> String {
        set(&self.gauges);
        self.runs.clear();
        for (status, count) in runs.iter().flat_map(by_status) {
            self.runs.get_or_create(&[("status", status.to_owned())]).set(count);
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// The counts with their statuses' names.
pub(super) fn by_status(counts: &RunCounts) -> [(&'static str, i64); 7] {
    let RunCounts { pending, running, waiting, suspended, completed, faulted, cancelled } = *counts;
    [
        ("pending", pending),
        ("running", running),
        ("waiting", waiting),
        ("suspended", suspended),
        ("completed", completed),
        ("faulted", faulted),
        ("cancelled", cancelled),
    ]
}
