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
    let due = found.job.next_due_at;
    let is_paused = found.job.paused_at.is_some();
    // One that runs longer than it may has nobody who ends it.
    let is_lost =
        found.open.as_ref().and_then(|open| open.lease_ends_at).is_some_and(|end| now.since(end) > LATE);
    let behind = now.since(due);
    let is_late = !is_paused && behind > LATE;
    let summary = if is_late {
        format!("job {} was due {} s ago and has not begun", job.id, behind.as_secs())
    } else if is_lost {
        format!("job {} has begun, and nobody runs it any more", job.id)
    } else if is_paused {
        format!("job {} is paused", job.id)
    } else {
        format!("job {} is in time", job.id)
    };
    Condition {
        rule: "jobs.late".to_owned(),
        subject: job.id.to_owned(),
        verdict: if is_late || is_lost { Verdict::Fails } else { Verdict::Holds },
        severity: Severity::Major,
        summary,
        details: json!({ "next_due_at": due, "late_seconds": if is_late { behind.as_secs() } else { 0 } }),
    }
}

#[cfg(test)]
mod tests {
    use levqor_store::jobs::Job as Row;

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
    }

    #[test]
    fn without_a_scheduler_nothing_is_known_to_be_active() {
        let [one] = &judge(&[], NOW)[..] else { panic!("one condition") };
        assert_eq!((one.rule.as_str(), one.verdict), ("jobs.active", Verdict::Unknown));
    }
}
