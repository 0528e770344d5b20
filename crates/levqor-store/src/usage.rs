//! What accounts used, a row a day.
//!
//! The number of workflows is kept for the days on which it changed; other days have that of the last change before.

use levqor_model::{AccountId, Date, UsageCount};

use crate::{Error, Session, Store, params};

/// The account of anonymous callers in `usage_days`, and that of all accounts together in `workflow_days`.
const NOBODY: &str = "";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageDay {
    pub day: Date,
    pub count: UsageCount,
}

impl Store {
    /// Runs are counted where they are accepted; credits here. None: an anonymous caller.
    pub async fn add_ai_credits(
        &self,
        account: Option<AccountId>,
        day: Date,
        credits: i64,
    ) -> Result<(), Error> {
        self.write(move |session| add(session, account, day, 0, credits)).await
    }

    /// Sums from `from` to `until`, both included; `workflows` is their number now. None: the whole platform.
    pub async fn usage(
        &self,
        account: Option<AccountId>,
        from: Date,
        until: Date,
    ) -> Result<UsageCount, Error> {
        self.view(move |session| {
            let sums = match account {
                Some(account) => session.row(
                    "SELECT CAST(coalesce(sum(runs), 0) AS bigint), CAST(coalesce(sum(ai_credits), 0) AS bigint)
                     FROM usage_days WHERE account_id = $1 AND day >= $2 AND day <= $3",
                    params![account, from, until],
                    |row| Ok((row.take()?, row.take()?)),
                )?,
                None => session.row(
                    "SELECT CAST(coalesce(sum(runs), 0) AS bigint), CAST(coalesce(sum(ai_credits), 0) AS bigint)
                     FROM usage_days WHERE day >= $1 AND day <= $2",
                    params![from, until],
                    |row| Ok((row.take()?, row.take()?)),
                )?,
            };
            let (runs, ai_credits) = sums.unwrap_or_default();
            let workflows = crate::workflows::count(session, account)?;
            Ok(UsageCount { workflows, runs, ai_credits })
        })
        .await
    }

    /// A row for each day with anything in it (a run, a credit, a workflow made or deleted), oldest first; `workflows`
    /// as it stood at the end of that day.
    pub async fn usage_days(
        &self,
        account: Option<AccountId>,
        from: Date,
        until: Date,
    ) -> Result<Vec<UsageDay>, Error> {
        self.view(move |session| match account {
            Some(account) => {
                session.rows(include_str!("usage_days_of_account.sql"), params![account, from, until], read)
            }
            None => session.rows(include_str!("usage_days_of_all.sql"), params![from, until], read),
        })
        .await
    }
}

fn read(row: &mut crate::Row<'_>) -> Result<UsageDay, Error> {
    Ok(UsageDay {
        day: row.take()?,
        count: UsageCount { runs: row.take()?, ai_credits: row.take()?, workflows: row.take()? },
    })
}

/// Adds to what was used on a day. None: an anonymous caller.
pub(crate) fn add(
    session: &Session,
    account: Option<AccountId>,
    day: Date,
    runs: i64,
    ai_credits: i64,
) -> Result<(), Error> {
    let account = account.map_or_else(|| NOBODY.to_owned(), |account| account.to_string());
    session
        .execute(
            "INSERT INTO usage_days (account_id, day, runs, ai_credits) VALUES ($1, $2, $3, $4)
             ON CONFLICT (account_id, day) DO UPDATE SET runs = usage_days.runs + excluded.runs,
                 ai_credits = usage_days.ai_credits + excluded.ai_credits",
            params![account, day, runs, ai_credits],
        )
        .map(drop)
}

/// Notes that the account has `change` more workflows since that day.
pub(crate) fn workflows_changed(
    session: &Session,
    account: AccountId,
    day: Date,
    change: i64,
) -> Result<(), Error> {
    for account in [account.to_string().as_str(), NOBODY] {
        // The day begins with what the last day before it ended with.
        session.execute(
            "INSERT INTO workflow_days (account_id, day, workflows)
             VALUES ($1, $2, coalesce((SELECT workflows FROM workflow_days
                 WHERE account_id = $1 AND day < $2 ORDER BY day DESC LIMIT 1), 0))
             ON CONFLICT (account_id, day) DO NOTHING",
            params![account, day],
        )?;
        // Also later days: another node's clock may already be past midnight.
        session.execute(
            "UPDATE workflow_days SET workflows = workflows + $3 WHERE account_id = $1 AND day >= $2",
            params![account, day, change],
        )?;
    }
    Ok(())
}
