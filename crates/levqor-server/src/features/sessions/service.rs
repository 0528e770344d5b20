//! The rules of sessions: how one begins, is replaced, is seen and ends.

use std::{net::IpAddr, time::Duration};

use http::{HeaderMap, header};
use levqor_model::{AccountId, ProblemCode, Secret, SessionId, Timestamp, UserId, audit::masked_address};
use levqor_store::{accounts::Account, sessions::Session};

use super::browser;
use crate::{
    App, Problem,
    features::sign_in::service::stored_email,
    gateway::{Actor, SESSION_IDLE_MAX, new_token, token_hash},
};

/// Sessions that end in one transaction, when everybody's do.
const ENDED_AT_ONCE: usize = 500;

/// A session ends this long after it began, however busy it is: a stolen cookie is worth nothing after two weeks, and people
/// sign in by a link that takes them a minute.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The browser in which a session begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    network: String,
    browser: String,
    /// What it was signed in with before: that ends.
    ends: Option<SessionId>,
}

impl Seat {
    pub fn new(address: IpAddr, headers: &HeaderMap, ends: Option<SessionId>) -> Self {
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        Self { network: masked_address(address), browser: browser::kind(agent), ends }
    }
}

/// A session that just began; the token is in the cookie and nowhere else.
#[derive(Debug)]
pub struct Entered {
    pub session: SessionId,
    pub account: AccountId,
    pub token: Secret,
    pub expires_at: Timestamp,
}

impl Entered {
    /// How long the cookie may live.
    pub fn lifetime(&self, now: Timestamp) -> Duration {
        self.expires_at.since(now)
    }
}

/// A session as its person sees it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub session: Session,
    pub account: Option<Account>,
    /// It is the one that asks.
    pub current: bool,
}

/// Begins a session. The caller knows that it is that person who is there.
///
/// # Errors
/// The store's.
pub async fn begin(
    app: &App,
    user: UserId,
    account: AccountId,
    seat: Seat,
) -> Result<Entered, levqor_store::Error> {
    let now = app.now();
    let token = new_token(&*app.random);
    let session = Session {
        id: SessionId::new(now, &*app.random),
        user_id: user,
        account_id: account,
        hash: token_hash(&token),
        created_at: now,
        last_seen_at: now,
        expires_at: now + SESSION_LIFETIME,
        network: Some(seat.network),
        browser: Some(seat.browser),
    };
    let entered =
        Entered { session: session.id, account, token: Secret::new(token), expires_at: session.expires_at };
    app.store.create_session(session, seat.ends).await?;
    if seat.ends.is_some() {
        app.forget_callers();
    }
    Ok(entered)
}

/// Gives a session that goes on another token and id, in that account: the old cookie, and forms that were drawn for it, are good
/// for nothing any more. It does not live longer for that.
///
/// # Errors
/// 401 when the session has ended meanwhile.
pub async fn renew(app: &App, old: SessionId, account: AccountId) -> Result<Entered, Problem> {
    let now = app.now();
    let token = new_token(&*app.random);
    let id = SessionId::new(now, &*app.random);
    let new = app.store.replace_session(old, id, token_hash(&token), account, now).await?;
    app.forget_callers();
    let new = new
        .ok_or_else(|| Problem::new(ProblemCode::Unauthenticated, "the session has ended; sign in again"))?;
    Ok(Entered { session: new.id, account, token: Secret::new(token), expires_at: new.expires_at })
}

/// The sessions of whoever asks, in all their accounts, newest first.
///
/// # Errors
/// 403 for API keys.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<Seen>, Problem> {
    let (user, current) = actor.person()?;
    let now = app.now();
    let sessions = app.store.sessions_of(user, now, now - SESSION_IDLE_MAX).await?;
    let accounts = app.store.accounts_of(user).await?;
    let seen = sessions.into_iter().map(|session| Seen {
        account: accounts
            .iter()
            .map(|(account, _)| account)
            .find(|account| account.id == session.account_id)
            .cloned(),
        current: session.id == current,
        session,
    });
    Ok(seen.collect())
}

/// Ends one of the sessions of whoever asks, at once (on other nodes within seconds).
///
/// # Errors
/// 404 when they have no such session; 403 for API keys.
pub async fn revoke(app: &App, actor: &Actor, id: SessionId) -> Result<(), Problem> {
    let (user, _) = actor.person()?;
    if !app.store.revoke_session_of(user, id, app.now()).await? {
        return Err(Problem::not_found(format!("you have no session {id}, or it has ended already")));
    }
    app.forget_callers();
    Ok(())
}

/// Ends all sessions of whoever asks but the one that asks; how many.
///
/// # Errors
/// 403 for API keys.
pub async fn revoke_others(app: &App, actor: &Actor) -> Result<usize, Problem> {
    let (user, current) = actor.person()?;
    let ended = app.store.revoke_other_sessions(user, current, app.now()).await?;
    app.forget_callers();
    Ok(ended)
}

/// Ends what somebody has open in all their accounts, or what everybody has but the session that asks, on an operator's word; how many
/// sessions that were. On this node at once, on others within seconds.
///
/// # Errors
/// 422 when nobody has the address, and when it is not said whose sessions end.
pub async fn sign_out(
    app: &App,
    actor: &Actor,
    address: Option<&str>,
    everybody: bool,
) -> Result<usize, Problem> {
    match (address, everybody) {
        (Some(address), false) => sign_out_person(app, address).await,
        (None, true) => sign_out_everybody(app, actor.person().ok().map(|(_, session)| session)).await,
        _ => Err(Problem::field(
            "/email",
            "says whose sessions end: give an address, or `everybody` and no address",
        )),
    }
}

async fn sign_out_person(app: &App, address: &str) -> Result<usize, Problem> {
    let address = stored_email(address).map_err(|error| Problem::field("/email", error.to_string()))?;
    let user = app.store.user_by_email(address).await?.ok_or_else(|| {
        Problem::field("/email", "belongs to nobody here; see how the person's address is spelled")
    })?;
    let ended = app.store.end_sessions_of(user.id, app.now()).await?;
    app.forget_callers();
    Ok(ended)
}

/// In steps that are bounded. Who gives up waiting has ended some of them, and asks again for the others.
async fn sign_out_everybody(app: &App, keep: Option<SessionId>) -> Result<usize, Problem> {
    let now = app.now();
    let (mut ended, mut last) = (0, None);
    loop {
        let some = app.store.end_sessions(last, keep, now, ENDED_AT_ONCE).await?;
        app.forget_callers();
        ended += some.len();
        last = some.into_iter().max();
        if last.is_none() {
            return Ok(ended);
        }
    }
}
