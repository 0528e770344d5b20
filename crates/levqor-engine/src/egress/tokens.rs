//! Tokens that calls are sent with: fetched once, kept for as long as they are good, fetched again when a callee refuses.
//!
//! A token belongs to an account and to all that it was asked for with, so no account is ever served another's. Whoever
//! needs a token while it is being fetched waits for that one request, and shares its failure too.
//!
//! Invariant: tokens and the answers that hold them live in this memory only; no message, log or record shows them.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use levqor_flow::{
    access::{ClientAuthentication, TokenEndpoint, TokenRequest},
    machine::ErrorKind,
};
use levqor_model::{AccountId, Secret, Timestamp};
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::{
    body::parse_url,
    client::{Client, Failure, host_of},
    content::Answer,
};

/// Tokens in memory; the least used go first.
const TOKENS_MAX: u64 = 10_000;
/// A token that nobody used for so long is forgotten.
const IDLE: Duration = Duration::from_secs(3_600);
/// How long a token is good whose issuer does not say.
const LIFE: Duration = Duration::from_secs(300);
/// A token is not used in its last seconds: it has a way to go.
const MARGIN: Duration = Duration::from_secs(30);

/// A token as it is sent.
#[derive(Clone, PartialEq)]
pub(super) struct Token {
    /// The value of `Authorization`, marked as sensitive.
    pub(super) header: HeaderValue,
    expires_at: Timestamp,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(until {})", self.expires_at)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    account: Option<AccountId>,
    request: TokenRequest,
}

#[derive(Debug, Default)]
struct Slot {
    /// Requests for a token that have ended.
    ended: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    /// A refresh token that came with the last answer.
    renewed: Option<Secret>,
    /// Where discovery led.
    endpoint: Option<String>,
    failure: Option<Failure>,
}

#[derive(Debug)]
pub(super) struct Tokens {
    slots: moka::sync::Cache<Key, Arc<Slot>>,
}

impl Tokens {
    pub(super) fn new() -> Self {
        let slots = moka::sync::Cache::builder().max_capacity(TOKENS_MAX).time_to_idle(IDLE).build();
        Self { slots }
    }
}

/// What the token's endpoint gave.
struct Granted {
    token: Token,
    renewed: Option<Secret>,
}

impl Client {
    /// A token that is good now. `refused` is one that a callee has refused, and is not given again.
    ///
    /// Cancel safe: the next caller asks again.
    pub(super) async fn token(
        &self,
        account: Option<AccountId>,
        request: &TokenRequest,
        refused: Option<&Token>,
    ) -> Result<Token, Failure> {
        let key = Key { account, request: request.clone() };
        let slot = self.tokens.slots.get_with(key, Arc::default);
        let ended = slot.ended.load(Ordering::SeqCst);
        let mut state = slot.state.lock().await;
        if let Some(token) = &state.token
            && Some(token) != refused
            && token.expires_at > self.clock.now()
        {
            return Ok(token.clone());
        }
        if slot.ended.load(Ordering::SeqCst) != ended
            && let Some(failure) = &state.failure
        {
            return Err(failure.clone());
        }
        let granted = self.fetch(request, &mut state).await;
        slot.ended.fetch_add(1, Ordering::SeqCst);
        match granted {
            Ok(Granted { token, renewed }) => {
                state.renewed = renewed.or(state.renewed.take());
                state.failure = None;
                state.token = Some(token.clone());
                Ok(token)
            }
            Err(failure) => {
                state.token = None;
                state.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    async fn fetch(&self, request: &TokenRequest, state: &mut State) -> Result<Granted, Failure> {
        let endpoint = match (&request.endpoint, &state.endpoint) {
            (TokenEndpoint::Known(endpoint), _) | (TokenEndpoint::Discovered(_), Some(endpoint)) => {
                endpoint.clone()
            }
            (TokenEndpoint::Discovered(description), None) => {
                let endpoint = self.discover(description).await?;
                state.endpoint.insert(endpoint).clone()
            }
        };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if request.client_authentication == ClientAuthentication::SecretBasic
            && let (Some(id), Some(secret)) = (&request.client_id, &request.client_secret)
        {
            headers.insert(AUTHORIZATION, sensitive(&client_basic(id, secret)).ok_or_else(unsendable)?);
        }
        let parameters = request.parameters(state.renewed.as_ref());
        let (media, body) = if request.json {
            ("application/json", json_body(parameters))
        } else {
            ("application/x-www-form-urlencoded", form_body(&parameters))
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        let what = format!("POST {}", host_of(&endpoint));
        let answer = self.ask(&Method::POST, &endpoint, headers, Some(body), &what).await?;
        let granted = read(request, &answer, &what, self.clock.now());
        if granted.is_err() {
            // The issuer may have moved.
            state.endpoint = None;
        }
        granted
    }

    /// The token's endpoint, from an OpenID configuration.
    async fn discover(&self, description: &str) -> Result<String, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let what = format!("GET {}", host_of(description));
        let answer = self.ask(&Method::GET, description, headers, None, &what).await?;
        let members = success(&answer, &what)?;
        match members.get("token_endpoint") {
            Some(Value::String(endpoint)) => Ok(endpoint.clone()),
            _ => Err(not_granted(format!("the OpenID configuration of {what} names no `token_endpoint`"))),
        }
    }

    /// One request, of which redirects are not followed: credentials go where the author sends them.
    async fn ask(
        &self,
        method: &Method,
        uri: &str,
        headers: HeaderMap,
        body: Option<Bytes>,
        what: &str,
    ) -> Result<Answer, Failure> {
        let url = parse_url(&self.rewritten(uri))?;
        self.check(&url)?;
        let response = self.send(method, &url, &headers, body, what).await?;
        // The callee itself has seen nothing yet, so another attempt repeats its key.
        self.read(response, what).await.map_err(|failure| Failure { answered: false, ..failure })
    }
}

fn read(request: &TokenRequest, answer: &Answer, what: &str, now: Timestamp) -> Result<Granted, Failure> {
    let members = success(answer, what)?;
    let text = |member: &str| members.get(member).and_then(Value::as_str).filter(|text| !text.is_empty());
    let token = text("access_token")
        .ok_or_else(|| not_granted(format!("{what} answered without an `access_token`")))?;
    if let Some(issuer) = issuer(token)
        && !request.issuers.is_empty()
        && !request.issuers.contains(&issuer)
    {
        return Err(not_granted(format!("{what} gave a token of an issuer that is not among `issuers`")));
    }
    let scheme =
        text("token_type").filter(|scheme| !scheme.eq_ignore_ascii_case("bearer")).unwrap_or("Bearer");
    let header = sensitive(&format!("{scheme} {token}")).ok_or_else(unsendable)?;
    let seconds = match members.get("expires_in") {
        Some(Value::Number(seconds)) => seconds.as_f64(),
        Some(Value::String(seconds)) => seconds.parse::<f64>().ok(),
        _ => None,
    };
    let life = seconds.map_or(LIFE, |seconds| {
        Duration::try_from_secs_f64(seconds.clamp(0.0, 10.0 * 365.0 * 86_400.0)).unwrap_or(LIFE)
    });
    let expires_at = now + (life - MARGIN.min(life / 10));
    Ok(Granted { token: Token { header, expires_at }, renewed: text("refresh_token").map(Secret::new) })
}

/// The members of an answer that says yes.
fn success(answer: &Answer, what: &str) -> Result<Map<String, Value>, Failure> {
    let members = match serde_json::from_slice(&answer.body) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    let status = answer.status;
    if status.is_success() {
        return Ok(members);
    }
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        let mut error = ErrorKind::Communication
            .error("No token now", format!("{what} answered {} when asked for a token", status.as_u16()));
        error.status = i64::from(status.as_u16());
        return Err(Failure { error, answered: false });
    }
    // The code of RFC 6749 §5.2; descriptions may repeat what was sent.
    let code = members.get("error").and_then(Value::as_str).filter(|code| {
        code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    let code = code.map_or(String::new(), |code| format!(" ({code})"));
    Err(not_granted(format!("{what} granted no token: it answered {}{code}", status.as_u16())))
}

fn not_granted(detail: String) -> Failure {
    Failure { error: ErrorKind::Authentication.error("Token not granted", detail), answered: false }
}

fn unsendable() -> Failure {
    not_granted("the credentials have characters that no header can carry".to_owned())
}

/// Who issued a token that says so: a JWT. Its signature is the callee's business.
fn issuer(token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    claims.get("iss")?.as_str().map(str::to_owned)
}

/// RFC 6749 §2.3.1: both parts are encoded as in a form before they are joined.
fn client_basic(id: &str, secret: &Secret) -> String {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret.expose()))))
}

fn form_body(parameters: &[(&'static str, String)]) -> Bytes {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(parameters);
    Bytes::from(form.finish())
}

/// A parameter that comes several times is a list.
fn json_body(parameters: Vec<(&'static str, String)>) -> Bytes {
    let mut members: Map<String, Value> = Map::new();
    for (name, value) in parameters {
        match members.get_mut(name) {
            None => {
                members.insert(name.to_owned(), Value::String(value));
            }
            Some(Value::Array(values)) => values.push(Value::String(value)),
            Some(first) => *first = Value::Array(vec![first.take(), Value::String(value)]),
        }
    }
    Bytes::from(Value::Object(members).to_string())
}

/// A header value that the HTTP client keeps out of its own messages.
pub(super) fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(value).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_and_clients_are_encoded() {
        let parameters = || {
            vec![("a", "x y".to_owned()), ("b", "1".to_owned()), ("b", "2".to_owned()), ("b", "3".to_owned())]
        };
        assert_eq!(form_body(&parameters()), "a=x+y&b=1&b=2&b=3");
        assert_eq!(json_body(parameters()), r#"{"a":"x y","b":["1","2","3"]}"#);
        assert_eq!(
            client_basic("a:b", &Secret::new("c d")),
            format!("Basic {}", STANDARD.encode("a%3Ab:c+d"))
        );
    }

    #[test]
    fn a_token_may_say_who_issued_it() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"iss":"https://id.example"}"#);
        assert_eq!(issuer(&format!("e30.{payload}.x")).as_deref(), Some("https://id.example"));
        for opaque in ["", "abc", "a.b.c", "a..c"] {
            assert_eq!(issuer(opaque), None, "{opaque}");
        }
    }
}
