//! The configuration: parsed once at start into typed sections; every complaint names the key, the value's problem
//! and the remedy.
//!
//! `layers` collects texts with their origins (pure), this module turns them into types (pure); only [`load`]
//! touches the world.

mod ai;
mod alerts;
mod database;
mod error_reporter;
mod events;
mod gateway;
mod incidents;
mod jobs;
pub mod keys;
pub mod layers;
mod oidc;
#[cfg(test)]
mod page;
mod probes;
mod processes;
mod promises;
mod secret;
mod site;
mod tamper;
#[cfg(test)]
mod tests;

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use levqor_engine::{egress::Network, sink::Sink};
use levqor_model::{Region, RegionRegistry, Secret};
use levqor_server::{
    Environment, Site, StripeAccess,
    error_reporter::ErrorReporter,
    features::{
        ai::AiSettings, alerts::AlertSettings, incidents::IncidentSettings, jobs::JobSettings,
        oidc::OidcSettings, probes::Definitions,
    },
    gateway::GatewaySettings,
    mail::MailServer,
};
use levqor_store::{Place, metrics::SeriesKept};
use url::Url;

use keys::{KEYS, Shape};
use layers::{Complaint, Layers, Origin};
pub use probes::{Unfit, probes};
pub use processes::Processes;
pub use promises::promised;

/// The file that is read when no other is named, if it is there.
const FILE_DEFAULT: &str = "levqor.toml";

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    pub config: Option<PathBuf>,
    pub region: Option<String>,
    pub listen: Option<String>,
    pub data_dir: Option<String>,
    pub log: Option<String>,
    pub log_format: Option<String>,
}

/// The effective configuration.
#[derive(Debug, Clone)]
pub struct Config {
    pub region: Region,
    pub regions: RegionRegistry,
    pub environment: Environment,
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    /// A PostgreSQL that several nodes use; None: embedded SQLite in the data directory.
    pub database: Option<Place>,
    pub public_url: String,
    /// Where edges and other nodes reach this one. None: it listens on all addresses, and nobody said which is meant.
    pub advertise_url: Option<String>,
    pub operator_email: String,
    pub log: Log,
    pub egress: Egress,
    pub processes: Processes,
    /// None: no mail is sent.
    pub mail: Option<MailServer>,
    /// Who is told the life of all runs; None: nobody.
    pub sink: Option<Sink>,
    pub limits: Limits,
    /// None: for good.
    pub runs_kept_days: Option<u32>,
    pub anonymous_ai_per_minute: u32,
    pub ai: AiSettings,
    /// Who is told of alerts.
    pub alerts: AlertSettings,
    pub gateway: GatewaySettings,
    /// None: people sign in by a link only.
    pub oidc: Option<OidcSettings>,
    pub incidents: IncidentSettings,
    pub metrics_public: bool,
    /// How long stored series are kept.
    pub series_kept: SeriesKept,
    /// Where an OpenTelemetry collector is; None: there is none.
    pub otlp_endpoint: Option<Url>,
    pub site: Site,
    pub blueprint: levqor_drift::Origin,
    /// None: Stripe is not asked.
    pub stripe: Option<StripeAccess>,
    /// None: nobody collects errors.
    pub error_reporter: Option<ErrorReporter>,
    /// Whose files replace policies.
    pub policies_dir: Option<PathBuf>,
    /// With OpenSLO documents beside the shipped ones.
    pub slo_dir: Option<PathBuf>,
    /// The file that was read, or that would have been.
    pub file: PathBuf,
    /// What the platform does by itself, and what things cost.
    pub jobs: JobSettings,
    pub probes: Definitions,
    /// None: only Levqor's own.
    pub probes_file: Option<PathBuf>,
    /// Files and folders that the operator wants guarded.
    pub tamper_watch: Vec<PathBuf>,
    /// None: a generated one is kept in the data directory (development only).
    pub hmac_secret: Option<Secret>,
}

#[derive(Debug, Clone)]
pub struct Log {
    pub filter: String,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Pretty,
    Json,
}

#[derive(Debug, Clone)]
pub struct Egress {
    pub allow: Vec<Network>,
    pub timeout: Duration,
    pub response_bytes_max: usize,
}

#[derive(Debug, Clone)]
pub struct Limits {
    pub body_bytes_max: usize,
    pub payload_bytes_max: usize,
    pub active_runs: usize,
    /// None: as the blueprint says.
    pub running_per_account: Option<u32>,
    /// None: as the blueprint says.
    pub requests_per_minute: Option<u32>,
    pub anonymous_per_minute: u32,
    pub head_timeout: Duration,
    pub effects: usize,
    pub request_timeout: Duration,
    pub drain: Duration,
    pub drain_notice: Duration,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone)]
pub struct Complaints(pub Vec<Complaint>);

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, complaint) in self.0.iter().enumerate() {
            if place > 0 {
                writeln!(f)?;
            }
            write!(f, "{complaint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Complaints {}

/// Reads file and environment, and lays the flags on top.
pub fn load(flags: &Flags) -> Layers {
    let mut layers = Layers::defaults();
    let path = flags.config.clone().unwrap_or_else(|| PathBuf::from(FILE_DEFAULT));
    layers.config_file.clone_from(&path);
    match std::fs::read_to_string(&path) {
        Ok(text) => layers.file(&path, &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && flags.config.is_none() => {}
        Err(error) => layers.complain(format!(
            "--config {}: {error}; name a readable file or leave the option out",
            path.display()
        )),
    }
    layers.environment(std::env::vars_os().filter_map(|(name, value)| {
        // A variable that is not text cannot be one of ours, except by mistake; the value then fails its own check.
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    }));
    layers.flag("region", "--region", flags.region.clone());
    layers.flag("listen", "--listen", flags.listen.clone());
    layers.flag("data_dir", "--data-dir", flags.data_dir.clone());
    layers.flag("log", "--log", flags.log.clone());
    layers.flag("log_format", "--log-format", flags.log_format.clone());
    layers
}

/// How to log, for commands that need nothing else of a node's configuration: environment and command line only.
///
/// # Errors
/// Every complaint at once.
pub fn log(flags: &Flags) -> Result<Log, Complaints> {
    let mut layers = Layers::defaults();
    let variables = ["LEVQOR_LOG", "LEVQOR_LOG_FORMAT"];
    layers.environment(
        variables.into_iter().filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))),
    );
    layers.flag("log", "--log", flags.log.clone());
    layers.flag("log_format", "--log-format", flags.log_format.clone());
    resolve(&layers).map(|config| config.log)
}

/// Turns layers into the typed configuration.
///
/// # Errors
/// Every complaint at once, those of the layers first.
pub fn resolve(layers: &Layers) -> Result<Config, Complaints> {
    let mut reader = Reader { layers, complaints: layers.complaints.clone() };
    for key in KEYS {
        reader.shape(key);
    }
    let config = reader.config();
    match config {
        Some(config) if reader.complaints.is_empty() => Ok(config),
        _ => Err(Complaints(reader.complaints)),
    }
}

struct Reader<'a> {
    layers: &'a Layers,
    complaints: Vec<Complaint>,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> &str {
        self.layers.settings.get(name).map_or("", |setting| &setting.value)
    }

    fn origin(&self, name: &str) -> Origin {
        self.layers.settings.get(name).map_or(Origin::Default, |setting| setting.origin.clone())
    }

    /// Complains about `name`: "environment LEVQOR_LISTEN: listen: …; …".
    fn complain(&mut self, name: &str, problem: impl fmt::Display, remedy: &str) {
        let origin = self.origin(name);
        self.complaints.push(Complaint(format!("{origin}: {name}: {problem}; {remedy}")));
    }

    fn shape(&mut self, key: &keys::Key) {
        let value = self.text(key.name).to_owned();
        let shown = if key.secret { "the value".to_owned() } else { format!("{value:?}") };
        match key.shape {
            Shape::Number(min, max) => match value.parse::<u64>() {
                Ok(number) if (min..=max).contains(&number) => {}
                _ => self.complain(
                    key.name,
                    format!("{shown} is not a whole number from {min} to {max}"),
                    "give one, or leave the key out",
                ),
            },
            Shape::Flag if !matches!(value.as_str(), "true" | "false") => {
                self.complain(key.name, format!("{shown} is neither true nor false"), "write true or false");
            }
            Shape::Word(words) if !words.contains(&value.as_str()) => {
                self.complain(
                    key.name,
                    format!("{shown} is not known"),
                    &format!("use one of: {}", words.join(", ")),
                );
            }
            Shape::Text | Shape::List | Shape::Flag | Shape::Word(_) => {}
        }
    }

    fn number(&self, name: &str) -> u64 {
        // A value of another shape has its complaint already.
        self.text(name).parse().unwrap_or_default()
    }

    fn days(&self, name: &str) -> Duration {
        Duration::from_secs(self.number(name) * 24 * 60 * 60)
    }

    fn size(&self, name: &str) -> usize {
        usize::try_from(self.number(name)).unwrap_or(usize::MAX)
    }

    fn config(&mut self) -> Option<Config> {
        let region = self.region();
        let listen = self.listen();
        let allow = self.networks();
        let processes = self.processes();
        let mail = self.mail();
        let sink = self.sink();
        let environment = match self.text("env") {
            "production" => Environment::Production,
            _ => Environment::Development,
        };
        let hmac_secret = self.secret(environment);
        let public_url = self.url("public_url", listen);
        let advertise_url = self.url("advertise_url", listen);
        let has_advertised = !self.text("advertise_url").is_empty();
        let ai = self.ai(region.as_ref());
        let alerts = self.alerts();
        let database = self.database();
        let site = self.site();
        let gateway = self.gateway();
        let stripe = self.stripe();
        let error_reporter = self.error_reporter(region.as_ref(), environment);
        let oidc = self.oidc();
        let otlp_endpoint = self.otlp_endpoint();
        let jobs = self.jobs();
        let probes = self.probes();
        let series_kept = self.series_kept();
        let incidents = self.incidents();
        self.email();
        self.log_filter();
        Some(Config {
            region: region?,
            regions: self.layers.regions.clone(),
            environment,
            listen: listen?,
            data_dir: PathBuf::from(self.text("data_dir")),
            database,
            public_url: public_url?,
            // An address that means all of them leads nowhere from another machine.
            advertise_url: advertise_url.filter(|_| {
                has_advertised
                    || listen.is_some_and(|address| !address.ip().is_unspecified() && address.port() != 0)
            }),
            operator_email: self.text("operator_email").to_lowercase(),
            log: Log {
                filter: self.text("log").to_owned(),
                format: if self.text("log_format") == "json" { LogFormat::Json } else { LogFormat::Pretty },
            },
            egress: Egress {
                allow,
                timeout: Duration::from_secs(self.number("egress.timeout_seconds")),
                response_bytes_max: self.size("egress.response_bytes_max"),
            },
            processes,
            mail,
            sink,
            limits: Limits {
                body_bytes_max: self.size("limits.body_bytes_max"),
                payload_bytes_max: self.size("limits.payload_bytes_max"),
                active_runs: self.size("limits.active_runs"),
                running_per_account: self.given("limits.running_per_account"),
                requests_per_minute: self.given("limits.requests_per_minute"),
                anonymous_per_minute: u32::try_from(self.number("limits.anonymous_per_minute"))
                    .unwrap_or(u32::MAX),
                head_timeout: Duration::from_secs(self.number("gateway.head_timeout_seconds")),
                effects: self.size("limits.effects"),
                request_timeout: Duration::from_secs(self.number("limits.request_timeout_seconds")),
                drain: Duration::from_secs(self.number("limits.drain_seconds")),
                drain_notice: Duration::from_millis(self.number("limits.drain_notice_ms")),
            },
            runs_kept_days: u32::try_from(self.number("retention.runs_days")).ok().filter(|days| *days > 0),
            anonymous_ai_per_minute: u32::try_from(self.number("ai.anonymous_per_minute"))
                .unwrap_or(u32::MAX),
            ai,
            alerts,
            gateway,
            oidc,
            incidents,
            metrics_public: self.text("metrics.public") == "true",
            series_kept,
            otlp_endpoint,
            site,
            blueprint: self.blueprint(),
            stripe,
            error_reporter,
            policies_dir: self.policies_dir(),
            slo_dir: Some(self.text("slo.dir")).filter(|folder| !folder.is_empty()).map(PathBuf::from),
            file: self.layers.config_file.clone(),
            jobs,
            probes,
            probes_file: Some(self.text("probes.file")).filter(|file| !file.is_empty()).map(PathBuf::from),
            tamper_watch: self.tamper_watch(),
            hmac_secret,
        })
    }

    /// What is finer is kept no longer than what is coarser, which questions about longer times are answered by.
    fn series_kept(&mut self) -> SeriesKept {
        let kept = SeriesKept {
            fine: self.days("metrics.fine_days"),
            minute: self.days("metrics.minute_days"),
            hour: self.days("metrics.hour_days"),
        };
        let orders = [
            ("metrics.fine_days", kept.fine, "metrics.minute_days", kept.minute),
            ("metrics.minute_days", kept.minute, "metrics.hour_days", kept.hour),
        ];
        for (finer, longer, coarser, days) in orders {
            // What is no number has its complaint already.
            if longer > days && !days.is_zero() {
                self.complain(
                    finer,
                    format_args!("is more than {coarser}"),
                    "keep finer steps for no longer than coarser ones",
                );
            }
        }
        kept
    }

    /// A collector's address.
    fn otlp_endpoint(&mut self) -> Option<Url> {
        let text = self.text("telemetry.otlp_endpoint").trim().to_owned();
        if text.is_empty() {
            return None;
        }
        let plain = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        let found = Url::parse(&text).ok().filter(plain);
        if found.is_none() {
            self.complain(
                "telemetry.otlp_endpoint",
                "the address is none of http or https without user, query and fragment",
                "write it like http://127.0.0.1:4318, or leave it out",
            );
        }
        found
    }

    fn mail(&mut self) -> Option<MailServer> {
        let (address, from) = (self.text("mail.smtp_url").to_owned(), self.text("mail.from").to_owned());
        if address.is_empty() {
            return None;
        }
        if from.is_empty() {
            let remedy = "set it (LEVQOR_MAIL_FROM) to an address such as Levqor <levqor@example.com>";
            self.complain("mail.from", "is empty, and mail.smtp_url is set", remedy);
            return None;
        }
        match MailServer::new(&address, &from) {
            Ok(server) => Some(server),
            Err(problem) => {
                let name = if problem.contains("sender") { "mail.from" } else { "mail.smtp_url" };
                self.complain(
                    name,
                    problem,
                    "write it like smtp://user:password@mail.example.com:587, the user percent-encoded",
                );
                None
            }
        }
    }

    fn log_filter(&mut self) {
        let filter = self.text("log").to_owned();
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&filter) {
            self.complain(
                "log",
                format!("{filter:?} is not a log filter ({error})"),
                "write it like info or levqor_engine=debug,info",
            );
        }
    }

    fn region(&mut self) -> Option<Region> {
        match self.layers.regions.find(self.text("region")) {
            Ok(region) => Some(region.clone()),
            Err(error) => {
                self.complain(
                    "region",
                    error,
                    "set LEVQOR_REGION to one of them, or list the region in levqor.toml",
                );
                None
            }
        }
    }

    fn listen(&mut self) -> Option<SocketAddr> {
        let text = self.text("listen").to_owned();
        match text.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                let problem = format!("{text:?} is not an address and a port");
                self.complain("listen", problem, "write it like 127.0.0.1:8000 or [::1]:8000");
                None
            }
        }
    }

    fn networks(&mut self) -> Vec<Network> {
        let mut networks = Vec::new();
        let list = self.text("egress.allow").to_owned();
        for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.parse() {
                Ok(network) => networks.push(network),
                Err(problem) => {
                    self.complain("egress.allow", problem, "write networks like 10.1.0.0/16 or 127.0.0.1/32");
                }
            }
        }
        networks
    }

    /// An address without a path; the listen address where it is left out.
    fn url(&mut self, name: &str, listen: Option<SocketAddr>) -> Option<String> {
        let text = self.text(name).trim_end_matches('/').to_owned();
        if text.is_empty() {
            return listen.map(|address| format!("http://{address}"));
        }
        match url::Url::parse(&text) {
            Ok(url)
                if matches!(url.scheme(), "http" | "https") && url.host().is_some() && url.path() == "/" =>
            {
                Some(text)
            }
            _ => {
                let problem = format!("{text:?} is not an http or https address without a path");
                self.complain(name, problem, "write it like https://levqor.example.com");
                None
            }
        }
    }

    fn email(&mut self) {
        let email = self.text("operator_email").to_owned();
        let parts = email.split_once('@');
        if !parts.is_some_and(|(name, host)| {
            let is_one_word = !email.contains(char::is_whitespace) && levqor_model::unseen(&email).is_none();
            !name.is_empty() && !host.is_empty() && is_one_word
        }) {
            self.complain(
                "operator_email",
                format!("{email:?} is not an e-mail address"),
                "write it like you@example.com",
            );
        }
    }
}
