//! What happens in a simulation, and in which order: all of it from the seed.

use std::{collections::BTreeMap, time::Duration};

use levqor_engine::fault::{Point, Refusal};

use crate::{
    dice::{Dice, hash},
    documents::NAMES,
};

/// A run to start.
#[derive(Debug, Clone)]
pub struct Start {
    pub workflow: &'static str,
    pub number: u64,
}

/// What goes wrong inside one engine.
#[derive(Debug, Clone, Default)]
pub struct Trouble {
    pub crash: Option<(Point, usize)>,
    pub refusals: BTreeMap<usize, Refusal>,
}

/// Nodes are chosen by `node` among those that can do it at the time.
#[derive(Debug, Clone)]
pub enum Step {
    Start {
        node: usize,
        start: usize,
    },
    Cancel {
        node: usize,
        start: usize,
    },
    /// Of the runs that have not ended, the one of this number, sub-runs too.
    Suspend {
        node: usize,
        run: usize,
    },
    Resume {
        node: usize,
        run: usize,
    },
    /// Time passes for everyone.
    Pass(Duration),
    /// The clock is set, by so many seconds, and nobody is told.
    Jump(i64),
    Kill {
        node: usize,
    },
    Boot(Trouble),
    /// The node stands still while another takes its runs over.
    Stall {
        node: usize,
        successor: Trouble,
    },
    Wake,
    /// Somebody answers a question of a run, of those that are open or of all that anybody answers.
    Answer {
        node: usize,
        question: usize,
        open: bool,
        approved: bool,
    },
    /// Somebody outside publishes some news.
    Publish {
        node: usize,
        events: u64,
    },
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub starts: Vec<Start>,
    /// With the reads of the store after each, for which the nodes are driven.
    pub steps: Vec<(Step, u64)>,
}

impl Plan {
    pub fn new(seed: u64) -> Self {
        let dice = Dice::new(hash(seed, &["plan"]));
        let starts: Vec<Start> = (0..dice.within(3, 10))
            .map(|_| Start {
                // Mostly those that have sub-runs.
                workflow: NAMES[if dice.percent(20) { dice.index(2) } else { 2 + dice.index(2) }],
                number: dice.below(1_000),
            })
            .collect();
        let mut waiting = 0..starts.len();
        let mut steps = vec![(Step::Boot(trouble(&dice)), dice.within(0, 4))];
        while !waiting.is_empty() || dice.percent(85) {
            let step = match dice.below(112) {
                0..34 => match waiting.next() {
                    Some(start) => Step::Start { node: dice.index(8), start },
                    None => Step::Pass(span(&dice)),
                },
                34..54 => Step::Pass(span(&dice)),
                54..61 => Step::Publish { node: dice.index(8), events: dice.within(1, 4) },
                61..67 => Step::Suspend { node: dice.index(8), run: dice.index(64) },
                67..70 => Step::Resume { node: dice.index(8), run: dice.index(64) },
                70..76 => Step::Jump(jump(&dice)),
                76..82 => Step::Kill { node: dice.index(8) },
                82..88 => Step::Boot(trouble(&dice)),
                88..93 => Step::Stall { node: dice.index(8), successor: trouble(&dice) },
                93..97 => Step::Wake,
                97..100 => Step::Cancel { node: dice.index(8), start: dice.index(starts.len()) },
                _ => Step::Answer {
                    node: dice.index(8),
                    question: dice.index(64),
                    open: dice.percent(65),
                    approved: dice.percent(50),
                },
            };
            let turns = if dice.percent(20) { 0 } else { dice.within(1, 12) };
            steps.push((step, turns));
        }
        Self { seed, starts, steps }
    }
}

fn span(dice: &Dice) -> Duration {
    match dice.below(5) {
        0 => Duration::from_millis(dice.within(1, 50)),
        1 | 2 => Duration::from_millis(dice.within(500, 3_000)),
        3 => Duration::from_secs(dice.within(5, 60)),
        _ => Duration::from_secs(dice.within(60, 900)),
    }
}

fn jump(dice: &Dice) -> i64 {
    let seconds = match dice.below(3) {
        0 => dice.within(1, 10),
        1 => dice.within(60, 600),
        _ => dice.within(3_600, 100_000),
    };
    let seconds = i64::try_from(seconds).unwrap_or(0);
    if dice.percent(50) { seconds } else { -seconds }
}

fn trouble(dice: &Dice) -> Trouble {
    let points = [Point::ALL, Point::PUBLISHING].concat();
    let crash = dice.percent(60).then(|| dice.pick(&points)).flatten().map(|point| {
        // How often engines come by these.
        let most = match point {
            Point::BeforeAppend | Point::AfterAppend => 12,
            Point::BeforeCall | Point::AfterCall => 3,
            _ => 2,
        };
        (*point, usize::try_from(dice.within(1, most)).unwrap_or(1))
    });
    let refusals = (0..dice.below(4))
        .map(|_| {
            let nth = usize::try_from(dice.within(1, 60)).unwrap_or(1);
            (nth, if dice.percent(50) { Refusal::Undone } else { Refusal::Unanswered })
        })
        .collect();
    Trouble { crash, refusals }
}
