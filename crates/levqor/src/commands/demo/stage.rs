//! What the demo plays on: a database, a node in each of three regions, an edge before them. All of it are processes of this
//! machine, reachable from it alone, and gone with the demo.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use levqor_lab::{Directory, Edge, EdgeSetup, Node, NodeSetup, Origin, Pair, Postgres};
use levqor_model::{Random as _, Secret, SystemRandom};

use super::load::{COUNTRIES, COUNTRY_HEADER};

/// The first has the primary of PostgreSQL, the second its standby.
pub const REGIONS: [&str; 3] = ["eu-west", "us-east", "ap-south"];

/// Where the nodes keep what they share.
enum Database {
    /// PostgreSQL in two regions.
    Pair(Box<Pair>),
    /// Without PostgreSQL: a file of SQLite, which no region has.
    File(PathBuf),
}

pub struct Stage {
    nodes: Vec<Node>,
    edge: Edge,
    database: Database,
    key: Secret,
    _directory: Directory,
}

impl Stage {
    /// Starts everything; `tell` hears of each step.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn build(tell: &(dyn Fn(&str) + Sync), without_postgres: bool) -> anyhow::Result<Self> {
        let binary = std::env::current_exe().context("where this program lies is not known")?;
        let directory = Directory::new()?;
        let database = if without_postgres || !Postgres::is_installed() {
            tell(
                "the nodes share a file of SQLite, which is not lost; with PostgreSQL a part of the database is",
            );
            Database::File(directory.path().join("shared.db"))
        } else {
            tell(
                "a PostgreSQL in eu-west; each commit is in its standby in us-east before it is acknowledged",
            );
            // Whoever has an account on this machine reaches it.
            let password = random_hex();
            let pair = tokio::task::block_in_place(|| Pair::start_guarded(&[], &password))?;
            Database::Pair(Box::new(pair))
        };
        let secret = random_hex();
        let mut nodes = Vec::new();
        for region in REGIONS {
            tell(&format!("a node in {region}"));
            let setup = NodeSetup {
                binary: binary.clone(),
                directory: directory.path().to_owned(),
                region: region.to_owned(),
                database_url: database.url(),
                secret: secret.clone(),
                environment: vec![("LEVQOR_LOG".to_owned(), "warn".to_owned())],
            };
            nodes.push(Node::start(&setup).await?);
        }
        let first = nodes.first().context("there is no node")?;
        let key = Secret::new(first.owner_key().await?);
        tell("an edge before them");
        let edge = Edge::start(&before(binary, &directory, &nodes)).await?;
        Ok(Self { nodes, edge, database, key, _directory: directory })
    }

    /// Whether a part of the database is lost with the first region.
    pub fn has_standby(&self) -> bool {
        matches!(self.database, Database::Pair(_))
    }

    pub fn url(&self) -> String {
        self.edge.url()
    }

    pub fn key(&self) -> &Secret {
        &self.key
    }

    /// The region's node and its database die at once.
    ///
    /// # Errors
    /// When they are dead.
    pub fn lose(&mut self, region: &str) -> anyhow::Result<()> {
        self.node(region)?.kill()?;
        match &mut self.database {
            Database::Pair(pair) if region == REGIONS[0] => {
                tokio::task::block_in_place(|| pair.kill_primary())
            }
            Database::Pair(_) | Database::File(_) => Ok(()),
        }
    }

    /// Makes the standby the primary, as whoever manages the database does.
    ///
    /// # Errors
    /// When it does not take over.
    pub fn promote(&mut self) -> anyhow::Result<()> {
        match &mut self.database {
            Database::Pair(pair) => tokio::task::block_in_place(|| pair.fail_over()),
            Database::File(_) => Ok(()),
        }
    }

    /// The lost region is there again: its database as a standby, its node as a new one.
    ///
    /// # Errors
    /// When one does not start.
    pub async fn bring_back(&mut self, region: &str) -> anyhow::Result<()> {
        if let Database::Pair(pair) = &mut self.database
            && region == REGIONS[0]
        {
            tokio::task::block_in_place(|| pair.restore())?;
        }
        let node = self.node(region)?;
        node.start_again()?;
        node.ready().await
    }

    fn node(&mut self, region: &str) -> anyhow::Result<&mut Node> {
        match self.nodes.iter_mut().find(|node| node.region() == region) {
            Some(node) => Ok(node),
            None => bail!("there is no node in {region}"),
        }
    }
}

impl Database {
    fn url(&self) -> String {
        match self {
            Database::Pair(pair) => pair.url(),
            Database::File(path) => format!("sqlite://{}", path.display()),
        }
    }
}

/// A secret of 32 bytes that goes with the demo.
fn random_hex() -> String {
    let mut random = [0_u8; 32];
    SystemRandom.fill(&mut random);
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Callers are sent to their own region first, and from there to the next.
fn before(binary: PathBuf, directory: &Directory, nodes: &[Node]) -> EdgeSetup {
    let countries: String = COUNTRIES
        .iter()
        .map(|(country, first)| {
            let rest = REGIONS.iter().filter(|region| *region != first);
            let order: Vec<&str> = std::iter::once(first).chain(rest).copied().collect();
            format!("{country} = {order:?}\n")
        })
        .collect();
    EdgeSetup {
        binary,
        directory: directory.path().to_owned(),
        name: "demo".to_owned(),
        origins: nodes
            .iter()
            .map(|node| Origin { region: node.region().to_owned(), address: node.address() })
            .collect(),
        more: format!(
            "[steering.countries]\n{countries}[trust]\nproxies = [\"127.0.0.0/8\"]\ncountry_header = \"{COUNTRY_HEADER}\"\n[hold]\nms = 15000\n"
        ),
    }
}
