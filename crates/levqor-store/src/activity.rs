//! Who uses the platform, and since when: what retention and cohorts are reckoned from.
//!
//! An account is active on a day on which it started a run or used AI.

use std::collections::BTreeMap;

use levqor_model::{AccountId, Date, Timestamp};

use crate::{Error, Store, params};

/// An account, and when it was active last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountActivity {
    pub id: AccountId,
    pub plan: String,
    pub created_at: Timestamp,
    /// The last day up to the one that was asked for.
    pub active_on: Option<Date>,
}

impl Store {
    /// Accounts that were active on any day from `from` to `until`, both included.
    pub async fn active_accounts(&self, from: Date, until: Date) -> Result<i64, Error> {
        self.view(move |session| {
            let found: Option<i64> = session.scalar(
                "SELECT count(DISTINCT account_id) FROM usage_days
                 WHERE day >= $1 AND day <= $2 AND account_id <> '' AND (runs > 0 OR ai_credits > 0)",
                params![from, until],
            )?;
            Ok(found.unwrap_or_default())
        })
        .await
    }

    /// Accounts that were opened from `from` on, before `until`.
    pub async fn accounts_opened(&self, from: Timestamp, until: Timestamp) -> Result<i64, Error> {
        self.view(move |session| {
            let found: Option<i64> = session.scalar(
                "SELECT count(*) FROM accounts WHERE created_at >= $1 AND created_at < $2",
                params![from, until],
            )?;
            Ok(found.unwrap_or_default())
        })
        .await
    }

    /// Of the accounts that were opened from `opened.0` on, before `opened.1`: those that were active on any day from `from` to `until`.
    pub async fn active_of_opened(
        &self,
        opened: (Timestamp, Timestamp),
        from: Date,
        until: Date,
    ) -> Result<i64, Error> {
        self.view(move |session| {
            let found: Option<i64> = session.scalar(
                "SELECT count(*) FROM accounts WHERE created_at >= $1 AND created_at < $2 AND EXISTS
                    (SELECT 1 FROM usage_days WHERE usage_days.account_id = accounts.account_id
                         AND day >= $3 AND day <= $4 AND (runs > 0 OR ai_credits > 0))",
                params![opened.0, opened.1, from, until],
            )?;
            Ok(found.unwrap_or_default())
        })
        .await
    }

    /// Accounts by their ids, those behind `after`, as they stood at the end of a day.
    pub async fn account_activity(
        &self,
        day: Date,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Vec<AccountActivity>, Error> {
        let after = after.map_or_else(String::new, |id| id.to_string());
        self.view(move |session| {
            session.rows(
                "SELECT account_id, plan, created_at,
                    (SELECT day FROM usage_days WHERE usage_days.account_id = accounts.account_id
                         AND day <= $1 AND (runs > 0 OR ai_credits > 0) ORDER BY day DESC LIMIT 1)
                 FROM accounts WHERE account_id > $2 ORDER BY account_id LIMIT $3",
                params![day, after, limit],
                |row| {
                    Ok(AccountActivity {
                        id: row.take()?,
                        plan: row.take()?,
                        created_at: row.take()?,
                        active_on: row.take()?,
                    })
                },
            )
        })
        .await
    }

    /// How many accounts have each plan, the most first; at most 100 plans.
    pub async fn accounts_by_plan(&self) -> Result<Vec<(String, i64)>, Error> {
        self.view(|session| {
            session.rows(
                "SELECT plan, count(*) AS found FROM accounts GROUP BY plan ORDER BY found DESC, plan LIMIT 100",
                &[],
                |row| Ok((row.take()?, row.take()?)),
            )
        })
        .await
    }

    /// Of the accounts that were opened from `from` on, before `until`: those with a workflow that was not deleted, and those that ever
    /// started a run.
    pub async fn first_steps(&self, from: Timestamp, until: Timestamp) -> Result<(i64, i64), Error> {
        self.view(move |session| {
            let with_workflow: Option<i64> = session.scalar(
                "SELECT count(*) FROM accounts WHERE created_at >= $1 AND created_at < $2 AND EXISTS
                    (SELECT 1 FROM workflows WHERE workflows.account_id = accounts.account_id AND deleted_at IS NULL)",
                params![from, until],
            )?;
            let with_run: Option<i64> = session.scalar(
                "SELECT count(*) FROM accounts WHERE created_at >= $1 AND created_at < $2 AND EXISTS
                    (SELECT 1 FROM usage_days WHERE usage_days.account_id = accounts.account_id AND runs > 0)",
                params![from, until],
            )?;
            Ok((with_workflow.unwrap_or_default(), with_run.unwrap_or_default()))
        })
        .await
    }

    /// Where accounts came from: the source of the lead with the address of an owner. Accounts without one are not there.
    pub async fn account_sources(
        &self,
        accounts: Vec<AccountId>,
    ) -> Result<BTreeMap<AccountId, String>, Error> {
        self.view(move |session| {
            let mut sources = BTreeMap::new();
            for account in &accounts {
                let source: Option<String> = session.scalar(
                    "SELECT l.source FROM memberships m JOIN users u ON u.user_id = m.user_id
                     JOIN leads l ON l.email = u.email
                     WHERE m.account_id = $1 AND m.role = 'owner' ORDER BY l.id LIMIT 1",
                    params![account],
                )?;
                if let Some(source) = source {
                    sources.insert(*account, source);
                }
            }
            Ok(sources)
        })
        .await
    }
}
