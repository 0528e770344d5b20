//! The runs that are in memory, and their inboxes.
//!
//! Invariant: whoever has something for a run finds it here and delivers, or finds it absent and wakes it. Leaving and
//! delivering exclude each other, so nothing falls between them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use levqor_flow::machine::{EffectId, Outcome};
use levqor_model::{RunId, Timestamp};
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::{backlog::Backlog, pending::Pending};

/// Something that happened to a run. There is at most one for each pending effect, which bounds an inbox.
#[derive(Debug)]
pub(crate) enum Mail {
    Ended {
        effect: EffectId,
        outcome: Outcome,
        /// The AI credits that it cost.
        credits: u64,
    },
    /// `at` is when the timer was due: the clock may have been set back since.
    Due { effect: EffectId, at: Timestamp },
}

impl Mail {
    /// The end of an effect that cost no credits.
    pub(crate) fn ended(effect: EffectId, outcome: Outcome) -> Self {
        Mail::Ended { effect, outcome, credits: 0 }
    }

    fn due(&self) -> Option<(Timestamp, EffectId)> {
        match self {
            Mail::Due { effect, at } => Some((*at, *effect)),
            Mail::Ended { .. } => None,
        }
    }
}

/// What someone wants of a run besides its end. The last one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    Suspend {
        by: String,
    },
    /// Of the suspension that stands before this place of the journal. A later one is not meant: somebody who asks again because
    /// nobody said that it was done must not let the run go on twice.
    Resume {
        before: i64,
    },
}

#[derive(Debug, Default)]
struct Inbox {
    mails: Vec<Mail>,
    cancel: bool,
    /// Events were published that the run may want.
    events: bool,
    wish: Option<Wish>,
    /// Someone wanted the run loaded while it was here. Its driver may have been on its way out, so it is loaded again.
    load_again: bool,
}

/// A run in memory, as others see it.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    inbox: Mutex<Inbox>,
    /// Rings when there is mail, or something else for the driver to look at.
    pub(crate) bell: Notify,
    /// What the run waits for; written by its driver, read by whoever asks why it doesn't move.
    pending: Mutex<BTreeMap<EffectId, Pending>>,
}

impl Entry {
    pub(crate) fn cancel(&self) {
        self.inbox().cancel = true;
        self.bell.notify_one();
    }

    pub(crate) fn cancel_requested(&self) -> bool {
        self.inbox().cancel
    }

    pub(crate) fn wish(&self, wish: Wish) {
        self.inbox().wish = Some(wish);
        self.bell.notify_one();
    }

    pub(crate) fn wants_suspension(&self) -> bool {
        matches!(self.inbox().wish, Some(Wish::Suspend { .. }))
    }

    pub(crate) fn take_wish(&self) -> Option<Wish> {
        self.inbox().wish.take()
    }

    /// In order of arrival, timers among themselves as they were due: a wait that was over before its timeout is over,
    /// however late both are noticed. Where one has fired, so have all of the run that were due before it.
    pub(crate) fn take_mails(&self) -> Vec<Mail> {
        let mut mails = std::mem::take(&mut self.inbox().mails);
        let mut due: BTreeSet<(Timestamp, EffectId)> = mails.iter().filter_map(Mail::due).collect();
        let Some((last, _)) = due.last().copied() else { return mails };
        due.extend(self.pending().iter().filter_map(|(effect, item)| match item {
            Pending::Timer { at, .. } if *at <= last => Some((*at, *effect)),
            _ => None,
        }));
        let mut due = due.into_iter().map(|(at, effect)| Mail::Due { effect, at });
        // A timer that came twice leaves a place over, which goes.
        mails.retain_mut(|mail| match mail {
            Mail::Ended { .. } => true,
            Mail::Due { .. } => due.next().map(|next| *mail = next).is_some(),
        });
        mails.extend(due);
        mails
    }

    /// When the last of the timers in the inbox was due.
    pub(crate) fn last_due(&self) -> Option<Timestamp> {
        self.inbox().mails.iter().filter_map(Mail::due).max().map(|(at, _)| at)
    }

    pub(crate) fn push(&self, mail: Mail) {
        self.inbox().mails.push(mail);
        self.bell.notify_one();
    }

    /// Mails that were taken and must wait; they stay before those that came since.
    pub(crate) fn put_back(&self, mails: impl Iterator<Item = Mail>) {
        self.inbox().mails.splice(0..0, mails);
    }

    /// Has the driver look for events.
    pub(crate) fn tell_of_events(&self) {
        self.inbox().events = true;
        self.bell.notify_one();
    }

    pub(crate) fn take_events(&self) -> bool {
        std::mem::take(&mut self.inbox().events)
    }

    pub(crate) fn has_mail(&self) -> bool {
        let inbox = self.inbox();
        inbox.cancel || inbox.events || inbox.wish.is_some() || !inbox.mails.is_empty()
    }

    pub(crate) fn pending(&self) -> MutexGuard<'_, BTreeMap<EffectId, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sub-run that the effect started.
    pub(crate) fn know_child(&self, effect: EffectId, run: RunId) {
        if let Some(Pending::SubRun { child, .. }) = self.pending().get_mut(&effect) {
            *child = Some(run);
        }
    }

    /// Whether the effect is a sub-run whose end is nothing to this run.
    pub(crate) fn is_detached(&self, effect: EffectId) -> bool {
        matches!(self.pending().get(&effect), Some(Pending::SubRun { wait: false, .. }))
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct Registry {
    runs: Mutex<HashMap<RunId, Arc<Entry>>>,
    backlog: Arc<Backlog>,
}

/// A run's place in memory; given back when dropped, also when its driver is cut short.
#[derive(Debug)]
pub(crate) struct Seat {
    registry: Arc<Registry>,
    run: RunId,
    pub(crate) entry: Arc<Entry>,
    /// None for a run that no place was left for: it is only here until it is accepted.
    _place: Option<OwnedSemaphorePermit>,
}

impl Registry {
    pub(crate) fn new(backlog: Arc<Backlog>) -> Self {
        Self { runs: Mutex::default(), backlog }
    }

    /// Has the run loaded when there is a place; when it is in memory, after it has left.
    pub(crate) fn wake(&self, run: RunId) {
        let runs = self.runs();
        match runs.get(&run) {
            Some(entry) => entry.inbox().load_again = true,
            None => self.backlog.push(run),
        }
    }

    /// A seat for the run; None when it has one.
    pub(crate) fn enter(self: &Arc<Self>, run: RunId) -> Option<Seat> {
        let mut runs = self.runs();
        if runs.contains_key(&run) {
            return None;
        }
        let entry = Arc::new(Entry::default());
        runs.insert(run, Arc::clone(&entry));
        drop(runs);
        Some(Seat { registry: Arc::clone(self), run, entry, _place: None })
    }

    pub(crate) fn get(&self, run: RunId) -> Option<Arc<Entry>> {
        self.runs().get(&run).cloned()
    }

    pub(crate) fn contains(&self, run: RunId) -> bool {
        self.runs().contains_key(&run)
    }

    /// Puts mail into the run's inbox; false when the run is not in memory.
    pub(crate) fn deliver(&self, run: RunId, mail: Mail) -> bool {
        let runs = self.runs();
        let Some(entry) = runs.get(&run) else { return false };
        entry.push(mail);
        true
    }

    /// Has the run look for events; false when it is not in memory.
    pub(crate) fn tell_of_events(&self, run: RunId) -> bool {
        self.tell(run, Entry::tell_of_events)
    }

    /// Tells the run's driver something; false when the run is not in memory.
    pub(crate) fn tell(&self, run: RunId, say: impl Fn(&Entry)) -> bool {
        let runs = self.runs();
        runs.get(&run).inspect(|entry| say(entry)).is_some()
    }

    pub(crate) fn ids(&self) -> Vec<RunId> {
        self.runs().keys().copied().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.runs().len()
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<RunId, Arc<Entry>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    pub(crate) fn with_place(mut self, place: OwnedSemaphorePermit) -> Self {
        self._place = Some(place);
        self
    }

    /// Leaves memory unless mail has come; false when it has.
    pub(crate) fn leave_if_quiet(&self) -> bool {
        let mut runs = self.registry.runs();
        if self.entry.has_mail() {
            return false;
        }
        runs.remove(&self.run);
        true
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut runs = self.registry.runs();
        // After `leave_if_quiet` the run may have come back with another seat.
        if runs.get(&self.run).is_some_and(|entry| Arc::ptr_eq(entry, &self.entry)) {
            runs.remove(&self.run);
        }
        if self.entry.inbox().load_again {
            self.registry.backlog.push(self.run);
        }
    }
}

#[cfg(test)]
mod tests {
    use levqor_model::SeededRandom;

    use super::*;

    fn registry() -> Arc<Registry> {
        Arc::new(Registry::new(Arc::new(Backlog::new())))
    }

    #[test]
    fn a_run_that_is_woken_on_its_way_out_comes_back() {
        let registry = registry();
        let run = RunId::new(Timestamp::from_seconds(1), &SeededRandom::new(1));
        let seat = registry.enter(run).unwrap();
        registry.wake(run);
        assert_eq!(registry.backlog.pop(), None);
        drop(seat);
        assert_eq!(registry.backlog.pop(), Some(run));
        registry.wake(run);
        assert_eq!(registry.backlog.pop(), Some(run));
        drop(registry.enter(run));
        assert_eq!(registry.backlog.pop(), None);
    }

    #[test]
    fn a_run_with_mail_does_not_leave() {
        let registry = registry();
        let run = RunId::new(Timestamp::from_seconds(1), &SeededRandom::new(1));
        let seat = registry.enter(run).unwrap();
        assert!(registry.enter(run).is_none());
        assert!(registry.deliver(run, Mail::Due { effect: 1, at: Timestamp::from_seconds(1) }));
        assert!(!seat.leave_if_quiet());
        assert_eq!(seat.entry.take_mails().len(), 1);
        assert!(seat.leave_if_quiet());
        assert!(!registry.deliver(run, Mail::Due { effect: 1, at: Timestamp::from_seconds(1) }));

        // The old seat does not take the new one's place away.
        let again = registry.enter(run).unwrap();
        drop(seat);
        assert!(registry.contains(run));
        drop(again);
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn timers_are_taken_as_they_were_due() {
        let entry = Entry::default();
        let due = |effect, at| Mail::Due { effect, at: Timestamp::from_seconds(at) };
        entry.push(due(1, 30));
        entry.push(Mail::ended(2, Outcome::Output(serde_json::Value::Null)));
        entry.push(due(3, 10));
        let order: Vec<EffectId> = entry
            .take_mails()
            .iter()
            .map(|mail| match mail {
                Mail::Ended { effect, .. } | Mail::Due { effect, .. } => *effect,
            })
            .collect();
        assert_eq!(order, [3, 2, 1]);
    }

    #[test]
    fn a_cancelled_run_does_not_leave() {
        let registry = registry();
        let seat = registry.enter(RunId::new(Timestamp::from_seconds(1), &SeededRandom::new(1))).unwrap();
        seat.entry.cancel();
        assert!(!seat.leave_if_quiet());
    }
}
