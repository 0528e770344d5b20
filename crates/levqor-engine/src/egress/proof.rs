//! What a call does to prove who makes it: before it is sent, and again when the callee says 401.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use levqor_flow::{
    access::{Credentials, TokenRequest},
    machine::ErrorKind,
};
use levqor_model::{AccountId, Secret};
use reqwest::{
    Method, StatusCode,
    header::{AUTHORIZATION, HeaderMap},
};
use url::{Origin, Url};

use super::{
    client::{Client, Failure},
    digest,
    tokens::{Token, sensitive},
};

/// Who a call says it is, to the origin that it was meant for and to no other.
#[derive(Debug)]
pub(super) struct Proof<'a> {
    account: Option<AccountId>,
    home: Origin,
    means: Means<'a>,
}

#[derive(Debug)]
enum Means<'a> {
    /// All that there is to say is in the request.
    Said,
    /// Answers a challenge; `answered` counts those of the last request.
    Digest { username: &'a str, password: &'a Secret, answered: usize },
    /// Was sent with a token, which is replaced once.
    Token { request: &'a TokenRequest, sent: Token, replaced: bool },
}

impl<'a> Proof<'a> {
    /// Puts into the headers what can be said unasked.
    pub(super) async fn begin(
        client: &Client,
        account: Option<AccountId>,
        credentials: Option<&'a Credentials>,
        url: &Url,
        headers: &mut HeaderMap,
    ) -> Result<Self, Failure> {
        let said = |value: &str, headers: &mut HeaderMap| {
            let value = sensitive(value).ok_or_else(|| {
                Failure::from(ErrorKind::Configuration.error(
                    "the authentication is not usable",
                    "the credentials have characters that no header can carry",
                ))
            })?;
            headers.insert(AUTHORIZATION, value);
            Ok::<_, Failure>(Means::Said)
        };
        let means = match credentials {
            None => Means::Said,
            Some(Credentials::Basic { username, password }) => {
                let pair = STANDARD.encode(format!("{username}:{}", password.expose()));
                said(&format!("Basic {pair}"), headers)?
            }
            Some(Credentials::Bearer { token }) => said(&format!("Bearer {}", token.expose()), headers)?,
            Some(Credentials::Digest { username, password }) => {
                headers.remove(AUTHORIZATION);
                Means::Digest { username, password, answered: 0 }
            }
            Some(Credentials::Token(request)) => {
                // Nothing is asked for a call that may not be made.
                client.check(url)?;
                let sent = client.token(account, request, None).await?;
                headers.insert(AUTHORIZATION, sent.header.clone());
                Means::Token { request, sent, replaced: false }
            }
        };
        Ok(Self { account, home: url.origin(), means })
    }

    /// Looks at an answer; true when the headers were changed and the request is to be sent again.
    pub(super) async fn again(
        &mut self,
        client: &Client,
        method: &Method,
        url: &Url,
        response: &reqwest::Response,
        headers: &mut HeaderMap,
    ) -> Result<bool, Failure> {
        if response.status() != StatusCode::UNAUTHORIZED {
            // What was answered was for that request; the next hop has a challenge of its own.
            if let Means::Digest { answered, .. } = &mut self.means {
                *answered = 0;
                headers.remove(AUTHORIZATION);
            }
            return Ok(false);
        }
        if url.origin() != self.home {
            return Ok(false);
        }
        match &mut self.means {
            Means::Said => Ok(false),
            Means::Digest { username, password, answered } => {
                let challenge = digest::challenge(response.headers()).map_err(|reason| {
                    let host = url.host_str().unwrap_or_default();
                    let detail = format!("{method} {host} cannot be given a digest: {reason}");
                    Failure {
                        error: ErrorKind::Authentication.error("Digest not possible", detail),
                        answered: true,
                    }
                })?;
                // A second challenge says that the answer was wrong, unless just the nonce was too old.
                if *answered > 1 || (*answered == 1 && !challenge.stale) {
                    return Ok(false);
                }
                *answered += 1;
                let mut bytes = [0; 16];
                client.random.fill(&mut bytes);
                let cnonce: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                let target = match url.query() {
                    None => url.path().to_owned(),
                    Some(query) => format!("{}?{query}", url.path()),
                };
                let value = challenge.answer(username, password, method.as_str(), &target, &cnonce);
                let Some(value) = sensitive(&value) else { return Ok(false) };
                headers.insert(AUTHORIZATION, value);
                Ok(true)
            }
            Means::Token { request, sent, replaced } => {
                if std::mem::replace(replaced, true) {
                    return Ok(false);
                }
                *sent = client.token(self.account, request, Some(sent)).await?;
                headers.insert(AUTHORIZATION, sent.header.clone());
                Ok(true)
            }
        }
    }
}
