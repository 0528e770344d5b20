//! Lists of runs: by keyset over the time-ordered ids, narrow rows only.

use levqor_model::{AccountId, Random, RunId, Timestamp};

use super::{Run, RunFilter, columns};
use crate::{
    Error, Store, params,
    value::{Param, Value},
};

/// How far an id's time may be from the run's `created_at`.
const ID_SLACK_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

impl Store {
    /// Newest first, by keyset; narrow rows only. Both ends of the time filter are included.
    pub async fn runs_of(
        &self,
        account: Option<AccountId>,
        filter: RunFilter,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, Error> {
        self.read(move |session| {
            let mut terms = Terms::default();
            if let Some(account) = &account {
                if filter.workflow_id.is_some() && filter.status.is_none() {
                    // The workflow decides; the account is only checked, and must not lead to the longer index.
                    terms.add("(account_id || '') = ", account.value());
                } else {
                    terms.add("account_id = ", account.value());
                }
            }
            if let Some(workflow) = &filter.workflow_id {
                terms.add("workflow_id = ", workflow.value());
            }
            if let Some(status) = &filter.status {
                terms.add("status = ", status.value());
                if account.is_none() && !status.is_ended() {
                    terms.condition("ended_at IS NULL");
                }
            }
            if let Some(region) = &filter.region {
                terms.add("region = ", region.value());
            }
            // Ids sort by time, so a bound on the id spares reading what lies outside.
            let first = filter.created_from.map(first_id);
            let last = filter.created_until.map(last_id);
            if let (Some(from), Some(first)) = (&filter.created_from, &first) {
                terms.add("created_at >= ", from.value());
                terms.add("run_id >= ", first.value());
            }
            if let (Some(until), Some(last)) = (&filter.created_until, &last) {
                terms.add("created_at <= ", until.value());
                terms.add("run_id <= ", last.value());
            }
            if let Some(before) = &before {
                terms.add("run_id < ", before.value());
            }
            let (conditions, mut values) = terms.finish();
            values.push(limit.value());
            let sql = format!(
                concat!("SELECT ", columns!(), " FROM runs{} ORDER BY run_id DESC LIMIT ${}"),
                conditions,
                values.len()
            );
            session.rows_of_text(&sql, &values, Run::read)
        })
        .await
    }

    /// Runs that were started by a `run: workflow` task of `parent` and have not ended.
    pub async fn children_of(
        &self,
        parent: RunId,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, Error> {
        let after = after.map_or_else(String::new, |run| run.to_string());
        self.read(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM runs WHERE parent_run_id IS NOT NULL AND parent_run_id = $1 AND ended_at IS NULL
                         AND run_id > $2
                     ORDER BY run_id LIMIT $3"
                ),
                params![parent, after, limit],
                Run::read,
            )
        })
        .await
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
        self.conditions.push(format!("{comparison}${}", self.values.len()));
    }

    fn condition(&mut self, text: &str) {
        self.conditions.push(text.to_owned());
    }

    fn finish(self) -> (String, Vec<Value<'a>>) {
        if self.conditions.is_empty() {
            return (String::new(), self.values);
        }
        (format!(" WHERE {}", self.conditions.join(" AND ")), self.values)
    }
}

/// The lowest id of a run that may have been made then.
fn first_id(at: Timestamp) -> RunId {
    RunId::new(within_ulid(at.as_micros().saturating_sub(ID_SLACK_MICROS)), &Constant(0))
}

/// The highest id of a run that may have been made then.
fn last_id(at: Timestamp) -> RunId {
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
