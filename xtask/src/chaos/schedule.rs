//! A schedule of one second: each due time fires once, whoever lives.

use anyhow::{bail, ensure};
use levqor_testkit::Client;
use serde_json::Value;

use crate::checker::get;

/// Deletes the workflow that ticks, and with it its schedule.
pub async fn stop_ticking(client: &Client, ticks: &str) -> anyhow::Result<()> {
    let answer = client.delete(&format!("/api/workflows/{ticks}")).await?;
    ensure!(matches!(answer.status, 200 | 204), "the schedule could not be stopped: {}", answer.body);
    Ok(())
}

/// Each second since the schedule began has fired, in order, up to the one that fired last.
pub async fn missed_ticks(client: &Client, ticks: &str) -> anyhow::Result<Vec<String>> {
    let workflow = get(client, &format!("/api/workflows/{ticks}")).await?;
    let schedule = &workflow["schedule"];
    let time = |value: &Value| value.as_str().and_then(seconds_of);
    let (Some(begun), Some(last)) = (time(&workflow["created_at"]), time(&schedule["last"])) else {
        bail!("the schedule never fired: {schedule}");
    };
    let expected = (last - begun).rem_euclid(24.0 * 3_600.0);
    let [fired, missed, skipped] =
        ["fired", "missed", "skipped"].map(|name| schedule[name].as_f64().unwrap_or_default());
    if (fired - expected).abs() < 0.5 && missed + skipped < 0.5 {
        return Ok(Vec::new());
    }
    Ok(vec![format!("of {expected} due times {fired} fired, {missed} were missed and {skipped} skipped")])
}

/// Seconds of the day of a time in RFC 3339, UTC.
fn seconds_of(text: &str) -> Option<f64> {
    let time = text.split('T').nth(1)?.trim_end_matches('Z');
    let mut parts = time.split(':').map(|part| part.parse::<f64>().ok());
    Some(parts.next()?? * 3_600.0 + parts.next()?? * 60.0 + parts.next()??)
}
