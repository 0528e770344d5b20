//! Calls that prove who makes them: digests, tokens and their cache, as callees and authors see them.

use std::sync::Arc;

use levqor_engine::egress::{Client, Policy};
use levqor_flow::{
    access::{Credentials, Scheme},
    definition::HttpOutput,
    machine::{FlowError, HttpRequest, Outcome},
};
use levqor_model::{AccountId, ManualClock, RunStatus, SeededRandom, Timestamp};
use levqor_testkit::{HttpStub, Reply, Route};
use serde_json::{Value, json};

use crate::world::{World, kind, seconds};

struct Scene {
    stub: HttpStub,
    clock: Arc<ManualClock>,
    client: Client,
}

impl Scene {
    async fn new() -> Self {
        Self::with(Policy { allow: vec!["127.0.0.1".parse().unwrap()], ..Policy::default() }).await
    }

    async fn with(policy: Policy) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_800_000_000)));
        let client = Client::new(policy, "1.2.3");
        let client = client.sensing(clock.clone(), Arc::new(SeededRandom::new(5)));
        Self { stub: HttpStub::start().await, clock, client }
    }

    fn request(&self, path: &str, scheme: Scheme, settings: &Value) -> HttpRequest {
        HttpRequest {
            key: "run_1/do/0/x/0".to_owned(),
            method: "GET".to_owned(),
            uri: self.stub.url(path),
            credentials: Some(Credentials::read(scheme, settings).unwrap()),
            headers: Vec::new(),
            query: Vec::new(),
            body: None,
            output: HttpOutput::Content,
            redirect: true,
        }
    }

    fn oauth2(&self, more: &[(&str, Value)]) -> HttpRequest {
        let mut settings = json!({
            "authority": self.stub.url(""), "grant": "client_credentials",
            "client": { "id": "me", "secret": "s3cret" },
        });
        for (name, value) in more {
            settings[*name] = value.clone();
        }
        self.request("/api", Scheme::OAuth2, &settings)
    }

    /// The token's endpoint gives t1, t2 and so on, each good for 1000 seconds.
    fn grants(&self, path: &str, tokens: usize) {
        let reply = |n: usize| Reply::json(&json!({ "access_token": format!("t{n}"), "expires_in": 1000 }));
        self.stub.route((1..=tokens).fold(Route::new(path), |route, n| route.reply(reply(n))));
    }

    async fn output(&self, call: &HttpRequest) -> Value {
        match self.client.call(call).await {
            Outcome::Output(value) => value,
            Outcome::Failed { error, .. } => panic!("{error:?}"),
        }
    }

    async fn failure(&self, call: &HttpRequest) -> (FlowError, bool) {
        match self.client.call(call).await {
            Outcome::Output(value) => panic!("{value}"),
            Outcome::Failed { error, answered } => (error, answered),
        }
    }

    /// What calls to `/api` were authorized with.
    fn authorizations(&self) -> Vec<String> {
        let requests = self.stub.requests_to("/api");
        requests.iter().map(|request| request.header("authorization").unwrap_or("-").to_owned()).collect()
    }
}

const LOGIN: fn() -> Value = || json!({ "username": "ada", "password": "s3cret" });

#[tokio::test]
async fn basic_and_bearer_are_said_at_once() {
    let scene = Scene::new().await;
    scene.output(&scene.request("/api", Scheme::Basic, &LOGIN())).await;
    scene.output(&scene.request("/api", Scheme::Bearer, &json!("t0ken"))).await;
    assert_eq!(scene.authorizations(), ["Basic YWRhOnMzY3JldA==", "Bearer t0ken"]);
    let (error, _) = scene.failure(&scene.request("/api", Scheme::Bearer, &json!("a\nb"))).await;
    assert!(error.detail.unwrap().contains("no header can carry"));
}

#[tokio::test]
async fn a_digest_answers_the_challenge_and_a_stale_nonce() {
    let scene = Scene::new().await;
    let challenge = |nonce: &str, more: &str| {
        let value = format!("Digest realm=\"r\", nonce=\"{nonce}\", qop=\"auth\", algorithm=SHA-256{more}");
        Reply::status(401).header("www-authenticate", &value)
    };
    scene.stub.route(
        Route::new("/api")
            .reply(challenge("n1", ""))
            .reply(challenge("n2", ", stale=true"))
            .reply(Reply::text("in"))
            .reply(challenge("n3", ""))
            .reply(challenge("n4", "").body("wrong")),
    );
    let mut call = scene.request("/api", Scheme::Digest, &LOGIN());
    call.uri.push_str("?q=1");
    assert_eq!(scene.output(&call).await, "in");
    let said = scene.authorizations();
    assert_eq!(said[0], "-");
    for (authorization, nonce) in [(&said[1], "n1"), (&said[2], "n2")] {
        assert!(authorization.starts_with("Digest username=\"ada\", realm=\"r\""), "{authorization}");
        assert!(authorization.contains(&format!("nonce=\"{nonce}\", uri=\"/api?q=1\"")), "{authorization}");
        assert!(!authorization.contains("s3cret"));
    }
    // A wrong answer is not repeated.
    let (error, answered) = scene.failure(&call).await;
    assert_eq!((error.status, answered, scene.stub.count()), (401, true, 5));
    assert!(error.kind.ends_with("/communication"));
}

#[tokio::test]
async fn a_challenge_that_cannot_be_answered_is_an_authentication_error() {
    let scene = Scene::new().await;
    scene
        .stub
        .route(Route::new("/api").reply(Reply::status(401).header("www-authenticate", "Basic realm=x")));
    let (error, answered) = scene.failure(&scene.request("/api", Scheme::Digest, &LOGIN())).await;
    assert!(error.kind.ends_with("/authentication") && answered);
    assert_eq!(error.status, 401);
}

#[tokio::test]
async fn proof_is_for_one_origin_only() {
    let scene = Scene::new().await;
    let elsewhere = HttpStub::start().await;
    elsewhere.route(
        Route::new("/x")
            .reply(Reply::status(401).header("www-authenticate", "Digest realm=r, nonce=n, qop=auth")),
    );
    scene.grants("/oauth2/token", 2);
    scene.stub.route(Route::new("/api").reply(Reply::redirect(307, &elsewhere.url("/x"))));
    for call in [scene.request("/api", Scheme::Digest, &LOGIN()), scene.oauth2(&[])] {
        let (error, _) = scene.failure(&call).await;
        assert_eq!(error.status, 401);
    }
    let requests = elsewhere.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.header("authorization").is_none()));
}

#[tokio::test]
async fn a_token_is_fetched_once_until_it_expires() {
    let scene = Scene::new().await;
    scene.grants("/oauth2/token", 2);
    let call = scene.oauth2(&[("scopes", json!(["a", "b"])), ("audiences", json!(["x"]))]);
    scene.output(&call).await;
    scene.output(&call).await;
    assert_eq!(scene.authorizations(), ["Bearer t1", "Bearer t1"]);
    let asked = scene.stub.requests_to("/oauth2/token");
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0].text(),
        "grant_type=client_credentials&scope=a+b&audience=x&client_id=me&client_secret=s3cret"
    );
    // 1000 seconds, less a margin of 30.
    scene.clock.advance(seconds(969));
    scene.output(&call).await;
    assert_eq!(scene.stub.requests_to("/oauth2/token").len(), 1);
    scene.clock.advance(seconds(1));
    scene.output(&call).await;
    assert_eq!(scene.authorizations().last().unwrap(), "Bearer t2");
    assert_eq!(scene.stub.requests_to("/oauth2/token").len(), 2);
}

#[tokio::test]
async fn each_account_and_each_request_has_a_token_of_its_own() {
    let scene = Scene::new().await;
    scene.grants("/oauth2/token", 3);
    let random = SeededRandom::new(1);
    let accounts = [0, 1].map(|_| AccountId::new(Timestamp::from_seconds(1), &random));
    let call = scene.oauth2(&[]);
    for account in accounts {
        for _ in 0..2 {
            assert!(matches!(scene.client.call_for(Some(account), &call).await, Outcome::Output(_)));
        }
    }
    let other = scene.oauth2(&[("scopes", json!(["more"]))]);
    assert!(matches!(scene.client.call_for(Some(accounts[0]), &other).await, Outcome::Output(_)));
    let expected = ["t1", "t1", "t2", "t2", "t3"].map(|token| format!("Bearer {token}"));
    assert_eq!(scene.authorizations(), expected);
}

#[tokio::test]
async fn whoever_needs_a_token_waits_for_the_one_request() {
    let scene = Scene::new().await;
    let slow = Reply::json(&json!({ "access_token": "t1" })).after(std::time::Duration::from_millis(50));
    scene.stub.route(Route::new("/oauth2/token").reply(slow));
    let call = scene.oauth2(&[]);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (client, call) = (scene.client.clone(), call.clone());
            tokio::spawn(async move { client.call(&call).await })
        })
        .collect();
    for call in calls {
        assert!(matches!(call.await.unwrap(), Outcome::Output(_)));
    }
    assert_eq!(scene.stub.requests_to("/oauth2/token").len(), 1);
    assert_eq!(scene.authorizations().len(), 20);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let scene = Scene::new().await;
    scene.grants("/oauth2/token", 3);
    scene.stub.route(
        Route::new("/api")
            .reply(Reply::text("fine"))
            .reply(Reply::status(401))
            .reply(Reply::text("fine again"))
            .replies(2, Reply::status(401)),
    );
    let call = scene.oauth2(&[]);
    assert_eq!(scene.output(&call).await, "fine");
    assert_eq!(scene.output(&call).await, "fine again");
    assert_eq!(scene.authorizations(), ["Bearer t1", "Bearer t1", "Bearer t2"]);
    let (error, answered) = scene.failure(&call).await;
    assert_eq!((error.status, answered), (401, true));
    assert_eq!(scene.authorizations()[3..], ["Bearer t2", "Bearer t3"]);
}

#[tokio::test]
async fn what_the_token_endpoint_says_decides_the_error() {
    let refused = Reply::json(&json!({ "error": "invalid_client", "error_description": "s3cret is wrong" }));
    let rows = [
        (refused.clone().with_status(401), "authentication", 401, "answered 401 (invalid_client)"),
        (refused.with_status(400), "authentication", 401, "answered 400 (invalid_client)"),
        (Reply::text("hello"), "authentication", 401, "without an `access_token`"),
        (Reply::status(302), "authentication", 401, "answered 302"),
        (Reply::status(503), "communication", 503, "answered 503"),
        (Reply::close(), "communication", 500, "POST 127.0.0.1 failed"),
    ];
    for (reply, kind, status, words) in rows {
        let scene = Scene::new().await;
        scene.stub.route(Route::new("/oauth2/token").reply(reply));
        let (error, answered) = scene.failure(&scene.oauth2(&[])).await;
        let detail = error.detail.unwrap();
        assert!(error.kind.ends_with(kind) && error.status == status && !answered, "{detail}");
        assert!(detail.contains(words) && !detail.contains("s3cret"), "{detail}");
        assert!(scene.authorizations().is_empty(), "the callee was not asked");
    }
}

#[tokio::test]
async fn clients_prove_themselves_as_they_are_told() {
    let scene = Scene::new().await;
    scene.grants("/t", 3);
    let endpoints = ("endpoints", json!({ "token": "/t" }));
    let basic = json!({ "id": "m:e", "secret": "s", "authentication": "client_secret_basic" });
    scene.output(&scene.oauth2(&[endpoints.clone(), ("client", basic)])).await;
    let json_body = ("request", json!({ "encoding": "application/json" }));
    let public = ("client", json!({ "id": "me", "authentication": "none" }));
    scene.output(&scene.oauth2(&[endpoints, json_body, public, ("audiences", json!(["x", "y"]))])).await;
    let asked = scene.stub.requests_to("/t");
    assert_eq!(asked[0].header("authorization"), Some("Basic bSUzQWU6cw=="));
    assert_eq!(asked[0].text(), "grant_type=client_credentials");
    assert_eq!(asked[1].header("authorization"), None);
    let expected = json!({ "grant_type": "client_credentials", "audience": ["x", "y"], "client_id": "me" });
    assert_eq!(asked[1].json(), expected);
}

#[tokio::test]
async fn a_refresh_token_that_comes_back_is_used_next() {
    let scene = Scene::new().await;
    let reply = |n: u32| {
        let next = format!("r{n}");
        Reply::json(&json!({ "access_token": "a", "expires_in": "10", "refresh_token": next }))
    };
    scene.stub.route(Route::new("/oauth2/token").reply(reply(1)).reply(reply(2)));
    let subject = json!({ "token": "r0", "type": "urn:ietf:params:oauth:token-type:refresh_token" });
    let call = scene.oauth2(&[("grant", json!("refresh_token")), ("subject", subject)]);
    scene.output(&call).await;
    scene.clock.advance(seconds(10));
    scene.output(&call).await;
    let asked: Vec<_> =
        scene.stub.requests_to("/oauth2/token").iter().map(|request| request.text()).collect();
    assert!(asked[0].contains("refresh_token=r0") && asked[1].contains("refresh_token=r1"), "{asked:?}");
}

#[tokio::test]
async fn discovery_finds_the_endpoint_and_checks_the_issuer() {
    let scene = Scene::new().await;
    let configuration = json!({ "token_endpoint": scene.stub.url("/t") });
    scene
        .stub
        .route(Route::new("/realm/.well-known/openid-configuration").reply(Reply::json(&configuration)));
    // A JWT whose payload is {"iss":"https://id.example"}.
    let token = "e30.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUifQ.x";
    scene.stub.route(
        Route::new("/t").reply(Reply::json(&json!({ "access_token": token, "token_type": "bearer" }))),
    );
    let settings = |issuer: &str| {
        json!({ "authority": scene.stub.url("/realm"), "grant": "client_credentials", "issuers": [issuer],
                "client": { "id": "me", "secret": "s" } })
    };
    let call = scene.request("/api", Scheme::Oidc, &settings("https://id.example"));
    scene.output(&call).await;
    scene.output(&call).await;
    assert_eq!(scene.authorizations()[0], format!("Bearer {token}"));
    assert_eq!(scene.stub.count(), 4, "one discovery, one token, two calls");
    let call = scene.request("/api", Scheme::Oidc, &settings("https://else.example"));
    let (error, _) = scene.failure(&call).await;
    assert!(error.detail.unwrap().contains("not among `issuers`"));
}

#[tokio::test]
async fn token_endpoints_are_reached_by_the_same_rules_as_callees() {
    let scene = Scene::new().await;
    for authority in ["http://169.254.169.254", "http://127.0.0.2", "ftp://127.0.0.1"] {
        let (error, _) = scene.failure(&scene.oauth2(&[("authority", json!(authority))])).await;
        assert!(error.kind.ends_with("/configuration"), "{error:?}");
    }
    // A callee that may not be reached costs no token.
    let call = HttpRequest { uri: "http://10.0.0.1/".to_owned(), ..scene.oauth2(&[]) };
    scene.failure(&call).await;
    assert_eq!(scene.stub.count(), 0);
}

#[tokio::test]
async fn a_workflow_catches_a_token_that_is_not_granted() {
    let world = World::new().await;
    world.stub.route(Route::new("/oauth2/token").reply(Reply::status(403)));
    let policy = "oauth2: { authority: STUB, grant: client_credentials, client: { id: me, secret: s3cret } }";
    let call = format!(
        "{{ call: http, with: {{ method: get, endpoint: {{ uri: 'STUB/api', authentication: {{ {policy} }} }} }} }}"
    );
    let uncaught = world.play_tasks(&format!("[{{ a: {call} }}]")).await;
    assert_eq!((kind(&uncaught), uncaught.error.as_ref().unwrap().status), ("authentication", 401));
    assert!(!format!("{uncaught:?}").contains("s3cret"));
    let engine = world.engine().await;
    let caught = format!(
        "do: [{{ a: {{ try: [{{ b: {call} }}], catch: {{ errors: {{ with: {{ status: 401 }} }}, do: [{{ c: {{ set: {{ caught: true }} }} }}] }} }} }}]"
    );
    let workflow = world.save("caught", "1.0.0", &caught).await;
    let detail = world.play(&engine, workflow, json!({})).await;
    assert_eq!((detail.run.status, detail.output), (RunStatus::Completed, Some(json!({ "caught": true }))));
}

#[tokio::test]
async fn two_runs_share_a_token_and_no_view_shows_it() {
    let world = World::new().await;
    let granted = json!({ "access_token": "t0ken-value", "expires_in": 60 });
    world.stub.route(Route::new("/oauth2/token").reply(Reply::json(&granted)));
    let text = "
use: { authentications: { api: { oauth2: { authority: STUB, grant: client_credentials, client: { id: me, secret: s3cret } } } } }
do: [{ a: { call: http, with: { method: get, output: response, endpoint: { uri: 'STUB/api', authentication: { use: api } } } } }]";
    let workflow = world.save("shared", "1.0.0", text).await;
    let engine = world.engine().await;
    for _ in 0..2 {
        let detail = world.play(&engine, workflow, json!({})).await;
        assert_eq!(detail.run.status, RunStatus::Completed);
        let tasks = engine.tasks(world.account, detail.run.id, None, 10).await.unwrap();
        assert!(!format!("{detail:?}{tasks:?}").contains("t0ken-value"));
    }
    assert_eq!(world.stub.requests_to("/oauth2/token").len(), 1);
    let calls = world.stub.requests_to("/api");
    assert!(calls.iter().all(|call| call.header("authorization") == Some("Bearer t0ken-value")));
}
