//! Calls of the server's own functions.

use std::{sync::Arc, time::Duration};

use levqor_model::TaskStatus;
use serde_json::Value;

use super::{
    Effect, Machine, Notes, ServiceCall,
    arena::FrameId,
    effects::Purpose,
    frame::Body,
    scope::{Scope, Trouble, check_schema},
};
use crate::definition::CallService;

impl Machine {
    pub(super) fn enter_service(
        &mut self,
        id: FrameId,
        definition: &CallService,
        input: &Arc<Value>,
        timeout: Option<Duration>,
        notes: &mut dyn Notes,
    ) -> Result<(), Trouble> {
        const INPUT: &str = "the function's input";
        let scope = Scope { input: Some(input), ..Scope::new(self, Some(id)) };
        let given = match &definition.with {
            None => Arc::clone(input),
            Some(with) => self.checked(INPUT, scope.fill(with, input)?)?,
        };
        check_schema(self, Some(&definition.schema), INPUT, &given)?;
        let service = definition.service;
        let call = ServiceCall { key: self.key(id), service, input: Arc::unwrap_or_clone(given) };
        self.opened(id, input, timeout, Body::Ready);
        let purpose = if service.waits() { Purpose::Decision(id) } else { Purpose::Call(id) };
        let effect = self.ask(purpose, |id| Effect::CallService { id, call });
        self.set_body(id, Body::Effect(effect));
        if service.waits() {
            self.note_became(id, TaskStatus::Waiting, notes);
        }
        Ok(())
    }
}
