//! What tamper detection guards here: the files that this process is made of and reads, and what the operator names.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use levqor_model::{RegionRegistry, tamper::Subject};
use levqor_server::features::tamper::{GuardedValue, TamperSettings, scan::Root};

use crate::{config::Config, data_dir::DataDir};

/// Files and folders that are the server's when they lie where it was started: guarded before they are there, too.
const HERE: [(Subject, &str); 3] = [
    (Subject::Blueprint, "blueprint.toml"),
    (Subject::Blueprint, "blueprint.lock"),
    (Subject::Runbooks, "runbooks"),
];
/// Where Linux keeps the machine's name.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// # Errors
/// When the current directory, the data directory or the program cannot be found.
pub fn guarded(config: &Config, data_dir: &DataDir) -> io::Result<TamperSettings> {
    let here = env::current_dir()?;
    let data_dir = fs::canonicalize(data_dir.path())?;
    let mut roots = vec![Root { subject: Subject::Binary, path: program()? }];
    let mut add = |subject, path: &Path| roots.push(Root { subject, path: here.join(path) });
    add(Subject::Configuration, &config.file);
    for (subject, path) in HERE {
        add(subject, Path::new(path));
    }
    if let Some(path) = &config.policies_dir {
        add(Subject::Policies, path);
    }
    for path in [&config.probes_file, &config.slo_dir].into_iter().flatten() {
        add(Subject::Configuration, path);
    }
    for path in &config.tamper_watch {
        add(Subject::Named, path);
    }
    let host = fs::read_to_string(HOST_NAME).unwrap_or_default();
    let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
    Ok(TamperSettings {
        place: format!("{host}:{}", data_dir.display()),
        roots,
        values: vec![GuardedValue {
            subject: Subject::Regions,
            name: "(in force) regions".to_owned(),
            content: regions(&config.regions),
        }],
        data_dir,
    })
}

/// The program's file, also when another one has taken its place since the process began.
fn program() -> io::Result<PathBuf> {
    let path = env::current_exe()?;
    let replaced = path.to_str().and_then(|text| text.strip_suffix(" (deleted)")).map(PathBuf::from);
    Ok(replaced.unwrap_or(path))
}

fn regions(registry: &RegionRegistry) -> String {
    // Regions are texts and always have a JSON form.
    serde_json::to_string(registry.all()).unwrap_or_default()
}
