//! Tells the life of runs and tasks, by events that workflows of the same account can start on or listen to.
//!
//! ```text
//! a workflow names such a type ─► Subscribers ─► drivers of the account's runs note their tasks
//!                                                     └─► events, published in the append that made them true
//! ```
//!
//! Only what somebody has named is told, and only to whoever names it, besides the operator's sink, which is told all
//! ([`crate::sink`]). So where nobody does and there is no sink, a run costs one look at a flag. What is told is as true as the
//! journal: both become durable together, or neither.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use levqor_flow::{
    definition::Workflow,
    event::{CloudEvent, Told, is_lifecycle, names_lifecycle},
    machine::{FlowError, TaskNote},
};
use levqor_model::{AccountId, RunStatus, TaskStatus, Timestamp};
use levqor_store::runs::Run;
use serde_json::{Map, Value, json};

use crate::{Engine, TaskRecord, mask::Mask};

/// Types that accounts have named, and whether there is a sink.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    sink: bool,
    any: AtomicBool,
    accounts: RwLock<HashMap<AccountId, Arc<BTreeSet<String>>>>,
}

/// Who is told of the life of one run.
#[derive(Debug, Clone)]
pub(crate) struct Audience {
    /// Types that workflows of the account have named.
    named: Arc<BTreeSet<String>>,
    /// The operator's sink is told all of it.
    pub(crate) sink: bool,
}

impl Audience {
    pub(crate) fn has_named(&self, kind: &str) -> bool {
        self.named.contains(kind)
    }

    fn wants(&self, kind: &str) -> bool {
        self.sink || self.has_named(kind)
    }
}

impl Subscribers {
    pub(crate) fn with_sink(sink: bool) -> Self {
        Self { sink, ..Self::default() }
    }

    pub(crate) fn has_sink(&self) -> bool {
        self.sink
    }

    /// Whether anybody may want to hear of the account's runs.
    pub(crate) fn hear_of(&self, account: AccountId) -> bool {
        self.sink || self.of(account).is_some()
    }

    /// Nobody is forgotten before the next start: what is told to nobody is only deleted after a while.
    pub(crate) fn add<'a>(&self, account: AccountId, kinds: impl IntoIterator<Item = &'a str>) {
        let kinds: Vec<&str> = kinds.into_iter().filter(|kind| is_told(kind)).collect();
        if kinds.is_empty() {
            return;
        }
        let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        let known = accounts.entry(account).or_default();
        if kinds.iter().any(|kind| !known.contains(*kind)) {
            Arc::make_mut(known).extend(kinds.into_iter().map(str::to_owned));
        }
        self.any.store(true, Ordering::Release);
    }

    fn of(&self, account: AccountId) -> Option<Arc<BTreeSet<String>>> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).get(&account).cloned()
    }
}

/// Whether it is one of the types that are told: a text of somebody's choice must not fill memory.
fn is_told(kind: &str) -> bool {
    const ALL: [Told; 10] = [
        Told::Created,
        Told::Started,
        Told::Suspended,
        Told::Resumed,
        Told::Retried,
        Told::CorrelationStarted,
        Told::CorrelationCompleted,
        Told::Cancelled,
        Told::Faulted,
        Told::Completed,
    ];
    is_lifecycle(kind) && ALL.iter().any(|told| told.of_workflow() == kind || told.of_task() == kind)
}

impl Engine {
    /// A workflow was saved: what it is started by may be told from now on.
    pub fn workflow_saved(&self, account: AccountId, workflow: &Workflow) {
        let kinds = workflow.schedule.as_ref().map(|schedule| schedule.event_kinds()).unwrap_or_default();
        self.core.lifecycle.add(account, kinds.iter().flatten().map(String::as_str));
        self.schedules_changed();
    }
}

/// Who is told of a run; None: nobody. A workflow that speaks of such events itself tells the sink alone.
pub(crate) fn wanted(subscribers: &Subscribers, account: AccountId, workflow: &Workflow) -> Option<Audience> {
    let named = subscribers.of(account).filter(|_| !names_lifecycle(&workflow.source));
    let sink = subscribers.sink;
    (sink || named.is_some()).then(|| Audience { named: named.unwrap_or_default(), sink })
}

/// What happened to a task.
#[derive(Debug)]
struct Happened {
    at: Timestamp,
    /// The execution's number.
    task: u64,
    reference: Arc<str>,
    told: Told,
    output: Option<Value>,
    error: Option<FlowError>,
}

/// Notes what happens to a run's tasks between two appends.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// Where the tasks that are under way stand, and whether they are suspended.
    open: BTreeMap<u64, (Arc<str>, bool)>,
    happened: Vec<Happened>,
}

/// Things that one append tells of tasks; more are left out, which is said in the log.
const HAPPENED_MAX: usize = 10_000;
/// An output of more is left out of the event; the run has it.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

impl Life {
    /// `open` are the tasks that are under way now.
    pub(crate) fn new(open: impl IntoIterator<Item = TaskRecord>) -> Self {
        Self {
            open: open
                .into_iter()
                .map(|record| {
                    (record.task, (record.reference.into(), record.status == TaskStatus::Suspended))
                })
                .collect(),
            happened: Vec::new(),
        }
    }

    /// What happened in `before`, with which this begins, is told already.
    pub(crate) fn pass_over(&mut self, before: &Life) {
        self.happened.drain(..before.happened.len().min(self.happened.len()));
    }

    pub(crate) fn note(&mut self, note: &TaskNote<'_>) {
        match note {
            TaskNote::Began { at, task, reference, attempt, .. } => {
                let reference: Arc<str> = (*reference).into();
                self.open.insert(*task, (Arc::clone(&reference), false));
                let first = if *attempt > 1 { Told::Retried } else { Told::Created };
                for told in [first, Told::Started] {
                    self.push(Happened {
                        at: *at,
                        task: *task,
                        reference: Arc::clone(&reference),
                        told,
                        output: None,
                        error: None,
                    });
                }
            }
            TaskNote::Became { at, task, status } => {
                let Some((reference, was)) = self.open.get_mut(task) else { return };
                let is = *status == TaskStatus::Suspended;
                if std::mem::replace(was, is) == is {
                    return;
                }
                let reference = Arc::clone(reference);
                let told = if is { Told::Suspended } else { Told::Resumed };
                self.push(Happened { at: *at, task: *task, reference, told, output: None, error: None });
            }
            TaskNote::Ended { at, task, status, output, error } => {
                let Some((reference, _)) = self.open.remove(task) else { return };
                let told = match status {
                    TaskStatus::Completed => Told::Completed,
                    TaskStatus::Faulted => Told::Faulted,
                    TaskStatus::Cancelled => Told::Cancelled,
                    // A task that was passed over has had no life.
                    _ => return,
                };
                let (output, error) = (output.cloned(), error.cloned());
                self.push(Happened { at: *at, task: *task, reference, told, output, error });
            }
        }
    }

    fn push(&mut self, happened: Happened) {
        if self.happened.len() < HAPPENED_MAX {
            self.happened.push(happened);
        } else if self.happened.len() == HAPPENED_MAX {
            tracing::warn!("a run has done more at once than its events can tell; the rest is left out");
        }
    }
}

/// Makes the events of one append.
pub(crate) struct Teller<'a> {
    pub(crate) run: &'a Run,
    /// Its first step is told already.
    pub(crate) has_started: bool,
    pub(crate) audience: &'a Audience,
    pub(crate) mask: &'a Mask,
    /// The moment of the append.
    pub(crate) at: Timestamp,
}

impl Teller<'_> {
    /// `{workflow}-{id}.{namespace}`
    fn name(&self) -> String {
        format!("{}-{}.{}", self.run.name, self.run.id, self.run.namespace)
    }

    /// Of the run itself, before what its tasks did: its first step, and that it goes on.
    pub(crate) fn of_beginning(&self, now: RunStatus) -> Vec<CloudEvent> {
        let goes_on = matches!(now, RunStatus::Running | RunStatus::Waiting);
        let started = (self.run.next_seq <= 1 && !self.has_started).then_some(Told::Started);
        let resumed = (goes_on && self.run.status == RunStatus::Suspended).then_some(Told::Resumed);
        [started, resumed]
            .into_iter()
            .flatten()
            .filter_map(|told| self.of_workflow(told, None, None, None))
            .collect()
    }

    /// Of the run itself, after what its tasks did: that it stands still, or has ended.
    pub(crate) fn of_end(
        &self,
        now: RunStatus,
        (output, error): (Option<&Value>, Option<&FlowError>),
    ) -> Option<CloudEvent> {
        let told = match now {
            RunStatus::Completed => Told::Completed,
            RunStatus::Faulted => Told::Faulted,
            RunStatus::Cancelled => Told::Cancelled,
            RunStatus::Suspended if self.run.status != RunStatus::Suspended => Told::Suspended,
            _ => return None,
        };
        self.of_workflow(told, None, output, error)
    }

    /// Of a listening task that begins or ends.
    pub(crate) fn of_listener(&self, told: Told, effect: u64) -> Option<CloudEvent> {
        self.of_workflow(told, Some(effect), None, None)
    }

    fn of_workflow(
        &self,
        told: Told,
        effect: Option<u64>,
        output: Option<&Value>,
        error: Option<&FlowError>,
    ) -> Option<CloudEvent> {
        let kind = told.of_workflow();
        if !self.audience.wants(&kind) {
            return None;
        }
        let mut data = Map::new();
        data.insert("name".to_owned(), json!(self.name()));
        data.insert(told.moment().to_owned(), json!(self.at));
        data.insert(
            "definition".to_owned(),
            json!({ "namespace": self.run.namespace, "name": self.run.name, "version": self.run.version }),
        );
        match told {
            Told::Completed => self.give_output(&mut data, output),
            Told::Faulted => self.give_error(&mut data, error),
            _ => {}
        }
        // The first step is told once, however often it is written.
        let place = if told == Told::Started { 0 } else { self.place() };
        let effect = effect.map_or_else(String::new, |effect| format!("/{effect}"));
        self.event(&kind, format!("{place}/{}{effect}", told.moment()), self.at, data)
    }

    /// Of the tasks.
    pub(crate) fn of_tasks(&self, life: &mut Life) -> Vec<CloudEvent> {
        let happened = std::mem::take(&mut life.happened);
        happened.into_iter().filter_map(|happened| self.of_task(&happened)).collect()
    }

    fn of_task(&self, happened: &Happened) -> Option<CloudEvent> {
        let told = happened.told;
        let kind = told.of_task();
        if !self.audience.wants(&kind) {
            return None;
        }
        let mut data = Map::new();
        data.insert("workflow".to_owned(), json!(self.name()));
        data.insert("task".to_owned(), json!(happened.reference));
        data.insert(told.moment().to_owned(), json!(happened.at));
        self.give_error(&mut data, happened.error.as_ref());
        if told == Told::Completed {
            self.give_output(&mut data, happened.output.as_ref());
        }
        let id = format!("{}/task/{}/{}", self.place(), happened.task, told.moment());
        self.event(&kind, id, happened.at, data)
    }

    /// The same when a first step is made again after a crash.
    fn place(&self) -> i64 {
        self.run.next_seq.max(1)
    }

    fn give_output(&self, data: &mut Map<String, Value>, output: Option<&Value>) {
        let Some(output) = output else { return };
        let output = self.mask.value(output.clone());
        if output.to_string().len() <= OUTPUT_BYTES_MAX {
            data.insert("output".to_owned(), output);
        }
    }

    fn give_error(&self, data: &mut Map<String, Value>, error: Option<&FlowError>) {
        if let Some(error) = error {
            data.insert("error".to_owned(), json!(self.mask.error(error.clone())));
        }
    }

    fn event(&self, kind: &str, id: String, at: Timestamp, data: Map<String, Value>) -> Option<CloudEvent> {
        let event = json!({
            "specversion": "1.0",
            "id": format!("{}/{id}", self.run.id),
            "source": format!("/levqor/{}/{}", self.run.namespace, self.run.name),
            "type": kind,
            "time": at,
            "subject": self.run.id,
            "datacontenttype": "application/json",
            "data": data,
        });
        CloudEvent::parse(event)
            .map_err(|reason| tracing::error!(%reason, "what was told of a run is no event; this is a defect of levqor"))
            .ok()
    }
}
