//! `/ping/{token}`: what jobs elsewhere call. Whoever knows the address may; the answer says nothing of the job.

use axum::extract::{Path, State};
use levqor_model::ProblemCode;
use levqor_store::heartbeats::Ping;

use super::service::hear;
use crate::{
    App, Problem,
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

/// What a good answer says.
const HEARD: &str = "OK";

pub(super) fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(get_ping, post_ping)).routes(routes!(get_signal, post_signal))
}

/// Say that a job has ended well.
///
/// `HEAD` does the same.
#[utoipa::path(
    get,
    path = "/ping/{token}",
    operation_id = "ping",
    tag = "heartbeats",
    params(("token" = String, Path, description = "The heartbeat's token")),
    responses((status = 200, description = "It is noted", body = String, content_type = "text/plain"), Refusals)
)]
async fn get_ping(State(app): State<App>, Path(token): Path<String>) -> Result<&'static str, Problem> {
    hear(&app, &token, Ping::Success).await.map(|()| HEARD)
}

/// Say that a job has ended well. The body is not looked at.
#[utoipa::path(
    post,
    path = "/ping/{token}",
    operation_id = "post_ping",
    tag = "heartbeats",
    params(("token" = String, Path, description = "The heartbeat's token")),
    responses((status = 200, description = "It is noted", body = String, content_type = "text/plain"), Refusals)
)]
async fn post_ping(State(app): State<App>, Path(token): Path<String>) -> Result<&'static str, Problem> {
    hear(&app, &token, Ping::Success).await.map(|()| HEARD)
}

/// Say that a job begins (`start`), that it failed (`fail`), or how it ended (its exit code, 0 to 255).
///
/// `HEAD` does the same.
#[utoipa::path(
    get,
    path = "/ping/{token}/{signal}",
    operation_id = "ping_signal",
    tag = "heartbeats",
    params(
        ("token" = String, Path, description = "The heartbeat's token"),
        ("signal" = String, Path, description = "`start`, `fail`, or an exit code")
    ),
    responses((status = 200, description = "It is noted", body = String, content_type = "text/plain"), Refusals)
)]
async fn get_signal(
    State(app): State<App>,
    Path((token, signal)): Path<(String, String)>,
) -> Result<&'static str, Problem> {
    hear(&app, &token, read(&signal)?).await.map(|()| HEARD)
}

/// Say that a job begins (`start`), that it failed (`fail`), or how it ended (its exit code, 0 to 255). The body is not looked at.
#[utoipa::path(
    post,
    path = "/ping/{token}/{signal}",
    operation_id = "post_ping_signal",
    tag = "heartbeats",
    params(
        ("token" = String, Path, description = "The heartbeat's token"),
        ("signal" = String, Path, description = "`start`, `fail`, or an exit code")
    ),
    responses((status = 200, description = "It is noted", body = String, content_type = "text/plain"), Refusals)
)]
async fn post_signal(
    State(app): State<App>,
    Path((token, signal)): Path<(String, String)>,
) -> Result<&'static str, Problem> {
    hear(&app, &token, read(&signal)?).await.map(|()| HEARD)
}

fn read(signal: &str) -> Result<Ping, Problem> {
    match signal {
        "start" => return Ok(Ping::Start),
        "fail" => return Ok(Ping::Fail { exit_code: None }),
        _ => {}
    }
    let digits = !signal.is_empty() && signal.bytes().all(|byte| byte.is_ascii_digit());
    match signal.parse::<u8>().ok().filter(|_| digits) {
        Some(0) => Ok(Ping::Success),
        Some(code) => Ok(Ping::Fail { exit_code: Some(i64::from(code)) }),
        None => {
            let shown: String = signal.chars().take(20).collect();
            let words = format!(
                "{shown:?} is no signal; end the address with start, fail, or an exit code from 0 to 255"
            );
            Err(Problem::new(ProblemCode::BadParameter, words))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_words_and_exit_codes() {
        for (text, expected) in [
            ("start", Some(Ping::Start)),
            ("fail", Some(Ping::Fail { exit_code: None })),
            ("0", Some(Ping::Success)),
            ("2", Some(Ping::Fail { exit_code: Some(2) })),
            ("255", Some(Ping::Fail { exit_code: Some(255) })),
            ("256", None),
            ("-1", None),
            ("+1", None),
            ("", None),
            ("stop", None),
        ] {
            assert_eq!(read(text).ok(), expected, "{text}");
        }
    }
}
