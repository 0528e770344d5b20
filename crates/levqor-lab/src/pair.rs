//! A primary of PostgreSQL and its synchronous standby, and what an operator does when one is lost.
//!
//! ```text
//! primary ──► standby         a commit is acknowledged when both have it
//!    ✕        standby         kill_primary, or freeze_primary: it is there, and says nothing
//!    ✕        primary         fail_over: the standby is promoted, and waits for nobody
//! standby ◄── primary         restore: the lost one is copied anew, and is waited for again
//! ```
//!
//! Who decides when to do that is not here: a person, a script, or a manager of PostgreSQL.

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};

use crate::postgres::Postgres;

/// Both, or the one that is left.
#[derive(Debug)]
pub struct Pair {
    primary: Postgres,
    state: State,
    /// The one that stood still when the standby took its place.
    frozen: Option<Postgres>,
    standby: Option<Postgres>,
    addresses: [SocketAddr; 2],
    database: String,
}

/// How the primary is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Lives,
    Frozen,
    Dead,
}

const WAIT_FOR_STANDBY: &str = "synchronous_standby_names = 'ANY 1 (*)'\n";

impl Pair {
    /// Starts both with an empty database.
    ///
    /// # Errors
    /// When there is no PostgreSQL, or one does not start.
    pub fn start(settings: &[&str]) -> anyhow::Result<Self> {
        Self::of(Postgres::start(settings, &[])?)
    }

    /// The same; both take nobody in without this password, of letters and digits.
    ///
    /// # Errors
    /// As [`Pair::start`].
    pub fn start_guarded(settings: &[&str], password: &str) -> anyhow::Result<Self> {
        Self::of(Postgres::start_guarded(settings, password)?)
    }

    fn of(primary: Postgres) -> anyhow::Result<Self> {
        let standby = primary.standby(None).context("the standby")?;
        primary.set(WAIT_FOR_STANDBY)?;
        // From here on nothing is written that the standby does not have.
        let database = primary.create(&[])?;
        let addresses = [primary.address(), standby.address()];
        Ok(Self { primary, state: State::Lives, frozen: None, standby: Some(standby), addresses, database })
    }

    /// Where both are: who writes finds the one that takes writes.
    pub fn url(&self) -> String {
        let [first, second] = self.addresses;
        format!("postgres://{}@{first},{second}/{}", self.primary.who(), self.database)
    }

    /// Where its servers are, the first primary first; this never changes.
    pub fn addresses(&self) -> [SocketAddr; 2] {
        self.addresses
    }

    /// The name of its database.
    pub fn database(&self) -> &str {
        &self.database
    }

    pub fn primary(&self) -> &Postgres {
        &self.primary
    }

    /// SIGKILL to all processes of the primary, as a machine that dies.
    ///
    /// # Errors
    /// When it is lost already, or the system refuses.
    pub fn kill_primary(&mut self) -> anyhow::Result<()> {
        self.ensure_lives()?;
        self.primary.kill()?;
        self.state = State::Dead;
        Ok(())
    }

    /// SIGSTOP to all processes of the primary, as a machine whose programs stand still: it takes connections, and says nothing.
    ///
    /// # Errors
    /// As [`Pair::kill_primary`].
    pub fn freeze_primary(&mut self) -> anyhow::Result<()> {
        self.ensure_lives()?;
        self.primary.freeze()?;
        self.state = State::Frozen;
        Ok(())
    }

    fn ensure_lives(&self) -> anyhow::Result<()> {
        ensure!(self.state == State::Lives, "the primary is lost already; fail over and restore first");
        Ok(())
    }

    /// Makes the standby the primary, once the old one is lost; it takes writes when this returns, and waits for nobody. One that stands
    /// still never goes on.
    ///
    /// # Errors
    /// When the old one lives, which would have two, or there is no standby.
    pub fn fail_over(&mut self) -> anyhow::Result<()> {
        ensure!(self.state != State::Lives, "the primary lives; two of them would each take writes");
        let Some(standby) = self.standby.take() else { bail!("there is no standby; restore it first") };
        standby.set("")?;
        standby.promote()?;
        let old = std::mem::replace(&mut self.primary, standby);
        self.frozen = (self.state == State::Frozen).then_some(old);
        self.state = State::Lives;
        Ok(())
    }

    /// Makes a new standby where there is none, at the address of the lost server, and has commits wait for it. A server that stands
    /// still is killed for that.
    ///
    /// # Errors
    /// When the primary is lost, or a standby lives.
    pub fn restore(&mut self) -> anyhow::Result<()> {
        ensure!(self.state == State::Lives && self.standby.is_none(), "nothing is to be restored");
        if let Some(mut frozen) = self.frozen.take() {
            frozen.kill()?;
        }
        let address = self.addresses.into_iter().find(|address| *address != self.primary.address());
        self.standby = Some(self.primary.standby(address)?);
        self.primary.set(WAIT_FOR_STANDBY)
    }
}
