//! How to reach the server, and whether it is one that we can use.

use std::{net::IpAddr, path::Path, sync::Arc, time::Duration};

use postgres::{
    Client, Config,
    config::{Host, SslMode, TargetSessionAttrs},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresOptions;
use crate::Error;

/// The oldest server, by its own number.
const VERSION_MIN: u32 = 150_000;
/// For each of the hosts.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A host that is gone without a word is given up after this long.
const SILENCE: Duration = Duration::from_secs(5);

/// No statement of ours takes long, and no transaction stands still: whoever stops in the midst of one, with the lock that
/// all others wait for, loses it. That is soon enough for the others to stay ready meanwhile, though a node that is cut off
/// may hold the lock twice in a row: for a batch of writes, and for the renewal of its lease that comes next.
const SETTINGS: &str = "SET statement_timeout = '30s'; SET lock_timeout = '10s'; \
    SET idle_in_transaction_session_timeout = '1s'; SET client_min_messages = warning; SET timezone = 'UTC'";

/// Where to connect, and whom to trust there.
#[derive(Clone)]
pub(crate) struct Way {
    config: Config,
    tls: MakeRustlsConnect,
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
        Self::by(config, options)
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
        Self::by(config, options).map(Some)
    }

    fn by(mut config: Config, options: &PostgresOptions) -> Result<Self, Error> {
        if config.get_ssl_mode() == SslMode::Prefer {
            let is_here = config.get_hosts().iter().all(is_here);
            config.ssl_mode(if is_here { SslMode::Disable } else { SslMode::Require });
        }
        config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(SILENCE).keepalives_idle(SILENCE);
        if config.get_application_name().is_none() {
            config.application_name("levqor");
        }
        Ok(Self { config, tls: MakeRustlsConnect::new(trust(options.ca_file.as_deref())?) })
    }

    pub(super) fn connect(&self) -> Result<Client, Error> {
        let mut client = self.config.connect(self.tls.clone())?;
        client.batch_execute(SETTINGS)?;
        Ok(client)
    }
}

fn parse(name: &str, url: &str) -> Result<Config, Error> {
    let config: Config = url.parse().map_err(|error: postgres::Error| {
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
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(place, host)| {
        let host = match host {
            Host::Tcp(name) if name.contains(':') => format!("[{name}]"),
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        // One port is meant for all.
        match ports.get(place).or(ports.first()) {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    });
    let hosts: Vec<_> = hosts.collect();
    let user = config.get_user().map_or(String::new(), |user| format!("{user}@"));
    format!("postgres://{user}{}/{}", hosts.join(","), config.get_dbname().unwrap_or_default())
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
    }
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
