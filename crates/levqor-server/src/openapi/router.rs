//! Routes of the API, each with what describes it, so that they cannot part.
//!
//! `utoipa-axum` does the same, and describes a route when it is made. Here that waits until the document is asked for: a server that
//! starts would make the whole of it, some 8 MB, only to throw it away (decision 0045).

use axum::{
    Router,
    handler::Handler,
    routing::{MethodFilter, MethodRouter},
};
use utoipa::{
    __dev::{SchemaReferences, Tags},
    Path,
    openapi::{HttpMethod, OpenApi},
};

use crate::App;

/// Adds what it describes to a document.
type Describe = fn(&mut OpenApi);

/// Routes of the API with their descriptions.
#[derive(Debug, Default)]
pub struct ApiRouter {
    routes: Router<App>,
    described: Vec<Describe>,
}

impl ApiRouter {
    /// Adds what [`routes!`] has put together.
    pub(crate) fn routes(mut self, operations: Operations) -> Self {
        for (path, method) in operations.routes {
            self.routes = self.routes.route(&path, method);
        }
        self.described(operations.describe)
    }

    /// Adds what is no operation, such as schemas that only others refer to.
    pub(crate) fn described(mut self, describe: Describe) -> Self {
        self.described.push(describe);
        self
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.routes = self.routes.merge(other.routes);
        self.described.extend(other.described);
        self
    }

    /// For those who are to be served.
    pub(crate) fn into_routes(self) -> Router<App> {
        self.routes
    }

    /// Adds all operations, and the schemas that they refer to.
    pub(crate) fn describe(&self, document: &mut OpenApi) {
        for describe in &self.described {
            describe(document);
        }
    }
}

/// Handlers that belong together. Made by [`routes!`].
#[derive(Debug)]
pub(crate) struct Operations {
    routes: Vec<(String, MethodRouter<App>)>,
    describe: Describe,
}

impl Operations {
    pub(crate) fn new(describe: Describe) -> Self {
        Self { routes: Vec::new(), describe }
    }

    /// `P` is what `utoipa::path` made of the handler.
    pub(crate) fn on<P: Path, T: 'static>(mut self, handler: impl Handler<T, App>) -> Self {
        let methods = P::methods().iter().map(filter).reduce(MethodFilter::or);
        if let Some(methods) = methods {
            self.routes.push((P::path(), MethodRouter::new().on(methods, handler)));
        }
        self
    }
}

/// Adds one operation to a document.
pub(crate) fn describe<P: Path + Tags<'static> + SchemaReferences>(document: &mut OpenApi) {
    let mut operation = P::operation();
    let tags = P::tags();
    if !tags.is_empty() {
        operation.tags.get_or_insert_default().extend(tags.into_iter().map(str::to_owned));
    }
    document.paths.add_path_operation(P::path(), P::methods(), operation);
    let mut schemas = Vec::new();
    P::schemas(&mut schemas);
    document.components.get_or_insert_default().schemas.extend(schemas);
}

fn filter(method: &HttpMethod) -> MethodFilter {
    match method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Head => MethodFilter::HEAD,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Trace => MethodFilter::TRACE,
        HttpMethod::Delete => MethodFilter::DELETE,
        HttpMethod::Options => MethodFilter::OPTIONS,
    }
}

/// Handlers with `#[utoipa::path]` as [`Operations`].
macro_rules! routes {
    ($($handler:ident),+ $(,)?) => {
        pastey::paste! {{
            let describe = |document: &mut utoipa::openapi::OpenApi| {
                $( $crate::openapi::router::describe::<[<__path_ $handler>]>(document); )+
            };
            $crate::openapi::router::Operations::new(describe)
                $( .on::<[<__path_ $handler>], _>($handler) )+
        }}
    };
}
pub(crate) use routes;
