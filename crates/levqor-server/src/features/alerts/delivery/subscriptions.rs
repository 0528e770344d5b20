//! Where a subscriber's messages go: the hook for whoever keeps the subscriptions.

use levqor_store::Error;

use super::super::settings::Destination;
use crate::App;

/// Where a message of a subscription goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    To(Destination),
    /// There is no such subscription any more, and why.
    Gone(String),
}

/// Finds a subscription's destination.
///
/// # Errors
/// When the store cannot be asked; the message is tried again.
pub(super) async fn resolve(_app: &App, id: &str) -> Result<Resolved, Error> {
    Ok(Resolved::Gone(format!("there is no subscription {id}")))
}
