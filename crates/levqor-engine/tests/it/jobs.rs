//! Jobs of the platform: one firing for each due time, whichever node is there, and whichever is killed.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use levqor_engine::jobs::{JobOutput, JobSpec, Jobs};
use levqor_model::{Clock, ManualClock, Misfire, NodeId, Random, RegionCode, SeededRandom, Timestamp};
use levqor_store::{
    Options, Store,
    jobs::{Cause, FiringState, JobFiring},
    nodes::NewNode,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const LEASE: Duration = Duration::from_secs(10);

/// How often the work of each due time was begun, and how often it was done.
type Ledger = Arc<Mutex<BTreeMap<(String, Timestamp), (u32, u32)>>>;

struct World {
    store: Store,
    clock: Arc<ManualClock>,
    random: Arc<SeededRandom>,
    ledger: Ledger,
}

impl World {
    fn at(begin: &str) -> Self {
        Self {
            store: Store::open(Options::default()).unwrap(),
            clock: Arc::new(ManualClock::at(begin.parse().unwrap())),
            random: Arc::new(SeededRandom::new(7)),
            ledger: Ledger::default(),
        }
    }

    /// A node that has registered, with these jobs.
    async fn node(&self, specs: Vec<JobSpec>) -> Node {
        let id = NodeId::new(self.clock.now(), &*self.random);
        let region: RegionCode = "eu-west".parse().unwrap();
        let new = NewNode { id, region: region.clone(), version: "1".to_owned(), lease: LEASE, alone: false };
        let epoch = self.store.register_node(new, self.clock.now()).await.unwrap();
        let store = self.store.acting_as(id);
        let clock: Arc<dyn Clock> = self.clock.clone();
        Node {
            id,
            epoch,
            jobs: Arc::new(Jobs::new(store, clock, id, region, specs)),
            ledger: self.ledger.clone(),
        }
    }

    async fn history(&self, job: &str) -> Vec<JobFiring> {
        let mut all = self.store.job_firings(job.to_owned(), None, 10_000).await.unwrap();
        all.reverse();
        all
    }

    /// The nodes that are gone are found out.
    async fn condemn(&self, by: &Node) {
        self.store.condemn_nodes(by.id, self.clock.now()).await.unwrap();
    }
}

struct Node {
    id: NodeId,
    epoch: i64,
    jobs: Arc<Jobs>,
    ledger: Ledger,
}

impl Node {
    /// Looks once, and does what it has begun.
    async fn works(&self) -> Result<usize, levqor_store::Error> {
        let begun = self.jobs.round().await?;
        let count = begun.len();
        let stop = CancellationToken::new();
        for firing in begun {
            self.perform(firing, &stop).await?;
        }
        Ok(count)
    }

    async fn perform(
        &self,
        firing: JobFiring,
        stop: &CancellationToken,
    ) -> Result<Option<FiringState>, levqor_store::Error> {
        let (ledger, key) = (self.ledger.clone(), (firing.job.clone(), firing.due_at));
        let work = async move {
            ledger.lock().unwrap().entry(key.clone()).or_default().0 += 1;
            tokio::task::yield_now().await;
            ledger.lock().unwrap().entry(key).or_default().1 += 1;
            Ok(JobOutput { summary: "done".to_owned(), data: json!({}) })
        };
        self.jobs.perform(firing, work, stop).await
    }
}

fn spec(id: &'static str, cron: &'static str, zone: &'static str) -> JobSpec {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    JobSpec::new(id, cron, zone, Misfire::FireOnce, HOUR, Duration::from_secs(30)).unwrap()
}

/// Lets `work` go on so many times, and kills it where it is then. True: it had ended.
async fn killed_after(polls: u64, work: impl Future) -> bool {
    let (mut work, mut left) = (pin!(work), polls);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        work.as_mut().poll(context).map(|_| true)
    })
    .await
}

#[tokio::test]
async fn a_due_time_fires_once_however_many_nodes_look() {
    let world = World::at("2026-11-24T08:59:00Z");
    let specs = || vec![spec("daily", "0 9 * * *", "Europe/London")];
    let (first, second) = (world.node(specs()).await, world.node(specs()).await);
    assert_eq!((first.works().await.unwrap(), second.works().await.unwrap()), (0, 0), "nothing is due");
    world.clock.advance(Duration::from_secs(60));
    let (a, b) = tokio::join!(first.works(), second.works());
    assert_eq!(a.unwrap() + b.unwrap(), 1);
    assert_eq!(second.works().await.unwrap(), 0);
    let history = world.history("daily").await;
    assert_eq!(history.len(), 1);
    let firing = &history[0];
    assert_eq!((firing.cause, firing.state, firing.attempt), (Cause::Schedule, FiringState::Done, 1));
    assert_eq!(firing.due_at.to_string(), "2026-11-24T09:00:00.000000Z");
    assert_eq!((firing.summary.as_deref(), firing.data.as_deref()), (Some("done"), Some("{}")));
    let now = world.store.job("daily".to_owned()).await.unwrap().unwrap();
    assert_eq!(now.job.next_due_at.to_string(), "2026-11-25T09:00:00.000000Z");
    assert_eq!((now.open, now.failures, now.done_at), (None, 0, firing.ended_at));
}

#[tokio::test]
async fn the_latest_missed_due_time_is_made_up_for_within_a_bound() {
    // How long nobody was there after 01:00, what fires, and what was missed.
    let rows = [
        (60 * 60, Some("2026-11-24T02:00:00.000000Z"), 1),
        (5 * 60 * 60 + 1_800, Some("2026-11-24T06:00:00.000000Z"), 5),
        // The last one was due more than an hour ago.
        (6 * 24 * 60 * 60 + 90 * 60, None, 143),
    ];
    for (away, fires, missed) in rows {
        let world = World::at("2026-11-24T00:30:00Z");
        let cron = if fires.is_some() { "0 * * * *" } else { "0 0-23 24-29 * *" };
        let node = world.node(vec![spec("hourly", cron, "UTC")]).await;
        node.works().await.unwrap();
        world.clock.advance(Duration::from_secs(30 * 60 + away));
        node.works().await.unwrap();
        let history = world.history("hourly").await;
        let fired: Vec<String> = history.iter().map(|firing| firing.due_at.to_string()).collect();
        assert_eq!(fired, fires.into_iter().collect::<Vec<_>>(), "{away}");
        let now = world.store.job("hourly".to_owned()).await.unwrap().unwrap();
        assert_eq!(now.job.missed, missed, "{away}");
        assert!(now.job.next_due_at > world.clock.now());
    }
}

#[tokio::test]
async fn a_firing_whose_node_is_gone_is_begun_once_more_and_then_given_up() {
    let world = World::at("2026-11-24T08:59:30Z");
    let specs = || vec![spec("daily", "0 9 * * *", "UTC")];
    let mut node = world.node(specs()).await;
    node.works().await.unwrap();
    world.clock.advance(Duration::from_secs(30));
    for attempt in 1..=2 {
        let begun = node.jobs.round().await.unwrap();
        assert_eq!(begun.iter().map(|firing| firing.attempt).collect::<Vec<_>>(), [attempt]);
        // It goes away while it works.
        world.clock.advance(LEASE * 2);
        let next = world.node(specs()).await;
        assert!(next.jobs.round().await.unwrap().is_empty(), "nobody knows yet that it is gone");
        world.condemn(&next).await;
        // What comes back from standing still has nothing to say any more.
        let late = node.perform(begun[0].clone(), &CancellationToken::new()).await;
        assert!(matches!(late, Err(levqor_store::Error::Fenced(_))), "{late:?}");
        node = next;
    }
    assert_eq!(node.works().await.unwrap(), 0, "it is not begun a third time");
    let history = world.history("daily").await;
    assert_eq!((history.len(), history[0].state, history[0].attempt), (1, FiringState::Crashed, 2));
    assert!(history[0].problem.as_ref().unwrap().contains("2 times"));
    let now = world.store.job("daily".to_owned()).await.unwrap().unwrap();
    assert_eq!((now.open, now.failures), (None, 1));
}

#[tokio::test]
async fn what_takes_too_long_is_cancelled_and_what_fails_or_panics_has_failed() {
    let world = World::at("2026-11-24T08:59:59Z");
    let quick = |id, cron| {
        JobSpec::new(id, cron, "UTC", Misfire::Skip, Duration::ZERO, Duration::from_millis(20)).unwrap()
    };
    let specs = vec![quick("fails", "0 9 * * *"), quick("hangs", "0 9 * * *"), quick("panics", "0 9 * * *")];
    let node = world.node(specs).await;
    node.works().await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let stop = CancellationToken::new();
    // Dropped when the work is cancelled.
    let (alive, cancelled) = tokio::sync::oneshot::channel::<()>();
    let mut alive = Some(alive);
    for firing in node.jobs.round().await.unwrap() {
        let id = firing.job.clone();
        let held = alive.take_if(|_| id == "hangs");
        let work = async move {
            match id.as_str() {
                "fails" => Err("no such thing".to_owned()),
                "panics" => panic!("a test"),
                _ => {
                    std::future::pending::<()>().await;
                    drop(held);
                    Err("never".to_owned())
                }
            }
        };
        node.jobs.perform(firing, work, &stop).await.unwrap();
    }
    assert!(cancelled.await.is_err());
    let rows = [
        ("fails", FiringState::Failed, "no such thing"),
        ("hangs", FiringState::TimedOut, "it took longer than 0.02 s and was cancelled"),
        ("panics", FiringState::Failed, "it panicked"),
    ];
    for (job, state, problem) in rows {
        let history = world.history(job).await;
        assert_eq!(history[0].state, state, "{job}");
        assert!(history[0].problem.as_ref().unwrap().contains(problem), "{history:?}");
    }
}

/// A round that cannot go on gives what it has begun: else nobody would do it until its lease is over.
#[tokio::test]
async fn a_round_that_breaks_off_gives_what_it_has_begun() {
    const JOBS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let world = World::at("2026-11-24T08:59:59Z");
    let node = world.node(JOBS.iter().map(|id| spec(id, "0 9 * * *", "UTC")).collect()).await;
    node.works().await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let stopped = async {
        while world.history("a").await.is_empty() {
            tokio::task::yield_now().await;
        }
        // From now on nothing is taken of what it writes.
        world.store.stop_node(node.id, world.clock.now()).await.unwrap();
    };
    let (begun, ()) = tokio::join!(node.jobs.round(), stopped);
    let begun: Vec<String> = begun.unwrap().into_iter().map(|firing| firing.job).collect();
    let mut running = Vec::new();
    for id in JOBS {
        running.extend(world.history(id).await.into_iter().map(|firing| firing.job));
    }
    assert_eq!(begun, running);
}

#[tokio::test]
async fn one_that_is_in_the_way_has_the_next_skipped() {
    let world = World::at("2026-11-24T08:59:59Z");
    let node = world.node(vec![spec("often", "* * * * *", "UTC")]).await;
    node.works().await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let begun = node.jobs.round().await.unwrap().remove(0);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(node.works().await.unwrap(), 0);
    node.perform(begun, &CancellationToken::new()).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(node.works().await.unwrap(), 1);
    let states: Vec<_> = world.history("often").await.iter().map(|firing| firing.state).collect();
    assert_eq!(states, [FiringState::Done, FiringState::Skipped, FiringState::Done]);
    assert_eq!(world.store.job("often".to_owned()).await.unwrap().unwrap().job.skipped, 1);
}

#[tokio::test]
async fn a_node_that_stops_gives_back_what_it_has_begun() {
    let world = World::at("2026-11-24T08:59:59Z");
    let specs = || vec![spec("daily", "0 9 * * *", "UTC")];
    let (first, second) = (world.node(specs()).await, world.node(specs()).await);
    first.works().await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let begun = first.jobs.round().await.unwrap().remove(0);
    let stop = CancellationToken::new();
    stop.cancel();
    let ended = first.jobs.perform(begun, std::future::pending(), &stop).await.unwrap();
    assert_eq!(ended, None);
    assert_eq!(second.works().await.unwrap(), 1);
    let history = world.history("daily").await;
    assert_eq!(
        (history[0].state, history[0].attempt, history[0].node),
        (FiringState::Done, 1, Some(second.id))
    );
}

#[tokio::test]
async fn by_hand_it_runs_once_for_each_request() {
    let world = World::at("2026-11-24T08:00:00Z");
    let node = world.node(vec![spec("daily", "0 9 * * *", "UTC")]).await;
    node.works().await.unwrap();
    let ask = async |request: Option<&str>| {
        let request = request.map(str::to_owned);
        world
            .store
            .ask_for_job("daily".to_owned(), "me".to_owned(), request, world.clock.now())
            .await
            .unwrap()
            .unwrap()
    };
    let first = ask(Some("a")).await;
    assert!(!first.already);
    // One that has not ended is the one that is asked for.
    assert_eq!(ask(Some("b")).await.firing, first.firing);
    assert_eq!(node.works().await.unwrap(), 1);
    let again = ask(Some("a")).await;
    assert!(again.already && again.firing.due_at == first.firing.due_at, "{again:?}");
    assert_eq!(node.works().await.unwrap(), 0);
    // At the same moment, and another.
    assert!(!ask(None).await.already);
    assert_eq!(node.works().await.unwrap(), 1);
    let history = world.history("daily").await;
    assert_eq!(history.len(), 2);
    assert!(history.iter().all(|firing| firing.cause == Cause::Manual && firing.state == FiringState::Done));
    assert!(
        world
            .store
            .ask_for_job("no".to_owned(), "me".to_owned(), None, world.clock.now())
            .await
            .unwrap()
            .is_none()
    );
    // The schedule goes on as if nothing had been.
    world.clock.advance(Duration::from_secs(60 * 60));
    assert_eq!(node.works().await.unwrap(), 1);
}

#[tokio::test]
async fn a_job_that_is_paused_fires_by_hand_only_and_makes_up_for_nothing() {
    let world = World::at("2026-11-24T08:00:00Z");
    let node = world.node(vec![spec("hourly", "0 * * * *", "UTC")]).await;
    node.works().await.unwrap();
    let (store, id) = (&world.store, || "hourly".to_owned());
    assert!(
        store.pause_job(id(), "me".to_owned(), Some("a test".to_owned()), world.clock.now()).await.unwrap()
    );
    assert!(!store.pause_job(id(), "you".to_owned(), None, world.clock.now()).await.unwrap());
    world.clock.advance(Duration::from_secs(3 * 60 * 60));
    assert_eq!(node.works().await.unwrap(), 0);
    assert_eq!(store.job_counts().await.unwrap(), (0, 0));
    store.ask_for_job(id(), "me".to_owned(), None, world.clock.now()).await.unwrap().unwrap();
    assert_eq!(node.works().await.unwrap(), 1);
    let now = world.clock.now();
    let next = node.jobs.spec("hourly").unwrap().next(now).unwrap();
    assert!(store.resume_job(id(), next, now).await.unwrap());
    assert!(!store.resume_job(id(), next, now).await.unwrap());
    assert_eq!(node.works().await.unwrap(), 0);
    world.clock.advance(Duration::from_secs(60 * 60));
    assert_eq!(node.works().await.unwrap(), 1);
    let job = store.job(id()).await.unwrap().unwrap().job;
    assert_eq!((job.paused_at, job.paused_by, job.missed), (None, None, 0));
}

/// What a build changes of a schedule holds from its start on; what it does not know, it leaves alone.
#[tokio::test]
async fn another_build_brings_other_schedules() {
    let world = World::at("2026-11-24T08:00:00Z");
    let old = world.node(vec![spec("one", "0 9 * * *", "UTC"), spec("two", "0 9 * * *", "UTC")]).await;
    old.works().await.unwrap();
    let new = world.node(vec![spec("one", "0 10 * * *", "UTC")]).await;
    new.works().await.unwrap();
    let next =
        async |id: &str| world.store.job(id.to_owned()).await.unwrap().unwrap().job.next_due_at.to_string();
    assert_eq!(next("one").await, "2026-11-24T10:00:00.000000Z");
    assert_eq!(next("two").await, "2026-11-24T09:00:00.000000Z");
    world.clock.advance(Duration::from_secs(60 * 60));
    assert_eq!(new.works().await.unwrap(), 0);
    assert_eq!(old.works().await.unwrap(), 1);
}

/// Due times in the virtual days of [`nothing_is_missed_or_doubled`]: `LEVQOR_JOB_DUE_TIMES` of them, or these.
const DUE_TIMES: usize = 100_000;

/// 20 jobs, a due time each a minute, in zones that change their clocks in these days. Three nodes look, in any order; every few minutes
/// one of them is killed, wherever it happens to be: before a firing's row is written, while it is, while it works, before its end is
/// written or after. What was on its way to the database then goes through or does not.
///
/// Every due time has one row; each was done; and none was begun more often than its attempts say, of which there is one for each node
/// that was lost with it.
#[tokio::test]
async fn nothing_is_missed_or_doubled() {
    const JOBS: [&str; 20] = [
        "j00", "j01", "j02", "j03", "j04", "j05", "j06", "j07", "j08", "j09", "j10", "j11", "j12", "j13",
        "j14", "j15", "j16", "j17", "j18", "j19",
    ];
    let wanted = std::env::var("LEVQOR_JOB_DUE_TIMES").ok().map_or(DUE_TIMES, |text| text.parse().unwrap());
    let zones = ["Europe/London", "America/New_York", "Asia/Kolkata", "UTC", "Australia/Lord_Howe"];
    // Before the clocks of London and New York go back.
    let world = World::at("2026-10-24T00:00:30Z");
    let specs = || -> Vec<JobSpec> {
        JOBS.iter().zip(zones.iter().cycle()).map(|(id, zone)| spec(id, "* * * * *", zone)).collect()
    };
    let mut nodes = vec![world.node(specs()).await, world.node(specs()).await, world.node(specs()).await];
    nodes[0].works().await.unwrap();
    let begin = world.clock.now();
    let minutes = wanted.div_ceil(JOBS.len());
    let mut kills = 0;
    for minute in 0..minutes {
        world.clock.advance(Duration::from_secs(60));
        for node in &nodes {
            world.store.renew_node(node.id, node.epoch, world.clock.now(), LEASE * 100).await.unwrap();
        }
        let leader = usize::try_from(world.random.u64() % 3).unwrap();
        if minute % 7 == 0 {
            let lost = nodes.remove(leader);
            let polls = world.random.u64() % 120;
            let ended = killed_after(polls, lost.works()).await;
            kills += usize::from(!ended);
            // Its lease is over, and somebody looks.
            world.store.stop_node(lost.id, world.clock.now()).await.unwrap();
            nodes.push(world.node(specs()).await);
        }
        // Whoever comes first; the others find nothing, or what was lost.
        for turn in 0..nodes.len() {
            nodes[(leader + turn) % nodes.len()].works().await.unwrap();
        }
    }
    let expected = minutes * JOBS.len();
    let (mut rows, mut begun_twice) = (0, 0);
    let ledger = world.ledger.lock().unwrap().clone();
    for job in JOBS {
        let mut before = None;
        let mut firings = Vec::new();
        loop {
            let page = world.store.job_firings(job.to_owned(), before, 1_000).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.due_at);
            firings.extend(page);
        }
        firings.reverse();
        assert_eq!(firings.len(), minutes, "{job}: due times without a row");
        rows += firings.len();
        for (number, firing) in firings.iter().enumerate() {
            let due = begin + Duration::from_secs(60 * number as u64 + 30);
            assert_eq!(firing.due_at, due, "{job}: missed");
            assert_eq!(firing.state, FiringState::Done, "{firing:?}");
            let (begun, done) = ledger[&(job.to_owned(), due)];
            assert!(
                done >= 1 && begun <= u32::try_from(firing.attempt).unwrap(),
                "{firing:?} {begun} {done}"
            );
            begun_twice += usize::from(firing.attempt > 1);
        }
        let now = world.store.job(job.to_owned()).await.unwrap().unwrap();
        assert_eq!((now.job.missed, now.job.skipped, now.open), (0, 0, None), "{job}");
    }
    assert_eq!((rows, ledger.len()), (expected, expected));
    // So that it shows that nodes were lost with something on their hands.
    assert!(
        kills * 20 > minutes / 7 && begun_twice > minutes / 100,
        "{kills} kills, {begun_twice} begun twice"
    );
}
