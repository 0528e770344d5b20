//! How to reach the server.

use std::time::Duration;

use postgres::{
    Client, Config, NoTls,
    config::{SslMode, TargetSessionAttrs},
};

use crate::Error;

/// The oldest server, by its own number.
const VERSION_MIN: u32 = 150_000;
/// For each of the hosts.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A host that is gone without a word is given up after this long.
const SILENCE: Duration = Duration::from_secs(5);

/// No statement of ours takes long, and no transaction stands still: whoever stops in the midst of one, with the lock that
/// all others wait for, loses it.
const SETTINGS: &str = "SET statement_timeout = '30s'; SET lock_timeout = '10s'; \
    SET idle_in_transaction_session_timeout = '2s'; SET client_min_messages = warning; SET timezone = 'UTC'";

/// Reads the URL.
pub(super) fn config(url: &str) -> Result<Config, Error> {
    let mut config: Config = url.parse().map_err(|error: postgres::Error| {
        let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        open_error(format!(
            "database.url cannot be read: {reason}; it is postgres://user:password@host/database"
        ))
    })?;
    if config.get_dbname().is_none() {
        return Err(open_error(
            "database.url names no database; put its name behind the host: postgres://host/levqor",
        ));
    }
    if config.get_ssl_mode() == SslMode::Require {
        return Err(open_error(
            "database.url asks for TLS, which this build does not speak to databases yet",
        ));
    }
    config
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_user_timeout(SILENCE)
        .keepalives_idle(SILENCE)
        .ssl_mode(SslMode::Disable);
    if config.get_application_name().is_none() {
        config.application_name("levqor");
    }
    Ok(config)
}

pub(super) fn connect(config: &Config) -> Result<Client, Error> {
    let mut client = config.connect(NoTls)?;
    client.batch_execute(SETTINGS)?;
    Ok(client)
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
