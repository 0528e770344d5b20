//! What is at the paths that are watched, kept up to date by looking.
//!
//! A look asks the file system about every path (some microseconds each), and reads what has changed, what somebody says has
//! changed, and what changed so recently that a second change would look like none. Reading goes piece by piece within a budget,
//! so that looks follow each other quickly whatever there is to read.
//!
//! Links are followed where they are named, and to single files; what else they lead to is not looked into, and is recorded as
//! what it is. Nothing but regular files is opened.
//!
//! Invariant: what could not be looked at is in the result as such. Nothing is left out in silence.

mod reading;
mod stamp;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::OsString,
    fmt, fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use levqor_model::{
    Clock, Timestamp,
    tamper::{Entry, Seen, Subject, shown},
};

use reading::{Reading, Step};
use stamp::{Probe, is_nothing, mode, owner};

/// Paths that are watched; a folder with more is unreadable.
const ENTRIES_MAX: usize = 20_000;
/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// What one look reads at most: some tens of milliseconds.
const BUDGET: u64 = 32 * 1024 * 1024;
/// How often a file that changes while it is read is tried before that is told.
const TRIES: u8 = 5;
/// Such a file is tried again after this.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// A file or a folder that is to be watched, wherever links lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    pub subject: Subject,
    /// Absolute.
    pub path: PathBuf,
}

/// Which paths something was heard of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    pub paths: BTreeSet<PathBuf>,
    /// Nobody knows which: all of them.
    pub all: bool,
}

impl Touched {
    /// Paths that are remembered one by one.
    const PATHS_MAX: usize = 1_000;

    pub fn add(&mut self, path: PathBuf) {
        if self.paths.len() < Self::PATHS_MAX {
            self.paths.insert(path);
        } else {
            self.all = true;
        }
    }
}

/// How far hashing everything anew is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rehash {
    pub bytes_done: u64,
    pub bytes_total: u64,
}

/// What is known of a path.
struct Known {
    subject: Subject,
    is_root: bool,
    /// When it was seen.
    probe: Option<Probe>,
    /// None: not yet.
    seen: Option<Seen>,
    /// Look again then, whatever the file system says.
    again_at: Option<Timestamp>,
    tries: u8,
    queued: Option<Haste>,
    /// It was changed by ourselves, and not looked at since.
    stale: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Haste {
    /// Part of hashing everything anew.
    Calm,
    /// It has changed, or nobody has read it yet.
    Urgent,
}

pub struct Scanner {
    clock: Arc<dyn Clock>,
    known: BTreeMap<PathBuf, Known>,
    /// Waiting to be read; those before the others.
    urgent: VecDeque<PathBuf>,
    calm: VecDeque<PathBuf>,
    reading_urgent: Option<Reading>,
    reading_calm: Option<Reading>,
    rehash: Option<Rehash>,
    entries_max: usize,
    /// Counts changes of what is seen.
    version: u64,
    /// Counts changes of which inodes there are.
    inodes_version: u64,
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Scanner {
    pub fn new(roots: &[Root], clock: Arc<dyn Clock>) -> Self {
        let mut known = BTreeMap::new();
        for root in roots {
            known.entry(root.path.clone()).or_insert_with(|| Known::new(root.subject, true));
        }
        Self {
            clock,
            known,
            urgent: VecDeque::new(),
            calm: VecDeque::new(),
            reading_urgent: None,
            reading_calm: None,
            rehash: None,
            entries_max: ENTRIES_MAX,
            version: 0,
            inodes_version: 0,
        }
    }

    /// Looks at everything once, and reads within the budget; whether there is more to read.
    pub fn look(&mut self, touched: &Touched) -> bool {
        let now = self.clock.now();
        let suspects: Vec<PathBuf> = self
            .known
            .iter()
            .filter(|(path, known)| {
                touched.all
                    || touched.paths.contains(*path)
                    || known.again_at.is_some_and(|at| at <= now)
                    || known.probe != Some(Probe::at(path))
            })
            .map(|(path, _)| path.clone())
            .collect();
        self.examine_all(suspects);
        self.read();
        self.is_busy()
    }

    /// Every path was looked at.
    pub fn is_complete(&self) -> bool {
        self.known.values().all(|known| known.seen.is_some())
    }

    fn is_busy(&self) -> bool {
        self.reading_urgent.is_some()
            || self.reading_calm.is_some()
            || !self.urgent.is_empty()
            || !self.calm.is_empty()
    }

    /// Begins to hash everything anew, or begins with it again.
    pub fn rehash(&mut self) {
        let mut rehash = Rehash::default();
        let mut others = Vec::new();
        let paths: Vec<PathBuf> = self.known.keys().cloned().collect();
        for path in paths {
            match self.known.get(&path).and_then(|known| known.seen.as_ref()).and_then(file_bytes) {
                Some(bytes) => {
                    rehash.bytes_total += bytes;
                    self.enqueue(&path, Haste::Calm);
                }
                None => others.push(path),
            }
        }
        self.rehash = Some(rehash);
        self.examine_all(others);
    }

    /// How far that is; None: it is not under way.
    pub fn rehashing(&self) -> Option<Rehash> {
        self.rehash
    }

    /// What is seen, by the paths' texts.
    pub fn entries(&self) -> BTreeMap<String, Entry> {
        self.known
            .iter()
            .filter_map(|(path, known)| {
                let seen = known.seen.clone()?;
                Some((shown(path.as_os_str().as_bytes()), Entry { subject: known.subject, seen }))
            })
            .collect()
    }

    /// What was seen at the path is not so any more, by our own doing.
    pub fn forget(&mut self, path: &Path) {
        if let Some(known) = self.known.get_mut(path) {
            known.stale = true;
            known.probe = None;
        }
    }

    /// Whether the path was looked at since [`Scanner::forget`].
    pub fn is_stale(&self, path: &Path) -> bool {
        self.known.get(path).is_some_and(|known| known.stale)
    }

    /// Grows when [`Scanner::entries`] change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Grows when [`Scanner::inodes`] change.
    pub fn inodes_version(&self) -> u64 {
        self.inodes_version
    }

    /// What is there to be watched, each with what tells it from another file of the same name.
    pub fn inodes(&self) -> impl Iterator<Item = (&Path, (u64, u64))> {
        self.known
            .iter()
            .filter_map(|(path, known)| Some((path.as_path(), known.probe.as_ref()?.content()?.inode())))
    }

    /// Files that are read, and their bytes.
    pub fn size(&self) -> (u64, u64) {
        let bytes = self.known.values().filter_map(|known| known.seen.as_ref().and_then(file_bytes));
        bytes.fold((0, 0), |(files, total), bytes| (files + 1, total + bytes))
    }

    fn examine_all(&mut self, mut paths: Vec<PathBuf>) {
        while let Some(path) = paths.pop() {
            self.examine(&path, &mut paths);
        }
    }

    /// Looks at what is there; `more` gets what is to be looked at besides.
    fn examine(&mut self, path: &Path, more: &mut Vec<PathBuf>) {
        let now = self.clock.now();
        let probe = Probe::at(path);
        let own = match path.symlink_metadata() {
            Ok(own) => own,
            Err(error) if is_nothing(&error) => return self.vanish(path),
            Err(error) => return self.see(path, probe, now, unreadable(&error)),
        };
        if own.is_symlink() {
            return self.examine_link(path, probe, now, more);
        }
        if own.is_dir() {
            let seen = Seen::Folder { mode: mode(&own), owner: owner(&own) };
            let seen = self.list(path, more).err().unwrap_or(seen);
            return self.see(path, probe, now, seen);
        }
        self.forget_below(path);
        if own.is_file() {
            self.enqueue(path, Haste::Urgent);
        } else {
            self.see(path, probe, now, Seen::Special { mode: mode(&own), owner: owner(&own) });
        }
    }

    fn examine_link(&mut self, path: &Path, probe: Probe, now: Timestamp, more: &mut Vec<PathBuf>) {
        let behind = match path.metadata() {
            // The content comes when it is read.
            Ok(found) if found.is_file() => {
                self.forget_below(path);
                return self.enqueue(path, Haste::Urgent);
            }
            Ok(found) if found.is_dir() => Seen::Folder { mode: mode(&found), owner: owner(&found) },
            Ok(found) => Seen::Special { mode: mode(&found), owner: owner(&found) },
            Err(error) if is_nothing(&error) => Seen::Nothing,
            Err(error) => unreadable(&error),
        };
        let is_root = self.known.get(path).is_some_and(|known| known.is_root);
        let behind = match behind {
            Seen::Folder { .. } if is_root => self.list(path, more).err().unwrap_or(behind),
            other => {
                self.forget_below(path);
                other
            }
        };
        self.see(path, probe, now, linked(path, behind));
    }

    /// What is in a folder; what is new there is to be looked at, and what is gone is forgotten. An error is what the folder is
    /// seen as.
    fn list(&mut self, path: &Path, more: &mut Vec<PathBuf>) -> Result<(), Seen> {
        let subject = self.known.get(path).map_or(Subject::Named, |known| known.subject);
        let mut names: BTreeSet<OsString> = BTreeSet::new();
        for entry in fs::read_dir(path).map_err(|error| unreadable(&error))? {
            names.insert(entry.map_err(|error| unreadable(&error))?.file_name());
            if names.len() > self.entries_max {
                return Err(self.too_many());
            }
        }
        let gone: Vec<PathBuf> = self
            .below(path)
            .filter(|child| child.parent() == Some(path))
            .filter(|child| !child.file_name().is_some_and(|name| names.contains(name)))
            .map(Path::to_owned)
            .collect();
        for child in gone {
            self.vanish(&child);
        }
        for name in names {
            let child = path.join(name);
            if self.known.contains_key(&child) {
                continue;
            }
            if self.known.len() >= self.entries_max {
                return Err(self.too_many());
            }
            self.known.insert(child.clone(), Known::new(subject, false));
            self.version += 1;
            more.push(child);
        }
        Ok(())
    }

    fn too_many(&self) -> Seen {
        Seen::Unreadable {
            problem: format!("there are more than {} files to watch; name fewer", self.entries_max),
        }
    }

    fn below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Path> {
        self.known
            .range(path.to_owned()..)
            .map(|(child, _)| child.as_path())
            .take_while(move |child| child.starts_with(path))
            .filter(move |child| *child != path)
    }

    /// There is nothing at the path, nor below.
    fn vanish(&mut self, path: &Path) {
        self.forget_below(path);
        if self.known.get(path).is_some_and(|known| known.is_root) {
            self.see(path, Probe::Nothing, self.clock.now(), Seen::Nothing);
        } else if self.known.remove(path).is_some() {
            self.version += 1;
            self.inodes_version += 1;
        }
    }

    /// What was below a path that is no folder any more. What is named by itself stays, and is looked at by itself.
    fn forget_below(&mut self, path: &Path) {
        let gone: Vec<PathBuf> = self
            .below(path)
            .filter(|child| self.known.get(*child).is_some_and(|known| !known.is_root))
            .map(Path::to_owned)
            .collect();
        for child in gone {
            self.known.remove(&child);
            self.version += 1;
            self.inodes_version += 1;
        }
    }

    /// Takes note of what was seen at a path, in the state `probe`, by a look that began at `began`.
    fn see(&mut self, path: &Path, probe: Probe, began: Timestamp, seen: Seen) {
        let Some(known) = self.known.get_mut(path) else { return };
        let inode = |probe: &Probe| probe.content().map(|stamp| stamp.inode());
        if known.probe.as_ref().and_then(inode) != inode(&probe) {
            self.inodes_version += 1;
        }
        known.tries = 0;
        known.again_at = probe.unsettled_until(began);
        known.probe = Some(probe);
        if known.stale || known.seen.as_ref() != Some(&seen) {
            known.stale = false;
            known.seen = Some(seen);
            self.version += 1;
        }
    }

    fn enqueue(&mut self, path: &Path, haste: Haste) {
        let Some(known) = self.known.get_mut(path) else { return };
        // What is being read now is held against the file system when it ends.
        let is_being_read = self.reading_urgent.as_ref().is_some_and(|reading| reading.path == path);
        if known.queued >= Some(haste) || is_being_read {
            return;
        }
        known.queued = Some(haste);
        match haste {
            Haste::Urgent => self.urgent.push_back(path.to_owned()),
            Haste::Calm => self.calm.push_back(path.to_owned()),
        }
    }

    /// Reads what waits, within the budget; what is urgent first.
    fn read(&mut self) {
        let mut budget = BUDGET;
        while budget > 0 {
            if self.reading_urgent.is_none() {
                let next = self.urgent.pop_front();
                self.reading_urgent = next.and_then(|path| self.open(&path));
                if self.reading_urgent.is_none() && !self.urgent.is_empty() {
                    continue;
                }
            }
            if let Some(reading) = self.reading_urgent.take() {
                self.reading_urgent = self.go_on(reading, &mut budget);
                continue;
            }
            if self.reading_calm.is_none() {
                let next = self.calm.pop_front();
                self.reading_calm = next.and_then(|path| self.open(&path));
                if self.reading_calm.is_none() && !self.calm.is_empty() {
                    continue;
                }
            }
            match self.reading_calm.take() {
                Some(reading) => {
                    let left = budget;
                    self.reading_calm = self.go_on(reading, &mut budget);
                    self.count(left - budget);
                }
                None => {
                    self.rehash = None;
                    break;
                }
            }
        }
    }

    fn count(&mut self, read: u64) {
        if let Some(rehash) = &mut self.rehash {
            rehash.bytes_done = (rehash.bytes_done + read).min(rehash.bytes_total);
        }
    }

    fn open(&mut self, path: &Path) -> Option<Reading> {
        let known = self.known.get_mut(path)?;
        known.queued = None;
        let now = self.clock.now();
        match Reading::open(path, now) {
            Ok(reading) => Some(reading),
            Err(error) => {
                self.failed(path, &error);
                None
            }
        }
    }

    /// It could not be read: it is gone, or something else now, or the system does not let us.
    fn failed(&mut self, path: &Path, error: &io::Error) {
        if !self.may_try_again(path) {
            return self.give_up(path, unreadable(error));
        }
        let mut more = Vec::new();
        self.examine(path, &mut more);
        self.examine_all(more);
    }

    fn may_try_again(&mut self, path: &Path) -> bool {
        let Some(known) = self.known.get_mut(path) else { return false };
        known.tries += 1;
        known.tries < TRIES
    }

    /// For a while: it is tried again soon.
    fn give_up(&mut self, path: &Path, seen: Seen) {
        let now = self.clock.now();
        self.see(path, Probe::at(path), now, seen);
        if let Some(known) = self.known.get_mut(path) {
            known.again_at = Some(now + TRY_AGAIN);
        }
    }

    fn go_on(&mut self, mut reading: Reading, budget: &mut u64) -> Option<Reading> {
        match reading.step(budget, FILE_BYTES_MAX) {
            Ok(Step::More) => Some(reading),
            Ok(Step::Done { seen: Some(seen), probe, began }) => {
                let path = reading.path;
                let is_link = matches!(*probe, Probe::Found { behind: Some(_), .. });
                let seen = if is_link { linked(&path, seen) } else { seen };
                self.see(&path, *probe, began, seen);
                None
            }
            Ok(Step::Done { seen: None, .. }) => {
                self.changed_meanwhile(&reading.path);
                None
            }
            Err(error) => {
                self.failed(&reading.path, &error);
                None
            }
        }
    }

    fn changed_meanwhile(&mut self, path: &Path) {
        if self.may_try_again(path) {
            self.enqueue(path, Haste::Urgent);
        } else {
            self.give_up(path, Seen::Unreadable { problem: "it changes while it is read".to_owned() });
        }
    }
}

impl Known {
    fn new(subject: Subject, is_root: bool) -> Self {
        Self {
            subject,
            is_root,
            probe: None,
            seen: None,
            again_at: None,
            tries: 0,
            queued: None,
            stale: false,
        }
    }
}

fn linked(path: &Path, behind: Seen) -> Seen {
    match path.read_link() {
        Ok(target) => Seen::Link { target: shown(target.as_os_str().as_bytes()), behind: Box::new(behind) },
        Err(error) => unreadable(&error),
    }
}

fn unreadable(error: &io::Error) -> Seen {
    Seen::Unreadable { problem: error.to_string() }
}

fn file_bytes(seen: &Seen) -> Option<u64> {
    match seen {
        Seen::File { bytes, .. } => Some(*bytes),
        Seen::Link { behind, .. } => file_bytes(behind),
        _ => None,
    }
}
