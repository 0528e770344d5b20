//! What is known of all targets, for whoever only reports it.

use levqor_model::{Severity, Timestamp};

use super::{definition::Kind, service, verdict::State};
use crate::App;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Glance {
    pub(crate) probe: String,
    /// None: no region has said where it is reached.
    pub(crate) target: Option<String>,
    /// How bad it is when it is down.
    pub(crate) severity: Severity,
    /// Whether it is looked at without anybody asking.
    pub(crate) by_itself: bool,
    pub(crate) state: State,
    /// Some regions reach it and others do not.
    pub(crate) disputed: bool,
    pub(crate) since: Option<Timestamp>,
    pub(crate) reason: Option<String>,
}

/// Every target of every probe, in the order of the definitions.
pub(crate) fn glance(app: &App) -> Vec<Glance> {
    let mut all = Vec::new();
    for known in service::all(app) {
        let definition = &known.definition;
        let one = |target: Option<String>| Glance {
            probe: definition.name.clone(),
            target,
            severity: definition.severity,
            by_itself: definition.every.is_some(),
            state: State::Unknown,
            disputed: false,
            since: None,
            reason: None,
        };
        if known.targets.is_empty() {
            let reason = Some("no region has said where it is reached".to_owned());
            all.push(Glance { reason, ..one(None) });
        }
        for (target, verdict, _) in &known.targets {
            let seen = one(Some(target.clone()));
            all.push(match verdict {
                None => Glance { reason: Some("no verdict was made yet".to_owned()), ..seen },
                Some(verdict) => Glance {
                    state: verdict.state,
                    disputed: verdict.is_disputed(),
                    since: verdict.since,
                    reason: verdict.reason.clone(),
                    ..seen
                },
            });
        }
    }
    all
}

/// A certificate that probes look at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Certificate {
    pub(crate) probe: String,
    pub(crate) target: String,
    /// Until when it is good, as the first to end of those that regions saw. None: nobody sees it.
    pub(crate) good_until: Option<Timestamp>,
    pub(crate) state: State,
    pub(crate) reason: Option<String>,
}

/// The certificates of all targets that show one, should show one, or are down because of theirs; in the order of the definitions.
pub(crate) fn certificates(app: &App) -> Vec<Certificate> {
    let mut all = Vec::new();
    for known in service::all(app) {
        let must = matches!(known.definition.kind, Kind::Tls(_));
        for (target, verdict, _) in known.targets {
            let good_until = verdict.as_ref().and_then(|verdict| verdict.certificate());
            let reason = verdict.as_ref().and_then(|verdict| verdict.reason.clone());
            let is_blamed = reason.as_ref().is_some_and(|reason| reason.contains("certificate"));
            if must || is_blamed || good_until.is_some() {
                let state = verdict.map_or(State::Unknown, |verdict| verdict.state);
                let probe = known.definition.name.clone();
                all.push(Certificate { probe, target, good_until, state, reason });
            }
        }
    }
    all
}
