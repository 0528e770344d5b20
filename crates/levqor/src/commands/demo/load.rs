//! Callers in three parts of the world: they start runs through the edge, read what is there, and keep a ledger of what they were
//! promised. A request is sent once; whatever is done to save it, the edge does.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use levqor_model::Secret;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How often a caller starts a run, how often it reads, and how often a run is looked at in the end. An account has 1,000 requests a minute at each node.
const START_EVERY: Duration = Duration::from_millis(500);
const READ_EVERY: Duration = Duration::from_millis(250);
const CHECK_EVERY: Duration = Duration::from_millis(40);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Longer than the edge holds a request.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests under way of one caller; more wait for their turn.
const AT_ONCE: usize = 64;
/// How far back answers are counted.
const WINDOW: Duration = Duration::from_secs(1);
/// Runs of a page of the list.
const PAGE: usize = 200;
/// What the edge takes for the country of the caller.
pub const COUNTRY_HEADER: &str = "x-country";
/// Where callers are, and what they ask for first.
pub const COUNTRIES: [(&str, &str); 3] = [("IE", "eu-west"), ("US", "us-east"), ("IN", "ap-south")];

/// A run takes three seconds, most of which it waits.
fn workflow() -> Value {
    json!({ "definition": {
        "document": { "dsl": "1.0.3", "namespace": "demo", "name": "order", "version": "0.1.0" },
        "do": [
            { "price": { "set": { "net": "${ .amount }", "gross": "${ .amount * 2 }" } } },
            { "settle": { "wait": { "seconds": 3 } } },
            { "confirm": { "set": { "amount": "${ .gross }" } } },
        ],
    } })
}

/// What callers know.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Runs that were acknowledged, by what their output must be.
    pub acknowledged: BTreeMap<String, u64>,
    pub ended: BTreeMap<String, String>,
    /// Requests that failed, with the reason. All of them may be repeated.
    pub failed: Vec<String>,
    pub longest_read: Duration,
    pub longest_start: Duration,
    answers: BTreeMap<String, VecDeque<Instant>>,
}

impl Ledger {
    /// Answers of the last second that the region gave.
    pub fn answers(&mut self, region: &str) -> u64 {
        let Some(times) = self.answers.get_mut(region) else { return 0 };
        while times.front().is_some_and(|at| at.elapsed() > WINDOW) {
            times.pop_front();
        }
        times.len() as u64
    }
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    edge: String,
    key: Secret,
    workflow: String,
    ledger: Mutex<Ledger>,
}

/// Callers at work.
pub struct Load {
    shared: Arc<Shared>,
    stop: CancellationToken,
    callers: tokio::sync::Mutex<JoinSet<()>>,
}

impl Load {
    /// # Errors
    /// When the workflow is not taken.
    pub async fn begin(edge: String, key: Secret) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
        let mut shared = Shared { http, edge, key, workflow: String::new(), ledger: Mutex::default() };
        let made = shared.send("IE", "/api/workflows", Some((workflow(), "workflow".to_owned()))).await?;
        shared.workflow = made["id"].as_str().context("the workflow has no id")?.to_owned();
        let shared = Arc::new(shared);
        let (mut callers, stop) = (JoinSet::new(), CancellationToken::new());
        for (country, _) in COUNTRIES {
            callers.spawn(calls(Arc::clone(&shared), country, stop.clone()));
        }
        callers.spawn(looks(Arc::clone(&shared), stop.clone()));
        Ok(Self { shared, stop, callers: tokio::sync::Mutex::new(callers) })
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.shared.ledger()
    }

    /// The longest that a read and a start took since this was asked last.
    pub fn forget_longest(&self) -> (Duration, Duration) {
        let mut ledger = self.ledger();
        (std::mem::take(&mut ledger.longest_read), std::mem::take(&mut ledger.longest_start))
    }

    /// Starts no more runs, waits for those that were acknowledged, and tells which of them did not come out as promised.
    pub async fn settle(&self, patience: Duration) -> Vec<String> {
        self.stop.cancel();
        while self.callers.lock().await.join_next().await.is_some() {}
        let begun = Instant::now();
        let promised = self.ledger().acknowledged.clone();
        let mut wrong = Vec::new();
        for (run, amount) in promised {
            // Within what an account may ask of a node.
            tokio::time::sleep(CHECK_EVERY).await;
            match self.shared.outcome(&run, amount, begun + patience).await {
                Ok(()) => drop(self.ledger().ended.insert(run, "completed".to_owned())),
                Err(problem) => wrong.push(problem),
            }
        }
        wrong
    }
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A GET, or a POST under an `Idempotency-Key`; once.
    async fn send(&self, country: &str, path: &str, body: Option<(Value, String)>) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.edge);
        let request = match body {
            None => self.http.get(url),
            Some((body, key)) => self
                .http
                .post(url)
                .header("content-type", "application/json")
                .header("idempotency-key", key)
                .body(body.to_string()),
        };
        let request = request.bearer_auth(self.key.expose()).header(COUNTRY_HEADER, country);
        let answer = request.send().await?;
        let status = answer.status();
        let region = answer.headers().get("x-levqor-region").and_then(|region| region.to_str().ok());
        if let Some(region) = region {
            let now = Instant::now();
            self.ledger().answers.entry(region.to_owned()).or_default().push_back(now);
        }
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path} was answered with {status}: {text}");
        serde_json::from_str(&text).with_context(|| format!("{path} was not answered with JSON"))
    }

    /// Waits until the run has ended as it must.
    async fn outcome(&self, run: &str, amount: u64, until: Instant) -> Result<(), String> {
        let path = format!("/api/runs/{run}");
        loop {
            let found = self.send("IE", &path, None).await;
            let status = found.as_ref().ok().and_then(|found| found["status"].as_str()).unwrap_or_default();
            match (&found, status) {
                (Ok(found), "completed") if found["output"]["amount"] == amount => return Ok(()),
                (Ok(found), "completed" | "faulted" | "cancelled") => {
                    return Err(format!("{run} is {status} with {}", found["output"]));
                }
                (Ok(_), _) if Instant::now() > until => return Err(format!("{run} is still {status}")),
                (Err(error), _) if Instant::now() > until => return Err(format!("{run}: {error:#}")),
                _ => tokio::time::sleep(READ_EVERY).await,
            }
        }
    }

    async fn start(&self, country: &str, number: u64) {
        let begun = Instant::now();
        let path = format!("/api/workflows/{}/runs", self.workflow);
        let key = format!("{country}-{number}");
        let answer = self.send(country, &path, Some((json!({ "input": { "amount": number } }), key))).await;
        let mut ledger = self.ledger();
        ledger.longest_start = begun.elapsed().max(ledger.longest_start);
        match answer {
            Ok(run) => {
                let id = run["run_id"].as_str().unwrap_or_default().to_owned();
                ledger.acknowledged.insert(id, 2 * number);
            }
            Err(error) => ledger.failed.push(format!("start: {error:#}")),
        }
    }

    async fn read(&self, country: &str) {
        let begun = Instant::now();
        let answer = self.send(country, &format!("/api/workflows/{}", self.workflow), None).await;
        let mut ledger = self.ledger();
        ledger.longest_read = begun.elapsed().max(ledger.longest_read);
        if let Err(error) = answer {
            ledger.failed.push(format!("read: {error:#}"));
        }
    }
}

/// Starts and reads at its pace, however long answers take.
async fn calls(shared: Arc<Shared>, country: &'static str, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    let mut starts = tokio::time::interval(START_EVERY);
    let mut reads = tokio::time::interval(READ_EVERY);
    for pace in [&mut starts, &mut reads] {
        pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    }
    let mut number = 0;
    loop {
        let is_start = tokio::select! {
            _ = starts.tick() => true,
            _ = reads.tick() => false,
            () = stop.cancelled() => break,
        };
        while under_way.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { break };
        let shared = Arc::clone(&shared);
        number += u64::from(is_start);
        under_way.spawn(async move {
            if is_start {
                shared.start(country, number).await;
            } else {
                shared.read(country).await;
            }
            drop(permit);
        });
    }
    while under_way.join_next().await.is_some() {}
}

/// Sees which runs have ended.
async fn looks(shared: Arc<Shared>, stop: CancellationToken) {
    let path = format!("/api/runs?workflow={}&limit={PAGE}", shared.workflow);
    while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
        // It is looked at again, and each run by itself at the end.
        let Ok(found) = shared.send("IE", &path, None).await else { continue };
        let mut ledger = shared.ledger();
        for run in found["runs"].as_array().into_iter().flatten() {
            let (Some(id), Some(status)) = (run["run_id"].as_str(), run["status"].as_str()) else { continue };
            if matches!(status, "completed" | "faulted" | "cancelled") {
                ledger.ended.insert(id.to_owned(), status.to_owned());
            }
        }
    }
}
