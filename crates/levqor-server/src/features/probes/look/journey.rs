//! A journey: a workflow that goes the way of a customer, in an engine of its own.
//!
//! The engine is the real one over a database in memory that goes with it, so that a platform whose engine or database is ill cannot
//! keep its own examiner from saying so, and so that nothing but what the public endpoints do is left behind. What it may reach is the
//! public internet, what the operator allows, and the node that it goes to.

use std::{sync::Arc, time::Duration};

use levqor_engine::{
    Cluster, Engine, Limits, RunDetail, Setup, StartRun, Vault,
    egress::{self, Network},
    handlers::Handlers,
    processes,
};
use levqor_flow::{
    document::{Fetched, Host},
    machine::Surroundings,
};
use levqor_model::{
    AccountId, NodeId, RunStatus, Secret, SystemClock, SystemRandom, TaskStatus, Timestamp, TriggerKind,
    WorkflowId,
};
use levqor_store::{Options, Store, accounts::Account, workflows};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;
use url::{Host as UrlHost, Url};

use super::{Target, address_of, allowed, reach::look_up};
use crate::{
    App,
    features::probes::{
        account,
        definition::{Definition, Journey},
    },
    gateway::new_token,
};

/// Steps of one journey that are told.
const STEPS_MAX: usize = 100;
/// What is left of the time for telling how far it came.
const TELLING: Duration = Duration::from_millis(500);

/// One step on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Step {
    pub(in super::super) name: String,
    pub(in super::super) status: String,
    pub(in super::super) latency_us: i64,
}

/// Goes the way once.
pub(super) async fn go(
    app: &App,
    definition: &Definition,
    journey: &Journey,
    target: &Target,
    attempt: usize,
    steps: &mut Vec<Step>,
) -> Result<(), String> {
    let began = Instant::now();
    let url = address_of(target, attempt)?;
    let key = account::key(app).await?;
    let mut allow = allowed(app, definition);
    allow.extend(networks_of(url).await?);
    let world = World::new(allow).await?;
    // Of its own time, so that it can still tell how far it came when that is over.
    let patience = definition.timeout.saturating_sub(began.elapsed() + TELLING);
    let input = json!({ "url": url, "region": target.name, "nonce": nonce(app) });
    let outcome = world.walk(journey, key, input, patience, steps).await;
    world.end().await;
    outcome
}

/// Lower case letters and digits: it is part of a name.
fn nonce(app: &App) -> String {
    new_token(&*app.random)
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .take(16)
        .collect()
}

/// Where a node is, as addresses.
async fn networks_of(url: &str) -> Result<Vec<Network>, String> {
    let url =
        Url::parse(url).map_err(|error| format!("the node says that it is reached at {url:?}: {error}"))?;
    let addresses = match url.host() {
        Some(UrlHost::Ipv4(address)) => vec![address.into()],
        Some(UrlHost::Ipv6(address)) => vec![address.into()],
        Some(UrlHost::Domain(name)) => look_up(name).await?,
        None => return Err("the node says that it is reached at an address without a host".to_owned()),
    };
    let whole = |address: std::net::IpAddr| if address.is_ipv4() { 32 } else { 128 };
    Ok(addresses.into_iter().map(|address| Network { address, prefix: whole(address) }).collect())
}

/// An engine and its database, for one journey.
struct World {
    engine: Engine,
    store: Store,
    account: AccountId,
    now: Timestamp,
}

impl World {
    async fn new(allow: Vec<Network>) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("the journey cannot begin: {error}");
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let store = tokio::task::spawn_blocking(|| Store::open(Options { readers: 1, ..Options::default() }))
            .await
            .map_err(|error| failed(&error))?
            .map_err(|error| failed(&error))?;
        let now = levqor_model::Clock::now(&*clock);
        let account = AccountId::new(now, &*random);
        let row = Account { id: account, name: "journey".to_owned(), plan: String::new(), created_at: now };
        store.create_account(row).await.map_err(|error| failed(&error))?;
        let engine = Engine::start(Setup {
            store: store.clone(),
            node: NodeId::new(now, &*random),
            // It never leaves this process.
            region: "journey".parse().map_err(|error| failed(&error))?,
            surroundings: Arc::new(Surroundings::default()),
            egress: egress::Policy { allow, ..egress::Policy::default() },
            processes: processes::Policy::default(),
            limits: Limits { active_runs: 4, effects: 4, ..Limits::default() },
            handlers: Handlers::default(),
            // The database goes with this journey, so its key may as well.
            vault: Vault::new(&Secret::new(new_token(&*random))),
            sink: None,
            cluster: Cluster::Alone,
            clock,
            random,
        })
        .await
        .map_err(|error| failed(&error))?;
        Ok(Self { engine, store, account, now })
    }

    async fn walk(
        &self,
        journey: &Journey,
        key: Secret,
        input: Value,
        patience: Duration,
        steps: &mut Vec<Step>,
    ) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| format!("the journey cannot begin: {error}");
        let secret = Value::String(key.expose().to_owned());
        self.engine.set_secret(self.account, "probeKey", &secret, 1).await.map_err(|error| failed(&error))?;
        let workflow = self.save(journey).await?;
        let started = self
            .engine
            .start_run(StartRun {
                account_id: self.account,
                workflow_id: workflow,
                version: None,
                input,
                trigger: TriggerKind::Manual,
                residency: None,
                home_region: None,
            })
            .await
            .map_err(|error| failed(&error))?;
        let run = started.run.id;
        let ended = self.engine.wait_ended(self.account, run, patience).await;
        let ended = ended.map_err(|error| format!("the journey broke off: {error}"))?;
        let tasks = self.engine.tasks(self.account, run, None, STEPS_MAX).await.unwrap_or_default();
        steps.extend(tasks.into_iter().map(|task| {
            let until = task.ended_at.unwrap_or(task.started_at);
            Step {
                name: task.name,
                status: task.status.to_string(),
                latency_us: i64::try_from(until.since(task.started_at).as_micros()).unwrap_or(i64::MAX),
            }
        }));
        outcome(&ended, steps, patience)
    }

    async fn save(&self, journey: &Journey) -> Result<WorkflowId, String> {
        let document = Arc::clone(&journey.document);
        let checked = self.engine.check(self.account, document, &Host::default(), Fetched::default()).await;
        let (checked, _) = checked.map_err(|error| error.to_string())?;
        let found = checked.workflow.ok_or("its document is not valid any more")?;
        let id = WorkflowId::new(self.now, &SystemRandom);
        let workflow = workflows::Workflow {
            id,
            account_id: self.account,
            namespace: found.namespace.clone(),
            name: found.name.clone(),
            version: found.version.clone(),
            title: found.title.clone(),
            created_at: self.now,
            updated_at: self.now,
        };
        let version = workflows::Version {
            workflow_id: id,
            version: found.version.clone(),
            definition: journey.document.to_string(),
            source: Some(journey.text.to_string()),
            functions: None,
            created_at: self.now,
        };
        self.store.create_workflow(workflow, version, None).await.map_err(|error| error.to_string())?;
        Ok(id)
    }

    async fn end(self) {
        self.engine.drain(Duration::ZERO).await;
        self.store.close().await;
    }
}

/// What the end of the run says of the platform.
fn outcome(ended: &RunDetail, steps: &[Step], patience: Duration) -> Result<(), String> {
    let failed_at = || {
        let completed = TaskStatus::Completed.to_string();
        let step = steps.iter().rev().find(|step| step.status != completed);
        step.map(|step| step.name.clone()).unwrap_or_default()
    };
    match ended.run.status {
        RunStatus::Completed => Ok(()),
        RunStatus::Faulted => {
            let error = ended.error.as_ref();
            let words = error.and_then(|error| error.detail.as_deref().or(error.title.as_deref()));
            // What the callee said may hold what it just made: the token of a webhook belongs into no evidence.
            let words = words.and_then(|words| words.split(": {").next()).unwrap_or("it failed");
            Err(format!("at {}: {words}", failed_at()))
        }
        _ => Err(format!("at {}: not done within {} s", failed_at(), patience.as_secs())),
    }
}
