//! `emit`: the event, completed and checked.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    Effect, ErrorKind, Machine,
    arena::FrameId,
    effects::Purpose,
    frame::Body,
    scope::{Scope, Trouble},
};
use crate::{definition::Template, event::CloudEvent};

impl Machine {
    pub(super) fn enter_emit(
        &mut self,
        id: FrameId,
        members: &[(String, Template)],
        input: &Arc<Value>,
        timeout: Option<Duration>,
    ) -> Result<(), Trouble> {
        let scope = Scope { input: Some(input), ..Scope::new(self, Some(id)) };
        let mut given = Map::new();
        for (name, template) in members {
            given.insert(name.clone(), scope.build(template, input)?);
        }
        let key = self.key(id);
        let workflow = &self.workflow;
        // An id that a retry of the same attempt has as well, so that whoever takes the event can drop the repeat.
        let defaults = [
            ("specversion", "1.0".to_owned()),
            ("id", key.clone()),
            ("source", format!("/{}/{}/{}", workflow.namespace, workflow.name, workflow.version)),
            ("time", self.now.to_string()),
        ];
        let mut event = Map::with_capacity(given.len() + defaults.len());
        for (name, default) in defaults {
            let value = given.shift_remove(name).filter(|value| !value.is_null());
            event.insert(name.to_owned(), value.unwrap_or(Value::String(default)));
        }
        event.extend(given);
        let event = CloudEvent::parse(Value::Object(event)).map_err(|reason| {
            ErrorKind::Validation.error("the event could not be made", reason.to_string())
        })?;
        self.opened(id, input, timeout, Body::Ready);
        let effect = self.ask(Purpose::Emit(id), |id| Effect::Emit { id, key, event });
        self.set_body(id, Body::Effect(effect));
        Ok(())
    }
}
