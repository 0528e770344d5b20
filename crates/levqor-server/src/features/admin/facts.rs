//! What the screen of operators and `GET /api/ops/overview` show, as values.
//!
//! What could not be asked for is not there, and the part that it belongs to says why.

use std::collections::BTreeMap;

use levqor_model::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// How something is. The order is how much it is a reason to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OverviewStanding)]
pub(super) enum Standing {
    /// There is none of it here: nothing good, and nothing bad.
    NotSetUp,
    AllRight,
    /// There is no fresh evidence.
    Unknown,
    /// Somebody should look at it in working hours.
    Attention,
    /// Somebody should look at it now.
    Trouble,
}

/// How everything is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = OverviewVerdict)]
pub(super) struct Verdict {
    pub(super) standing: Standing,
    /// What is so: the worst of it.
    #[schema(example = "Incident: hooks fail")]
    pub(super) sentence: String,
    /// Since when; left out when it is not known, or when everything is all right.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) since: Option<Timestamp>,
    /// The part that it is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "incidents")]
    pub(super) part: Option<&'static str>,
    /// Where the cause is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/admin/incidents")]
    pub(super) link: Option<String>,
    /// How many parts are not all right.
    pub(super) parts_not_right: usize,
    /// Parts that there are none of here, and that the verdict says nothing about.
    pub(super) not_set_up: Vec<&'static str>,
}

/// A part of the platform.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = OverviewPart)]
pub(super) struct Part {
    #[schema(example = "alerts")]
    pub(super) name: &'static str,
    pub(super) standing: Standing,
    /// The worst of its matters, or how it is.
    pub(super) sentence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) since: Option<Timestamp>,
    #[schema(example = "/admin/alerts")]
    pub(super) link: String,
    /// What is not all right, the worst first; at most 20.
    pub(super) matters: Vec<Matter>,
    pub(super) matters_total: usize,
}

/// Something that is not all right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OverviewMatter)]
pub(super) struct Matter {
    pub(super) standing: Standing,
    pub(super) sentence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) since: Option<Timestamp>,
    pub(super) link: String,
}

/// Whether everything is all right, and if not, what and since when.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Overview)]
pub(super) struct Overview {
    #[schema(value_type = String, format = DateTime)]
    pub(super) at: Timestamp,
    /// The one that answers.
    #[schema(example = "eu-west")]
    pub(super) region: String,
    pub(super) node: String,
    pub(super) version: String,
    pub(super) verdict: Verdict,
    /// In the order in which they are asked for a cause.
    pub(super) parts: Vec<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) regions: Option<Vec<RegionFact>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nodes: Option<Vec<NodeFact>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) slos: Option<Vec<SloFact>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alerts: Option<AlertsFact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) incidents: Option<Vec<IncidentFact>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jobs: Option<Vec<JobFact>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) probes: Option<ProbesFact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) queues: Option<QueuesFact>,
    /// Left out while no cost was ever collected, and when they cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) costs: Option<CostsFact>,
    /// Why costs cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) costs_unknown: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tickets: Option<TicketsFact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tamper: Option<Vec<PlaceFact>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) drift: Option<Vec<DriftFact>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) accounts: Option<i64>,
    /// Addresses without a key that get many errors, as this region knows them.
    pub(super) suspicious_addresses: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = OverviewRegion)]
pub(super) struct RegionFact {
    #[schema(example = "eu-west")]
    pub(super) code: String,
    pub(super) name: String,
    /// `active`, `draining`, `down` or `planned`.
    #[schema(example = "active")]
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// Since when it is drained, or when a node lived there last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) since: Option<Timestamp>,
    pub(super) nodes_live: usize,
    /// Live runs that its nodes drive.
    pub(super) runs: i64,
    /// Measured round trips to other regions.
    pub(super) latency_ms: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OverviewNode)]
pub(super) struct NodeFact {
    #[schema(example = "node_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    pub(super) id: String,
    #[schema(example = "eu-west")]
    pub(super) region: String,
    pub(super) version: String,
    /// `ready`, `not_ready`, `unknown` when it has not said how it is, `late` when its lease is over and nobody has stopped it yet.
    #[schema(example = "ready")]
    pub(super) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub(super) started_at: Timestamp,
    /// When its lease was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) late_since: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = OverviewSlo)]
pub(super) struct SloFact {
    #[schema(example = "requests")]
    pub(super) name: String,
    pub(super) title: String,
    /// `met`, `quiet`, `slow`, `burning`, `exhausted` or `unknown`.
    #[schema(example = "met")]
    pub(super) status: &'static str,
    /// Why nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unknown: Option<String>,
    pub(super) target_percent: f64,
    /// What is left of the budget; below zero when more than all of it is spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left_percent: Option<f64>,
    /// How many times as fast as allowed it was spent in the last hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) burn_of_hour: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OverviewAlerts)]
pub(super) struct AlertsFact {
    pub(super) firing: usize,
    /// Not for long enough to tell anybody.
    pub(super) pending: usize,
    /// Whether somebody has looked within the last minute.
    pub(super) looked_for: bool,
    /// Those that fire first, then the worst; at most 50.
    pub(super) open: Vec<AlertFact>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OverviewAlert)]
pub(super) struct AlertFact {
    #[schema(example = "alr_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    pub(super) id: String,
    #[schema(example = "slo.burn")]
    pub(super) rule: String,
    pub(super) subject: String,
    /// `critical`, `major` or `minor`.
    #[schema(example = "critical")]
    pub(super) severity: &'static str,
    /// `pending` or `firing`.
    #[schema(example = "firing")]
    pub(super) state: &'static str,
    pub(super) summary: String,
    #[schema(value_type = String, format = DateTime)]
    pub(super) since: Timestamp,
    /// Who has taken it on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acknowledged_by: Option<String>,
    /// Nobody is told of it.
    pub(super) silenced: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OverviewIncident)]
pub(super) struct IncidentFact {
    #[schema(example = "inc_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    pub(super) id: String,
    pub(super) title: String,
    /// `l1`, `l2`, `l3` or `l4`, which is the worst.
    #[schema(example = "l3")]
    pub(super) level: &'static str,
    #[schema(example = "investigating")]
    pub(super) state: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub(super) since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acknowledged_by: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OverviewJob)]
pub(super) struct JobFact {
    #[schema(example = "cost_collector")]
    pub(super) id: &'static str,
    /// `active`, `running`, `paused`, or `unknown` while no scheduler has begun.
    #[schema(example = "active")]
    pub(super) state: &'static str,
    /// Whether its failures call somebody.
    #[serde(skip)]
    pub(super) critical: bool,
    /// Since when it runs, or is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) since: Option<Timestamp>,
    /// How often it failed, one time after the other.
    pub(super) failures: usize,
    /// Why it is late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) late: Option<String>,
    /// How the last time ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "done")]
    pub(super) last: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) last_at: Option<Timestamp>,
    /// What it gave, or why it gave nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) next_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OverviewProbes)]
pub(super) struct ProbesFact {
    /// At most 200.
    pub(super) targets: Vec<ProbeFact>,
    /// Jobs elsewhere that tell of themselves; at most 100.
    pub(super) heartbeats: Vec<HeartbeatFact>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OverviewProbe)]
pub(super) struct ProbeFact {
    pub(super) probe: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<String>,
    /// Whether it being down calls somebody.
    #[serde(skip)]
    pub(super) critical: bool,
    /// Whether it is looked at without anybody asking; of others nothing need be known.
    pub(super) by_itself: bool,
    /// `up`, `down` or `unknown`.
    #[schema(example = "up")]
    pub(super) state: &'static str,
    /// Some regions reach it and others do not.
    pub(super) disputed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OverviewHeartbeat)]
pub(super) struct HeartbeatFact {
    pub(super) name: String,
    /// `up`, `down`, or `new` when nothing was ever heard of it.
    #[schema(example = "up")]
    pub(super) state: &'static str,
    /// It should have been heard of by now.
    pub(super) overdue: bool,
    #[schema(value_type = String, format = DateTime)]
    pub(super) since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OverviewQueues)]
pub(super) struct QueuesFact {
    /// Writes of this node that wait for the database.
    pub(super) store_waiting: usize,
    /// As many may wait.
    pub(super) store_capacity: usize,
    /// Runs that wait for their turn.
    pub(super) runs_waiting: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) runs_oldest_at: Option<Timestamp>,
    /// Why runs that should go on do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) runs_stuck: Option<String>,
    /// Whether there is an event sink.
    pub(super) sink: bool,
    /// Events that it does not have yet.
    pub(super) sink_waiting: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) sink_oldest_at: Option<Timestamp>,
    /// Since when it takes nothing, as this node finds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) sink_failing_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sink_problem: Option<String>,
    /// Messages to operators and their systems; what subscribers are told is not among them.
    pub(super) messages_waiting: i64,
    /// Of those that call somebody: for more than five minutes.
    pub(super) messages_late: u64,
    /// Given up.
    pub(super) messages_dead: u64,
    /// With nobody to go to, in the last day.
    pub(super) messages_undeliverable: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OverviewCosts)]
pub(super) struct CostsFact {
    /// In words, with what has no price.
    pub(super) summary: String,
    /// When they were collected.
    #[schema(value_type = String, format = DateTime)]
    pub(super) at: Timestamp,
}

/// Support requests that wait for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OverviewTickets)]
pub(super) struct TicketsFact {
    pub(super) open: i64,
    /// Of them, those that should have been answered.
    pub(super) late: i64,
    /// When the first of these should have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) late_since: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OverviewPlace)]
pub(super) struct PlaceFact {
    /// A machine and a data directory.
    pub(super) place: String,
    pub(super) region: String,
    /// `untouched`, `changed` or `unknown`.
    #[schema(example = "untouched")]
    pub(super) verdict: &'static str,
    pub(super) files: u64,
    pub(super) findings: u64,
    /// When the first of them was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) since: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OverviewDrift)]
pub(super) struct DriftFact {
    pub(super) region: String,
    #[schema(value_type = String, format = DateTime)]
    pub(super) at: Timestamp,
    pub(super) pass: bool,
    /// It says something of now.
    pub(super) fresh: bool,
    pub(super) findings: u64,
}
