//! Figures beside their floors and aims: a table for people, JSON for programs, a part of `docs/PERFORMANCE.md`.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, bail};
use serde::Serialize;

use super::machine::Machine;

/// Between these lines the page is ours; the words around them stay.
const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    PerSecond,
    Percent,
    Milliseconds,
    Megabytes,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Unit::PerSecond => format!("{}/s", grouped(value)),
            Unit::Percent => format!("{value:.0} %"),
            Unit::Milliseconds if value < 10.0 => format!("{value:.2} ms"),
            Unit::Milliseconds => format!("{value:.0} ms"),
            Unit::Megabytes => format!("{value:.1} MB"),
        }
    }

    fn reaches(self, value: f64, mark: f64) -> bool {
        match self {
            Unit::PerSecond | Unit::Percent => value >= mark,
            Unit::Milliseconds | Unit::Megabytes => value <= mark,
        }
    }
}

/// One figure.
#[derive(Debug, Serialize)]
pub struct Line {
    workload: &'static str,
    what: String,
    unit: Unit,
    figure: f64,
    floor: Option<f64>,
    aim: Option<f64>,
    /// p50, p95, p99 of single operations.
    milliseconds: Option<[f64; 3]>,
    /// CPU of the server during the load.
    cpu_seconds: Option<f64>,
}

impl Line {
    pub fn new(what: impl Into<String>, unit: Unit, figure: f64) -> Self {
        Self {
            workload: "",
            what: what.into(),
            unit,
            figure,
            floor: None,
            aim: None,
            milliseconds: None,
            cpu_seconds: None,
        }
    }

    pub fn of(self, workload: &'static str) -> Self {
        Self { workload, ..self }
    }

    pub fn floor(self, floor: f64) -> Self {
        Self { floor: Some(floor), ..self }
    }

    pub fn aim(self, aim: f64) -> Self {
        Self { aim: Some(aim), ..self }
    }

    pub fn spread(self, milliseconds: [f64; 3]) -> Self {
        Self { milliseconds: Some(milliseconds), ..self }
    }

    pub fn cpu(self, seconds: f64) -> Self {
        Self { cpu_seconds: Some(seconds), ..self }
    }

    fn misses_floor(&self) -> bool {
        self.floor.is_some_and(|floor| !self.unit.reaches(self.figure, floor))
    }

    fn mark(&self) -> &'static str {
        match (self.floor, self.aim) {
            _ if self.misses_floor() => "below the floor",
            (_, Some(aim)) if self.unit.reaches(self.figure, aim) => "aim reached",
            (Some(_), _) => "floor holds",
            (None, Some(_)) => "below the aim",
            (None, None) => "",
        }
    }
}

#[derive(Debug, Serialize)]
pub struct Report {
    machine: Machine,
    pub lines: Vec<Line>,
}

impl Report {
    pub fn new(machine: Machine) -> Self {
        Self { machine, lines: Vec::new() }
    }

    pub fn missed(&self) -> Vec<String> {
        let missed = self.lines.iter().filter(|line| line.misses_floor());
        missed.map(|line| format!("{}: {}", line.workload, line.what)).collect()
    }

    /// # Errors
    /// Never in practice.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// Markdown whose columns also line up as plain text.
    pub fn table(&self) -> String {
        let mut rows = vec![
            ["what", "figure", "floor", "aim", "mark", "p50, p95, p99 in ms", "CPU of the server"]
                .map(str::to_owned),
        ];
        for line in &self.lines {
            let shown = |mark: Option<f64>| mark.map(|mark| line.unit.show(mark)).unwrap_or_default();
            rows.push([
                line.what.clone(),
                line.unit.show(line.figure),
                shown(line.floor),
                shown(line.aim),
                line.mark().to_owned(),
                line.milliseconds
                    .map(|spread| spread.map(|time| format!("{time:.2}")).join(", "))
                    .unwrap_or_default(),
                line.cpu_seconds.map(|seconds| format!("{seconds:.1} s")).unwrap_or_default(),
            ]);
        }
        let mut text = self.conditions();
        text.push('\n');
        let widths: Vec<usize> = (0..rows[0].len())
            .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default())
            .collect();
        for (number, row) in rows.iter().enumerate() {
            for (cell, width) in row.iter().zip(&widths) {
                let _ = write!(text, "| {cell:<width$} ");
            }
            text.push_str("|\n");
            if number == 0 {
                let rule: Vec<_> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
                let _ = writeln!(text, "|{}|", rule.join("|"));
            }
        }
        text
    }

    fn conditions(&self) -> String {
        let Machine {
            system,
            processor,
            cores,
            memory_gb,
            levqor,
            rust,
            sqlite,
            fsync,
            fsync_ms: [p50, _, p99],
            load_average,
        } = &self.machine;
        let loaded = if self.machine.is_loaded() {
            ": **others worked on the machine, so every figure is pessimistic**; the raw limits suffered alike"
        } else {
            ""
        };
        format!(
            "{system}; {processor}, {cores} cores, {memory_gb} GB of memory. {levqor}, {rust}, SQLite {sqlite}.\n\
             Durability: {fsync}; writing a page and waiting for the disk took {p50:.2} ms (p50), {p99:.2} ms (p99).\n\
             Load average before the run {load_average:.1}{loaded}.\n"
        )
    }

    /// # Errors
    /// When the page or its markers are missing.
    pub fn write_page(&self, path: &Path) -> anyhow::Result<()> {
        let page = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        fs::write(path, between(&page, &self.table()).with_context(|| path.display().to_string())?)?;
        Ok(())
    }
}

fn between(page: &str, text: &str) -> anyhow::Result<String> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else {
        bail!(
            "the page needs a line {BEGIN:?} and after it a line {END:?}; figures are written between them"
        );
    };
    Ok(format!("{before}{BEGIN}\n{text}{END}{after}"))
}

/// `12,345`.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_judged_by_the_direction_of_its_unit() {
        let rows = [
            (Unit::PerSecond, 4_999.0, "below the floor"),
            (Unit::PerSecond, 5_000.0, "floor holds"),
            (Unit::PerSecond, 15_000.0, "aim reached"),
            (Unit::Milliseconds, 15_001.0, "below the floor"),
            (Unit::Milliseconds, 9_000.0, "aim reached"),
        ];
        for (unit, figure, mark) in rows {
            let (floor, aim) =
                if unit == Unit::PerSecond { (5_000.0, 15_000.0) } else { (15_000.0, 9_000.0) };
            assert_eq!(Line::new("x", unit, figure).floor(floor).aim(aim).mark(), mark, "{figure}");
        }
        assert_eq!(Line::new("x", Unit::Percent, 20.0).aim(30.0).mark(), "below the aim");
        assert_eq!(Unit::PerSecond.show(1_234_567.0), "1,234,567/s");
    }

    #[test]
    fn words_around_the_markers_stay() {
        let page = format!("# P\n\n{BEGIN}\nold\n{END}\nafter\n");
        assert_eq!(between(&page, "new\n").unwrap(), format!("# P\n\n{BEGIN}\nnew\n{END}\nafter\n"));
        assert!(between("nothing", "new").is_err());
    }
}
