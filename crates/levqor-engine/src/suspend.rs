//! Suspending a run and letting it go on, as callers see it.
//!
//! A run is suspended by its driver, like it is cancelled: whoever asks tells the driver (the run is loaded for that), and
//! waits until the row says so. Asking again for what is so already changes nothing.

use std::time::Duration;

use levqor_flow::machine::Event;
use levqor_model::{AccountId, RunId, RunStatus};
use levqor_store::runs::Run;
use serde_json::json;

use crate::{Engine, Error, RunDetail, driver::CANNOT_GO_ON, registry::Wish, sub_run};

/// How long callers wait for the run's driver.
const PATIENCE: Duration = Duration::from_secs(30);
/// Who asked, in words, is shown and stored: longer texts are cut.
const BY_CHARS_MAX: usize = 200;

impl Engine {
    /// Has the run stand still: no task begins, no timer fires; calls in flight end and their results are kept. Durable
    /// when this returns. Sub-runs go on. `by` says who asked, in words.
    ///
    /// # Errors
    /// [`Error::RunEnded`]; [`Error::Stuck`] when this build cannot move the run; [`Error::Store`] at once when the store
    /// refuses the run's journal.
    pub async fn suspend(&self, account: AccountId, run: RunId, by: &str) -> Result<RunDetail, Error> {
        self.note_wish(&self.row(account, run).await?, "run.suspend_asked", json!({})).await?;
        let by: String = by.chars().take(BY_CHARS_MAX).collect();
        self.wish(account, run, |_| Wish::Suspend { by: by.clone() }).await
    }

    /// Lets a suspended run go on; does nothing when it isn't suspended.
    ///
    /// # Errors
    /// As [`Engine::suspend`].
    pub async fn resume(&self, account: AccountId, run: RunId) -> Result<RunDetail, Error> {
        self.note_wish(&self.row(account, run).await?, "run.resume_asked", json!({})).await?;
        self.wish(account, run, |row| Wish::Resume { before: row.next_seq }).await
    }

    async fn wish(
        &self,
        account: AccountId,
        run: RunId,
        wish: impl Fn(&Run) -> Wish,
    ) -> Result<RunDetail, Error> {
        let core = &self.core;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        // Where the journal ended when the run was seen suspended first.
        let mut suspended_at = None;
        loop {
            let waiter = core.ends.waiter(run);
            let (mut ended, mut turned) = (std::pin::pin!(waiter.ended()), std::pin::pin!(waiter.turned()));
            // From here on no change is missed; what was before stands in the row.
            ended.as_mut().enable();
            turned.as_mut().enable();
            let detail = self.run(account, run).await?;
            let row = &detail.run;
            if suspended_at.is_some() && row.status.is_ended() && row.status != RunStatus::Cancelled {
                // It went on, and did not take long.
                return Ok(detail);
            }
            if row.status.is_ended() {
                return Err(Error::RunEnded { id: run, status: row.status });
            }
            let wish = wish(row);
            if (row.status == RunStatus::Suspended) == matches!(wish, Wish::Suspend { .. }) {
                return Ok(detail);
            }
            if row.status == RunStatus::Suspended {
                let first = *suspended_at.get_or_insert(row.next_seq);
                if first < row.next_seq && self.has_gone_on(run, first).await? {
                    // It went on, and is suspended again.
                    return Ok(detail);
                }
            }
            if let Some(reason) = row.waiting_for.as_ref().and_then(|why| why.strip_prefix(CANNOT_GO_ON)) {
                return Err(Error::Stuck { id: run, reason: reason.to_owned() });
            }
            if core.soft.is_cancelled() {
                return Err(Error::Draining);
            }
            if tokio::time::Instant::now() > deadline {
                return Err(Error::Overloaded { retry_after: PATIENCE });
            }
            sub_run::tell(core, run, |entry| entry.wish(wish.clone())).await;
            tokio::select! { biased;
                () = ended => {}
                () = turned => {}
                // The driver goes on trying; who asked need not wait for that.
                reason = waiter.refused() => return Err(Error::Store(reason)),
                // A wish may be lost with a driver that was just leaving: it is told again now and then.
                () = tokio::time::sleep(core.look_again()) => {}
            }
        }
    }
    /// Whether the run was resumed by an entry from there on.
    async fn has_gone_on(&self, run: RunId, from: i64) -> Result<bool, Error> {
        const PAGE: usize = 256;
        let mut after = from - 1;
        loop {
            let page = self.core.store.journal(run, Some(after), PAGE).await?;
            for entry in &page {
                let events: Vec<Event> = serde_json::from_str(&entry.events)
                    .map_err(|reason| Error::Journal { id: run, reason: reason.to_string() })?;
                if events.iter().any(|event| matches!(event, Event::Resumed { .. })) {
                    return Ok(true);
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = last.seq,
                _ => return Ok(false),
            }
        }
    }
}
