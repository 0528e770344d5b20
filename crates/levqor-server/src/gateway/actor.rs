//! Who asks.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Redirect, Response},
};
use http::{Method, request::Parts};
use levqor_engine::Keyring;
use levqor_model::{AccountId, KeyId, ProblemCode, Role, Scope, Scopes, SessionId, UserId};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::authenticate;
use crate::{App, Problem};

/// A caller who proved who they are. As an extractor it answers 401 without an API key or a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub account_id: AccountId,
    pub role: Role,
    /// May see and do what operators of the platform may.
    pub operator: bool,
    /// What a key is limited to; None: nothing but its role.
    pub scopes: Option<Scopes>,
    pub by: ActedBy,
}

/// How the caller proved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActedBy {
    Key(KeyId),
    Session { session: SessionId, user: UserId },
}

impl Actor {
    /// # Errors
    /// 403 when the caller's role is weaker than `role`.
    pub fn require(&self, role: Role) -> Result<(), Problem> {
        if self.role >= role {
            return Ok(());
        }
        let (has, needs) = (self.role.as_str(), role.as_str());
        Err(Problem::new(
            ProblemCode::Forbidden,
            format!(
                "this needs the role {needs}; yours is {has}. Ask an admin of the account for a key or a membership with that role"
            ),
        ))
    }

    /// # Errors
    /// 403 for a key that is limited to other scopes.
    pub fn require_scope(&self, scope: Scope) -> Result<(), Problem> {
        match self.scopes {
            Some(scopes) if !scopes.contains(scope) => Err(Problem::new(
                ProblemCode::Forbidden,
                format!(
                    "this API key is limited to {scopes}, and this needs {}; use another key, or make one with that scope",
                    scope.as_str()
                ),
            )),
            _ => Ok(()),
        }
    }

    /// The person, and the session that they act in.
    ///
    /// # Errors
    /// 403 for API keys, which are no persons.
    pub fn person(&self) -> Result<(UserId, SessionId), Problem> {
        match self.by {
            ActedBy::Session { session, user } => Ok((user, session)),
            ActedBy::Key(_) => Err(Problem::new(
                ProblemCode::Forbidden,
                "this is for people who are signed in; an API key belongs to its account and to nobody",
            )),
        }
    }
}

impl ActedBy {
    /// The id of the person or the key.
    pub fn id(&self) -> String {
        match self {
            ActedBy::Key(key) => key.to_string(),
            ActedBy::Session { user, .. } => user.to_string(),
        }
    }

    /// Who it was, as records name them.
    pub fn words(&self) -> String {
        match self {
            ActedBy::Key(key) => format!("API key {key}"),
            ActedBy::Session { user, .. } => format!("user {user}"),
        }
    }
}

/// The caller, when they sent a key or have a session; a wrong key is still 401.
#[derive(Debug, Clone)]
pub struct OptionalActor(pub Option<Actor>);

/// Whether an operator asks, for routes that tell everybody something, operators more, and refuse nobody: a wrong key, one that is limited
/// to other scopes, and one that the store cannot tell of soon are no operator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByOperator(pub bool);

impl ByOperator {
    /// Who asks whether a node is ready wants an answer also when the database hangs.
    const PATIENCE: Duration = Duration::from_secs(1);
}

/// A caller of a page: without a session the answer is 307 to `/signin?next=…`.
#[derive(Debug, Clone)]
pub struct PageActor {
    pub actor: Actor,
    pub email: String,
    /// What forms must carry in the field `csrf`.
    ///
    /// The cookie is `SameSite=Lax`, so no other site can make a browser ask for a page with it unseen, and a token that is the same
    /// on every page of a session, until keys are rotated, gives compression attacks nothing to measure.
    pub csrf: String,
    session: SessionId,
    keyring: Keyring,
}

impl PageActor {
    /// The session that it is.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Call it first in every handler of a form.
    ///
    /// # Errors
    /// 403 when `sent` is not a token of this session.
    pub async fn check_csrf(&self, sent: &str) -> Result<(), Problem> {
        if self.keyring.verify(sent, &["csrf", &self.session.to_string()]).await? {
            return Ok(());
        }
        Err(Problem::new(
            ProblemCode::Forbidden,
            "the form is too old or did not come from this site; reload the page and send it again",
        ))
    }
}

pub(crate) fn unauthenticated() -> Problem {
    Problem::new(ProblemCode::Unauthenticated, "send an API key as `Authorization: Bearer lvq_…`, or sign in")
}

impl FromRequestParts<App> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        authenticate::identity(parts, app)
            .await?
            .map(|identity| identity.actor.clone())
            .ok_or_else(unauthenticated)
    }
}

impl FromRequestParts<App> for OptionalActor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let identity = authenticate::identity(parts, app).await?;
        Ok(OptionalActor(identity.map(|identity| identity.actor.clone())))
    }
}

impl FromRequestParts<App> for ByOperator {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let look = tokio::time::timeout(Self::PATIENCE, authenticate::identity(parts, app)).await;
        let identity = look.ok().and_then(Result::ok).flatten();
        Ok(Self(identity.is_some_and(|identity| {
            identity.actor.operator && identity.actor.require_scope(Scope::Operate).is_ok()
        })))
    }
}

impl FromRequestParts<App> for PageActor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let identity = match authenticate::identity(parts, app).await {
            Ok(identity) => identity,
            // An ended session is no error of the reader: let them sign in again.
            Err(problem) if problem.code == ProblemCode::Unauthenticated => None,
            Err(problem) => return Err(problem.into_response()),
        };
        let signed_in = identity.and_then(|identity| match identity.actor.by {
            ActedBy::Session { session, .. } => Some((session, identity)),
            ActedBy::Key(_) => None,
        });
        let Some((session, identity)) = signed_in else { return Err(to_sign_in(parts)) };
        let csrf = app.keyring.token(&["csrf", &session.to_string()]).await;
        Ok(PageActor {
            actor: identity.actor.clone(),
            email: identity.email.clone(),
            csrf: csrf.map_err(|error| Problem::from(error).into_response())?,
            session,
            keyring: app.keyring.clone(),
        })
    }
}

/// What stands in a query value as it is.
const QUERY_VALUE: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'<').add(b'>').add(b'?');

pub(super) fn to_sign_in(parts: &Parts) -> Response {
    if parts.method != Method::GET {
        // The form's data would be lost on the way; 303 makes the browser ask for the page with GET.
        return Redirect::to("/signin").into_response();
    }
    let asked = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let next = utf8_percent_encode(asked, QUERY_VALUE);
    Redirect::temporary(&format!("/signin?next={next}")).into_response()
}
