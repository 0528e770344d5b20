//! One node among several: its lease, and what it takes over from those that are gone.
//!
//! ```text
//! register ─► renew in time ──────────────────────────► drain: stopped, others take over at once
//!                │ too late, or stopped by another
//!                └─► fence: this engine stops; whoever runs it may start another one, as a new node
//!
//! look ─► condemn whose lease is over ─► what stopped nodes left: by home and residency, to the nearest region ─► load it
//! ```
//!
//! Nobody is condemned on what one node has seen: the database's clock and row decide, for all alike. A node that was
//! condemned can write nothing any more, so taking its runs over needs no word from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use levqor_model::{NodeId, RegionCode, RegionRegistry, Residency, RunId};
use levqor_store::runs::{LeftRuns, Taker};
use tokio::time::Instant;

use crate::{approvals, core::Core, drains, nudges};

/// The lease of a node that is alone: nobody waits for its end.
const LEASE_ALONE: Duration = Duration::from_secs(15);
const RENEW_EVERY_ALONE: Duration = Duration::from_secs(5);
/// Runs that one transaction takes over: bounds how long other writers wait.
const TAKEN_AT_ONCE: usize = 2_000;
/// A region must have been there for so long before runs go home to it.
const SETTLED: Duration = Duration::from_secs(30);
const HAND_BACK_EVERY: Duration = Duration::from_secs(1);
/// Runs that go home at once: a region that has come back must not drown in its own runs.
const HANDED_AT_ONCE: usize = 200;

/// Whether other nodes may use the same database.
#[derive(Debug, Clone)]
pub enum Cluster {
    /// This process is the only one: it takes all runs at the start.
    Alone,
    Shared(Shared),
}

#[derive(Debug, Clone)]
pub struct Shared {
    /// Regions in the operator's order.
    pub regions: RegionRegistry,
    /// How long others wait for a sign of this node before they condemn it.
    pub lease: Duration,
    pub renew_every: Duration,
    /// How often this node looks for what others have left.
    pub look_every: Duration,
    /// And for what it may not take, or cannot give back yet: that asks for a look at all runs.
    pub look_again: Duration,
}

impl Shared {
    /// Short enough for seconds to recover, long enough for stalls of a busy machine.
    pub fn new(regions: RegionRegistry) -> Self {
        Self {
            regions,
            lease: Duration::from_secs(6),
            renew_every: Duration::from_millis(1_200),
            look_every: Duration::from_millis(500),
            look_again: Duration::from_secs(5),
        }
    }
}

impl Cluster {
    /// How long others wait for a sign of this node before they hold it for gone.
    pub(crate) const fn lease(&self) -> Duration {
        match self {
            Cluster::Alone => LEASE_ALONE,
            Cluster::Shared(shared) => shared.lease,
        }
    }
}

/// Which node a run begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Here,
    /// Its region is drained, and nobody else may have the run or lives: it is kept here, where others see it, and does not begin.
    Later,
    /// Its residency keeps it from this region.
    There {
        region: RegionCode,
        node: NodeId,
    },
    /// No node lives in a region where it may be. The first of these regions.
    Nobody {
        region: Option<RegionCode>,
    },
}

impl Core {
    /// Where a run of this residency may be.
    pub(crate) async fn host(&self, residency: &Residency) -> Result<Host, levqor_store::Error> {
        let Cluster::Shared(shared) = &self.cluster else { return Ok(Host::Here) };
        if !self.is_drained() && shared.regions.allows(residency, &self.region) {
            return Ok(Host::Here);
        }
        let nodes = self.store.nodes(Some(self.clock.now())).await?;
        let listed = shared.regions.all().iter().map(|region| &region.code);
        let allowed: Vec<&RegionCode> =
            listed.filter(|code| shared.regions.allows(residency, code)).collect();
        let mut open = allowed.iter().filter(|code| !self.drains.has(code));
        let host = open.find_map(|code| nodes.iter().find(|node| node.region == **code));
        Ok(match host {
            Some(node) => Host::There { region: node.region.clone(), node: node.id },
            None if shared.regions.allows(residency, &self.region) => Host::Later,
            None => Host::Nobody { region: allowed.first().copied().cloned() },
        })
    }
}

/// Renews the lease until the engine stops. When that fails for too long, or the node was stopped by others, it stops the engine:
/// whatever it still computed would be refused.
pub(crate) async fn renew(core: Arc<Core>) {
    let lease = core.cluster.lease();
    let (renew_every, shared) = match &core.cluster {
        Cluster::Alone => (RENEW_EVERY_ALONE, false),
        Cluster::Shared(shared) => (shared.renew_every, true),
    };
    // Before the lease is over for others, whose clocks run at another pace.
    let patience = lease.saturating_sub(renew_every);
    let mut renewed = Instant::now();
    loop {
        tokio::time::sleep(renew_every).await;
        let asked = Instant::now();
        let renewal = core.store.renew_node(core.node, core.epoch, core.clock.now(), lease);
        let outcome = if shared {
            match tokio::time::timeout_at(renewed + patience, renewal).await {
                Ok(outcome) => outcome,
                Err(_) => return fence(&core, "its lease could not be renewed in time"),
            }
        } else {
            renewal.await
        };
        match outcome {
            // The database counts from when it was asked, at the latest from the answer.
            Ok(true) => renewed = asked,
            Ok(false) => {
                return fence(&core, "it was stopped by another node, or replaced by another process");
            }
            Err(reason) if shared && renewed.elapsed() >= patience => {
                tracing::warn!(error = %reason, "the lease could not be renewed");
                return fence(&core, "its lease could not be renewed in time");
            }
            // Appends are fenced, so a late renewal endangers nothing.
            Err(reason) => {
                tracing::warn!(node.id = %core.node, error = %reason, "the lease could not be renewed; trying again");
            }
        }
    }
}

fn fence(core: &Core, reason: &str) {
    tracing::error!(
        node.id = %core.node, epoch = core.epoch,
        "node {} stops driving runs: {reason}", core.node
    );
    core.soft.cancel();
    core.hard.cancel();
}

/// Condemns nodes and takes over what they left, until the engine stops taking work.
pub(crate) async fn watch(core: Arc<Core>, shared: Shared) {
    let mut rest_until = Instant::now();
    let mut hand_back_at = Instant::now() + shared.look_again;
    loop {
        match look_for_drains(&core).await {
            Ok(true) => rest_until = Instant::now(),
            Ok(false) => {}
            Err(reason) => {
                tracing::warn!(error = %reason, "what operators want of regions could not be read; trying again");
            }
        }
        match condemn(&core).await {
            Ok(true) => rest_until = Instant::now(),
            Ok(false) => {}
            Err(reason) => tracing::warn!(error = %reason, "nodes could not be looked at; trying again"),
        }
        if rest_until <= Instant::now() {
            match take_over(&core, &shared).await {
                Ok(Left::Nothing | Left::Running) => {}
                Ok(Left::ToOthers) => rest_until = Instant::now() + shared.look_again,
                Err(reason) => {
                    tracing::warn!(error = %reason, "runs of nodes that are gone could not be taken over; trying again");
                }
            }
        }
        if hand_back_at <= Instant::now() {
            let pause = match hand_back(&core).await {
                Ok(true) => HAND_BACK_EVERY,
                Ok(false) => shared.look_again,
                Err(reason) => {
                    tracing::warn!(error = %reason, "runs could not be handed back to their regions; trying again");
                    shared.look_again
                }
            };
            hand_back_at = Instant::now() + pause;
        }
        tokio::select! {
            () = core.soft.cancelled() => return,
            () = tokio::time::sleep(shared.look_every) => {}
        }
    }
}

/// Whether any node was condemned now.
async fn condemn(core: &Core) -> Result<bool, levqor_store::Error> {
    let condemned = core.store.condemn_nodes(core.node, core.clock.now()).await?;
    for node in &condemned {
        tracing::error!(
            node.id = %node.id, node.region = %node.region,
            "node {} in {} gave no sign until its lease was over; its runs go on elsewhere", node.id, node.region
        );
    }
    Ok(!condemned.is_empty())
}

/// What there is left after a look.
enum Left {
    Nothing,
    /// Runs that are taken once they rest.
    Running,
    /// Runs that only others may take.
    ToOthers,
}

/// Whether what operators want of regions has changed.
async fn look_for_drains(core: &Core) -> Result<bool, levqor_store::Error> {
    let (before, drains) = (core.drains.all(), core.store.drains().await?);
    if *before == drains {
        return Ok(false);
    }
    let was_drained = core.is_drained();
    core.drains.set(drains);
    match (was_drained, core.is_drained()) {
        (false, true) => tracing::warn!(
            "region {} is drained: nothing begins here, and other regions take over what they may",
            core.region
        ),
        (true, false) => tracing::info!("region {} is not drained any more", core.region),
        _ => {}
    }
    // Runs may begin here again that nobody else could have.
    core.backlog.forget();
    Ok(true)
}

async fn take_over(core: &Arc<Core>, shared: &Shared) -> Result<Left, levqor_store::Error> {
    let left = core.store.left_runs().await?;
    let drains = core.drains.all();
    let drained = if drains.is_empty() { Vec::new() } else { core.store.drained_runs().await? };
    if left.is_empty() && drained.is_empty() {
        return Ok(Left::Nothing);
    }
    let nodes = core.store.nodes(Some(core.clock.now())).await?;
    // Nothing goes to a region that is drained.
    let live: BTreeSet<RegionCode> =
        nodes.into_iter().map(|node| node.region).filter(|code| !core.drains.has(code)).collect();
    let is_ours = |group: &LeftRuns| {
        let target = core.drains.target_of(&group.region);
        goes_to(group, target.as_ref(), &shared.regions, &live).as_ref() == Some(&core.region)
    };
    let mut taken = 0;
    let mut emptied = BTreeSet::new();
    let mut to_others = false;
    let mut running = false;
    for group in left {
        emptied.insert(group.node);
        if group.runs == 0 {
            continue;
        }
        if is_ours(&group) {
            taken += take_group(core, group, Taking::Left).await?;
        } else {
            to_others = true;
        }
    }
    for group in drained {
        if !is_ours(&group) {
            continue;
        }
        let since = drains.iter().find(|drain| drain.region == group.region).map(|drain| drain.at);
        let waited = since.is_some_and(|at| at + drains::CALLS_PATIENCE <= core.clock.now());
        taken += take_group(core, group, Taking::Drained { running: waited }).await?;
        running |= !waited;
    }
    for node in emptied {
        core.store.node_emptied(node, core.clock.now()).await?;
    }
    if taken > 0 {
        // What is running is loaded, timers and listeners are read anew.
        core.backlog.forget();
        core.spawn(approvals::tell_all(Arc::clone(core)));
    }
    Ok(match (running, to_others || !drains.is_empty()) {
        (true, _) => Left::Running,
        // What a drained region keeps asks for a look at all runs, too.
        (false, true) => Left::ToOthers,
        (false, false) => Left::Nothing,
    })
}

/// From whom runs are taken.
#[derive(Debug, Clone, Copy)]
enum Taking {
    /// A node that was stopped.
    Left,
    /// A node that lives, in a region that is drained.
    Drained { running: bool },
}

async fn take_group(core: &Core, group: LeftRuns, taking: Taking) -> Result<u64, levqor_store::Error> {
    let begun = Instant::now();
    let taker = Taker { node: core.node, epoch: core.epoch, region: core.region.clone() };
    let (mut total, mut after) = (0, None);
    loop {
        let (group, taker, now) = (group.clone(), taker.clone(), core.clock.now());
        let (taken, last) = match taking {
            Taking::Left => core.store.take_over(group, taker, after, TAKEN_AT_ONCE, now).await?,
            Taking::Drained { running } => {
                core.store.take_drained(group, running, taker, after, TAKEN_AT_ONCE, now).await?
            }
        };
        total += taken;
        if last.is_none() {
            break;
        }
        after = last;
        // The first are on their way while the rest is taken.
        core.backlog.forget();
    }
    if total > 0 {
        tracing::warn!(
            runs = total, from.node = %group.node, from.region = %group.region,
            seconds = begun.elapsed().as_secs_f64(),
            "{total} runs of node {} in {} go on here, in {}", group.node, group.region, core.region
        );
    }
    Ok(total)
}

/// The region where runs go whose node is gone: the one that an operator has named, else their own when anybody lives there,
/// else the next in the operator's order that their residency allows. None: they wait.
fn goes_to(
    left: &LeftRuns,
    target: Option<&RegionCode>,
    regions: &RegionRegistry,
    live: &BTreeSet<RegionCode>,
) -> Option<RegionCode> {
    let listed = regions.all().iter().map(|region| &region.code);
    target
        .into_iter()
        .chain(std::iter::once(&left.home_region))
        .chain(listed)
        .chain(live)
        .find(|code| live.contains(*code) && regions.allows(&left.residency, code))
        .cloned()
}

/// Gives runs that wait here, and are at home elsewhere, back to regions that have been there for a while. False: there are
/// none.
async fn hand_back(core: &Core) -> Result<bool, levqor_store::Error> {
    let away = core.store.regions_away(core.node, core.region.clone()).await?;
    if away.is_empty() {
        return Ok(false);
    }
    let now = core.clock.now();
    let mut settled: BTreeMap<RegionCode, NodeId> = BTreeMap::new();
    for node in core.store.nodes(Some(now)).await? {
        if node.started_at + SETTLED <= now && !core.drains.has(&node.region) {
            settled.entry(node.region).or_insert(node.id);
        }
    }
    for home in away {
        let Some(to) = settled.get(&home) else { continue };
        let here: Vec<RunId> = core.registry.ids();
        let given = core
            .store
            .hand_back(core.node, home.clone(), *to, here, HANDED_AT_ONCE, nudges::look(), now)
            .await?;
        if given > 0 {
            tracing::info!(runs = given, "{given} runs went home to {home}");
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use levqor_model::{SeededRandom, Timestamp};

    use super::*;

    #[test]
    fn runs_go_home_then_in_the_operators_order_where_they_may() {
        let regions = RegionRegistry::default();
        let code = |text: &str| text.parse::<RegionCode>().unwrap();
        let list = |codes: &[&str]| codes.iter().map(|text| code(text)).collect::<BTreeSet<_>>();
        let pinned = |codes: &[&str]| Residency::Regions(codes.iter().map(|text| code(text)).collect());
        let us = || Residency::Jurisdiction("US".to_owned());
        let rows = [
            ("us-east", Residency::Anywhere, &["eu-west", "us-east"][..], Some("us-east")),
            ("us-east", Residency::Anywhere, &["ap-south", "eu-west"], Some("eu-west")),
            ("us-east", Residency::Anywhere, &["ap-south"], Some("ap-south")),
            ("us-east", Residency::Anywhere, &[], None),
            ("us-east", pinned(&["us-east", "ap-south"]), &["eu-west", "ap-south"], Some("ap-south")),
            ("us-east", us(), &["eu-west", "ap-south"], None),
            ("eu-west", us(), &["eu-west", "us-east"], Some("us-east")),
            // A region that this node's configuration does not know is the last.
            ("us-east", Residency::Anywhere, &["mars"], Some("mars")),
            ("us-east", us(), &["mars"], None),
        ];
        for (home, residency, live, expected) in rows {
            let left = LeftRuns {
                node: NodeId::new(Timestamp::from_seconds(1), &SeededRandom::new(1)),
                region: code("us-east"),
                home_region: code(home),
                residency,
                runs: 1,
            };
            let found = goes_to(&left, None, &regions, &list(live));
            assert_eq!(found, expected.map(code), "{left:?} among {live:?}");
            // A target counts when somebody lives there and the runs may be there.
            let target = code("ap-south");
            let may = live.contains(&"ap-south") && regions.allows(&left.residency, &target);
            let found = goes_to(&left, Some(&target), &regions, &list(live));
            assert_eq!(found, if may { Some(target) } else { expected.map(code) }, "{left:?} to a target");
        }
    }
}
