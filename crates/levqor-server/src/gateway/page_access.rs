//! Who may see which page, and send which form.
//!
//! What may be done is decided by the services, too; this is where it can be read, and where a page that was forgotten stays shut.

use http::Method;
use levqor_model::Role;

use super::access::{Access, Rule};

const EVERYONE: Access = Access::Page;
const VIEWER: Access = Access::Reader(Role::Viewer);
const EDITOR: Access = Access::Reader(Role::Editor);
const ADMIN: Access = Access::Reader(Role::Admin);

/// Every page and form.
pub const PAGES: &[Rule] = &[
    (Method::GET, "/", EVERYONE),
    (Method::GET, "/draft", EVERYONE),
    (Method::POST, "/draft", EVERYONE),
    (Method::GET, "/status", EVERYONE),
    (Method::GET, "/docs", EVERYONE),
    (Method::GET, "/docs/api", EVERYONE),
    (Method::GET, "/docs/problems", EVERYONE),
    (Method::GET, "/docs/problems/{slug}", EVERYONE),
    (Method::GET, "/docs/{slug}", EVERYONE),
    (Method::GET, "/assets/{file}", EVERYONE),
    (Method::GET, "/favicon.ico", EVERYONE),
    (Method::POST, "/theme", EVERYONE),
    (Method::GET, "/signin", EVERYONE),
    (Method::POST, "/signin", EVERYONE),
    (Method::GET, "/signin/link/{token}", EVERYONE),
    (Method::POST, "/signin/link/{token}", EVERYONE),
    (Method::GET, "/invitations/{token}", EVERYONE),
    (Method::POST, "/invitations/{token}", EVERYONE),
    (Method::POST, "/signout", VIEWER),
    (Method::GET, "/dashboard", VIEWER),
    (Method::GET, "/dashboard/workflows", VIEWER),
    (Method::POST, "/dashboard/workflows", EDITOR),
    (Method::GET, "/dashboard/workflows/new", EDITOR),
    (Method::GET, "/dashboard/workflows/{id}", VIEWER),
    (Method::GET, "/dashboard/workflows/{id}/edit", EDITOR),
    (Method::POST, "/dashboard/workflows/{id}/edit", EDITOR),
    (Method::POST, "/dashboard/workflows/{id}/runs", EDITOR),
    (Method::POST, "/dashboard/workflows/{id}/delete", EDITOR),
    (Method::POST, "/dashboard/workflows/{id}/triggers", EDITOR),
    (Method::POST, "/dashboard/workflows/{id}/triggers/{webhook}/rotate", EDITOR),
    (Method::POST, "/dashboard/workflows/{id}/triggers/{webhook}/delete", EDITOR),
    (Method::GET, "/dashboard/runs", VIEWER),
    (Method::GET, "/dashboard/runs/{id}", VIEWER),
    (Method::POST, "/dashboard/runs/{id}/cancel", EDITOR),
    (Method::POST, "/dashboard/runs/{id}/suspend", EDITOR),
    (Method::POST, "/dashboard/runs/{id}/resume", EDITOR),
    (Method::GET, "/dashboard/runs/{id}/retry", EDITOR),
    (Method::POST, "/dashboard/runs/{id}/retry", EDITOR),
    (Method::GET, "/dashboard/runs/{id}/data/{what}", VIEWER),
    (Method::GET, "/dashboard/runs/{id}/tasks/{task}/{what}", VIEWER),
    (Method::GET, "/dashboard/keys", ADMIN),
    (Method::POST, "/dashboard/keys", ADMIN),
    (Method::POST, "/dashboard/keys/{id}/revoke", ADMIN),
    (Method::POST, "/dashboard/keys/{id}/rotate", ADMIN),
    (Method::GET, "/dashboard/members", VIEWER),
    (Method::POST, "/dashboard/members/invitations", ADMIN),
    (Method::POST, "/dashboard/members/invitations/{id}/revoke", ADMIN),
    (Method::POST, "/dashboard/members/{id}/role", ADMIN),
    (Method::POST, "/dashboard/members/{id}/remove", ADMIN),
    (Method::POST, "/dashboard/members/{id}/sign-out", ADMIN),
    (Method::GET, "/dashboard/account", VIEWER),
    (Method::POST, "/dashboard/account", ADMIN),
    (Method::POST, "/dashboard/account/switch", VIEWER),
    (Method::POST, "/dashboard/account/leave", VIEWER),
    (Method::POST, "/dashboard/account/sessions/{id}/revoke", VIEWER),
    (Method::POST, "/dashboard/account/sessions/revoke-others", VIEWER),
    (Method::GET, "/dashboard/approvals", VIEWER),
    (Method::POST, "/dashboard/approvals/{id}", EDITOR),
    (Method::GET, "/dashboard/secrets", VIEWER),
    (Method::POST, "/dashboard/secrets", EDITOR),
    (Method::POST, "/dashboard/secrets/{name}/delete", EDITOR),
];
