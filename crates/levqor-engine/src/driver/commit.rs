//! The one append between thinking and doing.

use std::collections::HashSet;

use levqor_flow::machine::{Effect, EffectId, Event, Machine};
use levqor_model::{RunStatus, Timestamp};
use levqor_store::runs::Append;
use serde::Serialize;

use super::{Driver, Stop};
use crate::{
    RunUpdate,
    core::Backoff,
    fault::Point,
    pending::{Pending, describe, suspended},
    schedules,
};

/// What changes with one append, besides the journal.
#[derive(Debug, Default)]
struct Turn {
    /// To perform after the append.
    effects: Vec<Effect>,
    timers_set: Vec<(EffectId, Timestamp)>,
    timers_gone: Vec<(EffectId, Timestamp)>,
}

impl Driver {
    /// Makes what was applied durable, then performs what was asked for.
    ///
    /// A failing store is waited for: the state stays in memory, and no effect is performed before the append is through.
    pub(super) async fn commit(&mut self) -> Result<(), Stop> {
        let turn = self.turn();
        let status = self.status();
        let waiting_for = if self.events.is_empty() && status != RunStatus::Waiting {
            self.run.waiting_for.clone()
        } else {
            self.waiting_for()
        };
        let row_changes = status != self.run.status
            || waiting_for != self.run.waiting_for
            || !turn.timers_set.is_empty()
            || !turn.timers_gone.is_empty();
        if !self.events.is_empty() || row_changes {
            let append = self.append(status, waiting_for, &turn);
            self.write(append).await?;
            self.core.reach(Point::AfterAppend).await;
        }
        self.publish(status);
        for (effect, at) in turn.timers_gone {
            self.core.timers.clear(self.run.id, effect, at);
        }
        for (effect, at) in turn.timers_set {
            self.core.timers.set(self.run.id, effect, at);
        }
        self.perform(turn.effects);
        Ok(())
    }

    /// Before the run leaves memory: its row says why it doesn't move.
    pub(super) async fn write_waiting_for(&mut self) -> Result<(), Stop> {
        let waiting_for = self.waiting_for();
        if waiting_for == self.run.waiting_for {
            return Ok(());
        }
        let append = self.append(self.status(), waiting_for, &Turn::default());
        self.write(append).await
    }

    /// Sorts what the machine asked for since the last append, and brings the list of pending effects up to date.
    fn turn(&mut self) -> Turn {
        let asked = std::mem::take(&mut self.effects);
        let abandoned: HashSet<EffectId> = asked
            .iter()
            .filter_map(|effect| match effect {
                Effect::Abandon { id } => Some(*id),
                _ => None,
            })
            .collect();
        let ended = self.events.iter().filter_map(|event| match event {
            Event::EffectEnded { effect, .. } | Event::TimerFired { effect, .. } => Some(*effect),
            _ => None,
        });

        let mut turn = Turn { timers_gone: std::mem::take(&mut self.timers_stray), ..Turn::default() };
        let mut pending = self.seat.entry.pending();
        for effect in abandoned.iter().copied().chain(ended) {
            if let Some(Pending::Timer { at, .. }) = pending.remove(&effect) {
                turn.timers_gone.push((effect, at));
            }
        }
        for effect in asked {
            let (id, shown) = match &effect {
                Effect::CallHttp { id, call } => (*id, Pending::call(call)),
                Effect::RunWorkflow { id, call } => (*id, Pending::sub_run(call)),
                Effect::Timer { id, at } => (*id, Pending::timer(self.machine.as_ref(), *id, *at)),
                Effect::Emit { .. } | Effect::Listen { .. } | Effect::Abandon { .. } => {
                    turn.effects.push(effect);
                    continue;
                }
            };
            // What was abandoned before it could begin never happened.
            if abandoned.contains(&id) {
                if let (Effect::Timer { at, .. }, true) = (effect, self.resumed.is_some()) {
                    // Unless it was there before, and this asks again for what a row stands for.
                    turn.timers_gone.push((id, at));
                }
                continue;
            }
            pending.insert(id, shown);
            match effect {
                Effect::Timer { id, at } => turn.timers_set.push((id, at)),
                effect => turn.effects.push(effect),
            }
        }
        drop(pending);
        if self.status().is_ended() {
            // The end clears all timers of the run.
            turn.timers_set.clear();
        }
        turn
    }

    async fn write(&mut self, append: Append) -> Result<(), Stop> {
        self.core.reach(Point::BeforeAppend).await;
        if append.ended_at.is_some() {
            schedules::run_ends(&self.core, &self.run, &self.workflow, append.at).await;
        }
        let mut backoff = Backoff::new();
        let mut failures = 0_u32;
        loop {
            match self.core.faults.store(self.core.store.append(append.clone())).await {
                Ok(()) => break,
                Err(levqor_store::Error::Stale(_)) => {
                    self.core.ends.written(self.run.id);
                    return Err(Stop::Stale);
                }
                Err(reason) if reason.is_retryable() => {
                    tracing::warn!(
                        run.id = %self.run.id, error = %reason,
                        "the journal of run {} could not be written; trying again", self.run.id
                    );
                    failures = failures.saturating_add(1);
                    // One failure may be a hiccup, of which nobody needs to hear.
                    if failures > 1 {
                        self.core.ends.refused(self.run.id, reason);
                    }
                    backoff.pause().await;
                }
                Err(reason) => {
                    self.core.ends.refused(self.run.id, reason.clone());
                    self.core.ends.written(self.run.id);
                    return Err(Stop::Store(reason));
                }
            }
        }
        self.core.ends.written(self.run.id);
        if append.events.is_some() {
            self.run.next_seq += 1;
        }
        self.run.region = append.region;
        self.run.started_at = append.started_at;
        self.run.ended_at = append.ended_at;
        self.run.waiting_for = append.waiting_for;
        self.events.clear();
        Ok(())
    }

    fn append(&mut self, status: RunStatus, waiting_for: Option<String>, turn: &Turn) -> Append {
        let at = match self.events.last() {
            Some(event) => event.at(),
            None => self.moment(),
        };
        let machine = self.machine();
        Append {
            run_id: self.run.id,
            epoch: self.run.epoch,
            seq: self.run.next_seq,
            at,
            region: self.core.region.clone(),
            events: (!self.events.is_empty()).then(|| json(&self.events)),
            status,
            waiting_for,
            started_at: self.run.started_at.or(Some(at)),
            ended_at: status.is_ended().then_some(at),
            output: machine.and_then(Machine::output).map(json),
            error: machine.and_then(Machine::error).map(json),
            timers_set: turn.timers_set.clone(),
            timers_cleared: turn.timers_gone.iter().map(|(effect, _)| *effect).collect(),
        }
    }

    /// Tells watchers what is durable now.
    fn publish(&mut self, status: RunStatus) {
        if let Some(live) = &mut self.notepad.live {
            self.core.watchers.publish(self.run.id, live.take_updates());
        }
        if status != self.run.status {
            self.run.status = status;
            self.core.ends.turn(self.run.id);
            self.core.watchers.publish(self.run.id, [RunUpdate::Run { status, at: self.last_at }]);
        }
    }

    fn waiting_for(&self) -> Option<String> {
        if self.status().is_ended() {
            return None;
        }
        if let Some((since, by)) = self.machine().and_then(Machine::suspended) {
            return Some(suspended(since, by));
        }
        describe(&self.seat.entry.pending())
    }
}

/// Journals, outputs and errors hold plain data, which always has a JSON text.
fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
