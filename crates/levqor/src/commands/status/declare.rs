//! `levqor status declare|declarations|withdraw`: what operators say on the status page.

use std::time::Duration;

use levqor_model::{Clock, SystemClock};
use serde_json::{Value, json};

use super::super::client::{answered, items, send, word};
use crate::{
    Exit,
    cli::ClientArgs,
    console::{say, say_table},
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
    answered(send(client, PATH, Some(body)).await, as_json, |said| {
        let [id, part, until] = ["id", "part", "until"].map(|name| word(&said[name]));
        say(format_args!("{id} says so of {part} until {until}"));
    })
}

pub(super) async fn list(client: &ClientArgs, as_json: bool) -> Exit {
    answered(send(client, PATH, None).await, as_json, |found| {
        let row = |said: &Value| {
            ["id", "part", "state", "until", "by", "words"].map(|name| word(&said[name])).to_vec()
        };
        let nothing = "nothing is said: the status page shows what is measured";
        let heads = ["id", "part", "called", "until", "by", "words"];
        say_table(&heads, items(&found["declarations"]).iter().map(row), nothing);
    })
}

pub(super) async fn withdraw(client: &ClientArgs, id: &str, as_json: bool) -> Exit {
    if !id.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        eprintln!("levqor: {id:?} is not the id of a declaration; `levqor status declarations` lists them");
        return Exit::WrongUse;
    }
    let asked = send(client, &format!("{PATH}/{id}/withdraw"), Some(json!({}))).await;
    answered(asked, as_json, |gone| say(format_args!("taken back: {}", word(&gone["words"]))))
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
