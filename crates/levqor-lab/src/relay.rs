//! A wire between two processes that can be slow, silent or cut: a relay of TCP connections, each direction by itself.
//!
//! ```text
//! client ──► relay ──there──► server
//!        ◄──       ◄──back───
//! ```
//!
//! A silent direction holds what is sent: when it speaks again, all of it arrives, as TCP would have it sent again. New connections
//! are taken meanwhile and nothing comes back, as with a machine whose programs stand still; whoever relies on the system's own
//! notice of silence waits in vain. A wire that is cut resets what is open and refuses what is new.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use crate::ports::free_address;

/// Open at once; more are closed unheard.
const CONNECTIONS_MAX: usize = 1_000;
/// Read at once, and so many of them are under way in a direction; then its sender has to wait.
const PIECE_BYTES: usize = 16 * 1024;
const PIECES: usize = 64;

/// How bytes pass in a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    Open,
    /// Each byte arrives so much later.
    Slow(Duration),
    /// Nothing arrives.
    Silent,
}

/// Which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From whoever connects.
    There,
    Back,
    Both,
}

/// A relay before one server; it ends with the value.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    wire: watch::Sender<Wire>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy)]
struct Wire {
    there: Passage,
    back: Passage,
    is_cut: bool,
}

impl Relay {
    /// Needs a runtime of tokio.
    ///
    /// # Errors
    /// When no local port can be had.
    pub fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let address = free_address()?;
        let listener = listen(address).context("the relay cannot listen")?;
        let (wire, watched) =
            watch::channel(Wire { there: Passage::Open, back: Passage::Open, is_cut: false });
        let task = tokio::spawn(serve(listener, target, watched));
        Ok(Self { address, wire, task })
    }

    /// Where to connect instead of at the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn set(&self, direction: Direction, passage: Passage) {
        self.wire.send_modify(|wire| {
            if direction != Direction::Back {
                wire.there = passage;
            }
            if direction != Direction::There {
                wire.back = passage;
            }
        });
    }

    /// Resets all connections and refuses new ones, until it is mended.
    pub fn cut(&self) {
        self.wire.send_modify(|wire| wire.is_cut = true);
    }

    /// Everything passes again.
    pub fn mend(&self) {
        self.wire.send_replace(Wire { there: Passage::Open, back: Passage::Open, is_cut: false });
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Its connections end with it.
        self.task.abort();
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Takes connections while the wire is whole.
async fn serve(listener: TcpListener, target: SocketAddr, mut wire: watch::Receiver<Wire>) {
    let Ok(address) = listener.local_addr() else { return };
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        let is_cut = wire.borrow_and_update().is_cut;
        if is_cut {
            listener = None;
            connections.shutdown().await;
        } else if listener.is_none() {
            listener = listen(address).ok();
        }
        tokio::select! {
            changed = wire.changed() => if changed.is_err() { return },
            taken = accept(listener.as_ref()) => {
                if connections.len() < CONNECTIONS_MAX {
                    connections.spawn(connect(taken, target, wire.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The next connection; never one without a listener.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    loop {
        match listener {
            Some(listener) => match listener.accept().await {
                Ok((stream, _)) => return stream,
                // Out of descriptors, for one; the others may end.
                Err(_) => tokio::task::yield_now().await,
            },
            None => std::future::pending().await,
        }
    }
}

async fn connect(client: TcpStream, target: SocketAddr, wire: watch::Receiver<Wire>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    // Small messages are not to wait for more; where the system refuses they do.
    let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    let there = pass(client_reads, server_writes, wire.clone(), |wire| wire.there);
    let back = pass(server_reads, client_writes, wire, |wire| wire.back);
    tokio::join!(there, back);
}

/// One direction to its end: one half reads and notes when, the other writes when it may.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut wire: watch::Receiver<Wire>,
    way: fn(&Wire) -> Passage,
) {
    let (sender, mut pieces) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES);
    let read = async move {
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            let count = from.read(&mut buffer).await.unwrap_or_default();
            let piece = buffer.get(..count).unwrap_or_default().to_vec();
            // An empty piece is the end.
            if sender.send((Instant::now(), piece)).await.is_err() || count == 0 {
                return;
            }
        }
    };
    let write = async move {
        while let Some((since, piece)) = pieces.recv().await {
            loop {
                let passage = way(&wire.borrow_and_update());
                let due = match passage {
                    Passage::Open => break,
                    Passage::Slow(delay) => Some(since + delay),
                    Passage::Silent => None,
                };
                match due {
                    Some(due) if due <= Instant::now() => break,
                    Some(due) => {
                        tokio::select! {
                            () = tokio::time::sleep_until(due) => {}
                            changed = wire.changed() => if changed.is_err() { return },
                        }
                    }
                    None => {
                        if wire.changed().await.is_err() {
                            return;
                        }
                    }
                }
            }
            if piece.is_empty() || to.write_all(&piece).await.is_err() {
                break;
            }
        }
        // The other side may have gone already.
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);
    const LITTLE: Duration = Duration::from_millis(100);

    /// Sends back what it gets.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut reads, mut writes) = stream.split();
                    tokio::io::copy(&mut reads, &mut writes).await
                });
            }
        });
        address
    }

    async fn say(stream: &mut TcpStream, words: &[u8]) -> io::Result<()> {
        stream.write_all(words).await?;
        let mut answer = vec![0; words.len()];
        stream.read_exact(&mut answer).await?;
        assert_eq!(answer, words);
        Ok(())
    }

    #[tokio::test]
    async fn what_is_held_in_a_direction_arrives_whole_and_in_order() {
        for direction in [Direction::There, Direction::Back, Direction::Both] {
            let relay = Relay::start(echo().await).unwrap();
            let mut stream = TcpStream::connect(relay.address()).await.unwrap();
            say(&mut stream, b"open").await.unwrap();
            relay.set(direction, Passage::Silent);
            let words: Vec<u8> =
                (0..100_000_u32).map(|n| u8::try_from(n % 251).unwrap_or_default()).collect();
            assert!(tokio::time::timeout(LITTLE, stream.write_all(&words)).await.is_ok(), "{direction:?}");
            let mut answer = vec![0; words.len()];
            assert!(tokio::time::timeout(LITTLE, stream.read_exact(&mut answer[..1])).await.is_err());
            relay.mend();
            tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
            assert!(answer == words, "{direction:?}");
        }
    }

    #[tokio::test]
    async fn a_slow_wire_takes_its_time_and_loses_no_throughput() {
        let relay = Relay::start(echo().await).unwrap();
        relay.set(Direction::There, Passage::Slow(LITTLE));
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        let begun = Instant::now();
        for _ in 0..20 {
            stream.write_all(b"a word").await.unwrap();
        }
        let mut answer = [0; 120];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert!(begun.elapsed() >= LITTLE);
        // Opened meanwhile: what waits does not go on waiting.
        relay.set(Direction::There, Passage::Slow(PATIENCE));
        stream.write_all(b"another").await.unwrap();
        relay.mend();
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer[..7])).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_cut_wire_ends_what_is_open_and_refuses_what_is_new() {
        let relay = Relay::start(echo().await).unwrap();
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        say(&mut stream, b"open").await.unwrap();
        relay.cut();
        let ended = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 1])).await.unwrap();
        assert!(!matches!(ended, Ok(1..)), "{ended:?}");
        let refused = TcpStream::connect(relay.address()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        relay.mend();
        let mut stream = crate::until("the wire to be whole", PATIENCE, || async {
            TcpStream::connect(relay.address()).await.ok()
        })
        .await
        .unwrap();
        say(&mut stream, b"again").await.unwrap();
    }

    #[tokio::test]
    async fn the_end_of_one_side_reaches_the_other() {
        let relay = Relay::start(echo().await).unwrap();
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        stream.write_all(b"last words").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer, b"last words");
    }
}
