//! `GET /api/metrics/query` and `GET /api/metrics/series`.

use std::collections::{BTreeMap, BTreeSet};

use axum::{Json, extract::State};
use levqor_model::{SeriesKind, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    catalogue,
    query::{self, Answer, Asked},
};
use crate::{
    App, Problem,
    gateway::{OptionalActor, Query, unauthenticated},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

/// Values of a label that are listed.
const VALUES_MAX: usize = 200;

pub(super) fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(points)).routes(routes!(names))
}

impl From<query::Error> for Problem {
    fn from(error: query::Error) -> Self {
        match error {
            query::Error::Parameter { name, message } => Problem::parameter(name, message),
            query::Error::Store(error) => error.into(),
        }
    }
}

/// Everyone, as for `/metrics`, unless the operator closed it: then who has a key or a session.
fn may_ask(app: &App, is_known: bool) -> Result<(), Problem> {
    if app.settings.metrics_public || is_known { Ok(()) } else { Err(unauthenticated()) }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PointsQuery {
    /// The series; `GET /api/metrics/series` lists them.
    #[param(example = "http_requests", required = true)]
    name: Option<String>,
    /// Labels that it must have, as `label=value` with commas between them, or as a JSON object of texts.
    #[param(example = "region=eu-west,status=5xx")]
    labels: Option<String>,
    /// RFC 3339, or a span back from now such as `-6h`; an hour before `to` when left out.
    #[param(example = "-6h")]
    from: Option<String>,
    /// As `from`; now when left out.
    to: Option<String>,
    /// How much time one point is about: a multiple of 10 s, such as `10s`, `5m`, `1h`. Chosen to fit when left out. It may come out
    /// longer: points of 10 s are kept for days, those of a minute for weeks.
    #[param(example = "5m")]
    step: Option<String>,
    /// `sum`, `rate` (a second), `avg`, `min`, `max`, `last`, `count`, or a percentile such as `p95` or `p99.9`. When left out: `sum` of
    /// counters, `avg` of gauges, `p95` of histograms.
    #[param(example = "rate")]
    aggregation: Option<String>,
    /// Labels to tell series apart by, with commas between them: those that are the same in them become one. Empty: all become one.
    #[param(example = "region")]
    by: Option<String>,
}

/// A stored series over a time.
#[derive(Debug, Serialize, ToSchema)]
struct MetricAnswer {
    #[schema(example = "http_requests")]
    name: String,
    /// `counter`, `gauge` or `histogram`.
    #[schema(example = "counter")]
    kind: &'static str,
    /// Of the values, when it is not plain numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    #[schema(example = "rate")]
    aggregation: String,
    /// The start of the first step.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    #[schema(example = 300)]
    step_seconds: u64,
    series: Vec<MetricSeries>,
}

#[derive(Debug, Serialize, ToSchema)]
struct MetricSeries {
    labels: BTreeMap<String, String>,
    /// Oldest first. Steps in which nothing was counted have none: nothing is not zero.
    points: Vec<MetricPoint>,
}

#[derive(Debug, Serialize, ToSchema)]
struct MetricPoint {
    /// The start of the step.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    value: f64,
}

impl From<Answer> for MetricAnswer {
    fn from(answer: Answer) -> Self {
        let series = answer.series.into_iter().map(|(labels, points)| MetricSeries {
            labels,
            points: points.into_iter().map(|(at, value)| MetricPoint { at, value }).collect(),
        });
        Self {
            name: answer.name,
            kind: answer.kind.as_str(),
            unit: Some(answer.unit).filter(|unit| !unit.is_empty()),
            aggregation: answer.aggregation.to_string(),
            from: answer.from,
            to: answer.to,
            step_seconds: answer.step.as_secs(),
            series: series.collect(),
        }
    }
}

/// A stored series, by steps of time.
#[utoipa::path(
    get,
    path = "/api/metrics/query",
    operation_id = "query_metrics",
    tag = "operations",
    params(PointsQuery),
    responses((status = 200, body = MetricAnswer), Refusals),
)]
async fn points(
    State(app): State<App>,
    OptionalActor(actor): OptionalActor,
    Query(query): Query<PointsQuery>,
) -> Result<Json<MetricAnswer>, Problem> {
    may_ask(&app, actor.is_some())?;
    let PointsQuery { name, labels, from, to, step, aggregation, by } = &query;
    let asked = Asked {
        name: name.as_deref(),
        labels: labels.as_deref(),
        from: from.as_deref(),
        to: to.as_deref(),
        step: step.as_deref(),
        aggregation: aggregation.as_deref(),
        by: by.as_deref(),
    };
    Ok(Json(query::answer(&app, &asked).await?.into()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct NamesQuery {
    /// Only this one, with the values that its labels have.
    #[param(example = "http_requests")]
    name: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct MetricNames {
    /// By name.
    series: Vec<MetricName>,
}

/// The series of one name.
#[derive(Debug, Serialize, ToSchema)]
struct MetricName {
    #[schema(example = "http_requests")]
    name: String,
    /// `counter`, `gauge` or `histogram`.
    #[schema(example = "counter")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    /// What it is; missing for a name of another version.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'static str>,
    /// How many there are, by their labels; 0 for what this version measures and has not seen yet.
    count: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    first_at: Option<Timestamp>,
    /// Values of its labels, at most 200 of each; only when one name is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<BTreeMap<String, BTreeSet<String>>>,
}

impl MetricName {
    fn new(name: String, kind: SeriesKind) -> Self {
        let known = catalogue::find(&name);
        Self {
            name,
            kind: kind.as_str(),
            unit: known.map(|entry| entry.unit).filter(|unit| !unit.is_empty()),
            help: known.map(|entry| entry.help),
            count: 0,
            first_at: None,
            labels: None,
        }
    }
}

/// Which series are stored.
#[utoipa::path(
    get,
    path = "/api/metrics/series",
    operation_id = "list_metrics",
    tag = "operations",
    params(NamesQuery),
    responses((status = 200, body = MetricNames), Refusals),
)]
async fn names(
    State(app): State<App>,
    OptionalActor(actor): OptionalActor,
    Query(query): Query<NamesQuery>,
) -> Result<Json<MetricNames>, Problem> {
    may_ask(&app, actor.is_some())?;
    let mut all: BTreeMap<String, MetricName> = catalogue::all()
        .map(|entry| (entry.name.to_owned(), MetricName::new(entry.name.to_owned(), entry.kind)))
        .collect();
    for found in query::names(&app).await? {
        let one =
            all.entry(found.name.clone()).or_insert_with(|| MetricName::new(found.name.clone(), found.kind));
        one.count += found.series;
        one.first_at = Some(one.first_at.map_or(found.first_at, |first_at| first_at.min(found.first_at)));
    }
    let Some(name) = query.name else { return Ok(Json(MetricNames { series: all.into_values().collect() })) };
    let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for series in query::of_name(&app, &name).await? {
        for (label, value) in series.labels {
            let values = labels.entry(label).or_default();
            if values.len() < VALUES_MAX {
                values.insert(value);
            }
        }
    }
    let one = all.remove(&name).map(|one| MetricName { labels: Some(labels), ..one });
    Ok(Json(MetricNames { series: one.into_iter().collect() }))
}
