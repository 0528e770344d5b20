//! What the edge thinks of an origin: pure rules from observations to a verdict.
//!
//! ```text
//!            one pass                 misses, refusals, failing traffic
//!  unknown ───────────►  up  ◄──────────────────────────────────────►  suspect
//!     │                  │ ▲  several passes in a row, more after flapping  ▲
//!     │      says so     ▼ │ several passes in a row                        │
//!     └──────────────► draining ────────────────────────────────────────────┘
//! ```
//!
//! A verdict is local and reversible: it steers traffic and condemns nobody. Invariant: one odd observation never changes
//! `up` to `suspect`; only what the origin says of itself (`draining`) is believed at once.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// An origin that was suspected several times within this span has to prove itself for longer.
const FLAPPING_SPAN: Duration = Duration::from_secs(60);
/// At most so many doublings of the passes that are asked for.
const DOUBLINGS_MAX: usize = 4;
const SUSPICIONS_KEPT: usize = DOUBLINGS_MAX + 1;
/// Weight of a new latency in the moving average: 1/5.
const LATENCY_SHARE: u32 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// No evidence yet.
    Unknown = 0,
    Up = 1,
    Suspect = 2,
    /// Answers what it has, and wants nothing new.
    Draining = 3,
}

impl Verdict {
    pub const ALL: [Verdict; 4] = [Verdict::Unknown, Verdict::Up, Verdict::Suspect, Verdict::Draining];

    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Unknown => "unknown",
            Verdict::Up => "up",
            Verdict::Suspect => "suspect",
            Verdict::Draining => "draining",
        }
    }

    pub(crate) fn from_u8(byte: u8) -> Self {
        Verdict::ALL[usize::from(byte) % Verdict::ALL.len()]
    }
}

/// One thing that was seen of an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// A check was answered with 2xx.
    Passed { latency: Duration },
    /// The origin says that it drains, in a check or in an answer to traffic.
    Draining,
    /// A check was answered, with another status.
    NotReady { status: u16 },
    /// Nobody listens there.
    Refused { detail: String },
    /// A check was not answered in time.
    TimedOut { after: Duration },
    /// A check's connection broke, or what came was no HTTP.
    Broken { detail: String },
    /// Real traffic got an answer.
    TrafficPassed,
    /// Real traffic got none, though it had been sent.
    TrafficFailed { detail: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Failed checks in a row before `suspect`.
    pub misses: u32,
    /// Passed checks in a row before `up` again.
    pub passes: u32,
    /// Failed requests in a row before `suspect`.
    pub traffic_failures: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self { misses: 2, passes: 2, traffic_failures: 3 }
    }
}

/// What is known of one origin.
#[derive(Debug, Clone)]
pub struct Health {
    rules: Rules,
    verdict: Verdict,
    since: Instant,
    misses: u32,
    passes: u32,
    traffic_failures: u32,
    latency: Option<Duration>,
    last_error: Option<String>,
    answers: bool,
    suspicions: VecDeque<Instant>,
}

impl Health {
    pub fn new(rules: Rules, now: Instant) -> Self {
        Self {
            rules,
            verdict: Verdict::Unknown,
            since: now,
            misses: 0,
            passes: 0,
            traffic_failures: 0,
            latency: None,
            last_error: None,
            answers: false,
            suspicions: VecDeque::with_capacity(SUSPICIONS_KEPT),
        }
    }

    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// When the verdict last changed.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Moving average of passed checks.
    pub fn latency(&self) -> Option<Duration> {
        self.latency
    }

    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// Whether the last check was answered at all, be it with "not ready": such an origin can at least say why.
    pub fn answers(&self) -> bool {
        self.answers
    }

    /// New rules from a changed configuration; what is known stays.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Takes in what was seen. True when the verdict changed.
    pub fn observe(&mut self, seen: Observation, now: Instant) -> bool {
        match seen {
            Observation::Passed { latency } => {
                self.answers = true;
                self.misses = 0;
                self.average(latency);
                self.passes = self.passes.saturating_add(1);
                if self.verdict != Verdict::Up && self.passes >= self.passes_asked(now) {
                    self.last_error = None;
                    self.traffic_failures = 0;
                    return self.become_(Verdict::Up, now);
                }
                false
            }
            Observation::Draining => {
                self.answers = true;
                (self.misses, self.passes) = (0, 0);
                self.become_(Verdict::Draining, now)
            }
            Observation::NotReady { status } => {
                self.answers = true;
                self.miss(format!("not ready: answered {status}"), now)
            }
            Observation::Refused { detail } => {
                self.answers = false;
                self.miss(format!("connection refused: {detail}"), now)
            }
            Observation::TimedOut { after } => {
                self.answers = false;
                self.miss(format!("no answer within {} ms", after.as_millis()), now)
            }
            Observation::Broken { detail } => {
                self.answers = false;
                self.miss(format!("no usable answer: {detail}"), now)
            }
            Observation::TrafficPassed => {
                self.traffic_failures = 0;
                false
            }
            Observation::TrafficFailed { detail } => {
                self.traffic_failures = self.traffic_failures.saturating_add(1);
                self.last_error = Some(format!("a request failed: {detail}"));
                if self.traffic_failures >= self.rules.traffic_failures {
                    self.traffic_failures = 0;
                    return self.suspect(now);
                }
                false
            }
        }
    }

    fn miss(&mut self, error: String, now: Instant) -> bool {
        self.last_error = Some(error);
        self.passes = 0;
        self.misses = self.misses.saturating_add(1);
        self.misses >= self.rules.misses && self.suspect(now)
    }

    fn suspect(&mut self, now: Instant) -> bool {
        self.passes = 0;
        if self.verdict == Verdict::Suspect {
            return false;
        }
        if self.suspicions.len() == SUSPICIONS_KEPT {
            self.suspicions.pop_front();
        }
        self.suspicions.push_back(now);
        self.become_(Verdict::Suspect, now)
    }

    fn become_(&mut self, verdict: Verdict, now: Instant) -> bool {
        let changed = self.verdict != verdict;
        if changed {
            (self.verdict, self.since) = (verdict, now);
        }
        changed
    }

    /// Doubles with each suspicion of the last minute after the first. The first check ever is believed.
    fn passes_asked(&self, now: Instant) -> u32 {
        if self.verdict == Verdict::Unknown {
            return 1;
        }
        let recent = self.suspicions.iter().filter(|at| now.duration_since(**at) < FLAPPING_SPAN).count();
        self.rules.passes.saturating_mul(1 << recent.saturating_sub(1).min(DOUBLINGS_MAX))
    }

    fn average(&mut self, latency: Duration) {
        self.latency = Some(match self.latency {
            None => latency,
            Some(old) => (old * (LATENCY_SHARE - 1) + latency) / LATENCY_SHARE,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(letter: char) -> Observation {
        match letter {
            'p' => Observation::Passed { latency: Duration::from_millis(2) },
            'd' => Observation::Draining,
            'n' => Observation::NotReady { status: 503 },
            'r' => Observation::Refused { detail: "test".into() },
            't' => Observation::TimedOut { after: Duration::from_millis(180) },
            'b' => Observation::Broken { detail: "test".into() },
            '+' => Observation::TrafficPassed,
            '-' => Observation::TrafficFailed { detail: "test".into() },
            other => panic!("{other}"),
        }
    }

    /// Plays observations 100 ms apart; gives the first letter of the verdict after each.
    fn play(letters: &str) -> String {
        let mut now = Instant::now();
        let mut health = Health::new(Rules::default(), now);
        letters
            .chars()
            .map(|letter| {
                now += Duration::from_millis(100);
                health.observe(seen(letter), now);
                &health.verdict().as_str()[..1]
            })
            .collect()
    }

    #[test]
    fn verdicts_follow_evidence_with_hysteresis() {
        for (letters, verdicts) in [
            ("p", "u"),
            // One odd thing changes nothing, and a pass forgets it.
            ("prp", "uuu"),
            ("ptptpt", "uuuuuu"),
            ("pnpbp", "uuuuu"),
            ("prr", "uus"),
            ("ptt", "uus"),
            ("prt", "uus"),
            ("pnn", "uus"),
            // Two passes in a row bring it back; the doubt of one check delays that.
            ("prrpp", "uussu"),
            ("prrprpp", "uussssu"),
            // A second suspicion within a minute asks for four, a third for eight.
            ("prrpprrpppp", "uussuusssss".replace("sssss", "ssssu").as_str()),
            // What the origin says of itself is believed at once.
            ("pd", "ud"),
            ("pdpp", "uddu"),
            ("pdrr", "udds"),
            // Traffic: three in a row, an answer between them counts.
            ("p---", "uuus"),
            ("p--+--", "uuuuuu"),
            ("rr", "us"),
        ] {
            // "unknown" and "up" share their first letter; what differs is told by the next test.
            assert_eq!(play(letters), verdicts, "{letters}");
        }
    }

    #[test]
    fn without_evidence_it_is_unknown() {
        let now = Instant::now();
        let mut health = Health::new(Rules::default(), now);
        assert_eq!(health.verdict(), Verdict::Unknown);
        health.observe(seen('t'), now);
        health.observe(seen('+'), now);
        assert_eq!(health.verdict(), Verdict::Unknown, "traffic and one miss prove nothing");
        health.observe(seen('p'), now);
        assert_eq!(health.verdict(), Verdict::Up);
    }

    #[test]
    fn a_thousand_single_stalls_do_not_change_the_verdict() {
        let mut now = Instant::now();
        let mut health = Health::new(Rules::default(), now);
        health.observe(seen('p'), now);
        for _ in 0..1_000 {
            now += Duration::from_millis(250);
            assert!(!health.observe(seen('t'), now));
            assert!(!health.observe(seen('p'), now));
        }
    }

    #[test]
    fn who_flaps_comes_back_ever_later_but_comes_back() {
        let mut now = Instant::now();
        let mut health = Health::new(Rules::default(), now);
        let mut asked = Vec::new();
        for _ in 0..7 {
            while health.verdict() != Verdict::Suspect {
                health.observe(seen('r'), now);
            }
            let mut passes = 0;
            while health.verdict() != Verdict::Up {
                now += Duration::from_millis(50);
                health.observe(seen('p'), now);
                passes += 1;
            }
            asked.push(passes);
        }
        assert_eq!(asked, [2, 4, 8, 16, 32, 32, 32]);
        now += FLAPPING_SPAN;
        health.observe(seen('r'), now);
        health.observe(seen('r'), now);
        health.observe(seen('p'), now);
        assert!(health.observe(seen('p'), now), "a quiet minute is forgiven");
    }

    #[test]
    fn latency_is_a_moving_average() {
        let now = Instant::now();
        let mut health = Health::new(Rules::default(), now);
        for millis in [10, 10, 60] {
            health.observe(Observation::Passed { latency: Duration::from_millis(millis) }, now);
        }
        assert_eq!(health.latency(), Some(Duration::from_millis(20)));
    }
}
