//! What is thought of a target: pure rules from looks to a node's view, and from views to a verdict.
//!
//! ```text
//!  looks of one node ─► View (hysteresis) ─┐
//!                                          ├─► region: most of its nodes ─┐
//!  looks of another  ─► View ──────────────┘                              ├─► verdict: most regions that know
//!                                          …  region ─────────────────────┘
//! ```
//!
//! A look that failed says that the target was not well at some moment between its beginning and its end, and a look that hangs says no
//! more than one that is refused: a lost packet is sent again only after a second. So a view counts from the *beginnings* of looks:
//! it is down when looks that all failed began over a span of [`CONFIRM`], with none between them that went well. A blip of less
//! than two seconds cannot do that. With a look every half a second that waits for a second, an outage is seen within 4.25 s, whatever it
//! looks like.
//!
//! Invariant: without a fresh look there is no view, and without a view no verdict. Unknown is never up.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

/// Failed looks that began over such a span are an outage. More than two seconds by what a look may be on its way when a blip begins.
pub const CONFIRM: Duration = Duration::from_millis(2_250);
/// Good looks over such a span are its end.
pub const RECOVER: Duration = Duration::from_secs(1);
/// For so long looks that fail are a doubt; where looks are far apart, what was known stands after it.
const DOUBT: Duration = Duration::from_secs(4);
/// Looks in a row, at least, for either.
const ROW: u32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ProbeTargetState)]
pub enum State {
    Up,
    Down,
    /// Nobody has looked at it lately.
    Unknown,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Up => "up",
            State::Down => "down",
            State::Unknown => "unknown",
        }
    }

    /// None: not one that was kept.
    pub fn parse(text: &str) -> Option<Self> {
        [State::Up, State::Down, State::Unknown].into_iter().find(|state| state.as_str() == text)
    }
}

/// Looks in a row that said the same.
#[derive(Debug, Clone, Copy)]
struct Streak {
    first: Instant,
    last: Instant,
    count: u32,
}

impl Streak {
    fn with(streak: Option<Self>, at: Instant) -> Self {
        match streak {
            None => Self { first: at, last: at, count: 1 },
            Some(Self { first, last, count }) => {
                Self { first: first.min(at), last: last.max(at), count: count.saturating_add(1) }
            }
        }
    }

    fn lasts(self, span: Duration) -> bool {
        self.count >= ROW && self.last.duration_since(self.first) >= span
    }
}

/// What one node thinks of one target.
#[derive(Debug, Clone)]
pub struct View {
    state: State,
    bad: Option<Streak>,
    good: Option<Streak>,
    /// When the last good answer was there.
    well_at: Option<Instant>,
    /// When the last look ended.
    seen_at: Option<Instant>,
}

impl Default for View {
    fn default() -> Self {
        Self { state: State::Unknown, bad: None, good: None, well_at: None, seen_at: None }
    }
}

impl View {
    /// Begins anew when the last look is older than `fresh` by then: what it was before is no word of now.
    pub fn forget_old(&mut self, now: Instant, fresh: Duration) {
        if self.seen_at.is_some_and(|seen| now.saturating_duration_since(seen) > fresh) {
            *self = Self::default();
        }
    }

    /// Takes in a look. Looks may overlap, so they need not come in the order of their beginnings. True when the view changed.
    pub fn see(&mut self, began: Instant, ended: Instant, good: bool) -> bool {
        self.seen_at = Some(self.seen_at.map_or(ended, |seen| seen.max(ended)));
        let before = self.state;
        if good {
            self.bad = None;
            self.well_at = Some(self.well_at.map_or(ended, |well| well.max(ended)));
            let streak = Streak::with(self.good, ended);
            self.good = Some(streak);
            if before == State::Unknown || streak.lasts(RECOVER) {
                self.state = State::Up;
            }
        } else if self.well_at.is_none_or(|well| began > well) {
            // One that began before the last good answer is of before.
            self.good = None;
            let streak = Streak::with(self.bad, began);
            self.bad = Some(streak);
            if streak.lasts(CONFIRM) {
                self.state = State::Down;
            }
        }
        self.state != before
    }

    /// Looks have begun to fail just now, and it is not down yet.
    pub fn is_in_doubt(&self, now: Instant) -> bool {
        let just = |bad: Streak| now.saturating_duration_since(bad.first) < DOUBT;
        self.state != State::Down && self.bad.is_some_and(just)
    }

    /// As of now: what was seen longer ago than `fresh` says nothing.
    pub fn state(&self, now: Instant, fresh: Duration) -> State {
        match self.seen_at {
            Some(seen) if now.saturating_duration_since(seen) <= fresh => self.state,
            Some(_) | None => State::Unknown,
        }
    }
}

/// What the nodes of one region think together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Votes {
    pub up: usize,
    pub down: usize,
}

impl Votes {
    pub fn add(&mut self, state: State) {
        match state {
            State::Up => self.up += 1,
            State::Down => self.down += 1,
            State::Unknown => {}
        }
    }

    /// Down when more say so than say otherwise.
    pub const fn state(self) -> State {
        match (self.up, self.down) {
            (0, 0) => State::Unknown,
            (up, down) if down > up => State::Down,
            _ => State::Up,
        }
    }
}

/// What the regions think together: of each region, what its nodes think.
pub fn tally<'a>(views: impl IntoIterator<Item = (&'a str, State)>) -> (BTreeMap<&'a str, Votes>, Votes) {
    let mut regions: BTreeMap<&str, Votes> = BTreeMap::new();
    for (region, state) in views {
        regions.entry(region).or_default().add(state);
    }
    let mut all = Votes::default();
    for votes in regions.values() {
        all.add(votes.state());
    }
    (regions, all)
}

#[cfg(test)]
mod tests {
    use levqor_model::{Random, SeededRandom};

    use super::*;

    const EVERY: Duration = Duration::from_millis(500);
    const TIMEOUT: Duration = Duration::from_secs(1);
    /// How often verdicts are made of views.
    const JUDGED: Duration = Duration::from_millis(250);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// What a target does while it is not well.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Ill {
        Refuses,
        Hangs,
    }

    /// A target that is ill during some spans, and a node that looks at it; times since the beginning.
    struct Play {
        spans: Vec<(Duration, Duration)>,
        ill: Ill,
        /// How long a good answer takes.
        answer: Duration,
    }

    impl Play {
        fn is_ill(&self, at: Duration) -> bool {
            self.spans.iter().any(|(from, until)| at >= *from && at < *until)
        }

        /// When a look that begins then ends, and whether it went well: it goes well when the target is well when it is asked and
        /// still when it answers.
        fn look(&self, began: Duration) -> (Duration, bool) {
            let answered = began + self.answer;
            let ill =
                self.is_ill(began) || self.spans.iter().any(|(from, _)| *from > began && *from <= answered);
            match (ill, self.ill) {
                (false, _) => (answered, true),
                (true, Ill::Refuses) => (began + ms(1), false),
                (true, Ill::Hangs) => (began + TIMEOUT, false),
            }
        }

        /// All looks until then, in the order of their ends.
        fn looks(&self, phase: Duration, until: Duration) -> Vec<(Duration, Duration, bool)> {
            let mut looks = Vec::new();
            let mut began = phase;
            while began < until {
                let (ended, good) = self.look(began);
                looks.push((began, ended, good));
                began += EVERY;
            }
            looks.sort_by_key(|(_, ended, _)| *ended);
            looks
        }
    }

    fn between(random: &SeededRandom, from: u64, until: u64) -> Duration {
        ms(from + random.u64() % (until - from))
    }

    #[test]
    fn a_thousand_blips_of_less_than_two_seconds_are_no_outage() {
        let random = SeededRandom::new(6);
        for ill in [Ill::Refuses, Ill::Hangs] {
            // One that is well for as long as two looks between blips, at times that have nothing to do with the looks'.
            let mut spans = Vec::new();
            let mut at = ms(5_000);
            for _ in 0..1_000 {
                let length = between(&random, 1, 2_000);
                spans.push((at, at + length));
                at += length + between(&random, 1_300, 10_000);
            }
            let play = Play { spans, ill, answer: ms(200) };
            let start = Instant::now();
            let mut view = View::default();
            let (mut outages, mut failed) = (0, 0);
            for (began, ended, good) in play.looks(between(&random, 0, 500), at) {
                view.see(start + began, start + ended, good);
                failed += usize::from(!good);
                outages += usize::from(view.state(start + ended, ms(3_000)) != State::Up);
            }
            assert_eq!(outages, 0, "{ill:?}");
            assert!(failed > 1_500, "the blips were seen: {failed}");
        }
    }

    #[test]
    fn an_outage_is_a_verdict_within_five_seconds() {
        let random = SeededRandom::new(7);
        let mut latest = Duration::ZERO;
        for round in 0..500 {
            let ill = if round % 2 == 0 { Ill::Refuses } else { Ill::Hangs };
            let outage = between(&random, 10_000, 11_000);
            let play = Play { spans: vec![(outage, ms(60_000))], ill, answer: between(&random, 1, 400) };
            // Three regions look, each in its own time; the one that is ill does not know it of itself.
            let start = Instant::now();
            let mut views = vec![View::default(); 2];
            let looks: Vec<_> =
                views.iter().map(|_| play.looks(between(&random, 0, 500), ms(30_000))).collect();
            let mut judged = between(&random, 0, 250);
            let seen = loop {
                judged += JUDGED;
                assert!(judged < ms(30_000), "never seen: {ill:?} {outage:?}");
                for (view, looks) in views.iter_mut().zip(&looks) {
                    *view = View::default();
                    for (began, ended, good) in looks.iter().filter(|(_, ended, _)| *ended <= judged) {
                        view.see(start + *began, start + *ended, *good);
                    }
                }
                // A look ahead of the time of the outage would be no proof.
                let state = |view: &View| view.state(start + judged, ms(3_000));
                // Its last word counts until it is old.
                let own = if judged < outage + ms(3_000) { State::Up } else { State::Unknown };
                let all = [("a", state(&views[0])), ("b", state(&views[1])), ("c", own)];
                if tally(all).1.state() == State::Down {
                    break judged;
                }
            };
            assert!(seen > outage);
            latest = latest.max(seen - outage);
        }
        assert!(latest <= ms(4_750), "{latest:?}");
        // What is left of five seconds is for writing it down and showing it.
        assert!(latest > ms(3_500), "the test looks at hard cases: {latest:?}");
    }

    #[test]
    fn it_is_well_again_after_a_second_of_good_looks() {
        let play = Play { spans: vec![(ms(5_000), ms(15_000))], ill: Ill::Refuses, answer: ms(5) };
        let start = Instant::now();
        let mut view = View::default();
        let mut changes = Vec::new();
        for (began, ended, good) in play.looks(Duration::ZERO, ms(30_000)) {
            if view.see(start + began, start + ended, good) {
                changes.push((view.state(start + ended, ms(3_000)), ended.as_millis()));
            }
        }
        assert_eq!(changes, [(State::Up, 5), (State::Down, 7_501), (State::Up, 16_005)]);
    }

    #[test]
    fn looks_that_have_just_begun_to_fail_are_a_doubt() {
        let start = Instant::now();
        let mut view = View::default();
        view.see(start, start + ms(1), true);
        assert!(!view.is_in_doubt(start + ms(1)));
        view.see(start + ms(500), start + ms(501), false);
        assert!(view.is_in_doubt(start + ms(501)) && view.is_in_doubt(start + ms(4_400)));
        assert!(!view.is_in_doubt(start + ms(4_600)), "nobody has looked again");
        view.see(start + ms(2_800), start + ms(2_801), false);
        assert_eq!(view.state(start + ms(2_801), ms(3_000)), State::Down);
        assert!(!view.is_in_doubt(start + ms(2_801)), "it is sure");
    }

    #[test]
    fn views_follow_looks() {
        // `begin-end:good`, in tenths of a second; the state after each, by its letter.
        let rows = [
            ("", ""),
            ("0-1:g", "u"),
            // From unknown, too, an outage is confirmed.
            ("0-1:b 5-6:b 10-11:b 25-26:b", "???d"),
            ("0-1:g 10-11:b 20-21:b 30-31:g 40-41:b", "uuuuu"),
            // Where looks are far apart, two in a row are enough.
            ("0-1:g 100-101:b 200-201:b", "uud"),
            // A look that hangs and began before the last good answer is of before.
            ("0-1:g 10-20:b 15-16:g 30-31:b 35-36:b 50-51:b", "uuuuuu"),
            ("0-1:g 15-16:g 10-20:b", "uuu"),
            ("0-1:g 10-11:b 20-21:b 33-34:b 40-41:g 45-46:g 50-51:g", "uuudddu"),
            // One good answer in an outage is not its end.
            ("0-1:b 30-31:b 40-41:g 45-46:b 80-81:b", "?dddd"),
        ];
        for (looks, states) in rows {
            let start = Instant::now();
            let mut view = View::default();
            let at = |text: &str| start + ms(text.parse::<u64>().unwrap() * 100);
            let shown: String = looks
                .split_whitespace()
                .map(|look| {
                    let (span, good) = look.split_once(':').unwrap();
                    let (began, ended) = span.split_once('-').unwrap();
                    view.see(at(began), at(ended), good == "g");
                    match view.state(at(ended), Duration::from_secs(60)) {
                        State::Up => 'u',
                        State::Down => 'd',
                        State::Unknown => '?',
                    }
                })
                .collect();
            assert_eq!(shown, states, "{looks}");
        }
    }

    #[test]
    fn what_was_not_looked_at_lately_is_unknown() {
        let start = Instant::now();
        let mut view = View::default();
        assert_eq!(view.state(start, ms(3_000)), State::Unknown);
        view.see(start, start + ms(10), true);
        assert_eq!(view.state(start + ms(3_010), ms(3_000)), State::Up);
        assert_eq!(view.state(start + ms(3_011), ms(3_000)), State::Unknown);
        // Nor is the next look, which fails, held against a good one of long ago.
        view.forget_old(start + ms(9_000), ms(3_000));
        view.see(start + ms(9_000), start + ms(9_001), false);
        assert_eq!(view.state(start + ms(9_002), ms(3_000)), State::Unknown);
        view.forget_old(start + ms(9_500), ms(3_000));
        view.see(start + ms(9_500), start + ms(9_501), true);
        assert_eq!(view.state(start + ms(9_502), ms(3_000)), State::Up);
    }

    #[test]
    fn most_regions_that_know_decide() {
        // `region:state`, a node each.
        let rows = [
            ("", State::Unknown),
            ("a:?", State::Unknown),
            ("a:u", State::Up),
            ("a:d", State::Down),
            ("a:u b:d", State::Up),
            ("a:d b:d", State::Down),
            ("a:d b:?", State::Down),
            ("a:u b:d c:d", State::Down),
            ("a:u b:u c:d", State::Up),
            // Nodes of one region have one voice, which is that of most of them.
            ("a:d a:d a:d b:u c:u", State::Up),
            ("a:d a:u b:d", State::Up),
            ("a:d a:d a:u b:d", State::Down),
        ];
        for (text, expected) in rows {
            let views = text.split_whitespace().map(|view| {
                let (region, state) = view.split_once(':').unwrap();
                let state = match state {
                    "u" => State::Up,
                    "d" => State::Down,
                    _ => State::Unknown,
                };
                (region, state)
            });
            assert_eq!(tally(views).1.state(), expected, "{text}");
        }
    }
}
