//! A server without sockets: the whole stack over a database in memory, a clock that is moved by hand, callers of every
//! role, and another account whose things nobody here may see.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use levqor_engine::{Engine, Keyring, Limits, Setup, Vault, egress, keyring::Roots};
use levqor_flow::machine::Surroundings;
use levqor_model::{
    AccountId, Blueprint, Clock, KeyId, ManualClock, NodeId, Random, RegionRegistry, Role, Secret,
    SeededRandom, SessionId, UserId,
};
use levqor_server::{
    App, Parts, Settings,
    features::{
        ai::{Backends, Functions},
        policies::service::Policies,
    },
    gateway::{SESSION_COOKIE, new_key, new_token, token_hash},
    mail::{MailServer, Mailer},
    router,
};
use levqor_store::{
    Options, Place, Store,
    accounts::{Account, Membership, User},
    keys::ApiKey,
    nodes::NewNode,
    sessions::Session,
};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::described;

/// What the keyring is sealed under.
pub const SECRET: &str = "the secret of the tests, long enough";

/// When every test begins.
pub const BEGIN: &str = "2026-11-24T12:00:00Z";

/// Keys of the account under test, one of each role; `other` owns another account.
#[derive(Debug, Clone)]
pub struct Keys {
    pub viewer: String,
    pub editor: String,
    pub admin: String,
    pub owner: String,
    pub operator: String,
    pub other: String,
}

#[derive(Debug, Clone)]
pub struct TestApp {
    pub app: App,
    pub router: Router,
    pub clock: Arc<ManualClock>,
    pub random: Arc<SeededRandom>,
    pub store: Store,
    pub account: AccountId,
    pub keys: Keys,
    /// The cookie of a signed-in owner, `ada@example.com`, as `name=value`.
    pub cookie: String,
    /// Where a shared database is.
    #[expect(dead_code, reason = "the folder goes with whoever needs it last")]
    pub directory: Option<Arc<tempfile::TempDir>>,
}

impl TestApp {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings than the usual ones (which have no rate limits).
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::over(Options::default(), change).await
    }

    /// With other promises than the shipped ones.
    pub async fn promising(blueprint: Blueprint) -> Self {
        Self::made(Options::default(), blueprint, |_| {}).await
    }

    /// With a database of these options.
    pub async fn over(options: Options, change: impl FnOnce(&mut Settings)) -> Self {
        Self::made(options, Blueprint::parse(Blueprint::SHIPPED).unwrap(), change).await
    }

    async fn made(options: Options, blueprint: Blueprint, change: impl FnOnce(&mut Settings)) -> Self {
        let clock = Arc::new(ManualClock::at(BEGIN.parse().unwrap()));
        let random = Arc::new(SeededRandom::new(7));
        let store = Store::open(options).unwrap();
        let mut settings = Settings {
            anonymous_requests_per_minute: 0,
            account_requests_per_minute: Some(0),
            ..Settings::default()
        };
        change(&mut settings);
        let app = App::new(parts(settings, blueprint, &store, clock.clone(), random.clone()).await);
        let (account, other_account) =
            (AccountId::new(app.now(), &*random), AccountId::new(app.now(), &*random));
        for id in [account, other_account] {
            let row =
                Account { id, name: "Test".to_owned(), plan: "agency".to_owned(), created_at: app.now() };
            store.create_account(row).await.unwrap();
        }
        let made = |account, role, operator| add_key(&app, account, role, operator);
        let keys = Keys {
            viewer: made(account, Role::Viewer, false).await,
            editor: made(account, Role::Editor, false).await,
            admin: made(account, Role::Admin, false).await,
            owner: made(account, Role::Owner, false).await,
            operator: made(account, Role::Owner, true).await,
            other: made(other_account, Role::Owner, false).await,
        };
        let cookie = sign_in(&app, account).await;
        let router = router(app.clone());
        Self { app, router, clock, random, store, account, keys, cookie, directory: None }
    }

    /// Nodes of one region on one database, with one clock.
    pub async fn region(nodes: usize, change: impl FnOnce(&mut Settings)) -> Vec<Self> {
        let directory = Arc::new(levqor_testkit::temp_dir());
        let options = || {
            let place = Place::SharedFile(directory.path().join("levqor.db"));
            Options { place, ..Options::default() }
        };
        let all = Self::region_over(nodes, options, change).await;
        all.into_iter().map(|node| Self { directory: Some(directory.clone()), ..node }).collect()
    }

    /// [`TestApp::region`] on the database that the options name.
    pub async fn region_over(
        nodes: usize,
        options: impl Fn() -> Options,
        change: impl FnOnce(&mut Settings),
    ) -> Vec<Self> {
        let first = Self::over(options(), change).await;
        let mut all = vec![first.clone()];
        for _ in 1..nodes {
            let store = Store::open(options()).unwrap();
            let (settings, blueprint) = (first.app.settings.clone(), first.app.blueprint.clone());
            let parts = parts(settings, blueprint, &store, first.clock.clone(), first.random.clone()).await;
            let app = App::new(parts);
            all.push(Self { router: router(app.clone()), app, store, ..first.clone() });
        }
        // Each of them began as if it were alone.
        for node in &all {
            let lease = Duration::from_secs(24 * 60 * 60);
            let (id, region) = (node.app.node, node.app.region.code.clone());
            let new = NewNode { id, region, version: "0".to_owned(), lease, alone: false };
            node.store.register_node(new, node.app.now()).await.unwrap();
        }
        for node in &all {
            node.app.share_callers().await.unwrap();
        }
        all
    }

    /// The next process on the same database.
    pub async fn restarted(&self) -> Self {
        self.restarted_with(self.app.settings.clone()).await
    }

    /// [`TestApp::restarted`] with a mail server.
    pub async fn mailing(&self, address: &str) -> Self {
        let server = MailServer::new(address, "Levqor <levqor@example.com>").unwrap();
        let (settings, blueprint) = (self.app.settings.clone(), self.app.blueprint.clone());
        let parts = parts(settings, blueprint, &self.store, self.clock.clone(), self.random.clone()).await;
        let app = App::new(Parts { mailer: Some(Arc::new(Mailer::new(server).unwrap())), ..parts });
        Self { router: router(app.clone()), app, ..self.clone() }
    }

    /// [`TestApp::restarted`] with other settings.
    pub async fn restarted_with(&self, settings: Settings) -> Self {
        let blueprint = self.app.blueprint.clone();
        let parts = parts(settings, blueprint, &self.store, self.clock.clone(), self.random.clone()).await;
        let app = App::new(parts);
        Self { router: router(app.clone()), app, ..self.clone() }
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    /// Sends nothing yet, and as nobody.
    pub fn call(&self, method: Method, path: &str) -> Call {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        Call { router: self.router.clone(), request }
    }

    /// A GET by the viewer that must succeed.
    pub async fn read(&self, path: &str) -> Value {
        let answer = self.get(path).key(&self.keys.viewer).send().await;
        assert_eq!(answer.status, StatusCode::OK, "GET {path}: {}", answer.text());
        answer.json()
    }

    /// Saves a workflow as the editor and gives its id. `rest` is the document without its head.
    pub async fn save(&self, name: &str, rest: &str) -> String {
        let answer = self
            .post("/api/workflows")
            .key(&self.keys.editor)
            .json(&json!({ "definition": document(name, "0.1.0", rest) }))
            .send()
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Starts a run as the editor, waits for its end when `wait` says so, and gives the run.
    pub async fn start(&self, workflow: &str, wait: u64, input: &Value) -> Value {
        let path = format!("/api/workflows/{workflow}/runs");
        let body = json!({ "input": input, "wait_seconds": wait });
        let answer = self.post(&path).key(&self.keys.editor).json(&body).send().await;
        assert!(matches!(answer.status.as_u16(), 200 | 202), "{}", answer.text());
        answer.json()
    }
}

/// A document as YAML.
pub fn document(name: &str, version: &str, rest: &str) -> String {
    format!("document: {{ dsl: '1.0.1', namespace: test, name: {name}, version: '{version}' }}\n{rest}\n")
}

/// The rest of a document that greets.
pub const GREET: &str = "do: [{ greet: { set: { message: '${ \"Hello, \\(.name)!\" }' } } }]";
/// The rest of one that waits for an hour.
pub const WAIT: &str = "do: [{ pause: { wait: { hours: 1 } } }, { done: { set: { ok: true } } }]";
/// The rest of one that faults.
pub const FAULT: &str =
    "do: [{ fail: { raise: { error: { type: 'https://example.com/errors/no', status: 418, title: No } } } }]";

async fn parts(
    settings: Settings,
    blueprint: Blueprint,
    store: &Store,
    clock: Arc<ManualClock>,
    random: Arc<SeededRandom>,
) -> Parts {
    let regions = RegionRegistry::default();
    let region = regions.find(RegionRegistry::DEFAULT_CODE).unwrap().clone();
    let node = NodeId::new(clock.now(), &*random);
    let policies = Policies::load(&blueprint, &settings.site, None).unwrap();
    let roots = Roots::parse(&Secret::new(SECRET)).unwrap();
    let keyring = Keyring::open(store.clone(), roots, clock.clone(), random.clone()).await.unwrap();
    let backends = Arc::new(Backends::new(&settings.ai, blueprint.clone(), clock.clone()));
    let functions = Functions {
        store: store.clone(),
        clock: clock.clone(),
        region: region.clone(),
        blueprint: Arc::new(blueprint.clone()),
        backends: Arc::clone(&backends),
    };
    let engine = Engine::start(Setup {
        store: store.clone(),
        clock: clock.clone(),
        random: random.clone(),
        node,
        region: region.code.clone(),
        surroundings: Arc::new(Surroundings::default()),
        egress: egress::Policy { allow: vec!["127.0.0.1".parse().unwrap()], ..egress::Policy::default() },
        processes: levqor_engine::processes::Policy::default(),
        limits: Limits::default(),
        handlers: functions.join(levqor_engine::handlers::Handlers::default()),
        vault: Vault::of(keyring.clone()),
        sink: None,
        cluster: levqor_engine::Cluster::Alone,
    })
    .await
    .unwrap();
    Parts {
        started_at: clock.now(),
        settings,
        store: store.clone(),
        engine,
        keyring,
        clock,
        random,
        node,
        region,
        regions,
        blueprint,
        policies,
        backends,
        mailer: None,
    }
}

/// Stores a key and gives its text.
pub async fn add_key(app: &App, account_id: AccountId, role: Role, operator: bool) -> String {
    let new = new_key(&*app.random);
    let key = ApiKey {
        id: KeyId::new(app.now(), &*app.random),
        account_id,
        name: role.as_str().to_owned(),
        prefix: new.prefix,
        hash: new.hash,
        role,
        operator,
        created_at: app.now(),
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
        scopes: None,
        previous: None,
        rotated_at: None,
        created_by: None,
    };
    app.store.create_key(key).await.unwrap();
    new.key.expose().to_owned()
}

pub async fn sign_in(app: &App, account_id: AccountId) -> String {
    sign_in_as(app, account_id, "ada@example.com", Role::Owner).await
}

/// Signs a person in, who becomes a member when they are none.
pub async fn sign_in_as(app: &App, account_id: AccountId, email: &str, role: Role) -> String {
    sign_in_with(app, account_id, email, role, false).await
}

/// The cookie of somebody who operates the platform.
pub async fn sign_in_operator(app: &App, account_id: AccountId) -> String {
    sign_in_with(app, account_id, "operator@example.com", Role::Viewer, true).await
}

async fn sign_in_with(app: &App, account_id: AccountId, email: &str, role: Role, operator: bool) -> String {
    let random: &dyn Random = &*app.random;
    let email = email.to_owned();
    let user = match app.store.user_by_email(email.clone()).await.unwrap() {
        Some(user) => user,
        None => {
            let id = UserId::new(app.now(), random);
            let user = User { id, email, operator, created_at: app.now() };
            app.store.create_user(user.clone()).await.unwrap();
            app.store
                .add_member(Membership { account_id, user_id: id, role }, app.clock.now())
                .await
                .unwrap();
            user
        }
    };
    let token = new_token(random);
    let session = Session {
        id: SessionId::new(app.now(), random),
        user_id: user.id,
        account_id,
        hash: token_hash(&token),
        created_at: app.now(),
        last_seen_at: app.now(),
        expires_at: app.now() + Duration::from_secs(7 * 24 * 60 * 60),
        network: Some("192.0.2.0/24".to_owned()),
        browser: Some("Firefox on Linux".to_owned()),
    };
    app.store.create_session(session, None).await.unwrap();
    format!("{SESSION_COOKIE}={token}")
}

/// A request that is being put together.
#[derive(Debug)]
pub struct Call {
    router: Router,
    request: Request<Body>,
}

impl Call {
    pub fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    /// From another machine than this one.
    pub fn from(mut self, address: &str) -> Self {
        let address = SocketAddr::new(address.parse().unwrap(), 40_000);
        self.request.extensions_mut().insert(ConnectInfo(address));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Body>) -> Self {
        self.request.headers_mut().insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        *self.request.body_mut() = body.into();
        self
    }

    /// The whole answer, which must be as the API's description says.
    pub async fn send(self) -> Answer {
        let (method, path) = (self.request.method().clone(), self.request.uri().path().to_owned());
        let response = self.router.oneshot(self.request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        let answer = Answer { status: parts.status, headers: parts.headers, bytes };
        described::check(&method, &path, &answer);
        answer
    }

    /// The answer before its body, for bodies that do not end by themselves.
    pub async fn open(self) -> http::Response<Body> {
        self.router.oneshot(self.request).await.unwrap()
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The slug of the problem that this is; also checks that the document is whole.
    pub fn problem(&self) -> String {
        let document = self.json();
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{document}");
        assert_eq!(document["status"], self.status.as_u16(), "{document}");
        for member in ["title", "detail", "instance"] {
            assert!(document[member].is_string(), "{member} is missing: {document}");
        }
        assert_eq!(document["request_id"].as_str(), self.header("x-request-id"));
        let kind = document["type"].as_str().unwrap();
        kind.strip_prefix("http://127.0.0.1:8000/docs/problems/")
            .unwrap_or_else(|| panic!("{kind}"))
            .to_owned()
    }
}
