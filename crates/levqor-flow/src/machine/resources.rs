//! What a run needs from elsewhere before it can go on: documents that are fetched once and kept for the run.
//!
//! A fetch is an effect, so its text stands in the journal and replay reads the same document, whatever became of it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{
    Effect, ErrorKind, FlowError, HttpRequest, Machine, Notes, Outcome, ProcessCall, access,
    arena::FrameId,
    effects::Purpose,
    fault::Resume,
    frame::Body,
    http, payload, process,
    scope::{Scope, Trouble, clip, kind},
    step::{INPUT, Next, Step},
};
use crate::{
    definition::{CallOpenApi, Code, ExternalSchema, Resource, RunProcess, Schema, SchemaSource, TaskKind},
    document, openapi,
};

/// Documents of one run that are kept; the oldest goes first, and is fetched again when it is needed.
const KEPT_MAX: usize = 16;

/// What a resource is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum As {
    OpenApi,
    /// A text.
    Script,
}

/// Documents by what they are and their addresses.
#[derive(Debug, Clone, Default)]
pub(super) struct Resources(VecDeque<(As, String, Arc<Value>)>);

impl Resources {
    fn get(&self, what: As, uri: &str) -> Option<&Arc<Value>> {
        let is_it = |known: &&(As, String, Arc<Value>)| known.0 == what && known.1 == uri;
        self.0.iter().find(is_it).map(|(_, _, document)| document)
    }

    fn keep(&mut self, what: As, uri: String, document: Value) {
        self.0.retain(|known| known.0 != what || known.1 != uri);
        if self.0.len() >= KEPT_MAX {
            self.0.pop_front();
        }
        self.0.push_back((what, uri, Arc::new(document)));
    }
}

/// Schemas by their addresses; a workflow names a few, so all are kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Schemas(BTreeMap<Arc<str>, Schema>);

/// What a task asks for next.
pub(super) enum Asked {
    Resource(HttpRequest),
    Call(HttpRequest, Option<Value>),
    Process(ProcessCall),
}

impl Machine {
    /// The next request of a `call: openapi`: for its document, or for the operation.
    pub(super) fn operation(&self, id: FrameId, call: &CallOpenApi, input: &Value) -> Result<Asked, Trouble> {
        let scope = Scope { input: Some(input), ..Scope::new(self, Some(id)) };
        let uri = http::uri(&scope, &call.document.endpoint, input)?;
        let Some(document) = self.resources.get(As::OpenApi, &uri) else {
            return self.fetch(&scope, id, &call.document, uri, input);
        };
        let (credentials, authorization) =
            access::credentials(&scope, call.authentication.as_deref(), input)?;
        let scope = Scope { authorization: authorization.as_ref(), ..scope };
        let operation = match scope.build(&call.operation, input)? {
            Value::String(operation) => operation,
            other => return Err(unfit("operationId", "text", &other).into()),
        };
        let parameters = match &call.parameters {
            None => Map::new(),
            Some(parameters) => match scope.build(parameters, input)? {
                Value::Object(members) => members,
                Value::Null => Map::new(),
                other => return Err(unfit("parameters", "an object", &other).into()),
            },
        };
        let request = openapi::request(document, &uri, &operation, &parameters)?;
        if let Some(body) = &request.body {
            payload::check("the request's body", body, self.surroundings.payload_bytes_max)?;
        }
        let openapi::Request { method, uri, headers, query, body } = request;
        let request = HttpRequest {
            key: self.key(id),
            method,
            uri,
            credentials,
            headers,
            query,
            body,
            output: call.output,
            redirect: call.redirect,
        };
        Ok(Asked::Call(request, authorization))
    }

    /// The next thing that a process asks for: its script, or to be run.
    pub(super) fn process(
        &self,
        id: FrameId,
        definition: &RunProcess,
        input: &Value,
    ) -> Result<Asked, Trouble> {
        let scope = Scope { input: Some(input), ..Scope::new(self, Some(id)) };
        let text = match &definition.code {
            Code::Here(template) => process::code(&scope, template, input)?,
            Code::Elsewhere(resource) => {
                let uri = http::uri(&scope, &resource.endpoint, input)?;
                match self.resources.get(As::Script, &uri).and_then(|script| script.as_str()) {
                    Some(text) => text.to_owned(),
                    None => return self.fetch(&scope, id, resource, uri, input),
                }
            }
        };
        process::call(&scope, definition, text, input, self.key(id)).map(Asked::Process)
    }

    fn fetch(
        &self,
        scope: &Scope<'_>,
        id: FrameId,
        resource: &Resource,
        uri: String,
        input: &Value,
    ) -> Result<Asked, Trouble> {
        let (credentials, _) = access::credentials(scope, resource.authentication.as_deref(), input)?;
        // It has no attempts of its own, and must not share the key of the call.
        let key = format!("{}.document", self.key(id));
        Ok(Asked::Resource(HttpRequest::document(key, uri, credentials)))
    }

    pub(super) fn ask_for(&mut self, id: FrameId, asked: Asked) {
        let mut authorization = None;
        let effect = match asked {
            Asked::Resource(call) => self.ask(Purpose::Resource(id), |id| Effect::CallHttp { id, call }),
            Asked::Call(call, proof) => {
                authorization = proof;
                self.ask(Purpose::Call(id), |id| Effect::CallHttp { id, call })
            }
            Asked::Process(call) => self.ask(Purpose::Call(id), |id| Effect::RunProcess { id, call }),
        };
        self.set_body(id, Body::Effect(effect));
        if let Some(frame) = self.frames.get_mut(id) {
            frame.authorization = authorization.map(Arc::new);
        }
    }

    /// The request for the next schema that this run still needs.
    pub(super) fn next_schema(&self) -> Result<Option<HttpRequest>, Trouble> {
        let absent = |schema: &&ExternalSchema| !self.schemas.0.contains_key(&schema.uri);
        let Some(schema) = self.workflow.schemas.iter().find(absent) else { return Ok(None) };
        let input = Arc::clone(&self.raw_input);
        let scope = Scope::new(self, None);
        let (credentials, _) = access::credentials(&scope, schema.authentication.as_deref(), &input)?;
        let key = format!("{}/schema/{}", self.run, self.schemas.0.len());
        Ok(Some(HttpRequest::document(key, schema.uri.to_string(), credentials)))
    }

    /// A schema came, or the run ends before it has begun.
    pub(super) fn schema_came(
        &mut self,
        uri: &str,
        outcome: &Outcome,
        notes: &mut dyn Notes,
    ) -> Option<Step> {
        let unusable = |reason: String| {
            let detail = format!("the schema at {}: {reason}", clip(uri));
            ErrorKind::Configuration.error("the schema cannot be used", detail)
        };
        let read = match outcome {
            Outcome::Failed { error, .. } => Err(error.clone()),
            Outcome::Output(Value::String(text)) => document::read(text)
                .map_err(|issue| unusable(issue.message))
                .and_then(|value| document::external_schema(&value).map_err(unusable)),
            Outcome::Output(other) => Err(unfit("the schema", "text", other)),
        };
        match read {
            Ok(schema) => {
                self.schemas.0.insert(uri.into(), schema);
                Some(Step::Open)
            }
            Err(error) => {
                let error = FlowError { instance: INPUT.to_owned(), ..error };
                self.fault(Resume::Step(Box::new(Step::Open)), None, error, notes);
                None
            }
        }
    }

    pub(super) fn schema<'a>(&'a self, source: &'a SchemaSource) -> Option<&'a Schema> {
        match source {
            SchemaSource::Here(schema) => Some(schema),
            SchemaSource::Elsewhere(uri) => self.schemas.0.get(uri),
        }
    }

    /// A document came, or did not.
    pub(super) fn resource_came(&mut self, frame: FrameId, uri: &str, outcome: &Outcome) -> Option<Step> {
        let task = self.frames.get(frame)?.task();
        let what = if matches!(task.kind, TaskKind::RunProcess(_)) { As::Script } else { As::OpenApi };
        let read = match outcome {
            Outcome::Failed { error, .. } => Err(error.clone()),
            Outcome::Output(Value::String(text)) if what == As::Script => Ok(Value::from(text.as_str())),
            Outcome::Output(Value::String(text)) => openapi::read(text),
            Outcome::Output(other) => Err(unfit("the document", "text", other)),
        };
        match read {
            Ok(document) => {
                self.resources.keep(what, uri.to_owned(), document);
                Some(Step::Resume(frame))
            }
            Err(error) => self.fail(frame, error),
        }
    }

    /// Goes on with a call whose document is there now.
    pub(super) fn resume_call(&mut self, id: FrameId) -> Next {
        let Some(frame) = self.frames.get(id) else { return Ok(None) };
        let (tasks, index, input) = (Arc::clone(&frame.tasks), frame.index, Arc::clone(&frame.input));
        let next = match &tasks[index].kind {
            TaskKind::CallOpenApi(call) => self.operation(id, call, &input)?,
            TaskKind::RunProcess(definition) => self.process(id, definition, &input)?,
            _ => return Ok(None),
        };
        self.ask_for(id, next);
        Ok(None)
    }
}

fn unfit(what: &str, wanted: &str, value: &Value) -> FlowError {
    let detail = format!("{what} must be {wanted}, and is {}", kind(value));
    ErrorKind::Expression.error("the request could not be made", detail)
}
