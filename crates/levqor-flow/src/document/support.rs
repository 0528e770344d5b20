//! What of the language this server can do: every construct, with its state and a document that shows it.
//!
//! `docs/dsl-support.md` is made from this list, the checker takes the words of its refusals from it, and a test gives
//! every example to the checker. So the page says what happens.

/// Whether a construct can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Full,
    /// Refused unless the operator allows it by this configuration key.
    Off {
        key: &'static str,
    },
    /// Refused when saved.
    Refused {
        /// What is not there, as the refusal says it.
        what: &'static str,
        /// What to do instead.
        remedy: &'static str,
    },
}

/// A construct of the language.
#[derive(Debug, Clone, Copy)]
pub struct Construct {
    pub area: &'static str,
    pub name: &'static str,
    pub state: State,
    /// A document that uses it, without its head.
    pub example: &'static str,
    /// For one that is not full: where in the example the refusal stands.
    pub pointer: &'static str,
}

fn off_by(key: &str) -> String {
    format!(" is off on this server; its operator can allow it by `{key}` in the configuration")
}

impl Construct {
    /// The refusal of this construct.
    pub(super) fn refusal(&self) -> String {
        match self.state {
            State::Refused { what, remedy } => format!("not supported yet: {what}; {remedy}"),
            State::Off { key } => format!("{}{}", self.name, off_by(key)),
            State::Full => format!("{} cannot be used here", self.name),
        }
    }

    /// Whether a message of the checker refuses this construct.
    pub fn refuses(&self, message: &str) -> bool {
        match self.state {
            State::Full => false,
            // The refusal names what is off as a whole.
            State::Off { key } => message.ends_with(&off_by(key)),
            State::Refused { what, .. } => message.contains(what),
        }
    }

    /// The example as a whole document.
    pub fn document(&self) -> String {
        const HEAD: &str = "document: { dsl: '1.0.3', namespace: docs, name: example, version: '1.0.0' }\n";
        if self.example.starts_with("document:") {
            self.example.to_owned()
        } else {
            format!("{HEAD}{}", self.example)
        }
    }
}

const fn full(area: &'static str, name: &'static str, example: &'static str) -> Construct {
    Construct { area, name, state: State::Full, example, pointer: "" }
}

const fn off(
    area: &'static str,
    name: &'static str,
    key: &'static str,
    example: &'static str,
    pointer: &'static str,
) -> Construct {
    Construct { area, name, state: State::Off { key }, example, pointer }
}

const fn refused(
    (area, name): (&'static str, &'static str),
    what: &'static str,
    remedy: &'static str,
    example: &'static str,
    pointer: &'static str,
) -> Construct {
    Construct { area, name, state: State::Refused { what, remedy }, example, pointer }
}

const DOCUMENT: &str = "Document";
const USE: &str = "Reusable parts (`use`)";
const COMMON: &str = "All tasks";
const CALLS: &str = "Calls";
const TASKS: &str = "Other tasks";
const RUN: &str = "Processes (`run`)";
const VALUES: &str = "Expressions and values";

/// Why a function of a catalog cannot look at secrets.
pub(super) const NO_SECRETS_IN_CATALOGS: &str = "a function of a catalog sees no secrets; it takes what it needs from its input, which a call hands over by `with`";

/// The key that allows processes.
pub const PROCESSES_ALLOW: &str = "processes.allow";

pub(super) const OTHER_LANGUAGES: Construct = refused(
    (DOCUMENT, "`evaluate.language` other than `jq`"),
    "expressions in another language than jq",
    "use jq, or remove `language`",
    "evaluate: { language: js }\ndo: []",
    "/evaluate/language",
);
pub(super) const SCHEMA_FORMAT: Construct = refused(
    (COMMON, "schemas that are not JSON Schema"),
    "schemas in another format than JSON Schema",
    "use json, or remove `format`",
    "input: { schema: { format: avro, document: {} } }\ndo: []",
    "/input/schema/format",
);
pub(super) const GRPC: Construct = refused(
    (CALLS, "`call: grpc`"),
    "gRPC calls (`call: grpc`)",
    "use `call: http`",
    "do: [{ a: { call: grpc, with: {} } }]",
    "/do/0/a/call",
);
pub(super) const ASYNCAPI: Construct = refused(
    (CALLS, "`call: asyncapi`"),
    "AsyncAPI calls (`call: asyncapi`)",
    "use `call: http`",
    "do: [{ a: { call: asyncapi, with: {} } }]",
    "/do/0/a/call",
);
pub(super) const A2A: Construct = refused(
    (CALLS, "`call: a2a`"),
    "A2A calls (`call: a2a`)",
    "use `call: http`",
    "do: [{ a: { call: a2a, with: {} } }]",
    "/do/0/a/call",
);
pub(super) const MCP: Construct = refused(
    (CALLS, "`call: mcp`"),
    "MCP calls (`call: mcp`)",
    "use `call: http`",
    "do: [{ a: { call: mcp, with: {} } }]",
    "/do/0/a/call",
);
pub(super) const CALL_ADDRESS: Construct = refused(
    (CALLS, "`call: <address of a function>`"),
    "calling a function by its address",
    "copy it into `use.functions`, and call it by its name",
    "do: [{ a: { call: 'https://example.com/function.yaml' } }]",
    "/do/0/a/call",
);
pub(super) const OWN_EMAIL: Construct = off(
    CALLS,
    "`call: email:1.0.0@default`",
    "mail.smtp_url",
    "do: [{ a: { call: 'email:1.0.0@default', with: { to: ada@example.com, subject: Paid, text: '${ .message }' } } }]",
    "/do/0/a/call",
);
pub(super) const SHELL: Construct = off(
    RUN,
    "`run: shell`",
    PROCESSES_ALLOW,
    "do: [{ a: { run: { shell: { command: 'cat; echo \"$1 $NAME\"', stdin: '${ .text }', arguments: [x], environment: { NAME: y } }, return: all } } }]",
    "/do/0/a/run/shell",
);
pub(super) const JAVASCRIPT: Construct = off(
    RUN,
    "`run: script` in JavaScript",
    PROCESSES_ALLOW,
    "do: [{ a: { run: { script: { language: js, code: 'console.log(1)' } } } }]",
    "/do/0/a/run/script",
);
pub(super) const PYTHON: Construct = off(
    RUN,
    "`run: script` in Python",
    PROCESSES_ALLOW,
    "do: [{ a: { run: { script: { language: python, code: 'print(1)' }, await: false } } }]",
    "/do/0/a/run/script",
);
pub(super) const OTHER_SCRIPTS: Construct = refused(
    (RUN, "`run: script` in other languages"),
    "scripts in another language than js and python",
    "use one of them",
    "do: [{ a: { run: { script: { language: ruby, code: 'puts 1' } } } }]",
    "/do/0/a/run/script/language",
);
pub(super) const CONTAINER: Construct = refused(
    (RUN, "`run: container`"),
    "running a container (`run.container`)",
    "call a service over HTTP instead",
    "do: [{ a: { run: { container: { image: alpine } } } }]",
    "/do/0/a/run/container",
);

/// All constructs, by area.
pub const CONSTRUCTS: &[Construct] = &[
    full(
        DOCUMENT,
        "`document`, with `title`, `summary`, `tags`, `metadata`",
        "document: { dsl: '1.0.3', namespace: docs, name: example, version: '1.0.0', title: A, summary: b, tags: { c: d }, metadata: { e: f } }\ndo: []",
    ),
    refused(
        (DOCUMENT, "versions of the DSL other than 1.0.x"),
        "of the DSL is not supported",
        "write '1.0.3'",
        "document: { dsl: '0.8.0', namespace: docs, name: example, version: '1.0.0' }\ndo: []",
        "/document/dsl",
    ),
    full(
        DOCUMENT,
        "`input`, `output` of the workflow",
        "input: { from: .order }\noutput: { as: .id }\ndo: []",
    ),
    full(DOCUMENT, "`timeout` of the workflow", "timeout: { after: PT1H }\ndo: []"),
    full(DOCUMENT, "`schedule.every`, `schedule.after`", "schedule: { every: PT5M, after: PT1H }\ndo: []"),
    full(DOCUMENT, "`schedule.cron`", "schedule: { cron: '0 9 * * 1-5' }\ndo: []"),
    full(
        DOCUMENT,
        "`schedule.on`, with `schedule.read`",
        "schedule: { on: { one: { with: { type: x } } }, read: data }\ndo: []",
    ),
    full(DOCUMENT, "`evaluate.mode`: strict and loose", "evaluate: { language: jq, mode: loose }\ndo: []"),
    OTHER_LANGUAGES,
    full(
        USE,
        "`use.authentications`",
        "use: { authentications: { a: { bearer: { token: x } } } }\ndo: [{ a: { call: http, with: { method: get, endpoint: { uri: 'https://example.com', authentication: { use: a } } } } }]",
    ),
    full(
        USE,
        "`use.catalogs`",
        "use: { catalogs: { c: { endpoint: 'https://example.com/catalog' } } }\ndo: []",
    ),
    full(
        USE,
        "`use.errors`",
        "use: { errors: { e: { type: 'urn:e', status: 409 } } }\ndo: [{ a: { raise: { error: e } } }]",
    ),
    full(
        USE,
        "`use.extensions`",
        "use: { extensions: [{ e: { extend: call, when: '$task.name == \"a\"', before: [{ x: { set: { y: 1 }, then: exit } }] } }] }\ndo: []",
    ),
    full(USE, "`use.functions`", "use: { functions: { f: { set: { x: 1 } } } }\ndo: [{ a: { call: f } }]"),
    full(
        USE,
        "`use.retries`",
        "use: { retries: { r: { delay: PT1S } } }\ndo: [{ a: { try: [{ b: { set: { x: 1 } } }], catch: { retry: r } } }]",
    ),
    full(
        USE,
        "`use.secrets`, `$secrets`",
        "use: { secrets: [key] }\ndo: [{ a: { set: { x: '${ $secrets.key }' } } }]",
    ),
    full(
        USE,
        "`use.timeouts`",
        "use: { timeouts: { t: { after: PT5S } } }\ndo: [{ a: { set: { x: 1 }, timeout: t } }]",
    ),
    full(
        COMMON,
        "`if`, `then`, `metadata`",
        "do: [{ a: { if: .x, set: { y: 1 }, then: end, metadata: { z: 1 } } }]",
    ),
    full(
        COMMON,
        "`metadata.levqor.approval`: a person agrees before the task begins",
        "do: [{ a: { set: { y: 1 }, metadata: { levqor: { approval: { title: 'Go on?' } } } } }]",
    ),
    full(
        COMMON,
        "`input`, `output`, `export` with `from`, `as` and `schema`",
        "do: [{ a: { input: { from: .x, schema: { document: { type: object } } }, set: { y: 1 }, output: { as: .y }, export: { as: '{ y: . }' } } }]",
    ),
    SCHEMA_FORMAT,
    refused(
        (COMMON, "schemas of other drafts than 2020-12 (`$schema`)"),
        "schemas of other drafts",
        "remove `$schema`, and write what draft 2020-12 has",
        "do: [{ a: { set: { x: 1 }, output: { schema: { document: { $schema: 'http://json-schema.org/draft-07/schema#' } } } } }]",
        "/do/0/a/output/schema/document/$schema",
    ),
    full(
        COMMON,
        "schemas from elsewhere (`schema.resource`)",
        "input: { schema: { resource: { endpoint: 'https://example.com/schema.json' } } }\ndo: []",
    ),
    full(COMMON, "`timeout` of a task", "do: [{ a: { wait: PT1M, timeout: { after: { seconds: 5 } } } }]"),
    full(
        CALLS,
        "`call: http`, with `headers`, `query`, `body`, `output`, `redirect`",
        "do: [{ a: { call: http, with: { method: post, endpoint: { uri: 'https://example.com/{id}' }, headers: { a: b }, query: { c: d }, body: '${ . }', output: response, redirect: true } } }]",
    ),
    full(
        CALLS,
        "`authentication`: `basic`, `bearer`, `digest`, and `{ use: secret }` in each",
        "use: { secrets: [login] }\ndo: [{ a: { call: http, with: { method: get, endpoint: { uri: 'https://example.com', authentication: { digest: { use: login } } } } } }]",
    ),
    full(
        CALLS,
        "`authentication`: `oauth2` and `oidc`, with `client_credentials`, `password`, `refresh_token` and token exchange",
        "do: [{ a: { call: http, with: { method: get, endpoint: { uri: 'https://example.com', authentication: { oauth2: { authority: 'https://a.example', \
         endpoints: { token: /t }, grant: password, username: a, password: b, client: { id: c, secret: d, authentication: client_secret_basic }, \
         scopes: [e], audiences: [f], issuers: [g], request: { encoding: application/json } } } } } } }]",
    ),
    refused(
        (CALLS, "the grant `authorization_code`"),
        "`authorization_code`",
        "use one of client_credentials, password, refresh_token, urn:ietf:params:oauth:grant-type:token-exchange",
        "use: { authentications: { a: { oauth2: { authority: 'https://a.example', grant: authorization_code } } } }\ndo: []",
        "/use/authentications/a/oauth2/grant",
    ),
    refused(
        (CALLS, "clients that sign (`private_key_jwt`, `client_secret_jwt`)"),
        "`private_key_jwt`",
        "use one of client_secret_post, client_secret_basic, none",
        "use: { authentications: { a: { oauth2: { authority: 'https://a.example', grant: client_credentials, client: { id: b, authentication: private_key_jwt } } } } }\ndo: []",
        "/use/authentications/a/oauth2/client/authentication",
    ),
    refused(
        (CALLS, "`authentication`: `certificate`"),
        "certificates (`certificate`), which the DSL names and does not define",
        "use another policy",
        "use: { authentications: { a: { certificate: { use: b } } } }\ndo: []",
        "/use/authentications/a/certificate",
    ),
    full(
        CALLS,
        "`call: openapi` (2.0 and 3.x)",
        "do: [{ a: { call: openapi, with: { document: { endpoint: 'https://example.com/openapi.json' }, operationId: x, parameters: { y: 1 } } } }]",
    ),
    GRPC,
    ASYNCAPI,
    A2A,
    MCP,
    full(
        CALLS,
        "`call: <function of this document>`",
        "use: { functions: { f: { set: { x: 1 } } } }\ndo: [{ a: { call: f, with: { y: 1 } } }]",
    ),
    full(
        CALLS,
        "`call: <name>:<version>@<catalog>`, fetched when the workflow is saved",
        "use: { catalogs: { c: { endpoint: 'https://github.com/acme/catalog/tree/main' } } }\ndo: [{ a: { call: 'log:1.0.0@c', with: { x: 1 } } }]",
    ),
    full(
        CALLS,
        "`call: approval:1.0.0@default`: a person decides",
        "do: [{ a: { call: 'approval:1.0.0@default', with: { title: 'Pay ${ .sum }?', data: '${ . }' } } }]",
    ),
    full(
        CALLS,
        "`call: store:1.0.0@default`: values that the account keeps",
        "do: [{ a: { call: 'store:1.0.0@default', with: { action: compare-and-set, key: last, expected: 1, value: '${ .n }' } } }]",
    ),
    full(
        CALLS,
        "`call: webhook:1.0.0@default`: a signed message",
        "use: { secrets: [hook] }\ndo: [{ a: { call: 'webhook:1.0.0@default', with: { url: 'https://example.com', secret: '${ $secrets.hook }', body: { type: paid } } } }]",
    ),
    OWN_EMAIL,
    full(
        CALLS,
        "`call: ai-chat:1.0.0@default`: an answer to a question",
        "do: [{ a: { call: 'ai-chat:1.0.0@default', with: { prompt: '${ .question }', language: de } } }]",
    ),
    full(
        CALLS,
        "`call: ai-classify:1.0.0@default`: the label that fits a text",
        "do: [{ a: { call: 'ai-classify:1.0.0@default', with: { text: '${ .mail }', labels: [invoice, { label: complaint, examples: [it broke] }] } } }]",
    ),
    full(
        CALLS,
        "`call: ai-extract:1.0.0@default`: values in a text",
        "do: [{ a: { call: 'ai-extract:1.0.0@default', with: { text: '${ .mail }', schema: { type: object, properties: { total: { type: number } } } } } }]",
    ),
    full(
        CALLS,
        "`call: ai-summarise:1.0.0@default`: a text made shorter",
        "do: [{ a: { call: 'ai-summarise:1.0.0@default', with: { text: '${ .mail }', maxSentences: 2 } } }]",
    ),
    CALL_ADDRESS,
    full(TASKS, "`do`", "do: [{ a: { do: [{ b: { set: { x: 1 } } }] } }]"),
    full(
        TASKS,
        "`emit`",
        "do: [{ a: { emit: { event: { with: { source: 'https://example.com', type: x } } } } }]",
    ),
    full(
        TASKS,
        "`for`, with `each`, `at`, `while`",
        "do: [{ a: { for: { each: pet, in: .pets, at: n }, while: $n < 5, do: [{ b: { set: { x: '${ $pet }' } } }] } }]",
    ),
    full(
        TASKS,
        "`for.in` as a list, with expressions in it",
        "do: [{ a: { for: { in: [1, '${ .x }', { y: '${ .z }' }] }, do: [{ b: { set: { x: '${ $item }' } } }] } }]",
    ),
    full(
        TASKS,
        "`fork`, with `compete`",
        "do: [{ a: { fork: { compete: true, branches: [{ b: { set: { x: 1 } } }, { c: { wait: PT1S } }] } } }]",
    ),
    full(
        TASKS,
        "`listen` to one, any or all, with `until`, `correlate`, `read` and `foreach`",
        "do: [{ a: { listen: { to: { any: [{ with: { type: x }, correlate: { order: { from: .data.id } } }], until: '(. | length) > 2' }, read: envelope }, foreach: { item: e, do: [{ b: { set: { x: '${ $e.id }' } } }] } } }]",
    ),
    full(
        TASKS,
        "`raise`",
        "do: [{ a: { raise: { error: { type: 'urn:e', status: 409, title: A, detail: '${ .b }' } } } }]",
    ),
    full(
        TASKS,
        "`run: workflow`, with `await`",
        "do: [{ a: { run: { workflow: { namespace: docs, name: other, version: latest, input: { x: 1 } }, await: false } } }]",
    ),
    full(TASKS, "`set`", "do: [{ a: { set: '${ . + { x: 1 } }' } }]"),
    full(
        TASKS,
        "`switch`",
        "do: [{ a: { switch: [{ b: { when: .x, then: end } }, { c: { then: continue } }] } }]",
    ),
    full(
        TASKS,
        "`try` with `catch` (`errors`, `as`, `when`, `exceptWhen`, `retry`, `do`)",
        "do: [{ a: { try: [{ b: { set: { x: 1 } } }], catch: { errors: { with: { status: 503 } }, as: e, when: $e.status > 500, exceptWhen: .x, \
         retry: { delay: PT1S, backoff: { exponential: {} }, jitter: { from: PT0S, to: PT1S }, limit: { attempt: { count: 3, duration: PT1M }, duration: PT1H } }, \
         do: [{ c: { set: { x: 1 } } }] } } }]",
    ),
    full(TASKS, "`catch.then`", "do: [{ a: { try: [{ b: { set: { x: 1 } } }], catch: { then: end } } }]"),
    full(TASKS, "`wait`", "do: [{ a: { wait: { minutes: 5 } } }]"),
    SHELL,
    JAVASCRIPT,
    PYTHON,
    OTHER_SCRIPTS,
    off(
        RUN,
        "scripts from elsewhere (`script.source`)",
        PROCESSES_ALLOW,
        "do: [{ a: { run: { script: { language: js, source: { endpoint: 'https://example.com/a.js' } } } } }]",
        "/do/0/a/run/script",
    ),
    CONTAINER,
    full(VALUES, "`${ … }` around a whole text", "do: [{ a: { set: { x: '${ .y }' } } }]"),
    full(
        VALUES,
        "`$context`, `$input`, `$output`, `$task`, `$workflow`, `$runtime`, `$authorization`, `$item`, `$index`, `$error`",
        "do: [{ a: { set: { x: '${ [$context, $input, $task.name, $workflow.id, $runtime.name] }' } } }]",
    ),
    full(
        VALUES,
        "durations: objects, ISO 8601, expressions",
        "do: [{ a: { wait: PT1.5S } }, { b: { wait: { hours: 1, minutes: 30 } } }, { c: { wait: '${ .pause }' } }]",
    ),
    refused(
        (VALUES, "durations with years or months"),
        "years or months",
        "write days, since theirs are not all of one length",
        "do: [{ a: { wait: P1M } }]",
        "/do/0/a/wait",
    ),
    refused(
        (VALUES, "addresses other than http and https"),
        "are not possible",
        "use https or http",
        "do: [{ a: { call: http, with: { method: get, endpoint: 'file:///etc/passwd' } } }]",
        "/do/0/a/with/endpoint",
    ),
];

/// The page `docs/dsl-support.md`.
pub fn page() -> String {
    let mut page = String::from(
        "# What of the language is supported\n\n\
         <!-- Made from `CONSTRUCTS` in crates/levqor-flow/src/document/support.rs; see there how. -->\n\n\
         Levqor runs workflows of the CNCF Serverless Workflow DSL, version 1.0. A workflow that uses what is not supported is refused\n\
         when it is saved, with the place and the reason: it never fails for that at run time. *Off by default* means that the operator\n\
         can allow it. Every row is checked by a test, which gives an example document to the code that checks yours.\n",
    );
    let mut area = "";
    for construct in CONSTRUCTS {
        if construct.area != area {
            area = construct.area;
            page.push_str(&format!("\n## {area}\n\n| construct | state | instead |\n| --- | --- | --- |\n"));
        }
        let (state, instead) = match construct.state {
            State::Full => ("full", String::new()),
            State::Off { key } => ("off by default", format!("the operator can allow it by `{key}`")),
            State::Refused { remedy, .. } => ("refused", remedy.to_owned()),
        };
        page.push_str(&format!("| {} | {state} | {instead} |\n", construct.name.replace('|', "\\|")));
    }
    page
}
