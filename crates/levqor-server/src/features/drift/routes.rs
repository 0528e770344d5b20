//! `/api/ops/drift`.

use std::sync::Arc;

use axum::{Json, extract::State};
use levqor_drift::{Acknowledgement, Finding, Outcome, Part, Report, Section};
use levqor_model::{Deviation, ProblemCode, Severity, Timestamp, one_line};
use levqor_store::drift::DriftResult;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::service::{self, ACKNOWLEDGED_MAX, Refusal};
use crate::{
    App, Problem,
    gateway::{Actor, Body},
    openapi::{ApiRouter, routes, vocabulary},
    problem::Refusals,
};

/// Longest name of a place, and longest value, in characters.
const TEXT_CHARS_MAX: usize = 1_000;
const REASON_CHARS_MAX: usize = 500;
/// Seconds until it is worth to ask again.
const RETRY_AFTER: u64 = 5;

pub fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(show)).routes(routes!(check)).routes(routes!(acknowledge))
}

vocabulary! { DriftSeverity = Severity; }

/// What was compared.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes `Part` to the API's readers")]
enum DriftPart {
    Lock,
    Pages,
    Links,
    Api,
    Limits,
    Stripe,
}

/// Whether what is served is what was agreed.
#[derive(Debug, Serialize, ToSchema)]
struct DriftStatus {
    /// `pass`, `fail`, or `unknown`: no node has looked in the last two hours, or one that lives has not.
    #[schema(example = "pass")]
    status: &'static str,
    /// The last look of each node at itself, newest first.
    results: Vec<DriftResultView>,
    /// Deviations that do not count until their time is over.
    acknowledgements: Vec<DriftAcknowledgementView>,
}

/// What a node found when it looked at itself.
#[derive(Debug, Serialize, ToSchema)]
struct DriftResultView {
    #[schema(example = "node_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    node: String,
    #[schema(example = "eu-west")]
    region: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    pass: bool,
    /// In words; none when another version of Levqor has written the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "DRIFT STATUS: PASS")]
    verdict: Option<String>,
    /// The lock that it was held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<DriftLockView>,
    sections: Vec<DriftSectionView>,
    /// The worst first, at most 1,000.
    findings: Vec<DriftFindingView>,
    findings_total: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct DriftLockView {
    version: u32,
    #[schema(example = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    digest: String,
}

/// A part, and whether it was compared.
#[derive(Debug, Serialize, ToSchema)]
struct DriftSectionView {
    #[schema(value_type = DriftPart)]
    part: Part,
    /// `compared`, `unknown`, `not_configured` or `not_compared`.
    #[schema(example = "compared")]
    state: &'static str,
    /// How much was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<u64>,
    /// Why it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Something that is not as agreed.
#[derive(Debug, Serialize, ToSchema)]
struct DriftFindingView {
    #[schema(value_type = DriftSeverity)]
    severity: Severity,
    #[schema(example = "plan.starter.month_price on /pricing")]
    place: String,
    /// Left out: nothing should be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    /// Left out: nothing is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<String>,
    /// When it was found first.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Somebody lives with it for a while: it does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged: Option<DriftAcknowledgementView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DriftAcknowledgementView {
    place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<String>,
    reason: String,
    by: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// From this moment on it counts again.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcknowledgeBody {
    /// As the finding names it.
    #[schema(min_length = 1, max_length = 1000, example = "plan.starter.month_price at Stripe")]
    place: String,
    /// As the finding has it: what is found later instead counts.
    #[schema(max_length = 1000)]
    expected: Option<String>,
    #[schema(max_length = 1000)]
    found: Option<String>,
    #[schema(min_length = 1, max_length = 500, example = "the new price begins on Monday")]
    reason: String,
    /// At most 90 days from now.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

impl From<Acknowledgement> for DriftAcknowledgementView {
    fn from(acknowledgement: Acknowledgement) -> Self {
        let Acknowledgement { place, expected, found, reason, by, at, until } = acknowledgement;
        Self { place, expected, found, reason, by, at, until }
    }
}

impl From<Finding> for DriftFindingView {
    fn from(finding: Finding) -> Self {
        let Finding { deviation, since, acknowledged } = finding;
        let Deviation { severity, place, expected, found } = deviation;
        let acknowledged = acknowledged.map(DriftAcknowledgementView::from);
        Self { severity, place, expected, found, since, acknowledged }
    }
}

impl From<Section> for DriftSectionView {
    fn from(section: Section) -> Self {
        let (state, compared, reason) = match section.outcome {
            Outcome::Compared(count) => ("compared", Some(count), None),
            Outcome::Unknown(why) => ("unknown", None, Some(why)),
            Outcome::NotConfigured => ("not_configured", None, None),
            Outcome::NotCompared(why) => ("not_compared", None, Some(why)),
        };
        Self { part: section.part, state, compared, reason }
    }
}

impl DriftResultView {
    fn new(result: &DriftResult, report: Option<Report>) -> Self {
        let verdict = report.as_ref().map(Report::verdict);
        let (lock, sections, findings, findings_total) = match report {
            Some(report) => (report.lock, report.sections, report.findings, report.findings_total),
            None => Default::default(),
        };
        Self {
            node: result.node.to_string(),
            region: result.region.to_string(),
            at: result.at,
            pass: result.pass,
            verdict,
            lock: lock.map(|lock| DriftLockView { version: lock.version, digest: lock.digest }),
            sections: sections.into_iter().map(DriftSectionView::from).collect(),
            findings: findings.into_iter().map(DriftFindingView::from).collect(),
            findings_total,
        }
    }
}

/// Whether what is served is what was agreed, as every node saw it last.
#[utoipa::path(
    get,
    path = "/api/ops/drift",
    operation_id = "drift",
    tag = "operations",
    responses((status = 200, body = DriftStatus), Refusals)
)]
async fn show(State(app): State<App>) -> Result<Json<DriftStatus>, Problem> {
    let results = service::results(&app).await?;
    let acknowledgements = service::acknowledgements(&app).await?;
    Ok(Json(DriftStatus {
        status: service::overall(&app, &results).await?,
        results: results
            .iter()
            .map(|result| DriftResultView::new(result, service::report_of(result)))
            .collect(),
        acknowledgements: acknowledgements.into_iter().map(DriftAcknowledgementView::from).collect(),
    }))
}

/// A look of this node at itself.
///
/// # Errors
/// 503 while there is one already, and when the node stops.
pub(super) async fn look(app: &App) -> Result<Arc<Report>, Problem> {
    let overloaded = |why| Problem::new(ProblemCode::Overloaded, why).retry_after(RETRY_AFTER);
    service::look(app).await.map_err(|refusal| match refusal {
        Refusal::Busy => overloaded("this node looks at itself already; ask again when it is done"),
        Refusal::Stopping => overloaded("this node stops; ask another one"),
        Refusal::Store(error) => error.into(),
    })
}

/// Have the node that answers look at itself now.
#[utoipa::path(
    post,
    path = "/api/ops/drift/check",
    operation_id = "check_drift",
    tag = "operations",
    responses((status = 200, description = "What it found", body = DriftResultView), Refusals)
)]
async fn check(State(app): State<App>) -> Result<Json<DriftResultView>, Problem> {
    let report = look(&app).await?;
    let result = DriftResult {
        node: app.node,
        region: app.region.code.clone(),
        at: report.at,
        pass: report.pass,
        report: String::new(),
    };
    Ok(Json(DriftResultView::new(&result, Some((*report).clone()))))
}

/// Live with a deviation for a while: as it was found, it does not count until then.
#[utoipa::path(
    post,
    path = "/api/ops/drift/acknowledge",
    operation_id = "acknowledge_drift",
    tag = "operations",
    request_body = AcknowledgeBody,
    responses((status = 200, description = "It is noted", body = DriftAcknowledgementView), Refusals)
)]
async fn acknowledge(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<AcknowledgeBody>,
) -> Result<Json<DriftAcknowledgementView>, Problem> {
    let AcknowledgeBody { place, expected, found, reason, until } = body;
    let reason = one_line(&reason, REASON_CHARS_MAX)
        .map_err(|problem| Problem::field("/reason", problem.to_string()))?
        .to_owned();
    text("/place", Some(&place), TEXT_CHARS_MAX)?;
    text("/expected", expected.as_ref(), TEXT_CHARS_MAX)?;
    text("/found", found.as_ref(), TEXT_CHARS_MAX)?;
    let now = app.now();
    if until <= now || until > now + ACKNOWLEDGED_MAX {
        let problem = format!(
            "{until} is not within the next {} days; give a moment until {}",
            ACKNOWLEDGED_MAX.as_secs() / 86_400,
            now + ACKNOWLEDGED_MAX
        );
        return Err(Problem::field("/until", problem));
    }
    let about = (place, expected, found);
    Ok(Json(service::acknowledge(&app, &actor, about, reason, until).await?.into()))
}

/// What a deviation says is taken as it was found, whatever it is; the place is not empty, and nothing is too long.
fn text(pointer: &str, text: Option<&String>, chars_max: usize) -> Result<(), Problem> {
    let Some(text) = text else { return Ok(()) };
    let problem = if text.is_empty() && pointer == "/place" {
        "is empty; say it in a few words".to_owned()
    } else if text.chars().count() > chars_max {
        format!("is longer than {chars_max} characters; shorten it")
    } else if text.contains('\0') {
        "has a character that is none (U+0000); leave it out".to_owned()
    } else {
        return Ok(());
    };
    Err(Problem::field(pointer, problem))
}
