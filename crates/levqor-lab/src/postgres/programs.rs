//! PostgreSQL's programs, and the user that they run as.

use std::{
    fmt,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};

/// Where they are, and who runs them.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    folder: PathBuf,
    /// Someone else, when we are root: PostgreSQL does not run as root.
    pub(super) user: Option<(u32, u32)>,
    /// What the servers that they run ask for, and they give; None: these take everybody in.
    pub(super) password: Option<Password>,
}

/// It shows in no message.
#[derive(Clone)]
pub(super) struct Password(pub(super) String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Programs {
    pub(super) fn find() -> anyhow::Result<Self> {
        Ok(Self { folder: folder()?, user: unprivileged()?, password: None })
    }

    /// In `directory`, as the right user.
    pub(super) fn command(&self, program: &str, directory: &Path) -> Command {
        let mut command = Command::new(self.folder.join(program));
        command.current_dir(directory).env("LC_ALL", "C").stdin(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        // Nobody but its own user sees the environment of a process, as everybody does its arguments.
        if let Some(Password(password)) = &self.password {
            command.env("PGPASSWORD", password);
        }
        command
    }
}

/// Runs a program to its end.
pub(super) fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("{name} cannot be run"))?;
    ensure!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn unprivileged() -> anyhow::Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let people = std::fs::read_to_string("/etc/passwd")?;
    let ids = |name: &str| {
        let mut parts =
            people.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.split(':').skip(1);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    let found = ids("postgres").or_else(|| ids("nobody"));
    Ok(Some(found.context("there is neither a user postgres nor a user nobody to run the server")?))
}

/// Where `initdb` and `postgres` are: where Debian has them, the newest, or on the `PATH`.
fn folder() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    places.sort_by_key(|place| version(place));
    let debian = places.into_iter().rev().map(|place| place.join("bin"));
    let has_both = |place: &PathBuf| place.join("initdb").is_file() && place.join("postgres").is_file();
    debian.chain(std::env::split_paths(&path)).find(has_both).context(
        "neither the PATH nor /usr/lib/postgresql has initdb and postgres; install them (Debian: apt-get install postgresql)",
    )
}

fn version(place: &Path) -> u32 {
    place.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or_default()
}
