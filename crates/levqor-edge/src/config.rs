//! The edge's configuration: a TOML file, judged strictly. Each complaint names the place, what is wrong and the remedy.
//!
//! Parsing touches nothing but the text. An origin that cannot be reached is no mistake of the file: it is `unknown`, then
//! `suspect`, until it answers.

use std::{collections::BTreeSet, fmt, net::SocketAddr, ops::RangeInclusive, time::Duration};

use http::{HeaderName, uri::PathAndQuery};
use ipnet::IpNet;
use levqor_model::{PublicKey, RegionCode};

use crate::{
    origin_url::OriginUrl,
    settings::{self, File},
    steering::Preferences,
    verdict::Rules,
};

/// Rows of each list in the file; more are a mistake.
const ROWS_MAX: usize = 1_000;
/// A larger file is refused unread.
pub(crate) const FILE_BYTES_MAX: usize = 1024 * 1024;
const NAME_CHARS_MAX: usize = 64;
/// Answers of the edge's own; no route may take them.
pub(crate) const OWN_PATH: &str = "/edge/";

/// Everything that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Complaints(pub Vec<String>);

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    pub name: String,
    pub region: Option<RegionCode>,
    pub listen: Vec<Listen>,
    pub tls: Option<settings::TlsFiles>,
    pub trusted: Vec<IpNet>,
    pub country_header: Option<HeaderName>,
    pub admin: Vec<IpNet>,
    pub regions: Vec<RegionCode>,
    pub origins: Vec<OriginSpec>,
    pub routes: Vec<Route>,
    pub preferences: Preferences,
    pub country_database: Option<String>,
    pub health: settings::Checks,
    pub retries: settings::Retries,
    pub hold: settings::Hold,
    pub affinity: Option<settings::AffinityFile>,
    pub snapshot: Option<Snapshot>,
    pub upstream: settings::Upstream,
    pub limits: settings::Limits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    pub address: SocketAddr,
    pub tls: bool,
}

/// An origin as configured or as a snapshot names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginSpec {
    pub name: String,
    pub region: RegionCode,
    pub url: OriginUrl,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub name: String,
    /// In lower case, without a port; `*` takes any host.
    pub hosts: Vec<String>,
    /// Takes itself and what is below it.
    pub path: String,
    /// Empty: all.
    pub regions: Vec<RegionCode>,
    pub affinity: bool,
    pub hold: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub key: PublicKey,
    pub file: String,
    pub path: String,
    pub poll: Duration,
}

impl Config {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// All [`Complaints`] at once.
    pub fn parse(text: &str) -> Result<Self, Complaints> {
        if text.len() > FILE_BYTES_MAX {
            return Err(Complaints(vec![format!(
                "the file has {} bytes; an edge's file has {FILE_BYTES_MAX} at most",
                text.len()
            )]));
        }
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            Complaints(vec![format!(
                "line {line}: {}; correct it, or see the guide on the edge",
                error.message()
            )])
        })?;
        Judge::default().judge(file)
    }

    pub fn rules(&self) -> Rules {
        Rules {
            misses: self.health.misses,
            passes: self.health.passes,
            traffic_failures: self.health.traffic_failures,
        }
    }

    /// `address` is in one of the networks whose headers are believed.
    pub fn trusts(&self, address: std::net::IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

#[derive(Default)]
struct Judge {
    complaints: Vec<String>,
}

impl Judge {
    fn complain(&mut self, place: impl fmt::Display, problem: impl fmt::Display) {
        self.complaints.push(format!("{place}: {problem}"));
    }

    fn judge(mut self, file: File) -> Result<Config, Complaints> {
        for (name, rows) in [
            ("listen", file.listen.len()),
            ("regions", file.regions.len()),
            ("origins", file.origins.len()),
            ("routes", file.routes.len()),
        ] {
            if rows > ROWS_MAX {
                self.complain(name, format_args!("{rows} rows; keep to {ROWS_MAX}"));
                return Err(Complaints(self.complaints));
            }
        }
        let name = file.name.clone().unwrap_or_else(|| "levqor-edge".to_owned());
        self.name("name", &name);
        let regions = self.regions(&file);
        let region = file.region.as_deref().and_then(|code| self.known_region("region", code, &regions));
        let origins = self.origins(&file, &regions);
        let routes = self.routes(&file, &regions);
        let preferences = self.preferences(&file, &regions);
        let listen = self.listen(&file);
        self.numbers(&file);
        let snapshot = self.snapshot(&file);
        let trusted = self.networks("trust.proxies", &file.trust.proxies);
        let admin = self.networks("admin.networks", &file.admin.networks);
        let country_header = file.trust.country_header.as_deref().and_then(|header| {
            let parsed = header.parse::<HeaderName>().ok();
            if parsed.is_none() {
                self.complain(
                    "trust.country_header",
                    format_args!("{header:?} is not a header's name; write one such as cf-ipcountry"),
                );
            }
            parsed
        });
        if country_header.is_some() && trusted.is_empty() {
            self.complain(
                "trust.country_header",
                "nobody is trusted to set it; list the proxy's networks in trust.proxies",
            );
        }
        if file.steering.country_database.is_some() && preferences.countries.is_empty() {
            self.complain(
                "steering.country_database",
                "no country is steered; list the regions of some in [steering.countries]",
            );
        }
        if routes.iter().any(|route| route.affinity) && file.affinity.is_none() {
            self.complain("routes", "a route wants affinity, but there is no secret for its cookie; add [affinity] with secret_file");
        }
        if let Some(affinity) = &file.affinity {
            self.within("affinity.lifetime_seconds", affinity.lifetime_seconds, 60..=30 * 24 * 60 * 60);
        }
        if !self.complaints.is_empty() {
            return Err(Complaints(self.complaints));
        }
        Ok(Config {
            name,
            region,
            listen,
            tls: file.tls,
            trusted,
            country_header,
            admin,
            regions,
            origins,
            routes,
            preferences,
            country_database: file.steering.country_database,
            health: file.health,
            retries: file.retries,
            hold: file.hold,
            affinity: file.affinity,
            snapshot,
            upstream: file.upstream,
            limits: file.limits,
        })
    }

    fn regions(&mut self, file: &File) -> Vec<RegionCode> {
        let mut regions: Vec<RegionCode> = Vec::new();
        for (number, row) in file.regions.iter().enumerate() {
            let place = format!("regions[{number}].code");
            match row.code.parse::<RegionCode>() {
                Err(error) => self.complain(place, error),
                Ok(code) => match regions.iter().position(|known| *known == code) {
                    Some(first) => self.complain(
                        place,
                        format_args!("{code} is the code of regions[{first}] already; give each region one code of its own"),
                    ),
                    None => regions.push(code),
                },
            }
        }
        if file.regions.is_empty() {
            self.complain("regions", "no region is listed; add [[regions]] with a code such as eu-west");
        }
        regions
    }

    fn known_region(&mut self, place: &str, code: &str, regions: &[RegionCode]) -> Option<RegionCode> {
        let found = regions.iter().find(|region| region.as_str() == code).cloned();
        if found.is_none() {
            let listed = regions.iter().map(RegionCode::as_str).collect::<Vec<_>>().join(", ");
            let code: String = code.chars().take(NAME_CHARS_MAX).collect();
            self.complain(
                place,
                format_args!(
                    "region {code:?} is not known; use one of [[regions]] ({listed}) or add it there"
                ),
            );
        }
        found
    }

    fn origins(&mut self, file: &File, regions: &[RegionCode]) -> Vec<OriginSpec> {
        let mut origins: Vec<OriginSpec> = Vec::new();
        for (number, row) in file.origins.iter().enumerate() {
            let place = format!("origins[{number}]");
            self.name(&format!("{place}.name"), &row.name);
            let region = self.known_region(&format!("{place}.region"), &row.region, regions);
            let url = match row.url.parse::<OriginUrl>() {
                Ok(url) => Some(url),
                Err(problem) => {
                    self.complain(format_args!("{place}.url"), problem);
                    None
                }
            };
            if let Some(first) = origins.iter().position(|known| known.name == row.name) {
                self.complain(
                    format_args!("{place}.name"),
                    format_args!("{:?} is the name of origins[{first}] already; rename one", row.name),
                );
            }
            if let Some(first) = origins.iter().position(|known| url.as_ref() == Some(&known.url)) {
                self.complain(
                    format_args!("{place}.url"),
                    format_args!(
                        "{} is the address of origins[{first}] already; remove one of them",
                        row.url
                    ),
                );
            }
            if let (Some(region), Some(url)) = (region, url) {
                origins.push(OriginSpec { name: row.name.clone(), region, url });
            }
        }
        if file.origins.is_empty() {
            self.complain("origins", "no origin is listed; add [[origins]] with name, region and url");
        }
        origins
    }

    fn routes(&mut self, file: &File, regions: &[RegionCode]) -> Vec<Route> {
        let mut routes = Vec::new();
        let mut taken = BTreeSet::new();
        for (number, row) in file.routes.iter().enumerate() {
            let place = format!("routes[{number}]");
            let name = row.name.clone().unwrap_or_else(|| format!("route-{number}"));
            self.name(&format!("{place}.name"), &name);
            if row.hosts.is_empty() {
                self.complain(
                    format_args!("{place}.hosts"),
                    "no host is named; name the API's domains, or \"*\" for any",
                );
            }
            let mut hosts = Vec::new();
            for host in &row.hosts {
                let host = host.to_ascii_lowercase();
                if host != "*" && !is_host(&host) {
                    self.complain(
                        format_args!("{place}.hosts"),
                        format_args!("{host:?} is not a host; write a name without scheme, port or path, such as api.example.com"),
                    );
                } else if !taken.insert((host.clone(), row.path.clone())) {
                    self.complain(
                        format_args!("{place}.hosts"),
                        format_args!("{host}{} is taken by an earlier route; change host or path", row.path),
                    );
                }
                hosts.push(host);
            }
            let odd = !row.path.starts_with('/')
                || row.path.contains(['?', '#', ' ', '%'])
                || row.path.contains("//");
            if odd
                || row.path.split('/').any(|part| part == "..")
                || row.path.starts_with(OWN_PATH.trim_end_matches('/'))
            {
                self.complain(
                    format_args!("{place}.path"),
                    format_args!(
                        "{:?} cannot be routed; begin with /, write it plainly, and leave /edge to the edge",
                        row.path
                    ),
                );
            }
            let regions = row
                .regions
                .iter()
                .filter_map(|code| self.known_region(&format!("{place}.regions"), code, regions))
                .collect();
            let hold = row.hold_ms.unwrap_or(file.hold.ms);
            self.within(&format!("{place}.hold_ms"), hold, 0..=60_000);
            routes.push(Route {
                name,
                hosts,
                path: row.path.clone(),
                regions,
                affinity: row.affinity,
                hold: Duration::from_millis(hold),
            });
        }
        let mut names = BTreeSet::new();
        for route in &routes {
            if !names.insert(&route.name) {
                self.complain("routes", format_args!("two routes are named {:?}; rename one", route.name));
            }
        }
        if file.routes.is_empty() {
            self.complain("routes", "no route is listed; add [[routes]] with hosts");
        }
        routes
    }

    fn preferences(&mut self, file: &File, regions: &[RegionCode]) -> Preferences {
        let list = |judge: &mut Self, place: &str, codes: &[String]| -> Vec<RegionCode> {
            codes.iter().filter_map(|code| judge.known_region(place, code, regions)).collect()
        };
        let prefer = list(self, "steering.prefer", &file.steering.prefer);
        let mut countries = std::collections::BTreeMap::new();
        for (country, codes) in &file.steering.countries {
            let place = format!("steering.countries.{country}");
            if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
                self.complain(&place, "not a country; write its two letters in capitals, such as DE");
            }
            let codes = list(self, &place, codes);
            countries.insert(country.clone(), codes);
        }
        Preferences { prefer, countries }
    }

    fn listen(&mut self, file: &File) -> Vec<Listen> {
        let mut listen: Vec<Listen> = Vec::new();
        for (number, row) in file.listen.iter().enumerate() {
            let place = format!("listen[{number}]");
            match row.address.parse::<SocketAddr>() {
                Err(_) => self.complain(
                    format_args!("{place}.address"),
                    format_args!(
                        "{:?} is not an address; write it with a port, such as 127.0.0.1:8080 or [::]:443",
                        row.address
                    ),
                ),
                Ok(address) => {
                    if address.port() != 0 && listen.iter().any(|known| known.address == address) {
                        self.complain(
                            format_args!("{place}.address"),
                            format_args!("{address} is listed twice; remove one"),
                        );
                    }
                    listen.push(Listen { address, tls: row.tls });
                }
            }
            if row.tls && file.tls.is_none() {
                self.complain(
                    format_args!("{place}.tls"),
                    "there is no certificate; add [tls] with certificate and key",
                );
            }
        }
        if file.listen.is_empty() {
            self.complain(
                "listen",
                "no address is listed; add [[listen]] with an address such as 127.0.0.1:8080",
            );
        }
        listen
    }

    fn snapshot(&mut self, file: &File) -> Option<Snapshot> {
        let section = file.snapshot.as_ref()?;
        self.within("snapshot.poll_seconds", section.poll_seconds, 1..=86_400);
        if !is_target(&section.path) {
            self.complain("snapshot.path", format_args!("{:?} is no path; begin with /", section.path));
        }
        if section.file.is_empty() {
            self.complain("snapshot.file", "no file is named; name one that the edge may write");
        }
        match PublicKey::parse(&section.public_key) {
            Ok(key) => Some(Snapshot {
                key,
                file: section.file.clone(),
                path: section.path.clone(),
                poll: Duration::from_secs(section.poll_seconds),
            }),
            Err(error) => {
                self.complain(
                    "snapshot.public_key",
                    format_args!("{error}; copy the control plane's public key"),
                );
                None
            }
        }
    }

    fn numbers(&mut self, file: &File) {
        let File { health, retries, hold, upstream, limits, .. } = file;
        if !is_target(&health.path) {
            self.complain(
                "health.path",
                format_args!("{:?} is no path; begin with /, such as /ready", health.path),
            );
        }
        self.within("health.interval_ms", health.interval_ms, 20..=60_000);
        self.within("health.timeout_ms", health.timeout_ms, 10..=10_000);
        self.within("health.misses", health.misses, 1..=100);
        self.within("health.passes", health.passes, 1..=100);
        self.within("health.traffic_failures", health.traffic_failures, 1..=1_000);
        self.within("retries.attempts", retries.attempts, 1..=10);
        self.within("retries.body_bytes", retries.body_bytes, 0..=16 * 1024 * 1024);
        self.within("retries.answer_bytes", retries.answer_bytes, 0..=16 * 1024 * 1024);
        self.within("retries.budget_percent", retries.budget_percent, 0..=100);
        self.within("retries.budget_burst", retries.budget_burst, 0..=1_000_000);
        self.within("hold.ms", hold.ms, 0..=60_000);
        self.within("hold.requests", hold.requests, 0..=1_000_000);
        self.within("upstream.connect_ms", upstream.connect_ms, 10..=60_000);
        self.within("upstream.answer_ms", upstream.answer_ms, 100..=3_600_000);
        self.within("upstream.idle_ms", upstream.idle_ms, 0..=600_000);
        self.within("upstream.idle_connections", upstream.idle_connections, 0..=100_000);
        self.within("limits.connections", limits.connections, 1..=1_000_000);
        self.within("limits.connections_per_address", limits.connections_per_address, 1..=1_000_000);
        self.within("limits.head_seconds", limits.head_seconds, 1..=600);
        self.within("limits.stall_seconds", limits.stall_seconds, 1..=3_600);
        self.within("limits.streams_per_connection", limits.streams_per_connection, 1..=10_000);
        self.within("limits.drain_seconds", limits.drain_seconds, 0..=3_600);
    }

    fn within<T: PartialOrd + fmt::Display>(&mut self, place: &str, value: T, range: RangeInclusive<T>) {
        if !range.contains(&value) {
            self.complain(
                place,
                format_args!("{value} is out of range; choose from {} to {}", range.start(), range.end()),
            );
        }
    }

    fn networks(&mut self, place: &str, texts: &[String]) -> Vec<IpNet> {
        let mut networks = Vec::new();
        for text in texts {
            let address = text.parse::<std::net::IpAddr>().map(IpNet::from);
            match text.parse::<IpNet>().or(address) {
                Ok(network) => networks.push(network),
                Err(_) => self.complain(
                    place,
                    format_args!("{text:?} is not a network; write one such as 10.0.0.0/8 or 2001:db8::/32"),
                ),
            }
        }
        networks
    }

    /// Names go into headers, labels and logs.
    fn name(&mut self, place: &str, name: &str) {
        if !is_name(name) {
            self.complain(
                place,
                format_args!("{name:?} is not a name; use 1 to {NAME_CHARS_MAX} letters, digits, dots, dashes and underscores"),
            );
        }
    }
}

/// What a request can ask for.
fn is_target(path: &str) -> bool {
    path.starts_with('/') && path.parse::<PathAndQuery>().is_ok()
}

pub(crate) fn is_name(name: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

/// A DNS name or an address, in lower case.
fn is_host(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(bare) = bare {
        return bare.parse::<std::net::Ipv6Addr>().is_ok();
    }
    (1..=253).contains(&host.len())
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
