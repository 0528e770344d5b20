//! The invariants, checked on what is left when all has ended: the rows, the journals, the callee's ledger, and what
//! callers were told.

use std::collections::{BTreeMap, BTreeSet};

use levqor_flow::machine::FlowError;
use levqor_model::{Clock, Date, RunId, RunStatus};
use levqor_store::runs::{JournalEntry, Run, RunCounts};
use serde_json::Value;

use crate::{
    allowed, approvals,
    callee::Delivery,
    events, hooks, state,
    walk::{Walk, walk},
    world::{World, node_of},
};

/// More than any simulation has.
const RUNS_MAX: usize = 5_000;
const ENTRIES_MAX: usize = 10_000;

/// What was there to be checked.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    pub runs: usize,
    pub completed: usize,
    pub faulted: usize,
    pub cancelled: usize,
    pub entries: usize,
    pub effects: usize,
    /// Deliveries of a key beyond its first.
    pub repeats: usize,
    /// Runs whose journal was written by more than one engine.
    pub moved: usize,
    pub events_emitted: usize,
    pub events_consumed: usize,
    pub suspensions: usize,
    /// Results that came while their run was suspended.
    pub held: usize,
    /// Shared values that were counted up, and those for which it was too late.
    pub counted: usize,
    pub late: usize,
    pub questions: usize,
    pub unanswered: usize,
    /// Signed messages that arrived.
    pub messages: usize,
    /// Runs and tasks that were given leave, and that were refused it.
    pub leaves: usize,
    pub refusals: usize,
    /// How often a run stopped since its budget was used up.
    pub used_up: usize,
}

struct Facts {
    row: Run,
    input: Value,
    output: Option<Value>,
    error: Option<Value>,
    entries: Vec<JournalEntry>,
    walk: Walk,
}

/// Everything that is wrong; empty when nothing is.
pub async fn check(world: &World) -> Result<(Seen, Vec<String>), levqor_store::Error> {
    let mut wrong = Vec::new();
    let rows = world.store.runs_of(None, Default::default(), None, RUNS_MAX).await?;
    let mut facts: BTreeMap<RunId, Facts> = BTreeMap::new();
    for row in rows {
        let id = row.id;
        let found = read(world, row).await?;
        match found {
            Ok((found, reasons)) => {
                wrong.extend(reasons.into_iter().map(|reason| format!("{id}: {reason}")));
                facts.insert(id, found);
            }
            Err(reason) => wrong.push(format!("{id}: {reason}")),
        }
    }
    let deliveries = world.ledger.deliveries();
    let mut arrived: BTreeMap<RunId, Vec<&str>> = BTreeMap::new();
    for delivery in &deliveries {
        arrived.entry(delivery.run).or_default().push(&delivery.place);
    }
    let mut report = Report { world, deliveries: &deliveries, arrived, facts: &facts, wrong };
    report.callers();
    report.outcomes();
    report.sub_runs();
    report.owners();
    report.effects();
    let mut wrong = report.wrong;
    events::check(world, &walks(&facts), &mut wrong).await?;
    state::check(world, &walks(&facts), &mut wrong).await?;
    approvals::check(world, &walks(&facts), &mut wrong).await?;
    let names = facts.iter().map(|(run, facts)| (*run, facts.row.name.as_str())).collect();
    allowed::check(world, &names, &walks(&facts), &deliveries, &mut wrong);
    let messages = || deliveries.iter().filter(|delivery| !delivery.proof.is_empty());
    wrong.extend(hooks::judge(messages()));
    books(world, &facts, &mut wrong).await?;
    let queue = world.store.queue_load().await?;
    if queue.queued != 0 || queue.oldest_at.is_some() {
        wrong.push(format!("all runs have ended, and the queue is {queue:?}"));
    }
    let status = |status| facts.values().filter(|facts| facts.row.status == status).count();
    let keys: BTreeSet<&str> = deliveries.iter().map(|delivery| delivery.call.key.as_str()).collect();
    let seen = Seen {
        runs: facts.len(),
        completed: status(RunStatus::Completed),
        faulted: status(RunStatus::Faulted),
        cancelled: status(RunStatus::Cancelled),
        entries: facts.values().map(|facts| facts.entries.len()).sum(),
        effects: keys.len(),
        repeats: deliveries.len() - keys.len(),
        moved: facts.values().filter(|facts| has_moved(&facts.entries)).count(),
        events_emitted: facts.values().map(|facts| facts.walk.emitted.len()).sum(),
        events_consumed: facts.values().flat_map(|facts| facts.walk.received.values()).map(Vec::len).sum(),
        suspensions: facts.values().map(|facts| facts.walk.suspensions).sum(),
        held: facts.values().map(|facts| facts.walk.held).sum(),
        counted: facts.values().flat_map(|facts| facts.walk.counted().into_values()).sum(),
        late: facts.values().map(|facts| facts.walk.late()).sum(),
        questions: facts.values().map(|facts| facts.walk.questions()).sum(),
        unanswered: facts.values().map(|facts| facts.walk.unanswered()).sum(),
        messages: messages().count(),
        leaves: facts.values().map(|facts| facts.walk.leaves(true)).sum(),
        refusals: facts.values().map(|facts| facts.walk.leaves(false)).sum(),
        used_up: facts.values().map(|facts| facts.walk.spending.stopped.len()).sum(),
    };
    Ok((seen, wrong))
}

fn walks(facts: &BTreeMap<RunId, Facts>) -> BTreeMap<RunId, &Walk> {
    facts.iter().map(|(run, facts)| (*run, &facts.walk)).collect()
}

fn has_moved(entries: &[JournalEntry]) -> bool {
    entries.windows(2).any(|pair| pair[0].region != pair[1].region)
}

/// The run with its journal, and what is wrong with it by itself.
async fn read(world: &World, row: Run) -> Result<Result<(Facts, Vec<String>), String>, levqor_store::Error> {
    let payloads = world.store.payloads(row.id).await?.unwrap_or_default();
    let entries = world.store.journal(row.id, None, ENTRIES_MAX).await?;
    let Some(workflow) = world.oracle.workflows.get(&row.name) else {
        return Ok(Err(format!("it is of {}, which does not exist", row.name)));
    };
    let (walk, machine) = match walk(workflow, &world.oracle.surroundings, &entries) {
        Ok(walked) => walked,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut wrong = walk.violations.clone();
    let parsed =
        |text: Option<&str>| text.map(|text| serde_json::from_str::<Value>(text).unwrap_or_default());
    let (output, error) = (parsed(payloads.output.as_deref()), parsed(payloads.error.as_deref()));
    let replayed_error = machine.error().map(plain);
    if (row.status, &output, &error) != (machine.status(), &machine.output().cloned(), &replayed_error) {
        wrong.push(format!(
            "it is {} with {output:?} {error:?}, and its journal gives {} with {:?} {replayed_error:?}",
            row.status,
            machine.status(),
            machine.output(),
        ));
    }
    if row.status.is_ended() != row.ended_at.is_some() || row.waiting_for.is_some() {
        wrong.push(format!("its row contradicts itself: {row:?}"));
    }
    if row.next_seq != i64::try_from(entries.len()).unwrap_or(i64::MAX) {
        wrong.push(format!("its next place is {} after {} entries", row.next_seq, entries.len()));
    }
    let input = serde_json::from_str(&payloads.input).unwrap_or_default();
    Ok(Ok((Facts { row, input, output, error, entries, walk }, wrong)))
}

fn plain(error: &FlowError) -> Value {
    serde_json::to_value(error).unwrap_or_default()
}

/// The error without what the one who refused is called.
fn whoever_refused(error: Option<Value>) -> Option<Value> {
    let mut error = error?;
    if error["title"] == levqor_flow::machine::REFUSED {
        error["detail"] = Value::Null;
    }
    Some(error)
}

struct Report<'a> {
    world: &'a World,
    deliveries: &'a [Delivery],
    /// What reached the callee from each run, in order.
    arrived: BTreeMap<RunId, Vec<&'a str>>,
    facts: &'a BTreeMap<RunId, Facts>,
    wrong: Vec<String>,
}

impl Report<'_> {
    /// What was acknowledged is there, once, with its own input; what was not may be there, once.
    fn callers(&mut self) {
        let mut by_start: BTreeMap<u64, Vec<RunId>> = BTreeMap::new();
        for facts in self.facts.values().filter(|facts| facts.row.parent.is_none()) {
            match facts.input["start"].as_u64() {
                Some(start) => by_start.entry(start).or_default().push(facts.row.id),
                None => self.wrong.push(format!("{} was started by nobody", facts.row.id)),
            }
        }
        for (start, runs) in &by_start {
            if runs.len() > 1 {
                self.wrong.push(format!("start {start} gave several runs: {runs:?}"));
            }
        }
        let told = self.world.told();
        for (start, run) in &told.acknowledged {
            if by_start.get(&(*start as u64)) != Some(&vec![*run]) {
                self.wrong.push(format!("{run} was acknowledged and is lost"));
            }
            if let Some(facts) = self.facts.get(run)
                && facts.input != self.world.input(*start)
            {
                self.wrong.push(format!("{run} has another's input: {}", facts.input));
            }
        }
        for cancel in &told.cancels {
            let status = self.facts.get(&cancel.run).map(|facts| facts.row.status);
            if cancel.reported.is_some() && cancel.reported != status {
                self.wrong.push(format!(
                    "{} is {status:?}, and its canceller was told {:?}",
                    cancel.run, cancel.reported
                ));
            }
        }
    }

    /// Each run ends as the interpreter alone would have it, unless someone cancelled it.
    fn outcomes(&mut self) {
        let cancelled: BTreeSet<RunId> = self.world.told().cancels.iter().map(|cancel| cancel.run).collect();
        for facts in self.facts.values() {
            let (row, id) = (&facts.row, facts.row.id);
            let expected = match self.world.oracle.play(&row.name, &facts.input) {
                Ok(expected) => expected,
                Err(reason) => {
                    self.wrong.push(format!("{id} of {}: {reason}", row.name));
                    continue;
                }
            };
            if row.status == RunStatus::Cancelled {
                if !self.is_below(id, &cancelled) {
                    self.wrong.push(format!("{id} was cancelled and nobody asked for it"));
                }
                continue;
            }
            if row.status != expected.status {
                self.wrong.push(format!(
                    "{id} of {} is {} instead of {}; its journal:{}",
                    row.name,
                    row.status,
                    expected.status,
                    journal(facts)
                ));
                continue;
            }
            // What a cancelled sub-run leads to is another story than the oracle's.
            if self.has_cancelled_child(id) {
                continue;
            }
            let calls: BTreeSet<&str> = facts.walk.calls.keys().map(String::as_str).collect();
            let expected_calls: BTreeSet<&str> = expected.calls.iter().map(String::as_str).collect();
            let budget =
                self.world.oracle.workflows.get(&row.name).and_then(|workflow| workflow.policy.budget);
            let most = budget.and_then(|budget| budget.calls);
            let made = (&calls, facts.walk.spending.asked.len());
            if !allowed::are_those(made, &expected_calls, &expected.silent, most) {
                self.wrong.push(format!("{id} of {} made {calls:?} instead of {expected_calls:?}", row.name));
            }
            if facts.walk.emitted.len() != expected.emitted {
                self.wrong.push(format!(
                    "{id} emitted {} events instead of {}",
                    facts.walk.emitted.len(),
                    expected.emitted
                ));
            }
            let asked = (facts.walk.counted(), facts.walk.questions());
            if asked != (expected.counted.clone(), expected.questions) {
                self.wrong.push(format!(
                    "{id} counted and asked {asked:?} instead of {:?}",
                    (&expected.counted, expected.questions)
                ));
            }
            if facts.walk.sub_runs.len() != expected.sub_runs.len() {
                self.wrong.push(format!(
                    "{id} has {} sub-runs instead of {}",
                    facts.walk.sub_runs.len(),
                    expected.sub_runs.len()
                ));
            }
            let errors = [facts.error.clone(), expected.error.as_ref().map(plain)].map(whoever_refused);
            if facts.output != expected.output || errors[0] != errors[1] {
                self.wrong.push(format!(
                    "{id} of {} gives {:?} {:?} instead of {:?} {:?}",
                    row.name, facts.output, facts.error, expected.output, expected.error
                ));
            }
            self.order(id, &expected.calls);
        }
    }

    /// Calls reach the callee in the order of the workflow, those of different branches in any.
    fn order(&mut self, run: RunId, expected: &[String]) {
        let mut firsts: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, place) in self.arrived.get(&run).into_iter().flatten().enumerate() {
            firsts.entry(place).or_insert(at);
        }
        let first = |place: &str| firsts.get(place).copied();
        let calls = self.facts.get(&run).map(|facts| &facts.walk.calls);
        // Only these are ever cut off: by the end of a race or of their time.
        let is_silent = |place: &str| {
            calls.and_then(|calls| calls.get(place)).is_none_or(|(_, call)| call.uri.contains("/silent/"))
        };
        for (nth, later) in expected.iter().enumerate() {
            let Some(at) = first(later) else {
                // What is cut off may be cut off before it is sent.
                if !is_silent(later) {
                    self.wrong.push(format!("{run}: {later} was never sent"));
                }
                continue;
            };
            // What was cut off may come late: an engine that stood still between the commit and the call can't know.
            for earlier in expected[..nth].iter().filter(|earlier| !is_silent(earlier)) {
                if first(earlier).is_some_and(|earlier| earlier > at) && !are_concurrent(earlier, later) {
                    self.wrong.push(format!("{run}: {later} was sent before {earlier}"));
                }
            }
        }
    }

    /// Each sub-run that was asked for is there once, as it was asked for.
    fn sub_runs(&mut self) {
        let mut children: BTreeMap<(RunId, u64), &Facts> = BTreeMap::new();
        for facts in self.facts.values() {
            let Some(parent) = facts.row.parent else { continue };
            if let Some(other) = children.insert(parent, facts) {
                self.wrong.push(format!("{} and {} are the same sub-run", facts.row.id, other.row.id));
            }
            let call = self.facts.get(&parent.0).and_then(|facts| facts.walk.sub_runs.get(&parent.1));
            if call.is_none_or(|call| call.name != facts.row.name || call.input != facts.input) {
                self.wrong.push(format!("{} is not what its parent asked for: {call:?}", facts.row.id));
            }
        }
        for facts in self.facts.values().filter(|facts| facts.row.status != RunStatus::Cancelled) {
            for effect in facts.walk.sub_runs.keys() {
                if !children.contains_key(&(facts.row.id, *effect)) {
                    self.wrong
                        .push(format!("{} asked for a sub-run that is not there: {effect}", facts.row.id));
                }
            }
        }
    }

    /// Nothing is written by an engine after a newer one has taken the run over.
    fn owners(&mut self) {
        for facts in self.facts.values() {
            let id = facts.row.id;
            let mut newest = 0;
            for entry in &facts.entries {
                let Some(writer) = node_of(&entry.region) else {
                    self.wrong.push(format!("{id}: entry {} was written in {}", entry.seq, entry.region));
                    continue;
                };
                let owner = self
                    .world
                    .takeovers
                    .iter()
                    .filter(|takeover| takeover.lengths.get(&id).is_some_and(|length| *length <= entry.seq))
                    .map(|takeover| takeover.node)
                    .max()
                    .unwrap_or(0)
                    .max(newest);
                if writer < owner {
                    self.wrong
                        .push(format!("{id}: node {writer} wrote entry {} of node {owner}'s run", entry.seq));
                }
                newest = newest.max(writer);
            }
        }
    }

    /// What reached the callee was asked for by a durable entry, and is always the same under its key.
    fn effects(&mut self) {
        for delivery in self.deliveries {
            let (run, place) = (delivery.run, delivery.place.as_str());
            let asked = self.facts.get(&run).and_then(|facts| facts.walk.calls.get(place));
            match asked {
                None => self.wrong.push(format!("{run}: nobody asked for {place}")),
                Some((_, call)) if *call != delivery.call => {
                    self.wrong.push(format!(
                        "{run}: {place} was sent as {:?} and asked for as {call:?}",
                        delivery.call
                    ));
                }
                Some((entry, _)) if delivery.durable <= *entry => {
                    self.wrong.push(format!(
                        "{run}: node {} sent {place} when {} entries were durable, and entry {entry} asks for it",
                        delivery.node, delivery.durable
                    ));
                }
                Some(_) => {}
            }
        }
    }

    /// Whether the run or one that it belongs to is among `runs`.
    fn is_below(&self, run: RunId, runs: &BTreeSet<RunId>) -> bool {
        let mut next = Some(run);
        while let Some(run) = next {
            if runs.contains(&run) {
                return true;
            }
            next = self.facts.get(&run).and_then(|facts| facts.row.parent).map(|(parent, _)| parent);
        }
        false
    }

    fn has_cancelled_child(&self, run: RunId) -> bool {
        self.facts.values().any(|facts| {
            facts.row.status == RunStatus::Cancelled
                && facts.row.parent.is_some_and(|(parent, _)| parent == run)
        })
    }
}

fn journal(facts: &Facts) -> String {
    facts.entries.iter().map(|entry| format!("\n      {} {}", entry.region, entry.events)).collect()
}

/// Whether two calls stand in different branches of a fork.
fn are_concurrent(left: &str, right: &str) -> bool {
    let shared = left.bytes().zip(right.bytes()).take_while(|(left, right)| left == right).count();
    let within = left.get(..shared).unwrap_or_default();
    // The branch's number is where they part.
    within.trim_end_matches(|digit: char| digit.is_ascii_digit()).ends_with("/fork/branches/")
}

/// No timer is left, and all that counts runs counts the same.
async fn books(
    world: &World,
    facts: &BTreeMap<RunId, Facts>,
    wrong: &mut Vec<String>,
) -> Result<(), levqor_store::Error> {
    let timers = world.store.timers_count().await?;
    if timers != 0 {
        wrong.push(format!("{timers} timers are left"));
    }
    let listeners = world.store.listeners_count().await?;
    if listeners != 0 {
        wrong.push(format!("{listeners} listeners are left"));
    }
    let mut counted = RunCounts::default();
    for facts in facts.values() {
        match facts.row.status {
            RunStatus::Pending => counted.pending += 1,
            RunStatus::Running => counted.running += 1,
            RunStatus::Waiting => counted.waiting += 1,
            RunStatus::Suspended => counted.suspended += 1,
            RunStatus::Completed => counted.completed += 1,
            RunStatus::Faulted => counted.faulted += 1,
            RunStatus::Cancelled => counted.cancelled += 1,
        }
    }
    let kept = world.store.run_counts(None).await?;
    if kept != counted {
        wrong.push(format!("the runs are {counted:?} and are counted as {kept:?}"));
    }
    let day = |text: &str| text.parse::<Date>().unwrap_or(world.clock.now().date());
    let used = world.store.usage(Some(world.account), day("1970-01-01"), day("2999-12-31")).await?;
    if used.runs != facts.len() as i64 {
        wrong.push(format!("{} runs are metered and {} are there", used.runs, facts.len()));
    }
    Ok(())
}
