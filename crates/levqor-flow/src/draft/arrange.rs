//! Puts things where they belong: "retry 3 times" and "if it fails" hang on a call that was said before them.

use super::{
    call::{call, callable},
    form::{Call, Condition, ErrorBranch, If, Places, Step, StepKind},
    notes::Notes,
};

/// Attaches modifiers and failure branches to their calls, all the way down.
pub fn arrange(steps: Vec<Step>, quote: &dyn Fn(&Places) -> String, notes: &mut Notes) -> Vec<Step> {
    let mut out: Vec<Step> = Vec::new();
    let mut steps = steps.into_iter();
    while let Some(step) = steps.next() {
        let places = step.places.clone();
        match step.kind {
            StepKind::Retry(retry) => match last_call(&mut out) {
                Some(call) => {
                    call.retry = Some(retry);
                    call.attached.push(places);
                }
                None => notes.warn(nothing_before(&quote(&places))),
            },
            StepKind::Timeout(ms) => match last_call(&mut out) {
                Some(call) => {
                    call.timeout_ms = Some(ms);
                    call.attached.push(places);
                }
                None => notes.warn(nothing_before(&quote(&places))),
            },
            StepKind::If(branch) => match failure(&branch.condition) {
                Some(failure) => attach(failure, branch, places, &mut out, quote, notes),
                None => {
                    let then = arrange(branch.then, quote, notes);
                    let otherwise = arrange(branch.otherwise, quote, notes);
                    out.push(Step { kind: StepKind::If(If { then, otherwise, ..branch }), places });
                }
            },
            StepKind::Each(mut each) => {
                each.steps = arrange(each.steps, quote, notes);
                out.push(Step { kind: StepKind::Each(each), places });
            }
            StepKind::Repeat { count, steps } => {
                let steps = arrange(steps, quote, notes);
                out.push(Step { kind: StepKind::Repeat { count, steps }, places });
            }
            StepKind::Parallel(branches) => {
                let branches = arrange(branches, quote, notes);
                out.push(Step { kind: StepKind::Parallel(branches), places });
            }
            StepKind::Gate => {
                let rest: Vec<String> = steps
                    .by_ref()
                    .map(|step| quote(&step.places))
                    .filter(|words| !words.is_empty())
                    .collect();
                if !rest.is_empty() {
                    notes.warn(format!(
                        "\"{}\" is left out: it must not run without the step before it",
                        rest.join("\", \"")
                    ));
                }
                return out;
            }
            kind => out.push(Step { kind, places }),
        }
    }
    out
}

/// What the gap of a step that has another schedule would have given.
pub(super) const LEFT_OUT: &str = "response";

fn nothing_before(words: &str) -> String {
    format!("\"{words}\" is left out: there is no call before it that it could be about")
}

/// A condition that is about a call's failure, with what was negated around it put in.
struct Failure {
    address: Option<String>,
    verb: Option<String>,
    status: Option<super::form::StatusTest>,
    negated: bool,
}

fn failure(condition: &Condition) -> Option<Failure> {
    match condition {
        Condition::Failed { address, verb, status, negated } => Some(Failure {
            address: address.clone(),
            verb: verb.clone(),
            status: status.clone(),
            negated: *negated,
        }),
        Condition::Not(inner) => {
            failure(inner).map(|failure| Failure { negated: !failure.negated, ..failure })
        }
        // "is down or returns an error": any failure is what both are.
        Condition::Any(all) => {
            let mut all = all.iter().map(failure).collect::<Option<Vec<_>>>()?;
            let plain = all.iter().all(|failure| !failure.negated);
            let first = if all.is_empty() { None } else { Some(all.swap_remove(0)) };
            first.filter(|_| plain).map(|failure| Failure { status: None, ..failure })
        }
        _ => None,
    }
}

fn attach(
    failure: Failure,
    branch: If,
    places: Places,
    out: &mut Vec<Step>,
    quote: &dyn Fn(&Places) -> String,
    notes: &mut Notes,
) {
    let (mut steps, mut otherwise) = (branch.then.clone(), branch.otherwise.clone());
    if failure.negated {
        std::mem::swap(&mut steps, &mut otherwise);
    }
    let steps = arrange(steps, quote, notes);
    let otherwise = arrange(otherwise, quote, notes);
    // "if https://… is down" asks for that address to be called, when nothing called it before.
    if let Some(address) = &failure.address {
        let url = match callable(address) {
            Ok((url, assumed)) => {
                if let Some(warning) = assumed {
                    notes.warn(warning);
                }
                url
            }
            Err(warning) => {
                notes.warn(warning);
                notes.warn(format!("\"{}\" is left out with it", quote(&places)));
                return;
            }
        };
        if !calls(out).iter().any(|call| call.address == url) {
            out.push(Step {
                kind: StepKind::Call(Box::new(call("get", "check", url.clone()))),
                places: places.clone(),
            });
        }
        if let Some(call) = calls(out).into_iter().rev().find(|call| call.address == url) {
            set(call, failure, steps, otherwise, places, quote, notes);
        }
        return;
    }
    if failure.verb.as_deref() == Some("any") {
        // "if any of them is down": each of the calls just before has the same branch.
        let from = out
            .iter()
            .rposition(|step| {
                !matches!(step.kind, StepKind::Call(_) | StepKind::Parallel(_) | StepKind::Doubt)
            })
            .map_or(0, |at| at + 1);
        let group = calls(&mut out[from..]);
        if group.len() > 1 {
            for call in group {
                let failure =
                    Failure { status: failure.status.clone(), address: None, verb: None, negated: false };
                set(call, failure, steps.clone(), otherwise.clone(), places.clone(), quote, notes);
            }
            return;
        }
    }
    let method = match failure.verb.as_deref() {
        Some("post" | "delivery" | "upload" | "alert" | "notification" | "message") => Some(true),
        Some(
            "fetch" | "download" | "get" | "query" | "check" | "ping" | "site" | "website" | "page"
            | "homepage" | "shop" | "health",
        ) => Some(false),
        _ => None,
    };
    // What the failure is of was not made: it must not become the failure of another call.
    let behind_gap = out
        .iter()
        .rev()
        .find(|step| !matches!(step.kind, StepKind::Doubt | StepKind::Wait(_)))
        .is_some_and(|step| matches!(&step.kind, StepKind::Gap { result } if result.first().is_some_and(|noun| noun == LEFT_OUT)));
    if behind_gap {
        notes.warn(format!("\"{}\" is left out with the step that it is about", quote(&places)));
        return;
    }
    let mut before = calls(out);
    let found = before.iter().rposition(|call| method.is_none_or(|sends| (call.method != "get") == sends));
    let found = found.or(before.len().checked_sub(1));
    match found.map(|at| before.swap_remove(at)) {
        Some(call) => set(call, failure, steps, otherwise, places, quote, notes),
        None => {
            let words = quote(&places);
            notes.ask(format!(
                "What is \"{words}\" about? No call before it could fail; it is left out until that is said."
            ));
        }
    }
}

fn set(
    call: &mut Call,
    failure: Failure,
    steps: Vec<Step>,
    otherwise: Vec<Step>,
    places: Places,
    quote: &dyn Fn(&Places) -> String,
    notes: &mut Notes,
) {
    call.attached.push(places.clone());
    match &mut call.on_error {
        None => call.on_error = Some(ErrorBranch { status: failure.status, steps, otherwise }),
        Some(branch) if branch.status == failure.status => {
            branch.steps.extend(steps);
            branch.otherwise.extend(otherwise);
        }
        Some(_) => notes.warn(format!(
            "\"{}\" is left out: the call before it already does something else when it fails",
            quote(&places)
        )),
    }
}

/// The calls of the list in order, also those inside loops, branches and parallels.
fn calls(steps: &mut [Step]) -> Vec<&mut Call> {
    let mut calls = Vec::new();
    for step in steps {
        match &mut step.kind {
            StepKind::Call(call) => calls.push(&mut **call),
            StepKind::Each(each) => calls.extend(self::calls(&mut each.steps)),
            StepKind::Repeat { steps, .. } => calls.extend(self::calls(steps)),
            StepKind::Parallel(branches) => calls.extend(self::calls(branches)),
            StepKind::If(branch) => {
                calls.extend(self::calls(&mut branch.then));
                calls.extend(self::calls(&mut branch.otherwise));
            }
            _ => {}
        }
    }
    calls
}

/// The call just before, unless something that was not understood or not made stands between.
fn last_call(steps: &mut [Step]) -> Option<&mut Call> {
    let last = steps.iter().rev().find(|step| !matches!(step.kind, StepKind::Doubt));
    if last.is_some_and(|step| matches!(step.kind, StepKind::Gap { .. })) {
        return None;
    }
    calls(steps).pop()
}
