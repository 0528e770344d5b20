//! What health keeps in memory: the last verdict, when it looked last, samples that the store could not take yet.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use levqor_model::Timestamp;
use levqor_store::health::Sample;

use super::service::Readiness;

/// Readiness writes a row, so it is judged once for all who ask within this time.
const VERDICT_KEPT: Duration = Duration::from_millis(700);
/// A good verdict stands for so long while the next one is being found: a database that takes its time is not gone, and
/// whoever asks many times a second (the edge) would see a node come and go with every longer queue of writes. No longer,
/// since a node that has lost its database answers "ready" until then, and reads wait for it (docs/RESILIENCE.md).
const VERDICT_STANDS: Duration = Duration::from_millis(1_500);
/// No look takes so long.
const VERDICT_MAX: Duration = Duration::from_secs(15);
/// Samples that wait for the store: nearly an hour of them. The oldest go first.
const WAITING_MAX: usize = 1_000;
/// How far back this node's own samples are remembered, for a status page without a database.
const RECENT: Duration = Duration::from_secs(40);
/// The same, in samples.
const RECENT_MAX: usize = 1_000;
/// What goes on as it was is told so often; evidence counts as fresh for 15 s.
const TELL_EVERY: Duration = Duration::from_millis(4_500);
/// For so long after a change everything is told.
const TELL_ALL: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Memory {
    listening: OnceLock<SocketAddr>,
    last_look: AtomicI64,
    /// Free bytes where the database lives, as they were last; the largest number: nobody knows.
    disk_free: AtomicU64,
    waiting: Mutex<VecDeque<Sample>>,
    /// What this node saw lately, the oldest first.
    recent: Mutex<VecDeque<Sample>>,
    /// What was told of each component last.
    told: Mutex<BTreeMap<String, Told>>,
    /// Of what the log was told last that it is not good, and of what kind that is.
    complaints: Mutex<Vec<(&'static str, &'static str)>>,
    last: Arc<Mutex<Option<Verdict>>>,
    /// Held while somebody looks.
    looks: Arc<tokio::sync::Mutex<()>>,
}

/// What was told of a component.
#[derive(Debug, Clone, Copy)]
struct Told {
    good: bool,
    at: Timestamp,
    /// When it was another word.
    changed_at: Timestamp,
}

/// What was found, and when the look began.
#[derive(Debug, Clone)]
struct Verdict {
    at: Instant,
    found: Readiness,
}

impl Verdict {
    fn is_new(&self) -> bool {
        self.at.elapsed() < VERDICT_KEPT
    }

    fn stands(&self) -> bool {
        self.found.is_ready() && self.at.elapsed() < VERDICT_STANDS
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            listening: OnceLock::new(),
            last_look: AtomicI64::new(i64::MIN),
            disk_free: AtomicU64::new(u64::MAX),
            waiting: Mutex::default(),
            recent: Mutex::default(),
            told: Mutex::default(),
            complaints: Mutex::default(),
            last: Arc::default(),
            looks: Arc::default(),
        }
    }
}

impl Memory {
    /// The server answers here from now on, so it can be probed.
    pub(crate) fn listening_at(&self, address: SocketAddr) {
        // A second listener of the same process (tests) does not change what is probed.
        let _ = self.listening.set(address);
    }

    pub(crate) fn listening(&self) -> Option<SocketAddr> {
        self.listening.get().copied()
    }

    /// Notes how much of the disk is free.
    pub(super) fn note_disk_free(&self, bytes: Option<u64>) {
        self.disk_free.store(bytes.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How much of the disk was free last. None: nobody has looked, or the system does not tell.
    pub(super) fn disk_free(&self) -> Option<u64> {
        Some(self.disk_free.load(Ordering::Relaxed)).filter(|bytes| *bytes != u64::MAX)
    }

    /// How far `now` lies before the time of the last look. A clock that was set right again is right from then on.
    pub(super) fn clock_went_back(&self, now: Timestamp) -> Duration {
        let last = self.last_look.swap(now.as_micros(), Ordering::SeqCst);
        Timestamp::from_micros(last).since(now)
    }

    /// Whether something else is not good than when this was asked last; at first all is taken to be good.
    pub(super) fn complains_anew(&self, complaints: &[(&'static str, &'static str)]) -> bool {
        let mut last = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *last != complaints;
        if is_new {
            *last = complaints.to_vec();
        }
        is_new
    }

    /// The verdict that is new, or what `judge` finds now; a good one of before that, while it is being found.
    ///
    /// Cancel safe: what is being found is found, whoever goes away, and is there for the next who asks.
    pub(super) async fn verdict(
        &self,
        judge: impl Future<Output = Readiness> + Send + 'static,
    ) -> Option<Readiness> {
        let last = self.last();
        if let Some(last) = last.as_ref().filter(|last| last.is_new()) {
            return Some(last.found.clone());
        }
        let begun = Instant::now();
        let look = Arc::clone(&self.looks).try_lock_owned().ok().map(|turn| {
            let kept = Arc::clone(&self.last);
            // It ends by itself: each question to the database has a limit.
            tokio::spawn(async move {
                let found = judge.await;
                *locked(&kept) = Some(Verdict { at: begun, found });
                drop(turn);
            })
        });
        if let Some(last) = last.filter(Verdict::stands) {
            return Some(last.found);
        }
        match look {
            Some(look) => drop(look.await),
            None => drop(self.looks.lock().await),
        }
        self.last().map(|last| last.found)
    }

    fn last(&self) -> Option<Verdict> {
        // Older ones are left of a look that broke off.
        locked(&self.last).clone().filter(|last| last.at.elapsed() < VERDICT_MAX)
    }

    /// Remembers what was seen, for whoever asks while the store is away.
    pub(crate) fn saw(&self, seen: &[Sample]) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(newest) = seen.iter().map(|sample| sample.at).max() else { return };
        // What was said before the clock was set back would be taken for new once more.
        recent.retain(|sample| sample.at <= newest);
        recent.extend(seen.iter().cloned());
        while recent.len() > RECENT_MAX || recent.front().is_some_and(|first| newest.since(first.at) > RECENT)
        {
            recent.pop_front();
        }
    }

    /// What this node saw lately.
    pub(crate) fn recent(&self) -> Vec<Sample> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// What of it says something new: a change and what follows it, and every few seconds that nothing has changed.
    pub(crate) fn worth_telling(&self, mut seen: Vec<Sample>) -> Vec<Sample> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|sample| {
            let last = told.get(&sample.component).copied();
            let changed = last.is_none_or(|last| last.good != sample.good);
            let changed_at = match last {
                Some(last) if !changed => last.changed_at,
                _ => sample.at,
            };
            let due = last.is_none_or(|last| sample.at.since(last.at) >= TELL_EVERY || sample.at < last.at);
            let worth = changed || due || sample.at.since(changed_at) <= TELL_ALL;
            if worth {
                let now = Told { good: sample.good, at: sample.at, changed_at };
                told.insert(sample.component.clone(), now);
            }
            worth
        });
        seen
    }

    /// Has it wait for the store.
    pub(super) fn wait(&self, samples: Vec<Sample>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(samples);
        while waiting.len() > WAITING_MAX {
            waiting.pop_front();
        }
    }

    /// Adds `new` to what waits, and takes all of it.
    pub(super) fn take_waiting(&self, new: Vec<Sample>) -> Vec<Sample> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(new);
        waiting.drain(..).collect()
    }

    pub(super) fn give_back_waiting(&self, samples: Vec<Sample>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for sample in samples.into_iter().rev() {
            waiting.push_front(sample);
        }
        while waiting.len() > WAITING_MAX {
            waiting.pop_front();
        }
    }
}

fn locked(last: &Mutex<Option<Verdict>>) -> std::sync::MutexGuard<'_, Option<Verdict>> {
    last.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Notify;

    use super::*;
    use crate::features::health::service::{Check, Failure};

    fn good() -> Readiness {
        Readiness { checks: Vec::new() }
    }

    #[tokio::test]
    async fn a_look_ends_though_whoever_asked_has_gone() {
        let memory = Memory::default();
        let (looks, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let judge = || {
            let (looks, answer) = (Arc::clone(&looks), Arc::clone(&answer));
            async move {
                looks.fetch_add(1, Ordering::SeqCst);
                answer.notified().await;
                good()
            }
        };
        let impatient = tokio::time::timeout(Duration::from_millis(1), memory.verdict(judge())).await;
        assert!(impatient.is_err(), "nothing is known yet");
        answer.notify_one();
        assert_eq!(memory.verdict(judge()).await, Some(good()));
        assert_eq!(memory.verdict(judge()).await, Some(good()));
        assert_eq!(looks.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn what_is_not_good_is_logged_when_it_changes() {
        let memory = Memory::default();
        let (lease, clock) = (("lease", "is gone"), ("clock", "is wrong"));
        let rows: [(&[(&'static str, &'static str)], bool); 7] = [
            (&[], false),
            (&[lease], true),
            (&[lease], false),
            (&[lease, clock], true),
            (&[clock], true),
            (&[], true),
            (&[], false),
        ];
        for (number, (complaints, is_new)) in rows.into_iter().enumerate() {
            assert_eq!(memory.complains_anew(complaints), is_new, "{number}");
        }
    }

    #[test]
    fn changes_are_told_at_once_and_the_rest_now_and_then() {
        let memory = Memory::default();
        let node = levqor_model::NodeId::new(Timestamp::from_seconds(1), &levqor_model::SeededRandom::new(1));
        let mut told = String::new();
        // A look each second: well, ill from the 20th to the 32nd, well again.
        for second in 0..60_i64 {
            let sample = Sample {
                region: "eu-west".parse().unwrap(),
                node,
                component: "api".to_owned(),
                at: Timestamp::from_seconds(1_000 + second),
                good: !(20..32).contains(&second),
                latency_us: None,
                reason: None,
            };
            memory.saw(std::slice::from_ref(&sample));
            for sample in memory.worth_telling(vec![sample]) {
                told.push_str(&format!("{}{second} ", if sample.good { '+' } else { '-' }));
            }
        }
        assert_eq!(
            told,
            "+0 +1 +2 +3 +4 +5 +10 +15 -20 -21 -22 -23 -24 -25 -30 +32 +33 +34 +35 +36 +37 +42 +47 +52 +57 "
        );
        let recent = memory.recent();
        assert_eq!((recent.len(), recent[0].at), (41, Timestamp::from_seconds(1_019)));
    }

    #[test]
    fn what_was_said_before_the_clock_was_set_back_is_forgotten() {
        let memory = Memory::default();
        let sample = |second| Sample {
            region: "eu-west".parse().unwrap(),
            node: levqor_model::NodeId::new(Timestamp::from_seconds(1), &levqor_model::SeededRandom::new(1)),
            component: "api".to_owned(),
            at: Timestamp::from_seconds(second),
            good: true,
            latency_us: None,
            reason: None,
        };
        for second in [990, 1_000, 1_100, 995] {
            memory.saw(&[sample(second)]);
        }
        let times: Vec<i64> = memory.recent().iter().map(|sample| sample.at.as_seconds()).collect();
        assert_eq!(times, [995], "what came before the jump was gone with it");
        memory.saw(&[]);
        memory.saw(&[sample(996), sample(995)]);
        assert_eq!(memory.recent().len(), 3);
    }

    #[tokio::test]
    async fn a_good_verdict_stands_for_a_while_and_a_bad_one_does_not() {
        let bad = || {
            let failure = Some(Failure { plain: "is gone", detail: "gone".to_owned() });
            Readiness { checks: vec![Check { name: "engine", failure, latency_us: None }] }
        };
        let old = |found, age: Duration| Verdict { at: Instant::now().checked_sub(age).unwrap(), found };
        let ms = Duration::from_millis;
        for (verdict, is_answered) in [
            (old(good(), ms(1_200)), true),
            (old(good(), ms(1_800)), false),
            (old(bad(), ms(1_200)), false),
            (old(bad(), ms(500)), true),
        ] {
            let memory = Memory::default();
            let shown = format!("{verdict:?}");
            *memory.last.lock().unwrap() = Some(verdict);
            // The next look never ends.
            let asked = tokio::time::timeout(ms(20), memory.verdict(std::future::pending())).await;
            assert_eq!(asked.is_ok(), is_answered, "{shown}");
        }
    }
}
