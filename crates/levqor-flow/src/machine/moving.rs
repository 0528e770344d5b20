//! Whether a run can go on with another version of its workflow: its journal, played on both.
//!
//! A journal holds the results of effects by number. On another version the same number may mean another call, whose
//! result would then be taken for something that it is not. So both versions are played side by side: what has ended must
//! have been asked for by both, and what gave a result must have been asked for alike. What failed may differ: that it
//! does is why one goes on with another version.

use std::sync::Arc;

use levqor_model::RunStatus;

use serde_json::Value;

use super::{ApplyError, Effect, EffectId, Event, Machine, Outcome, Surroundings};
use crate::{definition::Workflow, event::CloudEvent};

/// Why a journal does not replay on another version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    #[error("the other version does not do what the run has done: {what}")]
    Effect { what: String },
    #[error("the other version is elsewhere when the run's event {place} comes: {reason}")]
    Event { place: usize, reason: ApplyError },
    #[error("the journal does not fit the run's own version: {0}")]
    Own(ApplyError),
}

/// Checks that a run which is `journal` on `old` can go on with `new`.
///
/// # Errors
/// With the first thing that is different.
pub fn replays_on(
    old: Arc<Workflow>,
    new: Arc<Workflow>,
    surroundings: &Arc<Surroundings>,
    journal: &[Event],
) -> Result<(), Difference> {
    let started = journal.first().ok_or(Difference::Own(ApplyError::Start))?;
    let mut old = Machine::start(old, Arc::clone(surroundings), started).map_err(Difference::Own)?;
    let mut new = Machine::start(new, Arc::clone(surroundings), started).map_err(Difference::Own)?;
    (old.patient, new.patient) = (true, true);
    for (place, event) in journal.iter().enumerate().skip(1) {
        for machine in [&mut old, &mut new] {
            machine.work_up_to(event.place(), &mut (), &mut || true);
            machine.outbox.clear();
        }
        compare(&old, &new, event)?;
        old.apply(event, &mut ()).map_err(Difference::Own)?;
        new.apply(event, &mut ()).map_err(|reason| Difference::Event { place, reason })?;
    }
    new.work_up_to(super::step::Until::IDLE, &mut (), &mut || true);
    match new.status() {
        status @ (RunStatus::Cancelled | RunStatus::Suspended) => {
            Err(Difference::Event { place: journal.len(), reason: ApplyError::Status(status) })
        }
        _ => Ok(()),
    }
}

fn compare(old: &Machine, new: &Machine, event: &Event) -> Result<(), Difference> {
    let (effect, exact) = match event {
        Event::EffectEnded { effect, outcome, .. } => (*effect, matches!(outcome, Outcome::Output(_))),
        Event::TimerFired { effect, .. } => (*effect, false),
        Event::Received { effect, .. } => (*effect, true),
        _ => return Ok(()),
    };
    let of = |machine: &Machine, effect: EffectId| {
        machine.pending.get(&effect).map(|pending| pending.effect.clone())
    };
    let Some(before) = of(old, effect) else {
        return Err(Difference::Own(ApplyError::NotPending(effect)));
    };
    let after = of(new, effect);
    let alike = match (&before, &after) {
        (Effect::Timer { .. }, Some(Effect::Timer { at, .. })) => *at <= event.at(),
        (Effect::Emit { key: before, event: old, .. }, Some(Effect::Emit { key: after, event: new, .. })) => {
            before == after && (!exact || without_source(old) == without_source(new))
        }
        (before, Some(after)) if exact => before == after,
        (Effect::CallHttp { call: before, .. }, Some(Effect::CallHttp { call: after, .. })) => {
            before.key == after.key
        }
        (Effect::RunWorkflow { call: before, .. }, Some(Effect::RunWorkflow { call: after, .. })) => {
            before.key == after.key
        }
        (Effect::RunProcess { call: before, .. }, Some(Effect::RunProcess { call: after, .. })) => {
            before.key == after.key
        }
        (Effect::CallService { call: before, .. }, Some(Effect::CallService { call: after, .. })) => {
            before.key == after.key
        }
        (before, Some(after)) => before == after,
        (_, None) => false,
    };
    if alike {
        return Ok(());
    }
    let after = after.as_ref().map_or_else(|| "nothing".to_owned(), shown);
    Err(Difference::Effect {
        what: format!("its effect {effect} was {}, and would be {after}", shown(&before)),
    })
}

/// By default an event names the version that it comes from, which is no difference in what was done.
fn without_source(event: &CloudEvent) -> Value {
    let mut event = Value::from(event.clone());
    if let Value::Object(members) = &mut event {
        members.remove("source");
    }
    event
}

fn shown(effect: &Effect) -> String {
    match effect {
        Effect::CallHttp { call, .. } => format!("{} {}", call.method, super::scope::clip(&call.uri)),
        Effect::RunWorkflow { call, .. } => {
            format!("a run of {}/{} {}", call.namespace, call.name, call.version)
        }
        Effect::Timer { at, .. } => format!("a timer for {at}"),
        Effect::Emit { event, .. } => format!("the event {}", super::scope::clip(event.kind())),
        Effect::Listen { .. } => "listening for events".to_owned(),
        Effect::RunProcess { .. } => "a process".to_owned(),
        Effect::CallService { call, .. } => format!("the function {}", call.service.name()),
        Effect::Abandon { .. } => "nothing".to_owned(),
    }
}
