//! The rules of invitations.

use std::time::Duration;

use levqor_model::{
    InvitationId, ProblemCode, Role, Secret, UserId,
    limits::{INVITATION_TTL, INVITATIONS_OPEN_MAX, INVITATIONS_PER_DAY_MAX},
};
use levqor_store::{
    accounts::{Account, User},
    invitations::{Accepted, Bounds, Invitation, Invited},
};

use crate::{
    App, Problem,
    features::sign_in::service::email,
    gateway::{ActedBy, Actor, new_token, token_hash},
    mail::{Message, NotSent},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An invitation that was made; with its link, when it is for who invites to hand over.
#[derive(Debug)]
pub struct Made {
    pub invitation: Invitation,
    pub link: Option<Secret>,
}

/// Why a link lets nobody in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "this invitation was accepted already, was taken back, or is older than 7 days; ask for a new one"
    )]
    Spent,
    #[error("the account has as many members as it may; ask an admin of it to remove somebody")]
    Full,
    #[error(transparent)]
    Store(#[from] levqor_store::Error),
}

/// Invites somebody by their address. An open invitation to the same address is taken back.
///
/// # Errors
/// 422 for what is no address, for who is a member already, and for an address that the mail server refuses; 403 for a role above the
/// caller's own, and with too many open; 429 with too many in a day; 503 when the mail was not sent.
pub async fn invite(app: &App, actor: &Actor, to: &str, role: Role) -> Result<Made, Problem> {
    actor.require(Role::Admin)?;
    let to = email(to).map_err(|error| Problem::field("/email", error.to_string()))?;
    actor.require(role)?;
    if app.store.member_by_email(actor.account_id, to.clone()).await?.is_some() {
        return Err(Problem::field("/email", "belongs to a member already; change their role instead"));
    }
    let now = app.now();
    let token = new_token(&*app.random);
    let invitation = Invitation {
        id: InvitationId::new(now, &*app.random),
        account_id: actor.account_id,
        email: to,
        role,
        hash: token_hash(&token),
        invited_by: actor.by.id(),
        mailed: app.mailer.is_some(),
        created_at: now,
        expires_at: now + INVITATION_TTL,
    };
    let bounds = Bounds { open: INVITATIONS_OPEN_MAX, since: now - DAY, made_since: INVITATIONS_PER_DAY_MAX };
    match app.store.create_invitation(invitation.clone(), bounds).await? {
        Invited::Done => {}
        Invited::TooManyOpen => {
            let detail = format!(
                "{INVITATIONS_OPEN_MAX} invitations wait to be accepted, which is the limit; take some back first"
            );
            return Err(Problem::new(ProblemCode::PlanLimit, detail));
        }
        Invited::TooManyMade => {
            let detail = format!(
                "the account has sent {INVITATIONS_PER_DAY_MAX} invitations within a day; go on tomorrow"
            );
            return Err(Problem::new(ProblemCode::RateLimited, detail).retry_after(60 * 60));
        }
    }
    let link = Secret::new(format!("{}/invitations/{token}", app.settings.public_url));
    if !invitation.mailed {
        return Ok(Made { invitation, link: Some(link) });
    }
    if let Err(problem) = send(app, actor, &invitation, &link).await {
        // Nobody shall wonder about a link that may be on its way all the same.
        app.store.revoke_invitation(invitation.account_id, invitation.id, app.now()).await?;
        return Err(problem);
    }
    Ok(Made { invitation, link: None })
}

async fn send(app: &App, actor: &Actor, invitation: &Invitation, link: &Secret) -> Result<(), Problem> {
    let Some(mailer) = &app.mailer else { return Ok(()) };
    let account = app.store.account(invitation.account_id).await?.map(|account| account.name);
    let inviter = match actor.by {
        ActedBy::Session { user, .. } => app.store.user(user).await?.map(|user| user.email),
        ActedBy::Key(_) => None,
    };
    let letter = letter(invitation, account.as_deref().unwrap_or_default(), inviter.as_deref(), link)
        .map_err(|invalid| Problem::field("/email", invalid.problem))?;
    match mailer.send(&invitation.id.to_string(), &letter).await {
        Ok(_) => Ok(()),
        Err(NotSent::Refused(_)) => Err(Problem::field(
            "/email",
            "is refused by the mail server; see that it is spelled as it should be",
        )),
        Err(reason) => {
            tracing::warn!(invitation.id = %invitation.id, error = %reason, "an invitation was not sent");
            let detail = "the mail server did not take the message, and the invitation is taken back; try again in a few minutes";
            Err(Problem::new(ProblemCode::MailNotSent, detail).retry_after(60))
        }
    }
}

fn letter(
    invitation: &Invitation,
    account: &str,
    inviter: Option<&str>,
    link: &Secret,
) -> Result<Message, crate::mail::Invalid> {
    let who = inviter.unwrap_or("An admin of it");
    let (role, link) = (invitation.role.as_str(), link.expose());
    let text = format!(
        "You are invited to the account “{account}” on Levqor, as {role}.\n{who} has sent this.\n\n\
         Accept it with this link, within 7 days and once:\n\n{link}\n\n\
         Do you not know what this is about? Then do nothing.\n"
    );
    Message::plain(&invitation.email, "You are invited to an account on Levqor", text)
}

/// Takes an invitation back.
///
/// # Errors
/// 404 when the account has no such open invitation; 403 below admin.
pub async fn revoke(app: &App, actor: &Actor, id: InvitationId) -> Result<(), Problem> {
    actor.require(Role::Admin)?;
    if app.store.revoke_invitation(actor.account_id, id, app.now()).await? {
        return Ok(());
    }
    Err(Problem::not_found(format!(
        "invitation {id} does not exist, was accepted, or was taken back already"
    )))
}

/// What whoever has the link is invited to.
///
/// # Errors
/// [`Error::Spent`].
pub async fn look(app: &App, token: &str) -> Result<(Invitation, Option<Account>), Error> {
    let found = app.store.invitation_by_hash(token_hash(token), app.now()).await?.ok_or(Error::Spent)?;
    let account = app.store.account(found.account_id).await?;
    Ok((found, account))
}

/// Spends the link: who has it belongs to the account from now on. Who has no user gets one.
///
/// # Errors
/// [`Error::Spent`], [`Error::Full`].
pub async fn accept(app: &App, token: &str) -> Result<(User, Invitation), Error> {
    let now = app.now();
    let new_user = UserId::new(now, &*app.random);
    match app.store.accept_invitation(token_hash(token), new_user, now).await? {
        Accepted::Member { user, invitation } => Ok((user, *invitation)),
        Accepted::Spent => Err(Error::Spent),
        Accepted::Full => Err(Error::Full),
    }
}
