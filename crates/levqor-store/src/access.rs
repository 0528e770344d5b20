//! Who has access, as it stands: counts for reports, no names.

use levqor_model::Timestamp;

use crate::{Error, Session, Store, params, value::Value};

/// How many have access, and with what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccessCounts {
    pub people: i64,
    /// Of them, those who operate the platform.
    pub operators: i64,
    /// Sessions that have not ended.
    pub sessions: i64,
    /// API keys that open something now.
    pub keys: i64,
    /// Of them, those of operators.
    pub operator_keys: i64,
    /// Of them, those whose secret is older than a moment.
    pub old_keys: i64,
    /// Of them, those that nobody used since that moment.
    pub unused_keys: i64,
}

impl Store {
    /// As it stands now; keys are old that had their secret before `old`.
    pub async fn access_counts(&self, now: Timestamp, old: Timestamp) -> Result<AccessCounts, Error> {
        self.view(move |session| {
            Ok(AccessCounts {
                people: count(session, "SELECT count(*) FROM users", &[])?,
                operators: count(session, "SELECT count(*) FROM users WHERE operator", &[])?,
                sessions: count(
                    session,
                    "SELECT count(*) FROM sessions WHERE revoked_at IS NULL AND expires_at > $1",
                    params![now],
                )?,
                keys: count(
                    session,
                    "SELECT count(*) FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)",
                    params![now],
                )?,
                operator_keys: count(
                    session,
                    "SELECT count(*) FROM api_keys
                     WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1) AND operator",
                    params![now],
                )?,
                old_keys: count(
                    session,
                    "SELECT count(*) FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)
                         AND coalesce(rotated_at, created_at) < $2",
                    params![now, old],
                )?,
                unused_keys: count(
                    session,
                    "SELECT count(*) FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)
                         AND coalesce(last_used_at, created_at) < $2",
                    params![now, old],
                )?,
            })
        })
        .await
    }
}

fn count(session: &Session, sql: &'static str, params: &[Value<'_>]) -> Result<i64, Error> {
    Ok(session.scalar::<i64>(sql, params)?.unwrap_or_default())
}
