//! Invitations to an account.
//!
//! ```text
//! admin ─► e-mail and role ─► link (7 days, once) ─► page with a button ─► member
//! ```
//!
//! With a mail server the link goes to the mailbox and to nobody else; whoever has it has the mailbox, and is signed in by it. Without
//! one it is shown to who invites, once, to be handed over. Then it proves nothing about the mailbox: it makes a member, and they
//! sign in as everybody does. Otherwise an admin could become anybody by inviting them.
//!
//! Invariant: who invites is told the same whether somebody has that address or not.

mod pages;
mod routes;
pub mod service;

use axum::{Router, routing::get};

pub use routes::api;

use crate::App;

pub fn routes() -> Router<App> {
    Router::new().route("/invitations/{token}", get(pages::show).post(pages::accept))
}
