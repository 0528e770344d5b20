//! States as small labels: a picture and a word, and colour as the third sign.

use levqor_model::{RunStatus, TaskStatus};
use maud::{Markup, html};

use super::icon::icon;

/// What a state means for the reader. `Good` is for what evidence has shown, and for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    Warn,
    Run,
    Idle,
    Accent,
}

impl Tone {
    /// The class that colours it.
    pub const fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Bad => "bad",
            Tone::Warn => "warn",
            Tone::Run => "run",
            Tone::Idle => "idle",
            Tone::Accent => "accent",
        }
    }
}

pub fn badge(tone: Tone, picture: &str, word: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (icon(picture)) (word) } }
}

/// The same, larger, for the head of a page.
pub fn large_badge(tone: Tone, picture: &str, word: &str) -> Markup {
    html! { span class={ "badge large " (tone.class()) } { (icon(picture)) (word) } }
}

pub fn region_badge(code: &str) -> Markup {
    html! { span.badge.region { (icon("pin")) span.visually-hidden { "region " } (code) } }
}

/// Tone and picture of a run's status.
pub const fn run_look(status: RunStatus) -> (Tone, &'static str) {
    match status {
        RunStatus::Pending => (Tone::Idle, "dots"),
        RunStatus::Running => (Tone::Run, "turn"),
        RunStatus::Waiting => (Tone::Warn, "hourglass"),
        RunStatus::Suspended => (Tone::Warn, "pause"),
        RunStatus::Completed => (Tone::Good, "check-ring"),
        RunStatus::Faulted => (Tone::Bad, "cross-ring"),
        RunStatus::Cancelled => (Tone::Idle, "stop"),
    }
}

pub fn run_badge(status: RunStatus) -> Markup {
    let (tone, picture) = run_look(status);
    badge(tone, picture, status.as_str())
}

/// Tone and picture of a task's status.
pub const fn task_look(status: TaskStatus) -> (Tone, &'static str) {
    match status {
        TaskStatus::Pending => (Tone::Idle, "dots"),
        TaskStatus::Running => (Tone::Run, "turn"),
        TaskStatus::Waiting => (Tone::Warn, "hourglass"),
        TaskStatus::Suspended => (Tone::Warn, "pause"),
        TaskStatus::Completed => (Tone::Good, "check-ring"),
        TaskStatus::Faulted => (Tone::Bad, "cross-ring"),
        TaskStatus::Cancelled => (Tone::Idle, "stop"),
        TaskStatus::Skipped => (Tone::Idle, "skip"),
    }
}
