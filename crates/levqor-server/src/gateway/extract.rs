//! Bodies, parameters and ids as handlers want them, with refusals that say what is wrong and where.

use std::{error::Error as _, str::FromStr};

use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
};
use http::{HeaderMap, header, request::Parts};
use levqor_model::{
    AlertId, ApprovalId, ConsultationId, DeclarationId, IncidentId, InvitationId, KeyId, LeadId,
    MaintenanceId, NotificationId, ProblemCode, RingKeyId, RunId, SessionId, SilenceId, SubscriptionId,
    TicketId, UserId, WorkflowId, limits,
};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::Segment;

use crate::{App, Problem, problem::FieldError};

/// A JSON body. An empty one counts as `{}`, so that a body whose members are all optional may be left out.
#[derive(Debug, Clone, Copy)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = to_bytes(body, app.settings.body_bytes_max)
            .await
            .map_err(|_| Problem::new(ProblemCode::BadRequest, "the body broke off before its end"))?;
        if bytes.is_empty() {
            return from_json(b"{}").map(Body);
        }
        if !is_json(&parts.headers) {
            let detail = "send the body as JSON, with `Content-Type: application/json`";
            return Err(Problem::new(ProblemCode::UnsupportedMediaType, detail));
        }
        from_json(&bytes).map(Body)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

/// # Errors
/// 400 with line and column for what is not JSON; with the JSON Pointer for what does not fit `T`.
pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // An array would be taken for the members in their order, which nobody means.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        let message = "must be an object";
        return Err(Problem::new(ProblemCode::BadRequest, format!("the body {message}"))
            .with_errors(vec![FieldError::new("", message)]));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = pointer(error.path());
        if is_of_another_kind(error.inner(), bytes) {
            return misplaced(
                &pointer,
                "the value is none of those that are taken here; see /docs/api".to_owned(),
            );
        }
        misfit(&pointer, error.inner())
    })?;
    deserializer.end().map_err(|error| misfit("", &error))?;
    Ok(value)
}

fn misfit(pointer: &str, error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    // serde_json says where it stopped at the end of its message; for a misfit the pointer says it better.
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    if message == "recursion limit exceeded" {
        return Problem::new(
            ProblemCode::BadRequest,
            format!("the body is nested deeper than {} levels", limits::NESTING_MAX),
        );
    }
    let message = in_plain_words(message);
    match error.classify() {
        Category::Data => misplaced(pointer, message),
        Category::Syntax | Category::Eof | Category::Io => Problem::new(
            ProblemCode::BadRequest,
            format!("the body is not JSON: {message} (line {}, column {})", error.line(), error.column()),
        ),
    }
}

/// JSON with a value of another kind where one of several words or shapes is wanted, a number for a word for example:
/// `serde_json` calls that a mistake of syntax, which it is not.
fn is_of_another_kind(error: &serde_json::Error, bytes: &[u8]) -> bool {
    error.to_string().starts_with("expected value at line")
        && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

fn misplaced(pointer: &str, message: String) -> Problem {
    let place = if pointer.is_empty() { "the body" } else { pointer };
    Problem::new(ProblemCode::BadRequest, format!("{place}: {message}"))
        .with_errors(vec![FieldError::new(pointer, message)])
}

/// Names of Rust's types, which say nothing to a reader, as what is allowed.
fn in_plain_words(message: &str) -> String {
    const WORDS: [(&str, &str); 6] = [
        ("u8", "a whole number from 0 to 255"),
        ("u16", "a whole number from 0 to 65535"),
        ("u32", "a whole number from 0 to 4294967295"),
        ("u64", "a whole number from 0 up"),
        ("usize", "a whole number from 0 up"),
        ("i64", "a whole number"),
    ];
    let Some((said, expected)) = message.rsplit_once("expected ") else {
        return match message {
            "invalid digit found in string" | "cannot parse integer from empty string" => {
                "must be a whole number from 0 up".to_owned()
            }
            "number too large to fit in target type" => "the number is too large".to_owned(),
            "provided string was not `true` or `false`" => "must be true or false".to_owned(),
            other => other.to_owned(),
        };
    };
    let plain = match expected.strip_prefix("struct ") {
        Some(_) => Some("an object"),
        None => WORDS.iter().find(|(name, _)| *name == expected).map(|(_, plain)| *plain),
    };
    plain.map_or_else(|| message.to_owned(), |plain| format!("{said}expected {plain}"))
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { .. } | Segment::Unknown => String::new(),
        })
        .collect()
}

/// The query of an address. `T` refuses members that it does not know, so a mistyped parameter is not silently ignored.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Problem> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Query(value)),
            Err(rejection) => {
                let text = rejection.source().map_or_else(|| rejection.to_string(), ToString::to_string);
                Err(match text.split_once(": ") {
                    Some((name, message)) => Problem::parameter(name, in_plain_words(message)),
                    None => Problem::new(ProblemCode::BadParameter, text),
                })
            }
        }
    }
}

/// Items on a page, as asked.
///
/// # Errors
/// 400 outside 1 to 200.
pub(crate) fn page_limit(asked: Option<usize>) -> Result<usize, Problem> {
    let max = limits::PAGE_ITEMS_MAX;
    match asked {
        None => Ok(limits::PAGE_ITEMS_DEFAULT),
        Some(limit) if (1..=max).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::parameter("limit", format!("{limit} is not from 1 to {max}"))),
    }
}

/// Kinds of ids that stand in addresses.
pub trait PathId: FromStr {
    /// What is missing when nothing has that id.
    const MISSING: ProblemCode;
    const NOUN: &'static str;
}

impl PathId for RunId {
    const MISSING: ProblemCode = ProblemCode::RunNotFound;
    const NOUN: &'static str = "run";
}

impl PathId for ApprovalId {
    const MISSING: ProblemCode = ProblemCode::NotFound;
    const NOUN: &'static str = "approval";
}

impl PathId for IncidentId {
    const MISSING: ProblemCode = ProblemCode::NotFound;
    const NOUN: &'static str = "incident";
}

impl PathId for WorkflowId {
    const MISSING: ProblemCode = ProblemCode::WorkflowNotFound;
    const NOUN: &'static str = "workflow";
}

impl PathId for KeyId {
    const MISSING: ProblemCode = ProblemCode::NotFound;
    const NOUN: &'static str = "API key";
}

impl PathId for UserId {
    const MISSING: ProblemCode = ProblemCode::NotFound;
    const NOUN: &'static str = "member";
}

impl PathId for InvitationId {
    const MISSING: ProblemCode = ProblemCode::NotFound;
    const NOUN: &'static str = "invitation";
}

impl PathId for SessionId {
    const MISSING: ProblemCode = ProblemCode::NotFound;
    const NOUN: &'static str = "session";
}

impl PathId for DeclarationId {
    const MISSING: ProblemCode = ProblemCode::NotFound;
    const NOUN: &'static str = "declaration";
}

impl PathId for MaintenanceId {
    const MISSING: ProblemCode = ProblemCode::NotFound;
    const NOUN: &'static str = "maintenance";
}

impl PathId for SubscriptionId {
    const MISSING: ProblemCode = ProblemCode::NotFound;
    const NOUN: &'static str = "subscription";
}

impl PathId for RingKeyId {
    const MISSING: ProblemCode = ProblemCode::NotFound;
    const NOUN: &'static str = "key of the server";
}

impl PathId for TicketId {
    const MISSING: ProblemCode = ProblemCode::NotFound;
    const NOUN: &'static str = "ticket";
}

impl PathId for ConsultationId {
    const MISSING: ProblemCode = ProblemCode::NotFound;
    const NOUN: &'static str = "consultation";
}

impl PathId for LeadId {
    const MISSING: ProblemCode = ProblemCode::NotFound;
    const NOUN: &'static str = "lead";
}

impl PathId for AlertId {
    const MISSING: ProblemCode = ProblemCode::NotFound;
    const NOUN: &'static str = "alert";
}

impl PathId for NotificationId {
    const MISSING: ProblemCode = ProblemCode::NotFound;
    const NOUN: &'static str = "message";
}

impl PathId for SilenceId {
    const MISSING: ProblemCode = ProblemCode::NotFound;
    const NOUN: &'static str = "silence";
}

/// The id that stands first in the address. A text that is no id leads nowhere: 404.
#[derive(Debug, Clone, Copy)]
pub struct Id<T>(pub T);

impl<T: PathId + Send> FromRequestParts<App> for Id<T>
where
    T::Err: std::fmt::Display,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Path(all) = Path::<Vec<(String, String)>>::from_request_parts(parts, app)
            .await
            .map_err(|rejection| Problem::new(ProblemCode::BadParameter, rejection.body_text()))?;
        let (_, text) = all.first().ok_or_else(|| Problem::broken("a route without an id asks for one"))?;
        text.parse().map(Id).map_err(|error| {
            let shown: String = text.chars().take(64).collect();
            let article = if T::NOUN.starts_with(['a', 'e', 'i', 'o', 'u', 'A']) { "an" } else { "a" };
            Problem::new(T::MISSING, format!("{shown:?} is not the id of {article} {}: {error}", T::NOUN))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[expect(dead_code, reason = "only its type matters")]
        name: String,
        #[serde(default)]
        #[expect(dead_code, reason = "only its type matters")]
        items: Vec<Item>,
        #[expect(dead_code, reason = "only its type matters")]
        paint: Option<Colour>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Green,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Item {
        #[expect(dead_code, reason = "only its type matters")]
        count: u8,
    }

    #[test]
    fn refusals_say_what_and_where() {
        let rows = [
            (r#"{"name": 1}"#, "/name", "/name: invalid type: integer `1`, expected a string"),
            (
                r#"{"name": "a", "items": [{"count": 1}, {"count": -1}]}"#,
                "/items/1/count",
                "/items/1/count: invalid value: integer `-1`, expected a whole number from 0 to 255",
            ),
            (
                r#"{"name": "a", "colour": 1}"#,
                "/colour",
                "/colour: unknown field `colour`, expected one of `name`, `items`, `paint`",
            ),
            (
                r#"{"name": "a", "items": [{"a/b": 1}]}"#,
                "/items/0/a~1b",
                "/items/0/a~1b: unknown field `a/b`, expected `count`",
            ),
            (
                r#"{"name": "a", "paint": ["red"]}"#,
                "/paint",
                "/paint: the value is none of those that are taken here; see /docs/api",
            ),
            (
                r#"{"name": "a", "paint": 7}"#,
                "/paint",
                "/paint: the value is none of those that are taken here; see /docs/api",
            ),
            (
                r#"{"name": "a", "paint": ["red"}"#,
                "-",
                "the body is not JSON: expected value (line 1, column 24)",
            ),
            ("{}", "", "the body: missing field `name`"),
            ("[]", "", "the body must be an object"),
            ("7", "", "the body: invalid type: integer `7`, expected an object"),
            (r#"{"name": "a""#, "-", "the body is not JSON: EOF while parsing an object (line 1, column 12)"),
            ("{\n  nope", "-", "the body is not JSON: key must be a string (line 2, column 3)"),
            (r#"{"name": "a"} x"#, "-", "the body is not JSON: trailing characters (line 1, column 15)"),
        ];
        for (text, pointer, detail) in rows {
            let problem = from_json::<Order>(text.as_bytes()).unwrap_err();
            assert_eq!(problem.detail, detail);
            let found = problem.errors.first().map_or("-", |error| error.pointer.as_str());
            assert_eq!(found, pointer, "{text}");
        }
    }

    #[test]
    fn what_is_nested_too_deep_is_told_so() {
        let deep = format!(r#"{{"name": {}"#, "[".repeat(1_000));
        let problem = from_json::<serde_json::Value>(deep.as_bytes()).unwrap_err();
        assert_eq!(problem.detail, format!("the body is nested deeper than {} levels", limits::NESTING_MAX));
    }

    #[test]
    fn no_word_of_rust_reaches_the_reader() {
        let rows = [
            (
                "invalid type: string \"7\", expected u64",
                "invalid type: string \"7\", expected a whole number from 0 up",
            ),
            ("invalid digit found in string", "must be a whole number from 0 up"),
            ("provided string was not `true` or `false`", "must be true or false"),
            ("unknown field `a`, expected `b`", "unknown field `a`, expected `b`"),
        ];
        for (said, plain) in rows {
            assert_eq!(in_plain_words(said), plain);
        }
    }

    #[test]
    fn json_has_several_names() {
        let rows = [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/cloudevents+json", true),
            ("text/json", false),
            ("text/plain", false),
        ];
        for (text, json) in rows {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, text.parse().unwrap());
            assert_eq!(is_json(&headers), json, "{text}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = from_json::<Order>(&bytes);
        }
    }
}
