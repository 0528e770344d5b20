//! The signed records of each day, and the observations that they are counted from.

use std::time::Duration;

use levqor_model::{
    Date, Timestamp,
    uptime::{Observation, SignedUptime},
};
use serde_json::json;

use crate::{
    Error, Row, Store,
    audit::{self, Note},
    cursor, params,
};

/// What nodes could not store in time may come so long after the end of the day.
pub const SETTLES: Duration = Duration::from_secs(60 * 60);

/// A record of a day as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptUptime {
    pub day: Date,
    pub signed: SignedUptime,
    pub sealed_at: Timestamp,
}

/// The columns of [`KeptUptime`], in the order in which [`KeptUptime::read`] takes them.
macro_rules! columns {
    () => {
        "day, record, sha256, signature, key, sealed_at"
    };
}

impl KeptUptime {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            day: row.take()?,
            signed: SignedUptime {
                text: row.take()?,
                sha256: row.take()?,
                signature: row.take()?,
                key: row.take()?,
            },
            sealed_at: row.take()?,
        })
    }
}

impl Store {
    /// Keeps the record of a day that was counted from so many observations. From then on no observation is added to the day, so what is
    /// signed is what anybody can count again. False: there is a record; or there are other observations by now, and they are to be
    /// counted again; or the day is not settled by the database's clock, whatever that of the node says.
    pub async fn keep_uptime(&self, kept: KeptUptime, counted: u64) -> Result<bool, Error> {
        self.write(move |session| {
            let KeptUptime { day, signed: SignedUptime { text, sha256, signature, key }, sealed_at } = &kept;
            let end = day.plus_days(1).start();
            if session.now(*sealed_at)? < end + SETTLES {
                return Ok(false);
            }
            let there: Option<u64> = session.scalar(
                "SELECT count(*) FROM samples WHERE at >= $1 AND at < $2",
                params![day.start(), end],
            )?;
            if there.unwrap_or_default() != counted {
                return Ok(false);
            }
            let added = session.execute(
                concat!(
                    "INSERT INTO uptime_records (",
                    columns!(),
                    ") VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (day) DO NOTHING"
                ),
                params![day, text, sha256, signature, key, sealed_at],
            )?;
            if added == 0 {
                return Ok(false);
            }
            let details = json!({ "sha256": sha256 });
            let subject = day.to_string();
            let kind = "status.uptime_sealed";
            audit::note(session, Note { kind, at: *sealed_at, account: None, subject: &subject, details })?;
            Ok(true)
        })
        .await
    }

    pub async fn uptime_record(&self, day: Date) -> Result<Option<KeptUptime>, Error> {
        self.read(move |session| {
            session.row(
                concat!("SELECT ", columns!(), " FROM uptime_records WHERE day = $1"),
                params![day],
                KeptUptime::read,
            )
        })
        .await
    }

    /// The newest record.
    pub async fn last_uptime_record(&self) -> Result<Option<KeptUptime>, Error> {
        self.read(|session| {
            session.row(
                concat!("SELECT ", columns!(), " FROM uptime_records ORDER BY day DESC LIMIT 1"),
                &[],
                KeptUptime::read,
            )
        })
        .await
    }

    /// Records, the newest first.
    pub async fn uptime_records(&self, before: Option<Date>, limit: usize) -> Result<Vec<KeptUptime>, Error> {
        let before = cursor::below(before);
        self.read(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM uptime_records WHERE day < $1 ORDER BY day DESC LIMIT $2"
                ),
                params![before, limit],
                KeptUptime::read,
            )
        })
        .await
    }

    /// The first day of which there is evidence.
    pub async fn first_sample_day(&self) -> Result<Option<Date>, Error> {
        self.read(|session| session.scalar("SELECT day FROM sample_days ORDER BY day LIMIT 1", &[])).await
    }

    /// Observations of a day in the order of time, region, component and observer, after a place in that order.
    pub async fn observations(
        &self,
        day: Date,
        after: Option<Observation>,
        limit: usize,
    ) -> Result<Vec<Observation>, Error> {
        let until = day.plus_days(1).start();
        // A place in another day is none in this one.
        let after = after.filter(|after| after.at >= day.start()).unwrap_or(Observation {
            region: String::new(),
            component: String::new(),
            at: day.start(),
            node: String::new(),
            good: false,
        });
        self.read(move |session| {
            session.rows(
                "SELECT region, component, at, node_id, good FROM samples
                 WHERE (at, region, component, node_id) > ($1, $2, $3, $4) AND at < $5
                 ORDER BY at, region, component, node_id LIMIT $6",
                params![after.at, after.region, after.component, after.node, until, limit],
                |row| {
                    Ok(Observation {
                        region: row.take()?,
                        component: row.take()?,
                        at: row.take()?,
                        node: row.take()?,
                        good: row.take()?,
                    })
                },
            )
        })
        .await
    }
}
