//! The regions that faults happen to.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use levqor_lab::{Directory, Edge, EdgeSetup, Node, NodeSetup, Origin, Pair, Postgres, Relay};
use levqor_testkit::Client;
use serde_json::json;

use super::{ChaosArgs, clock::Clock, fault::Fault, look::node_in};

/// In the order in which the edge prefers them.
pub const REGIONS: [&str; 3] = ["eu-west", "us-east", "ap-south"];
/// The load comes from one account.
const REQUESTS_PER_MINUTE: &str = "1000000";

/// A place for a node, and the wires that lead from it and to it.
pub struct Seat {
    pub node: Node,
    /// To each server of the database, when they can be silent.
    pub to_database: Vec<Relay>,
    /// From the edge, when it can be silent.
    pub from_edge: Option<Relay>,
    pub clock: Option<Clock>,
}

pub enum Database {
    One(Box<Postgres>),
    Pair(Box<Pair>),
}

pub struct Cluster {
    pub seats: Vec<Seat>,
    pub edge: Option<Edge>,
    pub database: Database,
    pub key: String,
    _directory: Directory,
}

impl Cluster {
    pub async fn start(binary: &Path, args: &ChaosArgs) -> anyhow::Result<Self> {
        let fault = args.fault;
        let directory = Directory::new()?;
        let database = if matches!(fault, Fault::Primary | Fault::Freeze) {
            Database::Pair(Box::new(Pair::start(&[]).context("PostgreSQL")?))
        } else {
            Database::One(Box::new(Postgres::start(&[], &[]).context("PostgreSQL")?))
        };
        let name = match &database {
            Database::One(server) => server.database()?.rsplit('/').next().unwrap_or_default().to_owned(),
            Database::Pair(pair) => pair.database().to_owned(),
        };
        let mut seats: Vec<Seat> = Vec::new();
        for region in REGIONS {
            let mut addresses = match &database {
                Database::One(server) => vec![server.address()],
                Database::Pair(pair) => pair.addresses().to_vec(),
            };
            let mut to_database = Vec::new();
            if fault == Fault::Partition {
                for address in &mut addresses {
                    let relay = Relay::start(*address)?;
                    *address = relay.address();
                    to_database.push(relay);
                }
            }
            let mut environment = vec![
                ("LEVQOR_EGRESS_ALLOW".to_owned(), "127.0.0.1/32".to_owned()),
                ("LEVQOR_LOG".to_owned(), if args.logs.is_some() { "info" } else { "warn" }.to_owned()),
                ("LEVQOR_LIMITS_REQUESTS_PER_MINUTE".to_owned(), REQUESTS_PER_MINUTE.to_owned()),
            ];
            let mut clock = None;
            if fault == Fault::Clock {
                let (made, variables) = Clock::new(directory.path(), region)?;
                environment.extend(variables);
                clock = Some(made);
            }
            let setup = NodeSetup {
                binary: binary.to_owned(),
                directory: directory.path().to_owned(),
                region: region.to_owned(),
                database_url: url(&addresses, &name),
                secret: "the same on all nodes of this test".to_owned(),
                environment,
            };
            let node = Node::start(&setup).await?;
            let from_edge = (fault == Fault::Blackhole).then(|| Relay::start(node.address())).transpose()?;
            seats.push(Seat { node, to_database, from_edge, clock });
        }
        let key = seats[0].node.owner_key().await?;
        let edge = if args.edge { Some(edge(binary, &directory, &seats).await?) } else { None };
        Ok(Self { seats, edge, database, key, _directory: directory })
    }

    pub fn client(&self, seat: usize) -> Client {
        Client::new(self.seats[seat].node.address(), &self.key)
    }

    /// Where callers go: the edge, or else each node in turn.
    pub fn front(&self) -> Vec<Client> {
        match &self.edge {
            Some(edge) => vec![Client::new(edge.address(), &self.key)],
            None => (0..self.seats.len()).map(|seat| self.client(seat)).collect(),
        }
    }

    /// Has the node of that seat own so many runs that wait.
    pub async fn own(&self, seat: usize, many: &str, count: u64) -> anyhow::Result<()> {
        let client = self.client(seat);
        let begun = Instant::now();
        let answer = client.post(&format!("/api/workflows/{many}/runs"), &json!({})).await?;
        ensure!(matches!(answer.status, 200 | 202), "the runs were refused: {}", answer.body);
        loop {
            let node = node_in(&client, REGIONS[seat]).await?;
            let owned = node["runs"].as_u64().unwrap_or_default();
            if owned >= count {
                println!("{} owns {owned} runs after {:.0?}", REGIONS[seat], begun.elapsed());
                return Ok(());
            }
            ensure!(begun.elapsed() < Duration::from_secs(600), "{owned} of {count} runs are there");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

fn url(servers: &[SocketAddr], database: &str) -> String {
    let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();
    format!("postgres://levqor@{}/{database}", servers.join(","))
}

async fn edge(binary: &Path, directory: &Directory, seats: &[Seat]) -> anyhow::Result<Edge> {
    let origin = |seat: &Seat| Origin {
        region: seat.node.region().to_owned(),
        address: seat.from_edge.as_ref().map_or_else(|| seat.node.address(), Relay::address),
    };
    Edge::start(&EdgeSetup {
        binary: binary.to_owned(),
        directory: directory.path().to_owned(),
        name: "edge".to_owned(),
        origins: seats.iter().map(origin).collect(),
        more: String::new(),
    })
    .await
}
