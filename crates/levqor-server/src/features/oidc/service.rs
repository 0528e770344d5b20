//! The rules of signing in by another system: whose word is taken for whom.

use levqor_model::{AccountId, InvitationId, ProblemCode, Role, UserId};
use levqor_store::{
    accounts::{Account, Membership, User},
    foreign_identities::ForeignIdentity,
    invitations::{Accepted, Offer},
};
use url::Url;

use super::{
    OidcSettings,
    newcomer::Newcomer,
    provider::{self, Told},
    round::Round,
};
use crate::{
    App, Problem,
    features::{
        sessions::service::{self as sessions, Entered, Seat},
        sign_in::service::{email, enter_first, stored_email},
    },
};

/// What somebody says who wants an account of their own.
pub(super) const OWN: &str = "own";
/// Invitations that somebody is shown; nobody has more by chance.
const OFFERED_MAX: usize = 20;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the service that signs you in cannot be asked now; try again in a few minutes")]
    Unreachable(String),
    #[error("this way took too long, was begun in another browser, or was gone already; begin again")]
    State,
    #[error("the service that signs you in said no: {0}")]
    Refused(String),
    #[error("what the service that signs you in answered could not be verified; begin again")]
    NoToken(String),
    #[error(
        "the service that signs you in did not ask you as this site wants: {0}; sign in there again, in the way that is wanted"
    )]
    TooWeak(String),
    #[error(
        "the service that signs you in does not say that your e-mail address is verified; have it verified there"
    )]
    NotVerified,
    #[error(
        "your e-mail address belonged to somebody else at the service that signs you in; ask an operator of this site"
    )]
    OtherPerson,
    #[error("you belong to no account here; ask an admin of one to invite you")]
    NoAccount,
    #[error("say what you want to join: one of the invitations that you were shown")]
    NoChoice,
    #[error(
        "this invitation was accepted already, was taken back, or is too old; sign in again to see which are open"
    )]
    InvitationGone,
    #[error("the account has as many members as it may; ask an admin of it to remove somebody")]
    Full,
    #[error(transparent)]
    Store(#[from] levqor_store::Error),
    #[error(transparent)]
    Keyring(#[from] levqor_engine::keyring::Error),
}

/// What the issuer sends back with the browser.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) code: Option<String>,
    pub(super) state: Option<String>,
    pub(super) error: Option<String>,
    /// Who answers (RFC 9207).
    pub(super) iss: Option<String>,
}

/// The settings.
///
/// # Errors
/// 404 where nothing of the kind is set up.
pub(super) fn settings(app: &App) -> Result<&OidcSettings, Problem> {
    let settings = app.settings.oidc.as_ref();
    settings.ok_or_else(|| Problem::new(ProblemCode::NotFound, "this server has no single sign-on"))
}

/// Begins a way: where the browser goes, and the cookie's value that it takes along.
pub(super) async fn begin(app: &App, settings: &OidcSettings, next: &str) -> Result<(Url, String), Error> {
    let round = Round::new(next, app.now(), &*app.random);
    let address = provider::address(app, settings, &round).await?;
    Ok((address, round.sealed(&app.keyring).await?))
}

/// What came of a way.
#[derive(Debug)]
pub(super) enum End {
    /// A session, and where to go on.
    In(Entered, String),
    /// Somebody new, who is asked what they want to join.
    Asked(Newcomer, Vec<Offer>),
}

/// Ends a way that this browser began.
pub(super) async fn end(
    app: &App,
    settings: &OidcSettings,
    cookie: Option<&str>,
    answer: Answer,
    seat: Seat,
) -> Result<End, Error> {
    let now = app.now();
    let round = match cookie {
        Some(cookie) => Round::open(cookie, &app.keyring, now).await?,
        None => None,
    };
    let round = round.filter(|round| answer.state.as_deref().is_some_and(|state| round.is(state)));
    let round = round.ok_or(Error::State)?;
    // Before anything else: a way that was tried once is gone.
    if !app.store.spend_state(round.hash(), round.ends_at).await? {
        return Err(Error::State);
    }
    if answer.iss.is_some_and(|iss| iss != settings.issuer) {
        return Err(Error::NoToken("another issuer answered".to_owned()));
    }
    if let Some(error) = answer.error {
        let words = error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect();
        return Err(Error::Refused(words));
    }
    let code = answer.code.ok_or(Error::State)?;
    let told = provider::ask(app, settings, &code, &round).await?;
    if let Some(lack) = settings.strength.lacks(&told.how, now) {
        return Err(Error::TooWeak(lack));
    }
    let user = match person(app, settings, told).await? {
        Person::Known(user) => user,
        Person::New { subject, address } => {
            let newcomer = Newcomer::new(&settings.issuer, subject, address, round.next, now, &*app.random);
            return welcome(app, settings, newcomer, seat).await;
        }
    };
    let entered = enter_first(app, user, seat).await.map_err(|error| match error {
        crate::features::sign_in::service::Error::Store(error) => Error::Store(error),
        _ => Error::NoAccount,
    })?;
    Ok(End::In(entered, round.next))
}

/// Whom the issuer has named.
enum Person {
    Known(UserId),
    /// Nobody here has the address.
    New {
        subject: String,
        address: String,
    },
}

async fn person(app: &App, settings: &OidcSettings, told: Told) -> Result<Person, Error> {
    let issuer = settings.issuer.clone();
    if let Some(user) = app.store.foreign_user(issuer, told.subject.clone()).await? {
        return Ok(Person::Known(user));
    }
    let address = told.email.as_deref().and_then(|text| stored_email(text).ok()).ok_or(Error::NotVerified)?;
    match app.store.user_by_email(address.clone()).await? {
        Some(user) => {
            bind(app, settings, told.subject, user.id).await?;
            Ok(Person::Known(user.id))
        }
        None => {
            let address = email(&address).map_err(|_| Error::NotVerified)?;
            Ok(Person::New { subject: told.subject, address })
        }
    }
}

/// From now on the issuer's own name of the person counts.
async fn bind(app: &App, settings: &OidcSettings, subject: String, user: UserId) -> Result<(), Error> {
    let bound =
        ForeignIdentity { issuer: settings.issuer.clone(), subject, user_id: user, created_at: app.now() };
    if app.store.bind_foreign_user(bound).await? { Ok(()) } else { Err(Error::OtherPerson) }
}

/// Somebody who was never here. Who is invited is asked, also when there is one invitation: whoever knows an address can invite it. Where
/// the operator wants that, who is not gets an account of their own.
async fn welcome(app: &App, settings: &OidcSettings, newcomer: Newcomer, seat: Seat) -> Result<End, Error> {
    let offers = app.store.invitations_to(newcomer.email.clone(), app.now(), OFFERED_MAX).await?;
    if !offers.is_empty() {
        return Ok(End::Asked(newcomer, offers));
    }
    if !settings.open_accounts {
        return Err(Error::NoAccount);
    }
    let Newcomer { subject, email, next, .. } = newcomer;
    let (user, account) = own_account(app, email).await?;
    bind(app, settings, subject, user).await?;
    Ok(End::In(sessions::begin(app, user, account, seat).await?, next))
}

/// Lets somebody in who was asked, by what they have chosen: an invitation, or [`OWN`].
pub(super) async fn join(
    app: &App,
    settings: &OidcSettings,
    cookie: Option<&str>,
    choice: &str,
    seat: Seat,
) -> Result<(Entered, String), Error> {
    let now = app.now();
    let newcomer = match cookie {
        Some(cookie) => Newcomer::open(cookie, &app.keyring, now).await?,
        None => None,
    };
    let newcomer = newcomer.filter(|newcomer| newcomer.issuer == settings.issuer).ok_or(Error::State)?;
    let invitation = match choice {
        OWN if settings.open_accounts => None,
        chosen => Some(chosen.parse::<InvitationId>().map_err(|_| Error::NoChoice)?),
    };
    // Somebody who has come to be here meanwhile is no newcomer any more, and what was said of them before counts no more.
    let is_here = app.store.user_by_email(newcomer.email.clone()).await?.is_some();
    if is_here || !app.store.spend_state(newcomer.hash(), newcomer.ends_at).await? {
        return Err(Error::State);
    }
    let Newcomer { subject, email, next, .. } = newcomer;
    let (user, account) = match invitation {
        Some(id) => {
            let new_user = UserId::new(now, &*app.random);
            match app.store.accept_invitation_to(id, email, new_user, now).await? {
                Accepted::Member { user, invitation } => (user.id, invitation.account_id),
                Accepted::Full => return Err(Error::Full),
                Accepted::Spent => return Err(Error::InvitationGone),
            }
        }
        None => own_account(app, email).await?,
    };
    bind(app, settings, subject, user).await?;
    Ok((sessions::begin(app, user, account, seat).await?, next))
}

async fn own_account(app: &App, address: String) -> Result<(UserId, AccountId), Error> {
    let now = app.now();
    let new_user = UserId::new(now, &*app.random);
    let plan = app.blueprint.plans.first().map(|plan| plan.code.clone()).unwrap_or_default();
    let account_id = AccountId::new(now, &*app.random);
    let account = Account { id: account_id, name: address.clone(), plan, created_at: now };
    let user = User { id: new_user, email: address, operator: false, created_at: now };
    let membership = Membership { account_id, user_id: new_user, role: Role::Owner };
    app.store.open_account(account, user, membership).await?;
    Ok((new_user, account_id))
}
