//! Whether each region that is not only planned is really ready: its nodes, how far its database is behind, what probes see, its keys,
//! and the same blueprint as everywhere.

use std::{collections::BTreeSet, time::Duration};

use levqor_model::{RegionCode, RegionStatus};
use serde_json::{Value, json};

use super::{Context, Done, Failure, output};
use crate::{
    App,
    features::{drift, regions},
};

/// What was observed longer ago says nothing of now.
const FRESH: Duration = Duration::from_secs(60);

/// A look at one thing: its name, whether it is good (None: not known), and what was found.
type Look = (&'static str, Option<bool>, String);

/// How a region is.
#[derive(Debug, Clone)]
pub(super) struct Readiness {
    pub(super) code: RegionCode,
    pub(super) status: RegionStatus,
    pub(super) looks: Vec<Look>,
}

impl Readiness {
    /// `ready`, `not ready`, `unknown`, or `planned` where nothing is asked.
    pub(super) fn verdict(&self) -> &'static str {
        if self.status == RegionStatus::Planned {
            "planned"
        } else if self.looks.iter().any(|(_, good, _)| *good == Some(false)) {
            "not ready"
        } else if self.looks.iter().any(|(_, good, _)| good.is_none()) {
            "unknown"
        } else {
            "ready"
        }
    }

    pub(super) fn told(&self) -> Value {
        let looks: Vec<Value> = self
            .looks
            .iter()
            .map(|(name, good, found)| json!({ "name": name, "good": good, "found": found }))
            .collect();
        json!({
            "region": self.code.as_str(), "status": self.status.as_str(), "verdict": self.verdict(), "checks": looks,
        })
    }
}

pub(in super::super) async fn work(context: &Context) -> Done {
    let all = look(&context.app).await?;
    let mut words = Vec::new();
    for one in &all {
        let bad: Vec<&str> =
            one.looks.iter().filter(|(_, good, _)| *good != Some(true)).map(|(name, ..)| *name).collect();
        words.push(match one.verdict() {
            verdict @ ("ready" | "planned") => format!("{} is {verdict}", one.code),
            verdict => format!("{} is {verdict} ({})", one.code, bad.join(", ")),
        });
    }
    let told: Vec<Value> = all.iter().map(Readiness::told).collect();
    output(words.join("; ") + ".", json!({ "regions": told }))
}

/// Every region, as it is now.
pub(super) async fn look(app: &App) -> Result<Vec<Readiness>, Failure> {
    let samples = app.store.latest_samples().await?;
    let drifts = drift::standings(app).await?;
    let mut found = Vec::new();
    for region in regions::service::all(app).await? {
        let (code, status) = (region.region.code.clone(), region.status);
        if status == RegionStatus::Planned {
            found.push(Readiness { code, status, looks: Vec::new() });
            continue;
        }
        let checks = regions::checks_of(app, &code).await?;
        // A region that takes nothing over is ready for its own work.
        let mut looks: Vec<Look> = checks
            .into_iter()
            .filter(|(name, ..)| *name != "drill")
            .map(|(name, good, detail)| (name, Some(good), detail))
            .collect();
        let observed: Vec<_> = samples.iter().filter(|sample| sample.region == code).collect();
        let stale = observed.iter().filter(|sample| app.now().since(sample.at) > FRESH).count();
        let bad: Vec<String> = observed
            .iter()
            .filter(|sample| !sample.good)
            .map(|sample| format!("{}: {}", sample.component, sample.reason.as_deref().unwrap_or("not good")))
            .collect();
        looks.push(match (observed.is_empty() || stale == observed.len(), bad.is_empty()) {
            (true, _) => ("probes", None, "nothing was observed in the last minute".to_owned()),
            (false, false) => ("probes", Some(false), bad.join("; ")),
            (false, true) if stale > 0 => {
                ("probes", None, format!("{stale} of {} components were not observed lately", observed.len()))
            }
            (false, true) => ("probes", Some(true), format!("all {} components are good", observed.len())),
        });
        looks.push(blueprint(&code, &drifts));
        found.push(Readiness { code, status, looks });
    }
    Ok(found)
}

/// Whether the nodes of a region are held against the same lock as everywhere.
fn blueprint(code: &RegionCode, drifts: &[drift::Standing]) -> Look {
    const NAME: &str = "blueprint";
    // One that cannot be read is no other lock; its own region says so.
    let locks: BTreeSet<_> =
        drifts.iter().filter(|one| one.fresh).filter_map(|one| one.lock.as_ref()).collect();
    let mut own = drifts.iter().filter(|one| one.fresh && one.region == *code).peekable();
    if own.peek().is_none() {
        return (NAME, None, "no node there has looked at its blueprint lately".to_owned());
    }
    if own.any(|one| one.lock.is_none()) {
        return (NAME, None, "a node there has no lock that can be read".to_owned());
    }
    match locks.len() {
        1 => (NAME, Some(true), "the same lock as everywhere".to_owned()),
        _ => (NAME, Some(false), "nodes are held against different locks".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use levqor_model::Timestamp;

    use super::*;

    #[test]
    fn a_blueprint_is_equal_where_all_locks_that_are_known_are() {
        let one = |region: &str, lock: Option<&str>, fresh| drift::Standing {
            region: region.parse().unwrap(),
            at: Timestamp::from_seconds(0),
            pass: true,
            fresh,
            lock: lock.map(|digest| (1, digest.to_owned())),
            findings: 0,
        };
        let west: RegionCode = "eu-west".parse().unwrap();
        let look = |others: &[drift::Standing]| blueprint(&west, others).1;
        assert_eq!(look(&[]), None);
        assert_eq!(look(&[one("eu-west", Some("a"), false)]), None, "that was long ago");
        assert_eq!(look(&[one("eu-west", Some("a"), true), one("us-east", Some("a"), true)]), Some(true));
        assert_eq!(look(&[one("eu-west", Some("a"), true), one("us-east", Some("b"), true)]), Some(false));
        assert_eq!(look(&[one("eu-west", Some("a"), true), one("us-east", Some("b"), false)]), Some(true));
        // What another region cannot read says nothing against this one.
        assert_eq!(look(&[one("eu-west", Some("a"), true), one("us-east", None, true)]), Some(true));
        assert_eq!(look(&[one("eu-west", Some("a"), true), one("eu-west", None, true)]), None);
    }
}
