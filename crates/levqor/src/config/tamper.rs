//! Which files the operator wants guarded, besides the server's own.

use std::path::{Path, PathBuf};

use super::Reader;

impl Reader<'_> {
    pub(super) fn tamper_watch(&mut self) -> Vec<PathBuf> {
        const NAME: &str = "tamper.watch";
        const PATHS_MAX: usize = 1_000;
        let list = self.text(NAME).to_owned();
        let paths: Vec<&str> = list.split(',').map(str::trim).filter(|path| !path.is_empty()).collect();
        if paths.len() > PATHS_MAX {
            self.complain(
                NAME,
                format!("has more than {PATHS_MAX} paths"),
                "name folders: all that is in them is guarded",
            );
        }
        for path in paths.iter().filter(|path| !Path::new(path).is_absolute()) {
            self.complain(
                NAME,
                format!("{path:?} is no absolute path"),
                "write it from the root on, such as /etc/levqor/templates",
            );
        }
        paths.into_iter().map(PathBuf::from).collect()
    }
}
