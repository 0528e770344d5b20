//! What each account cost this month, in its key-value store, where its workflows can read it; and the totals in that of the first
//! account, which is the operator's.

use serde_json::json;

use super::{
    Context, Done,
    costs::{self, Amounts, Quantities},
    output,
};
use crate::pages::plural;

/// Where an account finds it.
const KEY: &str = "levqor.costs";
/// Where the first account finds what all of them cost.
const TOTAL_KEY: &str = "levqor.platform_costs";

pub(in super::super) async fn work(context: &Context) -> Done {
    let prices = &context.app.settings.jobs.prices;
    let (from, until) = (costs::month_of(context.due_at), context.due_at.date());
    let found = costs::collect(context, from, until).await?;
    let now = context.app.now();
    let value = |used: &Quantities, amounts: &Amounts| {
        let mut value = costs::told(used, amounts, prices);
        value["from"] = json!(from);
        value["until"] = json!(until);
        value["currency"] = json!(prices.currency);
        value["as_of"] = json!(context.due_at);
        value.to_string()
    };
    let store = &context.app.store;
    let mut written = 0;
    for account in found.accounts.iter().filter(|account| !account.used.is_nothing()) {
        store.put_state(account.id, KEY, value(&account.used, &account.amounts), now).await?;
        written += 1;
    }
    // Ids begin with their time, and accounts come by their ids.
    if let Some(first) = found.accounts.first() {
        store.put_state(first.id, TOTAL_KEY, value(&found.total, &found.amounts), now).await?;
    }
    let total = match found.amounts.sum() {
        Some(amount) => format!("{} in all", costs::shown(Some(amount), prices)),
        None => "nothing has a price".to_owned(),
    };
    let summary = format!(
        "The costs from {from} on of {} are under {KEY} in their key-value stores: {total}.",
        plural(written, "account", "accounts"),
    );
    output(
        summary,
        json!({
            "from": from, "until": until, "accounts": written, "key": KEY, "total_key": TOTAL_KEY,
            "totals": costs::told(&found.total, &found.amounts, prices), "accounts_not_weighed": found.left_out,
        }),
    )
}
