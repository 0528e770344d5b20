//! Functions that are made outside the engine: whoever starts it registers a handler for each.
//!
//! The engine gives every call its idempotency key, its turn and its journal entry; what a handler does is its own business.
//! A call may come again under the same key, after a crash or a lost answer.

use std::{collections::BTreeMap, fmt, future::Future, pin::Pin, sync::Arc};

use levqor_flow::{
    machine::{ErrorKind, Outcome},
    services::Service,
};
use levqor_model::{AccountId, RunId};
use serde_json::Value;

/// One call of a function.
#[derive(Debug)]
pub struct HandlerCall<'a> {
    pub account_id: AccountId,
    pub run_id: RunId,
    /// The idempotency key: the same whenever the same call is made again.
    pub key: &'a str,
    /// Checked against the function's schema.
    pub input: &'a Value,
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub outcome: Outcome,
    /// The AI credits that the account pays for it. They are journalled with the outcome, and count for the run's budget.
    pub credits: u64,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, credits: 0 }
    }
}

/// What a call gives, when it is done.
pub type Handled<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// Makes one of the server's functions.
///
/// It bounds its own time, and does not panic. Dropped in the middle, it is called again under the same key.
pub trait Handler: fmt::Debug + Send + Sync {
    fn call<'a>(&'a self, call: HandlerCall<'a>) -> Handled<'a>;
}

/// The handlers of an engine, by function.
#[derive(Debug, Clone, Default)]
pub struct Handlers(BTreeMap<&'static str, Arc<dyn Handler>>);

impl Handlers {
    /// The one that was there before is replaced.
    #[must_use]
    pub fn with(mut self, service: Service, handler: Arc<dyn Handler>) -> Self {
        self.0.insert(service.name(), handler);
        self
    }

    /// A function that nobody makes here any more is a fault of the run, with the remedy.
    pub(crate) async fn call(&self, service: Service, call: HandlerCall<'_>) -> Answer {
        match self.0.get(service.name()) {
            Some(handler) => handler.call(call).await,
            None => {
                let detail = format!(
                    "this server does not offer `{}` (any more); its operator can configure it, and then the run can be retried",
                    service.name()
                );
                let error = ErrorKind::Configuration.error("the function is not offered here", detail);
                Outcome::Failed { error, answered: false }.into()
            }
        }
    }
}
