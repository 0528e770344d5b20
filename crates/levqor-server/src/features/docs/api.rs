//! The API's own description, read for people: operations by tag, parameters, bodies, answers, examples.

use serde_json::{Map, Value};

/// The whole description.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reference {
    pub(super) groups: Vec<Group>,
    pub(super) schemas: Vec<Schema>,
}

/// Operations that belong together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) operations: Vec<Operation>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operation {
    pub(super) anchor: String,
    /// Upper case.
    pub(super) method: String,
    pub(super) path: String,
    pub(super) summary: String,
    pub(super) description: String,
    pub(super) access: &'static str,
    pub(super) parameters: Vec<Member>,
    pub(super) body: Option<Body>,
    pub(super) answers: Vec<Answer>,
    pub(super) curl: String,
}

/// A parameter, or a member of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) name: String,
    /// Where a parameter stands: `path`, `query`, `header`; empty for members.
    pub(super) place: String,
    pub(super) kind: String,
    /// The schema that it refers to.
    pub(super) refers: Option<String>,
    pub(super) required: bool,
    pub(super) description: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Body {
    pub(super) content_type: String,
    pub(super) kind: String,
    pub(super) refers: Option<String>,
    pub(super) members: Vec<Member>,
    pub(super) example: Option<Value>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) status: String,
    pub(super) description: String,
    pub(super) body: Option<Body>,
}

/// A named schema.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Schema {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) kind: String,
    pub(super) members: Vec<Member>,
}

/// References followed within one schema before giving up; the description is ours, but loops in it are legal.
const DEPTH_MAX: usize = 6;

/// Reads the description. Whatever is missing in it is missing on the page; nothing makes it fail.
pub(super) fn read(document: &Value, public_url: &str) -> Reference {
    let mut groups: Vec<Group> = list(document.get("tags"))
        .iter()
        .map(|tag| Group {
            name: text(tag.get("name")),
            description: text(tag.get("description")),
            operations: Vec::new(),
        })
        .collect();
    for (path, item) in object(document.get("paths")) {
        for (method, operation) in object(Some(item)) {
            if !matches!(method.as_str(), "get" | "put" | "post" | "delete" | "patch") {
                continue;
            }
            let shown = operation_of(document, path, method, item, operation, public_url);
            let tag =
                list(operation.get("tags")).first().map_or_else(|| "other".to_owned(), |tag| text(Some(tag)));
            match groups.iter_mut().find(|group| group.name == tag) {
                Some(group) => group.operations.push(shown),
                None => groups.push(Group { name: tag, description: String::new(), operations: vec![shown] }),
            }
        }
    }
    groups.retain(|group| !group.operations.is_empty());
    let schemas = object(document.pointer("/components/schemas"))
        .map(|(name, schema)| Schema {
            name: name.clone(),
            description: text(schema.get("description")),
            kind: kind(schema, 0).0,
            members: members(document, schema, 0),
        })
        .collect();
    Reference { groups, schemas }
}

fn operation_of(
    document: &Value,
    path: &str,
    method: &str,
    item: &Value,
    operation: &Value,
    public_url: &str,
) -> Operation {
    let parameters: Vec<_> = list(item.get("parameters"))
        .iter()
        .chain(list(operation.get("parameters")))
        .map(|parameter| resolve(document, parameter))
        .map(|parameter| {
            let (kind, refers) = kind(parameter.get("schema").unwrap_or(&Value::Null), 0);
            Member {
                name: text(parameter.get("name")),
                place: text(parameter.get("in")),
                kind,
                refers,
                required: parameter.get("required").and_then(Value::as_bool).unwrap_or_default(),
                description: text(parameter.get("description")),
            }
        })
        .collect();
    let body = operation.get("requestBody").and_then(|body| body_of(document, resolve(document, body)));
    let answers = object(operation.get("responses"))
        .map(|(status, answer)| {
            let answer = resolve(document, answer);
            Answer {
                status: status.clone(),
                description: text(answer.get("description")),
                body: body_of(document, answer),
            }
        })
        .collect();
    let (summary, description) = (text(operation.get("summary")), text(operation.get("description")));
    let access = access(operation);
    let curl = curl(method, path, access, body.as_ref(), public_url);
    Operation {
        anchor: format!("{method}{}", path.replace(['/', '{', '}'], "-")),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: if summary.is_empty() {
            description.lines().next().unwrap_or_default().to_owned()
        } else {
            summary
        },
        description,
        access,
        parameters,
        body,
        answers,
        curl,
    }
}

/// Who may call it, from the security requirements.
fn access(operation: &Value) -> &'static str {
    let requirements = list(operation.get("security"));
    let optional = requirements.iter().any(|one| one.as_object().is_some_and(Map::is_empty));
    match (requirements.is_empty(), optional) {
        (true, _) => "open",
        (false, true) => "key optional",
        (false, false) => "needs a key",
    }
}

fn body_of(document: &Value, holder: &Value) -> Option<Body> {
    let (content_type, media) = object(holder.get("content")).next()?;
    let schema = media.get("schema").unwrap_or(&Value::Null);
    let (kind, refers) = kind(schema, 0);
    Some(Body {
        content_type: content_type.clone(),
        kind,
        members: members(document, schema, 0),
        example: media.get("example").cloned().or_else(|| example(document, schema, 0)),
        refers,
    })
}

fn curl(method: &str, path: &str, access: &str, body: Option<&Body>, public_url: &str) -> String {
    let mut text = match method {
        "get" => format!("curl {public_url}{path}"),
        other => format!("curl -X {} {public_url}{path}", other.to_uppercase()),
    };
    if access != "open" {
        text.push_str(" \\\n  -H \"Authorization: Bearer $LEVQOR_API_KEY\"");
    }
    if let Some(body) = body {
        text.push_str(&format!(" \\\n  -H 'Content-Type: {}'", body.content_type));
        if let Some(example) = &body.example {
            // A single quote inside single quotes, for the shell.
            text.push_str(&format!(" \\\n  -d '{}'", example.to_string().replace('\'', r"'\''")));
        }
    }
    text
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let mut value = value;
    for _ in 0..DEPTH_MAX {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else { break };
        match document.pointer(reference.trim_start_matches('#')) {
            Some(target) => value = target,
            None => break,
        }
    }
    value
}

/// The name of a schema's type for people, and the named schema that it is or holds.
fn kind(schema: &Value, depth: usize) -> (String, Option<String>) {
    if depth > DEPTH_MAX {
        return ("any".to_owned(), None);
    }
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or_default().to_owned();
        return (name.clone(), Some(name));
    }
    for (member, joint) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        let parts = list(schema.get(member));
        if !parts.is_empty() {
            let kinds: Vec<_> = parts.iter().map(|part| kind(part, depth + 1)).collect();
            let refers = kinds.iter().find_map(|(_, refers)| refers.clone());
            let names: Vec<_> =
                kinds.into_iter().map(|(name, _)| name).filter(|name| name != "null").collect();
            return (names.join(joint), refers);
        }
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return (words.iter().map(|word| text(Some(word))).collect::<Vec<_>>().join(", "), None);
    }
    let names = match schema.get("type") {
        Some(Value::String(name)) => vec![name.clone()],
        Some(Value::Array(names)) => {
            names.iter().map(|name| text(Some(name))).filter(|name| name != "null").collect()
        }
        _ => Vec::new(),
    };
    let name = match names.as_slice() {
        [] => "any".to_owned(),
        names => names.join(" or "),
    };
    if name == "array" {
        let (item, refers) = kind(schema.get("items").unwrap_or(&Value::Null), depth + 1);
        return (format!("list of {item}"), refers);
    }
    match schema.get("format").and_then(Value::as_str) {
        Some(format) if name == "string" => (format!("{name}, {format}"), None),
        _ => (name, None),
    }
}

fn members(document: &Value, schema: &Value, depth: usize) -> Vec<Member> {
    if depth > DEPTH_MAX {
        return Vec::new();
    }
    let schema = resolve(document, schema);
    let mut all = Vec::new();
    for part in list(schema.get("allOf")) {
        all.extend(members(document, part, depth + 1));
    }
    let required: Vec<_> = list(schema.get("required")).iter().map(|name| text(Some(name))).collect();
    for (name, member) in object(schema.get("properties")) {
        let (kind, refers) = kind(member, depth + 1);
        all.push(Member {
            name: name.clone(),
            place: String::new(),
            kind,
            refers,
            required: required.contains(name),
            description: text(member.get("description")),
        });
    }
    all
}

/// An example: the schema's own, or made of its members. What is optional and has none of its own is left out.
fn example(document: &Value, schema: &Value, depth: usize) -> Option<Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    let schema = resolve(document, schema);
    if let Some(example) = schema.get("example").or_else(|| list(schema.get("examples")).first()) {
        return Some(example.clone());
    }
    // Of words that are listed, the first: a request without a required one would not work.
    if let Some(word) = list(schema.get("enum")).first() {
        return Some(word.clone());
    }
    if let Some(part) = list(schema.get("allOf")).iter().find_map(|part| example(document, part, depth + 1)) {
        return Some(part);
    }
    let required = list(schema.get("required"));
    let members: Map<_, _> = object(schema.get("properties"))
        .filter(|(name, member)| {
            member.get("example").is_some() || required.iter().any(|one| one.as_str() == Some(name.as_str()))
        })
        .filter_map(|(name, member)| Some((name.clone(), example(document, member, depth + 1)?)))
        .collect();
    (!members.is_empty()).then_some(Value::Object(members))
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn object(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operation_is_read_with_its_schemas() {
        let document = json!({
            "tags": [{"name": "runs", "description": "Executions"}, {"name": "empty"}],
            "paths": {"/api/workflows/{id}/runs": {"post": {
                "tags": ["runs"], "summary": "Starts a run", "security": [{"api_key": []}],
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Start"}}}},
                "responses": {"202": {"description": "Accepted", "content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Start"}}}}}}
            }}},
            "components": {"schemas": {"Start": {"type": "object", "required": ["input", "role"], "properties": {
                "role": {"$ref": "#/components/schemas/Role"},
                "input": {"description": "Any JSON", "example": {"a": "it's"}},
                "wait_seconds": {"type": ["integer", "null"]},
                "again": {"$ref": "#/components/schemas/Start"}
            }}, "Role": {"type": "string", "enum": ["viewer", "owner"]}}}
        });
        let Reference { groups, schemas } = read(&document, "http://x");
        assert_eq!(groups.len(), 1);
        let operation = &groups[0].operations[0];
        assert_eq!((operation.method.as_str(), operation.access), ("POST", "needs a key"));
        assert_eq!(
            operation.curl,
            "curl -X POST http://x/api/workflows/{id}/runs \\\n  -H \"Authorization: Bearer $LEVQOR_API_KEY\" \\\n  -H 'Content-Type: application/json' \\\n  -d '{\"role\":\"viewer\",\"input\":{\"a\":\"it'\\''s\"}}'"
        );
        assert_eq!(operation.answers[0].body.as_ref().unwrap().kind, "list of Start");
        let kinds: Vec<_> = schemas[0]
            .members
            .iter()
            .map(|member| (member.name.as_str(), member.kind.as_str(), member.required))
            .collect();
        assert_eq!(
            kinds,
            [
                ("role", "Role", true),
                ("input", "any", true),
                ("wait_seconds", "integer", false),
                ("again", "Start", false)
            ]
        );
    }

    #[test]
    fn nothing_in_a_description_makes_it_fail() {
        let looped = json!({
            "paths": {"/a": {"get": {"requestBody": {"$ref": "#/components/schemas/A"}, "responses": 7}}, "/b": 3},
            "components": {"schemas": {"A": {"$ref": "#/components/schemas/A"}, "B": {"allOf": [{"$ref": "#/components/schemas/B"}]}}}
        });
        for document in [json!(null), json!([]), json!({"paths": [], "tags": {}}), looped] {
            read(&document, "");
        }
    }
}
