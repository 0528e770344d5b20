//! Parameters in their places: path, query, header, cookie, body.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::{Request, Version, find::Operation, invalid, resolve, wrong};
use crate::{document::nearest, machine::FlowError};

/// All but the unreserved characters of RFC 3986.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const FORM: &str = "application/x-www-form-urlencoded";

/// Fills in the request, and gives the path with its parameters.
pub(super) fn place(
    version: Version,
    document: &Value,
    found: &Operation<'_>,
    given: &Map<String, Value>,
    request: &mut Request,
) -> Result<String, FlowError> {
    let mut path = found.path.to_owned();
    let mut cookies = Vec::new();
    let mut form = Map::new();
    let mut used: Vec<&str> = Vec::new();
    for parameter in &found.parameters {
        let text = |member: &str| parameter.get(member).and_then(Value::as_str);
        let (Some(name), Some(location)) = (text("name"), text("in")) else {
            return Err(wrong("one of its parameters has no `name` or no `in`".to_owned()));
        };
        used.push(name);
        let Some(value) = given.get(name).filter(|value| !value.is_null()) else {
            if location == "path" || parameter.get("required") == Some(&Value::Bool(true)) {
                return Err(invalid(format!("the parameter `{name}` is missing; add it to `parameters`")));
            }
            continue;
        };
        let style = Style::of(version, parameter, location);
        match location {
            "path" => {
                let text = style.joined(name, value, &encoded)?;
                path = path.replace(&format!("{{{name}}}"), &text);
            }
            "query" => style.pairs(name, value, &mut request.query)?,
            "header" => request.headers.push((name.to_owned(), style.joined(name, value, &str::to_owned)?)),
            "cookie" => cookies.push(format!("{name}={}", style.joined(name, value, &encoded)?)),
            "body" => request.body = Some(value.clone()),
            "formData" => {
                if text("type") == Some("file") {
                    return Err(wrong(format!("the parameter `{name}` is a file, which cannot be sent yet")));
                }
                form.insert(name.to_owned(), style.form_value(name, value)?);
            }
            other => {
                let other: String = other.chars().take(50).collect();
                return Err(wrong(format!("its parameter `{name}` is in {other:?}, which is unknown")));
            }
        }
    }
    if !cookies.is_empty() {
        request.headers.push(("Cookie".to_owned(), cookies.join("; ")));
    }
    if !form.is_empty() {
        request.headers.push(("Content-Type".to_owned(), FORM.to_owned()));
        request.body = Some(Value::Object(form));
    }
    let rest: Vec<(&String, &Value)> =
        given.iter().filter(|(name, _)| !used.contains(&name.as_str())).collect();
    if version == Version::Three
        && let Some(body) = found.operation.get("requestBody")
    {
        let body = resolve(document, body)
            .ok_or_else(|| wrong("the reference of its `requestBody` leads nowhere".to_owned()))?;
        return place_body(document, body, &rest, used, request).map(|()| path);
    }
    match rest.first() {
        Some((name, _)) => Err(unknown(name, &used)),
        None => Ok(path),
    }
}

/// `requestBody` of 3.x: the member `body`, or the members that its schema names.
fn place_body<'d>(
    document: &'d Value,
    body: &'d Value,
    rest: &[(&String, &Value)],
    mut known: Vec<&'d str>,
    request: &mut Request,
) -> Result<(), FlowError> {
    let content = body.get("content").and_then(Value::as_object);
    let media = content.and_then(|content| {
        let is_json = |media: &str| {
            media
                .split(';')
                .next()
                .is_some_and(|media| media == "application/json" || media.ends_with("+json"))
        };
        let find = |fits: &dyn Fn(&str) -> bool| content.iter().find(|(media, _)| fits(media));
        find(&is_json).or_else(|| find(&|media| media == FORM)).or_else(|| content.iter().next())
    });
    let schema =
        media.and_then(|(_, media)| media.get("schema")).and_then(|schema| resolve(document, schema));
    let properties = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let whole = rest.iter().find(|(name, _)| *name == "body");
    let value = match (whole, properties) {
        (Some((_, value)), _) if rest.len() == 1 => Some((*value).clone()),
        (_, Some(properties)) => {
            if let Some((name, _)) = rest.iter().find(|(name, _)| !properties.contains_key(name.as_str())) {
                known.extend(properties.keys().map(String::as_str));
                return Err(unknown(name, &known));
            }
            let members: Map<_, _> =
                rest.iter().map(|(name, value)| ((*name).clone(), (*value).clone())).collect();
            (!members.is_empty()).then_some(Value::Object(members))
        }
        (_, None) => match rest.iter().find(|(name, _)| *name != "body") {
            Some((name, _)) => {
                known.push("body");
                return Err(unknown(name, &known));
            }
            None => None,
        },
    };
    let Some(value) = value else {
        if body.get("required") == Some(&Value::Bool(true)) {
            return Err(invalid("the operation needs a body; add `body` to `parameters`".to_owned()));
        }
        return Ok(());
    };
    if let Some((media, _)) = media {
        if media.starts_with("multipart/") {
            return Err(wrong(format!("the operation takes {media}, which cannot be sent yet")));
        }
        // A range such as */* leaves the choice to the value.
        if !media.contains('*') {
            request.headers.push(("Content-Type".to_owned(), media.clone()));
        }
    }
    request.body = Some(value);
    Ok(())
}

fn unknown(name: &str, known: &[&str]) -> FlowError {
    let shown: String = name.chars().take(100).collect();
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "it takes none".to_owned(),
        None => format!("it takes {}", known.iter().take(20).copied().collect::<Vec<_>>().join(", ")),
    };
    invalid(format!("the operation has no parameter `{shown}`; {hint}"))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, VALUE).to_string()
}

/// How a parameter that is no scalar is written.
struct Style {
    /// Between the items of a list that is one text.
    separator: &'static str,
    explode: bool,
    deep: bool,
    /// `content` of 3.x: the value as JSON.
    json: bool,
}

impl Style {
    fn of(version: Version, parameter: &Map<String, Value>, location: &str) -> Self {
        let text = |member: &str| parameter.get(member).and_then(Value::as_str);
        let (separator, explode, deep) = match version {
            Version::Two => match text("collectionFormat") {
                Some("multi") => (",", true, false),
                Some("ssv") => (" ", false, false),
                Some("tsv") => ("\t", false, false),
                Some("pipes") => ("|", false, false),
                _ => (",", false, false),
            },
            Version::Three => {
                let form = matches!(location, "query" | "cookie");
                let explode = parameter.get("explode").and_then(Value::as_bool);
                match text("style") {
                    Some("spaceDelimited") => (" ", explode.unwrap_or(false), false),
                    Some("pipeDelimited") => ("|", explode.unwrap_or(false), false),
                    Some("deepObject") => (",", true, true),
                    _ => (",", explode.unwrap_or(form), false),
                }
            }
        };
        Self { separator, explode, deep, json: parameter.contains_key("content") }
    }

    /// One text, whose parts go through `part`.
    fn joined(&self, name: &str, value: &Value, part: &dyn Fn(&str) -> String) -> Result<String, FlowError> {
        if self.json {
            return Ok(part(&value.to_string()));
        }
        let parts = match value {
            Value::Array(items) => items
                .iter()
                .map(|item| Ok(part(&scalar(name, item)?)))
                .collect::<Result<Vec<_>, FlowError>>()?,
            Value::Object(members) => {
                let mut parts = Vec::with_capacity(members.len());
                for (member, value) in members {
                    let (member, value) = (part(member), part(&scalar(name, value)?));
                    if self.explode {
                        parts.push(format!("{member}={value}"));
                    } else {
                        parts.extend([member, value]);
                    }
                }
                parts
            }
            value => vec![part(&scalar(name, value)?)],
        };
        Ok(parts.join(self.separator))
    }

    fn pairs(&self, name: &str, value: &Value, pairs: &mut Vec<(String, String)>) -> Result<(), FlowError> {
        match value {
            Value::Array(items) if self.explode && !self.json => {
                for item in items {
                    pairs.push((name.to_owned(), scalar(name, item)?));
                }
            }
            Value::Object(members) if self.explode && !self.json => {
                for (member, value) in members {
                    let key = if self.deep { format!("{name}[{member}]") } else { member.clone() };
                    pairs.push((key, scalar(name, value)?));
                }
            }
            value => pairs.push((name.to_owned(), self.joined(name, value, &str::to_owned)?)),
        }
        Ok(())
    }

    /// A field of a form, which the sender encodes: a list stays one when each item is a field of its own.
    fn form_value(&self, name: &str, value: &Value) -> Result<Value, FlowError> {
        match value {
            Value::Array(_) if self.explode => Ok(value.clone()),
            value => self.joined(name, value, &str::to_owned).map(Value::String),
        }
    }
}

fn scalar(name: &str, value: &Value) -> Result<String, FlowError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Null => Ok(String::new()),
        Value::Array(_) | Value::Object(_) => Err(invalid(format!(
            "the parameter `{name}` is nested, and its place takes texts, numbers and booleans, or one list or object of them"
        ))),
    }
}
