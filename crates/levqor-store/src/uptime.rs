//! The signed records of each day, and the observations that they are counted from.

use levqor_model::{
    Date, Timestamp,
    uptime::{Observation, SignedUptime},
};
use serde_json::json;

use crate::{
    Error, Row, Store,
    audit::{self, Note},
    params,
};

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
    /// Keeps the record of a day; false: there is one. From then on no observation is added to the day.
    pub async fn keep_uptime(&self, kept: KeptUptime) -> Result<bool, Error> {
        self.write(move |session| {
            let KeptUptime { day, signed: SignedUptime { text, sha256, signature, key }, sealed_at } = &kept;
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
        // No day comes after this text.
        let before = before.map_or_else(|| "a".to_owned(), |day| day.to_string());
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
        let after = after.unwrap_or(Observation {
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
