//! The configuration file: read at the start, and again when it changed or SIGHUP asks for it.
//!
//! A file that is wrong changes nothing; the edge says why and goes on. Addresses to listen on and the section on
//! snapshots are read at the start only.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::{
    config::{Complaints, Config, FILE_BYTES_MAX},
    edge::Edge,
    material::Material,
};

/// How often the file is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A configuration with everything that it names.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    pub material: Material,
    /// Relative names of the file are meant from here.
    pub folder: PathBuf,
    text: String,
}

/// Reads a file and what it names.
///
/// Blocks for the disk.
///
/// # Errors
/// All complaints, each with the file's name.
pub fn load(path: &Path) -> Result<Loaded, Complaints> {
    let name = path.display();
    let text = read(path).map_err(|error| {
        Complaints(vec![format!("{name}: cannot be read: {error}; name the edge's file with --config")])
    })?;
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    let named = |complaints: Complaints| {
        Complaints(complaints.0.into_iter().map(|complaint| format!("{name}: {complaint}")).collect())
    };
    let config = Config::parse(&text).map_err(named)?;
    let material = Material::load(&config, &folder).map_err(named)?;
    Ok(Loaded { config, material, folder, text })
}

fn read(path: &Path) -> io::Result<String> {
    let size = fs::metadata(path)?.len();
    if size > FILE_BYTES_MAX as u64 {
        return Err(io::Error::other(format!("it has {size} bytes, more than {FILE_BYTES_MAX}")));
    }
    fs::read_to_string(path)
}

/// Follows the file until the edge stops. `first` is what the edge started with.
pub async fn follow(edge: Arc<Edge>, path: PathBuf, first: Loaded) {
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            warn!("SIGHUP cannot be awaited, so the configuration is not followed: {error}");
            return;
        }
    };
    let mut text = Some(first.text);
    let mut seen = stamp(&path);
    loop {
        let asked = tokio::select! {
            () = edge.stop.cancelled() => return,
            _ = hangups.recv() => true,
            () = tokio::time::sleep(LOOK_INTERVAL) => false,
        };
        let now = stamp(&path);
        if !asked && now == seen {
            continue;
        }
        seen = now;
        let from = path.clone();
        let Ok(loaded) = tokio::task::spawn_blocking(move || load(&from)).await else { continue };
        match loaded {
            // Certificates may be new even when the file is the same; without SIGHUP they are not looked at.
            Ok(loaded) if !asked && text.as_ref() == Some(&loaded.text) => {}
            Ok(loaded) => {
                text = Some(loaded.text.clone());
                apply(&edge, loaded);
            }
            Err(complaints) => {
                text = None;
                edge.refuse(complaints.to_string());
            }
        }
    }
}

/// Routes by a new configuration.
pub fn apply(edge: &Edge, loaded: Loaded) {
    let live = edge.live();
    if loaded.config.listen != live.config.listen || loaded.config.snapshot != live.config.snapshot {
        warn!("[[listen]] and [snapshot] are read at the start only; restart the edge to change them");
    }
    edge.replace(loaded.config, loaded.material);
    info!("the configuration was read anew");
}

type Stamp = Option<(u64, std::time::SystemTime)>;

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}
