//! The data directory: who owns it, and the secret that development keeps there.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use levqor_model::{Random, Secret};

use crate::moved::Moved;

/// The embedded database within a data directory.
pub const DATABASE_FILE: &str = "levqor.db";

/// The data directory, locked for this process as long as the value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// The operating system gives the lock back when the process ends, however it ends.
    _lock: File,
}

impl DataDir {
    /// Creates the directory when it is missing (readable by this user only) and takes it for this process.
    ///
    /// # Errors
    /// A sentence with the remedy: not creatable, not writable, or in use by another process.
    pub fn take(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| {
            format!("data directory {shown}: {error}; set LEVQOR_DATA_DIR to a directory that can be created")
        })?;
        let lock_path = path.join("levqor.lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|error| format!("data directory {shown} is not writable: {error}; change its permissions or set LEVQOR_DATA_DIR"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&lock_path).unwrap_or_default();
                let holder = holder.trim();
                let who = if holder.is_empty() { String::new() } else { format!(" (process {holder})") };
                return Err(format!(
                    "data directory {shown} is in use by another levqor{who}; stop it, or set LEVQOR_DATA_DIR to another directory"
                ));
            }
            Err(TryLockError::Error(error)) => {
                return Err(format!("data directory {shown} cannot be locked: {error}; use a local disk"));
            }
        }
        // The number is a help for people; the lock does not depend on it.
        let _ = lock.set_len(0).and_then(|()| write!(&lock, "{}", std::process::id()));
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the embedded database.
    ///
    /// # Errors
    /// A sentence with the remedy when the installation was moved to another database.
    pub fn database(&self) -> Result<PathBuf, String> {
        match Moved::read(&self.path)? {
            None => Ok(self.path.join(DATABASE_FILE)),
            Some(moved) => Err(moved.refusal(&self.path)),
        }
    }

    /// The development secret: kept in the directory, made when it is missing. True when it was made now.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn development_secret(&self, random: &dyn Random) -> Result<(Secret, bool), String> {
        let path = self.path.join("development.secret");
        let complain = |error: io::Error| {
            format!("{}: {error}; make the data directory readable and writable", path.display())
        };
        match File::open(&path) {
            Ok(file) => {
                let mut text = String::new();
                file.take(1_024).read_to_string(&mut text).map_err(complain)?;
                let text = text.trim();
                if text.len() < 32 {
                    return Err(format!(
                        "{} is damaged; restore it, or delete it and run `levqor keys abandon --yes`, which gives up what is sealed under it",
                        path.display()
                    ));
                }
                Ok((Secret::new(text), false))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut bytes = [0; 32];
                random.fill(&mut bytes);
                let text = URL_SAFE_NO_PAD.encode(bytes);
                let mut file = OpenOptions::new()
                    .create_new(true)
                    .write(true)
                    .mode(0o600)
                    .open(&path)
                    .map_err(complain)?;
                file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(complain)?;
                Ok((Secret::new(text), true))
            }
            Err(error) => Err(complain(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use levqor_model::SeededRandom;

    use super::*;

    #[test]
    fn a_directory_is_taken_once_and_its_secret_stays() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("data");
        let first = DataDir::take(&path).unwrap();
        let refused = DataDir::take(&path).unwrap_err();
        assert!(refused.contains("in use by another levqor (process "), "{refused}");
        let (secret, made) = first.development_secret(&SeededRandom::new(1)).unwrap();
        assert!(made);
        drop(first);
        let again = DataDir::take(&path).unwrap();
        assert_eq!(again.development_secret(&SeededRandom::new(2)).unwrap(), (secret, false));
    }

    #[test]
    fn the_database_of_an_installation_that_was_moved_is_not_used() {
        let place = tempfile::tempdir().unwrap();
        let data_dir = DataDir::take(place.path()).unwrap();
        assert_eq!(data_dir.database(), Ok(place.path().join("levqor.db")));
        Moved::new("postgres://h/levqor", levqor_model::Timestamp::from_seconds(0))
            .write(place.path())
            .unwrap();
        assert!(data_dir.database().unwrap_err().contains("postgres://h/levqor"));
    }

    #[test]
    fn a_place_that_cannot_be_a_directory_says_what_to_do() {
        let place = tempfile::NamedTempFile::new().unwrap();
        let refused = DataDir::take(&place.path().join("data")).unwrap_err();
        assert!(refused.contains("LEVQOR_DATA_DIR"), "{refused}");
    }
}
