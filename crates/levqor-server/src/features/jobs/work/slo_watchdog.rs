//! The shipped objectives, reckoned from the stored series by another way than the evaluator's, and whether that one lives.
//!
//! The evaluator looks every few seconds and is what alerts come from. This is the second pair of eyes: it shares no code with it but the
//! series.

use std::time::Duration;

use levqor_model::Timestamp;
use serde_json::{Value, json};

use super::{
    Context, Done, Failure, output, parts,
    series::{self, Found, Span, is_error},
};

/// An evaluator that was silent for longer is not taken to live.
const SILENT: Duration = Duration::from_secs(5 * 60);
/// Windows that burn rates are reckoned over: a fast and a slow one.
const WINDOWS: [(&str, Duration); 2] =
    [("1h", Duration::from_secs(60 * 60)), ("6h", Duration::from_secs(6 * 60 * 60))];
const STEP: Duration = Duration::from_secs(60);
/// Burning faster than this over both windows, a budget of 30 days is spent in five days.
const FAST: f64 = 6.0;
/// Fewer events say nothing.
const EVENTS_MIN: f64 = 20.0;

/// What is promised.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Objective {
    name: &'static str,
    series: &'static str,
    /// The share that must be good.
    share: f64,
    good: Good,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Good {
    /// Answers that are not the server's fault.
    NoError,
    /// Values up to this one.
    AtMost(u64),
}

/// Good events and all of them.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Events {
    good: f64,
    all: f64,
}

impl Objective {
    fn events(&self, found: &Found) -> Events {
        match self.good {
            Good::NoError => {
                let all = found.sum(|_| true);
                Events { good: all - found.sum(is_error), all }
            }
            Good::AtMost(limit) => {
                let all = found.histogram();
                Events { good: whole(all.count_at_most(limit)), all: whole(all.count()) }
            }
        }
    }

    /// How fast the budget is spent, in what the objective allows; None: too few events.
    fn burn(&self, events: Events) -> Option<f64> {
        (events.all >= EVENTS_MIN).then(|| (1.0 - events.good / events.all) / (1.0 - self.share))
    }
}

/// Counts are far below 2⁵³.
fn whole(count: u64) -> f64 {
    count as f64
}

pub(in super::super) async fn work(context: &Context) -> Done {
    let promise = f64::from(context.app.blueprint.uptime.promise_ppm) / 1_000_000.0;
    let objectives = [
        Objective { name: "availability", series: "http_requests", share: promise, good: Good::NoError },
        Objective { name: "error rate", series: "http_requests", share: 0.95, good: Good::NoError },
        Objective { name: "latency", series: "http_duration_us", share: 0.95, good: Good::AtMost(2_000_000) },
        Objective {
            name: "run start",
            series: "run_start_delay_us",
            share: 0.95,
            good: Good::AtMost(1_000_000),
        },
    ];
    let now = context.app.now();
    let (mut words, mut told) = (Vec::new(), Vec::new());
    for objective in objectives {
        let mut burns = Vec::new();
        let mut windows = serde_json::Map::new();
        for (name, window) in WINDOWS {
            let found =
                series::read(context, objective.series, Span { from: now - window, to: now, step: STEP })
                    .await?;
            let events = objective.events(&found);
            let burn = objective.burn(events);
            windows
                .insert(name.to_owned(), json!({ "good": events.good, "events": events.all, "burn": burn }));
            burns.push(burn);
        }
        let verdict = verdict(&burns);
        if verdict != "holds" {
            words.push(format!("{}: {verdict}", objective.name));
        }
        told.push(json!({ "objective": objective.name, "share": objective.share, "verdict": verdict, "windows": windows }));
    }
    let (evaluator, evaluated) = evaluator(context, now).await?;
    let budgets = parts::budgets(context).await?;
    let spent: Vec<&str> = budgets
        .iter()
        .filter(|one| one.left_ppm.is_some_and(|left| left <= 0))
        .map(|one| one.objective.as_str())
        .collect();
    let mut summary = match words.is_empty() {
        true => "All objectives hold in the last 1 and 6 hours".to_owned(),
        false if words.len() == objectives.len() => words.join(", "),
        false => format!("{}; the others hold", words.join(", ")),
    };
    if !spent.is_empty() {
        summary.push_str(&format!("; no budget is left of {}", spent.join(", ")));
    }
    summary.push_str(&format!(". The evaluator {evaluator}."));
    let left: Vec<Value> = budgets
        .iter()
        .map(|one| json!({ "objective": one.objective, "left_ppm": one.left_ppm, "burn_milli": one.burn_milli, "at": one.at }))
        .collect();
    if evaluator.starts_with("is silent") {
        // A failure, so that it is told also when the alerts themselves do not come.
        return Err(Failure::Other(format!("the evaluator of objectives {evaluator}")));
    }
    output(
        summary,
        json!({ "objectives": told, "budgets": left, "evaluator": evaluator, "evaluated": evaluated }),
    )
}

fn verdict(burns: &[Option<f64>]) -> &'static str {
    if burns.iter().any(Option::is_none) {
        "unknown, too few events"
    } else if burns.iter().flatten().all(|burn| *burn > FAST) {
        "burns its budget"
    } else {
        "holds"
    }
}

/// Whether somebody evaluates objectives, and when each was evaluated last.
async fn evaluator(context: &Context, now: Timestamp) -> Result<(String, Value), Failure> {
    let evaluated = context.app.store.objectives_evaluated().await?;
    let told: Vec<Value> =
        evaluated.iter().map(|(objective, at)| json!({ "objective": objective, "at": at })).collect();
    let app = &context.app;
    let words = match evaluated.iter().map(|(_, at)| *at).max() {
        None if app.settings.slos.objectives.is_empty() => "has no objectives".to_owned(),
        // One that never says anything is not waited for for ever.
        None if now.since(app.started_at) > SILENT => {
            format!("is silent: nothing was evaluated since this node began at {}", app.started_at)
        }
        None => "has not begun".to_owned(),
        Some(at) if now.since(at) > SILENT => format!("is silent since {at}"),
        Some(_) => "lives".to_owned(),
    };
    Ok((words, json!(told)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_burns_when_both_windows_say_so() {
        let objective = Objective { name: "a", series: "s", share: 0.999, good: Good::NoError };
        let burn = |good, all| objective.burn(Events { good, all });
        assert!((burn(99.0, 100.0).unwrap() - 10.0).abs() < 1e-6);
        assert_eq!(burn(0.0, 19.0), None);
        assert_eq!(verdict(&[Some(10.0), Some(7.0)]), "burns its budget");
        assert_eq!(verdict(&[Some(10.0), Some(1.0)]), "holds");
        assert_eq!(verdict(&[Some(10.0), None]), "unknown, too few events");
    }
}
