//! Performs one `call: http`, redirects included.

use std::{error::Error as _, sync::Arc, time::Duration};

use bytes::Bytes;
use levqor_flow::machine::{ErrorKind, FlowError, HttpRequest, Outcome};
use levqor_model::{AccountId, Clock, Random, SystemClock, SystemRandom};
use reqwest::{
    Method,
    header::{HeaderMap, LOCATION},
};
use tokio::sync::OnceCell;
use url::Url;

use super::{
    body::{Prepared, parse_url, prepare, wrong},
    content::{Answer, Sent, excerpt, output},
    guard::{Guard, Refused},
    policy::Policy,
    proof::Proof,
    redirect,
    tokens::Tokens,
};

/// The client for calls from workflows; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    /// Made by whoever needs it first: it reads all root certificates of the machine, which takes longer than all the
    /// rest of a start.
    http: Arc<OnceCell<reqwest::Client>>,
    guard: Guard,
    policy: Policy,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) tokens: Arc<Tokens>,
    agent: String,
}

fn build(guard: &Guard, connect_timeout: Duration, agent: &str) -> Result<reqwest::Client, reqwest::Error> {
    // Fails when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        reqwest::Client::builder()
            .user_agent(agent)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .http2_max_header_list_size(64 * 1024)
            .dns_resolver(guard.clone())
    };
    builder().build().or_else(|reason| {
        let http = builder().tls_certs_only([]).build()?;
        tracing::warn!(
            error = %chain(&reason),
            "no usable root certificates on this machine, calls over https will fail; install ca-certificates"
        );
        Ok(http)
    })
}

/// A call that gave no usable answer.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) error: FlowError,
    pub(super) answered: bool,
}

impl From<FlowError> for Failure {
    fn from(error: FlowError) -> Self {
        Self { error, answered: false }
    }
}

impl Client {
    /// A machine without root certificates is not an error: calls over plain HTTP work there, and a warning says why the
    /// others don't.
    pub fn new(policy: Policy, version: &str) -> Self {
        let guard = Guard::new(&policy.allow);
        Self {
            http: Arc::default(),
            guard,
            policy,
            agent: format!("levqor/{version}"),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            tokens: Arc::new(Tokens::new()),
        }
    }

    /// Gets ready for the first call. Cancel safe.
    pub async fn warm(&self) {
        if let Err(error) = self.http().await {
            tracing::error!("{}", error.detail.as_deref().unwrap_or_default());
        }
    }

    async fn http(&self) -> Result<&reqwest::Client, FlowError> {
        let failed = |reason: &dyn std::fmt::Display| {
            let detail = format!("could not set up the client for calls to the outside: {reason}");
            ErrorKind::Runtime.error("No client", detail)
        };
        let (guard, policy, agent) = (&self.guard, &self.policy, &self.agent);
        self.http
            .get_or_try_init(|| async move {
                let (guard, timeout, agent) = (guard.clone(), policy.connect_timeout, agent.clone());
                tokio::task::spawn_blocking(move || build(&guard, timeout, &agent))
                    .await
                    .map_err(|reason| failed(&reason))?
                    .map_err(|reason| failed(&chain(&reason)))
            })
            .await
    }

    /// With a clock that tells how long tokens are good, and a source of nonces.
    #[must_use]
    pub fn sensing(self, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { clock, random, ..self }
    }

    /// Sends the request and reads the answer, within the policy's bounds. Cancel safe: dropped, it closes the connection.
    pub async fn call(&self, call: &HttpRequest) -> Outcome {
        self.call_for(None, call).await
    }

    /// [`Client::call`] for an account, whose tokens are its own.
    pub async fn call_for(&self, account: Option<AccountId>, call: &HttpRequest) -> Outcome {
        // Before the callee's time begins.
        if let Err(error) = self.http().await {
            return Outcome::Failed { error, answered: false };
        }
        let what = what(call);
        self.within(&what, self.exchange(account, call, &what)).await
    }

    /// Sends a message of our own, which follows no redirect, and is done when the receiver says that it has it: what it says besides,
    /// how much and how slowly, is nobody's business, and no reason to send it again. Cancel safe, as [`Client::call`] is.
    pub(crate) async fn tell(&self, call: &HttpRequest) -> Outcome {
        if let Err(error) = self.http().await {
            return Outcome::Failed { error, answered: false };
        }
        let what = what(call);
        let told = async {
            let Prepared { method, url, headers, body } = prepare(call, &self.policy.rewritten(&call.uri))?;
            self.check(&url)?;
            let response = self.send(&method, &url, &headers, body, &what).await?;
            if response.status().is_success() {
                return Ok(serde_json::Value::Null);
            }
            let answer = self.read(response, &what).await?;
            let sent = Sent { method: method.as_str(), uri: url.as_str(), headers: &headers };
            finish(call, &sent, &answer, &what)
        };
        self.within(&what, told).await
    }

    /// Within the policy's time.
    async fn within(
        &self,
        what: &str,
        exchange: impl Future<Output = Result<serde_json::Value, Failure>>,
    ) -> Outcome {
        let outcome = tokio::time::timeout(self.policy.timeout, exchange).await.unwrap_or_else(|_| {
            Err(Failure::from(ErrorKind::Communication.error(
                "Timed out",
                format!("{what} did not answer in full within {:?}", self.policy.timeout),
            )))
        });
        match outcome {
            Ok(value) => Outcome::Output(value),
            Err(Failure { error, answered }) => Outcome::Failed { error, answered },
        }
    }

    async fn exchange(
        &self,
        account: Option<AccountId>,
        call: &HttpRequest,
        what: &str,
    ) -> Result<serde_json::Value, Failure> {
        let Prepared { mut method, mut url, mut headers, mut body } =
            prepare(call, &self.policy.rewritten(&call.uri))?;
        let mut proof = Proof::begin(self, account, call.credentials.as_ref(), &url, &mut headers).await?;
        let mut hops = 0;
        loop {
            self.check(&url)?;
            let response = self.send(&method, &url, &headers, body.clone(), what).await?;
            if proof.again(self, &method, &url, &response, &mut headers).await? {
                continue;
            }
            let status = response.status();
            let next = (call.redirect && redirect::is_redirect(status))
                .then(|| location(&url, response.headers()))
                .flatten();
            let Some(next) = next else {
                let answer = self.read(response, what).await?;
                let sent = Sent { method: method.as_str(), uri: url.as_str(), headers: &headers };
                return finish(call, &sent, &answer, what);
            };
            hops += 1;
            if hops > self.policy.redirects_max {
                return Err(Failure {
                    error: ErrorKind::Communication.error(
                        "Too many redirects",
                        format!("{what} was redirected more than {} times", self.policy.redirects_max),
                    ),
                    answered: true,
                });
            }
            let next = parse_url(&self.policy.rewritten(next.as_str()))?;
            if !redirect::follow(status, &url, &next, &mut method, &mut headers) {
                body = None;
            }
            url = next;
        }
    }

    /// Whether the address may be reached.
    pub(super) fn check(&self, url: &Url) -> Result<(), Failure> {
        self.guard.check(url).map_err(|refused| Failure::from(not_allowed(&refused)))
    }

    pub(super) fn rewritten<'a>(&self, uri: &'a str) -> std::borrow::Cow<'a, str> {
        self.policy.rewritten(uri)
    }

    pub(super) async fn send(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<Bytes>,
        what: &str,
    ) -> Result<reqwest::Response, Failure> {
        let mut request = self.http().await?.request(method.clone(), url.clone()).headers(headers.clone());
        if let Some(body) = body {
            request = request.body(body);
        }
        request.send().await.map_err(|reason| Failure::from(unreachable(&reason, what)))
    }

    /// Reads the body, as far as the policy lets it grow.
    pub(super) async fn read(&self, mut response: reqwest::Response, what: &str) -> Result<Answer, Failure> {
        let max = self.policy.response_bytes_max;
        let too_large = || Failure {
            error: ErrorKind::Communication
                .error("Answer too large", format!("{what} answered with more than {max} bytes")),
            answered: true,
        };
        if response.content_length().is_some_and(|length| length > max as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(None) => break,
                Ok(Some(chunk)) => {
                    if body.len() + chunk.len() > max {
                        return Err(too_large());
                    }
                    body.extend_from_slice(&chunk);
                }
                Err(reason) => return Err(unreachable(&reason, what).into()),
            }
        }
        Ok(Answer { status: response.status(), headers: response.headers().clone(), body })
    }
}

/// The task's output, or the error that the status stands for.
fn finish(
    call: &HttpRequest,
    sent: &Sent<'_>,
    answer: &Answer,
    what: &str,
) -> Result<serde_json::Value, Failure> {
    let status = answer.status;
    let good = status.is_success() || (call.redirect && status.is_redirection());
    if good {
        return output(call.output, sent, answer).map_err(|error| Failure { error, answered: true });
    }
    let title =
        status.canonical_reason().map_or_else(|| format!("Status {}", status.as_u16()), str::to_owned);
    let excerpt = excerpt(answer);
    let said = if excerpt.is_empty() { String::new() } else { format!(": {excerpt}") };
    let mut error =
        ErrorKind::Communication.error(title, format!("{what} answered {}{said}", status.as_u16()));
    error.status = i64::from(status.as_u16());
    Err(Failure { error, answered: true })
}

/// Where a redirect leads; None without a usable `Location`.
fn location(url: &Url, headers: &HeaderMap) -> Option<Url> {
    let location = std::str::from_utf8(headers.get(LOCATION)?.as_bytes()).ok()?;
    url.join(location).ok()
}

fn not_allowed(refused: &Refused) -> FlowError {
    wrong("Address not allowed", refused.to_string())
}

/// No answer, or not all of it.
fn unreachable(reason: &reqwest::Error, what: &str) -> FlowError {
    if let Some(refused) = refusal_in(reason) {
        return not_allowed(refused);
    }
    let title = if reason.is_connect() { "Could not connect" } else { "No answer" };
    ErrorKind::Communication.error(title, format!("{what} failed: {}", chain(reason)))
}

fn refusal_in(reason: &reqwest::Error) -> Option<&Refused> {
    let mut cause = reason.source();
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return Some(refused);
        }
        cause = error.source();
    }
    None
}

/// The causes in one line, without the outermost, which repeats the URL and with it perhaps a secret.
fn chain(reason: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut cause = reason.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        cause = error.source();
    }
    if parts.is_empty() { "the exchange broke off".to_owned() } else { parts.join(": ") }
}

/// What is done, for messages.
fn what(call: &HttpRequest) -> String {
    format!("{} {}", call.method, host_of(&call.uri))
}

/// The host for messages: the path and the query may hold secrets.
pub(crate) fn host_of(uri: &str) -> String {
    Url::parse(uri)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| "an address that is not a URL".to_owned())
}
