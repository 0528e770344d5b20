//! `metadata.levqor.approval`: a person's leave, before a run or a task begins.
//!
//! ```text
//! open, enter ─► question (an effect, as the function `approval` has it) ─► agreed: open again, Admitted ─► the task
//!                                                                        └► refused: an error of type authorization
//! ```
//!
//! Each execution asks for itself: every iteration, every attempt, and a run that is retried. The time of a `timeout` counts
//! from the leave, since it is meant for the work.

use std::sync::Arc;

use levqor_model::TaskStatus;
use serde_json::{Map, Value};

use super::{
    Effect, ErrorKind, FlowError, Machine, Notes, Outcome, ServiceCall,
    arena::FrameId,
    effects::Purpose,
    fault::Resume,
    frame::Body,
    scope::{Scope, Trouble, check_schema, clip},
    step::{Next, Step},
};
use crate::{definition::SchemaSource, policy::Question, services::Service};

/// Where the error of a run that was refused comes from.
const APPROVAL: &str = "/document/metadata/levqor/approval";
/// What the error of a refusal is called.
pub const REFUSED: &str = "a person refused";

impl Machine {
    /// Asks for the run, if its workflow wants that and nobody has agreed yet.
    pub(super) fn asks_first(&mut self) -> Result<bool, Trouble> {
        let workflow = Arc::clone(&self.workflow);
        let Some(question) = workflow.policy.approval.as_ref().filter(|_| !self.agreed) else {
            return Ok(false);
        };
        let raw = Arc::clone(&self.raw_input);
        let input = self.question(&Scope::new(self, None), question, &raw)?;
        // The last part names no task.
        let call = ServiceCall { key: format!("{}//0", self.run), service: Service::Approval, input };
        self.ask(Purpose::Leave(None), |id| Effect::CallService { id, call });
        Ok(true)
    }

    /// Asks for a task.
    pub(super) fn ask_leave(
        &mut self,
        id: FrameId,
        question: &Question,
        input: Arc<Value>,
        notes: &mut dyn Notes,
    ) -> Result<(), Trouble> {
        let scope = Scope { input: Some(&input), ..Scope::new(self, Some(id)) };
        let asked = self.question(&scope, question, &input)?;
        let call = ServiceCall { key: self.key(id), service: Service::Approval, input: asked };
        let effect = self.ask(Purpose::Leave(Some(id)), |id| Effect::CallService { id, call });
        if let Some(frame) = self.frames.get_mut(id) {
            frame.input = input;
            frame.body = Body::Effect(effect);
        }
        self.note_became(id, TaskStatus::Waiting, notes);
        Ok(())
    }

    fn question(&self, scope: &Scope<'_>, question: &Question, on: &Value) -> Result<Value, Trouble> {
        let mut asked = Map::new();
        let members = [("title", Some(&question.title)), ("message", question.message.as_ref())];
        for (name, template) in members {
            let Some(template) = template else { continue };
            let text = match scope.build(template, on)? {
                value @ (Value::Number(_) | Value::Bool(_)) => Value::from(value.to_string()),
                value => value,
            };
            if name == "title" || !text.is_null() {
                asked.insert(name.to_owned(), text);
            }
        }
        let asked = Value::Object(asked);
        let schema = SchemaSource::Here(Service::Approval.schema().clone());
        check_schema(self, Some(&schema), "the approval", &asked)?;
        Ok(asked)
    }

    /// A person has decided.
    pub(super) fn decided(
        &mut self,
        whose: Option<FrameId>,
        outcome: &Outcome,
        notes: &mut dyn Notes,
    ) -> Option<Step> {
        let answer = match outcome {
            Outcome::Output(answer) => answer,
            Outcome::Failed { error, .. } => return self.refused(whose, error.clone(), notes),
        };
        if answer.get("approved") != Some(&Value::Bool(true)) {
            return self.refused(whose, refusal(answer), notes);
        }
        match whose {
            None => {
                self.agreed = true;
                Some(Step::Open)
            }
            Some(frame) => {
                self.set_body(frame, Body::Ready);
                self.note_became(frame, TaskStatus::Running, notes);
                Some(Step::Admitted(frame))
            }
        }
    }

    fn refused(&mut self, whose: Option<FrameId>, error: FlowError, notes: &mut dyn Notes) -> Option<Step> {
        let Some(frame) = whose else {
            let error = FlowError { instance: APPROVAL.to_owned(), ..error };
            self.fault(Resume::Step(Box::new(Step::Open)), None, error, notes);
            return None;
        };
        self.fail(frame, error)
    }

    pub(super) fn admitted(&mut self, id: FrameId, notes: &mut dyn Notes) -> Next {
        let Some(frame) = self.frames.get(id) else { return Ok(None) };
        let (tasks, index, input) = (Arc::clone(&frame.tasks), frame.index, Arc::clone(&frame.input));
        self.begin_task(id, &tasks[index], input, notes)
    }
}

fn refusal(answer: &Value) -> FlowError {
    let text = |member: &str| answer.get(member).and_then(Value::as_str).filter(|text| !text.is_empty());
    let by = text("by").unwrap_or("somebody");
    let comment = text("comment").map_or_else(String::new, |comment| format!(": {}", clip(comment)));
    ErrorKind::Authorization.error(REFUSED, format!("{by} was asked and said no{comment}"))
}
