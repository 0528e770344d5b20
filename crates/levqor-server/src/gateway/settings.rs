//! What an operator decides about the gateway.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::{ForwardedHeader, Networks};

/// The header in which `levqor edge` names a caller's country.
const COUNTRY: HeaderName = HeaderName::from_static("x-levqor-country");

#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// Proxies whose word on who sent a request is believed.
    pub trusted_proxies: Networks,
    /// The header in which they give it.
    pub forwarded_header: ForwardedHeader,
    /// The header in which they name the caller's country; None: nobody's word is taken.
    pub country_header: Option<HeaderName>,
    /// Sites whose pages may call `/api/` from a browser.
    pub cors_origins: Vec<HeaderValue>,
    /// Whether addresses that made too many errors are refused, and not only logged.
    pub block_high_risk: bool,
    /// Connections at once from one network, trusted proxies excepted; more are closed.
    pub connections_per_address: usize,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// Bytes a second that a body must bring, after a moment to begin in.
    pub body_rate_min: u64,
    /// How long a client may read nothing of an answer that waits for it.
    pub stall_timeout: Duration,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            trusted_proxies: Networks::default(),
            forwarded_header: ForwardedHeader::default(),
            country_header: Some(COUNTRY),
            cors_origins: Vec::new(),
            block_high_risk: false,
            connections_per_address: 256,
            body_timeout: Duration::from_secs(30),
            body_rate_min: 1_024,
            stall_timeout: Duration::from_secs(30),
        }
    }
}
