//! What is written about incidents when they are over.

use levqor_model::{IncidentId, IncidentLevel, Timestamp};
use serde_json::json;

use super::{EntryKind, NewEntry, act, lists};
use crate::{Error, Row, Session, Store, cursor, params};

/// What is written about an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postmortem {
    pub incident: IncidentId,
    /// Of the file, without its ending.
    pub name: String,
    /// Markdown.
    pub text: String,
    /// Grows with every change.
    pub version: i64,
    pub written_at: Timestamp,
    pub written_by: String,
    /// By when what is measured in it was looked at last.
    pub measured_at: Timestamp,
}

/// The first version of a postmortem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPostmortem {
    pub incident: IncidentId,
    /// When another incident has it already, a number is put behind it.
    pub name: String,
    pub text: String,
    pub by: String,
    /// When it was measured, and begun.
    pub at: Timestamp,
}

/// What came of writing a postmortem anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    Now(Postmortem),
    /// It is another version by now.
    Moved(Postmortem),
    Missing,
}

/// A postmortem in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostmortemSummary {
    pub postmortem: Postmortem,
    pub title: String,
    pub level: IncidentLevel,
    pub resolved_at: Option<Timestamp>,
}

impl Postmortem {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            incident: row.take()?,
            name: row.take()?,
            text: row.take()?,
            version: row.take()?,
            written_at: row.take()?,
            written_by: row.take()?,
            measured_at: row.take()?,
        })
    }
}

impl Store {
    /// Keeps the first version. When there is one already, that one.
    pub async fn begin_postmortem(&self, new: NewPostmortem) -> Result<Postmortem, Error> {
        self.write(move |session| {
            if let Some(there) = find(session, new.incident)? {
                return Ok(there);
            }
            let NewPostmortem { incident, name, text, by, at } = new;
            let name = free_name(session, name)?;
            session.execute(
                "INSERT INTO postmortems (incident_id, name, text, version, written_at, written_by, measured_at)
                 VALUES ($1, $2, $3, 1, $4, $5, $4)",
                params![incident, name, text, at, by],
            )?;
            noted(session, incident, at, &by, &format!("postmortem {name} was begun"), "postmortem.begun")?;
            Ok(Postmortem {
                incident,
                name,
                text,
                version: 1,
                written_at: at,
                written_by: by,
                measured_at: at,
            })
        })
        .await
    }

    /// Has `change` make another text of a postmortem, within the transaction; None leaves it as it is. `seen`: the version that the
    /// caller saw; None: any.
    pub async fn write_postmortem(
        &self,
        incident: IncidentId,
        seen: Option<i64>,
        by: String,
        at: Timestamp,
        change: impl FnOnce(&Postmortem) -> Option<String> + Send + 'static,
    ) -> Result<Written, Error> {
        self.write(move |session| {
            let Some(there) = find(session, incident)? else { return Ok(Written::Missing) };
            if seen.is_some_and(|seen| seen != there.version) {
                return Ok(Written::Moved(there));
            }
            let text = change(&there);
            rewritten(session, there, text, by, at, "the postmortem was changed").map(Written::Now)
        })
        .await
    }

    /// Has `change` put what was measured at `at` into a postmortem, within the transaction, and remembers that it was, also when
    /// nothing of it is another one.
    pub async fn measure_postmortem(
        &self,
        incident: IncidentId,
        by: String,
        at: Timestamp,
        change: impl FnOnce(&Postmortem) -> Option<String> + Send + 'static,
    ) -> Result<Written, Error> {
        self.write(move |session| {
            let Some(there) = find(session, incident)? else { return Ok(Written::Missing) };
            // Another node has measured later than this one has.
            if there.measured_at > at {
                return Ok(Written::Now(there));
            }
            session.execute(
                "UPDATE postmortems SET measured_at = $2 WHERE incident_id = $1",
                params![incident, at],
            )?;
            let text = change(&there);
            let there = Postmortem { measured_at: at, ..there };
            rewritten(session, there, text, by, at, "the postmortem was measured again").map(Written::Now)
        })
        .await
    }

    pub async fn postmortem(&self, incident: IncidentId) -> Result<Option<Postmortem>, Error> {
        self.read(move |session| find(session, incident)).await
    }

    /// Those of the newest incidents first, those before `before`.
    pub async fn postmortems(
        &self,
        before: Option<IncidentId>,
        limit: usize,
    ) -> Result<Vec<PostmortemSummary>, Error> {
        self.view(move |session| {
            let before = cursor::below(before);
            session.rows(
                "SELECT postmortems.incident_id, name, text, postmortems.version, written_at, written_by, measured_at,
                     title, level, resolved_at
                 FROM postmortems JOIN incidents ON incidents.incident_id = postmortems.incident_id
                 WHERE postmortems.incident_id < $1 ORDER BY postmortems.incident_id DESC LIMIT $2",
                params![before, limit],
                |row| {
                    Ok(PostmortemSummary {
                        postmortem: Postmortem::read(row)?,
                        title: row.take()?,
                        level: row.take()?,
                        resolved_at: row.take()?,
                    })
                },
            )
        })
        .await
    }
}

fn find(session: &Session, incident: IncidentId) -> Result<Option<Postmortem>, Error> {
    session.row(
        "SELECT incident_id, name, text, version, written_at, written_by, measured_at FROM postmortems
         WHERE incident_id = $1",
        params![incident],
        Postmortem::read,
    )
}

/// The same with another text; None, or the same text, leaves it as it is.
fn rewritten(
    session: &Session,
    there: Postmortem,
    text: Option<String>,
    by: String,
    at: Timestamp,
    words: &str,
) -> Result<Postmortem, Error> {
    let Some(text) = text.filter(|text| *text != there.text) else { return Ok(there) };
    let incident = there.incident;
    session.execute(
        "UPDATE postmortems SET text = $2, version = version + 1, written_at = $3, written_by = $4 WHERE incident_id = $1",
        params![incident, text, at, by],
    )?;
    noted(session, incident, at, &by, words, "postmortem.changed")?;
    let version = there.version + 1;
    Ok(Postmortem { text, version, written_at: at, written_by: by, ..there })
}

/// The name, with a number behind it when it is taken.
fn free_name(session: &Session, name: String) -> Result<String, Error> {
    let mut free = name.clone();
    for number in 2_u64.. {
        let taken: Option<i64> =
            session.scalar("SELECT 1 FROM postmortems WHERE name = $1", params![free])?;
        if taken.is_none() {
            break;
        }
        free = format!("{name}-{number}");
    }
    Ok(free)
}

/// An entry of the incident, and a record.
fn noted(
    session: &Session,
    incident: IncidentId,
    at: Timestamp,
    by: &str,
    words: &str,
    kind: &'static str,
) -> Result<(), Error> {
    let Some(of) = lists::find(session, incident)? else { return Ok(()) };
    let entry = NewEntry {
        at,
        kind: EntryKind::Postmortem,
        author: by.to_owned(),
        text: words.to_owned(),
        public: false,
    };
    act::add_entry(session, incident, of.state, &entry)?;
    act::note(session, incident, kind, at, json!({}))
}
