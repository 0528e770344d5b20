//! The week of the business: how many accounts there are, on which plans, and how they use the platform.

use levqor_model::Timestamp;
use serde_json::{Value, json};

use super::{Context, DAY, Done, output, parts, percent};
use crate::pages::{count, plural};

pub(in super::super) async fn work(context: &Context) -> Done {
    let (store, day) = (context.store(), context.day());
    let end = day.plus_days(1).start();
    let (week, week_before) = (end - DAY * 7, end - DAY * 14);
    let accounts = store.accounts_opened(Timestamp::from_micros(0), end).await?;
    let opened = store.accounts_opened(week, end).await?;
    let opened_before = store.accounts_opened(week_before, week).await?;
    let active = store.active_accounts(day.plus_days(-6), day).await?;
    let active_before = store.active_accounts(day.plus_days(-13), day.plus_days(-7)).await?;
    let used = store.usage(None, day.plus_days(-6), day).await?;
    let used_before = store.usage(None, day.plus_days(-13), day.plus_days(-7)).await?;
    let plans = store.accounts_by_plan().await?;
    let leads: i64 = parts::leads(context, week).await?.iter().map(|(_, leads)| leads).sum();
    let change = |now: i64, before: i64| match now - before {
        0 => "as before".to_owned(),
        more @ 1.. => format!("{} more than before", count(more)),
        fewer => format!("{} fewer than before", count(-fewer)),
    };
    let share = percent(active, accounts).map_or_else(String::new, |share| format!(", {share} of all"));
    let summary = format!(
        "{}, {} opened in 7 days ({}). {} active ({}{share}). {} ({}), {}. Revenue is not known: no payments are read.",
        plural(accounts, "account", "accounts"),
        count(opened),
        change(opened, opened_before),
        count(active),
        change(active, active_before),
        plural(used.runs, "run", "runs"),
        change(used.runs, used_before.runs),
        plural(used.ai_credits, "AI credit", "AI credits"),
    );
    let plans: Vec<Value> =
        plans.into_iter().map(|(plan, accounts)| json!({ "plan": plan, "accounts": accounts })).collect();
    output(
        summary,
        json!({
            "from": week, "until": end, "accounts": accounts, "plans": plans, "leads": leads, "revenue": null,
            "opened": { "week": opened, "before": opened_before }, "active": { "week": active, "before": active_before },
            "runs": { "week": used.runs, "before": used_before.runs },
            "ai_credits": { "week": used.ai_credits, "before": used_before.ai_credits }, "workflows": used.workflows,
        }),
    )
}
