//! What was promised, counted at the end: callers' ledger, callee's ledger by idempotency key, runs, events, metering.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::bail;
use levqor_testkit::{
    Client, HttpStub,
    crash::{Effect, effects, key_of_told, keys_of},
};
use serde_json::{Value, json};

/// Outputs read one by one at the end; more would meet the account's limit of requests.
const OUTPUTS_MAX: usize = 300;
/// For what is under way at the end.
const PATIENCE: Duration = Duration::from_secs(600);

/// What callers know.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The number in a run's input, and the run's id.
    pub(crate) acknowledged: BTreeMap<u64, String>,
    /// Sent, and not answered.
    pub(crate) in_doubt: BTreeSet<u64>,
    pub(crate) refused: u64,
}

pub(crate) async fn create(client: &Client, definition: &Value) -> anyhow::Result<String> {
    let answer = client.post("/api/workflows", &json!({ "definition": definition })).await?;
    match answer.body["id"].as_str() {
        Some(id) if answer.status == 201 => Ok(id.to_owned()),
        _ => bail!("the workflow was refused with {}: {}", answer.status, answer.body),
    }
}

/// Asks again when there were too many requests.
pub(crate) async fn get(client: &Client, path: &str) -> anyhow::Result<Value> {
    loop {
        let answer = client.get(path).await?;
        match answer.status {
            200 => return Ok(answer.body),
            429 => tokio::time::sleep(Duration::from_secs(1)).await,
            status => bail!("GET {path} gave {status}: {}", answer.body),
        }
    }
}

pub(crate) async fn all_ended(client: &Client) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    // Twice in a row: between two pages a run may move from one to the other.
    let mut quiet = 0;
    while quiet < 2 {
        let mut under_way = 0;
        for status in ["pending", "running", "waiting"] {
            let page = get(client, &format!("/api/runs?status={status}&limit=1")).await?;
            under_way += page["runs"].as_array().map_or(0, Vec::len);
        }
        quiet = if under_way == 0 { quiet + 1 } else { 0 };
        if Instant::now() > deadline {
            bail!("runs are still under way after {PATIENCE:?}");
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}

/// The runs that events have started, when there is one for each run that has emitted, or when no more of them come.
pub(crate) async fn all_told(
    client: &Client,
    workflow: &str,
    told: &str,
) -> anyhow::Result<BTreeMap<String, String>> {
    let deadline = Instant::now() + PATIENCE / 10;
    loop {
        let emitted =
            runs_of(client, workflow).await?.values().filter(|status| *status == "completed").count();
        let runs = runs_of(client, told).await?;
        if runs.len() >= emitted || Instant::now() > deadline {
            all_ended(client).await?;
            return runs_of(client, told).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// All runs of the workflow with their status.
pub(crate) async fn runs_of(client: &Client, workflow: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let mut runs = BTreeMap::new();
    let mut path = format!("/api/runs?workflow={workflow}&limit=200");
    loop {
        let page = get(client, &path).await?;
        for run in page["runs"].as_array().into_iter().flatten() {
            let text = |name: &str| run[name].as_str().unwrap_or_default().to_owned();
            runs.insert(text("run_id"), text("status"));
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/runs?workflow={workflow}&limit=200&cursor={cursor}"),
            None => return Ok(runs),
        }
    }
}

/// Runs of another workflow, by status, and the idempotency key of the one call that each makes.
pub(crate) struct Others {
    pub(crate) runs: BTreeMap<String, String>,
    pub(crate) key: Option<fn(&str) -> String>,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) acknowledged: usize,
    pub(crate) lost: usize,
    pub(crate) in_doubt: usize,
    pub(crate) in_doubt_there: usize,
    pub(crate) refused: u64,
    pub(crate) emitted: usize,
    pub(crate) told: usize,
    pub(crate) effects: usize,
    pub(crate) repeats: usize,
    pub(crate) metered: u64,
    /// Whatever is wrong, in words.
    pub(crate) wrong: Vec<String>,
}

/// Compares all ledgers.
pub(crate) async fn compare(
    client: &Client,
    workflow: &str,
    told: &BTreeMap<String, String>,
    others: &[Others],
    stub: &HttpStub,
    ledger: &Ledger,
) -> anyhow::Result<Findings> {
    let mut wrong = Vec::new();
    let runs = runs_of(client, workflow).await?;
    let lost: Vec<_> = ledger.acknowledged.values().filter(|run| !runs.contains_key(*run)).collect();
    wrong.extend(lost.iter().map(|run| format!("{run} was acknowledged and is lost")));
    wrong.extend(
        runs.iter()
            .chain(told)
            .chain(others.iter().flat_map(|others| &others.runs))
            .filter(|(_, status)| *status != "completed")
            .map(|(run, status)| format!("{run} is {status}")),
    );
    let (least, most) = (ledger.acknowledged.len(), ledger.acknowledged.len() + ledger.in_doubt.len());
    if !(least..=most).contains(&runs.len()) {
        wrong.push(format!("{} runs are there, of {least} to {most} that may be", runs.len()));
    }

    let effects = effects(stub);
    let expected: BTreeSet<String> = runs
        .keys()
        .flat_map(|run| keys_of(run))
        .chain(told.keys().map(|run| key_of_told(run)))
        .chain(others.iter().flat_map(|others| {
            others.key.into_iter().flat_map(|key| others.runs.keys().map(move |run| key(run)))
        }))
        .collect();
    wrong.extend(
        expected
            .iter()
            .filter(|key| !effects.contains_key(*key))
            .map(|key| format!("{key} never reached the callee")),
    );
    for (key, effect) in &effects {
        if !expected.contains(key) {
            wrong.push(format!("nobody asked for {key}"));
        }
        if !effect.is_constant {
            wrong.push(format!("{key} was sent with different requests"));
        }
    }
    for (number, run) in &ledger.acknowledged {
        for key in keys_of(run) {
            if effects.get(&key).is_some_and(|effect| effect.first.json()["n"] != *number) {
                wrong.push(format!("{key} was sent with the input of another run"));
            }
        }
    }
    wrong.extend(events_lost_or_doubled(&runs, told, &effects));
    let step = ledger.acknowledged.len().div_ceil(OUTPUTS_MAX).max(1);
    for (number, run) in ledger.acknowledged.iter().step_by(step).filter(|(_, run)| runs.contains_key(*run)) {
        let output = get(client, &format!("/api/runs/{run}")).await?["output"].take();
        if output != json!({ "n": number }) {
            wrong.push(format!("{run} gave {output} for the input {number}"));
        }
    }

    let metered = get(client, "/api/usage/summary").await?["runs"].as_u64().unwrap_or_default();
    let there = runs.len() + told.len() + others.iter().map(|others| others.runs.len()).sum::<usize>();
    if metered != there as u64 {
        wrong.push(format!("{metered} runs are metered and {there} are there"));
    }
    let repeats: usize = effects.values().map(|effect| effect.deliveries - 1).sum();
    Ok(Findings {
        acknowledged: least,
        lost: lost.len(),
        in_doubt: ledger.in_doubt.len(),
        in_doubt_there: runs.len().saturating_sub(least),
        refused: ledger.refused,
        emitted: runs.len(),
        told: told.len(),
        effects: effects.len(),
        repeats,
        metered,
        wrong,
    })
}

impl std::fmt::Display for Findings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "runs:    {} acknowledged, {} lost; {} in doubt, of which {} are there; {} refused\n\
             events:  {} emitted, {} runs started by them\n\
             effects: {} by idempotency key, {} repeated\n\
             metered: {} runs",
            self.acknowledged,
            self.lost,
            self.in_doubt,
            self.in_doubt_there,
            self.refused,
            self.emitted,
            self.told,
            self.effects,
            self.repeats,
            self.metered,
        )
    }
}

/// Each run emits its number once, and each event starts one run, which sends the number on.
fn events_lost_or_doubled(
    runs: &BTreeMap<String, String>,
    told: &BTreeMap<String, String>,
    effects: &BTreeMap<String, Effect>,
) -> Vec<String> {
    let number = |key: &str| effects.get(key).and_then(|effect| effect.first.json()["n"].as_u64());
    let mut heard: BTreeMap<u64, usize> = BTreeMap::new();
    for number in told.keys().filter_map(|run| number(&key_of_told(run))) {
        *heard.entry(number).or_default() += 1;
    }
    let mut wrong = Vec::new();
    for run in runs.keys() {
        let Some(number) = number(&keys_of(run)[0]) else { continue };
        match heard.remove(&number) {
            Some(1) => {}
            Some(times) => wrong.push(format!("the event of {run} started {times} runs")),
            None => wrong.push(format!("the event of {run} started no run")),
        }
    }
    wrong.extend(
        heard.keys().map(|number| format!("an event with {number} started a run; nobody emitted it")),
    );
    wrong
}

pub(crate) fn spread(spans: &mut [Duration]) -> String {
    spans.sort_unstable();
    match (spans.get(spans.len() / 2), spans.last()) {
        (Some(median), Some(most)) => format!("median {median:.0?}, most {most:.0?}"),
        _ => "never".to_owned(),
    }
}

/// A number that looks random.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (the mixing of SplitMix64).
pub(crate) fn mixed(seed: u64, nth: u64) -> u64 {
    let mut mixed = seed.wrapping_add((nth + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
