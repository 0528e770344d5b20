//! Stored series, put together as jobs need them.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{Histogram, Point, SeriesPoints, SeriesQuery, Timestamp};

use super::{Context, Failure};

/// A span of time that is cut into steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) step: Duration,
}

/// What was asked for, of all nodes and labels.
#[derive(Debug, Default)]
pub(super) struct Found(Vec<SeriesPoints>);

/// Reads a series by its name.
pub(super) async fn read(context: &Context, name: &str, span: Span) -> Result<Found, Failure> {
    let Span { from, to, step } = span;
    let query = SeriesQuery { name: name.to_owned(), labels: Vec::new(), from, to, step };
    Ok(Found(context.store().series(query).await?))
}

impl Found {
    /// Nobody has measured anything.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|series| series.points.is_empty())
    }

    fn points(&self, which: impl Fn(&BTreeMap<String, String>) -> bool) -> impl Iterator<Item = &Point> {
        self.0.iter().filter(move |series| which(&series.labels)).flat_map(|series| &series.points)
    }

    /// Of counters: how much all of them grew.
    pub(super) fn sum(&self, which: impl Fn(&BTreeMap<String, String>) -> bool) -> f64 {
        self.points(which).map(|point| point.sum).sum()
    }

    /// Of counters: how much they grew in each step in which they did.
    pub(super) fn sums(&self, which: impl Fn(&BTreeMap<String, String>) -> bool) -> BTreeMap<Timestamp, f64> {
        let mut sums = BTreeMap::new();
        for point in self.points(which) {
            *sums.entry(point.at).or_insert(0.0) += point.sum;
        }
        sums
    }

    /// Of gauges: the highest that anybody saw. None: nobody looked.
    pub(super) fn highest(&self) -> Option<f64> {
        self.points(|_| true).map(|point| point.max).reduce(f64::max)
    }

    /// Of histograms: all values together.
    pub(super) fn histogram(&self) -> Histogram {
        let mut all = Histogram::default();
        for histogram in self.points(|_| true).filter_map(|point| point.histogram.as_ref()) {
            all.merge(histogram);
        }
        all
    }

    /// Of histograms: all values of each step.
    pub(super) fn histograms(&self) -> BTreeMap<Timestamp, Histogram> {
        let mut all: BTreeMap<Timestamp, Histogram> = BTreeMap::new();
        for point in self.points(|_| true) {
            if let Some(histogram) = &point.histogram {
                all.entry(point.at).or_default().merge(histogram);
            }
        }
        all
    }
}

/// Answers that were the server's fault.
pub(super) fn is_error(labels: &BTreeMap<String, String>) -> bool {
    labels.get("status").is_some_and(|status| status == "5xx")
}

/// A count that was kept as a fraction.
pub(super) fn whole(sum: f64) -> i64 {
    format!("{sum:.0}").parse().unwrap_or(i64::MAX)
}
