//! `levqor status`: how a running server is, in a terminal (with a key of an operator: how everything is); what its operators say, and
//! whether its signed days hold.

mod declare;
mod overview;
mod parts;
mod verify;

use std::{io::stdout, time::Duration};

use serde_json::{Value, json};

use crate::{
    Exit,
    cli::{ClientArgs, StatusArgs, StatusCommand},
    console::{Tone, paint, say, table},
};

/// Longest time for one answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A server asks its parts for up to four seconds, and may have begun to do so for somebody else.
const TIMEOUT_OF_EVERYTHING: Duration = Duration::from_secs(12);

pub async fn status(args: &StatusArgs, as_json: bool) -> Exit {
    match &args.command {
        None => ask(&args.client, as_json).await,
        Some(StatusCommand::Verify { day, days, public_key, client }) => {
            let wanted =
                verify::Wanted { day: day.as_deref(), days: *days, public_key: public_key.as_deref() };
            verify::verify(client, &wanted, as_json).await
        }
        Some(StatusCommand::Declare { part, state, words, lasts, client }) => {
            declare::declare(client, part, state.as_deref(), words, lasts, as_json).await
        }
        Some(StatusCommand::Parts(client)) => parts::list(client, as_json).await,
        Some(StatusCommand::Declarations(client)) => declare::list(client, as_json).await,
        Some(StatusCommand::Withdraw { id, client }) => declare::withdraw(client, id, as_json).await,
    }
}

async fn ask(args: &ClientArgs, as_json: bool) -> Exit {
    let client = match reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build() {
        Ok(client) => client,
        Err(error) => {
            eprintln!("levqor: cannot make requests: {error}");
            return Exit::Failed;
        }
    };
    let base = args.url.trim_end_matches('/');
    if !matches!(url::Url::parse(base), Ok(url) if matches!(url.scheme(), "http" | "https")) {
        eprintln!(
            "levqor: --url {base:?} is not an http or https address; write it like http://127.0.0.1:8000"
        );
        return Exit::WrongUse;
    }
    let health = match get(&client, args, &format!("{base}/health")).await {
        Ok(health) => health,
        Err(problem) => {
            if as_json {
                say(format_args!("{:#}", json!({ "url": base, "reachable": false, "error": problem })));
            } else {
                eprintln!(
                    "levqor: {base} does not answer: {problem}; start it with `levqor`, or name another with --url"
                );
            }
            return Exit::Failed;
        }
    };
    if !health["version"].is_string() {
        let problem = format!("{base} answers, but not as a Levqor server does; name another with --url");
        if as_json {
            say(format_args!("{:#}", json!({ "url": base, "reachable": true, "error": problem })));
        } else {
            eprintln!("levqor: {problem}");
        }
        return Exit::Failed;
    }
    let ready = get(&client, args, &format!("{base}/ready")).await.unwrap_or_default();
    let metrics = get(&client, args, &format!("{base}/api/metrics/app")).await.unwrap_or_default();
    let regions = get(&client, args, &format!("{base}/api/regions")).await.unwrap_or_default();
    let is_ready = ready["status"] == "ready";
    let everything = match &args.key {
        Some(_) => ask_for_everything(args, base).await,
        None => Everything::NotForUs,
    };
    if as_json {
        let mut all = json!({ "url": base, "reachable": true, "health": health, "ready": ready, "metrics": metrics, "regions": regions });
        match &everything {
            Everything::Known(everything) => all["overview"] = everything.clone(),
            Everything::Hidden(problem) => all["overview_unknown"] = json!(problem),
            Everything::NotForUs => {}
        }
        say(format_args!("{all:#}"));
    } else if let Everything::Known(everything) = &everything {
        head(base, &health, is_ready);
        say(format_args!("\n{}", overview::shown(everything, &|word, tone| paint(word, tone, &stdout()))));
        dependencies(&ready);
        figures(&metrics);
    } else {
        show(base, &health, &ready, &metrics, &regions, is_ready);
        if args.key.is_none() {
            say(
                "\nWhether everything is all right is told to operators: give the key of one by --key or LEVQOR_API_KEY.",
            );
        }
    }
    match &everything {
        Everything::Known(everything) => {
            return if is_ready && overview::is_all_right(everything) { Exit::Done } else { Exit::Failed };
        }
        Everything::Hidden(problem) => {
            eprintln!("levqor: how everything is cannot be told: {problem}");
            return Exit::Failed;
        }
        Everything::NotForUs => {}
    }
    // A problem document in place of the figures: most often a key that the server does not know.
    if let (Some(status), Some(detail)) = (metrics["status"].as_u64(), metrics["detail"].as_str()) {
        eprintln!("levqor: the figures were refused with {status}: {detail}");
        return Exit::Failed;
    }
    if is_ready { Exit::Done } else { Exit::Failed }
}

/// What operators see.
enum Everything {
    Known(Value),
    /// The key is no operator's, or the server is older: these see what everybody sees.
    NotForUs,
    /// An operator would see it, and does not: why. That hides how it is.
    Hidden(String),
}

async fn ask_for_everything(args: &ClientArgs, base: &str) -> Everything {
    let client = match reqwest::Client::builder().timeout(TIMEOUT_OF_EVERYTHING).no_proxy().build() {
        Ok(client) => client,
        Err(error) => return Everything::Hidden(cause(&error)),
    };
    told_of_everything(get(&client, args, &format!("{base}/api/ops/overview")).await)
}

fn told_of_everything(answer: Result<Value, String>) -> Everything {
    match answer {
        Err(problem) => Everything::Hidden(problem),
        Ok(overview) if overview::is_overview(&overview) => Everything::Known(overview),
        Ok(problem) => match (problem["status"].as_u64(), problem["detail"].as_str()) {
            // With a key that the server does not know, the figures are refused, too, and that is told.
            (Some(401 | 403 | 404), Some(_)) => Everything::NotForUs,
            (Some(status), Some(detail)) => {
                Everything::Hidden(format!("it was refused with {status}: {detail}"))
            }
            _ => Everything::Hidden("the answer is none of a Levqor server".to_owned()),
        },
    }
}

/// The JSON of an answer, also of a 503, which carries the reasons.
async fn get(client: &reqwest::Client, args: &ClientArgs, url: &str) -> Result<Value, String> {
    let mut request = client.get(url);
    if let Some(key) = &args.key {
        request = request.bearer_auth(key);
    }
    let answer = request.send().await.map_err(|error| cause(&error))?;
    let text = answer.text().await.map_err(|error| cause(&error))?;
    serde_json::from_str(&text).map_err(|_| format!("{url} did not answer with JSON; is it a Levqor server?"))
}

/// The innermost reason, which is the one that says something.
fn cause(error: &reqwest::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}

fn show(base: &str, health: &Value, ready: &Value, metrics: &Value, regions: &Value, is_ready: bool) {
    head(base, health, is_ready);
    dependencies(ready);
    figures(metrics);
    if let Some(list) = regions["regions"].as_array() {
        let rows = list
            .iter()
            .map(|region| vec![text(&region["code"]), text(&region["name"]), text(&region["status"])]);
        say(format_args!("\n{}", table(&["region", "name", "status"], rows)));
    }
}

fn head(base: &str, health: &Value, is_ready: bool) {
    let word = if is_ready {
        paint("ready", Tone::Good, &stdout())
    } else {
        paint("not ready", Tone::Bad, &stdout())
    };
    say(format_args!(
        "{} {word}  levqor {} in {}, up {} s",
        paint(base, Tone::Strong, &stdout()),
        text(&health["version"]),
        text(&health["region"]),
        text(&health["uptime_seconds"])
    ));
}

fn dependencies(ready: &Value) {
    if let Some(checks) = ready["checks"].as_object() {
        let rows = checks
            .iter()
            .map(|(name, check)| vec![name.clone(), verdict(&check["ok"]), text(&check["detail"])]);
        say(format_args!("\n{}", table(&["dependency", "state", "detail"], rows)));
    }
}

fn figures(metrics: &Value) {
    let figures = [
        ("requests", &metrics["requests_total"]),
        ("errors, last 5 min", &metrics["errors_last_5m"]),
        ("latency p95, ms", &metrics["latency_ms"]["p95"]),
        ("runs running", &metrics["runs"]["running"]),
        ("runs waiting", &metrics["runs"]["waiting"]),
        ("runs completed", &metrics["runs"]["completed"]),
        ("runs faulted", &metrics["runs"]["faulted"]),
    ];
    say(format_args!(
        "\n{}",
        table(
            &["figure", "value"],
            figures.iter().map(|(name, value)| vec![(*name).to_owned(), text(value)])
        )
    ));
}

/// What a check says of its dependency; a dash when it says nothing.
fn verdict(ok: &Value) -> String {
    match ok.as_bool() {
        Some(true) => paint("ok", Tone::Good, &stdout()),
        Some(false) => paint("not ok", Tone::Bad, &stdout()),
        None => "-".to_owned(),
    }
}

/// A value without quotes; a dash when it is not there.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_may_not_see_everything_is_content_with_less() {
        let word = |answer| match told_of_everything(answer) {
            Everything::Known(_) => "known".to_owned(),
            Everything::NotForUs => "not for us".to_owned(),
            Everything::Hidden(problem) => problem,
        };
        let refused = |status: u16| Ok(json!({ "status": status, "detail": "no" }));
        for (answer, expected) in [
            (Ok(json!({ "verdict": { "standing": "all_right" }, "parts": [] })), "known"),
            (refused(401), "not for us"),
            (refused(403), "not for us"),
            (refused(404), "not for us"),
            (refused(429), "it was refused with 429: no"),
            (refused(500), "it was refused with 500: no"),
            (refused(503), "it was refused with 503: no"),
            (Err("operation timed out".to_owned()), "operation timed out"),
            (Ok(json!({ "hello": "world" })), "the answer is none of a Levqor server"),
        ] {
            assert_eq!(word(answer.clone()), expected, "{answer:?}");
        }
    }
}
