//! The rules of maintenance: when it may be, and what people are told of it.

use std::time::Duration;

use levqor_model::{MaintenanceId, ProblemCode, Severity, TextError, Timestamp, several_lines};
use levqor_store::{
    Error,
    maintenance::{Changed, Phase, WINDOWS_MAX, Window},
    subscriptions::Announcement,
};
use serde_json::json;

use super::{
    declarations::{must_be_there, text},
    snapshot,
};
use crate::{App, Problem, gateway::Actor, pages::components::time::utc};

const TITLE_CHARS_MAX: usize = 120;
const WORDS_CHARS_MAX: usize = 2_000;
const PARTS_MAX: usize = 50;
/// Longest window, and how far ahead one may begin.
const LENGTH_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const AHEAD_MAX: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// A window may have begun so long before it is scheduled: clocks differ, and typing takes time.
const LATE_MAX: Duration = Duration::from_secs(5 * 60);

/// What an operator plans.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) title: String,
    pub(super) words: String,
    pub(super) parts: Vec<String>,
    pub(super) starts_at: Timestamp,
    pub(super) ends_at: Timestamp,
}

/// Schedules it and tells subscribers.
///
/// # Errors
/// 422 that names the field.
pub(super) async fn schedule(app: &App, actor: &Actor, plan: Plan) -> Result<Window, Problem> {
    let Plan { title, words, parts, starts_at, ends_at } = plan;
    let title = text("/title", &title, TITLE_CHARS_MAX)?;
    let words = match several_lines(&words, WORDS_CHARS_MAX) {
        Err(TextError::Empty) => String::new(),
        words => words.map_err(|problem| Problem::field("/words", problem.to_string()))?,
    };
    if parts.is_empty() || parts.len() > PARTS_MAX {
        let problem = format!("must name 1 to {PARTS_MAX} parts, such as eu-west/database or eu-west/*");
        return Err(Problem::field("/parts", problem));
    }
    for (place, part) in parts.iter().enumerate() {
        must_be_there(app, &format!("/parts/{place}"), part).await?;
    }
    let now = app.now();
    times(now, starts_at, ends_at)?;
    let window = Window {
        id: MaintenanceId::new(now, &*app.random),
        title,
        words,
        parts,
        starts_at,
        ends_at,
        actor: actor.by.words(),
        created_at: now,
        updated_at: now,
        cancelled_at: None,
        told: Phase::Scheduled,
    };
    let told = announcement(app, &window, Phase::Scheduled, now, "");
    if !app.store.schedule_maintenance(window.clone(), told, app.random.clone()).await? {
        let problem = format!("there are {WINDOWS_MAX} windows that are not over; cancel some first");
        return Err(Problem::field("/title", problem));
    }
    snapshot::changed(app).await;
    Ok(window)
}

fn times(now: Timestamp, starts_at: Timestamp, ends_at: Timestamp) -> Result<(), Problem> {
    if starts_at < now - LATE_MAX {
        return Err(Problem::field("/starts_at", format!("has passed; it is {now} now")));
    }
    if starts_at > now + AHEAD_MAX {
        let days = AHEAD_MAX.as_secs() / 86_400;
        return Err(Problem::field("/starts_at", format!("is more than {days} days away")));
    }
    if ends_at <= starts_at || ends_at <= now {
        return Err(Problem::field("/ends_at", "must be after the beginning, and to come"));
    }
    if ends_at.since(starts_at) > LENGTH_MAX {
        let days = LENGTH_MAX.as_secs() / 86_400;
        return Err(Problem::field("/ends_at", format!("is more than {days} days after the beginning")));
    }
    Ok(())
}

/// It does not take place.
///
/// # Errors
/// 404; 409 once it has begun; 422 for the reason.
pub(super) async fn cancel(app: &App, id: MaintenanceId, reason: &str) -> Result<Window, Problem> {
    let reason = text("/reason", reason, 500)?;
    let window = find(app, id).await?;
    let told = announcement(app, &window, Phase::Cancelled, app.now(), &reason);
    let changed = app.store.cancel_maintenance(id, reason, told, app.random.clone()).await?;
    done(app, id, changed, "cancelled").await
}

/// It is over before its time.
///
/// # Errors
/// 404; 409 when it is not in progress.
pub(super) async fn end(app: &App, id: MaintenanceId) -> Result<Window, Problem> {
    let window = find(app, id).await?;
    let told = announcement(app, &window, Phase::Completed, app.now(), "");
    let changed = app.store.end_maintenance(id, told, app.random.clone()).await?;
    done(app, id, changed, "ended").await
}

async fn find(app: &App, id: MaintenanceId) -> Result<Window, Problem> {
    app.store.maintenance_window(id).await?.ok_or_else(|| missing(id))
}

fn missing(id: MaintenanceId) -> Problem {
    Problem::not_found(format!("maintenance {id} does not exist"))
}

async fn done(app: &App, id: MaintenanceId, changed: Changed, word: &str) -> Result<Window, Problem> {
    match changed {
        Changed::Done(window) => {
            snapshot::changed(app).await;
            Ok(*window)
        }
        Changed::Missing => Err(missing(id)),
        Changed::Not(phase) => Err(Problem::new(
            ProblemCode::MaintenancePhase,
            format!(
                "maintenance {id} is {} and cannot be {word}{}",
                phase.as_str().replace('_', " "),
                instead(phase)
            ),
        )),
    }
}

/// What can be done in that phase, as the end of a sentence.
fn instead(phase: Phase) -> &'static str {
    match phase {
        Phase::Scheduled => "; cancel it",
        Phase::InProgress => "; end it",
        Phase::Completed | Phase::Cancelled => "; nothing is left to do",
    }
}

/// The job: subscribers are told that a window began or ended.
///
/// # Errors
/// When the store cannot be read or written.
pub(crate) async fn tell(app: &App) -> Result<(), Error> {
    let now = app.now();
    for window in app.store.due_maintenance(now).await? {
        // Nobody was there when it began: then it is told only that it is over.
        let phase = window.phase(now);
        let told = announcement(app, &window, phase, now, "");
        app.store.tell_maintenance(window, phase, told, app.random.clone()).await?;
    }
    Ok(())
}

fn announcement(app: &App, window: &Window, phase: Phase, at: Timestamp, reason: &str) -> Announcement {
    let site = app.settings.public_url.clone();
    let word = match phase {
        Phase::Scheduled => "is scheduled",
        Phase::InProgress => "has begun",
        Phase::Completed => "is over",
        Phase::Cancelled => "does not take place",
    };
    let mut body = format!("{} {word}.\n\n", window.title);
    if !reason.is_empty() {
        body.push_str(&format!("{reason}\n\n"));
    }
    if phase == Phase::Scheduled && !window.words.is_empty() {
        body.push_str(&format!("{}\n\n", window.words));
    }
    body.push_str(&format!(
        "From {} to {}.\nAbout: {}\n",
        utc(window.starts_at),
        utc(window.ends_at),
        window.parts.join(", ")
    ));
    body.push_str(&format!("\n{site}/status#maintenance-{}", window.id));
    Announcement {
        dedup: format!("maintenance/{}/{}", window.id, phase.as_str()),
        severity: Severity::Minor,
        subject: format!("Maintenance {word}: {}", window.title),
        body,
        data: json!({
            "type": format!("maintenance.{}", phase.as_str()), "id": window.id, "title": window.title,
            "parts": window.parts, "starts_at": window.starts_at, "ends_at": window.ends_at, "status": phase.as_str(),
            "url": format!("{site}/status#maintenance-{}", window.id),
        }),
        parts: window.parts.clone(),
        site,
        at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_to_come_and_has_an_end() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let rows = [
            ("2026-11-24T12:00:00Z", "2026-11-24T13:00:00Z", None),
            ("2026-11-24T11:55:00Z", "2026-11-24T13:00:00Z", None),
            ("2026-11-24T11:54:59Z", "2026-11-24T13:00:00Z", Some("/starts_at")),
            ("2026-11-24T13:00:00Z", "2026-11-24T13:00:00Z", Some("/ends_at")),
            ("2026-11-24T11:56:00Z", "2026-11-24T11:58:00Z", Some("/ends_at")),
            ("2026-11-24T13:00:00Z", "2027-01-24T13:00:00Z", Some("/ends_at")),
            ("2028-11-24T13:00:00Z", "2028-11-24T14:00:00Z", Some("/starts_at")),
        ];
        for (starts, ends, pointer) in rows {
            let found = times(now, starts.parse().unwrap(), ends.parse().unwrap());
            let found = found.err().map(|problem| problem.errors[0].pointer.clone());
            assert_eq!(found.as_deref(), pointer, "{starts} {ends}");
        }
    }
}
