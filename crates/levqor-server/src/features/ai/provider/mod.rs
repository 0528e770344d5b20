//! A provider that speaks OpenAI's chat completions, as most services and local servers do.
//!
//! ```text
//! task ─► messages ─► exchange ──► text ─► JSON that fits? ──► reply
//!            ▲          │ schema refused: JSON mode, then no mode   │ no, twice at most
//!            └──────────┴──────────── what is wrong with it ◄───────┘
//! ```
//!
//! Its address is the operator's configuration, so it may be on this machine; nothing that a workflow says reaches it
//! but texts. Invariant: no error and no log line holds the key or a text that was sent.
//!
//! Source: OpenAI API reference, "Create chat completion" and "Structured outputs".

mod exchange;
mod prompt;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use levqor_model::Secret;
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use super::backend::{Backend, Failure, Reply, Task, Usage};
use exchange::{Completion, Format, Message};
use prompt::Prompt;

/// Where OpenAI is.
pub const OPENAI: &str = "https://api.openai.com/v1";
/// The model that is asked when the configuration names none.
pub const MODEL: &str = "gpt-4o-mini";

/// Answers out of shape that are sent back to be mended.
const REPAIRS: usize = 2;

/// How a provider is reached.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// How outputs and logs call it.
    pub name: String,
    /// Its address without `/chat/completions`.
    pub base_url: Url,
    /// None for servers that ask for none.
    pub key: Option<Secret>,
    pub model: String,
}

/// What an exchange may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub connect_timeout: Duration,
    /// For one exchange, to the last byte of its answer.
    pub timeout: Duration,
    pub response_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            response_bytes_max: 1024 * 1024,
        }
    }
}

/// The connections of all providers; made by whoever needs them first, since it reads the machine's root certificates.
pub type SharedClient = Arc<OnceCell<reqwest::Client>>;

#[derive(Debug)]
pub struct Provider {
    settings: ProviderSettings,
    /// Where completions are made.
    endpoint: Url,
    bounds: Bounds,
    client: SharedClient,
    exchanges: Arc<Exchanges>,
}

/// How many exchanges there were with all providers.
#[derive(Debug, Default)]
pub struct Exchanges {
    calls: AtomicU64,
    failures: AtomicU64,
}

impl Exchanges {
    /// Those since this was asked last, and how many of them failed.
    pub fn take(&self) -> (u64, u64) {
        (self.calls.swap(0, Ordering::Relaxed), self.failures.swap(0, Ordering::Relaxed))
    }

    /// One begins. It has failed unless it is said to be good: also when nobody waits for its end any more.
    fn begin(&self) -> Exchange<'_> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Exchange { exchanges: self, is_good: false }
    }
}

struct Exchange<'a> {
    exchanges: &'a Exchanges,
    is_good: bool,
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        if !self.is_good {
            self.exchanges.failures.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Provider {
    pub fn new(settings: ProviderSettings, bounds: Bounds, client: SharedClient) -> Self {
        let mut endpoint = settings.base_url.clone();
        // An address of http or https always has segments.
        if let Ok(mut segments) = endpoint.path_segments_mut() {
            segments.pop_if_empty().extend(["chat", "completions"]);
        }
        Self { settings, endpoint, bounds, client, exchanges: Arc::default() }
    }

    /// Counts together with others.
    pub fn counted_in(self, exchanges: Arc<Exchanges>) -> Self {
        Self { exchanges, ..self }
    }

    async fn perform(&self, task: &Task) -> Result<Reply, Failure> {
        let prompt = Prompt::of(task);
        let mut messages = prompt.messages.clone();
        let mut usage: Option<Usage> = None;
        let mut wrong = String::new();
        for _ in 0..=REPAIRS {
            let completion = self.completion(&messages, prompt.schema.as_ref()).await?;
            usage = match (usage, completion.usage) {
                (Some(so_far), Some(more)) => Some(so_far.plus(more)),
                (so_far, more) => so_far.or(more),
            };
            match prompt.read(task, &completion.text) {
                Ok((content, found)) => {
                    return Ok(Reply {
                        content,
                        found,
                        backend: self.settings.name.clone(),
                        model: Some(completion.model.unwrap_or_else(|| self.settings.model.clone())),
                        usage,
                    });
                }
                Err(errors) => {
                    messages.truncate(prompt.messages.len());
                    messages.push(Message::assistant(completion.text));
                    messages.push(Message::user(prompt::repair(&errors)));
                    wrong = errors.kind;
                }
            }
        }
        Err(Failure::Unusable { reason: format!("{wrong}, also after {REPAIRS} repairs") })
    }

    /// Asks in the strictest format that the provider takes.
    async fn completion(&self, messages: &[Message], schema: Option<&Value>) -> Result<Completion, Failure> {
        let Some(schema) = schema else { return self.exchange(messages, Format::Text).await };
        for format in [Format::Schema(schema), Format::Json] {
            match self.exchange(messages, format).await {
                // It may be the format that it does not know: the next one asks for less.
                Err(Failure::Refused { status: 400 | 422, .. }) => {}
                other => return other,
            }
        }
        self.exchange(messages, Format::Text).await
    }
}

impl Backend for Provider {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn answer<'a>(&'a self, task: &'a Arc<Task>) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(self.perform(task))
    }
}
