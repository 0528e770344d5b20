//! What the tests of several crates need: a programmable HTTP callee with a ledger, a mail server, a client,
//! waiting with a ceiling. Real processes are in `levqor-lab`.
//!
//! Not part of the product: only `dev-dependencies` and `xtask` name this crate.

mod client;
pub mod crash;
mod http_stub;
mod smtp_stub;
mod wait;

pub use client::{Answer, Client};
pub use http_stub::{HttpStub, Received, Reply, Route};
pub use smtp_stub::{ReceivedMail, SmtpStub};
pub use wait::{wait_for, wait_until};

/// A directory that goes away with the value.
///
/// # Panics
/// When the system's temporary place cannot be written.
pub fn temp_dir() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("levqor-test-").tempdir().expect("the temporary directory can be written")
}
