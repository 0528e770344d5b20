//! What should hold, as alerts want it: no target is down, no region is cut off from one, no outside job is missed.

use levqor_model::{Condition, Severity, Verdict as Holds};
use levqor_store::{
    Error,
    heartbeats::{BeatState, Heartbeat},
};
use serde_json::json;

use super::{definition::Definition, heartbeats, judge::Verdict, memory, verdict::State};
use crate::App;

/// All conditions of now, also those that hold.
///
/// # Errors
/// When the store cannot be asked for heartbeats.
pub async fn conditions(app: &App) -> Result<Vec<Condition>, Error> {
    let verdicts = memory(app).judged.verdicts();
    let mut conditions = Vec::new();
    for definition in &app.settings.probes.definitions.probes {
        for ((probe, target), verdict) in &verdicts {
            if *probe == definition.name {
                conditions.push(of_target(definition, target, verdict));
                // Of what nobody has looked at yet there is one thing to say, not two.
                if definition.every.is_some() || verdict.state != State::Unknown {
                    conditions.push(of_dispute(definition, target, verdict));
                }
            }
        }
    }
    conditions.extend(heartbeats::service::all(app).await?.iter().map(of_heartbeat));
    Ok(conditions)
}

fn of_target(definition: &Definition, target: &str, verdict: &Verdict) -> Condition {
    let name = &definition.name;
    let reason = verdict.reason.as_deref().unwrap_or_default();
    let (holds, summary) = match verdict.state {
        State::Up => (Holds::Holds, format!("The probe {name} finds {target} well.")),
        State::Down => (Holds::Fails, format!("The probe {name} finds {target} down: {reason}.")),
        State::Unknown => {
            (Holds::Unknown, format!("The probe {name} does not know how {target} is: {reason}."))
        }
    };
    Condition {
        // What is only looked at when it is asked for may be unknown for longer.
        rule: if definition.every.is_some() { "probes.verdict" } else { "probes.asked" }.to_owned(),
        subject: format!("{name}/{target}"),
        verdict: holds,
        severity: definition.severity,
        summary,
        details: json!({
            "probe": name, "target": target, "state": verdict.state, "since": verdict.since, "reason": verdict.reason,
            "regions_up": verdict.votes.up, "regions_down": verdict.votes.down, "certificate_ends_at": verdict.certificate(),
        }),
    }
}

/// A target that some regions reach and others do not is not down, and not well either.
fn of_dispute(definition: &Definition, target: &str, verdict: &Verdict) -> Condition {
    let name = &definition.name;
    let down: Vec<_> =
        verdict.regions.iter().filter(|view| view.state == State::Down).map(|view| &view.region).collect();
    let (holds, summary) = match verdict.state {
        State::Unknown => {
            (Holds::Unknown, format!("Whether all regions reach {target} ({name}) is not known."))
        }
        State::Up | State::Down if verdict.is_disputed() => {
            let words = verdict.reason.as_deref().unwrap_or("the regions see it differently");
            (Holds::Fails, format!("Some regions do not reach {target} ({name}): {words}."))
        }
        State::Up | State::Down => {
            (Holds::Holds, format!("All regions see {target} ({name}) in the same way."))
        }
    };
    Condition {
        rule: "probes.view".to_owned(),
        subject: format!("{name}/{target}"),
        verdict: holds,
        severity: Severity::Minor,
        summary,
        details: json!({ "probe": name, "target": target, "regions_down": down }),
    }
}

fn of_heartbeat(beat: &Heartbeat) -> Condition {
    let name = &beat.name;
    let reason = beat.reason.as_deref().unwrap_or("it is down");
    let (holds, summary) = match beat.state {
        BeatState::Up => (Holds::Holds, format!("The job {name} says that it is well.")),
        BeatState::Down => (Holds::Fails, format!("The job {name} is down: {reason}.")),
        BeatState::New => (Holds::Unknown, format!("The job {name} was never heard of.")),
    };
    Condition {
        rule: "probes.heartbeat".to_owned(),
        subject: name.clone(),
        verdict: holds,
        severity: Severity::Major,
        summary,
        details: json!({
            "state": beat.state.as_str(), "since": beat.since, "reason": beat.reason, "pinged_at": beat.pinged_at,
            "period_s": beat.period.as_secs(), "grace_s": beat.grace.as_secs(), "exit_code": beat.exit_code,
        }),
    }
}
