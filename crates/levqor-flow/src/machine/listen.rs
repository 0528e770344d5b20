//! Events for the tasks that listen.

use levqor_model::Timestamp;

use super::{ApplyError, Effect, EffectId, Machine};
use crate::event::CloudEvent;

impl Machine {
    pub(super) fn would_take(&self, effect: EffectId, event: &CloudEvent) -> Result<bool, ApplyError> {
        match self.pending.get(&effect).map(|pending| &pending.effect) {
            Some(Effect::Listen { interests, .. }) => {
                Ok(interests.iter().any(|interest| interest.may_match(event)))
            }
            _ => Err(ApplyError::NotPending(effect)),
        }
    }

    /// No task listens yet.
    pub(super) fn last_taken(&self, _effect: EffectId) -> Option<u64> {
        None
    }

    pub(super) fn received(
        &mut self,
        _at: Timestamp,
        effect: EffectId,
        _seq: u64,
        _event: &CloudEvent,
    ) -> Result<(), ApplyError> {
        Err(ApplyError::NotPending(effect))
    }
}
