//! `levqor serve`: API, console and engine in one process, from the first start to a clean stop.

use std::{
    collections::BTreeMap,
    fmt,
    io::{IsTerminal, Write, stdout},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use levqor_engine::{
    Cluster, Engine, Keyring, Setup, Vault, cluster::Shared, egress, handlers::Handlers, keyring::Roots,
    processes,
};
use levqor_flow::{document::Host, machine::Surroundings, services::Service};
use levqor_model::{Blueprint, Clock, NodeId, Random, Secret, SystemClock, SystemRandom};
use levqor_server::{
    App, Environment, Parts, Settings,
    features::{
        ai::{Backends, Functions},
        alerts::SloSettings,
        policies::service::Policies,
        probes::ProbeSettings,
        sign_in, slo,
    },
    mail::{EmailFunction, Mailer},
    otlp::{Exporter, TelemetrySettings},
};
use levqor_store::{Options, Place, Store};
use serde_json::json;
use tokio::{net::TcpListener, time::Instant};
use tokio_util::sync::CancellationToken;

use super::blueprint;
use crate::{
    Exit,
    config::{self, Config, Flags, keys::KEYS, layers::Layers},
    console::{Tone, paint},
    data_dir::DataDir,
    first_start::first_start,
    guarded::guarded,
    panics, telemetry,
};

/// What was not wrong use but still keeps the server from starting or running.
#[derive(Debug)]
pub enum Failure {
    /// Configuration, port, directory or database: exit 2.
    Refused(String),
    Broken(anyhow::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused(problem) => f.write_str(problem),
            Failure::Broken(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Broken(error)
    }
}

pub async fn serve(flags: &Flags, as_json: bool) -> Exit {
    match start(flags, as_json).await {
        Ok(()) => Exit::Done,
        Err(Failure::Refused(problem)) => {
            for line in problem.lines() {
                eprintln!("levqor: {line}");
            }
            Exit::WrongUse
        }
        Err(Failure::Broken(error)) => {
            eprintln!("levqor: {error:#}");
            Exit::Failed
        }
    }
}

async fn start(flags: &Flags, as_json: bool) -> Result<(), Failure> {
    let layers = config::load(flags);
    let config = config::resolve(&layers).map_err(|complaints| Failure::Refused(complaints.to_string()))?;
    let exporter = exporter(&config)?;
    telemetry::start(&config.log, &config.region.code, exporter.clone(), config.error_reporter.as_ref())
        .map_err(Failure::Refused)?;
    panics::tell();
    warn_of_reserved_keys(&layers);
    let policies = policies(&config).map_err(|complaints| Failure::Refused(complaints.join("\n")))?;
    slos(&config)?;
    warn_of_missing_contact(&config);
    // The cheap refusals come first, so that a start that fails leaves nothing behind.
    let listener = listen(config.listen).await?;
    let address = listener.local_addr().map_err(|error| Failure::Broken(error.into()))?;
    let data_dir = DataDir::take(&config.data_dir).map_err(Failure::Refused)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let roots = roots(&config, &data_dir, &*random)?;
    let store = open(&config, &data_dir).await?;
    let outcome = match Keyring::open(store.clone(), roots, Arc::clone(&clock), Arc::clone(&random)).await {
        Ok(keyring) => {
            lives(
                &config,
                listener,
                address,
                &data_dir,
                keyring,
                store.clone(),
                policies,
                clock,
                random,
                exporter.clone(),
                as_json,
            )
            .await
        }
        Err(refusal) => Err(Failure::Refused(refusal.to_string())),
    };
    store.close().await;
    if let Some(exporter) = exporter {
        exporter.close(TELEMETRY_PATIENCE).await;
    }
    outcome
}

/// How long the end of the process waits for an OpenTelemetry collector.
const TELEMETRY_PATIENCE: Duration = Duration::from_secs(3);

/// Sends spans and metrics from now on, when there is a collector to send them to.
fn exporter(config: &Config) -> Result<Option<Exporter>, Failure> {
    let Some(endpoint) = config.otlp_endpoint.clone() else { return Ok(None) };
    let settings = TelemetrySettings {
        endpoint,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        region: config.region.code.to_string(),
        instance: format!("{:016x}", SystemRandom.u64()),
        every: TelemetrySettings::EVERY,
        timeout: TelemetrySettings::TIMEOUT,
        pause: TelemetrySettings::PAUSE,
    };
    let started = Exporter::start(settings, SystemClock.now());
    started.map(Some).map_err(|problem| {
        Failure::Refused(format!("telemetry.otlp_endpoint: no client for it can be made: {problem}"))
    })
}

/// How a node's life ended.
enum End {
    /// It was told to stop.
    Stopped,
    /// It lost its lease: others have its runs, and it may come back as a new node.
    Fenced,
}

/// Serves as one node after the other: one that has lost its lease comes back as a new one, on the same address.
#[expect(clippy::too_many_arguments, reason = "this is where everything that was made comes together")]
async fn lives(
    config: &Config,
    listener: TcpListener,
    address: SocketAddr,
    data_dir: &DataDir,
    keyring: Keyring,
    store: Store,
    policies: Policies,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    exporter: Option<Exporter>,
    as_json: bool,
) -> Result<(), Failure> {
    let listener = listener.into_std().map_err(|error| Failure::Broken(error.into()))?;
    let mut first = true;
    loop {
        let again = listener.try_clone().map_err(|error| Failure::Broken(error.into()))?;
        let again = TcpListener::from_std(again).map_err(|error| Failure::Broken(error.into()))?;
        let end = run(
            config,
            again,
            address,
            data_dir,
            keyring.clone(),
            store.clone(),
            policies.clone(),
            Arc::clone(&clock),
            Arc::clone(&random),
            exporter.clone(),
            Told { first, as_json },
        )
        .await?;
        match end {
            End::Stopped => return Ok(()),
            End::Fenced => tracing::warn!("this process goes on as a new node"),
        }
        first = false;
    }
}

/// What is told at the start, and how.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// The process has just started.
    first: bool,
    as_json: bool,
}

#[expect(clippy::too_many_arguments, reason = "this is where everything that was made comes together")]
async fn run(
    config: &Config,
    listener: TcpListener,
    address: SocketAddr,
    data_dir: &DataDir,
    keyring: Keyring,
    store: Store,
    policies: Policies,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    exporter: Option<Exporter>,
    told: Told,
) -> Result<End, Failure> {
    let started_at = clock.now();
    let first = first_start(&store, &*clock, &*random, &config.operator_email).await?;
    let node = NodeId::new(started_at, &*random);
    let blueprint = blueprint::read(&config.blueprint).map_err(Failure::Refused)?;
    let mut setup = setup(config, data_dir, node, store.clone(), clock.clone(), random.clone(), &keyring);
    let fair = config.limits.running_per_account.unwrap_or(blueprint.fair_use.concurrent_runs);
    setup.limits.running_per_account = i64::from(fair);
    setup.limits.plan_weights = plan_weights(&blueprint);
    let backends = Arc::new(Backends::new(&config.ai, blueprint.clone(), Arc::clone(&clock)));
    let functions = Functions {
        store: store.clone(),
        clock: Arc::clone(&clock),
        region: config.region.clone(),
        blueprint: Arc::new(blueprint.clone()),
        backends: Arc::clone(&backends),
    };
    let mailer = mailer(config)?;
    setup.handlers = functions.join(handlers(mailer.as_ref()));
    let engine = Engine::start(setup).await.map_err(|error| Failure::Broken(error.into()))?;
    // A port of 0 means "any free one"; links must name the one that it became.
    let public_url =
        if config.listen.port() == 0 { format!("http://{address}") } else { config.public_url.clone() };
    let mut settings = settings(config, data_dir, public_url.clone());
    settings.telemetry = exporter;
    settings.tamper = Some(guarded(config, data_dir).context("what is to be guarded cannot be found")?);
    settings.slos = slos(config)?;
    if settings.advertise_url.is_none() && !address.ip().is_unspecified() {
        settings.advertise_url = Some(format!("http://{address}"));
    }
    if settings.advertise_url.is_none() && store.is_shared() && told.first {
        tracing::warn!(
            "this node listens on all addresses, so edges and other nodes are not told where to find it; set LEVQOR_ADVERTISE_URL"
        );
    }
    let app = App::new(Parts {
        settings,
        // A node that was stopped writes nothing more, by whatever way.
        store: if store.is_shared() { store.acting_as(node) } else { store.clone() }
            .recording_as(node, &config.region.code),
        engine: engine.clone(),
        keyring,
        clock,
        random,
        node,
        region: config.region.clone(),
        regions: config.regions.clone(),
        blueprint,
        policies,
        backends,
        mailer,
        started_at,
    });
    let link =
        sign_in::service::operator_link(&app, &config.operator_email).await.map_err(anyhow::Error::from)?;
    let welcome =
        Welcome { config, data_dir, url: public_url, key: first.map(|first| first.owner_key), link };
    if told.first {
        welcome.tell(told.as_json).map_err(anyhow::Error::from)?;
    }
    let stop = CancellationToken::new();
    let signals = tokio::spawn(wait_for_signal(stop.clone()));
    let budget = config.limits.drain;
    let stop_ends = tokio::spawn(when_stop_begins(stop.clone(), budget));
    let come_back = CancellationToken::new();
    let fenced = tokio::spawn(when_fenced(engine.clone(), store.clone(), stop.clone(), come_back.clone()));
    let served = levqor_server::serve(listener, app, stop.clone()).await;
    // Also when the server failed by itself.
    stop.cancel();
    let left = stop_ends.await.map_or(budget, |end| end.saturating_duration_since(Instant::now()));
    engine.drain(left).await;
    signals.abort();
    fenced.abort();
    served.map_err(|error| Failure::Broken(anyhow::Error::from(error).context("the server failed")))?;
    if come_back.is_cancelled() {
        return Ok(End::Fenced);
    }
    tracing::info!("stopped");
    Ok(End::Stopped)
}

/// Once the engine has stopped by itself, and the database takes writes again, has the server end so that another can begin.
/// Until then it goes on answering, and says that it is not ready.
async fn when_fenced(engine: Engine, store: Store, stop: CancellationToken, come_back: CancellationToken) {
    const LOOK_AGAIN: Duration = Duration::from_millis(500);
    engine.stopped().await;
    if stop.is_cancelled() {
        return;
    }
    while store.readiness().await.write.is_err() {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    if !stop.is_cancelled() {
        come_back.cancel();
        stop.cancel();
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Failure::Refused(unusable_address(address, &error, "LEVQOR_LISTEN")))
}

/// Why nobody can be served at `address`, and what to do about it in `setting`.
pub fn unusable_address(address: SocketAddr, error: &std::io::Error, setting: &str) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => format!(
            "the address {address} is taken by another program; stop it, or set {setting} to another port such as 127.0.0.1:{}",
            address.port().wrapping_add(1).max(1024)
        ),
        std::io::ErrorKind::PermissionDenied => {
            format!("{address} may not be used by this user; choose a port above 1023 with {setting}")
        }
        std::io::ErrorKind::AddrNotAvailable => {
            format!("{address} is not an address of this machine; set {setting} to one that is")
        }
        _ => format!("cannot listen on {address}: {error}; set {setting} to another address"),
    }
}

/// The secrets of the configuration, or the one that development keeps in the data directory.
pub fn roots(config: &Config, data_dir: &DataDir, random: &dyn Random) -> Result<Roots, Failure> {
    let secret = match &config.hmac_secret {
        Some(secret) => secret.clone(),
        // Production without a secret was refused with the configuration.
        None => {
            let (secret, _) = data_dir.development_secret(random).map_err(Failure::Refused)?;
            tracing::warn!(
                "SECURITY_HMAC_SECRET is not set: a generated development secret is used; set it before you run in production"
            );
            secret
        }
    };
    Roots::parse(&secret).map_err(|problem| Failure::Refused(format!("security.hmac_secret: {problem}")))
}

pub async fn open(config: &Config, data_dir: &DataDir) -> Result<Store, Failure> {
    let options = match &config.database {
        None => Options::file(data_dir.database().map_err(Failure::Refused)?),
        Some(place) => Options { place: place.clone(), ..Options::default() },
    };
    let opened = tokio::task::spawn_blocking(move || Store::open(options))
        .await
        .map_err(|error| Failure::Broken(error.into()))?;
    opened.map_err(|error| {
        Failure::Refused(match (&config.database, &error) {
            (Some(Place::Postgres(_)), levqor_store::Error::Unavailable(_)) => {
                format!("database.url: {error}; see that the server runs, and that the address is right")
            }
            _ => error.to_string(),
        })
    })
}

/// By plan, under all of its names.
fn plan_weights(blueprint: &Blueprint) -> BTreeMap<String, u32> {
    let mut weights = BTreeMap::new();
    for plan in &blueprint.plans {
        for code in std::iter::once(&plan.code).chain(&plan.aliases) {
            weights.insert(code.clone(), plan.queue_weight);
        }
    }
    weights
}

/// The functions of workflows that this server makes itself.
/// One for the whole process, when a mail server is named.
fn mailer(config: &Config) -> Result<Option<Arc<Mailer>>, Failure> {
    let mailer = config.mail.clone().map(Mailer::new).transpose();
    Ok(mailer.map_err(|problem| Failure::Refused(format!("mail.smtp_url: {problem}")))?.map(Arc::new))
}

fn handlers(mailer: Option<&Arc<Mailer>>) -> Handlers {
    let handlers = Handlers::default();
    match mailer {
        Some(mailer) => handlers.with(Service::Email, Arc::new(EmailFunction::new(Arc::clone(mailer)))),
        None => handlers,
    }
}

fn setup(
    config: &Config,
    data_dir: &DataDir,
    node: NodeId,
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    keyring: &Keyring,
) -> Setup {
    Setup {
        store,
        clock,
        random,
        node,
        region: config.region.code.clone(),
        surroundings: Arc::new(Surroundings {
            payload_bytes_max: config.limits.payload_bytes_max,
            ..Surroundings::default()
        }),
        egress: egress::Policy {
            allow: config.egress.allow.clone(),
            timeout: config.egress.timeout,
            response_bytes_max: config.egress.response_bytes_max,
            ..egress::Policy::default()
        },
        processes: processes::Policy {
            allow: config.processes.allow,
            network: config.processes.network,
            timeout: config.processes.timeout,
            memory_bytes_max: config.processes.memory_bytes_max,
            output_bytes_max: config.processes.output_bytes_max,
            file_bytes_max: config.processes.file_bytes_max,
            at_once: config.processes.at_once,
            directory: data_dir.path().join("processes"),
        },
        handlers: Handlers::default(),
        limits: levqor_engine::Limits {
            active_runs: config.limits.active_runs,
            effects: config.limits.effects,
            ..levqor_engine::Limits::default()
        },
        vault: Vault::of(keyring.clone()),
        sink: config.sink.clone(),
        cluster: match config.database {
            None => Cluster::Alone,
            Some(_) => Cluster::Shared(Shared::new(config.regions.clone())),
        },
    }
}

fn settings(config: &Config, data_dir: &DataDir, public_url: String) -> Settings {
    Settings {
        environment: config.environment,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        build: option_env!("LEVQOR_BUILD").unwrap_or("unknown").to_owned(),
        public_url,
        metrics_public: config.metrics_public,
        request_timeout: config.limits.request_timeout,
        drain_timeout: config.limits.drain,
        drain_notice: config.limits.drain_notice,
        advertise_url: config.advertise_url.clone(),
        body_bytes_max: config.limits.body_bytes_max,
        payload_bytes_max: config.limits.payload_bytes_max,
        account_requests_per_minute: config.limits.requests_per_minute,
        anonymous_requests_per_minute: config.limits.anonymous_per_minute,
        header_timeout: config.limits.head_timeout,
        gateway: config.gateway.clone(),
        oidc: config.oidc.clone(),
        incidents: config.incidents.clone(),
        anonymous_ai_per_minute: config.anonymous_ai_per_minute,
        data_dir: Some(data_dir.path().to_owned()),
        host: Host { processes: config.processes.allow, mail: config.mail.is_some() },
        runs_kept_days: config.runs_kept_days,
        ai: config.ai.clone(),
        probes: ProbeSettings { definitions: config.probes.clone(), allow: config.egress.allow.clone() },
        alerts: config.alerts.clone(),
        site: config.site.clone(),
        blueprint: config.blueprint.clone(),
        jobs: config.jobs.clone(),
        stripe: config.stripe.clone(),
        error_reporter: config.error_reporter.clone(),
        series_kept: config.series_kept,
        ..Settings::default()
    }
}

/// The policies' texts, with the blueprint's numbers in them.
///
/// # Errors
/// A line for each thing that is wrong, with file and line where there is one.
pub fn policies(config: &Config) -> Result<Policies, Vec<String>> {
    let blueprint = blueprint::read(&config.blueprint).map_err(|problem| vec![problem])?;
    Policies::load(&blueprint, &config.site, config.policies_dir.as_deref())
}

/// The shipped objectives, and those of the operator's folder.
fn slos(config: &Config) -> Result<SloSettings, Failure> {
    let read = slo::catalogue(config.slo_dir.as_deref());
    read.map(|catalogue| SloSettings(Arc::new(catalogue)))
        .map_err(|complaints| Failure::Refused(format!("slo.dir: {}", complaints.join("\n"))))
}

fn warn_of_missing_contact(config: &Config) {
    if config.environment == Environment::Production && config.site.security_address().is_none() {
        tracing::warn!(
            "nobody is told where to report weaknesses: set LEVQOR_SITE_SECURITY_CONTACT or LEVQOR_SITE_CONTACT_EMAIL"
        );
    }
}

fn warn_of_reserved_keys(layers: &Layers) {
    for key in KEYS.iter().filter(|key| !key.in_use) {
        let set = layers.settings.get(key.name).is_some_and(|setting| setting.value != key.default);
        if set {
            tracing::warn!("{} is set, but this version does not use it yet", key.variable);
        }
    }
}

/// Says at once that the stop begins; gives when the time for requests and calls in flight is over.
async fn when_stop_begins(stop: CancellationToken, budget: Duration) -> Instant {
    stop.cancelled().await;
    tracing::info!("stopping: requests and calls in flight have up to {} s to end", budget.as_secs());
    Instant::now() + budget
}

/// Ctrl-C and SIGTERM begin the stop; a second one ends the process at once.
pub async fn wait_for_signal(stop: CancellationToken) {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            tracing::error!("SIGTERM cannot be awaited: {error}");
            return;
        }
    };
    for round in 0..2 {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        if round == 0 {
            stop.cancel();
        } else {
            // What is durable stays durable; this is the impatient operator's right.
            std::process::exit(1);
        }
    }
}

/// What is told at the start, on standard output.
struct Welcome<'a> {
    config: &'a Config,
    data_dir: &'a DataDir,
    url: String,
    key: Option<Secret>,
    link: Option<String>,
}

impl Welcome<'_> {
    fn tell(&self, as_json: bool) -> std::io::Result<()> {
        let mut out = stdout().lock();
        if as_json {
            let told = json!({
                "url": self.url, "region": self.config.region.code, "version": env!("CARGO_PKG_VERSION"),
                "data_dir": self.data_dir.path().display().to_string(),
                "owner_key": self.key.as_ref().map(Secret::expose), "sign_in": self.link,
            });
            writeln!(out, "{told}")?;
            return out.flush();
        }
        let strong = |text: &str| paint(text, Tone::Strong, &stdout());
        writeln!(
            out,
            "{} {} in {} ({})\n",
            strong("Levqor"),
            env!("CARGO_PKG_VERSION"),
            self.config.region.code,
            self.config.region.name
        )?;
        for (name, path) in
            [("Console", "/dashboard"), ("Status", "/status"), ("API", "/docs/api"), ("Guides", "/docs")]
        {
            writeln!(out, "  {name:<9}{}{path}", self.url)?;
        }
        writeln!(out, "  {:<9}{}", "Data", self.data_dir.path().display())?;
        if let Some(link) = &self.link {
            writeln!(
                out,
                "\n  Sign in as {} within 15 minutes, once:\n  {link}",
                self.config.operator_email
            )?;
        }
        if let Some(key) = &self.key {
            writeln!(
                out,
                "\n  Owner key, shown this once and stored only as a hash:\n{}",
                strong(key.expose())
            )?;
            writeln!(out, "\n  Next: open the sign-in link and run the sample workflow, or")?;
            writeln!(
                out,
                "  levqor ask \"every weekday at 9am London time, fetch https://example.com/orders\""
            )?;
        }
        if stdout().is_terminal() {
            writeln!(out, "\n  Ctrl-C stops the server; what was accepted goes on at the next start.")?;
        }
        writeln!(out)?;
        out.flush()
    }
}
