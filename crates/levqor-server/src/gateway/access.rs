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
use levqor_model::{ProblemCode, Role, Scope};

use super::{
    PAGES,
    actor::{ActedBy, Actor, to_sign_in, unauthenticated},
    authenticate, origin,
};
use crate::{App, Problem};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone; nobody is asked who they are, so not even a wrong key is refused, and nothing limits the rate. A
    /// route may tell operators more ([`super::ByOperator`]).
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

/// One row of the API: also which scope a key needs that is limited to some; None: it takes every key.
pub type ApiRule = (Method, &'static str, Access, Option<Scope>);

use Access::{Anyone, Metrics, Open, Secret};
const VIEWER: Access = Access::Role(Role::Viewer);
const EDITOR: Access = Access::Role(Role::Editor);
const ADMIN: Access = Access::Role(Role::Admin);
const OPERATOR: Access = Access::Operator;

const WORKFLOWS_READ: Option<Scope> = Some(Scope::WorkflowsRead);
const WORKFLOWS_WRITE: Option<Scope> = Some(Scope::WorkflowsWrite);
const RUNS_READ: Option<Scope> = Some(Scope::RunsRead);
const RUNS_WRITE: Option<Scope> = Some(Scope::RunsWrite);
const EVENTS: Option<Scope> = Some(Scope::Events);
const AI: Option<Scope> = Some(Scope::Ai);
const SECRETS_READ: Option<Scope> = Some(Scope::SecretsRead);
const SECRETS_WRITE: Option<Scope> = Some(Scope::SecretsWrite);
const ACCOUNT_READ: Option<Scope> = Some(Scope::AccountRead);
const ADMINISTER: Option<Scope> = Some(Scope::Admin);
const OPERATE: Option<Scope> = Some(Scope::Operate);

/// Every operation of the API.
pub const RULES: &[ApiRule] = &[
    (Method::GET, "/health", Open, None),
    (Method::GET, "/ready", Open, None),
    (Method::GET, "/metrics", Metrics, None),
    (Method::GET, "/openapi.json", Anyone, None),
    (Method::GET, "/api/metrics/app", Anyone, None),
    (Method::GET, "/api/metrics/query", Anyone, None),
    (Method::GET, "/api/metrics/series", Anyone, None),
    (Method::GET, "/api/regions", Anyone, None),
    (Method::GET, "/api/regions/{code}", Anyone, None),
    (Method::GET, "/api/regions/snapshot", Anyone, None),
    (Method::GET, "/api/ops/nodes", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/overview", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/reputation", OPERATOR, OPERATE),
    (Method::DELETE, "/api/ops/reputation/{address}", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/regions", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/regions/{code}", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/regions/{code}/drain", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/regions/{code}/activate", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/regions/{code}/failover", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/alerts", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/alerts/{id}", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/alerts/{id}/acknowledge", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/silences", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/silences", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/silences/{id}", OPERATOR, OPERATE),
    (Method::PATCH, "/api/ops/silences/{id}", OPERATOR, OPERATE),
    (Method::DELETE, "/api/ops/silences/{id}", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/notifications", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/notifications/{id}", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/notifications/{id}/retry", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/notifications/{id}/dismiss", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/slos", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/slos/{name}/history", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/audit", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/audit/export", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/audit/verify", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/audit/accept", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/tamper", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/tamper/accept", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/tamper/verify", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/drift", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/drift/check", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/drift/acknowledge", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/jobs", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/jobs/{id}", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/jobs/{id}/history", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/jobs/{id}/run", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/jobs/{id}/pause", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/jobs/{id}/resume", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/heartbeats", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/heartbeats", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/heartbeats/{name}", OPERATOR, OPERATE),
    (Method::PATCH, "/api/ops/heartbeats/{name}", OPERATOR, OPERATE),
    (Method::DELETE, "/api/ops/heartbeats/{name}", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/incidents", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/incidents", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/incidents/{id}", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/incidents/{id}/updates", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/incidents/{id}/notes", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/incidents/{id}/acknowledge", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/incidents/{id}/assign", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/incidents/{id}/resolve", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/incidents/{id}/reopen", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/incidents/{id}/timeline", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/incidents/{id}/postmortem", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/incidents/{id}/postmortem", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/incidents/{id}/postmortem/append", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/incidents/{id}/action-items", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/incidents/{id}/action-items/{item}", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/action-items", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/postmortems", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/keyring", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/keyring/rotate", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/keyring/verify", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/keyring/{id}/revoke", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/leads", OPERATOR, OPERATE),
    (Method::DELETE, "/api/ops/leads/{id}", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/marketing", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/tickets", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/tickets/{id}/answer", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/tickets/{id}/close", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/tickets/{id}/reopen", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/consultations", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/consultations/{id}/held", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/consultations/{id}/cancel", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/trial-feedback", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/people/forget", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/people/sign-out", OPERATOR, OPERATE),
    (Method::POST, "/api/marketing/lead", Anyone, None),
    (Method::POST, "/api/marketing/event", Anyone, None),
    (Method::POST, "/api/support", Anyone, None),
    (Method::POST, "/api/consultations", Anyone, None),
    (Method::POST, "/api/feedback/trial", Anyone, None),
    (Method::GET, "/api/ops/probes", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/probes/{name}/results", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/probes/{name}/run", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/maintenance", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/maintenance", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/maintenance/{id}/cancel", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/maintenance/{id}/end", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/status", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/status/declarations", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/status/declarations", OPERATOR, OPERATE),
    (Method::POST, "/api/ops/status/declarations/{id}/withdraw", OPERATOR, OPERATE),
    (Method::GET, "/api/ops/status/subscriptions", OPERATOR, OPERATE),
    (Method::DELETE, "/api/ops/status/subscriptions/{id}", OPERATOR, OPERATE),
    (Method::GET, "/api/plans", Anyone, None),
    // From memory, for everybody at once.
    (Method::GET, "/api/status", Open, None),
    (Method::GET, "/api/status/uptime", Anyone, None),
    (Method::GET, "/api/status/uptime/{date}", Anyone, None),
    (Method::GET, "/api/status/uptime/{date}/evidence", Anyone, None),
    (Method::POST, "/api/status/subscriptions", Anyone, ACCOUNT_READ),
    (Method::GET, "/api/v2/summary.json", Open, None),
    (Method::GET, "/api/v2/status.json", Open, None),
    (Method::GET, "/api/v2/components.json", Open, None),
    (Method::GET, "/api/v2/incidents.json", Open, None),
    (Method::GET, "/api/v2/incidents/unresolved.json", Open, None),
    (Method::GET, "/api/v2/scheduled-maintenances.json", Open, None),
    (Method::GET, "/api/v2/scheduled-maintenances/upcoming.json", Open, None),
    (Method::GET, "/api/v2/scheduled-maintenances/active.json", Open, None),
    (Method::GET, "/api/usage/summary", Anyone, ACCOUNT_READ),
    (Method::GET, "/api/usage/export", Anyone, ACCOUNT_READ),
    (Method::POST, "/api/ai/chat", Anyone, AI),
    (Method::POST, "/api/ai/workflow", Anyone, AI),
    (Method::POST, "/api/workflows", EDITOR, WORKFLOWS_WRITE),
    (Method::GET, "/api/workflows", VIEWER, WORKFLOWS_READ),
    (Method::POST, "/api/workflows/validate", VIEWER, WORKFLOWS_READ),
    (Method::GET, "/api/workflows/{id}", VIEWER, WORKFLOWS_READ),
    (Method::PUT, "/api/workflows/{id}", EDITOR, WORKFLOWS_WRITE),
    (Method::DELETE, "/api/workflows/{id}", EDITOR, WORKFLOWS_WRITE),
    (Method::GET, "/api/workflows/{id}/versions", VIEWER, WORKFLOWS_READ),
    (Method::GET, "/api/workflows/{id}/versions/{version}", VIEWER, WORKFLOWS_READ),
    (Method::POST, "/api/workflows/{id}/runs", EDITOR, RUNS_WRITE),
    (Method::GET, "/api/workflows/{id}/runs", VIEWER, RUNS_READ),
    (Method::GET, "/api/workflows/{id}/triggers", VIEWER, WORKFLOWS_READ),
    (Method::POST, "/api/workflows/{id}/triggers", EDITOR, WORKFLOWS_WRITE),
    (Method::DELETE, "/api/workflows/{id}/triggers/{webhook}", EDITOR, WORKFLOWS_WRITE),
    (Method::POST, "/api/workflows/{id}/triggers/{webhook}/rotate", EDITOR, WORKFLOWS_WRITE),
    (Method::POST, "/api/events", EDITOR, EVENTS),
    (Method::POST, "/hooks/{token}", Secret, None),
    (Method::GET, "/ping/{token}", Secret, None),
    (Method::POST, "/ping/{token}", Secret, None),
    (Method::GET, "/ping/{token}/{signal}", Secret, None),
    (Method::POST, "/ping/{token}/{signal}", Secret, None),
    (Method::GET, "/api/runs", VIEWER, RUNS_READ),
    (Method::GET, "/api/runs/{id}", VIEWER, RUNS_READ),
    (Method::DELETE, "/api/runs/{id}", EDITOR, RUNS_WRITE),
    (Method::GET, "/api/runs/{id}/tasks", VIEWER, RUNS_READ),
    (Method::GET, "/api/runs/{id}/events", VIEWER, RUNS_READ),
    (Method::POST, "/api/runs/{id}/cancel", EDITOR, RUNS_WRITE),
    (Method::POST, "/api/runs/{id}/suspend", EDITOR, RUNS_WRITE),
    (Method::POST, "/api/runs/{id}/resume", EDITOR, RUNS_WRITE),
    (Method::POST, "/api/runs/{id}/retry", EDITOR, RUNS_WRITE),
    (Method::GET, "/api/approvals", VIEWER, RUNS_READ),
    (Method::GET, "/api/approvals/{id}", VIEWER, RUNS_READ),
    (Method::POST, "/api/approvals/{id}/approve", EDITOR, RUNS_WRITE),
    (Method::POST, "/api/approvals/{id}/reject", EDITOR, RUNS_WRITE),
    (Method::GET, "/api/secrets", VIEWER, SECRETS_READ),
    (Method::PUT, "/api/secrets/{name}", EDITOR, SECRETS_WRITE),
    (Method::DELETE, "/api/secrets/{name}", EDITOR, SECRETS_WRITE),
    (Method::POST, "/api/keys", ADMIN, ADMINISTER),
    (Method::GET, "/api/keys", ADMIN, ADMINISTER),
    (Method::DELETE, "/api/keys/{id}", ADMIN, ADMINISTER),
    (Method::POST, "/api/keys/{id}/rotate", ADMIN, ADMINISTER),
    (Method::GET, "/api/account", VIEWER, ACCOUNT_READ),
    (Method::PATCH, "/api/account", ADMIN, ADMINISTER),
    // What a person does as themselves; keys are told so.
    (Method::GET, "/api/account/memberships", VIEWER, ACCOUNT_READ),
    (Method::POST, "/api/account/switch", VIEWER, ADMINISTER),
    (Method::POST, "/api/account/leave", VIEWER, ADMINISTER),
    (Method::GET, "/api/sessions", VIEWER, ACCOUNT_READ),
    (Method::DELETE, "/api/sessions/{id}", VIEWER, ADMINISTER),
    (Method::POST, "/api/sessions/revoke-others", VIEWER, ADMINISTER),
    (Method::GET, "/api/members", VIEWER, ACCOUNT_READ),
    (Method::PATCH, "/api/members/{id}", ADMIN, ADMINISTER),
    (Method::DELETE, "/api/members/{id}", ADMIN, ADMINISTER),
    (Method::POST, "/api/members/{id}/sign-out", ADMIN, ADMINISTER),
    (Method::POST, "/api/members/invitations", ADMIN, ADMINISTER),
    (Method::GET, "/api/members/invitations", ADMIN, ADMINISTER),
    (Method::DELETE, "/api/members/invitations/{id}", ADMIN, ADMINISTER),
];

/// Rows of both tables for one path.
type Rows = Vec<(Method, Access, Option<Scope>)>;

/// Both tables by path.
static BY_PATH: LazyLock<HashMap<&'static str, Rows>> = LazyLock::new(|| {
    let mut rows: HashMap<_, Rows> = HashMap::new();
    for (method, path, access, scope) in RULES {
        rows.entry(*path).or_default().push((method.clone(), *access, *scope));
    }
    // Keys open no page.
    for (method, path, access) in PAGES {
        rows.entry(*path).or_default().push((method.clone(), *access, None));
    }
    rows
});

/// What the tables say about a route; `route` is the path as routes are written, None when no route matched.
pub(crate) fn access_of(method: &Method, route: Option<&str>) -> Access {
    rule_of(method, route).0
}

/// The same, and the scope that a limited key needs.
fn rule_of(method: &Method, route: Option<&str>) -> (Access, Option<Scope>) {
    let Some(route) = route else { return (Access::Nothing, None) };
    let asked = if method == Method::HEAD { &Method::GET } else { method };
    let Some(rows) = BY_PATH.get(route) else { return (Access::Operator, OPERATE) };
    // A known address with a method that it does not take ends as 405 for everyone.
    let row = rows.iter().find(|(method, ..)| method == asked);
    row.map_or((Access::Nothing, None), |(_, access, scope)| (*access, *scope))
}

/// Whether it is an operation by which power is given or taken, or the platform is operated. Who asks for one must have theirs at that
/// moment: what they do would outlast what others do to them.
pub(super) fn moves_power(method: &Method, route: Option<&str>) -> bool {
    let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    changes
        && match access_of(method, route) {
            Access::Operator | Access::OperatorReader => true,
            Access::Role(role) | Access::Reader(role) => role >= Role::Admin,
            Access::Open
            | Access::Anyone
            | Access::Metrics
            | Access::Secret
            | Access::Page
            | Access::Nothing => false,
        }
}

/// The matched route, as it is written in the router.
pub(crate) fn route_of(extensions: &Extensions) -> Option<&str> {
    extensions.get::<MatchedPath>().map(MatchedPath::as_str)
}

/// Lets through who may pass; handlers find the caller with the extractors.
pub(super) async fn check(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let (access, scope) = rule_of(&parts.method, route_of(&parts.extensions));
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
        if let Some(scope) = scope {
            identity.actor.require_scope(scope)?;
        }
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
        let rules = RULES.iter().map(|(method, path, ..)| (method, path));
        let all: Vec<_> = rules.chain(PAGES.iter().map(|(method, path, _)| (method, path))).collect();
        for (place, row) in all.iter().enumerate() {
            assert!(!all[..place].contains(row), "{row:?}");
        }
    }

    #[test]
    fn power_is_moved_by_what_admins_and_operators_change() {
        let rows = [
            (Method::POST, "/api/keys", true),
            (Method::PATCH, "/api/members/{id}", true),
            (Method::POST, "/dashboard/members/invitations", true),
            (Method::POST, "/api/ops/keyring/rotate", true),
            (Method::POST, "/admin/tamper/accept", true),
            (Method::GET, "/api/keys", false),
            (Method::GET, "/api/ops/audit", false),
            (Method::POST, "/api/workflows", false),
            (Method::POST, "/api/ai/chat", false),
        ];
        for (method, route, moves) in rows {
            assert_eq!(moves_power(&method, Some(route)), moves, "{method} {route}");
        }
    }

    #[test]
    fn what_changes_something_wants_a_scope_that_says_so() {
        for (method, path, access, scope) in RULES {
            let open = matches!(access, Access::Open | Access::Secret | Access::Metrics);
            let personal = matches!(access, Access::Role(_) | Access::Operator);
            // What a stranger may do, and what is nobody's, needs no scope.
            let strangers = ["/api/marketing/", "/api/support", "/api/consultations", "/api/feedback/"];
            let of_strangers = strangers.iter().any(|start| path.starts_with(start));
            assert!(
                scope.is_some()
                    || open
                    || (*access == Access::Anyone && (method == Method::GET || of_strangers)),
                "{method} {path}"
            );
            assert!(!(open && scope.is_some()), "{method} {path}: nobody is asked who they are");
            let reads = [Scope::WorkflowsRead, Scope::RunsRead, Scope::SecretsRead, Scope::AccountRead];
            if personal && method != Method::GET && !path.ends_with("/validate") {
                assert!(scope.is_some_and(|scope| !reads.contains(&scope)), "{method} {path} by {scope:?}");
            }
            assert_eq!(*access == Access::Operator, *scope == OPERATE, "{method} {path}");
        }
    }
}
