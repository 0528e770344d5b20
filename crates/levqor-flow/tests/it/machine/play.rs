//! The one place that knows the interpreter's interface.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails them by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::Arc,
    time::Duration,
};

use levqor_flow::{
    definition::Workflow,
    document,
    event::CloudEvent,
    machine::{
        ApplyError, Effect, EffectId, ErrorKind, Event, FlowError, Machine, MustAbort, Notes, Outcome,
        Progress, Surroundings, TaskNote,
    },
};
use levqor_model::{RunId, RunStatus, Timestamp};
use serde_json::{Value, json};

/// What happens to a run. Numbers are those of effects.
#[derive(Debug, Clone)]
pub(crate) enum Do {
    /// A call or a sub-run gives its result.
    Answer(EffectId, Value),
    /// A function of AI answers, for so many credits.
    Paid(EffectId, u64),
    /// A call is answered with this status, as an error.
    Refuse(EffectId, i64),
    /// A call fails without an answer.
    Lose(EffectId),
    /// An event of this type, with this data, is published.
    Publish(&'static str, Value),
    /// The same, with this envelope.
    PublishAll(Value),
    /// An event that the run emits is published.
    Sent(EffectId),
    /// Seconds pass; timers that become due fire in order.
    Pass(u64),
    Cancel,
    Retry,
    Suspend,
    Resume,
}

pub(crate) use Do::{
    Answer, Cancel, Lose, Paid, Pass, Publish, PublishAll, Refuse, Resume, Retry, Sent, Suspend,
};

/// When runs of the tests start.
pub(crate) const START: Timestamp = Timestamp::from_seconds(1_767_225_600);

/// Reads a workflow; `text` without a `document` gets one.
pub(crate) fn workflow(text: &str) -> Arc<Workflow> {
    let mut value = document::read(text).unwrap_or_else(|issue| panic!("{issue:?} in {text}"));
    if let Some(members) = value.as_object_mut()
        && !members.contains_key("document")
    {
        let header = json!({ "dsl": "1.0.3", "namespace": "tests", "name": "flow", "version": "1.0.0" });
        members.insert("document".to_owned(), header);
    }
    let checked = document::check_for(&value, &document::Host::permissive());
    checked.workflow.unwrap_or_else(|| panic!("{:#?} in {text}", checked.errors))
}

pub(crate) fn started(input: Value) -> Event {
    Event::Started {
        at: START,
        run: "run_01KDV7N5C00000000000000000".parse().unwrap(),
        input,
        seed: 7,
        secrets: Default::default(),
    }
}

/// Plays a script, and says what the run asked for and how it ended.
pub(crate) fn play(text: &str, input: Value, script: &[Do]) -> String {
    play_in(&Arc::new(Surroundings::default()), text, input, script).said.join("; ")
}

/// The same, in given surroundings; gives all that was seen.
pub(crate) fn play_in(surroundings: &Arc<Surroundings>, text: &str, input: Value, script: &[Do]) -> Player {
    let workflow = workflow(text);
    let in_slices = |slice| {
        let mut player = Player::start(&workflow, surroundings, input.clone(), slice);
        for step in script {
            player.step(step);
        }
        player
    };
    let whole = in_slices(u64::MAX);
    for sliced in [1, 3].map(in_slices) {
        assert_eq!(whole.said, sliced.said, "slices change what a run does: {text}");
        assert_eq!(whole.seen.lines, sliced.seen.lines, "slices change what is seen: {text}");
    }
    whole
}

/// Checks rows of title, workflow, input, script and transcript, and shows all that differ at once.
pub(crate) fn check(rows: Vec<(&str, &str, Value, Vec<Do>, &str)>) {
    let mut wrong = String::new();
    for (title, text, input, script, expected) in rows {
        let got = play(text, input, &script);
        if got != expected {
            let _ = writeln!(wrong, "{title}\n  expected {expected}\n  but was  {got}");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[derive(Debug)]
pub(crate) struct Player {
    workflow: Arc<Workflow>,
    surroundings: Arc<Surroundings>,
    pub(crate) machine: Machine,
    pub(crate) journal: Vec<Event>,
    now: Timestamp,
    slice: u64,
    /// What the run asked for and how it ended.
    pub(crate) said: Vec<String>,
    pub(crate) seen: Seen,
    pub(crate) keys: Vec<String>,
    /// Effects asked for that have neither ended nor been let go.
    open: BTreeSet<EffectId>,
    published: Vec<CloudEvent>,
    /// How many of the published events each listener has been offered.
    offered: BTreeMap<EffectId, usize>,
}

impl Player {
    pub(crate) fn start(
        workflow: &Arc<Workflow>,
        surroundings: &Arc<Surroundings>,
        input: Value,
        slice: u64,
    ) -> Self {
        let mut player = Self::start_only(workflow, surroundings, input, slice);
        player.run();
        player
    }

    /// A run that has done nothing yet.
    pub(crate) fn start_only(
        workflow: &Arc<Workflow>,
        surroundings: &Arc<Surroundings>,
        input: Value,
        slice: u64,
    ) -> Self {
        let event = started(input);
        let machine = Machine::start(Arc::clone(workflow), Arc::clone(surroundings), &event).unwrap();
        Self { slice, ..Self::idle(workflow, surroundings, machine, event) }
    }

    /// A run from another first event, which has done what it can.
    pub(crate) fn from(
        workflow: &Arc<Workflow>,
        surroundings: &Arc<Surroundings>,
        machine: Machine,
        first: Event,
    ) -> Self {
        let mut player = Self::idle(workflow, surroundings, machine, first);
        player.run();
        player
    }

    fn idle(
        workflow: &Arc<Workflow>,
        surroundings: &Arc<Surroundings>,
        machine: Machine,
        first: Event,
    ) -> Self {
        Self {
            workflow: Arc::clone(workflow),
            surroundings: Arc::clone(surroundings),
            machine,
            journal: vec![first],
            now: START,
            slice: u64::MAX,
            said: Vec::new(),
            seen: Seen::default(),
            keys: Vec::new(),
            open: BTreeSet::new(),
            published: Vec::new(),
            offered: BTreeMap::new(),
        }
    }

    pub(crate) fn step(&mut self, step: &Do) {
        let failed =
            |effect, error, answered| Event::ended(self.now, effect, Outcome::Failed { error, answered });
        let communication =
            |status| FlowError { status, ..ErrorKind::Communication.error("call failed", "no luck") };
        let event = match step {
            Answer(effect, value) => Event::ended(self.now, *effect, Outcome::Output(value.clone())),
            Paid(effect, credits) => Event::EffectEnded {
                at: self.now,
                effect: *effect,
                outcome: Outcome::Output(json!({ "answer": "Yes." })),
                credits: *credits,
            },
            Refuse(effect, status) => failed(*effect, communication(*status), true),
            Lose(effect) => failed(*effect, communication(500), false),
            Pass(seconds) => return self.pass(*seconds),
            Publish(kind, data) => {
                let id = self.published.len() + 1;
                return self.publish(json!({
                    "specversion": "1.0", "id": id.to_string(), "source": "/test", "type": kind, "data": data,
                }));
            }
            Sent(effect) => {
                let pending = self.machine.pending();
                let emitted = pending.into_iter().find_map(|pending| match pending {
                    Effect::Emit { id, event, .. } if id == *effect => Some(event),
                    _ => None,
                });
                let event = emitted.unwrap_or_else(|| panic!("#{effect} emits nothing"));
                self.published.push(event.clone());
                let outcome = Outcome::Output(event.into());
                Event::ended(self.now, *effect, outcome)
            }
            PublishAll(event) => return self.publish(event.clone()),
            Cancel => Event::Cancelled { at: self.now, tasks_begun: self.machine.tasks_begun() },
            Retry => Event::Retried { at: self.now, secrets: Default::default() },
            Suspend => {
                let tasks_begun = self.machine.tasks_begun();
                let budget = self.machine.has_no_budget().is_some();
                let by = (!budget).then(|| "tester".to_owned());
                Event::Suspended { at: self.now, tasks_begun, by, budget }
            }
            Resume => Event::Resumed { at: self.now },
        };
        self.apply(event);
        self.offer();
    }

    fn publish(&mut self, event: Value) {
        self.published.push(CloudEvent::parse(event).unwrap());
        self.offer();
    }

    /// Offers listeners what they have not seen, as an engine does.
    fn offer(&mut self) {
        let mut full = BTreeSet::new();
        loop {
            let listener = self.machine.pending().into_iter().find_map(|effect| match effect {
                Effect::Listen { id, interests } if !full.contains(&id) => {
                    let seen = self.offered[&id];
                    (seen < self.published.len()).then_some((id, interests, seen))
                }
                _ => None,
            });
            let Some((effect, interests, seen)) = listener else { return };
            let event = self.published[seen].clone();
            match self.machine.wants(effect, &event) {
                Ok(wants) => {
                    self.offered.insert(effect, seen + 1);
                    if wants {
                        let may = interests.iter().any(|interest| interest.may_match(&event));
                        assert!(may, "{interests:?} rules out what is wanted: {event:?}");
                        let seq = seen as u64 + 1;
                        self.said.push(format!("#{effect} hears {seq}"));
                        self.apply(Event::Received { at: self.now, effect, seq, event });
                        full.clear();
                    }
                }
                Err(ApplyError::Full(_)) => {
                    self.said.push(format!("#{effect} is full"));
                    full.insert(effect);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn pass(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        loop {
            let due = self.machine.pending().into_iter().filter_map(|effect| match effect {
                Effect::Timer { id, at } if at <= until => Some((at, id)),
                _ => None,
            });
            let Some((at, effect)) = due.min() else { break };
            self.now = self.now.max(at);
            self.apply(Event::TimerFired { at: self.now, effect });
            self.offer();
        }
        self.now = until;
    }

    /// Applies and journals an event, or says why it is refused.
    pub(crate) fn apply(&mut self, event: Event) {
        match self.machine.apply(&event, &mut self.seen) {
            Ok(()) => {
                if let Event::EffectEnded { effect, .. } | Event::TimerFired { effect, .. } = &event {
                    assert!(self.open.remove(effect), "#{effect} had ended or was let go");
                }
                if let Event::Received { effect, seq, .. } = &event {
                    // What has had its last event ends by itself.
                    match self.machine.last_received(*effect) {
                        Some(last) => assert_eq!(last, *seq),
                        None => assert!(self.open.remove(effect), "#{effect} had ended"),
                    }
                }
                self.journal.push(event);
                self.run();
            }
            Err(ApplyError::NotPending(effect)) => self.said.push(format!("#{effect} is not pending")),
            Err(error) => self.said.push(format!("refused: {error}")),
        }
    }

    /// Runs at most one slice. False when there is nothing left to do.
    pub(crate) fn run_slice(&mut self) -> Result<bool, MustAbort> {
        let mut effects = Vec::new();
        let progress = self.machine.run(self.slice, &mut effects, &mut self.seen);
        for effect in &effects {
            self.say(effect);
        }
        progress.map(|progress| progress == Progress::More)
    }

    fn run(&mut self) {
        loop {
            match self.run_slice() {
                Ok(true) => {}
                Ok(false) => break,
                Err(MustAbort(error)) => {
                    let tasks_begun = self.machine.tasks_begun();
                    return self.apply(Event::Aborted { at: self.now, tasks_begun, error });
                }
            }
        }
        match self.machine.status() {
            RunStatus::Waiting => self.said.push("waiting".to_owned()),
            RunStatus::Suspended => self.said.push("suspended".to_owned()),
            RunStatus::Cancelled => self.said.push("cancelled".to_owned()),
            RunStatus::Completed => self.said.push(format!("= {}", self.machine.output().unwrap())),
            RunStatus::Faulted => {
                let error = self.machine.error().unwrap();
                let kind = error.kind.rsplit('/').next().unwrap_or_default();
                self.said.push(format!("! {kind} {} {}", error.status, error.instance));
            }
            _ if self.machine.has_no_budget().is_some() => self.said.push("no budget".to_owned()),
            _ => assert!(!self.machine.pending().is_empty(), "the run waits for nothing"),
        }
        self.check_the_books();
        self.compare_with_replay();
    }

    /// A run rebuilt from its journal is this run, in every detail.
    pub(crate) fn compare_with_replay(&self) {
        let mut seen = Seen::default();
        let mut replayed = Machine::replay(
            Arc::clone(&self.workflow),
            Arc::clone(&self.surroundings),
            &self.journal,
            &mut seen,
        )
        .unwrap();
        let mut effects = Vec::new();
        assert_eq!(replayed.run(u64::MAX, &mut effects, &mut seen), Ok(Progress::Idle));
        assert!(effects.iter().all(|effect| matches!(effect, Effect::Abandon { .. })), "{effects:?}");
        assert_eq!(seen.lines, self.seen.lines, "replay shows something else: {:#?}", self.journal);
        assert_eq!(format!("{replayed:?}"), format!("{:?}", self.machine), "replay gives another run");
    }

    /// Effects and notes add up: what is asked for ends, is let go or is pending; what begins ends, once.
    fn check_the_books(&self) {
        let pending: Vec<EffectId> = self.machine.pending().iter().map(Effect::id).collect();
        assert!(self.open.iter().eq(&pending), "open {:?}, pending {pending:?}", self.open);
        let status = self.machine.status();
        assert!(!status.is_ended() || pending.is_empty());
        if matches!(status, RunStatus::Completed | RunStatus::Cancelled) {
            assert!(self.seen.open.is_empty(), "{:?} have begun and not ended", self.seen.open);
        }
        assert_eq!(self.seen.begun, self.machine.tasks_begun());
    }

    fn say(&mut self, effect: &Effect) {
        match effect {
            Effect::Abandon { id } => assert!(self.open.remove(id), "#{id} had ended or was let go"),
            other => assert!(self.open.insert(other.id()), "{other:?} is asked for twice"),
        }
        let text = match effect {
            Effect::CallHttp { id, call } => {
                self.keys.push(short_key(&call.key));
                let mut text = format!("#{id} {} {}", call.method, call.uri);
                for (what, pairs) in [("?", &call.query), ("h", &call.headers)] {
                    for (name, value) in pairs {
                        let _ = write!(text, " {what}{name}={value}");
                    }
                }
                if let Some(body) = &call.body {
                    let _ = write!(text, " {body}");
                }
                text
            }
            Effect::RunWorkflow { id, call } => {
                self.keys.push(short_key(&call.key));
                let detached = if call.wait { "" } else { " detached" };
                format!(
                    "#{id} run {}/{}:{} {}{detached}",
                    call.namespace, call.name, call.version, call.input
                )
            }
            Effect::RunProcess { id, call } => {
                self.keys.push(short_key(&call.key));
                let mut text = format!(
                    "#{id} {} {:?} <{:?} {:?}",
                    call.program.word(),
                    call.text,
                    call.stdin,
                    call.arguments
                );
                for (name, value) in &call.environment {
                    let _ = write!(text, " {name}={value}");
                }
                if !call.wait {
                    text.push_str(" detached");
                }
                text
            }
            Effect::CallService { id, call } => {
                self.keys.push(call.key.clone());
                format!("#{id} {} {}", call.service.name(), call.input)
            }
            Effect::Timer { id, at } => {
                let span = at.since(self.now);
                format!("#{id} +{span:?}")
            }
            Effect::Emit { id, event, .. } => format!("#{id} emit {}", Value::from(event.clone())),
            Effect::Listen { id, interests } => {
                self.offered.insert(*id, self.published.len());
                format!("#{id} listen {}", serde_json::to_string(interests).unwrap())
            }
            Effect::Abandon { id } => format!("drop #{id}"),
        };
        self.said.push(text);
    }
}

/// A key without the run's id, which is the same in all of them.
fn short_key(key: &str) -> String {
    let (run, rest) = key.split_once('/').unwrap();
    assert!(run.parse::<RunId>().is_ok(), "{key}");
    rest.to_owned()
}

/// Notes, written down.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) lines: Vec<String>,
    begun: u64,
    /// Tasks that have begun and not ended.
    open: BTreeSet<u64>,
}

impl Notes for Seen {
    fn note(&mut self, note: TaskNote<'_>) {
        match &note {
            TaskNote::Began { task, .. } => {
                self.begun += 1;
                assert_eq!(*task, self.begun, "tasks are numbered in the order in which they begin");
                self.open.insert(*task);
            }
            // After a fault, a retry of the run goes on with tasks that had ended.
            TaskNote::Became { task, .. } => {
                self.open.insert(*task);
            }
            TaskNote::Ended { task, .. } => {
                assert!(self.open.remove(task), "{note:?}, but it had ended");
            }
        }
        self.lines.push(match note {
            TaskNote::Began { task, name, iteration, attempt, input, .. } => {
                let iteration: String = iteration.iter().map(|position| format!("[{position}]")).collect();
                let attempt = if attempt == 1 { String::new() } else { format!(" attempt {attempt}") };
                format!("{task} {name}{iteration}{attempt} began {input}")
            }
            TaskNote::Became { task, status, .. } => format!("{task} {status}"),
            TaskNote::Ended { task, status, output, error, .. } => {
                let output = output.map(|output| format!(" {output}")).unwrap_or_default();
                let error = error.map(|error| format!(" {}", error.kind.rsplit('/').next().unwrap()));
                format!("{task} {status}{output}{}", error.unwrap_or_default())
            }
        });
    }
}
