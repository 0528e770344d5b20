//! The sections of the edge's file, as written, with their defaults. What they must satisfy is in [`crate::config`].

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// The edge's name in `Via` and in logs.
    pub name: Option<String>,
    /// Where the edge stands; only told, never used to decide.
    pub region: Option<String>,
    pub listen: Vec<ListenRow>,
    pub tls: Option<TlsFiles>,
    pub trust: Trust,
    pub admin: Admin,
    pub regions: Vec<RegionRow>,
    pub origins: Vec<OriginRow>,
    pub routes: Vec<RouteRow>,
    pub steering: Steering,
    pub health: Checks,
    pub retries: Retries,
    pub hold: Hold,
    pub affinity: Option<AffinityFile>,
    pub snapshot: Option<SnapshotFile>,
    pub upstream: Upstream,
    pub limits: Limits,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenRow {
    pub address: String,
    #[serde(default)]
    pub tls: bool,
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    pub certificate: String,
    pub key: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trust {
    /// Networks whose `X-Forwarded-*` and country headers are believed.
    pub proxies: Vec<String>,
    /// The header in which a trusted proxy names the caller's country.
    pub country_header: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Networks that may read `/edge/health` and `/edge/metrics`.
    pub networks: Vec<String>,
}

impl Default for Admin {
    fn default() -> Self {
        Self { networks: vec!["127.0.0.0/8".into(), "::1/128".into()] }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionRow {
    pub code: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginRow {
    pub name: String,
    pub region: String,
    pub url: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteRow {
    pub name: Option<String>,
    pub hosts: Vec<String>,
    #[serde(default = "root")]
    pub path: String,
    /// Regions whose origins may answer; all when empty.
    #[serde(default)]
    pub regions: Vec<String>,
    #[serde(default)]
    pub affinity: bool,
    /// Instead of `hold.ms`.
    pub hold_ms: Option<u64>,
}

fn root() -> String {
    "/".to_owned()
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Steering {
    pub prefer: Vec<String>,
    pub countries: BTreeMap<String, Vec<String>>,
    /// A MaxMind DB that tells the country of an address, for callers whose country no proxy names.
    pub country_database: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Checks {
    pub path: String,
    pub interval_ms: u64,
    /// At least; an origin that is far away gets four times its usual latency.
    pub timeout_ms: u64,
    pub misses: u32,
    pub passes: u32,
    pub traffic_failures: u32,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            path: "/ready".into(),
            interval_ms: 250,
            timeout_ms: 180,
            misses: 2,
            passes: 2,
            traffic_failures: 3,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retries {
    /// Times that one request is sent before it waits; three times as often in all.
    pub attempts: u32,
    /// A request body is kept for another attempt up to this size.
    pub body_bytes: usize,
    /// An answer of a known size up to this is taken whole before it is passed on, so that a crash midway costs nothing.
    pub answer_bytes: usize,
    /// Retries that the edge may make for each hundred requests, once `budget_burst` is spent.
    pub budget_percent: u32,
    pub budget_burst: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 4,
            body_bytes: 256 * 1024,
            answer_bytes: 64 * 1024,
            budget_percent: 20,
            budget_burst: 1_000,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hold {
    /// How long a request waits for a region to come up, at most.
    pub ms: u64,
    pub requests: usize,
    /// Body bytes of all waiting requests together.
    pub bytes: usize,
}

impl Default for Hold {
    fn default() -> Self {
        Self { ms: 8_000, requests: 1_000, bytes: 64 * 1024 * 1024 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AffinityFile {
    /// Holds at least 32 bytes; the same on all edges.
    pub secret_file: String,
    #[serde(default = "day")]
    pub lifetime_seconds: u64,
}

const fn day() -> u64 {
    24 * 60 * 60
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotFile {
    /// Base64 of the control plane's Ed25519 key.
    pub public_key: String,
    /// Where the last good snapshot is kept.
    pub file: String,
    #[serde(default = "snapshot_path")]
    pub path: String,
    #[serde(default = "half_minute")]
    pub poll_seconds: u64,
}

fn snapshot_path() -> String {
    "/api/regions/snapshot".to_owned()
}

const fn half_minute() -> u64 {
    30
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Upstream {
    /// PEM file of further authorities for `https` origins.
    pub ca_file: Option<String>,
    pub connect_ms: u64,
    /// How long an origin may take until its answer begins.
    pub answer_ms: u64,
    /// Idle connections are closed before the origin does (a Levqor node: 30 s).
    pub idle_ms: u64,
    pub idle_connections: usize,
}

impl Default for Upstream {
    fn default() -> Self {
        Self { ca_file: None, connect_ms: 1_000, answer_ms: 75_000, idle_ms: 20_000, idle_connections: 256 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub connections: usize,
    /// Of one address, or one /64 of IPv6. Proxies that are trusted have no such limit.
    pub connections_per_address: usize,
    /// How long a client may take for the head of a request, and for a TLS handshake.
    pub head_seconds: u64,
    /// How long a client may be silent in the middle of a body, or not read what is sent.
    pub stall_seconds: u64,
    pub streams_per_connection: u32,
    /// How long requests may go on after a stop was asked for.
    pub drain_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 256,
            head_seconds: 15,
            stall_seconds: 60,
            streams_per_connection: 128,
            drain_seconds: 25,
        }
    }
}
