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
            series_kept: SeriesKept {
                fine: self.days("metrics.fine_days"),
                minute: self.days("metrics.minute_days"),
                hour: self.days("metrics.hour_days"),
            },
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
            !name.is_empty() && !host.is_empty() && !email.contains(char::is_whitespace)
        }) {
            self.complain(
                "operator_email",
                format!("{email:?} is not an e-mail address"),
                "write it like you@example.com",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    pub(super) fn resolved(file: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let mut layers = Layers::defaults();
        layers.file(Path::new("levqor.toml"), file);
        layers.environment(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        resolve(&layers).map_err(|complaints| complaints.to_string())
    }

    #[test]
    fn the_environment_beats_the_file_and_the_file_beats_the_default() {
        let file = "listen = \"127.0.0.1:9000\"\n[limits]\neffects = 7\n";
        let config = resolved(file, &[("LEVQOR_LISTEN", "[::1]:9001")]).unwrap();
        assert_eq!(config.listen.to_string(), "[::1]:9001");
        assert_eq!(config.limits.effects, 7);
        assert_eq!(config.region.code.as_str(), "eu-west");
        assert_eq!(config.public_url, "http://[::1]:9001");
    }

    #[test]
    fn each_mistake_names_the_place_the_problem_and_the_remedy() {
        type Variables<'a> = &'a [(&'a str, &'a str)];
        let rows: &[(&str, Variables, &str)] = &[
            (
                "lisen = \"x\"",
                &[],
                "levqor.toml:1: unknown key lisen; did you mean listen? `levqor check` lists all keys",
            ),
            (
                "\n[limits]\nefects = 7",
                &[],
                "levqor.toml:3: unknown key limits.efects; did you mean limits.effects?",
            ),
            ("[colours]\nred = 1", &[], "levqor.toml:1: unknown key colours; remove it"),
            ("listen = 8000", &[], "levqor.toml:1: listen is an integer; it takes a text in quotes"),
            (
                "[limits]\neffects = \"7\"",
                &[],
                "levqor.toml:2: limits.effects is a string; it takes a whole number",
            ),
            (
                "[limits]\neffects = 0",
                &[],
                "levqor.toml:2: limits.effects: \"0\" is not a whole number from 1 to 100000",
            ),
            ("listen = \"x", &[], "levqor.toml:1:"),
            (
                "",
                &[("LEVQOR_REGION", "mars")],
                "environment LEVQOR_REGION: region: region \"mars\" is not known; supported: eu-west, us-east, ap-south",
            ),
            (
                "",
                &[("LEVQOR_REGOIN", "eu-west")],
                "environment: unknown variable LEVQOR_REGOIN; did you mean LEVQOR_REGION?",
            ),
            (
                "",
                &[("LEVQOR_ENV", "prod")],
                "environment LEVQOR_ENV: env: \"prod\" is not known; use one of: development, production",
            ),
            (
                "",
                &[("LEVQOR_LISTEN", "8000")],
                "environment LEVQOR_LISTEN: listen: \"8000\" is not an address and a port",
            ),
            (
                "",
                &[("LEVQOR_PUBLIC_URL", "levqor.example")],
                "public_url: \"levqor.example\" is not an http or https address",
            ),
            (
                "",
                &[("LEVQOR_ENV", "production")],
                "default: security.hmac_secret: production needs a secret; set SECURITY_HMAC_SECRET",
            ),
            (
                "",
                &[("LEVQOR_ENV", "production"), ("SECURITY_HMAC_SECRET", "short")],
                "security.hmac_secret: the secret is too weak: it has 5 bytes; set SECURITY_HMAC_SECRET to at least 32",
            ),
            (
                "",
                &[
                    ("LEVQOR_ENV", "production"),
                    (
                        "SECURITY_HMAC_SECRET",
                        "change-me-change-me-change-me-hunter2,an old one that was better",
                    ),
                ],
                "the secret is too weak: it has words in it that examples show",
            ),
            (
                "",
                &[("SECURITY_HMAC_SECRET", "hunter2hunter2hunter2hunter2hunter2,1,2,3,4,5,6,7,8")],
                "security.hmac_secret: it has more than 8 secrets; list the new secret",
            ),
            (
                "",
                &[("LEVQOR_DATABASE_URL", "mysql://u:hunter2@h/db")],
                "database.url: the value is no address of a PostgreSQL; write it like postgres://",
            ),
            (
                "",
                &[("LEVQOR_DATABASE_URL", "sqlite://levqor.db")],
                "database.url: the file of a shared SQLite database has no absolute path; write it like sqlite:///",
            ),
            (
                "",
                &[("LEVQOR_DATABASE_URL", "postgres://u:hunter2@h/db")],
                "security.hmac_secret: is empty, and database.url is set: all nodes of a database need the same",
            ),
            (
                "",
                &[("LEVQOR_DATABASE_READ_URL", "postgres://u:hunter2@h/db")],
                "environment LEVQOR_DATABASE_READ_URL: database.read_url: is set, and database.url is empty",
            ),
            (
                "[database]\nurl = \"postgres://u:hunter2@h/db\"\nread_url = \"mysql://u:hunter2@h/db\"",
                &[],
                "levqor.toml:3: database.read_url: the value is no address of a PostgreSQL",
            ),
            ("[egress]\nallow = [\"10.0.0.0/99\"]", &[], "levqor.toml:2: egress.allow:"),
            (
                "[gateway]\ntrusted_proxies = [\"10.0.0.0/8\", \"proxy.example\"]",
                &[],
                "levqor.toml:2: gateway.trusted_proxies: \"proxy.example\" is not a network; write networks or addresses like",
            ),
            (
                "",
                &[("LEVQOR_GATEWAY_CORS_ORIGINS", "https://app.example, *")],
                "environment LEVQOR_GATEWAY_CORS_ORIGINS: gateway.cors_origins: \"*\" is no origin; write origins as browsers do",
            ),
            (
                "[gateway]\ncountry_header = \"a b\"",
                &[],
                "levqor.toml:2: gateway.country_header: \"a b\" is no name of a header",
            ),
            (
                "[gateway]\nforwarded_header = \"x-real-ip\"",
                &[],
                "gateway.forwarded_header: \"x-real-ip\" is not known; use one of: x-forwarded-for, forwarded",
            ),
            (
                "[processes]\nallow = [\"shell\", \"perl\"]",
                &[],
                "levqor.toml:2: processes.allow: \"perl\" is no kind of process",
            ),
            (
                "",
                &[("OPENAI_BASE_URL", "https://u:hunter2@h/v1")],
                "environment OPENAI_BASE_URL: ai.openai_base_url: the address is none of http or https without user",
            ),
            ("[[ai.providers]]\nname = \"x\"", &[], "levqor.toml:1: ai.providers: missing field `base_url`"),
            (
                "[[ai.providers]]\nname = \"builtin\"\nbase_url = \"http://127.0.0.1:1/v1\"\nmodel = \"m\"\napi_key = \"hunter2\"",
                &[],
                "ai.providers: \"builtin\": the name is taken",
            ),
            (
                "[[ai.providers]]\nname = \"x\"\nbase_url = \"http://127.0.0.1:1/v1\"\nmodel = \"m\"\nregions = [\"mars\"]",
                &[],
                "ai.providers: \"x\": regions: region \"mars\" is not known",
            ),
            (
                "",
                &[("LEVQOR_EVENTS_SINK_URL", "https://u:hunter2@h/")],
                "environment LEVQOR_EVENTS_SINK_URL: events.sink_url: the address is none of http or https without user",
            ),
            (
                "[events]\nsink_secret = \"hunter2\"",
                &[],
                "default: events.sink_url: is empty, and events.sink_secret is set; set it (LEVQOR_EVENTS_SINK_URL)",
            ),
            (
                "[events]\nsink_url = \"https://sink.example\"\nsink_secret = \"hunter2\"",
                &[],
                "levqor.toml:3: events.sink_secret: the secret is not whsec_ and 24 to 64 bytes in Base 64; make one with",
            ),
            (
                "[events]\nsink_format = \"binary\"",
                &[],
                "levqor.toml:2: events.sink_format: \"binary\" is not known; use one of: structured, batch",
            ),
            (
                "[probes]\nfile = \"/nonexistent/probes.toml\"",
                &[],
                "levqor.toml:2: probes.file: /nonexistent/probes.toml cannot be read",
            ),
            (
                "[tamper]\nwatch = [\"/etc/x\", \"templates\"]",
                &[],
                "levqor.toml:2: tamper.watch: \"templates\" is no absolute path; write it from the root on",
            ),
            (
                "[alerts]\nmail_to = [\"nobody\"]",
                &[("SMTP_URL", "smtp://127.0.0.1"), ("LEVQOR_MAIL_FROM", "a@b.example")],
                "levqor.toml:2: alerts.mail_to: \"nobody\" is no address",
            ),
            ("[alerts]\nmail_to = [\"a@b.example\"]", &[], "mail.smtp_url: is empty, and alerts go by mail"),
            (
                "",
                &[("LEVQOR_ALERTS_SLACK_URL", "hooks.example/hunter2")],
                "environment LEVQOR_ALERTS_SLACK_URL: alerts.slack_url: the address is none of http or https",
            ),
            (
                "",
                &[
                    ("LEVQOR_ALERTS_WEBHOOK_URL", "https://h.example/"),
                    ("LEVQOR_ALERTS_WEBHOOK_SECRET", "hunter2"),
                ],
                "alerts.webhook_url: the secret is not whsec_ and 24 to 64 bytes in Base 64",
            ),
            (
                "",
                &[("LEVQOR_ALERTS_WEBHOOK_SECRET", "hunter2")],
                "alerts.webhook_url: is empty, and alerts.webhook_secret is set",
            ),
            (
                "[[alerts.destinations]]\nname = \"pager\"\nwebhook = \"https://h.example/hunter2\"\nslack = \"https://h.example/hunter2\"",
                &[],
                "alerts.destinations: \"pager\": give exactly one of mail, webhook and slack",
            ),
            (
                "[[alerts.destinations]]\nname = \"pager\"\nwebhok = \"https://h.example/\"",
                &[],
                "levqor.toml:1: alerts.destinations: unknown field `webhok`",
            ),
            (
                "[alerts.routes]\ncritical = [\"pagr\"]\n[[alerts.destinations]]\nname = \"pager\"\nwebhook = \"https://h.example/\"",
                &[],
                "alerts.routes: \"critical\": there is no destination \"pagr\"; did you mean `pager`?; known are: pager",
            ),
            ("[[regions]]\ncode = \"EU\"", &[], "levqor.toml:1: regions:"),
            (
                "[site]\ncontact_email = \"help\"",
                &[],
                "levqor.toml:2: site.contact_email: \"help\" is not an e-mail address",
            ),
            (
                "",
                &[("LEVQOR_SITE_SECURITY_CONTACT", "http://a.example")],
                "site.security_contact: \"http://a.example\" is neither an e-mail address nor an https address",
            ),
            (
                "[site]\noperator_address = \"1 Road\\nTown\"",
                &[],
                "levqor.toml:2: site.operator_address: is longer than 300 characters, or has more than one line",
            ),
            ("", &[("SMTP_URL", "smtp://u:hunter2@h")], "mail.from: is empty, and mail.smtp_url is set"),
            (
                "[oidc]\nissuer = \"http://login.example.com\"",
                &[],
                "levqor.toml:2: oidc.issuer: \"http://login.example.com\" is no issuer",
            ),
            (
                "[oidc]\nissuer = \"https://login.example.com\"\nclient_id = \"levqor\"",
                &[],
                "oidc.client_secret: is empty, and oidc.issuer is set",
            ),
            (
                "[mail]\nfrom = \"a@b.c\"",
                &[("SMTP_URL", "https://u:hunter2@h")],
                "environment SMTP_URL: mail.smtp_url: the address must begin with smtp:// or smtps://",
            ),
            (
                "[mail]\nfrom = \"nobody\"",
                &[("SMTP_URL", "smtp://h")],
                "levqor.toml:2: mail.from: the sender's address is none",
            ),
        ];
        for (file, environment, expected) in rows {
            let complaint = resolved(file, environment).unwrap_err();
            assert!(
                complaint.contains(expected),
                "for {file:?} {environment:?}:\n  {complaint}\nlacks\n  {expected}"
            );
            assert!(!complaint.contains("hunter2"), "a secret is shown");
        }
    }

    #[test]
    fn providers_come_from_the_list_and_then_from_the_environment() {
        let file = "[ai]\ntimeout_seconds = 5\n\
                    [[ai.providers]]\nname = \"near\"\nbase_url = \"http://127.0.0.1:8080/v1\"\nmodel = \"small\"\n\
                    [[ai.providers]]\nname = \"far\"\nbase_url = \"https://ai.example/v1\"\nmodel = \"m\"\napi_key = \"k\"\nregions = [\"us-east\"]\n";
        let names = |environment: &[(&str, &str)]| {
            let ai = resolved(file, environment).unwrap().ai;
            ai.providers
                .iter()
                .map(|it| format!("{} {} {}", it.name, it.base_url, it.model))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["near http://127.0.0.1:8080/v1 small"]);
        assert_eq!(
            names(&[("LEVQOR_REGION", "us-east"), ("OPENAI_API_KEY", "sk-1")]),
            [
                "near http://127.0.0.1:8080/v1 small",
                "far https://ai.example/v1 m",
                "openai https://api.openai.com/v1 gpt-4o-mini"
            ]
        );
        let local =
            resolved("", &[("OPENAI_BASE_URL", "http://localhost:11434/v1"), ("OPENAI_MODEL", "tiny")]);
        let local = local.unwrap().ai.providers;
        assert_eq!((local[0].key.as_ref(), local[0].model.as_str()), (None, "tiny"));
        assert!(resolved("", &[]).unwrap().ai.providers.is_empty());
    }

    #[test]
    fn destinations_come_from_the_list_and_from_the_environment() {
        let file = "[[alerts.destinations]]\nname = \"pager\"\nwebhook = \"https://h.example/hunter2\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n\
                    [alerts.routes]\ncritical = [\"pager\", \"chat\"]\n";
        let config = resolved(file, &[("LEVQOR_ALERTS_SLACK_URL", "http://10.0.0.7/hunter2")]).unwrap();
        let shown = format!("{:?}", config.alerts);
        assert!(
            shown.contains("\"pager\", kind: webhook") && shown.contains("\"chat\", kind: chat"),
            "{shown}"
        );
        assert!(!shown.contains("hunter2") && !shown.contains("whsec"), "{shown}");
        assert_eq!(config.alerts.routes["critical"], ["pager", "chat"]);
        assert!(resolved("", &[]).unwrap().alerts.destinations.is_empty());
    }

    #[test]
    fn a_sink_is_named_by_its_address() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert!(resolved("", &[]).unwrap().sink.is_none());
        let sink = |environment: &[(&str, &str)]| format!("{:?}", resolved("", environment).unwrap().sink);
        let near = ("LEVQOR_EVENTS_SINK_URL", "http://10.0.0.7:9000/events?token=hunter2");
        assert_eq!(sink(&[near]), "Some(Sink { host: \"10.0.0.7\", batch: false, .. })");
        let whole = [near, ("LEVQOR_EVENTS_SINK_SECRET", secret), ("LEVQOR_EVENTS_SINK_FORMAT", "batch")];
        assert_eq!(sink(&whole), "Some(Sink { host: \"10.0.0.7\", batch: true, .. })");
    }

    #[test]
    fn the_operator_is_named_as_the_file_says_or_not_at_all() {
        let nobody = resolved("", &[]).unwrap();
        assert_eq!((nobody.site, nobody.policies_dir), (Site::default(), None));
        let file = "[site]\noperator_name = \" Acme \"\nsecurity_contact = \"Safe@Acme.example\"\npolicies_dir = \"/etc/p\"\n";
        let named = resolved(file, &[("LEVQOR_SITE_CONTACT_EMAIL", "help@acme.example")]).unwrap();
        let expected = Site {
            operator_name: Some("Acme".to_owned()),
            contact_email: Some("help@acme.example".to_owned()),
            security_contact: Some("mailto:safe@acme.example".to_owned()),
            ..Site::default()
        };
        assert_eq!((named.site, named.policies_dir), (expected, Some(PathBuf::from("/etc/p"))));
    }

    #[test]
    fn production_takes_a_good_secret_before_a_weak_one() {
        let listed = "k3J9sPq0Zr7LmX2vBn8TfW4cYd6HgQ1u,weak";
        let config = resolved("", &[("LEVQOR_ENV", "production"), ("SECURITY_HMAC_SECRET", listed)]).unwrap();
        assert_eq!(config.hmac_secret, Some(Secret::new(listed)));
        assert!(resolved("", &[("SECURITY_HMAC_SECRET", "weak")]).is_ok(), "development is for trying");
    }

    #[test]
    fn a_file_may_bring_its_own_regions() {
        let file = "region = \"north\"\n[[regions]]\ncode = \"north\"\nname = \"North\"\ndescription = \"Oslo\"\njurisdiction = \"NO\"\n";
        let config = resolved(file, &[]).unwrap();
        assert_eq!((config.region.code.as_str(), config.regions.all().len()), ("north", 1));
    }
}
