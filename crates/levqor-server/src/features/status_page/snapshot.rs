//! What is served: made once a second from what is known, kept in memory, the same for all who ask.
//!
//! ```text
//! store ──► known: what was read last, and when ─┐
//! own samples, never through the store ──────────┴─► assess(now) ─► Snapshot ─► bytes, made when the first one asks
//! ```
//!
//! A store that does not answer leaves what is known as it is: it grows old, and turns to unknown by itself. Whoever asks while the job
//! is late has the snapshot made anew from what is in memory.
//!
//! Invariant: nobody is served a verdict that was made more than [`STALE`] ago.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use levqor_model::{Date, Timestamp};
use levqor_store::{
    Error, Store,
    health::{BUCKET, Sample, SampleBucket},
    maintenance::Window,
};

use super::{
    early::Early,
    incidents::{self, Disturbance},
    measured::{self, MeasuredDay},
    rendered::Rendered,
    service::{DAYS, Evidence, FRESH, Report, State, assess},
    voices::LOOKS_BACK,
};
use crate::{App, features::regions};

/// How old a snapshot may be when it is served.
const STALE: Duration = Duration::from_secs(2);
/// How long the store may take for what is read each second.
const PATIENCE: Duration = Duration::from_millis(800);
/// How long it may take for the rest, and how often that is read.
const SLOW_PATIENCE: Duration = Duration::from_secs(5);
const SLOW_EVERY: Duration = Duration::from_secs(15);
/// What the charts show.
pub(super) const CHARTED: Duration = Duration::from_secs(24 * 60 * 60);
/// A day is signed so long after its end at the latest; until then its samples tell how much of it was measured.
const SIGNED_WITHIN: Duration = Duration::from_secs(3 * 60 * 60);
/// As many signed days as there are bars.
const SIGNED_MAX: usize = 90;
/// Incidents and maintenance that are over are shown for so long.
pub(super) const SHOWN: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// What was read last.
#[derive(Debug, Clone, Default)]
struct Known {
    evidence: Evidence,
    disturbances: Vec<Disturbance>,
    buckets: Vec<SampleBucket>,
    /// For how long parts were measured, by the signed days; and the last of those.
    signed: Vec<MeasuredDay>,
    signed_until: Option<Date>,
    totals: Option<Vec<(String, i64)>>,
    /// When all of what is read each second was read last.
    read_at: Option<Timestamp>,
    /// When the history was read last, and when that was tried last.
    slow_at: Option<Timestamp>,
    slow_tried_at: Option<Timestamp>,
    /// Why the last reading failed.
    trouble: Option<String>,
}

/// What is so at one moment, and how it is told.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) report: Report,
    /// Incidents, open ones first, and of those that are over the newest first.
    pub(super) disturbances: Vec<Disturbance>,
    /// Maintenance, by its end; cancelled windows are not in it.
    pub(super) windows: Vec<Window>,
    pub(super) buckets: Vec<SampleBucket>,
    pub(super) totals: Option<Vec<(String, i64)>>,
    /// When the evidence in the database was read; None: never.
    pub(super) read_at: Option<Timestamp>,
    /// Why it cannot be read now.
    pub(super) trouble: Option<String>,
    /// When something in it is too old to be told.
    turns_at: Option<Timestamp>,
    pub(super) rendered: Rendered,
}

impl Snapshot {
    /// How old the newest evidence is; None: there is none.
    pub(super) fn age(&self) -> Option<Duration> {
        self.report.newest.map(|newest| self.report.at.since(newest))
    }
}

/// What the feature keeps in memory.
#[derive(Debug, Default)]
struct Memory {
    known: Mutex<Arc<Known>>,
    snapshot: Mutex<Option<Arc<Snapshot>>>,
    /// The job has begun: it reads, and others only take.
    kept: AtomicBool,
    /// Held while somebody reads.
    reading: tokio::sync::Mutex<()>,
    /// Samples whose time has not come.
    early: Mutex<Early>,
}

fn memory(app: &App) -> Arc<Memory> {
    app.memory(|_| Memory::default())
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A round of the job. As soon as it has begun, nobody waits for the store: before the first answer of it, what nobody has seen here is
/// unknown.
pub(super) async fn keep(app: &App) {
    let memory = memory(app);
    memory.kept.store(true, Ordering::Release);
    read(app, &memory, memory.reading.lock().await).await;
}

/// What is so now. Where the job does not run, it is read for each who asks.
pub(super) async fn current(app: &App) -> Arc<Snapshot> {
    let memory = memory(app);
    if !memory.kept.load(Ordering::Acquire) {
        let turn = memory.reading.lock().await;
        // Meanwhile the job may have begun; else all who have waited would read one after the other.
        if !memory.kept.load(Ordering::Acquire) {
            return read(app, &memory, turn).await;
        }
    }
    let found = locked(&memory.snapshot).clone();
    match found {
        Some(found) if is_new_at(found.report.at, found.turns_at, app.now()) => found,
        _ => make(app, &memory),
    }
}

/// Whether what was made then may be served now. A clock that was set back makes nothing new.
pub(super) fn is_new_at(made_at: Timestamp, turns_at: Option<Timestamp>, now: Timestamp) -> bool {
    now.since(made_at) <= STALE && made_at <= now && turns_at.is_none_or(|turns| now < turns)
}

/// When the first part of which something is known is not known any more, if nobody says anything new.
pub(super) fn turns_at(report: &Report) -> Option<Timestamp> {
    let parts = report.regions.iter().flat_map(|region| &region.components);
    let known = parts.filter(|part| part.measured != State::Unknown);
    known.filter_map(|part| part.at).min().map(|at| at + FRESH)
}

/// Something was changed here: whoever asks next sees it.
pub(super) async fn changed(app: &App) {
    let memory = memory(app);
    read(app, &memory, memory.reading.lock().await).await;
}

/// Reads what the store has, as far as it answers, and makes a snapshot of it.
async fn read(app: &App, memory: &Memory, turn: tokio::sync::MutexGuard<'_, ()>) -> Arc<Snapshot> {
    let now = app.now();
    let before = locked(&memory.known).clone();
    let read = match tokio::time::timeout(PATIENCE, quick(app, &before, now)).await {
        Ok(Ok(known)) => Some(known),
        Ok(Err(error)) => {
            trouble(memory, &before, error.to_string());
            None
        }
        Err(_) => {
            trouble(memory, &before, format!("no answer within {} ms", PATIENCE.as_millis()));
            None
        }
    };
    if let Some(known) = read {
        let due = known.slow_tried_at.is_none_or(|at| now.since(at) >= SLOW_EVERY || at > now);
        // Without the job nobody reads it later.
        let wanted = due || !memory.kept.load(Ordering::Acquire);
        // A history that cannot be read holds up what is so now only as often as one that can.
        let slow_tried_at = if wanted { Some(now) } else { known.slow_tried_at };
        *locked(&memory.known) = Arc::new(Known { slow_tried_at, ..known });
        if wanted {
            // What is so now is told before the history is read.
            make(app, memory);
            match tokio::time::timeout(SLOW_PATIENCE, slow(app, memory, now)).await {
                Ok(Ok(known)) => *locked(&memory.known) = Arc::new(known),
                Ok(Err(error)) => tracing::warn!("the status page cannot read its history: {error}"),
                Err(_) => {
                    let seconds = SLOW_PATIENCE.as_secs();
                    tracing::warn!("the status page cannot read its history: no answer within {seconds} s");
                }
            }
        }
    }
    drop(turn);
    make(app, memory)
}

fn trouble(memory: &Memory, before: &Arc<Known>, why: String) {
    if before.trouble.is_none() {
        tracing::warn!("the status page cannot read its evidence: {why}");
    }
    *locked(&memory.known) = Arc::new(Known { trouble: Some(why), ..Known::clone(before) });
}

/// What is so now.
async fn quick(app: &App, before: &Known, now: Timestamp) -> Result<Known, Error> {
    let mut samples = app.store.recent_samples(now - LOOKS_BACK, now + FRESH).await?;
    samples.extend(app.store.latest_samples().await?);
    let evidence = Evidence {
        regions: app.regions.all().to_vec(),
        samples,
        declarations: app.store.declarations(now).await?,
        windows: app.store.maintenance(now - SHOWN).await?,
        days: before.evidence.days.clone(),
        measured: before.evidence.measured.clone(),
        first: before.evidence.first.clone(),
        now: before.evidence.now.clone(),
    };
    Ok(Known {
        evidence,
        disturbances: incidents::read(app, now - SHOWN, &before.disturbances).await?,
        buckets: before.buckets.clone(),
        signed: before.signed.clone(),
        signed_until: before.signed_until,
        totals: before.totals.clone(),
        read_at: Some(now),
        slow_at: before.slow_at,
        slow_tried_at: before.slow_tried_at,
        trouble: None,
    })
}

/// What changes slowly.
async fn slow(app: &App, memory: &Memory, now: Timestamp) -> Result<Known, Error> {
    let known = Known::clone(&locked(&memory.known).clone());
    let store = app.store.views();
    let days = store.sample_days(now.date().plus_days(1 - DAYS)).await?;
    let mut first = Vec::new();
    for region in app.regions.all() {
        if let Some(at) = store.first_sample_at(region.code.clone()).await? {
            first.push((region.code.to_string(), at));
        }
    }
    let from = now - (CHARTED + SIGNED_WITHIN);
    // What was complete when it was read has not changed since, but for what came late: one more is read again.
    let again =
        known.slow_at.filter(|_| !known.buckets.is_empty()).map_or(from, |at| (at - BUCKET * 2).max(from));
    let again = Timestamp::from_seconds(again.as_seconds().div_euclid(1_800) * 1_800);
    let mut buckets: Vec<SampleBucket> = known
        .buckets
        .iter()
        .filter(|bucket| bucket.at < again && bucket.at + BUCKET > from)
        .cloned()
        .collect();
    buckets.extend(store.sample_buckets(again).await?);
    buckets.sort_by(|left, right| {
        (&left.region, &left.component, left.at).cmp(&(&right.region, &right.component, right.at))
    });
    // A record does not change, so they are read again when there is another one.
    let signed_until = store.last_uptime_record().await?.map(|kept| kept.day);
    let signed =
        if signed_until == known.signed_until { known.signed.clone() } else { signed_days(&store).await? };
    let mut measured = measured::of_buckets(&buckets, from, signed_until);
    measured.extend(signed.iter().cloned());
    let there = regions::service::all(app).await?;
    let totals = store.totals().await?;
    Ok(Known {
        evidence: Evidence { days, measured, first, now: there, ..known.evidence },
        buckets,
        signed,
        signed_until,
        totals: Some(totals),
        slow_at: Some(now),
        ..known
    })
}

/// For how long parts were measured on the days that are signed. A record that does not hold proves nothing.
async fn signed_days(store: &Store) -> Result<Vec<MeasuredDay>, Error> {
    let kept = store.uptime_records(None, SIGNED_MAX).await?;
    let read = move || -> Vec<MeasuredDay> {
        let records = kept.iter().filter_map(|kept| kept.signed.verified(None).ok());
        records.flat_map(|record| measured::of_record(&record)).collect()
    };
    tokio::task::spawn_blocking(read).await.map_err(|error| Error::Unavailable(error.to_string()))
}

/// Judges what is known, now.
fn make(app: &App, memory: &Memory) -> Arc<Snapshot> {
    let now = app.now();
    let known = locked(&memory.known).clone();
    let mut evidence = known.evidence.clone();
    evidence.regions = app.regions.all().to_vec();
    // Seen here, whatever became of it on its way to the store.
    let own: Vec<Sample> = app.health.recent();
    evidence.samples.extend(own.into_iter().filter(|sample| now.since(sample.at) <= FRESH + LOOKS_BACK));
    evidence.samples.retain(|sample| sample.at <= now + FRESH);
    locked(&memory.early).settle(&mut evidence.samples, now);
    let report = assess(&evidence, now);
    let windows = evidence.windows.into_iter().filter(|window| window.cancelled_at.is_none()).collect();
    let snapshot = Arc::new(Snapshot {
        turns_at: turns_at(&report),
        report,
        disturbances: known.disturbances.clone(),
        windows,
        buckets: known.buckets.clone(),
        totals: known.totals.clone(),
        read_at: known.read_at,
        trouble: known.trouble.clone(),
        rendered: Rendered::default(),
    });
    *locked(&memory.snapshot) = Some(Arc::clone(&snapshot));
    snapshot
}
