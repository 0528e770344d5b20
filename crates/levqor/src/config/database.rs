//! Which database: SQLite in the data directory or for several nodes of one machine, or a PostgreSQL with or without a replica.

use std::path::PathBuf;

use levqor_store::{Place, PostgresOptions};

use super::Reader;

impl Reader<'_> {
    pub(super) fn database(&mut self) -> Option<Place> {
        let is_postgres =
            |url: &str| ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        let url = self.text("database.url").to_owned();
        let read_url = Some(self.text("database.read_url").to_owned()).filter(|url| !url.is_empty());
        if url.is_empty() {
            if read_url.is_some() {
                self.complain(
                    "database.read_url",
                    "is set, and database.url is empty: only a PostgreSQL has a replica",
                    "set database.url to the primary, or leave both empty for SQLite",
                );
            }
            return None;
        }
        let file = url.strip_prefix("sqlite://").map(PathBuf::from);
        if file.as_ref().is_some_and(|path| !path.is_absolute()) {
            self.complain(
                "database.url",
                "the file of a shared SQLite database has no absolute path",
                "write it like sqlite:///var/lib/levqor/shared.db, the same on all nodes of this machine",
            );
            return None;
        }
        if file.is_some() && read_url.is_some() {
            self.complain(
                "database.read_url",
                "is set, and database.url is a file: only a PostgreSQL has a replica",
                "leave database.read_url empty",
            );
        }
        if read_url.as_deref().is_some_and(|url| !is_postgres(url)) {
            self.complain(
                "database.read_url",
                "the value is no address of a PostgreSQL",
                "write it like postgres://user:password@host/database, or leave the key empty to read from the primary",
            );
        }
        if !is_postgres(&url) && file.is_none() {
            self.complain(
                "database.url",
                "the value is no address of a PostgreSQL",
                "write it like postgres://user:password@host1,host2/database, or leave the key empty for SQLite",
            );
            return None;
        }
        if self.text("security.hmac_secret").is_empty() {
            self.complain(
                "security.hmac_secret",
                "is empty, and database.url is set: all nodes of a database need the same secret",
                "set SECURITY_HMAC_SECRET to the same 32 or more random characters on each of them",
            );
        }
        let ca_file = Some(self.text("database.ca_file")).filter(|path| !path.is_empty()).map(PathBuf::from);
        Some(match file {
            Some(path) => Place::SharedFile(path),
            None => Place::Postgres(PostgresOptions { read_url, ca_file, ..PostgresOptions::new(url) }),
        })
    }
}
