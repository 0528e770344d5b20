//! What a file system says of a file without reading it. Restoring the time of a change does not restore all of it.

use std::{fs::Metadata, io, os::unix::fs::MetadataExt, path::Path, time::Duration};

use levqor_model::Timestamp;

/// File systems count time in ticks of some milliseconds; what changes within one tick looks unchanged. So what was read this
/// soon after a change is read once more, later.
const SETTLES: Duration = Duration::from_millis(100);
/// The same for file systems that count in seconds.
const SETTLES_COARSE: Duration = Duration::from_millis(2_100);
/// A change further in the future than this is no tick, but a wrong clock.
const AHEAD_MAX: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    pub(super) bytes: u64,
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    /// When content or any of the above changed last; no program sets this.
    changed: (i64, i64),
}

/// What is at a path, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    Nothing,
    Failed(io::ErrorKind),
    Found {
        own: Stamp,
        /// Of what a link leads to; None: it is no link, or leads nowhere.
        behind: Option<Stamp>,
    },
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    pub(super) fn inode(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Until when a change may look like none, when it was read at `began`; None: that time is over.
    fn unsettled_until(&self, began: Timestamp) -> Option<Timestamp> {
        let changed = Timestamp::from_micros(
            self.changed.0.saturating_mul(1_000_000).saturating_add(self.changed.1 / 1_000),
        );
        let is_coarse = self.changed.1 == 0 && self.modified.1 == 0;
        let settled = changed + if is_coarse { SETTLES_COARSE } else { SETTLES };
        (began < settled && changed.since(began) < AHEAD_MAX).then_some(settled)
    }
}

impl Probe {
    pub(super) fn at(path: &Path) -> Self {
        let own = match path.symlink_metadata() {
            Ok(own) => own,
            Err(error) if is_nothing(&error) => return Probe::Nothing,
            Err(error) => return Probe::Failed(error.kind()),
        };
        let behind =
            if own.is_symlink() { path.metadata().ok().map(|found| Stamp::of(&found)) } else { None };
        Probe::Found { own: Stamp::of(&own), behind }
    }

    /// What is read there.
    pub(super) fn content(&self) -> Option<Stamp> {
        match self {
            Probe::Found { own, behind } => Some(behind.unwrap_or(*own)),
            _ => None,
        }
    }

    pub(super) fn unsettled_until(&self, began: Timestamp) -> Option<Timestamp> {
        let Probe::Found { own, behind } = self else { return None };
        let behind = behind.and_then(|stamp| stamp.unsettled_until(began));
        own.unsettled_until(began).max(behind)
    }
}

/// Nobody has put anything there, or the way to it.
pub(super) fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Permissions as `chmod` takes them.
pub(super) fn mode(metadata: &Metadata) -> String {
    format!("{:o}", metadata.mode() & 0o7777)
}

pub(super) fn owner(metadata: &Metadata) -> String {
    format!("{}:{}", metadata.uid(), metadata.gid())
}
