//! What reports say of the platform's last days: each fact as it is stored, or that it is not known.

use levqor_model::{Date, Severity, Timestamp};
use levqor_store::jobs::FiringState;
use serde_json::{Value, json};

use super::{
    Context, DAY, Failure,
    parts::{self, Budget},
    series::{self, Span, is_error},
};
use crate::{
    features::{drift, tamper},
    pages::{count, percent_down, plural},
};

/// Things that are listed of each kind.
const LISTED_MAX: usize = 50;
/// Incidents that are counted.
const INCIDENTS_MAX: usize = 1_000;
/// Firings of jobs that are looked at: those of a day, and some.
const FIRINGS_MAX: usize = 2_000;

/// A fact: one line for people, and what it is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) line: String,
    pub(super) data: Value,
}

fn fact(name: &'static str, line: impl Into<String>, data: Value) -> Fact {
    Fact { name, line: line.into(), data }
}

/// All facts as one object.
pub(super) fn object(facts: &[Fact]) -> Value {
    facts
        .iter()
        .map(|fact| (fact.name.to_owned(), fact.data.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Observations of components on days, both included: which were good.
pub(super) async fn uptime(context: &Context, from: Date, until: Date) -> Result<Fact, Failure> {
    let mut parts = std::collections::BTreeMap::<String, (i64, i64)>::new();
    for day in context.store().sample_days(from).await?.into_iter().filter(|day| day.day <= until) {
        let part = parts.entry(format!("{}/{}", day.region, day.component)).or_default();
        *part = (part.0 + day.good, part.1 + day.total);
    }
    let (good, total) = parts.values().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    let data: Vec<Value> = parts
        .iter()
        .map(|(part, (good, total))| {
            json!({ "part": part, "good": good, "observations": total, "good_share": percent_down(*good, *total) })
        })
        .collect();
    let line = match percent_down(good, total) {
        None => "Uptime: unknown, nothing was observed".to_owned(),
        Some(share) => {
            let worst =
                parts.iter().filter(|(_, (good, total))| good < total).map(|(part, (good, total))| {
                    format!("{part} {}", percent_down(*good, *total).unwrap_or_default())
                });
            let worst: Vec<String> = worst.take(5).collect();
            let worst =
                if worst.is_empty() { String::new() } else { format!("; not all: {}", worst.join(", ")) };
            format!("Uptime: {share} of {} were good{worst}", plural(total, "observation", "observations"))
        }
    };
    Ok(fact("uptime", line, json!(data)))
}

/// Requests of a span of time, and those that failed.
pub(super) async fn requests(context: &Context, from: Timestamp, to: Timestamp) -> Result<Fact, Failure> {
    let found = series::read(context, "http_requests", Span { from, to, step: DAY / 24 }).await?;
    if found.is_empty() {
        return Ok(fact("requests", "Requests: unknown, none were counted in that time", Value::Null));
    }
    let (all, errors) = (series::whole(found.sum(|_| true)), series::whole(found.sum(is_error)));
    let line = format!(
        "Requests: {}, {} failed by the server's fault ({})",
        count(all),
        count(errors),
        percent_down(errors, all).unwrap_or_else(|| "no share".to_owned())
    );
    Ok(fact("requests", line, json!({ "requests": all, "errors": errors })))
}

/// Runs that were started on days, and how all that are kept stand now.
pub(super) async fn runs(context: &Context, from: Date, until: Date) -> Result<Fact, Failure> {
    let started = context.store().usage(None, from, until).await?.runs;
    let now = context.store().run_counts(None).await?;
    let line = format!(
        "Runs: {} started; of those that are kept, {} completed, {} faulted, {} wait, {} run",
        count(started),
        count(now.completed),
        count(now.faulted),
        count(now.waiting),
        count(now.running)
    );
    let data = json!({
        "started": started, "completed": now.completed, "faulted": now.faulted, "cancelled": now.cancelled,
        "waiting": now.waiting, "running": now.running, "pending": now.pending, "suspended": now.suspended,
    });
    Ok(fact("runs", line, data))
}

/// Incidents that were open at a moment or began later.
pub(super) async fn incidents(context: &Context, from: Timestamp) -> Result<Fact, Failure> {
    let found = context.app.store.incidents_since(from, INCIDENTS_MAX).await?;
    let open = found.iter().filter(|one| one.resolved_at.is_none()).count();
    let data: Vec<Value> = found
        .iter()
        .take(LISTED_MAX)
        .map(|one| {
            json!({
                "id": one.id.to_string(), "title": one.title, "level": one.level.as_str(),
                "state": one.state.as_str(), "opened_at": one.opened_at, "resolved_at": one.resolved_at,
            })
        })
        .collect();
    let least = if found.len() == INCIDENTS_MAX { "at least " } else { "" };
    let mut line = format!("Incidents: {least}{}, {} open", length(found.len()), length(open));
    for one in found.iter().take(5) {
        line.push_str(&format!("; {} {} ({})", one.level.as_str(), one.title, one.state.as_str()));
    }
    Ok(fact("incidents", line, json!(data)))
}

/// Alerts that are open now.
pub(super) async fn alerts(context: &Context) -> Result<Fact, Failure> {
    let open = context.app.store.open_alerts().await?;
    let firing: Vec<_> = open.iter().filter(|alert| alert.firing_at.is_some()).collect();
    let mut line = format!("Alerts: {} firing", length(firing.len()));
    for severity in Severity::ALL {
        let count = firing.iter().filter(|alert| alert.severity == *severity).count();
        if count > 0 {
            line.push_str(&format!(", {} {severity}", length(count)));
        }
    }
    let data: Vec<Value> = firing
        .iter()
        .take(LISTED_MAX)
        .map(|alert| {
            json!({
                "rule": alert.rule, "subject": alert.subject, "severity": alert.severity.as_str(),
                "summary": alert.summary, "firing_at": alert.firing_at,
            })
        })
        .collect();
    Ok(fact("alerts", line, json!({ "firing": firing.len(), "alerts": data })))
}

/// Firings of jobs that ended since a moment.
pub(super) async fn jobs(context: &Context, from: Timestamp) -> Result<Fact, Failure> {
    let ended = context.app.store.firings_ended_since(from, FIRINGS_MAX).await?;
    let done = ended.iter().filter(|firing| firing.state == FiringState::Done).count();
    let failed: Vec<_> = ended.iter().filter(|firing| firing.state.is_failure()).collect();
    let data: Vec<Value> = failed
        .iter()
        .take(LISTED_MAX)
        .map(|firing| json!({ "job": firing.job, "due_at": firing.due_at, "problem": firing.problem }))
        .collect();
    let mut line = format!("Jobs: {} done, {} failed", length(done), length(failed.len()));
    let mut names: Vec<&str> = failed.iter().map(|firing| firing.job.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if !names.is_empty() {
        line.push_str(&format!(": {}", names.join(", ")));
    }
    Ok(fact("jobs", line, json!({ "done": done, "failed": failed.len(), "failures": data })))
}

/// What is left of error budgets.
pub(super) async fn budgets(context: &Context) -> Result<Fact, Failure> {
    let budgets = parts::budgets(context).await?;
    if budgets.is_empty() {
        return Ok(fact("budgets", "Budgets: unknown, no objective was evaluated", Value::Null));
    }
    let left = |budget: &Budget| match budget.left_ppm {
        Some(left) => format!("{} {:.1} %", budget.objective, super::number(left) / 10_000.0),
        None => format!("{} unknown", budget.objective),
    };
    let words: Vec<String> = budgets.iter().take(10).map(left).collect();
    let data: Vec<Value> = budgets
        .iter()
        .map(|one| {
            json!({
                "objective": one.objective, "at": one.at, "left_ppm": one.left_ppm, "burn_milli": one.burn_milli,
            })
        })
        .collect();
    Ok(fact("budgets", format!("Budgets left: {}", words.join(", ")), json!(data)))
}

/// Whether what is served is what was agreed.
pub(super) async fn drift(context: &Context) -> Result<Fact, Failure> {
    let all = drift::standings(&context.app).await?;
    let fresh: Vec<_> = all.iter().filter(|one| one.fresh).collect();
    let (verdict, findings) = (
        if fresh.is_empty() {
            "unknown"
        } else if fresh.iter().all(|one| one.pass) {
            "pass"
        } else {
            "fail"
        },
        fresh.iter().map(|one| one.findings).sum::<u64>(),
    );
    let line = match verdict {
        "unknown" => "Drift: unknown, no node has looked in the last two hours".to_owned(),
        "pass" => format!("Drift: as agreed, by {}", plural(length_of(fresh.len()), "node", "nodes")),
        _ => format!("Drift: not as agreed, {}", plural(findings.cast_signed(), "deviation", "deviations")),
    };
    let data = json!({ "verdict": verdict, "nodes": fresh.len(), "deviations": findings });
    Ok(fact("drift", line, data))
}

/// Whether the server's own files are as agreed.
pub(super) async fn tampering(context: &Context) -> Result<Fact, Failure> {
    let (verdict, places) = tamper::standings(&context.app).await?;
    let findings: u64 = places.iter().map(|place| place.findings).sum();
    let line = match verdict {
        "unknown" if places.is_empty() => "Files: unknown, no node guards its files".to_owned(),
        "untouched" => {
            format!("Files: untouched on {}", plural(length_of(places.len()), "machine", "machines"))
        }
        "unknown" => "Files: unknown, a node has said nothing lately".to_owned(),
        _ => format!("Files: changed, {}", plural(findings.cast_signed(), "finding", "findings")),
    };
    let data: Vec<Value> = places
        .iter()
        .map(|place| {
            json!({
                "place": place.place, "region": place.region, "verdict": place.verdict, "files": place.files,
                "findings": place.findings, "evidence_log_whole": place.evidence_whole,
            })
        })
        .collect();
    Ok(fact("tampering", line, json!({ "verdict": verdict, "places": data })))
}

fn length_of(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn length(items: usize) -> String {
    count(length_of(items))
}
