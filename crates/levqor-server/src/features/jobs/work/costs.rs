//! What is used, and what it costs where the operator has said what things cost.
//!
//! Amounts are whole millionths of the currency. Without a price there is a quantity and no amount: nothing is invented.

use levqor_model::{AccountId, Date, Timestamp};
use levqor_store::{ai_requests::AiUse, stored_bytes::StoredBytes};
use serde_json::{Value, json};

use super::super::settings::{Price, Prices};
use super::{Context, Failure, PAGE};

/// The backend that costs nothing.
pub(super) const OWN_BACKEND: &str = "builtin";
/// Accounts that are weighed one by one.
const ACCOUNTS_MAX: usize = 20_000;
const GIB: i128 = 1024 * 1024 * 1024;
/// Days of the month that a price of storage is for.
const MONTH_DAYS: i128 = 30;
pub(super) const NOT_PRICED: &str = "not priced";

/// What was used in a span of days.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Quantities {
    pub(super) ai_requests: i64,
    /// Credits that a provider answered.
    pub(super) ai_credits: i64,
    /// Credits that the built-in backend answered, which cost nothing.
    pub(super) own_credits: i64,
    pub(super) runs: i64,
    pub(super) storage_bytes: i64,
}

/// Amounts in millionths; None: there is no price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amounts {
    pub(super) ai: Option<i64>,
    pub(super) runs: Option<i64>,
    pub(super) storage: Option<i64>,
}

/// What an account used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AccountCost {
    pub(super) id: AccountId,
    pub(super) used: Quantities,
    pub(super) amounts: Amounts,
}

/// What all of them used, from the first day to the last, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Costs {
    pub(super) from: Date,
    pub(super) until: Date,
    pub(super) total: Quantities,
    pub(super) amounts: Amounts,
    pub(super) accounts: Vec<AccountCost>,
    /// Accounts whose storage was not weighed, since there are too many.
    pub(super) left_out: i64,
}

impl Quantities {
    fn of(uses: &[AiUse], runs: i64, storage_bytes: i64) -> Self {
        let credits = |own: bool| {
            uses.iter().filter(|one| (one.backend == OWN_BACKEND) == own).map(|one| one.credits).sum()
        };
        Self {
            ai_requests: uses.iter().map(|one| one.requests).sum(),
            ai_credits: credits(false),
            own_credits: credits(true),
            runs,
            storage_bytes,
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn amounts(&self, prices: &Prices, days: i64) -> Amounts {
        let of = |price: Option<Price>, quantity: i64, per: i128| {
            let amount = i128::from(quantity) * i128::from(price?.micros());
            // Half of a millionth is rounded up.
            i64::try_from((amount + per / 2) / per).ok()
        };
        Amounts {
            ai: of(prices.ai_credits_1000, self.ai_credits, 1_000),
            runs: of(prices.runs_1000, self.runs, 1_000),
            storage: prices.storage_gib_month.and_then(|price| {
                let amount = i128::from(self.storage_bytes)
                    .checked_mul(i128::from(price.micros()))?
                    .checked_mul(i128::from(days))?;
                i64::try_from(amount / (GIB * MONTH_DAYS)).ok()
            }),
        }
    }
}

impl Amounts {
    fn parts(&self) -> [(&'static str, Option<i64>); 3] {
        [("ai", self.ai), ("runs", self.runs), ("storage", self.storage)]
    }

    /// The sum of what has a price; None: nothing has.
    pub(super) fn sum(&self) -> Option<i64> {
        let known: Vec<i64> = self.parts().into_iter().filter_map(|(_, amount)| amount).collect();
        (!known.is_empty()).then(|| known.iter().fold(0, |sum: i64, amount| sum.saturating_add(*amount)))
    }

    /// What has no price.
    pub(super) fn not_priced(&self) -> Vec<&'static str> {
        self.parts().into_iter().filter(|(_, amount)| amount.is_none()).map(|(name, _)| name).collect()
    }
}

/// Such as `1.20 GBP`; or that it is not priced.
pub(super) fn shown(amount: Option<i64>, prices: &Prices) -> String {
    match (amount, &prices.currency) {
        (Some(micros), Some(currency)) => {
            let hundredths = (i128::from(micros) + 5_000) / 10_000;
            format!("{}.{:02} {currency}", hundredths / 100, hundredths % 100)
        }
        _ => NOT_PRICED.to_owned(),
    }
}

/// The quantities with what each costs.
pub(super) fn told(used: &Quantities, amounts: &Amounts, prices: &Prices) -> Value {
    json!({
        "ai": {
            "requests": used.ai_requests, "credits": used.ai_credits, "built_in_credits": used.own_credits,
            "cost": shown(amounts.ai, prices),
        },
        "runs": { "runs": used.runs, "cost": shown(amounts.runs, prices) },
        "storage": { "bytes": used.storage_bytes, "estimated": true, "cost": shown(amounts.storage, prices) },
        "cost": shown(amounts.sum(), prices),
        "not_priced": amounts.not_priced(),
    })
}

/// What was used in these days, with the storage as it is now.
pub(super) async fn collect(context: &Context, from: Date, until: Date) -> Result<Costs, Failure> {
    let (store, prices) = (context.store(), &context.app.settings.jobs.prices);
    let days = days_of(from, until);
    let (begin, end) = (from.start(), until.plus_days(1).start());
    let mut accounts = Vec::new();
    let (mut after, mut left_out, mut bytes) = (None, 0, 0_i64);
    loop {
        let page = store.account_activity(until, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for account in page {
            if accounts.len() == ACCOUNTS_MAX {
                left_out += 1;
                continue;
            }
            let uses = store.ai_uses(Some(account.id), begin, end).await?;
            let runs = store.usage(Some(account.id), from, until).await?.runs;
            let stored: StoredBytes = store.stored_bytes(account.id).await?;
            bytes = bytes.saturating_add(stored.total());
            let used = Quantities::of(&uses, runs, stored.total());
            accounts.push(AccountCost { id: account.id, used, amounts: used.amounts(prices, days) });
        }
    }
    // What nobody's account used is in the totals, too.
    let uses = store.ai_uses(None, begin, end).await?;
    let runs = store.usage(None, from, until).await?.runs;
    let total = Quantities::of(&uses, runs, bytes);
    Ok(Costs { from, until, total, amounts: total.amounts(prices, days), accounts, left_out })
}

/// How many days that are, both included.
pub(super) fn days_of(from: Date, until: Date) -> i64 {
    let span = until.plus_days(1).start().since(from.start());
    i64::try_from(span.as_secs() / 86_400).unwrap_or(i64::MAX)
}

/// The first day of the month of a moment.
pub(super) fn month_of(at: Timestamp) -> Date {
    at.date().month_start()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> Prices {
        let price = |text: &str| Some(text.parse().unwrap());
        Prices {
            currency: Some("GBP".to_owned()),
            ai_credits_1000: price("2"),
            runs_1000: price("0.10"),
            storage_gib_month: None,
        }
    }

    #[test]
    fn what_has_no_price_costs_no_amount() {
        let used = Quantities { ai_credits: 1_500, runs: 25, storage_bytes: 1, ..Quantities::default() };
        let amounts = used.amounts(&prices(), 1);
        assert_eq!(amounts, Amounts { ai: Some(3_000_000), runs: Some(2_500), storage: None });
        assert_eq!((amounts.sum(), amounts.not_priced()), (Some(3_002_500), vec!["storage"]));
        assert_eq!(shown(amounts.sum(), &prices()), "3.00 GBP");
        assert_eq!(shown(amounts.storage, &prices()), NOT_PRICED);
        let none = used.amounts(&Prices::default(), 1);
        assert_eq!((none.sum(), none.not_priced().len()), (None, 3));
        assert_eq!(shown(Some(5), &Prices::default()), NOT_PRICED);
    }

    #[test]
    fn storage_costs_by_the_day() {
        let prices = Prices { storage_gib_month: Some("3".parse().unwrap()), ..prices() };
        let used = Quantities { storage_bytes: 2 * 1024 * 1024 * 1024, ..Quantities::default() };
        assert_eq!(used.amounts(&prices, 1).storage, Some(200_000));
        assert_eq!(used.amounts(&prices, 30).storage, Some(6_000_000));
        let most = Quantities { storage_bytes: i64::MAX, ..Quantities::default() };
        assert!(most.amounts(&prices, 30).storage.is_some());
    }

    #[test]
    fn days_are_counted_with_both_ends() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(days_of(day("2026-11-01"), day("2026-11-01")), 1);
        assert_eq!(days_of(day("2026-02-01"), day("2026-03-01")), 29);
        assert_eq!(days_of(day("2026-11-02"), day("2026-11-01")), 0);
    }
}
