//! What is to be looked at, and what it must be like: read from files, judged strictly, values after that.

mod read;
mod row;
#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method};
use levqor_engine::egress::Network;
use levqor_flow::expression::Expression;
use levqor_model::Severity;
use rustls::pki_types::CertificateDer;
use serde_json::Value;
use url::Url;

pub use read::FILE_BYTES_MAX;

/// The probes that come with Levqor.
const SHIPPED: &str = include_str!("../../../../../../probes/probes.toml");
const SHIPPED_FILE: &str = "the shipped probes.toml";
const JOURNEY: &str = include_str!("../../../../../../probes/journey.yaml");

/// All probes of a node.
#[derive(Debug, Clone)]
pub struct Definitions {
    pub probes: Vec<Arc<Definition>>,
}

/// One probe.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Lower case words, divided by dashes.
    pub name: String,
    pub kind: Kind,
    /// What the status page calls it. None: it is not shown there.
    pub component: Option<String>,
    /// None: only when somebody asks.
    pub every: Option<Duration>,
    pub timeout: Duration,
    /// How bad it is when it is down.
    pub severity: Severity,
    /// Networks that it may reach besides the public internet and what is written in it.
    pub allow: Vec<Network>,
    pub expect: Expect,
}

#[derive(Debug, Clone)]
pub enum Kind {
    Http(Http),
    Tcp(HostPort),
    Dns(Dns),
    Tls(Tls),
    /// The platform's own.
    Database,
    Journey(Journey),
}

/// A request.
#[derive(Debug, Clone)]
pub struct Http {
    pub at: At,
    pub method: Method,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
    /// Redirects that are followed.
    pub redirects: u32,
    /// Of the answer's body.
    pub bytes_max: usize,
    /// Authorities that are trusted besides the system's.
    pub authorities: Arc<[CertificateDer<'static>]>,
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub enum At {
    /// To a node of every region.
    Regions {
        path: String,
    },
    Url(Url),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// A name or an address; one of IPv6 without brackets.
    pub host: String,
    pub port: u16,
}

/// A question to a name server.
#[derive(Debug, Clone)]
pub struct Dns {
    pub name: String,
    pub record: Record,
    /// None: the system's resolver.
    pub server: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    A,
    Aaaa,
    Cname,
    Mx,
    Ns,
    Txt,
}

/// A handshake.
#[derive(Debug, Clone)]
pub struct Tls {
    pub at: HostPort,
    /// Whose certificate it must be; the host's when left out.
    pub server_name: String,
    /// Authorities that are trusted besides the system's.
    pub authorities: Arc<[CertificateDer<'static>]>,
}

/// A workflow that goes the way of a customer.
#[derive(Debug, Clone)]
pub struct Journey {
    pub file: String,
    /// As it was checked.
    pub document: Arc<Value>,
    /// As it was written.
    pub text: Arc<str>,
}

/// What an answer must be like.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// Ranges, both ends included. Empty: 200 to 299.
    pub status: Vec<(u16, u16)>,
    /// jq that must give true for the body.
    pub body: Option<Expression>,
    pub latency: Option<Duration>,
    /// How long the certificate must still be good.
    pub certificate: Option<Duration>,
    /// Answers of a name server, of which each must be there.
    pub answer: Vec<String>,
}

/// What jq may use besides the body.
pub const VARIABLES: &[&str] = &["status", "headers", "latency_ms", "target"];

impl Kind {
    pub const NAMES: [&str; 7] = ["http", "https", "tcp", "dns", "tls", "database", "journey"];

    pub const fn as_str(&self) -> &'static str {
        match self {
            Kind::Http(_) => "http",
            Kind::Tcp(_) => "tcp",
            Kind::Dns(_) => "dns",
            Kind::Tls(_) => "tls",
            Kind::Database => "database",
            Kind::Journey(_) => "journey",
        }
    }

    /// Whether there is a target for each region.
    pub const fn is_of_regions(&self) -> bool {
        matches!(self, Kind::Http(Http { at: At::Regions { .. }, .. }) | Kind::Journey(_))
    }
}

impl Record {
    pub const NAMES: [&str; 6] = ["A", "AAAA", "CNAME", "MX", "NS", "TXT"];

    pub const fn as_str(self) -> &'static str {
        match self {
            Record::A => "A",
            Record::Aaaa => "AAAA",
            Record::Cname => "CNAME",
            Record::Mx => "MX",
            Record::Ns => "NS",
            Record::Txt => "TXT",
        }
    }

    /// As questions name it (RFC 1035, section 3.2.2; RFC 3596).
    pub const fn number(self) -> u16 {
        match self {
            Record::A => 1,
            Record::Ns => 2,
            Record::Cname => 5,
            Record::Mx => 15,
            Record::Txt => 16,
            Record::Aaaa => 28,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Record::A, Record::Aaaa, Record::Cname, Record::Mx, Record::Ns, Record::Txt]
            .into_iter()
            .find(|record| record.as_str() == text)
    }
}

impl Definition {
    /// How long a result says something of the present: two may be late, or be lost.
    pub fn fresh(&self) -> Duration {
        /// What is only asked for is asked for by a job every quarter of an hour.
        const ASKED: Duration = Duration::from_secs(35 * 60);
        self.every.map_or(ASKED, |every| every * 2 + self.timeout + Duration::from_secs(1))
    }
}

impl Definitions {
    /// Those that come with Levqor.
    pub fn shipped() -> Self {
        static READ: LazyLock<Definitions> = LazyLock::new(|| {
            let read = read::file(SHIPPED_FILE, SHIPPED, &shipped_document);
            // They are part of the program, and a test reads them.
            read.map(|found| Definitions { probes: found.probes })
                .unwrap_or(Definitions { probes: Vec::new() })
        });
        READ.clone()
    }

    /// Those of an operator's file, and those that come with Levqor, unless the file says `shipped = false`. `document` gives the
    /// text of a file beside it.
    ///
    /// # Errors
    /// Every complaint at once, each with its place and a remedy.
    pub fn read(
        file: &str,
        text: &str,
        document: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Self, Vec<String>> {
        let found = read::file(file, text, &|name| {
            if name == "journey.yaml" {
                document(name).or_else(|_| shipped_document(name))
            } else {
                document(name)
            }
        })?;
        let mut probes = Vec::new();
        if found.shipped {
            let named = |probe: &Arc<Definition>| {
                found.probes.iter().any(|other| other.name == probe.name) || found.off.contains(&probe.name)
            };
            probes.extend(Definitions::shipped().probes.into_iter().filter(|probe| !named(probe)));
        }
        probes.extend(found.probes);
        let complaints = read::doubled_components(file, &probes);
        if complaints.is_empty() { Ok(Self { probes }) } else { Err(complaints) }
    }

    pub fn find(&self, name: &str) -> Option<&Arc<Definition>> {
        self.probes.iter().find(|probe| probe.name == name)
    }
}

impl Default for Definitions {
    fn default() -> Self {
        Self::shipped()
    }
}

fn shipped_document(name: &str) -> Result<String, String> {
    match name {
        "journey.yaml" => Ok(JOURNEY.to_owned()),
        _ => Err("it does not come with Levqor".to_owned()),
    }
}
