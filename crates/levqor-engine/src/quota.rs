//! How many live runs an account has, without asking the database at each start.
//!
//! The count is read once in a while and kept up to date between. It may be off by what other nodes did since, which
//! a limit against runaway automations can bear.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use levqor_model::AccountId;
use tokio::time::Instant;

use crate::{Error, core::Core};

const FRESH_FOR: Duration = Duration::from_secs(30);
/// Beyond this, all counts are thrown away and read again as needed.
const ACCOUNTS_MAX: usize = 50_000;

#[derive(Debug)]
struct Count {
    live: i64,
    read_at: Instant,
}

#[derive(Debug, Default)]
pub(crate) struct Quota {
    counts: Mutex<HashMap<AccountId, Count>>,
}

impl Quota {
    /// Counts one more; None when the account's count must be read first, false when the limit is reached.
    fn add(&self, account: AccountId, max: i64) -> Option<bool> {
        let mut counts = self.counts();
        let count = counts.get_mut(&account).filter(|count| count.read_at.elapsed() < FRESH_FOR)?;
        let fits = count.live < max;
        if fits {
            count.live += 1;
        }
        Some(fits)
    }

    /// A run that had ended goes on; no limit holds it back.
    pub(crate) fn add_reopened(&self, account: AccountId) {
        if let Some(count) = self.counts().get_mut(&account) {
            count.live += 1;
        }
    }

    /// A run of the account has ended, or was not accepted after all.
    pub(crate) fn subtract(&self, account: AccountId) {
        if let Some(count) = self.counts().get_mut(&account) {
            count.live = count.live.saturating_sub(1);
        }
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<AccountId, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Takes one of the account's runs; given back by [`Quota::subtract`].
    ///
    /// # Errors
    /// [`Error::TooManyRuns`].
    pub(crate) async fn reserve_run(&self, account: AccountId) -> Result<(), Error> {
        let max = self.limits.runs_per_account;
        let fits = match self.quota.add(account, max) {
            Some(fits) => fits,
            None => {
                let live = self.store.live_runs_count(account).await?;
                let mut counts = self.quota.counts();
                if counts.len() >= ACCOUNTS_MAX {
                    counts.clear();
                }
                let fits = live < max;
                counts.insert(account, Count { live: live + i64::from(fits), read_at: Instant::now() });
                fits
            }
        };
        if fits { Ok(()) } else { Err(Error::TooManyRuns { limit: max }) }
    }
}
