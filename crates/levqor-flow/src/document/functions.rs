//! `use.functions`, `call: <name>` and `use.extensions`.
//!
//! A function is compiled once, however often it is called, and calls refer to it by number. So its size counts once,
//! and what bounds a run are the limits on tasks and on the depth of calls.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    checker::{Checker, kind},
    data::{Moment, Scope, enclosed},
    flow::{Exits, Targets},
    issue::{Issue, Place, clip},
    near::did_you_mean,
    services, support,
};
use crate::definition::{CallFunction, Extend, Extension, TaskKind, TaskList};

/// How deep functions may call each other.
const DEPTH_MAX: usize = levqor_model::limits::NESTING_MAX;

/// The functions of a document, and who calls them.
#[derive(Debug, Default)]
pub(super) struct Functions<'d> {
    /// Positions by name.
    pub(super) names: BTreeMap<&'d str, usize>,
    /// How many stand in the document; those of catalogs come after them.
    pub(super) local: usize,
    pub(super) compiled: Vec<TaskList>,
    /// The function that is being compiled.
    pub(super) current: Option<usize>,
    calls: Vec<Call>,
}

/// One function calls another.
#[derive(Debug)]
struct Call {
    caller: usize,
    callee: usize,
    pointer: String,
}

impl<'d> Checker<'d> {
    pub(super) fn functions(&mut self, value: &'d Value, place: &Place<'_>) {
        let Some(functions) =
            self.object(value, place, "{ getPet: { call: http, with: { method: get, endpoint: … } } }")
        else {
            return;
        };
        // All names first: functions may call those that stand below them.
        self.functions.names =
            functions.keys().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
        self.functions.local = functions.len();
        for (index, (name, value)) in functions.iter().enumerate() {
            let at = place.key(name);
            self.function_name(name, &at);
            self.functions.current = Some(index);
            let scope = Scope::new(Moment::Task);
            let task = self.task(name, value, &at, scope, Targets::Function, &mut Exits::default());
            self.functions.compiled.push(task.into_iter().collect());
        }
        self.functions.current = None;
    }

    /// `call: <name>` for a name that is not a protocol's.
    pub(super) fn call_function(
        &mut self,
        target: &'d str,
        task: &'d Map<String, Value>,
        place: &Place<'_>,
        scope: Scope<'_>,
        others: &[&'static str],
    ) -> Option<TaskKind> {
        let at = place.key("call");
        let with = task.get("with").and_then(|value| {
            let place = place.key("with");
            if !value.is_object() && value.as_str().and_then(enclosed).is_none() {
                let message = format!(
                    "`with` must be an object or an expression in ${{ }}, and is {}; write for example {{ petId: 69 }}",
                    kind(value)
                );
                self.error(&place, message);
                return None;
            }
            Some(self.data(value, &place, scope))
        });
        if let Some(own) = services::own(target) {
            return self.call_own(own, with, task, place);
        }
        let function = match self.functions.names.get(target) {
            Some(function) => *function,
            None if target.contains('@') && !target.contains("://") => self.catalogued(target, &at)?,
            None => {
                self.no_such_function(target, &at, others);
                return None;
            }
        };
        if let Some(caller) = self.functions.current {
            let pointer = self.catalogs.inside.clone().unwrap_or_else(|| at.pointer());
            self.functions.calls.push(Call { caller, callee: function, pointer });
        }
        Some(TaskKind::CallFunction(CallFunction { name: target.to_owned(), function, with }))
    }

    fn no_such_function(&mut self, target: &str, place: &Place<'_>, others: &[&'static str]) {
        if target.contains("://") {
            self.refuse(place, &support::CALL_ADDRESS);
        } else {
            let known = others.iter().copied().chain(self.functions.names.keys().copied());
            let hint = did_you_mean(target, known);
            let message = format!(
                "there is no function {:?}; declare it in `use.functions`, or use `call: http`{hint}",
                clip(target)
            );
            self.error(place, message);
        }
    }

    fn function_name(&mut self, name: &str, place: &Place<'_>) {
        if name.is_empty() || name.chars().count() > super::task::NAME_CHARS_MAX {
            let message = format!(
                "a function's name has 1 to {} characters; choose another name",
                super::task::NAME_CHARS_MAX
            );
            self.error(place, message);
        } else if super::call::PROTOCOLS.iter().any(|(protocol, _)| *protocol == name) {
            let message = format!("`call: {name}` means something else already; choose another name");
            self.error(place, message);
        }
    }

    /// Refuses functions that call themselves, also by way of others, and chains of calls that are too long.
    pub(super) fn recursion(&mut self) {
        let calls = &self.functions.calls;
        let count = self.functions.compiled.len();
        let mut callees: Vec<Vec<usize>> = vec![Vec::new(); count];
        let mut callers_left = vec![0_usize; count];
        for (index, call) in calls.iter().enumerate() {
            callees[call.caller].push(index);
            callers_left[call.callee] += 1;
        }
        // Functions in an order in which callers come first; those of a circle, and what they call, never come.
        let mut depth = vec![1_usize; count];
        let mut ready: Vec<usize> = (0..count).filter(|function| callers_left[*function] == 0).collect();
        let mut too_deep = None;
        while let Some(function) = ready.pop() {
            for call in &callees[function] {
                let callee = calls[*call].callee;
                depth[callee] = depth[callee].max(depth[function] + 1);
                if depth[callee] > DEPTH_MAX {
                    too_deep = too_deep.or(Some(*call));
                }
                callers_left[callee] -= 1;
                if callers_left[callee] == 0 {
                    ready.push(callee);
                }
            }
        }
        if let Some(call) = too_deep {
            let message =
                format!("functions call each other more than {DEPTH_MAX} deep here; make the chain shorter");
            self.errors.push_at(Issue { pointer: calls[call].pointer.clone(), message });
        }
        let Some(message) = self.circle(&callers_left, &callees) else { return };
        self.errors.push_at(message);
    }

    /// A circle of calls among the functions that are left.
    fn circle(&self, callers_left: &[usize], callees: &[Vec<usize>]) -> Option<Issue> {
        let calls = &self.functions.calls;
        // Against the direction of the calls every function that is left has a caller that is left, so this comes round.
        let start = callers_left.iter().position(|left| *left > 0)?;
        let mut caller = vec![start; callers_left.len()];
        for call in calls.iter().filter(|call| callers_left[call.caller] > 0) {
            caller[call.callee] = call.caller;
        }
        let mut seen = vec![false; callers_left.len()];
        let mut function = start;
        while !std::mem::replace(&mut seen[function], true) {
            function = caller[function];
        }
        // `function` is on a circle: the shortest way back to it.
        let mut way: Vec<Option<usize>> = vec![None; callers_left.len()];
        let mut open = std::collections::VecDeque::from([function]);
        let mut last = None;
        while let Some(caller) = open.pop_front() {
            for call in &callees[caller] {
                let callee = calls[*call].callee;
                if callee == function {
                    last = Some(*call);
                    open.clear();
                    break;
                }
                if way[callee].is_none() {
                    way[callee] = Some(*call);
                    open.push_back(callee);
                }
            }
        }
        let last = last?;
        let name = |position: usize| {
            let mut names = self.functions.names.iter();
            let name = names.find(|(_, index)| **index == position).map(|(name, _)| *name);
            name.or_else(|| self.catalogs.name(position)).unwrap_or_default()
        };
        const NAMES_MAX: usize = 5;
        let mut names = vec![name(function)];
        let mut back = calls[last].caller;
        while back != function && names.len() <= NAMES_MAX {
            names.push(name(back));
            match way[back] {
                Some(call) => back = calls[call].caller,
                None => break,
            }
        }
        names.push(if back == function { name(function) } else { "…" });
        names.reverse();
        let chain = names.iter().map(|name| clip(name)).collect::<Vec<_>>().join(" calls ");
        Some(Issue {
            pointer: calls[last].pointer.clone(),
            message: format!(
                "a function cannot call itself, and here {chain}; use a `for`, or a jump with `then`"
            ),
        })
    }

    pub(super) fn extensions(&mut self, value: &'d Value, place: &Place<'_>) -> Vec<Extension> {
        let Some(items) = self.list(value, place, "`- log: { extend: call, before: [ … ] }`") else {
            return Vec::new();
        };
        let mut names = std::collections::HashSet::new();
        let mut extensions = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let at = place.index(index);
            let Some((name, value)) = self.named_item(item, &at, "extension") else { continue };
            let at = at.key(name);
            if !names.insert(name) {
                let message = format!("the extension `{}` is there twice; rename one", clip(name));
                self.error(&at, message);
            }
            extensions.extend(self.extension(name, value, &at));
        }
        extensions
    }

    fn extension(&mut self, name: &str, value: &'d Value, place: &Place<'_>) -> Option<Extension> {
        let extension = self.object(value, place, "{ extend: call, before: [ … ] }")?;
        self.closed(extension, place, &["extend", "when", "before", "after"]);
        let scope = Scope::new(Moment::Task);
        let extend = self
            .required(extension, place, "extend")
            .and_then(|value| self.word(value, &place.key("extend"), &Extend::WORDS));
        let when = self.optional_expression(extension, place, "when", scope);
        if !extension.contains_key("before") && !extension.contains_key("after") {
            self.error(place, format!("{} does nothing; give it `before` or `after`", place.name()));
        }
        let mut tasks = |member: &str| -> TaskList {
            match extension.get(member) {
                Some(value) => self.task_list(value, &place.key(member), scope),
                None => TaskList::from([]),
            }
        };
        let (before, after) = (tasks("before"), tasks("after"));
        Some(Extension { name: name.to_owned(), extend: extend?, when, before, after })
    }
}
