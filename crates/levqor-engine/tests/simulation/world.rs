//! Plays a plan against real engines on a real store.

mod callers;
mod people;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use levqor_engine::{
    Limits, Setup, egress,
    fault::{Faults, Point},
};
use levqor_flow::{document, machine::Surroundings};
use levqor_model::{
    AccountId, Clock, ManualClock, NodeId, RegionCode, RunId, RunStatus, SeededRandom, Timestamp, WorkflowId,
};
use levqor_store::{
    Options, Store,
    accounts::Account,
    workflows::{Version, Workflow},
};
use serde_json::{Value, json};

use crate::{
    approvals::Answer,
    callee::{Ledger, Line},
    documents::{self, NAMES},
    node::Node,
    oracle::Oracle,
    plan::{Plan, Start, Step, Trouble},
    state,
};

/// Of the machine's time, for what must end once nothing fails any more.
const PATIENCE: Duration = Duration::from_secs(60);
/// Engines alive at once.
const NODES_MAX: usize = 3;

/// What happened, for the report.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    pub boots: usize,
    pub kills: usize,
    pub crashes: BTreeMap<String, usize>,
    pub stalls: usize,
    pub jumps: usize,
    pub cancels: usize,
    pub suspends: usize,
    pub resumes: usize,
    pub answers: usize,
    /// Answers that came while no engine ran.
    pub answers_alone: usize,
    pub acknowledged: usize,
    pub in_doubt: usize,
}

/// A cancel that was asked for.
#[derive(Debug, Clone)]
pub struct Cancel {
    pub run: RunId,
    /// The status that was reported; None while nothing was.
    pub reported: Option<RunStatus>,
}

/// What callers were told. Filled by tasks that may die with their node.
#[derive(Debug, Default)]
pub struct Told {
    pub acknowledged: BTreeMap<usize, RunId>,
    pub refused: BTreeMap<usize, String>,
    pub cancels: Vec<Cancel>,
    /// News that were acknowledged.
    pub published: BTreeSet<u64>,
    pub answers: Vec<Answer>,
}

/// Runs that an engine took over, each with the journal's length at that moment.
#[derive(Debug)]
pub struct Takeover {
    pub node: usize,
    pub lengths: BTreeMap<RunId, i64>,
}

#[derive(Debug)]
pub struct World {
    pub store: Store,
    pub account: AccountId,
    pub clock: Arc<ManualClock>,
    pub ledger: Arc<Ledger>,
    pub oracle: Oracle,
    pub starts: Vec<Start>,
    pub takeovers: Vec<Takeover>,
    pub tally: Tally,
    told: Arc<Mutex<Told>>,
    client: egress::Client,
    random: Arc<SeededRandom>,
    workflows: BTreeMap<String, WorkflowId>,
    nodes: Vec<Node>,
    started: BTreeSet<usize>,
    /// News that were made.
    news: u64,
    /// Held by every request that was neither answered nor died with its node.
    open: Arc<()>,
    /// Where which engine crashes.
    points: BTreeMap<usize, Point>,
}

impl World {
    /// # Errors
    /// When the workflows are refused.
    pub async fn new(plan: &Plan, client: egress::Client) -> Result<Self, String> {
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_795_503_600)));
        let random = Arc::new(SeededRandom::new(plan.seed));
        let now = clock.now();
        let account = AccountId::new(now, &*random);
        let store = Store::open(Options { readers: 1, ..Options::default() }).map_err(text)?;
        let row = Account {
            id: account,
            name: "Simulation".to_owned(),
            plan: "agency".to_owned(),
            created_at: now,
        };
        store.create_account(row).await.map_err(text)?;
        let mut workflows = BTreeMap::new();
        let mut compiled = BTreeMap::new();
        for (name, source) in NAMES.iter().zip(documents::all(plan.seed)) {
            let checked = document::check(&source);
            let Some(workflow) = checked.workflow else {
                return Err(format!("{name} is refused: {:?}\n{source:#}", checked.errors));
            };
            let id = WorkflowId::new(now, &*random);
            let version = Version {
                workflow_id: id,
                version: "1.0.0".to_owned(),
                definition: source.to_string(),
                source: None,
                functions: None,
                created_at: now,
            };
            let row = Workflow {
                id,
                account_id: account,
                namespace: "sim".to_owned(),
                name: (*name).to_owned(),
                version: "1.0.0".to_owned(),
                title: None,
                created_at: now,
                updated_at: now,
            };
            store.create_workflow(row, version, None).await.map_err(text)?;
            workflows.insert((*name).to_owned(), id);
            compiled.insert((*name).to_owned(), workflow);
        }
        state::prepare(&store, account, now).await?;
        // The one thing that depends on how busy the machine is.
        let mut surroundings = Surroundings::default();
        surroundings.bounds.time = Duration::from_secs(600);
        Ok(Self {
            ledger: Arc::new(Ledger::new(plan.seed, store.clone())),
            oracle: Oracle { seed: plan.seed, workflows: compiled, surroundings: Arc::new(surroundings) },
            starts: plan.starts.clone(),
            takeovers: Vec::new(),
            tally: Tally::default(),
            told: Arc::default(),
            nodes: Vec::new(),
            started: BTreeSet::new(),
            news: 0,
            open: Arc::default(),
            points: BTreeMap::new(),
            store,
            account,
            clock,
            client,
            random,
            workflows,
        })
    }

    /// Plays the plan, then lets everything end with nothing more going wrong.
    ///
    /// # Errors
    /// When an engine can't start, or something does not end.
    pub fn play(&mut self, plan: &Plan) -> Result<(), String> {
        for (step, turns) in &plan.steps {
            self.step(step)?;
            self.drive(*turns);
        }
        self.settle()
    }

    pub fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn input(&self, start: usize) -> Value {
        let number = self.starts.get(start).map_or(0, |start| start.number);
        json!({ "n": number, "trail": [], "start": start })
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Start { node, start } => {
                if self.awake(*node).is_none() {
                    self.boot(&Trouble::default())?;
                }
                self.start(*node, *start);
            }
            Step::Cancel { node, start } => self.cancel(*node, *start),
            Step::Publish { node, events } => self.publish(*node, *events)?,
            Step::Suspend { node, run } => self.wish(*node, *run, true)?,
            Step::Resume { node, run } => self.wish(*node, *run, false)?,
            Step::Pass(span) => self.pass(*span),
            Step::Jump(seconds) => {
                self.tally.jumps += 1;
                let now = self.clock.now();
                let span = Duration::from_secs(seconds.unsigned_abs());
                self.clock.set(if *seconds < 0 { now - span } else { now + span });
            }
            Step::Kill { node } => {
                if !self.nodes.is_empty() {
                    self.tally.kills += 1;
                    let node = node % self.nodes.len();
                    self.nodes.remove(node).kill();
                }
            }
            Step::Boot(trouble) => self.boot(trouble)?,
            Step::Stall { node, successor } => {
                if let Some(place) = self.awake(*node) {
                    self.tally.stalls += 1;
                    self.nodes[place].stalled = true;
                }
                self.boot(successor)?;
            }
            Step::Answer { node, question, open, approved } => {
                self.answer_one(*node, *question, *open, *approved)?;
            }
            Step::Wake => {
                for node in &mut self.nodes {
                    node.stalled = false;
                }
            }
        }
        Ok(())
    }

    /// The place of a node that is driven.
    fn awake(&self, node: usize) -> Option<usize> {
        let awake: Vec<usize> = (0..self.nodes.len())
            .filter(|place| !self.nodes[*place].stalled && !self.nodes[*place].is_dead())
            .collect();
        awake.get(node % awake.len().max(1)).copied()
    }

    fn boot(&mut self, trouble: &Trouble) -> Result<(), String> {
        if self.nodes.len() >= NODES_MAX {
            self.nodes.remove(0).kill();
        }
        let number = self.tally.boots;
        self.tally.boots += 1;
        self.points.extend(trouble.crash.map(|(point, _)| (number, point)));
        let faults = match trouble.crash {
            Some((point, nth)) => Faults::at(point, nth),
            None => Faults::default(),
        };
        let line = Line { ledger: Arc::clone(&self.ledger), node: number };
        let faults = faults.refusing(trouble.refusals.clone()).calling(Arc::new(line), self.client.clone());
        let setup = Setup {
            store: self.store.clone(),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            random: Arc::clone(&self.random) as _,
            node: NodeId::new(self.clock.now(), &*self.random),
            region: region(number)?,
            surroundings: Arc::clone(&self.oracle.surroundings),
            egress: egress::Policy::default(),
            processes: levqor_engine::processes::Policy::default(),
            handlers: levqor_engine::handlers::Handlers::default(),
            // Few enough that runs are queued.
            limits: Limits { running_per_account: 3, ..Limits::default() },
            vault: levqor_engine::Vault::new(&levqor_model::Secret::new("test")),
            sink: None,
            cluster: levqor_engine::Cluster::Alone,
        };
        let node = Node::boot(number, setup, faults).map_err(text)?;
        let live = levqor_store::runs::RunFilter::default();
        let rows = node.ask(self.store.runs_of(None, live, None, 1_000)).map_err(text)?;
        let lengths =
            rows.iter().filter(|row| !row.status.is_ended()).map(|row| (row.id, row.next_seq)).collect();
        self.takeovers.push(Takeover { node: number, lengths });
        self.nodes.push(node);
        Ok(())
    }

    fn pass(&mut self, span: Duration) {
        self.clock.advance(span);
        for node in &self.nodes {
            node.pass(span);
        }
    }

    fn drive(&mut self, turns: u64) {
        for node in &self.nodes {
            node.drive(&self.store, turns);
        }
        let mut place = 0;
        while place < self.nodes.len() {
            if self.nodes[place].is_dead() {
                let was_replaced = place + 1 < self.nodes.len();
                let node = self.nodes.remove(place);
                // A node that was replaced stops when it renews its lease.
                let by_itself = if was_replaced { "Replaced" } else { "Unplanned" };
                let point =
                    self.points.get(&node.number).map_or(by_itself.to_owned(), |point| format!("{point:?}"));
                *self.tally.crashes.entry(point).or_default() += 1;
                node.kill();
            } else {
                place += 1;
            }
        }
    }

    /// A fresh node without faults joins those that are left, and time passes until all has ended.
    fn settle(&mut self) -> Result<(), String> {
        for node in &mut self.nodes {
            node.stalled = false;
        }
        self.boot(&Trouble::default())?;
        let deadline = Instant::now() + PATIENCE;
        let spans = [1, 1, 7, 60, 900, 7_200].map(Duration::from_secs);
        let mut quiet = 0;
        for span in spans.iter().cycle() {
            self.resume_all()?;
            self.answer_all()?;
            self.pass(*span);
            // Whoever still listens gets what it listens for.
            if quiet == 0 {
                self.publish(self.nodes.len().saturating_sub(1), 1)?;
            }
            let youngest = self.nodes.last().map(|node| node.number);
            self.drive(4);
            if self.nodes.last().map(|node| node.number) != youngest {
                // A crash that was planned and came late; its runs need an owner like all others.
                self.boot(&Trouble::default())?;
            }
            let Some(node) = self.nodes.last() else { return Err("the last node is gone".to_owned()) };
            let counts = node.ask(self.store.run_counts(None)).map_err(text)?;
            let live = counts.pending + counts.running + counts.waiting + counts.suspended;
            // Some more rounds for those that are late: they must not change anything any more.
            let idle = live == 0 && Arc::strong_count(&self.open) == 1;
            quiet = if idle { quiet + 1 } else { 0 };
            if quiet > spans.len() {
                break;
            }
            if Instant::now() > deadline {
                return Err(format!("{live} runs do not end:\n{}", self.stuck()));
            }
        }
        self.nodes.clear();
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        self.tally.acknowledged = told.acknowledged.len();
        self.tally.in_doubt = self.started.len() - told.acknowledged.len();
        Ok(())
    }

    fn stuck(&self) -> String {
        let Some(node) = self.nodes.last() else { return String::new() };
        let rows = node.ask(self.store.runs_of(None, Default::default(), None, 1_000)).unwrap_or_default();
        let live = rows.iter().filter(|row| !row.status.is_ended());
        live.map(|row| format!("  {row:?}; engine: {:?}\n", node.engine.load())).collect()
    }
}

/// Journal entries carry their region, so each engine has one of its own.
fn region(node: usize) -> Result<RegionCode, String> {
    format!("node-{node}").parse().map_err(text)
}

/// The engine that wrote an entry.
pub fn node_of(region: &RegionCode) -> Option<usize> {
    region.as_str().strip_prefix("node-")?.parse().ok()
}

fn text(reason: impl std::fmt::Display) -> String {
    reason.to_string()
}
