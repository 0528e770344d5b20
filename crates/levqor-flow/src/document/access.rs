//! `use.secrets`, `use.authentications`, and the authentication of an endpoint.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use super::{
    checker::{Checker, kind},
    data::{Moment, Scope, enclosed},
    issue::{Place, clip},
    near::did_you_mean,
    support,
};
use crate::{
    access::{CLIENT_AUTHENTICATIONS, ENCODINGS, GRANTS, Scheme},
    definition::{Authentication, AuthenticationSettings},
    secrets,
};

/// What `use` declares of secrets and authentications.
#[derive(Debug, Default)]
pub(super) struct Access<'d> {
    pub(super) secrets: Vec<&'d str>,
    /// None for one that is wrong, which was said where it stands.
    authentications: BTreeMap<&'d str, Option<Arc<Authentication>>>,
}

const EXAMPLE: &str = "{ basic: { username: ada, password: '${ $secrets.password }' } }";
const POLICIES: [&str; 6] = ["basic", "bearer", "digest", "oauth2", "oidc", "certificate"];

impl<'d> Checker<'d> {
    /// `use.secrets`: names.
    pub(super) fn declared_secrets(&mut self, reusables: &'d Map<String, Value>, place: &Place<'_>) {
        let Some(value) = reusables.get("secrets") else { return };
        let place = place.key("secrets");
        let Some(items) = self.list(value, &place, "[ apiKey ]") else { return };
        for (index, item) in items.iter().enumerate() {
            let at = place.index(index);
            let Some(name) = self.text(item, &at) else { continue };
            if !secrets::is_name(name) {
                let message = format!(
                    "{:?} cannot name a secret; use letters, digits, `_`, `-` and `.`, at most 64, beginning with a letter",
                    clip(name)
                );
                self.error(&at, message);
            } else if self.access.secrets.contains(&name) {
                self.error(&at, format!("the secret `{name}` is there twice; remove one"));
            } else {
                self.access.secrets.push(name);
            }
        }
    }

    /// `use.authentications`: policies by name.
    pub(super) fn declared_authentications(&mut self, reusables: &'d Map<String, Value>, place: &Place<'_>) {
        let Some(value) = reusables.get("authentications") else { return };
        let place = place.key("authentications");
        let policies = self.object(value, &place, &format!("{{ shop: {EXAMPLE} }}"));
        for (name, value) in policies.into_iter().flatten() {
            let policy = self.policy(value, &place.key(name), Scope::new(Moment::Task));
            self.access.authentications.insert(name, policy.map(Arc::new));
        }
    }

    /// The `authentication` of an endpoint: a policy, or `{ use: name }`.
    pub(super) fn authentication(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Option<Arc<Authentication>> {
        let object = self.object(value, place, EXAMPLE)?;
        if !object.contains_key("use") {
            return self.policy(value, place, scope).map(Arc::new);
        }
        self.closed(object, place, &["use"]);
        let name = self.required_text(object, place, "use")?;
        match self.access.authentications.get(name) {
            Some(policy) => policy.clone(),
            None => {
                let hint = did_you_mean(name, self.access.authentications.keys().copied());
                let message = format!(
                    "`use.authentications` has no {:?}; declare it there, or write the policy here{hint}",
                    clip(name)
                );
                self.error(&place.key("use"), message);
                None
            }
        }
    }

    fn policy(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> Option<Authentication> {
        let policy = self.object(value, place, EXAMPLE)?;
        self.closed(policy, place, &POLICIES);
        let mut present = policy.iter().filter(|(name, _)| POLICIES.contains(&name.as_str()));
        let (name, settings) = match (present.next(), present.next()) {
            (Some(one), None) => one,
            (None, _) => {
                let listed = POLICIES[..5].join(", ");
                self.error(place, format!("{} has no policy; give it one of {listed}", place.name()));
                return None;
            }
            (Some((first, _)), Some((second, _))) => {
                self.error(place, format!("there are two policies, `{first}` and `{second}`; keep one"));
                return None;
            }
        };
        let at = place.key(name);
        let Some(scheme) = Scheme::ALL.into_iter().find(|scheme| scheme.name() == name) else {
            self.unsupported(
                &at,
                "certificates (`certificate`), which the DSL names and does not define; use another policy",
            );
            return None;
        };
        let object = self.object(settings, &at, example(scheme))?;
        if object.contains_key("use") {
            self.closed(object, &at, &["use"]);
            let secret = self.required_text(object, &at, "use")?;
            self.declared(secret, &at.key("use"));
            let settings = AuthenticationSettings::Secret(secret.to_owned());
            return Some(Authentication { scheme, settings });
        }
        let authority = match scheme {
            Scheme::Basic | Scheme::Digest => {
                self.settings(object, &at, &["username", "password"], &["username", "password"]);
                None
            }
            Scheme::Bearer => {
                self.settings(object, &at, &["token"], &["token"]);
                None
            }
            Scheme::OAuth2 | Scheme::Oidc => {
                self.token_settings(object, &at, scheme);
                let authority = self.required_text(object, &at, "authority")?;
                Some(self.address(authority, &at.key("authority"), scope)?)
            }
        };
        let settings = self.data(settings, &at, scope);
        Some(Authentication { scheme, settings: AuthenticationSettings::Inline { settings, authority } })
    }

    /// Says so when the name of a secret is not declared.
    /// The names of `use.secrets`.
    pub(super) fn declared_secret_names(&self) -> impl Iterator<Item = &'d str> {
        self.access.secrets.iter().copied()
    }

    fn declared(&mut self, secret: &str, place: &Place<'_>) {
        if self.catalogs.inside.is_some() {
            self.error(place, support::NO_SECRETS_IN_CATALOGS);
        } else if !self.access.secrets.contains(&secret) {
            let hint = did_you_mean(secret, self.access.secrets.iter().copied());
            let message =
                format!("the secret {:?} is not declared; add it to `use.secrets`{hint}", clip(secret));
            self.error(place, message);
        }
    }

    fn settings(
        &mut self,
        object: &'d Map<String, Value>,
        place: &Place<'_>,
        known: &[&str],
        required: &[&str],
    ) {
        self.closed(object, place, known);
        for member in required {
            self.required_text(object, place, member);
        }
    }

    fn token_settings(&mut self, object: &'d Map<String, Value>, place: &Place<'_>, scheme: Scheme) {
        const KNOWN: [&str; 12] = [
            "authority",
            "grant",
            "client",
            "request",
            "issuers",
            "scopes",
            "audiences",
            "username",
            "password",
            "subject",
            "actor",
            "endpoints",
        ];
        let known = if scheme == Scheme::OAuth2 { &KNOWN[..] } else { &KNOWN[..11] };
        self.closed(object, place, known);
        if let Some(value) = object.get("endpoints").filter(|_| scheme == Scheme::OAuth2) {
            let place = place.key("endpoints");
            if let Some(endpoints) = self.object(value, &place, "{ token: /oauth2/token }") {
                self.closed(endpoints, &place, &["token", "revocation", "introspection"]);
                self.optional_text(endpoints, &place, "token");
            }
        }
        if let Some(value) = object.get("request") {
            let place = place.key("request");
            if let Some(request) = self.object(value, &place, "{ encoding: application/json }") {
                self.closed(request, &place, &["encoding"]);
                self.literal_word(request, &place, "encoding", &ENCODINGS, &[]);
            }
        }
        for member in ["issuers", "scopes", "audiences"] {
            self.list_of_texts(object, place, member);
        }
        for member in ["subject", "actor"] {
            if let Some(value) = object.get(member) {
                let place = place.key(member);
                if let Some(token) = self.object(
                    value,
                    &place,
                    "{ token: '${ .token }', type: 'urn:ietf:params:oauth:token-type:access_token' }",
                ) {
                    self.settings(token, &place, &["token", "type"], &["token", "type"]);
                }
            }
        }
        self.client_settings(object, place);
        self.required(object, place, "grant");
        let Some(grant) = self.literal_word(object, place, "grant", &GRANTS, &["authorization_code"]) else {
            return;
        };
        let needed: &[&str] = match grant {
            "password" => &["username", "password"],
            "refresh_token" | "urn:ietf:params:oauth:grant-type:token-exchange" => &["subject"],
            _ => &["client"],
        };
        for member in needed {
            self.required(object, place, member);
        }
        for member in ["username", "password"] {
            self.optional_text(object, place, member);
        }
    }

    fn client_settings(&mut self, object: &'d Map<String, Value>, place: &Place<'_>) {
        let Some(value) = object.get("client") else { return };
        let place = place.key("client");
        let Some(client) = self.object(value, &place, "{ id: levqor, secret: '${ $secrets.client }' }")
        else {
            return;
        };
        self.closed(client, &place, &["id", "secret", "assertion", "authentication"]);
        if client.contains_key("assertion") {
            self.unsupported(
                &place.key("assertion"),
                "assertions of clients (`client.assertion`); use `client_secret_basic` or `client_secret_post`",
            );
        }
        for member in ["id", "secret"] {
            self.optional_text(client, &place, member);
        }
        let way = self.literal_word(
            client,
            &place,
            "authentication",
            &CLIENT_AUTHENTICATIONS,
            &["private_key_jwt", "client_secret_jwt"],
        );
        if matches!(way, Some("client_secret_basic" | "client_secret_post")) {
            self.required(client, &place, "id");
            self.required(client, &place, "secret");
        }
    }

    /// A word that may be computed; one of `later` is valid in the DSL and not built yet.
    fn literal_word(
        &mut self,
        object: &'d Map<String, Value>,
        place: &Place<'_>,
        member: &str,
        words: &[&str],
        later: &[&str],
    ) -> Option<&'d str> {
        let text = self.optional_text(object, place, member)?;
        if enclosed(text).is_some() {
            return None;
        }
        if words.contains(&text) {
            return Some(text);
        }
        let at = place.key(member);
        if later.contains(&text) {
            self.unsupported(&at, &format!("`{text}`; use one of {}", words.join(", ")));
        } else {
            let hint = did_you_mean(text, words.iter().copied());
            let message =
                format!("`{member}` must be one of {}, and is {:?}{hint}", words.join(", "), clip(text));
            self.error(&at, message);
        }
        None
    }

    /// A list of texts, or an expression that gives one.
    fn list_of_texts(&mut self, object: &'d Map<String, Value>, place: &Place<'_>, member: &str) {
        let Some(value) = object.get(member) else { return };
        let at = place.key(member);
        match value {
            Value::String(text) if enclosed(text).is_some() => {}
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.text(item, &at.index(index));
                }
            }
            other => {
                let message = format!(
                    "`{member}` must be a list of texts, and is {}; write for example [ read ]",
                    kind(other)
                );
                self.error(&at, message);
            }
        }
    }
}

fn example(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Basic | Scheme::Digest => "{ username: ada, password: '${ $secrets.password }' }",
        Scheme::Bearer => "{ token: '${ $secrets.token }' }",
        Scheme::OAuth2 | Scheme::Oidc => {
            "{ authority: https://auth.example.com, grant: client_credentials, client: { id: levqor, secret: '${ $secrets.client }' } }"
        }
    }
}
