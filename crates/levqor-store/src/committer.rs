//! The writer: a thread that turns whatever is queued into one transaction and one fsync.
//!
//! ```text
//! callers ─► bounded queue ─► BEGIN, (SAVEPOINT job RELEASE)…, COMMIT ─► answers
//!                 ▲                                    │
//!                 └── what arrives meanwhile is the next batch
//! ```
//!
//! Invariant: an answer is sent only after the outcome of its transaction is known; `Ok` means durable.
//! A job that fails or panics is rolled back alone. When the commit fails, all jobs of the batch fail with its error,
//! and the thread goes on with the next batch.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, warn};

use crate::{Error, Session};

/// Jobs in one transaction at most: bounds how long the first of them waits for the last.
const BATCH_MAX: usize = 1_024;

/// A write in the queue.
trait Job: Send {
    /// Runs within a savepoint and keeps its result for later.
    fn run(&mut self, session: &Session) -> Result<(), Error>;
    /// Answers the caller, who may be gone: with what the job gave, or with why its batch was not committed.
    fn answer(self: Box<Self>, batch: Result<(), Error>);
}

struct Typed<T, F> {
    work: Option<F>,
    result: Option<Result<T, Error>>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<T, F> Job for Typed<T, F>
where
    T: Send,
    F: FnOnce(&Session) -> Result<T, Error> + Send,
{
    fn run(&mut self, session: &Session) -> Result<(), Error> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let result = catch_unwind(AssertUnwindSafe(|| work(session))).unwrap_or_else(|_| {
            error!("a write to the database panicked and was rolled back");
            Err(Error::Unavailable("the write failed inside; this is a defect of levqor".to_owned()))
        });
        let outcome = result.as_ref().map(drop).map_err(Clone::clone);
        self.result = Some(result);
        outcome
    }

    fn answer(self: Box<Self>, batch: Result<(), Error>) {
        let result = match (self.result, batch) {
            // A job's own error is more to the point than that of its batch.
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(Error::Closed),
        };
        // An error means that the caller no longer waits, which is its right.
        let _ = self.reply.send(result);
    }
}

enum Message {
    Write(Box<dyn Job>),
    Close,
}

/// The way to the writer.
#[derive(Debug)]
pub(crate) struct Committer {
    queue: mpsc::Sender<Message>,
    /// Never sent to; its sender lives as long as the thread.
    alive: watch::Receiver<()>,
}

impl Committer {
    /// A thread for each session.
    pub(crate) fn start(sessions: Vec<Session>, queue: usize) -> Result<Self, std::io::Error> {
        let (sender, receiver) = mpsc::channel(queue.max(1));
        let (living, alive) = watch::channel(());
        let receiver = Arc::new(Mutex::new(receiver));
        let living = Arc::new(living);
        for session in sessions {
            let (receiver, living) = (Arc::clone(&receiver), Arc::clone(&living));
            thread::Builder::new().name("levqor-committer".to_owned()).spawn(move || {
                Writer { session, receiver }.work();
                drop(living);
            })?;
        }
        Ok(Self { queue: sender, alive })
    }

    /// Waits for a place in the queue, then for the commit.
    ///
    /// Cancel safe in this sense: a caller that goes away before the job is queued has written nothing; afterwards
    /// the job runs whole, unseen.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Session) -> Result<T, Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Typed { work: Some(work), result: None, reply });
        self.queue.send(Message::Write(job)).await.map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Returns when everything queued before has been answered and the connection is closed.
    pub(crate) async fn close(&self) {
        // Refused when another close was first; its end is ours too.
        let _ = self.queue.send(Message::Close).await;
        while self.alive.clone().changed().await.is_ok() {}
    }

    pub(crate) fn depth(&self) -> (usize, usize) {
        let capacity = self.queue.max_capacity();
        (capacity - self.queue.capacity(), capacity)
    }
}

/// A panic of the database's own must not end the thread: everybody waits for it.
fn contained(step: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| {
        error!("a step of a transaction panicked");
        Err(Error::Unavailable("the database failed inside; this is a defect of levqor".to_owned()))
    })
}

struct Writer {
    session: Session,
    receiver: Arc<Mutex<mpsc::Receiver<Message>>>,
}

impl Writer {
    fn work(self) {
        let mut jobs: Vec<Box<dyn Job>> = Vec::with_capacity(BATCH_MAX);
        while self.next_batch(&mut jobs) {
            self.commit(&mut jobs);
        }
        self.session.close();
    }

    /// Waits for a job and takes all that have come with it; false when no more will come.
    fn next_batch(&self, jobs: &mut Vec<Box<dyn Job>>) -> bool {
        // Nothing that holds this lock can leave the queue half changed.
        let mut queue = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(message) = queue.blocking_recv() else { return false };
        take(message, &mut queue, jobs);
        while jobs.len() < BATCH_MAX
            && let Ok(message) = queue.try_recv()
        {
            take(message, &mut queue, jobs);
        }
        true
    }

    /// Commits the jobs and answers them. A job can make the database give the whole transaction up (full disk, input or
    /// output error): then the jobs before it fail with it, and those after it get a transaction of their own.
    fn commit(&self, jobs: &mut Vec<Box<dyn Job>>) {
        let mut waiting = jobs.drain(..);
        while waiting.len() > 0 {
            if let Err(error) = contained(|| self.session.begin()) {
                waiting.for_each(|job| job.answer(Err(error.clone())));
                return;
            }
            let mut done = Vec::with_capacity(waiting.len());
            let mut given_up = None;
            for mut job in waiting.by_ref() {
                let outcome = self.run_alone(job.as_mut());
                done.push(job);
                if let Err(error) = outcome {
                    given_up = Some(error);
                    break;
                }
            }
            let batch = match given_up {
                Some(error) => Err(error),
                None => contained(|| self.session.commit()),
            };
            if let Err(error) = &batch {
                warn!(jobs = done.len(), %error, "a batch of writes was not committed");
                self.abandon();
            }
            done.into_iter().for_each(|job| job.answer(batch.clone()));
        }
    }

    /// Runs one job behind a mark. An error is one of the whole transaction, which cannot go on.
    fn run_alone(&self, job: &mut dyn Job) -> Result<(), Error> {
        self.session.mark()?;
        match job.run(&self.session) {
            Ok(()) => self.session.keep(),
            Err(error) if !self.session.in_transaction() => Err(error),
            Err(_) => self.session.take_back(),
        }
    }

    fn abandon(&self) {
        if self.session.in_transaction()
            && let Err(error) = self.session.roll_back()
        {
            error!(%error, "a failed transaction could not be rolled back");
        }
    }
}

fn take(message: Message, queue: &mut mpsc::Receiver<Message>, jobs: &mut Vec<Box<dyn Job>>) {
    match message {
        Message::Write(job) => jobs.push(job),
        // New callers are refused from here on; what is queued still comes out.
        Message::Close => queue.close(),
    }
}
