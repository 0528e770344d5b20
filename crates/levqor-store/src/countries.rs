//! Where requests come from, by the country that an edge or a proxy names: counts, and nothing of who asked.

use levqor_model::{Date, RegionCode};

use crate::{Error, Store, params};

/// Requests from a country, as two letters, on a day, that a region answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountryCount {
    pub day: Date,
    pub region: RegionCode,
    pub country: String,
    pub requests: i64,
}

impl Store {
    /// Adds to the counts.
    pub async fn add_country_counts(&self, counts: Vec<CountryCount>) -> Result<(), Error> {
        self.write(move |session| {
            for CountryCount { day, region, country, requests } in &counts {
                session.execute(
                    "INSERT INTO country_days (day, region, country, requests) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (day, region, country) DO UPDATE SET requests = country_days.requests + excluded.requests",
                    params![day, region, country, requests],
                )?;
            }
            Ok(())
        })
        .await
    }

    /// Requests by country from `from` to `until`, both included, the most first; at most 1,000.
    pub async fn country_counts(&self, from: Date, until: Date) -> Result<Vec<(String, i64)>, Error> {
        self.view(move |session| {
            session.rows(
                "SELECT country, CAST(sum(requests) AS bigint) AS found FROM country_days
                 WHERE day >= $1 AND day <= $2 GROUP BY country ORDER BY found DESC, country LIMIT 1000",
                params![from, until],
                |row| Ok((row.take()?, row.take()?)),
            )
        })
        .await
    }

    /// Forgets days before that one.
    pub async fn prune_country_counts(&self, before: Date) -> Result<(), Error> {
        self.write(move |session| {
            session.execute("DELETE FROM country_days WHERE day < $1", params![before]).map(drop)
        })
        .await
    }
}
