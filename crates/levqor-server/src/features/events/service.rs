//! The rules of publishing: what may be published is an event, and whose runs it reaches is the account's.

use levqor_flow::event::CloudEvent;
use levqor_model::AccountId;

use crate::{App, Problem};

/// What became of the events of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// All of them: a repeat is as good as the first.
    pub accepted: usize,
    /// Those that were there before, by source and id.
    pub repeated: usize,
}

/// Publishes events; durable when this returns. All of them, or none.
///
/// # Errors
/// 503 when the engine or the database cannot take them now.
pub async fn publish(app: &App, account: AccountId, events: Vec<CloudEvent>) -> Result<Accepted, Problem> {
    let accepted = events.len();
    if accepted == 0 {
        return Ok(Accepted { accepted: 0, repeated: 0 });
    }
    let new = app.engine.publish(account, events).await?;
    Ok(Accepted { accepted, repeated: accepted - new })
}
