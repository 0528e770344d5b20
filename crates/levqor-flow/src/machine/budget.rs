//! `metadata.levqor.budget`: how many calls a run may make, and how many AI credits they may cost, before somebody must allow
//! more.
//!
//! A call over the budget is numbered and pending like all others, but not asked for: it is *parked*. The rest of the run goes
//! on; when nothing is left that goes on by itself, the run is to be suspended, and `Resumed` after that hands out the parked
//! calls, in their order, up to as much again of what was used up. All of it follows from the journal, so nothing is kept
//! elsewhere.
//!
//! What a call costs in credits is known at its end. Until then it counts as one, so that no hundred branches of a fork pass
//! the budget together; one that cost nothing makes room for a parked one.

use std::collections::{BTreeMap, BTreeSet};

use super::{Effect, EffectId, Machine, RunState, effects::Purpose};
use crate::policy::Budget;

/// What a run has used of its budget.
#[derive(Debug, Clone, Default)]
pub(super) struct Spent {
    calls: u64,
    credits: u64,
    /// What was allowed on top of the budget.
    more_calls: u64,
    more_credits: u64,
    /// Calls under way that may cost credits.
    asked: BTreeSet<EffectId>,
    /// Calls that wait for more, and whether they may cost credits.
    parked: BTreeMap<EffectId, bool>,
}

impl Spent {
    fn has_calls(&self, budget: &Budget) -> bool {
        budget.calls.is_none_or(|most| self.calls < most.saturating_add(self.more_calls))
    }

    fn has_credits(&self, budget: &Budget) -> bool {
        let used = self.credits.saturating_add(self.asked.len() as u64);
        budget.credits.is_none_or(|most| used < most.saturating_add(self.more_credits))
    }
}

impl Machine {
    /// What is used up of the budget, when the run can't go on without more: append
    /// [`Event::Suspended`](super::Event::Suspended) with `budget`.
    pub fn has_no_budget(&self) -> Option<Budget> {
        let stands = matches!(self.state, RunState::Live)
            && self.suspension.is_none()
            && self.queue.is_empty()
            && self.held.is_empty()
            && !self.spent.parked.is_empty()
            && !self.under_way().0;
        if stands { self.used_up() } else { None }
    }

    /// What going on would allow, for a run that is suspended since its budget is used up.
    pub fn budget_to_allow(&self) -> Option<Budget> {
        let suspended = self.suspension.as_ref().is_some_and(|suspension| suspension.budget);
        if suspended { self.used_up() } else { None }
    }

    /// The parts of the budget of which nothing is left.
    fn used_up(&self) -> Option<Budget> {
        let budget = self.workflow.policy.budget?;
        let calls = budget.calls.filter(|_| !self.spent.has_calls(&budget));
        let credits = budget.credits.filter(|_| !self.spent.has_credits(&budget));
        (calls.is_some() || credits.is_some()).then_some(Budget { calls, credits })
    }

    /// Counts a call; false when it must wait for more budget.
    pub(super) fn may_ask(&mut self, purpose: Purpose, effect: &Effect) -> bool {
        if !matches!(purpose, Purpose::Call(_)) || !is_outbound(effect) {
            return true;
        }
        let costs = costs_credits(effect);
        // First come, first served: room that has just been made is for who waits for it.
        let others_wait = costs && self.spent.parked.values().any(|parked| *parked);
        if !others_wait && self.spend(effect.id(), costs) {
            return true;
        }
        self.spent.parked.insert(effect.id(), costs);
        false
    }

    fn spend(&mut self, effect: EffectId, costs: bool) -> bool {
        let budget = self.workflow.policy.budget.unwrap_or_default();
        let may = self.spent.has_calls(&budget) && (!costs || self.spent.has_credits(&budget));
        if may {
            self.spent.calls += 1;
            if costs {
                self.spent.asked.insert(effect);
            }
        }
        may
    }

    /// An effect has ended, or was let go, and cost so many credits.
    pub(super) fn paid(&mut self, effect: EffectId, credits: u64) {
        self.spent.credits = self.spent.credits.saturating_add(credits);
        self.spent.asked.remove(&effect);
    }

    pub(super) fn is_parked(&self, effect: EffectId) -> bool {
        self.spent.parked.contains_key(&effect)
    }

    /// Nobody wants the parked call any more; false when it is none.
    pub(super) fn unpark(&mut self, effect: EffectId) -> bool {
        self.spent.parked.remove(&effect).is_some()
    }

    /// Allows as much again of what is used up, and hands out what fits then.
    pub(super) fn allow_more(&mut self) {
        let Some(budget) = self.used_up() else { return };
        let spent = &mut self.spent;
        if let Some(calls) = budget.calls {
            spent.more_calls = spent.more_calls.saturating_add(calls);
        }
        if let Some(credits) = budget.credits {
            // The last call may have cost more than was left.
            spent.more_credits = spent.more_credits.saturating_add(credits).max(spent.credits);
        }
        self.ask_what_fits();
    }

    /// Hands out parked calls, in their order, as many as the budget has room for.
    pub(super) fn ask_what_fits(&mut self) {
        // Whoever waits for what is left was asked for when it became so.
        if self.spent.parked.is_empty() || self.used_up().is_some() {
            return;
        }
        let parked: Vec<(EffectId, bool)> =
            self.spent.parked.iter().map(|(effect, costs)| (*effect, *costs)).collect();
        for (effect, costs) in parked {
            if self.spend(effect, costs) {
                self.spent.parked.remove(&effect);
                let asked = self.pending.get(&effect).map(|pending| pending.effect.clone());
                self.outbox.extend(asked);
            }
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

fn costs_credits(effect: &Effect) -> bool {
    matches!(effect, Effect::CallService { call, .. } if call.service.costs_credits())
}
