//! Descriptions of routes that answer in a shape of their own, without the types of the API: the AI endpoints.
//!
//! Nothing here runs; a test sends requests and compares what comes with what is written here.

use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    features::runs::ServerSentEvent,
    problem::{ProblemDocument, Refusals},
};

#[derive(utoipa::OpenApi)]
#[openapi(paths(chat, workflow), components(schemas(AiMeta, Source)))]
pub(super) struct Described;

/// A question.
#[derive(ToSchema)]
#[schema(example = json!({ "query": "How do I start a run from a schedule?" }))]
#[expect(dead_code, reason = "describes what the feature reads")]
struct ChatRequest {
    /// 3 to 500 characters.
    #[schema(min_length = 3, max_length = 500)]
    query: String,
    context: Option<Value>,
    /// `en`, `de`, `fr`, `es`, `pt`, `it`, `hi`, `ar` or `zh-hans`; others count as `en`.
    language: Option<String>,
    conversation_id: Option<String>,
    /// Answer as server-sent events: `answer` pieces, then `done` with everything.
    stream: Option<bool>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the feature answers")]
struct ChatAnswer {
    success: bool,
    answer: String,
    /// What to do, in order.
    steps: Option<Vec<String>>,
    sources: Option<Vec<Source>>,
    conversation_id: Option<String>,
    meta: AiMeta,
}

/// Where a quote stands.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the feature answers")]
struct Source {
    title: String,
    url: String,
    quote: String,
}

/// Which backend answered, and what it cost.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the feature answers")]
struct AiMeta {
    #[schema(example = "builtin")]
    ai_backend: String,
    model: Option<String>,
    #[schema(example = "en")]
    language: String,
    #[schema(example = "eu-west")]
    region: String,
    latency_ms: f64,
    credits: i64,
}

/// An automation in plain words.
#[derive(ToSchema)]
#[schema(example = json!({ "query": "every weekday at 9am London time fetch https://example.com/orders" }))]
#[expect(dead_code, reason = "describes what the feature reads")]
struct DraftRequest {
    /// 5 to 1000 characters.
    #[schema(min_length = 5, max_length = 1000)]
    query: String,
    context: Option<Value>,
    language: Option<String>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the feature answers")]
struct DraftAnswer {
    success: bool,
    /// A valid document.
    #[schema(value_type = Object)]
    workflow: Value,
    /// The document as a person reads it.
    steps: Vec<String>,
    /// Words that were not understood.
    warnings: Vec<String>,
    /// What the request left open.
    questions: Vec<String>,
    meta: AiMeta,
}

/// Why there is no answer.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the feature answers")]
struct AiRefusal {
    /// Always false.
    success: bool,
    error: String,
}

/// Ask about the product. Without a key, the built-in backend answers under a strict limit.
#[utoipa::path(
    post,
    path = "/api/ai/chat",
    tag = "ai",
    request_body = ChatRequest,
    responses(
        (status = 200, content((ChatAnswer = "application/json"), (ServerSentEvent = "text/event-stream"))),
        (status = 400, description = "The query is missing or the body cannot be read", content((AiRefusal = "application/json"), (ProblemDocument = "application/problem+json"))),
        (status = 403, description = "The plan's AI credits are used up", content((AiRefusal = "application/json"), (ProblemDocument = "application/problem+json"))),
        (status = 422, description = "The query is too short or too long", content((AiRefusal = "application/json"), (ProblemDocument = "application/problem+json"))),
        (status = 429, description = "Too many requests", content((AiRefusal = "application/json"), (ProblemDocument = "application/problem+json"))),
        Refusals
    )
)]
#[expect(dead_code, reason = "describes a route of the AI feature")]
fn chat() {}

/// Draft a workflow from plain words. Nothing is saved.
#[utoipa::path(
    post,
    path = "/api/ai/workflow",
    tag = "ai",
    request_body = DraftRequest,
    responses(
        (status = 200, body = DraftAnswer),
        (status = 400, description = "The query is missing or the body cannot be read", content((AiRefusal = "application/json"), (ProblemDocument = "application/problem+json"))),
        (status = 403, description = "The plan's AI credits are used up", content((AiRefusal = "application/json"), (ProblemDocument = "application/problem+json"))),
        (status = 422, description = "The query is too short or too long, or nothing was understood", content((AiRefusal = "application/json"), (ProblemDocument = "application/problem+json"))),
        (status = 429, description = "Too many requests", content((AiRefusal = "application/json"), (ProblemDocument = "application/problem+json"))),
        Refusals
    )
)]
#[expect(dead_code, reason = "describes a route of the AI feature")]
fn workflow() {}
