//! The same as retention, by where accounts came from.
//!
//! An account's source is that of the lead with its owner's address. Accounts without such a lead have the source `unknown`.

use std::collections::BTreeMap;

use levqor_store::activity::AccountActivity;
use serde_json::json;

use super::{Context, Done, PAGE, output, percent};
use crate::pages::{count, plural};

const UNKNOWN: &str = "unknown";
/// Sources that are told by name; the rest is one.
const NAMED_MAX: usize = 20;
/// Sources that are kept apart while accounts are read. A source is a text of strangers.
const SOURCES_MAX: usize = 1_000;

/// The accounts of one source.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    accounts: i64,
    opened_30: i64,
    active_7: i64,
    active_30: i64,
    /// Opened more than 30 days ago, and of these, active in the last 30.
    old: i64,
    stayed: i64,
}

impl Sums {
    fn add(&mut self, other: Sums) {
        self.accounts += other.accounts;
        self.opened_30 += other.opened_30;
        self.active_7 += other.active_7;
        self.active_30 += other.active_30;
        self.old += other.old;
        self.stayed += other.stayed;
    }
}

pub(in super::super) async fn work(context: &Context) -> Done {
    let (store, day) = (context.store(), context.day());
    let (week, month) = (day.plus_days(-6), day.plus_days(-29));
    let end = day.plus_days(1).start();
    let mut sources: BTreeMap<String, Sums> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.account_activity(day, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let known = store.account_sources(page.iter().map(|account| account.id).collect()).await?;
        for account in page.iter().filter(|account| account.created_at < end) {
            let AccountActivity { id, created_at, active_on, .. } = account;
            let is_old = created_at.date() < month;
            let active = |from| active_on.is_some_and(|on| on >= from);
            let one = Sums {
                accounts: 1,
                opened_30: i64::from(!is_old),
                active_7: i64::from(active(week)),
                active_30: i64::from(active(month)),
                old: i64::from(is_old),
                stayed: i64::from(is_old && active(month)),
            };
            let source = known.get(id).map_or(UNKNOWN, String::as_str);
            let is_room = sources.len() < SOURCES_MAX || sources.contains_key(source);
            sources.entry(if is_room { source } else { UNKNOWN }.to_owned()).or_default().add(one);
        }
    }
    let mut all = Sums::default();
    sources.values().for_each(|sums| all.add(*sums));
    let mut listed: Vec<(String, Sums)> = sources.into_iter().collect();
    listed.sort_by(|a, b| (b.1.accounts, &a.0).cmp(&(a.1.accounts, &b.0)));
    let mut rest = Sums::default();
    listed.iter().skip(NAMED_MAX).for_each(|(_, sums)| rest.add(*sums));
    let left_out = listed.len().saturating_sub(NAMED_MAX);
    listed.truncate(NAMED_MAX);
    let row = |source: &str, sums: &Sums| {
        json!({
            "source": source, "accounts": sums.accounts, "opened_in_30_days": sums.opened_30,
            "active_7_days": sums.active_7, "active_30_days": sums.active_30,
            "older_than_30_days": sums.old, "of_them_active_30_days": sums.stayed,
        })
    };
    let mut rows: Vec<_> = listed.iter().map(|(source, sums)| row(source, sums)).collect();
    if left_out > 0 {
        rows.push(row("all others", &rest));
    }
    output(
        sentence(&listed, &all),
        json!({ "day": day, "all": row("all", &all), "sources": rows, "sources_left_out": left_out }),
    )
}

fn sentence(listed: &[(String, Sums)], all: &Sums) -> String {
    let active = |sums: &Sums| {
        let share = percent(sums.active_30, sums.accounts).unwrap_or_else(|| "none".to_owned());
        format!("{} active in 30 days ({share})", count(sums.active_30))
    };
    let accounts = plural(all.accounts, "account", "accounts");
    if !listed.iter().any(|(source, _)| source != UNKNOWN) {
        return format!(
            "Where {accounts} came from is not known: no lead has an owner's address. {}.",
            capital(&active(all))
        );
    }
    let named = listed.iter().take(3).map(|(source, sums)| {
        format!("{source}: {}, {}", plural(sums.accounts, "account", "accounts"), active(sums))
    });
    format!("{}. All: {accounts}, {}.", named.collect::<Vec<_>>().join("; "), active(all))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
