//! What there is to copy: read from the source's own schema, so that a later table is not forgotten, and held against the target's.

use std::collections::{BTreeMap, BTreeSet};

use super::Failure;
use crate::{Error, Session, params};

/// Each database has its own record of what was applied to it.
const OWN: &str = "migrations";

/// What its connections have committed is a database's own, too.
const COMMITS: &str = "commits";

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bigint,
    Boolean,
    Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    nullable: bool,
}

/// A table, its columns in the order in which they travel: those of the primary key first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// How many of the columns are the key.
    pub(super) key: usize,
    /// Tables that must be filled before.
    references: BTreeSet<String>,
}

impl Kind {
    /// By the words of the migrations, and by PostgreSQL's for them.
    fn parse(declared: &str) -> Option<Self> {
        match declared {
            "text" => Some(Kind::Text),
            "bigint" | "integer" => Some(Kind::Bigint),
            "boolean" => Some(Kind::Boolean),
            "blob" | "bytea" => Some(Kind::Bytes),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Bigint => "bigint",
            Kind::Boolean => "boolean",
            Kind::Bytes => "bytes",
        }
    }
}

#[cfg(test)]
impl Column {
    pub(super) fn is_nullable(&self) -> bool {
        self.nullable
    }
}

impl Table {
    /// The columns as both databases take them in a statement.
    pub(super) fn column_list(&self) -> String {
        list(&self.columns)
    }

    /// All rows by their key: both databases compare texts byte by byte, so both give the same order.
    pub(super) fn select(&self) -> String {
        let key = list(self.columns.get(..self.key).unwrap_or_default());
        format!("SELECT {} FROM {} ORDER BY {key}", self.column_list(), quoted(&self.name))
    }

    pub(super) fn quoted(&self) -> String {
        quoted(&self.name)
    }
}

fn list(columns: &[Column]) -> String {
    columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
}

/// Some names of ours, such as `key`, are words of SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// The tables of a SQLite file, those first that others refer to.
pub(super) fn of_source(session: &Session) -> Result<Vec<Table>, Failure> {
    let names: Vec<String> = session
        .rows(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
             ORDER BY name LIMIT 10000",
            &[],
            |row| row.take(),
        )
        .map_err(Failure::Source)?;
    let tables = names
        .into_iter()
        .filter(|name| name != OWN && name != COMMITS)
        .map(|name| of_table(session, name))
        .collect::<Result<Vec<_>, _>>()?;
    in_order(tables)
}

fn of_table(session: &Session, name: String) -> Result<Table, Failure> {
    check_name(&name)?;
    let found: Vec<(String, String, bool, i64)> = session
        .rows(
            "SELECT name, lower(type), \"notnull\", pk FROM pragma_table_info($1) ORDER BY cid LIMIT 10000",
            params![name],
            |row| Ok((row.take()?, row.take()?, row.take()?, row.take()?)),
        )
        .map_err(Failure::Source)?;
    let mut columns = Vec::with_capacity(found.len());
    for (column, declared, is_set, place) in found {
        check_name(&column)?;
        let kind = Kind::parse(&declared).ok_or_else(|| {
            Failure::SchemasDiffer(format!("column {name}.{column} of the source is of type {declared:?}"))
        })?;
        columns.push((place, Column { name: column, kind, nullable: !is_set }));
    }
    let key = columns.iter().filter(|(place, _)| *place > 0).count();
    if key == 0 {
        return Err(Failure::SchemasDiffer(format!("table {name} of the source has no primary key")));
    }
    columns.sort_by_key(|(place, _)| if *place == 0 { i64::MAX } else { *place });
    let references = session
        .rows(
            "SELECT DISTINCT \"table\" FROM pragma_foreign_key_list($1) ORDER BY 1 LIMIT 10000",
            params![name],
            |row| row.take(),
        )
        .map_err(Failure::Source)?;
    let references = references.into_iter().filter(|other: &String| *other != name).collect();
    Ok(Table { name, columns: columns.into_iter().map(|(_, column)| column).collect(), key, references })
}

/// Ours are put into statements as they are.
fn check_name(name: &str) -> Result<(), Failure> {
    if !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    {
        Ok(())
    } else {
        Err(Failure::SchemasDiffer(format!("{name:?} in the source is not a name of ours")))
    }
}

/// By name, but never before a table that is referred to.
fn in_order(mut left: Vec<Table>) -> Result<Vec<Table>, Failure> {
    let mut ordered: Vec<Table> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let open: BTreeSet<String> = left.iter().map(|table| table.name.clone()).collect();
        let (ready, waiting): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|table| table.references.is_disjoint(&open));
        if ready.is_empty() {
            let names: Vec<_> = waiting.iter().map(|table| table.name.as_str()).collect();
            return Err(Failure::SchemasDiffer(format!(
                "tables of the source refer to each other: {}",
                names.join(", ")
            )));
        }
        ordered.extend(ready);
        left = waiting;
    }
    Ok(ordered)
}

/// Tables in the schema that a PostgreSQL connection works in.
pub(super) fn names_in_target(session: &Session) -> Result<Vec<String>, Error> {
    session.rows(
        "SELECT CAST(tablename AS text) FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1 LIMIT 10000",
        &[],
        |row| row.take(),
    )
}

/// Whether the `migrations` there is one of ours.
pub(super) fn has_own_record(session: &Session) -> Result<bool, Error> {
    let columns = columns_of_target(session)?;
    let own = columns.iter().filter(|column| column.table == OWN);
    let names: BTreeSet<&str> = own.map(|column| column.name.as_str()).collect();
    Ok(["version", "name", "sha256"].iter().all(|name| names.contains(name)))
}

/// A column of the target, its type in PostgreSQL's words.
struct TargetColumn {
    table: String,
    name: String,
    declared: String,
    nullable: bool,
}

/// From the catalog itself: the `information_schema` took half a minute.
fn columns_of_target(session: &Session) -> Result<Vec<TargetColumn>, Error> {
    session.rows(
        "SELECT CAST(c.relname AS text), CAST(a.attname AS text), format_type(a.atttypid, a.atttypmod), NOT a.attnotnull
         FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = current_schema()
             JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relkind IN ('r', 'p') ORDER BY 1, a.attnum LIMIT 100000",
        &[],
        |row| {
            Ok(TargetColumn {
                table: row.take()?,
                name: row.take()?,
                declared: row.take()?,
                nullable: row.take()?,
            })
        },
    )
}

/// Columns of a table whose numbers the target gives.
pub(super) fn given_numbers(session: &Session, table: &Table) -> Result<Vec<String>, Error> {
    session.rows(
        "SELECT CAST(a.attname AS text)
         FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = current_schema()
             JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relname = $1 AND a.attidentity <> '' ORDER BY 1 LIMIT 10",
        params![table.name],
        |row| row.take(),
    )
}

/// Columns of the target by table and name: type, whether it may be null.
type Found = BTreeMap<String, BTreeMap<String, (String, bool)>>;

/// The first difference between the two schemas is a refusal.
pub(super) fn check_target(session: &Session, tables: &[Table]) -> Result<(), Failure> {
    let mut found = Found::new();
    let columns = columns_of_target(session)
        .map_err(|error| Failure::SchemasDiffer(format!("the target's cannot be read ({error})")))?;
    for TargetColumn { table, name, declared, nullable } in columns {
        found.entry(table).or_default().insert(name, (declared, nullable));
    }
    found.remove(OWN);
    found.remove(COMMITS);
    match tables.iter().find_map(|table| difference(table, found.remove(&table.name))) {
        Some(difference) => Err(Failure::SchemasDiffer(difference)),
        None => match found.into_keys().next() {
            Some(table) => Err(Failure::SchemasDiffer(format!("table {table} is in the target only"))),
            None => Ok(()),
        },
    }
}

fn difference(table: &Table, found: Option<BTreeMap<String, (String, bool)>>) -> Option<String> {
    let Some(mut found) = found else { return Some(format!("table {} is in the source only", table.name)) };
    for column in &table.columns {
        let name = format!("column {}.{}", table.name, column.name);
        let Some((declared, nullable)) = found.remove(&column.name) else {
            return Some(format!("{name} is in the source only"));
        };
        if Kind::parse(&declared) != Some(column.kind) {
            return Some(format!(
                "{name} is {} in the source and {declared} in the target",
                column.kind.name()
            ));
        }
        if nullable != column.nullable {
            return Some(format!("{name} may be null on one side only"));
        }
    }
    found.into_keys().next().map(|column| format!("column {}.{column} is in the target only", table.name))
}

/// Rows of a table; no more are counted than `most`.
pub(super) fn count(session: &Session, table: &Table, most: Option<u64>) -> Result<u64, Error> {
    let sql = match most {
        Some(most) => {
            format!("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT {most}) AS found", table.quoted())
        }
        None => format!("SELECT count(*) FROM {}", table.quoted()),
    };
    let mut found: i64 = 0;
    session.each_row_of_text(&sql, |row| {
        found = row.take()?;
        Ok(false)
    })?;
    Ok(found.unsigned_abs())
}
