//! Jobs of the platform: what begins by itself at its time, once in the whole cluster.
//!
//! ```text
//! round, on every node ─► a due time comes ─► fire (a row, by one of them) ─► perform ─► end
//!                     └─► a firing whose node is gone, or that waits ─► take ─┘
//! ```
//!
//! The schedules are those of workflows: the same cron, the same zones, the same rule for due times that passed while nobody was there
//! ([`misfire`]). What a job does is none of this module's business.
//!
//! There is no leader. Every node looks, and the row decides: whoever makes it runs the firing. So there is nothing to hand over when a
//! node goes away, and a node that stood still and comes back finds that its attempt is not its own any more.
//!
//! Invariant: of each due time there is one firing, and its end is written at most once. Its work may be begun twice, the second time
//! only when the node of the first is gone; so work must bear to be done again.

use std::{sync::Arc, time::Duration};

use levqor_flow::{
    policy::SchedulePolicy,
    schedule::{Cron, Schedule, Zone},
};
use levqor_model::{Clock, Misfire, NodeId, RegionCode, Timestamp};
use levqor_store::{
    Error, Store,
    jobs::{Ended, Fire, Fired, FiringState, Job, JobFiring, JobPlan, Taker},
};
use serde_json::Value;
use tokio::{sync::OnceCell, time::Instant};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::schedules::misfire;

/// How long after its longest time an attempt may still write its end: the clocks of nodes differ by less.
const GRACE: Duration = Duration::from_secs(60);
/// How long it tries to write its end, which is well within that; and how long it waits between two tries.
const PERSISTENCE: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_secs(1);
/// The longest summary, in characters.
pub const SUMMARY_CHARS_MAX: usize = 600;
/// The largest result.
pub const DATA_BYTES_MAX: usize = 64 * 1024;
/// The longest reason of a failure, in characters.
const PROBLEM_CHARS_MAX: usize = 1_000;
/// The most due times that are told ahead.
const AHEAD_MAX: usize = 20;

/// A job, and when it is due.
#[derive(Debug, Clone)]
pub struct JobSpec {
    pub id: &'static str,
    pub cron: &'static str,
    /// A name of IANA.
    pub zone: &'static str,
    schedule: Schedule,
    misfire: Misfire,
    /// Due times that passed longer ago are not made up for.
    catch_up: Duration,
    /// An attempt that takes longer is cancelled, and has failed.
    pub timeout: Duration,
}

/// What a job gave.
#[derive(Debug, Clone, PartialEq)]
pub struct JobOutput {
    /// One or two sentences for people.
    pub summary: String,
    /// An object for programs.
    pub data: Value,
}

/// What a firing gave, or why it gave nothing.
pub type Outcome = Result<JobOutput, String>;

/// The scheduler of one node.
#[derive(Debug)]
pub struct Jobs {
    store: Store,
    clock: Arc<dyn Clock>,
    node: NodeId,
    region: RegionCode,
    specs: Vec<JobSpec>,
    registered: OnceCell<()>,
}

impl JobSpec {
    /// # Errors
    /// What is wrong with the cron expression, the zone or the policy.
    pub fn new(
        id: &'static str,
        cron: &'static str,
        zone: &'static str,
        misfire: Misfire,
        catch_up: Duration,
        timeout: Duration,
    ) -> Result<Self, String> {
        if misfire == Misfire::FireAll {
            return Err("a job makes up for the latest of its missed due times, or for none".to_owned());
        }
        let schedule = Schedule {
            every: None,
            cron: Some(Cron::parse(cron)?),
            after: None,
            on: None,
            zone: Zone::named(zone)?.into_inner(),
        };
        Ok(Self { id, cron, zone, schedule, misfire, catch_up, timeout })
    }

    /// In words, such as `every day at 09:00 Europe/London`.
    pub fn describe(&self) -> String {
        self.schedule.describe()
    }

    /// A moment on the clocks of the job's zone.
    pub fn local(&self, at: Timestamp) -> String {
        self.schedule.local(at)
    }

    pub const fn misfire(&self) -> Misfire {
        self.misfire
    }

    pub const fn catch_up(&self) -> Duration {
        self.catch_up
    }

    /// The first due time after a moment.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.schedule.next(after, after)
    }

    /// The next due times after a moment, at most 20.
    pub fn ahead(&self, after: Timestamp, count: usize) -> Vec<Timestamp> {
        std::iter::successors(self.next(after), |at| self.next(*at)).take(count.min(AHEAD_MAX)).collect()
    }

    fn policy(&self) -> SchedulePolicy {
        SchedulePolicy { misfire: self.misfire, catch_up: self.catch_up, ..SchedulePolicy::default() }
    }
}

impl Jobs {
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        node: NodeId,
        region: RegionCode,
        specs: Vec<JobSpec>,
    ) -> Self {
        Self { store, clock, node, region, specs, registered: OnceCell::new() }
    }

    pub fn specs(&self) -> &[JobSpec] {
        &self.specs
    }

    pub fn spec(&self, id: &str) -> Option<&JobSpec> {
        self.specs.iter().find(|spec| spec.id == id)
    }

    /// Makes the jobs known to the store, once.
    ///
    /// # Errors
    /// When the store cannot be written; the next call tries again.
    pub async fn register(&self) -> Result<(), Error> {
        let made = || async {
            let now = self.clock.now();
            let plan = |spec: &JobSpec| {
                let schedule = format!("{} {}", spec.cron, spec.zone);
                Some(JobPlan { id: spec.id.to_owned(), schedule, next_due_at: spec.next(now)? })
            };
            self.store.register_jobs(self.specs.iter().filter_map(plan).collect()).await
        };
        self.registered.get_or_try_init(made).await.map(drop)
    }

    /// Looks once, and begins what is to begin: these are this node's to [`perform`](Self::perform).
    ///
    /// Not cancel safe: what has begun and is dropped is found when its lease is over, or its node is gone.
    ///
    /// # Errors
    /// When the store cannot be asked, and nothing has begun. What has begun is given, whatever became of the rest: it is still due in
    /// the next round, and a firing that nobody performs would be in the way of its job until its lease is over.
    pub async fn round(&self) -> Result<Vec<JobFiring>, Error> {
        self.register().await?;
        let mut begun = Vec::new();
        match self.begin(&mut begun).await {
            Err(failure) if begun.is_empty() => return Err(failure),
            Err(failure) => tracing::warn!(error = %failure, "not all jobs could be looked at; trying again"),
            Ok(()) => {}
        }
        Ok(begun)
    }

    async fn begin(&self, begun: &mut Vec<JobFiring>) -> Result<(), Error> {
        let now = self.clock.now();
        // First, so that one that is lost is in nobody's way.
        for seen in self.store.firings_to_take(now).await? {
            // One that only another build knows is its business.
            let Some(spec) = self.spec(&seen.job) else { continue };
            if seen.state == FiringState::Running {
                tracing::warn!(job = spec.id, "the node that ran job {} is gone", spec.id);
            }
            begun.extend(self.store.take_firing(seen, self.taker(spec), now).await?);
        }
        for job in self.store.due_jobs(now).await? {
            let Some(spec) = self.spec(&job.id) else { continue };
            begun.extend(self.fire(spec, &job, now).await?);
        }
        Ok(())
    }

    async fn fire(&self, spec: &JobSpec, job: &Job, now: Timestamp) -> Result<Option<JobFiring>, Error> {
        let due_at = job.next_due_at;
        let plan = misfire::plan(&spec.schedule, &spec.policy(), due_at, due_at, now);
        if plan.missed > 0 {
            tracing::warn!(
                job = spec.id,
                missed = plan.missed,
                "{} due times of job {} passed while nobody was there",
                plan.missed,
                spec.id
            );
        }
        // A cron expression that never fires again was refused.
        let Some(next_due_at) = plan.next_at else { return Ok(None) };
        let fire = Fire {
            job: spec.id.to_owned(),
            due_at,
            fires_at: plan.fires_at,
            next_due_at,
            missed: i64::try_from(plan.missed).unwrap_or(i64::MAX),
        };
        match self.store.fire_job(fire, self.taker(spec), now).await? {
            Fired::Began(firing) => Ok(Some(*firing)),
            Fired::Skipped => {
                tracing::warn!(job = spec.id, "job {} was skipped: the one before it goes on", spec.id);
                Ok(None)
            }
            Fired::Passed | Fired::NotDue => Ok(None),
        }
    }

    fn taker(&self, spec: &JobSpec) -> Taker {
        Taker { node: self.node, region: self.region.clone(), lease: spec.timeout + GRACE }
    }

    /// Does the work of a firing that [`Jobs::round`] has begun, and writes its end. None: it was not this node's any more, or the node
    /// stops and has given it back.
    ///
    /// When the future is dropped, the work is cancelled.
    ///
    /// # Errors
    /// When the store cannot be written: the firing is found when its lease is over.
    pub async fn perform(
        &self,
        firing: JobFiring,
        work: impl Future<Output = Outcome> + Send + 'static,
        stop: &CancellationToken,
    ) -> Result<Option<FiringState>, Error> {
        let timeout = self.spec(&firing.job).map_or(Duration::ZERO, |spec| spec.timeout);
        let mut task = AbortOnDropHandle::new(tokio::spawn(work));
        let outcome = tokio::select! { biased;
            ended = tokio::time::timeout(timeout, &mut task) => Some(ended),
            () = stop.cancelled() => None,
        };
        task.abort();
        let at = self.clock.now();
        let ended = match outcome {
            None => {
                self.store.give_firing_back(firing).await?;
                return Ok(None);
            }
            Some(Ok(Ok(Ok(output)))) => done(output, at),
            Some(Ok(Ok(Err(problem)))) => failed(FiringState::Failed, &problem, at),
            Some(Ok(Err(_))) => failed(FiringState::Failed, "it panicked; the server's log says where", at),
            Some(Err(_)) => {
                let problem = format!("it took longer than {} s and was cancelled", timeout.as_secs_f64());
                failed(FiringState::TimedOut, &problem, at)
            }
        };
        let state = ended.state;
        if state.is_failure() {
            let problem = ended.problem.as_deref().unwrap_or_default();
            tracing::error!(job = firing.job, "job {} failed: {problem}", firing.job);
        }
        let write = || self.store.end_firing(firing.clone(), ended.clone());
        Ok(persist(stop, write).await?.then_some(state))
    }
}

/// Tries again while the database is away for a moment, such as while another server takes over: without its end, a firing would be
/// done a second time, and be in the way of its job until its lease is over.
async fn persist<F>(stop: &CancellationToken, mut write: impl FnMut() -> F) -> Result<bool, Error>
where
    F: Future<Output = Result<bool, Error>>,
{
    let until = Instant::now() + PERSISTENCE;
    loop {
        match write().await {
            Err(failure) if failure.is_retryable() && Instant::now() < until && !stop.is_cancelled() => {
                tracing::warn!(error = %failure, "the end of a job could not be written; trying again");
            }
            outcome => return outcome,
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = stop.cancelled() => {}
        }
    }
}

fn done(output: JobOutput, at: Timestamp) -> Ended {
    let JobOutput { summary, data } = output;
    let mut data = data.to_string();
    if data.len() > DATA_BYTES_MAX {
        data =
            serde_json::json!({ "left_out": "the result is larger than what is kept", "bytes": data.len() })
                .to_string();
    }
    let summary = cut(&summary, SUMMARY_CHARS_MAX);
    Ended { state: FiringState::Done, summary: Some(summary), data: Some(data), problem: None, at }
}

fn failed(state: FiringState, problem: &str, at: Timestamp) -> Ended {
    Ended { state, summary: None, data: None, problem: Some(cut(problem, PROBLEM_CHARS_MAX)), at }
}

fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    text.chars().take(chars_max - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_and_what_is_too_large_is_left_out() {
        let at = Timestamp::from_seconds(0);
        let large = JobOutput { summary: "é".repeat(700), data: Value::String("x".repeat(DATA_BYTES_MAX)) };
        let ended = done(large, at);
        let summary = ended.summary.unwrap();
        assert_eq!((summary.chars().count(), summary.ends_with('…')), (SUMMARY_CHARS_MAX, true));
        assert!(ended.data.unwrap().contains("\"left_out\""));
        assert_eq!(cut("short", 5), "short");
    }

    /// Without a store, so that time may be moved.
    #[tokio::test(start_paused = true)]
    async fn an_end_is_written_when_the_database_comes_back() {
        let play = async |away: usize, failure: fn() -> Error, stops: bool| {
            let (stop, mut tries) = (CancellationToken::new(), 0);
            if stops {
                stop.cancel();
            }
            let written = persist(&stop, || {
                tries += 1;
                let answer = if tries > away { Ok(true) } else { Err(failure()) };
                async move { answer }
            })
            .await;
            (written.is_ok(), tries)
        };
        let away = || Error::Unavailable("a test".to_owned());
        assert_eq!(play(0, away, false).await, (true, 1));
        assert_eq!(play(20, away, false).await, (true, 21));
        let (written, tries) = play(1_000, away, false).await;
        assert!(!written && (25..35).contains(&tries), "its lease would be over: {tries}");
        assert_eq!(play(20, away, true).await, (false, 1), "the node stops");
        assert_eq!(play(20, || Error::Closed, false).await, (false, 1), "trying again would give the same");
    }

    #[test]
    fn due_times_are_told_ahead_in_the_zone_of_the_job() {
        let spec = |cron, zone| {
            JobSpec::new("job", cron, zone, Misfire::FireOnce, Duration::ZERO, Duration::ZERO).unwrap()
        };
        // The clock of London goes back on the 25th.
        let ahead = spec("0 9 * * *", "Europe/London").ahead("2026-10-24T12:00:00Z".parse().unwrap(), 2);
        let ahead: Vec<String> = ahead.iter().map(ToString::to_string).collect();
        assert_eq!(ahead, ["2026-10-25T09:00:00.000000Z", "2026-10-26T09:00:00.000000Z"]);
        let before = spec("0 9 * * *", "Europe/London").next("2026-10-23T12:00:00Z".parse().unwrap());
        assert_eq!(before.unwrap().to_string(), "2026-10-24T08:00:00.000000Z");
        assert_eq!(spec("0 9 * * *", "UTC").ahead(Timestamp::from_seconds(0), 500).len(), AHEAD_MAX);
        let summer = "2026-07-01T08:00:00Z".parse().unwrap();
        assert_eq!(spec("0 9 * * *", "Europe/London").local(summer), "2026-07-01 09:00 BST");
        assert_eq!(spec("0 9 * * *", "Europe/London").describe(), "every day at 09:00 Europe/London");
        let wrong =
            JobSpec::new("job", "0 9 * * *", "Europe/Lundon", Misfire::Skip, Duration::ZERO, Duration::ZERO);
        assert!(wrong.unwrap_err().contains("Europe/London"));
    }
}
