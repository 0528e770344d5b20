//! The two databases: opens them and says what is wrong with them.

use std::path::Path;

use super::{
    Failure,
    tables::{self, Table},
};
use crate::{
    Error, PostgresOptions, Session,
    migrations::{self, MIGRATIONS},
    postgres,
    sqlite::{self, Sqlite},
};

/// Rows that are counted to say that a table is not empty, and tables that are named.
const COUNTED: u64 = 100_000;
const NAMED: usize = 6;

/// A file of ours, and a server and a database that we can use.
#[derive(Debug)]
pub(super) struct Sides {
    pub(super) source: Session,
    pub(super) target: Session,
    /// Those of the source.
    pub(super) tables: Vec<Table>,
    pub(super) source_schema: u32,
    /// 0: there are no tables.
    pub(super) target_schema: u32,
    /// The target for people.
    pub(super) place: String,
}

impl Sides {
    /// Nothing is changed in either.
    pub(super) fn look(from: &Path, to: &PostgresOptions) -> Result<Self, Failure> {
        let expected = migrations::expected();
        let place = to.shown();
        let failed = |error| Failure::Target { place: place.clone(), error };
        let source = look_at_source(from)?;
        let source_schema = migrations::version(&source).map_err(Failure::Source)?;
        if source_schema > expected {
            return Err(Failure::Source(Error::Newer { found: source_schema, known: expected }));
        }
        let target = postgres::look(to).map_err(failed)?;
        let there = tables::names_in_target(&target).map_err(failed)?;
        if !there.is_empty() && !tables::has_own_record(&target).map_err(failed)? {
            let shown: Vec<_> = there.into_iter().take(NAMED).collect();
            return Err(Failure::Foreign { place, tables: shown.join(", ") });
        }
        let target_schema = migrations::version(&target).map_err(failed)?;
        if target_schema > expected {
            return Err(failed(Error::Newer { found: target_schema, known: expected }));
        }
        let tables = tables::of_source(&source)?;
        if source_schema == expected && target_schema == expected {
            tables::check_target(&target, &tables)?;
        }
        Ok(Self { source, target, tables, source_schema, target_schema, place })
    }

    /// The schemas of both are that of this build, then.
    pub(super) fn bring_up_to_date(self, from: &Path) -> Result<Self, Failure> {
        drop(self.source);
        let (_, source, _) = Sqlite::open(Some(from), 1, MIGRATIONS).map_err(Failure::Source)?;
        migrations::migrate(&self.target, MIGRATIONS)
            .map_err(|error| Failure::Target { place: self.place.clone(), error })?;
        let tables = tables::of_source(&source)?;
        tables::check_target(&self.target, &tables)?;
        let expected = migrations::expected();
        Ok(Self { source, tables, source_schema: expected, target_schema: expected, ..self })
    }

    /// A refusal that says what is in the target, unless nothing is.
    pub(super) fn check_empty(&self) -> Result<(), Failure> {
        let failed = |error| self.failed(error);
        let there = tables::names_in_target(&self.target).map_err(failed)?;
        let mut filled = Vec::new();
        for table in self.tables.iter().filter(|table| there.contains(&table.name)) {
            let rows = tables::count(&self.target, table, Some(COUNTED + 1)).map_err(failed)?;
            if rows > COUNTED {
                filled.push(format!("{} (rows: more than {COUNTED})", table.name));
            } else if rows > 0 {
                filled.push(format!("{} (rows: {rows})", table.name));
            }
        }
        if filled.is_empty() {
            return Ok(());
        }
        let more = filled.len().saturating_sub(NAMED);
        filled.truncate(NAMED);
        if more > 0 {
            filled.push(format!("and {more} more tables"));
        }
        Err(Failure::NotEmpty { place: self.place.clone(), tables: filled.join(", ") })
    }

    pub(super) fn failed(&self, error: Error) -> Failure {
        Failure::Target { place: self.place.clone(), error }
    }

    pub(super) fn close(self) {
        self.target.close();
        self.source.close();
    }
}

fn look_at_source(path: &Path) -> Result<Session, Failure> {
    let not_ours = |reason: String| Failure::NotOurs { path: path.to_owned(), reason };
    match path.metadata() {
        Err(error) => return Err(not_ours(format!("the file cannot be read: {error}"))),
        Ok(found) if !found.is_file() => return Err(not_ours("it is not a file".to_owned())),
        Ok(found) if found.len() == 0 => return Err(not_ours("it is empty".to_owned())),
        Ok(_) => {}
    }
    let session = sqlite::look(path).map_err(|error| match error {
        Error::Corrupt(reason) => not_ours(reason),
        other => Failure::Source(other),
    })?;
    if session.has_migrations().map_err(Failure::Source)? {
        Ok(session)
    } else {
        Err(not_ours("there are no tables in it".to_owned()))
    }
}
