//! A few threads with deep stacks for pure work: slices of runs, replays, the checking of documents.
//!
//! Expressions recurse, and a long slice would hold an async worker up. The threads are shared by all runs; a job is
//! bounded by whoever makes it.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use tokio::sync::oneshot;

const STACK_BYTES: usize = 16 * 1024 * 1024;

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    closed: bool,
}

#[derive(Default)]
struct Desk {
    jobs: Mutex<Jobs>,
    bell: Condvar,
}

/// The job panicked, or the pool is gone. Its message is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an internal error; see the log of the node")]
pub(crate) struct Panicked;

pub(crate) struct Pool {
    desk: Arc<Desk>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool(…)")
    }
}

impl Pool {
    /// # Errors
    /// When the system gives no threads.
    pub(crate) fn new(threads: usize) -> std::io::Result<Self> {
        let pool = Self { desk: Arc::new(Desk::default()) };
        for number in 0..threads.max(1) {
            let desk = Arc::clone(&pool.desk);
            thread::Builder::new()
                .name(format!("levqor-flow-{number}"))
                .stack_size(STACK_BYTES)
                .spawn(move || work(&desk))?;
        }
        Ok(pool)
    }

    /// Runs the job on one of the threads. The number of jobs that wait is bounded by the number of callers, each of which waits for
    /// its own. When the caller is dropped, the job still runs.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move || {
            if let Ok(value) = guarded(job) {
                // Nobody may be waiting any more.
                let _ = reply.send(value);
            }
        });
        self.desk.jobs().waiting.push_back(job);
        self.desk.bell.notify_one();
        answer.await.map_err(|_| Panicked)
    }
}

/// Runs a job here, and turns a panic into an error: one broken run must not take others with it.
pub(crate) fn guarded<T>(job: impl FnOnce() -> T) -> Result<T, Panicked> {
    // What the job touched is thrown away with it.
    catch_unwind(AssertUnwindSafe(job)).map_err(|_| Panicked)
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.desk.jobs().closed = true;
        self.desk.bell.notify_all();
    }
}

impl Desk {
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn work(desk: &Desk) {
    loop {
        let job = {
            let mut jobs = desk.jobs();
            loop {
                if let Some(job) = jobs.waiting.pop_front() {
                    break job;
                }
                if jobs.closed {
                    return;
                }
                jobs = desk.bell.wait(jobs).unwrap_or_else(PoisonError::into_inner);
            }
        };
        job();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_costs_one_job_only() {
        let pool = Pool::new(1).unwrap();
        assert_eq!(pool.run(|| 1 + 1).await, Ok(2));
        assert_eq!(pool.run(|| if true { panic!("planned") } else { 0 }).await, Err(Panicked));
        assert_eq!(pool.run(|| 3).await, Ok(3));
    }
}
