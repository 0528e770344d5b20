//! Words about incidents: disturbances that people deal with.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    Severity,
    run_status::{UnknownWord, words},
};

words!(
    /// How bad an incident is. The mildest comes first in order.
    #[derive(PartialOrd, Ord)]
    IncidentLevel, "l1, l2, l3, l4" {
        /// Low: a single feature, and no payment is touched.
        L1 = "l1",
        /// Medium: several features.
        L2 = "l2",
        /// High: payments are down, or data may be lost.
        L3 = "l3",
        /// Critical: a breach, or everything is out.
        L4 = "l4",
    }
);

impl IncidentLevel {
    /// As people say it.
    pub const fn title(self) -> &'static str {
        match self {
            IncidentLevel::L1 => "L1 low",
            IncidentLevel::L2 => "L2 medium",
            IncidentLevel::L3 => "L3 high",
            IncidentLevel::L4 => "L4 critical",
        }
    }

    /// How bad messages about it are.
    pub const fn severity(self) -> Severity {
        match self {
            IncidentLevel::L1 => Severity::Minor,
            IncidentLevel::L2 => Severity::Major,
            IncidentLevel::L3 | IncidentLevel::L4 => Severity::Critical,
        }
    }
}

words!(
    /// How far people are with an incident. The order is the usual one, but none is compulsory.
    #[derive(PartialOrd, Ord)]
    IncidentState, "investigating, identified, monitoring, resolved" {
        /// The cause is not known yet.
        Investigating = "investigating",
        /// The cause is known.
        Identified = "identified",
        /// Something was done, and it is watched whether that helped.
        Monitoring = "monitoring",
        /// It is over.
        Resolved = "resolved",
    }
);

words!(
    /// What a person does in an incident.
    IncidentRole, "commander, communications, operations" {
        /// Decides, and keeps the whole in view.
        Commander = "commander",
        /// Tells everybody else.
        Communications = "communications",
        /// Works on the systems.
        Operations = "operations",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_and_worse_ones_are_told_louder() {
        assert!(IncidentLevel::ALL.is_sorted());
        // The worst severity comes first.
        assert!(IncidentLevel::ALL.windows(2).all(|two| two[0].severity() >= two[1].severity()));
        for level in IncidentLevel::ALL {
            assert!(level.title().to_lowercase().starts_with(level.as_str()));
            assert_eq!(level.as_str().parse(), Ok(*level));
        }
    }
}
