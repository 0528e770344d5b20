//! The mark in a data directory whose installation was moved to another database: `levqor serve` does not begin on the old one.
//!
//! It is written before the new database is committed, and once more afterwards: a move that is cut off in between is seen as such.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use levqor_model::Timestamp;
use serde::{Deserialize, Serialize};

const FILE: &str = "MOVED";

/// Where an installation went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Without a password.
    pub to: String,
    pub at: String,
    /// False: nobody came back to say that the new database was committed.
    pub is_done: bool,
}

impl Moved {
    pub fn new(to: &str, at: Timestamp) -> Self {
        Self { to: to.to_owned(), at: at.to_string(), is_done: false }
    }

    /// The mark in that directory, if there is one.
    ///
    /// # Errors
    /// A sentence with the remedy when it cannot be read.
    pub fn read(directory: &Path) -> Result<Option<Self>, String> {
        let path = path(directory);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(complaint(&path, &error)),
        };
        serde_json::from_str(&text).map(Some).map_err(|_| {
            format!(
                "{} is damaged: it says where this installation was moved; delete it to use the old database again",
                path.display()
            )
        })
    }

    /// Puts the mark there, whole or not at all, and on the disk.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn write(&self, directory: &Path) -> Result<(), String> {
        let path = path(directory);
        let draft = path.with_extension("new");
        let write = || {
            let mut file =
                OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
            serde_json::to_writer(&mut file, self)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(directory)?.sync_all()
        };
        write().map_err(|error: io::Error| complaint(&path, &error))
    }

    /// # Errors
    /// A sentence that names the file.
    pub fn remove(directory: &Path) -> Result<(), String> {
        let path = path(directory);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(complaint(&path, &error)),
            _ => Ok(()),
        }
    }

    /// Why the database of that directory is not used.
    pub fn refusal(&self, directory: &Path) -> String {
        let Self { to, at, is_done } = self;
        let path = path(directory);
        let path = path.display();
        if *is_done {
            format!(
                "this installation was moved to {to} at {at}: serve it from there (LEVQOR_DATABASE_URL). To go back to what it was \
                 then, without what happened since, delete {path}"
            )
        } else {
            format!(
                "a move of this installation to {to} was cut off while it ended, at {at}: `levqor migrate --verify` tells whether \
                 it is there. If it is not, delete {path} to go on here"
            )
        }
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

fn complaint(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}; make the data directory readable and writable", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_again_and_says_what_to_do() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(Moved::read(place.path()), Ok(None));
        let begun = Moved::new("postgres://u@h:5432/levqor", Timestamp::from_seconds(1_795_502_901));
        begun.write(place.path()).unwrap();
        assert_eq!(Moved::read(place.path()), Ok(Some(begun.clone())));
        let refused = begun.refusal(place.path());
        assert!(refused.contains("was cut off") && refused.contains("migrate --verify"), "{refused}");
        let done = Moved { is_done: true, ..begun };
        done.write(place.path()).unwrap();
        let refused = done.refusal(place.path());
        for part in ["postgres://u@h:5432/levqor", "2026-11-24T06:48:21", "LEVQOR_DATABASE_URL", "MOVED"] {
            assert!(refused.contains(part), "{refused}");
        }
        fs::write(path(place.path()), "{").unwrap();
        assert!(Moved::read(place.path()).unwrap_err().contains("is damaged"));
        Moved::remove(place.path()).unwrap();
        Moved::remove(place.path()).unwrap();
        assert_eq!(Moved::read(place.path()), Ok(None));
    }
}
