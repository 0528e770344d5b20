//! The edge before the nodes, with a file that is written from where they are.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{
    ports::{PORTS_TRIED, free_address},
    server::{Server, ServerSetup},
};

/// What makes an edge.
#[derive(Debug, Clone)]
pub struct EdgeSetup {
    pub binary: PathBuf,
    /// Its file is written there.
    pub directory: PathBuf,
    pub name: String,
    /// In the order in which they are preferred.
    pub origins: Vec<Origin>,
    /// Sections of its file that are not as usual, as TOML.
    pub more: String,
}

/// A node as the edge reaches it.
#[derive(Debug, Clone)]
pub struct Origin {
    pub region: String,
    pub address: SocketAddr,
}

/// A process of `levqor edge`.
#[derive(Debug)]
pub struct Edge {
    server: Server,
}

impl Edge {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// When it ends first; its output is in the message.
    pub async fn start(setup: &EdgeSetup) -> anyhow::Result<Self> {
        let mut tries = 1;
        loop {
            let address = free_address()?;
            let path = setup.directory.join(format!("{}.toml", setup.name));
            std::fs::write(&path, file(setup, address)).with_context(|| path.display().to_string())?;
            let mut server = Server::spawn(&process(setup, &path, address))?;
            match server.answers("/edge/health", |_| true).await {
                Ok(()) => return Ok(Self { server }),
                Err(_) if server.lost_its_port() && tries < PORTS_TRIED => tries += 1,
                Err(error) => return Err(error.context("the edge does not start")),
            }
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Its process.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// SIGKILL: it gets no chance to finish anything.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.server.kill()
    }
}

fn process(setup: &EdgeSetup, file: &Path, address: SocketAddr) -> ServerSetup {
    ServerSetup {
        binary: setup.binary.clone(),
        arguments: ["edge", "--config"]
            .map(ToOwned::to_owned)
            .into_iter()
            .chain([file.display().to_string()])
            .collect(),
        environment: vec![("LEVQOR_LOG".to_owned(), "info".to_owned())],
        directory: setup.directory.clone(),
        address,
    }
}

fn file(setup: &EdgeSetup, address: SocketAddr) -> String {
    let mut regions: Vec<&str> = Vec::new();
    for origin in &setup.origins {
        if !regions.contains(&origin.region.as_str()) {
            regions.push(&origin.region);
        }
    }
    let mut file = format!("name = {:?}\n[[listen]]\naddress = \"{address}\"\n", setup.name);
    for region in &regions {
        let _ = writeln!(file, "[[regions]]\ncode = {region:?}");
    }
    for (number, origin) in setup.origins.iter().enumerate() {
        let _ = writeln!(
            file,
            "[[origins]]\nname = \"{region}-{number}\"\nregion = {region:?}\nurl = \"http://{address}\"",
            region = origin.region,
            address = origin.address,
        );
    }
    let _ = writeln!(file, "[[routes]]\nhosts = [\"*\"]\n[steering]\nprefer = {regions:?}\n{}", setup.more);
    file
}
