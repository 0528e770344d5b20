//! A thousand histories in virtual time, of which it is known what was wrong, and when: who was told, how soon, and who was told for
//! nothing.
//!
//! Traffic comes second by second and is stored as nodes store it; every two seconds the objective is judged as the server does it. The
//! quiet hours of long histories are looked at every minute, or every ten.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{Random, SeededRandom, Timestamp, Verdict};
use levqor_slo::{
    Count, GRAINS, Grain, Indicator, Ledger, Objective, Part, Source,
    alert::{Before, Event, Patience, Said, Track, step},
    judge,
};

/// A day's start, so that steps of all grains begin there.
const BASE: i64 = 1_795_478_400;
const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// What is wrong for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrong {
    /// This share of requests fails.
    Errors(f64),
    /// Nothing is measured.
    Silence,
    /// The service is away, and so is what measures it.
    SilentOutage,
}

/// Who must be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Somebody is called, within so many seconds when it says so.
    Call(Option<i64>),
    /// Somebody is told, now or when it suits them.
    Tell,
    /// It is told that nothing is known.
    Unknown,
    Nobody,
}

#[derive(Debug, Clone, Copy)]
struct Episode {
    from: i64,
    to: i64,
    wrong: Wrong,
    expected: Expected,
}

#[derive(Debug, Clone)]
struct History {
    kind: &'static str,
    seed: u64,
    /// Requests a second.
    rate: f64,
    /// Of which fail when nothing is wrong.
    background: f64,
    length: i64,
    /// Seconds of traffic at once, and between looks, where nothing changes.
    calm: i64,
    episodes: Vec<Episode>,
    /// When the clocks jump, and how far.
    jumps: Vec<(i64, i64)>,
}

/// How long before a change time begins to go by in seconds.
const NEAR: i64 = 20;

impl History {
    /// When something changes.
    fn changes(&self) -> impl Iterator<Item = i64> + '_ {
        let episodes = self.episodes.iter().flat_map(|episode| [episode.from, episode.to]);
        episodes.chain(self.jumps.iter().map(|(at, _)| *at))
    }
}

/// What was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Burn,
    Slow,
    Unknown,
}

fn objective() -> Objective {
    let source = |name: &str| Source::Series { name: name.to_owned(), labels: Vec::new() };
    Objective {
        name: "requests".to_owned(),
        title: "Requests".to_owned(),
        description: None,
        service: "levqor".to_owned(),
        indicator: Indicator::Ratio { part: Part::Bad, counted: source("errors"), total: source("requests") },
        target_ppm: 999_000,
        window: Duration::from_secs(30 * 86_400),
        expects_traffic: None,
        minimum_events: 10,
        policies: Vec::new(),
        file: "replay".to_owned(),
    }
}

/// A source of numbers for one history.
struct Dice(SeededRandom);

impl Dice {
    /// From 0 to 1.
    fn share(&self) -> f64 {
        (self.0.u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&self, low: f64, high: f64) -> f64 {
        low + self.share() * (high - low)
    }

    fn whole(&self, low: i64, high: i64) -> i64 {
        self.between(low as f64, high as f64 + 0.999).floor() as i64
    }

    /// How many of so many happen.
    fn happen(&self, of: u64, share: f64) -> u64 {
        if share >= 1.0 {
            return of;
        }
        if of <= 60 {
            return (0..of).filter(|_| self.share() < share).count() as u64;
        }
        // The sum of twelve is nearly normal.
        let normal = (0..12).map(|_| self.share()).sum::<f64>() - 6.0;
        let mean = of as f64 * share;
        let found = mean + normal * (mean * (1.0 - share)).sqrt();
        found.round().clamp(0.0, of as f64) as u64
    }
}

/// What is stored, at all grains, and the ledger that is read from it.
struct Store {
    rows: [BTreeMap<i64, Count>; 4],
    ledger: Ledger,
    read_whole: i64,
}

impl Store {
    /// Three days of good traffic.
    fn new(history: &History, dice: &Dice) -> Self {
        let mut store = Self { rows: Default::default(), ledger: Ledger::default(), read_whole: 0 };
        for begin in (-3 * DAY..0).step_by(600) {
            let total = (history.rate * 600.0) as u64;
            let bad = dice.happen(total, history.background);
            store.add(BASE + begin, Count { good: total - bad, total });
        }
        store
    }

    fn add(&mut self, now: i64, count: Count) {
        for (rows, grain) in self.rows.iter_mut().zip(GRAINS) {
            let step = i64::try_from(grain.step().as_secs()).unwrap();
            let row = rows.entry(now.div_euclid(step) * step).or_default();
            *row = row.plus(count);
        }
    }

    /// As the server does: what is new each time, all of it now and then.
    fn look(&mut self, now: i64) {
        let whole = (now - self.read_whole).abs() >= 600;
        if whole {
            self.read_whole = now;
        }
        for (grain, rows) in GRAINS.iter().zip(&self.rows) {
            let span = i64::try_from(grain.span().as_secs()).unwrap();
            let from = if whole { now - span } else { now - 90 };
            if whole || *grain == Grain::TenSeconds {
                let step = i64::try_from(grain.step().as_secs()).unwrap();
                let from = from.div_euclid(step) * step;
                let steps: Vec<_> = rows
                    .range(from..=now)
                    .map(|(at, count)| (Timestamp::from_seconds(*at), *count))
                    .collect();
                self.ledger.put(*grain, Timestamp::from_seconds(from), Timestamp::from_seconds(now), &steps);
            }
        }
    }
}

/// Plays a history; what was told, with the true second.
fn play(history: &History) -> Vec<(i64, Rule, Event)> {
    let dice = Dice(SeededRandom::new(history.seed));
    let objective = objective();
    let mut store = Store::new(history, &dice);
    let mut alerts: [(Option<Track>, Option<Before>); 3] = [(None, None); 3];
    let mut told = Vec::new();
    let (mut second, mut carried, phase) = (0, 0.0, dice.whole(0, 1));
    let mut measured_at = BASE;
    while second < history.length {
        // Where something changes, or has just changed, time goes by in seconds.
        let mut tick = history.calm;
        for at in history.changes() {
            if (at - NEAR..at + 180).contains(&second) {
                tick = 1;
            } else if at - NEAR > second {
                // No tick goes beyond the beginning of one that is looked at closely.
                tick = tick.min(at - NEAR - second);
            }
        }
        let wrong = history.episodes.iter().find(|episode| (episode.from..episode.to).contains(&second));
        let wrong = wrong.map(|episode| episode.wrong);
        let offset: i64 = history.jumps.iter().filter(|(at, _)| *at <= second).map(|(_, by)| by).sum();
        let now = BASE + second + tick + offset;
        // What happened in this tick.
        let wanted = carried + history.rate * tick as f64 * dice.between(0.8, 1.2);
        let total = wanted.floor() as u64;
        carried = wanted.fract();
        let share = match wrong {
            Some(Wrong::Errors(share)) => share,
            _ => history.background,
        };
        let bad = dice.happen(total, share);
        if !matches!(wrong, Some(Wrong::Silence | Wrong::SilentOutage)) {
            store.add(now - 1, Count { good: total - bad, total });
            measured_at = now;
        }
        second += tick;
        if tick == 1 && second % 2 != phase {
            continue;
        }
        store.look(now);
        let fresh = now - measured_at <= 60;
        let at = Timestamp::from_seconds(now);
        let found = judge(&objective, &store.ledger, at, fresh);
        let says = |bad: bool| match (found.verdict, bad) {
            (Verdict::Unknown, _) => Verdict::Unknown,
            (_, true) => Verdict::Fails,
            (_, false) => Verdict::Holds,
        };
        let is_unknown = if found.verdict == Verdict::Unknown { Verdict::Fails } else { Verdict::Holds };
        let looks = [
            (Rule::Burn, says(found.trouble.is_some()), Patience::BURN),
            (Rule::Slow, says(found.slow.is_some()), Patience::BURN),
            (Rule::Unknown, is_unknown, Patience::UNKNOWN),
        ];
        for ((rule, verdict, patience), (track, before)) in looks.into_iter().zip(&mut alerts) {
            let severity = found
                .trouble
                .or(found.slow)
                .map_or(levqor_model::Severity::Minor, |trouble| trouble.severity);
            let said = Said { verdict, severity, hushed: false, at };
            let flaps = track.map_or(0, |track| track.flaps);
            let (next, event) = step(track.as_ref(), *before, said, patience);
            if event == Event::Resolved {
                *before = Some(Before { ended_at: at, flaps });
            }
            if event.is_news() {
                told.push((second, rule, event));
            }
            *track = next;
        }
    }
    told
}

/// Histories by kind; there are a thousand in all.
fn histories() -> Vec<History> {
    let kinds: [(&'static str, usize, fn(&Dice) -> History); 13] = [
        ("full outage", 200, full_outage),
        ("one of ten fails", 150, one_of_ten),
        ("fast burn", 60, fast_burn),
        ("steady burn", 30, steady_burn),
        ("slow burn", 20, slow_burn),
        ("trickle", 20, trickle),
        ("blips", 250, blips),
        ("background", 60, background),
        ("few requests", 60, few_requests),
        ("few requests, and an outage", 40, few_requests_outage),
        ("no data", 50, no_data),
        ("no data in an outage", 20, silent_outage),
        ("clock jumps", 40, clock_jumps),
    ];
    let mut all = Vec::new();
    for (kind, number, make) in kinds {
        for _ in 0..number {
            let seed = all.len() as u64 + 1;
            let made = make(&Dice(SeededRandom::new(seed ^ 0x5105)));
            all.push(History { kind, seed, ..made });
        }
    }
    all
}

fn steady(dice: &Dice, rates: (f64, f64), length: i64, calm: i64) -> History {
    // As many low rates as high ones.
    let rate = dice.between(rates.0.ln(), rates.1.ln()).exp();
    let background = dice.between(0.0, 0.0004);
    History { kind: "", seed: 0, rate, background, length, calm, episodes: Vec::new(), jumps: Vec::new() }
}

fn with(history: History, from: i64, to: i64, wrong: Wrong, expected: Expected) -> History {
    let length = history.length.max(to + 10 * MINUTE);
    History { episodes: vec![Episode { from, to, wrong, expected }], length, ..history }
}

fn full_outage(dice: &Dice) -> History {
    let from = dice.whole(5 * MINUTE, 20 * MINUTE);
    let to = from + dice.whole(30, 30 * MINUTE);
    let history = steady(dice, (5.0, 200.0), 40 * MINUTE, 30);
    with(history, from, to, Wrong::Errors(1.0), Expected::Call(Some(10)))
}

fn one_of_ten(dice: &Dice) -> History {
    let from = dice.whole(5 * MINUTE, 20 * MINUTE);
    let to = from + dice.whole(5 * MINUTE, 30 * MINUTE);
    let history = steady(dice, (5.0, 200.0), 40 * MINUTE, 30);
    with(history, from, to, Wrong::Errors(0.1), Expected::Call(Some(120)))
}

fn fast_burn(dice: &Dice) -> History {
    let from = dice.whole(5 * MINUTE, 20 * MINUTE);
    let to = from + dice.whole(75 * MINUTE, 120 * MINUTE);
    let history = steady(dice, (5.0, 100.0), HOUR, 60);
    with(history, from, to, Wrong::Errors(0.02), Expected::Call(None))
}

fn steady_burn(dice: &Dice) -> History {
    let from = dice.whole(5 * MINUTE, 20 * MINUTE);
    let to = from + dice.whole(7 * HOUR, 10 * HOUR);
    let history = steady(dice, (5.0, 100.0), HOUR, 60);
    with(history, from, to, Wrong::Errors(0.008), Expected::Call(None))
}

fn slow_burn(dice: &Dice) -> History {
    let from = dice.whole(5 * MINUTE, 20 * MINUTE);
    let to = from + dice.whole(26 * HOUR, 40 * HOUR);
    let history = steady(dice, (5.0, 100.0), HOUR, 300);
    with(history, from, to, Wrong::Errors(0.004), Expected::Tell)
}

fn trickle(dice: &Dice) -> History {
    let from = dice.whole(5 * MINUTE, 20 * MINUTE);
    let to = from + dice.whole(80 * HOUR, 100 * HOUR);
    let history = steady(dice, (5.0, 100.0), HOUR, 600);
    with(history, from, to, Wrong::Errors(0.0016), Expected::Tell)
}

/// Four each, of less than two seconds.
fn blips(dice: &Dice) -> History {
    let mut history = steady(dice, (5.0, 200.0), 45 * MINUTE, 30);
    for number in 0..4 {
        let from = dice.whole(5 * MINUTE, 8 * MINUTE) + number * 9 * MINUTE;
        let episode = Episode { from, to: from + 1, wrong: Wrong::Errors(1.0), expected: Expected::Nobody };
        // A part of a second more: so much of what comes in it fails.
        let rest = Episode {
            from: from + 1,
            to: from + 2,
            wrong: Wrong::Errors(dice.between(0.0, 0.95)),
            expected: Expected::Nobody,
        };
        history.episodes.extend([episode, rest]);
    }
    history
}

/// Half of the budget is spent, all the time.
fn background(dice: &Dice) -> History {
    let history = steady(dice, (1.0, 200.0), 2 * DAY, 300);
    History { background: dice.between(0.0, 0.0005), ..history }
}

/// A few a minute or an hour, of which four fail, whenever it is.
fn few_requests(dice: &Dice) -> History {
    let history = steady(dice, (0.002, 0.05), DAY, 60);
    let mut history = History { background: 0.0, ..history };
    for number in 0..4 {
        let from = dice.whole(HOUR, 5 * HOUR) + number * 5 * HOUR;
        // At most one request comes in this time, and it fails.
        let to = from + ((0.6 / history.rate) as i64).max(1);
        let (wrong, expected) = (Wrong::Errors(1.0), Expected::Nobody);
        history.episodes.push(Episode { from, to, wrong, expected });
    }
    history
}

fn few_requests_outage(dice: &Dice) -> History {
    let history = steady(dice, (0.002, 0.05), HOUR, 60);
    let history = History { background: 0.0, ..history };
    let from = dice.whole(5 * MINUTE, 20 * MINUTE);
    let to = from + dice.whole(4 * HOUR, 8 * HOUR);
    with(history, from, to, Wrong::Errors(1.0), Expected::Call(None))
}

fn no_data(dice: &Dice) -> History {
    let from = dice.whole(5 * MINUTE, 20 * MINUTE);
    let to = from + dice.whole(5 * MINUTE, 3 * HOUR);
    let history = steady(dice, (0.5, 200.0), HOUR, 30);
    with(history, from, to, Wrong::Silence, Expected::Unknown)
}

fn silent_outage(dice: &Dice) -> History {
    let from = dice.whole(5 * MINUTE, 20 * MINUTE);
    let to = from + dice.whole(5 * MINUTE, 30 * MINUTE);
    let history = steady(dice, (0.5, 200.0), HOUR, 30);
    with(history, from, to, Wrong::SilentOutage, Expected::Unknown)
}

/// Forth by up to two hours, back by up to one.
fn clock_jumps(dice: &Dice) -> History {
    let mut history = steady(dice, (1.0, 200.0), 90 * MINUTE, 30);
    let by = if dice.share() < 0.5 { dice.whole(60, 2 * HOUR) } else { -dice.whole(60, HOUR) };
    history.jumps = vec![(dice.whole(10 * MINUTE, 20 * MINUTE), by), (50 * MINUTE, -by)];
    history
}

/// How late something that ended may still be told of: the windows reach back.
fn grace(rule: Rule) -> i64 {
    match rule {
        Rule::Burn => HOUR,
        Rule::Slow => 3 * DAY,
        Rule::Unknown => 2 * MINUTE,
    }
}

fn is_right(history: &History, at: i64, rule: Rule) -> bool {
    history.episodes.iter().any(|episode| {
        let wanted = match (episode.expected, rule) {
            (Expected::Nobody, _) => false,
            (Expected::Unknown, Rule::Unknown) => true,
            (Expected::Call(_) | Expected::Tell, Rule::Burn | Rule::Slow) => true,
            _ => false,
        };
        wanted && (episode.from..=episode.to + grace(rule)).contains(&at)
    })
}

#[derive(Debug, Default)]
struct Score {
    histories: usize,
    episodes: usize,
    found: usize,
    told: usize,
    right: usize,
    /// Seconds from the beginning until somebody was called.
    delays: Vec<i64>,
}

#[test]
fn a_thousand_histories_are_told_of_as_they_were() {
    let all = histories();
    assert_eq!(all.len(), 1_000);
    let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
    let mut wrong = Vec::new();
    for history in &all {
        let told = play(history);
        let score = scores.entry(history.kind).or_default();
        score.histories += 1;
        for (at, rule, event) in &told {
            if matches!(event, Event::Fired) {
                score.told += 1;
                if is_right(history, *at, *rule) {
                    score.right += 1;
                } else {
                    wrong.push(format!("{} {}: {rule:?} at {at} for nothing", history.kind, history.seed));
                }
            }
        }
        for episode in history.episodes.iter().filter(|episode| episode.expected != Expected::Nobody) {
            score.episodes += 1;
            let first = told.iter().find(|(at, rule, event)| {
                let fits = match episode.expected {
                    Expected::Call(_) => *rule == Rule::Burn,
                    Expected::Tell => *rule != Rule::Unknown,
                    Expected::Unknown => *rule == Rule::Unknown,
                    Expected::Nobody => false,
                };
                fits && *event == Event::Fired && (episode.from..=episode.to).contains(at)
            });
            let name = format!("{} {} (rate {:.3})", history.kind, history.seed, history.rate);
            match (first, episode.expected) {
                (None, _) => wrong.push(format!("{name}: nobody was told; {told:?}")),
                (Some((at, ..)), Expected::Call(Some(within))) if at - episode.from > within => {
                    wrong.push(format!("{name}: told after {} s", at - episode.from));
                }
                (Some(_), _) => {}
            }
            if let Some((at, ..)) = first {
                score.found += 1;
                score.delays.push(at - episode.from);
            }
        }
    }
    let sum = |of: fn(&Score) -> usize| scores.values().map(of).sum::<usize>();
    let (told, right) = (sum(|score| score.told), sum(|score| score.right));
    for (kind, score) in &mut scores {
        score.delays.sort_unstable();
        let of = |share: f64| score.delays.get((score.delays.len() as f64 * share) as usize).copied();
        let most = score.delays.last();
        println!(
            "{kind}: {} histories, {}/{} found, {}/{} right; seconds until told: half {:?}, most {most:?}",
            score.histories,
            score.found,
            score.episodes,
            score.right,
            score.told,
            of(0.5)
        );
    }
    println!("told {told} times, right {right} times");
    let late_or_missed: Vec<_> = wrong.iter().filter(|text| !text.ends_with("for nothing")).collect();
    assert!(late_or_missed.is_empty(), "{late_or_missed:#?}");
    assert!(told > 0 && right * 100 >= told * 99, "{right} of {told}: {wrong:#?}");
    // Not one blip was told.
    assert_eq!(scores["blips"].told, 0, "{wrong:#?}");
}

/// Rules that are worse would be noticed: this test can fail.
#[test]
fn the_replay_tells_good_rules_from_bad_ones() {
    let all = histories();
    let of = |kind: &str| all.iter().find(|history| history.kind == kind).unwrap().clone();
    // An outage that nobody sees is missed.
    let outage = of("full outage");
    let unseen = History { episodes: Vec::new(), ..outage.clone() };
    assert!(play(&outage).iter().any(|(_, rule, event)| (*rule, *event) == (Rule::Burn, Event::Fired)));
    assert!(play(&unseen).is_empty());
    // Blips of six seconds would be told.
    let mut long = of("blips");
    long.episodes.truncate(1);
    long.episodes[0].to = long.episodes[0].from + 6;
    assert!(!play(&long).is_empty());
    // Everything is over at the end.
    let ends = play(&outage);
    let open = ends.iter().filter(|(_, rule, _)| *rule == Rule::Burn).fold(0_i64, |open, (_, _, event)| {
        open + match event {
            Event::Fired => 1,
            Event::Resolved => -1,
            _ => 0,
        }
    });
    assert!((0..=1).contains(&open), "{ends:?}");
}
