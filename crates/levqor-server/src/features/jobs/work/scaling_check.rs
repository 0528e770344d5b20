//! Load against capacity, and what to do about it.

use std::time::Duration;

use serde_json::json;

use super::{
    Context, Done, Failure, number, output,
    series::{self, Span},
};
use crate::pages::count;

const HOUR: Duration = Duration::from_secs(60 * 60);
const STEP: Duration = Duration::from_secs(60);
/// More of a capacity than this is much: there is little left for a peak.
const MUCH: f64 = 0.7;
/// Less than this is little.
const LITTLE: f64 = 0.2;
/// Runs should start within a second.
const START_US_MAX: u64 = 1_000_000;

/// How much of something a node has, of those that had the most of it in the last hour.
struct Load {
    what: &'static str,
    /// None: it is not known.
    used: Option<f64>,
    capacity: f64,
    remedy: &'static str,
}

impl Load {
    fn share(&self) -> Option<f64> {
        (self.capacity > 0.0).then(|| self.used.map(|used| used / self.capacity)).flatten()
    }
}

pub(in super::super) async fn work(context: &Context) -> Done {
    let (app, now) = (&context.app, context.app.now());
    let span = Span { from: now - HOUR, to: now, step: STEP };
    let live = app.store.nodes(Some(now)).await?.len();
    let engine = app.engine.load();
    let queued = app.engine.queue_load().await.ok();
    let (depth, capacity) = app.store.queue_depth();
    // What this node has now, and the most that any node had in the hour, where it is stored.
    let most = async |name: &'static str, own: usize| -> Result<Option<f64>, Failure> {
        let own = number(i64::try_from(own).unwrap_or(i64::MAX));
        Ok(match series::read(context, name, span).await?.highest() {
            Some(stored) => Some(stored.max(own)),
            // Nothing is known of the others.
            None => (live <= 1).then_some(own),
        })
    };
    let delay = series::read(context, "run_start_delay_us", span).await?.histogram();
    let delay_p95 = delay.quantile(0.95);
    let requests = series::read(context, "http_requests", span).await?;
    let per_second = (!requests.is_empty()).then(|| requests.sum(|_| true) / HOUR.as_secs_f64());
    let of = |items: usize| number(i64::try_from(items).unwrap_or(i64::MAX));
    let loads = [
        Load {
            what: "runs in memory",
            used: most("engine_active_runs", engine.active_runs).await?,
            capacity: of(app.engine.limits().active_runs),
            remedy: "start another node, or raise limits.active_runs",
        },
        Load {
            what: "calls in flight",
            used: most("engine_effects_in_flight", engine.effects_in_flight).await?,
            capacity: of(app.engine.limits().effects),
            remedy: "start another node, or raise limits.effects",
        },
        Load {
            what: "writes that wait",
            used: most("store_queue_depth", depth).await?,
            capacity: of(capacity),
            remedy: "give the database faster disks; more nodes do not help",
        },
    ];
    let mut advice = Vec::new();
    for load in &loads {
        if let Some(share) = load.share().filter(|share| *share > MUCH) {
            advice.push(format!("{}: {:.0} % used; {}", load.what, share * 100.0, load.remedy));
        }
    }
    if delay_p95.is_some_and(|delay| delay > START_US_MAX) {
        advice.push("runs start late (p95 over a second); start another node".to_owned());
    }
    let idle = live > 1 && loads.iter().all(|load| load.share().is_some_and(|share| share < LITTLE));
    if advice.is_empty() && idle {
        advice.push(format!(
            "{live} nodes live and little is used; one could be stopped, unless it stands for another region"
        ));
    }
    let words: Vec<String> = loads
        .iter()
        .map(|load| match load.share() {
            Some(share) => format!("{} {:.0} %", load.what, share * 100.0),
            None => format!("{} unknown", load.what),
        })
        .collect();
    let advice_words = if advice.is_empty() { "Nothing to do".to_owned() } else { advice.join("; ") };
    let told: Vec<_> = loads
        .iter()
        .map(|load| json!({ "what": load.what, "used": load.used, "capacity": load.capacity, "share": load.share() }))
        .collect();
    output(
        format!(
            "{}; queued runs {}; run start p95 {}. {advice_words}.",
            words.join(", "),
            queued.as_ref().map_or_else(|| "unknown".to_owned(), |queue| count(queue.queued)),
            delay_p95.map_or_else(|| "unknown".to_owned(), |delay| format!("{} ms", delay / 1_000)),
        ),
        json!({
            "node": app.node.to_string(), "live_nodes": live, "loads": told, "advice": advice,
            "queued_runs": queued.map(|queue| queue.queued), "run_start_p95_us": delay_p95, "requests_per_second": per_second,
        }),
    )
}
