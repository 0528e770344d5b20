//! Who a call says it is: credentials, evaluated and ready to be sent, and how a token is asked for.
//!
//! A policy of the document (`basic`, `bearer`, `digest`, `oauth2`, `oidc`) is evaluated to plain data, or is the value of
//! a secret; both are read by [`Credentials::read`]. The engine does the talking: the round trip of a digest, the
//! request for a token. What it fetched never comes back into the run.
//!
//! Invariant: nothing here shows what it holds; `Debug` says the scheme alone, messages name members and no values.
//!
//! Sources: RFC 7617 (basic), RFC 6750 (bearer), RFC 7616 (digest), RFC 6749 and RFC 8693 (tokens), OpenID Connect
//! Discovery 1.0.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use levqor_model::Secret;
use serde_json::{Map, Value};

/// The kinds of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Basic,
    Bearer,
    Digest,
    OAuth2,
    Oidc,
}

impl Scheme {
    pub const ALL: [Scheme; 5] =
        [Scheme::Basic, Scheme::Bearer, Scheme::Digest, Scheme::OAuth2, Scheme::Oidc];

    /// As documents write it.
    pub const fn name(self) -> &'static str {
        match self {
            Scheme::Basic => "basic",
            Scheme::Bearer => "bearer",
            Scheme::Digest => "digest",
            Scheme::OAuth2 => "oauth2",
            Scheme::Oidc => "oidc",
        }
    }
}

/// What a call is sent with.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Credentials {
    Basic { username: String, password: Secret },
    Bearer { token: Secret },
    Digest { username: String, password: Secret },
    Token(Box<TokenRequest>),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::Basic { .. } => "Basic(…)",
            Credentials::Bearer { .. } => "Bearer(…)",
            Credentials::Digest { .. } => "Digest(…)",
            Credentials::Token(_) => "Token(…)",
        })
    }
}

/// How a token is asked for. Equal requests are answered by the same token.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenRequest {
    /// Where the token's endpoint is, or where its description is.
    pub endpoint: TokenEndpoint,
    pub grant: Grant,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    pub client_authentication: ClientAuthentication,
    /// JSON instead of a form.
    pub json: bool,
    pub scopes: Vec<String>,
    pub audiences: Vec<String>,
    /// Who may have issued the token; nobody is asked when there are none.
    pub issuers: Vec<String>,
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenRequest(…)")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TokenEndpoint {
    Known(String),
    /// The address of an OpenID configuration, whose `token_endpoint` it is.
    Discovered(String),
}

/// What entitles to the token.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Grant {
    ClientCredentials,
    Password { username: String, password: Secret },
    RefreshToken { token: Secret },
    TokenExchange { subject: GivenToken, actor: Option<GivenToken> },
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grant(…)")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GivenToken {
    pub token: Secret,
    pub kind: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientAuthentication {
    SecretBasic,
    SecretPost,
    None,
}

/// The grants, as documents write them.
pub(crate) const GRANTS: [&str; 4] =
    ["client_credentials", "password", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"];
/// The ways of a client to prove itself.
pub(crate) const CLIENT_AUTHENTICATIONS: [&str; 3] = ["client_secret_post", "client_secret_basic", "none"];
/// The encodings of a token request.
pub(crate) const ENCODINGS: [&str; 2] = ["application/x-www-form-urlencoded", "application/json"];

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

impl Credentials {
    /// Reads the settings of a policy, evaluated, or the value of a secret that stands for them.
    ///
    /// # Errors
    /// What is wrong, in words that name members and show no values.
    pub fn read(scheme: Scheme, settings: &Value) -> Result<Self, String> {
        if let (Scheme::Bearer, Value::String(token)) = (scheme, settings) {
            return Ok(Credentials::Bearer { token: Secret::new(token) });
        }
        let Value::Object(members) = settings else {
            return Err(format!("the settings of `{}` must be an object", scheme.name()));
        };
        let members = Members(members);
        Ok(match scheme {
            Scheme::Basic => {
                let username = members.text("username")?;
                if username.contains(':') {
                    return Err("`username` of `basic` cannot have a colon".to_owned());
                }
                Credentials::Basic { username, password: members.secret("password")? }
            }
            Scheme::Bearer => Credentials::Bearer { token: members.secret("token")? },
            Scheme::Digest => Credentials::Digest {
                username: members.text("username")?,
                password: members.secret("password")?,
            },
            Scheme::OAuth2 | Scheme::Oidc => {
                Credentials::Token(Box::new(TokenRequest::read(scheme == Scheme::Oidc, &members)?))
            }
        })
    }

    /// The scheme and the parameter of the header field, as `$authorization` has them. What the engine finds out by
    /// talking (a digest, a token) is no part of the run: its parameter is null.
    pub fn authorization(&self) -> (&'static str, Option<String>) {
        match self {
            Credentials::Basic { username, password } => {
                ("Basic", Some(STANDARD.encode(format!("{username}:{}", password.expose()))))
            }
            Credentials::Bearer { token } => ("Bearer", Some(token.expose().to_owned())),
            Credentials::Digest { .. } => ("Digest", None),
            Credentials::Token(_) => ("Bearer", None),
        }
    }
}

impl TokenRequest {
    fn read(discover: bool, members: &Members<'_>) -> Result<Self, String> {
        let authority = members.text("authority")?;
        let authority = authority.trim_end_matches('/');
        let endpoint = if discover {
            let known = authority.ends_with(WELL_KNOWN);
            TokenEndpoint::Discovered(format!("{authority}{}", if known { "" } else { WELL_KNOWN }))
        } else {
            let endpoints = members.object("endpoints")?;
            let path = endpoints
                .map(|endpoints| Members(endpoints).optional("token"))
                .transpose()?
                .flatten()
                .unwrap_or_else(|| "/oauth2/token".to_owned());
            TokenEndpoint::Known(if path.starts_with("http://") || path.starts_with("https://") {
                path
            } else {
                format!("{authority}/{}", path.trim_start_matches('/'))
            })
        };
        let client = members.object("client")?;
        let client = client.map(Members);
        let of_client = |member| client.as_ref().map_or(Ok(None), |client| client.optional(member));
        let client_id = of_client("id")?;
        let client_secret = of_client("secret")?.map(Secret::new);
        let client_authentication = match of_client("authentication")?.as_deref() {
            // A client without a secret is a public one.
            None if client_secret.is_none() => ClientAuthentication::None,
            None | Some("client_secret_post") => ClientAuthentication::SecretPost,
            Some("client_secret_basic") => ClientAuthentication::SecretBasic,
            Some("none") => ClientAuthentication::None,
            Some(_) => return Err(one_of("client.authentication", &CLIENT_AUTHENTICATIONS)),
        };
        let proven = client_authentication == ClientAuthentication::None
            || (client_id.is_some() && client_secret.is_some());
        if !proven {
            return Err("`client` needs `id` and `secret` for its way of authentication".to_owned());
        }
        let json = match members.object("request")?.map(|request| Members(request).optional("encoding")) {
            None => false,
            Some(encoding) => match encoding?.as_deref() {
                None | Some("application/x-www-form-urlencoded") => false,
                Some("application/json") => true,
                Some(_) => return Err(one_of("request.encoding", &ENCODINGS)),
            },
        };
        let grant = match members.text("grant")?.as_str() {
            "client_credentials" => Grant::ClientCredentials,
            "password" => {
                Grant::Password { username: members.text("username")?, password: members.secret("password")? }
            }
            "refresh_token" => {
                let subject = members.object("subject")?.ok_or_else(|| missing("subject"))?;
                Grant::RefreshToken { token: Members(subject).secret("token")? }
            }
            "urn:ietf:params:oauth:grant-type:token-exchange" => Grant::TokenExchange {
                subject: GivenToken::read(members.object("subject")?.ok_or_else(|| missing("subject"))?)?,
                actor: members.object("actor")?.map(GivenToken::read).transpose()?,
            },
            _ => return Err(one_of("grant", &GRANTS)),
        };
        Ok(Self {
            endpoint,
            grant,
            client_id,
            client_secret,
            client_authentication,
            json,
            scopes: members.texts("scopes")?,
            audiences: members.texts("audiences")?,
            issuers: members.texts("issuers")?,
        })
    }

    /// The parameters of the request for a token, without what `client_secret_basic` puts into a header field. `renewed`
    /// is a refresh token that came with an earlier answer.
    pub fn parameters(&self, renewed: Option<&Secret>) -> Vec<(&'static str, String)> {
        let mut parameters = Vec::new();
        match &self.grant {
            Grant::ClientCredentials => parameters.push(("grant_type", GRANTS[0].to_owned())),
            Grant::Password { username, password } => parameters.extend([
                ("grant_type", GRANTS[1].to_owned()),
                ("username", username.clone()),
                ("password", password.expose().to_owned()),
            ]),
            Grant::RefreshToken { token } => parameters.extend([
                ("grant_type", GRANTS[2].to_owned()),
                ("refresh_token", renewed.unwrap_or(token).expose().to_owned()),
            ]),
            Grant::TokenExchange { subject, actor } => {
                parameters.extend([
                    ("grant_type", GRANTS[3].to_owned()),
                    ("subject_token", subject.token.expose().to_owned()),
                    ("subject_token_type", subject.kind.clone()),
                ]);
                if let Some(actor) = actor {
                    parameters.extend([
                        ("actor_token", actor.token.expose().to_owned()),
                        ("actor_token_type", actor.kind.clone()),
                    ]);
                }
            }
        }
        if !self.scopes.is_empty() {
            parameters.push(("scope", self.scopes.join(" ")));
        }
        parameters.extend(self.audiences.iter().map(|audience| ("audience", audience.clone())));
        if self.client_authentication != ClientAuthentication::SecretBasic {
            parameters.extend(self.client_id.clone().map(|id| ("client_id", id)));
        }
        if self.client_authentication == ClientAuthentication::SecretPost
            && let Some(secret) = &self.client_secret
        {
            parameters.push(("client_secret", secret.expose().to_owned()));
        }
        parameters
    }
}

impl GivenToken {
    fn read(members: &Map<String, Value>) -> Result<Self, String> {
        let members = Members(members);
        Ok(Self { token: members.secret("token")?, kind: members.text("type")? })
    }
}

/// The members of evaluated settings.
struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    fn optional(&self, member: &str) -> Result<Option<String>, String> {
        match self.0.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(format!("`{member}` must be text")),
        }
    }

    fn text(&self, member: &str) -> Result<String, String> {
        self.optional(member)?.ok_or_else(|| missing(member))
    }

    fn secret(&self, member: &str) -> Result<Secret, String> {
        self.text(member).map(Secret::new)
    }

    fn object(&self, member: &str) -> Result<Option<&'a Map<String, Value>>, String> {
        match self.0.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => Err(format!("`{member}` must be an object")),
        }
    }

    fn texts(&self, member: &str) -> Result<Vec<String>, String> {
        match self.0.get(member) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or_else(|| format!("`{member}` must be a list of texts")),
            Some(_) => Err(format!("`{member}` must be a list of texts")),
        }
    }
}

fn missing(member: &str) -> String {
    format!("`{member}` is missing")
}

fn one_of(member: &str, words: &[&str]) -> String {
    format!("`{member}` must be one of {}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(scheme: Scheme, settings: Value) -> Result<Credentials, String> {
        Credentials::read(scheme, &settings)
    }

    #[test]
    fn settings_are_read_and_nothing_shows_them() {
        let basic = read(Scheme::Basic, json!({ "username": "ada", "password": "s3cret" })).unwrap();
        assert_eq!(basic.authorization(), ("Basic", Some("YWRhOnMzY3JldA==".to_owned())));
        let bearer = read(Scheme::Bearer, json!("t0ken")).unwrap();
        assert_eq!(bearer, read(Scheme::Bearer, json!({ "token": "t0ken" })).unwrap());
        let digest = read(Scheme::Digest, json!({ "username": "ada", "password": "s3cret" })).unwrap();
        let token = read(
            Scheme::OAuth2,
            json!({ "authority": "https://auth.example/", "grant": "client_credentials",
                    "client": { "id": "me", "secret": "s3cret" } }),
        )
        .unwrap();
        assert_eq!(token.authorization(), ("Bearer", None));
        for shown in [&basic, &bearer, &digest, &token].map(|credentials| format!("{credentials:?}")) {
            assert!(!["ada", "s3cret", "t0ken", "me"].iter().any(|text| shown.contains(text)), "{shown}");
        }
    }

    #[test]
    fn token_requests_follow_their_grant_and_client() {
        let client = json!({ "id": "me", "secret": "x" });
        let request = |settings: Value| {
            let mut all = json!({ "authority": "https://auth.example", "client": client });
            for (name, value) in settings.as_object().unwrap() {
                all[name] = value.clone();
            }
            match read(Scheme::OAuth2, all).unwrap() {
                Credentials::Token(request) => *request,
                other => panic!("{other:?}"),
            }
        };
        let shown = |request: &TokenRequest| {
            let parameters = request.parameters(None);
            parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
        };
        let plain = request(json!({ "grant": "client_credentials", "scopes": ["a", "b"] }));
        assert_eq!(plain.endpoint, TokenEndpoint::Known("https://auth.example/oauth2/token".into()));
        assert_eq!(shown(&plain), "grant_type=client_credentials&scope=a b&client_id=me&client_secret=x");
        let basic = json!({ "id": "me", "secret": "x", "authentication": "client_secret_basic" });
        let basic = request(json!({
            "grant": "password", "username": "ada", "password": "p", "audiences": ["p", "q"], "client": basic,
            "endpoints": { "token": "/t" }, "request": { "encoding": "application/json" },
        }));
        assert_eq!(basic.endpoint, TokenEndpoint::Known("https://auth.example/t".into()));
        assert!(basic.json);
        assert_eq!(shown(&basic), "grant_type=password&username=ada&password=p&audience=p&audience=q");
        let exchange = request(json!({
            "grant": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject": { "token": "s", "type": "urn:x" }, "client": { "id": "me", "authentication": "none" },
        }));
        assert_eq!(
            shown(&exchange),
            "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token=s&subject_token_type=urn:x&client_id=me"
        );
        let refresh =
            request(json!({ "grant": "refresh_token", "subject": { "token": "old", "type": "t" } }));
        let renewed = refresh.parameters(Some(&Secret::new("new")));
        assert_eq!(renewed[1], ("refresh_token", "new".to_owned()));
    }

    #[test]
    fn discovery_completes_the_authority_once() {
        for authority in [
            "https://id.example/r",
            "https://id.example/r/",
            "https://id.example/r/.well-known/openid-configuration",
        ] {
            let settings =
                json!({ "authority": authority, "grant": "client_credentials", "client": { "id": "a" } });
            let Credentials::Token(request) = read(Scheme::Oidc, settings).unwrap() else { panic!() };
            let expected = "https://id.example/r/.well-known/openid-configuration";
            assert_eq!(request.endpoint, TokenEndpoint::Discovered(expected.into()));
        }
    }

    #[test]
    fn what_is_wrong_is_named_without_its_value() {
        let rows = [
            (Scheme::Basic, json!("x"), "must be an object"),
            (Scheme::Basic, json!({ "username": "a" }), "`password` is missing"),
            (Scheme::Basic, json!({ "username": "a:b", "password": "p" }), "colon"),
            (Scheme::Bearer, json!({ "token": ["hush"] }), "`token` must be text"),
            (Scheme::OAuth2, json!({ "grant": "password" }), "`authority` is missing"),
            (Scheme::OAuth2, json!({ "authority": "https://a", "grant": "hush" }), "`grant` must be one of"),
            (
                Scheme::OAuth2,
                json!({ "authority": "https://a", "grant": "client_credentials",
                        "client": { "authentication": "client_secret_basic" } }),
                "`client` needs",
            ),
            (
                Scheme::Oidc,
                json!({ "authority": "https://a", "grant": "refresh_token" }),
                "`subject` is missing",
            ),
            (
                Scheme::Oidc,
                json!({ "authority": "https://a", "grant": "client_credentials", "scopes": "hush" }),
                "`scopes` must be a list",
            ),
        ];
        for (scheme, settings, reason) in rows {
            let said = read(scheme, settings).unwrap_err();
            assert!(said.contains(reason) && !said.contains("hush"), "{said}");
        }
    }
}
