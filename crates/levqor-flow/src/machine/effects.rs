//! What the run has asked the engine for, and the keys under which callees know its calls.

use std::time::Duration;

use levqor_model::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{Effect, EffectId, Machine, Outcome, arena::FrameId, frame::Due};

/// An effect that was asked for and has neither ended nor been abandoned.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub purpose: Purpose,
    pub effect: Effect,
}

/// Who waits for an effect, and what its end means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Call(FrameId),
    /// A document that the task needs before it can go on.
    Resource(FrameId),
    /// A schema that the run needs before it begins.
    Schema,
    SubRun(FrameId),
    Emit(FrameId),
    /// The answer of a person.
    Decision(FrameId),
    /// A person's leave to begin the task; None: the run.
    Leave(Option<FrameId>),
    /// Events for a `listen`.
    Listen(FrameId),
    /// The moment that a `wait` waits for.
    Wait(FrameId),
    /// The timeout of a task.
    Deadline(FrameId),
    /// The bound of one attempt of a `try`.
    Attempt(FrameId),
    /// The delay before a retry.
    Delay(FrameId),
    /// The timeout of the workflow.
    RunDeadline,
}

impl Purpose {
    /// Whether it ends with an outcome; timers fire, and listeners are let go.
    pub(super) fn has_result(self) -> bool {
        match self {
            Purpose::Call(_)
            | Purpose::Resource(_)
            | Purpose::Schema
            | Purpose::SubRun(_)
            | Purpose::Emit(_)
            | Purpose::Decision(_)
            | Purpose::Leave(_) => true,
            Purpose::Listen(_)
            | Purpose::Wait(_)
            | Purpose::Deadline(_)
            | Purpose::Attempt(_)
            | Purpose::Delay(_)
            | Purpose::RunDeadline => false,
        }
    }
}

/// What can not stand in a header field or in a quoted string, and the character that does the quoting.
const KEY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'\\').add(b'%');

impl Machine {
    /// The number that the next effect will have.
    pub(super) fn next_effect(&self) -> EffectId {
        self.effects_asked + 1
    }

    pub(super) fn ask(&mut self, purpose: Purpose, effect: impl FnOnce(EffectId) -> Effect) -> EffectId {
        let id = self.next_effect();
        self.effects_asked = id;
        let effect = effect(id);
        if self.may_ask(purpose, &effect) {
            self.outbox.push(effect.clone());
        }
        self.pending.insert(id, Pending { purpose, effect });
        id
    }

    pub(super) fn ask_timer(&mut self, purpose: Purpose, at: Timestamp) -> Due {
        Due { effect: self.ask(purpose, |id| Effect::Timer { id, at }), at }
    }

    pub(super) fn ask_timer_in(&mut self, purpose: Purpose, span: Duration) -> Due {
        self.ask_timer(purpose, self.now + span)
    }

    /// Lets go of an effect; nothing when it has ended.
    pub(super) fn abandon(&mut self, effect: EffectId) {
        let Some(pending) = self.pending.remove(&effect) else { return };
        // Abandoning a sub-run ends it, so another attempt must not find it under the same key. A request may still
        // arrive, so another attempt repeats its key.
        if let Purpose::SubRun(frame) = pending.purpose {
            self.settle_key(frame);
        }
        self.paid(effect, 0);
        // What was never asked for, or has ended, needs no letting go. Where a result was never taken in, a repeat has the
        // same key.
        if !self.unpark(effect) && !self.let_go_of_held(effect) {
            self.outbox.push(Effect::Abandon { id: effect });
        }
    }

    pub(super) fn abandon_all(&mut self) {
        let effects: Vec<EffectId> = self.pending.keys().copied().collect();
        for effect in effects {
            self.abandon(effect);
        }
    }

    /// The key of the next attempt of the call that `frame` makes.
    pub(super) fn key(&self, frame: FrameId) -> String {
        let path = self.runtime_path(frame);
        let group = self.key_groups.get(&path).copied().unwrap_or(0);
        format!("{}/{path}/{group}", self.run)
    }

    /// After a result: says that another attempt of the call that `frame` made is a new one for the callee.
    pub(super) fn settle_key(&mut self, frame: FrameId) {
        // Nothing but a retry asks again, and what stands in no task can only be retried after it failed.
        let path = self.runtime_path(frame);
        *self.key_groups.entry(path).or_insert(0) += 1;
    }

    pub(super) fn settles(outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Output(_) => true,
            Outcome::Failed { answered, .. } => *answered,
        }
    }

    /// Names this execution of a task among all of the run, retries left out: its reference without the leading slash,
    /// with `[i]` after each loop's name for its iteration and `@n` after a task that was reached by jumping back.
    fn runtime_path(&self, frame: FrameId) -> String {
        let mut ancestors = Vec::new();
        let mut next = Some(frame);
        while let Some((id, entry)) = next.and_then(|id| self.frames.get(id).map(|entry| (id, entry))) {
            ancestors.push(id);
            next = entry.parent;
        }
        let mut path = String::new();
        let mut reference_before = "";
        for entry in ancestors.iter().rev().filter_map(|id| self.frames.get(*id)) {
            let reference = &*entry.task().reference;
            let part = reference.strip_prefix(reference_before).unwrap_or(reference);
            path.extend(utf8_percent_encode(
                part.strip_prefix('/').filter(|_| path.is_empty()).unwrap_or(part),
                KEY,
            ));
            if entry.lap > 0 {
                path.push_str(&format!("@{}", entry.lap));
            }
            if let Some(position) = entry.body.position() {
                path.push_str(&format!("[{position}]"));
            }
            reference_before = reference;
        }
        shorten(path)
    }
}

/// Keys travel in a header field, so a long path is cut and its hash put in the place of the rest.
fn shorten(mut path: String) -> String {
    const BYTES_MAX: usize = 400;
    if path.len() <= BYTES_MAX {
        return path;
    }
    // FNV-1a: the same in every version and on every machine, which the standard library's hash is not.
    let hash = path.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    path.truncate(BYTES_MAX);
    path.push_str(&format!("~{hash:016x}"));
    path
}
