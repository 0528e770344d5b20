//! What configurations become, and what is said of those that are wrong.

use std::path::Path;

use super::*;

pub(super) fn resolved(file: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let mut layers = Layers::defaults();
    layers.file(Path::new("levqor.toml"), file);
    layers.environment(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    resolve(&layers).map_err(|complaints| complaints.to_string())
}

#[test]
fn the_environment_beats_the_file_and_the_file_beats_the_default() {
    let file = "listen = \"127.0.0.1:9000\"\n[limits]\neffects = 7\n";
    let config = resolved(file, &[("LEVQOR_LISTEN", "[::1]:9001")]).unwrap();
    assert_eq!(config.listen.to_string(), "[::1]:9001");
    assert_eq!(config.limits.effects, 7);
    assert_eq!(config.region.code.as_str(), "eu-west");
    assert_eq!(config.public_url, "http://[::1]:9001");
}

#[test]
fn each_mistake_names_the_place_the_problem_and_the_remedy() {
    type Variables<'a> = &'a [(&'a str, &'a str)];
    let rows: &[(&str, Variables, &str)] = &[
        (
            "lisen = \"x\"",
            &[],
            "levqor.toml:1: unknown key lisen; did you mean listen? `levqor check` lists all keys",
        ),
        (
            "\n[limits]\nefects = 7",
            &[],
            "levqor.toml:3: unknown key limits.efects; did you mean limits.effects?",
        ),
        ("[colours]\nred = 1", &[], "levqor.toml:1: unknown key colours; remove it"),
        ("listen = 8000", &[], "levqor.toml:1: listen is an integer; it takes a text in quotes"),
        (
            "[limits]\neffects = \"7\"",
            &[],
            "levqor.toml:2: limits.effects is a string; it takes a whole number",
        ),
        (
            "[limits]\neffects = 0",
            &[],
            "levqor.toml:2: limits.effects: \"0\" is not a whole number from 1 to 100000",
        ),
        (
            "[metrics]\nfine_days = 9\nminute_days = 8",
            &[],
            "levqor.toml:2: metrics.fine_days: is more than metrics.minute_days; keep finer steps for no longer than coarser ones",
        ),
        ("", &[("LEVQOR_METRICS_HOUR_DAYS", "29")], "metrics.minute_days: is more than metrics.hour_days"),
        ("listen = \"x", &[], "levqor.toml:1:"),
        (
            "",
            &[("LEVQOR_REGION", "mars")],
            "environment LEVQOR_REGION: region: region \"mars\" is not known; supported: eu-west, us-east, ap-south",
        ),
        (
            "",
            &[("LEVQOR_REGOIN", "eu-west")],
            "environment: unknown variable LEVQOR_REGOIN; did you mean LEVQOR_REGION?",
        ),
        (
            "",
            &[("LEVQOR_ENV", "prod")],
            "environment LEVQOR_ENV: env: \"prod\" is not known; use one of: development, production",
        ),
        (
            "",
            &[("LEVQOR_LISTEN", "8000")],
            "environment LEVQOR_LISTEN: listen: \"8000\" is not an address and a port",
        ),
        (
            "",
            &[("LEVQOR_PUBLIC_URL", "levqor.example")],
            "public_url: \"levqor.example\" is not an http or https address",
        ),
        (
            "",
            &[("LEVQOR_ENV", "production")],
            "default: security.hmac_secret: production needs a secret; set SECURITY_HMAC_SECRET",
        ),
        (
            "",
            &[("LEVQOR_ENV", "production"), ("SECURITY_HMAC_SECRET", "short")],
            "security.hmac_secret: the secret is too weak: it has 5 bytes; set SECURITY_HMAC_SECRET to at least 32",
        ),
        (
            "",
            &[
                ("LEVQOR_ENV", "production"),
                ("SECURITY_HMAC_SECRET", "change-me-change-me-change-me-hunter2,an old one that was better"),
            ],
            "the secret is too weak: it has words in it that examples show",
        ),
        (
            "",
            &[("SECURITY_HMAC_SECRET", "hunter2hunter2hunter2hunter2hunter2,1,2,3,4,5,6,7,8")],
            "security.hmac_secret: it has more than 8 secrets; list the new secret",
        ),
        (
            "",
            &[("LEVQOR_DATABASE_URL", "mysql://u:hunter2@h/db")],
            "database.url: the value is no address of a PostgreSQL; write it like postgres://",
        ),
        (
            "",
            &[("LEVQOR_DATABASE_URL", "sqlite://levqor.db")],
            "database.url: the file of a shared SQLite database has no absolute path; write it like sqlite:///",
        ),
        (
            "",
            &[("LEVQOR_DATABASE_URL", "postgres://u:hunter2@h/db")],
            "security.hmac_secret: is empty, and database.url is set: all nodes of a database need the same",
        ),
        (
            "",
            &[("LEVQOR_DATABASE_READ_URL", "postgres://u:hunter2@h/db")],
            "environment LEVQOR_DATABASE_READ_URL: database.read_url: is set, and database.url is empty",
        ),
        (
            "[database]\nurl = \"postgres://u:hunter2@h/db\"\nread_url = \"mysql://u:hunter2@h/db\"",
            &[],
            "levqor.toml:3: database.read_url: the value is no address of a PostgreSQL",
        ),
        ("[egress]\nallow = [\"10.0.0.0/99\"]", &[], "levqor.toml:2: egress.allow:"),
        (
            "[gateway]\ntrusted_proxies = [\"10.0.0.0/8\", \"proxy.example\"]",
            &[],
            "levqor.toml:2: gateway.trusted_proxies: \"proxy.example\" is not a network; write networks or addresses like",
        ),
        (
            "",
            &[("LEVQOR_GATEWAY_CORS_ORIGINS", "https://app.example, *")],
            "environment LEVQOR_GATEWAY_CORS_ORIGINS: gateway.cors_origins: \"*\" is no origin; write origins as browsers do",
        ),
        (
            "[gateway]\ncountry_header = \"a b\"",
            &[],
            "levqor.toml:2: gateway.country_header: \"a b\" is no name of a header",
        ),
        (
            "[gateway]\nforwarded_header = \"x-real-ip\"",
            &[],
            "gateway.forwarded_header: \"x-real-ip\" is not known; use one of: x-forwarded-for, forwarded",
        ),
        (
            "[processes]\nallow = [\"shell\", \"perl\"]",
            &[],
            "levqor.toml:2: processes.allow: \"perl\" is no kind of process",
        ),
        (
            "",
            &[("OPENAI_BASE_URL", "https://u:hunter2@h/v1")],
            "environment OPENAI_BASE_URL: ai.openai_base_url: the address is none of http or https without user",
        ),
        ("[[ai.providers]]\nname = \"x\"", &[], "levqor.toml:1: ai.providers: missing field `base_url`"),
        (
            "[[ai.providers]]\nname = \"builtin\"\nbase_url = \"http://127.0.0.1:1/v1\"\nmodel = \"m\"\napi_key = \"hunter2\"",
            &[],
            "ai.providers: \"builtin\": the name is taken",
        ),
        (
            "[[ai.providers]]\nname = \"x\"\nbase_url = \"http://127.0.0.1:1/v1\"\nmodel = \"m\"\nregions = [\"mars\"]",
            &[],
            "ai.providers: \"x\": regions: region \"mars\" is not known",
        ),
        (
            "",
            &[("LEVQOR_EVENTS_SINK_URL", "https://u:hunter2@h/")],
            "environment LEVQOR_EVENTS_SINK_URL: events.sink_url: the address is none of http or https without user",
        ),
        (
            "[events]\nsink_secret = \"hunter2\"",
            &[],
            "default: events.sink_url: is empty, and events.sink_secret is set; set it (LEVQOR_EVENTS_SINK_URL)",
        ),
        (
            "[events]\nsink_url = \"https://sink.example\"\nsink_secret = \"hunter2\"",
            &[],
            "levqor.toml:3: events.sink_secret: the secret is not whsec_ and 24 to 64 bytes in Base 64; make one with",
        ),
        (
            "[events]\nsink_format = \"binary\"",
            &[],
            "levqor.toml:2: events.sink_format: \"binary\" is not known; use one of: structured, batch",
        ),
        (
            "[probes]\nfile = \"/nonexistent/probes.toml\"",
            &[],
            "levqor.toml:2: probes.file: /nonexistent/probes.toml cannot be read",
        ),
        (
            "[tamper]\nwatch = [\"/etc/x\", \"templates\"]",
            &[],
            "levqor.toml:2: tamper.watch: \"templates\" is no absolute path; write it from the root on",
        ),
        (
            "[alerts]\nmail_to = [\"nobody\"]",
            &[("SMTP_URL", "smtp://127.0.0.1"), ("LEVQOR_MAIL_FROM", "a@b.example")],
            "levqor.toml:2: alerts.mail_to: \"nobody\" is no address",
        ),
        ("[alerts]\nmail_to = [\"a@b.example\"]", &[], "mail.smtp_url: is empty, and alerts go by mail"),
        (
            "",
            &[("LEVQOR_ALERTS_SLACK_URL", "hooks.example/hunter2")],
            "environment LEVQOR_ALERTS_SLACK_URL: alerts.slack_url: the address is none of http or https",
        ),
        (
            "",
            &[
                ("LEVQOR_ALERTS_WEBHOOK_URL", "https://h.example/"),
                ("LEVQOR_ALERTS_WEBHOOK_SECRET", "hunter2"),
            ],
            "alerts.webhook_url: the secret is not whsec_ and 24 to 64 bytes in Base 64",
        ),
        (
            "",
            &[("LEVQOR_ALERTS_WEBHOOK_SECRET", "hunter2")],
            "alerts.webhook_url: is empty, and alerts.webhook_secret is set",
        ),
        (
            "[[alerts.destinations]]\nname = \"pager\"\nwebhook = \"https://h.example/hunter2\"\nslack = \"https://h.example/hunter2\"",
            &[],
            "alerts.destinations: \"pager\": give exactly one of mail, webhook and slack",
        ),
        (
            "[[alerts.destinations]]\nname = \"pager\"\nwebhok = \"https://h.example/\"",
            &[],
            "levqor.toml:1: alerts.destinations: unknown field `webhok`",
        ),
        (
            "[alerts.routes]\ncritical = [\"pagr\"]\n[[alerts.destinations]]\nname = \"pager\"\nwebhook = \"https://h.example/\"",
            &[],
            "alerts.routes: \"critical\": there is no destination \"pagr\"; did you mean `pager`?; known are: pager",
        ),
        ("[[regions]]\ncode = \"EU\"", &[], "levqor.toml:1: regions:"),
        (
            "[site]\ncontact_email = \"help\"",
            &[],
            "levqor.toml:2: site.contact_email: \"help\" is not an e-mail address",
        ),
        (
            "",
            &[("LEVQOR_SITE_SECURITY_CONTACT", "http://a.example")],
            "site.security_contact: \"http://a.example\" is neither an e-mail address nor an https address",
        ),
        (
            "[site]\noperator_address = \"1 Road\\nTown\"",
            &[],
            "levqor.toml:2: site.operator_address: has more than one line; write it on one",
        ),
        (
            "[site]\noperator_name = \"Ada\\u202EmbH\"",
            &[],
            "levqor.toml:2: site.operator_name: has a character that nobody sees (U+202E), in place 4; write it without",
        ),
        ("", &[("SMTP_URL", "smtp://u:hunter2@h")], "mail.from: is empty, and mail.smtp_url is set"),
        (
            "[oidc]\nissuer = \"http://login.example.com\"",
            &[],
            "levqor.toml:2: oidc.issuer: \"http://login.example.com\" is no issuer",
        ),
        (
            "[oidc]\nissuer = \"https://login.example.com\"\nclient_id = \"levqor\"",
            &[],
            "oidc.client_secret: is empty, and oidc.issuer is set",
        ),
        ("[oidc]\nonly = true", &[], "levqor.toml:2: oidc.only: is set, and there is no oidc.issuer"),
        (
            "[oidc]\nissuer = \"https://login.example.com\"\nacr = [\"gold silver\"]",
            &[],
            "levqor.toml:3: oidc.acr: \"gold silver\" is nothing that a token can say",
        ),
        (
            "[mail]\nfrom = \"a@b.c\"",
            &[("SMTP_URL", "https://u:hunter2@h")],
            "environment SMTP_URL: mail.smtp_url: the address must begin with smtp:// or smtps://",
        ),
        (
            "[mail]\nfrom = \"nobody\"",
            &[("SMTP_URL", "smtp://h")],
            "levqor.toml:2: mail.from: the sender's address is none",
        ),
    ];
    for (file, environment, expected) in rows {
        let complaint = resolved(file, environment).unwrap_err();
        assert!(
            complaint.contains(expected),
            "for {file:?} {environment:?}:\n  {complaint}\nlacks\n  {expected}"
        );
        assert!(!complaint.contains("hunter2"), "a secret is shown");
    }
}

#[test]
fn providers_come_from_the_list_and_then_from_the_environment() {
    let file = "[ai]\ntimeout_seconds = 5\n\
                [[ai.providers]]\nname = \"near\"\nbase_url = \"http://127.0.0.1:8080/v1\"\nmodel = \"small\"\n\
                [[ai.providers]]\nname = \"far\"\nbase_url = \"https://ai.example/v1\"\nmodel = \"m\"\napi_key = \"k\"\nregions = [\"us-east\"]\n";
    let names = |environment: &[(&str, &str)]| {
        let ai = resolved(file, environment).unwrap().ai;
        ai.providers.iter().map(|it| format!("{} {} {}", it.name, it.base_url, it.model)).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["near http://127.0.0.1:8080/v1 small"]);
    assert_eq!(
        names(&[("LEVQOR_REGION", "us-east"), ("OPENAI_API_KEY", "sk-1")]),
        [
            "near http://127.0.0.1:8080/v1 small",
            "far https://ai.example/v1 m",
            "openai https://api.openai.com/v1 gpt-4o-mini"
        ]
    );
    let local = resolved("", &[("OPENAI_BASE_URL", "http://localhost:11434/v1"), ("OPENAI_MODEL", "tiny")]);
    let local = local.unwrap().ai.providers;
    assert_eq!((local[0].key.as_ref(), local[0].model.as_str()), (None, "tiny"));
    assert!(resolved("", &[]).unwrap().ai.providers.is_empty());
}

#[test]
fn destinations_come_from_the_list_and_from_the_environment() {
    let file = "[[alerts.destinations]]\nname = \"pager\"\nwebhook = \"https://h.example/hunter2\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n\
                [alerts.routes]\ncritical = [\"pager\", \"chat\"]\n";
    let config = resolved(file, &[("LEVQOR_ALERTS_SLACK_URL", "http://10.0.0.7/hunter2")]).unwrap();
    let shown = format!("{:?}", config.alerts);
    assert!(shown.contains("\"pager\", kind: webhook") && shown.contains("\"chat\", kind: chat"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("whsec"), "{shown}");
    assert_eq!(config.alerts.routes["critical"], ["pager", "chat"]);
    assert!(resolved("", &[]).unwrap().alerts.destinations.is_empty());
}

#[test]
fn a_sink_is_named_by_its_address() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    assert!(resolved("", &[]).unwrap().sink.is_none());
    let sink = |environment: &[(&str, &str)]| format!("{:?}", resolved("", environment).unwrap().sink);
    let near = ("LEVQOR_EVENTS_SINK_URL", "http://10.0.0.7:9000/events?token=hunter2");
    assert_eq!(sink(&[near]), "Some(Sink { host: \"10.0.0.7\", batch: false, .. })");
    let whole = [near, ("LEVQOR_EVENTS_SINK_SECRET", secret), ("LEVQOR_EVENTS_SINK_FORMAT", "batch")];
    assert_eq!(sink(&whole), "Some(Sink { host: \"10.0.0.7\", batch: true, .. })");
}

#[test]
fn the_operator_is_named_as_the_file_says_or_not_at_all() {
    let nobody = resolved("", &[]).unwrap();
    assert_eq!((nobody.site, nobody.policies_dir), (Site::default(), None));
    let file = "[site]\noperator_name = \" Acme \"\nsecurity_contact = \"Safe@Acme.example\"\npolicies_dir = \"/etc/p\"\n";
    let named = resolved(file, &[("LEVQOR_SITE_CONTACT_EMAIL", "help@acme.example")]).unwrap();
    let expected = Site {
        operator_name: Some("Acme".to_owned()),
        contact_email: Some("help@acme.example".to_owned()),
        security_contact: Some("mailto:safe@acme.example".to_owned()),
        ..Site::default()
    };
    assert_eq!((named.site, named.policies_dir), (expected, Some(PathBuf::from("/etc/p"))));
}

#[test]
fn production_takes_a_good_secret_before_a_weak_one() {
    let listed = "k3J9sPq0Zr7LmX2vBn8TfW4cYd6HgQ1u,weak";
    let config = resolved("", &[("LEVQOR_ENV", "production"), ("SECURITY_HMAC_SECRET", listed)]).unwrap();
    assert_eq!(config.hmac_secret, Some(Secret::new(listed)));
    assert!(resolved("", &[("SECURITY_HMAC_SECRET", "weak")]).is_ok(), "development is for trying");
}

#[test]
fn a_file_may_bring_its_own_regions() {
    let file = "region = \"north\"\n[[regions]]\ncode = \"north\"\nname = \"North\"\ndescription = \"Oslo\"\njurisdiction = \"NO\"\n";
    let config = resolved(file, &[]).unwrap();
    assert_eq!((config.region.code.as_str(), config.regions.all().len()), ("north", 1));
}
