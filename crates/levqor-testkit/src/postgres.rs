//! A PostgreSQL of one's own, thrown away with the process that started it, however that ends.
//!
//! ```text
//! test ──pipe──► sh ──► postgres
//! ```
//!
//! The shell waits for the end of the pipe, which comes with the end of the test's process, then stops the server and removes
//! its directory.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fs::Permissions,
    io::{BufRead, BufReader, Lines},
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context as _, bail, ensure};

/// Ends with its standard input.
const KEEPER: &str = r#"dir=$1; shift; "$@" </dev/null & server=$!; exec 2>/dev/null
cat >/dev/null; kill -QUIT $server; wait $server; rm -rf "$dir""#;

/// How often a port is looked for: who finds a free one does not have it yet.
const PORTS_TRIED: usize = 10;

/// Lines that are kept of what a server says, to tell why it no longer answers.
const LINES_KEPT: usize = 30;

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    binaries: PathBuf,
    address: SocketAddr,
    databases: AtomicU64,
    log: Arc<Mutex<VecDeque<String>>>,
    /// Its standard input is what it waits for.
    _keeper: Child,
}

impl Postgres {
    /// The one server of this process, started when it is first asked for. It writes nothing to the disk in time: its databases
    /// are for suites that ask what is written, not whether it stays. Nor does it take much of it: its log is short, and a
    /// database goes with the thread that asked for it.
    ///
    /// # Panics
    /// When there is no PostgreSQL, or it does not start; the message says why.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| {
            let settings = [
                "fsync=off",
                "synchronous_commit=off",
                "full_page_writes=off",
                "wal_level=minimal",
                "max_wal_senders=0",
                "min_wal_size=32MB",
                "max_wal_size=64MB",
            ];
            Self::start(&settings, &[])
                .unwrap_or_else(|error| panic!("no PostgreSQL for the tests: {error:#}"))
        })
    }

    /// Makes a cluster with these files beside its own, and starts its server on a free local port.
    ///
    /// # Errors
    /// When there is none, or it does not start.
    pub fn start(settings: &[&str], files: &[(&str, &[u8])]) -> anyhow::Result<Self> {
        for _ in 1..PORTS_TRIED {
            match Self::start_once(settings, files) {
                Err(error) if error.to_string().contains("Address already in use") => {}
                started => return started,
            }
        }
        Self::start_once(settings, files)
    }

    fn start_once(settings: &[&str], files: &[(&str, &[u8])]) -> anyhow::Result<Self> {
        let binaries = binaries()?;
        let scratch = tempfile::Builder::new().prefix("levqor-postgres-").tempdir()?;
        let directory = scratch.path().to_owned();
        let user = unprivileged()?;
        if let Some((user, group)) = user {
            chown(&directory, Some(user), Some(group)).context("the directory cannot be given away")?;
        }
        let data = directory.join("data");
        let mut initdb = Command::new(binaries.join("initdb"));
        initdb.args(["--username=levqor", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]);
        initdb.arg("--pgdata").arg(&data);
        run(as_user(&mut initdb, user).current_dir(&directory))?;
        for (name, content) in files {
            let path = data.join(name);
            std::fs::write(&path, content)?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            if let Some((user, group)) = user {
                chown(&path, Some(user), Some(group))?;
            }
        }

        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(&directory).arg(binaries.join("postgres"));
        keeper.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-p", &address.port().to_string()]);
        keeper.args([
            "-c",
            "unix_socket_directories=",
            "-c",
            "max_connections=500",
            "-c",
            "logging_collector=off",
        ]);
        for setting in settings {
            keeper.args(["-c", setting]);
        }
        let mut keeper = as_user(&mut keeper, user)
            .current_dir(&directory)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("sh cannot be run")?;
        // From here on the keeper removes it.
        let _ = scratch.keep();
        let said = keeper.stderr.take().context("what the server says cannot be heard")?;
        let log = wait_until_ready(BufReader::new(said).lines())?;
        Ok(Self { binaries, address, databases: AtomicU64::new(0), log, _keeper: keeper })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of an empty database.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn database(&self) -> anyhow::Result<String> {
        self.database_with(&[])
    }

    /// The same, made with these options of `createdb`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn database_with(&self, options: &[&str]) -> anyhow::Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let borrowed = Borrowed { binaries: self.binaries.clone(), address: self.address, name };
        borrowed
            .client("createdb", options)
            .with_context(|| format!("the server said last:\n{}", text(&self.log)))?;
        let url = format!("postgres://levqor@{}/{}", self.address, borrowed.name);
        BORROWED.with_borrow_mut(|all| all.push(borrowed));
        Ok(url)
    }
}

/// A database that goes with the thread that asked for it.
struct Borrowed {
    binaries: PathBuf,
    address: SocketAddr,
    name: String,
}

impl Borrowed {
    fn client(&self, program: &str, options: &[&str]) -> anyhow::Result<()> {
        let mut client = Command::new(self.binaries.join(program));
        client.args(["--host=127.0.0.1", "--username=levqor", "--maintenance-db=postgres"]);
        client.arg(format!("--port={}", self.address.port())).args(options).arg(&self.name);
        run(&mut client)
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // What stays goes with the server.
        let _ = self.client("dropdb", &["--force", "--if-exists"]);
    }
}

thread_local! {
    static BORROWED: RefCell<Vec<Borrowed>> = const { RefCell::new(Vec::new()) };
}

/// Reads what the server says until it takes connections, and goes on reading; the last lines are there to be looked at.
fn wait_until_ready(mut said: Lines<BufReader<ChildStderr>>) -> anyhow::Result<Arc<Mutex<VecDeque<String>>>> {
    let log = Arc::default();
    loop {
        let Some(line) = said.next().transpose()? else {
            bail!("it ended before it was ready; it says:\n{}", text(&log));
        };
        let ready = line.contains("ready to accept");
        keep(&log, line);
        if ready {
            break;
        }
    }
    let kept = Arc::clone(&log);
    std::thread::spawn(move || said.map_while(Result::ok).for_each(|line| keep(&kept, line)));
    Ok(log)
}

fn keep(log: &Mutex<VecDeque<String>>, line: String) {
    let mut lines = log.lock().unwrap_or_else(PoisonError::into_inner);
    lines.push_back(line);
    if lines.len() > LINES_KEPT {
        lines.pop_front();
    }
}

fn text(log: &Mutex<VecDeque<String>>) -> String {
    let lines = log.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// PostgreSQL does not run as root: then it is somebody else.
fn unprivileged() -> anyhow::Result<Option<(u32, u32)>> {
    use std::os::unix::fs::MetadataExt as _;
    if std::fs::metadata("/proc/self")?.uid() != 0 {
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

fn as_user(command: &mut Command, user: Option<(u32, u32)>) -> &mut Command {
    match user {
        Some((user, group)) => command.uid(user).gid(group),
        None => command,
    }
}

/// Where `initdb` and `postgres` are: on the `PATH`, or where Debian has them, the newest.
fn binaries() -> anyhow::Result<PathBuf> {
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

fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{name} cannot be run"))?;
    ensure!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
