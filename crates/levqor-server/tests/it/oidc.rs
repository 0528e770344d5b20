//! Signing in by another system: a stand-in on loopback that signs real tokens, right ones and wrong ones.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Form, Json, Router, extract::State, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};
use levqor_model::{Role, Secret};
use levqor_server::features::{
    oidc::{OidcSettings, Strength},
    sign_in::service::issue_link,
};
use openidconnect::{
    Audience, AuthenticationContextClass, AuthenticationMethodReference, EmptyAdditionalClaims, EndUserEmail,
    IssuerUrl, JsonWebKeyId, Nonce, PrivateSigningKey, StandardClaims, SubjectIdentifier,
    core::{
        CoreEdDsaPrivateSigningKey, CoreHmacKey, CoreIdToken, CoreIdTokenClaims, CoreJwsSigningAlgorithm,
        CoreRsaPrivateSigningKey,
    },
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::{
    members::{own, user},
    pages::Browser,
    support::{Answer, BEGIN, TestApp, sign_in_as},
};

const ED: &str = include_str!("oidc/ed25519.pem");
const OTHER_ED: &str = include_str!("oidc/ed25519_other.pem");
const RSA: &str = include_str!("oidc/rsa.pem");
const CLIENT: &str = "levqor-at-work";
const SECRET: &str = "the client's secret";

/// What the next token says, and how it is signed.
#[derive(Debug, Clone)]
struct Plan {
    subject: &'static str,
    email: &'static str,
    verified: bool,
    audience: &'static str,
    issuer: Option<&'static str>,
    nonce: Option<&'static str>,
    /// Seconds from the beginning of the test.
    issued: i64,
    ends: i64,
    signed: Signed,
    /// How its person was asked.
    context: Option<&'static str>,
    method: Option<&'static str>,
    asked: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signed {
    Ed,
    Rsa,
    /// By a key that is not the issuer's, under the name of one that is.
    Stranger,
    /// By the secret that both sides know.
    Hmac,
    Not,
    /// By a key that the issuer has only since a moment ago.
    NewKey,
}

impl Plan {
    fn good() -> Self {
        Self {
            subject: "248289761001",
            email: "Ada@Example.com",
            verified: true,
            audience: CLIENT,
            issuer: None,
            nonce: None,
            issued: 0,
            ends: 300,
            signed: Signed::Ed,
            context: None,
            method: None,
            asked: None,
        }
    }
}

#[derive(Debug)]
struct Desk {
    url: String,
    plan: Plan,
    /// Of the way that is under way.
    challenge: String,
    nonce: String,
    has_new_key: bool,
    /// Who its documents say it is, when that is not so.
    pretends: Option<&'static str>,
    /// How often the documents and a token were asked for.
    documents: usize,
    tokens: usize,
}

/// A system that signs people in.
struct Issuer {
    desk: Arc<Mutex<Desk>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Shared = State<Arc<Mutex<Desk>>>;

fn ed(pem: &str, name: &str) -> CoreEdDsaPrivateSigningKey {
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(pem, Some(JsonWebKeyId::new(name.to_owned()))).unwrap()
}

fn rsa() -> CoreRsaPrivateSigningKey {
    CoreRsaPrivateSigningKey::from_pem(RSA, Some(JsonWebKeyId::new("rsa".to_owned()))).unwrap()
}

fn at(seconds: i64) -> DateTime<Utc> {
    BEGIN.parse::<DateTime<Utc>>().unwrap() + chrono::Duration::seconds(seconds)
}

async fn documents(State(desk): Shared) -> Json<Value> {
    let mut desk = desk.lock().unwrap();
    desk.documents += 1;
    let url = &desk.url;
    Json(json!({
        "issuer": desk.pretends.unwrap_or(url), "authorization_endpoint": format!("{url}/authorize"), "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/keys"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "EdDSA", "HS256", "none"],
    }))
}

async fn keys(State(desk): Shared) -> Json<Value> {
    let mut keys = vec![
        serde_json::to_value(ed(ED, "ed").as_verification_key()).unwrap(),
        serde_json::to_value(rsa().as_verification_key()).unwrap(),
    ];
    if desk.lock().unwrap().has_new_key {
        keys.push(serde_json::to_value(ed(OTHER_ED, "new").as_verification_key()).unwrap());
    }
    Json(json!({ "keys": keys }))
}

#[derive(Debug, serde::Deserialize)]
struct Asked {
    grant_type: String,
    code: String,
    code_verifier: String,
    redirect_uri: String,
}

async fn token(
    State(desk): Shared,
    headers: HeaderMap,
    Form(asked): Form<Asked>,
) -> (StatusCode, Json<Value>) {
    let mut desk = desk.lock().unwrap();
    desk.tokens += 1;
    let proof = URL_SAFE_NO_PAD.encode(Sha256::digest(asked.code_verifier.as_bytes()));
    let said = headers["authorization"].to_str().unwrap().strip_prefix("Basic ").unwrap();
    let said = base64::engine::general_purpose::STANDARD.decode(said).unwrap();
    let is_right = asked.grant_type == "authorization_code"
        && asked.code == "the-code"
        && asked.redirect_uri == "http://127.0.0.1:8000/signin/oidc/callback"
        && proof == desk.challenge
        && said == b"levqor-at-work:the+client%27s+secret";
    if !is_right {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" })));
    }
    let token = signed(&desk);
    (
        StatusCode::OK,
        Json(json!({ "access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": token })),
    )
}

fn signed(desk: &Desk) -> String {
    let plan = &desk.plan;
    let standard = StandardClaims::new(SubjectIdentifier::new(plan.subject.to_owned()))
        .set_email(Some(EndUserEmail::new(plan.email.to_owned())))
        .set_email_verified(Some(plan.verified));
    let issuer = plan.issuer.unwrap_or(&desk.url).to_owned();
    let claims = CoreIdTokenClaims::new(
        IssuerUrl::new(issuer).unwrap(),
        vec![Audience::new(plan.audience.to_owned())],
        at(plan.ends),
        at(plan.issued),
        standard,
        EmptyAdditionalClaims {},
    )
    .set_nonce(Some(Nonce::new(plan.nonce.unwrap_or(&desk.nonce).to_owned())))
    .set_auth_context_ref(plan.context.map(|context| AuthenticationContextClass::new(context.to_owned())))
    .set_auth_method_refs(
        plan.method.map(|method| vec![AuthenticationMethodReference::new(method.to_owned())]),
    )
    .set_auth_time(plan.asked.map(at));
    let ed_token = |pem, name| {
        CoreIdToken::new(claims.clone(), &ed(pem, name), CoreJwsSigningAlgorithm::EdDsa, None, None).unwrap()
    };
    match plan.signed {
        Signed::Ed => ed_token(ED, "ed").to_string(),
        Signed::Stranger => ed_token(OTHER_ED, "ed").to_string(),
        Signed::NewKey => ed_token(OTHER_ED, "new").to_string(),
        Signed::Rsa => {
            let alg = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
            CoreIdToken::new(claims, &rsa(), alg, None, None).unwrap().to_string()
        }
        Signed::Hmac => {
            let key = CoreHmacKey::new(SECRET.as_bytes().to_vec());
            let alg = CoreJwsSigningAlgorithm::HmacSha256;
            CoreIdToken::new(claims, &key, alg, None, None).unwrap().to_string()
        }
        Signed::Not => {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            format!("{}.{}.", part(&json!({ "alg": "none" })), part(&serde_json::to_value(&claims).unwrap()))
        }
    }
}

impl Issuer {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let desk = Arc::new(Mutex::new(Desk {
            url: format!("http://{}", listener.local_addr().unwrap()),
            plan: Plan::good(),
            challenge: String::new(),
            nonce: String::new(),
            has_new_key: false,
            pretends: None,
            documents: 0,
            tokens: 0,
        }));
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(documents))
            .route("/keys", get(keys))
            .route("/token", axum::routing::post(token))
            .with_state(Arc::clone(&desk));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { desk, server }
    }

    fn plan(&self, plan: Plan) {
        self.desk.lock().unwrap().plan = plan;
    }

    fn settings(&self, open_accounts: bool) -> OidcSettings {
        OidcSettings {
            issuer: self.desk.lock().unwrap().url.clone(),
            client_id: CLIENT.to_owned(),
            client_secret: Secret::new(SECRET),
            name: "Work".to_owned(),
            open_accounts,
            only: false,
            strength: Strength::default(),
        }
    }

    async fn app(&self, open_accounts: bool) -> TestApp {
        TestApp::with(|settings| settings.oidc = Some(self.settings(open_accounts))).await
    }

    /// Begins a way, as a browser does: what it carries, and the state.
    async fn begin(&self, test: &TestApp, next: &str) -> (String, String) {
        let begun = test.page(&format!("/signin/oidc?next={next}")).send().await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text());
        let to = Url::parse(begun.header("location").unwrap()).unwrap();
        let value = |name: &str| to.query_pairs().find(|(n, _)| n == name).unwrap().1.into_owned();
        let mut desk = self.desk.lock().unwrap();
        assert!(to.as_str().starts_with(&format!("{}/authorize?", desk.url)), "{to}");
        let asked = (
            value("response_type"),
            value("client_id"),
            value("redirect_uri"),
            value("code_challenge_method"),
        );
        let expected = ("code", CLIENT, "http://127.0.0.1:8000/signin/oidc/callback", "S256");
        assert_eq!((asked.0.as_str(), asked.1.as_str(), asked.2.as_str(), asked.3.as_str()), expected);
        assert_eq!(value("scope"), "openid email");
        (desk.challenge, desk.nonce) = (value("code_challenge"), value("nonce"));
        let cookie = begun.header("set-cookie").unwrap();
        assert!(cookie.contains("HttpOnly; SameSite=Lax; Max-Age=600"), "{cookie}");
        (cookie.split(';').next().unwrap().to_owned(), value("state"))
    }

    /// The whole way.
    async fn go(&self, test: &TestApp) -> Answer {
        let (cookie, state) = self.begin(test, "/dashboard/runs").await;
        come_back(test, &cookie, &format!("code=the-code&state={state}")).await
    }
}

async fn come_back(test: &TestApp, cookie: &str, query: &str) -> Answer {
    test.page(&format!("/signin/oidc/callback?{query}")).header("cookie", cookie).send().await
}

/// The session's cookie, when one began.
fn session(answer: &Answer) -> Option<String> {
    let all = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let mut found =
        all.filter_map(|value| value.split(';').next()).filter(|value| value.starts_with("levqor_session="));
    found.next().map(str::to_owned)
}

/// Who somebody new is, as their browser has it while they are asked.
fn newcomer(answer: &Answer) -> Option<String> {
    let all = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let mut found = all.filter(|value| value.starts_with("levqor_newcomer=ey"));
    let cookie = found.next()?;
    assert!(cookie.contains("; HttpOnly; SameSite=Strict; Max-Age=600"), "{cookie}");
    Some(cookie.split(';').next().unwrap().to_owned())
}

/// What the page offers, from its top.
fn offered(answer: &Answer) -> Vec<String> {
    let text = answer.text();
    let rest = text.split("name=\"choice\" value=\"").skip(1);
    rest.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

async fn join(test: &TestApp, cookie: &str, choice: &str) -> Answer {
    test.form("/signin/oidc/join", &[("choice", choice)]).header("cookie", cookie).send().await
}

async fn invite(test: &TestApp, by: &str, email: &str) -> Value {
    let body = json!({ "email": email, "role": "editor" });
    let made = test.post("/api/members/invitations").key(by).json(&body).send().await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    made.json()
}

#[tokio::test]
async fn somebody_who_is_known_by_a_verified_address_comes_in_and_stays_who_they_are() {
    let issuer = Issuer::start().await;
    let test = issuer.app(false).await;
    let page = test.page("/signin").send().await.text();
    assert!(
        page.contains("href=\"/signin/oidc?next=%2Fdashboard\"") && page.contains("Sign in with Work"),
        "{page}"
    );
    let entered = issuer.go(&test).await;
    assert_eq!(entered.status, StatusCode::SEE_OTHER, "{}", entered.text());
    assert_eq!(entered.header("location"), Some("/dashboard/runs"));
    let cookie = session(&entered).unwrap();
    let account = own(test.get("/api/account"), &cookie).send().await.json();
    assert_eq!((&account["id"], &account["role"]), (&json!(test.account), &json!("owner")));
    // From now on the subject counts, whatever the address is.
    issuer.plan(Plan {
        email: "ada@elsewhere.example",
        verified: false,
        signed: Signed::Rsa,
        ..Plan::good()
    });
    let again = issuer.go(&test).await;
    assert!(session(&again).is_some(), "{}", again.text());
    // And the address that was Ada's is nobody else's.
    issuer.plan(Plan { subject: "another", ..Plan::good() });
    let other = issuer.go(&test).await;
    assert_eq!((other.status, session(&other)), (StatusCode::FORBIDDEN, None));
    assert!(other.text().contains("belonged to somebody else"), "{}", other.text());
    let records = test.store.audit_records(Default::default(), None, 100).await.unwrap();
    for kind in ["user.bound", "session.created"] {
        assert!(records.iter().any(|record| record.kind == kind), "{kind}");
    }
}

/// Nobody new comes by an address with a character that nobody sees; whose address was taken before that was refused is still known by it.
#[tokio::test]
async fn an_address_in_which_something_hides_is_that_of_somebody_who_is_here_or_nobodys() {
    let issuer = Issuer::start().await;
    let test = issuer.app(true).await;
    let address = "gr\u{200b}ace@example.com";
    issuer.plan(Plan { subject: "grace", email: address, ..Plan::good() });
    let stranger = issuer.go(&test).await;
    assert_eq!(session(&stranger), None, "{}", stranger.text());
    assert_eq!(test.store.user_by_email(address.to_owned()).await, Ok(None), "nobody was made");
    sign_in_as(&test.app, test.account, address, Role::Viewer).await;
    let known = issuer.go(&test).await;
    assert!(session(&known).is_some(), "{}", known.text());
}

#[tokio::test]
async fn tokens_that_are_not_as_they_must_be_let_nobody_in() {
    let issuer = Issuer::start().await;
    let test = issuer.app(true).await;
    let good = Plan::good();
    let rows = [
        ("another nonce", Plan { nonce: Some("of-another-way"), ..good.clone() }),
        ("another audience", Plan { audience: "somebody-else", ..good.clone() }),
        ("expired", Plan { issued: -600, ends: 0, ..good.clone() }),
        ("issued in the future", Plan { issued: 120, ..good.clone() }),
        ("another issuer", Plan { issuer: Some("https://evil.example"), ..good.clone() }),
        ("not signed", Plan { signed: Signed::Not, ..good.clone() }),
        ("signed by a stranger", Plan { signed: Signed::Stranger, ..good.clone() }),
        ("signed by the shared secret", Plan { signed: Signed::Hmac, ..good.clone() }),
        ("signed by a key that the issuer does not have", Plan { signed: Signed::NewKey, ..good.clone() }),
    ];
    for (what, plan) in rows {
        issuer.plan(plan);
        let refused = issuer.go(&test).await;
        assert_eq!(
            (refused.status, session(&refused)),
            (StatusCode::BAD_GATEWAY, None),
            "{what}: {}",
            refused.text()
        );
        assert!(refused.text().contains("could not be verified"), "{what}");
    }
    issuer.plan(Plan { verified: false, ..good.clone() });
    let unverified = issuer.go(&test).await;
    assert_eq!((unverified.status, session(&unverified)), (StatusCode::FORBIDDEN, None));
    issuer.plan(good);
    assert!(session(&issuer.go(&test).await).is_some(), "it was the tokens");
}

#[tokio::test]
async fn a_way_is_gone_once_by_the_browser_that_began_it() {
    let issuer = Issuer::start().await;
    let test = issuer.app(false).await;
    let (cookie, state) = issuer.begin(&test, "/dashboard").await;
    let (other, _) = issuer.begin(&test, "/dashboard").await;
    let good = format!("code=the-code&state={state}");
    let name = cookie.split('=').next().unwrap();
    let rows = [
        ("no cookie", String::new(), good.clone()),
        ("another browser's", other, good.clone()),
        ("a forged one", format!("{name}=e30~AAAA"), good.clone()),
        ("no state", cookie.clone(), "code=the-code".to_owned()),
        ("another state", cookie.clone(), format!("code=the-code&state={}", "A".repeat(43))),
    ];
    for (what, cookie, query) in rows {
        let refused = come_back(&test, &cookie, &query).await;
        assert_eq!((refused.status, session(&refused)), (StatusCode::BAD_REQUEST, None), "{what}");
    }
    assert_eq!(issuer.desk.lock().unwrap().tokens, 0, "nothing of it was asked of the issuer");
    let (cookie, state) = issuer.begin(&test, "/dashboard").await;
    let good = format!("code=the-code&state={state}");
    assert!(session(&come_back(&test, &cookie, &good).await).is_some());
    let replayed = come_back(&test, &cookie, &good).await;
    assert_eq!((replayed.status, session(&replayed)), (StatusCode::BAD_REQUEST, None), "replayed");
    assert_eq!(issuer.desk.lock().unwrap().tokens, 1);
    let (cookie, state) = issuer.begin(&test, "/dashboard").await;
    test.advance(10 * 60);
    let late = come_back(&test, &cookie, &format!("code=the-code&state={state}")).await;
    assert_eq!(late.status, StatusCode::BAD_REQUEST, "ten minutes");
    let (cookie, state) = issuer.begin(&test, "/dashboard").await;
    let no = come_back(&test, &cookie, &format!("error=access_denied%3Cb%3E&state={state}")).await;
    assert_eq!(no.status, StatusCode::FORBIDDEN);
    assert!(no.text().contains("said no: access_denied") && !no.text().contains("<b>"), "{}", no.text());
    let (cookie, state) = issuer.begin(&test, "/dashboard").await;
    let mixed = format!("code=the-code&state={state}&iss=https%3A%2F%2Fevil.example");
    assert_eq!(session(&come_back(&test, &cookie, &mixed).await), None, "an answer of another issuer");
    let (cookie, state) = issuer.begin(&test, "//evil.example").await;
    issuer.plan(Plan { issued: 600, ends: 900, ..Plan::good() });
    let home = come_back(&test, &cookie, &format!("code=the-code&state={state}")).await;
    assert_eq!(
        home.header("location"),
        Some("/dashboard"),
        "nobody is sent to another site: {}",
        home.text()
    );
}

#[tokio::test]
async fn who_was_asked_less_strongly_than_is_wanted_stays_outside() {
    let issuer = Issuer::start().await;
    let strength = Strength {
        contexts: vec!["gold".to_owned(), "silver".to_owned()],
        methods: vec!["mfa".to_owned()],
        max_age: Some(Duration::from_secs(300)),
    };
    let test = TestApp::with(|settings| {
        settings.oidc = Some(OidcSettings { strength, ..issuer.settings(true) });
    })
    .await;
    // The issuer is asked for it.
    let begun = test.page("/signin/oidc?next=/dashboard").send().await;
    let to = Url::parse(begun.header("location").unwrap()).unwrap();
    let asked = |name: &str| to.query_pairs().find(|(n, _)| n == name).unwrap().1.into_owned();
    assert_eq!((asked("acr_values"), asked("max_age")), ("gold silver".to_owned(), "300".to_owned()));
    // What it says counts.
    let good = Plan { context: Some("gold"), method: Some("mfa"), asked: Some(0), ..Plan::good() };
    let rows = [
        ("says nothing", Plan::good(), "of the context (acr) it says nothing, and gold or silver is wanted"),
        ("a weaker context", Plan { context: Some("bronze"), ..good.clone() }, "it says bronze"),
        ("a password", Plan { method: Some("pwd"), ..good.clone() }, "of the methods (amr) it says pwd"),
        ("not when", Plan { asked: None, ..good.clone() }, "does not say when you were asked"),
        ("long ago", Plan { asked: Some(-400), ..good.clone() }, "asked too long ago"),
    ];
    for (what, plan, part) in rows {
        issuer.plan(plan);
        let refused = issuer.go(&test).await;
        let text = refused.text();
        assert_eq!((refused.status, session(&refused)), (StatusCode::FORBIDDEN, None), "{what}: {text}");
        assert!(text.contains(part), "{what}: {text}");
    }
    issuer.plan(good);
    assert!(session(&issuer.go(&test).await).is_some(), "as it is wanted");
}

#[tokio::test]
async fn where_another_system_is_the_only_way_a_mailbox_opens_nothing() {
    let issuer = Issuer::start().await;
    let test = TestApp::with(|settings| {
        settings.oidc = Some(OidcSettings { only: true, ..issuer.settings(false) });
    })
    .await;
    let page = test.page("/signin").send().await.text();
    assert!(page.contains("/signin/oidc?next=") && !page.contains("name=\"email\""), "{page}");
    let asked = test.form("/signin", &[("email", "ada@example.com")]).send().await;
    assert_eq!(asked.status, StatusCode::FORBIDDEN, "{}", asked.text());
    // Links that were given before.
    let link = async |email: &str| {
        let person = user(&test, email).await;
        let issued = issue_link(&test.store, &*test.app.random, "", person, test.app.now()).await.unwrap();
        issued.expose().to_owned()
    };
    let old = link("ada@example.com").await;
    let entered = test.form(&old, &[]).send().await;
    assert_eq!((entered.status, session(&entered)), (StatusCode::FORBIDDEN, None), "{}", entered.text());
    // What the server prints for its operator.
    crate::support::sign_in_operator(&test.app, test.account).await;
    let printed = link("operator@example.com").await;
    assert!(session(&test.form(&printed, &[]).send().await).is_some());
    assert!(session(&issuer.go(&test).await).is_some(), "the way that is left");
}

#[tokio::test]
async fn the_way_is_remembered_by_a_cookie_of_this_host_alone() {
    let issuer = Issuer::start().await;
    let test = TestApp::with(|settings| {
        settings.public_url = "https://levqor.example".to_owned();
        settings.oidc = Some(issuer.settings(false));
    })
    .await;
    let begun = test.page("/signin/oidc?next=/dashboard").send().await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text());
    let cookie = begun.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-levqor_oidc=") && cookie.ends_with("; Secure"), "{cookie}");
    assert!(cookie.contains("; Path=/; HttpOnly; SameSite=Lax") && !cookie.contains("Domain="), "{cookie}");
    // One that another host under the same domain could have set begins no way.
    let plain = cookie.split(';').next().unwrap().trim_start_matches("__Host-").to_owned();
    let to = Url::parse(begun.header("location").unwrap()).unwrap();
    let state = to.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let back = come_back(&test, &plain, &format!("code=the-code&state={state}")).await;
    assert_eq!((back.status, session(&back)), (StatusCode::BAD_REQUEST, None), "{}", back.text());
}

#[tokio::test]
async fn strangers_come_in_by_an_invitation_or_not_at_all() {
    let issuer = Issuer::start().await;
    let test = issuer.app(false).await;
    issuer.plan(Plan { subject: "grace", email: "grace@b.example", ..Plan::good() });
    let stranger = issuer.go(&test).await;
    assert_eq!((stranger.status, session(&stranger)), (StatusCode::FORBIDDEN, None));
    assert_eq!(test.store.user_by_email("grace@b.example".to_owned()).await, Ok(None), "nothing was made");
    let invitation = invite(&test, &test.keys.admin, "grace@b.example").await;
    issuer.plan(Plan { subject: "grace", email: "grace@b.example", verified: false, ..Plan::good() });
    assert_eq!(session(&issuer.go(&test).await), None, "an address that is not verified is nobody's");
    issuer.plan(Plan { subject: "grace", email: "grace@b.example", ..Plan::good() });
    let asked = issuer.go(&test).await;
    assert_eq!((asked.status, session(&asked)), (StatusCode::OK, None), "{}", asked.text());
    assert_eq!(asked.header("cache-control"), Some("no-store"));
    assert_eq!(test.store.user_by_email("grace@b.example".to_owned()).await, Ok(None), "she was only asked");
    assert_eq!(offered(&asked), [invitation["id"].as_str().unwrap()], "no account of her own");
    let browser = newcomer(&asked).unwrap();
    let entered = join(&test, &browser, &offered(&asked)[0]).await;
    assert_eq!(entered.header("location"), Some("/dashboard/runs"), "{}", entered.text());
    let cookie = session(&entered).unwrap();
    let account = own(test.get("/api/account"), &cookie).send().await.json();
    assert_eq!((&account["id"], &account["role"]), (&json!(test.account), &json!("editor")));
    let again = join(&test, &browser, &offered(&asked)[0]).await;
    assert_eq!((again.status, session(&again)), (StatusCode::BAD_REQUEST, None), "once");
    // Who left comes to nothing, though the issuer knows them.
    let grace = user(&test, "grace@b.example").await;
    let path = format!("/api/members/{grace}");
    test.call(http::Method::DELETE, &path).key(&test.keys.admin).send().await;
    let left = issuer.go(&test).await;
    assert_eq!((left.status, session(&left)), (StatusCode::FORBIDDEN, None), "{}", left.text());
}

#[tokio::test]
async fn nobody_is_put_into_an_account_that_they_did_not_choose() {
    let issuer = Issuer::start().await;
    let test = issuer.app(true).await;
    // Whoever knows her address can invite it.
    let first = invite(&test, &test.keys.admin, "eve@c.example").await;
    test.advance(1);
    let second = invite(&test, &test.keys.other, "eve@c.example").await;
    let elsewhere = invite(&test, &test.keys.admin, "bob@c.example").await;
    issuer.plan(Plan { subject: "eve", email: "eve@c.example", ..Plan::good() });
    let ids = [&second, &first].map(|invitation| invitation["id"].as_str().unwrap());
    for (choice, status) in [
        (elsewhere["id"].as_str().unwrap(), StatusCode::GONE),
        ("inv_01ARZ3NDEKTSV4RRFFQ69G5FAV", StatusCode::GONE),
        ("", StatusCode::UNPROCESSABLE_ENTITY),
        ("acc_01ARZ3NDEKTSV4RRFFQ69G5FAV", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let asked = issuer.go(&test).await;
        assert_eq!(offered(&asked), [ids[0], ids[1], "own"], "{}", asked.text());
        let refused = join(&test, &newcomer(&asked).unwrap(), choice).await;
        assert_eq!((refused.status, session(&refused)), (status, None), "{choice}: {}", refused.text());
    }
    let asked = issuer.go(&test).await;
    let browser = newcomer(&asked).unwrap();
    let forged = join(&test, "levqor_newcomer=e30~AAAA", ids[0]).await;
    assert_eq!((forged.status, session(&forged)), (StatusCode::BAD_REQUEST, None));
    let other_site = test.form("/signin/oidc/join", &[("choice", ids[0])]).header("cookie", &browser);
    let other_site = other_site.header("sec-fetch-site", "cross-site").send().await;
    assert_eq!((other_site.status, session(&other_site)), (StatusCode::FORBIDDEN, None));
    assert_eq!(
        test.store.user_by_email("eve@c.example".to_owned()).await,
        Ok(None),
        "nothing was made of any"
    );

    let entered = join(&test, &browser, "own").await;
    let cookie = session(&entered).unwrap_or_else(|| panic!("{}", entered.text()));
    let account = own(test.get("/api/account"), &cookie).send().await.json();
    assert_eq!((&account["name"], &account["role"]), (&json!("eve@c.example"), &json!("owner")));
    // The invitations wait as before, and she is not asked again.
    let open = test.get("/api/members/invitations").key(&test.keys.admin).send().await.text();
    assert!(open.contains(ids[1]), "{open}");
    assert!(session(&issuer.go(&test).await).is_some());

    // Nobody looks for ever, and who was taken back what they looked at joins nothing.
    let late = invite(&test, &test.keys.admin, "kim@c.example").await;
    issuer.plan(Plan { subject: "kim", email: "kim@c.example", ..Plan::good() });
    let asked = issuer.go(&test).await;
    let path = format!("/api/members/invitations/{}", late["id"].as_str().unwrap());
    test.call(http::Method::DELETE, &path).key(&test.keys.admin).send().await;
    let gone = join(&test, &newcomer(&asked).unwrap(), late["id"].as_str().unwrap()).await;
    assert_eq!((gone.status, session(&gone)), (StatusCode::GONE, None));
    invite(&test, &test.keys.admin, "kim@c.example").await;
    let asked = issuer.go(&test).await;
    test.advance(10 * 60);
    let old = join(&test, &newcomer(&asked).unwrap(), &offered(&asked)[0]).await;
    assert_eq!((old.status, session(&old)), (StatusCode::BAD_REQUEST, None));
}

#[tokio::test]
async fn strangers_get_an_account_where_the_operator_wants_that() {
    let issuer = Issuer::start().await;
    let test = issuer.app(true).await;
    issuer.plan(Plan { subject: "eve", email: "eve@c.example", ..Plan::good() });
    let entered = issuer.go(&test).await;
    let cookie = session(&entered).unwrap_or_else(|| panic!("{}", entered.text()));
    let account = own(test.get("/api/account"), &cookie).send().await.json();
    assert_ne!(account["id"], json!(test.account));
    assert_eq!(
        (&account["name"], &account["role"], &account["plan"]),
        (&json!("eve@c.example"), &json!("owner"), &json!("starter"))
    );
    let again = issuer.go(&test).await;
    let second = own(test.get("/api/account"), &session(&again).unwrap()).send().await.json();
    assert_eq!(second["id"], account["id"]);
}

#[tokio::test]
async fn keys_of_the_issuer_are_learned_when_they_change() {
    let issuer = Issuer::start().await;
    let test = issuer.app(false).await;
    assert!(session(&issuer.go(&test).await).is_some());
    assert_eq!(issuer.desk.lock().unwrap().documents, 1);
    issuer.plan(Plan { signed: Signed::NewKey, ..Plan::good() });
    issuer.desk.lock().unwrap().has_new_key = true;
    assert_eq!(session(&issuer.go(&test).await), None, "not within a minute of the last look");
    assert_eq!(issuer.desk.lock().unwrap().documents, 1, "nobody makes the server ask again and again");
    test.advance(60);
    assert!(session(&issuer.go(&test).await).is_some());
    assert_eq!(issuer.desk.lock().unwrap().documents, 2);
}

#[tokio::test]
async fn signing_in_ends_what_the_browser_had_and_an_issuer_that_is_gone_is_told() {
    let issuer = Issuer::start().await;
    let test = issuer.app(false).await;
    let bob = sign_in_as(&test.app, test.account, "bob@example.com", Role::Viewer).await;
    let (cookie, state) = issuer.begin(&test, "/dashboard").await;
    let entered =
        come_back(&test, &format!("{bob}; {cookie}"), &format!("code=the-code&state={state}")).await;
    assert!(session(&entered).is_some(), "{}", entered.text());
    assert_eq!(own(test.get("/api/account"), &bob).send().await.status, StatusCode::UNAUTHORIZED);
    drop(issuer);
    test.advance(Duration::from_secs(600).as_secs());
    let gone = test.page("/signin/oidc").send().await;
    assert_eq!(gone.status, StatusCode::BAD_GATEWAY);
    assert!(gone.text().contains("cannot be asked now"), "{}", gone.text());
    let without = TestApp::new().await;
    assert_eq!(without.page("/signin/oidc").send().await.status, StatusCode::NOT_FOUND);
    assert!(!without.page("/signin").send().await.text().contains("/signin/oidc"));
}

#[tokio::test]
async fn documents_that_name_another_issuer_are_refused() {
    let issuer = Issuer::start().await;
    let test = issuer.app(false).await;
    issuer.desk.lock().unwrap().pretends = Some("https://login.example.com");
    let refused = test.page("/signin/oidc").send().await;
    assert_eq!(
        (refused.status, refused.header("location")),
        (StatusCode::BAD_GATEWAY, None),
        "{}",
        refused.text()
    );
    issuer.desk.lock().unwrap().pretends = None;
    assert_eq!(
        test.page("/signin/oidc").send().await.status,
        StatusCode::BAD_GATEWAY,
        "it is left alone for a moment"
    );
    assert_eq!(issuer.desk.lock().unwrap().documents, 1);
    test.advance(5);
    assert_eq!(test.page("/signin/oidc").send().await.status, StatusCode::SEE_OTHER);
}
