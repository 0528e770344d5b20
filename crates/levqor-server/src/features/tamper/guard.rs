//! One round of guarding after the other: wait for an event or a moment, look, follow what has come.

use std::{path::Path, sync::Arc, time::Duration};

use levqor_model::Clock;
use tokio::{sync::Notify, time::Instant};
use tracing::{error, warn};

use super::{
    scan::{Rehash, Root, Scanner, Touched},
    watch::Watcher,
};

/// How often everything is looked at, whatever is heard.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often everything is hashed anew, whatever the file system says.
const REHASH_EVERY: Duration = Duration::from_secs(600);
/// A watcher that could not be made is tried again after this.
const WATCH_AGAIN: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Guard {
    roots: Vec<Root>,
    clock: Arc<dyn Clock>,
    scanner: Scanner,
    watcher: Option<Watcher>,
    watch_again_at: Instant,
    /// Watchers that have died.
    deaths: u64,
    overflows: u64,
    /// Heard of, and not looked at yet.
    touched: Touched,
    /// There is more to read.
    busy: bool,
    followed: Option<u64>,
    looked_at: Instant,
    rehash_at: Instant,
    rehash_wanted: bool,
    /// Counts how often everything was hashed anew.
    rehashes: u64,
}

/// How the guard is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Condition {
    /// Whether events come.
    pub hears: bool,
    /// Paths that are only looked at, since the system takes no more watches.
    pub unheard: usize,
    pub deaths: u64,
    pub overflows: u64,
    pub rehashing: Option<Rehash>,
    pub rehashes: u64,
}

impl Guard {
    /// Looks for the first time with the first round.
    pub fn new(roots: Vec<Root>, clock: Arc<dyn Clock>) -> Self {
        let now = Instant::now();
        Self {
            scanner: Scanner::new(&roots, Arc::clone(&clock)),
            roots,
            clock,
            watcher: None,
            watch_again_at: now,
            deaths: 0,
            overflows: 0,
            touched: Touched::default(),
            busy: true,
            followed: None,
            looked_at: now,
            rehash_at: now + REHASH_EVERY,
            rehash_wanted: false,
            rehashes: 0,
        }
    }

    pub fn scanner(&self) -> &Scanner {
        &self.scanner
    }

    /// The file was changed by ourselves.
    pub fn forget(&mut self, path: &Path) {
        self.scanner.forget(path);
        self.touched.add(path.to_owned());
    }

    pub fn condition(&self) -> Condition {
        let watcher = self.watcher.as_ref();
        Condition {
            hears: watcher.is_some(),
            unheard: watcher.map_or(0, Watcher::refused),
            deaths: self.deaths,
            overflows: self.overflows + watcher.map_or(0, Watcher::overflows),
            rehashing: self.scanner.rehashing(),
            rehashes: self.rehashes,
        }
    }

    /// Has everything hashed anew, from the next look on.
    pub fn rehash(&mut self) {
        self.rehash_wanted = true;
        self.busy = true;
    }

    /// Until there is a reason to look: something was heard, `wake` rang, or it is time. Cancel safe.
    pub async fn wait(&mut self, wake: &Notify) {
        let heard = match &mut self.watcher {
            Some(watcher) if self.busy => Some(watcher.take()),
            Some(watcher) => tokio::select! { biased;
                heard = watcher.changed() => Some(heard),
                () = wake.notified() => None,
                () = tokio::time::sleep_until(self.looked_at + LOOK_EVERY) => None,
            },
            None if self.busy => None,
            None => tokio::select! { biased;
                () = wake.notified() => None,
                () = tokio::time::sleep_until(self.looked_at + LOOK_EVERY) => None,
            },
        };
        match heard {
            Some(Ok(heard)) => {
                self.touched.all |= heard.all;
                heard.paths.into_iter().for_each(|path| self.touched.add(path));
                if heard.all {
                    warn!("more file events came than could be kept: everything is looked at");
                }
            }
            Some(Err(failure)) => self.bury(&failure.to_string()),
            None => {}
        }
    }

    /// Looks at everything. What is heard meanwhile is kept, and looked at with the next round.
    ///
    /// Not cancel safe: a look that is dropped is done anew, from the beginning.
    pub async fn look(&mut self) {
        self.watch();
        let touched = std::mem::take(&mut self.touched);
        let rehash = self.rehash_wanted || Instant::now() >= self.rehash_at;
        let fresh = Scanner::new(&self.roots, Arc::clone(&self.clock));
        let mut scanner = std::mem::replace(&mut self.scanner, fresh);
        let was_hashing = scanner.rehashing().is_some() || rehash;
        // Files are read, which takes its time.
        let looked = tokio::task::spawn_blocking(move || {
            if rehash {
                scanner.rehash();
            }
            let busy = scanner.look(&touched);
            (scanner, busy)
        });
        match looked.await {
            Ok((scanner, busy)) => {
                self.scanner = scanner;
                self.busy = busy;
            }
            // The new one begins from the beginning.
            Err(failure) => {
                error!("looking at files failed, and begins anew: {failure}");
                self.busy = true;
                self.followed = None;
            }
        }
        self.looked_at = Instant::now();
        if rehash {
            self.rehash_wanted = false;
            self.rehash_at = self.looked_at + REHASH_EVERY;
        }
        if was_hashing && self.scanner.rehashing().is_none() && self.scanner.is_complete() {
            self.rehashes += 1;
        }
        self.follow();
    }

    /// Sees to it that there is a watcher, and that it lives.
    fn watch(&mut self) {
        if self.watcher.as_mut().is_some_and(|watcher| !watcher.is_alive()) {
            self.bury("it tells of nothing any more");
        }
        if self.watcher.is_some() || Instant::now() < self.watch_again_at {
            return;
        }
        match Watcher::new() {
            Ok(watcher) => {
                self.watcher = Some(watcher);
                self.followed = None;
                // Nobody has heard what happened before.
                self.touched.all = true;
            }
            Err(failure) => {
                self.watch_again_at = Instant::now() + WATCH_AGAIN;
                warn!("files are only looked at, since the system gives no events of them: {failure}");
            }
        }
    }

    fn bury(&mut self, why: &str) {
        warn!("the watcher of files is dead, and is made anew: {why}");
        self.deaths += 1;
        self.overflows += self.watcher.take().map_or(0, |watcher| watcher.overflows());
        self.touched.all = true;
    }

    fn follow(&mut self) {
        let version = self.scanner.inodes_version();
        let Some(watcher) = &mut self.watcher else { return };
        if self.followed != Some(version) || watcher.has_lost() {
            watcher.follow(self.scanner.inodes());
            self.followed = Some(version);
        }
    }

    #[cfg(test)]
    pub(super) fn kill_watcher(&mut self) {
        if let Some(watcher) = &mut self.watcher {
            watcher.kill();
        }
    }

    /// No events any more, for good.
    #[cfg(test)]
    pub(super) fn without_watcher(&mut self) {
        self.watcher = None;
        self.watch_again_at = Instant::now() + Duration::from_secs(86_400);
    }
}
