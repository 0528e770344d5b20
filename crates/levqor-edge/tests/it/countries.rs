//! Callers by the country of their address. The files are made here, by the published format (MaxMind DB 2.0).

use std::net::{IpAddr, Ipv4Addr};

use http::Request;
use levqor_edge::Countries;
use levqor_model::Timestamp;
use proptest::prelude::*;

use crate::{
    origin::Origin,
    world::{PREFER, ROUTE, World},
};

const BUILT_AT: u64 = 1_700_000_000;

/// A value as the format has it: a text, or a map.
enum Value {
    Text(&'static str),
    Map(Vec<(&'static str, Value)>),
}

use Value::{Map, Text};

impl Value {
    fn write(&self, into: &mut Vec<u8>) {
        match self {
            Text(text) => write_text(text, into),
            Map(entries) => {
                into.push(0b1110_0000 | u8::try_from(entries.len()).unwrap());
                for (key, value) in entries {
                    write_text(key, into);
                    value.write(into);
                }
            }
        }
    }
}

fn write_text(text: &str, into: &mut Vec<u8>) {
    assert!(text.len() < 29, "longer ones have another head");
    into.push(0b0100_0000 | u8::try_from(text.len()).unwrap());
    into.extend_from_slice(text.as_bytes());
}

fn write_number(name: &str, head: &[u8], number: u32, into: &mut Vec<u8>) {
    write_text(name, into);
    into.extend_from_slice(head);
    into.extend_from_slice(&number.to_be_bytes());
}

/// A file of networks of the first eight bits.
fn database(kind: &'static str, rows: &[(u8, Value)]) -> Vec<u8> {
    const NOTHING: usize = usize::MAX;
    // What a branch leads to: another node, or a row.
    let mut nodes: Vec<[usize; 2]> = vec![[NOTHING; 2]];
    let (mut data, mut places) = (Vec::new(), Vec::new());
    for (row, (first, value)) in rows.iter().enumerate() {
        places.push(data.len());
        value.write(&mut data);
        let mut node = 0;
        for bit in (0..8).rev() {
            let side = usize::from(first >> bit & 1);
            if bit == 0 {
                nodes[node][side] = usize::MAX - 1 - row;
            } else if nodes[node][side] == NOTHING {
                nodes.push([NOTHING; 2]);
                nodes[node][side] = nodes.len() - 1;
            }
            node = nodes[node][side];
        }
    }
    let count = nodes.len();
    let mut bytes = Vec::new();
    for record in nodes.iter().flatten() {
        let pointer = match *record {
            NOTHING => count,
            node if node < count => node,
            row => count + 16 + places[usize::MAX - 1 - row],
        };
        bytes.extend_from_slice(&u32::try_from(pointer).unwrap().to_be_bytes()[1..]);
    }
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&data);
    bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    // A map of nine: numbers by their types, texts, an empty list and an empty map.
    bytes.push(0b1110_0000 | 9);
    write_number("node_count", &[0b1100_0100], u32::try_from(count).unwrap(), &mut bytes);
    for (name, number) in [("record_size", 24), ("ip_version", 4), ("binary_format_major_version", 2)] {
        write_text(name, &mut bytes);
        bytes.extend_from_slice(&[0b1010_0001, number]);
    }
    write_text("binary_format_minor_version", &mut bytes);
    bytes.push(0b1010_0000);
    write_number("build_epoch", &[0b0000_0100, 2], u32::try_from(BUILT_AT).unwrap(), &mut bytes);
    write_text("database_type", &mut bytes);
    write_text(kind, &mut bytes);
    write_text("languages", &mut bytes);
    bytes.extend_from_slice(&[0, 4]);
    write_text("description", &mut bytes);
    Map(Vec::new()).write(&mut bytes);
    bytes
}

fn code(text: &'static str) -> Value {
    Map(vec![("iso_code", Text(text))])
}

fn sample() -> Vec<u8> {
    database(
        "Test-Country",
        &[
            (1, Map(vec![("registered_country", code("FR")), ("country", code("DE"))])),
            (2, Map(vec![("country_code", Text("US"))])),
            (3, Map(vec![("country", Text("NL"))])),
            (4, Map(vec![("registered_country", code("FR"))])),
            (5, Map(vec![("country", Text("nowhere"))])),
            (6, Text("a row of another kind")),
            (127, Map(vec![("country", code("US"))])),
        ],
    )
}

#[test]
fn files_of_several_publishers_tell_countries() {
    let countries = Countries::from_bytes(sample()).unwrap();
    for (first, expected) in
        [(1, Some("DE")), (2, Some("US")), (3, Some("NL")), (4, Some("FR")), (5, None), (6, None), (7, None)]
    {
        let address = Ipv4Addr::new(first, 2, 3, 4);
        assert_eq!(countries.of(address.into()), expected, "{address}");
        // The same address, as a socket of both versions tells it.
        assert_eq!(countries.of(address.to_ipv6_mapped().into()), expected, "{address}");
    }
    assert_eq!(countries.of("2001:db8::1".parse().unwrap()), None, "the file has none of those");
}

#[test]
fn a_file_gets_old() {
    let countries = Countries::from_bytes(sample()).unwrap();
    for (days, old) in [(0, false), (90, false), (91, true)] {
        let now = Timestamp::from_seconds(i64::try_from(BUILT_AT + days * 86_400).unwrap());
        assert_eq!((countries.age_days(now), countries.is_old(now)), (days, old));
    }
    assert_eq!(countries.age_days(Timestamp::from_seconds(0)), 0);
}

#[test]
fn what_tells_no_countries_is_refused() {
    let numbers = database("Test-ASN", &[(1, Map(vec![("organization", Text("Example"))]))]);
    let refused = Countries::from_bytes(numbers).unwrap_err();
    assert!(refused.contains("tells no countries") && refused.contains("Test-ASN"), "{refused}");
    let refused = Countries::from_bytes(b"no such thing".to_vec()).unwrap_err();
    assert!(refused.contains("no MaxMind DB"), "{refused}");
}

#[tokio::test]
async fn callers_are_steered_by_their_address() {
    let (europe, america) = (Origin::start("eu").await, Origin::start("us").await);
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("countries.mmdb"), sample()).unwrap();
    let rows = format!(
        "{ROUTE}{PREFER}countries = {{ US = [\"us-east\"], DE = [\"eu-west\"] }}\ncountry_database = \"countries.mmdb\"\n\
         [trust]\nproxies = [\"127.0.0.1\"]\ncountry_header = \"cf-ipcountry\"\n"
    );
    let world = World::within(folder, &World::text(&[&europe, &america], "", &rows)).await;
    world.settled().await;
    for (headers, expected) in [
        // The caller is on this machine, which the file has in the US.
        (&[][..], "us"),
        (&[("x-forwarded-for", "1.2.3.4")], "eu"),
        (&[("x-forwarded-for", "1.2.3.4, 2.3.4.5")], "us"),
        (&[("x-forwarded-for", "9.9.9.9")], "eu"),
        // Who names the country knows better.
        (&[("cf-ipcountry", "DE")], "eu"),
    ] {
        let mut request = Request::get("/").header("host", "a");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        assert_eq!(world.client().await.send(request).await.body, expected, "{headers:?}");
    }
    let told = world.edge.health();
    assert_eq!(
        (told["countries"]["kind"].as_str(), told["countries"]["old"].as_bool()),
        (Some("Test-Country"), Some(true))
    );
}

proptest! {
    /// A file that was damaged answers or does not; it never panics.
    #[test]
    fn damaged_files_do_no_harm(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20), cut in any::<prop::sample::Index>()) {
        let mut bytes = sample();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok(countries) = Countries::from_bytes(bytes) {
            for first in 0..=255 {
                let _ = countries.of(IpAddr::V4(Ipv4Addr::new(first, 1, 1, 1)));
            }
        }
    }
}
