//! The engine under fire: its own code over its own store, in time that is moved by hand, with planned trouble.
//!
//! ```text
//! seed ─► documents (random workflows) ─► plan (starts, time, kills, stalls, clock jumps, failures of the store)
//!                   │                                   │
//!                   ▼                                   ▼
//!         oracle: what must come out  ──► check ◄──  world: what came out (rows, journals, the callee's ledger)
//! ```
//!
//! A seed fixes the workflows, the plan and every answer of the callee. The store's threads are real, so what comes
//! first of two things that are under way at once is not fixed: the invariants hold for every order, and a seed that
//! failed is played again as often as `LEVQOR_SIM_REPEAT` says.
//!
//! - `LEVQOR_SIM_RUNS`: how many runs to have acknowledged, over as many seeds as that takes.
//! - `LEVQOR_SIM_SEED`: the first seed; alone, the only one.
//! - `LEVQOR_SIM_REPEAT`: how often to play each seed.
//! - `LEVQOR_SIM_SHOW`: print plans and workflows.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod allowed;
mod approvals;
mod bite;
mod callee;
mod check;
mod dice;
mod documents;
mod events;
mod hooks;
mod node;
mod oracle;
mod plan;
mod state;
mod walk;
mod world;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use check::Seen;
use levqor_engine::egress;
use plan::Plan;
use world::{Tally, World};

/// What continuous integration plays: some 2,100 runs with their sub-runs, by its CPU time about a minute on two idle cores, not optimised.
const RUNS: usize = 1_300;
const FIRST_SEED: u64 = 1;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// One simulation, with what was seen and what is wrong.
fn simulate(seed: u64, client: &egress::Client) -> (Tally, Seen, Vec<String>) {
    let plan = Plan::new(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if std::env::var("LEVQOR_SIM_SHOW").is_ok() {
        println!("{plan:#?}");
        for document in documents::all(seed) {
            println!("{document:#}");
        }
    }
    let mut world = match runtime.block_on(World::new(&plan, client.clone())) {
        Ok(world) => world,
        Err(reason) => return (Tally::default(), Seen::default(), vec![reason]),
    };
    if let Err(reason) = world.play(&plan) {
        return (world.tally.clone(), Seen::default(), vec![reason]);
    }
    let (seen, wrong) = runtime.block_on(check::check(&world)).unwrap();
    (world.tally.clone(), seen, wrong)
}

#[derive(Debug, Default)]
struct Total {
    seeds: usize,
    tally: Tally,
    seen: Seen,
    failed: Vec<(u64, Vec<String>)>,
}

impl Total {
    fn add(&mut self, seed: u64, tally: Tally, seen: Seen, wrong: Vec<String>) {
        let Tally {
            boots,
            kills,
            crashes,
            stalls,
            jumps,
            cancels,
            suspends,
            resumes,
            answers,
            answers_alone,
            acknowledged,
            in_doubt,
        } = tally;
        self.seeds += 1;
        self.tally.boots += boots;
        self.tally.kills += kills;
        for (point, times) in crashes {
            *self.tally.crashes.entry(point).or_default() += times;
        }
        self.tally.stalls += stalls;
        self.tally.jumps += jumps;
        self.tally.cancels += cancels;
        self.tally.suspends += suspends;
        self.tally.resumes += resumes;
        self.tally.answers += answers;
        self.tally.answers_alone += answers_alone;
        self.tally.acknowledged += acknowledged;
        self.tally.in_doubt += in_doubt;
        let Seen {
            runs,
            completed,
            faulted,
            cancelled,
            entries,
            effects,
            repeats,
            moved,
            events_emitted,
            events_consumed,
            suspensions,
            held,
            counted,
            late,
            questions,
            unanswered,
            messages,
            leaves,
            refusals,
            used_up,
        } = seen;
        self.seen.runs += runs;
        self.seen.completed += completed;
        self.seen.faulted += faulted;
        self.seen.cancelled += cancelled;
        self.seen.entries += entries;
        self.seen.effects += effects;
        self.seen.repeats += repeats;
        self.seen.moved += moved;
        self.seen.events_emitted += events_emitted;
        self.seen.events_consumed += events_consumed;
        self.seen.suspensions += suspensions;
        self.seen.held += held;
        self.seen.counted += counted;
        self.seen.late += late;
        self.seen.questions += questions;
        self.seen.unanswered += unanswered;
        self.seen.messages += messages;
        self.seen.leaves += leaves;
        self.seen.refusals += refusals;
        self.seen.used_up += used_up;
        if !wrong.is_empty() {
            self.failed.push((seed, wrong));
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

#[test]
fn whatever_goes_wrong_nothing_acknowledged_is_lost_or_done_twice() {
    let seed = number("LEVQOR_SIM_SEED");
    let runs = number("LEVQOR_SIM_RUNS");
    let only_one = seed.is_some() && runs.is_none();
    let runs = runs.map_or(RUNS, |runs| usize::try_from(runs).unwrap());
    let repeat = number("LEVQOR_SIM_REPEAT").unwrap_or(1).max(1);
    let first = seed.unwrap_or(FIRST_SEED);

    let client = egress::Client::new(egress::Policy::default(), "simulation");
    let begun = Instant::now();
    let total = Mutex::new(Total::default());
    let next = AtomicU64::new(0);
    let enough = AtomicBool::new(false);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !enough.load(Ordering::SeqCst) {
                    let nth = next.fetch_add(1, Ordering::SeqCst);
                    if only_one && nth >= repeat {
                        return;
                    }
                    let seed = first + nth / repeat;
                    let (tally, seen, wrong) = catch_unwind(AssertUnwindSafe(|| simulate(seed, &client)))
                        .unwrap_or_else(|panic| {
                            (Tally::default(), Seen::default(), vec![panic_text(&*panic)])
                        });
                    let mut total = total.lock().unwrap();
                    total.add(seed, tally, seen, wrong);
                    if !only_one && total.tally.acknowledged >= runs || total.failed.len() >= 5 {
                        enough.store(true, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{} simulations in {seconds:.1} s, {:.0} runs a minute\n{:#?}\n{:#?}",
        total.seeds,
        total.seen.runs as f64 / seconds * 60.0,
        total.tally,
        total.seen
    );
    let mut report = String::new();
    for (seed, wrong) in &total.failed {
        report += &format!(
            "seed {seed}; play it again with\n  LEVQOR_SIM_SEED={seed} LEVQOR_SIM_REPEAT=50 cargo test -p levqor-engine --test simulation\n"
        );
        for line in wrong.iter().take(10) {
            report += &format!("  - {line}\n");
        }
    }
    assert!(total.failed.is_empty(), "{report}");
    if !only_one {
        covers(&total);
    }
}

/// A simulation in which nothing goes wrong proves nothing.
fn covers(total: &Total) {
    use levqor_engine::fault::Point;
    let points: BTreeMap<String, usize> =
        Point::ALL.iter().chain(Point::PUBLISHING).map(|point| (format!("{point:?}"), 0)).collect();
    for point in points.keys() {
        assert!(total.tally.crashes.contains_key(point), "no crash at {point}: {:?}", total.tally.crashes);
    }
    for (what, times) in [
        ("kills", total.tally.kills),
        ("stalls", total.tally.stalls),
        ("clock jumps", total.tally.jumps),
        ("starts in doubt", total.tally.in_doubt),
        ("faulted runs", total.seen.faulted),
        ("cancelled runs", total.seen.cancelled),
        ("repeated effects", total.seen.repeats),
        ("runs that moved", total.seen.moved),
        ("emitted events", total.seen.events_emitted),
        ("consumed events", total.seen.events_consumed),
        ("suspensions", total.seen.suspensions),
        ("results held while suspended", total.seen.held),
        ("values counted up", total.seen.counted),
        ("values counted up too late", total.seen.late),
        ("questions", total.seen.questions),
        ("questions that nobody answered", total.seen.unanswered),
        ("answers", total.tally.answers),
        ("answers while no engine ran", total.tally.answers_alone),
        ("signed messages", total.seen.messages),
        ("leaves", total.seen.leaves),
        ("refusals", total.seen.refusals),
        ("budgets that were used up", total.seen.used_up),
    ] {
        assert!(times > 0, "no {what}: {:?} {:?}", total.tally, total.seen);
    }
}
