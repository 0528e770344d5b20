//! How many requests are in progress, and for how long.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::Method;
use levqor_model::{ProblemCode, limits};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::{Access, access_of, route_of};
use crate::{App, Problem, Settings};

/// Event streams open at once on a node. They live long, so they are counted apart from other requests.
const STREAMS_MAX: usize = 1_024;

/// What is in progress.
#[derive(Debug)]
pub(crate) struct Bounds {
    requests: Semaphore,
    streams: Arc<Semaphore>,
}

impl Bounds {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            requests: Semaphore::new(settings.requests_max.min(Semaphore::MAX_PERMITS)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        }
    }

    /// A place for one long answer, given back when the permit is dropped.
    ///
    /// # Errors
    /// 503 when all places are taken.
    pub(crate) fn stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.streams.clone().try_acquire_owned().map_err(|_| {
            overloaded(&format!("{STREAMS_MAX} event streams are open on this node; try again later"))
        })
    }
}

fn overloaded(detail: &str) -> Problem {
    Problem::new(ProblemCode::Overloaded, detail).retry_after(1)
}

pub(super) async fn bound(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let route = route_of(request.extensions());
    // Liveness and readiness answer even when everything else is full.
    if access_of(request.method(), route) == Access::Open {
        return Ok(next.run(request).await);
    }
    let _place = app
        .bounds
        .requests
        .try_acquire()
        .map_err(|_| overloaded("too many requests are in progress on this node; try again"))?;
    // Starting a run may wait for its end.
    let may_wait = request.method() == Method::POST && route == Some("/api/workflows/{id}/runs");
    let wait = if may_wait { Duration::from_secs(limits::WAIT_SECONDS_MAX) } else { Duration::ZERO };
    let patience = app.settings.request_timeout + wait;
    tokio::time::timeout(patience, next.run(request))
        .await
        .map_err(|_| overloaded(&format!("no answer within {} s; try again", patience.as_secs())))
}
