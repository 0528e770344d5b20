//! Looking, and keeping what was found.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use levqor_drift::{Acknowledgement, Agreed, Circumstances, Finding, LockName, Report, Site};
use levqor_model::{RegionCode, Severity, Timestamp};
use levqor_store::{
    Error,
    drift::{DriftAcknowledgement, DriftChange, DriftResult, SeenLock},
    nodes::Node,
};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::own::Own;
use crate::{App, gateway::Actor};

/// How often a node looks at itself.
pub(crate) const EVERY: Duration = Duration::from_secs(60 * 60);
/// A result that is older than this is no evidence of anything.
pub(super) const FRESH: Duration = Duration::from_secs(2 * 60 * 60);
/// A node that began this lately need not have looked yet.
const FIRST_LOOK: Duration = Duration::from_secs(120);
/// Longest time for which a deviation may not count.
pub(super) const ACKNOWLEDGED_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Deviations that one record of the evidence log names.
const NOTED_MAX: usize = 20;

/// What the feature keeps in memory.
#[derive(Debug, Default)]
struct Memory {
    /// Held while this node looks.
    looking: tokio::sync::Mutex<()>,
    last: Mutex<Option<Arc<Report>>>,
}

fn memory(app: &App) -> Arc<Memory> {
    app.memory(|_| Memory::default())
}

/// What this process found last.
pub(crate) fn last(app: &App) -> Option<Arc<Report>> {
    memory(app).last.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The job.
///
/// # Errors
/// When the store cannot be read or written.
pub(crate) async fn look_at_itself(app: &App) -> Result<(), Error> {
    match look(app).await {
        Err(Refusal::Store(error)) => Err(error),
        // Somebody looks already, or the node stops.
        Ok(_) | Err(Refusal::Busy | Refusal::Stopping) => Ok(()),
    }
}

/// Why there was no look.
#[derive(Debug)]
pub(super) enum Refusal {
    Busy,
    Stopping,
    Store(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// Looks at this node, and keeps what was found.
///
/// # Errors
/// [`Refusal`].
pub(super) async fn look(app: &App) -> Result<Arc<Report>, Refusal> {
    let memory = memory(app);
    let Ok(_turn) = memory.looking.try_lock() else { return Err(Refusal::Busy) };
    let now = app.now();
    let acknowledgements = acknowledgements(app).await?;
    let before = app.store.last_drift(app.node, app.region.code.clone()).await?;
    let (before, lock_before) = match before.as_ref().and_then(report_of) {
        Some(report) => (report.findings, report.lock),
        None => (Vec::new(), None),
    };
    let looked = {
        let (app, before) = (app.clone(), before.clone());
        // Files, and all pages one after the other: nothing for a thread that answers requests.
        tokio::task::spawn_blocking(move || {
            Handle::current().block_on(looked(&app, now, &acknowledgements, &before))
        })
        .await
    };
    let (agreed, report) = match looked {
        Ok(Some(looked)) => looked,
        Ok(None) => return Err(Refusal::Stopping),
        Err(error) => return Err(Refusal::Store(Error::Unavailable(error.to_string()))),
    };
    see_lock(app, &agreed, lock_before.as_ref(), now).await?;
    let change = change(&before, &report.findings);
    tell(&report, &change);
    let result = DriftResult {
        node: app.node,
        region: app.region.code.clone(),
        at: now,
        pass: report.pass,
        report: serde_json::to_string(&report).unwrap_or_default(),
    };
    app.store.record_drift(result, change).await?;
    let report = Arc::new(report);
    *memory.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&report));
    Ok(report)
}

/// None: the node stops.
async fn looked(
    app: &App,
    now: Timestamp,
    acknowledgements: &[Acknowledgement],
    before: &[Finding],
) -> Option<(Agreed, Report)> {
    let agreed = app.settings.blueprint.read();
    let stripe =
        app.settings.stripe.as_ref().map(|access| Site::new(&access.address, Some(access.key.clone())));
    // An address that is none was refused with the configuration.
    let stripe = stripe.and_then(Result::ok);
    let own = Own::new(app);
    let given = Circumstances {
        agreed: &agreed,
        stripe: stripe.as_ref(),
        now,
        looked_at: format!("{} in {}", app.node, app.region.code),
        acknowledgements,
        before,
    };
    let report = tokio::select! { biased;
        () = app.stopping.cancelled() => return None,
        report = levqor_drift::check(&own, given) => report,
    };
    Some((agreed, report))
}

/// A lock that was not seen before is an agreement, and is noted. So is one that comes back: it agrees with a blueprint that came back
/// with it, and nothing else would tell.
async fn see_lock(
    app: &App,
    agreed: &Agreed,
    before: Option<&LockName>,
    now: Timestamp,
) -> Result<(), Error> {
    let Ok(Some(lock)) = &agreed.lock else { return Ok(()) };
    let seen = SeenLock {
        digest: lock.digest(),
        version: lock.version,
        locked_at: lock.at,
        locked_by: lock.by.clone(),
        reason: lock.reason.clone(),
    };
    if !app.store.has_seen_lock(seen.digest.clone()).await? {
        return app.store.see_lock(seen, now).await.map(drop);
    }
    let Some(before) = before.filter(|before| before.digest != seen.digest) else { return Ok(()) };
    tracing::warn!(
        "the lock of the blueprint is version {} again, where version {} was: what was agreed then holds now",
        seen.version,
        before.version
    );
    app.store.see_lock_again(seen, before.digest.clone(), app.region.code.clone(), now).await
}

/// What is new, and what is not there any more.
fn change(before: &[Finding], now: &[Finding]) -> DriftChange {
    let without = |some: &[Finding], others: &[Finding]| {
        let alone: Vec<_> = some
            .iter()
            .filter(|finding| !others.iter().any(|other| other.deviation == finding.deviation))
            .map(|finding| json!(finding.deviation))
            .collect();
        (!alone.is_empty()).then(|| noted(alone))
    };
    DriftChange { found: without(now, before), ended: without(before, now) }
}

fn noted(mut deviations: Vec<Value>) -> Value {
    let total = deviations.len();
    deviations.truncate(NOTED_MAX);
    json!({ "total": total, "deviations": deviations })
}

fn tell(report: &Report, change: &DriftChange) {
    if report.pass {
        if change.ended.is_some() {
            tracing::info!("everything is served as agreed again");
        }
        return;
    }
    let counting = report.findings.iter().filter(|finding| finding.acknowledged.is_none());
    for finding in counting.take(NOTED_MAX) {
        match finding.deviation.severity {
            Severity::Critical => tracing::error!("not as agreed: {}", finding.deviation),
            Severity::Major | Severity::Minor => tracing::warn!("not as agreed: {}", finding.deviation),
        }
    }
    tracing::warn!("{}", report.verdict());
}

/// What does not count now.
pub(super) async fn acknowledgements(app: &App) -> Result<Vec<Acknowledgement>, Error> {
    let kept = app.store.drift_acknowledgements(app.now()).await?;
    let of = |kept: DriftAcknowledgement| {
        let DriftAcknowledgement { place, expected, found, reason, actor, at, ends_at } = kept;
        Acknowledgement { place, expected, found, reason, by: actor, at, until: ends_at }
    };
    Ok(kept.into_iter().map(of).collect())
}

/// Takes note of a deviation as it was found.
///
/// # Errors
/// When the store cannot be written.
pub(super) async fn acknowledge(
    app: &App,
    actor: &Actor,
    about: (String, Option<String>, Option<String>),
    reason: String,
    until: Timestamp,
) -> Result<Acknowledgement, Error> {
    let (place, expected, found) = about;
    let (at, by) = (app.now(), actor.by.words());
    let kept = DriftAcknowledgement {
        place: place.clone(),
        expected: expected.clone(),
        found: found.clone(),
        reason: reason.clone(),
        actor: by.clone(),
        at,
        ends_at: until,
    };
    app.store.acknowledge_drift(kept).await?;
    Ok(Acknowledgement { place, expected, found, reason, by, at, until })
}

/// The last results of all nodes, newest first.
pub(super) async fn results(app: &App) -> Result<Vec<DriftResult>, Error> {
    app.store.views().drift_results().await
}

/// How a node found itself when it looked last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) region: RegionCode,
    pub(crate) at: Timestamp,
    pub(crate) pass: bool,
    /// It says something of now.
    pub(crate) fresh: bool,
    /// The number and the digest of the lock that it was held against; None: no lock, or another version has written it.
    pub(crate) lock: Option<(u32, String)>,
    pub(crate) findings: u64,
}

/// All nodes, as they found themselves last.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn standings(app: &App) -> Result<Vec<Standing>, Error> {
    let now = app.now();
    let standing = |result: DriftResult| {
        let report = report_of(&result);
        Standing {
            at: result.at,
            pass: result.pass,
            fresh: now.since(result.at) <= FRESH,
            findings: report.as_ref().map_or(0, |report| report.findings_total),
            lock: report.and_then(|report| report.lock).map(|lock| (lock.version, lock.digest)),
            region: result.region,
        }
    };
    Ok(results(app).await?.into_iter().map(standing).collect())
}

/// None: it was written by another version.
pub(super) fn report_of(result: &DriftResult) -> Option<Report> {
    serde_json::from_str(&result.report).ok()
}

/// Whether it says something of now.
pub(super) fn is_fresh(result: &DriftResult, now: Timestamp) -> bool {
    now.since(result.at) <= FRESH
}

/// What all results say together. Old ones say nothing.
pub(super) fn status(results: &[DriftResult], now: Timestamp) -> &'static str {
    let mut fresh = results.iter().filter(|result| is_fresh(result, now)).peekable();
    if fresh.peek().is_none() {
        "unknown"
    } else if fresh.all(|result| result.pass) {
        "pass"
    } else {
        "fail"
    }
}

/// [`status`], but that a node which lives and has not looked lately may serve anything.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn overall(app: &App, results: &[DriftResult]) -> Result<&'static str, Error> {
    let status = status(results, app.now());
    if status != "pass" {
        return Ok(status);
    }
    Ok(if silent(app, results).await?.is_empty() { status } else { "unknown" })
}

/// Nodes that live, and have not looked lately though they had the time.
async fn silent(app: &App, results: &[DriftResult]) -> Result<Vec<Node>, Error> {
    let now = app.now();
    let has_looked =
        |node: &Node| results.iter().any(|result| result.node == node.id && is_fresh(result, now));
    let mut live = app.store.nodes(Some(now)).await?;
    live.retain(|node| now.since(node.started_at) > FIRST_LOOK && !has_looked(node));
    Ok(live)
}

/// The regions of nodes that live and have not looked lately; each of these nodes may serve anything.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn silent_regions(app: &App) -> Result<Vec<RegionCode>, Error> {
    let silent = silent(app, &results(app).await?).await?;
    // Once each, in order.
    let regions: BTreeSet<RegionCode> = silent.into_iter().map(|node| node.region).collect();
    Ok(regions.into_iter().collect())
}
