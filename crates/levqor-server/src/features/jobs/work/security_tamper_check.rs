//! Has every node hash its files anew, and says how they are then.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Context, Done, Failure, output};
use crate::{
    features::tamper::{self, Standing},
    pages::{count, plural},
};

/// How often it is looked whether the nodes have done so.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long they are waited for; what is hashed by then is told, and the rest is not known.
const PATIENCE: Duration = Duration::from_secs(8 * 60);

pub(in super::super) async fn work(context: &Context) -> Done {
    let app = &context.app;
    let Some((name, asked)) = tamper::ask_for_new_hashes(app).await? else {
        return output(
            "No node guards its files, so whether they were changed is not known.",
            json!({ "verdict": "unknown", "places": [] }),
        );
    };
    let began = tokio::time::Instant::now();
    let (verdict, places) = loop {
        let (verdict, places) = tamper::standings(app).await?;
        let open = places.iter().any(|place| is_open(place, &asked, &name));
        if !open || began.elapsed() > PATIENCE {
            break (verdict, places);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let late: Vec<&str> = places
        .iter()
        .filter(|place| is_open(place, &asked, &name))
        .map(|place| place.place.as_str())
        .collect();
    let (files, findings) = places.iter().fold((0, 0), |sum: (u64, u64), place| {
        (sum.0.saturating_add(place.files), sum.1.saturating_add(place.findings))
    });
    let told: Vec<Value> = places
        .iter()
        .map(|place| {
            json!({
                "place": place.place, "region": place.region, "verdict": place.verdict, "files": place.files,
                "findings": place.findings, "hashed_anew": place.verified.as_deref() == Some(name.as_str()),
                "evidence_log_whole": place.evidence_whole,
            })
        })
        .collect();
    if !late.is_empty() {
        return Err(Failure::Other(format!(
            "not hashed within {} s: {}",
            PATIENCE.as_secs(),
            late.join(", ")
        )));
    }
    let whole: Vec<Option<bool>> = places.iter().map(|place| place.evidence_whole).collect();
    let summary = format!(
        "Files are {verdict}: {} on {}, {} not as agreed; the evidence log is {}.",
        plural(files.cast_signed(), "file", "files"),
        plural(i64::try_from(places.len()).unwrap_or(i64::MAX), "machine", "machines"),
        count(findings.cast_signed()),
        evidence(&whole)
    );
    output(summary, json!({ "verdict": verdict, "request": name, "places": told }))
}

/// What the machines say of the evidence log. One that has not verified it says nothing, which is no good word.
fn evidence(words: &[Option<bool>]) -> &'static str {
    if words.contains(&Some(false)) {
        "not whole"
    } else if words.iter().all(Option::is_none) {
        "not verified"
    } else if words.contains(&None) {
        "whole where it was verified, and not verified everywhere"
    } else {
        "whole"
    }
}

/// Whether a place that was asked and lives has not answered yet.
fn is_open(place: &Standing, asked: &[String], name: &str) -> bool {
    place.live && asked.contains(&place.place) && place.verified.as_deref() != Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_verified_is_not_told_as_whole() {
        for (words, told) in [
            (&[][..], "not verified"),
            (&[None, None][..], "not verified"),
            (&[Some(true), Some(true)][..], "whole"),
            (&[Some(true), None][..], "whole where it was verified, and not verified everywhere"),
            (&[None, Some(false), Some(true)][..], "not whole"),
        ] {
            assert_eq!(evidence(words), told);
        }
    }
}
