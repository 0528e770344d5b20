//! `listen`: events that a run waits for, one after the other.
//!
//! ```text
//! Received ─► matching? ─► without foreach: consumed ────────────────────┬─► until? ─► listen on, or finish
//!                      └─► with foreach: queue ─► item ─► its tasks ─► output, export
//! ```
//!
//! An event is matched when it comes: it counts as received then. With `foreach` it is consumed when its turn comes, so
//! what is in the queue when `until` holds is let go. When the last event has been received the effect ends, and what is
//! queued is worked off.

use std::{sync::Arc, time::Duration};

use levqor_model::{
    TaskStatus, Timestamp,
    limits::{LISTEN_EVENTS_MAX, LISTEN_QUEUE_MAX, NESTING_MAX},
};
use serde_json::Value;

use super::{
    ApplyError, Effect, EffectId, ErrorKind, FlowError, Machine, Notes,
    arena::FrameId,
    effects::Purpose,
    frame::{Body, Frame, ListBody, ListenBody},
    payload,
    scope::{Scope, Trouble, check_schema},
    step::{Next, Step},
};
use crate::{
    definition::{ForEach, Listen, TaskKind},
    event::{CloudEvent, Match, Progress, Reached, Targets, filter_bounds, interests_of},
    expression::Expression,
};

impl Machine {
    pub(super) fn enter_listen(
        &mut self,
        id: FrameId,
        definition: &Listen,
        input: &Arc<Value>,
        timeout: Option<Duration>,
        notes: &mut dyn Notes,
    ) -> Result<(), Trouble> {
        let scope = Scope { input: Some(input), ..Scope::new(self, Some(id)) };
        let targets = Targets::compute(&definition.spec.to, |template| scope.build(template, input))?;
        self.check_targets(&targets)?;
        let progress = Progress::default();
        let interests = interests_of(&definition.spec.to, &targets, &progress);
        self.opened(id, input, timeout, Body::Ready);
        let effect = self.ask(Purpose::Listen(id), |id| Effect::Listen { id, interests });
        let body = ListenBody {
            effect: Some(effect),
            targets,
            progress,
            last_seq: None,
            received: 0,
            bytes: 0,
            consumed: Value::Array(Vec::new()),
            queue: Default::default(),
            queue_bytes: 0,
            busy: false,
            item: None,
            position: 0,
            outputs: Vec::new(),
            list: ListBody::default(),
        };
        self.set_body(id, Body::Listen(Box::new(body)));
        self.note_became(id, TaskStatus::Waiting, notes);
        Ok(())
    }

    /// What filters compare with stays in memory for as long as the task listens.
    fn check_targets(&self, targets: &Targets) -> Result<(), FlowError> {
        let mut left = self.surroundings.payload_bytes_max;
        for value in targets.values() {
            payload::check("a value that an event is compared with", value, left)?;
            left = left.saturating_sub(payload::bytes(value, NESTING_MAX).unwrap_or(left));
        }
        Ok(())
    }

    /// After a retry of the run: events that came in the meantime are not seen.
    pub(super) fn listen_again(&mut self, id: FrameId, notes: &mut dyn Notes) {
        let Some((definition, body)) = self.listener(id) else { return };
        let (busy, idle) = (body.busy, body.item.is_none());
        if body.effect.is_some() {
            let interests = interests_of(&definition.spec.to, &body.targets, &body.progress);
            let effect = self.ask(Purpose::Listen(id), |id| Effect::Listen { id, interests });
            if let Some(body) = self.listener_mut(id) {
                body.effect = Some(effect);
                body.last_seq = None;
            }
        }
        let status = if busy { TaskStatus::Running } else { TaskStatus::Waiting };
        self.note_became(id, status, notes);
        if idle {
            self.queue.push_back(Step::Heard(id));
        }
    }

    pub(super) fn would_take(&self, effect: EffectId, event: &CloudEvent) -> Result<bool, ApplyError> {
        self.match_for(effect, event).map(|matched| matched.is_some())
    }

    pub(super) fn last_taken(&self, effect: EffectId) -> Option<u64> {
        let (_, body) = self.listener(self.listener_of(effect)?)?;
        body.last_seq
    }

    pub(super) fn listener_of(&self, effect: EffectId) -> Option<FrameId> {
        match self.pending.get(&effect)?.purpose {
            Purpose::Listen(frame) => Some(frame),
            _ => None,
        }
    }

    fn listener(&self, id: FrameId) -> Option<(&Listen, &ListenBody)> {
        let frame = self.frames.get(id)?;
        match (&frame.task().kind, &frame.body) {
            (TaskKind::Listen(definition), Body::Listen(body)) => Some((definition.as_ref(), body.as_ref())),
            _ => None,
        }
    }

    fn listener_mut(&mut self, id: FrameId) -> Option<&mut ListenBody> {
        match &mut self.frames.get_mut(id)?.body {
            Body::Listen(body) => Some(body),
            _ => None,
        }
    }

    /// How the event fits the listener of `effect`, when it does and there is room for it.
    fn match_for(
        &self,
        effect: EffectId,
        event: &CloudEvent,
    ) -> Result<Option<(FrameId, Match)>, ApplyError> {
        let id = self.listener_of(effect).ok_or(ApplyError::NotPending(effect))?;
        self.must_be_idle()?;
        let (definition, body) = self.listener(id).ok_or(ApplyError::NotPending(effect))?;
        let strategy = &definition.spec.to;
        let bounds = filter_bounds(strategy, self.bounds());
        let input = self.frames.get(id).map(|frame| Arc::clone(&frame.input));
        let scope = Scope { input: input.as_deref(), ..Scope::new(self, Some(id)) };
        let evaluate = |expression: &Expression, on: &Value| {
            expression.evaluate(on, &|name| scope.variable(name), &bounds)
        };
        let matched = body.progress.matching(strategy, &body.targets, event, &evaluate);
        if matched.is_some() && body.is_full(self.surroundings.payload_bytes_max) {
            return Err(ApplyError::Full(effect));
        }
        Ok(matched.map(|matched| (id, matched)))
    }

    pub(super) fn received(
        &mut self,
        at: Timestamp,
        effect: EffectId,
        seq: u64,
        event: &CloudEvent,
    ) -> Result<(), ApplyError> {
        if self.last_taken(effect).is_some_and(|last| seq <= last) {
            return Err(ApplyError::NotWanted(effect));
        }
        let (id, matched) = self.match_for(effect, event)?.ok_or(ApplyError::NotWanted(effect))?;
        let Some(Frame { tasks, index, body: Body::Listen(body), .. }) = self.frames.get_mut(id) else {
            return Err(ApplyError::NotPending(effect));
        };
        let TaskKind::Listen(definition) = &tasks[*index].kind else {
            return Err(ApplyError::NotPending(effect));
        };
        self.now = at;
        body.last_seq = Some(seq);
        let stops = matched.stops();
        if body.progress.take(&definition.spec.to, matched) == Reached::Satisfied {
            body.effect = None;
            self.pending.remove(&effect);
        }
        if !stops {
            let read = definition.spec.read.of(event);
            let bytes = payload::bytes(&read, NESTING_MAX).unwrap_or_default() + 1;
            body.received += 1;
            if definition.each.is_some() {
                body.queue_bytes += bytes;
                body.queue.push_back(read);
            } else {
                body.bytes += bytes;
                push(&mut body.consumed, read);
            }
        }
        if body.item.is_none() {
            self.queue.push_back(Step::Heard(id));
        }
        Ok(())
    }

    /// An event has come, or one is done with.
    pub(super) fn heard(&mut self, id: FrameId, notes: &mut dyn Notes) -> Next {
        let Some(frame) = self.frames.get(id) else { return Ok(None) };
        let (tasks, index, input) = (Arc::clone(&frame.tasks), frame.index, Arc::clone(&frame.input));
        let TaskKind::Listen(definition) = &tasks[index].kind else { return Ok(None) };
        let Some((_, body)) = self.listener(id) else { return Ok(None) };
        self.check_listener(body)?;
        match &definition.each {
            Some(each) => {
                let keeps = definition.spec.to.end().is_some();
                Ok(self.next_item(id, each, keeps, input, notes))
            }
            None => {
                let ends = body.effect.is_none()
                    || match definition.spec.to.end() {
                        // Nothing has been consumed after a retry of the run, say.
                        Some(end) if body.received > 0 => self.ends(id, end, &input)?,
                        _ => false,
                    };
                if !ends {
                    return Ok(None);
                }
                self.stop_listening(id);
                let consumed = self.listener_mut(id).map(|body| std::mem::take(&mut body.consumed));
                let output = Arc::new(consumed.unwrap_or_default());
                Ok(Some(Step::Finish { frame: id, output, then: None }))
            }
        }
    }

    /// Whether `until` holds on what has been consumed.
    fn ends(&self, id: FrameId, end: &Expression, input: &Value) -> Result<bool, Trouble> {
        let Some((_, body)) = self.listener(id) else { return Ok(false) };
        let scope = Scope { input: Some(input), ..Scope::new(self, Some(id)) };
        scope.holds(end, &body.consumed)
    }

    fn check_listener(&self, body: &ListenBody) -> Result<(), FlowError> {
        if body.received > LISTEN_EVENTS_MAX {
            return Err(ErrorKind::Runtime.error(
                "too many events",
                format!(
                    "the task has consumed {LISTEN_EVENTS_MAX} events, which is the limit; end it earlier with `until`, or start a run \
                     for each event with `schedule.on`"
                ),
            ));
        }
        let bytes_max = self.surroundings.payload_bytes_max;
        if body.bytes > bytes_max {
            return Err(ErrorKind::Runtime.error(
                "too much data",
                format!(
                    "the events of the task have {} bytes as JSON and the limit is {bytes_max}; end it earlier with `until`, or keep \
                     less of each with `foreach.output`",
                    body.bytes
                ),
            ));
        }
        Ok(())
    }

    /// Begins with the next event of the queue, or waits for one, or finishes.
    fn next_item(
        &mut self,
        id: FrameId,
        each: &ForEach,
        keeps: bool,
        input: Arc<Value>,
        notes: &mut dyn Notes,
    ) -> Option<Step> {
        let body = self.listener_mut(id)?;
        let Some(item) = body.queue.pop_front() else {
            if body.effect.is_some() {
                if std::mem::take(&mut body.busy) {
                    self.note_became(id, TaskStatus::Waiting, notes);
                }
                return None;
            }
            let output = Arc::new(Value::Array(std::mem::take(&mut body.outputs)));
            return Some(Step::Finish { frame: id, output, then: None });
        };
        let bytes = payload::bytes(&item, NESTING_MAX).unwrap_or_default() + 1;
        body.queue_bytes = body.queue_bytes.saturating_sub(bytes);
        if keeps {
            body.bytes += bytes;
            push(&mut body.consumed, item.clone());
        }
        let tasks = each.tasks.as_ref().filter(|tasks| !tasks.is_empty());
        let Some(tasks) = tasks else {
            body.item = Some(item.clone());
            return Some(Step::ListEnded { frame: id, output: Arc::new(item) });
        };
        body.item = Some(item);
        if !std::mem::replace(&mut body.busy, true) {
            self.note_became(id, TaskStatus::Running, notes);
        }
        self.begin_list(id, tasks, input);
        None
    }

    /// `foreach` has come to the end of its list for one event.
    pub(super) fn item_ended(&mut self, id: FrameId, definition: &Listen, raw: &Arc<Value>) -> Next {
        let (Some(each), Some(frame)) = (&definition.each, self.frames.get(id)) else { return Ok(None) };
        let Body::Listen(body) = &frame.body else { return Ok(None) };
        let position = Value::from(body.position);
        let locals =
            [(each.item.as_str(), body.item.as_ref().unwrap_or(&Value::Null)), (each.at.as_str(), &position)];
        let scope = Scope {
            input: Some(&frame.input),
            raw_output: Some(raw),
            locals: &locals,
            ..Scope::new(self, Some(id))
        };
        let output = match &each.output.shape {
            None => Arc::clone(raw),
            Some(shape) => self.checked("the output of `foreach`", scope.fill(shape, raw)?)?,
        };
        check_schema(self, each.output.schema.as_ref(), "the output of `foreach`", &output)?;
        let context = match &each.export.shape {
            None => None,
            Some(shape) => {
                let scope = Scope { output: Some(&output), ..scope };
                Some(self.checked("the context", scope.fill(shape, &output)?)?)
            }
        };
        check_schema(
            self,
            each.export.schema.as_ref(),
            "the context",
            context.as_ref().unwrap_or(&self.context),
        )?;
        let bytes = payload::bytes(&output, NESTING_MAX).unwrap_or_default() + 1;
        // The condition sees the context as it is when the event has been dealt with.
        let before = context.map(|context| std::mem::replace(&mut self.context, context));
        let input = self.frames.get(id).map(|frame| Arc::clone(&frame.input)).unwrap_or_default();
        let ends = match definition.spec.to.end() {
            Some(end) => self.ends(id, end, &input),
            None => Ok(false),
        };
        let ends = match ends {
            Ok(ends) => ends,
            Err(trouble) => {
                if let Some(before) = before {
                    self.context = before;
                }
                return Err(trouble);
            }
        };
        if ends {
            self.stop_listening(id);
        }
        let Some(body) = self.listener_mut(id) else { return Ok(None) };
        body.list.child = None;
        body.item = None;
        body.position += 1;
        body.bytes += bytes;
        body.outputs.push(Arc::unwrap_or_clone(output));
        Ok(Some(Step::Heard(id)))
    }

    /// No more events are wanted: lets go of those that have not been consumed.
    fn stop_listening(&mut self, id: FrameId) {
        let Some(body) = self.listener_mut(id) else { return };
        body.queue.clear();
        body.queue_bytes = 0;
        if let Some(effect) = body.effect.take() {
            self.abandon(effect);
        }
    }
}

fn push(array: &mut Value, value: Value) {
    if let Value::Array(items) = array {
        items.push(value);
    }
}

impl ListenBody {
    /// One event always has room.
    fn is_full(&self, bytes_max: usize) -> bool {
        self.queue.len() >= LISTEN_QUEUE_MAX || self.queue_bytes > bytes_max
    }
}
