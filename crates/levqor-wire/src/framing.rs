//! Where a request ends: refused when that can be read in two ways.
//!
//! Request smuggling lives on such doubt. The HTTP library settles most of it silently (of `Content-Length` beside
//! `Transfer-Encoding` it drops one), which is correct, but hides an attack from us and from whoever stands in front. So
//! the bytes of an HTTP/1 connection pass by here first. Invariant: this only refuses; what is served is what the library
//! reads.
//!
//! A wish for another protocol (`Upgrade`) is an ordinary request, or whoever sends one would be looked at no more. Where such wishes are
//! granted ([`Guarded::with_tunnels`]), the looking ends with one, and nothing else may be served on its connection.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// The HTTP library is told to refuse larger heads.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
const CHUNK_LINE_BYTES_MAX: usize = 16 * 1024;

/// Reads along an HTTP/1 connection.
#[derive(Debug)]
pub struct Scanner {
    state: State,
    /// Of a head or a line that has not ended yet.
    partial: Vec<u8>,
    /// A connection may become a tunnel.
    tunnels: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    ChunkLine,
    /// Bytes of data, then CRLF.
    Chunk(u64),
    TrailerLine,
    /// Another protocol, or refused already.
    Off,
}

/// The end of a request could be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ambiguous;

enum Framing {
    None,
    Length(u64),
    Chunked,
    /// What follows is of another protocol.
    NoMore,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { state: State::Head, partial: Vec::new(), tunnels: false }
    }
}

impl Scanner {
    /// Takes in what was read.
    ///
    /// # Errors
    /// [`Ambiguous`], once; then the scanner rests.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Ambiguous> {
        let fed = self.advance(bytes);
        if fed.is_err() {
            self.state = State::Off;
            self.partial = Vec::new();
        }
        fed
    }

    fn advance(&mut self, mut bytes: &[u8]) -> Result<(), Ambiguous> {
        while !bytes.is_empty() {
            match self.state {
                State::Off => return Ok(()),
                State::Head => {
                    let Some(rest) = self.head(bytes)? else { return Ok(()) };
                    bytes = rest;
                }
                State::Length(left) | State::Chunk(left) => {
                    let taken = left.min(bytes.len() as u64);
                    bytes = &bytes[usize::try_from(taken).unwrap_or(bytes.len())..];
                    let left = left - taken;
                    self.state = match (self.state, left) {
                        (State::Length(_), 0) => State::Head,
                        (State::Length(_), left) => State::Length(left),
                        (_, 0) => State::ChunkLine,
                        (_, left) => State::Chunk(left),
                    };
                }
                State::ChunkLine | State::TrailerLine => {
                    let Some(rest) = self.line(bytes)? else { return Ok(()) };
                    bytes = rest;
                }
            }
        }
        Ok(())
    }

    /// Reads on in a head; gives what follows it.
    fn head<'a>(&mut self, mut bytes: &'a [u8]) -> Result<Option<&'a [u8]>, Ambiguous> {
        if self.partial.is_empty() {
            // Empty lines before a request are to be ignored.
            let start = bytes.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(bytes.len());
            bytes = &bytes[start..];
            if let Some(end) = head_end(bytes, 0) {
                self.state = after_head(&bytes[..end], self.tunnels)?;
                return Ok(Some(&bytes[end..]));
            }
        }
        let before = self.partial.len();
        self.partial.extend_from_slice(bytes);
        match head_end(&self.partial, before.saturating_sub(3)) {
            Some(end) => {
                self.state = after_head(&self.partial[..end], self.tunnels)?;
                self.partial.clear();
                Ok(Some(&bytes[end - before..]))
            }
            None if self.partial.len() > HEAD_BYTES_MAX => {
                (self.state, self.partial) = (State::Off, Vec::new());
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Reads on in the line before a chunk or in a trailer; gives what follows it.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>, Ambiguous> {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            self.partial.extend_from_slice(bytes);
            return if self.partial.len() > CHUNK_LINE_BYTES_MAX { Err(Ambiguous) } else { Ok(None) };
        };
        self.partial.extend_from_slice(&bytes[..end]);
        let line = std::mem::take(&mut self.partial);
        let Some(line) = line.strip_suffix(b"\r") else { return Err(Ambiguous) };
        self.state = match (self.state, line.is_empty()) {
            (State::TrailerLine, true) => State::Head,
            (State::TrailerLine, false) => State::TrailerLine,
            (_, _) => {
                let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
                let size = std::str::from_utf8(size).ok().map(|text| text.trim_end_matches([' ', '\t']));
                let plain =
                    |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                match size.filter(plain).and_then(|text| u64::from_str_radix(text, 16).ok()) {
                    Some(0) => State::TrailerLine,
                    Some(size) => State::Chunk(size.checked_add(2).ok_or(Ambiguous)?),
                    None => return Err(Ambiguous),
                }
            }
        };
        Ok(Some(&bytes[end + 1..]))
    }
}

/// Where a head ends: behind the empty line.
fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(next) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        let end = at + next + 1;
        match &bytes[end..] {
            [b'\n', ..] => return Some(end + 1),
            [b'\r', b'\n', ..] => return Some(end + 2),
            _ => at = end,
        }
    }
    None
}

fn after_head(head: &[u8], tunnels: bool) -> Result<State, Ambiguous> {
    Ok(match framing(head, tunnels)? {
        Framing::None => State::Head,
        Framing::Length(length) => State::Length(length),
        Framing::Chunked => State::ChunkLine,
        Framing::NoMore => State::Off,
    })
}

fn framing(head: &[u8], tunnels: bool) -> Result<Framing, Ambiguous> {
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    if first.starts_with(b"PRI * HTTP/2.0") {
        return Ok(Framing::NoMore);
    }
    let mut length: Option<u64> = None;
    let (mut chunked, mut upgrade) = (false, Upgrade::default());
    let mut ended = first.ends_with(b"\r");
    for line in lines {
        // A bare line feed is where readers differ.
        if !ended {
            return Err(Ambiguous);
        }
        let Some(line) = line.strip_suffix(b"\r") else {
            ended = line.is_empty();
            continue;
        };
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            // The empty line; others are refused by the library.
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        // A folded line, or a name that ends in a space.
        if name.first().is_some_and(u8::is_ascii_whitespace)
            || name.last().is_some_and(u8::is_ascii_whitespace)
        {
            return Err(Ambiguous);
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let number =
                std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
            if length.is_some() || chunked || number.is_none() {
                return Err(Ambiguous);
            }
            length = number;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if length.is_some() || chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Ambiguous);
            }
            chunked = true;
        } else {
            upgrade.read(name, value);
        }
    }
    Ok(match (chunked, length) {
        (true, _) => Framing::Chunked,
        (false, Some(length @ 1..)) => Framing::Length(length),
        // One that has a body first is not granted.
        (false, _) if tunnels && upgrade.is_wanted(first) => Framing::NoMore,
        (false, _) => Framing::None,
    })
}

/// What a head says of another protocol. Never more than whoever grants it sees, or requests would pass by unseen.
#[derive(Default)]
struct Upgrade {
    /// By `Connection`.
    asked: bool,
    /// By `Upgrade`.
    named: bool,
    /// Plain HTTP/2, which is not granted: clients ask for it and go on without.
    http_2: bool,
}

impl Upgrade {
    fn read(&mut self, name: &[u8], value: &[u8]) {
        if name.eq_ignore_ascii_case(b"upgrade") {
            self.named = true;
            self.http_2 |= value.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"h2c"));
        } else if name.eq_ignore_ascii_case(b"connection") {
            // What is no text is read by nobody.
            self.asked |= value.is_ascii()
                && value
                    .split(|byte| *byte == b',')
                    .any(|word| word.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
        }
    }

    fn is_wanted(&self, first_line: &[u8]) -> bool {
        self.asked && self.named && !self.http_2 && first_line.trim_ascii_end().ends_with(b" HTTP/1.1")
    }
}

/// A connection whose bytes are looked at on their way in, and whose peer has to read what is sent.
#[derive(Debug)]
pub struct Guarded<S> {
    stream: S,
    scanner: Scanner,
    ambiguous: Arc<AtomicBool>,
    stall: Duration,
    /// Runs while the peer does not read.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Guarded<S> {
    /// `ambiguous` becomes true when a request is.
    pub fn new(stream: S, ambiguous: Arc<AtomicBool>, stall: Duration) -> Self {
        Self { stream, scanner: Scanner::default(), ambiguous, stall, stalled: None }
    }

    /// The connection may become a tunnel. Whoever serves it closes it after each answer to such a wish that is no 101.
    #[must_use]
    pub fn with_tunnels(mut self) -> Self {
        self.scanner.tunnels = true;
        self
    }

    fn watch_stall<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let stall = self.stall;
        let sleep = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        match sleep.as_mut().poll(context) {
            Poll::Ready(()) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.scanner.state != State::Off
            && let Poll::Ready(Ok(())) = &polled
            && self.scanner.feed(&buffer.filled()[before..]).is_err()
        {
            self.ambiguous.store(true, Ordering::Release);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch_stall(context, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.watch_stall(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch_stall(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch_stall(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &[&str] = &[
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\na;x=1\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n",
        // What stands in a body is no header.
        "POST / HTTP/1.1\r\nContent-Length: 40\r\n\r\nTransfer-Encoding: chunked\r\nContent-Length",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        // As Java's client begins without TLS, also with a body.
        "POST / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n\r\n",
    ];

    /// Of what follows, nothing is said where wishes for tunnels are granted.
    const TUNNELS: &[&str] = &[
        "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nUpgrade: x\r\nConnection: keep-alive, upgrade\r\nContent-Length: 0\r\n\r\n",
    ];

    /// These ask for none, or for one that nobody grants.
    const NO_TUNNELS: &[&str] = &[
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nConnection: upgrade\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: H2C\r\n\r\n",
        "POST / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 5\r\n\r\nhello",
        "CONNECT a:1 HTTP/1.1\r\n\r\n",
    ];

    const BAD: &[&str] = &[
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nX: a\r\n Content-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nX: a\nContent-Length: 5\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        "GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ];

    fn scan(text: &[u8], step: usize) -> Result<(), Ambiguous> {
        let mut scanner = Scanner::default();
        text.chunks(step).try_for_each(|piece| scanner.feed(piece))
    }

    #[test]
    fn doubt_is_found_however_the_bytes_arrive() {
        for step in [1, 2, 3, 7, 4_096] {
            for text in GOOD {
                assert_eq!(scan(text.as_bytes(), step), Ok(()), "{step}: {text:?}");
            }
            for text in BAD {
                assert_eq!(scan(text.as_bytes(), step), Err(Ambiguous), "{step}: {text:?}");
            }
        }
    }

    #[test]
    fn a_wish_for_a_tunnel_ends_the_looking_only_where_it_is_granted() {
        let attack = "POST / HTTP/1.1\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n";
        let found = |wish: &str, tunnels: bool| {
            let mut scanner = Scanner { tunnels, ..Scanner::default() };
            scanner.feed(wish.as_bytes()).and_then(|()| scanner.feed(attack.as_bytes()))
        };
        for wish in TUNNELS {
            assert_eq!((found(wish, true), found(wish, false)), (Ok(()), Err(Ambiguous)), "{wish:?}");
        }
        for wish in NO_TUNNELS {
            assert_eq!((found(wish, true), found(wish, false)), (Err(Ambiguous), Err(Ambiguous)), "{wish:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_and_read_the_same_in_pieces(
            bytes in prop::collection::vec(prop::sample::select(
                b"\r\n\r\n: 05afPOST HTTP/1.1content-lengthTransfer-Encodingchunked;".to_vec()), 0..300),
            step in 1..50usize,
        ) {
            prop_assert_eq!(scan(&bytes, step), scan(&bytes, bytes.len().max(1)));
        }
    }
}
