//! One engine in a process of its own, as far as that can be had in one process: its own runtime, which only moves
//! while it is driven, and whose time only moves when it is told.

use std::{sync::mpsc, time::Duration};

use levqor_engine::{Engine, Error, Setup, fault::Faults};
use levqor_store::Store;
use tokio::runtime::{Builder, Runtime};

/// Fields go in this order: what holds the time, then all tasks, then the engine itself.
#[derive(Debug)]
pub struct Node {
    /// While this lives, a blocking task of the runtime does; and while one does, the runtime's time stands still
    /// instead of jumping to the next timer whenever all wait for the store's threads.
    _still: mpsc::SyncSender<()>,
    runtime: Runtime,
    pub engine: Engine,
    /// Its place in the order of starts, which is that of epochs.
    pub number: usize,
    /// Not driven, like a stopped process: it renews nothing and learns nothing.
    pub stalled: bool,
}

impl Node {
    /// # Errors
    /// When the engine can't start.
    pub fn boot(number: usize, setup: Setup, faults: Faults) -> Result<Self, Error> {
        let runtime =
            Builder::new_current_thread().enable_all().start_paused(true).build().map_err(Error::Threads)?;
        let (still, until_dropped) = mpsc::sync_channel::<()>(0);
        runtime.spawn_blocking(move || until_dropped.recv().is_ok());
        let engine = runtime.block_on(Engine::start_with(setup, faults))?;
        Ok(Self { _still: still, runtime, engine, number, stalled: false })
    }

    /// Whether a planned crash has come.
    pub fn is_dead(&self) -> bool {
        self.engine.is_stopped()
    }

    /// Lets everything on it go on, for as long as the store takes for so many reads.
    pub fn drive(&self, store: &Store, turns: u64) {
        if self.stalled || self.is_dead() {
            return;
        }
        self.runtime.block_on(async {
            for _ in 0..turns {
                // A pace that keeps step with the store's threads, whatever the machine does.
                let _ = store.timers_count().await;
                tokio::task::yield_now().await;
            }
        });
    }

    /// Lets time pass.
    pub fn pass(&self, span: Duration) {
        if !self.stalled && !self.is_dead() {
            self.runtime.block_on(tokio::time::advance(span));
        }
    }

    /// Waits for something on this node, which goes on meanwhile.
    pub fn ask<T>(&self, question: impl Future<Output = T>) -> T {
        self.runtime.block_on(question)
    }

    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// kill -9: whatever it was about to do it doesn't. What it had queued with the store may still be written.
    pub fn kill(self) {
        drop(self);
    }
}
