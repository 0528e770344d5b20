//! Callers of the engines: they start and cancel runs, publish news, and have runs stand still and go on. What each was told is
//! noted, unless it died with its node.

use std::sync::{Arc, Mutex, PoisonError};

use levqor_engine::{Engine, Error, StartRun};
use levqor_model::{RunId, RunStatus, TriggerKind};
use levqor_store::runs::RunFilter;

use super::{Cancel, Told, World, text};
use crate::oracle;

impl World {
    pub(super) fn start(&mut self, node: usize, start: usize) {
        let Some(place) = self.awake(node) else { return };
        let Some(workflow) = self.starts.get(start).and_then(|start| self.workflows.get(start.workflow))
        else {
            return;
        };
        self.started.insert(start);
        let request = StartRun {
            account_id: self.account,
            workflow_id: *workflow,
            version: None,
            input: self.input(start),
            trigger: TriggerKind::Manual,
            residency: None,
            home_region: None,
        };
        let (engine, told) = (self.nodes[place].engine.clone(), Arc::clone(&self.told));
        let open = Arc::clone(&self.open);
        self.nodes[place].spawn(async move {
            tell_start(&engine, request, start, &told).await;
            drop(open);
        });
    }

    pub(super) fn publish(&mut self, node: usize, events: u64) -> Result<(), String> {
        let Some(place) = self.awake(node) else { return Ok(()) };
        let numbers = self.news + 1..=self.news + events;
        self.news += events;
        let news = numbers.clone().map(oracle::news).collect::<Result<Vec<_>, _>>()?;
        let (engine, told, account) =
            (self.nodes[place].engine.clone(), Arc::clone(&self.told), self.account);
        let open = Arc::clone(&self.open);
        self.nodes[place].spawn(async move {
            if engine.publish(account, news).await.is_ok() {
                told.lock().unwrap_or_else(PoisonError::into_inner).published.extend(numbers);
            }
            drop(open);
        });
        Ok(())
    }

    pub(super) fn cancel(&mut self, node: usize, start: usize) {
        let Some(place) = self.awake(node) else { return };
        let Some(run) = self.told().acknowledged.get(&start).copied() else { return };
        self.tally.cancels += 1;
        let nth = {
            let mut told = self.told();
            told.cancels.push(Cancel { run, reported: None });
            told.cancels.len() - 1
        };
        let open = Arc::clone(&self.open);
        let (engine, told, account) =
            (self.nodes[place].engine.clone(), Arc::clone(&self.told), self.account);
        self.nodes[place].spawn(async move {
            let reported = match engine.cancel(account, run).await {
                Ok(detail) => Some(detail.run.status),
                Err(Error::RunEnded { status, .. }) => Some(status),
                Err(_) => None,
            };
            told.lock().unwrap_or_else(PoisonError::into_inner).cancels[nth].reported = reported;
            drop(open);
        });
    }

    /// Has one of the runs that can be suspended suspended, or one that is go on.
    pub(super) fn wish(&mut self, node: usize, run: usize, suspend: bool) -> Result<(), String> {
        let Some(place) = self.awake(node) else { return Ok(()) };
        let node = &self.nodes[place];
        let rows = node.ask(self.store.runs_of(None, Default::default(), None, 1_000)).map_err(text)?;
        let runs: Vec<RunId> = rows
            .iter()
            .filter(|row| !row.status.is_ended() && (row.status == RunStatus::Suspended) != suspend)
            .map(|row| row.id)
            .collect();
        let Some(run) = runs.get(run % runs.len().max(1)).copied() else { return Ok(()) };
        *(if suspend { &mut self.tally.suspends } else { &mut self.tally.resumes }) += 1;
        let (engine, account, open) = (node.engine.clone(), self.account, Arc::clone(&self.open));
        node.spawn(async move {
            // Whether it was done or not, the journal must be right.
            let _ = if suspend {
                engine.suspend(account, run, "the plan").await
            } else {
                engine.resume(account, run).await
            };
            drop(open);
        });
        Ok(())
    }

    /// Nothing stays suspended in the end.
    pub(super) fn resume_all(&mut self) -> Result<(), String> {
        let Some(node) = self.nodes.last() else { return Ok(()) };
        let suspended = RunFilter { status: Some(RunStatus::Suspended), ..RunFilter::default() };
        let rows = node.ask(self.store.runs_of(None, suspended, None, 1_000)).map_err(text)?;
        for row in rows {
            let (engine, account, open) = (node.engine.clone(), self.account, Arc::clone(&self.open));
            node.spawn(async move {
                let _ = engine.resume(account, row.id).await;
                drop(open);
            });
        }
        Ok(())
    }
}

async fn tell_start(engine: &Engine, request: StartRun, start: usize, told: &Mutex<Told>) {
    let started = engine.start_run(request).await;
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    match started {
        Ok(detail) => drop(told.acknowledged.insert(start, detail.run.id)),
        Err(reason) => drop(told.refused.insert(start, reason.to_string())),
    }
}
