//! What is wrong, where, and what to do instead: one row for each reason.

use levqor_flow::document::parse;

use super::{HEAD, shown};

/// Each document has exactly the errors at these pointers, in this order; each message contains the words beside it.
fn refused(rows: &[(&str, &[(&str, &str)])], complete: impl Fn(&str) -> String) {
    for (text, expected) in rows {
        let checked = parse(&complete(text));
        let errors = shown(&checked.errors);
        assert!(checked.workflow.is_none(), "{text} is taken");
        assert_eq!(checked.errors.len(), expected.len(), "{text}\n{errors}");
        for (issue, (pointer, words)) in checked.errors.iter().zip(*expected) {
            assert_eq!(issue.pointer, *pointer, "{text}\n{errors}");
            assert!(issue.message.contains(words), "{text}\n{errors}");
        }
    }
}

#[test]
fn heads() {
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("[1]", &[("", "must be an object, and is a list")]),
        ("text", &[("", "must be an object, and is text")]),
        ("{}", &[("", "`document` is missing"), ("", "`do` is missing")]),
        ("{document: 1, do: []}", &[("/document", "must be an object, and is a number")]),
        (
            "{document: {}, do: []}",
            &[
                ("/document", "`dsl` is missing"),
                ("/document", "`namespace` is missing"),
                ("/document", "`name` is missing"),
                ("/document", "`version` is missing"),
            ],
        ),
        (
            "{document: {dsl: 1.0, namespace: a_b, name: -a, version: 2}, do: []}",
            &[
                ("/document/dsl", "is the number 1.0; write it as three numbers in quotes, such as '1.0.0'"),
                ("/document/namespace", "must be a DNS label"),
                ("/document/name", "must be a DNS label"),
                ("/document/version", "such as '2.0'"),
            ],
        ),
        (
            "{document: {dsl: '1.1.0', namespace: a, name: b, version: '1.0'}, do: []}",
            &[
                ("/document/dsl", "version \"1.1.0\" of the DSL is not supported; write '1.0.3'"),
                ("/document/version", "must be a semantic version"),
            ],
        ),
        (
            "{document: {dsl: '1.0.3', namespace: a, nmae: b, version: '1.0.0', x: 1, title: 5, tags: []}, do: []}",
            &[
                ("/document/nmae", "did you mean `name`?"),
                ("/document/x", "remove it, or use one of dsl, namespace"),
                ("/document", "`name` is missing"),
                ("/document/title", "must be text, and is a number; put it in quotes"),
                ("/document/tags", "must be an object"),
            ],
        ),
        (
            "{document: {dsl: '1.0.3', namespace: a, name: b, version: '1.0.0', metadata: {levqor: {zone: London, zones: x, retention: 0}}}, do: []}",
            &[
                ("/document/metadata/levqor/zones", "did you mean `zone`?"),
                ("/document/metadata/levqor/retention", "a whole number of days from 1 to 36500"),
                ("/document/metadata/levqor/zone", "did you mean Europe/London?"),
            ],
        ),
        (
            "{document: {dsl: '1.0.3', namespace: a, name: b, version: '1.0.0', metadata: {levqor: {
                priorty: 3, priority: 0, retention: 0.5, approval: {}, budget: {credits: 1.5, calls: 0},
                concurrency: {key: '', limits: 3},
                schedule: {overlap: buffer-once, misfire: fire-al, catchup: PT1H, catchUp: P8D},
                residency: [eu-west, EU]}}}, do: []}",
            &[
                ("/document/metadata/levqor/priorty", "did you mean `priority`?"),
                ("/document/metadata/levqor/retention", "from 1 to 36500, and is 0.5; leave it out"),
                (
                    "/document/metadata/levqor/priority",
                    "a whole number from 1 to 9, and is 0; 9 is started first",
                ),
                ("/document/metadata/levqor/concurrency/limits", "did you mean `limit`?"),
                ("/document/metadata/levqor/concurrency/key", "1 to 200 characters"),
                ("/document/metadata/levqor/concurrency", "`limit` is missing"),
                ("/document/metadata/levqor/schedule/catchup", "did you mean `catchUp`?"),
                ("/document/metadata/levqor/schedule/overlap", "did you mean `buffer-one`?"),
                ("/document/metadata/levqor/schedule/misfire", "did you mean `fire-all`?"),
                ("/document/metadata/levqor/schedule/catchUp", "at most 7 days"),
                ("/document/metadata/levqor/residency/1", "lower case letters"),
                ("/document/metadata/levqor/approval", "`title` is missing"),
                (
                    "/document/metadata/levqor/budget/calls",
                    "a whole number of calls from 1 to 1000000, and is 0",
                ),
                (
                    "/document/metadata/levqor/budget/credits",
                    "a whole number of AI credits from 1 to 1000000, and is 1.5; when they are used up",
                ),
            ],
        ),
        (
            "{document: {dsl: '1.0.3', namespace: a, name: b, version: '1.0.0', metadata: {levqor: {
                approval: {title: '', message: 5, who: me}, budget: {}}}}, do: []}",
            &[
                ("/document/metadata/levqor/approval/who", "remove it, or use one of title, message"),
                ("/document/metadata/levqor/approval/title", "must have 1 to 200 characters, and has 0"),
                ("/document/metadata/levqor/approval/message", "must be text, and is a number"),
                ("/document/metadata/levqor/budget", "`calls` or `credits` is missing"),
            ],
        ),
        (
            "{document: {dsl: '1.0.3', namespace: a, name: b, version: '1.0.0', metadata: {levqor: {
                approval: {title: '${ $secrets.a }'}, budget: 5}}}, do: []}",
            &[
                ("/document/metadata/levqor/approval/title", "`$secrets` is not available here"),
                ("/document/metadata/levqor/budget", "must be an object, and is a number"),
            ],
        ),
        (
            "{document: {dsl: '1.0.3', namespace: a, name: b, version: '1.0.0', metadata: {levqor: {
                concurrency: {key: '${ $context.a }', limit: 1001}, residency: europe}}}, do: []}",
            &[
                ("/document/metadata/levqor/concurrency/key", "`$context` is not available here"),
                ("/document/metadata/levqor/concurrency/limit", "from 1 to 1000"),
                ("/document/metadata/levqor/residency", "write anywhere, a list of regions"),
            ],
        ),
        (
            "{document: {dsl: '1.0.3', namespace: a, name: b, version: '1.0.0', metadata: {levqor: {
                residency: {jurisdictions: EU}, concurrency: [], schedule: skip}}}, do: []}",
            &[
                ("/document/metadata/levqor/concurrency", "must be an object, and is a list"),
                ("/document/metadata/levqor/schedule", "must be an object, and is text"),
                ("/document/metadata/levqor/residency/jurisdictions", "did you mean `jurisdiction`?"),
                ("/document/metadata/levqor/residency", "`jurisdiction` is missing"),
            ],
        ),
    ];
    refused(rows, str::to_owned);
}

#[test]
fn roots() {
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("does: []", &[("", "`do` is missing")]),
        ("do: {}", &[("/do", "must be a list, and is an object")]),
        ("do: []\ntimeouts: {}", &[("/timeouts", "did you mean `timeout`?")]),
        ("do: []\nshedule: {}", &[("/shedule", "did you mean `schedule`?")]),
        ("do: []\nevaluate: {language: js}", &[("/evaluate/language", "use jq")]),
        ("do: []\nevaluate: {mode: strikt}", &[("/evaluate/mode", "did you mean `strict`?")]),
        ("do: []\nuse: {functions: []}", &[("/use/functions", "must be an object, and is a list")]),
        ("do: []\nuse: {functions: {f: {set: {}}}}", &[("/use/functions/f/set", "`set` is empty")]),
        (
            "do: []\nuse: {functions: {http: {set: {x: 1}}}}",
            &[("/use/functions/http", "`call: http` means something else already")],
        ),
        (
            "do: []\nuse: {functions: {f: {set: {x: 1}, then: g}, g: {set: {x: '${ $item }'}}}}",
            &[
                ("/use/functions/f/then", "a function is one task, so it cannot go to `g`"),
                ("/use/functions/g/set/x", "`$item` exists inside a `for` only"),
            ],
        ),
        (
            "do: []\nuse: {functions: {f: {call: f}}}",
            &[("/use/functions/f/call", "cannot call itself, and here f calls f")],
        ),
        (
            "do: []\nuse: {functions: {start: {call: a}, a: {do: [{x: {call: b}}]}, b: {call: c}, c: {call: a}, end: {set: {x: 1}}}}",
            &[("/use/functions/c/call", "here a calls b calls c calls a")],
        ),
        ("do: []\nuse: {secrets: key}", &[("/use/secrets", "must be a list")]),
        ("do: []\nuse: {secrets: [a b]}", &[("/use/secrets/0", "cannot name a secret")]),
        ("do: []\nuse: {secrets: [a, a]}", &[("/use/secrets/1", "there twice")]),
        (
            "do: []\nuse: {authentications: {x: {}}}",
            &[("/use/authentications/x", "give it one of basic, bearer")],
        ),
        (
            "do: []\nuse: {authentications: {x: {basic: {username: a}, bearer: {}}}}",
            &[("/use/authentications/x", "two policies")],
        ),
        (
            "do: []\nuse: {authentications: {x: {basic: {username: a, pasword: b}}}}",
            &[
                ("/use/authentications/x/basic/pasword", "did you mean `password`?"),
                ("/use/authentications/x/basic", "`password` is missing"),
            ],
        ),
        (
            "do: []\nuse: {authentications: {x: {bearer: {use: key}}}}",
            &[("/use/authentications/x/bearer/use", "is not declared; add it to `use.secrets`")],
        ),
        (
            "do: []\nuse: {authentications: {x: {certificate: {use: key}}}}",
            &[("/use/authentications/x/certificate", "not supported yet: certificates")],
        ),
        (
            "do: []\nuse: {authentications: {x: {oauth2: {authority: https://a.b, grant: authorization_code}}}}",
            &[("/use/authentications/x/oauth2/grant", "not supported yet: `authorization_code`")],
        ),
        (
            "do: []\nuse: {authentications: {x: {oidc: {authority: https://a.b, grant: client_credentials, \
             client: {id: a, authentication: private_key_jwt}, endpoints: {}}}}}",
            &[
                ("/use/authentications/x/oidc/endpoints", "is not a member"),
                ("/use/authentications/x/oidc/client/authentication", "not supported yet: `private_key_jwt`"),
            ],
        ),
        (
            "do: []\nuse: {authentications: {x: {oauth2: {authority: /a, grant: passwort, scopes: a, \
             client: {id: a, authentication: client_secret_jwt, assertion: b}}}}}",
            &[
                ("/use/authentications/x/oauth2/scopes", "must be a list of texts"),
                ("/use/authentications/x/oauth2/client/assertion", "not supported yet: assertions"),
                (
                    "/use/authentications/x/oauth2/client/authentication",
                    "not supported yet: `client_secret_jwt`",
                ),
                ("/use/authentications/x/oauth2/grant", "must be one of"),
                ("/use/authentications/x/oauth2/authority", "not an absolute address"),
            ],
        ),
        (
            "do: []\nuse: {catalogs: {c: {endpoint: x}, d: {endpoint: 'https://a.b/{c}'}, e: {endpont: x}, f: {endpoint: 'https://a.b?c'}}}",
            &[
                ("/use/catalogs/c/endpoint", "not an absolute address"),
                ("/use/catalogs/d/endpoint", "the same for every run"),
                ("/use/catalogs/e/endpont", "did you mean `endpoint`?"),
                ("/use/catalogs/e", "`endpoint` is missing"),
                ("/use/catalogs/f/endpoint", "no `?`"),
            ],
        ),
        (
            "do: []\nuse: {catalogs: {default: {endpoint: 'https://a.b'}, 'a:b': {endpoint: 'https://a.b'}}}",
            &[
                ("/use/catalogs/default", "the server's own catalog"),
                ("/use/catalogs/a:b", "cannot name a catalog"),
            ],
        ),
        (
            "do: []\nuse: {extensions: [{e: {extend: all}}]}",
            &[("/use/extensions/0/e", "`e` does nothing; give it `before` or `after`")],
        ),
        (
            "do: []\nuse: {extensions: [{e: {extend: cal, whn: x, before: [], after: 5}}, {e: {before: []}}]}",
            &[
                ("/use/extensions/0/e/whn", "did you mean `when`?"),
                ("/use/extensions/0/e/extend", "did you mean `call`?"),
                ("/use/extensions/0/e/after", "must be a list"),
                ("/use/extensions/1/e", "is there twice"),
                ("/use/extensions/1/e", "`extend` is missing"),
            ],
        ),
        (
            "do: []\nuse: {extensions: [{e: {extend: all, when: $item, before: [{a: {set: {x: 1}, then: b}}]}}]}",
            &[
                ("/use/extensions/0/e/when", "`$item` exists inside a `for` only"),
                ("/use/extensions/0/e/before/0/a/then", "there is no task `b`"),
            ],
        ),
        ("do: []\nuse: {retrys: {}}", &[("/use/retrys", "did you mean `retries`?")]),
        (
            "do: []\nuse: {timeouts: {t: {after: soon}}}",
            &[("/use/timeouts/t/after", "not an ISO 8601 duration")],
        ),
        (
            "do: []\nuse: {timeouts: {t: {after: '${ $input.x }'}}}",
            &[("/use/timeouts/t/after", "`$input` is not available here")],
        ),
        ("do: []\ntimeout: {after: P1M}", &[("/timeout/after", "years or months")]),
        (
            "do: []\ntimeout: {seconds: 5}",
            &[("/timeout/seconds", "not a member"), ("/timeout", "`after` is missing")],
        ),
        (
            "do: []\ntimeout: shrt\nuse: {timeouts: {short: {after: PT1S}}}",
            &[("/timeout", "did you mean `short`?")],
        ),
        ("do: []\nschedule: {}", &[("/schedule", "is empty")]),
        ("do: []\nschedule: {cron: '* * * *'}", &[("/schedule/cron", "has 4 fields")]),
        ("do: []\nschedule: {cron: '0 0 31 2 *'}", &[("/schedule/cron", "never fires")]),
        ("do: []\nschedule: {cron: 5}", &[("/schedule/cron", "must be text")]),
        ("do: []\nschedule: {every: PT0.5S}", &[("/schedule/every", "at least a second")]),
        ("do: []\nschedule: {after: '${ .x }'}", &[("/schedule/after", "cannot be computed")]),
        ("do: []\nschedule: {read: data, every: PT1M}", &[("/schedule/read", "goes with `on`")]),
        ("do: []\ninput: {from: '.a |'}", &[("/input/from", "does not compile")]),
        (
            "do: []\ninput: {from: 5}",
            &[("/input/from", "must be an expression or an object, and is a number")],
        ),
        ("do: []\ninput: {from: $context.x}", &[("/input/from", "`$context` is not available here")]),
        ("do: []\ninput: {from: $input.x}", &[("/input/from", "here, `.` is the workflow's input")]),
        ("do: []\noutput: {as: $task.name}", &[("/output/as", "it exists inside tasks only")]),
        ("do: []\noutput: {from: .x}", &[("/output/from", "not a member of `output`")]),
    ];
    refused(rows, |rest| format!("{HEAD}{rest}"));
}

#[test]
fn lists_and_targets() {
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("- 1", &[("/do/0", "must be an object, and is a number")]),
        ("- {}", &[("/do/0", "is empty; give the task a name")]),
        ("- {a: {set: {x: 1}}, b: {set: {x: 1}}}", &[("/do/0", "two names in one item, `a` and `b`")]),
        ("- a: 1", &[("/do/0/a", "must be an object, and is a number")]),
        ("- a: {}", &[("/do/0/a", "`a` does nothing; give it one of call, do, emit")]),
        ("- a: {swich: []}", &[("/do/0/a/swich", "did you mean `switch`?")]),
        ("- a: {set: {x: 1}, wait: PT1S}", &[("/do/0/a", "`set` and `wait` are two tasks in one")]),
        ("- a: {for: {in: .x}, do: [], set: {x: 1}}", &[("/do/0/a", "`for` and `set` are two tasks in one")]),
        ("- a: {set: {x: 1}, with: {}}", &[("/do/0/a/with", "not a member of a `set` task")]),
        ("- a: {set: {x: 1}, thne: end}", &[("/do/0/a/thne", "did you mean `then`?")]),
        ("- '': {set: {x: 1}}", &[("/do/0/", "a task's name has 1 to 128 characters")]),
        ("- end: {set: {x: 1}}", &[("/do/0/end", "means something else in `then`")]),
        (
            "- a: {set: {x: 1}}\n- a: {set: {x: 1}}",
            &[("/do/1/a", "is there twice in this list (item 0 has it)")],
        ),
        ("- a/b~c: {set: {x: 1}, then: x y z}", &[("/do/0/a~1b~0c/then", "there is no task `x y z`")]),
        (
            "- first: {set: {x: 1}, then: secnd}\n- second: {set: {x: 1}}",
            &[("/do/0/first/then", "did you mean `second`?")],
        ),
        ("- a: {set: {x: 1}, then: exitt}", &[("/do/0/a/then", "did you mean `exit`?")]),
        ("- a: {set: {x: 1}, then: 5}", &[("/do/0/a/then", "must be text")]),
        (
            "- a: {do: [{inner: {set: {x: 1}}}], then: inner}",
            &[("/do/0/a/then", "`inner` is in another list")],
        ),
        (
            "- outer: {set: {x: 1}}\n- a: {do: [{b: {set: {x: 1}, then: outer}}]}",
            &[("/do/1/a/do/0/b/then", "`outer` is in another list")],
        ),
        ("- a: {set: {x: 1}, timeout: quick}", &[("/do/0/a/timeout", "`use.timeouts` has no \"quick\"")]),
        ("- a: {set: {x: 1}, metadata: 5}", &[("/do/0/a/metadata", "must be an object")]),
        (
            "- a: {set: {x: 1}, metadata: {other: 1, levqor: {aproval: {title: x}}}}",
            &[("/do/0/a/metadata/levqor/aproval", "did you mean `approval`?")],
        ),
        (
            "- a: {set: {x: 1}, metadata: {levqor: {approval: {title: '${ $output }'}}}}",
            &[("/do/0/a/metadata/levqor/approval/title", "`$output` is not available here")],
        ),
        (
            "- a: {set: {x: 1}, if: true}",
            &[("/do/0/a/if", "must be an expression, written as text, and is a boolean")],
        ),
        ("- a: {set: {x: 1}, if: ''}", &[("/do/0/a/if", "is empty")]),
        ("- a: {set: {x: 1}, if: '${ }'}", &[("/do/0/a/if", "is empty")]),
        ("- a: {set: {x: 1}, if: $input.x}", &[("/do/0/a/if", "once `input.from` is done")]),
        ("- a: {set: {x: 1}, if: $contxt.x}", &[("/do/0/a/if", "did you mean `context`?")]),
        (
            "- a: {set: {x: '${ $nope }'}}",
            &[(
                "/do/0/a/set/x",
                "there are $context, $input, $secrets, $task, $workflow, $runtime, $authorization",
            )],
        ),
        ("- a: {set: {x: 1}, if: .x == $item}", &[("/do/0/a/if", "`$item` exists inside a `for` only")]),
        (
            "- a: {set: {x: 1}, output: {as: $output}}",
            &[("/do/0/a/output/as", "it exists in `export.as` only")],
        ),
        (
            "- a: {set: {x: 1}, input: 5, output: [], export: x}",
            &[("/do/0/a/input", "must be"), ("/do/0/a/output", "must be"), ("/do/0/a/export", "must be")],
        ),
    ];
    refused(rows, |tasks| format!("{HEAD}do:\n{tasks}"));
}

#[test]
fn calls() {
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("- a: {call: http}", &[("/do/0/a", "`with` is missing")]),
        ("- a: {call: 5}", &[("/do/0/a/call", "must be text")]),
        ("- a: {call: htttp}", &[("/do/0/a/call", "did you mean `http`?")]),
        (
            "- a: {call: getPet}",
            &[("/do/0/a/call", "there is no function \"getPet\"; declare it in `use.functions`")],
        ),
        (
            "- a: {call: https://example.com/function.yaml}",
            &[("/do/0/a/call", "calling a function by its address")],
        ),
        ("- a: {call: grpc, with: {}}", &[("/do/0/a/call", "not supported yet: gRPC calls")]),
        (
            "- a: {call: log:1.0.0@default}\n- b: {call: log:1.0.0@here}\n- c: {call: log@here}\n- d: {call: log:1.0@here}\n- e: {call: a/b:1.0.0@here}",
            &[
                (
                    "/do/0/a/call",
                    "the server's own catalog has no \"log:1.0.0\"; there are ai-chat:1.0.0@default",
                ),
                ("/do/1/b/call", "there is no catalog \"here\"; declare it in `use.catalogs`"),
                ("/do/2/c/call", "write <name>:<version>@<catalog>"),
                ("/do/3/d/call", "write all three numbers"),
                ("/do/4/e/call", "cannot name a function"),
            ],
        ),
        (
            "- a: {call: http, with: {}}",
            &[("/do/0/a/with", "`method` is missing"), ("/do/0/a/with", "`endpoint` is missing")],
        ),
        (
            "- a: {call: http, with: {method: psot, endpoint: https://a.b}}",
            &[("/do/0/a/with/method", "did you mean `POST`?")],
        ),
        (
            "- a: {call: http, with: {method: 'g t', endpoint: https://a.b}}",
            &[("/do/0/a/with/method", "not an HTTP method")],
        ),
        (
            "- a: {call: http, with: {method: connect, endpoint: https://a.b}}",
            &[("/do/0/a/with/method", "not for calls")],
        ),
        (
            "- a: {call: http, with: {method: get, endpoint: /pets}}",
            &[("/do/0/a/with/endpoint", "not an absolute address")],
        ),
        (
            "- a: {call: http, with: {method: get, endpoint: 'https://a.b/${ .id }'}}",
            &[("/do/0/a/with/endpoint", "write `{name}`")],
        ),
        (
            "- a: {call: http, with: {method: get, endpoint: 'https://a.b/{+id}'}}",
            &[("/do/0/a/with/endpoint", "only plain `{name}`")],
        ),
        (
            "- a: {call: http, with: {method: get, endpoint: ftp://a.b}}",
            &[("/do/0/a/with/endpoint", "use https or http")],
        ),
        (
            "- a: {call: http, with: {method: get, endpoint: [x]}}",
            &[("/do/0/a/with/endpoint", "and is a list")],
        ),
        (
            "- a: {call: http, with: {method: get, endpoint: {url: https://a.b}}}",
            &[
                ("/do/0/a/with/endpoint/url", "did you mean `uri`?"),
                ("/do/0/a/with/endpoint", "`uri` is missing"),
            ],
        ),
        (
            "- a: {call: http, with: {method: get, endpoint: {uri: https://a.b, authentication: {use: x}}}}",
            &[("/do/0/a/with/endpoint/authentication/use", "`use.authentications` has no \"x\"")],
        ),
        (
            "- a: {call: http, with: {method: get, endpoint: https://a.b, headers: [x], query: text, output: raww, redirect: 'yes', boddy: 1}}",
            &[
                ("/do/0/a/with/boddy", "did you mean `body`?"),
                ("/do/0/a/with/headers", "must be an object or an expression"),
                ("/do/0/a/with/query", "must be an object or an expression"),
                ("/do/0/a/with/output", "did you mean `raw`?"),
                ("/do/0/a/with/redirect", "must be true or false"),
            ],
        ),
        (
            "- a: {call: http, with: {method: get, endpoint: https://a.b, headers: {'a b': x, c: [1], d: \"x\\ny\"}}}",
            &[
                ("/do/0/a/with/headers/a b", "cannot be the name of a header"),
                ("/do/0/a/with/headers/c", "must be text, a number or a boolean"),
                ("/do/0/a/with/headers/d", "remove the line breaks"),
            ],
        ),
        (
            "- a: {call: http, with: {method: get, endpoint: https://a.b, headers: {Content-Length: '${ .n }', Upgrade: h2c, host: c.d, x: y}}}",
            &[
                (
                    "/do/0/a/with/headers/Content-Length",
                    "the header Content-Length belongs to the connection; leave it out",
                ),
                ("/do/0/a/with/headers/Upgrade", "belongs to the connection"),
            ],
        ),
        (
            "- a: {call: http, with: {method: get, endpoint: https://a.b, body: {x: ['${ .a | }']}}}",
            &[("/do/0/a/with/body/x/0", "does not compile")],
        ),
        (
            "- a: {call: http, with: {method: get, endpoint: https://a.b, body: '${ $secrets.key }'}}",
            &[("/do/0/a/with/body", "the secret \"key\" is not declared")],
        ),
    ];
    refused(rows, |tasks| format!("{HEAD}do:\n{tasks}"));
}

#[test]
fn kinds() {
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("- a: {do: 5}", &[("/do/0/a/do", "must be a list")]),
        ("- a: {set: {}}", &[("/do/0/a/set", "`set` is empty")]),
        ("- a: {set: 5}", &[("/do/0/a/set", "must be an object or an expression")]),
        ("- a: {wait: 30}", &[("/do/0/a/wait", "and this is a number")]),
        ("- a: {wait: {second: 3}}", &[("/do/0/a/wait", "did you mean `seconds`?")]),
        ("- a: {for: {each: x}, do: []}", &[("/do/0/a/for", "`in` is missing")]),
        ("- a: {for: {in: .x}}", &[("/do/0/a", "`do` is missing")]),
        ("- a: {for: {in: 5}, do: []}", &[("/do/0/a/for/in", "must be an expression that gives a list")]),
        ("- a: {for: {in: ['${ .x } ', '${ .[ }']}, do: []}", &[("/do/0/a/for/in/1", "does not compile")]),
        ("- a: {for: {in: .x, each: $pet}, do: []}", &[("/do/0/a/for/each", "write it without `$`: pet")]),
        ("- a: {for: {in: .x, each: input}, do: []}", &[("/do/0/a/for/each", "has a meaning already")]),
        ("- a: {for: {in: .x, each: a-b}, do: []}", &[("/do/0/a/for/each", "letters, digits and `_`")]),
        ("- a: {for: {in: .x, each: i, at: i}, do: []}", &[("/do/0/a/for/at", "name them differently")]),
        ("- a: {for: {in: $item}, do: []}", &[("/do/0/a/for/in", "`$item` exists inside a `for` only")]),
        (
            "- a: {for: {in: .x, each: pet}, do: [{b: {set: {x: '${ $item }'}}}]}",
            &[("/do/0/a/do/0/b/set/x", "does not compile")],
        ),
        ("- a: {for: {in: .x}, do: [], output: {as: $item}}", &[("/do/0/a/output/as", "does not compile")]),
        ("- a: {fork: {}}", &[("/do/0/a/fork", "`branches` is missing")]),
        ("- a: {fork: {branches: []}}", &[("/do/0/a/fork/branches", "at least one branch")]),
        (
            "- a: {fork: {branches: [{b: {set: {x: 1}}}], compete: maybe}}",
            &[("/do/0/a/fork/compete", "must be true or false")],
        ),
        (
            "- a: {fork: {branches: [{b: {set: {x: 1}, then: c}}, {c: {set: {x: 1}}}]}}",
            &[("/do/0/a/fork/branches/0/b/then", "a branch of a `fork` cannot go to `c`")],
        ),
        ("- a: {switch: []}", &[("/do/0/a/switch", "has no cases")]),
        ("- a: {switch: [{x: {when: .x}}]}", &[("/do/0/a/switch/0/x", "`then` is missing")]),
        (
            "- a: {switch: [{x: {then: end}}, {y: {then: exit}}]}",
            &[("/do/0/a/switch/1/y", "both cases without `when`")],
        ),
        (
            "- a: {switch: [{x: {when: .x, then: end}}, {x: {when: .y, then: exit}}]}",
            &[("/do/0/a/switch/1/x", "the case `x` is there twice")],
        ),
        (
            "- a: {switch: [{x: {when: .x, then: nowhere}}]}",
            &[("/do/0/a/switch/0/x/then", "there is no task `nowhere`")],
        ),
        (
            "- a: {switch: [{x: {when: 1, then: end, else: exit}}]}",
            &[
                ("/do/0/a/switch/0/x/else", "not a member"),
                ("/do/0/a/switch/0/x/when", "must be an expression"),
            ],
        ),
        ("- a: {run: {}}", &[("/do/0/a/run", "does not say what to run")]),
        (
            "- a: {run: {shell: {command: ls}}}",
            &[(
                "/do/0/a/run/shell",
                "`run: shell` is off on this server; its operator can allow it by `processes.allow`",
            )],
        ),
        (
            "- a: {run: {script: {language: js, code: x}}}",
            &[("/do/0/a/run/script", "`run: script` in JavaScript is off")],
        ),
        (
            "- a: {run: {script: {language: perl, code: x}}}",
            &[("/do/0/a/run/script/language", "not supported yet: scripts in another language")],
        ),
        (
            "- a: {run: {container: {image: x}}}",
            &[("/do/0/a/run/container", "not supported yet: running a container")],
        ),
        ("- a: {run: {script: {}, shell: {}}}", &[("/do/0/a/run", "both `script` and `shell`")]),
        (
            "- a: {run: {workflow: {namespace: x, name: y, version: 1.x}}}",
            &[("/do/0/a/run/workflow/version", "or latest")],
        ),
        (
            "- a: {run: {workflow: {name: y, input: 5}, await: 1}}",
            &[
                ("/do/0/a/run/await", "must be true or false"),
                ("/do/0/a/run/workflow", "`namespace` is missing"),
                ("/do/0/a/run/workflow/input", "must be an object or an expression"),
            ],
        ),
    ];
    refused(rows, |tasks| format!("{HEAD}do:\n{tasks}"));
}

#[test]
fn faults() {
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("- a: {raise: {}}", &[("/do/0/a/raise", "`error` is missing")]),
        ("- a: {raise: {error: lost}}", &[("/do/0/a/raise/error", "`use.errors` has no \"lost\"")]),
        (
            "- a: {raise: {error: {}}}",
            &[("/do/0/a/raise/error", "`type` is missing"), ("/do/0/a/raise/error", "`status` is missing")],
        ),
        (
            "- a: {raise: {error: {type: a b, status: '404'}}}",
            &[
                ("/do/0/a/raise/error/type", "must be a URI"),
                ("/do/0/a/raise/error/status", "must be a whole number from 100 to 599"),
            ],
        ),
        (
            "- a: {raise: {error: {type: x, status: 42, titel: y}}}",
            &[
                ("/do/0/a/raise/error/titel", "did you mean `title`?"),
                ("/do/0/a/raise/error/status", "and is 42"),
            ],
        ),
        (
            "- a: {raise: {error: {type: x, status: 404, title: 5, detail: '${ ( }'}}}",
            &[
                ("/do/0/a/raise/error/title", "must be text"),
                ("/do/0/a/raise/error/detail", "does not compile"),
            ],
        ),
        ("- a: {try: []}", &[("/do/0/a", "`catch` is missing")]),
        ("- a: {catch: {}}", &[("/do/0/a/catch", "not a member of a task"), ("/do/0/a", "does nothing")]),
        (
            "- a: {try: [], catch: {erors: {}, then: nowhere}}",
            &[("/do/0/a/catch/erors", "did you mean `errors`?"), ("/do/0/a/catch/then", "there is no task")],
        ),
        (
            "- a: {try: [], catch: {errors: {status: 404}}}",
            &[("/do/0/a/catch/errors/status", "which has `with`")],
        ),
        ("- a: {try: [], catch: {errors: {with: {}}}}", &[("/do/0/a/catch/errors/with", "is empty")]),
        (
            "- a: {try: [], catch: {errors: {with: {code: 5, status: '5', type: 5}}}}",
            &[
                ("/do/0/a/catch/errors/with/code", "errors have no member `code`"),
                ("/do/0/a/catch/errors/with/status", "whole number"),
                ("/do/0/a/catch/errors/with/type", "must be text"),
            ],
        ),
        (
            "- a: {try: [], catch: {as: err, when: $error.status == 404}}",
            &[("/do/0/a/catch/when", "under the name that `as` gives it")],
        ),
        (
            "- a: {try: [{b: {set: {x: '${ $error }'}}}], catch: {}}",
            &[("/do/0/a/try/0/b/set/x", "`$error` exists inside `catch` only")],
        ),
        (
            "- a: {try: [], catch: {retry: often}}",
            &[("/do/0/a/catch/retry", "`use.retries` has no \"often\"")],
        ),
        (
            "- a: {try: [], catch: {retry: {delay: 5, dely: 1}}}",
            &[
                ("/do/0/a/catch/retry/dely", "did you mean `delay`?"),
                ("/do/0/a/catch/retry/delay", "and this is a number"),
            ],
        ),
        ("- a: {try: [], catch: {retry: {backoff: {}}}}", &[("/do/0/a/catch/retry/backoff", "is empty")]),
        (
            "- a: {try: [], catch: {retry: {backoff: {linear: null}}}}",
            &[("/do/0/a/catch/retry/backoff/linear", "{ linear: {} }")],
        ),
        (
            "- a: {try: [], catch: {retry: {backoff: {linear: {}, constant: {}}}}}",
            &[("/do/0/a/catch/retry/backoff", "both `constant` and `linear`")],
        ),
        (
            "- a: {try: [], catch: {retry: {jitter: {from: PT1S}}}}",
            &[("/do/0/a/catch/retry/jitter", "`to` is missing")],
        ),
        (
            "- a: {try: [], catch: {retry: {jitter: {from: PT2S, to: PT1S}}}}",
            &[("/do/0/a/catch/retry/jitter", "swap them")],
        ),
        (
            "- a: {try: [], catch: {retry: {limit: {attempt: {count: -1, duration: x}, attempts: 5}}}}",
            &[
                ("/do/0/a/catch/retry/limit/attempts", "did you mean `attempt`?"),
                ("/do/0/a/catch/retry/limit/attempt/duration", "not an ISO 8601"),
                ("/do/0/a/catch/retry/limit/attempt/count", "not negative, and is -1"),
            ],
        ),
    ];
    refused(rows, |tasks| format!("{HEAD}do:\n{tasks}"));
}

#[test]
fn reusable_parts_are_wrong_where_they_stand_and_once() {
    let rows: &[(&str, &[(&str, &str)])] = &[
        (
            "use: {errors: {e: {type: x}}}\ndo:\n- a: {raise: {error: e}}\n- b: {raise: {error: e}}",
            &[("/use/errors/e", "`status` is missing")],
        ),
        (
            "use: {retries: {r: {delay: soon}}}\ndo:\n- a: {try: [], catch: {retry: r}}\n- b: {try: [], catch: {as: err, retry: r}}",
            &[("/use/retries/r/delay", "not an ISO 8601")],
        ),
        (
            "use: {retries: {r: {when: $error.status == 503}}}\ndo:\n- a: {try: [], catch: {retry: r}}\n- b: {try: [], catch: {as: err, retry: r}}",
            &[
                ("/use/retries/r/when", "does not compile"),
                ("/do/1/b/catch/retry", "where the error is called `$err`"),
            ],
        ),
        (
            "use: {timeouts: {t: {after: x}}}\ndo:\n- a: {set: {x: 1}, timeout: t}\n- b: {set: {x: 1}, timeout: t}",
            &[("/use/timeouts/t/after", "not an ISO 8601")],
        ),
    ];
    refused(rows, |rest| format!("{HEAD}{rest}"));
}

#[test]
fn schemas() {
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("{schema: {}}", &[("/input/schema", "`document` is missing")]),
        ("{schema: {document: 5}}", &[("/input/schema/document", "a JSON Schema is an object")]),
        ("{schema: {document: {type: strin}}}", &[("/input/schema/document/type", "not a JSON Schema")]),
        (
            "{schema: {document: {properties: {a: {minimum: x}}}}}",
            &[("/input/schema/document/properties/a/minimum", "not a JSON Schema")],
        ),
        (
            "{schema: {document: {properties: {a: {pattern: '('}}}}}",
            &[("/input/schema/document/properties/a/pattern", "not a JSON Schema")],
        ),
        (
            "{schema: {document: {$ref: https://example.com/schema.json}}}",
            &[("/input/schema/document/$ref", "references out of the schema")],
        ),
        (
            "{schema: {document: {items: {$ref: file:///etc/passwd}}}}",
            &[("/input/schema/document/items/$ref", "references out of the schema")],
        ),
        (
            "{schema: {document: {$ref: '#/$defs/a'}}}",
            &[("/input/schema/document/$ref", "not in this schema")],
        ),
        ("{schema: {document: {$ref: '#'}}}", &[("/input/schema/document/$ref", "never end")]),
        (
            "{schema: {format: avro, document: {}}}",
            &[("/input/schema/format", "not supported yet: schemas in another format")],
        ),
        (
            "{schema: {resource: {endpoint: 'https://example.com/{id}'}}}",
            &[("/input/schema/resource/endpoint", "the same for every run")],
        ),
        (
            "{schema: {document: {}, resource: {endpoint: '${ .schema }', uri: x}}}",
            &[
                ("/input/schema/resource", "there are both"),
                ("/input/schema/resource/uri", "is not a member"),
                ("/input/schema/resource/endpoint", "the same for every run"),
            ],
        ),
        ("{schema: {document: {}, dokument: {}}}", &[("/input/schema/dokument", "did you mean `document`?")]),
        (
            "{schema: {document: {$schema: https://example.com/meta}}}",
            &[("/input/schema/document/$schema", "schemas of other drafts")],
        ),
    ];
    refused(rows, |input| format!("{HEAD}do: []\ninput: {input}"));
}
