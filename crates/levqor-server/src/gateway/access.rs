//! Who may do what: one table for the whole API.
//!
//! Pages are not in it: they send people to the sign-in page themselves (`PageActor`). An address under `/api/` that is
//! not in the table is for operators only, so that a forgotten row locks a route and never opens it; a test compares the
//! table with the OpenAPI document.

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::{Extensions, Method};
use levqor_model::{ProblemCode, Role};

use super::{actor::unauthenticated, authenticate, origin};
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
    /// Not the API's business: pages and unknown addresses.
    Page,
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
    (Method::GET, "/api/ops/regions", Access::Operator),
    (Method::GET, "/api/ops/regions/{code}", Access::Operator),
    (Method::POST, "/api/ops/regions/{code}/drain", Access::Operator),
    (Method::POST, "/api/ops/regions/{code}/activate", Access::Operator),
    (Method::POST, "/api/ops/regions/{code}/failover", Access::Operator),
    (Method::GET, "/api/ops/audit", Access::Operator),
    (Method::GET, "/api/ops/audit/export", Access::Operator),
    (Method::POST, "/api/ops/audit/verify", Access::Operator),
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

/// What the table says about a route; `route` is the path as routes are written, None when no route matched.
pub(crate) fn access_of(method: &Method, route: Option<&str>) -> Access {
    let Some(route) = route else { return Access::Page };
    let asked = if method == Method::HEAD { &Method::GET } else { method };
    let mut known = false;
    for (method, path, access) in RULES {
        if *path == route {
            if method == asked {
                return *access;
            }
            known = true;
        }
    }
    // A known address with a method that it does not take ends as 405 for everyone.
    if known || !route.starts_with("/api/") { Access::Page } else { Access::Operator }
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
        Access::Open | Access::Page | Access::Secret => {
            return Ok(next.run(Request::from_parts(parts, body)).await);
        }
        Access::Metrics if app.settings.metrics_public => {
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
        if access == Access::Operator && !actor.operator {
            return Err(Problem::new(ProblemCode::Forbidden, "only operators of the platform may do this"));
        }
    }
    if let Some(identity) = &identity {
        origin::check(&app, &parts, &identity.actor)?;
    }
    Ok(next.run(Request::from_parts(parts, body)).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_fails_closed_and_has_no_doubles() {
        let rows = [
            (Method::GET, Some("/health"), Access::Open),
            (Method::HEAD, Some("/health"), Access::Open),
            (Method::POST, Some("/health"), Access::Page),
            (Method::GET, Some("/api/forgotten"), Access::Operator),
            (Method::GET, Some("/dashboard"), Access::Page),
            (Method::GET, None, Access::Page),
        ];
        for (method, route, access) in rows {
            assert_eq!(access_of(&method, route), access, "{method} {route:?}");
        }
        for (place, (method, path, _)) in RULES.iter().enumerate() {
            assert!(!RULES[..place].iter().any(|(m, p, _)| m == method && p == path), "{method} {path}");
        }
    }
}
