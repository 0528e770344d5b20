//! What runs may do only when somebody allows it: no task begins before its leave is durable, and no run makes more calls than
//! its budget and those who resumed it allow.
//!
//! Both are told by names and numbers alone, not by the interpreter: tasks that need leave are called so, and a key names
//! all tasks that its call stands in.

use std::collections::{BTreeMap, BTreeSet};

use levqor_model::RunId;
use serde_json::{Value, json};

use crate::{
    callee::{self, Delivery},
    dice::hash,
    walk::Walk,
    world::World,
};

/// How the names of tasks begin that need leave.
pub const GATED: &str = "gated";
/// How questions begin to which everybody says yes, and no.
pub const MAY: &str = "May";
pub const MUST_NOT: &str = "Must not";

/// What everybody answers; None: the one this, the other that.
pub fn answer_to(title: &str) -> Option<bool> {
    let begins = |word| title.starts_with(word);
    if begins(MAY) { Some(true) } else { begins(MUST_NOT).then_some(false) }
}

/// Whether the workflow's runs are refused before their first task. Of those that end with an error anyway.
pub fn is_refused(seed: u64, name: &str) -> bool {
    hash(seed, &["refused", name]).is_multiple_of(3)
}

/// What is asked before the workflow's runs begin.
pub fn of_run(seed: u64, name: &str, fails: bool) -> Option<Value> {
    if fails && is_refused(seed, name) {
        return Some(question(MUST_NOT, name));
    }
    hash(seed, &["asks", name]).is_multiple_of(6).then(|| question(MAY, name))
}

/// How many calls the workflow's runs may make.
pub fn budget(seed: u64, name: &str) -> Option<u64> {
    hash(seed, &["budget", name]).is_multiple_of(4).then(|| 1 + hash(seed, &["calls", name]) % 5)
}

/// Has the task need leave. Its name begins with [`GATED`].
pub fn gate(task: &mut Value, word: &str, name: &str) {
    task["metadata"] = json!({ "levqor": { "approval": question(word, name) } });
}

fn question(word: &str, name: &str) -> Value {
    json!({ "title": format!("${{ \"{word} {name} with \\(.n)?\" }}") })
}

fn is_gated(name: &str) -> bool {
    name.starts_with(GATED)
}

/// An answer that a run took in.
#[derive(Debug, Clone)]
pub struct Taken {
    pub entry: i64,
    /// The key of the question.
    pub key: String,
    pub approved: bool,
}

impl Taken {
    /// Whether it says that a task, or the run, may begin.
    pub fn is_leave(&self) -> bool {
        self.task().is_some_and(|task| task.is_empty() || task.rsplit('/').next().is_some_and(is_gated))
    }

    /// The task that asked, as keys of calls have it; empty for the run.
    fn task(&self) -> Option<&str> {
        Some(callee::parts(&self.key)?.1.rsplit_once('/')?.0)
    }
}

/// Whether a run made the calls that it should. One that nobody answers may be missing where the run has made as many as its
/// budget has at once: then its time may have run out while it waited for more, and it was never made.
pub fn are_those(
    (made, count): (&BTreeSet<&str>, usize),
    expected: &BTreeSet<&str>,
    silent: &BTreeSet<String>,
    budget: Option<u64>,
) -> bool {
    let may_wait = budget.is_some_and(|most| count as u64 >= most);
    made.is_subset(expected) && expected.difference(made).all(|missing| may_wait && silent.contains(*missing))
}

/// What a run's journal says about its budget.
#[derive(Debug, Default)]
pub struct Spending {
    /// The entries that asked for its calls, in order.
    pub asked: Vec<i64>,
    /// The entries that stopped it for its budget, with the calls asked for until then.
    pub stopped: Vec<(i64, usize)>,
    /// The entries that let it go on after that.
    pub resumed: Vec<i64>,
}

pub fn check(
    world: &World,
    names: &BTreeMap<RunId, &str>,
    walks: &BTreeMap<RunId, &Walk>,
    deliveries: &[Delivery],
    wrong: &mut Vec<String>,
) {
    let policy = |run: &RunId| {
        let workflow = names.get(run).and_then(|name| world.oracle.workflows.get(*name));
        workflow.map(|workflow| &workflow.policy)
    };
    let mut sent: BTreeMap<RunId, Vec<(&str, i64)>> = BTreeMap::new();
    for delivery in deliveries {
        sent.entry(delivery.run).or_default().push((&delivery.place, delivery.durable));
    }
    for (run, walk) in walks {
        let Some(policy) = policy(run) else { continue };
        let sent = sent.remove(run).unwrap_or_default();
        let asks_first = policy.approval.is_some();
        let mut found = Vec::new();
        for (place, durable) in &sent {
            found.extend(leave(asks_first, place, *durable, &walk.taken));
        }
        if asks_first {
            let told = walk.emitted.values().map(|(entry, _)| entry);
            let first = walk.sub_runs_asked.iter().chain(told).min();
            found.extend(first.and_then(|entry| leave(true, "", entry + 1, &walk.taken)));
        }
        if let Some(calls) = policy.budget.and_then(|budget| budget.calls) {
            found.extend(spent(calls, &walk.spending, &sent));
        }
        wrong.extend(found.into_iter().map(|reason| format!("{run}: {reason}")));
    }
}

/// Whose leave is missing for what was done when so many entries were durable.
pub fn leave(asks_first: bool, place: &str, durable: i64, taken: &[Taken]) -> Option<String> {
    let path = place.rsplit_once('/').map_or("", |(path, _)| path);
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    let tasks = ends.map(|end| &path[..end]).filter(|task| task.rsplit('/').next().is_some_and(is_gated));
    // Whoever asks has not begun its first round.
    let gates = tasks.map(|task| match task.rfind('[') {
        Some(at) if !task[at..].contains('/') => &task[..at],
        _ => task,
    });
    let run = asks_first.then_some("");
    let missing = run.into_iter().chain(gates).find(|gate| {
        !taken.iter().any(|taken| taken.approved && taken.entry < durable && taken.task() == Some(gate))
    })?;
    Some(format!(
        "{place:?} was done when {durable} entries were durable, and {missing:?} has no leave in them: {taken:?}"
    ))
}

/// What is wrong with the calls of a run that may make `calls` at a time. `sent`: what reached the callee, and how many
/// entries were durable then.
pub fn spent(calls: u64, spending: &Spending, sent: &[(&str, i64)]) -> Vec<String> {
    let Spending { asked, stopped, resumed } = spending;
    let allowed = |before: i64| {
        let times = 1 + resumed.iter().filter(|resumed| **resumed < before).count();
        usize::try_from(calls).unwrap_or(usize::MAX).saturating_mul(times)
    };
    let mut wrong = Vec::new();
    for (nth, entry) in (1..).zip(asked) {
        // An entry that lets it go on asks for what it allows.
        if nth > allowed(entry + 1) {
            wrong.push(format!("entry {entry} asks for call {nth}, and {} are allowed", allowed(entry + 1)));
        }
    }
    for (entry, asked) in stopped {
        if *asked != allowed(*entry) {
            wrong.push(format!("entry {entry} stops it after {asked} calls of {}", allowed(*entry)));
        }
    }
    let mut places = BTreeSet::new();
    for (place, durable) in sent {
        places.insert(place);
        if places.len() > allowed(*durable) {
            wrong.push(format!("{place} is call {} of {}", places.len(), allowed(*durable)));
        }
    }
    wrong
}
