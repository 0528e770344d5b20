//! The rules of starting runs; everything later is the engine's.

use std::time::Duration;

use levqor_engine::{RunDetail, StartRun};
use levqor_model::{AccountId, RegionCode, Residency, RunId, TriggerKind, WorkflowId, limits};
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

/// Starts a run and waits for its end, as long as was asked.
///
/// # Errors
/// 404 for the workflow, 422 for what is asked of the run.
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
    let residency = wish.residency.unwrap_or_default();
    let home_region = wish.region.map(|code| known_region(app, "/region", &code)).transpose()?;
    check_residency(app, &residency)?;
    let started = app
        .engine
        .start_run(StartRun {
            account_id: account,
            workflow_id: workflow,
            version: wish.version,
            input: wish.input.unwrap_or_else(|| Value::Object(Map::new())),
            trigger: TriggerKind::Manual,
            residency,
            home_region,
        })
        .await?;
    if wish.wait_seconds == 0 || started.run.status.is_ended() {
        return Ok(started);
    }
    let patience = Duration::from_secs(wish.wait_seconds);
    Ok(app.engine.wait_ended(account, started.run.id, patience).await?)
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

fn known_region(app: &App, pointer: &str, code: &str) -> Result<RegionCode, Problem> {
    app.regions
        .find(code)
        .map(|region| region.code.clone())
        .map_err(|error| Problem::field(pointer, error.to_string()))
}

fn check_residency(app: &App, residency: &Residency) -> Result<(), Problem> {
    match residency {
        Residency::Anywhere => Ok(()),
        Residency::Regions(codes) if codes.is_empty() => {
            Err(Problem::field("/residency/regions", "must name a region at least"))
        }
        Residency::Regions(codes) => codes.iter().enumerate().try_for_each(|(place, code)| {
            known_region(app, &format!("/residency/regions/{place}"), code.as_str()).map(drop)
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
                "/residency/jurisdiction",
                format!("no region is under {shown:?}; known are {known}"),
            ))
        }
    }
}
