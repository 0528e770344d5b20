//! Those who start runs and send messages to a webhook, until they are told to end.
//!
//! Each request is sent under a key, again and again, until it is acknowledged: to one node after the other, or to the edge.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use levqor_testkit::{Answer, Client};
use serde_json::json;
use tokio::task::JoinSet;

use super::look::PATIENCE;
use crate::checker::Ledger;

/// Each has one request under way, and rests between two.
const CALLERS: u64 = 6;
const SENDERS: u64 = 2;
const REST: Duration = Duration::from_millis(500);
/// A node that stands still answers nothing; the next one is asked then. The edge is given longer: it holds what it cannot send.
const TRY_NODE: Duration = Duration::from_secs(3);
const TRY_EDGE: Duration = Duration::from_secs(12);

/// What they know.
#[derive(Debug, Default)]
pub struct Told {
    pub ledger: Ledger,
    /// The runs that messages started, by the message's number, and those that were never acknowledged.
    pub hooked: BTreeMap<u64, String>,
    pub unheard: u64,
    /// Requests that were answered with an error, or not at all, though they may be sent twice.
    pub failed: u64,
    /// The same by what came instead.
    pub instead: BTreeMap<String, u64>,
    longest: Duration,
}

impl Told {
    fn fail(&mut self, instead: String) {
        self.failed += 1;
        *self.instead.entry(instead).or_default() += 1;
    }
}

pub struct Callers {
    told: Arc<Mutex<Told>>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Callers {
    /// `hook`: the path of the webhook.
    pub fn begin(front: &[Client], workflow: &str, hook: &str) -> Self {
        let (told, stop) = (Arc::<Mutex<Told>>::default(), Arc::<AtomicBool>::default());
        let (starts, messages) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let mut tasks = JoinSet::new();
        let path = format!("/api/workflows/{workflow}/runs");
        for caller in 0..CALLERS + SENDERS {
            let is_sender = caller >= CALLERS;
            let (front, told, stop) = (front.to_vec(), Arc::clone(&told), Arc::clone(&stop));
            let numbers = Arc::clone(if is_sender { &messages } else { &starts });
            let path = if is_sender { hook.to_owned() } else { path.clone() };
            tasks.spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let number = numbers.fetch_add(1, Ordering::SeqCst);
                    let request = Request { path: &path, number, is_message: is_sender };
                    request.send(&front, caller + number, &told).await;
                    tokio::time::sleep(REST).await;
                }
            });
        }
        Self { told, stop, tasks }
    }

    /// The longest wait since this was asked last, and how many requests have failed in all.
    pub fn so_far(&self) -> (Duration, u64) {
        let mut told = lock(&self.told);
        (std::mem::take(&mut told.longest), told.failed)
    }

    pub fn acknowledged(&self) -> usize {
        let told = lock(&self.told);
        told.ledger.acknowledged.len() + told.hooked.len()
    }

    pub async fn end(mut self) -> Told {
        self.stop.store(true, Ordering::SeqCst);
        while self.tasks.join_next().await.is_some() {}
        std::mem::take(&mut *lock(&self.told))
    }
}

struct Request<'a> {
    path: &'a str,
    number: u64,
    is_message: bool,
}

impl Request<'_> {
    /// Until it is acknowledged.
    async fn send(&self, front: &[Client], first: u64, told: &Mutex<Told>) {
        let begun = Instant::now();
        let try_for = if front.len() == 1 { TRY_EDGE } else { TRY_NODE };
        let mut turn = usize::try_from(first).unwrap_or_default();
        let mut run = None;
        while run.is_none() && begun.elapsed() < PATIENCE {
            let client = &front[turn % front.len()];
            turn += 1;
            let answer = tokio::time::timeout(try_for, self.once(client)).await;
            match answer {
                Ok(Ok(answer)) if matches!(answer.status, 200 | 202) => {
                    run = answer.body["run_id"].as_str().map(str::to_owned);
                }
                other => {
                    lock(told).fail(instead(other));
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        let mut told = lock(told);
        told.longest = told.longest.max(begun.elapsed());
        match (run, self.is_message) {
            (Some(run), false) => drop(told.ledger.acknowledged.insert(self.number, run)),
            (None, false) => drop(told.ledger.in_doubt.insert(self.number)),
            (Some(run), true) => drop(told.hooked.insert(self.number, run)),
            (None, true) => told.unheard += 1,
        }
    }

    async fn once(&self, client: &Client) -> anyhow::Result<Answer> {
        let number = self.number;
        if self.is_message {
            client.message(self.path, &json!({ "n": number }), &format!("message-{number}")).await
        } else {
            let body = json!({ "input": { "n": number } });
            client.post_once(self.path, &body, &format!("start-{number}")).await
        }
    }
}

/// What came instead of an acknowledgement, in few words.
pub fn instead(answer: Result<anyhow::Result<Answer>, tokio::time::error::Elapsed>) -> String {
    match answer {
        Ok(Ok(answer)) => {
            let code =
                answer.body["type"].as_str().and_then(|code| code.rsplit('/').next()).unwrap_or_default();
            format!("{} {code}", answer.status)
        }
        Ok(Err(_)) => "no connection".to_owned(),
        Err(_) => "no answer in time".to_owned(),
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}
