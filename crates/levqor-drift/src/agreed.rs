//! The two files: the blueprint, and what was agreed of it.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use levqor_model::{Blueprint, BlueprintLock};

/// The largest file that can be a blueprint or a lock.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Where the blueprint comes from. Its lock is beside it, under the same name with the ending `lock`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origin {
    /// Both are in the binary.
    #[default]
    Shipped,
    File(PathBuf),
}

/// Both as they are now.
#[derive(Debug, Clone)]
pub struct Agreed {
    /// What it is called, such as `blueprint.toml`.
    pub blueprint_name: String,
    pub lock_name: String,
    pub blueprint: Result<Blueprint, String>,
    /// None: there is none.
    pub lock: Result<Option<BlueprintLock>, String>,
}

impl Origin {
    pub fn lock_path(file: &Path) -> PathBuf {
        file.with_extension("lock")
    }

    /// Reads both. Blocks for as long as a disk takes.
    pub fn read(&self) -> Agreed {
        match self {
            Origin::Shipped => Agreed {
                blueprint_name: "blueprint.toml".to_owned(),
                lock_name: "blueprint.lock".to_owned(),
                blueprint: Blueprint::parse(Blueprint::SHIPPED).map_err(|error| error.to_string()),
                lock: BlueprintLock::parse(BlueprintLock::SHIPPED)
                    .map(Some)
                    .map_err(|error| error.to_string()),
            },
            Origin::File(file) => {
                let lock = Self::lock_path(file);
                Agreed {
                    blueprint_name: name(file),
                    lock_name: name(&lock),
                    blueprint: read_blueprint(file),
                    lock: read_lock(&lock),
                }
            }
        }
    }
}

/// # Errors
/// Why there is no blueprint in that file, and what to do.
pub fn read_blueprint(file: &Path) -> Result<Blueprint, String> {
    let text = text(file)?.ok_or("there is no such file")?;
    Blueprint::parse(&text).map_err(|error| error.to_string())
}

/// None: there is no such file.
///
/// # Errors
/// Why what is there is no lock.
pub fn read_lock(file: &Path) -> Result<Option<BlueprintLock>, String> {
    match text(file)? {
        Some(text) => BlueprintLock::parse(&text).map(Some).map_err(|error| error.to_string()),
        None => Ok(None),
    }
}

fn text(file: &Path) -> Result<Option<String>, String> {
    let opened = match fs::File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut bytes = Vec::new();
    opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("the file is larger than {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| "the file is not UTF-8".to_owned())
}

fn name(file: &Path) -> String {
    file.file_name().map_or_else(|| file.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// What must be served of a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    /// For programs.
    pub(crate) value: String,
    /// For people; None: only the lock is there, which has no words.
    pub(crate) text: Option<String>,
}

/// What must be served, by name. What is served is held against the blueprint, and the blueprint against the lock, so that one change
/// is told once. When there is no blueprint, the lock stands for it.
pub(crate) fn expected(agreed: &Agreed) -> Option<BTreeMap<String, Expected>> {
    if let Ok(blueprint) = &agreed.blueprint {
        let all = blueprint.promises().into_iter();
        let of = |promise: levqor_model::Promise| {
            (promise.path, Expected { value: promise.value.to_string(), text: Some(promise.value.text()) })
        };
        return Some(all.map(of).collect());
    }
    let lock = agreed.lock.as_ref().ok()?.as_ref()?;
    Some(lock.promises().map(|(path, value)| (path.to_owned(), Expected { value, text: None })).collect())
}
