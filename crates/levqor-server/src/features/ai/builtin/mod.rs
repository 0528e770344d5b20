//! The built-in backend: rules over the text, without a key, a network or a model.
//!
//! It never guesses: what it cannot see in the text is null, and what fits two ways fits none. The same task always gives
//! the same reply.

mod classify;
mod extract;
mod scan;
mod summarise;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use levqor_model::Blueprint;
use serde_json::{Map, Value, json};

use super::{
    backend::{Backend, Failure, Reply, Task},
    service::{self, BACKEND},
};

#[derive(Debug, Clone)]
pub struct Builtin {
    blueprint: Arc<Blueprint>,
}

impl Builtin {
    pub fn new(blueprint: Blueprint) -> Self {
        Self { blueprint: Arc::new(blueprint) }
    }

    /// Always answers. A long text takes milliseconds of work, which is done beside the runtime.
    pub async fn reply(&self, task: &Arc<Task>) -> Reply {
        let (task, blueprint) = (Arc::clone(task), Arc::clone(&self.blueprint));
        let worked = tokio::task::spawn_blocking(move || perform(&task, &blueprint)).await;
        let (content, found) = worked.unwrap_or_else(|error| {
            tracing::error!("the built-in AI backend broke off: {error}");
            (Map::new(), false)
        });
        Reply { content, found, backend: BACKEND.to_owned(), model: None, usage: None }
    }
}

impl Backend for Builtin {
    fn name(&self) -> &str {
        BACKEND
    }

    fn answer<'a>(&'a self, task: &'a Arc<Task>) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(async move { Ok(self.reply(task).await) })
    }
}

/// The members of the output, and whether there is anything in them.
fn perform(task: &Task, blueprint: &Blueprint) -> (Map<String, Value>, bool) {
    let (content, found) = match task {
        Task::Chat(chat) => {
            let answer = service::answer(&chat.prompt, chat.language, blueprint);
            (json!({ "answer": answer.answer, "sources": answer.sources }), answer.known)
        }
        Task::Extract(extract) => {
            let values = extract::extract(extract);
            let missing: Vec<&str> = extract.names().filter(|name| !values.contains_key(*name)).collect();
            let found = !values.is_empty();
            let data: Map<String, Value> = extract
                .names()
                .map(|name| {
                    (name.to_owned(), values.get(name).map_or(Value::Null, |found| found.value.clone()))
                })
                .collect();
            (json!({ "data": data, "missing": missing }), found)
        }
        Task::Classify(classify) => {
            let verdict = classify::classify(classify);
            let found = verdict.label.is_some();
            (json!({ "label": verdict.label, "confidence": verdict.confidence }), found)
        }
        Task::Summarise(wanted) => {
            let sentences = summarise::summarise(&wanted.text, wanted.sentences_max, wanted.chars_max);
            (json!({ "summary": sentences.join(" ") }), !sentences.is_empty())
        }
    };
    match content {
        Value::Object(members) => (members, found),
        _ => (Map::new(), false),
    }
}
