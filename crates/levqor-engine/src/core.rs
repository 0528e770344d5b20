//! What all parts of the engine share.

use std::{future::Future, sync::Arc, time::Duration};

use levqor_flow::machine::Surroundings;
use levqor_model::{Clock, NodeId, Random, RegionCode};
use levqor_store::Store;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Limits,
    backlog::Backlog,
    cluster::Cluster,
    courier::Courier,
    definitions::Definitions,
    drains::Drains,
    egress,
    ends::Ends,
    events::Events,
    fault::{Faults, Point},
    handlers::Handlers,
    health::Health,
    lifecycle::Subscribers,
    pool::Pool,
    processes::Processes,
    queue::Pump,
    quota::Quota,
    registry::Registry,
    sink,
    sweep::Woken,
    timers::Timers,
    vault::Vault,
    watch::Watchers,
};

/// Runs that are loaded only to be cancelled, when no place is free.
pub(crate) const URGENT_PLACES: usize = 64;

const LOOK_AGAIN: Duration = Duration::from_secs(1);
const LOOK_AGAIN_SHARED: Duration = Duration::from_millis(150);

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) node: NodeId,
    pub(crate) epoch: i64,
    pub(crate) region: RegionCode,
    pub(crate) cluster: Cluster,
    /// Regions that operators want empty.
    pub(crate) drains: Drains,
    pub(crate) surroundings: Arc<Surroundings>,
    pub(crate) limits: Limits,
    pub(crate) client: egress::Client,
    pub(crate) courier: Courier,
    pub(crate) processes: Processes,
    pub(crate) handlers: Handlers,
    pub(crate) vault: Vault,
    pub(crate) registry: Arc<Registry>,
    pub(crate) backlog: Arc<Backlog>,
    /// Room in memory for runs.
    pub(crate) places: Arc<Semaphore>,
    /// A little more of it, for cancelling.
    pub(crate) urgent_places: Arc<Semaphore>,
    /// Calls in flight.
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) timers: Timers,
    pub(crate) events: Events,
    pub(crate) lifecycle: Subscribers,
    pub(crate) sink: sink::Board,
    pub(crate) schedules_bell: tokio::sync::Notify,
    pub(crate) pump: Pump,
    pub(crate) pool: Pool,
    /// Keeps readers of journals from taking the whole pool.
    pub(crate) folds: Semaphore,
    pub(crate) definitions: Definitions,
    pub(crate) watchers: Watchers,
    pub(crate) ends: Ends,
    pub(crate) health: Health,
    pub(crate) quota: Quota,
    pub(crate) woken: Woken,
    pub(crate) faults: Faults,
    /// Stop taking work.
    pub(crate) soft: CancellationToken,
    /// Stop now, in the middle of whatever it is.
    pub(crate) hard: CancellationToken,
    pub(crate) tracker: TaskTracker,
}

impl Core {
    /// Whether other nodes may drive runs of the same store.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.cluster, Cluster::Shared(_))
    }

    /// Whether an operator wants this node's region empty.
    pub(crate) fn is_drained(&self) -> bool {
        self.drains.has(&self.region)
    }

    /// How long whoever waits for a run to change waits before looking at its row: what another node does to it rings no bell
    /// here.
    pub(crate) fn look_again(&self) -> Duration {
        if self.is_shared() { LOOK_AGAIN_SHARED } else { LOOK_AGAIN }
    }

    /// Runs a part of the engine in the background, until it ends or the engine stops hard.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.spawn_task(work);
    }

    /// Like [`Core::spawn`], for work that has a result or may be aborted. None: the engine stopped hard.
    pub(crate) fn spawn_task<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<Option<T>> {
        self.tracker.spawn(self.hard.clone().run_until_cancelled_owned(work))
    }

    /// Crashes when the plan says so; otherwise does nothing.
    pub(crate) async fn reach(&self, point: Point) {
        self.faults.wait_at(point).await;
        if self.faults.strikes(point) {
            tracing::info!(?point, "planned crash");
            self.hard.cancel();
            std::future::pending::<()>().await;
        }
    }
}

/// Waiting times after failures of the store: they double, up to a bound, and end with the engine.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    const LEAST: Duration = Duration::from_millis(20);
    const MOST: Duration = Duration::from_secs(5);

    pub(crate) fn new() -> Self {
        Self { next: Self::LEAST }
    }

    /// Cancel safe.
    pub(crate) async fn pause(&mut self) {
        let pause = self.next;
        self.next = (pause * 2).min(Self::MOST);
        tokio::time::sleep(pause).await;
    }
}
