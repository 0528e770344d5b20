//! Whether the replica is one, of this database, and how far it is behind.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::marks::{Mark, Marks};
use crate::{Error, Session, migrations, params};

/// A replica that is further behind is not read from, also by those who have written nothing.
const BEHIND_MAX: Duration = Duration::from_secs(10);
/// A verdict holds for so long: a replica that stands still gives none.
const HOLDS: Duration = Duration::from_secs(3);
/// Places that are remembered with their moments.
const PLACES_MAX: usize = 128;

/// What a server says of itself. In this order, the replica's before the primary's: then a replica is never ahead.
const SQL: &str = "SELECT in_recovery, (SELECT system_identifier FROM pg_control_system()),
        (SELECT CAST(oid AS bigint) FROM pg_database WHERE datname = current_database()),
        coalesce(CASE WHEN in_recovery THEN (SELECT CAST(received_tli AS bigint) FROM pg_stat_wal_receiver)
            ELSE CAST(CAST('x' || substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8) AS bit(32)) AS bigint) END, 0),
        coalesce(CAST(pg_wal_lsn_diff(CASE WHEN in_recovery THEN pg_last_wal_replay_lsn()
            ELSE pg_current_wal_flush_lsn() END, '0/0') AS bigint), 0)
    FROM (SELECT pg_is_in_recovery() AS in_recovery) AS server";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Server {
    in_recovery: bool,
    system: i64,
    database: i64,
    /// 0: it does not say.
    timeline: i64,
    place: i64,
}

impl Server {
    fn ask(session: &Session) -> Result<Self, Error> {
        let found = session.row(SQL, &[], |row| {
            Ok(Self {
                in_recovery: row.take()?,
                system: row.take()?,
                database: row.take()?,
                timeline: row.take()?,
                place: row.take()?,
            })
        })?;
        found.ok_or_else(|| Error::Unavailable("the server says nothing of itself".to_owned()))
    }
}

/// Whether what this process has written is there. Asked on the connection that reads, whose server may be another one by now.
pub(super) fn has_replayed(session: &Session, system: i64, mark: Mark) -> Result<bool, Error> {
    let found = session.scalar(
        "SELECT coalesce(pg_is_in_recovery()
             AND CAST(pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') AS bigint) >= $1
             AND (SELECT system_identifier = $2 FROM pg_control_system()), false)",
        params![mark.place, system],
    )?;
    Ok(found.unwrap_or(false))
}

/// What was found last.
#[derive(Debug, Default)]
pub(super) struct Verdicts(Mutex<Option<Verdict>>);

#[derive(Debug, Clone)]
struct Verdict {
    at: Instant,
    found: Result<Fit, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fit {
    system: i64,
    timeline: i64,
    behind: Duration,
}

impl Verdicts {
    /// The cluster that a replica must be of to be read from, when it is good for reads behind this mark.
    pub(super) fn fit_for(&self, mark: Mark) -> Option<(i64, Mark)> {
        match &*self.lock() {
            Some(Verdict { at, found: Ok(fit) }) if at.elapsed() < HOLDS && fit.timeline == mark.timeline => {
                Some((fit.system, mark))
            }
            _ => None,
        }
    }

    pub(super) fn now(&self) -> Result<Duration, String> {
        match &*self.lock() {
            None => Err("it was not looked at yet".to_owned()),
            Some(verdict) if verdict.at.elapsed() >= HOLDS => Err(SILENT.to_owned()),
            Some(verdict) => verdict.found.clone().map(|fit| fit.behind),
        }
    }

    pub(super) fn suspect(&self, reason: &Error) {
        self.set(Err(format!("{UNREACHED}: {reason}")));
    }

    fn set(&self, found: Result<Fit, String>) {
        let mut kept = self.lock();
        let was_fit = kept.as_ref().map(|verdict| verdict.found.is_ok());
        // What changes while it is not fit, such as how far it is behind, is for whoever asks.
        if was_fit != Some(found.is_ok()) {
            match &found {
                Ok(_) => tracing::info!("lists and history are read from the replica of database.read_url"),
                Err(reason) => tracing::warn!("{reason}; reads go to the primary"),
            }
        }
        *kept = Some(Verdict { at: Instant::now(), found });
    }

    fn lock(&self) -> MutexGuard<'_, Option<Verdict>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const UNREACHED: &str = "the replica of database.read_url does not answer";
const SILENT: &str = "the replica of database.read_url gives no sign; see whether its server runs";

/// Looks at both servers, on connections of its own.
#[derive(Debug)]
pub(super) struct Probe {
    primary: Session,
    replica: Session,
    marks: Arc<Marks>,
    verdicts: Arc<Verdicts>,
    history: History,
}

impl Probe {
    pub(super) const EVERY: Duration = Duration::from_millis(500);

    pub(super) fn new(
        primary: Session,
        replica: Session,
        marks: Arc<Marks>,
        verdicts: Arc<Verdicts>,
    ) -> Self {
        Self { primary, replica, marks, verdicts, history: History::default() }
    }

    pub(super) fn look(&mut self) {
        let found = self.judge();
        self.verdicts.set(found);
    }

    fn judge(&mut self) -> Result<Fit, String> {
        let replica = Server::ask(&self.replica)
            .map_err(|reason| format!("{UNREACHED}: {reason}; see whether it runs"));
        let primary = Server::ask(&self.primary)
            .map_err(|reason| format!("how far the replica is behind is not known: {reason}"));
        let now = Instant::now();
        if let Ok(primary) = &primary
            && self.history.note(now, primary)
        {
            // A replica that followed the primary before this one may have come further than the new one began.
            self.marks.advance(Mark { timeline: primary.timeline, place: primary.place + 1 });
        }
        let (replica, primary) = (replica?, primary?);
        fits(&replica, &primary)?;
        let schema = migrations::version(&self.replica)
            .map_err(|reason| format!("{UNREACHED}: {reason}; see whether it runs"))?;
        let expected = migrations::expected();
        if schema != expected {
            return Err(format!(
                "the replica of database.read_url has schema {schema}, and this build needs {expected}: it has not come so far, or a newer build has moved on"
            ));
        }
        let behind = self.history.behind(now, replica.place);
        if behind > BEHIND_MAX {
            return Err(format!(
                "the replica of database.read_url is {} s behind, at most {} are good; see what keeps it from replaying",
                behind.as_secs(),
                BEHIND_MAX.as_secs()
            ));
        }
        Ok(Fit { system: primary.system, timeline: primary.timeline, behind })
    }
}

/// Whether one is a replica of the other.
fn fits(replica: &Server, primary: &Server) -> Result<(), String> {
    let refused = |reason: &str| Err(format!("database.read_url leads to {reason}"));
    if !replica.in_recovery {
        return refused("a server that is no replica; name a hot standby of the one in database.url");
    }
    if replica.system != primary.system {
        return refused("a replica of another cluster; name one of the server in database.url");
    }
    if replica.database != primary.database {
        return refused("another database; name the one that database.url names");
    }
    if replica.place > primary.place || (replica.timeline != 0 && replica.timeline != primary.timeline) {
        return refused(
            "a replica with another history than the primary; have it follow the new one, or make it anew",
        );
    }
    Ok(())
}

/// Where the primary was when, as far as it is needed to say how long ago it was where the replica is.
#[derive(Debug, Default)]
struct History {
    timeline: i64,
    places: VecDeque<(Instant, i64)>,
}

impl History {
    /// True when the primary is another one than before.
    fn note(&mut self, at: Instant, primary: &Server) -> bool {
        let is_new = self.timeline != 0 && self.timeline != primary.timeline;
        if is_new {
            self.places.clear();
        }
        self.timeline = primary.timeline;
        // The oldest are what counts: when there are too many, the replica is far behind already.
        if self.places.len() < PLACES_MAX
            && self.places.back().is_none_or(|(_, place)| *place < primary.place)
        {
            self.places.push_back((at, primary.place));
        }
        is_new
    }

    /// For how long the replica has not had what the primary had.
    fn behind(&mut self, now: Instant, replica: i64) -> Duration {
        while self.places.front().is_some_and(|(_, place)| *place <= replica) {
            self.places.pop_front();
        }
        self.places.front().map_or(Duration::ZERO, |(at, _)| now.duration_since(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primary(timeline: i64, place: i64) -> Server {
        Server { in_recovery: false, system: 7, database: 5, timeline, place }
    }

    #[test]
    fn only_a_replica_of_this_very_database_fits() {
        let replica = Server { in_recovery: true, place: 90, ..primary(1, 0) };
        assert_eq!(fits(&replica, &primary(1, 100)), Ok(()));
        assert_eq!(fits(&Server { timeline: 0, ..replica }, &primary(2, 100)), Ok(()), "it does not say");
        let rows = [
            (Server { in_recovery: false, ..replica }, "no replica"),
            (Server { system: 8, ..replica }, "another cluster"),
            (Server { database: 6, ..replica }, "another database"),
            (Server { place: 101, ..replica }, "another history"),
            (Server { timeline: 2, ..replica }, "another history"),
        ];
        for (server, expected) in rows {
            let refused = fits(&server, &primary(1, 100)).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn it_is_behind_since_the_primary_went_on() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut history = History::default();
        assert!(!history.note(at(0), &primary(1, 100)));
        assert_eq!(history.behind(at(60), 100), Duration::ZERO, "nobody writes");
        history.note(at(61), &primary(1, 200));
        history.note(at(62), &primary(1, 300));
        history.note(at(63), &primary(1, 300));
        assert_eq!(history.behind(at(65), 150), Duration::from_secs(4));
        assert_eq!(history.behind(at(65), 200), Duration::from_secs(3));
        assert_eq!(history.behind(at(65), 300), Duration::ZERO);
        for second in 70..1_000 {
            history.note(at(second), &primary(1, 100 * second as i64));
        }
        assert_eq!(history.places.len(), PLACES_MAX);
        assert_eq!(history.behind(at(1_000), 300), Duration::from_secs(930));
        assert!(history.note(at(1_001), &primary(2, 50)), "another primary");
        assert_eq!(history.behind(at(1_001), 40), Duration::ZERO);
    }
}
