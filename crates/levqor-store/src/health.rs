//! Health samples: the evidence behind the status page.

use levqor_model::{NodeId, RegionCode, Timestamp};

use crate::{Error, Store};

/// One observation of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub region: RegionCode,
    pub node: NodeId,
    /// `api`, `database`, `engine`, …
    pub component: String,
    pub at: Timestamp,
    pub good: bool,
    pub latency_us: Option<i64>,
    /// Why it is not good.
    pub reason: Option<String>,
}

/// A day of one component in one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleDay {
    pub region: String,
    pub component: String,
    pub day: levqor_model::Date,
    pub good: i64,
    pub total: i64,
}

impl Store {
    pub async fn add_samples(&self, _samples: Vec<Sample>) -> Result<(), Error> {
        unimplemented!("add_samples")
    }

    /// The newest sample of each component in each region.
    pub async fn latest_samples(&self) -> Result<Vec<Sample>, Error> {
        unimplemented!("latest_samples")
    }

    /// Sums per day from that day on, oldest first.
    pub async fn sample_days(&self, _from: levqor_model::Date) -> Result<Vec<SampleDay>, Error> {
        unimplemented!("sample_days")
    }

    pub async fn first_sample_at(&self, _region: RegionCode) -> Result<Option<Timestamp>, Error> {
        unimplemented!("first_sample_at")
    }

    /// Drops single samples; the daily sums stay.
    pub async fn prune_samples(&self, _before: Timestamp) -> Result<(), Error> {
        unimplemented!("prune_samples")
    }
}
