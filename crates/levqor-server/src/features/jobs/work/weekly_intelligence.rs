//! What rose and what fell in the last seven days, and which days were unusual, in words.

use std::collections::BTreeMap;

use levqor_model::Date;
use serde_json::json;

use super::{
    Context, DAY, Done, Failure, anomalies, number, output,
    series::{self, Span, is_error},
};
use crate::pages::count;

/// Weeks that are read: the last one, and those that say what is usual.
const WEEKS: usize = 5;
const WEEK: usize = 7;
/// Rises and falls below this share are none.
const CHANGE_MIN: f64 = 0.1;

/// A quantity by the day, oldest first.
struct Daily {
    title: &'static str,
    days: Vec<f64>,
}

pub(in super::super) async fn work(context: &Context) -> Done {
    let day = context.day();
    let from = day.plus_days(1 - i64::try_from(WEEKS * WEEK).unwrap_or(i64::MAX));
    let mut words = Vec::new();
    let mut trends = Vec::new();
    let mut unusual = Vec::new();
    for daily in read(context, from, day).await? {
        let sums: Vec<f64> = daily.days.chunks(WEEK).map(|week| week.iter().sum()).collect();
        let Some((now, before)) = sums.split_last() else { continue };
        let usual = anomalies::median(before.iter().copied().filter(|sum| *sum > 0.0).collect());
        words.push(trend(daily.title, *now, usual));
        trends.push(json!({ "what": daily.title, "week": now, "usual_week": usual, "weeks": sums }));
        let (past, week) = daily.days.split_at(daily.days.len().saturating_sub(WEEK));
        // Days on which nothing was there yet say nothing of what is usual.
        let past: Vec<f64> = past.iter().copied().skip_while(|value| *value == 0.0).collect();
        for (offset, value) in (0..).zip(week) {
            let Some(judged) = anomalies::judge(*value, &past) else { continue };
            if judged.is_unusual() {
                let on = day.plus_days(offset - 6);
                let word = if judged.distance > 0.0 { "unusually many" } else { "unusually few" };
                words.push(format!(
                    "{on} had {word} {}: {value:.0}, usual are {:.0}",
                    daily.title, judged.median
                ));
                unusual.push(json!({ "day": on, "what": daily.title, "value": value, "usual": judged.median, "distance": judged.distance }));
            }
        }
    }
    if unusual.is_empty() {
        words.push("no day was unusual, as far as there are enough to compare".to_owned());
    }
    output(
        words.join("; ") + ".",
        json!({ "from": day.plus_days(-6), "until": day, "trends": trends, "unusual": unusual }),
    )
}

/// Such as `runs rose by 40 % to 1,400`.
fn trend(title: &str, now: f64, usual: Option<f64>) -> String {
    let shown = count(series::whole(now));
    let Some(usual) = usual else { return format!("{title}: {shown}, and no week before to compare with") };
    let change = now / usual - 1.0;
    if change.abs() < CHANGE_MIN {
        return format!("{title} are as usual with {shown}");
    }
    let word = if change > 0.0 { "rose" } else { "fell" };
    format!("{title} {word} by {:.0} % to {shown}", change.abs() * 100.0)
}

async fn read(context: &Context, from: Date, until: Date) -> Result<Vec<Daily>, Failure> {
    let store = context.store();
    let used = store.usage_days(None, from, until).await?;
    let runs: BTreeMap<Date, i64> = used.iter().map(|used| (used.day, used.count.runs)).collect();
    let credits: BTreeMap<Date, i64> = used.iter().map(|used| (used.day, used.count.ai_credits)).collect();
    let mut active = BTreeMap::new();
    for day in days(from, until) {
        active.insert(day, store.active_accounts(day, day).await?);
    }
    let span = Span { from: from.start(), to: until.plus_days(1).start(), step: DAY };
    let requests = series::read(context, "http_requests", span).await?;
    let mut all: Vec<Daily> = [("runs", runs), ("AI credits", credits), ("days of active accounts", active)]
        .into_iter()
        .map(|(title, counts)| Daily {
            title,
            days: days(from, until)
                .map(|day| number(counts.get(&day).copied().unwrap_or_default()))
                .collect(),
        })
        .collect();
    // What nobody has counted is not told as none.
    if !requests.is_empty() {
        let by_day = |sums: BTreeMap<levqor_model::Timestamp, f64>| {
            let of = |day: Date| {
                let within = day.start()..day.plus_days(1).start();
                sums.range(within).map(|(_, sum)| sum).sum::<f64>()
            };
            days(from, until).map(of).collect::<Vec<f64>>()
        };
        all.push(Daily { title: "requests", days: by_day(requests.sums(|_| true)) });
        all.push(Daily { title: "failed requests", days: by_day(requests.sums(is_error)) });
    }
    Ok(all)
}

fn days(from: Date, until: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(from), move |day| Some(day.plus_days(1)).filter(|next| *next <= until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trends_are_told_in_words() {
        let rows = [
            (1_400.0, Some(1_000.0), "runs rose by 40 % to 1,400"),
            (600.0, Some(1_000.0), "runs fell by 40 % to 600"),
            (1_050.0, Some(1_000.0), "runs are as usual with 1,050"),
            (0.0, Some(10.0), "runs fell by 100 % to 0"),
            (5.0, None, "runs: 5, and no week before to compare with"),
        ];
        for (now, usual, words) in rows {
            assert_eq!(trend("runs", now, usual), words);
        }
    }
}
