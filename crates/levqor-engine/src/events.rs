//! Publishing events, and waking the runs that may want them.
//!
//! ```text
//! publish, emit ─► the events' rows (durable) ─► queue ─► listeners by account and type ─► mail, or loading the run
//!                                                 │
//!                                     full, or a restart: missed
//!                                                 ▼
//!                                     sweep: listeners that are behind
//! ```
//!
//! The rows are the truth and the queue only makes haste: what it forgets is found by the sweep, which runs at the
//! start, when something was missed, and now and then. The sweep also moves the cursors of listeners past events that
//! are not meant for them, so that they are not looked at again, and can be forgotten.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use levqor_flow::event::{CloudEvent, Interest};
use levqor_model::{
    AccountId, RunId, Timestamp,
    limits::{EVENTS_KEPT, EVENTS_PER_REQUEST_MAX, UNREAD_EVENTS_KEPT},
};
use levqor_store::{
    events::NewEvent,
    listeners::{Listener, ListenerKey, UnreadBound},
};
use tokio::{sync::Notify, time::Instant};

use crate::{Engine, Error, core::Core, fault::Point};

/// Events whose listeners are still to be woken; at most as many times an event's greatest size in memory. What comes
/// beyond is left to the sweep.
const QUEUE_MAX: usize = 256;
/// Accounts whose triggers are still to be looked at; beyond, all are.
const ACCOUNTS_MAX: usize = 4_096;
/// Listeners read at once.
const PAGE: usize = 256;
/// Events read at once for a listener that is behind.
const EVENTS_PAGE: usize = 64;
const SWEEP_EVERY: Duration = Duration::from_secs(15);
/// How often the sweep looks for events that are more than is kept for a listener.
const BOUND_EVERY: Duration = Duration::from_secs(60 * 60);
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// An event whose row is durable.
#[derive(Debug, Clone)]
struct Announced {
    account: AccountId,
    /// Listeners that have read up to here need not be woken.
    seq: i64,
    event: Arc<CloudEvent>,
}

#[derive(Debug, Default)]
struct Board {
    queue: VecDeque<Announced>,
    /// Something may be there that is not in the queue.
    missed: bool,
    accounts: BTreeSet<AccountId>,
    accounts_missed: bool,
}

/// Whose triggers to look at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Accounts {
    All,
    These(BTreeSet<AccountId>),
}

#[derive(Debug)]
pub(crate) struct Events {
    board: Mutex<Board>,
    bell: Notify,
    pub(crate) triggers_bell: Notify,
}

impl Events {
    /// A fresh start knows nothing: everything may have been missed.
    pub(crate) fn new() -> Self {
        let board = Board { missed: true, accounts_missed: true, ..Board::default() };
        Self { board: Mutex::new(board), bell: Notify::new(), triggers_bell: Notify::new() }
    }

    /// An event is durable: whoever may want it is looked for.
    pub(crate) fn announce(&self, account: AccountId, seq: i64, event: Arc<CloudEvent>) {
        let mut board = self.board();
        if board.queue.len() < QUEUE_MAX {
            board.queue.push_back(Announced { account, seq, event });
        } else {
            board.missed = true;
        }
        if board.accounts.len() < ACCOUNTS_MAX {
            board.accounts.insert(account);
        } else {
            board.accounts_missed = true;
        }
        drop(board);
        self.bell.notify_one();
        self.triggers_bell.notify_one();
    }

    /// Runs may have been forgotten that were to be woken.
    pub(crate) fn miss(&self) {
        self.board().missed = true;
        self.bell.notify_one();
    }

    /// All triggers are looked at again.
    pub(crate) fn miss_triggers(&self) {
        self.board().accounts_missed = true;
    }

    /// Whose triggers may have something to read, and forgets it.
    pub(crate) fn take_accounts(&self) -> Accounts {
        let mut board = self.board();
        let accounts = std::mem::take(&mut board.accounts);
        if std::mem::take(&mut board.accounts_missed) { Accounts::All } else { Accounts::These(accounts) }
    }

    fn next(&self) -> Option<Announced> {
        self.board().queue.pop_front()
    }

    fn take_missed(&self) -> bool {
        std::mem::take(&mut self.board().missed)
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As its row is to be.
pub(crate) fn row(event: &CloudEvent, received_at: Timestamp) -> NewEvent {
    NewEvent {
        id: event.id().to_owned(),
        source: event.source().to_owned(),
        kind: event.kind().to_owned(),
        received_at,
        // An event is plain data, which always has a JSON text.
        body: serde_json::to_string(event).unwrap_or_else(|_| "null".to_owned()),
    }
}

impl Engine {
    /// Publishes events to the runs and workflows of an account, in this order; durable when this returns. The number of
    /// those that are new: one with the source and id of another changes nothing.
    ///
    /// Cancel safe: events whose publishing has begun are published, whether or not anyone waits for it.
    ///
    /// # Errors
    /// [`Error::TooManyEvents`]; [`Error::Overloaded`], [`Error::Draining`] and [`Error::Store`] when it cannot be done
    /// now. All are published, or none.
    pub async fn publish(&self, account: AccountId, events: Vec<CloudEvent>) -> Result<usize, Error> {
        let core = &self.core;
        if core.soft.is_cancelled() {
            return Err(Error::Draining);
        }
        if events.len() > EVENTS_PER_REQUEST_MAX {
            return Err(Error::TooManyEvents { found: events.len(), max: EVENTS_PER_REQUEST_MAX });
        }
        let (queued, capacity) = core.store.queue_depth();
        if queued * 10 >= capacity * 9 {
            return Err(Error::Overloaded { retry_after: Duration::from_secs(1) });
        }
        let work = publish(Arc::clone(core), account, events);
        // Dropped without an answer: the engine stopped hard.
        core.spawn_task(work).await.ok().flatten().ok_or(Error::Draining)?
    }
}

async fn publish(core: Arc<Core>, account: AccountId, events: Vec<CloudEvent>) -> Result<usize, Error> {
    let received_at = core.clock.now();
    let rows = events.iter().map(|event| row(event, received_at)).collect();
    core.reach(Point::BeforePublish).await;
    let published = core.faults.store(core.store.publish_events(account, rows)).await;
    core.reach(Point::AfterPublish).await;
    let numbers = match published {
        Ok(numbers) => numbers,
        Err(reason) => {
            // They may be durable all the same.
            core.events.miss();
            core.events.miss_triggers();
            return Err(reason.into());
        }
    };
    let mut new = 0;
    for (event, seq) in events.into_iter().zip(numbers) {
        if let Some(seq) = seq {
            new += 1;
            core.events.announce(account, seq, Arc::new(event));
        }
    }
    Ok(new)
}

/// Whose unread events a sweep bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bounded {
    Nobodys,
    /// Those of suspended runs. Others are only now catching up with what came before this engine.
    OfHeld,
    All,
}

/// Wakes listeners until the engine stops taking work.
pub(crate) async fn run(core: Arc<Core>) {
    let (mut swept_at, mut bounded_at): (Option<Instant>, Option<Instant>) = (None, None);
    loop {
        let mut failed = false;
        while let Some(announced) = core.events.next() {
            if let Err(reason) = wake_for(&core, &announced).await {
                tracing::warn!(error = %reason, "listeners could not be looked for; trying again");
                failed = true;
                break;
            }
        }
        let missed = core.events.take_missed();
        if failed || missed || swept_at.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
            let bounded = match bounded_at {
                None => Bounded::OfHeld,
                Some(at) if at.elapsed() >= BOUND_EVERY => Bounded::All,
                Some(_) => Bounded::Nobodys,
            };
            match sweep(&core, bounded).await {
                Ok(()) => {
                    failed = false;
                    swept_at = Some(Instant::now());
                    if bounded != Bounded::Nobodys {
                        bounded_at = swept_at;
                    }
                }
                Err(reason) => {
                    tracing::warn!(error = %reason, "listeners could not be looked through; trying again");
                    failed = true;
                }
            }
        }
        if failed {
            core.events.board().missed = true;
        }
        let nap = if failed { AFTER_FAILURE } else { SWEEP_EVERY };
        tokio::select! {
            () = core.soft.cancelled() => return,
            () = tokio::time::sleep(nap) => {}
            () = core.events.bell.notified(), if !failed => {}
        }
    }
}

/// Wakes the runs that may want the event.
async fn wake_for(core: &Core, announced: &Announced) -> Result<(), levqor_store::Error> {
    let Announced { account, seq, event } = announced;
    for kind in [Some(event.kind().to_owned()), None] {
        let mut after: Option<Listener> = None;
        loop {
            let read = core.store.listeners_for(*account, kind.clone(), *seq, after, PAGE);
            let page = core.faults.store(read).await?;
            for listener in page.iter().filter(|listener| !listener.is_held && may_match(listener, event)) {
                wake(core, listener.key.run_id);
            }
            let full = page.len() == PAGE;
            after = page.into_iter().next_back();
            if !full || core.soft.is_cancelled() {
                break;
            }
        }
    }
    Ok(())
}

/// Looks through all listeners for such as have something to read.
async fn sweep(core: &Core, bounded: Bounded) -> Result<(), levqor_store::Error> {
    let mut after: Option<ListenerKey> = None;
    loop {
        let page = core.faults.store(core.store.listeners(after, PAGE)).await?;
        let mut passed = Vec::new();
        for listener in page.iter().filter(|listener| listener.is_behind) {
            let read = core.store.events_after(
                listener.account_id,
                vec![listener.kind.clone()],
                listener.after_seq,
                EVENTS_PAGE,
            );
            let events = core.faults.store(read).await?;
            let wanted = events.events.iter().any(|stored| {
                // What cannot be read here can't be read by the run either, which passes it over.
                serde_json::from_str::<CloudEvent>(&stored.body)
                    .is_ok_and(|event| may_match(listener, &event))
            });
            if wanted {
                // One that is held reads on when its run is resumed.
                if !listener.is_held {
                    wake(core, listener.key.run_id);
                }
                let is_bounded = bounded == Bounded::All || bounded == Bounded::OfHeld && listener.is_held;
                let old = core.clock.now() - EVENTS_KEPT;
                if is_bounded && events.events.first().is_some_and(|first| first.received_at < old) {
                    let_go(core, listener).await?;
                }
            } else {
                passed.push((listener.key, events.through));
                if events.more {
                    core.events.board().missed = true;
                }
            }
        }
        if !passed.is_empty() {
            core.faults.store(core.store.advance_listeners(passed)).await?;
        }
        if page.len() < PAGE || core.soft.is_cancelled() {
            return Ok(());
        }
        after = page.last().map(|listener| listener.key);
    }
}

/// Lets go of events that the listener is too far behind for.
async fn let_go(core: &Core, listener: &Listener) -> Result<(), levqor_store::Error> {
    let now = core.clock.now();
    let bound = UnreadBound {
        count: core.limits.unread_events,
        counted_before: now - EVENTS_KEPT,
        kept_since: now - UNREAD_EVENTS_KEPT,
    };
    let lost = core.faults.store(core.store.let_go_unread(listener, bound)).await?;
    if lost > 0 {
        let run = listener.key.run_id;
        tracing::warn!(
            run.id = %run, events.lost = lost,
            "run {run} is too far behind: {lost} events were let go that it had not read"
        );
    }
    Ok(())
}

/// An interest that this build cannot read may be in anything.
fn may_match(listener: &Listener, event: &CloudEvent) -> bool {
    serde_json::from_str::<Interest>(&listener.interest).map_or(true, |interest| interest.may_match(event))
}

fn wake(core: &Core, run: RunId) {
    if !core.registry.tell_of_events(run) {
        // Loading finds them by itself.
        core.registry.wake(run);
    }
}

#[cfg(test)]
mod tests {
    use levqor_model::SeededRandom;
    use serde_json::json;

    use super::*;

    fn event() -> Arc<CloudEvent> {
        let event = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "t" });
        Arc::new(CloudEvent::parse(event).unwrap())
    }

    #[test]
    fn what_does_not_fit_is_missed_and_found_by_the_sweep() {
        let events = Events::new();
        assert!(events.take_missed(), "a fresh start knows nothing");
        assert_eq!(events.take_accounts(), Accounts::All);
        let account = AccountId::new(Timestamp::from_seconds(1), &SeededRandom::new(1));
        for _ in 0..QUEUE_MAX {
            events.announce(account, 1, event());
        }
        assert!(!events.take_missed());
        events.announce(account, 1, event());
        assert!(events.take_missed() && !events.take_missed());
        assert_eq!((0..).map_while(|_| events.next()).count(), QUEUE_MAX);
        assert_eq!(events.take_accounts(), Accounts::These(BTreeSet::from([account])));
        assert_eq!(events.take_accounts(), Accounts::These(BTreeSet::new()));
        events.miss_triggers();
        assert_eq!(events.take_accounts(), Accounts::All);
    }
}
