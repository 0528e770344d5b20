//! How often one caller may ask (SPEC §11): without a key by address and route, with one by account.
//!
//! Source for the fields: IETF draft-ietf-httpapi-ratelimit-headers-10.

use std::{fmt, hash::Hash, net::IpAddr, num::NonZeroU32, time::Duration};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use levqor_model::{AccountId, ProblemCode};

use super::{
    ClientAddress, OwnLook,
    access::{Access, access_of, route_of},
    authenticate,
};
use crate::{App, Problem, app::Parts};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// How much more often than anybody else a sender of webhook messages may ask.
const SENDERS_TIMES: u32 = 10;
/// What a quota is for.
const WINDOW: Duration = Duration::from_secs(60);

type Keyed<K> = RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// One kind of limit; no limiter means no limit.
struct Limiter<K: Hash + Eq + Clone> {
    name: &'static str,
    quota: u32,
    keyed: Option<Keyed<K>>,
}

/// What is left of a quota.
struct Standing {
    remaining: u32,
    /// Seconds until one more request is let through; zero when one is now.
    wait: u64,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    fn new(name: &'static str, per_minute: u32) -> Self {
        let keyed = NonZeroU32::new(per_minute).map(|burst| {
            RateLimiter::dashmap_with_clock(Quota::per_minute(burst), DefaultClock::default())
                .with_middleware::<StateInformationMiddleware>()
        });
        Self { name, quota: per_minute, keyed }
    }

    fn take(&self, key: &K) -> Option<Standing> {
        let limiter = self.keyed.as_ref()?;
        Some(match limiter.check_key(key) {
            Ok(snapshot) => Standing { remaining: snapshot.remaining_burst_capacity(), wait: 0 },
            Err(denied) => {
                let wait = denied.wait_time_from(limiter.clock().now());
                Standing { remaining: 0, wait: wait.as_secs() + 1 }
            }
        })
    }

    fn words(&self) -> String {
        let quota = self.quota;
        match self.name {
            "account" => format!("your account may send {quota} requests a minute (fair use)"),
            "sender" => format!("one address may send {quota} messages a minute to webhooks"),
            _ => format!("without an API key, one address may send {quota} requests a minute to this route"),
        }
    }

    fn prune(&self) {
        if let Some(limiter) = &self.keyed {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    fn write_headers(&self, standing: &Standing, headers: &mut HeaderMap) {
        let (name, quota, seconds) = (self.name, self.quota, WINDOW.as_secs());
        let used = u64::from(quota.saturating_sub(standing.remaining));
        let until_full = (used * seconds).div_ceil(u64::from(quota.max(1)));
        let policy = format!("\"{name}\";q={quota};w={seconds}");
        let limit = format!("\"{name}\";r={};t={until_full}", standing.remaining);
        for (header, text) in [(POLICY, policy), (LIMIT, limit)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(header, value);
            }
        }
    }
}

/// The limits of this node.
pub(crate) struct Rates {
    anonymous: Limiter<(IpAddr, String)>,
    accounts: Limiter<AccountId>,
    /// Of webhook messages: one system sends for many people.
    senders: Limiter<IpAddr>,
}

impl fmt::Debug for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rates")
            .field("anonymous", &self.anonymous.quota)
            .field("accounts", &self.accounts.quota)
            .finish()
    }
}

impl Rates {
    pub(crate) fn new(parts: &Parts) -> Self {
        let settings = &parts.settings;
        let fair =
            settings.account_requests_per_minute.unwrap_or(parts.blueprint.fair_use.requests_per_minute);
        Self {
            anonymous: Limiter::new("anonymous", settings.anonymous_requests_per_minute),
            accounts: Limiter::new("account", fair),
            senders: Limiter::new(
                "sender",
                settings.anonymous_requests_per_minute.saturating_mul(SENDERS_TIMES),
            ),
        }
    }

    /// Requests a minute that one account may send; None: there is no limit.
    pub(crate) fn of_accounts(&self) -> Option<u32> {
        Some(self.accounts.quota).filter(|quota| *quota > 0)
    }

    /// Forgets callers whose quota is full again.
    pub(crate) fn prune(&self) {
        self.anonymous.prune();
        self.accounts.prune();
        self.senders.prune();
    }

    /// One more request for the account, by somebody who is not signed in to it.
    ///
    /// # Errors
    /// 429.
    pub(crate) fn take_for(&self, account: AccountId) -> Result<(), Problem> {
        match self.accounts.take(&account) {
            Some(standing) if standing.wait > 0 => Err(too_many(&standing, &self.accounts.words())),
            _ => Ok(()),
        }
    }
}

pub(super) async fn limit(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let route = route_of(&parts.extensions).map(str::to_owned);
    let access = access_of(&parts.method, route.as_deref());
    let open = access == Access::Open
        // A page asks for several of these at once, and browsers keep them.
        || route.as_deref().is_some_and(|route| route.starts_with("/assets/"))
        || parts.extensions.get() == Some(&OwnLook::Stranger);
    if open {
        return next.run(Request::from_parts(parts, body)).await;
    }
    // Who sends a wrong key to a page is nobody there; the API has refused them already.
    let identity = match access {
        Access::Secret => None,
        _ => authenticate::identity(&mut parts, &app).await.ok().flatten(),
    };
    let rates = &app.rates;
    let standing = match &identity {
        Some(identity) if identity.actor.operator => None,
        Some(identity) => rates.accounts.take(&identity.actor.account_id),
        None if access == Access::Secret => {
            rates.senders.take(&ClientAddress::of(&parts.extensions).network())
        }
        None => {
            let network = ClientAddress::of(&parts.extensions).network();
            rates.anonymous.take(&(network, route.unwrap_or_default()))
        }
    };
    let Some(standing) = standing else {
        return next.run(Request::from_parts(parts, body)).await;
    };
    let mut response = if standing.wait == 0 {
        next.run(Request::from_parts(parts, body)).await
    } else {
        let limit = if identity.is_some() {
            rates.accounts.words()
        } else if access == Access::Secret {
            rates.senders.words()
        } else {
            rates.anonymous.words()
        };
        too_many(&standing, &limit).into_response()
    };
    let headers = response.headers_mut();
    if access == Access::Secret {
        rates.senders.write_headers(&standing, headers);
    } else if identity.is_some() {
        rates.accounts.write_headers(&standing, headers);
    } else {
        rates.anonymous.write_headers(&standing, headers);
    }
    response
}

fn too_many(standing: &Standing, detail: &str) -> Problem {
    Problem::new(ProblemCode::RateLimited, format!("{detail}; try again in {} s", standing.wait))
        .retry_after(standing.wait)
}
