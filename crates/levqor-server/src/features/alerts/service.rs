//! What operators do: look, acknowledge, silence, try messages again.

use std::time::Duration;

use levqor_model::{
    AlertId, AlertState, NotificationId, NotificationState, ProblemCode, SilenceId, Timestamp, one_line,
};
use levqor_slo::{Matcher, Silencing};
use levqor_store::{
    alerts::{Acknowledged, Alert, AlertFilter, SILENCES_MAX, Silence},
    notifications::Notification,
};
use serde_json::json;

use crate::{
    App, Problem,
    gateway::{Actor, Cursor, PageQuery},
};

/// Longest note and reason, in characters.
pub(super) const TEXT_CHARS_MAX: usize = 500;
/// Longest silence.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How far ahead a silence may begin.
const AHEAD_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const ALERTS_KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);
const MESSAGES_KEPT: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// A page of alerts, newest first, and where the next one begins.
pub(super) async fn alerts(
    app: &App,
    filter: AlertFilter,
    page: PageQuery,
) -> Result<(Vec<Alert>, Option<Cursor>), Problem> {
    let store = app.store.views();
    let read = |before, limit| store.alerts(filter, before, limit);
    page.read("alerts", read, |alert: &Alert| alert.id).await
}

/// What is open, the worst first, and those that fire before those that only may.
pub(super) async fn open(app: &App) -> Result<Vec<Alert>, Problem> {
    let mut open = app.store.open_alerts().await?;
    open.sort_by_key(|alert| (alert.state != AlertState::Firing, alert.severity, alert.began_at));
    Ok(open)
}

pub(super) async fn alert(app: &App, id: AlertId) -> Result<Alert, Problem> {
    app.store.alert(id).await?.ok_or_else(no_alert)
}

fn no_alert() -> Problem {
    Problem::not_found("there is no alert of that id; GET /api/ops/alerts lists them")
}

/// Notes that somebody takes an alert on.
pub(super) async fn acknowledge(
    app: &App,
    actor: &Actor,
    id: AlertId,
    note: Option<String>,
) -> Result<Alert, Problem> {
    let note = note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty());
    if let Some(note) = &note {
        bounded("/note", note)?;
    }
    let given = Acknowledged { at: app.now(), by: actor.by.words(), note };
    let (alert, now) = app.store.acknowledge_alert(id, given).await?.ok_or_else(no_alert)?;
    if now {
        return Ok(alert);
    }
    let detail = match (&alert.acknowledged, alert.state) {
        (Some(by), _) => format!("{} has acknowledged it at {}", by.by, by.at),
        (None, _) => "the alert is over; there is nothing to take on".to_owned(),
    };
    Err(Problem::new(ProblemCode::AlertTaken, detail))
}

/// A text of one line that is there and not too long.
fn bounded(pointer: &str, text: &str) -> Result<(), Problem> {
    let checked = one_line(text, TEXT_CHARS_MAX);
    checked.map(|_| ()).map_err(|problem| Problem::field(pointer, problem.to_string()))
}

/// A silence as somebody wants it.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) matchers: Vec<Matcher>,
    pub(super) reason: String,
    /// None: now.
    pub(super) begins_at: Option<Timestamp>,
    pub(super) ends_at: Timestamp,
}

pub(super) async fn create_silence(app: &App, actor: &Actor, wanted: Wanted) -> Result<Silence, Problem> {
    let now = app.now();
    let Wanted { matchers, reason, begins_at, ends_at } = wanted;
    let reason = reason.trim().to_owned();
    bounded("/reason", &reason)?;
    Silencing::check(&matchers)
        .map_err(|error| Problem::field(format!("/matchers{}", error.pointer), error.problem))?;
    let begins_at = begins_at.unwrap_or(now);
    if begins_at > now + AHEAD_MAX {
        return Err(Problem::field("/begins_at", format!("{begins_at} is more than a year ahead")));
    }
    check_end(now, begins_at.max(now), ends_at)?;
    let silence = Silence {
        id: SilenceId::new(now, &*app.random),
        matchers: json!(matchers),
        reason,
        created_by: actor.by.words(),
        created_at: now,
        begins_at,
        ends_at,
    };
    if !app.store.create_silence(silence.clone()).await? {
        return Err(Problem::field(
            "/matchers",
            format!("there are {SILENCES_MAX} silences already that are not over; end some"),
        ));
    }
    Ok(silence)
}

fn check_end(now: Timestamp, begins_at: Timestamp, ends_at: Timestamp) -> Result<(), Problem> {
    if ends_at <= begins_at || ends_at <= now || ends_at > begins_at + SILENCE_MAX {
        let problem = format!(
            "{ends_at} is not within {} days of the beginning; give a moment until {}",
            SILENCE_MAX.as_secs() / 86_400,
            begins_at + SILENCE_MAX
        );
        return Err(Problem::field("/ends_at", problem));
    }
    Ok(())
}

/// Silences that are not over, the one that ends first at first.
pub(super) async fn silences(app: &App) -> Result<Vec<Silence>, Problem> {
    Ok(app.store.silences(app.now()).await?)
}

pub(super) async fn silence(app: &App, id: SilenceId) -> Result<Silence, Problem> {
    app.store.silence(id).await?.ok_or_else(no_silence)
}

fn no_silence() -> Problem {
    Problem::not_found("there is no silence of that id that is not over; GET /api/ops/silences lists them")
}

/// Gives a silence another end, another reason, or both. What is left out is not written, so that nothing is lost that somebody
/// else says at the same moment.
pub(super) async fn change_silence(
    app: &App,
    id: SilenceId,
    ends_at: Option<Timestamp>,
    reason: Option<String>,
) -> Result<Silence, Problem> {
    let now = app.now();
    let kept = silence(app, id).await?;
    if kept.ends_at <= now {
        return Err(no_silence());
    }
    let reason = reason.map(|reason| reason.trim().to_owned());
    if let Some(reason) = &reason {
        bounded("/reason", reason)?;
    }
    if let Some(ends_at) = ends_at {
        // Its beginning never changes.
        check_end(now, kept.begins_at.max(now), ends_at)?;
    }
    if ends_at.is_none() && reason.is_none() {
        return Ok(kept);
    }
    app.store.change_silence(id, ends_at, reason, now).await?.ok_or_else(no_silence)
}

pub(super) async fn end_silence(app: &App, id: SilenceId) -> Result<(), Problem> {
    app.store.end_silence(id, app.now()).await?.map(drop).ok_or_else(no_silence)
}

/// A page of messages, newest first, and where the next one begins.
pub(super) async fn notifications(
    app: &App,
    state: Option<NotificationState>,
    page: PageQuery,
) -> Result<(Vec<Notification>, Option<Cursor>), Problem> {
    let store = app.store.views();
    let read = |before, limit| store.notifications(state, before, limit);
    page.read("notifications", read, |message: &Notification| message.id).await
}

pub(super) async fn notification(app: &App, id: NotificationId) -> Result<Notification, Problem> {
    app.store.notification(id).await?.ok_or_else(no_message)
}

fn no_message() -> Problem {
    Problem::not_found("there is no message of that id; GET /api/ops/notifications lists them")
}

/// Has a message tried anew that was given up.
pub(super) async fn retry(app: &App, id: NotificationId) -> Result<Notification, Problem> {
    let (message, done) = app.store.retry_notification(id, app.now()).await?.ok_or_else(no_message)?;
    if done { Ok(message) } else { Err(not_given_up(&message)) }
}

/// Notes that it was seen that a message was not delivered.
pub(super) async fn dismiss(app: &App, id: NotificationId, reason: String) -> Result<Notification, Problem> {
    let reason = reason.trim().to_owned();
    bounded("/reason", &reason)?;
    let (message, done) =
        app.store.dismiss_notification(id, reason, app.now()).await?.ok_or_else(no_message)?;
    if done { Ok(message) } else { Err(not_given_up(&message)) }
}

fn not_given_up(message: &Notification) -> Problem {
    Problem::new(
        ProblemCode::MessageNotGivenUp,
        format!(
            "the message is {}; only one that was given up can be tried anew or dismissed",
            message.state
        ),
    )
}

/// Forgets what is old.
pub(crate) async fn prune(app: &App) -> Result<(), levqor_store::Error> {
    let now = app.now();
    app.store.prune_alerts(now - ALERTS_KEPT).await?;
    app.store.prune_notifications(now - MESSAGES_KEPT).await
}
