//! From an OpenAPI document and an operation's name to a request: versions 2.0 (Swagger) and 3.x, without I/O.
//!
//! ```text
//! text ─► read ─► operation (find.rs) ─► parameters in their places (place.rs), the server's address (server.rs) ─► Request
//! ```
//!
//! The document is a stranger's. References are followed within it only, and not endlessly; what it says of types is not
//! checked, since the service itself will say so.
//!
//! Sources: OpenAPI Specification 2.0, 3.0.4 and 3.1.1 (parameter styles, server objects, paths).

use serde_json::{Map, Value};

use crate::{
    document,
    machine::{ErrorKind, FlowError},
};

mod find;
mod place;
mod server;
#[cfg(test)]
mod tests;

/// A request that an operation describes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// Upper case.
    pub method: String,
    pub uri: String,
    pub headers: Vec<(String, String)>,
    pub query: Vec<(String, String)>,
    pub body: Option<Value>,
}

/// Reads the text of a document, JSON or YAML, within the bounds of workflow documents.
///
/// # Errors
/// A configuration error that says where the text goes wrong.
pub fn read(text: &str) -> Result<Value, FlowError> {
    document::read(text).map_err(|issue| wrong(format!("the document cannot be read: {}", issue.message)))
}

/// The request of the operation with these parameters. `uri` is where the document came from: relative addresses in it
/// are relative to that.
///
/// # Errors
/// A configuration error for a document or an operation that cannot be used, a validation error for parameters.
pub fn request(
    document: &Value,
    uri: &str,
    operation_id: &str,
    parameters: &Map<String, Value>,
) -> Result<Request, FlowError> {
    let version = Version::of(document)?;
    let found = find::operation(document, operation_id)?;
    let mut request = Request { method: found.method.to_ascii_uppercase(), ..Request::default() };
    let path = place::place(version, document, &found, parameters, &mut request)?;
    let server = server::address(version, document, &found, uri)?;
    request.uri = format!("{}/{}", server.trim_end_matches('/'), path.trim_start_matches('/'));
    Ok(request)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Two,
    Three,
}

impl Version {
    fn of(document: &Value) -> Result<Self, FlowError> {
        let text = |member: &str| match document.get(member) {
            Some(Value::String(text)) => Some(text.clone()),
            // YAML without quotes.
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        match (text("swagger").as_deref(), text("openapi").as_deref()) {
            (Some("2.0" | "2"), _) => Ok(Version::Two),
            (_, Some(version)) if version.starts_with("3.") => Ok(Version::Three),
            _ => Err(wrong("it is no OpenAPI document of version 2.0 or 3.x".to_owned())),
        }
    }
}

/// Follows `$ref` within the document. None: it leads nowhere, elsewhere or in circles.
fn resolve<'d>(document: &'d Value, mut value: &'d Value) -> Option<&'d Value> {
    const STEPS_MAX: usize = 16;
    for _ in 0..STEPS_MAX {
        let Some(Value::String(reference)) = value.get("$ref") else { return Some(value) };
        let pointer = reference.strip_prefix('#')?;
        let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8().ok()?;
        value = document.pointer(&pointer)?;
    }
    None
}

fn wrong(detail: String) -> FlowError {
    ErrorKind::Configuration.error("the OpenAPI document cannot be used", detail)
}

fn invalid(detail: String) -> FlowError {
    ErrorKind::Validation.error("the parameters do not fit the operation", detail)
}
