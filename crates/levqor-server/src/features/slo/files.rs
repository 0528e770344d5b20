//! The documents: what is shipped, and what an operator puts beside it.

use std::path::Path;

use levqor_slo::{Catalogue, FILE_BYTES_MAX, FILES_MAX, Issue, SHIPPED, read};

/// How files end that are read.
const ENDS: [&str; 3] = ["yaml", "yml", "json"];

/// What is shipped, with the files of a folder before it; those have the last word on a name.
///
/// # Errors
/// A line for each thing that is wrong, with its place.
pub fn catalogue(folder: Option<&Path>) -> Result<Catalogue, Vec<String>> {
    let mut files = match folder {
        None => Vec::new(),
        Some(folder) => files_of(folder).map_err(|problem| vec![problem])?,
    };
    files.push((SHIPPED.0.to_owned(), SHIPPED.1.to_owned()));
    let (catalogue, issues) = read(&files);
    if issues.is_empty() { Ok(catalogue) } else { Err(issues.iter().map(Issue::to_string).collect()) }
}

/// What one file says, beside what is shipped.
pub fn catalogue_of(name: &str, text: &str) -> (Catalogue, Vec<Issue>) {
    let (mut catalogue, issues) =
        read(&[(name.to_owned(), text.to_owned()), (SHIPPED.0.to_owned(), SHIPPED.1.to_owned())]);
    catalogue.objectives.retain(|objective| objective.file == name);
    (catalogue, issues)
}

fn files_of(folder: &Path) -> Result<Vec<(String, String)>, String> {
    let unreadable = |path: &Path, error: &std::io::Error| {
        format!("{}: {error}; name a folder whose files can be read", path.display())
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        let is_document = path.extension().is_some_and(|end| ENDS.iter().any(|known| end == *known));
        if is_document {
            paths.push(path);
        }
        if paths.len() > FILES_MAX {
            return Err(format!("{}: has more than {FILES_MAX} files; put some together", folder.display()));
        }
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let length = std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?.len();
        if length > FILE_BYTES_MAX as u64 {
            return Err(format!(
                "{}: has {length} bytes, and {FILE_BYTES_MAX} are allowed; split it",
                path.display()
            ));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        files.push((path.display().to_string(), text));
    }
    Ok(files)
}
