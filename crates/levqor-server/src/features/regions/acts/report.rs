//! What an act has come to, as it is kept with it. Members are only added, with defaults.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{Residency, Timestamp};
use levqor_store::regions::{Act, LeftIn, MovedTo};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was measured of an act.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(in super::super) struct Report {
    /// Phases that are over, in their order. One can come twice.
    phases: Vec<Phase>,
    /// Runs that other regions took.
    moved_runs: i64,
    /// By the region that took them.
    moved: BTreeMap<String, i64>,
    /// Runs that may be nowhere else: after a drain they go on there, after a failover they wait for the region.
    pinned_runs: i64,
    pinned: Vec<Pinned>,
    /// From the moment in which the nodes were stopped to that in which the last run had another; null when none was stopped: then
    /// a run changes hands in one step.
    longest_gap_seconds: Option<f64>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub(in super::super) struct Phase {
    #[schema(example = "handing_over")]
    name: String,
    seconds: f64,
}

/// Runs that may not leave, with the same residency.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub(in super::super) struct Pinned {
    home_region: String,
    /// `regions` or `jurisdiction` with its value.
    #[schema(value_type = serde_json::Value)]
    residency: Residency,
    runs: i64,
}

impl Report {
    /// As it was kept; one that cannot be read counts as empty.
    pub(in super::super) fn of(act: &Act) -> Self {
        serde_json::from_str(&act.report).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        // Names, numbers and texts always have a JSON form.
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }

    /// The phase of the act is over.
    pub(super) fn over(&mut self, act: &Act, now: Timestamp) {
        let seconds = now.since(act.phase_at).as_secs_f64();
        self.phases.push(Phase { name: act.phase.clone(), seconds });
    }

    pub(super) fn measure(&mut self, act: &Act, moved: &[MovedTo], pinned: &[LeftIn]) {
        self.moved_runs = moved.iter().map(|moved| moved.runs).sum();
        self.moved = moved.iter().map(|moved| (moved.region.to_string(), moved.runs)).collect();
        self.pinned_runs = pinned.iter().map(|left| left.runs).sum();
        self.pinned = pinned
            .iter()
            .map(|left| Pinned {
                home_region: left.home_region.to_string(),
                residency: left.residency.clone(),
                runs: left.runs,
            })
            .collect();
        let last = moved.iter().map(|moved| moved.last_at).max();
        self.longest_gap_seconds = last
            .filter(|_| act.verb == "failover")
            .map(|last| last.since(act.began_at))
            .as_ref()
            .map(Duration::as_secs_f64);
    }

    pub(super) fn fail(&mut self, why: String) {
        self.failure = Some(why);
    }
}
