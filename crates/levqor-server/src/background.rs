//! What a node does on its own, again and again.
//!
//! Each job has a loop of its own, so that one that hangs holds up no other. A round that fails or panics is logged, and
//! the next one tries again.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use levqor_model::limits;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, warn};

use crate::{
    App,
    features::{
        alerts, audit, drift, health, incidents, jobs, keyring, metrics, probes, regions, runs, slo,
        status_page, tamper,
    },
    gateway::{Rates, Reputation},
    problem::chain,
};

/// A periodic job of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    /// Writes counts that survive restarts.
    WriteCounts,
    /// Writes the stored series.
    RecordSeries,
    /// Merges them into coarser ones.
    RollUpSeries,
    /// Notes when API keys were used last.
    NoteKeyUse,
    /// Observes the node itself: the evidence behind the status page.
    ObserveHealth,
    /// Stores what was observed.
    SampleHealth,
    /// Tells the other nodes how this one is, and measures how far the other regions are.
    MeasureRegions,
    /// Goes on with what operators do with regions.
    GoOnWithActs,
    /// Learns which keys the server has now.
    LookAtKeys,
    /// Goes on with what rotations of keys have begun.
    TurnKeys,
    /// Tells the nodes of the region how callers use their limits, and hears it.
    ShareRates,
    /// Tells the nodes of the region of errors by address, and hears of them.
    ShareReputation,
    /// Forgets callers whose rate limit is full again, and addresses whose errors count no more.
    ForgetCallers,
    /// The same in the store.
    PruneCallers,
    /// Deletes rows whose time is over.
    PruneStore,
    /// Moves runs that have ended out of the way, where their last append left that to us.
    ArchiveRuns,
    /// Deletes runs whose time is over.
    PruneRuns,
    /// Signs what is new in the evidence log.
    SealAudit,
    /// Keeps the ends of the evidence log's chains outside of the database.
    WitnessAudit,
    /// Looks at the server's own files: waits for an event or a moment by itself.
    GuardFiles,
    /// Tells what was found of them, signs what is agreed to, and verifies what the database says.
    TellTampering,
    /// Looks whether what is served is what was agreed.
    CheckDrift,
    /// Runs the jobs of the platform: waits for their times by itself.
    RunJobs,
    /// Writes how many requests came from which country.
    WriteCountries,
    /// Looks at regions and other targets from outside: waits for the next moment by itself.
    RunProbes,
    /// Makes verdicts of what all nodes see, and misses jobs elsewhere.
    JudgeProbes,
    /// Judges objectives and all that should hold, and has people told.
    WatchAlerts,
    /// Brings messages to those who are to have them.
    DeliverNotifications,
    /// Has alerts open, join and calm incidents.
    MatchAlerts,
    /// Tells the next ones when nobody deals with an incident, and writes up those that are over.
    LookAfterIncidents,
    /// Makes the status page that is served until the next time.
    KeepStatus,
    /// Tells subscribers of maintenance that began or ended.
    TellMaintenance,
    /// Counts and signs the uptime of days that are over.
    SealUptime,
}

/// Every job, and how often it runs.
const JOBS: [(Job, Duration); 33] = [
    (Job::WriteCounts, Duration::from_secs(1)),
    // Twice a step: when the process is killed, less than a step is lost.
    (Job::RecordSeries, Duration::from_secs(5)),
    (Job::RollUpSeries, Duration::from_secs(10)),
    (Job::NoteKeyUse, Duration::from_secs(5)),
    // What is bad for two seconds is shown within five.
    (Job::ObserveHealth, Duration::from_secs(1)),
    (Job::SampleHealth, Duration::from_millis(500)),
    (Job::MeasureRegions, Duration::from_secs(5)),
    (Job::GoOnWithActs, Duration::from_millis(500)),
    // Well before a ring is too old to decide by.
    (Job::LookAtKeys, Duration::from_secs(2)),
    (Job::TurnKeys, Duration::from_secs(2)),
    (Job::ShareRates, Duration::from_millis(250)),
    (Job::ShareReputation, Duration::from_secs(1)),
    (Job::ForgetCallers, Duration::from_secs(30)),
    (Job::PruneCallers, Duration::from_secs(60)),
    (Job::PruneStore, Duration::from_secs(600)),
    (Job::ArchiveRuns, Duration::from_secs(5)),
    (Job::PruneRuns, Duration::from_secs(900)),
    (Job::SealAudit, Duration::from_secs(60)),
    (Job::WitnessAudit, Duration::from_secs(5)),
    (Job::GuardFiles, Duration::from_millis(10)),
    (Job::TellTampering, Duration::from_millis(200)),
    (Job::CheckDrift, drift::EVERY),
    (Job::RunJobs, Duration::from_millis(10)),
    (Job::WriteCountries, Duration::from_secs(60)),
    (Job::RunProbes, Duration::from_millis(250)),
    (Job::JudgeProbes, Duration::from_millis(250)),
    (Job::WatchAlerts, Duration::from_secs(2)),
    (Job::DeliverNotifications, Duration::from_secs(1)),
    (Job::MatchAlerts, Duration::from_secs(2)),
    (Job::LookAfterIncidents, Duration::from_secs(1)),
    (Job::KeepStatus, Duration::from_secs(1)),
    (Job::TellMaintenance, Duration::from_secs(5)),
    (Job::SealUptime, Duration::from_secs(600)),
];

/// Per-second counts older than this are in no window any more.
const BUCKETS_KEPT: Duration = Duration::from_secs(15 * 60);
/// Links and sessions that have ended stay for a while, for people who ask what happened.
const SIGN_IN_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Values that were set anew or deleted, for runs that began before and are looked at or retried.
const SECRETS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// No schedule catches up with more than a week.
const FIRINGS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// What calls of the function `store` gave, after the end of their run: a late repeat must find it.
const STATE_CALLS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// What nodes found that are gone.
const DRIFT_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// What operators did with regions.
const ACTS_KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// Places of files whose nodes are gone, with what was agreed on there.
const PLACES_KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// Keys that were retired or revoked.
const KEYS_KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// Days of counted looks and clicks: more than a year, so that one can be compared with the one before.
const PAGE_EVENT_DAYS_KEPT: i64 = 760;
/// Support requests and consultations that were dealt with, and answers to the survey; the privacy policy says so.
const REQUESTS_KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// The log of AI calls: longer than any report looks back.
const AI_REQUESTS_KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// Single looks of probes.
const PROBE_RESULTS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Their daily sums, and what the regions thought.
const PROBE_DAYS_KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// Single observations; their daily sums stay for good.
const SAMPLES_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Job {
    const fn name(self) -> &'static str {
        match self {
            Job::WriteCounts => "write_counts",
            Job::RecordSeries => "record_series",
            Job::RollUpSeries => "roll_up_series",
            Job::NoteKeyUse => "note_key_use",
            Job::ObserveHealth => "observe_health",
            Job::SampleHealth => "sample_health",
            Job::MeasureRegions => "measure_regions",
            Job::GoOnWithActs => "go_on_with_acts",
            Job::LookAtKeys => "look_at_keys",
            Job::TurnKeys => "turn_keys",
            Job::ShareRates => "share_rates",
            Job::ShareReputation => "share_reputation",
            Job::ForgetCallers => "forget_callers",
            Job::PruneCallers => "prune_callers",
            Job::PruneStore => "prune_store",
            Job::ArchiveRuns => "archive_runs",
            Job::PruneRuns => "prune_runs",
            Job::SealAudit => "seal_audit",
            Job::WitnessAudit => "witness_audit",
            Job::GuardFiles => "guard_files",
            Job::TellTampering => "tell_tampering",
            Job::CheckDrift => "check_drift",
            Job::RunJobs => "run_jobs",
            Job::WriteCountries => "write_countries",
            Job::RunProbes => "run_probes",
            Job::JudgeProbes => "judge_probes",
            Job::WatchAlerts => "watch_alerts",
            Job::DeliverNotifications => "deliver_notifications",
            Job::MatchAlerts => "match_alerts",
            Job::LookAfterIncidents => "look_after_incidents",
            Job::KeepStatus => "keep_status",
            Job::TellMaintenance => "tell_maintenance",
            Job::SealUptime => "seal_uptime",
        }
    }

    /// Its labels in stored series. None: it waits for an event within its round, or has more rounds than are worth a measurement.
    const fn measured(self) -> Option<[(&'static str, &'static str); 1]> {
        match self {
            Job::GuardFiles | Job::ShareRates | Job::TellTampering => None,
            _ => Some([("job", self.name())]),
        }
    }

    /// How long after the start its first round is. What looks at all pages lets those go first who wait for one.
    const fn first(self) -> Duration {
        match self {
            Job::CheckDrift => Duration::from_secs(5),
            // A node that just begins to listen has nothing to say for itself yet.
            Job::RunProbes => Duration::from_millis(500),
            // Others have said by then how they are.
            Job::WatchAlerts => Duration::from_secs(8),
            _ => Duration::ZERO,
        }
    }

    async fn run(self, app: &App) -> Result<(), levqor_store::Error> {
        match self {
            Job::WriteCounts => app.metrics.flush(&app.store, app.now()).await,
            Job::RecordSeries => metrics::record(app).await,
            Job::RollUpSeries => metrics::roll_up(app).await,
            Job::NoteKeyUse => note_key_use(app).await,
            Job::ObserveHealth => {
                health::service::observe(app).await;
                Ok(())
            }
            Job::SampleHealth => health::service::tell(app).await,
            Job::MeasureRegions => regions::look_around(app).await,
            Job::GoOnWithActs => regions::look_at_acts(app).await,
            Job::LookAtKeys => keyring::look(app).await,
            Job::TurnKeys => keyring::turn(app).await,
            Job::ShareRates => Rates::share(app).await,
            Job::ShareReputation => Reputation::share(app).await,
            Job::ForgetCallers => {
                app.rates.prune(app.now());
                app.reputation.prune(app.now());
                Ok(())
            }
            Job::PruneCallers => {
                Rates::prune_store(app).await?;
                Reputation::prune_store(app).await
            }
            Job::PruneStore => prune_store(app).await,
            Job::ArchiveRuns => app.store.archive_ended_runs().await.map(drop),
            Job::PruneRuns => runs::retention::sweep(app).await,
            Job::SealAudit => audit::seal(app).await,
            Job::WitnessAudit => audit::witness(app).await,
            Job::GuardFiles => tamper::guard(app).await,
            Job::TellTampering => tamper::tell(app).await,
            Job::CheckDrift => drift::look_at_itself(app).await,
            Job::RunJobs => jobs::run(app).await,
            Job::WriteCountries => jobs::demand::write(app).await,
            Job::RunProbes => probes::run(app).await,
            Job::JudgeProbes => probes::judge(app).await,
            Job::WatchAlerts => alerts::look(app).await,
            Job::DeliverNotifications => alerts::delivery::deliver(app).await,
            Job::MatchAlerts => incidents::match_alerts(app).await,
            Job::LookAfterIncidents => incidents::look_after(app).await,
            Job::KeepStatus => {
                status_page::keep(app).await;
                Ok(())
            }
            Job::TellMaintenance => status_page::tell_maintenance(app).await,
            Job::SealUptime => status_page::seal_uptime(app).await,
        }
    }
}

/// Starts the jobs; they end soon after `shutdown`, and `tracker` knows when.
pub(crate) fn background(app: &App, shutdown: &CancellationToken, tracker: &TaskTracker) {
    if let Some(reporter) = app.settings.error_reporter.clone() {
        let shutdown = shutdown.clone();
        tracker.spawn(async move { reporter.send(shutdown).await });
    }
    for (job, every) in JOBS {
        let (app, shutdown) = (app.clone(), shutdown.clone());
        app.metrics.job_added();
        tracker.spawn(async move {
            let _alive = app.metrics.job_alive();
            let mut ticks = tokio::time::interval_at(Instant::now() + job.first(), every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! { biased;
                    () = shutdown.cancelled() => break,
                    _ = ticks.tick() => {}
                }
                round(job, &app).await;
            }
        });
    }
}

async fn round(job: Job, app: &App) {
    let name = job.name();
    match may_run(job, app).await {
        Ok(true) => {}
        Ok(false) => return,
        Err(failure) => return warn!(job = name, "{name} will try again: {}", chain(&failure)),
    }
    let begun = Instant::now();
    let outcome = AssertUnwindSafe(job.run(app)).catch_unwind().await;
    if let Some(labels) = job.measured() {
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        app.observe("job_duration_us", &labels, micros);
        if !matches!(outcome, Ok(Ok(()))) {
            app.count_in("job_failures", &labels, 1);
        }
    }
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => warn!(job = name, "{name} failed and will try again: {}", chain(&failure)),
        Err(_) => error!(job = name, "{name} panicked and will try again"),
    }
}

/// What is done for all nodes is done by one of them.
async fn may_run(job: Job, app: &App) -> Result<bool, levqor_store::Error> {
    match job {
        // A node that is alone keeps all of it in memory.
        Job::PruneCallers if !app.store.is_shared() => Ok(false),
        Job::RollUpSeries
        | Job::TurnKeys
        | Job::PruneStore
        | Job::ArchiveRuns
        | Job::PruneRuns
        | Job::PruneCallers
        | Job::WatchAlerts
        | Job::MatchAlerts
        | Job::LookAfterIncidents
        | Job::TellMaintenance
        | Job::SealUptime
            if app.store.is_shared() =>
        {
            app.store.take_duty(job.name(), app.node, app.now()).await
        }
        _ => Ok(true),
    }
}

/// The last round of what would be lost.
pub(crate) async fn flush(app: &App) {
    round(Job::WriteCounts, app).await;
    round(Job::RecordSeries, app).await;
    round(Job::NoteKeyUse, app).await;
    round(Job::WriteCountries, app).await;
    round(Job::SealAudit, app).await;
    round(Job::WitnessAudit, app).await;
}

async fn note_key_use(app: &App) -> Result<(), levqor_store::Error> {
    let uses = app.callers.take_touched();
    if uses.is_empty() {
        return Ok(());
    }
    let result = app.store.touch_keys(uses.clone()).await;
    if result.is_err() {
        app.callers.give_back_touched(uses);
    }
    result
}

async fn prune_store(app: &App) -> Result<(), levqor_store::Error> {
    let now = app.now();
    app.store.prune_idempotency(now - limits::IDEMPOTENCY_TTL).await?;
    app.store.prune_secrets(now - SECRETS_KEPT).await?;
    app.store.prune_sign_in(now - SIGN_IN_KEPT).await?;
    app.store.prune_invitations(now - SIGN_IN_KEPT).await?;
    app.store.prune_states(now).await?;
    app.store.prune_buckets(now - BUCKETS_KEPT).await?;
    app.store.prune_events(now - limits::EVENTS_KEPT).await?;
    app.engine.prune_sink().await?;
    app.store.prune_state_calls(now - STATE_CALLS_KEPT).await?;
    app.store.prune_webhook_messages(now - limits::WEBHOOK_MESSAGES_KEPT).await?;
    app.store.prune_firings(now - FIRINGS_KEPT).await?;
    app.store.prune_acts(now - ACTS_KEPT).await?;
    app.store.prune_drift(now - DRIFT_KEPT).await?;
    app.store.prune_keyring(now - KEYS_KEPT).await?;
    app.store.prune_tamper(now - PLACES_KEPT).await?;
    app.store.prune_requests(now - REQUESTS_KEPT).await?;
    app.store.prune_ai_requests(now - AI_REQUESTS_KEPT).await?;
    app.store.prune_page_events(now.date().plus_days(-PAGE_EVENT_DAYS_KEPT)).await?;
    app.store.prune_series(app.settings.series_kept, now).await?;
    jobs::prune(app).await?;
    alerts::prune(app).await?;
    slo::prune(app).await?;
    app.store.prune_probes(now - PROBE_RESULTS_KEPT, now - PROBE_DAYS_KEPT).await?;
    app.store.prune_declarations(now - ACTS_KEPT).await?;
    app.store.prune_maintenance(now - ACTS_KEPT).await?;
    app.store.prune_subscriptions(now - status_page::UNCONFIRMED_KEPT).await?;
    app.store.prune_samples(now - SAMPLES_KEPT).await
}
