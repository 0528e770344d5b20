//! A directory that goes away with the value, or with this process.

use std::{os::unix::fs::chown, path::Path};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::warden::{self, Charge};

/// In the system's temporary place.
#[derive(Debug)]
pub struct Directory {
    // Removed first, then the charge ends.
    place: TempDir,
    _charge: Charge,
}

impl Directory {
    /// # Errors
    /// When the system's temporary place cannot be written.
    pub fn new() -> anyhow::Result<Self> {
        let place = tempfile::Builder::new()
            .prefix("levqor-lab-")
            .tempdir()
            .with_context(|| format!("{} cannot be written", std::env::temp_dir().display()))?;
        let charge = warden::directory(place.path())?;
        Ok(Self { place, _charge: charge })
    }

    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// Makes it another user's.
    pub(crate) fn give_to(&self, user: Option<(u32, u32)>) -> anyhow::Result<()> {
        let Some((user, group)) = user else { return Ok(()) };
        chown(self.path(), Some(user), Some(group)).context("the directory cannot be given away")
    }
}
