//! Support requests that a person is to answer.
//!
//! Invariant: whoever is to answer is told in the transaction that opens the ticket.

use levqor_model::{AccountId, TicketId, TicketState, Timestamp, audit::masked_email};
use serde_json::json;

use crate::{
    Error, Row, Store,
    audit::{self, Note},
    cursor,
    notifications::{self, NewNotification},
    params,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub id: TicketId,
    /// Who asks, when they were signed in.
    pub account: Option<AccountId>,
    pub email: String,
    pub subject: String,
    pub message: String,
    pub created_at: Timestamp,
    /// Until then the plan promises a first answer.
    pub respond_by: Timestamp,
    pub state: TicketState,
    /// When it was answered first.
    pub answered_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

/// Tickets that wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TicketLoad {
    pub open: i64,
    /// Of them, those that nobody has answered yet, and should have.
    pub late: i64,
}

impl Ticket {
    /// Whether the first answer did not come in time, or has not come and should have; what was closed without one waits no more.
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.answered_at.or(self.ended_at).unwrap_or(now) > self.respond_by
    }
}

/// The columns of [`Ticket`], in the order in which [`Ticket::read`] takes them.
macro_rules! columns {
    () => {
        "id, account_id, email, subject, message, created_at, respond_by, state, answered_at, ended_at"
    };
}

impl Ticket {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            account: row.take()?,
            email: row.take()?,
            subject: row.take()?,
            message: row.take()?,
            created_at: row.take()?,
            respond_by: row.take()?,
            state: row.take()?,
            answered_at: row.take()?,
            ended_at: row.take()?,
        })
    }
}

impl Store {
    /// Opens a ticket, and tells whoever is to answer it.
    pub async fn open_ticket(&self, ticket: Ticket, told: NewNotification) -> Result<(), Error> {
        self.write(move |session| {
            let Ticket { id, account, email, subject, message, created_at, respond_by, state, .. } = &ticket;
            session.execute(
                "INSERT INTO tickets (id, account_id, email, subject, message, created_at, respond_by, state)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                params![id, account, email, subject, message, created_at, respond_by, state],
            )?;
            notifications::enqueue(session, &told)?;
            let details = json!({ "email": masked_email(email), "respond_by": respond_by });
            audit::note(
                session,
                Note {
                    kind: "ticket.opened",
                    at: *created_at,
                    account: *account,
                    subject: &id.to_string(),
                    details,
                },
            )
        })
        .await
    }

    /// One state's tickets, most urgent first.
    pub async fn tickets(
        &self,
        state: TicketState,
        after: Option<(Timestamp, TicketId)>,
        limit: usize,
    ) -> Result<Vec<Ticket>, Error> {
        let (at, id) = cursor::behind(after);
        self.view(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM tickets WHERE state = $1 AND (respond_by, id) > ($2, $3) ORDER BY respond_by, id LIMIT $4"
                ),
                params![state, at, id, limit],
                Ticket::read,
            )
        })
        .await
    }

    /// How many wait at that time.
    pub async fn ticket_load(&self, now: Timestamp) -> Result<TicketLoad, Error> {
        self.view(move |session| {
            let open: Option<i64> =
                session.scalar("SELECT count(*) FROM tickets WHERE state = 'open'", &[])?;
            // The plan promises a first answer: one that was opened again has had it.
            let late: Option<i64> = session.scalar(
                "SELECT count(*) FROM tickets WHERE state = 'open' AND respond_by < $1 AND answered_at IS NULL",
                params![now],
            )?;
            Ok(TicketLoad { open: open.unwrap_or_default(), late: late.unwrap_or_default() })
        })
        .await
    }

    /// A person answered or closed it; None: there is none. Answering one that was answered changes nothing, as closing one that is closed.
    pub async fn move_ticket(
        &self,
        id: TicketId,
        to: TicketState,
        at: Timestamp,
    ) -> Result<Option<Ticket>, Error> {
        self.write(move |session| {
            let moved = session.row(
                concat!(
                    "UPDATE tickets SET state = $2,
                         answered_at = CASE WHEN $2 = 'answered' THEN coalesce(answered_at, $3) ELSE answered_at END,
                         ended_at = CASE WHEN $2 = 'closed' THEN $3 ELSE NULL END
                     WHERE id = $1 AND state <> $2 RETURNING ",
                    columns!()
                ),
                params![id, to, at],
                Ticket::read,
            )?;
            let Some(ticket) = moved else {
                return session.row(
                    concat!("SELECT ", columns!(), " FROM tickets WHERE id = $1"),
                    params![id],
                    Ticket::read,
                );
            };
            let kind = match to {
                TicketState::Open => "ticket.reopened",
                TicketState::Answered => "ticket.answered",
                TicketState::Closed => "ticket.closed",
            };
            let details = json!({ "in_time": !ticket.is_late(at) });
            audit::note(
                session,
                Note { kind, at, account: ticket.account, subject: &id.to_string(), details },
            )?;
            Ok(Some(ticket))
        })
        .await
    }
}
