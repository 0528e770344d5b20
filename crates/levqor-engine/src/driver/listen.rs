//! Events for the run's listening tasks: read in order, offered to the machine, noted how far.
//!
//! A listener's row is written with the entry that begins the wait, and its cursor moves with the entries that consume.
//! A cursor that was lost with the process only means that events are offered again; the machine knows which it has had.
//!
//! Invariant: events and timers are taken in as they came. An event that was received before a timer was due goes first,
//! however late both are noticed.

use std::collections::{BTreeMap, HashSet};

use levqor_flow::{
    event::CloudEvent,
    machine::{ApplyError, Effect, EffectId, Event},
};
use levqor_model::{RunStatus, Timestamp};
use levqor_store::events::{EventPage, StoredEvent};

use super::{Driver, Stop};
use crate::{approvals, core::Backoff, pending::Pending, registry::Mail};

/// Events taken in with one append at most: bounds its size.
const PAGE: usize = 32;

/// How far a listening task has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) read: i64,
    /// As it stands in its row.
    pub(super) written: i64,
}

/// What the driver knows of the run's listening tasks.
#[derive(Debug, Default)]
pub(super) struct Listening {
    /// Of tasks whose rows are durable and were read.
    pub(super) cursors: BTreeMap<EffectId, Cursor>,
    /// There may be events that have not been offered.
    pub(super) unread: bool,
    /// For a run that came back before its first step: rows that it had when it was here before.
    pub(super) rows: Vec<EffectId>,
    /// The same, for questions to people.
    pub(super) questions: Vec<EffectId>,
    /// Rows that stand for nothing; the next append takes them away.
    pub(super) stray: Vec<EffectId>,
}

impl Listening {
    /// Cursors to write with the next append.
    pub(super) fn moved(&self) -> Vec<(EffectId, i64)> {
        self.cursors
            .iter()
            .filter(|(_, cursor)| cursor.read > cursor.written)
            .map(|(effect, cursor)| (*effect, cursor.read))
            .collect()
    }

    pub(super) fn written(&mut self) {
        for cursor in self.cursors.values_mut() {
            cursor.written = cursor.read;
        }
    }
}

/// What became of an event.
enum Offered {
    Taken,
    Passed,
    /// The listener is busy: it and what comes after it are kept for later.
    Full,
}

/// How far an offer went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Everything there was, up to the asked moment.
    All,
    /// There is more, for another append.
    More,
}

impl Driver {
    /// For a run that came back before its first step: what it asks for now it may have asked for before, and it goes on where
    /// those rows stand.
    pub(super) fn arm_listeners(&mut self) {
        let rows = std::mem::take(&mut self.listening.rows);
        let questions = std::mem::take(&mut self.listening.questions);
        if rows.is_empty() && questions.is_empty() {
            return;
        }
        let has_row = |effect: &Effect| match effect {
            Effect::Listen { id, .. } => rows.contains(id),
            Effect::CallService { id, call } => call.service.waits() && questions.contains(id),
            _ => false,
        };
        let (armed, rest): (Vec<Effect>, Vec<Effect>) = self.effects.drain(..).partition(has_row);
        self.effects = rest;
        self.listening
            .stray
            .extend(rows.iter().filter(|row| !armed.iter().any(|effect| effect.id() == **row)));
        let armed = Pending::of(self.machine(), &armed);
        self.seat.entry.pending().extend(armed);
    }

    /// Offers the listening tasks what was published since they looked last, one page of it; with `before` only what was
    /// received before then.
    pub(super) async fn offer_events(&mut self, before: Option<Timestamp>) -> Result<Reach, Stop> {
        if self.seat.entry.take_events() {
            self.listening.unread = true;
        }
        // While the run is suspended, the events wait where they are kept.
        if !self.listening.unread || self.status().is_ended() || self.status() == RunStatus::Suspended {
            return Ok(Reach::All);
        }
        self.know_cursors().await?;
        let kinds = self.kinds();
        let from = self.listening.cursors.values().map(|cursor| cursor.read).min();
        let (Some(from), false) = (from, kinds.is_empty()) else {
            self.listening.unread = false;
            return Ok(Reach::All);
        };
        let page = self.read_events(kinds, from).await?;
        let mut full: Vec<EffectId> = Vec::new();
        for stored in &page.events {
            if before.is_some_and(|before| stored.received_at >= before) {
                return Ok(Reach::All);
            }
            if before.is_none() && self.push_earlier_timers(stored.received_at) {
                return Ok(Reach::More);
            }
            self.offer(stored, &mut full).await?;
            if self.status().is_ended() {
                return Ok(Reach::All);
            }
        }
        for (effect, cursor) in &mut self.listening.cursors {
            if !full.contains(effect) {
                cursor.read = cursor.read.max(page.through);
            }
        }
        // Those that are full go on when the run has moved.
        self.listening.unread = page.more || !full.is_empty();
        Ok(if page.more { Reach::More } else { Reach::All })
    }

    /// Offers one event to each task that listens.
    async fn offer(&mut self, stored: &StoredEvent, full: &mut Vec<EffectId>) -> Result<(), Stop> {
        let event: CloudEvent = match serde_json::from_str(&stored.body) {
            Ok(event) => event,
            Err(reason) => {
                tracing::error!(
                    run.id = %self.run.id, event.seq = stored.seq, error = %reason,
                    "event {} cannot be read and is passed over", stored.seq
                );
                return Ok(());
            }
        };
        let behind: Vec<EffectId> = self
            .listening
            .cursors
            .iter()
            .filter(|(effect, cursor)| cursor.read < stored.seq && !full.contains(effect))
            .map(|(effect, _)| *effect)
            .collect();
        for effect in behind {
            match self.offer_to(effect, stored.seq, &event) {
                Offered::Full => {
                    full.push(effect);
                    continue;
                }
                Offered::Taken => self.settle().await?,
                Offered::Passed => {}
            }
            if let Some(cursor) = self.listening.cursors.get_mut(&effect) {
                cursor.read = stored.seq;
            }
        }
        Ok(())
    }

    fn offer_to(&mut self, effect: EffectId, seq: i64, event: &CloudEvent) -> Offered {
        let Some(machine) = self.machine() else { return Offered::Passed };
        let seq = seq.cast_unsigned();
        // The machine had it before its cursor was written.
        if machine.last_received(effect).is_some_and(|last| last >= seq) {
            return Offered::Passed;
        }
        match machine.wants(effect, event) {
            Ok(true) => {}
            Err(ApplyError::Full(_)) => return Offered::Full,
            Ok(false) | Err(_) => return Offered::Passed,
        }
        let received = Event::Received { at: self.moment(), effect, seq, event: event.clone() };
        if self.apply(received) { Offered::Taken } else { Offered::Passed }
    }

    /// Gives the inbox the timers that were due before then; true when there were any.
    fn push_earlier_timers(&mut self, received_at: Timestamp) -> bool {
        let now = self.core.clock.now();
        let due: Vec<(EffectId, Timestamp)> = self
            .seat
            .entry
            .pending()
            .iter()
            .filter_map(|(effect, item)| match item {
                Pending::Timer { at, .. } if *at <= received_at && *at <= now => Some((*effect, *at)),
                _ => None,
            })
            .collect();
        for (effect, at) in &due {
            self.seat.entry.push(Mail::Due { effect: *effect, at: *at });
        }
        !due.is_empty()
    }

    /// The types that the listening tasks are woken by.
    fn kinds(&self) -> Vec<Option<String>> {
        let pending = self.seat.entry.pending();
        let mut kinds: Vec<Option<String>> = pending
            .values()
            .filter_map(|item| match item {
                Pending::Listen { kinds, .. } => Some(kinds.iter().cloned()),
                _ => None,
            })
            .flatten()
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// Reads the rows of tasks that began to listen since the last time.
    async fn know_cursors(&mut self) -> Result<(), Stop> {
        let listens: Vec<EffectId> = self
            .seat
            .entry
            .pending()
            .iter()
            .filter_map(|(effect, item)| matches!(item, Pending::Listen { .. }).then_some(*effect))
            .collect();
        self.listening.cursors.retain(|effect, _| listens.contains(effect));
        if listens.iter().all(|effect| self.listening.cursors.contains_key(effect)) {
            return Ok(());
        }
        let mut backoff = Backoff::new();
        let rows = loop {
            match self.core.faults.store(self.core.store.listeners_of(self.run.id)).await {
                Ok(rows) => break rows,
                Err(reason) => self.store_failed(reason, &mut backoff).await?,
            }
        };
        for (effect, after) in rows {
            if listens.contains(&effect) {
                let cursor = Cursor { read: after, written: after };
                self.listening.cursors.entry(effect).or_insert(cursor);
            }
        }
        Ok(())
    }

    async fn read_events(&self, kinds: Vec<Option<String>>, from: i64) -> Result<EventPage, Stop> {
        let mut backoff = Backoff::new();
        loop {
            let read = self.core.store.events_after(self.run.account_id, kinds.clone(), from, PAGE);
            match self.core.faults.store(read).await {
                Ok(page) => return Ok(page),
                Err(reason) => self.store_failed(reason, &mut backoff).await?,
            }
        }
    }

    /// Before time runs out for anything: answers of people that the run was not told of yet count.
    pub(super) async fn take_answers(&mut self) -> Result<(), Stop> {
        let asks = self.seat.entry.pending().values().any(|item| matches!(item, Pending::Approval { .. }));
        if !asks || self.status().is_ended() {
            return Ok(());
        }
        let mut backoff = Backoff::new();
        let answers = loop {
            match self.core.faults.store(self.core.store.answers_for(self.run.id)).await {
                Ok(answers) => break answers,
                Err(reason) => self.store_failed(reason, &mut backoff).await?,
            }
        };
        for approval in answers {
            let Some(outcome) = approvals::outcome(&approval) else { continue };
            self.in_flight.remove(&approval.effect);
            let event = Event::ended(self.moment(), approval.effect, outcome);
            if self.apply(event) {
                self.settle().await?;
            }
        }
        Ok(())
    }

    async fn store_failed(&self, reason: levqor_store::Error, backoff: &mut Backoff) -> Result<(), Stop> {
        if self.core.soft.is_cancelled() {
            return Err(Stop::Drained);
        }
        if !reason.is_retryable() {
            return Err(Stop::Store(reason));
        }
        tracing::warn!(
            run.id = %self.run.id, error = %reason,
            "events for run {} could not be read; trying again", self.run.id
        );
        backoff.pause().await;
        Ok(())
    }

    /// After entries that may have ended a wait: the listening tasks that are over.
    pub(super) fn listens_over(&self) -> Vec<EffectId> {
        let received = self.events.iter().any(|event| matches!(event, Event::Received { .. }));
        let Some(machine) = self.machine().filter(|_| received) else { return Vec::new() };
        let asked: HashSet<EffectId> = machine.pending().iter().map(Effect::id).collect();
        self.seat
            .entry
            .pending()
            .iter()
            .filter(|(effect, item)| matches!(item, Pending::Listen { .. }) && !asked.contains(effect))
            .map(|(effect, _)| *effect)
            .collect()
    }
}
