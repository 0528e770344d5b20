//! Who ends what we started, when we ended without doing it: by `kill -9`, a panic, the end of a test.
//!
//! ```text
//! this process ──pipe──► sh      the pipe ends with this process; then sh ends the processes and removes the directories
//! ```
//!
//! There is one for this process. It has a process group of its own, so that what ends us from a terminal leaves it to do its work.

use std::{
    io::Write as _,
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, ensure};

/// Keeps a list of what to end, each by its signal, and what to remove; lines come on its standard input. A server that
/// does not end by its signal gets the one that nobody survives.
const SCRIPT: &str = r#"trap '' HUP INT TERM
while IFS= read -r line; do
  case $line in
    "gone "*)
      left=$#
      while [ "$left" -gt 0 ]; do
        one=$1; shift; left=$((left - 1))
        [ "${one#* }" = "${line#gone }" ] || set -- "$@" "$one"
      done ;;
    *) set -- "$@" "$line" ;;
  esac
done
tries=50
for one; do case $one in "dir "*) ;; *) kill -"${one%% *}" "${one#* }" ;; esac; done
for one; do
  case $one in "dir "*) ;; *)
    while [ "$tries" -gt 0 ] && kill -0 "${one#* }"; do sleep 0.1; tries=$((tries - 1)); done
    kill -KILL "${one#* }" ;;
  esac
done
for one; do
  case $one in "dir "*)
    tries=20
    while [ "$tries" -gt 0 ] && ! rm -rf "${one#* }"; do sleep 0.1; tries=$((tries - 1)); done ;;
  esac
done"#;

static PIPE: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// Something that the warden has in charge for as long as this value lives.
#[derive(Debug)]
#[must_use]
pub struct Charge(String);

/// How a process is to be ended.
#[derive(Debug, Clone, Copy)]
pub enum How {
    /// SIGKILL.
    Kill,
    /// SIGQUIT: at once, but PostgreSQL gives back what it has of the system.
    Quit,
}

/// # Errors
/// When there is no shell.
pub fn process(id: u32, how: How) -> anyhow::Result<Charge> {
    let signal = match how {
        How::Kill => "KILL",
        How::Quit => "QUIT",
    };
    tell(&format!("{signal} {id}"))?;
    Ok(Charge(id.to_string()))
}

/// # Errors
/// When there is no shell, or the path is not whole in a line of UTF-8.
pub fn directory(path: &Path) -> anyhow::Result<Charge> {
    let name = path.to_str().filter(|name| name.starts_with('/') && !name.contains('\n'));
    let name = name.with_context(|| format!("{} cannot be told to the shell", path.display()))?;
    ensure!(path.components().count() > 2, "{name} is too near the root to be removed");
    tell(&format!("dir {name}"))?;
    Ok(Charge(name.to_owned()))
}

fn tell(line: &str) -> anyhow::Result<()> {
    let mut pipe = PIPE.lock().unwrap_or_else(PoisonError::into_inner);
    if pipe.is_none() {
        *pipe = Some(start()?);
    }
    let pipe = pipe.as_mut().context("the warden has no pipe")?;
    writeln!(pipe, "{line}").context("the warden cannot be told what to end")
}

fn start() -> anyhow::Result<ChildStdin> {
    use std::os::unix::process::CommandExt as _;
    let mut warden = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "levqor-warden"])
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("/bin/sh cannot be run")?;
    warden.stdin.take().context("the warden has no standard input")
}

impl Drop for Charge {
    fn drop(&mut self) {
        // Without a warden there is nobody to be told.
        let _ = tell(&format!("gone {}", self.0));
    }
}
