//! Three regions on this machine with somebody who is told.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use levqor_lab::{Directory, Edge, EdgeSetup, Node, NodeSetup, Origin, Postgres};
use levqor_testkit::{Client, HttpStub, SmtpStub};
use serde_json::Value;

/// In the order in which the edge prefers them.
pub const REGIONS: [&str; 3] = ["eu-west", "us-east", "ap-south"];
const HOOK: &str = "/pager";

pub struct World {
    nodes: Vec<Node>,
    edge: Edge,
    webhook: HttpStub,
    mail: SmtpStub,
    key: String,
    // Nodes and edge end before what they need.
    _database: Postgres,
    directory: Directory,
}

impl World {
    /// # Errors
    /// When something does not start.
    pub async fn start(binary: &Path, verbose: bool) -> anyhow::Result<Self> {
        let (webhook, mail) = (HttpStub::start().await, SmtpStub::start().await);
        let directory = Directory::new()?;
        let database = Postgres::start(&[], &[]).context("PostgreSQL")?;
        let database_url = database.database()?;
        let variables = [
            ("LEVQOR_LOG", if verbose { "info" } else { "warn" }.to_owned()),
            ("LEVQOR_EGRESS_ALLOW", "127.0.0.1/32".to_owned()),
            ("LEVQOR_ALERTS_WEBHOOK_URL", webhook.url(HOOK)),
            ("LEVQOR_ALERTS_MAIL_TO", "on-call@example.com".to_owned()),
            ("LEVQOR_MAIL_FROM", "Levqor <levqor@example.com>".to_owned()),
            ("SMTP_URL", mail.url()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        let mut nodes = Vec::new();
        for region in REGIONS {
            let setup = NodeSetup {
                binary: binary.to_owned(),
                directory: directory.path().to_owned(),
                region: region.to_owned(),
                database_url: database_url.clone(),
                secret: "the same on all nodes of this outage".to_owned(),
                environment: variables.to_vec(),
            };
            nodes.push(Node::start(&setup).await?);
        }
        let key = nodes[0].owner_key().await?;
        let origins =
            nodes.iter().map(|node| Origin { region: node.region().to_owned(), address: node.address() });
        let edge = Edge::start(&EdgeSetup {
            binary: binary.to_owned(),
            directory: directory.path().to_owned(),
            name: "edge".to_owned(),
            origins: origins.collect(),
            more: String::new(),
        })
        .await?;
        Ok(Self { nodes, edge, webhook, mail, key, _database: database, directory })
    }

    /// As customers come.
    pub fn through_the_edge(&self) -> Client {
        Client::new(self.edge.address(), &self.key)
    }

    /// An operator at a node of another region.
    ///
    /// # Errors
    /// When there is none.
    pub fn beside(&self, region: &str) -> anyhow::Result<Client> {
        Ok(Client::new(self.other(region)?.address(), &self.key))
    }

    /// The first node that is not of that region.
    fn other(&self, region: &str) -> anyhow::Result<&Node> {
        self.nodes.iter().find(|node| node.region() != region).context("there is no other region")
    }

    fn place(&mut self, region: &str) -> anyhow::Result<&mut Node> {
        let place = self.nodes.iter_mut().find(|node| node.region() == region);
        place.with_context(|| format!("there is no node in {region}"))
    }

    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self, region: &str) -> anyhow::Result<()> {
        self.place(region)?.kill()
    }

    /// Another process in the place of the one that was killed.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn bring_back(&mut self, region: &str) -> anyhow::Result<()> {
        let node = self.place(region)?;
        node.start_again()?;
        node.ready().await
    }

    /// What the webhook was told, in order.
    pub fn messages(&self) -> Vec<Value> {
        self.webhook.requests_to(HOOK).iter().map(levqor_testkit::Received::json).collect()
    }

    /// The subjects of what came by mail, in order.
    pub fn subjects(&self) -> Vec<String> {
        self.mail.mails().iter().filter_map(|mail| mail.header("subject")).collect()
    }

    /// Where the node that is asked beside a region writes its postmortems.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn postmortem(&self, region: &str, name: &str) -> anyhow::Result<PathBuf> {
        let own = self.directory.path().join(self.other(region)?.region());
        Ok(own.join("data").join("postmortems").join(name))
    }

    /// # Errors
    /// When the directory cannot be written.
    pub fn write_logs(&self, directory: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        let nodes = self.nodes.iter().map(|node| (node.region(), node.server().log()));
        for (name, log) in nodes.chain([("edge", self.edge.server().log())]) {
            fs::write(directory.join(format!("{name}.log")), log)?;
        }
        Ok(())
    }
}
