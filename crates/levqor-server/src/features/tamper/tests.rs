//! Random changes of what is guarded, each of which must be found, and must be gone from the findings once it is undone.
//!
//! A few hundred by default; `LEVQOR_TAMPER_EDITS=10000` makes that many, and what was measured is printed.

mod edits;
mod world;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use edits::{Edit, KINDS};
use world::World;

/// A change that was not found by now is missed.
const CEILING: Duration = Duration::from_secs(20);
const EDITS: usize = 200;

fn wanted() -> usize {
    std::env::var("LEVQOR_TAMPER_EDITS").ok().and_then(|text| text.parse().ok()).unwrap_or(EDITS)
}

/// How long it took until changes were noticed, by what was done and whether events came.
#[derive(Default)]
struct Measured(BTreeMap<(&'static str, bool), Vec<Duration>>);

impl Measured {
    fn add(&mut self, kind: &'static str, hears: bool, took: Duration) {
        self.0.entry((kind, hears)).or_default().push(took);
    }

    fn tell(&mut self) {
        let mut all: BTreeMap<bool, Vec<Duration>> = BTreeMap::new();
        for ((kind, hears), times) in &mut self.0 {
            all.entry(*hears).or_default().extend(&*times);
            line(kind, *hears, times);
        }
        for (hears, mut times) in all {
            line("all", hears, &mut times);
        }
    }
}

fn line(kind: &str, hears: bool, times: &mut [Duration]) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1_000.0;
    println!(
        "{kind:<32} {} {:>6} edits  p50 {:>8.2} ms  p99 {:>8.2} ms  max {:>8.2} ms",
        if hears { "heard  " } else { "looking" },
        times.len(),
        at(50),
        at(99),
        at(100)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_edit_is_missed() {
    let total = wanted();
    let mut world = World::new(total as u64).await;
    let mut measured = Measured::default();
    // Each kind has its turn, in a random order of places and contents.
    for number in 0..total {
        let edit = Edit::new(KINDS[number % KINDS.len()], &world);
        // Now and then the watcher goes deaf, and the guard has to find out by itself.
        if number % 97 == 50 {
            world.guard.kill_watcher();
            world.deaf = true;
        }
        let began = world.apply(&edit).await;
        let expected = edit.paths();
        let found = world
            .until(|found| expected.iter().all(|path| found.contains_key(path)), CEILING)
            .await
            .unwrap_or_else(|found| panic!("edit {number} {edit:?} of {expected:?} is missed: {found:?}"));
        measured.add(edit.kind.name(), world.hears(), began.elapsed());
        for path in found.keys() {
            assert!(edit.may_touch(path), "edit {number} {edit:?}: {path} was not touched");
        }
        world.undo(&edit).await;
        let left = world.until(BTreeMap::is_empty, CEILING).await;
        assert!(left.is_ok(), "edit {number} {edit:?} is undone, and still found: {left:?}");
    }
    measured.tell();
    println!("{total} edits, 0 missed; {} watchers died and were made anew", world.guard.condition().deaths);
    assert!(world.guard.condition().deaths > 0 || total < 60, "a deaf watcher was not found out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_edit_is_missed_without_events() {
    let total = wanted() / 20;
    let mut world = World::new(7).await;
    world.guard.without_watcher();
    let mut measured = Measured::default();
    for number in 0..total {
        let edit = Edit::new(KINDS[number % KINDS.len()], &world);
        let began: Instant = world.apply(&edit).await;
        let expected = edit.paths();
        let found = world.until(|found| expected.iter().all(|path| found.contains_key(path)), CEILING).await;
        assert!(found.is_ok(), "edit {number} {edit:?} is missed: {found:?}");
        measured.add(edit.kind.name(), false, began.elapsed());
        world.undo(&edit).await;
        let left = world.until(BTreeMap::is_empty, CEILING).await;
        assert!(left.is_ok(), "edit {number} {edit:?} is undone, and still found: {left:?}");
    }
    assert!(!world.guard.condition().hears);
    measured.tell();
}

#[tokio::test]
async fn a_flood_of_events_ends_in_a_look_at_everything() {
    let mut world = World::new(3).await;
    // Nobody listens meanwhile, and the system keeps 16,384 of them.
    let noise = world.path("runbooks/noise");
    for round in 0..6_000 {
        std::fs::write(&noise, format!("{round}")).unwrap();
        std::fs::remove_file(&noise).unwrap();
    }
    std::fs::write(world.path("named.txt"), "changed").unwrap();
    let path = world.text("named.txt");
    let found = world.until(|found| found.contains_key(&path), CEILING).await.unwrap();
    // The file, and the link to it.
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(world.guard.condition().overflows > 0);
}
