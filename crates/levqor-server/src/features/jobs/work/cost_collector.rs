//! What the last day cost, by account and in total.

use std::cmp::Reverse;

use serde_json::json;

use super::{
    Context, Done,
    costs::{self, AccountCost, Costs},
    output,
};
use crate::pages::{count, plural};

/// Accounts that are told one by one: those that cost or use the most.
const LISTED_MAX: usize = 50;

pub(in super::super) async fn work(context: &Context) -> Done {
    let day = context.day();
    let prices = &context.app.settings.jobs.prices;
    let found: Costs = costs::collect(context, day, day).await?;
    let mut accounts: Vec<AccountCost> =
        found.accounts.iter().copied().filter(|account| !account.used.is_nothing()).collect();
    accounts.sort_by_key(|account| {
        let used = &account.used;
        Reverse((account.amounts.sum(), used.ai_credits, used.runs, used.storage_bytes, account.id))
    });
    let using = i64::try_from(accounts.len()).unwrap_or(i64::MAX);
    let rows: Vec<_> = accounts
        .iter()
        .take(LISTED_MAX)
        .map(|account| {
            let mut row = costs::told(&account.used, &account.amounts, prices);
            row["account"] = json!(account.id.to_string());
            row
        })
        .collect();
    let total = &found.total;
    let mut summary = format!(
        "{day}: {} of providers, {}, about {} MiB kept",
        plural(total.ai_credits, "AI credit", "AI credits"),
        plural(total.runs, "run", "runs"),
        count(total.storage_bytes / (1024 * 1024)),
    );
    match found.amounts.sum() {
        Some(amount) => summary.push_str(&format!(": {}", costs::shown(Some(amount), prices))),
        None => summary.push_str("; nothing has a price, so what it cost is not known"),
    }
    let missing = found.amounts.not_priced();
    if found.amounts.sum().is_some() && !missing.is_empty() {
        let has = if missing.len() == 1 { "has" } else { "have" };
        summary.push_str(&format!(", without {}, which {has} no price", missing.join(" and ")));
    }
    summary.push('.');
    output(
        summary,
        json!({
            "day": day, "currency": prices.currency, "totals": costs::told(total, &found.amounts, prices),
            "accounts": rows, "accounts_using": using, "accounts_not_weighed": found.left_out,
        }),
    )
}
