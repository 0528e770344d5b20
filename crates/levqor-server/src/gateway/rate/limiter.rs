//! One kind of limit on this node, and what it says to the region's count.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue};
use levqor_engine::Keyring;
use levqor_store::rates::{self, ASKED_MAX, Asked};
use tokio::sync::oneshot;

use super::{
    bucket::{LEASE_US, Moment, Quota, Verdict, Wish},
    table::Table,
};
use crate::App;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// How long a request waits for the region's count.
const PATIENCE: Duration = Duration::from_millis(500);
/// A request asks again when others took what was given for it.
const ROUNDS: u32 = 3;
/// Callers that wait for the region's count; for more each node's own share decides.
const WAITING_MAX: usize = 500;
/// Between two statements, while callers wait for the next: bounds what a crowd costs the database.
const PAUSE: Duration = Duration::from_millis(10);
/// Leases whose end is remembered; what is over beyond that is not given back, and time makes up for it.
const LEASES_MAX: usize = 10_000;

/// One kind of limit.
pub(super) struct Limiter {
    pub(super) name: &'static str,
    pub(super) uses: u32,
    /// None: no limit.
    pub(super) quota: Option<Quota>,
    table: Table,
    /// Makes the numbers of callers.
    keyring: Keyring,
    waiting: Mutex<Waiting>,
    /// When leases end, and whose they are, in the order in which they were given.
    leases: Mutex<VecDeque<(i64, i64)>>,
}

/// Who waits for the region's count. True is sent when it has answered.
#[derive(Default)]
struct Waiting {
    callers: HashMap<i64, Vec<oneshot::Sender<bool>>>,
    /// Somebody asks for them.
    is_asked: bool,
}

/// What is left of a quota.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) remaining: u32,
    /// Seconds until one more request is let through; zero when one is now.
    pub(super) wait: u64,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("name", &self.name).field("uses", &self.uses).finish_non_exhaustive()
    }
}

impl Limiter {
    pub(super) fn new(name: &'static str, uses: u32, keyring: &Keyring) -> Self {
        Self {
            name,
            uses,
            quota: Quota::per_minute(uses),
            table: Table::new(),
            keyring: keyring.clone(),
            waiting: Mutex::default(),
            leases: Mutex::default(),
        }
    }

    /// Whom the limit counts: a number that is the same on all nodes, and tells nobody who it is.
    pub(super) fn caller(&self, who: &[u8], route: &str) -> i64 {
        let parts: [&[u8]; 4] = [b"rate", self.name.as_bytes(), who, route.as_bytes()];
        self.keyring.number(&parts).cast_signed()
    }

    /// One more use. None: there is no limit. `which` is this limiter's place.
    pub(super) async fn take(&self, app: &App, which: usize, caller: i64) -> Option<Standing> {
        let quota = self.quota?;
        for _ in 0..ROUNDS {
            let moment = moment(app);
            match self.table.with(caller, moment.now, |bucket| bucket.take(quota, moment)) {
                Verdict::Ask => {}
                verdict => return Some(standing(verdict)),
            }
            let Some(answer) = self.wait(app, which, caller) else { break };
            if !matches!(tokio::time::timeout(PATIENCE, answer).await, Ok(Ok(true))) {
                break;
            }
        }
        let moment = moment(app);
        Some(standing(self.table.with(caller, moment.now, |bucket| bucket.take_share(quota, moment))))
    }

    /// None: too many wait.
    fn wait(&self, app: &App, which: usize, caller: i64) -> Option<oneshot::Receiver<bool>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.callers.len() >= WAITING_MAX && !waiting.callers.contains_key(&caller) {
            return None;
        }
        let (tell, told) = oneshot::channel();
        waiting.callers.entry(caller).or_default().push(tell);
        if !waiting.is_asked {
            waiting.is_asked = true;
            // Not by the request: it may be given up, and others wait for the same answer.
            let app = app.clone();
            tokio::spawn(async move { app.rates.limiter(which).ask(&app).await });
        }
        Some(told)
    }

    /// Asks for all who wait. What comes meanwhile is asked for next.
    async fn ask(&self, app: &App) {
        let Some(quota) = self.quota else { return };
        loop {
            let callers = self.next_to_ask();
            if callers.is_empty() {
                return;
            }
            let moment = moment(app);
            let wished = callers.iter().map(|(caller, waiters)| {
                let wish = self.table.with(*caller, moment.now, |bucket| bucket.wish(quota, moment));
                let waiters = u32::try_from(waiters.len()).unwrap_or(u32::MAX);
                (*caller, Wish { wanted: wish.wanted.max(waiters), ..wish })
            });
            let answered = self.say(app, quota, wished.collect()).await;
            for waiter in callers.into_iter().flat_map(|(_, waiters)| waiters) {
                // Whoever does not wait any more has been decided otherwise.
                let _ = waiter.send(answered);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn next_to_ask(&self) -> Vec<(i64, Vec<oneshot::Sender<bool>>)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let callers: Vec<i64> = waiting.callers.keys().take(ASKED_MAX).copied().collect();
        waiting.is_asked = !callers.is_empty();
        callers.into_iter().filter_map(|caller| waiting.callers.remove_entry(&caller)).collect()
    }

    /// Whether the region's count has heard it.
    async fn say(&self, app: &App, quota: Quota, wishes: Vec<(i64, Wish)>) -> bool {
        let asked = wishes
            .iter()
            .map(|(caller, wish)| Asked { caller: *caller, owed_us: wish.owed, wanted: wish.wanted })
            .collect();
        let limit = rates::Quota { name: self.name, step_us: quota.step, window_us: quota.most };
        let said = app.store.take_rates(app.region.code.clone(), limit, asked, app.now()).await;
        let now = moment(app).now;
        let found = match said {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(%error, "the region's count of requests could not be asked; this node lets its share pass");
                for (caller, wish) in wishes {
                    self.table.with(caller, now, |bucket| bucket.unsaid(now, wish));
                }
                return false;
            }
        };
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        for found in found {
            let (caller, region) = (found.caller, now.saturating_add(found.full_in_us));
            self.table.with(caller, now, |bucket| bucket.granted(quota, now, found.granted, region));
            if found.granted > 1 && leases.len() < LEASES_MAX {
                leases.push_back((now + LEASE_US, caller));
            }
        }
        true
    }

    /// Gives back what is left of leases that are over.
    pub(super) async fn give_back(&self, app: &App) {
        let Some(quota) = self.quota else { return };
        loop {
            let unused = self.unused(quota, moment(app).now);
            if unused.is_empty() || !self.say(app, quota, unused).await {
                return;
            }
        }
    }

    fn unused(&self, quota: Quota, now: i64) -> Vec<(i64, Wish)> {
        let mut wishes = Vec::new();
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        while wishes.len() < ASKED_MAX
            && let Some((_, caller)) = leases.pop_front_if(|(ends, _)| *ends <= now)
        {
            let wish = self.table.with(caller, now, |bucket| bucket.give_back(quota, now));
            wishes.extend(wish.map(|wish| (caller, wish)));
        }
        wishes
    }

    /// How the region's count stands with a caller.
    pub(super) fn hear(&self, now: i64, caller: i64, full_in_us: i64) {
        if let Some(quota) = self.quota {
            self.table.with(caller, now, |bucket| bucket.hear(quota, now.saturating_add(full_in_us)));
        }
    }

    /// Forgets callers whose quota is whole.
    pub(super) fn prune(&self, now: i64) {
        self.table.prune(now);
    }

    pub(super) fn words(&self) -> String {
        let uses = self.uses;
        match self.name {
            "account" => format!("your account may send {uses} requests a minute (fair use)"),
            "sender" => format!("one address may send {uses} messages a minute to webhooks"),
            _ => format!("without an API key, one address may send {uses} requests a minute to this route"),
        }
    }

    pub(super) fn write_headers(&self, standing: Standing, headers: &mut HeaderMap) {
        const WINDOW_SECONDS: u64 = 60;
        let (name, uses) = (self.name, self.uses);
        let used = u64::from(uses.saturating_sub(standing.remaining));
        let until_full = (used * WINDOW_SECONDS).div_ceil(u64::from(uses.max(1)));
        let policy = format!("\"{name}\";q={uses};w={WINDOW_SECONDS}");
        let limit = format!("\"{name}\";r={};t={until_full}", standing.remaining);
        for (header, text) in [(POLICY, policy), (LIMIT, limit)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(header, value);
            }
        }
    }
}

pub(super) fn moment(app: &App) -> Moment {
    Moment { now: app.now().as_micros(), nodes: app.rates.nodes() }
}

fn standing(verdict: Verdict) -> Standing {
    match verdict {
        Verdict::Pass { remaining } => Standing { remaining, wait: 0 },
        Verdict::Refuse { wait } => {
            Standing { remaining: 0, wait: u64::try_from(wait).unwrap_or_default() / 1_000_000 + 1 }
        }
        // It was asked, or nobody could be.
        Verdict::Ask => Standing { remaining: 0, wait: 1 },
    }
}
