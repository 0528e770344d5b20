//! Keys and sessions that nobody has, by address: for whoever tries many, no more are looked up for a while.
//!
//! Of a node alone: the limit is against work, not against luck; keys and sessions have 256 bits.

use std::net::IpAddr;

use super::{
    bucket::{Moment, Quota},
    table::Table,
};
use crate::App;

#[derive(Debug)]
pub(crate) struct Guesses {
    what: &'static str,
    table: Table,
    quota: Option<Quota>,
}

impl Guesses {
    pub(super) fn new(what: &'static str, per_minute: u32) -> Self {
        Self { what, table: Table::new(), quota: Quota::per_minute(per_minute) }
    }

    /// Whether one from there may be looked up.
    pub(crate) fn may_try(&self, app: &App, network: IpAddr) -> bool {
        let now = app.now().as_micros();
        self.quota.is_none_or(|quota| {
            self.table.with(self.number(app, network), now, |bucket| bucket.has_room(quota, now))
        })
    }

    /// It was nobody's.
    pub(crate) fn missed(&self, app: &App, network: IpAddr) {
        let now = app.now().as_micros();
        if let Some(quota) = self.quota {
            self.table.with(self.number(app, network), now, |it| it.take(quota, Moment { now, nodes: 1 }));
        }
    }

    pub(super) fn prune(&self, now: i64) {
        self.table.prune(now);
    }

    fn number(&self, app: &App, network: IpAddr) -> i64 {
        let network = network.to_string();
        let parts: [&[u8]; 3] = [b"guess", self.what.as_bytes(), network.as_bytes()];
        app.keyring.number(&parts).cast_signed()
    }
}
