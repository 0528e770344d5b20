//! Brings the schema up to date: each file of `migrations/` once, in order, whole or not at all.
//!
//! Only forward. What was applied is remembered with its SHA-256, so that a file that was changed afterwards is noticed
//! instead of leaving two databases with the same version and different schemas.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use crate::Error;

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
            sql: include_str!(concat!("../../migrations/", $name, ".sql")),
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
];

/// The version that this build knows.
pub(crate) fn expected() -> u32 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// Applies what is missing.
pub(super) fn migrate(connection: &Connection, migrations: &[Migration]) -> Result<(), Error> {
    let known = migrations.last().map_or(0, |migration| migration.version);
    let applied = applied(connection)?;
    if let Some((found, _)) = applied.iter().find(|(version, _)| *version > known) {
        return Err(Error::Newer { found: *found, known });
    }
    for migration in migrations {
        match applied.iter().find(|(version, _)| *version == migration.version) {
            Some((_, sum)) if *sum == checksum(migration) => {}
            Some(_) => return Err(Error::MigrationChanged { name: migration.name.to_owned() }),
            None => apply(connection, migration)?,
        }
    }
    Ok(())
}

/// The newest version that was applied; 0 for an empty database.
pub(super) fn version(connection: &Connection) -> Result<u32, Error> {
    Ok(applied(connection)?.last().map_or(0, |(version, _)| *version))
}

/// Versions and checksums, oldest first.
fn applied(connection: &Connection) -> Result<Vec<(u32, String)>, Error> {
    let exists: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations')",
        [],
        |row| row.get(0),
    )?;
    if !exists {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare("SELECT version, sha256 FROM migrations ORDER BY version")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn apply(connection: &Connection, migration: &Migration) -> Result<(), Error> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let result = apply_within(connection, migration);
    if result.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    result
}

fn apply_within(connection: &Connection, migration: &Migration) -> Result<(), Error> {
    // Two processes may start at once: the second finds the work done when it gets the lock.
    if let Some((_, sum)) = applied(connection)?.iter().find(|(version, _)| *version == migration.version) {
        connection.execute_batch("ROLLBACK")?;
        return if *sum == checksum(migration) {
            Ok(())
        } else {
            Err(Error::MigrationChanged { name: migration.name.to_owned() })
        };
    }
    connection.execute_batch(migration.sql)?;
    connection.execute(
        "INSERT INTO migrations (version, name, sha256) VALUES (?1, ?2, ?3)",
        (migration.version, migration.name, checksum(migration)),
    )?;
    connection.execute_batch("COMMIT")?;
    Ok(())
}

fn checksum(migration: &Migration) -> String {
    Sha256::digest(migration.sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
