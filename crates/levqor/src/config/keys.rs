//! Every configuration key, in one list: its names, its shape, its default and what it does.

/// What a value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Text,
    /// A whole number within these bounds, both included.
    Number(u64, u64),
    Flag,
    /// Comma-separated in the environment, an array of texts in the file.
    List,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// A key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The dotted name in `levqor.toml`.
    pub name: &'static str,
    /// The variable's name in the environment.
    pub variable: &'static str,
    pub shape: Shape,
    /// Empty when there is none.
    pub default: &'static str,
    /// Its value is never shown.
    pub secret: bool,
    /// False for names that are agreed and reserved, but that this version does not act on.
    pub in_use: bool,
    pub about: &'static str,
}

const fn key(
    name: &'static str,
    variable: &'static str,
    shape: Shape,
    default: &'static str,
    about: &'static str,
) -> Key {
    Key { name, variable, shape, default, secret: false, in_use: true, about }
}

impl Key {
    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    const fn reserved(mut self) -> Self {
        self.in_use = false;
        self
    }
}

const MEBIBYTE: u64 = 1024 * 1024;

/// The list. Names and variables are unique; a test checks it.
pub const KEYS: &[Key] = &[
    key("region", "LEVQOR_REGION", Shape::Text, "eu-west", "the region of this node"),
    key(
        "env",
        "LEVQOR_ENV",
        Shape::Word(&["development", "production"]),
        "development",
        "production refuses default secrets",
    ),
    key("listen", "LEVQOR_LISTEN", Shape::Text, "127.0.0.1:8000", "address and port to serve on"),
    key(
        "data_dir",
        "LEVQOR_DATA_DIR",
        Shape::Text,
        "./levqor-data",
        "where the embedded database and local state live",
    ),
    key(
        "public_url",
        "LEVQOR_PUBLIC_URL",
        Shape::Text,
        "",
        "what links start with; empty: http:// and the listen address",
    ),
    key(
        "advertise_url",
        "LEVQOR_ADVERTISE_URL",
        Shape::Text,
        "",
        "where edges and other nodes reach this node; empty: http:// and the listen address, when that is one address",
    ),
    key(
        "operator_email",
        "LEVQOR_OPERATOR_EMAIL",
        Shape::Text,
        "operator@localhost",
        "the first operator, created at the first start",
    ),
    key("log", "LEVQOR_LOG", Shape::Text, "info", "log filter, such as info or levqor_engine=debug,info"),
    key("log_format", "LEVQOR_LOG_FORMAT", Shape::Word(&["pretty", "json"]), "pretty", "how log lines look"),
    key(
        "database.url",
        "LEVQOR_DATABASE_URL",
        Shape::Text,
        "",
        "empty: embedded SQLite in the data directory; postgres://user:password@host1,host2/database; or sqlite:///file, for nodes of one machine",
    )
    .secret(),
    key(
        "database.ca_file",
        "LEVQOR_DATABASE_CA_FILE",
        Shape::Text,
        "",
        "certificates that the database's must be signed by, in PEM form; empty: those that the system trusts",
    ),
    key(
        "database.read_url",
        "LEVQOR_DATABASE_READ_URL",
        Shape::Text,
        "",
        "a replica of database.url's server, nearby, to read lists and history from; written the same way, with one host",
    )
    .secret(),
    key(
        "egress.allow",
        "LEVQOR_EGRESS_ALLOW",
        Shape::List,
        "",
        "networks that workflows may reach besides the public internet",
    ),
    key(
        "egress.timeout_seconds",
        "LEVQOR_EGRESS_TIMEOUT_SECONDS",
        Shape::Number(1, 600),
        "30",
        "longest time for one call",
    ),
    key(
        "egress.response_bytes_max",
        "LEVQOR_EGRESS_RESPONSE_BYTES_MAX",
        Shape::Number(1024, 64 * MEBIBYTE),
        "1048576",
        "largest response to one call",
    ),
    key(
        "processes.allow",
        "LEVQOR_PROCESSES_ALLOW",
        Shape::List,
        "",
        "processes that workflows may run on this machine: shell, js, python",
    ),
    key(
        "processes.network",
        "LEVQOR_PROCESSES_NETWORK",
        Shape::Flag,
        "false",
        "whether processes may use the network",
    ),
    key(
        "processes.timeout_seconds",
        "LEVQOR_PROCESSES_TIMEOUT_SECONDS",
        Shape::Number(1, 3600),
        "60",
        "longest time for one process",
    ),
    key(
        "processes.memory_bytes_max",
        "LEVQOR_PROCESSES_MEMORY_BYTES_MAX",
        Shape::Number(16 * MEBIBYTE, 64 * 1024 * MEBIBYTE),
        "536870912",
        "largest memory of one process",
    ),
    key(
        "processes.output_bytes_max",
        "LEVQOR_PROCESSES_OUTPUT_BYTES_MAX",
        Shape::Number(1024, 64 * MEBIBYTE),
        "1048576",
        "largest standard output, and largest standard error, of one process",
    ),
    key(
        "processes.file_bytes_max",
        "LEVQOR_PROCESSES_FILE_BYTES_MAX",
        Shape::Number(1024, 64 * 1024 * MEBIBYTE),
        "67108864",
        "largest file that a process may write",
    ),
    key(
        "processes.at_once",
        "LEVQOR_PROCESSES_AT_ONCE",
        Shape::Number(1, 1024),
        "4",
        "processes at once; more wait for their turn",
    ),
    key(
        "limits.body_bytes_max",
        "LEVQOR_LIMITS_BODY_BYTES_MAX",
        Shape::Number(1024, 64 * MEBIBYTE),
        "2097152",
        "largest request body",
    ),
    key(
        "limits.payload_bytes_max",
        "LEVQOR_LIMITS_PAYLOAD_BYTES_MAX",
        Shape::Number(1024, 64 * MEBIBYTE),
        "1048576",
        "largest input or output of a run or task",
    ),
    key(
        "limits.active_runs",
        "LEVQOR_LIMITS_ACTIVE_RUNS",
        Shape::Number(1, 1_000_000),
        "10000",
        "runs held in memory at once",
    ),
    key(
        "limits.running_per_account",
        "LEVQOR_LIMITS_RUNNING_PER_ACCOUNT",
        Shape::Number(1, 1_000_000),
        "50",
        "runs of one account that run at once; more are queued; when it is not set, as the blueprint says",
    ),
    key(
        "limits.requests_per_minute",
        "LEVQOR_LIMITS_REQUESTS_PER_MINUTE",
        Shape::Number(1, 10_000_000),
        "1000",
        "requests that one account may send to the nodes of a region in a minute; when it is not set, as the blueprint says",
    ),
    key(
        "limits.anonymous_per_minute",
        "LEVQOR_LIMITS_ANONYMOUS_PER_MINUTE",
        Shape::Number(1, 10_000_000),
        "100",
        "requests that one address may send to one route of a region's nodes in a minute without a key",
    ),
    key(
        "limits.effects",
        "LEVQOR_LIMITS_EFFECTS",
        Shape::Number(1, 100_000),
        "1024",
        "calls in flight at once",
    ),
    key(
        "limits.request_timeout_seconds",
        "LEVQOR_LIMITS_REQUEST_TIMEOUT_SECONDS",
        Shape::Number(1, 3600),
        "90",
        "longest time for one request",
    ),
    key(
        "limits.drain_seconds",
        "LEVQOR_LIMITS_DRAIN_SECONDS",
        Shape::Number(0, 3600),
        "10",
        "how long a stop waits for calls in flight",
    ),
    key(
        "limits.drain_notice_ms",
        "LEVQOR_LIMITS_DRAIN_NOTICE_MS",
        Shape::Number(0, 60_000),
        "1000",
        "how long a stop goes on taking requests after /ready has begun to say draining; half of drain_seconds at most",
    ),
    key(
        "retention.runs_days",
        "LEVQOR_RETENTION_RUNS_DAYS",
        Shape::Number(0, 36_500),
        "90",
        "days that runs are kept after their end, unless their workflow says otherwise; 0: for good",
    ),
    key(
        "events.sink_url",
        "LEVQOR_EVENTS_SINK_URL",
        Shape::Text,
        "",
        "address that is told the life of all runs and tasks, as CloudEvents by POST; it may be a private one; empty: nobody is told",
    )
    .secret(),
    key(
        "events.sink_secret",
        "LEVQOR_EVENTS_SINK_SECRET",
        Shape::Text,
        "",
        "signs what the sink is told as Standard Webhooks has it: whsec_ and 24 to 64 bytes in Base 64; empty: unsigned",
    )
    .secret(),
    key(
        "events.sink_format",
        "LEVQOR_EVENTS_SINK_FORMAT",
        Shape::Word(&["structured", "batch"]),
        "structured",
        "one event in each request, or up to 100",
    ),
    key(
        "alerts.mail_to",
        "LEVQOR_ALERTS_MAIL_TO",
        Shape::List,
        "",
        "addresses that are told of alerts by mail; the destination `mail`",
    ),
    key(
        "alerts.webhook_url",
        "LEVQOR_ALERTS_WEBHOOK_URL",
        Shape::Text,
        "",
        "a webhook that is told of alerts, as Standard Webhooks has it; the destination `webhook`",
    )
    .secret(),
    key(
        "alerts.webhook_secret",
        "LEVQOR_ALERTS_WEBHOOK_SECRET",
        Shape::Text,
        "",
        "signs what goes to that webhook: whsec_ and 24 to 64 bytes in Base 64; empty: it is not signed",
    )
    .secret(),
    key(
        "alerts.slack_url",
        "LEVQOR_ALERTS_SLACK_URL",
        Shape::Text,
        "",
        "an incoming webhook of Slack, Mattermost or the like that is told of alerts; the destination `chat`",
    )
    .secret(),
    key(
        "ai.anonymous_per_minute",
        "LEVQOR_AI_ANONYMOUS_PER_MINUTE",
        Shape::Number(0, 100_000),
        "20",
        "AI requests a minute from one address without a key",
    ),
    key(
        "ai.openai_api_key",
        "OPENAI_API_KEY",
        Shape::Text,
        "",
        "key of the OpenAI-compatible provider that AI functions and chat ask; empty, as the address: only the built-in backend",
    )
    .secret(),
    key(
        "ai.openai_base_url",
        "OPENAI_BASE_URL",
        Shape::Text,
        "",
        "address of that provider, without /chat/completions; empty with a key: https://api.openai.com/v1",
    ),
    key("ai.openai_model", "OPENAI_MODEL", Shape::Text, "gpt-4o-mini", "the model that is asked"),
    key(
        "ai.timeout_seconds",
        "LEVQOR_AI_TIMEOUT_SECONDS",
        Shape::Number(1, 300),
        "30",
        "longest time for one exchange with a provider; after twice that the built-in backend answers",
    ),
    key(
        "ai.at_once",
        "LEVQOR_AI_AT_ONCE",
        Shape::Number(1, 1024),
        "8",
        "calls to one provider at once; more wait for their turn",
    ),
    key(
        "metrics.public",
        "LEVQOR_METRICS_PUBLIC",
        Shape::Flag,
        "true",
        "whether /metrics answers without a key, and questions about stored series",
    ),
    key(
        "metrics.fine_days",
        "LEVQOR_METRICS_FINE_DAYS",
        Shape::Number(1, 30),
        "2",
        "days that stored series are kept in steps of 10 s",
    ),
    key(
        "metrics.minute_days",
        "LEVQOR_METRICS_MINUTE_DAYS",
        Shape::Number(1, 400),
        "30",
        "days that they are kept in steps of a minute",
    ),
    key(
        "metrics.hour_days",
        "LEVQOR_METRICS_HOUR_DAYS",
        Shape::Number(1, 4_000),
        "400",
        "days that they are kept in steps of an hour",
    ),
    key(
        "security.hmac_secret",
        "SECURITY_HMAC_SECRET",
        Shape::Text,
        "",
        "the root under which the server's keys are sealed, at least 32 random bytes; a new one before those that it replaces: `new,old`",
    )
    .secret(),
    key(
        "security.block_high_risk_ips",
        "BLOCK_HIGH_RISK_IPS",
        Shape::Flag,
        "false",
        "refuse addresses that made 50 errors in 300 s, and not only log them; operators with a key get in",
    ),
    key(
        "gateway.trusted_proxies",
        "LEVQOR_GATEWAY_TRUSTED_PROXIES",
        Shape::List,
        "",
        "networks of the proxies before this node, such as levqor edge, whose word on where a request comes from is believed",
    ),
    key(
        "gateway.forwarded_header",
        "LEVQOR_GATEWAY_FORWARDED_HEADER",
        Shape::Word(&["x-forwarded-for", "forwarded"]),
        "x-forwarded-for",
        "the header in which those proxies give it; the other one is not read",
    ),
    key(
        "gateway.country_header",
        "LEVQOR_GATEWAY_COUNTRY_HEADER",
        Shape::Text,
        "x-levqor-country",
        "the header in which those proxies name the caller's country; none: it is not read",
    ),
    key(
        "gateway.cors_origins",
        "LEVQOR_GATEWAY_CORS_ORIGINS",
        Shape::List,
        "",
        "sites whose pages may call the API from a browser, with an API key, such as https://app.example.com",
    ),
    key(
        "gateway.connections_per_address",
        "LEVQOR_GATEWAY_CONNECTIONS_PER_ADDRESS",
        Shape::Number(1, 1_000_000),
        "256",
        "connections at once from one address (of IPv6: one /64); more are closed; trusted proxies have no such limit",
    ),
    key(
        "gateway.head_timeout_seconds",
        "LEVQOR_GATEWAY_HEAD_TIMEOUT_SECONDS",
        Shape::Number(1, 3600),
        "30",
        "how long the head of a request may take to arrive, and a connection may be idle",
    ),
    key(
        "gateway.body_timeout_seconds",
        "LEVQOR_GATEWAY_BODY_TIMEOUT_SECONDS",
        Shape::Number(1, 3600),
        "30",
        "how long the body of a request may take to arrive",
    ),
    key(
        "gateway.body_bytes_per_second_min",
        "LEVQOR_GATEWAY_BODY_BYTES_PER_SECOND_MIN",
        Shape::Number(0, 1_048_576),
        "1024",
        "a body that brings less than this in any 5 s is given up",
    ),
    key(
        "gateway.stall_timeout_seconds",
        "LEVQOR_GATEWAY_STALL_TIMEOUT_SECONDS",
        Shape::Number(1, 3600),
        "30",
        "how long a client may read nothing of an answer that waits for it",
    ),
    key(
        "blueprint.file",
        "LEVQOR_BLUEPRINT_FILE",
        Shape::Text,
        "",
        "a blueprint of your own, with its lock beside it (blueprint.lock for blueprint.toml); read at the start; empty: the shipped one",
    ),
    key(
        "billing.stripe_secret_key",
        "STRIPE_SECRET_KEY",
        Shape::Text,
        "",
        "Stripe key, with which the drift monitor reads prices; empty: it does not",
    )
    .secret(),
    key("billing.stripe_webhook_secret", "STRIPE_WEBHOOK_SECRET", Shape::Text, "", "Stripe webhook secret")
        .secret()
        .reserved(),
    key(
        "billing.stripe_api_base",
        "STRIPE_API_BASE",
        Shape::Text,
        "",
        "Stripe address; empty: https://api.stripe.com; http is for a stand-in on 127.0.0.1 only",
    ),
    key(
        "mail.smtp_url",
        "SMTP_URL",
        Shape::Text,
        "",
        "mail server, such as smtp://user:password@mail.example.com:587 (STARTTLS) or smtps://…; empty: no mail: workflows \
         that call `email` are refused, and nobody gets links to sign in or invitations by mail",
    )
    .secret(),
    key(
        "mail.from",
        "LEVQOR_MAIL_FROM",
        Shape::Text,
        "",
        "sender of mail, such as Levqor <levqor@example.com>; needed with mail.smtp_url",
    ),
    key(
        "oidc.issuer",
        "LEVQOR_OIDC_ISSUER",
        Shape::Text,
        "",
        "a system that signs people in by OpenID Connect, such as https://login.example.com; empty: people sign in by a link only",
    ),
    key(
        "oidc.client_id",
        "LEVQOR_OIDC_CLIENT_ID",
        Shape::Text,
        "",
        "what that system knows this server by; needed with oidc.issuer",
    ),
    key(
        "oidc.client_secret",
        "LEVQOR_OIDC_CLIENT_SECRET",
        Shape::Text,
        "",
        "the secret that it gave for that; needed with oidc.issuer",
    )
    .secret(),
    key("oidc.name", "LEVQOR_OIDC_NAME", Shape::Text, "single sign-on", "what the button on the sign-in page calls it"),
    key(
        "oidc.open_accounts",
        "LEVQOR_OIDC_OPEN_ACCOUNTS",
        Shape::Flag,
        "false",
        "whether somebody whom it knows and nobody has invited gets an account of their own",
    ),
    key(
        "oidc.only",
        "LEVQOR_OIDC_ONLY",
        Shape::Flag,
        "false",
        "whether people sign in by it only, and by no link from a mailbox; the link that the server prints for its first operator goes on to work",
    ),
    key(
        "oidc.acr",
        "LEVQOR_OIDC_ACR",
        Shape::List,
        "",
        "contexts of which its token must name one (acr), such as those with a second factor; empty: any, or none",
    ),
    key(
        "oidc.amr",
        "LEVQOR_OIDC_AMR",
        Shape::List,
        "",
        "methods of which its token must name one (amr), such as mfa or hwk; empty: any, or none",
    ),
    key(
        "oidc.max_age_seconds",
        "LEVQOR_OIDC_MAX_AGE_SECONDS",
        Shape::Number(0, 2_592_000),
        "0",
        "how long ago it may have asked somebody who they are (auth_time); 0: however long",
    ),
    key(
        "site.operator_name",
        "LEVQOR_SITE_OPERATOR_NAME",
        Shape::Text,
        "",
        "who operates this installation, as its pages and policies name them; empty: they say that no name was given",
    ),
    key(
        "site.operator_address",
        "LEVQOR_SITE_OPERATOR_ADDRESS",
        Shape::Text,
        "",
        "the operator's postal address on one line; empty: pages say that none is published",
    ),
    key(
        "site.contact_email",
        "LEVQOR_SITE_CONTACT_EMAIL",
        Shape::Text,
        "",
        "the address for mail that pages and policies give for support and questions; empty: none",
    ),
    key(
        "site.security_contact",
        "LEVQOR_SITE_SECURITY_CONTACT",
        Shape::Text,
        "",
        "where weaknesses are reported to, in security.txt and on /security: an e-mail or https address; empty: site.contact_email, \
         else /security",
    ),
    key(
        "site.governing_law",
        "LEVQOR_SITE_GOVERNING_LAW",
        Shape::Text,
        "",
        "whose law the terms are under, such as England and Wales; empty: that of the operator's place",
    ),
    key(
        "slo.dir",
        "LEVQOR_SLO_DIR",
        Shape::Text,
        "",
        "a folder with OpenSLO documents of your own, beside the shipped ones; empty: there are none",
    ),
    key(
        "site.policies_dir",
        "LEVQOR_SITE_POLICIES_DIR",
        Shape::Text,
        "",
        "a folder whose files replace policies of the same name, such as terms.md; read at the start; empty: the shipped policies",
    ),
    key(
        "probes.file",
        "LEVQOR_PROBES_FILE",
        Shape::Text,
        "",
        "what is looked at besides Levqor's own probes, as the guide on probes shows it; empty: its own only",
    ),
    key(
        "tamper.watch",
        "LEVQOR_TAMPER_WATCH",
        Shape::List,
        "",
        "files and folders that are guarded besides the server's own: a change of them is told, and lasts until an operator agrees to it",
    ),
    key(
        "errors.sentry_dsn",
        "SENTRY_DSN",
        Shape::Text,
        "",
        "where errors of the server are told, in the Sentry protocol, such as https://key@sentry.example.com/42; empty: nowhere",
    )
    .secret(),
    key(
        "telemetry.otlp_endpoint",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        Shape::Text,
        "",
        "address of an OpenTelemetry collector that takes OTLP over HTTP, without /v1/traces, such as http://127.0.0.1:4318; empty: traces and metrics go nowhere",
    ),
    key(
        "jobs.enabled",
        "LEVQOR_JOBS_ENABLED",
        Shape::Flag,
        "true",
        "whether this node runs jobs of the platform; one node that does is enough, and without any an alert says so",
    ),
    key(
        "costs.currency",
        "LEVQOR_COSTS_CURRENCY",
        Shape::Text,
        "",
        "the currency of the prices below, such as GBP; needed with any of them",
    ),
    key(
        "costs.ai_credits_1000",
        "LEVQOR_COSTS_AI_CREDITS_1000",
        Shape::Text,
        "",
        "what 1,000 AI credits cost you that a provider answers, such as 0.40; empty: reports say that AI is not priced",
    ),
    key(
        "costs.runs_1000",
        "LEVQOR_COSTS_RUNS_1000",
        Shape::Text,
        "",
        "what 1,000 runs cost you, such as 0.02; empty: reports say that runs are not priced",
    ),
    key(
        "costs.storage_gib_month",
        "LEVQOR_COSTS_STORAGE_GIB_MONTH",
        Shape::Text,
        "",
        "what a GiB costs you that is kept for 30 days, such as 0.12; empty: reports say that storage is not priced",
    ),
    key(
        "incidents.routes",
        "LEVQOR_INCIDENTS_ROUTES",
        Shape::List,
        "",
        "routes of messages that are told one after the other when nobody acknowledges an incident or says how it stands, such as \
         duty, lead; empty: the route of its severity again",
    ),
    key(
        "incidents.acknowledge_minutes",
        "LEVQOR_INCIDENTS_ACKNOWLEDGE_MINUTES",
        Shape::List,
        "240,30,10,5",
        "minutes until an incident of L1, L2, L3 and L4 must be acknowledged",
    ),
    key(
        "incidents.update_minutes",
        "LEVQOR_INCIDENTS_UPDATE_MINUTES",
        Shape::List,
        "1440,120,30,15",
        "minutes until somebody must say again how an incident of L1, L2, L3 and L4 stands",
    ),
    key(
        "incidents.rules",
        "LEVQOR_INCIDENTS_RULES",
        Shape::List,
        "",
        "which alerts are incidents, as rule=level, such as probe=l2, slo.latency=none; with :minutes it is over by itself so long \
         after its last alert; without one critical alerts are, as L3, those of tamper detection as L4",
    ),
    key(
        "incidents.postmortems_dir",
        "LEVQOR_INCIDENTS_POSTMORTEMS_DIR",
        Shape::Text,
        "",
        "the folder that postmortems are written to; empty: postmortems in the data directory",
    ),
];

/// Variables that start with `LEVQOR_` and belong to client commands, not to the server's configuration.
pub const CLIENT_VARIABLES: &[&str] = &["LEVQOR_URL", "LEVQOR_API_KEY", "LEVQOR_CONFIG"];

/// A key by its dotted name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The known word nearest to `word`, when it is near enough to be what was meant.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len() / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits that turn one word into the other. Source: Wagner, Fischer, "The string-to-string correction problem", 1974.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().take(64).enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = corner + usize::from(a != *b);
            corner = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(corner + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_and_variables_are_unique_and_variables_follow_the_rule() {
        let names: HashSet<_> = KEYS.iter().map(|key| key.name).collect();
        let variables: HashSet<_> = KEYS.iter().map(|key| key.variable).collect();
        assert_eq!((names.len(), variables.len()), (KEYS.len(), KEYS.len()));
        for key in KEYS.iter().filter(|key| key.variable.starts_with("LEVQOR_")) {
            let expected = format!("LEVQOR_{}", key.name.to_uppercase().replace('.', "_"));
            assert_eq!(key.variable, expected);
        }
    }

    #[test]
    fn as_many_runs_of_an_account_run_as_the_blueprint_says() {
        let blueprint = levqor_model::Blueprint::parse(levqor_model::Blueprint::SHIPPED).unwrap();
        let key = KEYS.iter().find(|key| key.name == "limits.running_per_account").unwrap();
        assert_eq!(key.default, blueprint.fair_use.concurrent_runs.to_string());
    }

    #[test]
    fn a_slip_of_the_finger_finds_the_key() {
        let known = || KEYS.iter().map(|key| key.variable);
        assert_eq!(nearest("LEVQOR_REGOIN", known()), Some("LEVQOR_REGION"));
        assert_eq!(nearest("LEVQOR_DATADIR", known()), Some("LEVQOR_DATA_DIR"));
        assert_eq!(nearest("PATH", known()), None);
    }
}
