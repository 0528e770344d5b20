//! Where probes look: regions as their nodes tell of them, and what is written in definitions.
//!
//! A region whose nodes are gone is looked at where they were, for a day: that nobody is there any more is what is to be seen. A region
//! whose nodes all ended in order is not.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use levqor_model::RegionCode;
use levqor_store::{Error, regions::Seen};
use tokio::time::Instant;

use super::{
    definition::{At, Definition, Http, Kind},
    look::Target,
};
use crate::App;

/// Addresses of one region.
const ADDRESSES_MAX: usize = 8;
const REGIONS_MAX: usize = 32;
/// How long a region without nodes is looked at.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// What is known of regions.
#[derive(Debug, Default)]
pub(super) struct Targets(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    regions: BTreeMap<RegionCode, Place>,
    /// Whether this node does for its region what one node does.
    leads: bool,
}

#[derive(Debug, Clone)]
struct Place {
    addresses: Vec<String>,
    /// When a node lived there.
    lived_at: Instant,
}

impl Targets {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this node goes the journeys of its region.
    pub(super) fn leads(&self) -> bool {
        self.known().leads
    }

    /// What the probe looks at.
    pub(super) fn of(&self, definition: &Definition) -> Vec<Target> {
        if !definition.kind.is_of_regions() {
            return vec![Target { name: written(&definition.kind), region: None, addresses: Vec::new() }];
        }
        let target = |(region, place): (&RegionCode, &Place)| Target {
            name: region.to_string(),
            region: Some(region.clone()),
            addresses: place.addresses.clone(),
        };
        self.known().regions.iter().map(target).collect()
    }

    /// Learns where regions are.
    ///
    /// # Errors
    /// When the store cannot be asked; what was known stays.
    pub(super) async fn learn(&self, app: &App) -> Result<(), Error> {
        let own = own_address(app);
        if !app.store.is_shared() {
            let mut known = self.known();
            known.leads = true;
            note(&mut known.regions, &app.region.code, own.into_iter().collect());
            return Ok(());
        }
        let seen = app.store.seen_of_regions(app.now()).await?;
        let missing: Vec<RegionCode> = {
            let lives = |region: &&RegionCode| seen.nodes.iter().any(|node| node.region == **region);
            self.known().regions.keys().filter(|region| !lives(region)).cloned().collect()
        };
        let stopped = if missing.is_empty() { Vec::new() } else { ended(app, missing).await? };
        let mut known = self.known();
        known.leads = leads(app, &seen);
        for (region, addresses) in living(&seen) {
            note(&mut known.regions, &region, addresses);
        }
        // Of itself it knows more than it has told so far.
        if let Some(own) = own
            && !known.regions.contains_key(&app.region.code)
        {
            note(&mut known.regions, &app.region.code, vec![own]);
        }
        known
            .regions
            .retain(|region, place| place.lived_at.elapsed() < REMEMBERED && !stopped.contains(region));
        Ok(())
    }
}

fn note(regions: &mut BTreeMap<RegionCode, Place>, region: &RegionCode, addresses: Vec<String>) {
    if addresses.is_empty() || (regions.len() >= REGIONS_MAX && !regions.contains_key(region)) {
        return;
    }
    regions.insert(region.clone(), Place { addresses, lived_at: Instant::now() });
}

/// Nodes that live and have said where they are, by region.
fn living(seen: &Seen) -> BTreeMap<RegionCode, Vec<String>> {
    let mut found: BTreeMap<RegionCode, Vec<String>> = BTreeMap::new();
    for node in &seen.nodes {
        let url = seen.states.iter().find(|state| state.node == node.id).and_then(|state| state.url.clone());
        let places = found.entry(node.region.clone()).or_default();
        if let Some(url) = url
            && places.len() < ADDRESSES_MAX
        {
            places.push(url);
        }
    }
    found
}

/// The first of its region's nodes.
fn leads(app: &App, seen: &Seen) -> bool {
    let of_region = seen.nodes.iter().filter(|node| node.region == app.region.code);
    of_region.map(|node| node.id).min() == Some(app.node)
}

/// Of regions without a node, those whose last one ended in order: there is nothing to be missed.
async fn ended(app: &App, missing: Vec<RegionCode>) -> Result<Vec<RegionCode>, Error> {
    // Newest first.
    let nodes = app.store.nodes(None).await?;
    let in_order = |region: &RegionCode| {
        let last = nodes.iter().find(|node| node.region == *region);
        last.is_some_and(|node| node.stop_reason.as_deref() == Some("drained"))
    };
    Ok(missing.into_iter().filter(in_order).collect())
}

/// Where this node is reached: as it tells the others, or where it listens.
fn own_address(app: &App) -> Option<String> {
    let told = app.settings.advertise_url.clone();
    told.or_else(|| app.health.listening().map(|address| format!("http://{}", reachable(address))))
}

/// A listener on "any address" is reached over the loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// How a target that is no region is named: without paths and queries, which may hold secrets.
pub(super) fn written(kind: &Kind) -> String {
    match kind {
        Kind::Http(Http { at: At::Url(url), .. }) => {
            let host = url.host_str().unwrap_or_default();
            match url.port() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            }
        }
        Kind::Tcp(at) => place(&at.host, at.port),
        Kind::Tls(tls) => place(&tls.at.host, tls.at.port),
        Kind::Dns(dns) => dns.name.clone(),
        Kind::Database => "database".to_owned(),
        Kind::Http(Http { at: At::Regions { .. }, .. }) | Kind::Journey(_) => "regions".to_owned(),
    }
}

fn place(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
