//! `/api/ops/tamper`.

use axum::{Json, extract::State};
use http::StatusCode;
use levqor_model::{Severity, Timestamp};
use levqor_store::tamper::Finding;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::service::{self, Asked, Place, Wish};
use crate::{
    App, Problem,
    gateway::Body,
    openapi::vocabulary,
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

/// Findings of one place that are shown.
const SHOWN_MAX: usize = 1_000;

pub fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(status)).routes(routes!(accept)).routes(routes!(verify))
}

vocabulary! {
    /// How bad a finding is.
    SeverityName = Severity;
}

#[derive(Debug, Serialize, ToSchema)]
struct TamperStatus {
    /// `untouched`, `changed`, or `unknown` when there is no fresh evidence; the worst of all places. A place whose node ended without
    /// saying so is `unknown` for a day.
    #[schema(example = "untouched")]
    verdict: &'static str,
    places: Vec<TamperPlace>,
}

/// A machine and a data directory, whose node guards its files.
#[derive(Debug, Serialize, ToSchema)]
struct TamperPlace {
    #[schema(example = "web-1:/var/lib/levqor")]
    place: String,
    #[schema(example = "untouched")]
    verdict: &'static str,
    #[schema(example = "node_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    node: String,
    #[schema(example = "eu-west")]
    region: String,
    /// Whether that node lives.
    live: bool,
    /// When it has said this.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The number of the baseline, which grows with everything that is agreed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    agreed_at: Option<Timestamp>,
    /// Who signs baselines: an Ed25519 key in Base 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "CIhGS7NbPK4GLQKGIWFKFXJ3vbGUkzUQfmzlMtcjDnw=")]
    public_key: Option<String>,
    files: u64,
    bytes: u64,
    /// How changes are noticed.
    watch: TamperWatch,
    /// How often everything was hashed anew since the process began.
    rehashes: u64,
    /// How far that is, while it is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    rehashing: Option<RehashProgress>,
    /// The last request to verify that was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<String>,
    /// When this node has verified the evidence log.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<EvidenceVerdict>,
    findings_total: u64,
    /// The worst first, at most 1,000.
    findings: Vec<TamperFinding>,
}

#[derive(Debug, Serialize, ToSchema)]
struct TamperWatch {
    /// The system tells of changes; without that they are found by looking, four times a second.
    events: bool,
    /// Paths for which the system takes no watch.
    paths_only_looked_at: u64,
    watchers_that_died: u64,
    overflows: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct RehashProgress {
    bytes_done: u64,
    bytes_total: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct EvidenceVerdict {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    whole: bool,
    /// Which keys have signed before, were given up, and were agreed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
}

/// Something that is not as agreed.
#[derive(Debug, Serialize, ToSchema)]
struct TamperFinding {
    #[schema(example = "/etc/levqor/levqor.toml")]
    path: String,
    #[schema(value_type = SeverityName)]
    severity: Severity,
    /// What was agreed; nothing should be there when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    /// What is there; nothing when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptTampering {
    /// As findings name it; what is below it is agreed to as well.
    #[schema(example = "/etc/levqor/levqor.toml", min_length = 1)]
    path: String,
    /// Why the change is right.
    #[schema(example = "release 1.4", min_length = 1, max_length = 500)]
    reason: String,
    /// Only there; everywhere where it was found when it is left out.
    #[schema(example = "web-1:/var/lib/levqor")]
    place: Option<String>,
    /// What was seen there, as the finding says it, and empty for nothing. Then it is about that path alone, and refused when something
    /// else is there by now.
    found: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct TamperingAccepted {
    /// What was agreed to, exactly as it was found. What is something else by now is not signed.
    accepted: Vec<AcceptedTampering>,
}

#[derive(Debug, Serialize, ToSchema)]
struct AcceptedTampering {
    place: String,
    #[serde(flatten)]
    finding: TamperFinding,
}

#[derive(Debug, Serialize, ToSchema)]
struct VerificationAsked {
    /// Places show it as `verified` when they are done.
    #[schema(example = "req_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    request: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    places: Vec<String>,
}

impl From<Finding> for TamperFinding {
    fn from(finding: Finding) -> Self {
        let Finding { place: _, deviation, since } = finding;
        Self {
            path: deviation.place,
            severity: deviation.severity,
            expected: deviation.expected,
            found: deviation.found,
            since,
        }
    }
}

impl From<Place> for TamperPlace {
    fn from(place: Place) -> Self {
        let Place { kept, report, verdict, findings } = place;
        let progress = report.bytes_done.zip(report.bytes_total);
        let remark = report.evidence_remark;
        Self {
            place: kept.state.place,
            verdict: verdict.as_str(),
            node: kept.state.node.to_string(),
            region: kept.state.region.to_string(),
            live: kept.live,
            at: kept.at,
            sequence: report.sequence,
            agreed_at: report.agreed_at,
            public_key: report.public_key,
            files: report.files,
            bytes: report.bytes,
            watch: TamperWatch {
                events: report.heard.events,
                paths_only_looked_at: report.heard.paths_only_looked_at,
                watchers_that_died: report.heard.watchers_that_died,
                overflows: report.heard.overflows,
            },
            rehashes: report.rehashes,
            rehashing: progress.map(|(bytes_done, bytes_total)| RehashProgress { bytes_done, bytes_total }),
            verified: report.verified,
            evidence: report.evidence_at.zip(report.evidence_whole).map(|(at, whole)| EvidenceVerdict {
                at,
                whole,
                remark,
            }),
            findings_total: report.findings_total.max(findings.len() as u64),
            findings: findings.into_iter().take(SHOWN_MAX).map(TamperFinding::from).collect(),
        }
    }
}

/// Whether the server's own files are as agreed, on every node.
#[utoipa::path(
    get,
    path = "/api/ops/tamper",
    operation_id = "tamper_status",
    tag = "operations",
    responses((status = 200, body = TamperStatus), Refusals)
)]
async fn status(State(app): State<App>) -> Result<Json<TamperStatus>, Problem> {
    let places = service::places(&app).await?;
    let verdict = service::overall(&places).as_str();
    Ok(Json(TamperStatus { verdict, places: places.into_iter().map(TamperPlace::from).collect() }))
}

/// Agree to what was found at a path and below; the nodes concerned sign it within a second.
#[utoipa::path(
    post,
    path = "/api/ops/tamper/accept",
    operation_id = "accept_tampering",
    tag = "operations",
    request_body = AcceptTampering,
    responses((status = 202, description = "Recorded; it is signed by the nodes concerned", body = TamperingAccepted), Refusals)
)]
async fn accept(
    State(app): State<App>,
    Body(body): Body<AcceptTampering>,
) -> Result<(StatusCode, Json<TamperingAccepted>), Problem> {
    let AcceptTampering { path, reason, place, found } = body;
    let wish = Wish { path, reason, place, found };
    let accepted = service::accept(&app, wish).await?;
    let accepted = accepted
        .into_iter()
        .map(|finding| AcceptedTampering { place: finding.place.clone(), finding: finding.into() })
        .collect();
    Ok((StatusCode::ACCEPTED, Json(TamperingAccepted { accepted })))
}

/// Hash all files anew on every node, and verify what the database says of them and of what was done.
#[utoipa::path(
    post,
    path = "/api/ops/tamper/verify",
    operation_id = "verify_tampering",
    tag = "operations",
    responses((status = 202, description = "Under way; GET /api/ops/tamper shows how far", body = VerificationAsked), Refusals)
)]
async fn verify(State(app): State<App>) -> Result<(StatusCode, Json<VerificationAsked>), Problem> {
    let Asked { name, places, at } = service::verify(&app).await?;
    Ok((StatusCode::ACCEPTED, Json(VerificationAsked { request: name, at, places })))
}
