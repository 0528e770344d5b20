//! What somebody may do to files who does not want to be noticed.

use std::{
    fmt, fs,
    io::{Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use super::world::{FILES, LINK, Was, World, content};
use crate::features::tamper::{file, text_of};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One byte, at the same length.
    InPlace,
    /// The same, and the time of the change is put back.
    InPlaceTimeRestored,
    Append,
    Truncate,
    /// Another file takes its place.
    RenameOver,
    /// Another file of the same length, with the same time.
    RenameOverTimeRestored,
    /// By another name of the same file.
    HardLink,
    Delete,
    Permissions,
    /// A link to a copy takes the file's place.
    SymlinkSwap,
    /// The link leads to a copy.
    LinkTurned,
    /// A file in a folder that is guarded, or one that is guarded before it is there.
    New,
    /// To another name in its folder.
    Rename,
    FolderPermissions,
    /// A folder takes the file's place.
    FolderSwap,
    /// A pipe takes the file's place.
    PipeSwap,
    BaselineEdited,
    BaselineRolledBack,
    BaselineDeleted,
    /// In place, while everything is being hashed.
    DuringAScan,
    /// Another file takes its place, while everything is being hashed.
    RenameOverDuringAScan,
}

pub(super) const KINDS: [Kind; 21] = [
    Kind::InPlace,
    Kind::InPlaceTimeRestored,
    Kind::Append,
    Kind::Truncate,
    Kind::RenameOver,
    Kind::RenameOverTimeRestored,
    Kind::HardLink,
    Kind::Delete,
    Kind::Permissions,
    Kind::SymlinkSwap,
    Kind::LinkTurned,
    Kind::New,
    Kind::Rename,
    Kind::FolderPermissions,
    Kind::FolderSwap,
    Kind::PipeSwap,
    Kind::BaselineEdited,
    Kind::BaselineRolledBack,
    Kind::BaselineDeleted,
    Kind::DuringAScan,
    Kind::RenameOverDuringAScan,
];

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Kind::InPlace => "in place",
            Kind::InPlaceTimeRestored => "in place, mtime restored",
            Kind::Append => "append",
            Kind::Truncate => "truncate",
            Kind::RenameOver => "rename over",
            Kind::RenameOverTimeRestored => "rename over, mtime restored",
            Kind::HardLink => "through a hard link",
            Kind::Delete => "delete",
            Kind::Permissions => "chmod",
            Kind::SymlinkSwap => "symlink in its place",
            Kind::LinkTurned => "link turned",
            Kind::New => "new file",
            Kind::Rename => "rename",
            Kind::FolderPermissions => "chmod of a folder",
            Kind::FolderSwap => "folder in its place",
            Kind::PipeSwap => "pipe in its place",
            Kind::BaselineEdited => "baseline edited",
            Kind::BaselineRolledBack => "baseline rolled back",
            Kind::BaselineDeleted => "baseline deleted",
            Kind::DuringAScan => "in place, during a scan",
            Kind::RenameOverDuringAScan => "rename over, during a scan",
        }
    }
}

/// One change, with all that is needed to make and to undo it.
#[derive(Clone)]
pub(super) struct Edit {
    pub(super) kind: Kind,
    pub(super) during_a_scan: bool,
    /// What is changed.
    path: PathBuf,
    was: Was,
    /// Besides what is changed: a second name, a copy.
    beside: PathBuf,
    /// What it is changed to, or a part of that.
    fresh: Vec<u8>,
    /// Where in the file.
    offset: u64,
    mode: u32,
    /// The link that leads to it, if there is one.
    link: Option<PathBuf>,
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} at {}", self.kind.name(), self.path.display(), self.offset)
    }
}

impl Edit {
    pub(super) fn new(kind: Kind, world: &World) -> Self {
        let own = world.path("data").join(file::FILE);
        // Nothing can be cut off, and no byte be changed, where there is none.
        let some = FILES[world.below(FILES.len() - 1)].0;
        let path = match kind {
            Kind::BaselineEdited | Kind::BaselineRolledBack | Kind::BaselineDeleted => own,
            Kind::LinkTurned => world.path(LINK.0),
            Kind::FolderPermissions => world.path(["runbooks", "runbooks/keys", "policies"][world.below(3)]),
            Kind::New => {
                let names = ["runbooks/new.yaml", "runbooks/keys/.hidden", "policies/new.md", "absent.txt"];
                world.path(names[world.below(4)])
            }
            Kind::Rename => world.path(["runbooks/restore.yaml", "policies/terms.md"][world.below(2)]),
            _ => world.path(some),
        };
        let was = Was::of(&path);
        let length = match &was {
            Was::File { content, .. } => content.len(),
            _ => 0,
        };
        let fresh = match (&was, kind) {
            (_, Kind::BaselineRolledBack) => {
                world.signed[world.below(world.signed.len() - 1)].clone().into_bytes()
            }
            // Of the same length, and different for sure.
            (Was::File { content, .. }, Kind::RenameOverTimeRestored) => {
                content.iter().map(|byte| byte.wrapping_add(1)).collect()
            }
            _ => content(&world.random, 1 + world.below(2_000)),
        };
        let link = (path == world.path(LINK.1)).then(|| world.path(LINK.0));
        Self {
            kind,
            during_a_scan: matches!(kind, Kind::DuringAScan | Kind::RenameOverDuringAScan),
            beside: match kind {
                Kind::Rename => path.with_extension("bak"),
                _ => world.path("beside"),
            },
            offset: world.below(length) as u64,
            mode: match kind {
                Kind::FolderPermissions => [0o700, 0o777, 0o750, 0o1777, 0o555][world.below(5)],
                _ => [0o600, 0o666, 0o755, 0o4644, 0o444][world.below(5)],
            },
            path,
            was,
            fresh,
            link,
        }
    }

    pub(super) fn apply(&self) {
        let Self { path, beside, fresh, .. } = self;
        match self.kind {
            Kind::InPlace | Kind::BaselineEdited | Kind::DuringAScan => self.flip(path),
            Kind::InPlaceTimeRestored => keeping_time(path, || self.flip(path)),
            Kind::HardLink => {
                fs::hard_link(path, beside).unwrap();
                self.flip(beside);
            }
            Kind::Append => {
                let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
                file.write_all(fresh).unwrap();
            }
            Kind::Truncate => {
                let file = fs::OpenOptions::new().write(true).open(path).unwrap();
                file.set_len(self.offset).unwrap();
            }
            Kind::RenameOver | Kind::RenameOverDuringAScan | Kind::BaselineRolledBack => self.replace(),
            Kind::RenameOverTimeRestored => keeping_time(path, || self.replace()),
            Kind::Delete | Kind::BaselineDeleted => fs::remove_file(path).unwrap(),
            Kind::Permissions | Kind::FolderPermissions => {
                fs::set_permissions(path, fs::Permissions::from_mode(self.mode)).unwrap();
            }
            Kind::SymlinkSwap | Kind::LinkTurned => {
                fs::copy(path, beside).unwrap();
                fs::remove_file(path).unwrap();
                symlink(beside, path).unwrap();
            }
            Kind::New => fs::write(path, fresh).unwrap(),
            Kind::Rename => fs::rename(path, beside).unwrap(),
            Kind::FolderSwap => {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            }
            Kind::PipeSwap => {
                fs::remove_file(path).unwrap();
                let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
                assert!(made.success());
            }
        }
    }

    fn flip(&self, path: &Path) {
        let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, self.offset).unwrap();
        let mut file = file;
        file.seek(SeekFrom::Start(self.offset)).unwrap();
        file.write_all(&[byte[0] ^ 1]).unwrap();
    }

    /// As careful programs do it: whole, beside, and into its place, with the same permissions.
    fn replace(&self) {
        let Was::File { mode, .. } = &self.was else { panic!("{self:?}") };
        fs::write(&self.beside, &self.fresh).unwrap();
        fs::set_permissions(&self.beside, fs::Permissions::from_mode(*mode)).unwrap();
        fs::rename(&self.beside, &self.path).unwrap();
    }

    pub(super) fn undo(&self) {
        if self.kind == Kind::Rename {
            fs::rename(&self.beside, &self.path).unwrap();
        } else {
            self.was.put_back(&self.path);
            Was::Nothing.put_back(&self.beside);
        }
    }

    /// What must be found.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = vec![text_of(&self.path)];
        // Whoever comes by the link to a copy finds the same.
        if self.kind != Kind::SymlinkSwap {
            paths.extend(self.link.as_deref().map(text_of));
        }
        if self.kind == Kind::Rename {
            paths.push(text_of(&self.beside));
        }
        paths
    }

    /// Whether it may be found.
    pub(super) fn may_touch(&self, path: &str) -> bool {
        self.paths().iter().any(|touched| touched == path)
    }
}

/// Does something to a file, and sets its time back to what it was.
fn keeping_time(path: &Path, work: impl FnOnce()) {
    let before = fs::metadata(path).unwrap();
    let times = fs::FileTimes::new()
        .set_accessed(before.accessed().unwrap())
        .set_modified(before.modified().unwrap());
    work();
    fs::File::options().write(true).open(path).unwrap().set_times(times).unwrap();
}
