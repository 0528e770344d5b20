//! `levqor status verify`: signed days of uptime, checked and counted again by whoever likes.

use std::{io::stdout, time::Duration};

use levqor_model::{
    Clock, Date, PublicKey, SystemClock, Timestamp,
    uptime::{Observation, SignedUptime, Tally, UptimeRecord},
};
use serde_json::{Value, json};

use super::super::client::send_as_anyone;
use crate::{
    Exit,
    cli::ClientArgs,
    console::{Tone, paint, say, table},
};

/// Single observations are kept for so many days; of the last one, only part may be there.
const EVIDENCE_DAYS: i64 = 6;
/// A server that runs has signed a day so long after its end: an hour until it is settled, and time to come to it.
const SIGNED_WITHIN: Duration = Duration::from_secs(3 * 60 * 60);

#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) day: Option<&'a str>,
    pub(super) days: u16,
    pub(super) public_key: Option<&'a str>,
}

/// What came of one day.
#[derive(Debug)]
struct Verdict {
    day: Date,
    /// Share of the known time that was good, and of the day that is known, over all parts.
    good: Option<f64>,
    known: Option<f64>,
    /// None: the samples are not kept any more.
    counted: Option<bool>,
    findings: Vec<String>,
}

pub(super) async fn verify(client: &ClientArgs, wanted: &Wanted<'_>, as_json: bool) -> Exit {
    match all(client, wanted).await {
        Ok((verdicts, key)) => tell(&verdicts, &key, wanted.public_key.is_some(), as_json),
        Err((exit, problem)) => {
            eprintln!("levqor: {problem}");
            exit
        }
    }
}

async fn all(client: &ClientArgs, wanted: &Wanted<'_>) -> Result<(Vec<Verdict>, PublicKey), (Exit, String)> {
    let wrong = |problem: String| (Exit::WrongUse, problem);
    let given = wanted.public_key.map(PublicKey::parse).transpose();
    let given = given.map_err(|error| wrong(format!("--public-key: {error}")))?;
    let days = match wanted.day {
        Some(day) => {
            let day: Date = day.parse().map_err(|error| wrong(format!("--day: {error}")))?;
            vec![day]
        }
        None => listed(client, usize::from(wanted.days)).await?,
    };
    if days.is_empty() {
        let problem = "no day is signed yet; a day is counted an hour after its end (UTC)";
        return Err((Exit::Failed, problem.to_owned()));
    }
    let shown = days.len();
    let (mut verdicts, mut key, mut before) = (Vec::new(), given, None::<(Date, String)>);
    // Oldest first, so that each is held against the one before.
    for day in days {
        let (mut verdict, signed, previous) = one(client, day, key, before.as_ref()).await?;
        if wanted.day.is_none() {
            let is_first = verdicts.is_empty() && shown < usize::from(wanted.days);
            verdict.findings.extend(is_first.then(|| older(previous.as_deref())).flatten());
            let is_last = verdicts.len() + 1 == shown;
            verdict.findings.extend(is_last.then(|| newer(day, SystemClock.now())).flatten());
        }
        // Without a key that was given, the first one that signs must be the only one.
        key = key.or_else(|| PublicKey::parse(&signed.key).ok());
        before = Some((day, signed.sha256));
        verdicts.push(verdict);
    }
    let key = key.ok_or((Exit::Failed, "the server names no key".to_owned()))?;
    Ok((verdicts, key))
}

/// What is wrong when a day is the last one that is shown: what is left out at the end breaks no chain.
fn newer(last: Date, now: Timestamp) -> Option<String> {
    let due = (now - SIGNED_WITHIN).date().plus_days(-1);
    (last < due).then(|| format!("it is the last one that is shown, but {due} should be signed by now"))
}

/// What is wrong when a day is the first one that is shown, of fewer than were asked for. `previous`: what its record says that it follows.
fn older(previous: Option<&str>) -> Option<String> {
    let follows = previous.is_some_and(|hash| !hash.is_empty());
    follows.then(|| "it follows a record that is not shown".to_owned())
}

/// The last days that are signed, oldest first.
async fn listed(client: &ClientArgs, days: usize) -> Result<Vec<Date>, (Exit, String)> {
    let mut found: Vec<Date> = Vec::new();
    let mut cursor = String::new();
    while found.len() < days {
        let page = send_as_anyone(client, &format!("api/status/uptime?limit=200{cursor}"), None).await?;
        let before = found.len();
        let all = page["days"].as_array().into_iter().flatten();
        found.extend(all.filter_map(|day| day["day"].as_str()?.parse::<Date>().ok()));
        match page["next_cursor"].as_str() {
            Some(_) if found.len() == before => {
                return Err((
                    Exit::Failed,
                    "the server's list of days has empty pages and no end".to_owned(),
                ));
            }
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    found.truncate(days);
    found.reverse();
    Ok(found)
}

/// Holds a day against its signature, its samples and the day before; with what its record says that it follows.
async fn one(
    client: &ClientArgs,
    day: Date,
    key: Option<PublicKey>,
    before: Option<&(Date, String)>,
) -> Result<(Verdict, SignedUptime, Option<String>), (Exit, String)> {
    let found = send_as_anyone(client, &format!("api/status/uptime/{day}"), None).await?;
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    let signed = SignedUptime {
        text: text("text"),
        sha256: text("sha256"),
        signature: text("signature"),
        key: text("public_key"),
    };
    let mut verdict = Verdict { day, good: None, known: None, counted: None, findings: Vec::new() };
    let record = match signed.verified(key.as_ref()) {
        Ok(record) => record,
        Err(error) => {
            verdict.findings.push(error.to_string());
            return Ok((verdict, signed, None));
        }
    };
    if record.day != day {
        verdict.findings.push(format!("it is the record of {}", record.day));
    }
    match before {
        Some((previous, _)) if previous.plus_days(1) != day => {
            verdict.findings.push(format!("there is no record between {previous} and {day}"));
        }
        Some((previous, hash)) if record.previous != *hash => {
            verdict
                .findings
                .push(format!("it follows another record of {previous} than the one that is shown"));
        }
        _ => {}
    }
    (verdict.good, verdict.known) = shares(&record);
    let is_kept = SystemClock.now().date().plus_days(-EVIDENCE_DAYS) <= day;
    if is_kept {
        let findings = again(client, &record).await?;
        verdict.counted = Some(findings.is_empty());
        verdict.findings.extend(findings);
    }
    Ok((verdict, signed, Some(record.previous)))
}

/// Of the time that is known how much was good, and how much of the day is known.
fn shares(record: &UptimeRecord) -> (Option<f64>, Option<f64>) {
    let good: i64 = record.components.iter().map(|part| part.good_us).sum();
    let known: i64 = good + record.components.iter().map(|part| part.bad_us).sum::<i64>();
    let day = 86_400_000_000.0 * record.components.len() as f64;
    let share = |part: i64, whole: f64| (whole > 0.0).then(|| part as f64 / whole);
    (share(good, known as f64), share(known, day))
}

/// What is different when the samples that the server shows are counted again, page by page.
async fn again(client: &ClientArgs, record: &UptimeRecord) -> Result<Vec<String>, (Exit, String)> {
    let day = record.day;
    let mut tally = Tally::new(day);
    let signed: u64 =
        record.components.iter().map(|part| u64::try_from(part.total).unwrap_or_default()).sum();
    let mut cursor = String::new();
    loop {
        let page = send_as_anyone(client, &format!("api/status/uptime/{day}/evidence{cursor}"), None).await?;
        let before = tally.counted();
        for one in page["observations"].as_array().into_iter().flatten() {
            let read = observation(one);
            let read =
                read.ok_or((Exit::Failed, format!("the server shows an observation that is none: {one}")))?;
            if let Err(error) = tally.add(&read) {
                return Ok(vec![error.to_string()]);
            }
        }
        match page["next_cursor"].as_str() {
            // Whatever comes after that, it is not what was signed; and a server may have no end of it.
            Some(_) if tally.counted() > signed => {
                return Ok(vec![format!(
                    "there are more than the {signed} observations that its record was counted from"
                )]);
            }
            Some(_) if tally.counted() == before => {
                return Err((Exit::Failed, format!("the server's samples of {day} have no end")));
            }
            Some(next) => cursor = format!("?cursor={next}"),
            None => return Ok(record.differences(&tally.record(record.previous.clone()))),
        }
    }
}

fn observation(value: &Value) -> Option<Observation> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    Some(Observation {
        region: text("region")?,
        component: text("component")?,
        at: text("at")?.parse::<Timestamp>().ok()?,
        node: text("node")?,
        good: value["good"].as_bool()?,
    })
}

fn percent(share: Option<f64>) -> String {
    // Never rounded up: all of it means all of it.
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.3} %", (share * 100_000.0).floor() / 1_000.0))
}

fn tell(verdicts: &[Verdict], key: &PublicKey, given: bool, as_json: bool) -> Exit {
    let good = verdicts.iter().all(|verdict| verdict.findings.is_empty());
    if as_json {
        let days: Vec<Value> = verdicts
            .iter()
            .map(|verdict| {
                json!({
                    "day": verdict.day, "good": verdict.good, "known": verdict.known,
                    "counted_again": verdict.counted.is_some(), "findings": verdict.findings,
                })
            })
            .collect();
        say(format_args!("{:#}", json!({ "holds": good, "public_key": key.to_string(), "days": days })));
    } else {
        let rows = verdicts.iter().map(|verdict| {
            let (tone, words) = match (verdict.findings.is_empty(), verdict.counted) {
                (false, _) => (Tone::Bad, "does not hold"),
                (true, Some(_)) => (Tone::Good, "holds, counted again"),
                (true, None) => (Tone::Good, "holds; its samples are not kept any more"),
            };
            vec![
                verdict.day.to_string(),
                percent(verdict.good),
                percent(verdict.known),
                paint(words, tone, &stdout()),
            ]
        });
        say(table(&["day", "good", "known", "record"], rows));
        for verdict in verdicts {
            for finding in &verdict.findings {
                say(paint(&format!("{}: {finding}", verdict.day), Tone::Bad, &stdout()));
            }
        }
        let whose =
            if given { "as given" } else { "by the server's own word; keep it, and give it as --public-key" };
        say(format_args!("\nsigned by {key} ({whose})"));
    }
    if good { Exit::Done } else { Exit::Failed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_at_the_ends_is_noticed() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let rows = [
            ("2026-11-24", "2026-11-25T02:59:59Z", false),
            ("2026-11-23", "2026-11-25T02:59:59Z", false),
            // By now there is the record of yesterday.
            ("2026-11-23", "2026-11-25T03:00:00Z", true),
            ("2026-11-24", "2026-11-25T03:00:00Z", false),
            ("2026-11-20", "2026-11-25T12:00:00Z", true),
        ];
        for (last, now, is_noticed) in rows {
            let found = newer(day(last), now.parse().unwrap());
            assert_eq!(found.is_some(), is_noticed, "{last} {now}: {found:?}");
        }
        assert!(
            newer(day("2026-11-20"), "2026-11-25T12:00:00Z".parse().unwrap())
                .unwrap()
                .contains("2026-11-24 should")
        );
        assert_eq!((older(None), older(Some(""))), (None, None), "the first of all follows nothing");
        assert!(older(Some("ab")).is_some());
    }

    #[test]
    fn a_share_is_never_rounded_up() {
        assert_eq!(percent(Some(0.999_999)), "99.999 %");
        assert_eq!(percent(Some(1.0)), "100.000 %");
        assert_eq!(percent(None), "-");
        let empty = UptimeRecord::of("2026-11-24".parse().unwrap(), &[], String::new());
        assert_eq!(shares(&empty), (None, None));
    }
}
