//! A mail server on a free local port: takes what it is sent, or refuses it as told. Source: RFC 5321.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMail {
    pub from: String,
    pub to: Vec<String>,
    /// Headers and body, with `\n` at the ends of lines and without the dots of the transfer.
    pub data: String,
}

impl ReceivedMail {
    /// The value of a header, its continued lines joined.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.data.split("\n\n").next()?.replace("\n ", " ");
        head.lines().find_map(|line| {
            let (given, value) = line.split_once(':')?;
            given.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

#[derive(Debug, Default)]
struct Desk {
    mails: Vec<ReceivedMail>,
    /// Replies to the next messages' recipients, instead of 250.
    refusals: VecDeque<String>,
    /// So many messages are taken in and not confirmed.
    unconfirmed: usize,
}

/// The stub; stops when dropped.
#[derive(Debug)]
pub struct SmtpStub {
    address: SocketAddr,
    desk: Arc<Mutex<Desk>>,
    server: tokio::task::JoinHandle<()>,
}

impl SmtpStub {
    /// # Panics
    /// When no local port can be had.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a local port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let desk = Arc::new(Mutex::new(Desk::default()));
        let shared = Arc::clone(&desk);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that goes away ends its own conversation only.
                tokio::spawn(converse(stream, Arc::clone(&shared)));
            }
        });
        Self { address, desk, server }
    }

    /// As `mail.smtp_url` takes it.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// The next recipient is answered with `reply`, such as `550 no such person`.
    pub fn refuse_next(&self, reply: &str) {
        held(&self.desk).refusals.push_back(reply.to_owned());
    }

    /// The next message is taken in, and nobody is told, ever.
    pub fn confirm_no_next(&self) {
        held(&self.desk).unconfirmed += 1;
    }

    /// All messages so far, in order of arrival.
    pub fn mails(&self) -> Vec<ReceivedMail> {
        held(&self.desk).mails.clone()
    }
}

impl Drop for SmtpStub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn held(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn converse(stream: TcpStream, desk: Arc<Mutex<Desk>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 stub\r\n").await?;
    let (mut from, mut to) = (String::new(), Vec::new());
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let command = line.trim_end();
        let address = || command.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let verb = command.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        let reply = match verb.as_str() {
            "EHLO" | "HELO" => "250-stub\r\n250-8BITMIME\r\n250 SMTPUTF8".to_owned(),
            "MAIL" => {
                (from, to) = (address(), Vec::new());
                "250 OK".to_owned()
            }
            "RCPT" => match held(&desk).refusals.pop_front() {
                Some(refusal) => refusal,
                None => {
                    to.push(address());
                    "250 OK".to_owned()
                }
            },
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let data = data(&mut stream).await?;
                let mail = ReceivedMail { from: from.clone(), to: std::mem::take(&mut to), data };
                let is_confirmed = {
                    let mut desk = held(&desk);
                    desk.mails.push(mail);
                    let is_confirmed = desk.unconfirmed == 0;
                    desk.unconfirmed = desk.unconfirmed.saturating_sub(1);
                    is_confirmed
                };
                if !is_confirmed {
                    std::future::pending::<()>().await;
                }
                "250 taken".to_owned()
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            "RSET" | "NOOP" => "250 OK".to_owned(),
            _ => "500 not known".to_owned(),
        };
        stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
    }
}

async fn data(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let (mut data, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            // Who goes away before the end has sent nothing.
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(data);
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line).trim_end_matches(['\r', '\n']));
        data.push('\n');
    }
}
