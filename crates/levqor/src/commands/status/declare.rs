//! `levqor status declare|declarations|withdraw`: what operators say on the status page.

use std::time::Duration;

use levqor_model::{Clock, SystemClock};
use serde_json::{Value, json};

use super::super::client::{or_tell, send, word};
use crate::{
    Exit,
    cli::ClientArgs,
    console::{say, table},
};

const PATH: &str = "api/ops/status/declarations";

pub(super) async fn declare(
    client: &ClientArgs,
    part: &str,
    state: Option<&str>,
    words: &str,
    lasts: &str,
    as_json: bool,
) -> Exit {
    let lasts = match span(lasts) {
        Ok(lasts) => lasts,
        Err(problem) => {
            eprintln!("levqor: --for {problem}");
            return Exit::WrongUse;
        }
    };
    let until = SystemClock.now() + lasts;
    let body = json!({ "part": part, "state": state, "words": words, "until": until });
    let said = match or_tell(send(client, PATH, Some(body)).await) {
        Ok(said) => said,
        Err(exit) => return exit,
    };
    if as_json {
        say(format_args!("{said:#}"));
    } else {
        say(format_args!(
            "{} says so of {} until {}",
            word(&said["id"]),
            word(&said["part"]),
            word(&said["until"])
        ));
    }
    Exit::Done
}

pub(super) async fn list(client: &ClientArgs, as_json: bool) -> Exit {
    let found = match or_tell(send(client, PATH, None).await) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let all = found["declarations"].as_array().map_or(&[][..], Vec::as_slice);
    if as_json {
        say(format_args!("{found:#}"));
    } else if all.is_empty() {
        say("nothing is said: the status page shows what is measured");
    } else {
        let row = |said: &Value| {
            ["id", "part", "state", "until", "by", "words"].map(|name| word(&said[name])).into()
        };
        say(table(&["id", "part", "called", "until", "by", "words"], all.iter().map(row)));
    }
    Exit::Done
}

pub(super) async fn withdraw(client: &ClientArgs, id: &str, as_json: bool) -> Exit {
    if !id.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        eprintln!("levqor: {id:?} is not the id of a declaration; `levqor status declarations` lists them");
        return Exit::WrongUse;
    }
    match or_tell(send(client, &format!("{PATH}/{id}/withdraw"), Some(json!({}))).await) {
        Ok(gone) if as_json => say(format_args!("{gone:#}")),
        Ok(gone) => say(format_args!("taken back: {}", word(&gone["words"]))),
        Err(exit) => return exit,
    }
    Exit::Done
}

/// `30m`, `2h`, `3d`.
fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; write it like 30m, 2h or 3d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = text.trim_end_matches(unit).parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit() {
        for (text, seconds) in [
            ("30m", Some(1_800)),
            ("2h", Some(7_200)),
            ("7d", Some(604_800)),
            ("90s", Some(90)),
            ("2", None),
            ("h", None),
            ("", None),
            ("-2h", None),
            ("2 h", None),
        ] {
            assert_eq!(span(text).ok().map(|span| span.as_secs()), seconds, "{text}");
        }
    }
}
