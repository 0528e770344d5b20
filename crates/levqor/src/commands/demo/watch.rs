//! What the edge and the nodes say of the regions, read again and again.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, ensure};
use levqor_model::Secret;
use serde_json::Value;

/// Longest time for one look.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct Watch {
    http: reqwest::Client,
    edge: String,
    key: Secret,
}

impl Watch {
    /// # Errors
    /// When no client can be made.
    pub fn new(edge: String, key: Secret) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
        Ok(Self { http, edge, key })
    }

    /// The edge's verdicts: whether a region gets requests, and for how long that has been so.
    ///
    /// # Errors
    /// When the edge does not answer.
    pub async fn edge(&self) -> anyhow::Result<BTreeMap<String, (bool, Duration)>> {
        let found = self.get("/edge/health").await?;
        let origins = found["origins"].as_array().context("the edge names no origins")?;
        let of = |origin: &Value| {
            let since = Duration::try_from_secs_f64(origin["since_seconds"].as_f64()?).ok()?;
            Some((origin["region"].as_str()?.to_owned(), (origin["verdict"] == "up", since)))
        };
        Ok(origins.iter().filter_map(of).collect())
    }

    /// The newest node of each region: its id, its state, and the live runs of all nodes there.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn nodes(&self) -> anyhow::Result<BTreeMap<String, (String, String, u64)>> {
        let found = self.get("/api/ops/nodes").await?;
        let mut regions: BTreeMap<String, (String, String, u64)> = BTreeMap::new();
        for node in found["nodes"].as_array().context("no nodes are named")? {
            let text = |name: &str| node[name].as_str().unwrap_or_default().to_owned();
            let newest = regions.entry(text("region")).or_insert_with(|| (text("node_id"), text("state"), 0));
            newest.2 += node["runs"].as_u64().unwrap_or_default();
        }
        Ok(regions)
    }

    /// Runs that were taken over from a node.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn taken_from(&self, node: &str) -> anyhow::Result<BTreeMap<String, u64>> {
        let found = self.get("/api/ops/nodes").await?;
        let mut by_region = BTreeMap::new();
        for takeover in found["takeovers"].as_array().into_iter().flatten() {
            if takeover["from_node"] == node {
                let region = takeover["region"].as_str().unwrap_or_default().to_owned();
                *by_region.entry(region).or_default() += takeover["runs"].as_u64().unwrap_or_default();
            }
        }
        Ok(by_region)
    }

    /// What `GET /api/regions` says of each region now.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn statuses(&self) -> anyhow::Result<String> {
        let found = self.get("/api/regions").await?;
        let regions = found["regions"].as_array().context("no regions are named")?;
        let of =
            |region: &Value| Some(format!("{} {}", region["code"].as_str()?, region["status"].as_str()?));
        Ok(regions.iter().filter_map(of).collect::<Vec<_>>().join(", "))
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = self.http.get(format!("{}{path}", self.edge)).bearer_auth(self.key.expose());
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path} was answered with {status}: {text}");
        serde_json::from_str(&text).with_context(|| format!("{path} was not answered with JSON"))
    }
}
