//! The page against the truth, in virtual time: what it says while something is out, and while nothing is.
//!
//! A node looks each second, as its job does, and tells the store what its memory thinks worth telling. The page is made anew each second.
//! It is asked ten times a second what it says, by way of the store as other nodes see it.

use std::time::Duration;

use levqor_model::{NodeId, Random, RegionRegistry, SeededRandom, Timestamp};
use levqor_store::health::Sample;

use super::{
    service::{Evidence, FRESH, State, assess},
    snapshot::{is_new_at, turns_at},
    voices::LOOKS_BACK,
};
use crate::features::health::Memory;

const TICK: Duration = Duration::from_millis(100);

/// A node, the store that it tells, and a page of another node that reads the store.
struct World {
    random: SeededRandom,
    node: NodeId,
    memory: Memory,
    store: Vec<Sample>,
    now: Timestamp,
    next_look: Timestamp,
    next_page: Timestamp,
    said: State,
    made_at: Timestamp,
    turns_at: Option<Timestamp>,
    /// The node says nothing any more.
    silent: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let (random, now) = (SeededRandom::new(seed), Timestamp::from_seconds(1_795_503_701));
        let world = Self {
            node: NodeId::new(now, &random),
            memory: Memory::default(),
            store: Vec::new(),
            now,
            next_look: now,
            next_page: now,
            said: State::Unknown,
            made_at: now,
            turns_at: None,
            silent: false,
            random,
        };
        let phase = world.below(1_000);
        Self { next_page: now + Duration::from_millis(phase), ..world }
    }

    fn below(&self, end: u64) -> u64 {
        self.random.u64() % end
    }

    /// A tick of the clock; what the page says after it.
    fn tick(&mut self, out: bool) -> State {
        self.now = self.now + TICK;
        if self.now >= self.next_look && !self.silent {
            let sample = |component: &str, good: bool| Sample {
                region: "eu-west".parse().unwrap(),
                node: self.node,
                component: component.to_owned(),
                at: self.now,
                good,
                latency_us: None,
                reason: None,
            };
            let seen = vec![sample("api", !out), sample("database", true), sample("engine", true)];
            self.memory.saw(&seen);
            let told = self.memory.worth_telling(seen);
            self.store.extend(told);
            // A look takes its time.
            self.next_look = self.now + Duration::from_millis(1_000 + self.below(120));
        }
        if self.now >= self.next_page || !is_new_at(self.made_at, self.turns_at, self.now) {
            self.make();
            self.next_page = self.now + Duration::from_secs(1);
        }
        self.said
    }

    fn make(&mut self) {
        let from = self.now - LOOKS_BACK;
        self.store.retain(|sample| sample.at >= from);
        let evidence = Evidence {
            regions: RegionRegistry::default().all()[..1].to_vec(),
            samples: self.store.clone(),
            ..Evidence::default()
        };
        let report = assess(&evidence, self.now);
        self.said = report.state;
        self.turns_at = turns_at(&report);
        self.made_at = self.now;
    }

    /// Lets time pass; how long the page said otherwise than it was, and whether it said that something is out.
    fn pass(&mut self, span: Duration, out: bool) -> (Duration, bool) {
        let (mut lie, mut alarm) = (Duration::ZERO, false);
        let ticks = span.as_millis() / TICK.as_millis();
        for _ in 0..ticks {
            let ill = matches!(self.tick(out), State::Down | State::Degraded);
            alarm |= ill;
            if ill != out {
                lie += TICK;
            }
        }
        (lie, alarm)
    }
}

#[test]
fn hiccups_are_no_outages() {
    let mut world = World::new(1);
    world.pass(Duration::from_secs(60), false);
    let mut false_outages = 0;
    for _ in 0..1_000 {
        let blip = Duration::from_millis(100 + world.below(19) * 100);
        assert!(blip < Duration::from_secs(2));
        let (_, during) = world.pass(blip, true);
        let calm = Duration::from_millis(25_000 + world.below(10_000));
        let (_, after) = world.pass(calm, false);
        false_outages += u32::from(during || after);
    }
    assert_eq!(false_outages, 0);
}

#[test]
fn outages_are_shown_within_five_seconds_and_the_page_lies_for_few() {
    let mut world = World::new(2);
    world.pass(Duration::from_secs(60), false);
    let (mut shown_max, mut lie_max, mut lie_sum) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    const OUTAGES: u32 = 300;
    for _ in 0..OUTAGES {
        let length = Duration::from_millis(6_000 + world.below(120_000));
        let mut shown = None;
        let mut lie = Duration::ZERO;
        let mut passed = Duration::ZERO;
        while passed < length {
            let ill = matches!(world.tick(true), State::Down | State::Degraded);
            passed += TICK;
            if ill {
                shown.get_or_insert(passed);
            } else {
                lie += TICK;
            }
        }
        let calm = Duration::from_millis(45_000 + world.below(60_000));
        lie += world.pass(calm, false).0;
        shown_max = shown_max.max(shown.expect("it is shown"));
        (lie_max, lie_sum) = (lie_max.max(lie), lie_sum + lie);
    }
    println!(
        "{OUTAGES} outages: shown within {shown_max:?}, lie-seconds at most {lie_max:?}, on average {:?}",
        lie_sum / OUTAGES
    );
    assert!(shown_max <= Duration::from_secs(5), "{shown_max:?}");
    assert!(lie_max <= Duration::from_secs(10), "{lie_max:?}");
}

#[test]
fn silence_is_unknown_within_fifteen_seconds() {
    for seed in 0..50 {
        let mut world = World::new(seed);
        let calm = Duration::from_millis(30_000 + world.below(10_000));
        world.pass(calm, false);
        assert_eq!(world.said, State::Operational);
        world.silent = true;
        let mut silence = Duration::ZERO;
        while world.tick(false) == State::Operational {
            silence += TICK;
            assert!(silence <= FRESH, "{silence:?} of silence, and still green");
        }
        assert_eq!(world.said, State::Unknown);
    }
}
