//! This node, asked without a socket.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::{Request, header};
use levqor_drift::{Answer, BODY_BYTES_MAX, Caller, Look};
use tower::ServiceExt;

use crate::{App, gateway::OwnLook, router};

/// Longest time for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Own {
    router: Router,
}

impl Own {
    pub(super) fn new(app: &App) -> Self {
        Self { router: router(app.clone()) }
    }

    async fn ask(&self, request: Request<Body>) -> Result<Answer, String> {
        // Its error is that there is none.
        let Ok(response) = self.router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, BODY_BYTES_MAX)
            .await
            .map_err(|_| format!("an answer of more than {BODY_BYTES_MAX} bytes"))?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.into() })
    }
}

impl Look for Own {
    async fn get(&self, path: &str, caller: Caller) -> Result<Answer, String> {
        let (accept, own) = match caller {
            Caller::Browser => ("text/html", OwnLook::Stranger),
            Caller::Program => ("application/json", OwnLook::Stranger),
            Caller::Account => ("application/json", OwnLook::Account),
        };
        let request = Request::get(path)
            .header(header::ACCEPT, accept)
            .extension(own)
            .body(Body::empty())
            .map_err(|error| format!("no address ({error})"))?;
        tokio::time::timeout(PATIENCE, self.ask(request))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
    }

    fn has_account(&self) -> bool {
        true
    }
}
