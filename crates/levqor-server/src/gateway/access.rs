//! Who may do what: one table for the whole API; the one for pages is in `page_access`.
//!
//! A route that is in neither is for operators only, so that a forgotten row locks a route and never opens it. Tests compare the
//! tables with the router and with the OpenAPI document, and each row with what callers of every kind are answered.

use std::{collections::HashMap, sync::LazyLock};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{Extensions, Method};
use levqor_model::{ProblemCode, Role};

use super::{
    PAGES,
    actor::{ActedBy, Actor, to_sign_in, unauthenticated},
    authenticate, origin,
};
use crate::{App, Problem};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone; nobody is asked who they are, so not even a wrong key is refused, and nothing limits the rate.
    Open,
    /// Everyone; who sends a key or has a session is known, and a wrong key is refused.
    Anyone,
    /// Everyone, unless the operator closed it: then like `Role(Viewer)`.
    Metrics,
    /// Everyone who knows the address, which is secret: credentials are not looked at, since they are the sender's own affair.
    Secret,
    /// At least this role in the account.
    Role(Role),
    /// Operators of the platform.
    Operator,
    /// A page for everyone.
    Page,
    /// A page for people who are signed in with at least this role; others are sent to the sign-in page.
    Reader(Role),
    /// A page for operators of the platform who are signed in.
    OperatorReader,
    /// There is nothing at this address, or nothing by this method.
    Nothing,
}

impl Access {
    /// Whether it is about an operation that programs call as themselves.
    pub(crate) fn is_api(self) -> bool {
        !matches!(
            self,
            Access::Page | Access::Reader(_) | Access::OperatorReader | Access::Nothing | Access::Secret
        )
    }
}

/// One row: method, path as routes are written, who.
pub type Rule = (Method, &'static str, Access);

use Access::{Anyone, Metrics, Open, Secret};
const VIEWER: Access = Access::Role(Role::Viewer);
const EDITOR: Access = Access::Role(Role::Editor);
const ADMIN: Access = Access::Role(Role::Admin);

/// Every operation of the API.
pub const RULES: &[Rule] = &[
    (Method::GET, "/health", Open),
    (Method::GET, "/ready", Open),
    (Method::GET, "/metrics", Metrics),
    (Method::GET, "/openapi.json", Open),
    (Method::GET, "/api/metrics/app", Anyone),
    (Method::GET, "/api/regions", Anyone),
    (Method::GET, "/api/regions/{code}", Anyone),
    (Method::GET, "/api/regions/snapshot", Anyone),
    (Method::GET, "/api/ops/nodes", Access::Operator),
    (Method::GET, "/api/ops/reputation", Access::Operator),
    (Method::DELETE, "/api/ops/reputation/{address}", Access::Operator),
    (Method::GET, "/api/ops/regions", Access::Operator),
    (Method::GET, "/api/ops/regions/{code}", Access::Operator),
    (Method::POST, "/api/ops/regions/{code}/drain", Access::Operator),
    (Method::POST, "/api/ops/regions/{code}/activate", Access::Operator),
    (Method::POST, "/api/ops/regions/{code}/failover", Access::Operator),
    (Method::GET, "/api/ops/audit", Access::Operator),
    (Method::GET, "/api/ops/audit/export", Access::Operator),
    (Method::POST, "/api/ops/audit/verify", Access::Operator),
    (Method::GET, "/api/ops/tamper", Access::Operator),
    (Method::POST, "/api/ops/tamper/accept", Access::Operator),
    (Method::POST, "/api/ops/tamper/verify", Access::Operator),
    (Method::GET, "/api/ops/drift", Access::Operator),
    (Method::POST, "/api/ops/drift/check", Access::Operator),
    (Method::POST, "/api/ops/drift/acknowledge", Access::Operator),
    (Method::GET, "/api/ops/keyring", Access::Operator),
    (Method::POST, "/api/ops/keyring/rotate", Access::Operator),
    (Method::POST, "/api/ops/keyring/verify", Access::Operator),
    (Method::POST, "/api/ops/keyring/{id}/revoke", Access::Operator),
    (Method::GET, "/api/plans", Anyone),
    (Method::GET, "/api/usage/summary", Anyone),
    (Method::GET, "/api/usage/export", Anyone),
    (Method::POST, "/api/ai/chat", Anyone),
    (Method::POST, "/api/ai/workflow", Anyone),
    (Method::POST, "/api/workflows", EDITOR),
    (Method::GET, "/api/workflows", VIEWER),
    (Method::POST, "/api/workflows/validate", VIEWER),
    (Method::GET, "/api/workflows/{id}", VIEWER),
    (Method::PUT, "/api/workflows/{id}", EDITOR),
    (Method::DELETE, "/api/workflows/{id}", EDITOR),
    (Method::GET, "/api/workflows/{id}/versions", VIEWER),
    (Method::GET, "/api/workflows/{id}/versions/{version}", VIEWER),
    (Method::POST, "/api/workflows/{id}/runs", EDITOR),
    (Method::GET, "/api/workflows/{id}/runs", VIEWER),
    (Method::GET, "/api/workflows/{id}/triggers", VIEWER),
    (Method::POST, "/api/workflows/{id}/triggers", EDITOR),
    (Method::DELETE, "/api/workflows/{id}/triggers/{webhook}", EDITOR),
    (Method::POST, "/api/workflows/{id}/triggers/{webhook}/rotate", EDITOR),
    (Method::POST, "/api/events", EDITOR),
    (Method::POST, "/hooks/{token}", Secret),
    (Method::GET, "/api/runs", VIEWER),
    (Method::GET, "/api/runs/{id}", VIEWER),
    (Method::DELETE, "/api/runs/{id}", EDITOR),
    (Method::GET, "/api/runs/{id}/tasks", VIEWER),
    (Method::GET, "/api/runs/{id}/events", VIEWER),
    (Method::POST, "/api/runs/{id}/cancel", EDITOR),
    (Method::POST, "/api/runs/{id}/suspend", EDITOR),
    (Method::POST, "/api/runs/{id}/resume", EDITOR),
    (Method::POST, "/api/runs/{id}/retry", EDITOR),
    (Method::GET, "/api/approvals", VIEWER),
    (Method::GET, "/api/approvals/{id}", VIEWER),
    (Method::POST, "/api/approvals/{id}/approve", EDITOR),
    (Method::POST, "/api/approvals/{id}/reject", EDITOR),
    (Method::GET, "/api/secrets", VIEWER),
    (Method::PUT, "/api/secrets/{name}", EDITOR),
    (Method::DELETE, "/api/secrets/{name}", EDITOR),
    (Method::POST, "/api/keys", ADMIN),
    (Method::GET, "/api/keys", ADMIN),
    (Method::DELETE, "/api/keys/{id}", ADMIN),
];

/// Both tables by path.
static BY_PATH: LazyLock<HashMap<&'static str, Vec<(Method, Access)>>> = LazyLock::new(|| {
    let mut rows: HashMap<_, Vec<_>> = HashMap::new();
    for (method, path, access) in RULES.iter().chain(PAGES) {
        rows.entry(*path).or_default().push((method.clone(), *access));
    }
    rows
});

/// What the tables say about a route; `route` is the path as routes are written, None when no route matched.
pub(crate) fn access_of(method: &Method, route: Option<&str>) -> Access {
    let Some(route) = route else { return Access::Nothing };
    let asked = if method == Method::HEAD { &Method::GET } else { method };
    let Some(rows) = BY_PATH.get(route) else { return Access::Operator };
    // A known address with a method that it does not take ends as 405 for everyone.
    rows.iter().find(|(method, _)| method == asked).map_or(Access::Nothing, |(_, access)| *access)
}

/// The matched route, as it is written in the router.
pub(crate) fn route_of(extensions: &Extensions) -> Option<&str> {
    extensions.get::<MatchedPath>().map(MatchedPath::as_str)
}

/// Lets through who may pass; handlers find the caller with the extractors.
pub(super) async fn check(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let access = access_of(&parts.method, route_of(&parts.extensions));
    let needs = match access {
        Access::Open | Access::Page | Access::Nothing | Access::Secret => {
            return Ok(next.run(Request::from_parts(parts, body)).await);
        }
        Access::Metrics if app.settings.metrics_public => {
            return Ok(next.run(Request::from_parts(parts, body)).await);
        }
        Access::Reader(_) | Access::OperatorReader => {
            // An ended session, or a key of a program, is no error of the reader: let them sign in.
            let identity = match authenticate::identity(&mut parts, &app).await {
                Err(problem) if problem.code != ProblemCode::Unauthenticated => return Err(problem),
                found => found.ok().flatten(),
            };
            let reader = identity.filter(|found| matches!(found.actor.by, ActedBy::Session { .. }));
            let Some(reader) = reader else { return Ok(to_sign_in(&parts).into_response()) };
            match access {
                Access::Reader(role) => reader.actor.require(role)?,
                _ => require_operator(&reader.actor)?,
            }
            return Ok(next.run(Request::from_parts(parts, body)).await);
        }
        Access::Metrics => Some(Role::Viewer),
        Access::Anyone => None,
        Access::Role(role) => Some(role),
        Access::Operator => Some(Role::Viewer),
    };
    let identity = authenticate::identity(&mut parts, &app).await?;
    if let Some(role) = needs {
        let actor = &identity.as_ref().ok_or_else(unauthenticated)?.actor;
        actor.require(role)?;
        if access == Access::Operator {
            require_operator(actor)?;
        }
    }
    if let Some(identity) = &identity {
        origin::check(&app, &parts, &identity.actor)?;
    }
    Ok(next.run(Request::from_parts(parts, body)).await)
}

fn require_operator(actor: &Actor) -> Result<(), Problem> {
    if actor.operator {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::Forbidden, "only operators of the platform may do this"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_fail_closed_and_have_no_doubles() {
        let rows = [
            (Method::GET, Some("/health"), Access::Open),
            (Method::HEAD, Some("/health"), Access::Open),
            (Method::POST, Some("/health"), Access::Nothing),
            (Method::GET, Some("/api/forgotten"), Access::Operator),
            (Method::GET, Some("/forgotten"), Access::Operator),
            (Method::GET, Some("/dashboard"), Access::Reader(Role::Viewer)),
            (Method::GET, Some("/docs"), Access::Page),
            (Method::GET, None, Access::Nothing),
        ];
        for (method, route, access) in rows {
            assert_eq!(access_of(&method, route), access, "{method} {route:?}");
        }
        let all: Vec<_> = RULES.iter().chain(PAGES).collect();
        for (place, (method, path, _)) in all.iter().enumerate() {
            assert!(!all[..place].iter().any(|(m, p, _)| m == method && p == path), "{method} {path}");
        }
    }
}
