//! What is looked at besides Levqor's own probes.

use std::{fs, path::Path};

use levqor_model::limits::DOCUMENT_BYTES_MAX;
use levqor_server::features::probes::{DEFINITIONS_BYTES_MAX, Definitions};

use super::{Complaint, Reader};

impl Reader<'_> {
    pub(super) fn probes(&mut self) -> Definitions {
        const NAME: &str = "probes.file";
        let name = self.text(NAME).to_owned();
        if name.is_empty() {
            return Definitions::shipped();
        }
        match probes(Path::new(&name)) {
            Ok(found) => found,
            Err(Unfit::Unreadable(problem)) => {
                self.complain(NAME, problem, "name a file that is there, or leave it empty");
                Definitions::shipped()
            }
            Err(Unfit::Wrong(complaints)) => {
                self.complaints.extend(complaints.into_iter().map(Complaint));
                Definitions::shipped()
            }
        }
    }
}

/// Why a file of probes cannot be used.
#[derive(Debug)]
pub enum Unfit {
    Unreadable(String),
    /// Each with its place.
    Wrong(Vec<String>),
}

/// Reads a file of probes, and what it names beside it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn probes(file: &Path) -> Result<Definitions, Unfit> {
    let text = read(file, DEFINITIONS_BYTES_MAX)
        .map_err(|problem| Unfit::Unreadable(format!("{} cannot be read: {problem}", file.display())))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let beside = |name: &str| read(&folder.join(name), DOCUMENT_BYTES_MAX);
    Definitions::read(&file.display().to_string(), &text, &beside).map_err(Unfit::Wrong)
}

fn read(file: &Path, bytes_max: usize) -> Result<String, String> {
    let size = fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > bytes_max as u64 {
        return Err(format!("it has {size} bytes; keep it within {bytes_max}"));
    }
    fs::read_to_string(file).map_err(|error| error.to_string())
}
