//! Questions of runs to people.
//!
//! ```text
//! run ─► question (with the entry that begins the wait) ─► leaves memory
//! answer (durable) ─► mail, or loading the run ─► look ─► the call's result
//! ```
//!
//! The row is the truth: a run that comes back, or begins to wait, looks at it, so an answer that nobody could be told of is
//! found.

use std::sync::Arc;

use levqor_flow::machine::{EffectId, Outcome, ServiceCall};
use levqor_model::{AccountId, ApprovalId, RunId};
use levqor_store::approvals::{Approval, Decided, Decision, NewApproval};
use serde_json::{Value, json};

use crate::{
    Engine, Error,
    core::{Backoff, Core},
    mask::Mask,
    registry::Mail,
};

/// Answers looked for at once.
const PAGE: usize = 256;

/// At the start: answers that were given, and of which no run could be told.
pub(crate) async fn tell_all(core: Arc<Core>) {
    let (mut after, mut backoff) = (None, Backoff::new());
    loop {
        match core.faults.store(core.store.runs_with_answers(after, PAGE)).await {
            Ok(page) => {
                after = page.last().map(|(approval, _)| *approval);
                for (_, run) in &page {
                    core.registry.wake(*run);
                }
                if page.len() < PAGE || core.soft.is_cancelled() {
                    return;
                }
            }
            Err(reason) if !reason.is_retryable() || core.soft.is_cancelled() => {
                tracing::error!(error = %reason, "answers that runs have not taken cannot be looked for");
                return;
            }
            Err(_) => backoff.pause().await,
        }
    }
}

impl Engine {
    /// Answers a question of a run, once; durable when this returns, and the run goes on.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn decide(
        &self,
        account: AccountId,
        id: ApprovalId,
        approved: bool,
        by: String,
        comment: Option<String>,
    ) -> Result<Decided, Error> {
        let core = &self.core;
        let decision = Decision { approved, by, comment, at: core.clock.now() };
        let decided = core.faults.store(core.store.decide_approval(account, id, decision)).await?;
        // Whoever answers again, because nobody said that it was done, has the run told that was not.
        if let Decided::Now(approval) | Decided::Before(approval) = &decided
            && approval.closed_at.is_none()
        {
            tell(core, approval);
        }
        Ok(decided)
    }
}

fn tell(core: &Core, approval: &Approval) {
    let Some(outcome) = outcome(approval) else { return };
    let mail = Mail::ended(approval.effect, outcome);
    if !core.registry.deliver(approval.run_id, mail) {
        core.registry.wake(approval.run_id);
    }
}

/// Whether there is an answer to what a run waits for; it gets it then.
pub(crate) async fn look(core: &Arc<Core>, run: RunId, effect: EffectId) {
    let mut backoff = Backoff::new();
    loop {
        match core.faults.store(core.store.approval_of(run, effect)).await {
            Ok(found) => {
                if let Some(outcome) = found.as_ref().and_then(outcome) {
                    // A run that has gone looks again when it is back.
                    core.registry.deliver(run, Mail::ended(effect, outcome));
                }
                return;
            }
            Err(reason) => {
                tracing::warn!(run.id = %run, error = %reason, "an answer could not be looked for; trying again");
                if core.soft.is_cancelled() || !reason.is_retryable() {
                    return;
                }
                backoff.pause().await;
            }
        }
    }
}

pub(crate) fn outcome(approval: &Approval) -> Option<Outcome> {
    let decision = approval.decision.as_ref()?;
    Some(Outcome::Output(json!({
        "approved": decision.approved,
        "by": decision.by,
        "comment": decision.comment,
        "at": decision.at,
    })))
}

/// The question as it is kept and shown.
pub(crate) fn question(
    core: &Core,
    effect: EffectId,
    task: String,
    call: &ServiceCall,
    mask: &Mask,
) -> NewApproval {
    let text =
        |member: &str| call.input.get(member).and_then(Value::as_str).map(|text| mask.text(text.to_owned()));
    let data = call.input.get("data").map(|data| mask.value(data.clone()).to_string());
    NewApproval {
        id: ApprovalId::new(core.clock.now(), &*core.random),
        effect,
        task,
        title: text("title").unwrap_or_default(),
        message: text("message"),
        data,
    }
}
