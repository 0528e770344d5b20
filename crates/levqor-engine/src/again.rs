//! Running a run again: the same run from the task that failed, or a new one from its start or from a task in the middle.

use std::sync::Arc;

use levqor_flow::machine::{Entry, Event, Surroundings, entry_at, entry_points, replays_on};
use levqor_model::{AccountId, RunId, RunStatus, TriggerKind};
use levqor_store::{idempotency::KeyClaim, runs::Run};
use serde_json::{Value, json};

use crate::{
    Engine, Error, RetryFrom, RunDetail,
    cluster::Host,
    core::Core,
    secrets::forgotten,
    start::{How, Start},
};

/// What is different the next time.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The workflow's input, or that of the task to begin at.
    pub input: Option<Value>,
    /// Another version of the workflow.
    pub version: Option<String>,
    /// The `Idempotency-Key` of the request, claimed.
    pub claim: Option<KeyClaim>,
}

impl Engine {
    /// Runs it again as it was.
    ///
    /// # Errors
    /// As [`Engine::retry_with`].
    pub async fn retry(&self, account: AccountId, run: RunId, from: RetryFrom) -> Result<RunDetail, Error> {
        self.retry_with(account, run, from, Changes::default()).await
    }

    /// Runs it again: the same run for [`RetryFrom::Failed`], else a new one. Durable when this returns.
    ///
    /// # Errors
    /// When the run's status or the changes don't allow it; each says what does.
    pub async fn retry_with(
        &self,
        account: AccountId,
        run: RunId,
        from: RetryFrom,
        changes: Changes,
    ) -> Result<RunDetail, Error> {
        let core = &self.core;
        if core.soft.is_cancelled() {
            return Err(Error::Draining);
        }
        // As it is: what is shown of it is no input.
        let detail = self.stored(account, run).await?;
        let place = match &from {
            RetryFrom::Failed => "failed",
            RetryFrom::Start => "start",
            RetryFrom::Task(pointer) => pointer,
        };
        let (version, has_input) = (&changes.version, changes.input.is_some());
        let details = json!({ "from": place, "version": version, "with_input": has_input });
        self.note_wish(&detail.run, "run.retry_asked", details).await?;
        match from {
            RetryFrom::Failed => {
                if changes.input.is_some() {
                    return Err(Error::InputKept);
                }
                if detail.run.status != RunStatus::Faulted {
                    return Err(Error::NotFaulted { id: run, status: detail.run.status });
                }
                core.reopen(&detail.run, changes.version).await?;
                self.run(account, run).await
            }
            RetryFrom::Start => {
                let input = changes.input.clone().unwrap_or_else(|| detail.input.clone());
                self.begin_again(detail, input, None, changes).await
            }
            RetryFrom::Task(pointer) => {
                must_have_ended(&detail.run)?;
                let mut entry = core.entry(&detail.run, &pointer).await?;
                if let Some(version) = &changes.version {
                    core.allows(&detail.run, version, &pointer).await?;
                }
                if let Some(input) = &changes.input {
                    entry.input = input.clone();
                }
                let input = detail.input.clone();
                self.begin_again(detail, input, Some(entry), changes).await
            }
        }
    }

    /// The tasks that a new run may begin at, as JSON Pointers into the run's version.
    pub async fn entry_points(&self, run: &Run) -> Result<Vec<String>, Error> {
        let workflow = self.core.definition(run.workflow_id, &run.version).await?;
        Ok(entry_points(&workflow).iter().map(ToString::to_string).collect())
    }

    /// The input that a retry from there has without changes: the run's, or the raw one that the task had when it began for
    /// the last time. None when it holds what must not be shown.
    ///
    /// # Errors
    /// As [`Engine::retry_with`].
    pub async fn retry_input(
        &self,
        account: AccountId,
        run: RunId,
        from: &RetryFrom,
    ) -> Result<Option<Value>, Error> {
        let detail = self.stored(account, run).await?;
        let mask = self.core.mask(&detail.run).await?;
        let input = match from {
            RetryFrom::Failed | RetryFrom::Start => detail.input,
            RetryFrom::Task(pointer) => self.core.entry(&detail.run, pointer).await?.input,
        };
        let whole = mask.is_empty() || mask.value(input.clone()) == input;
        Ok(whole.then_some(input))
    }

    async fn begin_again(
        &self,
        detail: RunDetail,
        input: Value,
        entry: Option<Entry>,
        changes: Changes,
    ) -> Result<RunDetail, Error> {
        let row = detail.run;
        must_have_ended(&row)?;
        let start = Start {
            account_id: row.account_id,
            workflow_id: row.workflow_id,
            version: changes.version.unwrap_or(row.version),
            input: input.clone(),
            trigger: TriggerKind::Retry,
            residency: Some(row.residency),
            home_region: Some(row.home_region),
            parent: None,
            depth: 0,
            retry_of: Some(row.id),
            firing: None,
            assumed: None,
        };
        let started = start.accept_as(&self.core, How { claim: changes.claim, entry }).await?;
        self.told(row.account_id, started, input).await
    }
}

fn must_have_ended(run: &Run) -> Result<(), Error> {
    if run.status.is_ended() { Ok(()) } else { Err(Error::NotEnded { id: run.id, status: run.status }) }
}

impl Core {
    /// Has a faulted run go on from the task that failed; with another version only when its journal replays on that.
    async fn reopen(self: &Arc<Self>, row: &Run, version: Option<String>) -> Result<(), Error> {
        let version = version.filter(|version| *version != row.version);
        let at = row.ended_at.map_or_else(|| self.clock.now(), |ended| self.clock.now().max(ended));
        let workflow = self.definition(row.workflow_id, version.as_deref().unwrap_or(&row.version)).await?;
        match &version {
            Some(version) => self.check_replay(row, version).await?,
            None if !workflow.secrets.is_empty() => {
                let surroundings = self.surroundings(row.account_id, &workflow).await?;
                self.must_remember(row, &surroundings, &self.journal(row.id).await?.events)?;
            }
            None => {}
        }
        let secrets = self.secret_versions(row.account_id, &workflow).await?;
        let event = match &version {
            None => Event::Retried { at, secrets },
            Some(_) => Event::Moved { at, secrets },
        };
        let events = serde_json::to_string(&[event])
            .map_err(|reason| Error::Journal { id: row.id, reason: reason.to_string() })?;
        let (id, seq, region) = (row.id, row.next_seq, self.region.clone());
        let host = self.host(&row.residency).await?;
        let (node, is_here) = match host {
            Host::Here => (self.node, true),
            Host::There { node, .. } => (node, false),
            Host::Later | Host::Nobody { .. } => return Err(Error::NoHost(row.id)),
        };
        let epoch = self.epoch;
        let gate = self.gate_again(row, &workflow, is_here && self.pump.has_places()).await;
        let reopened = match version {
            None => self.store.reopen_run(id, epoch, node, seq, at, region, events, gate).await?,
            Some(version) => {
                self.store.move_run(id, epoch, node, seq, at, region, events, version, gate).await?
            }
        };
        if !reopened {
            let status = self.store.run(None, row.id).await?.map_or(row.status, |row| row.status);
            return Err(Error::NotFaulted { id: row.id, status });
        }
        self.quota.add_reopened(row.account_id);
        self.registry.wake(row.id);
        Ok(())
    }

    async fn check_replay(&self, row: &Run, version: &str) -> Result<(), Error> {
        let old = self.definition(row.workflow_id, &row.version).await?;
        let new = self.definition(row.workflow_id, version).await?;
        let other = |reason: String| Error::OtherVersion { id: row.id, version: version.to_owned(), reason };
        // What the run has seen of a secret is hidden because its version declares it.
        if let Some(name) = old.secrets.iter().find(|name| !new.secrets.contains(name)) {
            return Err(other(format!(
                "the run may have used the secret {name:?}, which the other version does not declare"
            )));
        }
        let journal = self.journal_to_read(row.id).await?;
        let surroundings = self.surroundings(row.account_id, &new).await?;
        self.must_remember(row, &surroundings, &journal.events)?;
        let _turn = self.folds.acquire().await.map_err(|_| Error::Draining)?;
        self.pool
            .run(move || replays_on(old, new, &surroundings, &journal.events))
            .await
            .map_err(|panicked| Error::Journal { id: row.id, reason: panicked.to_string() })?
            .map_err(|difference| other(difference.to_string()))
    }

    /// A journal can only be played with the values that it was written with.
    fn must_remember(&self, row: &Run, surroundings: &Surroundings, journal: &[Event]) -> Result<(), Error> {
        if forgotten(surroundings, journal).is_empty() {
            Ok(())
        } else {
            Err(Error::SecretsForgotten(row.id))
        }
    }

    /// What the run had when it began the task.
    async fn entry(&self, row: &Run, pointer: &str) -> Result<Entry, Error> {
        self.allows(row, &row.version, pointer).await?;
        let workflow = self.definition(row.workflow_id, &row.version).await?;
        let journal = self.journal_to_read(row.id).await?;
        let surroundings = self.surroundings(row.account_id, &workflow).await?;
        self.must_remember(row, &surroundings, &journal.events)?;
        let reference = pointer.to_owned();
        let _turn = self.folds.acquire().await.map_err(|_| Error::Draining)?;
        self.pool
            .run(move || entry_at(workflow, surroundings, &journal.events, &reference))
            .await
            .map_err(|panicked| Error::Journal { id: row.id, reason: panicked.to_string() })?
            .map_err(|reason| Error::Journal { id: row.id, reason: reason.to_string() })?
            .ok_or_else(|| Error::NeverBegan { id: row.id, pointer: pointer.to_owned() })
    }

    /// Whether a run of this version may begin at the task.
    async fn allows(&self, row: &Run, version: &str, pointer: &str) -> Result<(), Error> {
        const SHOWN_MAX: usize = 20;
        let workflow = self.definition(row.workflow_id, version).await?;
        let points = entry_points(&workflow);
        if points.iter().any(|point| **point == *pointer) {
            return Ok(());
        }
        let mut allowed: Vec<&str> = points.iter().take(SHOWN_MAX).map(|point| &**point).collect();
        if points.len() > SHOWN_MAX {
            allowed.push("…");
        }
        Err(Error::NoEntry {
            pointer: pointer.chars().take(200).collect(),
            version: version.to_owned(),
            allowed: allowed.join(", "),
        })
    }
}
