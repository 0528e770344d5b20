//! How people come: leads, clicks on prices, and how far new accounts have got.

use std::collections::BTreeMap;

use levqor_store::jobs::FiringState;
use serde_json::{Value, json};

use super::{Context, DAY, Done, Failure, output, parts, percent};
use crate::{
    features::{marketing::service as marketing, metrics::Counter},
    pages::{count, plural},
};

/// What is counted for good, and belongs here.
const COUNTED: [Counter; 4] = [
    Counter::PricingCtaClicks,
    Counter::ConsultationsBooked,
    Counter::SupportAutoRequests,
    Counter::TrialFeedbackSubmissions,
];
/// Pages, buttons, campaigns and sources that are named.
const NAMED_MAX: usize = 50;
/// Results before this one that are looked at, to say what has come since.
const RESULTS_MAX: usize = 20;

pub(in super::super) async fn work(context: &Context) -> Done {
    let end = context.day().plus_days(1).start();
    let from = end - DAY * 30;
    let kept: BTreeMap<String, i64> = context.app.store.totals().await?.into_iter().collect();
    let totals: BTreeMap<&str, i64> = COUNTED
        .iter()
        .map(|counter| (counter.name(), kept.get(counter.name()).copied().unwrap_or_default()))
        .collect();
    let before = last_totals(context).await?;
    let since = |name: &str| {
        let (now, then) = (totals.get(name)?, before.as_ref()?[name].as_i64()?);
        Some((now - then).max(0))
    };
    let opened = context.store().accounts_opened(from, end).await?;
    let (with_workflow, with_run) = context.store().first_steps(from, end).await?;
    let sources = parts::leads(context, from).await?;
    let leads: i64 = sources.iter().map(|(_, leads)| leads).sum();
    let last = end.date().plus_days(-1);
    let events = marketing::funnel(&context.app, from.date(), last).await?;
    let clicks = Counter::PricingCtaClicks.name();
    let share = |part: i64| percent(part, opened).map_or_else(String::new, |share| format!(" ({share})"));
    let summary = format!(
        "In 30 days: {}, {}, {} opened, {}{} with a workflow, {}{} with a run. Clicks on prices: {} in all{}.",
        plural(leads, "lead", "leads"),
        plural(events.all_views, "page view", "page views"),
        plural(opened, "account was", "accounts were"),
        count(with_workflow),
        share(with_workflow),
        count(with_run),
        share(with_run),
        count(totals[clicks]),
        since(clicks).map_or_else(String::new, |new| format!(", {} since the last rollup", count(new))),
    );
    let campaigns: Vec<_> = events
        .campaigns
        .iter()
        .take(NAMED_MAX)
        .map(|one| json!({ "name": one.source, "page_views": one.views, "cta_clicks": one.clicks }))
        .collect();
    let new: BTreeMap<&str, Option<i64>> = totals.keys().map(|name| (*name, since(name))).collect();
    output(
        summary,
        json!({
            "from": from, "until": end, "totals": totals, "since_last": new, "leads": leads,
            "lead_sources": named(sources), "page_views": named(events.views), "cta_clicks": named(events.clicks),
            "campaigns": campaigns,
            "funnel": { "opened": opened, "with_workflow": with_workflow, "with_run": with_run },
        }),
    )
}

/// The first of a list of sums, as objects.
fn named(sums: Vec<(String, i64)>) -> Vec<Value> {
    let listed = sums.into_iter().take(NAMED_MAX);
    listed.map(|(name, count)| json!({ "name": name, "count": count })).collect()
}

/// The totals of the last rollup that was done for another due time.
async fn last_totals(context: &Context) -> Result<Option<Value>, Failure> {
    let before = Some(context.due_at);
    let results = context.app.store.job_firings("marketing_rollup".to_owned(), before, RESULTS_MAX).await?;
    let done = results.into_iter().find(|result| result.state == FiringState::Done);
    let data = done.and_then(|result| serde_json::from_str::<Value>(&result.data?).ok());
    Ok(data.map(|mut data| data["totals"].take()).filter(Value::is_object))
}
