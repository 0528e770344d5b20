//! From the text of a `probes.toml` to definitions.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use levqor_engine::egress::Network;
use levqor_flow::{
    document::{self, Host, nearest},
    expression::Expression,
};
use levqor_model::Severity;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use toml::de::{DeTable, DeValue};
use url::Url;

use super::{
    At, Definition, Definitions, Dns, Expect, HostPort, Http, Journey, Kind, Record, Tls, VARIABLES,
    row::{Complaints, Row, number_of, shown},
};

/// A larger file is refused unread.
pub const FILE_BYTES_MAX: usize = 256 * 1024;
/// Probes of one file.
const PROBES_MAX: usize = 200;
const NAME_CHARS_MAX: usize = 40;
const HEADERS_MAX: usize = 20;
const NETWORKS_MAX: usize = 50;
const EXPRESSION_CHARS_MAX: usize = 2_000;
const REQUEST_BYTES_MAX: usize = 16 * 1024;
const ANSWER_BYTES: usize = 64 * 1024;
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
const REDIRECTS_MAX: u64 = 5;
const EVERY: Duration = Duration::from_secs(10);
const EVERY_MIN: Duration = Duration::from_millis(500);
const EVERY_MAX: Duration = Duration::from_secs(24 * 60 * 60);
const TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
const TIMEOUT_MAX: Duration = Duration::from_secs(30);
/// Journeys wait for runs.
const JOURNEY_TIMEOUT: Duration = Duration::from_secs(60);
const JOURNEY_TIMEOUT_MAX: Duration = Duration::from_secs(300);
/// A journey leaves rows and records: not every few seconds.
const JOURNEY_EVERY_MIN: Duration = Duration::from_secs(60);
/// Looks at one target that may be on their way at once.
const AT_ONCE: u32 = 4;
/// The status page takes evidence for fresh for 15 s.
const COMPONENT_EVERY_MAX: Duration = Duration::from_secs(10);
const DAYS_MAX: u64 = 3_650;
/// What nodes see of themselves.
const OWN_COMPONENTS: [&str; 4] = ["api", "database", "engine", "runs"];

/// Keys that only some kinds have, with these.
const OF_KINDS: &[(&str, &str)] = &[
    ("url", "the kind http"),
    ("path", "the kind http"),
    ("method", "the kind http"),
    ("headers", "the kind http"),
    ("body", "the kind http"),
    ("redirects", "the kind http"),
    ("answer_bytes_max", "the kind http"),
    ("address", "the kinds tcp and tls"),
    ("server_name", "the kind tls"),
    ("ca_file", "the kinds http and tls"),
    ("host", "the kind dns"),
    ("record", "the kind dns"),
    ("server", "the kind dns"),
    ("document", "the kind journey"),
];

/// What a file says.
pub(super) struct Found {
    pub(super) probes: Vec<Arc<Definition>>,
    /// Whether the shipped ones stay.
    pub(super) shipped: bool,
    /// Names that are switched off.
    pub(super) off: BTreeSet<String>,
}

type Document<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// Reads a file.
///
/// # Errors
/// Every complaint at once.
pub(super) fn file(name: &str, text: &str, document: Document<'_>) -> Result<Found, Vec<String>> {
    let complaints = Complaints::new(name, text);
    if text.len() > FILE_BYTES_MAX {
        let problem = format!("the file has {} bytes; keep it within {FILE_BYTES_MAX}", text.len());
        complaints.add(0, problem);
        return Err(complaints.into_found());
    }
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            complaints.add(offset, format_args!("{}; correct the file's TOML syntax", error.message()));
            return Err(complaints.into_found());
        }
    };
    let mut found = Found { probes: Vec::new(), shipped: true, off: BTreeSet::new() };
    whole(&complaints, table.get_ref(), document, &mut found);
    if complaints.are_none() { Ok(found) } else { Err(complaints.into_found()) }
}

fn whole(complaints: &Complaints<'_>, table: &DeTable<'_>, document: Document<'_>, found: &mut Found) {
    let root = Row::new(complaints, "the file".to_owned(), table, 0);
    found.shipped = root.flag("shipped").unwrap_or(true);
    let rows = root.list("probes", PROBES_MAX);
    root.finish(&[]);
    let Some(items) = table.get("probes").and_then(|cell| cell.get_ref().as_array()) else { return };
    if rows.is_empty() {
        return;
    }
    let mut names = BTreeSet::new();
    for (number, item) in items.iter().enumerate() {
        let Some(table) = item.get_ref().as_table() else {
            let problem = format!("probes[{number}] is no table; write each probe under [[probes]]");
            complaints.add(item.span().start, problem);
            continue;
        };
        let given = table.get("name").and_then(|name| name.get_ref().as_str()).map(shown);
        let place =
            given.map_or_else(|| format!("probes[{number}]"), |name| format!("probes[{number}] {name:?}"));
        let row = Row::new(complaints, place, table, item.span().start);
        let Some(name) = row.must_text("name", "\"shop\"") else { continue };
        if !is_name(name) {
            row.complain_of(
                "name",
                format_args!(
                    "is {:?}; it takes 1 to {NAME_CHARS_MAX} lower case letters, digits and dashes, such as shop-health",
                    shown(name)
                ),
            );
        }
        if !names.insert(name) {
            row.complain_of("name", "is the name of a probe above already; give each its own");
        }
        if row.flag("off") == Some(true) {
            // A row with a kind is a probe of the author's own, which rests.
            if !row.has("kind") {
                must_be_shipped(&row, name);
            }
            found.off.insert(name.to_owned());
            continue;
        }
        if let Some(probe) = probe(&row, name, document) {
            found.probes.push(Arc::new(probe));
        }
    }
}

/// What does not exist cannot be switched off: it was probably another that was meant, which is still looked at.
fn must_be_shipped(row: &Row<'_, '_>, name: &str) {
    let shipped = Definitions::shipped();
    if shipped.find(name).is_some() {
        return;
    }
    let names = || shipped.probes.iter().map(|probe| probe.name.as_str());
    let remedy = nearest(name, names()).map_or_else(
        || format!("there are {}", names().collect::<Vec<_>>().join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    row.complain_of(
        "name",
        format_args!(
            "is {:?}, which is none of Levqor's own probes and so cannot be off; {remedy}",
            shown(name)
        ),
    );
}

fn is_name(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NAME_CHARS_MAX).contains(&text.len()) && text.bytes().all(good) && !text.starts_with('-')
}

/// None: there is a complaint.
fn probe(row: &Row<'_, '_>, name: &str, document: Document<'_>) -> Option<Definition> {
    let word = row.must_text("kind", "\"http\"")?;
    let kind = match word {
        "http" | "https" => http(row, word, document).map(Kind::Http),
        "tcp" => host_port(row, "address").map(Kind::Tcp),
        "dns" => dns(row).map(Kind::Dns),
        "tls" => tls(row, document).map(Kind::Tls),
        "database" => Some(Kind::Database),
        "journey" => journey(row, document).map(Kind::Journey),
        other => {
            let near = nearest(other, Kind::NAMES).map_or_else(
                || format!("use one of {}", Kind::NAMES.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            row.complain_of("kind", format_args!("is {:?}; {near}", shown(other)));
            return None;
        }
    };
    let is_journey = word == "journey";
    let (every_min, timeout_max) =
        if is_journey { (JOURNEY_EVERY_MIN, JOURNEY_TIMEOUT_MAX) } else { (EVERY_MIN, TIMEOUT_MAX) };
    // What leaves traces is begun by those who want them.
    let every = row.span("every", every_min, EVERY_MAX).or((!is_journey).then_some(EVERY));
    let timeout = row.span("timeout", TIMEOUT_MIN, timeout_max);
    let timeout = timeout.unwrap_or(if is_journey { JOURNEY_TIMEOUT } else { TIMEOUT });
    if let Some(every) = every
        && timeout > every * AT_ONCE
    {
        row.complain_of(
            "timeout",
            format_args!("is more than {AT_ONCE} times as long as every; look less often, or wait less long"),
        );
    }
    let severity = severity(row);
    let component = component(row, every);
    let allow = networks(row);
    let expect = expect(row, word);
    row.finish(OF_KINDS);
    let kind = kind?;
    if matches!(&kind, Kind::Tcp(_) | Kind::Database) && expect.certificate.is_some() {
        row.complain_of("expect", "has certificate_days, and there is no certificate; use the kind tls");
    }
    if let Kind::Http(Http { at: At::Url(url), redirects: 0, .. }) = &kind
        && url.scheme() == "http"
        && expect.certificate.is_some()
    {
        row.complain_of(
            "expect",
            "has certificate_days, and an address of http has no certificate; write https in url, or leave it out",
        );
    }
    Some(Definition { name: name.to_owned(), kind, component, every, timeout, severity, allow, expect })
}

fn severity(row: &Row<'_, '_>) -> Severity {
    let Some(word) = row.text("severity") else { return Severity::Major };
    word.parse().unwrap_or_else(|_| {
        row.complain_of("severity", format_args!("is {:?}; use one of critical, major, minor", shown(word)));
        Severity::Major
    })
}

fn component(row: &Row<'_, '_>, every: Option<Duration>) -> Option<String> {
    let name = row.text("component")?;
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.bytes().all(good) {
        row.complain_of(
            "component",
            format_args!(
                "is {:?}; it takes 1 to {NAME_CHARS_MAX} lower case letters, digits and underscores",
                shown(name)
            ),
        );
    } else if OWN_COMPONENTS.contains(&name) {
        row.complain_of(
            "component",
            format_args!("is {name}, which nodes tell of themselves; choose another, such as website"),
        );
    }
    if every.is_none_or(|every| every > COMPONENT_EVERY_MAX) {
        row.complain_of(
            "component",
            "needs evidence that is new: the status page takes it for fresh for 15 s; look at least every 10s, or leave component out",
        );
    }
    Some(name.to_owned())
}

/// Components that two probes tell of, which would take turns in contradicting each other.
pub(super) fn doubled_components(file: &str, probes: &[Arc<Definition>]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, probe) in probes.iter().enumerate() {
        let Some(component) = &probe.component else { continue };
        if let Some(other) = probes[..number].iter().find(|other| other.component.as_ref() == Some(component))
        {
            complaints.push(format!(
                "{file}: the probes {:?} and {:?} have the component {component}; give each its own, or switch one off",
                other.name, probe.name
            ));
        }
    }
    complaints
}

fn networks(row: &Row<'_, '_>) -> Vec<Network> {
    let mut networks = Vec::new();
    for text in row.texts("allow", NETWORKS_MAX) {
        match text.parse() {
            Ok(network) => networks.push(network),
            Err(problem) => row.complain_of("allow", format_args!("has an entry that is none: {problem}")),
        }
    }
    networks
}

fn http(row: &Row<'_, '_>, word: &str, document: Document<'_>) -> Option<Http> {
    let at = match (row.has("url"), row.has("path")) {
        (true, true) => {
            row.complain_of(
                "path",
                "stands beside url; a path goes to every region, a url to one place: keep one of them",
            );
            None
        }
        (false, false) => {
            row.complain("neither url nor path is there; write url = \"https://shop.example/health\", or path = \"/health\" for every region");
            None
        }
        (true, false) => row.text("url").and_then(|text| url(row, text, word)).map(At::Url),
        (false, true) => row.text("path").and_then(|text| {
            // Regions are reached as their nodes say it, be it with or without TLS.
            let good = text.starts_with('/')
                && !text.starts_with("//")
                && text.len() <= 1_000
                && text.bytes().all(|byte| byte.is_ascii_graphic());
            if !good {
                row.complain_of(
                    "path",
                    format_args!("is {:?}; begin it with one slash, without spaces", shown(text)),
                );
            }
            good.then(|| At::Regions { path: text.to_owned() })
        }),
    };
    row.know(&["url", "path"]);
    let method = method(row);
    let headers = row.table("headers").map(|table| headers(&table)).unwrap_or_default();
    let body = row.text("body");
    if body.is_some_and(|body| body.len() > REQUEST_BYTES_MAX) {
        row.complain_of("body", format_args!("is longer than {REQUEST_BYTES_MAX} bytes; shorten it"));
    }
    if body.is_some() && matches!(method, Method::GET | Method::HEAD) {
        row.complain_of("body", format_args!("does not go with {method}; write method = \"POST\""));
    }
    let redirects = row.number("redirects", 0, REDIRECTS_MAX).unwrap_or_default();
    let bytes = row.number("answer_bytes_max", 1, ANSWER_BYTES_MAX);
    Some(Http {
        at: at?,
        method,
        headers,
        body: body.map(|body| body.as_bytes().to_vec().into()),
        redirects: u32::try_from(redirects).unwrap_or_default(),
        bytes_max: bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(ANSWER_BYTES),
        authorities: authorities(row, document),
    })
}

fn url(row: &Row<'_, '_>, text: &str, word: &str) -> Option<Url> {
    let problem = match Url::parse(text) {
        Err(error) => format!(
            "is {:?}, which is no address: {error}; write it like https://shop.example/health",
            shown(text)
        ),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            format!("has the scheme {}; use http or https", shown(url.scheme()))
        }
        Ok(url) if word == "https" && url.scheme() == "http" => {
            "has the scheme http, and the kind is https; use https in both, or the kind http".to_owned()
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "has a user in it; write it into headers, as authorization".to_owned()
        }
        Ok(url) if url.fragment().is_some() => {
            "has a fragment (#…), which is not sent; leave it out".to_owned()
        }
        Ok(url) => return Some(url),
    };
    row.complain_of("url", problem);
    None
}

fn method(row: &Row<'_, '_>) -> Method {
    const METHODS: [&str; 4] = ["GET", "HEAD", "POST", "OPTIONS"];
    let Some(word) = row.text("method") else { return Method::GET };
    match word {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        "POST" => Method::POST,
        "OPTIONS" => Method::OPTIONS,
        other => {
            let near = nearest(other, METHODS).map_or_else(
                || format!("use one of {}", METHODS.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            row.complain_of("method", format_args!("is {:?}; {near}", shown(other)));
            Method::GET
        }
    }
}

fn headers(table: &Row<'_, '_>) -> HeaderMap {
    const OURS: [HeaderName; 4] =
        [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];
    let mut headers = HeaderMap::new();
    for (name, value) in table.pairs(HEADERS_MAX) {
        match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            (Ok(name), _) if OURS.contains(&name) => {
                table.complain_of(name.as_str(), "belongs to the connection; leave it out");
            }
            (Ok(name), Ok(value)) => drop(headers.insert(name, value)),
            (Err(_), _) => table.complain_of(name, "is no name of a header"),
            (_, Err(_)) => table.complain_of(name, "has a value with characters that headers cannot have"),
        }
    }
    headers
}

fn authorities(row: &Row<'_, '_>, document: Document<'_>) -> Arc<[CertificateDer<'static>]> {
    let Some(file) = row.text("ca_file") else { return Arc::default() };
    let read = document(file).and_then(|text| {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        found.map_err(|error| error.to_string())
    });
    match read {
        Ok(found) if !found.is_empty() => found.into(),
        Ok(_) => {
            row.complain_of("ca_file", "holds no certificate; name a file with some in PEM form");
            Arc::default()
        }
        Err(problem) => {
            row.complain_of(
                "ca_file",
                format_args!("cannot be read: {problem}; name a file beside this one"),
            );
            Arc::default()
        }
    }
}

fn host_port(row: &Row<'_, '_>, key: &'static str) -> Option<HostPort> {
    let text = row.must_text(key, "\"db.example:5432\"")?;
    let found = parse_host_port(text);
    if found.is_none() {
        row.complain_of(
            key,
            format_args!(
                "is {:?}; write a host and a port, such as db.example:5432 or [::1]:5432",
                shown(text)
            ),
        );
    }
    found
}

fn parse_host_port(text: &str) -> Option<HostPort> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return (address.port() != 0)
            .then(|| HostPort { host: address.ip().to_string(), port: address.port() });
    }
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0 && text.is_ascii())?;
    is_host(host).then(|| HostPort { host: host.to_ascii_lowercase(), port })
}

fn is_host(text: &str) -> bool {
    let good = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    text.len() <= 253 && text.split('.').all(good)
}

fn dns(row: &Row<'_, '_>) -> Option<Dns> {
    let name = row.must_text("host", "\"shop.example\"");
    if let Some(name) = name
        && !is_host(name)
    {
        row.complain_of(
            "host",
            format_args!("is {:?}, which is no name; write it like shop.example", shown(name)),
        );
        return None;
    }
    let record = match row.text("record") {
        None => Record::A,
        Some(word) => Record::parse(word).unwrap_or_else(|| {
            let near = nearest(word, Record::NAMES).map_or_else(
                || format!("use one of {}", Record::NAMES.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            row.complain_of("record", format_args!("is {:?}; {near}", shown(word)));
            Record::A
        }),
    };
    let server = row.text("server").and_then(|text| {
        let whole = text.parse::<SocketAddr>().ok();
        let found = whole.or_else(|| text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 53)));
        if found.is_none() {
            row.complain_of(
                "server",
                format_args!("is {:?}; write the address of a name server, such as 192.0.2.53", shown(text)),
            );
        }
        found
    });
    if server.is_none() && !matches!(record, Record::A | Record::Aaaa) && !row.has("server") {
        row.complain_of(
            "record",
            format_args!(
                "is {}, which the system's resolver is not asked for; name a server",
                record.as_str()
            ),
        );
    }
    Some(Dns { name: name?.to_ascii_lowercase(), record, server })
}

fn tls(row: &Row<'_, '_>, document: Document<'_>) -> Option<Tls> {
    let at = host_port(row, "address");
    let given = row.text("server_name");
    let authorities = authorities(row, document);
    let at = at?;
    let server_name = given.map_or_else(|| at.host.clone(), str::to_owned);
    if ServerName::try_from(server_name.clone()).is_err() {
        let key = if given.is_some() { "server_name" } else { "address" };
        row.complain_of(
            key,
            format_args!("names {:?}, which no certificate can be for", shown(&server_name)),
        );
    }
    Some(Tls { at, server_name, authorities })
}

fn journey(row: &Row<'_, '_>, document: Document<'_>) -> Option<Journey> {
    let file = row.must_text("document", "\"journey.yaml\"")?;
    let read = document(file).and_then(|text| {
        let value = document::read(&text).map_err(|issue| issue.message)?;
        let checked = document::check_with(&value, &Host::default(), &document::Fetched::default());
        match checked.errors.first() {
            Some(issue) => Err(format!("it is not valid at {}: {}", issue.pointer, issue.message)),
            None if checked.workflow.is_none() => {
                Err("it uses functions of a catalog, which probes have no access to".to_owned())
            }
            None => Ok((text, value)),
        }
    });
    match read {
        Ok((text, value)) => {
            Some(Journey { file: file.to_owned(), document: Arc::new(value), text: text.into() })
        }
        Err(problem) => {
            row.complain_of(
                "document",
                format_args!(
                    "is {:?}, which cannot be used: {problem}; name a workflow beside this file",
                    shown(file)
                ),
            );
            None
        }
    }
}

fn expect(row: &Row<'_, '_>, kind: &str) -> Expect {
    let Some(table) = row.table("expect") else { return Expect::default() };
    let is_http = matches!(kind, "http" | "https");
    let mut expect =
        Expect { latency: table.span("latency", Duration::from_millis(1), TIMEOUT_MAX), ..Expect::default() };
    if is_http {
        expect.status = statuses(&table);
        expect.body = table.text("body").and_then(|text| expression(&table, text));
    }
    if kind != "dns" && kind != "journey" {
        let days = table.number("certificate_days", 0, DAYS_MAX);
        expect.certificate = days.map(|days| Duration::from_secs(days * 24 * 60 * 60));
    }
    if kind == "dns" {
        expect.answer = table.texts("answer", 20).into_iter().map(str::to_owned).collect();
    }
    table.finish(&[
        ("status", "the kind http"),
        ("body", "the kind http"),
        ("certificate_days", "the kinds http and tls"),
        ("answer", "the kind dns"),
    ]);
    expect
}

fn expression(table: &Row<'_, '_>, text: &str) -> Option<Expression> {
    if text.chars().count() > EXPRESSION_CHARS_MAX {
        table.complain_of(
            "body",
            format_args!("is longer than {EXPRESSION_CHARS_MAX} characters; shorten it"),
        );
        return None;
    }
    Expression::compile(text, VARIABLES)
        .map_err(|error| {
            table.complain_of(
                "body",
                format_args!("is no jq expression: {error}; write one such as .status == \"ok\""),
            );
        })
        .ok()
}

/// Numbers such as 200, and classes such as "2xx".
fn statuses(table: &Row<'_, '_>) -> Vec<(u16, u16)> {
    let mut ranges = Vec::new();
    for value in table.list("status", 20) {
        let range = match value {
            DeValue::String(text) => match text.as_bytes() {
                [class @ b'1'..=b'5', b'x', b'x'] => {
                    let first = u16::from(class - b'0') * 100;
                    Some((first, first + 99))
                }
                _ => None,
            },
            other => number_of(other)
                .and_then(|number| u16::try_from(number).ok())
                .filter(|number| (100..600).contains(number))
                .map(|number| (number, number)),
        };
        match range {
            Some(range) => ranges.push(range),
            None => table.complain_of(
                "status",
                "has an entry that is no status; write numbers such as 200, and classes such as \"3xx\"",
            ),
        }
    }
    ranges
}
