//! Consultations that people booked.
//!
//! Invariant: whoever is to hold it is told in the transaction that books it.

use levqor_model::{AccountId, ConsultationId, ConsultationState, Timestamp, audit::masked_email};
use serde_json::json;

use crate::{
    Error, Row, Store,
    audit::{self, Note},
    cursor,
    notifications::{self, NewNotification},
    params,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consultation {
    pub id: ConsultationId,
    pub account: Option<AccountId>,
    pub email: String,
    pub name: String,
    pub topic: String,
    /// When it is to be.
    pub begins_at: Timestamp,
    pub created_at: Timestamp,
    pub state: ConsultationState,
    pub ended_at: Option<Timestamp>,
}

/// What became of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Booked {
    Done,
    /// This address has as many ahead of it as it may.
    TooMany,
}

/// The columns of [`Consultation`], in the order in which [`Consultation::read`] takes them.
macro_rules! columns {
    () => {
        "id, account_id, email, name, topic, begins_at, created_at, state, ended_at"
    };
}

impl Consultation {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            account: row.take()?,
            email: row.take()?,
            name: row.take()?,
            topic: row.take()?,
            begins_at: row.take()?,
            created_at: row.take()?,
            state: row.take()?,
            ended_at: row.take()?,
        })
    }
}

impl Store {
    /// Books one, unless its address has `most` ahead of it already.
    pub async fn book_consultation(
        &self,
        new: Consultation,
        told: NewNotification,
        most: usize,
    ) -> Result<Booked, Error> {
        self.write(move |session| {
            let Consultation { id, account, email, name, topic, begins_at, created_at, state, .. } = &new;
            let ahead: u64 = session
                .scalar(
                    "SELECT count(*) FROM consultations WHERE state = 'booked' AND begins_at > $1 AND email = $2",
                    params![created_at, email],
                )?
                .unwrap_or_default();
            if ahead >= most as u64 {
                return Ok(Booked::TooMany);
            }
            session.execute(
                "INSERT INTO consultations (id, account_id, email, name, topic, begins_at, created_at, state)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                params![id, account, email, name, topic, begins_at, created_at, state],
            )?;
            notifications::enqueue(session, &told)?;
            let details = json!({ "email": masked_email(email), "begins_at": begins_at });
            audit::note(
                session,
                Note {
                    kind: "consultation.booked",
                    at: *created_at,
                    account: *account,
                    subject: &id.to_string(),
                    details,
                },
            )?;
            Ok(Booked::Done)
        })
        .await
    }

    /// One state's consultations, by when they are.
    pub async fn consultations(
        &self,
        state: ConsultationState,
        after: Option<(Timestamp, ConsultationId)>,
        limit: usize,
    ) -> Result<Vec<Consultation>, Error> {
        let (at, id) = cursor::behind(after);
        self.view(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM consultations WHERE state = $1 AND (begins_at, id) > ($2, $3)
                      ORDER BY begins_at, id LIMIT $4"
                ),
                params![state, at, id, limit],
                Consultation::read,
            )
        })
        .await
    }

    /// It was held or cancelled. None: there is none. The flag: it was booked until now.
    pub async fn end_consultation(
        &self,
        id: ConsultationId,
        to: ConsultationState,
        at: Timestamp,
    ) -> Result<Option<(Consultation, bool)>, Error> {
        self.write(move |session| {
            let ended = session.row(
                concat!(
                    "UPDATE consultations SET state = $2, ended_at = $3
                     WHERE id = $1 AND state = 'booked' RETURNING ",
                    columns!()
                ),
                params![id, to, at],
                Consultation::read,
            )?;
            let Some(ended) = ended else {
                let found = session.row(
                    concat!("SELECT ", columns!(), " FROM consultations WHERE id = $1"),
                    params![id],
                    Consultation::read,
                )?;
                return Ok(found.map(|found| (found, false)));
            };
            let kind = match to {
                ConsultationState::Cancelled => "consultation.cancelled",
                ConsultationState::Held | ConsultationState::Booked => "consultation.held",
            };
            audit::note(
                session,
                Note { kind, at, account: ended.account, subject: &id.to_string(), details: json!({}) },
            )?;
            Ok(Some((ended, true)))
        })
        .await
    }
}
