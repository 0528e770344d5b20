//! What every handler can reach.

use std::{ops::Deref, sync::Arc, time::Duration};

use levqor_engine::Engine;
use levqor_model::{Blueprint, Clock, NodeId, Random, Region, RegionRegistry, Secret, Timestamp};
use levqor_store::Store;

/// Whether mistakes are forgiven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Development,
    /// Refuses default or missing secrets.
    Production,
}

/// The server's configuration, already checked.
#[derive(Debug, Clone)]
pub struct Settings {
    pub environment: Environment,
    /// `levqor`'s version and build (a commit, or `unknown`).
    pub version: String,
    pub build: String,
    /// What links in mails and pages start with, without a slash at the end.
    pub public_url: String,
    /// Signs tokens and cookies.
    pub secret: Secret,
    /// Whether `/metrics` answers without a key.
    pub metrics_public: bool,
    pub request_timeout: Duration,
    pub body_bytes_max: usize,
    pub payload_bytes_max: usize,
    /// AI requests a minute from one address without a key.
    pub anonymous_ai_per_minute: u32,
    pub data_dir: Option<std::path::PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            environment: Environment::Development,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: "unknown".to_owned(),
            public_url: "http://127.0.0.1:8000".to_owned(),
            secret: Secret::new("development"),
            metrics_public: true,
            request_timeout: Duration::from_secs(90),
            body_bytes_max: levqor_model::limits::BODY_BYTES_MAX,
            payload_bytes_max: levqor_model::limits::PAYLOAD_BYTES_MAX,
            anonymous_ai_per_minute: 20,
            data_dir: None,
        }
    }
}

/// What an [`App`] is made of.
#[derive(Debug)]
pub struct Parts {
    pub settings: Settings,
    pub store: Store,
    pub engine: Engine,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub node: NodeId,
    pub region: Region,
    pub regions: RegionRegistry,
    pub blueprint: Blueprint,
    pub started_at: Timestamp,
}

/// The state of the server; cheap to clone.
#[derive(Debug, Clone)]
pub struct App(Arc<Inner>);

/// [`Parts`], and what the features keep in memory.
#[derive(Debug)]
pub struct Inner {
    pub parts: Parts,
}

impl App {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner { parts }))
    }

    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Deref for Inner {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}
