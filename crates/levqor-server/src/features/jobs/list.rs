//! The jobs: what each is called, when it is due, and what it does. One list, which the API, the pages and the guide show.

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};
use levqor_engine::jobs::{JobSpec, Outcome};
use levqor_model::{Misfire, Severity};

use super::work::{self, Context};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// A job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: &'static str,
    pub(super) cron: &'static str,
    pub(super) zone: &'static str,
    /// What it does, in one sentence without a full stop.
    pub(super) about: &'static str,
    /// After this time it is cancelled, and has failed.
    pub(super) timeout: Duration,
    /// The latest due time that was missed is made up for when it is not older than this; zero: none is.
    pub(super) catch_up: Duration,
    /// How bad it is when it fails again and again.
    pub(super) severity: Severity,
    pub(super) work: fn(Context) -> BoxFuture<'static, Outcome>,
}

macro_rules! jobs {
    ($($id:ident: $cron:literal $zone:literal, timeout $timeout:expr, catch up $catch_up:expr, $severity:ident, $about:literal;)+) => {
        /// Every job, in the order of its times.
        pub(super) const JOBS: &[Job] = &[$(Job {
            id: stringify!($id),
            cron: $cron,
            zone: $zone,
            about: $about,
            timeout: Duration::from_secs($timeout),
            catch_up: Duration::from_secs($catch_up),
            severity: Severity::$severity,
            work: |context| {
                async move { work::$id::work(&context).await.map_err(|failure| work::words(&failure)) }.boxed()
            },
        }),+];
    };
}

jobs! {
    retention_aggregation: "5 0 * * *" "UTC", timeout 10 * MINUTE, catch up 24 * HOUR, Minor,
        "counts accounts that were active on a day, in 7 and in 30 days, and how many of each week's new ones stay";
    growth_retention: "10 0 * * *" "UTC", timeout 10 * MINUTE, catch up 24 * HOUR, Minor,
        "the same by where accounts came from";
    cost_collector: "0 1 * * *" "UTC", timeout 10 * MINUTE, catch up 24 * HOUR, Minor,
        "what AI, storage and runs cost, by account and in total";
    expansion_verifier: "0 2 * * *" "UTC", timeout 5 * MINUTE, catch up 24 * HOUR, Major,
        "whether every region that is not only planned is ready: nodes, lag, probes, keys, the same blueprint";
    cost_prediction: "10 2 * * 1" "UTC", timeout 5 * MINUTE, catch up 48 * HOUR, Minor,
        "what the next 30 days will cost, with an interval";
    marketing_rollup: "0 3 * * *" "UTC", timeout 5 * MINUTE, catch up 24 * HOUR, Minor,
        "leads, clicks on prices, and how far new accounts have come";
    daily_ops_summary: "0 9 * * *" "Europe/London", timeout 5 * MINUTE, catch up 6 * HOUR, Minor,
        "a digest of the last day by mail: uptime, errors, incidents, jobs, budgets";
    governance_report: "0 9 * * 0" "Europe/London", timeout 10 * MINUTE, catch up 48 * HOUR, Minor,
        "what the evidence log has of the week, who has access, how old keys are, drift and tampering";
    sentry_test: "0 10 * * 0" "UTC", timeout 2 * MINUTE, catch up 24 * HOUR, Minor,
        "sends a marked event through the error reporter and sees that it arrives";
    weekly_intelligence: "30 10 * * 0" "UTC", timeout 10 * MINUTE, catch up 48 * HOUR, Minor,
        "what rose and fell this week, and which days were unusual, in words";
    weekly_pulse: "0 14 * * 5" "Europe/London", timeout 5 * MINUTE, catch up 48 * HOUR, Minor,
        "the week of the business: accounts, plans, use";
    expansion_monitor: "30 14 * * 5" "Europe/London", timeout 5 * MINUTE, catch up 48 * HOUR, Minor,
        "where to expand: requests by country, distances between regions, which of them are ready";
    slo_watchdog: "*/5 * * * *" "UTC", timeout 2 * MINUTE, catch up 5 * MINUTE, Critical,
        "evaluates the objectives anew, with burn rates and budgets, and sees that the evaluator lives";
    alert_checks: "*/5 * * * *" "UTC", timeout 2 * MINUTE, catch up 5 * MINUTE, Critical,
        "looks at every condition of alerts, and sees that messages get out";
    intelligence_monitor: "*/15 * * * *" "UTC", timeout 2 * MINUTE, catch up 15 * MINUTE, Major,
        "looks for what is unusual in the key series";
    synthetic_checks: "*/15 * * * *" "UTC", timeout 10 * MINUTE, catch up 15 * MINUTE, Major,
        "goes through whole journeys of customers, in each region";
    kv_costs: "0 * * * *" "UTC", timeout 10 * MINUTE, catch up HOUR, Minor,
        "writes what accounts cost this month to the key-value store";
    scaling_check: "0 * * * *" "UTC", timeout 2 * MINUTE, catch up HOUR, Major,
        "holds load against capacity, and says what to do";
    health_monitor: "0 */6 * * *" "UTC", timeout 5 * MINUTE, catch up 6 * HOUR, Major,
        "uptime, certificates, disk, clock, and how old the last backup is";
    security_tamper_check: "0 */6 * * *" "UTC", timeout 10 * MINUTE, catch up 6 * HOUR, Critical,
        "has every node hash its files anew and holds them against what was agreed";
}

impl Job {
    /// # Errors
    /// When its cron expression or its zone is none; a test sees that this does not happen.
    pub(super) fn spec(&self) -> Result<JobSpec, String> {
        let misfire = if self.catch_up.is_zero() { Misfire::Skip } else { Misfire::FireOnce };
        JobSpec::new(self.id, self.cron, self.zone, misfire, self.catch_up, self.timeout)
    }
}

pub(super) fn find(id: &str) -> Option<&'static Job> {
    JOBS.iter().find(|job| job.id == id)
}

/// The table of the guide.
#[cfg(test)]
pub(super) fn table() -> String {
    let mut table = "| id | when | zone | at most | does |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for job in JOBS {
        let when = job.spec().map_or_else(|problem| problem, |spec| spec.describe());
        // The zone has a column of its own.
        let when = when.strip_suffix(&format!(" {}", job.zone)).unwrap_or(&when);
        let Job { id, zone, about, .. } = job;
        let minutes = job.timeout.as_secs() / MINUTE;
        table.push_str(&format!("| `{id}` | {when} | {zone} | {minutes} min | {about} |\n"));
    }
    table
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// As the product's contract lists them.
    #[test]
    fn the_jobs_are_those_that_were_agreed_and_due_when_it_was_agreed() {
        let agreed = [
            ("retention_aggregation", "every day at 00:05 UTC"),
            ("growth_retention", "every day at 00:10 UTC"),
            ("cost_collector", "every day at 01:00 UTC"),
            ("expansion_verifier", "every day at 02:00 UTC"),
            ("cost_prediction", "every Monday at 02:10 UTC"),
            ("marketing_rollup", "every day at 03:00 UTC"),
            ("daily_ops_summary", "every day at 09:00 Europe/London"),
            ("governance_report", "every Sunday at 09:00 Europe/London"),
            ("sentry_test", "every Sunday at 10:00 UTC"),
            ("weekly_intelligence", "every Sunday at 10:30 UTC"),
            ("weekly_pulse", "every Friday at 14:00 Europe/London"),
            ("expansion_monitor", "every Friday at 14:30 Europe/London"),
            ("slo_watchdog", "every 5 minutes"),
            ("alert_checks", "every 5 minutes"),
            ("intelligence_monitor", "every 15 minutes"),
            ("synthetic_checks", "every 15 minutes"),
            ("kv_costs", "every hour"),
            ("scaling_check", "every hour"),
            ("health_monitor", "every day at 00:00, 06:00, 12:00 and 18:00 UTC"),
            ("security_tamper_check", "every day at 00:00, 06:00, 12:00 and 18:00 UTC"),
        ];
        let found: Vec<(&str, String)> =
            JOBS.iter().map(|job| (job.id, job.spec().unwrap().describe())).collect();
        let found: Vec<(&str, &str)> = found.iter().map(|(id, when)| (*id, when.as_str())).collect();
        assert_eq!(found, agreed);
        let ids: BTreeSet<_> = JOBS.iter().map(|job| job.id).collect();
        assert_eq!(ids.len(), 20);
    }

    #[test]
    fn a_job_ends_before_it_is_due_again() {
        for job in JOBS {
            let spec = job.spec().unwrap();
            let ahead = spec.ahead("2026-11-24T00:00:00Z".parse().unwrap(), 20);
            let gap = ahead.windows(2).map(|pair| pair[1].since(pair[0])).min().unwrap();
            assert!(job.timeout < gap, "{} may take {:?} and is due every {gap:?}", job.id, job.timeout);
            assert!(!job.about.ends_with('.') && job.about.len() < 140, "{}", job.about);
        }
    }

    #[test]
    fn the_guide_has_the_table() {
        let guide = include_str!("../../../../../docs/guide/jobs.md");
        assert!(guide.contains(&table()), "put this into docs/guide/jobs.md:\n{}", table());
    }
}
