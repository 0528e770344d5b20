//! How far it is, on standard error: a bar when a person watches, lines otherwise.

use std::{
    io::{IsTerminal as _, stderr},
    time::{Duration, Instant},
};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use levqor_store::transfer::Step;

/// Time between two lines about one table when nobody watches.
const PAUSE: Duration = Duration::from_secs(10);

pub struct Progress {
    bar: Option<ProgressBar>,
    last_told: Instant,
}

impl Progress {
    pub fn new() -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length();
            let style = ProgressStyle::with_template("{msg:32} {bar:30} {human_pos} of {human_len} rows");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, last_told: Instant::now() }
    }

    pub fn tell(&mut self, step: Step<'_>) {
        match step {
            Step::Copying { table, rows, of } => self.within("copying", table, rows, of),
            Step::Comparing { table, rows, of } => self.within("comparing", table, rows, of),
            Step::Copied { table, rows } => self.done("copied", table, rows),
            Step::Compared { table, rows } => self.done("compared", table, rows),
        }
    }

    fn within(&mut self, verb: &str, table: &str, rows: u64, of: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(of);
            bar.set_position(rows);
            bar.set_message(format!("{verb} {table}"));
        } else if self.last_told.elapsed() >= PAUSE {
            self.last_told = Instant::now();
            eprintln!("{verb} {table}: {} of {} rows", HumanCount(rows), HumanCount(of));
        }
    }

    fn done(&mut self, verb: &str, table: &str, rows: u64) {
        self.last_told = Instant::now();
        if rows == 0 {
            return;
        }
        let line = format!("{verb} {table}: {} rows", HumanCount(rows));
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
