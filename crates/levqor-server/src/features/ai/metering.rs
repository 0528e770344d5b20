//! What AI requests cost: looked at before, written down after, never with what was said.

use levqor_model::{AccountId, Blueprint, Clock, Region, Timestamp};
use levqor_store::{Store, ai_requests::AiRequest};

use super::language::Language;

/// No credits left, or nobody who can tell.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the {plan} plan has {limit} AI credits a month and {used} are used; wait for the next month or choose a larger plan"
    )]
    UsedUp { plan: String, limit: i64, used: i64 },
    #[error("AI credits cannot be counted: {0}")]
    Store(#[from] levqor_store::Error),
}

/// An AI request that has ended.
#[derive(Debug, Clone)]
pub struct Ended<'a> {
    /// None: an anonymous caller.
    pub account_id: Option<AccountId>,
    pub kind: &'a str,
    pub backend: String,
    pub language: Language,
    /// Whether there was anything in the answer. Who gets nothing pays nothing.
    pub success: bool,
    /// The price of a success.
    pub credits: i64,
    pub begun_at: Timestamp,
    /// The key of the effect that asked, so that it is metered once.
    pub call_key: Option<String>,
}

/// Where requests are metered.
#[derive(Debug, Clone, Copy)]
pub struct Meter<'a> {
    pub store: &'a Store,
    pub blueprint: &'a Blueprint,
    pub region: &'a Region,
    pub clock: &'a dyn Clock,
}

impl Meter<'_> {
    /// Whether the plan has `credits` left this month.
    ///
    /// # Errors
    /// [`Error::UsedUp`] when it has not.
    pub async fn left(&self, account_id: AccountId, credits: i64) -> Result<(), Error> {
        let today = self.clock.now().date();
        let used = self.store.usage(Some(account_id), today.month_start(), today).await?.ai_credits;
        let account = self.store.account(account_id).await?;
        match account.and_then(|account| self.blueprint.plan(&account.plan)) {
            Some(plan) if used + credits > plan.ai_credits => {
                Err(Error::UsedUp { plan: plan.name.clone(), limit: plan.ai_credits, used })
            }
            _ => Ok(()),
        }
    }

    /// Logs and meters; gives the credits that it cost and the moment of its end. An effect that was made again costs what it
    /// cost first.
    pub async fn end(&self, ended: Ended<'_>) -> (i64, Timestamp) {
        let now = self.clock.now();
        let latency = now.since(ended.begun_at);
        let mut credits = if ended.success { ended.credits } else { 0 };
        tracing::info!(
            region = %self.region.code, kind = ended.kind, backend = %ended.backend,
            language = ended.language.code(), success = ended.success, credits,
            latency_us = latency.as_micros() as u64, "AI request answered"
        );
        let request = AiRequest {
            at: now,
            account_id: ended.account_id,
            region: self.region.code.clone(),
            kind: ended.kind.to_owned(),
            backend: ended.backend,
            language: ended.language.code().to_owned(),
            success: ended.success,
            credits,
            latency_us: i64::try_from(latency.as_micros()).unwrap_or(i64::MAX),
        };
        // The answer is there already; a log that cannot be written must not take it away from the caller.
        match self.metered(request, ended.call_key).await {
            Ok(paid) => credits = paid,
            Err(error) => tracing::error!("an AI request could not be metered: {error}"),
        }
        (credits, now)
    }

    /// The credits that the account paid.
    async fn metered(
        &self,
        request: AiRequest,
        call_key: Option<String>,
    ) -> Result<i64, levqor_store::Error> {
        let credits = request.credits;
        if self.store.meter_ai(request, call_key.clone()).await? {
            return Ok(credits);
        }
        let paid = match call_key {
            Some(key) => self.store.ai_call_credits(key).await?,
            None => None,
        };
        Ok(paid.unwrap_or(credits))
    }
}
