//! What the kernel tells of changes, within milliseconds. A help: everything is looked at often in any case, and whatever is
//! heard here is only a reason to look.
//!
//! By inode, as the kernel has it: a file that was replaced is another one, and is followed anew. Our own reading makes no
//! events. That the kernel still speaks to us is tried every few seconds.

use std::{
    collections::HashMap,
    ffi::OsStr,
    io,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init, remove_watch},
    io::Errno,
};
use tokio::{io::unix::AsyncFd, time::Instant};

use super::scan::Touched;

/// What changes a file, or which file it is.
const CHANGES: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::MOVE);
/// Events that are taken at once; the rest comes with the next look.
const EVENTS_MAX: usize = 4_096;
/// How often it is tried whether the kernel still speaks to us, and how long that may take. Tests have less time.
const TRIED_EVERY: Duration = Duration::from_millis(if cfg!(test) { 1_000 } else { 5_000 });
const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 1_000 } else { 2_000 });
/// What is watched for a moment to try that.
const TRIAL: &str = "/";

#[derive(Debug)]
pub(super) struct Watcher {
    kernel: AsyncFd<OwnedFd>,
    /// Whose events come under a number: more than one path when they are one file.
    paths: HashMap<i32, Vec<PathBuf>>,
    numbers: HashMap<PathBuf, (i32, (u64, u64))>,
    /// Paths that the kernel takes no watch for.
    refused: usize,
    /// Some watch has ended by itself.
    lost: bool,
    trial: Trial,
    overflows: u64,
    /// The kernel may have more that it will not tell us of again.
    undrained: bool,
    #[cfg(test)]
    deaf: bool,
}

/// The last time that it was tried whether events come.
#[derive(Debug)]
struct Trial {
    at: Instant,
    /// The number of the watch whose end is to be told; None: it was.
    number: Option<i32>,
}

impl Watcher {
    /// # Errors
    /// The system's: it has no more of these, mostly.
    pub(super) fn new() -> io::Result<Self> {
        let kernel = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe for descriptors that change; an OwnedFd is always the same one"
        )]
        let kernel = AsyncFd::new(kernel)?;
        Ok(Self {
            kernel,
            paths: HashMap::new(),
            numbers: HashMap::new(),
            refused: 0,
            lost: false,
            trial: Trial { at: Instant::now(), number: None },
            overflows: 0,
            undrained: false,
            #[cfg(test)]
            deaf: false,
        })
    }

    /// Paths that are only looked at.
    pub(super) fn refused(&self) -> usize {
        self.refused
    }

    pub(super) fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Some watch has ended since [`Watcher::follow`].
    pub(super) fn has_lost(&self) -> bool {
        self.lost
    }

    /// Watches these, and nothing else.
    pub(super) fn follow<'a>(&mut self, wanted: impl Iterator<Item = (&'a Path, (u64, u64))>) {
        let wanted: HashMap<&Path, (u64, u64)> = wanted.collect();
        let gone: Vec<PathBuf> = self
            .numbers
            .iter()
            .filter(|(path, (_, inode))| wanted.get(path.as_path()) != Some(inode))
            .map(|(path, _)| path.clone())
            .collect();
        for path in gone {
            self.leave(&path);
        }
        self.lost = false;
        self.refused = 0;
        for (path, inode) in wanted {
            if self.numbers.contains_key(path) {
                continue;
            }
            match add_watch(&self.kernel, path, CHANGES) {
                Ok(number) => {
                    self.numbers.insert(path.to_owned(), (number, inode));
                    self.paths.entry(number).or_default().push(path.to_owned());
                }
                Err(_) => self.refused += 1,
            }
        }
    }

    fn leave(&mut self, path: &Path) {
        let Some((number, _)) = self.numbers.remove(path) else { return };
        let Some(paths) = self.paths.get_mut(&number) else { return };
        paths.retain(|other| other != path);
        if paths.is_empty() {
            self.paths.remove(&number);
            // It has ended already, when the file is gone.
            let _ = remove_watch(&self.kernel, number);
        }
    }

    /// Waits for events, and gives what they are about. Cancel safe.
    ///
    /// # Errors
    /// The system's: this watcher is of no use any more.
    pub(super) async fn changed(&mut self) -> io::Result<Touched> {
        #[cfg(test)]
        if self.deaf {
            std::future::pending::<()>().await;
        }
        loop {
            if !self.undrained {
                self.kernel.readable().await?.clear_ready();
            }
            let touched = self.take()?;
            if touched != Touched::default() {
                return Ok(touched);
            }
        }
    }

    /// What has come so far, without waiting.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn take(&mut self) -> io::Result<Touched> {
        let mut touched = Touched::default();
        #[cfg(test)]
        if self.deaf {
            return Ok(touched);
        }
        let mut heard = Vec::new();
        self.undrained = !drain(self.kernel.get_ref(), &mut heard)?;
        for (number, flags, name) in heard {
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                self.overflows += 1;
                touched.all = true;
            }
            if flags.contains(ReadFlags::IGNORED) {
                if self.trial.number == Some(number) {
                    self.trial.number = None;
                }
                for path in self.paths.remove(&number).unwrap_or_default() {
                    self.numbers.remove(&path);
                    self.lost = true;
                    touched.add(path);
                }
                continue;
            }
            for path in self.paths.get(&number).into_iter().flatten() {
                if let Some(name) = &name {
                    touched.add(path.join(name));
                }
                touched.add(path.clone());
            }
        }
        Ok(touched)
    }

    /// Tries now and then whether events come; false: none came in time.
    pub(super) fn is_alive(&mut self) -> bool {
        let since = self.trial.at.elapsed();
        match self.trial.number {
            Some(_) => since < PATIENCE,
            None if since < TRIED_EVERY || self.numbers.contains_key(Path::new(TRIAL)) => true,
            // The end of a watch is an event, and comes the way of all others.
            None => match add_watch(&self.kernel, TRIAL, WatchFlags::DELETE_SELF) {
                Ok(number) => {
                    self.trial = Trial { at: Instant::now(), number: Some(number) };
                    remove_watch(&self.kernel, number).is_ok()
                }
                Err(_) => false,
            },
        }
    }

    #[cfg(test)]
    pub(super) fn kill(&mut self) {
        self.deaf = true;
    }
}

/// The number of a watch, what happened, and to which name in a folder.
type Heard = (i32, ReadFlags, Option<PathBuf>);

/// Takes what has come; whether that was all.
fn drain(kernel: &OwnedFd, heard: &mut Vec<Heard>) -> io::Result<bool> {
    let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
    let mut reader = Reader::new(kernel, &mut buffer);
    while heard.len() < EVENTS_MAX {
        match reader.next() {
            Ok(event) => {
                let name = event.file_name().map(|name| PathBuf::from(OsStr::from_bytes(name.to_bytes())));
                heard.push((event.wd(), event.events(), name));
            }
            Err(Errno::AGAIN) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // What is left in our buffer is lost with it; what the kernel has left is not.
    heard.push((-1, ReadFlags::QUEUE_OVERFLOW, None));
    Ok(false)
}
