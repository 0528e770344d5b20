//! Workflows that events start, and how far each has read.
//!
//! A trigger's cursor moves in the transaction that accepts the run which its events start, and only from where it
//! was read: so whoever offers events, each satisfaction starts one run.

use levqor_model::{AccountId, WorkflowId};

use crate::{Conflict, Error, Row, Session, Store, events, params};

/// What starts a saved version. `kinds` are types of events; None: any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEventTrigger {
    pub kinds: Vec<Option<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTrigger {
    pub workflow_id: WorkflowId,
    pub account_id: AccountId,
    pub version: String,
    /// Everything up to this number was offered.
    pub after_seq: i64,
    /// JSON: what was kept of it. None: nothing.
    pub state: Option<String>,
}

/// A trigger's step from where it was read to where it is after some more events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerMove {
    pub was: EventTrigger,
    pub after_seq: i64,
    pub state: Option<String>,
}

/// Whether a trigger has events of its types to read. Two look-ups, so that each has its index.
macro_rules! is_behind {
    () => {
        "EXISTS (SELECT 1 FROM event_trigger_types AS listed JOIN events
                 ON events.account_id = listed.account_id AND events.type = listed.type
             WHERE listed.workflow_id = used.workflow_id AND listed.type <> '' AND events.seq > used.after_seq
             UNION ALL SELECT 1 FROM event_trigger_types AS listed JOIN events
                 ON events.account_id = listed.account_id
             WHERE listed.workflow_id = used.workflow_id AND listed.type = '' AND events.seq > used.after_seq)"
    };
}

impl EventTrigger {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            workflow_id: row.take()?,
            account_id: row.take()?,
            version: row.take()?,
            after_seq: row.take()?,
            state: row.take()?,
        })
    }
}

impl Store {
    /// The accounts that name types of events of the life of runs and tasks, and the types.
    pub async fn lifecycle_subscribers(&self) -> Result<Vec<(AccountId, String)>, Error> {
        self.read(|session| {
            session.rows(
                "SELECT account_id, type FROM event_trigger_types
                 WHERE type >= 'io.serverlessworkflow.' AND type < 'io.serverlessworkflow/'
                 UNION SELECT account_id, type FROM listeners
                 WHERE type >= 'io.serverlessworkflow.' AND type < 'io.serverlessworkflow/'
                 ORDER BY account_id, type LIMIT 1000000",
                &[],
                |row| Ok((row.take()?, row.take()?)),
            )
        })
        .await
    }

    /// Triggers with events of their types that they have not read, of one account or of all, in order.
    pub async fn triggers_behind(
        &self,
        account: Option<AccountId>,
        after: Option<WorkflowId>,
        limit: usize,
    ) -> Result<Vec<EventTrigger>, Error> {
        self.read(move |session| {
            let after = after.map(|after| after.to_string()).unwrap_or_default();
            match account {
                Some(account) => session.rows(
                    concat!(
                        "SELECT workflow_id, account_id, version, after_seq, state FROM event_triggers AS used
                         WHERE account_id = $1 AND workflow_id > $2 AND ",
                        is_behind!(),
                        " ORDER BY workflow_id LIMIT $3"
                    ),
                    params![account, after, limit],
                    EventTrigger::read,
                ),
                None => session.rows(
                    concat!(
                        "SELECT workflow_id, account_id, version, after_seq, state FROM event_triggers AS used
                         WHERE workflow_id > $1 AND ",
                        is_behind!(),
                        " ORDER BY workflow_id LIMIT $2"
                    ),
                    params![after, limit],
                    EventTrigger::read,
                ),
            }
        })
        .await
    }

    /// Moves the trigger on without starting a run; false when it is not where it was read any more.
    pub async fn move_trigger(&self, step: TriggerMove) -> Result<bool, Error> {
        self.write(move |session| advance(session, &step)).await
    }

    /// How far the workflow's trigger has read; None without one.
    pub async fn trigger_cursor(&self, workflow: WorkflowId) -> Result<Option<i64>, Error> {
        self.read(move |session| {
            session.scalar("SELECT after_seq FROM event_triggers WHERE workflow_id = $1", params![workflow])
        })
        .await
    }
}

/// # Errors
/// [`Conflict::TriggerMoved`].
pub(crate) fn take(session: &Session, step: &TriggerMove) -> Result<(), Error> {
    if advance(session, step)? { Ok(()) } else { Err(Error::Conflict(Conflict::TriggerMoved)) }
}

/// Whether the step can still be taken.
///
/// # Errors
/// [`Conflict::TriggerMoved`].
pub(crate) fn still_there(session: &Session, step: &TriggerMove) -> Result<(), Error> {
    let was = &step.was;
    let found: Option<i64> = session.scalar(
        "SELECT 1 FROM event_triggers WHERE workflow_id = $1 AND version = $2 AND after_seq = $3",
        params![was.workflow_id, was.version, was.after_seq],
    )?;
    found.map(drop).ok_or(Error::Conflict(Conflict::TriggerMoved))
}

fn advance(session: &Session, step: &TriggerMove) -> Result<bool, Error> {
    let TriggerMove { was, after_seq, state } = step;
    let moved = session.execute(
        "UPDATE event_triggers SET after_seq = $4, state = $5
         WHERE workflow_id = $1 AND version = $2 AND after_seq = $3",
        params![was.workflow_id, was.version, was.after_seq, after_seq, state],
    )?;
    Ok(moved > 0)
}

/// Makes it the trigger of the workflow; None takes the one that was there away. A trigger that replaces another begins
/// with the events that the other had not read, and with nothing of what it had kept.
pub(crate) fn replace(
    session: &Session,
    workflow: WorkflowId,
    account: AccountId,
    version: &str,
    trigger: Option<&NewEventTrigger>,
) -> Result<(), Error> {
    session.execute("DELETE FROM event_trigger_types WHERE workflow_id = $1", params![workflow])?;
    let Some(trigger) = trigger else {
        return session
            .execute("DELETE FROM event_triggers WHERE workflow_id = $1", params![workflow])
            .map(drop);
    };
    session.execute(
        "INSERT INTO event_triggers (workflow_id, account_id, version, after_seq, state)
         VALUES ($1, $2, $3, $4, NULL)
         ON CONFLICT (workflow_id) DO UPDATE SET version = excluded.version, state = NULL",
        params![workflow, account, version, events::newest(session)?],
    )?;
    for kind in &trigger.kinds {
        session.execute(
            "INSERT INTO event_trigger_types (account_id, type, workflow_id) VALUES ($1, $2, $3)
             ON CONFLICT (account_id, type, workflow_id) DO NOTHING",
            params![account, kind.as_deref().unwrap_or_default(), workflow],
        )?;
    }
    Ok(())
}
