//! How far the primary has written what this process was told is durable.
//!
//! One mark for the process, not one for each account: who asks is whoever was answered here, and what a page shows mixes what accounts,
//! the engine and operators have written. It costs little where a replica is of use: it stands beside this process and gets
//! each write about when this process gets the answer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Error, Session};

/// Gives the timeline and the place behind the last commit, after that commit. A place is kept as a number of bytes.
pub(crate) const SQL: &str =
    "SELECT CAST(CAST('x' || substr(pg_walfile_name(lsn), 1, 8) AS bit(32)) AS bigint),
        CAST(pg_wal_lsn_diff(lsn, '0/0') AS bigint)
    FROM (SELECT CASE current_setting('synchronous_commit') WHEN 'off' THEN pg_current_wal_insert_lsn()
        ELSE pg_current_wal_flush_lsn() END AS lsn) AS place";

/// A place in the primary's log. Places of two timelines cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Mark {
    pub(crate) timeline: i64,
    pub(crate) place: i64,
}

/// No replica has replayed that far.
const BEYOND: Mark = Mark { timeline: i64::MAX, place: i64::MAX };

/// The newest mark.
#[derive(Debug, Default)]
pub(crate) struct Marks(Mutex<Newest>);

#[derive(Debug, Default)]
struct Newest {
    mark: Mark,
    /// Something was written of which the mark is not known; that of the next commit lies behind it.
    lost: bool,
}

impl Marks {
    /// Beyond every replica while it is not known.
    pub(super) fn newest(&self) -> Mark {
        let newest = self.lock();
        if newest.lost { BEYOND } else { newest.mark }
    }

    /// Never goes back.
    pub(crate) fn advance(&self, to: Mark) {
        let mut newest = self.lock();
        newest.mark = to.max(newest.mark);
        newest.lost = false;
    }

    /// Something was written, and nobody said how far.
    pub(crate) fn lose(&self) {
        self.lock().lost = true;
    }

    /// The first mark: what was written before this process began.
    pub(crate) fn begin(&self, session: &Session) -> Result<(), Error> {
        let mark = session.row(SQL, &[], |row| Ok(Mark { timeline: row.take()?, place: row.take()? }))?;
        if let Some(mark) = mark {
            self.advance(mark);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Newest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_never_goes_back_and_a_newer_timeline_is_newer() {
        let marks = Marks::default();
        let mark = |timeline, place| Mark { timeline, place };
        for (to, expected) in [
            (mark(1, 500), mark(1, 500)),
            (mark(1, 400), mark(1, 500)),
            (mark(2, 300), mark(2, 300)),
            (mark(1, 900), mark(2, 300)),
            (mark(2, 310), mark(2, 310)),
        ] {
            marks.advance(to);
            assert_eq!(marks.newest(), expected);
        }
    }

    #[test]
    fn after_a_lost_mark_nothing_is_far_enough_until_the_next() {
        let marks = Marks::default();
        marks.advance(Mark { timeline: 1, place: 500 });
        marks.lose();
        assert_eq!(marks.newest(), BEYOND);
        marks.advance(Mark { timeline: 1, place: 600 });
        assert_eq!(marks.newest(), Mark { timeline: 1, place: 600 });
    }
}
