//! The picture of the demo: what is known at one moment, as lines of text.
//!
//! Nothing is drawn that was not observed: regions as the edge and the nodes tell them, traffic as the callers saw it.

use std::{collections::VecDeque, fmt::Write as _, time::Duration};

use super::words::seconds;
use crate::console::Tone;

/// Lines of the story that stay on the screen.
const STORY_LINES: usize = 9;
/// Width of a region's column.
const COLUMN: usize = 25;

/// How a region stands, by whoever sees most of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    #[default]
    Starting,
    Up,
    /// The edge sends it nothing; its runs are still its own.
    Suspect,
    Draining,
    /// Its nodes are stopped: others have its runs.
    Down,
}

impl Standing {
    /// By the state of the newest node there, and whether the edge sends it requests.
    pub fn of(state: &str, is_up: bool) -> Self {
        match (state, is_up) {
            ("", _) => Standing::Starting,
            ("stopped", _) => Standing::Down,
            ("draining", _) => Standing::Draining,
            (_, true) => Standing::Up,
            (_, false) => Standing::Suspect,
        }
    }

    fn drawn(self) -> (&'static str, Tone) {
        match self {
            Standing::Starting => ("◌ starting", Tone::Quiet),
            Standing::Up => ("● up", Tone::Good),
            Standing::Suspect => ("◍ suspect", Tone::Warning),
            Standing::Draining => ("◒ draining", Tone::Warning),
            Standing::Down => ("✗ down", Tone::Bad),
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct RegionNow {
    pub code: String,
    pub standing: Standing,
    /// Its part of the database, when it has one.
    pub database: &'static str,
    /// Live runs that its nodes own.
    pub runs: u64,
    /// Answers of the last second.
    pub answers: u64,
}

/// One moment.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    pub elapsed: Duration,
    pub url: String,
    pub regions: Vec<RegionNow>,
    /// Requests that failed although they may be repeated.
    pub failed: u64,
    /// The longest that a request took since the scene's last event.
    pub longest: Duration,
    pub acknowledged: u64,
    pub ended: u64,
    pub story: VecDeque<String>,
}

impl Scene {
    pub fn tell(&mut self, line: String) {
        self.story.push_back(line);
        if self.story.len() > STORY_LINES {
            self.story.pop_front();
        }
    }

    /// The lines of the picture; `paint` gives them their tones.
    pub fn draw(&self, paint: impl Fn(&str, Tone) -> String) -> Vec<String> {
        let answers: u64 = self.regions.iter().map(|region| region.answers).sum();
        let mut lines = vec![
            format!(
                "{}  {}",
                paint("Levqor demo: three regions on this machine", Tone::Strong),
                paint(&seconds(self.elapsed), Tone::Quiet)
            ),
            String::new(),
            format!(
                "  callers ─► edge {}   {answers}/s   longest {}   failed {}",
                self.url,
                seconds(self.longest),
                if self.failed == 0 {
                    paint("0", Tone::Good)
                } else {
                    paint(&self.failed.to_string(), Tone::Bad)
                }
            ),
        ];
        lines.push(self.arrows(&paint));
        lines.push(self.row(|region| (region.code.clone(), Tone::Strong), &paint));
        lines.push(self.row(
            |region| {
                let (text, tone) = region.standing.drawn();
                (text.to_owned(), tone)
            },
            &paint,
        ));
        lines.push(self.row(|region| (format!("{} runs", region.runs), Tone::Quiet), &paint));
        lines.push(
            self.row(|region| (format!("{}/s {}", region.answers, bar(region.answers)), Tone::Quiet), &paint),
        );
        lines.push(self.row(|region| (region.database.to_owned(), Tone::Quiet), &paint));
        lines.push(String::new());
        lines.push(format!(
            "  runs: {} acknowledged, {} ended, {} under way",
            self.acknowledged,
            self.ended,
            self.acknowledged.saturating_sub(self.ended)
        ));
        lines.push(String::new());
        lines.extend(self.story.iter().map(|line| format!("  {line}")));
        lines
    }

    fn arrows(&self, paint: &impl Fn(&str, Tone) -> String) -> String {
        let arrow = |region: &RegionNow| match region.answers {
            0 => ("┆".to_owned(), Tone::Quiet),
            _ => ("▼".to_owned(), Tone::Good),
        };
        self.row(arrow, paint)
    }

    fn row(
        &self,
        cell: impl Fn(&RegionNow) -> (String, Tone),
        paint: &impl Fn(&str, Tone) -> String,
    ) -> String {
        let mut line = "  ".to_owned();
        for region in &self.regions {
            let (text, tone) = cell(region);
            let room = COLUMN.saturating_sub(text.chars().count());
            let _ = write!(line, "{}{}", paint(&text, tone), " ".repeat(room));
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// One block for each two answers a second.
fn bar(answers: u64) -> String {
    "▇".repeat(usize::try_from(answers.div_ceil(2)).unwrap_or(usize::MAX).min(12))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(code: &str, standing: Standing, runs: u64, answers: u64) -> RegionNow {
        RegionNow { code: code.to_owned(), standing, database: "", runs, answers }
    }

    fn scene() -> Scene {
        let mut scene = Scene {
            elapsed: Duration::from_millis(12_340),
            url: "http://127.0.0.1:4000".to_owned(),
            regions: vec![
                region("eu-west", Standing::Suspect, 12, 0),
                region("us-east", Standing::Up, 9, 21),
                region("ap-south", Standing::Up, 0, 3),
            ],
            longest: Duration::from_millis(31),
            acknowledged: 100,
            ended: 79,
            ..Scene::default()
        };
        scene.regions[0].database = "PostgreSQL, primary";
        scene.tell("12.3 s  eu-west is killed".to_owned());
        scene
    }

    #[test]
    fn a_moment_is_drawn() {
        let lines = scene().draw(|text, _| text.to_owned());
        assert_eq!(
            lines,
            [
                "Levqor demo: three regions on this machine  12.3 s",
                "",
                "  callers ─► edge http://127.0.0.1:4000   24/s   longest 31 ms   failed 0",
                "  ┆                        ▼                        ▼",
                "  eu-west                  us-east                  ap-south",
                "  ◍ suspect                ● up                     ● up",
                "  12 runs                  9 runs                   0 runs",
                "  0/s                      21/s ▇▇▇▇▇▇▇▇▇▇▇         3/s ▇▇",
                "  PostgreSQL, primary",
                "",
                "  runs: 100 acknowledged, 79 ended, 21 under way",
                "",
                "  12.3 s  eu-west is killed",
            ]
        );
    }

    #[test]
    fn the_story_keeps_its_last_lines_and_columns_stand_in_colour_too() {
        let mut scene = scene();
        for number in 0..100 {
            scene.tell(number.to_string());
        }
        let plain = scene.draw(|text, _| text.to_owned());
        assert_eq!(plain.len(), 12 + STORY_LINES);
        let marked = scene.draw(|text, _| format!("<{text}>"));
        let without: Vec<_> =
            marked.iter().map(|line| line.replace(['<', '>'], "").trim_end().to_owned()).collect();
        assert_eq!(without, plain);
    }
}
