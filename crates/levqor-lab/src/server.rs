//! Real processes: a built binary as a server that can be killed at any moment.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    ports::{PORTS_TRIED, free_address},
    wait::until,
    warden::{self, Charge, How},
};

/// Longer than a server takes to be ready, also on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lines kept of a server's output; older ones go.
const LINES_MAX: usize = 10_000;

/// How to start a server.
#[derive(Debug, Clone)]
pub struct ServerSetup {
    pub binary: PathBuf,
    pub arguments: Vec<String>,
    /// The whole environment besides `PATH` and `HOME`.
    pub environment: Vec<(String, String)>,
    pub directory: PathBuf,
    /// Where it will listen.
    pub address: SocketAddr,
}

impl ServerSetup {
    /// `<binary> serve` with its data in `directory`, on a free local port.
    ///
    /// # Errors
    /// When no local port can be had.
    pub fn new(binary: &Path, directory: &Path) -> anyhow::Result<Self> {
        let address = free_address()?;
        Ok(Self {
            binary: binary.to_owned(),
            arguments: vec!["serve".to_owned()],
            environment: vec![
                ("LEVQOR_LISTEN".to_owned(), address.to_string()),
                ("LEVQOR_DATA_DIR".to_owned(), directory.join("data").display().to_string()),
            ],
            directory: directory.to_owned(),
            address,
        })
    }

    /// The same on another free port.
    pub(crate) fn moved(&self) -> anyhow::Result<Self> {
        let address = free_address()?;
        Ok(Self { address, ..self.clone() }.env("LEVQOR_LISTEN", &address.to_string()))
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(given, _)| given != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A running process; killed when dropped, and by the [warden].
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// None once it has been seen to have ended.
    charge: Option<Charge>,
    address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
    /// The threads that read its streams; none once their words are all in `lines`.
    readers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts the process without waiting for it.
    ///
    /// # Errors
    /// When the binary cannot be run.
    pub fn spawn(setup: &ServerSetup) -> anyhow::Result<Self> {
        let mut command = Command::new(&setup.binary);
        command.args(&setup.arguments).current_dir(&setup.directory).env_clear();
        for name in ["PATH", "HOME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(setup.environment.iter().map(|(name, value)| (name, value)));
        let mut child = command
            // What a terminal tells us is not meant for it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not run {}", setup.binary.display()))?;
        let charge = match warden::process(child.id(), How::Kill) {
            Ok(charge) => Some(charge),
            Err(error) => {
                // Nobody else would.
                let _ = child.kill().and_then(|()| child.wait());
                return Err(error);
            }
        };
        let lines = Arc::new(Mutex::new(Vec::new()));
        let readers = [
            child.stdout.take().map(|stream| collect(stream, Arc::clone(&lines))),
            child.stderr.take().map(|stream| collect(stream, Arc::clone(&lines))),
        ];
        let readers = readers.into_iter().flatten().collect();
        Ok(Self { child, charge, address: setup.address, lines, readers })
    }

    /// Starts the process and waits until `/ready` answers 200. When its port was taken meanwhile, another is.
    ///
    /// # Errors
    /// When it cannot be run or ends before it is ready; its output is in the message.
    pub async fn start(setup: &ServerSetup) -> anyhow::Result<Self> {
        Ok(Self::start_somewhere(setup).await?.1)
    }

    /// The same, with the setup that it became.
    pub(crate) async fn start_somewhere(setup: &ServerSetup) -> anyhow::Result<(ServerSetup, Self)> {
        let mut setup = setup.clone();
        let mut tries = 1;
        loop {
            let mut server = Self::spawn(&setup)?;
            match server.ready().await {
                Ok(()) => return Ok((setup, server)),
                Err(_) if server.lost_its_port() && tries < PORTS_TRIED => {
                    tries += 1;
                    setup = setup.moved()?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Somebody was faster to take it.
    pub(crate) fn lost_its_port(&self) -> bool {
        self.log().contains("is taken by another program")
    }

    /// Waits until `/ready` answers 200.
    ///
    /// # Errors
    /// When the process ends first, or is not ready within a minute; its output is in the message.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        self.answers("/ready", |status| status == 200).await
    }

    pub(crate) async fn answers(
        &mut self,
        path: &'static str,
        is_right: impl Fn(u16) -> bool,
    ) -> anyhow::Result<()> {
        let address = self.address;
        let (child, is_right) = (&mut self.child, &is_right);
        let ended = until("the server to be ready", PATIENCE, || {
            let ended = child.try_wait().ok().flatten();
            async move {
                match ended {
                    Some(status) => Some(Some(status)),
                    None => probe(address, path).await.is_some_and(is_right).then_some(None),
                }
            }
        })
        .await
        .with_context(|| format!("it says:\n{}", self.log()))?;
        match ended {
            None => Ok(()),
            Some(status) => {
                self.charge = None;
                self.read_to_the_end();
                bail!("the server ended with {status} before it was ready:\n{}", self.log())
            }
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: the process gets no chance to finish anything.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.charge = None;
        Ok(())
    }

    /// Sends a signal: TERM asks it to stop, STOP and CONT have it stand still and go on.
    ///
    /// # Errors
    /// When the system refuses, or the process has ended.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("it has no id")?;
        kill_process(id, signal).with_context(|| format!("{signal:?} could not be sent"))
    }

    /// The exit code once it has ended; None while it runs, or when a signal ended it.
    ///
    /// With a code, everything it printed is in the log.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn exit_code(&mut self) -> anyhow::Result<Option<i32>> {
        let Some(status) = self.child.try_wait()? else { return Ok(None) };
        self.charge = None;
        self.read_to_the_end();
        Ok(status.code())
    }

    /// Whether it has ended, in whatever way.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        let has_ended = self.child.try_wait()?.is_some();
        if has_ended {
            self.charge = None;
        }
        Ok(has_ended)
    }

    /// A process can be seen to have ended before its last words have been read.
    fn read_to_the_end(&mut self) {
        for reader in self.readers.drain(..) {
            // A reader that panicked has nothing more to tell.
            let _ = reader.join();
        }
    }

    /// What it printed, both streams in order of arrival.
    pub fn log(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Waits for the first printed line that contains `text`.
    ///
    /// # Errors
    /// When there is none within a minute; what it printed is in the message.
    pub async fn line(&self, text: &str) -> anyhow::Result<String> {
        let what = format!("a line with {text:?}");
        let found = until(&what, PATIENCE, || {
            let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            std::future::ready(lines.iter().find(|line| line.contains(text)).cloned())
        });
        found.await.with_context(|| format!("it says:\n{}", self.log()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.kill();
    }
}

fn collect(stream: impl Read + Send + 'static, lines: Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == LINES_MAX {
                lines.remove(0);
            }
            lines.push(line);
        }
    })
}

/// The status of a GET, by hand: the kit needs no HTTP client for this.
async fn probe(address: SocketAddr, path: &'static str) -> Option<u16> {
    tokio::task::spawn_blocking(move || {
        let patience = Duration::from_secs(1);
        let mut stream = TcpStream::connect_timeout(&address, patience).ok()?;
        stream.set_read_timeout(Some(patience)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
        let mut head = [0_u8; 12];
        stream.read_exact(&mut head).ok()?;
        std::str::from_utf8(&head).ok()?.strip_prefix("HTTP/1.1 ")?.parse().ok()
    })
    .await
    .ok()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> ServerSetup {
        let directory = std::env::temp_dir();
        let mut setup = ServerSetup::new(Path::new("/bin/sh"), &directory).unwrap().env("GREETING", "hello");
        setup.arguments = vec!["-c".to_owned(), script.to_owned()];
        setup
    }

    #[tokio::test]
    async fn what_a_process_prints_is_kept_and_it_can_be_killed() {
        let mut server = Server::spawn(&shell("echo $GREETING; exec sleep 600")).unwrap();
        assert_eq!(server.line("hel").await.unwrap(), "hello");
        assert_eq!(server.exit_code().unwrap(), None);
        server.kill().unwrap();
    }

    #[tokio::test]
    async fn last_words_are_in_the_log_once_the_exit_code_is_known() {
        for _ in 0..20 {
            let mut server = Server::spawn(&shell("echo out; echo err >&2; exit 3")).unwrap();
            let code = until("the end", PATIENCE, || std::future::ready(server.exit_code().unwrap()));
            let code = code.await.unwrap();
            let log = server.log();
            assert!(code == 3 && log.contains("out") && log.contains("err"), "{code}: {log}");
        }
    }

    #[tokio::test]
    async fn a_port_that_is_taken_meanwhile_is_looked_for_again() {
        let setup = shell("echo address $LEVQOR_LISTEN is taken by another program >&2; exit 2");
        let error = Server::start(&setup).await.unwrap_err().to_string();
        let first = setup.address.to_string();
        assert!(error.contains("is taken by another program") && !error.contains(&first), "{first}: {error}");
    }

    #[tokio::test]
    async fn a_process_that_ends_early_says_what_it_said() {
        let error = Server::start(&shell("echo broken >&2; exit 2")).await.unwrap_err();
        assert!(error.to_string().contains("before it was ready"), "{error}");
    }
}
