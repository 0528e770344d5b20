//! Somebody who asks the edge, many times a second, what it thinks of the regions.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::ensure;
use levqor_testkit::Client;
use tokio::task::JoinHandle;

use super::{cluster::REGIONS, look::PATIENCE};
use crate::checker::get;

const LOOK_EVERY: Duration = Duration::from_millis(50);

pub struct Verdicts {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    /// Whether a region gets requests.
    is_up: BTreeMap<String, bool>,
    /// When the edge turned away from a region, by the edge's own clock.
    turned: Vec<(String, Instant)>,
}

impl Verdicts {
    pub fn watch(client: Client) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                loop {
                    if let Some(now) = look(&client).await {
                        note(&mut lock(&seen), now);
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        });
        Self { seen, task }
    }

    /// The region that all load goes to: the first that the edge trusts. One that was lost a moment ago may have to prove itself yet.
    ///
    /// # Errors
    /// When it trusts none.
    pub async fn preferred(&self) -> anyhow::Result<usize> {
        let begun = Instant::now();
        loop {
            let trusted = |region: &&str| lock(&self.seen).is_up.get(*region).copied().unwrap_or_default();
            if let Some(region) = REGIONS.iter().position(trusted) {
                return Ok(region);
            }
            ensure!(begun.elapsed() < PATIENCE, "the edge trusts no region");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// How long after the fault it first turned away from the region, if it did; what was before is forgotten.
    pub fn turned_after(&self, region: &str, begun: Instant) -> Option<Duration> {
        let turned = std::mem::take(&mut lock(&self.seen).turned);
        let after = turned.into_iter().find(|(whose, when)| whose == region && *when >= begun);
        after.map(|(_, when)| when - begun)
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(seen: &mut Seen, now: Vec<(String, bool, Instant)>) {
    for (region, is_up, since) in now {
        if seen.is_up.insert(region.clone(), is_up) == Some(true) && !is_up {
            seen.turned.push((region, since));
        }
    }
}

impl Drop for Verdicts {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether each region gets requests, and since when: the latest moment that the answer allows, so that no figure is too good.
async fn look(client: &Client) -> Option<Vec<(String, bool, Instant)>> {
    let health = get(client, "/edge/health").await.ok()?;
    let of = |origin: &serde_json::Value| {
        let since = Duration::try_from_secs_f64(origin["since_seconds"].as_f64()?).ok()?;
        let region = origin["region"].as_str()?.to_owned();
        Some((region, origin["verdict"] == "up", Instant::now().checked_sub(since)?))
    };
    Some(health["origins"].as_array()?.iter().filter_map(of).collect())
}
