//! The SMTP server of the operator, and sending to it.

use std::{fmt, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    message::Mailbox,
    transport::smtp::{
        PoolConfig,
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};
use percent_encoding::percent_decode_str;
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::Message;

/// Messages on their way at once; more wait for their turn.
const AT_ONCE: usize = 8;
/// Longest time for one command of the exchange.
const COMMAND_TIME: Duration = Duration::from_secs(15);
/// Longest wait for a turn. Whoever waits may hold a turn of the engine's calls, which others need.
const TURN_TIME: Duration = Duration::from_secs(30);
/// Longest time for a whole message, its turn not counted.
const MESSAGE_TIME: Duration = Duration::from_secs(60);

/// The ports of RFC 8314 and RFC 6409.
const PORT_TLS: u16 = 465;
const PORT_SUBMISSION: u16 = 587;

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Security {
    /// TLS from the first byte: `smtps://`.
    Tls,
    /// STARTTLS or nothing: `smtp://`.
    StartTls,
    /// Only for this machine itself, or when the address says `?tls=none`.
    Plain,
}

/// Which server takes our mail, and who it is from.
#[derive(Clone)]
pub struct MailServer {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
    from: Mailbox,
}

impl fmt::Debug for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailServer")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

impl MailServer {
    /// Reads `smtp://user:password@host:587` or `smtps://…`. Names are percent-encoded. Without TLS only to this machine, or
    /// with `?tls=none`.
    ///
    /// # Errors
    /// What is wrong, without any part of the address.
    pub fn new(address: &str, from: &str) -> Result<Self, String> {
        let url = Url::parse(address).map_err(|_| "the address is not a URL".to_owned())?;
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => percent_decode_str(name)
                .decode_utf8()
                .map_err(|_| "the name of the host is not text".to_owned())?
                .into_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err("the address names no host".to_owned()),
        };
        let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let mut plain = here;
        for (name, value) in url.query_pairs() {
            match (&*name, &*value) {
                ("tls", "none") => plain = true,
                ("tls", "required") => plain = false,
                _ => return Err("after `?` only tls=none or tls=required is known".to_owned()),
            }
        }
        if !matches!(url.path(), "" | "/") {
            return Err("the address has a path".to_owned());
        }
        let (security, port) = match url.scheme() {
            "smtps" => (Security::Tls, PORT_TLS),
            "smtp" if plain => (Security::Plain, PORT_SUBMISSION),
            "smtp" => (Security::StartTls, PORT_SUBMISSION),
            _ => return Err("the address must begin with smtp:// or smtps://".to_owned()),
        };
        let text = |part: &str| percent_decode_str(part).decode_utf8().map(std::borrow::Cow::into_owned);
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => {
                let unreadable = |_| "user or password is not text".to_owned();
                let user = text(user).map_err(unreadable)?;
                Some(Credentials::new(user, text(password.unwrap_or_default()).map_err(unreadable)?))
            }
        };
        let from = from.parse().map_err(|_| {
            "the sender's address is none; write for example Levqor <levqor@example.com>".to_owned()
        })?;
        Ok(Self { host, port: url.port().unwrap_or(port), security, credentials, from })
    }
}

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub enum NotSent {
    /// The server refused it, and will do so again.
    #[error("the mail server refused it: {0}")]
    Refused(String),
    /// The server refused it for now.
    #[error("the mail server could not take it now: {0}")]
    Later(String),
    /// Nobody answered, or not to the end. It may have been sent.
    #[error("the mail server could not be asked: {0}")]
    NoAnswer(String),
}

/// Sends messages; one for the whole process.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    turns: Semaphore,
    turn_time: Duration,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Connects when there is something to send. Inside a runtime.
    ///
    /// # Errors
    /// When the host's name cannot be one of a certificate.
    pub fn new(server: MailServer) -> Result<Self, String> {
        let MailServer { host, port, security, credentials, from } = server;
        let parameters = || {
            TlsParameters::new(host.clone())
                .map_err(|_| "the host's name cannot be checked by TLS".to_owned())
        };
        let tls = match security {
            Security::Tls => Tls::Wrapper(parameters()?),
            Security::StartTls => Tls::Required(parameters()?),
            Security::Plain => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .timeout(Some(COMMAND_TIME))
            .pool_config(PoolConfig::new().max_size(AT_ONCE as u32));
        if let Some(credentials) = credentials {
            builder = builder.credentials(credentials);
        }
        Ok(Self { transport: builder.build(), from, turns: Semaphore::new(AT_ONCE), turn_time: TURN_TIME })
    }

    /// Sends a message, and gives its `Message-ID`, which is the same for the same `key`.
    ///
    /// # Errors
    /// [`NotSent`]. Nothing of it is a secret of ours.
    pub async fn send(&self, key: &str, message: &Message) -> Result<String, NotSent> {
        let id = super::message::id(key, &self.from);
        let built = message
            .build(self.from.clone(), id.clone())
            .map_err(|reason| NotSent::Refused(format!("it cannot be written as mail: {reason}")))?;
        let _turn = match tokio::time::timeout(self.turn_time, self.turns.acquire()).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) => return Err(NotSent::NoAnswer("the server stops".to_owned())),
            Err(_) => {
                let reason = "other messages took all the time that this one could wait; send fewer at once, or try later";
                return Err(NotSent::NoAnswer(reason.to_owned()));
            }
        };
        match tokio::time::timeout(MESSAGE_TIME, self.transport.send(built)).await {
            Ok(Ok(_)) => Ok(id),
            Ok(Err(error)) if is_about_us(&error) => Err(NotSent::Later(said(&error))),
            Ok(Err(error)) if error.is_permanent() => Err(NotSent::Refused(said(&error))),
            Ok(Err(error)) if error.is_transient() => Err(NotSent::Later(said(&error))),
            Ok(Err(error)) => Err(NotSent::NoAnswer(said(&error))),
            Err(_) => Err(NotSent::NoAnswer(format!("no end after {} s", MESSAGE_TIME.as_secs()))),
        }
    }
}

/// It refuses whoever sends, and no message: the password is wrong, or TLS is wanted (RFC 4954, section 6). Somebody puts that right, and
/// then the message is taken.
fn is_about_us(error: &lettre::transport::smtp::Error) -> bool {
    error.status().is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538))
}

/// The error with its causes, bounded: a server may say much.
fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers() {
        let rows = [
            ("smtp://mail.example.com", Ok(("mail.example.com", 587, Security::StartTls, false))),
            (
                "smtp://u%40x:p%2Fw@mail.example.com:2525/",
                Ok(("mail.example.com", 2525, Security::StartTls, true)),
            ),
            ("smtps://u:p@mail.example.com", Ok(("mail.example.com", 465, Security::Tls, true))),
            ("smtp://127.0.0.1:25", Ok(("127.0.0.1", 25, Security::Plain, false))),
            ("smtp://localhost?tls=required", Ok(("localhost", 587, Security::StartTls, false))),
            ("smtp://10.0.0.1?tls=none", Ok(("10.0.0.1", 587, Security::Plain, false))),
            ("smtp://[::1]:25", Ok(("::1", 25, Security::Plain, false))),
            ("http://mail.example.com", Err("must begin with smtp://")),
            ("mail.example.com", Err("not a URL")),
            ("smtp://", Err("names no host")),
            ("smtp://h/inbox", Err("has a path")),
            ("smtp://u:hunter2@h?starttls=always", Err("only tls=none")),
        ];
        for (address, expected) in rows {
            match (MailServer::new(address, "Levqor <levqor@example.com>"), expected) {
                (Ok(server), Ok(wanted)) => {
                    let found =
                        (server.host.as_str(), server.port, server.security, server.credentials.is_some());
                    assert_eq!(found, wanted, "{address}");
                    assert!(!format!("{server:?}").contains("p/w"));
                }
                (Err(problem), Err(wanted)) => {
                    assert!(problem.contains(wanted) && !problem.contains("hunter2"), "{address}: {problem}");
                }
                (found, _) => panic!("{address}: {found:?}"),
            }
        }
        assert!(MailServer::new("smtp://h", "nobody").unwrap_err().contains("sender"));
    }

    fn message(subject: &str) -> Message {
        Message::read(&serde_json::json!({
            "to": ["ada@example.com", "Grace <grace@example.com>"], "bcc": "desk@example.com", "subject": subject,
            "text": "Thank you.\n.\nBye \u{20ac}", "html": "<p>Thank you.</p>",
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn a_message_arrives_whole_and_is_known_when_it_comes_again() {
        let stub = levqor_testkit::SmtpStub::start().await;
        let mailer =
            Mailer::new(MailServer::new(&stub.url(), "Levqor <levqor@example.com>").unwrap()).unwrap();
        let first = mailer.send("run/1", &message("Paid")).await.unwrap();
        let again = mailer.send("run/1", &message("Paid")).await.unwrap();
        let mails = stub.mails();
        assert_eq!(mails.len(), 2);
        let mail = &mails[0];
        assert_eq!(mail.from, "levqor@example.com");
        assert_eq!(mail.to, ["ada@example.com", "grace@example.com", "desk@example.com"]);
        assert_eq!(mail.header("message-id"), Some(first.clone()));
        assert_eq!(first, again);
        assert_eq!(mail.header("to").unwrap(), "ada@example.com, Grace <grace@example.com>");
        assert_eq!(mail.header("subject").unwrap(), "Paid");
        assert_eq!(mail.header("bcc"), None);
        assert!(
            mail.data.contains("<p>Thank you.</p>") && mail.data.contains("Bye =E2=82=AC"),
            "{}",
            mail.data
        );
    }

    #[tokio::test]
    async fn refusals_are_told_apart() {
        let stub = levqor_testkit::SmtpStub::start().await;
        let mailer = Mailer::new(MailServer::new(&stub.url(), "levqor@example.com").unwrap()).unwrap();
        stub.refuse_next("550 no such person");
        let refused = mailer.send("a", &message("s")).await.unwrap_err();
        assert!(matches!(&refused, NotSent::Refused(why) if why.contains("no such person")), "{refused}");
        stub.refuse_next("451 come back later");
        let later = mailer.send("a", &message("s")).await.unwrap_err();
        assert!(matches!(&later, NotSent::Later(why) if why.contains("come back later")), "{later}");
        // A password that is wrong until somebody puts it right loses no message.
        stub.refuse_next("535 5.7.8 authentication failed");
        let us = mailer.send("a", &message("s")).await.unwrap_err();
        assert!(matches!(&us, NotSent::Later(why) if why.contains("authentication failed")), "{us}");
        assert!(stub.mails().is_empty());
        // Bound and closed again: nobody is there.
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let address = format!("smtp://127.0.0.1:{port}");
        let nobody = Mailer::new(MailServer::new(&address, "levqor@example.com").unwrap()).unwrap();
        let gone = nobody.send("a", &message("s")).await.unwrap_err();
        assert!(matches!(gone, NotSent::NoAnswer(_)), "{gone}");
    }

    #[tokio::test]
    async fn a_turn_is_not_awaited_for_ever() {
        let stub = levqor_testkit::SmtpStub::start().await;
        let mut mailer = Mailer::new(MailServer::new(&stub.url(), "levqor@example.com").unwrap()).unwrap();
        mailer.turn_time = Duration::from_millis(1);
        let all = mailer.turns.acquire_many(AT_ONCE as u32).await.unwrap();
        let late = mailer.send("a", &message("s")).await.unwrap_err();
        assert!(matches!(&late, NotSent::NoAnswer(why) if why.contains("other messages")), "{late}");
        assert!(stub.mails().is_empty());
        drop(all);
        mailer.send("a", &message("s")).await.unwrap();
        assert_eq!(stub.mails().len(), 1);
    }

    #[tokio::test]
    async fn without_starttls_nothing_is_sent_in_the_clear() {
        let stub = levqor_testkit::SmtpStub::start().await;
        let server = MailServer::new(&format!("{}?tls=required", stub.url()), "levqor@example.com").unwrap();
        let refused = Mailer::new(server).unwrap().send("a", &message("s")).await.unwrap_err();
        assert!(refused.to_string().to_lowercase().contains("starttls"), "{refused}");
        assert!(stub.mails().is_empty());
    }
}
