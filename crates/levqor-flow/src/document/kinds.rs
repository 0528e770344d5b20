//! The tasks that shape the flow and the data: `for`, `fork`, `run`, `set`, `switch`.

use serde_json::{Map, Value};

use super::{
    checker::{Checker, kind},
    data::{Scope, VARIABLES},
    flow::{Exits, Targets},
    issue::{Place, clip},
    process::{Manner, RETURNS},
    support,
};
use crate::definition::{Case, For, Fork, Returns, RunWorkflow, TaskKind, Template, Then};

impl<'d> Checker<'d> {
    pub(super) fn for_task(
        &mut self,
        value: &'d Value,
        task: &'d Map<String, Value>,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Option<TaskKind> {
        let at = place.key("for");
        let head = self.object(value, &at, "{ each: item, in: .items }");
        let mut items = None;
        let (mut each, mut index) = ("item", "index");
        if let Some(head) = head {
            self.closed(head, &at, &["each", "in", "at"]);
            each = self.variable(head, &at, "each").unwrap_or(each);
            index = self.variable(head, &at, "at").unwrap_or(index);
            if each == index {
                let member = if head.contains_key("at") { "at" } else { "each" };
                let message = format!("`each` and `at` are both `{}`; name them differently", clip(each));
                self.error(&at.key(member), message);
            }
            items =
                self.required(head, &at, "in").and_then(|value| self.collection(value, &at.key("in"), scope));
        }
        let item = scope.local(each);
        let inside = scope.within(&item);
        let position = inside.local(index);
        let inside = inside.within(&position);
        let condition = self.optional_expression(task, place, "while", inside);
        let tasks =
            self.required(task, place, "do").map(|value| self.task_list(value, &place.key("do"), inside));
        Some(TaskKind::For(For {
            each: each.to_owned(),
            at: index.to_owned(),
            items: items?,
            condition,
            tasks: tasks?,
        }))
    }

    /// `for.in`: an expression, or the items themselves, with expressions among them or in them.
    fn collection(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> Option<Template> {
        match value {
            Value::Array(_) => Some(self.data(value, place, scope)),
            Value::String(_) => self.expression(value, place, scope).map(Template::Expression),
            other => {
                let message = format!(
                    "`in` must be an expression that gives a list, such as '.items', or a list, and is {}",
                    kind(other)
                );
                self.error(place, message);
                None
            }
        }
    }

    /// The name of a variable that a loop or a handler makes.
    pub(super) fn variable(
        &mut self,
        object: &'d Map<String, Value>,
        place: &Place<'_>,
        member: &str,
    ) -> Option<&'d str> {
        let name = self.optional_text(object, place, member)?;
        let is_name = !name.is_empty()
            && name.len() <= 64
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let reason = if let Some(bare) = name.strip_prefix('$') {
            format!("write it without `$`: {}", clip(bare))
        } else if !is_name {
            "use letters, digits and `_`, at most 64".to_owned()
        } else if VARIABLES.contains(&name) || name == "ENV" || name.starts_with("__") {
            "it has a meaning already; choose another name".to_owned()
        } else {
            return Some(name);
        };
        let message = format!("{:?} cannot be the name of a variable; {reason}", clip(name));
        self.error(&place.key(member), message);
        None
    }

    pub(super) fn fork(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> Option<TaskKind> {
        let fork = self.object(value, place, "{ branches: [ … ] }")?;
        self.closed(fork, place, &["branches", "compete"]);
        let compete = fork.get("compete").and_then(|value| self.boolean(value, &place.key("compete")));
        let branches = self.required(fork, place, "branches")?;
        let branches = self.branches(branches, &place.key("branches"), scope);
        Some(TaskKind::Fork(Fork { branches, compete: compete.unwrap_or(false) }))
    }

    pub(super) fn set(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> Option<TaskKind> {
        match value {
            Value::Object(members) if members.is_empty() => {
                self.error(place, "`set` is empty; give it members, or an expression");
                None
            }
            Value::Object(_) | Value::String(_) => Some(TaskKind::Set(self.data(value, place, scope))),
            other => {
                let message = format!(
                    "`set` must be an object or an expression, and is {}; write for example {{ greeting: hello }}",
                    kind(other)
                );
                self.error(place, message);
                None
            }
        }
    }

    pub(super) fn switch(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        scope: Scope<'_>,
        targets: Targets<'_, 'd>,
        leads: &mut Exits,
    ) -> Option<TaskKind> {
        let items = self.list(value, place, "`- adult: { when: .age >= 18, then: serve }`")?;
        if items.is_empty() {
            self.error(place, "`switch` has no cases; give it at least one");
        }
        let mut names = std::collections::HashSet::new();
        let mut default = None;
        let mut cases = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let at = place.index(index);
            let Some((name, value)) = self.named_item(item, &at, "case") else { continue };
            let at = at.key(name);
            if !names.insert(name) {
                self.error(&at, format!("the case `{}` is there twice; rename one", clip(name)));
            }
            let Some(case) = self.object(value, &at, "{ when: .age >= 18, then: serve }") else { continue };
            self.closed(case, &at, &["when", "then"]);
            let condition = self.optional_expression(case, &at, "when", scope);
            if !case.contains_key("when")
                && let Some(earlier) = default.replace(name)
            {
                let message = format!(
                    "`{}` and `{}` are both cases without `when`; keep one as the default",
                    clip(earlier),
                    clip(name)
                );
                self.error(&at, message);
            }
            let then = self
                .required(case, &at, "then")
                .and_then(|value| self.then(value, &at.key("then"), targets))
                .unwrap_or(Then::Continue);
            leads.to.push(then);
            cases.push(Case { name: name.to_owned(), condition, then });
        }
        if default.is_some() {
            // Some case always matches, so the task's own `then`, which stands first, is never followed.
            leads.to.remove(0);
        }
        Some(TaskKind::Switch(cases))
    }

    pub(super) fn run(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> Option<TaskKind> {
        const PROCESSES: [&str; 4] = ["workflow", "container", "script", "shell"];
        let run =
            self.object(value, place, "{ workflow: { namespace: shop, name: bill, version: latest } }")?;
        self.closed(run, place, &["workflow", "container", "script", "shell", "await", "return"]);
        let wait = run.get("await").and_then(|value| self.boolean(value, &place.key("await")));
        let returns = run.get("return").and_then(|value| {
            let place = place.key("return");
            let returns = self.word(value, &place, &RETURNS);
            if run.contains_key("workflow") {
                self.warn(
                    &place,
                    "`return` has no effect on a workflow, whose output is its output; remove it",
                );
            }
            returns
        });
        let manner = Manner { wait: wait.unwrap_or(true), returns: returns.unwrap_or(Returns::Stdout) };
        let mut present = PROCESSES.iter().filter(|process| run.contains_key(**process));
        match (present.next(), present.next()) {
            (Some(first), Some(second)) => {
                self.error(place, format!("`run` has both `{first}` and `{second}`; make two tasks"));
                None
            }
            (None, _) => {
                self.error(place, "`run` does not say what to run; give it `workflow`");
                None
            }
            (Some(&"workflow"), None) => {
                let process = self.run_workflow(run.get("workflow")?, &place.key("workflow"), scope)?;
                Some(TaskKind::RunWorkflow(RunWorkflow { wait: wait.unwrap_or(true), ..process }))
            }
            (Some(&"shell"), None) => self.shell(run.get("shell")?, &place.key("shell"), scope, manner),
            (Some(&"script"), None) => self.script(run.get("script")?, &place.key("script"), scope, manner),
            (Some(_), None) => {
                self.refuse(&place.key("container"), &support::CONTAINER);
                None
            }
        }
    }

    fn run_workflow(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> Option<RunWorkflow> {
        let workflow = self.object(value, place, "{ namespace: shop, name: bill, version: latest }")?;
        self.closed(workflow, place, &["namespace", "name", "version", "input"]);
        let namespace = self.label(workflow, place, "namespace");
        let name = self.label(workflow, place, "name");
        let version = match workflow.get("version") {
            None => Some("latest"),
            Some(value) => {
                let place = place.key("version");
                let version = self.text(value, &place)?;
                if version != "latest" && !super::root::is_version(version) {
                    self.error(
                        &place,
                        format!(
                            "`version` must be '1.0.0' or the like, or latest, and is {:?}",
                            clip(version)
                        ),
                    );
                }
                Some(version)
            }
        };
        let input = workflow.get("input").and_then(|value| {
            let place = place.key("input");
            let is_input =
                value.is_object() || value.as_str().is_some_and(|text| super::data::enclosed(text).is_some());
            if !is_input {
                let message = format!(
                    "`input` must be an object or an expression in ${{ }}, and is {}; leave it out to hand on the task's input",
                    kind(value)
                );
                self.error(&place, message);
                return None;
            }
            Some(self.data(value, &place, scope))
        });
        Some(RunWorkflow {
            namespace: namespace?.to_owned(),
            name: name?.to_owned(),
            version: version?.to_owned(),
            input,
            wait: true,
        })
    }
}

/// Depth is bounded by that of the document.
pub(super) fn holds_expression(value: &Value) -> bool {
    match value {
        Value::String(text) => super::data::enclosed(text).is_some(),
        Value::Array(items) => items.iter().any(holds_expression),
        Value::Object(members) => members.values().any(holds_expression),
        _ => false,
    }
}
