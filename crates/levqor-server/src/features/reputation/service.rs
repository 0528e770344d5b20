//! Who is suspicious in this region, and the word of an operator that somebody is not.

use std::net::IpAddr;

use levqor_store::Error;

use crate::{
    App,
    gateway::{ClientAddress, Suspect},
};

/// Suspicious networks by address, beginning after `after`; at most `limit`.
pub(super) fn suspects(app: &App, after: Option<IpAddr>, limit: usize) -> Vec<Suspect> {
    let all = app.reputation.suspects(app.now()).into_iter();
    all.filter(|suspect| after.is_none_or(|after| suspect.network > after)).take(limit).collect()
}

/// What the network of the address did counts no more: here from now on, on the other nodes of all regions within a second or two.
///
/// # Errors
/// When the store cannot take it.
pub(super) async fn forgive(app: &App, address: IpAddr) -> Result<(), Error> {
    let network = ClientAddress(address.to_canonical()).network();
    app.store.pardon_address(network, app.now()).await?;
    app.reputation.forgive(network, app.now());
    Ok(())
}
