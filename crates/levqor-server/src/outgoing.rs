//! The HTTP client for what the operator names: a sign-in system, a collector of errors. Calls of workflows leave by the engine's egress.

use std::time::Duration;

/// One that follows nothing, uses no proxy, and waits no longer than this.
///
/// # Errors
/// When the system gives no TLS.
pub(crate) fn client(patience: Duration) -> Result<reqwest::Client, reqwest::Error> {
    // Fails when a provider of cryptography is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        reqwest::Client::builder()
            .user_agent(concat!("levqor/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(patience)
            .timeout(patience)
    };
    // A machine without root certificates can still reach one of its own over plain HTTP.
    builder().build().or_else(|_| builder().tls_certs_only([]).build())
}
