//! One message: addresses that were parsed, and texts that cannot become headers.

use lettre::{
    Message as Mime,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{ContentType, Header, HeaderName, HeaderValue},
    },
};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
    pub reply_to: Option<Mailbox>,
    pub subject: String,
    pub text: String,
    pub html: Option<String>,
    /// A POST to it has them never written to again (RFC 8058); None: they did not subscribe to anything.
    pub unsubscribe_url: Option<String>,
}

/// `List-Unsubscribe` (RFC 2369).
#[derive(Debug, Clone)]
struct ListUnsubscribe(String);

impl Header for ListUnsubscribe {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}

/// `List-Unsubscribe-Post` (RFC 8058).
#[derive(Debug, Clone)]
struct ListUnsubscribePost;

impl Header for ListUnsubscribePost {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe-Post")
    }

    fn parse(_text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "List-Unsubscribe=One-Click".to_owned())
    }
}

/// A member that is not what a message needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{member}`: {problem}")]
pub struct Invalid {
    pub member: &'static str,
    pub problem: String,
}

impl Message {
    /// From the function's input.
    ///
    /// # Errors
    /// [`Invalid`] names the member.
    pub fn read(input: &Value) -> Result<Self, Invalid> {
        let text = |member: &str| input.get(member).and_then(Value::as_str).map(str::to_owned);
        let to = mailboxes(input, "to")?;
        if to.is_empty() {
            return Err(Invalid { member: "to", problem: "names nobody; give an address".to_owned() });
        }
        let subject = text("subject").unwrap_or_default();
        if subject.chars().any(char::is_control) {
            let problem = "has line breaks or control characters; write one line".to_owned();
            return Err(Invalid { member: "subject", problem });
        }
        Ok(Self {
            to,
            cc: mailboxes(input, "cc")?,
            bcc: mailboxes(input, "bcc")?,
            reply_to: mailboxes(input, "replyTo")?.pop(),
            subject,
            text: text("text").unwrap_or_default(),
            html: text("html"),
            unsubscribe_url: None,
        })
    }

    /// A message of ours to one person.
    ///
    /// # Errors
    /// [`Invalid`] when the address is none.
    pub fn plain(to: &str, subject: &str, text: String) -> Result<Self, Invalid> {
        Self::read(&serde_json::json!({ "to": to, "subject": subject, "text": text }))
    }

    /// The same message, with a way out for its reader. `url` is one of this server.
    #[must_use]
    pub fn unsubscribed_by(mut self, url: &str) -> Self {
        self.unsubscribe_url = Some(url.to_owned());
        self
    }

    /// As it goes over the line. Addresses of `bcc` stand only in the envelope.
    pub(super) fn build(&self, from: Mailbox, id: String) -> Result<Mime, lettre::error::Error> {
        let mut builder = Mime::builder().from(from).message_id(Some(id)).subject(&*self.subject);
        for mailbox in &self.to {
            builder = builder.to(mailbox.clone());
        }
        for mailbox in &self.cc {
            builder = builder.cc(mailbox.clone());
        }
        for mailbox in &self.bcc {
            builder = builder.bcc(mailbox.clone());
        }
        if let Some(mailbox) = &self.reply_to {
            builder = builder.reply_to(mailbox.clone());
        }
        if let Some(address) = &self.unsubscribe_url {
            builder = builder.header(ListUnsubscribe(format!("<{address}>"))).header(ListUnsubscribePost);
        }
        let plain = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(self.text.clone());
        match &self.html {
            None => builder.singlepart(plain),
            Some(html) => {
                let html = SinglePart::builder().header(ContentType::TEXT_HTML).body(html.clone());
                builder.multipart(MultiPart::alternative().singlepart(plain).singlepart(html))
            }
        }
    }
}

/// The `Message-ID` of a call: receivers can drop what they have (RFC 5322, section 3.6.4).
pub(super) fn id(key: &str, from: &Mailbox) -> String {
    let digest = Sha256::digest(key.as_bytes());
    let unique = digest[..16].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    format!("<{unique}@{}>", from.email.domain())
}

fn mailboxes(input: &Value, member: &'static str) -> Result<Vec<Mailbox>, Invalid> {
    let given = match input.get(member) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    given
        .iter()
        .map(|value| {
            let text = value.as_str().unwrap_or_default();
            let shown: String = text.chars().filter(|char| !char.is_control()).take(80).collect();
            let problem = || Invalid {
                member,
                problem: format!("{shown:?} is no address; write ada@example.com or Ada <ada@example.com>"),
            };
            if text.chars().any(char::is_control) {
                return Err(problem());
            }
            text.parse().map_err(|_| problem())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn written(message: &Message) -> String {
        let from: Mailbox = "Levqor <levqor@example.com>".parse().unwrap();
        let id = id("run/1", &from);
        String::from_utf8(message.build(from, id).unwrap().formatted()).unwrap()
    }

    /// Names of the headers before the first empty line.
    fn headers(written: &str) -> Vec<String> {
        let head = written.split("\r\n\r\n").next().unwrap();
        let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        lines.map(|line| line.split(':').next().unwrap().to_lowercase()).collect()
    }

    #[test]
    fn a_message_is_read_and_written() {
        let input = json!({
            "to": ["ada@example.com", "Grace H <grace@example.com>"], "bcc": "secret@example.com", "replyTo": "desk@example.com",
            "subject": "Paid: 9 €", "text": "Thank you.\n.\nBye", "html": "<p>Thank you.</p>",
        });
        let message = Message::read(&input).unwrap();
        let text = written(&message);
        assert!(text.contains("grace@example.com") && !text.contains("secret@example.com"), "{text}");
        assert!(text.contains("Reply-To: desk@example.com"), "{text}");
        let from: Mailbox = "levqor@example.com".parse().unwrap();
        assert_eq!(id("run/1", &from), id("run/1", &from));
        assert_ne!(id("run/1", &from), id("run/2", &from));
        assert!(id("run/1", &from).ends_with("@example.com>"));
    }

    #[test]
    fn bad_members_are_named() {
        for (input, member, words) in [
            (json!({ "subject": "s", "text": "" }), "to", "names nobody"),
            (json!({ "to": "nobody", "subject": "s" }), "to", "\"nobody\" is no address"),
            (json!({ "to": "a@b.c", "cc": ["a@b.c", "x y"], "subject": "s" }), "cc", "\"x y\""),
            (json!({ "to": "a@b.c\r\nBcc: x@y.z", "subject": "s" }), "to", "is no address"),
            (json!({ "to": "a@b.c", "subject": "s\r\nBcc: x@y.z" }), "subject", "one line"),
        ] {
            let invalid = Message::read(&input).unwrap_err();
            assert_eq!(invalid.member, member, "{input}");
            assert!(invalid.problem.contains(words), "{input}: {invalid}");
        }
    }

    proptest! {
        /// The same for all that may be there, and nobody else gets the message.
        #[test]
        fn no_value_becomes_a_header_or_a_recipient(names in prop::array::uniform4("[\\PC\\r\\n\\t]{0,40}"), html in any::<String>()) {
            let [to, cc, bcc, reply] = names.map(|name| format!("{name} <a@example.com>"));
            let input = json!({
                "to": [to], "cc": cc, "bcc": bcc, "replyTo": reply, "subject": "s", "text": html.clone(), "html": html,
            });
            if let Ok(message) = Message::read(&input) {
                let mut found = headers(&written(&message));
                found.sort();
                prop_assert_eq!(found, [
                    "cc", "content-type", "date", "from", "message-id", "mime-version", "reply-to", "subject", "to",
                ]);
                let from: Mailbox = "levqor@example.com".parse().unwrap();
                let mime = message.build(from, "<1@example.com>".to_owned()).unwrap();
                let reached: Vec<_> = mime.envelope().to().iter().map(ToString::to_string).collect();
                prop_assert_eq!(reached, ["a@example.com"; 3]);
            }
        }

        /// Whatever the values are, the headers are those that the message has.
        #[test]
        fn no_value_becomes_a_header(name in "\\PC{0,40}", subject in any::<String>(), text in any::<String>()) {
            let input = json!({ "to": format!("{name} <a@example.com>"), "subject": subject, "text": text });
            if let Ok(message) = Message::read(&input) {
                let mut found = headers(&written(&message));
                found.sort();
                prop_assert_eq!(found, [
                    "content-transfer-encoding", "content-type", "date", "from", "message-id", "mime-version", "subject", "to",
                ]);
            }
        }
    }
}
