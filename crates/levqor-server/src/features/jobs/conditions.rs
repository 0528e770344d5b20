//! What alerts look at: whether all jobs are there, come at their times, and do what they are for.

use std::time::Duration;

use levqor_model::{Condition, Severity, Timestamp, Verdict};
use levqor_store::jobs::JobNow;
use serde_json::json;

use super::list::{self, JOBS, Job};
use crate::App;

/// A job that was due longer ago is late: nodes look every second.
const LATE: Duration = Duration::from_secs(2 * 60);
/// A job that failed as often, one time after the other, fails repeatedly.
const FAILURES: usize = 3;

/// All of them, as they are now.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn conditions(app: &App) -> Result<Vec<Condition>, levqor_store::Error> {
    Ok(judge(&app.store.jobs().await?, app.now()))
}

pub(super) fn judge(all: &[JobNow], now: Timestamp) -> Vec<Condition> {
    // Rows of other builds are none of ours.
    let known: Vec<(&Job, &JobNow)> =
        all.iter().filter_map(|found| Some((list::find(&found.job.id)?, found))).collect();
    let mut conditions = vec![active(&known)];
    for (job, found) in known {
        conditions.push(failing(job, found));
        conditions.push(late(job, found, now));
    }
    conditions
}

fn active(known: &[(&Job, &JobNow)]) -> Condition {
    let paused: Vec<&str> =
        known.iter().filter(|(_, found)| found.job.paused_at.is_some()).map(|(job, _)| job.id).collect();
    let (expected, active) = (JOBS.len(), known.len() - paused.len());
    let verdict = match (known.is_empty(), active < expected) {
        // No scheduler has begun yet, or none ever does.
        (true, _) => Verdict::Unknown,
        (false, true) => Verdict::Fails,
        (false, false) => Verdict::Holds,
    };
    let missing: Vec<&str> =
        JOBS.iter().map(|job| job.id).filter(|id| !known.iter().any(|(job, _)| job.id == *id)).collect();
    let summary = match verdict {
        Verdict::Unknown => "no scheduler has begun, so no job is active".to_owned(),
        _ => format!("{active} of {expected} jobs are active"),
    };
    Condition {
        rule: "jobs.active".to_owned(),
        subject: String::new(),
        verdict,
        severity: Severity::Major,
        summary,
        details: json!({ "active": active, "expected": expected, "paused": paused, "missing": missing }),
    }
}

fn failing(job: &Job, found: &JobNow) -> Condition {
    let fails = found.failures >= FAILURES;
    let problem = found.last.as_ref().and_then(|last| last.problem.clone());
    let summary = match found.failures {
        0 => format!("job {} does not fail", job.id),
        1 => format!("job {} failed the last time", job.id),
        times => format!("job {} failed {times} times one after the other", job.id),
    };
    Condition {
        rule: "jobs.failing".to_owned(),
        subject: job.id.to_owned(),
        verdict: if fails { Verdict::Fails } else { Verdict::Holds },
        severity: job.severity,
        summary,
        details: json!({ "failures": found.failures, "problem": problem, "done_at": found.done_at }),
    }
}

fn late(job: &Job, found: &JobNow, now: Timestamp) -> Condition {
    let why = lateness(found, now);
    let summary = match &why {
        Some(why) => format!("job {} {why}", job.id),
        None if found.job.paused_at.is_some() => format!("job {} is paused", job.id),
        None => format!("job {} is in time", job.id),
    };
    let due = found.job.next_due_at;
    let late_seconds = if is_late(found, now) { now.since(due).as_secs() } else { 0 };
    Condition {
        rule: "jobs.late".to_owned(),
        subject: job.id.to_owned(),
        verdict: if why.is_some() { Verdict::Fails } else { Verdict::Holds },
        severity: Severity::Major,
        summary,
        details: json!({ "next_due_at": due, "late_seconds": late_seconds }),
    }
}

fn is_late(found: &JobNow, now: Timestamp) -> bool {
    found.job.paused_at.is_none() && now.since(found.job.next_due_at) > LATE
}

/// Why a job is late, as the end of a sentence about it; None: it is not.
pub(super) fn lateness(found: &JobNow, now: Timestamp) -> Option<String> {
    if is_late(found, now) {
        let behind = now.since(found.job.next_due_at).as_secs();
        return Some(format!("was due {behind} s ago and has not begun"));
    }
    let open = found.open.as_ref()?;
    match open.lease_ends_at {
        // One that runs longer than it may has nobody who ends it.
        Some(end) if now.since(end) > LATE => Some("has begun, and nobody runs it any more".to_owned()),
        None if now.since(open.due_at) > LATE => {
            let behind = now.since(open.due_at).as_secs();
            Some(format!("has waited for {behind} s, and nobody begins it"))
        }
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use levqor_store::jobs::{Cause, FiringState, Job as Row, JobFiring};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_502_901);

    fn all() -> Vec<JobNow> {
        let row = |job: &Job| JobNow {
            job: Row {
                id: job.id.to_owned(),
                next_due_at: NOW + LATE,
                paused_at: None,
                paused_by: None,
                missed: 0,
                skipped: 0,
            },
            open: None,
            last: None,
            failures: 0,
            done_at: None,
        };
        JOBS.iter().map(row).collect()
    }

    fn failing(all: &[JobNow]) -> Vec<(String, String)> {
        let fails = |condition: &Condition| condition.verdict == Verdict::Fails;
        judge(all, NOW).into_iter().filter(fails).map(|one| (one.rule, one.subject)).collect()
    }

    #[test]
    fn each_thing_that_is_wrong_is_told() {
        assert_eq!(judge(&all(), NOW).len(), 1 + 2 * JOBS.len());
        assert_eq!(failing(&all()), []);
        let with = |change: fn(&mut JobNow)| {
            let mut all = all();
            change(&mut all[3]);
            failing(&all)
        };
        let told = |rule: &str, subject: &str| vec![(rule.to_owned(), subject.to_owned())];
        let id = JOBS[3].id;
        assert_eq!(with(|found| found.job.paused_at = Some(NOW)), told("jobs.active", ""));
        assert_eq!(with(|found| found.job.id = "unknown".to_owned()), told("jobs.active", ""));
        assert_eq!(with(|found| found.failures = 2), []);
        assert_eq!(with(|found| found.failures = 3), told("jobs.failing", id));
        assert_eq!(with(|found| found.job.next_due_at = NOW - LATE), []);
        assert_eq!(with(|found| found.job.next_due_at = NOW - LATE * 2), told("jobs.late", id));
        let paused = |found: &mut JobNow| {
            found.job.paused_at = Some(NOW);
            found.job.next_due_at = NOW - LATE * 2;
        };
        assert_eq!(with(paused), told("jobs.active", ""), "what is paused is not late");
        let open = |waits: u64, lease: Option<u64>| {
            let mut all = all();
            all[3].open = Some(JobFiring {
                job: JOBS[3].id.to_owned(),
                due_at: NOW - Duration::from_secs(waits),
                cause: Cause::Manual,
                state: if lease.is_some() { FiringState::Running } else { FiringState::Waiting },
                attempt: 1,
                node: None,
                region: None,
                asked_by: None,
                began_at: None,
                lease_ends_at: lease.map(|ended| NOW - Duration::from_secs(ended)),
                ended_at: None,
                summary: None,
                data: None,
                problem: None,
            });
            failing(&all)
        };
        assert_eq!(open(10, None), []);
        assert_eq!(open(121, None), told("jobs.late", id), "asked for, and nobody begins it");
        assert_eq!(open(1_000, Some(10)), []);
        assert_eq!(open(1_000, Some(121)), told("jobs.late", id), "nobody runs it any more");
    }

    #[test]
    fn without_a_scheduler_nothing_is_known_to_be_active() {
        let [one] = &judge(&[], NOW)[..] else { panic!("one condition") };
        assert_eq!((one.rule.as_str(), one.verdict), ("jobs.active", Verdict::Unknown));
    }
}
