//! `POST /api/ai/chat` and `POST /api/ai/workflow`.
//!
//! Both keep their own shape for errors: `{"success": false, "error": "…"}`.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    response::{
        IntoResponse, Response, Sse,
        sse::{self, KeepAlive},
    },
    routing::post,
};
use futures_util::stream;
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use levqor_model::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    backend::{Chat, Task},
    language::Language,
    metering::{self, Ended, Meter},
    service::{
        self, Answer, BACKEND, CHAT_CREDITS, CONTEXT_BYTES_MAX, QUESTION_CHARS, REQUEST_CHARS,
        WORKFLOW_CREDITS,
    },
};
use crate::{
    App,
    features::metrics::Counter,
    gateway::{Actor, ClientAddress, OptionalActor, Rates},
};

pub fn routes() -> Router<App> {
    Router::new().route("/api/ai/chat", post(chat)).route("/api/ai/workflow", post(workflow))
}

/// What a caller may send to either endpoint; members that only one knows are checked there.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    query: Option<String>,
    context: Option<Value>,
    language: Option<String>,
    conversation_id: Option<String>,
    stream: Option<bool>,
}

/// A refusal in the shape of AI endpoints.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    error: String,
    retry_after: Option<u64>,
}

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), retry_after: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response =
            (self.status, Json(json!({ "success": false, "error": self.error }))).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

async fn chat(
    State(app): State<App>,
    address: ClientAddress,
    OptionalActor(actor): OptionalActor,
    body: Bytes,
) -> Result<Response, Refusal> {
    let call = Call::begin(&app, "chat", actor, address, CHAT_CREDITS).await?;
    let (ask, query) = call.read(&body, &QUESTION_CHARS).await?;
    call.credits_left().await?;
    let language = Language::normalised(ask.language.as_deref().unwrap_or_default());
    let mut answer = service::answer(&query, language, &app.blueprint);
    let by = call.answered_by(&query, language, &mut answer).await;
    let mut members = Map::new();
    members.insert("success".into(), true.into());
    if let Ok(Value::Object(parts)) = serde_json::to_value(&answer) {
        members.extend(parts);
    }
    if let Some(conversation) = ask.conversation_id {
        members.insert("conversation_id".into(), conversation.into());
    }
    let meta = call.end(language, answer.known, &by).await;
    members.insert("meta".into(), meta);
    let whole = Value::Object(members);
    if ask.stream == Some(true) {
        return Ok(streamed(&answer.answer, &whole));
    }
    Ok(Json(whole).into_response())
}

async fn workflow(
    State(app): State<App>,
    address: ClientAddress,
    OptionalActor(actor): OptionalActor,
    body: Bytes,
) -> Result<Response, Refusal> {
    let call = Call::begin(&app, "workflow", actor, address, WORKFLOW_CREDITS).await?;
    let (ask, query) = call.read(&body, &REQUEST_CHARS).await?;
    for (name, given) in
        [("conversation_id", ask.conversation_id.is_some()), ("stream", ask.stream.is_some())]
    {
        if given {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                format!("{name} is not a field of this request; remove it"),
            ));
        }
    }
    call.credits_left().await?;
    let language = Language::normalised(ask.language.as_deref().unwrap_or_default());
    // A thousand characters are parsed in well under a millisecond, so this stays on the async worker.
    let zone = ask.context.as_ref().and_then(|context| context.get("time_zone")).and_then(Value::as_str);
    let drafted = service::drafted_in(&query, zone);
    let meta = call.end(language, drafted.workflow.is_some(), &By::builtin()).await;
    let Some(workflow) = drafted.workflow else {
        let error = "no step of the request was understood; say what to do and with which address, such as \
                     \"every day at 9am fetch https://example.com/orders\"";
        let body = json!({
            "success": false, "error": error, "warnings": drafted.warnings, "questions": drafted.questions, "meta": meta,
        });
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response());
    };
    Ok(Json(json!({
        "success": true,
        "workflow": workflow,
        "steps": drafted.steps,
        "warnings": drafted.warnings,
        "questions": drafted.questions,
        "meta": meta,
    }))
    .into_response())
}

/// The request in a body, or what is wrong with it and what to send.
fn parse(body: &[u8]) -> Result<Ask, String> {
    const REMEDY: &str = "send {\"query\": \"…\"}";
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| format!("the body cannot be read as JSON: {error}; {REMEDY}"))?;
    // An array would do for serde's idea of a struct, but not for ours.
    if !value.is_object() {
        return Err(format!("the body must be a JSON object; {REMEDY}"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string().as_str() {
        "." => format!("{}; {REMEDY}", error.inner()),
        path => format!("{path}: {}; {REMEDY}", error.inner()),
    })
}

/// Sends the answer piece by piece as `answer` events, then everything as `done`.
fn streamed(answer: &str, whole: &Value) -> Response {
    let pieces: Vec<String> = answer.split_inclusive('\n').map(str::to_owned).collect();
    let mut events: Vec<Result<sse::Event, Infallible>> = pieces
        .into_iter()
        .map(|piece| Ok(sse::Event::default().event("answer").data(json!({ "text": piece }).to_string())))
        .collect();
    events.push(Ok(sse::Event::default().event("done").data(whole.to_string())));
    Sse::new(stream::iter(events)).keep_alive(KeepAlive::default()).into_response()
}

/// One AI request from its first check to its entry in the log.
struct Call {
    app: App,
    kind: &'static str,
    actor: Option<Actor>,
    credits: i64,
    begun_at: Timestamp,
}

impl Call {
    async fn begin(
        app: &App,
        kind: &'static str,
        actor: Option<Actor>,
        address: ClientAddress,
        credits: i64,
    ) -> Result<Self, Refusal> {
        app.count(Counter::AiRequests);
        if actor.is_none() {
            limit(app, address).await?;
        }
        Ok(Self { app: app.clone(), kind, actor, credits, begun_at: app.now() })
    }

    /// The body, and the question in it.
    async fn read(
        &self,
        body: &Bytes,
        allowed: &std::ops::RangeInclusive<usize>,
    ) -> Result<(Ask, String), Refusal> {
        let ask = parse(body).map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error))?;
        let Some(query) = ask.query.clone() else {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "query is missing; send {\"query\": \"…\"}"));
        };
        let query = service::checked(&query, allowed)
            .map_err(|error| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?
            .to_owned();
        if ask.context.as_ref().is_some_and(|context| context.to_string().len() > CONTEXT_BYTES_MAX) {
            return Err(Refusal::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                format!("context has more than {CONTEXT_BYTES_MAX} bytes; send less of it"),
            ));
        }
        if ask.conversation_id.as_ref().is_some_and(|id| id.is_empty() || id.chars().count() > 100) {
            return Err(Refusal::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "conversation_id takes 1 to 100 characters",
            ));
        }
        Ok((ask, query))
    }

    /// Refuses when the account has used up its plan's credits of this month.
    async fn credits_left(&self) -> Result<(), Refusal> {
        let Some(actor) = &self.actor else { return Ok(()) };
        self.meter().left(actor.account_id, self.credits).await.map_err(|error| match error {
            metering::Error::UsedUp { .. } => Refusal::new(StatusCode::FORBIDDEN, error.to_string()),
            metering::Error::Store(_) => {
                tracing::error!("{error}");
                self.app.count_in("ai_errors", &[], 1);
                Refusal {
                    retry_after: Some(5),
                    ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer; try again")
                }
            }
        })
    }

    /// Has a provider answer from what the documentation says, when there is one; the sources stay. Who sends no key gets the
    /// built-in answer.
    async fn answered_by(&self, query: &str, language: Language, answer: &mut Answer) -> By {
        let backends = &self.app.backends;
        if self.actor.is_none() || !answer.known || backends.providers().next().is_none() {
            return By::builtin();
        }
        let task =
            Task::Chat(Chat { prompt: query.to_owned(), system: Some(service::grounding(answer)), language });
        // A refusal is logged, and the quotes are an answer as well.
        let Ok(reply) = backends.answer(&Arc::new(task)).await else { return By::builtin() };
        match reply.content.get("answer") {
            Some(Value::String(text)) if reply.backend != BACKEND => {
                answer.answer.clone_from(text);
                By { backend: reply.backend, model: reply.model }
            }
            _ => By::builtin(),
        }
    }

    fn meter(&self) -> Meter<'_> {
        Meter {
            store: &self.app.store,
            blueprint: &self.app.blueprint,
            region: &self.app.region,
            clock: &*self.app.clock,
        }
    }

    /// Meters and logs the call, never what was said; gives `meta`.
    async fn end(self, language: Language, success: bool, by: &By) -> Value {
        let ended = Ended {
            account_id: self.actor.as_ref().map(|actor| actor.account_id),
            kind: self.kind,
            backend: by.backend.clone(),
            language,
            success,
            credits: self.credits,
            begun_at: self.begun_at,
            call_key: None,
        };
        let (credits, now) = self.meter().end(ended).await;
        let mut meta = json!({
            "ai_backend": by.backend,
            "language": language.code(),
            "region": self.app.region.code,
            "latency_ms": now.since(self.begun_at).as_micros() as f64 / 1_000.0,
            "credits": credits,
        });
        if let Some(model) = &by.model {
            meta["model"] = json!(model);
        }
        meta
    }
}

/// Who answered.
struct By {
    backend: String,
    model: Option<String>,
}

impl By {
    fn builtin() -> Self {
        Self { backend: BACKEND.to_owned(), model: None }
    }
}

/// Bounds what callers without a key may ask, by address.
async fn limit(app: &App, address: ClientAddress) -> Result<(), Refusal> {
    if app.settings.anonymous_ai_per_minute == 0 {
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "AI requests need an API key here: Authorization: Bearer lvq_…",
        ));
    }
    Rates::take_ai(app, address.network()).await.map_err(|wait| Refusal {
        retry_after: Some(wait),
        ..Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            format!("too many AI requests without a key from this address; try again in {wait} s, or send an API key"),
        )
    })
}
