//! The surroundings of an engine under test: a store, a clock that is moved by hand, and a callee with a ledger.

use std::{sync::Arc, time::Duration};

use levqor_engine::{
    Cluster, Engine, Error, Limits, RunDetail, Setup, StartRun, Vault, cluster::Shared, egress, fault::Faults,
};
use levqor_flow::{document, machine::Surroundings};
use levqor_model::{
    AccountId, Clock, ManualClock, NodeId, RegionRegistry, RunId, RunStatus, SeededRandom, Timestamp,
    TriggerKind, WorkflowId,
};
use levqor_store::{
    Options, Store,
    accounts::Account,
    event_triggers::NewEventTrigger,
    workflows::{NewSchedule, Version, Workflow},
};
use levqor_testkit::{HttpStub, wait_for};
use serde_json::{Value, json};

/// Longer than anything takes that works.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct World {
    pub store: Store,
    pub clock: Arc<ManualClock>,
    pub random: Arc<SeededRandom>,
    pub stub: HttpStub,
    pub account: AccountId,
    pub policy: egress::Policy,
    pub processes: levqor_engine::processes::Policy,
    pub handlers: levqor_engine::handlers::Handlers,
    pub sink: Option<levqor_engine::sink::Sink>,
    pub limits: Limits,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Options::default()).await
    }

    /// With a store of these options.
    pub async fn with(options: Options) -> Self {
        let clock = Arc::new(ManualClock::at("2026-11-24T00:00:00Z".parse().unwrap()));
        let random = Arc::new(SeededRandom::new(7));
        let account = AccountId::new(clock.now(), &*random);
        let policy =
            egress::Policy { allow: vec!["127.0.0.1".parse().unwrap()], ..egress::Policy::default() };
        let store = Store::open(options).unwrap();
        let row = Account {
            id: account,
            name: "Test".to_owned(),
            plan: "agency".to_owned(),
            created_at: clock.now(),
        };
        store.create_account(row).await.unwrap();
        Self {
            store,
            clock,
            random,
            stub: HttpStub::start().await,
            account,
            policy,
            processes: levqor_engine::processes::Policy::default(),
            handlers: levqor_engine::handlers::Handlers::default(),
            sink: None,
            limits: Limits::default(),
        }
    }

    pub async fn engine(&self) -> Engine {
        self.engine_with(Faults::default()).await
    }

    pub async fn engine_with(&self, faults: Faults) -> Engine {
        Engine::start_with(self.setup(), faults).await.unwrap()
    }

    /// An engine that shares the store with others, as a node of that region. Leases count by the world's clock.
    pub async fn node(&self, region: &str) -> Engine {
        Engine::start(Setup {
            region: region.parse().unwrap(),
            cluster: Cluster::Shared(shared()),
            ..self.setup()
        })
        .await
        .unwrap()
    }

    /// What an engine of this world is made from.
    pub fn setup(&self) -> Setup {
        Setup {
            store: self.store.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            node: NodeId::new(self.clock.now(), &*self.random),
            region: "eu-west".parse().unwrap(),
            surroundings: Arc::new(Surroundings::default()),
            egress: self.policy.clone(),
            processes: self.processes.clone(),
            handlers: self.handlers.clone(),
            limits: self.limits.clone(),
            vault: Vault::new(&levqor_model::Secret::new("test")),
            sink: self.sink.clone(),
            cluster: Cluster::Alone,
        }
    }

    /// Saves a workflow: its name and version, and the rest of the document (`do`, and what else it needs). `STUB` in the text stands for the
    /// stub's address.
    pub async fn save(&self, name: &str, version: &str, rest: &str) -> WorkflowId {
        self.save_as(name, version, "{}", rest, &document::Fetched::default()).await
    }

    /// [`World::save`], with these members of `document.metadata.levqor`.
    pub async fn save_with(&self, name: &str, version: &str, ours: &str, rest: &str) -> WorkflowId {
        self.save_as(name, version, ours, rest, &document::Fetched::default()).await
    }

    /// [`World::save_with`], with functions of catalogs.
    pub async fn save_as(
        &self,
        name: &str,
        version: &str,
        ours: &str,
        rest: &str,
        functions: &document::Fetched,
    ) -> WorkflowId {
        let rest = rest.replace("STUB", &self.stub.url(""));
        let text = format!(
            "document: {{ dsl: '1.0.1', namespace: test, name: {name}, version: '{version}', metadata: {{ levqor: {ours} }} }}\n{rest}"
        );
        let source = document::read(&text).unwrap();
        let checked = document::check_with(&source, &document::Host::permissive(), functions);
        let workflow = checked.workflow.unwrap_or_else(|| panic!("{text}\n{:?}", checked.errors));
        let now = self.clock.now();
        let schedule = workflow.schedule.as_ref().map(|schedule| NewSchedule {
            anchor_at: now,
            next_due_at: schedule.next(now, now),
            on: Some(NewEventTrigger { kinds: schedule.event_kinds() })
                .filter(|trigger| !trigger.kinds.is_empty()),
        });
        let known = self.store.workflow_by_name(self.account, "test".into(), name.into()).await.unwrap();
        let id = known.as_ref().map_or_else(|| WorkflowId::new(now, &*self.random), |known| known.id);
        let version = Version {
            workflow_id: id,
            version: version.to_owned(),
            definition: source.to_string(),
            source: None,
            functions: Some(serde_json::to_string(functions).unwrap()),
            created_at: now,
        };
        if known.is_some() {
            assert!(self.store.add_version(self.account, version, None, schedule).await.unwrap());
        } else {
            let row = Workflow {
                id,
                account_id: self.account,
                namespace: "test".to_owned(),
                name: name.to_owned(),
                version: version.version.clone(),
                title: None,
                created_at: now,
                updated_at: now,
            };
            self.store.create_workflow(row, version, schedule).await.unwrap();
        }
        id
    }

    pub fn request(&self, workflow: WorkflowId, input: Value) -> StartRun {
        StartRun {
            account_id: self.account,
            workflow_id: workflow,
            version: None,
            input,
            trigger: TriggerKind::Manual,
            residency: None,
            home_region: None,
        }
    }

    pub async fn start(&self, engine: &Engine, workflow: WorkflowId, input: Value) -> RunId {
        self.try_start(engine, workflow, input).await.unwrap().run.id
    }

    pub async fn try_start(
        &self,
        engine: &Engine,
        workflow: WorkflowId,
        input: Value,
    ) -> Result<RunDetail, Error> {
        engine.start_run(self.request(workflow, input)).await
    }

    pub async fn ended(&self, engine: &Engine, run: RunId) -> RunDetail {
        let detail = engine.wait_ended(self.account, run, PATIENCE).await.unwrap();
        assert!(detail.run.status.is_ended(), "{run} is still {}", detail.run.status);
        detail
    }

    /// Starts a run and waits for its end.
    pub async fn play(&self, engine: &Engine, workflow: WorkflowId, input: Value) -> RunDetail {
        let run = self.start(engine, workflow, input).await;
        self.ended(engine, run).await
    }

    /// Saves a workflow of these tasks and plays it on an engine of its own.
    pub async fn play_tasks(&self, tasks: &str) -> RunDetail {
        let engine = self.engine().await;
        let workflow = self.save("once", "1.0.0", &format!("do: {tasks}")).await;
        let detail = self.play(&engine, workflow, json!({})).await;
        engine.drain(PATIENCE).await;
        detail
    }

    /// Waits until the stored row has this status.
    pub async fn status(&self, run: RunId, status: RunStatus) {
        wait_for(&format!("{run} to be {status}"), || async {
            let row = self.store.run(None, run).await.unwrap()?;
            (row.status == status).then_some(())
        })
        .await;
    }

    pub fn advance(&self, engine: &Engine, span: Duration) {
        self.clock.advance(span);
        engine.clock_moved();
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// So long is a node's lease: longer than tests move the clock that do not mean to end it.
pub const LEASE: Duration = Duration::from_secs(3_600);

fn shared() -> Shared {
    Shared {
        lease: LEASE,
        renew_every: Duration::from_millis(20),
        look_every: Duration::from_millis(20),
        look_again: Duration::from_millis(50),
        ..Shared::new(RegionRegistry::default())
    }
}

/// The last part of an error's type.
pub fn kind(detail: &RunDetail) -> &str {
    let error = detail.error.as_ref().unwrap_or_else(|| panic!("no error: {detail:?}"));
    error.kind.rsplit('/').next().unwrap_or_default()
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
