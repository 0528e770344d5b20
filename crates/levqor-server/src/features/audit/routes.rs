//! `/api/ops/audit`.

use std::{fmt, str::FromStr};

use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;
use levqor_model::{
    AccountId, Timestamp,
    audit::{Finding, Record},
};
use levqor_store::audit::{Filter, Place};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    export,
    service::{self, Verdict},
};
use crate::{
    App, Problem,
    gateway::{Cursor, Query, cut, page_limit},
    problem::Refusals,
};

const LIST: &str = "audit";

pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(export)).routes(routes!(verify))
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
    /// 1 to 200; 50 when left out.
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

/// A [`Place`] as the text of a cursor.
struct PlaceText(Place);

impl fmt::Display for PlaceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { at, chain, seq } = &self.0;
        write!(f, "{} {seq} {chain}", at.as_micros())
    }
}

impl FromStr for PlaceText {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = text.splitn(3, ' ');
        let mut number = || words.next()?.parse::<i64>().ok();
        let (at, seq) = (number().ok_or(())?, number().ok_or(())?);
        let chain = words.next().ok_or(())?.to_owned();
        let seq = u64::try_from(seq).map_err(drop)?;
        Ok(Self(Place { at: Timestamp::from_micros(at), chain, seq }))
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
async fn list(State(app): State<App>, Query(query): Query<ListQuery>) -> Result<Json<Records>, Problem> {
    let limit = page_limit(query.limit)?;
    let before = query.cursor.map(|cursor| cursor.last::<PlaceText>(LIST)).transpose()?;
    let filter = Filter {
        account: query.account,
        kind: query.kind,
        author: query.author,
        subject: query.subject,
        from: query.from,
        until: query.until,
    };
    let before = before.map(|PlaceText(place)| place);
    let records = app.store.views().audit_records(filter, before, limit + 1).await?;
    let (records, next_cursor) = cut(records, limit, LIST, |record| {
        PlaceText(Place { at: record.at, chain: record.chain.clone(), seq: record.seq })
    });
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
    }))
}
