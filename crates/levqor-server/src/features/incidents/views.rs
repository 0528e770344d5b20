//! Incidents as the API shows them.

use std::collections::BTreeMap;

use levqor_model::{IncidentLevel, IncidentRole, IncidentState, Severity, Timestamp, UserId};
use levqor_store::incidents::{
    ActionItem, Incident, IncidentAlert, IncidentUpdate, Postmortem, PostmortemSummary, Wait,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{postmortem, timeline::Line};
use crate::openapi::vocabulary;

vocabulary! {
    pub(super) IncidentLevelName = IncidentLevel;
    pub(super) IncidentStateName = IncidentState;
    pub(super) IncidentRoleName = IncidentRole;
    IncidentAlertSeverity = Severity;
}

/// A disturbance that people deal with.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncidentView {
    #[schema(example = "inc_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    pub id: String,
    #[schema(example = "hooks in eu-west is disturbed")]
    pub title: String,
    #[schema(value_type = IncidentLevelName)]
    pub level: IncidentLevel,
    #[schema(value_type = IncidentStateName)]
    pub state: IncidentState,
    /// `region/component`, or only one of the two.
    #[schema(example = json!(["eu-west/hooks"]))]
    pub components: Vec<String>,
    /// Whether it is told to everybody.
    pub public: bool,
    pub opened_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When the disturbance began, as far as anybody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub began_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub acknowledged_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub resolved_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<String>,
    /// Who has which part in it.
    pub roles: Vec<IncidentRoleView>,
    /// How often it was over and then was not.
    pub reopened: u32,
    /// When people said last how it stands.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// `acknowledgement` or `update`: for what others are told when it does not come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "acknowledgement")]
    pub waits_for: Option<&'static str>,
    /// How many times others were told already.
    pub escalated: u32,
    /// When the next ones are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub escalates_at: Option<Timestamp>,
    /// When it is resolved by itself, since all its alerts are over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub settles_at: Option<Timestamp>,
    /// Grows with every change. Changes want the one that you saw.
    pub version: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncidentRoleView {
    #[schema(value_type = IncidentRoleName)]
    pub role: IncidentRole,
    #[schema(example = "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    pub user: String,
    /// Left out when the person is not known any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// One of them, with what is about it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncidentDetail {
    #[serde(flatten)]
    pub incident: IncidentView,
    pub alerts: Vec<IncidentAlertView>,
    /// What people said of how it stands, oldest first.
    pub updates: Vec<IncidentUpdateView>,
    pub action_items: Vec<ActionItemView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncidentAlertView {
    #[schema(example = "alr_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    rule: String,
    subject: String,
    #[schema(value_type = IncidentAlertSeverity)]
    severity: Severity,
    summary: String,
    #[schema(value_type = String, format = DateTime)]
    began_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    firing_at: Timestamp,
    /// Left out: it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncidentUpdateView {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[schema(value_type = IncidentStateName)]
    state: IncidentState,
    text: String,
    /// Whether everybody may read it.
    public: bool,
}

/// What happened.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncidentLineView {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `alert`, `evidence` (what operators and nodes did, by the evidence log) or `incident` (what was said and done about it).
    #[schema(example = "evidence")]
    source: &'static str,
    #[schema(example = "node.joined")]
    kind: String,
    who: String,
    text: String,
    public: bool,
    /// The page with more of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

/// What is to be done so that it does not happen again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ActionItemView {
    #[schema(example = "act_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    #[schema(example = "inc_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    incident: String,
    text: String,
    /// Left out: nobody has taken it on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_email: Option<String>,
    /// The last day on which it may be done.
    #[schema(example = "2026-12-24")]
    due: String,
    overdue: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    created_by: String,
    /// Left out: it is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    done_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_by: Option<String>,
    version: i64,
}

/// What is written about an incident that is over.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PostmortemView {
    #[schema(example = "inc_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    incident: String,
    /// Of the file.
    #[schema(example = "2026-11-24-hooks-in-eu-west-is-disturbed.md")]
    file: String,
    /// Markdown.
    text: String,
    /// Headings under which nobody has written anything yet.
    unwritten: Vec<&'static str>,
    #[schema(value_type = String, format = DateTime)]
    written_at: Timestamp,
    written_by: String,
    /// Grows with every change. Another text wants the one that you saw.
    version: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PostmortemSummaryView {
    #[schema(example = "inc_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    incident: String,
    title: String,
    #[schema(value_type = IncidentLevelName)]
    level: IncidentLevel,
    #[schema(example = "2026-11-24-hooks-in-eu-west-is-disturbed.md")]
    file: String,
    /// Headings under which nobody has written anything yet.
    unwritten: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    resolved_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    written_at: Timestamp,
}

impl IncidentView {
    pub(super) fn new(incident: Incident, people: &BTreeMap<UserId, String>) -> Self {
        let roles = IncidentRole::ALL.iter().filter_map(|role| {
            let user = incident.role(*role)?;
            Some(IncidentRoleView { role: *role, user: user.to_string(), email: people.get(&user).cloned() })
        });
        Self {
            roles: roles.collect(),
            id: incident.id.to_string(),
            title: incident.title,
            level: incident.level,
            state: incident.state,
            components: incident.components,
            public: incident.public,
            opened_by: incident.opened_by,
            opened_at: incident.opened_at,
            began_at: incident.began_at,
            acknowledged_at: incident.acknowledged_at,
            acknowledged_by: incident.acknowledged_by,
            resolved_at: incident.resolved_at,
            resolved_by: incident.resolved_by,
            reopened: incident.reopened,
            updated_at: incident.updated_at,
            waits_for: incident.escalation.waits_for.map(Wait::as_str),
            escalated: incident.escalation.step,
            escalates_at: incident.escalation.next_at,
            settles_at: incident.settles_at,
            version: incident.version,
        }
    }
}

impl From<IncidentAlert> for IncidentAlertView {
    fn from(alert: IncidentAlert) -> Self {
        Self {
            id: alert.alert.to_string(),
            rule: alert.rule,
            subject: alert.subject,
            severity: alert.severity,
            summary: alert.summary,
            began_at: alert.began_at,
            firing_at: alert.firing_at,
            ended_at: alert.ended_at,
        }
    }
}

impl From<IncidentUpdate> for IncidentUpdateView {
    fn from(update: IncidentUpdate) -> Self {
        let IncidentUpdate { at, state, text, public } = update;
        Self { at, state, text, public }
    }
}

impl From<Line> for IncidentLineView {
    fn from(line: Line) -> Self {
        let Line { at, source, kind, who, text, public, link, .. } = line;
        Self { at, source: source.as_str(), kind, who, text, public, link }
    }
}

impl ActionItemView {
    pub(super) fn new(item: ActionItem, people: &BTreeMap<UserId, String>, now: Timestamp) -> Self {
        Self {
            overdue: item.is_overdue(now.date()),
            owner_email: item.owner.and_then(|owner| people.get(&owner).cloned()),
            id: item.id.to_string(),
            incident: item.incident.to_string(),
            text: item.text,
            owner: item.owner.map(|owner| owner.to_string()),
            due: item.due.to_string(),
            created_at: item.created_at,
            created_by: item.created_by,
            done_at: item.done_at,
            done_by: item.done_by,
            version: item.version,
        }
    }
}

impl From<Postmortem> for PostmortemView {
    fn from(postmortem: Postmortem) -> Self {
        Self {
            incident: postmortem.incident.to_string(),
            file: format!("{}.md", postmortem.name),
            unwritten: postmortem::unwritten(&postmortem.text),
            text: postmortem.text,
            written_at: postmortem.written_at,
            written_by: postmortem.written_by,
            version: postmortem.version,
        }
    }
}

impl From<PostmortemSummary> for PostmortemSummaryView {
    fn from(summary: PostmortemSummary) -> Self {
        let PostmortemSummary { postmortem, title, level, resolved_at } = summary;
        Self {
            incident: postmortem.incident.to_string(),
            title,
            level,
            file: format!("{}.md", postmortem.name),
            unwritten: postmortem::unwritten(&postmortem.text),
            resolved_at,
            written_at: postmortem.written_at,
        }
    }
}
