//! The file of the baseline: read whole, replaced whole.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// In the data directory.
pub(super) const FILE: &str = "security_checksums.json";
/// A larger file is none of ours: 20,000 entries with long paths.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The next baseline, until the database knows of it.
fn next(path: &Path) -> PathBuf {
    path.with_extension("json.new")
}

/// None: there is none.
///
/// # Errors
/// In words, why it cannot be read.
pub(super) fn read(path: &Path) -> Option<Result<String, String>> {
    let found = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(error.to_string())),
        Ok(found) => found,
    };
    if !found.is_file() {
        return Some(Err("it is no regular file".to_owned()));
    }
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text));
    Some(read.map(|_| text).map_err(|error| error.to_string()))
}

/// Writes the next baseline beside the file, durably.
///
/// # Errors
/// The system's.
pub(super) fn prepare(path: &Path, text: &str) -> io::Result<()> {
    let next = next(path);
    // Whatever lies there is none of ours, or of a process that ended too early.
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&next)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Puts what was prepared in the place of the file; whose it is, as `user:group`.
///
/// # Errors
/// The system's.
pub(super) fn put(path: &Path) -> io::Result<String> {
    fs::rename(next(path), path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    owner(path)
}

/// What a process that ended too early has prepared is put in the file's place when it is `text`, and removed otherwise.
///
/// # Errors
/// The system's.
pub(super) fn settle(path: &Path, text: Option<&str>) -> io::Result<()> {
    let next = next(path);
    match read(&next) {
        None => Ok(()),
        Some(Ok(found)) if Some(found.as_str()) == text => put(path).map(drop),
        Some(_) => fs::remove_file(&next),
    }
}

/// # Errors
/// The system's.
pub(super) fn owner(path: &Path) -> io::Result<String> {
    let found = path.symlink_metadata()?;
    Ok(format!("{}:{}", found.uid(), found.gid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process may end between any two steps of signing.
    #[test]
    fn what_was_begun_is_ended_or_forgotten() {
        let place = levqor_testkit::temp_dir();
        let path = place.path().join(FILE);
        let text = |path: &Path| read(path).map(|text| text.unwrap_or_default());
        prepare(&path, "one").unwrap();
        put(&path).unwrap();
        // Ended before the database knew.
        prepare(&path, "two").unwrap();
        settle(&path, Some("one")).unwrap();
        assert_eq!((text(&path).as_deref(), text(&next(&path))), (Some("one"), None));
        // Ended after.
        prepare(&path, "two").unwrap();
        prepare(&path, "three").unwrap();
        settle(&path, Some("three")).unwrap();
        assert_eq!((text(&path).as_deref(), text(&next(&path))), (Some("three"), None));
        settle(&path, Some("three")).unwrap();
        prepare(&path, "four").unwrap();
        settle(&path, None).unwrap();
        assert_eq!(text(&next(&path)), None);
        assert_eq!(path.symlink_metadata().unwrap().mode() & 0o7777, 0o600);
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let place = levqor_testkit::temp_dir();
        let path = place.path().join(FILE);
        assert_eq!(read(&path), None);
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert_eq!(read(&path), Some(Err("it is no regular file".to_owned())));
    }
}
