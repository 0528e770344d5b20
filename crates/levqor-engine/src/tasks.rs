//! The task records of a run, folded from its journal.
//!
//! Nothing is stored for the run page: replaying the journal gives every record again.

use std::{collections::VecDeque, time::Duration};

use levqor_flow::machine::{Event, Machine, Notes, TaskNote};
use levqor_model::{RegionCode, RunId, TaskStatus, Timestamp};
use levqor_store::{Store, runs::Run};
use tokio::{sync::SemaphorePermit, time::Instant};

use crate::{Error, TaskRecord, core::Core, secrets::with_stand_ins};

/// Journal entries read at once.
const PAGE: usize = 256;
/// Journals that are read for somebody who looks: what a run of few large payloads or of many small ones needs.
const READ_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How long telling the tasks from a journal may take.
const READ_TIME_MAX: Duration = Duration::from_secs(20);

/// A run's journal, read whole.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) events: Vec<Event>,
    /// Where the run was from which moment on.
    pub(crate) regions: Vec<(Timestamp, RegionCode)>,
    /// The place behind its last entry.
    next_seq: i64,
}

impl TaskRecord {
    /// None when the note is not that a task began.
    pub(crate) fn began(note: &TaskNote<'_>, region: &RegionCode) -> Option<Self> {
        let TaskNote::Began { at, task, name, reference, iteration, attempt, input } = note else {
            return None;
        };
        Some(Self {
            task: *task,
            name: (*name).to_owned(),
            reference: (*reference).to_owned(),
            iteration: iteration.to_vec(),
            attempt: *attempt,
            status: TaskStatus::Running,
            input: (*input).clone(),
            output: None,
            error: None,
            started_at: *at,
            ended_at: None,
            region: region.clone(),
        })
    }

    pub(crate) fn take_in(&mut self, note: &TaskNote<'_>, at_region: &RegionCode) {
        match note {
            TaskNote::Began { .. } => return,
            TaskNote::Became { status, .. } => self.status = *status,
            TaskNote::Ended { at, status, output, error, .. } => {
                self.status = *status;
                self.output = output.cloned();
                self.error = error.cloned();
                self.ended_at = Some(*at);
            }
        }
        self.region = at_region.clone();
    }
}

/// Which records a fold keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Window {
    /// In order after this one, at most so many.
    Page { after: u64, limit: usize },
    /// Those that have not ended.
    Open,
}

#[derive(Debug)]
struct Collector {
    window: Window,
    kept: VecDeque<TaskRecord>,
    regions: Vec<(Timestamp, RegionCode)>,
    region_at: usize,
    fallback: RegionCode,
}

impl Collector {
    /// Notes come in the order of their moments, so the regions are walked once.
    fn region(&mut self, at: Timestamp) -> RegionCode {
        while self.regions.get(self.region_at + 1).is_some_and(|(since, _)| *since <= at) {
            self.region_at += 1;
        }
        self.regions.get(self.region_at).map_or_else(|| self.fallback.clone(), |(_, region)| region.clone())
    }
}

impl Notes for Collector {
    fn note(&mut self, note: TaskNote<'_>) {
        let (at, task) = match note {
            TaskNote::Began { at, task, .. }
            | TaskNote::Became { at, task, .. }
            | TaskNote::Ended { at, task, .. } => (at, task),
        };
        if let TaskNote::Began { .. } = note {
            let keep = match self.window {
                Window::Page { after, limit } => task > after && self.kept.len() < limit,
                Window::Open => true,
            };
            if keep {
                let region = self.region(at);
                self.kept.extend(TaskRecord::began(&note, &region));
            }
            return;
        }
        // Tasks begin in the order of their numbers, so `kept` is sorted.
        let Ok(place) = self.kept.binary_search_by_key(&task, |record| record.task) else { return };
        if matches!((self.window, &note), (Window::Open, TaskNote::Ended { .. })) {
            self.kept.remove(place);
            return;
        }
        let region = self.region(at);
        self.kept[place].take_in(&note, &region);
    }
}

impl Core {
    pub(crate) async fn journal(&self, run: RunId) -> Result<Journal, Error> {
        self.read_journal(&self.store, run, usize::MAX).await
    }

    /// The journal for somebody who only looks: not one that would take too much memory.
    pub(crate) async fn journal_to_read(&self, run: RunId) -> Result<Journal, Error> {
        self.read_journal(&self.store, run, READ_BYTES_MAX).await
    }

    /// The same for people: from a replica, when that has all that the run's row speaks of.
    async fn journal_to_show(&self, run: &Run) -> Result<Journal, Error> {
        if self.store.has_replica() {
            let journal = self.read_journal(&self.store.views(), run.id, READ_BYTES_MAX).await?;
            if journal.next_seq >= run.next_seq {
                return Ok(journal);
            }
        }
        self.journal_to_read(run.id).await
    }

    async fn read_journal(&self, store: &Store, run: RunId, bytes_max: usize) -> Result<Journal, Error> {
        let mut journal = Journal::default();
        let mut bytes = 0_usize;
        let mut after = None;
        loop {
            let page = self.faults.store(store.journal(run, after, PAGE)).await?;
            let full = page.len() == PAGE;
            after = page.last().map(|entry| entry.seq).or(after);
            for entry in page {
                bytes = bytes.saturating_add(entry.events.len());
                if bytes > bytes_max {
                    return Err(Error::JournalTooLarge { id: run, max: bytes_max });
                }
                let events: Vec<Event> =
                    serde_json::from_str(&entry.events).map_err(|reason| Error::Journal {
                        id: run,
                        reason: format!("entry {} cannot be read: {reason}", entry.seq),
                    })?;
                if let Some(first) = events.first()
                    && journal.regions.last().is_none_or(|(_, region)| *region != entry.region)
                {
                    journal.regions.push((first.at(), entry.region));
                }
                journal.events.extend(events);
            }
            if !full {
                journal.next_seq = after.map_or(0, |last| last + 1);
                return Ok(journal);
            }
        }
    }

    /// The records of a run's tasks as its journal stands now.
    pub(crate) async fn records(&self, run: &Run, window: Window) -> Result<Vec<TaskRecord>, Error> {
        let _turn = self.turn_to_fold().await?;
        let journal = self.journal_to_read(run.id).await?;
        self.fold(run, journal, window).await
    }

    /// The same for people, who may be shown what a replica has.
    pub(crate) async fn records_to_show(&self, run: &Run, window: Window) -> Result<Vec<TaskRecord>, Error> {
        let _turn = self.turn_to_fold().await?;
        let journal = self.journal_to_show(run).await?;
        self.fold(run, journal, window).await
    }

    async fn turn_to_fold(&self) -> Result<SemaphorePermit<'_>, Error> {
        // Never closed.
        self.folds.acquire().await.map_err(|_| Error::Draining)
    }

    async fn fold(&self, run: &Run, journal: Journal, window: Window) -> Result<Vec<TaskRecord>, Error> {
        let workflow = self.definition(run.workflow_id, &run.version).await?;
        if journal.events.is_empty() {
            return Ok(Vec::new());
        }
        let surroundings = self.surroundings(run.account_id, &workflow).await?;
        let surroundings = with_stand_ins(surroundings, &journal.events);
        let mut collector = Collector {
            window,
            kept: VecDeque::new(),
            regions: journal.regions,
            region_at: 0,
            fallback: run.region.clone(),
        };
        let id = run.id;
        self.pool
            .run(move || {
                let begun = Instant::now();
                let mut go_on = || begun.elapsed() < READ_TIME_MAX;
                let events = &journal.events;
                match Machine::replay_while(workflow, surroundings, events, &mut collector, &mut go_on) {
                    Ok(Some(_)) => Ok(Vec::from(collector.kept)),
                    Ok(None) => Err(Error::JournalTooSlow { id, seconds: READ_TIME_MAX.as_secs() }),
                    Err(reason) => Err(Error::Journal { id, reason: reason.to_string() }),
                }
            })
            .await
            .unwrap_or_else(|panicked| Err(Error::Journal { id, reason: panicked.to_string() }))
    }
}
