//! What an objective is measured by, read into its ledger: all of it once, then what is new.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{Date, Point, SeriesQuery, Timestamp};
use levqor_slo::{Count, GRAINS, Grain, Indicator, Ledger, Objective, Part, Source, Threshold};
use levqor_store::{Error, Store};

/// What is read each time.
const TAIL: Duration = Duration::from_secs(90);
/// How often steps that are over are read again, for what came late.
const AGAIN_AFTER: Duration = Duration::from_secs(600);
/// Steps of one question: an answer is bounded, and a series may have hundreds of combinations of labels.
const STEPS_AT_ONCE: u32 = 120;
/// Steps of evidence in one answer.
const EVIDENCE_STEPS_MAX: usize = 10_000;
/// Single samples are kept for seven days; before, there are days.
const SAMPLES_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An objective's ledger, and how far it was read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) ledger: Ledger,
    /// When all of it, or all that may have changed, was read.
    whole_at: Option<Timestamp>,
    tail_at: Option<Timestamp>,
}

impl Reading {
    /// Brings the ledger up to date.
    ///
    /// # Errors
    /// When the store cannot be asked. What was read before stays.
    pub(super) async fn refresh(
        &mut self,
        store: &Store,
        objective: &Objective,
        now: Timestamp,
    ) -> Result<(), Error> {
        let since = |at: Option<Timestamp>| at.map(|at| (now.since(at), at.since(now)));
        match since(self.whole_at) {
            None => {
                for grain in GRAINS {
                    self.read(store, objective, grain, grain.span(), now).await?;
                }
                self.whole_at = Some(now);
            }
            Some((past, future)) if past >= AGAIN_AFTER || future >= AGAIN_AFTER => {
                for grain in GRAINS {
                    let span = (grain.step() * 2).max(AGAIN_AFTER * 2).max(past * 2).min(grain.span());
                    self.read(store, objective, grain, span, now).await?;
                }
                self.whole_at = Some(now);
            }
            Some(_) => {
                // Whoever was away for a while reads what it has missed.
                let missed = since(self.tail_at).map_or(TAIL, |(past, _)| past);
                self.read(store, objective, Grain::TenSeconds, TAIL.max(missed * 2), now).await?;
            }
        }
        self.tail_at = Some(now);
        Ok(())
    }

    async fn read(
        &mut self,
        store: &Store,
        objective: &Objective,
        grain: Grain,
        span: Duration,
        now: Timestamp,
    ) -> Result<(), Error> {
        let from = levqor_model::step_start(now - span, grain.step());
        let steps = match &objective.indicator {
            Indicator::Threshold { source, threshold } => {
                let counted = counts(store, source, Some(*threshold), grain, from, now).await?;
                counted.into_iter().collect()
            }
            Indicator::Ratio { part, counted, total } => {
                let all = counts(store, total, None, grain, from, now).await?;
                let some = counts(store, counted, None, grain, from, now).await?;
                ratio(*part, &some, &all)
            }
        };
        self.ledger.put(grain, from, now, &steps);
        Ok(())
    }
}

/// Good ones of all, by step.
fn ratio(
    part: Part,
    some: &BTreeMap<Timestamp, Count>,
    all: &BTreeMap<Timestamp, Count>,
) -> Vec<(Timestamp, Count)> {
    all.iter()
        .map(|(at, all)| {
            let some = some.get(at).map_or(0, |count| count.total).min(all.total);
            let good = match part {
                Part::Good => some,
                Part::Bad => all.total - some,
            };
            (*at, Count { good, total: all.total })
        })
        .collect()
}

/// Events of a source by step; without a threshold all of them are good.
async fn counts(
    store: &Store,
    source: &Source,
    threshold: Option<Threshold>,
    grain: Grain,
    from: Timestamp,
    now: Timestamp,
) -> Result<BTreeMap<Timestamp, Count>, Error> {
    match source {
        Source::Series { name, labels } => {
            let mut found: BTreeMap<Timestamp, Count> = BTreeMap::new();
            let stride = grain.step() * STEPS_AT_ONCE;
            let mut begin = from;
            while begin <= now {
                // The moment before the next one: the step in which it is belongs to this question.
                let end = (begin + stride - grain.step()).min(now);
                let query = SeriesQuery {
                    name: name.clone(),
                    labels: labels.clone(),
                    from: begin,
                    to: end,
                    step: grain.step(),
                };
                for series in store.series(query).await? {
                    for point in &series.points {
                        let at = levqor_model::step_start(point.at, grain.step());
                        let entry = found.entry(at).or_default();
                        *entry = entry.plus(events(point, threshold));
                    }
                }
                begin = begin + stride;
            }
            Ok(found)
        }
        Source::Evidence { component, region, good } => {
            evidence(store, (component, region.as_deref(), *good), grain, from, now).await
        }
    }
}

async fn evidence(
    store: &Store,
    (component, region, only): (&str, Option<&str>, Option<bool>),
    grain: Grain,
    from: Timestamp,
    now: Timestamp,
) -> Result<BTreeMap<Timestamp, Count>, Error> {
    let count = |good: u64, total: u64| {
        let total = match only {
            None => total,
            Some(true) => good,
            Some(false) => total.saturating_sub(good),
        };
        Count { good: total, total }
    };
    let mut found: BTreeMap<Timestamp, Count> = BTreeMap::new();
    let region_text = region.map(str::to_owned);
    let span = (from, now + Duration::from_micros(1));
    let steps = store
        .evidence_steps(component.to_owned(), region_text, span, grain.step(), EVIDENCE_STEPS_MAX)
        .await?;
    for step in steps {
        found.insert(step.at, count(step.good, step.total));
    }
    if grain == Grain::Hour && now.since(from) > SAMPLES_KEPT {
        let kept_from: Date = (now - SAMPLES_KEPT).date().plus_days(1);
        let mut days: BTreeMap<Date, Count> = BTreeMap::new();
        for day in store.sample_days(from.date()).await? {
            let fits = day.component == component && region.is_none_or(|region| day.region == region);
            if fits && day.day < kept_from {
                let whole = |number: i64| u64::try_from(number).unwrap_or_default();
                let entry = days.entry(day.day).or_default();
                *entry = entry.plus(Count { good: whole(day.good), total: whole(day.total) });
            }
        }
        for (day, seen) in days {
            // As a whole, at its beginning; nothing finer of it is kept.
            found.retain(|at, _| at.date() != day);
            found.insert(day.start(), count(seen.good, seen.total));
        }
    }
    Ok(found)
}

/// What a point has seen.
fn events(point: &Point, threshold: Option<Threshold>) -> Count {
    match (&point.histogram, threshold) {
        (Some(histogram), None) => Count { good: histogram.count(), total: histogram.count() },
        (Some(histogram), Some(Threshold { at_most, value })) => {
            let total = histogram.count();
            let within = histogram.count_at_most(whole(value));
            Count { good: if at_most { within } else { total - within.min(total) }, total }
        }
        // A counter's increments.
        (None, None) => {
            let events = whole(point.sum.round());
            Count { good: events, total: events }
        }
        // A look at a gauge is an event.
        (None, Some(Threshold { at_most, value })) => {
            let good = if at_most { point.last <= value } else { point.last >= value };
            Count { good: u64::from(good), total: 1 }
        }
    }
}

/// A number of events; what is none is nought.
fn whole(value: f64) -> u64 {
    // Saturates: neither end is reached by counting.
    if value.is_finite() { value.max(0.0) as u64 } else { 0 }
}

#[cfg(test)]
mod tests {
    use levqor_model::Values;

    use super::*;

    #[test]
    fn a_histogram_is_split_at_the_threshold() {
        let mut values = Values::default();
        for value in [1_000, 1_000_000, 1_900_000, 3_000_000, 9_000_000] {
            values.add(value);
        }
        let at = Timestamp::from_seconds(0);
        let point = values.into_point(at).unwrap();
        let seconds = |value: f64, at_most| Some(Threshold { at_most, value: value * 1e6 });
        assert_eq!(events(&point, seconds(2.0, true)), Count { good: 3, total: 5 });
        assert_eq!(events(&point, seconds(2.0, false)), Count { good: 2, total: 5 });
        assert_eq!(events(&point, None), Count { good: 5, total: 5 });
        let counter = Point { sum: 7.0, ..Point::of(at, 7.0) };
        assert_eq!(events(&counter, None), Count { good: 7, total: 7 });
        assert_eq!(events(&Point::of(at, f64::NAN), None), Count::default());
        assert_eq!(events(&Point::of(at, 3.0), seconds(1.0, true)), Count { good: 1, total: 1 });
    }

    #[test]
    fn a_part_never_exceeds_the_whole() {
        let at = Timestamp::from_seconds(0);
        let of = |total| BTreeMap::from([(at, Count { good: total, total })]);
        assert_eq!(ratio(Part::Bad, &of(3), &of(10)), [(at, Count { good: 7, total: 10 })]);
        assert_eq!(ratio(Part::Good, &of(3), &of(10)), [(at, Count { good: 3, total: 10 })]);
        assert_eq!(ratio(Part::Bad, &of(30), &of(10)), [(at, Count { good: 0, total: 10 })]);
        assert_eq!(ratio(Part::Bad, &BTreeMap::new(), &of(10)), [(at, Count { good: 10, total: 10 })]);
    }
}
