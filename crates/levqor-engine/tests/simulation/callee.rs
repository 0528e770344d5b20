//! The callee: answers by rule, so that anybody can say what it will answer; notes whatever it is sent.
//!
//! A result depends on the seed, the task and the idempotency key's group alone, never on how often something was sent.
//! Only what is lost on the way depends on that.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use levqor_engine::fault::Callee;
use levqor_flow::machine::{ErrorKind, HttpRequest, Outcome};
use levqor_model::RunId;
use levqor_store::Store;
use serde_json::{Value, json};

use crate::{dice::hash, documents::CALLEE};

/// Answers that are lost at most for one key.
const LOST_MAX: usize = 2;

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub run: RunId,
    /// The idempotency key without the run: path and group.
    pub place: String,
    pub call: HttpRequest,
    /// Of a signed message: the headers by which it proves itself. They are not in the call.
    pub proof: Vec<(String, String)>,
    /// Journal entries of the run that were durable when it arrived.
    pub durable: i64,
    /// The engine that sent it, by its place in the order of starts.
    pub node: usize,
}

/// What all engines of a simulation call.
#[derive(Debug)]
pub struct Ledger {
    pub seed: u64,
    store: Store,
    deliveries: Mutex<Deliveries>,
}

/// In the order in which they arrived.
#[derive(Debug, Default)]
struct Deliveries {
    all: Vec<Delivery>,
    by_key: BTreeMap<String, usize>,
}

/// The callee as one engine sees it.
#[derive(Debug)]
pub struct Line {
    pub ledger: Arc<Ledger>,
    pub node: usize,
}

impl Ledger {
    pub fn new(seed: u64, store: Store) -> Self {
        Self { seed, store, deliveries: Mutex::default() }
    }

    pub fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner).all.clone()
    }

    /// Notes a delivery, and counts those of its key before it.
    fn note(&self, delivery: Delivery) -> usize {
        let mut deliveries = self.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
        let times = deliveries.by_key.entry(delivery.call.key.clone()).or_default();
        let before = *times;
        *times += 1;
        deliveries.all.push(delivery);
        before
    }
}

/// Splits a key into its run and the rest.
pub fn parts(key: &str) -> Option<(RunId, &str)> {
    let (run, place) = key.split_once('/')?;
    Some((run.parse().ok()?, place))
}

fn behaviour(call: &HttpRequest) -> &str {
    call.uri.strip_prefix(CALLEE).and_then(|path| path.split('/').nth(1)).unwrap_or_default()
}

/// What the callee says to this request, however often it comes; None: nothing, ever.
pub fn answer(seed: u64, call: &HttpRequest) -> Option<Outcome> {
    let place = parts(&call.key).map_or(call.key.as_str(), |(_, place)| place);
    let (path, group) = place.rsplit_once('/').unwrap_or((place, "0"));
    let group: u64 = group.parse().unwrap_or(0);
    let body = match &call.body {
        // A message is the text that was signed.
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        body => body.clone().unwrap_or_default(),
    };
    match behaviour(call) {
        "silent" => None,
        "broken" => Some(refused(500)),
        "flaky" if group < hash(seed, &[path, "failures"]) % 3 => Some(refused(503)),
        _ => {
            let mark = hash(seed, &[path]) % 1_000;
            let number = body["n"].as_u64().unwrap_or(0);
            let mut trail = body["trail"].as_array().cloned().unwrap_or_default();
            trail.push(json!(mark));
            let trail = trail.split_off(trail.len().saturating_sub(8));
            let content = json!({ "n": (number * 31 + mark) % 1_000_000_007, "trail": trail });
            Some(Outcome::Output(match behaviour(call) {
                "hook" => json!({ "statusCode": 200, "content": content }),
                _ => content,
            }))
        }
    }
}

fn refused(status: i64) -> Outcome {
    let error = levqor_flow::machine::FlowError {
        status,
        ..ErrorKind::Communication.error("Refused", format!("the callee answered {status}"))
    };
    Outcome::Failed { error, answered: true }
}

fn lost() -> Outcome {
    let error = ErrorKind::Communication.error("No answer", "the connection was closed");
    Outcome::Failed { error, answered: false }
}

impl Callee for Line {
    fn answer<'a>(&'a self, call: &'a HttpRequest) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>> {
        Box::pin(self.take(call))
    }
}

impl Line {
    async fn take(&self, call: &HttpRequest) -> Outcome {
        let ledger = &self.ledger;
        let (Some(answer), Some((run, place))) = (Some(answer(ledger.seed, call)), parts(&call.key)) else {
            return lost();
        };
        let mut sent = call.clone();
        let proof = if behaviour(call) == "hook" { std::mem::take(&mut sent.headers) } else { Vec::new() };
        let row = ledger.store.run(None, run).await.ok().flatten();
        let delivery = Delivery {
            run,
            place: place.to_owned(),
            call: sent,
            proof,
            durable: row.map_or(0, |row| row.next_seq),
            node: self.node,
        };
        let before = ledger.note(delivery);
        let Some(answer) = answer else { return std::future::pending().await };
        let nth = before.to_string();
        let chance = hash(ledger.seed, &[place, &nth, "delay"]);
        let delay = match chance % 10 {
            0..6 => Duration::ZERO,
            6..9 => Duration::from_millis(chance % 900),
            _ => Duration::from_secs(chance % 20),
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if behaviour(call) == "flaky"
            && before < LOST_MAX
            && hash(ledger.seed, &[place, &nth, "lost"]).is_multiple_of(3)
        {
            return lost();
        }
        answer
    }
}
