//! Planned trouble: the engine stops dead at a chosen point of its protocol, as a killed process would; the store fails
//! at chosen uses; a scripted callee answers in the place of the network.
//!
//! Tests interrupt every step of every protocol this way; a running server has no plan and pays one comparison a point.

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use levqor_flow::machine::{HttpRequest, Outcome};
use levqor_model::AccountId;
use levqor_store::Error;
use tokio::sync::Notify;

use crate::egress::{Client, Policy};

/// A point between two things that a crash may come between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    BeforeAccept,
    /// The run is durable; nobody was told.
    AfterAccept,
    /// Events were applied in memory only.
    BeforeAppend,
    /// The events are durable; their effects have not been performed.
    AfterAppend,
    BeforeCall,
    /// The callee answered; the answer is in memory only.
    AfterCall,
    BeforeSubRun,
    /// The sub-run is durable; its parent does not know it.
    AfterSubRun,
    /// The run's end is durable; whoever waits for it was not told.
    AfterEnd,
    /// Events were taken; nothing is durable.
    BeforePublish,
    /// Events from outside are durable; nobody was woken or told.
    AfterPublish,
    /// The sink has answered; that it has the events is in memory only.
    AfterDelivery,
}

impl Point {
    pub const ALL: &'static [Point] = &[
        Point::BeforeAccept,
        Point::AfterAccept,
        Point::BeforeAppend,
        Point::AfterAppend,
        Point::BeforeCall,
        Point::AfterCall,
        Point::BeforeSubRun,
        Point::AfterSubRun,
        Point::AfterEnd,
    ];

    /// Those of publishing, by which runs alone do not come.
    pub const PUBLISHING: &'static [Point] = &[Point::BeforePublish, Point::AfterPublish];
}

/// A point where whoever comes first after [`Barrier::lower`] waits until it is lifted: something else can happen in between.
#[derive(Debug)]
pub struct Barrier {
    point: Point,
    lowered: AtomicBool,
    arrived: Notify,
    lifted: Notify,
}

impl Barrier {
    pub fn at(point: Point) -> Arc<Self> {
        let (arrived, lifted) = (Notify::new(), Notify::new());
        Arc::new(Self { point, lowered: AtomicBool::new(false), arrived, lifted })
    }

    pub fn lower(&self) {
        self.lowered.store(true, Ordering::SeqCst);
    }

    /// Until somebody waits there.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    pub fn lift(&self) {
        self.lifted.notify_one();
    }
}

/// How one use of the store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing was done.
    Undone,
    /// It was done, and its answer was lost.
    Unanswered,
}

/// Answers calls in the place of the network.
pub trait Callee: fmt::Debug + Send + Sync {
    fn answer<'a>(&'a self, call: &'a HttpRequest) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;
}

/// What is planned for one engine; by default nothing.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    crash: Option<Arc<Crash>>,
    refusals: Option<Arc<Refusals>>,
    callee: Option<Arc<dyn Callee>>,
    client: Option<Client>,
    passes: Option<Arc<Passes>>,
    barrier: Option<Arc<Barrier>>,
}

/// How often each point was passed.
#[derive(Debug, Default)]
struct Passes([AtomicUsize; Point::ALL.len()]);

#[derive(Debug)]
struct Crash {
    point: Point,
    passes_left: AtomicUsize,
}

#[derive(Debug)]
struct Refusals {
    plan: BTreeMap<usize, Refusal>,
    uses: AtomicUsize,
}

impl Faults {
    /// The crash comes when `point` is reached for the `nth` time, from 1.
    pub fn at(point: Point, nth: usize) -> Self {
        Self { crash: Some(Arc::new(Crash { point, passes_left: AtomicUsize::new(nth) })), ..Self::default() }
    }

    /// Counts how often each point is passed.
    #[must_use]
    pub fn counting(mut self) -> Self {
        self.passes = Some(Arc::default());
        self
    }

    /// How often the point was passed since [`Faults::counting`].
    pub fn passes(&self, point: Point) -> usize {
        self.passes.as_ref().map_or(0, |passes| passes.0[point as usize].load(Ordering::SeqCst))
    }

    #[must_use]
    pub fn with_barrier(mut self, barrier: Arc<Barrier>) -> Self {
        self.barrier = Some(barrier);
        self
    }

    /// The store fails at these of its uses by runs and timers, counted from 1.
    #[must_use]
    pub fn refusing(mut self, plan: BTreeMap<usize, Refusal>) -> Self {
        self.refusals = Some(Arc::new(Refusals { plan, uses: AtomicUsize::new(0) }));
        self
    }

    /// With the client that would call if there were no callee: making one reads all root certificates of the machine,
    /// which is much for each of thousands of engines.
    #[must_use]
    pub fn calling(mut self, callee: Arc<dyn Callee>, client: Client) -> Self {
        self.callee = Some(callee);
        self.client = Some(client);
        self
    }

    pub(crate) fn client(&self, policy: Policy, version: &str) -> Client {
        match &self.client {
            Some(client) => client.clone(),
            None => Client::new(policy, version),
        }
    }

    /// Whether calls reach the network.
    pub(crate) fn calls_the_network(&self) -> bool {
        self.callee.is_none()
    }

    /// Whether the crash comes now.
    pub(crate) fn strikes(&self, point: Point) -> bool {
        if let Some(passes) = &self.passes {
            passes.0[point as usize].fetch_add(1, Ordering::SeqCst);
        }
        let Some(crash) = &self.crash else { return false };
        crash.point == point
            && crash
                .passes_left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_ok_and(|left| left == 1)
    }

    /// Waits where a barrier is.
    pub(crate) async fn wait_at(&self, point: Point) {
        let Some(barrier) = self.barrier.as_ref().filter(|barrier| barrier.point == point) else { return };
        if barrier.lowered.swap(false, Ordering::SeqCst) {
            barrier.arrived.notify_one();
            barrier.lifted.notified().await;
        }
    }

    /// One use of the store.
    pub(crate) async fn store<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let refusal = self.refusals.as_ref().and_then(|refusals| {
            let nth = refusals.uses.fetch_add(1, Ordering::SeqCst) + 1;
            refusals.plan.get(&nth).copied()
        });
        let planned = || Error::Unavailable("a planned failure".to_owned());
        match refusal {
            None => work.await,
            Some(Refusal::Undone) => Err(planned()),
            Some(Refusal::Unanswered) => work.await.and_then(|_| Err(planned())),
        }
    }

    /// One call to the outside.
    pub(crate) async fn call(&self, client: &Client, account: AccountId, call: &HttpRequest) -> Outcome {
        match &self.callee {
            None => client.call_for(Some(account), call).await,
            Some(callee) => callee.answer(call).await,
        }
    }
}
