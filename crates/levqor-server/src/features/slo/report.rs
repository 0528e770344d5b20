//! How it stands with an objective, as it is kept, shown and told.

use levqor_model::{Severity, Timestamp};
use levqor_slo::{Budget, Indicator, Objective, TierKind, Trouble, Window};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How it stands with an objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SloStanding)]
pub(super) enum Standing {
    /// The budget lasts, and nothing spends it too fast.
    Met,
    /// Nobody has used it for an hour, and the budget is not spent.
    Quiet,
    /// The budget is spent too fast for long, but slowly.
    Slow,
    /// The budget is spent so fast that somebody is called.
    Burning,
    /// More than the budget is spent.
    Exhausted,
    /// There is no fresh evidence.
    Unknown,
}

impl Standing {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Standing::Met => "met",
            Standing::Quiet => "quiet",
            Standing::Slow => "slow",
            Standing::Burning => "burning",
            Standing::Exhausted => "exhausted",
            Standing::Unknown => "unknown",
        }
    }
}

/// An objective, and how it stands with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = SloReport)]
pub(super) struct Report {
    #[schema(example = "requests")]
    pub(super) name: String,
    #[schema(example = "Requests are answered")]
    pub(super) title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[schema(example = "levqor")]
    pub(super) service: String,
    /// The file that it is from.
    pub(super) file: String,
    /// What it is measured by, in words.
    #[schema(example = "http_requests without http_requests{status=5xx}")]
    pub(super) measured_by: String,
    /// The share of events that must be good.
    #[schema(example = 99.9)]
    pub(super) target_percent: f64,
    /// The length of the window, which rolls.
    #[schema(example = 2_592_000)]
    pub(super) window_seconds: u64,
    pub(super) status: Standing,
    /// Why nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unknown: Option<String>,
    pub(super) budget: BudgetReport,
    /// The last minutes, hours and days.
    pub(super) windows: Vec<WindowReport>,
    /// Why somebody is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trouble: Option<TroubleReport>,
    /// Why somebody should look at it in working hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) slow: Option<TroubleReport>,
    /// What the document's own alert policies say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) policies: Vec<PolicyReport>,
    /// When it was judged.
    #[schema(value_type = String, format = DateTime)]
    pub(super) at: Timestamp,
}

/// What is left of the budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = SloBudget)]
pub(super) struct BudgetReport {
    /// Events in the window.
    pub(super) total: u64,
    pub(super) bad: u64,
    /// Of so many events, so many may be bad.
    pub(super) allowed: u64,
    /// Below zero: more than all of it is spent. Left out: there were no events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 87.5)]
    pub(super) left_percent: Option<f64>,
    /// The share of events that were good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 99.98)]
    pub(super) reached_percent: Option<f64>,
    /// Since when there are events in the window: what is known of a new installation is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) since: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = SloWindow)]
pub(super) struct WindowReport {
    #[schema(example = 3600)]
    pub(super) seconds: u64,
    pub(super) total: u64,
    pub(super) bad: u64,
    /// How many times as fast as the objective allows. Left out: there were no events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 0.4)]
    pub(super) burn: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = SloTrouble)]
pub(super) struct TroubleReport {
    /// `outage`, `sudden`, `fast`, `steady`, `slow` or `trickle`.
    #[schema(example = "fast")]
    pub(super) tier: String,
    /// `critical`, `major` or `minor`.
    #[schema(example = "critical")]
    pub(super) severity: String,
    pub(super) long: WindowReport,
    pub(super) short: WindowReport,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = SloPolicy)]
pub(super) struct PolicyReport {
    pub(super) name: String,
    /// `critical`, `major` or `minor`.
    pub(super) severity: String,
    /// `holds`, `fails` or `unknown`.
    #[schema(example = "holds")]
    pub(super) verdict: String,
    /// From which burn on it fails.
    pub(super) threshold: f64,
    pub(super) window: WindowReport,
}

impl From<Window> for WindowReport {
    fn from(window: Window) -> Self {
        Self {
            seconds: window.seconds,
            total: window.total,
            bad: window.total - window.good,
            burn: window.burn_milli.map(|milli| milli as f64 / 1_000.0),
        }
    }
}

impl From<Budget> for BudgetReport {
    fn from(budget: Budget) -> Self {
        Self {
            total: budget.total,
            bad: budget.total - budget.good,
            allowed: budget.allowed,
            left_percent: budget.left_ppm.map(|ppm| ppm as f64 / 10_000.0),
            reached_percent: budget.reached_ppm.map(|ppm| f64::from(ppm) / 10_000.0),
            since: budget.since,
        }
    }
}

impl From<Trouble> for TroubleReport {
    fn from(trouble: Trouble) -> Self {
        Self {
            tier: tier(trouble.tier).to_owned(),
            severity: trouble.severity.to_string(),
            long: trouble.long.into(),
            short: trouble.short.into(),
        }
    }
}

impl Report {
    /// As it is to be shown: what is old says nothing of now.
    pub(super) fn seen_at(mut self, now: Timestamp, fresh: std::time::Duration) -> Self {
        if now.since(self.at) > fresh {
            self.status = Standing::Unknown;
            self.unknown = Some(format!("nobody has judged it since {}", self.at));
        }
        self
    }
}

pub(super) const fn tier(tier: TierKind) -> &'static str {
    match tier {
        TierKind::Outage => "outage",
        TierKind::Sudden => "sudden",
        TierKind::Fast => "fast",
        TierKind::Steady => "steady",
        TierKind::Slow => "slow",
        TierKind::Trickle => "trickle",
    }
}

/// What an objective is measured by, in words.
pub(super) fn measured_by(objective: &Objective) -> String {
    use levqor_slo::{Part, Source};
    let source = |source: &Source| match source {
        Source::Series { name, labels } if labels.is_empty() => name.clone(),
        Source::Series { name, labels } => {
            let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{name}{{{}}}", labels.join(", "))
        }
        Source::Evidence { component, region, .. } => match region {
            Some(region) => format!("looks at {component} in {region}"),
            None => format!("looks at {component}"),
        },
    };
    match &objective.indicator {
        Indicator::Ratio { part: Part::Good, counted, total } => match counted {
            Source::Evidence { .. } => format!("good {}", source(total)),
            Source::Series { .. } => format!("{} of {}", source(counted), source(total)),
        },
        Indicator::Ratio { part: Part::Bad, counted, total } => match counted {
            Source::Evidence { .. } => format!("good {}", source(total)),
            Source::Series { .. } => format!("{} without {}", source(total), source(counted)),
        },
        Indicator::Threshold { source: of, threshold } => {
            let side = if threshold.at_most { "up to" } else { "from" };
            format!("{} {side} {}", source(of), threshold.value)
        }
    }
}

/// A severity that is shown by its word.
pub(super) fn severity_of(text: &str) -> Severity {
    text.parse().unwrap_or(Severity::Minor)
}
