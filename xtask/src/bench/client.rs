//! The load generator: connections that are kept, a thread each, and no more work than a request needs.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::{exchange::read_message, times::Times};

/// Longer than anything takes that is answered at all.
const PATIENCE: Duration = Duration::from_secs(90);

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    key: String,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    /// # Errors
    /// When nobody listens.
    pub fn connect(address: SocketAddr, key: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("nobody listens on {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, key: key.to_owned(), request: Vec::new(), answer: Vec::new() })
    }

    /// The body of the answer, whose status must be a success.
    ///
    /// # Errors
    /// When there is no answer, or one that refuses.
    pub fn send(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<&[u8]> {
        self.request.clear();
        write!(
            self.request,
            "{method} {path} HTTP/1.1\r\nHost: levqor\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        )?;
        self.stream.write_all(&self.request)?;
        let Some(message) = read_message(&mut self.stream, &mut self.answer)? else {
            bail!("{method} {path}: the server hung up");
        };
        let body = &self.answer[message.body..message.end];
        if self.answer.get(9) != Some(&b'2') {
            bail!("{method} {path} was refused: {}", String::from_utf8_lossy(body));
        }
        Ok(body)
    }

    /// # Errors
    /// As [`Client::send`], and when the answer is not JSON.
    pub fn json(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(self.send(method, path, body)?)?)
    }
}

/// When a load ends.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    Span(Duration),
    /// So many operations of all clients together.
    Count(usize),
}

/// What a load gave.
#[derive(Debug)]
pub struct Load {
    pub per_second: f64,
    pub times: Times,
}

/// Has `clients` threads do `operation` again and again, each with a connection of its own.
///
/// # Errors
/// The first of an operation.
pub fn load(
    clients: usize,
    until: Until,
    connect: impl Fn() -> anyhow::Result<Client> + Sync,
    operation: impl Fn(&mut Client) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<Load> {
    let stop = AtomicBool::new(false);
    let begun = Instant::now();
    let one = |share: usize| -> anyhow::Result<Times> {
        let mut client = connect()?;
        let mut times = Times::default();
        while !stop.load(Ordering::Relaxed) && times.count() < share {
            let sent = Instant::now();
            operation(&mut client).inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
            times.add(sent.elapsed());
        }
        Ok(times)
    };
    let mut times = Times::default();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|client| {
                let share = match until {
                    Until::Span(_) => usize::MAX,
                    Until::Count(count) => count / clients + usize::from(client < count % clients),
                };
                scope.spawn(move || one(share))
            })
            .collect();
        if let Until::Span(span) = until {
            thread::sleep(span);
            stop.store(true, Ordering::Relaxed);
        }
        for thread in threads {
            let joined = thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))?;
            times.merge(joined?);
        }
        anyhow::Ok(())
    })?;
    Ok(Load { per_second: times.count() as f64 / begun.elapsed().as_secs_f64(), times })
}
