//! How many accounts use the platform, and how many of those that come stay.

use levqor_model::{Date, Timestamp};
use levqor_store::Store;
use serde_json::json;

use super::{Context, Done, Failure, output, percent};
use crate::pages::{count, plural};

/// Weeks of new accounts that are followed.
const COHORTS: i64 = 9;
/// How many weeks later the summary looks at a cohort.
const LATER: i64 = 4;

pub(in super::super) async fn work(context: &Context) -> Done {
    let (store, day) = (context.store(), context.day());
    let active = async |days: i64| store.active_accounts(day.plus_days(1 - days), day).await;
    let (daily, weekly, monthly) = (active(1).await?, active(7).await?, active(30).await?);
    let end = day.plus_days(1).start();
    let accounts = store.accounts_opened(Timestamp::from_micros(0), end).await?;
    let new = store.accounts_opened(day.plus_days(-6).start(), end).await?;
    let mut cohorts = Vec::new();
    let mut stayed = None;
    for age in 0..COHORTS {
        let cohort = Cohort::of(day, age);
        let opened = cohort.opened(&store).await?;
        let weeks = cohort.weeks(&store, age).await?;
        if age == LATER && opened > 0 {
            stayed = weeks.last().map(|later| (cohort.from, opened, *later));
        }
        cohorts.push(json!({ "from": cohort.from, "until": cohort.until, "accounts": opened, "active_after_weeks": weeks }));
    }
    let mut summary = format!(
        "Of {} on {day}, {} active that day, {} in 7 days and {} in 30; {} opened in 7 days.",
        plural(accounts, "account", "accounts"),
        were(daily),
        count(weekly),
        count(monthly),
        were(new),
    );
    if let Some((from, opened, later)) = stayed {
        let share = percent(later, opened).unwrap_or_default();
        summary.push_str(&format!(
            " Of {} opened in the week from {from}, {} active {LATER} weeks later ({share}).",
            count(opened),
            were(later)
        ));
    }
    output(
        summary,
        json!({
            "day": day, "accounts": accounts, "opened_in_7_days": new,
            "active": { "day": daily, "days_7": weekly, "days_30": monthly }, "cohorts": cohorts,
        }),
    )
}

fn were(number: i64) -> String {
    format!("{} {}", count(number), if number == 1 { "was" } else { "were" })
}

/// Accounts that were opened in the same seven days, counted back from the day of the report.
struct Cohort {
    from: Date,
    /// The last day.
    until: Date,
}

impl Cohort {
    fn of(day: Date, age: i64) -> Self {
        Self { from: day.plus_days(-7 * age - 6), until: day.plus_days(-7 * age) }
    }

    fn span(&self) -> (Timestamp, Timestamp) {
        (self.from.start(), self.until.plus_days(1).start())
    }

    async fn opened(&self, store: &Store) -> Result<i64, Failure> {
        let (from, until) = self.span();
        Ok(store.accounts_opened(from, until).await?)
    }

    /// How many were active in each of the weeks after theirs, as far as these are over.
    async fn weeks(&self, store: &Store, age: i64) -> Result<Vec<i64>, Failure> {
        let mut weeks = Vec::new();
        for later in 1..=age {
            let (from, until) = (self.from.plus_days(7 * later), self.until.plus_days(7 * later));
            weeks.push(store.active_of_opened(self.span(), from, until).await?);
        }
        Ok(weeks)
    }
}
