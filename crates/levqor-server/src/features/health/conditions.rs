//! What alerts are told of components and of the disk.

use std::time::Duration;

use levqor_model::{Condition, Severity, Timestamp, Verdict};
use levqor_store::{
    Error,
    health::{AHEAD_MAX, Sample},
    nodes::Node,
};
use serde_json::json;

use crate::App;

/// Components that nodes observe of themselves, every five seconds.
const OWN: [&str; 4] = ["api", "database", "engine", "runs"];
/// Their evidence is fresh for this long.
const FRESH: Duration = Duration::from_secs(15);
/// That of others, who look less often.
const FRESH_OTHERS: Duration = Duration::from_secs(3 * 60);
/// What nobody has observed for this long is not there any more.
const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);
/// Free space is low below this, or below four times what a node needs.
const DISK_LOW_BYTES: u64 = 256 * 1024 * 1024;

/// Whether each component is well in each region, and whether there is space on the disk.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn conditions(app: &App) -> Result<Vec<Condition>, Error> {
    let now = app.now();
    let (samples, nodes) = (app.store.latest_samples().await?, app.store.nodes(None).await?);
    let mut found: Vec<Condition> = samples
        .iter()
        .filter(|sample| now.since(sample.at) <= FORGOTTEN && !was_left(&nodes, sample.region.as_str()))
        .map(|sample| of_component(sample, now))
        .collect();
    found.extend(disk(app));
    Ok(found)
}

/// Whether a region has no node because operators wanted it so.
fn was_left(nodes: &[Node], region: &str) -> bool {
    let mut there = nodes.iter().filter(|node| node.region.as_str() == region).peekable();
    there.peek().is_some()
        && there.all(|node| node.stopped_at.is_some() && node.stop_reason.as_deref() == Some("drained"))
}

fn of_component(sample: &Sample, now: Timestamp) -> Condition {
    let Sample { region, component, good, reason, latency_us, at, .. } = sample;
    let is_own = OWN.contains(&component.as_str());
    let fresh = if is_own { FRESH } else { FRESH_OTHERS };
    let (verdict, summary) = if now.since(*at) > fresh {
        (Verdict::Unknown, format!("{component} in {region} was observed last at {at}"))
    } else if at.since(now) > AHEAD_MAX {
        // Else a clock that was ahead once would have it well until that time comes.
        (Verdict::Unknown, format!("{component} in {region} was observed at {at}, which has not come yet"))
    } else if *good {
        (Verdict::Holds, format!("{component} in {region} is well"))
    } else {
        let reason = reason.as_deref().unwrap_or("for no reason that is known");
        (Verdict::Fails, format!("{component} in {region} is not well: {reason}"))
    };
    Condition {
        rule: "health.component".to_owned(),
        subject: format!("{region}/{component}"),
        verdict,
        severity: if is_own && component != "runs" { Severity::Critical } else { Severity::Major },
        summary,
        details: json!({ "region": region, "component": component, "observed_at": at, "reason": reason, "latency_us": latency_us }),
    }
}

/// None: the system does not tell, or nobody has looked yet.
fn disk(app: &App) -> Option<Condition> {
    let free = app.health.disk_free()?;
    let least = app.settings.disk_free_bytes_min;
    let low = least.saturating_mul(4).max(DISK_LOW_BYTES);
    let severity = if free < least { Severity::Critical } else { Severity::Major };
    Some(Condition {
        rule: "disk.free".to_owned(),
        subject: String::new(),
        verdict: if free < low { Verdict::Fails } else { Verdict::Holds },
        severity,
        summary: format!(
            "{} MiB are free where the database lives, and {} MiB should be",
            free / 1_048_576,
            low / 1_048_576
        ),
        details: json!({ "free_bytes": free, "low_bytes": low, "needed_bytes": least }),
    })
}

#[cfg(test)]
mod tests {
    use levqor_model::{NodeId, SeededRandom};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_500_000);

    fn sample(component: &str, good: bool) -> Sample {
        Sample {
            region: "eu-west".parse().unwrap(),
            node: NodeId::new(NOW, &SeededRandom::new(1)),
            component: component.to_owned(),
            at: NOW,
            good,
            latency_us: None,
            reason: (!good).then(|| "no answer".to_owned()),
        }
    }

    #[test]
    fn what_is_old_is_unknown_and_never_good() {
        for (component, good, age, verdict, severity) in [
            ("api", true, 15, Verdict::Holds, Severity::Critical),
            ("api", true, 16, Verdict::Unknown, Severity::Critical),
            ("api", false, 16, Verdict::Unknown, Severity::Critical),
            ("api", false, 1, Verdict::Fails, Severity::Critical),
            ("runs", false, 1, Verdict::Fails, Severity::Major),
            ("website", true, 60, Verdict::Holds, Severity::Major),
            ("website", true, 181, Verdict::Unknown, Severity::Major),
        ] {
            let found = of_component(&sample(component, good), NOW + Duration::from_secs(age));
            assert_eq!((found.verdict, found.severity), (verdict, severity), "{component} {good} {age}");
        }
    }

    #[test]
    fn what_lies_far_ahead_is_no_evidence() {
        for (ahead, good, verdict) in
            [(15, true, Verdict::Holds), (16, true, Verdict::Unknown), (3_600, false, Verdict::Unknown)]
        {
            let found = of_component(&sample("api", good), NOW - Duration::from_secs(ahead));
            assert_eq!(found.verdict, verdict, "{ahead} {good}");
        }
    }

    #[test]
    fn a_region_that_was_drained_is_not_missed() {
        let node = |stopped: Option<&str>| Node {
            id: NodeId::new(NOW, &SeededRandom::new(1)),
            region: "eu-west".parse().unwrap(),
            version: String::new(),
            epoch: 1,
            started_at: NOW,
            expires_at: NOW,
            lease: None,
            stopped_at: stopped.map(|_| NOW),
            stop_reason: stopped.map(str::to_owned),
        };
        for (nodes, left) in [
            (vec![], false),
            (vec![node(None)], false),
            (vec![node(Some("drained"))], true),
            (vec![node(Some("drained")), node(Some("expired"))], false),
            (vec![node(Some("drained")), node(None)], false),
        ] {
            assert_eq!(was_left(&nodes, "eu-west"), left, "{nodes:?}");
        }
    }
}
