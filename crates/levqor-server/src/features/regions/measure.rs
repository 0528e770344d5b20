//! What a node observes of itself and of other regions, every few seconds: the evidence that regions are judged by.
//!
//! Bounded: one node of each other region is asked, all at once, and the last few round trips are kept.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use levqor_model::{NodeId, RegionCode};
use levqor_store::regions::{NodeState, Seen, Standby};
use tokio::sync::OnceCell;

use super::service::FRESH;
use crate::{
    App,
    features::{health, metrics},
};

/// Round trips to a region that are kept: their middle is told.
const KEPT: usize = 15;
/// A region that does not answer in this time has no distance.
const PATIENCE: Duration = Duration::from_secs(2);
/// Regions that are asked.
const REGIONS_MAX: usize = 32;
/// Counting runs is a walk over the live ones: once for all who ask within this time.
const OWNED_KEPT: Duration = Duration::from_secs(1);

/// How many live runs each node owns.
type Owned = Vec<(NodeId, i64)>;

#[derive(Debug, Default)]
struct Memory {
    client: OnceCell<reqwest::Client>,
    trips: Mutex<BTreeMap<RegionCode, VecDeque<i64>>>,
    standbys: Mutex<Option<(Instant, Vec<Standby>)>>,
    owned: tokio::sync::Mutex<Option<(Instant, Owned)>>,
}

/// Looks at everything once, and notes it.
///
/// # Errors
/// When the store cannot be reached.
pub(crate) async fn round(app: &App) -> Result<(), levqor_store::Error> {
    let memory = app.memory(|_| Memory::default());
    note_self(app).await?;
    if !app.store.is_shared() {
        return Ok(());
    }
    // Without them the distances are still worth knowing.
    match app.store.standbys().await {
        Ok(standbys) => {
            *memory.standbys.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((Instant::now(), standbys));
        }
        Err(reason) => tracing::warn!(error = %reason, "the primary does not tell of its standbys"),
    }
    let seen = app.store.seen_of_regions(app.now()).await?;
    let found = distances(&memory, neighbours(&seen, &app.region.code)).await;
    app.store.note_latencies(app.node, found, app.now()).await
}

async fn note_self(app: &App) -> Result<(), levqor_store::Error> {
    let readiness = health::service::readiness(app).await;
    let state = NodeState {
        node: app.node,
        url: app.settings.advertise_url.clone(),
        key_id: app.keyring.identity(),
        migration: levqor_store::Store::migration_expected(),
        ready: readiness.is_ready(),
        reason: readiness.failure(),
        clock_ahead_us: health::service::clock_ahead(app).await.map(|(ahead, _)| ahead),
        load: Some(metrics::load(app)),
        age: Duration::ZERO,
    };
    app.store.note_node_state(state, app.now()).await
}

/// One node of each other region that says where it is reached: the newest.
fn neighbours(seen: &Seen, own: &RegionCode) -> BTreeMap<RegionCode, String> {
    let mut found = BTreeMap::new();
    for node in seen.nodes.iter().filter(|node| node.region != *own) {
        let url = seen.states.iter().find(|state| state.node == node.id).and_then(|state| state.url.clone());
        if let Some(url) = url
            && found.len() < REGIONS_MAX
        {
            found.entry(node.region.clone()).or_insert(url);
        }
    }
    found
}

/// Region, median in microseconds, how many round trips.
async fn distances(memory: &Memory, asked: BTreeMap<RegionCode, String>) -> Vec<(RegionCode, i64, i64)> {
    let Ok(client) = memory.client.get_or_try_init(async || client()).await else { return Vec::new() };
    let trips = join_all(asked.iter().map(|(region, url)| trip(client, url, region))).await;
    let mut kept = memory.trips.lock().unwrap_or_else(PoisonError::into_inner);
    kept.retain(|region, _| asked.contains_key(region));
    for (region, trip) in asked.keys().zip(trips) {
        match trip {
            Some(trip) => {
                let ring = kept.entry(region.clone()).or_default();
                ring.truncate(KEPT - 1);
                ring.push_front(trip);
            }
            // What it was before says nothing about a region that does not answer.
            None => drop(kept.remove(region)),
        }
    }
    kept.iter()
        .filter_map(|(region, ring)| {
            let mut all: Vec<i64> = ring.iter().copied().collect();
            Some((region.clone(), median(&mut all)?, i64::try_from(ring.len()).ok()?))
        })
        .collect()
}

fn client() -> Result<reqwest::Client, reqwest::Error> {
    // Fails when a provider of cryptography is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        reqwest::Client::builder()
            .user_agent(concat!("levqor/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
    };
    // A machine without root certificates can still reach its neighbours over plain HTTP.
    builder().build().or_else(|_| builder().tls_certs_only([]).build())
}

/// A request and its answer, in microseconds, on a connection that stays open. None: no good answer, or somebody else's.
async fn trip(client: &reqwest::Client, url: &str, region: &RegionCode) -> Option<i64> {
    let began = Instant::now();
    let answer = client.get(format!("{url}/health")).send().await.ok()?;
    let took = began.elapsed();
    let there = answer.headers().get("x-levqor-region").map(|value| value.as_bytes());
    let good = answer.status().is_success() && there == Some(region.as_str().as_bytes());
    // Read to its end, so that the connection can be used again.
    answer.bytes().await.ok()?;
    good.then(|| i64::try_from(took.as_micros()).ok())?
}

/// The middle; of an even number the lower one.
pub(super) fn median(values: &mut [i64]) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// Who follows the primary, as this node saw it lately.
pub(super) fn standbys(app: &App) -> Vec<Standby> {
    let memory = app.memory(|_| Memory::default());
    let seen = memory.standbys.lock().unwrap_or_else(PoisonError::into_inner);
    match &*seen {
        Some((at, standbys)) if at.elapsed() <= FRESH => standbys.clone(),
        _ => Vec::new(),
    }
}

/// How many live runs each node owns, at most a second ago.
pub(super) async fn owned_runs(app: &App) -> Result<Owned, levqor_store::Error> {
    let memory = app.memory(|_| Memory::default());
    let mut kept = memory.owned.lock().await;
    if let Some((at, owned)) = &*kept
        && at.elapsed() < OWNED_KEPT
    {
        return Ok(owned.clone());
    }
    let owned = app.store.owned_runs().await?;
    *kept = Some((Instant::now(), owned.clone()));
    Ok(owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_nothing_is_nothing() {
        for (mut values, expected) in
            [(vec![], None), (vec![3], Some(3)), (vec![9, 1, 5], Some(5)), (vec![4, 2, 8, 6], Some(4))]
        {
            assert_eq!(median(&mut values), expected, "{values:?}");
        }
    }
}
