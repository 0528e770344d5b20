//! Moves an installation from SQLite to PostgreSQL, all of it or nothing.
//!
//! ```text
//! look ─► both schemas up to date ─► BEGIN ─► copy each table ─► compare each table ─► caller's mark ─► COMMIT
//! ```
//!
//! Which tables there are is read from the source. Everything on the target is one transaction, which holds the lock of writers:
//! whoever is killed half way leaves an empty target, and nobody sees a half-filled one. The copy is read back and
//! compared value by value before it is committed. A row at a time is in memory, whatever the tables hold.
//!
//! The caller sees to it that nobody writes to the source meanwhile; what somebody does all the same is not seen: the source is
//! read as it was when the copy began. (`docs/decisions/0024-moving-to-postgresql.md`.)

mod compare;
mod copy;
mod error;
mod row;
mod sides;
mod sums;
mod tables;
#[cfg(test)]
mod tests;

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

pub use self::error::Failure;
use self::{sides::Sides, tables::Table};
use crate::{Error, PostgresOptions, Session, migrations};

/// Rows between two words about how far it is.
const ROWS_TOLD: u64 = 1_000;

/// The target's statements take as long as they take here, but whoever stands still between two of them is given up. Rows come by
/// an index; where there must be a sort all the same, its price must not make the server compile the statement.
const PATIENCE: &str =
    "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = '5min';
    SET LOCAL enable_sort = off; SET LOCAL jit = off";

/// What happens to texts with U+0000, which PostgreSQL does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zeros {
    #[default]
    Refuse,
    /// U+FFFD comes in its place, except in keys.
    Replace,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    pub zeros: Zeros,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    Copying { table: &'a str, rows: u64, of: u64 },
    Copied { table: &'a str, rows: u64 },
    Comparing { table: &'a str, rows: u64, of: u64 },
    Compared { table: &'a str, rows: u64 },
}

/// What a move would find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// The schema of the source; it is brought to `expected` first.
    pub source_schema: u32,
    /// 0: the target has no tables yet.
    pub target_schema: u32,
    pub expected: u32,
    /// Tables of the source and their rows.
    pub tables: Vec<(String, u64)>,
}

/// A table that is the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReport {
    pub table: String,
    pub rows: u64,
    /// Of values, without what the databases add.
    pub bytes: u64,
    /// Of all rows, as the target gives them, in the order of their keys.
    pub sha256: String,
    /// Zero when it was only compared.
    pub copied_in: Duration,
    pub compared_in: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub schema: u32,
    pub tables: Vec<TableReport>,
    /// Texts in which U+0000 was replaced.
    pub replaced: u64,
    /// Numbers that did not fit what they count in the source already, a sentence each.
    pub warnings: Vec<String>,
    pub elapsed: Duration,
}

/// What was counted of one table.
#[derive(Debug, Default)]
struct Tally {
    rows: u64,
    bytes: u64,
    replaced: u64,
    sha256: String,
}

impl Tally {
    fn add(&mut self, row: &[u8]) {
        self.rows += 1;
        self.bytes += row::fields(row).flatten().map(|field| field.len() as u64).sum::<u64>();
    }

    fn is_worth_a_word(&self) -> bool {
        self.rows.is_multiple_of(ROWS_TOLD)
    }
}

type Tell<'a> = &'a mut (dyn FnMut(Step<'_>) + Send);

/// Looks at both databases and changes neither. Blocking.
///
/// # Errors
/// What a move would refuse, as far as it can be seen without one.
pub fn look(from: &Path, to: &PostgresOptions) -> Result<Outlook, Failure> {
    apart(|| {
        let sides = Sides::look(from, to)?;
        sides.check_empty()?;
        let tables = counted(&sides.source, &sides.tables)?;
        let tables = tables.into_iter().map(|(table, rows)| (table.name.clone(), rows)).collect();
        Ok(Outlook {
            source_schema: sides.source_schema,
            target_schema: sides.target_schema,
            expected: migrations::expected(),
            tables,
        })
    })
}

/// Copies everything, compares it and commits it. `mark` is called when everything is there and right, before the commit.
/// Blocking.
///
/// # Errors
/// See [`Failure`]. But for [`Failure::OutcomeUnknown`] the target is then as empty as before.
pub fn copy(
    from: &Path,
    to: &PostgresOptions,
    options: Options,
    tell: Tell<'_>,
    mark: impl FnOnce() -> Result<(), String> + Send,
) -> Result<Report, Failure> {
    apart(|| {
        let begun = Instant::now();
        let sides = Sides::look(from, to)?;
        sides.check_empty()?;
        let sides = sides.bring_up_to_date(from)?;
        sides.target.begin().map_err(|error| sides.failed(error))?;
        let copied = within(&sides.source, Failure::Source, || {
            sides.target.settle(PATIENCE).map_err(|error| sides.failed(error))?;
            // Now that nobody else writes there.
            sides.check_empty()?;
            copy_all(&sides, options, tell)
        });
        let report = copied.and_then(|report| mark().map(|()| report).map_err(Failure::Mark));
        let report = match report {
            Ok(report) => report,
            Err(failure) => {
                // The connection may be what failed; then the server rolls back by itself.
                if sides.target.in_transaction() {
                    let _ = sides.target.roll_back();
                }
                return Err(failure);
            }
        };
        sides.target.commit().map_err(|error| match error {
            Error::Unavailable(reason) => Failure::OutcomeUnknown(reason),
            error => sides.failed(error),
        })?;
        sides.close();
        Ok(Report { elapsed: begun.elapsed(), ..report })
    })
}

/// Compares everything and changes nothing but that both schemas are brought up to date. Blocking.
///
/// # Errors
/// See [`Failure`].
pub fn compare(
    from: &Path,
    to: &PostgresOptions,
    options: Options,
    tell: Tell<'_>,
) -> Result<Report, Failure> {
    apart(|| {
        let begun = Instant::now();
        let sides = Sides::look(from, to)?;
        if sides.target_schema == 0 {
            return Err(Failure::NothingThere { place: sides.place });
        }
        let sides = sides.bring_up_to_date(from)?;
        let report = within(&sides.source, Failure::Source, || {
            within(
                &sides.target,
                |error| sides.failed(error),
                || {
                    sides.target.settle(PATIENCE).map_err(|error| sides.failed(error))?;
                    compare_all(&sides, &counted(&sides.source, &sides.tables)?, options, tell)
                },
            )
        })?;
        sides.close();
        Ok(Report { elapsed: begun.elapsed(), ..report })
    })
}

fn copy_all(sides: &Sides, options: Options, tell: Tell<'_>) -> Result<Report, Failure> {
    let counted = counted(&sides.source, &sides.tables)?;
    let mut spans = Vec::with_capacity(counted.len());
    for (table, of) in &counted {
        let begun = Instant::now();
        let tally = copy::table(&sides.source, &sides.target, table, *of, &options, tell)?;
        spans.push(begun.elapsed());
        tell(Step::Copied { table: &table.name, rows: tally.rows });
    }
    let mut report = compare_all(sides, &counted, options, tell)?;
    for (table, span) in report.tables.iter_mut().zip(spans) {
        table.copied_in = span;
    }
    Ok(report)
}

fn compare_all(
    sides: &Sides,
    counted: &[(&Table, u64)],
    options: Options,
    tell: Tell<'_>,
) -> Result<Report, Failure> {
    let mut reports = Vec::with_capacity(counted.len());
    let mut replaced = 0;
    for (table, of) in counted {
        let begun = Instant::now();
        let tally = compare::table(&sides.source, &sides.target, table, *of, &options, tell)?;
        tell(Step::Compared { table: &table.name, rows: tally.rows });
        replaced += tally.replaced;
        reports.push(TableReport {
            table: table.name.clone(),
            rows: tally.rows,
            bytes: tally.bytes,
            sha256: tally.sha256,
            copied_in: Duration::ZERO,
            compared_in: begun.elapsed(),
        });
    }
    let warnings = sums::check(&sides.target)
        .map_err(|error| Failure::Unread { table: "run_counts".to_owned(), error })?;
    let schema = migrations::expected();
    Ok(Report { schema, tables: reports, replaced, warnings, elapsed: Duration::ZERO })
}

fn counted<'a>(source: &Session, list: &'a [Table]) -> Result<Vec<(&'a Table, u64)>, Failure> {
    let count = |table: &'a Table| Ok((table, tables::count(source, table, None).map_err(Failure::Source)?));
    list.iter().map(count).collect()
}

/// All of `work` sees the same state of the database.
fn within<T>(
    session: &Session,
    failed: impl Fn(Error) -> Failure,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut outcome = None;
    session
        .snapshot(|| {
            outcome = Some(work());
            Ok(())
        })
        .map_err(&failed)?;
    outcome.unwrap_or_else(|| Err(failed(Error::Closed)))
}

/// The client of PostgreSQL waits by a runtime of its own, which must not be begun where another one works.
fn apart<T: Send>(work: impl FnOnce() -> Result<T, Failure> + Send) -> Result<T, Failure> {
    let defect = "the move failed inside; this is a defect of levqor";
    thread::scope(|scope| scope.spawn(work).join())
        .unwrap_or_else(|_| Err(Failure::Source(Error::Unavailable(defect.to_owned()))))
}
