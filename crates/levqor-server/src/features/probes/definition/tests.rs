use proptest::prelude::*;

use super::{
    row::{span, written},
    *,
};

const JOURNEY_TEXT: &str = "document: { dsl: '1.0.3', namespace: probes, name: mine, version: '0.1.0' }\ndo: [{ a: { set: { ok: true } } }]";

fn beside(name: &str) -> Result<String, String> {
    match name {
        "mine.yaml" => Ok(JOURNEY_TEXT.to_owned()),
        "broken.yaml" => Ok("document: { dsl: '1.0.3', namespace: probes, name: mine, version: '0.1.0' }\ndo: [{ a: { sett: {} } }]".to_owned()),
        "empty.pem" => Ok(String::new()),
        _ => Err("there is no such file".to_owned()),
    }
}

fn read(text: &str) -> Result<Definitions, Vec<String>> {
    Definitions::read("probes.toml", text, &beside)
}

#[test]
fn the_shipped_ones_are_read_whole() {
    let read = read::file(SHIPPED_FILE, SHIPPED, &shipped_document);
    let names: Vec<_> = match read {
        Ok(found) => found.probes.iter().map(|probe| probe.name.clone()).collect(),
        Err(complaints) => panic!("{complaints:#?}"),
    };
    assert_eq!(names, ["reach", "website", "database", "journey"]);
    assert_eq!(Definitions::shipped().probes.len(), names.len());
    let reach = Definitions::shipped().find("reach").cloned().unwrap();
    assert_eq!(
        (reach.every, reach.component.as_deref()),
        (Some(Duration::from_millis(500)), Some("network"))
    );
    assert!(reach.kind.is_of_regions() && reach.severity == Severity::Critical);
}

#[test]
fn an_operator_adds_replaces_and_switches_off() {
    let names = |text: &str| -> Vec<String> {
        read(text).unwrap().probes.iter().map(|probe| probe.name.clone()).collect()
    };
    let mine = "[[probes]]\nname = \"shop\"\nkind = \"tcp\"\naddress = \"shop.example:443\"\n";
    assert_eq!(names(""), ["reach", "website", "database", "journey"]);
    assert_eq!(names(mine), ["reach", "website", "database", "journey", "shop"]);
    assert_eq!(names(&format!("shipped = false\n{mine}")), ["shop"]);
    assert_eq!(names("[[probes]]\nname = \"website\"\noff = true\n"), ["reach", "database", "journey"]);
    let other = read(&mine.replace("shop\"", "reach\"")).unwrap();
    assert_eq!(other.probes.len(), 4);
    assert!(matches!(&other.find("reach").unwrap().kind, Kind::Tcp(at) if at.port == 443));
}

#[test]
fn every_kind_is_read() {
    let found = read(
        r#"
shipped = false
[[probes]]
name = "shop"
kind = "https"
url = "https://shop.example/health?deep=1"
method = "POST"
headers = { authorization = "Bearer x" }
body = "{}"
redirects = 2
every = "1m"
timeout = "2s"
allow = ["10.0.0.0/8"]
severity = "minor"
expect = { status = [200, "3xx"], body = ".ok and $latency_ms < 500", latency = "800ms", certificate_days = 21 }
[[probes]]
name = "mail"
kind = "tcp"
address = "[2001:db8::1]:25"
[[probes]]
name = "names"
kind = "dns"
host = "Shop.Example"
record = "TXT"
server = "192.0.2.53"
expect = { answer = ["v=spf1 -all"] }
[[probes]]
name = "certificate"
kind = "tls"
address = "shop.example:443"
every = "1h"
expect = { certificate_days = 14 }
[[probes]]
name = "rows"
kind = "database"
[[probes]]
name = "buy"
kind = "journey"
document = "mine.yaml"
every = "5m"
"#,
    )
    .unwrap();
    let kinds: Vec<_> = found.probes.iter().map(|probe| probe.kind.as_str()).collect();
    assert_eq!(kinds, ["http", "tcp", "dns", "tls", "database", "journey"]);
    let shop = &found.probes[0];
    assert_eq!(shop.expect.status, [(200, 200), (300, 399)]);
    assert_eq!(shop.expect.certificate, Some(Duration::from_secs(21 * 86_400)));
    assert_eq!((shop.severity, shop.allow.len()), (Severity::Minor, 1));
    let Kind::Http(http) = &shop.kind else { panic!("{shop:?}") };
    assert_eq!((http.redirects, http.headers.len(), http.method.as_str()), (2, 1, "POST"));
    let Kind::Dns(dns) = &found.probes[2].kind else { panic!("{found:?}") };
    assert_eq!((dns.name.as_str(), dns.server.unwrap().port()), ("shop.example", 53));
    assert_eq!(found.probes[5].every, Some(Duration::from_secs(300)));
    assert_eq!(Definitions::shipped().find("journey").unwrap().every, None);
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_a_remedy() {
    let with = |rest: &str| format!("[[probes]]\nname = \"a\"\n{rest}\n");
    let http = |rest: &str| with(&format!("kind = \"http\"\nurl = \"http://a.example/\"\n{rest}"));
    let rows = [
        ("probes = 3".to_owned(), "probes.toml:1: the file: probes is of type integer; it takes a list"),
        ("[[probes]\n".to_owned(), "probes.toml:1: "),
        ("[[probe]]\nname = \"a\"".to_owned(), "unknown key `probe`; did you mean `probes`?"),
        ("probes = [1]".to_owned(), "probes[0] is no table; write each probe under [[probes]]"),
        (
            "[[probes]]\nkind = \"tcp\"".to_owned(),
            "probes.toml:1: probes[0]: name is missing; write name = \"shop\"",
        ),
        (
            "[[probes]]\nname = \"A b\"\nkind = \"database\"".to_owned(),
            "probes.toml:2: probes[0] \"A b\": name is \"A b\"; it takes 1 to 40 lower case",
        ),
        (with(""), "kind is missing; write kind = \"http\""),
        (with("kind = \"htp\""), "probes.toml:3: probes[0] \"a\": kind is \"htp\"; did you mean `http`?"),
        (with("kind = \"smtp\""), "use one of http, https, tcp"),
        (with("kind = \"http\""), "neither url nor path is there"),
        (http("path = \"/x\""), "path stands beside url"),
        (
            http("timout = \"1s\""),
            "probes.toml:5: probes[0] \"a\": unknown key `timout`; did you mean `timeout`?",
        ),
        (http("record = \"A\""), "unknown key `record`; it belongs to the kind dns; leave it out here"),
        (http("every = \"100ms\""), "every is 100ms; it may be from 500ms to 1d"),
        (
            http("every = \"soon\""),
            "every is \"soon\", which is no span; write a whole number with ms, s, m, h or d",
        ),
        (http("every = 5"), "every is of type integer; it takes a span in quotes"),
        (http("every = \"1s\"\ntimeout = \"5s\""), "timeout is more than 4 times as long as every"),
        (http("severity = \"high\""), "severity is \"high\"; use one of critical, major, minor"),
        (http("component = \"api\""), "component is api, which nodes tell of themselves"),
        (http("component = \"shop\"\nevery = \"1m\""), "look at least every 10s"),
        (http("component = \"website\""), "the probes \"website\" and \"a\" have the component website"),
        (
            http("allow = [\"10.0.0.1/8\"]"),
            "allow has an entry that is none: \"10.0.0.1/8\" is not a network",
        ),
        (http("method = \"GTE\""), "method is \"GTE\"; did you mean `GET`?"),
        (http("body = \"x\""), "body does not go with GET; write method = \"POST\""),
        (http("redirects = 6"), "redirects is 6; give a number from 0 to 5"),
        (http("redirects = \"2\""), "redirects is of type string; it takes a whole number"),
        (http("headers = { host = \"x\" }"), "headers: host belongs to the connection"),
        (http("headers = { \"a b\" = \"x\" }"), "a b is no name of a header"),
        (http("expect = { status = [\"2x\"] }"), "expect: status has an entry that is no status"),
        (http("expect = { status = [999] }"), "expect: status has an entry that is no status"),
        (http("expect = { body = \".a |\" }"), "expect: body is no jq expression"),
        (http("expect = { body = \"$secret\" }"), "expect: body is no jq expression"),
        (http("expect = { stauts = [200] }"), "unknown key `stauts`; did you mean `status`?"),
        (http("ca_file = \"empty.pem\""), "ca_file holds no certificate"),
        (http("ca_file = \"none.pem\""), "ca_file cannot be read: there is no such file"),
        (with("kind = \"https\"\nurl = \"http://a.example/\""), "the kind is https"),
        (with("kind = \"http\"\nurl = \"ftp://a.example/\""), "url has the scheme ftp"),
        (with("kind = \"http\"\nurl = \"http://u:p@a.example/\""), "url has a user in it"),
        (with("kind = \"http\"\nurl = \"a.example\""), "which is no address"),
        (with("kind = \"http\"\npath = \"health\""), "begin it with one slash"),
        (with("kind = \"http\"\npath = \"//evil.example/\""), "begin it with one slash"),
        (
            with("kind = \"tcp\"\naddress = \"a.example\""),
            "address is \"a.example\"; write a host and a port",
        ),
        (with("kind = \"tcp\"\naddress = \"a.example:0\""), "write a host and a port"),
        (
            with("kind = \"tcp\"\naddress = \"a:1\"\nexpect = { certificate_days = 3 }"),
            "there is no certificate",
        ),
        (
            http("expect = { certificate_days = 3 }"),
            "an address of http has no certificate; write https in url",
        ),
        (
            "[[probes]]\nname = \"webiste\"\noff = true\n".to_owned(),
            "probes.toml:2: probes[0] \"webiste\": name is \"webiste\", which is none of Levqor's own probes and so cannot be off; did you mean `website`?",
        ),
        (with("off = true"), "there are reach, website, database, journey"),
        (with("kind = \"dns\"\nhost = \"a b\""), "which is no name"),
        (with("kind = \"dns\"\nhost = \"a.example\"\nrecord = \"MX\""), "name a server"),
        (with("kind = \"dns\"\nhost = \"a.example\"\nrecord = \"AAA\""), "did you mean `AAAA`?"),
        (with("kind = \"dns\"\nhost = \"a.example\"\nserver = \"ns\""), "write the address of a name server"),
        (with("kind = \"journey\"\ndocument = \"none.yaml\""), "which cannot be used: there is no such file"),
        (with("kind = \"journey\"\ndocument = \"broken.yaml\""), "it is not valid at /do/0/a"),
        (
            with("kind = \"journey\"\ndocument = \"mine.yaml\"\nevery = \"10s\""),
            "every is 10s; it may be from 1m to 1d",
        ),
        (
            format!("{}{}", with("kind = \"database\""), with("kind = \"database\"")),
            "name is the name of a probe above already",
        ),
    ];
    for (text, expected) in rows {
        let complaints = read(&text).expect_err(&text);
        assert!(complaints.iter().any(|line| line.contains(expected)), "{text}\n{complaints:#?}\n{expected}");
        assert!(complaints.iter().all(|line| line.starts_with("probes.toml")), "{complaints:#?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = "[[probes]]\nname = \"a\"\nkind = \"tcp\"\naddress = \"a\"\nevry = \"1s\"\nallow = [\"x\"]\n";
    assert_eq!(read(text).unwrap_err().len(), 3);
    let large = format!("# {}", "x".repeat(FILE_BYTES_MAX));
    assert!(read(&large).unwrap_err()[0].contains("keep it within"));
    let many = "[[probes]]\nname = \"a\"\nkind = \"database\"\n".repeat(300);
    assert_eq!(read(&many).unwrap_err().len(), 1);
}

#[test]
fn spans_are_read_as_they_are_written() {
    for (text, millis) in [
        ("500ms", Some(500)),
        ("1s", Some(1_000)),
        ("90s", Some(90_000)),
        ("2m", Some(120_000)),
        ("1h", Some(3_600_000)),
        ("1d", Some(86_400_000)),
        ("", None),
        ("5", None),
        ("s", None),
        ("-1s", None),
        ("1.5s", None),
        ("1 s", None),
        ("99999999999999999999s", None),
        ("18446744073709551615d", None),
    ] {
        assert_eq!(span(text), millis.map(Duration::from_millis), "{text}");
    }
    for text in ["500ms", "1s", "90s", "2m", "1h", "1d"] {
        assert_eq!(written(span(text).unwrap()), text);
    }
}

/// A word of the format, or something else.
fn word() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "name",
        "kind",
        "http",
        "url",
        "path",
        "expect",
        "body",
        "status",
        "every",
        "timeout",
        "allow",
        "off",
        "probes",
        "shipped",
        "headers",
        "address",
        "document",
        "journey",
        "dns",
        "record",
        "component",
        "1s",
        "[[probes]]",
        "[",
        "]",
        "{",
        "}",
        "=",
        "\"",
        "\n",
        ",",
        "true",
        "200",
    ];
    prop_oneof![3 => proptest::sample::select(KNOWN).prop_map(str::to_owned), 1 => ".{0,12}"]
}

/// The value of a key: of any type, right or wrong.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9:/.$ |-]{0,20}".prop_map(|text| format!("{text:?}")),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        Just("[\"10.0.0.0/8\", 3]".to_owned()),
        Just("{ body = \"def f: f; f\", status = [\"2xx\"] }".to_owned()),
        Just("\"http\"".to_owned()),
        Just("\"1s\"".to_owned()),
        Just("1979-05-27".to_owned()),
    ]
}

fn row() -> impl Strategy<Value = String> {
    const KEYS: &[&str] = &[
        "name",
        "kind",
        "url",
        "path",
        "every",
        "timeout",
        "severity",
        "allow",
        "expect",
        "headers",
        "method",
        "body",
        "redirects",
        "address",
        "host",
        "record",
        "server",
        "document",
        "component",
        "off",
        "ca_file",
        "answer_bytes_max",
        "nmae",
    ];
    proptest::collection::btree_map(proptest::sample::select(KEYS), value(), 0..8).prop_map(|pairs| {
        let lines: String = pairs.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        format!("[[probes]]\n{lines}")
    })
}

proptest! {
    /// Whatever the text is, it is read or complained of; a complaint has a place.
    #[test]
    fn no_text_makes_it_panic(words in proptest::collection::vec(word(), 0..60)) {
        if let Err(complaints) = read(&words.join(" ")) {
            prop_assert!(!complaints.is_empty() && complaints.iter().all(|line| line.starts_with("probes.toml")));
        }
    }

    /// Tables with keys of every type: what is taken is within its bounds.
    #[test]
    fn what_is_taken_is_within_bounds(rows in proptest::collection::vec(row(), 0..5)) {
        match read(&rows.concat()) {
            Err(complaints) => prop_assert!(complaints.iter().all(|line| line.starts_with("probes.toml"))),
            Ok(found) => for probe in found.probes {
                prop_assert!(probe.timeout >= Duration::from_millis(100) && probe.timeout <= Duration::from_secs(300));
                prop_assert!(probe.every.is_none_or(|every| every >= Duration::from_millis(500)));
                prop_assert!(!probe.name.is_empty());
            },
        }
    }
}
