//! Letting runs in that were there before: they ask like new ones, but are not refused, since they have been accepted.

use levqor_model::{RunId, RunStatus, Timestamp};

use super::{
    Gate,
    admit::{Asker, Verdict, judge},
    keys,
};
use crate::{
    Error, Session, Store, params,
    runs::{Append, append},
};

/// A run that wants to go on, and whether it may now.
pub(crate) struct Again {
    asker: Asker,
    verdict: Verdict,
}

impl Store {
    /// [`Store::append`] for a run that stood still and goes on: it is let in as its gate says, else this very append leaves it
    /// pending and in the queue. False: it is queued, and whoever drives it must let go of it.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub async fn append_again(&self, mut append: Append, gate: Gate) -> Result<bool, Error> {
        let begins = self
            .write(move |session| {
                let again = Again::ask(session, append.run_id, &gate)?;
                if !again.begins() {
                    append.status = RunStatus::Pending;
                    append.waiting_for = again.waiting_for();
                }
                append::write(session, &append)?;
                again.let_in(session, &gate, append.at)?;
                Ok(again.begins())
            })
            .await?;
        if !begins {
            self.queue_bell.notify_one();
        }
        Ok(begins)
    }
}

impl Again {
    /// # Errors
    /// [`Error::Stale`] when the run does not live.
    pub(crate) fn ask(session: &Session, run: RunId, gate: &Gate) -> Result<Self, Error> {
        let asker = session.row(
            "SELECT account_id, workflow_id, parent_run_id, priority FROM runs WHERE run_id = $1",
            params![run],
            |row| {
                Ok(Asker {
                    run,
                    account: row.take()?,
                    workflow: row.take()?,
                    is_urgent: row.take::<Option<RunId>>()?.is_some(),
                    priority: row.take()?,
                    key: gate.key.clone(),
                })
            },
        )?;
        let mut asker = asker.ok_or(Error::Stale(run))?;
        if let Some(key) = &asker.key {
            // It kept the key while it stood still: whoever waits for that waits for its turn too.
            asker.is_urgent |= keys::is_held_by(session, run, asker.workflow, &key.text)?
                && keys::is_urgent(session, asker.workflow, &key.text)?;
        }
        let verdict = judge(session, &asker, gate)?;
        Ok(Self { asker, verdict })
    }

    pub(crate) fn begins(&self) -> bool {
        matches!(self.verdict, Verdict::Begins)
    }

    pub(crate) fn status(&self) -> RunStatus {
        if self.begins() { RunStatus::Running } else { RunStatus::Pending }
    }

    pub(crate) fn waiting_for(&self) -> Option<String> {
        self.asker.waiting_for(self.verdict)
    }

    /// After the row says so.
    pub(crate) fn let_in(&self, session: &Session, gate: &Gate, now: Timestamp) -> Result<(), Error> {
        self.asker.let_in(session, self.verdict, gate, now)
    }
}
