//! What was measured and what is left, in words or as JSON.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde_json::{Value, json};

use super::{probe::Window, round::Round};
use crate::checker::{Findings, spread};

/// How long something took, over all rounds.
#[derive(Debug, Default)]
struct Times(Vec<Duration>);

impl Times {
    fn json(&mut self) -> Value {
        self.0.sort_unstable();
        let ms = |span: Option<&Duration>| span.map(|span| span.as_millis());
        json!({ "count": self.0.len(), "median_ms": ms(self.0.get(self.0.len() / 2)), "most_ms": ms(self.0.last()) })
    }
}

/// All rounds of one fault.
#[derive(Debug, Default)]
pub struct Report {
    pub fault: String,
    pub binary: String,
    pub seed: u64,
    pub rounds: u64,
    pub took: Duration,
    /// Names that are shown, in this order.
    windows: Vec<(&'static str, Times)>,
    runs_taken: i64,
    false_stops: u64,
    probes: [(u64, u64); 2],
    /// Requests of callers that failed though they may be sent twice, and the sum of all that were acknowledged.
    pub failed: u64,
    /// What came instead of their answers, and of those to the probe.
    pub instead: [BTreeMap<String, u64>; 2],
    pub with_edge: bool,
    pub ticks: usize,
    pub messages: (usize, u64),
    pub findings: Findings,
}

impl Report {
    pub fn add(&mut self, round: &Round, longest: Duration, probed: Option<[Window; 2]>) {
        self.runs_taken += round.runs_taken;
        self.false_stops += u64::from(round.is_false);
        self.time("standby promoted after", round.promoted);
        self.time("known to be gone after", round.known);
        self.time("all its runs taken over after", round.taken);
        self.time("back among the living after", round.back);
        self.time("longest wait for an acknowledgement", Some(longest));
        let Some([reads, writes]) = probed else { return };
        self.time("reads good again after", Some(reads.good_after));
        self.time("writes good again after", Some(writes.good_after));
        let since = round.promoted.map(|promoted| writes.good_after.saturating_sub(promoted));
        self.time("writes good again after the promotion", since);
        self.time("longest read", Some(reads.longest));
        self.time("longest write", Some(writes.longest));
        for (sum, window) in self.probes.iter_mut().zip([reads, writes]) {
            sum.0 += window.failed;
            sum.1 += window.sent;
        }
    }

    pub fn turned_away(&mut self, after: Option<Duration>) {
        self.time("edge turned away after", after);
    }

    fn time(&mut self, name: &'static str, took: Option<Duration>) {
        let Some(took) = took else { return };
        match self.windows.iter_mut().find(|(known, _)| *known == name) {
            Some((_, times)) => times.0.push(took),
            None => self.windows.push((name, Times(vec![took]))),
        }
    }

    /// What is wrong besides the findings.
    pub fn judge(&mut self) {
        if self.false_stops > 0 {
            self.findings.wrong.push(format!("{} nodes were stopped that lived", self.false_stops));
        }
        if self.messages.1 > 0 {
            self.findings.wrong.push(format!("{} messages were never acknowledged", self.messages.1));
        }
        if self.findings.in_doubt > 0 {
            self.findings.wrong.push(format!("{} starts were never acknowledged", self.findings.in_doubt));
        }
    }

    pub fn json(&mut self) -> Value {
        let found = &self.findings;
        let windows: serde_json::Map<_, _> =
            self.windows.iter_mut().map(|(name, times)| (name.replace(' ', "_"), times.json())).collect();
        json!({
            "fault": self.fault,
            "binary": self.binary,
            "seed": self.seed,
            "rounds": self.rounds,
            "seconds": self.took.as_secs(),
            "edge": self.with_edge,
            "windows": windows,
            "runs_taken_over": self.runs_taken,
            "failed_requests": self.failed,
            "instead_of_answers": self.instead,
            "failed_reads_of_probe": self.probes[0].0,
            "reads_of_probe": self.probes[0].1,
            "failed_writes_of_probe": self.probes[1].0,
            "writes_of_probe": self.probes[1].1,
            "acknowledged": found.acknowledged,
            "lost": found.lost,
            "in_doubt": found.in_doubt,
            "events_emitted": found.emitted,
            "events_heard": found.told,
            "messages_acknowledged": self.messages.0,
            "effects": found.effects,
            "effects_repeated": found.repeats,
            "runs_metered": found.metered,
            "ticks": self.ticks,
            "violations": found.wrong,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} rounds of {} in {:.0?}", self.rounds, self.fault, self.took)?;
        writeln!(f, "{}", self.findings)?;
        writeln!(f, "ticks:   {} firings of a schedule of one second", self.ticks)?;
        writeln!(f, "hooks:   {} messages acknowledged, a run each", self.messages.0)?;
        if self.runs_taken > 0 {
            writeln!(f, "taken:   {} runs changed hands", self.runs_taken)?;
        }
        writeln!(
            f,
            "failed:  {} requests that may be sent twice, of callers {:?}",
            self.failed, self.instead[0]
        )?;
        if self.with_edge {
            let [reads, writes] = self.probes;
            writeln!(
                f,
                "probe:   {} of {} reads and {} of {} writes failed {:?}",
                reads.0, reads.1, writes.0, writes.1, self.instead[1]
            )?;
        }
        for (name, times) in &self.windows {
            writeln!(f, "{:<40}{}", format!("{name}:"), spread(&mut times.0.clone()))?;
        }
        write!(f, "{} violations", self.findings.wrong.len())
    }
}
