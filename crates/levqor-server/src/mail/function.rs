//! `call: email:1.0.0@default`.

use std::sync::Arc;

use levqor_engine::handlers::{Handled, Handler, HandlerCall};
use levqor_flow::machine::{ErrorKind, Outcome};
use serde_json::json;

use super::{Mailer, Message, NotSent};

/// What the error of a message that was refused for good says, as HTTP says it of a request.
const STATUS_REFUSED: i64 = 422;
/// The same for one that may be taken later.
const STATUS_LATER: i64 = 503;

/// Sends a message for a run.
#[derive(Debug)]
pub struct EmailFunction {
    mailer: Arc<Mailer>,
}

impl EmailFunction {
    pub fn new(mailer: Arc<Mailer>) -> Self {
        Self { mailer }
    }

    async fn send(&self, call: HandlerCall<'_>) -> Outcome {
        let message = match Message::read(call.input) {
            Ok(message) => message,
            Err(invalid) => {
                let error =
                    ErrorKind::Validation.error("the message cannot be sent as it is", invalid.to_string());
                return Outcome::Failed { error, answered: false };
            }
        };
        match self.mailer.send(call.key, &message).await {
            Ok(id) => Outcome::Output(json!({
                "messageId": id,
                "recipients": message.to.len() + message.cc.len() + message.bcc.len(),
            })),
            Err(reason) => {
                tracing::warn!(run.id = %call.run_id, account.id = %call.account_id, error = %reason, "a message was not sent");
                let mut error =
                    ErrorKind::Communication.error("the message was not sent", reason.to_string());
                error.status =
                    if matches!(reason, NotSent::Refused(_)) { STATUS_REFUSED } else { STATUS_LATER };
                Outcome::Failed { error, answered: !matches!(reason, NotSent::NoAnswer(_)) }
            }
        }
    }
}

impl Handler for EmailFunction {
    fn call<'a>(&'a self, call: HandlerCall<'a>) -> Handled<'a> {
        Box::pin(async move { self.send(call).await.into() })
    }
}
