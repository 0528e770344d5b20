//! Error answers by network, as the nodes of a region tell each other of them, and whom operators have forgiven.

use std::{fmt::Write, net::IpAddr};

use levqor_model::{RegionCode, Timestamp, audit::masked_address};
use serde_json::json;

use crate::{
    Error, Store,
    audit::{self, Note},
    params,
    value::{Param, Value},
};

/// Rows in one statement.
pub const TOLD_MAX: usize = 200;

/// Errors of a network within the slot of time that begins at `slot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    /// An address, or the first one of a network.
    pub network: String,
    pub slot: Timestamp,
    pub errors: i64,
}

/// An operator's word that a network is to begin anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pardon {
    pub network: String,
    pub at: Timestamp,
}

impl Store {
    /// Adds to what is known, at most [`TOLD_MAX`] rows at once; each network and slot once. Waits for no other writer.
    pub async fn add_address_errors(&self, region: RegionCode, mut told: Vec<Errors>) -> Result<(), Error> {
        let key = |errors: &Errors| (errors.network.clone(), errors.slot);
        // In one order for all nodes, or two of them could wait for each other.
        told.sort_unstable_by_key(key);
        told.dedup_by_key(|errors| key(errors));
        told.truncate(TOLD_MAX);
        if told.is_empty() {
            return Ok(());
        }
        self.database
            .write_beside(move |session| {
                let mut values: Vec<Value<'_>> = params![region].to_vec();
                let mut text =
                    "INSERT INTO address_errors (region, network, slot, errors) VALUES ".to_owned();
                for (number, errors) in told.iter().enumerate() {
                    let first = 2 + 3 * number;
                    let comma = if number > 0 { ", " } else { "" };
                    // Writing to a String cannot fail.
                    let _ = write!(text, "{comma}($1, ${first}, ${}, ${})", first + 1, first + 2);
                    values.extend([errors.network.value(), errors.slot.value(), errors.errors.value()]);
                }
                let loose = session.loose_text();
                let _ = write!(
                    text,
                    " ON CONFLICT (network, region, slot) DO UPDATE SET errors = address_errors.errors + excluded.errors
                      RETURNING errors, {loose}"
                );
                session.some_rows_of_text(&text, &values, told.len(), |_| Ok(Some(()))).map(drop)
            })
            .await
    }

    /// The slots since then of networks that made at least so many errors in them, at most 10,000 rows.
    pub async fn errors_of_suspects(
        &self,
        region: RegionCode,
        since: Timestamp,
        errors_min: u32,
    ) -> Result<Vec<Errors>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT network, slot, errors FROM address_errors
                 WHERE region = $1 AND slot >= $2 AND network IN
                     (SELECT network FROM address_errors WHERE region = $1 AND slot >= $2
                      GROUP BY network HAVING CAST(sum(errors) AS bigint) >= $3)
                 ORDER BY network, slot LIMIT 10000",
                params![region, since, i64::from(errors_min)],
                |row| Ok(Errors { network: row.take()?, slot: row.take()?, errors: row.take()? }),
            )
        })
        .await
    }

    /// Forgets what the network did, in all regions, and has all nodes forget it.
    pub async fn pardon_address(&self, network: IpAddr, at: Timestamp) -> Result<(), Error> {
        self.write(move |session| {
            let text = network.to_string();
            session.execute("DELETE FROM address_errors WHERE network = $1", params![text])?;
            session.execute(
                "INSERT INTO address_pardons (network, at) VALUES ($1, $2)
                 ON CONFLICT (network) DO UPDATE SET at = excluded.at",
                params![text, session.now(at)?],
            )?;
            audit::note(
                session,
                Note {
                    kind: "address.forgiven",
                    at,
                    account: None,
                    subject: &masked_address(network),
                    details: json!({}),
                },
            )
        })
        .await
    }

    /// Pardons since then, oldest first, at most 1,000.
    pub async fn address_pardons(&self, since: Timestamp) -> Result<Vec<Pardon>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT network, at FROM address_pardons WHERE at >= $1 ORDER BY at, network LIMIT 1000",
                params![since],
                |row| Ok(Pardon { network: row.take()?, at: row.take()? }),
            )
        })
        .await
    }

    /// Forgets errors and pardons that count no more.
    pub async fn prune_addresses(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM address_errors WHERE (network, region, slot) IN
                (SELECT network, region, slot FROM address_errors WHERE slot < $1 LIMIT $2)",
            before,
        )
        .await?;
        self.prune(
            "DELETE FROM address_pardons WHERE network IN
                (SELECT network FROM address_pardons WHERE at < $1 LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}
