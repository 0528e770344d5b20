//! The functions `ai-chat`, `ai-extract`, `ai-classify` and `ai-summarise` of workflows.
//!
//! A call is an effect: after a crash it is made again under its key. Then a provider may be asked again, but the account
//! pays once.

use std::sync::Arc;

use levqor_engine::handlers::{Answer, Handled, Handler, HandlerCall, Handlers};
use levqor_flow::{
    document,
    machine::{ErrorKind, FlowError, Outcome},
    services::Service,
};
use levqor_model::{AccountId, Blueprint, Clock, Region};
use levqor_store::Store;
use serde_json::{Map, Value, json};

use super::{
    backend::{Chat, Classify, Extract, Label, Summarise, Task},
    backends::Backends,
    language::Language,
    metering::{self, Ended, Meter},
};

/// What a call costs, in AI credits.
const CREDITS: i64 = 1;

/// A summary's length when the workflow does not say it.
const SENTENCES: usize = 3;
const CHARS_MAX: usize = 2_000;

/// One of the functions.
#[derive(Debug)]
struct Function {
    functions: Arc<Functions>,
    service: Service,
}

impl Handler for Function {
    fn call<'a>(&'a self, call: HandlerCall<'a>) -> Handled<'a> {
        Box::pin(async move {
            match self.functions.perform(call.account_id, call.key, self.service, call.input).await {
                Ok((output, credits)) => Answer { outcome: Outcome::Output(output), credits },
                // A refusal is an answer: a retry of the task is another attempt.
                Err(error) => Outcome::Failed { error, answered: true }.into(),
            }
        })
    }
}

/// What the functions need.
#[derive(Debug, Clone)]
pub struct Functions {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub region: Region,
    pub blueprint: Arc<Blueprint>,
    pub backends: Arc<Backends>,
}

impl Functions {
    /// `handlers` with the functions of AI.
    pub fn join(self, handlers: Handlers) -> Handlers {
        let functions = Arc::new(self);
        let all = [Service::AiChat, Service::AiClassify, Service::AiExtract, Service::AiSummarise];
        all.into_iter().fold(handlers, |handlers, service| {
            handlers.with(service, Arc::new(Function { functions: Arc::clone(&functions), service }))
        })
    }

    /// Performs a call whose input was checked against the function's schema; gives the task's output and what the account
    /// paid for it, or its error, which is free.
    async fn perform(
        &self,
        account_id: AccountId,
        key: &str,
        service: Service,
        input: &Value,
    ) -> Result<(Value, u64), FlowError> {
        let task = Arc::new(task(service, input)?);
        let meter = Meter {
            store: &self.store,
            blueprint: &self.blueprint,
            region: &self.region,
            clock: &*self.clock,
        };
        let begun_at = self.clock.now();
        if let Err(error) = meter.left(account_id, CREDITS).await {
            // What a call made again costs is in the sum already.
            let metered = self.store.ai_call_credits(key.to_owned()).await.unwrap_or(None);
            if metered.is_none() {
                return Err(refusal(&error));
            }
        }
        let ended = |backend: String, success| {
            meter.end(Ended {
                account_id: Some(account_id),
                kind: task.kind(),
                backend,
                language: task.language(),
                success,
                credits: CREDITS,
                begun_at,
                call_key: Some(key.to_owned()),
            })
        };
        match self.backends.answer(&task).await {
            Ok(reply) => {
                let (credits, _) = ended(reply.backend.clone(), reply.found).await;
                let mut output = reply.content;
                output.insert("backend".to_owned(), json!(reply.backend));
                if let Some(model) = reply.model {
                    output.insert("model".to_owned(), json!(model));
                }
                if let Some(usage) = reply.usage {
                    output.insert("usage".to_owned(), json!(usage));
                }
                Ok((Value::Object(output), u64::try_from(credits).unwrap_or(0)))
            }
            Err(refused) => {
                ended(refused.backend.clone(), false).await;
                let mut error =
                    ErrorKind::Communication.error("the AI provider refused", refused.to_string());
                error.status = i64::from(refused.status);
                Err(error)
            }
        }
    }
}

fn refusal(error: &metering::Error) -> FlowError {
    match error {
        metering::Error::UsedUp { .. } => {
            ErrorKind::Authorization.error("the AI credits are used up", error.to_string())
        }
        metering::Error::Store(_) => ErrorKind::Runtime.error("the store did not answer", error.to_string()),
    }
}

/// The call as a task.
fn task(service: Service, input: &Value) -> Result<Task, FlowError> {
    let text = |member: &str| input.get(member).and_then(Value::as_str).map(str::to_owned);
    let number = |member: &str| {
        input.get(member).and_then(Value::as_u64).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
    };
    let language = Language::normalised(input.get("language").and_then(Value::as_str).unwrap_or_default());
    Ok(match service {
        Service::AiExtract => {
            let (schema, compiled) = nullable(&input["schema"])?;
            Task::Extract(Extract {
                text: text("text").unwrap_or_default(),
                schema,
                compiled,
                instructions: text("instructions"),
            })
        }
        Service::AiClassify => Task::Classify(Classify {
            text: text("text").unwrap_or_default(),
            labels: labels(&input["labels"])?,
            instructions: text("instructions"),
        }),
        Service::AiSummarise => Task::Summarise(Summarise {
            text: text("text").unwrap_or_default(),
            sentences_max: number("maxSentences").unwrap_or(SENTENCES),
            chars_max: number("maxChars").unwrap_or(CHARS_MAX),
            language,
        }),
        _ => {
            Task::Chat(Chat { prompt: text("prompt").unwrap_or_default(), system: text("system"), language })
        }
    })
}

/// The caller's schema with each property allowed to be null, so that nobody has to invent one.
fn nullable(schema: &Value) -> Result<(Value, levqor_flow::definition::Schema), FlowError> {
    let mut whole: Map<String, Value> = schema.as_object().cloned().unwrap_or_default();
    let properties = whole.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let names: Vec<&String> = properties.keys().collect();
    whole.insert("required".to_owned(), json!(names));
    let loose: Map<String, Value> = properties
        .iter()
        .map(|(name, property)| (name.clone(), json!({ "anyOf": [property, { "type": "null" }] })))
        .collect();
    whole.insert("properties".to_owned(), Value::Object(loose));
    whole.insert("type".to_owned(), json!("object"));
    whole.entry("additionalProperties").or_insert(json!(false));
    let whole = Value::Object(whole);
    let compiled = document::external_schema(&whole).map_err(|reason| {
        ErrorKind::Validation
            .error("the schema of `ai-extract` cannot be used", format!("`schema`: {reason}"))
    })?;
    Ok((whole, compiled))
}

fn labels(labels: &Value) -> Result<Vec<Label>, FlowError> {
    let mut known: Vec<Label> = Vec::new();
    for label in labels.as_array().into_iter().flatten() {
        let label = match label {
            Value::String(label) => {
                Label { label: label.clone(), description: String::new(), examples: Vec::new() }
            }
            label => Label {
                label: label["label"].as_str().unwrap_or_default().to_owned(),
                description: label["description"].as_str().unwrap_or_default().to_owned(),
                examples: label["examples"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
            },
        };
        if known.iter().any(|other| other.label == label.label) {
            let detail = format!("`labels` has {:?} twice; write each label once", label.label);
            return Err(ErrorKind::Validation.error("a label is there twice", detail));
        }
        known.push(label);
    }
    Ok(known)
}
