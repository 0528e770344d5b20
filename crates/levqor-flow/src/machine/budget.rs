//! `metadata.levqor.budget`: how many calls a run may make before somebody must allow more.
//!
//! A call over the budget is numbered and pending like all others, but not asked for: it is *parked*. The rest of the run goes
//! on; when nothing is left that goes on by itself, the run is to be suspended, and `Resumed` after that hands out the parked
//! calls, in their order, up to as many again. All of it follows from the journal, so nothing is kept elsewhere.

use super::{Effect, EffectId, Machine, RunState, effects::Purpose};

/// What a run has used of its budget.
#[derive(Debug, Clone, Default)]
pub(super) struct Spent {
    calls: u64,
    /// How often more was allowed.
    allowed_again: u64,
    parked: std::collections::BTreeSet<EffectId>,
}

impl Machine {
    /// The calls that the run's budget allows at once, when they are used up and the run can't go on without more: append
    /// [`Event::Suspended`](super::Event::Suspended) with `budget`.
    pub fn has_no_budget(&self) -> Option<u64> {
        let stands = matches!(self.state, RunState::Live)
            && self.suspension.is_none()
            && self.queue.is_empty()
            && self.held.is_empty()
            && !self.spent.parked.is_empty()
            && !self.under_way().0;
        self.workflow.policy.budget.filter(|_| stands).map(|budget| budget.calls)
    }

    /// The calls that going on would allow, for a run that is suspended since its budget is used up.
    pub fn budget_to_allow(&self) -> Option<u64> {
        let suspended = self.suspension.as_ref().is_some_and(|suspension| suspension.budget);
        self.workflow.policy.budget.filter(|_| suspended).map(|budget| budget.calls)
    }

    /// Counts a call; false when it must wait for more budget.
    pub(super) fn may_ask(&mut self, purpose: Purpose, effect: &Effect) -> bool {
        if !matches!(purpose, Purpose::Call(_)) || !is_outbound(effect) || self.spend() {
            return true;
        }
        self.spent.parked.insert(effect.id());
        false
    }

    fn spend(&mut self) -> bool {
        let Some(budget) = self.workflow.policy.budget else { return true };
        let most = budget.calls.saturating_mul(self.spent.allowed_again.saturating_add(1));
        let may = self.spent.calls < most;
        if may {
            self.spent.calls += 1;
        }
        may
    }

    pub(super) fn is_parked(&self, effect: EffectId) -> bool {
        self.spent.parked.contains(&effect)
    }

    /// Nobody wants the parked call any more; false when it is none.
    pub(super) fn unpark(&mut self, effect: EffectId) -> bool {
        self.spent.parked.remove(&effect)
    }

    /// Hands out parked calls, as many as a budget allows.
    pub(super) fn allow_more(&mut self) {
        self.spent.allowed_again = self.spent.allowed_again.saturating_add(1);
        while let Some(first) = self.spent.parked.first().copied() {
            if !self.spend() {
                return;
            }
            self.spent.parked.remove(&first);
            let asked = self.pending.get(&first).map(|pending| pending.effect.clone());
            self.outbox.extend(asked);
        }
    }
}

fn is_outbound(effect: &Effect) -> bool {
    match effect {
        Effect::CallHttp { .. } => true,
        Effect::CallService { call, .. } => call.service.is_outbound(),
        Effect::RunWorkflow { .. }
        | Effect::Emit { .. }
        | Effect::Listen { .. }
        | Effect::RunProcess { .. }
        | Effect::Timer { .. }
        | Effect::Abandon { .. } => false,
    }
}
