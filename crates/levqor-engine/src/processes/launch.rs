//! Starts one process, and sees it to its end.

use std::{
    ffi::OsString,
    os::unix::{fs::DirBuilderExt, process::ExitStatusExt},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use levqor_flow::{
    definition::Program,
    machine::{ErrorKind, FlowError, ProcessCall, ProcessEnd},
};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    sync::OwnedSemaphorePermit,
};
use tokio_util::sync::CancellationToken;

use super::{Policy, isolation::find, output};

/// Sets the bounds and becomes the program: bounds that are set from outside would come after its first steps. A bound
/// that is lower already cannot be raised, and stays.
const BOUNDED: &str = r#"{ ulimit -c 0; ulimit -t "$1"; ulimit -d "$2"; ulimit -f "$3"; ulimit -n 256; } 2>/dev/null; shift 3; exec "$@""#;

/// How long after the end of a process its last output may take to arrive.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// A process under way.
#[derive(Debug)]
pub(super) struct Running {
    policy: Arc<Policy>,
    child: Child,
    group: Group,
    folder: Folder,
    stdin: String,
    turn: OwnedSemaphorePermit,
}

/// # Errors
/// `configuration` when the program is missing, `runtime` when the machine starts no process or gives no folder.
pub(super) async fn start(
    policy: Arc<Policy>,
    wrapper: Vec<OsString>,
    name: &str,
    call: &ProcessCall,
    turn: OwnedSemaphorePermit,
) -> Result<Running, FlowError> {
    let folder = Folder::new(policy.directory.join(name)).await.map_err(|reason| {
        ErrorKind::Runtime.error("process not started", format!("it could not be given a folder: {reason}"))
    })?;
    let program = command_line(call, &folder).await?;
    let shell = program_path("sh")?;
    let bounds = [
        policy.timeout.as_secs().max(1),
        policy.memory_bytes_max / 1024,
        // dash counts in blocks.
        policy.file_bytes_max / 512,
    ];
    let mut line = wrapper;
    line.extend([shell.into(), "-c".into(), BOUNDED.into(), "sh".into()]);
    line.extend(bounds.map(|bound| OsString::from(bound.to_string())));
    line.extend(program);
    line.extend(call.arguments.iter().map(OsString::from));
    let (first, rest) = line
        .split_first()
        .ok_or_else(|| ErrorKind::Runtime.error("process not started", "there is nothing to start"))?;
    let child = Command::new(first)
        .args(rest)
        .env_clear()
        .envs(call.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&folder.0)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|reason| {
            ErrorKind::Runtime.error(
                "process not started",
                format!("{} could not be started: {reason}", call.program.word()),
            )
        })?;
    let group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    Ok(Running { policy, child, group, folder, stdin: call.stdin.clone(), turn })
}

/// The program and its text, as the end of a command line.
async fn command_line(call: &ProcessCall, folder: &Folder) -> Result<Vec<OsString>, FlowError> {
    let (program, options, file) = match call.program {
        Program::Shell => {
            let shell = program_path("sh")?;
            return Ok(vec![shell.into(), "-c".into(), (&call.text).into(), "sh".into()]);
        }
        Program::JavaScript => ("node", None, "script.mjs"),
        Program::Python => ("python3", Some("-B"), "script.py"),
    };
    let path = folder.0.join(file);
    tokio::fs::write(&path, &call.text).await.map_err(|reason| {
        ErrorKind::Runtime.error("process not started", format!("the script could not be written: {reason}"))
    })?;
    let mut line = vec![program_path(program)?.into_os_string()];
    line.extend(options.map(OsString::from));
    line.push(path.into());
    Ok(line)
}

fn program_path(program: &str) -> Result<PathBuf, FlowError> {
    find(program).ok_or_else(|| {
        ErrorKind::Configuration.error(
            "program missing",
            format!("there is no `{program}` on this machine; its operator can install it"),
        )
    })
}

impl Running {
    /// Waits for the end, at most as long as the policy allows, or until nobody wants it any more.
    pub(super) async fn finish(mut self, unwanted: CancellationToken) -> Result<ProcessEnd, FlowError> {
        let stdin = self.child.stdin.take();
        let text = std::mem::take(&mut self.stdin);
        let write = async move {
            if let Some(mut pipe) = stdin {
                // A process need not read what it is given.
                let _ = pipe.write_all(text.as_bytes()).await;
            }
        };
        let max = self.policy.output_bytes_max;
        let read = output::both(self.child.stdout.take(), self.child.stderr.take(), max);
        let patience = tokio::time::sleep(self.policy.timeout);
        let end = {
            let (child, group) = (&mut self.child, &mut self.group);
            let work = async {
                let mut read = std::pin::pin!(read);
                let mut write = std::pin::pin!(write);
                let mut written = false;
                let mut outputs = None;
                let status = loop {
                    tokio::select! {
                        status = child.wait() => break status,
                        () = &mut write, if !written => written = true,
                        read = &mut read, if outputs.is_none() => outputs = Some(read?),
                    }
                };
                // What it left running goes with it, and holds no pipe open.
                group.kill_for_good();
                let outputs = match outputs {
                    Some(outputs) => outputs,
                    None => match tokio::time::timeout(LAST_OUTPUT, read).await {
                        Ok(outputs) => outputs?,
                        Err(_) => return Err(escaped()),
                    },
                };
                let status = status.map_err(|reason| {
                    ErrorKind::Runtime.error("process lost", format!("its end could not be seen: {reason}"))
                })?;
                Ok((code(status), outputs))
            };
            tokio::select! { biased;
                () = unwanted.cancelled() => Err(ErrorKind::Runtime.error("process stopped", "nobody waits for it any more")),
                end = work => end,
                () = patience => Err(too_long(self.policy.timeout)),
            }
        };
        self.clean_up().await;
        end.map(|(code, (stdout, stderr))| ProcessEnd { code, stdout, stderr })
    }

    async fn clean_up(mut self) {
        self.group.kill();
        if let Err(reason) = self.child.wait().await {
            tracing::warn!(error = %reason, "the end of a process could not be seen");
        }
        self.group.kill_for_good();
        self.folder.remove().await;
        drop(self.turn);
    }
}

/// As a shell gives it: a signal ends a process with 128 and its number.
fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

fn too_long(timeout: Duration) -> FlowError {
    ErrorKind::Timeout.error(
        "the process timed out",
        format!("it ran longer than {timeout:?} and was killed; this is the operator's limit `processes.timeout_seconds`"),
    )
}

fn escaped() -> FlowError {
    ErrorKind::Runtime.error(
        "process not ended",
        "it left others running that hold its output open; wait for them, or redirect their output",
    )
}

/// The group of a process, which all that it starts belong to unless they leave it.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    /// After the end of its first process, whose number may come to name another group soon.
    fn kill_for_good(&mut self) {
        self.kill();
        self.0 = None;
    }

    fn kill(&self) {
        if let Some(group) = self.0 {
            // It may be gone already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The folder in which a process runs.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // For a start that was broken off; else it is gone already.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    async fn new(path: PathBuf) -> std::io::Result<Self> {
        tokio::task::spawn_blocking(move || {
            match std::fs::remove_dir_all(&path) {
                Err(reason) if reason.kind() != std::io::ErrorKind::NotFound => return Err(reason),
                _ => {}
            }
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
            path.canonicalize().map(Self)
        })
        .await
        .map_err(std::io::Error::other)?
    }

    async fn remove(&self) {
        if let Err(reason) = tokio::fs::remove_dir_all(&self.0).await {
            tracing::warn!(error = %reason, "the folder of a process could not be removed; the next start of the server tries again");
        }
    }
}
