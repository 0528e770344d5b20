//! What the next 30 days will need and cost, by how the last ones went.

use std::collections::BTreeMap;

use levqor_model::Date;
use serde_json::{Value, json};

use super::super::settings::Prices;
use super::{
    Context, Done, Failure,
    costs::{self, OWN_BACKEND, Quantities},
    forecast::{self, DAYS_MIN, Forecast},
    number, output,
};

/// Days that are looked back, and ahead.
const BACK: i64 = 90;
const AHEAD: usize = 30;
/// Results of the cost collector that are looked at: one a day, and some by hand.
const RESULTS_MAX: usize = 200;

pub(in super::super) async fn work(context: &Context) -> Done {
    let (day, prices) = (context.day(), &context.app.settings.jobs.prices);
    let history = History::read(context, day).await?;
    let series = [
        ("ai_credits", "AI credits", history.values(|used| used.ai_credits)),
        ("runs", "runs", history.values(|used| used.runs)),
    ];
    let mut quantities = serde_json::Map::new();
    let mut words = Vec::new();
    for (name, title, values) in &series {
        let found = forecast::next_days(values, AHEAD);
        if let Some(found) = &found {
            words.push(format!("{:.0} {title} ({:.0} to {:.0})", found.mean, found.low, found.high));
        }
        quantities.insert((*name).to_owned(), found.map_or(Value::Null, |found| told(&found)));
    }
    let days = history.days.len();
    if words.is_empty() {
        return output(
            format!(
                "There are {days} days of history, and {DAYS_MIN} are needed: what the next {AHEAD} days bring is not known."
            ),
            json!({ "day": day, "days": days, "days_needed": DAYS_MIN, "forecast": null }),
        );
    }
    let cost = history.cost(prices);
    let cost_words = match &cost {
        Cost::Known(found) => {
            let amount = |micros: f64| costs::shown(whole(micros), prices);
            format!("{} ({} to {})", amount(found.mean), amount(found.low), amount(found.high))
        }
        Cost::NotPriced => costs::NOT_PRICED.to_owned(),
        Cost::NotWeighed { days } => {
            format!("not known, since what is kept was weighed on {days} days and {DAYS_MIN} are needed")
        }
    };
    let cost_told = match &cost {
        Cost::Known(found) => told(found),
        Cost::NotPriced | Cost::NotWeighed { .. } => Value::Null,
    };
    let summary = format!(
        "The next {AHEAD} days, by the last {days} days and at 95 %: {}; cost: {cost_words}.",
        words.join(", ")
    );
    output(
        summary,
        json!({
            "day": day, "days": days, "days_ahead": AHEAD, "quantities": quantities, "currency": prices.currency,
            "cost_micros": cost_told, "cost": cost_words,
            "storage": history.storage.len(), "method": "least squares with a prediction interval of 95 %",
        }),
    )
}

fn told(found: &Forecast) -> Value {
    json!({ "mean": found.mean, "low": found.low, "high": found.high, "per_day": found.per_day, "days_used": found.days_used })
}

/// A sum of money in whole millionths.
fn whole(micros: f64) -> Option<i64> {
    format!("{micros:.0}").parse().ok()
}

/// What the days to come cost.
#[derive(Debug, Clone, PartialEq)]
enum Cost {
    Known(Forecast),
    /// Nothing has a price.
    NotPriced,
    /// Storage has a price, and what is kept was weighed since so few days.
    NotWeighed {
        days: usize,
    },
}

/// Days from the first one on which anything was used, each with what was.
struct History {
    days: Vec<Quantities>,
    /// How many of the first days are before the first one on which storage was weighed: what was kept then is not known.
    not_weighed: usize,
    /// What was kept on days on which it was weighed.
    storage: BTreeMap<Date, i64>,
}

impl History {
    async fn read(context: &Context, day: Date) -> Result<Self, Failure> {
        let store = context.store();
        let from = day.plus_days(1 - BACK);
        let credits: BTreeMap<Date, i64> =
            store.ai_credit_days(OWN_BACKEND, from, day.plus_days(1)).await?.into_iter().collect();
        let runs: BTreeMap<Date, i64> = store
            .usage_days(None, from, day)
            .await?
            .into_iter()
            .filter(|used| used.count.runs > 0)
            .map(|used| (used.day, used.count.runs))
            .collect();
        let storage = storage(context, from).await?;
        let first = credits.keys().chain(runs.keys()).min().copied();
        let mut days = Vec::new();
        let mut at = first.unwrap_or_else(|| day.plus_days(1));
        // What was weighed before the first day holds until it is weighed anew.
        let mut kept = storage.range(..at).next_back().map(|(_, bytes)| *bytes);
        let mut not_weighed = 0;
        while at <= day {
            kept = storage.get(&at).copied().or(kept);
            not_weighed += usize::from(kept.is_none());
            days.push(Quantities {
                ai_credits: credits.get(&at).copied().unwrap_or_default(),
                runs: runs.get(&at).copied().unwrap_or_default(),
                storage_bytes: kept.unwrap_or_default(),
                ..Quantities::default()
            });
            at = at.plus_days(1);
        }
        Ok(Self { days, not_weighed, storage })
    }

    fn values(&self, of: impl Fn(&Quantities) -> i64) -> Vec<f64> {
        self.days.iter().map(|used| number(of(used))).collect()
    }

    /// What the days to come cost, in millionths: of what has a price. Days of which that is not known say nothing of it.
    fn cost(&self, prices: &Prices) -> Cost {
        let from = if prices.storage_gib_month.is_some() { self.not_weighed } else { 0 };
        let days = self.days.get(from..).unwrap_or_default();
        let costs: Option<Vec<f64>> =
            days.iter().map(|used| used.amounts(prices, 1).sum().map(number)).collect();
        let Some(costs) = costs else { return Cost::NotPriced };
        // All days are enough for a forecast; those with storage may not be.
        forecast::next_days(&costs, AHEAD).map_or(Cost::NotWeighed { days: days.len() }, Cost::Known)
    }
}

/// What the cost collector has weighed.
async fn storage(context: &Context, from: Date) -> Result<BTreeMap<Date, i64>, Failure> {
    let results = context.app.store.job_firings("cost_collector".to_owned(), None, RESULTS_MAX).await?;
    let weighed = |data: &str| -> Option<(Date, i64)> {
        let data: Value = serde_json::from_str(data).ok()?;
        Some((data["day"].as_str()?.parse().ok()?, data["totals"]["storage"]["bytes"].as_i64()?))
    };
    // Newest first: of a day that was weighed more than once, the last one is kept.
    let results = results.iter().rev().filter_map(|result| weighed(result.data.as_deref()?));
    Ok(results.filter(|(day, _)| *day >= from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A GiB that was weighed since the last days only: the days before are not taken to have kept nothing.
    #[test]
    fn what_was_not_weighed_is_not_nothing() {
        let price = |text: &str| Some(text.parse().unwrap());
        let prices = Prices {
            currency: Some("GBP".to_owned()),
            ai_credits_1000: price("1"),
            storage_gib_month: price("3"),
            ..Prices::default()
        };
        let history = |not_weighed: usize| {
            let day = |number: usize| Quantities {
                ai_credits: 100,
                storage_bytes: if number < not_weighed { 0 } else { 1024 * 1024 * 1024 },
                ..Quantities::default()
            };
            History { days: (0..60).map(day).collect(), not_weighed, storage: BTreeMap::new() }
        };
        // A tenth for credits and a tenth for storage, for thirty days.
        let Cost::Known(found) = history(30).cost(&prices) else { panic!("it is known") };
        assert!((found.mean - 6_000_000.0).abs() < 1.0 && found.days_used == 30, "{found:?}");
        assert_eq!(history(50).cost(&prices), Cost::NotWeighed { days: 10 });
        assert_eq!(history(60).cost(&prices), Cost::NotWeighed { days: 0 }, "nobody has weighed it");
        let Cost::Known(found) = history(60).cost(&Prices { storage_gib_month: None, ..prices }) else {
            panic!("storage has no price")
        };
        assert!((found.mean - 3_000_000.0).abs() < 1.0, "{found:?}");
        assert_eq!(history(0).cost(&Prices::default()), Cost::NotPriced);
    }
}
