//! Takes the whole body of a request in, within bounds of size, time and pace, before anything is done for it.
//!
//! No route takes bodies that are larger than memory likes, so one place can hold the limits: handlers get a body that is
//! complete, and a client that sends a byte a second holds nothing but its own connection, and not for long.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody},
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use levqor_model::ProblemCode;
use tokio::time::{Instant, timeout_at};

use super::GatewaySettings;
use crate::{App, Problem};

/// The pace of a body is looked at this often.
const PACE_WINDOW: Duration = Duration::from_secs(5);

pub(super) async fn collect(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return Ok(next.run(Request::from_parts(parts, body)).await);
    }
    let bytes = gather(body, app.settings.body_bytes_max, &app.settings.gateway).await?;
    Ok(next.run(Request::from_parts(parts, Body::from(bytes))).await)
}

async fn gather(mut body: Body, max: usize, settings: &GatewaySettings) -> Result<Bytes, Problem> {
    // A length that is known and too large is refused before a byte is read.
    if body.size_hint().lower() > max as u64 {
        return Err(too_large(max));
    }
    let began = Instant::now();
    let (end, pace) = (began + settings.body_timeout, settings.body_rate_min * PACE_WINDOW.as_secs());
    let mut collected = BytesMut::new();
    let (mut look_at, mut brought) = (began + PACE_WINDOW, 0_u64);
    loop {
        match timeout_at(end.min(look_at), body.frame()).await {
            Ok(None) => return Ok(collected.freeze()),
            Ok(Some(Ok(frame))) => {
                // Trailers are nothing to us.
                let Ok(data) = frame.into_data() else { continue };
                if collected.len() + data.len() > max {
                    return Err(too_large(max));
                }
                brought += data.len() as u64;
                collected.extend_from_slice(&data);
            }
            Ok(Some(Err(_))) => {
                return Err(Problem::new(ProblemCode::BadRequest, "the body broke off before its end"));
            }
            Err(_) if Instant::now() >= end => {
                let seconds = settings.body_timeout.as_secs();
                return Err(too_slow(format!("the body did not arrive within {seconds} s")));
            }
            Err(_) => {}
        }
        if Instant::now() >= look_at {
            if brought < pace {
                let (rate, seconds) = (settings.body_rate_min, PACE_WINDOW.as_secs());
                return Err(too_slow(format!(
                    "the body brought less than {rate} bytes a second for {seconds} s"
                )));
            }
            (look_at, brought) = (Instant::now() + PACE_WINDOW, 0);
        }
    }
}

fn too_slow(detail: String) -> Problem {
    Problem::new(ProblemCode::RequestTimeout, detail)
}

fn too_large(max: usize) -> Problem {
    Problem::new(ProblemCode::BodyTooLarge, format!("the body is larger than {max} bytes, the limit here"))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    /// A body that brings so many bytes each so many milliseconds, so often.
    fn dripping(bytes: usize, every_ms: u64, times: usize) -> Body {
        let drops = futures_util::stream::iter(0..times).then(move |_| async move {
            tokio::time::sleep(Duration::from_millis(every_ms)).await;
            Ok::<_, std::io::Error>(vec![b'x'; bytes])
        });
        Body::from_stream(drops)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_keeps_pace_or_is_given_up() {
        let settings = GatewaySettings::default();
        let rows = [
            // What is asked for is 5,120 bytes in 5 s, and an end within 30 s.
            (dripping(2_000, 1_000, 20), Ok(40_000)),
            (dripping(1, 1, 100), Ok(100)),
            (dripping(1, 1_000, 60), Err("less than 1024 bytes a second for 5 s")),
            (dripping(0, 100, 100), Err("less than 1024 bytes a second for 5 s")),
            (dripping(20_000, 4_900, 100), Err("did not arrive within 30 s")),
            (dripping(60_000, 1, 100), Err("larger than 1000000 bytes")),
            (Body::from("short"), Ok(5)),
        ];
        for (place, (body, expected)) in rows.into_iter().enumerate() {
            let found = gather(body, 1_000_000, &settings).await;
            match (found, expected) {
                (Ok(bytes), Ok(length)) => assert_eq!(bytes.len(), length, "row {place}"),
                (Err(problem), Err(part)) => {
                    assert!(problem.detail.contains(part), "row {place}: {}", problem.detail);
                }
                (found, expected) => panic!("row {place}: {found:?} and not {expected:?}"),
            }
        }
        let patient = GatewaySettings { body_rate_min: 0, ..settings };
        assert!(gather(dripping(1, 1_000, 20), 1_000, &patient).await.is_ok());
    }
}
