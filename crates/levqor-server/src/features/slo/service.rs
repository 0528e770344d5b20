//! Judging all objectives, and what is kept of it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use levqor_model::{Condition, SeriesQuery, Severity, Timestamp, Verdict, step_start};
use levqor_slo::{Indicator, Judgement, Objective, Policy, Source, alert::Patience, judge, judge_policy};
use levqor_store::{
    Error,
    slo::{HISTORY_STEP, SloMoment, SloState},
};
use serde_json::json;

use super::{
    reading::Reading,
    report::{PolicyReport, Report, Standing, measured_by, tier},
};
use crate::{App, features::alerts::Said, problem::chain};

/// A judgement that is older than this is none.
pub(super) const FRESH: Duration = Duration::from_secs(60);
/// How often what was judged is written, when nothing changes.
const WRITE_EVERY: Duration = Duration::from_secs(5);
/// A series that every node has all the time: while it moves, measurements arrive.
const PULSE: &str = "store_queue_depth";
/// Nodes tell what ten seconds have seen when those are over; a few may be late.
const PULSE_FRESH: Duration = Duration::from_secs(60);
/// How long the history of budgets is kept.
const HISTORY_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// What the judging node keeps in memory.
#[derive(Debug, Default)]
struct Memory {
    readings: tokio::sync::Mutex<Readings>,
}

#[derive(Debug, Default)]
struct Readings {
    by_name: HashMap<String, Reading>,
    written_at: Option<Timestamp>,
    /// As it was written last.
    written: HashMap<String, Standing>,
}

fn memory(app: &App) -> Arc<Memory> {
    app.memory(|_| Memory::default())
}

/// Judges all objectives, keeps how they stand, and says what alerts are made of.
///
/// # Errors
/// When the store cannot be written. What cannot be read is unknown.
pub(crate) async fn judge_all(app: &App) -> Result<Vec<Said>, Error> {
    let memory = memory(app);
    let mut readings = memory.readings.lock().await;
    let now = app.now();
    let pulse = has_pulse(app, now).await;
    let (mut said, mut reports) = (Vec::new(), Vec::new());
    for objective in &app.settings.slos.objectives {
        let reading = readings.by_name.entry(objective.name.clone()).or_default();
        let read = reading.refresh(&app.store, objective, now).await;
        if let Err(error) = &read {
            tracing::warn!(
                slo = objective.name,
                "objective {} cannot be measured: {}",
                objective.name,
                chain(error)
            );
        }
        let fresh = read.is_ok() && (pulse || is_evidence(objective));
        let judged = judge(objective, &reading.ledger, now, fresh);
        let policies: Vec<_> = objective
            .policies
            .iter()
            .map(|policy| (policy, judge_policy(objective, policy, &reading.ledger, now, fresh)))
            .collect();
        said.extend(conditions(objective, &judged));
        said.extend(
            policies
                .iter()
                .map(|(policy, (verdict, window))| of_policy(objective, policy, *verdict, window.burn_milli)),
        );
        let policies = policies.into_iter().map(|(policy, (verdict, window))| PolicyReport {
            name: policy.name.clone(),
            severity: policy.severity.to_string(),
            verdict: word(verdict).to_owned(),
            threshold: policy.burn_milli as f64 / 1_000.0,
            window: window.into(),
        });
        reports.push(report(objective, &judged, policies.collect(), now));
    }
    keep(app, &mut readings, reports, now).await?;
    Ok(said)
}

/// Whether measurements arrive at all.
async fn has_pulse(app: &App, now: Timestamp) -> bool {
    let query = SeriesQuery {
        name: PULSE.to_owned(),
        labels: Vec::new(),
        from: now - PULSE_FRESH,
        to: now,
        step: Duration::from_secs(10),
    };
    match app.store.series(query).await {
        Ok(series) => series.iter().any(|series| !series.points.is_empty()),
        Err(error) => {
            tracing::warn!("measurements cannot be read: {}", chain(&error));
            false
        }
    }
}

fn is_evidence(objective: &Objective) -> bool {
    part_of(objective).0.is_some()
}

/// The component and the region whose observations an objective counts: alerts about it are about the same.
fn part_of(objective: &Objective) -> (Option<&str>, Option<&str>) {
    let source = match &objective.indicator {
        Indicator::Ratio { total, .. } => total,
        Indicator::Threshold { source, .. } => source,
    };
    match source {
        Source::Evidence { component, region, .. } => (Some(component.as_str()), region.as_deref()),
        Source::Series { .. } => (None, None),
    }
}

async fn keep(app: &App, readings: &mut Readings, reports: Vec<Report>, now: Timestamp) -> Result<(), Error> {
    let due = readings.written_at.is_none_or(|at| now.since(at).max(at.since(now)) >= WRITE_EVERY);
    let changed = reports.iter().any(|report| readings.written.get(&report.name) != Some(&report.status));
    if !due && !changed {
        return Ok(());
    }
    let begun = step_start(now, HISTORY_STEP);
    let moments = reports.iter().map(|report| {
        let hour = report.windows.iter().find(|window| window.seconds == 3_600);
        let known = report.status != Standing::Unknown;
        let ppm = |percent: f64| (percent * 10_000.0).round() as i64;
        SloMoment {
            slo: report.name.clone(),
            at: begun,
            good: report.budget.total - report.budget.bad,
            total: report.budget.total,
            left_ppm: report.budget.left_percent.filter(|_| known).map(ppm),
            burn_milli: hour
                .and_then(|hour| hour.burn)
                .filter(|_| known)
                .map(|burn| (burn * 1_000.0).round() as u64),
        }
    });
    let moments = moments.collect();
    let states = reports.iter().map(|report| SloState {
        slo: report.name.clone(),
        at: report.at,
        report: serde_json::to_string(report).unwrap_or_default(),
    });
    app.store.keep_slos(states.collect(), moments).await?;
    readings.written_at = Some(now);
    readings.written = reports.into_iter().map(|report| (report.name, report.status)).collect();
    Ok(())
}

fn report(objective: &Objective, judged: &Judgement, policies: Vec<PolicyReport>, now: Timestamp) -> Report {
    let left = judged.budget.left_ppm;
    let policy_fails =
        policies.iter().any(|policy| policy.verdict == word(Verdict::Fails) && policy.severity != "minor");
    let calls = if objective.policies.is_empty() { judged.trouble.is_some() } else { policy_fails };
    let status = match judged.verdict {
        Verdict::Unknown => Standing::Unknown,
        _ if calls => Standing::Burning,
        _ if left.is_some_and(|left| left <= 0) => Standing::Exhausted,
        _ if judged.slow.is_some() => Standing::Slow,
        _ if judged.quiet => Standing::Quiet,
        _ => Standing::Met,
    };
    Report {
        name: objective.name.clone(),
        title: objective.title.clone(),
        description: objective.description.clone(),
        service: objective.service.clone(),
        file: objective.file.clone(),
        measured_by: measured_by(objective),
        target_percent: f64::from(objective.target_ppm) / 10_000.0,
        window_seconds: objective.window.as_secs(),
        status,
        unknown: judged.unknown.clone(),
        budget: judged.budget.into(),
        windows: judged.windows.iter().copied().map(Into::into).collect(),
        trouble: judged.trouble.map(Into::into),
        slow: judged.slow.map(Into::into),
        policies,
        at: now,
    }
}

/// What the built-in rules say of an objective.
fn conditions(objective: &Objective, judged: &Judgement) -> Vec<Said> {
    let says = |fails: bool| match (judged.verdict, fails) {
        (Verdict::Unknown, _) => Verdict::Unknown,
        (_, true) => Verdict::Fails,
        (_, false) => Verdict::Holds,
    };
    let target = f64::from(objective.target_ppm) / 10_000.0;
    let budget = judged.budget;
    let (component, region) = part_of(objective);
    let details = json!({
        "slo": objective.name, "target_percent": target, "windows": judged.windows, "budget": budget,
        "trouble": judged.trouble, "slow": judged.slow, "unknown": judged.unknown, "component": component, "region": region,
    });
    let condition = |rule: &str, fails: bool, severity, summary: String| Condition {
        rule: rule.to_owned(),
        subject: objective.name.clone(),
        verdict: says(fails),
        severity,
        summary,
        details: details.clone(),
    };
    let title = &objective.title;
    let told = |trouble: &levqor_slo::Trouble| {
        let bad = trouble.long.total - trouble.long.good;
        format!(
            "{title}: {bad} of {} events in {} s were bad, {:.1} times as many as {target} % allow ({})",
            trouble.long.total,
            trouble.long.seconds,
            trouble.long.burn_milli.unwrap_or_default() as f64 / 1_000.0,
            tier(trouble.tier)
        )
    };
    let well = || match &judged.unknown {
        Some(why) => format!("{title}: nothing is known: {why}"),
        None => format!("{title}: the budget of {target} % is not spent too fast"),
    };
    let mut said = Vec::new();
    if objective.policies.is_empty() {
        let trouble = judged.trouble.as_ref();
        let severity = trouble.map_or(Severity::Critical, |trouble| trouble.severity);
        let summary = trouble.map_or_else(well, told);
        said.push(
            Said::of(condition("slo.burn", trouble.is_some(), severity, summary)).patient(Patience::BURN),
        );
        let slow = judged.slow.as_ref();
        let summary = slow.map_or_else(well, told);
        let slow = condition("slo.slow_burn", slow.is_some(), Severity::Minor, summary);
        said.push(Said::of(slow).patient(Patience::BURN).quiet_when_unknown());
    }
    let spent = budget.left_ppm.is_some_and(|left| left <= 0)
        && budget.total >= objective.minimum_events
        && budget.total - budget.good >= levqor_slo::MINIMUM_BAD;
    let summary = if spent {
        let days = objective.window.as_secs() / 86_400;
        format!(
            "{title}: the budget of the last {days} days is spent: {} of {} events were bad, {} may be",
            budget.total - budget.good,
            budget.total,
            budget.allowed
        )
    } else {
        well()
    };
    said.push(Said::of(condition("slo.budget", spent, Severity::Major, summary)).quiet_when_unknown());
    said
}

/// What a policy of the document says.
fn of_policy(objective: &Objective, policy: &Policy, verdict: Verdict, burn_milli: Option<u64>) -> Said {
    let (burn, most) = (burn_milli.unwrap_or_default() as f64 / 1_000.0, policy.burn_milli as f64 / 1_000.0);
    let title = &objective.title;
    let (component, region) = part_of(objective);
    let summary = match verdict {
        Verdict::Unknown => format!("{title}: nothing is known"),
        Verdict::Fails => format!(
            "{title}: in the last {} s the budget was spent {burn:.1} times as fast as allowed; {} says at most {most:.1}",
            policy.window.as_secs(),
            policy.name
        ),
        Verdict::Holds => format!("{title}: {} holds", policy.name),
    };
    let condition = Condition {
        rule: "slo.policy".to_owned(),
        subject: format!("{}/{}", objective.name, policy.name),
        verdict: if policy.when_breaching || verdict != Verdict::Fails { verdict } else { Verdict::Holds },
        severity: policy.severity,
        summary,
        details: json!({
            "slo": objective.name, "policy": policy, "burn_milli": burn_milli, "component": component, "region": region,
        }),
    };
    let patience = Patience { fire_after: policy.after, ..Patience::BURN };
    let said = Said::of(condition).patient(patience).routed(policy.targets.clone());
    let said = if policy.when_resolved { said } else { said.silent_when_over() };
    if policy.when_no_data { said } else { said.quiet_when_unknown() }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Fails => "fails",
        Verdict::Unknown => "unknown",
    }
}

/// How it stands with all objectives of this configuration, by name. One that nobody has judged is unknown.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn reports(app: &App) -> Result<Vec<Report>, Error> {
    let now = app.now();
    let kept = app.store.views().slo_states().await?;
    let found = app.settings.slos.objectives.iter().map(|objective| {
        let state = kept.iter().find(|state| state.slo == objective.name);
        // What a node of another version has written in another form is not known.
        let report = state.and_then(|state| serde_json::from_str::<Report>(&state.report).ok());
        report.map_or_else(|| nobody(objective, now), |report| report.seen_at(now, FRESH))
    });
    Ok(found.collect())
}

fn nobody(objective: &Objective, now: Timestamp) -> Report {
    let ledger = levqor_slo::Ledger::default();
    let judged = judge(objective, &ledger, now, false);
    let unknown = Some("nobody has judged it yet".to_owned());
    Report { unknown, ..report(objective, &judged, Vec::new(), now) }
}

/// How a budget went. None: there is no such objective.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn history(
    app: &App,
    name: &str,
    (from, to): (Timestamp, Timestamp),
    step: Duration,
    limit: usize,
) -> Result<Option<Vec<SloMoment>>, Error> {
    if !app.settings.slos.objectives.iter().any(|objective| objective.name == name) {
        return Ok(None);
    }
    Ok(Some(app.store.views().slo_history(name.to_owned(), from, to, step, limit).await?))
}

/// Forgets what is old.
pub(crate) async fn prune(app: &App) -> Result<(), Error> {
    app.store.prune_slos(app.now() - HISTORY_KEPT).await
}
