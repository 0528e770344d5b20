use levqor_edge::{Config, Material};
use proptest::prelude::*;

const GOOD: &str = r#"
name = "edge-1"
region = "eu-west"
[[listen]]
address = "127.0.0.1:8080"
[[regions]]
code = "eu-west"
[[regions]]
code = "us-east"
[[origins]]
name = "eu-1"
region = "eu-west"
url = "http://127.0.0.1:8001"
[[origins]]
name = "us-1"
region = "us-east"
url = "https://us.example.com"
[[routes]]
hosts = ["api.example.com", "api-fallback.example.com"]
"#;

#[test]
fn a_good_file_is_read_with_its_defaults() {
    let config = Config::parse(GOOD).unwrap();
    assert_eq!((config.name.as_str(), config.origins.len()), ("edge-1", 2));
    assert_eq!(config.origins[1].url.to_string(), "https://us.example.com:443");
    assert_eq!((config.routes[0].path.as_str(), config.routes[0].name.as_str()), ("/", "route-0"));
    assert_eq!((config.health.path.as_str(), config.health.interval_ms), ("/ready", 250));
    assert!(!config.trusts("10.0.0.1".parse().unwrap()) && config.tls.is_none());
}

#[test]
fn the_sample_of_the_guide_is_valid() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/samples/edge.toml");
    let config = Config::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(config.regions.len(), 3);
}

#[test]
fn each_mistake_is_named_with_its_place_and_remedy() {
    for (from, to, words) in [
        (
            "code = \"us-east\"",
            "code = \"eu-west\"",
            "regions[1].code: eu-west is the code of regions[0] already; give",
        ),
        ("code = \"us-east\"", "code = \"US\"", "regions[1].code: region code \"US\" must be"),
        (
            "region = \"us-east\"",
            "region = \"mars\"",
            "origins[1].region: region \"mars\" is not known; use one of [[regions]] (eu-west, us-east)",
        ),
        (
            "https://us.example.com",
            "http://127.0.0.1:8001/",
            "origins[1].url: http://127.0.0.1:8001/ is the address of origins[0] already; remove",
        ),
        (
            "name = \"us-1\"",
            "name = \"eu-1\"",
            "origins[1].name: \"eu-1\" is the name of origins[0] already; rename",
        ),
        ("name = \"us-1\"", "name = \"us 1\"", "origins[1].name: \"us 1\" is not a name; use"),
        (
            "https://us.example.com",
            "us.example.com",
            "origins[1].url: \"us.example.com\" is not a URL; write it like",
        ),
        ("https://us.example.com", "https://us.example.com/api", "has a path"),
        (
            "\"api.example.com\", ",
            "\"https://api.example.com\", ",
            "routes[0].hosts: \"https://api.example.com\" is not a host",
        ),
        ("\"api.example.com\", ", "\"api-fallback.example.com\", ", "is taken by an earlier route"),
        ("127.0.0.1:8080", "localhost", "listen[0].address: \"localhost\" is not an address"),
        (
            "region = \"eu-west\"\n[[listen]]",
            "region = \"x-y\"\n[[listen]]",
            "region: region \"x-y\" is not known",
        ),
        ("[[listen]]\naddress = \"127.0.0.1:8080\"", "", "listen: no address is listed"),
        ("name = \"edge-1\"", "nam = \"edge-1\"", "line 2: unknown field `nam`"),
        ("name = \"edge-1\"", "name = ", "line 2:"),
        ("name = \"edge-1\"", "name = \"a\\r\\nb\"", "name: \"a\\r\\nb\" is not a name"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from}");
        let complaints = Config::parse(&text).unwrap_err().to_string();
        assert!(complaints.contains(words), "{words:?} is not in {complaints}");
    }
    for (rows, words) in [
        ("[steering]\nprefer = [\"mars\"]", "steering.prefer: region \"mars\" is not known"),
        ("[steering.countries]\nde = [\"eu-west\"]", "steering.countries.de: not a country; write"),
        ("[steering.countries]\nDE = [\"mars\"]", "steering.countries.DE: region \"mars\" is not known"),
        ("[health]\ninterval_ms = 1", "health.interval_ms: 1 is out of range; choose from 20 to 60000"),
        ("[health]\npath = \"ready\"", "health.path: \"ready\" is no path"),
        ("[health]\npath = \"/re ady\"", "health.path: \"/re ady\" is no path"),
        ("[retries]\nattempts = 0", "retries.attempts: 0 is out of range"),
        (
            "[limits]\nconnections_per_address = 0",
            "limits.connections_per_address: 0 is out of range; choose from 1 to 1000000",
        ),
        ("[trust]\nproxies = [\"10.0.0.0/99\"]", "trust.proxies: \"10.0.0.0/99\" is not a network"),
        ("[trust]\ncountry_header = \"cf-ipcountry\"", "trust.country_header: nobody is trusted to set it"),
        (
            "[steering]\ncountry_database = \"c.mmdb\"",
            "steering.country_database: no country is steered; list",
        ),
        ("[[routes]]\nhosts = [\"b\"]\naffinity = true", "no secret for its cookie"),
        ("[[routes]]\nhosts = [\"b\"]\npath = \"/edge/x\"", "routes[1].path: \"/edge/x\" cannot be routed"),
        ("[[routes]]\nhosts = []", "routes[1].hosts: no host is named"),
        ("[[routes]]\nhosts = [\"b\"]\nregions = [\"mars\"]", "routes[1].regions: region \"mars\""),
        ("[[listen]]\naddress = \"[::1]:1\"\ntls = true", "listen[1].tls: there is no certificate"),
        ("[snapshot]\npublic_key = \"x\"\nfile = \"y\"", "snapshot.public_key: \"x\" is not a public key"),
    ] {
        let complaints = Config::parse(&format!("{GOOD}{rows}\n")).unwrap_err().to_string();
        assert!(complaints.contains(words), "{words:?} is not in {complaints}");
    }
    let all = Config::parse("").unwrap_err().0;
    assert_eq!(all.len(), 4, "everything at once: {all:?}");
    assert!(Config::parse(&"#".repeat(2 * 1024 * 1024)).unwrap_err().to_string().contains("bytes"));
}

const COUNTRIES: &str = "[steering]\ncountries = { US = [\"us-east\"] }\n";

#[test]
fn files_that_are_named_must_be_usable() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("short"), "short").unwrap();
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    for (rows, words) in [
        ("[tls]\ncertificate = \"no.pem\"\nkey = \"no.pem\"\n", "tls.certificate:"),
        ("[tls]\ncertificate = \"empty.pem\"\nkey = \"empty.pem\"\n", "holds no certificates"),
        ("[upstream]\nca_file = \"empty.pem\"\n", "upstream.ca_file:"),
        ("[affinity]\nsecret_file = \"short\"\n", "holds 5 bytes; write at least 32 random ones"),
        ("[affinity]\nsecret_file = \"none\"\n", "affinity.secret_file:"),
        (&format!("{COUNTRIES}country_database = \"none\"\n"), "none cannot be read"),
        (&format!("{COUNTRIES}country_database = \"short\"\n"), "short is no MaxMind DB"),
    ] {
        let config = Config::parse(&format!("{GOOD}{rows}")).unwrap();
        let complaints = Material::load(&config, folder.path()).unwrap_err().to_string();
        assert!(complaints.contains(words), "{words:?} is not in {complaints}");
    }
}

proptest! {
    #[test]
    fn any_text_is_judged_without_a_panic(text in ".{0,400}") {
        let _ = Config::parse(&text);
    }

    /// A good file with a line of it changed, doubled or lost.
    #[test]
    fn near_misses_are_judged_without_a_panic(line in 0..25usize, with in "(|[a-z_\\[\\]]{0,10}) ?=? ?[\"\\[]{0,2}[ -~]{0,30}[\"\\]]{0,2}", doubled in any::<bool>()) {
        let mut lines: Vec<&str> = GOOD.lines().collect();
        let place = line % lines.len();
        let old = lines[place];
        lines[place] = &with;
        if doubled {
            lines.insert(place, old);
        }
        if let Err(complaints) = Config::parse(&lines.join("\n")) {
            prop_assert!(!complaints.0.is_empty());
            for complaint in complaints.0 {
                prop_assert!(complaint.contains(": "), "{complaint}");
            }
        }
    }
}
