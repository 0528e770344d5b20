//! Brings the schema up to date: each file of `migrations/` once, in order, whole or not at all.
//!
//! Only forward. What was applied is remembered with its SHA-256, so that a file that was changed afterwards is noticed
//! instead of leaving two databases with the same version and different schemas.

use sha2::{Digest, Sha256};

use crate::{Error, Session, params};

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    pub(crate) version: u32,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal),+ $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../migrations/", $name, ".sql")),
        }),+]
    };
}

/// All steps, oldest first. A released file is never edited; a change is a new file.
pub(crate) const MIGRATIONS: &[Migration] = migrations![
    1 "0001_core",
    2 "0002_events",
    3 "0003_secrets",
    4 "0004_archive",
    5 "0005_functions",
    6 "0006_own_functions",
    9 "0009_queue",
    14 "0014_ai_calls",
    15 "0015_event_sink",
    16 "0016_lost_events",
    17 "0017_nodes",
    18 "0018_regions",
    20 "0020_commits",
    21 "0021_audit",
    22 "0022_keyring",
    24 "0024_gateway",
    25 "0025_tamper",
    26 "0026_drift",
    27 "0027_identity",
    28 "0028_notifications",
    29 "0029_metrics",
    30 "0030_probes",
    31 "0031_alerts",
    32 "0032_incidents",
    33 "0033_status",
    34 "0034_jobs",
    35 "0035_business",
    36 "0036_calls",
    37 "0037_measured",
    38 "0038_node_load",
    39 "0039_heard",
    40 "0040_heard_by",
    41 "0041_node_lease",
    42 "0042_incident_heard_by",
];

/// The version that this build knows.
pub(crate) fn expected() -> u32 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// Applies what is missing.
pub(crate) fn migrate(session: &Session, migrations: &[Migration]) -> Result<(), Error> {
    let known = migrations.last().map_or(0, |migration| migration.version);
    let applied = applied(session)?;
    if let Some((found, _)) = applied.iter().find(|(version, _)| *version > known) {
        return Err(Error::Newer { found: *found, known });
    }
    for migration in migrations {
        if !is_applied(migration, &applied)? {
            apply(session, migration)?;
        }
    }
    Ok(())
}

/// The newest version that was applied; 0 for an empty database.
pub(crate) fn version(session: &Session) -> Result<u32, Error> {
    Ok(applied(session)?.last().map_or(0, |(version, _)| *version))
}

fn is_applied(migration: &Migration, applied: &[(u32, String)]) -> Result<bool, Error> {
    match applied.iter().find(|(version, _)| *version == migration.version) {
        Some((_, sum)) if *sum == checksum(migration) => Ok(true),
        Some(_) => Err(Error::MigrationChanged { name: migration.name.to_owned() }),
        None => Ok(false),
    }
}

/// Versions and checksums, oldest first.
fn applied(session: &Session) -> Result<Vec<(u32, String)>, Error> {
    if !session.has_migrations()? {
        return Ok(Vec::new());
    }
    session.rows("SELECT version, sha256 FROM migrations ORDER BY version", &[], |row| {
        Ok((row.take()?, row.take()?))
    })
}

fn apply(session: &Session, migration: &Migration) -> Result<(), Error> {
    session.begin()?;
    let result = apply_within(session, migration);
    if result.is_ok() {
        return session.commit();
    }
    if session.in_transaction() {
        session.roll_back()?;
    }
    result
}

fn apply_within(session: &Session, migration: &Migration) -> Result<(), Error> {
    // Two processes may start at once: the second finds the work done when it gets the lock.
    if is_applied(migration, &applied(session)?)? {
        return Ok(());
    }
    session.change_schema(migration.sql)?;
    session
        .execute(
            "INSERT INTO migrations (version, name, sha256) VALUES ($1, $2, $3)",
            params![migration.version, migration.name, checksum(migration)],
        )
        .map(drop)
}

fn checksum(migration: &Migration) -> String {
    Sha256::digest(migration.sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
