//! Drain, failover, activate: what an operator does with a region, until it is done and was looked at.
//!
//! ```text
//! drain:               ┌► handing_over ─► verifying ─► done
//! failover: fencing ───┘        ▲              │
//!                               └── not yet ───┘
//! activate: opening ─► done
//! ```
//!
//! An act is a row. Every node looks at the open ones and writes what it finds; the first is heard, and none is needed. The
//! moving itself is the engines' work: they know from the wish that a region is drained.

mod report;
mod step;

use levqor_model::{RegionCode, RegionError, RegionRegistry};
use levqor_store::regions::{Act, Begun, NewAct, Seen};

pub(super) use report::Report;
pub(crate) use step::round;
pub(super) use step::{Standing, standing};

use super::{
    checks::{self, Check, DRILL, Evidence, Purpose},
    measure,
    service::{NodeNow, nodes_of},
};
use crate::App;

/// Reports that are shown of a region.
const SHOWN: usize = 20;
/// What an operator may say of the reason.
const REASON_CHARS_MAX: usize = 500;

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Store(#[from] levqor_store::Error),
    #[error(transparent)]
    Region(#[from] RegionError),
    #[error("{0} is given up and cannot take its own runs over; name another region, or none")]
    Itself(RegionCode),
    #[error("the reason has more than {REASON_CHARS_MAX} characters")]
    Reason,
    /// Of the same region.
    #[error("a {} of {} is under way since {}, in the phase {}; wait for its end", .0.verb, .0.region, .0.began_at, .0.phase)]
    Busy(Box<Act>),
    #[error("{0} is not drained, so there is nothing to take back")]
    NotDrained(RegionCode),
    /// It was ready when it was looked at, and is not any more.
    #[error(
        "nobody could take over the runs of {region}: {} by now; activate a region, or start a node in one",
        target.as_ref().map_or_else(
            || "no node lives in another region that is not drained".to_owned(),
            |target| format!("no node lives in {target}, or it is drained")
        )
    )]
    NoHost { region: RegionCode, target: Option<RegionCode> },
    #[error("{what}{}", hint(.failed))]
    NotReady { what: String, failed: Vec<(RegionCode, Check)> },
}

/// Only a drill can be passed over.
fn hint(failed: &[(RegionCode, Check)]) -> &'static str {
    let unrehearsed = |code: &RegionCode| {
        failed.iter().filter(|(failed, _)| failed == code).all(|(_, check)| check.name == DRILL)
    };
    if failed.iter().any(|(code, _)| unrehearsed(code)) {
        "; rehearse it by a drain, or say that you know with --unrehearsed (\"unrehearsed\": true)"
    } else {
        ""
    }
}

/// A region with its checks, the act that is under way, and the last ones.
#[derive(Debug)]
pub(super) struct Overview {
    pub(super) checks: Vec<Check>,
    pub(super) acts: Vec<Act>,
    /// How far the open act is.
    pub(super) standing: Option<Standing>,
}

/// # Errors
/// [`Error::Region`], [`Error::Store`].
pub(super) async fn overview(app: &App, code: &str) -> Result<Overview, Error> {
    let region = app.regions.find(code)?.code.clone();
    let world = World::look(app).await?;
    let acts = app.store.acts_of(region.clone(), SHOWN).await?;
    let standing = match acts.iter().any(|act| act.ended_at.is_none()) {
        true => Some(standing(app, &region, &world.seen).await?),
        false => None,
    };
    Ok(Overview { checks: world.checks(&region, None), acts, standing })
}

/// The checks of a region.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn checks_of(app: &App, region: &RegionCode) -> Result<Vec<Check>, levqor_store::Error> {
    Ok(World::look(app).await?.checks(region, None))
}

/// Begins to drain a region.
///
/// # Errors
/// [`Error::NotReady`] when nobody could take its runs.
pub(super) async fn drain(
    app: &App,
    code: &str,
    actor: String,
    reason: Option<String>,
) -> Result<Act, Error> {
    let region = known(app, code, &reason)?;
    let world = World::look(app).await?;
    let others = app.regions.all().iter().map(|other| &other.code).filter(|other| **other != region);
    let mut failed = Vec::new();
    let mut anybody = false;
    for other in others {
        // A drain is how a region is rehearsed.
        let found: Vec<_> = world.refused(other, None, true);
        anybody |= found.is_empty();
        failed.extend(found.into_iter().map(|check| (other.clone(), check)));
    }
    if !anybody {
        let what = format!("no other region can take over the runs of {region}{}", alone(app));
        return Err(Error::NotReady { what, failed });
    }
    let new = NewAct {
        region,
        verb: "drain",
        target: None,
        actor,
        reason,
        phase: step::HANDING_OVER,
        drains: true,
        fences: false,
    };
    begin(app, new).await
}

/// Gives a region up: stops its nodes at once, drains it, and hands its runs to another one.
///
/// # Errors
/// [`Error::NotReady`] when that one is not, check by check.
pub(super) async fn failover(
    app: &App,
    code: &str,
    to: Option<&str>,
    unrehearsed: bool,
    actor: String,
    reason: Option<String>,
) -> Result<Act, Error> {
    let region = known(app, code, &reason)?;
    let world = World::look(app).await?;
    let target = match to {
        Some(to) => {
            let target = app.regions.find(to)?.code.clone();
            if target == region {
                return Err(Error::Itself(region));
            }
            let failed = world.refused(&target, Some(&region), unrehearsed);
            if !failed.is_empty() {
                let failed = failed.into_iter().map(|check| (target.clone(), check)).collect();
                return Err(Error::NotReady { what: format!("{target} is not ready to take over"), failed });
            }
            target
        }
        None => first_ready(app, &world, &region, unrehearsed)?,
    };
    let new = NewAct {
        region,
        verb: "failover",
        target: Some(target),
        actor,
        reason,
        phase: step::FENCING,
        drains: true,
        fences: true,
    };
    begin(app, new).await
}

/// The first in the operator's order that passes.
fn first_ready(
    app: &App,
    world: &World,
    region: &RegionCode,
    unrehearsed: bool,
) -> Result<RegionCode, Error> {
    let mut failed = Vec::new();
    for other in app.regions.all().iter().map(|other| &other.code).filter(|other| *other != region) {
        let found = world.refused(other, Some(region), unrehearsed);
        if found.is_empty() {
            return Ok(other.clone());
        }
        failed.extend(found.into_iter().map(|check| (other.clone(), check)));
    }
    let what = format!("no other region is ready to take over the runs of {region}{}", alone(app));
    Err(Error::NotReady { what, failed })
}

/// Takes the wish to have a region empty back.
///
/// # Errors
/// [`Error::NotReady`] when it could not work.
pub(super) async fn activate(
    app: &App,
    code: &str,
    actor: String,
    reason: Option<String>,
) -> Result<Act, Error> {
    let region = known(app, code, &reason)?;
    let world = World::look(app).await?;
    if !world.is_drained(&region) {
        return Err(Error::NotDrained(region));
    }
    let failed: Vec<_> = world
        .checks(&region, None)
        .into_iter()
        .filter(|check| !check.ok && Purpose::Activate.needs(check))
        .map(|check| (region.clone(), check))
        .collect();
    if !failed.is_empty() {
        return Err(Error::NotReady { what: format!("{region} is not ready to work"), failed });
    }
    let new = NewAct {
        region,
        verb: "activate",
        target: None,
        actor,
        reason,
        phase: step::OPENING,
        drains: false,
        fences: false,
    };
    begin(app, new).await
}

fn known(app: &App, code: &str, reason: &Option<String>) -> Result<RegionCode, Error> {
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS_MAX) {
        return Err(Error::Reason);
    }
    Ok(app.regions.find(code)?.code.clone())
}

fn alone(app: &App) -> &'static str {
    if app.store.is_shared() {
        ""
    } else {
        ": this server has its embedded database for itself; move it to PostgreSQL to have nodes in other regions"
    }
}

async fn begin(app: &App, new: NewAct) -> Result<Act, Error> {
    let (verb, region, target) = (new.verb, new.region.clone(), new.target.clone());
    match app.store.begin_act(new, app.now()).await? {
        Begun::Busy(act) => Err(Error::Busy(Box::new(act))),
        Begun::NoHost => Err(Error::NoHost { region, target }),
        Begun::Now(act, fenced) => {
            tracing::warn!(
                region.of = %region, act = act.seq, actor = %act.actor, nodes.fenced = fenced.len(),
                "{verb} of {region} has begun, by {}", act.actor
            );
            Ok(act)
        }
    }
}

/// What checks are made of.
struct World {
    seen: Seen,
    regions: RegionRegistry,
    standbys: Vec<levqor_store::regions::Standby>,
    drills: Vec<(RegionCode, std::time::Duration)>,
}

impl World {
    async fn look(app: &App) -> Result<Self, levqor_store::Error> {
        Ok(Self {
            seen: app.store.seen_of_regions(app.now()).await?,
            regions: app.regions.clone(),
            standbys: measure::standbys(app),
            drills: app.store.last_drills(app.now()).await?,
        })
    }

    fn is_drained(&self, region: &RegionCode) -> bool {
        self.seen.drains.iter().any(|drain| drain.region == *region)
    }

    /// The checks of a region. Nodes of one that is given up need not be like the others.
    fn checks(&self, region: &RegionCode, without: Option<&RegionCode>) -> Vec<Check> {
        let nodes = nodes_of(&self.seen, region);
        let all: Vec<NodeNow> = self
            .regions
            .all()
            .iter()
            .filter(|other| Some(&other.code) != without)
            .flat_map(|other| nodes_of(&self.seen, &other.code))
            .collect();
        checks::checks(&Evidence {
            nodes: &nodes,
            all: &all,
            drained: self.is_drained(region),
            standby: self
                .standbys
                .iter()
                .find(|standby| super::service::is_named_after(&standby.name, region)),
            drilled: self.drills.iter().find(|(code, _)| code == region).map(|(_, ago)| *ago),
        })
    }

    /// Why the region may not take runs over.
    fn refused(&self, region: &RegionCode, without: Option<&RegionCode>, unrehearsed: bool) -> Vec<Check> {
        let mut checks = self.checks(region, without);
        checks.retain(|check| {
            !check.ok && Purpose::TakeOver.needs(check) && !(unrehearsed && check.name == DRILL)
        });
        checks
    }
}
