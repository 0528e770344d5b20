//! What operators say of the platform's state: words, and that a part is worse than measured. They end by themselves.
//!
//! Invariant: who said what, and who took it back, is in the evidence log, in the same transaction.

use levqor_model::{DeclarationId, Timestamp};
use serde_json::{Value, json};

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    params,
};

/// Declarations that are listed, and that may hold at once.
pub const DECLARATIONS_MAX: usize = 100;

/// How bad a part is said to be. There is no word for "better".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    Degraded,
    Down,
}

impl Declared {
    pub const fn as_str(self) -> &'static str {
        match self {
            Declared::Degraded => "degraded",
            Declared::Down => "down",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "degraded" => Some(Declared::Degraded),
            "down" => Some(Declared::Down),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    pub id: DeclarationId,
    /// `region/component`, with `*` for all of them.
    pub part: String,
    /// None: only words.
    pub state: Option<Declared>,
    pub words: String,
    /// Who said it.
    pub actor: String,
    pub at: Timestamp,
    pub ends_at: Timestamp,
}

/// The columns of [`Declaration`], in the order in which [`Declaration::read`] takes them.
macro_rules! columns {
    () => {
        "id, part, state, words, actor, at, ends_at"
    };
}

impl Declaration {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            part: row.take()?,
            state: match row.take::<Option<String>>()? {
                None => None,
                Some(word) => Some(
                    Declared::parse(&word)
                        .ok_or_else(|| Error::Decode("column state: not a state that is known".to_owned()))?,
                ),
            },
            words: row.take()?,
            actor: row.take()?,
            at: row.take()?,
            ends_at: row.take()?,
        })
    }
}

impl Store {
    /// Says something of a part; false: so much is said already that nothing can be added.
    pub async fn declare(&self, new: Declaration) -> Result<bool, Error> {
        self.write(move |session| {
            let Declaration { id, part, state, words, actor, at, ends_at } = &new;
            let held: u64 = session
                .scalar("SELECT count(*) FROM status_declarations WHERE ends_at > $1", params![at])?
                .unwrap_or_default();
            if held >= DECLARATIONS_MAX as u64 {
                return Ok(false);
            }
            let state = state.map(Declared::as_str);
            session.execute(
                concat!(
                    "INSERT INTO status_declarations (",
                    columns!(),
                    ") VALUES ($1, $2, $3, $4, $5, $6, $7)"
                ),
                params![id, part, state, words, actor, at, ends_at],
            )?;
            let details = json!({ "part": part, "state": state, "words": words, "until": ends_at });
            note(session, "status.declared", *at, &id.to_string(), details)?;
            Ok(true)
        })
        .await
    }

    /// What holds at that moment, the newest first.
    pub async fn declarations(&self, now: Timestamp) -> Result<Vec<Declaration>, Error> {
        self.read(move |session| {
            let mut held = session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM status_declarations WHERE ends_at > $1 ORDER BY ends_at, id LIMIT $2"
                ),
                params![now, DECLARATIONS_MAX],
                Declaration::read,
            )?;
            held.sort_by_key(|said| std::cmp::Reverse(said.id));
            Ok(held)
        })
        .await
    }

    /// Takes it back before its time; None: there is none that holds.
    pub async fn withdraw_declaration(
        &self,
        id: DeclarationId,
        at: Timestamp,
    ) -> Result<Option<Declaration>, Error> {
        self.write(move |session| {
            let gone = session.row(
                concat!(
                    "DELETE FROM status_declarations WHERE id = $1 AND ends_at > $2 RETURNING ",
                    columns!()
                ),
                params![id, at],
                Declaration::read,
            )?;
            if let Some(gone) = &gone {
                let details = json!({ "part": gone.part, "words": gone.words });
                note(session, "status.withdrawn", at, &id.to_string(), details)?;
            }
            Ok(gone)
        })
        .await
    }

    /// Forgets what ended before that moment.
    pub async fn prune_declarations(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM status_declarations WHERE id IN
                (SELECT id FROM status_declarations WHERE ends_at < $1 ORDER BY ends_at, id LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}

fn note(
    session: &Session,
    kind: &'static str,
    at: Timestamp,
    subject: &str,
    details: Value,
) -> Result<(), Error> {
    audit::note(session, Note { kind, at, account: None, subject, details })
}
