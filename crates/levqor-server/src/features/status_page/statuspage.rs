//! `/api/v2`: the same verdict in the shapes of Atlassian Statuspage, for the many clients that speak it.
//!
//! Statuspage has no word for "unknown". A part of which nothing is known is told as `degraded_performance`, and its description says
//! why: of the words that there are, it is the mildest that is not green.
//!
//! Source: Statuspage's public API, version 2, as its pages answer.

use axum::{extract::State, response::Response};
use http::HeaderMap;
use levqor_model::{IncidentLevel, IncidentState, Timestamp};
use levqor_store::{
    maintenance::{Phase, Window},
    subscriptions::meets,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::{
    incidents::Disturbance,
    rendered::View,
    service::{ComponentReport, RegionReport, State as Health},
    snapshot::{self, Snapshot},
};
use crate::{
    App,
    openapi::{ApiRouter, routes},
};

/// Letters and digits of ids, and how many they have.
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const ID_CHARS: usize = 12;

pub(super) fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(summary))
        .routes(routes!(status))
        .routes(routes!(components))
        .routes(routes!(incidents))
        .routes(routes!(unresolved))
        .routes(routes!(maintenances))
        .routes(routes!(upcoming))
        .routes(routes!(active))
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct StatuspagePage {
    #[schema(example = "kctbh9vrtdwd")]
    id: String,
    #[schema(example = "Levqor")]
    name: String,
    url: String,
    #[schema(example = "Etc/UTC")]
    time_zone: &'static str,
    /// When the newest evidence was taken.
    #[schema(example = "2026-11-24T07:01:41.000Z")]
    updated_at: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct StatuspageStatus {
    /// `none`, `minor`, `major`, `critical` or `maintenance`.
    #[schema(example = "none")]
    indicator: &'static str,
    #[schema(example = "All Systems Operational")]
    description: &'static str,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct StatuspageComponent {
    id: String,
    name: String,
    /// `operational`, `degraded_performance`, `partial_outage`, `major_outage` or `under_maintenance`.
    #[schema(example = "operational")]
    status: &'static str,
    created_at: String,
    updated_at: String,
    /// From 1, in its group.
    position: usize,
    description: Option<String>,
    showcase: bool,
    #[schema(example = "2026-11-24")]
    start_date: Option<String>,
    group_id: Option<String>,
    page_id: String,
    /// It stands for a region, and others are in it.
    group: bool,
    only_show_if_degraded: bool,
    /// Ids of those that are in the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<Vec<String>>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct StatuspageAffected {
    code: String,
    name: String,
    old_status: &'static str,
    new_status: &'static str,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct StatuspageUpdate {
    id: String,
    status: &'static str,
    body: String,
    incident_id: String,
    created_at: String,
    updated_at: String,
    display_at: String,
    affected_components: Option<Vec<StatuspageAffected>>,
    deliver_notifications: bool,
    custom_tweet: Option<String>,
    tweet_id: Option<String>,
}

/// An incident, or maintenance.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct StatuspageIncident {
    id: String,
    name: String,
    /// `investigating`, `identified`, `monitoring`, `resolved`; of maintenance `scheduled`, `in_progress`, `completed`.
    status: &'static str,
    created_at: String,
    updated_at: String,
    monitoring_at: Option<String>,
    resolved_at: Option<String>,
    /// `none`, `minor`, `major`, `critical` or `maintenance`.
    impact: &'static str,
    shortlink: String,
    started_at: String,
    page_id: String,
    /// Newest first.
    incident_updates: Vec<StatuspageUpdate>,
    components: Vec<StatuspageComponent>,
    reminder_intervals: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_until: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct StatuspageSummary {
    page: StatuspagePage,
    components: Vec<StatuspageComponent>,
    /// Those that are not resolved.
    incidents: Vec<StatuspageIncident>,
    /// Those that are not over.
    scheduled_maintenances: Vec<StatuspageIncident>,
    status: StatuspageStatus,
}

#[derive(Debug, Serialize, ToSchema)]
struct StatuspageStatusDocument {
    page: StatuspagePage,
    status: StatuspageStatus,
}

#[derive(Debug, Serialize, ToSchema)]
struct StatuspageComponents {
    page: StatuspagePage,
    components: Vec<StatuspageComponent>,
}

#[derive(Debug, Serialize, ToSchema)]
struct StatuspageIncidents {
    page: StatuspagePage,
    incidents: Vec<StatuspageIncident>,
}

#[derive(Debug, Serialize, ToSchema)]
struct StatuspageMaintenances {
    page: StatuspagePage,
    scheduled_maintenances: Vec<StatuspageIncident>,
}

/// Everything that is so now, as Statuspage has it.
#[utoipa::path(get, path = "/api/v2/summary.json", operation_id = "statuspage_summary", tag = "status",
    responses((status = 200, body = StatuspageSummary)))]
async fn summary(State(app): State<App>, headers: HeaderMap) -> Response {
    answer(&app, &headers, View::Summary).await
}

/// The state of the whole, as Statuspage has it.
#[utoipa::path(get, path = "/api/v2/status.json", operation_id = "statuspage_status", tag = "status",
    responses((status = 200, body = StatuspageStatusDocument)))]
async fn status(State(app): State<App>, headers: HeaderMap) -> Response {
    answer(&app, &headers, View::Status).await
}

/// The parts of each region in use, as Statuspage has them: a group for each region.
#[utoipa::path(get, path = "/api/v2/components.json", operation_id = "statuspage_components", tag = "status",
    responses((status = 200, body = StatuspageComponents)))]
async fn components(State(app): State<App>, headers: HeaderMap) -> Response {
    answer(&app, &headers, View::Components).await
}

/// The last 50 incidents, as Statuspage has them.
#[utoipa::path(get, path = "/api/v2/incidents.json", operation_id = "statuspage_incidents", tag = "status",
    responses((status = 200, body = StatuspageIncidents)))]
async fn incidents(State(app): State<App>, headers: HeaderMap) -> Response {
    answer(&app, &headers, View::Incidents).await
}

/// Incidents that are not resolved, as Statuspage has them.
#[utoipa::path(get, path = "/api/v2/incidents/unresolved.json", operation_id = "statuspage_unresolved_incidents",
    tag = "status", responses((status = 200, body = StatuspageIncidents)))]
async fn unresolved(State(app): State<App>, headers: HeaderMap) -> Response {
    answer(&app, &headers, View::Unresolved).await
}

/// Maintenance of the last and the coming time, as Statuspage has it.
#[utoipa::path(get, path = "/api/v2/scheduled-maintenances.json", operation_id = "statuspage_maintenances",
    tag = "status", responses((status = 200, body = StatuspageMaintenances)))]
async fn maintenances(State(app): State<App>, headers: HeaderMap) -> Response {
    answer(&app, &headers, View::Maintenances).await
}

/// Maintenance that has not begun, as Statuspage has it.
#[utoipa::path(get, path = "/api/v2/scheduled-maintenances/upcoming.json",
    operation_id = "statuspage_upcoming_maintenances", tag = "status",
    responses((status = 200, body = StatuspageMaintenances)))]
async fn upcoming(State(app): State<App>, headers: HeaderMap) -> Response {
    answer(&app, &headers, View::Upcoming).await
}

/// Maintenance that goes on now, as Statuspage has it.
#[utoipa::path(get, path = "/api/v2/scheduled-maintenances/active.json",
    operation_id = "statuspage_active_maintenances", tag = "status",
    responses((status = 200, body = StatuspageMaintenances)))]
async fn active(State(app): State<App>, headers: HeaderMap) -> Response {
    answer(&app, &headers, View::Active).await
}

async fn answer(app: &App, headers: &HeaderMap, view: View) -> Response {
    let snapshot = snapshot::current(app).await;
    snapshot.rendered.answer(view, headers, || {
        Teller { snapshot: &snapshot, site: &app.settings.public_url }.document(view)
    })
}

/// Says a snapshot in the words of Statuspage.
struct Teller<'a> {
    snapshot: &'a Snapshot,
    site: &'a str,
}

impl Teller<'_> {
    fn document(&self, view: View) -> Vec<u8> {
        let page = self.page();
        let now = self.snapshot.report.at;
        let maintenances = |wanted: &dyn Fn(Phase) -> bool| -> Vec<StatuspageIncident> {
            let windows = self.snapshot.windows.iter().rev().filter(|window| wanted(window.phase(now)));
            windows.map(|window| self.maintenance(window)).collect()
        };
        let incidents = |open_only: bool| -> Vec<StatuspageIncident> {
            let all = self.snapshot.disturbances.iter().filter(|one| !open_only || one.is_open());
            all.map(|one| self.incident(one)).collect()
        };
        let is_open = |phase| matches!(phase, Phase::Scheduled | Phase::InProgress);
        // Texts and numbers always have a JSON form.
        match view {
            View::Status => serde_json::to_vec(&StatuspageStatusDocument { page, status: self.status() }),
            View::Components => {
                serde_json::to_vec(&StatuspageComponents { page, components: self.components() })
            }
            View::Incidents => serde_json::to_vec(&StatuspageIncidents { page, incidents: incidents(false) }),
            View::Unresolved => serde_json::to_vec(&StatuspageIncidents { page, incidents: incidents(true) }),
            View::Maintenances | View::Upcoming | View::Active => {
                let wanted = |phase: Phase| match view {
                    View::Upcoming => phase == Phase::Scheduled,
                    View::Active => phase == Phase::InProgress,
                    _ => true,
                };
                let scheduled_maintenances = maintenances(&wanted);
                serde_json::to_vec(&StatuspageMaintenances { page, scheduled_maintenances })
            }
            _ => serde_json::to_vec(&StatuspageSummary {
                page,
                components: self.components(),
                incidents: incidents(true),
                scheduled_maintenances: maintenances(&is_open),
                status: self.status(),
            }),
        }
        .unwrap_or_default()
    }

    fn page_id(&self) -> String {
        id("page", self.site)
    }

    fn page(&self) -> StatuspagePage {
        let report = &self.snapshot.report;
        StatuspagePage {
            id: self.page_id(),
            name: "Levqor".to_owned(),
            url: format!("{}/status", self.site),
            time_zone: "Etc/UTC",
            updated_at: time(report.newest.unwrap_or(report.at)),
        }
    }

    fn status(&self) -> StatuspageStatus {
        let report = &self.snapshot.report;
        let in_use = || report.regions.iter().filter(|region| !region.planned);
        let any = |wanted: fn(&ComponentReport) -> bool| {
            in_use().any(|region| region.components.iter().any(wanted))
        };
        let (indicator, description) = match report.state {
            Health::Operational if any(|component| component.in_maintenance) => {
                ("maintenance", "Service Under Maintenance")
            }
            Health::Operational => ("none", "All Systems Operational"),
            Health::Degraded if any(|component| component.state == Health::Down) => {
                ("major", "Partial System Outage")
            }
            Health::Degraded => ("minor", "Partially Degraded Service"),
            Health::Down => ("critical", "Major System Outage"),
            Health::Unknown => ("minor", "Unknown: there is no fresh evidence"),
        };
        StatuspageStatus { indicator, description }
    }

    fn components(&self) -> Vec<StatuspageComponent> {
        let in_use = self.snapshot.report.regions.iter().filter(|region| !region.planned);
        in_use.enumerate().flat_map(|(place, region)| self.region(place + 1, region)).collect()
    }

    /// The group, and what is in it.
    fn region(&self, position: usize, region: &RegionReport) -> Vec<StatuspageComponent> {
        let group_id = id("region", &region.code);
        let own: Vec<StatuspageComponent> = region
            .components
            .iter()
            .enumerate()
            .map(|(place, component)| self.component(place + 1, &group_id, &region.code, component))
            .collect();
        let at = region.components.iter().filter_map(|component| component.at).max();
        let since = region.components.iter().find_map(|component| component.since);
        let head = StatuspageComponent {
            id: group_id,
            name: region.name.clone(),
            status: match region.state {
                // As what is in it.
                Health::Operational if region.components.iter().any(|one| one.in_maintenance) => {
                    "under_maintenance"
                }
                Health::Operational => "operational",
                Health::Degraded if region.components.iter().any(|one| one.state == Health::Down) => {
                    "partial_outage"
                }
                Health::Degraded | Health::Unknown => "degraded_performance",
                Health::Down => "major_outage",
            },
            created_at: time(since.or(at).unwrap_or(self.snapshot.report.at)),
            updated_at: time(at.unwrap_or(self.snapshot.report.at)),
            position,
            description: Some(region.description.clone()),
            showcase: false,
            start_date: since.map(|since| since.date().to_string()),
            group_id: None,
            page_id: self.page_id(),
            group: true,
            only_show_if_degraded: false,
            components: Some(own.iter().map(|component| component.id.clone()).collect()),
        };
        [head].into_iter().chain(own).collect()
    }

    fn component(
        &self,
        position: usize,
        group: &str,
        region: &str,
        component: &ComponentReport,
    ) -> StatuspageComponent {
        let unknown = component.state == Health::Unknown;
        StatuspageComponent {
            id: component_id(region, &component.name),
            name: component.title.clone(),
            status: match component.state {
                // An outage is told as one, also while somebody works on it.
                Health::Operational if component.in_maintenance => "under_maintenance",
                Health::Operational => "operational",
                Health::Degraded | Health::Unknown => "degraded_performance",
                Health::Down => "major_outage",
            },
            created_at: time(component.since.or(component.at).unwrap_or(self.snapshot.report.at)),
            updated_at: time(component.at.unwrap_or(self.snapshot.report.at)),
            position,
            description: Some(if unknown {
                "Unknown: there is no fresh evidence of this part".to_owned()
            } else {
                component.does.clone()
            }),
            showcase: true,
            start_date: component.since.map(|since| since.date().to_string()),
            group_id: Some(group.to_owned()),
            page_id: self.page_id(),
            group: false,
            only_show_if_degraded: false,
            components: None,
        }
    }

    /// Components that a list of parts is about.
    fn about(&self, parts: &[String]) -> Vec<StatuspageComponent> {
        let ids: Vec<String> = self
            .snapshot
            .report
            .regions
            .iter()
            .filter(|region| !region.planned)
            .flat_map(|region| {
                region.components.iter().filter_map(|component| {
                    let name = format!("{}/{}", region.code, component.name);
                    let touched = parts.iter().any(|part| meets(part, &name));
                    touched.then(|| component_id(&region.code, &component.name))
                })
            })
            .collect();
        self.components().into_iter().filter(|component| ids.contains(&component.id)).collect()
    }

    fn incident(&self, one: &Disturbance) -> StatuspageIncident {
        let own = id("incident", &one.id.to_string());
        let components = self.about(&one.parts);
        // What a part was called before and after an update is not kept: what is told is what it is called now.
        let affected = || -> Option<Vec<StatuspageAffected>> {
            let of = |component: &StatuspageComponent| StatuspageAffected {
                code: component.id.clone(),
                name: component.name.clone(),
                old_status: component.status,
                new_status: component.status,
            };
            (!components.is_empty()).then(|| components.iter().map(of).collect())
        };
        let mut updates: Vec<StatuspageUpdate> = one
            .updates
            .iter()
            .enumerate()
            .map(|(place, update)| StatuspageUpdate {
                affected_components: affected(),
                ..said(&own, place, update.state.as_str(), update.text.clone(), update.at)
            })
            .collect();
        updates.reverse();
        let monitoring = one.updates.iter().find(|update| update.state == IncidentState::Monitoring);
        StatuspageIncident {
            name: one.title.clone(),
            status: one.state.as_str(),
            created_at: time(one.opened_at),
            updated_at: time(one.updated_at()),
            monitoring_at: monitoring.map(|update| time(update.at)),
            resolved_at: one.resolved_at.map(time),
            impact: match one.level {
                IncidentLevel::L1 => "minor",
                IncidentLevel::L2 => "major",
                IncidentLevel::L3 | IncidentLevel::L4 => "critical",
            },
            shortlink: format!("{}/status#incident-{}", self.site, one.id),
            started_at: time(one.began_at),
            page_id: self.page_id(),
            incident_updates: updates,
            components,
            reminder_intervals: None,
            scheduled_for: None,
            scheduled_until: None,
            id: own,
        }
    }

    fn maintenance(&self, window: &Window) -> StatuspageIncident {
        let own = id("maintenance", &window.id.to_string());
        let phase = window.phase(self.snapshot.report.at);
        let mut updates = vec![said(&own, 0, "scheduled", window.words.clone(), window.created_at)];
        if matches!(phase, Phase::InProgress | Phase::Completed) {
            let words = "The maintenance is in progress.".to_owned();
            updates.push(said(&own, 1, "in_progress", words, window.starts_at));
        }
        if phase == Phase::Completed {
            let words = "The maintenance is completed.".to_owned();
            updates.push(said(&own, 2, "completed", words, window.ends_at));
        }
        updates.reverse();
        StatuspageIncident {
            name: window.title.clone(),
            status: phase.as_str(),
            created_at: time(window.created_at),
            updated_at: updates
                .first()
                .map_or_else(|| time(window.updated_at), |last| last.updated_at.clone()),
            monitoring_at: None,
            resolved_at: (phase == Phase::Completed).then(|| time(window.ends_at)),
            impact: "maintenance",
            shortlink: format!("{}/status#maintenance-{}", self.site, window.id),
            started_at: time(window.starts_at),
            page_id: self.page_id(),
            incident_updates: updates,
            components: self.about(&window.parts),
            reminder_intervals: None,
            scheduled_for: Some(time(window.starts_at)),
            scheduled_until: Some(time(window.ends_at)),
            id: own,
        }
    }
}

fn said(incident: &str, place: usize, status: &'static str, body: String, at: Timestamp) -> StatuspageUpdate {
    StatuspageUpdate {
        id: id("update", &format!("{incident}/{place}")),
        status,
        body,
        incident_id: incident.to_owned(),
        created_at: time(at),
        updated_at: time(at),
        display_at: time(at),
        affected_components: None,
        deliver_notifications: true,
        custom_tweet: None,
        tweet_id: None,
    }
}

fn component_id(region: &str, component: &str) -> String {
    id("component", &format!("{region}/{component}"))
}

/// Twelve letters and digits, always the same for the same thing.
fn id(kind: &str, name: &str) -> String {
    let hash = Sha256::digest(format!("{kind}\n{name}"));
    hash.iter().take(ID_CHARS).map(|byte| char::from(DIGITS[usize::from(*byte) % DIGITS.len()])).collect()
}

/// With milliseconds, as Statuspage writes it.
fn time(at: Timestamp) -> String {
    format!("{:.3}", at.to_jiff())
}
