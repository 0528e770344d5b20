//! Postmortems as files. The database has them; files are for people, for `grep` and for a repository.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use levqor_model::IncidentId;
use levqor_store::incidents::Postmortem;

use super::postmortem;
use crate::App;

/// In the data directory.
const FOLDER: &str = "postmortems";

/// Where they are written to; None: nowhere.
pub(super) fn folder(app: &App) -> Option<PathBuf> {
    let settings = &app.settings;
    settings
        .incidents
        .postmortems_dir
        .clone()
        .or_else(|| settings.data_dir.as_ref().map(|dir| dir.join(FOLDER)))
}

/// Held while a file is written, so that of two writings at once neither takes the other's away.
#[derive(Debug, Default)]
struct Memory {
    writing: tokio::sync::Mutex<()>,
}

/// Writes the postmortem of an incident as it is kept by now, in the place of what is there. That it cannot be written is told and nothing
/// else: it is kept.
pub(super) async fn write(app: &App, incident: IncidentId) {
    let Some(folder) = folder(app) else { return };
    let memory = app.memory(|_| Memory::default());
    let _turn = memory.writing.lock().await;
    if let Err(error) = newest(app, folder, incident).await {
        tracing::warn!(
            incident.id = %incident,
            "the postmortem of incident {incident} cannot be written as a file: {error}; it is in the database"
        );
    }
}

async fn newest(app: &App, folder: PathBuf, incident: IncidentId) -> io::Result<()> {
    let Some(Postmortem { name, text, .. }) =
        app.store.postmortem(incident).await.map_err(io::Error::other)?
    else {
        return Ok(());
    };
    let written = tokio::task::spawn_blocking(move || write_file(&folder, &name, &text)).await;
    written.map_err(io::Error::other)?.map(drop)
}

/// Whole or not at all, and nowhere but in the folder.
fn write_file(folder: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    if !postmortem::is_name(name) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no name of a file")));
    }
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("{name}.md"));
    let beside = folder.join(format!("{name}.md.new"));
    // What somebody put there is not written through.
    if let Err(error) = fs::remove_file(&beside)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, &path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_and_nowhere_else() {
        let directory = levqor_testkit::temp_dir();
        let folder = directory.path().join("deep/postmortems");
        let path = write_file(&folder, "2026-11-24-hooks", "one").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        write_file(&folder, "2026-11-24-hooks", "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["2026-11-24-hooks.md"]);
        for name in ["", "../x", "/etc/x", "a/b", "a.b", "A", "a\0", "é", &"a".repeat(101)] {
            assert_eq!(
                write_file(&folder, name, "x").unwrap_err().kind(),
                io::ErrorKind::InvalidInput,
                "{name:?}"
            );
        }
        // A link that waits there leads nowhere: it is replaced, and what it points to stays as it is.
        let elsewhere = directory.path().join("elsewhere");
        fs::write(&elsewhere, "mine").unwrap();
        for place in ["2026-11-24-hooks.md", "2026-11-24-hooks.md.new"] {
            let _ = fs::remove_file(folder.join(place));
            std::os::unix::fs::symlink(&elsewhere, folder.join(place)).unwrap();
        }
        write_file(&folder, "2026-11-24-hooks", "three").unwrap();
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "mine");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
    }
}
