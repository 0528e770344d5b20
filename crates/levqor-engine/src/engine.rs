//! The engine as callers see it.

use std::{sync::Arc, time::Duration};

use levqor_model::{AccountId, NodeId, RunId, RunStatus};
use levqor_store::{
    idempotency::KeyClaim,
    nodes::NewNode,
    queue::{Admitted, QueueLoad},
    runs::{Firing, Run},
    webhooks::WebhookMessage,
};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore, broadcast};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Engine, Error, Load, RunDetail, RunUpdate, Setup, StartRun, StopOnDrop, Stuck, TaskRecord, admission,
    approvals,
    backlog::Backlog,
    cluster::{self, Cluster},
    core::{Core, URGENT_PLACES},
    courier::Courier,
    definitions::Definitions,
    drains::Drains,
    ends::Ends,
    events::{self, Events},
    fault::Faults,
    follow,
    health::Health,
    lifecycle::Subscribers,
    measures::{Measures, RunMeasures},
    nudges,
    pool::Pool,
    processes::Processes,
    queue,
    quota::Quota,
    registry::Registry,
    schedules, sink,
    start::{Start, Started},
    sub_run, sweep,
    tasks::Window,
    timers::{self, Timers},
    triggers,
    watch::Watchers,
};

/// Threads for pure work.
const POOL_THREADS: usize = 3;
/// How long `cancel` waits for the run's driver.
const CANCEL_PATIENCE: Duration = Duration::from_secs(30);

impl Engine {
    /// Registers the node, takes over what a dead predecessor left, and begins to work in the background.
    ///
    /// # Errors
    /// When the store cannot be reached, or the machine gives no threads.
    pub async fn start(setup: Setup) -> Result<Self, Error> {
        Self::start_with(setup, Faults::default()).await
    }

    /// [`Engine::start`] with a planned crash, for tests.
    ///
    /// # Errors
    /// As [`Engine::start`].
    #[doc(hidden)]
    pub async fn start_with(setup: Setup, faults: Faults) -> Result<Self, Error> {
        let Setup {
            store,
            clock,
            random,
            node,
            region,
            surroundings,
            egress,
            processes,
            handlers,
            limits,
            vault,
            sink,
            cluster,
        } = setup;
        let sink = sink.map(|sink| {
            let client = sink.client(&egress, &surroundings.runtime_version);
            (sink, client.sensing(Arc::clone(&clock), Arc::clone(&random)))
        });
        let courier = Courier::new(&egress, &surroundings.runtime_version);
        let client = faults
            .client(egress, &surroundings.runtime_version)
            .sensing(Arc::clone(&clock), Arc::clone(&random));
        let pool = Pool::new(POOL_THREADS).map_err(Error::Threads)?;
        let now = clock.now();
        let store = store.recording_as(node, &region);
        let (region_code, version) = (region.clone(), surroundings.runtime_version.clone());
        let lease = cluster.lease();
        let registered = |alone| NewNode { id: node, region: region_code, version, lease, alone };
        let (store, epoch) = match &cluster {
            Cluster::Alone => {
                let epoch = store.register_node(registered(true), now).await?;
                let taken = store.own_live_runs(node, epoch, now).await?;
                tracing::info!(
                    node.id = %node, epoch, runs = taken, region = %region,
                    "node {node} drives {taken} runs that were there"
                );
                (store, epoch)
            }
            Cluster::Shared(_) => {
                let epoch = store.register_node(registered(false), now).await?;
                tracing::info!(node.id = %node, epoch, region = %region, "node {node} of {region} has joined");
                (store.acting_as(node), epoch)
            }
        };

        let lifecycle = Subscribers::with_sink(sink.is_some());
        for (account, kind) in store.lifecycle_subscribers().await? {
            lifecycle.add(account, [kind.as_str()]);
        }
        let drains = Drains::default();
        if matches!(cluster, Cluster::Shared(_)) {
            // Before anything could begin here.
            drains.set(store.drains().await?);
        }
        let backlog = Arc::new(Backlog::new());
        let core = Arc::new(Core {
            store,
            clock,
            random,
            node,
            epoch,
            region,
            cluster,
            drains,
            surroundings,
            client,
            courier,
            handlers,
            vault,
            registry: Arc::new(Registry::new(Arc::clone(&backlog))),
            backlog,
            places: Arc::new(Semaphore::new(limits.active_runs)),
            urgent_places: Arc::new(Semaphore::new(URGENT_PLACES)),
            calls: Arc::new(Semaphore::new(limits.effects)),
            processes: Processes::new(processes),
            limits,
            timers: Timers::default(),
            events: Events::new(),
            lifecycle,
            sink: sink::Board::default(),
            schedules_bell: Notify::new(),
            pump: queue::Pump::default(),
            pool,
            folds: Semaphore::new(POOL_THREADS - 1),
            definitions: Definitions::new(),
            watchers: Watchers::default(),
            ends: Ends::default(),
            health: Health::default(),
            measures: Measures::default(),
            quota: Quota::default(),
            woken: sweep::Woken::default(),
            faults,
            soft: CancellationToken::new(),
            hard: CancellationToken::new(),
            tracker: TaskTracker::new(),
        });
        if core.faults.calls_the_network() {
            let client = core.client.clone();
            core.spawn(async move { client.warm().await });
        }
        core.spawn(cluster::renew(Arc::clone(&core)));
        if let Cluster::Shared(shared) = &core.cluster {
            core.spawn(cluster::watch(Arc::clone(&core), shared.clone()));
            core.spawn(nudges::take(Arc::clone(&core)));
            core.spawn(nudges::hear(Arc::clone(&core)));
            core.spawn(nudges::heed_answers(Arc::clone(&core)));
        }
        core.spawn(timers::run(Arc::clone(&core)));
        core.spawn(admission::run(Arc::clone(&core)));
        core.spawn(queue::run(Arc::clone(&core)));
        core.spawn(schedules::run(Arc::clone(&core)));
        core.spawn(events::run(Arc::clone(&core)));
        core.spawn(triggers::run(Arc::clone(&core)));
        core.spawn(sweep::run(Arc::clone(&core)));
        core.spawn(approvals::tell_all(Arc::clone(&core)));
        if let Some((sink, client)) = sink {
            core.spawn(sink::run(Arc::clone(&core), sink, client));
        }
        let stop = Arc::new(StopOnDrop(Arc::clone(&core)));
        Ok(Self { core, _stop: stop })
    }

    /// Brings messages of the server's own to addresses outside.
    pub fn courier(&self) -> &Courier {
        &self.core.courier
    }

    /// Accepts a run; durable when this returns.
    pub async fn start_run(&self, request: StartRun) -> Result<RunDetail, Error> {
        self.start_run_once(request, None).await
    }

    /// [`Engine::start_run`] for a request with an `Idempotency-Key` that was claimed: the run that the claim has led to
    /// before, if there is one.
    ///
    /// # Errors
    /// As [`Engine::start_run`].
    pub async fn start_run_once(
        &self,
        request: StartRun,
        claim: Option<KeyClaim>,
    ) -> Result<RunDetail, Error> {
        let (account, input) = (request.account_id, request.input.clone());
        let started = Start::asked(&self.core, request, None, claim).await?;
        self.told(account, started, input).await
    }

    /// What whoever asked for a run is told of it.
    pub(crate) async fn told(
        &self,
        account: AccountId,
        Started { run, admitted, output, error }: Started,
        input: Value,
    ) -> Result<RunDetail, Error> {
        match admitted {
            Admitted::Already(run) => self.run(account, run).await,
            _ => Ok(self.core.as_accepted(RunDetail { run, input, output, error }).await),
        }
    }

    /// Accepts the run of a webhook message, or finds the one that the same message has started before, which is told.
    ///
    /// # Errors
    /// As [`Engine::start_run`].
    pub async fn start_run_for(
        &self,
        request: StartRun,
        message: Option<WebhookMessage>,
    ) -> Result<(RunId, bool), Error> {
        let firing = message.map(Firing::Message);
        let Started { run, admitted, .. } = Start::asked(&self.core, request, firing, None).await?;
        Ok(match admitted {
            Admitted::Already(run) => (run, true),
            _ => (run.id, false),
        })
    }

    /// Waits until the run has ended, at most `patience`; then the run as it is. Cancel safe.
    pub async fn wait_ended(
        &self,
        account: AccountId,
        run: RunId,
        patience: Duration,
    ) -> Result<RunDetail, Error> {
        let waiter = self.core.ends.waiter(run);
        let mut ended = std::pin::pin!(waiter.ended());
        // From here on no end is missed; what ended before stands in the row.
        ended.as_mut().enable();
        let deadline = tokio::time::Instant::now() + patience;
        let mut row = self.row(account, run).await?;
        if !self.core.is_shared() {
            if !row.status.is_ended() {
                // Late is an answer too.
                let _ = tokio::time::timeout_at(deadline, ended).await;
            }
            return self.run(account, run).await;
        }
        while !row.status.is_ended() && tokio::time::Instant::now() < deadline {
            let look = (tokio::time::Instant::now() + self.core.look_again()).min(deadline);
            // Whose run it is may change meanwhile.
            if tokio::time::timeout_at(look, ended.as_mut()).await.is_ok() {
                // It has done something, and may not be at its end.
                ended.set(waiter.ended());
                ended.as_mut().enable();
            }
            row = self.row(account, run).await?;
        }
        self.run(account, run).await
    }

    /// The run as it may be shown: the texts of its secrets are masked.
    pub async fn run(&self, account: AccountId, run: RunId) -> Result<RunDetail, Error> {
        let detail = self.stored(account, run).await?;
        let mask = self.core.mask(&detail.run).await?;
        Ok(mask.run(detail))
    }

    /// The run as it is.
    pub(crate) async fn stored(&self, account: AccountId, run: RunId) -> Result<RunDetail, Error> {
        let row = self.row(account, run).await?;
        let payloads = self.core.store.payloads(run).await?.unwrap_or_default();
        let unreadable = |reason: serde_json::Error| {
            Error::Store(levqor_store::Error::Decode(format!("a payload of run {run}: {reason}")))
        };
        Ok(RunDetail {
            run: row,
            input: serde_json::from_str(&payloads.input).map_err(unreadable)?,
            output: payloads.output.as_deref().map(serde_json::from_str).transpose().map_err(unreadable)?,
            error: payloads.error.as_deref().map(serde_json::from_str).transpose().map_err(unreadable)?,
        })
    }

    /// Task executions in the order in which they began, after `after`, at most `limit`; folded from the journal.
    pub async fn tasks(
        &self,
        account: AccountId,
        run: RunId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<TaskRecord>, Error> {
        let row = self.row(account, run).await?;
        let records =
            self.core.records_to_show(&row, Window::Page { after: after.unwrap_or(0), limit }).await?;
        let mask = self.core.mask(&row).await?;
        Ok(records.into_iter().map(|record| mask.task(record)).collect())
    }

    /// Updates from now on; the channel closes when the run ends. A slow reader loses the oldest updates and is told so.
    pub async fn watch(
        &self,
        account: AccountId,
        run: RunId,
    ) -> Result<broadcast::Receiver<RunUpdate>, Error> {
        self.row(account, run).await?;
        let updates = self.core.watchers.watch(run);
        // Looked at after the channel stands: an end after this look closes it, an end before it is seen here.
        if self.row(account, run).await?.status.is_ended() {
            self.core.watchers.close(run);
        } else {
            if let Some(entry) = self.core.registry.get(run) {
                entry.bell.notify_one();
            }
            if self.core.is_shared() {
                self.core.spawn(follow::follow(Arc::clone(&self.core), run));
            }
        }
        Ok(updates)
    }

    /// The evidence log has who wanted what of the run, before it is done.
    pub(crate) async fn note_wish(&self, run: &Run, kind: &'static str, details: Value) -> Result<(), Error> {
        let core = &self.core;
        Ok(core.store.note_wish(run.account_id, run.id, kind, details, core.clock.now()).await?)
    }

    /// Ends the run, its sub-runs and its calls; durable when this returns.
    ///
    /// # Errors
    /// [`Error::Store`] at once when the store refuses the run's journal; the run is cancelled when the store recovers.
    pub async fn cancel(&self, account: AccountId, run: RunId) -> Result<RunDetail, Error> {
        let core = &self.core;
        let row = self.row(account, run).await?;
        if row.status.is_ended() {
            return Err(Error::RunEnded { id: run, status: row.status });
        }
        self.note_wish(&row, "run.cancel_asked", json!({})).await?;
        let deadline = tokio::time::Instant::now() + CANCEL_PATIENCE;
        loop {
            if core.soft.is_cancelled() {
                return Err(Error::Draining);
            }
            let waiter = core.ends.waiter(run);
            let mut ended = std::pin::pin!(waiter.ended());
            ended.as_mut().enable();
            sub_run::cancel(core, run).await;
            let refused = tokio::select! { biased;
                () = ended => None,
                reason = waiter.refused() => Some(reason),
                // The wish may be lost with a driver that was just leaving: look again now and then.
                () = tokio::time::sleep(core.look_again()) => None,
            };
            let detail = self.run(account, run).await?;
            match detail.run.status {
                RunStatus::Cancelled => return Ok(detail),
                status if status.is_ended() => return Err(Error::RunEnded { id: run, status }),
                _ if tokio::time::Instant::now() > deadline => {
                    return Err(Error::Overloaded { retry_after: CANCEL_PATIENCE });
                }
                _ => {}
            }
            if let Some(reason) = refused {
                // The driver goes on trying; who asked need not wait for that.
                return Err(Error::Store(reason));
            }
        }
    }

    /// How many runs wait for their turn, and since when.
    pub async fn queue_load(&self) -> Result<QueueLoad, Error> {
        Ok(self.core.store.queue_load().await?)
    }

    /// Why runs that should go on do not, in one sentence; None when all is well.
    pub fn failure(&self) -> Option<String> {
        if self.is_stopped() && self.core.is_shared() {
            return Some(
                "this node has lost its lease: it drives no runs until it is back as a new node".to_owned(),
            );
        }
        self.core.health.failure()
    }

    /// Live runs that nothing moves, as the last look over all of them found them.
    pub fn stuck(&self) -> Stuck {
        self.core.health.stuck()
    }

    /// Looks for runs that nothing moves, now.
    pub async fn sweep(&self) {
        sweep::pass(&self.core).await;
    }

    /// Runs of one account that may run at the same time.
    pub fn concurrent_runs(&self) -> i64 {
        self.core.limits.running_per_account
    }

    /// What has happened to runs here since this was asked last.
    pub fn take_measures(&self) -> RunMeasures {
        self.core.measures.take()
    }

    pub fn load(&self) -> Load {
        let core = &self.core;
        Load {
            active_runs: core.registry.len(),
            effects_in_flight: core.limits.effects.saturating_sub(core.calls.available_permits()),
            timers_near: core.timers.len(),
        }
    }

    /// The bounds that it was started with.
    pub fn limits(&self) -> &crate::Limits {
        &self.core.limits
    }

    /// Stops taking work, lets calls in flight end for at most `patience`, leaves the rest to the next start.
    pub async fn drain(&self, patience: Duration) {
        let core = &self.core;
        core.soft.cancel();
        let quiet = async {
            while core.registry.len() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(patience, quiet).await.is_err() {
            tracing::warn!(
                runs = core.registry.len(),
                "calls were still in flight when patience ended; they are made again later"
            );
        }
        core.hard.cancel();
        core.tracker.close();
        core.tracker.wait().await;
        if let Err(reason) = core.store.stop_node(core.node, core.clock.now()).await {
            tracing::warn!(node.id = %core.node, error = %reason, "the node could not be marked as stopped");
        }
    }

    /// Looks at the clock now: for clocks that are moved by hand.
    pub fn clock_moved(&self) {
        self.core.timers.bell.notify_one();
        self.core.schedules_bell.notify_one();
    }

    /// Looks at the schedules now: they were changed in the store.
    pub fn schedules_changed(&self) {
        self.core.schedules_bell.notify_one();
    }

    /// Stops dead, as a killed process would: nothing is finished or written. For tests.
    #[doc(hidden)]
    pub async fn halt(&self) {
        self.core.soft.cancel();
        self.core.hard.cancel();
        self.core.tracker.close();
        self.core.tracker.wait().await;
    }

    /// Whether the engine has stopped, by itself or because it was told to.
    pub fn is_stopped(&self) -> bool {
        self.core.hard.is_cancelled()
    }

    /// Whether an operator wants this node's region empty: it begins no runs, and others take what it has.
    pub fn is_drained(&self) -> bool {
        self.core.is_drained()
    }

    /// Waits until it has stopped. Cancel safe.
    pub async fn stopped(&self) {
        self.core.hard.cancelled().await;
    }

    pub fn node(&self) -> NodeId {
        self.core.node
    }

    /// How long others wait for a sign of this node before they hold it for gone.
    pub fn lease(&self) -> std::time::Duration {
        self.core.cluster.lease()
    }

    pub(crate) async fn row(&self, account: AccountId, run: RunId) -> Result<Run, Error> {
        self.core.store.run(Some(account), run).await?.ok_or(Error::RunNotFound(run))
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.soft.cancel();
        self.0.hard.cancel();
    }
}
