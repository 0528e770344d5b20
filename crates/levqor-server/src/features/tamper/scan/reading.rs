//! Reading a file piece by piece, so that nothing else waits for the end of a large one.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use levqor_model::{Timestamp, tamper::Seen};
use ring::digest::{Context, SHA256};
use rustix::fs::OFlags;

use super::stamp::{Probe, Stamp, mode, owner};

/// What is read at once.
const PIECE: usize = 256 * 1024;

/// A file that is being read.
pub(super) struct Reading {
    pub(super) path: PathBuf,
    file: File,
    /// What was there when reading began.
    probe: Probe,
    began: Timestamp,
    context: Context,
    pub(super) read: u64,
    piece: Vec<u8>,
}

/// How far reading came.
pub(super) enum Step {
    /// The budget is used up.
    More,
    Done {
        /// The content, unless it has changed meanwhile.
        seen: Option<Seen>,
        probe: Box<Probe>,
        began: Timestamp,
    },
}

impl Reading {
    /// Opens what is at a path, when it is a regular file, or a link to one.
    ///
    /// # Errors
    /// The system's; and when it is another file than the one that was there a moment ago.
    pub(super) fn open(path: &Path, now: Timestamp) -> io::Result<Self> {
        let probe = Probe::at(path);
        let is_link = matches!(probe, Probe::Found { behind: Some(_), .. });
        // A pipe must not hold us up, and a file that has just become a link is looked at as one.
        let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        if !is_link {
            flags |= OFlags::NOFOLLOW;
        }
        let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no regular file any more"));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            probe,
            began: now,
            context: Context::new(&SHA256),
            read: 0,
            piece: vec![0; PIECE],
        })
    }

    /// Goes on while there is budget.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn step(&mut self, budget: &mut u64, bytes_max: u64) -> io::Result<Step> {
        loop {
            let read = match self.file.read(&mut self.piece) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if read == 0 {
                return self.end();
            }
            self.context.update(self.piece.get(..read).unwrap_or_default());
            self.read += read as u64;
            if self.read > bytes_max {
                return Err(io::Error::other(format!("it is larger than {bytes_max} bytes")));
            }
            *budget = budget.saturating_sub(read as u64);
            if *budget == 0 {
                return Ok(Step::More);
            }
        }
    }

    fn end(&mut self) -> io::Result<Step> {
        let metadata = self.file.metadata()?;
        let now = Probe::at(&self.path);
        let same =
            now == self.probe && now.content() == Some(Stamp::of(&metadata)) && self.read == metadata.len();
        let seen = same.then(|| Seen::File {
            sha256: hex(self.context.clone()),
            bytes: self.read,
            mode: mode(&metadata),
            owner: owner(&metadata),
        });
        Ok(Step::Done { seen, probe: Box::new(self.probe), began: self.began })
    }
}

fn hex(context: Context) -> String {
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
