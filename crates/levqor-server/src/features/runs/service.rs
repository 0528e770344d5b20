//! The rules of starting runs; everything later is the engine's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use levqor_engine::{RunDetail, StartRun};
use levqor_model::{AccountId, ProblemCode, RegionCode, Residency, RunId, TriggerKind, WorkflowId, limits};
use moka::sync::Cache;
use serde_json::{Map, Value};

use crate::{App, Problem};

/// What a caller asks for when a run is started.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// None: an empty object.
    pub input: Option<Value>,
    pub version: Option<String>,
    pub region: Option<String>,
    pub residency: Option<Residency>,
    /// How long to wait for the run's end, in seconds.
    pub wait_seconds: u64,
}

/// How long the count of a month's runs may be old: starting runs must not read the database each time.
const COUNT_AGE_MAX: Duration = Duration::from_secs(5);

/// Accounts whose count is remembered.
const ACCOUNTS_MAX: u64 = 10_000;

/// Runs that each account may still start this month, as this node counts them between two looks at the database.
struct RunsLeft(Cache<AccountId, Arc<AtomicI64>>);

/// Starts a run and waits for its end, as long as was asked.
///
/// # Errors
/// 404 for the workflow, 422 for what is asked of the run, 403 when the plan's runs of this month are used up.
pub async fn start(
    app: &App,
    account: AccountId,
    workflow: WorkflowId,
    wish: Wish,
) -> Result<RunDetail, Problem> {
    let max = limits::WAIT_SECONDS_MAX;
    if wish.wait_seconds > max {
        return Err(Problem::field("/wait_seconds", format!("{} is not from 0 to {max}", wish.wait_seconds)));
    }
    let home_region = wish.region.map(|code| known_region(app, "/region", &code)).transpose()?;
    if let Some(residency) = &wish.residency {
        check_residency(app, residency, "/residency")?;
    }
    within_plan(app, account).await?;
    let started = app
        .engine
        .start_run(StartRun {
            account_id: account,
            workflow_id: workflow,
            version: wish.version,
            input: wish.input.unwrap_or_else(|| Value::Object(Map::new())),
            trigger: TriggerKind::Manual,
            residency: wish.residency,
            home_region,
        })
        .await?;
    if wish.wait_seconds == 0 || started.run.status.is_ended() {
        return Ok(started);
    }
    let patience = Duration::from_secs(wish.wait_seconds);
    let waited =
        app.stopping.run_until_cancelled(app.engine.wait_ended(account, started.run.id, patience)).await;
    match waited {
        Some(detail) => Ok(detail?),
        // The run is accepted and goes on after the stop: its caller learns that now, not by a broken connection.
        None => Ok(app.engine.run(account, started.run.id).await?),
    }
}

/// The run, with what it waits for when it has not ended.
///
/// # Errors
/// 404.
pub async fn find(app: &App, account: AccountId, id: RunId) -> Result<RunDetail, Problem> {
    let mut detail = app.engine.run(account, id).await?;
    if !detail.run.status.is_ended() {
        detail.run.waiting_for = app.engine.waiting_for(account, id).await?.or(detail.run.waiting_for);
    }
    Ok(detail)
}

async fn within_plan(app: &App, account: AccountId) -> Result<(), Problem> {
    let memory = app.memory(|_| {
        RunsLeft(Cache::builder().max_capacity(ACCOUNTS_MAX).time_to_live(COUNT_AGE_MAX).build())
    });
    let left = match memory.0.get(&account) {
        Some(left) => left,
        None => {
            let plan =
                app.store.account(account).await?.and_then(|owner| app.blueprint.plan(&owner.plan).cloned());
            // A plan that the blueprint does not know is one that the operator made up, without limits.
            let left = match plan {
                None => i64::MAX,
                Some(plan) => {
                    let today = app.now().date();
                    let used = app.store.usage(Some(account), today.month_start(), today).await?;
                    plan.runs_per_month - used.runs
                }
            };
            let left = Arc::new(AtomicI64::new(left));
            memory.0.insert(account, Arc::clone(&left));
            left
        }
    };
    if left.fetch_sub(1, Ordering::Relaxed) > 0 {
        return Ok(());
    }
    Err(Problem::new(
        ProblemCode::PlanLimit,
        "the plan's runs of this month are used up; wait for the next month or take a larger plan",
    ))
}

fn known_region(app: &App, pointer: &str, code: &str) -> Result<RegionCode, Problem> {
    app.regions
        .find(code)
        .map(|region| region.code.clone())
        .map_err(|error| Problem::field(pointer, error.to_string()))
}

/// Whether there are such regions; `at` is the JSON Pointer of the policy.
///
/// # Errors
/// 422 with what is not known, and what is.
pub(crate) fn check_residency(app: &App, residency: &Residency, at: &str) -> Result<(), Problem> {
    match residency {
        Residency::Anywhere => Ok(()),
        Residency::Regions(codes) if codes.is_empty() => {
            Err(Problem::field(format!("{at}/regions"), "must name a region at least"))
        }
        Residency::Regions(codes) => codes.iter().enumerate().try_for_each(|(place, code)| {
            known_region(app, &format!("{at}/regions/{place}"), code.as_str()).map(drop)
        }),
        Residency::Jurisdiction(asked) => {
            let known: std::collections::BTreeSet<_> =
                app.regions.all().iter().map(|region| region.jurisdiction.as_str()).collect();
            if known.contains(asked.as_str()) {
                return Ok(());
            }
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            let shown: String = asked.chars().take(64).collect();
            Err(Problem::field(
                format!("{at}/jurisdiction"),
                format!("no region is under {shown:?}; known are {known}"),
            ))
        }
    }
}
