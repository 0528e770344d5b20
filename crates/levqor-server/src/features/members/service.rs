//! The rules of members.

use levqor_model::{ProblemCode, Role, UserId};
use levqor_store::members::{Change, Member};

use crate::{
    App, Problem,
    features::sessions::service::{self as sessions, Entered},
    gateway::Actor,
};

/// Looks that a change takes when others change the same member at the same time.
const LOOKS_MAX: usize = 5;

pub(crate) fn last_owner() -> Problem {
    Problem::new(
        ProblemCode::LastOwner,
        "this is the account's only owner; make another member an owner first",
    )
}

fn missing(user: UserId) -> Problem {
    Problem::not_found(format!("the account has no member {user}"))
}

fn busy() -> Problem {
    Problem::new(ProblemCode::Overloaded, "others are changing this member at the same time; try again")
        .retry_after(1)
}

/// The member, whom the caller may touch.
async fn touchable(app: &App, actor: &Actor, user: UserId) -> Result<Member, Problem> {
    actor.require(Role::Admin)?;
    let member = app.store.member(actor.account_id, user).await?.ok_or_else(|| missing(user))?;
    actor.require(member.role)?;
    Ok(member)
}

/// Gives a member another role, and signs them out. When they did it to themselves, their session goes on under the token that this
/// gives.
///
/// # Errors
/// 404 for who is no member; 403 for a member or a role above the caller's own; 409 for the last owner.
pub async fn change_role(
    app: &App,
    actor: &Actor,
    user: UserId,
    role: Role,
) -> Result<(Member, Option<Entered>), Problem> {
    let own = actor.person().ok().filter(|(own, _)| *own == user).map(|(_, session)| session);
    for _ in 0..LOOKS_MAX {
        let member = touchable(app, actor, user).await?;
        actor.require(role)?;
        if member.role == role {
            return Ok((member, None));
        }
        let (account, now) = (actor.account_id, app.now());
        let change = app.store.change_role(account, user, (member.role, role), own, now).await?;
        app.forget_callers();
        match change {
            Change::Done => {
                let renewed = match own {
                    Some(session) => Some(sessions::renew(app, session, account).await?),
                    None => None,
                };
                return Ok((Member { role, ..member }, renewed));
            }
            Change::LastOwner => return Err(last_owner()),
            Change::Missing => return Err(missing(user)),
            Change::Differs => {}
        }
    }
    Err(busy())
}

/// Takes a member out of the account, and signs them out of it. Keys that they made stay: they are the account's.
///
/// # Errors
/// 404 for who is no member; 403 for a member above the caller's role; 409 for the last owner.
pub async fn remove(app: &App, actor: &Actor, user: UserId) -> Result<(), Problem> {
    for _ in 0..LOOKS_MAX {
        let member = touchable(app, actor, user).await?;
        let change = app.store.remove_member(actor.account_id, user, member.role, app.now()).await?;
        app.forget_callers();
        match change {
            Change::Done => return Ok(()),
            Change::LastOwner => return Err(last_owner()),
            Change::Missing => return Err(missing(user)),
            Change::Differs => {}
        }
    }
    Err(busy())
}

/// Ends all that a member has open in the account; how many sessions that were.
///
/// # Errors
/// 404 for who is no member; 403 for a member above the caller's role.
pub async fn sign_out(app: &App, actor: &Actor, user: UserId) -> Result<usize, Problem> {
    touchable(app, actor, user).await?;
    let ended = app.store.revoke_sessions_in(actor.account_id, user, app.now()).await?;
    app.forget_callers();
    Ok(ended)
}
