//! Somebody who looks, many times a second, whether reads and writes are good: a list of runs, and a start under a key.
//!
//! The next request is sent whether or not the last was answered, so a silence is seen for as long as it lasts.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use levqor_testkit::Client;
use serde_json::json;
use tokio::{sync::Semaphore, task::JoinSet};

use super::callers::instead;

/// Good is: answered, and within this.
const GOOD: Duration = Duration::from_millis(500);
/// And all that were sent for so long after it are good as well.
const STEADY: Duration = Duration::from_secs(1);
/// A fault shows within this, or not at all.
const SHOWS_WITHIN: Duration = Duration::from_secs(20);
/// Not answered by then: it never will be.
const PATIENCE: Duration = Duration::from_secs(30);
/// Under way at once, of each kind; while there are so many, what is not sent counts as not answered.
const UNDER_WAY_MAX: usize = 300;

#[derive(Debug, Clone, Copy)]
pub struct Seen {
    sent: Instant,
    took: Duration,
    is_answered: bool,
}

impl Seen {
    fn is_good(&self) -> bool {
        self.is_answered && self.took <= GOOD
    }
}

/// What was seen of one fault.
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    /// From the fault until all is good again; zero when it never was otherwise.
    pub good_after: Duration,
    pub longest: Duration,
    pub failed: u64,
    pub sent: u64,
}

type Shared = Arc<Mutex<Vec<Seen>>>;

pub struct Prober {
    instead: Arc<Mutex<BTreeMap<String, u64>>>,
    reads: Shared,
    writes: Shared,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Prober {
    pub fn begin(client: &Client, workflow: &str, every: Duration) -> Self {
        let instead = Arc::<Mutex<BTreeMap<String, u64>>>::default();
        let (reads, writes, stop) = (Shared::default(), Shared::default(), Arc::<AtomicBool>::default());
        let mut tasks = JoinSet::new();
        let path = format!("/api/workflows/{workflow}/runs");
        for (seen, path) in [(&reads, None), (&writes, Some(path))] {
            let (client, seen, stop) = (client.clone(), Arc::clone(seen), Arc::clone(&stop));
            let instead = Arc::clone(&instead);
            tasks.spawn(async move { look(&client, path.as_deref(), every, &seen, &instead, &stop).await });
        }
        Self { instead, reads, writes, stop, tasks }
    }

    /// What was seen of reads and of writes since the fault began.
    pub fn windows(&self, begun: Instant) -> [Window; 2] {
        [&self.reads, &self.writes].map(|seen| {
            let mut seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
            window(&mut seen, begun)
        })
    }

    /// What came instead of answers, and how often.
    pub async fn end(mut self) -> BTreeMap<String, u64> {
        self.stop.store(true, Ordering::SeqCst);
        while self.tasks.join_next().await.is_some() {}
        std::mem::take(&mut *self.instead.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn look(
    client: &Client,
    start: Option<&str>,
    every: Duration,
    seen: &Shared,
    wrong: &Arc<Mutex<BTreeMap<String, u64>>>,
    stop: &AtomicBool,
) {
    let numbers = AtomicU64::new(0);
    let room = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let mut tasks = JoinSet::new();
    let mut turns = tokio::time::interval(every);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !stop.load(Ordering::SeqCst) {
        turns.tick().await;
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let sent = Instant::now();
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            push(seen, Seen { sent, took: PATIENCE, is_answered: false });
            continue;
        };
        let (client, start, seen) = (client.clone(), start.map(str::to_owned), Arc::clone(seen));
        let wrong = Arc::clone(wrong);
        tasks.spawn(async move {
            let _place = place;
            let request = async {
                match start {
                    None => client.get("/api/runs?limit=1").await,
                    Some(path) => client.post_once(&path, &json!({}), &format!("probe-{number}")).await,
                }
            };
            let answer = tokio::time::timeout(PATIENCE, request).await;
            let is_answered = matches!(&answer, Ok(Ok(answer)) if matches!(answer.status, 200 | 202));
            if !is_answered {
                let mut wrong = wrong.lock().unwrap_or_else(PoisonError::into_inner);
                *wrong.entry(instead(answer)).or_default() += 1;
            }
            push(&seen, Seen { sent, took: sent.elapsed(), is_answered });
        });
        while tasks.try_join_next().is_some() {}
    }
    while tasks.join_next().await.is_some() {}
}

fn push(seen: &Shared, one: Seen) {
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(one);
}

fn window(seen: &mut Vec<Seen>, begun: Instant) -> Window {
    seen.retain(|one| one.sent + one.took >= begun);
    seen.sort_by_key(|one| one.sent);
    let mut window = Window {
        longest: seen.iter().map(|one| one.took).max().unwrap_or_default(),
        failed: seen.iter().filter(|one| !one.is_answered).count() as u64,
        sent: seen.len() as u64,
        ..Window::default()
    };
    // What was under way at the fault is seen by how long it took; what matters from here is when it was sent.
    let Some(first) = seen.iter().position(|one| !one.is_good() && one.sent < begun + SHOWS_WITHIN) else {
        return window;
    };
    let mut last = first;
    for (place, one) in seen.iter().enumerate().skip(first) {
        if one.sent > seen[last].sent + STEADY {
            break;
        }
        if !one.is_good() {
            last = place;
        }
    }
    let good = seen.get(last + 1).map_or_else(|| seen[last].sent + seen[last].took, |one| one.sent);
    window.good_after = good.saturating_duration_since(begun);
    window
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_where_all_is_good_for_a_while() {
        let begun = Instant::now();
        let ms = Duration::from_millis;
        // (sent, took, answered) in ms from the fault; when all is good again, and how many failed.
        type Row = (&'static [(u64, u64, bool)], u64, u64);
        let rows: [Row; 5] = [
            (&[(0, 5, true), (20, 5, true)], 0, 0),
            (&[(0, 5, true), (20, 700, true), (40, 5, true), (1_200, 5, true)], 40, 0),
            // Good for less than a while, then bad again.
            (&[(0, 600, true), (20, 5, true), (500, 5, false), (520, 5, true), (2_000, 5, true)], 520, 1),
            // Another trouble, later: not the fault's.
            (&[(0, 600, true), (20, 5, true), (900, 5, true), (1_900, 600, true), (1_920, 5, true)], 20, 0),
            (&[(0, 5, true), (20, 30_000, false)], 30_020, 1),
        ];
        for (rows, good, failed) in rows {
            let mut seen = Vec::new();
            for (sent, took, is_answered) in rows {
                seen.push(Seen { sent: begun + ms(*sent), took: ms(*took), is_answered: *is_answered });
            }
            let window = window(&mut seen, begun);
            assert_eq!((window.good_after, window.failed), (ms(good), failed), "{rows:?}");
        }
    }
}
