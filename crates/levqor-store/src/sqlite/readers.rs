//! A few read-only connections for everything that does not write.
//!
//! A read waits for a free connection, then runs on a thread that may block. A finished write is seen by every read
//! that starts after it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::error;

use super::session::Session;
use crate::Error;

/// The connections. As many permits as connections, so that whoever holds a permit finds one.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    free: Arc<Mutex<Vec<Session>>>,
    permits: Arc<Semaphore>,
    size: u32,
}

/// A connection on loan; it goes back when this is dropped, also by a panic or a caller that went away.
struct Loan {
    session: Option<Session>,
    free: Arc<Mutex<Vec<Session>>>,
    // Dropped after the connection is back.
    _permit: OwnedSemaphorePermit,
}

impl Readers {
    pub(super) fn new(sessions: Vec<Session>) -> Self {
        let size = u32::try_from(sessions.len()).unwrap_or(u32::MAX);
        Self { permits: Arc::new(Semaphore::new(sessions.len())), free: Arc::new(Mutex::new(sessions)), size }
    }

    /// Cancel safe.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Session) -> Result<T, Error> + Send + 'static,
    {
        let loan = self.lend().await?;
        tokio::task::spawn_blocking(move || loan.run(work))
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable("the runtime is shutting down".to_owned())))
    }

    /// Waits for the reads under way and closes all connections.
    pub(super) async fn close(&self) {
        if let Ok(all) = self.permits.acquire_many(self.size).await {
            self.permits.close();
            all.forget();
            lock(&self.free).clear();
        }
    }

    async fn lend(&self) -> Result<Loan, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Closed)?;
        let session = lock(&self.free).pop();
        Ok(Loan { session, free: Arc::clone(&self.free), _permit: permit })
    }
}

impl Loan {
    fn run<T>(self, work: impl FnOnce(&Session) -> Result<T, Error>) -> Result<T, Error> {
        let session = self.session.as_ref().ok_or(Error::Closed)?;
        catch_unwind(AssertUnwindSafe(|| work(session))).unwrap_or_else(|_| {
            error!("a read of the database panicked");
            Err(Error::Unavailable("the read failed inside; this is a defect of levqor".to_owned()))
        })
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            lock(&self.free).push(session);
        }
    }
}

fn lock(free: &Mutex<Vec<Session>>) -> std::sync::MutexGuard<'_, Vec<Session>> {
    // Nothing that holds this lock can leave the list half changed.
    free.lock().unwrap_or_else(PoisonError::into_inner)
}
