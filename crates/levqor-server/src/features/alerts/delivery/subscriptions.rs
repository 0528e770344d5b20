//! Where a subscriber's messages go.

use levqor_model::Secret;
use levqor_store::{Error, subscriptions::SubscriptionKind};

use super::super::settings::{Destination, DestinationKind};
use crate::{
    App,
    features::status_page::{self, Recipient},
};

/// Where a message of a subscription goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    To {
        destination: Destination,
        /// A POST to it ends the subscription.
        unsubscribe_url: String,
    },
    /// There is no such subscription any more, and why.
    Gone(String),
}

/// Finds a subscription's destination.
///
/// # Errors
/// When the store cannot be asked; the message is tried again.
pub(super) async fn resolve(app: &App, id: &str) -> Result<Resolved, Error> {
    let gone = || Resolved::Gone(format!("there is no subscription {id}: they want no more"));
    let Ok(known) = id.parse() else { return Ok(gone()) };
    let Some(Recipient { kind, address, secret, unsubscribe_url }) =
        status_page::recipient(app, known).await?
    else {
        return Ok(gone());
    };
    let kind = match kind {
        SubscriptionKind::Email => DestinationKind::Mail { to: vec![address] },
        SubscriptionKind::Webhook => DestinationKind::Webhook { url: Secret::new(address), secret },
    };
    let destination = Destination { name: format!("subscription:{id}"), kind };
    Ok(Resolved::To { destination, unsubscribe_url })
}
