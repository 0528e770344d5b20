//! The plans that customers can buy, as the blueprint promises them.

use axum::{Json, extract::State};
use levqor_model::{Addon, Blueprint, Currency, Package, Plan, ServiceCredit};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    App,
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(list))
}

#[derive(Debug, Serialize, ToSchema)]
struct Plans {
    #[schema(example = "GBP")]
    #[schema(value_type = String)]
    currency: Currency,
    plans: Vec<PlanView>,
    trial: TrialView,
    money_back_days: u32,
    packages: Vec<PackageView>,
    package_revision_rounds: u32,
    addons: Vec<AddonView>,
    uptime: UptimeView,
    fair_use: FairUseView,
}

/// Work that is done for the customer. The price is paid once, and is in minor units (pence).
#[derive(Debug, Serialize, ToSchema)]
struct PackageView {
    #[schema(example = "dfy_starter")]
    code: String,
    name: String,
    #[schema(example = 14900)]
    price: i64,
    #[schema(example = "£149")]
    price_text: String,
}

/// What can be added to a plan. Prices are in minor units (pence).
#[derive(Debug, Serialize, ToSchema)]
struct AddonView {
    #[schema(example = "priority_support")]
    code: String,
    name: String,
    #[schema(example = 2900)]
    month_price: i64,
    #[schema(example = "£29")]
    month_price_text: String,
}

/// The promised uptime of a month, and what comes back when it falls short.
#[derive(Debug, Serialize, ToSchema)]
struct UptimeView {
    /// Parts per million.
    #[schema(example = 999000)]
    promise_ppm: u32,
    credits: Vec<CreditView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct CreditView {
    #[schema(example = "99.0–99.9 %")]
    band: String,
    /// Where the band begins, in parts per million.
    #[schema(example = 990000)]
    from_ppm: u32,
    /// Of the month's price.
    #[schema(example = 10)]
    percent: u32,
}

/// What holds for every plan.
#[derive(Debug, Serialize, ToSchema)]
struct FairUseView {
    requests_per_minute: u32,
    concurrent_runs: u32,
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
    /// Trials that an account may have at once.
    active_per_account: u32,
    headline: String,
    card_note: String,
}

/// All plans with their prices and limits, and what can be bought with them or is promised with all of them.
#[utoipa::path(get, path = "/api/plans", tag = "plans", responses((status = 200, body = Plans), Refusals))]
async fn list(State(app): State<App>) -> Json<Plans> {
    let blueprint = &app.blueprint;
    let trial = &blueprint.trial;
    Json(Plans {
        currency: blueprint.currency,
        plans: blueprint.plans.iter().map(|plan| view(blueprint, plan)).collect(),
        trial: TrialView {
            days: trial.days,
            active_per_account: trial.active_per_account,
            headline: trial.headline.clone(),
            card_note: trial.card_note.clone(),
        },
        money_back_days: blueprint.money_back_days,
        packages: blueprint.packages.iter().map(|package| package_view(blueprint, package)).collect(),
        package_revision_rounds: blueprint.package_revision_rounds,
        addons: blueprint.addons.iter().map(|addon| addon_view(blueprint, addon)).collect(),
        uptime: UptimeView {
            promise_ppm: blueprint.uptime.promise_ppm,
            credits: blueprint.uptime.credits.iter().map(credit_view).collect(),
        },
        fair_use: FairUseView {
            requests_per_minute: blueprint.fair_use.requests_per_minute,
            concurrent_runs: blueprint.fair_use.concurrent_runs,
        },
    })
}

fn package_view(blueprint: &Blueprint, package: &Package) -> PackageView {
    PackageView {
        code: package.code.clone(),
        name: package.name.clone(),
        price: package.price,
        price_text: blueprint.money(package.price).to_string(),
    }
}

fn addon_view(blueprint: &Blueprint, addon: &Addon) -> AddonView {
    AddonView {
        code: addon.code.clone(),
        name: addon.name.clone(),
        month_price: addon.month_price,
        month_price_text: blueprint.money(addon.month_price).to_string(),
    }
}

fn credit_view(credit: &ServiceCredit) -> CreditView {
    CreditView { band: credit.band.clone(), from_ppm: credit.from_ppm, percent: credit.percent }
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
