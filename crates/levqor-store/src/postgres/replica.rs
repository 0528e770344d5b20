//! Reads for people from a replica nearby, which never show less than this process was told is written.
//!
//! ```text
//! commit ─► how far the server has written (the mark)
//! probe, twice a second ─► is it a replica of this very database, and how far? ─► the verdict
//! a read ─► good verdict? ─► has it replayed up to the mark? ─ yes ─► there
//!                │ no                       │ not within a few ms
//!                └──────────────────────────┴─────────────────────► the primary
//! ```
//!
//! Nothing is decided by such a read, and whatever is wrong with the replica costs time only: the primary answers instead.

mod marks;
mod probe;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

pub(crate) use self::marks::{Mark, Marks, SQL as MARK_SQL};
use self::probe::{Probe, Verdicts};
use super::{Session, connect::Way, stop::Stop};
use crate::{Error, readers::Readers};

/// How long a read waits for the replica to come so far.
const WAIT_MAX: Duration = Duration::from_millis(20);
const WAIT_STEP: Duration = Duration::from_millis(2);
/// A replica that has not said by then how far it is says nothing.
const SIGN_WITHIN: Duration = Duration::from_millis(500);

/// A replica that may be read from.
#[derive(Debug)]
pub(crate) struct Replica {
    readers: Readers,
    marks: Arc<Marks>,
    verdicts: Arc<Verdicts>,
    counts: Counts,
    stop: Arc<Stop>,
}

#[derive(Debug, Default)]
struct Counts {
    near: AtomicU64,
    behind: AtomicU64,
    unfit: AtomicU64,
    failed: AtomicU64,
}

/// How it stands with the replica, and where reads for people went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaReport {
    /// How far it is behind, or why it is not read from.
    pub verdict: Result<Duration, String>,
    /// Reads that it answered.
    pub near: u64,
    /// Reads that went to the primary, since it had not replayed what this process wrote before.
    pub behind: u64,
    /// Reads that went to the primary, since it was not fit to be read from.
    pub unfit: u64,
    /// Reads that went to the primary after it had failed them.
    pub failed: u64,
}

impl Replica {
    /// Connections are made by and by: a replica that is away keeps nobody from starting.
    pub(super) fn start(
        primary: &Way,
        replica: &Way,
        marks: Arc<Marks>,
        readers: usize,
    ) -> Result<Self, Error> {
        let threads = |error| Error::Unavailable(format!("no thread can be started: {error}"));
        let session = |way: &Way| crate::Session::Postgres(Box::new(Session::later(way.clone())));
        let sessions = (0..readers.max(1)).map(|_| session(replica)).collect();
        let verdicts = Arc::<Verdicts>::default();
        let stop = Arc::<Stop>::default();
        let mut probe =
            Probe::new(session(primary), session(replica), Arc::clone(&marks), Arc::clone(&verdicts));
        let told = Arc::clone(&stop);
        thread::Builder::new()
            .name("levqor-replica".to_owned())
            .spawn(move || {
                while !told.is_set() {
                    probe.look();
                    told.pause(Probe::EVERY);
                }
            })
            .map_err(threads)?;
        Ok(Self {
            readers: Readers::start(sessions).map_err(threads)?,
            marks,
            verdicts,
            counts: Counts::default(),
            stop,
        })
    }

    /// What the read gives there; None: the primary is to be asked. Cancel safe.
    pub(crate) async fn read<T, F>(&self, work: &Arc<F>) -> Option<T>
    where
        T: Send + 'static,
        F: Fn(&crate::Session) -> Result<T, Error> + Send + Sync + 'static,
    {
        let Some((system, mark)) = self.verdicts.fit_for(self.marks.newest()) else {
            self.counts.unfit.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            match self.try_read(work, system, mark).await {
                Ok(Some(found)) => {
                    self.counts.near.fetch_add(1, Ordering::Relaxed);
                    return Some(found);
                }
                Ok(None) if Instant::now() < deadline => tokio::time::sleep(WAIT_STEP).await,
                Ok(None) => {
                    self.counts.behind.fetch_add(1, Ordering::Relaxed);
                    return None;
                }
                Err(reason) => {
                    tracing::debug!(error = %reason, "the replica failed a read, which the primary gets");
                    // The next probe says whether it was that one only.
                    self.verdicts.suspect(&reason);
                    self.counts.failed.fetch_add(1, Ordering::Relaxed);
                    return None;
                }
            }
        }
    }

    /// None: it has not come so far.
    async fn try_read<T, F>(&self, work: &Arc<F>, system: i64, mark: Mark) -> Result<Option<T>, Error>
    where
        T: Send + 'static,
        F: Fn(&crate::Session) -> Result<T, Error> + Send + Sync + 'static,
    {
        let (passes, has_passed) = oneshot::channel();
        let work = Arc::clone(work);
        let mut reading = std::pin::pin!(self.readers.read(move |session| {
            if !probe::has_replayed(session, system, mark)? {
                return Ok(None);
            }
            // An error means that the caller no longer waits, which is its right.
            let _: Result<(), ()> = passes.send(());
            work(session).map(Some)
        }));
        tokio::select! {
            biased;
            outcome = &mut reading => return outcome,
            sign = tokio::time::timeout(SIGN_WITHIN, has_passed) => if sign.is_err() {
                return Err(Error::Unavailable(format!("no sign within {} ms", SIGN_WITHIN.as_millis())));
            }
        }
        // From here on it is as with the primary.
        reading.await
    }

    pub(crate) fn report(&self) -> ReplicaReport {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ReplicaReport {
            verdict: self.verdicts.now(),
            near: count(&self.counts.near),
            behind: count(&self.counts.behind),
            unfit: count(&self.counts.unfit),
            failed: count(&self.counts.failed),
        }
    }

    /// Refuses later reads. Does not wait for what the replica owes: it may never answer.
    pub(crate) fn close(&self) {
        self.stop.set();
        self.readers.refuse();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.stop.set();
    }
}
