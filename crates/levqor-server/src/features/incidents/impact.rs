//! What a disturbance did, as far as it was measured: observations of the parts, and requests and runs as they are counted. Nothing here is
//! estimated: what nobody measured is not there.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{Histogram, SeriesQuery, Timestamp};
use levqor_store::{Error, incidents::SampleSum};

use crate::App;

/// Points of a series in that time, at most: a step is at least a minute.
const POINTS_MAX: u64 = 1_000;

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Impact {
    pub from: Timestamp,
    pub until: Timestamp,
    pub samples: Vec<SampleSum>,
    /// Single observations from before are not kept any more; None: there are none at all.
    pub oldest_sample: Option<Timestamp>,
    /// By region; empty: no request was counted.
    pub http: BTreeMap<String, Requests>,
    /// Runs that ended, by how they did.
    pub runs: BTreeMap<String, f64>,
}

/// Requests to one region.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Requests {
    pub total: f64,
    /// Answered with a status from 500 on.
    pub failed: f64,
    pub p95_us: Option<u64>,
}

/// Measures it anew from what is stored.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn measure(app: &App, from: Timestamp, until: Timestamp) -> Result<Impact, Error> {
    let store = &app.store;
    let step = Duration::from_secs((until.since(from).as_secs() / POINTS_MAX).max(60));
    let series =
        |name: &str| SeriesQuery { name: name.to_owned(), labels: Vec::new(), from, to: until, step };
    let mut http: BTreeMap<String, Requests> = BTreeMap::new();
    for counted in store.series(series("http_requests")).await? {
        let sum: f64 = counted.points.iter().map(|point| point.sum).sum();
        let requests = http.entry(label(&counted.labels, "region")).or_default();
        requests.total += sum;
        if label(&counted.labels, "status").starts_with('5') {
            requests.failed += sum;
        }
    }
    let mut times: BTreeMap<String, Histogram> = BTreeMap::new();
    for measured in store.series(series("http_duration_us")).await? {
        let all = times.entry(label(&measured.labels, "region")).or_default();
        measured.points.iter().filter_map(|point| point.histogram.as_ref()).for_each(|one| all.merge(one));
    }
    for (region, histogram) in times {
        http.entry(region).or_default().p95_us = histogram.quantile(0.95);
    }
    let mut runs: BTreeMap<String, f64> = BTreeMap::new();
    for counted in store.series(series("runs_ended")).await? {
        let sum: f64 = counted.points.iter().map(|point| point.sum).sum();
        *runs.entry(label(&counted.labels, "status")).or_default() += sum;
    }
    Ok(Impact {
        from,
        until,
        samples: store.sample_sums(from, until).await?,
        oldest_sample: store.oldest_sample_at().await?,
        http,
        runs,
    })
}

fn label(labels: &BTreeMap<String, String>, name: &str) -> String {
    labels.get(name).cloned().unwrap_or_else(|| "unknown".to_owned())
}
