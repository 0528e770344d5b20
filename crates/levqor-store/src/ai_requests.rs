//! The log of AI calls: who, where, how long, how much; never what was said.

use levqor_model::{AccountId, Date, RegionCode, Timestamp};

use crate::{Error, Row, Store, params, usage};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AiRequest {
    pub at: Timestamp,
    pub account_id: Option<AccountId>,
    pub region: RegionCode,
    /// `chat`, `workflow`, …
    pub kind: String,
    pub backend: String,
    pub language: String,
    pub success: bool,
    pub credits: i64,
    pub latency_us: i64,
}

/// What was asked of a backend in a span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AiUse {
    pub backend: String,
    pub requests: i64,
    pub failed: i64,
    pub credits: i64,
}

impl AiUse {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self { backend: row.take()?, requests: row.take()?, failed: row.take()?, credits: row.take()? })
    }
}

impl AiRequest {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            at: row.take()?,
            account_id: row.take()?,
            region: row.take()?,
            kind: row.take()?,
            backend: row.take()?,
            language: row.take()?,
            success: row.take()?,
            credits: row.take()?,
            latency_us: row.take()?,
        })
    }
}

impl Store {
    /// Logs a request and adds its credits to what the account used that day, both or neither. One that belongs to an
    /// effect of a run is known by the effect's key: told again, it changes nothing. Says whether it was new.
    pub async fn meter_ai(&self, request: AiRequest, call_key: Option<String>) -> Result<bool, Error> {
        self.write(move |session| {
            let added = session.execute(
                "INSERT INTO ai_requests
                    (at, account_id, region, kind, backend, language, success, credits, latency_us, call_key)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                 ON CONFLICT (call_key) WHERE call_key IS NOT NULL DO NOTHING",
                params![
                    request.at,
                    request.account_id,
                    request.region,
                    request.kind,
                    request.backend,
                    request.language,
                    request.success,
                    request.credits,
                    request.latency_us,
                    call_key,
                ],
            )?;
            if added > 0 && request.credits != 0 {
                usage::add(session, request.account_id, request.at.date(), 0, request.credits)?;
            }
            Ok(added > 0)
        })
        .await
    }

    /// What an effect cost when it was metered; None: it was not.
    pub async fn ai_call_credits(&self, call_key: String) -> Result<Option<i64>, Error> {
        self.read(move |session| {
            session.row("SELECT credits FROM ai_requests WHERE call_key = $1", params![call_key], |row| {
                row.take::<i64>()
            })
        })
        .await
    }

    /// Newest first. None as account: all of them. A page that begins before a moment leaves out what else happened in
    /// that very microsecond.
    pub async fn ai_requests(
        &self,
        account: Option<AccountId>,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<AiRequest>, Error> {
        let before = before.map_or(i64::MAX, Timestamp::as_micros);
        self.read(move |session| match account {
            Some(account) => session.rows(
                "SELECT at, account_id, region, kind, backend, language, success, credits, latency_us
                 FROM ai_requests WHERE account_id = $1 AND at < $2
                 ORDER BY at DESC, request_seq DESC LIMIT $3",
                params![account, before, limit],
                AiRequest::read,
            ),
            None => session.rows(
                "SELECT at, account_id, region, kind, backend, language, success, credits, latency_us
                 FROM ai_requests WHERE at < $1 ORDER BY at DESC, request_seq DESC LIMIT $2",
                params![before, limit],
                AiRequest::read,
            ),
        })
        .await
    }

    /// What was asked of each backend from `from` on, before `until`, the most first; None as account: by everybody. At most 100
    /// backends.
    pub async fn ai_uses(
        &self,
        account: Option<AccountId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<AiUse>, Error> {
        self.view(move |session| match account {
            Some(account) => session.rows(
                "SELECT backend, count(*) AS found, CAST(sum(CASE WHEN success THEN 0 ELSE 1 END) AS bigint),
                     CAST(sum(credits) AS bigint)
                 FROM ai_requests WHERE account_id = $1 AND at >= $2 AND at < $3
                 GROUP BY backend ORDER BY found DESC, backend LIMIT 100",
                params![account, from, until],
                AiUse::read,
            ),
            None => session.rows(
                "SELECT backend, count(*) AS found, CAST(sum(CASE WHEN success THEN 0 ELSE 1 END) AS bigint),
                     CAST(sum(credits) AS bigint)
                 FROM ai_requests WHERE at >= $1 AND at < $2
                 GROUP BY backend ORDER BY found DESC, backend LIMIT 100",
                params![from, until],
                AiUse::read,
            ),
        })
        .await
    }

    /// Credits of all days from `from` on, before `until`, that were not answered by `own`; a row for each day with any.
    pub async fn ai_credit_days(
        &self,
        own: &'static str,
        from: Date,
        until: Date,
    ) -> Result<Vec<(Date, i64)>, Error> {
        self.view(move |session| {
            let days: Vec<(i64, i64)> = session.rows(
                "SELECT at / 86400000000 AS day, CAST(sum(credits) AS bigint) FROM ai_requests
                 WHERE at >= $1 AND at < $2 AND backend <> $3 GROUP BY at / 86400000000 ORDER BY day LIMIT 4000",
                params![from.start(), until.start(), own],
                |row| Ok((row.take()?, row.take()?)),
            )?;
            let day = |number: i64| Timestamp::from_seconds(number.saturating_mul(86_400)).date();
            Ok(days.into_iter().map(|(number, credits)| (day(number), credits)).collect())
        })
        .await
    }

    pub async fn prune_ai_requests(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM ai_requests WHERE request_seq IN
                (SELECT request_seq FROM ai_requests WHERE at < $1 LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}
