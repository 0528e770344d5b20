//! Why a run is not moving, in one sentence, for every run that has not ended.

use levqor_model::{AccountId, RunId, RunStatus};
use levqor_store::runs::Run;

use crate::{Engine, Error, core::Core, driver::CANNOT_GO_ON, pending::describe, queue};

impl Engine {
    /// Why the run is not moving, in one sentence; None when it has ended.
    pub async fn waiting_for(&self, account: AccountId, run: RunId) -> Result<Option<String>, Error> {
        let row = self.row(account, run).await?;
        if row.status.is_ended() {
            return Ok(None);
        }
        let why = self.why(&row).await?;
        if !matches!(row.status, RunStatus::Suspended | RunStatus::Waiting) {
            return Ok(Some(why));
        }
        Ok(Some(match self.core.store.lost_events_of(run).await? {
            0 => why,
            1 => format!("{why}; 1 event was let go that it had not read"),
            lost => format!("{why}; {lost} events were let go that it had not read"),
        }))
    }

    async fn why(&self, row: &Run) -> Result<String, Error> {
        let core = &self.core;
        let written = row.waiting_for.as_deref();
        if let Some(reason) = written.filter(|reason| reason.starts_with(CANNOT_GO_ON)) {
            return Ok(reason.to_owned());
        }
        if row.status == RunStatus::Suspended {
            return Ok(written.unwrap_or("is suspended").to_owned());
        }
        if row.status == RunStatus::Pending
            && let Some(ahead) = core.store.queue_position(row.id).await?
        {
            let running = core.store.run_counts(Some(row.account_id)).await?.running;
            return Ok(queue::describe(&ahead, running >= core.limits.running_per_account));
        }
        if row.owner != Some(core.node) {
            return core.absent_owner(row).await;
        }
        if row.status == RunStatus::Waiting
            && let Some(reason) = written
        {
            return Ok(reason.to_owned());
        }
        if let Some(reason) = core.registry.get(row.id).and_then(|entry| describe(&entry.pending())) {
            // An address may be made from a secret.
            return Ok(core.mask(row).await?.text(reason));
        }
        if row.status == RunStatus::Pending || !core.registry.contains(row.id) {
            // What a run that left memory waits for stands in its row.
            return Ok(written.map_or_else(|| core.queued(row), str::to_owned));
        }
        Ok("executes its tasks".to_owned())
    }
}

impl Core {
    fn queued(&self, row: &Run) -> String {
        match self.backlog.ahead_of(row.id) {
            Some(0) => "is next in the queue for a place on a node".to_owned(),
            Some(1) => "is queued behind 1 run for a place on a node".to_owned(),
            Some(runs) => format!("is queued behind {runs} runs for a place on a node"),
            None => "waits for a free place on a node".to_owned(),
        }
    }

    /// The run is not this node's.
    async fn absent_owner(&self, row: &Run) -> Result<String, Error> {
        let Some(owner) = row.owner else {
            return Ok("waits for an owner because no node has taken it yet".to_owned());
        };
        let alive = self.store.nodes(Some(self.clock.now())).await?;
        Ok(match alive.iter().find(|node| node.id == owner) {
            Some(node) => match row.waiting_for.as_deref() {
                Some(reason) => reason.to_owned(),
                None => format!("is driven by node {owner} in {}", node.region),
            },
            None => format!("waits for an owner because node {owner} stopped or lost its lease"),
        })
    }
}
