//! Series of measurements: whatever the grain, the order and the clocks, everything is counted once.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use levqor_model::{Point, SeriesKind, SeriesPoints, SeriesQuery, Timestamp, Values};
use levqor_store::{
    Error,
    metrics::{Extent, OTHER, SERIES_OF_NAME_KEPT_MAX, Series, SeriesAnswer, SeriesBatch, SeriesKept},
};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::{
    backend::Beside,
    support::{NOW, World},
};

/// The hour in which all of this begins.
const BEGIN: Timestamp = Timestamp::from_seconds(1_795_500_000);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
}

/// Seconds after the beginning, and what was counted there.
type Sum = (u64, f64);

/// A node that writes, and somebody who asks.
struct Metrics {
    world: World,
    numbers: HashMap<(String, BTreeMap<String, String>), i64>,
    batches: u64,
}

impl Metrics {
    fn new() -> Self {
        Self::over(World::new())
    }

    fn over(world: World) -> Self {
        Self { world, numbers: HashMap::new(), batches: 0 }
    }

    async fn number(&mut self, name: &str, kind: SeriesKind, pairs: &[(&str, &str)]) -> i64 {
        let series = Series { name: name.to_owned(), labels: labels(pairs), kind };
        let key = (series.name.clone(), series.labels.clone());
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let numbers = self.world.store.series_numbers(vec![series], BEGIN).await.unwrap();
        self.numbers.insert(key, numbers[0].unwrap());
        numbers[0].unwrap()
    }

    fn batch(&mut self, name: &str, at: Timestamp, points: &[(i64, Point)]) -> SeriesBatch {
        self.batches += 1;
        SeriesBatch::new(self.batches, at, points.iter().map(|(number, point)| (name, *number, point)))
    }

    /// A counter grew, as a node says it at `now`.
    async fn count_at(&mut self, now: Timestamp, at: Timestamp, by: u32) {
        let number = self.number("requests", SeriesKind::Counter, &[("region", "eu-west")]).await;
        let batch = self.batch("requests", at, &[(number, Point::of(at, f64::from(by)))]);
        self.world.store.add_series_points(batch, now).await.unwrap();
    }

    async fn count(&mut self, at: Timestamp, by: u32) {
        self.count_at(at, at, by).await;
    }

    async fn ask(&self, from: Timestamp, to: Timestamp, step: u64) -> SeriesAnswer {
        let query =
            SeriesQuery { name: "requests".to_owned(), labels: Vec::new(), from, to, step: seconds(step) };
        self.world.store.series_answer(query).await.unwrap()
    }

    /// Seconds after the beginning and sums, of the one series.
    async fn sums(&self, from: Timestamp, to: Timestamp, step: u64) -> Vec<Sum> {
        let answer = self.ask(from, to, step).await;
        let of = |series: &SeriesPoints| {
            series.points.iter().map(|point| (point.at.since(BEGIN).as_secs(), point.sum)).collect()
        };
        answer.series.first().map(of).unwrap_or_default()
    }

    async fn roll(&self, now: Timestamp) -> u64 {
        self.world.store.roll_up_series(now).await.unwrap()
    }
}

#[tokio::test]
async fn steps_are_merged_into_what_is_asked_for() {
    let mut metrics = Metrics::new();
    for (second, by) in [(0, 1), (10, 2), (50, 3), (60, 4), (3_600, 5)] {
        metrics.count(BEGIN + seconds(second), by).await;
    }
    let end = BEGIN + seconds(7_200);
    let rows: [(u64, &[Sum]); 4] = [
        (10, &[(0, 1.0), (10, 2.0), (50, 3.0), (60, 4.0), (3_600, 5.0)]),
        (30, &[(0, 3.0), (30, 3.0), (60, 4.0), (3_600, 5.0)]),
        (60, &[(0, 6.0), (60, 4.0), (3_600, 5.0)]),
        (3_600, &[(0, 10.0), (3_600, 5.0)]),
    ];
    for (step, expected) in rows {
        assert_eq!(metrics.sums(BEGIN, end, step).await, expected, "{step} s, not rolled up yet");
    }
    assert_eq!(metrics.roll(end + seconds(3_600)).await, 5 + 3);
    assert_eq!(metrics.roll(end + seconds(3_600)).await, 0);
    for (step, expected) in rows {
        assert_eq!(metrics.sums(BEGIN, end, step).await, expected, "{step} s, rolled up");
    }
    // From the step in which the question begins, up to the one before its end.
    assert_eq!(metrics.sums(BEGIN + seconds(59), BEGIN + seconds(60), 60).await, [(0, 6.0)]);
    assert_eq!(metrics.sums(BEGIN + seconds(60), BEGIN + seconds(60), 60).await, []);
}

#[tokio::test]
async fn what_comes_late_is_counted_once_in_every_grain() {
    let mut metrics = Metrics::new();
    let late = BEGIN + seconds(8_000);
    metrics.count(BEGIN, 1).await;
    metrics.roll(BEGIN + seconds(100)).await;
    // After its minute was rolled up, after its hour was, and after that again.
    for round in 2..5 {
        metrics.count_at(late, BEGIN + seconds(10), 1).await;
        for step in [10, 60, 3_600] {
            let total: f64 =
                metrics.sums(BEGIN, BEGIN + seconds(60), step).await.iter().map(|(_, sum)| sum).sum();
            assert_eq!(total, f64::from(round), "{step} s before");
        }
        metrics.roll(late).await;
        for step in [10, 60, 3_600] {
            let total: f64 =
                metrics.sums(BEGIN, BEGIN + seconds(60), step).await.iter().map(|(_, sum)| sum).sum();
            assert_eq!(total, f64::from(round), "{step} s after");
        }
    }
}

#[tokio::test]
async fn a_batch_that_is_written_again_counts_once() {
    let mut metrics = Metrics::new();
    let number = metrics.number("requests", SeriesKind::Counter, &[]).await;
    let batch = metrics.batch("requests", BEGIN, &[(number, Point::of(BEGIN, 7.0))]);
    for _ in 0..2 {
        metrics.world.store.add_series_points(batch.clone(), BEGIN).await.unwrap();
        metrics.world.store.add_series_points(batch.clone(), BEGIN).await.unwrap();
        assert_eq!(metrics.sums(BEGIN, BEGIN + seconds(60), 10).await, [(0, 7.0)]);
        // Also when what was written has moved on since.
        metrics.roll(BEGIN + seconds(7_200)).await;
    }
}

#[tokio::test]
async fn a_clock_that_jumps_puts_nothing_into_the_future() {
    let mut metrics = Metrics::new();
    // A node's clock is a year ahead of the clock that all nodes share.
    metrics.count_at(BEGIN, BEGIN + seconds(365 * 86_400), 3).await;
    // And it goes back, into steps that were written before.
    metrics.count_at(BEGIN, BEGIN - seconds(600), 4).await;
    metrics.count_at(BEGIN, BEGIN - seconds(600), 5).await;
    let day = seconds(86_400);
    let total = async |metrics: &Metrics| {
        let sums = metrics.sums(BEGIN - day, BEGIN + day, 10).await;
        sums.iter().map(|(_, sum)| sum).sum::<f64>()
    };
    assert_eq!(total(&metrics).await, 12.0);
    assert_eq!(metrics.sums(BEGIN, BEGIN + day, 10).await, [(0, 3.0)]);
    metrics.roll(BEGIN + day).await;
    assert_eq!(total(&metrics).await, 12.0);
    // What one process wrote while its own clock was wrong is rolled up as well, and waits for nobody.
    let ahead = BEGIN + day * 30;
    metrics.count_at(ahead, ahead, 6).await;
    metrics.count_at(BEGIN + day, BEGIN + day, 1).await;
    assert!(metrics.roll(BEGIN + day + seconds(7_200)).await > 0);
    assert_eq!(metrics.ask(ahead, ahead + seconds(60), 3_600).await.series[0].points[0].sum, 6.0);
    assert_eq!(metrics.roll(BEGIN + day + seconds(7_200)).await, 0);
}

#[tokio::test]
async fn nodes_and_labels() {
    let mut metrics = Metrics::new();
    let pairs = |region, status| [("region", region), ("status", status)];
    for (region, status, by) in
        [("eu-west", "2xx", 10), ("eu-west", "5xx", 1), ("us-east", "2xx", 20), ("eu-west", "2xx", 5)]
    {
        let number = metrics.number("requests", SeriesKind::Counter, &pairs(region, status)).await;
        let batch = metrics.batch("requests", BEGIN, &[(number, Point::of(BEGIN, f64::from(by)))]);
        metrics.world.store.add_series_points(batch, BEGIN).await.unwrap();
    }
    let ask = async |wanted: &[(&str, &str)]| {
        let query = SeriesQuery {
            name: "requests".to_owned(),
            labels: wanted.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect(),
            from: BEGIN,
            to: BEGIN + seconds(60),
            step: seconds(60),
        };
        let series = metrics.world.store.series(query).await.unwrap();
        series.into_iter().map(|series| (series.labels, series.points[0].sum)).collect::<Vec<_>>()
    };
    // Two nodes of a region have one series.
    let (good, bad, other) = (pairs("eu-west", "2xx"), pairs("eu-west", "5xx"), pairs("us-east", "2xx"));
    assert_eq!(ask(&[]).await, [(labels(&good), 15.0), (labels(&bad), 1.0), (labels(&other), 20.0)]);
    assert_eq!(ask(&[("region", "eu-west")]).await, [(labels(&good), 15.0), (labels(&bad), 1.0)]);
    assert_eq!(ask(&[("status", "2xx"), ("region", "us-east")]).await, [(labels(&other), 20.0)]);
    assert_eq!(ask(&[("status", "3xx")]).await, []);
    assert_eq!(ask(&[("node", "2xx")]).await, []);

    let names = metrics.world.store.series_names().await.unwrap();
    assert_eq!(names.len(), 1);
    assert_eq!(
        (names[0].name.as_str(), names[0].kind, names[0].series),
        ("requests", SeriesKind::Counter, 3)
    );
    let all = metrics.world.store.series_of_name("requests".to_owned(), 2).await.unwrap();
    assert_eq!(
        all.into_iter().map(|series| series.labels).collect::<Vec<_>>(),
        [labels(&good), labels(&bad)]
    );
    let none = metrics.world.store.series_answer(SeriesQuery {
        name: "nothing".to_owned(),
        labels: Vec::new(),
        from: BEGIN,
        to: NOW,
        step: seconds(60),
    });
    assert_eq!(none.await.unwrap().kind, None);
}

#[tokio::test]
async fn a_series_is_given_its_number_once() {
    let metrics = Metrics::new();
    let series = |value: &str| Series {
        name: "requests".to_owned(),
        labels: labels(&[("route", value)]),
        kind: SeriesKind::Counter,
    };
    let asked = vec![series("/a"), series("/b"), series("/a")];
    let first = metrics.world.store.series_numbers(asked.clone(), BEGIN).await.unwrap();
    assert_eq!(first[0], first[2]);
    assert_ne!(first[0], first[1]);
    assert_eq!(metrics.world.store.series_numbers(asked, BEGIN).await.unwrap(), first);
}

#[tokio::test]
async fn one_name_takes_no_place_from_others_and_what_is_dead_gives_its_own() {
    let store = Metrics::new().world.store;
    let series = |name: &str, node: &str| Series {
        name: name.to_owned(),
        labels: labels(&[("node", node), ("region", "eu-west")]),
        kind: SeriesKind::Gauge,
    };
    let places = usize::try_from(SERIES_OF_NAME_KEPT_MAX).unwrap();
    let all = (0..places + 3).map(|node| series("uptime", &format!("node-{node:05}"))).collect();
    let numbers = store.series_numbers(all, BEGIN).await.unwrap();
    assert!(numbers[..places].iter().all(Option::is_some));
    assert_eq!(numbers[places..], [None, None, None]);
    // Others have theirs, and so has what stands for those that have none.
    let asked = vec![series("depth", "node-1"), series("uptime", OTHER), series("uptime", "node-99999")];
    let found = store.series_numbers(asked, BEGIN).await.unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
    // Days later nobody has written to them. Who comes back first asks for the oldest, which are not dead then.
    let later = BEGIN + seconds(3 * 86_400);
    let own = vec![series("uptime", "node-00000"), series("uptime", "node-00001")];
    assert_eq!(store.series_numbers(own.clone(), later).await.unwrap(), numbers[..2]);
    let found = store.series_numbers(vec![series("uptime", "node-99999")], later).await.unwrap();
    assert!(found[0].is_some());
    assert_eq!(
        store.series_numbers(own, later).await.unwrap(),
        numbers[..2],
        "points are written with these"
    );
    let names = store.series_names().await.unwrap();
    let uptime = names.iter().find(|name| name.name == "uptime").unwrap();
    assert_eq!(uptime.series, SERIES_OF_NAME_KEPT_MAX + 1 - 1_000 + 1);
}

#[tokio::test]
async fn what_is_old_goes_and_coarser_points_stay() {
    let mut metrics = Metrics::new();
    let kept = SeriesKept { fine: seconds(7_200), minute: seconds(86_400), hour: seconds(10 * 86_400) };
    metrics.count(BEGIN, 1).await;
    metrics.count(BEGIN + seconds(6_000), 2).await;
    // Not rolled up yet, so nothing of it goes.
    let store = metrics.world.store.clone();
    store.prune_series(kept, BEGIN + seconds(86_400)).await.unwrap();
    metrics.roll(BEGIN + seconds(12_000)).await;
    // After, step asked for, step given, what is found.
    let rows: [(u64, u64, u64, &[Sum]); 4] = [
        (8_000, 10, 60, &[(0, 1.0), (6_000, 2.0)]),
        (86_400, 10, 60, &[(0, 1.0), (6_000, 2.0)]),
        (86_400 + 1_000, 10, 3_600, &[(0, 1.0), (3_600, 2.0)]),
        (11 * 86_400, 10, 10, &[]),
    ];
    for (after, asked, given, expected) in rows {
        store.prune_series(kept, BEGIN + seconds(after)).await.unwrap();
        let answer = metrics.ask(BEGIN, BEGIN + seconds(12_000), asked).await;
        assert_eq!(answer.step, seconds(given), "after {after} s");
        assert_eq!(metrics.sums(BEGIN, BEGIN + seconds(12_000), asked).await, expected, "after {after} s");
    }
    // The series itself goes with its last point.
    assert_eq!(store.series_names().await.unwrap(), []);
}

#[tokio::test]
async fn a_long_time_is_answered_by_coarser_points() {
    let mut metrics = Metrics::new();
    metrics.count(BEGIN, 1).await;
    let rows =
        [(20_000 * 10, 10, 10), (20_001 * 10, 10, 60), (20_001 * 60, 60, 3_600), (20_001 * 60, 7_200, 7_200)];
    for (span, asked, given) in rows {
        let answer = metrics.ask(BEGIN, BEGIN + seconds(span), asked).await;
        assert_eq!(answer.step, seconds(given), "{span} s by {asked} s");
        assert_eq!(answer.series[0].points[0].sum, 1.0);
    }
    // A step that is no whole number of fine ones becomes one.
    assert_eq!(metrics.ask(BEGIN, BEGIN + seconds(60), 7).await.step, seconds(10));
    assert_eq!(metrics.ask(BEGIN, BEGIN + seconds(60), 25).await.step, seconds(30));
}

#[tokio::test]
async fn bytes_that_are_no_points_are_told_and_keep_nobody_waiting() {
    let (options, beside) = Beside::new();
    let mut metrics = Metrics::over(World::over(options));
    metrics.count(BEGIN, 1).await;
    metrics.count(BEGIN + seconds(10), 2).await;
    // Its first byte alone.
    let at = (BEGIN + seconds(10)).as_micros();
    let sql = format!("UPDATE metric_points SET data = substr(data, 1, 1) WHERE name = $1 AND at = {at}");
    beside.change(&sql, "requests");
    let query = SeriesQuery {
        name: "requests".to_owned(),
        labels: Vec::new(),
        from: BEGIN,
        to: BEGIN + seconds(60),
        step: seconds(10),
    };
    let refused = metrics.world.store.series(query).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Decode(reason) if reason.contains("series requests at 2026-")),
        "{refused}"
    );
    metrics.roll(BEGIN + seconds(7_200)).await;
    assert_eq!(metrics.sums(BEGIN, BEGIN + seconds(60), 60).await, [(0, 1.0)]);
    assert_eq!(metrics.roll(BEGIN + seconds(7_200)).await, 0);
}

#[tokio::test]
async fn an_answer_has_a_bound_and_says_so() {
    let mut metrics = Metrics::new();
    let series = |number: u32| Series {
        name: "requests".to_owned(),
        labels: labels(&[("route", number.to_string().as_str())]),
        kind: SeriesKind::Counter,
    };
    let numbers = metrics.world.store.series_numbers((0..1_100).map(series).collect(), BEGIN).await.unwrap();
    let points: Vec<_> = numbers.into_iter().map(|number| (number.unwrap(), Point::of(BEGIN, 1.0))).collect();
    for step in 0..200 {
        let at = BEGIN + seconds(step * 10);
        let batch = metrics.batch("requests", at, &points);
        metrics.world.store.add_series_points(batch, at).await.unwrap();
    }
    let end = BEGIN + seconds(10_000);
    let answer = metrics.ask(BEGIN, end, 10).await;
    assert_eq!(answer.extent, Extent::TooManyPoints);
    let query = SeriesQuery {
        name: "requests".to_owned(),
        labels: Vec::new(),
        from: BEGIN,
        to: end,
        step: seconds(10),
    };
    let refused = metrics.world.store.series(query).await.unwrap_err();
    assert!(refused.to_string().contains("ask with more labels or a longer step"), "{refused}");
    assert_eq!(metrics.ask(BEGIN, end, 60).await.extent, Extent::Whole);
}

/// What happens, in the order in which it does.
#[derive(Debug, Clone)]
enum Act {
    /// Values of a histogram and looks at a gauge, so many seconds after the beginning.
    Seen { after: u64, values: Vec<u32> },
    /// So many seconds pass, and what is complete is rolled up.
    Roll { seconds: u64 },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (0_u64..7_200, prop::collection::vec(any::<u32>(), 1..5)).prop_map(|(after, values)| Act::Seen { after, values }),
        1 => (0_u64..4_000).prop_map(|seconds| Act::Roll { seconds }),
    ];
    prop::collection::vec(act, 1..40)
}

/// Whatever was rolled up when, every grain says the same as all values together.
#[test]
fn rolled_up_is_what_was_seen() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cases = if crate::backend::IS_HERE { 48 } else { 8 };
    let mut runner =
        TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) });
    runner.run(&acts(), |acts| runtime.block_on(replay(acts))).unwrap();
}

async fn replay(acts: Vec<Act>) -> Result<(), TestCaseError> {
    let mut metrics = Metrics::new();
    let mut now = BEGIN + seconds(7_200);
    let mut all = Values::default();
    let number = metrics.number("requests", SeriesKind::Histogram, &[]).await;
    for act in acts {
        match act {
            Act::Seen { after, values } => {
                let mut seen = Values::default();
                for value in &values {
                    seen.add(u64::from(*value));
                }
                all.merge(&seen);
                let at = BEGIN + seconds(after);
                let batch = metrics.batch("requests", at, &[(number, seen.into_point(at).unwrap())]);
                metrics.world.store.add_series_points(batch, now).await.unwrap();
            }
            Act::Roll { seconds: passed } => {
                now = now + seconds(passed);
                metrics.roll(now).await;
            }
        }
    }
    let Some(expected) = all.into_point(BEGIN) else { return Ok(()) };
    for step in [10, 60, 600, 3_600, 7_200] {
        let answer = metrics.ask(BEGIN, BEGIN + seconds(7_200), step).await;
        let mut points = answer.series[0].points.iter();
        let mut found = points.next().unwrap().clone();
        points.for_each(|point| found.merge(point));
        prop_assert_eq!(found.count, expected.count, "{} s", step);
        // Whole numbers below 2^53, so that sums are exact.
        prop_assert_eq!(found.sum, expected.sum, "{} s", step);
        prop_assert_eq!((found.min, found.max), (expected.min, expected.max), "{} s", step);
        prop_assert_eq!(&found.histogram, &expected.histogram, "{} s", step);
    }
    Ok(())
}
