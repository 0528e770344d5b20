//! Takes runs out of the queue as their turns come and places are free.
//!
//! The queue is the database's: it is fair over accounts, bounded, and as long as it is, memory is not needed for it. What
//! is here is the pump: it looks when the store says that somebody may be next, and now and then for what others did.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use levqor_flow::{definition::Workflow, policy::KEY_LIMIT_MAX};
use levqor_model::{AccountId, RunStatus};
use levqor_store::{
    queue::{Ahead, Claimer, ConcurrencyKey, Gate},
    runs::Run,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    RunUpdate,
    core::{Backoff, Core},
    driver::drive_stored,
};

/// Runs that one transaction takes out.
const CLAIMED_AT_ONCE: usize = 64;
/// What other nodes did to the queue is noticed after at most this long.
const NAP_MAX: Duration = Duration::from_secs(1);
/// What a turn costs an account of weight 1.
const STRIDE: i64 = 1_000_000;
/// How long the weight of an account is believed.
const WEIGHT_FRESH: Duration = Duration::from_secs(60);
const WEIGHTS_MAX: u64 = 10_000;

#[derive(Debug)]
pub(crate) struct Pump {
    /// Runs are queued for want of places: those that come now must not overtake them.
    short: AtomicBool,
    /// What a turn costs each account.
    strides: moka::sync::Cache<AccountId, i64>,
}

impl Default for Pump {
    fn default() -> Self {
        let strides = moka::sync::Cache::builder().max_capacity(WEIGHTS_MAX).time_to_live(WEIGHT_FRESH);
        Self { short: AtomicBool::new(false), strides: strides.build() }
    }
}

impl Pump {
    /// Whether runs that want to begin find places.
    pub(crate) fn has_places(&self) -> bool {
        !self.short.load(Ordering::SeqCst)
    }

    /// A place for a run that comes now; None when there is none, or when others wait for one.
    pub(crate) fn place_for_a_start(&self, core: &Core) -> Option<OwnedSemaphorePermit> {
        if !self.has_places() {
            return None;
        }
        Arc::clone(&core.places).try_acquire_owned().ok()
    }
}

/// Starts queued runs until the engine stops taking work.
pub(crate) async fn run(core: Arc<Core>) {
    let mut backoff = Backoff::new();
    while !core.soft.is_cancelled() {
        match serve(&core).await {
            Ok(true) => backoff = Backoff::new(),
            Ok(false) => tokio::select! {
                () = core.soft.cancelled() => return,
                () = core.store.queue_changed() => {}
                () = tokio::time::sleep(NAP_MAX) => {}
            },
            Err(reason) => {
                tracing::warn!(error = %reason, "the queue of runs could not be looked at; trying again");
                // Runs may have been taken out whose names were lost on the way.
                core.backlog.forget();
                tokio::select! {
                    () = core.soft.cancelled() => return,
                    () = backoff.pause() => {}
                }
            }
        }
    }
}

/// Starts as many as there are places for, up to a bound. False: there is nobody whose turn it is.
async fn serve(core: &Arc<Core>) -> Result<bool, levqor_store::Error> {
    if !core.store.queue_is_ready().await? {
        core.pump.short.store(false, Ordering::SeqCst);
        return Ok(false);
    }
    let places = places(core).await;
    let claimer = Claimer {
        node: core.node,
        epoch: core.epoch,
        region: core.region.clone(),
        alone: !core.is_shared(),
        begun_only: core.is_drained(),
    };
    let now = core.clock.now();
    let max = core.limits.running_per_account;
    let runs = core.faults.store(core.store.claim_runs(claimer, places.len(), max, now)).await?;
    if runs.len() < places.len() {
        core.pump.short.store(false, Ordering::SeqCst);
    }
    let any = !runs.is_empty();
    for (run, place) in runs.into_iter().zip(places) {
        core.watchers.publish(run, [RunUpdate::Run { status: RunStatus::Running, at: now }]);
        match core.registry.enter(run) {
            Some(seat) => core.spawn(drive_stored(Arc::clone(core), run, seat.with_place(place))),
            // Whoever accepted it, or looked at it too early, is just leaving.
            None => core.registry.wake(run),
        }
    }
    Ok(any)
}

/// Waits for a place, and takes what else is free; none when the engine stops. Cancel safe.
async fn places(core: &Core) -> Vec<OwnedSemaphorePermit> {
    let mut places = Vec::new();
    while places.len() < CLAIMED_AT_ONCE {
        match Arc::clone(&core.places).try_acquire_owned() {
            Ok(place) => places.push(place),
            Err(_) if !places.is_empty() => break,
            Err(_) => {
                core.pump.short.store(true, Ordering::SeqCst);
                tokio::select! {
                    () = core.soft.cancelled() => break,
                    place = Arc::clone(&core.places).acquire_owned() => places.extend(place.ok()),
                }
            }
        }
    }
    places
}

impl Core {
    /// What a run must pass to begin.
    pub(crate) async fn gate(
        &self,
        account: AccountId,
        key: Option<ConcurrencyKey>,
        has_place: bool,
    ) -> Gate {
        Gate {
            key,
            has_place,
            running_max: self.limits.running_per_account,
            queued_max: self.limits.queued_per_account,
            queued_total_max: self.limits.queued,
            stride: self.stride(account).await,
            assumed: None,
        }
    }

    /// What a run that was accepted before must pass to go on.
    pub(crate) async fn gate_again(&self, run: &Run, workflow: &Workflow, has_place: bool) -> Gate {
        let key = run.concurrency_key.clone().map(|text| ConcurrencyKey {
            text,
            // A version that knows no key holds nobody back.
            limit: workflow
                .policy
                .concurrency
                .as_ref()
                .map_or(KEY_LIMIT_MAX, |concurrency| concurrency.limit),
        });
        self.gate(run.account_id, key, has_place).await
    }

    async fn stride(&self, account: AccountId) -> i64 {
        if self.limits.plan_weights.is_empty() {
            return STRIDE;
        }
        if let Some(stride) = self.pump.strides.get(&account) {
            return stride;
        }
        // An account that cannot be read now has the usual weight, until the next run.
        let Ok(row) = self.store.account(account).await else { return STRIDE };
        let weight = row.and_then(|row| self.limits.plan_weights.get(&row.plan).copied()).unwrap_or(1);
        let stride = STRIDE / i64::from(weight.max(1));
        self.pump.strides.insert(account, stride);
        stride
    }
}

/// Where a queued run stands, in one sentence. `at_limit`: as many of the account's runs are running as may.
pub(crate) fn describe(ahead: &Ahead, at_limit: bool) -> String {
    let runs = |count: i64| match count {
        1 => "1 run".to_owned(),
        Ahead::MAX.. => format!("{} or more runs", Ahead::MAX),
        count => format!("{count} runs"),
    };
    match ahead {
        Ahead::Account(0) if at_limit => "queued behind the running runs of this account".to_owned(),
        Ahead::Account(0) => "waits for a free place on a node".to_owned(),
        Ahead::Account(count) => format!("queued behind {} of this account", runs(*count)),
        Ahead::Key { key, runs: count } => {
            format!("queued behind {} with the concurrency key {key:?}", runs(*count))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_queue_is_one_sentence() {
        let key = |runs| Ahead::Key { key: "ada".to_owned(), runs };
        assert_eq!(describe(&Ahead::Account(0), false), "waits for a free place on a node");
        for (ahead, sentence) in [
            (Ahead::Account(0), "queued behind the running runs of this account"),
            (Ahead::Account(1), "queued behind 1 run of this account"),
            (Ahead::Account(12), "queued behind 12 runs of this account"),
            (Ahead::Account(1_000), "queued behind 1000 or more runs of this account"),
            (key(2), "queued behind 2 runs with the concurrency key \"ada\""),
        ] {
            assert_eq!(describe(&ahead, true), sentence);
        }
    }
}
