//! The rules of approvals: who may answer, and that the first answer stays.

use levqor_model::{ApprovalId, ProblemCode, Role, TextError, several_lines};
use levqor_store::approvals::{Approval, Decided};

use crate::{
    App, Problem,
    gateway::{ActedBy, Actor},
};

/// Longest comment, in characters.
pub const COMMENT_CHARS_MAX: usize = 2_000;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub approved: bool,
    pub comment: Option<String>,
}

/// # Errors
/// 404.
pub async fn find(app: &App, actor: &Actor, id: ApprovalId) -> Result<Approval, Problem> {
    app.store.approval(actor.account_id, id).await?.ok_or_else(|| missing(id))
}

/// Answers; the run goes on with it. It is recorded who did.
///
/// # Errors
/// 404; 403 for viewers; 409 when it was answered before or nobody waits for it any more; 422 for a comment that is too long or hides something.
pub async fn decide(app: &App, actor: &Actor, id: ApprovalId, answer: Answer) -> Result<Approval, Problem> {
    actor.require(Role::Editor)?;
    let comment = match several_lines(&answer.comment.unwrap_or_default(), COMMENT_CHARS_MAX) {
        Ok(comment) => Some(comment),
        Err(TextError::Empty) => None,
        Err(problem) => return Err(Problem::field("/comment", problem.to_string())),
    };
    let by = name(app, actor).await?;
    match app.engine.decide(actor.account_id, id, answer.approved, by, comment).await? {
        Decided::Now(approval) => Ok(approval),
        Decided::NotFound => Err(missing(id)),
        Decided::Before(approval) => {
            let detail = match &approval.decision {
                Some(decision) => format!(
                    "{id} was {} by {} at {}",
                    if decision.approved { "approved" } else { "rejected" },
                    decision.by,
                    decision.at
                ),
                None => format!("the run of {id} does not wait for an answer any more"),
            };
            Err(Problem::new(ProblemCode::ApprovalClosed, detail))
        }
    }
}

/// As it is recorded: a person's address, or the id of a key.
async fn name(app: &App, actor: &Actor) -> Result<String, Problem> {
    match actor.by {
        ActedBy::Key(key) => Ok(key.to_string()),
        ActedBy::Session { user, .. } => {
            let user_row = app.store.user(user).await?;
            Ok(user_row.map_or_else(|| user.to_string(), |user| user.email))
        }
    }
}

fn missing(id: ApprovalId) -> Problem {
    Problem::not_found(format!("there is no approval {id}"))
}
