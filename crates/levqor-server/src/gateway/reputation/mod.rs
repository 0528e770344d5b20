//! Networks that make many errors: known for what they do, told of in the log, refused when the operator wants that.
//!
//! ```text
//! answer with an error ─► this node's count ─► the region's counts (rows in the store, told and heard each second)
//! request ─► suspicious by either? ─► log; refuse (`security.block_high_risk_ips`), but for operators and health routes
//! ```
//!
//! Only callers who have not said who they are are counted: of the others their account is known. On a node that is alone in its
//! region the store is not touched.

mod memory;
mod window;

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::StatusCode;
use levqor_model::{ProblemCode, Timestamp};
use levqor_store::reputation::TOLD_MAX;

use super::{
    ClientAddress,
    access::{Access, access_of, route_of},
    authenticate,
};
use crate::{App, Problem};
use memory::Memory;
pub(crate) use memory::Suspect;
pub(crate) use window::{ERRORS_MAX, WINDOW};

/// In the extensions of an answer: the caller has said, and proved, who they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownCaller;

#[derive(Debug, Default)]
pub(crate) struct Reputation {
    memory: Memory,
}

/// Answers that say that the caller did something wrong.
fn counts(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 401 | 403 | 404 | 405 | 422 | 429)
}

impl Reputation {
    /// Suspicious networks, by address.
    pub(crate) fn suspects(&self, now: Timestamp) -> Vec<Suspect> {
        self.memory.suspects(now)
    }

    /// What the network did until then counts no more, on this node.
    pub(crate) fn forgive(&self, network: IpAddr, until: Timestamp) {
        self.memory.forgive(network, until);
    }

    pub(crate) fn prune(&self, now: Timestamp) {
        self.memory.prune(now);
    }

    /// Forgets in the store what counts no more.
    pub(crate) async fn prune_store(app: &App) -> Result<(), levqor_store::Error> {
        // Clocks may differ a little.
        app.store.prune_addresses(app.now() - 2 * WINDOW).await
    }

    /// Tells the other nodes of the region, and hears what they tell. Does nothing while this one is alone.
    pub(crate) async fn share(app: &App) -> Result<(), levqor_store::Error> {
        let own = &app.reputation;
        let began = app.now();
        if !app.store.is_shared() || app.rates.nodes() == 1 {
            return Ok(());
        }
        // Pardons first: what was done before one is not told any more. They are few, and to hear one again changes nothing, so
        // nobody has to agree on where the last hearing ended.
        let pardons = app.store.address_pardons(began - WINDOW).await?;
        let forgive = || {
            for pardon in &pardons {
                if let Ok(network) = pardon.network.parse() {
                    own.memory.forgive(network, pardon.at);
                }
            }
        };
        forgive();
        let region = &app.region.code;
        // One statement: what a crowd of addresses costs the database is bounded, and what is left waits for the next round.
        let untold = own.memory.take_untold(TOLD_MAX, began);
        if let Err(error) = app.store.add_address_errors(region.clone(), untold.clone()).await {
            own.memory.give_back(untold);
            return Err(error);
        }
        let oldest = window::oldest_slot(began);
        own.memory.hear(app.store.errors_of_suspects(region.clone(), oldest, ERRORS_MAX).await?);
        // Another node may have told of errors from before.
        forgive();
        for network in own.memory.newly_heard(began) {
            announce(ClientAddress(network));
        }
        Ok(())
    }
}

fn announce(address: ClientAddress) {
    let (network, seconds) = (address.masked(), WINDOW.as_secs());
    tracing::warn!(client.network = %network, "an address of {network} made {ERRORS_MAX} errors in {seconds} s and is suspicious");
}

/// Refuses suspicious networks where the operator wants that, and counts what goes wrong.
pub(super) async fn watch(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let access = access_of(request.method(), route_of(request.extensions()));
    if access == Access::Open {
        return Ok(next.run(request).await);
    }
    let network = ClientAddress::of(request.extensions()).network();
    let suspect = app.reputation.memory.suspect(network, app.now());
    let request = match suspect {
        Some(suspect) if app.settings.gateway.block_high_risk => {
            let (mut parts, body) = request.into_parts();
            // Whose account it is does not matter: only operators can put it right.
            let identity = authenticate::identity(&mut parts, &app).await.ok().flatten();
            if !identity.is_some_and(|identity| identity.actor.operator) {
                return Err(refusal(&app, suspect));
            }
            Request::from_parts(parts, body)
        }
        _ => request,
    };
    let response = next.run(request).await;
    let known = response.extensions().get::<KnownCaller>().is_some();
    if !known && counts(response.status()) {
        let shared = app.store.is_shared() && app.rates.nodes() > 1;
        if app.reputation.memory.error(network, app.now(), shared) {
            announce(ClientAddress(network));
        }
    }
    Ok(response)
}

fn refusal(app: &App, suspect: Suspect) -> Problem {
    let wait = suspect.until.since(app.now()).as_secs() + 1;
    let (errors, seconds) = (suspect.errors, WINDOW.as_secs());
    Problem::new(
        ProblemCode::AddressBlocked,
        format!(
            "{errors} requests from your address failed within {seconds} s, so this server takes none from it for now; \
             try again in {wait} s, or ask its operator"
        ),
    )
    .retry_after(wait)
}
