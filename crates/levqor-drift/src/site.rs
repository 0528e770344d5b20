//! A site that is asked over HTTP.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::{StatusCode, header};
use levqor_model::Secret;
use reqwest::{Client, redirect};
use url::Url;

use crate::look::{Answer, BODY_BYTES_MAX, Caller, Look};

/// From the request to the end of its answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest wait that a server which is asked too often may ask for.
const WAIT_MAX: Duration = Duration::from_secs(61);
/// Seconds that one look may wait in total.
const WAITS_MAX: u64 = 150;

/// Where a site is, and who asks.
#[derive(Debug)]
pub struct Site {
    client: Client,
    base: Url,
    key: Option<Secret>,
    /// Seconds that were waited because the server said so.
    waited: AtomicU64,
}

impl Site {
    /// # Errors
    /// An address that is none, and what keeps a client from being made.
    pub fn new(base: &str, key: Option<Secret>) -> Result<Self, String> {
        let url = Url::parse(&format!("{}/", base.trim_end_matches('/')))
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                format!("{base:?} is not an http or https address; write it like http://127.0.0.1:8000")
            })?;
        let client = Client::builder()
            .timeout(PATIENCE)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| format!("cannot make requests: {error}"))?;
        Ok(Self { client, base: url, key, waited: AtomicU64::new(0) })
    }

    /// Without a slash at the end.
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    async fn ask(&self, url: &Url, caller: Caller) -> Result<Answer, String> {
        let accept = if caller == Caller::Browser { "text/html" } else { "application/json" };
        let mut request = self.client.get(url.clone()).header(header::ACCEPT, accept);
        if let (Caller::Account, Some(key)) = (caller, &self.key) {
            request = request.bearer_auth(key.expose());
        }
        let mut response = request.send().await.map_err(|error| no_answer(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| no_answer(&error))? {
            if body.len() + piece.len() > BODY_BYTES_MAX {
                return Err(format!("an answer of more than {BODY_BYTES_MAX} bytes"));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, headers, body })
    }

    /// How long to wait for a server that is asked too often; None: it is not worth it.
    fn wait(&self, answer: &Answer) -> Option<Duration> {
        if answer.status != StatusCode::TOO_MANY_REQUESTS {
            return None;
        }
        let seconds = answer.header(header::RETRY_AFTER.as_str())?.parse::<u64>().ok()?;
        let wait = Some(Duration::from_secs(seconds)).filter(|wait| *wait <= WAIT_MAX)?;
        // What is counted is small from here on, so nobody's number makes it run over.
        let waited = self.waited.fetch_add(seconds, Ordering::Relaxed);
        (waited.saturating_add(seconds) <= WAITS_MAX).then_some(wait)
    }
}

impl Look for Site {
    async fn get(&self, path: &str, caller: Caller) -> Result<Answer, String> {
        let url =
            self.base.join(path.trim_start_matches('/')).map_err(|error| format!("no address ({error})"))?;
        // A link such as `//other.example` must not lead the key or us elsewhere.
        if url.origin() != self.base.origin() {
            return Err("an address of another site".to_owned());
        }
        loop {
            let answer = self.ask(&url, caller).await?;
            match self.wait(&answer) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Ok(answer),
            }
        }
    }

    fn has_account(&self) -> bool {
        self.key.is_some()
    }
}

/// Short, and without the address: it may hold a password.
fn no_answer(error: &reqwest::Error) -> String {
    let why = if error.is_timeout() {
        "it takes too long"
    } else if error.is_connect() {
        "nobody listens there, or the connection is refused"
    } else {
        "the connection broke off"
    };
    format!("no answer ({why})")
}
