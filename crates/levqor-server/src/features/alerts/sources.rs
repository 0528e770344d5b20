//! Who says what should hold: every source, in one list.
//!
//! A source says all of its things each time, also those that hold. One that cannot be asked ends no alert of its own, and is an alert
//! itself.

use std::{future::Future, time::Duration};

use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use levqor_model::{Condition, Severity, Timestamp, Verdict};
use levqor_store::Error;
use serde_json::json;

use super::{Said, plan::Answer};
use crate::{
    App,
    features::{customer_care, drift, events, health, jobs, metrics, nodes, probes, slo, tamper},
    problem::chain,
};

/// Longest time that one source may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Things that one source may speak of.
const SAID_MAX: usize = 1_000;
/// A message that waits for longer is late: somebody does not know what they should.
const LATE_AFTER: Duration = Duration::from_secs(5 * 60);
/// For how long a message without a destination is a reason to say so.
const UNDELIVERABLE_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Asks all sources, at once: however many take long, they are waited for once.
pub(super) async fn gather(app: &App) -> Vec<Answer> {
    let (objectives, features) = tokio::join!(bounded("slo", slo::judge_all(app)), of_features(app));
    let mut answers = vec![objectives];
    answers.extend(features);
    let own = answers.iter().map(of_source).collect();
    answers.push(Answer { source: "alerts", said: Ok(own) });
    answers
}

/// What features say of themselves; objectives are judged apart, since that is remembered.
async fn of_features(app: &App) -> Vec<Answer> {
    let asked: [BoxFuture<'_, Answer>; 10] = [
        of("health", health::conditions(app)).boxed(),
        bounded("nodes", nodes::conditions(app)).boxed(),
        of("tamper", tamper::conditions(app)).boxed(),
        of("drift", drift::conditions(app)).boxed(),
        of("events", events::conditions(app)).boxed(),
        of("metrics", metrics::conditions(app)).boxed(),
        of("jobs", jobs::conditions(app)).boxed(),
        of("probes", probes::conditions(app)).boxed(),
        of("customers", customer_care::conditions(app)).boxed(),
        of("notifications", unsent(app)).boxed(),
    ];
    join_all(asked).await
}

/// What features say of themselves now.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) all: Vec<Condition>,
    /// Sources that could not be asked.
    pub(crate) silent: Vec<&'static str>,
}

/// Asks all features, without any alert beginning or ending by it.
pub(crate) async fn conditions(app: &App) -> Conditions {
    let mut found = Conditions::default();
    for answer in of_features(app).await {
        match answer.said {
            Ok(said) => found.all.extend(said.into_iter().map(|said| said.condition)),
            Err(_) => found.silent.push(answer.source),
        }
    }
    found
}

async fn of(source: &'static str, asked: impl Future<Output = Result<Vec<Condition>, Error>>) -> Answer {
    let said = async { Ok(asked.await?.into_iter().map(Said::of).collect()) };
    bounded(source, said).await
}

async fn bounded(source: &'static str, asked: impl Future<Output = Result<Vec<Said>, Error>>) -> Answer {
    let said = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(mut said)) => {
            if said.len() > SAID_MAX {
                tracing::warn!(
                    "{source} speaks of {} things; the first {SAID_MAX} are looked at",
                    said.len()
                );
                // The failing ones first, so that none of them is left out for one that holds.
                said.sort_by_key(|said| said.condition.verdict != Verdict::Fails);
                said.truncate(SAID_MAX);
            }
            Ok(said)
        }
        Ok(Err(error)) => Err(chain(&error)),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    if let Err(problem) = &said {
        tracing::warn!("{source} cannot say what holds: {problem}");
    }
    Answer { source, said }
}

/// Whether a source can be asked.
fn of_source(answer: &Answer) -> Said {
    let problem = answer.said.as_ref().err();
    Said::of(Condition {
        rule: "alerts.source".to_owned(),
        subject: answer.source.to_owned(),
        verdict: if problem.is_some() { Verdict::Fails } else { Verdict::Holds },
        severity: Severity::Major,
        summary: match problem {
            Some(problem) => format!("{} cannot say whether all is well: {problem}", answer.source),
            None => format!("{} answers", answer.source),
        },
        details: json!({ "problem": problem }),
    })
}

/// Messages that people do not have who should.
async fn unsent(app: &App) -> Result<Vec<Condition>, Error> {
    let now: Timestamp = app.now();
    let unsent = app.store.unsent_notifications(now - LATE_AFTER, now - UNDELIVERABLE_FOR).await?;
    let condition = |subject: &str, number: u64, severity, what: &str, remedy: &str| Condition {
        rule: "notifications.unsent".to_owned(),
        subject: subject.to_owned(),
        verdict: if number > 0 { Verdict::Fails } else { Verdict::Holds },
        severity,
        summary: if number > 0 {
            format!("{number} messages that call somebody {what}; {remedy}")
        } else {
            format!("no message that calls somebody {what}")
        },
        details: json!({ "messages": number }),
    };
    Ok(vec![
        condition(
            "dead",
            unsent.dead,
            Severity::Critical,
            "were given up",
            "`levqor notifications --state dead` shows why",
        ),
        condition(
            "late",
            unsent.late,
            Severity::Critical,
            "wait for more than five minutes",
            "`levqor notifications --state waiting` shows why",
        ),
        condition(
            "undeliverable",
            unsent.undeliverable,
            Severity::Major,
            "had nobody to go to in the last day",
            "set alerts.mail_to or another destination",
        ),
    ])
}
