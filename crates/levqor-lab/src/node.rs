//! A node of a region: its directory and its address stay when its process is another.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use rustix::process::Signal;

use crate::server::{Server, ServerSetup};

/// What makes a node.
#[derive(Debug, Clone)]
pub struct NodeSetup {
    pub binary: PathBuf,
    /// It has one of its own in it, named by the region.
    pub directory: PathBuf,
    pub region: String,
    pub database_url: String,
    /// The same for all nodes of a database.
    pub secret: String,
    /// More of its environment.
    pub environment: Vec<(String, String)>,
}

/// A place for a process of `levqor serve`.
#[derive(Debug)]
pub struct Node {
    region: String,
    setup: ServerSetup,
    server: Server,
}

impl Node {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it ends first; its output is in the message.
    pub async fn start(setup: &NodeSetup) -> anyhow::Result<Self> {
        let own = setup.directory.join(&setup.region);
        std::fs::create_dir_all(&own).with_context(|| own.display().to_string())?;
        let mut server = ServerSetup::new(&setup.binary, &own)?
            .env("LEVQOR_DATABASE_URL", &setup.database_url)
            .env("SECURITY_HMAC_SECRET", &setup.secret)
            .env("LEVQOR_REGION", &setup.region);
        for (name, value) in &setup.environment {
            server = server.env(name, value);
        }
        let (setup_there, server) = Server::start_somewhere(&server)
            .await
            .with_context(|| format!("the node of {} does not start", setup.region))?;
        Ok(Self { region: setup.region.clone(), setup: setup_there, server })
    }

    pub fn region(&self) -> &str {
        &self.region
    }

    pub fn address(&self) -> SocketAddr {
        self.setup.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.setup.address)
    }

    /// Its process now.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The key of the owner, which the first node of a database prints at its start.
    ///
    /// # Errors
    /// When this is not the first.
    pub async fn owner_key(&self) -> anyhow::Result<String> {
        Ok(self.server.line("lvq_").await?.trim().to_owned())
    }

    /// SIGKILL: it gets no chance to finish anything.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.server.kill()
    }

    /// Asks it to stop.
    ///
    /// # Errors
    /// When it has ended.
    pub fn terminate(&self) -> anyhow::Result<()> {
        self.server.signal(Signal::TERM)
    }

    /// It stands still, as a machine that is out of breath.
    ///
    /// # Errors
    /// When it has ended.
    pub fn stall(&self) -> anyhow::Result<()> {
        self.server.signal(Signal::STOP)
    }

    /// It goes on after it stood still.
    ///
    /// # Errors
    /// When it has ended.
    pub fn go_on(&self) -> anyhow::Result<()> {
        self.server.signal(Signal::CONT)
    }

    /// Whether its process has ended.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        self.server.has_ended()
    }

    /// Starts another process in its place, after the last one has ended, without waiting for it.
    ///
    /// # Errors
    /// When the binary cannot be run.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.server = Server::spawn(&self.setup)?;
        Ok(())
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// When it ends first; its output is in the message.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        self.server.ready().await
    }
}
