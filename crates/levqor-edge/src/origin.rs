//! One origin: who it is, what is thought of it, its connections and its counters.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, StatusCode};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    config::OriginSpec,
    steering::Candidate,
    upstream::Pool,
    verdict::{Health, Observation, Rules, Verdict},
};

#[derive(Debug)]
pub struct Origin {
    pub spec: OriginSpec,
    /// The region's code, for answers whose origin does not tell it.
    pub region: HeaderValue,
    pub pool: Pool,
    pub counters: Counters,
    health: Mutex<Health>,
    // What every request reads, beside the lock.
    verdict: AtomicU8,
    /// 0: not measured.
    latency_us: AtomicU32,
    in_flight: AtomicU32,
    /// Checks are not answered, not even with "not ready".
    silent: AtomicBool,
    /// Traffic failed since the last answer.
    troubled: AtomicBool,
    /// Counts the changes of all origins.
    changes: Arc<watch::Sender<u64>>,
    /// Asks for a check now.
    pub(crate) check_now: Notify,
    /// Ends the checks that run.
    checks: Mutex<CancellationToken>,
}

/// What happened, since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Answers by the first digit of their status.
    pub answers: [AtomicU64; 6],
    pub connect_failures: AtomicU64,
    pub broken: AtomicU64,
    pub timeouts: AtomicU64,
    pub checks_passed: AtomicU64,
    pub checks_failed: AtomicU64,
    pub verdicts: [AtomicU64; 4],
}

/// What the edge tells of an origin.
#[derive(Debug, Clone)]
pub struct Told {
    pub verdict: Verdict,
    pub since: Instant,
    pub latency: Option<Duration>,
    pub last_error: Option<String>,
}

/// A request that an origin works on.
#[derive(Debug)]
pub struct InFlight(Arc<Origin>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Origin {
    pub fn new(spec: OriginSpec, rules: Rules, changes: Arc<watch::Sender<u64>>) -> Arc<Self> {
        // A code has letters, digits and dashes only.
        let region = HeaderValue::from_str(spec.region.as_str())
            .unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Arc::new(Self {
            spec,
            region,
            pool: Pool::default(),
            counters: Counters::default(),
            health: Mutex::new(Health::new(rules, Instant::now())),
            verdict: AtomicU8::new(Verdict::Unknown as u8),
            latency_us: AtomicU32::new(0),
            in_flight: AtomicU32::new(0),
            silent: AtomicBool::new(true),
            troubled: AtomicBool::new(false),
            changes,
            check_now: Notify::new(),
            checks: Mutex::new(CancellationToken::new()),
        })
    }

    pub fn verdict(&self) -> Verdict {
        Verdict::from_u8(self.verdict.load(Ordering::Acquire))
    }

    pub fn candidate(&self) -> Candidate<'_> {
        let latency = self.latency_us.load(Ordering::Relaxed);
        Candidate {
            region: &self.spec.region,
            verdict: self.verdict(),
            latency_us: (latency > 0).then_some(latency),
            in_flight: self.in_flight.load(Ordering::Relaxed),
        }
    }

    /// Suspected, and not because it said that it is not ready.
    pub fn is_lost(&self) -> bool {
        self.verdict() == Verdict::Suspect && self.silent.load(Ordering::Acquire)
    }

    /// Not for new requests, but it does answer.
    pub fn can_say_why(&self) -> bool {
        self.verdict() == Verdict::Suspect && !self.silent.load(Ordering::Acquire)
    }

    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Ends the checks that run; those that begin now end with the token that is given.
    pub(crate) fn next_checks(&self) -> CancellationToken {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.cancel();
        *checks = CancellationToken::new();
        checks.clone()
    }

    pub fn set_rules(&self, rules: Rules) {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).set_rules(rules);
    }

    pub fn told(&self) -> Told {
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        Told {
            verdict: health.verdict(),
            since: health.since(),
            latency: health.latency(),
            last_error: health.last_error().map(str::to_owned),
        }
    }

    /// Traffic was answered; `status` is for the counters.
    pub fn answered(&self, status: StatusCode) {
        self.counters.answers[usize::from(status.as_u16() / 100).min(5)].fetch_add(1, Ordering::Relaxed);
        if self.troubled.load(Ordering::Relaxed) {
            self.troubled.store(false, Ordering::Relaxed);
            self.observe(Observation::TrafficPassed);
        }
    }

    /// Traffic was sent and not answered.
    pub fn failed(&self, detail: String) {
        self.troubled.store(true, Ordering::Relaxed);
        self.observe(Observation::TrafficFailed { detail });
        self.check_now.notify_one();
    }

    /// Takes in what was seen, and tells who waits for a change.
    pub fn observe(&self, seen: Observation) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let before = health.verdict();
        let changed = health.observe(seen, Instant::now());
        let verdict = health.verdict();
        let micros = health.latency().map_or(0, |latency| latency.as_micros().clamp(1, u128::from(u32::MAX)));
        self.latency_us.store(u32::try_from(micros).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.silent.store(!health.answers(), Ordering::Release);
        self.verdict.store(verdict as u8, Ordering::Release);
        if !changed {
            return;
        }
        let error = health.last_error().unwrap_or("-").to_owned();
        drop(health);
        self.counters.verdicts[verdict as usize].fetch_add(1, Ordering::Relaxed);
        let (name, region) = (&self.spec.name, &self.spec.region);
        let (before, now) = (before.as_str(), verdict.as_str());
        if verdict == Verdict::Suspect {
            warn!(origin = %name, origin.region = %region, "origin {name} is {now} (was {before}): {error}");
            // Connections to a lost origin only cost whoever uses them next.
            self.pool.clear();
        } else {
            info!(origin = %name, origin.region = %region, "origin {name} is {now} (was {before})");
        }
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}
