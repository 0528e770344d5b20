//! How often one caller may ask (SPEC §11): without a key by address and route, with one by account. The nodes of a region share
//! the limits.
//!
//! ```text
//! layer ─► limiter ─► table ─► bucket: pass, refuse ──────────────► answer
//!             │                   └──► ask
//!             └─► the region's count (a row in the store) ─► bucket
//! ```
//!
//! On a node that is alone in its region the store is not touched.
//!
//! Source for the fields: IETF draft-ietf-httpapi-ratelimit-headers-10.

mod bucket;
mod guesses;
mod limiter;
mod table;

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use levqor_model::{AccountId, ProblemCode, Timestamp};

use super::{
    ClientAddress,
    access::{Access, access_of, route_of},
    authenticate,
    reputation::KnownCaller,
};
use crate::{App, Problem, app::Parts};
use guesses::Guesses;
use limiter::{Limiter, Standing, moment};

/// How much more often than anybody else a sender of webhook messages may ask: one system sends for many people.
const SENDERS_TIMES: u32 = 10;
/// Places of the limiters.
const ANONYMOUS: usize = 0;
const ACCOUNTS: usize = 1;
const SENDERS: usize = 2;
const AI: usize = 3;
/// Wrong keys that are looked up for one address in a minute.
const KEY_GUESSES: u32 = 100;
/// The same of sessions: browsers go on to send the cookie of one that has ended, and an office has many of them behind one address.
const SESSION_GUESSES: u32 = 1_000;
/// Callers that are heard of at once.
const HEARD_MAX: usize = 5_000;
/// The nodes are counted in each of so many rounds of [`Rates::share`].
const COUNT_NODES_EVERY: u32 = 8;
/// A caller that nobody told of for so long stands as in the beginning.
const TOLD_KEPT: Duration = Duration::from_secs(300);

/// The limits of this node.
pub(crate) struct Rates {
    limiters: [Limiter; 4],
    /// Keys, and sessions, that nobody has.
    pub(crate) key_guesses: Guesses,
    pub(crate) session_guesses: Guesses,
    /// Live nodes of this region, this one included.
    nodes: AtomicU32,
    round: AtomicU32,
    /// Until when this node has heard what the others told.
    heard: Mutex<Option<Timestamp>>,
}

impl fmt::Debug for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rates").field("limiters", &self.limiters).finish_non_exhaustive()
    }
}

impl Rates {
    pub(crate) fn new(parts: &Parts) -> Self {
        let (settings, keyring) = (&parts.settings, &parts.keyring);
        let anonymous = settings.anonymous_requests_per_minute;
        let fair =
            settings.account_requests_per_minute.unwrap_or(parts.blueprint.fair_use.requests_per_minute);
        Self {
            limiters: [
                Limiter::new("anonymous", anonymous, keyring),
                Limiter::new("account", fair, keyring),
                Limiter::new("sender", anonymous.saturating_mul(SENDERS_TIMES), keyring),
                Limiter::new("ai", settings.anonymous_ai_per_minute, keyring),
            ],
            key_guesses: Guesses::new("key", KEY_GUESSES),
            session_guesses: Guesses::new("session", SESSION_GUESSES),
            nodes: AtomicU32::new(1),
            round: AtomicU32::new(0),
            heard: Mutex::new(None),
        }
    }

    fn limiter(&self, which: usize) -> &Limiter {
        &self.limiters[which]
    }

    /// How many nodes share the limits.
    pub(super) fn nodes(&self) -> u32 {
        self.nodes.load(Ordering::Relaxed)
    }

    /// Forgets callers whose quota is whole again.
    pub(crate) fn prune(&self, now: Timestamp) {
        for limiter in &self.limiters {
            limiter.prune(now.as_micros());
        }
        self.key_guesses.prune(now.as_micros());
        self.session_guesses.prune(now.as_micros());
    }

    /// Forgets in the store whom nobody told of for long.
    pub(crate) async fn prune_store(app: &App) -> Result<(), levqor_store::Error> {
        app.store.prune_rates(app.now() - TOLD_KEPT).await.map(drop)
    }

    /// Hears what the other nodes of the region have told, and gives back what this one did not use. Does nothing while it is alone.
    pub(crate) async fn share(app: &App) -> Result<(), levqor_store::Error> {
        let rates = &app.rates;
        if !app.store.is_shared() {
            return Ok(());
        }
        if rates.round.fetch_add(1, Ordering::Relaxed).is_multiple_of(COUNT_NODES_EVERY) {
            let live = app.store.nodes(Some(app.now())).await?;
            let here = live.iter().filter(|node| node.region == app.region.code).count();
            rates.nodes.store(u32::try_from(here.max(1)).unwrap_or(u32::MAX), Ordering::Relaxed);
        }
        if rates.nodes() == 1 {
            return Ok(());
        }
        let since = *rates.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, told) =
            app.store.rates_since(app.region.code.clone(), since, app.now(), HEARD_MAX).await?;
        *rates.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        let now = moment(app).now;
        for (name, standing) in told {
            if let Some(limiter) = rates.limiters.iter().find(|limiter| limiter.name == name) {
                limiter.hear(now, standing.caller, standing.full_in_us);
            }
        }
        for limiter in &rates.limiters {
            limiter.give_back(app).await;
        }
        Ok(())
    }

    /// One more request for the account, by somebody who is not signed in to it.
    ///
    /// # Errors
    /// 429.
    pub(crate) async fn take_for(app: &App, account: AccountId) -> Result<(), Problem> {
        let limiter = app.rates.limiter(ACCOUNTS);
        match limiter.take(app, ACCOUNTS, of_account(limiter, account)).await {
            Some(standing) if standing.wait > 0 => Err(too_many(standing, &limiter.words())),
            _ => Ok(()),
        }
    }

    /// One more AI request by somebody without a key, beside what the limit of its route says.
    ///
    /// # Errors
    /// The seconds until the next one is let through.
    pub(crate) async fn take_ai(app: &App, network: IpAddr) -> Result<(), u64> {
        let limiter = app.rates.limiter(AI);
        match limiter.take(app, AI, of_network(limiter, network, "")).await {
            Some(standing) if standing.wait > 0 => Err(standing.wait),
            _ => Ok(()),
        }
    }
}

fn of_account(limiter: &Limiter, account: AccountId) -> i64 {
    limiter.caller(account.to_string().as_bytes(), "")
}

fn of_network(limiter: &Limiter, network: IpAddr, route: &str) -> i64 {
    match network {
        IpAddr::V4(address) => limiter.caller(&address.octets(), route),
        IpAddr::V6(address) => limiter.caller(&address.octets(), route),
    }
}

pub(super) async fn limit(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let route = route_of(&parts.extensions);
    let access = access_of(&parts.method, route);
    let open = access == Access::Open
        // A page asks for several of these at once, and browsers keep them.
        || route.is_some_and(|route| route.starts_with("/assets/"));
    if open {
        return next.run(Request::from_parts(parts, body)).await;
    }
    // Who sends a wrong key is nobody here; whether that is an error is said behind this.
    let identity = match access {
        Access::Secret => None,
        _ => authenticate::identity(&mut parts, &app).await.ok().flatten(),
    };
    let network = ClientAddress::of(&parts.extensions).network();
    let which = match &identity {
        Some(identity) if identity.actor.operator => {
            let mut response = next.run(Request::from_parts(parts, body)).await;
            response.extensions_mut().insert(KnownCaller);
            return response;
        }
        Some(_) => ACCOUNTS,
        None if access == Access::Secret => SENDERS,
        None => ANONYMOUS,
    };
    let limiter = app.rates.limiter(which);
    let caller = match &identity {
        Some(identity) => of_account(limiter, identity.actor.account_id),
        None if which == SENDERS => of_network(limiter, network, ""),
        None => of_network(limiter, network, route_of(&parts.extensions).unwrap_or_default()),
    };
    let standing = limiter.take(&app, which, caller).await;
    let mut response = match standing {
        Some(standing) if standing.wait > 0 => too_many(standing, &limiter.words()).into_response(),
        _ => next.run(Request::from_parts(parts, body)).await,
    };
    if let Some(standing) = standing {
        limiter.write_headers(standing, response.headers_mut());
    }
    if identity.is_some() {
        response.extensions_mut().insert(KnownCaller);
    }
    response
}

fn too_many(standing: Standing, detail: &str) -> Problem {
    Problem::new(ProblemCode::RateLimited, format!("{detail}; try again in {} s", standing.wait))
        .retry_after(standing.wait)
}
