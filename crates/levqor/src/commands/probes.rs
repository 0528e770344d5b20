//! `levqor probes list|run|history|check`: what regions and other targets are like from outside.

use std::{io::stdout, path::Path, time::Duration};

use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::client::{items, or_tell, present, send, send_within, word};
use crate::{
    Exit,
    cli::{ClientArgs, ProbesArgs, ProbesCommand},
    config,
    console::{Tone, paint, say, table},
};

const PROBES: &str = "api/ops/probes";
/// A journey waits for runs, in every region.
const RUN_PATIENCE: Duration = Duration::from_secs(6 * 60);

pub async fn probes(args: &ProbesArgs, as_json: bool) -> Exit {
    let outcome = match &args.command {
        None => list(&args.client, as_json).await,
        Some(ProbesCommand::List(client)) => list(client, as_json).await,
        Some(ProbesCommand::Run { name, target, client }) => {
            run(client, name, target.as_deref(), as_json).await
        }
        Some(ProbesCommand::History { name, target, from, limit, client }) => {
            let of = Of { name, target: target.as_deref(), from: from.as_deref(), limit: *limit };
            history(client, &of, as_json).await
        }
        Some(ProbesCommand::Check { file }) => Ok(check(file, as_json)),
    };
    outcome.unwrap_or_else(|exit| exit)
}

fn tone(state: &Value) -> Tone {
    match state.as_str() {
        Some("up") => Tone::Good,
        Some("down") => Tone::Bad,
        _ => Tone::Warning,
    }
}

/// Milliseconds of microseconds; a dash when there are none.
fn millis(micros: &Value) -> String {
    micros.as_f64().map_or_else(|| "-".to_owned(), |micros| format!("{:.1} ms", micros / 1_000.0))
}

async fn list(client: &ClientArgs, as_json: bool) -> Result<Exit, Exit> {
    let found = or_tell(send(client, PROBES, None).await)?;
    present(&found, as_json, || {
        let mut rows = Vec::new();
        for probe in items(&found["probes"]) {
            for target in items(&probe["targets"]) {
                let regions = items(&target["regions"])
                    .iter()
                    .map(|region| format!("{} {}", word(&region["region"]), word(&region["state"])));
                rows.push(vec![
                    word(&probe["name"]),
                    word(&probe["kind"]),
                    word(&target["target"]),
                    paint(&word(&target["state"]), tone(&target["state"]), &stdout()),
                    word(&target["since"]),
                    millis(&target["looks"][0]["latency_us"]),
                    regions.collect::<Vec<_>>().join(", "),
                    word(&target["reason"]),
                ]);
            }
        }
        say(table(&["probe", "kind", "target", "state", "since", "latency", "seen from", "why"], rows));
        let state = word(&found["state"]).to_uppercase();
        say(format_args!("\n{}", paint(&format!("PROBES: {state}"), tone(&found["state"]), &stdout())));
    });
    Ok(if found["state"] == "up" { Exit::Done } else { Exit::Failed })
}

async fn run(client: &ClientArgs, name: &str, target: Option<&str>, as_json: bool) -> Result<Exit, Exit> {
    let path = format!("{PROBES}/{}/run", segment(name));
    let body = target.map_or_else(|| json!({}), |target| json!({ "target": target }));
    let found = or_tell(send_within(client, &path, Some(body), RUN_PATIENCE).await)?;
    present(&found, as_json, || {
        for look in items(&found["looks"]) {
            let good = look["good"] == true;
            let (mark, tone) = if good { ("good", Tone::Good) } else { ("bad", Tone::Bad) };
            let why = if good { String::new() } else { format!("  {}", word(&look["reason"])) };
            say(format_args!(
                "{}  {}  {}{why}",
                paint(mark, tone, &stdout()),
                word(&look["target"]),
                millis(&look["latency_us"])
            ));
            if let Some(until) = look["certificate_ends_at"].as_str() {
                say(format_args!("      certificate until {until}"));
            }
            for step in items(&look["steps"]) {
                let (name, status) = (word(&step["name"]), word(&step["status"]));
                say(format_args!("      {name}  {status}  {}", millis(&step["latency_us"])));
            }
        }
        if items(&found["looks"]).is_empty() {
            say("there is nothing to look at: no region has said where it is reached");
        }
    });
    Ok(if found["good"] == true { Exit::Done } else { Exit::Failed })
}

/// What is asked for.
struct Of<'a> {
    name: &'a str,
    target: Option<&'a str>,
    from: Option<&'a str>,
    limit: u64,
}

async fn history(client: &ClientArgs, of: &Of<'_>, as_json: bool) -> Result<Exit, Exit> {
    let mut query = Serializer::new(String::new());
    query.append_pair("limit", &of.limit.to_string());
    for (name, value) in [("target", of.target), ("region", of.from)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let path = format!("{PROBES}/{}/results?{}", segment(of.name), query.finish());
    let found = or_tell(send(client, &path, None).await)?;
    present(&found, as_json, || show_history(&found));
    Ok(Exit::Done)
}

fn show_history(found: &Value) {
    if ["changes", "days", "results"].iter().all(|list| items(&found[*list]).is_empty()) {
        say("nothing was seen of that, as far as it is kept");
        return;
    }
    let changes = items(&found["changes"]).iter().map(|change| {
        vec![
            word(&change["at"]),
            word(&change["target"]),
            paint(&word(&change["state"]), tone(&change["state"]), &stdout()),
            word(&change["reason"]),
        ]
    });
    say(table(&["changed", "target", "state", "why"], changes));
    say("");
    let days = items(&found["days"]).iter().map(|day| {
        vec![
            word(&day["day"]),
            word(&day["target"]),
            word(&day["region"]),
            word(&day["good"]),
            word(&day["total"]),
            millis(&day["latency_mean_us"]),
            millis(&day["latency_max_us"]),
        ]
    });
    say(table(&["day", "target", "seen from", "good", "of", "mean", "longest"], days));
    say("");
    let looks = items(&found["results"]).iter().map(|look| {
        let (state, tone) = if look["good"] == true { ("good", Tone::Good) } else { ("bad", Tone::Bad) };
        vec![
            word(&look["at"]),
            word(&look["target"]),
            word(&look["region"]),
            paint(state, tone, &stdout()),
            millis(&look["latency_us"]),
            word(&look["reason"]),
        ]
    });
    say(table(&["looked at", "target", "seen from", "result", "latency", "why"], looks));
    if !found["next_cursor"].is_null() {
        say("there are more looks; --limit shows up to 200, --target and --from fewer of others");
    }
}

fn check(file: &Path, as_json: bool) -> Exit {
    let (names, complaints): (Vec<String>, Vec<String>) = match config::probes(file) {
        Ok(found) => (found.probes.iter().map(|probe| probe.name.clone()).collect(), Vec::new()),
        Err(config::Unfit::Unreadable(problem)) => (Vec::new(), vec![problem]),
        Err(config::Unfit::Wrong(complaints)) => (Vec::new(), complaints),
    };
    let good = complaints.is_empty();
    if as_json {
        say(format_args!("{:#}", json!({ "valid": good, "probes": names, "errors": complaints })));
    } else if good {
        say(format_args!("{}: {} probes are looked at: {}", file.display(), names.len(), names.join(", ")));
    } else {
        for complaint in &complaints {
            say(complaint);
        }
    }
    if good { Exit::Done } else { Exit::Failed }
}

/// A name as a part of a path.
pub(super) fn segment(name: &str) -> String {
    Serializer::new(String::new()).append_key_only(name).finish().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_place_of_the_path() {
        for (name, expected) in [("reach", "reach"), ("a b", "a%20b"), ("../x?y", "..%2Fx%3Fy")] {
            assert_eq!(segment(name), expected);
        }
    }

    #[test]
    fn microseconds_are_told_in_milliseconds() {
        assert_eq!((millis(&json!(1_540)), millis(&Value::Null)), ("1.5 ms".to_owned(), "-".to_owned()));
    }
}
