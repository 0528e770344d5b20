//! The real server in a directory of its own, and what the system knows of its process.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use levqor_lab::{Server, ServerSetup};
use serde_json::Value;

use super::{Bench, client::Client};

/// Clock ticks of `/proc/<pid>/stat` in a second; the kernel's ABI fixes them.
const TICKS: f64 = 100.0;

/// A directory that goes away with the value.
#[derive(Debug)]
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// # Errors
    /// When the directory cannot be made.
    pub fn new(bench: &Bench, name: &str) -> anyhow::Result<Self> {
        let path = bench.scratch.join(format!("{name}-{}", std::process::id()));
        // What a run that was killed left behind.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }

    pub fn database(&self) -> PathBuf {
        self.0.join("data/levqor.db")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left for the next run to take away.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How the server is started in `directory`.
///
/// # Errors
/// When no local port can be had.
pub fn setup(bench: &Bench, directory: &Path) -> anyhow::Result<ServerSetup> {
    Ok(ServerSetup::new(&bench.binary, directory)?
        .env("LEVQOR_EGRESS_ALLOW", "127.0.0.1/32")
        // One account makes all the load.
        .env("LEVQOR_LIMITS_RUNNING_PER_ACCOUNT", "1000000")
        .env("LEVQOR_LOG", "warn"))
}

/// A running server with its owner's key.
#[derive(Debug)]
pub struct Node {
    pub server: Server,
    pub key: String,
    pub scratch: Scratch,
}

impl Node {
    /// A new server without any data.
    ///
    /// # Errors
    /// When it doesn't start.
    pub fn start(bench: &Bench, name: &str) -> anyhow::Result<Self> {
        let scratch = Scratch::new(bench, name)?;
        let setup = setup(bench, &scratch.0)?;
        let server = bench.runtime.block_on(Server::start(&setup))?;
        let key = bench.runtime.block_on(server.line("lvq_"))?.trim().to_owned();
        Ok(Self { server, key, scratch })
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// # Errors
    /// When nobody listens.
    pub fn connect(&self) -> anyhow::Result<Client> {
        Client::connect(self.address(), &self.key)
    }

    /// Makes a workflow; the path under which its runs are started.
    ///
    /// # Errors
    /// When it is refused.
    pub fn create(&self, definition: &Value) -> anyhow::Result<String> {
        let body = serde_json::json!({ "definition": definition }).to_string();
        let created = self.connect()?.json("POST", "/api/workflows", &body)?;
        let id = created["id"].as_str().context("a workflow has an id")?;
        Ok(format!("/api/workflows/{id}/runs"))
    }

    pub fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.server.id())).unwrap_or_default();
        // After the name, which may hold spaces: state is the third field, user and system time are the 14th and 15th.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
    }

    /// Resident memory in megabytes (of 1,000,000 bytes).
    pub fn resident_mb(&self) -> f64 {
        resident_mb(self.server.id())
    }

    /// Waits until no run is in one of `statuses`.
    ///
    /// # Errors
    /// When there still is one after a long time.
    pub fn quiet(&self, statuses: &[&str]) -> anyhow::Result<()> {
        let mut client = self.connect()?;
        let deadline = Instant::now() + Duration::from_secs(120);
        for status in statuses {
            loop {
                let page = client.json("GET", &format!("/api/runs?status={status}&limit=1"), "")?;
                if page["runs"].as_array().is_none_or(Vec::is_empty) {
                    break;
                }
                if Instant::now() > deadline {
                    bail!("runs are still {status}");
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }
}

/// Resident memory of a process in megabytes.
pub fn resident_mb(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or_default() * 1024.0 / 1e6
}
