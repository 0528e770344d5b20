//! The rules of starting runs; everything later is the engine's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use levqor_engine::{Changes, RetryFrom, RunDetail, StartRun};
use levqor_model::{AccountId, ProblemCode, RegionCode, Residency, RunId, TriggerKind, WorkflowId, limits};
use levqor_store::{idempotency::KeyClaim, webhooks::WebhookMessage};
use moka::sync::Cache;
use serde_json::{Map, Value};

use super::retention;
use crate::{App, Problem};

/// What a caller asks for when a run is started.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// None: an empty object.
    pub input: Option<Value>,
    pub version: Option<String>,
    pub region: Option<String>,
    pub residency: Option<Residency>,
    /// Whether its regions were given as documents give them, without their name: what is wrong is said at its place.
    pub regions_are_the_list: bool,
    /// How long to wait for the run's end, in seconds.
    pub wait_seconds: u64,
    /// The `Idempotency-Key` of the request, claimed.
    pub claim: Option<KeyClaim>,
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
        let regions_at = if wish.regions_are_the_list { "/residency" } else { "/residency/regions" };
        check_residency(app, residency, "/residency", regions_at)?;
    }
    within_plan(app, account).await?;
    let started = app
        .engine
        .start_run_once(
            StartRun {
                account_id: account,
                workflow_id: workflow,
                version: wish.version,
                input: wish.input.unwrap_or_else(|| Value::Object(Map::new())),
                trigger: TriggerKind::Manual,
                residency: wish.residency,
                home_region,
            },
            wish.claim,
        )
        .await?;
    if wish.wait_seconds == 0 || started.run.status.is_ended() {
        return Ok(started);
    }
    let patience = Duration::from_secs(wish.wait_seconds);
    let waited =
        app.stopping.run_until_cancelled(app.engine.wait_ended(account, started.run.id, patience)).await;
    let mut detail = match waited {
        Some(detail) => detail?,
        // The run is accepted and goes on after the stop: its caller learns that now, not by a broken connection.
        None => app.engine.run(account, started.run.id).await?,
    };
    say_why(app, account, &mut detail).await?;
    Ok(detail)
}

/// Starts the run of a webhook message. The run, and whether an earlier message with the same id had started it.
///
/// # Errors
/// As [`start`].
pub async fn start_by_webhook(
    app: &App,
    account: AccountId,
    workflow: WorkflowId,
    input: Value,
    message: Option<WebhookMessage>,
) -> Result<(RunId, bool), Problem> {
    within_plan(app, account).await?;
    let request = StartRun {
        account_id: account,
        workflow_id: workflow,
        version: None,
        input,
        trigger: TriggerKind::Webhook,
        residency: None,
        home_region: None,
    };
    Ok(app.engine.start_run_for(request, message).await?)
}

/// Runs a run again: the same one from the task that failed, or a new one, which counts for the plan.
///
/// # Errors
/// 404; 409 and 422 when the run or what is asked for does not allow it; 403 when the plan's runs are used up.
pub async fn retry(
    app: &App,
    account: AccountId,
    id: RunId,
    from: RetryFrom,
    changes: Changes,
) -> Result<RunDetail, Problem> {
    if from != RetryFrom::Failed {
        within_plan(app, account).await?;
    }
    match app.engine.retry_with(account, id, from, changes).await {
        Ok(detail) => Ok(detail),
        Err(error) => Err(retention::explained(app, account, error).await),
    }
}

/// What `from` of a retry means: `failed`, `start`, or the JSON Pointer of a task.
///
/// # Errors
/// 422.
pub fn retry_from(text: Option<&str>) -> Result<RetryFrom, Problem> {
    match text {
        None | Some("failed") => Ok(RetryFrom::Failed),
        Some("start") => Ok(RetryFrom::Start),
        Some(pointer) if pointer.starts_with('/') => Ok(RetryFrom::Task(pointer.to_owned())),
        Some(_) => Err(Problem::field(
            "/from",
            "must be \"failed\", \"start\" or the JSON Pointer of a task, such as \"/do/0/fetch\"",
        )),
    }
}

/// The run, with what it waits for when it has not ended.
///
/// # Errors
/// 404, and 410 where the run's age says that it may have been deleted.
pub async fn find(app: &App, account: AccountId, id: RunId) -> Result<RunDetail, Problem> {
    let mut detail = match app.engine.run(account, id).await {
        Ok(detail) => detail,
        Err(error) => return Err(retention::explained(app, account, error).await),
    };
    say_why(app, account, &mut detail).await?;
    Ok(detail)
}

/// Why a run that has not ended is not moving, which its row alone does not always say.
async fn say_why(app: &App, account: AccountId, detail: &mut RunDetail) -> Result<(), Problem> {
    if !detail.run.status.is_ended()
        && let Some(why) = app.engine.waiting_for(account, detail.run.id).await?
    {
        detail.run.waiting_for = Some(why);
    }
    Ok(())
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

/// Whether there are such regions; `at` is the JSON Pointer of the policy, `regions_at` that of the list of regions if it is one.
///
/// # Errors
/// 422 with what is not known, and what is.
pub(crate) fn check_residency(
    app: &App,
    residency: &Residency,
    at: &str,
    regions_at: &str,
) -> Result<(), Problem> {
    match residency {
        Residency::Anywhere => Ok(()),
        Residency::Regions(codes) if codes.is_empty() => {
            Err(Problem::field(regions_at, "must name a region at least"))
        }
        Residency::Regions(codes) => codes.iter().enumerate().try_for_each(|(place, code)| {
            known_region(app, &format!("{regions_at}/{place}"), code.as_str()).map(drop)
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
