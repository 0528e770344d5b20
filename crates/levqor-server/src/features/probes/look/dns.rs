//! A question to a name server, over UDP, and over TCP when the answer does not fit.
//!
//! Sources: RFC 1035 (messages, section 4), RFC 3596 (AAAA), RFC 5452 (which answers to believe).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use levqor_model::Random;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

use super::reach::look_up;
use crate::features::probes::definition::{Dns, Expect, Record};

/// Records of one answer that are read.
const RECORDS_MAX: u16 = 100;
/// Answers to somebody else's questions that are passed over.
const STRANGERS_MAX: usize = 20;
/// No name is longer, as it is sent.
const NAME_BYTES_MAX: usize = 255;

pub(super) async fn look(expect: &Expect, dns: &Dns, random: &dyn Random) -> Result<(), String> {
    let found = match dns.server {
        Some(server) => ask(dns, server, random).await?,
        None => {
            let found = look_up(&dns.name).await?;
            let wanted = |address: &IpAddr| address.is_ipv4() == (dns.record == Record::A);
            found.into_iter().filter(wanted).map(|address| address.to_string()).collect()
        }
    };
    let record = dns.record.as_str();
    if found.is_empty() {
        return Err(format!("{} has no record {record}", dns.name));
    }
    let plain = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
    for wanted in &expect.answer {
        if !found.iter().any(|found| plain(found) == plain(wanted)) {
            let shown: Vec<_> = found.iter().take(5).map(String::as_str).collect();
            return Err(format!("{} has no record {record} {wanted}; it has {}", dns.name, shown.join(", ")));
        }
    }
    Ok(())
}

async fn ask(dns: &Dns, server: SocketAddr, random: &dyn Random) -> Result<Vec<String>, String> {
    let mut id = [0; 2];
    random.fill(&mut id);
    let question = question(u16::from_be_bytes(id), &dns.name, dns.record)?;
    let failed = |error: std::io::Error| format!("the name server {server} cannot be asked: {error}");
    let own: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // A port of its own for each question, which a stranger would have to guess, too.
    let socket = UdpSocket::bind(own).await.map_err(failed)?;
    socket.connect(server).await.map_err(failed)?;
    socket.send(&question).await.map_err(failed)?;
    let mut answer = vec![0; 4_096];
    for _ in 0..STRANGERS_MAX {
        let length = socket.recv(&mut answer).await.map_err(failed)?;
        match read(answer.get(..length).unwrap_or_default(), &question, dns.record) {
            Read::Stranger => {}
            Read::Cut => return over_tcp(&question, server, dns.record).await,
            Read::Refused(reason) => return Err(format!("the name server answered {reason}")),
            Read::Broken => return Err("the name server's answer cannot be read".to_owned()),
            Read::Found(found) => return Ok(found),
        }
    }
    Err("what came were answers to other questions".to_owned())
}

async fn over_tcp(question: &[u8], server: SocketAddr, record: Record) -> Result<Vec<String>, String> {
    let failed =
        |error: std::io::Error| format!("the name server {server} cannot be asked over TCP: {error}");
    let mut stream = TcpStream::connect(server).await.map_err(failed)?;
    let length = u16::try_from(question.len()).map_err(|_| "the question is too long".to_owned())?;
    let message = [&length.to_be_bytes()[..], question].concat();
    stream.write_all(&message).await.map_err(failed)?;
    let length = stream.read_u16().await.map_err(failed)?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.map_err(failed)?;
    match read(&answer, question, record) {
        Read::Found(found) => Ok(found),
        Read::Refused(reason) => Err(format!("the name server answered {reason}")),
        Read::Stranger | Read::Cut | Read::Broken => {
            Err("the name server's answer cannot be read".to_owned())
        }
    }
}

/// A message with one question.
fn question(id: u16, name: &str, record: Record) -> Result<Vec<u8>, String> {
    let mut message = Vec::new();
    message.extend(id.to_be_bytes());
    // A question that may be passed on; one of it, and nothing else.
    message.extend([0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length));
        message.push(length.ok_or_else(|| format!("{name} is no name"))?);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend(record.number().to_be_bytes());
    message.extend([0, 1]);
    Ok(message)
}

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    /// It is no answer to the question.
    Stranger,
    /// It did not fit.
    Cut,
    Refused(&'static str),
    Broken,
    /// Texts of the records that were asked for.
    Found(Vec<String>),
}

fn read(message: &[u8], question: &[u8], record: Record) -> Read {
    let (Some(head), Some(asked)) = (message.get(..12), question.get(12..)) else { return Read::Stranger };
    let own = question.get(..2) == head.get(..2) && head[2] & 0x80 != 0;
    let echoed = message.get(12..12 + asked.len());
    // Names are compared as they are meant: a server may change their letters' case.
    if !own || !echoed.is_some_and(|echoed| echoed.eq_ignore_ascii_case(asked)) {
        return Read::Stranger;
    }
    if head[2] & 0x02 != 0 {
        return Read::Cut;
    }
    match head[3] & 0x0f {
        0 => {}
        1 => return Read::Refused("that it does not understand the question"),
        2 => return Read::Refused("that it failed (SERVFAIL)"),
        3 => return Read::Refused("that there is no such name (NXDOMAIN)"),
        5 => return Read::Refused("that it refuses (REFUSED)"),
        _ => return Read::Refused("with an error"),
    }
    let count = u16::from_be_bytes([head[6], head[7]]).min(RECORDS_MAX);
    let mut reader = Reader { message, at: 12 + asked.len() };
    let mut found = Vec::new();
    for _ in 0..count {
        let Some(text) = reader.record(record) else { return Read::Broken };
        found.extend(text);
    }
    Read::Found(found)
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let taken = self.message.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes)
    }

    /// The next record: the outer None when it cannot be read, the inner one when it is of another kind.
    fn record(&mut self, wanted: Record) -> Option<Option<String>> {
        self.name()?;
        let kind = self.number()?;
        self.take(6)?;
        let length = usize::from(self.number()?);
        let (start, end) = (self.at, self.at.checked_add(length)?);
        self.message.get(start..end)?;
        if kind != wanted.number() {
            self.at = end;
            return Some(None);
        }
        let text = match wanted {
            Record::A => Ipv4Addr::from(<[u8; 4]>::try_from(self.message.get(start..end)?).ok()?).to_string(),
            Record::Aaaa => {
                Ipv6Addr::from(<[u8; 16]>::try_from(self.message.get(start..end)?).ok()?).to_string()
            }
            Record::Cname | Record::Ns => self.name()?,
            Record::Mx => {
                let preference = self.number()?;
                format!("{preference} {}", self.name()?)
            }
            Record::Txt => texts(self.message.get(start..end)?)?,
        };
        self.at = end;
        Some(Some(text))
    }

    /// A name, of which parts may stand further ahead in the message. Each jump goes further back, so it ends.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let (mut at, mut behind, mut before) = (self.at, None, self.at);
        loop {
            let length = *self.message.get(at)?;
            match length & 0xc0 {
                0 if length == 0 => break,
                0 => {
                    let label = self.message.get(at + 1..at + 1 + usize::from(length))?;
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.extend(label.iter().map(|byte| {
                        if byte.is_ascii_graphic() { char::from(byte.to_ascii_lowercase()) } else { '?' }
                    }));
                    at += 1 + usize::from(length);
                }
                0xc0 => {
                    let low = *self.message.get(at + 1)?;
                    behind = behind.or(Some(at + 2));
                    at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                    if at >= before {
                        return None;
                    }
                    before = at;
                }
                _ => return None,
            }
            if name.len() > NAME_BYTES_MAX {
                return None;
            }
        }
        self.at = behind.unwrap_or(at + 1);
        Some(name)
    }
}

/// The texts of a TXT record, one after the other.
fn texts(mut data: &[u8]) -> Option<String> {
    let mut all = Vec::new();
    while let Some((length, rest)) = data.split_first() {
        let (text, after) = rest.split_at_checked(usize::from(*length))?;
        all.extend_from_slice(text);
        data = after;
    }
    Some(String::from_utf8_lossy(&all).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An answer to the question with these records: type and data. Their names point at the question's.
    fn answer(question: &[u8], flags: [u8; 2], records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = question.to_vec();
        (message[2], message[3]) = (flags[0], flags[1]);
        message[7] = u8::try_from(records.len()).unwrap();
        for (kind, data) in records {
            message.extend([0xc0, 12]);
            message.extend(kind.to_be_bytes());
            message.extend([0, 1, 0, 0, 0, 60]);
            message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            message.extend(*data);
        }
        message
    }

    type Records<'a> = Vec<(u16, &'a [u8])>;

    const GOOD: [u8; 2] = [0x81, 0x80];

    #[test]
    fn answers_are_read() {
        let ask = |record| question(7, "shop.example", record).unwrap();
        let found = |texts: &[&str]| Read::Found(texts.iter().map(|text| (*text).to_owned()).collect());
        let mx = [&[0, 10, 4][..], b"mail", &[0xc0, 12]].concat();
        let rows: Vec<(Record, Records<'_>, Read)> = vec![
            (
                Record::A,
                vec![(5, b"\xc0\x0c"), (1, &[192, 0, 2, 1]), (1, &[192, 0, 2, 2])],
                found(&["192.0.2.1", "192.0.2.2"]),
            ),
            (
                Record::Aaaa,
                vec![(28, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])],
                found(&["2001:db8::1"]),
            ),
            (Record::Cname, vec![(5, b"\x03www\xc0\x0c")], found(&["www.shop.example"])),
            (Record::Mx, vec![(15, &mx)], found(&["10 mail.shop.example"])),
            (Record::Txt, vec![(16, b"\x03v=s\x07pf1 -al")], found(&["v=spf1 -al"])),
            (Record::A, vec![], found(&[])),
            // Of the wrong length, past the end, a name that points at itself.
            (Record::A, vec![(1, &[192, 0, 2])], Read::Broken),
            (Record::Txt, vec![(16, b"\x09short")], Read::Broken),
            (Record::Cname, vec![(5, b"\xc0\x2a")], Read::Broken),
        ];
        for (record, records, expected) in rows {
            let asked = ask(record);
            assert_eq!(
                read(&answer(&asked, GOOD, &records), &asked, record),
                expected,
                "{record:?} {records:?}"
            );
        }
    }

    #[test]
    fn only_an_answer_to_the_question_is_believed() {
        let asked = question(7, "shop.example", Record::A).unwrap();
        let good: &[(u16, &[u8])] = &[(1, &[192, 0, 2, 1])];
        let other = question(8, "shop.example", Record::A).unwrap();
        let elsewhere = question(7, "evil.example", Record::A).unwrap();
        assert_eq!(read(&answer(&other, GOOD, good), &asked, Record::A), Read::Stranger);
        assert_eq!(read(&answer(&elsewhere, GOOD, good), &asked, Record::A), Read::Stranger);
        assert_eq!(read(&asked, &asked, Record::A), Read::Stranger, "a question is no answer");
        assert_eq!(read(&answer(&asked, [0x83, 0x80], &[]), &asked, Record::A), Read::Cut);
        let refused = read(&answer(&asked, [0x81, 0x83], &[]), &asked, Record::A);
        assert_eq!(refused, Read::Refused("that there is no such name (NXDOMAIN)"));
        assert!(question(1, "a..example", Record::A).is_err());
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(tail in proptest::collection::vec(any::<u8>(), 0..200), count: u8, cut in 0usize..240) {
            for record in [Record::A, Record::Mx, Record::Txt, Record::Cname] {
                let asked = question(7, "shop.example", record).unwrap();
                let mut message = answer(&asked, GOOD, &[]);
                message[7] = count;
                message.extend(&tail);
                let cut = cut.min(message.len());
                let _ = read(&message[..cut], &asked, record);
                let _ = read(&message, &asked, record);
            }
        }
    }
}
