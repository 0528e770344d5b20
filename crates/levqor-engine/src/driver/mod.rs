//! Drives one run: pure work, then one durable append, then the effects, then the wait for what they give.
//!
//! ```text
//!        ┌────────────────────────────────────────────────────┐
//!        ▼                                                    │
//!   mail ─► apply ─► slices until idle ─► append (durable) ─► perform ─► wait ─► leave memory
//!                                             │
//!                                             └─ refused as stale: somebody else has the run
//! ```
//!
//! Invariants: events are applied in memory before they are durable, but nothing outside learns of them before: no
//! effect, no reply, no update. What an append refuses is thrown away with the machine.

mod commit;
mod life;
mod listen;
mod perform;
mod resume;
mod slices;
mod wait;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use levqor_flow::{
    definition::Workflow,
    machine::{ApplyError, Effect, EffectId, Event, FlowError, Machine},
};
use levqor_model::{RunStatus, Timestamp};
use levqor_store::runs::Run;
use serde_json::Value;
use tracing::{Instrument, Span, debug_span};

use crate::{
    core::Core,
    fault::Point,
    lifecycle::{self, Audience, Life},
    mask::Mask,
    notepad::Notepad,
    pool::Panicked,
    registry::{Mail, Seat, Wish},
    sub_run,
};
use listen::{Listening, Reach};
use perform::InFlight;

pub(crate) use commit::Step;
pub(crate) use resume::{CANNOT_GO_ON, drive_stored};

/// Why driving stopped before the run's end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It waits for something far away, and was written down.
    Left,
    /// The engine stops.
    Drained,
    /// It may not go on now: it is queued, and whoever takes its turn loads it.
    Queued,
    /// Somebody else has written to the run, or a commit of our own went through without an answer.
    Stale,
    /// The run can't be moved by this build; the reason stands in its row.
    Stuck(String),
    /// The store refuses for good.
    Store(levqor_store::Error),
}

impl From<Panicked> for Stop {
    fn from(panicked: Panicked) -> Self {
        Stop::Stuck(panicked.to_string())
    }
}

pub(crate) struct Driver {
    core: Arc<Core>,
    seat: Seat,
    workflow: Arc<Workflow>,
    /// As it was written last.
    run: Run,
    /// None only while a slice is computed elsewhere.
    machine: Option<Machine>,
    notepad: Notepad,
    /// Asked for by the machine since the last append.
    effects: Vec<Effect>,
    /// Applied since the last append.
    events: Vec<Event>,
    in_flight: HashMap<EffectId, InFlight>,
    /// Some pending effects were not performed since the run is suspended.
    withheld: bool,
    /// Timer rows that stand for nothing; the next append takes them away.
    timers_stray: Vec<(EffectId, Timestamp)>,
    listening: Listening,
    /// The place behind the last entry that may have suspended the run.
    suspended_before: i64,
    /// For a run that came back, until its first append: the effects whose ends its journal had.
    resumed: Option<HashSet<EffectId>>,
    /// A run that came back does what it had done before, to where its effects were performed.
    does_again: bool,
    /// The work since the last append was too long for one slice: wishes could come in between.
    took_slices: bool,
    last_at: Timestamp,
    /// What must not be shown of the run.
    mask: Mask,
    /// Who is told of the run's life.
    told: Option<Audience>,
    /// Its first step was told.
    has_started: bool,
}

impl Driver {
    pub(crate) fn new(
        core: Arc<Core>,
        seat: Seat,
        workflow: Arc<Workflow>,
        run: Run,
        machine: Machine,
    ) -> Self {
        let (last_at, suspended_before) = (run.created_at, run.next_seq);
        let told = lifecycle::wanted(&core.lifecycle, run.account_id, &workflow);
        let notepad = Notepad::telling(told.is_some().then(Life::default));
        Self {
            core,
            seat,
            workflow,
            run,
            machine: Some(machine),
            notepad,
            effects: Vec::new(),
            events: Vec::new(),
            in_flight: HashMap::new(),
            withheld: false,
            timers_stray: Vec::new(),
            listening: Listening::default(),
            suspended_before,
            resumed: None,
            does_again: false,
            took_slices: false,
            last_at,
            mask: Mask::default(),
            told,
            has_started: false,
        }
    }

    pub(crate) fn masked(self, mask: Mask) -> Self {
        Self { mask, ..self }
    }

    /// Drives the run until it ends, leaves memory or is lost to another owner.
    pub(crate) async fn drive(mut self) {
        let span = self.span();
        let driven = async {
            let outcome = self.advance().await;
            self.stopped(outcome).await;
        };
        driven.instrument(span).await;
    }

    /// From the moment it is in memory until it leaves it, or ends.
    fn span(&self) -> Span {
        debug_span!(
            "run", run.id = %self.run.id, workflow.name = %self.run.name, workflow.version = %self.run.version
        )
    }

    /// Like [`Driver::drive`], for a run whose first step was accepted with it.
    pub(crate) async fn drive_on(mut self, begun: Result<Step, Stop>) {
        let span = self.span();
        let driven = async {
            let outcome = match begun {
                Ok(step) => {
                    self.begun(step).await;
                    self.go_on().await
                }
                Err(stop) => Err(stop),
            };
            self.stopped(outcome).await;
        };
        driven.instrument(span).await;
    }

    async fn stopped(mut self, outcome: Result<(), Stop>) {
        let Err(stop) = outcome else { return };
        self.abort_calls();
        let id = self.run.id;
        match stop {
            Stop::Left | Stop::Drained | Stop::Queued => {}
            Stop::Stale => {
                tracing::warn!(run.id = %id, "run {id} has moved on elsewhere; what was computed here is dropped");
                sub_run::look_again_later(&self.core, id);
            }
            Stop::Stuck(reason) => {
                resume::give_up(&self.core, &self.run, &self.seat.entry, &reason).await;
            }
            Stop::Store(reason) => {
                tracing::error!(run.id = %id, error = %reason, "run {id} stops: the store refuses its journal");
            }
        }
    }

    async fn advance(&mut self) -> Result<(), Stop> {
        if self.run.status == RunStatus::Pending {
            self.cancel_if_asked();
            self.heed_wish();
        }
        self.settle().await?;
        self.does_again = false;
        if self.resumed.is_some() {
            if self.events.is_empty() {
                self.follow_watchers().await;
                self.follow_subscribers().await;
            }
            // Before what came due meanwhile: a run that nobody wants any more does nothing more, and lets go of all it waits for.
            self.cancel_if_asked();
            self.settle().await?;
            self.catch_up();
        }
        self.take_mail().await?;
        self.commit().await?;
        self.cancel_orphans().await;
        self.go_on().await
    }

    /// From one append to the next.
    async fn go_on(&mut self) -> Result<(), Stop> {
        loop {
            if self.status().is_ended() {
                self.finish().await;
                return Ok(());
            }
            self.wait().await?;
            self.follow_watchers().await;
            self.follow_subscribers().await;
            self.take_mail().await?;
            self.commit().await?;
        }
    }

    /// Takes in everything that has come, as if it had come one by one; one append follows for all of it.
    async fn take_mail(&mut self) -> Result<(), Stop> {
        let mut mails = self.seat.entry.take_mails().into_iter();
        let mut reach = Reach::All;
        while let Some(mail) = mails.next() {
            if self.status().is_ended() {
                return Ok(());
            }
            if let Mail::Due { at, .. } = mail {
                self.take_answers().await?;
                reach = self.offer_events(Some(at)).await?;
            }
            if reach == Reach::More {
                // What came before the timer is more than one append takes.
                self.seat.entry.put_back([mail].into_iter().chain(mails));
                break;
            }
            let due = match mail {
                Mail::Due { effect, at } => Some((effect, at)),
                Mail::Ended { .. } => None,
            };
            let event = match mail {
                Mail::Ended { effect, outcome, credits } => {
                    self.in_flight.remove(&effect);
                    Event::EffectEnded { at: self.moment(), effect, outcome, credits }
                }
                Mail::Due { effect, at } => {
                    self.last_at = self.last_at.max(at);
                    Event::TimerFired { at: self.moment(), effect }
                }
            };
            if self.apply(event) {
                self.settle().await?;
            } else if let Some((effect, at)) = due {
                // Nothing waits for it, so that nothing may wait behind it either.
                if self.seat.entry.pending().remove(&effect).is_some() {
                    self.timers_stray.push((effect, at));
                }
            }
        }
        if reach == Reach::All {
            reach = self.offer_events(None).await?;
        }
        if reach == Reach::More && !self.core.soft.is_cancelled() {
            self.seat.entry.tell_of_events();
        }
        self.cancel_if_asked();
        self.settle().await?;
        if self.heed_wish() {
            self.settle().await?;
        }
        if self.heed_budget() { self.settle().await } else { Ok(()) }
    }

    fn cancel_if_asked(&mut self) {
        if self.seat.entry.cancel_requested() && !self.status().is_ended() {
            let event = Event::Cancelled {
                at: self.moment(),
                tasks_begun: self.machine().map_or(0, Machine::tasks_begun),
            };
            self.apply(event);
        }
    }

    /// Suspends the run or lets it go on, when someone wants that; true when anything changed.
    fn heed_wish(&mut self) -> bool {
        let Some(wish) = self.seat.entry.take_wish() else { return false };
        if self.status().is_ended() {
            return false;
        }
        let at = self.moment();
        match wish {
            Wish::Resume { before } if before < self.suspended_before => false,
            Wish::Resume { .. } => {
                let resumed = self.apply(Event::Resumed { at });
                if resumed {
                    // What came meanwhile is offered now.
                    self.seat.entry.tell_of_events();
                }
                resumed
            }
            Wish::Suspend { by } => {
                let tasks_begun = self.machine().map_or(0, Machine::tasks_begun);
                let suspended = self.apply(Event::Suspended { at, tasks_begun, by: Some(by), budget: false });
                if suspended {
                    self.hold_back_calls();
                }
                suspended
            }
        }
    }

    /// Suspends the run when its budget is used up and it can't go on without more; true when anything changed.
    fn heed_budget(&mut self) -> bool {
        let Some(machine) = self.machine().filter(|machine| machine.has_no_budget().is_some()) else {
            return false;
        };
        let tasks_begun = machine.tasks_begun();
        let at = self.moment();
        let suspended = self.apply(Event::Suspended { at, tasks_begun, by: None, budget: true });
        if suspended {
            self.hold_back_calls();
        }
        suspended
    }

    /// False when the event doesn't fit any more, such as the end of an effect that was abandoned.
    fn apply(&mut self, event: Event) -> bool {
        let Some(machine) = &mut self.machine else { return false };
        match machine.apply(&event, &mut self.notepad) {
            Ok(()) => {
                self.events.push(event);
                true
            }
            Err(
                reason @ (ApplyError::NotPending(_)
                | ApplyError::Status(_)
                | ApplyError::NotWanted(_)
                | ApplyError::Full(_)),
            ) => {
                tracing::debug!(run.id = %self.run.id, %reason, "an event came too late");
                false
            }
            // A step that takes too long: the run is about to be aborted for it.
            Err(ApplyError::Busy) if matches!(event, Event::Suspended { .. }) => false,
            Err(reason @ (ApplyError::Start | ApplyError::Busy)) => {
                tracing::error!(run.id = %self.run.id, %reason, "an event came out of turn; this is a defect of levqor");
                false
            }
        }
    }

    /// What time it is for the run: never earlier than its last event, whatever the clock does.
    fn moment(&mut self) -> Timestamp {
        self.last_at = self.last_at.max(self.core.clock.now());
        self.last_at
    }

    fn machine(&self) -> Option<&Machine> {
        self.machine.as_ref()
    }

    /// Output and error as they may be shown, once the run has ended.
    pub(crate) fn results(&self) -> (Option<Value>, Option<FlowError>) {
        let machine = self.machine();
        let output = machine.and_then(Machine::output).cloned().map(|output| self.mask.value(output));
        let error = machine.and_then(Machine::error).cloned().map(|error| self.mask.error(error));
        (output, error)
    }

    fn status(&self) -> RunStatus {
        self.machine().map_or(self.run.status, Machine::status)
    }

    async fn finish(&mut self) {
        self.abort_calls();
        self.core.reach(Point::AfterEnd).await;
        if let Some(machine) = &self.machine {
            resume::conclude(&self.core, &self.run, sub_run::outcome(self.run.id, machine));
        }
    }
}
