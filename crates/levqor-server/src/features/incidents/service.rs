//! What people do with incidents.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use levqor_model::{
    IncidentId, IncidentLevel, IncidentRole, IncidentState, ProblemCode, TextError, Timestamp, UserId,
    one_line, several_lines,
};
use levqor_store::{
    Error, Store,
    accounts::User,
    incidents::{Act, Incident, IncidentAlert},
};

use super::{
    hand::{Hand, Opened, Refusal, Update, clock},
    policy::IncidentSettings,
    timeline::{self, Line, Material},
    writings,
};
use crate::{App, Problem, problem::chain};

const TITLE_CHARS_MAX: usize = 200;
/// Longest text of an update or a note, in characters.
pub(super) const TEXT_CHARS_MAX: usize = 5_000;
const COMPONENTS_MAX: usize = 50;
const COMPONENT_CHARS_MAX: usize = 100;
/// How long ago a disturbance may have begun.
const BEGAN_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Records of the evidence log that a timeline has.
const RECORDS_MAX: usize = 2_000;

/// What people open.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    pub title: String,
    pub level: IncidentLevel,
    pub components: Vec<String>,
    pub text: String,
    pub public: bool,
    pub began_at: Option<Timestamp>,
}

/// What was asked for, as the caller saw the incident.
#[derive(Debug, Clone)]
pub(super) struct Words {
    pub version: i64,
    pub text: String,
    pub public: bool,
}

pub(super) fn hand(app: &App, by: &str) -> Hand {
    Hand {
        now: app.now(),
        by: by.to_owned(),
        policy: policy(app),
        alerts: app.memory(|parts| parts.settings.alerts.clone()),
        public_url: app.settings.public_url.clone(),
        random: Arc::clone(&app.random),
    }
}

fn policy(app: &App) -> Arc<IncidentSettings> {
    app.memory(|parts| parts.settings.incidents.clone())
}

/// # Errors
/// 404.
pub(super) async fn find(app: &App, id: IncidentId) -> Result<Incident, Problem> {
    app.store.incident(id).await?.ok_or_else(|| missing(id))
}

pub(super) fn missing(id: IncidentId) -> Problem {
    Problem::not_found(format!(
        "there is no incident {id}; GET /api/ops/incidents?all=true (`levqor incidents --all`) lists them"
    ))
}

/// # Errors
/// 422.
pub(super) async fn open(app: &App, by: &str, opening: Opening) -> Result<Incident, Problem> {
    let Opening { title, level, components, text, public, began_at } = opening;
    let now = app.now();
    if let Some(at) = began_at.filter(|at| *at > now || *at < now - BEGAN_MAX) {
        let words = format!(
            "{at} is not within the last {} days; give when it began, or leave it out when nobody knows",
            BEGAN_MAX.as_secs() / 86_400
        );
        return Err(Problem::field("/began_at", words));
    }
    let opened = Opened {
        title: title_of(&title)?,
        level,
        components: components_of(components)?,
        text: said(&text, public)?,
        public,
        began_at,
    };
    let hand = hand(app, by);
    Ok(app.store.open_incident(hand.announced(hand.open(opened))).await?)
}

/// # Errors
/// 404; 409 when it is another version by now or over; 422.
pub(super) async fn update(
    app: &App,
    by: &str,
    id: IncidentId,
    version: i64,
    update: Update,
) -> Result<Incident, Problem> {
    if update.state == Some(IncidentState::Resolved) {
        let words = "an update does not resolve; resolve it, which says whether its alerts are over";
        return Err(Problem::field("/state", words));
    }
    let Update { text, state, level, title, components, public } = update;
    let update = Update {
        text: said(&text, public)?,
        state,
        level,
        title: title.as_deref().map(title_of).transpose()?,
        components: components.map(components_of).transpose()?,
        public,
    };
    change(app, by, id, move |hand, incident, _| hand.update(incident, version, update)).await
}

/// # Errors
/// 404; 422.
pub(super) async fn note(app: &App, by: &str, id: IncidentId, text: &str) -> Result<Incident, Problem> {
    let text = text_of("/text", text)?;
    if text.is_empty() {
        return Err(Problem::field("/text", "is empty; write what is to be noted"));
    }
    change(app, by, id, move |hand, incident, _| Ok(hand.note(incident, text))).await
}

/// A second time it is as it was.
///
/// # Errors
/// 404; 409 when it is over.
pub(super) async fn acknowledge(app: &App, by: &str, id: IncidentId) -> Result<Incident, Problem> {
    change(app, by, id, |hand, incident, _| hand.acknowledge(incident)).await
}

/// Gives a part in it to an operator, by the id or the address; None: to nobody.
///
/// # Errors
/// 404; 409 when it is another version by now or over; 422 when there is no such operator.
pub(super) async fn assign(
    app: &App,
    by: &str,
    id: IncidentId,
    version: i64,
    role: IncidentRole,
    user: Option<&str>,
) -> Result<Incident, Problem> {
    let user = match user {
        None => None,
        Some(name) => {
            let user = person(app, "/user", name).await?;
            if !user.operator {
                let words = format!("{name} is no operator of the platform; give somebody who is");
                return Err(Problem::field("/user", words));
            }
            Some((user.id, user.email))
        }
    };
    change(app, by, id, move |hand, incident, _| hand.assign(incident, version, role, user)).await
}

/// And begins the postmortem.
///
/// # Errors
/// 404; 409 when it is another version by now, over, or has an alert that goes on; 422.
pub(super) async fn resolve(app: &App, by: &str, id: IncidentId, words: Words) -> Result<Incident, Problem> {
    let Words { version, text, public } = words;
    let text = said(&text, public)?;
    let incident = change(app, by, id, move |hand, incident, alerts| {
        hand.resolve(incident, alerts, version, text, public)
    })
    .await?;
    // It is over, whatever becomes of the words: when they cannot be begun now, the job does it.
    if let Err(error) = writings::measure(app, by, &incident).await {
        tracing::warn!(incident.id = %id, "the postmortem of incident {id} is not measured yet: {}", chain(&error));
    }
    Ok(incident)
}

/// # Errors
/// 404; 409 when it is another version by now or not over; 422.
pub(super) async fn reopen(app: &App, by: &str, id: IncidentId, words: Words) -> Result<Incident, Problem> {
    let Words { version, text, public } = words;
    let text = said(&text, public)?;
    if text.is_empty() {
        return Err(Problem::field("/text", "is empty; say why it is not over"));
    }
    change(app, by, id, move |hand, incident, _| hand.reopen(incident, version, text, public)).await
}

async fn change(
    app: &App,
    by: &str,
    id: IncidentId,
    decide: impl FnOnce(&Hand, Incident, &[IncidentAlert]) -> Result<Act, Refusal> + Send + 'static,
) -> Result<Incident, Problem> {
    match decided(app, by, id, decide).await? {
        None => Err(missing(id)),
        Some(Ok(incident)) => Ok(incident),
        Some(Err(Refusal::Done(incident))) => Ok(*incident),
        Some(Err(refusal)) => Err(refused(refusal)),
    }
}

/// The incident as it was written, or why it was not. None: there is none.
pub(super) async fn decided(
    app: &App,
    by: &str,
    id: IncidentId,
    decide: impl FnOnce(&Hand, Incident, &[IncidentAlert]) -> Result<Act, Refusal> + Send + 'static,
) -> Result<Option<Result<Incident, Refusal>>, Error> {
    let hand = hand(app, by);
    app.store
        .change_incident(id, move |incident, alerts| {
            decide(&hand, incident, &alerts).map(|act| hand.announced(act))
        })
        .await
}

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Moved(incident) => moved(
            &format!("incident {}", incident.id),
            incident.version,
            "read it again and decide anew whether it is still right",
        ),
        Refusal::Resolved(incident) => Problem::new(
            ProblemCode::IncidentResolved,
            format!(
                "incident {} was resolved{} by {}; reopen it when it is not over",
                incident.id,
                incident.resolved_at.map_or_else(String::new, |at| format!(" at {}", clock(at))),
                incident.resolved_by.as_deref().unwrap_or("nobody"),
            ),
        ),
        Refusal::Open(incident) | Refusal::Done(incident) => Problem::new(
            ProblemCode::IncidentOpen,
            format!(
                "incident {} is {}, and this is for incidents that are over",
                incident.id, incident.state
            ),
        ),
        Refusal::Alerts(alerts) => {
            const NAMED: usize = 5;
            let named: Vec<_> = alerts
                .iter()
                .take(NAMED)
                .map(|alert| format!("{} ({})", alert.rule, alert.summary))
                .collect();
            let more = alerts
                .len()
                .checked_sub(NAMED)
                .filter(|more| *more > 0)
                .map_or_else(String::new, |more| format!(" and {more} more"));
            Problem::new(
                ProblemCode::IncidentOpen,
                format!(
                    "alerts of it go on, so it is not over: {}{more}; resolve it when they are over",
                    named.join("; ")
                ),
            )
        }
    }
}

/// Somebody was first.
pub(super) fn moved(what: &str, version: i64, remedy: &str) -> Problem {
    Problem::new(
        ProblemCode::IncidentMoved,
        format!("somebody else has changed {what} meanwhile: it has version {version} now; {remedy}"),
    )
}

/// A person, by the id or the address.
///
/// # Errors
/// 422 that names the field.
pub(super) async fn person(app: &App, pointer: &str, name: &str) -> Result<User, Problem> {
    let name = name.trim();
    let found = match name.parse::<UserId>() {
        Ok(id) => app.store.user(id).await?,
        Err(_) => app.store.user_by_email(name.to_lowercase()).await?,
    };
    let shown: String = name.chars().take(100).collect();
    found.ok_or_else(|| {
        Problem::field(
            pointer,
            format!("nobody has the id or the address {shown:?}; give one that signs in here"),
        )
    })
}

/// The addresses of people.
pub(super) async fn addresses(app: &App, ids: Vec<UserId>) -> Result<BTreeMap<UserId, String>, Error> {
    let mut known = BTreeMap::new();
    for id in ids {
        if !known.contains_key(&id)
            && let Some(user) = app.store.user(id).await?
        {
            known.insert(id, user.email);
        }
    }
    Ok(known)
}

/// What happened, in order; and whether there is more than fits.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn timeline(app: &App, incident: &Incident) -> Result<(Vec<Line>, bool), Error> {
    timeline_of(&app.store.views(), incident, app.now()).await
}

/// The same, by what that store knows: what is written down must not come from a replica that is late.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn timeline_of(
    store: &Store,
    incident: &Incident,
    now: Timestamp,
) -> Result<(Vec<Line>, bool), Error> {
    let (from, until) = timeline::span(incident, now);
    let mut records = store.platform_records(from, until, RECORDS_MAX + 1).await?;
    let is_cut = records.len() > RECORDS_MAX;
    records.truncate(RECORDS_MAX);
    let material = Material {
        entries: store.incident_entries(incident.id).await?,
        alerts: store.incident_alerts(incident.id).await?,
        records,
        nodes: store.nodes(None).await?,
    };
    Ok((timeline::of(incident, &material), is_cut))
}

fn title_of(title: &str) -> Result<String, Problem> {
    let problem = match one_line(title, TITLE_CHARS_MAX) {
        Ok(title) => return Ok(title.to_owned()),
        Err(TextError::Empty) => "is empty; say in a few words what is wrong".to_owned(),
        Err(problem) => problem.to_string(),
    };
    Err(Problem::field("/title", problem))
}

/// A text of several lines, or none.
pub(super) fn text_of(pointer: &str, text: &str) -> Result<String, Problem> {
    match several_lines(text, TEXT_CHARS_MAX) {
        Ok(text) => Ok(text),
        Err(TextError::Empty) => Ok(String::new()),
        Err(problem) => Err(Problem::field(pointer, problem.to_string())),
    }
}

/// A text, which there must be when everybody is to read it.
fn said(text: &str, public: bool) -> Result<String, Problem> {
    let text = text_of("/text", text)?;
    if public && text.is_empty() {
        return Err(Problem::field("/text", "is empty, and everybody is to read it; say how it stands"));
    }
    Ok(text)
}

/// Names of parts: a region, a component, or both with a slash between them.
fn components_of(components: Vec<String>) -> Result<Vec<String>, Problem> {
    if components.len() > COMPONENTS_MAX {
        let words = format!("names more than {COMPONENTS_MAX} parts; name regions or components as a whole");
        return Err(Problem::field("/components", words));
    }
    let is_word = |word: &str| {
        word.starts_with(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit())
            && word.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
            })
    };
    let mut unique: Vec<String> = Vec::new();
    for (place, component) in components.into_iter().enumerate() {
        let parts: Vec<_> = component.split('/').collect();
        if component.len() > COMPONENT_CHARS_MAX || parts.len() > 2 || !parts.iter().all(|part| is_word(part))
        {
            let shown: String = component.chars().take(COMPONENT_CHARS_MAX).collect();
            let words =
                format!("{shown:?} is no part of the platform; write it like eu-west/api, eu-west or api");
            return Err(Problem::field(format!("/components/{place}"), words));
        }
        if !unique.contains(&component) {
            unique.push(component);
        }
    }
    Ok(unique)
}
