//! People who answer the questions of runs, through a node or where none is.

use std::sync::{Arc, PoisonError};

use levqor_model::Clock;
use levqor_store::approvals::{Approval, Decided, Decision};

use super::{World, text};
use crate::{
    allowed,
    approvals::{Answer, QUESTIONS_MAX},
    documents::NOBODY,
};

impl World {
    /// Has one of the questions answered, through a node or, when none is awake, by one that died as soon as it was durable.
    pub(super) fn answer_one(
        &mut self,
        node: usize,
        question: usize,
        open: bool,
        approved: bool,
    ) -> Result<(), String> {
        let rows = self.questions(open)?;
        let Some(row) = rows.get(question % rows.len().max(1)) else { return Ok(()) };
        self.answer(self.awake(node), row, approved)
    }

    /// Nothing waits for an answer in the end. Two contradict each other, and one of them is the first.
    pub(super) fn answer_all(&mut self) -> Result<(), String> {
        for row in self.questions(true)? {
            for approved in [true, false] {
                self.answer(self.nodes.len().checked_sub(1), &row, approved)?;
            }
        }
        Ok(())
    }

    /// Those that anybody answers.
    fn questions(&self, open: bool) -> Result<Vec<Approval>, String> {
        let mut rows = desk(self.store.approvals_of(self.account, open, None, QUESTIONS_MAX))?;
        rows.retain(|row| !row.title.starts_with(NOBODY));
        Ok(rows)
    }

    fn answer(&mut self, place: Option<usize>, row: &Approval, approved: bool) -> Result<(), String> {
        self.tally.answers += 1;
        let approved = allowed::answer_to(&row.title).unwrap_or(approved);
        let nth = self.told().answers.len();
        let (id, by) = (row.id, format!("person-{nth}"));
        self.told().answers.push(Answer { approval: id, approved, by: by.clone(), reported: None });
        let (told, account, open) = (Arc::clone(&self.told), self.account, Arc::clone(&self.open));
        let note = move |decided: Decided| {
            told.lock().unwrap_or_else(PoisonError::into_inner).answers[nth].reported = Some(decided);
            drop(open);
        };
        let Some(place) = place else {
            self.tally.answers_alone += 1;
            let decision = Decision { approved, by, comment: None, at: self.clock.now() };
            note(desk(self.store.decide_approval(account, id, decision))?);
            return Ok(());
        };
        let engine = self.nodes[place].engine.clone();
        self.nodes[place].spawn(async move {
            if let Ok(decided) = engine.decide(account, id, approved, by, None).await {
                note(decided);
            }
        });
        Ok(())
    }
}

/// Asks the store where no node is: its threads do the work.
fn desk<T>(question: impl Future<Output = Result<T, levqor_store::Error>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(text)?;
    runtime.block_on(question).map_err(text)
}
