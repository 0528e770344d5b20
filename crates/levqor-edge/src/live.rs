//! What the edge routes by in this moment: the configuration, joined with the newest region snapshot. Replaced as a whole.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use levqor_model::{RegionSnapshot, Timestamp};
use tokio::sync::watch;
use tracing::warn;

use crate::{
    affinity::Affinity,
    config::{Config, OriginSpec, Route, is_name},
    countries::Countries,
    material::Material,
    origin::Origin,
    steering::Preferences,
    upstream::Connector,
};

#[derive(Debug)]
pub struct Live {
    pub config: Config,
    pub origins: Vec<Arc<Origin>>,
    pub routes: Vec<Arc<LiveRoute>>,
    pub preferences: Preferences,
    pub affinity: Option<Affinity>,
    pub countries: Option<Arc<Countries>>,
    pub connector: Arc<Connector>,
    pub tls: Option<Arc<rustls::ServerConfig>>,
    pub loaded_at: Timestamp,
    /// By host; the longest path first.
    hosts: HashMap<String, Vec<(String, usize)>>,
}

#[derive(Debug)]
pub struct LiveRoute {
    pub route: Route,
    pub origins: Vec<Arc<Origin>>,
}

impl Live {
    /// Joins what is there. Origins that stay what they are keep their connections and what is known of them.
    pub fn build(
        config: Config,
        material: &Material,
        snapshot: Option<&RegionSnapshot>,
        previous: Option<&Live>,
        changes: &Arc<watch::Sender<u64>>,
        loaded_at: Timestamp,
    ) -> Self {
        let rules = config.rules();
        let specs = snapshot.and_then(specs).unwrap_or_else(|| config.origins.clone());
        let origins: Vec<_> = specs
            .into_iter()
            .map(|spec| {
                let known = previous.and_then(|live| live.origins.iter().find(|origin| origin.spec == spec));
                match known {
                    Some(origin) => {
                        origin.set_rules(rules);
                        Arc::clone(origin)
                    }
                    None => Origin::new(spec, rules, Arc::clone(changes)),
                }
            })
            .collect();
        let routes: Vec<_> = config
            .routes
            .iter()
            .map(|route| {
                let serves = |origin: &&Arc<Origin>| {
                    route.regions.is_empty() || route.regions.contains(&origin.spec.region)
                };
                let origins = origins.iter().filter(serves).cloned().collect();
                Arc::new(LiveRoute { route: route.clone(), origins })
            })
            .collect();
        let mut hosts: HashMap<String, Vec<(String, usize)>> = HashMap::new();
        for (number, route) in config.routes.iter().enumerate() {
            for host in &route.hosts {
                hosts.entry(host.clone()).or_default().push((route.path.clone(), number));
            }
        }
        for paths in hosts.values_mut() {
            paths.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        }
        let mut preferences = config.preferences.clone();
        if let Some(snapshot) = snapshot.filter(|snapshot| !snapshot.preference.is_empty()) {
            preferences.prefer.clone_from(&snapshot.preference);
        }
        let lifetime = config.affinity.as_ref().map(|section| Duration::from_secs(section.lifetime_seconds));
        let affinity = lifetime
            .zip(material.affinity_secret.as_ref())
            .and_then(|(lifetime, secret)| Affinity::new(secret.expose().as_bytes(), lifetime));
        let connector = Arc::new(Connector {
            tls: Arc::clone(&material.client_tls),
            timeout: Duration::from_millis(config.upstream.connect_ms),
        });
        Self {
            origins,
            routes,
            preferences,
            affinity,
            countries: material.countries.clone(),
            connector,
            tls: material.server_tls.clone(),
            loaded_at,
            hosts,
            config,
        }
    }

    /// The route for a host in lower case and a path. Err: the host is not ours at all.
    ///
    /// # Errors
    /// When no route takes the host.
    pub fn route(&self, host: &str, path: &str) -> Result<Option<&Arc<LiveRoute>>, UnknownHost> {
        let own = self.hosts.get(host);
        let any = self.hosts.get("*");
        if own.is_none() && any.is_none() {
            return Err(UnknownHost);
        }
        let found = own.into_iter().chain(any).flatten().find(|(prefix, _)| covers(prefix, path));
        Ok(found.and_then(|(_, number)| self.routes.get(*number)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownHost;

/// `prefix` itself and what is below it.
fn covers(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'))
}

/// The snapshot's origins; None when there is none that could be used.
fn specs(snapshot: &RegionSnapshot) -> Option<Vec<OriginSpec>> {
    let mut specs: Vec<OriginSpec> = Vec::new();
    let mut taken = BTreeSet::new();
    for region in &snapshot.regions {
        for origin in &region.origins {
            let Ok(url) = origin.url.parse() else {
                warn!("the region snapshot's origin {:?} has no usable address and is left out", origin.name);
                continue;
            };
            let doubled = specs.iter().any(|known| known.url == url);
            if !is_name(&origin.name) || doubled || !taken.insert(&origin.name) {
                warn!(
                    "the region snapshot's origin {:?} is doubled or badly named and is left out",
                    origin.name
                );
                continue;
            }
            specs.push(OriginSpec { name: origin.name.clone(), region: region.code.clone(), url });
        }
    }
    (!specs.is_empty()).then_some(specs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_covers_whole_path_segments() {
        for (prefix, path, covered) in [
            ("/", "/a", true),
            ("/api", "/api", true),
            ("/api", "/api/x", true),
            ("/api/", "/api/x", true),
            ("/api", "/apix", false),
            ("/api/", "/api", false),
        ] {
            assert_eq!(covers(prefix, path), covered, "{prefix} {path}");
        }
    }
}
