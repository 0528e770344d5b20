//! What became of questions: each is there once, the first answer is the one that stays and the one that its run got, and none is
//! open when its run has ended.

use std::collections::BTreeMap;

use levqor_flow::{machine::Outcome, services::Service};
use levqor_model::{ApprovalId, RunId};
use levqor_store::approvals::{Approval, Decided, Decision};
use serde_json::json;

use crate::{documents::NOBODY, state::text, walk::Walk, world::World};

/// More than any simulation has.
pub const QUESTIONS_MAX: usize = 5_000;

/// An answer that somebody gave.
#[derive(Debug, Clone)]
pub struct Answer {
    pub approval: ApprovalId,
    pub approved: bool,
    /// Different for each.
    pub by: String,
    /// What it was told; None while nothing was.
    pub reported: Option<Decided>,
}

/// A question that a run asked.
#[derive(Debug)]
pub struct Question {
    pub run: RunId,
    pub effect: u64,
    pub title: String,
    /// Its run was cancelled.
    pub cut_off: bool,
    /// It was given up before it could be asked.
    pub dropped: bool,
    /// What the run got.
    pub told: Option<Outcome>,
}

pub async fn check(
    world: &World,
    walks: &BTreeMap<RunId, &Walk>,
    wrong: &mut Vec<String>,
) -> Result<(), levqor_store::Error> {
    let rows = world.store.approvals_of(world.account, false, None, QUESTIONS_MAX).await?;
    let mut questions = Vec::new();
    for (run, walk) in walks {
        for (effect, (_, call)) in &walk.services {
            if call.service == Service::Approval {
                questions.push(Question {
                    run: *run,
                    effect: *effect,
                    title: text(&call.input, "title").to_owned(),
                    cut_off: walk.cancelled,
                    dropped: walk.dropped.contains(effect),
                    told: walk.served.get(effect).cloned(),
                });
            }
        }
    }
    wrong.extend(judge(&rows, &world.told().answers, &questions));
    Ok(())
}

/// What is wrong with the questions, by the rows, the answers and the journals.
pub fn judge(rows: &[Approval], answers: &[Answer], questions: &[Question]) -> Vec<String> {
    let mut wrong = Vec::new();
    let by_place: BTreeMap<(RunId, u64), &Approval> =
        rows.iter().map(|row| ((row.run_id, row.effect), row)).collect();
    if by_place.len() < rows.len() {
        wrong.push("a question is there twice".to_owned());
    }
    for question in questions {
        let place = (question.run, question.effect);
        match by_place.get(&place) {
            Some(row) => wrong.extend(unlike(row, question)),
            // What the entry asks for that cuts the run off was never asked for.
            None if (question.cut_off || question.dropped) && question.told.is_none() => {}
            None => wrong.push(format!("the question {place:?} is not there")),
        }
    }
    let by_id: BTreeMap<ApprovalId, &Approval> = rows.iter().map(|row| (row.id, row)).collect();
    for row in rows {
        let (id, place) = (row.id, (row.run_id, row.effect));
        if !questions.iter().any(|question| (question.run, question.effect) == place) {
            wrong.push(format!("nobody asked {id} of {place:?}"));
        }
        if row.closed_at.is_none() {
            wrong.push(format!("{id} is open, and its run has ended"));
        }
        let Some(decision) = &row.decision else { continue };
        let is_it = |answer: &&Answer| {
            (answer.approval, &answer.by, answer.approved) == (id, &decision.by, decision.approved)
        };
        if !answers.iter().any(|answer| is_it(&answer)) {
            wrong.push(format!("{id} has an answer that nobody gave: {decision:?}"));
        }
    }
    for answer in answers {
        let decision = by_id.get(&answer.approval).and_then(|row| row.decision.as_ref());
        let is_so = match &answer.reported {
            None => true,
            Some(Decided::Now(_)) => decision.is_some_and(|decision| decision.by == answer.by),
            Some(Decided::Before(found)) => {
                decision == found.decision.as_ref() && (found.closed_at.is_some() || found.decision.is_some())
            }
            Some(Decided::NotFound) => false,
        };
        if !is_so {
            wrong.push(format!("{answer:?} was told so, and {decision:?} is the answer"));
        }
    }
    wrong
}

/// How a row and its question contradict each other.
fn unlike(row: &Approval, question: &Question) -> Option<String> {
    let id = row.id;
    if row.title != question.title {
        return Some(format!("{id} asks {:?} instead of {:?}", row.title, question.title));
    }
    let decided = row.decision.as_ref().map(|Decision { approved, by, comment, at }| {
        Outcome::Output(json!({ "approved": approved, "by": by, "comment": comment, "at": at }))
    });
    match (&question.told, decided) {
        (Some(told), decided) if Some(told) != decided.as_ref() => {
            Some(format!("{id} was answered {decided:?}, and its run got {told:?}"))
        }
        (None, Some(decided)) if !question.cut_off => {
            Some(format!("{id} was answered {decided:?}, and its run got nothing"))
        }
        (None, None) if !question.cut_off && !question.title.starts_with(NOBODY) => {
            Some(format!("{id} was never answered, and its run has ended"))
        }
        _ => None,
    }
}
