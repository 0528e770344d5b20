//! A primary of PostgreSQL and its synchronous standby, and what an operator does when one is lost.
//!
//! ```text
//! primary ──► standby         a commit is acknowledged when both have it
//!    ✕        standby         fail_over: the standby is promoted, and waits for nobody
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
    /// Dead once it has been killed.
    primary: Postgres,
    standby: Option<Postgres>,
    addresses: [SocketAddr; 2],
    database: String,
    is_dead: bool,
}

const WAIT_FOR_STANDBY: &str = "synchronous_standby_names = 'ANY 1 (*)'\n";

impl Pair {
    /// Starts both with an empty database.
    ///
    /// # Errors
    /// When there is no PostgreSQL, or one does not start.
    pub fn start(settings: &[&str]) -> anyhow::Result<Self> {
        let primary = Postgres::start(settings, &[])?;
        let standby = primary.standby(None).context("the standby")?;
        primary.set(WAIT_FOR_STANDBY)?;
        // From here on nothing is written that the standby does not have.
        let database = primary.create(&[])?;
        let addresses = [primary.address(), standby.address()];
        Ok(Self { primary, standby: Some(standby), addresses, database, is_dead: false })
    }

    /// Where both are: who writes finds the one that takes writes.
    pub fn url(&self) -> String {
        let [first, second] = self.addresses;
        format!("postgres://levqor@{first},{second}/{}", self.database)
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
    /// When it is dead already, or the system refuses.
    pub fn kill_primary(&mut self) -> anyhow::Result<()> {
        ensure!(!self.is_dead, "the primary is dead already; fail over and restore first");
        self.primary.kill()?;
        self.is_dead = true;
        Ok(())
    }

    /// Makes the standby the primary, once the old one is dead; it takes writes when this returns, and waits for nobody.
    ///
    /// # Errors
    /// When the old one lives, which would have two, or there is no standby.
    pub fn fail_over(&mut self) -> anyhow::Result<()> {
        ensure!(self.is_dead, "the primary lives; two of them would each take writes");
        let Some(standby) = self.standby.take() else { bail!("there is no standby; restore it first") };
        standby.set("")?;
        standby.promote()?;
        self.primary = standby;
        self.is_dead = false;
        Ok(())
    }

    /// Makes a new standby where there is none, at the address of the lost server, and has commits wait for it.
    ///
    /// # Errors
    /// When the primary is dead, or a standby lives.
    pub fn restore(&mut self) -> anyhow::Result<()> {
        ensure!(!self.is_dead && self.standby.is_none(), "nothing is to be restored");
        let address = self.addresses.into_iter().find(|address| *address != self.primary.address());
        self.standby = Some(self.primary.standby(address)?);
        self.primary.set(WAIT_FOR_STANDBY)
    }
}
