//! How to reach the server, and whether it is one that we can use.

use std::{net::IpAddr, path::Path, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_postgres::{
    Config,
    config::{Host, SslMode, TargetSessionAttrs},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{PostgresOptions, client::Client, server::Server};
use crate::Error;

/// The oldest server, by its own number.
const VERSION_MIN: u32 = 150_000;
/// A host that is gone without a word is given up after this long.
const SILENCE: Duration = Duration::from_secs(5);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(1);

/// Where to connect, and whom to trust there.
#[derive(Clone)]
pub(crate) struct Way {
    /// In the order of the URL.
    servers: Vec<Server>,
}

/// The settings may hold a password.
impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way").finish_non_exhaustive()
    }
}

impl Way {
    /// Without a word about TLS in the URL, servers elsewhere must show a certificate that holds, and those on this machine need none.
    pub(super) fn new(options: &PostgresOptions) -> Result<Self, Error> {
        let mut config = parse("database.url", &options.url)?;
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        Self::by("database.url", config, options)
    }

    /// To the replica, whatever is found there. None: there is none.
    ///
    /// One host only: what was found out about it must be true of each connection.
    pub(super) fn near(options: &PostgresOptions) -> Result<Option<Self>, Error> {
        let Some(url) = &options.read_url else { return Ok(None) };
        let mut config = parse("database.read_url", url)?;
        if config.get_hosts().len() > 1 {
            return Err(open_error("database.read_url names several hosts; name the one that is nearest"));
        }
        config.target_session_attrs(TargetSessionAttrs::Any);
        Self::by("database.read_url", config, options).map(Some)
    }

    fn by(name: &str, mut config: Config, options: &PostgresOptions) -> Result<Self, Error> {
        if config.get_ssl_mode() == SslMode::Prefer {
            config.ssl_mode(if is_here(&config) { SslMode::Disable } else { SslMode::Require });
        }
        config.tcp_user_timeout(SILENCE).keepalives_idle(SILENCE).keepalives_interval(KEEPALIVE_EVERY);
        if config.get_application_name().is_none() {
            config.application_name("levqor");
        }
        let tls = MakeRustlsConnect::new(trust(options.ca_file.as_deref())?);
        let servers = each(name, &config)?.into_iter().map(|config| Server::new(config, tls.clone()));
        Ok(Self { servers: servers.collect() })
    }

    /// To the first server that takes us.
    ///
    /// # Errors
    /// When none does; what they said.
    pub(super) fn connect(&self) -> Result<Client, Error> {
        Client::new(&self.servers)
    }
}

/// The same settings for each of the hosts alone.
fn each(name: &str, config: &Config) -> Result<Vec<Config>, Error> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let count = hosts.len().max(addresses.len());
    if count == 0 {
        return Err(open_error(format!(
            "{name} names no host; it is postgres://user:password@host/database"
        )));
    }
    if !addresses.is_empty() && !hosts.is_empty() && addresses.len() != hosts.len() {
        return Err(open_error(format!(
            "{name} names as many hosts as hostaddrs, or only one of both; {} and {} are given",
            hosts.len(),
            addresses.len()
        )));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(open_error(format!(
            "{name} names one port for all hosts, or one for each; {} are given for {count}",
            ports.len()
        )));
    }
    let one = |place: usize| {
        let mut one = Config::new();
        one.ssl_mode(config.get_ssl_mode())
            .ssl_negotiation(config.get_ssl_negotiation())
            .channel_binding(config.get_channel_binding())
            .target_session_attrs(config.get_target_session_attrs())
            .load_balance_hosts(config.get_load_balance_hosts())
            .keepalives(config.get_keepalives())
            .keepalives_idle(config.get_keepalives_idle());
        match hosts.get(place) {
            Some(Host::Tcp(name)) => {
                one.host(name);
            }
            Some(Host::Unix(path)) => {
                one.host_path(path);
            }
            None => {}
        }
        if let Some(address) = addresses.get(place) {
            one.hostaddr(*address);
        }
        if let Some(port) = ports.get(place).or(ports.first()) {
            one.port(*port);
        }
        config.get_user().map(|user| one.user(user));
        config.get_password().map(|password| one.password(password));
        config.get_dbname().map(|name| one.dbname(name));
        config.get_options().map(|options| one.options(options));
        config.get_application_name().map(|name| one.application_name(name));
        config.get_connect_timeout().map(|span| one.connect_timeout(*span));
        config.get_tcp_user_timeout().map(|span| one.tcp_user_timeout(*span));
        config.get_keepalives_interval().map(|span| one.keepalives_interval(span));
        config.get_keepalives_retries().map(|times| one.keepalives_retries(times));
        one
    };
    Ok((0..count).map(one).collect())
}

fn parse(name: &str, url: &str) -> Result<Config, Error> {
    let config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
        let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        open_error(format!("{name} cannot be read: {reason}; it is postgres://user:password@host/database"))
    })?;
    if config.get_dbname().is_none() {
        return Err(open_error(format!(
            "{name} names no database; put its name behind the host: postgres://host/levqor"
        )));
    }
    Ok(config)
}

/// Where a URL leads, without its password and its settings.
pub(super) fn shown(url: &str) -> String {
    let Ok(config) = url.parse::<Config>() else { return "PostgreSQL".to_owned() };
    let user = config.get_user().map_or(String::new(), |user| format!("{user}@"));
    format!("postgres://{user}{}/{}", hosts_of(&config), config.get_dbname().unwrap_or_default())
}

/// `host:port`, with commas between several.
pub(super) fn hosts_of(config: &Config) -> String {
    let ports = config.get_ports();
    let named = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) if name.contains(':') => format!("[{name}]"),
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    });
    let mut hosts: Vec<_> = named.collect();
    if hosts.is_empty() {
        hosts.extend(config.get_hostaddrs().iter().map(ToString::to_string));
    }
    let shown = hosts.into_iter().enumerate().map(|(place, host)| {
        // One port is meant for all.
        match ports.get(place).or(ports.first()) {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    });
    shown.collect::<Vec<_>>().join(",")
}

/// Whether nothing leaves this machine.
fn is_here(config: &Config) -> bool {
    let is_local = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
    };
    config.get_hosts().iter().all(is_local) && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// The certificates in the file, or those that the system trusts.
fn trust(ca_file: Option<&Path>) -> Result<ClientConfig, Error> {
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let failed = |error: rustls::Error| open_error(format!("TLS cannot be set up: {error}"));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let Some(path) = ca_file else {
        return Ok(builder.with_platform_verifier().map_err(failed)?.with_no_client_auth());
    };
    let unread = |reason: String| {
        open_error(format!(
            "database.ca_file {}: {reason}; it holds certificates in PEM form",
            path.display()
        ))
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unread(error.to_string()))?;
    for certificate in certificates {
        roots
            .add(certificate.map_err(|error| unread(error.to_string()))?)
            .map_err(|error| unread(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unread("there is no certificate in it".to_owned()));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Whether it is a server, and a database, that we can use.
pub(super) fn check(session: &crate::Session) -> Result<(), Error> {
    let version: Option<String> = session.scalar("SELECT current_setting('server_version_num')", &[])?;
    let number: u32 = version.and_then(|text| text.parse().ok()).unwrap_or_default();
    if number < VERSION_MIN {
        return Err(open_error(format!(
            "the server's version is {}.{}; PostgreSQL {} or later is needed",
            number / 10_000,
            number % 10_000,
            VERSION_MIN / 10_000
        )));
    }
    let encoding: Option<String> = session.scalar("SELECT current_setting('server_encoding')", &[])?;
    match encoding.as_deref() {
        Some("UTF8") => Ok(()),
        other => Err(open_error(format!(
            "the database's encoding is {}; make one by CREATE DATABASE levqor ENCODING 'UTF8' TEMPLATE template0",
            other.unwrap_or("not known")
        ))),
    }
}

fn open_error(reason: impl Into<String>) -> Error {
    Error::Open { path: "PostgreSQL".to_owned(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_gets_all_settings() {
        let settings = "user=u password=p dbname=d options='-c a=b' application_name=n sslmode=require \
            sslnegotiation=direct channel_binding=require target_session_attrs=read-write load_balance_hosts=random \
            connect_timeout=3 tcp_user_timeout=4 keepalives=0 keepalives_idle=5 keepalives_interval=6 keepalives_retries=7";
        let of = |hosts: &str| format!("{settings} {hosts}").parse::<Config>().unwrap();
        let both = each("database.url", &of("host=a,/b hostaddr=10.0.0.1,10.0.0.2 port=1,2")).unwrap();
        assert_eq!(both, [of("host=a hostaddr=10.0.0.1 port=1"), of("host=/b hostaddr=10.0.0.2 port=2")]);
        assert_eq!(each("database.url", &of("host=a,b port=1")).unwrap()[1], of("host=b port=1"));
    }

    #[test]
    fn only_what_stays_on_this_machine_goes_without_tls() {
        for (hosts, expected) in [
            ("host=localhost", true),
            ("host=127.0.0.1,/run/postgresql", true),
            ("host=db.example", false),
            ("host=localhost,10.0.0.1", false),
            ("hostaddr=127.0.0.1", true),
            ("hostaddr=10.0.0.1", false),
            ("host=localhost hostaddr=10.0.0.1", false),
        ] {
            assert_eq!(is_here(&hosts.parse().unwrap()), expected, "{hosts}");
        }
    }

    #[test]
    fn numbers_of_hosts_and_ports_that_do_not_fit_are_refused() {
        for (hosts, named) in [
            ("dbname=d", "names no host"),
            ("host=a,b,c port=1,2", "2 are given for 3"),
            ("host=a,b hostaddr=10.0.0.1", "2 and 1 are given"),
        ] {
            let error = each("database.url", &hosts.parse().unwrap()).unwrap_err().to_string();
            assert!(error.contains("database.url") && error.contains(named), "{error}");
        }
    }
}
