//! `levqor jobs`: what the platform does by itself, what came of it, and doing it now.

use std::{
    io::stdout,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::client::{items, or_tell, present, send, word};
use crate::{
    Exit,
    cli::{ClientArgs, JobsArgs, JobsCommand},
    console::{Tone, paint, say, table},
};

const JOBS: &str = "api/ops/jobs";
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Longer than any job may take.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// Letters of a result in a table.
const RESULT_CHARS: usize = 90;

pub async fn jobs(args: &JobsArgs, as_json: bool) -> Exit {
    let outcome = match &args.command {
        None => list(&args.client, as_json).await,
        Some(JobsCommand::List(client)) => list(client, as_json).await,
        Some(JobsCommand::Run { id, no_wait, client }) => run(client, id, !no_wait, as_json).await,
        Some(JobsCommand::History { id, limit, client }) => history(client, id, *limit, as_json).await,
        Some(JobsCommand::Pause { id, reason, client }) => {
            let body = json!({ "reason": reason });
            change(client, id, "pause", body, as_json).await
        }
        Some(JobsCommand::Resume { id, client }) => change(client, id, "resume", json!({}), as_json).await,
    };
    outcome.unwrap_or_else(|exit| exit)
}

/// The address of a job. A name that is none is refused here: it would be another address.
fn of(id: &str) -> Result<String, Exit> {
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
        return Ok(format!("{JOBS}/{id}"));
    }
    eprintln!("levqor: {id:?} is no id of a job; `levqor jobs list` shows them");
    Err(Exit::WrongUse)
}

async fn list(client: &ClientArgs, as_json: bool) -> Result<Exit, Exit> {
    let found = or_tell(send(client, JOBS, None).await)?;
    let jobs = items(&found["jobs"]);
    present(&found, as_json, || show(&found, jobs));
    Ok(if jobs.iter().all(is_good) { Exit::Done } else { Exit::Failed })
}

fn show(found: &Value, jobs: &[Value]) {
    let rows = jobs.iter().map(|job| {
        let last = &job["last"];
        vec![
            word(&job["id"]),
            state(job),
            if last.is_null() { "-".to_owned() } else { ended(&last["state"]) },
            word(&last["ended_at"]),
            job["next"][0]["local"].as_str().unwrap_or("-").to_owned(),
            result(last),
        ]
    });
    say(table(&["job", "state", "last", "ended at", "next", "result"], rows));
    say(format_args!(
        "\n{} of {} jobs are active, {} run now",
        found["active"],
        jobs.len(),
        found["running"]
    ));
}

/// It is active and in time, and did not fail the last time.
fn is_good(job: &Value) -> bool {
    job["state"] == "active" && job["failures"] == 0 && job["late"].is_null()
}

fn state(job: &Value) -> String {
    let (text, tone) = match (job["state"].as_str(), job["running"]["state"].as_str()) {
        _ if !job["late"].is_null() => ("late", Tone::Bad),
        (Some("paused"), _) => ("paused", Tone::Warning),
        (_, Some(running)) => return running.to_owned(),
        (Some("active"), None) => return "active".to_owned(),
        _ => ("unknown", Tone::Warning),
    };
    paint(text, tone, &stdout())
}

fn ended(state: &Value) -> String {
    let text = word(state).replace('_', " ");
    match text.as_str() {
        "done" => paint(&text, Tone::Good, &stdout()),
        "failed" | "timed out" | "crashed" => paint(&text, Tone::Bad, &stdout()),
        _ => text,
    }
}

/// What a firing gave, on one line of a table.
fn result(firing: &Value) -> String {
    let text = firing["summary"].as_str().or(firing["problem"].as_str()).unwrap_or("-");
    match text.char_indices().nth(RESULT_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

async fn run(client: &ClientArgs, id: &str, wait: bool, as_json: bool) -> Result<Exit, Exit> {
    let address = of(id)?;
    let asked = or_tell(send(client, &format!("{address}/run"), Some(json!({}))).await)?;
    let mut firing = asked["firing"].clone();
    let began = Instant::now();
    while wait && matches!(firing["state"].as_str(), Some("waiting" | "running")) {
        if began.elapsed() > PATIENCE {
            eprintln!(
                "levqor: {id} has not ended within {} s; see `levqor jobs history {id}`",
                PATIENCE.as_secs()
            );
            return Err(Exit::Failed);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        let found = or_tell(send(client, &format!("{address}/history?limit=20"), None).await)?;
        if let Some(now) = items(&found["firings"]).iter().find(|one| one["due_at"] == firing["due_at"]) {
            firing = now.clone();
        }
    }
    let exit = match firing["state"].as_str() {
        Some("failed" | "timed_out" | "crashed") => Exit::Failed,
        _ => Exit::Done,
    };
    present(&json!({ "firing": firing, "already": asked["already"] }), as_json, || {
        if asked["already"] == true {
            say("it was asked for before and had not ended");
        }
        say(format_args!("{id}: {}", ended(&firing["state"])));
        for text in [&firing["summary"], &firing["problem"]].into_iter().filter_map(Value::as_str) {
            say(text);
        }
    });
    Ok(exit)
}

async fn history(client: &ClientArgs, id: &str, limit: u8, as_json: bool) -> Result<Exit, Exit> {
    let found = or_tell(send(client, &format!("{}/history?limit={limit}", of(id)?), None).await)?;
    let rows = items(&found["firings"]).iter().map(|firing| {
        vec![
            word(&firing["due_at"]),
            word(&firing["cause"]),
            ended(&firing["state"]),
            word(&firing["attempt"]),
            firing["duration_ms"].as_i64().map_or_else(|| "-".to_owned(), |took| format!("{took} ms")),
            result(firing),
        ]
    });
    present(&found, as_json, || {
        say(table(&["due at", "cause", "state", "attempt", "took", "result"], rows));
        if !found["next_cursor"].is_null() {
            say("there are more; --json with --limit shows up to 200");
        }
    });
    Ok(Exit::Done)
}

async fn change(client: &ClientArgs, id: &str, verb: &str, body: Value, as_json: bool) -> Result<Exit, Exit> {
    let found = or_tell(send(client, &format!("{}/{verb}", of(id)?), Some(body)).await)?;
    present(&found, as_json, || {
        let next = found["next"][0]["local"].as_str().unwrap_or("not until it is resumed");
        say(format_args!("{id} is {}; next: {next}", state(&found)));
    });
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_fits_on_a_line() {
        let long = json!({ "summary": "é".repeat(200) });
        assert_eq!(result(&long).chars().count(), RESULT_CHARS + 1);
        assert_eq!(result(&json!({ "problem": "no" })), "no");
        assert_eq!(result(&Value::Null), "-");
    }

    #[test]
    fn one_that_is_late_is_not_good() {
        assert!(is_good(&json!({ "state": "active", "failures": 0 })));
        for bad in [
            json!({ "state": "active", "failures": 0, "late": "was due 300 s ago and has not begun" }),
            json!({ "state": "paused", "failures": 0 }),
            json!({ "state": "active", "failures": 1 }),
        ] {
            assert!(!is_good(&bad), "{bad}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_no_address() {
        assert_eq!(of("kv_costs").ok().as_deref(), Some("api/ops/jobs/kv_costs"));
        for wrong in ["", "../keys", "a b", "a?b"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
