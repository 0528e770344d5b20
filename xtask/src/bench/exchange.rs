//! HTTP/1.1 at its barest: messages with a length, and a server that answers with what it got.
//!
//! The bare exchange is a raw limit, and the callee of workloads that call something. It must cost next to nothing, because
//! it runs on the cores of the server that is measured.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// A thread of the echo holds a buffer and little else.
const STACK_BYTES: usize = 64 * 1024;

/// A message that was read: where its body begins, and how long head and body are together.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    pub body: usize,
    pub end: usize,
}

/// Reads one message into `buffer`, in place of what was in it. None at the end of the stream.
///
/// # Errors
/// The stream's, and when it ends within a message or the message tells no length.
pub fn read_message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Message>> {
    buffer.clear();
    let mut chunk = [0; 16 * 1024];
    let mut message: Option<Message> = None;
    loop {
        if message.is_none() {
            message = head(buffer)?;
        }
        if let Some(message) = message.filter(|message| buffer.len() >= message.end) {
            return Ok(Some(message));
        }
        match stream.read(&mut chunk)? {
            0 if buffer.is_empty() => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => buffer.extend_from_slice(&chunk[..read]),
        }
    }
}

fn head(buffer: &[u8]) -> io::Result<Option<Message>> {
    let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let body = end + 4;
    let length = buffer[..end].split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':')?);
        let is_length = name.eq_ignore_ascii_case(b"content-length");
        is_length.then(|| std::str::from_utf8(&value[1..]).ok()?.trim().parse::<usize>().ok()).flatten()
    });
    let is_request_without_body = buffer.starts_with(b"GET ");
    match length {
        Some(length) => Ok(Some(Message { body, end: body + length })),
        None if is_request_without_body => Ok(Some(Message { body, end: body })),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "a message without a length")),
    }
}

/// Answers each request with its own body; under `/hold` never. Its threads end with their connections.
#[derive(Debug)]
pub struct Echo {
    pub address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Echo {
    /// # Errors
    /// When no local port can be had.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        thread::Builder::new().spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counted = Arc::clone(&counted);
                // A connection that gets no thread is closed, which its client will tell.
                let _ =
                    thread::Builder::new().stack_size(STACK_BYTES).spawn(move || answer(stream, &counted));
            }
        })?;
        Ok(Self { address, requests })
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: TcpStream, requests: &AtomicUsize) {
    let mut buffer = Vec::new();
    let mut answer = Vec::new();
    // Only makes answers faster.
    let _ = stream.set_nodelay(true);
    while let Ok(Some(message)) = read_message(&mut stream, &mut buffer) {
        requests.fetch_add(1, Ordering::SeqCst);
        if buffer.starts_with(b"POST /hold") {
            // Until the other side goes.
            let _ = stream.read(&mut [0]);
            return;
        }
        let body = match message.end - message.body {
            0 => b"{}",
            _ => &buffer[message.body..message.end],
        };
        answer.clear();
        // Writing to memory does not fail.
        let _ = write!(
            answer,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        answer.extend_from_slice(body);
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_echo_gives_back_what_it_gets_on_one_connection() {
        let echo = Echo::start().unwrap();
        let mut stream = TcpStream::connect(echo.address).unwrap();
        let mut buffer = Vec::new();
        for (request, body) in [
            ("POST / HTTP/1.1\r\ncontent-length: 7\r\n\r\n{\"n\":1}", "{\"n\":1}"),
            ("GET / HTTP/1.1\r\nhost: x\r\n\r\n", "{}"),
        ] {
            stream.write_all(request.as_bytes()).unwrap();
            let message = read_message(&mut stream, &mut buffer).unwrap().unwrap();
            assert_eq!(&buffer[message.body..message.end], body.as_bytes());
        }
        assert_eq!(echo.requests(), 2);
    }

    #[test]
    fn a_message_without_a_length_is_refused() {
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(head(b"HTTP/1.1 200 OK\r\nContent-Len").unwrap().is_none());
    }
}
