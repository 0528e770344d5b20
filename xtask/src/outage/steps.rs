//! What was waited for, how long it took, and how long it might have taken.

use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::bail;
use serde_json::{Value, json};

/// What is watched is looked at so often: figures are as exact as that.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longest time for one look; a look that hangs is none.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// From the beginning of the phase.
#[derive(Debug, Clone, Copy)]
pub struct Within(pub Duration);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    phase: &'static str,
    what: String,
    after: Duration,
    bound: Duration,
}

/// The steps so far.
#[derive(Debug)]
pub struct Steps {
    begun: Instant,
    phase: (&'static str, Instant),
    done: Vec<Step>,
    /// Lines go to standard error, since standard output is for the report.
    as_json: bool,
}

impl Steps {
    pub fn begin(as_json: bool) -> Self {
        let begun = Instant::now();
        Self { begun, phase: ("start", begun), done: Vec::new(), as_json }
    }

    /// From here on time is counted anew.
    pub fn phase(&mut self, name: &'static str) {
        self.phase = (name, Instant::now());
    }

    /// A line with its time.
    pub fn tell(&self, line: &str) {
        let line = format!("{:>6.1} s  {line}", self.begun.elapsed().as_secs_f64());
        if self.as_json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    }

    /// Looks until there is something.
    ///
    /// # Errors
    /// When there is nothing within the bound.
    pub async fn wait<T>(
        &mut self,
        what: &str,
        Within(bound): Within,
        probe: impl AsyncFn() -> Option<T>,
    ) -> anyhow::Result<T> {
        let (phase, begun) = self.phase;
        loop {
            let found = tokio::time::timeout(LOOK_MAX, probe()).await.ok().flatten();
            // What comes late does not come.
            if begun.elapsed() > bound {
                bail!("{phase}: waited {bound:?} in vain until {what}");
            }
            if let Some(found) = found {
                self.note(what, bound);
                return Ok(found);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// It is so now.
    pub fn note(&mut self, what: &str, bound: Duration) {
        let (phase, begun) = self.phase;
        let after = begun.elapsed();
        self.tell(&format!("{phase} + {}  {what}", seconds(after)));
        self.done.push(Step { phase, what: what.to_owned(), after, bound });
    }

    /// Markdown, to be read and to be put into a document.
    pub fn table(&self) -> String {
        let mut table = "| from | step | after | at most |\n| --- | --- | --- | --- |".to_owned();
        for Step { phase, what, after, bound } in &self.done {
            // Writing to a text cannot fail.
            let _ = write!(table, "\n| {phase} | {what} | {} | {} s |", seconds(*after), bound.as_secs());
        }
        table
    }

    /// The same for programs; the file when it came to its end.
    pub fn json(&self, postmortem: Option<&Path>) -> Value {
        let steps = self.done.iter().map(|Step { phase, what, after, bound }| {
            let ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            json!({ "from": phase, "step": what, "after_ms": ms, "at_most_ms": bound.as_secs() * 1_000 })
        });
        json!({
            "good": postmortem.is_some(),
            "steps": steps.collect::<Vec<_>>(),
            "postmortem": postmortem.map(|path| path.display().to_string()),
        })
    }
}

fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn what_comes_is_noted_and_what_does_not_is_named() {
        let mut steps = Steps::begin(true);
        steps.phase("outage");
        let looks = Cell::new(0);
        let third = async || {
            looks.set(looks.get() + 1);
            (looks.get() == 3).then_some(7)
        };
        assert_eq!(steps.wait("it comes", Within(Duration::from_secs(60)), third).await.unwrap(), 7);
        let never = steps.wait("it comes again", Within(Duration::ZERO), async || None::<()>).await;
        assert_eq!(never.unwrap_err().to_string(), "outage: waited 0ns in vain until it comes again");
        let late = steps.wait("it is late", Within(Duration::ZERO), async || Some(())).await;
        assert!(late.is_err(), "what comes after its time is told as what it is");
        assert_eq!(steps.done.len(), 1);
    }

    #[test]
    fn a_table_has_each_step_with_its_bound() {
        let mut steps = Steps::begin(true);
        steps.done.push(Step {
            phase: "outage",
            what: "/status says so".to_owned(),
            after: Duration::from_millis(4_249),
            bound: Duration::from_secs(10),
        });
        assert_eq!(
            steps.table(),
            "| from | step | after | at most |\n| --- | --- | --- | --- |\n| outage | /status says so | 4.2 s | 10 s |"
        );
        let told = steps.json(None);
        assert_eq!((&told["good"], &told["postmortem"]), (&json!(false), &Value::Null));
        assert_eq!(
            told["steps"][0],
            json!({ "from": "outage", "step": "/status says so", "after_ms": 4_249, "at_most_ms": 10_000 })
        );
        let told = steps.json(Some(Path::new("target/outage/a.md")));
        assert_eq!((&told["good"], &told["postmortem"]), (&json!(true), &json!("target/outage/a.md")));
    }
}
