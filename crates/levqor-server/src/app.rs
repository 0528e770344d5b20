//! What every handler can reach.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use levqor_drift::Origin;
use levqor_engine::{Engine, Keyring};
use levqor_model::{Blueprint, Clock, NodeId, Random, Region, RegionRegistry, Secret, Timestamp};
use levqor_store::{Store, metrics::SeriesKept};
use tokio_util::sync::CancellationToken;

use crate::{
    background,
    error_reporter::ErrorReporter,
    features::{
        ai::{AiSettings, Backends},
        alerts::{AlertSettings, SloSettings},
        health,
        incidents::{self, IncidentSettings},
        jobs::{self, JobSettings},
        metrics::{self, Counter, Metrics},
        oidc::OidcSettings,
        policies::service::Policies,
        probes::ProbeSettings,
        tamper::TamperSettings,
    },
    gateway::{Bounds, Callers, GatewaySettings, Rates, Reputation},
    mail::Mailer,
    otlp::Exporter,
    pages::components::promise::Promises,
    site::Site,
};

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
    /// Whether `/metrics` answers without a key.
    pub metrics_public: bool,
    pub request_timeout: Duration,
    pub body_bytes_max: usize,
    pub payload_bytes_max: usize,
    /// How long an event stream lasts; whoever wants more connects again, and shows anew that they may.
    pub stream_age_max: Duration,
    /// AI requests a minute from one address without a key.
    pub anonymous_ai_per_minute: u32,
    /// Requests a minute from one address to one route without a key; 0 is no limit.
    pub anonymous_requests_per_minute: u32,
    /// Requests a minute of one account; 0 is no limit, None is the blueprint's fair use. Operators have no limit.
    pub account_requests_per_minute: Option<u32>,
    /// Requests in progress at once; more are told to come back.
    pub requests_max: usize,
    /// Connections at once; more wait to be accepted.
    pub connections_max: usize,
    /// Less free space than this where the database lives, and the node is not ready.
    pub disk_free_bytes_min: u64,
    /// How long the head of a request may take to arrive; a connection that is idle for longer is closed.
    pub header_timeout: Duration,
    /// How long a stop may take, of which requests in progress get a share.
    pub drain_timeout: Duration,
    /// How long a node that stops goes on accepting connections after it has begun to say so in `/ready`.
    pub drain_notice: Duration,
    /// Where edges and other nodes reach this one, without a slash at the end; None: nobody is told.
    pub advertise_url: Option<String>,
    pub data_dir: Option<std::path::PathBuf>,
    /// What documents may use here.
    pub host: levqor_flow::document::Host,
    /// Days that runs are kept after their end where their workflow does not say it; None is for good.
    pub runs_kept_days: Option<u32>,
    pub ai: AiSettings,
    /// To whom messages go.
    pub alerts: AlertSettings,
    /// The objectives.
    pub slos: SloSettings,
    pub site: Site,
    pub gateway: GatewaySettings,
    pub probes: ProbeSettings,
    /// The files that are guarded; None: none are.
    pub tamper: Option<TamperSettings>,
    /// Where the blueprint and its lock are, to be looked at again.
    pub blueprint: Origin,
    /// What the platform does by itself.
    pub jobs: JobSettings,
    /// None: prices at Stripe are not looked at.
    pub stripe: Option<StripeAccess>,
    /// Another system that signs people in; None: only links do.
    pub oidc: Option<OidcSettings>,
    /// Tells errors to a system that collects them; None: nobody named one.
    pub error_reporter: Option<ErrorReporter>,
    /// How long stored series are kept.
    pub series_kept: SeriesKept,
    /// Where OpenTelemetry goes; None: nowhere.
    pub telemetry: Option<Exporter>,
    pub incidents: IncidentSettings,
}

/// How Stripe is asked.
#[derive(Debug, Clone)]
pub struct StripeAccess {
    /// Without a slash at the end.
    pub address: String,
    pub key: Secret,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            environment: Environment::Development,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: "unknown".to_owned(),
            public_url: "http://127.0.0.1:8000".to_owned(),
            metrics_public: true,
            request_timeout: Duration::from_secs(90),
            body_bytes_max: levqor_model::limits::BODY_BYTES_MAX,
            payload_bytes_max: levqor_model::limits::PAYLOAD_BYTES_MAX,
            stream_age_max: Duration::from_secs(10 * 60),
            anonymous_ai_per_minute: 20,
            anonymous_requests_per_minute: 100,
            account_requests_per_minute: None,
            requests_max: 4_096,
            connections_max: 8_192,
            disk_free_bytes_min: 64 * 1024 * 1024,
            header_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            drain_notice: Duration::ZERO,
            advertise_url: None,
            data_dir: None,
            host: levqor_flow::document::Host::default(),
            runs_kept_days: None,
            ai: AiSettings::default(),
            alerts: AlertSettings::default(),
            slos: SloSettings::default(),
            site: Site::default(),
            gateway: GatewaySettings::default(),
            probes: ProbeSettings::default(),
            tamper: None,
            blueprint: Origin::default(),
            jobs: JobSettings::default(),
            stripe: None,
            oidc: None,
            error_reporter: None,
            series_kept: SeriesKept::DEFAULT,
            telemetry: None,
            incidents: IncidentSettings::default(),
        }
    }
}

/// What an [`App`] is made of.
#[derive(Debug)]
pub struct Parts {
    pub settings: Settings,
    pub store: Store,
    pub engine: Engine,
    /// Signs tokens, seals secrets.
    pub keyring: Keyring,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub node: NodeId,
    pub region: Region,
    pub regions: RegionRegistry,
    pub blueprint: Blueprint,
    /// The texts of the policies, with the blueprint's numbers in them.
    pub policies: Policies,
    /// Who answers AI requests.
    pub backends: Arc<Backends>,
    /// Sends mail; None: no mail server is named.
    pub mailer: Option<Arc<Mailer>>,
    pub started_at: Timestamp,
}

/// The state of the server; cheap to clone.
#[derive(Debug, Clone)]
pub struct App(Arc<Inner>);

/// [`Parts`], and what the features keep in memory.
#[derive(Debug)]
pub struct Inner {
    pub parts: Parts,
    pub metrics: Metrics,
    /// Cancelled when the node will stop soon: it still answers, and asks not to be sent more.
    pub leaving: CancellationToken,
    /// Cancelled when the server stops taking requests; long answers (event streams, waits for a run's end) end then.
    pub stopping: CancellationToken,
    pub(crate) callers: Callers,
    pub(crate) bounds: Bounds,
    pub(crate) rates: Rates,
    pub(crate) reputation: Reputation,
    pub(crate) health: health::Memory,
    memories: Memories,
}

impl App {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            metrics: Metrics::new(),
            leaving: CancellationToken::new(),
            stopping: CancellationToken::new(),
            callers: Callers::new(),
            bounds: Bounds::new(&parts.settings),
            rates: Rates::new(&parts),
            reputation: Reputation::default(),
            health: health::Memory::default(),
            memories: Memories::default(),
            parts,
        }))
    }

    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// Whether new requests should go elsewhere: the node stops, or an operator drains its region.
    pub fn is_draining(&self) -> bool {
        self.leaving.is_cancelled() || self.stopping.is_cancelled() || self.engine.is_drained()
    }

    /// Counts one more of `what`, now. Totals survive restarts.
    pub fn count(&self, what: Counter) {
        self.metrics.add(what, self.now(), 1);
    }

    /// Counts in a stored series. The name is one of the catalogue of `features::metrics`; labels have few values.
    pub fn count_in(&self, name: &'static str, labels: &[(&'static str, &str)], by: u64) {
        self.metrics.count_in(self.now(), name, labels, by);
    }

    /// Adds a value to a stored series that keeps how its values are spread, such as a duration in microseconds.
    pub fn observe(&self, name: &'static str, labels: &[(&'static str, &str)], value: u64) {
        self.metrics.observe(self.now(), name, labels, value);
    }

    /// Notes at what a level stands now, in a stored series.
    pub fn look(&self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        self.metrics.look(self.now(), name, labels, value);
    }

    /// A key or a session was revoked: nobody is let in from memory any more.
    pub fn forget_callers(&self) {
        self.callers.forget_all();
    }

    /// The promises of the blueprint, for pages.
    pub(crate) fn promises(&self) -> Arc<Promises> {
        self.memory(|parts| Promises::of(&parts.blueprint))
    }

    /// Writes the stored series, merges and forgets: one round of what a node does by itself, for whoever moves the clock by hand.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn keep_series(&self) -> Result<(), levqor_store::Error> {
        metrics::record(self).await?;
        metrics::roll_up(self).await?;
        self.store.prune_series(self.settings.series_kept, self.now()).await
    }

    /// Writes what is counted in memory. Call it last, when no request is in progress any more.
    pub async fn flush(&self) {
        background::flush(self).await;
    }

    /// Tells the other nodes of the region what this one knows of callers, and hears what they know: one round of what a node does by
    /// itself, for whoever moves the clock by hand.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn share_callers(&self) -> Result<(), levqor_store::Error> {
        Rates::share(self).await?;
        Reputation::share(self).await
    }

    /// Looks which jobs of the platform are due, and does them: one round of what a node does by itself, for whoever moves the clock by
    /// hand. How many there were.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn run_due_jobs(&self) -> Result<usize, levqor_store::Error> {
        jobs::round(self).await
    }

    /// One round of what a node does by itself about incidents, for whoever moves the clock by hand.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn look_after_incidents(&self) -> Result<(), levqor_store::Error> {
        incidents::match_alerts(self).await?;
        incidents::look_after(self).await
    }

    /// The memory of a feature that is no business of others: made on first use, one of each type for the app's life.
    pub fn memory<T: Any + Send + Sync>(&self, make: impl FnOnce(&Parts) -> T) -> Arc<T> {
        self.memories.get(|| make(&self.parts))
    }
}

/// One value of each type.
#[derive(Default)]
struct Memories(Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl Memories {
    fn get<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let any = all.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(make())).clone();
        drop(all);
        any.downcast().expect("a value is filed under its own type")
    }
}

impl fmt::Debug for Memories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memories(…)")
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
