//! Namespaces of its own for a process, where the machine gives them.

use std::{ffi::OsString, path::PathBuf, process::Stdio};

use levqor_flow::machine::{ErrorKind, FlowError};
use tokio::{process::Command, sync::OnceCell};

/// A user namespace, so that no privilege is needed; a process namespace, so that nothing outlives the first process and
/// nobody else's is seen.
const ALONE: [&str; 6] =
    ["--map-current-user", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--ipc"];
const OFFLINE: &str = "--net";

/// What this machine gives; found out when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Isolation {
    online: OnceCell<bool>,
    offline: OnceCell<bool>,
}

impl Isolation {
    /// What stands before a program on its command line.
    ///
    /// # Errors
    /// `configuration`, when the process may not have the network and the machine cannot keep it away.
    pub(super) async fn wrapper(&self, network: bool) -> Result<Vec<OsString>, FlowError> {
        let (known, flags) = if network {
            (&self.online, ALONE.to_vec())
        } else {
            (&self.offline, ALONE.into_iter().chain([OFFLINE]).collect())
        };
        let wrapper = find("unshare").map(|unshare| {
            let mut wrapper = vec![unshare.into_os_string()];
            wrapper.extend(flags.iter().map(OsString::from));
            wrapper.push("--".into());
            wrapper
        });
        let works = match &wrapper {
            Some(wrapper) => *known.get_or_init(|| works(wrapper)).await,
            None => false,
        };
        match wrapper {
            Some(wrapper) if works => Ok(wrapper),
            _ if network => {
                tracing::debug!("this machine gives no namespaces, so processes run beside the server");
                Ok(Vec::new())
            }
            _ => Err(ErrorKind::Configuration.error(
                "process not started",
                "this machine cannot keep a process away from the network (`unshare` is missing or not permitted); its operator \
                 can permit user namespaces, or allow processes the network by `processes.network` in the configuration",
            )),
        }
    }
}

/// Tries the wrapper on a program that does nothing.
async fn works(wrapper: &[OsString]) -> bool {
    let Some((program, arguments)) = wrapper.split_first() else { return false };
    let status = Command::new(program)
        .args(arguments)
        .arg("/bin/true")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await;
    status.is_ok_and(|status| status.success())
}

/// A program of this machine: those of the system come first, since others may lean on the environment.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let system = ["/usr/bin", "/bin", "/usr/local/bin"].map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    system
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
