//! Calls to the outside world, and the addresses that workflows must not reach.
//!
//! ```text
//! HttpRequest ─► rewrite ─► proof ─► address guard ─► send ─► 401? ─► redirect? ──► content ─► Outcome
//!                  ▲                       ▲                  │          │
//!                  │                       └─ another proof ──┘          │
//!                  └────────────────────── next hop ────────────────────┘
//! ```
//!
//! Invariant: every hop passes the guard twice: the URL's host when it is an address (the resolver never sees those), and
//! the resolver's answers when it is a name. Nothing is taken from the environment: no proxy, no netrc.

mod address;
mod body;
mod client;
mod content;
mod digest;
mod guard;
mod policy;
mod proof;
mod redirect;
mod tokens;

pub use address::refusal;
pub use client::Client;
pub(crate) use client::host_of;
pub use policy::{Network, Policy};

use levqor_flow::{definition::HttpOutput, machine::HttpRequest};
use serde_json::Value;

/// Networks that are private, and that the name of an address may lead to which an operator gives. Addresses of this machine's link are not among them:
/// metadata services live there.
pub(crate) const PRIVATE: [&str; 7] =
    ["10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1", "fc00::/7"];

/// A message of our own: a `POST` of a text, which follows no redirect.
pub(crate) fn post(key: String, uri: String, headers: Vec<(String, String)>, body: String) -> HttpRequest {
    HttpRequest {
        key,
        method: "POST".to_owned(),
        uri,
        credentials: None,
        headers,
        query: Vec::new(),
        body: Some(Value::String(body)),
        output: HttpOutput::Response,
        redirect: false,
    }
}
