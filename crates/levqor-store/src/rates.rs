//! What callers have used of limits that the nodes of a region share.
//!
//! A row says when a caller's whole quota is free again (the theoretical arrival time of GCRA). A node takes some of what is left
//! for itself, and tells in the same statement what it let pass without asking; so a row is always what all nodes together may have
//! let pass. Rows are hints and no promises: they are written without waiting for the disk, and whoever loses them begins anew.
//!
//! Times go out and come back as spans from now, so that nodes need not agree about the time.
//!
//! Source: ITU-T I.371, annex A (generic cell rate algorithm, virtual scheduling).

use std::{fmt::Write, time::Duration};

use levqor_model::{RegionCode, Timestamp};

use crate::{Error, Session, Store, params, value::Value};

/// Callers in one statement.
pub const ASKED_MAX: usize = 100;

/// A limit: so many uses in a window, which is also how many may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    pub name: &'static str,
    /// What one use costs, in microseconds of the window.
    pub step_us: i64,
    pub window_us: i64,
}

/// What a node asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    pub caller: i64,
    /// Uses that it let pass without asking, as a span; negative: it gives back what it did not use.
    pub owed_us: i64,
    /// Uses that it wants for itself.
    pub wanted: u32,
}

/// How a caller stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub caller: i64,
    /// Of what was wanted.
    pub granted: u32,
    /// Until the whole quota is free again; negative: it is.
    pub full_in_us: i64,
}

impl Store {
    /// Tells and asks, at most [`ASKED_MAX`] callers at once; each caller once. Waits for no other writer.
    pub async fn take_rates(
        &self,
        region: RegionCode,
        quota: Quota,
        mut asked: Vec<Asked>,
        now: Timestamp,
    ) -> Result<Vec<Standing>, Error> {
        // In one order for all nodes, or two of them could wait for each other.
        asked.sort_unstable_by_key(|asked| asked.caller);
        asked.dedup_by_key(|asked| asked.caller);
        asked.truncate(ASKED_MAX);
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        self.database.write_beside(move |session| take(session, &region, quota, &asked, now)).await
    }

    /// Callers of whom something was told since then, and the database's time now: what the next call goes on from.
    pub async fn rates_since(
        &self,
        region: RegionCode,
        since: Option<Timestamp>,
        now: Timestamp,
        limit: usize,
    ) -> Result<(Timestamp, Vec<(String, Standing)>), Error> {
        /// A row that was written a moment before may be seen a moment after.
        const OVERLAP: Duration = Duration::from_secs(1);
        self.read(move |session| {
            let now = session.now(now)?;
            let since = since.map_or(now - OVERLAP, |since| since - OVERLAP);
            let rows = session.rows(
                "SELECT quota, caller, full_at FROM rate_uses WHERE at > $2 AND region = $1 ORDER BY at LIMIT $3",
                params![region, since, limit],
                |row| {
                    let (quota, caller, full_at): (String, i64, i64) = (row.take()?, row.take()?, row.take()?);
                    let full_in_us = full_at.saturating_sub(now.as_micros());
                    Ok((quota, Standing { caller, granted: 0, full_in_us }))
                },
            )?;
            Ok((now, rows))
        })
        .await
    }

    /// Forgets callers of whom nothing was told since then.
    pub async fn prune_rates(&self, before: Timestamp) -> Result<u64, Error> {
        self.prune(
            "DELETE FROM rate_uses WHERE (caller, quota, region) IN
                (SELECT caller, quota, region FROM rate_uses WHERE at < $1 LIMIT $2)",
            before,
        )
        .await
    }
}

fn take(
    session: &Session,
    region: &RegionCode,
    quota: Quota,
    asked: &[Asked],
    now: Timestamp,
) -> Result<Vec<Standing>, Error> {
    let Quota { name, step_us, window_us } = quota;
    let mut values = params![now, region, name, step_us, window_us].to_vec();
    for Asked { owed_us, wanted, caller } in asked {
        // What a caller of whom nothing is known gets. Of one that is known it can only be less.
        let room = window_us.saturating_sub((*owed_us).max(0)).max(0) / step_us.max(1);
        let granted = i64::from(*wanted).min(room);
        let span = owed_us.saturating_add(granted.saturating_mul(step_us));
        values.extend([*caller, span, granted].map(Value::Bigint));
    }
    let text = text(asked.len(), session.now_text(), session.loose_text());
    session.some_rows_of_text(&text, &values, asked.len(), |row| {
        let (caller, full_in_us, granted): (i64, i64, i64) = (row.take()?, row.take()?, row.take()?);
        Ok(Some(Standing { caller, granted: u32::try_from(granted).unwrap_or_default(), full_in_us }))
    })
}

/// The statement for so many callers. `$1` now, `$2` region, `$3` quota, `$4` step, `$5` window; then for each caller the caller, the
/// span that it would use up, and how many of these uses are for the node to give.
fn text(callers: usize, now: &str, loose: &str) -> String {
    let (step, window) = ("CAST($4 AS bigint)", "CAST($5 AS bigint)");
    // Used up by all so far, with what is owed now.
    let used = format!(
        "(CASE WHEN rate_uses.full_at > {now} THEN rate_uses.full_at ELSE {now} END
          + excluded.full_at - {now} - excluded.granted * {step})"
    );
    let room = format!("({now} + {window} - {used})");
    let granted = format!(
        "(CASE WHEN {room} < {step} THEN 0 WHEN {room} / {step} < excluded.granted THEN {room} / {step}
          ELSE excluded.granted END)"
    );
    let mut text = "INSERT INTO rate_uses (region, quota, caller, full_at, granted, at) VALUES ".to_owned();
    for number in 0..callers {
        let first = 6 + 3 * number;
        let (second, third) = (first + 1, first + 2);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{}($2, $3, ${first}, {now} + CAST(${second} AS bigint), CAST(${third} AS bigint), {now})",
            if number > 0 { ", " } else { "" }
        );
    }
    let _ = write!(
        text,
        " ON CONFLICT (caller, quota, region) DO UPDATE SET full_at = {used} + {granted} * {step},
              granted = {granted}, at = excluded.at
          RETURNING caller, full_at - {now}, granted, {loose}"
    );
    text
}
