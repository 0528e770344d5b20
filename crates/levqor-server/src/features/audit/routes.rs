//! `/api/ops/audit`.

use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;
use levqor_model::{
    AccountId, Timestamp,
    audit::{Finding, OtherKey, Record},
};
use levqor_store::audit::Filter;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    accept::{self, Wish},
    export, list,
    service::{self, Verdict},
};
use crate::{
    App, Problem,
    gateway::{Body as JsonBody, Cursor, PageQuery, Query},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(records))
        .routes(routes!(export))
        .routes(routes!(verify))
        .routes(routes!(accept))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// About this account only.
    #[param(value_type = Option<String>, example = "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    account: Option<AccountId>,
    /// Of this kind, or of all that begin with it: `key` is `key.created` and `key.revoked`.
    #[param(example = "key.revoked")]
    kind: Option<String>,
    /// Who did it, as records name them.
    #[param(example = "API key key_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    author: Option<String>,
    /// What it was done to.
    subject: Option<String>,
    /// From this moment on.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Before this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Records {
    /// Newest first.
    records: Vec<RecordView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

/// What somebody did, or what was found.
#[derive(Debug, Serialize, ToSchema)]
struct RecordView {
    /// Whose chain it is in: a node's id.
    #[schema(example = "node_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    chain: String,
    /// Its number in the chain, from 1.
    seq: u64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[schema(example = "eu-west")]
    region: String,
    #[schema(example = "key.revoked")]
    kind: String,
    author: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    account: Option<AccountId>,
    subject: String,
    #[schema(value_type = Object)]
    details: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// SHA-256 of the record, which holds that of the one before it.
    hash: String,
}

impl From<Record> for RecordView {
    fn from(record: Record) -> Self {
        Self {
            // What is no JSON was changed, and is shown as it is.
            details: serde_json::from_str(&record.details).unwrap_or(Value::String(record.details)),
            hash: record.hash.to_string(),
            chain: record.chain,
            seq: record.seq,
            at: record.at,
            region: record.region,
            kind: record.kind,
            author: record.author,
            account: record.account,
            subject: record.subject,
            request_id: record.request_id,
        }
    }
}

/// What was done on this installation, and by whom.
#[utoipa::path(
    get,
    path = "/api/ops/audit",
    operation_id = "list_audit_records",
    tag = "operations",
    params(ListQuery),
    responses((status = 200, body = Records), Refusals),
)]
async fn records(State(app): State<App>, Query(query): Query<ListQuery>) -> Result<Json<Records>, Problem> {
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let filter = Filter {
        account: query.account,
        kind: query.kind,
        author: query.author,
        subject: query.subject,
        from: query.from,
        until: query.until,
    };
    let (records, next_cursor) = list::page(&app, filter, page).await?;
    Ok(Json(Records { records: records.into_iter().map(RecordView::from).collect(), next_cursor }))
}

/// The whole log as lines of JSON, to be kept elsewhere and verified by `levqor audit verify FILE`.
///
/// The first line has the public key and the signed ends of all chains; each other line is a record as it was hashed.
#[utoipa::path(
    get,
    path = "/api/ops/audit/export",
    operation_id = "export_audit_records",
    tag = "operations",
    responses((status = 200, content_type = "application/x-ndjson", body = String), Refusals),
)]
async fn export(State(app): State<App>) -> Result<Response, Problem> {
    let body: Body = export::export(&app).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"levqor-audit.ndjson\""),
    ];
    Ok((headers, body).into_response())
}

#[derive(Debug, Serialize, ToSchema)]
struct Verified {
    /// Whether nothing is wrong.
    whole: bool,
    records: u64,
    chains: u64,
    /// Records that are linked, but that no checkpoint has signed yet.
    not_signed_yet: u64,
    /// Whether this node has a witness. Without one, a database that was put back as a whole looks whole.
    witnessed: bool,
    findings_total: u64,
    /// The first thousand.
    findings: Vec<FindingView>,
    /// Who signs checkpoints: an Ed25519 key in Base 64. Keep a copy elsewhere.
    #[schema(example = "CIhGS7NbPK4GLQKGIWFKFXJ3vbGUkzUQfmzlMtcjDnw=")]
    public_key: String,
    /// Who else signed here, at most a hundred: keys that were given up, or somebody who forges.
    other_keys: Vec<OtherKeyView>,
}

/// A key that signed here and is not the one that signs now.
#[derive(Debug, Serialize, ToSchema)]
struct OtherKeyView {
    /// An Ed25519 key in Base 64.
    #[schema(example = "CIhGS7NbPK4GLQKGIWFKFXJ3vbGUkzUQfmzlMtcjDnw=")]
    key: String,
    checkpoints: u64,
    /// In how many chains they are.
    chains: u64,
    /// Names all that it signed; who agrees to it sends this as `seen`.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    digest: String,
    /// Whether an operator has agreed to all of it. If not, each of its signatures is a finding.
    accepted: bool,
    /// Why, in their words.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<OtherKey> for OtherKeyView {
    fn from(other: OtherKey) -> Self {
        let OtherKey { key, checkpoints, chains, digest, accepted, findings: _ } = other;
        Self {
            key,
            checkpoints,
            chains,
            digest: digest.to_string(),
            accepted: accepted.is_some(),
            reason: accepted,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptAuditKey {
    /// The public key that was given up with its keyring, as it was noted then.
    #[schema(example = "CIhGS7NbPK4GLQKGIWFKFXJ3vbGUkzUQfmzlMtcjDnw=", min_length = 1)]
    key: String,
    /// The digest of what it signed, as verifying has shown it.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    seen: String,
    /// Why it was given up.
    #[schema(example = "the secret was lost with the old machine", min_length = 1, max_length = 500)]
    reason: String,
}

/// Something that is wrong.
#[derive(Debug, Serialize, ToSchema)]
struct FindingView {
    message: String,
    /// The chain that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<String>,
    /// The first and the last record of the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        let place = finding.place();
        Self {
            message: finding.to_string(),
            chain: place.map(|(chain, ..)| chain.to_owned()),
            first: place.map(|(_, first, _)| first),
            last: place.map(|(.., last)| last),
        }
    }
}

/// Hold every record against its hash, its neighbours, the signed checkpoints and this node's witness.
#[utoipa::path(
    post,
    path = "/api/ops/audit/verify",
    operation_id = "verify_audit_records",
    tag = "operations",
    responses((status = 200, body = Verified), Refusals),
)]
async fn verify(State(app): State<App>) -> Result<Json<Verified>, Problem> {
    let Verdict { report, key, witnessed } = service::verify(&app).await?;
    Ok(Json(Verified {
        whole: report.is_whole(),
        records: report.records,
        chains: report.chains,
        not_signed_yet: report.not_signed_yet,
        witnessed,
        findings_total: report.findings_total,
        findings: report.findings.into_iter().map(FindingView::from).collect(),
        public_key: key.to_string(),
        other_keys: report.other_keys.into_iter().map(OtherKeyView::from).collect(),
    }))
}

/// Agree to what a key signed that was given up with its keyring. Nothing of it can be changed afterwards.
///
/// It is refused when no keyring was given up, when the key signed something else than was seen, and while anything else is wrong with
/// the log, but for what still other keys signed. The log is read whole for it.
#[utoipa::path(
    post,
    path = "/api/ops/audit/accept",
    operation_id = "accept_audit_key",
    tag = "operations",
    request_body = AcceptAuditKey,
    responses((status = 200, description = "Signed by the key that signs now", body = OtherKeyView), Refusals),
)]
async fn accept(
    State(app): State<App>,
    JsonBody(body): JsonBody<AcceptAuditKey>,
) -> Result<Json<OtherKeyView>, Problem> {
    let AcceptAuditKey { key, seen, reason } = body;
    let accepted = accept::accept(&app, Wish { key, seen, reason }).await?;
    Ok(Json(accepted.into()))
}
