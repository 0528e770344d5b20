//! A few threads with a read-only connection each, for everything that does not write.
//!
//! ```text
//! callers ─► permits (bound) ─► one queue ─► the next free thread ─► answers
//! ```
//!
//! One queue for all, so that a small read never waits behind a slow one while another thread is idle. Own threads, because
//! handing small reads to the runtime's blocking pool was measured at a quarter of the throughput (98,000/s against
//! 380,000/s from 64 tasks) with the same latency for a lone read.
//!
//! Invariant: a finished write is seen by every read that starts after it.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tracing::error;

use crate::{Error, Session};

/// Reads that may wait for a thread; more wait at their callers, in order.
const QUEUE: usize = 1_024;

type Job = Box<dyn FnOnce(&Session) + Send>;

/// The way to the threads.
#[derive(Debug)]
pub(crate) struct Readers {
    queue: Arc<Queue>,
    permits: Arc<Semaphore>,
    /// Never sent to; each thread holds its sender.
    alive: watch::Receiver<()>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("jobs", &self.lock().jobs.len()).finish_non_exhaustive()
    }
}

impl Readers {
    pub(crate) fn start(sessions: Vec<Session>) -> Result<Self, std::io::Error> {
        let (living, alive) = watch::channel(());
        let readers = Self { queue: Arc::default(), permits: Arc::new(Semaphore::new(QUEUE)), alive };
        let living = Arc::new(living);
        for (number, session) in sessions.into_iter().enumerate() {
            let (queue, living) = (Arc::clone(&readers.queue), Arc::clone(&living));
            thread::Builder::new().name(format!("levqor-reader-{number}")).spawn(move || {
                queue.work(&session);
                drop((session, living));
            })?;
        }
        Ok(readers)
    }

    /// Cancel safe: a read whose caller is gone is not begun.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Session) -> Result<T, Error> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Closed)?;
        let (reply, answer) = oneshot::channel();
        self.queue.push(job(work, reply, permit))?;
        answer.await.unwrap_or_else(|_| {
            Err(Error::Unavailable("the read failed inside; this is a defect of levqor".to_owned()))
        })
    }

    /// Refuses later reads. The connections are closed when what is queued is done.
    pub(crate) fn refuse(&self) {
        self.permits.close();
        self.queue.close();
    }

    /// Answers the reads that are queued, refuses later ones and closes all connections.
    pub(crate) async fn close(&self) {
        self.refuse();
        while self.alive.clone().changed().await.is_ok() {}
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.close();
    }
}

fn job<T, F>(work: F, reply: oneshot::Sender<Result<T, Error>>, permit: OwnedSemaphorePermit) -> Job
where
    T: Send + 'static,
    F: FnOnce(&Session) -> Result<T, Error> + Send + 'static,
{
    Box::new(move |session| {
        if !reply.is_closed() {
            // The caller may have gone meanwhile, which is its right.
            let _ = reply.send(work(session));
        }
        drop(permit);
    })
}

impl Queue {
    fn push(&self, job: Job) -> Result<(), Error> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Error::Closed);
        }
        state.jobs.push_back(job);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// One thread's life: until the queue is closed and empty.
    fn work(&self, session: &Session) {
        while let Some(job) = self.next() {
            // A panic drops the job's reply, which its caller notices.
            if catch_unwind(AssertUnwindSafe(|| job(session))).is_err() {
                error!("a read of the database panicked");
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.is_closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds this lock can leave the queue half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
