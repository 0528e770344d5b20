//! `/openapi.json`: the API described by itself.
//!
//! Routes bring their own description. What they have in common is added here: who the document is about, how callers say
//! who they are, and, from the gateway's table of rules, which operations need that.

mod describe;
pub(crate) mod router;
mod values;
mod words;

use std::sync::OnceLock;

use axum::{Router, response::IntoResponse, routing::get};
use http::{Method, header};
use levqor_model::Scope;
use utoipa::{
    OpenApi as _,
    openapi::{
        ObjectBuilder, OpenApi, PathItem, RefOr, Required, Type,
        path::{Operation, ParameterBuilder, ParameterIn},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

pub use router::ApiRouter;
pub(crate) use router::routes;
pub(crate) use words::{one_of, vocabulary};

use crate::{
    App, Problem, features,
    gateway::{Access, RULES, SESSION_COOKIE},
    problem::{FieldError, ProblemDocument},
};

const KEY_SCHEME: &str = "api_key";
const SESSION_SCHEME: &str = "session";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Levqor",
        description = "Automations that keep running when a region does not. Errors are problem documents (RFC 9457); lists have cursors; writes take an `Idempotency-Key`.",
        version = env!("CARGO_PKG_VERSION"),
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "workflows", description = "Definitions and their versions"),
        (name = "runs", description = "Executions: start, watch, cancel, retry"),
        (name = "ai", description = "Questions answered, workflows drafted"),
        (name = "usage", description = "What was used"),
        (name = "plans", description = "What can be bought"),
        (name = "approvals", description = "Decisions of people that runs wait for"),
        (name = "secrets", description = "Values for runs that nobody can read again"),
        (name = "keys", description = "API keys"),
        (name = "account", description = "The account, and the accounts that somebody belongs to"),
        (name = "members", description = "Who belongs to the account, and who is invited"),
        (name = "sessions", description = "Where somebody is signed in"),
        (name = "regions", description = "Where Levqor runs"),
        (name = "business", description = "What people outside tell and ask: leads, support, consultations, feedback"),
        (name = "status", description = "How the platform is, by evidence; also as Statuspage has it"),
        (name = "operations", description = "Health and metrics"),
        (name = "heartbeats", description = "Jobs elsewhere that tell of themselves"),
    ),
    components(schemas(ProblemDocument, FieldError))
)]
struct Base;

/// The document before the routes are added.
fn base() -> OpenApi {
    // The router's own default would put another project's title and licence here.
    let mut document = Base::openapi();
    document.merge(describe::Described::openapi());
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("lvq_…")
        .description(Some("An API key, from the console or `POST /api/keys`"))
        .build();
    let session = ApiKey::Cookie(ApiKeyValue::with_description(
        SESSION_COOKIE,
        "The console's session; it writes only from pages of the same site",
    ));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(KEY_SCHEME, SecurityScheme::Http(key));
    components.add_security_scheme(SESSION_SCHEME, SecurityScheme::ApiKey(session));
    document
}

/// The whole document.
pub fn document() -> OpenApi {
    let mut document = base();
    features::api().describe(&mut document);
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            let rule = RULES.iter().find(|(m, p, ..)| *m == method && p == path);
            operation.security = rule.map(|(_, _, access, scope)| security(*access, *scope));
            // Messages to secret addresses have ids of their own.
            let takes_keys =
                method != Method::GET && rule.is_none_or(|(_, _, access, _)| *access != Access::Secret);
            complete(takes_keys, operation);
            values::describe(path, operation);
        }
    }
    document
}

/// Adds what follows from the method and from what is there.
fn complete(takes_keys: bool, operation: &mut Operation) {
    // Handlers are named within their feature; generated clients need names that are unique in the whole.
    if let (Some(tag), Some(name)) = (operation.tags.iter().flatten().next(), &operation.operation_id) {
        operation.operation_id = Some(format!("{tag}_{name}"));
    }
    if takes_keys {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(255))
            .pattern(Some("^[!-~]+$"))
            .build();
        let key = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("A repeat with the same key gets the first answer and does nothing"))
            .schema(Some(schema))
            .build();
        operation.parameters.get_or_insert_default().push(RefOr::T(key));
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if response.description.is_empty() {
            response.description = match status.as_str() {
                "201" => "Created",
                _ => "Done",
            }
            .to_owned();
        }
    }
}

/// The operations of a path, with their methods.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::GET, item.get.as_mut()),
        (Method::POST, item.post.as_mut()),
        (Method::PUT, item.put.as_mut()),
        (Method::PATCH, item.patch.as_mut()),
        (Method::DELETE, item.delete.as_mut()),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation?)))
}

/// A limited key needs the scope; of schemes that are not OAuth's, the list says just that (OpenAPI 3.1, Security Requirement Object).
fn security(access: Access, scope: Option<Scope>) -> Vec<SecurityRequirement> {
    let key = SecurityRequirement::new(KEY_SCHEME, scope.map(Scope::as_str));
    let both = [key, SecurityRequirement::new(SESSION_SCHEME, Vec::<String>::new())];
    match access {
        Access::Open | Access::Metrics | Access::Secret | Access::Page | Access::Nothing => Vec::new(),
        // An empty requirement says that it works without, too.
        Access::Anyone => [SecurityRequirement::default()].into_iter().chain(both).collect(),
        Access::Role(_) | Access::Operator | Access::Reader(_) | Access::OperatorReader => both.into(),
    }
}

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/openapi.json", get(serve))
}

/// The whole document as text: half a megabyte, which is made once and kept for the life of the process. What it is made from, several
/// times as large, goes again. The first call takes long enough to be made on a thread that may block.
pub(crate) fn text() -> &'static str {
    static TEXT: OnceLock<Box<str>> = OnceLock::new();
    TEXT.get_or_init(|| document().to_json().unwrap_or_default().into_boxed_str())
}

async fn serve() -> Result<impl IntoResponse, Problem> {
    let text = tokio::task::spawn_blocking(text).await.map_err(Problem::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text))
}
