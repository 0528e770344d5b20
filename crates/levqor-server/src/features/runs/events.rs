//! A run, live: server-sent events.
//!
//! ```text
//! subscribe ─► run and tasks as they are ─► updates … ─► the run's end ─► `end`
//! ```
//!
//! Subscribing comes before reading, so nothing falls between; an update may repeat what was just sent, and readers replace
//! by `task` number. A reader who is too slow loses the oldest updates, not the server's memory, and is told how many
//! (`gap`). Whoever connects again begins with the state of that moment, so there is nothing to resume from. A stream ends after a while
//! (`Settings::stream_age_max`) without `end`: who connects again shows anew that they may read the run.

use std::{convert::Infallible, time::Duration};

use axum::response::{
    Sse,
    sse::{Event, KeepAlive},
};
use futures_util::{Stream, StreamExt};
use levqor_engine::{RunUpdate, TaskRecord};
use levqor_model::{AccountId, RunId};
use serde::Serialize;
use serde_json::json;
use tokio::{
    sync::{
        broadcast::{Receiver, error::RecvError},
        mpsc,
    },
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;
use tracing::{Instrument, debug};
use utoipa::ToSchema;

use super::{
    retention, service,
    views::{RunView, TaskView},
};
use crate::{App, Problem, gateway::StreamPlace};

/// One event of a stream (WHATWG HTML, server-sent events), by its fields.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what streams are made of")]
pub(crate) struct ServerSentEvent {
    #[schema(example = "done")]
    event: String,
    /// JSON.
    data: String,
    /// Counts the events of this stream.
    id: Option<String>,
}

/// A comment this often keeps connections through proxies alive, and finds readers who are gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Events that wait for one reader; when they are full, the feeder waits and the engine's own bound drops updates.
const QUEUE: usize = 64;
/// Tasks of the past that a stream begins with; the rest is in the list of tasks.
const PAST_TASKS_MAX: usize = 1_000;
const BATCH: usize = 200;

/// The reader is gone, the node stops, the stream is too old, or the run cannot be read any more: the stream ends without
/// `end`, and readers who want more connect again.
struct Over;

pub(super) async fn stream(
    app: App,
    account: AccountId,
    id: RunId,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let place = app.bounds.stream(account)?;
    let updates = match app.engine.watch(account, id).await {
        Ok(updates) => Some(updates),
        // A run of the past is all there is.
        Err(levqor_engine::Error::RunEnded { .. }) => None,
        Err(error) => return Err(retention::explained(&app, account, error).await),
    };
    let (sender, receiver) = mpsc::channel(QUEUE);
    let feeder = Feeder { app, account, id, sender, number: 0, _place: place };
    tokio::spawn(async move { feeder.run(updates).await }.in_current_span());
    let events = ReceiverStream::new(receiver).map(Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

struct Feeder {
    app: App,
    account: AccountId,
    id: RunId,
    sender: mpsc::Sender<Event>,
    /// Of the last event; counts from 1 within a stream.
    number: u64,
    _place: StreamPlace,
}

impl Feeder {
    async fn run(mut self, updates: Option<Receiver<RunUpdate>>) {
        if self.feed(updates).await.is_ok() {
            // Nobody acts on a reader that left before the last word.
            let _ = self.send("end", &json!({})).await;
        }
    }

    /// Ok when the run has ended and its last state was sent.
    async fn feed(&mut self, updates: Option<Receiver<RunUpdate>>) -> Result<(), Over> {
        let too_old = Instant::now() + self.app.settings.stream_age_max;
        let mut ended = self.send_run().await?;
        self.send_past_tasks().await?;
        let Some(mut updates) = updates else { return Ok(()) };
        while !ended {
            let (stopping, sender) = (self.app.stopping.clone(), self.sender.clone());
            let update = tokio::select! { biased;
                () = stopping.cancelled() => return Err(Over),
                () = sender.closed() => return Err(Over),
                () = tokio::time::sleep_until(too_old) => return Err(Over),
                update = updates.recv() => update,
            };
            match update {
                Ok(RunUpdate::Task(record)) => self.send_task(&record).await?,
                Ok(RunUpdate::Run { .. }) => ended = self.send_run().await?,
                Err(RecvError::Lagged(missed)) => {
                    self.send("gap", &json!({ "missed": missed })).await?;
                    ended = self.send_run().await?;
                }
                Err(RecvError::Closed) => {
                    self.send_run().await?;
                    return Ok(());
                }
            }
        }
        // What happened to the tasks just before the end.
        while let Ok(update) = updates.try_recv() {
            if let RunUpdate::Task(record) = update {
                self.send_task(&record).await?;
            }
        }
        Ok(())
    }

    /// The run as it is; true when it has ended.
    async fn send_run(&mut self) -> Result<bool, Over> {
        let detail = service::find(&self.app, self.account, self.id).await.map_err(|problem| {
            debug!("run {} cannot be shown live any more: {}", self.id, problem.detail);
            Over
        })?;
        let ended = detail.run.status.is_ended();
        self.send("run", &RunView::from(detail)).await?;
        Ok(ended)
    }

    async fn send_past_tasks(&mut self) -> Result<(), Over> {
        let mut sent = 0;
        let mut after = None;
        loop {
            let records =
                self.app.engine.tasks(self.account, self.id, after, BATCH).await.map_err(|error| {
                    debug!("the tasks of run {} cannot be shown live: {error}", self.id);
                    Over
                })?;
            let full = records.len() == BATCH;
            after = records.last().map(|record| record.task);
            for record in records {
                self.send("task", &TaskView::from(record)).await?;
                sent += 1;
            }
            if !full {
                return Ok(());
            }
            if sent >= PAST_TASKS_MAX {
                let rest = format!("/api/runs/{}/tasks", self.id);
                return self.send("gap", &json!({ "after_task": after, "read": rest })).await;
            }
        }
    }

    async fn send_task(&mut self, record: &TaskRecord) -> Result<(), Over> {
        self.send("task", &TaskView::from(record.clone())).await
    }

    async fn send(&mut self, name: &str, data: &impl Serialize) -> Result<(), Over> {
        self.number += 1;
        let event = Event::default().event(name).id(self.number.to_string());
        let event = event.json_data(data).map_err(|_| Over)?;
        self.sender.send(event).await.map_err(|_| Over)
    }
}
