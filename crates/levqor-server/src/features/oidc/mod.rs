//! Signing in by another system that knows the people (OpenID Connect): an option beside the link by mail.
//!
//! ```text
//! /signin/oidc ─► cookie (state, nonce, proof: signed, 10 min) ─► the issuer ─► /signin/oidc/callback?code&state
//!                                                                                 │ state spent once; code and proof ─► ID token
//!                                                                                 ▼ signature, issuer, audience, time, nonce
//!                                   (issuer, subject) ─► user; or a verified address ─► user ─► session
//!                                   nobody yet, and invited ─► a page that asks what to join ─► session
//! ```
//!
//! What is checked of tokens is checked by `openidconnect`. The issuer is asked directly, not through the rules for what workflows may
//! reach: it is the operator's word, and stands on a private network as often as not. Nothing of the issuer's answers leads elsewhere:
//! redirects are not followed, and endpoints come from a document that must name the issuer itself.
//!
//! Invariants: who somebody is follows from issuer and subject, and from an address only once and only when the issuer says that it is
//! verified. Who was asked less strongly than the operator wants (`strength`) comes in by no token. Nobody gets an account by signing in, unless the operator wants that, and nobody is put into one that they did not choose.

mod carried;
mod newcomer;
mod pages;
mod provider;
mod round;
pub mod service;
mod settings;
mod strength;

use axum::{
    Router,
    routing::{get, post},
};

pub use settings::OidcSettings;
pub use strength::Strength;

use crate::App;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/signin/oidc", get(pages::begin))
        .route("/signin/oidc/callback", get(pages::come_back))
        .route("/signin/oidc/join", post(pages::join))
}
