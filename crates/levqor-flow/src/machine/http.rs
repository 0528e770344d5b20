//! Requests of `call: http`, evaluated.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    ErrorKind, FlowError, HttpRequest, access,
    scope::{Scope, Trouble, clip, kind},
};
use crate::definition::{CallHttp, Endpoint, Template};

/// All but the unreserved characters of RFC 3986, as RFC 6570 level 1 asks for.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) fn request(
    scope: &Scope<'_>,
    call: &CallHttp,
    input: &Value,
    key: String,
) -> Result<(HttpRequest, Option<Value>), Trouble> {
    let (credentials, authorization) = access::credentials(scope, call.authentication.as_deref(), input)?;
    let scope = &Scope { authorization: authorization.as_ref(), ..*scope };
    let request = HttpRequest {
        key,
        method: call.method.clone(),
        uri: uri(scope, &call.endpoint, input)?,
        credentials,
        headers: texts(scope, call.headers.as_ref(), "headers", input)?,
        query: texts(scope, call.query.as_ref(), "query", input)?,
        body: call.body.as_ref().map(|body| scope.build(body, input)).transpose()?,
        output: call.output,
        redirect: call.redirect,
    };
    Ok((request, authorization))
}

/// The address that an endpoint means for `input`.
pub(super) fn uri(scope: &Scope<'_>, endpoint: &Endpoint, input: &Value) -> Result<String, Trouble> {
    match endpoint {
        Endpoint::UriTemplate(template) => Ok(expand(template, input)?),
        Endpoint::Computed(expression) => match scope.evaluate(expression, input)? {
            Value::String(uri) => Ok(uri),
            other => Err(fault(format!(
                "the endpoint `{}` must give text, and gave {}",
                clip(expression.text()),
                kind(&other)
            ))
            .into()),
        },
    }
}

/// Evaluates headers or query parameters: an object of scalars. Members that are null are left out.
fn texts(
    scope: &Scope<'_>,
    template: Option<&Template>,
    what: &str,
    input: &Value,
) -> Result<Vec<(String, String)>, Trouble> {
    let Some(template) = template else { return Ok(Vec::new()) };
    let members = match scope.build(template, input)? {
        Value::Object(members) => members,
        Value::Null => return Ok(Vec::new()),
        other => {
            return Err(fault(format!("the {what} must be an object, and are {}", kind(&other))).into());
        }
    };
    let mut texts = Vec::with_capacity(members.len());
    for (name, value) in members {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                return Err(fault(format!(
                    "`{}` of the {what} must be text, a number or a boolean, and is {}; make it text, \
                     for example with `tojson` or `join`",
                    clip(&name),
                    kind(&value)
                ))
                .into());
            }
        };
        texts.push((name, text));
    }
    Ok(texts)
}

/// Expands a URI template of RFC 6570, level 1: `{name}` is the member of `input` with exactly that name.
pub(super) fn expand(template: &str, input: &Value) -> Result<String, FlowError> {
    let mut uri = String::with_capacity(template.len() + 16);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        uri.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            return Err(fault(format!("the endpoint `{}` has a `{{` without its `}}`", clip(template))));
        };
        match input.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => uri.extend(utf8_percent_encode(text, VALUE)),
            Some(value @ (Value::Bool(_) | Value::Number(_))) => {
                uri.extend(utf8_percent_encode(&value.to_string(), VALUE));
            }
            Some(value @ (Value::Array(_) | Value::Object(_))) => {
                return Err(fault(format!(
                    "`{{{}}}` of the endpoint must be text, a number or a boolean, and is {}",
                    clip(name),
                    kind(value)
                )));
            }
        }
        rest = after;
    }
    uri.push_str(rest);
    Ok(uri)
}

fn fault(detail: String) -> FlowError {
    ErrorKind::Expression.error("the request could not be made", detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn uri_templates_are_level_1() {
        let input = json!({ "a": "x y/ü?", "n": 1, "b": true, "none": null, "a.b": "dots", "list": [] });
        let rows = [
            ("https://h/{a}", Ok("https://h/x%20y%2F%C3%BC%3F")),
            ("https://h/{n}/{b}", Ok("https://h/1/true")),
            ("https://h/{none}{absent}", Ok("https://h/")),
            ("https://h/{a.b}", Ok("https://h/dots")),
            ("https://h/?q={n}#z", Ok("https://h/?q=1#z")),
            ("https://h/}", Ok("https://h/}")),
            (
                "https://h/{list}",
                Err("`{list}` of the endpoint must be text, a number or a boolean, and is an array"),
            ),
            ("https://h/{a", Err("the endpoint `https://h/{a` has a `{` without its `}`")),
        ];
        for (template, expected) in rows {
            let got = expand(template, &input).map_err(|error| error.detail.unwrap());
            assert_eq!(got.as_deref().map_err(String::as_str), expected, "{template}");
        }
        assert_eq!(expand("https://h/{a}", &json!([1])).unwrap(), "https://h/");
    }
}
