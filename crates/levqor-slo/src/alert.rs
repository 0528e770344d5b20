//! The life of an alert: one step, from how it is and what was just said to how it is next.
//!
//! ```text
//!            fails                fails for `fire_after`            holds for `clear_after`
//! (nothing) ───────► pending ───────────────────────────► firing ─────────────────────────► resolved
//!                       └─ holds ─► (nothing)                └─ worse, or its silence is over ─► told again
//! ```
//!
//! Time is counted in looks: a look adds at most [`GAP_MAX`] to how long something has gone on. So a clock that jumps, and a node that
//! was away, neither make an alert fire nor end it. What is unknown moves nothing.
//!
//! Something that comes back soon after it was over takes longer to be over again, so that it is told a few times, not hundreds.

use std::time::Duration;

use levqor_model::{AlertState, Severity, Timestamp, Verdict};

/// What one look adds at most.
pub const GAP_MAX: Duration = Duration::from_secs(30);
/// What comes back within this time flaps.
pub const FLAP_WITHIN: Duration = Duration::from_secs(3_600);
/// Doublings of the time until something is over.
const FLAPS_MAX: u32 = 6;
/// However often it came back, it is over after this.
const CLEAR_MAX: Duration = Duration::from_secs(30 * 60);

/// How patient an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long something must fail until it fires.
    pub fire_after: Duration,
    /// How long it must hold until it is over.
    pub clear_after: Duration,
}

impl Patience {
    /// Of what spends a budget: the windows have waited already.
    pub const BURN: Self = Self { fire_after: Duration::ZERO, clear_after: Duration::from_secs(60) };
    /// Of what cannot be looked at.
    pub const UNKNOWN: Self =
        Self { fire_after: Duration::from_secs(60), clear_after: Duration::from_secs(60) };
    /// Of everything else.
    pub const USUAL: Self =
        Self { fire_after: Duration::from_secs(30), clear_after: Duration::from_secs(60) };
}

/// An alert that is open, as far as its life is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Track {
    pub state: AlertState,
    pub severity: Severity,
    /// When it was looked at last.
    pub seen_at: Timestamp,
    /// How long it has failed (pending) or held again (firing).
    pub held: Duration,
    pub flaps: u32,
    /// Whether somebody was told that it is as bad as it is. What gets worse while nobody is told takes it back.
    pub told: bool,
    /// Whether somebody was told that it fires, at whatever severity: they are told that it is over. Nothing takes it back.
    pub heard: bool,
}

/// What is said now of the thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    pub verdict: Verdict,
    pub severity: Severity,
    /// Nobody is told now.
    pub hushed: bool,
    pub at: Timestamp,
}

/// The alert of the same thing that ended last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    pub ended_at: Timestamp,
    pub flaps: u32,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// There is none, and none begins.
    Nothing,
    /// It goes on, and nobody needs to know.
    Kept,
    /// It was over before it fired.
    Dropped,
    Fired,
    Raised,
    /// It fires already, and may be told now.
    Told,
    Resolved,
}

impl Event {
    /// Whether people are told of it.
    pub const fn is_news(self) -> bool {
        matches!(self, Event::Fired | Event::Raised | Event::Told | Event::Resolved)
    }
}

/// One step. The track is None when there is no open alert afterwards.
pub fn step(
    track: Option<&Track>,
    before: Option<Before>,
    said: Said,
    patience: Patience,
) -> (Option<Track>, Event) {
    let Some(track) = track else { return begin(before, said, patience) };
    match track.state {
        AlertState::Pending => pending(*track, said, patience),
        AlertState::Firing => firing(*track, said, patience),
        // What is over stays over.
        AlertState::Resolved => (None, Event::Nothing),
    }
}

/// How long something must hold until it is over, when it came back so often.
pub fn clear_after(patience: Patience, flaps: u32) -> Duration {
    let doubled = patience.clear_after.saturating_mul(1 << flaps.min(FLAPS_MAX));
    doubled.min(CLEAR_MAX.max(patience.clear_after))
}

fn begin(before: Option<Before>, said: Said, patience: Patience) -> (Option<Track>, Event) {
    if said.verdict != Verdict::Fails {
        return (None, Event::Nothing);
    }
    let flaps = before
        .filter(|before| said.at.since(before.ended_at) <= FLAP_WITHIN)
        .map_or(0, |before| before.flaps.saturating_add(1));
    let track = Track {
        state: AlertState::Pending,
        severity: said.severity,
        seen_at: said.at,
        held: Duration::ZERO,
        flaps,
        told: false,
        heard: false,
    };
    if patience.fire_after.is_zero() { fire(track, said) } else { (Some(track), Event::Kept) }
}

fn fire(track: Track, said: Said) -> (Option<Track>, Event) {
    let fired = Track {
        state: AlertState::Firing,
        severity: said.severity,
        seen_at: said.at,
        held: Duration::ZERO,
        told: !said.hushed,
        heard: !said.hushed,
        ..track
    };
    (Some(fired), Event::Fired)
}

fn pending(track: Track, said: Said, patience: Patience) -> (Option<Track>, Event) {
    let gap = said.at.since(track.seen_at).min(GAP_MAX);
    match said.verdict {
        Verdict::Holds => (None, Event::Dropped),
        Verdict::Unknown => (Some(Track { seen_at: said.at, ..track }), Event::Kept),
        Verdict::Fails => {
            let held = track.held.saturating_add(gap);
            if held >= patience.fire_after {
                return fire(track, said);
            }
            (Some(Track { held, severity: said.severity, seen_at: said.at, ..track }), Event::Kept)
        }
    }
}

fn firing(track: Track, said: Said, patience: Patience) -> (Option<Track>, Event) {
    let gap = said.at.since(track.seen_at).min(GAP_MAX);
    let still = Track { seen_at: said.at, ..track };
    match said.verdict {
        Verdict::Holds => {
            // The first look that finds it holding does not know since when.
            let held =
                if track.held.is_zero() { Duration::from_micros(1) } else { track.held.saturating_add(gap) };
            let ended = held >= clear_after(patience, track.flaps) || patience.clear_after.is_zero();
            if ended { (None, Event::Resolved) } else { (Some(Track { held, ..still }), Event::Kept) }
        }
        Verdict::Unknown => (Some(Track { held: Duration::ZERO, ..still }), Event::Kept),
        Verdict::Fails => {
            let worse = said.severity < track.severity;
            let next = Track {
                held: Duration::ZERO,
                severity: track.severity.min(said.severity),
                // That it is worse is told when nothing keeps it quiet any more.
                told: !said.hushed || (track.told && !worse),
                heard: !said.hushed || track.heard,
                ..still
            };
            let event = match (worse, track.told, said.hushed) {
                (true, _, _) => Event::Raised,
                (false, false, false) => Event::Told,
                _ => Event::Kept,
            };
            (Some(next), event)
        }
    }
}

/// How an alert is taken on when nobody has acknowledged it: a hint for whoever deals with incidents.
pub const fn escalate_after(severity: Severity) -> Option<Duration> {
    match severity {
        Severity::Critical => Some(Duration::from_secs(15 * 60)),
        Severity::Major => Some(Duration::from_secs(60 * 60)),
        Severity::Minor => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Patience =
        Patience { fire_after: Duration::from_secs(30), clear_after: Duration::from_secs(60) };

    /// Plays looks (seconds, what was found) and gives what happened, with its time. An end of which nobody would be told is left out.
    fn play(looks: &[(i64, char)]) -> String {
        let (mut track, mut before, mut told) = (None, None, Vec::new());
        for (at, letter) in looks {
            let verdict = match letter.to_ascii_lowercase() {
                'f' | 'w' => Verdict::Fails,
                'h' => Verdict::Holds,
                _ => Verdict::Unknown,
            };
            let severity =
                if letter.eq_ignore_ascii_case(&'w') { Severity::Critical } else { Severity::Major };
            let said = Said {
                verdict,
                severity,
                hushed: letter.is_ascii_uppercase(),
                at: Timestamp::from_seconds(*at),
            };
            let (flaps, heard) = track.map_or((0, false), |track: Track| (track.flaps, track.heard));
            let (next, event) = step(track.as_ref(), before, said, PATIENCE);
            if event == Event::Resolved {
                before = Some(Before { ended_at: said.at, flaps });
            }
            track = next;
            let is_told = event.is_news() && (heard || event != Event::Resolved);
            if is_told || event == Event::Dropped {
                told.push(format!("{at} {event:?}"));
            }
        }
        told.join(", ")
    }

    fn every(seconds: i64, from: i64, looks: &str) -> Vec<(i64, char)> {
        looks.chars().enumerate().map(|(number, look)| (from + number as i64 * seconds, look)).collect()
    }

    #[test]
    fn an_alert_fires_after_a_while_and_is_over_after_a_while() {
        assert_eq!(play(&every(10, 0, "hffffhhhhhhhhh")), "40 Fired, 110 Resolved");
        assert_eq!(play(&every(10, 0, "fffhff")), "30 Dropped");
        assert_eq!(play(&every(10, 0, "ffffhhffhhhhhhhh")), "30 Fired, 140 Resolved");
    }

    #[test]
    fn what_is_unknown_neither_fires_nor_ends_anything() {
        assert_eq!(play(&every(10, 0, "ffuuuuuuff")), "90 Fired");
        assert_eq!(play(&every(10, 0, "uuuuuuuuuu")), "");
        assert_eq!(play(&every(10, 0, "ffffuuuuuuuuuuuuuu")), "30 Fired");
        // What held before nobody looked does not count.
        assert_eq!(play(&every(10, 0, "ffffhhhhuhhhhhhhhh")), "30 Fired, 150 Resolved");
    }

    #[test]
    fn a_clock_that_jumps_moves_nothing() {
        // An hour forth, between two looks that are ten seconds apart.
        assert_eq!(play(&[(0, 'f'), (10, 'f'), (3_610, 'h')]), "3610 Dropped");
        let mut looks = every(10, 0, "ffff");
        looks.extend([(3_640, 'h'), (3_650, 'h')]);
        assert_eq!(play(&looks), "30 Fired");
        // And back again.
        assert_eq!(play(&[(3_600, 'f'), (0, 'f'), (10, 'f'), (20, 'f'), (30, 'f')]), "30 Fired");
    }

    #[test]
    fn silences_put_off_the_message_and_worse_is_told() {
        assert_eq!(play(&every(10, 0, "FFFFFFff")), "30 Fired, 60 Told");
        assert_eq!(play(&every(10, 0, "ffffffwww")), "30 Fired, 60 Raised");
        assert_eq!(play(&every(10, 0, "wwwwffff")), "30 Fired");
        // It got worse while nobody was to be told: that is told at the end of the silence.
        assert_eq!(play(&every(10, 0, "ffffWWWWww")), "30 Fired, 40 Raised, 80 Told");
        assert_eq!(play(&every(10, 0, "ffffFFFFff")), "30 Fired");
    }

    #[test]
    fn whoever_heard_that_it_fires_hears_that_it_is_over() {
        // It got worse in a silence, and was over before that could be told.
        assert_eq!(play(&every(10, 0, "ffffWWWWhhhhhhh")), "30 Fired, 40 Raised, 140 Resolved");
        // Nobody has heard of it.
        assert_eq!(play(&every(10, 0, "FFFFWWWWhhhhhhh")), "30 Fired, 40 Raised");
        // Told at the end of its silence; then another one, in which it gets worse.
        assert_eq!(play(&every(10, 0, "FFFFffWWhhhhhhh")), "30 Fired, 40 Told, 60 Raised, 140 Resolved");
    }

    #[test]
    fn what_comes_and_goes_is_told_a_few_times() {
        // Ten minutes failing, two minutes not, for a day.
        let round: String = "f".repeat(60) + &"h".repeat(12);
        let told = play(&every(10, 0, &round.repeat(120)));
        let fired = told.matches("Fired").count();
        assert!((1..=3).contains(&fired), "{fired}: {told}");
    }

    proptest! {
        /// Nothing fires that has not failed for long enough, and nothing ends but by holding.
        #[test]
        fn every_life_is_in_order(looks in prop::collection::vec((-100_i64..200, prop::sample::select(vec!['f', 'h', 'u', 'F', 'w'])), 0..200)) {
            let (mut track, mut at): (Option<Track>, i64) = (None, 1_000_000);
            let mut failed = Duration::ZERO;
            for (step_seconds, letter) in looks {
                let before = at;
                at += step_seconds;
                let verdict = match letter { 'f' | 'F' | 'w' => Verdict::Fails, 'h' => Verdict::Holds, _ => Verdict::Unknown };
                let gap = Timestamp::from_seconds(at).since(Timestamp::from_seconds(before)).min(GAP_MAX);
                let was = track;
                let said = Said {
                    verdict,
                    severity: Severity::Major,
                    hushed: letter == 'F',
                    at: Timestamp::from_seconds(at),
                };
                let (next, event) = step(track.as_ref(), None, said, PATIENCE);
                failed = match (was.map(|was| was.state), verdict) {
                    (Some(AlertState::Pending), Verdict::Fails) => failed + gap,
                    (Some(AlertState::Pending), Verdict::Unknown) => failed,
                    _ => Duration::ZERO,
                };
                match event {
                    Event::Fired => prop_assert!(failed >= PATIENCE.fire_after),
                    Event::Resolved => prop_assert_eq!(verdict, Verdict::Holds),
                    Event::Dropped => prop_assert!(verdict == Verdict::Holds && next.is_none()),
                    _ => {}
                }
                if was.is_some_and(|was| was.state == AlertState::Firing) && verdict != Verdict::Holds {
                    prop_assert!(next.is_some());
                }
                track = next;
            }
        }
    }
}
