//! One request to the provider and its answer, within bounds.

use std::{error::Error as _, time::Duration};

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    super::backend::{Failure, Usage},
    Provider,
};

/// Characters of a provider's own words that a caller is told.
const REASON_CHARS_MAX: usize = 300;

/// Who said what.
#[derive(Clone, Serialize)]
pub(super) struct Message {
    role: &'static str,
    content: String,
}

impl Message {
    pub(super) fn system(content: String) -> Self {
        Self { role: "system", content }
    }

    pub(super) fn user(content: String) -> Self {
        Self { role: "user", content }
    }

    pub(super) fn assistant(content: String) -> Self {
        Self { role: "assistant", content }
    }
}

/// How strictly the answer's shape is asked for.
#[derive(Clone, Copy)]
pub(super) enum Format<'a> {
    Schema(&'a Value),
    Json,
    Text,
}

/// What the model said.
pub(super) struct Completion {
    pub(super) text: String,
    pub(super) model: Option<String>,
    pub(super) usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Answer {
    choices: Vec<Choice>,
    model: Option<String>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

fn unavailable(reason: impl Into<String>) -> Failure {
    Failure::Unavailable { reason: reason.into(), rest: None }
}

impl Provider {
    pub(super) async fn exchange(
        &self,
        messages: &[Message],
        format: Format<'_>,
    ) -> Result<Completion, Failure> {
        let mut exchange = self.exchanges.begin();
        let outcome = self.ask(messages, format).await;
        exchange.is_good = outcome.is_ok();
        outcome
    }

    async fn ask(&self, messages: &[Message], format: Format<'_>) -> Result<Completion, Failure> {
        let client = self.client().await?;
        let mut body = json!({ "model": self.settings.model, "messages": messages });
        match format {
            Format::Schema(schema) => {
                body["response_format"] = json!({
                    "type": "json_schema", "json_schema": { "name": "answer", "schema": schema },
                });
            }
            Format::Json => body["response_format"] = json!({ "type": "json_object" }),
            Format::Text => {}
        }
        let request = client.post(self.endpoint.clone()).headers(self.headers()?).body(body.to_string());
        let (status, headers, bytes) = tokio::time::timeout(self.bounds.timeout, self.receive(request))
            .await
            .map_err(|_| unavailable(format!("no whole answer within {:?}", self.bounds.timeout)))??;
        if status.is_success() { self.completed(&bytes) } else { Err(self.failed(status, &headers, &bytes)) }
    }

    fn headers(&self) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = &self.settings.key {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(|_| {
                Failure::Misconfigured { reason: "the key has characters that no key has".to_owned() }
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }

    async fn receive(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Failure> {
        let max = self.bounds.response_bytes_max;
        let too_large = || unavailable(format!("the answer has more than {max} bytes"));
        let mut response = request.send().await.map_err(|reason| broken(&reason))?;
        if response.content_length().is_some_and(|length| length > max as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|reason| broken(&reason))? {
            if body.len() + chunk.len() > max {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok((response.status(), response.headers().clone(), body))
    }

    fn completed(&self, bytes: &[u8]) -> Result<Completion, Failure> {
        let Ok(answer) = serde_json::from_slice::<Answer>(bytes) else {
            return Err(unavailable("the answer is no chat completion"));
        };
        let Some(choice) = answer.choices.into_iter().next() else {
            return Err(unavailable("the answer has no choice"));
        };
        let refused = |reason: &str| Failure::Refused { status: 422, reason: self.shown(reason) };
        if let Some(refusal) = choice.message.refusal.filter(|refusal| !refusal.is_empty()) {
            return Err(refused(&refusal));
        }
        let text = choice.message.content.unwrap_or_default();
        if text.trim().is_empty() {
            return Err(match choice.finish_reason.as_deref() {
                Some("content_filter") => refused("its content filter stopped the answer"),
                _ => unavailable("the answer is empty"),
            });
        }
        Ok(Completion {
            text,
            model: answer.model.map(|model| model.chars().take(100).collect()),
            usage: answer.usage.map(|tokens| Usage {
                input_tokens: tokens.prompt_tokens,
                output_tokens: tokens.completion_tokens,
            }),
        })
    }

    fn failed(&self, status: StatusCode, headers: &HeaderMap, bytes: &[u8]) -> Failure {
        let code = status.as_u16();
        match code {
            // A provider may repeat the key in its words here.
            401 | 403 | 404 => Failure::Misconfigured { reason: format!("it answered {status}") },
            408 | 409 | 425 | 429 | 500.. => {
                Failure::Unavailable { reason: format!("it answered {status}"), rest: retry_after(headers) }
            }
            400..500 => {
                let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
                let said =
                    body.pointer("/error/message").or_else(|| body.get("error")).and_then(Value::as_str);
                Failure::Refused { status: code, reason: self.shown(said.unwrap_or("it did not say why")) }
            }
            // Redirects are not followed: they would carry the key to somebody else.
            _ => Failure::Misconfigured { reason: format!("it answered {status}; name its final address") },
        }
    }

    /// A provider's own words, cut and without the key.
    fn shown(&self, words: &str) -> String {
        let words = match &self.settings.key {
            Some(key) if !key.expose().is_empty() => words.replace(key.expose(), "…"),
            _ => words.to_owned(),
        };
        words
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .take(REASON_CHARS_MAX)
            .collect()
    }

    async fn client(&self) -> Result<&reqwest::Client, Failure> {
        let connect_timeout = self.bounds.connect_timeout;
        self.client
            .get_or_try_init(|| async move {
                let built = tokio::task::spawn_blocking(move || build(connect_timeout)).await;
                built.map_err(|reason| reason.to_string())?.map_err(|reason| chain(&reason))
            })
            .await
            .map_err(|reason: String| unavailable(format!("the client could not be set up: {reason}")))
    }
}

fn build(connect_timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    // Fails when a provider of cryptography is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        reqwest::Client::builder()
            .user_agent(concat!("levqor/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(Duration::from_secs(30))
    };
    // A machine without root certificates can still reach a model of its own over plain HTTP.
    builder().build().or_else(|_| builder().tls_certs_only([]).build())
}

/// No answer, or not all of it.
fn broken(reason: &reqwest::Error) -> Failure {
    let what = if reason.is_connect() { "no connection" } else { "no answer" };
    unavailable(format!("{what}: {}", chain(reason)))
}

/// The causes in one line, without the outermost, which repeats the address.
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

/// In seconds; the form with a date is rare, and then the breaker's own pause does.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
