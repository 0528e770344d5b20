//! Tamper detection: nothing of the server's own files changes unnoticed, and nobody but an operator agrees to a change.
//!
//! ```text
//! file system ─► scan (looks, hashes) ◄─ watch (hears)          store ◄─ teller ─► keeper (signs, keeps the file)
//!                  └────────── guard ──────────► board (judges) ──────────┘
//! ```
//!
//! The guard has a loop of its own and needs no database. The board has what follows from what is there and what was agreed. The
//! teller brings that to the database, where every node can show it, and brings back what operators wish.
//!
//! Invariant: a finding ends when what is there is as agreed again, or when an operator agrees to exactly what was found.

mod board;
mod conditions;
mod file;
mod guard;
mod keeper;
mod pages;
mod report;
mod routes;
pub mod scan;
mod service;
mod teller;
#[cfg(test)]
mod tests;
mod watch;

use std::{collections::BTreeMap, os::unix::ffi::OsStrExt, path::Path, path::PathBuf, sync::Arc};

use levqor_model::{
    Deviation, Severity, SystemClock,
    tamper::{Entry, Seen, Subject, sha256, shown},
};
use levqor_store::Error;
use tracing::{error, info};

pub(crate) use conditions::conditions;
pub use pages::routes;
pub use routes::api;
pub(crate) use service::{Standing, ask_for_new_hashes, standings};
pub(crate) use teller::tell;

use crate::App;
use board::{Memory, News};
use guard::Guard;
use scan::Root;

/// Findings that one round writes to the log; their number is told besides.
const LOGGED_MAX: usize = 20;

/// What a node guards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TamperSettings {
    /// The machine and the data directory: what stays when the process ends.
    pub place: String,
    /// Where the baseline is kept.
    pub data_dir: PathBuf,
    pub roots: Vec<Root>,
    /// Values in force that are no files.
    pub values: Vec<GuardedValue>,
}

/// A value that is guarded as if it were a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardedValue {
    pub subject: Subject,
    pub name: String,
    pub content: String,
}

impl TamperSettings {
    /// Whether the path is looked at.
    fn guards(&self, path: &str) -> bool {
        let is_under = |root: &Root| {
            let root = text_of(&root.path);
            path.strip_prefix(&root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        path == text_of(&self.baseline())
            || self.values.iter().any(|value| value.name == path)
            || self.roots.iter().any(is_under)
    }
}

fn memory(app: &App) -> Arc<Memory> {
    app.memory(|_| Memory::default())
}

/// A path as findings name it.
fn text_of(path: &Path) -> String {
    shown(path.as_os_str().as_bytes())
}

/// One round of guarding. Call it again and again.
///
/// # Errors
/// None: it needs no store.
pub(crate) async fn guard(app: &App) -> Result<(), Error> {
    let Some(settings) = &app.settings.tamper else {
        app.stopping.cancelled().await;
        return Ok(());
    };
    let memory = memory(app);
    let mut place = memory.guard.lock().await;
    let guard = place.get_or_insert_with(|| {
        let mut roots = settings.roots.clone();
        roots.push(Root { subject: Subject::Baseline, path: settings.baseline() });
        // Files bear the machine's time, whatever the server is told.
        Guard::new(roots, Arc::new(SystemClock))
    });
    tokio::select! { biased;
        () = app.stopping.cancelled() => return Ok(()),
        () = guard.wait(&memory.wake) => {}
    }
    guard.look().await;
    let news = note(app, settings, &memory, guard);
    drop(place);
    announce(&news);
    Ok(())
}

/// Puts what the guard has seen on the board, with what follows from it.
fn note(app: &App, settings: &TamperSettings, memory: &Memory, guard: &Guard) -> News {
    let scanner = guard.scanner();
    let mut board = memory.board();
    board.condition = guard.condition();
    board.looked_at = Some(app.now());
    // Once everything was looked at, what is new is not waited for by what has changed.
    let is_known = board.seen.is_some() || scanner.is_complete();
    if is_known && board.version != Some(scanner.version()) {
        let mut seen = scanner.entries();
        seen.extend(values(&settings.values));
        let own = settings.baseline();
        if let (true, Some(before)) = (scanner.is_stale(&own), &board.seen) {
            let own = text_of(&own);
            seen.extend(before.get(&own).map(|entry| (own, entry.clone())));
        }
        board.seen = Some(Arc::new(seen));
        board.version = Some(scanner.version());
        (board.files, board.bytes) = scanner.size();
        return board.judge(settings);
    }
    News::default()
}

fn values(values: &[GuardedValue]) -> BTreeMap<String, Entry> {
    let entry = |value: &GuardedValue| {
        let content = value.content.as_bytes();
        let seen = Seen::Value { sha256: sha256(content), bytes: content.len() as u64 };
        (value.name.clone(), Entry { subject: value.subject, seen })
    };
    values.iter().map(entry).collect()
}

/// Says what has changed. Alerts begin here.
fn announce(news: &News) {
    for deviation in news.came.iter().take(LOGGED_MAX) {
        let Deviation { severity, place, .. } = deviation;
        error!(tamper.path = %place, tamper.severity = %severity, "not as agreed: {deviation}");
    }
    if news.came.len() > LOGGED_MAX {
        error!("and {} more are not as agreed", news.came.len() - LOGGED_MAX);
    }
    for path in news.went.iter().take(LOGGED_MAX) {
        info!(tamper.path = %path, "as agreed again: {path}");
    }
}

/// What this node's guard knows, for metrics. None: it guards nothing, or has no verdict yet.
pub(crate) struct Gauges {
    /// Findings by severity, the worst first.
    pub(crate) findings: Vec<(Severity, usize)>,
    pub(crate) files: u64,
    /// How long ago everything was looked at.
    pub(crate) age_seconds: u64,
    /// Whether events come.
    pub(crate) hears: bool,
}

pub(crate) fn gauges(app: &App) -> Option<Gauges> {
    app.settings.tamper.as_ref()?;
    let memory = memory(app);
    let board = memory.board();
    if !board.is_known() {
        return None;
    }
    let count = |severity| board.deviations.values().filter(|found| found.severity == severity).count();
    Some(Gauges {
        findings: Severity::ALL.iter().map(|severity| (*severity, count(*severity))).collect(),
        files: board.files,
        age_seconds: app.now().since(board.looked_at?).as_secs(),
        hears: board.condition.hears,
    })
}
