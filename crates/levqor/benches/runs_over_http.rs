//! What the whole binary does on this machine: start, memory, and three-task durable runs over HTTP beside the raw
//! limit of the disk, all in the same run.
//!
//! `cargo bench -p levqor --bench runs_over_http` prints a Markdown table. The raw limit is what plain SQLite commits
//! with the same synchronisation: two journal rows a run, in batches of as many as there are clients.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use levqor_testkit::{Server, ServerSetup, temp_dir};
use rusqlite::Connection;
use serde_json::{Value, json};

const CLIENTS: usize = 64;
const LOAD: Duration = Duration::from_secs(8);
const STARTS: usize = 11;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let binary = Path::new(env!("CARGO_BIN_EXE_levqor"));
    let size = fs::metadata(binary).map(|file| file.len()).unwrap_or_default();
    let start = start_to_first_200(binary);
    let directory = temp_dir();
    let setup = setup(binary, directory.path());
    let server = runtime.block_on(Server::start(&setup)).expect("the server starts");
    let key = runtime.block_on(server.line("lvq_")).trim().to_owned();
    let idle = resident_kib(server.id());
    let target = Target::new(server.address(), key);
    let workflow = target.create();
    let one = load(&target, &workflow, 1);
    let many = load(&target, &workflow, CLIENTS);
    let loaded = resident_kib(server.id());
    drop(server);
    let raw = raw_runs_per_second(directory.path(), CLIENTS);
    println!("| what | figure |\n| --- | --- |");
    println!("| binary size | {:.1} MB |", size as f64 / 1e6);
    println!(
        "| start to first 200 on /health, median of {STARTS} (first start included) | {:.1} ms |",
        start.as_secs_f64() * 1e3
    );
    println!("| resident memory, idle after start | {:.1} MB |", idle as f64 / 1024.0);
    println!("| resident memory after the load | {:.1} MB |", loaded as f64 / 1024.0);
    println!(
        "| three-task runs/s over HTTP, {CLIENTS} clients, start to result | {:.0} (p50 {:.1} ms, p99 {:.1} ms) |",
        many.rate, many.p50, many.p99
    );
    println!("| the same, one client | {:.0} (p50 {:.2} ms, p99 {:.2} ms) |", one.rate, one.p50, one.p99);
    println!("| raw limit: the same rows in batched commits, plain SQLite, runs/s | {raw:.0} |");
    println!("| share of the raw limit | {:.1} % |", 100.0 * many.rate / raw);
}

fn setup(binary: &Path, directory: &Path) -> ServerSetup {
    ServerSetup::new(binary, directory).expect("a free port").env("LEVQOR_LOG", "warn")
}

/// Median time from spawning the process to the first 200, each time in a new directory.
fn start_to_first_200(binary: &Path) -> Duration {
    let mut times: Vec<_> = (0..STARTS)
        .map(|_| {
            let directory = temp_dir();
            let setup = setup(binary, directory.path());
            let begun = Instant::now();
            let _server = Server::spawn(&setup).expect("the server starts");
            while !is_up(setup.address) {
                thread::yield_now();
            }
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn is_up(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut head = [0; 12];
    write!(stream, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").is_ok()
        && stream.read_exact(&mut head).is_ok()
        && &head == b"HTTP/1.1 200"
}

fn resident_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}

#[derive(Clone)]
struct Target {
    address: SocketAddr,
    key: String,
}

struct Figures {
    rate: f64,
    p50: f64,
    p99: f64,
}

impl Target {
    fn new(address: SocketAddr, key: String) -> Self {
        Self { address, key }
    }

    fn create(&self) -> String {
        let definition = json!({
            "document": { "dsl": "1.0.3", "namespace": "bench", "name": "three", "version": "0.1.0" },
            "do": [
                { "double": { "set": { "n": "${ .n * 2 }" } } },
                { "name": { "set": { "n": "${ .n }", "name": "${ \"number \\(.n)\" }" } } },
                { "judge": { "set": { "n": "${ .n }", "even": "${ .n % 2 == 0 }" } } },
            ],
        });
        let mut client = Client::connect(self);
        let answer = client.post("/api/workflows", &json!({ "definition": definition }).to_string());
        answer["id"].as_str().expect("the workflow is created").to_owned()
    }
}

/// A connection that is kept, and reads answers that have a length; leaner than a real client on shared cores.
struct Client {
    stream: TcpStream,
    key: String,
    buffer: Vec<u8>,
}

impl Client {
    fn connect(target: &Target) -> Self {
        let stream = TcpStream::connect(target.address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket option");
        Self { stream, key: target.key.clone(), buffer: Vec::new() }
    }

    fn post(&mut self, path: &str, body: &str) -> Value {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).expect("the request is sent");
        self.buffer.clear();
        let mut chunk = [0; 8192];
        let head = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let read = self.stream.read(&mut chunk).expect("an answer comes");
            assert!(read > 0, "the server hung up");
            self.buffer.extend_from_slice(&chunk[..read]);
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_lowercase();
        let length: usize = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .and_then(|length| length.trim().parse().ok())
            .expect("answers have a length");
        while self.buffer.len() < head + length {
            let read = self.stream.read(&mut chunk).expect("the rest comes");
            assert!(read > 0, "the server hung up");
            self.buffer.extend_from_slice(&chunk[..read]);
        }
        serde_json::from_slice(&self.buffer[head..head + length]).expect("answers are JSON")
    }
}

fn load(target: &Target, workflow: &str, clients: usize) -> Figures {
    let stop = Arc::new(AtomicBool::new(false));
    let path = format!("/api/workflows/{workflow}/runs");
    let begun = Instant::now();
    let threads: Vec<_> = (0..clients)
        .map(|n| {
            let (target, stop, path) = (target.clone(), Arc::clone(&stop), path.clone());
            thread::spawn(move || {
                let mut client = Client::connect(&target);
                let body = json!({ "input": { "n": n }, "wait_seconds": 30 }).to_string();
                let mut times = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let sent = Instant::now();
                    let run = client.post(&path, &body);
                    assert_eq!(run["status"], "completed", "{run}");
                    times.push(sent.elapsed().as_secs_f64() * 1e3);
                }
                times
            })
        })
        .collect();
    // The one place that waits for a time: it is the length of the load.
    thread::park_timeout(LOAD);
    stop.store(true, Ordering::Relaxed);
    let mut times: Vec<f64> =
        threads.into_iter().flat_map(|thread| thread.join().expect("a client ends")).collect();
    let seconds = begun.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    Figures { rate: times.len() as f64 / seconds, p50: at(0.5), p99: at(0.99) }
}

/// Two rows of journal size a run, `batch` rows a transaction, WAL with full synchronisation.
fn raw_runs_per_second(directory: &Path, batch: usize) -> f64 {
    let mut connection = Connection::open(directory.join("raw.db")).expect("a database");
    connection
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
             CREATE TABLE raw (run INTEGER NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, seq)) WITHOUT ROWID;",
        )
        .expect("a table");
    let body = "x".repeat(300);
    let begun = Instant::now();
    let mut rows: i64 = 0;
    while begun.elapsed() < LOAD {
        let transaction = connection.transaction().expect("a transaction");
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO raw (run, seq, body) VALUES (?1, ?2, ?3)")
                .expect("a statement");
            for _ in 0..batch {
                insert.execute((rows / 2, rows % 2, &body)).expect("a row");
                rows += 1;
            }
        }
        transaction.commit().expect("a commit");
    }
    rows as f64 / 2.0 / begun.elapsed().as_secs_f64()
}
