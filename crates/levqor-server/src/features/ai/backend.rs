//! What can be asked of an AI backend, and what comes back.
//!
//! A backend gets the task whole, not a prompt: a provider makes a prompt of it, the built-in one looks at the text
//! itself. So both give the same shape, and `backend` says which it was.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use levqor_flow::definition::Schema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::language::Language;

/// One thing to do. Its texts are other people's: they are never logged.
#[derive(Clone)]
pub enum Task {
    Chat(Chat),
    Extract(Extract),
    Classify(Classify),
    Summarise(Summarise),
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task({})", self.kind())
    }
}

impl Task {
    /// What the log of AI requests calls it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Task::Chat(_) => "chat",
            Task::Extract(_) => "extract",
            Task::Classify(_) => "classify",
            Task::Summarise(_) => "summarise",
        }
    }

    pub fn language(&self) -> Language {
        match self {
            Task::Chat(chat) => chat.language,
            Task::Summarise(summarise) => summarise.language,
            Task::Extract(_) | Task::Classify(_) => Language::En,
        }
    }
}

/// A question.
#[derive(Clone)]
pub struct Chat {
    pub prompt: String,
    /// What a provider is told beforehand; the built-in backend has no use for it.
    pub system: Option<String>,
    pub language: Language,
}

/// Values to find in a text.
#[derive(Clone)]
pub struct Extract {
    pub text: String,
    /// The schema of the values, in which each may also be null.
    pub schema: Value,
    /// `schema`, compiled.
    pub compiled: Schema,
    pub instructions: Option<String>,
}

impl Extract {
    /// The names of the values, in the order of the schema.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.schema["properties"].as_object().into_iter().flat_map(Map::keys).map(String::as_str)
    }
}

/// A text that belongs to one of several labels, or to none.
#[derive(Clone)]
pub struct Classify {
    pub text: String,
    pub labels: Vec<Label>,
    pub instructions: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub label: String,
    pub description: String,
    pub examples: Vec<String>,
}

/// A text to make shorter.
#[derive(Clone)]
pub struct Summarise {
    pub text: String,
    pub sentences_max: usize,
    pub chars_max: usize,
    pub language: Language,
}

/// They hold what people wrote, so nobody shall print them by accident.
macro_rules! untold {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )+};
}
untold!(Chat, Extract, Classify, Summarise);

/// What a task gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The members of the output that belong to the task.
    pub content: Map<String, Value>,
    /// False when there is nothing in it: no answer, no value, no label.
    pub found: bool,
    pub backend: String,
    /// Only of a provider.
    pub model: Option<String>,
    pub usage: Option<Usage>,
}

/// Tokens, as the provider counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
}

impl Usage {
    pub fn plus(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
        }
    }
}

/// Why a backend gave nothing. No variant holds a key or a text that was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Another backend may do better: no connection, no answer in time, 429, 5xx, an answer that is none.
    #[error("{reason}")]
    Unavailable {
        reason: String,
        /// How long it asks to be left alone.
        rest: Option<Duration>,
    },
    /// The operator's mistake, which another backend does not share: 401, 403, 404.
    #[error("{reason}")]
    Misconfigured { reason: String },
    /// It answered, and after the repairs still not in the shape that was asked for.
    #[error("{reason}")]
    Unusable { reason: String },
    /// It read the task and will not do it; nor would it be right to ask around until somebody does.
    #[error("{reason}")]
    Refused { status: u16, reason: String },
}

/// Somebody who does tasks.
pub trait Backend: Send + Sync + fmt::Debug {
    /// How it is called in outputs and logs.
    fn name(&self) -> &str;

    /// Cancel safe: dropped, it leaves nothing behind.
    fn answer<'a>(&'a self, task: &'a Arc<Task>) -> BoxFuture<'a, Result<Reply, Failure>>;
}
