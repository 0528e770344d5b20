//! The rules of what operators see and do. Whoever calls these is an operator: the access table says so.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{ProblemCode, RequestId, TextError, Timestamp, one_line, tamper::Consent};
use levqor_store::tamper::{AgreedFinding, Finding, KeptState};

use super::{board::EVIDENCE, keeper, report::Report};
use crate::{App, Problem};

/// What an operator must say of the reason.
const REASON_CHARS_MAX: usize = 500;
/// The system's own bound of paths is 4,096 bytes, each of which may be written as four characters.
const PATH_CHARS_MAX: usize = 16_384;
/// A node that has said nothing for this long is not known to guard.
const FRESH: Duration = Duration::from_secs(30);
/// A place whose node ended without saying so is not known to be well for this long; then it is not expected back.
const MISSED: Duration = Duration::from_secs(24 * 60 * 60);
/// How findings begin that nobody can agree to, or what they say of what is behind a link.
const UNREADABLE: [&str; 2] = ["unreadable: ", "\": unreadable: "];

/// How the files of a place are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Untouched,
    Changed,
    /// There is no fresh evidence.
    Unknown,
}

impl Verdict {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Verdict::Untouched => "untouched",
            Verdict::Changed => "changed",
            Verdict::Unknown => "unknown",
        }
    }
}

/// A place, with what its node says and what was found.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) kept: KeptState,
    pub(super) report: Report,
    pub(super) verdict: Verdict,
    pub(super) findings: Vec<Finding>,
}

/// Places whose node lives or has only fallen silent, and others where something was found; by their names.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn places(app: &App) -> Result<Vec<Place>, levqor_store::Error> {
    let (states, findings) = app.store.tampering(app.now()).await?;
    let mut by_place: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
    for finding in findings {
        by_place.entry(finding.place.clone()).or_default().push(finding);
    }
    let mut places: Vec<Place> = states
        .into_iter()
        .filter_map(|kept| {
            let mut findings = by_place.remove(&kept.state.place).unwrap_or_default();
            let is_gone = !kept.live && (kept.left || kept.age > MISSED);
            if is_gone && findings.is_empty() {
                return None;
            }
            findings.sort_by(|a, b| {
                (a.deviation.severity, &a.deviation.place).cmp(&(b.deviation.severity, &b.deviation.place))
            });
            // What a node of another version says in another form is not known.
            let report: Report = serde_json::from_str(&kept.state.report).unwrap_or_default();
            let is_fresh = kept.live && kept.age <= FRESH && report.known;
            // What was found is written before the node says again how it stands: whichever is worse holds.
            let is_clear =
                findings.is_empty() && report.findings_total == 0 && report.evidence_whole != Some(false);
            let verdict = match (is_clear, is_fresh) {
                (false, _) => Verdict::Changed,
                (true, true) => Verdict::Untouched,
                (true, false) => Verdict::Unknown,
            };
            Some(Place { kept, report, verdict, findings })
        })
        .collect();
    places.sort_by(|a, b| a.kept.state.place.cmp(&b.kept.state.place));
    Ok(places)
}

/// The worst of them; without any nothing is known.
pub(super) fn overall(places: &[Place]) -> Verdict {
    let has = |verdict| places.iter().any(|place| place.verdict == verdict);
    if has(Verdict::Changed) {
        Verdict::Changed
    } else if places.is_empty() || has(Verdict::Unknown) {
        Verdict::Unknown
    } else {
        Verdict::Untouched
    }
}

/// How the files of a place are, for whoever only reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) place: String,
    pub(crate) region: String,
    /// `untouched`, `changed` or `unknown`.
    pub(crate) verdict: &'static str,
    pub(crate) live: bool,
    pub(crate) files: u64,
    pub(crate) findings: u64,
    /// The last wish for new hashes that was done.
    pub(crate) verified: Option<String>,
    /// Whether the evidence log was whole when it was verified last; None: it was not.
    pub(crate) evidence_whole: Option<bool>,
}

/// All places, and what they say together.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn standings(app: &App) -> Result<(&'static str, Vec<Standing>), Problem> {
    let places = places(app).await?;
    let overall = overall(&places).as_str();
    let standing = |place: Place| Standing {
        place: place.kept.state.place,
        region: place.kept.state.region.to_string(),
        verdict: place.verdict.as_str(),
        live: place.kept.live,
        files: place.report.files,
        findings: place.findings.len() as u64,
        verified: place.report.verified,
        evidence_whole: place.report.evidence_whole,
    };
    Ok((overall, places.into_iter().map(standing).collect()))
}

/// Asks all nodes that guard to hash everything anew. The name of the wish, and the places that were asked; None: no node guards its
/// files.
///
/// # Errors
/// When the store cannot be asked.
pub(crate) async fn ask_for_new_hashes(app: &App) -> Result<Option<(String, Vec<String>)>, Problem> {
    match verify(app).await {
        Ok(asked) => Ok(Some((asked.name, asked.places))),
        Err(problem) if problem.code == ProblemCode::NotFound => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// What an operator agrees to.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) path: String,
    pub(super) reason: String,
    /// Which machine; None: all on which it was found.
    pub(super) place: Option<String>,
    /// What they saw there, empty for nothing: then it is about that path alone, and only as long as it is so. None: whatever was
    /// found there and below.
    pub(super) found: Option<String>,
}

/// Notes that an operator agrees to what was found at a path and below; the nodes concerned sign it within a second.
pub(super) async fn accept(app: &App, wish: Wish) -> Result<Vec<Finding>, Problem> {
    let Wish { path, reason, place, found } = wish;
    let reason = match one_line(&reason, REASON_CHARS_MAX) {
        Ok(reason) => reason.to_owned(),
        Err(TextError::Empty) => {
            let problem = format!("say why the change is right, in 1 to {REASON_CHARS_MAX} characters");
            return Err(Problem::field("/reason", problem));
        }
        Err(problem) => return Err(Problem::field("/reason", problem.to_string())),
    };
    if path.is_empty() || path.chars().count() > PATH_CHARS_MAX {
        return Err(Problem::field(
            "/path",
            format!("name the path as the findings do, in 1 to {PATH_CHARS_MAX} characters"),
        ));
    }
    let below = format!("{}/", path.trim_end_matches('/'));
    let (_, findings) = app.store.tampering(app.now()).await?;
    let findings: Vec<Finding> = findings
        .into_iter()
        .filter(|finding| place.as_ref().is_none_or(|place| *place == finding.place))
        .filter(|finding| {
            let at = &finding.deviation.place;
            *at == path || (found.is_none() && at.starts_with(&below))
        })
        .collect();
    if findings.is_empty() {
        return Err(Problem::not_found(
            "nothing was found there that is not as agreed; GET /api/ops/tamper shows what was",
        ));
    }
    if let Some(seen) = &found
        && findings
            .iter()
            .any(|finding| finding.deviation.found.as_deref().unwrap_or_default() != seen.as_str())
    {
        return Err(Problem::field(
            "/found",
            format!(
                "{path} is something else by now; look at the findings again, and agree to what they say"
            ),
        ));
    }
    check(&findings)?;
    let key = keeper::signing_key(app).await?;
    let agreed = |finding: &Finding| {
        let Finding { place, deviation, since: _ } = finding;
        let (expected, found) = (deviation.expected.as_deref(), deviation.found.as_deref());
        let consent = Consent { place, path: &deviation.place, expected, found };
        AgreedFinding { finding: finding.clone(), signature: consent.sign(&key) }
    };
    app.store.agree_to(findings.iter().map(agreed).collect(), reason, app.now()).await?;
    super::memory(app).hurry();
    Ok(findings)
}

fn check(findings: &[Finding]) -> Result<(), Problem> {
    let mut seen: BTreeMap<&str, &Finding> = BTreeMap::new();
    for finding in findings {
        let path = finding.deviation.place.as_str();
        if path == EVIDENCE {
            return Err(Problem::field(
                "/path",
                "the evidence log is not agreed to: `levqor audit verify` names what is wrong with it",
            ));
        }
        let [whole, behind] = UNREADABLE;
        let is_unreadable = |found: &String| found.starts_with(whole) || found.contains(behind);
        if finding.deviation.found.as_ref().is_some_and(is_unreadable) {
            return Err(Problem::field(
                "/path",
                format!("{path} cannot be looked at; make it readable, or do not watch it"),
            ));
        }
        if let Some(other) = seen.insert(path, finding)
            && other.deviation.found != finding.deviation.found
        {
            return Err(Problem::field(
                "/place",
                format!("{path} is not the same everywhere where it was found; name one place"),
            ));
        }
    }
    Ok(())
}

/// What hashing everything anew was asked for as, and of which places.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) name: String,
    pub(super) places: Vec<String>,
    pub(super) at: Timestamp,
}

/// Asks all nodes that guard to hash everything anew, and to verify what the database says.
pub(super) async fn verify(app: &App) -> Result<Asked, Problem> {
    let places: Vec<String> = places(app)
        .await?
        .into_iter()
        .filter(|place| place.kept.live)
        .map(|place| place.kept.state.place)
        .collect();
    if places.is_empty() {
        return Err(Problem::new(
            ProblemCode::NotFound,
            "no node has said yet that it guards its files; ask again in a few seconds",
        ));
    }
    let at = app.now();
    let name = RequestId::new(at, &*app.random).to_string();
    app.store.wish_new_hashes(places.clone(), name.clone(), at).await?;
    super::memory(app).hurry();
    Ok(Asked { name, places, at })
}
