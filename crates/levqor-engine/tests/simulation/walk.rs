//! A journal, read entry by entry the way it was written: which entry asked for what, and what came of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use levqor_flow::{
    definition::Workflow,
    event::CloudEvent,
    machine::{
        Effect, EffectId, Event, HttpRequest, Machine, Outcome, Progress, ServiceCall, SubRun, Surroundings,
    },
    services::Service,
};
use levqor_model::Timestamp;
use levqor_store::runs::JournalEntry;
use serde_json::Value;

use crate::{
    allowed::{Spending, Taken},
    documents::NOBODY,
    hooks,
    state::text,
};

/// What a run asked for.
#[derive(Debug, Default)]
pub struct Walk {
    /// By the key without the run: the entry that led to the call, and the call.
    pub calls: BTreeMap<String, (i64, HttpRequest)>,
    pub sub_runs: BTreeMap<EffectId, SubRun>,
    /// The entries that asked for them.
    pub sub_runs_asked: Vec<i64>,
    /// Events that were emitted, with the entry that asked for each.
    pub emitted: BTreeMap<EffectId, (i64, CloudEvent)>,
    /// Events that each listening task consumed, in order.
    pub received: BTreeMap<EffectId, Vec<(u64, CloudEvent)>>,
    /// Calls of the server's own functions, with the entry that asked for each.
    pub services: BTreeMap<EffectId, (i64, ServiceCall)>,
    /// What they gave.
    pub served: BTreeMap<EffectId, Outcome>,
    /// Effects that were given up before they could begin: by the very entry that asked for them, or by the next when whoever
    /// wrote the first did not come to the step after it.
    pub dropped: BTreeSet<EffectId>,
    /// Answers to its questions that the run got, in order.
    pub taken: Vec<Taken>,
    pub spending: Spending,
    pub cancelled: bool,
    pub suspended: bool,
    /// For its budget.
    pub used_up: bool,
    pub suspensions: usize,
    /// Results that came while the run was suspended.
    pub held: usize,
    pub violations: Vec<String>,
}

/// Reads the journal and notes whatever no journal may have: gaps, time that goes back, effects that end twice or were
/// never asked for, timers that fire early, and a replay that differs from what was lived through.
///
/// # Errors
/// When the journal cannot be read at all.
pub fn walk(
    workflow: &Arc<Workflow>,
    surroundings: &Arc<Surroundings>,
    entries: &[JournalEntry],
) -> Result<(Walk, Machine), String> {
    let mut walk = Walk::default();
    let mut all: Vec<Event> = Vec::new();
    let mut live: Option<Machine> = None;
    let mut asked: BTreeMap<EffectId, (i64, Effect)> = BTreeMap::new();
    let mut ended: BTreeMap<EffectId, i64> = BTreeMap::new();
    let mut last_at = Timestamp::from_micros(i64::MIN);
    // The entry whose work is being done.
    let mut asked_in = 0;

    for (place, entry) in (0..).zip(entries) {
        if entry.seq != place {
            walk.violations.push(format!("entry {place} has the place {}", entry.seq));
        }
        let events: Vec<Event> =
            serde_json::from_str(&entry.events).map_err(|reason| format!("entry {place}: {reason}"))?;
        for event in events {
            if event.at() < last_at {
                walk.violations.push(format!("time goes back in entry {place}: {event:?}"));
            }
            last_at = event.at();
            if let (Some(machine), false) = (&mut live, walk.cancelled) {
                let began = event_place(&event).map(|begun| begun.saturating_sub(machine.tasks_begun()));
                let effects = work(machine, began)?;
                walk.note_all((asked_in, fresh(entries, asked_in)), effects, &mut asked);
            }
            asked_in = place;
            walk.judge(place, &event, &asked, &mut ended);
            match &mut live {
                None => {
                    live = Some(
                        Machine::start(Arc::clone(workflow), Arc::clone(surroundings), &event)
                            .map_err(|reason| format!("entry {place}: {reason}"))?,
                    );
                }
                // Where a run is cut off is told by replay, not by working until it is idle.
                Some(_) if walk.cancelled => {}
                Some(machine) => {
                    if let Err(reason) = machine.apply(&event, &mut ()) {
                        walk.violations.push(format!("entry {place} does not fit: {reason}: {event:?}"));
                    }
                }
            }
            all.push(event);
        }
    }
    if let (Some(machine), false) = (&mut live, walk.cancelled) {
        let effects = work(machine, None)?;
        walk.note_all((asked_in, fresh(entries, asked_in)), effects, &mut asked);
    }
    let replayed = match Machine::replay(Arc::clone(workflow), Arc::clone(surroundings), &all, &mut ()) {
        Ok(replayed) => replayed,
        Err(reason) => {
            walk.violations.push(format!("the journal cannot be replayed: {reason}"));
            return Err(walk.violations.join("; "));
        }
    };
    if let (Some(live), false) = (live, walk.cancelled) {
        let lived = (live.status(), live.output(), live.error(), live.pending());
        let again = (replayed.status(), replayed.output(), replayed.error(), replayed.pending());
        if lived != again {
            walk.violations.push(format!("replay gives {again:?}, and life gave {lived:?}"));
        }
    }
    Ok((walk, replayed))
}

/// Whether the engine that wrote an entry had not written the one before, or that was the run's acceptance.
fn fresh(entries: &[JournalEntry], place: i64) -> bool {
    let at = usize::try_from(place).unwrap_or(0);
    at <= 1 || entries[at].region != entries[at - 1].region
}

/// How many tasks had begun, for an event that may come in the middle of work.
fn event_place(event: &Event) -> Option<u64> {
    match event {
        Event::Suspended { tasks_begun, .. } => Some(*tasks_begun),
        _ => None,
    }
}

/// Works until the machine is idle, or so many tasks have begun.
fn work(machine: &mut Machine, tasks: Option<u64>) -> Result<Vec<Effect>, String> {
    let mut effects = Vec::new();
    match tasks {
        Some(tasks) => drop(machine.run(tasks, &mut effects, &mut ()).map_err(|reason| reason.to_string())?),
        None => {
            while machine.run(u64::MAX, &mut effects, &mut ()).map_err(|reason| reason.to_string())?
                == Progress::More
            {}
        }
    }
    Ok(effects)
}

impl Walk {
    /// How often the run counted each counter up.
    pub fn counted(&self) -> BTreeMap<String, usize> {
        let mut counted = BTreeMap::new();
        for (input, told) in self.compared() {
            if told["changed"] == true {
                *counted.entry(text(input, "key").to_owned()).or_default() += 1;
            }
        }
        counted
    }

    /// How often it came too late to do so.
    pub fn late(&self) -> usize {
        self.compared().filter(|(_, told)| told["changed"] == false).count()
    }

    fn compared(&self) -> impl Iterator<Item = (&Value, &Value)> {
        self.services.iter().filter_map(|(effect, (_, call))| match self.served.get(effect) {
            Some(Outcome::Output(told)) if text(&call.input, "action") == "compare-and-set" => {
                Some((&call.input, told))
            }
            _ => None,
        })
    }

    /// How often the run, or a task of it, got this answer when it asked whether it may begin.
    pub fn leaves(&self, approved: bool) -> usize {
        self.taken.iter().filter(|taken| taken.approved == approved && taken.is_leave()).count()
    }

    /// Questions that the run asked, answered in the end or not.
    pub fn questions(&self) -> usize {
        self.services.values().filter(|(_, call)| call.service == Service::Approval).count()
    }

    /// Those that nobody answered.
    pub fn unanswered(&self) -> usize {
        let is_such = |call: &ServiceCall| {
            call.service == Service::Approval && text(&call.input, "title").starts_with(NOBODY)
        };
        self.services.values().filter(|(_, call)| is_such(call)).count()
    }

    /// `fresh`: the entry was written by an engine that had just loaded the run, or was the first to drive it.
    fn note_all(
        &mut self,
        (place, fresh): (i64, bool),
        effects: Vec<Effect>,
        asked: &mut BTreeMap<EffectId, (i64, Effect)>,
    ) {
        for effect in effects {
            if let Effect::Abandon { id } = &effect
                && let Some((asked_in, _)) = asked.get(id)
                && (*asked_in == place || *asked_in + 1 == place && fresh)
            {
                self.dropped.insert(*id);
            }
            self.note(place, &effect);
            if !matches!(effect, Effect::Abandon { .. }) {
                asked.insert(effect.id(), (place, effect));
            }
        }
    }

    fn note(&mut self, place: i64, effect: &Effect) {
        match effect {
            Effect::CallHttp { call, .. } => {
                self.spending.asked.push(place);
                if let Some((_, key)) = crate::callee::parts(&call.key) {
                    // An attempt that was not answered is repeated under its key.
                    self.calls.entry(key.to_owned()).or_insert_with(|| (place, call.clone()));
                }
            }
            Effect::CallService { id, call } => {
                if call.service == Service::Webhook {
                    self.spending.asked.push(place);
                }
                if let (Service::Webhook, Some((_, key))) = (call.service, crate::callee::parts(&call.key)) {
                    self.calls.entry(key.to_owned()).or_insert_with(|| (place, hooks::request(call)));
                }
                self.services.insert(*id, (place, call.clone()));
            }
            Effect::RunWorkflow { id, call } => {
                self.sub_runs.insert(*id, call.clone());
                self.sub_runs_asked.push(place);
            }
            Effect::Emit { id, event, .. } => drop(self.emitted.insert(*id, (place, event.clone()))),
            Effect::Timer { .. }
            | Effect::RunProcess { .. }
            | Effect::Listen { .. }
            | Effect::Abandon { .. } => {}
        }
    }

    fn judge(
        &mut self,
        place: i64,
        event: &Event,
        asked: &BTreeMap<EffectId, (i64, Effect)>,
        ended: &mut BTreeMap<EffectId, i64>,
    ) {
        let effect = match event {
            Event::EffectEnded { effect, .. } | Event::TimerFired { effect, .. } => *effect,
            Event::Cancelled { .. } => {
                self.cancelled = true;
                return;
            }
            Event::Started { .. } | Event::Retried { .. } => return,
            Event::Received { effect, seq, event, .. } => {
                match asked.get(effect) {
                    Some((asked_in, Effect::Listen { .. })) if *asked_in < place && !self.suspended => {}
                    other => self.violations.push(format!(
                        "entry {place} has event {seq} for effect {effect}, which does not listen: {other:?}"
                    )),
                }
                self.received.entry(*effect).or_default().push((*seq, event.clone()));
                return;
            }
            Event::Suspended { .. } | Event::Resumed { .. } => {
                let suspends = matches!(event, Event::Suspended { .. });
                if self.suspended == suspends {
                    self.violations.push(format!("entry {place} does not fit what came before: {event:?}"));
                }
                self.suspended = suspends;
                self.suspensions += usize::from(suspends);
                match event {
                    Event::Suspended { budget: true, .. } => {
                        self.spending.stopped.push((place, self.spending.asked.len()));
                        self.used_up = true;
                    }
                    Event::Resumed { .. } if std::mem::take(&mut self.used_up) => {
                        self.spending.resumed.push(place);
                    }
                    _ => {}
                }
                return;
            }
            Event::Forked { .. } | Event::Moved { .. } => {
                self.violations.push(format!("nobody asked for entry {place}: {event:?}"));
                return;
            }
            Event::Aborted { error, .. } => {
                self.violations.push(format!("entry {place} aborts the run: {error:?}"));
                return;
            }
        };
        if self.suspended {
            match event {
                Event::TimerFired { .. } => {
                    self.violations.push(format!("timer {effect} fires in entry {place} of a suspended run"));
                }
                _ => self.held += 1,
            }
        }
        if let Some(before) = ended.insert(effect, place) {
            self.violations
                .push(format!("effect {effect} ends in entry {before} and again in entry {place}"));
        }
        if let (Some((_, Effect::CallService { call, .. })), Event::EffectEnded { outcome, .. }) =
            (asked.get(&effect), event)
        {
            if let (Service::Approval, Outcome::Output(answer)) = (call.service, outcome) {
                let approved = answer["approved"] == true;
                self.taken.push(Taken { entry: place, key: call.key.clone(), approved });
            }
            self.served.insert(effect, outcome.clone());
        }
        match (asked.get(&effect), event) {
            (None, _) => {
                self.violations
                    .push(format!("effect {effect} ends in entry {place} and was never asked for"));
            }
            (Some((_, Effect::Timer { at: due, .. })), Event::TimerFired { at, .. }) if at < due => {
                self.violations.push(format!("timer {effect} is due at {due} and fires at {at}"));
            }
            // An entry is durable as a whole: what it asks for can only end in a later one.
            (Some((_, Effect::Emit { event, .. })), Event::EffectEnded { outcome, .. })
                if *outcome != Outcome::Output(event.clone().into()) =>
            {
                self.violations.push(format!("effect {effect} emits {event:?} and gives {outcome:?}"));
            }
            (
                Some((
                    asked_in,
                    effect @ (Effect::CallHttp { .. }
                    | Effect::CallService { .. }
                    | Effect::RunWorkflow { .. }
                    | Effect::Emit { .. }),
                )),
                _,
            ) if *asked_in >= place => {
                let id = effect.id();
                self.violations
                    .push(format!("effect {id} ends in entry {place}, before it was allowed to begin"));
            }
            _ => {}
        }
    }
}
