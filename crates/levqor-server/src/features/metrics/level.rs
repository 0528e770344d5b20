//! What stands somewhere at any moment: looked at when somebody scrapes, and once in each step for the stored series.

use levqor_model::{Severity, Timestamp};
use levqor_store::{ReplicaReport, runs::RunCounts};

use super::exposition::by_status;
use crate::{
    App,
    features::{drift, tamper},
};

macro_rules! levels {
    ($($(#[$doc:meta])* $variant:ident = $shown:literal $stored:literal $shape:ident $whose:ident $help:literal),+ $(,)?) => {
        /// What can be looked at. Names are stored and scraped: never change one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Level { $($(#[$doc])* $variant),+ }

        impl Level {
            pub(super) const ALL: &'static [Level] = &[$(Level::$variant),+];

            /// As `/metrics` calls it.
            pub(super) const fn shown(self) -> &'static str {
                match self { $(Level::$variant => $shown),+ }
            }

            /// As the stored series is called.
            pub(super) const fn stored(self) -> &'static str {
                match self { $(Level::$variant => $stored),+ }
            }

            pub(super) const fn shape(self) -> Shape {
                match self { $(Level::$variant => Shape::$shape),+ }
            }

            pub(super) const fn whose(self) -> Whose {
                match self { $(Level::$variant => Whose::$whose),+ }
            }

            /// One line for people.
            pub(super) const fn help(self) -> &'static str {
                match self { $(Level::$variant => $help),+ }
            }
        }
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Gauge,
    /// Grows from zero as long as the process lives.
    Counter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Each node has its own, and its name is a label of the stored series.
    Node,
    /// Nodes of a region have one series. Of a counter they add up; of a gauge each look of each node is one, so that its mean, least
    /// and most are those of a node.
    Region,
}

levels! {
    Runs = "runs" "runs" Gauge Region "Runs by status, over all accounts",
    Uptime = "uptime_seconds" "uptime_seconds" Gauge Node "Time since the process started",
    ActiveRuns = "engine_active_runs" "engine_active_runs" Gauge Node "Runs held in memory",
    EffectsInFlight = "engine_effects_in_flight" "engine_effects_in_flight" Gauge Region "Calls in flight",
    TimersNear = "engine_timers_near" "engine_timers_near" Gauge Region "Timers held in memory",
    RunsStuck = "runs_stuck" "runs_stuck" Gauge Region "Live runs that nothing moves",
    StoreQueueDepth = "store_queue_depth" "store_queue_depth" Gauge Node "Writes waiting for the database",
    StoreQueueCapacity = "store_queue_capacity" "store_queue_capacity" Gauge Region "Writes that may wait",
    BackgroundJobs = "background_jobs" "background_jobs" Gauge Region "Periodic jobs alive",
    QueuedRuns = "queued_runs" "queue_depth" Gauge Region "Runs that wait for their turn, over all accounts",
    QueueAge = "queue_age_seconds" "queue_age_seconds" Gauge Region "How long the oldest queued run waits",
    SinkWaiting = "sink_waiting_events" "sink_waiting_events" Gauge Region "Events that the event sink does not have yet",
    SinkAge = "sink_age_seconds" "sink_age_seconds" Gauge Region "How long the oldest of them waits",
    SinkFailing = "sink_failing_seconds" "sink_failing_seconds" Gauge Region "How long the event sink has taken nothing",
    /// By severity; none before this process has looked.
    DriftDeviations = "drift_deviations" "drift_deviations" Gauge Region "What is not as agreed and counts, by severity, as this node found it last",
    DriftChecked = "drift_checked_seconds" "drift_checked_seconds" Gauge Region "When this node looked last, in seconds since 1970",
    SinkDelivered = "sink_delivered_events" "sink_delivered_events" Counter Region "Events that the event sink took",
    SinkSkipped = "sink_skipped_events" "sink_skipped_events" Counter Region "Events that the event sink never gets, since it was away for too long",
    /// By who answered, and why; none without a replica.
    ReplicaReads = "database_replica_reads" "database_replica_reads" Counter Region "Reads for people: answered by the replica, or by the primary since the replica was behind, unfit, or failed",
    /// By severity; none before there is a verdict.
    TamperFindings = "tamper_findings" "tamper_findings" Gauge Region "Files of the server that are not as agreed, and what else tamper detection found; absent while nothing is known",
    TamperFiles = "tamper_files" "tamper_files" Gauge Region "Files of the server that are guarded",
    TamperAge = "tamper_age_seconds" "tamper_age_seconds" Gauge Region "Time since they were looked at",
    TamperHears = "tamper_hears" "tamper_hears" Gauge Region "Whether the system tells of their changes",
    SeriesKnown = "metric_series" "metric_series" Gauge Node "Series that this node measures, of 10000 that have a place",
    SeriesCrowded = "metric_series_crowded" "metric_series_crowded" Counter Region "Observations that lost their labels, since there were too many series",
    TelemetryDropped = "telemetry_dropped" "telemetry_dropped" Counter Region "Spans and points that the OpenTelemetry collector did not take in time, by signal",
}

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) level: Level,
    /// At most one.
    pub(super) label: Option<(&'static str, String)>,
    pub(super) value: i64,
}

/// Collects looks.
#[derive(Debug, Default)]
struct Looks(Vec<Look>);

impl Looks {
    fn at(&mut self, level: Level, value: impl TryInto<i64>) {
        self.0.push(Look { level, label: None, value: value.try_into().unwrap_or(i64::MAX) });
    }

    fn by(&mut self, level: Level, label: &'static str, name: &str, value: impl TryInto<i64>) {
        let label = Some((label, name.to_owned()));
        self.0.push(Look { level, label, value: value.try_into().unwrap_or(i64::MAX) });
    }
}

/// Looks at everything. What is not known now is not there, rather than a zero or an old number; `runs` are those that the store
/// has, if it answered.
pub(super) async fn around(app: &App, runs: Option<RunCounts>) -> Vec<Look> {
    let mut looks = Looks::default();
    for (status, count) in runs.iter().flat_map(by_status) {
        looks.by(Level::Runs, "status", status, count);
    }
    look_at_engine(app, &mut looks).await;
    let (depth, capacity) = app.store.queue_depth();
    looks.at(Level::StoreQueueDepth, depth);
    looks.at(Level::StoreQueueCapacity, capacity);
    let (_, alive) = app.metrics.jobs();
    looks.at(Level::BackgroundJobs, alive);
    if let Some(report) = drift::last(app) {
        for severity in Severity::ALL {
            looks.by(Level::DriftDeviations, "severity", severity.as_str(), report.counting(*severity));
        }
        looks.at(Level::DriftChecked, report.at.as_seconds());
    }
    if let Some(ReplicaReport { near, behind, unfit, failed, .. }) = app.store.replica() {
        for (answer, reads) in [("replica", near), ("behind", behind), ("unfit", unfit), ("failed", failed)] {
            looks.by(Level::ReplicaReads, "answer", answer, reads);
        }
    }
    if let Some(tamper::Gauges { findings, files, age_seconds, hears }) = tamper::gauges(app) {
        for (severity, count) in findings {
            looks.by(Level::TamperFindings, "severity", severity.as_str(), count);
        }
        looks.at(Level::TamperFiles, files);
        looks.at(Level::TamperAge, age_seconds);
        looks.at(Level::TamperHears, u64::from(hears));
    }
    let (series, crowded) = app.metrics.series();
    looks.at(Level::SeriesKnown, series);
    looks.at(Level::SeriesCrowded, crowded);
    if let Some(telemetry) = &app.settings.telemetry {
        for (signal, dropped) in telemetry.dropped() {
            looks.by(Level::TelemetryDropped, "signal", signal, dropped);
        }
    }
    looks.0
}

async fn look_at_engine(app: &App, looks: &mut Looks) {
    let now = app.now();
    looks.at(Level::Uptime, now.since(app.started_at).as_secs());
    let load = app.engine.load();
    looks.at(Level::ActiveRuns, load.active_runs);
    looks.at(Level::EffectsInFlight, load.effects_in_flight);
    looks.at(Level::TimersNear, load.timers_near);
    looks.at(Level::RunsStuck, app.engine.stuck().runs);
    let seconds_since = |at: Option<Timestamp>| at.map_or(0, |at| now.since(at).as_secs());
    if let Ok(queue) = app.engine.queue_load().await {
        looks.at(Level::QueuedRuns, queue.queued);
        looks.at(Level::QueueAge, seconds_since(queue.oldest_at));
    }
    if let Ok(behind) = app.engine.sink_load().await {
        looks.at(Level::SinkWaiting, behind.waiting);
        looks.at(Level::SinkAge, seconds_since(behind.oldest_at));
    }
    let sink = app.engine.sink().unwrap_or_default();
    looks.at(Level::SinkFailing, seconds_since(sink.failing.map(|(since, _)| since)));
    looks.at(Level::SinkDelivered, sink.delivered);
    looks.at(Level::SinkSkipped, sink.skipped);
}
