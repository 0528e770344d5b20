//! What people think of the trial.

use levqor_model::{AccountId, FeedbackId, Timestamp};
use serde_json::json;

use crate::{
    Error, Row, Store,
    audit::{self, Note},
    cursor, params,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialFeedback {
    pub id: FeedbackId,
    pub account: Option<AccountId>,
    /// 1 to 5.
    pub rating: u32,
    /// May be empty.
    pub comment: String,
    pub created_at: Timestamp,
}

impl TrialFeedback {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            account: row.take()?,
            rating: row.take()?,
            comment: row.take()?,
            created_at: row.take()?,
        })
    }
}

impl Store {
    pub async fn keep_trial_feedback(&self, new: TrialFeedback) -> Result<(), Error> {
        self.write(move |session| {
            let TrialFeedback { id, account, rating, comment, created_at } = &new;
            session.execute(
                "INSERT INTO trial_feedback (id, account_id, rating, comment, created_at) VALUES ($1, $2, $3, $4, $5)",
                params![id, account, rating, comment, created_at],
            )?;
            audit::note(
                session,
                Note {
                    kind: "trial_feedback.given",
                    at: *created_at,
                    account: *account,
                    subject: &id.to_string(),
                    details: json!({ "rating": rating }),
                },
            )
        })
        .await
    }

    /// Newest first, those before `before` when it is given.
    pub async fn trial_feedback(
        &self,
        before: Option<FeedbackId>,
        limit: usize,
    ) -> Result<Vec<TrialFeedback>, Error> {
        let before = cursor::below(before);
        self.view(move |session| {
            session.rows(
                "SELECT id, account_id, rating, comment, created_at FROM trial_feedback
                 WHERE id < $1 ORDER BY id DESC LIMIT $2",
                params![before, limit],
                TrialFeedback::read,
            )
        })
        .await
    }

    /// How many gave each rating in that time.
    pub async fn trial_ratings(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(u32, i64)>, Error> {
        self.view(move |session| {
            session.rows(
                "SELECT rating, count(*) FROM trial_feedback WHERE created_at >= $1 AND created_at < $2
                 GROUP BY rating ORDER BY rating LIMIT 10",
                params![from, to],
                |row| Ok((row.take()?, row.take()?)),
            )
        })
        .await
    }
}
