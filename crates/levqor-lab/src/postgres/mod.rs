//! A PostgreSQL of one's own, thrown away with the value or with the process that started it.

mod log;
mod programs;
mod shared;

use std::{
    fs::Permissions,
    net::SocketAddr,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use self::{
    log::Log,
    programs::{Password, Programs, run},
};
use crate::{
    directory::Directory,
    ports::{PORTS_TRIED, free_address},
    warden::{self, Charge, How},
};

pub use shared::Shared;

/// A server has room for many nodes with their connections.
const OWN_SETTINGS: [&str; 4] = [
    "unix_socket_directories=",
    "max_connections=500",
    "logging_collector=off",
    // A standby whose primary is gone rests no longer than this, also before it is promoted.
    "wal_retrieve_retry_interval=100ms",
];

/// Read after all other files, and changed while the server runs.
const LIVE_SETTINGS: &str = "live.conf";

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    programs: Programs,
    address: SocketAddr,
    settings: Vec<String>,
    databases: AtomicU64,
    log: Log,
    child: Child,
    _charge: Charge,
    directory: Directory,
}

impl Postgres {
    /// Whether one can be started here.
    pub fn is_installed() -> bool {
        Programs::find().is_ok()
    }

    /// Makes a cluster with these files beside its own, and starts its server on a free local port.
    ///
    /// # Errors
    /// When there is none, or it does not start.
    pub fn start(settings: &[&str], files: &[(&str, &[u8])]) -> anyhow::Result<Self> {
        Self::start_by(&Programs::find()?, settings, files)
    }

    /// The same, which takes nobody in without this password, of letters and digits: others may have accounts on this machine.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn start_guarded(settings: &[&str], password: &str) -> anyhow::Result<Self> {
        let mut programs = Programs::find()?;
        programs.password = Some(Password(password.to_owned()));
        Self::start_by(&programs, settings, &[])
    }

    fn start_by(programs: &Programs, settings: &[&str], files: &[(&str, &[u8])]) -> anyhow::Result<Self> {
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        start_somewhere(|address| {
            let directory = Directory::new()?;
            directory.give_to(programs.user)?;
            let data = data(&directory);
            let mut initdb = programs.command("initdb", directory.path());
            initdb.args(["--username=levqor", "--encoding=UTF8", "--no-locale", "--no-sync"]);
            if let Some(Password(password)) = &programs.password {
                let file = directory.path().join("password");
                write(&file, password.as_bytes(), programs.user)?;
                initdb.args(["--auth=scram-sha-256", "--pwfile"]).arg(file);
            } else {
                initdb.arg("--auth=trust");
            }
            run(initdb.arg("--pgdata").arg(&data))?;
            for (name, content) in files {
                write(&data.join(name), content, programs.user)?;
            }
            write(&data.join(LIVE_SETTINGS), b"", programs.user)?;
            let path = data.join("postgresql.conf");
            let mut own = std::fs::read(&path)?;
            own.extend_from_slice(format!("\ninclude = '{LIVE_SETTINGS}'\n").as_bytes());
            write(&path, &own, programs.user)?;
            Self::launch(programs.clone(), settings.clone(), directory, address)
        })
    }

    /// A hot standby of this server, made from a copy of it over the network, at that address or at any.
    ///
    /// # Errors
    /// When it cannot be copied, or the standby does not start.
    pub fn standby(&self, address: Option<SocketAddr>) -> anyhow::Result<Self> {
        let make = |address| {
            let directory = Directory::new()?;
            directory.give_to(self.programs.user)?;
            let mut copy = self.programs.command("pg_basebackup", directory.path());
            copy.args(["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-sync"]);
            copy.args(["--host=127.0.0.1", "--username=levqor"]);
            copy.arg(format!("--port={}", self.address.port())).arg("--pgdata").arg(data(&directory));
            run(&mut copy).with_context(|| format!("the server said last:\n{}", self.log))?;
            Self::launch(self.programs.clone(), self.settings.clone(), directory, address)
        };
        address.map_or_else(|| start_somewhere(make), make)
    }

    fn launch(
        programs: Programs,
        settings: Vec<String>,
        directory: Directory,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let mut server = programs.command("postgres", directory.path());
        server.arg("-D").arg(data(&directory)).args(["-h", "127.0.0.1", "-p", &address.port().to_string()]);
        for setting in OWN_SETTINGS.iter().copied().chain(settings.iter().map(String::as_str)) {
            server.args(["-c", setting]);
        }
        // What a terminal tells us is not meant for it.
        server.process_group(0).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = server.spawn().context("postgres cannot be run")?;
        let charge = warden::process(child.id(), How::Quit).inspect_err(|_| end(&mut child))?;
        let said = child.stderr.take().context("what the server says cannot be heard")?;
        let log = Log::until_ready(said).inspect_err(|_| end(&mut child))?;
        let databases = AtomicU64::new(0);
        Ok(Self { programs, address, settings, databases, log, child, _charge: charge, directory })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it said last.
    pub fn log(&self) -> String {
        self.log.to_string()
    }

    /// The URL of an empty database; it goes with the server.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn database(&self) -> anyhow::Result<String> {
        Ok(self.url(&self.create(&[])?))
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{}@{}/{database}", self.who(), self.address)
    }

    /// Who connects, as URLs have it.
    pub(crate) fn who(&self) -> String {
        match &self.programs.password {
            Some(Password(password)) => format!("levqor:{password}"),
            None => "levqor".to_owned(),
        }
    }

    /// The name of a new database.
    pub(crate) fn create(&self, options: &[&str]) -> anyhow::Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let arguments: Vec<&str> = options.iter().copied().chain([name.as_str()]).collect();
        self.client("createdb", &arguments)
            .with_context(|| format!("the server said last:\n{}", self.log))?;
        Ok(name)
    }

    fn client(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let mut client = self.programs.command(program, self.directory.path());
        client.args(["--host=127.0.0.1", "--username=levqor", "--maintenance-db=postgres"]);
        run(client.arg(format!("--port={}", self.address.port())).args(arguments))
    }

    /// Changes settings that a running server can change; they replace those of the last time.
    pub(crate) fn set(&self, settings: &str) -> anyhow::Result<()> {
        write(&data(&self.directory).join(LIVE_SETTINGS), settings.as_bytes(), self.programs.user)?;
        send(&self.child, Signal::HUP)
    }

    /// Makes a standby a primary; it takes writes then.
    pub(crate) fn promote(&self) -> anyhow::Result<()> {
        let mut control = self.programs.command("pg_ctl", self.directory.path());
        run(control.args(["promote", "--wait", "--pgdata"]).arg(data(&self.directory)))
            .with_context(|| format!("the server said last:\n{}", self.log))
    }

    /// SIGSTOP to all of its processes, as a machine whose programs stand still. It can only be killed from here.
    pub(crate) fn freeze(&self) -> anyhow::Result<()> {
        // The parent first, so that no more are born.
        send(&self.child, Signal::STOP)?;
        for worker in children(self.child.id()).into_iter().filter_map(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(worker, Signal::STOP);
        }
        Ok(())
    }

    /// SIGKILL to all of its processes, as a machine that dies.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        let workers = children(self.child.id());
        self.child.kill()?;
        for worker in workers.into_iter().filter_map(Pid::from_raw) {
            // It may have gone with its parent.
            let _ = kill_process(worker, Signal::KILL);
        }
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// At once, but it gives back what it has of the system. One that is dead already is left alone.
fn end(child: &mut Child) {
    if child.try_wait().is_ok_and(|ended| ended.is_some()) {
        return;
    }
    // One that stands still hears of it when it goes on.
    if send(child, Signal::QUIT).and_then(|()| send(child, Signal::CONT)).is_err() {
        let _ = child.kill();
    }
    let _ = child.wait();
}

fn send(child: &Child, signal: Signal) -> anyhow::Result<()> {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("it has no id")?;
    kill_process(id, signal).context("the server cannot be told")
}

/// Processes of that parent; none where the system does not tell.
fn children(parent: u32) -> Vec<i32> {
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    let is_child = |id: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The name before it is in parentheses and may hold anything.
        let parent_of = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        parent_of == Some(parent)
    };
    all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_child).collect()
}

/// Who finds a free port does not have it yet.
fn start_somewhere(make: impl Fn(SocketAddr) -> anyhow::Result<Postgres>) -> anyhow::Result<Postgres> {
    for _ in 1..PORTS_TRIED {
        match make(free_address()?) {
            Err(error) if format!("{error:#}").contains("Address already in use") => {}
            made => return made,
        }
    }
    make(free_address()?)
}

fn data(directory: &Directory) -> PathBuf {
    directory.path().join("data")
}

fn write(path: &Path, content: &[u8], user: Option<(u32, u32)>) -> anyhow::Result<()> {
    std::fs::write(path, content).with_context(|| path.display().to_string())?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    if let Some((user, group)) = user {
        chown(path, Some(user), Some(group))?;
    }
    Ok(())
}
