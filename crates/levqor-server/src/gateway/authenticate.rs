//! Finds out who asks: an API key in `Authorization`, or the cookie of a session.
//!
//! What was found is remembered for a few seconds, so that a busy key costs no read a request. A key or session that is
//! revoked on this node is forgotten at once; one that is revoked elsewhere lives on here for [`REMEMBERED`] at most, but gives and takes
//! no power: for what does ([`access::moves_power`]), everybody is looked up anew.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::response::AppendHeaders;
use axum_extra::extract::cookie::CookieJar;
use http::{HeaderMap, HeaderName, header, request::Parts};
use levqor_model::{KeyId, ProblemCode, Role, Timestamp, audit::masked_address};
use levqor_store::{keys::ApiKey, sessions::Session};
use moka::sync::Cache;

use super::{ActedBy, Actor, ClientAddress, OwnLook, access, tokens};
use crate::{App, Problem};

/// The cookie of a session in the console.
pub const SESSION_COOKIE: &str = "levqor_session";
/// The same over TLS: its name has browsers keep it to this very host, and take it from nobody else.
pub const HOST_SESSION_COOKIE: &str = "__Host-levqor_session";

const REMEMBERED: Duration = Duration::from_secs(5);
const REMEMBERED_MAX: u64 = 10_000;
/// A session's last use is noted when it is older than this.
const SEEN_EVERY: Duration = Duration::from_secs(60);
/// A session that nobody used for this long is over, though its cookie lives on.
pub const SESSION_IDLE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Keys whose last use waits to be written; more are noted at their next use.
const TOUCHED_MAX: usize = 10_000;

/// A caller, and until when that holds.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) actor: Actor,
    /// Empty for API keys.
    pub(crate) email: String,
    expires_at: Option<Timestamp>,
    /// The key has a newer secret than the one that was sent.
    replaced: bool,
}

impl Identity {
    /// A caller for whom nothing has to be looked up.
    pub(super) fn of(actor: Actor) -> Self {
        Self { actor, email: String::new(), expires_at: None, replaced: false }
    }
}

/// What the gateway remembers about callers.
pub(crate) struct Callers {
    keys: Cache<[u8; 32], Arc<Identity>>,
    sessions: Cache<[u8; 32], Arc<Identity>>,
    /// Keys and sessions that nobody has.
    unknown: Cache<[u8; 32], ()>,
    /// How often all were forgotten.
    forgotten: AtomicU64,
    touched: Mutex<HashMap<KeyId, Timestamp>>,
}

impl fmt::Debug for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callers").finish_non_exhaustive()
    }
}

impl Callers {
    pub(crate) fn new() -> Self {
        let cache = || Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(REMEMBERED).build();
        let unknown = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(REMEMBERED).build();
        Self {
            keys: cache(),
            sessions: cache(),
            unknown,
            forgotten: AtomicU64::new(0),
            touched: Mutex::new(HashMap::new()),
        }
    }

    /// A key or a session was revoked: look everybody up anew.
    pub(crate) fn forget_all(&self) {
        // First, so that a look that began before remembers nothing.
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.keys.invalidate_all();
        self.sessions.invalidate_all();
        self.unknown.invalidate_all();
    }

    /// How often all were forgotten until a look begins.
    fn looks(&self) -> u64 {
        self.forgotten.load(Ordering::SeqCst)
    }

    /// Remembers whom a look has found that began at `began`, unless somebody was revoked meanwhile: it may not have seen that.
    fn remember(
        &self,
        found: &Cache<[u8; 32], Arc<Identity>>,
        hash: [u8; 32],
        identity: &Arc<Identity>,
        began: u64,
    ) {
        found.insert(hash, Arc::clone(identity));
        // Whoever is revoked from here on is forgotten by `forget_all` itself.
        if self.looks() != began {
            found.invalidate(&hash);
        }
    }

    fn touch(&self, key: KeyId, now: Timestamp) {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        if touched.len() < TOUCHED_MAX || touched.contains_key(&key) {
            touched.insert(key, now);
        }
    }

    /// Takes the uses of keys that are not written yet.
    pub(crate) fn take_touched(&self) -> Vec<(KeyId, Timestamp)> {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.drain().collect()
    }

    /// Gives back what could not be written; later uses win.
    pub(crate) fn give_back_touched(&self, uses: Vec<(KeyId, Timestamp)>) {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, at) in uses {
            let latest = touched.entry(key).or_insert(at);
            *latest = (*latest).max(at);
        }
    }
}

/// The result of the first look, kept with the request so that layers and handlers agree and look once.
#[derive(Clone)]
struct Found(Result<Option<Arc<Identity>>, Problem>);

/// Who sent the request. None: nobody said who they are.
///
/// # Errors
/// 401 for a key that is unknown, revoked or expired; 503 when the store cannot be asked.
pub(crate) async fn identity(parts: &mut Parts, app: &App) -> Result<Option<Arc<Identity>>, Problem> {
    if let Some(own) = parts.extensions.get::<OwnLook>() {
        return Ok(own.identity());
    }
    if let Some(Found(found)) = parts.extensions.get::<Found>() {
        return found.clone();
    }
    let anew = access::moves_power(&parts.method, access::route_of(&parts.extensions));
    let found = look(&parts.headers, ClientAddress::of(&parts.extensions), anew, app).await;
    parts.extensions.insert(Found(found.clone()));
    found
}

async fn look(
    headers: &HeaderMap,
    client: ClientAddress,
    anew: bool,
    app: &App,
) -> Result<Option<Arc<Identity>>, Problem> {
    let mut said = headers.get_all(header::AUTHORIZATION).iter();
    if let Some(value) = said.next() {
        if said.next().is_some() {
            return Err(denied("the Authorization header came twice; send one API key"));
        }
        let key = value.to_str().ok().and_then(bearer).ok_or_else(|| {
            denied("the Authorization header must be `Bearer lvq_…`, with an API key of Levqor")
        })?;
        return by_key(key, client.network(), anew, app).await.map(Some);
    }
    match CookieJar::from_headers(headers).get(cookie_name(app)) {
        Some(cookie) if tokens::is_token_shaped(cookie.value()) => {
            by_session(cookie.value(), client.network(), anew, app).await
        }
        _ => Ok(None),
    }
}

/// The token of `Bearer …`; the scheme's case does not matter (RFC 9110).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && tokens::is_key_shaped(token)).then_some(token)
}

fn denied(detail: &str) -> Problem {
    Problem::new(ProblemCode::Unauthenticated, detail)
}

/// Tells the log of somebody who tried to come in and was not let in: which way, why, and from which network, so that somebody who
/// tries many doors shows. Never what they showed or who they said they are: it may be another's key or address.
///
/// Not into the evidence log: who is not let in could fill it.
pub(crate) fn log_refused(way: &str, why: &str, address: IpAddr) {
    let network = masked_address(address);
    tracing::info!(sign_in.way = way, sign_in.refused = why, client.network = %network, "not let in by {way}: {why}");
}

async fn by_key(text: &str, network: IpAddr, anew: bool, app: &App) -> Result<Arc<Identity>, Problem> {
    let hash = tokens::token_hash(text);
    let callers = &app.callers;
    let remembered = if anew { None } else { callers.keys.get(&hash) };
    let identity = match remembered {
        Some(identity) => identity,
        None => {
            let began = callers.looks();
            let Some(key) = key_of(hash, network, app).await? else {
                return Err(denied(
                    "there is no such API key; make one in the console or with POST /api/keys",
                ));
            };
            if key.revoked_at.is_some() {
                log_refused("key", "it was revoked", network);
                return Err(denied("this API key was revoked; use another one"));
            }
            let previous = key.previous.filter(|previous| previous.hash == hash);
            let identity = Arc::new(Identity {
                actor: Actor {
                    account_id: key.account_id,
                    role: key.role,
                    operator: key.operator,
                    scopes: key.scopes,
                    by: ActedBy::Key(key.id),
                },
                email: String::new(),
                expires_at: previous.map(|previous| previous.ends_at).into_iter().chain(key.expires_at).min(),
                replaced: previous.is_some(),
            });
            callers.remember(&callers.keys, hash, &identity, began);
            identity
        }
    };
    let now = app.now();
    if let Some(at) = identity.expires_at.filter(|at| *at <= now) {
        log_refused("key", "it has expired", network);
        return Err(denied(&if identity.replaced {
            format!("this API key was given a new secret, and the old one opened until {at}; use the new one")
        } else {
            format!("this API key expired at {at}; use another one")
        }));
    }
    if let ActedBy::Key(id) = identity.actor.by {
        callers.touch(id, now);
    }
    Ok(identity)
}

/// Looks a key up, unless its like was looked up too often in vain.
async fn key_of(hash: [u8; 32], network: IpAddr, app: &App) -> Result<Option<ApiKey>, Problem> {
    // One wrong key, sent again and again, is one guess.
    if app.callers.unknown.contains_key(&hash) {
        return Ok(None);
    }
    let guesses = &app.rates.key_guesses;
    if !guesses.may_try(app, network) {
        log_refused("key", "too many were tried", network);
        return Err(Problem::new(
            ProblemCode::RateLimited,
            "too many keys that nobody has came from your address; check the key and try again in a minute",
        )
        .retry_after(60));
    }
    let found = app.store.key_by_hash(hash).await?;
    if found.is_none() {
        log_refused("key", "nobody has it", network);
        app.callers.unknown.insert(hash, ());
        guesses.missed(app, network);
    }
    Ok(found)
}

/// Looks a session up, unless its like was looked up too often in vain.
async fn session_of(hash: [u8; 32], network: IpAddr, app: &App) -> Result<Option<Session>, Problem> {
    if app.callers.unknown.contains_key(&hash) {
        return Ok(None);
    }
    let guesses = &app.rates.session_guesses;
    if !guesses.may_try(app, network) {
        log_refused("session", "too many were tried", network);
        return Err(Problem::new(
            ProblemCode::RateLimited,
            "too many sessions that are over or never were came from your address; delete the cookies of this site, or try again in a minute",
        )
        .retry_after(60));
    }
    let found = app.store.session_by_hash(hash, app.now()).await?;
    if found.is_none() {
        log_refused("session", "it is over or never was", network);
        app.callers.unknown.insert(hash, ());
        guesses.missed(app, network);
    }
    Ok(found)
}

/// An unknown or ended session is the same as none: browsers send cookies on their own.
async fn by_session(
    token: &str,
    network: IpAddr,
    anew: bool,
    app: &App,
) -> Result<Option<Arc<Identity>>, Problem> {
    let hash = tokens::token_hash(token);
    let now = app.now();
    let began = app.callers.looks();
    let remembered = if anew { None } else { app.callers.sessions.get(&hash) };
    if let Some(identity) = remembered {
        return Ok(identity.expires_at.is_none_or(|at| at > now).then_some(identity));
    }
    let Some(session) = session_of(hash, network, app).await? else { return Ok(None) };
    if now.since(session.last_seen_at) >= SESSION_IDLE_MAX {
        log_refused("session", "nobody used it for too long", network);
        app.callers.unknown.insert(hash, ());
        return Ok(None);
    }
    let Some(user) = app.store.user(session.user_id).await? else { return Ok(None) };
    let role: Option<Role> = app
        .store
        .memberships_of(user.id)
        .await?
        .into_iter()
        .find(|membership| membership.account_id == session.account_id)
        .map(|membership| membership.role);
    // A person who has left the account keeps a cookie, but nothing that it opens.
    let Some(role) = role else {
        log_refused("session", "its person has left the account", network);
        return Ok(None);
    };
    if now.since(session.last_seen_at) >= SEEN_EVERY {
        app.store.touch_session(session.id, now).await?;
    }
    let identity = Arc::new(Identity {
        actor: Actor {
            account_id: session.account_id,
            role,
            operator: user.operator,
            scopes: None,
            by: ActedBy::Session { session: session.id, user: user.id },
        },
        email: user.email,
        expires_at: Some(session.expires_at),
        replaced: false,
    });
    app.callers.remember(&app.callers.sessions, hash, &identity, began);
    Ok(Some(identity))
}

/// The value of `Set-Cookie` that opens a session; `token` is what [`tokens::new_token`] made, its hash is in the store.
pub fn session_cookie(app: &App, token: &str, lifetime: Duration) -> String {
    // Browsers drop `Secure` cookies that come over plain HTTP, so a server on plain HTTP does without.
    let (name, secure) = (cookie_name(app), if over_tls(app) { "; Secure" } else { "" });
    let seconds = lifetime.as_secs();
    format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

fn over_tls(app: &App) -> bool {
    app.settings.public_url.starts_with("https:")
}

fn cookie_name(app: &App) -> &'static str {
    if over_tls(app) { HOST_SESSION_COOKIE } else { SESSION_COOKIE }
}

/// What a browser is told whose session has ended: to forget the cookie, and what it has kept of pages and data of this site.
///
/// Not all cookies: browsers would take those of every host under the same domain, too.
pub fn farewell(app: &App) -> AppendHeaders<[(HeaderName, String); 2]> {
    AppendHeaders([
        (header::SET_COOKIE, session_cookie(app, "", Duration::ZERO)),
        (HeaderName::from_static("clear-site-data"), r#""cache", "storage""#.to_owned()),
    ])
}

#[cfg(test)]
mod tests {
    use levqor_model::{AccountId, Role, SeededRandom};

    use super::*;

    #[test]
    fn whom_a_look_found_before_somebody_was_revoked_is_not_remembered() {
        let (random, at) = (SeededRandom::new(1), Timestamp::from_micros(0));
        let identity = Arc::new(Identity::of(Actor {
            account_id: AccountId::new(at, &random),
            role: Role::Viewer,
            operator: false,
            scopes: None,
            by: ActedBy::Key(KeyId::new(at, &random)),
        }));
        let callers = Callers::new();
        let began = callers.looks();
        callers.forget_all();
        callers.remember(&callers.keys, [1; 32], &identity, began);
        assert!(callers.keys.get(&[1; 32]).is_none(), "the look may not have seen the revocation");
        callers.remember(&callers.keys, [1; 32], &identity, callers.looks());
        assert!(callers.keys.get(&[1; 32]).is_some());
    }
}
