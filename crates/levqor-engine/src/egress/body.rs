//! From an evaluated request to headers and bytes.

use bytes::Bytes;
use levqor_flow::machine::{ErrorKind, FlowError, HttpRequest};
use levqor_model::reserved_header;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;
use url::Url;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that can be sent.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
}

/// # Errors
/// A configuration error that names what cannot be sent.
pub(super) fn prepare(call: &HttpRequest, uri: &str) -> Result<Prepared, FlowError> {
    let method = Method::from_bytes(call.method.as_bytes())
        .map_err(|_| wrong("Method not valid", format!("{:?} is not an HTTP method", call.method)))?;
    let mut url = parse_url(uri)?;
    if !call.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&call.query);
    }
    let mut headers = read_headers(&call.headers)?;
    if !headers.contains_key(IDEMPOTENCY_KEY) {
        headers.insert(IDEMPOTENCY_KEY, header_value("Idempotency-Key", &call.key)?);
    }
    let body = match &call.body {
        None => None,
        Some(body) => Some(encode(body, &mut headers)?),
    };
    Ok(Prepared { method, url, headers, body })
}

/// # Errors
/// A configuration error: not a URL, or not http or https.
pub(super) fn parse_url(uri: &str) -> Result<Url, FlowError> {
    let shown: String = uri.chars().take(200).collect();
    let url = Url::parse(uri).map_err(|reason| {
        wrong("Address not valid", format!("{shown:?} is not an absolute URL: {reason}"))
    })?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => Err(wrong(
            "Address not allowed",
            format!("{shown:?} has the scheme {scheme}; only http and https can be called"),
        )),
    }
}

fn read_headers(pairs: &[(String, String)]) -> Result<HeaderMap, FlowError> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| wrong("Header not valid", format!("{name:?} is not a header name")))?;
        // Refused when saved, too, unless an expression gives the name.
        if let Some(reason) = reserved_header(parsed.as_str()) {
            return Err(wrong("Header not allowed", format!("the header {name} {reason}")));
        }
        headers.append(parsed, header_value(name, value)?);
    }
    Ok(headers)
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, FlowError> {
    HeaderValue::from_str(value).or_else(|_| HeaderValue::from_bytes(value.as_bytes())).map_err(|_| {
        wrong("Header not valid", format!("the value of the header {name} has control characters"))
    })
}

/// JSON, unless the body is a text (sent as it is) or the content type is that of a form.
fn encode(body: &Value, headers: &mut HeaderMap) -> Result<Bytes, FlowError> {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    match (body, content_type.as_deref()) {
        (Value::String(text), given) => {
            if given.is_none() {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            }
            Ok(Bytes::from(text.clone()))
        }
        (Value::Object(members), Some("application/x-www-form-urlencoded")) => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in members {
                match value {
                    Value::Array(items) => {
                        for item in items {
                            form.append_pair(name, &form_text(name, item)?);
                        }
                    }
                    Value::Null => {}
                    single => {
                        form.append_pair(name, &form_text(name, single)?);
                    }
                }
            }
            Ok(Bytes::from(form.finish()))
        }
        (_, Some("multipart/form-data")) => Err(wrong(
            "Body not supported",
            "multipart/form-data bodies cannot be sent yet; use JSON, a form or a text".to_owned(),
        )),
        (body, given) => {
            if given.is_none() {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            Ok(Bytes::from(body.to_string()))
        }
    }
}

fn form_text(name: &str, value: &Value) -> Result<String, FlowError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Null => Ok(String::new()),
        Value::Array(_) | Value::Object(_) => Err(wrong(
            "Body not valid",
            format!(
                "the form field {name:?} is nested; a form holds texts, numbers and booleans, or lists of them"
            ),
        )),
    }
}

pub(super) fn wrong(title: &str, detail: String) -> FlowError {
    ErrorKind::Configuration.error(title, detail)
}
