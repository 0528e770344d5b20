//! `/api/ops/leads` and `/api/ops/marketing`.

use axum::{Json, extract::State};
use http::StatusCode;
use levqor_model::{Date, LeadId, Timestamp};
use levqor_store::{leads::Lead, page_events::SourceSums};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::service;
use crate::{
    App, Problem,
    gateway::{Cursor, Id, PageQuery, Query},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

const LIST: &str = "leads";
/// Days that are summed up when nothing is asked, and at most.
const DAYS_DEFAULT: i64 = 30;
const DAYS_MAX: i64 = 366;

pub(super) fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(leads)).routes(routes!(forget)).routes(routes!(funnel))
}

#[derive(Debug, Serialize, ToSchema)]
struct LeadView {
    #[schema(example = "led_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    #[schema(example = "ada@example.com")]
    email: String,
    /// Where they came from first.
    #[schema(example = "pricing")]
    source: String,
    consent: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_at: Timestamp,
    /// How often they left their address.
    times: i64,
}

impl From<Lead> for LeadView {
    fn from(lead: Lead) -> Self {
        let Lead { id, email, source, consent, created_at, last_at, times } = lead;
        Self { id: id.to_string(), email, source, consent, created_at, last_at, times }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Leads {
    leads: Vec<LeadView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

/// Addresses that people left, newest first.
#[utoipa::path(
    get,
    path = "/api/ops/leads",
    operation_id = "ops_leads",
    tag = "operations",
    params(PageQuery),
    responses((status = 200, body = Leads), Refusals)
)]
async fn leads(State(app): State<App>, Query(query): Query<PageQuery>) -> Result<Json<Leads>, Problem> {
    let store = app.store.views();
    let read = |before, limit| store.leads(before, limit);
    let (leads, next_cursor) = query.read(LIST, read, |lead: &Lead| lead.id).await?;
    Ok(Json(Leads { leads: leads.into_iter().map(LeadView::from).collect(), next_cursor }))
}

/// Forget an address, as its owner may ask.
#[utoipa::path(
    delete,
    path = "/api/ops/leads/{id}",
    operation_id = "ops_forget_lead",
    tag = "operations",
    params(("id" = String, Path, description = "The lead's id", example = "led_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    responses((status = 204, description = "It is forgotten"), Refusals)
)]
async fn forget(State(app): State<App>, Id(id): Id<LeadId>) -> Result<StatusCode, Problem> {
    if app.store.forget_lead(id, app.now()).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found(format!("there is no lead {id}")))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Days {
    /// The first day; 29 days before `to` when left out.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-01")]
    from: Option<Date>,
    /// The last day; today when left out.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-24")]
    to: Option<Date>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Counted {
    #[schema(example = "/pricing")]
    name: String,
    count: i64,
}

/// What came by one campaign.
#[derive(Debug, Serialize, ToSchema)]
struct CampaignView {
    #[schema(example = "newsletter-may")]
    name: String,
    page_views: i64,
    cta_clicks: i64,
}

impl From<SourceSums> for CampaignView {
    fn from(sums: SourceSums) -> Self {
        let SourceSums { source, views, clicks } = sums;
        Self { name: source, page_views: views, cta_clicks: clicks }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct FunnelView {
    #[schema(value_type = String, format = Date)]
    from: Date,
    #[schema(value_type = String, format = Date)]
    to: Date,
    /// Views of each page, most first.
    page_views: Vec<Counted>,
    /// Clicks of each target, most first.
    cta_clicks: Vec<Counted>,
    /// By which campaign visitors came who agreed to say it, most views first.
    campaigns: Vec<CampaignView>,
    /// New leads by source, most first.
    leads: Vec<Counted>,
}

/// What was looked at and clicked, and who left an address, in some days.
#[utoipa::path(
    get,
    path = "/api/ops/marketing",
    operation_id = "ops_marketing",
    tag = "operations",
    params(Days),
    responses((status = 200, body = FunnelView), Refusals)
)]
async fn funnel(State(app): State<App>, Query(days): Query<Days>) -> Result<Json<FunnelView>, Problem> {
    let to = days.to.unwrap_or_else(|| app.now().date());
    let from = days.from.unwrap_or_else(|| to.plus_days(1 - DAYS_DEFAULT));
    if from > to {
        return Err(Problem::parameter("from", format!("{from} is later than to ({to})")));
    }
    if from.plus_days(DAYS_MAX) <= to {
        return Err(Problem::parameter("from", format!("at most {DAYS_MAX} days can be summed up at once")));
    }
    let funnel = service::funnel(&app, from, to).await?;
    let counted = |all: Vec<(String, i64)>| -> Vec<_> {
        all.into_iter().map(|(name, count)| Counted { name, count }).collect()
    };
    Ok(Json(FunnelView {
        from,
        to,
        page_views: counted(funnel.views),
        cta_clicks: counted(funnel.clicks),
        campaigns: funnel.campaigns.into_iter().map(CampaignView::from).collect(),
        leads: counted(funnel.leads),
    }))
}
