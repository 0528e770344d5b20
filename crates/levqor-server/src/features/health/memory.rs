//! What health keeps in memory: the last verdict, when it looked last, samples that the store could not take yet.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use levqor_model::Timestamp;
use levqor_store::health::Sample;

use super::service::Readiness;

/// Readiness writes a row, so it is judged once for all who ask within this time.
const VERDICT_KEPT: Duration = Duration::from_secs(1);
/// Samples that wait for the store: nearly an hour of them. The oldest go first.
const WAITING_MAX: usize = 1_000;

#[derive(Debug)]
pub(crate) struct Memory {
    listening: OnceLock<SocketAddr>,
    last_look: AtomicI64,
    waiting: Mutex<VecDeque<Sample>>,
    verdict: tokio::sync::Mutex<Option<(Instant, Readiness)>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            listening: OnceLock::new(),
            last_look: AtomicI64::new(i64::MIN),
            waiting: Mutex::default(),
            verdict: tokio::sync::Mutex::default(),
        }
    }
}

impl Memory {
    /// The server answers here from now on, so it can be probed.
    pub(crate) fn listening_at(&self, address: SocketAddr) {
        // A second listener of the same process (tests) does not change what is probed.
        let _ = self.listening.set(address);
    }

    pub(super) fn listening(&self) -> Option<SocketAddr> {
        self.listening.get().copied()
    }

    /// How far `now` lies before the time of the last look. A clock that was set right again is right from then on.
    pub(super) fn clock_went_back(&self, now: Timestamp) -> Duration {
        let last = self.last_look.swap(now.as_micros(), Ordering::SeqCst);
        Timestamp::from_micros(last).since(now)
    }

    /// The verdict of the last second, or what `judge` finds now.
    pub(super) async fn verdict(&self, judge: impl Future<Output = Readiness>) -> Readiness {
        let mut kept = self.verdict.lock().await;
        if let Some((at, verdict)) = &*kept
            && at.elapsed() < VERDICT_KEPT
        {
            return verdict.clone();
        }
        let verdict = judge.await;
        *kept = Some((Instant::now(), verdict.clone()));
        verdict
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
