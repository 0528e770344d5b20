//! Where tasks go: targets of `then`, and tasks that nothing leads to.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    checker::Checker,
    issue::{Place, clip},
    near::did_you_mean,
};
use crate::definition::Then;

/// What `then` may say besides a name.
pub(super) const DIRECTIVES: [&str; 3] = ["continue", "exit", "end"];

/// What a `then` can reach from where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Targets<'a, 'd> {
    /// The tasks of the same list: their names in order (None for what is no task), and where a name is.
    List(&'a [Option<&'d str>], &'a HashMap<&'d str, usize>),
    /// A branch of a `fork` has no neighbours.
    Branch,
    /// A function is one task.
    Function,
}

/// What the flow of a list needs to know of one task.
#[derive(Debug, Default)]
pub(super) struct Exits {
    /// May be skipped by its `if`.
    pub(super) skippable: bool,
    /// Where it can go. A `raise` goes nowhere.
    pub(super) to: Vec<Then>,
}

impl<'d> Checker<'d> {
    pub(super) fn then(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        targets: Targets<'_, 'd>,
    ) -> Option<Then> {
        let target = self.text(value, place)?;
        match target {
            "continue" => return Some(Then::Continue),
            "exit" => return Some(Then::Exit),
            "end" => return Some(Then::End),
            _ => {}
        }
        let message = match targets {
            Targets::List(names, positions) => {
                if let Some(position) = positions.get(target) {
                    return Some(Then::Task(*position));
                }
                if self.errors.is_long() {
                    self.error(place, format!("there is no task `{}` in this list", clip(target)));
                    return None;
                }
                let hint =
                    did_you_mean(target, DIRECTIVES.into_iter().chain(names.iter().flatten().copied()));
                if hint.is_empty() && self.is_task_somewhere(target) {
                    format!(
                        "`{}` is in another list; `then` reaches tasks of its own list only, so use exit or end, or move it",
                        clip(target)
                    )
                } else {
                    format!(
                        "there is no task `{}` in this list; use a task's name, continue, exit or end{hint}",
                        clip(target)
                    )
                }
            }
            Targets::Branch => {
                format!("a branch of a `fork` cannot go to `{}`; use continue, exit or end", clip(target))
            }
            Targets::Function => {
                format!(
                    "a function is one task, so it cannot go to `{}`; use continue, exit or end",
                    clip(target)
                )
            }
        };
        self.error(place, message);
        None
    }

    fn is_task_somewhere(&mut self, name: &str) -> bool {
        let document = self.document;
        let names = self.names.get_or_insert_with(|| {
            let mut names = std::collections::HashSet::new();
            let mut open = vec![document];
            while let Some(value) = open.pop() {
                match value {
                    Value::Array(items) => {
                        for item in items {
                            if let Value::Object(members) = item
                                && members.len() == 1
                            {
                                names.extend(members.keys().map(String::as_str));
                            }
                            open.push(item);
                        }
                    }
                    Value::Object(members) => open.extend(members.values()),
                    _ => {}
                }
            }
            names
        });
        names.contains(name)
    }

    /// Warns about tasks of a list that nothing leads to.
    pub(super) fn reachability(&mut self, names: &[&str], exits: &[Exits], place: &Place<'_>) {
        let mut reached = vec![false; exits.len()];
        let mut open = vec![0];
        while let Some(position) = open.pop() {
            let Some(task) = exits.get(position).filter(|_| !reached[position]) else { continue };
            reached[position] = true;
            let next = task.skippable || task.to.contains(&Then::Continue);
            open.extend(next.then_some(position + 1));
            open.extend(task.to.iter().filter_map(|then| match then {
                Then::Task(target) => Some(*target),
                _ => None,
            }));
        }
        for (position, name) in names.iter().enumerate() {
            if !reached[position] {
                let message =
                    format!("nothing leads to `{}`; let a `then` name it, or remove it", clip(name));
                self.warn(&place.index(position).key(name), message);
            }
        }
    }
}
