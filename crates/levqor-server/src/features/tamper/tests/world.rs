//! A directory as an operator has it, its baseline, and a guard over both.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use levqor_model::{
    Deviation, Random, SeededRandom, SigningKey, SystemClock, Timestamp,
    tamper::{Baseline, Entry, SignedBaseline, Subject, deviations},
};
use levqor_testkit::temp_dir;
use tokio::sync::Notify;

use super::edits::Edit;
use crate::features::tamper::{board::Trust, file, guard::Guard, keeper, scan::Root, text_of};

/// Files with some content: what they are, and how many bytes they have.
pub(super) const FILES: [(&str, usize); 11] = [
    ("bin/levqor", 300_000),
    ("levqor.toml", 900),
    ("blueprint.toml", 4_000),
    ("blueprint.lock", 4_000),
    ("runbooks/failover.yaml", 2_000),
    ("runbooks/restore.yaml", 3_000),
    ("runbooks/keys/hmac.yaml", 500),
    ("policies/terms.md", 9_000),
    ("policies/privacy.md", 8_000),
    ("named.txt", 64),
    ("empty.txt", 0),
];
/// A link, and what it leads to, which is guarded as well.
pub(super) const LINK: (&str, &str) = ("link.txt", "named.txt");

pub(super) struct World {
    pub(super) random: SeededRandom,
    pub(super) guard: Guard,
    pub(super) deaf: bool,
    place: tempfile::TempDir,
    wake: Notify,
    agreed: BTreeMap<String, Entry>,
    own: String,
    /// Baselines that were signed, oldest first; the last one holds.
    pub(super) signed: Vec<String>,
}

impl World {
    pub(super) async fn new(seed: u64) -> Self {
        let place = temp_dir();
        let random = SeededRandom::new(seed);
        let at = |path: &str| place.path().join(path);
        for (path, bytes) in FILES {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), content(&random, bytes)).unwrap();
        }
        fs::create_dir(at("data")).unwrap();
        symlink(at(LINK.1), at(LINK.0)).unwrap();
        let roots = [
            (Subject::Binary, "bin/levqor"),
            (Subject::Configuration, "levqor.toml"),
            (Subject::Blueprint, "blueprint.toml"),
            (Subject::Blueprint, "blueprint.lock"),
            (Subject::Runbooks, "runbooks"),
            (Subject::Policies, "policies"),
            (Subject::Named, "named.txt"),
            (Subject::Named, "empty.txt"),
            (Subject::Named, "link.txt"),
            (Subject::Named, "absent.txt"),
            (Subject::Baseline, "data/security_checksums.json"),
        ];
        let roots = roots.into_iter().map(|(subject, path)| Root { subject, path: at(path) }).collect();
        let guard = Guard::new(roots, Arc::new(SystemClock));
        let own = text_of(&at("data").join(file::FILE));
        let mut world = Self {
            random,
            guard,
            deaf: false,
            place,
            wake: Notify::new(),
            agreed: BTreeMap::new(),
            own,
            signed: Vec::new(),
        };
        while !world.guard.scanner().is_complete() {
            world.round().await;
        }
        for sequence in 1..=3 {
            world.sign(sequence);
        }
        assert!(world.until(BTreeMap::is_empty, Duration::from_secs(20)).await.is_ok());
        world
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.place.path().join(path)
    }

    /// The path as findings name it.
    pub(super) fn text(&self, path: &str) -> String {
        text_of(&self.path(path))
    }

    pub(super) fn below(&self, most: usize) -> usize {
        (self.random.u64() % most.max(1) as u64) as usize
    }

    /// Signs what is there, as the keeper does.
    fn sign(&mut self, sequence: u64) {
        let path = self.path("data").join(file::FILE);
        let entries = keeper::all(&self.guard.scanner().entries(), &self.own);
        let baseline = Baseline {
            place: "here".to_owned(),
            sequence,
            at: Timestamp::from_seconds(1_795_502_901),
            previous: String::new(),
            entries: entries.clone(),
        };
        let text = SignedBaseline::sign(baseline, &SigningKey::from_seed(&[1; 32]).unwrap()).to_text();
        file::prepare(&path, &text).unwrap();
        let owner = file::put(&path).unwrap();
        self.guard.forget(&path);
        self.agreed = entries;
        self.agreed.insert(self.own.clone(), Trust::own(&text, owner));
        self.signed.push(text);
    }

    pub(super) fn hears(&self) -> bool {
        self.guard.condition().hears && !self.deaf
    }

    pub(super) async fn round(&mut self) -> BTreeMap<String, Deviation> {
        let deaths = self.guard.condition().deaths;
        self.guard.wait(&self.wake).await;
        self.guard.look().await;
        self.deaf &= self.guard.condition().deaths == deaths;
        deviations(&self.agreed, &self.guard.scanner().entries())
    }

    /// Rounds until the findings are as wanted; those of the last round when they never are.
    pub(super) async fn until(
        &mut self,
        wanted: impl Fn(&BTreeMap<String, Deviation>) -> bool,
        ceiling: Duration,
    ) -> Result<BTreeMap<String, Deviation>, BTreeMap<String, Deviation>> {
        let began = Instant::now();
        loop {
            let found = self.round().await;
            if wanted(&found) {
                return Ok(found);
            }
            if began.elapsed() > ceiling {
                return Err(found);
            }
        }
    }

    /// Does it, some of it while everything is being hashed; when it was done.
    pub(super) async fn apply(&mut self, edit: &Edit) -> Instant {
        if !edit.during_a_scan {
            edit.apply();
            return Instant::now();
        }
        self.guard.rehash();
        let other = edit.clone();
        let applied = std::thread::spawn(move || {
            other.apply();
            Instant::now()
        });
        self.guard.look().await;
        applied.join().unwrap()
    }

    pub(super) async fn undo(&mut self, edit: &Edit) {
        edit.undo();
    }
}

pub(super) fn content(random: &SeededRandom, bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    random.fill(&mut content);
    content
}

/// A file or a link as it was, to be put back.
#[derive(Debug, Clone)]
pub(super) enum Was {
    Nothing,
    File { content: Vec<u8>, mode: u32 },
    Link(PathBuf),
    Folder { mode: u32 },
}

impl Was {
    pub(super) fn of(path: &Path) -> Self {
        match path.symlink_metadata() {
            Err(_) => Was::Nothing,
            Ok(found) if found.is_symlink() => Was::Link(path.read_link().unwrap()),
            Ok(found) if found.is_dir() => Was::Folder { mode: found.mode() },
            Ok(found) => Was::File { content: fs::read(path).unwrap(), mode: found.mode() },
        }
    }

    pub(super) fn put_back(&self, path: &Path) {
        match (self, path.symlink_metadata()) {
            (Was::Folder { .. }, Ok(found)) if found.is_dir() => {}
            (_, Ok(found)) if found.is_dir() => fs::remove_dir_all(path).unwrap(),
            (_, Ok(_)) => fs::remove_file(path).unwrap(),
            (_, Err(_)) => {}
        }
        match self {
            Was::Nothing => {}
            Was::Link(target) => symlink(target, path).unwrap(),
            Was::Folder { mode } => {
                fs::create_dir_all(path).unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
            }
            Was::File { content, mode } => {
                fs::write(path, content).unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
            }
        }
    }
}
