//! Forgetting people outside: what was kept of an address, when its owner asks; and what was dealt with long ago.

use levqor_model::{Timestamp, audit::masked_email};
use serde_json::json;

use crate::{
    Error, Store,
    audit::{self, Note},
    params,
};

/// What was forgotten of somebody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    pub leads: u64,
    pub tickets: u64,
    pub consultations: u64,
    /// What operators were to be told of these.
    pub messages: u64,
}

impl Store {
    /// Forgets what is kept of an address outside of accounts. Nothing of it: nothing is written.
    pub async fn forget_person(&self, email: String, at: Timestamp) -> Result<Forgotten, Error> {
        self.write(move |session| {
            // Each begins with the id of what it is about, which has 30 characters; copies, and copies of copies, go on behind it.
            let messages = session.execute(
                "DELETE FROM notifications WHERE substr(dedup, 1, 30) IN
                    (SELECT id FROM tickets WHERE email = $1 UNION ALL SELECT id FROM consultations WHERE email = $1)",
                params![email],
            )?;
            let forgotten = Forgotten {
                leads: session.execute("DELETE FROM leads WHERE email = $1", params![email])?,
                tickets: session.execute("DELETE FROM tickets WHERE email = $1", params![email])?,
                consultations: session
                    .execute("DELETE FROM consultations WHERE email = $1", params![email])?,
                messages,
            };
            if forgotten == Forgotten::default() {
                return Ok(forgotten);
            }
            let Forgotten { leads, tickets, consultations, messages } = forgotten;
            let details = json!({
                "leads": leads, "tickets": tickets, "consultations": consultations, "messages": messages,
            });
            let subject = masked_email(&email);
            audit::note(
                session,
                Note { kind: "person.forgotten", at, account: None, subject: &subject, details },
            )?;
            Ok(forgotten)
        })
        .await
    }

    /// Forgets requests and consultations that were dealt with before a moment, consultations that were to be before it, and answers to
    /// the survey from before it. What still waits for somebody stays.
    pub async fn prune_requests(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM tickets WHERE id IN
                (SELECT id FROM tickets WHERE state IN ('answered', 'closed') AND respond_by < $1
                     AND coalesce(ended_at, answered_at) < $1 LIMIT $2)",
            before,
        )
        .await?;
        self.prune(
            "DELETE FROM consultations WHERE id IN
                (SELECT id FROM consultations WHERE state IN ('booked', 'held', 'cancelled') AND begins_at < $1
                     AND coalesce(ended_at, begins_at) < $1 LIMIT $2)",
            before,
        )
        .await?;
        self.prune(
            "DELETE FROM trial_feedback WHERE id IN
                (SELECT id FROM trial_feedback WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}
