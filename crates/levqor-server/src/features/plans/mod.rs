//! The plans that customers can buy, as the blueprint promises them.

use axum::{Json, extract::State};
use levqor_model::{Blueprint, Currency, Plan};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{App, problem::Refusals};

pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list))
}

#[derive(Debug, Serialize, ToSchema)]
struct Plans {
    #[schema(example = "GBP")]
    #[schema(value_type = String)]
    currency: Currency,
    plans: Vec<PlanView>,
    trial: TrialView,
    money_back_days: u32,
}

/// One plan. Prices are in minor units (pence).
#[derive(Debug, Serialize, ToSchema)]
struct PlanView {
    #[schema(example = "growth")]
    code: String,
    aliases: Vec<String>,
    name: String,
    #[schema(example = 2900)]
    month_price: i64,
    #[schema(example = 29000)]
    year_price: i64,
    /// The price as people read it.
    #[schema(example = "£29")]
    month_price_text: String,
    #[schema(example = "£290")]
    year_price_text: String,
    limits: Limits,
    first_response_hours: u32,
}

/// What a plan includes.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Limits {
    pub(crate) workflows: i64,
    pub(crate) runs_per_month: i64,
    pub(crate) ai_credits: i64,
}

impl From<&Plan> for Limits {
    fn from(plan: &Plan) -> Self {
        Self { workflows: plan.workflows, runs_per_month: plan.runs_per_month, ai_credits: plan.ai_credits }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct TrialView {
    days: u32,
    headline: String,
    card_note: String,
}

/// All plans with their prices and limits.
#[utoipa::path(get, path = "/api/plans", tag = "plans", responses((status = 200, body = Plans), Refusals))]
async fn list(State(app): State<App>) -> Json<Plans> {
    let blueprint = &app.blueprint;
    let trial = &blueprint.trial;
    Json(Plans {
        currency: blueprint.currency,
        plans: blueprint.plans.iter().map(|plan| view(blueprint, plan)).collect(),
        trial: TrialView {
            days: trial.days,
            headline: trial.headline.clone(),
            card_note: trial.card_note.clone(),
        },
        money_back_days: blueprint.money_back_days,
    })
}

fn view(blueprint: &Blueprint, plan: &Plan) -> PlanView {
    PlanView {
        code: plan.code.clone(),
        aliases: plan.aliases.clone(),
        name: plan.name.clone(),
        month_price: plan.month_price,
        year_price: plan.year_price,
        month_price_text: blueprint.money(plan.month_price).to_string(),
        year_price_text: blueprint.money(plan.year_price).to_string(),
        limits: plan.into(),
        first_response_hours: plan.first_response_hours,
    }
}
