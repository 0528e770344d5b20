//! The stored series: what was counted goes to the database step by step, is merged into coarser ones, and is forgotten in the end.

use levqor_model::{Point, RunStatus, SeriesKind, Timestamp, step_start};
use levqor_store::metrics::Grain;
use tracing::debug;

use super::{
    Counter,
    key::Key,
    level::{self, Look, Shape, Whose},
    steps::Steps,
};
use crate::App;

/// Looks at everything once in a step, and writes what was counted.
///
/// Cancel safe: what was not written stays, and is written once, whenever that is.
///
/// # Errors
/// When the store cannot be reached; nothing is lost then.
pub(crate) async fn record(app: &App) -> Result<(), levqor_store::Error> {
    let _one_at_a_time = app.metrics.recording.lock().await;
    absorb(app);
    look_around(app).await;
    let region = app.region.code.as_str();
    let mut told = Vec::new();
    app.metrics.kept().steps.close(|key, point| {
        if app.settings.telemetry.is_some() {
            told.push((key.series(region), point.clone()));
        }
    });
    if let Some(telemetry) = &app.settings.telemetry {
        telemetry.tell_points(app.now(), told);
    }
    loop {
        let unknown = app.metrics.kept().steps.unknown(region);
        if !unknown.is_empty() {
            let (keys, series): (Vec<_>, Vec<_>) = unknown.into_iter().unzip();
            let numbers = app.store.series_numbers(series, app.now()).await?;
            app.metrics.kept().steps.learn(app.now(), keys.into_iter().zip(numbers));
            // What stands for those that have no place may be new itself.
            continue;
        }
        let Some(batch) = app.metrics.kept().steps.batch(|| app.random.u64()) else { return Ok(()) };
        app.store.add_series_points(batch, app.now()).await?;
        app.metrics.kept().steps.written();
    }
}

async fn look_around(app: &App) {
    let step = step_start(app.now(), Grain::Fine.span());
    if app.metrics.kept().looked_in == Some(step) {
        return;
    }
    let runs = app.store.run_counts(None).await.ok();
    let looks = level::around(app, runs).await;
    let node = app.node.to_string();
    let mut kept = app.metrics.kept();
    kept.looked_in = Some(step);
    looks.iter().for_each(|look| put(&mut kept.steps, step, look, &node));
}

/// Merges what nodes wrote into coarser steps: a duty of one node.
///
/// # Errors
/// When the store cannot be reached; the next call goes on.
pub(crate) async fn roll_up(app: &App) -> Result<(), levqor_store::Error> {
    let rows = app.store.roll_up_series(app.now()).await?;
    if rows > 0 {
        debug!(rows, "{rows} rows of series were merged into coarser ones");
    }
    Ok(())
}

/// Counts what others have counted by themselves.
pub(super) fn absorb(app: &App) {
    let now = app.now();
    let runs = app.engine.take_measures();
    let ended = [
        (RunStatus::Completed, runs.completed),
        (RunStatus::Faulted, runs.faulted),
        (RunStatus::Cancelled, runs.cancelled),
    ];
    for (status, count) in ended.into_iter().filter(|(_, count)| *count > 0) {
        app.metrics.count_in(now, "runs_ended", &[("status", status.as_str())], count);
    }
    if runs.started > 0 {
        app.metrics.count_in(now, "runs_started", &[], runs.started);
    }
    let ai = app.backends.take_measures();
    let counted = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    for (counter, count) in [(Counter::AiOpenaiCalls, ai.calls), (Counter::AiOpenaiErrors, ai.failures)] {
        if count > 0 {
            app.metrics.add(counter, now, counted(count));
        }
    }
    if ai.refused > 0 {
        app.metrics.count_in(now, "ai_errors", &[], ai.refused);
    }
    if let Some(delays) = runs.start_delays.into_point(now) {
        let step = step_start(now, Grain::Fine.span());
        let key = Key::new("run_start_delay_us", SeriesKind::Histogram, &[]);
        app.metrics.kept().steps.add(step, key, Point { at: step, ..delays });
    }
}

fn put(steps: &mut Steps, step: Timestamp, look: &Look, node: &str) {
    let Look { level, label, value } = look;
    let mut labels: Vec<_> = label.iter().map(|(label, value)| (*label, value.as_str())).collect();
    if level.whose() == Whose::Node {
        labels.push(("node", node));
    }
    match level.shape() {
        Shape::Gauge => {
            let key = Key::new(level.stored(), SeriesKind::Gauge, &labels);
            steps.add(step, key, Point::of(step, *value as f64));
        }
        Shape::Counter => {
            let key = Key::new(level.stored(), SeriesKind::Counter, &labels);
            steps.add_total(step, key, u64::try_from(*value).unwrap_or(0));
        }
    }
}
