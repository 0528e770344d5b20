//! Lists of runs: by keyset over the time-ordered ids, narrow rows only, those that live and those of the archive merged.

use levqor_model::{AccountId, Random, RunId, RunStatus, Timestamp};

use super::{Run, RunFilter, columns, unreadable::PASSED_OVER_MAX};
use crate::{
    Error, Store, params,
    value::{Param, Value},
};

/// How far an id's time may be from the run's `created_at`.
const ID_SLACK_MICROS: i64 = 60 * 60 * 1_000_000;

impl Store {
    /// Newest first, by keyset; narrow rows only. Both ends of the time filter are included. Rows that cannot be read are
    /// left out, and the log is told.
    pub async fn runs_of(
        &self,
        account: Option<AccountId>,
        filter: RunFilter,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, Error> {
        let (runs, unreadable) = self
            .view(move |session| {
                let range = IdRange::new(&filter, before);
                let rows_max = limit.saturating_add(PASSED_OVER_MAX);
                let mut unreadable = Vec::new();
                let mut of = |table: Table| {
                    if !table.may_hold(filter.status) {
                        return Ok(Vec::new());
                    }
                    let (sql, values) = list(table, account.as_ref(), &filter, &range, &rows_max);
                    session.some_rows_of_text(&sql, &values, limit, |row| {
                        Run::read_or_note(row, &mut unreadable)
                    })
                };
                // At one moment: a run may be moved meanwhile.
                let (hot, archived) = session.snapshot(|| Ok((of(Table::Hot)?, of(Table::Archive)?)))?;
                Ok((merge(hot, archived, limit), unreadable))
            })
            .await?;
        self.unreadable_told.tell(&unreadable);
        Ok(runs)
    }

    /// Runs that were started by a `run: workflow` task of `parent` and have not ended. Rows that cannot be read are left
    /// out, and the log is told.
    pub async fn children_of(
        &self,
        parent: RunId,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, Error> {
        let after = after.map_or_else(String::new, |run| run.to_string());
        let (runs, unreadable) = self
            .read(move |session| {
                let mut unreadable = Vec::new();
                let runs = session.some_rows(
                    concat!(
                        "SELECT ",
                        columns!(),
                        " FROM runs WHERE parent_run_id IS NOT NULL AND parent_run_id = $1 AND ended_at IS NULL
                             AND run_id > $2
                         ORDER BY run_id LIMIT $3"
                    ),
                    params![parent, after, limit.saturating_add(PASSED_OVER_MAX)],
                    limit,
                    |row| Run::read_or_note(row, &mut unreadable),
                )?;
                Ok((runs, unreadable))
            })
            .await?;
        self.unreadable_told.tell(&unreadable);
        Ok(runs)
    }
}

/// Which rows a statement reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// Runs that live, and a few that have just ended.
    Hot,
    Archive,
}

impl Table {
    fn may_hold(self, status: Option<RunStatus>) -> bool {
        self == Table::Hot || status.is_none_or(RunStatus::is_ended)
    }

    const fn name(self) -> &'static str {
        match self {
            Table::Hot => "runs",
            Table::Archive => "archived_runs",
        }
    }
}

/// Both newest first; the newest of them.
fn merge(first: Vec<Run>, second: Vec<Run>, limit: usize) -> Vec<Run> {
    let (mut first, mut second) = (first.into_iter().peekable(), second.into_iter().peekable());
    let mut merged = Vec::new();
    while merged.len() < limit {
        let from_first = match (first.peek(), second.peek()) {
            (Some(one), Some(other)) => one.id > other.id,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => break,
        };
        merged.extend(if from_first { first.next() } else { second.next() });
    }
    merged
}

/// The statement of a list and its values.
pub(crate) fn list<'a>(
    table: Table,
    account: Option<&'a AccountId>,
    filter: &'a RunFilter,
    range: &'a IdRange,
    limit: &'a usize,
) -> (String, Vec<Value<'a>>) {
    let mut terms = Terms::default();
    if let Some(account) = account {
        if filter.workflow_id.is_some() && filter.status.is_none() {
            // The workflow decides; the account is only checked, and must not lead to its longer index.
            terms.add("(account_id || '') =", account.value());
        } else {
            terms.add("account_id =", account.value());
        }
    }
    if let Some(workflow) = &filter.workflow_id {
        terms.add("workflow_id =", workflow.value());
    }
    if let Some(status) = &filter.status {
        terms.add("status =", status.value());
        if table == Table::Hot && account.is_none() && !status.is_ended() {
            // Leads to the index of live runs.
            terms.conditions.push("ended_at IS NULL".to_owned());
        }
    }
    if let Some(region) = &filter.region {
        terms.add("region =", region.value());
    }
    if let Some(from) = &filter.created_from {
        terms.add("created_at >=", from.value());
    }
    if let Some(until) = &filter.created_until {
        terms.add("created_at <=", until.value());
    }
    if let Some(first) = &range.first {
        terms.add("run_id >=", first.value());
    }
    match &range.end {
        Some(End::Before(run)) => terms.add("run_id <", run.value()),
        Some(End::At(run)) => terms.add("run_id <=", run.value()),
        None => {}
    }
    terms.values.push(limit.value());
    let conditions = match terms.conditions.len() {
        0 => String::new(),
        _ => format!(" WHERE {}", terms.conditions.join(" AND ")),
    };
    let sql = format!(
        concat!("SELECT ", columns!(), " FROM {}{} ORDER BY run_id DESC LIMIT ${}"),
        table.name(),
        conditions,
        terms.values.len()
    );
    (sql, terms.values)
}

/// Between which ids a list looks. Ids sort by time, so that a filter by time spares reading what lies outside.
#[derive(Debug)]
pub(crate) struct IdRange {
    first: Option<RunId>,
    end: Option<End>,
}

#[derive(Debug)]
enum End {
    Before(RunId),
    At(RunId),
}

impl IdRange {
    /// One end, the nearer: databases use only one bound on each side of an index.
    pub(crate) fn new(filter: &RunFilter, before: Option<RunId>) -> Self {
        let last = filter.created_until.map(last_id);
        let end = match (before, last) {
            (Some(before), Some(last)) if last < before => Some(End::At(last)),
            (Some(before), _) => Some(End::Before(before)),
            (None, last) => last.map(End::At),
        };
        Self { first: filter.created_from.map(first_id), end }
    }
}

/// The conditions of a list, with their values.
#[derive(Default)]
struct Terms<'a> {
    conditions: Vec<String>,
    values: Vec<Value<'a>>,
}

impl<'a> Terms<'a> {
    fn add(&mut self, comparison: &str, value: Value<'a>) {
        self.values.push(value);
        self.conditions.push(format!("{comparison} ${}", self.values.len()));
    }
}

/// The lowest id of a run that may have been made then.
fn first_id(at: Timestamp) -> RunId {
    RunId::new(within_ulid(at.as_micros().saturating_sub(ID_SLACK_MICROS)), &Constant(0))
}

/// The highest id of a run that may have been made then.
pub(super) fn last_id(at: Timestamp) -> RunId {
    RunId::new(within_ulid(at.as_micros().saturating_add(ID_SLACK_MICROS)), &Constant(u64::MAX))
}

/// A ULID has 48 bits of milliseconds.
fn within_ulid(micros: i64) -> Timestamp {
    const MILLIS_MAX: i64 = (1 << 48) - 1;
    Timestamp::from_millis(Timestamp::from_micros(micros).as_millis().clamp(0, MILLIS_MAX))
}

/// The lowest or the highest random part.
#[derive(Debug)]
struct Constant(u64);

impl Random for Constant {
    fn u64(&self) -> u64 {
        self.0
    }
}
