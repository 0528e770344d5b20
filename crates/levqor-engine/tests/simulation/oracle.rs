//! What a run must come to: the interpreter alone, in a world where nothing fails and time jumps to the next timer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use levqor_flow::{
    definition::Workflow,
    event::CloudEvent,
    machine::{
        Effect, EffectId, Event, FlowError, HttpRequest, Machine, Outcome, Progress, ServiceCall, SubRun,
        Surroundings,
    },
    services::Service,
};
use levqor_model::{RunId, RunStatus, Timestamp};
use serde_json::{Value, json};

use crate::{
    allowed, callee,
    documents::{NEWS, NOBODY},
    hooks,
    state::{Shelf, text as member},
};

/// The end of a run, and what it does on the way.
#[derive(Debug, Clone)]
pub struct Expected {
    pub status: RunStatus,
    pub output: Option<Value>,
    pub error: Option<FlowError>,
    /// Its calls in the order in which they are asked for; the keys without the run.
    pub calls: Vec<String>,
    /// Those of them that nobody answers, so that their time runs out.
    pub silent: BTreeSet<String>,
    /// Its sub-runs: the name of the workflow, its input, and whether it is waited for.
    pub sub_runs: BTreeMap<EffectId, SubRun>,
    /// How many events it emits.
    pub emitted: usize,
    /// How many questions it asks.
    pub questions: usize,
    /// How often it counts each counter up.
    pub counted: BTreeMap<String, usize>,
}

/// Knows the workflows and the callee.
#[derive(Debug)]
pub struct Oracle {
    pub seed: u64,
    pub workflows: BTreeMap<String, Arc<Workflow>>,
    pub surroundings: Arc<Surroundings>,
}

/// More events than any run of a simulation has.
const EVENTS_MAX: usize = 20_000;

impl Oracle {
    /// # Errors
    /// When the run cannot be played to its end: a defect of the generator or of the interpreter.
    pub fn play(&self, workflow: &str, input: &Value) -> Result<Expected, String> {
        let compiled = self.workflows.get(workflow).ok_or_else(|| format!("no workflow {workflow}"))?;
        let run: RunId =
            "run_01KDV7N5C00000000000000000".parse().map_err(|error| format!("run id: {error:?}"))?;
        let mut now = Timestamp::from_seconds(0);
        let started = Event::Started {
            at: now,
            run,
            input: input.clone(),
            seed: self.seed,
            secrets: Default::default(),
        };
        let mut machine =
            Machine::start(Arc::clone(compiled), Arc::clone(&self.surroundings), &started).map_err(text)?;
        let mut expected = Expected {
            status: RunStatus::Running,
            output: None,
            error: None,
            calls: Vec::new(),
            silent: BTreeSet::new(),
            sub_runs: BTreeMap::new(),
            emitted: 0,
            questions: 0,
            counted: BTreeMap::new(),
        };
        let mut shelf = Shelf::new();
        for _ in 0..EVENTS_MAX {
            let mut effects = Vec::new();
            while machine.run(u64::MAX, &mut effects, &mut ()).map_err(text)? == Progress::More {}
            for effect in effects {
                match effect {
                    Effect::CallHttp { call, .. } => {
                        if callee::answer(self.seed, &call).is_none() {
                            expected.silent.extend(place(&call));
                        }
                        expected.calls.extend(place(&call));
                    }
                    Effect::RunWorkflow { id, call } => drop(expected.sub_runs.insert(id, call)),
                    Effect::Emit { .. } => expected.emitted += 1,
                    Effect::CallService { call, .. } => match call.service {
                        Service::Approval => expected.questions += 1,
                        Service::Webhook => expected.calls.extend(place(&hooks::request(&call))),
                        Service::Store => {}
                        Service::AiChat
                        | Service::AiClassify
                        | Service::AiExtract
                        | Service::AiSummarise
                        | Service::Email => {
                            return Err(format!(
                                "{workflow} asks for {}, which nobody makes",
                                call.service.name()
                            ));
                        }
                    },
                    Effect::RunProcess { .. } => return Err(format!("{workflow} asks for a process")),
                    Effect::Timer { .. } | Effect::Listen { .. } | Effect::Abandon { .. } => {}
                }
            }
            if machine.status().is_ended() {
                expected.status = machine.status();
                expected.output = machine.output().cloned();
                expected.error = machine.error().cloned();
                expected.counted = shelf.counted;
                return Ok(expected);
            }
            let event = match stops(&machine, now) {
                Some(event) => event,
                None => self.next(&machine, now, &mut shelf)?,
            };
            now = event.at();
            machine.apply(&event, &mut ()).map_err(text)?;
        }
        Err(format!("{workflow} does not end"))
    }

    /// What happens next: whatever can be answered is, and then the nearest timer fires.
    fn next(&self, machine: &Machine, now: Timestamp, shelf: &mut Shelf) -> Result<Event, String> {
        let mut nearest: Option<(Timestamp, EffectId)> = None;
        for effect in machine.pending() {
            match effect {
                Effect::CallHttp { id, call } => {
                    if let Some(outcome) = callee::answer(self.seed, &call) {
                        return Ok(Event::ended(now, id, outcome));
                    }
                }
                Effect::RunWorkflow { id, call } => {
                    let outcome = if call.wait { self.sub_run(&call)? } else { Outcome::Output(Value::Null) };
                    return Ok(Event::ended(now, id, outcome));
                }
                Effect::Timer { id, at } => {
                    nearest = Some(nearest.map_or((at, id), |best| best.min((at, id))));
                }
                Effect::Emit { id, event, .. } => {
                    let outcome = Outcome::Output(event.into());
                    return Ok(Event::ended(now, id, outcome));
                }
                Effect::Listen { id, .. } => {
                    let seq = machine.last_received(id).unwrap_or(0) + 1;
                    let event = news(seq)?;
                    if machine.wants(id, &event).map_err(text)? {
                        return Ok(Event::Received { at: now, effect: id, seq, event });
                    }
                }
                Effect::CallService { id, call } => {
                    if let Some(outcome) = self.function(&call, now, shelf) {
                        return Ok(Event::ended(now, id, outcome));
                    }
                }
                Effect::RunProcess { .. } | Effect::Abandon { .. } => {}
            }
        }
        let (at, effect) = nearest.ok_or("the run waits for nothing")?;
        Ok(Event::TimerFired { at: at.max(now), effect })
    }

    /// What a function of the server gives; None: nothing, ever.
    fn function(&self, call: &ServiceCall, now: Timestamp, shelf: &mut Shelf) -> Option<Outcome> {
        match call.service {
            Service::Store => Some(Outcome::Output(shelf.call(&call.input))),
            Service::Webhook => callee::answer(self.seed, &hooks::request(call)),
            Service::AiChat
            | Service::AiClassify
            | Service::AiExtract
            | Service::AiSummarise
            | Service::Email => None,
            Service::Approval if member(&call.input, "title").starts_with(NOBODY) => None,
            Service::Approval => {
                let approved = allowed::answer_to(member(&call.input, "title")).unwrap_or(true);
                let answer = json!({ "approved": approved, "by": "the oracle", "comment": null, "at": now });
                Some(Outcome::Output(answer))
            }
        }
    }

    fn sub_run(&self, call: &SubRun) -> Result<Outcome, String> {
        let child = self.play(&call.name, &call.input)?;
        match (child.output, child.error) {
            (Some(output), _) => Ok(Outcome::Output(output)),
            (None, Some(error)) => Ok(Outcome::Failed { error, answered: true }),
            (None, None) => Err(format!("{} ends as {}", call.name, child.status)),
        }
    }
}

/// A run whose budget is used up stops, and somebody allows more at once.
fn stops(machine: &Machine, at: Timestamp) -> Option<Event> {
    if machine.suspended().is_some() {
        return Some(Event::Resumed { at });
    }
    machine.has_no_budget()?;
    Some(Event::Suspended { at, tasks_begun: machine.tasks_begun(), by: None, budget: true })
}

/// Something that happened in the world.
pub fn news(number: u64) -> Result<CloudEvent, String> {
    let event = json!({
        "specversion": "1.0", "id": format!("news-{number}"), "source": "/world", "type": NEWS, "data": number,
    });
    CloudEvent::parse(event).map_err(text)
}

fn place(call: &HttpRequest) -> Option<String> {
    callee::parts(&call.key).map(|(_, place)| place.to_owned())
}

fn text(reason: impl std::fmt::Display) -> String {
    reason.to_string()
}
