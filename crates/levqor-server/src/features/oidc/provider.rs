//! The issuer: its documents and keys, and asking it for a token.

use std::{sync::Arc, time::Duration};

use levqor_model::Timestamp;
use openidconnect::{
    AuthType, AuthenticationContextClass, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret,
    CsrfToken, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, SignatureVerificationError, TokenResponse,
    core::{
        CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken, CoreIdTokenClaims,
        CoreJwsSigningAlgorithm, CoreProviderMetadata,
    },
};
use tokio::sync::OnceCell;
use url::Url;

use super::{OidcSettings, round::Round, service::Error, strength::How};
use crate::{App, outgoing, problem::chain};

/// How long an exchange may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How long the issuer's documents are good for.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// Keys that are not known have the documents read again, but not more often than this.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// An issuer that did not answer is left alone for so long: those who want to sign in would wait for each other otherwise.
const PAUSE: Duration = Duration::from_secs(5);
/// How far the issuer's clock may be ahead.
const SKEW: Duration = Duration::from_secs(60);

/// Signatures that are taken: those by a key that the issuer has and we have not.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What this node remembers of the issuer.
#[derive(Debug, Default)]
struct Memory {
    http: OnceCell<reqwest::Client>,
    documents: tokio::sync::Mutex<Documents>,
}

#[derive(Debug, Default)]
struct Documents {
    known: Option<(Timestamp, Arc<CoreProviderMetadata>)>,
    /// When they were asked for in vain.
    failed_at: Option<Timestamp>,
}

/// Who the issuer says is there.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) subject: String,
    /// Only one that the issuer has verified.
    pub(super) email: Option<String>,
    /// How they were asked.
    pub(super) how: How,
}

#[derive(Debug, thiserror::Error)]
enum Exchange {
    #[error("the client could not be set up: {0}")]
    Setup(String),
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Form(#[from] http::Error),
    #[error("the answer has more than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
}

async fn exchange(memory: Arc<Memory>, request: HttpRequest) -> Result<HttpResponse, Exchange> {
    let http = memory
        .http
        .get_or_try_init(|| async {
            let built = tokio::task::spawn_blocking(|| outgoing::client(TIMEOUT)).await;
            built.map_err(|error| error.to_string())?.map_err(|error| chain(&error))
        })
        .await
        .map_err(Exchange::Setup)?;
    let mut response = http.execute(request.try_into()?).await?;
    let mut answer = http::Response::builder().status(response.status());
    for (name, value) in response.headers() {
        answer = answer.header(name, value);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Exchange::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(answer.body(body)?)
}

/// The issuer's documents, with its keys: remembered for a while; `again` when they are to be newer than a minute.
async fn documents(
    app: &App,
    settings: &OidcSettings,
    again: bool,
) -> Result<Arc<CoreProviderMetadata>, Error> {
    let memory = app.memory(|_| Memory::default());
    let mut documents = memory.documents.lock().await;
    let now = app.now();
    let good_for = if again { AGAIN_AFTER } else { FRESH };
    if let Some((_, known)) = documents.known.as_ref().filter(|(at, _)| now.since(*at) < good_for) {
        return Ok(Arc::clone(known));
    }
    if documents.failed_at.is_some_and(|at| now.since(at) < PAUSE) {
        return Err(Error::Unreachable("it did not answer a moment ago".to_owned()));
    }
    let issuer =
        IssuerUrl::new(settings.issuer.clone()).map_err(|error| Error::Unreachable(error.to_string()))?;
    let asking = Arc::clone(&memory);
    let ask = move |request| exchange(Arc::clone(&asking), request);
    match CoreProviderMetadata::discover_async(issuer, &ask).await {
        Ok(found) => {
            let found = Arc::new(found);
            *documents = Documents { known: Some((now, Arc::clone(&found))), failed_at: None };
            Ok(found)
        }
        Err(error) => {
            documents.failed_at = Some(now);
            Err(Error::Unreachable(chain(&error)))
        }
    }
}

fn client(app: &App, settings: &OidcSettings, documents: &CoreProviderMetadata) -> Result<Client, Error> {
    let back = format!("{}/signin/oidc/callback", app.settings.public_url);
    let back = RedirectUrl::new(back).map_err(|error| Error::Unreachable(error.to_string()))?;
    let client = CoreClient::from_provider_metadata(
        documents.clone(),
        ClientId::new(settings.client_id.clone()),
        Some(ClientSecret::new(settings.client_secret.expose().to_owned())),
    );
    // The secret in a header unless the issuer takes it in the body only.
    let ways = documents.token_endpoint_auth_methods_supported();
    let in_body = ways.is_some_and(|ways| {
        ways.contains(&CoreClientAuthMethod::ClientSecretPost)
            && !ways.contains(&CoreClientAuthMethod::ClientSecretBasic)
    });
    let auth = if in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
    Ok(client.set_redirect_uri(back).set_auth_type(auth))
}

/// Where the browser is sent.
pub(super) async fn address(app: &App, settings: &OidcSettings, round: &Round) -> Result<Url, Error> {
    let documents = documents(app, settings, false).await?;
    let client = client(app, settings, &documents)?;
    let (state, nonce) = (round.state.clone(), round.nonce.clone());
    let proof = PkceCodeVerifier::new(round.proof.clone());
    let mut request = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            move || CsrfToken::new(state),
            move || Nonce::new(nonce),
        )
        .add_scope(Scope::new("email".to_owned()))
        .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&proof));
    // A wish: what came of it is in the token.
    for context in &settings.strength.contexts {
        request = request.add_auth_context_value(AuthenticationContextClass::new(context.clone()));
    }
    if let Some(max_age) = settings.strength.max_age {
        request = request.set_max_age(max_age);
    }
    let (address, ..) = request.url();
    Ok(address)
}

/// Gives the code for a token, and reads from that who is there.
pub(super) async fn ask(
    app: &App,
    settings: &OidcSettings,
    code: &str,
    round: &Round,
) -> Result<Told, Error> {
    let known = documents(app, settings, false).await?;
    let asking = client(app, settings, &known)?;
    let memory = app.memory(|_| Memory::default());
    let http = move |request| exchange(Arc::clone(&memory), request);
    let request = asking
        .exchange_code(AuthorizationCode::new(code.to_owned()))
        .map_err(|error| Error::Unreachable(chain(&error)))?
        .set_pkce_verifier(PkceCodeVerifier::new(round.proof.clone()));
    let answer = request.request_async(&http).await.map_err(|error| Error::NoToken(chain(&error)))?;
    let token = answer.id_token().ok_or_else(|| Error::NoToken("the answer has no ID token".to_owned()))?;
    let nonce = Nonce::new(round.nonce.clone());
    let claims = match verified(app, &asking, token, &nonce) {
        // The issuer may have a new key since its documents were read.
        Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)) => {
            let newer = documents(app, settings, true).await?;
            verified(app, &client(app, settings, &newer)?, token, &nonce)
        }
        first => first,
    };
    let claims = claims.map_err(|error| Error::NoToken(chain(&error)))?;
    let verified = claims.email_verified() == Some(true);
    Ok(Told {
        subject: claims.subject().to_string(),
        email: claims.email().filter(|_| verified).map(|email| email.to_string()),
        how: How {
            context: claims.auth_context_ref().map(|context| context.to_string()),
            methods: claims
                .auth_method_refs()
                .into_iter()
                .flatten()
                .map(|method| method.to_string())
                .collect(),
            at: claims.auth_time().map(|at| Timestamp::from_seconds(at.timestamp())),
        },
    })
}

fn verified(
    app: &App,
    client: &Client,
    token: &CoreIdToken,
    nonce: &Nonce,
) -> Result<CoreIdTokenClaims, ClaimsVerificationError> {
    let now = chrono::DateTime::from_timestamp_micros(app.now().as_micros()).unwrap_or_default();
    let latest = now + SKEW;
    let verifier = client
        .id_token_verifier()
        .set_allowed_algs(ALGORITHMS)
        .set_time_fn(move || now)
        .set_issue_time_verifier_fn(move |issued| {
            if issued <= latest { Ok(()) } else { Err("it was issued in the future".to_owned()) }
        });
    token.claims(&verifier, nonce).cloned()
}
