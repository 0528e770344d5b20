//! Small values that accounts keep by a key, for the function `store`.
//!
//! Invariant: a call changes a value at most once, whoever repeats it: what it gave is written with what it changed, by its
//! idempotency key.

use levqor_model::{AccountId, RunId, Timestamp};

use crate::{Error, Session, Store, params};

/// What to do with a value. Values are JSON texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateAction {
    Get,
    Set {
        value: String,
    },
    Delete,
    /// Sets the value when it is the one expected; None: when there is none.
    CompareAndSet {
        expected: Option<String>,
        value: String,
    },
}

/// One call. Its `call_key` is that of the effect.
#[derive(Debug, Clone)]
pub struct StateCall {
    pub account_id: AccountId,
    pub run_id: RunId,
    pub call_key: String,
    pub key: String,
    pub action: StateAction,
    pub at: Timestamp,
    /// Keys that the account may have.
    pub keys_max: usize,
}

/// What is there after a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateResult {
    Done {
        value: Option<String>,
        changed: bool,
    },
    /// The account has as many keys as it may have; nothing changed.
    Full,
}

impl Store {
    /// Durable when this returns, as far as it changes anything.
    pub async fn state_call(&self, call: StateCall) -> Result<StateResult, Error> {
        if call.action == StateAction::Get {
            return self
                .read(move |session| Ok(StateResult::Done { value: get(session, &call)?, changed: false }))
                .await;
        }
        self.write(move |session| change(session, &call)).await
    }

    /// Sets a value of an account that the platform keeps there, besides those that the account may have.
    pub async fn put_state(
        &self,
        account: AccountId,
        key: &'static str,
        value: String,
        at: Timestamp,
    ) -> Result<(), Error> {
        self.write(move |session| {
            session
                .execute(
                    "INSERT INTO state (account_id, key, value, changed_at) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (account_id, key) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at",
                    params![account, key, value, at],
                )
                .map(drop)
        })
        .await
    }

    /// A value of an account.
    pub async fn state(&self, account: AccountId, key: String) -> Result<Option<String>, Error> {
        self.read(move |session| {
            session
                .scalar("SELECT value FROM state WHERE account_id = $1 AND key = $2", params![account, key])
        })
        .await
    }

    /// Forgets what calls gave before a moment, of runs that have ended.
    pub async fn prune_state_calls(&self, before: Timestamp) -> Result<u64, Error> {
        self.prune(
            "DELETE FROM state_calls WHERE call_key IN
                (SELECT call_key FROM state_calls AS old
                 WHERE done_at < $1
                     AND NOT EXISTS (SELECT 1 FROM runs WHERE run_id = old.run_id AND ended_at IS NULL)
                 ORDER BY done_at LIMIT $2)",
            before,
        )
        .await
    }
}

fn get(session: &Session, call: &StateCall) -> Result<Option<String>, Error> {
    session.scalar(
        "SELECT value FROM state WHERE account_id = $1 AND key = $2",
        params![call.account_id, call.key],
    )
}

fn change(session: &Session, call: &StateCall) -> Result<StateResult, Error> {
    let before: Option<(Option<String>, bool)> = session.row(
        "SELECT value, changed FROM state_calls WHERE call_key = $1",
        params![call.call_key],
        |row| Ok((row.take()?, row.take()?)),
    )?;
    if let Some((value, changed)) = before {
        return Ok(StateResult::Done { value, changed });
    }
    let there = get(session, call)?;
    let (value, changed) = match &call.action {
        StateAction::Get => (there, false),
        StateAction::Set { value } => (Some(value.clone()), true),
        StateAction::Delete => (None, there.is_some()),
        StateAction::CompareAndSet { expected, value } if *expected == there => (Some(value.clone()), true),
        StateAction::CompareAndSet { .. } => (there, false),
    };
    if changed {
        match &value {
            None => {
                session.execute(
                    "DELETE FROM state WHERE account_id = $1 AND key = $2",
                    params![call.account_id, call.key],
                )?;
            }
            Some(_) if is_full(session, call)? => return Ok(StateResult::Full),
            Some(value) => {
                session.execute(
                    "INSERT INTO state (account_id, key, value, changed_at) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (account_id, key) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at",
                    params![call.account_id, call.key, value, call.at],
                )?;
            }
        }
    }
    session.execute(
        "INSERT INTO state_calls (call_key, run_id, value, changed, done_at) VALUES ($1, $2, $3, $4, $5)",
        params![call.call_key, call.run_id, value, changed, call.at],
    )?;
    Ok(StateResult::Done { value, changed })
}

/// Whether the key would be one more than the account may have.
fn is_full(session: &Session, call: &StateCall) -> Result<bool, Error> {
    if get(session, call)?.is_some() {
        return Ok(false);
    }
    let keys: Option<i64> =
        session.scalar("SELECT count(*) FROM state WHERE account_id = $1", params![call.account_id])?;
    Ok(keys.unwrap_or_default() >= call.keys_max as i64)
}
