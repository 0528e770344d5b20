//! What people look at and click on, counted by day. Nobody is in it.

use levqor_model::Date;

use crate::{Error, Store, params};

/// Different pages, targets and sources that are counted in one day; what is more is counted as `other`.
const KINDS_A_DAY_MAX: i64 = 2_000;
/// What stands for what is too much.
const OTHER: &str = "other";

/// A day's count of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageEvents {
    pub day: Date,
    /// `page_view` or `cta_click`.
    pub kind: String,
    pub page: String,
    /// Empty for a view.
    pub target: String,
    /// Empty: not said.
    pub source: String,
    pub events: i64,
}

/// What came by one campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSums {
    pub source: String,
    pub views: i64,
    pub clicks: i64,
}

/// What came of some days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageSums {
    /// Of all pages.
    pub all_views: i64,
    /// Views of each page, most first; at most 1,000 pages.
    pub views: Vec<(String, i64)>,
    /// Clicks of each target, most first; at most 1,000 targets.
    pub clicks: Vec<(String, i64)>,
    /// Of visitors who agreed to say by which campaign they came, most views first; at most 1,000 campaigns.
    pub sources: Vec<SourceSums>,
}

impl Store {
    /// Adds counts of a day. Somebody who makes names up cannot make rows without end.
    pub async fn add_page_events(&self, all: Vec<PageEvents>) -> Result<(), Error> {
        self.write(move |session| {
            for PageEvents { day, kind, page, target, source, events } in &all {
                let added = session.execute(
                    "UPDATE page_events SET events = events + $6
                     WHERE day = $1 AND kind = $2 AND page = $3 AND target = $4 AND source = $5",
                    params![day, kind, page, target, source, events],
                )?;
                if added > 0 {
                    continue;
                }
                let kinds: i64 = session
                    .scalar("SELECT count(*) FROM page_events WHERE day = $1", params![day])?
                    .unwrap_or_default();
                let is_over = kinds >= KINDS_A_DAY_MAX;
                // What was not said stays so: nobody came by a campaign that is called `other`.
                let named = |name: &String| {
                    if is_over && !name.is_empty() { OTHER.to_owned() } else { name.clone() }
                };
                session.execute(
                    "INSERT INTO page_events (day, kind, page, target, source, events) VALUES ($1, $2, $3, $4, $5, $6)
                     ON CONFLICT (day, kind, page, target, source)
                     DO UPDATE SET events = page_events.events + excluded.events",
                    params![day, kind, named(page), named(target), named(source), events],
                )?;
            }
            Ok(())
        })
        .await
    }

    /// What came of days, both included. It is summed up where it is kept: a year has more rows than one wants to read.
    pub async fn page_sums(&self, from: Date, to: Date) -> Result<PageSums, Error> {
        self.view(move |session| {
            let named = |sql: &'static str| -> Result<Vec<(String, i64)>, Error> {
                session.rows(sql, params![from, to], |row| Ok((row.take()?, row.take()?)))
            };
            let all_views: Option<i64> = session.scalar(
                "SELECT CAST(coalesce(sum(events), 0) AS bigint) FROM page_events WHERE day >= $1 AND day <= $2 AND kind = 'page_view'",
                params![from, to],
            )?;
            Ok(PageSums {
                all_views: all_views.unwrap_or_default(),
                views: named(
                    "SELECT page, CAST(sum(events) AS bigint) AS found FROM page_events
                     WHERE day >= $1 AND day <= $2 AND kind = 'page_view'
                     GROUP BY page ORDER BY found DESC, page LIMIT 1000",
                )?,
                clicks: named(
                    "SELECT target, CAST(sum(events) AS bigint) AS found FROM page_events
                     WHERE day >= $1 AND day <= $2 AND kind = 'cta_click'
                     GROUP BY target ORDER BY found DESC, target LIMIT 1000",
                )?,
                sources: session.rows(
                    "SELECT source, CAST(sum(CASE WHEN kind = 'cta_click' THEN events ELSE 0 END) AS bigint) AS clicks,
                            CAST(sum(CASE WHEN kind = 'page_view' THEN events ELSE 0 END) AS bigint) AS found FROM page_events
                     WHERE day >= $1 AND day <= $2 AND source <> ''
                     GROUP BY source ORDER BY found DESC, source LIMIT 1000",
                    params![from, to],
                    |row| Ok(SourceSums { source: row.take()?, clicks: row.take()?, views: row.take()? }),
                )?,
            })
        })
        .await
    }

    /// Forgets the days before one.
    pub async fn prune_page_events(&self, before: Date) -> Result<(), Error> {
        self.write(move |session| {
            session.execute("DELETE FROM page_events WHERE day < $1", params![before]).map(drop)
        })
        .await
    }
}
