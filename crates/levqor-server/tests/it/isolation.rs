//! No account reaches another's things: every operation of the API and every page, with ids of another account, by everybody that an
//! account has.
//!
//! Two accounts have something of every kind. Whoever asks from the first one with ids of the second is answered as if they were made
//! up; nothing of the second is in any answer; and its rows, in all tables, are the same afterwards. A route that is added must be
//! written down in [`asks`], or the test fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use http::{Method, StatusCode};
use levqor_model::{AccountId, InvitationId, KeyId, Role, RunId, Scopes, SessionId, UserId};
use levqor_server::{
    features::sign_in::service::issue_link,
    gateway::{PAGES, RULES, new_key},
};
use levqor_store::{Options, Place, keys::ApiKey};
use levqor_testkit::wait_for;
use serde_json::{Value, json};

use crate::{
    members::own,
    pages::{Browser, csrf},
    support::{Answer, Call, FAULT, GREET, TestApp, WAIT, document, sign_in_as},
};

/// In every text that the second account has.
const MARK: &str = "zqmark";

/// What belongs to the second account.
#[derive(Debug, Clone)]
struct Things {
    account: String,
    workflow: String,
    /// One that waits.
    run: String,
    ended: String,
    approval: String,
    webhook: String,
    key: String,
    member: String,
    session: String,
    invitation: String,
    secret: String,
    email: String,
    /// The address of another member.
    known: String,
    event: String,
}

impl Things {
    /// Of the same kinds, and nobody's.
    fn made_up(test: &TestApp) -> Self {
        let (now, random) = (test.app.now(), &*test.random);
        let webhook = levqor_model::WebhookId::new(now, random).to_string();
        let run = || RunId::new(now, random).to_string();
        Self {
            account: AccountId::new(now, random).to_string(),
            workflow: levqor_model::WorkflowId::new(now, random).to_string(),
            run: run(),
            ended: run(),
            approval: levqor_model::ApprovalId::new(now, random).to_string(),
            webhook,
            key: KeyId::new(now, random).to_string(),
            member: UserId::new(now, random).to_string(),
            session: SessionId::new(now, random).to_string(),
            invitation: InvitationId::new(now, random).to_string(),
            secret: "vault_c".to_owned(),
            email: "person@c.example".to_owned(),
            known: "known@c.example".to_owned(),
            event: "event-c".to_owned(),
        }
    }

    /// But for those that the first account gets as well: it may send the same event, and invite the same person.
    fn all(&self) -> [&str; 12] {
        [
            &self.account,
            &self.workflow,
            &self.run,
            &self.ended,
            &self.approval,
            &self.webhook,
            &self.key,
            &self.member,
            &self.session,
            &self.invitation,
            &self.secret,
            &self.email,
        ]
    }
}

async fn by(test: &TestApp, method: Method, path: &str, key: &str, body: Value) -> Value {
    let answer = test.call(method, path).key(key).json(&body).send().await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text());
    if answer.bytes.is_empty() { Value::Null } else { answer.json() }
}

/// Saves a workflow and gives its id.
async fn save(test: &TestApp, key: &str, name: &str, rest: &str) -> String {
    let body = json!({ "definition": document(name, "0.1.0", rest) });
    by(test, Method::POST, "/api/workflows", key, body).await["id"].as_str().unwrap().to_owned()
}

/// Fills an account with something of every kind. `word` is in all of its texts.
async fn furnish(test: &TestApp, key: &str, word: &str, letter: &str) -> Things {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let post = async |path: &str, body: Value| by(test, Method::POST, path, key, body).await;
    let account = by(test, Method::PATCH, "/api/account", key, json!({ "name": word })).await;
    let account_id: AccountId = text(&account["id"]).parse().unwrap();

    let workflow = save(test, key, &format!("{word}-waits"), WAIT).await;
    let greets = save(test, key, &format!("{word}-greets"), GREET).await;
    let fails = save(test, key, &format!("{word}-fails"), FAULT).await;
    let asks =
        "do: [{ ask: { call: 'approval:1.0.0@default', with: { title: '${ .word }', data: '${ . }' } } }]";
    let asks = save(test, key, &format!("{word}-asks"), asks).await;
    let hears =
        "schedule: { on: { one: { with: { type: order.paid } } } }\ndo: [{ done: { set: { ok: true } } }]";
    save(test, key, &format!("{word}-hears"), hears).await;
    let start = async |workflow: &str, wait: u64| {
        let body = json!({ "input": { "name": word, "word": word }, "wait_seconds": wait });
        text(&post(&format!("/api/workflows/{workflow}/runs"), body).await["run_id"])
    };
    let (run, ended) = (start(&workflow, 0).await, start(&greets, 5).await);
    start(&fails, 5).await;
    start(&asks, 0).await;
    let approval = wait_for("the question", || async {
        let list = test.get("/api/approvals").key(key).send().await.json();
        list["approvals"].as_array().unwrap().first().map(|approval| text(&approval["id"]))
    })
    .await;
    let hook = json!({ "name": word, "signed": true });
    let webhook = post(&format!("/api/workflows/{workflow}/triggers"), hook).await;
    let made = post("/api/keys", json!({ "name": word, "role": "viewer", "scopes": ["runs:read"] })).await;
    let (secret, email) = (format!("vault_{letter}"), format!("person@{letter}.example"));
    for name in [secret.clone(), format!("also_{letter}")] {
        by(test, Method::PUT, &format!("/api/secrets/{name}"), key, json!({ "value": word })).await;
    }
    let invited = json!({ "email": format!("{word}@{letter}.example"), "role": "viewer" });
    let invitation = post("/api/members/invitations", invited).await;
    let event = format!("event-{letter}");
    let cloud_event = json!({
        "specversion": "1.0", "id": event, "source": format!("/{word}"), "type": "order.sent", "data": { "word": word },
    });
    let published = test
        .post("/api/events")
        .key(key)
        .body("application/cloudevents+json", cloud_event.to_string())
        .send()
        .await;
    assert_eq!(published.status, StatusCode::ACCEPTED, "{}", published.text());

    let known = format!("known@{letter}.example");
    sign_in_as(&test.app, account_id, &known, Role::Viewer).await;
    let cookie = sign_in_as(&test.app, account_id, &email, Role::Owner).await;
    let member = test.store.user_by_email(email.clone()).await.unwrap().unwrap().id;
    issue_link(&test.store, &*test.app.random, "", member, test.app.now()).await.unwrap();
    let sessions = own(test.get("/api/sessions"), &cookie).send().await.json();
    Things {
        account: account_id.to_string(),
        workflow,
        run,
        ended,
        approval,
        webhook: text(&webhook["id"]),
        key: text(&made["id"]),
        member: member.to_string(),
        session: text(&sessions["sessions"][0]["id"]),
        invitation: text(&invitation["id"]),
        secret,
        email,
        known,
        event,
    }
}

/// What a request may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It names something: refused, as something that is made up is.
    Names,
    /// It narrows a list, or sends something along: answered as for something that is made up.
    Narrows,
    /// It names nothing: answered for the account itself.
    Own,
}

#[derive(Debug, Clone)]
struct Ask {
    path: String,
    kind: Kind,
    /// JSON for the API, fields for forms.
    body: Value,
}

/// The path with the thing of its kind in each place. Panics for a place that nobody has thought of.
fn filled(path: &str, things: &Things) -> (String, Kind) {
    let (mut parts, mut kind, mut noun) = (Vec::new(), Kind::Own, "");
    for part in path.split('/') {
        let mut names = |thing: &str| {
            kind = Kind::Names;
            thing.to_owned()
        };
        let filled = match (noun, part) {
            (_, part) if !part.starts_with('{') => {
                noun = part;
                part.to_owned()
            }
            ("workflows", "{id}") => names(&things.workflow),
            ("runs", "{id}") => names(&things.run),
            ("approvals", "{id}") => names(&things.approval),
            ("keys", "{id}") => names(&things.key),
            ("members", "{id}") => names(&things.member),
            ("invitations", "{id}") => names(&things.invitation),
            ("sessions", "{id}") => names(&things.session),
            ("triggers", "{webhook}") => names(&things.webhook),
            ("secrets", "{name}") => names(&things.secret),
            // Tokens are secrets: whoever knows an id has no token for it.
            ("hooks", "{token}") => names(&things.webhook),
            ("invitations", "{token}") => names(&things.invitation),
            ("link", "{token}") => names(&things.member),
            // Nobody's account has a part in these.
            ("confirm" | "unsubscribe", "{token}") => "0123456789".to_owned(),
            ("uptime", "{date}") => "2026-11-23".to_owned(),
            ("declarations", "{id}") => "dcl_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            ("maintenance", "{id}") => "mnt_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            ("subscriptions", "{id}") => "sub_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            ("versions", "{version}") => "0.1.0".to_owned(),
            ("tasks", "{task}") => "1".to_owned(),
            (_, "{what}") => "input".to_owned(),
            // Of the platform, which no account has.
            ("heartbeats", "{name}") => "nightly-backup".to_owned(),
            ("probes", "{name}") => "reach".to_owned(),
            ("ping", "{token}") => names(&things.webhook),
            (_, "{signal}") => "start".to_owned(),
            // Nobody's, and everybody's.
            ("alerts", "{id}") => "alr_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            ("silences", "{id}") => "sil_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            ("notifications", "{id}") => "ntf_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            ("slos", "{name}") => "requests".to_owned(),
            ("keyring", "{id}") => "rky_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            ("leads", "{id}") => "led_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            ("tickets", "{id}") => "tkt_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            ("consultations", "{id}") => "csl_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            ("jobs", "{id}") => "kv_costs".to_owned(),
            ("regions", "{code}") => "eu-west".to_owned(),
            ("incidents", "{id}") => "inc_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            ("action-items", "{item}") => "act_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            ("reputation", "{address}") => "192.0.2.99".to_owned(),
            ("docs" | "problems", "{slug}") => "getting-started".to_owned(),
            ("assets", "{file}") => "mark.svg".to_owned(),
            (noun, part) => panic!("{path}: what is {part} of {noun}? Say it here, so that it is tested"),
        };
        parts.push(filled);
    }
    (parts.join("/"), kind)
}

/// What is sent to a route; at least one request for each. Panics for a route that nobody has thought of.
fn asks(method: &Method, path: &str, things: &Things) -> Vec<Ask> {
    let (filled, kind) = filled(path, things);
    let ask = |kind, body: Value| vec![Ask { path: filled.clone(), kind, body }];
    let narrowed = |queries: Vec<String>| {
        let narrowed = queries.into_iter().map(|query| Ask {
            path: format!("{filled}?{query}"),
            kind: Kind::Narrows,
            body: json!({}),
        });
        ask(kind, json!({})).into_iter().chain(narrowed).collect()
    };
    let definition = document("mine", "0.2.0", GREET);
    let Things { workflow, run, account, member, approval, known, key, .. } = things;
    match (method.as_str(), path) {
        // What may be narrowed to something.
        ("GET", "/api/runs") => narrowed(vec![format!("workflow={workflow}")]),
        ("GET", "/dashboard/runs") => narrowed(vec![format!("workflow={workflow}"), format!("before={run}")]),
        ("GET", "/dashboard/approvals") => narrowed(vec![format!("before={approval}&all=yes")]),
        ("GET", "/dashboard/keys") => narrowed(vec![format!("after={key}")]),
        ("GET", "/dashboard/members") => narrowed(vec![format!("after={member}")]),
        ("GET", "/dashboard/secrets") => narrowed(vec![format!("after={}", things.secret)]),
        ("GET", "/api/ops/audit" | "/api/ops/audit/export") => narrowed(vec![format!("account={account}")]),
        ("GET", _) => ask(kind, json!({})),
        ("DELETE", _) => ask(kind, json!({})),
        // The API.
        ("POST", "/api/workflows") => ask(kind, json!({ "definition": definition })),
        ("POST", "/api/workflows/validate") => ask(kind, json!({ "definition": definition })),
        ("PUT", "/api/workflows/{id}") => ask(kind, json!({ "definition": definition })),
        ("POST", "/api/workflows/{id}/runs") => ask(kind, json!({ "input": {} })),
        ("POST", "/api/workflows/{id}/triggers") => ask(kind, json!({ "name": "mine" })),
        ("POST", "/api/workflows/{id}/triggers/{webhook}/rotate") => ask(kind, json!({})),
        ("POST", "/api/events") => {
            let event = |id: &str, kind: &str| json!({ "specversion": "1.0", "id": id, "source": "/mine", "type": kind });
            ["order.paid", "order.sent"]
                .into_iter()
                .map(|kind| Ask { path: filled.clone(), kind: Kind::Own, body: event(&things.event, kind) })
                .collect()
        }
        ("POST", "/hooks/{token}" | "/ping/{token}" | "/ping/{token}/{signal}") => ask(kind, json!({})),
        ("POST", "/api/runs/{id}/cancel" | "/api/runs/{id}/suspend" | "/api/runs/{id}/resume") => {
            ask(kind, json!({}))
        }
        ("POST", "/api/runs/{id}/retry") => {
            let ended = filled.replace(run.as_str(), &things.ended);
            let both = [filled.clone(), ended].into_iter();
            both.map(|path| Ask { path, kind, body: json!({ "from": "start" }) }).collect()
        }
        ("POST", "/api/approvals/{id}/approve" | "/api/approvals/{id}/reject") => {
            ask(kind, json!({ "comment": "mine" }))
        }
        // The name is everybody's, what it stands for is the account's own. Not the one that is deleted elsewhere.
        ("PUT", "/api/secrets/{name}") => {
            let path = filled.replace("vault_", "also_");
            vec![Ask { path, kind: Kind::Narrows, body: json!({ "value": "mine" }) }]
        }
        ("POST", "/api/keys") => ask(kind, json!({ "name": "mine", "role": "viewer" })),
        ("POST", "/api/keys/{id}/rotate") => ask(kind, json!({ "overlap_seconds": 0 })),
        ("PATCH", "/api/account") => ask(kind, json!({ "name": "mine" })),
        ("POST", "/api/account/switch") => ask(Kind::Names, json!({ "account_id": account })),
        ("POST", "/api/account/leave" | "/api/sessions/revoke-others") => ask(kind, json!({})),
        ("PATCH", "/api/members/{id}") => ask(kind, json!({ "role": "viewer" })),
        ("POST", "/api/members/{id}/sign-out") => ask(kind, json!({})),
        ("POST", "/api/members/invitations") => {
            ask(Kind::Narrows, json!({ "email": known, "role": "viewer" }))
        }
        ("POST", "/api/ai/chat" | "/api/ai/workflow") => ask(
            Kind::Narrows,
            json!({ "query": "how do I start a run every hour?", "context": { "account": account } }),
        ),
        ("POST", "/api/marketing/lead") => ask(kind, json!({ "email": "lead@d.example", "source": "mine" })),
        ("POST", "/api/marketing/event") => ask(kind, json!({ "event": "page_view", "page": "/pricing" })),
        ("POST", "/api/support") => ask(kind, json!({ "message": "how do I start a run every hour?" })),
        ("POST", "/api/consultations") => ask(
            kind,
            json!({
                "email": "lead@d.example", "name": "mine", "topic": "mine", "begins_at": "2000-01-01T00:00:00Z",
            }),
        ),
        ("POST", "/api/feedback/trial") => ask(kind, json!({ "rating": 5 })),
        ("POST", "/support/request") => ask(kind, json!({ "message": "how do I start a run every hour?" })),
        ("POST", "/support/consultation") => ask(kind, json!({ "name": "mine" })),
        ("POST", "/stay-in-touch") => ask(kind, json!({ "email": "mine" })),
        ("POST" | "PATCH", path) if path.starts_with("/api/ops/") => ask(kind, json!({ "reason": "mine" })),
        ("PATCH", "/api/ops/silences/{id}") => ask(kind, json!({ "reason": "mine" })),
        ("POST", path) if path.starts_with("/api/ops/") => ask(kind, json!({ "reason": "mine" })),
        // Those of operators, whom none of these is.
        ("POST", path) if path.starts_with("/admin/") => ask(kind, json!({ "reason": "mine" })),
        ("POST", "/api/status/subscriptions") => {
            ask(kind, json!({ "url": "https://hooks.d.example/levqor" }))
        }
        // Forms.
        ("POST", "/status/subscribe") => ask(kind, json!({ "url": "https://hooks.d.example/levqor" })),
        ("POST", "/status/confirm/{token}" | "/status/unsubscribe/{token}") => ask(kind, json!({})),
        ("POST", "/draft") => ask(kind, json!({ "query": "every hour fetch https://a.example" })),
        ("POST", "/theme") => ask(kind, json!({ "theme": "dark", "next": "/" })),
        ("POST", "/signin") => ask(kind, json!({ "email": "nobody@d.example" })),
        ("POST", "/signin/oidc/join") => ask(kind, json!({ "choice": "own" })),
        ("POST", "/signin/link/{token}" | "/invitations/{token}") => ask(kind, json!({})),
        ("POST", "/signout") => ask(kind, json!({})),
        ("POST", "/dashboard/workflows" | "/dashboard/workflows/{id}/edit") => {
            ask(kind, json!({ "action": "save", "definition": definition }))
        }
        ("POST", "/dashboard/workflows/{id}/runs") => ask(kind, json!({ "input": "{}" })),
        ("POST", "/dashboard/workflows/{id}/delete") => ask(kind, json!({ "confirm": "yes" })),
        ("POST", "/dashboard/workflows/{id}/triggers") => {
            ask(kind, json!({ "name": "mine", "signed": "yes" }))
        }
        (
            "POST",
            "/dashboard/workflows/{id}/triggers/{webhook}/rotate"
            | "/dashboard/workflows/{id}/triggers/{webhook}/delete",
        ) => ask(kind, json!({})),
        (
            "POST",
            "/dashboard/runs/{id}/cancel" | "/dashboard/runs/{id}/suspend" | "/dashboard/runs/{id}/resume",
        ) => ask(kind, json!({})),
        ("POST", "/dashboard/runs/{id}/retry") => ask(kind, json!({ "from": "start" })),
        ("POST", "/dashboard/keys") => ask(kind, json!({ "name": "mine", "role": "viewer" })),
        ("POST", "/dashboard/keys/{id}/revoke") => ask(kind, json!({})),
        ("POST", "/dashboard/keys/{id}/rotate") => ask(kind, json!({ "hours": "0" })),
        ("POST", "/dashboard/approvals/{id}") => ask(kind, json!({ "answer": "approve" })),
        ("POST", "/dashboard/secrets") => {
            ask(Kind::Narrows, json!({ "name": things.secret.replace("vault_", "also_"), "value": "mine" }))
        }
        ("POST", "/dashboard/secrets/{name}/delete") => ask(kind, json!({})),
        ("POST", "/dashboard/members/invitations") => {
            ask(Kind::Narrows, json!({ "email": known, "role": "viewer" }))
        }
        ("POST", "/dashboard/members/invitations/{id}/revoke") => ask(kind, json!({})),
        ("POST", "/dashboard/members/{id}/role") => ask(kind, json!({ "role": "viewer" })),
        ("POST", "/dashboard/members/{id}/remove" | "/dashboard/members/{id}/sign-out") => {
            ask(kind, json!({}))
        }
        ("POST", "/dashboard/account") => ask(kind, json!({ "name": "mine" })),
        ("POST", "/dashboard/account/switch") => ask(Kind::Names, json!({ "account": account })),
        ("POST", "/dashboard/account/leave" | "/dashboard/account/sessions/revoke-others") => {
            ask(kind, json!({}))
        }
        ("POST", "/dashboard/account/sessions/{id}/revoke") => ask(kind, json!({})),
        (method, path) => {
            panic!("{method} {path} is not tested for other accounts' things: say here what is sent to it")
        }
    }
}

/// Somebody of the first account, or nobody.
#[derive(Debug, Clone)]
enum Caller {
    Nobody,
    Key(String),
    Session { cookie: String, csrf: String },
}

async fn session(test: &TestApp, role: Role, number: usize) -> Caller {
    let email = format!("{}-{number}@a.example", role.as_str());
    let cookie = sign_in_as(&test.app, test.account, &email, role).await;
    let page = test.page("/dashboard/account").header("cookie", &cookie).send().await;
    Caller::Session { cookie, csrf: csrf(&page) }
}

/// A key of the first account that is limited, though to much.
async fn limited(test: &TestApp) -> String {
    let new = new_key(&*test.app.random);
    let key = ApiKey {
        id: KeyId::new(test.app.now(), &*test.app.random),
        account_id: test.account,
        name: "limited".to_owned(),
        prefix: new.prefix,
        hash: new.hash,
        role: Role::Owner,
        operator: false,
        created_at: test.app.now(),
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
        scopes: Some(Scopes::parse_all(["workflows:write", "runs:write", "secrets:write", "admin"]).unwrap()),
        previous: None,
        rotated_at: None,
        created_by: None,
    };
    test.store.create_key(key).await.unwrap();
    new.key.expose().to_owned()
}

fn request(test: &TestApp, method: &Method, ask: &Ask, is_page: bool, caller: &Caller) -> Call {
    let mut call = test.call(method.clone(), &ask.path).header("sec-fetch-site", "same-origin");
    if is_page {
        call = call.header("accept", "text/html");
    }
    if *method != Method::GET {
        call = match (is_page, ask.path.as_str()) {
            (true, _) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                for (name, value) in ask.body.as_object().unwrap() {
                    form.append_pair(name, value.as_str().unwrap());
                }
                if let Caller::Session { csrf, .. } = caller {
                    form.append_pair("csrf", csrf);
                }
                call.body("application/x-www-form-urlencoded", form.finish())
            }
            (false, "/api/events") => call.body("application/cloudevents+json", ask.body.to_string()),
            (false, _) => call.json(&ask.body),
        };
    }
    match caller {
        Caller::Nobody => call,
        Caller::Key(key) => call.key(key),
        Caller::Session { cookie, .. } => call.header("cookie", cookie),
    }
}

/// The answer without what differs from request to request, and without the names of things.
fn told(answer: &Answer, things: &Things, caller: &Caller) -> (StatusCode, Vec<(String, String)>, String) {
    let mut text = answer.text();
    for (number, thing) in things.all().iter().enumerate() {
        text = text.replace(thing, &format!("thing {number}"));
        // As it stands in an address.
        text = text.replace(&thing.replace('_', "%5F"), &format!("thing {number}"));
    }
    if let Some(id) = answer.header("x-request-id") {
        text = text.replace(id, "req");
    }
    if let Caller::Session { csrf, .. } = caller {
        text = text.replace(csrf.as_str(), "csrf");
    }
    let headers = ["content-type", "location", "cache-control", "retry-after"].into_iter();
    let headers = headers.filter_map(|name| {
        let mut value = answer.header(name)?.to_owned();
        for (number, thing) in things.all().iter().enumerate() {
            value = value.replace(thing, &format!("thing {number}"));
        }
        Some((name.to_owned(), value))
    });
    (answer.status, headers.collect(), text)
}

/// Rows of every table that name one of the things, as texts.
fn rows_of(database: &Path, ids: &[String]) -> BTreeMap<String, Vec<String>> {
    let connection =
        rusqlite::Connection::open_with_flags(database, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let names: Vec<String> = {
        let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
        tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for table in names {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<rusqlite::types::Value> =
                (0..columns).map(|column| row.get_unwrap(column)).collect();
            let is_theirs = values.iter().any(|value| match value {
                rusqlite::types::Value::Text(text) => ids.iter().any(|id| text.contains(id.as_str())),
                _ => false,
            });
            if is_theirs {
                found.entry(table.clone()).or_default().push(format!("{values:?}"));
            }
        }
    }
    for rows in found.values_mut() {
        rows.sort();
    }
    found
}

/// Tables that must have rows of an account that has something of every kind.
const TABLES: [&str; 16] = [
    "accounts",
    "api_keys",
    "approvals",
    "audit_records",
    "event_triggers",
    "events",
    "invitations",
    "journal",
    "links",
    "memberships",
    "secrets",
    "sessions",
    "users",
    "webhooks",
    "workflow_versions",
    "workflows",
];

fn database() -> (tempfile::TempDir, PathBuf) {
    let directory = levqor_testkit::temp_dir();
    let path = directory.path().join("levqor.db");
    (directory, path)
}

#[tokio::test]
async fn no_route_reaches_what_belongs_to_another_account() {
    let (_directory, path) = database();
    let options = Options { place: Place::File(path.clone()), ..Options::default() };
    let test = TestApp::over(options, |_| {}).await;
    let theirs = furnish(&test, &test.keys.other, MARK, "b").await;
    furnish(&test, &test.keys.owner, "ours", "a").await;
    let ghost = Things::made_up(&test);
    // The runs of the second account in all: none may be added.
    let ids: Vec<String> = {
        let connection = rusqlite::Connection::open(&path).unwrap();
        let mut ids = vec![theirs.member.clone()];
        for (table, column) in [("workflows", "workflow_id"), ("runs", "run_id"), ("archived_runs", "run_id")]
        {
            let sql = format!("SELECT {column} FROM {table} WHERE account_id = ?1");
            let mut statement = connection.prepare(&sql).unwrap();
            ids.extend(statement.query_map([&theirs.account], |row| row.get(0)).unwrap().map(Result::unwrap));
        }
        ids.push(theirs.account.clone());
        ids
    };
    let before = rows_of(&path, &ids);
    let missing: Vec<_> = TABLES.iter().filter(|table| !before.contains_key(**table)).collect();
    assert!(missing.is_empty(), "the second account has nothing in {missing:?}, only in {:?}", before.keys());

    let mut callers = vec![Caller::Nobody, Caller::Key(limited(&test).await)];
    callers.extend(
        [&test.keys.viewer, &test.keys.editor, &test.keys.admin, &test.keys.owner]
            .map(|key| Caller::Key(key.clone())),
    );
    let roles = [
        None,
        None,
        None,
        None,
        None,
        None,
        Some(Role::Viewer),
        Some(Role::Editor),
        Some(Role::Admin),
        Some(Role::Owner),
    ];
    for role in roles.into_iter().flatten() {
        callers.push(session(&test, role, 0).await);
    }
    let markers: Vec<String> =
        theirs.all().iter().map(ToString::to_string).chain([MARK.to_owned()]).collect();
    let rules = RULES.iter().map(|(method, path, ..)| (method, *path, false));
    let pages = PAGES.iter().map(|(method, path, _)| (method, *path, true));
    let (mut asked, mut refused, mut faults) = (0, 0, Vec::new());
    for (number, (method, route, is_page)) in rules.chain(pages).enumerate() {
        for (who, role) in roles.iter().enumerate() {
            let real = asks(method, route, &theirs);
            for (ask, unreal) in real.into_iter().zip(asks(method, route, &ghost)) {
                // These end the session that sends them.
                let ends = ["/signout", "/leave", "/revoke-others", "/signin/link/{token}"]
                    .iter()
                    .any(|end| route.ends_with(end));
                let caller = match role {
                    Some(role) if ends => session(&test, *role, number + 1).await,
                    _ => callers[who].clone(),
                };
                let what = format!("{method} {} by {who}", ask.path);
                let sent = format!("{} {}", ask.path, ask.body);
                let answer = request(&test, method, &ask, is_page, &caller).send().await;
                asked += 1;
                let shown = format!("{:?} {}", answer.headers, answer.text());
                for marker in markers.iter().filter(|marker| !sent.contains(marker.as_str())) {
                    if shown.contains(marker.as_str()) {
                        faults.push(format!("{what}: the answer has {marker:?}"));
                    }
                }
                if answer.status.is_server_error() {
                    faults.push(format!("{what}: {} {}", answer.status, answer.text()));
                }
                if ask.kind == Kind::Own {
                    continue;
                }
                let as_made_up = request(&test, method, &unreal, is_page, &caller).send().await;
                let (real, unreal) = (told(&answer, &theirs, &caller), told(&as_made_up, &ghost, &caller));
                let positions = ask.path.contains("before=") || ask.path.contains("after=");
                let makes = ask.kind == Kind::Narrows && *method != Method::GET;
                if !positions && !makes && real != unreal {
                    faults.push(format!("{what}: {real:?}, but {unreal:?} for what is made up"));
                }
                if makes && real.0 != unreal.0 {
                    faults.push(format!("{what}: {}, but {} for what is made up", real.0, unreal.0));
                }
                if ask.kind == Kind::Names {
                    let to_sign_in =
                        real.1.iter().any(|(name, to)| name == "location" && to.starts_with("/signin"));
                    let is_refused = matches!(real.0.as_u16(), 401 | 403 | 404 | 410) || to_sign_in;
                    let looks = *method == Method::GET && route.ends_with("{token}");
                    if !(is_refused || looks && real.0 == StatusCode::OK) {
                        faults.push(format!("{what}: {} {}", real.0, real.2));
                    }
                    refused += 1;
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(asked > 1_200 && refused > 500, "{asked} {refused}");
    let after = rows_of(&path, &ids);
    let tables: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for table in tables {
        assert_eq!(before.get(table), after.get(table), "rows of {table}");
    }
}

/// The look at the tables sees a change, so that the test above can fail.
#[tokio::test]
async fn a_change_of_anything_shows() {
    let (_directory, path) = database();
    let options = Options { place: Place::File(path.clone()), ..Options::default() };
    let test = TestApp::over(options, |_| {}).await;
    let theirs = furnish(&test, &test.keys.other, MARK, "b").await;
    let ids = [theirs.account.clone(), theirs.workflow.clone(), theirs.run.clone(), theirs.member.clone()];
    let mut last = rows_of(&path, &ids);
    let by_themselves = [
        (Method::POST, format!("/api/runs/{}/suspend", theirs.run), json!({})),
        (Method::DELETE, format!("/api/members/invitations/{}", theirs.invitation), json!({})),
        (Method::DELETE, format!("/api/keys/{}", theirs.key), json!({})),
        (Method::PUT, format!("/api/secrets/{}", theirs.secret), json!({ "value": "other" })),
        (Method::PATCH, "/api/account".to_owned(), json!({ "name": "other" })),
        (Method::POST, format!("/api/members/{}/sign-out", theirs.member), json!({})),
    ];
    for (method, path_of_it, body) in by_themselves {
        by(&test, method, &path_of_it, &test.keys.other, body).await;
        let next = rows_of(&path, &ids);
        assert_ne!(last, next, "{path_of_it}");
        last = next;
    }
}

/// A repeat by another account is no repeat: the key of a request is the account's own.
#[tokio::test]
async fn an_answer_is_not_given_again_to_another_account() {
    let test = Arc::new(TestApp::new().await);
    let send = async |key: &str, name: &str| {
        let body = json!({ "definition": document(name, "0.1.0", GREET) });
        test.post("/api/workflows").key(key).header("idempotency-key", "the-same").json(&body).send().await
    };
    let first = send(&test.keys.other, MARK).await;
    assert_eq!(first.status, StatusCode::CREATED);
    let second = send(&test.keys.editor, MARK).await;
    assert_eq!(second.status, StatusCode::CREATED, "{}", second.text());
    assert_ne!(first.json()["id"], second.json()["id"]);
    assert_eq!(second.header("idempotent-replayed"), None);
}
