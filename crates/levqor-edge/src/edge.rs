//! The edge as a whole: what it routes by, who checks the origins, and the tasks that belong to it.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use levqor_model::{Clock, Random, Timestamp};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::{
    config::Config,
    hold::Waiting,
    live::Live,
    material::Material,
    metrics::Stats,
    prober::probe,
    retry::Budget,
    snapshot::{self, Keeper},
};

pub struct Edge {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) stats: Stats,
    pub(crate) budget: Budget,
    pub(crate) waiting: Waiting,
    /// Counts changes of verdicts and of the table.
    pub(crate) changes: Arc<watch::Sender<u64>>,
    pub(crate) keeper: Option<Keeper>,
    pub(crate) started_at: Timestamp,
    /// Why the newest configuration file is not in use.
    pub(crate) reload_error: Mutex<Option<String>>,
    live: RwLock<Arc<Live>>,
    material: Mutex<Material>,
    /// Checks and tunnels.
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edge").finish_non_exhaustive()
    }
}

impl Edge {
    /// Starts to check the origins. `folder` is where relative files of the configuration lie.
    pub fn start(
        config: Config,
        material: Material,
        folder: &std::path::Path,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Arc<Self> {
        let stats = Stats::default();
        let keeper = config.snapshot.as_ref().map(|section| {
            let path: PathBuf = folder.join(&section.file);
            let (keeper, refusal) = Keeper::open(section.key, path);
            if let Some(refusal) = refusal {
                warn!("the stored region snapshot is not used: {refusal}");
                stats.snapshot_refused(refusal.kind());
            }
            keeper
        });
        let changes = Arc::new(watch::Sender::new(0));
        let now = clock.now();
        let newest = keeper.as_ref().and_then(Keeper::newest);
        let budget = Budget::full(config.retries.budget_burst);
        let live = Live::build(config, &material, newest.as_deref(), None, &changes, now);
        let edge = Arc::new(Self {
            clock,
            random,
            stats,
            budget,
            waiting: Waiting::default(),
            changes,
            keeper,
            started_at: now,
            reload_error: Mutex::new(None),
            live: RwLock::new(Arc::new(live)),
            material: Mutex::new(material),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        edge.warn_of_old_countries();
        edge.check_all(&edge.live());
        edge
    }

    /// Networks move from country to country.
    fn warn_of_old_countries(&self) {
        let (live, now) = (self.live(), self.clock.now());
        if let Some(countries) = live.countries.as_ref().filter(|countries| countries.is_old(now)) {
            warn!(
                "steering.country_database was made {} days ago and may steer callers wrongly; get a newer one and send SIGHUP",
                countries.age_days(now)
            );
        }
    }

    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Routes by another configuration from now on. Requests under way go on by the old one.
    pub fn replace(&self, config: Config, material: Material) {
        *self.material.lock().unwrap_or_else(PoisonError::into_inner) = material;
        self.rebuild(Some(config), self.clock.now());
        self.warn_of_old_countries();
        *self.reload_error.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Keeps the configuration in use, and says why the newer one is not.
    pub fn refuse(&self, why: String) {
        warn!("the changed configuration is not used, the one before stays: {why}");
        self.stats.reload_failed();
        *self.reload_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// Joins anew; without a `config` with the one in use.
    fn rebuild(&self, config: Option<Config>, loaded_at: Timestamp) {
        let newest = self.keeper.as_ref().and_then(Keeper::newest);
        let material = self.material.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut place = self.live.write().unwrap_or_else(PoisonError::into_inner);
        let old = Arc::clone(&place);
        let config = config.unwrap_or_else(|| old.config.clone());
        let new =
            Arc::new(Live::build(config, &material, newest.as_deref(), Some(&old), &self.changes, loaded_at));
        *place = Arc::clone(&new);
        drop(place);
        for origin in &old.origins {
            let stays = new.origins.iter().any(|kept| Arc::ptr_eq(kept, origin));
            if !stays {
                origin.next_checks().cancel();
                origin.pool.clear();
            }
        }
        // Checks may have another rhythm now, so all of them begin anew; what is known of origins stays.
        self.check_all(&new);
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn check_all(&self, live: &Live) {
        for origin in &live.origins {
            self.check(live, origin);
        }
    }

    fn check(&self, live: &Live, origin: &Arc<crate::origin::Origin>) {
        let agent = format!("levqor-edge/{} ({})", env!("CARGO_PKG_VERSION"), live.config.name);
        let gone = origin.next_checks();
        let checks =
            probe(Arc::clone(origin), Arc::clone(&live.connector), live.config.health.clone(), agent);
        let checks = gone.run_until_cancelled_owned(checks);
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled_owned(checks).await;
        });
    }

    /// Asks the control plane for its region snapshot, again and again, until the edge stops.
    pub async fn follow_snapshots(self: Arc<Self>) {
        let Some(section) = self.live().config.snapshot.clone() else { return };
        let stop = self.stop.clone();
        loop {
            let asked = Box::pin(self.ask_for_snapshot(&section.path));
            if stop.run_until_cancelled(asked).await.is_none() {
                return;
            }
            if stop.run_until_cancelled(tokio::time::sleep(section.poll)).await.is_none() {
                return;
            }
        }
    }

    /// Asks each origin until one has a document that is good. True: the table changed.
    pub async fn ask_for_snapshot(self: &Arc<Self>, path: &str) -> bool {
        let live = self.live();
        let mut urls: Vec<_> = live.origins.iter().map(|origin| origin.spec.url.clone()).collect();
        urls.extend(live.config.origins.iter().map(|spec| spec.url.clone()));
        let mut asked = std::collections::HashSet::new();
        for url in urls.into_iter().filter(|url| asked.insert(url.clone())) {
            let fetched = snapshot::fetch(&live.connector, &url, path).await;
            let taken = match fetched {
                Ok(signed) => {
                    let (edge, now) = (Arc::clone(self), self.clock.now());
                    let taken = tokio::task::spawn_blocking(move || {
                        edge.keeper.as_ref().map_or(Ok(false), |keeper| keeper.take(signed, now))
                    });
                    match taken.await {
                        Ok(taken) => taken,
                        Err(_) => continue,
                    }
                }
                Err(refusal) => Err(refusal),
            };
            match taken {
                Ok(changed) => {
                    self.stats.snapshot_taken();
                    if changed {
                        info!("a newer region snapshot was taken from {url}");
                        self.rebuild(None, live.loaded_at);
                    }
                    return changed;
                }
                Err(refusal) => {
                    // Origins that are down are expected; lies are not.
                    if refusal.kind() == "fetch" {
                        tracing::debug!("{refusal}");
                    } else {
                        warn!("the region snapshot of {url} is not used: {refusal}");
                    }
                    self.stats.snapshot_refused(refusal.kind());
                }
            }
        }
        false
    }

    /// Ends checks and tunnels.
    pub async fn close(&self, patience: Duration) {
        self.stop.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(patience, self.tasks.wait()).await;
    }
}
