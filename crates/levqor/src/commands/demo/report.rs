//! What came of it, in numbers that were measured.

use std::{collections::BTreeMap, io::stdout, time::Duration};

use serde_json::{Value, json};

use super::words::seconds;
use crate::console::{Tone, paint, table};

/// The loss of a region, from the moment of the fault.
#[derive(Debug, Clone, Default)]
pub struct Loss {
    pub region: String,
    /// Until the edge sent it nothing more.
    pub suspected: Duration,
    /// Until the standby took writes; None when the database was not lost.
    pub promoted: Option<Duration>,
    /// Until its node was stopped by the others' verdict.
    pub stopped: Duration,
    /// Until all of its runs were others'.
    pub taken_over: Duration,
    /// By the region that took them.
    pub runs: BTreeMap<String, u64>,
    /// The longest that any request took meanwhile.
    pub longest_read: Duration,
    pub longest_start: Duration,
    /// From its start to its first answers.
    pub back: Duration,
}

#[derive(Debug, Clone, Default)]
pub struct Report {
    pub took: Duration,
    pub acknowledged: usize,
    pub ended: usize,
    /// Promises that were not kept.
    pub lost: Vec<String>,
    /// Requests that failed.
    pub failed: Vec<String>,
    pub loss: Loss,
}

impl Report {
    pub fn is_good(&self) -> bool {
        self.lost.is_empty() && self.failed.is_empty() && self.acknowledged > 0
    }

    pub fn json(&self) -> Value {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let loss = &self.loss;
        json!({
            "good": self.is_good(),
            "took_ms": ms(self.took),
            "runs": { "acknowledged": self.acknowledged, "completed": self.ended, "lost": self.lost },
            "requests_failed": self.failed,
            "loss": {
                "region": loss.region,
                "suspected_ms": ms(loss.suspected),
                "database_promoted_ms": loss.promoted.map(ms),
                "node_stopped_ms": ms(loss.stopped),
                "taken_over_ms": ms(loss.taken_over),
                "runs_taken_over": loss.runs,
                "longest_read_ms": ms(loss.longest_read),
                "longest_start_ms": ms(loss.longest_start),
                "back_ms": ms(loss.back),
            },
        })
    }

    pub fn text(&self) -> String {
        let loss = &self.loss;
        let good = |count: usize| {
            let tone = if count == 0 { Tone::Good } else { Tone::Bad };
            paint(&count.to_string(), tone, &stdout())
        };
        let by = loss.runs.iter().map(|(region, runs)| format!("{runs} by {region}")).collect::<Vec<_>>();
        let by = if by.is_empty() { "none".to_owned() } else { by.join(", ") };
        let rows = [
            ("runs acknowledged", self.acknowledged.to_string()),
            ("of them completed, with the right output", self.ended.to_string()),
            ("lost", good(self.lost.len())),
            ("requests that failed", good(self.failed.len())),
            ("the edge turned away from the dead region after", seconds(loss.suspected)),
            (
                "the standby was the primary after",
                loss.promoted.map_or_else(|| "not lost".to_owned(), seconds),
            ),
            ("longest read meanwhile", seconds(loss.longest_read)),
            ("longest start meanwhile", seconds(loss.longest_start)),
            ("the dead node was stopped by the others after", seconds(loss.stopped)),
            ("its runs were taken over after", format!("{} ({by})", seconds(loss.taken_over))),
            ("the region was back, from its start, after", seconds(loss.back)),
        ];
        let rows = rows.map(|(what, value)| vec![what.to_owned(), value]);
        let mut text = table(&[&format!("what the loss of {} did", loss.region), ""], rows);
        for line in self.lost.iter().chain(&self.failed).take(20) {
            text.push_str(&format!("\n{}", paint(line, Tone::Bad, &stdout())));
        }
        text
    }
}
