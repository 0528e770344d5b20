//! What edges are told of the regions, signed.
//!
//! All nodes sign with the same key.

use std::{collections::BTreeSet, time::Duration};

use levqor_engine::keyring::REGION_SNAPSHOT_SEED;
use levqor_model::{
    PublicKey, RegionCode, RegionRegistry, RegionSnapshot, SignedSnapshot, SigningKey, SnapshotError,
    SnapshotOrigin, SnapshotRegion, Timestamp,
};
use levqor_store::regions::Seen;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::service::{nodes_of, status};
use crate::{
    App,
    agreed_key::{self, agreed_key},
};

/// Edges route by an old document too, and say so.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Documents of the same content differ no more often than this, so that edges do not write them to disk at each look.
const ISSUED_EVERY: i64 = 600;

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Store(#[from] levqor_store::Error),
    #[error(transparent)]
    Key(#[from] agreed_key::Error),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("the content of the region snapshot cannot be read")]
    Content(#[source] serde_json::Error),
}

#[derive(Debug, Default)]
struct Memory(OnceCell<SigningKey>);

/// What gets a number: everything but times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    regions: Vec<SnapshotRegion>,
    preference: Vec<RegionCode>,
}

/// The document of now, signed.
///
/// # Errors
/// [`Error`].
pub(super) async fn signed(app: &App) -> Result<SignedSnapshot, Error> {
    let registry = app.regions.clone();
    let compose = move |seen: &Seen| {
        // Codes, names and texts always have a JSON form.
        serde_json::to_string(&content(&registry, seen)).unwrap_or_default()
    };
    let kept = app.store.number_snapshot(app.now(), compose).await?;
    let Content { regions, preference } = serde_json::from_str(&kept.content).map_err(Error::Content)?;
    let issued_at = Timestamp::from_seconds(app.now().as_seconds().div_euclid(ISSUED_EVERY) * ISSUED_EVERY);
    let snapshot = RegionSnapshot {
        sequence: kept.sequence,
        issued_at,
        expires_at: issued_at + LIFETIME,
        regions,
        preference,
    };
    let memory = app.memory(|_| Memory::default());
    Ok(snapshot.sign(memory.0.get_or_try_init(|| signer(app)).await?)?)
}

/// What edges are configured with.
///
/// # Errors
/// [`Error`].
pub(super) async fn public_key(app: &App) -> Result<PublicKey, Error> {
    let memory = app.memory(|_| Memory::default());
    Ok(memory.0.get_or_try_init(|| signer(app)).await?.public_key())
}

async fn signer(app: &App) -> Result<SigningKey, agreed_key::Error> {
    agreed_key(app, REGION_SNAPSHOT_SEED).await
}

/// By what is in the database only, so that all nodes say the same.
fn content(registry: &RegionRegistry, seen: &Seen) -> Content {
    let mut urls = BTreeSet::new();
    let regions = registry.all().iter().map(|region| {
        let nodes = nodes_of(seen, &region.code);
        let drained = seen.drains.iter().any(|drain| drain.region == region.code);
        let ready = nodes.iter().any(|node| node.ready);
        // Newest first: of two with one address, the older one is just gone.
        let mut origins: Vec<SnapshotOrigin> = nodes
            .iter()
            .filter_map(|node| {
                let url = node.state.as_ref()?.url.clone()?;
                urls.insert(url.clone()).then(|| SnapshotOrigin { name: node.node.id.to_string(), url })
            })
            .collect();
        origins.sort_by(|left, right| left.name.cmp(&right.name));
        SnapshotRegion {
            code: region.code.clone(),
            status: Some(status(region, drained, nodes.len(), ready).0),
            origins,
        }
    });
    let regions = regions.collect();
    Content { regions, preference: registry.all().iter().map(|region| region.code.clone()).collect() }
}
