//! Takes the whole body of a request in, within bounds of size and time, before anything is done for it.
//!
//! No route takes bodies that are larger than memory likes, so one place can hold the limits: handlers get a body that is
//! complete, and a client that sends a byte a second holds nothing but its own connection.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody},
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use levqor_model::ProblemCode;

use crate::{App, Problem};

/// How long a body may take to arrive: 2 MiB at 1 Mbit/s take 17 s.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn collect(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return Ok(next.run(Request::from_parts(parts, body)).await);
    }
    let max = app.settings.body_bytes_max;
    // A length that is known and too large is refused before a byte is read.
    if body.size_hint().lower() > max as u64 {
        return Err(too_large(max));
    }
    let collected = tokio::time::timeout(PATIENCE, Limited::new(body, max).collect()).await;
    let bytes = match collected {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => return Err(too_large(max)),
        Ok(Err(_)) => return Err(Problem::new(ProblemCode::BadRequest, "the body broke off before its end")),
        Err(_) => {
            let seconds = PATIENCE.as_secs();
            return Err(Problem::new(
                ProblemCode::RequestTimeout,
                format!("the body did not arrive within {seconds} s"),
            ));
        }
    };
    Ok(next.run(Request::from_parts(parts, Body::from(bytes))).await)
}

fn too_large(max: usize) -> Problem {
    Problem::new(ProblemCode::BodyTooLarge, format!("the body is larger than {max} bytes, the limit here"))
}
