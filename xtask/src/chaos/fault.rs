//! What can happen to a part of a cluster.

use std::{fmt, time::Duration};

use clap::ValueEnum;
use levqor_lab::Direction;

use crate::checker::mixed;

/// A stall that must not cost a node its runs is shorter than this.
const SHORT_STALL_MAX_MS: u64 = 2_000;
/// And one that must is longer than a lease.
pub const LONG_STALL: Duration = Duration::from_secs(9);
/// What lies between two parts, from a blink to longer than any time-out.
const SILENCE_MS: std::ops::Range<u64> = 1_000..15_000;
/// A clock that is wrong is so by up to this, to either side.
const SHIFT_MS_MAX: u64 = 30_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// SIGKILL; the node is started again.
    Kill,
    /// SIGTERM; the node is started again.
    Drain,
    /// SIGSTOP for longer than a lease, then SIGCONT.
    Stall,
    /// SIGSTOP for up to two seconds: nothing may change hands.
    Blip,
    /// The wire between a node and the database is silent, in one direction or both, for one to fifteen seconds.
    Partition,
    /// The same between the edge and a node (with --edge): nothing may change hands.
    Blackhole,
    /// SIGKILL to the primary of PostgreSQL, whose standby is promoted at once; then a new standby is made.
    Primary,
    /// SIGSTOP to the primary: it takes connections and says nothing. Its standby is promoted, and it never goes on.
    Freeze,
    /// The clock of a node is wrong for some seconds, by up to half a minute: nothing may change hands.
    Clock,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Kill => "kill -9",
            Fault::Drain => "SIGTERM",
            Fault::Stall => "stall longer than the lease",
            Fault::Blip => "stall up to 2 s",
            Fault::Partition => "silence between node and database",
            Fault::Blackhole => "silence between edge and node",
            Fault::Primary => "loss of the primary",
            Fault::Freeze => "primary that says nothing",
            Fault::Clock => "wrong clock",
        })
    }
}

/// The numbers that a seed gives a round.
#[derive(Debug, Clone, Copy)]
pub struct Chance {
    pub seed: u64,
    pub round: u64,
}

impl Chance {
    fn number(self, nth: u64) -> u64 {
        mixed(self.seed, 8 * self.round + nth)
    }

    /// One of so many.
    pub fn victim(self, count: usize) -> usize {
        usize::try_from(self.number(0)).unwrap_or_default() % count.max(1)
    }

    /// Some load before the fault, another moment each time.
    pub fn before(self) -> Duration {
        Duration::from_millis(500 + self.number(1) % 1_000)
    }

    pub fn short_stall(self) -> Duration {
        Duration::from_millis(100 + self.number(2) % (SHORT_STALL_MAX_MS - 100))
    }

    pub fn silence(self) -> (Direction, Duration) {
        let direction = match self.number(3) % 3 {
            0 => Direction::There,
            1 => Direction::Back,
            _ => Direction::Both,
        };
        let span = SILENCE_MS.start + self.number(4) % (SILENCE_MS.end - SILENCE_MS.start);
        (direction, Duration::from_millis(span))
    }

    /// In nanoseconds.
    pub fn shift(self) -> i64 {
        let size = i64::try_from(1 + self.number(5) % SHIFT_MS_MAX).unwrap_or(1) * 1_000_000;
        if self.number(6).is_multiple_of(2) { size } else { -size }
    }
}
