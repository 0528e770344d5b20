//! Whole journeys of customers, as each region has gone through them.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{Context, Done, output};
use crate::{features::probes, pages::plural};

/// What a region has not gone through for longer is not known.
const FRESH: Duration = Duration::from_secs(30 * 60);
/// Results that are looked at of each probe.
const RESULTS_MAX: usize = 500;

/// The last time that a region went through something.
#[derive(Debug, Clone)]
struct Last {
    good: bool,
    latency_us: Option<i64>,
    reason: Option<String>,
}

pub(in super::super) async fn work(context: &Context) -> Done {
    let gone = probes::synthetic(&context.app).await?;
    let journeys: Vec<Value> = gone
        .iter()
        .map(|journey| {
            json!({
                "probe": journey.probe, "region": journey.region, "fault": journey.fault,
                "latency_us": journey.latency_us,
                "steps": journey.steps.iter().map(|(name, status, micros)| json!({
                    "name": name, "status": status, "latency_us": micros,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    let failed: Vec<String> = gone
        .iter()
        .filter_map(|journey| {
            Some(format!("{} of {} ended early: {}", journey.probe, journey.region, journey.fault.as_ref()?))
        })
        .collect();
    let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let walked = match (gone.len(), failed.len()) {
        (0, _) => "No journey was gone: no region has said where it is reached. ".to_owned(),
        (all, 0) => format!("{} came to the end. ", plural(whole(all), "journey", "journeys")),
        (all, bad) => format!(
            "{bad} of {} did not come to the end: {}. ",
            plural(whole(all), "journey", "journeys"),
            failed.join("; ")
        ),
    };
    let (store, now) = (&context.app.store, context.app.now());
    let verdicts = store.probe_verdicts().await?;
    if verdicts.is_empty() {
        return output(
            format!("{walked}Nothing is probed yet, so nothing is known to work."),
            json!({ "journeys": journeys, "probes": [], "known": false }),
        );
    }
    let (mut good, mut bad, mut told) = (0, Vec::new(), Vec::new());
    for verdict in &verdicts {
        let mut regions: BTreeMap<String, Last> = BTreeMap::new();
        let filter = levqor_store::probes::ProbeFilter {
            probe: verdict.probe.clone(),
            target: Some(verdict.target.clone()),
            region: None,
        };
        for result in store.probe_results(filter, None, RESULTS_MAX).await? {
            if now.since(result.at) > FRESH {
                break;
            }
            // Newest first.
            regions.entry(result.region.to_string()).or_insert(Last {
                good: result.good,
                latency_us: result.latency_us,
                reason: result.reason,
            });
        }
        let failing: Vec<&String> =
            regions.iter().filter(|(_, last)| !last.good).map(|(region, _)| region).collect();
        if regions.is_empty() {
            bad.push(format!("{} of {} is not known", verdict.probe, verdict.target));
        } else if failing.is_empty() {
            good += 1;
        } else {
            let from: Vec<&str> = failing.iter().map(|region| region.as_str()).collect();
            bad.push(format!("{} of {} fails from {}", verdict.probe, verdict.target, from.join(", ")));
        }
        let seen: Vec<Value> = regions
            .iter()
            .map(|(region, last)| {
                json!({ "region": region, "good": last.good, "latency_us": last.latency_us, "reason": last.reason })
            })
            .collect();
        told.push(json!({
            "probe": verdict.probe, "target": verdict.target, "state": verdict.state, "since": verdict.since,
            "reason": verdict.reason, "regions": seen,
        }));
    }
    let mut summary = format!("{walked}{good} of {} work from every region that looked", verdicts.len());
    if !bad.is_empty() {
        summary.push_str(&format!("; {}", bad.iter().take(5).cloned().collect::<Vec<_>>().join("; ")));
    }
    summary.push('.');
    output(summary, json!({ "journeys": journeys, "probes": told, "good": good, "known": true }))
}
