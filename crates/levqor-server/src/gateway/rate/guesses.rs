//! Keys that nobody has, by address: whoever tries many is not looked up any more for a while.
//!
//! Of a node alone: the limit is against work, not against luck; a key has 256 bits.

use std::net::IpAddr;

use super::{
    bucket::{Moment, Quota},
    table::Table,
};
use crate::App;

/// Wrong keys from one address in a minute.
const PER_MINUTE: u32 = 100;

#[derive(Debug)]
pub(crate) struct Guesses {
    table: Table,
    quota: Option<Quota>,
}

impl Guesses {
    pub(super) fn new() -> Self {
        Self { table: Table::new(), quota: Quota::per_minute(PER_MINUTE) }
    }

    /// Whether a key from there may be looked up.
    pub(crate) fn may_try(&self, app: &App, network: IpAddr) -> bool {
        let now = app.now().as_micros();
        self.quota.is_none_or(|quota| {
            self.table.with(number(app, network), now, |bucket| bucket.has_room(quota, now))
        })
    }

    /// It was nobody's.
    pub(crate) fn missed(&self, app: &App, network: IpAddr) {
        let now = app.now().as_micros();
        if let Some(quota) = self.quota {
            self.table.with(number(app, network), now, |it| it.take(quota, Moment { now, nodes: 1 }));
        }
    }

    pub(super) fn prune(&self, now: i64) {
        self.table.prune(now);
    }
}

fn number(app: &App, network: IpAddr) -> i64 {
    app.rates.limiter(super::ANONYMOUS).caller(&[b"guess", network.to_string().as_bytes()])
}
