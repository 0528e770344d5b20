//! What is not as it should be: from when it was seen until it was over, who was told, and times in which nobody is.
//!
//! ```text
//! evaluator ─► move_alerts ─► alerts, audit_records, notifications      one transaction, or none of it
//! ```
//!
//! Invariant: an alert that fires or ends, its record in the evidence log and its message come together, once: a row is changed only as
//! it was read, and the message's `dedup` names the change.

use levqor_model::{AlertId, AlertState, Severity, SilenceId, Timestamp};
use serde_json::{Value, json};

use crate::{
    Conflict, Error, Row, Session, Store,
    audit::{self, Note},
    cursor,
    notifications::{self, NewNotification, Target},
    params,
};

/// Alerts that are open at once: an evaluator keeps no more.
pub const OPEN_MAX: usize = 2_000;
/// Silences that are looked at.
pub const SILENCES_MAX: usize = 500;
/// Targets that an alert remembers to have been told: more than a configuration has destinations and routes.
pub const HEARD_BY_MAX: usize = 200;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    pub id: AlertId,
    /// The kind of thing, and which one of them, as their [`levqor_model::Condition`] names it.
    pub rule: String,
    pub subject: String,
    /// Who says whether it holds.
    pub source: String,
    pub severity: Severity,
    pub state: AlertState,
    pub summary: String,
    /// The measured values, as an object.
    pub details: Value,
    pub began_at: Timestamp,
    /// None: it has not been told that it fires.
    pub firing_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// When it was weighed last.
    pub seen_at: Timestamp,
    /// Microseconds for which it has gone on: pending, for which it did not hold; firing, for which it has held again.
    pub held_us: i64,
    /// How often it came back soon after it was over.
    pub flaps: u32,
    /// Whether somebody was told that it is as bad as it is. What gets worse in a silence is told at its end: until then it is not.
    pub told: bool,
    /// Whether somebody was told that it fires, at whatever severity: they are told that it is over. It stays so to the end.
    pub heard: bool,
    /// Who was told that it fires: destinations by their names, and routes that led to nobody then. At most [`HEARD_BY_MAX`]. Empty although
    /// it was heard: a build before this one told them.
    pub heard_by: Vec<Target>,
    /// By which silence nobody is told.
    pub silence: Option<SilenceId>,
    /// Why it is over.
    pub ending: Option<String>,
    pub acknowledged: Option<Acknowledged>,
    /// Moves on with every change.
    pub version: i64,
}

/// Somebody has taken an alert on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    pub at: Timestamp,
    pub by: String,
    pub note: Option<String>,
}

/// What happens to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertStep {
    /// It begins, or its times move on; nobody is told.
    Kept,
    /// It was over before it fired.
    Dropped,
    Fired,
    /// It fires already, and is worse now.
    Raised,
    /// It fires already, and its silence is over.
    Told,
    Resolved,
}

/// An alert as it is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertMove {
    /// With its new version.
    pub alert: Alert,
    /// The version that it was read with; None: it is new.
    pub was: Option<i64>,
    pub step: AlertStep,
}

/// Which alerts; None: any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertFilter {
    pub state: Option<AlertState>,
    pub severity: Option<Severity>,
    /// Of this rule, or of all that begin with it and a point.
    pub rule: Option<String>,
    pub subject: Option<String>,
}

/// A time in which alerts of a kind tell nobody.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    pub id: SilenceId,
    /// What they are about, as a list.
    pub matchers: Value,
    pub reason: String,
    pub created_by: String,
    pub created_at: Timestamp,
    pub begins_at: Timestamp,
    pub ends_at: Timestamp,
}

impl AlertStep {
    /// How the evidence log calls it; None: it does not.
    const fn kind(self) -> Option<&'static str> {
        match self {
            AlertStep::Kept | AlertStep::Dropped | AlertStep::Told => None,
            AlertStep::Fired => Some("alert.fired"),
            AlertStep::Raised => Some("alert.raised"),
            AlertStep::Resolved => Some("alert.resolved"),
        }
    }
}

/// The columns of [`Alert`], in the order in which [`Alert::read`] takes them.
macro_rules! columns {
    () => {
        "id, rule, subject, source, severity, state, summary, details, began_at, firing_at, ended_at, seen_at, held_us, \
         flaps, told, heard, heard_by, silence_id, ending, acknowledged_at, acknowledged_by, acknowledged_note, version"
    };
}

impl Alert {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        let mut alert = Self {
            id: row.take()?,
            rule: row.take()?,
            subject: row.take()?,
            source: row.take()?,
            severity: row.take()?,
            state: row.take()?,
            summary: row.take()?,
            details: json_of(&row.take::<String>()?)?,
            began_at: row.take()?,
            firing_at: row.take()?,
            ended_at: row.take()?,
            seen_at: row.take()?,
            held_us: row.take()?,
            flaps: row.take()?,
            told: row.take()?,
            heard: row.take()?,
            heard_by: targets(&row.take::<String>()?)?,
            silence: row.take()?,
            ending: row.take()?,
            acknowledged: {
                let (at, by): (Option<Timestamp>, Option<String>) = (row.take()?, row.take()?);
                let note = row.take()?;
                at.zip(by).map(|(at, by)| Acknowledged { at, by, note })
            },
            version: row.take()?,
        };
        // A node of the build before knows only `told`.
        alert.heard |= alert.told;
        Ok(alert)
    }
}

impl Silence {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            matchers: json_of(&row.take::<String>()?)?,
            reason: row.take()?,
            created_by: row.take()?,
            created_at: row.take()?,
            begins_at: row.take()?,
            ends_at: row.take()?,
        })
    }
}

impl Store {
    /// What is not over, by rule and subject; at most [`OPEN_MAX`].
    pub async fn open_alerts(&self) -> Result<Vec<Alert>, Error> {
        self.read(|session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM alerts WHERE ended_at IS NULL ORDER BY rule, subject LIMIT $1"
                ),
                params![OPEN_MAX],
                Alert::read,
            )
        })
        .await
    }

    /// Newest first, those before `before`.
    pub async fn alerts(
        &self,
        filter: AlertFilter,
        before: Option<AlertId>,
        limit: usize,
    ) -> Result<Vec<Alert>, Error> {
        self.view(move |session| {
            let AlertFilter { state, severity, rule, subject } = &filter;
            let before = cursor::below(before);
            let below = rule.as_ref().map(|rule| format!("{rule}."));
            match state {
                None => session.rows(
                    concat!(
                        "SELECT ",
                        columns!(),
                        " FROM alerts WHERE id < $1
                             AND (CAST($2 AS text) IS NULL OR severity = $2)
                             AND (CAST($3 AS text) IS NULL OR rule = $3
                                 OR substr(rule, 1, length(CAST($4 AS text))) = $4)
                             AND (CAST($5 AS text) IS NULL OR subject = $5)
                         ORDER BY id DESC LIMIT $6"
                    ),
                    params![before, severity, rule, below, subject, limit],
                    Alert::read,
                ),
                Some(state) => session.rows(
                    concat!(
                        "SELECT ",
                        columns!(),
                        " FROM alerts WHERE state = $7 AND id < $1
                             AND (CAST($2 AS text) IS NULL OR severity = $2)
                             AND (CAST($3 AS text) IS NULL OR rule = $3
                                 OR substr(rule, 1, length(CAST($4 AS text))) = $4)
                             AND (CAST($5 AS text) IS NULL OR subject = $5)
                         ORDER BY id DESC LIMIT $6"
                    ),
                    params![before, severity, rule, below, subject, limit, state],
                    Alert::read,
                ),
            }
        })
        .await
    }

    pub async fn alert(&self, id: AlertId) -> Result<Option<Alert>, Error> {
        self.read(move |session| find(session, id)).await
    }

    /// The last one of a thing that is over.
    pub async fn last_alert(&self, rule: String, subject: String) -> Result<Option<Alert>, Error> {
        self.read(move |session| {
            session.row(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM alerts WHERE rule = $1 AND subject = $2 AND ended_at IS NOT NULL
                     ORDER BY ended_at DESC LIMIT 1"
                ),
                params![rule, subject],
                Alert::read,
            )
        })
        .await
    }

    /// Makes all of these changes and adds the messages, or nothing of it: false when an alert is not as it was read any more, which
    /// another node has done.
    pub async fn move_alerts(
        &self,
        moves: Vec<AlertMove>,
        messages: Vec<NewNotification>,
    ) -> Result<bool, Error> {
        let made = self
            .write(move |session| {
                for one in &moves {
                    make(session, one)?;
                }
                for message in &messages {
                    notifications::enqueue(session, message)?;
                }
                Ok(())
            })
            .await;
        match made {
            Ok(()) => Ok(true),
            Err(Error::Conflict(Conflict::AlertMoved)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Notes who takes an alert on. None: there is no such alert; false: it is over, or somebody has it.
    pub async fn acknowledge_alert(
        &self,
        id: AlertId,
        given: Acknowledged,
    ) -> Result<Option<(Alert, bool)>, Error> {
        self.write(move |session| {
            let Acknowledged { at, by, note } = &given;
            let changed = session.execute(
                "UPDATE alerts SET acknowledged_at = $2, acknowledged_by = $3, acknowledged_note = $4,
                     version = version + 1
                 WHERE id = $1 AND ended_at IS NULL AND acknowledged_at IS NULL",
                params![id, at, by, note],
            )?;
            let Some(alert) = find(session, id)? else { return Ok(None) };
            if changed > 0 {
                let details = json!({ "rule": alert.rule, "subject": alert.subject, "note": note });
                note_of(session, "alert.acknowledged", *at, &id.to_string(), details)?;
            }
            Ok(Some((alert, changed > 0)))
        })
        .await
    }

    /// Forgets what was over before a moment.
    pub async fn prune_alerts(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM alerts WHERE id IN
                (SELECT id FROM alerts WHERE ended_at < $1 AND ended_at IS NOT NULL ORDER BY ended_at, id LIMIT $2)",
            before,
        )
        .await?;
        self.prune(
            "DELETE FROM silences WHERE id IN
                (SELECT id FROM silences WHERE ends_at < $1 ORDER BY ends_at, id LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}

/// Silences.
impl Store {
    /// False: there are [`SILENCES_MAX`] already that are not over.
    pub async fn create_silence(&self, silence: Silence) -> Result<bool, Error> {
        self.write(move |session| {
            let Silence { id, matchers, reason, created_by, created_at, begins_at, ends_at } = &silence;
            let open: Option<i64> =
                session.scalar("SELECT count(*) FROM silences WHERE ends_at > $1", params![created_at])?;
            if open.unwrap_or_default() >= i64::try_from(SILENCES_MAX).unwrap_or(i64::MAX) {
                return Ok(false);
            }
            session.execute(
                "INSERT INTO silences (id, matchers, reason, created_by, created_at, begins_at, ends_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
                params![id, matchers.to_string(), reason, created_by, created_at, begins_at, ends_at],
            )?;
            let details =
                json!({ "matchers": matchers, "reason": reason, "from": begins_at, "until": ends_at });
            note_of(session, "silence.created", *created_at, &id.to_string(), details)?;
            Ok(true)
        })
        .await
    }

    /// Those that are not over then, the one that ends first at first.
    pub async fn silences(&self, after: Timestamp) -> Result<Vec<Silence>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT id, matchers, reason, created_by, created_at, begins_at, ends_at FROM silences
                 WHERE ends_at > $1 ORDER BY ends_at, id LIMIT $2",
                params![after, SILENCES_MAX],
                Silence::read,
            )
        })
        .await
    }

    pub async fn silence(&self, id: SilenceId) -> Result<Option<Silence>, Error> {
        self.read(move |session| find_silence(session, id)).await
    }

    /// Gives a silence that is not over another end, another reason, or both: what is not given is as the row has it by then, so
    /// that two who change it at the same moment keep what each of them said. None: there is none that is not over.
    pub async fn change_silence(
        &self,
        id: SilenceId,
        ends_at: Option<Timestamp>,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<Option<Silence>, Error> {
        self.write(move |session| {
            let changed = session.execute(
                "UPDATE silences SET ends_at = coalesce($2, ends_at), reason = coalesce($3, reason)
                 WHERE id = $1 AND ends_at > $4",
                params![id, ends_at, reason, now],
            )?;
            if changed == 0 {
                return Ok(None);
            }
            let Some(silence) = find_silence(session, id)? else { return Ok(None) };
            let details = json!({ "reason": silence.reason, "until": silence.ends_at });
            note_of(session, "silence.changed", now, &id.to_string(), details)?;
            Ok(Some(silence))
        })
        .await
    }

    /// Ends a silence now. None: there is no such silence; false: it was over.
    pub async fn end_silence(&self, id: SilenceId, now: Timestamp) -> Result<Option<(Silence, bool)>, Error> {
        self.write(move |session| {
            let changed = session.execute(
                "UPDATE silences SET ends_at = $2 WHERE id = $1 AND ends_at > $2",
                params![id, now],
            )?;
            if changed > 0 {
                note_of(session, "silence.ended", now, &id.to_string(), json!({}))?;
            }
            Ok(find_silence(session, id)?.map(|silence| (silence, changed > 0)))
        })
        .await
    }
}

fn find(session: &Session, id: AlertId) -> Result<Option<Alert>, Error> {
    session.row(concat!("SELECT ", columns!(), " FROM alerts WHERE id = $1"), params![id], Alert::read)
}

fn find_silence(session: &Session, id: SilenceId) -> Result<Option<Silence>, Error> {
    session.row(
        "SELECT id, matchers, reason, created_by, created_at, begins_at, ends_at FROM silences WHERE id = $1",
        params![id],
        Silence::read,
    )
}

fn make(session: &Session, one: &AlertMove) -> Result<(), Error> {
    let AlertMove { alert, was, step } = one;
    let changed = match (was, step) {
        (None, _) => insert(session, alert)?,
        (Some(was), AlertStep::Dropped) => session.execute(
            "DELETE FROM alerts WHERE id = $1 AND version = $2 AND ended_at IS NULL",
            params![alert.id, was],
        )?,
        (Some(was), _) => update(session, alert, *was)?,
    };
    if changed == 0 {
        return Err(Error::Conflict(Conflict::AlertMoved));
    }
    let Some(kind) = step.kind() else { return Ok(()) };
    let details = json!({
        "rule": alert.rule, "subject": alert.subject, "severity": alert.severity, "summary": alert.summary,
        "began_at": alert.began_at, "silence": alert.silence, "ending": alert.ending,
    });
    note_of(session, kind, alert.seen_at, &alert.id.to_string(), details)
}

fn insert(session: &Session, alert: &Alert) -> Result<u64, Error> {
    let acknowledged = alert.acknowledged.as_ref();
    session.execute(
        concat!(
            "INSERT INTO alerts (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
             ON CONFLICT (rule, subject) WHERE ended_at IS NULL DO NOTHING"
        ),
        params![
            alert.id,
            alert.rule,
            alert.subject,
            alert.source,
            alert.severity,
            alert.state,
            alert.summary,
            alert.details.to_string(),
            alert.began_at,
            alert.firing_at,
            alert.ended_at,
            alert.seen_at,
            alert.held_us,
            alert.flaps,
            alert.told,
            alert.heard,
            texts(&alert.heard_by),
            alert.silence,
            alert.ending,
            acknowledged.map(|given| given.at),
            acknowledged.map(|given| given.by.clone()),
            acknowledged.and_then(|given| given.note.clone()),
            alert.version,
        ],
    )
}

/// Who took it on is not the evaluator's to write.
fn update(session: &Session, alert: &Alert, was: i64) -> Result<u64, Error> {
    session.execute(
        "UPDATE alerts SET severity = $3, state = $4, summary = $5, details = $6, firing_at = $7, ended_at = $8,
             seen_at = $9, held_us = $10, told = $11, heard = $12, heard_by = $13, silence_id = $14, ending = $15,
             version = $16
         WHERE id = $1 AND version = $2 AND ended_at IS NULL",
        params![
            alert.id,
            was,
            alert.severity,
            alert.state,
            alert.summary,
            alert.details.to_string(),
            alert.firing_at,
            alert.ended_at,
            alert.seen_at,
            alert.held_us,
            alert.told,
            alert.heard,
            texts(&alert.heard_by),
            alert.silence,
            alert.ending,
            alert.version,
        ],
    )
}

/// Targets, as a JSON list of how each is kept.
pub(crate) fn texts(targets: &[Target]) -> String {
    json!(targets.iter().map(Target::text).collect::<Vec<_>>()).to_string()
}

/// One of a later build that is not known here is left out: that somebody is not told of an end is no reason to look at no alert.
pub(crate) fn targets(text: &str) -> Result<Vec<Target>, Error> {
    let texts: Vec<String> =
        serde_json::from_str(text).map_err(|error| Error::Decode(format!("column heard_by: {error}")))?;
    Ok(texts.iter().filter_map(|text| Target::parse(text)).collect())
}

fn json_of(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| Error::Decode(format!("JSON: {error}")))
}

fn note_of(
    session: &Session,
    kind: &'static str,
    at: Timestamp,
    subject: &str,
    details: Value,
) -> Result<(), Error> {
    audit::note(session, Note { kind, at, account: None, subject, details })
}
