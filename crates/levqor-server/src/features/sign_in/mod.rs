//! Sign-in by magic link, without passwords.
//!
//! ```text
//! e-mail ─► link (15 min, once) ─► confirm page ─► session (14 days) ─► console
//! ```
//!
//! The link opens a page with a button, because programs that scan mail follow links but press no buttons.
//! Invariant: what a stranger sees is the same for addresses that are known and for those that are not.

pub(in crate::features) mod pages;
pub mod service;

use axum::{
    Router,
    routing::{get, post},
};

pub(in crate::features) use pages::require_own_form;

use crate::App;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/signin", get(pages::form).post(pages::request))
        .route("/signin/link/{token}", get(pages::confirm).post(pages::enter))
        .route("/signout", post(pages::sign_out))
}
