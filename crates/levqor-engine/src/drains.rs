//! Which regions operators want empty, as this node knows it.
//!
//! A node of such a region begins no runs and takes none over; it goes on with what it has until others have taken it. They
//! take what rests at once, and what is running after a while: its calls in flight would be made again.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use levqor_model::RegionCode;
use levqor_store::regions::Drain;

/// How long calls in flight have to end before their run is taken away.
pub(crate) const CALLS_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(crate) struct Drains(RwLock<Arc<Vec<Drain>>>);

impl Drains {
    pub(crate) fn set(&self, drains: Vec<Drain>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(drains);
    }

    pub(crate) fn all(&self) -> Arc<Vec<Drain>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn has(&self, region: &RegionCode) -> bool {
        self.all().iter().any(|drain| drain.region == *region)
    }

    /// Where the runs of a region go first.
    pub(crate) fn target_of(&self, region: &RegionCode) -> Option<RegionCode> {
        self.all().iter().find(|drain| drain.region == *region)?.target.clone()
    }
}
