//! `call: http`, and addresses.

use std::sync::Arc;

use levqor_model::reserved_header;
use serde_json::{Map, Value};

use super::{
    checker::{Checker, kind},
    data::{Scope, enclosed},
    issue::{Place, clip},
    near::nearest,
    support,
};
use crate::definition::{Authentication, CallHttp, Endpoint, HttpOutput, TaskKind, Template};

/// What `call` may name besides functions, and what it is called when it is not built yet.
pub(super) const PROTOCOLS: [(&str, &str); 6] = [
    ("http", ""),
    ("openapi", ""),
    ("grpc", "gRPC calls (`call: grpc`)"),
    ("asyncapi", "AsyncAPI calls (`call: asyncapi`)"),
    ("a2a", "A2A calls (`call: a2a`)"),
    ("mcp", "MCP calls (`call: mcp`)"),
];

/// Methods that people use; others are possible, and perhaps misspelt.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

impl<'d> Checker<'d> {
    pub(super) fn call(
        &mut self,
        value: &'d Value,
        task: &'d Map<String, Value>,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Option<TaskKind> {
        let at = place.key("call");
        let target = self.text(value, &at)?;
        match PROTOCOLS.iter().find(|(name, _)| *name == target) {
            Some(("http", _)) => {
                let with = self.required(task, place, "with")?;
                self.call_http(with, &place.key("with"), scope).map(TaskKind::CallHttp)
            }
            Some(("grpc", _)) => self.refused_call(&at, &support::GRPC),
            Some(("asyncapi", _)) => self.refused_call(&at, &support::ASYNCAPI),
            Some(("a2a", _)) => self.refused_call(&at, &support::A2A),
            Some(("mcp", _)) => self.refused_call(&at, &support::MCP),
            Some(("openapi", _)) => {
                let with = self.required(task, place, "with")?;
                self.call_openapi(with, &place.key("with"), scope).map(TaskKind::CallOpenApi)
            }
            Some((_, construct)) => {
                self.unsupported(&at, &format!("{construct}; use `call: http`"));
                None
            }
            None => self.call_function(target, task, place, scope, &PROTOCOLS.map(|(name, _)| name)),
        }
    }

    fn refused_call(&mut self, place: &Place<'_>, construct: &support::Construct) -> Option<TaskKind> {
        self.refuse(place, construct);
        None
    }

    fn call_http(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> Option<CallHttp> {
        const KNOWN: [&str; 7] = ["method", "endpoint", "headers", "body", "query", "output", "redirect"];
        const OUTPUTS: [(&str, HttpOutput); 3] =
            [("raw", HttpOutput::Raw), ("content", HttpOutput::Content), ("response", HttpOutput::Response)];
        let with = self.object(value, place, "{ method: get, endpoint: https://example.com }")?;
        self.closed(with, place, &KNOWN);
        let method = self.required_text(with, place, "method").and_then(|method| {
            let place = place.key("method");
            self.method(method, &place)
        });
        let endpoint = self
            .required(with, place, "endpoint")
            .and_then(|value| self.endpoint(value, &place.key("endpoint"), scope));
        let headers = self.parameters(with, place, "headers", scope);
        let query = self.parameters(with, place, "query", scope);
        let body = with.get("body").map(|value| self.data(value, &place.key("body"), scope));
        let output = with.get("output").and_then(|value| self.word(value, &place.key("output"), &OUTPUTS));
        let redirect = with.get("redirect").and_then(|value| self.boolean(value, &place.key("redirect")));
        let (endpoint, authentication) = endpoint?;
        Some(CallHttp {
            method: method?,
            endpoint,
            authentication,
            headers,
            query,
            body,
            output: output.unwrap_or(HttpOutput::Content),
            redirect: redirect.unwrap_or(false),
        })
    }

    fn method(&mut self, method: &str, place: &Place<'_>) -> Option<String> {
        let upper = method.to_ascii_uppercase();
        if METHODS.contains(&upper.as_str()) {
            return Some(upper);
        }
        if !is_token(method) || method.len() > 32 {
            self.error(
                place,
                format!("{:?} is not an HTTP method; use one of {}", clip(method), METHODS.join(", ")),
            );
            return None;
        }
        if matches!(upper.as_str(), "CONNECT" | "TRACE") {
            self.error(
                place,
                format!("the method {upper} is not for calls; use one of {}", METHODS.join(", ")),
            );
            return None;
        }
        match nearest(&upper, METHODS) {
            Some(near) => {
                self.error(
                    place,
                    format!("{:?} is not an HTTP method; did you mean `{near}`?", clip(method)),
                );
                None
            }
            None => {
                self.warn(place, format!("{upper} is not one of HTTP's usual methods; is it what you mean?"));
                Some(upper)
            }
        }
    }

    /// An endpoint: text, an expression, or `{uri, authentication}`.
    pub(super) fn endpoint(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Option<(Endpoint, Option<Arc<Authentication>>)> {
        match value {
            Value::String(text) => self.address(text, place, scope).map(|endpoint| (endpoint, None)),
            Value::Object(endpoint) => {
                self.closed(endpoint, place, &["uri", "authentication"]);
                let authentication = endpoint
                    .get("authentication")
                    .and_then(|value| self.authentication(value, &place.key("authentication"), scope));
                let uri = self.required_text(endpoint, place, "uri")?;
                let endpoint = self.address(uri, &place.key("uri"), scope)?;
                Some((endpoint, authentication))
            }
            other => {
                let message = format!(
                    "{} must be an address such as https://example.com/pets/{{id}}, an expression in ${{ }}, or \
                     {{ uri: … }}, and is {}",
                    place.name(),
                    kind(other)
                );
                self.error(place, message);
                None
            }
        }
    }

    pub(super) fn address(&mut self, text: &str, place: &Place<'_>, scope: Scope<'_>) -> Option<Endpoint> {
        if let Some(inner) = enclosed(text) {
            return self.compile(inner, place, scope).map(Endpoint::Computed);
        }
        match uri_template(text) {
            Ok(()) => {
                if holds_a_secret(text) {
                    let message = "credentials in an address are seen by all who see the workflow; leave them out, write \
                                   `authentication` beside `uri`, and set what is secret as a secret";
                    self.warn(place, message);
                }
                Some(Endpoint::UriTemplate(text.to_owned()))
            }
            Err(reason) => {
                self.error(place, reason);
                None
            }
        }
    }

    /// `headers` or `query`: an object of texts, numbers and booleans, or an expression that gives one.
    fn parameters(
        &mut self,
        with: &'d Map<String, Value>,
        place: &Place<'_>,
        member: &str,
        scope: Scope<'_>,
    ) -> Option<Template> {
        let value = with.get(member)?;
        let place = place.key(member);
        match value {
            Value::String(text) if enclosed(text).is_some() => Some(self.data(value, &place, scope)),
            Value::Object(parameters) => {
                for (name, value) in parameters {
                    let at = place.key(name);
                    if !matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_)) {
                        let message = format!(
                            "{} must be text, a number or a boolean, and is {}",
                            at.name(),
                            kind(value)
                        );
                        self.error(&at, message);
                    }
                    if member == "headers" {
                        self.header(name, value, &at);
                    }
                }
                Some(self.data(value, &place, scope))
            }
            other => {
                let message = format!(
                    "`{member}` must be an object or an expression in ${{ }}, and is {}; write for example {{ name: value }}",
                    kind(other)
                );
                self.error(&place, message);
                None
            }
        }
    }

    fn header(&mut self, name: &str, value: &Value, place: &Place<'_>) {
        if !is_token(name) {
            self.error(
                place,
                format!("{:?} cannot be the name of a header; use letters, digits and hyphens", clip(name)),
            );
        }
        if let Some(reason) = reserved_header(name) {
            self.error(place, format!("the header {name} {reason}"));
        }
        let literal = value.as_str().filter(|text| enclosed(text).is_none());
        if literal.is_some_and(|text| text.contains(['\r', '\n', '\0'])) {
            self.error(place, "a header's value stands on one line; remove the line breaks");
        }
    }
}

/// RFC 9110: the characters of methods and names of headers.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Checks an absolute http or https address in which `{name}` stands for a member of the input (RFC 6570, level 1).
fn uri_template(text: &str) -> Result<(), String> {
    let mut sample = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(start);
        sample.push_str(before);
        let Some(body) = after.strip_prefix('{') else {
            return Err("there is a `}` without a `{`; write `{name}`, or %7D for the character".to_owned());
        };
        if before.ends_with('$') {
            return Err(
                "`${ }` inside an address is not an expression; write `{name}` for a member of the input, or make the \
                 whole address one expression"
                    .to_owned(),
            );
        }
        let Some((name, after)) = body.split_once('}') else {
            return Err("there is a `{` without a `}`; write `{name}`, or %7B for the character".to_owned());
        };
        parameter(name)?;
        // A digit is right in every part of an address, the port included.
        sample.push('1');
        rest = after;
    }
    sample.push_str(rest);
    let Some((scheme, _)) = sample.split_once("://") else {
        return Err(format!(
            "{:?} is not an absolute address; write for example https://example.com/pets/{{id}}",
            clip(text)
        ));
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(format!("calls over {:?} are not possible; use https or http", clip(scheme)));
    }
    match url::Url::parse(&sample) {
        Ok(_) if sample.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            Err("an address has no spaces; write %20".to_owned())
        }
        Ok(_) => Ok(()),
        Err(reason) => Err(format!("{:?} is not an address: {reason}; mend it", clip(text))),
    }
}

/// Whether an address, which is one, has a user with a constant password, or a constant user without one, which is as good.
fn holds_a_secret(address: &str) -> bool {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else { return false };
    let secret = match user.split_once(':') {
        Some((user, "")) => user,
        Some((_, password)) => password,
        None => user,
    };
    !secret.is_empty() && !secret.contains('{')
}

fn parameter(name: &str) -> Result<(), String> {
    let right =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-%".contains(&byte));
    if right {
        return Ok(());
    }
    let shown = clip(name);
    Err(if name.is_empty() {
        "`{}` names nothing; write the name of a member of the input".to_owned()
    } else if name.starts_with('$') {
        format!(
            "`{{{shown}}}`: variables are not available in an address; make the whole address one expression"
        )
    } else if name.starts_with(['+', '#', '.', '/', ';', '?', '&', '=', ',', '!', '@', '|'])
        || name.ends_with('*')
    {
        format!(
            "`{{{shown}}}`: only plain `{{name}}` is allowed in an address; use `query`, or an expression"
        )
    } else {
        format!(
            "`{{{shown}}}` must be the name of a member of the input; for more, make the whole address one expression"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let table = [
            ("https://example.com", ""),
            ("http://127.0.0.1:8080/a?b=c#d", ""),
            ("https://petstore.swagger.io/v2/pet/{petId}", ""),
            ("https://{host}:{port}/{a.b}/{c-d}", ""),
            ("HTTPS://example.com/%7B", ""),
            ("/pets", "not an absolute address"),
            ("example.com/pets", "not an absolute address"),
            ("", "not an absolute address"),
            ("ftp://example.com", "use https or http"),
            ("file:///etc/passwd", "use https or http"),
            ("https://", "is not an address: empty host"),
            ("https://example.com:99999/", "invalid port"),
            ("https://example.com/a b", "no spaces"),
            ("https://example.com/{a", "without a `}`"),
            ("https://example.com/a}", "without a `{`"),
            ("https://example.com/{}", "names nothing"),
            ("https://example.com/{+path}", "only plain `{name}`"),
            ("https://example.com/{list*}", "only plain `{name}`"),
            ("https://example.com/{$input}", "variables are not available"),
            ("https://example.com/${ .id }", "inside an address"),
            ("https://example.com/{a b}", "must be the name"),
        ];
        for (text, reason) in table {
            match uri_template(text) {
                Ok(()) => assert_eq!(reason, "", "{text}"),
                Err(said) => assert!(!reason.is_empty() && said.contains(reason), "{text}: {said}"),
            }
        }
    }

    #[test]
    fn credentials_in_addresses() {
        let table = [
            ("https://ada:secret@example.com/x", true),
            ("http://token@example.com", true),
            ("http://token:@example.com", true),
            ("https://{user}:secret@{host}/x", true),
            ("https://a@b:c@example.com", true),
            ("https://ada:{password}@example.com", false),
            ("https://{token}@example.com", false),
            ("https://@example.com", false),
            ("https://example.com/a:b@c", false),
            ("https://example.com?to=a:b@c", false),
            ("https://example.com#a:b@c", false),
            ("https://example.com:8080/", false),
        ];
        for (address, holds) in table {
            assert_eq!(uri_template(address), Ok(()), "{address}");
            assert_eq!(holds_a_secret(address), holds, "{address}");
        }
    }
}
