//! Lists of tasks, and what all kinds of tasks have in common.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Map, Value};

use super::{
    checker::Checker,
    data::{Moment, Scope},
    flow::{DIRECTIVES, Exits, Targets},
    issue::{Place, clip},
    near::{did_you_mean, nearest},
};
use crate::definition::{Task, TaskKind, TaskList, TaskSource, Then};

/// The words that say what a task is.
const KEYWORDS: [&str; 12] =
    ["call", "do", "emit", "for", "fork", "listen", "raise", "run", "set", "switch", "try", "wait"];

const COMMON: [&str; 7] = ["if", "input", "output", "export", "timeout", "then", "metadata"];

/// What stands beside a keyword in the same task.
fn companions(keyword: &str) -> &'static [&'static str] {
    match keyword {
        "call" => &["with"],
        "for" => &["while", "do"],
        "listen" => &["foreach"],
        "try" => &["catch"],
        _ => &[],
    }
}

/// Names are repeated in the pointers of all tasks inside, so they are bounded, one by one and all together.
pub(super) const NAME_CHARS_MAX: usize = 128;
const REFERENCE_BYTES_MAX: usize = 16 * 1024 * 1024;

impl<'d> Checker<'d> {
    /// A list of named tasks, in which `then` may jump.
    pub(super) fn task_list(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> TaskList {
        let Some(items) = self.list(value, place, "`- greet: { set: { greeting: hello } }`") else {
            return Arc::from([]);
        };
        if items.is_empty() {
            self.warn(place, format!("{} has no tasks, so its output is its input", place.name()));
        }
        let names = self.names(items, place);
        let positions: HashMap<&str, usize> =
            names.iter().enumerate().filter_map(|(index, name)| Some(((*name)?, index))).collect();
        let mut exits = Vec::with_capacity(items.len());
        let mut tasks = Vec::with_capacity(items.len());
        for (index, (item, name)) in items.iter().zip(&names).enumerate() {
            let mut leads = Exits { skippable: true, to: Vec::new() };
            if let Some((name, task)) = name.and_then(|name| Some((name, item.get(name)?))) {
                let place = place.index(index);
                tasks.extend(self.task(
                    name,
                    task,
                    &place.key(name),
                    scope,
                    Targets::List(&names, &positions),
                    &mut leads,
                ));
            }
            exits.push(leads);
        }
        if let Some(names) = names.into_iter().collect::<Option<Vec<_>>>() {
            self.reachability(&names, &exits, place);
        }
        tasks.into()
    }

    /// The branches of a `fork`: one task each, without a way from one to another.
    pub(super) fn branches(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> TaskList {
        let Some(items) = self.list(value, place, "`- greet: { set: { greeting: hello } }`") else {
            return Arc::from([]);
        };
        if items.is_empty() {
            self.error(place, "`branches` is empty; give the fork at least one branch");
        }
        let names = self.names(items, place);
        let mut tasks = Vec::with_capacity(items.len());
        for (index, (item, name)) in items.iter().zip(&names).enumerate() {
            if let Some((name, task)) = name.and_then(|name| Some((name, item.get(name)?))) {
                let place = place.index(index);
                tasks.extend(self.task(
                    name,
                    task,
                    &place.key(name),
                    scope,
                    Targets::Branch,
                    &mut Exits::default(),
                ));
            }
        }
        tasks.into()
    }

    /// The name of each item; None for an item that is not one named task.
    fn names(&mut self, items: &'d [Value], place: &Place<'_>) -> Vec<Option<&'d str>> {
        let mut first = HashMap::new();
        let mut names = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let at = place.index(index);
            let name = self.named_item(item, &at, "task").map(|(name, _)| name);
            names.push(name);
            let Some(name) = name else { continue };
            let at = at.key(name);
            if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
                self.error(
                    &at,
                    format!("a task's name has 1 to {NAME_CHARS_MAX} characters; choose another name"),
                );
            } else if DIRECTIVES.contains(&name) {
                self.error(&at, format!("`{name}` means something else in `then`; choose another name"));
            } else if let Some(earlier) = first.insert(name, index) {
                self.error(
                    &at,
                    format!(
                        "the name `{}` is there twice in this list (item {earlier} has it); rename one",
                        clip(name)
                    ),
                );
            }
        }
        names
    }

    pub(super) fn task(
        &mut self,
        name: &'d str,
        value: &'d Value,
        place: &Place<'_>,
        scope: Scope<'_>,
        targets: Targets<'_, 'd>,
        leads: &mut Exits,
    ) -> Option<Task> {
        let task = self.object(value, place, "{ set: { greeting: hello } }")?;
        let reference: Arc<str> = place.pointer().into();
        self.reference_bytes += reference.len();
        if self.reference_bytes > REFERENCE_BYTES_MAX {
            if self.reference_bytes - reference.len() <= REFERENCE_BYTES_MAX {
                self.error(
                    place,
                    "there are too many nested tasks with long names; shorten them, or split the document",
                );
            }
            return None;
        }
        let keyword = self.keyword(task, place);
        let before = scope.at(Moment::TaskInput);
        let during = scope.at(Moment::Task);
        let condition = self.optional_expression(task, place, "if", before);
        let input = self.input(task, place, before);
        let output = self.output(task, place, during);
        let export = self.export(task, place, scope.at(Moment::Export));
        let timeout = self.timeout(task, place, during);
        let approval = task
            .get("metadata")
            .and_then(|metadata| self.task_metadata(metadata, &place.key("metadata"), during))
            .map(Box::new);
        let then = task.get("then").and_then(|value| self.then(value, &place.key("then"), targets));
        let then = then.unwrap_or(Then::Continue);
        leads.skippable = condition.is_some();
        leads.to.push(then);
        let kind = keyword.and_then(|keyword| self.kind(keyword, task, place, during, targets, leads));
        Some(Task {
            name: name.into(),
            source: TaskSource::new(self.source.clone(), reference.clone()),
            reference,
            condition,
            input,
            output,
            export,
            timeout,
            then,
            approval,
            kind: kind?,
        })
    }

    /// The one keyword of a task; says what is wrong with its members.
    fn keyword(&mut self, task: &'d Map<String, Value>, place: &Place<'_>) -> Option<&'static str> {
        let is_for = task.contains_key("for");
        let mut present =
            KEYWORDS.iter().filter(|word| task.contains_key(**word) && !(is_for && **word == "do"));
        let (first, second) = (present.next().copied(), present.next().copied());
        let known = |member: &str| {
            COMMON.contains(&member)
                || KEYWORDS.contains(&member)
                || first.is_some_and(|keyword| companions(keyword).contains(&member))
        };
        let mut meant = None;
        for member in task.keys().filter(|member| !known(member)) {
            if first.is_none() && meant.is_none() {
                meant = nearest(member, KEYWORDS);
            }
            let candidates = COMMON.iter().chain(first.map_or(&KEYWORDS[..], companions)).copied();
            let hint = did_you_mean(member, candidates);
            let owner = first.map_or_else(|| "a task".to_owned(), |keyword| format!("a `{keyword}` task"));
            let remedy =
                if hint.is_empty() { "; remove it, or indent it under what it belongs to" } else { &hint };
            self.error(&place.key(member), format!("`{}` is not a member of {owner}{remedy}", clip(member)));
        }
        match (first, second) {
            (Some(keyword), None) => Some(keyword),
            (Some(first), Some(second)) => {
                self.error(
                    place,
                    format!("`{first}` and `{second}` are two tasks in one; make two items of the list"),
                );
                None
            }
            _ => {
                if meant.is_none() {
                    self.error(
                        place,
                        format!("{} does nothing; give it one of {}", place.name(), KEYWORDS.join(", ")),
                    );
                }
                None
            }
        }
    }

    fn kind(
        &mut self,
        keyword: &'static str,
        task: &'d Map<String, Value>,
        place: &Place<'_>,
        scope: Scope<'_>,
        targets: Targets<'_, 'd>,
        leads: &mut Exits,
    ) -> Option<TaskKind> {
        let value = task.get(keyword)?;
        let at = place.key(keyword);
        match keyword {
            "call" => self.call(value, task, place, scope),
            "do" => Some(TaskKind::Do(self.task_list(value, &at, scope))),
            "emit" => self.emit(value, &at, scope),
            "listen" => self.listen(value, task, place, scope),
            "for" => self.for_task(value, task, place, scope),
            "fork" => self.fork(value, &at, scope),
            "raise" => {
                leads.to.clear();
                self.raise(value, &at, scope)
            }
            "run" => self.run(value, &at, scope),
            "set" => self.set(value, &at, scope),
            "switch" => self.switch(value, &at, scope, targets, leads),
            "try" => self.try_task(value, task, place, scope, targets, leads),
            "wait" => self.duration_spec(value, &at, scope).map(TaskKind::Wait),
            other => {
                self.unsupported(&at, other);
                None
            }
        }
    }
}
