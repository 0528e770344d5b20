//! The address that an operation's path belongs to.

use serde_json::Value;
use url::Url;

use super::{Version, find::Operation, wrong};
use crate::machine::FlowError;

pub(super) fn address(
    version: Version,
    document: &Value,
    found: &Operation<'_>,
    uri: &str,
) -> Result<String, FlowError> {
    let base = Url::parse(uri).map_err(|_| wrong("its own address is not a URL".to_owned()))?;
    let url = match version {
        Version::Two => two(document, found, &base)?,
        Version::Three => three(document, found, &base)?,
    };
    match url.scheme() {
        "http" | "https" => Ok(url.to_string()),
        scheme => {
            Err(wrong(format!("its server has the scheme {scheme}; only http and https can be called")))
        }
    }
}

/// `schemes`, `host` and `basePath`; what is absent is as where the document came from.
fn two(document: &Value, found: &Operation<'_>, base: &Url) -> Result<Url, FlowError> {
    let schemes = found.operation.get("schemes").or_else(|| document.get("schemes"));
    let schemes: Vec<&str> =
        schemes.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let scheme = if schemes.is_empty() || schemes.contains(&base.scheme()) {
        base.scheme()
    } else if schemes.contains(&"https") {
        "https"
    } else {
        schemes.iter().find(|scheme| **scheme == "http").copied().unwrap_or(base.scheme())
    };
    let text = |member: &str| document.get(member).and_then(Value::as_str);
    let host = match text("host") {
        Some(host) => host.to_owned(),
        None => base[url::Position::BeforeHost..url::Position::AfterPort].to_owned(),
    };
    let path = text("basePath").unwrap_or("/");
    Url::parse(&format!("{scheme}://{host}/{}", path.trim_start_matches('/')))
        .map_err(|reason| wrong(format!("its `host` and `basePath` make no address: {reason}")))
}

/// The first of `servers`: of the operation, of the path, of the document.
fn three(document: &Value, found: &Operation<'_>, base: &Url) -> Result<Url, FlowError> {
    let first = |owner: &Value| owner.get("servers").and_then(|servers| servers.get(0)).cloned();
    let server = first(found.operation).or_else(|| first(found.item)).or_else(|| first(document));
    let server = server.unwrap_or(Value::Null);
    let mut address = server.get("url").and_then(Value::as_str).unwrap_or("/").to_owned();
    for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten() {
        if let Some(default) = variable.get("default").and_then(Value::as_str) {
            address = address.replace(&format!("{{{name}}}"), default);
        }
    }
    if address.contains('{') {
        return Err(wrong("a variable in the address of its server has no default".to_owned()));
    }
    base.join(&address).map_err(|reason| wrong(format!("the address of its server is not one: {reason}")))
}
