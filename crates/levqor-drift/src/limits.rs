//! The limits that hold: what an account is told of its plan, and what the gateway counts by.

use std::collections::BTreeMap;

use levqor_model::{Blueprint, Deviation, Severity};
use serde_json::Value;

use crate::{
    agreed::{Agreed, Expected},
    found::Found,
    look::{Caller, Look},
    report::{Outcome, Part},
    severity,
};

pub(crate) const SUMMARY: &str = "/api/usage/summary";
const POLICY: &str = "ratelimit-policy";
const REQUESTS: &str = "fair_use.requests_per_minute";

pub(crate) async fn look(
    site: &impl Look,
    agreed: &Agreed,
    expected: Option<&BTreeMap<String, Expected>>,
    found: &mut Found,
) {
    if !site.has_account() {
        let why = "the limits that hold for an account are told to its API keys only; give one";
        return found.part(Part::Limits, Outcome::NotCompared(why.to_owned()));
    }
    let Some(expected) = expected else {
        return found
            .part(Part::Limits, Outcome::Unknown("there is nothing to compare them with".to_owned()));
    };
    let answer = match site.get(SUMMARY, Caller::Account).await {
        Ok(answer) => answer,
        Err(problem) => return unknown(problem, found),
    };
    let summary = match answer.json() {
        Ok(summary) => summary,
        Err(problem) => return unknown(problem, found),
    };
    let mut compared = 0;
    let mut compare = |name: &str, value: Option<String>, place: String| {
        let Some(wanted) = expected.get(name) else { return };
        compared += 1;
        if value.as_ref() != Some(&wanted.value) {
            let severity = if value.is_some() { severity::of(name) } else { Severity::Major };
            found.add(Deviation { severity, place, expected: Some(wanted.value.clone()), found: value });
        }
    };
    let within = |name: &str| format!("{name} in {SUMMARY}");
    for key in ["requests_per_minute", "concurrent_runs"] {
        let name = format!("fair_use.{key}");
        compare(&name, number(&summary["fair_use"][key]), within(&name));
    }
    // The account of an operator need not have a plan that is sold.
    if let Some(code) = code(&summary, agreed.blueprint.as_ref().ok()) {
        for key in ["workflows", "runs_per_month", "ai_credits"] {
            let name = format!("plan.{code}.{key}");
            compare(&name, number(&summary["plan"]["limits"][key]), within(&name));
        }
    }
    // Operators are not counted, so there may be none.
    if let Some(policy) = answer.header(POLICY) {
        compare(REQUESTS, per_minute(policy), format!("{REQUESTS} in the header {POLICY}"));
    }
    let outcome = Outcome::Compared(compared);
    found.part(Part::Limits, outcome);
}

fn unknown(problem: String, found: &mut Found) {
    found.add(Deviation {
        severity: Severity::Major,
        place: SUMMARY.to_owned(),
        expected: Some("the limits of an account".to_owned()),
        found: Some(problem.clone()),
    });
    found.part(Part::Limits, Outcome::Unknown(problem));
}

fn code<'a>(summary: &'a Value, blueprint: Option<&'a Blueprint>) -> Option<&'a str> {
    let told = summary["plan"]["code"].as_str()?;
    Some(blueprint.and_then(|blueprint| blueprint.plan(told)).map_or(told, |plan| plan.code.as_str()))
}

fn number(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

/// Requests a minute of `"account";q=1000;w=60`; what is something else is given as it is.
fn per_minute(policy: &str) -> Option<String> {
    let of = |name: &str| {
        let found = policy.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        found.and_then(|number| number.parse::<u64>().ok())
    };
    let read = match (policy.starts_with("\"account\""), of("q"), of("w")) {
        (true, Some(quota), Some(seconds)) if seconds > 0 => {
            quota.checked_mul(60).map(|quota| (quota / seconds).to_string())
        }
        _ => None,
    };
    Some(read.unwrap_or_else(|| policy.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_by_the_minute() {
        let rows = [
            ("\"account\";q=1000;w=60", "1000"),
            ("\"account\"; q=10; w=1", "600"),
            ("\"account\";q=1000;w=0", "\"account\";q=1000;w=0"),
            ("\"anonymous\";q=100;w=60", "\"anonymous\";q=100;w=60"),
            ("\"account\";q=99999999999999999999;w=1", "\"account\";q=99999999999999999999;w=1"),
            ("", ""),
        ];
        for (policy, expected) in rows {
            assert_eq!(per_minute(policy).as_deref(), Some(expected), "{policy}");
        }
    }
}
