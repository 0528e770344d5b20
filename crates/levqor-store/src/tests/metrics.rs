//! What touches the series of measurements.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{Point, SeriesKind, SeriesQuery};

use super::NOW;
use crate::{
    Store,
    metrics::{Series, SeriesBatch, SeriesKept},
};

pub(super) async fn touch_metrics(store: &Store) {
    let name = || "requests".to_owned();
    let series = Series { name: name(), labels: BTreeMap::new(), kind: SeriesKind::Counter };
    for _ in 0..2 {
        let numbers = store.series_numbers(vec![series.clone()], NOW).await.unwrap();
        let number = numbers[0].unwrap();
        let now = NOW + Duration::from_secs(7_200);
        // The second round finds the rows of the first one.
        for batch in 1..=2 {
            let point = Point::of(NOW, 1.0);
            let batch = SeriesBatch::new(batch, NOW, [("requests", number, &point)]);
            store.add_series_points(batch, now).await.unwrap();
            store.roll_up_series(now).await.unwrap();
        }
    }
    let query = SeriesQuery {
        name: name(),
        labels: Vec::new(),
        from: NOW - Duration::from_secs(60),
        to: NOW + Duration::from_secs(60),
        step: Duration::from_secs(60),
    };
    store.series(query).await.unwrap();
    store.series_names().await.unwrap();
    store.series_of_name(name(), 10).await.unwrap();
    store.prune_series(SeriesKept::DEFAULT, NOW).await.unwrap();
}
