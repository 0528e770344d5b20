//! Where the demo tells its story: a picture that moves when a person watches, lines with their time otherwise.

use std::{
    io::{IsTerminal as _, stdout},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::picture::Scene;
use crate::console::{paint, say};

/// How often the picture is drawn anew.
pub const DRAW_EVERY: Duration = Duration::from_millis(200);

pub struct Screen {
    begun: Instant,
    scene: Mutex<Scene>,
    /// None: lines.
    picture: Option<ProgressBar>,
    /// Lines go to standard error, since standard output is for the report.
    as_json: bool,
}

impl Screen {
    pub fn new(as_json: bool) -> Self {
        let picture = (!as_json && stdout().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
            bar.set_style(
                ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar
        });
        Self { begun: Instant::now(), scene: Mutex::default(), picture, as_json }
    }

    pub fn scene(&self) -> MutexGuard<'_, Scene> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line of the story, with its time.
    pub fn tell(&self, line: &str) {
        let line = format!("{:>5.1} s  {line}", self.begun.elapsed().as_secs_f64());
        if self.picture.is_some() {
            self.scene().tell(line);
            self.draw();
        } else if self.as_json {
            eprintln!("{line}");
        } else {
            say(line);
        }
    }

    pub fn draw(&self) {
        let Some(picture) = &self.picture else { return };
        let lines = {
            let mut scene = self.scene();
            scene.elapsed = self.begun.elapsed();
            scene.draw(|text, tone| paint(text, tone, &stdout()))
        };
        picture.set_message(lines.join("\n"));
        picture.tick();
    }

    /// Leaves the last picture where it is.
    pub fn leave(&self) {
        self.draw();
        if let Some(picture) = &self.picture {
            picture.abandon();
        }
    }
}
