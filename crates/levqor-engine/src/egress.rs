//! Calls to the outside world, and the addresses that workflows must not reach.

use std::{net::IpAddr, time::Duration};

/// A network in CIDR notation, such as `10.1.0.0/16` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(_text: &str) -> Result<Self, String> {
        unimplemented!("Network::from_str")
    }
}

/// What workflows may reach, and how much one call may take.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Networks that may be reached besides the public internet.
    pub allow: Vec<Network>,
    pub connect_timeout: Duration,
    /// From sending to the last byte.
    pub timeout: Duration,
    pub response_bytes_max: usize,
    pub redirects_max: usize,
    /// Address prefixes to replace before sending, such as `https://api.example.com` by `http://127.0.0.1:9000`: for
    /// trying a workflow against a stand-in. Empty on servers.
    pub rewrites: Vec<(String, String)>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            response_bytes_max: levqor_model::limits::PAYLOAD_BYTES_MAX,
            redirects_max: 10,
            rewrites: Vec::new(),
        }
    }
}
