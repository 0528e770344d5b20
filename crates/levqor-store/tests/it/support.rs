//! Values for tests: a store of one's own, ids and times that are the same in every run.

use std::sync::Arc;

use levqor_model::{
    AccountId, NodeId, Priority, RegionCode, Residency, RunId, RunStatus, SeededRandom, Timestamp,
    TriggerKind, UserId, WorkflowId,
};
use levqor_store::{
    Options, Store,
    accounts::{Account, User},
    queue::Gate,
    runs::{Append, NewRun, Run},
    workflows::{NewSchedule, Version, Workflow},
};

/// 2026-11-24T06:48:21Z.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_795_502_901);

pub(crate) const NODE_EPOCH: i64 = 1;

/// An empty database, and a source of ids.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) store: Store,
    random: Arc<SeededRandom>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::over(crate::backend::fresh())
    }

    pub(crate) fn over(options: Options) -> Self {
        Self { store: Store::open(options).unwrap(), random: Arc::new(SeededRandom::new(42)) }
    }

    pub(crate) fn account_id(&self) -> AccountId {
        AccountId::new(NOW, &*self.random)
    }

    pub(crate) fn user_id(&self) -> UserId {
        UserId::new(NOW, &*self.random)
    }

    pub(crate) fn node_id(&self) -> NodeId {
        NodeId::new(NOW, &*self.random)
    }

    pub(crate) fn workflow_id(&self, at: Timestamp) -> WorkflowId {
        WorkflowId::new(at, &*self.random)
    }

    pub(crate) fn run_id(&self, at: Timestamp) -> RunId {
        RunId::new(at, &*self.random)
    }

    pub(crate) async fn account(&self) -> AccountId {
        let id = self.account_id();
        let account = Account { id, name: "Example".to_owned(), plan: "starter".to_owned(), created_at: NOW };
        self.store.create_account(account).await.unwrap();
        id
    }

    pub(crate) async fn user(&self, email: &str) -> UserId {
        let id = self.user_id();
        let user = User { id, email: email.to_owned(), operator: false, created_at: NOW };
        self.store.create_user(user).await.unwrap();
        id
    }

    /// A workflow with its first version, not stored yet.
    pub(crate) fn workflow(&self, account: AccountId, name: &str, at: Timestamp) -> (Workflow, Version) {
        let id = self.workflow_id(at);
        let workflow = Workflow {
            id,
            account_id: account,
            namespace: "default".to_owned(),
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            title: None,
            created_at: at,
            updated_at: at,
        };
        (workflow, version(id, "1.0.0", at))
    }

    pub(crate) async fn saved(
        &self,
        account: AccountId,
        name: &str,
        schedule: Option<NewSchedule>,
    ) -> WorkflowId {
        let (workflow, version) = self.workflow(account, name, NOW);
        let id = workflow.id;
        self.store.create_workflow(workflow, version, schedule).await.unwrap();
        id
    }

    /// A run to accept, made at that time.
    pub(crate) fn run(&self, account: AccountId, workflow: WorkflowId, at: Timestamp) -> NewRun {
        NewRun {
            run: Run {
                id: self.run_id(at),
                account_id: account,
                workflow_id: workflow,
                namespace: "default".to_owned(),
                name: "hello".to_owned(),
                version: "1.0.0".to_owned(),
                status: RunStatus::Pending,
                trigger: TriggerKind::Manual,
                region: region("eu-west"),
                home_region: region("eu-west"),
                residency: Residency::Anywhere,
                waiting_for: None,
                parent: None,
                depth: 0,
                retry_of: None,
                created_at: at,
                started_at: None,
                ended_at: None,
                owner: None,
                epoch: NODE_EPOCH,
                next_seq: 0,
                priority: Priority::default(),
                concurrency_key: None,
            },
            input: r#"{"who":"world"}"#.to_owned(),
            events: Some(r#"["accepted"]"#.to_owned()),
            firing: None,
            day: at.date(),
            claim: None,
            keeps_first_entry: false,
        }
    }
}

/// Holds nothing back.
pub(crate) fn open_gate() -> Gate {
    const MANY: i64 = 1_000_000;
    Gate {
        key: None,
        has_place: true,
        running_max: MANY,
        queued_max: MANY,
        queued_total_max: MANY,
        stride: 1,
        assumed: None,
    }
}

pub(crate) fn version(id: WorkflowId, version: &str, at: Timestamp) -> Version {
    Version {
        workflow_id: id,
        version: version.to_owned(),
        definition: format!(r#"{{"version":"{version}"}}"#),
        source: Some(format!("version: {version}")),
        functions: None,
        created_at: at,
    }
}

pub(crate) fn region(code: &str) -> RegionCode {
    code.parse().unwrap()
}

/// A step of a run that writes an entry and changes nothing else but the status.
pub(crate) fn step(run: RunId, seq: i64, status: RunStatus) -> Append {
    Append {
        run_id: run,
        epoch: NODE_EPOCH,
        seq,
        at: NOW,
        region: region("eu-west"),
        events: Some(format!("[{seq}]")),
        status,
        waiting_for: None,
        started_at: None,
        ended_at: None,
        output: None,
        error: None,
        timers_set: Vec::new(),
        timers_cleared: Vec::new(),
        event_changes: Default::default(),
        approval_changes: Default::default(),
    }
}
